"""A fixed point of an LSTM layer by a curve: from strong extra forgetting, where it is the only one, to none; or from
one under another input.

Pseudo-arclength in (y, s), ε = eˢ, as for lines (`tracking`), with the equations of `systems.forgetting`.
"""

import numpy as np

from dynaghost.kernels.linear import solve_each
from dynaghost.systems.base import Array
from dynaghost.systems.forgetting import Changing, Forgetting
from dynaghost.systems.gated import LSTM

_FROM, _TO = 5.0, -40.0  # s where the curve begins, and where ε is below the rounding of any gate that matters
_FIRST_STEP, _MOST_STEP, _LEAST_STEP = 0.1, 2.0, 1e-9
_LANDING = 0.02  # steps beyond the end of a curve are no longer
_STRAIGHT, _CLOSE = 0.9, 1e-4  # cosine between tangents; a last correction, in steps


def by_forgetting(system: LSTM, most: int) -> tuple[Array | None, int]:
    """A fixed point of one layer, (h, c), not yet polished; None where the curve is not through after `most` steps.

    Returns
    -------
    (ndarray (dim,) or None, int)
        And the Jacobians evaluated.

    Examples
    --------
    >>> unit = LSTM([[0.0], [0.0], [2.0], [0.0]], bias_hh=[0.0, 20.0, 1.0, 0.0])
    >>> state, evaluations = by_forgetting(unit, 1000)
    >>> bool(np.linalg.norm(unit.f(state)) < 1e-9)
    True
    """
    layer = Forgetting(system.cells[0], system.drive)
    y, spent = _along(layer, _beginning(layer), _TO, most)
    return None if y is None else layer.state(_settled(layer, y, -np.inf)), spent


def by_input(before: LSTM, state: Array, after: LSTM, most: int) -> tuple[Array | None, int]:
    """The fixed point of a layer to which one under another input leads, as the drive goes from the one to the other.

    Examples
    --------
    >>> weights = [[0.0], [0.0], [2.0], [0.0]]
    >>> before, after = (LSTM(weights, bias_ih=[0.0, 20.0, b, 0.0]) for b in (1.0, 2.0))
    >>> state, _ = by_input(before, by_forgetting(before, 1000)[0], after, 1000)
    >>> bool(np.linalg.norm(after.f(state)) < 1e-9)
    True
    """
    layer = Changing(before.cells[0], before.drive, after.drive)
    y, spent = _along(layer, np.append(layer.coordinates(state), 0.0), 1.0, most)
    return None if y is None else layer.state(_settled(layer, y, 1.0)), spent


def _along(layer: Forgetting, point: Array, end: float, most: int) -> tuple[Array | None, int]:
    """y where the curve from `point` = (y, s) first has s beyond `end`, and the Jacobians evaluated; None else."""
    _, J, by_s = layer.at(point[:-1], float(point[-1]))
    way, length, spent = np.sign(end - point[-1]), _FIRST_STEP, 1
    tangent = way * np.append(_solve(J, by_s), 1.0)
    tangent /= np.linalg.norm(tangent)
    while spent < most and length >= _LEAST_STEP:
        new, turned, count = _step(layer, point, tangent, length)
        spent += count
        if new is None or not turned @ tangent > _STRAIGHT:
            length *= 0.4
            continue
        if way * (new[-1] - end) > 0:
            share = (end - point[-1]) / (new[-1] - point[-1])
            if (1 - share) * length <= _LANDING:
                return point[:-1] + share * (new - point)[:-1], spent
            length = length * share + 0.5 * _LANDING
            continue
        point, tangent, length = new, turned, min(1.6 * length, _MOST_STEP)
    return None, spent


def _beginning(layer: Forgetting) -> Array:
    """The fixed point with ε = e⁵, next to 0."""
    y = np.zeros(2 * layer.units)
    for _ in range(20):
        y = y + _solve(*layer.at(y, _FROM)[1::-1])
    return np.append(y, _FROM)


def _solve(J: Array, value: Array) -> Array:
    """−J⁻¹·value; NaN where J is singular."""
    A, right, solved = J[None].copy(), -value[None, :, None], np.empty(1, bool)
    solve_each(A, right, solved)
    return right[0, :, 0] if solved[0] else np.full_like(value, np.nan)


def _step(layer: Forgetting, point: Array, tangent: Array, length: float) -> tuple[Array | None, Array, int]:
    """The point a step along the tangent, corrected at right angles to it, or None; the tangent there; Jacobians."""
    new, size = point + length * tangent, len(point)
    for k in range(4):
        value, J, by_s = layer.at(new[:-1], float(new[-1]))
        A, right, solved = np.empty((1, size, size)), np.zeros((1, size, 2)), np.empty(1, bool)
        A[0, :-1, :-1], A[0, :-1, -1], A[0, -1] = J, by_s, tangent
        right[0, :-1, 0], right[0, -1, 1] = -value, 1.0
        solve_each(A, right, solved)
        move, turned = right[0].T
        if not (solved[0] and np.all(np.isfinite(right))) or np.linalg.norm(move) > 0.5 * length:
            return None, tangent, k + 1
        new = new + move
        if np.linalg.norm(move) <= _CLOSE * length:
            return new, turned / np.linalg.norm(turned), k + 1
    return None, tangent, 4


def _settled(layer: Forgetting, y: Array, s: float) -> Array:
    """The fixed point at the end of a curve, by Newton from next to it."""
    for _ in range(8):
        moved = y + _solve(*layer.at(y, s)[1::-1])
        if not np.all(np.isfinite(moved)):
            break
        y = moved
    return y
