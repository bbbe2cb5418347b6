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


def starts_around(states: Array, number: int, noise: float, seed: int) -> Array:
    """`number` starts drawn from states (many, dim), with Gaussian noise of standard deviation `noise`.

    Examples
    --------
    >>> starts_around(np.zeros((1, 3)), 2, 0.0, 0).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    rng = np.random.default_rng(seed)
    return states[rng.integers(len(states), size=number)] + noise * rng.normal(size=(number, states.shape[1]))


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
