"""Verdicts for networks of many dimensions: the definitions of `verdict`, with distances between states.

Where the fixed points of the window's checkpoints are not proved complete, the grade is `found`, and the verdict speaks
only of the branches that were followed and the slow points that were found.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynaghost.slowpoints.records import Certificate, Ghost, Kind
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.outputs import summarized
from dynaghost.trajectories.space_course import SpaceCourse, distances
from dynaghost.trajectories.verdict import (
    GROWTH,
    LEAST_PASSAGE,
    SHARE,
    Answer,
    Grade,
    Margin,
    Verdict,
    answer_of,
    changes_points,
    nearest,
    timing,
    told,
    verdict_of,
)

_OTHERS = (EventKind.GHOST_EMERGENCE, EventKind.READOUT_CROSSING)


def judge_in_space(course: SpaceCourse, events: Sequence[Event]) -> tuple[Verdict, ...]:
    """A verdict for every drop among the events of a run.

    Parameters
    ----------
    course : SpaceCourse
    events : sequence of Event

    Returns
    -------
    tuple of Verdict
    """
    return tuple(_judge(course, events, drop) for drop in events if drop.kind is EventKind.LOSS_DROP)


def _judge(course: SpaceCourse, events: Sequence[Event], drop: Event) -> Verdict:
    enclosing = course.enclosing(drop.before, drop.after)
    if enclosing is None:
        because = {"because": "the checkpoints do not enclose the drop"}
        return verdict_of(drop, Answer.UNDECIDED, Grade.FOUND, (), because)
    window = _Window(course, *enclosing)
    inside = [e for e in events if e.at is not None and e.before < window.last and e.after > window.first]
    margins = window.margins([e for e in inside if changes_points(e) or e.kind in _OTHERS])
    near = [event for event in inside if event.id in margins and margins[event.id].near]
    bifurcations = [event for event in near if changes_points(event)]
    consumed = {branch for event in bifurcations for branch in event.branches}
    pairs = [change for branch in _ghost_branches(window) if (change := _pair(window, branch)) is not None]
    moved = [pair for pair in pairs if pair["counts"] and pair["branch"] not in consumed]
    emergences = [event for event in near if event.kind is EventKind.GHOST_EMERGENCE]
    ghosts = [event for event in emergences if not consumed.intersection(event.branches)]
    crossings = [event for event in near if event.kind is EventKind.READOUT_CROSSING]
    doubts = _doubts(window)
    causes = (*bifurcations, *ghosts, *crossings)
    evidence = {
        "window": [window.first, window.last],
        "fixed_points": [len(course.points[e].fixed_points) for e in (window.low, window.high)],
        "ghosts": [len(course.points[e].ghosts) for e in (window.low, window.high)],
        "pairs": pairs,
        "readout_crossings": [event.id for event in crossings],
        **told(margins),
        "visited": window.told,
        "relevance": "no trial known: all of state space" if window.visited is None else "within reach of the trials",
        "coverage": _coverage(window),
        "timing": timing(drop, causes),
        **answers_between(course, window.low, window.high),
    }
    if doubts:
        evidence["because"] = "; ".join(doubts)
    answer = answer_of(bool(doubts), bool(bifurcations), bool(ghosts or moved))
    return verdict_of(drop, answer, _grade(window), tuple(sorted(event.id for event in causes)), evidence)


class _Window:
    """A drop widened to the checkpoints `low` … `high` that enclose it, and the states that trials visit there."""

    def __init__(self, course: SpaceCourse, low: int, high: int) -> None:
        self.course, self.low, self.high = course, low, high
        self.first, self.last = course.steps[low], course.steps[high]
        self.visited: Array | None = None
        if course.visits is not None:
            self.visited = np.concatenate([course.visits[e].visited for e in self.checkpoints])
        self.diameter = 0.0 if self.visited is None else _diameter(course, low, self.visited)

    @property
    def checkpoints(self) -> range:
        return range(self.low, self.high + 1)

    def distance(self, e: int, x: Array) -> float:
        """From `x` to the nearest visited state, in the metric of checkpoint `e`; 0 where no trial is known."""
        return 0.0 if self.visited is None else float(distances(self.course.circuits[e], self.visited, x).min())

    @property
    def told(self) -> dict[str, Any] | None:
        """What the trials visit, as evidence; None where no trial is known."""
        if self.visited is None or self.course.visits is None:
            return None
        gone = max(self.course.visits[e].gone for e in self.checkpoints)
        told = {"states": len(self.visited), "diameter": self.diameter}
        return told | ({"to_infinity": gone} if gone else {})

    @property
    def share(self) -> float:
        """Distance within which every slow point counts."""
        return float("inf") if self.visited is None else SHARE * self.diameter

    def near(self, distance: float, reach: float = 0.0) -> bool:
        return distance <= max(self.share, reach)

    def margins(self, events: Sequence[Event]) -> dict[int, Margin]:
        """How far each event is from what the trials visit, by its id."""
        found = {}
        for event in events:
            at = np.asarray(event.evidence["state"], dtype=float)
            found[event.id] = nearest([(self.distance(self.low, at), 0.0), *self._places(event)], self.share)
        return found

    def _places(self, event: Event) -> list[tuple[float, float]]:
        """Distance and reach of the event's points at every checkpoint of the window."""
        found = []
        for e in self.checkpoints:
            labels, points = self.course.tracks.labels[e], self.course.points[e]
            for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True):
                if branch in event.branches:
                    reach = reach_of(point) if isinstance(point, Ghost) else 0.0
                    found.append((self.distance(e, point.x), reach))
        return found


def reach_of(ghost: Ghost) -> float:
    """|Im z| of a ghost's pair, or √(μ/a) where it is not known: the half-width of its bottleneck."""
    if ghost.complex_point is not None:
        return float(np.linalg.norm(ghost.complex_point.imag))
    return float(np.sqrt(ghost.speed / ghost.curvature)) if ghost.curvature > 0 else 0.0


def _diameter(course: SpaceCourse, e: int, visited: Array) -> float:
    """Largest distance between two visited states."""
    unique = np.unique(visited, axis=0)
    return max((float(distances(course.circuits[e], unique, x).max()) for x in unique), default=0.0)


def _ghost_branches(window: _Window) -> list[int]:
    course = window.course
    return sorted({branch for e in window.checkpoints for branch in course.tracks.labels[e].ghosts})


def _pair(window: _Window, branch: int) -> dict[str, Any] | None:
    """How the passage time of a branch's ghost changes across the window, and whether that counts."""
    course = window.course
    here: dict[int, Ghost] = {}
    for e in window.checkpoints:
        for one, ghost in zip(course.tracks.labels[e].ghosts, course.points[e].ghosts, strict=True):
            if one == branch:
                here[e] = ghost
    near = any(window.near(window.distance(e, ghost.x), reach_of(ghost)) for e, ghost in here.items())
    ends = [here.get(e) for e in (window.low, window.high)]
    times = [None if ghost is None else ghost.passage_time for ghost in ends]
    if times == [None, None]:
        return None
    low, high = sorted(0.0 if time is None else time for time in times)
    circuit = course.circuits[window.low]
    unit = 1.0 if circuit.time is Time.FLOW or circuit.leak is None else 1.0 / circuit.leak
    # A ghost that is not there at one end was born or dissolved: that event counts by itself.
    counts = near and low > 0 and high >= LEAST_PASSAGE * unit and high / low >= GROWTH
    speeds = [None if ghost is None else ghost.speed for ghost in ends]
    return {"branch": branch, "passage_time": times, "speed": speeds, "relevant": near, "counts": counts, "lost": False}


def _doubts(window: _Window) -> list[str]:
    """What keeps a verdict from being given: relevant points without a certificate, branches that were lost."""
    course, doubts = window.course, []
    for e in window.checkpoints:
        for point in course.points[e].fixed_points:
            if point.certificate is Certificate.UNDECIDED and window.near(window.distance(e, point.x)):
                why = f"has no decided certificate ({point.undecided_because})"
                doubts.append(f"a fixed point at {course.steps[e]} {why}")
    for branch in course.tracks.branches:
        for segment in branch.segments:
            if not segment.lost or segment.kind is not Kind.FIXED_POINT or not segment.steps:
                continue
            e = course.steps.index(segment.steps[-1])
            if window.low <= e < window.high and window.near(window.distance(e, _place(course, e, branch.id))):
                doubts.append(f"branch {branch.id} could not be followed: {segment.lost}")
    return doubts


def _place(course: SpaceCourse, e: int, branch: int) -> Array:
    return course.points[e].fixed_points[course.tracks.labels[e].roots.index(branch)].x


def _grade(window: _Window) -> Grade:
    complete = all(window.course.points[e].complete for e in window.checkpoints)
    return Grade.PROVED if complete else Grade.FOUND


def answers_between(course: SpaceCourse, low: int, high: int) -> dict[str, Any]:
    """What the readout shows of the trials at two checkpoints: when they get across its threshold, beside the task's
    delay, and how many were captured from one to the other; nothing where no trial is known.
    """
    found = [course.escapes(e) for e in (low, high)]
    captured = {} if course.visits is None else {"captured": _captured(course, low, high)}
    if found[0] is None or found[1] is None:
        return captured
    readout = course.readouts[low]
    assert readout is not None
    return {
        "escape_times": [summarized(times) for times in found if times is not None],
        "delay": course.delay,
        "readout": {"name": readout.name, "threshold": readout.threshold, "outputs": readout.outputs},
        **captured,
    }


def _captured(course: SpaceCourse, low: int, high: int) -> int:
    """How many trials end on another branch at one checkpoint than at the other."""
    ends = zip(course.ends(low), course.ends(high), strict=True)
    return sum(a != b for a, b in ends if a is not None and b is not None)


def _coverage(window: _Window) -> dict[str, Any] | None:
    """The worst of the window's checkpoints, and how many branches pass it; None where all are proved complete."""
    course = window.course
    known = [course.points[e] for e in window.checkpoints if not course.points[e].complete]
    found = [points.coverage for points in known if points.coverage is not None]
    if not known:
        return None
    agree = [coverage.agree for coverage in found]
    branches = {branch for e in window.checkpoints for branch in (*course.tracks.labels[e].roots,)}
    return {
        "checkpoints": len(known),
        "unseen": max((coverage.unseen for coverage in found), default=None),
        "agree": None if None in agree or not agree else all(agree),
        "starts": min((coverage.starts for coverage in found), default=None),
        "branches": len(branches),
    }
