"""Networks as the compiled trainers take them: few arrays, their rows padded with zeros to a multiple of eight."""

from dataclasses import dataclass

import numpy as np

from dynaghost.kernels.lanes import LANES


@dataclass(frozen=True, slots=True)
class LowRankArrays:
    """A network of which only projections of the state are needed; see `kernels.low_rank_training`.

    Attributes
    ----------
    P : (R, size) array
        What projects the state.
    A : (Q, size) array
        What drives it: the first `latent` rows by projections, the others by inputs.
    b : (size,) array
    w : (R,) array
        The readout of the projections.
    w0 : (1,) array
    latent : int
    trains_w : bool
    """

    P: np.ndarray
    A: np.ndarray
    b: np.ndarray
    w: np.ndarray
    w0: np.ndarray
    latent: int
    trains_w: bool


@dataclass(frozen=True, slots=True)
class FullRankArrays:
    """A network with a matrix; see `kernels.full_rank_training`.

    Attributes
    ----------
    C : (units + inputs, size) array
        Columns of the connectivity, then of the input weights.
    b, w : (size,) arrays
    w0 : (1,) array
    """

    C: np.ndarray
    b: np.ndarray
    w: np.ndarray
    w0: np.ndarray


def padded_rows(values: np.ndarray) -> np.ndarray:
    """A contiguous float64 copy with zeros appended to its last axis up to a multiple of eight.

    Examples
    --------
    >>> padded_rows(np.ones((2, 3))).shape
    (2, 8)
    """
    values = np.asarray(values, dtype=float)
    result = np.zeros((*values.shape[:-1], -(-values.shape[-1] // LANES) * LANES))
    result[..., : values.shape[-1]] = values
    return result
