"""A run of systems in many dimensions with everything that was followed through it, and what happens along it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.course import Losses, enclosing
from dynaghost.trajectories.events import Event, EventKind, EventStatus, loss_events, stagnation_of
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_tracks import SpaceTracks
from dynaghost.trajectories.visits import Visit


@dataclass(frozen=True, slots=True)
class SpaceCourse:
    """One entry a checkpoint in each sequence.

    Attributes
    ----------
    steps : tuple of int
    circuits : tuple of System
        In whose coordinates the slow points are.
    points : tuple of SlowPoints
    tracks : SpaceTracks
    visits : tuple of Visit or None
        None where no trial is known.
    losses : Losses
    """

    steps: tuple[int, ...]
    circuits: tuple[System, ...]
    points: tuple[SlowPoints, ...]
    tracks: SpaceTracks
    visits: tuple[Visit, ...] | None
    losses: Losses

    def ends(self, e: int) -> tuple[int | None, ...]:
        """Branch of the fixed point in which each trial ends at checkpoint `e`; None where it is not known."""
        if self.visits is None:
            return ()
        roots = self.tracks.labels[e].roots
        return tuple(None if end is None else roots[end] for end in self.visits[e].ends)

    def enclosing(self, before: float, after: float) -> tuple[int, int] | None:
        """Indices of the checkpoints that enclose [before, after]; None where the run does not reach so far."""
        return enclosing(self.steps, before, after)


def find_space_events(course: SpaceCourse) -> tuple[tuple[Event, ...], tuple[int, ...]]:
    """Every event of a run in the order of training, and the id of the event of each crossing of its tracks.

    Parameters
    ----------
    course : SpaceCourse

    Returns
    -------
    events : tuple of Event
    structural : tuple of int
    """
    crossings = list(space_events(course.tracks))
    found = [*crossings, *_captures(course), *loss_events(course.losses), *_no_learning_zones(course)]
    order = sorted(range(len(found)), key=lambda k: _moment(found[k]))
    ids = {k: i for i, k in enumerate(order)}
    events = tuple(replace(found[k], id=ids[k]) for k in order)
    return events, tuple(ids[k] for k in range(len(crossings)))


def _moment(event: Event) -> tuple[float, float, float]:
    return event.before, 0.5 if event.at is None else event.at, event.after


def _captures(course: SpaceCourse) -> Iterator[Event]:
    """Trials that end on another branch than at the checkpoint before, one event for each pair of branches."""
    for e in range(len(course.steps) - 1):
        moves: dict[tuple[int, int], list[int]] = {}
        for trial, (first, last) in enumerate(zip(course.ends(e), course.ends(e + 1), strict=True)):
            if first is not None and last is not None and first != last:
                moves.setdefault((first, last), []).append(trial)
        for (first, last), trials in moves.items():
            evidence = {"bracket": [0.0, 1.0], "from_branch": first, "into_branch": last, "trials": trials}
            yield Event(
                -1,
                EventKind.CAPTURE,
                course.steps[e],
                course.steps[e + 1],
                0.5,
                (first, last),
                EventStatus.LOCATED,
                evidence,
            )


def _no_learning_zones(course: SpaceCourse) -> Iterator[Event]:
    """The gradient is gone to the end of the run, and every trial was captured by another basin before.

    No readout is known here, so capture alone counts as wrong output.
    """
    gone = stagnation_of(course.losses)
    if gone is None or course.visits is None:
        return
    inside = [e for e, step in enumerate(course.steps) if step >= gone.before]
    earlier = [e for e, step in enumerate(course.steps) if step < gone.before]
    if not inside or not earlier:
        return
    before, after = course.ends(earlier[-1]), course.ends(inside[0])
    stays = all(course.ends(e) == after for e in inside)
    known = None not in before and None not in after
    if not stays or not known or any(a == b for a, b in zip(before, after, strict=True)):
        return
    evidence: dict[str, Any] = {
        "metrics": gone.metrics,
        "loss": gone.loss,
        "grad_norm": gone.grad_norm,
        "captured_between": [course.steps[earlier[-1]], course.steps[inside[0]]],
        "from_branches": list(before),
        "into_branches": list(after),
        "threshold": None,
    }
    branches = tuple(branch for branch in (*before, *after) if branch is not None)
    yield Event(-1, EventKind.NO_LEARNING_ZONE, gone.before, gone.after, None, branches, EventStatus.LOCATED, evidence)


def pair_tracks(steps: Sequence[int], points: Sequence[SlowPoints], tracks: SpaceTracks) -> tuple[PairTrack, ...]:
    """The complex pair of every branch at the checkpoints at which it is a ghost.

    `z` is drawn on the diagram's axis: its real part is the projection of Re z, its imaginary part |Im z|, the distance
    from the real states.
    """
    found: dict[int, list[tuple[int, complex, float]]] = {}
    for step, here, labels in zip(steps, points, tracks.labels, strict=True):
        for ghost, branch in zip(here.ghosts, labels.ghosts, strict=True):
            if ghost.complex_point is not None:
                z = complex(tracks.axis.of(ghost.complex_point.real), float(np.linalg.norm(ghost.complex_point.imag)))
                found.setdefault(branch, []).append((step, z, ghost.passage_time))
    return tuple(
        PairTrack(branch, *(tuple(column) for column in zip(*rows, strict=True)))
        for branch, rows in sorted(found.items())
    )


def distances(circuit: System, states: Array, x: Array) -> Array:
    """From `x` to each state, (states,), in the circuit's metric."""
    away = states - x
    return np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", away, circuit.metric, away), 0.0))
