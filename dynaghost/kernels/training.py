"""Gradient descent on the delayed-activation task, compiled, with back-propagation through time written out.

For a rank-one network x' = (1−Δ)x + Δ·tanh(m·κ + b), κ = n·x, only κ is needed, since

    κ_{t+1} = (1−Δ)κ_t + Δ Σ nᵢ tanh(mᵢκ_t + bᵢ),    κ_0 = x₀ Σ nᵢ,

is exact. The loss is L = Σ_t (ô_t − o_t)²/T with ô_t = σ(c(κ_{t+1} − κ*)), o_t = 0 for t < T and 1 from then on.
Backwards, with t_i(t) = tanh(mᵢκ_t + bᵢ), s = 1 − t² and λ_t = dL/dκ_t,

    λ_t = direct_t + J_t λ_{t+1},    J_t = 1 − Δ + Δ Σ nᵢmᵢsᵢ(t),
    dn = x₀λ₀ + Δ Σ_t λ_{t+1} t(t),    db = Δ n Σ_t λ_{t+1} s(t),    dm = Δ n Σ_t λ_{t+1} κ_t s(t).

Arrays are padded with zero weights to a multiple of eight. A padded unit has n = m = b = 0 and keeps them, since its
gradient is set to zero. Every sum has a fixed order (`lanes`): the same bits however a run is cut into chunks.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, sigmoid, tanh
from dynaghost.kernels.lanes import LANES, dot, dot_slope


def padded(values: np.ndarray) -> np.ndarray:
    """A float64 copy with zeros appended up to a multiple of eight.

    Parameters
    ----------
    values : (units,) array

    Returns
    -------
    (size,) float64 array

    Examples
    --------
    >>> padded(np.ones(3)).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    size = -(-values.size // LANES) * LANES
    return np.concatenate([np.asarray(values, dtype=float), np.zeros(size - values.size)])


@njit(error_model="numpy")
def _tanh_row(kappa, m, b, t):
    for i in range(t.size):
        t[i] = tanh(fma(m[i], kappa, b[i]))


@njit(error_model="numpy")
def _add_row(error, error_kappa, t, sum_t, sum_s, sum_kappa_s):
    for i in range(t.size):
        y, A, B, C = t[i], sum_t[i], sum_s[i], sum_kappa_s[i]
        s = fma(-y, y, 1.0)
        sum_t[i], sum_s[i], sum_kappa_s[i] = fma(error, y, A), fma(error, s, B), fma(error_kappa, s, C)


@njit(error_model="numpy")
def _forward(m, n, b, p, trial, kappa, slope, direct, rows):
    """Fill κ_t, J_t, direct_t and the rows of tanh; the loss."""
    x0, leak, threshold, confidence, delay_steps = trial
    loss, switch = 0.0, int(delay_steps)
    p[:] = 1.0
    kappa[0], direct[0] = x0 * dot(n, p), 0.0
    for i in range(p.size):
        p[i] = n[i] * m[i]
    for step in range(slope.size):
        _tanh_row(kappa[step], m, b, rows[step])
        kappa[step + 1] = (1.0 - leak) * kappa[step] + leak * dot(n, rows[step])
        slope[step] = (1.0 - leak) + leak * dot_slope(p, rows[step])
        # ô and 1 − ô each from a sigmoid: by subtraction, or as (1 ± tanh)/2, a saturated output loses its gradient.
        z = confidence * (kappa[step + 1] - threshold)
        on, off = sigmoid(z), sigmoid(-z)
        error = -off if step >= switch else on
        loss += error * error / delay_steps
        direct[step + 1] = 2.0 * error / delay_steps * confidence * (on * off)
    return loss


@njit(error_model="numpy")
def _backward(n, units, x0, leak, kappa, slope, direct, rows, dm, dn, db):
    """Turn direct_t into λ_t in place and fill the gradient."""
    dm[:], dn[:], db[:] = 0.0, 0.0, 0.0
    for step in range(slope.size - 1, -1, -1):
        _add_row(direct[step + 1], direct[step + 1] * kappa[step], rows[step], dn, db, dm)
        direct[step] += slope[step] * direct[step + 1]
    for i in range(dn.size):
        dn[i] = x0 * direct[0] + leak * dn[i]
        db[i] = leak * n[i] * db[i]
        dm[i] = leak * n[i] * dm[i]
    dn[units:] = 0.0


@njit(error_model="numpy")
def _descend(weights, slope, learning_rate):
    for i in range(weights.size):
        weights[i] = weights[i] - learning_rate * slope[i]


@njit(error_model="numpy")
def advance(m, n, b, units, trial, steps, learning_rate, losses, gradient_norms):
    """Take one step of plain gradient descent for each element of `losses`; change m, n and b in place.

    Parameters
    ----------
    m, n, b : (size,) float64 arrays, contiguous
        Weights from `padded`.
    units : int
        How many of them are real.
    trial : tuple of five floats
        x₀, leak Δ, threshold κ*, confidence c and T, the number of steps with target 0.
    steps : int
        Length of the trial.
    learning_rate : float
    losses, gradient_norms : (updates,) float64 arrays
        Overwritten: both of the weights *before* each update.

    Examples
    --------
    >>> m, n, b = padded(np.array([1.0, 0.5])), padded(np.array([0.4, -0.2])), np.zeros(8)
    >>> losses, norms = np.empty(100), np.empty(100)
    >>> advance(m, n, b, 2, (-0.3, 0.5, 1.0, 10.0, 20.0), 40, 0.0, losses, norms)
    >>> float(losses[0]) == float(losses[99])
    True
    """
    kappa, slope, direct = np.empty(steps + 1), np.empty(steps), np.empty(steps + 1)
    rows, p = np.empty((steps, m.size)), np.empty(m.size)
    dm, dn, db = np.empty(m.size), np.empty(m.size), np.empty(m.size)
    for update in range(losses.size):
        losses[update] = _forward(m, n, b, p, trial, kappa, slope, direct, rows)
        _backward(n, units, trial[0], trial[1], kappa, slope, direct, rows, dm, dn, db)
        gradient_norms[update] = math.sqrt(dot(dm, dm) + dot(dn, dn) + dot(db, db))
        _descend(m, dm, learning_rate)
        _descend(n, dn, learning_rate)
        _descend(b, db, learning_rate)


@njit(error_model="numpy")
def gradient(m, n, b, units, trial, steps):
    """The loss of one trial and its gradient; arguments as for `advance`.

    Returns
    -------
    loss : float
    dm, dn, db : (size,) arrays

    Examples
    --------
    >>> loss, dm, dn, db = gradient(np.zeros(8), np.zeros(8), np.zeros(8), 8, (-0.3, 0.5, 1.0, 10.0, 20.0), 40)
    >>> round(loss, 6)
    0.999909
    """
    kappa, slope, direct = np.empty(steps + 1), np.empty(steps), np.empty(steps + 1)
    rows, p = np.empty((steps, m.size)), np.empty(m.size)
    dm, dn, db = np.empty(m.size), np.empty(m.size), np.empty(m.size)
    loss = _forward(m, n, b, p, trial, kappa, slope, direct, rows)
    _backward(n, units, trial[0], trial[1], kappa, slope, direct, rows, dm, dn, db)
    return loss, dm, dn, db
