"""W as U V of low rank and a remainder E with a bound: what the search over linear regions of κ-space needs."""

from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import UNIT

MOST_RANK = 5
"""Rank up to which regions are searched in κ-space."""

_NEGLIGIBLE = 1e-11
_UP = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Factors:
    """u = G z + Ep on the faces |κ|, t ≤ 1, with κ = V p and |Ep| ≤ `noise` (n,), rounding of Gz included."""

    G: Array
    V: Array
    noise: Array


def low_rank_factors(network: LeakyRNN) -> Factors | None:
    """From singular values; None where W is not of low rank but for rounding. The bound on the rest is proved.

    E is the exact W − U V for the float64 U and V. For slopes up to 1, |p| ≤ |u| ≤ |Gz| + ‖E‖·max|p|, ‖E‖ the greatest
    row sum, so that max|p| ≤ max|Gz|/(1 − ‖E‖).

    Examples
    --------
    >>> network = LeakyRNN(np.outer([1.0, 2.0, 3.0], [0.1, 0.2, 0.3]), np.zeros(3), activation="relu")
    >>> factors = low_rank_factors(network)
    >>> factors.V.shape, bool(factors.noise.max() < 1e-13)
    ((1, 3), True)
    """
    left, values, right = np.linalg.svd(network.W)
    rank = max(int(np.sum(values > _NEGLIGIBLE * values[0])), 1)
    if rank > MOST_RANK or rank == network.dim:
        return None
    # States about as large as t = 1: then neither kind of face is crowded.
    scale = float(np.linalg.norm(right[:rank] @ network.b)) or 1.0
    U, V = left[:, :rank] * values[:rank] * scale, right[:rank] / scale
    G = np.ascontiguousarray(np.column_stack([U, network.b]))
    rest = np.abs(network.W - U @ V) + (rank + 3) * UNIT * (np.abs(U) @ np.abs(V) + np.abs(network.W))
    rows, size = rest.sum(axis=1) * _UP, np.abs(G).sum(axis=1) * _UP
    if not (np.all(np.isfinite(rows)) and np.all(np.isfinite(size)) and rows.max() < 0.5):
        return None
    noise = (rows * size.max() / (1 - rows.max()) + 2 * (rank + 8) * UNIT * size) * _UP + 1e-300
    return Factors(G, np.ascontiguousarray(V), noise)
