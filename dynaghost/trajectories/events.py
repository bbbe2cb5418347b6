"""What happens along training: the kinds of events, the record of one, and those that are read from the loss alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dynaghost.display import table
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.drops import Stagnation, stagnation
from dynaghost.trajectories.oscillations import oscillations


class EventKind(StrEnum):
    """The kinds of events; the vocabulary of results."""

    SADDLE_NODE = "saddle_node"
    GHOST_EMERGENCE = "ghost_emergence"
    GHOST_DISSOLUTION = "ghost_dissolution"
    PITCHFORK = "pitchfork"
    TRANSCRITICAL = "transcritical"
    CUSP = "cusp"
    HOPF = "hopf"
    NEIMARK_SACKER = "neimark_sacker"
    FLIP = "flip"
    BORDER_COLLISION = "border_collision"
    CAPTURE = "capture"
    READOUT_CROSSING = "readout_crossing"
    LOSS_DROP = "loss_drop"
    OSCILLATION = "oscillation"
    NO_LEARNING_ZONE = "no_learning_zone"


class EventStatus(StrEnum):
    """How sure an event is.

    `proved`: the structures on both sides of its bracket are. `located`: found by a change of sign or label between
    two places, without a proof. `unresolved`: several events may be one here.
    """

    PROVED = "proved"
    LOCATED = "located"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """Something that happens between two steps of training.

    Attributes
    ----------
    id : int
    kind : EventKind
    before, after : int or float
        The checkpoints it lies between; for what is read from the loss, steps of the loss curve.
    at : float or None
        Where on the straight line between the two checkpoints, 0 to 1; None for what is read from the loss.
    branches : tuple of int
        For a saddle-node first the unstable fixed point's, on which the ghost is.
    status : EventStatus
    evidence : dict
        Bracket, place and whatever else the detector saw, ready for JSON.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> (event,) = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.1, 0.3)]).events
    >>> event.kind.value, event.before, event.after, round(event.at, 6), event.status.value
    ('saddle_node', 0, 1, 0.537732, 'proved')
    """

    id: int
    kind: EventKind
    before: float
    after: float
    at: float | None
    branches: tuple[int, ...]
    status: EventStatus
    evidence: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        where = "" if self.at is None else f" at {self.at:.4g} of the way"
        return f"Event({self.id}: {self.kind.value}, {self.before:g} to {self.after:g}{where}, {self.status.value})"

    def _repr_html_(self) -> str:
        return table(f"event {self.id}", COLUMNS, [self.row])

    @property
    def row(self) -> tuple[str, ...]:
        """Of a table of events with `COLUMNS`."""
        at = "" if self.at is None else f"{self.at:.4g}"
        branches = ", ".join(map(str, self.branches))
        return (str(self.id), self.kind.value, f"{self.before:g}", f"{self.after:g}", at, branches, self.status.value)


COLUMNS = ("event", "kind", "before", "after", "at", "branches", "status")
"""Of a table of events."""


def loss_events(losses: Losses) -> Iterator[Event]:
    """Drops and oscillations of the loss.

    Parameters
    ----------
    losses : Losses

    Yields
    ------
    Event
        Without a number.
    """
    if losses.loss is None or len(losses.loss) == 0:
        return
    for drop in losses.rule.drops(losses.steps, losses.loss):
        evidence = {"loss_before": drop.loss_before, "loss_after": drop.loss_after}
        yield Event(-1, EventKind.LOSS_DROP, drop.before, drop.after, None, (), EventStatus.LOCATED, evidence)
    for found in oscillations(losses.steps, losses.loss):
        told = {
            "alternations": found.alternations,
            "amplitude": found.amplitude,
            "period": found.period,
            "correlation": found.correlation,
        }
        yield Event(-1, EventKind.OSCILLATION, found.before, found.after, None, (), EventStatus.LOCATED, told)


def stagnation_of(losses: Losses) -> Stagnation | None:
    """The stretch to the end of the run on which the gradient is gone, if there is one."""
    if losses.loss is None or len(losses.loss) == 0:
        return None
    return stagnation(losses.steps, losses.loss, losses.grad_norm)
