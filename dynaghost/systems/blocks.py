"""Jacobians of gated layers, put together from diagonal matrices times weights."""

from typing import Any

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.systems.bounds import join


def rows(terms: list[tuple[Any, Array]]) -> Any:
    """Σ diag(coefficients)·W, (..., n) and (n, m) → (..., n, m).

    Examples
    --------
    >>> rows([(np.array([1.0, 2.0]), np.ones((2, 2))), (np.ones(2), np.eye(2))]).tolist()
    [[2.0, 1.0], [2.0, 3.0]]
    """
    first, W = terms[0]
    total = first[..., None] * W
    for coefficients, W in terms[1:]:
        total += coefficients[..., None] * W
    return total


def add_diagonal(J: Any, d: Any) -> Any:
    """J + diag(d) for batches; arrays in place.

    Examples
    --------
    >>> add_diagonal(np.zeros((2, 2)), np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    if not isinstance(J, np.ndarray):
        return J + diagonal(d)
    entries = np.einsum("...ii->...i", J)  # a view in any order of memory
    entries += d
    return J


def diagonal(d: Any) -> Any:
    """diag(d) for batches.

    Examples
    --------
    >>> diagonal(np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    return d[..., None] * np.eye(d.shape[-1])


def beside(left: Any, upper: Any, lower: Any) -> Any:
    """[left | diag(upper) over diag(lower)] for batches."""
    n = upper.shape[-1]
    if not isinstance(left, np.ndarray) or left.dtype == object:
        return join([left, join([diagonal(upper), diagonal(lower)], -2)])
    J = np.zeros((*left.shape[:-1], 2 * n), left.dtype)
    J[..., :n] = left
    flat = J.reshape(*left.shape[:-2], 4 * n * n)
    # Element (i, n + i) stands at n + i(2n + 1), element (n + i, n + i) at (n + i)(2n + 1).
    flat[..., n : 2 * n * n : 2 * n + 1] = upper
    flat[..., n * (2 * n + 1) :: 2 * n + 1] = lower
    return J
