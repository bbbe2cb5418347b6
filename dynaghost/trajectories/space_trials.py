"""Trials of a run in many dimensions: what they visit at each checkpoint, and how they begin anywhere on a link."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np

from dynaghost.packed import Packer, made
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.systems.trials import Drive, Period, Trials
from dynaghost.trajectories.straight import between
from dynaghost.trajectories.trial import Trial
from dynaghost.trajectories.visits import NUMBERS, Visit, first_states, numbers_each, shown, visit


def reduced(network: System) -> System:
    """In whose coordinates slow points are: the latent circuit of a network of low rank, else the network."""
    return network.latent() if isinstance(network, LowRankRNN) else network


class Visits(Protocol):
    """What trials visit at a checkpoint, from its index, network and slow points."""

    def __call__(self, e: int, network: System, points: SlowPoints) -> Visit: ...

    def starts(self, e: int, s: float, network: System) -> Array:
        """First states (trials, units) at `s` on the line from checkpoint `e` to the next; `network` is that there."""


_TOGETHER = 16  # paths, which are large, that are packed at once

End = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The `Visit` of a checkpoint of a run; what takes much space is simulated again when it is asked for."""

    ends: End
    gone: int
    again: Callable[[], Visit]

    @property
    def visited(self) -> Array:
        return self.again().visited

    @property
    def starts(self) -> Array | None:
        return self.again().starts

    @property
    def steps(self) -> int | None:
        return self.again().steps


class SeenRun(Sequence[Seen]):
    """What trials visit at every checkpoint of a run.

    Parameters
    ----------
    visits : Visits
    networks, points : sequences
        One a checkpoint.

    Attributes
    ----------
    first : list of ndarray (dim,)
        The first state of the first trial at every checkpoint.
    paths : sequence of ndarray (trials, times, dim)
        For pictures, as `Visit.paths`, of at most `NUMBERS` in all.
    """

    def __init__(self, visits: Visits, networks: Sequence[System], points: Sequence[SlowPoints]) -> None:
        self._visits, self._networks, self._points = visits, networks, points
        told: Packer[tuple[End, int]] = Packer(tuple[End, int])
        first, paths = Packer[Array](Array), Packer[Array](Array, _TOGETHER)
        most = numbers_each(len(networks))
        for e in range(len(networks)):
            (one,) = self._visit(range(e, e + 1))
            told.append((one.ends, one.gone))
            first.append(one.visited[0])
            paths.append(shown(one.paths, most))
        self._told, self.first, self.paths = told.packed(), first.packed(), paths.packed()
        # The last few are kept.
        self._again = made(self._visit, len(networks), 1)

    def __len__(self) -> int:
        return len(self._told)

    @overload
    def __getitem__(self, index: int) -> Seen: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Seen, ...]: ...

    def __getitem__(self, index: int | slice) -> Seen | tuple[Seen, ...]:
        places = range(len(self))[index]
        return self._at(places) if isinstance(places, int) else tuple(map(self._at, places))

    def _at(self, e: int) -> Seen:
        return Seen(*self._told[e], lambda: self._again[e])

    def _visit(self, places: range) -> list[Visit]:
        return [self._visits(e, self._networks[e], self._points[e]) for e in places]


@dataclass(frozen=True, slots=True)
class _FromX0:
    trial: Trial

    def __call__(self, e: int, network: System, points: SlowPoints) -> Visit:
        states = first_states(network, self.trial.x0)
        return visit(network, reduced(network), points.fixed_points, states, steps=self.trial.steps)

    def starts(self, e: int, s: float, network: System) -> Array:
        return first_states(network, self.trial.x0)


def from_x0(trial: Trial) -> Visits:
    """Trials that start at given states and have no other input than the network's constant one."""
    return _FromX0(trial)


@dataclass(frozen=True, slots=True)
class _FromTrials:
    trials: Trials
    period: Period
    context: int
    drives: Callable[[int], Drive]

    def __call__(self, e: int, network: System, points: SlowPoints) -> Visit:
        period = self.period
        path = self._path(self.drives(e))
        after = visit(network, reduced(network), points.fixed_points, path[:, -1])
        states = path.reshape(-1, path.shape[-1])
        circuit = reduced(network)
        inside = states if circuit is network else circuit.project(states)  # type: ignore[attr-defined]
        paths = shown(np.asarray(inside).reshape(*path.shape[:2], -1), NUMBERS)
        return Visit(np.asarray(inside), after.ends, path[:, 0], period.stop - period.start, paths, after.gone)

    def starts(self, e: int, s: float, network: System) -> Array:
        first, second = self.drives(e), self.drives(e + 1)
        return self._path(lambda value: between(first(value), second(value), s))[:, -1]

    def _path(self, drive: Drive) -> Array:
        """The states of the period: (trials of the context, steps + 1, units)."""
        chosen = self.period.context == self.context
        return self.trials.simulate(drive)[chosen, self.period.start : self.period.stop + 1]


def from_trials(trials: Trials, period: Period, context: int, drives: Callable[[int], Drive]) -> Visits:
    """Trials with inputs over time, in the period whose constant input is analyzed.

    Parameters
    ----------
    trials : Trials
    period : Period
    context : int
        Which of the period's inputs; only the trials that have it are felt.
    drives : callable
        From the index of a checkpoint to its network under a given input.
    """
    return _FromTrials(trials, period, context, drives)
