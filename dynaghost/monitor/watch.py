"""What is found at one look at a network, and what happened since the look before: runs in the other process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynaghost.analysis import analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.errors import DynaghostError
from dynaghost.monitor.folder import Row
from dynaghost.monitor.schedule import Copy, Weights
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.trajectories import in_space, on_line
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import Event, EventKind, stagnation_of
from dynaghost.trajectories.findings import Batch

_HISTORY = 64
"""Looks that are remembered for a no-learning zone; beyond, every second one of the older half is forgotten."""
_PATIENCE = 8
"""Looks between two searches for a no-learning zone while the gradient is gone."""


@dataclass(frozen=True, slots=True)
class Task:
    """One look.

    Attributes
    ----------
    step : int
    weights : dict of str to ndarray
    rows : sequence of (step, loss, gradient norm)
        Of the metrics, since the task before.
    """

    step: int
    weights: Weights
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look found.

    Attributes
    ----------
    step : int
        Updates done.
    fixed_points, stable, ghosts : int
        How many.
    min_speed : float or None
        The least speed of a ghost; None without one.
    passage_time : float or None
        The longest of a ghost, in τ for a flow and in iterations for a map.
    complete : bool
        Proved: these are all fixed points.
    events : tuple of Event
        Since the look before; their `before` and `after` are the steps of the two looks.
    no_learning_zone : Event or None
        Where this look is the first to show one.
    points : SlowPoints
    seconds : float
        Processor time that the analysis took.
    """

    step: int
    fixed_points: int
    stable: int
    ghosts: int
    min_speed: float | None
    passage_time: float | None
    complete: bool
    events: tuple[Event, ...]
    no_learning_zone: Event | None
    points: SlowPoints
    seconds: float

    @property
    def values(self) -> dict[str, float]:
        """What is logged, by name."""
        found: dict[str, float | None] = {
            "dynaghost/n_fixed_points": self.fixed_points,
            "dynaghost/n_stable": self.stable,
            "dynaghost/n_ghosts": self.ghosts,
            "dynaghost/min_speed": self.min_speed,
            "dynaghost/passage_time": self.passage_time,
        }
        return {name: float(value) for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Failure:
    """An analysis that could not be done.

    Attributes
    ----------
    step : int
    reason : str
    """

    step: int
    reason: str


class Watch:
    """Looks at one network after the other; what is known of the look before is not computed again.

    Parameters
    ----------
    options : dict
        Arguments of `load_run`.

    Examples
    --------
    >>> import numpy as np
    >>> watch = Watch({"leak": 0.5})
    >>> weights = [{"m": np.array([1.5]), "n": np.array([1.0]), "b": np.array([b])} for b in (0.1, 0.3)]
    >>> [watch.look(Task(step, one, ())).fixed_points for step, one in enumerate(weights)]
    [3, 1]
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._copies: list[Copy] = []
        self._points: dict[int, SlowPoints] = {}
        self._rows: list[Row] = []
        self._zone_known, self._silent = False, 0

    def look(self, task: Task) -> Observation:
        """The slow points of these weights, and the events since the look before.

        Raises
        ------
        DynaghostError
            If the weights cannot be analyzed.
        """
        begun = time.process_time()
        self._rows.extend(task.rows)
        before = self._copies[-1:]
        for _, weights in before:
            _check_alike(weights, task.weights)
        events, points = self._compare([*before, (task.step, task.weights)])
        self._remember(task, points)
        zone = self._zone()
        ghosts = points.ghosts
        return Observation(
            step=task.step,
            fixed_points=len(points.fixed_points),
            stable=sum(point.stable is True for point in points.fixed_points),
            ghosts=len(ghosts),
            min_speed=min((ghost.speed for ghost in ghosts), default=None),
            passage_time=max((ghost.passage_time for ghost in ghosts), default=None),
            complete=points.complete,
            events=tuple(event for event in events if event.at is not None),
            no_learning_zone=zone,
            points=points,
            seconds=time.process_time() - begun,
        )

    def _compare(self, copies: Sequence[Copy]) -> tuple[tuple[Event, ...], SlowPoints]:
        run = load_run(dict(copies), axis="step", metrics=False, **self._options)
        result = analyze(run, done=self._known(run))
        return result.events, result.points[-1]

    def _known(self, run: Run) -> Any:
        """Slow points that are known, searching what is not; in one dimension all are found again, in no time."""
        networks = [recognize(checkpoint.read(), run.settings, checkpoint.file).system for checkpoint in run]
        if on_line.serves(networks[0]):
            return None
        given = run.settings
        search = in_space.Search(given.own_starts, given.seed, given.budget)
        for checkpoint, network in zip(run, networks, strict=True):
            if checkpoint.step not in self._points:
                batch = in_space.compute((checkpoint.step,), (network,), search)
                (self._points[checkpoint.step],) = batch.points
        steps = [checkpoint.step for checkpoint in run]

        def done(i: int) -> Batch:
            chosen = tuple(steps[i * in_space.BATCH : (i + 1) * in_space.BATCH])
            return Batch(chosen, tuple(self._points[step] for step in chosen), ())

        return done

    def _remember(self, task: Task, points: SlowPoints) -> None:
        self._copies.append((task.step, task.weights))
        self._points[task.step] = points
        if len(self._copies) > _HISTORY:
            self._copies = [*self._copies[: _HISTORY // 2 : 2], *self._copies[_HISTORY // 2 :]]
        kept = {step for step, _ in self._copies}
        self._points = {step: found for step, found in self._points.items() if step in kept}

    def _zone(self) -> Event | None:
        """The no-learning zone, if the gradient is gone and this look is the first to show it."""
        losses = self._losses()
        if self._zone_known or len(self._copies) < 2 or stagnation_of(losses) is None:
            return None
        self._silent += 1
        if self._silent % _PATIENCE != 1:
            return None
        metrics = Metrics(losses.steps, losses.loss, losses.grad_norm, "the monitor")
        run = load_run(dict(self._copies), axis="step", metrics=metrics, **self._options)
        events = analyze(run, done=self._known(run)).events
        found = next((event for event in events if event.kind is EventKind.NO_LEARNING_ZONE), None)
        self._zone_known = found is not None
        return found

    def _losses(self) -> Losses:
        metrics = Metrics.from_rows([(float(step), loss, norm) for step, loss, norm in self._rows], "the monitor")
        return Losses(metrics.steps, metrics.loss, metrics.grad_norm)


def _check_alike(before: Weights, now: Weights) -> None:
    shapes, other = ({name: array.shape for name, array in weights.items()} for weights in (before, now))
    changed = [name for name in {**shapes, **other} if shapes.get(name) != other.get(name)]
    if changed:
        name = changed[0]
        raise DynaghostError(
            f"model: expected weights that keep their names and shapes, got {name} of shape {other.get(name)} after "
            f"{shapes.get(name)}: another network wants another Monitor, with a folder of its own"
        )
