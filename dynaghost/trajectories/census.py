"""How many fixed points and ghosts there are, proved, at every network of a long row of rank-one circuits.

Counts instead of records: nothing is kept of a network but a few numbers, so that every epoch of a training run can be
proved as it is trained, without storing weights. What float64 leaves undecided goes through ball arithmetic, and what
lacks room in a chunk's arrays is searched by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.kernels import line as kernel
from dynaghost.kernels.recording import summarize
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import RankOneRNN

Stacks = tuple[Array, Array, Array]
"""m, n and b of consecutive networks, each (E, units)."""


@dataclass(frozen=True, slots=True)
class Census:
    """Counts on the whole line, an entry a network.

    Attributes
    ----------
    fixed_points, ghosts : (E,) int arrays
    above : (E,) int array
        Fixed points above the readout's threshold.
    complete, ghosts_complete : (E,) bool arrays
        Proved: there are no others.
    ghost, speed : (E,) arrays
        κ and |f| (the circuit's, not divided by |n|) of the slowest ghost; NaN where there is none.
    carried, by_balls : (E,) bool arrays
        The certificate was carried over from a network shortly before; ball arithmetic had to decide.
    """

    fixed_points: Array
    ghosts: Array
    above: Array
    complete: Array
    ghosts_complete: Array
    ghost: Array
    speed: Array
    carried: Array
    by_balls: Array

    def __len__(self) -> int:
        return len(self.fixed_points)


@dataclass(frozen=True, slots=True)
class Step:
    """A count that differs from the network before: at `epoch` it is `after`, at `epoch` − 1 it was `before`."""

    epoch: int
    before: int
    after: int


def census(chunks: Iterable[Stacks], *, threshold: float = np.inf) -> Iterator[Census]:
    """Count chunk after chunk.

    Parameters
    ----------
    chunks : iterable of (m, n, b)
        Each (E, units), networks in the order of training: within a chunk certificates are carried over from one
        network to the next but one, which changes the cost and never the counts.
    threshold : float
        The readout's, on κ.

    Yields
    ------
    Census
        One a chunk.

    Examples
    --------
    >>> ones = np.ones((3, 1))
    >>> (found,) = census([(1.5 * ones, ones, np.array([[0.0], [0.1], [0.4]]))])
    >>> found.fixed_points.tolist(), bool(found.complete.all())
    ([3, 3, 1], True)
    """
    room: tuple[Array, Array, Array] | None = None
    for m, n, b in chunks:
        # Gradient descent at a sharp minimum jumps between two sides of it: every second network is alike, the next is
        # not. So certificates are carried along the even networks and along the odd ones.
        order = np.r_[0 : len(m) : 2, 1 : len(m) : 2]
        m, n, b = (np.asarray(stack, dtype=float)[order] for stack in (m, n, b))
        if room is None or len(room[0]) < len(m):
            # A single row would be overwritten by every network of a chunk.
            size = max(len(m), 2)
            room = np.empty((size, kernel.MOST, 7)), np.empty((size, kernel.MOST + 1, 6)), np.empty((size, 7))
        found = _count((m, n, b), room, threshold)
        back = np.argsort(order)
        yield Census(**{name: getattr(found, name)[back] for name in Census.__slots__})


def _count(weights: Stacks, room: tuple[Array, Array, Array], threshold: float) -> Census:
    number = len(weights[0])
    statuses, counts = np.empty(number, np.int64), np.empty((number, 4), np.int64)
    kernel.structures(*weights, True, statuses, counts, *room)
    ghosts, above = np.empty(number, np.int64), np.empty(number, np.int64)
    places, speeds = np.empty(number), np.empty(number)
    summarize(statuses, counts, room[0], room[1], threshold, ghosts, above, places, speeds)
    decided = statuses == kernel.DECIDED
    found = Census(
        fixed_points=counts[:, 1].copy(),
        ghosts=ghosts,
        above=above,
        complete=decided.copy(),
        ghosts_complete=decided.copy(),
        ghost=places,
        speed=speeds,
        carried=counts[:, 3] == 1,
        by_balls=~decided,
    )
    for e in np.flatnonzero(~decided):
        _one_by_one(found, int(e), weights, threshold)
    return found


def _one_by_one(found: Census, e: int, weights: Stacks, threshold: float) -> None:
    """Fill the entry of a network that float64 left undecided, or whose critical points were too many for a chunk."""
    m, n, b = (stack[e] for stack in weights)
    points = find_slow_points(RankOneRNN(m, n, b))
    scale = float(np.linalg.norm(n)) or 1.0  # speeds of records are in the metric 1/|n|²
    found.fixed_points[e], found.ghosts[e] = len(points.fixed_points), len(points.ghosts)
    found.above[e] = sum(point.x[0] > threshold for point in points.fixed_points)
    found.by_balls[e] = points.cost.ball_evaluations > 0
    found.complete[e], found.ghosts_complete[e] = points.complete, points.ghosts_complete
    slowest = min(points.ghosts, key=lambda ghost: ghost.speed, default=None)
    if slowest is not None:
        found.ghost[e], found.speed[e] = slowest.x[0], slowest.speed * scale


def joined(parts: Sequence[Census]) -> Census:
    """Consecutive parts as one.

    Raises
    ------
    DynaghostError
        If there is none.
    """
    if not parts:
        raise DynaghostError("parts: expected at least one, got none")
    names = Census.__slots__
    return Census(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def steps(counts: Array, *, start: int = 0) -> tuple[Step, ...]:
    """Every place at which a row of counts changes.

    Parameters
    ----------
    counts : (E,) array
        Of consecutive epochs.
    start : int
        Epoch of the first.

    Examples
    --------
    >>> steps(np.array([1, 1, 3, 1]), start=10)
    (Step(epoch=12, before=1, after=3), Step(epoch=13, before=3, after=1))
    """
    at = np.flatnonzero(np.diff(counts))
    return tuple(Step(start + int(i) + 1, int(counts[i]), int(counts[i + 1])) for i in at)
