"""Slow points → branches, each followed along the straight lines between checkpoints.

In one dimension identity is proved: wherever the structure stays, points keep their order (`homotopy`), and where it
changes, the signs on the two sides say who is born and who dies (`turns`). A saddle-node that annihilates two fixed
points leaves a ghost on the branch of the unstable one, and gives it back to the unstable one when the pair is created
again; so a pair, its saddle-node and its ghost are one story.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.systems.base import Array
from dynaghost.trajectories.homotopy import Change, Link, LinkStatus, Side
from dynaghost.trajectories.turns import Fold, Pair, Turn, read


class Relation(StrEnum):
    """What an event does to a segment of a branch.

    A ghost that dissolves and comes back on the pair that was followed (`returns`) does not die and is not born again:
    both events are `continuation`.
    """

    BIRTH = "birth"
    DEATH = "death"
    CONTINUATION = "continuation"
    BECOMES_GHOST = "becomes-ghost"


@dataclass(slots=True)
class Segment:
    """A stretch of a branch of one kind.

    Attributes
    ----------
    branch : int
    kind : Kind
    steps : list of int
        Checkpoints at which it is seen; none if it lives between two checkpoints only.
    x : list of float
        Where it is at each.
    born, died : tuple of (int, Relation) or None
        The crossing that begins and ends it, by index, and how; None at the ends of the run or where it was lost.
    lost : str
        Why it could not be followed further; empty where it could.
    """

    branch: int
    kind: Kind
    steps: list[int] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    born: tuple[int, Relation] | None = None
    died: tuple[int, Relation] | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A slow point followed through training.

    Attributes
    ----------
    id : int
    segments : tuple of Segment
        In order of training.
    """

    id: int
    segments: tuple[Segment, ...]

    def at(self, step: int) -> tuple[Kind, float] | None:
        """Kind and place at a checkpoint; None where the branch has no slow point there."""
        for segment in self.segments:
            if step in segment.steps:
                return segment.kind, segment.x[segment.steps.index(step)]
        return None

    @property
    def ghost_steps(self) -> list[int]:
        """Checkpoints at which it is a ghost."""
        return [step for segment in self.segments if segment.kind is Kind.GHOST for step in segment.steps]


class CrossingKind(StrEnum):
    """What a change of structure is; the events of the same names come from these."""

    SADDLE_NODE = "saddle_node"
    GHOST_EMERGENCE = "ghost_emergence"
    GHOST_DISSOLUTION = "ghost_dissolution"
    PITCHFORK = "pitchfork"
    CUSP = "cusp"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A birth or death of slow points on the line between two checkpoints.

    Attributes
    ----------
    kind : CrossingKind
    link : int
        Index of the checkpoint before it.
    before, after : float
        Bracket on the line, 0 to 1.
    x : float
        Where it happens in state space.
    branches : tuple of int
    creates : bool
        Points are born (else they die).
    unproved : tuple of (float, float)
        The stretch around the bracket, touching it, on which nothing is proved.
    """

    kind: CrossingKind
    link: int
    before: float
    after: float
    x: float
    branches: tuple[int, ...]
    creates: bool
    unproved: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Labels:
    """Branch of every point at one place: `roots` and `ghosts` in increasing order of x."""

    roots: tuple[int, ...]
    ghosts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the line after checkpoint `link` on which the structure stays, with the branches of its roots.

    `start` and `end` are the structures at its ends.
    """

    link: int
    before: float
    after: float
    start: Side
    end: Side
    roots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tracks:
    """Everything that was followed through a run.

    Attributes
    ----------
    steps : tuple of int
        Of the checkpoints.
    branches : tuple of Branch
    crossings : tuple of Crossing
        In order of training.
    labels : tuple of Labels
        One a checkpoint.
    stretches : tuple of Stretch
    """

    steps: tuple[int, ...]
    branches: tuple[Branch, ...]
    crossings: tuple[Crossing, ...]
    labels: tuple[Labels, ...]
    stretches: tuple[Stretch, ...]


def track(steps: Sequence[int], points: Sequence[SlowPoints], links: Sequence[Link], odd: Sequence[bool]) -> Tracks:
    """Branches through a run of one-dimensional systems.

    Parameters
    ----------
    steps : sequence of int
        Of the checkpoints, increasing.
    points : sequence of SlowPoints
        One a checkpoint.
    links : sequence of Link
        One less.
    odd : sequence of bool
        Whether f is exactly odd all along each link: only then is a split of one root into three a pitchfork.

    Returns
    -------
    Tracks
    """
    tracker = _Tracker(list(steps), list(points), list(links))
    tracker.begin()
    for index, link in enumerate(links):
        tracker.follow(index, link, odd[index])
    return tracker.result()


class _Tracker:
    """The state of following: which branch each point is on, at the place reached."""

    def __init__(self, steps: list[int], points: list[SlowPoints], links: list[Link]) -> None:
        self.steps, self.points, self.links = steps, points, links
        self.segments: list[Segment] = []
        self.open: dict[int, Segment] = {}
        self.crossings: list[Crossing] = []
        self.stretches: list[Stretch] = []
        self.labels: list[Labels] = []
        self.roots: list[int] = []
        self.criticals: dict[int, int] = {}
        self.ghosts: list[int] = []
        self.next_id = 0

    def begin(self) -> None:
        """New branches for every point of the checkpoint reached, or beside it where it is undecided itself."""
        e = len(self.labels)
        beside = self._beyond(e)
        roots = len(self.points[e].fixed_points) if beside is None else len(beside.roots)
        ghosts = len(self.points[e].ghosts) if beside is None else len(beside.ghosts)
        self.roots = [self._new(Kind.FIXED_POINT, None) for _ in range(roots)]
        self.ghosts = [self._new(Kind.GHOST, None) for _ in range(ghosts)]
        if beside is None:
            self._arrive()
        else:
            self._arrive_undecided(self._named(beside))

    def _beyond(self, e: int) -> Side | None:
        """The structure just after checkpoint `e`, if that is where its line begins."""
        if e == len(self.links) or self.links[e].span[0] == 0:
            return None
        return self.links[e].start

    def _named(self, side: Side) -> list[tuple[Kind, float, int]]:
        """Kind, place and branch of every point of the structure reached."""
        roots = [(Kind.FIXED_POINT, float(x), branch) for x, branch in zip(side.roots[:, 0], self.roots, strict=True)]
        places = [float(side.criticals[k, 0]) for k in side.ghosts]
        return roots + [(Kind.GHOST, x, branch) for x, branch in zip(places, self.ghosts, strict=True)]

    def follow(self, index: int, link: Link, odd: bool) -> None:
        if link.start is None or link.end is None or link.status is not LinkStatus.FOLLOWED:
            self._lose(link.status)
            self.begin()
            return
        self.criticals = dict(zip(link.start.ghosts, self.ghosts, strict=True))
        here, side = link.span[0], link.start
        for change in link.changes:
            self.stretches.append(Stretch(index, here, change.before, side, change.left, tuple(self.roots)))
            self._turn(index, change, read(change), _around(link, change), odd)
            here, side = change.after, change.right
        self.stretches.append(Stretch(index, here, link.span[1], side, link.end, tuple(self.roots)))
        self.ghosts = [self.criticals[k] for k in link.end.ghosts]
        if link.span[1] == 1:
            self._arrive()
        else:
            self._pass(index, link.span[1], link.end, odd)

    def _pass(self, index: int, here: float, side: Side, odd: bool) -> None:
        """Through a checkpoint that is undecided itself: what changes between the places on its two sides is there."""
        points = self._named(side)
        beyond = self._beyond(index + 1)
        if beyond is not None:
            change = Change(here, 1.0, side, beyond)
            self._turn(index, change, read(change), (here, 1.0), odd)
            self.ghosts = [self.criticals[k] for k in beyond.ghosts]
            points += self._named(beyond)
        self._arrive_undecided(points)

    def _arrive_undecided(self, beside: list[tuple[Kind, float, int]]) -> None:
        """Each point of a checkpoint that is undecided itself is on the branch that is next to it just beside it."""
        step, now = self.steps[len(self.labels)], self.points[len(self.labels)]
        named: dict[Kind, list[int]] = {Kind.FIXED_POINT: [], Kind.GHOST: []}
        for point in now.points:
            x, taken = float(point.x[0]), named[point.kind]
            near = [(abs(place - x), -i, b) for i, (kind, place, b) in enumerate(beside) if kind is point.kind]
            branch = min((one for one in near if one[2] not in taken), default=None)
            name = self._new(point.kind, None) if branch is None else branch[2]
            taken.append(name)
            segment = next(s for s in reversed(self.segments) if (s.branch, s.kind) == (name, point.kind))
            segment.steps.append(step)
            segment.x.append(x)
            if branch is None:
                self.open.pop(name).lost = f"seen only at {step}, where the structure is undecided"
        self.labels.append(Labels(tuple(named[Kind.FIXED_POINT]), tuple(named[Kind.GHOST])))

    def result(self) -> Tracks:
        branches = [Branch(b, tuple(s for s in self.segments if s.branch == b)) for b in range(self.next_id)]
        return Tracks(
            tuple(self.steps), tuple(branches), tuple(self.crossings), tuple(self.labels), tuple(self.stretches)
        )

    def _arrive(self) -> None:
        step, now = self.steps[len(self.labels)], self.points[len(self.labels)]
        self.labels.append(Labels(tuple(self.roots), tuple(self.ghosts)))
        for branch, point in zip(self.roots + self.ghosts, now.points, strict=True):
            self.open[branch].steps.append(step)
            self.open[branch].x.append(float(point.x[0]))

    def _new(self, kind: Kind, born: tuple[int, Relation] | None) -> int:
        self.next_id += 1
        self._open(self.next_id - 1, kind, born)
        return self.next_id - 1

    def _open(self, branch: int, kind: Kind, born: tuple[int, Relation] | None) -> None:
        self.open[branch] = Segment(branch, kind, born=born)
        self.segments.append(self.open[branch])

    def _close(self, branch: int, died: tuple[int, Relation]) -> None:
        self.open.pop(branch).died = died

    def _lose(self, status: LinkStatus) -> None:
        step = self.steps[len(self.labels) - 1]
        for branch in list(self.open):
            self.open.pop(branch).lost = f"{status} after {step}"

    def _turn(self, index: int, change: Change, turn: Turn, around: tuple[float, float], odd: bool) -> None:
        roots: list[int | None] = [None] * len(change.right.roots)
        for i, j in turn.roots:
            roots[j] = self.roots[i]
        criticals = {k: self.criticals[j] for j, k in turn.criticals if j in self.criticals}
        for fold in turn.folds:
            self._fold(index, change, fold, around, roots, criticals)
        for pair in turn.pairs:
            self._pair(index, change, pair, around, roots, criticals, odd)
        missing = [j for j, branch in enumerate(roots) if branch is None]
        assert not missing, f"a root was born without a crossing at {change.before} after checkpoint {index}"
        self.roots = [branch for branch in roots if branch is not None]
        self.criticals = {k: branch for k, branch in criticals.items() if k in change.right.ghosts}

    def _fold(
        self,
        index: int,
        change: Change,
        fold: Fold,
        around: tuple[float, float],
        roots: list[int | None],
        criticals: dict[int, int],
    ) -> None:
        number = len(self.crossings)
        first, second = fold.roots
        x = float(change.right.criticals[fold.right, 0])
        if fold.creates:
            ghost = criticals.pop(fold.right)
            unstable, stable = (first, second) if change.right.roots[first, 1] > 0 else (second, first)
            self._close(ghost, (number, Relation.CONTINUATION))
            self._open(ghost, Kind.FIXED_POINT, (number, Relation.CONTINUATION))
            roots[unstable] = ghost
            born = self._new(Kind.FIXED_POINT, (number, Relation.BIRTH))
            roots[stable] = born
            involved = (ghost, born)
        else:
            unstable, stable = (first, second) if change.left.roots[first, 1] > 0 else (second, first)
            kept, lost = self.roots[unstable], self.roots[stable]
            self._close(lost, (number, Relation.DEATH))
            self._close(kept, (number, Relation.BECOMES_GHOST))
            self._open(kept, Kind.GHOST, (number, Relation.BECOMES_GHOST))
            criticals[fold.right] = kept
            involved = (kept, lost)
        self._add(CrossingKind.SADDLE_NODE, index, change, x, involved, fold.creates, around)

    def _pair(
        self,
        index: int,
        change: Change,
        pair: Pair,
        around: tuple[float, float],
        roots: list[int | None],
        criticals: dict[int, int],
        odd: bool,
    ) -> None:
        number = len(self.crossings)
        side = change.right if pair.appears else change.left
        x = float(np.mean(side.criticals[pair.first : pair.first + 2, 0]))
        if pair.splits:
            involved = self._split(number, change, pair, roots)
            kind = CrossingKind.PITCHFORK if odd else CrossingKind.CUSP
            self._add(kind, index, change, x, involved, pair.appears, around)
            return
        (ghost,) = [k for k in (pair.first, pair.first + 1) if k in side.ghosts]
        if pair.appears:
            branch = criticals[ghost] = self._new(Kind.GHOST, (number, Relation.BIRTH))
            self._add(CrossingKind.GHOST_EMERGENCE, index, change, x, (branch,), True, around)
        else:
            branch = self.criticals[ghost]
            self._close(branch, (number, Relation.DEATH))
            self._add(CrossingKind.GHOST_DISSOLUTION, index, change, x, (branch,), False, around)

    def _split(self, number: int, change: Change, pair: Pair, roots: list[int | None]) -> tuple[int, ...]:
        """One root becomes three, or three one; the branch that stays is known, the other two begin or end here."""
        if pair.appears:
            middle = int(np.sum(change.right.roots[:, 0] < change.right.criticals[pair.first + 1, 0])) - 1
            trio = [middle - 1, middle, middle + 1]
            kept = [branch for j in trio if (branch := roots[j]) is not None]
            for j in trio:
                if roots[j] is None:
                    roots[j] = self._new(Kind.FIXED_POINT, (number, Relation.BIRTH))
            return (*kept, *(branch for j in trio if (branch := roots[j]) is not None and branch not in kept))
        middle = int(np.sum(change.left.roots[:, 0] < change.left.criticals[pair.first + 1, 0])) - 1
        trio_ids = [self.roots[i] for i in (middle - 1, middle, middle + 1)]
        ending = [branch for branch in trio_ids if branch not in roots]
        for branch in ending:
            self._close(branch, (number, Relation.DEATH))
        return (*(branch for branch in trio_ids if branch not in ending), *ending)

    def _add(
        self,
        kind: CrossingKind,
        index: int,
        change: Change,
        x: float,
        branches: tuple[int, ...],
        creates: bool,
        around: tuple[float, float],
    ) -> None:
        self.crossings.append(Crossing(kind, index, change.before, change.after, x, branches, creates, around))


def _around(link: Link, change: Change) -> tuple[float, float]:
    """The unproved stretch that touches a change's bracket, the bracket included."""
    low, high = change.before, change.after
    for a, b in link.unproved:
        if b == change.before:
            low = a
        if a == change.after:
            high = b
    return low, high


def positions(branch: Branch, kind: Kind) -> tuple[Array, Array]:
    """Steps and places at which a branch is of one kind.

    Returns
    -------
    steps : ndarray of int
    x : ndarray of float
    """
    pairs = [(t, x) for s in branch.segments if s.kind is kind for t, x in zip(s.steps, s.x, strict=True)]
    return np.array([t for t, _ in pairs], dtype=int), np.array([x for _, x in pairs])
