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

from dynaghost.kernels.elementary import sigmoid
from dynaghost.kernels.lanes import LANES, dot
from dynaghost.kernels.rows import combine, slope_sums, tanh_step


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
def _begin(m, n, p, x0):
    """p = n·m, element by element, and κ₀."""
    p[:] = 1.0
    kappa = x0 * dot(n, p)
    for i in range(p.size):
        p[i] = n[i] * m[i]
    return kappa


@njit(error_model="numpy")
def _step(m, n, b, p, leak, kappa, t):
    """The row of tanh at κ_t, κ_{t+1} and J_t."""
    rate, slope = tanh_step(kappa, m, b, n, p, t)
    return (1.0 - leak) * kappa + leak * rate, (1.0 - leak) + leak * slope


@njit(error_model="numpy")
def _errors(kappa, trial, direct):
    """The loss and its derivative by c; fill direct_t."""
    _, _, threshold, confidence, delay_steps = trial
    loss, slope, switch = 0.0, 0.0, int(delay_steps)
    # ô and 1 − ô each from a sigmoid: by subtraction, or as (1 ± tanh)/2, a saturated output loses its gradient.
    rest = np.empty(kappa.size)
    for step in range(kappa.size):
        z = confidence * (kappa[step] - threshold)
        direct[step], rest[step] = sigmoid(z), sigmoid(-z)
    direct[0] = 0.0
    for step in range(1, kappa.size):
        on, off = direct[step], rest[step]
        error = -off if step > switch else on
        loss += error * error / delay_steps
        direct[step] = 2.0 * error / delay_steps * confidence * (on * off)
        slope += 2.0 * error / delay_steps * (kappa[step] - threshold) * (on * off)
    return loss, slope


@njit(error_model="numpy")
def _forward(m, n, b, p, trial, kappa, slope, direct, rows):
    """Fill κ_t, J_t, direct_t and the rows of tanh; the loss."""
    kappa[0] = _begin(m, n, p, trial[0])
    for step in range(slope.size):
        kappa[step + 1], slope[step] = _step(m, n, b, p, trial[1], kappa[step], rows[step])
    loss, _ = _errors(kappa, trial, direct)
    return loss


@njit(error_model="numpy")
def _backward(n, units, x0, leak, kappa, slope, direct, rows, dm, dn, db):
    """Turn direct_t into λ_t in place and fill the gradient; J_t is overwritten by λ_{t+1}κ_t."""
    for step in range(slope.size - 1, -1, -1):
        carry = direct[step + 1]
        direct[step] += slope[step] * carry
        slope[step] = carry * kappa[step]
    slope_sums(direct[1:], slope, rows, dn, db, dm)
    for i in range(dn.size):
        dn[i] = x0 * direct[0] + leak * dn[i]
        db[i] = leak * n[i] * db[i]
        dm[i] = leak * n[i] * dm[i]
    dn[units:] = 0.0


@njit(error_model="numpy")
def _descend(weights, slope, learning_rate):
    for i in range(weights.size):
        weights[i] = weights[i] - learning_rate * slope[i]


@njit(error_model="numpy", cache=True)
def advance(m, n, b, confidence, trains_confidence, units, trial, steps, learning_rates, noise, losses, gradient_norms):
    """Plain gradient descent on several networks side by side; change m, n, b (and c) in place.

    One network's steps are a chain of latencies: a row of tanh, its sums, the next κ. Advancing all networks by a step
    before any takes the next hides them. Each network's bits are those it has alone.

    Parameters
    ----------
    m, n, b : (networks, size) float64 arrays, contiguous
        Rows from `padded`.
    confidence : (networks,) float64 array
        c of each.
    trains_confidence : bool
        Whether c takes part in the descent.
    units : int
        How many of a row's weights are real.
    trial : tuple of five floats
        x₀, leak Δ, threshold κ*, c (not used here) and T, the number of steps with target 0.
    steps : int
        Length of the trial.
    learning_rates : (networks,) float64 array
    noise : (1 or updates, networks, rows, size) float64 array
        Added to the states: row 0 to the initial one, row t + 1 after step t. No rows, one, or steps + 1. If the first
        axis is 1, the same in every update.
    losses, gradient_norms : (networks, updates) float64 arrays
        Overwritten: both of the weights *before* each update.

    Examples
    --------
    >>> m, n = padded(np.array([1.0, 0.5]))[None], padded(np.array([0.4, -0.2]))[None]
    >>> losses, norms, b = np.empty((1, 100)), np.empty((1, 100)), np.zeros((1, 8))
    >>> trial, quiet = (-0.3, 0.5, 1.0, 10.0, 20.0), np.empty((1, 1, 0, 8))
    >>> advance(m, n, b, np.array([10.0]), False, 2, trial, 40, np.array([0.0]), quiet, losses, norms)
    >>> float(losses[0, 0]) == float(losses[0, 99])
    True
    """
    networks, size = m.shape
    x0, leak, threshold, _, delay_steps = trial
    kappa, slope, direct = np.empty((networks, steps + 1)), np.empty((networks, steps)), np.empty(steps + 1)
    rows, p = np.empty((networks, steps, size)), np.empty((networks, size))
    dm, dn, db = np.empty(size), np.empty(size), np.empty(size)
    for update in range(losses.shape[1]):
        shaken = noise[update if noise.shape[0] > 1 else 0]
        run(m, n, b, p, x0, leak, shaken, kappa, slope, rows)
        for i in range(networks):
            now = (x0, leak, threshold, confidence[i], delay_steps)
            losses[i, update], dc = _errors(kappa[i], now, direct)
            _backward(n[i], units, x0, leak, kappa[i], slope[i], direct, rows[i], dm, dn, db)
            if shaken.shape[1] > 0:
                combine(direct[: shaken.shape[1]], shaken[i], dn, dn)
            squares = dot(dm, dm) + dot(dn, dn) + dot(db, db)
            gradient_norms[i, update] = math.sqrt(squares + dc * dc if trains_confidence else squares)
            _descend(m[i], dm, learning_rates[i])
            _descend(n[i], dn, learning_rates[i])
            _descend(b[i], db, learning_rates[i])
            if trains_confidence:
                confidence[i] -= learning_rates[i] * dc


@njit(error_model="numpy")
def run(m, n, b, p, x0, leak, noise, kappa, slope, rows):
    """Run one trial of several networks side by side.

    Parameters
    ----------
    m, n, b : (networks, size) float64 arrays, contiguous
    p : (networks, size) array
        Overwritten with n·m.
    x0, leak : float
    noise : (networks, 0, 1 or steps + 1, size) array
        As for `advance`.
    kappa : (networks, steps + 1), slope : (networks, steps), rows : (networks, steps, size) arrays
        Overwritten with κ_t, J_t and the rows of tanh.
    """
    for i in range(m.shape[0]):
        kappa[i, 0] = _begin(m[i], n[i], p[i], x0)
        if noise.shape[1] > 0:
            kappa[i, 0] += dot(n[i], noise[i, 0])
    for step in range(slope.shape[1]):
        for i in range(m.shape[0]):
            kappa[i, step + 1], slope[i, step] = _step(m[i], n[i], b[i], p[i], leak, kappa[i, step], rows[i, step])
            if noise.shape[1] > 1:
                kappa[i, step + 1] += dot(n[i], noise[i, step + 1])


@njit(error_model="numpy", cache=True)
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
