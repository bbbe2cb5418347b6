"""One task of a sweep: train some runs of equal shape, and say in a row each what became of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.sweep.grid import Point
from dynaghost.sweep.table import Row
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one
from dynaghost.training.outputs import outputs
from dynaghost.training.recording import record as recorded
from dynaghost.training.task import DelayedActivation
from dynaghost.trajectories.census import Census, census, joined, steps
from dynaghost.trajectories.drops import loss_drops, oscillations, stagnation

CHUNK = 1000
"""Epochs between two looks at whether a run has come to a standstill."""
SINGULAR_VALUES = 10
MOST_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What all runs of a sweep have in common."""

    epochs: int
    record: tuple[int, ...]
    task: DelayedActivation
    units: int
    analyze: bool

    def task_of(self, point: Point) -> DelayedActivation:
        """The task of one run: its delay and confidence, and a trial longer in proportion."""
        length = round(self.task.steps * point.delay_steps / self.task.delay_steps)
        return replace(self.task, delay_steps=point.delay_steps, steps=length, confidence=point.confidence)

    def described(self) -> dict[str, Any]:
        """Ready for JSON; without what each run has of its own."""
        fixed = {name: getattr(self.task, name) for name in ("leak", "threshold", "x0")}
        return {
            "epochs": self.epochs,
            "record": list(self.record),
            "units": self.units,
            "trial in delays": self.task.steps / self.task.delay_steps,
            "analyze": self.analyze,
            **fixed,
        }


@dataclass(slots=True)
class _Course:
    """A run as it goes: every epoch's loss and gradient norm, the last epoch's included."""

    network: RankOneNetwork
    loss: np.ndarray
    gradient_norm: np.ndarray
    still_from: int | None = None
    diverged: bool = False


def rows_of(points: Sequence[Point], settings: Settings) -> list[Row]:
    """Train and judge.

    Parameters
    ----------
    points : sequence of Point
        Of one shape: they differ in seed and rate only.
    settings : Settings

    Returns
    -------
    list of Row
        One a point. The same whatever stands together with it.
    """
    return [_row(point, settings) for point in points]


def _row(point: Point, settings: Settings) -> Row:
    task, first = settings.task_of(point), initial_rank_one(units=settings.units, seed=point.seed)
    counts: list[Census] = []
    course = _trained(first, task, point.learning_rate, settings, counts)
    return _judged(point, settings, task, first, course, _counted(counts, course) if settings.analyze else {})


def _trained(
    network: RankOneNetwork, task: DelayedActivation, rate: float, settings: Settings, counts: list[Census]
) -> _Course:
    epochs = settings.epochs
    course = _Course(network, np.full(epochs + 1, np.nan), np.full(epochs + 1, np.nan))
    for start in range(0, epochs, CHUNK):
        size = min(CHUNK, epochs - start)
        try:
            after = _advanced(course, task, rate, start, size, counts if settings.analyze else None)
        except DynaghostError:
            course.diverged = True
            return course
        if size == CHUNK and _equal(after, course.network):
            _repeat(course, start, size)
            return course
        course.network = after
    course.loss[-1], course.gradient_norm[-1] = measure(course.network, task)
    return course


def _advanced(
    course: _Course, task: DelayedActivation, rate: float, start: int, size: int, counts: list[Census] | None
) -> RankOneNetwork:
    here = slice(start, start + size)
    if counts is None:
        descent = descend(course.network, task, learning_rate=rate, updates=size)
        course.loss[here], course.gradient_norm[here] = descent.loss, descent.gradient_norm
        return descent.network
    network = course.network
    for part in recorded(network, task, learning_rate=rate, updates=size, start=start):
        course.loss[part.epochs.start : part.epochs.stop] = part.loss
        course.gradient_norm[part.epochs.start : part.epochs.stop] = part.gradient_norm
        counts.extend(census([(part.m, part.n, part.b)], threshold=task.threshold))
        network = part.network
    return network


def _equal(one: RankOneNetwork, other: RankOneNetwork) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("m", "n", "b"))


def _repeat(course: _Course, start: int, size: int) -> None:
    """The same weights again after `size` epochs: what follows repeats these epochs for ever, to the last bit."""
    for curve in (course.loss, course.gradient_norm):
        curve[start:] = np.resize(curve[start : start + size], curve.size - start)
    course.still_from = start


def _judged(
    point: Point,
    settings: Settings,
    task: DelayedActivation,
    first: RankOneNetwork,
    course: _Course,
    counted: dict[str, Any],
) -> Row:
    epochs, loss = np.arange(settings.epochs + 1), course.loss
    drops = loss_drops(epochs, loss)
    silent = stagnation(epochs, loss, course.gradient_norm)
    least = int(np.nanargmin(loss))
    swings = sum(one.after - one.before for one in oscillations(epochs, loss))
    wrong = is_wrong(outputs(course.network, task), task)
    stuck = silent is not None and wrong
    begin, end = fall(loss)
    return Row(
        seed=point.seed,
        learning_rate=point.learning_rate,
        rank=point.rank,
        confidence=point.confidence,
        delay_steps=point.delay_steps,
        losses=tuple(loss[list(settings.record)].tolist()),
        final_loss=float(loss[-1]),
        gradient_norm=float(course.gradient_norm[-1]),
        least_loss=float(loss[least]),
        least_epoch=least,
        drops=len(drops),
        drop_begin=int(drops[0].before) if drops else None,
        drop_end=int(drops[-1].after) if drops else None,
        drop_epochs=int(sum(drop.after - drop.before for drop in drops)),
        fall_begin=begin,
        fall_end=end,
        oscillation=float(swings / settings.epochs),
        wrong=wrong,
        stuck=stuck,
        stuck_from=int(silent.before) if silent is not None and stuck else None,
        still_from=course.still_from,
        diverged=course.diverged,
        singular_values=_singular_values(first, course.network),
        **counted,
    )


def is_wrong(output: np.ndarray, task: DelayedActivation) -> bool:
    """Whether a trial ends on the wrong side of ½, or is above it from its first step on.

    Examples
    --------
    >>> task = DelayedActivation()
    >>> is_wrong(np.full(40, 0.1), task), is_wrong(np.r_[np.full(20, 0.1), np.full(20, 0.9)], task)
    (True, False)
    """
    on = output >= 0.5
    return bool(not on[-1] or on[: task.delay_steps].all())


def fall(loss: np.ndarray) -> tuple[int | None, int | None]:
    """When a loss goes from 90 % to 10 % of its first value: the last epoch with no loss so far below the one, and the
    first below the other; None where it does not.

    Examples
    --------
    >>> fall(np.array([1.0, 0.95, 0.5, 0.08, 0.2]))
    (1, 3)
    """
    begun, ended = (np.flatnonzero(loss < share * loss[0]) for share in (0.9, 0.1))
    return (int(begun[0]) - 1 if begun.size else None), (int(ended[0]) if ended.size else None)


def _singular_values(first: RankOneNetwork, last: RankOneNetwork) -> tuple[float, ...]:
    change = np.outer(last.m, last.n) - np.outer(first.m, first.n)
    return tuple(np.linalg.svd(change, compute_uv=False)[:SINGULAR_VALUES].tolist())


def _counted(parts: Sequence[Census], course: _Course) -> dict[str, Any]:
    """The columns of the proof at every epoch. The last network is not among the recorded ones."""
    network = course.network
    found = joined([*parts, *_last(network)])
    size = course.loss.size
    fixed, ghosts, complete = (_whole(a, size, course) for a in (found.fixed_points, found.ghosts, found.complete))
    changes = tuple((s.epoch, s.before, s.after) for s in steps(fixed)[:MOST_CHANGES])
    return {
        "proved_epochs": int(complete.sum()),
        "one_epochs": int((fixed == 1).sum()),
        "more_epochs": int((fixed > 1).sum()),
        "ghost_epochs": int((ghosts > 0).sum()),
        "changes": changes,
        "ghost_from": _first(ghosts > 0),
        "more_from": _first(fixed > 1),
    }


def _last(network: RankOneNetwork) -> Iterator[Census]:
    yield from census([(network.m[None], network.n[None], network.b[None])])


def _whole(counts: np.ndarray, size: int, course: _Course) -> np.ndarray:
    if course.still_from is None:
        return counts
    cycle = counts[course.still_from : course.still_from + CHUNK]
    return np.concatenate([counts[: course.still_from], np.resize(cycle, size - course.still_from)])


def _first(flags: np.ndarray) -> int | None:
    return int(np.argmax(flags)) if flags.any() else None
