"""Random weights as torch draws them: in float32, from a generator of their own, then in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.checks import check_seed


class Draws:
    """What `torch.manual_seed(seed)` would draw, the caller's global state left alone.

    Parameters
    ----------
    seed : int
        Not negative, below 2⁶³.

    Raises
    ------
    DynaghostError
        If the seed is out of range.

    Examples
    --------
    >>> Draws(40).normal((3,), divided_by=1.0).shape
    (3,)
    """

    def __init__(self, seed: int) -> None:
        check_seed(seed)
        import torch  # 1.6 s: only who trains pays for it

        self._torch: Any = torch
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, shape: tuple[int, ...], *, divided_by: float) -> np.ndarray:
        """N(0, 1)/divided_by, divided in float32."""
        return self._double(shape, lambda: self._torch.randn(shape, generator=self._generator) / divided_by)

    def uniform(self, shape: tuple[int, ...], bound: float) -> np.ndarray:
        """Uniform between ±bound."""
        return self._double(shape, lambda: self._torch.empty(shape).uniform_(-bound, bound, generator=self._generator))

    def _double(self, shape: tuple[int, ...], draw: Callable[[], Any]) -> np.ndarray:
        try:
            return draw().double().numpy()
        except RuntimeError as error:
            # How torch says that memory is not enough, or that a size is none.
            raise DynaghostError(f"units and rank: expected weights that fit into memory, got shape {shape}") from error
