"""Bounds on derivatives over a ball of states, rounding included, for any formula written in NumPy's arithmetic.

A `Reach` stands for a vector y(x) over |x − x₀| ≤ radius, and carries sup|yᵢ|, sup|∇yᵢ|, sup‖Dy‖, sup|D²yᵢ(d, d)| and
sup|D²y(d, d)|, |d| = 1. Chain and product rules carry them through a formula; what a unit's argument can be over the
ball follows from the mean value theorem, |yᵢ(x) − yᵢ(x₀)| ≤ sup|∇yᵢ|·radius.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynaghost.systems.activation import TANH_SECOND, TANH_STEEPEST, Activation, Curve
from dynaghost.systems.rounding import SIGMOID_SECOND, TINY, UNIT, Bounded, sigmoid_pair, tanh_pair

Array = NDArray[Any]

UP = 1 + 1e-9
"""More than the rounding of sums and products of up to a million numbers ≥ 0, some tens deep."""


class Coupling:
    """A matrix as it acts on states: `x @ Coupling(W)` is W x for each state of a batch.

    Parameters
    ----------
    W : ndarray (n, m)

    Examples
    --------
    >>> (np.array([1.0, 2.0]) @ Coupling(np.array([[1.0, 1.0], [0.0, 3.0]]))).tolist()
    [3.0, 6.0]
    """

    __array_ufunc__ = None  # a state's array on the left leaves the product to this class

    def __init__(self, W: Array) -> None:
        self.W = W
        self.transposed = W.T

    def __rmatmul__(self, x: Array) -> Array:
        return x @ self.transposed

    @cached_property
    def norm(self) -> float:
        """An upper bound on the spectral norm, proved."""
        return upper_norm(self.W)

    @cached_property
    def rows(self) -> Array:
        """Upper bounds on the Euclidean norms of the rows."""
        return np.linalg.norm(self.W, axis=1) * UP + 1e-150


@dataclass(frozen=True, slots=True)
class Reach:
    """A vector y(x) and its derivatives over a ball of states; floats mixed with it are constants.

    Parameters
    ----------
    value : Bounded
        y at the centre.
    size, rows, bends : ndarray (n,)
        Bounds on |yᵢ|, |∇yᵢ| and |D²yᵢ(d, d)| over the ball.
    norm, bend : float
        Bounds on ‖Dy‖ and |D²y(d, d)|.
    radius : float

    Examples
    --------
    >>> x = Reach.of(np.zeros(2), 0.5)
    >>> (x * x).bend
    2.0
    """

    value: Bounded
    size: Array
    rows: Array
    norm: float
    bends: Array
    bend: float
    radius: float

    __array_ufunc__ = None

    @classmethod
    def of(cls, x: Array, radius: float, scale: Array | None = None) -> "Reach":
        """The states themselves; with a scale they are scale·z, and the ball and all derivatives are those of z."""
        rows = np.ones_like(x) if scale is None else scale
        size = np.abs(x) + radius * rows * UP
        return cls(Bounded(x, np.zeros_like(x)), size, rows, float(rows.max()), np.zeros_like(x), 0.0, radius)

    @classmethod
    def constant(cls, value: Bounded, radius: float) -> "Reach":
        """Numbers within bounds that do not depend on the state."""
        none = np.zeros_like(value.mid)
        return cls(value, np.abs(value.mid) + value.rad, none, 0.0, none, 0.0, radius)

    def __getitem__(self, index: Any) -> "Reach":
        parts = (self.value[index], self.size[index], self.rows[index], self.norm, self.bends[index], self.bend)
        return Reach(*parts, self.radius)

    def __neg__(self) -> "Reach":
        return Reach(-self.value, self.size, self.rows, self.norm, self.bends, self.bend, self.radius)

    def __add__(self, other: Any) -> "Reach":
        if not isinstance(other, Reach):
            value = self.value + other
            return self._with(value, self.rows, self.norm, self.bends, self.bend)
        rows, bends = self.rows + other.rows, self.bends + other.bends
        value = self.value + other.value
        return self._with(value, rows, self.norm + other.norm, bends, self.bend + other.bend, self.size + other.size)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Reach":
        return self + (-other)

    def __mul__(self, other: "Reach") -> "Reach":
        a, b = self, other
        x, y = _most(a.size), _most(b.size)
        rows = a.size * b.rows + b.size * a.rows
        bends = a.size * b.bends + 2 * a.rows * b.rows + b.size * a.bends
        crossed = min(_most(a.rows) * b.norm, _most(b.rows) * a.norm)
        bend = x * b.bend + 2 * crossed + y * a.bend
        return self._with(a.value * b.value, rows, x * b.norm + y * a.norm, bends, bend, a.size * b.size)

    def __matmul__(self, coupling: Coupling) -> "Reach":
        size = np.abs(coupling.transposed)
        rows = np.minimum(self.rows @ size, self.norm * coupling.rows)
        bends = np.minimum(self.bends @ size, self.bend * coupling.rows)
        return self._with(self.value @ coupling, rows, self.norm * coupling.norm, bends, self.bend * coupling.norm)

    def value_through(self, curve: Curve) -> "Reach":
        """φ of it: (φ∘y)' = φ'·y', (φ∘y)'' = φ''·y'² + φ'·y''."""
        rad = (self.value.rad + self.rows * self.radius) * UP
        slope, bend = slope_bound(curve, self.value.mid, rad), bend_bound(curve, self.value.mid, rad)
        bends = bend * self.rows**2 + slope * self.bends
        total = _most(bend * self.rows) * self.norm + _most(slope) * self.bend
        largest = np.full_like(bend, np.inf if curve.kind is Activation.SOFTPLUS else 1.0)
        return self._with(curve(self.value), slope * self.rows, _most(slope) * self.norm, bends, total, largest)

    def _with(self, value: Bounded, rows: Array, norm: float, bends: Array, bend: float, size: Any = np.inf) -> "Reach":
        """With bounds that follow from the others: ‖Dy‖² ≤ Σ|∇yᵢ|², and |yᵢ| by the mean value theorem."""
        size = np.minimum(size, (np.abs(value.mid) + value.rad + rows * self.radius) * UP)
        norm, bend = min(norm, float(np.linalg.norm(rows))), min(bend, float(np.linalg.norm(bends)))
        return Reach(value, size, rows, norm, bends, bend, self.radius)


def join(parts: list[Any], axis: int = -1) -> Any:
    """Pieces of one vector or matrix put together, whatever kind of number they hold.

    Examples
    --------
    >>> join([np.zeros(1), np.ones(2)]).tolist()
    [0.0, 1.0, 1.0]
    """
    first = parts[0]
    if isinstance(first, Bounded):
        return Bounded(*(np.concatenate([getattr(part, name) for part in parts], axis) for name in ("mid", "rad")))
    if not isinstance(first, Reach):
        return first.joined(parts) if hasattr(first, "joined") else np.concatenate(parts, axis)
    value = join([part.value for part in parts])
    size, rows, bends = (np.concatenate([getattr(part, n) for part in parts]) for n in ("size", "rows", "bends"))
    norm, bend = (float(np.hypot.reduce([getattr(part, n) for part in parts])) for n in ("norm", "bend"))
    return Reach(value, size, rows, norm, bends, bend, first.radius)


def slope_bound(curve: Curve, mid: Array, rad: Array) -> Array:
    """Upper bounds on |φ'| over mid ± rad, elementwise.

    sech² and σ' fall with |u|, softplus' = σ rises; a ReLU's slope is at most 1.

    Examples
    --------
    >>> slope_bound(Curve(Activation.TANH), np.array([0.0, 5.0]), np.array([10.0, 0.5])).round(4).tolist()
    [1.0, 0.0005]
    """
    if curve.kind.piecewise:
        return np.where(mid + rad < 0, curve.negative_slope, 1.0)
    if curve.kind is Activation.SOFTPLUS:
        with np.errstate(over="ignore"):
            farthest = mid + rad * UP
        return np.minimum(sigmoid_pair(farthest)[0] * UP + 1e-300, 1.0)
    nearest = np.maximum(np.abs(mid) - rad * UP, 0.0)
    if curve.kind is Activation.TANH:
        return np.minimum(tanh_pair(nearest)[1] * UP + 1e-300, 1.0)
    y, z = sigmoid_pair(nearest)
    return np.minimum(y * z * UP + 1e-300, 0.25)


def bend_bound(curve: Curve, mid: Array, rad: Array) -> Array:
    """Upper bounds on |φ''| over mid ± rad, elementwise; ∞ across a kink.

    σ'' = tanh''(u/2)/8 and softplus'' = sech²(u/2)/4; |tanh''| = 2|tanh|·sech² rises up to |u| = artanh(1/√3) and falls
    beyond, sech² falls.

    Examples
    --------
    >>> bend_bound(Curve(Activation.TANH), np.array([0.0, 5.0]), np.array([10.0, 0.5])).round(4).tolist()
    [0.7698, 0.001]
    """
    if curve.kind.piecewise:
        return np.where(np.abs(mid) > rad, 0.0, np.inf)
    half = 1.0 if curve.kind is Activation.TANH else 0.5
    with np.errstate(over="ignore"):
        nearest, farthest = half * np.maximum(np.abs(mid) - rad * UP, 0.0), half * (np.abs(mid) + rad * UP)
    t, s = tanh_pair(nearest)
    if curve.kind is Activation.SOFTPLUS:
        return 0.25 * s * UP + 1e-300
    rising, falling = _steepness(farthest), 2 * t * s * UP + 1e-300
    near = np.where(nearest > TANH_STEEPEST * UP, falling, np.where(farthest < TANH_STEEPEST / UP, rising, np.inf))
    bound = np.minimum(near, TANH_SECOND)
    return bound if curve.kind is Activation.TANH else np.minimum(bound / 8 * UP, SIGMOID_SECOND)


def _steepness(u: Array) -> Array:
    t, s = tanh_pair(u)
    return 2 * t * s * UP + 1e-300


def upper_norm(W: Array) -> float:
    """An upper bound on the spectral norm, proved, within about 2 % of it.

    A₀ = WᵀW is symmetric, and so ‖A‖₂² = ‖A²‖₂: six squarings and then the Frobenius norm, which exceeds the spectral
    norm by √n at most, lose n^(1/256). Each product's rounding is added in the Frobenius norm.

    Parameters
    ----------
    W : ndarray (n, m)

    Examples
    --------
    >>> 5.0 <= upper_norm(np.array([[3.0, 0.0], [0.0, 5.0]])) < 5.1
    True
    """
    scale = float(np.abs(W).max(initial=0.0))
    if scale == 0:
        return 0.0
    if not scale < 1e300:
        return float("inf")
    # Powers of two: exact but for what underflows, which TINY covers.
    scale = 2.0 ** np.ceil(np.log2(scale))
    return float(scale * np.sqrt(_gram_norm(W / scale, 6)) * (1 + 1e-12))


def _gram_norm(W: Array, squarings: int) -> float:
    """An upper bound on ‖WᵀW‖₂ for |W| ≤ 1."""
    A, error = W.T @ W, _product_error(W)
    A = np.triu(A) + np.triu(A, 1).T
    if squarings == 0:
        return _frobenius(A) + error
    size = _frobenius(A)
    if size == 0:
        return error
    scale = 2.0 ** np.ceil(np.log2(size))
    return float(scale * np.sqrt(_gram_norm(A / scale, squarings - 1)) * (1 + 8 * UNIT) + error)


def _product_error(W: Array) -> float:
    """On ‖fl(WᵀW) − WᵀW‖ in the Frobenius norm, by n·u·‖W‖²."""
    terms = len(W)
    return (terms + 2) * UNIT * _frobenius(W) ** 2 * (1 + 1e-12) + W.size * TINY


def _frobenius(A: Array) -> float:
    return float(np.linalg.norm(A) * (1 + (A.size + 8) * UNIT)) + TINY


def _most(bounds: Array) -> float:
    return float(bounds.max(initial=0.0))
