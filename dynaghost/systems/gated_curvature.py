"""Σ wᵢ D²fᵢ(x) of gated networks, exactly.

Each unit is a function of a few arguments, all linear in the layer's state and input. With S_ab the weighted second
derivatives of the units by arguments a and b, and L_a the Jacobian of argument a by the whole state, a layer adds
Σ L_aᵀ diag(S_ab) L_b. In a stack the weights of a layer's new h grow by what the next layer makes of them: from the
last layer to the first.
"""

from collections.abc import Sequence

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.systems.blocks import rows
from dynaghost.systems.cells import Cell
from dynaghost.systems.jets import Jet


def layer_curvature(
    cell: Cell, arguments: list[Array], weights: Sequence[Array], slopes: list[Array | None]
) -> tuple[Array, Array]:
    """What one layer adds, (E, dim, dim), and its gradient by its input, (E, inputs).

    Parameters
    ----------
    cell : Cell
    arguments : list of ndarray (E, hidden)
    weights : ndarrays (E, hidden)
        Of the cell's `values`.
    slopes : list of ndarray (hidden, dim) or (E, hidden, dim)
        L_a; None where it is 0.
    """
    by, bends = _unit_derivatives(cell, arguments, weights)
    used = {a: slope for a, slope in enumerate(slopes) if slope is not None}
    terms = [rows([(bends[a][b], slope) for b, slope in used.items()]) for a in used]
    total = np.swapaxes(np.concatenate(list(used.values()), axis=-2), -1, -2) @ np.concatenate(terms, axis=-2)
    by_input = [by[a] @ V for a, (_, V) in enumerate(cell.couplings()) if V is not None]
    return 0.5 * (total + total.transpose(0, 2, 1)), np.sum(by_input, axis=0)


def _unit_derivatives(
    cell: Cell, arguments: list[Array], weights: Sequence[Array]
) -> tuple[list[Array], list[list[Array]]]:
    """Weighted first and second derivatives of the units by their arguments, each (E, hidden)."""
    number = len(arguments)
    first, second = np.triu_indices(number)
    one, flat = np.eye(number)[..., None, None], np.zeros((1, 1, 1))
    # Every pair of arguments at once: the pairs' axis comes before the states'.
    jets = [Jet(argument, one[a][first], one[a][second], flat) for a, argument in enumerate(arguments)]
    outputs = cell.values(jets)
    size = (len(first), *arguments[0].shape)
    slope, bend = np.zeros(size), np.zeros(size)
    for out, w in zip(outputs, weights, strict=True):
        slope, bend = slope + out.du * w, bend + out.duv * w
    pairs = {(a, b): k for k, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True))}
    by = [slope[pairs[a, a]] for a in range(number)]
    return by, [[bend[pairs[min(a, b), max(a, b)]] for b in range(number)] for a in range(number)]
