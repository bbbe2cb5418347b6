"""What a network puts out during a trial."""

import numpy as np

from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.task import DelayedActivation


def outputs(network: RankOneNetwork, task: DelayedActivation) -> np.ndarray:
    """ô after each step of the trial.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation

    Returns
    -------
    (steps,) array

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> bool((outputs(initial_rank_one(seed=40), DelayedActivation()) < 0.01).all())
    True
    """
    kappa, found = task.x0 * network.n.sum(), np.empty(task.steps)
    for step in range(task.steps):
        kappa = (1 - task.leak) * kappa + task.leak * network.n @ np.tanh(network.m * kappa + network.b)
        z = task.confidence * (kappa - task.threshold)
        found[step] = 0.5 * (1 + np.tanh(0.5 * z))
    return found
