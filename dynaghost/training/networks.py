"""Rank-one networks as the trainers see them: three vectors and where they start."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.draws import Draws

AnyNetwork = TypeVar("AnyNetwork")


@dataclass(frozen=True, slots=True)
class RankOneNetwork:
    """x ← (1 − Δ)x + Δ·tanh(m·κ + b), κ = n·x.

    Attributes
    ----------
    m, n, b : (units,) float64 arrays
    confidence : float, optional
        c of the output σ(c(κ − κ*)) where it is trained like a weight; None where the task's is fixed.

    Raises
    ------
    DynaghostError
        If the three are not finite vectors of one length, or c is not finite.

    Examples
    --------
    >>> RankOneNetwork(m=np.ones(3), n=np.ones(3), b=np.zeros(3)).units
    3
    """

    m: np.ndarray
    n: np.ndarray
    b: np.ndarray
    confidence: float | None = None

    def __post_init__(self) -> None:
        shapes = [np.shape(values) for values in (self.m, self.n, self.b)]
        if len(set(shapes)) != 1 or len(shapes[0]) != 1 or shapes[0][0] < 1:
            raise DynaghostError(f"m, n and b must be vectors of one length, at least 1, got shapes {shapes}")
        if not all(np.isfinite(values).all() for values in (self.m, self.n, self.b)):
            raise DynaghostError("m, n and b must be finite, got infinite or NaN entries")
        if self.confidence is not None and not math.isfinite(self.confidence):
            raise DynaghostError(f"confidence must be finite, got {self.confidence}")

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """By the names in files."""
        trained = {} if self.confidence is None else {"confidence": np.array([self.confidence])}
        return {"m": self.m, "n": self.n, "b": self.b, **trained}

    @property
    def units(self) -> int:
        """Number of neurons."""
        return self.m.size


def round_anew(network: AnyNetwork, seed: int) -> AnyNetwork:
    """The same network as another rounding could have left it: each entry of m moved by −1, 0 or +1 times 2⁻⁵²·|m|.

    At high learning rates training is chaotic, and the end of a run is decided by the rounding of its first updates.
    Repeating a run with several seeds shows which outcomes are the network's and which the arithmetic's.

    Parameters
    ----------
    network : RankOneNetwork or other
        Of other networks the first array is moved: m, W, S_l or W_rec.
    seed : int
        Non-negative, for `numpy.random.default_rng`.

    Returns
    -------
    Network

    Raises
    ------
    DynaghostError
        If `seed` is negative.

    Examples
    --------
    >>> network = RankOneNetwork(m=np.ones(3), n=np.ones(3), b=np.zeros(3))
    >>> ((round_anew(network, 1).m - 1) * 2.0**52).tolist()
    [0.0, 0.0, 1.0]
    """
    if seed < 0:
        raise DynaghostError(f"rounding_seed must not be negative, got {seed}")
    first: Any = dataclasses.fields(cast(Any, network))[0].name
    values = getattr(network, first)
    steps = np.random.default_rng(seed).integers(-1, 2, values.shape)
    return dataclasses.replace(cast(Any, network), **{first: values * (1 + steps * 2.0**-52)})


def initial_rank_one(*, units: int = 100, seed: int) -> RankOneNetwork:
    """Weights before training, m, n ~ N(0, 1)/√units and b = 0, the same as the paper's scripts draw.

    Parameters
    ----------
    units : int
    seed : int
        Non-negative, for `torch.manual_seed`.

    Returns
    -------
    RankOneNetwork
        m is the first and n the second `torch.randn(units)`, in float32 and divided by √units there, then float64.
        Drawn in float64, the same seed would give other numbers.

    Raises
    ------
    DynaghostError
        If `units` or `seed` is out of range.

    Examples
    --------
    >>> initial_rank_one(units=100, seed=40).b.any()
    np.False_
    """
    if units < 1:
        raise DynaghostError(f"units must be at least 1, got {units}")
    draws = Draws(seed)
    m, n = (draws.normal((units,), divided_by=math.sqrt(units)) for _ in range(2))
    return RankOneNetwork(m=m, n=n, b=np.zeros(units))


def rank_one_of(weights: Mapping[str, np.ndarray]) -> RankOneNetwork:
    """The network of some weights by name."""
    c = weights.get("confidence")
    m, n, b = (weights[name] for name in ("m", "n", "b"))
    return RankOneNetwork(m=m, n=n, b=b, confidence=None if c is None else float(np.ravel(c)[0]))
