"""Live objects → systems: torch's recurrent modules and cells, any other torch.nn.Module, any Python callable.

torch's own become our built-in systems, in float64 copies of their weights. Other modules are evaluated in torch on a
deep copy, in float64 and evaluation mode. The caller's module is read and never changed.
"""

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.autograd import TorchSystem
from dynaghost.systems.base import Array, System, Time
from dynaghost.systems.functions import CallableSystem
from dynaghost.systems.torch_layers import built_in, is_layer, kind_of


def from_object(
    obj: Any,
    *,
    inputs: ArrayLike | None = None,
    layer: int | str | None = None,
    dim: int | None = None,
    time: str | None = None,
    leak: float | None = None,
    call: Callable[..., Any] | None = None,
) -> System:
    """The system of a torch module or cell, or of a callable.

    Parameters
    ----------
    obj : torch.nn.Module or callable
        `torch.nn.RNN`, `GRU`, `LSTM` and their cells become `LeakyRNN`, `GRU`, `LSTM` (stacks: one system of all
        layers, unless `layer` names one). Others need `dim` and are called: a module as module(state) or
        module(inputs, state) with a batch of states (batch, dim), a callable as function(state) or
        function(state, inputs).
    inputs : array, optional
        The constant input; of torch's own, zeros by default. With `layer`, the input of that layer.
    layer : int or str, optional
        Of torch's own with several layers: an index, or "0_reverse" for the other direction of a bidirectional one.
        Of a larger module: the name of the submodule, as in `named_modules`, and after a colon the layer
        ("encoder.rnn:0").
    dim : int, optional
        Number of state variables of other modules and of callables.
    time : {"map", "flow"}, optional
        Whether a callable returns the new state (map, the default) or the velocity (flow).
    leak : float, optional
        Δt/τ; 1 by default.
    call : callable, optional
        call(module, states, inputs) → new states, for modules of another signature.

    Raises
    ------
    DynaghostError
        If the object is none of these, or cannot be evaluated.

    Examples
    --------
    >>> from_object(lambda x: np.tanh(2 * x), dim=1).jacobian(np.zeros(1)).tolist()
    [[1.0]]
    """
    options: dict[str, Any] = {"leak": 1.0 if leak is None else leak, "time": Time.MAP if time is None else time}
    if is_module(obj):
        name, _, which = str(layer).rpartition(":") if isinstance(layer, str) else ("", "", layer)
        if isinstance(layer, str) and not name and not is_layer(layer):
            name, which = layer, None
        module = _submodule(obj, name) if name else obj
        if kind_of(module):
            return built_in(module, which, inputs, options)
        return _other(module, dim, inputs, options, call)
    if callable(obj):
        size = _needed(dim, "a callable")
        if _is_of_tensors(obj, inputs, size):
            return TorchSystem(_of_tensors(obj, inputs), size, **options)
        return CallableSystem(obj, size, inputs=inputs, **options)
    raise DynaghostError(f"expected a torch.nn.Module or a callable, got {type(obj).__name__}")


def is_module(obj: Any) -> bool:
    """Whether it is a torch.nn.Module, without loading torch to find out.

    Examples
    --------
    >>> is_module(3)
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.nn.Module)


def _is_of_tensors(function: Any, inputs: ArrayLike | None, dim: int) -> bool:
    """Whether it is a function of tensors rather than of arrays: it refuses an array, or makes a tensor of it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    given = () if inputs is None else (np.asarray(inputs, dtype=float),)
    try:
        result = function(np.linspace(-0.4, 0.5, dim), *given)
    except TypeError:
        return True
    except Exception:  # not a question of type: `CallableSystem` says what is wrong
        return False
    return isinstance(result, torch.Tensor)


def _of_tensors(function: Any, inputs: ArrayLike | None) -> Any:
    """The same function, of a state alone."""
    import torch

    def typed(dtype: Any) -> Any:
        given = () if inputs is None else (torch.tensor(np.asarray(inputs, dtype=float)).to(dtype),)
        return lambda state: function(state, *given)

    return typed


class ModuleSystem(TorchSystem):
    """A torch.nn.Module that makes the new state of a batch of states, evaluated on a deep copy in float64.

    f, Jacobians and second derivatives are exact to rounding; no bound on the second derivative is known (∞), so that
    nothing can be certified. Complex evaluation is tried at construction: `analytic` tells.

    Parameters
    ----------
    module : torch.nn.Module
        Called as module(states), or module(inputs, states), with states (batch, dim).
    dim : int
    inputs : array (inputs,), optional
    call : callable, optional
        call(module, states, inputs) → new states (batch, dim).
    leak, time
        As for `LeakyRNN`; with time "flow" the module makes the velocity.

    Raises
    ------
    DynaghostError
        If the module cannot be copied or evaluated, or is not deterministic.
    """

    _flat = False  # modules take batches

    def __init__(
        self,
        module: Any,
        dim: int,
        *,
        inputs: ArrayLike | None = None,
        call: Callable[..., Any] | None = None,
        leak: float | None = 1.0,
        time: str = Time.MAP,
    ) -> None:

        self.name = type(module).__name__
        self._twins = _Twins(module)
        self._weights, self._inputs, self._call = self._twins.weights(), inputs, call
        super().__init__(self._function, dim, leak=leak, time=time)

    def _function(self, dtype: Any) -> Callable[[Any], Any]:
        """New states of a state, or of a batch of them, of that type."""
        import torch

        twins, weights, call = self._twins, self._weights, self._call
        fixed = None if self._inputs is None else torch.tensor(np.asarray(self._inputs, dtype=float)).to(dtype)

        def evaluate(states: Any) -> Any:
            module = twins.loaded(dtype, weights)
            given = fixed if fixed is None or states.dim() == 1 else fixed.expand(len(states), *fixed.shape)
            if call is not None:
                return call(module, states, given)
            return module(states) if given is None else module(given, states)

        return evaluate

    def parameters(self) -> dict[str, Array]:
        """Every floating-point parameter and buffer of the module, by name: what a straight line interpolates."""
        return {name: tensor.numpy().copy() for name, tensor in self._weights.items()}

    def with_parameters(self, changed: Mapping[str, Array]) -> "ModuleSystem":
        """The same module with other parameters and buffers.

        Examples
        --------
        >>> import torch
        >>> system = ModuleSystem(torch.nn.Linear(2, 2, bias=False), 2)
        >>> system.with_parameters({"weight": 2 * np.eye(2)}).f(np.ones(2)).tolist()
        [1.0, 1.0]
        """
        import torch

        # What was found out about the module when this system was made holds for all of its weights.
        other = copy.copy(self)
        given = {name: torch.tensor(np.asarray(array, dtype=float)) for name, array in changed.items()}
        other._weights = self._weights | {name: given[name] for name in self._weights if name in given}
        other._real = self.batching.of(other._function(torch.float64))
        if self._complex is not None:
            other._complex = self.batching.of(other._function(torch.complex128))
        return other


class _Twins:
    """Copies of a module, one a type, that all systems which differ in its weights alone take turns to evaluate."""

    def __init__(self, module: Any) -> None:
        import torch

        self.made = {torch.float64: _twin(module, torch.float64)}
        self.held: dict[Any, Any] = {}

    def weights(self) -> dict[str, Any]:
        """Every floating-point parameter and buffer, by name."""
        import torch

        return {name: tensor.data for name, tensor in _named(self.made[torch.float64])}

    def loaded(self, dtype: Any, weights: dict[str, Any]) -> Any:
        """The copy of that type with these weights."""
        if dtype not in self.made:
            self.made[dtype] = _twin(next(iter(self.made.values())), dtype)
        module = self.made[dtype]
        if self.held.get(dtype) is not weights:
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                if name in weights:
                    tensor.data = weights[name].to(dtype)
            self.held[dtype] = weights
        return module


def _named(module: Any) -> list[tuple[str, Any]]:
    named = (*module.named_parameters(), *module.named_buffers())
    return [(name, tensor) for name, tensor in named if tensor.is_floating_point()]


def _twin(module: Any, dtype: Any) -> Any:
    """A deep copy in evaluation mode with every floating-point parameter and buffer of that type."""
    try:
        twin = copy.deepcopy(module).eval()
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DynaghostError(f"module: expected one that can be copied, got {type(error).__name__}: {error}") from error
    for tensor in (*twin.parameters(), *twin.buffers()):
        tensor.requires_grad_(False)
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(device="cpu", dtype=dtype)
    return twin


def _submodule(module: Any, name: str) -> Any:
    found = dict(module.named_modules()).get(name)
    if found is None:
        raise DynaghostError(f"layer: expected the name of a submodule{_candidates(module)}, got {name!r}")
    return found


def _candidates(module: Any) -> str:
    names = [name for name, part in module.named_modules() if name and kind_of(part)]
    return f" ({', '.join(names)})" if names else ""


def _other(module: Any, dim: int | None, inputs: Any, options: dict[str, Any], call: Any) -> System:
    if dim is None:
        inside = _candidates(module)
        hint = f"; or layer=NAME for one of its recurrent layers{inside}" if inside else ""
        raise DynaghostError(f"dim: expected the number of state variables of {type(module).__name__}, got None{hint}")
    return ModuleSystem(module, dim, inputs=inputs, call=call, **options)


def _needed(dim: int | None, what: str) -> int:
    if dim is None:
        raise DynaghostError(f"dim: expected the number of state variables of {what}, got None")
    return dim
