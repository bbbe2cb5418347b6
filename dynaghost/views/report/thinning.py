"""What a screen can show of a run: which checkpoints, which points of a curve, and numbers in few bytes."""

import base64
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings

POINTS_EACH = 6
"""Slow points of a checkpoint for which there is room; where there are more, fewer checkpoints are shown."""


MOST_EVENTS, MOST_LANES = 400, 80
"""Events that a page tells at most, and branches of an event graph that is drawn."""
_READ = (EventKind.READOUT_CROSSING, EventKind.CAPTURE)
"""What is read from trials."""


def shown(findings: Findings, most: int) -> tuple[int, ...]:
    """Indices of the checkpoints that a page shows: all, or those around events and drops and then evenly spread ones.

    Parameters
    ----------
    findings : Findings
    most : int
        At least two: the first and the last are always there. Fewer are shown where that would be more than six slow
        points a checkpoint.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [0.01 * k]} for k in range(31)])
    >>> shown(findings, 7)
    (0, 8, 15, 20, 21, 22, 30)
    """
    total = len(findings.steps)
    points = sum(len(at.points) for at in findings.points)
    most = min(most, max(most * POINTS_EACH * total // max(points, 1), 2))
    if total <= most:
        return tuple(range(total))
    chosen = {0, total - 1}
    for event in findings.events:
        sides = _around(findings.steps, event.before, event.after)
        if len(chosen | sides) <= max(2 * most // 3, 2):
            chosen |= sides
    return tuple(sorted(chosen | _spread(total, most, chosen)))


def target(findings: Findings, event: Event, indices: Sequence[int]) -> int:
    """Index of the shown checkpoint that a link to an event leads to: the first one after it, or the last."""
    after = (e for e in indices if findings.steps[e] >= event.after)
    return next(after, indices[-1])


def told(findings: Findings) -> list[Event]:
    """The events that a page tells, in their order: all, or of too many first those that explain drops, then those
    that change slow points."""
    if len(findings.events) <= MOST_EVENTS:
        return list(findings.events)
    explaining = {i for verdict in findings.verdicts for i in verdict.events}
    order = sorted(findings.events, key=lambda e: (e.id not in explaining, e.at is not None, e.kind in _READ, e.id))
    return sorted(order[:MOST_EVENTS], key=lambda event: event.id)


def drawn_graph(findings: Findings) -> bool:
    """Whether the event graph is small enough for a picture."""
    return len(findings.events) <= MOST_EVENTS and len(findings.branches) <= MOST_LANES


def _around(steps: Sequence[int], before: float, after: float) -> set[int]:
    low, high = int(np.searchsorted(steps, before, "right")) - 1, int(np.searchsorted(steps, after))
    return {max(low, 0), min(high, len(steps) - 1)}


def _spread(total: int, most: int, chosen: set[int]) -> set[int]:
    """As many evenly spread indices as fit beside those already chosen."""
    for count in range(most, 1, -1):
        even = set(np.linspace(0, total - 1, count).round().astype(int).tolist())
        if len(chosen | even) <= most:
            return even
    return set()


def thin(steps: Array, values: Array, most: int, within: tuple[float, float] | None = None) -> tuple[Array, Array]:
    """A curve with about `most` points that looks the same: of each bucket of steps the least and the greatest value.

    Parameters
    ----------
    steps, values : ndarray (rows,)
        Steps increase; values may be nan, where the curve has a gap.
    most : int
    within : tuple of float, optional
        A stretch that is also shown enlarged, and gets as many points again.

    Returns
    -------
    steps, values : ndarray (points,)

    Examples
    --------
    >>> steps, values = thin(np.arange(10000.0), np.sin(np.arange(10000.0)), 200)
    >>> len(steps) <= 200, bool(values.max() > 0.999)
    (True, True)
    """
    kept = _extremes(steps, values, most)
    if within is not None:
        first, last = np.searchsorted(steps, within[0]), np.searchsorted(steps, within[1], "right")
        kept |= {int(first) + i for i in _extremes(steps[first:last], values[first:last], most)}
    rows = np.array(sorted(kept), dtype=int)
    return steps[rows], values[rows]


def _extremes(steps: Array, values: Array, most: int) -> set[int]:
    if len(steps) <= most:
        return set(range(len(steps)))
    edges = np.linspace(steps[0], steps[-1], max(most // 3, 1) + 1)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(steps, edges[1:-1]), [len(steps)]]))
    kept = {0, len(steps) - 1}
    for first, last in pairwise(cuts.tolist()):
        part = values[first:last]
        if np.all(np.isnan(part)):
            kept.add(int(first))
            continue
        kept |= {int(first + np.nanargmin(part)), int(first + np.nanargmax(part))}
        kept |= {int(first + i) for i in np.flatnonzero(np.isnan(part))[:1]}
    return kept


def digits(value: float | None, count: int) -> float | int | None:
    """A number with so many digits, an int where it is one, None where it is not finite.

    Examples
    --------
    >>> digits(2 / 3, 4), digits(33000.0, 6), digits(float("nan"), 4)
    (0.6667, 33000, None)
    """
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{count}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def numbers(values: Iterable[float | None] | Array, count: int) -> list[Any]:
    """Every number of a sequence as `digits` gives it."""
    return [digits(value, count) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]


def packed(values: Array, bytes_each: int) -> tuple[str, float | int | None]:
    """Numbers as whole ones of one or two bytes, in base64, and the factor that gives the numbers back.

    Parameters
    ----------
    values : ndarray
        Finite. The error is at most half of the factor: 1/254 or 1/65534 of the largest absolute value.
    bytes_each : {1, 2}

    Examples
    --------
    >>> packed(np.array([-1.0, 0.0, 1.0]), 1)
    ('gQB/', 0.007874015748)
    """
    kind = np.dtype("i1") if bytes_each == 1 else np.dtype("<i2")
    top = float(np.max(np.abs(values))) if values.size else 0.0
    factor = digits(top / np.iinfo(kind).max, 10) or 1
    # The factor is rounded before it divides, so that no whole number passes the largest.
    whole = np.clip(np.rint(values / factor), -np.iinfo(kind).max, np.iinfo(kind).max)
    return base64.b64encode(whole.astype(kind).tobytes()).decode("ascii"), factor
