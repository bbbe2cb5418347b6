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
symmetric: all of tanh on [−h, h] lies between the two parallel tangents.

**softplus.** s(t) = log(1 + eᵗ) is convex: s(t) − d·t has its maximum at an end, and with any t₀ it is at least
s(t₀) − d·t₀ + (σ(t₀) − d)(t − t₀). The slope is the chord's.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, sigmoid, tanh_sech2

TANH, SOFTPLUS = 0, 1
U = 2.0**-53
SLACK = 48.0 * U
SOFTPLUS_ULP = 14.0
"""|softplus(x) − true| ≤ SOFTPLUS_ULP·u·true + 1e-300 for |x| ≤ 1e100."""

_CELLS = 256


def _touching_points() -> np.ndarray:
    """t₀ > 0 with tanh h + tanh t₀ = sech²t₀·(h + t₀), for h = z/(1 − z), z = 0, 1/256, …: by bisection.

    Where it is a little off, the band is a little wider than the best; it is never wrong.
    """
    z = np.arange(_CELLS) / _CELLS
    h = z / (1.0 - z)
    low, high = np.zeros(_CELLS), h.copy()
    for _ in range(60):
        t = 0.5 * (low + high)
        before = np.tanh(h) + np.tanh(t) < (1.0 - np.tanh(t) ** 2) * (h + t)
        low, high = np.where(before, t, low), np.where(before, high, t)
    return np.append(0.5 * (low + high), 0.5 * (low[-1] + high[-1]) + 0.35)


_TOUCH = _touching_points()


@njit(error_model="numpy", forceinline=True)
def _touch(h):
    """Where the tangent to tanh from (h, tanh h), h > 0, touches it on the other side of 0: about −`_touch(h)`."""
    z = _CELLS * h / (1.0 + h)
    cell = min(int(z), _CELLS - 1)
    return _TOUCH[cell] + (z - cell) * (_TOUCH[cell + 1] - _TOUCH[cell])


@njit(error_model="numpy", cache=True)
def _crest(d):
    """About atanh √(1 − d), where tanh t − d·t is greatest."""
    if d >= 1.0:
        return 0.0
    return math.log(1.0 + math.sqrt(1.0 - d)) - 0.5 * math.log(max(d, 1e-300))


@njit(error_model="numpy", forceinline=True)
def _above_tangent(d, t0, T0, S0, start, end):
    """An upper bound on tanh t − d·t over 0 ≤ start ≤ t ≤ end from the tangent at t0, but for `SLACK`·(T0 + d·t0)."""
    k = S0 - d
    return fma(-d, t0, T0) + max(0.0, max(k * (end - t0), k * (start - t0))) + 12.0 * U * S0 * (end - start)


@njit(error_model="numpy", forceinline=True)
def _tanh_top(a, b, ta, tb, d):
    """An upper bound on tanh t − d·t over [a, b], but for the slack."""
    top = fma(-d, a, ta)
    if b <= 0.0:
        return max(top, fma(-d, b, tb))
    start = max(a, 0.0)
    t0 = min(max(_crest(d), start), b)
    T0, S0 = tanh_sech2(t0)
    return max(top, _above_tangent(d, t0, T0, S0, start, b))


@njit(error_model="numpy", cache=True)
def tanh_band(a, b):
    """The band of tanh on [a, b]: d, low, high, then the ranges of tanh and of its slope.

    Parameters
    ----------
    a, b : float64
        a ≤ b.

    Returns
    -------
    d, low, high, x_low, x_high, s_low, s_high : float64
        d·t + low ≤ tanh t ≤ d·t + high, x_low ≤ tanh t ≤ x_high and s_low ≤ sech²t ≤ s_high for every t in [a, b].

    Examples
    --------
    >>> d, low, high, *_ = tanh_band(-1.0, 2.0)
    >>> t = np.linspace(-1, 2, 1001)
    >>> bool(np.all(np.abs(np.tanh(t) - d * t - (low + high) / 2) <= (high - low) / 2))
    True
    """
    ta, sa = tanh_sech2(a)
    tb, sb = tanh_sech2(b)
    largest = max(abs(a), abs(b))
    if a < 0.0 < b:
        near = min(-a, b)
        touch = _touch(largest)
        s_low, s_high = min(sa, sb), 1.0
        if touch < near:
            t0, d = tanh_sech2(touch)
            rest = _above_tangent(d, touch, t0, d, 0.0, largest)
            high = max(max(fma(-d, a, ta), fma(-d, b, tb)), rest)
            low = min(min(fma(-d, a, ta), fma(-d, b, tb)), -rest)
        else:
            d = min(max((tb - ta) / (b - a), 0.0), 1.0)
            high = _tanh_top(a, b, ta, tb, d)
            low = -_tanh_top(-b, -a, -tb, -ta, d)
    else:
        s_low, s_high = min(sa, sb), max(sa, sb)
        d = min(max((tb - ta) / (b - a), 0.0), 1.0) if b > a else sa
        high = _tanh_top(a, b, ta, tb, d)
        low = -_tanh_top(-b, -a, -tb, -ta, d)
    slack = SLACK * (max(abs(ta), abs(tb)) + d * largest) + 1e-300
    x_low = max(ta - 8.0 * U * abs(ta) - 1e-300, -1.0)
    x_high = min(tb + 8.0 * U * abs(tb) + 1e-300, 1.0)
    return d, low - slack, high + slack, x_low, x_high, s_low * (1.0 - 12.0 * U), s_high * (1.0 + 12.0 * U) + 1e-300


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
    """The band of softplus on [a, b], as `tanh_band`.

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
def bands_into(kind, lower, upper, units, d, middle, reach, secant, x_middle, x_reach):
    """Bands of every unit as φ(t) ∈ d·t + middle ± reach, |slope − d| ≤ secant and φ(t) ∈ x_middle ± x_reach.

    Parameters
    ----------
    kind : int
        `TANH` or `SOFTPLUS`.
    lower, upper : (≥ units,) float64 arrays
    units : int
        Entries beyond are left alone.
    d, middle, reach, secant, x_middle, x_reach : (≥ units,) float64 arrays
        Overwritten. Halving a difference and a sum rounds by 2u of the larger end: added.
    """
    for i in range(units):
        if kind == TANH:
            slope, low, high, x_low, x_high, s_low, s_high = tanh_band(lower[i], upper[i])
        else:
            slope, low, high, x_low, x_high, s_low, s_high = softplus_band(lower[i], upper[i])
        d[i] = slope
        middle[i] = 0.5 * (low + high)
        reach[i] = 0.5 * (high - low) + 4.0 * U * (abs(low) + abs(high))
        secant[i] = max(s_high - slope, slope - s_low) * (1.0 + 4.0 * U) + 4.0 * U * s_high
        x_middle[i] = 0.5 * (x_low + x_high)
        x_reach[i] = 0.5 * (x_high - x_low) + 4.0 * U * (abs(x_low) + abs(x_high))


@njit(error_model="numpy", cache=True)
def value_and_slope(kind, t):
    """φ(t) and φ'(t), for Newton's method: nothing is claimed."""
    if kind == TANH:
        return tanh_sech2(t)
    return softplus(t), sigmoid(t)
