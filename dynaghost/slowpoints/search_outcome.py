"""What a search tells besides the points it found: why it stopped, what it took, and what it left open."""

from dataclasses import dataclass
from enum import StrEnum

from dynaghost.systems.base import Array


class Status(StrEnum):
    """Why a search stopped, which is another question than what it proved."""

    FINISHED = "finished"
    PRECISION = "precision limit"
    BUDGET = "budget of evaluations"
    BOXES = "budget of boxes"


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A part of the region in which the search could not decide.

    Attributes
    ----------
    lower, upper : ndarray (dim,)
        Its hull.
    because : str
        The bound that was not met.
    """

    lower: Array
    upper: Array
    because: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What a search took: evaluations of f with its derivatives, how many of them in ball arithmetic, whether the
    certificate was carried over from a neighbouring checkpoint instead of being searched anew, and boxes looked at."""

    evaluations: int
    ball_evaluations: int = 0
    carried: bool = False
    boxes: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a search that proves no completeness tells about what it did not see.

    Attributes
    ----------
    starts : int
        Starts of Newton, lines not counted.
    lines : int
        Lines that were tracked.
    hits : tuple of int
        How many starts and lines ended at each fixed point, in their order.
    ghost_hits : tuple of int
        Likewise for ghosts.
    unseen : float
        Good and Turing's estimate of the share of starts that would end at a fixed point not listed: the number of
        points hit exactly once over the number of hits.
    agree : bool or None
        Whether Newton's starts and tracked lines each hit every listed fixed point; None if only one of them ran.
    failures : tuple of (str, int)
        Starts that ended at no listed point, by reason.
    """

    starts: int
    lines: int
    hits: tuple[int, ...]
    ghost_hits: tuple[int, ...]
    unseen: float
    agree: bool | None
    failures: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SlowRegion:
    """States that are slow together and are no points: part of a line or ring attractor, or of a flat valley.

    None of them is claimed to be a fixed point or a ghost; listed points may lie among them, as on a ring that is not
    quite one.

    Attributes
    ----------
    states : ndarray (states, dim)
        Samples of it.
    speeds : ndarray (states,)
        In the system's metric.
    dimension : int
        Estimated from how the samples spread about each other.
    """

    states: Array
    speeds: Array
    dimension: int
