"""Which updates are looked at and which checkpoints are kept: spaced like the logarithm, denser around loss drops."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

import numpy as np

from dynaghost.errors import DynaghostError

Weights = dict[str, np.ndarray]
Copy = tuple[int, Weights]

_RATIO = 1.05
"""Of neighbouring steps of the logarithmic schedule: 47 checkpoints for each factor of ten."""
_REMEMBERED = 32
"""Copies held back, to be kept if the loss falls right after them."""
_FALL = math.log(1.25)
"""Fall of the loss's logarithm over the remembered copies that counts as falling."""
_MEDIAN = 25
"""Losses in the median that is compared: noise of 10 % a loss then looks like no fall."""


class Schedule:
    """Decides from the losses alone, as they come.

    A checkpoint is kept at 0, at every step from which the last one is 5 % and a tenth of `every` away, and, while the
    loss falls, at every multiple of `every`; those of the 32 multiples before the fall are then kept too, so that they
    enclose it.

    Parameters
    ----------
    every : int
        Updates between two looks.
    most : int
        Dense checkpoints kept in all; the logarithmic ones are kept whatever happens.
    first : int
        The step that training begins at.

    Attributes
    ----------
    not_kept : int
        Dense checkpoints beyond `most`.

    Raises
    ------
    DynaghostError
        If a number is not a whole one, or out of its range.

    Examples
    --------
    >>> schedule, kept = Schedule(every=50, most=100), []
    >>> for step in range(1000):
    ...     if schedule.due(step):
    ...         kept += [copy[0] for copy in schedule.keep(step, {}, [1.0])]
    >>> len(kept), kept[-4:]
    (66, [831, 873, 917, 963])
    """

    def __init__(self, every: int, most: int, first: int = 0) -> None:
        for name, value, least in (("every", every, 1), ("most", most, 0), ("first_step", first, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise DynaghostError(f"{name}: expected a whole number of at least {least}, got {value!r}")
        self.every, self.most, self.not_kept = every, most, 0
        self._next, self._looked, self._dense = first, first // every - 1, 0
        self._held: deque[Copy] = deque(maxlen=_REMEMBERED)
        self._levels: deque[float] = deque(maxlen=_REMEMBERED)
        self._recent: deque[float] = deque(maxlen=_MEDIAN)

    def due(self, step: int) -> bool:
        """Whether weights are to be copied at this step."""
        return step >= self._next or self.analyzed(step)

    def analyzed(self, step: int) -> bool:
        """Whether they are analyzed, too: at the first step at or after each multiple of `every`."""
        return step // self.every > self._looked

    def keep(self, step: int, weights: Weights, losses: Sequence[float]) -> list[Copy]:
        """The checkpoints to be written now, of this step or held back.

        Parameters
        ----------
        step : int
        weights : dict of str to ndarray
            A copy that nobody changes.
        losses : sequence of float
            Those since the last call.
        """
        self._recent.extend(loss for loss in losses if loss > 0 and math.isfinite(loss))
        dense = self._chosen_for_fall(step, weights) if self.analyzed(step) else []
        self._looked = step // self.every
        if step < self._next:
            return dense
        self._next = max(step + max(1, self.every // 10), math.ceil(step * _RATIO))
        # One that is written now is not held back to be written again.
        self._held = deque((copy for copy in self._held if copy[0] != step), maxlen=_REMEMBERED)
        return dense if any(copy[0] == step for copy in dense) else [*dense, (step, weights)]

    def _chosen_for_fall(self, step: int, weights: Weights) -> list[Copy]:
        self._held.append((step, weights))
        if not self._recent:
            return []
        level = math.log(median(self._recent))
        self._levels.append(level)
        if max(self._levels) - level < _FALL:
            return []
        chosen, self._held = list(self._held), deque(maxlen=_REMEMBERED)
        room = max(self.most - self._dense, 0)
        self._dense += min(len(chosen), room)
        self.not_kept += max(len(chosen) - room, 0)
        # The latest: those of the fall itself.
        return chosen[len(chosen) - min(len(chosen), room) :]
