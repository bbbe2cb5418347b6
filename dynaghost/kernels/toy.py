"""The toy model ẋ = x² + r on the delayed-activation task (paper, figure 2): its loss by Euler steps, and its descent.

Gradient descent uses the gradient in closed form for a perfectly confident readout (paper, eqs. 2 and 13),

    L(r) = |T − π/(2√r)| for r ≥ r*/4, else T;
    dL/dr = ±π/(4 r^{3/2}), + above r* = π²/(4T²) and − below, 0 below r*/4.

Square roots and divisions are correctly rounded, so that every processor gives the same bits.
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import sigmoid


@njit(error_model="numpy", cache=True)
def euler_losses(r, delay, step, confidence, threshold, clip, losses):
    """∫₀²ᵀ (σ(c(x − x*)) − o)² dt over T for every r, with Euler steps from x(0) = 0, read after each step.

    Parameters
    ----------
    r : (R,) float64 array
    delay, step : float
        T and Δt, in τ; the target o is 0 before T and 1 from then on.
    confidence, threshold : float
        c and x*.
    clip : float
        x is held at this once it is above.
    losses : (R,) float64 array, overwritten
    """
    before = round(delay / step)
    for i in range(r.size):
        x, total = 0.0, 0.0
        for k in range(2 * before):
            x = min(x + step * (x * x + r[i]), clip)
            z = confidence * (x - threshold)
            error = sigmoid(-z) if k >= before else sigmoid(z)
            total += error * error
        losses[i] = total * step / delay


@njit(error_model="numpy", cache=True)
def loss_and_slope(r, delay):
    """L(r) over T, and dL/dr; at r* itself the slope from the left.

    Examples
    --------
    >>> loss, slope = loss_and_slope(1.0, 100.0)
    >>> round(loss, 6), round(slope, 6)
    (0.984292, 0.785398)
    """
    best = math.pi**2 / (4.0 * delay * delay)
    if not r >= 0.25 * best:
        return 1.0, 0.0
    root = math.sqrt(r)
    slope = math.pi / (4.0 * r * root)
    return abs(1.0 - math.pi / (2.0 * root * delay)), (slope if r > best else -slope)


@njit(error_model="numpy", cache=True)
def descend(r, rates, delay, epochs, wanted, losses, places, least, first):
    """Gradient descent r ← r − α·dL/dr of every start, each with its own rate.

    Parameters
    ----------
    r : (S,) float64 array, overwritten
        Starts, and then where they end.
    rates : (S,) float64 array
    delay : float
        T, in τ.
    epochs : int
        Updates.
    wanted : (K,) int64 array
        Epochs to record, increasing, from 0 to `epochs`; epoch e is after e updates.
    losses, places : (S, K) float64 arrays, overwritten
        L(r) over T and r at these epochs.
    least : (S,) float64 array, overwritten
        The smallest r of all epochs.
    first : (S,) int64 array, overwritten
        The first epoch with r < r*; −1 if there is none.
    """
    best = math.pi**2 / (4.0 * delay * delay)
    for i in range(r.size):
        place, next_wanted = r[i], 0
        least[i], first[i] = place, -1
        for epoch in range(epochs + 1):
            loss, slope = loss_and_slope(place, delay)
            if next_wanted < wanted.size and wanted[next_wanted] == epoch:
                losses[i, next_wanted], places[i, next_wanted] = loss, place
                next_wanted += 1
            least[i] = min(least[i], place)
            if first[i] < 0 and place < best:
                first[i] = epoch
            if epoch < epochs:
                place -= rates[i] * slope
        r[i] = place


@njit(error_model="numpy", cache=True)
def dies(r, rate, delay, epochs):
    """Whether descent from `r` falls below r*/4, where the gradient is 0, within some epochs.

    Examples
    --------
    >>> dies(2.4675e-4, 9.0e-10, 100.0, 1000), dies(2.4675e-4, 9.2e-10, 100.0, 1000)
    (False, True)
    """
    quarter = math.pi**2 / (16.0 * delay * delay)
    for _ in range(epochs):
        _, slope = loss_and_slope(r, delay)
        r -= rate * slope
        if not r >= quarter:
            return True
    return False


def optimal_r(delay: float) -> float:
    """r* = π²/(4T²), with the bits of the kernels.

    Examples
    --------
    >>> f"{optimal_r(100.0):.7e}"
    '2.4674011e-04'
    """
    return float(np.float64(math.pi**2 / (4.0 * delay * delay)))
