"""Networks of the delayed-activation task whose readout is trained, ô = σ(w_out·x + b_out): of rank K, and full."""

import math
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.arrays import FullRankArrays, LowRankArrays, padded_rows
from dynaghost.training.checks import check_shapes, check_units
from dynaghost.training.draws import Draws
from dynaghost.training.named import NamedWeights


@dataclass(frozen=True, slots=True)
class LowRankNetwork(NamedWeights):
    """x ← (1 − Δ)x + Δ·tanh(m n x + b), ô = σ(w_out·x + b_out) (paper, eqs. 18 and 19, with its σ of figure S2).

    Attributes
    ----------
    m : (units, K) array
    n : (K, units) array
    b, w_out : (units,) arrays
    b_out : (1,) array

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> initial_low_rank(rank=2, units=10, seed=0).rank
    2
    """

    m: np.ndarray
    n: np.ndarray
    b: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray

    def __post_init__(self) -> None:
        units, rank = check_units(self.b, "b"), np.shape(self.m)[-1]
        shapes = {"m": (units, rank), "n": (rank, units), "b": (units,), "w_out": (units,), "b_out": (1,)}
        check_shapes(self.weights, shapes)

    @property
    def rank(self) -> int:
        """K."""
        return self.m.shape[1]

    def arrays(self) -> LowRankArrays:
        """A copy for the compiled trainer: the readout is one more projection of the state."""
        return LowRankArrays(
            P=padded_rows(np.vstack([self.n, self.w_out])),
            A=padded_rows(self.m.T),
            b=padded_rows(self.b),
            w=np.array([0.0] * self.rank + [1.0]),
            w0=np.array(self.b_out, dtype=float),
            latent=self.rank,
            trains_w=False,
        )

    def trained(self, arrays: LowRankArrays) -> "LowRankNetwork":
        """The network of this shape that trained arrays hold."""
        units, rank = self.units, self.rank
        P, A = arrays.P[:, :units].copy(), arrays.A[:, :units].T.copy()
        return LowRankNetwork(m=A, n=P[:rank], b=arrays.b[:units].copy(), w_out=P[rank], b_out=arrays.w0.copy())


@dataclass(frozen=True, slots=True)
class FullRankNetwork(NamedWeights):
    """x ← (1 − Δ)x + Δ·tanh(W x + b), ô = σ(w_out·x + b_out).

    Attributes
    ----------
    W : (units, units) array
        Acts on columns, W x.
    b, w_out : (units,) arrays
    b_out : (1,) array

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> initial_full_rank(units=10, seed=0).W.shape
    (10, 10)
    """

    W: np.ndarray
    b: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray

    def __post_init__(self) -> None:
        units = check_units(self.b, "b")
        check_shapes(self.weights, {"W": (units, units), "b": (units,), "w_out": (units,), "b_out": (1,)})

    @property
    def rank(self) -> int:
        """No bound on it: the number of units."""
        return self.units

    def arrays(self) -> FullRankArrays:
        """A copy for the compiled trainer."""
        C, b, w = (padded_rows(values) for values in (self.W.T, self.b, self.w_out))
        return FullRankArrays(C=C, b=b, w=w, w0=np.array(self.b_out, dtype=float))

    def trained(self, arrays: FullRankArrays) -> "FullRankNetwork":
        """The network of this shape that trained arrays hold."""
        W, b, w = arrays.C[:, : self.units].T, arrays.b[: self.units], arrays.w[: self.units]
        return FullRankNetwork(W=W.copy(), b=b.copy(), w_out=w.copy(), b_out=arrays.w0.copy())


def initial_low_rank(*, rank: int, units: int = 100, seed: int) -> LowRankNetwork:
    """Weights before training: m, n, w_out, b_out ~ N(0, 1)/√units and b = 0.

    Parameters
    ----------
    rank : int
        K, at least 1; the number of units gives the paper's full rank, W = M N.
    units : int
    seed : int
        Non-negative, for `torch.manual_seed`.

    Returns
    -------
    LowRankNetwork
        m (units, K), n (K, units), w_out (units) and b_out (1) are drawn by `torch.randn` in this order, in float32 and
        divided by √units there, then float64. The paper states the distribution; the order is ours.

    Raises
    ------
    DynaghostError
        If `rank`, `units` or `seed` is out of range.

    Examples
    --------
    >>> network = initial_low_rank(rank=5, seed=1)
    >>> network.m.shape, network.n.shape, network.b_out.shape
    ((100, 5), (5, 100), (1,))
    """
    if rank < 1:
        raise DynaghostError(f"rank must be at least 1, got {rank}")
    m, n, w_out, b_out = _normal([(units, rank), (rank, units), (units,), (1,)], units, seed)
    return LowRankNetwork(m=m, n=n, b=np.zeros(units), w_out=w_out, b_out=b_out)


def initial_full_rank(*, units: int = 100, seed: int) -> FullRankNetwork:
    """Weights before training: W, w_out, b_out ~ N(0, 1)/√units and b = 0.

    Parameters
    ----------
    units : int
    seed : int
        Non-negative, for `torch.manual_seed`.

    Returns
    -------
    FullRankNetwork
        W (units, units), w_out (units) and b_out (1) are drawn in this order, as in `initial_low_rank`.

    Raises
    ------
    DynaghostError
        If `units` or `seed` is out of range.

    Examples
    --------
    >>> 0.5 < abs(np.linalg.eigvals(initial_full_rank(seed=1).W)).max() < 1.5
    np.True_
    """
    W, w_out, b_out = _normal([(units, units), (units,), (1,)], units, seed)
    return FullRankNetwork(W=W, b=np.zeros(units), w_out=w_out, b_out=b_out)


def _normal(shapes: list[tuple[int, ...]], units: int, seed: int) -> list[np.ndarray]:
    if units < 1:
        raise DynaghostError(f"units must be at least 1, got {units}")
    draws = Draws(seed)
    return [draws.normal(shape, divided_by=math.sqrt(units)) for shape in shapes]
