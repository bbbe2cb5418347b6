"""Branches as lines: where each begins and ends, and what it is drawn as; it plots nothing."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.records import FixedPoint, Ghost, Kind
from dynaghost.systems.base import Array
from dynaghost.trajectories.branches import Segment
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings


class Role(StrEnum):
    """What a slow point is drawn as."""

    STABLE = "stable fixed point"
    UNSTABLE = "unstable fixed point"
    UNDECIDED = "fixed point of undecided stability"
    GHOST = "ghost"


def role(point: FixedPoint | Ghost) -> Role:
    """What a slow point is drawn as.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import SaddleNode
    >>> [role(point).value for point in find_slow_points(SaddleNode(-1.0)).points]
    ['stable fixed point', 'unstable fixed point']
    """
    if isinstance(point, Ghost):
        return Role.GHOST
    return {True: Role.STABLE, False: Role.UNSTABLE, None: Role.UNDECIDED}[point.stable]


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of a branch with one role.

    Attributes
    ----------
    branch : int
    role : Role
    steps, x : ndarray (points,)
        Checkpoints, and the events that begin and end the stretch.
    born, died : int or None
        Ids of these events.
    """

    branch: int
    role: Role
    steps: Array
    x: Array
    born: int | None
    died: int | None


def lines(findings: Findings) -> list[Line]:
    """Every branch as lines: a new one where its kind or its stability changes."""
    roles, crossings = _roles(findings), _crossings(findings)
    return [
        line
        for branch in findings.branches
        for segment in branch.segments
        for line in _segment_lines(findings, segment, roles, crossings.get(branch.id, []))
    ]


def crossing_height(event: Event) -> float:
    """Where on the diagram's axis a readout crossing is: at the threshold in one dimension, elsewhere in many."""
    return float(event.evidence.get("x", event.evidence["threshold"]))


def heights(findings: Findings) -> dict[tuple[int, int], float]:
    """(step, branch) → its place on the diagram's axis: κ, or in many dimensions the first principal component."""
    return {
        (step, branch.id): float(x)
        for branch in findings.branches
        for segment in branch.segments
        for step, x in zip(segment.steps, segment.x, strict=True)
    }


def seen(findings: Findings, indices: Iterable[int]) -> Iterator[tuple[int, float, FixedPoint | Ghost]]:
    """Step, place on the diagram's axis, and record of every slow point of these checkpoints."""
    known = heights(findings)
    for e in indices:
        step, labels = findings.steps[e], findings.tracks.labels[e]
        for branch, point in zip(labels.roots + labels.ghosts, findings.points[e].points, strict=True):
            yield step, known[step, branch], point


def _roles(findings: Findings) -> dict[tuple[int, int], Role]:
    """(step, branch) → role."""
    return {
        (step, branch): role(point)
        for step, points, labels in zip(findings.steps, findings.points, findings.tracks.labels, strict=True)
        for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True)
    }


def _crossings(findings: Findings) -> dict[int, list[Event]]:
    """The readout crossings of every branch that has some."""
    found: dict[int, list[Event]] = {}
    for event in findings.events:
        if event.kind is EventKind.READOUT_CROSSING and len(event.branches) == 1:
            found.setdefault(event.branches[0], []).append(event)
    return found


def _segment_lines(
    findings: Findings, segment: Segment, roles: dict[tuple[int, int], Role], crossings: Sequence[Event]
) -> Iterator[Line]:
    born, died = (findings.events[findings.structural[end[0]]] if end else None for end in (segment.born, segment.died))
    marks = [roles[step, segment.branch] for step in segment.steps] or [_unseen(segment, (born, died))]
    trail = [(float(step), x, mark) for step, x, mark in zip(segment.steps, segment.x, marks, strict=False)]
    if born is not None:
        trail.insert(0, (place(born), born.evidence["x"], marks[0]))
    if died is not None:
        trail.append((place(died), died.evidence["x"], marks[-1]))
    trail = _through_crossings(crossings, trail)
    cuts = [0, *(i for i in range(1, len(trail)) if trail[i][2] is not trail[i - 1][2]), len(trail)]
    for first, last in pairwise(cuts):
        # One point more, so that this stretch ends where the next one begins.
        steps, x, roles_here = zip(*trail[first : last + 1], strict=True)
        begins = born.id if born is not None and first == 0 else None
        ends = died.id if died is not None and last == len(trail) else None
        yield Line(segment.branch, roles_here[0], np.array(steps), np.array(x), begins, ends)


def _through_crossings(
    crossings: Sequence[Event], trail: list[tuple[float, float, Role]]
) -> list[tuple[float, float, Role]]:
    """The same with the places at which the branch is known to be at the readout's threshold."""
    for event in crossings:
        i = bisect_right(trail, place(event), key=lambda point: point[0])
        if 0 < i < len(trail):
            trail.insert(i, (place(event), crossing_height(event), trail[i - 1][2]))
    return trail


def _unseen(segment: Segment, ends: Iterable[Event | None]) -> Role:
    """The role of a segment that lives between two checkpoints only."""
    if segment.kind is Kind.GHOST:
        return Role.GHOST
    for event in ends:
        if event is not None and event.kind is EventKind.SADDLE_NODE:
            return Role.UNSTABLE if event.branches[0] == segment.branch else Role.STABLE
    return Role.UNDECIDED


def place(event: Event) -> float:
    """Where on the axis of training an event is drawn: where it happens, or the middle of a stretch of the loss."""
    return event.before + (event.after - event.before) * (0.5 if event.at is None else event.at)
