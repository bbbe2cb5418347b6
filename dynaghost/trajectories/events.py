"""What happens along training, as a table of small detectors, each from what was followed to events of its kinds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np

from dynaghost.display import table
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.trajectories.branches import Crossing, CrossingKind, Stretch
from dynaghost.trajectories.course import Course, Losses
from dynaghost.trajectories.drops import Stagnation, oscillations, stagnation

# Width on the line between two checkpoints to which captures and crossings of the readout are bisected.
_BRACKET = 1e-9


class EventKind(StrEnum):
    """The kinds of events; the vocabulary of results."""

    SADDLE_NODE = "saddle_node"
    GHOST_EMERGENCE = "ghost_emergence"
    GHOST_DISSOLUTION = "ghost_dissolution"
    PITCHFORK = "pitchfork"
    TRANSCRITICAL = "transcritical"
    CUSP = "cusp"
    HOPF = "hopf"
    NEIMARK_SACKER = "neimark_sacker"
    FLIP = "flip"
    BORDER_COLLISION = "border_collision"
    CAPTURE = "capture"
    READOUT_CROSSING = "readout_crossing"
    LOSS_DROP = "loss_drop"
    OSCILLATION = "oscillation"
    NO_LEARNING_ZONE = "no_learning_zone"


class EventStatus(StrEnum):
    """How sure an event is.

    `proved`: the structures on both sides of its bracket are. `located`: found by a change of sign or label between
    two places, without a proof. `unresolved`: several events may be one here.
    """

    PROVED = "proved"
    LOCATED = "located"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """Something that happens between two steps of training.

    Attributes
    ----------
    id : int
    kind : EventKind
    before, after : int or float
        The checkpoints it lies between; for what is read from the loss, steps of the loss curve.
    at : float or None
        Where on the straight line between the two checkpoints, 0 to 1; None for what is read from the loss.
    branches : tuple of int
        For a saddle-node first the unstable fixed point's, on which the ghost is.
    status : EventStatus
    evidence : dict
        Bracket, place and whatever else the detector saw, ready for JSON.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> (event,) = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.1, 0.3)]).events
    >>> event.kind.value, event.before, event.after, round(event.at, 6), event.status.value
    ('saddle_node', 0, 1, 0.537732, 'proved')
    """

    id: int
    kind: EventKind
    before: float
    after: float
    at: float | None
    branches: tuple[int, ...]
    status: EventStatus
    evidence: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        where = "" if self.at is None else f" at {self.at:.4g} of the way"
        return f"Event({self.id}: {self.kind.value}, {self.before:g} to {self.after:g}{where}, {self.status.value})"

    def _repr_html_(self) -> str:
        return table(f"event {self.id}", COLUMNS, [self.row])

    @property
    def row(self) -> tuple[str, ...]:
        """Of a table of events with `COLUMNS`."""
        at = "" if self.at is None else f"{self.at:.4g}"
        branches = ", ".join(map(str, self.branches))
        return (str(self.id), self.kind.value, f"{self.before:g}", f"{self.after:g}", at, branches, self.status.value)


COLUMNS = ("event", "kind", "before", "after", "at", "branches", "status")
"""Of a table of events."""


def find_events(course: Course, more: Iterable[Event] = ()) -> tuple[Event, ...]:
    """Every event of a run and those that are known besides, in the order of training."""
    found = [event for detector in _DETECTORS for event in detector(course)]
    found.extend(more)
    found.sort(key=lambda event: (event.before, event.at if event.at is not None else 0.5, event.after))
    return tuple(
        Event(i, e.kind, e.before, e.after, e.at, e.branches, e.status, e.evidence) for i, e in enumerate(found)
    )


def _structural(course: Course) -> Iterator[Event]:
    """Births and deaths of slow points."""
    for crossing in course.tracks.crossings:
        yield Event(
            -1,
            EventKind(crossing.kind.value),
            course.steps[crossing.link],
            course.steps[crossing.link + 1],
            0.5 * (crossing.before + crossing.after),
            crossing.branches,
            _sure(course, crossing),
            {
                "bracket": [crossing.before, crossing.after],
                "x": crossing.x,
                "creates": crossing.creates,
                "unproved_around": list(crossing.unproved),
            },
        )


def _sure(course: Course, crossing: Crossing) -> EventStatus:
    """`proved` if the structures on both sides are; at a checkpoint that the bracket ends at, its points."""
    if crossing.kind is CrossingKind.CUSP:
        return EventStatus.UNRESOLVED
    ends = [crossing.link] * (crossing.before == 0) + [crossing.link + 1] * (crossing.after == 1)
    for points in (course.points[e] for e in ends):
        if not points.complete or any(point.degenerate for point in points.fixed_points):
            return EventStatus.LOCATED
    return EventStatus.PROVED


def _captures(course: Course) -> Iterator[Event]:
    """The attractor that the trial ends in is on another branch."""
    for link in range(len(course.steps) - 1):
        first, last = course.attractor(link), course.attractor(link + 1)
        if first is None or last is None or first == last or not (stretches := course.stretches(link)):
            continue
        place = _bisect_capture(course, stretches, first, last)
        low, high, into = place
        yield Event(
            -1,
            EventKind.CAPTURE,
            course.steps[link],
            course.steps[link + 1],
            0.5 * (low + high),
            (first, into),
            EventStatus.LOCATED,
            {
                "bracket": [low, high],
                "from_branch": first,
                "into_branch": into,
                "ends_on_branch": last,
                **_halves(course, link),
            },
        )


def _halves(course: Course, link: int) -> dict[str, Any]:
    """The two halves of a no-learning zone, as a capture's evidence: whether each holds after it.

    `wrong_since`: to the end of the run the trial ends on the other side of the readout's threshold than before.
    """
    threshold = None if course.trial is None else course.trial.threshold
    later = [e for e in range(link + 1, len(course.steps)) if course.attractor(e) is not None]
    wrong = bool(later) and len(later) == len(course.steps) - link - 1
    if wrong and threshold is not None:
        before = _before_capture(course, link) - threshold
        wrong = all(before * (_end(course, e) - threshold) < 0 for e in later)
    norms = course.losses.grad_norm
    known = np.empty(0) if norms is None else norms[~np.isnan(norms)]
    gone = stagnation_of(course.losses)
    return {
        "wrong_since": wrong,
        "gradient_gone": gone is not None and gone.before >= course.steps[link],
        "last_grad_norm": float(known[-1]) if len(known) else None,
    }


def _bisect_capture(course: Course, stretches: list[Stretch], first: int, last: int) -> tuple[float, float, int]:
    """Where on the line the trial's attractor leaves branch `first`, and for which branch."""
    ends: list[tuple[Stretch, float, int | None]] = []
    for stretch in stretches:
        ends.append((stretch, stretch.before, course.attractor_at(stretch, stretch.before)))
        ends.append((stretch, stretch.after, course.attractor_at(stretch, stretch.after)))
    known = [(stretch, s, branch) for stretch, s, branch in ends if branch is not None]
    for (one, low, from_branch), (two, high, into) in pairwise(known):
        if from_branch == first and into != first:
            if one is not two:
                return low, high, into
            return _bisect_within(course, one, low, high, first, into)
    return 0.0, 1.0, last


def _bisect_within(
    course: Course, stretch: Stretch, low: float, high: float, first: int, into: int
) -> tuple[float, float, int]:
    while high - low > _BRACKET:
        middle = 0.5 * (low + high)
        branch = course.attractor_at(stretch, middle)
        if branch is None:
            break
        if branch == first:
            low = middle
        else:
            high, into = middle, branch
    return low, high, into


def _readout_crossings(course: Course) -> Iterator[Event]:
    """A fixed point crosses the readout's threshold."""
    if course.trial is None or course.trial.threshold is None:
        return
    threshold = course.trial.threshold
    for stretch in course.tracks.stretches:
        for i, branch in enumerate(stretch.roots):
            start, end = stretch.start.roots[i, 0] - threshold, stretch.end.roots[i, 0] - threshold
            if start * end < 0 or (end == 0 and start != 0):
                low, high = _bisect_crossing(course, stretch, i, threshold)
                yield Event(
                    -1,
                    EventKind.READOUT_CROSSING,
                    course.steps[stretch.link],
                    course.steps[stretch.link + 1],
                    0.5 * (low + high),
                    (branch,),
                    EventStatus.LOCATED,
                    {"bracket": [low, high], "threshold": threshold, "upwards": bool(start < end)},
                )


def _bisect_crossing(course: Course, stretch: Stretch, i: int, threshold: float) -> tuple[float, float]:
    """Where on a stretch its root `i` is at the threshold; another root may cross it there too, elsewhere."""
    low, high = stretch.before, stretch.after
    above = bool(stretch.start.roots[i, 0] > threshold)
    while high - low > _BRACKET:
        middle = 0.5 * (low + high)
        roots = find_slow_points(course.network_at(stretch.link, middle)).fixed_points
        # Right at a bracket the structure may be undecided.
        if len(roots) != len(stretch.roots):
            break
        low, high = (middle, high) if (roots[i].x[0] > threshold) == above else (low, middle)
    return low, high


def loss_events(losses: Losses) -> Iterator[Event]:
    """Drops and oscillations of the loss.

    Parameters
    ----------
    losses : Losses

    Yields
    ------
    Event
        Without a number.
    """
    if losses.loss is None or len(losses.loss) == 0:
        return
    for drop in losses.rule.drops(losses.steps, losses.loss):
        evidence = {"loss_before": drop.loss_before, "loss_after": drop.loss_after}
        yield Event(-1, EventKind.LOSS_DROP, drop.before, drop.after, None, (), EventStatus.LOCATED, evidence)
    for found in oscillations(losses.steps, losses.loss):
        told = {
            "alternations": found.alternations,
            "amplitude": found.amplitude,
            "period": found.period,
            "correlation": found.correlation,
        }
        yield Event(-1, EventKind.OSCILLATION, found.before, found.after, None, (), EventStatus.LOCATED, told)


def _of_the_loss(course: Course) -> Iterator[Event]:
    return loss_events(course.losses)


def _no_learning_zones(course: Course) -> Iterator[Event]:
    """The gradient is gone to the end of the run and the trial was captured by a basin with the wrong output."""
    gone = stagnation_of(course.losses)
    capture = None if gone is None else wrong_capture(course, gone)
    if gone is None or capture is None:
        return
    evidence = {
        "metrics": gone.metrics,
        "loss": gone.loss,
        "grad_norm": gone.grad_norm,
        **capture,
    }
    branches = (capture["from_branch"], capture["into_branch"])
    yield Event(-1, EventKind.NO_LEARNING_ZONE, gone.before, gone.after, None, branches, EventStatus.LOCATED, evidence)


def stagnation_of(losses: Losses) -> Stagnation | None:
    """The stretch to the end of the run on which the gradient is gone, if there is one."""
    if losses.loss is None or len(losses.loss) == 0:
        return None
    return stagnation(losses.steps, losses.loss, losses.grad_norm)


def half_zone(course: Course, events: Sequence[Event]) -> tuple[str, ...]:
    """Which half of a no-learning zone holds, where only one does and so no such event is there.

    Parameters
    ----------
    course : Course
    events : sequence of Event
        Of the run.

    Returns
    -------
    tuple of str
        A sentence, or nothing.
    """
    if any(event.kind is EventKind.NO_LEARNING_ZONE for event in events):
        return ()
    gone = stagnation_of(course.losses)
    if gone is not None:
        why = "no trial is known" if course.ends is None else "the trial was not captured with a wrong output before it"
        return (f"half of a no_learning_zone: the gradient is gone from {gone.before:g} on, but {why}",)
    captures = [event for event in events if event.kind is EventKind.CAPTURE]
    # Without a threshold every capture counts as wrong, also one that learns the task.
    known = course.trial is not None and course.trial.threshold is not None
    if not known or not captures or not captures[-1].evidence["wrong_since"]:
        return ()
    last = captures[-1].evidence["last_grad_norm"]
    told = "the loss still changes" if last is None else f"the gradient norm, {last:.3g} at the end, is not below 1e-10"
    return (f"half of a no_learning_zone: the trial was captured after {captures[-1].before:g}, but {told}",)


def wrong_capture(course: Course, gone: Stagnation) -> dict[str, Any] | None:
    """How the trial was captured before a stagnation; None if it was not, or if its output is not wrong.

    It ends on another branch, at every checkpoint of the stagnation, than at the last checkpoint before it; or, if it
    was captured earlier than the gradient vanished, the loss has been higher ever since. Wrong is the other side of the
    readout's threshold than right before the capture (by then the attractor may have crossed the threshold since the
    checkpoint); without a threshold capture alone counts.
    """
    inside = [e for e, step in enumerate(course.steps) if step >= gone.before]
    earlier = [e for e, step in enumerate(course.steps) if step < gone.before]
    ends = {course.attractor(e) for e in inside}
    if not inside or not earlier or None in ends or len(ends) != 1:
        return None
    (into,) = ends
    reference = next((e for e in reversed(earlier) if course.attractor(e) != into), None)
    if reference is None or course.attractor(reference) is None:
        return None
    if reference != earlier[-1] and not _loss_rose(course, course.steps[reference], gone):
        return None
    before, after = _before_capture(course, reference), _end(course, inside[0])
    threshold = None if course.trial is None else course.trial.threshold
    if threshold is not None and (before - threshold) * (after - threshold) > 0:
        return None
    return {
        "captured_between": [course.steps[reference], course.steps[reference + 1]],
        "from_branch": course.attractor(reference),
        "into_branch": into,
        "attractor_before": before,
        "attractor_after": after,
        "threshold": threshold,
    }


def _loss_rose(course: Course, step: int, gone: Stagnation) -> bool:
    losses = course.losses
    assert losses.loss is not None
    then = losses.loss[losses.steps <= step]
    return len(then) > 0 and gone.loss > float(then[-1])


def _before_capture(course: Course, e: int) -> float:
    """Where the trial ended right before it was captured, on the line after checkpoint `e`."""
    first, last = course.attractor(e), course.attractor(e + 1)
    stretches = course.stretches(e)
    if first is None or last is None or not stretches:
        return _end(course, e)
    low, _, _ = _bisect_capture(course, stretches, first, last)
    roots = next(stretch.roots for stretch in stretches if stretch.before <= low <= stretch.after)
    points = find_slow_points(course.network_at(e, low)).fixed_points
    return float(points[roots.index(first)].x[0]) if len(points) == len(roots) else _end(course, e)


def _end(course: Course, e: int) -> float:
    """Where the trial ends at checkpoint `e`, which is known."""
    assert course.ends is not None
    index = course.ends[e][1]
    assert index is not None
    return float(course.points[e].fixed_points[index].x[0])


_DETECTORS: tuple[Callable[[Course], Iterator[Event]], ...] = (
    _structural,
    _captures,
    _readout_crossings,
    _of_the_loss,
    _no_learning_zones,
)
