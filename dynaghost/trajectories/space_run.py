"""A whole run of any dimension: stations, what was followed between them, and points that only following found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dynaghost.slowpoints.pointwise import fixed_point, ghost, looks_like_root, polished, proof_of_root
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.kept_stories import Keeper, Stories
from dynaghost.trajectories.stops import Stop, stops_at
from dynaghost.trajectories.story import Story, tell

Pair = tuple[Stop, Stop]
Link = tuple[int, int]


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
    kept: Stories | None = None,
    attempts: int = 4,
    rounds: int = 6,
    apply: Callable[[Callable[[Pair], Story], Iterable[Pair]], Iterable[Story]] = map,
) -> Followed:
    """Follow every slow point of every checkpoint to its neighbours.

    A fixed point or ghost that is reached at a checkpoint and not listed there is added, with what is proved about it,
    and followed on, forwards and backwards through the run.

    Parameters
    ----------
    systems, points : sequences
        One a checkpoint.
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
    run = _Run(list(systems), list(points), _Teller(attempts), Keeper(kept, attempts))
    run.told = {(e, e + 1): (_version(run, (e, e + 1)), story) for e, story in enumerate(stories or ())}
    try:
        _tell_all(run, apply)
        for round_ in range(rounds):
            if not _pass_through(run, backwards=bool(round_ % 2)):
                break
        links = run.links()
        told = tuple(run.story(link) for link in links)
    finally:
        # Of an analysis that is interrupted, what was told so far.
        run.before.keep()
    stops = [run.pair(link)[0] for link in links] + ([run.pair(links[-1])[1]] if links else run.stops(0))
    return Followed(tuple(run.points), tuple(stops), told, run.added)


@dataclass(frozen=True, slots=True)
class _Teller:
    """`tell` for a pair of stations; a class, so that it can be sent to other processes."""

    attempts: int

    def __call__(self, pair: Pair) -> Story:
        first, second = pair
        return tell((first.system, second.system), (first.points, second.points), attempts=self.attempts)


@dataclass(slots=True)
class _Run:
    """Lists of points that grow, and what was told between them.

    A link is (e, e + 1), from a checkpoint to the next, or (e, e), from before to after one right at a bifurcation.
    """

    systems: list[System]
    points: list[SlowPoints]
    teller: _Teller
    before: Keeper
    told: dict[Link, tuple[tuple[int, int], Story]] = field(default_factory=dict)
    stations: dict[int, tuple[int, list[Stop]]] = field(default_factory=dict)
    added: int = 0

    def stops(self, e: int) -> list[Stop]:
        """The one or two stations of a checkpoint."""
        version = len(self.points[e].points)
        if self.stations.get(e, (-1, []))[0] != version:
            self.stations[e] = version, stops_at(self.systems, self.points, e)
        return self.stations[e][1]

    def links(self) -> list[Link]:
        """In the order of training."""
        within = [(e, e) for e in range(len(self.points)) if len(self.stops(e)) == 2]
        return sorted(within + [(e, e + 1) for e in range(len(self.points) - 1)])

    def pair(self, link: Link) -> Pair:
        """The stations that a link joins."""
        first, second = link
        return (
            (self.stops(first)[0], self.stops(first)[1])
            if first == second
            else (self.stops(first)[-1], self.stops(second)[0])
        )

    def stale(self, link: Link) -> bool:
        """Whether a link is not told, or the lists have grown since."""
        return link not in self.told or self.told[link][0] != _version(self, link)

    def story(self, link: Link) -> Story:
        """What lies on a link, told anew if it is stale."""
        if self.stale(link) and not self.recall(link):
            self.hear(link, self.teller(self.pair(link)))
        return self.told[link][1]

    def recall(self, link: Link) -> bool:
        """Take the story of a link from where it is kept; whether it was there."""
        story = self.before.of(self.pair(link))
        if story is not None:
            self.told[link] = (_version(self, link), story)
        return story is not None

    def hear(self, link: Link, story: Story) -> None:
        """Note, and keep, what the teller said of a link."""
        self.told[link] = (_version(self, link), story)
        self.before.add(self.pair(link), story)


def _version(run: _Run, link: Link) -> tuple[int, int]:
    """Lists only grow: their lengths tell them apart."""
    return len(run.points[link[0]].points), len(run.points[link[1]].points)


def _tell_all(run: _Run, apply: Callable[[Callable[[Pair], Story], Iterable[Pair]], Iterable[Story]]) -> None:
    """Tell every stale link that is not kept, by as many workers as there are."""
    missing = [link for link in run.links() if run.stale(link) and not run.recall(link)]
    for link, story in zip(missing, apply(run.teller, [run.pair(link) for link in missing]), strict=True):
        run.hear(link, story)


def _pass_through(run: _Run, *, backwards: bool) -> bool:
    """Tell every stale link, and add what is reached; whether something was added."""
    before = run.added
    for link in reversed(run.links()) if backwards else run.links():
        while _supplement(run, link):
            pass
    return run.added > before


def _supplement(run: _Run, link: Link) -> bool:
    """Add what a link reaches at its checkpoints and is not listed there; whether there was something."""
    before, story = run.added, run.story(link)
    for side, stop in enumerate(run.pair(link)):
        if stop.side:
            continue
        e, now = stop.checkpoint, run.points[stop.checkpoint]
        more = _with_roots(stop.system, now, [x for at, x in story.unlisted if at == side])
        more = _with_ghosts(stop.system, more, [x for at, x in story.unlisted_ghosts if at == side])
        run.points[e] = more
        run.added += len(more.points) - len(now.points)
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
