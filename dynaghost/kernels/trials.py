"""A trial of a rank-one network: the map κ ← (1 − leak)·κ + leak·Σ nᵢ tanh(mᵢκ + bᵢ), iterated."""

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma, tanh
from dynaghost.kernels.sums import add


@njit(error_model="numpy", cache=True)
def walk(m, n, b, leak, kappa, states):
    """Iterate from `kappa` until at rest or `states` is full.

    Parameters
    ----------
    m, n, b : (N,) float64 arrays
    leak, kappa : float
    states : (T,) float64 array, overwritten
        κ before the first iteration and after each.

    Returns
    -------
    count : int
        Entries of `states` that were filled.
    rested : bool
        Whether the last iteration moved κ by no more than its rounding.
    """
    states[0] = kappa
    for step in range(1, states.size):
        total = 0.0
        for i in range(m.size):
            total = add(total, n[i] * tanh(fma(m[i], kappa, b[i])))
        new = kappa + leak * (total - kappa)
        states[step] = new
        if abs(new - kappa) <= 4e-16 * (1.0 + abs(new)):
            return step + 1, True
        kappa = new
    return states.size, False


def states_room(steps: int) -> np.ndarray:
    """Room for a walk of so many iterations."""
    return np.empty(steps + 1)
