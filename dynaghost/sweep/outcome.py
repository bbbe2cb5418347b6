"""One task of a sweep: train some runs of equal shape, and say in a row each what became of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.sweep.grid import Point
from dynaghost.sweep.table import Row
from dynaghost.training.descent import Descent, descend, descend_many, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one
from dynaghost.training.outputs import outputs, recurrent
from dynaghost.training.readout_networks import initial_low_rank
from dynaghost.training.recording import record as recorded
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trainer import train
from dynaghost.trajectories.census import Census, census, joined, steps
from dynaghost.trajectories.drops import loss_drops, stagnation
from dynaghost.trajectories.oscillations import oscillations

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
    readout: str
    analyze: bool
    save_every: int | None = None
    folder: Path | None = None

    def task_of(self, point: Point) -> DelayedActivation:
        """The task of one run: its delay and confidence, and a trial longer in proportion."""
        length = round(self.task.steps * point.delay_steps / self.task.delay_steps)
        return replace(self.task, delay_steps=point.delay_steps, steps=length, confidence=point.confidence)

    def network_of(self, point: Point) -> Any:
        """The network of one run before training."""
        if self.readout == "fixed":
            return initial_rank_one(units=self.units, seed=point.seed)
        return initial_low_rank(rank=point.rank, units=self.units, seed=point.seed)

    def described(self) -> dict[str, Any]:
        """Ready for JSON; without what each run has of its own."""
        fixed = {name: getattr(self.task, name) for name in ("leak", "threshold", "x0")}
        return {
            "epochs": self.epochs,
            "record": list(self.record),
            "units": self.units,
            "readout": self.readout,
            "trial in delays": self.task.steps / self.task.delay_steps,
            "analyze": self.analyze,
            "save_every": self.save_every,
            **fixed,
        }


@dataclass(slots=True)
class _Course:
    """A run as it goes: every epoch's loss and gradient norm, the last epoch's included."""

    point: Point
    task: DelayedActivation
    first: Any
    network: Any
    loss: np.ndarray
    gradient_norm: np.ndarray
    counts: list[Census] = field(default_factory=list)
    still_from: int | None = None
    diverged: bool = False

    @property
    def ended(self) -> bool:
        return self.diverged or self.still_from is not None


def rows_of(points: Sequence[Point], settings: Settings) -> list[Row]:
    """Train and judge.

    Parameters
    ----------
    points : sequence of Point
        Of one shape: they differ in seed, rate and confidence only.
    settings : Settings

    Returns
    -------
    list of Row
        One a point. The same whatever stands together with it.
    """
    if settings.save_every is not None:
        for point in points:
            _save(point, settings)
    courses = [_begun(point, settings) for point in points]
    for start in range(0, settings.epochs, CHUNK):
        going = [course for course in courses if not course.ended]
        if going:
            _advance(going, start, min(CHUNK, settings.epochs - start), settings)
    for course in courses:
        if not course.ended:
            course.loss[-1], course.gradient_norm[-1] = measure(course.network, course.task)
    return [_judged(course, settings) for course in courses]


def _save(point: Point, settings: Settings) -> None:
    """Train into a folder of checkpoints: a second training, with the same bits."""
    assert settings.folder is not None
    p = point
    name = f"rank{p.rank}_delay{p.delay_steps}_confidence{p.confidence:g}_rate{p.learning_rate:g}_seed{p.seed}"
    train(
        settings.task_of(point),
        out=settings.folder / "runs" / name,
        rank=point.rank,
        units=settings.units,
        readout="trained" if settings.readout == "trained" else None,
        learning_rate=point.learning_rate,
        epochs=settings.epochs,
        seed=point.seed,
        save_every=settings.save_every,
    )


def _begun(point: Point, settings: Settings) -> _Course:
    network, empty = settings.network_of(point), np.full(settings.epochs + 1, np.nan)
    return _Course(point, settings.task_of(point), network, network, empty, empty.copy())


def _advance(courses: Sequence[_Course], start: int, size: int, settings: Settings) -> None:
    for course, descent in zip(courses, _descents(courses, start, size, settings), strict=True):
        if descent is None:
            course.diverged = True
            continue
        here = slice(start, start + size)
        course.loss[here], course.gradient_norm[here] = descent.loss, descent.gradient_norm
        if size == CHUNK and _equal(descent.network, course.network):
            _repeat(course, start, size)
        course.network = descent.network


def _descents(courses: Sequence[_Course], start: int, size: int, settings: Settings) -> list[Descent[Any] | None]:
    """Of each its next updates; None where weights grow to infinity."""
    if len(courses) > 1 and settings.readout == "fixed" and not settings.analyze:
        try:
            return [*_together(courses, size)]
        except DynaghostError:
            pass  # one of them diverges: each on its own
    return [_alone(course, start, size, settings) for course in courses]


def _together(courses: Sequence[_Course], size: int) -> list[Descent[RankOneNetwork]]:
    return descend_many(
        [course.network for course in courses],
        courses[0].task,
        learning_rates=[course.point.learning_rate for course in courses],
        confidences=[course.point.confidence for course in courses],
        updates=size,
    )


def _alone(course: _Course, start: int, size: int, settings: Settings) -> Descent[Any] | None:
    rate = course.point.learning_rate
    try:
        if settings.analyze:
            return _counting(course, start, size)
        return descend(course.network, course.task, learning_rate=rate, updates=size)
    except DynaghostError:
        return None


def _counting(course: _Course, start: int, size: int) -> Descent[RankOneNetwork]:
    """Train and count fixed points and ghosts at every epoch, without keeping weights."""
    network, losses, norms, rate = course.network, [], [], course.point.learning_rate
    for part in recorded(network, course.task, learning_rate=rate, updates=size, start=start):
        losses.append(part.loss)
        norms.append(part.gradient_norm)
        course.counts.extend(census([(part.m, part.n, part.b)], threshold=course.task.threshold))
        network = part.network
    return Descent(network, np.concatenate(losses), np.concatenate(norms))


def _equal(one: Any, other: Any) -> bool:
    return all(np.array_equal(values, other.weights[name]) for name, values in one.weights.items())


def _repeat(course: _Course, start: int, size: int) -> None:
    """The same weights again after `size` epochs: what follows repeats these epochs for ever, to the last bit."""
    for curve in (course.loss, course.gradient_norm):
        curve[start:] = np.resize(curve[start : start + size], curve.size - start)
    course.still_from = start


def _judged(course: _Course, settings: Settings) -> Row:
    point, task = course.point, course.task
    epochs, loss = np.arange(settings.epochs + 1), course.loss
    drops = loss_drops(epochs, loss)
    silent = stagnation(epochs, loss, course.gradient_norm)
    least = 0 if np.isnan(loss).all() else int(np.nanargmin(loss))
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
        singular_values=_singular_values(course),
        **(_counted(course) if settings.analyze else {}),
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


def _singular_values(course: _Course) -> tuple[float, ...]:
    change = recurrent(course.network) - recurrent(course.first)
    return tuple(np.linalg.svd(change, compute_uv=False)[:SINGULAR_VALUES].tolist())


def _counted(course: _Course) -> dict[str, Any]:
    """The columns of the proof at every epoch. The last network is not among the recorded ones."""
    found = joined([*course.counts, *_last(course.network)])
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
