"""Σ wᵢ D²fᵢ(x) of gated networks, exactly.

Each unit is a function of a few arguments, all linear in the layer's state and input. With S_ab the weighted second
derivatives of the units by arguments a and b, and L_a the Jacobian of argument a by the whole state, a layer adds
Σ L_aᵀ diag(S_ab) L_b. In a stack the weights of a layer's new h grow by what the next layer makes of them: from the
last layer to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.systems.cells import Cell
from dynaghost.systems.jets import Jet


@dataclass(frozen=True, slots=True)
class Slopes:
    """Jacobians of a layer's arguments by the whole state.

    Parameters
    ----------
    which : list of int
        The arguments that mix state variables; others but the cell's `own` do not depend on the state.
    dense : ndarray (hidden, which, columns) or (E, hidden, which, columns)
    columns : slice
        Of the state.
    own : slice
        The state variables that are the cell's `own` argument.
    """

    which: list[int]
    dense: Array
    columns: slice
    own: slice


def layer_curvature(
    cell: Cell, arguments: list[Array], weights: Sequence[Array], slopes: Slopes, total: Array
) -> Array:
    """Adds what one layer has to `total` (E, dim, dim); its gradient by its input, (E, inputs).

    Parameters
    ----------
    cell : Cell
    arguments : list of ndarray (E, hidden)
    weights : ndarrays (E, hidden)
        Of the cell's `values`.
    slopes : Slopes
    total : ndarray (E, dim, dim)
    """
    by, bends = _unit_derivatives(cell, arguments, weights)
    L, units, which = slopes.dense, cell.hidden, slopes.which
    # Unit by unit (which, which)·(which, columns), then one product over units and arguments.
    bent = bends[..., which, :][..., which] @ L
    flat = L.reshape(*L.shape[:-3], units * len(which), -1)
    total[:, slopes.columns, slopes.columns] += np.swapaxes(flat, -1, -2) @ bent.reshape(len(total), *flat.shape[-2:])
    if cell.own is not None:
        mixed = (bends[..., cell.own, which][..., None, :] @ L)[..., 0, :]
        total[:, slopes.own, slopes.columns] += mixed
        total[:, slopes.columns, slopes.own] += mixed.transpose(0, 2, 1)
        place = range(slopes.own.start, slopes.own.stop)
        total[:, place, place] += bends[..., cell.own, cell.own]
    return np.sum([by[a] @ V for a, (_, V) in enumerate(cell.couplings()) if V is not None], axis=0)


def _unit_derivatives(cell: Cell, arguments: list[Array], weights: Sequence[Array]) -> tuple[Array, Array]:
    """Weighted first and second derivatives by the arguments: (arguments, E, hidden), (E, hidden, arguments twice)."""
    number = len(arguments)
    first, second = np.triu_indices(number)
    one, flat = np.eye(number)[..., None, None], np.zeros((1, 1, 1))
    # Every pair of arguments at once: the pairs' axis comes before the states'.
    jets = [Jet(argument, one[a][first], one[a][second], flat) for a, argument in enumerate(arguments)]
    slope, bend = np.zeros((2, len(first), *arguments[0].shape))
    for out, w in zip(cell.values(jets), weights, strict=True):
        slope, bend = slope + out.du * w, bend + out.duv * w
    bends = np.empty((*arguments[0].shape, number, number))
    bends[..., first, second] = bends[..., second, first] = np.moveaxis(bend, 0, -1)
    return slope[first == second], bends
