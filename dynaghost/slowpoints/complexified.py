"""A ghost is a pair of complex fixed points: where the pair is, and how long a trajectory takes to pass it."""

import cmath
import math

import numpy as np

from dynaghost.kernels.complex_points import newton_each
from dynaghost.slowpoints.records import PassageFrom
from dynaghost.systems.base import Array, ScalarSystem, System, Time
from dynaghost.systems.low_rank import RankOneCircuit

# Below so many roundings of the terms of f, |f| is too small for the evaluated f to have the pair's roots.
_NOISE = 256 * 2.0**-53
# Cosine of the angle within which an eigenvector is along the pair.
_SAME_DIRECTION = 0.9
_FEW = 32  # dimensions up to which all eigenvectors are looked at
_QUOTIENTS = 10  # steps of Rayleigh's quotient iteration
# Newton starts over so many octaves of the ghost's width, straight above it and to both sides.
_FAN = np.array([complex(side * y, y) for y in (1.0, 0.5, 0.25, 0.125) for side in (0.0, -0.5, 0.5)])


def pair_near(system: ScalarSystem, x: float, width: float) -> tuple[complex, complex] | None:
    """The complex fixed point z with Im z > 0 whose pair a ghost at `x` is, and the eigenvalue f'(z).

    Close to a saddle-node Newton from x + i·√(μ/a) converges to it at once. Where the minimum of the speed is flat, as
    just after it emerged, the quadratic picture misleads: so Newton starts from a fan of points above the ghost. Of
    the pairs within whose reach the ghost lies, |Re z − x| ≤ Im z, the one with the longest passage time is its own.

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
    found = [
        (z, eigenvalue) if z.imag > 0 else (z.conjugate(), eigenvalue.conjugate())
        for z, eigenvalue in _newton_each(system, x + width * _FAN, 3 * width * np.abs(_FAN))
        # A real fixed point is no pair, however its imaginary part was rounded; NaN has not converged.
        if abs(z.imag) > min(1e-6 * (1 + abs(z)), 0.01 * width) and eigenvalue != 0
    ]
    near = [pair for pair in found if abs(pair[0].real - x) <= pair[0].imag]
    return max(near, key=lambda pair: passage_time(pair[1], Time.FLOW, None), default=None)


def _newton_each(system: ScalarSystem, starts: Array, reaches: Array) -> list[tuple[complex, complex]]:
    """The point that Newton reaches from each start, and f' there; NaN where it reaches none."""
    if not isinstance(system, RankOneCircuit):
        return [_newton(system, z, reach) for z, reach in zip(starts.tolist(), reaches.tolist(), strict=True)]
    points, eigenvalues = np.empty_like(starts), np.empty_like(starts)
    newton_each(*system.weights, starts, reaches, points, eigenvalues)
    return list(zip(points.tolist(), eigenvalues.tolist(), strict=True))


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
    # A root of the evaluated f is noise then, and away from a cusp the quadratic estimate is all but exact.
    faint = isinstance(system, RankOneCircuit) and abs(value) < _NOISE * _size(system, x)
    found = None if faint else pair_near(system, x, math.sqrt(abs(value) / abs(curvature)))
    if found is None:
        estimate = estimated_passage_time(value, curvature, system.time, system.leak)
        return None, estimate, PassageFrom.ESTIMATE
    z, eigenvalue = found
    return z, passage_time(eigenvalue, system.time, system.leak), PassageFrom.PAIR


def _size(circuit: RankOneCircuit, x: float) -> float:
    """|κ| + Σ|nᵢ|, which bounds the terms of f."""
    return abs(x) + float(np.abs(circuit.weights[1]).sum())


def pair_beside(system: System, x: Array, direction: Array, width: float) -> tuple[Array, complex] | None:
    """`pair_near` in n dimensions: z with direction·Im z > 0, and the eigenvalue of J(z) in the direction of Im z.

    Newton starts over a fan in the plane of the ghost's direction and its imaginary multiple.

    Parameters
    ----------
    system : System
        `analytic`; otherwise there is no pair to look for.
    x : ndarray (dim,)
        The ghost.
    direction : ndarray (dim,)
        v, of length 1.
    width : float
        √(μ/a).

    Returns
    -------
    (ndarray (dim,) of complex, complex) or None
        None where Newton reaches no such point.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> pair_beside(SaddleNode(4.0), np.array([0.1]), np.array([1.0]), 2.0)
    (array([0.+2.j]), 4j)
    """
    if not system.analytic:
        return None
    best: tuple[float, Array, complex] | None = None
    for offset in width * _FAN:
        z = _newton_from(system, x + offset * direction, 3 * abs(offset))
        if z is None:
            continue
        z = z if direction @ z.imag > 0 else z.conj()
        height = float(np.linalg.norm(z.imag))
        flat = height <= min(1e-6 * (1 + float(np.linalg.norm(z))), 0.01 * width)
        if flat or np.linalg.norm(z.real - x) > height:
            continue
        eigenvalue = eigenvalue_along(system.jacobian(z), z.imag)
        duration = 0.0 if eigenvalue == 0 else passage_time(eigenvalue, Time.FLOW, None)
        if duration > 0 and (best is None or duration > best[0]):
            best = duration, z, eigenvalue
        if best is not None and offset == width * _FAN[0]:
            break  # where the quadratic picture holds, the rest of the fan leads to the same point
    return None if best is None else best[1:]


def _newton_from(system: System, z: Array, reach: float) -> Array | None:
    start = z
    for _ in range(60):
        try:
            move = np.linalg.solve(system.jacobian(z), system.f(z))
        except np.linalg.LinAlgError:
            return None
        z = z - move
        size = np.linalg.norm(move)
        if not np.linalg.norm(z - start) <= reach:
            return None
        if size <= 1e-14 * (1 + np.linalg.norm(z)):
            return z
    return None


def eigenvalue_along(J: Array, y: Array) -> complex:
    """The eigenvalue of J(z) in whose direction y = Im z lies, along which z and its conjugate part.

    Near the axis it is the one nearest 0. Farther away another one, of a unit that merely contracts, may be nearer:
    then the one whose vector is nearly along y counts, and where none is, the one nearest 0 after all.

    Parameters
    ----------
    J : ndarray (dim, dim) of complex
    y : ndarray (dim,)
        Not zero.

    Examples
    --------
    >>> eigenvalue_along(np.diag([1 + 2j, -0.5]), np.array([1.0, 0.1]))
    (1+2j)
    """
    y = y / np.linalg.norm(y)
    found = _nearest_zero(J, y)
    if found is not None and abs(np.vdot(found[1], y)) >= _SAME_DIRECTION:
        return found[0]
    if len(y) > _FEW:
        along_y = _by_quotient(J, y)
        return complex(found[0] if found is not None else _least(J)) if along_y is None else along_y
    # By the angle between y and each vector: shares of y in their basis mean nothing where many are nearly parallel.
    values, vectors = np.linalg.eig(J)
    along = np.abs(vectors.conj().T @ y)
    return complex(values[np.argmax(along) if along.max() >= _SAME_DIRECTION else np.argmin(np.abs(values))])


def _least(J: Array) -> complex:
    values = np.linalg.eigvals(J)
    return complex(values[np.argmin(np.abs(values))])


def _by_quotient(J: Array, y: Array) -> complex | None:
    """The eigenvalue to which Rayleigh's quotient iteration leads from y, if its vector is along y.

    All eigenvectors of a large J take eight times as long, and of 119 ghosts of 64 and 128 units told the same.
    """
    z, eigenvalue, size = y.astype(complex), complex(np.vdot(y, J @ y)), float(np.abs(J).max())
    for _ in range(_QUOTIENTS):
        try:
            new = np.linalg.solve(J - eigenvalue * np.eye(len(y)), z)
        except np.linalg.LinAlgError:
            return None
        z = new / np.linalg.norm(new)
        image = J @ z
        eigenvalue = complex(np.vdot(z, image))
        if np.linalg.norm(image - eigenvalue * z) <= 1e-12 * size:
            return eigenvalue if abs(np.vdot(z, y)) >= _SAME_DIRECTION else None
    return None


def _nearest_zero(J: Array, v: Array) -> tuple[complex, Array] | None:
    """The eigenvalue of J nearest 0 and its vector, by inverse iteration from v; None where that does not settle."""
    try:
        inverse = np.linalg.inv(J)
    except np.linalg.LinAlgError:
        return 0j, v
    z, eigenvalue = v.astype(complex), complex(np.nan)
    for _ in range(200):
        new = inverse @ z
        before, eigenvalue = eigenvalue, complex(np.vdot(new, z) / np.vdot(new, new))
        z = new / np.linalg.norm(new)
        if abs(eigenvalue - before) <= 1e-13 * abs(eigenvalue):
            return eigenvalue, z
    return None
