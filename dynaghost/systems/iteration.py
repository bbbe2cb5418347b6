"""Iterations of a system's map, many at once: compiled for leaky networks and latent circuits, else step by step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LatentCircuit, LowRankRNN, RankOneCircuit
from dynaghost.systems.recurrent import LeakyRNN

FLOW_STEP = 0.1
"""In steps of this many τ a flow is followed whose map has no known leak."""

# From here on NumPy's products of matrices are faster than one trial after the other (measured).
_MANY, _WIDE = 2000, 100

Walker = Callable[[Array, int], Array]
"""From states (trials, dim) and a number of iterations to the states after each of them, (trials, steps, dim)."""


def walker(system: System, trials: int = 1) -> Walker:
    """What iterates the map of a system, x + leak·f(x).

    Parameters
    ----------
    system : System
    trials : int
        About how many it is for.

    Returns
    -------
    Walker
        Equal to calls of `System.step` but for rounding. States that grow without bound become infinite, silently.

    Examples
    --------
    >>> network = LeakyRNN([[0.0, -2.0], [2.0, 0.0]], [0.1, 0.0], leak=0.5)
    >>> path = walker(network)(np.zeros((1, 2)), 3)
    >>> path.shape, bool(np.abs(path[0, 1] - network.step(network.step(np.zeros(2)))).max() < 1e-15)
    ((1, 3, 2), True)
    """
    wide = isinstance(system, LeakyRNN) and system.dim >= _WIDE and system.dim * trials >= _MANY
    if wide or not isinstance(system, LeakyRNN | LowRankRNN | LatentCircuit | RankOneCircuit):
        return partial(_by_step, system)
    from dynaghost.kernels import leaky_map

    return partial(_compiled, leaky_map.walk, leaky_map.weights(**_matrices(system), leak=_leak(system)))


def _leak(system: System) -> float:
    return FLOW_STEP if system.leak is None else system.leak


def _matrices(system: LeakyRNN | LowRankRNN | LatentCircuit | RankOneCircuit) -> dict[str, Any]:
    """What `leaky_map.weights` takes."""
    if isinstance(system, LeakyRNN):
        name, add = ("A", "d") if system.form is Form.RATE else ("L", "c")
        return {name: system.W, add: system.b, "kind": system.activation, "slope": system.negative_slope}
    if not isinstance(system, LowRankRNN):
        return {"A": system.m, "N": system.n, "d": system.b}
    if system.form is Form.RATE:
        return {"B": system.n, "A": system.m, "d": system.b}
    return {"N": system.n, "L": system.m, "c": system.b}


def _compiled(walk: Callable[..., Array], weights: Any, states: Array, steps: int) -> Array:
    return walk(weights, np.ascontiguousarray(states, dtype=float), steps)


def _by_step(system: System, states: Array, steps: int) -> Array:
    path = np.empty((steps, *states.shape))
    x, leak = states, _leak(system)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps):
            x = path[t] = x + leak * system.f(x)
    return path.swapaxes(0, 1)
