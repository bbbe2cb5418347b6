"""The toy model ẋ = x² + r on the delayed-activation task: its loss landscape, its descent, its critical rate."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.kernels import toy as kernels


@dataclass(frozen=True, slots=True)
class ToyDescent:
    """Gradient descent from several starts, each with its own rate; `shape` is that of starts and rates, broadcast.

    Attributes
    ----------
    epochs : (K,) int array
        Recorded epochs; epoch e is after e updates.
    r, loss : (*shape, K) arrays
        At these epochs; the loss is L(r) over T, 1 where nothing is learned.
    last : (*shape,) array
        r after all updates.
    least : (*shape,) array
        The smallest r of all epochs, recorded or not.
    first_below : (*shape,) int array
        The first epoch with r < r*; −1 if there is none.
    dead : (*shape,) bool array
        Ended below r*/4, where the gradient is 0: the no-learning zone.
    """

    epochs: np.ndarray
    r: np.ndarray
    loss: np.ndarray
    last: np.ndarray
    least: np.ndarray
    first_below: np.ndarray
    dead: np.ndarray


def landscape(
    r: ArrayLike,
    delay: float,
    confidence: float,
    *,
    threshold: float = 10.0,
    step: float = 0.1,
    clip: float = 1e6,
) -> np.ndarray:
    """The loss over T with a readout of finite confidence, by Euler steps.

    Parameters
    ----------
    r : array_like
    delay : float
        T, in τ.
    confidence, threshold : float
        c and x* of the output σ(c(x − x*)).
    step : float
        Δt, in τ.
    clip : float
        x is held at this once it is above.

    Returns
    -------
    ndarray, shaped as `r`
        ∫₀²ᵀ (ô − o)² dt / T (paper, eq. 1).

    Raises
    ------
    DynaghostError
        If an argument is not finite, or one that must be positive is not.

    Examples
    --------
    >>> landscape([-1e-4, 2.5e-4], 100, 0.1).round(3)
    array([0.607, 0.074])
    """
    _check_positive(delay=delay, confidence=confidence, step=step, clip=clip)
    places = _finite("r", r)
    losses = np.empty(places.size)
    flat = np.ascontiguousarray(places.ravel())
    kernels.euler_losses(flat, float(delay), float(step), float(confidence), float(threshold), float(clip), losses)
    return losses.reshape(places.shape)


def analytic_landscape(r: ArrayLike, delay: float) -> np.ndarray:
    """The loss over T of a perfectly confident readout: |1 − π/(2√r·T)| for r ≥ r*/4, else 1 (paper, eq. 2).

    Raises
    ------
    DynaghostError
        If `delay` is not positive or `r` not finite.

    Examples
    --------
    >>> analytic_landscape([-1.0, 1.0], 100).round(3)
    array([1.   , 0.984])
    """
    _check_positive(delay=delay)
    places = _finite("r", r)
    losses = [kernels.loss_and_slope(value, float(delay))[0] for value in places.ravel()]
    return np.array(losses).reshape(places.shape)


def descend_toy(
    r0: ArrayLike, rate: ArrayLike, delay: float, epochs: int, *, record: ArrayLike | None = None
) -> ToyDescent:
    """Plain gradient descent on the analytic loss, r ← r − α·dL/dr (paper, eq. 13).

    Parameters
    ----------
    r0, rate : array_like
        Starts and learning rates α, broadcast against each other.
    delay : float
        T, in τ.
    epochs : int
        Updates.
    record : array_like of int, optional
        Epochs to record, increasing; by default all from 0 to `epochs`.

    Returns
    -------
    ToyDescent

    Raises
    ------
    DynaghostError
        If an argument is not finite, `delay` or a rate is not positive, or the epochs are out of range.

    Examples
    --------
    >>> found = descend_toy(10 * optimal_r(100), [1e-10, 1e-9], 100, 3000, record=[0, 3000])
    >>> found.first_below.tolist(), found.dead.tolist(), found.loss.round(2).tolist()
    ([1538, 156], [False, True], [[0.68, 0.03], [0.68, 1.0]])
    """
    _check_positive(delay=delay)
    starts, rates = np.broadcast_arrays(_finite("r0", r0), _finite("rate", rate))
    if np.any(rates <= 0):
        raise DynaghostError(f"rate must be positive, got {rates.min()}")
    wanted = np.arange(epochs + 1) if record is None else np.atleast_1d(np.asarray(record, dtype=np.int64))
    if epochs < 0 or wanted.ndim != 1 or np.any(np.diff(wanted) <= 0) or np.any((wanted < 0) | (wanted > epochs)):
        raise DynaghostError(f"record must be increasing epochs from 0 to {epochs}, got {wanted}")
    last, flat_rates = starts.flatten(), rates.flatten()
    losses, places = np.empty((last.size, wanted.size)), np.empty((last.size, wanted.size))
    least, first = np.empty(last.size), np.empty(last.size, np.int64)
    kernels.descend(last, flat_rates, float(delay), int(epochs), wanted, losses, places, least, first)
    shape = starts.shape
    return ToyDescent(
        epochs=wanted,
        r=places.reshape(*shape, wanted.size),
        loss=losses.reshape(*shape, wanted.size),
        last=last.reshape(shape),
        least=least.reshape(shape),
        first_below=first.reshape(shape),
        dead=~(last.reshape(shape) >= 0.25 * optimal_r(delay)),
    )


def critical_rate_found(
    delay: float, *, start: float = 1 + 1e-12, epochs: int = 1000, tolerance: float = 1e-10
) -> float:
    """The learning rate beyond which descent dies, by bisection of descents.

    Parameters
    ----------
    delay : float
        T, in τ.
    start : float
        Of every descent, in units of r*. From just above r* the rate found is 3π⁴/(32 T⁵) (paper, eq. 15); from further
        away a start may pass by r* and live at somewhat higher rates.
    epochs : int
        Updates of every descent.
    tolerance : float
        Relative width to which the rate is bracketed.

    Returns
    -------
    float
        The middle of the bracket.

    Raises
    ------
    DynaghostError
        If an argument is not positive.

    Examples
    --------
    >>> f"{critical_rate_found(100):.6e}"
    '9.132102e-10'
    """
    _check_positive(delay=delay, start=start, tolerance=tolerance)
    place = start * optimal_r(delay)
    low, high = 0.0, optimal_r(delay) / kernels.loss_and_slope(place, float(delay))[1]
    while kernels.dies(place, high, float(delay), epochs) is False:
        low, high = high, 2 * high
    while high - low > tolerance * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if kernels.dies(place, middle, float(delay), epochs) else (middle, high)
    return 0.5 * (low + high)


def critical_exponent(delays: ArrayLike) -> float:
    """p in α* ∝ Tᵖ, fitted to critical rates that are found by descents from just above r*.

    Parameters
    ----------
    delays : array_like (at least 2,)

    Examples
    --------
    >>> round(critical_exponent([10, 30, 100, 300]), 6)
    -5.0
    """
    places = _finite("delays", delays)
    if places.ndim != 1 or places.size < 2:
        raise DynaghostError(f"delays must be a row of at least 2, got shape {places.shape}")
    rates = [critical_rate_found(float(delay)) for delay in places]
    return float(np.polyfit(np.log(places), np.log(rates), 1)[0])


def optimal_r(delay: float) -> float:
    """r* = π²/(4T²), where the escape time is the delay T (paper, below eq. 2)."""
    _check_positive(delay=delay)
    return kernels.optimal_r(float(delay))


def _finite(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if not np.all(np.isfinite(array)):
        raise DynaghostError(f"{name} must be finite, got infinite or NaN entries")
    return array


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise DynaghostError(f"{name} must be positive and finite, got {value}")
