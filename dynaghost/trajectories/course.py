"""A run of one-dimensional systems with everything that was followed through it: what events are read from."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from operator import attrgetter
from typing import Any

import numpy as np

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import LowRankRNN, RankOneCircuit
from dynaghost.trajectories.branches import Stretch, Tracks
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.homotopy import Link
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.trial import Trial, Walk, walk


@dataclass(frozen=True, slots=True)
class Losses:
    """The loss curve, denser than the checkpoints as a rule.

    Attributes
    ----------
    steps : ndarray (rows,)
    loss, grad_norm : ndarray (rows,) or None
    rule : DropRule
        What counts as a drop of this curve.
    """

    steps: Array
    loss: Array | None
    grad_norm: Array | None
    rule: DropRule = field(default_factory=DropRule)


@dataclass(frozen=True, slots=True)
class Course:
    """One entry a checkpoint in each sequence, but for `links`, which lie between them.

    Attributes
    ----------
    steps : tuple of int
    networks : sequence of LowRankRNN
    circuits : sequence of RankOneCircuit
    points : sequence of SlowPoints
    links : sequence of Link
    tracks : Tracks
    pairs : tuple of PairTrack
    ends : sequence of (float, int or None), or None
        κ(0) of the trial, and the index of the fixed point that it ends in; None where no trial is known.
    trial : Trial or None
    losses : Losses
    felt : callable or None
        κ (states,) that trials with inputs over time visit at a checkpoint; None where none are known.
    """

    steps: tuple[int, ...]
    networks: Sequence[LowRankRNN]
    circuits: Sequence[RankOneCircuit]
    points: Sequence[SlowPoints]
    links: Sequence[Link]
    tracks: Tracks
    pairs: tuple[PairTrack, ...]
    ends: Sequence[tuple[float, int | None]] | None
    trial: Trial | None
    losses: Losses
    felt: Callable[[int], Array] | None = None
    answers: Callable[[int, int], dict[str, Any]] | None = None

    def visited(self, e: int) -> Array | None:
        """κ (states,) that trials visit at checkpoint `e`; None where none is known."""
        if self.felt is not None:
            return self.felt(e)
        return None if self.ends is None else self.walk(e).visited

    def attractor(self, e: int) -> int | None:
        """Branch of the fixed point in which the trial ends at checkpoint `e`; None where it is not known."""
        index = None if self.ends is None else self.ends[e][1]
        return None if index is None else self.tracks.labels[e].roots[index]

    def network_at(self, link: int, s: float) -> LowRankRNN:
        """The network at `s` on the straight line after checkpoint `link`."""
        first, second = self.networks[link], self.networks[link + 1]
        m, n, b = (u + s * (v - u) for u, v in ((first.m, second.m), (first.n, second.n), (first.b, second.b)))
        return LowRankRNN(m, n, b, leak=first.leak, time=first.time, form=first.form)

    def walk(self, e: int) -> Walk:
        """The trial at checkpoint `e`, simulated anew."""
        assert self.trial is not None
        return walk(self.networks[e], self.points[e].fixed_points, self.trial)

    def stretches(self, link: int) -> list[Stretch]:
        """The parts of the line after checkpoint `link` on which the structure stays."""
        every = self.tracks.stretches
        first = bisect_left(every, link, key=attrgetter("link"))
        return list(takewhile(lambda stretch: stretch.link == link, (every[i] for i in range(first, len(every)))))

    def attractor_at(self, stretch: Stretch, s: float) -> int | None:
        """Branch in which the trial ends at `s` of a stretch."""
        from dynaghost.slowpoints.find import find_slow_points

        if self.trial is None:
            return None
        network = self.network_at(stretch.link, s)
        points = find_slow_points(network)
        end = walk(network, points.fixed_points, self.trial).attractor
        # Right at a bracket the structure may be undecided; then nothing is said.
        if end is None or len(points.fixed_points) != len(stretch.roots):
            return None
        return stretch.roots[end]

    def enclosing(self, before: float, after: float) -> tuple[int, int] | None:
        """Indices of the checkpoints that enclose [before, after]; None where the run does not reach so far."""
        return enclosing(self.steps, before, after)


def enclosing(steps: Sequence[int], before: float, after: float) -> tuple[int, int] | None:
    """Indices of the checkpoints that enclose [before, after]; None where they do not reach so far.

    Examples
    --------
    >>> enclosing((0, 10, 20), 12, 15), enclosing((0, 10), 5, 11)
    ((1, 2), None)
    """
    low = int(np.searchsorted(steps, before, side="right")) - 1
    high = int(np.searchsorted(steps, after, side="left"))
    return (low, high) if low >= 0 and high < len(steps) else None
