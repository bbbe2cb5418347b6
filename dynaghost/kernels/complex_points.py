"""Complex fixed points of f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ): Newton from a start, and continuation between weights.

With T = tanh u and S = sech² u, tanh(u + iv) = (T + ½i·S·sin 2v)/(1 − ½S·(1 − cos 2v)): one real tanh a neuron.
These are estimates in float64, not proofs.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, tanh_sech2
from dynaghost.kernels.sums import add

_TWO_OVER_PI = 0.6366197723675814
_HALF_PI_HIGH, _HALF_PI_LOW = float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54")
# Adding it rounds to an integer, which then stands in the lowest bits.
_ROUND = 1.5 * 2.0**52
# Taylor coefficients of sin and cos in r², which on |r| ≤ π/4 are exact enough.
_SINE = (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800, -1 / 1307674368000, 1 / 355687428096000)
_COSINE = (-1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600, -1 / 87178291200, 1 / 20922789888000)


@njit(error_model="numpy", forceinline=True)
def sine_cosine(x):
    """sin x and cos x to a few units in the last place for |x| < 1e5, without a branch, so that loops vectorize.

    Examples
    --------
    >>> sine, cosine = sine_cosine(2.0)
    >>> abs(sine - math.sin(2.0)) < 3e-16, abs(cosine - math.cos(2.0)) < 3e-16
    (True, True)
    """
    z = fma(x, _TWO_OVER_PI, _ROUND)
    k = z - _ROUND
    quarter = np.float64(z).view(np.int64)
    r = fma(-k, _HALF_PI_LOW, fma(-k, _HALF_PI_HIGH, x))
    w = r * r
    s, c = _SINE[7], _COSINE[7]
    s = fma(w, fma(w, fma(w, fma(w, s, _SINE[6]), _SINE[5]), _SINE[4]), _SINE[3])
    c = fma(w, fma(w, fma(w, fma(w, c, _COSINE[6]), _COSINE[5]), _COSINE[4]), _COSINE[3])
    s = fma(r * w, fma(w, fma(w, fma(w, s, _SINE[2]), _SINE[1]), _SINE[0]), r)
    c = fma(w, fma(w, fma(w, fma(w, c, _COSINE[2]), _COSINE[1]), _COSINE[0]), 1.0)
    swap = (quarter & 1) == 1
    sine, cosine = (c if swap else s), (s if swap else c)
    return (-sine if (quarter & 2) == 2 else sine), (-cosine if ((quarter + 1) & 2) == 2 else cosine)


@njit(error_model="numpy", cache=True)
def complex_value(m, n, b, z):
    """f and f' at the complex `z`."""
    x, y = z.real, z.imag
    f0, f1, g0, g1 = 0.0, 0.0, 0.0, 0.0
    for i in range(m.size):
        T, S = tanh_sech2(fma(m[i], x, b[i]))
        sine, cosine = sine_cosine(2.0 * m[i] * y)
        over = 1.0 / (1.0 - 0.5 * S * (1.0 - cosine))
        re, im = T * over, 0.5 * S * sine * over
        f0 = add(f0, n[i] * re)
        f1 = add(f1, n[i] * im)
        # tanh' = 1 − tanh².
        p = n[i] * m[i]
        g0 = add(g0, p * (1.0 - re * re + im * im))
        g1 = add(g1, p * (-2.0 * re * im))
    return complex(f0 - x, f1 - y), complex(g0 - 1.0, g1)


@njit(error_model="numpy", cache=True)
def newton(m, n, b, z, reach):
    """Newton on f from `z`, giving up beyond `reach` of it.

    Returns the point (NaN if it did not converge) and f' there.
    """
    start = z
    last = np.inf
    for _ in range(30):
        f, slope = complex_value(m, n, b, z)
        if slope == 0.0:
            break
        move = f / slope
        z = z - move
        size = abs(move)
        # Converged once a step is at rounding level, or stops shrinking below 1e-11: the slope is then as good.
        if size <= 4e-16 * (1.0 + abs(z)) or (size <= 1e-11 * (1.0 + abs(z)) and size >= last):
            return z, slope
        last = size
        if not abs(z - start) <= reach:
            break
    return complex(np.nan, np.nan), complex(np.nan, np.nan)


@njit(error_model="numpy", cache=True)
def newton_each(m, n, b, starts, reaches, points, slopes):
    """`newton` from every start, into `points` and `slopes`.

    Parameters
    ----------
    m, n, b : (N,) float64 arrays
    starts : (S,) complex128 array
    reaches : (S,) float64 array
    points, slopes : (S,) complex128 arrays, overwritten
    """
    for k in range(starts.size):
        points[k], slopes[k] = newton(m, n, b, starts[k], reaches[k])


@njit(error_model="numpy", cache=True)
def continue_pair(m0, n0, b0, m1, n1, b1, z, first_step, least_step):
    """Follow a complex fixed point along the straight line from weights 0 to weights 1.

    Predictor: dz/ds = −(∂f/∂s)/f', by a difference; corrector: Newton, which must stay close to the prediction, or the
    step is halved.

    Returns
    -------
    z : complex
        The point at weights 1, or where it got to.
    s : float
        1 if it arrived; else the place on the line at which a step of `least_step` still failed.
    """
    s, step = 0.0, first_step
    m, n, b = m0.copy(), n0.copy(), b0.copy()
    velocity, known = complex(0.0, 0.0), False
    before = z
    while s < 1.0:
        step = min(step, 1.0 - s)
        new_s = s + step if step < 1.0 - s else 1.0
        for i in range(m.size):
            m[i] = m0[i] + new_s * (m1[i] - m0[i])
            n[i] = n0[i] + new_s * (n1[i] - n0[i])
            b[i] = b0[i] + new_s * (b1[i] - b0[i])
        guess = z
        if known:
            guess = z + velocity * (new_s - s)
        f, slope = complex_value(m, n, b, guess)
        move = abs(f) / abs(slope)
        # A corrector much shorter than the distance to the real axis cannot jump to another branch unnoticed.
        allowed = 0.1 * max(abs(guess.imag), 1e-6)
        arrived = complex(np.nan, np.nan)
        if move <= allowed:
            arrived, _ = newton(m, n, b, guess, 2.0 * allowed)
        if math.isnan(arrived.real):
            step *= 0.5
            if step < least_step:
                return z, s
            continue
        before = z
        velocity = (arrived - before) / (new_s - s)
        known = True
        z = arrived
        s = new_s
        if move <= 0.3 * allowed:
            step *= 2.0
    return z, 1.0
