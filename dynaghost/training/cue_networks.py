"""Networks of the two-cue tasks, in the names and the row convention of the paper's scripts.

r ← (1−Δ)r + Δ·tanh(r W + W_in u + b), with W = S_l S_r of rank K and output tanh(w·(r S_l) + w₀), or with any W and
output tanh(w·r + w₀).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.arrays import FullRankArrays, LowRankArrays, padded_rows
from dynaghost.training.checks import check_shapes, check_units
from dynaghost.training.draws import Draws
from dynaghost.training.named import NamedWeights

_IN_FILES = {"W_in": "W_in.weight", "b": "W_in.bias", "w_out": "W_out.weight", "b_out": "W_out.bias"}


@dataclass(frozen=True, slots=True)
class CueLowRankNetwork(NamedWeights):
    """Rank K, read out from its projections r S_l.

    Attributes
    ----------
    S_l : (units, K) array
    S_r : (K, units) array
    W_in : (units, inputs) array
    b : (units,) array
        `W_in.bias` in files.
    w_out : (1, K) array
        `W_out.weight` in files.
    b_out : (1,) array
        `W_out.bias` in files.

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> list(initial_cue_low_rank(seed=0).weights)
    ['S_l', 'S_r', 'W_in.weight', 'W_in.bias', 'W_out.weight', 'W_out.bias']
    """

    IN_FILES: ClassVar[Mapping[str, str]] = _IN_FILES

    S_l: np.ndarray
    S_r: np.ndarray
    W_in: np.ndarray
    b: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray

    def __post_init__(self) -> None:
        units, rank = check_units(self.b, "W_in.bias"), np.shape(self.S_l)[-1]
        shapes = {"S_l": (units, rank), "S_r": (rank, units), "W_in.weight": (units, np.shape(self.W_in)[-1])}
        check_shapes(self.weights, {**shapes, "W_in.bias": (units,), "W_out.weight": (1, rank), "W_out.bias": (1,)})

    @property
    def rank(self) -> int:
        """K."""
        return self.S_l.shape[1]

    def arrays(self) -> LowRankArrays:
        """A copy for the compiled trainer."""
        return LowRankArrays(
            P=padded_rows(self.S_l.T),
            A=padded_rows(np.vstack([self.S_r, self.W_in.T])),
            b=padded_rows(self.b),
            w=np.array(self.w_out[0], dtype=float),
            w0=np.array(self.b_out, dtype=float),
            latent=self.rank,
            trains_w=True,
        )

    def trained(self, arrays: LowRankArrays) -> "CueLowRankNetwork":
        """The network of this shape that trained arrays hold."""
        units, rank, A = self.units, self.rank, arrays.A[:, : self.units]
        return CueLowRankNetwork(
            S_l=arrays.P[:, :units].T.copy(),
            S_r=A[:rank].copy(),
            W_in=A[rank:].T.copy(),
            b=arrays.b[:units].copy(),
            w_out=arrays.w[None].copy(),
            b_out=arrays.w0.copy(),
        )


@dataclass(frozen=True, slots=True)
class CueFullRankNetwork(NamedWeights):
    """Any W, read out from all rates.

    Attributes
    ----------
    W_rec : (units, units) array
        Acts on rows, r W.
    W_in : (units, inputs) array
    b : (units,) array
        `W_in.bias` in files.
    w_out : (1, units) array
        `W_out.weight` in files.
    b_out : (1,) array
        `W_out.bias` in files.

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> list(initial_cue_full_rank(seed=0).weights)
    ['W_rec', 'W_in.weight', 'W_in.bias', 'W_out.weight', 'W_out.bias']
    """

    IN_FILES: ClassVar[Mapping[str, str]] = _IN_FILES

    W_rec: np.ndarray
    W_in: np.ndarray
    b: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray

    def __post_init__(self) -> None:
        units = check_units(self.b, "W_in.bias")
        shapes = {"W_rec": (units, units), "W_in.weight": (units, np.shape(self.W_in)[-1])}
        check_shapes(self.weights, {**shapes, "W_in.bias": (units,), "W_out.weight": (1, units), "W_out.bias": (1,)})

    @property
    def rank(self) -> int:
        """No bound on it: the number of units."""
        return self.units

    def arrays(self) -> FullRankArrays:
        """A copy for the compiled trainer; rows of W are what columns are in the other convention."""
        C, b, w = (padded_rows(v) for v in (np.vstack([self.W_rec, self.W_in.T]), self.b, self.w_out[0]))
        return FullRankArrays(C=C, b=b, w=w, w0=np.array(self.b_out, dtype=float))

    def trained(self, arrays: FullRankArrays) -> "CueFullRankNetwork":
        """The network of this shape that trained arrays hold."""
        units, C = self.units, arrays.C[:, : self.units]
        return CueFullRankNetwork(
            W_rec=C[:units].copy(),
            W_in=C[units:].T.copy(),
            b=arrays.b[:units].copy(),
            w_out=arrays.w[None, :units].copy(),
            b_out=arrays.w0.copy(),
        )


def initial_cue_low_rank(*, rank: int = 2, units: int = 100, inputs: int = 1, seed: int) -> CueLowRankNetwork:
    """Weights before training: S_l ~ N(0, 1/units), S_r ~ N(0, 1); W_in and W_out as `torch.nn.Linear` begins.

    Parameters
    ----------
    rank, units, inputs : int
    seed : int
        Non-negative, for `torch.manual_seed`.

    Returns
    -------
    CueLowRankNetwork
        S_l, S_r, W_in.weight, W_in.bias, W_out.weight and W_out.bias are drawn in this order in float32, then float64.
        The paper states S_l and S_r; the rest is uniform in ±1/√(fan in), torch's default, and the order is ours.

    Raises
    ------
    DynaghostError
        If an argument is out of range.

    Examples
    --------
    >>> initial_cue_low_rank(seed=1).S_r.shape
    (2, 100)
    """
    _check(rank=rank, units=units, inputs=inputs)
    draws = Draws(seed)
    left = draws.normal((units, rank), divided_by=math.sqrt(units))
    right = draws.normal((rank, units), divided_by=1.0)
    W_in, b, w_out, b_out = _linear(draws, inputs, units) + _linear(draws, rank, 1)
    return CueLowRankNetwork(S_l=left, S_r=right, W_in=W_in, b=b, w_out=w_out, b_out=b_out)


def initial_cue_full_rank(*, units: int = 100, inputs: int = 1, seed: int) -> CueFullRankNetwork:
    """Weights before training: W_rec ~ N(0, 1/units), W_in and W_out as `torch.nn.Linear` begins.

    Parameters
    ----------
    units, inputs : int
    seed : int
        Non-negative, for `torch.manual_seed`.

    Returns
    -------
    CueFullRankNetwork
        W_rec, W_in.weight, W_in.bias, W_out.weight and W_out.bias are drawn in this order, as in
        `initial_cue_low_rank`; the paper does not state the distribution of W_rec.

    Raises
    ------
    DynaghostError
        If an argument is out of range.

    Examples
    --------
    >>> initial_cue_full_rank(seed=1).W_rec.shape
    (100, 100)
    """
    _check(units=units, inputs=inputs)
    draws = Draws(seed)
    W_rec = draws.normal((units, units), divided_by=math.sqrt(units))
    W_in, b, w_out, b_out = _linear(draws, inputs, units) + _linear(draws, units, 1)
    return CueFullRankNetwork(W_rec=W_rec, W_in=W_in, b=b, w_out=w_out, b_out=b_out)


def _check(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise DynaghostError(f"{name} must be at least 1, got {size}")


def _linear(draws: Draws, fan_in: int, fan_out: int) -> list[np.ndarray]:
    """Weight and bias of a torch.nn.Linear before training."""
    return [draws.uniform(shape, 1 / math.sqrt(fan_in)) for shape in ((fan_out, fan_in), (fan_out,))]
