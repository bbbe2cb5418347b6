"""Trials that are iterated until they are at rest, gone to infinity, or turn for ever: a stretch at a time."""

from collections.abc import Iterator

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.systems.iteration import walker

LONGEST = 20_000
"""Iterations after which trials that are not at rest are given up."""

GONE = 1e100
"""Where a trial of an unbounded network has gone to infinity."""

# Relative to 1 + |x|: a trial is at rest where an iteration moves it by less.
_REST = 1e-13
_FIRST, _MOST = 64, 256  # iterations of a stretch
# A trial turns for ever if the ranges of all its variables are the same again, to this share of the widest. A spiral
# that shrinks by less would not be at rest after `LONGEST` iterations.
_WATCHED, _SAME = 2048, 1e-4


class Walk:
    """Stretches (trials, steps, dim) of trials from given states, the last of which ends where all are at rest.

    Parameters
    ----------
    system : System
    states : ndarray (trials, dim)
    longest : int
        Most iterations.

    Attributes
    ----------
    rested : bool
        Whether all trials are at rest, once the stretches are over. They are also over where all trials are at rest,
        gone to infinity, or turn for ever; and after `longest` iterations.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> walk = Walk(LeakyRNN([[2.0]], [0.0], leak=0.5), np.array([[0.1]]))
    >>> float(list(walk)[-1][0, -1, 0].round(3)), walk.rested
    (0.958, True)
    >>> turning = Walk(LeakyRNN([[0.5, -2.0], [2.0, 0.5]], [0.0, 0.0], leak=0.5), np.array([[0.1, 0.0]]))
    >>> sum(stretch.shape[1] for stretch in turning) < LONGEST, turning.rested
    (True, False)
    """

    def __init__(self, system: System, states: Array, longest: int = LONGEST) -> None:
        self.states, self.longest, self.rested = np.asarray(states, dtype=float), longest, False
        self._walk = walker(system, len(states))
        self._turning = _Turning(len(states))

    def __iter__(self) -> Iterator[Array]:
        x, done, size = self.states, 0, _FIRST
        over = ~(np.abs(x).max(axis=1) <= GONE)
        while done < self.longest and not over.all():
            stretch = self._walk(x, min(size, self.longest - done))
            with np.errstate(over="ignore", invalid="ignore"):
                moved, length = _moved(x, stretch), np.abs(stretch).max(axis=2)
                # Written so that a trial that is no number any more is at rest: nothing follows.
                still = ~(moved > _REST * (1 + length))
                gone = still | ~(length <= GONE)
            ends = np.flatnonzero(gone.all(axis=0))
            stretch = stretch if not len(ends) else stretch[:, : ends[0] + 1]
            done += stretch.shape[1]
            self.rested = bool(len(ends)) and bool(still[:, ends[0]].all())
            over = gone[:, stretch.shape[1] - 1] | self._turning.seen(stretch, done)
            yield stretch
            x, size = stretch[:, -1], min(2 * size, _MOST)


def _moved(x: Array, stretch: Array) -> Array:
    """The largest change of a variable in each iteration, (trials, steps)."""
    before = np.concatenate([x[:, None], stretch[:, :-1]], axis=1)
    return np.asarray(np.abs(stretch - before).max(axis=2))


class _Turning:
    """Which trials turn for ever: what they visited in the latest 2ᵏ iterations is compared with the time before."""

    def __init__(self, trials: int) -> None:
        self.turning = np.zeros(trials, dtype=bool)
        self.box: tuple[Array, Array] | None = None
        self.before: tuple[Array, Array] | None = None
        self.until = _FIRST

    def seen(self, stretch: Array, done: int) -> Array:
        low, high = stretch.min(axis=1), stretch.max(axis=1)
        if self.box is not None:
            low, high = np.minimum(low, self.box[0]), np.maximum(high, self.box[1])
        self.box = (low, high)
        if done >= self.until:
            if self.before is not None and done >= _WATCHED:
                self._compare(self.before, self.box)
            self.before, self.box = self.box, None
            self.until *= 2
        return self.turning

    def _compare(self, before: tuple[Array, Array], box: tuple[Array, Array]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            width = (box[1] - box[0]).max(axis=1)
            change = np.maximum(np.abs(box[0] - before[0]), np.abs(box[1] - before[1])).max(axis=1)
            self.turning |= change <= _SAME * width
