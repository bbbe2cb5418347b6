"""Where a search in n dimensions starts."""

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.forms import newton_form
from dynaghost.systems.base import Array, System, finite

STARTS = 256
"""Starts where the caller names none."""


def random_starts(system: System, number: int, seed: int) -> Array:
    """Gaussian starts scaled by 10^U(−2, 0), so that many are near the middle, inside the box of fixed points if known.

    Of gated networks in h; cell states are then at rest.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> bool(np.abs(random_starts(LeakyRNN(np.eye(2), np.zeros(2)), 100, 0)).max() <= 1)
    True
    """
    rng = np.random.default_rng(seed)
    form = newton_form(system)
    starts = rng.normal(size=(number, form.system.dim)) * 10 ** rng.uniform(-2, 0, size=(number, 1))
    box = form.system.fixed_point_box()
    if box is None:
        return form.back(starts)
    middle, half = 0.5 * (box[0] + box[1]), 0.5 * (box[1] - box[0])
    return form.back(middle + np.clip(starts, -1, 1) * half)


def starts_among(states: Array, number: int, seed: int) -> Array:
    """`number` starts about known states (many, dim): half within triangles of three of them, half beside one.

    Saddles that few starts from rest reach lie there. Noise has a size of its own for each start, from 10⁻² to 1.

    Examples
    --------
    >>> starts = starts_among(np.array([[1.0, 0.0], [-1.0, 0.0]]), 100, 0)
    >>> starts.shape, bool(np.abs(starts[:50, 0]).max() < 1.5)
    ((100, 2), True)
    """
    rng, dim = np.random.default_rng(seed), states.shape[1]
    within = number // 2
    weights = rng.dirichlet([1.0, 1.0, 1.0], size=within)
    inside = (weights[..., None] * states[rng.integers(len(states), size=(within, 3))]).sum(axis=1)
    beside = states[rng.integers(len(states), size=number - within)]
    sizes = np.concatenate([10 ** rng.uniform(-2.3, -0.8, size=within), 10 ** rng.uniform(-2, 0, size=number - within)])
    return np.concatenate([inside, beside]) + sizes[:, None] * rng.normal(size=(number, dim))


def starts_around(states: Array, number: int, seed: int) -> Array:
    """`number` starts drawn from states (many, dim) that are visited: half as they are, half with Gaussian noise.

    The noise has a tenth of the states' standard deviation, in each dimension.

    Examples
    --------
    >>> starts_around(np.ones((1, 3)), 2, 0).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    rng = np.random.default_rng(seed)
    drawn = states[rng.integers(len(states), size=number)]
    drawn[number // 2 :] += 0.1 * states.std(axis=0) * rng.normal(size=(number - number // 2, states.shape[1]))
    return drawn


def checked_states(system: System, visited: object) -> Array | None:
    """States (many, dim) that trials visit; None where none are given.

    Raises
    ------
    DynaghostError
        If they are not such an array of finite numbers.
    """
    if visited is None:
        return None
    array = finite("visited", visited, ndim=2)  # type: ignore[arg-type]
    if array.shape[1] != system.dim or not len(array):
        raise DynaghostError(f"visited: expected shape (states, {system.dim}), got {array.shape}")
    return array


def checked_starts(system: System, starts: object, seed: int) -> Array:
    """The starts that the caller's argument means: an array (many, dim), a number of random ones, or None.

    Raises
    ------
    DynaghostError
        If it is none of these.
    """
    if starts is None:
        return random_starts(system, STARTS, seed)
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool):
        if starts < 1:
            raise DynaghostError(f"starts: expected at least 1, got {starts}")
        return random_starts(system, int(starts), seed)
    array = finite("starts", starts, ndim=2)  # type: ignore[arg-type]
    if array.shape[1] != system.dim or not len(array):
        raise DynaghostError(f"starts: expected shape (starts, {system.dim}), got {array.shape}")
    return array
