"""Every fixed point with proof, rounding included: networks of a dozen units, latent circuits of a few dimensions.

All fixed points of u = Wφ(u) + b, for φ = tanh, σ or softplus, and of κ = N tanh(Mκ + b) lie in a box: for a bounded φ
its rows b ± Σ|W| give one, and for softplus one is known where the gain of W⁺ is below 1. Branch and prune
(`kernels.branch_prune`) covers it. σ is tanh in other units: with v = u/2, v = ¼W tanh v + (½b + ¼W·1), where only the
last sum rounds; its error is carried along as an uncertainty of the constant.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.systems.activation import Activation
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LatentCircuit
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import Bounded

BUDGET = 1_000_000
"""Most boxes of one search; at 16 units about 20 µs each."""

MOST_UNITS, MOST_RANK = 20, 8
"""Sizes that `serves` calls within reach. `find_all` takes any size; a contracting network needs one box."""

_SERVED = (Activation.TANH, Activation.SIGMOID, Activation.SOFTPLUS)
_LARGEST = 1e100
_U = 2.0**-53
# Left-over boxes nearer than this (relative to max(1, |u|)) are one cluster.
_NEAR = 1e-4


class Stop(StrEnum):
    """Why a complete search stopped, which is another question than what it proved."""

    FINISHED = "finished"
    BUDGET = "budget of boxes"
    NO_BOX = "no box is known that holds every fixed point"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The fixed points of a system in its own coordinates, and whether they are all.

    Attributes
    ----------
    roots : ndarray (R, dim)
    radius : ndarray (R,)
        A fixed point exists within `radius` (Euclidean) of each root.
    unique_radius : ndarray (R,)
        It is the only one within `unique_radius`.
    index : ndarray (R,) of int
        sign det(−J), proved; 0 where it is not.
    clusters : tuple of ndarray, (C, dim) and (C, dim)
        Lower and upper corners of hulls of near-degenerate places: whether they hold fixed points, and how many, could
        not be decided.
    unresolved : tuple of ndarray, (B, dim) and (B, dim)
        Boxes that the budget left.
    boxes : int
        Boxes looked at.
    complete : bool
        Proved: the whole space holds no other fixed point than the listed ones. (With clusters or unresolved boxes:
        none outside those.)
    status : Stop
        Why the search stopped.
    """

    roots: Array
    radius: Array
    unique_radius: Array
    index: Array
    clusters: tuple[Array, Array]
    unresolved: tuple[Array, Array]
    boxes: int
    complete: bool
    status: Stop

    @property
    def index_sum(self) -> int | None:
        """Σ sign det(−J) over the listed fixed points; None if one is not proved or a cluster may hold others."""
        return None if len(self.clusters[0]) or np.any(self.index == 0) else int(self.index.sum())


def serves(system: System) -> bool:
    """Whether `find_all` is the search for this system: its kind, its size, and a box that holds every fixed point.

    Examples
    --------
    >>> serves(LeakyRNN([[2.0]], [0.0])), serves(LeakyRNN([[2.0]], [0.0], activation="relu"))
    (True, False)
    """
    if isinstance(system, LatentCircuit):
        return system.dim <= MOST_RANK and _moderate(system.m, system.n, system.b)
    if not isinstance(system, LeakyRNN) or system.activation not in _SERVED:
        return False
    small = system.dim <= MOST_UNITS and _moderate(system.W, system.b)
    return small and system.fixed_point_box() is not None


def find_all(system: System, *, budget: int = BUDGET) -> Found:
    """Every fixed point of a small network or of a latent circuit, over all of space.

    Parameters
    ----------
    system : LeakyRNN (tanh, sigmoid or softplus) or LatentCircuit
    budget : int
        Most boxes to look at.

    Returns
    -------
    Found

    Raises
    ------
    DynaghostError
        If the system is of another kind, or its weights are above 1e100.

    Examples
    --------
    >>> found = find_all(LeakyRNN([[2.0, 0.0], [0.0, 3.0]], [0.0, 0.0]))
    >>> len(found.roots), found.index_sum, found.complete
    (9, 1, True)
    """
    from dynaghost.kernels import branch_prune  # late: numba costs 0.4 s

    task = _task(system)
    if task is None:
        return _no_box(system)
    found, left, narrow, boxes, status = branch_prune.search(_problem(task), task.lower, task.upper, budget)
    clusters = task.hulls(*_merged(left[0, :narrow], left[1, :narrow]))
    unresolved = task.hulls(left[0, narrow:], left[1, narrow:])
    points = task.points(found) if found.shape[1] else (np.zeros((0, system.dim)), np.zeros(0), np.zeros(0))
    stop = Stop.FINISHED if status == branch_prune.DONE else Stop.BUDGET
    index = found[branch_prune.INDEX, :, 0].astype(np.int8)
    roots, radius, unique_radius = points
    return Found(roots, radius, unique_radius, index, clusters, unresolved, boxes, left.shape[1] == 0, stop)


@dataclass(frozen=True, slots=True)
class _Task:
    """y = P φ(Qy + a) + c, its box, and the way back: κ = y for a circuit; u = y/scale, then x = φ(u) in rate form."""

    network: LeakyRNN | None
    P: Array
    Q: Array | None
    a: Array
    c: Bounded
    lower: Array
    upper: Array
    scale: float = 1.0

    @property
    def rates(self) -> LeakyRNN | None:
        """The network, if its state is φ(u) and not y itself."""
        return self.network if self.network is not None and self.network.form is Form.RATE else None

    def points(self, found: Array) -> tuple[Array, Array, Array]:
        """Roots, their radii and the radii within which they are alone, in the system's coordinates."""
        from dynaghost.kernels import branch_prune as kernel

        low, high = found[kernel.ROOT_LOW] / self.scale, found[kernel.ROOT_HIGH] / self.scale
        region = found[kernel.ALONE_LOW] / self.scale, found[kernel.ALONE_HIGH] / self.scale
        middle = 0.5 * (low + high)
        half = np.maximum(high - middle, middle - low) * (1 + 4 * _U)
        if self.rates is None:
            room = np.minimum(region[1] - middle, middle - region[0]).min(axis=1)
            return middle, _length(half), np.maximum(room * (1 - 4 * _U), 0.0)
        x = self.rates.curve(Bounded(middle, half))
        return x.mid, _length(x.rad), _alone(self.rates, x.mid, *region)

    def hulls(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Boxes of y as boxes of the state, outwards; φ increases."""
        low, high = low / self.scale, high / self.scale
        if self.rates is None or not len(low):
            return low, high
        first, last = (self.rates.curve(Bounded(end, np.zeros_like(end))) for end in (low, high))
        return first.mid - first.rad * (1 + 4 * _U), last.mid + last.rad * (1 + 4 * _U)


def _alone(network: LeakyRNN, x: Array, low: Array, high: Array) -> Array:
    """A fixed point x' within R of x has its u within ‖W_i‖R of Wx + b: x is alone if that is in the region of u."""
    u = Bounded(x, np.zeros_like(x)) @ network.W.T + network.b
    room = np.maximum(np.minimum(high - u.mid, u.mid - low) * (1 - 4 * _U) - u.rad, 0.0)
    return (room / _length(network.W)).min(axis=1) * (1 - 8 * _U)


def _task(system: System) -> _Task | None:
    """The system as a task for the kernel; None where no box is known."""
    if isinstance(system, LatentCircuit) and _moderate(system.m, system.n, system.b):
        zero = Bounded(np.zeros(system.dim), np.zeros(system.dim))
        return _Task(None, system.n, system.m, system.b, zero, *system.fixed_point_box())
    if isinstance(system, LeakyRNN) and system.activation in _SERVED and _moderate(system.W, system.b):
        return _network_task(system)
    raise DynaghostError(
        "system: expected a LeakyRNN with tanh, sigmoid or softplus, or a LatentCircuit, with weights up to "
        f"{_LARGEST:g}, got {system!r}"
    )


def _network_task(system: LeakyRNN) -> _Task | None:
    W, zero = system.W, np.zeros(system.dim)
    c, scale = Bounded(system.b, zero), 1.0
    if system.activation is Activation.SIGMOID:
        scale, W = 0.5, 0.25 * W
        # Quarters and halves are exact, but for what underflows.
        c = Bounded(np.ones(system.dim), zero) @ W.T + 0.5 * system.b
    box = _rates(system)
    if box is None:
        return None
    middle, half = 0.5 * (box[0] + box[1]), 0.5 * (box[1] - box[0]) * (1 + 4 * _U)
    u = Bounded(middle, half) @ W.T + c
    return _Task(system, W, None, zero, c, u.mid - u.rad * (1 + 4 * _U), u.mid + u.rad * (1 + 4 * _U), scale)


def _rates(system: LeakyRNN) -> tuple[Array, Array] | None:
    """A box for φ(u) at every fixed point (of tanh in the kernel's units where φ is σ)."""
    one = np.ones(system.dim)
    if system.activation is not Activation.SOFTPLUS:
        return -one, one
    return LeakyRNN(system.W, system.b, activation=Activation.SOFTPLUS).fixed_point_box()


def _problem(task: _Task) -> Any:
    """The arrays that the kernel takes, rows padded with zeros to a multiple of eight."""
    from dynaghost.kernels import bands, contract

    softplus = task.network is not None and task.network.activation is Activation.SOFTPLUS
    P, QT = _padded(task.P), _padded(np.zeros((0, len(task.a))) if task.Q is None else task.Q.T)
    return contract.Problem(
        kind=bands.SOFTPLUS if softplus else bands.TANH,
        units=len(task.a),
        P=np.stack([P, np.abs(P)]),
        QT=np.stack([QT, np.abs(QT)]),
        a=_padded(task.a[None])[0],
        c=np.stack([task.c.mid, task.c.rad]),
    )


def _padded(rows: Array) -> Array:
    wide = -(-rows.shape[1] // 8) * 8
    # In C order, whatever the order of `rows`: the kernel reads rows as contiguous.
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, wide - rows.shape[1]))))


def _moderate(*weights: Array) -> bool:
    return all(np.abs(weight).max(initial=0.0) <= _LARGEST for weight in weights)


def _length(half: Array) -> Array:
    """Euclidean lengths of rows, upwards."""
    return np.sqrt((half**2).sum(axis=1)) * (1 + (half.shape[1] + 8) * _U) + 1e-150


def _merged(low: Array, high: Array) -> tuple[Array, Array]:
    """Hulls of clusters of boxes that are near to each other."""
    hulls: list[tuple[Array, Array]] = []
    for box in zip(low, high, strict=True):
        merged, apart = box, []
        for hull in hulls:
            near = _NEAR * np.maximum(1.0, np.abs(merged[0]))
            if np.all((merged[0] - near <= hull[1]) & (hull[0] <= merged[1] + near)):
                merged = np.minimum(merged[0], hull[0]), np.maximum(merged[1], hull[1])
            else:
                apart.append(hull)
        hulls = [*apart, merged]
    if not hulls:
        return np.zeros((0, low.shape[1])), np.zeros((0, low.shape[1]))
    return np.stack([hull[0] for hull in hulls]), np.stack([hull[1] for hull in hulls])


def _no_box(system: System) -> Found:
    """Nothing is claimed, and nothing was searched: the whole space is unresolved."""
    none, everywhere = np.zeros((0, system.dim)), np.full((1, system.dim), np.inf)
    empty = np.zeros(0)
    return Found(
        none, empty, empty, empty.astype(np.int8), (none, none), (-everywhere, everywhere), 0, False, Stop.NO_BOX
    )
