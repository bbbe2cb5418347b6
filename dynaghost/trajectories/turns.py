"""What a change of structure is: which points are born and which die, read off the signs on its two sides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.homotopy import Change, Side


@dataclass(frozen=True, slots=True)
class Fold:
    """Critical point `left` of the side before is `right` of the side after, and f changes sign there.

    `roots` are the indices of the two roots it creates (on the side after) or annihilates (on the side before).
    """

    left: int
    right: int
    creates: bool
    roots: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbouring critical points, `first` and the next, of the side on which they exist.

    `appears`: that side is the one after. `splits`: f has opposite signs at the two, so a root lies between them and
    one root has become three (or three one): a pitchfork or a cusp.
    """

    first: int
    appears: bool
    splits: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of structure in parts, with who is who on its two sides.

    Attributes
    ----------
    criticals : tuple of (int, int)
        Critical points that are there before and after, by index.
    roots : tuple of (int, int)
        Likewise for roots.
    folds, pairs : tuples of Fold and Pair
    """

    criticals: tuple[tuple[int, int], ...]
    roots: tuple[tuple[int, int], ...]
    folds: tuple[Fold, ...]
    pairs: tuple[Pair, ...]


def read(change: Change) -> Turn:
    """The parts of a change of structure.

    Between critical points that stay, f has at most one root on either side; so the order of the critical points says
    which root is which. Only the critical points of a pair that is born or dies in the bracket have no counterpart:
    they are the neighbours that are closest to each other there.
    """
    left, right = change.left, change.right
    appears = len(right.criticals) > len(left.criticals)
    longer, shorter = (right, left) if appears else (left, right)
    firsts = _closest_pairs(longer.criticals, (len(longer.criticals) - len(shorter.criticals)) // 2)
    paired = {k for first in firsts for k in (first, first + 1)}
    staying = [k for k in range(len(longer.criticals)) if k not in paired]
    matched = [(j, k) if appears else (k, j) for j, k in enumerate(staying)]
    pairs = tuple(Pair(first, appears, _opposite(longer.criticals, first)) for first in firsts)
    folds = tuple(_folds(left, right, matched))
    return Turn(tuple(matched), tuple(_same_roots(left, right, matched)), folds, pairs)


def readable(change: Change) -> bool:
    """Whether the roots of every fold are there, each in one fold only: else several events are at one place.

    Where a root is born and dies within the bracket, as right at a cusp, signs do not tell who is who.
    """
    turn = read(change)
    born = [root for fold in turn.folds if fold.creates for root in fold.roots]
    dying = [root for fold in turn.folds if not fold.creates for root in fold.roots]
    there = all(0 <= j < len(change.right.roots) for j in born) and all(0 <= i < len(change.left.roots) for i in dying)
    return there and len(set(born)) == len(born) and len(set(dying)) == len(dying)


def _closest_pairs(criticals: Array, number: int) -> list[int]:
    """Indices of the first of each of `number` disjoint neighbouring pairs, the closest ones."""
    order = np.argsort(np.diff(criticals[:, 0]))
    taken: list[int] = []
    for k in order:
        if len(taken) < number and all(abs(int(k) - other) > 1 for other in taken):
            taken.append(int(k))
    return sorted(taken)


def _opposite(criticals: Array, first: int) -> bool:
    return bool(criticals[first, 1] != criticals[first + 1, 1])


def _folds(left: Side, right: Side, matched: Sequence[tuple[int, int]]) -> Iterator[Fold]:
    for j, k in matched:
        if left.criticals[j, 1] != right.criticals[k, 1]:
            creates = left.criticals[j, 1] * left.criticals[j, 2] > 0
            side, index = (right, k) if creates else (left, j)
            below = int(np.sum(side.roots[:, 0] < side.criticals[index, 0]))
            yield Fold(j, k, bool(creates), (below - 1, below))


def _same_roots(left: Side, right: Side, matched: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Roots between the same staying critical points, one on each side; of three roots, the one that keeps its slope
    and is nearest stands for the one."""
    stops = [(-np.inf, -np.inf), *((left.criticals[j, 0], right.criticals[k, 0]) for j, k in matched), (np.inf, np.inf)]
    for (low_left, low_right), (high_left, high_right) in pairwise(stops):
        before = np.flatnonzero((left.roots[:, 0] > low_left) & (left.roots[:, 0] < high_left))
        after = np.flatnonzero((right.roots[:, 0] > low_right) & (right.roots[:, 0] < high_right))
        if len(before) and len(after):
            yield _closest(left.roots, before, right.roots, after)


def _closest(left: Array, before: Array, right: Array, after: Array) -> tuple[int, int]:
    candidates = [(abs(left[i, 0] - right[j, 0]), int(i), int(j)) for i in before for j in after]
    _, i, j = min(candidates)
    return i, j
