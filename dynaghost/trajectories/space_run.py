"""A whole run of any dimension: stations, what was followed between them, and points that only following found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dynaghost.packed import Mapped, chunks
from dynaghost.slowpoints.pointwise import fixed_point, ghost, looks_like_root, polished, proof_of_root
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.kept_stories import Keeper, Stories
from dynaghost.trajectories.space_lists import Link, Lists, Telling
from dynaghost.trajectories.stops import Station, Stop, station_system
from dynaghost.trajectories.story import Story, tell

Pair = tuple[Stop, Stop]
Apply = Callable[[Callable[[Pair], Story], Iterable[Pair]], Iterable[Story]]

_AT_ONCE = 32  # pairs of stations, with their systems, that are made at once for workers


@dataclass(frozen=True, slots=True)
class Followed:
    """A run that was followed; its sequences make what is asked for.

    Attributes
    ----------
    points : sequence of SlowPoints
        One a checkpoint: those that were given, and after them what curves from other checkpoints reached.
    stations : sequence of Station
    stories : sequence of Story
        One less.
    systems : sequence of System
        One a checkpoint.
    added : int
        Points that were added.
    """

    points: Sequence[SlowPoints]
    stations: Sequence[Station]
    stories: Sequence[Story]
    systems: Sequence[System]
    added: int

    def system(self, station: Station) -> System:
        """The system of a station."""
        return station_system(self.systems, station.checkpoint, station.side)


def follow_run(
    systems: Sequence[System],
    points: Sequence[SlowPoints],
    *,
    stories: Sequence[Story] | None = None,
    kept: Stories | None = None,
    attempts: int = 4,
    rounds: int = 6,
    apply: Apply = map,
) -> Followed:
    """Follow every slow point of every checkpoint to its neighbours.

    A fixed point or ghost that is reached at a checkpoint and not listed there is added, with what is proved about it,
    and followed on, forwards and backwards through the run.

    Parameters
    ----------
    systems, points : sequences
        One a checkpoint; they may make them anew whenever they are asked for.
    stories : sequence of Story, optional
        One less: what was followed already, by `tell`, between these points.
    kept : Stories, optional
        Where the stories of this run are kept: what is there is not followed again, what is followed is kept there.
    attempts : int
        How often a point is followed at most, each time with shorter steps.
    rounds : int
        Passes through the run, there and back in turns, in which points are added; 0 keeps the lists as they are.
    apply : callable
        Like `map`, for following links in parallel.

    Returns
    -------
    Followed
    """
    run = _Run(systems, Lists(systems, points), _Teller(attempts), Keeper(kept, attempts), Telling(len(points)))
    for e, story in enumerate(stories or ()):
        run.told.hear((e, e + 1), run.version((e, e + 1)), story)
    try:
        _tell_all(run, apply)
        for round_ in range(rounds):
            if not _pass_through(run, backwards=bool(round_ % 2)):
                break
        links = run.lists.links()
        for link in links:
            run.refresh(link)
    finally:
        # Of an analysis that is interrupted, what was told so far.
        run.before.keep()
    ends = [(link, 0) for link in links] + [(link, 1) for link in links[-1:]]
    stations = Mapped(run.station, ends) if ends else run.lists.stations(0)
    return Followed(run.lists.packed(), stations, Mapped(run.told.of, links), systems, run.added)


@dataclass(frozen=True, slots=True)
class _Teller:
    """`tell` for a pair of stations; a class, so that it can be sent to other processes."""

    attempts: int

    def __call__(self, pair: Pair) -> Story:
        first, second = pair
        return tell((first.system, second.system), (first.points, second.points), attempts=self.attempts)


@dataclass(slots=True)
class _Run:
    """Lists of points that grow, and what was told between them."""

    systems: Sequence[System]
    lists: Lists
    teller: _Teller
    before: Keeper
    told: Telling
    added: int = 0

    def station(self, end: tuple[Link, int]) -> Station:
        """The station at the beginning (0) or end (1) of a link."""
        link, side = end
        return self.lists.pair(link)[side]

    def pair(self, link: Link) -> Pair:
        """The stations that a link joins, with their systems."""
        first, second = (
            Stop(station_system(self.systems, one.checkpoint, one.side), one.points, one.checkpoint, one.side)
            for one in self.lists.pair(link)
        )
        return first, second

    def version(self, link: Link) -> tuple[int, int]:
        """Lists only grow: their lengths tell them apart."""
        return int(self.lists.sizes[link[0]]), int(self.lists.sizes[link[1]])

    def stale(self, link: Link) -> bool:
        """Whether a link is not told, or the lists have grown since."""
        return not self.told.knows(link, self.version(link))

    def refresh(self, link: Link) -> None:
        """Tell a link anew if it is stale."""
        if self.stale(link) and not self.recall(link):
            self.hear(link, self.teller(self.pair(link)))

    def recall(self, link: Link) -> bool:
        """Take the story of a link from where it is kept; whether it was there."""
        story = None if self.before.stories is None else self.before.of(self.lists.pair(link))
        if story is not None:
            self.told.hear(link, self.version(link), story)
        return story is not None

    def hear(self, link: Link, story: Story) -> None:
        """Note, and keep, what the teller said of a link."""
        self.told.hear(link, self.version(link), story)
        self.before.add(self.lists.pair(link), story)


def _tell_all(run: _Run, apply: Apply) -> None:
    """Tell every stale link that is not kept, by as many workers as there are."""
    missing = [link for link in run.lists.links() if run.stale(link) and not run.recall(link)]
    for some in chunks(missing, _AT_ONCE):
        for link, story in zip(some, apply(run.teller, [run.pair(link) for link in some]), strict=True):
            run.hear(link, story)


def _pass_through(run: _Run, *, backwards: bool) -> bool:
    """Tell every stale link, and add what is reached; whether something was added."""
    before, links = run.added, run.lists.links()
    for link in reversed(links) if backwards else links:
        while _supplement(run, link):
            pass
    return run.added > before


def _supplement(run: _Run, link: Link) -> bool:
    """Add what a link reaches at its checkpoints and is not listed there; whether there was something."""
    run.refresh(link)
    if not run.told.reaches_more(link):
        return False
    before, story = run.added, run.told.of(link)
    for side, stop in enumerate(run.pair(link)):
        if stop.side:
            continue
        e, now = stop.checkpoint, run.lists[stop.checkpoint]
        more = _with_roots(stop.system, now, [x for at, x in story.unlisted if at == side])
        more = _with_ghosts(stop.system, more, [x for at, x in story.unlisted_ghosts if at == side])
        new = len(more.points) - len(now.points)
        if new:
            run.lists[e] = more
            run.added += new
    return run.added > before


def _with_roots(system: System, points: SlowPoints, states: Sequence[Array]) -> SlowPoints:
    if points.complete:
        return points
    records, index_sum = list(points.fixed_points), points.index_sum
    for x in states:
        root = polished(system, x)
        proof = proof_of_root(system, root)
        sure = proof.proved or looks_like_root(system, root)
        if sure and not any(_same(root, listed.x) for listed in records):
            records.append(fixed_point(system, root, proof))
            index_sum = None if index_sum is None or not proof.index else index_sum + proof.index
    coverage = points.coverage
    if coverage is not None:
        new = len(records) - len(points.fixed_points)
        coverage = replace(coverage, hits=coverage.hits + (0,) * new)
    return replace(points, fixed_points=tuple(records), index_sum=index_sum, coverage=coverage)


def _with_ghosts(system: System, points: SlowPoints, states: Sequence[Array]) -> SlowPoints:
    if points.ghosts_complete:
        return points
    records = list(points.ghosts)
    for x in states:
        record = ghost(system, x)
        if record is not None and not any(_same(record.x, other.x) for other in records):
            records.append(record)
    coverage = points.coverage
    if coverage is not None:
        new = len(records) - len(points.ghosts)
        coverage = replace(coverage, ghost_hits=coverage.ghost_hits + (0,) * new)
    return replace(points, ghosts=tuple(records), coverage=coverage)


def _same(x: Array, y: Array) -> bool:
    return bool(np.linalg.norm(x - y) <= 1e-6 * (1 + np.linalg.norm(x)))
