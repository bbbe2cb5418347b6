"""The network that a run begins with."""

import dataclasses

from dynaghost.errors import DynaghostError
from dynaghost.training.any_network import Network
from dynaghost.training.cue_networks import initial_cue_full_rank, initial_cue_low_rank
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.readout_networks import initial_full_rank, initial_low_rank
from dynaghost.training.task import DelayedActivation
from dynaghost.training.tasks import Task

FULL = "full"


def initial_network(
    task: Task,
    *,
    rank: int | str | None = None,
    units: int = 100,
    seed: int,
    readout: str | None = None,
    trains_confidence: bool = False,
) -> Network:
    """Weights before training, of the kind that a task and a rank ask for.

    Parameters
    ----------
    task : Task
    rank : int or "full", optional
        Default: 1 for the delayed-activation task, 2 for the two-cue tasks.
    units, seed : int
    readout : {"confidence", "trained"}, optional
        Of the delayed-activation task: σ(c(κ − κ*)), for rank one only and the default there, or σ(w_out·x + b_out).
    trains_confidence : bool
        Train c too, from the task's on.

    Returns
    -------
    Network

    Raises
    ------
    DynaghostError
        If an argument is out of range, or they do not go together.

    Examples
    --------
    >>> type(initial_network(DelayedActivation(), rank=5, seed=0)).__name__
    'LowRankNetwork'
    """
    if not (rank is None or rank == FULL or (isinstance(rank, int) and rank >= 1)):
        raise DynaghostError(f"rank must be a positive integer or {FULL!r}, got {rank!r}")
    if readout not in (None, "confidence", "trained"):
        raise DynaghostError(f"readout must be 'confidence' or 'trained', got {readout!r}")
    if isinstance(task, DelayedActivation):
        return _delayed_activation(task, 1 if rank is None else rank, units, seed, readout, trains_confidence)
    if readout == "confidence" or trains_confidence:
        raise DynaghostError("readout must be 'trained' for the two-cue tasks, whose networks have no confidence")
    if rank == FULL:
        return initial_cue_full_rank(units=units, seed=seed)
    return initial_cue_low_rank(rank=2 if rank is None else int(rank), units=units, seed=seed)


def _delayed_activation(
    task: DelayedActivation, rank: int | str, units: int, seed: int, readout: str | None, trains_confidence: bool
) -> Network:
    fixed = readout == "confidence" or (readout is None and rank == 1)
    if fixed and rank != 1:
        raise DynaghostError(f"readout must be 'trained' where rank is not 1, got 'confidence' and rank {rank}")
    if trains_confidence and not fixed:
        raise DynaghostError("trains_confidence needs readout 'confidence' and rank 1")
    if fixed:
        network = initial_rank_one(units=units, seed=seed)
        return dataclasses.replace(network, confidence=task.confidence) if trains_confidence else network
    if rank == FULL:
        return initial_full_rank(units=units, seed=seed)
    return initial_low_rank(rank=int(rank), units=units, seed=seed)
