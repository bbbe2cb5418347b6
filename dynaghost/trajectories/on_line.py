"""Runs of networks of rank one: from checkpoints to what is found about them, everything on one line and proved."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import find_circuits
from dynaghost.systems.base import System
from dynaghost.systems.low_rank import LowRankRNN, RankOneCircuit
from dynaghost.trajectories.branches import Tracks
from dynaghost.trajectories.course import Course, Losses
from dynaghost.trajectories.events import Event, find_events, half_zone
from dynaghost.trajectories.findings import Batch, Outcome
from dynaghost.trajectories.homotopy import Link, follow
from dynaghost.trajectories.pairs import follow_pairs
from dynaghost.trajectories.returns import reunite
from dynaghost.trajectories.symmetry import odd_along
from dynaghost.trajectories.tracker import track
from dynaghost.trajectories.trial import Trial, walk
from dynaghost.trajectories.verdict import judge

BATCH = 64
"""Checkpoints in one task. The same for every number of jobs, so that results are too."""


def serves(networks: Sequence[System]) -> bool:
    """Whether every network is of rank one."""
    return all(isinstance(network, LowRankRNN) and isinstance(network.latent(), RankOneCircuit) for network in networks)


def compute(steps: tuple[int, ...], networks: Sequence[LowRankRNN]) -> Batch:
    """Slow points of a batch's checkpoints, and the links between them.

    Parameters
    ----------
    steps : tuple of int
        At most `BATCH`, and one more for the link into the next batch.
    networks : sequence of LowRankRNN
        Likewise.
    """
    circuits = [_circuit(network) for network in networks]
    m, n, b = (np.stack(stack) for stack in zip(*(circuit.weights for circuit in circuits), strict=True))
    return Batch(steps[:BATCH], tuple(find_circuits(circuits[:BATCH])), tuple(follow(m, n, b)))


def conclude(
    steps: tuple[int, ...],
    networks: tuple[LowRankRNN, ...],
    batches: Sequence[Batch],
    trial: Trial | None,
    losses: Losses,
) -> Outcome:
    """Branches, events and verdicts.

    Parameters
    ----------
    steps : tuple of int
    networks : tuple of LowRankRNN
    batches : sequence of Batch
        As `compute` gave them.
    trial : Trial or None
    losses : Losses
    """
    points = tuple(p for batch in batches for p in batch.points)
    links = tuple(link for batch in batches for link in batch.links)
    course = _course(steps, networks, points, links, trial, losses)
    events = find_events(course)
    return Outcome(
        circuits=course.circuits,
        points=points,
        tracks=course.tracks,
        pairs=course.pairs,
        starts=_starts(course),
        events=events,
        verdicts=judge(course, events),
        structural=_structural(course.tracks, events),
        notes=half_zone(course, events),
    )


def _circuit(network: LowRankRNN) -> RankOneCircuit:
    circuit = network.latent()
    assert isinstance(circuit, RankOneCircuit)
    return circuit


def _course(
    steps: tuple[int, ...],
    networks: tuple[LowRankRNN, ...],
    points: tuple[SlowPoints, ...],
    links: tuple[Link, ...],
    trial: Trial | None,
    losses: Losses,
) -> Course:
    circuits = tuple(_circuit(network) for network in networks)
    odd = [odd_along(a.weights, b.weights) for a, b in pairwise(circuits)]
    tracks = track(steps, points, links, odd)
    ghosts = [labels.ghosts for labels in tracks.labels]
    pairs = follow_pairs(steps, circuits, points, tracks.branches, ghosts, tracks.crossings)
    tracks, pairs = reunite(tracks, pairs, steps, circuits, points)
    walks = None
    if trial is not None:
        walks = tuple(walk(network, p.fixed_points, trial) for network, p in zip(networks, points, strict=True))
    return Course(steps, networks, circuits, points, links, tracks, pairs, walks, trial, losses)


def _starts(course: Course) -> tuple[tuple[float, int | None], ...] | None:
    if course.walks is None:
        return None
    return tuple((one.start, course.attractor(e)) for e, one in enumerate(course.walks))


def _structural(tracks: Tracks, events: tuple[Event, ...]) -> tuple[int, ...]:
    """The event of every crossing: the one of its kind, bracket and branches."""
    ids = {(e.before, e.kind.value, tuple(e.evidence["bracket"]), e.branches): e.id for e in events if e.at is not None}
    return tuple(ids[tracks.steps[c.link], c.kind.value, (c.before, c.after), c.branches] for c in tracks.crossings)
