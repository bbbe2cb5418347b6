"""Gradient descent on full-rank networks, compiled, with back-propagation through time written out.

x' = (1−Δ)x + Δ·tanh(u) + ξ, u = W x + V·inputs + b, y = w·x + w₀ after each step. Backwards, with a_t = dL/dx(t) and
d_t = dL/dy(t),

    a(t+1) complete = carried + d_t·w,   g(t) = Δ a(t+1)·sech²u(t),   carried = (1−Δ)a(t+1) + Wᵀg(t),
    dW = Σ_t g(t) x(t)ᵀ,   dV = Σ_t g(t) inputs(t)ᵀ,   db = Σ_t g(t),   dw = Σ_t d_t x(t+1),

summed over the trials of a batch. W and V are kept by columns, one after the other as rows of one array C: then W x is
a weighted sum of rows and Wᵀg a product with each row, both compiled without BLAS, whose bits depend on the processor.
Arrays are padded with zero weights to a multiple of eight, which keep a zero gradient.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma
from dynaghost.kernels.lanes import dot
from dynaghost.kernels.low_rank_training import descend, fill_inputs, times_slope
from dynaghost.kernels.outputs import errors_into
from dynaghost.kernels.rows import combine, project, tanh_row


@njit(error_model="numpy", cache=True)
def forward(C, b, w, w0, units, leak, states, noise, drive, columns, x, rows, y):
    """Run a batch of trials.

    Parameters
    ----------
    C : (units + inputs, size), b : (size,), w : (size,) float64 arrays
        Columns of W and of V, each padded.
    w0 : float
    units : int
    leak : float
        Δ.
    states : (trials, size) array
        x(0).
    noise : (trials, 0 or steps, size) array
        ξ.
    drive : (trials·steps, units + inputs) array
        State and inputs at each step, with the inputs filled in; the rest is overwritten.
    columns : (units + inputs, trials·steps) array
        Its transpose.
    x : (trials·(steps + 1), size), rows : (trials·steps, size), y : (trials·steps,) arrays
        Overwritten: states, tanh u, and the readout.
    """
    trials, steps = states.shape[0], rows.shape[0] // states.shape[0]
    for trial in range(trials):
        x[trial * (steps + 1)] = states[trial]
        for step in range(steps):
            k, now = trial * steps + step, x[trial * (steps + 1) + step]
            after = x[trial * (steps + 1) + step + 1]
            for i in range(units):
                drive[k, i] = now[i]
            combine(drive[k], C, b, rows[k])
            tanh_row(rows[k])
            for i in range(after.size):
                after[i] = (1.0 - leak) * now[i] + leak * rows[k, i]
            if noise.shape[1] > 0:
                for i in range(after.size):
                    after[i] += noise[trial, step, i]
            y[k] = w0 + dot(w, after)
    for j in range(units):
        for k in range(drive.shape[0]):
            columns[j, k] = drive[k, j]


@njit(error_model="numpy")
def backward(C, w, units, leak, steps, direct, columns, x, rows, g, dC, db, dw):
    """The gradient of a batch by all weights, and by w₀, which is returned; arguments as for `forward`.

    Parameters
    ----------
    direct : (trials·steps,) array
        dL/dy.
    g : (trials·steps, size) array
        Overwritten: dL/du.
    dC, db, dw : arrays of the shapes of C, b and w
        Overwritten.
    """
    carried, nothing, pulled = np.empty(w.size), np.zeros(w.size), np.empty(units)
    recurrent, dw0 = C[:units], 0.0
    dw[:] = 0.0
    for trial in range(rows.shape[0] // steps):
        carried[:] = 0.0
        for step in range(steps - 1, -1, -1):
            k, after = trial * steps + step, x[trial * (steps + 1) + step + 1]
            dw0 += direct[k]
            for i in range(w.size):
                dw[i] = fma(direct[k], after[i], dw[i])
                carried[i] = fma(direct[k], w[i], carried[i])
                g[k, i] = leak * carried[i]
            times_slope(g[k], rows[k])
            project(recurrent, g[k], pulled)
            for i in range(units):
                carried[i] = fma(1.0 - leak, carried[i], pulled[i])
    for j in range(C.shape[0]):
        combine(columns[j], g, nothing, dC[j])
    combine(np.ones(g.shape[0]), g, nothing, db)
    return dw0


@njit(error_model="numpy", cache=True)
def advance(
    C, b, w, w0, units, leak, inputs, targets, weights, is_tanh, states, noise, learning_rate, losses, gradient_norms
):
    """Take one step of plain gradient descent for each element of `losses`; change the weights in place.

    Parameters
    ----------
    C, b, w, units, leak
        As for `forward`; contiguous, rows padded.
    w0 : (1,) float64 array
    inputs : (trials, steps, channels) array
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
    count, size = trials * steps, b.size
    drive, columns = np.empty((count, C.shape[0])), np.empty((C.shape[0], count))
    fill_inputs(drive, columns, units, inputs)
    x, y, direct = np.empty((trials * (steps + 1), size)), np.empty(count), np.empty(count)
    rows, g = np.empty((count, size)), np.empty((count, size))
    dC, db, dw = np.empty_like(C), np.empty_like(b), np.empty_like(w)
    for update in range(losses.size):
        x0 = states[update if states.shape[0] > 1 else 0]
        shaken = noise[update if noise.shape[0] > 1 else 0]
        forward(C, b, w, w0[0], units, leak, x0, shaken, drive, columns, x, rows, y)
        losses[update] = errors_into(y, targets, weights, is_tanh, direct)
        dw0 = backward(C, w, units, leak, steps, direct, columns, x, rows, g, dC, db, dw)
        squares = dot(db, db) + dot(dw, dw) + dw0 * dw0
        for j in range(C.shape[0]):
            squares += dot(dC[j], dC[j])
            descend(C[j], dC[j], learning_rate)
        descend(b, db, learning_rate)
        descend(w, dw, learning_rate)
        w0[0] -= learning_rate * dw0
        gradient_norms[update] = math.sqrt(squares)
