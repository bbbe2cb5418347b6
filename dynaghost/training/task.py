"""The delayed-activation task: stay off for a delay, then switch on."""

import math
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError


@dataclass(frozen=True, slots=True)
class DelayedActivation:
    """One noiseless trial: the output is to be 0 for `delay_steps` steps and 1 for the rest.

    The network starts at x = x0 for every unit, is read after each step as ô = σ(c(κ − κ*)), and its loss is
    Σ(ô − o)²/T with T = `delay_steps`.

    Attributes
    ----------
    delay_steps : int
        T, the steps with target 0.
    steps : int
        Length of the trial, more than `delay_steps`.
    leak : float
        Δ = Δt/τ in (0, 1].
    threshold : float
        κ*, where the output is ½.
    confidence : float
        c, positive: the slope of the readout.
    x0 : float
        Initial state of each unit.

    Raises
    ------
    DynaghostError
        If a value is outside its range.

    Examples
    --------
    >>> task = DelayedActivation()
    >>> task.delay, task.steps
    (10.0, 40)
    """

    delay_steps: int = 20
    steps: int = 40
    leak: float = 0.5
    threshold: float = 1.0
    confidence: float = 10.0
    x0: float = -0.3

    def __post_init__(self) -> None:
        if self.delay_steps < 1:
            raise DynaghostError(f"delay_steps must be at least 1, got {self.delay_steps}")
        if self.steps <= self.delay_steps:
            raise DynaghostError(f"steps must be more than delay_steps = {self.delay_steps}, got {self.steps}")
        if not 0 < self.leak <= 1:
            raise DynaghostError(f"leak must be in (0, 1], got {self.leak}")
        if not 0 < self.confidence < math.inf:
            raise DynaghostError(f"confidence must be positive and finite, got {self.confidence}")
        for name in ("threshold", "x0"):
            if not math.isfinite(getattr(self, name)):
                raise DynaghostError(f"{name} must be finite, got {getattr(self, name)}")

    @property
    def delay(self) -> float:
        """The delay in units of τ."""
        return self.delay_steps * self.leak

    @property
    def trials(self) -> int:
        """In a batch: one."""
        return 1

    @property
    def output(self) -> str:
        """What a trained readout goes through: "sigmoid"."""
        return "sigmoid"

    @property
    def inputs(self) -> np.ndarray:
        """None: (1, steps, 0)."""
        return np.empty((1, self.steps, 0))

    @property
    def targets(self) -> np.ndarray:
        """o after each step, (1, steps)."""
        return (np.arange(self.steps) >= self.delay_steps).astype(float)[None]

    @property
    def mask(self) -> np.ndarray:
        """Which steps count, (1, steps): all."""
        return np.ones((1, self.steps), dtype=bool)

    @property
    def loss_weights(self) -> np.ndarray:
        """What the squared error of each step counts in the loss, (1, steps): 1/T."""
        return np.full((1, self.steps), 1 / self.delay_steps)

    def states(self, units: int, *, first: int, updates: int) -> np.ndarray:
        """x(0), (1, 1, units): the same in every update."""
        return np.full((1, 1, units), self.x0)
