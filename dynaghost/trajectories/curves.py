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
from typing import Protocol

import numpy as np

from dynaghost.kernels.linear import solve_each
from dynaghost.systems.base import Array

_CONTRACTION = 0.15
_CLOSE = 1e-10  # Newton has arrived where its next step would be below this, relative to 1 + |x|
_NOISE = 1e-13
_TILT = 0.96  # least cosine between the tangents at the ends of a step
_UNACCOUNTED = 0.25  # most of a step's correction that its tangents leave unexplained
_BESIDE = 1e-3  # distance from a turning, in x, within which it is looked for
_FIRST, _LONGEST, _SHORTEST = 0.25, 2.0, 1e-9
STEPS = 400
"""Most arclength steps of one curve."""


class Equation(Protocol):
    """F with its derivatives, for batches of states."""

    dim: int
    smooth: bool

    def parts(self, x: Array, s: float) -> tuple[Array, Array, Array]:
        """F (E, n), ∂F/∂x (E, n, n) and ∂F/∂s (E, n) at states (E, n)."""


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


@dataclass(frozen=True, slots=True)
class Leap:
    """A natural step of many points at once: `x` (E, n) at its end, slopes dx/ds at both ends, and whether to believe
    it, (E,)."""

    x: Array
    slopes: tuple[Array, Array]
    believed: Array


def leap(equation: Equation, x: Array, start: float, end: float) -> Leap:
    """From solutions (E, n) at s = `start` to s = `end` in one step each, or none.

    Examples
    --------
    >>> class Line:
    ...     dim, smooth = 1, True
    ...     def parts(self, x, s):
    ...         return x - s, np.ones((len(x), 1, 1)), -np.ones((len(x), 1))
    >>> found = leap(Line(), np.zeros((1, 1)), 0.0, 1.0)
    >>> found.x.tolist(), found.believed.tolist()
    ([[1.0]], [True])
    """
    ds, size = end - start, 1 + np.linalg.norm(x, axis=1)
    _, D, by_s = equation.parts(x, start)
    (slope,), believed = solved(D, -by_s)
    predicted = x + ds * slope
    y, slope_end = predicted.copy(), np.zeros_like(x)
    open_, last = np.flatnonzero(believed), np.full(len(x), np.inf)
    for _ in range(12):
        if not open_.size:
            break
        F, D, by_s = equation.parts(y[open_], end)
        (step, slope_end[open_]), fine = solved(D, -F, -by_s)
        y[open_] += step
        length = np.linalg.norm(step, axis=1)
        ratio = np.where(np.isinf(last[open_]), 0.0, length / np.maximum(last[open_], 1e-300))
        small = length <= _CLOSE * size[open_]
        fine &= small | (ratio <= _CONTRACTION)
        small |= np.isfinite(last[open_]) & (length * ratio**2 <= _CLOSE * size[open_])
        last[open_], believed[open_] = length, fine
        open_ = open_[fine & ~small]
    believed[open_] = False
    if equation.smooth:
        unaccounted = np.linalg.norm(y - x - 0.5 * ds * (slope + slope_end), axis=1)
        believed &= unaccounted <= _UNACCOUNTED * np.linalg.norm(y - predicted, axis=1) + 1e-7 * size
    return Leap(y, (slope, slope_end), believed)


def solved(D: Array, *right: Array) -> tuple[list[Array], Array]:
    """D[e]⁻¹ times each of the right-hand sides (E, n); 0 and False where D[e] is singular."""
    columns, fine = np.ascontiguousarray(np.stack(right, axis=-1)), np.empty(len(D), bool)
    solve_each(np.ascontiguousarray(D), columns, fine)
    fine &= np.all(np.isfinite(columns), axis=(1, 2))
    columns[~fine] = 0.0
    return [columns[..., k] for k in range(len(right))], fine


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
    if contraction > _CONTRACTION or cosine < _TILT:
        return None
    correction = new.y - predicted
    if equation.smooth:
        unaccounted = np.linalg.norm(correction - h / (1 + cosine) * (new.t - cosine * here.t))
        if unaccounted > _UNACCOUNTED * np.linalg.norm(correction) + 1e-9:
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


def zero(
    function: Callable[[float], float], a: float, b: float, at_a: float, at_b: float, *, within: float = 1e-11
) -> float:
    """A zero between `a` and `b`, where the function has different signs: inverse quadratic steps, else halves.

    Parameters
    ----------
    function : callable
    a, b : float
    at_a, at_b : float
        The function there.
    within : float
        Width of the bracket at which to stop.

    Examples
    --------
    >>> round(zero(lambda x: x**3 - 2, 0.0, 2.0, -2.0, 6.0), 12) == round(2 ** (1 / 3), 12)
    True
    """
    if at_a == 0 or at_b == 0:
        return a if at_a == 0 else b
    t = 0.5
    for _ in range(100):
        new = a + t * (b - a)
        value = function(new)
        if value == 0:
            return new
        c, at_c = (a, at_a) if (value > 0) == (at_a > 0) else (b, at_b)
        b, at_b = (b, at_b) if (value > 0) == (at_a > 0) else (a, at_a)
        a, at_a = new, value
        best = a if abs(at_a) < abs(at_b) else b
        tolerance = within / abs(b - a)
        if tolerance > 0.5:
            return best
        t = min(max(_inverse_quadratic((a, b, c), (at_a, at_b, at_c)), tolerance), 1 - tolerance)
    return best


def _inverse_quadratic(places: tuple[float, float, float], values: tuple[float, float, float]) -> float:
    """Share of the way from a to b at which inverse interpolation puts the zero; ½ where it is not to be trusted."""
    (a, b, c), (fa, fb, fc) = places, values
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb) if fc != fb else 0.0
    if not (phi * phi < xi and (1 - phi) ** 2 < 1 - xi):
        return 0.5
    return fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
