"""The Hessian of a rank-one network's loss."""

import numpy as np

from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.slope import gradient
from dynaghost.training.task import DelayedActivation

# Central differences of an exact gradient: the error is a third derivative times its square, and rounding over it.
_STEP = 1e-5


def hessian(network: RankOneNetwork, task: DelayedActivation) -> np.ndarray:
    """Second derivatives of the loss by m, n and b, in this order.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation

    Returns
    -------
    (3·units, 3·units) array
        Symmetric; from central differences of the gradient, with a step of 1e-5 in each weight.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> found = hessian(initial_rank_one(units=10, seed=40), DelayedActivation())
    >>> found.shape, bool((found == found.T).all())
    ((30, 30), True)
    """
    weights = np.concatenate([network.m, network.n, network.b])
    rows = np.empty((weights.size, weights.size))
    for i in range(weights.size):
        ends = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[i] += sign * _STEP
            m, n, b = np.split(moved, 3)
            ends.append(np.concatenate(gradient(RankOneNetwork(m=m, n=n, b=b), task)))
        rows[i] = (ends[0] - ends[1]) / (2 * _STEP)
    return 0.5 * (rows + rows.T)
