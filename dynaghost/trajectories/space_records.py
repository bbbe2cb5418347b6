"""The records of a run of any dimension that was followed: happenings with their branches, and all of them together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array
from dynaghost.trajectories.branches import Branch, Labels
from dynaghost.trajectories.happenings import HappeningKind


@dataclass(frozen=True, slots=True)
class SpaceCrossing:
    """A happening with the branches that it concerns.

    Attributes
    ----------
    kind : HappeningKind
    link : int
        Index of the checkpoint before it.
    before, after : float
        Bracket on the line, 0 to 1.
    at : float
    x : float
        The state's projection on the run's axis.
    state : ndarray (n,)
    branches : tuple of int
        Of a saddle-node first the branch with the ghost, of a pitchfork first the one that goes on.
    creates : bool or None
    resolved : bool
    evidence : dict
    """

    kind: HappeningKind
    link: int
    before: float
    after: float
    at: float
    x: float
    state: Array
    branches: tuple[int, ...]
    creates: bool | None
    resolved: bool
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """The first principal component of all listed slow points of a run, x ↦ direction·(x − mean); of one unit, x."""

    mean: Array
    direction: Array

    def of(self, x: Array) -> float:
        """The projection of a state."""
        return float(self.direction @ (x - self.mean))


@dataclass(frozen=True, slots=True)
class SpaceTracks:
    """Everything that was followed through a run of any dimension.

    Attributes
    ----------
    steps : tuple of int
        Of the checkpoints.
    branches : tuple of Branch
        `x` of a segment is the projection on `axis`.
    crossings : tuple of SpaceCrossing
        In order of training.
    labels : sequence of Labels
        One a checkpoint, in the order of its records.
    axis : Axis
    """

    steps: tuple[int, ...]
    branches: tuple[Branch, ...]
    crossings: tuple[SpaceCrossing, ...]
    labels: Sequence[Labels]
    axis: Axis


def _states(points: Sequence[SlowPoints]) -> Iterator[Array]:
    """Of all listed slow points of a run."""
    return (point.x for found in points for point in found.points)


def principal_axis(points: Sequence[SlowPoints], dim: int) -> Axis:
    """The axis of the states of all listed slow points; its largest component is positive.

    Examples
    --------
    >>> principal_axis([], 2).direction.tolist()
    [1.0, 0.0]
    """
    number = sum(len(found.points) for found in points)
    if not number or dim == 1:
        return Axis(np.zeros(dim), np.eye(dim)[0])
    mean, spread = np.zeros(dim), np.zeros((dim, dim))
    for x in _states(points):
        mean += x
    mean /= number
    for x in _states(points):
        spread += np.outer(x - mean, x - mean)
    direction = np.linalg.eigh(spread)[1][:, -1]
    return Axis(mean, direction * (1 if direction[np.argmax(np.abs(direction))] > 0 else -1))
