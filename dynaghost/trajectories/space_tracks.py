"""Stories of links → branches through a run of any dimension; pure bookkeeping, nothing is searched here.

A saddle-node that annihilates two fixed points leaves a ghost on the branch of the one with more unstable directions,
and gives it back when the pair is created again. A ghost that dissolves leaves its complex pair, which is followed on:
a ghost that emerges on that pair is the same branch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from dynaghost.slowpoints.complexified import passage_time
from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.branches import Branch, Labels, Relation, Segment
from dynaghost.trajectories.happenings import Happening, HappeningKind
from dynaghost.trajectories.pair_curves import follow_pair, same_pair
from dynaghost.trajectories.space_link import Place
from dynaghost.trajectories.story import Story
from dynaghost.trajectories.straight import Line

_FAINT = 0.01  # passage time (τ) below which a pair is too far from the axis to be followed further
NOT_LISTED = "not listed"


@dataclass(frozen=True, slots=True)
class SpaceCrossing:
    """A happening with the branches that it concerns.

    Attributes
    ----------
    kind : HappeningKind
    link : int
        Index of the checkpoint before it.
    before, after : float
        Bracket on the line, 0 to 1.
    at : float
    x : float
        The state's projection on the run's axis.
    state : ndarray (n,)
    branches : tuple of int
        Of a saddle-node first the branch with the ghost, of a pitchfork first the one that goes on.
    creates : bool or None
    resolved : bool
    evidence : dict
    """

    kind: HappeningKind
    link: int
    before: float
    after: float
    at: float
    x: float
    state: Array
    branches: tuple[int, ...]
    creates: bool | None
    resolved: bool
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """The first principal component of all listed slow points of a run: x ↦ direction·(x − mean)."""

    mean: Array
    direction: Array

    def of(self, x: Array) -> float:
        """The projection of a state."""
        return float(self.direction @ (x - self.mean))


@dataclass(frozen=True, slots=True)
class SpaceTracks:
    """Everything that was followed through a run of any dimension.

    Attributes
    ----------
    steps : tuple of int
        Of the checkpoints.
    branches : tuple of Branch
        `x` of a segment is the projection on `axis`.
    crossings : tuple of SpaceCrossing
        In order of training.
    labels : tuple of Labels
        One a checkpoint, in the order of its records.
    axis : Axis
    """

    steps: tuple[int, ...]
    branches: tuple[Branch, ...]
    crossings: tuple[SpaceCrossing, ...]
    labels: tuple[Labels, ...]
    axis: Axis


def principal_axis(points: Sequence[SlowPoints], dim: int) -> Axis:
    """The axis of the states of all listed slow points; its largest component is positive.

    Examples
    --------
    >>> principal_axis([], 2).direction.tolist()
    [1.0, 0.0]
    """
    states = [point.x for found in points for point in found.points]
    if not states:
        return Axis(np.zeros(dim), np.eye(dim)[0])
    mean = np.mean(states, axis=0)
    spread = np.zeros((dim, dim))
    for x in states:
        spread += np.outer(x - mean, x - mean)
    direction = np.linalg.eigh(spread)[1][:, -1]
    return Axis(mean, direction * (1 if direction[np.argmax(np.abs(direction))] > 0 else -1))


def track_space(
    steps: Sequence[int], systems: Sequence[System], points: Sequence[SlowPoints], stories: Sequence[Story]
) -> SpaceTracks:
    """Branches through a run.

    Parameters
    ----------
    steps : sequence of int
        Of the checkpoints, increasing.
    systems : sequence of System
        Likewise; pairs of dissolved ghosts are followed through them.
    points : sequence of SlowPoints
        Likewise.
    stories : sequence of Story
        One less: what was followed between each checkpoint and the next.

    Returns
    -------
    SpaceTracks
    """
    tracker = _Tracker(list(steps), list(points), principal_axis(points, systems[0].dim))
    tracker.begin()
    for index, (story, pair) in enumerate(zip(stories, pairwise(systems), strict=True)):
        tracker.follow(index, story)
        tracker.follow_hidden(Line(*pair))
    return tracker.result()


@dataclass(slots=True)
class _Hidden:
    """The pair of a ghost that is not there: its branch, and z at the checkpoint reached."""

    branch: int
    z: Array


@dataclass(slots=True)
class _Passage:
    """Branches of the stays of one link, as far as they are known."""

    stays: dict[int, int] = field(default_factory=dict)
    ghosts: dict[int, int] = field(default_factory=dict)


class _Tracker:
    """The state of following: which branch each listed point is on, at the checkpoint reached."""

    def __init__(self, steps: list[int], points: list[SlowPoints], axis: Axis) -> None:
        self.steps, self.points, self.axis = steps, points, axis
        self.segments: list[Segment] = []
        self.open: dict[int, Segment] = {}
        self.crossings: list[SpaceCrossing] = []
        self.labels: list[Labels] = []
        self.hidden: list[_Hidden] = []
        self.waiting: list[_Hidden] = []
        self.next_id = 0

    def begin(self) -> None:
        self._arrive({}, {})

    def follow(self, index: int, story: Story) -> None:
        """One link, its happenings in their order."""
        passage = _Passage()
        for i, stay in enumerate(story.stays):
            if not isinstance(stay.low, int):
                passage.stays[i] = self._from_checkpoint(stay.low, Kind.FIXED_POINT, None)
        for i, ghost in enumerate(story.ghost_stays):
            if not isinstance(ghost.low, int):
                passage.ghosts[i] = self._from_checkpoint(ghost.low, Kind.GHOST, ghost.pair[0])
        for number, happening in enumerate(story.happenings):
            self._happen(index, number, happening, story, passage)
        self._lose(story)
        self._end(story, passage)

    def _from_checkpoint(self, low: Place | None, kind: Kind, z: Array | None) -> int:
        if low is not None:
            labels = self.labels[-1]
            return (labels.roots if kind is Kind.FIXED_POINT else labels.ghosts)[low.index]
        branch = self._returned(z)
        if branch is None or branch in self.open:
            branch = self._new()
        self._open(branch, kind, None)
        return branch

    def _returned(self, z: Array | None) -> int | None:
        """The branch whose dissolved ghost was on the pair `z`, at the checkpoint reached."""
        same = [one for one in self.hidden if z is not None and same_pair(one.z, z)]
        if not same:
            return None
        self.hidden.remove(same[-1])
        return same[-1].branch

    def _happen(self, index: int, number: int, happening: Happening, story: Story, passage: _Passage) -> None:
        event = len(self.crossings)
        ghost = happening.kind in (HappeningKind.GHOST_EMERGENCE, HappeningKind.GHOST_DISSOLUTION)
        if ghost:
            self._ghost_event(event, happening, story, passage)
        elif happening.kind in (HappeningKind.SADDLE_NODE, HappeningKind.CUSP):
            self._saddle_node(event, number, happening, story, passage)
        elif happening.kind is HappeningKind.PITCHFORK and happening.creates is not None:
            self._split(event, number, happening, story, passage)
        names = passage.ghosts if ghost else passage.stays
        branches = tuple(names[i] for i in happening.lives)
        self.crossings.append(
            SpaceCrossing(
                happening.kind,
                index,
                *happening.bracket,
                happening.s,
                self.axis.of(happening.x),
                happening.x,
                branches,
                happening.creates,
                happening.resolved,
                happening.evidence,
            )
        )

    def _ghost_event(self, event: int, happening: Happening, story: Story, passage: _Passage) -> None:
        (i,) = happening.lives
        if happening.kind is HappeningKind.GHOST_DISSOLUTION:
            self._close(passage.ghosts[i], (event, Relation.DEATH))
            return
        branch = self._returned(story.ghost_stays[i].pair[0])
        if branch is None or branch in self.open:
            branch = self._new()
            self._open(branch, Kind.GHOST, (event, Relation.BIRTH))
        else:
            last = next(segment for segment in reversed(self.segments) if segment.branch == branch)
            # What ends the one and begins the other is no death and no birth: the pair went on in between.
            last.died = None if last.died is None else (last.died[0], Relation.CONTINUATION)
            self._open(branch, Kind.GHOST, (event, Relation.CONTINUATION))
        passage.ghosts[i] = branch

    def _saddle_node(self, event: int, number: int, happening: Happening, story: Story, passage: _Passage) -> None:
        unstable, stable = happening.lives
        left = next((i for i, g in enumerate(story.ghost_stays) if number in (g.low, g.high)), None)
        if not happening.creates:
            self._close(passage.stays[stable], (event, Relation.DEATH))
            kept = passage.stays[unstable]
            self._close(kept, (event, Relation.DEATH if left is None else Relation.BECOMES_GHOST))
            if left is not None:
                self._open(kept, Kind.GHOST, (event, Relation.BECOMES_GHOST))
                passage.ghosts[left] = kept
            return
        relation = Relation.BIRTH
        branch = self._new() if left is None else passage.ghosts[left]
        if left is not None:
            relation = Relation.CONTINUATION
            self._close(branch, (event, relation))
        self._open(branch, Kind.FIXED_POINT, (event, relation))
        passage.stays[unstable], passage.stays[stable] = branch, self._born(event)

    def _split(self, event: int, number: int, happening: Happening, story: Story, passage: _Passage) -> None:
        """Two fixed points are born beside, or die at, the one that goes on."""
        for i in happening.lives[1:]:
            if happening.creates:
                passage.stays[i] = self._born(event)
            else:
                self._close(passage.stays[i], (event, Relation.DEATH))

    def _born(self, event: int) -> int:
        branch = self._new()
        self._open(branch, Kind.FIXED_POINT, (event, Relation.BIRTH))
        return branch

    def _lose(self, story: Story) -> None:
        """Close the branches of what could not be followed from the checkpoint before."""
        here, labels = self.steps[len(self.labels) - 1], self.labels[-1]
        ends = [(labels.roots, story.lost), (labels.ghosts, story.lost_ghosts)]
        for names, lost in ends:
            for place, because in lost:
                if place.side == 0 and names[place.index] in self.open:
                    self.open.pop(names[place.index]).lost = self._told(because, here)

    def _told(self, because: str, before: int) -> str:
        after = self.steps[len(self.labels)]
        return f"between {before} and {after}: {because}; save more often there"

    def _end(self, story: Story, passage: _Passage) -> None:
        """Enter the next checkpoint."""
        roots = self._arrived([stay.high for stay in story.stays], passage.stays)
        ghosts = self._arrived([stay.high for stay in story.ghost_stays], passage.ghosts)
        self.waiting = [
            _Hidden(passage.ghosts[i], stay.pair[1])
            for i, stay in enumerate(story.ghost_stays)
            if stay.pair[1] is not None and not isinstance(stay.high, Place) and passage.ghosts[i] not in self.open
        ]
        self._arrive(roots, ghosts)

    def _arrived(self, ends: Sequence[Place | int | None], names: dict[int, int]) -> dict[int, int]:
        """Index at the checkpoint after the link → branch; what is not listed there is closed."""
        after = self.steps[len(self.labels)]
        for i, end in enumerate(ends):
            if end is None and names[i] in self.open:
                self.open.pop(names[i]).lost = f"{NOT_LISTED} at {after}"
        return {end.index: names[i] for i, end in enumerate(ends) if isinstance(end, Place)}

    def _arrive(self, roots: dict[int, int], ghosts: dict[int, int]) -> None:
        """Label the points of a checkpoint; those that nothing reached begin a branch."""
        step, now = self.steps[len(self.labels)], self.points[len(self.labels)]
        found = self._label(step, Kind.FIXED_POINT, [point.x for point in now.fixed_points], roots)
        self.labels.append(Labels(found, self._label(step, Kind.GHOST, [ghost.x for ghost in now.ghosts], ghosts)))

    def _label(self, step: int, kind: Kind, states: list[Array], names: dict[int, int]) -> tuple[int, ...]:
        for i, x in enumerate(states):
            if i not in names:
                names[i] = self._new()
                self._open(names[i], kind, None)
            self.open[names[i]].steps.append(step)
            self.open[names[i]].x.append(self.axis.of(x))
        return tuple(names[i] for i in range(len(states)))

    def follow_hidden(self, line: Line) -> None:
        """Pairs whose ghosts dissolved earlier, across a link, until they are faint or lost; then the new ones."""
        kept = []
        for one in self.hidden:
            z, reached = follow_pair(line, one.z, 0.0, 1.0)
            if reached == 1.0 and not _faint(line.second, z):
                kept.append(_Hidden(one.branch, z))
        self.hidden = kept + [one for one in self.waiting if not _faint(line.second, one.z)]

    def result(self) -> SpaceTracks:
        branches = tuple(Branch(b, tuple(s for s in self.segments if s.branch == b)) for b in range(self.next_id))
        return SpaceTracks(tuple(self.steps), branches, tuple(self.crossings), tuple(self.labels), self.axis)

    def _new(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _open(self, branch: int, kind: Kind, born: tuple[int, Relation] | None) -> None:
        self.open[branch] = Segment(branch, kind, born=born)
        self.segments.append(self.open[branch])

    def _close(self, branch: int, died: tuple[int, Relation]) -> None:
        self.open.pop(branch).died = died


def _faint(system: System, z: Array) -> bool:
    values = np.linalg.eigvals(system.jacobian(z))
    slowest = complex(values[np.argmin(np.abs(values))])
    return slowest == 0 or passage_time(slowest, system.time, system.leak) < _FAINT
