"""The two-cue tasks of the paper's later version: remember a cue, and compare two.

A batch holds every kind of trial equally often. The network starts anew in every update at rates tanh(g·N(0, 1)), is
read after each step, and its loss is the mean of (ô − o)² over all trials and the steps of the response.
"""

import math
from dataclasses import dataclass

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.noise import BLOCK, standard_normal


@dataclass(frozen=True, slots=True)
class _CueTask:
    """What both tasks have in common; attributes as in `CueDiscrimination`."""

    cue_steps: int = 2
    delay_steps: int = 10
    response_steps: int = 10
    leak: float = 0.5
    repeats: int = 1
    spread: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("cue_steps", "delay_steps", "response_steps", "repeats"):
            if getattr(self, name) < 1:
                raise DynaghostError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.leak <= 1:
            raise DynaghostError(f"leak must be in (0, 1], got {self.leak}")
        if not 0 <= self.spread < math.inf:
            raise DynaghostError(f"spread must be finite and not negative, got {self.spread}")
        if self.seed < 0:
            raise DynaghostError(f"seed must not be negative, got {self.seed}")

    @property
    def kinds(self) -> np.ndarray:
        """The cues of each kind of trial, (kinds, cues)."""
        raise NotImplementedError

    @property
    def cue_starts(self) -> tuple[int, ...]:
        """The step at which each cue begins."""
        raise NotImplementedError

    @property
    def trials(self) -> int:
        """In a batch."""
        return len(self.kinds) * self.repeats

    @property
    def response_start(self) -> int:
        """The step at which the response begins."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        """Of a trial."""
        return self.response_start + self.response_steps

    @property
    def delay(self) -> float:
        """The delay in units of τ."""
        return self.delay_steps * self.leak

    @property
    def output(self) -> str:
        """What the readout goes through: "tanh"."""
        return "tanh"

    @property
    def inputs(self) -> np.ndarray:
        """What the network is shown, (trials, steps, 1)."""
        shown = np.zeros((self.trials, self.steps, 1))
        for cue, start in enumerate(self.cue_starts):
            shown[:, start : start + self.cue_steps, 0] = np.tile(self.kinds[:, cue], self.repeats)[:, None]
        return shown

    @property
    def targets(self) -> np.ndarray:
        """o after each step, (trials, steps); 0 where it does not count."""
        answers = np.tile(self._answers, self.repeats)
        return np.where(self.mask, answers[:, None], 0.0)

    @property
    def _answers(self) -> np.ndarray:
        raise NotImplementedError

    @property
    def mask(self) -> np.ndarray:
        """Which steps count, (trials, steps): the response."""
        return np.broadcast_to(np.arange(self.steps) >= self.response_start, (self.trials, self.steps))

    @property
    def loss_weights(self) -> np.ndarray:
        """What the squared error of each step counts in the loss, (trials, steps)."""
        return self.mask / (self.trials * self.response_steps)

    def states(self, units: int, *, first: int, updates: int) -> np.ndarray:
        """r(0), (updates, trials, units), of the updates that follow the first `first`."""
        blocks = range(first // BLOCK, -(-(first + updates) // BLOCK))
        shape = (BLOCK, self.trials, units)
        # The second number sets these apart from a `Noise` of the same seed.
        drawn = [standard_normal(self.seed, i + 2**40, shape) for i in blocks] or [np.empty((0, *shape[1:]))]
        return np.tanh(self.spread * np.concatenate(drawn)[first - blocks.start * BLOCK :][:updates])


@dataclass(frozen=True, slots=True)
class CueDiscrimination(_CueTask):
    """Delayed cue discrimination: a cue of +1 or −1, a delay, and then an output of the same sign.

    Attributes
    ----------
    cue_steps, delay_steps, response_steps : int
    leak : float
        Δ = Δt/τ in (0, 1].
    repeats : int
        Trials of each kind in a batch.
    spread : float
        g of the initial rates tanh(g·N(0, 1)).
    seed : int
        Of the initial rates; the same numbers however a run is cut.

    Raises
    ------
    DynaghostError
        If a value is out of range.

    Examples
    --------
    >>> task = CueDiscrimination()
    >>> task.trials, task.steps, task.inputs[:, 0, 0].tolist(), task.targets[:, -1].tolist()
    (2, 22, [1.0, -1.0], [1.0, -1.0])
    """

    @property
    def kinds(self) -> np.ndarray:
        """The cues of each kind of trial, (2, 1)."""
        return np.array([[1.0], [-1.0]])

    @property
    def cue_starts(self) -> tuple[int, ...]:
        """The step at which the cue begins."""
        return (0,)

    @property
    def response_start(self) -> int:
        """The step at which the response begins."""
        return self.cue_steps + self.delay_steps

    @property
    def _answers(self) -> np.ndarray:
        return self.kinds[:, 0]


@dataclass(frozen=True, slots=True)
class MatchToSample(_CueTask):
    """Delayed match-to-sample: a cue, a delay, a second cue, and then an output of 1 if both were equal, else 0.

    Attributes are those of `CueDiscrimination`.

    Examples
    --------
    >>> task = MatchToSample()
    >>> task.trials, task.steps, task.kinds.tolist(), task.targets[:, -1].tolist()
    (4, 24, [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], [1.0, 0.0, 0.0, 1.0])
    """

    @property
    def kinds(self) -> np.ndarray:
        """The cues of each kind of trial, (4, 2)."""
        return np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])

    @property
    def cue_starts(self) -> tuple[int, ...]:
        """The step at which each cue begins."""
        return (0, self.cue_steps + self.delay_steps)

    @property
    def response_start(self) -> int:
        """The step at which the response begins."""
        return 2 * self.cue_steps + self.delay_steps

    @property
    def _answers(self) -> np.ndarray:
        return (self.kinds[:, 0] == self.kinds[:, 1]).astype(float)
