"""One trial of the task at each checkpoint: the states it visits, the attractor it ends in, its escape time.

A trial is simulated with the map and its leak. Where the leak is not known, the flow decides, which in one dimension
needs no simulation: κ moves towards the next fixed point in the direction of f.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.kernels import trials as kernel
from dynaghost.slowpoints.records import FixedPoint
from dynaghost.slowpoints.scalar import find_scalar
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import Form, LowRankRNN, RankOneCircuit

LONGEST = 200_000
"""Iterations after which a trial that is not at rest is given up."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# Deeper halvings than the digits of κ bring nothing, nor do more pieces than these where f is but rounding.
_HALVINGS, _PIECES = 52, 4096
# A trial has arrived where it is this close to a fixed point, relative to 1 + |x|.
_ARRIVED = 1e-6
# So many last iterations in one direction are a creep, not a cycle.
_CREEPS = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """What is simulated at every checkpoint.

    Attributes
    ----------
    x0 : float or ndarray (units,)
        The network's initial state: of all units, or of each.
    steps : int or None
        Iterations; None until at rest.
    delay : float or None
        The task's delay, in τ.
    threshold : float or None
        The readout's: on κ for networks of rank one, else on its output.
    """

    x0: float | Array
    steps: int | None = None
    delay: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What a trial does at one checkpoint.

    Attributes
    ----------
    visited : ndarray (T,)
        κ before the first iteration and after each.
    attractor : int or None
        Index of the fixed point it ends in, in increasing order; None where it did not come to rest at one.
    """

    visited: Array
    attractor: int | None

    @property
    def start(self) -> float:
        """κ(0)."""
        return float(self.visited[0])


def walk(
    network: LowRankRNN, fixed_points: tuple[FixedPoint, ...], trial: Trial, circuit: RankOneCircuit | None = None
) -> Walk:
    """Simulate a trial of a rank-one network.

    Parameters
    ----------
    network : LowRankRNN
        Of rank one.
    fixed_points : tuple of FixedPoint
        Of its circuit, in increasing order.
    trial : Trial
    circuit : RankOneCircuit, optional
        The network's, where it was made already.

    Returns
    -------
    Walk

    Raises
    ------
    DynaghostError
        If `x0` has not one value, or one a unit.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import RankOneRNN
    >>> network = RankOneRNN([1.0], [2.0], [0.0], leak=0.5)
    >>> walk(network, find_slow_points(network).fixed_points, Trial(x0=-0.3)).attractor
    0
    """
    circuit = circuit or network.latent()  # type: ignore[assignment]
    assert isinstance(circuit, RankOneCircuit)
    state = _state(network, trial)
    places = np.array([point.x[0] for point in fixed_points])
    if network.leak is None:
        return _flow(circuit, places, float(circuit.project(state)[0]))
    # Past the task's steps the trial goes on until at rest, to see where it ends.
    if network.form is Form.CURRENT:
        visited = _in_state_space(network, circuit, state)
    else:
        found = kappas(circuit, float(circuit.project(state)[0]))
        assert found is not None
        visited = found
    seen = visited if trial.steps is None else visited[: trial.steps + 1]
    end = _arrived(places, float(visited[-1]))
    return Walk(seen, _ahead(places, visited) if end is None else end)


def kappas(circuit: RankOneCircuit, start: float, steps: int | None = None) -> Array | None:
    """κ before the first iteration of the circuit's map and after each, (T,); None where its leak is not known.

    Parameters
    ----------
    circuit : RankOneCircuit
    start : float
        κ(0). In current form a state beside the plane of the circuit has another κ than the circuit's until it has
        decayed onto it.
    steps : int, optional
        Iterations; until at rest by default.

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> kappas(RankOneRNN([0.0], [1.0], [0.0], leak=0.5).latent(), 1.0, 2).tolist()
    [1.0, 0.5, 0.25]
    """
    if circuit.leak is None:
        return None
    states = kernel.states_room(LONGEST)
    count, _ = kernel.walk(*circuit.weights, circuit.leak, start, states)
    return np.array(states[: count if steps is None else min(count, steps + 1)])


def _state(network: LowRankRNN, trial: Trial) -> Array:
    x0 = np.asarray(trial.x0, dtype=float)
    if x0.ndim and x0.shape != (network.dim,):
        raise DynaghostError(f"x0: expected one number or {network.dim}, one a unit, got an array of shape {x0.shape}")
    # One number for all units, summed in the order of such views; `np.broadcast_to` leaves garbage in cycles.
    return x0 if x0.ndim else np.ndarray((network.dim,), float, x0, strides=(0,))


def _arrived(places: Array, end: float) -> int | None:
    if not len(places):
        return None
    nearest = int(np.argmin(np.abs(places - end)))
    return nearest if abs(places[nearest] - end) <= _ARRIVED * (1 + abs(end)) else None


def _ahead(places: Array, visited: Array) -> int | None:
    """Beside a fold a trial creeps and is given up on its way: it ends in the next fixed point that way."""
    moves = np.diff(visited[-_CREEPS:])
    if len(visited) < _CREEPS or not (np.all(moves > 0) or np.all(moves < 0)):
        return None
    ahead = np.flatnonzero((places - visited[-1]) * moves[-1] > 0)
    if not len(ahead):
        return None
    return int(ahead[0] if moves[-1] > 0 else ahead[-1])


def _flow(circuit: RankOneCircuit, places: Array, kappa: float) -> Walk:
    """Without a leak: the flow moves monotonically to the next fixed point."""
    f = float(circuit.taylor(np.float64(kappa), 0)[0])
    ahead = np.flatnonzero(places > kappa) if f > 0 else np.flatnonzero(places < kappa)
    if f == 0 or not len(ahead):
        return Walk(np.array([kappa]), _arrived(places, kappa))
    end = int(ahead[0] if f > 0 else ahead[-1])
    return Walk(np.linspace(kappa, places[end], 200), end)


def _in_state_space(network: LowRankRNN, circuit: RankOneCircuit, state: Array) -> Array:
    """Current form: a start beside the plane h = mκ + b decays onto it, and is not the circuit's until then."""
    kappas = [float(circuit.project(state)[0])]
    for _ in range(LONGEST):
        new = network.step(state)
        kappas.append(float(circuit.project(new)[0]))
        if np.max(np.abs(new - state)) <= 4e-16 * (1 + np.max(np.abs(new))):
            break
        state = new
    return np.array(kappas)


def escape_time(circuit: RankOneCircuit, start: float, threshold: float) -> float:
    """∫dκ/f(κ) from κ(0) to the readout's threshold, in τ; infinite if the flow never gets there.

    Parameters
    ----------
    circuit : RankOneCircuit
    start, threshold : float

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> free = RankOneRNN([0.0], [1.0], [20.0]).latent()
    >>> round(escape_time(free, 0.0, 0.5), 6) == round(math.log(2), 6)
    True
    """
    if start == threshold:
        return 0.0
    points = find_scalar(circuit)
    low, high = sorted((start, threshold))
    away = float(circuit.taylor(np.float64(start), 0)[0]) * (threshold - start) <= 0
    if (
        away
        or not points.complete
        or any(low - point.radius <= point.x[0] <= high + point.radius for point in points.fixed_points)
    ):
        return math.inf
    # Ghosts are where an adaptive rule needs help; integration that begins at one sees how narrow it is.
    slow = [float(ghost.x[0]) for ghost in points.ghosts if low < ghost.x[0] < high]
    ends = sorted({start, threshold, *slow}, reverse=threshold < start)
    return sum(_time_between(circuit, a, b) for a, b in pairwise(ends))


def _time_between(circuit: RankOneCircuit, start: float, end: float) -> float:
    """∫dκ/f by Gauss's rule of 20 points, each piece halved until its halves agree with it to 1e-12 of the whole.

    (SciPy's quad gives the same; importing it takes longer than the whole analysis of a run.)
    """
    whole = _gauss(circuit, np.array([start]), np.array([end]))
    left, right, total = np.array([start]), np.array([end]), 0.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (left + right)
        halves = _gauss(circuit, np.concatenate([left, middle]), np.concatenate([middle, right]))
        both = halves[: len(left)] + halves[len(left) :]
        rough = np.abs(both - whole) > 1e-12 * (total + float(np.abs(both).sum()))
        total += float(both[~rough].sum())
        left, right = np.concatenate([left[rough], middle[rough]]), np.concatenate([middle[rough], right[rough]])
        whole = np.concatenate([halves[: len(rough)][rough], halves[len(rough) :][rough]])
        if not 0 < len(left) < _PIECES:
            break
    # What is still rough is limited by f's own rounding, as past a faint ghost.
    return total + float(whole.sum())


def _gauss(circuit: RankOneCircuit, left: Array, right: Array) -> Array:
    """∫dκ/f over each interval, (I,)."""
    half = 0.5 * (right - left)
    kappa = left[:, None] + half[:, None] * (1 + _NODES)
    return half * ((1 / circuit.taylor(kappa, 0)[0]) @ _WEIGHTS)
