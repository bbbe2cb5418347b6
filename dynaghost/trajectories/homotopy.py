"""Every change of a circuit's structure on the straight line between consecutive checkpoints, by proved steps.

θ(s) = θ₀ + s(θ₁ − θ₀). Two places on the line have the same structure, and every place between them too, if the weights
move by less than the margins of both certificates on the way to the middle. Places are bisected until that holds. Where
the structures differ, bisection goes down to a bracket, in which the change is; where they agree but nothing is proved
at a small width, the stretch comes too close to a change for float64, as right beside every bracket, and is listed.
Since the points keep their order wherever the structure is proved to stay, identity along the line is by order: a
continuation with proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from dynaghost.kernels import line as kernel
from dynaghost.slowpoints.scalar import structures
from dynaghost.systems.base import Array

TOLERANCE = 2.0**-40
"""Width in s of the bracket of a change; wider where float64 decides the structure at no place inside it."""
ZONE = 2.0**-26
"""Width in s at which a stretch with equal ends is left unproved."""
BUDGET = 1_000_000_000
"""Most units evaluated between two checkpoints: some 5 s on one core, whether a place costs little or much."""

# How far from a checkpoint that float64 leaves undecided its line begins, the nearest that is decided.
_ASIDE = tuple(2.0**-k for k in (30, 26, 22, 18, 14, 10))
_CUTS = (0.5, 0.375, 0.625, 0.4375)


class LinkStatus(StrEnum):
    """Whether the line between two checkpoints could be followed."""

    FOLLOWED = "followed"
    TOO_FAR = "too far"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Side:
    """The structure at one place.

    Attributes
    ----------
    criticals : ndarray (k, 3)
        κ, sign of f, sign of f'' at every critical point, in increasing order.
    roots : ndarray (r, 2)
        κ and sign of f' at every root, in increasing order.
    """

    criticals: Array
    roots: Array

    @property
    def ghosts(self) -> list[int]:
        """Which critical points are ghosts: minima of |f| above zero."""
        return [k for k, (_, value, bend) in enumerate(self.criticals) if value * bend > 0]

    @property
    def signature(self) -> bytes:
        """Equal for equal structures: the signs, without the positions."""
        return self.criticals[:, 1:].astype(np.int8).tobytes() + b"/" + self.roots[:, 1].astype(np.int8).tobytes()


@dataclass(frozen=True, slots=True)
class Change:
    """The structure changes between `before` and `after` on the line, 0 ≤ before < after ≤ 1."""

    before: float
    after: float
    left: Side
    right: Side


@dataclass(frozen=True, slots=True)
class Link:
    """What happens on the line between two consecutive checkpoints.

    Attributes
    ----------
    start, end : Side or None
        The structures at the ends of `span`; None where none was decided.
    changes : tuple of Change
        In order; everywhere else, but in `unproved`, the structure is proved to stay as it is.
    unproved : tuple of (float, float)
        Stretches with equal structures at both ends between which nothing is proved.
    status : LinkStatus
    places : int
        Places at which the structure was computed.
    span : tuple of (float, float)
        What was followed: (0, 1), or less where float64 does not decide the structure at a checkpoint itself.
    """

    start: Side | None
    end: Side | None
    changes: tuple[Change, ...] = ()
    unproved: tuple[tuple[float, float], ...] = ()
    status: LinkStatus = LinkStatus.FOLLOWED
    places: int = 0
    span: tuple[float, float] = (0.0, 1.0)


@dataclass(slots=True)
class _Found:
    """What is gathered for one link while its line is bisected."""

    changes: list[Change] = field(default_factory=list)
    unproved: list[tuple[float, float]] = field(default_factory=list)
    places: int = 0
    units: int = 0
    spent: bool = False


@dataclass(slots=True)
class _Places:
    """Places on lines, a row each: which link, where, the weights, the margins and the structure."""

    link: Array
    s: Array
    weights: tuple[Array, Array, Array]
    margins: Array
    sides: list[Side | None]

    def take(self, rows: Array) -> "_Places":
        return _Places(
            self.link[rows],
            self.s[rows],
            (self.weights[0][rows], self.weights[1][rows], self.weights[2][rows]),
            self.margins[rows],
            [self.sides[row] for row in rows],
        )


def follow(
    m: Array, n: Array, b: Array, *, tolerance: float = TOLERANCE, zone: float = ZONE, budget: int = BUDGET
) -> list[Link]:
    """The links between consecutive rows of stacked weights of rank-one circuits.

    Parameters
    ----------
    m, n, b : ndarray (E, units)
    tolerance, zone : float
        Widths in s, as in this module's description.
    budget : int
        Most units evaluated a link, over all places and all pieces of the line that each takes; a link that needs more
        is `TOO_FAR`, its last change is then wide.

    Returns
    -------
    list of Link
        E − 1 of them.

    Examples
    --------
    >>> ones = np.ones((2, 1))
    >>> (link,) = follow(1.5 * ones, ones, np.array([[0.0], [0.4]]))
    >>> [(len(c.left.roots), len(c.right.roots)) for c in link.changes], round(link.changes[0].before * 0.4, 9)
    ([(3, 1)], 0.207546455)
    """
    ends = _structured(np.arange(len(m)), np.zeros(len(m)), (m, n, b))
    links = np.arange(len(m) - 1)
    found = [_Found(places=2) for _ in links]
    first, last = ends.take(links), ends.take(links + 1)
    last.link, last.s = links, np.ones(len(links))
    _step_aside(first, (m, n, b), found, forward=True)
    _step_aside(last, (m, n, b), found, forward=False)
    decided = np.array([e for e in links if first.sides[e] and last.sides[e]], dtype=int)
    left, right = first.take(decided), last.take(decided)
    while len(left.link):
        left, right = _bisect(left, right, (m, n, b), found, tolerance, zone, budget)
    return [_link(first, last, e, one) for e, one in enumerate(found)]


def _step_aside(places: _Places, ends: tuple[Array, Array, Array], found: list[_Found], *, forward: bool) -> None:
    """Move places that float64 leaves undecided along their lines to the nearest decided one."""
    for aside in _ASIDE:
        rows = np.array([row for row, side in enumerate(places.sides) if side is None], dtype=int)
        if not len(rows):
            return
        s = np.full(len(rows), aside if forward else 1 - aside)
        moved = _structured(places.link[rows], s, _place(ends, places.link[rows], s), found)
        for i, row in enumerate(rows):
            places.sides[row] = moved.sides[i]
        places.s[rows], places.margins[rows] = s, moved.margins
        for stack, new in zip(places.weights, moved.weights, strict=True):
            stack[rows] = new


def _link(first: _Places, last: _Places, e: int, found: _Found) -> Link:
    start, end, span = first.sides[e], last.sides[e], (float(first.s[e]), float(last.s[e]))
    if start is None or end is None:
        return Link(start, end, status=LinkStatus.UNDECIDED, places=found.places)
    changes = tuple(sorted(found.changes, key=lambda change: change.before))
    status = LinkStatus.TOO_FAR if found.spent else LinkStatus.FOLLOWED
    return Link(start, end, changes, _joined(found.unproved), status, found.places, span)


def _joined(stretches: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    joined: list[tuple[float, float]] = []
    for a, b in sorted(stretches):
        if joined and joined[-1][1] == a:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return tuple(joined)


def _structured(
    link: Array, s: Array, weights: tuple[Array, Array, Array], found: list[_Found] | None = None
) -> _Places:
    """The structures at places on links; what they cost is charged to what was `found` on these."""
    rows = structures(*weights, carry=False)
    if found is not None:
        for e, pieces in zip(link.tolist(), rows.counts[:, 2].tolist(), strict=True):
            found[e].places += 1
            found[e].units += (pieces + 1) * weights[0].shape[1]
    sides: list[Side | None] = []
    for e in range(len(s)):
        criticals, roots = rows.counts[e, :2]
        decided = rows.statuses[e] == kernel.DECIDED
        sides.append(_side(rows.criticals[e, :criticals], rows.roots[e, :roots]) if decided else None)
    return _Places(link, s, weights, rows.margins, sides)


def _side(criticals: Array, roots: Array) -> Side:
    points = criticals[:, [kernel.X, kernel.F, kernel.BEND]]
    points[:, 1:] = np.sign(points[:, 1:])
    slopes = roots[:, [kernel.X, kernel.SLOPE]]
    slopes[:, 1] = np.sign(slopes[:, 1])
    return Side(points, slopes)


def _place(ends: tuple[Array, Array, Array], link: Array, s: Array) -> tuple[Array, Array, Array]:
    at = [w[link] + s[:, None] * (w[link + 1] - w[link]) for w in ends]
    return at[0], at[1], at[2]


def _holds(places: _Places, middle: tuple[Array, Array, Array], ends: tuple[Array, Array, Array]) -> Array:
    result = np.empty(len(places.s), dtype=bool)
    m_size, n_size, b_size = (np.maximum(np.abs(w[places.link]), np.abs(w[places.link + 1])) for w in ends)
    kernel.holds(*places.weights, places.margins, *middle, m_size, n_size, b_size, result)
    return result


def _bisect(
    left: _Places,
    right: _Places,
    ends: tuple[Array, Array, Array],
    found: list[_Found],
    tolerance: float,
    zone: float,
    budget: int,
) -> tuple[_Places, _Places]:
    """One round over all open stretches: close those that are proved or narrow, halve the others."""
    middle = _place(ends, left.link, 0.5 * (left.s + right.s))
    alike = np.array([a.signature == b.signature for a, b in zip(left.sides, right.sides, strict=True)])  # type: ignore[union-attr]
    proved = alike & _holds(left, middle, ends) & _holds(right, middle, ends)
    width = right.s - left.s
    spent = np.array([found[link].units >= budget for link in left.link])
    halve = ~proved & (width > np.where(alike, zone, tolerance)) & ~spent
    cut = _cut(left, right, ends, np.flatnonzero(halve), found)
    halve &= np.array([side is not None for side in cut.sides])
    for row in np.flatnonzero(~proved & ~halve):
        _record(left, right, int(row), alike[row], found[left.link[row]])
        found[left.link[row]].spent |= bool(spent[row])
    rows = np.flatnonzero(halve)
    first, second, between = left.take(rows), right.take(rows), cut.take(rows)
    return _interleave(first, between), _interleave(between, second)


def _cut(left: _Places, right: _Places, ends: tuple[Array, Array, Array], rows: Array, found: list[_Found]) -> _Places:
    """Structures near the middle of the stretches `rows`, where float64 decides them; None elsewhere."""
    cut = _room(left)
    for fraction in _CUTS:
        open_rows = np.array([row for row in rows if cut.sides[row] is None], dtype=int)
        if not len(open_rows):
            break
        s = left.s[open_rows] + fraction * (right.s[open_rows] - left.s[open_rows])
        places = _structured(left.link[open_rows], s, _place(ends, left.link[open_rows], s), found)
        for i, row in enumerate(open_rows):
            cut.sides[row] = places.sides[i]
        cut.s[open_rows] = s
        cut.margins[open_rows] = places.margins
        for stack, new in zip(cut.weights, places.weights, strict=True):
            stack[open_rows] = new
    return cut


def _room(places: _Places) -> _Places:
    """Room for as many places, without structures."""
    m, n, b = (w.copy() for w in places.weights)
    return replace(
        places,
        s=places.s.copy(),
        weights=(m, n, b),
        margins=places.margins.copy(),
        sides=[None] * len(places.s),
    )


def _record(left: _Places, right: _Places, row: int, alike: bool, found: _Found) -> None:
    a, b = left.sides[row], right.sides[row]
    assert a is not None
    assert b is not None
    if alike:
        found.unproved.append((float(left.s[row]), float(right.s[row])))
    else:
        found.changes.append(Change(float(left.s[row]), float(right.s[row]), a, b))


def _interleave(first: _Places, second: _Places) -> _Places:
    """Rows of two sets of places as one set."""
    weights = [np.concatenate(pair) for pair in zip(first.weights, second.weights, strict=True)]
    return _Places(
        np.concatenate([first.link, second.link]),
        np.concatenate([first.s, second.s]),
        (weights[0], weights[1], weights[2]),
        np.concatenate([first.margins, second.margins]),
        first.sides + second.sides,
    )


def chain(links: Sequence[Link]) -> int:
    """Places at which the structure was computed, over all links."""
    return sum(link.places for link in links)
