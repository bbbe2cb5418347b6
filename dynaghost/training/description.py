"""What `run.json` says: enough to build the system and the trial again without this package."""

import dataclasses
from importlib.metadata import version
from typing import Any

import numpy as np

from dynaghost.training.any_network import Network
from dynaghost.training.cue_networks import CueFullRankNetwork, CueLowRankNetwork
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.readout_networks import FullRankNetwork, LowRankNetwork
from dynaghost.training.task import DelayedActivation
from dynaghost.training.tasks import TASKS


def description(network: Network, task: Any, training: dict[str, Any]) -> dict[str, Any]:
    """A run as `run.json` has it.

    Parameters
    ----------
    network : Network
    task : Task
    training : dict
        What is under "training", ready for JSON.

    Returns
    -------
    dict

    Examples
    --------
    >>> from dynaghost.training.readout_networks import initial_full_rank
    >>> run = description(initial_full_rank(units=10, seed=0), DelayedActivation(), {})
    >>> run["system"]["kind"], run["trial"]["readout"]
    ('recurrent', '1/(1+exp(-(w_out.x+b_out)))')
    """
    return {
        "schema": 1,
        "software": {"dynaghost": version("dynaghost")},
        "axis": "epoch",
        "system": _system(network, task.leak),
        "trial": {**_trial(network, task), **_readout(network, task)},
        "training": training,
    }


def task_name(task: Any) -> str:
    """As the command line calls it.

    Examples
    --------
    >>> from dynaghost.training.cues import MatchToSample
    >>> task_name(MatchToSample())
    'match-to-sample'
    """
    return next(name for name, kind in TASKS.items() if isinstance(task, kind))


def _system(network: Network, leak: float) -> dict[str, Any]:
    common = {"units": network.units, "leak": leak, "form": "rate", "scale": 1.0, "activation": "tanh"}
    match network:
        case RankOneNetwork() | LowRankNetwork():
            rank = 1 if isinstance(network, RankOneNetwork) else network.rank
            return {"kind": "low_rank", "rank": rank, **common, "names": {"m": "m", "n": "n", "b": "b"}}
        case FullRankNetwork():
            return {"kind": "recurrent", **common, "names": {"W": "W", "b": "b"}}
        case CueLowRankNetwork():
            # S_l and S_r are known by name, with their row convention; as m and n they would stand in the wrong order.
            own = {"names": {"b": "W_in.bias"}, "equation": "r <- (1-leak) r + leak tanh(r S_l S_r + W_in u + b)"}
            return {"kind": "low_rank", "rank": network.rank, **common, **own, **_INPUTS}
        case CueFullRankNetwork():
            names = {"W": "W_rec", "b": "W_in.bias"}
            equation = "r <- (1-leak) r + leak tanh(r W_rec + W_in u + b)"
            return {"kind": "recurrent", **common, "names": names, "transpose": True, "equation": equation, **_INPUTS}


TRIALS = "trials.npz"
"""The file beside `run.json` with trials of the task, where they have inputs over time."""
_BATCHES = 4


def trial_arrays(network: Network, task: Any) -> dict[str, np.ndarray] | None:
    """What `trials.npz` holds: the trials of the first `_BATCHES` updates; None for a task without inputs.

    Returns
    -------
    dict of str to ndarray, or None
        `initial` (trials, units), `inputs` (trials, steps, 1), `targets` (trials, steps, 1), `mask` (trials, steps),
        `periods` (P, 2) and `period_names` (P,).

    Examples
    --------
    >>> from dynaghost.training.cue_networks import initial_cue_low_rank
    >>> from dynaghost.training.cues import MatchToSample
    >>> arrays = trial_arrays(initial_cue_low_rank(units=5, seed=0), MatchToSample())
    >>> arrays["initial"].shape, arrays["inputs"].shape, arrays["period_names"].tolist()
    ((16, 5), (16, 24, 1), ['cue 1', 'delay', 'cue 2', 'response'])
    """
    if isinstance(task, DelayedActivation):
        return None
    initial = task.states(network.units, first=0, updates=_BATCHES).reshape(-1, network.units)
    of_batch = {"inputs": task.inputs, "targets": task.targets[..., None], "mask": task.mask}
    periods = _named_periods(task)
    return {
        "initial": initial,
        **{name: np.concatenate([array] * _BATCHES) for name, array in of_batch.items()},
        "periods": np.array(list(periods.values())),
        "period_names": np.array(list(periods)),
    }


def _named_periods(task: Any) -> dict[str, tuple[int, int]]:
    """Start and stop of each cue, the delay and the response."""
    cues, several = {}, len(task.cue_starts) > 1
    for k, start in enumerate(task.cue_starts):
        cues[f"cue {k + 1}" if several else "cue"] = (start, start + task.cue_steps)
    delay = task.cue_starts[0] + task.cue_steps
    rest = {"delay": (delay, delay + task.delay_steps), "response": (task.response_start, task.steps)}
    return dict(sorted((cues | rest).items(), key=lambda item: item[1]))


# u of the equation is constant in each period of the trial.
_INPUTS = {"input_weights": "W_in.weight"}


def _trial(network: Network, task: Any) -> dict[str, Any]:
    if isinstance(task, DelayedActivation):
        told = {"x0": task.x0, "steps": task.steps, "delay": task.delay, "delay_steps": task.delay_steps}
        return {**told, "threshold": task.threshold} if isinstance(network, RankOneNetwork) else told
    state = "tanh(spread*N(0,1)) of each unit, anew in each trial and epoch"
    told = {"delay": task.delay, "steps": task.steps, "trials": task.trials, **dataclasses.asdict(task)}
    shown = {"periods": _periods(task), "targets": _by_kind(task, task.targets[:, -1])}
    return {**told, "initial_state": state, **shown, "file": TRIALS}


def _periods(task: Any) -> list[dict[str, Any]]:
    """Stretches of the trial over which the input is constant: u of each kind of trial, a row each."""
    inputs, starts = task.inputs, [0]
    starts += [t for t in range(1, task.steps) if t == task.response_start or (inputs[:, t] != inputs[:, t - 1]).any()]
    ends = [*starts[1:], task.steps]
    return [
        {"start": t, "steps": end - t, "inputs": _by_kind(task, inputs[:, t])}
        for t, end in zip(starts, ends, strict=True)
    ]


def _by_kind(task: Any, of_trials: np.ndarray) -> list[Any]:
    """A batch holds each kind `repeats` times, one kind after the other and then again."""
    return of_trials[: len(task.kinds)].tolist()


def _readout(network: Network, task: Any) -> dict[str, Any]:
    match network:
        case RankOneNetwork():
            return {"readout": "1/(1+exp(-c*(kappa-threshold)))", "confidence": task.confidence}
        case LowRankNetwork() | FullRankNetwork():
            names = {"readout_weights": "w_out", "readout_bias": "b_out"}
            return {"readout": "1/(1+exp(-(w_out.x+b_out)))", **names}
        case CueLowRankNetwork() | CueFullRankNetwork():
            of = "(r S_l)" if isinstance(network, CueLowRankNetwork) else "r"
            names = {"readout_weights": "W_out.weight", "readout_bias": "W_out.bias"}
            return {"readout": f"tanh(W_out.weight {of} + W_out.bias)", **names}
