"""Which updates are looked at and which are kept as checkpoints: spaced by logarithm, denser around loss drops."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from time import monotonic

import numpy as np

from dynaghost.errors import DynaghostError

EVERY = 50
"""Updates between two looks, where nobody says."""
SHARE = 0.01
"""Of the time of the training, what the analyses may take where nobody says how often they come."""

Weights = dict[str, np.ndarray]
Copy = tuple[int, Weights]

_RATIO = 1.05
"""Of neighbouring steps of the logarithmic schedule: 47 checkpoints for each factor of ten, at most."""
_REMEMBERED = 32
"""Copies held back, to be kept if the loss falls right after them."""
_FALL = math.log(1.25)
"""Fall of the loss's logarithm over the remembered copies that counts as falling."""
_MEDIAN = 25
"""Losses in the median that is compared: noise of 10 % a loss then looks like no fall."""


class Schedule:
    """Decides from the losses alone, as they come.

    Weights are looked at from every multiple of `every` on. The first look is kept, each look from which the last kept
    one is 5 % away (at first that is every look), and while the loss falls every look; the 32 looks before the fall are
    then kept too, so that they enclose it.

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
    >>> for step in range(3000):
    ...     if schedule.due(step):
    ...         kept += [copy[0] for copy in schedule.keep(step, {}, [1.0])]
    >>> len(kept), kept[-4:]
    (38, [2500, 2650, 2800, 2950])
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
        """Whether weights are to be looked at: at the first step at or after each multiple of `every`."""
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
        self._looked = step // self.every
        spaced = step >= self._next
        if spaced:
            self._next = math.ceil(step * _RATIO)
        else:
            self._held.append((step, weights))
        dense = self._held_back() if self._falls() else []
        return [*dense, (step, weights)] if spaced else dense

    def _falls(self) -> bool:
        """Whether the loss is now well below what it was at some look that is remembered."""
        if not self._recent:
            return False
        self._levels.append(math.log(median(self._recent)))
        return max(self._levels) - self._levels[-1] >= _FALL

    def _held_back(self) -> list[Copy]:
        """The copies that are held back, as far as there is room: the latest, those of the fall itself."""
        held, self._held = list(self._held), deque(maxlen=_REMEMBERED)
        room = min(len(held), self.most - self._dense)
        self._dense += room
        self.not_kept += len(held) - room
        return held[len(held) - room :]


class Allowance:
    """Lets an analysis begin only where all of them, the next included, take a share of the training's time.

    The first is not counted: most of it is loading and compiling. The next is taken to last as long as the last one.

    Parameters
    ----------
    share : float
        Of the time since the beginning; ∞ lets every analysis begin.
    now : callable, optional
        The clock, in seconds.

    Examples
    --------
    >>> time = iter([0.0, 1.0, 2.0, 3.0]).__next__
    >>> allowance = Allowance(0.01, time)
    >>> allowance.begun(), allowance.took(0.5), allowance.begun(), allowance.took(0.02), allowance.begun()
    (True, None, True, None, False)
    """

    def __init__(self, share: float, now: Callable[[], float] = monotonic) -> None:
        self._share, self._now, self._since = share, now, now()
        self._spent, self._last, self._running, self._first = 0.0, 0.0, 0, True

    def begun(self) -> bool:
        """Whether an analysis may begin now; it has begun then."""
        if self._share < math.inf:
            used = self._spent + self._last
            if self._running or (used and used > self._share * (self._now() - self._since)):
                return False
        self._running += 1
        return True

    def took(self, seconds: float | None) -> None:
        """An analysis that began is over; None where nobody knows how long it took."""
        self._running -= 1
        if seconds is None:
            return
        if not self._first:
            self._spent, self._last = self._spent + seconds, seconds
        self._first = False
