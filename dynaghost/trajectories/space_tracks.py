"""Stories of links → branches through a run of any dimension; pure bookkeeping, nothing is searched here.

A saddle-node that annihilates two fixed points leaves a ghost on the branch of the one with more unstable directions,
and gives it back when the pair is created again. A ghost that dissolves leaves its complex pair, which is followed on:
a ghost that emerges on that pair is the same branch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dynaghost.packed import Packer
from dynaghost.slowpoints.complexified import eigenvalue_along, passage_time
from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.branches import Branch, Labels, Relation, Segment
from dynaghost.trajectories.happenings import Happening, HappeningKind
from dynaghost.trajectories.pair_curves import follow_pair, same_pair
from dynaghost.trajectories.space_link import TOO_FAR, Place
from dynaghost.trajectories.space_records import Axis, SpaceCrossing, SpaceTracks, principal_axis
from dynaghost.trajectories.space_run import Followed
from dynaghost.trajectories.stops import ASIDE, Station
from dynaghost.trajectories.story import Story
from dynaghost.trajectories.straight import Line

_FAINT = 0.01  # passage time (τ) below which a pair is too far from the axis to be followed further
NOT_LISTED = "not listed"
# Between the stations on both sides of a checkpoint that is right at a bifurcation, these are at the checkpoint.
_FOLDS = (HappeningKind.SADDLE_NODE, HappeningKind.CUSP, HappeningKind.BORDER_COLLISION)
_ZEROS = (HappeningKind.SADDLE_NODE, HappeningKind.PITCHFORK, HappeningKind.TRANSCRITICAL, HappeningKind.CUSP)


def track_space(steps: Sequence[int], followed: Followed) -> SpaceTracks:
    """Branches through a run.

    Parameters
    ----------
    steps : sequence of int
        Of the checkpoints, increasing.
    followed : Followed
        What was followed between each checkpoint and the next.

    Returns
    -------
    SpaceTracks
    """
    tracker = _Tracker(list(steps), followed.points, principal_axis(followed.points, followed.systems[0].dim))
    tracker.begin(followed.stations[0])
    for pair, story in zip(pairwise(followed.stations), followed.stories, strict=True):
        tracker.follow(pair, story)
        if tracker.hidden or tracker.waiting:
            tracker.follow_hidden(Line(*map(followed.system, pair)))
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
    """The state of following: `here` are the branches of the points of the station reached."""

    def __init__(self, steps: list[int], points: Sequence[SlowPoints], axis: Axis) -> None:
        self.steps, self.points, self.axis = steps, points, axis
        self.segments: list[Segment] = []
        self.open: dict[int, Segment] = {}
        self.crossings: list[SpaceCrossing] = []
        self.labels: Packer[Labels] = Packer(Labels)
        self.here = Labels((), ())
        self.span = (0, 0.0, 1.0)
        self.hidden: list[_Hidden] = []
        self.waiting: list[_Hidden] = []
        self.next_id = 0

    def begin(self, first: Station) -> None:
        self._arrive(first, {}, {})
        if first.side:
            self._name_critical(first.checkpoint, [first])

    def follow(self, pair: tuple[Station, Station], story: Story) -> None:
        """From one station to the next, the happenings in their order."""
        first, second = pair
        self.span = _span(first, second)
        passage = _Passage()
        for i, stay in enumerate(story.stays):
            if not isinstance(stay.low, int):
                passage.stays[i] = self._from_checkpoint(stay.low, Kind.FIXED_POINT, None)
        for i, ghost in enumerate(story.ghost_stays):
            if not isinstance(ghost.low, int):
                passage.ghosts[i] = self._from_checkpoint(ghost.low, Kind.GHOST, ghost.pair[0])
        for number, happening in enumerate(story.happenings):
            self._happen(number, happening, story, passage)
        self._lose(pair, story)
        before = self.here
        self._end(second, story, passage)
        if first.side == -1:
            self._name_critical(first.checkpoint, [first, second], before)
        elif second.side == -1 and second.checkpoint == len(self.steps) - 1:
            self._name_critical(second.checkpoint, [second])

    def _from_checkpoint(self, low: Place | None, kind: Kind, z: Array | None) -> int:
        if low is not None:
            labels = self.here
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

    def _happen(self, number: int, happening: Happening, story: Story, passage: _Passage) -> None:
        event = len(self.crossings)
        ghost = happening.kind in (HappeningKind.GHOST_EMERGENCE, HappeningKind.GHOST_DISSOLUTION)
        if ghost:
            self._ghost_event(event, happening, story, passage)
        elif happening.kind in _FOLDS and happening.creates is not None:
            self._saddle_node(event, number, happening, story, passage)
        elif happening.kind is HappeningKind.PITCHFORK and happening.creates is not None:
            self._split(event, number, happening, story, passage)
        names = passage.ghosts if ghost else passage.stays
        branches = tuple(names[i] for i in happening.lives)
        link, low, high = self.span
        before, after, at = (min(low + s * (high - low), 1.0) for s in (*happening.bracket, happening.s))
        if high > 1 and happening.kind in _ZEROS:
            before, after, at = low, 1.0, 1.0
        self.crossings.append(
            SpaceCrossing(
                happening.kind,
                link,
                before,
                after,
                at,
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

    def _lose(self, pair: tuple[Station, Station], story: Story) -> None:
        """Close the branches of what could not be followed from the station before."""
        steps = [self.steps[stop.checkpoint] for stop in pair]
        ends = [(self.here.roots, story.lost), (self.here.ghosts, story.lost_ghosts)]
        for names, lost in ends:
            for place, because in lost:
                if place.side == 0 and names[place.index] in self.open:
                    told = f"between {steps[0]} and {steps[1]}: {because}"
                    told += "; save more often there" if because.startswith(TOO_FAR) else ""
                    self.open.pop(names[place.index]).lost = told

    def _end(self, second: Station, story: Story, passage: _Passage) -> None:
        """Enter the next station."""
        after = self.steps[second.checkpoint]
        roots = self._arrived(after, [stay.high for stay in story.stays], passage.stays)
        ghosts = self._arrived(after, [stay.high for stay in story.ghost_stays], passage.ghosts)
        self.waiting = [
            _Hidden(passage.ghosts[i], stay.pair[1])
            for i, stay in enumerate(story.ghost_stays)
            if stay.pair[1] is not None and not isinstance(stay.high, Place) and passage.ghosts[i] not in self.open
        ]
        self._arrive(second, roots, ghosts)

    def _arrived(self, after: int, ends: Sequence[Place | int | None], names: dict[int, int]) -> dict[int, int]:
        """Index at the station after the link → branch; what is not listed there is closed."""
        for i, end in enumerate(ends):
            if end is None and names[i] in self.open:
                self.open.pop(names[i]).lost = f"{NOT_LISTED} at {after}"
        return {end.index: names[i] for i, end in enumerate(ends) if isinstance(end, Place)}

    def _arrive(self, stop: Station, roots: dict[int, int], ghosts: dict[int, int]) -> None:
        """Label the points of a station; those that nothing reached begin a branch."""
        listed = stop.points
        found = self._label(stop, Kind.FIXED_POINT, [point.x for point in listed.fixed_points], roots)
        self.here = Labels(found, self._label(stop, Kind.GHOST, [one.x for one in listed.ghosts], ghosts))
        if not stop.side:
            self.labels.append(self.here)

    def _label(self, stop: Station, kind: Kind, states: list[Array], names: dict[int, int]) -> tuple[int, ...]:
        for i, x in enumerate(states):
            if i not in names:
                names[i] = self._new()
                self._open(names[i], kind, None)
            if not stop.side:
                self.open[names[i]].steps.append(self.steps[stop.checkpoint])
                self.open[names[i]].x.append(self.axis.of(x))
        return tuple(names[i] for i in range(len(states)))

    def _name_critical(self, e: int, beside: list[Station], before: Labels | None = None) -> None:
        """Each point of a checkpoint that is right at a bifurcation is on the branch that is nearest just beside it."""
        labels = [self.here] if before is None else [before, self.here]
        taken: set[int] = set()
        named: dict[Kind, list[int]] = {Kind.FIXED_POINT: [], Kind.GHOST: []}
        near = [
            (point.kind, point.x, branch)
            for stop, label in zip(beside, labels, strict=True)
            for point, branch in zip(stop.points.points, label.roots + label.ghosts, strict=True)
        ]
        for point in self.points[e].points:
            found = [(float(np.linalg.norm(x - point.x)), b) for k, x, b in near if k is point.kind and b not in taken]
            branch = min(found)[1] if found else self._new()
            if not found:
                self._open(branch, point.kind, None)
                self.open.pop(branch).lost = f"seen only at {self.steps[e]}, which is right at a bifurcation"
            taken.add(branch)
            named[point.kind].append(branch)
            segment = next(s for s in reversed(self.segments) if (s.branch, s.kind) == (branch, point.kind))
            segment.steps.append(self.steps[e])
            segment.x.append(self.axis.of(point.x))
        self.labels.append(Labels(tuple(named[Kind.FIXED_POINT]), tuple(named[Kind.GHOST])))

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
        return SpaceTracks(tuple(self.steps), branches, tuple(self.crossings), self.labels.packed(), self.axis)

    def _new(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _open(self, branch: int, kind: Kind, born: tuple[int, Relation] | None) -> None:
        self.open[branch] = Segment(branch, kind, born=born)
        self.segments.append(self.open[branch])

    def _close(self, branch: int, died: tuple[int, Relation]) -> None:
        self.open.pop(branch).died = died


def _span(first: Station, second: Station) -> tuple[int, float, float]:
    """The link between two checkpoints that two stations are on, and where on it they are."""
    if first.checkpoint == second.checkpoint:
        return first.checkpoint - 1, 1 - ASIDE, 1 + ASIDE
    return first.checkpoint, ASIDE * first.side, 1 + ASIDE * second.side


def _faint(system: System, z: Array) -> bool:
    slowest = eigenvalue_along(system.jacobian(z), z.imag)
    return slowest == 0 or passage_time(slowest, system.time, system.leak) < _FAINT
