"""What `run.json` says: enough to build the system and the trial again without this package."""

import dataclasses
from importlib.metadata import version
from typing import Any

from dynaghost.training.any_network import Network
from dynaghost.training.cue_networks import CueFullRankNetwork, CueLowRankNetwork
from dynaghost.training.cues import MatchToSample
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.readout_networks import FullRankNetwork, LowRankNetwork
from dynaghost.training.task import DelayedActivation


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
        "trial": {**_trial(task, network), **_readout(network, task)},
        "training": training,
    }


def task_name(task: Any) -> str:
    """As the command line calls it.

    Examples
    --------
    >>> task_name(MatchToSample())
    'match-to-sample'
    """
    if isinstance(task, DelayedActivation):
        return "delayed-activation"
    return "match-to-sample" if isinstance(task, MatchToSample) else "cue-discrimination"


def _system(network: Network, leak: float) -> dict[str, Any]:
    common = {"units": network.units, "leak": leak, "form": "rate", "scale": 1.0, "activation": "tanh"}
    match network:
        case RankOneNetwork():
            return {"kind": "low_rank", "rank": 1, **common, "names": {"m": "m", "n": "n", "b": "b"}}
        case LowRankNetwork():
            return {"kind": "low_rank", "rank": network.rank, **common, "names": {"m": "m", "n": "n", "b": "b"}}
        case FullRankNetwork():
            return {"kind": "recurrent", **common, "names": {"W": "W", "b": "b"}}
        case CueLowRankNetwork():
            # S_l and S_r are known by name, with their row convention; as m and n they would stand in the wrong order.
            own = {"names": {"b": "W_in.bias"}, "equation": "r <- (1-leak) r + leak tanh(r S_l S_r + W_in u + b)"}
            return {"kind": "low_rank", "rank": network.rank, **common, **own}
        case CueFullRankNetwork():
            names = {"W": "W_rec", "b": "W_in.bias"}
            equation = "r <- (1-leak) r + leak tanh(r W_rec + W_in u + b)"
            return {"kind": "recurrent", **common, "names": names, "transpose": True, "equation": equation}


def _trial(task: Any, network: Network) -> dict[str, Any]:
    if not isinstance(task, DelayedActivation):
        return {"delay": task.delay, "steps": task.steps, "trials": task.trials, **dataclasses.asdict(task)}
    told = {"x0": task.x0, "steps": task.steps, "delay": task.delay, "delay_steps": task.delay_steps}
    return {**told, "threshold": task.threshold} if isinstance(network, RankOneNetwork) else told


def _readout(network: Network, task: Any) -> dict[str, Any]:
    match network:
        case RankOneNetwork():
            return {"readout": "1/(1+exp(-c*(kappa-threshold)))", "confidence": task.confidence}
        case LowRankNetwork() | FullRankNetwork():
            return {"readout": "1/(1+exp(-(w_out.x+b_out)))"}
        case CueLowRankNetwork():
            return {"readout": "tanh(W_out.weight (r S_l) + W_out.bias)"}
        case CueFullRankNetwork():
            return {"readout": "tanh(W_out.weight r + W_out.bias)"}
