"""Numbers with a proved bound on their error: a formula written in NumPy's arithmetic, evaluated on them, is proved.

Let u = 2⁻⁵³. For a float result each of +, −, · rounds by at most u times its size, · by 2⁻¹⁰⁷⁵ more where it
underflows. A sum of n products rounds, in any order and with or without fused steps, by at most nu/(1 − nu)·Σ|terms|
(and n·2⁻¹⁰⁷⁵). Elementary functions are those of `kernels.elementary`, whose error is proved; the C library's is not.
Bounds are sums of products of numbers ≥ 0: a relative rounding of a few u, paid by the factor `_GROW`, and `TINY` is
far above all that can underflow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynaghost.systems.activation import TANH_SECOND, Activation, Curve

Array = NDArray[Any]

UNIT = 2.0**-53
TINY = 2.0**-1000
_GROW = 1 + 2.0**-48

SIGMOID_SECOND = TANH_SECOND / 8
"""sup|σ''|, since σ(x) = ½ + ½ tanh(x/2)."""

# Relative errors in units of u, and what the tails lose: `elementary` states 6, 9 and 5, and 4e-304.
_TANH, _SECH2, _SIGMOID, _TAIL = 7 * UNIT, 10 * UNIT, 6 * UNIT, 1e-303

# artanh z = z·(1 + z²/3 + z⁴/5 + …) for |z| ≤ 1/3: the rest after 18 terms is below 2e-19.
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(18))


@dataclass(frozen=True, slots=True)
class Bounded:
    """Numbers known to lie within `rad` of `mid`, elementwise; floats mixed with them count as exact.

    Parameters
    ----------
    mid, rad : ndarray
        Of one shape, rad ≥ 0; mid is 0 where rad is ∞.

    Examples
    --------
    >>> third = Bounded(np.array([1 / 3]), np.array([1e-16]))
    >>> product = third * np.array([3.0])
    >>> bool(abs(product.mid[0] - 1) <= product.rad[0] < 1e-15)
    True
    """

    mid: Array
    rad: Array

    __array_ufunc__ = None  # a float array on the left leaves the operation to this class

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    def __getitem__(self, index: Any) -> "Bounded":
        return Bounded(self.mid[index], self.rad[index])

    def __neg__(self) -> "Bounded":
        return Bounded(-self.mid, self.rad)

    def __add__(self, other: Any) -> "Bounded":
        mid, rad = _parts(other)
        total = self.mid + mid
        return _bounded(total, self.rad + rad + UNIT * np.abs(total))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Bounded":
        return self + (-other)

    def __rsub__(self, other: Any) -> "Bounded":
        return (-self) + other

    def __mul__(self, other: Any) -> "Bounded":
        mid, rad = _parts(other)
        product = self.mid * mid
        return _bounded(product, np.abs(self.mid) * rad + self.rad * (np.abs(mid) + rad) + UNIT * np.abs(product))

    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> "Bounded":
        """Over the last axis; `other` is a matrix, a batch of them, or a `Coupling`."""
        other = getattr(other, "transposed", other)
        mid, rad = _parts(other)
        terms, size = self.mid.shape[-1], np.abs(self.mid)
        total = (self.rad + (terms + 2) * UNIT * size) @ np.abs(mid)
        if isinstance(other, Bounded):
            total = total + (size + self.rad) @ rad
        return _bounded(self.mid @ mid, total * (1 + (2 * terms + 8) * UNIT) + terms * TINY)

    def value_through(self, curve: Curve) -> "Bounded":
        """φ of it."""
        return _outside_in(*_VALUES[curve.kind](self.mid, self.rad, curve.negative_slope))

    def slope_through(self, curve: Curve) -> "Bounded":
        """φ' of it."""
        return _outside_in(*_SLOPES[curve.kind](self.mid, self.rad, curve.negative_slope))


def enclosure(function: Any, x: Array) -> tuple[Array, Array]:
    """`function` of a float array taken as exact: mid and rad of the result.

    Examples
    --------
    >>> mid, rad = enclosure(lambda x: x * x, np.array([0.1]))
    >>> bool(0 < rad[0] < 1e-17)
    True
    """
    x = np.asarray(x, dtype=float)
    with np.errstate(all="ignore"):
        result = function(Bounded(x, np.zeros_like(x)))
    return result.mid, result.rad


def _parts(other: Any) -> tuple[Any, Any]:
    return (other.mid, other.rad) if isinstance(other, Bounded) else (other, 0.0)


def _bounded(mid: Array, rad: Array) -> Bounded:
    return _outside_in(mid, rad * _GROW + TINY)


def _outside_in(mid: Array, rad: Array) -> Bounded:
    """What overflowed, or came of it, is anywhere."""
    unknown = ~(np.isfinite(mid) & np.isfinite(rad))
    if np.any(unknown):
        return Bounded(np.where(unknown, 0.0, mid), np.where(unknown, np.inf, rad))
    return Bounded(mid, rad)


def kernel_pair(kernel: Any, x: Array) -> tuple[Array, Array]:
    """The two arrays that a kernel of `kernels.activations` makes of `x`."""
    flat = np.ascontiguousarray(x, dtype=float).ravel()
    first, second = np.empty_like(flat), np.empty_like(flat)
    kernel(flat, first, second)
    return first.reshape(np.shape(x)), second.reshape(np.shape(x))


def tanh_pair(x: Array) -> tuple[Array, Array]:
    """tanh x and sech² x with the proved errors of `kernels.elementary`."""
    from dynaghost.kernels.activations import tanh_and_slope  # late: numba costs 0.4 s

    return kernel_pair(tanh_and_slope, x)


def sigmoid_pair(x: Array) -> tuple[Array, Array]:
    """σ(x) and σ(−x), likewise."""
    from dynaghost.kernels.activations import sigmoid_both_sides

    return kernel_pair(sigmoid_both_sides, x)


def _grown(slope: Array, r: Array, rate: float, most: float) -> Array:
    """sup of a slope s > 0 within r of where it was computed, if |s'/s| ≤ rate: s·e^(rate·r), e^y ≤ 1 + 2y to 1.25."""
    near = (slope * (1 + 16 * UNIT) + _TAIL) * (1 + 2 * rate * r)
    return np.where(rate * r <= 1.25, np.minimum(near, most), most)


def _tanh_value(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    t, s = tanh_pair(mid)
    rad = (_TANH * np.abs(t) + _times(r, _grown(s, r, 2.0, 1.0))) * _GROW + TINY
    return t, np.minimum(rad, (1 + np.abs(t)) * _GROW)


def _tanh_slope(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    # |tanh''| = 2|tanh|·sech² ≤ 2·sech².
    s = tanh_pair(mid)[1]
    steepest = np.minimum(2 * _grown(s, r, 2.0, 1.0), TANH_SECOND)
    return s, np.minimum((_SECH2 * s + _TAIL + _times(r, steepest)) * _GROW, 1.0 + s)


def _sigmoid_value(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    y, z = sigmoid_pair(mid)
    rad = (_SIGMOID * y + _TAIL + _times(r, _grown(y * z, r, 1.0, 0.25))) * _GROW
    return y, np.minimum(rad, 1.0 + y)


def _sigmoid_slope(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    # |σ''| = σ'·|1 − 2σ| ≤ σ'.
    y, z = sigmoid_pair(mid)
    s = y * z
    rise = np.minimum(SIGMOID_SECOND, _grown(s, r, 1.0, 0.25))
    return s, np.minimum((14 * UNIT * s + _TAIL + _times(r, rise)) * _GROW, 0.25 + s)


def _softplus_value(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    """max(u, 0) + log(1 + e^−|u|), the logarithm as 2 artanh z with z = s/(2 − s), s = σ(−|u|) ≤ ½, so z ≤ 1/3.

    s is known to 5u, z then to (4/3)·5u + 2u, artanh z to 1.09 times that; the series' first step rounds by u, the
    others by less than a tenth of it together, the product by u: below 13u.
    """
    s, y = sigmoid_pair(-np.abs(mid))
    z = s / (2 - s)
    w, series = z * z, np.full_like(z, _ARTANH[-1])
    for coefficient in _ARTANH[-2::-1]:
        series = w * series + coefficient
    tail = 2 * z * series
    value = np.maximum(mid, 0.0) + tail
    rise = _grown(np.where(mid > 0, y, s), r, 1.0, 1.0)
    return value, (14 * UNIT * tail + UNIT * value + _times(r, rise)) * _GROW + _TAIL


def _softplus_slope(mid: Array, r: Array, _: float) -> tuple[Array, Array]:
    return _sigmoid_value(mid, r, 0.0)


def _piece_value(mid: Array, r: Array, less: float) -> tuple[Array, Array]:
    value = np.where(mid > 0, mid, less * mid)
    return value, (max(1.0, abs(less)) * r + UNIT * np.abs(value)) * _GROW + TINY


def _piece_slope(mid: Array, r: Array, less: float) -> tuple[Array, Array]:
    slope = np.where(mid > 0, 1.0, less)
    crosses = np.abs(mid) <= r
    return np.where(crosses, 0.5 * (1 + less), slope), np.where(crosses, 0.5 * abs(1 - less) * _GROW + UNIT, 0.0)


def _times(r: Array, rise: Array) -> Array:
    """r·rise, ∞ where r is (0·∞ would be NaN)."""
    return np.where(np.isfinite(r), r * rise, np.inf)


_VALUES = {
    Activation.TANH: _tanh_value,
    Activation.SIGMOID: _sigmoid_value,
    Activation.SOFTPLUS: _softplus_value,
    Activation.RELU: _piece_value,
    Activation.LEAKY_RELU: _piece_value,
}
_SLOPES = {
    Activation.TANH: _tanh_slope,
    Activation.SIGMOID: _sigmoid_slope,
    Activation.SOFTPLUS: _softplus_slope,
    Activation.RELU: _piece_slope,
    Activation.LEAKY_RELU: _piece_slope,
}
