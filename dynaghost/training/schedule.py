"""Training in stages, each with its own confidence and learning rate."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dynaghost.errors import DynaghostError


@dataclass(frozen=True, slots=True)
class Stage:
    """Some epochs with one confidence and one learning rate.

    Attributes
    ----------
    epochs : int
        At least 1.
    confidence : float
        c of the output σ(c(κ − κ*)), positive.
    learning_rate : float
        Positive.

    Raises
    ------
    DynaghostError
        If a value is out of range.

    Examples
    --------
    >>> Stage(epochs=6000, confidence=10.0, learning_rate=0.02).epochs
    6000
    """

    epochs: int
    confidence: float
    learning_rate: float

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise DynaghostError(f"stage: epochs must be at least 1, got {self.epochs}")
        for name in ("confidence", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise DynaghostError(f"stage: {name} must be positive and finite, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Stages, one after the other.

    Attributes
    ----------
    stages : tuple of Stage
        At least one.

    Raises
    ------
    DynaghostError
        If there is none.

    Examples
    --------
    >>> RELEARNING.epochs, RELEARNING.at(19_999).confidence, RELEARNING.at(20_000).confidence
    (40000, 1.0, 10.0)
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise DynaghostError("schedule: expected at least one stage, got none")

    @property
    def epochs(self) -> int:
        """Of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def ends(self) -> tuple[int, ...]:
        """The epoch at which each stage has ended."""
        total, ends = 0, []
        for stage in self.stages:
            total += stage.epochs
            ends.append(total)
        return tuple(ends)

    def at(self, epoch: int) -> Stage:
        """The stage of the update that follows epoch `epoch`; from the end on, the last."""
        return next((s for s, end in zip(self.stages, self.ends, strict=True) if epoch < end), self.stages[-1])

    def end(self, epoch: int) -> int:
        """Where the stage of that update ends."""
        return next((end for end in self.ends if epoch < end), self.epochs)


def schedule_of(stages: Iterable[tuple[int, float, float]]) -> Schedule:
    """A schedule from rows of epochs, confidence and learning rate.

    Examples
    --------
    >>> schedule_of([(6000, 10.0, 0.02), (100, 0.5, 0.02)]).epochs
    6100
    """
    return Schedule(tuple(Stage(int(epochs), float(c), float(rate)) for epochs, c, rate in stages))


def parse_schedule(text: str) -> Schedule:
    """Stages written as EPOCHSxCONFIDENCE@RATE, separated by commas.

    Raises
    ------
    DynaghostError
        If a part cannot be read.

    Examples
    --------
    >>> parse_schedule("6000x10@0.02,20000x1@0.02,20000x10@0.002").ends
    (6000, 26000, 46000)
    """
    try:
        parts = [part.replace("@", "x").split("x") for part in text.split(",")]
        return schedule_of([(int(epochs), float(c), float(rate)) for epochs, c, rate in parts])
    except DynaghostError:
        raise
    except ValueError as error:
        raise DynaghostError(
            f"schedule must be like 6000x10@0.02,20000x1@0.02 (epochs x confidence @ learning rate), got {text!r}"
        ) from error


RELEARNING = schedule_of([(20_000, 1.0, 0.02), (20_000, 10.0, 0.002)])
"""Figure 4, after the network got stuck: confidence lowered to 1 until the task is learned, then restored."""
