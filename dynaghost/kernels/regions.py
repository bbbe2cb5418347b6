"""Which linear regions of a piecewise-linear network can hold a fixed point: all 2ⁿ sign patterns, each with a proof.

Where signs σ of u give the slopes d, a fixed point solves (I − W D)u = b. Column i of I − W D depends on dᵢ alone, so
Gaussian elimination from left to right is shared by all patterns with the same beginning: depth first, a pattern costs
O(n²). A pattern is ruled out by Farkas' lemma: any y with y·b < 0 and σⱼcⱼ ≥ 0 for all j, c = (I − W D)ᵀy, since then
y·b = c·u ≥ 0 for every u of these signs, zeros included. How y was found does not matter: both conditions are checked
with the rounding of every operation. c changes with σⱼ in component j alone, so the same y rules out every pattern
that changes only signs at which the condition holds both ways, and the search jumps over them.
"""

import numba as nb
import numpy as np

_UNIT = 2.0**-53
_TINY = 2.0**-900
_TRIES = 4


@nb.njit(cache=True, error_model="numpy")
def surviving_patterns(W, b, less, budget, kept):
    """Sign patterns that are not ruled out.

    Parameters
    ----------
    W : ndarray (n, n)
    b : ndarray (n,)
    less : float
        Slope of φ below 0, in [0, 1).
    budget : int
        Most patterns to look at.
    kept : ndarray (many, n) of bool
        Filled with the survivors: True where u ≥ 0.

    Returns
    -------
    tuple of int
        How many survived (−1: more than there was room for), how many were looked at, and whether all were settled.
    """
    n = len(b)
    columns, multipliers = np.zeros((n, n)), np.zeros((n, n))
    pivots = np.zeros(n, np.int64)
    right = np.zeros((n + 1, n))
    right[0] = b
    on = np.zeros(n, np.bool_)
    u, y, slopes = np.zeros(n), np.zeros(n), np.full(n, less)
    count, looked, level = 0, 0, 0
    while True:
        for k in range(level, n):
            _eliminate(W, on[k], less, k, columns, multipliers, pivots, right)
        looked += 1
        _back_substitute(columns, right[n], u)
        level = n - 1
        deepest = _ruled_out(W, b, less, on, (columns, multipliers, pivots), u, y, slopes)
        if deepest == n:
            if count == len(kept):
                return -1, looked, False
            kept[count] = on
            count += 1
        else:
            level = deepest
        while level >= 0 and on[level]:
            on[level] = False
            level -= 1
        if level < 0:
            return count, looked, True
        if looked >= budget:
            return count, looked, False
        on[level] = True
        on[level + 1 :] = False


@nb.njit(cache=True, error_model="numpy")
def _eliminate(W, on, less, k, columns, multipliers, pivots, right):
    """Column k of I − W D through the steps before it, its own step, and the right side through that."""
    n = len(pivots)
    column = columns[k]
    slope = 1.0 if on else less
    for i in range(n):
        column[i] = -slope * W[i, k]
    column[k] += 1.0
    for j in range(k):
        column[j], column[pivots[j]] = column[pivots[j]], column[j]
        top = column[j]
        for i in range(j + 1, n):
            column[i] -= multipliers[j, i] * top
    best = k
    for i in range(k + 1, n):
        if abs(column[i]) > abs(column[best]):
            best = i
    pivots[k] = best
    column[k], column[best] = column[best], column[k]
    values, before = right[k + 1], right[k]
    values[:] = before
    values[k], values[best] = before[best], before[k]
    for i in range(k + 1, n):
        multipliers[k, i] = column[i] / column[k]
        values[i] -= multipliers[k, i] * values[k]


@nb.njit(cache=True, error_model="numpy")
def _back_substitute(columns, values, u):
    n = len(u)
    u[:] = values
    for k in range(n - 1, -1, -1):
        u[k] /= columns[k, k]
        for i in range(k):
            u[i] -= columns[k, i] * u[k]


@nb.njit(cache=True, error_model="numpy")
def _ruled_out(W, b, less, on, factors, u, y, slopes):
    """The deepest level at which the proof needs the sign that is there; n where there is no proof."""
    n = len(u)
    total, best = 0.0, n
    for j in range(n):
        total += abs(u[j])
    # The shallowest wrong signs first: their proofs tend to need few of the deep ones.
    tried = 0
    for worst in range(n):
        if _signed(on[worst], u[worst]) < 0 and tried < _TRIES:
            tried += 1
            # σ·c is 1 at the wrong unit and a little above 0 elsewhere: room for rounding.
            room = 0.015625 * abs(u[worst]) / total
            for j in range(n):
                y[j] = _signed(on[j], room + (1.0 if j == worst else 0.0))
            _solve_transposed(factors[0], factors[1], factors[2], y)
            best = min(best, _checked(W, b, less, on, y))
    return best


@nb.njit(cache=True, error_model="numpy")
def _signed(on, value):
    return value if on else -value


@nb.njit(cache=True, error_model="numpy")
def _solve_transposed(columns, multipliers, pivots, y):
    n = len(y)
    for k in range(n):
        for i in range(k):
            y[k] -= columns[k, i] * y[i]
        y[k] /= columns[k, k]
    for k in range(n - 1, -1, -1):
        for i in range(k + 1, n):
            y[k] -= multipliers[k, i] * y[i]
        y[k], y[pivots[k]] = y[pivots[k]], y[k]


@nb.njit(cache=True, error_model="numpy")
def _checked(W, b, less, on, y):
    """Whether y is such a proof, with every rounding: cⱼ has at most n + 4 of them, y·b n + 1."""
    n = len(y)
    value, size = 0.0, 0.0
    for i in range(n):
        value += y[i] * b[i]
        size += abs(y[i] * b[i])
    if not (value + (n + 4) * _UNIT * 1.01 * size + n * _TINY < 0 and np.isfinite(size)):
        return n
    deepest = -1
    for j in range(n):
        product, size = 0.0, abs(y[j])
        for i in range(n):
            product += W[i, j] * y[i]
            size += abs(W[i, j] * y[i])
        error = (n + 6) * _UNIT * 1.01 * size + n * _TINY
        right, left = y[j] - product, less * product - y[j]
        holds = right >= error if on[j] else left >= error
        if not (holds and np.isfinite(error)):  # ∞ ≥ ∞ proves nothing
            return n
        if not (left >= error if on[j] else right >= error):
            deepest = j
    return deepest
