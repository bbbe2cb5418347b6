"""Newton on q = ½|f|²_G from many starts for tanh networks and their latent circuits, each start by itself.

The Hessian is the exact one, JᵀGJ + Σ(Gf)ᵢD²fᵢ, shifted where it is not positive definite. A start may end early where
the straight way to the nearest known point leads down all along: no proof, but all that a descent has to tell.
"""

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma
from dynaghost.kernels.inner import JIT
from dynaghost.kernels.linear import cholesky
from dynaghost.kernels.tanh_field import (
    CAPTURED,
    CONVERGED,
    DIVERGED,
    LIMIT,
    STALLED,
    accept,
    add_times,
    clear,
    copy,
    dot,
    holding,
    length_of,
    tanh_field,
    tanh_jacobian,
    workspace,
)

_LEAST_SHIFT = 1e-5  # of the largest element of the Hessian; larger ones make for short steps along valleys
_SAMPLES = 8  # of |f|² on the way to a known point
_NOISE = 1e-14  # more than the rounding of |f|², relative to it


@JIT
def _add_squares(M, D, H):
    """The upper triangle of H += MᵀDM, D diagonal; eight rows of M at a time."""
    units, n = M.shape
    whole = units - units % 8
    for k in range(0, whole, 8):
        for i in range(n):
            row = H[i, i:]
            u0, u1, u2, u3 = M[k, i:], M[k + 1, i:], M[k + 2, i:], M[k + 3, i:]
            u4, u5, u6, u7 = M[k + 4, i:], M[k + 5, i:], M[k + 6, i:], M[k + 7, i:]
            a0, a1, a2, a3 = D[k] * u0[0], D[k + 1] * u1[0], D[k + 2] * u2[0], D[k + 3] * u3[0]
            a4, a5, a6, a7 = D[k + 4] * u4[0], D[k + 5] * u5[0], D[k + 6] * u6[0], D[k + 7] * u7[0]
            for j in range(n - i):
                left = fma(a3, u3[j], fma(a2, u2[j], fma(a1, u1[j], fma(a0, u0[j], row[j]))))
                row[j] = fma(a7, u7[j], fma(a6, u6[j], fma(a5, u5[j], fma(a4, u4[j], left))))
    for k in range(whole, units):
        for i in range(n):
            factor = D[k] * M[k, i]
            for j in range(i, n):
                H[i, j] = fma(factor, M[k, j], H[i, j])


@JIT
def _bends(weights, t, s, f, w, bends):
    """w = Gf, and of each unit the second derivative of w·f by its argument."""
    N, G = weights[2], weights[6]
    for i in range(f.size):
        w[i] = f[i] if G.size == 0 else 0.0
        for j in range(f.size if G.size else 0):
            w[i] += G[i, j] * f[j]
    clear(bends)
    if N.size == 0:
        copy(w, bends)
    else:
        add_times(N, w, bends)  # Nᵀw
    for u in range(t.size):
        bends[u] *= -2.0 * t[u] * s[u]


@JIT
def _times_jacobian(weights, s, w, units, g):
    """g = Jᵀw; `units` is for work."""
    M, N = weights[0], weights[2]
    clear(units)
    if N.size == 0:
        copy(w, units)
    else:
        add_times(N, w, units)
    for i in range(g.size):
        g[i] = -w[i]
    for u in range(units.size):
        units[u] *= s[u]
    if M.size == 0:
        for i in range(g.size):
            g[i] += units[i]
    else:
        add_times(M, units, g)


@JIT
def _network_hessian(weights, s, bends, squares, H, ones):
    """Hessian of q for a network, f = −x + tanh(Mx + d) or f = −x + c + N tanh x: one weighted sum of squares.

    JᵀJ is Mᵀs²M − sM − (sM)ᵀ + I in the first form and s(NᵀN)s − Ns − (Ns)ᵀ + I, with `squares` NᵀN, in the second.
    """
    M, MT, N, NT = weights[0], weights[1], weights[2], weights[3]
    n = s.size
    if N.size == 0:
        for i in range(n):
            clear(H[i])
            ones[i] = s[i] * s[i] + bends[i]
        _add_squares(M, ones, H)
    for i in range(n):
        row, across = H[i], s[i]
        if N.size == 0:
            for j in range(i, n):
                row[j] -= across * M[i, j] + MT[i, j] * s[j]
        else:
            for j in range(i, n):
                row[j] = across * squares[i, j] * s[j] - N[i, j] * s[j] - across * NT[i, j]
            row[i] += bends[i]
        row[i] += 1.0


@JIT
def _circuit_hessian(weights, s, bends, J, H):
    """Hessian of q for a latent circuit in its metric, JᵀGJ + Mᵀ·bends·M."""
    M, G = weights[0], weights[6]
    n = J.shape[0]
    tanh_jacobian(weights, s, J)
    for i in range(n):
        clear(H[i])
    for a in range(n):
        for b in range(n):
            for i in range(n):
                for j in range(i, n):
                    H[i, j] += J[a, i] * G[a, b] * J[b, j]
    _add_squares(M, bends, H)


@JIT
def _model(weights, t, s, f, matrices, g, scratch):
    """Gradient g and Hessian (upper triangle, in `matrices`) of q."""
    squares, J, H, _ = matrices
    w, bends, ones = scratch[0], scratch[1], scratch[2]
    _bends(weights, t, s, f, w, bends)
    _times_jacobian(weights, s, w, ones, g)
    if weights[6].size == 0:
        _network_hessian(weights, s, bends, squares, H, ones)
    else:
        _circuit_hessian(weights, s, bends, J, H)


@JIT
def _descent_step(U, g, d):
    """d = −(UᵀU)⁻¹g."""
    n = g.size
    for i in range(n):
        d[i] = -g[i]
    for i in range(n):
        d[i] /= U[i, i]
        for j in range(i + 1, n):
            d[j] = fma(-U[i, j], d[i], d[j])
    for i in range(n - 1, -1, -1):
        d[i] = (d[i] - dot(U[i], d, i + 1, n)) / U[i, i]


@JIT
def _predicted(H, g, d):
    """−(g·d + ½dᵀHd), from the upper triangle of H."""
    total = 0.0
    for i in range(d.size):
        total += (g[i] + 0.5 * H[i, i] * d[i] + dot(H[i], d, i + 1, d.size)) * d[i]
    return -total


@JIT
def _nearest(centres, x):
    """The nearest of the known points, −1 where there is none."""
    nearest, least = -1, np.inf
    for k in range(centres.shape[0]):
        distance = 0.0
        for i in range(x.size):
            offset = x[i] - centres[k, i]
            distance = fma(offset, offset, distance)
        if distance < least:
            nearest, least = k, distance
    return nearest


@JIT
def _leads_down(weights, x, centre, energy, work):
    """Whether |f|² falls from sample to sample on the straight way from x to a known point, and as a bowl's does."""
    trial, before = work[4], energy
    lowest = tanh_field(weights, centre, work[5], work[6], work[7])
    if not lowest < energy:
        return False
    for k in range(1, _SAMPLES):
        share = k / _SAMPLES
        for i in range(x.size):
            trial[i] = x[i] + share * (centre[i] - x[i])
        new = tanh_field(weights, trial, work[5], work[6], work[7])
        if not (new < before and new - lowest <= (1.0 - share) ** 1.5 * (energy - lowest)):
            return False
        before = new
    return True


@JIT
def _descent_start(weights, balls, limit, x, matrices, work, scratch):
    """One start of `descend_starts`: how it ended, the ball, the Hessians, the length of the last step."""
    H, U = matrices[2], matrices[3]
    d, t, s, f, trial, g = work[0], work[1], work[2], work[3], work[4], scratch[3]
    energy, shift, size = tanh_field(weights, x, t, s, f), 0.0, 1.0
    fresh = False
    least = 0.0
    for k in range(limit):
        inside = holding(balls, x, 0)[0]
        if inside >= 0:
            return CAPTURED, inside, k, size
        if not fresh:
            _model(weights, t, s, f, matrices, g, scratch)
            least = 1e-300
            for i in range(x.size):
                for j in range(i, x.size):
                    least = max(least, _LEAST_SHIFT * abs(H[i, j]))
            fresh = True
        tries = 0
        while not cholesky(H, shift, U):
            shift, tries = max(4.0 * shift, least), tries + 1
            if tries == 60:
                return DIVERGED, -1, k + 1, size
        _descent_step(U, g, d)
        size = length_of(d)
        for i in range(x.size):
            trial[i] = x[i] + d[i]
        new = tanh_field(weights, trial, work[5], work[6], work[7])
        predicted = _predicted(H, g, d)
        ratio = 0.5 * (energy - new) / max(predicted, 1e-300)
        if predicted <= _NOISE * energy and new <= (1.0 + _NOISE) * energy:
            ratio = 1.0  # what is left to gain is less than the rounding of |f|²
        if ratio > 1e-4:
            accept(x, work)
            energy, fresh = new, False
            inside = _nearest(balls[0], x)
            if inside >= 0 and _leads_down(weights, x, balls[0][inside], energy, work):
                return CAPTURED, inside, k + 1, size
        if not size < np.inf:
            return DIVERGED, -1, k + 1, size
        if size <= 1e-9 * (1.0 + length_of(x)):
            if shift == 0.0 or not cholesky(H, 0.0, U):
                return (CONVERGED if shift == 0.0 else STALLED), -1, k + 1, size
            shift = 0.0
            continue
        if not ratio >= 0.25:
            shift = max(4.0 * shift, least)
        elif ratio > 0.75:
            shift = 0.0 if shift <= least else shift / 8.0
    return LIMIT, -1, limit, size


@njit(cache=True, error_model="numpy")
def descend_starts(weights, balls, limit, x, ends, ball, evaluations, steps):
    """Newton on q from every start: parameters as of `newton_each`, and `steps` (E,), the length of each last step."""
    n, units = x.shape[1], weights[5].size
    squares = np.zeros((n, n)) if weights[0].size == 0 else np.empty((0, 0))
    if weights[0].size == 0:
        _add_squares(weights[2], np.ones(n), squares)
    matrices = squares, np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    work = workspace(n, units)
    scratch = np.empty(n), np.empty(units), np.empty(max(n, units)), np.empty(n)
    for e in range(x.shape[0]):
        ends[e], ball[e], evaluations[e], steps[e] = _descent_start(
            weights, balls, limit, x[e], matrices, work, scratch
        )
