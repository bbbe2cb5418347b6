"""Gradient descent on networks of any rank, compiled, without ever forming the state.

The network x' = (1−Δ)x + Δ·tanh(u) + ξ, u = Σ_q c_q(t)·A_q + b, is driven by K projections of its own state and by the
inputs: c = (z_1 … z_K, inputs), z_r = P_r·x, r = 1 … R ≥ K. All that is ever asked of x are these R numbers, and

    z_r(t+1) = (1−Δ)z_r(t) + Δ P_r·tanh(u(t)) + P_r·ξ(t),     z_r(0) = P_r·x(0),

is exact. The readout is y = w·z + w₀ after each step. With W = M N (M: (units, K), N: (K, units)) the first K rows of P
are N and those of A are Mᵀ. A readout w_out·x is one more row of P, read with w = (0 … 0, 1); one of κ has R = K.

Backwards, with λ_r(t) = dL/dz_r(t) and d_t = dL/dy(t),

    λ(t+1) complete = carried + d_t·w,   g(t) = Δ (Σ_r λ_r(t+1) P_r)·sech²u(t),
    carried_r = (1−Δ)λ_r(t+1) + [r ≤ K] A_r·g(t),
    dP_r = λ_r(0)·x(0) + Σ_t λ_r(t+1)(Δ tanh u(t) + ξ(t)),   dA_q = Σ_t c_q(t) g(t),   db = Σ_t g(t),

summed over the trials of a batch. The cost is linear in units·(K + inputs). Arrays are padded with zero weights to a
multiple of eight, which keep a zero gradient. Every sum has a fixed order (`rows`): the same bits on every processor.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma
from dynaghost.kernels.lanes import dot
from dynaghost.kernels.outputs import errors_into
from dynaghost.kernels.rows import combine, project, tanh_row


@njit(error_model="numpy")
def times_slope(g, t):
    """g ← g·(1 − t²), element by element; compiled code only."""
    for i in range(t.size):
        g[i] = g[i] * fma(-t[i], t[i], 1.0)


@njit(error_model="numpy")
def descend(weights, slopes, learning_rate):
    """One step of plain gradient descent on one row of weights; compiled code only."""
    for i in range(weights.size):
        weights[i] = weights[i] - learning_rate * slopes[i]


@njit(error_model="numpy", cache=True)
def forward(P, A, b, w, w0, latent, leak, states, noise, drive, drive_columns, z, rows, y):
    """Run a batch of trials.

    Parameters
    ----------
    P : (R, size), A : (Q, size), b : (size,), w : (R,) float64 arrays
        As in the module's docstring.
    w0 : float
    latent : int
        K.
    leak : float
        Δ.
    states : (trials, size) array
        x(0).
    noise : (trials, 0 or steps, size) array
        ξ.
    drive : (trials·steps, Q) array
        c, with the inputs filled in; the rest is overwritten.
    drive_columns : (Q, trials·steps) array
        Its transpose.
    z : (trials·(steps + 1), R), rows : (trials·steps, size), y : (trials·steps,) arrays
        Overwritten: the projections, tanh u, and the readout.
    """
    trials, steps = states.shape[0], rows.shape[0] // states.shape[0]
    shift = np.empty(P.shape[0])
    for trial in range(trials):
        place = trial * (steps + 1)
        project(P, states[trial], z[place])
        for step in range(steps):
            k, now, after = trial * steps + step, z[place + step], z[place + step + 1]
            for r in range(latent):
                drive[k, r], drive_columns[r, k] = now[r], now[r]
            combine(drive[k], A, b, rows[k])
            tanh_row(rows[k])
            project(P, rows[k], after)
            total = w0
            for r in range(after.size):
                after[r] = (1.0 - leak) * now[r] + leak * after[r]
            if noise.shape[1] > 0:
                project(P, noise[trial, step], shift)
                for r in range(after.size):
                    after[r] += shift[r]
            for r in range(after.size):
                total += w[r] * after[r]
            y[k] = total


@njit(error_model="numpy")
def backward(P, A, w, latent, leak, states, noise, direct, drive_columns, z, rows, g, carried, dP, dA, db, dw):
    """The gradient of a batch by all weights, and by w₀, which is returned; arguments as for `forward`.

    Parameters
    ----------
    direct : (trials·steps,) array
        dL/dy.
    g : (trials·steps, size), carried : (R, trials·steps) arrays
        Overwritten: dL/du, and λ.
    dP, dA, db, dw : arrays of the shapes of P, A, b and w
        Overwritten.
    """
    trials, steps = states.shape[0], rows.shape[0] // states.shape[0]
    now, scaled, pulled = np.empty(w.size), np.empty(w.size), np.empty(latent)
    nothing = np.zeros(rows.shape[1])
    driving = A[:latent]
    dw0 = 0.0
    dP[:], dw[:] = 0.0, 0.0
    for trial in range(trials):
        now[:] = 0.0
        for step in range(steps - 1, -1, -1):
            k, after = trial * steps + step, z[trial * (steps + 1) + step + 1]
            dw0 += direct[k]
            for r in range(w.size):
                now[r] += direct[k] * w[r]
                dw[r] += direct[k] * after[r]
                carried[r, k], scaled[r] = now[r], leak * now[r]
                now[r] *= 1.0 - leak
            combine(scaled, P, nothing, g[k])
            times_slope(g[k], rows[k])
            project(driving, g[k], pulled)
            for r in range(latent):
                now[r] += pulled[r]
        for r in range(w.size):
            _add(dP[r], now[r], states[trial])
    _gather(leak, noise, carried, drive_columns, rows, g, dP, dA, db)
    return dw0


@njit(error_model="numpy")
def _add(total, factor, row):
    for i in range(row.size):
        total[i] = fma(factor, row[i], total[i])


@njit(error_model="numpy")
def _gather(leak, noise, carried, drive_columns, rows, g, dP, dA, db):
    """Sums over all steps of all trials."""
    nothing, sum_t = np.zeros(rows.shape[1]), np.empty(rows.shape[1])
    for r in range(dP.shape[0]):
        combine(carried[r], rows, nothing, sum_t)
        _add(dP[r], leak, sum_t)
        if noise.shape[1] > 0:
            for trial in range(noise.shape[0]):
                steps = noise.shape[1]
                combine(carried[r, trial * steps : (trial + 1) * steps], noise[trial], dP[r], dP[r])
    for q in range(dA.shape[0]):
        combine(drive_columns[q], g, nothing, dA[q])
    combine(np.ones(g.shape[0]), g, nothing, db)


@njit(error_model="numpy", cache=True)
def advance(
    P,
    A,
    b,
    w,
    w0,
    latent,
    trains_w,
    leak,
    inputs,
    targets,
    weights,
    is_tanh,
    states,
    noise,
    learning_rate,
    losses,
    gradient_norms,
):
    """Take one step of plain gradient descent for each element of `losses`; change the weights in place.

    Parameters
    ----------
    P, A, b, w
        As for `forward`; contiguous, rows padded.
    w0 : (1,) float64 array
        Always trained.
    latent : int
        K.
    trains_w : bool
        Whether w is trained.
    leak : float
        Δ.
    inputs : (trials, steps, Q − K) array
    targets, weights : (trials·steps,) arrays
        As for `errors_into`.
    is_tanh : bool
    states : (1 or updates, trials, size) array
        x(0); if the first axis is 1, the same in every update.
    noise : (1 or updates, trials, 0 or steps, size) array
        ξ, likewise.
    learning_rate : float
    losses, gradient_norms : (updates,) float64 arrays
        Overwritten: both of the weights *before* each update.
    """
    trials, steps, _ = inputs.shape
    count, size, rank = trials * steps, P.shape[1], P.shape[0]
    drive, columns = np.empty((count, A.shape[0])), np.empty((A.shape[0], count))
    fill_inputs(drive, columns, latent, inputs)
    z, y, direct = np.empty((trials * (steps + 1), rank)), np.empty(count), np.empty(count)
    rows, g, carried = np.empty((count, size)), np.empty((count, size)), np.empty((rank, count))
    dP, dA, db, dw = np.empty_like(P), np.empty_like(A), np.empty_like(b), np.empty_like(w)
    for update in range(losses.size):
        x0 = states[update if states.shape[0] > 1 else 0]
        shaken = noise[update if noise.shape[0] > 1 else 0]
        forward(P, A, b, w, w0[0], latent, leak, x0, shaken, drive, columns, z, rows, y)
        losses[update] = errors_into(y, targets, weights, is_tanh, direct)
        dw0 = backward(P, A, w, latent, leak, x0, shaken, direct, columns, z, rows, g, carried, dP, dA, db, dw)
        squares = dot(db, db) + dw0 * dw0
        for r in range(rank):
            squares += dot(dP[r], dP[r]) + (dw[r] * dw[r] if trains_w else 0.0)
            descend(P[r], dP[r], learning_rate)
        for q in range(A.shape[0]):
            squares += dot(dA[q], dA[q])
            descend(A[q], dA[q], learning_rate)
        descend(b, db, learning_rate)
        if trains_w:
            descend(w, dw, learning_rate)
        w0[0] -= learning_rate * dw0
        gradient_norms[update] = math.sqrt(squares)


@njit(error_model="numpy")
def fill_inputs(drive, columns, latent, inputs):
    """The inputs' part of the drive, which is the same in every update; compiled code only."""
    trials, steps, channels = inputs.shape
    for trial in range(trials):
        for step in range(steps):
            for j in range(channels):
                drive[trial * steps + step, latent + j] = inputs[trial, step, j]
                columns[latent + j, trial * steps + step] = inputs[trial, step, j]
