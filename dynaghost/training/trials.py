"""What any network puts out in the trials of its task, by the compiled code that trains it."""

from typing import Any

import numpy as np

from dynaghost.kernels import full_rank_training, low_rank_training
from dynaghost.kernels import training as kernels
from dynaghost.kernels.outputs import outputs_into
from dynaghost.training.arrays import FullRankArrays, LowRankArrays, padded_rows
from dynaghost.training.descent import trials_of
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.noise import Noise
from dynaghost.training.tasks import Task, check_fit


def trial_outputs(network: Any, task: Task, *, epoch: int = 0, noise: Noise | None = None) -> np.ndarray:
    """ô after each step of each trial.

    Parameters
    ----------
    network : Network
    task : Task
    epoch : int
        Which random numbers the trials have: those of the update that follows it.
    noise : Noise, optional

    Returns
    -------
    (trials, steps) array

    Raises
    ------
    DynaghostError
        If the network is not of the task.

    Examples
    --------
    >>> from dynaghost.training.cue_networks import initial_cue_low_rank
    >>> from dynaghost.training.cues import MatchToSample
    >>> trial_outputs(initial_cue_low_rank(seed=0), MatchToSample()).shape
    (4, 24)
    """
    check_fit(network, task)
    states, shaken = trials_of(task, network.units, epoch, 1, noise)
    y, found = np.empty(task.trials * task.steps), np.empty(task.trials * task.steps)
    _read(network, task, states[0], shaken[0], y)
    outputs_into(y, task.output == "tanh", found)
    return found.reshape(task.trials, task.steps)


def _read(network: Any, task: Any, states: np.ndarray, noise: np.ndarray, y: np.ndarray) -> None:
    if isinstance(network, RankOneNetwork):
        c = task.confidence if network.confidence is None else network.confidence
        y[:] = c * (_kappa(network, task, states, noise) - task.threshold)
        return
    arrays = network.arrays()
    read = _read_full_rank if isinstance(arrays, FullRankArrays) else _read_low_rank
    read(arrays, network.units, task, states, noise, y)


def _kappa(network: RankOneNetwork, task: Any, states: np.ndarray, noise: np.ndarray) -> np.ndarray:
    m, n, b = (padded_rows(values[None]) for values in (network.m, network.n, network.b))
    kappa, slope = np.empty((1, task.steps + 1)), np.empty((1, task.steps))
    rows, p = np.empty((1, task.steps, m.shape[1])), np.empty_like(m)
    # The whole initial state stands in the first row, so that of all units is 0.
    shaken = np.concatenate([states[:, None], noise], axis=1)
    kernels.run(m, n, b, p, 0.0, float(task.leak), shaken, kappa, slope, rows)
    return kappa[0, 1:]


def _read_low_rank(
    arrays: LowRankArrays, units: int, task: Task, states: np.ndarray, noise: np.ndarray, y: np.ndarray
) -> None:
    P, A, b, w = arrays.P, arrays.A, arrays.b, arrays.w
    z, (drive, columns, rows) = np.empty((task.trials * (task.steps + 1), len(P))), _scratch(y.size, A)
    low_rank_training.fill_inputs(drive, columns, arrays.latent, task.inputs)
    leak, w0 = float(task.leak), float(arrays.w0[0])
    low_rank_training.forward(P, A, b, w, w0, arrays.latent, leak, states, noise, drive, columns, z, rows, y)


def _read_full_rank(
    arrays: FullRankArrays, units: int, task: Task, states: np.ndarray, noise: np.ndarray, y: np.ndarray
) -> None:
    C, b, w = arrays.C, arrays.b, arrays.w
    x, (drive, columns, rows) = np.empty((task.trials * (task.steps + 1), b.size)), _scratch(y.size, C)
    full_rank_training.fill_inputs(drive, columns, units, task.inputs)
    leak, w0 = float(task.leak), float(arrays.w0[0])
    full_rank_training.forward(C, b, w, w0, units, leak, states, noise, drive, columns, x, rows, y)


def _scratch(count: int, driving: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.empty((count, len(driving))), np.empty((len(driving), count)), np.empty((count, driving.shape[1]))
