"""Branches: what a slow point is through training, and what begins, turns and ends it (`tracker` finds them)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from dynaghost.series import Series
from dynaghost.slowpoints.records import Kind
from dynaghost.systems.base import Array
from dynaghost.trajectories.homotopy import Side


class Relation(StrEnum):
    """What an event does to a segment of a branch.

    A ghost that dissolves and comes back on the pair that was followed (`returns`) does not die and is not born again:
    both events are `continuation`.
    """

    BIRTH = "birth"
    DEATH = "death"
    CONTINUATION = "continuation"
    BECOMES_GHOST = "becomes-ghost"


@dataclass(slots=True)
class Segment:
    """A stretch of a branch of one kind.

    Attributes
    ----------
    branch : int
    kind : Kind
    steps : sequence of int
        Checkpoints at which it is seen; none if it lives between two checkpoints only.
    x : sequence of float
        Where it is at each.
    born, died : tuple of (int, Relation) or None
        The crossing that begins and ends it, by index, and how; None at the ends of the run or where it was lost.
    lost : str
        Why it could not be followed further; empty where it could.
    """

    branch: int
    kind: Kind
    steps: Series[int] = field(default_factory=lambda: Series(int))
    x: Series[float] = field(default_factory=lambda: Series(float))
    born: tuple[int, Relation] | None = None
    died: tuple[int, Relation] | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Branch:
    """A slow point followed through training.

    Attributes
    ----------
    id : int
    segments : tuple of Segment
        In order of training.
    """

    id: int
    segments: tuple[Segment, ...]

    def __repr__(self) -> str:
        parts = []
        for segment in self.segments[:3]:
            ends = dict.fromkeys(str(step) for step in (*segment.steps[:1], *segment.steps[-1:]))
            parts.append(f"{segment.kind.replace('_', ' ')} {' to '.join(ends) or 'between checkpoints'}")
        more = ", …" if len(self.segments) > 3 else ""
        return f"Branch({self.id}: {', '.join(parts)}{more})"

    def at(self, step: int) -> tuple[Kind, float] | None:
        """Kind and place at a checkpoint; None where the branch has no slow point there."""
        for segment in self.segments:
            i = segment.steps.find(step)
            if i is not None:
                return segment.kind, segment.x[i]
        return None

    @property
    def ghost_steps(self) -> list[int]:
        """Checkpoints at which it is a ghost."""
        return [step for segment in self.segments if segment.kind is Kind.GHOST for step in segment.steps]


class CrossingKind(StrEnum):
    """What a change of structure is; the events of the same names come from these."""

    SADDLE_NODE = "saddle_node"
    GHOST_EMERGENCE = "ghost_emergence"
    GHOST_DISSOLUTION = "ghost_dissolution"
    PITCHFORK = "pitchfork"
    CUSP = "cusp"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A birth or death of slow points on the line between two checkpoints.

    Attributes
    ----------
    kind : CrossingKind
    link : int
        Index of the checkpoint before it.
    before, after : float
        Bracket on the line, 0 to 1.
    x : float
        Where it happens in state space.
    branches : tuple of int
    creates : bool
        Points are born (else they die).
    unproved : tuple of (float, float)
        The stretch around the bracket, touching it, on which nothing is proved.
    """

    kind: CrossingKind
    link: int
    before: float
    after: float
    x: float
    branches: tuple[int, ...]
    creates: bool
    unproved: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Labels:
    """Branch of every point at one place: `roots` and `ghosts` in increasing order of x."""

    roots: tuple[int, ...]
    ghosts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the line after checkpoint `link` on which the structure stays, with the branches of its roots.

    `start` and `end` are the structures at its ends.
    """

    link: int
    before: float
    after: float
    start: Side
    end: Side
    roots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tracks:
    """Everything that was followed through a run.

    Attributes
    ----------
    steps : tuple of int
        Of the checkpoints.
    branches : tuple of Branch
    crossings : tuple of Crossing
        In order of training.
    labels : sequence of Labels
        One a checkpoint.
    stretches : sequence of Stretch
        In order of training.
    """

    steps: tuple[int, ...]
    branches: tuple[Branch, ...]
    crossings: tuple[Crossing, ...]
    labels: Sequence[Labels]
    stretches: Sequence[Stretch]


def positions(branch: Branch, kind: Kind) -> tuple[Array, Array]:
    """Steps and places at which a branch is of one kind.

    Returns
    -------
    steps : ndarray of int
    x : ndarray of float
    """
    pairs = [(t, x) for s in branch.segments if s.kind is kind for t, x in zip(s.steps, s.x, strict=True)]
    return np.array([t for t, _ in pairs], dtype=int), np.array([x for _, x in pairs])
