"""What every network asks of its weights."""

from collections.abc import Mapping

import numpy as np

from dynaghost.errors import DynaghostError


def check_units(b: np.ndarray, name: str) -> int:
    """The length of a bias.

    Raises
    ------
    DynaghostError
        If it is not a vector with at least one entry.
    """
    if np.ndim(b) != 1 or np.size(b) < 1:
        raise DynaghostError(f"{name} must be a vector, at least 1 long, got shape {np.shape(b)}")
    return np.size(b)


def check_shapes(weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays of other shapes, empty ones, and entries that are not finite.

    Raises
    ------
    DynaghostError
        Naming the array.

    Examples
    --------
    >>> check_shapes({"b": np.zeros(2)}, {"b": (3,)})
    Traceback (most recent call last):
        ...
    dynaghost.errors.DynaghostError: b must have shape (3,), got (2,)
    """
    for name, shape in shapes.items():
        if np.shape(weights[name]) != shape or 0 in shape:
            raise DynaghostError(f"{name} must have shape {shape}, got {np.shape(weights[name])}")
        if not np.isfinite(weights[name]).all():
            raise DynaghostError(f"{name} must be finite, got infinite or NaN entries")


def check_seed(seed: int) -> None:
    """Refuse a negative seed, and one that generators do not take.

    Raises
    ------
    DynaghostError
        If it is one.
    """
    if not 0 <= seed < 2**63:
        raise DynaghostError(f"seed must not be negative, and below 2⁶³, got {seed}")
