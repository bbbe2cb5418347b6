"""What happens along a run of networks of rank one, as a table of small detectors over what was followed."""

from collections.abc import Callable, Iterable, Iterator

from dynaghost.slowpoints.find import find_slow_points
from dynaghost.trajectories.branches import Crossing, CrossingKind, Stretch
from dynaghost.trajectories.course import Course
from dynaghost.trajectories.events import Event, EventKind, EventStatus, loss_events
from dynaghost.trajectories.line_captures import BRACKET, no_learning_zones, trial_captures


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
    while high - low > BRACKET:
        middle = 0.5 * (low + high)
        roots = find_slow_points(course.network_at(stretch.link, middle)).fixed_points
        # Right at a bracket the structure may be undecided.
        if len(roots) != len(stretch.roots):
            break
        low, high = (middle, high) if (roots[i].x[0] > threshold) == above else (low, middle)
    return low, high


def _of_the_loss(course: Course) -> Iterator[Event]:
    return loss_events(course.losses)


_DETECTORS: tuple[Callable[[Course], Iterator[Event]], ...] = (
    _structural,
    trial_captures,
    _readout_crossings,
    _of_the_loss,
    no_learning_zones,
)
