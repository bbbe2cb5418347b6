"""The whole flow, from the checkpoints of a run to what explains each drop of its loss. Read this file first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np

from dynaghost.checkpoints.recognize import Recognized, recognize
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError, counted
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import find_circuits
from dynaghost.systems.low_rank import LowRankRNN, RankOneCircuit
from dynaghost.trajectories.branches import Tracks
from dynaghost.trajectories.course import Course, Losses
from dynaghost.trajectories.events import Event, find_events, half_zone
from dynaghost.trajectories.findings import Batch, Description, Findings
from dynaghost.trajectories.homotopy import Link, follow
from dynaghost.trajectories.pairs import follow_pairs
from dynaghost.trajectories.returns import reunite
from dynaghost.trajectories.symmetry import odd_along
from dynaghost.trajectories.tracker import track
from dynaghost.trajectories.trial import Trial, walk
from dynaghost.trajectories.verdict import judge

BATCH = 64
"""Checkpoints in one task. The same for every number of jobs, so that results are too."""


class Analysis(Findings):
    """Everything that was found about a run, and what to do with it.

    `points`, `branches`, `events`, `verdicts`, `graph`, `to_dataframe()` and the rest are those of `Findings`.
    """

    def save(self, out: str | PathLike[str]) -> None:
        """Write the folder of results: `analysis.db`, `analysis.json`, `graph.graphml` and `graph.json`.

        Raises
        ------
        StoreError
            If the folder holds the results of another run or of other settings.
        """
        from dynaghost.store import save

        save(self, out)


def analyze(
    source: Run | str | PathLike[str] | Sequence[Any],
    *,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    done: Callable[[int], Batch | None] | None = None,
    keep: Callable[[int, Batch], None] | None = None,
) -> Analysis:
    """From checkpoints to slow points, branches, events and verdicts.

    Parameters
    ----------
    source : Run, folder, list of files or list of state dicts
        Networks of rank one.
    n_jobs : int
        Workers; the answer is the same for any number.
    progress : callable, optional
        Called with the number of checkpoints of each batch as it is done, or found to be done.
    done, keep : callable, optional
        `done(i)` gives batch `i` if it was computed before; `keep(i, batch)` stores one.

    Returns
    -------
    Analysis

    Raises
    ------
    CheckpointError
        If checkpoints cannot be read, ordered or recognized.
    DynaghostError
        If `n_jobs` is not a whole number of at least 1.

    Examples
    --------
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)]
    >>> result = analyze(load_run(weights, leak=0.5))
    >>> [event.kind.value for event in result.events], [len(p.fixed_points) for p in result.points]
    (['saddle_node'], [3, 3, 1])
    """
    if not isinstance(n_jobs, int) or n_jobs < 1:
        raise DynaghostError(f"n_jobs: expected a whole number of at least 1, got {n_jobs!r}")
    run = source if isinstance(source, Run) else load_run(source)
    found = [recognize(checkpoint.read(), run.settings, checkpoint.file) for checkpoint in run]
    networks = tuple(_rank_one(one.system, checkpoint.file) for one, checkpoint in zip(found, run, strict=True))
    steps = tuple(checkpoint.step for checkpoint in run)
    batches = _batches(steps, networks, n_jobs, progress, done, keep)
    points = tuple(p for batch in batches for p in batch.points)
    links = tuple(link for batch in batches for link in batch.links)
    course = _course(steps, networks, points, links, run)
    events = find_events(course)
    return Analysis(
        description=_with_notes(describe(run, found[0]), half_zone(course, events)),
        steps=steps,
        files=tuple(checkpoint.file for checkpoint in run),
        circuits=course.circuits,
        points=points,
        tracks=course.tracks,
        pairs=course.pairs,
        starts=_starts(course),
        losses=course.losses,
        events=events,
        verdicts=judge(course, events),
        structural=_structural(course.tracks, events),
    )


def load_analysis(folder: str | PathLike[str]) -> Analysis:
    """The analysis that `Analysis.save` wrote, equal to the last bit.

    Raises
    ------
    StoreError
        If the folder holds no finished analysis, or a damaged one.
    """
    from dynaghost.store import load

    return load(folder, Analysis)


def describe(run: Run, found: Recognized) -> Description:
    """What is analyzed, in words and numbers."""
    return Description(
        source=run.source,
        axis=run.axis,
        order=run.order,
        equation=found.equation,
        guess=found.guess,
        notes=run.notes + found.notes,
        time=found.system.time.value,
        dim=1,
        units=found.system.dim,
        leak=found.system.leak,
        trial=_trial(run.settings),
        content=run.content_hash(),
    )


def _with_notes(description: Description, notes: tuple[str, ...]) -> Description:
    return replace(description, notes=description.notes + notes)


def _rank_one(system: LowRankRNN, file: str) -> LowRankRNN:
    if not isinstance(system.latent(), RankOneCircuit):
        size = f"rank {system.rank} of {counted(system.dim, 'unit')}"
        raise DynaghostError(f"{file}: expected a network of rank one in this version, got {size}")
    return system


def _trial(settings: Settings) -> Trial | None:
    if settings.x0 is None:
        return None
    return Trial(settings.x0, settings.trial_steps, settings.delay, settings.threshold)


def _batches(
    steps: tuple[int, ...],
    networks: tuple[LowRankRNN, ...],
    n_jobs: int,
    progress: Callable[[int], None] | None,
    done: Callable[[int], Batch | None] | None,
    keep: Callable[[int, Batch], None] | None,
) -> list[Batch]:
    starts = range(0, len(steps), BATCH)
    batches: dict[int, Batch] = {}
    for i in range(len(starts)):
        batch = None if done is None else done(i)
        if batch is not None and batch.steps == steps[starts[i] : starts[i] + BATCH]:
            batches[i] = batch
            if progress is not None:
                progress(len(batch.steps))
    missing = [i for i in range(len(starts)) if i not in batches]
    # One checkpoint more than the batch's own, for the link into the next batch.
    tasks = [
        (i, steps[starts[i] : starts[i] + BATCH + 1], networks[starts[i] : starts[i] + BATCH + 1]) for i in missing
    ]
    for i, batch in _computed(tasks, n_jobs):
        batches[i] = batch
        if keep is not None:
            keep(i, batch)
        if progress is not None:
            progress(len(batch.steps))
    return [batches[i] for i in range(len(starts))]


_Task = tuple[int, tuple[int, ...], tuple[LowRankRNN, ...]]


def _computed(tasks: list[_Task], n_jobs: int) -> Iterator[tuple[int, Batch]]:
    if n_jobs == 1 or len(tasks) < 2:
        yield from map(compute_batch, tasks)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(compute_batch)(task) for task in tasks)


def compute_batch(task: _Task) -> tuple[int, Batch]:
    """Slow points of a batch's checkpoints, and the links between them."""
    i, steps, networks = task
    circuits = [_circuit(network) for network in networks]
    own = circuits[:BATCH]
    m, n, b = (np.stack(stack) for stack in zip(*(circuit.weights for circuit in circuits), strict=True))
    return i, Batch(steps[:BATCH], tuple(find_circuits(own)), tuple(follow(m, n, b)))


def _circuit(network: LowRankRNN) -> RankOneCircuit:
    circuit = network.latent()
    assert isinstance(circuit, RankOneCircuit)
    return circuit


def _course(
    steps: tuple[int, ...],
    networks: tuple[LowRankRNN, ...],
    points: tuple[SlowPoints, ...],
    links: tuple[Link, ...],
    run: Run,
) -> Course:
    circuits = tuple(_circuit(network) for network in networks)
    odd = [odd_along(a.weights, b.weights) for a, b in pairwise(circuits)]
    tracks = track(steps, points, links, odd)
    ghosts = [labels.ghosts for labels in tracks.labels]
    pairs = follow_pairs(steps, circuits, points, tracks.branches, ghosts, tracks.crossings)
    tracks, pairs = reunite(tracks, pairs, steps, circuits, points)
    trial = _trial(run.settings)
    walks = None
    if trial is not None:
        walks = tuple(walk(network, p.fixed_points, trial) for network, p in zip(networks, points, strict=True))
    losses = Losses(run.metrics.steps, run.metrics.loss, run.metrics.grad_norm)
    return Course(steps, networks, circuits, points, links, tracks, pairs, walks, trial, losses)


def _starts(course: Course) -> tuple[tuple[float, int | None], ...] | None:
    if course.walks is None:
        return None
    return tuple((one.start, course.attractor(e)) for e, one in enumerate(course.walks))


def _structural(tracks: Tracks, events: tuple[Event, ...]) -> tuple[int, ...]:
    """The event of every crossing: the one of its kind, bracket and branches."""
    ids = {(e.before, e.kind.value, tuple(e.evidence["bracket"]), e.branches): e.id for e in events if e.at is not None}
    return tuple(ids[tracks.steps[c.link], c.kind.value, (c.before, c.after), c.branches] for c in tracks.crossings)
