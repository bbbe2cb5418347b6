"""Functions of tensors as systems, differentiated by reverse mode in float64.

Every derivative is taken of as many copies of a state as it has rows, so that one backward pass gives all of them: a
network of a few dozen units spends its time on calls, not on sums.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array, Time
from dynaghost.systems.functions import FunctionSystem

_ENTRIES = 2**18  # of the Jacobians that are taken at once: what is kept for the backward pass stays in the cache


@dataclass(frozen=True, slots=True)
class Batching:
    """How a function takes many states.

    Attributes
    ----------
    flat : bool
        A single state is (dim,) to it, else (1, dim).
    how : {"rows", "mapped", "loop"}
        All as one batch, by `torch.func.vmap`, or one after the other.
    """

    flat: bool
    how: str

    def of(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """From states (batch, dim) to what the function makes of each, (batch, dim)."""
        import torch

        def one(state: Any) -> Any:
            return function(state) if self.flat else function(state[None])[0]

        def many(states: Any) -> Any:
            if not len(states):
                return states
            return torch.func.vmap(one)(states) if self.how == "mapped" else torch.stack([one(x) for x in states])

        return function if self.how == "rows" else many


def batching_of(function: Callable[[Any], Any], states: Any, *, flat: bool) -> Batching:
    """The quickest way in which the function makes of many states what it makes of each alone.

    Where it takes both (dim,) and (1, dim), a single state is (dim,) if `flat`.

    Raises
    ------
    DynaghostError
        If it cannot be evaluated, makes something else than new states, or not always the same.
    """
    if not _takes(function, states[0] if flat else states[:1]):
        flat = not flat
        if not _takes(function, states[0] if flat else states[:1]):
            _refuse(function, states)
    alone = Batching(flat, "loop").of(function)
    first, second = alone(states), alone(states)
    if not (first == second).all():
        raise DynaghostError("module: expected the same result for the same states, got two different ones")
    for found in (Batching(flat, "rows"), Batching(flat, "mapped")):
        if _agrees(found.of(function), states, first):
            return found
    return Batching(flat, "loop")


def _takes(function: Callable[[Any], Any], states: Any) -> bool:
    """Whether it makes as many numbers of these states, in the same shape."""
    try:
        return bool(function(states).shape == states.shape)
    except Exception:  # `_refuse` says what is wrong
        return False


def _agrees(function: Callable[[Any], Any], states: Any, expected: Any) -> bool:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # vmap warns of what it does not do at once
            value = function(states)
    except Exception:  # it takes single states
        return False
    return bool(value.shape == states.shape and torch.allclose(value, expected, rtol=1e-10, atol=1e-12))


class TorchSystem(FunctionSystem):
    """A function of tensors, (batch, dim) → (batch, dim) or (dim,) → (dim,), differentiated by reverse mode in float64.

    Parameters
    ----------
    function : callable
        function(dtype) returns the function for tensors of that type (float64 or complex128).
    dim : int
    leak, time
        As for `CallableSystem`.
    """

    _flat = True  # functions take a state (dim,)

    def __init__(
        self, function: Callable[[Any], Any], dim: int, *, leak: float | None = 1.0, time: str = Time.MAP
    ) -> None:
        import torch

        super().__init__(dim, leak=leak, time=time)
        with torch.random.fork_rng(devices=[]):
            real = function(torch.float64)
            self.batching = batching_of(real, torch.tensor(self._probe()), flat=self._flat)
            self._real = self.batching.of(real)
            self._complex = self._complex_function(function)
        self.analytic = self._complex is not None

    def jacobian(self, x: Array) -> Array:
        def rows(states: Any, which: Any) -> Any:
            # For an analytic function torch's gradient of the real part is the conjugate of the derivative.
            return _grad((self._chosen(states)(states).real * which).sum(), states, kept=True).conj().resolve_conj()

        return self._minus_identity(self._by_row(rows, np.asarray(x)))

    def _bent(self, x: Array, u: Array, v: Array) -> Array:
        """∂²F(x + su + tv)/∂s∂t, exact, by reverse mode at the cost of some evaluations.

        The gradient by t of ⟨w, F⟩ is linear in w, and its gradient by w is ∂F/∂t; the same once more for s.
        """
        import torch

        states, a, b = (torch.tensor(np.ascontiguousarray(part).reshape(-1, self.dim)) for part in (x, u, v))
        s, t = (torch.zeros(len(states), 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
        with torch.enable_grad():
            value = self._chosen(states)(states + s * a + t * b)
            for step in (t, s):
                w = torch.zeros_like(value, requires_grad=True)
                value = _grad(_grad((w * value).sum(), step).sum(), w)
        return value.detach().numpy().reshape(x.shape)

    def curvature(self, x: Array, w: Array) -> Array:
        """The Hessian of ⟨w, F⟩ by reverse mode; of the identity in f there is none."""
        import torch

        x, w = np.broadcast_arrays(np.asarray(x, dtype=float), w)

        def rows(states: Any, which: Any, weights: Any) -> Any:
            slope = _grad((weights * self._chosen(states)(states)).sum(), states)
            return _grad((slope * which).sum(), states, kept=True)

        return self._by_row(rows, x, torch.tensor(np.ascontiguousarray(w.reshape(-1, self.dim))))

    def _by_row(self, rows: Callable[..., Any], x: Array, *given: Any) -> Array:
        """dim rows of each state (..., dim), as `rows` gives them for copies of the states and a unit vector each."""
        import torch

        states, size = torch.tensor(np.ascontiguousarray(x.reshape(-1, self.dim))), max(_ENTRIES // self.dim**2, 1)
        found: list[Array] = []
        for k in range(0, len(states), size):
            parts = [part[k : k + size].repeat_interleave(self.dim, dim=0) for part in (states, *given)]
            which = torch.eye(self.dim, dtype=torch.float64).repeat(len(parts[0]) // self.dim, 1)
            with torch.enable_grad():
                found.append(rows(parts[0].requires_grad_(), which, *parts[1:]).numpy())
        return np.concatenate(found or [states.numpy()]).reshape(*x.shape, self.dim)

    def _chosen(self, states: Any) -> Any:
        function = self._complex if states.is_complex() else self._real
        if function is None:
            raise DynaghostError(f"x: expected real states, got complex ones for {self.name}, which takes none")
        return function

    def _batch(self, states: Array) -> Array:
        import torch

        tensor = torch.tensor(np.ascontiguousarray(states))
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
            candidate = self.batching.of(function(torch.complex128))
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


def _refuse(function: Callable[[Any], Any], states: Any) -> None:
    """Say why it is no function from states to new states."""
    import torch

    try:
        value = function(states)
    except Exception as error:
        raise DynaghostError(
            f"module: expected one of states {tuple(states.shape)} in float64, got {type(error).__name__}: {error}"
        ) from error
    came, item = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__, ""
    if isinstance(value, tuple | list):
        shapes = [tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__ for part in value]
        came = f"a {came} of {', '.join(map(str, shapes))}"
        item = f"[{shapes.index(tuple(states.shape))}]" if tuple(states.shape) in shapes else ""
    given = f": module(inputs, states){item}" if item else ": …"
    raise DynaghostError(
        f"module: expected new states of shape {tuple(states.shape)}, got {came}; "
        f"call=lambda module, states, inputs{given} says how to get them"
    )
