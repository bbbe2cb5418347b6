"""The whole flow, from the checkpoints of a run to what explains each drop of its loss. Read this file first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from dynaghost.checkpoints.recognize import Recognized, recognize
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.systems.base import System
from dynaghost.trajectories import on_line
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.findings import Batch, Description, Findings, Outcome
from dynaghost.trajectories.trial import Trial


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
    drops: DropRule | None = None,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    done: Callable[[int], Batch | None] | None = None,
    keep: Callable[[int, Batch], None] | None = None,
) -> Analysis:
    """From checkpoints to slow points, branches, events and verdicts.

    Parameters
    ----------
    source : Run, folder, list of files or list of state dicts
        Networks of rank one are proved on the whole line; of others, what their search can prove is.
    drops : DropRule, optional
        What counts as a drop of the loss; by default a loss that is halved within a tenth of the run.
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
    steps = tuple(checkpoint.step for checkpoint in run)
    networks = tuple(one.system for one in found)
    flow: Flow = Line(run, drops) if on_line.serves(networks) else Space(run, n_jobs, drops)
    batches = _batches(flow, steps, networks, n_jobs, progress, done, keep)
    outcome = flow.conclude(steps, networks, batches)
    return Analysis(
        description=describe(run, found[0], outcome),
        steps=steps,
        files=tuple(checkpoint.file for checkpoint in run),
        circuits=outcome.circuits,
        points=outcome.points,
        tracks=outcome.tracks,
        pairs=outcome.pairs,
        starts=outcome.starts,
        losses=_losses(run, drops),
        events=outcome.events,
        verdicts=outcome.verdicts,
        structural=outcome.structural,
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


def describe(run: Run, found: Recognized, outcome: Outcome) -> Description:
    """What is analyzed, in words and numbers."""
    return Description(
        source=run.source,
        axis=run.axis,
        order=run.order,
        equation=found.equation,
        guess=found.guess,
        notes=run.notes + found.notes + outcome.notes,
        time=found.system.time.value,
        dim=outcome.circuits[0].dim,
        units=found.system.dim,
        coordinates="state" if outcome.circuits[0] is found.system else "latent",
        leak=found.system.leak,
        trial=_trial(run.settings),
        content=run.content_hash(),
    )


class Line:
    """The flow of runs whose networks are of rank one."""

    batch = on_line.BATCH

    def __init__(self, run: Run, drops: DropRule | None) -> None:
        self.run, self.losses = run, _losses(run, drops)

    def task(self, steps: tuple[int, ...], networks: Sequence[Any]) -> Callable[[], Batch]:
        return partial(on_line.compute, steps, networks)

    def conclude(self, steps: tuple[int, ...], networks: Any, batches: Sequence[Batch]) -> Outcome:
        return on_line.conclude(steps, networks, batches, _trial(self.run.settings), self.losses)


class Space:
    """The flow of all other runs."""

    def __init__(self, run: Run, n_jobs: int, drops: DropRule | None) -> None:
        from dynaghost.trajectories import in_space  # late: runs of rank one need nothing of it

        self.run, self.n_jobs, self.flow, self.batch = run, n_jobs, in_space, in_space.BATCH
        self.losses = _losses(run, drops)
        given = run.settings
        self.search = in_space.Search(given.starts, given.seed, given.budget)

    def task(self, steps: tuple[int, ...], networks: Sequence[Any]) -> Callable[[], Batch]:
        return partial(self.flow.compute, steps, networks, self.search)

    def conclude(self, steps: tuple[int, ...], networks: Any, batches: Sequence[Batch]) -> Outcome:
        return self.flow.conclude(steps, networks, batches, self._visits(), self.losses, apply=self._apply)

    def _apply(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        if self.n_jobs == 1:
            return map(function, items)
        from joblib import Parallel, delayed

        return Parallel(n_jobs=self.n_jobs)(delayed(function)(item) for item in items)

    def _visits(self) -> Callable[..., Any] | None:
        given, trial = self.run.settings, _trial(self.run.settings)
        if given.trials is not None and given.trials.inputs is not None:
            if given.trials.states is not None:
                # Recorded states are those of the network that was trained, the last checkpoint.
                given.trials.check(self._drive(len(self.run) - 1))
            period = given.period_of_trials()
            return self.flow.from_trials(given.trials, period, given.context, self._drive)
        return None if trial is None else self.flow.from_x0(trial)

    def _drive(self, e: int) -> Callable[[Any], System]:
        checkpoint = self.run.checkpoints[e]
        arrays = checkpoint.read()
        return lambda value: recognize(arrays, replace(self.run.settings, inputs=value), checkpoint.file).system


Flow = Line | Space


def _losses(run: Run, drops: DropRule | None) -> Losses:
    return Losses(run.metrics.steps, run.metrics.loss, run.metrics.grad_norm, drops or DropRule())


def _trial(settings: Settings) -> Trial | None:
    if settings.x0 is None:
        return None
    return Trial(settings.x0, settings.trial_steps, settings.delay, settings.threshold)


def _batches(
    flow: Flow,
    steps: tuple[int, ...],
    networks: tuple[System, ...],
    n_jobs: int,
    progress: Callable[[int], None] | None,
    done: Callable[[int], Batch | None] | None,
    keep: Callable[[int, Batch], None] | None,
) -> list[Batch]:
    spans = [slice(first, first + flow.batch) for first in range(0, len(steps), flow.batch)]
    batches: dict[int, Batch] = {}
    for i, span in enumerate(spans):
        batch = None if done is None else done(i)
        if batch is not None and batch.steps == steps[span]:
            batches[i] = batch
            if progress is not None:
                progress(len(batch.steps))
    # One checkpoint more than the batch's own, for the link into the next batch.
    wider = {i: slice(span.start, span.stop + 1) for i, span in enumerate(spans) if i not in batches}
    tasks = [(i, flow.task(steps[span], networks[span])) for i, span in wider.items()]
    for i, batch in _computed(tasks, n_jobs):
        batches[i] = batch
        if keep is not None:
            keep(i, batch)
        if progress is not None:
            progress(len(batch.steps))
    return [batches[i] for i in range(len(spans))]


_Task = tuple[int, Callable[[], Batch]]


def _computed(tasks: list[_Task], n_jobs: int) -> Iterator[tuple[int, Batch]]:
    if n_jobs == 1 or len(tasks) < 2:
        yield from map(compute_batch, tasks)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(compute_batch)(task) for task in tasks)


def compute_batch(task: _Task) -> tuple[int, Batch]:
    """The batch of one task, with its number."""
    i, compute = task
    return i, compute()
