"""Gradient descent that hands out the weights of every epoch, in chunks, without writing any."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.kernels import recording as kernels
from dynaghost.kernels.training import padded
from dynaghost.training.descent import _trial, descend
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.task import DelayedActivation

CHUNK = 256
"""Epochs in a chunk: its weights fit into a processor's cache."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Some consecutive epochs of gradient descent.

    Attributes
    ----------
    epochs : range
        Entry e of the arrays is of the weights after `epochs[e]` updates.
    m, n, b : (len(epochs), units) arrays
        Overwritten by the next chunk: copy what is to be kept.
    loss, gradient_norm : (len(epochs),) arrays
    network : RankOneNetwork
        After the last of these updates, at epoch `epochs.stop`.
    """

    epochs: range
    m: np.ndarray
    n: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    network: RankOneNetwork


def record(
    network: RankOneNetwork,
    task: DelayedActivation,
    *,
    learning_rate: float,
    updates: int,
    start: int = 0,
    chunk: int = CHUNK,
) -> Iterator[Recording]:
    """`descend`, chunk by chunk, with the weights of every epoch.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation
    learning_rate : float
    updates : int
    start : int
        Epoch of `network`.
    chunk : int
        Most epochs in a chunk. Any choice gives the same bits.

    Yields
    ------
    Recording

    Raises
    ------
    DynaghostError
        If an argument is out of range.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> chunks = record(initial_rank_one(seed=40), DelayedActivation(), learning_rate=0.003, updates=5, chunk=2)
    >>> [(one.epochs, one.m.shape) for one in chunks]
    [(range(0, 2), (2, 100)), (range(2, 4), (2, 100)), (range(4, 5), (1, 100))]
    """
    if chunk < 1:
        raise DynaghostError(f"chunk must be at least 1, got {chunk}")
    if updates < 0:
        raise DynaghostError(f"updates must not be negative, got {updates}")
    descend(network, task, learning_rate=learning_rate, updates=0)  # refuses what is out of range
    m, n, b = (padded(values) for values in (network.m, network.n, network.b))
    trial, rate = _trial(task), float(learning_rate)
    rows = [np.empty((min(chunk, updates), network.units)) for _ in range(3)]
    for first in range(0, updates, chunk):
        size = min(chunk, updates - first)
        loss, norm, here = np.empty(size), np.empty(size), [stack[:size] for stack in rows]
        kernels.advance_recorded(m, n, b, network.units, trial, task.steps, rate, loss, norm, here[0], here[1], here[2])
        last = [values[: network.units].copy() for values in (m, n, b)]
        epochs = range(start + first, start + first + size)
        yield Recording(epochs, here[0], here[1], here[2], loss, norm, RankOneNetwork(m=last[0], n=last[1], b=last[2]))
