"""Branches as lines: where each begins and ends, and what it is drawn as; it plots nothing."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.series import Series
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


_ROLES = tuple(Role)


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


def _roles(findings: Findings) -> dict[int, tuple[Series[int], bytearray]]:
    """Branch → the checkpoints at which it is seen, and its role at each, by its place in `_ROLES`."""
    found: dict[int, tuple[Series[int], bytearray]] = {}
    for step, points, labels in zip(findings.steps, findings.points, findings.tracks.labels, strict=True):
        for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True):
            steps, roles = found.setdefault(branch, (Series(int), bytearray()))
            steps.append(step)
            roles.append(_ROLES.index(role(point)))
    return found


def _marks(segment: Segment, roles: Mapping[int, tuple[Series[int], bytearray]]) -> bytearray:
    """The role at each checkpoint of a segment."""
    if not segment.steps:
        return bytearray()
    steps, every = roles[segment.branch]
    first, last = steps.find(segment.steps[0]), steps.find(segment.steps[-1])
    assert first is not None
    assert last is not None
    return every[first : last + 1]


def _crossings(findings: Findings) -> dict[int, list[Event]]:
    """The readout crossings of every branch that has some."""
    found: dict[int, list[Event]] = {}
    for event in findings.events:
        if event.kind is EventKind.READOUT_CROSSING and len(event.branches) == 1:
            found.setdefault(event.branches[0], []).append(event)
    return found


class _Trail:
    """Places of a branch in the order of training, each with its role: long runs have many."""

    def __init__(self, steps: Iterable[float], x: Iterable[float], roles: bytearray) -> None:
        self.steps, self.x, self.roles = array("d", steps), array("d", x), roles

    def insert(self, i: int, step: float, x: float, mark: int) -> None:
        """One place more, before the one at `i`."""
        self.steps.insert(i, step)
        self.x.insert(i, x)
        self.roles.insert(i, mark)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """First and one past the last place of each stretch of one role; nothing of an empty trail."""
        if not self.roles:
            return iter(())
        changes = np.flatnonzero(np.diff(np.frombuffer(bytes(self.roles), np.uint8))) + 1
        return pairwise([0, *changes.tolist(), len(self.roles)])


def _segment_lines(
    findings: Findings,
    segment: Segment,
    roles: Mapping[int, tuple[Series[int], bytearray]],
    crossings: Sequence[Event],
) -> Iterator[Line]:
    born, died = (findings.events[findings.structural[end[0]]] if end else None for end in (segment.born, segment.died))
    marks = _marks(segment, roles)
    begun, ended = (marks[0], marks[-1]) if marks else [_ROLES.index(_unseen(segment, (born, died)))] * 2
    trail = _Trail(segment.steps, segment.x, marks)
    if born is not None:
        trail.insert(0, place(born), born.evidence["x"], begun)
    if died is not None:
        trail.insert(len(trail.x), place(died), died.evidence["x"], ended)
    _go_through(crossings, trail)
    for first, last in trail.stretches():
        # One point more, so that this stretch ends where the next one begins.
        steps, x = np.array(trail.steps[first : last + 1]), np.array(trail.x[first : last + 1])
        begins = born.id if born is not None and first == 0 else None
        ends = died.id if died is not None and last == len(trail.x) else None
        yield Line(segment.branch, _ROLES[trail.roles[first]], steps, x, begins, ends)


def _go_through(crossings: Sequence[Event], trail: _Trail) -> None:
    """Add the places at which the branch is known to be at the readout's threshold."""
    for event in crossings:
        i = bisect_right(trail.steps, place(event))
        if 0 < i < len(trail.x):
            trail.insert(i, place(event), crossing_height(event), trail.roles[i - 1])


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
