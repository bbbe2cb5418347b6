"""A whole run of any dimension: stations, what was followed between them, and points that only following found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.pointwise import fixed_point, ghost, looks_like_root, polished, proof_of_root
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.stops import Stop, stops_of
from dynaghost.trajectories.story import Story, tell

Pair = tuple[Stop, Stop]


@dataclass(frozen=True, slots=True)
class Followed:
    """A run that was followed.

    Attributes
    ----------
    points : tuple of SlowPoints
        One a checkpoint: those that were given, and after them what curves from other checkpoints reached.
    stops : tuple of Stop
    stories : tuple of Story
        One less.
    added : int
        Points that were added.
    """

    points: tuple[SlowPoints, ...]
    stops: tuple[Stop, ...]
    stories: tuple[Story, ...]
    added: int


def follow_run(
    systems: Sequence[System],
    points: Sequence[SlowPoints],
    *,
    stories: Sequence[Story] | None = None,
    attempts: int = 4,
    rounds: int = 3,
    apply: Callable[[Callable[[Pair], Story], Iterable[Pair]], Iterable[Story]] = map,
) -> Followed:
    """Follow every slow point of every checkpoint to its neighbours.

    A fixed point or ghost that is reached at a checkpoint and not listed there is added, with what is proved about it,
    and followed on.

    Parameters
    ----------
    systems, points : sequences
        One a checkpoint.
    stories : sequence of Story, optional
        One less: what was followed already, by `tell`, between these points.
    attempts : int
        How often a point is followed at most, each time with shorter steps.
    rounds : int
        How often points are added at most; 0 keeps the lists as they are.
    apply : callable
        Like `map`, for following links in parallel.

    Returns
    -------
    Followed
    """
    listed, added = list(points), 0
    known = {(3 * e, 3 * e + 3): story for e, story in enumerate(stories or ())}
    for round_ in range(rounds + 1):
        stops = stops_of(systems, listed)
        pairs = list(pairwise(stops))
        missing = [pair for pair in pairs if _key(pair) not in known]
        found = apply(_Teller(attempts), missing)
        known.update({_key(pair): story for pair, story in zip(missing, found, strict=True)})
        told = [known[_key(pair)] for pair in pairs]
        changed = {} if round_ == rounds else _supplemented(stops, told)
        if not changed:
            break
        for e, more in changed.items():
            added += len(more.points) - len(listed[e].points)
            listed[e] = more
        known = {_key(pair): known[_key(pair)] for pair in pairs if not changed.keys() & _checkpoints(pair)}
    return Followed(tuple(listed), tuple(stops), tuple(told), added)


@dataclass(frozen=True, slots=True)
class _Teller:
    """`tell` for a pair of stations; a class, so that it can be sent to other processes."""

    attempts: int

    def __call__(self, pair: Pair) -> Story:
        first, second = pair
        return tell((first.system, second.system), (first.points, second.points), attempts=self.attempts)


def _key(pair: Pair) -> tuple[int, int]:
    return 3 * pair[0].checkpoint + pair[0].side, 3 * pair[1].checkpoint + pair[1].side


def _checkpoints(pair: Pair) -> set[int]:
    return {stop.checkpoint for stop in pair}


def _supplemented(stops: Sequence[Stop], stories: Sequence[Story]) -> dict[int, SlowPoints]:
    """Checkpoints at which something was reached that is not listed → their points with it."""
    changed: dict[int, SlowPoints] = {}
    for pair, story in zip(pairwise(stops), stories, strict=True):
        for side, stop in enumerate(pair):
            if stop.side:
                continue
            now = changed.get(stop.checkpoint, stop.points)
            more = _with_roots(stop.system, now, [x for at, x in story.unlisted if at == side])
            more = _with_ghosts(stop.system, more, [x for at, x in story.unlisted_ghosts if at == side])
            if len(more.points) > len(now.points):
                changed[stop.checkpoint] = more
    return changed


def _with_roots(system: System, points: SlowPoints, states: Sequence[Array]) -> SlowPoints:
    if points.complete:
        return points
    records = list(points.fixed_points)
    for x in states:
        root = polished(system, x)
        proof = proof_of_root(system, root)
        sure = proof.proved or looks_like_root(system, root)
        if sure and not any(_same(root, listed.x) for listed in records):
            records.append(fixed_point(system, root, proof))
    # The sum over a longer list is another one.
    index_sum = points.index_sum if len(records) == len(points.fixed_points) else None
    return replace(points, fixed_points=tuple(records), index_sum=index_sum)


def _with_ghosts(system: System, points: SlowPoints, states: Sequence[Array]) -> SlowPoints:
    if points.ghosts_complete:
        return points
    records = list(points.ghosts)
    for x in states:
        record = ghost(system, x)
        if record is not None and not any(_same(record.x, other.x) for other in records):
            records.append(record)
    return replace(points, ghosts=tuple(records))


def _same(x: Array, y: Array) -> bool:
    return bool(np.linalg.norm(x - y) <= 1e-6 * (1 + np.linalg.norm(x)))
