"""All roots and all critical points of a scalar field on an interval, by signs in ball arithmetic.

The interval is bisected until on each piece f', f'' or f''' has a proved sign. Then f' has no zero there, at most one,
or at most two, and which it is follows from the signs of f' at the piece's ends and at the zero of f''. Between
neighbouring critical points f is strictly monotone, so the signs of f at the critical points decide every root.
It is slow and stops at nothing that arithmetic can decide: the answer where float64 cannot tell.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from dynaghost.slowpoints.certify import FIRST_PRECISION, PRECISION_LIMIT, Line

# Fractions of a piece at which it may be cut: the middle, unless f or a derivative vanishes just there.
_CUTS = (0.5, 0.46875, 0.546875, 0.4296875, 0.578125)


@dataclass(frozen=True, slots=True)
class Critical:
    """A zero of f' within [lower, upper].

    `sign` is that of f there: −1, 1, 0 if f is exactly 0, None if undecided. `turn` is the sign of f'' (1 for a
    minimum of f), 0 for a double zero of f', through which f stays monotone, None for one that may be none or two.
    """

    lower: float
    upper: float
    sign: int | None
    turn: int | None


@dataclass(frozen=True, slots=True)
class Root:
    """A zero of f within [lower, upper], alone within (left, right); `slope` is the sign of f' next to it.

    `degenerate` is a double or triple root, or a critical point whose value no precision could tell from 0: then
    `because` says so.
    """

    lower: float
    upper: float
    left: float
    right: float
    slope: int
    degenerate: bool = False
    because: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """Roots and critical points in increasing order; `gaps` are intervals in which neither could be decided."""

    roots: tuple[Root, ...]
    criticals: tuple[Critical, ...]
    gaps: tuple[tuple[float, float], ...]
    exhausted: bool
    evaluations: int


def search_line(line: Line, lower: float, upper: float, ends: tuple[int, int], *, budget: int) -> Structure:
    """The structure of f on [lower, upper], outside which f' has no zero and f, with signs `ends`, none either.

    Parameters
    ----------
    line : Line
    lower, upper : float
    ends : tuple of int
        Signs of f at `lower` and `upper`.
    budget : int
        Most pieces that are looked at.

    Returns
    -------
    Structure
    """
    pieces, gaps, exhausted = _pieces(line, lower, upper, budget)
    criticals = _merge_gaps([c for piece in pieces for c in _criticals(line, piece)], gaps)
    roots = _roots(line, criticals, (lower, upper), ends)
    undecided = tuple((c.lower, c.upper) for c in criticals if c.turn is None)
    return Structure(tuple(roots), tuple(criticals), undecided, exhausted, line.evaluations)


@dataclass(frozen=True, slots=True)
class _Piece:
    """[a, b] on which f⁽ᵒʳᵈᵉʳ⁾ has the proved sign `sign`."""

    a: float
    b: float
    order: int
    sign: int


def _pieces(
    line: Line, lower: float, upper: float, budget: int
) -> tuple[list[_Piece], list[tuple[float, float]], bool]:
    pieces: list[_Piece] = []
    gaps: list[tuple[float, float]] = []
    stops = [lower, *(x for x in line.system.landmarks() if lower < x < upper and _decided(line, x)), upper]
    stack = list(pairwise(stops))[::-1]
    looked = 0
    while stack:
        a, b = stack.pop()
        looked += 1
        precision = _precision(0.5 * b - 0.5 * a, 0.5 * upper - 0.5 * lower)
        piece = _label(line, a, b, precision) if precision <= line.limit else None
        cut = _cut(line, a, b) if piece is None and precision <= line.limit else None
        if piece is not None:
            pieces.append(piece)
        elif cut is None or looked >= budget:
            gaps.append((a, b))
        else:
            stack += [(cut, b), (a, cut)]
    return pieces, _joined(gaps), looked >= budget


def _precision(width: float, whole: float) -> int:
    """Twice as many bits as bisections so far, in steps: a narrow piece asks for finer differences."""
    precision = FIRST_PRECISION
    while width < whole * 2.0 ** -(precision // 2) and precision < 1 << 20:
        precision *= 2
    return precision


def _label(line: Line, a: float, b: float, precision: int) -> _Piece | None:
    for order in (1, 2, 3):
        sign = line.sign_over(order, a, b, precision)
        if sign:
            return _Piece(a, b, order, sign)
    return None


def _cut(line: Line, a: float, b: float) -> float | None:
    """Where to cut [a, b]: at a float inside it at which f' has a decided sign."""
    for fraction in _CUTS:
        cut = _between_ends(a, b, fraction)
        if a < cut < b and _decided(line, cut):
            return cut
    return None


def _between_ends(a: float, b: float, fraction: float) -> float:
    # A ball's radius has 30 bits, so an interval whose ends differ by many octaves is cut in exponents.
    if a * b > 0 and not 2.0**-20 < a / b < 2.0**20:
        return math.copysign(math.exp((1 - fraction) * math.log(abs(a)) + fraction * math.log(abs(b))), a)
    if math.isinf(b - a):
        return a * (1 - fraction) + b * fraction
    return a + (b - a) * fraction


def _decided(line: Line, x: float) -> bool:
    return bool(line.sign(1, x))


def _joined(gaps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for a, b in sorted(gaps):
        if joined and joined[-1][1] == a:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _criticals(line: Line, piece: _Piece) -> Iterator[Critical]:
    """The zeros of f' in one piece."""
    if piece.order == 1:
        return
    if piece.order == 2:
        yield from _single(line, piece.a, piece.b)
        return
    bends = line.sign(2, piece.a), line.sign(2, piece.b)
    if bends[0] is None or bends[1] is None:
        yield Critical(piece.a, piece.b, None, None)
        return
    if bends[0] * bends[1] >= 0:
        # f'' is monotone, so without a change of sign (0 at an end is none) f' is monotone.
        yield from _single(line, piece.a, piece.b)
        return
    low, high = line.zero(2, piece.a, piece.b)
    extreme = line.sign_at_zero(1, 2, piece.a, piece.b)
    if extreme:
        # f' has its extreme value at the zero of f'': at most one zero on either side.
        yield from _beside(line, piece.a, (low, high), extreme)
        yield from _beside(line, piece.b, (low, high), extreme)
        return
    where = line.exact_zero(2, piece.a, piece.b)
    exact = extreme == 0 and where is not None
    sign = line.sign_at_zero(0, 2, piece.a, piece.b)
    yield Critical(where, where, sign, 0) if exact and where is not None else Critical(low, high, sign, None)


def _single(line: Line, a: float, b: float, left: int | None = None, right: int | None = None) -> Iterator[Critical]:
    """The zero of f' in [a, b], where f' is monotone, if its signs at the ends differ."""
    left = line.sign(1, a) if left is None else left
    right = line.sign(1, b) if right is None else right
    if left is None or right is None or left * right == 0:
        yield Critical(a, b, None, None)
    elif left != right:
        low, high = line.zero(1, a, b)
        yield Critical(low, high, line.sign_at_zero(0, 1, a, b), right)


def _beside(line: Line, end: float, middle: tuple[float, float], extreme: int) -> Iterator[Critical]:
    """The zero of f' between a piece's end and the zero of f'' in `middle`, where f' has its extreme value's sign."""
    before = end <= middle[0]
    near = middle[0] if before else middle[1]
    low, high = min(end, near), max(end, near)
    sign = line.sign(1, end)
    if sign == extreme:
        return
    if sign and line.sign(1, near) == extreme:
        yield from _single(line, low, high)
    elif sign:
        # Both are between the same two floats: f has one sign over them, or it is not known.
        value = line.sign_over(0, *middle, PRECISION_LIMIT) or None
        yield Critical(middle[0], middle[1], value, extreme if before else sign)
    else:
        yield Critical(low, high, None, None)


def _merge_gaps(criticals: list[Critical], gaps: list[tuple[float, float]]) -> list[Critical]:
    """Gaps as critical points of unknown kind, in order."""
    return sorted([*criticals, *(Critical(a, b, None, None) for a, b in gaps)], key=lambda c: (c.lower, c.upper))


def _roots(line: Line, criticals: list[Critical], span: tuple[float, float], ends: tuple[int, int]) -> Iterator[Root]:
    """Every root, between neighbouring critical points or at one."""
    lowest = Critical(span[0], span[0], ends[0], None)
    highest = Critical(span[1], span[1], ends[1], None)
    stops = [lowest, *(_with_sign(line, c) for c in criticals), highest]
    for before, after in pairwise(stops):
        if before.sign and after.sign and before.sign != after.sign:
            yield _between(line, before, after)
        if after is not highest and not after.sign and _narrow(after):
            yield _at_critical(after)


def _with_sign(line: Line, critical: Critical) -> Critical:
    """A critical point of unknown kind at which f has nevertheless one sign needs no root."""
    if critical.sign is not None or critical.turn is not None:
        return critical
    sign = line.sign_over(0, critical.lower, critical.upper)
    return Critical(critical.lower, critical.upper, sign or None, None)


def _between(line: Line, before: Critical, after: Critical) -> Root:
    """The one root between two critical points with f of opposite signs: bisect until f' has a sign, then Newton."""
    assert before.sign is not None
    assert after.sign is not None
    a, b = before.upper, after.lower
    if line.sign(0, a) != before.sign or line.sign(0, b) != after.sign:
        # Between the critical point and the nearest float: the root and its twin are closer than floats are.
        near = before if line.sign(0, a) != before.sign else after
        why = "two fixed points are closer to each other than float64 can separate"
        return Root(near.lower, near.upper, near.lower, near.upper, after.sign, because=why)
    while not line.sign_over(1, a, b):
        middle = _between_ends(a, b, 0.5)
        sign = line.sign(0, middle)
        if sign == 0:
            return Root(middle, middle, before.upper, after.lower, after.sign)
        if not a < middle < b:
            return Root(a, b, before.upper, after.lower, after.sign)
        a, b = (middle, b) if sign == before.sign else (a, middle)
    exact = line.exact_zero(0, a, b)
    low, high = (exact, exact) if exact is not None else line.zero(0, a, b)
    return Root(low, high, before.upper, after.lower, after.sign)


def _narrow(critical: Critical) -> bool:
    """A wide gap is a part of the line that was not searched, not a point."""
    return critical.upper - critical.lower <= 1e-7 * max(1.0, abs(critical.lower))


def _at_critical(critical: Critical) -> Root:
    because = "" if critical.sign == 0 else "whether f is 0 at its critical point is undecided at the precision limit"
    return Root(critical.lower, critical.upper, critical.lower, critical.upper, 0, True, because)
