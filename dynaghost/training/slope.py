"""The gradient of a rank-one network's loss."""

import numpy as np

from dynaghost.kernels import training as kernels
from dynaghost.training.descent import _trial
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.task import DelayedActivation


def gradient(network: RankOneNetwork, task: DelayedActivation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL/dm, dL/dn and dL/db, each (units,).

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> [part.shape for part in gradient(initial_rank_one(units=10, seed=40), DelayedActivation())]
    [(10,), (10,), (10,)]
    """
    m, n, b = (kernels.padded(values) for values in (network.m, network.n, network.b))
    _, dm, dn, db = kernels.gradient(m, n, b, network.units, _trial(task), task.steps)
    return dm[: network.units], dn[: network.units], db[: network.units]
