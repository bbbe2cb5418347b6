"""Solutions of F(x, s) = 0 for many states at once: one natural step of s in each, and whether to believe it.

A step is believed only if Newton contracts at once (|Δx₁| ≤ 0.15·|Δx₀|, which neither scaling nor a change of
coordinates of F alters) and if the slopes at both of its ends account for it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dynaghost.kernels.linear import solve_each
from dynaghost.systems.base import Array

CONTRACTION = 0.15
"""Most of Newton's first contraction at the end of a step that is believed."""
UNACCOUNTED = 0.25
"""Most of a step's correction that the tangents at its ends leave unexplained."""

_CLOSE = 1e-10  # Newton has arrived where its next step would be below this, relative to 1 + |x|


class Equation(Protocol):
    """F with its derivatives, for batches of states."""

    dim: int
    smooth: bool

    def parts(self, x: Array, s: float) -> tuple[Array, Array, Array]:
        """F (E, n), ∂F/∂x (E, n, n) and ∂F/∂s (E, n) at states (E, n)."""


@dataclass(frozen=True, slots=True)
class Leap:
    """A natural step of many points at once: `x` (E, n) at its end, slopes dx/ds at both ends, and whether to believe
    it, (E,)."""

    x: Array
    slopes: tuple[Array, Array]
    believed: Array


def leap(equation: Equation, x: Array, start: float, end: float) -> Leap:
    """From solutions (E, n) at s = `start` to s = `end` in one step each, or none.

    Examples
    --------
    >>> class Line:
    ...     dim, smooth = 1, True
    ...     def parts(self, x, s):
    ...         return x - s, np.ones((len(x), 1, 1)), -np.ones((len(x), 1))
    >>> found = leap(Line(), np.zeros((1, 1)), 0.0, 1.0)
    >>> found.x.tolist(), found.believed.tolist()
    ([[1.0]], [True])
    """
    ds, size = end - start, 1 + np.linalg.norm(x, axis=1)
    _, D, by_s = equation.parts(x, start)
    (slope,), believed = solved(D, -by_s)
    predicted = x + ds * slope
    y, slope_end = predicted.copy(), np.zeros_like(x)
    open_, last = np.flatnonzero(believed), np.full(len(x), np.inf)
    for _ in range(12):
        if not open_.size:
            break
        F, D, by_s = equation.parts(y[open_], end)
        (step, slope_end[open_]), fine = solved(D, -F, -by_s)
        y[open_] += step
        length = np.linalg.norm(step, axis=1)
        ratio = np.where(np.isinf(last[open_]), 0.0, length / np.maximum(last[open_], 1e-300))
        small = length <= _CLOSE * size[open_]
        fine &= small | (ratio <= CONTRACTION)
        small |= np.isfinite(last[open_]) & (length * ratio**2 <= _CLOSE * size[open_])
        last[open_], believed[open_] = length, fine
        open_ = open_[fine & ~small]
    believed[open_] = False
    if equation.smooth:
        unaccounted = np.linalg.norm(y - x - 0.5 * ds * (slope + slope_end), axis=1)
        believed &= unaccounted <= UNACCOUNTED * np.linalg.norm(y - predicted, axis=1) + 1e-7 * size
    return Leap(y, (slope, slope_end), believed)


def solved(D: Array, *right: Array) -> tuple[list[Array], Array]:
    """D[e]⁻¹ times each of the right-hand sides (E, n); 0 and False where D[e] is singular."""
    columns, fine = np.ascontiguousarray(np.stack(right, axis=-1)), np.empty(len(D), bool)
    solve_each(np.ascontiguousarray(D), columns, fine)
    fine &= np.all(np.isfinite(columns), axis=(1, 2))
    columns[~fine] = 0.0
    return [columns[..., k] for k in range(len(right))], fine
