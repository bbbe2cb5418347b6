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
from dynaghost.systems.base import Array, System, Time
from dynaghost.systems.functions import CallableSystem, FunctionSystem
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


class TorchSystem(FunctionSystem):
    """A function of batches of tensors, (batch, dim) → (batch, dim), differentiated by reverse mode in float64.

    Parameters
    ----------
    function : callable
        function(dtype) returns the function for tensors of that type (float64 or complex128).
    dim : int
    leak, time
        As for `CallableSystem`.
    """

    def __init__(
        self, function: Callable[[Any], Any], dim: int, *, leak: float | None = 1.0, time: str = Time.MAP
    ) -> None:
        import torch

        super().__init__(dim, leak=leak, time=time)
        self._real = function(torch.float64)
        with torch.random.fork_rng(devices=[]):
            _checked_batch(self._real, torch.tensor(self._probe()))
            self._complex = self._complex_function(function)
        self.analytic = self._complex is not None

    def jacobian(self, x: Array) -> Array:
        import torch

        x = np.asarray(x)
        states = torch.tensor(x.reshape(-1, self.dim), requires_grad=True)
        with torch.enable_grad():
            values = self._chosen(states)(states)
            rows = [_grad(value.real.sum(), states, kept=True) for value in values.unbind(1)]
        # For an analytic function torch's gradient of the real part is the conjugate of the derivative.
        J = torch.stack(rows, dim=1).conj().resolve_conj().numpy()
        return self._minus_identity(J.reshape(*x.shape, self.dim))

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        """∂²F(x + su + tv)/∂s∂t, exact, by reverse mode at the cost of some evaluations.

        The gradient by t of ⟨w, F⟩ is linear in w, and its gradient by w is ∂F/∂t; the same once more for s.
        """
        import torch

        x, u, v = np.broadcast_arrays(x, u, v)
        states, a, b = (torch.tensor(np.ascontiguousarray(part).reshape(-1, self.dim)) for part in (x, u, v))
        s, t = (torch.zeros(len(states), 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
        with torch.enable_grad():
            value = self._chosen(states)(states + s * a + t * b)
            for step in (t, s):
                w = torch.zeros_like(value, requires_grad=True)
                value = _grad(_grad((w * value).sum(), step).sum(), w)
        return value.detach().numpy().reshape(x.shape)

    def curvature(self, x: Array, w: Array) -> Array:
        """The Hessian of ⟨w, F⟩ by reverse mode, one gradient a row; of the identity in f there is none."""
        import torch

        x, w = np.broadcast_arrays(np.asarray(x, dtype=float), w)
        states = torch.tensor(x.reshape(-1, self.dim), requires_grad=True)
        with torch.enable_grad():
            slope = _grad((torch.tensor(w.reshape(-1, self.dim)) * self._chosen(states)(states)).sum(), states)
            rows = [_grad(part.sum(), states, kept=True) for part in slope.unbind(1)]
        return torch.stack(rows, dim=1).numpy().reshape(*x.shape, self.dim)

    def _chosen(self, states: Any) -> Any:
        function = self._complex if states.is_complex() else self._real
        if function is None:
            raise DynaghostError(f"x: expected real states, got complex ones for {self.name}, which takes none")
        return function

    def _batch(self, states: Array) -> Array:
        import torch

        tensor = torch.tensor(states)
        with torch.no_grad():
            return self._chosen(tensor)(tensor).resolve_conj().numpy().reshape(states.shape)

    def _complex_function(self, function: Callable[[Any], Any]) -> Any:
        """The function of complex tensors, if it takes them and is analytic where it was tried."""
        import torch

        states, direction = torch.tensor(self._probe()), torch.cos(torch.arange(self.dim).double())
        self._complex = None
        slope = torch.tensor(self.jacobian(states.numpy()))
        expected = (slope + torch.eye(self.dim) if self.time is Time.MAP else slope) @ direction
        try:
            candidate = function(torch.complex128)
            found = candidate(states + 1e-30j * direction)
        except Exception:  # it does not take complex numbers, in whatever way it says so
            return None
        if not (found.is_complex() and found.shape == states.shape):
            return None
        return candidate if torch.allclose(found.imag / 1e-30, expected, rtol=1e-9, atol=1e-12) else None


def _grad(y: Any, x: Any, *, kept: bool = False) -> Any:
    """The gradient, to be differentiated again unless the graph is only `kept`; 0 where y does not depend on x."""
    import torch

    if not y.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(y, x, create_graph=not kept, retain_graph=True, materialize_grads=True)[0]


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
    """The same function for a batch, of one for a single state."""
    import torch

    def typed(dtype: Any) -> Any:
        given = () if inputs is None else (torch.tensor(np.asarray(inputs, dtype=float)).to(dtype),)
        return lambda states: torch.stack([function(state, *given) for state in states]) if len(states) else states

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
        import torch

        self.name = type(module).__name__
        self._module, self._inputs, self._call = _twin(module, torch.float64), inputs, call
        super().__init__(self._function, dim, leak=leak, time=time)

    def _function(self, dtype: Any) -> Callable[[Any], Any]:
        """New states of a batch of states of that type."""
        import torch

        twin = self._module if dtype is torch.float64 else _twin(self._module, dtype)
        fixed = None if self._inputs is None else torch.tensor(np.asarray(self._inputs, dtype=float)).to(dtype)

        def evaluate(states: Any) -> Any:
            given = None if fixed is None else fixed.expand(len(states), *fixed.shape)
            if self._call is not None:
                return self._call(twin, states, given)
            return twin(states) if given is None else twin(given, states)

        return evaluate

    def _late(self, dtype: Any) -> Callable[[Any], Any]:
        """`_function`, made when it is first called."""
        made: list[Callable[[Any], Any]] = []

        def evaluate(states: Any) -> Any:
            if not made:
                made.append(self._function(dtype))
            return made[0](states)

        return evaluate

    def parameters(self) -> dict[str, Array]:
        """Every floating-point parameter and buffer of the module, by name: what a straight line interpolates."""
        named = (*self._module.named_parameters(), *self._module.named_buffers())
        return {name: tensor.numpy().copy() for name, tensor in named if tensor.is_floating_point()}

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
        other._module = copy.deepcopy(self._module)
        for name, tensor in (*other._module.named_parameters(), *other._module.named_buffers()):
            if name in changed:
                tensor.data = torch.tensor(np.asarray(changed[name], dtype=float))
        other._real = other._function(torch.float64)
        other._complex = None if self._complex is None else other._late(torch.complex128)
        return other


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


def _checked_batch(function: Any, states: Any) -> None:
    import torch

    try:
        first, second = function(states), function(states)
    except Exception as error:
        raise DynaghostError(
            f"module: expected one of states {tuple(states.shape)} in float64, got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(first, torch.Tensor) or first.shape != states.shape:
        came = tuple(first.shape) if isinstance(first, torch.Tensor) else type(first).__name__
        raise DynaghostError(
            f"module: expected new states of shape {tuple(states.shape)}, got {came}; "
            "call=lambda module, states, inputs: … says how to get them"
        )
    if not torch.equal(first, second):
        raise DynaghostError("module: expected the same result for the same states, got two different ones")
