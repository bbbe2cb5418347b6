"""Runs of networks of rank one: from checkpoints to what is found about them, everything on one line and proved."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.packed import Block, Many, Mapped, Packed
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import find_circuits
from dynaghost.systems.base import System
from dynaghost.systems.low_rank import LowRankRNN, RankOneCircuit
from dynaghost.trajectories.branches import Labels, Tracks
from dynaghost.trajectories.course import Course, Losses
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Batch, End, Outcome
from dynaghost.trajectories.homotopy import Link, follow
from dynaghost.trajectories.line_captures import half_zone
from dynaghost.trajectories.line_events import find_events
from dynaghost.trajectories.pairs import follow_pairs
from dynaghost.trajectories.returns import reunite
from dynaghost.trajectories.stacks import Stack
from dynaghost.trajectories.symmetry import odd_along
from dynaghost.trajectories.tracker import track
from dynaghost.trajectories.trial import Trial, walk
from dynaghost.trajectories.verdict import judge

if TYPE_CHECKING:
    from dynaghost.trajectories.line_trials import LineTrials

BATCH, LONG, LONG_BATCH = 64, 4096, 256
"""Checkpoints in one task; in one of a run that is as long as `LONG`, whose batches are more to keep."""


def batch_of(checkpoints: int) -> int:
    """Checkpoints in one task of a run: the same for every number of jobs, so that results are too."""
    return BATCH if checkpoints < LONG else LONG_BATCH


def serves(network: System) -> bool:
    """Whether a network, and so every network of its run, is of rank one."""
    return isinstance(network, LowRankRNN) and isinstance(network.latent(), RankOneCircuit)


def compute(steps: tuple[int, ...], networks: Sequence[System], trial: Trial | None, *, size: int = BATCH) -> Batch:
    """Slow points and trials of a batch's checkpoints, and the links between them, all packed.

    Parameters
    ----------
    steps : tuple of int
        At most `size`, and one more for the link into the next batch.
    networks : sequence of LowRankRNN
        Likewise.
    trial : Trial or None
    size : int

    Raises
    ------
    DynaghostError
        If a network is not of rank one.
    """
    circuits = [_circuit(network, step) for step, network in zip(steps, networks, strict=True)]
    m, n, b = (np.stack(stack) for stack in zip(*(circuit.weights for circuit in circuits), strict=True))
    own = circuits[:size]
    points = find_circuits(own)
    odd = [odd_along(first.weights, second.weights) for first, second in pairwise(circuits)]
    return Batch(
        steps[:size],
        Block.of(SlowPoints, points),
        Block.of(Link, follow(m, n, b)),
        Block.of(bool, odd),
        () if trial is None else ends(networks[:size], points, trial, own),
        Stack.of(own),
    )


def _circuit(network: System, step: int) -> RankOneCircuit:
    circuit = network.latent() if isinstance(network, LowRankRNN) else network
    if not isinstance(circuit, RankOneCircuit):
        raise DynaghostError(f"checkpoints: expected networks of rank one as at the first, got {network!r} at {step}")
    return circuit


def ends(
    networks: Sequence[System],
    points: Sequence[SlowPoints],
    trial: Trial,
    circuits: Sequence[RankOneCircuit] | None = None,
) -> Block[End]:
    """Where a trial starts and ends at each checkpoint.

    Parameters
    ----------
    networks : sequence of LowRankRNN
        Of rank one.
    points : sequence of SlowPoints
        Theirs.
    trial : Trial
    circuits : sequence of RankOneCircuit, optional
        Theirs, where they were made already.
    """
    known: Sequence[RankOneCircuit | None] = circuits or [None] * len(points)
    return Block.of(End, [_end(*one, trial) for one in zip(networks, points, known, strict=True)])


def _end(network: System, points: SlowPoints, circuit: RankOneCircuit | None, trial: Trial) -> End:
    assert isinstance(network, LowRankRNN)
    found = walk(network, points.fixed_points, trial, circuit)
    return found.start, found.attractor


def conclude(
    steps: tuple[int, ...],
    batches: Sequence[Batch],
    trial: Trial | None,
    losses: Losses,
    *,
    trials: Callable[[Course], "LineTrials"] | None = None,
) -> Outcome:
    """Branches, events and verdicts.

    Parameters
    ----------
    steps : tuple of int
    batches : sequence of Batch
        As `compute` gave them.
    trial : Trial or None
    losses : Losses
    trials : callable, optional
        What is known of trials besides: with inputs over time, or several first states.
    """
    course = _course(steps, batches, trial, losses)
    felt = None if trials is None else trials(course)
    if felt is not None:
        course = replace(course, felt=felt.felt, answers=felt.told)
    events = find_events(course, () if felt is None else felt.events())
    return Outcome(
        circuits=course.circuits,
        points=course.points,
        tracks=course.tracks,
        pairs=course.pairs,
        starts=_starts(course) if felt is None else felt.starts,
        events=events,
        verdicts=judge(course, events),
        structural=_structural(course.tracks, events),
        notes=half_zone(course, events) if felt is None else felt.notes(events),
    )


def _course(steps: tuple[int, ...], batches: Sequence[Batch], trial: Trial | None, losses: Losses) -> Course:
    points, links, odd = (_joined(batches, name) for name in ("points", "links", "odd"))
    circuits = cast("Sequence[RankOneCircuit]", _joined(batches, "circuits"))
    tracks = track(steps, points, links, odd)
    ghosts = Mapped(_ghosts, tracks.labels)
    pairs = follow_pairs(steps, circuits, points, tracks.branches, ghosts, tracks.crossings)
    tracks, pairs = reunite(tracks, pairs, steps, circuits, points)
    ends = None if trial is None else _joined(batches, "ends")
    return Course(steps, Mapped(_network, circuits), circuits, points, links, tracks, pairs, ends, trial, losses)


def _joined(batches: Sequence[Batch], name: str) -> Packed[Any]:
    """One of the sequences of the batches, over all of them."""
    return Packed(cast("Many[Any]", getattr(batch, name)) for batch in batches)


def _ghosts(labels: Labels) -> tuple[int, ...]:
    return labels.ghosts


def _network(circuit: RankOneCircuit) -> LowRankRNN:
    return LowRankRNN(circuit.m, circuit.n, circuit.b, leak=circuit.leak, time=circuit.time, form=circuit.form)


def _starts(course: Course) -> Sequence[End] | None:
    if course.ends is None:
        return None
    return Packed.of(End, ((start, course.attractor(e)) for e, (start, _) in enumerate(course.ends)))


def _structural(tracks: Tracks, events: tuple[Event, ...]) -> tuple[int, ...]:
    """The event of every crossing: the one of its kind, bracket and branches."""
    ids = {(e.before, e.kind.value, tuple(e.evidence["bracket"]), e.branches): e.id for e in events if e.at is not None}
    return tuple(ids[tracks.steps[c.link], c.kind.value, (c.before, c.after), c.branches] for c in tracks.crossings)
