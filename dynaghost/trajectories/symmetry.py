"""Whether a circuit is exactly odd, f(−κ) = −f(κ): only then can a root split into three at once."""

from collections import Counter

import numpy as np

from dynaghost.systems.base import Array

Weights = tuple[Array, Array, Array]


def odd_along(first: Weights, second: Weights) -> bool:
    """Whether f is exactly odd at every place on the straight line between two sets of weights m, n, b.

    Units without bias are odd by themselves; others cancel in twins (m, n, b) and (m, n, −b), the same two units at
    both ends.

    Examples
    --------
    >>> m, n = np.array([1.0, 1.0]), np.array([0.5, 0.5])
    >>> odd_along((m, n, np.array([1.0, -1.0])), (2 * m, n, np.array([0.5, -0.5])))
    True
    """
    biases = np.where(first[0] < 0, -first[2], first[2])[(first[1] != 0) | (second[1] != 0)]
    biases.sort()
    # The twins' biases are alike but for their signs; nearly always this says no.
    if not np.array_equal(biases, -biases[::-1]):
        return False
    return Counter(_units(first, second, 1.0)) == Counter(_units(first, second, -1.0))


def _units(first: Weights, second: Weights, side: float) -> list[tuple[float, ...]]:
    """Each unit that is coupled, as its weights at both ends with the bias times `side`."""
    rows = np.stack([first[0], second[0], first[1], second[1], side * first[2], side * second[2]])
    # n tanh(mκ + b) = −n tanh(−mκ − b): the same unit.
    turned = rows * np.where(rows[0] < 0, -1.0, 1.0)
    coupled = (first[1] != 0) | (second[1] != 0)
    return [tuple(float(value) + 0.0 for value in column) for column in turned[:, coupled].T]
