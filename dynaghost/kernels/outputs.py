"""What a trained readout makes of a trial: outputs, errors, and the loss with its derivative.

σ(y) and tanh y = σ(2y) − σ(−2y) are both made of two sigmoids, on = σ(gy) and off = σ(−gy) with g = 1 or 2, since by
subtraction, or as (1 ± tanh)/2, a saturated output loses its gradient:

    σ(y) − o = (1 − o)·on − o·off,         dσ/dy = on·off,
    tanh y − o = (1 − o)·on − (1 + o)·off,  dtanh/dy = 4·on·off.
"""

from numba import njit

from dynaghost.kernels.elementary import sigmoid


@njit(error_model="numpy")
def errors_into(y, targets, weights, is_tanh, direct):
    """The loss Σ wₜ(ôₜ − oₜ)² and its derivative by each yₜ.

    Parameters
    ----------
    y, targets, weights : (size,) float64 arrays, contiguous
        What goes into the output function, o, and w.
    is_tanh : bool
        ô = tanh y; else σ(y).
    direct : (size,) float64 array
        Overwritten with dL/dy.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> direct = np.empty(1)
    >>> errors_into(np.zeros(1), np.ones(1), np.ones(1), False, direct), direct[0]
    (0.25, np.float64(-0.25))
    """
    loss = 0.0
    gain = 2.0 if is_tanh else 1.0
    for i in range(y.size):
        on, off = sigmoid(gain * y[i]), sigmoid(-gain * y[i])
        o, w = targets[i], weights[i]
        error = (1.0 - o) * on - ((1.0 + o) if is_tanh else o) * off
        loss += w * error * error
        direct[i] = 2.0 * w * error * (gain * gain * (on * off))
    return loss


@njit(error_model="numpy", cache=True)
def outputs_into(y, is_tanh, out):
    """ô of each y.

    Parameters
    ----------
    y : (size,) float64 array, contiguous
    is_tanh : bool
        tanh y; else σ(y).
    out : (size,) float64 array
        Overwritten.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty(2)
    >>> outputs_into(np.array([0.0, 1.0]), True, out)
    >>> out.round(6).tolist()
    [0.0, 0.761594]
    """
    for i in range(y.size):
        out[i] = sigmoid(2.0 * y[i]) - sigmoid(-2.0 * y[i]) if is_tanh else sigmoid(y[i])
