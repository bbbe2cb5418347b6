"""Randomness of trials: in the initial state, and in every step."""

import math
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError

# Updates whose random numbers are drawn together: the numbers of an update depend on nothing but its own number.
BLOCK = 16


@dataclass(frozen=True, slots=True)
class Noise:
    """Independent normal numbers, added to the state of every unit.

    Attributes
    ----------
    seed : int
        Of the `numpy.random.Philox` generators, one for each sixteen updates, so that a run that is cut and resumed, or
        shared between workers, draws the same.
    initial : float
        Standard deviation in the initial state.
    process : float
        Standard deviation added after every step, x' = (1−Δ)x + Δ·tanh(…) + process·ξ.
    fresh : bool
        Drawn anew for every update; else the same in all.

    Raises
    ------
    DynaghostError
        If a value is negative or infinite.

    Examples
    --------
    >>> noise = Noise(seed=1, initial=0.1)
    >>> noise.drawn(first=0, updates=2, trials=1, steps=40, units=100).shape
    (2, 1, 1, 100)
    >>> Noise(seed=1, process=0.1, fresh=False).drawn(first=7, updates=2, trials=1, steps=40, units=100).shape
    (1, 1, 41, 100)
    """

    seed: int
    initial: float = 0.0
    process: float = 0.0
    fresh: bool = True

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise DynaghostError(f"noise: seed must not be negative, got {self.seed}")
        for name in ("initial", "process"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise DynaghostError(f"noise: {name} must be finite and not negative, got {value}")

    def drawn(self, *, first: int, updates: int, trials: int, steps: int, units: int) -> np.ndarray:
        """What is added to the states: row 0 to the initial one, row t + 1 after step t.

        Parameters
        ----------
        first : int
            Updates done before.
        updates, trials, steps, units : int

        Returns
        -------
        (updates or 1, trials, 1 or steps + 1, units) array
            One row where there is no process noise; one update where the noise is not fresh.
        """
        shape = (trials, 1 + (steps if self.process else 0), units)
        if not self.fresh:
            return self._block(0, shape)[:1]
        blocks = range(first // BLOCK, -(-(first + updates) // BLOCK))
        start = first - blocks.start * BLOCK
        return np.concatenate([self._block(i, shape) for i in blocks] or [np.empty((0, *shape))])[start:][:updates]

    def _block(self, index: int, shape: tuple[int, int, int]) -> np.ndarray:
        values = standard_normal(self.seed, index, (BLOCK, *shape))
        with np.errstate(over="ignore"):  # what becomes infinite is told by who trains with it
            values[:, :, 0] *= self.initial
            values[:, :, 1:] *= self.process
        return values


def standard_normal(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Block number `index` of the standard normal numbers of a seed.

    Examples
    --------
    >>> bool((standard_normal(1, 2, (3,)) == standard_normal(1, 2, (4,))[:3]).all())
    True
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index]))).standard_normal(shape)
