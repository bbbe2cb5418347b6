"""Stretches of a loss curve in which the loss goes up and down at every metric."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynaghost.errors import DynaghostError
from dynaghost.trajectories.drops import Array, loss_curve


@dataclass(frozen=True, slots=True)
class Oscillation:
    """A stretch in which the loss goes up and down at every metric.

    Attributes
    ----------
    before, after : int or float
        Steps of its first and last metric.
    alternations : int
        Consecutive differences of the loss, each of the other sign than the one before.
    amplitude : float
        Half the median height of these differences, in units of the loss.
    period : int
        Lag of the largest peak of the autocorrelation of these differences (which a slow trend leaves alone), in
        metrics: 2, or more after period doublings.
    correlation : float
        The autocorrelation at that lag, at most 1.
    """

    before: float
    after: float
    alternations: int
    amplitude: float
    period: int
    correlation: float


def oscillations(
    steps: ArrayLike, loss: ArrayLike, *, shortest: int = 20, smallest: float = 1e-3
) -> tuple[Oscillation, ...]:
    """Stretches in which the differences of the loss alternate in sign, in order.

    Parameters
    ----------
    steps, loss : array_like (metrics,)
        Steps increase. NaN and infinity belong to no stretch.
    shortest : int, optional
        The least number of consecutive alternating differences, at least 3.
    smallest : float, optional
        Each difference is more than this share of the loss before it; not negative.

    Returns
    -------
    tuple of Oscillation
        Neighbours may share a metric, never a difference.

    Raises
    ------
    DynaghostError
        If the arrays do not match, steps do not increase or an option is out of its range.

    Examples
    --------
    >>> (found,) = oscillations(range(50), [1.0, 1.5] * 25)
    >>> found.before, found.after, found.alternations, found.amplitude, found.period
    (0, 49, 49, 0.25, 2)
    """
    if shortest < 3 or not smallest >= 0:
        raise DynaghostError(f"shortest, smallest: expected at least 3 and at least 0, got {shortest} and {smallest}")
    labels, values = loss_curve(steps, loss)
    with np.errstate(invalid="ignore", over="ignore"):
        rise = np.diff(values)
        large = np.isfinite(rise) & (np.abs(rise) > smallest * np.abs(values[:-1]))
    sign = np.where(large, np.sign(rise), 0)
    first, last = _stretches(sign[1:] * sign[:-1] < 0)
    # A stretch of k turns from one difference to the next holds k + 1 differences and k + 2 metrics.
    long_enough = last - first + 1 >= shortest
    return tuple(
        _oscillation(labels, values, i, j + 1) for i, j in zip(first[long_enough], last[long_enough], strict=True)
    )


def _stretches(flags: NDArray) -> tuple[NDArray, NDArray]:
    """First and one past the last index of each stretch of True."""
    edges = np.diff(np.r_[0, flags.astype(np.int8), 0])
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _oscillation(labels: NDArray, values: Array, first: int, last: int) -> Oscillation:
    difference = np.diff(values[first : last + 1])
    amplitude = float(np.median(np.abs(difference))) / 2
    return Oscillation(labels[first].item(), labels[last].item(), difference.size, amplitude, *_period(difference))


def _period(difference: Array) -> tuple[int, float]:
    """Lag and height of the largest peak of the autocorrelation Σ dₖ·dₖ₊ₗ / Σ dₖ²."""
    # Scaled first, so that no square overflows; padded, so that the end does not correlate with the start.
    scaled = difference / np.abs(difference).max()
    padded = 1 << (2 * scaled.size - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(scaled, padded)) ** 2)[: scaled.size] / np.sum(scaled**2)
    # Signs alternate, so that it is positive at even lags, negative at odd ones, and every even lag is a peak.
    best = 2 * (1 + int(np.argmax(correlation[2::2])))
    return best, float(correlation[best])
