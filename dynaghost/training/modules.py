"""A torch.nn.Module for every network here, with the same weights under the same names.

Train in torch and analyze here, or the other way round: `torch_twin` makes the module, its state dict, saved with
`torch.save`, is a checkpoint that `dynaghost.load_run` reads, and `from_state_dict` brings trained weights back.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dynaghost.training.any_network import network_of
from dynaghost.training.cue_networks import CueFullRankNetwork, CueLowRankNetwork
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.readout_networks import FullRankNetwork, LowRankNetwork
from dynaghost.training.tasks import Task, check_fit


def torch_twin(network: Any, task: Task) -> Any:
    """A module with the weights of a network, all of them trainable parameters, in float64.

    Parameters
    ----------
    network : Network
    task : Task
        Whose trials it runs.

    Returns
    -------
    torch.nn.Module
        `module(states=None, noise=None)` returns ô, (trials, steps), differentiably: from initial states (trials,
        units), by default the task's first, and with noise (trials, steps, units) added after each step, by default
        none. `module.loss(outputs)` is the task's loss. The parameters have the names of `network.weights`.

    Raises
    ------
    DynaghostError
        If the network is not of the task.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> from dynaghost.training.task import DelayedActivation
    >>> module = torch_twin(initial_rank_one(seed=40), DelayedActivation())
    >>> list(module.state_dict()), round(module.loss(module()).item(), 5)
    (['m', 'n', 'b'], 0.99991)
    """
    check_fit(network, task)
    return _twin_class()(network, task)


def from_state_dict(state: Mapping[str, Any]) -> Any:
    """The network of a twin's state dict, or of any with these names.

    Parameters
    ----------
    state : mapping of str to torch.Tensor or array

    Returns
    -------
    Network

    Raises
    ------
    DynaghostError
        If the names are no network's, or shapes disagree.

    Examples
    --------
    >>> from dynaghost.training.readout_networks import initial_low_rank
    >>> from dynaghost.training.task import DelayedActivation
    >>> network = initial_low_rank(rank=2, units=5, seed=1)
    >>> again = from_state_dict(torch_twin(network, DelayedActivation()).state_dict())
    >>> bool((again.m == network.m).all())
    True
    """
    return network_of({name: _array(values) for name, values in state.items()})


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().double().numpy() if hasattr(values, "detach") else np.asarray(values, dtype=float)


@cache
def _twin_class() -> Any:
    """The class, made when torch is first needed: loading torch takes 1.6 s."""
    import torch

    class Twin(torch.nn.Module):
        """A network of `dynaghost.training` in torch."""

        def __init__(self, network: Any, task: Task) -> None:
            super().__init__()
            self.task, self.units, self._kind = task, network.units, type(network)
            for name, values in network.weights.items():
                _register(self, name, torch.nn.Parameter(torch.tensor(values)))

        def forward(self, states: Any = None, noise: Any = None) -> Any:
            """ô, (trials, steps)."""
            weights = dict(self.named_parameters())
            like = next(iter(weights.values()))
            x = _given(states, self.task.states(self.units, first=0, updates=1)[0], like)
            inputs, y = _given(None, self.task.inputs, like), []
            for step in range(self.task.steps):
                u = _DRIVES[self._kind](weights, x, inputs[:, step])
                x = (1 - self.task.leak) * x + self.task.leak * torch.tanh(u)
                x = x if noise is None else x + _given(noise[:, step], None, like)
                y.append(_READOUTS[self._kind](weights, x, self.task))
            return (torch.tanh if self.task.output == "tanh" else torch.sigmoid)(torch.stack(y, dim=1))

        def loss(self, outputs: Any) -> Any:
            """Σ of the squared errors, weighted as the task says."""
            targets, weights = (_given(None, v, outputs) for v in (self.task.targets, self.task.loss_weights))
            return (weights * (outputs - targets) ** 2).sum()

    return Twin


def _register(module: Any, name: str, parameter: Any) -> None:
    """A parameter under a dotted name, inside modules made for it."""
    import torch

    *parents, last = name.split(".")
    for parent in parents:
        if not hasattr(module, parent):
            module.add_module(parent, torch.nn.Module())
        module = getattr(module, parent)
    module.register_parameter(last, parameter)


def _given(values: Any, default: Any, like: Any) -> Any:
    import torch

    return torch.as_tensor(default if values is None else values, dtype=like.dtype, device=like.device)


# What goes into tanh, from weights by name, states (trials, units) and inputs (trials, channels).
_DRIVES: dict[type, Any] = {
    RankOneNetwork: lambda w, x, u: w["m"] * (x @ w["n"])[:, None] + w["b"],
    LowRankNetwork: lambda w, x, u: (x @ w["n"].T) @ w["m"].T + w["b"],
    FullRankNetwork: lambda w, x, u: x @ w["W"].T + w["b"],
    CueLowRankNetwork: lambda w, x, u: (x @ w["S_l"]) @ w["S_r"] + u @ w["W_in.weight"].T + w["W_in.bias"],
    CueFullRankNetwork: lambda w, x, u: x @ w["W_rec"] + u @ w["W_in.weight"].T + w["W_in.bias"],
}


def _read_rank_one(weights: Any, x: Any, task: Any) -> Any:
    return weights.get("confidence", task.confidence) * (x @ weights["n"] - task.threshold)


def _read_trained(weights: Any, x: Any, task: Any) -> Any:
    return x @ weights["w_out"] + weights["b_out"]


# What goes into the output function, (trials,).
_READOUTS: dict[type, Any] = {
    RankOneNetwork: _read_rank_one,
    LowRankNetwork: _read_trained,
    FullRankNetwork: _read_trained,
    CueLowRankNetwork: lambda w, x, task: ((x @ w["S_l"]) @ w["W_out.weight"].T + w["W_out.bias"])[:, 0],
    CueFullRankNetwork: lambda w, x, task: (x @ w["W_out.weight"].T + w["W_out.bias"])[:, 0],
}
