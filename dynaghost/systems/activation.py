"""Activations φ with φ' and φ'' on floats, complex numbers and balls; Taylor coefficients of tanh."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TANH_SECOND = 0.7698003589195011
"""sup|tanh''| = 4/(3√3), at ±`TANH_STEEPEST`, rounded up."""

TANH_STEEPEST = 0.6584789484624084
"""artanh(1/√3), where |tanh''| is largest: it rises before and falls beyond."""

_FAR = 1e6


class Activation(StrEnum):
    """φ: tanh u, 1/(1 + e⁻ᵘ), log(1 + eᵘ), max(u, 0), or u and negative_slope·u."""

    TANH = "tanh"
    SIGMOID = "sigmoid"
    SOFTPLUS = "softplus"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"

    @property
    def piecewise(self) -> bool:
        """Whether φ is linear but for a kink at 0."""
        return self in (Activation.RELU, Activation.LEAKY_RELU)


@dataclass(frozen=True, slots=True)
class Curve:
    """One activation on any kind of number: `curve(u)` is φ(u), `curve.slope(u)` φ'(u), `curve.bend(u)` φ''(u).

    Float and complex arrays and object arrays of balls are evaluated here; a type that carries more than a value
    (bounds, derivatives) says by its methods `value_through` and `slope_through` what φ makes of it.

    Parameters
    ----------
    kind : Activation
    negative_slope : float
        Of a leaky ReLU for u < 0.

    Examples
    --------
    >>> sigmoid = Curve(Activation.SIGMOID)
    >>> float(sigmoid(np.float64(0.0))), float(sigmoid.slope(np.float64(0.0))), float(sigmoid.bend(np.float64(0.0)))
    (0.5, 0.25, 0.0)
    """

    kind: Activation
    negative_slope: float = 0.0

    def __call__(self, u: Any) -> Any:
        if hasattr(u, "value_through"):
            return u.value_through(self)
        if self.kind is Activation.TANH:
            return _tanh(u)
        if self.kind is Activation.SIGMOID:
            return _sigmoid(u)
        return _softplus(u) if self.kind is Activation.SOFTPLUS else u * self._piece(u)

    def slope(self, u: Any) -> Any:
        if hasattr(u, "slope_through"):
            return u.slope_through(self)
        if self.kind is Activation.TANH:
            return tanh_taylor(u, 1)[1]
        if self.kind is Activation.SIGMOID:
            return _sigmoid(u) * _sigmoid(-u)
        return _sigmoid(u) if self.kind is Activation.SOFTPLUS else self._piece(u)

    def bend(self, u: Any) -> Any:
        """φ''(u); 0 at a kink too, where there is none."""
        if self.kind is Activation.TANH:
            return 2 * tanh_taylor(u, 2)[2]
        if self.kind.piecewise:
            return u * 0
        y, z = _sigmoid(u), _sigmoid(-u)
        return y * z * (z - y) if self.kind is Activation.SIGMOID else y * z

    def _piece(self, u: Any) -> Any:
        """The slope of the linear piece; both slopes' hull for a ball across 0."""
        if u.dtype != object:
            return np.where(np.real(u) > 0, 1.0, self.negative_slope)
        return _each(u, self._piece_of_ball)

    def _piece_of_ball(self, u: Any) -> Any:
        right, left = u * 0 + 1.0, u * 0 + self.negative_slope
        return right if u > 0 else left if u < 0 else right.union(left)


TANH, SIGMOID = Curve(Activation.TANH), Curve(Activation.SIGMOID)


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


def _sigmoid(u: Array) -> Array:
    if u.dtype == object:
        return _each(u, lambda ball: _sigmoid_end(ball.lower()).union(_sigmoid_end(ball.upper())))
    right = np.real(u) >= 0
    e = np.exp(np.where(right, -u, u))
    return np.where(right, 1.0, e) / (1 + e)


def _sigmoid_end(x: Any) -> Any:
    return 1 / (1 + (-x).exp()) if x > 0 else x.exp() / (1 + x.exp())


def _softplus(u: Array) -> Array:
    if u.dtype == object:
        return _each(u, lambda ball: _softplus_end(ball.lower()).union(_softplus_end(ball.upper())))
    right = np.real(u) >= 0
    return np.where(right, u, 0.0) + np.log1p(np.exp(np.where(right, -u, u)))


def _softplus_end(x: Any) -> Any:
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


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
