"""A checkpoint that float64 leaves undecided, and the structure just beside it: who is who, and what happens between.

The line beside such a checkpoint begins or ends a little way off, where the structure is decided. On that little way
points that are each other's nearest belong together: one slow point seen twice, or the parts of one event, such as the
three roots that are one triple root at the checkpoint itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.trajectories.homotopy import Side

Pair = tuple[int, int]
"""Indices of a point of one place and of one of the next."""


@dataclass(frozen=True, slots=True)
class Row:
    """The slow points at one place, in increasing order of κ.

    Attributes
    ----------
    roots : tuple of float
    unstable, degenerate : tuple of bool
        Whether f' > 0, and whether it cannot be told from 0, at each root.
    ghosts : tuple of float
    """

    roots: tuple[float, ...]
    unstable: tuple[bool, ...]
    degenerate: tuple[bool, ...]
    ghosts: tuple[float, ...]

    @property
    def counts(self) -> tuple[int, int]:
        """Numbers of roots and of ghosts."""
        return len(self.roots), len(self.ghosts)


@dataclass(frozen=True, slots=True)
class Part:
    """Points of two places that belong together, by their indices there.

    Attributes
    ----------
    same, ghosts : tuple of (int, int)
        Roots, and ghosts, that are one slow point at both places.
    turned : (int, int) or None
        A ghost and the root that it becomes; where the second place has fewer roots, a root and the ghost it leaves.
    lone, loose : tuple of (tuple of int, tuple of int)
        Roots, and ghosts, of each place without a counterpart at the other.
    grows : bool
        The second place has more roots.
    splits : bool
        One root is three at the other place: a pitchfork or a cusp. Else what has no counterpart is a saddle-node's.
    x : float
        Where that is.
    """

    same: tuple[Pair, ...]
    ghosts: tuple[Pair, ...]
    turned: Pair | None
    lone: tuple[tuple[int, ...], tuple[int, ...]]
    loose: tuple[tuple[int, ...], tuple[int, ...]]
    grows: bool
    splits: bool
    x: float

    @property
    def changes(self) -> bool:
        """The places have different numbers of roots."""
        return bool(self.lone[0] or self.lone[1] or self.turned)


def of_side(side: Side) -> Row:
    """The slow points of a decided structure."""
    unstable = tuple(bool(slope > 0) for slope in side.roots[:, 1])
    ghosts = tuple(float(side.criticals[k, 0]) for k in side.ghosts)
    return Row(tuple(float(x) for x in side.roots[:, 0]), unstable, (False,) * len(unstable), ghosts)


def of_points(points: SlowPoints) -> Row:
    """The slow points that a checkpoint lists."""
    roots = points.fixed_points
    return Row(
        tuple(float(point.x[0]) for point in roots),
        tuple(bool(point.eigenvalues[0].real > 0) for point in roots),
        tuple(point.degenerate for point in roots),
        tuple(float(ghost.x[0]) for ghost in points.ghosts),
    )


def parts(first: Row, second: Row) -> list[Part]:
    """What becomes of the points of one place on the way to the next."""
    found = []
    for near, far in _together(first, second):
        grows = len(far[0]) >= len(near[0])
        part = _read(first, near, second, far) if grows else _read(second, far, first, near)
        found.append(part if grows else _turned_round(part))
    return found


_Members = tuple[list[int], list[int]]
"""Roots and ghosts of one place that are in a group."""


def _together(first: Row, second: Row) -> list[tuple[_Members, _Members]]:
    """Points of both places in groups, in each of which everyone has the nearest point of the other place with it."""
    places = [np.array([*row.roots, *row.ghosts]) for row in (first, second)]
    groups: list[set[Pair]] = [{(place, i)} for place in (0, 1) for i in range(len(places[place]))]
    for own, other in ((0, 1), (1, 0)):
        for i, x in enumerate(places[own] if len(places[other]) else ()):
            nearest = (other, int(np.argmin(np.abs(places[other] - x))))
            joined = [group for group in groups if (own, i) in group or nearest in group]
            groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    roots = len(first.roots), len(second.roots)
    return [(_members(group, 0, roots[0]), _members(group, 1, roots[1])) for group in sorted(groups, key=min)]


def _members(group: set[Pair], place: int, roots: int) -> _Members:
    indices = sorted(i for where, i in group if where == place)
    return [i for i in indices if i < roots], [i - roots for i in indices if i >= roots]


def _read(few: Row, fewer: _Members, many: Row, more: _Members) -> Part:
    """A group, from the place where it has fewer roots to the one where it has more."""
    (own, ghosts), (others, ghosts_there) = fewer, more
    extra = len(others) - len(own)
    turned: Pair | None = None
    if extra in (1, 2) and len(ghosts) > len(ghosts_there):
        ghost, born = _from_ghost(few, ghosts, many, others, extra)
        turned = ghost, next((j for j in born if many.unstable[j]), born[0])
        ghosts = [k for k in ghosts if k != ghost]
        same = list(zip(own, [j for j in others if j not in born], strict=True))
    else:
        same = _of_roots(few, own, many, others)
    taken = {j for _, j in same} | ({turned[1]} if turned else set())
    both = list(zip(ghosts, ghosts_there, strict=False))
    lone = tuple(i for i in own if i not in {a for a, _ in same}), tuple(j for j in others if j not in taken)
    loose = tuple(ghosts[len(both) :]), tuple(ghosts_there[len(both) :])
    x = few.ghosts[turned[0]] if turned else _centre(few, own, many, others)
    return Part(tuple(same), tuple(both), turned, lone, loose, True, extra > 1 and turned is None, x)


def _from_ghost(few: Row, ghosts: list[int], many: Row, others: list[int], extra: int) -> tuple[int, list[int]]:
    """The ghost that becomes a root (a double one) or two, and these: the neighbours that are closest to it."""
    runs = [others[j : j + extra] for j in range(len(others) - extra + 1)]
    return min(
        ((k, run) for k in ghosts for run in runs),
        key=lambda one: max(abs(many.roots[j] - few.ghosts[one[0]]) for j in one[1]),
    )


def _of_roots(few: Row, own: list[int], many: Row, others: list[int]) -> list[Pair]:
    """Roots in their order; a multiple one is the unstable one of the two, the middle of the three, that it becomes."""
    extra = len(others) - len(own)
    if not own or extra == 0:
        return list(zip(own, others, strict=False))
    split = next((k for k, i in enumerate(own) if few.degenerate[i]), len(own) // 2)
    apart = others[split : split + extra + 1]
    kept = apart[len(apart) // 2]
    if len(apart) == 2:
        kept = next((j for j in apart if many.unstable[j]), kept)
    return list(zip(own, [*others[:split], kept, *others[split + extra + 1 :]], strict=True))


def _centre(few: Row, own: list[int], many: Row, others: list[int]) -> float:
    multiple = [few.roots[i] for i in own if few.degenerate[i]]
    return multiple[0] if multiple else float(np.mean([many.roots[j] for j in others])) if others else np.nan


def _turned_round(part: Part) -> Part:
    """The same from the second place to the first."""
    return replace(
        part,
        same=tuple((j, i) for i, j in part.same),
        ghosts=tuple((j, i) for i, j in part.ghosts),
        turned=None if part.turned is None else part.turned[::-1],
        lone=part.lone[::-1],
        loose=part.loose[::-1],
        grows=False,
    )
