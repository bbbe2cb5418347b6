"""The toy model ẋ = x² + r of the paper (figure 1, eqs. 1–15), with every answer it has in closed form."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynaghost.systems.base import Array, ScalarSystem, Time, checked_leak, checked_time, finite


@dataclass(frozen=True)
class SaddleNode(ScalarSystem):
    """ẋ = x² + r: a ghost at 0 for r > 0, two fixed points at ±√−r for r < 0, a double root at r = 0.

    Parameters
    ----------
    r : float
        Distance to the saddle-node, finite.
    leak : float, optional
        Δt/τ of the Euler map x ← x + leak·(x² + r).
    time : {"flow", "map"}

    Raises
    ------
    DynaghostError
        If `r` is not finite, `leak` is not in (0, 1] or `time` is neither label.

    Examples
    --------
    >>> SaddleNode(0.25).passage_time == 2 * math.pi
    True
    >>> SaddleNode(-4.0).fixed_points
    (-2.0, 2.0)
    """

    r: float
    leak: float | None = 1.0
    time: Time = Time.FLOW
    metric: Array = field(init=False, default_factory=lambda: np.eye(1), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "r", float(finite("r", self.r, ndim=0)))
        object.__setattr__(self, "leak", checked_leak(self.leak))
        object.__setattr__(self, "time", checked_time(self.time))

    def taylor(self, x: Any, order: int) -> list[Any]:
        zero = x * 0
        return [x * x + self.r, 2 * x, zero + 1, *([zero] * order)][: order + 1]

    def derivative_bounds(self, lower: float, upper: float) -> tuple[float, float]:
        return 2.0, 0.0

    def slow_interval(self) -> tuple[float, float]:
        reach = max(math.nextafter(math.sqrt(max(-self.r, 0.0)), math.inf) * 2, 1.0)
        return -reach, reach

    def end_signs(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (1, -1), (1, 1)

    @property
    def fixed_points(self) -> tuple[float, ...]:
        """±√−r, or 0 alone at r = 0, or none."""
        if self.r > 0:
            return ()
        return (-math.sqrt(-self.r), math.sqrt(-self.r)) if self.r < 0 else (0.0,)

    @property
    def eigenvalues(self) -> tuple[float, ...]:
        """f'(x) = 2x at each fixed point; per τ."""
        return tuple(2 * x for x in self.fixed_points)

    @property
    def complex_point(self) -> complex | None:
        """i√r, the upper one of the pair that is the ghost, for r > 0."""
        return complex(0, math.sqrt(self.r)) if self.r > 0 else None

    @property
    def passage_time(self) -> float | None:
        """π/√r, the time from −∞ to ∞, in τ, for r > 0."""
        return math.pi / math.sqrt(self.r) if self.r > 0 else None

    @property
    def escape_time(self) -> float:
        """t* = π/(2√r), from 0 to ∞ (paper, eq. 7); infinite for r ≤ 0."""
        return math.pi / (2 * math.sqrt(self.r)) if self.r > 0 else math.inf

    def solution(self, t: float) -> float:
        """x(t) from x(0) = 0 (paper, eq. 7): √r·tan(√r·t) until t*, then ∞; −√−r·tanh(√−r·t) for r < 0."""
        root = math.sqrt(abs(self.r))
        if self.r > 0:
            return root * math.tan(root * t) if t < self.escape_time else math.inf
        return -root * math.tanh(root * t)

    def loss(self, delay: float) -> float:
        """L(r) = |T − t*| for r ≥ r*/4, else T (paper, eq. 2), in τ."""
        if self.r >= optimal_r(delay) / 4:
            return abs(delay - self.escape_time)
        return delay

    def loss_gradient(self, delay: float) -> float:
        """dL/dr = ±π/(4 r^{3/2}), positive above r* and negative below, 0 below r*/4 (paper, eq. 13)."""
        if self.r < optimal_r(delay) / 4:
            return 0.0
        slope = math.pi / (4 * self.r**1.5)
        return slope if self.r > optimal_r(delay) else -slope


def optimal_r(delay: float) -> float:
    """r* = π²/(4T²), where the escape time is the delay T (paper, below eq. 2).

    Examples
    --------
    >>> f"{optimal_r(100):.7e}"
    '2.4674011e-04'
    """
    return math.pi**2 / (4 * delay**2)


def critical_rate(delay: float) -> float:
    """α* = 3π⁴/(32 T⁵), above which a step from r* lands in the no-learning zone (paper, eq. 15).

    Examples
    --------
    >>> f"{critical_rate(100):.7e}"
    '9.1321023e-10'
    """
    return 3 * math.pi**4 / (32 * delay**5)
