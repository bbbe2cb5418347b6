"""Where the number of unstable directions of a followed fixed point changes, and at which eigenvalue.

Growth rates in descending order are continuous along the curve, so the k-th largest changes its sign where the number
of positive ones passes k: that is what is searched for, whichever eigenvalue it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dynaghost.slowpoints.records import FixedPoint
from dynaghost.systems.base import Time
from dynaghost.trajectories.curves import Node, point
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.normal_forms import SimpleZero, Spectrum, leak_of, simple_zero, spectrum, spectrum_at
from dynaghost.trajectories.space_link import Life, Place, Turning
from dynaghost.trajectories.zeros import zero

_ASIDE = 0.05  # share of a piece's end at which a count is taken where the end itself is degenerate
_BRACKET = 1e-7  # share of a piece on either side of a change at which its test function is given


class Crossing(StrEnum):
    """What crosses the border of stability."""

    ZERO = "a real eigenvalue through 0"
    PAIR = "a complex pair"
    FLIP = "a real multiplier through -1"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of stability of a fixed point that goes on.

    Attributes
    ----------
    life : int
    node : Node
    crossing : Crossing
    eigenvalue : complex
        The critical one, λ; of a map the multiplier is 1 + leak·λ.
    bracket : tuple of float
        s on both sides.
    test : tuple of float
        Growth of the critical eigenvalue there.
    unstable : tuple of int
        Unstable directions before and after it, by increasing s.
    """

    life: int
    node: Node
    crossing: Crossing
    eigenvalue: complex
    bracket: tuple[float, float]
    test: tuple[float, float]
    unstable: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fold:
    """A turning with its normal form.

    Attributes
    ----------
    turning : Turning
    form : SimpleZero
    driven : float
        |w·∂f/∂s| as a share of |w|·|∂f/∂s| on the curve about it. 0 where s turns although f is not driven through it:
        another curve passes there.
    others : int
        Unstable directions apart from the critical one.
    """

    turning: Turning
    form: SimpleZero
    driven: float
    others: int

    @property
    def branch_point(self) -> bool:
        """Whether another curve may pass: the place is known to a cube root of the precision, and so is `driven`."""
        return self.driven < 1e-2


def fold(equation: FixedPoints, turning: Turning) -> Fold:
    """The normal form at a turning."""
    s, x = turning.node.s, turning.node.x
    system = equation.line.at(s)
    by_s = equation.line.velocity(x, s)
    form = simple_zero(system, x, by_s, turning.node.t[:-1])
    beside = [float(np.linalg.norm(equation.line.velocity(one.x, one.s))) for one in turning.neighbours]
    scale = max([*beside, float(np.linalg.norm(by_s))]) * float(np.linalg.norm(form.w))
    values = spectrum_at(system, x).eigenvalues
    rest = np.delete(values, int(np.argmin(np.abs(values))))
    return Fold(turning, form, abs(form.drive) / max(scale, 1e-300), spectrum(system, rest).unstable)


class _Stability:
    """Spectra along one life, each computed once."""

    def __init__(self, equation: FixedPoints, life: Life) -> None:
        self.equation, self.nodes = equation, life.nodes
        self.known: dict[float, Spectrum] = {}

    def node(self, at: float) -> Node:
        """At k + u, the share u of the way from node k to the next."""
        k = min(int(at), len(self.nodes) - 2)
        u = at - k
        if u in (0.0, 1.0):
            return self.nodes[k + int(u)]
        return point(self.equation, self.nodes[k], self.nodes[k + 1], u)

    def spectrum(self, at: float) -> Spectrum:
        if at not in self.known:
            node = self.node(at)
            self.known[at] = spectrum_at(self.equation.line.at(node.s), node.x)
        return self.known[at]


def changes(
    equation: FixedPoints,
    points: tuple[Sequence[FixedPoint], Sequence[FixedPoint]],
    lives: Sequence[Life],
    folds: Sequence[Fold],
) -> tuple[list[Change], list[tuple[int, int]]]:
    """Every change of stability that the two ends of a life show.

    Returns
    -------
    changes : list of Change
    unstable : list of (int, int)
        Unstable directions of each life where it begins and where it ends.
    """
    found: list[Change] = []
    counts = []
    for number, life in enumerate(lives):
        along = _Stability(equation, life)
        last = len(life.nodes) - 1.0
        ends = tuple(_at_end(along, end, at, points, folds) for end, at in ((life.low, 0.0), (life.high, last)))
        (low, from_), (high, to) = ends
        counts.append((low, high))
        found.extend(_between(number, along, (from_, to), (low, high)))
    return found, counts


def _at_end(
    along: _Stability,
    end: Place | int | None,
    at: float,
    points: tuple[Sequence[FixedPoint], Sequence[FixedPoint]],
    folds: Sequence[Fold],
) -> tuple[int, float]:
    """Unstable directions at an end of a life, and the place along it from which that holds."""
    aside = at + _ASIDE if at == 0 else at - _ASIDE
    if isinstance(end, Place):
        listed = points[end.side][end.index]
        if listed.degenerate:
            return along.spectrum(aside).unstable, aside
        # The record's eigenvalues are those of the same Jacobian.
        system = along.equation.line.at(float(end.side))
        along.known[at] = spectrum(system, listed.eigenvalues.astype(complex))
        return along.known[at].unstable, at
    if end is None:
        return along.spectrum(at).unstable, at
    if folds[end].branch_point:
        return along.spectrum(aside).unstable, aside
    critical = _critical_slope(along, folds[end], at)
    return folds[end].others + int((critical > 0) == (at == 0)), at


def _critical_slope(along: _Stability, fold: Fold, at: float) -> float:
    """dλ/dσ of the eigenvalue that is 0 at a fold, in the direction of increasing s of the life that ends there."""
    node = along.node(at)
    system = along.equation.line.at(node.s)
    return float(fold.form.w @ system.second_derivative(node.x, fold.form.v, node.t[:-1]))


def _between(number: int, along: _Stability, span: tuple[float, float], counts: tuple[int, int]) -> list[Change]:
    """The changes on a life whose ends have these counts."""
    found: list[Change] = []
    low, high = sorted(counts)
    k = low
    while k < high:
        change = _located(number, along, span, k, rising=counts[1] > counts[0])
        found.append(change)
        k += 2 if change.crossing is Crossing.PAIR else 1
    return found


def _located(number: int, along: _Stability, span: tuple[float, float], k: int, *, rising: bool) -> Change:
    """Where the growth of the eigenvalue of rank `k` (from 0) changes sign."""
    side = 1.0 if rising else -1.0
    a, b = span
    inner = [float(i) for i in range(int(np.floor(a)) + 1, int(np.ceil(b)))]
    low, high = 0, len(inner) + 1
    places = [a, *inner, b]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if side * along.spectrum(places[middle]).growth[k] > 0 else (middle, high)
    a, b = places[low], places[high]

    def test(at: float) -> float:
        return float(along.spectrum(at).growth[k])

    # At a turning the growth is 0 but for rounding; its sign is known.
    ends = [sign * max(abs(test(at)), 1e-12) for sign, at in ((-side, a), (side, b))]
    at = zero(test, a, b, *ends, within=1e-10)
    beside = max(at - _BRACKET, a), min(at + _BRACKET, b)
    node, eigenvalue = along.node(at), complex(along.spectrum(at).eigenvalues[k])
    system = along.equation.line.at(node.s)
    crossing = kind_of_crossing(eigenvalue, system.time, leak_of(system))
    step = 2 if crossing is Crossing.PAIR else 1
    return Change(
        number,
        node,
        crossing,
        eigenvalue,
        (along.node(beside[0]).s, along.node(beside[1]).s),
        (test(beside[0]), test(beside[1])),
        (k, k + step) if rising else (k + step, k),
    )


def kind_of_crossing(eigenvalue: complex, time: Time, leak: float) -> Crossing:
    """Which kind of eigenvalue is at the border of stability."""
    if abs(eigenvalue.imag) > 1e-5 * (1 + abs(eigenvalue)):
        return Crossing.PAIR
    if time is Time.MAP and leak * eigenvalue.real < -1:
        return Crossing.FLIP
    return Crossing.ZERO
