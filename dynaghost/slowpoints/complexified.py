"""A ghost is a pair of complex fixed points: where the pair is, and how long a trajectory takes to pass it."""

import cmath
import math

import numpy as np

from dynaghost.kernels.complex_points import newton
from dynaghost.slowpoints.records import PassageFrom
from dynaghost.systems.base import ScalarSystem, Time
from dynaghost.systems.low_rank import RankOneCircuit

# A pair belongs to a ghost if Newton finds it within so many of the ghost's own widths √(μ/a).
_NEAR = 3.0


def pair_near(system: ScalarSystem, x: float, width: float) -> tuple[complex, complex] | None:
    """The complex fixed point z with Im z > 0 near a ghost at `x`, and the eigenvalue f'(z); None if Newton fails.

    Parameters
    ----------
    system : ScalarSystem
    x : float
        The ghost.
    width : float
        √(μ/a), the half-width of its bottleneck; Newton starts at x + i·width.

    Returns
    -------
    (complex, complex) or None

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> pair_near(SaddleNode(4.0), 0.1, 2.0)
    (2j, 4j)
    """
    start = complex(x, width)
    if isinstance(system, RankOneCircuit):
        z, eigenvalue = newton(*system.weights, start, _NEAR * width)
    else:
        z, eigenvalue = _newton(system, start, _NEAR * width)
    if math.isnan(z.real) or z.imag == 0:
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
