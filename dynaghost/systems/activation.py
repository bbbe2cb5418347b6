"""Taylor coefficients of tanh on floats, complex numbers and balls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FAR = 1e6


def tanh_taylor(u: Array, order: int) -> list[Array]:
    """[tanh u, sech² u, tanh''(u)/2!, …, tanh⁽ᵒʳᵈᵉʳ⁾(u)/order!], elementwise.

    From t' = 1 − t²: (k + 1)·c_{k+1} = −Σ cᵢ c_{k−i} for k ≥ 1. sech² keeps its relative accuracy in saturation,
    where 1 − tanh² has none left.

    Examples
    --------
    >>> [float(c) for c in tanh_taylor(np.float64(0.0), 3)]
    [0.0, 1.0, -0.0, -0.3333333333333333]
    """
    coefficients: list[Any] = [_tanh(u)]
    if order >= 1:
        coefficients.append(_sech2(u, coefficients[0]))
    for k in range(1, order):
        products = sum(coefficients[i] * coefficients[k - i] for i in range(k + 1))
        coefficients.append(-products / (k + 1))
    return coefficients


def _tanh(u: Array) -> Array:
    if u.dtype != object:
        return np.tanh(u)
    # A wide ball goes through its ends: tanh increases, and a ball's own tanh is useless once it is wide.
    return _each(u, lambda ball: ball.lower().tanh().union(ball.upper().tanh()))


def _sech2(u: Array, t: Array) -> Array:
    if u.dtype == object:
        return _each(u, _sech2_ball)
    if np.iscomplexobj(u):
        return (1 - t) * (1 + t)
    e = np.exp(-2 * np.abs(u))
    return 4 * e / (1 + e) ** 2


def _sech2_ball(ball: Any) -> Any:
    ends = _sech2_end(ball.lower()).union(_sech2_end(ball.upper()))
    return ends.union(ball * 0 + 1) if ball.contains(0) else ends


def _sech2_end(u: Any) -> Any:
    if abs(u) < _FAR:
        return 1 / u.cosh() ** 2
    # cosh would leave even a ball's range of exponents.
    most = 1 / (u * 0 + _FAR).cosh() ** 2
    return most.union(most * 0)


def _each(u: Array, function: Any) -> Array:
    result = np.empty(u.shape, dtype=object)
    for index in np.ndindex(u.shape):
        result[index] = function(u[index])
    return result
