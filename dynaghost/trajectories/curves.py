"""The solution curve of F(x, s) = 0 from a known point of it, in natural steps of s where it is plain and by
pseudo-arclength where it turns.

A step is believed only if Newton contracts at once (|Δx₁| ≤ 0.15·|Δx₀|, which neither scaling nor a change of
coordinates of F alters) and if the tangents at both of its ends account for it; so a step does not change to another
curve nearby.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.leaps import CONTRACTION, UNACCOUNTED, Equation, solved
from dynaghost.trajectories.zeros import zero

_NOISE = 1e-13
_TILT = 0.96  # least cosine between the tangents at the ends of a step
_BESIDE = 1e-3  # distance from a turning, in x, within which it is looked for
_FIRST, _LONGEST, _SHORTEST = 0.25, 2.0, 1e-9
# Tangents at the ends of a step are within 16° of each other: where both are less steep in s, the curve may have turned
# twice in between; how often the place is looked for.
_STEEP, _LOOKS = 0.3, 5
_BACK = 1e-8  # least ds along the curve the other way: less is rounding, as at a cusp
STEPS = 400
"""Most arclength steps of one curve."""


class CurveEnd(StrEnum):
    """Why a curve was followed no further."""

    ARRIVED = "arrived"
    SINGULAR = "it starts where the derivative is singular"
    SHORT = "steps became too short"
    BUDGET = "budget of steps"
    CLOSED = "it closes on itself"
    INFINITE = "it goes to infinity"


@dataclass(frozen=True, slots=True)
class Node:
    """A point of a curve: `y` = (x, s) and the unit tangent `t`, both (n + 1,)."""

    y: Array
    t: Array

    @property
    def x(self) -> Array:
        return self.y[:-1]

    @property
    def s(self) -> float:
        return float(self.y[-1])


@dataclass(slots=True)
class Curve:
    """A curve from one end of the line of checkpoints, through its turnings, to an end.

    Attributes
    ----------
    nodes : list of Node
        In order; turnings are among them.
    turnings : list of int
        Indices of the nodes at which s turns.
    end : CurveEnd
    """

    nodes: list[Node]
    turnings: list[int] = field(default_factory=list)
    end: CurveEnd = CurveEnd.ARRIVED

    @property
    def pieces(self) -> Iterator[list[Node]]:
        """The stretches on which s is monotone."""
        for a, b in pairwise([0, *self.turnings, len(self.nodes) - 1]):
            yield self.nodes[a : b + 1]


def node(x: Array, s: float, slope: Array) -> Node:
    """The node at x(s) with dx/ds = `slope`."""
    t = np.append(slope, 1.0)
    return Node(np.append(x, s), t / np.linalg.norm(t))


def trace(
    equation: Equation,
    x: Array,
    s: float,
    *,
    rising: bool,
    steps: int = STEPS,
    longest: float = _LONGEST,
    turnings: int | None = None,
) -> Curve:
    """The curve from a solution at `s`, until it leaves the line from s = 0 to s = 1.

    Parameters
    ----------
    equation : Equation
    x : ndarray (n,)
    s : float
    rising : bool
        Whether s increases at first.
    steps : int
        Most steps.
    longest : float
        Longest step, in (x, s).
    turnings : int, optional
        After so many turnings it is followed no further.
    """
    _, D, by_s = equation.parts(x[None], s)
    (slope,), fine = solved(D, -by_s)
    first = node(x, s, slope[0])
    curve = Curve([first if rising else Node(first.y, -first.t)])
    if not fine[0]:
        curve.end = CurveEnd.SINGULAR
        return curve
    return _trace_on(equation, curve, steps, longest, turnings)


def loop(equation: Equation, x: Array, s: float, v: Array, *, steps: int = STEPS) -> Curve | None:
    """The curve through a turning at `x` and `s`, where its tangent is (v, 0), until it closes or leaves the line.

    The turning is its first node, and its last one too if it closes; it is not among `turnings`. None if there is no
    such curve.
    """
    t = np.append(v / np.linalg.norm(v), 0.0)
    beside = [correct(equation, np.append(x, s) + side * _BESIDE * t, t) for side in (-1, 1)]
    before, after = (None if found is None else found[0] for found in beside)
    if before is None or after is None or before.t[-1] * after.t[-1] >= 0:
        return None
    first = _where(equation, before, after, lambda at: float(at.t[-1]))
    return _trace_on(equation, Curve([first]), steps, _LONGEST, None)


def _trace_on(equation: Equation, curve: Curve, steps: int, longest: float, turnings: int | None) -> Curve:
    """Further nodes, until something ends the curve."""
    h, size = min(_FIRST, longest), float(np.linalg.norm(curve.nodes[0].x))
    for _ in range(steps):
        here = curve.nodes[-1]
        found = _step(equation, here, h)
        if found is None:
            h *= 0.35
            if h < _SHORTEST:
                curve.end = CurveEnd.SHORT
                return curve
            continue
        new, easy = found
        if _advance(equation, curve, new) or (turnings is not None and len(curve.turnings) >= turnings):
            return curve
        if np.linalg.norm(new.x) > 1e6 * (1 + size):
            curve.end = CurveEnd.INFINITE
            return curve
        if _closes(curve):
            return curve
        h = min(h * (2.0 if easy else 1.0), longest)
    curve.end = CurveEnd.BUDGET
    return curve


def _closes(curve: Curve) -> bool:
    """Whether the last step went past the first node; then that is the last one too."""
    first = curve.nodes[0]
    if not curve.turnings or len(curve.nodes) < 4 or abs(first.t[-1]) > 1e-5:
        return False
    here, new = curve.nodes[-2:]
    h = float(np.linalg.norm(new.y - here.y))
    # Its own turning is found a second time, or, by rounding, missed.
    again = float(np.linalg.norm(here.y - first.y)) <= 1e-6 * (1 + float(np.linalg.norm(first.y)))
    past = (new.y - first.y) @ first.t >= 0 >= (here.y - first.y) @ first.t
    near = np.linalg.norm(new.y - first.y) <= 1.2 * h and new.t @ first.t > _TILT - 0.2
    if not (again or (past and near)):
        return False
    del curve.nodes[-2 if again else -1 :]
    curve.turnings = [k for k in curve.turnings if k < len(curve.nodes)]
    curve.nodes.append(first)
    curve.end = CurveEnd.CLOSED
    return True


def _step(equation: Equation, here: Node, h: float) -> tuple[Node, bool] | None:
    """The next node and whether the step was an easy one; None if it is not to be believed."""
    predicted = here.y + h * here.t
    found = correct(equation, predicted, here.t)
    if found is None:
        return None
    new, contraction = found
    cosine = float(here.t @ new.t)
    if contraction > CONTRACTION or cosine < _TILT:
        return None
    correction = new.y - predicted
    if equation.smooth:
        unaccounted = np.linalg.norm(correction - h / (1 + cosine) * (new.t - cosine * here.t))
        if unaccounted > UNACCOUNTED * np.linalg.norm(correction) + 1e-9:
            return None
    return new, contraction < 0.06 and cosine > 0.985


def correct(equation: Equation, y: Array, t: Array) -> tuple[Node, float] | None:
    """The solution in the hyperplane through `y` across `t`, with its tangent, and Newton's first contraction.

    None if Newton does not converge.
    """
    n, last, contraction = len(t) - 1, np.inf, 0.0
    D = np.empty((1, n + 1, n + 1))
    y = y.copy()
    for k in range(10):
        F, D[:, :n, :n], D[:, :n, n] = equation.parts(y[None, :n], float(y[n]))
        D[:, n] = t
        down = np.zeros((1, n + 1))
        down[:, n] = 1.0
        (step, tangent), fine = solved(D, -np.append(F, [[0.0]], axis=1), down)
        if not fine[0]:
            return None
        y += step[0]
        length, size = float(np.linalg.norm(step)), 1 + float(np.linalg.norm(y))
        ratio = length / max(last, 1e-300)
        contraction = ratio if k == 1 and last > 1e-9 * size else contraction
        if length <= _NOISE * size or (k and (ratio > 0.5 or length * ratio**2 <= _NOISE * size)):
            # Newton stalls at the rounding of F, which a nearly singular matrix magnifies.
            good = length <= 1e-6 * size
            return (Node(y, tangent[0] / np.linalg.norm(tangent)), contraction) if good else None
        last = length
    return None


def point(equation: Equation, a: Node, b: Node, u: float) -> Node:
    """The curve between two neighbouring nodes, at the share `u` of the way, corrected.

    Where the correction fails, right at a branch point, the cubic through both nodes stands for it.
    """
    chord, cosine = b.y - a.y, float(a.t @ b.t)
    length = 2 * float(chord @ (a.t + b.t)) / (2 + 2 * cosine)
    v = 1 - u
    y = v * v * (1 + 2 * u) * a.y + u * u * (1 + 2 * v) * b.y + length * u * v * (v * a.t - u * b.t)
    t = v * a.t + u * b.t
    t = t / np.linalg.norm(t)
    found = correct(equation, y, t)
    return Node(y, t) if found is None else found[0]


def _advance(equation: Equation, curve: Curve, new: Node) -> bool:
    """Add a node, and before it one between two turnings that lie on the way; True if the curve has left the line."""
    between = _between_turnings(equation, curve.nodes[-1], new)
    return (between is not None and _add(equation, curve, between)) or _add(equation, curve, new)


def _between_turnings(equation: Equation, a: Node, b: Node) -> Node | None:
    """A node between two at which s goes the other way than at both: the curve turns twice from one to the other.

    Looked for where the cubic through both is steepest the other way, or least steep.
    """
    side = np.sign(a.t[-1])
    if side * b.t[-1] <= 0 or max(abs(a.t[-1]), abs(b.t[-1])) > _STEEP:
        return None
    for _ in range(_LOOKS):
        u = _least_steep(a, b)
        if not 0 < u < 1:
            return None
        found = point(equation, a, b, u)
        if side * found.t[-1] < -_BACK:
            return found
        # The least steep place lies where its neighbours' cubic has it, on one side or the other.
        a, b = (a, found) if 0 < _least_steep(a, found) < 1 else (found, b)
    return None


def _least_steep(a: Node, b: Node) -> float:
    """The share of the way at which s changes least along the cubic through two nodes; 0 where it does at an end."""
    length = float((b.y - a.y) @ (a.t + b.t)) / (1 + float(a.t @ b.t))
    rise, low, high = b.s - a.s, length * a.t[-1], length * b.t[-1]
    bend = low + high - 2 * rise  # a third of the third derivative, over 2
    u = (2 * low + high - 3 * rise) / (3 * bend) if bend else 0.0
    return u if bend * a.t[-1] > 0 else 0.0


def _add(equation: Equation, curve: Curve, new: Node) -> bool:
    """Add a node, and before it the turning that lies on the way; True if the curve has left the line."""
    here = curve.nodes[-1]
    if here.t[-1] * new.t[-1] < 0:
        turning = _where(equation, here, new, lambda at: float(at.t[-1]))
        if 0 <= turning.s <= 1:
            curve.nodes.append(turning)
            curve.turnings.append(len(curve.nodes) - 1)
            here = turning
        else:
            new = turning
    if 0 <= new.s <= 1:
        curve.nodes.append(new)
        return False
    bound = 0.0 if new.s < 0 else 1.0
    landing = _where(equation, here, new, lambda at: at.s - bound)
    curve.nodes.append(_landed(equation, landing, bound))
    return True


def _landed(equation: Equation, landing: Node, bound: float) -> Node:
    """The landing put exactly on the bound by Newton at fixed s, if that stays close."""
    x = landing.x.copy()
    for _ in range(4):
        F, D, _ = equation.parts(x[None], bound)
        (step,), fine = solved(D, -F)
        if not fine[0] or np.linalg.norm(step) > 1e-4 * (1 + np.linalg.norm(x)):
            break
        x = x + step[0]
    return Node(np.append(x, bound), landing.t)


def _where(equation: Equation, a: Node, b: Node, measure: Callable[[Node], float]) -> Node:
    """The node between two at which a measure of different sign at both is 0."""
    low, high = measure(a), measure(b)
    u = zero(lambda u: measure(point(equation, a, b, u)), 0.0, 1.0, low, high)
    return point(equation, a, b, u)
