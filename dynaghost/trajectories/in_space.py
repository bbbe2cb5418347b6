"""Runs of networks of many dimensions: the same flow as on the line, with what each search can prove."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dynaghost.errors import DynaghostError, counted
from dynaghost.packed import Aside, Mapped, Packed, chunks, made
from dynaghost.slowpoints.find import find_near, find_slow_points
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.trajectories.branches import Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.findings import Batch, End, Outcome
from dynaghost.trajectories.kept_stories import Stories
from dynaghost.trajectories.outputs import Readout
from dynaghost.trajectories.space_course import SpaceCourse, find_space_events, half_zone_in_space, pair_tracks
from dynaghost.trajectories.space_run import follow_run
from dynaghost.trajectories.space_tracks import track_space
from dynaghost.trajectories.space_trials import SeenRun, Visits, from_trials, from_x0, reduced
from dynaghost.trajectories.space_verdict import judge_in_space
from dynaghost.trajectories.stacks import Circuit, Stack, StackAside

BATCH = 8
"""Checkpoints in one task. The same for every number of jobs, so that results are too."""


__all__ = ["BATCH", "Search", "compute", "conclude", "from_trials", "from_x0"]


@dataclass(frozen=True, slots=True)
class Search:
    """What a search in many dimensions is told besides the network; see `find_slow_points`.

    Attributes
    ----------
    starts : int, ndarray (starts, dim) or None
    seed : int
    budget : int or None
    visited : callable or None
        From a checkpoint's step to states (many, units) that trials visit.
    """

    starts: int | Array | None = None
    seed: int = 0
    budget: int | None = None
    visited: Callable[[int], Array] | None = None


def compute(steps: tuple[int, ...], networks: Sequence[System], search: Search) -> Batch:
    """Slow points of a batch's checkpoints; what lies between them is followed when all are known.

    Parameters
    ----------
    steps : tuple of int
        At most `BATCH`, and one more, which is not searched here.
    networks : sequence of System
        Likewise.
    search : Search

    Raises
    ------
    DynaghostError
        If networks differ in kind or size.
    """
    circuits = [reduced(network) for network in networks]
    _check_alike(steps, circuits)
    points: list[SlowPoints] = []
    for step, network in zip(steps[:BATCH], networks[:BATCH], strict=True):
        points.append(_points(network, search, step, points[-1] if points else None))
    return Batch(steps[:BATCH], tuple(points), ())


def _points(network: System, search: Search, step: int, known: SlowPoints | None) -> SlowPoints:
    """Of a checkpoint, near those of the one before it in the batch."""
    options: dict[str, Any] = {"starts": search.starts, "seed": search.seed, "budget": search.budget}
    if search.visited is not None:
        options["visited"] = search.visited(step)
    return find_slow_points(network, **options) if known is None else find_near(network, known, turn=step, **options)


def _check_alike(steps: Sequence[int], circuits: Sequence[System]) -> None:
    for (first, one), (second, other) in pairwise(zip(steps, circuits, strict=True)):
        if type(one) is not type(other) or one.dim != other.dim:
            raise DynaghostError(
                f"checkpoints: expected networks of one kind and size, got {one!r} at {first} and {other!r} at {second}"
            )


def conclude(
    steps: tuple[int, ...],
    networks: Sequence[System],
    batches: Sequence[Batch],
    visits: Visits | None,
    losses: Losses,
    *,
    readouts: Callable[[int, System], Readout | None] | None = None,
    delay: float | None = None,
    apply: Callable[..., Any] = map,
    kept: Stories | None = None,
) -> Outcome:
    """Branches, events and verdicts.

    Parameters
    ----------
    steps : tuple of int
    networks : sequence of System
        Of every checkpoint; it may make them anew whenever they are asked for.
    batches : sequence of Batch
        As `compute` gave them.
    visits : Visits or None
    losses : Losses
    readouts : callable, optional
        The readout of a checkpoint, from its index and network.
    delay : float, optional
        The task's, in τ.
    apply : callable
        How a function is applied to every pair of neighbouring checkpoints: `map`, or one with workers.
    kept : Stories, optional
        Where what was followed between checkpoints is kept.
    """
    circuits = Mapped(reduced, networks)
    followed = follow_run(circuits, Packed(batch.points for batch in batches), kept=kept, apply=apply)
    tracks, points = track_space(steps, followed), followed.points
    seen = None if visits is None else SeenRun(visits, networks, points)
    starts = None if visits is None else visits.starts
    read = _read(readouts, networks) if readouts else ()
    course = SpaceCourse(steps, circuits, points, tracks, seen, losses, networks, read, delay, starts)
    events, structural = find_space_events(course)
    return Outcome(
        circuits=_kept(circuits),
        points=points,
        tracks=Tracks(steps, tracks.branches, (), tracks.labels, ()),
        pairs=pair_tracks(steps, points, tracks),
        starts=None if seen is None else _starts(course, seen),
        events=events,
        verdicts=judge_in_space(course, events),
        structural=structural,
        paths=None if seen is None else seen.paths,
        notes=(*_notes(followed.added), *_not_looked_for(circuits), *half_zone_in_space(course, events)),
    )


def _not_looked_for(circuits: Sequence[System]) -> tuple[str, ...]:
    """What following leaves out, where that is more than in smooth networks."""
    first = circuits[0]
    if len(circuits) < 2 or not (isinstance(first, LeakyRNN) and first.activation.piecewise):
        return ()
    return ("piecewise linear: fixed points that are born and die between two checkpoints are not looked for",)


def _notes(added: int) -> tuple[str, ...]:
    if not added:
        return ()
    return (f"{counted(added, 'slow point')} not found by the search, but reached from another checkpoint, were added",)


def _read(readouts: Callable[[int, System], Readout | None], networks: Sequence[System]) -> Packed[Readout | None]:
    return made(lambda places: [readouts(e, networks[e]) for e in places], len(networks), BATCH)


def _kept(circuits: Sequence[System]) -> Sequence[System]:
    """Circuits that are small, set aside; networks are made anew whenever they are asked for."""
    if not isinstance(circuits[0], Circuit):
        return circuits
    aside = Aside()
    return Packed(StackAside(Stack.of(some), aside) for some in chunks(circuits, BATCH))  # type: ignore[arg-type]


def _starts(course: SpaceCourse, seen: SeenRun) -> tuple[End, ...]:
    """Of the first trial."""
    ends = map(course.ends, range(len(seen)))
    return tuple(
        (course.tracks.axis.of(x), branches[0] if branches else None)
        for x, branches in zip(seen.first, ends, strict=True)
    )
