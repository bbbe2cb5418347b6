"""Captures of the trial of a run of rank one: where on the line, and whether they begin a no-learning zone."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dynaghost.slowpoints.find import find_slow_points
from dynaghost.trajectories.branches import Stretch
from dynaghost.trajectories.course import Course
from dynaghost.trajectories.drops import Stagnation
from dynaghost.trajectories.events import Event, EventKind, EventStatus, stagnation_of

# Width on the line between two checkpoints to which captures and crossings of the readout are bisected.
BRACKET = 1e-9


def trial_captures(course: Course) -> Iterator[Event]:
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
    while high - low > BRACKET:
        middle = 0.5 * (low + high)
        branch = course.attractor_at(stretch, middle)
        if branch is None:
            break
        if branch == first:
            low = middle
        else:
            high, into = middle, branch
    return low, high, into


def no_learning_zones(course: Course) -> Iterator[Event]:
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
