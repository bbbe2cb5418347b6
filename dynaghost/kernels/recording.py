"""Gradient descent on a rank-one network that keeps the weights of every epoch, and what a census of them needs."""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.lanes import dot
from dynaghost.kernels.line import CURVE, DECIDED, F, X
from dynaghost.kernels.training import _backward, _descend, _forward


@njit(error_model="numpy")
def advance_recorded(m, n, b, units, trial, steps, learning_rate, losses, gradient_norms, m_rows, n_rows, b_rows):
    """`advance`, with the weights before each update copied to a row each.

    Parameters
    ----------
    m, n, b, units, trial, steps, learning_rate, losses, gradient_norms
        As for `advance`, with the same bits.
    m_rows, n_rows, b_rows : (updates, units) float64 arrays, overwritten
    """
    kappa, slope, direct = np.empty(steps + 1), np.empty(steps), np.empty(steps + 1)
    rows, p = np.empty((steps, m.size)), np.empty(m.size)
    dm, dn, db = np.empty(m.size), np.empty(m.size), np.empty(m.size)
    for e in range(losses.size):
        _copy(m, n, b, m_rows[e], n_rows[e], b_rows[e])
        losses[e] = _forward(m, n, b, p, trial, kappa, slope, direct, rows)
        _backward(n, units, trial[0], trial[1], kappa, slope, direct, rows, dm, dn, db)
        gradient_norms[e] = math.sqrt(dot(dm, dm) + dot(dn, dn) + dot(db, db))
        _descend(m, dm, learning_rate)
        _descend(n, dn, learning_rate)
        _descend(b, db, learning_rate)


@njit(error_model="numpy")
def _copy(m, n, b, m_row, n_row, b_row):
    for i in range(m_row.size):
        m_row[i], n_row[i], b_row[i] = m[i], n[i], b[i]


@njit(error_model="numpy", cache=True)
def summarize(statuses, counts, criticals, roots, threshold, ghosts, above, places, speeds):
    """From what `line.structures` fills to a few numbers a network; undecided ones are passed over.

    Parameters
    ----------
    statuses, counts, criticals, roots
        Of `line.structures`.
    threshold : float
        Fixed points above it are counted.
    ghosts, above : (E,) int64 arrays, overwritten
        Minima of |f| above zero; roots above the threshold.
    places, speeds : (E,) float64 arrays, overwritten
        κ and |f| of the slowest ghost; NaN where there is none.
    """
    for e in range(ghosts.size):
        ghosts[e], above[e], places[e], speeds[e] = 0, 0, np.nan, np.nan
        if statuses[e] != DECIDED:
            continue
        for k in range(counts[e, 0]):
            f = criticals[e, k, F]
            if f * criticals[e, k, CURVE] > 0.0:
                ghosts[e] += 1
                if not abs(f) >= speeds[e]:
                    places[e], speeds[e] = criticals[e, k, X], math.fabs(f)
        for k in range(counts[e, 1]):
            above[e] += roots[e, k, X] > threshold
