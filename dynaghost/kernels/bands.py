"""Bands: φ(t) ∈ d·t + [low, high] for every t of an interval, with proved ends, for tanh and softplus.

Any slope d in [0, 1] gives a valid band; the ones chosen here are those of least width. φ is evaluated to a relative 6u
(tanh), 9u (sech²), 5u (sigmoid) and `SOFTPLUS_ULP`·u (softplus), u = 2⁻⁵³; every band is widened by `SLACK` times the
magnitudes that were rounded, which is more than all its roundings together.

**tanh.** Upwards on [a, b]: tanh t − d·t is convex for t ≤ 0, so its maximum there is at an end; for t ≥ 0 it is
concave and lies below each of its tangents, so that with any t₀ ≥ 0, T₀ = tanh t₀ and S₀ = sech² t₀

    tanh t − d·t ≤ T₀ − d·t₀ + (S₀ − d)(t − t₀)          (t ≥ 0).

t₀ = atanh √(1 − d) makes the last term vanish; what rounding leaves of it is bounded at the ends, so no error bound of
a logarithm is needed. Downwards the same with t → −t.
The slope: where the interval does not cross 0, the chord's. Across 0 the chord's too if the end nearer to 0 is nearer
than the point where the tangent from the far end touches tanh; else the slope of that tangent, and the band is then
symmetric: all of tanh on [−b, b] lies between the two parallel tangents.
Intervals are mirrored so that b is the far end: one tangent bounds from above. On the other side of 0 the bound from
below is the same tangent's, mirrored, or that of the tangent at the near end.

**softplus.** s(t) = log(1 + eᵗ) is convex: s(t) − d·t has its maximum at an end, and with any t₀ it is at least
s(t₀) − d·t₀ + (σ(t₀) − d)(t − t₀). The slope is the chord's.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, sigmoid, tanh_sech2, tanh_sech2_into
from dynaghost.kernels.inner import JIT

TANH, SOFTPLUS = 0, 1
U = 2.0**-53
SLACK = 48.0 * U
SOFTPLUS_ULP = 14.0
"""|softplus(x) − true| ≤ SOFTPLUS_ULP·u·true + 1e-300 for |x| ≤ 1e100."""

_CELLS = 256
_LN2 = 0.6931471805599453


def _touching_points() -> np.ndarray:
    """t₀ > 0 with tanh b + tanh t₀ = sech²t₀·(b + t₀), for b = z/(1 − z), z = 0, 1/256, …: by bisection.

    Where it is a little off, the band is a little wider than the best; it is never wrong.
    """
    z = np.arange(_CELLS) / _CELLS
    b = z / (1.0 - z)
    low, high = np.zeros(_CELLS), b.copy()
    for _ in range(60):
        t = 0.5 * (low + high)
        before = np.tanh(b) + np.tanh(t) < (1.0 - np.tanh(t) ** 2) * (b + t)
        low, high = np.where(before, t, low), np.where(before, high, t)
    return np.append(0.5 * (low + high), 0.5 * (low[-1] + high[-1]) + 0.35)


_TOUCH = _touching_points()
# 1/(2k + 1): atanh z = z·Σ z²ᵏ/(2k + 1).
_ATANH = tuple(1.0 / (2 * k + 1) for k in range(10))


@njit(error_model="numpy", forceinline=True)
def _crest(d):
    """About atanh √(1 − d), to 1e-9: half the logarithm of (1 + √(1 − d))²/d, by exponent and series."""
    root = 1.0 + math.sqrt(1.0 - d)
    y = root * root / max(d, 1e-300)
    bits = np.float64(y).view(np.int64)
    exponent = (bits >> 52) - 1023
    mantissa = np.int64((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    w = z * z
    series = _ATANH[9]
    for k in (8, 7, 6, 5, 4, 3, 2, 1, 0):
        series = fma(series, w, _ATANH[k])
    return z * series + 0.5 * _LN2 * exponent


@JIT
def _mirror(lower, upper, a, b):
    """(a, b) = ±[lower, upper], mirrored where needed so that b is the end that is farther from 0, b ≥ 0."""
    for i in range(a.size):
        flip = -lower[i] > upper[i]
        a[i] = -upper[i] if flip else lower[i]
        b[i] = -lower[i] if flip else upper[i]


@JIT
def _slopes(a, b, ta, tb, sb, d, t0):
    """The slope of each band, and the t₀ of its tangent; d = 2 says that the slope is the tangent's."""
    for i in range(a.size):
        width = b[i] - a[i]
        chord = (tb[i] - ta[i]) / width if width > 0.0 else sb[i]
        chord = min(max(chord, 0.0), 1.0)
        z = _CELLS * b[i] / (1.0 + b[i])
        cell = np.int64(min(z, _CELLS - 1.0))
        touch = _TOUCH[cell] + (z - cell) * (_TOUCH[cell + 1] - _TOUCH[cell])
        tangent = touch < -a[i]
        d[i] = 2.0 if tangent else chord
        t0[i] = min(touch if tangent else max(_crest(chord), a[i]), b[i])


@njit(error_model="numpy", forceinline=True)
def _tangent_bound(d, t0, T0, S0, start, end):
    """An upper bound on tanh t − d·t over 0 ≤ start ≤ t ≤ end from the tangent at t0, but for the slack."""
    k = S0 - d
    return fma(-d, t0, T0) + max(0.0, max(k * (end - t0), k * (start - t0))) + 12.0 * U * S0 * (end - start)


@JIT
def _rests(a, b, ta, tb, sa, t0, T0, S0, d, low, high):
    """d, low and high of the (mirrored) bands, for d as `_slopes` leaves it."""
    for i in range(a.size):
        crosses = a[i] < 0.0
        slope = S0[i] if d[i] > 1.0 else d[i]
        first, last = fma(-slope, a[i], ta[i]), fma(-slope, b[i], tb[i])
        top = _tangent_bound(slope, t0[i], T0[i], S0[i], max(a[i], 0.0), b[i])
        # On the other side of 0: from the same tangent, mirrored, or from the one at the near end.
        near = _tangent_bound(slope, -a[i], -ta[i], sa[i], 0.0, -a[i])
        under = top if d[i] > 1.0 else near
        slack = SLACK * (tb[i] + slope * b[i]) + 1e-300
        high[i] = max(max(first, last), top) + slack
        low[i] = (min(min(first, last), -under) if crosses else min(first, last)) - slack
        d[i] = slope


@JIT
def _ranges(lower, upper, ta, tb, sa, sb, d, low, high, middle, reach):
    """Turn the bands back, as middle ± reach; ta, tb become ends of the range of tanh, and sa that of |sech² − d|."""
    for i in range(lower.size):
        flip = -lower[i] > upper[i]
        below, above = (-high[i] if flip else low[i]), (-low[i] if flip else high[i])
        middle[i] = 0.5 * (below + above)
        reach[i] = 0.5 * (above - below) + 4.0 * U * (abs(below) + abs(above))
        x_low, x_high = (-tb[i] if flip else ta[i]), (-ta[i] if flip else tb[i])
        s_high = 1.0 if lower[i] < 0.0 < upper[i] else max(sa[i], sb[i])
        s_low = min(sa[i], sb[i])
        ta[i] = max(x_low - 8.0 * U * abs(x_low) - 1e-300, -1.0)
        tb[i] = min(x_high + 8.0 * U * abs(x_high) + 1e-300, 1.0)
        sa[i] = max(s_high - d[i], d[i] - s_low) + 16.0 * U * (s_high + d[i]) + 1e-300


@njit(error_model="numpy", cache=True)
def tanh_bands(lower, upper, d, middle, reach, secant, x_low, x_high, scratch):
    """Bands of tanh over many intervals [lower, upper], ends finite, lower ≤ upper.

    Parameters
    ----------
    lower, upper : (size,) float64 arrays, contiguous
    d, middle, reach : (size,) float64 arrays, contiguous
        Overwritten: tanh t ∈ d·t + middle ± reach.
    secant : (size,) float64 array, contiguous
        Overwritten: |sech²t − d| ≤ secant, and so for slopes of secants.
    x_low, x_high : (size,) float64 arrays, contiguous
        Overwritten: x_low ≤ tanh t ≤ x_high.
    scratch : (8, size) float64 array, contiguous

    Examples
    --------
    >>> (lower, upper), out = np.array([[-1.0, 0.5], [2.0, 0.7]]), np.empty((6, 2))
    >>> tanh_bands(lower, upper, *out, np.empty((8, 2)))
    >>> t = np.linspace(lower, upper)
    >>> bool(np.all(np.abs(np.tanh(t) - out[0] * t - out[1]) <= out[2]))
    True
    """
    a, b, sb, t0, T0, S0, low, high = (
        scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6], scratch[7],
    )  # fmt: skip
    _mirror(lower, upper, a, b)
    tanh_sech2_into(a, x_low, secant)
    tanh_sech2_into(b, x_high, sb)
    _slopes(a, b, x_low, x_high, sb, d, t0)
    tanh_sech2_into(t0, T0, S0)
    _rests(a, b, x_low, x_high, secant, t0, T0, S0, d, low, high)
    _ranges(lower, upper, x_low, x_high, secant, sb, d, low, high, middle, reach)


@njit(error_model="numpy", cache=True)
def softplus(x):
    """log(1 + eˣ), to `SOFTPLUS_ULP`·u relative: max(x, 0) + 2 atanh z, z = s/(2 − s), s = σ(−|x|), so z ≤ 1/3.

    s is off by 5u, z by a relative 2/(2 − s) ≤ 4/3 times that and two roundings, 8.7u; atanh z by a relative
    z·atanh'(z)/atanh z ≤ 1.09 times that, 9.5u. The series Σ z²ᵏ/(2k + 1) stops at k = 19 with a rest below
    (1/9)²⁰/41·(9/8) < 3e-21 and rounds by less than 2u by Horner's rule, the product by 1u, the sum by 1u: 13.5u.
    """
    s = sigmoid(-abs(x))
    z = s / (2.0 - s)
    w = z * z
    series = 1.0 / 39.0
    for k in range(18, -1, -1):
        series = fma(series, w, 1.0 / (2.0 * k + 1.0))
    return max(x, 0.0) + 2.0 * z * series


@njit(error_model="numpy", forceinline=True)
def _softplus_low(a, b, d):
    """A lower bound on softplus t − d·t over [a, b], but for the slack, from the tangent near where it is least."""
    t0 = math.log(max(d, 1e-300) / max(1.0 - d, 1e-300))
    t0 = min(max(t0, a), b)
    slope = sigmoid(t0)
    k, rounding = slope - d, 12.0 * U * slope * (b - a)
    return fma(-d, t0, softplus(t0)) + min(0.0, min(k * (b - t0), k * (a - t0))) - rounding


@njit(error_model="numpy", cache=True)
def softplus_band(a, b):
    """The band of softplus on [a, b]: d, low, high, then the ranges of softplus and of its slope.

    d·t + low ≤ softplus t ≤ d·t + high for every t in [a, b].

    Examples
    --------
    >>> d, low, high, *_ = softplus_band(-1.0, 2.0)
    >>> t = np.linspace(-1, 2, 1001)
    >>> rest = np.logaddexp(0.0, t) - d * t
    >>> bool(rest.min() >= low and rest.max() <= high)
    True
    """
    x_low, x_high = softplus(a), softplus(b)
    s_low, s_high = sigmoid(a), sigmoid(b)
    d = min(max((x_high - x_low) / (b - a), s_low), s_high) if b > a else s_low
    slack = SLACK * (x_high + d * max(abs(a), abs(b))) + 1e-300
    high = max(fma(-d, a, x_low), fma(-d, b, x_high)) + slack
    low = _softplus_low(a, b, d) - slack
    x_low = max(x_low * (1.0 - 24.0 * U) - 1e-300, 0.0)
    x_high = x_high * (1.0 + 24.0 * U) + 1e-300
    return d, low, high, x_low, x_high, max(s_low * (1.0 - 8.0 * U) - 1e-300, 0.0), s_high * (1.0 + 8.0 * U) + 1e-300


@njit(error_model="numpy", cache=True)
def softplus_bands(lower, upper, d, middle, reach, secant, x_low, x_high):
    """Bands of softplus over many intervals, as `tanh_bands`."""
    for i in range(lower.size):
        d[i], low, high, x_low[i], x_high[i], s_low, s_high = softplus_band(lower[i], upper[i])
        middle[i] = 0.5 * (low + high)
        reach[i] = 0.5 * (high - low) + 4.0 * U * (abs(low) + abs(high))
        secant[i] = max(s_high - d[i], d[i] - s_low) * (1.0 + 4.0 * U) + 4.0 * U * s_high


@njit(error_model="numpy", cache=True)
def value_and_slope(kind, t):
    """φ(t) and φ'(t), for Newton's method: nothing is claimed."""
    if kind == TANH:
        return tanh_sech2(t)
    return softplus(t), sigmoid(t)
