"""Slow points → branches, each followed along the straight lines between checkpoints.

In one dimension identity is proved: wherever the structure stays, points keep their order (`homotopy`), and where it
changes, the signs on the two sides say who is born and who dies (`turns`). At a checkpoint that float64 leaves
undecided, what it lists and the structures on its two sides say it (`junctions`). A saddle-node that annihilates two
fixed points leaves a ghost on the branch of the unstable one, and gives it back to the unstable one when the pair is
created again; so a pair, its saddle-node and its ghost are one story.
"""

from collections.abc import Sequence

import numpy as np

from dynaghost.packed import Packer
from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.trajectories.branches import Branch, Crossing, CrossingKind, Labels, Relation, Segment, Stretch, Tracks
from dynaghost.trajectories.homotopy import Change, Link, LinkStatus, Side
from dynaghost.trajectories.junctions import Part, Row, of_points, of_side, parts
from dynaghost.trajectories.turns import Fold, Pair, Turn, read, readable

Way = tuple[int, float, float]
"""A part of the line after a checkpoint: its index, and where the part begins and ends."""


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
    tracker = _Tracker(steps, points, links, odd)
    tracker.begin()
    for index, link in enumerate(links):
        tracker.follow(index, link)
    return tracker.result()


class _Tracker:
    """The state of following: which branch each point is on, at the place reached."""

    def __init__(
        self, steps: Sequence[int], points: Sequence[SlowPoints], links: Sequence[Link], odd: Sequence[bool]
    ) -> None:
        self.steps, self.points, self.links, self.odd = steps, points, links, odd
        self.segments: list[Segment] = []
        self.open: dict[int, Segment] = {}
        self.crossings: list[Crossing] = []
        self.stretches = Packer[Stretch](Stretch)
        self.labels: list[Labels] = []
        self.roots: list[int] = []
        self.criticals: dict[int, int] = {}
        self.ghosts: list[int] = []
        self.next_id = 0

    def begin(self) -> None:
        """New branches for every point of the checkpoint reached."""
        now = self.points[len(self.labels)]
        self.roots = [self._new(Kind.FIXED_POINT, None) for _ in now.fixed_points]
        self.ghosts = [self._new(Kind.GHOST, None) for _ in now.ghosts]
        self._arrive(self.roots, self.ghosts)
        self._depart()

    def _beyond(self, e: int) -> Side | None:
        """The structure just after checkpoint `e`, if that is where its line begins."""
        if e == len(self.links) or self.links[e].span[0] == 0 or self.links[e].status is not LinkStatus.FOLLOWED:
            return None
        return self.links[e].start

    def _depart(self) -> None:
        """From a checkpoint that is undecided itself to where its line begins."""
        e = len(self.labels) - 1
        beyond = self._beyond(e)
        if beyond is not None:
            self._walk((e, 0.0, self.links[e].span[0]), of_points(self.points[e]), of_side(beyond))

    def follow(self, index: int, link: Link) -> None:
        if link.start is None or link.end is None or link.status is not LinkStatus.FOLLOWED:
            self._lose(link.status)
            self.begin()
            return
        self.criticals = dict(zip(link.start.ghosts, self.ghosts, strict=True))
        here, side = link.span[0], link.start
        for change in link.changes:
            self.stretches.append(Stretch(index, here, change.before, side, change.left, tuple(self.roots)))
            if readable(change):
                self._turn(index, change, read(change), _around(link, change))
            else:
                self._leap(index, change)
            here, side = change.after, change.right
        self.stretches.append(Stretch(index, here, link.span[1], side, link.end, tuple(self.roots)))
        self.ghosts = [self.criticals[k] for k in link.end.ghosts]
        if link.span[1] == 1:
            self._arrive(self.roots, self.ghosts)
        else:
            self._pass(index, link.end)

    def _pass(self, index: int, side: Side) -> None:
        """Through checkpoint `index` + 1, which is undecided itself, from the structure just before it.

        A change from there to the structure just after it is one event, on the side on which the checkpoint does not
        have the same counts. Where the checkpoint has other counts than both, something happens on both sides.
        """
        e, here = index + 1, self.links[index].span[1]
        now, beyond = of_points(self.points[e]), self._beyond(e)
        change = None if beyond is None else Change(here, 1.0, side, beyond)
        if beyond is None or change is None or not _between(now, side, beyond) or not readable(change):
            self._walk((index, here, 1.0), of_side(side), now)
            self._arrive(self.roots, self.ghosts)
            self._depart()
        elif _like_first(now.counts, of_side(side).counts, of_side(beyond).counts):
            self._recognize(of_side(side), now)
            self._change(e, Change(0.0, self.links[e].span[0], side, beyond))
        else:
            self._change(index, change)
            self._recognize(of_side(beyond), now)

    def _change(self, index: int, change: Change) -> None:
        self._turn(index, change, read(change), (change.before, change.after))
        self.ghosts = [self.criticals[k] for k in change.right.ghosts]

    def _leap(self, index: int, change: Change) -> None:
        """Over a bracket in which signs do not tell who is who: by the nearest of either side."""
        self.ghosts = [self.criticals[k] for k in change.left.ghosts]
        self._walk((index, change.before, change.after), of_side(change.left), of_side(change.right))
        self.criticals = dict(zip(change.right.ghosts, self.ghosts, strict=True))

    def _recognize(self, beside: Row, now: Row) -> None:
        """The points of the checkpoint reached are on the branches of those beside it, at the place reached."""
        roots, ghosts = dict[int, int](), dict[int, int]()
        for part in parts(beside, now):
            roots |= {j: self.roots[i] for i, j in part.same}
            ghosts |= {j: self.ghosts[i] for i, j in part.ghosts}
        strangers = [self._stranger(roots, j, Kind.FIXED_POINT) for j in range(len(now.roots)) if j not in roots]
        strangers += [self._stranger(ghosts, j, Kind.GHOST) for j in range(len(now.ghosts)) if j not in ghosts]
        self._arrive([roots[j] for j in range(len(roots))], [ghosts[j] for j in range(len(ghosts))])
        for branch in strangers:
            self._drop(branch, f"seen only at {self.steps[len(self.labels) - 1]}, where the structure is undecided")

    def _stranger(self, named: dict[int, int], j: int, kind: Kind) -> int:
        named[j] = self._new(kind, None)
        return named[j]

    def _walk(self, way: Way, first: Row, second: Row) -> None:
        """From one place to the next, of which one is a checkpoint that is undecided itself."""
        roots, ghosts = dict[int, int](), dict[int, int]()
        for part in parts(first, second):
            roots |= {j: self.roots[i] for i, j in part.same}
            ghosts |= {j: self.ghosts[i] for i, j in part.ghosts}
            if part.changes:
                self._meet(way, part, roots, ghosts)
            self._let_go(way, part, first, second, ghosts)
        self.roots = [roots[j] for j in range(len(second.roots))]
        self.ghosts = [ghosts[j] for j in range(len(second.ghosts))]

    def _meet(self, way: Way, part: Part, roots: dict[int, int], ghosts: dict[int, int]) -> None:
        """Roots that are born or die between a checkpoint and the place beside it."""
        number = len(self.crossings)
        involved = [self.roots[i] for i, _ in part.same]
        if part.turned is not None and part.grows:
            branch = roots[part.turned[1]] = self.ghosts[part.turned[0]]
            self._become(branch, Kind.FIXED_POINT, (number, Relation.CONTINUATION))
            involved = [branch]
        elif part.turned is not None:
            branch = ghosts[part.turned[1]] = self.roots[part.turned[0]]
            self._become(branch, Kind.GHOST, (number, Relation.BECOMES_GHOST))
            involved = [branch]
        for i in part.lone[0]:
            self._close(self.roots[i], (number, Relation.DEATH))
            involved.append(self.roots[i])
        for j in part.lone[1]:
            roots[j] = self._new(Kind.FIXED_POINT, (number, Relation.BIRTH))
            involved.append(roots[j])
        split = CrossingKind.PITCHFORK if self.odd[way[0]] else CrossingKind.CUSP
        self._mark(way, split if part.splits else CrossingKind.SADDLE_NODE, part.x, involved, part.grows)

    def _let_go(self, way: Way, part: Part, first: Row, second: Row, ghosts: dict[int, int]) -> None:
        """Ghosts that emerge or dissolve between a checkpoint and the place beside it; if it has all, they do."""
        link, _, after = way
        sure = self.points[link + 1 if after == 1 else link].ghosts_complete
        for k in part.loose[0]:
            if sure:
                self._close(self.ghosts[k], (len(self.crossings), Relation.DEATH))
                self._mark(way, CrossingKind.GHOST_DISSOLUTION, first.ghosts[k], [self.ghosts[k]], False)
            else:
                self._drop(self.ghosts[k], f"undecided at {self.steps[len(self.labels)]}")
        for k in part.loose[1]:
            ghosts[k] = self._new(Kind.GHOST, (len(self.crossings), Relation.BIRTH) if sure else None)
            if sure:
                self._mark(way, CrossingKind.GHOST_EMERGENCE, second.ghosts[k], [ghosts[k]], True)

    def _mark(self, way: Way, kind: CrossingKind, x: float, branches: list[int], creates: bool) -> None:
        link, before, after = way
        self.crossings.append(Crossing(kind, link, before, after, x, tuple(branches), creates, (before, after)))

    def result(self) -> Tracks:
        branches = [Branch(b, tuple(s for s in self.segments if s.branch == b)) for b in range(self.next_id)]
        return Tracks(
            tuple(self.steps), tuple(branches), tuple(self.crossings), tuple(self.labels), self.stretches.packed()
        )

    def _arrive(self, roots: list[int], ghosts: list[int]) -> None:
        """At a checkpoint, whose points are on these branches."""
        step, now = self.steps[len(self.labels)], self.points[len(self.labels)]
        labels = Labels(tuple(roots), tuple(ghosts))
        # Most checkpoints have the branches of the one before: one record serves them all.
        self.labels.append(self.labels[-1] if self.labels[-1:] == [labels] else labels)
        for branch, point in zip(roots + ghosts, now.points, strict=True):
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

    def _become(self, branch: int, kind: Kind, how: tuple[int, Relation]) -> None:
        self._close(branch, how)
        self._open(branch, kind, how)

    def _drop(self, branch: int, why: str) -> None:
        self.open.pop(branch).lost = why

    def _lose(self, status: LinkStatus) -> None:
        step = self.steps[len(self.labels) - 1]
        for branch in list(self.open):
            self._drop(branch, f"{status} after {step}")

    def _turn(self, index: int, change: Change, turn: Turn, around: tuple[float, float]) -> None:
        roots: list[int | None] = [None] * len(change.right.roots)
        for i, j in turn.roots:
            roots[j] = self.roots[i]
        criticals = {k: self.criticals[j] for j, k in turn.criticals if j in self.criticals}
        for fold in turn.folds:
            self._fold(index, change, fold, around, roots, criticals)
        for pair in turn.pairs:
            self._pair(index, change, pair, around, roots, criticals)
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
            self._become(ghost, Kind.FIXED_POINT, (number, Relation.CONTINUATION))
            roots[unstable] = ghost
            born = self._new(Kind.FIXED_POINT, (number, Relation.BIRTH))
            roots[stable] = born
            involved = (ghost, born)
        else:
            unstable, stable = (first, second) if change.left.roots[first, 1] > 0 else (second, first)
            kept, lost = self.roots[unstable], self.roots[stable]
            self._close(lost, (number, Relation.DEATH))
            self._become(kept, Kind.GHOST, (number, Relation.BECOMES_GHOST))
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
    ) -> None:
        number = len(self.crossings)
        side = change.right if pair.appears else change.left
        x = float(np.mean(side.criticals[pair.first : pair.first + 2, 0]))
        if pair.splits:
            involved = self._split(number, change, pair, roots)
            kind = CrossingKind.PITCHFORK if self.odd[index] else CrossingKind.CUSP
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


def _between(now: Row, side: Side, beyond: Side) -> bool:
    """Whether a checkpoint's number of roots is one of those on its two sides, or between them."""
    low, high = sorted((len(side.roots), len(beyond.roots)))
    return low <= len(now.roots) <= high


def _like_first(now: tuple[int, int], first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether a checkpoint with these counts comes before the change from one structure to the other.

    With a number of roots between the two it is right at a saddle-node; then it counts to the side with more roots, so
    that a run reversed has its event at the same place.
    """
    if first[0] != second[0]:
        return now[0] == first[0] or (now[0] != second[0] and first[0] > second[0])
    return now[1] == first[1]


def _around(link: Link, change: Change) -> tuple[float, float]:
    """The unproved stretch that touches a change's bracket, the bracket included."""
    low, high = change.before, change.after
    for a, b in link.unproved:
        if b == change.before:
            low = a
        if a == change.after:
            high = b
    return low, high
