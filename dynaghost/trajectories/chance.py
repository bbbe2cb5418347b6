"""Would events lie so near the drops of the loss by chance? A permutation p-value, for one run or for many.

The null: along each run the events keep their order and their spacings, and the drops stay where they are, but where
the one lies relative to the other is by chance: any circular shift of all events of a run along its span is equally
likely, independently for each run. The statistic is the sum over drops of the time from the drop's window to the event
nearest to it, 0 where one lies inside, all in shares of the run and around the circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import changes_points

LEAST = 5
"""Fewest separate drops for a p-value."""
# Statistics that differ by less are equal: they are sums of rounded differences.
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely events lie so near the drops by chance.

    Attributes
    ----------
    p : float or None
        Share of shifts under which events lie as near the drops as they do, or nearer; None where there is too little.
    because : str
        Why there is no p; else empty.
    drops : int
        Separate windows of drops; drops that share a window are one, and one that no checkpoints enclose is none.
    hits : int
        How many of them have an event inside.
    events, runs : int
        Of the runs that have both drops and events.
    permutations : int
        Random shifts tried; 0 where p is exact (a single run: every shift is accounted for).
    seed : int
    """

    p: float | None
    because: str
    drops: int
    hits: int
    events: int
    runs: int
    permutations: int
    seed: int


@dataclass(frozen=True, slots=True)
class Circle:
    """One run as shares of its span, closed to a circle.

    Attributes
    ----------
    starts, ends : ndarray (drops,)
        Of the drops' windows.
    events : ndarray (events,)
        Increasing.
    """

    starts: Array
    ends: Array
    events: Array

    def gaps(self, shift: Array) -> Array:
        """Of each drop, the time to the nearest event when all events are shifted, (..., drops)."""
        start, end = self.starts - np.asarray(shift)[..., None], self.ends - np.asarray(shift)[..., None]
        inside = self._ahead(start) <= end - start + _TIE
        nearest = np.minimum(self._ahead(end), self._behind(start))
        return np.where(inside, 0.0, nearest)

    def _ahead(self, place: Array) -> Array:
        """From each place forward to the next event."""
        here = np.mod(place, 1.0)
        index = np.searchsorted(self.events, here - _TIE)
        return np.maximum(np.append(self.events, self.events[0] + 1)[index] - here, 0.0)

    def _behind(self, place: Array) -> Array:
        here = np.mod(place, 1.0)
        index = np.searchsorted(self.events, here + _TIE)
        return np.maximum(here - np.insert(self.events, 0, self.events[-1] - 1)[index], 0.0)

    def turns(self) -> Array:
        """Shifts, from 0 to 1, between which the sum of gaps is linear."""
        middles = np.array([0.5 * (a + b) for a, b in pairwise([*self.events, self.events[0] + 1])])
        edges = [np.subtract.outer(place, self.events) for place in (self.starts, self.ends)]
        between = np.subtract.outer(0.5 * (self.starts + self.ends), middles)
        # A gap is measured to the nearer side; halfway between two events, or half a circle away, it changes over.
        found = np.concatenate([edges[0].ravel(), edges[1].ravel(), between.ravel(), between.ravel() + 0.5])
        return np.unique(np.r_[0.0, np.mod(found, 1.0), 1.0])


def chance(
    results: Findings | Iterable[Findings], *, least: int = LEAST, permutations: int = 9999, seed: int = 0
) -> Chance:
    """A permutation p-value for events near drops, against shifted times of the events.

    Parameters
    ----------
    results : analysis or iterable of analyses
        A run, or a collection of runs, which are looked at one after the other.
    least : int, optional
        Fewest separate drops.
    permutations : int, optional
        Random shifts to try, at least 99; a single run needs none.
    seed : int, optional
        Of the shifts.

    Returns
    -------
    Chance

    Raises
    ------
    DynaghostError
        If there is no run, or an option is out of its range.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> found = chance(analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)]))
    >>> found.p, found.because
    (None, '0 separate drops, and a p-value takes at least 5')
    """
    if least < 1 or permutations < 99:
        raise DynaghostError(f"least, permutations: expected at least 1 and 99, got {least} and {permutations}")
    circles = [circle_of(run) for run in ([results] if isinstance(results, Findings) else results)]
    if not circles:
        raise DynaghostError("results: expected at least one analysis, got none")
    drops = sum(len(circle.starts) for circle in circles)
    useful = [circle for circle in circles if len(circle.starts) and len(circle.events)]
    hits = sum(int(np.sum(circle.gaps(np.array(0.0)) == 0)) for circle in useful)
    events = sum(len(circle.events) for circle in useful)
    because = _too_little(drops, least, useful)
    p, tried = (None, 0) if because else p_value(useful, permutations=permutations, seed=seed)
    return Chance(p, because, drops, hits, events, len(useful), tried, seed)


def could_explain(event: Event) -> bool:
    """Whether an event is of a kind that can explain a drop, a bifurcation or a ghost's emergence.

    All of them count, wherever they are: what trials feel is known only in the windows of drops.
    """
    return event.kind is EventKind.GHOST_EMERGENCE or changes_points(event)


def _too_little(drops: int, least: int, useful: Sequence[Circle]) -> str:
    if drops < least:
        return f"{drops} separate {'drop' if drops == 1 else 'drops'}, and a p-value takes at least {least}"
    return "" if useful else "no run with drops has an event that could explain one"


def circle_of(run: Findings) -> Circle:
    """The drops and events of a run in shares of its span, from the first checkpoint to the last."""
    first, last = run.steps[0], run.steps[-1]
    span = float(last - first) or 1.0
    windows = sorted({tuple(v.evidence["window"]) for v in run.verdicts if "window" in v.evidence})
    merged: list[list[float]] = []
    for start, end in windows:
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    edges = (np.array(merged, dtype=float).reshape(-1, 2) - first) / span
    places = [e.before + (e.after - e.before) * e.at for e in run.events if e.at is not None and could_explain(e)]
    return Circle(edges[:, 0], edges[:, 1], np.sort((np.array(places, dtype=float) - first) / span))


def p_value(circles: Sequence[Circle], *, permutations: int, seed: int) -> tuple[float, int]:
    """The share of shifts under which the sum of gaps is at most what it is, and how many random ones were tried.

    For one circle the share is exact: between the places where a gap turns, the sum is linear. For several, each random
    permutation shifts every circle by its own amount; the observed one counts as one of them, so that p is never 0.

    Parameters
    ----------
    circles : sequence of Circle
        Each with drops and events.
    permutations, seed : int

    Examples
    --------
    >>> once = Circle(np.array([0.2]), np.array([0.3]), np.array([0.25]))
    >>> p, tried = p_value([once], permutations=999, seed=0)
    >>> round(p, 6), tried
    (0.1, 0)
    """
    observed = sum(float(circle.gaps(np.array(0.0)).sum()) for circle in circles) + _TIE
    if len(circles) == 1:
        return _share_below(circles[0], observed), 0
    shifts = np.random.default_rng(seed).uniform(size=(len(circles), permutations))
    sums = np.sum([circle.gaps(one).sum(-1) for circle, one in zip(circles, shifts, strict=True)], axis=0)
    return float((1 + np.count_nonzero(sums <= observed)) / (1 + permutations)), permutations


def _share_below(circle: Circle, level: float) -> float:
    """Share of all shifts under which the sum of gaps is at most `level`."""
    turns = circle.turns()
    width = np.diff(turns)
    # Taken just inside each piece: at its ends a window's edge is on an event, which rounding may put on either side.
    inner = turns[:-1] + np.array([[0.25], [0.75]]) * width
    low, high = circle.gaps(inner).sum(-1)
    slope = 2 * (high - low)
    left = low - 0.25 * slope
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.clip((level - left) / slope, 0, 1)
    share = np.where(slope > _TIE, crossing, np.where(slope < -_TIE, 1 - crossing, left <= level))
    return float(min(np.sum(width * share), 1.0))
