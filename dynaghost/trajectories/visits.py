"""The states that trials visit at one checkpoint of a network in many dimensions, and where each trial ends.

Trials are simulated with the map and its leak: on the circuit's own coordinates κ where the network has one, since
κ(t + 1) depends on κ(t) alone, else on the state.
"""

from dataclasses import dataclass, field

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import FixedPoint
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LowRankRNN
from dynaghost.trajectories.walks import GONE, Walk

TRIALS, TIMES, NUMBERS = 8, 60, 4_000_000
"""Most trials and times of a checkpoint's paths, and most numbers of all paths of a run: kept for pictures."""
KEPT = 1000
"""States of a checkpoint's trials that are kept, evenly over time; the first ones and the last are among them."""

_ARRIVED = 1e-6  # relative to 1 + |x|: a trial ends in a fixed point that is nearer than this


@dataclass(frozen=True, slots=True)
class Visit:
    """What the trials do at one checkpoint.

    Attributes
    ----------
    visited : ndarray (states, dim)
        In the coordinates of the slow points.
    ends : tuple of int or None
        Of each trial, the index of the fixed point it ends in; None where it did not come to rest at one.
    starts : ndarray (trials, units) or None
        The network's states at the beginning of the period that is analyzed.
    steps : int or None
        Iterations of that period; None for as many as it takes to come to rest.
    paths : ndarray (trials, times, dim)
        Of some trials, at some times, more of them at the beginning: for pictures. In the coordinates of the slow
        points.
    gone : int
        Trials that run to infinity: only what they visit as near to 0 as everything else is counts.
    """

    visited: Array
    ends: tuple[int | None, ...]
    starts: Array | None = None
    steps: int | None = None
    paths: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    gone: int = 0


def shown(path: Array, most: int) -> Array:
    """Some of the trials of a path (trials, steps, dim) at some of its times, of at most so many numbers.

    The first trials, at times that grow in equal ratios; the first and the last time are among them.

    Examples
    --------
    >>> shown(np.arange(12.0).reshape(1, 12, 1), 5)[0, :, 0].tolist()
    [0.0, 1.0, 2.0, 5.0, 11.0]
    """
    trials, steps, dim = path.shape
    times = min(max(most // max(dim, 1), 2), TIMES)
    kept = path[: max(min(trials, most // max(dim * times, 1), TRIALS), 1)]
    at = np.unique(np.geomspace(1, steps, times).round().astype(int) - 1)
    return np.array(kept[:, at])


def numbers_each(checkpoints: int) -> int:
    """Most numbers that the paths of one checkpoint take, so that those of a run stay within `NUMBERS`."""
    return NUMBERS // max(checkpoints, 1)


def first_states(network: System, x0: float | Array) -> Array:
    """Initial states (trials, dim) of a network: one number for all units, one state, or one a trial.

    Raises
    ------
    DynaghostError
        If the shape fits none of these.
    """
    given = np.asarray(x0, dtype=float)
    if given.ndim == 0:
        return np.full((1, network.dim), float(given))
    states = given[None] if given.ndim == 1 else given
    if states.ndim != 2 or states.shape[1] != network.dim:
        raise DynaghostError(f"x0: expected one number, or states of {network.dim} numbers, got shape {given.shape}")
    return states


def visit(
    network: System, circuit: System, fixed_points: tuple[FixedPoint, ...], states: Array, *, steps: int | None = None
) -> Visit:
    """Simulate trials of a network from given states.

    Parameters
    ----------
    network : System
    circuit : System
        In whose coordinates the slow points are: the network itself, or its latent circuit.
    fixed_points : tuple of FixedPoint
        Of the circuit.
    states : ndarray (trials, network.dim)
        Initial states.
    steps : int, optional
        Iterations whose states count as visited; by default all until at rest (`Walk`).

    Returns
    -------
    Visit

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0], leak=0.5)
    >>> points = find_slow_points(network).fixed_points
    >>> found = visit(network, network, points, np.array([[0.1, 0.3]]))
    >>> points[found.ends[0]].x.round(3).tolist()
    [0.958, 0.0]
    """
    inside, x = _coordinates(network, circuit, states)
    kept, last = [x[:, None]], x
    for stretch in Walk(inside, x):
        if steps is None or sum(part.shape[1] for part in kept) <= steps:
            kept.append(stretch)
        last = stretch[:, -1]
    path = _seen(network, circuit, inside, np.concatenate(kept, axis=1)[:, : None if steps is None else steps + 1])
    end = _seen(network, circuit, inside, last)
    ends, gone = tuple(_arrived(fixed_points, x) for x in end), ~(np.abs(end).max(axis=1) <= GONE)
    if gone.any():
        path = _held(path, gone, fixed_points)
    return Visit(_thinned(path), ends, states, steps, shown(path, NUMBERS), int(gone.sum()))


def _held(path: Array, gone: Array, fixed_points: tuple[FixedPoint, ...]) -> Array:
    """A path (trials, times, dim) in which trials that have `gone` to infinity are held at their last state that is no
    farther from 0 than every first state, every fixed point and the other trials."""
    with np.errstate(over="ignore", invalid="ignore"):
        path, sizes = path.copy(), np.linalg.norm(path, axis=2)
    known = [*sizes[:, 0], *sizes[~gone].ravel(), *(np.linalg.norm(point.x) for point in fixed_points)]
    for trial in np.flatnonzero(gone):
        outside = np.flatnonzero(~(sizes[trial] <= max(known)))
        if len(outside):
            path[trial, outside[0] :] = path[trial, outside[0] - 1]
    return path


def rest(network: System, circuit: System, start: Array) -> Array | None:
    """Where a trial from one state (units,) comes to rest, in the circuit's coordinates; None where it does not.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[2.0]], [0.0], leak=0.5)
    >>> rest(network, network, np.array([0.1])).round(3).tolist()
    [0.958]
    """
    inside, x = _coordinates(network, circuit, start[None])
    walk = Walk(inside, x)
    for stretch in walk:
        x = stretch[:, -1]
    return np.asarray(_seen(network, circuit, inside, x)[0]) if walk.rested and np.all(np.isfinite(x)) else None


def _coordinates(network: System, circuit: System, states: Array) -> tuple[System, Array]:
    """The system that is iterated, and where it starts."""
    if isinstance(network, LowRankRNN) and network.form is Form.RATE and circuit is not network:
        return circuit, circuit.project(states)  # type: ignore[attr-defined]
    return network, states


def _seen(network: System, circuit: System, inside: System, x: Array) -> Array:
    """States in the coordinates of the slow points."""
    return x if inside is circuit else circuit.project(x)  # type: ignore[attr-defined]


def _thinned(path: Array) -> Array:
    """States (states, dim) of a path (trials, steps, dim), in the order of time."""
    trials, steps, dim = path.shape
    each = max(KEPT // max(trials, 1), 2)
    kept = np.unique(np.linspace(0, steps - 1, min(each, steps)).astype(int))
    return path[:, kept].swapaxes(0, 1).reshape(-1, dim)


def _arrived(fixed_points: tuple[FixedPoint, ...], end: Array) -> int | None:
    if not fixed_points or not np.all(np.isfinite(end)):
        return None
    distances = [float(np.linalg.norm(point.x - end)) for point in fixed_points]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= _ARRIVED * (1 + float(np.linalg.norm(end))) else None
