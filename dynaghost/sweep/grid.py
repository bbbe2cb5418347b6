"""What is swept over: every combination of some seeds, rates, ranks, confidences and delays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One run of a sweep: what its row is found by.

    Attributes
    ----------
    seed : int
        Of the initial weights.
    learning_rate : float
    rank : int
    confidence : float
        c of the readout σ(c(κ − κ*)); without meaning where the readout is trained.
    delay_steps : int
        T, the steps with target 0.
    """

    seed: int
    learning_rate: float
    rank: int
    confidence: float
    delay_steps: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of these is a run.

    Attributes
    ----------
    seeds : sequence of int
        None negative.
    learning_rates : sequence of float
        Positive and finite.
    ranks : sequence of int
        At least 1.
    confidences : sequence of float
        Positive and finite.
    delay_steps : sequence of int
        At least 1.

    Raises
    ------
    DynaghostError
        If one of them is empty, holds a value twice, or one that is out of its range.

    Examples
    --------
    >>> grid = Grid(seeds=range(3), learning_rates=[0.003, 0.02])
    >>> len(grid.points), grid.points[0]
    (6, Point(seed=0, learning_rate=0.003, rank=1, confidence=10.0, delay_steps=20))
    """

    seeds: Sequence[int]
    learning_rates: Sequence[float]
    ranks: Sequence[int] = (1,)
    confidences: Sequence[float] = (10.0,)
    delay_steps: Sequence[int] = (20,)

    def __post_init__(self) -> None:
        for axis, kind, least in zip(fields(self), (int, float, int, float, int), (0, 0, 1, 0, 1), strict=True):
            object.__setattr__(self, axis.name, _values(axis.name, getattr(self, axis.name), kind, least))

    @property
    def points(self) -> tuple[Point, ...]:
        """Every run, those of equal shape side by side: by delay, rank, confidence and rate, seeds last."""
        axes = (self.delay_steps, self.ranks, self.confidences, self.learning_rates, self.seeds)
        return tuple(Point(seed, rate, rank, c, delay) for delay, rank, c, rate, seed in product(*axes))


def _values(name: str, values: Sequence[Any], kind: type, least: int) -> tuple[Any, ...]:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or array.dtype.kind not in ("iu" if kind is int else "iuf"):
        raise DynaghostError(f"{name}: expected a row of {_NUMBERS[kind]}, got {values!r}")
    found = tuple(kind(value) for value in array)
    wrong = [value for value in found if not (least <= value < math.inf and (value > 0 or kind is int))]
    if wrong:
        bound = f"at least {least}" if kind is int else "positive and finite"
        raise DynaghostError(f"{name}: expected each to be {bound}, got {wrong[0]}")
    if len(set(found)) < len(found):
        raise DynaghostError(f"{name}: expected each value once, got {found}")
    return found


_NUMBERS = {int: "whole numbers", float: "numbers"}
