"""What a network of the delayed-activation task puts out during a trial, and its recurrent weights."""

from typing import Any

import numpy as np

from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.readout_networks import FullRankNetwork
from dynaghost.training.task import DelayedActivation


def outputs(network: Any, task: DelayedActivation) -> np.ndarray:
    """ô after each step of the noiseless trial.

    Parameters
    ----------
    network : RankOneNetwork, LowRankNetwork or FullRankNetwork
    task : DelayedActivation
        Its threshold and confidence are those of a rank-one network that has no readout of its own.

    Returns
    -------
    (steps,) array

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> bool((outputs(initial_rank_one(seed=40), DelayedActivation()) < 0.01).all())
    True
    """
    W, (w, offset) = recurrent(network), _readout(network, task)
    x, found = np.full(network.units, task.x0), np.empty(task.steps)
    for step in range(task.steps):
        x = (1 - task.leak) * x + task.leak * np.tanh(W @ x + network.b)
        found[step] = 0.5 * (1 + np.tanh(0.5 * (w @ x + offset)))
    return found


def recurrent(network: Any) -> np.ndarray:
    """W, (units, units), of a network that may have it as m n.

    Examples
    --------
    >>> recurrent(RankOneNetwork(m=np.array([1.0, 2.0]), n=np.array([3.0, 4.0]), b=np.zeros(2))).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    if isinstance(network, FullRankNetwork):
        return network.W
    return np.outer(network.m, network.n) if isinstance(network, RankOneNetwork) else network.m @ network.n


def _readout(network: Any, task: DelayedActivation) -> tuple[np.ndarray, float]:
    """The row and the number that make the logit of ô from a state."""
    if not isinstance(network, RankOneNetwork):
        return network.w_out, float(network.b_out[0])
    c = task.confidence if network.confidence is None else network.confidence
    return c * network.n, -c * task.threshold
