"""A ghost is a pair of complex fixed points: where the pair is, and how long a trajectory takes to pass it."""

import cmath
import math

import numpy as np

from dynaghost.kernels.complex_points import newton
from dynaghost.slowpoints.records import PassageFrom
from dynaghost.systems.base import ScalarSystem, Time
from dynaghost.systems.low_rank import RankOneCircuit

# Where the cubic term is below this share of the quadratic one at the pair's distance, Newton from x + i·width is
# enough, if it ends within half a width of its start.
_QUADRATIC = 0.1
# Elsewhere starts are tried over so many octaves of the width, straight above the ghost and to both sides.
_OCTAVES, _SIDES = 4, (0.0, -0.5, 0.5)


def pair_near(system: ScalarSystem, x: float, width: float) -> tuple[complex, complex] | None:
    """The complex fixed point z with Im z > 0 whose pair a ghost at `x` is, and the eigenvalue f'(z).

    Close to a saddle-node Newton from x + i·√(μ/a) converges to it at once. Where the minimum of the speed is flat, as
    just after it emerged, the quadratic picture misleads: then Newton also starts from the complex roots of the Taylor
    polynomial of order 5 and from a fan of points above the ghost. Of the pairs within whose reach the ghost lies,
    |Re z − x| ≤ Im z, the one with the longest passage time is the ghost's.

    Parameters
    ----------
    system : ScalarSystem
    x : float
        The ghost.
    width : float
        √(μ/a), the half-width of its bottleneck.

    Returns
    -------
    (complex, complex) or None
        None where Newton reaches no such point.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> pair_near(SaddleNode(4.0), 0.1, 2.0)
    (2j, 4j)
    """
    start = complex(x, width)
    direct = _refined(system, start, x, width)
    coefficients = [float(c) for c in system.taylor(np.float64(x), 5)]
    quadratic = abs(coefficients[3]) * width <= _QUADRATIC * abs(coefficients[2])
    if quadratic and direct is not None and abs(direct[0] - start) <= 0.5 * width:
        return direct
    tried = [_refined(system, z, x, width) for z in _starts(coefficients, x, width)]
    found = [pair for pair in (direct, *tried) if pair is not None and abs(pair[0].real - x) <= pair[0].imag]
    return max(found, key=lambda pair: passage_time(pair[1], Time.FLOW, None), default=None)


def _starts(coefficients: list[float], x: float, width: float) -> list[complex]:
    starts = (
        [x + complex(root) for root in np.roots(coefficients[::-1]) if root.imag > 0] if _usable(coefficients) else []
    )
    heights = [width * 2.0**-k for k in range(_OCTAVES)]
    return starts + [complex(x + side * y, y) for y in heights for side in _SIDES]


def _usable(coefficients: list[float]) -> bool:
    return bool(np.all(np.isfinite(coefficients))) and coefficients[-1] != 0


def _refined(system: ScalarSystem, start: complex, x: float, width: float) -> tuple[complex, complex] | None:
    reach = 3 * max(abs(start - x), 1e-300)
    if isinstance(system, RankOneCircuit):
        z, eigenvalue = newton(*system.weights, start, reach)
    else:
        z, eigenvalue = _newton(system, start, reach)
    if math.isnan(z.real) or eigenvalue == 0:
        return None
    # A real fixed point is not a pair, however its imaginary part was rounded.
    if abs(z.imag) <= min(1e-6 * (1 + abs(z)), 0.01 * width):
        return None
    return (z, eigenvalue) if z.imag > 0 else (z.conjugate(), eigenvalue.conjugate())


def _newton(system: ScalarSystem, z: complex, reach: float) -> tuple[complex, complex]:
    start = z
    for _ in range(60):
        f, slope = (complex(c) for c in system.taylor(np.complex128(z), 1))
        if slope == 0 or abs(z - start) > reach:
            break
        move = f / slope
        z -= move
        if abs(move) <= 4e-16 * abs(z):
            return z, complex(system.taylor(np.complex128(z), 1)[1])
    return complex(math.nan, math.nan), complex(math.nan, math.nan)


def passage_time(eigenvalue: complex, time: Time, leak: float | None) -> float:
    """2π·|Im λ|/|λ|², a complex pair's share of ∫dx/f by residues; for a map with log(1 + leak·λ) in the place of λ.

    Parameters
    ----------
    eigenvalue : complex
        λ, the eigenvalue of J at the complex fixed point that is nearest 0; per τ.
    time : Time
    leak : float or None
        Needed for maps.

    Returns
    -------
    float
        In τ for a flow, in iterations for a map.

    Examples
    --------
    >>> round(passage_time(2j, Time.FLOW, None) / math.pi, 12)
    1.0
    """
    rate = eigenvalue if time is Time.FLOW else cmath.log(1 + (1.0 if leak is None else leak) * eigenvalue)
    size = abs(rate)
    return 2 * math.pi * (abs(rate.imag) / size) / size


def estimated_passage_time(value: float, curvature: float, time: Time, leak: float | None) -> float:
    """π/√(|f|·½|f''|), the quadratic estimate; a map's is that many τ divided by its leak."""
    estimate = math.pi / math.sqrt(abs(value)) / math.sqrt(abs(curvature))
    return estimate if time is Time.FLOW else estimate / (1.0 if leak is None else leak)


def passage(
    system: ScalarSystem, x: float, value: float, curvature: float
) -> tuple[complex | None, float, PassageFrom]:
    """The pair of a ghost at `x` with f = `value` and ½f'' = `curvature`, its passage time, and its source."""
    found = pair_near(system, x, math.sqrt(abs(value) / abs(curvature)))
    if found is None:
        estimate = estimated_passage_time(value, curvature, system.time, system.leak)
        return None, estimate, PassageFrom.ESTIMATE
    z, eigenvalue = found
    return z, passage_time(eigenvalue, system.time, system.leak), PassageFrom.PAIR
