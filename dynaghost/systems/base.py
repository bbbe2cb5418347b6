"""What every analysis works on: a vector field f with its derivatives, its bounds, its metric and its time.

A flow is ẋ = f(x) with x and time in units of τ; a map is x ← F(x), and then f(x) = F(x) − x. A leaky network
x ← x + leak·f(x) is the Euler map of a flow: the same fixed points, multipliers 1 + leak·λ.
"""

import math
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynaghost.errors import DynaghostError

Array = NDArray[Any]


class Time(StrEnum):
    """Whether eigenvalues and times are a flow's (per τ, in τ) or a map's (per iteration, in iterations)."""

    FLOW = "flow"
    MAP = "map"


class System(ABC):
    """A vector field f on Rⁿ, the only definition of speed that the package has.

    Attributes
    ----------
    dim : int
        Number of state variables.
    time : Time
        Flow or map.
    leak : float or None
        Δt/τ of the leaky map x ← x + leak·f(x); None where it is not known.
    metric : ndarray (dim, dim)
        G, symmetric positive definite: the speed is |f|_G = √(fᵀGf).
    analytic : bool
        Whether f, jacobian and second_derivative accept complex arguments and continue f analytically.
    enclosing : bool
        Whether f and jacobian accept object arrays of balls (python-flint's arb) and then enclose the exact value for
        the exact binary weights, in the arithmetic's own precision.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[0.0, 2.0], [2.0, 0.0]], [0.0, 0.0], leak=0.5)
    >>> network.dim, network.time.value, network.f([1.0, 0.0]).round(3).tolist(), float(network.speed([0.0, 0.0]))
    (2, 'map', [-1.0, 0.964], 0.0)
    """

    analytic: bool = True
    enclosing: bool = False

    dim: int
    time: Time
    leak: float | None
    metric: Array

    @abstractmethod
    def f(self, x: Array) -> Array:
        """The vector field at `x`, (..., dim) → (..., dim); real or complex."""

    @abstractmethod
    def jacobian(self, x: Array) -> Array:
        """J = Df at `x`, (..., dim) → (..., dim, dim); real or complex."""

    @abstractmethod
    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        """D²f(x)(u, v), all arguments (..., dim), result (..., dim)."""

    @abstractmethod
    def second_derivative_bound(self, x: Array, radius: float) -> float:
        """An upper bound, rounding included, on |D²f(y)(d, d)| for |d| = 1 and |y − x| ≤ radius (Euclidean norms)."""

    def second_derivative_bounds(self, x: Array, radius: float, scale: Array) -> Array:
        """Upper bounds, (dim,), on |D²fᵢ(y)(Sd, Sd)| for |d| = 1 and |S⁻¹(y − x)| ≤ radius, S = diag(scale).

        The base class knows none: they are ∞.
        """
        return np.full(self.dim, np.inf)

    def curvature(self, x: Array, w: Array) -> Array:
        """Σ wᵢ D²fᵢ(x), (..., dim) each → (..., dim, dim), real and symmetric.

        The base class takes it from dim calls of `second_derivative`.
        """
        x, w = np.broadcast_arrays(np.asarray(x, dtype=float), w)
        basis = np.broadcast_to(np.eye(self.dim), (*x.shape, self.dim))
        states = np.broadcast_to(x[..., None, :], basis.shape)
        rows = [
            self.second_derivative(states, np.broadcast_to(u, basis.shape), basis) @ w[..., None]
            for u in np.eye(self.dim)
        ]
        total = np.concatenate(rows, axis=-1)
        return 0.5 * (total + np.swapaxes(total, -1, -2))

    def f_enclosure(self, x: Array) -> tuple[Array, Array]:
        """mid and rad, each (..., dim), with |midᵢ − fᵢ(x)| ≤ radᵢ proved, rounding included.

        f is that of the exact binary weights at the exact `x`. The base class knows no bound: rad is ∞.
        """
        mid = self.f(np.asarray(x, dtype=float))
        return mid, np.full_like(mid, np.inf)

    def jacobian_enclosure(self, x: Array) -> tuple[Array, Array]:
        """mid and rad, each (..., dim, dim), with |mid − J(x)| ≤ rad elementwise, proved like `f_enclosure`."""
        mid = self.jacobian(np.asarray(x, dtype=float))
        return mid, np.full_like(mid, np.inf)

    def fixed_point_box(self) -> tuple[Array, Array] | None:
        """(lower, upper), each (dim,), of a box that provably holds every fixed point; None where none is known."""
        return None

    def speed(self, x: Array) -> Array:
        """|f(x)| in the metric, (..., dim) → (...)."""
        f = self.f(np.asarray(x, dtype=float))
        return np.sqrt(np.einsum("...i,ij,...j->...", f, self.metric, f))

    def kinetic_energy(self, x: Array) -> Array:
        """q(x) = ½|f(x)|² in the metric, (..., dim) → (...)."""
        return 0.5 * self.speed(x) ** 2

    def step(self, x: Array) -> Array:
        """One iteration of the map, x + leak·f(x).

        Raises
        ------
        DynaghostError
            If the leak is not known.
        """
        if self.leak is None:
            raise DynaghostError("step needs the leak of the map: expected leak=Δt/τ at construction, got None")
        return x + self.leak * self.f(x)


class ScalarSystem(System):
    """A vector field on the line, by its Taylor coefficients, which is all that a complete search needs."""

    dim = 1

    @abstractmethod
    def taylor(self, x: Any, order: int) -> list[Any]:
        """[f(x), f'(x), f''(x)/2!, …, f⁽ᵒʳᵈᵉʳ⁾(x)/order!], elementwise in `x`.

        Written once in NumPy's arithmetic, it serves float64, complex128 and object arrays of balls alike.
        """

    @abstractmethod
    def derivative_bounds(self, lower: float, upper: float) -> tuple[float, float]:
        """Upper bounds, rounding included, on |f''| and |f'''| over [lower, upper]."""

    @abstractmethod
    def slow_interval(self) -> tuple[float, float]:
        """An interval outside which f has no zero and f' none either: it holds every fixed point and ghost."""

    @abstractmethod
    def end_signs(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Signs of (f, f') below the slow interval, and of (f, f') above it."""

    def landmarks(self) -> list[float]:
        """Where a bisection had better cut first, in increasing order: next to narrow features. None by default."""
        return []

    def f(self, x: Array) -> Array:
        return self.taylor(np.asarray(x), 0)[0]

    def jacobian(self, x: Array) -> Array:
        return self.taylor(np.asarray(x), 1)[1][..., None]

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        return 2 * self.taylor(np.asarray(x), 2)[2] * u * v

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        centre = float(np.asarray(x).reshape(()))
        return self.derivative_bounds(np.nextafter(centre - radius, -np.inf), np.nextafter(centre + radius, np.inf))[0]


def finite(name: str, value: ArrayLike, *, ndim: int | None = None) -> Array:
    """`value` as a new float64 array, or an error that says what is wrong with it.

    Raises
    ------
    DynaghostError
        If it is not numeric, holds a NaN or an infinity, or has not `ndim` dimensions.

    Examples
    --------
    >>> finite("m", [1, 2], ndim=1)
    array([1., 2.])
    """
    try:
        if np.iscomplexobj(value):
            raise TypeError("complex")
        array = np.array(value, dtype=float, order="C")
    except (TypeError, ValueError) as error:
        raise DynaghostError(f"{name}: expected an array of real numbers, got {type(value).__name__}") from error
    if ndim is not None and array.ndim != ndim:
        raise DynaghostError(f"{name}: expected {ndim} dimension(s), got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DynaghostError(f"{name}: expected finite numbers, got {array[place]} at index {place}")
    return array


def checked_time(time: str) -> Time:
    """`time` as a label, or an error that lists the labels."""
    if isinstance(time, Time):
        return time
    if time not in list(Time):
        raise DynaghostError(f"time: expected 'flow' or 'map', got {time!r}")
    return Time(time)


def checked_leak(leak: float | None) -> float | None:
    """`leak` if 0 < leak ≤ 1 or None, else an error."""
    if leak is None:
        return None
    value = leak if type(leak) is float and math.isfinite(leak) else float(finite("leak", leak, ndim=0))
    if not 0 < value <= 1:
        raise DynaghostError(f"leak: expected Δt/τ with 0 < leak ≤ 1, or None where it is not known, got {leak}")
    return value
