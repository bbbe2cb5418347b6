"""A run of systems in many dimensions with everything that was followed through it, and what happens along it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynaghost.series import Series
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.course import Losses, enclosing
from dynaghost.trajectories.drops import Stagnation
from dynaghost.trajectories.events import Event, EventKind, EventStatus, loss_events, stagnation_of
from dynaghost.trajectories.outputs import OutputCrossing, Readout, escape_times, lifted, locate
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.space_captures import bracket
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_records import SpaceTracks
from dynaghost.trajectories.space_trials import Seen
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.visits import Visit


@dataclass(frozen=True, slots=True)
class SpaceCourse:
    """One entry a checkpoint in each sequence.

    Attributes
    ----------
    steps : tuple of int
    circuits : sequence of System
        In whose coordinates the slow points are.
    points : sequence of SlowPoints
    tracks : SpaceTracks
    visits : sequence of Visit or Seen, or None
        None where no trial is known.
    losses : Losses
    networks : sequence of System
        Of which the circuits are, or the circuits themselves.
    readouts : sequence of Readout or None
        None where no readout is known.
    delay : float or None
        The task's, in τ.
    starts : callable or None
        From a link, a place on it and the network there to the first state of every trial, (trials, units).
    """

    steps: tuple[int, ...]
    circuits: Sequence[System]
    points: Sequence[SlowPoints]
    tracks: SpaceTracks
    visits: Sequence[Visit | Seen] | None
    losses: Losses
    networks: Sequence[System] = ()
    readouts: Sequence[Readout | None] = ()
    delay: float | None = None
    starts: Callable[[int, float, System], Array] | None = None

    def ends(self, e: int) -> tuple[int | None, ...]:
        """Branch of the fixed point in which each trial ends at checkpoint `e`; None where it is not known."""
        if self.visits is None:
            return ()
        roots = self.tracks.labels[e].roots
        return tuple(None if end is None else roots[end] for end in self.visits[e].ends)

    def margins(self, e: int, x: Array) -> Array | None:
        """Outputs of a fixed point of checkpoint `e`, less the readout's threshold; None where no readout is known."""
        readout = self.readouts[e] if self.readouts else None
        return None if readout is None else readout.margins(lifted(self.circuits[e], x))

    def answers(self, e: int) -> tuple[Array | None, ...]:
        """The same of the fixed point in which each trial ends; None where that is not known."""
        ends = () if self.visits is None else self.visits[e].ends
        points = self.points[e].fixed_points
        return tuple(None if end is None else self.margins(e, points[end].x) for end in ends)

    def escapes(self, e: int) -> tuple[float | None, ...] | None:
        """When each trial gets across the readout's threshold, in τ; None where trials or readout are not known."""
        visit = None if self.visits is None else self.visits[e]
        readout = self.readouts[e] if self.readouts else None
        if visit is None or visit.starts is None or readout is None:
            return None
        return escape_times(self.networks[e], visit.starts, readout, steps=visit.steps)

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
    found = [*crossings, *trial_events(course), *loss_events(course.losses)]
    order = sorted(range(len(found)), key=lambda k: _moment(found[k]))
    ids = {k: i for i, k in enumerate(order)}
    events = tuple(replace(found[k], id=ids[k]) for k in order)
    return events, tuple(ids[k] for k in range(len(crossings)))


def trial_events(course: SpaceCourse) -> Iterator[Event]:
    """What trials and readout show: captures, crossings of the threshold, no-learning zones; without numbers."""
    yield from _captures(course)
    yield from _readout_crossings(course)
    yield from _no_learning_zones(course)


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
            low, high = _captured(course, e, trials[0], first)
            evidence = {"bracket": [low, high], "from_branch": first, "into_branch": last, "trials": trials}
            yield Event(
                -1,
                EventKind.CAPTURE,
                course.steps[e],
                course.steps[e + 1],
                0.5 * (low + high),
                (first, last),
                EventStatus.LOCATED,
                evidence,
            )


def _captured(course: SpaceCourse, e: int, trial: int, first: int) -> tuple[float, float]:
    """Between which places on a link a trial leaves the branch `first`."""
    starts = course.starts
    if starts is None:
        return 0.0, 1.0
    networks = course.networks or course.circuits
    line = Line(networks[e], networks[e + 1])
    return bracket(
        line,
        line if type(networks[e]) is type(course.circuits[e]) else Line(course.circuits[e], course.circuits[e + 1]),
        (course.points[e], course.points[e + 1]),
        lambda s, network: starts(e, s, network)[trial],
        lambda place: course.tracks.labels[e + place.side].roots[place.index] == first,
    )


def _readout_crossings(course: SpaceCourse) -> Iterator[Event]:
    """The output of a fixed point crosses the readout's threshold."""
    for e in range(len(course.steps) - 1):
        readouts = [course.readouts[k] if course.readouts else None for k in (e, e + 1)]
        if readouts[0] is None or readouts[1] is None:
            continue
        line = Line(course.circuits[e], course.circuits[e + 1])
        for branch, ends in _on_both_sides(course, e):
            for crossing in locate(line, ends, (readouts[0], readouts[1])):
                yield _readout_crossing(course, e, branch, crossing)


def _on_both_sides(course: SpaceCourse, e: int) -> Iterator[tuple[int, tuple[Array, Array]]]:
    """Branches that are fixed points at a checkpoint and the next, with their states."""
    here, there = (course.tracks.labels[k].roots for k in (e, e + 1))
    for i, branch in enumerate(here):
        if branch in there:
            j = there.index(branch)
            yield branch, (course.points[e].fixed_points[i].x, course.points[e + 1].fixed_points[j].x)


def _readout_crossing(course: SpaceCourse, e: int, branch: int, found: OutputCrossing) -> Event:
    evidence = {
        "bracket": [found.before, found.after],
        "x": course.tracks.axis.of(found.x),
        "state": found.x.tolist(),
        "threshold": course.readouts[e].threshold,  # type: ignore[union-attr]
        "upwards": found.upwards,
        **_which(course.readouts[e], found),
    }
    at = 0.5 * (found.before + found.after)
    steps = course.steps[e], course.steps[e + 1]
    return Event(-1, EventKind.READOUT_CROSSING, *steps, at, (branch,), EventStatus.LOCATED, evidence)


def _which(readout: Readout | None, found: OutputCrossing) -> dict[str, int]:
    """Of several outputs the one that crosses; where the largest is the answer, the one that is it from there on."""
    if readout is None or readout.outputs == 1:
        return {}
    return {"output": found.output} | ({"into_output": found.into} if readout.largest else {})


def _no_learning_zones(course: SpaceCourse) -> Iterator[Event]:
    """The gradient is gone to the end of the run, and every trial was captured by a basin, some with a wrong output."""
    gone = stagnation_of(course.losses)
    capture = None if gone is None else wrong_captures(course, gone)
    if gone is None or capture is None:
        return
    evidence: dict[str, Any] = {
        "metrics": gone.metrics,
        "loss": gone.loss,
        "grad_norm": gone.grad_norm,
        **capture,
    }
    branches = tuple(dict.fromkeys((*capture["from_branches"], *capture["into_branches"])))
    yield Event(-1, EventKind.NO_LEARNING_ZONE, gone.before, gone.after, None, branches, EventStatus.LOCATED, evidence)


def wrong_captures(course: SpaceCourse, gone: Stagnation) -> dict[str, Any] | None:
    """How the trials were captured before a stagnation; None if one was not, or if no output is wrong.

    Each ends on another branch, at every checkpoint of the stagnation, than at the last checkpoint before it. Wrong is
    the other side of the readout's threshold than before; without a readout capture alone counts.
    """
    inside = [e for e, step in enumerate(course.steps) if step >= gone.before]
    earlier = [e for e, step in enumerate(course.steps) if step < gone.before]
    if not inside or not earlier or course.visits is None:
        return None
    before, after = course.ends(earlier[-1]), course.ends(inside[0])
    stays = all(course.ends(e) == after for e in inside)
    known = None not in before and None not in after
    if not stays or not known or any(a == b for a, b in zip(before, after, strict=True)):
        return None
    outputs = course.answers(earlier[-1]), course.answers(inside[0])
    pairs = [(a, b) for a, b in zip(*outputs, strict=True) if a is not None and b is not None]
    wrong = sum(bool(np.any(a * b < 0)) for a, b in pairs) if pairs else None
    if wrong == 0:
        return None
    readout = course.readouts[inside[0]] if pairs else None
    return {
        "captured_between": [course.steps[earlier[-1]], course.steps[inside[0]]],
        "from_branches": list(before),
        "into_branches": list(after),
        "threshold": None if readout is None else readout.threshold,
        "wrong_outputs": wrong,
    }


def half_zone_in_space(course: SpaceCourse, events: Sequence[Event]) -> tuple[str, ...]:
    """Where the gradient is gone but no trial was captured with a wrong output: a sentence that says so."""
    gone = stagnation_of(course.losses)
    if gone is None or any(event.kind is EventKind.NO_LEARNING_ZONE for event in events):
        return ()
    why = "no trial is known" if course.visits is None else "not every trial was captured with a wrong output before it"
    return (f"half of a no_learning_zone: the gradient is gone from {gone.before:g} on, but {why}",)


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
        PairTrack(branch, Series(int, steps), Series(complex, z), Series(float, times))
        for branch, rows in sorted(found.items())
        for steps, z, times in [zip(*rows, strict=True)]
    )


def distances(circuit: System, states: Array, x: Array) -> Array:
    """From `x` to each state, (states,), in the circuit's metric."""
    away = states - x
    return np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", away, circuit.metric, away), 0.0))
