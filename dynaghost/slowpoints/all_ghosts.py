"""All ghosts of a latent circuit or a small network, over all of space, with proof, rounding included.

A ghost is a minimum of q = ½ fᵀGf with f ≠ 0, G the circuit's metric. With G = LLᵀ, S = Lᵀ and T ≈ S⁻¹ (both taken as
they are in float64: any would do), let κ = Ty and F(y) = S f(Ty) = −STy + SN tanh(MTy + b), so that q = ½ Fᵀ(I + E)F
with E tiny. The products ST, SN and MT are rounded, and so is G; `kernels.ghost_taylor` carries the bounds.

**Which metric.** ε bounds E over the stored `circuit.metric` and over the exact (N Nᵀ)⁻¹ or MᵀM of the stored weights.
Every claim holds for both: each has exactly one ghost within `radius` of each `x`, and no other outside the
unresolved hulls.

**Where ghosts can be.** yᵀ∇q = (Aψ − y)ᵀ(A tanh u − y) up to E, with A = SN, ψ = sech²u·(u − b), |u sech²u| ≤ 0.448: a
critical point is on the sphere whose diameter runs from A tanh u to Aψ, so |y| ≤ ‖A‖(√n + √Σ(0.448 + |b_i|)²). That
region is searched.

**Small networks** are circuits themselves: −x + tanh(Wx + b) that of M = W, N = I, and −h + W tanh(h) + b, with
κ = h − b, that of M = I, N = W in current form. Both have the identity as their metric.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.search_outcome import Status
from dynaghost.systems.activation import Activation
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LatentCircuit
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import UNIT, Bounded

BUDGET = 2_000_000
"""Most boxes of one search, at about 5 (rank 2) to 15 µs (rank 3) each."""

MOST_RANK = 4
"""Rank 4 is slow at high gain; the budget then leaves unresolved boxes."""

_LARGEST = 1e30
# Half-widths, relative to the region's, above which the sphere test pays, and below which a box is not divided.
_LARGE, _SMALL = 0.5, 1e-9
_NEAR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class FoundGhosts:
    """The ghosts of a latent circuit, and whether they are all.

    Attributes
    ----------
    x : ndarray (G, K)
        Where each is, κ.
    radius : ndarray (G,)
        The minimum lies within it (Euclidean), and is the only one there.
    speed : ndarray (G,)
        |f|_G there.
    speed_lower, speed_upper : ndarray (G,)
        Proved bounds on the speed at the minimum; the lower one is above 0.
    lower, upper : ndarray (U, K)
        Hulls of places where nothing is decided: they may hold ghosts, degenerate minima or double fixed points.
    boxes : int
        Boxes looked at.
    complete : bool
        Proved: all of space holds no other ghost (there are no unresolved places).
    status : Status
        Why the search stopped.
    """

    x: Array
    radius: Array
    speed: Array
    speed_lower: Array
    speed_upper: Array
    lower: Array
    upper: Array
    boxes: int
    complete: bool
    status: Status


def serves(system: System) -> bool:
    """Whether `find_all_ghosts` is for this system: circuits of rank 2 to 4, tanh networks of 2 to 4 units.

    Weights have to be moderate.

    Examples
    --------
    >>> from dynaghost.systems.low_rank import LowRankRNN
    >>> serves(LowRankRNN([[1.0], [2.0]], [[0.5, 0.5]], [0.0, 0.1]).latent())
    False
    >>> serves(LeakyRNN([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.1]))
    True
    """
    if not 2 <= system.dim <= MOST_RANK:
        return False
    circuit = _as_circuit(system)
    return circuit is not None and all(np.abs(w).max(initial=0.0) < _LARGEST for w in (circuit.m, circuit.n, circuit.b))


def _as_circuit(system: System) -> LatentCircuit | None:
    """The circuit with the same speeds, in κ = x, or κ = h − b for a network in current form; None without one."""
    if isinstance(system, LatentCircuit):
        return system
    if not isinstance(system, LeakyRNN) or system.activation is not Activation.TANH:
        return None
    one = np.eye(system.dim)
    m, n = (system.W, one) if system.form is Form.RATE else (one, system.W)
    return LatentCircuit(m, n, system.b, leak=system.leak, form=system.form)


_PROGRAM = (
    "import numpy as np; from dynaghost.slowpoints.all_ghosts import find_all_ghosts; "
    "from dynaghost.systems.low_rank import LatentCircuit; "
    "find_all_ghosts(LatentCircuit(np.eye(2), 0.5 * np.eye(2), np.zeros(2), leak=1.0))"
)


def compile_ahead() -> None:
    """Have the search compiled in another process, where that is worth while; `find_all_ghosts` waits for it."""
    from dynaghost.kernels import ahead, ghost_boxes

    ahead.begin(ghost_boxes._run, _PROGRAM)


def find_all_ghosts(system: System, *, budget: int = BUDGET) -> FoundGhosts:
    """Every minimum of the speed above zero of a latent circuit or a small tanh network, over all of space.

    Parameters
    ----------
    system : LatentCircuit or LeakyRNN
        Which `serves`.
    budget : int
        Most boxes to look at.

    Returns
    -------
    FoundGhosts
        Speeds in the system's metric.

    Raises
    ------
    DynaghostError
        If `system` is something else.

    Examples
    --------
    >>> circuit = LatentCircuit(np.eye(2), 2 * np.eye(2), np.array([-5.0, 0.3]), leak=1.0)
    >>> ghosts = find_all_ghosts(circuit)
    >>> ghosts.complete, ghosts.x.round(2).tolist()
    (True, [[5.88, -1.82], [5.88, -0.62], [5.88, 1.96]])
    """
    circuit = _as_circuit(system)
    if circuit is None or not serves(system):
        raise DynaghostError(
            f"system: expected a latent circuit of rank 2 to {MOST_RANK} or a tanh network of as many units, "
            f"got {system!r}"
        )
    found = _found(circuit, budget, remainder=1.0)
    if circuit is system or circuit.form is Form.RATE:
        return found
    return _moved(found, circuit.b)


def _moved(found: FoundGhosts, by: Array) -> FoundGhosts:
    """The same, each point and hull moved, with the rounding of the sums."""
    x, low, high = found.x + by, found.lower + by, found.upper + by
    slack = 2 * UNIT * np.maximum(np.abs(low), np.abs(high))
    radius = found.radius + 2 * UNIT * np.linalg.norm(x, axis=1)
    return replace(found, x=x, radius=radius * (1 + 1e-15), lower=low - slack, upper=high + slack)


def _found(circuit: LatentCircuit, budget: int, remainder: float) -> FoundGhosts:
    """`find_all_ghosts`; with a `remainder` other than 1 nothing is proved: that is for a test of the tests."""
    from dynaghost.kernels import ahead  # late: numba costs 0.4 s
    from dynaghost.kernels import ghost_boxes as kernel

    ahead.finish(kernel._run)

    whitened = _whitened(circuit)
    if whitened is None:
        return _nothing_known(circuit.dim)
    problem = whitened.problem(circuit, remainder)
    reach = np.full(circuit.dim, whitened.reach)
    rows, left, boxes, status = kernel.search(problem, reach, budget)
    lower, upper = _clusters(*whitened.hulls(left))
    stop = Status.BUDGET if status != kernel.DONE else Status.PRECISION if len(left) else Status.FINISHED
    y, (radius, speed, low, high) = rows[:, : circuit.dim], rows[:, circuit.dim :].T
    x, radius = whitened.points(y, radius)
    order = np.lexsort(x.T[::-1])
    grow = 1 + circuit.dim * whitened.epsilon + 1e-15
    x, radius, speed, low, high = (a[order] for a in (x, radius, speed, low / grow, high * grow))
    return FoundGhosts(x, radius, speed, low, high, lower, upper, int(boxes), len(left) == 0, stop)


def _nothing_known(dim: int) -> FoundGhosts:
    none, everywhere = np.zeros(0), np.full((1, dim), np.inf)
    return FoundGhosts(np.zeros((0, dim)), none, none, none, none, -everywhere, everywhere, 0, False, Status.PRECISION)


@dataclass(frozen=True, slots=True, eq=False)
class _Whitened:
    """A circuit in coordinates in which its metric is the identity within `epsilon`."""

    S: Array
    T: Array
    epsilon: float
    reach: float

    def problem(self, circuit: LatentCircuit, remainder: float) -> Any:
        from dynaghost.kernels.ghost_taylor import Problem

        S, T, K, limit = self.S, self.T, circuit.dim, 2 * self.reach  # turned boxes reach out of the region
        A, B, D = S @ circuit.n, (circuit.m @ T).T, np.ascontiguousarray(S @ T)
        A_size, D_size = np.abs(S) @ np.abs(circuit.n), np.abs(S) @ np.abs(T)
        B_size = np.abs(T).T @ np.abs(circuit.m).T
        beta = np.sqrt((B_size**2).sum(axis=0)) * (1 + 1e-12)
        delta = (2 * K + 8) * UNIT * (B_size.sum(axis=0) * limit + np.abs(circuit.b)) * (1 + 1e-9)
        errors = _errors(A_size, beta, delta, D_size, limit)
        # The slack of the sphere test is 1e-9.
        sure = errors[0].max() < 1e-10 and self.epsilon < 1e-7
        small, large = _SMALL * max(1.0, self.reach), _LARGE if sure else np.inf
        wide = _padded(B)
        return Problem(
            A=_padded(np.stack([A, A_size * (1 + 1e-12)])),
            B=wide,
            b=_padded(circuit.b),
            beta=_padded(beta),
            delta=_padded(delta),
            total=_padded(A_size.sum(axis=0) * (1 + 1e-12)),
            D=D,
            BB=np.ascontiguousarray(wide[:, None] * wide[None]),
            errors=errors,
            knobs=np.array([self.epsilon, remainder, small, large, limit]),
        )

    def points(self, y: Array, radius: Array) -> tuple[Array, Array]:
        """κ = Ty, and its radius."""
        kappa = Bounded(y, np.zeros_like(y)) @ self.T.T
        stretch = np.linalg.norm(self.T) * (1 + 1e-12)
        return kappa.mid, (radius * stretch + np.linalg.norm(kappa.rad, axis=1)) * (1 + 1e-12)

    def hulls(self, left: Array) -> tuple[Array, Array]:
        """Boxes of y as boxes of κ, outwards."""
        low, high = np.split(left, 2, axis=1)
        middle, half = 0.5 * (low + high), 0.5 * (high - low) * (1 + 1e-12) + 1e-15 * (np.abs(low) + np.abs(high))
        kappa = Bounded(middle, half) @ self.T.T
        return kappa.mid - kappa.rad, kappa.mid + kappa.rad


def _whitened(circuit: LatentCircuit) -> _Whitened | None:
    """Coordinates for the search; None where the metric is too near to singular for float64."""
    try:
        S = np.ascontiguousarray(np.linalg.cholesky(circuit.metric).T)
        T = np.linalg.inv(S)
    except np.linalg.LinAlgError:
        return None
    away = _off_identity(_exactly(S) @ T)
    if not away < 1e-6:
        return None
    epsilon = _metric_error(circuit, S, T, away)
    reach = _reach(circuit, S) * (1 + 4 * circuit.dim * epsilon + 2 * away)
    return _Whitened(S, T, epsilon, reach) if epsilon < 1e-6 and np.isfinite(reach) else None


def _metric_error(circuit: LatentCircuit, S: Array, T: Array, away: float) -> float:
    """ε ≥ |E|, elementwise, over the stored and the exact metric; `away` bounds the rows of ST − I.

    (ST)ᵀ(I + E)(ST) = TᵀGT. For the exact metric of the rate form (I + E)⁻¹ = SN(SN)ᵀ, of the current form G = MᵀM.
    """
    grow = 1 / (1 - away) ** 2
    stored = (1 + _off_identity(_exactly(T.T.copy()) @ circuit.metric @ T)) * grow - 1
    factor = _exactly(S) @ circuit.n if circuit.form is Form.RATE else _transposed(_exactly(circuit.m) @ T)
    off = _off_identity(factor @ _transposed(factor))
    if not off < 0.5:
        return np.inf
    exact = off / (1 - off) if circuit.form is Form.RATE else (1 + off) * grow - 1
    return float(max(stored, exact) * (1 + 1e-9) + 1e-15)


def _reach(circuit: LatentCircuit, S: Array) -> float:
    """A bound on |y| at every critical point of q."""
    A, A_size = S @ circuit.n, np.abs(S) @ np.abs(circuit.n)
    norm = np.sqrt((np.abs(A @ A.T) + 1e-12 * A_size @ A_size.T).sum(axis=1).max())
    sizes = np.ones_like(circuit.b), 0.448 + np.abs(circuit.b)
    ends = (min(norm * np.linalg.norm(size), np.linalg.norm(A_size @ size)) for size in sizes)
    return float(sum(ends)) * (1 + 1e-9) + 1e-9


def _errors(A: Array, beta: Array, delta: Array, D: Array, reach: float) -> Array:
    """E_jk of `kernels.ghost_taylor`, from magnitudes of A and D."""
    K, units = A.shape
    noise = delta + (units + 80 + 8 * (2 * K + 6)) * UNIT
    rows = [2 * factor * (A @ (beta**j * noise)) for j, factor in enumerate((1, 1, 2, 6, 24))]
    errors = np.stack(rows)
    linear = 8 * (K + 4) * UNIT * D.sum(axis=1)
    errors[0] += linear * reach
    errors[1] += linear
    return errors * (1 + 1e-9) + 1e-290


def _exactly(array: Array) -> Bounded:
    return Bounded(array, np.zeros_like(array))


def _transposed(matrix: Bounded) -> Bounded:
    return Bounded(matrix.mid.T, matrix.rad.T)


def _off_identity(matrix: Bounded) -> float:
    """A bound on the row sums of |matrix − I|."""
    size = np.abs(matrix.mid - np.eye(len(matrix.mid))) + matrix.rad
    return float(size.sum(axis=1).max() * (1 + 1e-9) + 1e-15)


def _padded(rows: Array) -> Array:
    """Zeros appended to a length that is a multiple of eight."""
    extra = -rows.shape[-1] % 8
    return np.ascontiguousarray(np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, extra)]))


def _clusters(lower: Array, upper: Array) -> tuple[Array, Array]:
    """Boxes that touch or nearly do, as one hull each."""
    hulls: list[tuple[Array, Array]] = []
    for low, high in zip(lower, upper, strict=True):
        near = _NEAR * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
        apart = [np.any((low - near > b) | (high + near < a)) for a, b in hulls]
        for (a, b), far in zip(hulls, apart, strict=True):
            if not far:
                low, high = np.minimum(low, a), np.maximum(high, b)
        hulls = [hull for hull, far in zip(hulls, apart, strict=True) if far] + [(low, high)]
    shape = (len(hulls), lower.shape[1])
    first, last = (np.array([hull[k] for hull in hulls]).reshape(shape) for k in range(2))
    return first, last
