"""Slow states that are no points: line and ring attractors, flat valleys; and the dimension of the set they lie on."""

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from dynaghost.slowpoints.forms import descent_budget
from dynaghost.slowpoints.newton import Balls, End, descend
from dynaghost.slowpoints.records import SlowRegion
from dynaghost.systems.base import Array, System

TOLERANCE = 1e-3
"""Speed, in the system's metric and relative to 1 + |x|, below which a state that is no point belongs to a region."""

_NEIGHBOURS, _SHARE = 10, 0.1
_POINTLIKE = 1e-3
_FEWEST = 8
_FEW, _ENOUGH, _BESIDE = (
    64,
    100,
    0.5,
)  # states of a region that are few, and enough, and how far beside known ones others are sought, in extents
_PRICE = 100  # Hessians of a descent along a valley, at most


def slow_groups(system: System, states: Array) -> list[Array]:
    """The states slower than `TOLERANCE`, in groups far apart compared with the distances inside them."""
    speeds = system.speed(states) if len(states) else np.empty(0)
    slow = states[speeds <= TOLERANCE * (1 + np.linalg.norm(states, axis=1))]
    if len(slow) < 2:
        return [slow] if len(slow) else []
    distances = cdist(slow, slow)
    np.fill_diagonal(distances, np.inf)
    # Gaps between random samples of one set are a few times the typical one, and small beside its extent.
    extent = float(np.linalg.norm(slow - slow.mean(axis=0), axis=1).max())
    pointlike = _POINTLIKE * (1 + float(np.abs(slow).max()))
    reach = max(8 * float(np.median(distances.min(axis=1))), 0.4 * extent, pointlike)
    number, labels = connected_components(distances <= reach, directed=False)
    return [slow[labels == k] for k in range(number)]


def is_pointlike(states: Array) -> bool:
    """Whether a group is no wider than what is left of one degenerate point by rounding."""
    extent = np.linalg.norm(states - states.mean(axis=0), axis=1).max()
    return bool(extent <= _POINTLIKE * (1 + np.linalg.norm(states.mean(axis=0))))


def filled(system: System, states: Array, balls: Balls) -> Array:
    """A group with as many more states of its region as tell its dimension: ends of descents from beside its states.

    The same ones each time. A descent that a ball about a known point captures is left out.

    Examples
    --------
    >>> from dynaghost.slowpoints.newton import no_balls
    >>> from dynaghost.systems import LeakyRNN
    >>> line = LeakyRNN([[1.0, 0.0], [0.0, 0.5]], [0.0, 0.1], activation="relu")
    >>> few = np.array([[1.0, 0.2], [2.0, 0.2], [4.0, 0.2]])
    >>> states = filled(line, few, no_balls(2))
    >>> len(states) > 50, bool(np.abs(states[:, 1] - 0.2).max() < 1e-3)
    (True, True)
    """
    number = min(_ENOUGH - len(states), descent_budget(system) // _PRICE)
    if number <= 0 or len(states) >= _FEW:
        return states
    rng, dim = np.random.default_rng(0), states.shape[1]
    extent = float(np.linalg.norm(states - states.mean(axis=0), axis=1).max())
    beside = states[rng.integers(len(states), size=number)]
    batch = descend(system, beside + _BESIDE * extent / np.sqrt(dim) * rng.normal(size=(number, dim)), balls=balls)
    ends = batch.x[batch.ends != End.CAPTURED]
    slow = system.speed(ends) <= TOLERANCE * (1 + np.linalg.norm(ends, axis=1))
    return np.concatenate([states, ends[slow]])


def region(system: System, states: Array) -> SlowRegion | None:
    """The record of a group; None for one of too few states to tell its dimension.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> angles = np.linspace(0, 6.2, 60)[:, None]
    >>> ring = np.hstack([np.cos(angles), np.sin(angles), 0 * angles])
    >>> region(LeakyRNN(np.eye(3), np.zeros(3)), ring).dimension
    1
    """
    if len(states) < _FEWEST:
        return None
    return SlowRegion(states, system.speed(states), dimension(states))


def dimension(states: Array) -> int:
    """Median over the states of how many principal directions their nearest neighbours spread in.

    A direction counts if it has a tenth of the largest variance.
    """
    distances = cdist(states, states)
    counts = []
    for row in distances:
        near = states[np.argsort(row, kind="stable")[: _NEIGHBOURS + 1]]
        variances = np.linalg.svd(near - near.mean(axis=0), compute_uv=False) ** 2
        counts.append(int(np.sum(variances > _SHARE * variances[0])))
    return int(np.median(counts))
