"""Affine forms: a formula in NumPy's arithmetic, enclosed over many boxes at once by a linear part and a small rest.

Over a box |y| ≤ r around a centre, a form says three things of a vector v(y), each with all rounding in it:

    v(y) ∈ A y + m ± e,        v(y) − v(y') ∈ (A ± D)(y − y'),        low ≤ v(y) ≤ high.

The first has an error of second order in r, and so has what a contractor makes of it; the second proves that a root is
alone. A function φ of a unit is linear up to its band φ(t) ∈ d·t + b ± β (`kernels.bands`), a product p·q up to
(p − m_p)(q − m_q).

Rounding: sums must have at most 100 terms here; they round by less than 102u·Σ|terms| < 1.2e-14·Σ|terms|. `_SLACK` of
the same sum covers it, together with the few roundings of the bounds themselves.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.systems.activation import Activation
from dynaghost.systems.base import Array
from dynaghost.systems.rounding import sigmoid_pair

_SLACK = 1e-13
_UP = 1 + 1e-12
_TINY = 1e-290


@dataclass(frozen=True, slots=True)
class Affine:
    """A vector v of k entries over E boxes of n variables.

    Parameters
    ----------
    slope : ndarray (E, k, n)
        A.
    spread : ndarray (E, k, n)
        D ≥ 0.
    mid, rad, low, high : ndarray (E, k)
        m, e ≥ 0, and bounds on v.
    reach : ndarray (E, 1, n)
        r.

    Examples
    --------
    >>> x = Affine.of(np.array([[0.0, 1.0]]), np.array([[0.1, 0.2]]))
    >>> product = x[..., :1] * x[..., 1:]
    >>> product.slope.tolist(), product.rad.round(6).tolist()
    ([[[1.0, 0.0]]], [[0.02]])
    """

    slope: Array
    spread: Array
    mid: Array
    rad: Array
    low: Array
    high: Array
    reach: Array

    __array_ufunc__ = None  # a float array on the left leaves the operation to this class

    @classmethod
    def of(cls, centre: Array, reach: Array) -> "Affine":
        """The variables themselves, on boxes centre ± reach, (E, n) each."""
        slope = np.broadcast_to(np.eye(centre.shape[1]), (*centre.shape, centre.shape[1]))
        low, high = np.nextafter(centre - reach, -np.inf), np.nextafter(centre + reach, np.inf)
        return cls(slope, np.zeros_like(slope), centre, np.zeros_like(centre), low, high, reach[:, None, :])

    def __getitem__(self, index: Any) -> "Affine":
        columns = index[-1]
        return Affine(**{name: getattr(self, name)[:, columns] for name in _ROWS}, reach=self.reach)

    def __neg__(self) -> "Affine":
        return Affine(-self.slope, self.spread, -self.mid, self.rad, -self.high, -self.low, self.reach)

    def __add__(self, other: Any) -> "Affine":
        if not isinstance(other, Affine):
            size = np.abs(self.mid) + np.abs(other)
            low, high = self.low + other, self.high + other
            return self._made(self.slope, self.spread, self.mid + other, self.rad, size, low, high)
        return self._made(
            self.slope + other.slope,
            self.spread + other.spread,
            self.mid + other.mid,
            self.rad + other.rad,
            np.abs(self.mid) + np.abs(other.mid),
            self.low + other.low,
            self.high + other.high,
            np.abs(self.slope) + np.abs(other.slope),
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Affine":
        return self + (-other)

    def __mul__(self, other: "Affine") -> "Affine":
        """p q = m_p m_q + m_p (q − m_q) + m_q (p − m_p) + (p − m_p)(q − m_q)."""
        p, q = self.mid[..., None], other.mid[..., None]
        p_off, q_off = self._off(), other._off()
        by_p, by_q = np.abs(p) + p_off[..., None], np.abs(q) + q_off[..., None]
        spread = p_off[..., None] * np.abs(other.slope) + by_p * other.spread
        spread = spread + q_off[..., None] * np.abs(self.slope) + by_q * self.spread
        corners = np.stack([a * b for a in (self.low, self.high) for b in (other.low, other.high)])
        return self._made(
            p * other.slope + q * self.slope,
            spread,
            self.mid * other.mid,
            np.abs(self.mid) * other.rad + np.abs(other.mid) * self.rad + p_off * q_off,
            np.abs(self.mid * other.mid),
            corners.min(axis=0),
            corners.max(axis=0),
            np.abs(p * other.slope) + np.abs(q * self.slope),
        )

    def __matmul__(self, coupling: Any) -> "Affine":
        """W v for a `Coupling` of W."""
        W, size = coupling.W, np.abs(coupling.W)
        middle, half = 0.5 * (self.low + self.high), 0.5 * (self.high - self.low)
        half = (half + _SLACK * np.abs(middle)) @ size.T * _UP
        total = middle @ W.T
        return self._made(
            W @ self.slope,
            size @ self.spread,
            self.mid @ W.T,
            self.rad @ size.T,
            np.abs(self.mid) @ size.T,
            total - half,
            total + half,
            size @ np.abs(self.slope),
        )

    def value_through(self, curve: Any) -> "Affine":
        """φ of it, for tanh, σ and eᵗ (a curve without a `kind`)."""
        kind = getattr(curve, "kind", None)
        bands = {Activation.TANH: _tanh_bands, Activation.SIGMOID: _sigmoid_bands, None: _odds_bands}
        d, middle, half, secant, low, high = bands[kind](self.low, self.high)
        slope = d[..., None] * self.slope
        spread = secant[..., None] * np.abs(self.slope) + (d + secant)[..., None] * self.spread
        size = np.abs(d * self.mid) + np.abs(middle)
        return self._made(slope, spread, d * self.mid + middle, d * self.rad + half, size, low, high)

    def joined(self, parts: "list[Affine]") -> "Affine":
        """Parts of one vector put together."""
        rows = {name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in _ROWS}
        return Affine(**rows, reach=self.reach)

    def _off(self) -> Array:
        """How far v is from m at most."""
        return np.maximum(self.high - self.mid, self.mid - self.low) * _UP + _TINY

    def _made(
        self,
        slope: Array,
        spread: Array,
        mid: Array,
        rad: Array,
        size: Array,
        low: Array,
        high: Array,
        size_of_slope: Array | None = None,
    ) -> "Affine":
        """The form with the rounding of what was summed, whose terms' sizes are given; bounds from both views of it."""
        steep = np.abs(slope) if size_of_slope is None else size_of_slope
        moved = (steep * self.reach).sum(axis=-1)
        rad = rad * _UP + _SLACK * (size + moved) + _TINY
        spread = spread * _UP + _SLACK * steep + _TINY
        half = ((np.abs(slope) * self.reach).sum(axis=-1) + rad) * _UP + _SLACK * np.abs(mid)
        low = np.maximum(low - _SLACK * np.abs(low) - _TINY, mid - half)
        high = np.minimum(high + _SLACK * np.abs(high) + _TINY, mid + half)
        return Affine(slope, spread, mid, rad, low, high, self.reach)


_ROWS = ("slope", "spread", "mid", "rad", "low", "high")


def _tanh_bands(low: Array, high: Array) -> tuple[Array, ...]:
    """d, b, β, a bound on |slopes of secants − d|, and the range, elementwise."""
    from dynaghost.kernels.bands import tanh_bands  # late: numba costs 0.4 s

    ends = [np.ascontiguousarray(end).ravel() for end in (low, high)]
    out = np.empty((6, ends[0].size))
    arguments: Any = (*ends, *out, np.empty((8, ends[0].size)))
    tanh_bands(*arguments)
    return tuple(part.reshape(low.shape) for part in out)


def _sigmoid_bands(low: Array, high: Array) -> tuple[Array, ...]:
    """From σ(t) = ½ + ½ tanh(t/2)."""
    d, middle, half, secant, least, most = _tanh_bands(0.5 * low, 0.5 * high)
    up, down = 0.5 + 0.5 * most + 1e-16, np.maximum(0.5 + 0.5 * least - 1e-16, 0.0)
    return 0.25 * d, 0.5 + 0.5 * middle, 0.5 * half + 2e-16, 0.25 * secant, down, up


def _odds_bands(low: Array, high: Array) -> tuple[Array, ...]:
    """Of eᵗ = σ(t)/σ(−t): the chord above it, and below it the tangent where it is about as steep as the chord."""
    (first, last), width = (_exponential(end) for end in (low, high)), high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.where(width > 0, (last - first) / width, first)
        touch = np.clip(np.log(np.maximum(d, 1e-300)), low, high)
    tangent = _exponential(touch)
    size = last * (1 + np.maximum(np.abs(low), np.abs(high))) + d * np.maximum(np.abs(low), np.abs(high))
    above = np.maximum(first - d * low, last - d * high) + _SLACK * size
    below = tangent * (1 - touch) + np.minimum((tangent - d) * low, (tangent - d) * high) - _SLACK * size
    secant = np.maximum(last - d, d - first) * _UP + _SLACK * last
    return d, 0.5 * (above + below), 0.5 * (above - below) + _SLACK * size, secant, first * (1 - _SLACK), last * _UP


def _exponential(t: Array) -> Array:
    y, z = sigmoid_pair(t)
    return y / z
