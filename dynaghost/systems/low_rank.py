"""Low-rank networks and the latent circuits to which they reduce exactly.

Rate form    ẋ = −x + tanh(M N x + b),    κ = N x,      κ̇ = −κ + N tanh(Mκ + b)
Current form ḣ = −h + M N tanh(h) + b,    h = Mκ + b,   the same circuit, with another metric

with M: (units, K), N: (K, units). The metric makes the circuit's speed that of the slowest state over κ:
G = (N Nᵀ)⁻¹ in rate form, MᵀM in current form.
"""

import math
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.activation import TANH, TANH_SECOND, tanh_taylor
from dynaghost.systems.base import Array, ScalarSystem, System, Time, checked_leak, checked_time, finite
from dynaghost.systems.rounding import enclosure

TANH_THIRD = 2.0  # sup|tanh'''|, at 0

# A ratio of singular values whose square, in the metric, float64 still tells from 0.
_NEARLY_DEPENDENT = 1e-7


class Form(StrEnum):
    """Where the nonlinearity sits: tanh(M N x + b) (rate) or M N tanh(h) + b (current)."""

    RATE = "rate"
    CURRENT = "current"


class LowRankRNN(System):
    """x ← (1 − leak)·x + leak·tanh(scale·m n x + b), or its flow, of any rank.

    Parameters
    ----------
    m : array (units, K)
        Columns of the connectivity M; a vector (units,) for rank one.
    n : array (K, units)
        Rows of N; a vector (units,) for rank one.
    b : array (units,)
        Bias.
    leak : float or None
        Δt/τ of the map, in (0, 1]; None where it is not known (then there are no multipliers).
    time : {"flow", "map"}
        Whose eigenvalues and times are reported; the record of a leaky network gives both.
    form : {"rate", "current"}
    scale : float
        Factor of the connectivity (1/units for models that write W = m nᵀ/N).

    Raises
    ------
    DynaghostError
        If shapes disagree, a weight is not finite, or an option is not one of its labels.

    Examples
    --------
    >>> network = LowRankRNN([[1.0], [2.0]], [[0.5, 0.5]], [0.0, 0.1])
    >>> network.dim, network.rank
    (2, 1)
    >>> network.latent().f(np.array([0.0])).shape
    (1,)
    """

    def __init__(
        self,
        m: ArrayLike,
        n: ArrayLike,
        b: ArrayLike,
        *,
        leak: float | None = 1.0,
        time: str = Time.FLOW,
        form: str = Form.RATE,
        scale: float = 1.0,
    ) -> None:
        columns, rows, self.b = finite("m", m), finite("n", n), finite("b", b, ndim=1)
        if columns.ndim == 1 and rows.ndim == 1:
            columns, rows = columns[:, None], rows[None, :]
        _check_shapes(columns, rows, self.b)
        if form not in list(Form):
            raise DynaghostError(f"form: expected 'rate' or 'current', got {form!r}")
        if not (math.isfinite(scale) and scale > 0):
            raise DynaghostError(f"scale: expected a finite number above 0, got {scale}")
        with np.errstate(over="ignore"):
            self.m, self.n = columns if scale == 1 else finite("scale·m", columns * float(scale)), rows
        self.time, self.leak, self.form = checked_time(time), checked_leak(leak), Form(form)
        if self.time is Time.MAP and self.leak is None:
            raise DynaghostError("leak: expected a number for time='map', whose multipliers are 1 + leak·λ, got None")
        self.dim, self.rank = self.m.shape
        self.scale = float(scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(units={self.dim}, rank={self.rank}, form={self.form}, time={self.time})"

    @property
    def metric(self) -> Array:  # type: ignore[override]
        """The identity, (dim, dim): the speed is |f|."""
        return np.eye(self.dim)

    def f(self, x: Array) -> Array:
        x = np.asarray(x)
        if self.form is Form.RATE:
            return -x + np.tanh(self._couple(x) + self.b)
        return -x + self._couple(np.tanh(x)) + self.b

    def jacobian(self, x: Array) -> Array:
        x, w = np.asarray(x), self.m @ self.n
        if self.form is Form.RATE:
            slope = tanh_taylor(self._couple(x) + self.b, 1)[1]
            return slope[..., :, None] * w - np.eye(self.dim)
        return w * tanh_taylor(x, 1)[1][..., None, :] - np.eye(self.dim)

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        x = np.asarray(x)
        if self.form is Form.RATE:
            return 2 * tanh_taylor(self._couple(x) + self.b, 2)[2] * self._couple(u) * self._couple(v)
        return self._couple(2 * tanh_taylor(x, 2)[2] * u * v)

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        # |W d|² ≤ ‖W‖², and Frobenius norms bound spectral ones with nothing but sums.
        norm = np.linalg.norm(self.m) * np.linalg.norm(self.n) * (1 + 1e-9)
        return float(TANH_SECOND * norm * (norm if self.form is Form.RATE else 1.0))

    def latent(self) -> "RankOneCircuit | LatentCircuit":
        """The K-dimensional latent circuit; dependent rows of N (columns of M) are merged first.

        Where they are dependent to 1e-7, the circuit's coordinates are along the principal axes of N's rows (M's
        columns), not the rows themselves; `lift` speaks of the circuit's own.
        """
        m, n = _independent(self.m, self.n, self.form)
        circuit = RankOneCircuit if m.shape[1] == 1 else LatentCircuit
        return circuit(m, n, self.b, leak=self.leak, time=self.time, form=self.form)

    def _couple(self, x: Array) -> Array:
        return (x @ self.n.T) @ self.m.T


class RankOneRNN(LowRankRNN):
    """A network of rank one, W = m nᵀ, from vectors m, n, b of one length (paper, eqs. 3 and 4).

    Parameters, errors and options are those of `LowRankRNN`.

    Examples
    --------
    >>> RankOneRNN([2.0], [1.0], [0.0]).latent().slow_interval()[1] >= 1.0
    True
    """

    def __init__(
        self,
        m: ArrayLike,
        n: ArrayLike,
        b: ArrayLike,
        *,
        leak: float | None = 1.0,
        time: str = Time.FLOW,
        form: str = Form.RATE,
        scale: float = 1.0,
    ) -> None:
        m, n = _vector("m", m), _vector("n", n)
        super().__init__(m[:, None], n[None, :], b, leak=leak, time=time, form=form, scale=scale)


class _Circuit:
    """What latent circuits of every rank share: the weights, the metric and the way back to n dimensions."""

    m: Array
    n: Array
    b: Array
    form: Form
    dim: int

    def _set(self, m: Array, n: Array, b: Array, leak: float | None, time: str, form: str) -> None:
        self.m, self.n, self.b = m, n, b
        self.leak, self.time, self.form = checked_leak(leak), checked_time(time), Form(form)
        self._gram: Array | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(units={self.b.size}, rank={self.dim}, form={self.form}, time={self.time})"

    @property
    def metric(self) -> Array:
        """(K, K): the speed is √(fᵀ G f). Made when it is asked for: a long run has many circuits."""
        if self._gram is None:
            self._gram = _metric(self.m, self.n, self.form)
        return self._gram

    def lift(self, kappa: ArrayLike) -> Array:
        """The slowest state of the network over κ, (..., K) → (..., units).

        Rate form: tanh(Mκ + b) − N⁺f(κ), which has κ as its projection also where f(κ) ≠ 0; current form: Mκ + b.
        """
        kappa = np.asarray(kappa, dtype=float)
        u = kappa @ self.m.T + self.b
        if self.form is Form.CURRENT:
            return u
        rates = np.tanh(u)
        return rates - (rates @ self.n.T - kappa) @ np.linalg.pinv(self.n).T

    def project(self, x: ArrayLike) -> Array:
        """κ of a state, (..., units) → (..., K): N x in rate form, M⁺(h − b) in current form."""
        x = np.asarray(x, dtype=float)
        if self.form is Form.RATE:
            return x @ self.n.T
        return (x - self.b) @ np.linalg.pinv(self.m).T


class LatentCircuit(_Circuit, System):  # type: ignore[override]
    """κ̇ = −κ + N tanh(Mκ + b) in K dimensions; made by `LowRankRNN.latent`."""

    enclosing = True

    def __init__(
        self, m: Array, n: Array, b: Array, *, leak: float | None, time: str = Time.FLOW, form: str = Form.RATE
    ) -> None:
        self._set(m, n, b, leak, time, form)
        self.dim = m.shape[1]

    def f(self, x: Array) -> Array:
        return self._f(np.asarray(x))

    def jacobian(self, x: Array) -> Array:
        return self._jacobian(np.asarray(x))

    def f_enclosure(self, x: Array) -> tuple[Array, Array]:
        return enclosure(self._f, x)

    def jacobian_enclosure(self, x: Array) -> tuple[Array, Array]:
        return enclosure(self._jacobian, x)

    def fixed_point_box(self) -> tuple[Array, Array]:
        """|κ_k| ≤ Σᵢ|N_ki|, since tanh is below 1."""
        reach = np.abs(self.n).sum(axis=1) * (1 + 1e-9)
        return -reach, reach

    def _f(self, x: Any) -> Any:
        return -x + TANH(x @ self.m.T + self.b) @ self.n.T

    def _jacobian(self, x: Any) -> Any:
        slope = TANH.slope(x @ self.m.T + self.b)
        return (slope[..., None, :] * self.n) @ self.m - np.eye(self.dim)

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        bend = 2 * tanh_taylor(np.asarray(x) @ self.m.T + self.b, 2)[2]
        return (bend * (u @ self.m.T) * (v @ self.m.T)) @ self.n.T

    def curvature(self, x: Array, w: Array) -> Array:
        bend = TANH.bend(x @ self.m.T + self.b) * (w @ self.n)
        return self.m.T @ (bend[..., None] * self.m)

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        per_unit = np.linalg.norm(self.n, axis=0) * np.sum(self.m**2, axis=1)
        return float(TANH_SECOND * per_unit.sum() * (1 + 1e-9))


class RankOneCircuit(_Circuit, ScalarSystem):  # type: ignore[override]
    """κ̇ = f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ), the latent circuit of a rank-one network (paper, eq. 4)."""

    def __init__(
        self, m: Array, n: Array, b: Array, *, leak: float | None, time: str = Time.FLOW, form: str = Form.RATE
    ) -> None:
        self._set(m, n, b, leak, time, form)
        self.weights = (self.m[:, 0].copy(), self.n[0].copy(), self.b.copy())

    def taylor(self, x: Any, order: int) -> list[Any]:
        m, n, b = self.weights
        x = np.asarray(x)
        if x.dtype == object:
            m, n, b = (w.astype(object) for w in (m, n, b))
        terms = tanh_taylor(x[..., None] * m + b, order)
        sums = []
        for j, term in enumerate(terms):
            for _ in range(j):
                term = term * m
            sums.append((term * n).sum(axis=-1))
        # The leak term −κ belongs to the value and the first coefficient alone.
        linear = [-x, -1.0]
        return [total + linear[j] if j < 2 else total for j, total in enumerate(sums)]

    def derivative_bounds(self, lower: float, upper: float) -> tuple[float, float]:
        m, n, b = self.weights
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            ends = np.stack([lower * m + b, upper * m + b])
            # The argument's own rounding, so that `nearest` is never too far from 0.
            slack = 4e-16 * (np.abs(m) * max(abs(lower), abs(upper)) + np.abs(b))
            nearest = np.where(ends[0] * ends[1] <= 0, 0.0, np.abs(ends).min(axis=0) - slack)
            slope = np.maximum(tanh_taylor(np.maximum(nearest, 0.0), 1)[1], 1e-300)
            # n·m first, and upwards: m² alone may underflow.
            once = np.where((n != 0) & (m != 0), np.nextafter(np.abs(n) * np.abs(m), np.inf), 0.0)
            twice = np.nextafter(once * np.abs(m), np.inf)
            second = twice * np.minimum(TANH_SECOND, 2 * slope)
            third = np.nextafter(twice * np.abs(m), np.inf) * np.minimum(TANH_THIRD, 4 * slope)
            grow = 1 + 1e-12 + len(m) * 2.3e-16
            bounds = [bound.sum() * grow + 1e-320 * len(m) for bound in (second, third)]
        return tuple(float(np.nan_to_num(bound, nan=np.inf, posinf=np.inf)) for bound in bounds)  # type: ignore[return-value]

    def slow_interval(self) -> tuple[float, float]:
        m, n, b = self.weights
        with np.errstate(over="ignore"):
            reach = max(float(np.abs(n).sum()) * (1 + 1e-9), 1.0)
        return -_tail_end(-m, -n, b, reach), _tail_end(m, n, b, reach)

    def end_signs(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (1, -1), (-1, -1)

    def landmarks(self) -> list[float]:
        """Both sides of each step: where |mκ + b| = 400, on neurons so steep that bisection would take long to see."""
        m, n, b = self.weights
        steep = (np.abs(m) > 1e6) & (n != 0)
        with np.errstate(over="ignore"):
            sides = np.concatenate([(side - b[steep]) / m[steep] for side in (-400.0, -1.0, 1.0, 400.0)])
        return sorted({float(x) for x in sides if math.isfinite(x)})


def _check_shapes(m: Array, n: Array, b: Array) -> None:
    if m.ndim != 2 or n.ndim != 2 or m.shape != n.T.shape or b.shape != m.shape[:1] or 0 in m.shape:
        raise DynaghostError(
            "m, n, b: expected shapes (units, K), (K, units), (units,), or three vectors of one length for rank one, "
            f"got {m.shape}, {n.shape}, {b.shape}"
        )


def _vector(name: str, value: ArrayLike) -> Array:
    array = finite(name, value)
    if array.size != max(array.shape, default=1):
        raise DynaghostError(f"{name}: expected a vector for rank one, got an array of shape {array.shape}")
    return array.ravel()


def _independent(m: Array, n: Array, form: Form) -> tuple[Array, Array]:
    """The same M N with independent rows of N (rate form) or independent columns of M (current form).

    Rows that are nearly dependent are turned to orthogonal ones: the metric of others is singular in float64.
    """
    if m.shape[1] == 1:
        return m, n
    factor = n if form is Form.RATE else m.T
    left, values, right = np.linalg.svd(factor, full_matrices=False)
    rank = max(int(np.sum(values > values.max() * (max(factor.shape) * np.finfo(float).eps))), 1)
    if rank == m.shape[1] and values.min() > _NEARLY_DEPENDENT * values.max():
        return m, n
    merged = values[:rank, None] * right[:rank]
    return (m @ left[:, :rank], merged) if form is Form.RATE else (merged.T, left[:, :rank].T @ n)


def _metric(m: Array, n: Array, form: Form) -> Array:
    """(N Nᵀ)⁻¹ or MᵀM, as a square: symmetric, and positive definite where N or M is only nearly deficient."""
    # A circuit without coupling is κ̇ = −κ, measured in its own coordinate.
    if not np.any(n if form is Form.RATE else m):
        return np.eye(m.shape[1])
    if m.shape[1] == 1:
        length = math.hypot(*(n[0] if form is Form.RATE else m[:, 0]).tolist())
        scale = 1 / length if form is Form.RATE else length
        square = scale * scale
        return np.array([[square if math.isfinite(square) and square > 0 else 1.0]])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        root = np.linalg.pinv(n, rcond=0).T if form is Form.RATE else m.T
        gram = np.asarray(root @ root.T)
        gram = 0.5 * (gram + gram.T)
    return gram if np.all(np.isfinite(gram)) and np.all(np.diag(gram) > 0) else np.eye(len(gram))


def _tail_end(m: Array, n: Array, b: Array, reach: float) -> float:
    """A point ≥ `reach` beyond which f' < 0: there Σ max(nm, 0)·sech²(at its largest) < 1; else the largest float.

    Called with −m, −n for the left end. In logarithms, since n·m may overflow where sech² underflows.
    """
    grows = np.sign(m) * np.sign(n) > 0
    m, n, b = m[grows], n[grows], b[grows]
    # n tanh(mκ + b) = −n tanh(−mκ − b): count with m > 0.
    b, m, weight = b * np.sign(m), np.abs(m), np.log(np.abs(n)) + np.log(np.abs(m))
    end = reach
    with np.errstate(over="ignore", invalid="ignore"):
        while math.isfinite(end):
            # Not above the true product, also where that overflows.
            product = np.minimum(m * end, np.finfo(float).max)
            u = np.maximum(product + b - (4e-16 * product + 4e-16 * np.abs(b)), 0.0)
            tail = np.exp(np.minimum(weight + math.log(4.0) - 2 * u - 2 * np.log1p(np.exp(-2 * u)), 700.0)).sum()
            if tail < 1 - 1e-9:
                return end
            end *= 2
    return float(np.finfo(float).max)
