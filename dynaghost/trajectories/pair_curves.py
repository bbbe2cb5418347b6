"""Complex fixed points z(s) along the line between two checkpoints: the identity of ghosts."""

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.straight import Line

_CONTRACTION, _UNACCOUNTED = 0.15, 0.25
_CLOSE = 1e-11
_SHORTEST = 2.0**-14
# Distance from a saddle-node, as a share of the way that follows, at which the pair it leaves is looked up.
_ASIDE = 1e-4
# Distance, as a share of the distance to the axis, within which two pairs are one: of one, Newton's limits agree to
# many more digits, and its mirror image is two of these distances away.
_SAME = 1e-5


def follow_pair(line: Line, z: Array, start: float, end: float) -> tuple[Array, float]:
    """The complex fixed point `z`, (n,), of s = `start`, followed towards s = `end`.

    Returns
    -------
    z : ndarray (n,) of complex
    s : float
        How far it was followed; near a saddle-node, where the pair meets its mirror image, it stops short of `end`.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> z, s = follow_pair(Line(SaddleNode(1.0), SaddleNode(4.0)), np.array([1j]), 0.0, 1.0)
    >>> z.round(12).tolist(), s
    ([2j], 1.0)
    """
    s, ds = start, end - start
    slope = _slope(line, z, s)
    while slope is not None and s != end:
        if abs(ds) < _SHORTEST * abs(end - start):
            break
        target = end if abs(ds) >= abs(end - s) else s + ds
        found = _step(line, (z, s, slope), target)
        if found is None:
            ds = (target - s) / 3
        else:
            z, slope = found
            s, ds = target, 2 * ds
    return z, s


def _step(line: Line, here: tuple[Array, float, Array], s: float) -> tuple[Array, Array] | None:
    """The point at `s` and dz/ds there; None if the step is not to be believed."""
    z, at, slope = here
    predicted = z + (s - at) * slope
    y, last, size = predicted.copy(), np.inf, 1 + float(np.linalg.norm(z))
    system = line.at(s)
    for _ in range(10):
        try:
            step = np.linalg.solve(system.jacobian(y), -system.f(y))
        except np.linalg.LinAlgError:
            return None
        y = y + step
        length = float(np.linalg.norm(step))
        ratio = length / last
        if not (np.isfinite(length) and (ratio <= _CONTRACTION or length <= _CLOSE * size)):
            return None
        if length <= _CLOSE * size or (np.isfinite(last) and length * ratio**2 <= _CLOSE * size):
            break
        last = length
    else:
        return None
    new = _slope(line, y, s)
    if new is None:
        return None
    unaccounted = np.linalg.norm(y - z - 0.5 * (s - at) * (slope + new))
    return (y, new) if unaccounted <= _UNACCOUNTED * np.linalg.norm(y - predicted) + 1e-7 * size else None


def _slope(line: Line, z: Array, s: float) -> Array | None:
    try:
        found = np.linalg.solve(line.at(s).jacobian(z), -line.velocity(z, s))
    except np.linalg.LinAlgError:
        return None
    return found if np.all(np.isfinite(found)) else None


def beside_fold(line: Line, at: tuple[Array, float], form: tuple[Array, float, float], end: float) -> Array | None:
    """The pair that a saddle-node leaves, `end` being on the side on which it is complex, followed to there.

    Parameters
    ----------
    line : Line
    at : (ndarray (n,), float)
        x and s of the saddle-node.
    form : (ndarray (n,), float, float)
        Null vector v, drive and quadratic coefficient of its normal form.
    end : float

    Returns
    -------
    ndarray (n,) of complex, or None
        z with v·Im z > 0 near the saddle-node; None where it could not be followed.
    """
    (x, s), (v, drive, quadratic) = at, form
    for aside in (_ASIDE, 1e-2 * _ASIDE):
        ds = aside * (end - s)
        squared = drive * ds / quadratic if quadratic else 0.0
        if squared <= 0:
            return None
        height = float(np.sqrt(squared))
        z = _newton(line, x + 1j * height * v, s + ds)
        if z is None or abs(float(v @ z.imag) / height - 1) > 0.5:
            continue
        z, reached = follow_pair(line, z, s + ds, end)
        if reached == end:
            return z
    return None


def _newton(line: Line, z: Array, s: float) -> Array | None:
    system = line.at(s)
    for _ in range(12):
        try:
            step = np.linalg.solve(system.jacobian(z), -system.f(z))
        except np.linalg.LinAlgError:
            return None
        z = z + step
        if np.linalg.norm(step) <= 1e-12 * (1 + np.linalg.norm(z)):
            return z
    return None


def same_pair(one: Array, other: Array) -> bool:
    """Whether two complex points are one, or mirror images of each other.

    Examples
    --------
    >>> same_pair(np.array([1 + 1j]), np.array([1 - 1j])), same_pair(np.array([1 + 1j]), np.array([1.1 + 1j]))
    (True, False)
    """
    height = min(float(np.linalg.norm(one.imag)), float(np.linalg.norm(other.imag)))
    distance = min(float(np.linalg.norm(one - other)), float(np.linalg.norm(one - other.conj())))
    return distance <= _SAME * height
