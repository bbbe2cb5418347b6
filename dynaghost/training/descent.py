"""Plain gradient descent on a rank-one network, in memory."""

from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.kernels import training as kernels
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.task import DelayedActivation


@dataclass(frozen=True, slots=True)
class Descent:
    """Some updates of plain gradient descent.

    Attributes
    ----------
    network : RankOneNetwork
        After the updates.
    loss, gradient_norm : (updates,) arrays
        Entry e is of the weights after e updates, so the last network's own are not among them: see `measure`.
    """

    network: RankOneNetwork
    loss: np.ndarray
    gradient_norm: np.ndarray


def descend(network: RankOneNetwork, task: DelayedActivation, *, learning_rate: float, updates: int) -> Descent:
    """Train for some updates; m, n and b are all trained.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation
    learning_rate : float
        Positive and finite.
    updates : int
        Not negative.

    Returns
    -------
    Descent
        Splitting the updates over several calls changes no bit.

    Raises
    ------
    DynaghostError
        If `learning_rate` or `updates` is out of range.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> network, task = initial_rank_one(seed=40), DelayedActivation()
    >>> descend(network, task, learning_rate=0.003, updates=10).loss.round(5)[0]
    np.float64(0.99991)
    """
    if not 0 < learning_rate < np.inf:
        raise DynaghostError(f"learning_rate must be positive and finite, got {learning_rate}")
    if updates < 0:
        raise DynaghostError(f"updates must not be negative, got {updates}")
    m, n, b = (kernels.padded(values) for values in (network.m, network.n, network.b))
    loss, gradient_norm = np.empty(updates), np.empty(updates)
    kernels.advance(m, n, b, network.units, _trial(task), task.steps, float(learning_rate), loss, gradient_norm)
    m, n, b = (values[: network.units] for values in (m, n, b))
    return Descent(network=RankOneNetwork(m=m, n=n, b=b), loss=loss, gradient_norm=gradient_norm)


def measure(network: RankOneNetwork, task: DelayedActivation) -> tuple[float, float]:
    """The loss of a network and the Euclidean norm of its gradient.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation

    Returns
    -------
    loss, gradient_norm : float

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> loss, gradient_norm = measure(initial_rank_one(seed=40), DelayedActivation())
    >>> round(loss, 5), round(gradient_norm, 5)
    (0.99991, 0.00091)
    """
    m, n, b = (kernels.padded(values) for values in (network.m, network.n, network.b))
    loss, gradient_norm = np.empty(1), np.empty(1)
    # A step of length zero measures what `descend` would record, with the same bits.
    kernels.advance(m, n, b, network.units, _trial(task), task.steps, 0.0, loss, gradient_norm)
    return float(loss[0]), float(gradient_norm[0])


def _trial(task: DelayedActivation) -> tuple[float, float, float, float, float]:
    values = (task.x0, task.leak, task.threshold, task.confidence, task.delay_steps)
    x0, leak, threshold, confidence, delay_steps = (float(value) for value in values)
    return x0, leak, threshold, confidence, delay_steps
