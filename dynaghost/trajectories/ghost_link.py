"""Ghosts of two consecutive checkpoints, joined by their complex pairs, or where there is none by the minimum alone.

A saddle-node leaves a pair: it is followed from there to the checkpoint, and the ghost listed on it is the one that the
saddle-node left. Every other ghost's pair is followed across the line. Where a pair goes on and the ghost does not, the
minimum of the speed is followed to the place where it turns: there the ghost dissolves, or emerges.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.slowpoints.records import Ghost
from dynaghost.systems.base import Array
from dynaghost.trajectories.curves import Curve, CurveEnd, Node, point, trace
from dynaghost.trajectories.equations import Minima
from dynaghost.trajectories.happenings import Happening, HappeningKind
from dynaghost.trajectories.leaps import leap
from dynaghost.trajectories.pair_curves import beside_fold, follow_pair, same_pair
from dynaghost.trajectories.space_link import TOO_FAR, Place
from dynaghost.trajectories.stability_changes import Fold
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.zeros import zero

_STEPS = 120  # most arclength steps of a minimum
_SHORT = 0.05  # longest step of a second attempt
_ASIDE = 1e-2  # share of the way from a saddle-node at which the minimum that it leaves is looked up


class Identity(StrEnum):
    """What a ghost was followed by."""

    PAIR = "complex pair"
    MINIMUM = "minimum of the speed alone"
    KINKS = "kinks that it lies on"


@dataclass(frozen=True, slots=True)
class GhostStay:
    """A ghost on a stretch of the line.

    Attributes
    ----------
    low, high : Place or int or None
        Where it begins and ends: at a listed ghost, at the happening of that number, or None at a checkpoint where it
        is not listed.
    from_s, to_s : float
    pair : tuple of ndarray or None
        Its complex point at the checkpoints before and after, where it was followed there.
    by : Identity
    """

    low: Place | int | None
    high: Place | int | None
    from_s: float
    to_s: float
    pair: tuple[Array | None, Array | None]
    by: Identity


@dataclass(slots=True)
class GhostFollowing:
    """The ghosts of a link.

    `events` are emergences and dissolutions, numbered from `first_number` on; `unlisted` are minima that were reached
    at a checkpoint and are not listed there; `zeros` are places (x, s) where f vanishes on a followed minimum, so that
    a saddle-node is there that no fixed point of the checkpoints led to.
    """

    line: Line
    listed: tuple[Sequence[Ghost], Sequence[Ghost]]
    first_number: int
    stays: list[GhostStay] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    lost: dict[Place, str] = field(default_factory=dict)
    unlisted: list[tuple[int, Array]] = field(default_factory=list)
    zeros: list[tuple[Array, float]] = field(default_factory=list)
    taken: set[Place] = field(default_factory=set)


def follow_ghosts(
    line: Line, first: Sequence[Ghost], second: Sequence[Ghost], folds: Sequence[tuple[int, Fold]], first_number: int
) -> GhostFollowing:
    """Every listed ghost of both checkpoints, and the one that each saddle-node leaves.

    Parameters
    ----------
    line : Line
    first, second : sequences of Ghost
        Of the two checkpoints.
    folds : sequence of (int, Fold)
        The saddle-nodes between, with the numbers of their happenings.
    first_number : int
        Of the next happening.

    Returns
    -------
    GhostFollowing
    """
    following = GhostFollowing(line, (first, second), first_number)
    open_folds = sorted(folds, key=lambda pair: pair[1].turning.node.s)
    if line.first.analytic:
        open_folds = _join_folds(following, open_folds)
    for number, fold in open_folds:
        _from_fold(following, number, fold)
    for side in (0, 1):
        for index in range(len(following.listed[side])):
            if Place(side, index) not in following.taken:
                _from_ghost(following, Place(side, index))
    return following


def _join_folds(following: GhostFollowing, folds: list[tuple[int, Fold]]) -> list[tuple[int, Fold]]:
    """A pair that one saddle-node leaves and another takes back, both on the line: a ghost between the two."""
    rest = list(folds)
    for number, fold in folds:
        later = [one for one in rest if one[1].turning.creates and one[1].turning.node.s > fold.turning.node.s]
        if fold.turning.creates or not later:
            continue
        middle = 0.5 * (fold.turning.node.s + later[0][1].turning.node.s)
        left, right = _pair(following, fold, middle), _pair(following, later[0][1], middle)
        if left is not None and right is not None and same_pair(left, right):
            ends = fold.turning.node.s, later[0][1].turning.node.s
            following.stays.append(GhostStay(number, later[0][0], *ends, (None, None), Identity.PAIR))
            rest = [one for one in rest if one[0] not in (number, later[0][0])]
    return rest


def _pair(following: GhostFollowing, fold: Fold, end: float) -> Array | None:
    node, form = fold.turning.node, fold.form
    if not following.line.first.analytic:
        return None
    return beside_fold(following.line, (node.x, node.s), (form.v, form.drive, form.quadratic), end)


def _from_fold(following: GhostFollowing, number: int, fold: Fold) -> None:
    """The ghost that a saddle-node leaves, from there to the checkpoint on its other side."""
    side = 0 if fold.turning.creates else 1
    s = fold.turning.node.s
    if s == side:
        return
    z = _pair(following, fold, float(side))
    found = None if z is None else _with_pair(following, side, z)
    if found is not None:
        _stay(following, (number, s), (found, float(side)), (side, z), Identity.PAIR)
        return
    start = s + _ASIDE * (side - s)
    x = _settled(following.line, fold.turning.node.x, start)
    if x is None:
        return
    other, at, _ = _minimum(following, x, start, side)
    if other is not None or at == side:
        _stay(following, (number, s), (other, at), (side, z), Identity.MINIMUM if z is None else Identity.PAIR)


def _with_pair(following: GhostFollowing, side: int, z: Array) -> Place | None:
    """The listed ghost whose pair is `z`, if none other has been followed to it."""
    for index, ghost in enumerate(following.listed[side]):
        place = Place(side, index)
        if place not in following.taken and ghost.complex_point is not None and same_pair(ghost.complex_point, z):
            return place
    return None


def _stay(
    following: GhostFollowing,
    begin: tuple[Place | int | None, float],
    end: tuple[Place | int | None, float],
    pair: tuple[int, Array | None],
    by: Identity,
) -> None:
    """Enter a stretch from `begin` to `end`; `pair` is the checkpoint to which a pair was followed, and it."""
    side, z = pair
    low, high = (begin, end) if side == 1 else (end, begin)
    pairs: list[Array | None] = [None, None]
    pairs[side] = z
    for place in (low[0], high[0]):
        if isinstance(place, Place):
            following.taken.add(place)
            own = following.listed[place.side][place.index].complex_point
            pairs[place.side] = pairs[place.side] if own is None else own
    following.stays.append(GhostStay(low[0], high[0], low[1], high[1], (pairs[0], pairs[1]), by))


def _free(following: GhostFollowing, side: int, x: Array) -> Place | None:
    """The other end of a stretch that was followed by its pair to the listed ghost at `x`, once that is given up.

    A ghost can change its pair, where another one comes to slow the flow more. Then the minimum, which is what is seen,
    decides: the stretch is taken out, and its other ghost is to be followed by its minimum.
    """
    for stay in following.stays:
        ends = [place for place in (stay.low, stay.high) if isinstance(place, Place)]
        here = next((place for place in ends if place.side == side), None)
        if len(ends) == 2 and here is not None and _at(following.listed[side][here.index], x):
            following.stays.remove(stay)
            following.taken.difference_update(ends)
            return ends[0] if ends[1] == here else ends[1]
    return None


def _from_ghost(following: GhostFollowing, place: Place, *, by_pair: bool = True) -> None:
    """A listed ghost by its pair across the line, else by its minimum."""
    ghost, here, side = following.listed[place.side][place.index], float(place.side), 1 - place.side
    z = None
    if by_pair and ghost.complex_point is not None:
        z, reached = follow_pair(following.line, ghost.complex_point, here, float(side))
        found = _with_pair(following, side, z) if reached == side else None
        if found is not None:
            _stay(following, (place, here), (found, float(side)), (side, z), Identity.PAIR)
            return
        z = z if reached == side else None
    other, at, because = _minimum(following, ghost.x, here, side)
    if other is None and at != side:
        following.lost[place] = because
        following.taken.add(place)
        return
    freed = None
    if other is None and by_pair:
        freed = _free(following, side, following.unlisted[-1][1])
        if freed is not None:
            other = _near(following, side, following.unlisted.pop()[1])
    by = Identity.MINIMUM if z is None or freed is not None else Identity.PAIR
    _stay(following, (place, here), (other, at), (side, None if freed else z), by)
    if freed is not None:
        _from_ghost(following, freed, by_pair=False)


def _minimum(following: GhostFollowing, x: Array, start: float, side: int) -> tuple[Place | int | None, float, str]:
    """Where the minimum `x` at s = `start` is on its way to a checkpoint: at a listed ghost there, or at its end.

    Returns the place or the number of the event, s, and why there is neither.
    """
    equation = Minima(following.line)
    jump = leap(equation, x[None], start, float(side))
    place = _near(following, side, jump.x[0]) if jump.believed[0] else None
    if place is not None and not _vanishes(following.line, [(x, start), (jump.x[0], float(side))]):
        return place, float(side), ""
    curve = trace(equation, x, start, rising=side == 1, steps=_STEPS, turnings=1)
    if curve.end is not CurveEnd.ARRIVED or _vanishes(following.line, _way(curve)):
        # Curves of fixed points solve ∇q = 0 too, and may be near: only short steps tell the two apart.
        curve = trace(equation, x, start, rising=side == 1, steps=4 * _STEPS, longest=_SHORT, turnings=1)
    if curve.end is not CurveEnd.ARRIVED:
        return None, start, f"{TOO_FAR}: {curve.end}"
    if _vanishes(following.line, _way(curve)):
        following.zeros.append(_first_zero(equation, _until_turning(curve)))
        return None, start, "it becomes two fixed points that are there between the checkpoints only"
    if curve.turnings:
        return _turned(following, curve, side), curve.nodes[curve.turnings[0]].s, ""
    last = curve.nodes[-1]
    place = _near(following, side, last.x)
    if place is None and not _is_minimum(following.line, last.x, float(side)):
        return None, start, "it reaches a fixed point, or a saddle of the speed, that was not followed"
    if place is None:
        following.unlisted.append((side, last.x))
    return place, float(side), ""


def _until_turning(curve: Curve) -> list[Node]:
    return curve.nodes[: curve.turnings[0] + 1] if curve.turnings else curve.nodes


def _way(curve: Curve) -> list[tuple[Array, float]]:
    return [(node.x, node.s) for node in _until_turning(curve)]


def _vanishes(line: Line, places: Sequence[tuple[Array, float]]) -> bool:
    """Whether f turns round on the way: then it was 0 in between, and the critical point of q no ghost."""
    fields = [line.at(s).f(x) for x, s in places]
    return any(float(one @ other) < 0 for one, other in pairwise(fields))


def _first_zero(equation: Minima, nodes: Sequence[Node]) -> tuple[Array, float]:
    """Where f first turns round on the way."""

    def field(at: Node) -> Array:
        return equation.line.at(at.s).f(at.x)

    a, b = next((a, b) for a, b in pairwise(nodes) if float(field(a) @ field(b)) < 0)
    ahead = field(a)

    def along(u: float) -> float:
        return float(field(point(equation, a, b, u)) @ ahead)

    found = point(equation, a, b, zero(along, 0.0, 1.0, along(0.0), along(1.0)))
    return found.x, found.s


def _near(following: GhostFollowing, side: int, x: Array) -> Place | None:
    for index, ghost in enumerate(following.listed[side]):
        place = Place(side, index)
        if place not in following.taken and _at(ghost, x):
            return place
    return None


def _at(ghost: Ghost, x: Array) -> bool:
    """Whether `x` is where a listed ghost is; the minimum of a faint one is flat, and known to a share of its width."""
    width = math.sqrt(ghost.speed / ghost.curvature) if ghost.curvature > 0 else 0.0
    return bool(np.linalg.norm(x - ghost.x) <= max(1e-6 * (1 + float(np.linalg.norm(x))), 0.01 * width))


def _turned(following: GhostFollowing, curve: Curve, side: int) -> int:
    """The event at which a minimum of the speed ends: seen from the checkpoint before it dissolves, else it emerges."""
    k = curve.turnings[0]
    node = curve.nodes[k]
    kind = HappeningKind.GHOST_DISSOLUTION if side == 1 else HappeningKind.GHOST_EMERGENCE
    evidence = {
        "speed": float(following.line.at(node.s).speed(node.x)),
        "test": [float(one.t[-1]) for one in (curve.nodes[k - 1], curve.nodes[k + 1])],
        "test_function": "ds along the curve of minima of the speed",
    }
    bracket = max(node.s - 1e-10, 0.0), min(node.s + 1e-10, 1.0)
    stay = (len(following.stays),)
    following.events.append(Happening(kind, node.s, bracket, node.x, stay, side == 0, True, evidence))
    return following.first_number + len(following.events) - 1


def _is_minimum(line: Line, x: Array, s: float) -> bool:
    hessian = Minima(line).parts(x[None], s)[1][0]
    return bool(np.linalg.eigvalsh(hessian)[0] > 0 and line.at(s).speed(x) > 1e-12)


def _settled(line: Line, x: Array, s: float) -> Array | None:
    """The critical point of q near `x`, by Newton; None where it leads away."""
    equation, y = Minima(line), x.copy()
    for _ in range(12):
        gradient, hessian, _ = equation.parts(y[None], s)
        try:
            step = np.linalg.solve(hessian[0], -gradient[0])
        except np.linalg.LinAlgError:
            return None
        y = y + step
        if np.linalg.norm(step) <= 1e-10 * (1 + np.linalg.norm(y)):
            near = np.linalg.norm(y - x) <= 0.1 * (1 + np.linalg.norm(x))
            return y if near and _is_minimum(line, y, s) else None
    return None
