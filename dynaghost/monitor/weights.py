"""Copies of a module's weights, and a check that the network that is analyzed is the module's own."""

import math
from typing import Any

import numpy as np

from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.monitor.schedule import Weights
from dynaghost.systems.module import from_object
from dynaghost.systems.torch_layers import is_layer, kind_of


def copy_weights(model: Any) -> Weights:
    """Parameters and buffers by name, in arrays of their own; the module is read and never changed.

    Floats that NumPy has no type for become float32, which holds each of them exactly.

    Parameters
    ----------
    model : torch.nn.Module

    Raises
    ------
    DynaghostError
        If it is no module, or has no weights.
    """
    if not hasattr(model, "named_parameters"):
        raise DynaghostError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    # Not its state dict, which runs the module's own hooks.
    named = {**dict(model.named_buffers()), **dict(model.named_parameters())}
    if not named:
        raise DynaghostError(f"model: expected a module with weights, got {type(model).__name__} without any")
    return {name: _array(tensor) for name, tensor in named.items()}


def _array(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return np.array(tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy())


def gradient_norm(model: Any) -> float | None:
    """√Σ(∂L/∂w)² over all parameters, as their gradients stand; None where there are none."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    if not gradients:
        return None
    # Squares in float64: below 1e-23 they are gone from float32, and this norm tells whether the gradient is.
    return math.sqrt(sum(float(np.sum(np.square(_array(g), dtype=np.float64))) for g in gradients))


def activation_of(model: Any, layer: str | None) -> str | None:
    """The activation of torch's own plain recurrent layer, which weights do not tell; None for others."""
    chosen = _own_layer(model, layer)
    return "relu" if chosen is not None and getattr(chosen, "nonlinearity", "tanh") == "relu" else None


def check_recognized(model: Any, weights: Weights, settings: Settings) -> None:
    """That the network recognized by names is the module's, where the module is one of torch's own.

    Raises
    ------
    CheckpointError
        If the weights are not recognized.
    DynaghostError
        If a step of the one is not a step of the other.
    """
    found = recognize(weights, settings, "model").system
    own = _own_layer(model, settings.layer)
    if own is None:
        return
    label = settings.layer.rpartition(":")[2] if settings.layer is not None else None
    live = from_object(own, inputs=settings.inputs, layer=label if label and is_layer(label) else None)
    states = np.random.default_rng(0).uniform(-1, 1, (3, live.dim))
    if found.dim != live.dim or not np.allclose(found.f(states), live.f(states), atol=1e-5):
        raise DynaghostError(
            f"model: expected one step of {found!r} to be a step of {type(own).__name__}, got other states: "
            "without form, scale, activation and mapping the layer's own equation is taken"
        )


def _own_layer(model: Any, layer: str | None) -> Any:
    """The one of torch's own recurrent layers that is analyzed; None where there is none, or the choice is open."""
    name = None if layer is None else layer.rpartition(":")[0] or (None if is_layer(layer) else layer)
    if name is not None:
        named = dict(model.named_modules())
        return named[name] if name in named and kind_of(named[name]) else None
    own = [module for module in model.modules() if kind_of(module)]
    return own[0] if len(own) == 1 else None
