"""Newton on f from many starts for tanh networks and their latent circuits, each start by itself, in one order.

A Newton step has a line search; while a step with factors already at hand halves the speed, they are used again
(Shamanskii), and before any are computed the inverse of J at the nearest of a few known fixed points is tried, as long
as its steps quarter the speed. (Laxer, that leads small networks' starts to known points only. From 64 units on, where
factors cost much more than a trial, steps need only halve the speed, and far from any fixed point factors are of
float32.)
"""

import numpy as np
from numba import njit

from dynaghost.kernels.inner import JIT
from dynaghost.kernels.linear import lu_factor
from dynaghost.kernels.tanh_field import (
    CAPTURED,
    CONVERGED,
    DIVERGED,
    LIMIT,
    STALLED,
    accept,
    add_times,
    clear,
    dot,
    holding,
    length_of,
    tanh_field,
    tanh_jacobian,
    workspace,
)

_ENOUGH, _LEAST_STEP = 1e-4, 2.0**-10
_SLOW, _MEMORY, _SHORT_MEMORY, _CLOSE = 0.85, 4, 3, 1e-7
_HALVED, _QUARTERED = 0.25, 0.0625  # of |f|²
_REUSES = 12
_LARGE = 64
_FAR = 1e-4  # |f|² above which a large network's factors are of float32: half the time, and f itself stays in float64


@JIT
def _back(A, right, order, d):
    """d = −A⁻¹·right from the factors of A and the order of its rows."""
    n = d.size
    for i in range(n):
        d[i] = -right[int(order[i, 0])] - dot(A[i], d, 0, i)
    for i in range(n - 1, -1, -1):
        d[i] = (d[i] - dot(A[i], d, i + 1, n)) / A[i, i]


@JIT
def _lowers(weights, x, d, most, work):
    """Take the step d if it leaves |f|² at `most` at most; the new |f|², or −1 where it does not."""
    trial, t, s, f = work[4], work[5], work[6], work[7]
    for i in range(x.size):
        trial[i] = x[i] + d[i]
    new = tanh_field(weights, trial, t, s, f)
    if not new <= most:
        return -1.0
    accept(x, work)
    return new


@JIT
def _line_search(weights, x, d, energy, first, work):
    """The step that lowers the speed enough: its length in d, 0 where none does, and the new |f|²."""
    trial, t, s, f = work[4], work[5], work[6], work[7]
    length = first
    while length >= _LEAST_STEP:
        for i in range(x.size):
            trial[i] = x[i] + length * d[i]
        new = tanh_field(weights, trial, t, s, f)
        if new <= (1.0 - 2.0 * _ENOUGH * length) * energy:
            accept(x, work)
            return length, new
        # The parabola through both energies, whose slope at 0 is −2·energy. NaN where f overflowed.
        share = length / max(new / max(energy, 1e-300) - 1.0 + 2.0 * length, 1e-300)
        length *= min(share, 0.5) if share > 0.1 else 0.1
    return 0.0, energy


@JIT
def _direction(weights, work, matrices):
    """−J⁻¹f into `work`, from factors of J left in `matrices`; False if J is singular."""
    A, P, order = matrices
    tanh_jacobian(weights, work[2], A)
    for i in range(order.shape[0]):
        order[i, 0] = i
    if not lu_factor(A, order, P):
        return False
    _back(A, work[3], order, work[0])
    return True


@JIT
def _newton_start(weights, balls, inverses, limit, x, matrices, coarse, work):
    """One start of `newton_each`: how it ended, the ball, the factorizations."""
    d = work[0]
    energy = tanh_field(weights, x, work[1], work[2], work[3])
    mark, length = np.inf, 1.0
    large = x.size >= _LARGE
    trust, memory = (_HALVED, _SHORT_MEMORY) if large else (_QUARTERED, _MEMORY)
    for k in range(limit):
        inside, nearest = holding(balls, x, inverses.shape[0])
        reuses = 0
        while inside < 0 and nearest >= 0 and reuses < _REUSES:
            clear(d)
            add_times(inverses[nearest], work[3], d)
            new = _lowers(weights, x, d, trust * energy, work)
            if new < 0.0:
                break
            energy, reuses = new, reuses + 1
            inside, nearest = holding(balls, x, inverses.shape[0])
        if inside >= 0:
            return CAPTURED, inside, k
        if k % memory == 0:
            if not energy < _SLOW**2 * mark:
                return STALLED, -1, k
            mark = energy
        far = large and energy > _FAR
        if not (_direction(weights, work, coarse) if far else _direction(weights, work, matrices)):
            return STALLED, -1, k + 1
        size, most = length_of(d), 10.0 * (1.0 + length_of(x))
        if not size < np.inf:
            return DIVERGED, -1, k + 1
        if size > most:
            for i in range(d.size):
                d[i] *= most / size
        before = energy
        length, energy = _line_search(weights, x, d, energy, min(1.0, 4.0 * length), work)
        if length_of(d) <= _CLOSE * (1.0 + length_of(x)):
            return CONVERGED, -1, k + 1
        if length == 0.0:
            return STALLED, -1, k + 1
        reuses = 0
        while length == 1.0 and energy <= _HALVED * before and reuses < _REUSES:
            if holding(balls, x, 0)[0] >= 0:
                break
            if far:
                _back(coarse[0], work[3], coarse[2], d)
            else:
                _back(matrices[0], work[3], matrices[2], d)
            before, reuses = energy, reuses + 1
            new = _lowers(weights, x, d, _HALVED * energy, work)
            if new < 0.0:
                break
            energy = new
    return LIMIT, -1, limit


@njit(cache=True, error_model="numpy")
def newton_each(weights, balls, inverses, limit, x, ends, ball, evaluations):
    """Newton on f from every start.

    Parameters
    ----------
    weights : tuple
        M (units, n), its transpose, N (n, units), its transpose, c (n,), d (units,), G (n, n).
    balls : tuple
        centres (B, n) and radii (B,): a start stops where it enters one.
    inverses : (K, n, n) float64 array
        Transposes of −J⁻¹ at the first K centres.
    limit : int
        Most factorizations of a start.
    x : (E, n) float64 array
        Starts, overwritten by where they end.
    ends, ball, evaluations : (E,) int64 arrays
        Overwritten: how each ended, the ball that holds it or −1, its factorizations.
    """
    n = x.shape[1]
    matrices = np.empty((n, n)), np.empty((8, n)), np.empty((n, 1))
    size = n if n >= _LARGE else 0
    coarse = np.empty((size, size), np.float32), np.empty((8, size), np.float32), np.empty((size, 1))
    work = workspace(n, weights[5].size)
    for e in range(x.shape[0]):
        ends[e], ball[e], evaluations[e] = _newton_start(weights, balls, inverses, limit, x[e], matrices, coarse, work)
