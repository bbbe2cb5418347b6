"""Slow states that are no points: line and ring attractors, flat valleys; and the dimension of the set they lie on."""

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from dynaghost.slowpoints.records import SlowRegion
from dynaghost.systems.base import Array, System

TOLERANCE = 1e-3
"""Speed, in the system's metric and relative to 1 + |x|, below which a state that is no point belongs to a region."""

_NEIGHBOURS, _SHARE = 10, 0.1
_POINTLIKE = 1e-3
_FEWEST = 8


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
