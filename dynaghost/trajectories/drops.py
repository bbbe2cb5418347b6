"""A loss curve's abrupt drops, the plateaus before them, and the stretch in which it learns no more.

Everything is read from the metrics alone; which events of the network explain a drop is decided elsewhere.
"""

from dataclasses import asdict, dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynaghost.errors import DynaghostError

Array = NDArray[np.float64]

# Ties (a fall of exactly one half, a window of exactly a tenth) are not left to the rounding of a logarithm.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class LossDrop:
    """An abrupt fall of the loss.

    Attributes
    ----------
    before, after : int or float
        Steps of the loss curve between which the fall happens.
    loss_before, loss_after : float
        exp(y) there, y being the logarithm of the smoothed loss's running minimum: not raw samples.
    """

    before: float
    after: float
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True)
class DropRule:
    """What counts as a drop; see `loss_drops` for what each number does.

    Attributes
    ----------
    median : int
        Metrics in the centred median, odd.
    factor : float
        The least fall of the loss's logarithm: ln 2 is a loss halved.
    longest : float
        The longest window, as a share of the run in steps.
    contrast : float
        The fall in a window is at least this many times the fall just before it.
    trim : float
        Share of the fall left out at either end, in [0, 0.5).

    Raises
    ------
    DynaghostError
        If a number is out of its range.

    Examples
    --------
    >>> steps, loss = range(40), [1.0] * 20 + [0.6] * 20
    >>> len(DropRule().drops(steps, loss)), len(DropRule(factor=0.5).drops(steps, loss))
    (0, 1)
    """

    median: int = 5
    factor: float = log(2)
    longest: float = 0.1
    contrast: float = 3.0
    trim: float = 0.02

    def __post_init__(self) -> None:
        _check_options(self.median, self.factor, self.longest, self.contrast, self.trim)

    def drops(self, steps: ArrayLike, loss: ArrayLike) -> tuple[LossDrop, ...]:
        """`loss_drops` by this rule."""
        return loss_drops(steps, loss, **asdict(self))


@dataclass(frozen=True, slots=True)
class Plateau:
    """The stretch before a drop, in which the loss falls more slowly than in it.

    Attributes
    ----------
    before, after : int or float
        Steps of the loss curve: its first, or the end of the drop before, and the start of the drop.
    """

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Stagnation:
    """The stretch to the end of the run in which the gradient is gone: half of what makes a no-learning zone.

    Attributes
    ----------
    before, after : int or float
        Steps of its first and last metric; the last is the end of the run.
    metrics : int
        How many metrics show it.
    loss : float
        The last of them.
    grad_norm : float or None
        The largest gradient norm of the stretch; None where only the loss was there to judge by.
    """

    before: float
    after: float
    metrics: int
    loss: float
    grad_norm: float | None


def loss_drops(
    steps: ArrayLike,
    loss: ArrayLike,
    *,
    median: int = 5,
    factor: float = log(2),
    longest: float = 0.1,
    contrast: float = 3.0,
    trim: float = 0.02,
) -> tuple[LossDrop, ...]:
    """The abrupt drops of a loss curve, in order.

    From each metric the shortest window is taken over which y, the logarithm of the running minimum of the loss's
    centred median, falls by `factor`. It counts if it is short and much steeper than the stretch of equal length just
    before it, where y is interpolated linearly. Windows that share more than an endpoint are one drop.

    Parameters
    ----------
    steps : array_like (metrics,)
        Increasing; any spacing.
    loss : array_like (metrics,)
        Non-negative. NaN and infinity stand for a diverged loss: above every other, so they never lower the running
        minimum, and the curve begins at its first finite value. 0 stands for the smaller of the least positive value
        and 2.2e-16 of the first, since a logarithm needs some floor.
    median : int, optional
        Metrics in the centred median, odd. It shortens to 3 at the second metric and the last but one; the first and
        the last are the larger of themselves and that neighbour's median, so a single low value there is no drop.
    factor : float, optional
        The least fall of y, positive: ln 2 is a loss halved.
    longest : float, optional
        The longest window, as a share of the run in steps; one interval between metrics is always short enough.
    contrast : float, optional
        The fall in a window is at least this many times the fall just before it.
    trim : float, optional
        A drop begins at the last metric with at most this share of its fall done, and ends at the first with at most
        this share of it left; in [0, 0.5).

    Returns
    -------
    tuple of LossDrop
        Empty where the loss falls smoothly or not at all, noise of up to 20 % a metric included, and for fewer than
        three metrics: a window that starts less than its own length after the first loss has nothing to be compared
        with. Where a fall goes on at the pace it has reached, the drop ends: a sigmoid's at 0.37 of its height. An
        oscillation is none while its lows are above half of its highs; beyond that it may count once, at its beginning.

    Raises
    ------
    DynaghostError
        If the arrays do not match, steps do not increase, a loss is negative or an option is out of its range.

    Examples
    --------
    >>> loss_drops(range(40), [1.0] * 20 + [0.1] * 20)
    (LossDrop(before=19, after=20, loss_before=1.0, loss_after=0.1),)
    >>> loss_drops(range(40), np.exp(-np.arange(40.0)))
    ()
    """
    _check_options(median, factor, longest, contrast, trim)
    labels, values = loss_curve(steps, loss)
    if np.any(values < 0):
        raise DynaghostError(f"loss: expected no negative value (its logarithm is needed), got {values.min()}")
    lowest = np.minimum.accumulate(_running_median(np.where(np.isnan(values), np.inf, values), median))
    begin = int(np.searchsorted(-lowest, -np.inf, side="right"))
    if begin == lowest.size or lowest[begin] == 0:
        return ()
    x, level = labels[begin:].astype(float), _floored(lowest[begin:])
    y = np.log(level)
    windows = _steep_windows(x, y, factor, longest * (float(labels[-1]) - float(labels[0])), contrast)
    trimmed = [_trimmed(y, start, end, trim) for start, end in _merged(*windows)]
    return tuple(
        LossDrop(labels[begin + i].item(), labels[begin + j].item(), float(level[i]), float(level[j]))
        for i, j in trimmed
    )


def plateaus(steps: ArrayLike, drops: tuple[LossDrop, ...]) -> tuple[Plateau, ...]:
    """The stretch before each drop: from the first step, or from the end of the drop before it.

    Parameters
    ----------
    steps : array_like (metrics,)
        Of the loss curve.
    drops : tuple of LossDrop
        Its drops, in order.

    Returns
    -------
    tuple of Plateau
        One a drop. What follows the last drop is not one: the loss may fall there, if gently.

    Examples
    --------
    >>> steps = range(40)
    >>> plateaus(steps, loss_drops(steps, [1.0] * 20 + [0.1] * 20))
    (Plateau(before=0, after=19),)
    """
    if not drops:
        return ()
    starts = [np.asarray(steps)[0].item(), *(drop.after for drop in drops)]
    return tuple(Plateau(start, drop.before) for start, drop in zip(starts, drops, strict=False))


def stagnation(
    steps: ArrayLike,
    loss: ArrayLike,
    grad_norm: ArrayLike | None = None,
    *,
    gradient: float = 1e-10,
    constancy: float = 1e-6,
    shortest: int = 20,
) -> Stagnation | None:
    """The stretch to the end of the run in which the gradient is gone, if there is one.

    This is one half of a no-learning zone; the other is that the trials are captured, which metrics cannot show.

    Parameters
    ----------
    steps, loss : array_like (metrics,)
        Steps increase. A NaN or infinite loss has diverged, which is another way to end: no stretch reaches over it.
    grad_norm : array_like (metrics,), optional
        NaN where it was not recorded; those metrics are passed over. With none recorded the loss decides.
    gradient : float, optional
        The gradient norm is below this at every recorded metric of the stretch.
    constancy : float, optional
        Without gradients: the loss varies over the stretch by at most this share of its last value.
    shortest : int, optional
        The least number of metrics in the stretch, at least 1.

    Returns
    -------
    Stagnation or None
        The longest such stretch; None if it is shorter than `shortest`.

    Raises
    ------
    DynaghostError
        If the arrays do not match, steps do not increase, a gradient norm is negative or `shortest` is below 1.

    Examples
    --------
    >>> stagnation(range(60), [0.5] * 60, [1.0] * 30 + [1e-18] * 30)
    Stagnation(before=30, after=59, metrics=30, loss=0.5, grad_norm=1e-18)
    >>> stagnation(range(60), [1 / (1 + t) for t in range(60)]) is None
    True
    """
    if shortest < 1:
        raise DynaghostError(f"shortest: expected at least 1, got {shortest}")
    labels, values = loss_curve(steps, loss)
    norms = _gradient_norms(grad_norm, values)
    recorded = np.arange(values.size) if norms is None else np.flatnonzero(~(np.isnan(norms) & np.isfinite(values)))
    alive = _varies(values, constancy) if norms is None else ~((norms < gradient) & np.isfinite(values))[recorded]
    silent = recorded[np.flatnonzero(alive)[-1] + 1 :] if alive.any() else recorded
    if silent.size < shortest:
        return None
    largest = None if norms is None else float(norms[silent].max())
    before, after = labels[silent[0]].item(), labels[-1].item()
    return Stagnation(before, after, silent.size, float(values[-1]), largest)


def _check_options(median: int, factor: float, longest: float, contrast: float, trim: float) -> None:
    if not isinstance(median, int | np.integer) or median < 1 or median % 2 == 0:
        raise DynaghostError(f"median: expected an odd number of metrics, got {median!r}")
    for name, value in (("factor", factor), ("longest", longest), ("contrast", contrast), ("trim", trim)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise DynaghostError(f"{name}: expected a number, got {value!r}")
    if not 0 < factor < np.inf:
        raise DynaghostError(f"factor: expected a positive fall of the logarithm, got {factor}")
    if not (longest >= 0 and contrast >= 0):
        raise DynaghostError(f"longest, contrast: expected no negative number, got {longest} and {contrast}")
    if not 0 <= trim < 0.5:
        raise DynaghostError(f"trim: expected a share in [0, 0.5), got {trim}")


def loss_curve(steps: ArrayLike, loss: ArrayLike) -> tuple[NDArray, Array]:
    """Steps and losses as arrays.

    Raises
    ------
    DynaghostError
        If they do not match or steps do not increase.
    """
    labels, values = np.asarray(steps), np.asarray(loss, dtype=float)
    if labels.ndim != 1 or labels.shape != values.shape:
        raise DynaghostError(f"steps, loss: expected two equally long rows, got {labels.shape} and {values.shape}")
    if not np.all(np.isfinite(labels)) or np.any(labels[1:] <= labels[:-1]):
        raise DynaghostError("steps: expected finite numbers that increase from each metric to the next")
    return labels, values


def _running_median(values: Array, width: int) -> Array:
    # Every median is of an odd number, so that a falling curve stays itself: a mean of two would bend a fast
    # exponential at its ends into a plateau and a drop.
    smooth, size, half = values.copy(), values.size, width // 2
    for k in range(1, min(half, (size - 1) // 2) + 1):
        smooth[k], smooth[size - 1 - k] = np.median(values[: 2 * k + 1]), np.median(values[size - 1 - 2 * k :])
    if size >= width:
        smooth[half : size - half] = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    if half and size > 2:
        smooth[[0, -1]] = np.maximum(values[[0, -1]], smooth[[1, -2]])
    return smooth


def _floored(lowest: Array) -> Array:
    floor = min(np.finfo(float).eps * lowest[0], lowest[lowest > 0][-1])
    return np.where(lowest > 0, lowest, floor)


def _steep_windows(x: Array, y: Array, factor: float, longest: float, contrast: float) -> tuple[NDArray, NDArray]:
    # y never rises, so the shortest window from each start is one bisection.
    start = np.arange(y.size)
    end = np.searchsorted(-y, factor * (1 - _TIE) - y)
    start, end = start[end < y.size], end[end < y.size]
    length, fall = x[end] - x[start], y[start] - y[end]
    fall_before = np.interp(x[start] - length, x, y) - y[start]
    short = (length <= longest * (1 + _TIE)) | (end == start + 1)
    preceded = x[start] - x[0] >= length * (1 - _TIE)
    counts = short & preceded & (fall >= contrast * fall_before * (1 - _TIE))
    return start[counts], end[counts]


def _merged(start: NDArray, end: NDArray) -> list[tuple[int, int]]:
    # Starts and ends both increase, so a window overlaps an earlier one exactly if it overlaps the one before it.
    apart = np.flatnonzero(start[1:] >= end[:-1])
    firsts, lasts = np.r_[0, apart + 1], np.r_[apart, start.size - 1]
    return [(int(start[i]), int(end[j])) for i, j in zip(firsts, lasts, strict=True)] if start.size else []


def _trimmed(y: Array, start: int, end: int, trim: float) -> tuple[int, int]:
    done = (y[start] - y[start : end + 1]) / (y[start] - y[end])
    begun = int(np.searchsorted(done, trim, side="right")) - 1
    finished = int(np.searchsorted(done, 1 - trim))
    return start + begun, start + finished


def _gradient_norms(grad_norm: ArrayLike | None, values: Array) -> Array | None:
    if grad_norm is None:
        return None
    norms = np.asarray(grad_norm, dtype=float)
    if norms.shape != values.shape or np.any(norms < 0):
        raise DynaghostError(f"grad_norm: expected {values.size} numbers, none negative, got shape {norms.shape}")
    return None if np.all(np.isnan(norms)) else norms


def _varies(values: Array, constancy: float) -> NDArray:
    """Whether the loss, from each metric to the last, varies by more than that share of the last."""
    backwards = values[::-1]
    with np.errstate(invalid="ignore"):
        spread = np.maximum.accumulate(backwards) - np.minimum.accumulate(backwards)
        return ~(spread <= constancy * np.abs(values[-1:]))[::-1]
