"""Systems given by a function alone, with derivatives by complex steps or by differences.

No bound on a second derivative is known for them: `second_derivative_bound` and the enclosures' rad are ∞, and
certificates stay undecided.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array, System, Time, checked_leak, checked_time, finite

_STEP = 6.1e-6  # cube root of the rounding unit, where rounding and truncation of a central difference meet
_COARSE = 1.2e-4  # fourth root, for second differences


class FunctionSystem(System):
    """f(x) = F(x) − x of a map, F(x) of a flow; what functions of arrays and of tensors have in common."""

    name = "function"

    def __init__(self, dim: int, *, leak: float | None, time: str) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
            raise DynaghostError(f"dim: expected a whole number above 0, got {dim!r}")
        self.dim, self.time, self.leak = int(dim), checked_time(time), checked_leak(leak)
        if self.time is Time.MAP and self.leak is None:
            raise DynaghostError("leak: expected a number for time='map', whose multipliers are 1 + leak·λ, got None")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, dim={self.dim}, time={self.time}, analytic={self.analytic})"

    @property
    def metric(self) -> Array:  # type: ignore[override]
        """The identity, (dim, dim): the speed is |f|."""
        return np.eye(self.dim)

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        return float("inf")

    def f(self, x: Array) -> Array:
        x = np.asarray(x)
        value = self._batch(x.reshape(-1, self.dim)).reshape(x.shape)
        return value - x if self.time is Time.MAP else value

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        x, u, v = np.broadcast_arrays(x, u, v)
        if np.iscomplexobj(x) or not (np.iscomplexobj(u) or np.iscomplexobj(v)):
            return self._bent(x, u, v)
        # Along complex directions at a real state by its linearity, so that the function need not take complex numbers.
        real = self._bent(x, u.real, v.real) - self._bent(x, u.imag, v.imag)
        return real + 1j * (self._bent(x, u.real, v.imag) + self._bent(x, u.imag, v.real))

    def _bent(self, x: Array, u: Array, v: Array) -> Array:
        """D²F(x)(u, v), all of one shape; u and v are real where x is."""
        raise NotImplementedError

    def _batch(self, states: Array) -> Array:
        """F of (batch, dim) states."""
        raise NotImplementedError

    def _minus_identity(self, J: Array) -> Array:
        return J - np.eye(self.dim) if self.time is Time.MAP else J

    def _probe(self) -> Array:
        """Two states for trying the function out."""
        return np.linspace(-0.4, 0.5, 2 * self.dim).reshape(2, self.dim)


class CallableSystem(FunctionSystem):
    """A Python function of NumPy arrays, x ← F(x) or ẋ = F(x).

    A function that takes complex arrays is differentiated by complex steps, exactly to rounding; others by central
    differences, with a relative error of about 1e-10.

    Parameters
    ----------
    function : callable
        function(x), or function(x, inputs), of one state (dim,); of a batch (..., dim) too, if it can.
    dim : int
    inputs : array, optional
    leak, time
        As for `LeakyRNN`; with time "flow" the function returns the velocity.

    Attributes
    ----------
    derivatives : {"complex step", "differences"}
        How they are taken.
    derivative_error : float
        About how exact the Jacobian is, relative to its size (an estimate, not a bound).

    Raises
    ------
    DynaghostError
        If the function cannot be evaluated, returns another shape, or is not deterministic.

    Examples
    --------
    >>> pendulum = CallableSystem(lambda x: np.stack([x[..., 1], -np.sin(x[..., 0])], axis=-1), 2, time="flow")
    >>> pendulum.jacobian(np.ones(2))[1, 0].round(6).tolist(), pendulum.derivatives
    (-0.540302, 'complex step')
    """

    def __init__(
        self,
        function: Callable[..., Any],
        dim: int,
        *,
        inputs: ArrayLike | None = None,
        leak: float | None = 1.0,
        time: str = Time.MAP,
    ) -> None:
        super().__init__(dim, leak=leak, time=time)
        if not callable(function):
            raise DynaghostError(f"function: expected a callable, got {type(function).__name__}")
        self.name = getattr(function, "__name__", type(function).__name__)
        self.inputs = None if inputs is None else finite("inputs", inputs)
        self._function = function
        self._vectorized = self._can_take_batches()
        self.analytic = self._can_take_complex()
        self.derivatives = "complex step" if self.analytic else "differences"
        self.derivative_error = 1e-15 if self.analytic else 1e-10

    def jacobian(self, x: Array) -> Array:
        x = np.asarray(x)
        return self._minus_identity(np.stack([self._along(x, d) for d in np.eye(self.dim)], axis=-1))

    def _bent(self, x: Array, u: Array, v: Array) -> Array:
        """By differences of complex steps (relative error about 1e-9) or of values (about 1e-7)."""
        if self.analytic:
            return (self._along(x + _STEP * u, v) - self._along(x - _STEP * u, v)) / (2 * _STEP)
        h = _COARSE
        corners = [a * b * self._values(x + h * (a * u + b * v)) for a in (1, -1) for b in (1, -1)]
        return np.sum(corners, axis=0) / (4 * h * h)

    def _along(self, x: Array, d: Array) -> Array:
        """DF(x)d: a complex step at a real point, Cauchy's mean over a small circle at a complex one."""
        if not self.analytic:
            h = _STEP * np.maximum(1.0, np.abs(x).max(axis=-1, keepdims=True, initial=0.0))
            return (self._values(x + h * d) - self._values(x - h * d)) / (2 * h)
        if not np.iscomplexobj(x):
            return self._values(x + 1e-30j * d).imag / 1e-30
        turns = np.exp(2j * np.pi * np.arange(8) / 8)
        return np.sum([self._values(x + 1e-3 * turn * d) / turn for turn in turns], axis=0) / (8 * 1e-3)

    def _values(self, x: Array) -> Array:
        return self._batch(x.reshape(-1, self.dim)).reshape(x.shape)

    def _batch(self, states: Array) -> Array:
        if self._vectorized:
            return np.asarray(self._call(states))
        if not len(states):
            return states
        return np.stack([np.asarray(self._call(state)) for state in states])

    def _call(self, x: Array) -> Any:
        return self._function(x) if self.inputs is None else self._function(x, self.inputs)

    def _can_take_batches(self) -> bool:
        """After checking what comes of one state."""
        states = self._probe()
        alone = [_checked(self._call, state, self.dim) for state in states]
        if not np.array_equal(alone[0], _checked(self._call, states[0], self.dim)):
            raise DynaghostError("function: expected the same result for the same state, got two different ones")
        try:
            together = np.asarray(self._call(states))
        except Exception:  # whatever the function raises, it takes single states
            return False
        return together.shape == states.shape and bool(np.allclose(together, alone, rtol=1e-12, atol=1e-300))

    def _can_take_complex(self) -> bool:
        """Whether complex steps and differences agree, so that the function is analytic where it was tried."""
        states, self.analytic = self._probe(), False
        direction = np.cos(np.arange(self.dim))
        expected = self._along(states, direction)
        try:
            with np.errstate(all="ignore"):
                found = self._batch(states + 1e-30j * direction)
        except Exception:  # it does not take complex numbers, in whatever way it says so
            return False
        if not np.iscomplexobj(found):
            return False
        return bool(np.allclose(found.imag / 1e-30, expected, rtol=1e-5, atol=1e-6 * (1 + np.abs(expected).max())))


def _checked(call: Any, x: Array, dim: int) -> Array:
    """A function's value at one state, or an error that says what is wrong with it."""
    try:
        value = np.asarray(call(x))
    except Exception as error:
        raise DynaghostError(
            f"function: expected one of states ({dim},), got {type(error).__name__}: {error}"
        ) from error
    if value.shape != (dim,):
        raise DynaghostError(f"function: expected a result of shape ({dim},), got {value.shape}")
    return finite("function(x)", value)
