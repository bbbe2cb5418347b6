"""Slow states that are no points: line and ring attractors, planes, flat valleys; and the dimension of such a set.

A set is grown from a state on it. Where J has singular values of all but 0, a step along their directions, followed by
Newton's steps at right angles to them, leads to another state of the set if there is one; from that the next step goes
on, until the set is covered or there are states enough. What only surrounds a point ends after a few steps.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from dynaghost.slowpoints.forms import descent_budget
from dynaghost.slowpoints.search_outcome import SlowRegion
from dynaghost.systems.base import Array, System

TOLERANCE = 1e-3
"""Speed, in the system's metric and relative to 1 + |x|, below which a state that is no point belongs to a region."""

_NEIGHBOURS, _SHARE = 10, 0.1
_POINTLIKE = 1e-3
_FEWEST = 12
_STEP, _APART = 0.1, 0.6  # of 1 + |x|, for a curve; and least distance of states, in steps
_FLAT = 5e-3  # singular values below which a step along their directions may stay slow
_CORRECTIONS, _DIRECTIONS = 8, 6
_LONGEST = 4  # steps are so many times longer, at most, and as many times more states are taken, of larger sets
_ENOUGH = 100  # states of a curve
_MOST_SEEDS = 64
_AT_REST = 1e-6  # of 1 + |x|
_FAR = 10  # times 1 + the largest seed, beyond which a set is not followed


def slow_groups(system: System, states: Array) -> list[Array]:
    """The states slower than `TOLERANCE`, in groups far apart compared with the distances inside them."""
    slow = states[is_slow(system, states)] if len(states) else states
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


def is_slow(system: System, states: Array) -> Array:
    """Of each state of (many, dim), whether its speed is at most `TOLERANCE` of 1 + |x|."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(system.speed(states) <= TOLERANCE * (1 + np.linalg.norm(states, axis=-1)))


def may_be_flat(system: System, x: Array) -> bool:
    """Whether J may have a singular value small enough for a step in its direction to stay slow."""
    try:
        return bool(np.linalg.norm(np.linalg.inv(system.jacobian(x))) >= 1 / _FLAT)
    except np.linalg.LinAlgError:
        return True


def is_pointlike(states: Array) -> bool:
    """Whether a group is no wider than what is left of one degenerate point by rounding."""
    extent = np.linalg.norm(states - states.mean(axis=0), axis=1).max()
    return bool(extent <= _POINTLIKE * (1 + np.linalg.norm(states.mean(axis=0))))


def regions_from(system: System, seeds: Sequence[Array]) -> list[SlowRegion]:
    """The sets of slow states on which seeds lie, each once; seeds about which there is only a point lead to none.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> angles = 2 * np.pi * np.arange(40) / 40
    >>> ring = LeakyRNN(0.1 * np.cos(angles[:, None] - angles), np.zeros(40))
    >>> state = np.cos(angles)
    >>> for _ in range(60):
    ...     state = np.tanh(ring.W @ state)
    >>> (found,) = regions_from(ring, [state, np.zeros(40)])
    >>> found.dimension, len(found.states) > 30, bool(found.speeds.max() < 1e-9)
    (1, True, True)
    """
    far = _FAR * (1 + max((float(np.linalg.norm(seed)) for seed in seeds), default=0.0))
    few = _evenly(seeds, min(max(descent_budget(system) // 100, _FEWEST), _MOST_SEEDS))
    based = [(seed, _Tangent.at(system, seed)) for seed in few]
    found: list[Array] = []
    # The largest sets first: the edge of a plane lies on the plane.
    for seed, tangent in sorted(based, key=lambda pair: -pair[1].flat):
        if tangent.flat and not any(_covered(states, seed, tangent.flat) for states in found):
            states = _grown(system, seed, tangent, far)
            found += [states] if len(states) >= _FEWEST else []
    return [_record(system, states) for states in _joined(found)]


def _record(system: System, states: Array) -> SlowRegion:
    """A curve that winds spreads its samples, and J may be flat across a set too: the lesser count holds."""
    few = _evenly(list(states), _FEWEST)
    flat = int(np.median([_Tangent.at(system, x).flat for x in few]))
    return SlowRegion(states, system.speed(states), min(dimension(states), max(flat, 1)))


def stands_in(region: SlowRegion, x: Array) -> bool:
    """Whether a state is one of a region's, and those about it are at rest too: then it is no point by itself."""
    size = 1 + float(np.linalg.norm(x))
    near = np.linalg.norm(region.states - x, axis=1) <= _reach(x, region.dimension)
    return bool(near.sum() > 1 and np.median(region.speeds[near]) <= _AT_REST * size)


def _evenly(seeds: Sequence[Array], most: int) -> list[Array]:
    """No more than `most` of them, from the first to the last."""
    chosen = np.unique(np.linspace(0, max(len(seeds) - 1, 0), min(most, len(seeds))).round().astype(int))
    return [seeds[k] for k in chosen.tolist()]


def _covered(states: Array, x: Array, directions: int) -> bool:
    return bool(np.linalg.norm(states - x, axis=1).min() <= _reach(x, directions))


def _reach(x: Array, directions: int) -> float:
    """Somewhat more than a step from `x` in a set of so many dimensions."""
    return 1.5 * min(directions, _LONGEST) * _STEP * (1 + float(np.linalg.norm(x)))


def _joined(found: list[Array]) -> list[Array]:
    """Parts of one set, grown from several seeds, as one of no more states than tell its dimension."""
    if len(found) < 2:
        return found
    near = np.array([[_near(a, b) for b in found] for a in found])
    number, labels = connected_components(near, directed=False)
    joined = (np.concatenate([found[i] for i in np.flatnonzero(labels == k)]) for k in range(number))
    return [np.array(_evenly(list(states), _LONGEST * _ENOUGH)) for states in joined]


def _near(a: Array, b: Array) -> bool:
    """Whether two samples of sets overlap: as near to each other as each one's are among themselves."""
    return bool(cdist(a, b).min() <= min(_gap(a), _gap(b)))


def _gap(states: Array) -> float:
    distances = cdist(states, states)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min(axis=1).max())


def _grown(system: System, seed: Array, tangent: "_Tangent", far: float) -> Array:
    """Samples (many, dim) of the set of slow states on which a seed lies: few or none if it is no more than a point."""
    rng = np.random.default_rng(0)
    x = tangent.corrected(system, seed)
    if not (is_slow(system, x) and np.linalg.norm(x - seed) <= _STEP * (1 + np.linalg.norm(seed))):
        return np.empty((0, system.dim))
    states, waiting = [x], deque([(x, tangent)])
    most = min(_ENOUGH * min(tangent.flat, _LONGEST), max(descent_budget(system) // 10, 2 * _FEWEST))
    while waiting and len(states) < most:
        x, tangent = waiting.popleft()
        for step in tangent.steps(rng, _STEP * (1 + float(np.linalg.norm(x)))):
            trial = tangent.corrected(system, x + step)
            size = float(np.linalg.norm(step))
            if not np.linalg.norm(trial - x - step) <= 0.5 * size or not np.linalg.norm(trial) <= far:
                continue
            if np.linalg.norm(np.array(states) - trial, axis=1).min() < _APART * size or not is_slow(system, trial):
                continue
            states.append(trial)
            waiting.append((trial, _Tangent.at(system, trial)))
    return np.array(states)


class _Tangent:
    """The flat directions of J at a state, and Newton's step across them."""

    def __init__(self, flat: Array, across: Array) -> None:
        self._directions, self._across = flat, across
        self.flat = len(flat)

    @classmethod
    def at(cls, system: System, x: Array) -> "_Tangent":
        left, values, right = np.linalg.svd(system.jacobian(x))
        steep = values > _FLAT
        return cls(right[~steep], -(right[steep].T / values[steep]) @ left[:, steep].T)

    def steps(self, rng: np.random.Generator, length: float) -> Iterator[Array]:
        """Steps to try: both ways along a curve; elsewhere random ones, longer the more directions there are."""
        if self.flat == 1:
            yield from (length * self._directions[0], -length * self._directions[0])
        for _ in range(_DIRECTIONS * (self.flat > 1)):
            direction = rng.normal(size=self.flat) @ self._directions
            yield min(self.flat, _LONGEST) * length * direction / np.linalg.norm(direction)

    def corrected(self, system: System, x: Array) -> Array:
        """`x` after Newton's steps across the flat directions, with this J throughout."""
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(_CORRECTIONS):
                move = self._across @ system.f(x)
                x = x + move
                if not 1e-12 * (1 + np.linalg.norm(x)) < np.linalg.norm(move) < np.inf:
                    break
        return x


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
