"""What happens to the fixed points of a ReLU or leaky ReLU network between two checkpoints.

A region has at most one fixed point, so which listed point a curve arrives at is exact: the one in its last region.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.linear_regions import argument
from dynaghost.slowpoints.records import FixedPoint
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.trajectories.border_curves import Border, Fragment, Region, RegionCurve, trace_regions
from dynaghost.trajectories.curves import CurveEnd
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.happenings import Happening, HappeningKind, crossing
from dynaghost.trajectories.normal_forms import Spectrum, leak_of, spectrum
from dynaghost.trajectories.space_link import TOO_FAR, Life, Place
from dynaghost.trajectories.stability_changes import Change, Crossing, kind_of_crossing
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.zeros import zero

_ON_A_KINK = "it lies on a kink: no region is its own"
_BRACKET = 1e-7  # in s, on either side of a change of stability


@dataclass(slots=True)
class BorderReading:
    """What lies on a link.

    Attributes
    ----------
    lives, unstable
        As of smooth fixed points: stretches, and unstable directions where each begins and ends.
    folds, changes : lists of Happening
        The numbers of folds are those at the ends of lives.
    lost : dict
        Listed points that could not be followed, and why.
    kinks : list of bytes
        Which units are above, below and at their kinks (1, −1, 0) at each fold.
    """

    lives: list[Life] = field(default_factory=list)
    unstable: list[tuple[int, int]] = field(default_factory=list)
    folds: list[Happening] = field(default_factory=list)
    changes: list[Happening] = field(default_factory=list)
    lost: dict[Place, str] = field(default_factory=dict)
    kinks: list[bytes] = field(default_factory=list)

    @property
    def events(self) -> list[Happening]:
        return self.folds + self.changes


def read_borders(equation: FixedPoints, first: Sequence[FixedPoint], second: Sequence[FixedPoint]) -> BorderReading:
    """Every listed fixed point of both checkpoints, followed through regions.

    Parameters
    ----------
    equation : FixedPoints
        Of piecewise linear networks.
    first, second : sequences of FixedPoint
        Of the two checkpoints.
    """
    reading, line = BorderReading(), equation.line
    regions = [_regions(line, side, points) for side, points in enumerate((first, second))]
    reached: set[Place] = set()
    for side, points in enumerate((first, second)):
        for index in range(len(points)):
            place = Place(side, index)
            if place not in reached:
                reached |= _follow(equation, reading, place, regions)
    return reading


def _regions(line: Line, side: int, points: Sequence[FixedPoint]) -> dict[bytes, int]:
    """The region of each listed point that lies in one, by its signs → its index."""
    network = line.at(float(side))
    assert isinstance(network, LeakyRNN)
    return {(argument(network, p.x) > 0).tobytes(): i for i, p in enumerate(points) if not p.degenerate}


def _follow(
    equation: FixedPoints, reading: BorderReading, place: Place, regions: Sequence[dict[bytes, int]]
) -> set[Place]:
    """Read the curve from a listed point; the places that it joins."""
    on = next((key for key, index in regions[place.side].items() if index == place.index), None)
    if on is None:
        reading.lost[place] = _ON_A_KINK
        return {place}
    signs = np.frombuffer(on, bool)
    curve = trace_regions(equation.line, signs, float(place.side), rising=place.side == 0)
    if curve.end is not CurveEnd.ARRIVED:
        gone = curve.end is CurveEnd.INFINITE
        reading.lost[place] = str(curve.end) if gone else f"{TOO_FAR}: {curve.end}"
        return {place}
    last = curve.fragments[-1]
    side = round(last.stop)
    index = regions[side].get(last.on.tobytes())
    end = None if index is None else Place(side, index)
    _cut(equation, reading, curve, (place, end))
    return {place} if end is None else {place, end}


def _cut(equation: FixedPoints, reading: BorderReading, curve: RegionCurve, ends: tuple[Place, Place | None]) -> None:
    """The curve as lives between its folds, with the events on each."""
    turns = [k for k, border in enumerate(curve.borders) if border.turns]
    begins: Place | int | None = ends[0]
    for a, b in pairwise([-1, *turns, len(curve.borders)]):
        fragments, inner = curve.fragments[a + 1 : b + 1], curve.borders[a + 1 : b]
        last = b == len(curve.borders)
        finishes = ends[1] if last else len(reading.folds)
        _live(equation, reading, fragments, inner, (begins, finishes))
        if not last:
            _fold(equation, reading, curve, b)
        begins = finishes


def _live(
    equation: FixedPoints,
    reading: BorderReading,
    fragments: Sequence[Fragment],
    borders: Sequence[Border],
    ends: tuple[Place | int | None, Place | int | None],
) -> None:
    """Enter one life, by increasing s, with its changes of stability and the borders at which it goes on."""
    if fragments[0].start > fragments[-1].stop:
        fragments = [Fragment(one.on, one.stop, one.start) for one in reversed(fragments)]
        borders, ends = borders[::-1], ends[::-1]
    regions = [Region(equation.line, one.on) for one in fragments]
    nodes = [region.node(one.start) for region, one in zip(regions, fragments, strict=True)]
    nodes.append(regions[-1].node(fragments[-1].stop))
    number = len(reading.lives)
    counts = []
    for region, one in zip(regions, fragments, strict=True):
        counts.append(tuple(_spectrum(region, s).unstable for s in (one.start, one.stop)))
        reading.changes.extend(crossing(equation, change) for change in _changes(number, region, one, counts[-1]))
    for k, border in enumerate(borders):
        unstable = (counts[k][1], counts[k + 1][0])
        reading.changes.append(_persistence(number, regions[k : k + 2], border, unstable))
    reading.lives.append(Life(nodes, *ends))
    reading.unstable.append((counts[0][0], counts[-1][1]))


def _spectrum(region: Region, s: float) -> Spectrum:
    return spectrum(region.line.first, np.linalg.eigvals(region.jacobian(s)).astype(complex))


def _evidence(regions: Sequence[Region], border: Border, kind: str, unstable: Sequence[int]) -> dict[str, object]:
    return {
        "collision": kind,
        "unit": border.unit,
        "determinants": [region.sign(border.s) for region in regions],
        "unstable_directions": list(unstable),
        "test": [float(regions[0].u(s)[border.unit]) for s in border.beside],
        "test_function": "u of the unit at its kink, for the fixed point of the first region, real or virtual",
    }


def _persistence(number: int, regions: Sequence[Region], border: Border, unstable: tuple[int, int]) -> Happening:
    evidence, x = _evidence(regions, border, "persistence", unstable), regions[0].node(border.s).x
    kind = HappeningKind.BORDER_COLLISION
    return Happening(kind, border.s, _bracket(border.s), x, (number,), None, True, evidence)


def _fold(equation: FixedPoints, reading: BorderReading, curve: RegionCurve, k: int) -> None:
    """The non-smooth fold between fragments k and k + 1, whose lives are the last one entered and the next."""
    border, before = curve.borders[k], curve.fragments[k]
    regions = [Region(equation.line, one.on) for one in curve.fragments[k : k + 2]]
    unstable = [_spectrum(region, border.s).unstable for region in regions]
    order = sorted((0, 1), key=lambda i: -unstable[i])
    lives = tuple(len(reading.lives) - 1 + i for i in order)
    evidence = _evidence([regions[i] for i in order], border, "non-smooth fold", [unstable[i] for i in order])
    signs = np.where(before.on, 1, -1).astype(np.int8)
    signs[border.unit] = 0
    reading.kinks.append(signs.tobytes())
    creates, x = before.stop < before.start, regions[0].node(border.s).x
    kind = HappeningKind.BORDER_COLLISION
    reading.folds.append(Happening(kind, border.s, _bracket(border.s), x, lives, creates, True, evidence))


def _bracket(s: float) -> tuple[float, float]:
    return max(s - 1e-12, 0.0), min(s + 1e-12, 1.0)


def _changes(number: int, region: Region, fragment: Fragment, counts: Sequence[int]) -> Iterator[Change]:
    """The changes of stability inside a region that the two ends of its fragment show."""
    low, high = sorted(counts)
    k = low
    while k < high:
        change = _located(number, region, fragment, k, rising=counts[1] > counts[0])
        yield change
        k += 2 if change.crossing is Crossing.PAIR else 1


def _located(number: int, region: Region, fragment: Fragment, k: int, *, rising: bool) -> Change:
    """Where the growth of the eigenvalue of rank `k` changes its sign."""

    def test(s: float) -> float:
        return float(_spectrum(region, s).growth[k])

    ends = fragment.start, fragment.stop
    s = zero(test, *ends, test(ends[0]), test(ends[1]), within=1e-12)
    beside = max(s - _BRACKET, ends[0]), min(s + _BRACKET, ends[1])
    eigenvalue, system = complex(_spectrum(region, s).eigenvalues[k]), region.line.first
    what = kind_of_crossing(eigenvalue, system.time, leak_of(system))
    step = 2 if what is Crossing.PAIR else 1
    unstable = (k, k + step) if rising else (k + step, k)
    return Change(number, region.node(s), what, eigenvalue, beside, (test(beside[0]), test(beside[1])), unstable)
