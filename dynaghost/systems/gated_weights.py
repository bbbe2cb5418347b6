"""Weights of gated networks → layers, once every shape has been found right."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array, finite
from dynaghost.systems.cells import Cell


def checked_cells(kind: type[Cell], weight_hh: Any, weight_ih: Any, bias_hh: Any, bias_ih: Any) -> list[Cell]:
    """The layers, once every shape has been found right.

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.
    """
    matrices = _per_layer("weight_hh", weight_hh, 2)
    count = len(matrices)
    into, hh, ih = (
        _per_layer(name, value, ndim, count)
        for name, value, ndim in (("weight_ih", weight_ih, 2), ("bias_hh", bias_hh, 1), ("bias_ih", bias_ih, 1))
    )
    cells: list[Cell] = []
    for k, W in enumerate(matrices):
        if W.shape != (kind.gates * W.shape[1], W.shape[1]) or not W.size:
            raise DynaghostError(f"weight_hh: expected shape ({kind.gates}·hidden, hidden) in layer {k}, got {W.shape}")
        if k and not into:
            raise DynaghostError(f"weight_ih: expected one matrix a layer for {count} layers, got None")
        rows, read = len(W), cells[-1].hidden if k else None
        W_in = into[k] if into else np.zeros((rows, 0))
        if len(W_in) != rows or read not in (None, W_in.shape[1]):
            raise DynaghostError(
                f"weight_ih: expected shape ({rows}, {read or 'inputs'}) in layer {k}, got {W_in.shape}"
            )
        cells.append(kind(W, W_in, _bias("bias_hh", hh, k, rows), _bias("bias_ih", ih, k, rows)))
    return cells


def _per_layer(name: str, value: Any, ndim: int, count: int | None = None) -> list[Array]:
    """The arrays of every layer, from a list of them or from the array of a single layer."""
    if value is None:
        return []
    several = isinstance(value, list | tuple) and len(value) > 0 and np.ndim(value[0]) == ndim
    arrays = [finite(name, one, ndim=ndim) for one in (value if several else [value])]
    if count not in (None, len(arrays)):
        raise DynaghostError(f"{name}: expected one array for each of {count} layers, got {len(arrays)}")
    return arrays


def _bias(name: str, arrays: list[Array], layer: int, size: int) -> Array:
    bias = arrays[layer] if arrays else np.zeros(size)
    if bias.shape != (size,):
        raise DynaghostError(f"{name}: expected shape ({size},) in layer {layer}, got {bias.shape}")
    return bias


def constant_input(inputs: ArrayLike | None, size: int) -> Array:
    """The input, zeros by default; one number is every input."""
    vector = finite("inputs", 0.0 if inputs is None else inputs)
    if vector.ndim and vector.shape != (size,):
        raise DynaghostError(f"inputs: expected one number or {size}, got an array of shape {vector.shape}")
    return np.broadcast_to(vector, (size,)).copy()
