"""Where the number of unstable directions of a followed fixed point changes, and at which eigenvalue.

Growth rates in descending order are continuous along the curve, so the k-th largest changes its sign where the number
of positive ones passes k: that is what is searched for, whichever eigenvalue it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.records import FixedPoint
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.curves import Node, point
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.normal_forms import SimpleZero, Spectrum, leak_of, simple_zero, spectrum, spectrum_at
from dynaghost.trajectories.space_link import Life, Place, Turning
from dynaghost.trajectories.zeros import zero

_ASIDE = 0.05  # share of a piece's end at which a count is taken where the end itself is degenerate
_BRACKET = 1e-7  # share of a piece on either side of a change at which its test function is given

# How often a stretch is halved in which growth rates move more than they are away from 0, and how many rates of those
# nearest 0 tell; about how many nodes of a curve are looked at.
_HALVINGS, _NEAREST, _NODES = 4, 4, 8
_LARGE = 128  # dimensions above which fewer are


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

    def margins(self, at: float) -> Array:
        """How far each eigenvalue is from the border of stability, in the units of J, by growth."""
        growth, system = self.spectrum(at).growth, self.equation.line.first
        return growth if system.time is Time.FLOW else np.expm1(np.minimum(growth, 1.0)) / leak_of(system)

    def jacobian(self, at: float) -> Array:
        node = self.node(at)
        return np.asarray(self.equation.line.at(node.s).jacobian(node.x))

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
    """Every change of stability that the two ends of a life show, or places between where one may be hidden.

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
        stops = [(from_, low), *_looked_up(along, from_, to), (to, high)]
        for (a, before), (b, after) in pairwise(stops):
            found.extend(_between(number, along, (a, b), (before, after)))
    return found, counts


def _looked_up(along: _Stability, a: float, b: float) -> list[tuple[float, int]]:
    """Places between `a` and `b` at which stability is looked up too, and the unstable directions there."""
    # A curve that was no single step turns, in x: some of its nodes are looked at in any case.
    most, halvings = _affordable(along.equation.dim)
    nodes = np.arange(np.floor(a) + 1, np.ceil(b))[:: len(along.nodes) // most + 1].tolist() if most else []
    found: list[tuple[float, int]] = []
    for low, high in pairwise([a, *nodes, b]):
        found += _stops(along, low, high, halvings)
        found += [(high, along.spectrum(high).unstable)] if high < b else []
    return found


def _affordable(dim: int) -> tuple[int, int]:
    """How many nodes of a curve are looked at, and how often a stretch is halved: eigenvalues cost as dim³ does."""
    return int(_NODES * min(1.0, (_LARGE / dim) ** 2)), _HALVINGS if dim <= 2 * _LARGE else 1


def _stops(along: _Stability, a: float, b: float, halvings: int) -> list[tuple[float, int]]:
    """Where growth rates move by more than one is away from 0, it may be on the other side of 0 in between."""
    if not halvings or not _restless(along, a, b):
        return []
    middle = 0.5 * (a + b)
    left, right = (_stops(along, *span, halvings - 1) for span in ((a, middle), (middle, b)))
    return [*left, (middle, along.spectrum(middle).unstable), *right]


def _restless(along: _Stability, a: float, b: float) -> bool:
    """Whether one of the growth rates nearest 0 is closer to 0 at both ends than such rates move from end to end, or
    than the Jacobian in the middle is away from the mean of those at the ends."""
    first, last = along.margins(a), along.margins(b)
    near = np.argsort(np.minimum(np.abs(first), np.abs(last)))[:_NEAREST]
    first, last = first[near], last[near]
    stays = first * last > 0
    closest = np.minimum(np.abs(first), np.abs(last))[stays].min(initial=np.inf)
    if closest < np.abs(last - first).max():
        return True
    low, middle, high = (along.jacobian(at) for at in (a, 0.5 * (a + b), b))
    return bool(closest < np.linalg.norm(middle - 0.5 * (low + high)))


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


def _between(
    number: int, along: _Stability, span: tuple[float, float], counts: tuple[int, int], deeper: int = 6
) -> list[Change]:
    """The changes on a stretch of a life whose ends have these counts."""
    if counts[0] == counts[1] or not deeper:
        return []
    change, sides = _located(number, along, span, min(counts), rising=counts[1] > counts[0])
    # Others lie beside it where it alone does not account for both counts, such as a pair's and one of a flip back.
    before, after = (along.spectrum(side).unstable for side in sides)
    found = [change]
    if sides[0] > span[0] + _BRACKET:
        found = _between(number, along, (span[0], sides[0]), (counts[0], before), deeper - 1) + found
    if sides[1] < span[1] - _BRACKET:
        found += _between(number, along, (sides[1], span[1]), (after, counts[1]), deeper - 1)
    return found


def _located(
    number: int, along: _Stability, span: tuple[float, float], k: int, *, rising: bool
) -> tuple[Change, tuple[float, float]]:
    """Where the growth of the eigenvalue of rank `k` (from 0) changes sign, and places on both sides of it."""
    side = 1.0 if rising else -1.0
    a, b = _bracketed(along, span, k, side)

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
    change = Change(
        number,
        node,
        crossing,
        eigenvalue,
        (along.node(beside[0]).s, along.node(beside[1]).s),
        (test(beside[0]), test(beside[1])),
        (k, k + step) if rising else (k + step, k),
    )
    return change, beside


def _bracketed(along: _Stability, span: tuple[float, float], k: int, side: float) -> tuple[float, float]:
    """Neighbouring nodes, or ends of the span, between which the growth of rank `k` comes to be of this sign."""
    a, b = span
    places = [a, *(float(i) for i in range(int(np.floor(a)) + 1, int(np.ceil(b)))), b]
    low, high = 0, len(places) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if side * along.spectrum(places[middle]).growth[k] > 0 else (middle, high)
    return places[low], places[high]


def kind_of_crossing(eigenvalue: complex, time: Time, leak: float) -> Crossing:
    """Which kind of eigenvalue is at the border of stability."""
    if abs(eigenvalue.imag) > 1e-5 * (1 + abs(eigenvalue)):
        return Crossing.PAIR
    if time is Time.MAP and leak * eigenvalue.real < -1:
        return Crossing.FLIP
    return Crossing.ZERO
