"""torch's own recurrent modules and cells → our systems, from float64 copies of their weights; imports no torch."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import System
from dynaghost.systems.gated import GRU, LSTM, StackedReluRNN, StackedRNN
from dynaghost.systems.recurrent import LeakyRNN

_KINDS = {"GRU": GRU, "GRUCell": GRU, "LSTM": LSTM, "LSTMCell": LSTM}
_NAMES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")


def kind_of(module: Any) -> str | None:
    """Which of torch's own it is, None for another: a subclass may do anything.

    Examples
    --------
    >>> kind_of(3) is None
    True
    """
    kind = type(module)
    return kind.__name__ if kind.__module__.startswith("torch.nn.modules.rnn") and kind.__name__ in _NAMES else None


def built_in(module: Any, layer: Any, inputs: ArrayLike | None, options: dict[str, Any]) -> System:
    """The system of one of torch's own, of one layer or of all.

    Raises
    ------
    DynaghostError
        If it has a projection, or both directions, or no such layer.
    """
    kind = kind_of(module) or ""
    if getattr(module, "proj_size", 0):
        raise DynaghostError(f"proj_size: expected an LSTM without projection, got {module.proj_size}")
    suffixes = [""] if kind.endswith("Cell") else _suffixes(module, layer)
    W, W_in, b, b_in = (  # each a list, one a layer
        [_array(module, f"{name}{suffix}") for suffix in suffixes]
        for name in ("weight_hh", "weight_ih", "bias_hh", "bias_ih")
    )
    biases: dict[str, Any] = {"bias_hh": b, "bias_ih": b_in} if module.bias else {}
    if kind in _KINDS:
        return _KINDS[kind](W, W_in, inputs=inputs, **biases, **options)
    relu = module.nonlinearity == "relu"
    stack = (StackedReluRNN if relu else StackedRNN)(W, W_in, inputs=inputs, **biases, **options)
    if len(W) > 1:
        return stack
    bias = stack.drive + (b[0] if module.bias else 0.0)
    return LeakyRNN(W[0], bias, activation="relu" if relu else "tanh", **options)


def _suffixes(module: Any, layer: Any) -> list[str]:
    """Ends of the parameters' names, one a layer."""
    known = [f"{k}{end}" for k in range(module.num_layers) for end in ("", "_reverse")[: 1 + module.bidirectional]]
    if layer is None:
        if module.bidirectional:
            raise DynaghostError(f"layer: expected one of {', '.join(known)} of a bidirectional module, got None")
        return [f"_l{k}" for k in known]
    if str(layer) not in known:
        raise DynaghostError(f"layer: expected one of {', '.join(known)}, got {layer!r}")
    return [f"_l{layer}"]


def _array(module: Any, name: str) -> Any:
    """A float64 copy of a parameter, exact: each shorter float is a float64."""
    value = getattr(module, name, None)
    return None if value is None else np.array(value.detach().cpu().double().numpy())


def is_layer(label: str) -> bool:
    """Whether a label names a layer, not a submodule.

    Examples
    --------
    >>> is_layer("1_reverse"), is_layer("encoder.rnn")
    (True, False)
    """
    return label.removesuffix("_reverse").isdigit()
