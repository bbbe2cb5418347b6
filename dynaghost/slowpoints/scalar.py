"""One dimension: every fixed point and every ghost on the whole line, proved.

Circuits of rank one go through the compiled search (`kernels.line`); what float64 leaves undecided, and every other
scalar system, through the search in ball arithmetic (`line_search`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.kernels import line as kernel
from dynaghost.slowpoints.certify import Line
from dynaghost.slowpoints.complexified import passage
from dynaghost.slowpoints.line_search import Root, Structure, search_line
from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost, SlowPoints
from dynaghost.slowpoints.search_outcome import Cost, Status, Unresolved
from dynaghost.slowpoints.stability import DEGENERATE, stability
from dynaghost.systems.base import Array, ScalarSystem
from dynaghost.systems.low_rank import RankOneCircuit

BUDGET = 20_000
"""Most pieces of the line that one search in ball arithmetic looks at; the compiled search has 4000 centres."""

WIDEST = 16_384
"""Most critical points of one network for which the compiled search makes room."""

_LARGEST = float(np.finfo(float).max)
_EVERYWHERE = (np.array([-np.inf]), np.array([np.inf]))


def find_scalar(system: ScalarSystem, *, budget: int = BUDGET) -> SlowPoints:
    """Every fixed point and ghost of a scalar system, on the whole line.

    Parameters
    ----------
    system : ScalarSystem
    budget : int
        Most pieces of the line that a search in ball arithmetic looks at.

    Returns
    -------
    SlowPoints
        Outside its fixed points the line holds none if `complete`, outside its ghosts none if `ghosts_complete`.

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> points = find_scalar(RankOneRNN([1.0], [2.0], [0.0]).latent())
    >>> [round(float(p.x[0]), 3) + 0.0 for p in points.fixed_points], points.complete
    ([-1.915, 0.0, 1.915], True)
    """
    if isinstance(system, RankOneCircuit):
        return find_circuits([system], carry=False, budget=budget)[0]
    return _by_balls(system, budget)


def find_circuits(circuits: Sequence[RankOneCircuit], *, carry: bool = True, budget: int = BUDGET) -> list[SlowPoints]:
    """`find_scalar` for many circuits of one size, in one compiled loop.

    Parameters
    ----------
    circuits : sequence of RankOneCircuit
        All with the same number of units, in the order of training.
    carry : bool
        Carry a certificate over to the next circuit where its margins allow; the answer is the same.
    budget : int
        As in `find_scalar`.
    """
    if not circuits:
        return []
    if len(circuits) == 1:
        m, n, b = (weights[None] for weights in circuits[0].weights)
    else:
        m, n, b = (np.stack(stack) for stack in zip(*(circuit.weights for circuit in circuits), strict=True))
    rows = structures(m, n, b, carry=carry)
    return [_points(circuit, rows, e, budget) for e, circuit in enumerate(circuits)]


@dataclass(frozen=True, slots=True)
class Structures:
    """What `kernels.line.structures` fills, an entry a network on the first axis."""

    statuses: Array
    counts: Array
    criticals: Array
    roots: Array
    margins: Array


def structures(m: Array, n: Array, b: Array, *, carry: bool) -> Structures:
    """Certified structures of circuits stacked as (E, units), in float64; `UNDECIDED` where that does not decide.

    Circuits with more critical points than fit are searched again in larger arrays, with room for two a unit.
    """
    m, n, b = (np.ascontiguousarray(stack, dtype=float) for stack in (m, n, b))
    found = _searched(m, n, b, carry, kernel.MOST)
    cramped = [e for e, status in enumerate(found.statuses.tolist()) if status == kernel.NO_ROOM]
    if not cramped:
        return found
    most = max(min(2 * m.shape[1] + 8, WIDEST), 4 * kernel.MOST)
    return _replaced(found, {e: _searched(m[e : e + 1], n[e : e + 1], b[e : e + 1], False, most) for e in cramped})


def _searched(m: Array, n: Array, b: Array, carry: bool, most: int) -> Structures:
    found = _room(len(m), most)
    kernel.structures(m, n, b, carry, found.statuses, found.counts, found.criticals, found.roots, found.margins)
    return found


def _room(number: int, most: int) -> Structures:
    return Structures(
        np.empty(number, np.int64),
        np.empty((number, 4), np.int64),
        np.empty((number, most, 7)),
        np.empty((number, most + 1, 6)),
        np.empty((number, 7)),
    )


def _replaced(found: Structures, rows: dict[int, Structures]) -> Structures:
    """`found` with some rows from other searches, each of one network, in arrays as large as the largest needs."""
    most = max(kernel.MOST, *(int(row.counts[0, 0]) for row in rows.values()))
    result = _room(len(found.statuses), most)
    for e in range(len(found.statuses)):
        source, at = (rows[e], 0) if e in rows else (found, e)
        critical, root = source.counts[at, :2]
        result.statuses[e], result.counts[e] = source.statuses[at], source.counts[at]
        result.margins[e] = source.margins[at]
        result.criticals[e, :critical] = source.criticals[at, :critical]
        result.roots[e, :root] = source.roots[at, :root]
    return result


def _points(circuit: RankOneCircuit, rows: Structures, e: int, budget: int) -> SlowPoints:
    if rows.statuses[e] != kernel.DECIDED:
        return _by_balls(circuit, budget)
    critical, root, pieces, carried = (int(c) for c in rows.counts[e])
    error_value, error_slope = rows.margins[e, kernel.ERROR_VALUE], rows.margins[e, kernel.ERROR_SLOPE]
    found = rows.roots[e, :root].tolist()
    if found:
        # Beyond the outermost critical points f is monotone to infinity.
        found[0][kernel.LEFT], found[-1][kernel.RIGHT] = -math.inf, math.inf
    fixed_points = [_fixed_point_row(circuit, row) for row in found]
    bound = 0.0
    if critical:
        m, n, _ = circuit.weights
        bound = kernel.TANH_SECOND * float(np.abs(n) @ m**2) * (1 + 1e-9)
    ghosts = [
        _ghost(
            circuit,
            row[kernel.X],
            row[kernel.F],
            row[kernel.CURVE],
            (error_value, abs(row[kernel.SLOPE]) + error_slope, bound),
        )
        for row in rows.criticals[e, :critical].tolist()
        if row[kernel.F] * row[kernel.BEND] > 0
    ]
    return SlowPoints(
        fixed_points=tuple(fixed_points),
        ghosts=tuple(ghosts),
        complete=True,
        ghosts_complete=True,
        region=_EVERYWHERE,
        index_sum=_index_sum(fixed_points),
        cost=Cost(pieces, carried=bool(carried)),
        coordinates="latent",
    )


def _fixed_point_row(system: ScalarSystem, row: list[float]) -> FixedPoint:
    # Newton may land on −0.
    x, radius = row[kernel.X] + 0.0, row[kernel.RADIUS]
    alone = max(min(x - row[kernel.LEFT], row[kernel.RIGHT] - x) * (1 - 1e-9), radius)
    return _fixed_point(system, x, abs(row[kernel.F]), row[kernel.SLOPE], radius, alone)


def _fixed_point(
    system: ScalarSystem, x: float, residual: float, eigenvalue: float, radius: float, alone: float
) -> FixedPoint:
    """The record of a root at which f' has a proved sign."""
    eigenvalues = np.array([eigenvalue])
    stable, name = stability(eigenvalues, system.time, system.leak)
    return FixedPoint(
        x=np.array([x]),
        residual=residual,
        eigenvalues=eigenvalues,
        multipliers=_multipliers(system, eigenvalues),
        stable=stable,
        stability=name,
        degenerate=False,
        certificate=Certificate.EXISTS_UNIQUE,
        radius=radius,
        unique_radius=alone,
        time=system.time,
    )


def _multipliers(system: ScalarSystem, eigenvalues: Array) -> Array | None:
    return None if system.leak is None else 1 + system.leak * eigenvalues


def _ghost(system: ScalarSystem, x: float, f: float, curve: float, bounds: tuple[float, float, float]) -> Ghost:
    """The record of a minimum of |f| at `x`, with f'' = `curve`.

    `bounds`: on the error of `f`, on |f'(x)|, and on |f''| everywhere.
    """
    error, slope, bend = bounds
    z, duration, source = passage(system, x, f, 0.5 * curve)
    weight = math.sqrt(float(system.metric[0, 0]))
    radius = _root_free(abs(f) - error, slope, bend)
    return Ghost(
        x=np.array([x]),
        speed=abs(f) * weight,
        curvature=0.5 * abs(curve) * weight,
        direction=np.array([math.copysign(1.0, f)]),
        complex_point=None if z is None else np.array([z]),
        passage_time=duration,
        passage_from=source,
        certificate=Certificate.ROOT_FREE if radius > 0 else Certificate.UNDECIDED,
        radius=radius,
        undecided_because="" if radius > 0 else f"|f| = {abs(f):.3g} is not above its rounding error {error:.3g}",
        alignment=weight,
    )


def _root_free(value: float, slope: float, bend: float) -> float:
    """The positive zero of value − slope·ρ − ½·bend·ρ², rounded down: |f| > 0 within it."""
    if value <= 0:
        return 0.0
    scaled = math.hypot(slope, math.sqrt(2 * bend) * math.sqrt(value))
    return float(2 * value / (slope + scaled) * (1 - 1e-9)) if slope + scaled > 0 else math.inf


def _index_sum(points: Sequence[FixedPoint]) -> int | None:
    """Σ sign det(−J); None if a point is degenerate."""
    if any(point.degenerate for point in points):
        return None
    return sum(1 if point.eigenvalues[0] < 0 else -1 for point in points)


def _by_balls(system: ScalarSystem, budget: int) -> SlowPoints:
    line = Line(system)
    lower, upper = system.slow_interval()
    (below, _), (above, _) = system.end_signs()
    found = search_line(line, lower, upper, (below, above), budget=budget)
    fixed_points = tuple(_fixed_point_ball(line, root) for root in found.roots)
    ghosts = tuple(_ghosts(line, found))
    doubtful = [c for c in found.criticals if c.sign is None]
    because = "budget of evaluations" if found.exhausted else "precision limit"
    parts = sorted({*found.gaps, *((c.lower, c.upper) for c in doubtful)})
    unresolved = [Unresolved(np.array([a]), np.array([b]), because) for a, b in parts] + _beyond(lower, upper)
    all_roots = not doubtful and not _beyond(lower, upper)
    return SlowPoints(
        fixed_points=fixed_points,
        ghosts=ghosts,
        complete=all_roots and not any(root.because for root in found.roots),
        ghosts_complete=all_roots and not found.gaps,
        region=_EVERYWHERE,
        index_sum=_index_sum(fixed_points) if all_roots else None,
        unresolved=tuple(unresolved),
        status=Status.BUDGET if found.exhausted else Status.PRECISION if unresolved else Status.FINISHED,
        cost=Cost(0, ball_evaluations=found.evaluations),
        coordinates="latent" if isinstance(system, RankOneCircuit) else "state",
    )


def _beyond(lower: float, upper: float) -> list[Unresolved]:
    """The parts of the line that no float can reach, where slow points may be if the slow interval ends there."""
    ends = [(-math.inf, lower)] * (lower <= -_LARGEST) + [(upper, math.inf)] * (upper >= _LARGEST)
    return [Unresolved(np.array([a]), np.array([b]), "beyond the largest float") for a, b in ends]


def _fixed_point_ball(line: Line, root: Root) -> FixedPoint:
    system = line.system
    x = _nearest(root.lower, root.upper)
    radius = _outward(max(root.upper - x, x - root.lower))
    residual = _residual(line, x)
    slope = line.bounds(1, x)
    eigenvalue = 0.5 * slope[0] + 0.5 * slope[1]
    if root.degenerate or root.because:
        # An enclosure of f' that has one sign would contradict a critical point here.
        return FixedPoint(
            x=np.array([x]),
            residual=residual,
            eigenvalues=np.array([eigenvalue]),
            multipliers=_multipliers(system, np.array([eigenvalue])),
            stable=DEGENERATE.stable,
            stability=DEGENERATE.name,
            degenerate=True,
            certificate=Certificate.UNDECIDED,
            radius=radius,
            unique_radius=radius,
            undecided_because=root.because or "a double or triple root: f' is exactly 0, so it is not simple",
            time=system.time,
        )
    if not eigenvalue * root.slope > 0:
        # Next to a fold f' at the nearest float may round to the other sign; the proved one is the root's.
        eigenvalue = root.slope * max(abs(slope[0]), abs(slope[1]))
    alone = max(min(x - root.left, root.right - x) * (1 - 1e-9), radius)
    return _fixed_point(system, x, residual, eigenvalue, radius, alone)


def _residual(line: Line, x: float) -> float:
    """|f| at `x` as float64 evaluates it, or where that overflows a bound."""
    with np.errstate(over="ignore", invalid="ignore"):
        residual = abs(float(line.system.taylor(np.float64(x), 0)[0]))
    return residual if math.isfinite(residual) else max(abs(bound) for bound in line.bounds(0, x))


def _ghosts(line: Line, found: Structure) -> Iterator[Ghost]:
    for critical in found.criticals:
        if critical.sign and critical.turn and critical.sign == critical.turn:
            x = _nearest(critical.lower, critical.upper)
            low, high = line.bounds(0, x)
            slope = max(abs(bound) for bound in line.bounds(1, x))
            curve = math.fsum(line.bounds(2, x)) / 2
            bend = line.system.derivative_bounds(*line.system.slow_interval())[0]
            middle = 0.5 * (low + high)
            yield _ghost(line.system, x, middle, curve, (high - low, slope, bend))


def _nearest(lower: float, upper: float) -> float:
    """The middle of an enclosure, 0 where it holds 0."""
    return 0.0 if lower <= 0 <= upper else 0.5 * lower + 0.5 * upper


def _outward(radius: float) -> float:
    return math.nextafter(radius, math.inf) if radius > 0 else 0.0
