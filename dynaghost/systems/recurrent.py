"""Recurrent networks with one matrix: tanh, sigmoid, softplus, ReLU and leaky ReLU; leaky or not, flow or map.

Rate form    f(x) = −x + φ(W x + b)
Current form f(h) = −h + W φ(h) + b

Both have the same fixed points: u = W φ(u) + b, with x = φ(u) and h = u.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.activation import Activation, Curve
from dynaghost.systems.base import Array, System, Time, checked_leak, checked_time, finite
from dynaghost.systems.bounds import UP, bend_bound, upper_norm
from dynaghost.systems.low_rank import Form
from dynaghost.systems.rounding import Bounded, enclosure


class LeakyRNN(System):
    """x ← (1 − leak)·x + leak·φ(scale·W x + b), or its flow, or the current form of either.

    `torch.nn.RNN` is this with leak 1: W = weight_hh, b = weight_ih·input + bias_ih + bias_hh. A mask or Dale's signs
    are folded into W: `LeakyRNN(mask * np.abs(W) * signs, b)`.

    Parameters
    ----------
    W : array (n, n)
        Connectivity, acting on columns: W x.
    b : array (n,)
        Bias, constant input included.
    leak : float or None
        Δt/τ of the map, in (0, 1]; None where it is not known (then there are no multipliers).
    activation : {"tanh", "sigmoid", "softplus", "relu", "leaky_relu"}
    time : {"map", "flow"}
        Whose eigenvalues and times are reported.
    form : {"rate", "current"}
    scale : float
        Factor of the connectivity.
    negative_slope : float
        Of the leaky ReLU below 0, in [0, 1).

    Attributes
    ----------
    W : ndarray (n, n)
        The connectivity, scale included.
    b : ndarray (n,)
    curve : Curve
        φ with its derivatives.

    Raises
    ------
    DynaghostError
        If shapes disagree, a weight is not finite, or an option is not one of its labels.

    Examples
    --------
    >>> network = LeakyRNN([[0.0, -2.0], [2.0, 0.0]], [0.1, 0.0], activation="tanh")
    >>> network.step(np.zeros(2)).round(6).tolist()
    [0.099668, 0.0]
    >>> network.jacobian(np.zeros(2)).round(6).tolist()
    [[-1.0, -1.980133], [2.0, -1.0]]
    """

    enclosing = True

    def __init__(
        self,
        W: ArrayLike,
        b: ArrayLike,
        *,
        leak: float | None = 1.0,
        activation: str = Activation.TANH,
        time: str = Time.MAP,
        form: str = Form.RATE,
        scale: float = 1.0,
        negative_slope: float = 0.01,
    ) -> None:
        matrix, self.b = finite("W", W, ndim=2), finite("b", b, ndim=1)
        if matrix.shape != (len(self.b),) * 2 or not len(self.b):
            raise DynaghostError(
                f"W, b: expected shapes (units, units) and (units,), got {matrix.shape} and {self.b.shape}"
            )
        if form not in list(Form):
            raise DynaghostError(f"form: expected 'rate' or 'current', got {form!r}")
        if not (math.isfinite(scale) and scale > 0):
            raise DynaghostError(f"scale: expected a finite number above 0, got {scale}")
        with np.errstate(over="ignore"):
            self.W = finite("scale·W", matrix * float(scale))
        self.curve = _curve(activation, negative_slope)
        self.activation, self.analytic = self.curve.kind, not self.curve.kind.piecewise
        self.time, self.leak, self.form = checked_time(time), checked_leak(leak), Form(form)
        if self.time is Time.MAP and self.leak is None:
            raise DynaghostError("leak: expected a number for time='map', whose multipliers are 1 + leak·λ, got None")
        self.dim, self.scale, self.negative_slope = len(self.b), float(scale), self.curve.negative_slope
        self._norm: float | None = None

    def __repr__(self) -> str:
        return f"LeakyRNN(units={self.dim}, activation={self.activation}, form={self.form}, time={self.time})"

    @property
    def metric(self) -> Array:  # type: ignore[override]
        """The identity, (dim, dim): the speed is |f|."""
        return np.eye(self.dim)

    @property
    def norm(self) -> float:
        """An upper bound on the spectral norm of W, proved."""
        if self._norm is None:
            self._norm = upper_norm(self.W)
        return self._norm

    def f(self, x: Array) -> Array:
        return self._f(np.asarray(x))

    def jacobian(self, x: Array) -> Array:
        x = np.asarray(x)
        slope = self.curve.slope(self._argument(x))
        J = slope[..., :, None] * self.W if self.form is Form.RATE else self.W * slope[..., None, :]
        diagonal = np.einsum("...ii->...i", J)  # a view in any order of memory: W may be a transposed array
        diagonal -= 1
        return J

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        bend = self.curve.bend(self._argument(np.asarray(x)))
        if self.form is Form.RATE:
            return bend * (u @ self.W.T) * (v @ self.W.T)
        return (bend * u * v) @ self.W.T

    def curvature(self, x: Array, w: Array) -> Array:
        if self.form is Form.RATE:
            bend = self.curve.bend(x @ self.W.T + self.b) * w
            return self.W.T @ (bend[..., None] * self.W)
        result = np.zeros((*x.shape, self.dim))
        result[..., range(self.dim), range(self.dim)] = self.curve.bend(x) * (w @ self.W)
        return result

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        """An upper bound on |D²f(y)(d, d)|, |d| = 1, |y − x| ≤ radius.

        With cᵢ ≥ |φ''| over what unit i's argument can be: in rate form the components are φ''·(Wᵢd)², so that
        |D²f(d, d)| ≤ maxᵢ cᵢ|Wᵢd|·|W d| ≤ maxᵢ cᵢ‖Wᵢ‖·‖W‖. In current form it is |Σᵢ W_·ᵢ φ''dᵢ²|, convex in the
        weights dᵢ², which add up to 1: at most maxᵢ cᵢ‖W_·ᵢ‖. For a ReLU it is 0, or ∞ if the ball meets a kink.
        """
        rate = self.form is Form.RATE
        rows = np.linalg.norm(self.W, axis=1 if rate else 0) * UP + 1e-150
        mid, rad = enclosure(self._argument, np.asarray(x, dtype=float).reshape(self.dim))
        c = bend_bound(self.curve, mid, (rad + radius * (rows if rate else 1.0)) * UP)
        if not np.all(np.isfinite(c)):
            return math.inf
        return float((c * rows).max() * (self.norm if rate else 1.0) * UP)

    def f_enclosure(self, x: Array) -> tuple[Array, Array]:
        return enclosure(self._f, x)

    def jacobian_enclosure(self, x: Array) -> tuple[Array, Array]:
        def entries(x: Bounded) -> Bounded:
            slope = self.curve.slope(self._argument(x))
            rows = slope[..., :, None] * self.W if self.form is Form.RATE else slope[..., None, :] * self.W
            return rows - np.eye(self.dim)

        return enclosure(entries, x)

    def fixed_point_box(self) -> tuple[Array, Array] | None:
        """Rates of a fixed point are values of φ; for an unbounded φ a box is known where its gain is below 1.

        Softplus and ReLU rates are ≥ 0 and x ≤ W⁺x + c with c = |b| + log 2, W⁺ = max(W, 0): if some y > 0 has
        W⁺y + c ≤ y, then (I − W⁺)⁻¹ exists and is ≥ 0, and x ≤ y. For a leaky ReLU the same holds of |x| with |W|.
        Currents are W x + b.
        """
        rates = self._rate_box()
        if rates is None or self.form is Form.RATE:
            return rates
        middle, half = 0.5 * (rates[0] + rates[1]), 0.5 * (rates[1] - rates[0])
        mid, rad = enclosure(lambda x: Bounded(x.mid, half * UP) @ self.W.T + self.b, middle)
        return mid - rad * UP, mid + rad * UP

    def _rate_box(self) -> tuple[Array, Array] | None:
        one = np.ones(self.dim)
        if self.activation in (Activation.TANH, Activation.SIGMOID):
            return (-one if self.activation is Activation.TANH else 0 * one), one
        signed = self.activation is Activation.LEAKY_RELU
        y = _dominating(np.abs(self.W) if signed else np.maximum(self.W, 0.0), np.abs(self.b) + math.log(2.0))
        return None if y is None else ((-y if signed else 0 * y), y)

    def _f(self, x: Any) -> Any:
        if self.form is Form.RATE:
            return -x + self.curve(self._argument(x))
        return -x + self.curve(x) @ self.W.T + self.b

    def _argument(self, x: Any) -> Any:
        """What φ is taken of."""
        return x @ self.W.T + self.b if self.form is Form.RATE else x


def _curve(activation: str, negative_slope: float) -> Curve:
    if activation not in list(Activation):
        labels = ", ".join(repr(str(label)) for label in Activation)
        raise DynaghostError(f"activation: expected one of {labels}, got {activation!r}")
    slope = float(finite("negative_slope", negative_slope, ndim=0))
    if not 0 <= slope < 1:
        raise DynaghostError(f"negative_slope: expected a number in [0, 1), got {negative_slope}")
    return Curve(Activation(activation), slope if activation == Activation.LEAKY_RELU else 0.0)


def _dominating(A: Array, c: Array) -> Array | None:
    """y > 0 with A y + c ≤ y, verified with rounding, for A ≥ 0; None where none was found."""
    n = len(c)
    try:
        y = np.linalg.solve(np.eye(n) - A, c * (1 + 1e-6) + 1e-12)
    except np.linalg.LinAlgError:
        return None
    if not (np.all(np.isfinite(y)) and np.all(y > 0)):
        return None
    image = (A @ y + c) * (1 + (2 * n + 16) * 2.0**-53) + 1e-300
    return y if np.all(image < y) else None
