"""The field of tanh networks and their latent circuits, one state at a time, and what searches from many starts share.

f(x) = −x + c + N tanh(Mx + d), where an empty M or N stands for the identity (rate form: N = I; current form: M = I),
measured in a metric G, where an empty G stands for the identity. `weights` is the tuple (M, Mᵀ, N, Nᵀ, c, d, G).
"""

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, tanh_sech2
from dynaghost.kernels.inner import INNER, JIT

CONVERGED, CAPTURED, STALLED, DIVERGED, LIMIT = 0, 1, 2, 3, 4
"""How a start ended, as `slowpoints.newton.End` has it."""


@JIT
def add_times(AT, x, y):
    """y += A x, from the transpose of A."""
    for j in range(AT.shape[0]):
        row, factor = AT[j], x[j]
        for i in range(y.size):
            y[i] = fma(factor, row[i], y[i])


@JIT
def copy(source, target):
    # A slice assignment does the same, and takes twenty times as long to compile.
    for i in range(target.size):
        target[i] = source[i]


@JIT
def clear(target):
    for i in range(target.size):
        target[i] = 0.0


@JIT
def tanh_field(weights, x, t, s, f):
    """f at x; t and s are tanh and sech² of the arguments. Returns |f|² in the metric."""
    MT, NT, c, d, G = weights[1], weights[3], weights[4], weights[5], weights[6]
    copy(d, t)
    if MT.size == 0:
        for i in range(t.size):
            t[i] += x[i]
    else:
        add_times(MT, x, t)
    for i in range(t.size):
        t[i], s[i] = tanh_sech2(t[i])
    for i in range(x.size):
        f[i] = c[i] - x[i]
    if NT.size == 0:
        for i in range(x.size):
            f[i] += t[i]
    else:
        add_times(NT, t, f)
    return _square(G, f)


@JIT
def _square(G, f):
    total = 0.0
    for i in range(f.size):
        if G.size == 0:
            total = fma(f[i], f[i], total)
        else:
            for j in range(f.size):
                total += f[i] * G[i, j] * f[j]
    return total


@JIT
def tanh_jacobian(weights, s, J):
    M, N = weights[0], weights[2]
    n = J.shape[0]
    for i in range(n):
        row = J[i]
        if N.size == 0:
            for j in range(n):
                row[j] = s[i] * M[i, j]
        elif M.size == 0:
            for j in range(n):
                row[j] = N[i, j] * s[j]
        else:
            clear(row)
            for u in range(s.size):
                factor, unit = N[i, u] * s[u], M[u]
                for j in range(n):
                    row[j] = fma(factor, unit[j], row[j])
        row[i] -= 1.0


@njit(error_model="numpy", fastmath={"contract", "reassoc"}, **INNER)
def dot(row, x, start, stop):
    """Σ row·x over start … stop − 1, in an order that the compiler chooses: nothing is proved of it."""
    total = 0.0
    for j in range(start, stop):
        total += row[j] * x[j]
    return total


@JIT
def length_of(x):
    total = 0.0
    for value in x:
        total = fma(value, value, total)
    return np.sqrt(total)


@JIT
def holding(balls, x, known):
    """The last ball that holds x, −1 where none does; and the nearest of the first `known` centres."""
    centres, radii = balls
    inside, nearest, least = -1, -1, np.inf
    for k in range(radii.size):
        distance = 0.0
        for i in range(x.size):
            offset = x[i] - centres[k, i]
            distance = fma(offset, offset, distance)
        if distance < radii[k] ** 2:
            inside = k
        if k < known and distance < least:
            nearest, least = k, distance
    return inside, nearest


@JIT
def accept(x, work):
    copy(work[4], x)
    for k in range(1, 4):
        copy(work[k + 4], work[k])


@njit(error_model="numpy")
def workspace(n, units):
    """A step; t, s and f at the state; a trial state; t, s and f there."""
    one, two, three, four = np.empty(n), np.empty(units), np.empty(units), np.empty(n)
    return one, two, three, four, np.empty(n), np.empty(units), np.empty(units), np.empty(n)
