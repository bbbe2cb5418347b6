"""Complex fixed points of f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ): Newton from a start, and continuation between weights.

With T = tanh u and S = sech² u, tanh(u + iv) = (T + i·S·sin v cos v)/(1 − S·sin² v): one real tanh a neuron.
These are estimates in float64, not proofs.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, tanh_sech2


@njit(error_model="numpy", cache=True)
def complex_value(m, n, b, z):
    """f and f' at the complex `z`."""
    x, y = z.real, z.imag
    f0, f1, g0, g1 = 0.0, 0.0, 0.0, 0.0
    for i in range(m.size):
        T, S = tanh_sech2(fma(m[i], x, b[i]))
        v = m[i] * y
        sine, cosine = math.sin(v), math.cos(v)
        below = 1.0 - S * sine * sine
        re, im = T / below, S * sine * cosine / below
        f0 += n[i] * re
        f1 += n[i] * im
        # tanh' = 1 − tanh².
        p = n[i] * m[i]
        g0 += p * (1.0 - re * re + im * im)
        g1 -= p * 2.0 * re * im
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
        # Converged once a step is at rounding level, or stops shrinking below 1e-12.
        if size <= 4e-16 * (1.0 + abs(z)) or (size <= 1e-11 * (1.0 + abs(z)) and size >= last):
            return z, complex_value(m, n, b, z)[1]
        last = size
        if not abs(z - start) <= reach:
            break
    return complex(np.nan, np.nan), complex(np.nan, np.nan)


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
