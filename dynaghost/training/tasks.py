"""All tasks together: what they share, and which network goes with which."""

from typing import Any, Protocol

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.cue_networks import CueFullRankNetwork, CueLowRankNetwork
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.task import DelayedActivation


class Task(Protocol):
    """A batch of trials, and what the network is to put out."""

    @property
    def trials(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def leak(self) -> float: ...
    @property
    def output(self) -> str: ...
    @property
    def inputs(self) -> np.ndarray: ...
    @property
    def targets(self) -> np.ndarray: ...
    @property
    def mask(self) -> np.ndarray: ...
    @property
    def loss_weights(self) -> np.ndarray: ...
    def states(self, units: int, *, first: int, updates: int) -> np.ndarray: ...


TASKS = {
    "delayed-activation": DelayedActivation,
    "cue-discrimination": CueDiscrimination,
    "match-to-sample": MatchToSample,
}
"""Every task by the name that the command line and `run.json` have for it."""


def check_fit(network: Any, task: Any) -> None:
    """Refuse a network of another task, or with another number of inputs.

    Raises
    ------
    DynaghostError

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> check_fit(initial_rank_one(seed=0), DelayedActivation())
    """
    shows = not isinstance(task, DelayedActivation)
    takes = isinstance(network, CueLowRankNetwork | CueFullRankNetwork)
    if shows != takes:
        raise DynaghostError(f"{type(task).__name__} needs another network, got {type(network).__name__}")
    if takes and network.W_in.shape[1] != task.inputs.shape[2]:
        raise DynaghostError(f"W_in must take {task.inputs.shape[2]} inputs, got {network.W_in.shape[1]}")
