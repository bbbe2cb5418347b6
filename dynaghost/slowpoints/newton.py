"""Newton from many starts at once: on f with a line search, and on the kinetic energy q with its exact Hessian.

Both lower q = ½|f|² at every step. The first finds fixed points; at a ghost, where J is singular, it stalls. The
second converges quadratically at both. tanh networks and their latent circuits go through compiled loops, which also
use factors again; every other system goes in batches. Linear systems go through `kernels.linear`, so that the path of
a start does not depend on the number of threads.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from dynaghost.kernels.descent_batch import descend_starts
from dynaghost.kernels.linear import descend_each, solve_each
from dynaghost.kernels.newton_batch import newton_each
from dynaghost.slowpoints.curvature import energy_derivatives
from dynaghost.systems.activation import Activation
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LatentCircuit
from dynaghost.systems.recurrent import LeakyRNN

_LEAST_STEP = 2.0**-10
_ENOUGH = 1e-4  # of the first-order decrease
_SLOW, _MEMORY = 0.8, 8  # a start stalls where the speed does not fall to this share in so many steps
_CHORDS = 4  # so many known fixed points lend the inverse of their J to starts
_CLOSE = 1e-7  # a full Newton step this short, relative to 1 + |x|, is followed by one that ends at rounding
_LEAST_SHIFT = 1e-5  # as in `kernels.descent_batch`


class End(IntEnum):
    """How a start ended."""

    CONVERGED = 0
    CAPTURED = 1
    STALLED = 2
    DIVERGED = 3
    LIMIT = 4


@dataclass(frozen=True, slots=True)
class Balls:
    """Balls in each of which a known point is the only one and Newton converges to it."""

    centres: Array
    radii: Array

    def holding(self, x: Array) -> Array:
        """Index of a ball that holds each state of (E, dim), −1 where none does."""
        inside = np.full(len(x), -1)
        for k, (centre, radius) in enumerate(zip(self.centres, self.radii, strict=True)):
            offset = x - centre
            inside[(offset * offset).sum(axis=1) < radius**2] = k
        return inside


def no_balls(dim: int) -> Balls:
    """Where nothing is known yet."""
    return Balls(np.empty((0, dim)), np.empty(0))


@dataclass(slots=True)
class Batch:
    """Where starts are: `x` (E, dim), `ends` (E,) of `End`, `ball` (E,) that captured it, and Jacobians evaluated."""

    x: Array
    ends: Array
    ball: Array
    evaluations: int = 0
    steps: Array = field(default_factory=lambda: np.empty(0))


def newton(system: System, starts: Array, *, balls: Balls | None = None, limit: int = 40) -> Batch:
    """Newton on f from every start, with a line search on the speed.

    Parameters
    ----------
    system : System
    starts : ndarray (E, dim)
    balls : Balls, optional
        A start stops where it enters one.
    limit : int
        Most steps of a start.

    Returns
    -------
    Batch

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> batch = newton(LeakyRNN([[0.5]], [0.1]), np.array([[1.0]]))
    >>> batch.x.round(6).tolist(), batch.ends.tolist()
    ([[0.194945]], [0])
    """
    balls = no_balls(system.dim) if balls is None else balls
    weights = tanh_weights(system)
    if weights is not None:
        return _newton_compiled(system, weights, starts, balls, limit)
    batch = Batch(starts.copy(), np.full(len(starts), End.LIMIT), np.full(len(starts), -1))
    active, lengths = np.arange(len(starts)), np.ones(len(starts))
    values, metric = system.f(batch.x), metric_of(system)
    marks = np.full(len(starts), np.inf)
    for k in range(limit):
        active = _captured(batch, balls, active)
        if k % _MEMORY == 0:
            active = _still_falling(batch, active, marks, _energy(values, metric))
        if not active.size:
            break
        x, f = batch.x[active], values[active]
        direction, solved = _newton_directions(system, x, f)
        batch.evaluations += len(active)
        first = np.minimum(1.0, 4 * lengths[active])
        x_new, f_new, lengths[active] = _line_search(system, metric, x, f, direction, first)
        batch.x[active], values[active] = x_new, f_new
        small = np.linalg.norm(direction, axis=1) <= _CLOSE * (1 + np.linalg.norm(x_new, axis=1))
        batch.ends[active[small & solved]] = End.CONVERGED
        stuck = ~solved | (lengths[active] == 0)
        batch.ends[active[stuck & ~small]] = End.STALLED
        lost = ~np.all(np.isfinite(direction) | ~solved[:, None], axis=1)
        batch.ends[active[lost]] = End.DIVERGED
        active = active[batch.ends[active] == End.LIMIT]
    return batch


def tanh_weights(system: System) -> tuple[Array, ...] | None:
    """M, N, c, d, G of f = −x + c + N tanh(Mx + d), each matrix but G with its transpose; empty where it is I.

    None where f is not of this form.
    """
    none, n = np.empty((0, 0)), system.dim
    if isinstance(system, LatentCircuit) and type(system).f is LatentCircuit.f:
        M, N, c, d, G = system.m, system.n, np.zeros(n), system.b, system.metric
    elif isinstance(system, LeakyRNN) and type(system).f is LeakyRNN.f and system.activation is Activation.TANH:
        rate, G = system.form is Form.RATE, none
        M, N = (system.W, none) if rate else (none, system.W)
        c, d = (np.zeros(n), system.b) if rate else (system.b, np.zeros(n))
    else:
        return None
    return tuple(np.ascontiguousarray(part, dtype=float) for part in (M, M.T, N, N.T, c, d, G))


def _newton_compiled(system: System, weights: tuple[Array, ...], starts: Array, balls: Balls, limit: int) -> Batch:
    batch, counts = _unstarted(starts), np.zeros(len(starts), np.int64)
    inverses = _negative_inverses(system, balls.centres[:_CHORDS] if len(starts) > _CHORDS else balls.centres[:0])
    newton_each(weights, (balls.centres, balls.radii), inverses, limit, batch.x, batch.ends, batch.ball, counts)
    batch.evaluations = int(counts.sum()) + len(inverses)
    return batch


def _descend_compiled(weights: tuple[Array, ...], starts: Array, balls: Balls, limit: int) -> Batch:
    batch, counts = _unstarted(starts), np.zeros(len(starts), np.int64)
    pair = balls.centres, balls.radii
    descend_starts(weights, pair, limit, batch.x, batch.ends, batch.ball, counts, batch.steps)
    batch.evaluations = int(counts.sum())
    return batch


def _unstarted(starts: Array) -> Batch:
    number = len(starts)
    ends, ball = np.full(number, int(End.LIMIT), np.int64), np.full(number, -1, np.int64)
    return Batch(np.array(starts, dtype=float, order="C"), ends, ball, steps=np.ones(number))


def _negative_inverses(system: System, centres: Array) -> Array:
    """−J⁻¹ at each centre, transposed; of those where it is known, from the first on."""
    J = np.ascontiguousarray(system.jacobian(centres))
    inverses, solved = np.tile(-np.eye(system.dim), (len(centres), 1, 1)), np.empty(len(centres), bool)
    solve_each(J, inverses, solved)
    known = len(centres) if solved.all() else int(np.argmin(solved))
    return np.ascontiguousarray(inverses[:known].transpose(0, 2, 1))


def _captured(batch: Batch, balls: Balls, active: Array) -> Array:
    """Those that are in no ball yet."""
    if not len(balls.radii):
        return active
    ball = balls.holding(batch.x[active])
    batch.ball[active] = ball
    batch.ends[active[ball >= 0]] = End.CAPTURED
    return active[ball < 0]


def _newton_directions(system: System, x: Array, f: Array) -> tuple[Array, Array]:
    """−J⁻¹f, no longer than ten times 1 + |x|, and where J could be solved."""
    J, right, solved = np.ascontiguousarray(system.jacobian(x)), -f[..., None], np.empty(len(x), bool)
    solve_each(J, right, solved)
    direction = np.where(solved[:, None], right[..., 0], 0.0)
    size, most = np.linalg.norm(direction, axis=1), 10 * (1 + np.linalg.norm(x, axis=1))
    return direction * np.minimum(1.0, most / np.maximum(size, 1e-300))[:, None], solved


def _still_falling(batch: Batch, active: Array, marks: Array, energies: Array) -> Array:
    """Those whose speed fell enough since the last mark."""
    falling = energies[active] < _SLOW**2 * marks[active]
    batch.ends[active[~falling]] = End.STALLED
    marks[active] = energies[active]
    return active[falling]


def _line_search(
    system: System, metric: Array | None, x: Array, f: Array, direction: Array, first: Array
) -> tuple[Array, Array, Array]:
    """The step that lowers the speed enough, its f, and its length in directions; 0 where none does."""
    start, lengths = _energy(f, metric), first.copy()
    x_new, f_new, open_ = x.copy(), f.copy(), np.arange(len(x))
    taken = np.zeros(len(x))
    while open_.size:
        t = lengths[open_]
        trial = x[open_] + t[:, None] * direction[open_]
        value = system.f(trial)
        energy = _energy(value, metric)
        good = energy <= (1 - 2 * _ENOUGH * t) * start[open_]
        done = open_[good]
        x_new[done], f_new[done], taken[done] = trial[good], value[good], t[good]
        open_, t, energy = open_[~good], t[~good], energy[~good]
        # The parabola through both energies, whose slope at 0 is −2·start.
        ratio = energy / np.maximum(start[open_], 1e-300)
        # fmax and fmin, since f may have overflowed to NaN.
        lengths[open_] = t * np.fmin(np.fmax(t / np.maximum(ratio - 1 + 2 * t, 1e-300), 0.1), 0.5)
        open_ = open_[lengths[open_] >= _LEAST_STEP]
    return x_new, f_new, taken


def metric_of(system: System) -> Array | None:
    """The metric; None where it is the identity, which need not be multiplied with."""
    metric = system.metric
    return None if np.array_equal(metric, np.eye(system.dim)) else metric


def _energy(f: Array, metric: Array | None) -> Array:
    """|f|² in the metric."""
    with np.errstate(over="ignore", invalid="ignore"):
        return ((f if metric is None else f @ metric) * f).sum(axis=1)


def descend(system: System, starts: Array, *, balls: Balls | None = None, limit: int = 60) -> Batch:
    """Newton on q from every start, the exact Hessian shifted where it is not positive definite.

    Parameters and result as in `newton`; `steps` is the length of the last step. A minimum of q is where it converged:
    the unshifted step is below 1e-9 of 1 + |x|.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> batch = descend(SaddleNode(0.01), np.array([[1.0]]))
    >>> bool(abs(batch.x[0, 0]) < 1e-9), batch.ends.tolist()
    (True, [0])
    """
    balls = no_balls(system.dim) if balls is None else balls
    weights = tanh_weights(system)
    if weights is not None:
        return _descend_compiled(weights, starts, balls, limit)
    batch = Batch(starts.copy(), np.full(len(starts), End.LIMIT), np.full(len(starts), -1), steps=np.ones(len(starts)))
    active, shifts, metric = np.arange(len(starts)), np.zeros(len(starts)), metric_of(system)
    for _ in range(limit):
        active = _captured(batch, balls, active)
        if not active.size:
            break
        x = batch.x[active]
        f, J = system.f(x), system.jacobian(x)
        gradient, hessian = energy_derivatives(system, x, f, J, metric)
        batch.evaluations += len(active)
        d, shift = gradient.copy(), shifts[active]
        least = _LEAST_SHIFT * np.abs(hessian).max(axis=(1, 2)) + 1e-300
        descend_each(np.ascontiguousarray(hessian), d, shift, least)
        ratio, trial = _gain(system, metric, (x, f), (d, gradient, hessian))
        batch.x[active] = np.where((ratio > 1e-4)[:, None], trial, x)
        size = np.linalg.norm(d, axis=1)
        batch.steps[active] = size
        close = size <= 1e-9 * (1 + np.linalg.norm(x, axis=1))
        batch.ends[active[close & (shift == 0)]] = End.CONVERGED
        batch.ends[active[close & (shift > 0)]] = End.STALLED
        batch.ends[active[~np.isfinite(size)]] = End.DIVERGED
        shifts[active] = _next_shift(shift, ratio, least)
        active = active[batch.ends[active] == End.LIMIT]
    return batch


def _gain(
    system: System, metric: Array | None, at: tuple[Array, Array], model: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Decrease of q over that of the quadratic model, and the trial states."""
    (x, f), (d, gradient, hessian) = at, model
    trial = x + d
    with np.errstate(invalid="ignore", over="ignore"):
        predicted = -((gradient + 0.5 * (hessian @ d[..., None])[..., 0]) * d).sum(axis=1)
        actual = 0.5 * (_energy(f, metric) - _energy(system.f(trial), metric))
        ratio = actual / np.maximum(predicted, 1e-300)
        return np.where(np.isnan(ratio), -1.0, ratio), trial


def _next_shift(shift: Array, ratio: Array, least: Array) -> Array:
    raised = np.maximum(4 * shift, least)
    lowered = np.where(shift <= least, 0.0, shift / 8)
    return np.where(ratio < 0.25, raised, np.where(ratio > 0.75, lowered, shift))
