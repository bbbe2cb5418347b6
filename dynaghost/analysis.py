"""The whole flow, from the checkpoints of a run to what explains each drop of its loss. Read this file first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any

from dynaghost.checkpoints.gather import Checkpoint
from dynaghost.checkpoints.periods import in_every_period
from dynaghost.checkpoints.readouts import readout_of
from dynaghost.checkpoints.recognize import Recognized, recognize
from dynaghost.checkpoints.recognizer import networks_of
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.packed import Many, uncollected
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import System
from dynaghost.trajectories import on_line
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.findings import Batch, Description, End, Findings, Outcome
from dynaghost.trajectories.trial import Trial
from dynaghost.workers import in_workers

if TYPE_CHECKING:
    from dynaghost.trajectories.course import Course
    from dynaghost.trajectories.kept_stories import Stories
    from dynaghost.trajectories.line_trials import LineTrials

Compute = Callable[[tuple[int, ...], Sequence[System]], Batch]
"""From the steps and networks of a batch, and one more of each, to what is found about it."""

# Batches a worker that may wait to be kept.
_AHEAD = 16


class Analysis(Findings):
    """Everything that was found about a run, and what to do with it.

    `points`, `branches`, `events`, `verdicts`, `graph`, `to_dataframe()` and the rest are those of `Findings`.

    Examples
    --------
    >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> result
    Analysis(3 dicts: 3 checkpoints, 3 branches, 1 event; no drop of the loss)
    >>> [len(points.ghosts) for points in result.points], result.to_dataframe()["kind"].value_counts().to_dict()
    ([0, 0, 1], {'fixed_point': 7, 'ghost': 1})
    """

    def save(self, out: str | PathLike[str], *, n_jobs: int = 1) -> None:
        """Write the folder of results: `analysis.db`, `analysis.json`, `graph.graphml` and `graph.json`.

        Parameters
        ----------
        out : path
        n_jobs : int
            Workers; what is written is the same for any number.

        Raises
        ------
        StoreError
            If the folder holds the results of another run or of other settings.
        """
        from dynaghost.store import save

        save(self, out, n_jobs=n_jobs)

    def report(self, path: str | PathLike[str]) -> None:
        """Write one HTML page that shows it all, for any browser, without a network (`views.report`).

        Raises
        ------
        DynaghostError
            If the path is that of a folder.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
        >>> with TemporaryDirectory() as out:
        ...     result.report(f"{out}/report.html")
        """
        from dynaghost.views.report import report

        report(self, path)


def analyze(
    source: Run | str | PathLike[str] | Sequence[Any],
    *,
    drops: DropRule | None = None,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    done: Callable[[int], Batch | None] | None = None,
    keep: Callable[[int, Batch], None] | None = None,
    links: "Stories | None" = None,
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
    links : Stories, optional
        Where what is followed between checkpoints of many dimensions is kept, and looked up before it is followed:
        a `Store`.

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
    first = _recognized(run.checkpoints[0], run.settings)
    flow = _flow(run, first, n_jobs, drops, links)
    outcome = flow.conclude(_batches(flow, run, n_jobs, progress, done, keep))
    return Analysis(
        description=describe(run, first, outcome),
        steps=run.steps,
        files=run.files,
        circuits=outcome.circuits,
        points=outcome.points,
        tracks=outcome.tracks,
        pairs=outcome.pairs,
        starts=outcome.starts,
        losses=_losses(run, drops),
        events=outcome.events,
        verdicts=outcome.verdicts,
        structural=outcome.structural,
        paths=outcome.paths,
    )


def analyze_part(
    run: Run,
    part: tuple[int, int],
    *,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    done: Callable[[int], Batch | None] | None = None,
    keep: Callable[[int, Batch], None] | None = None,
) -> int:
    """Slow points of every n-th batch of a run's checkpoints, as one of n tasks of a cluster.

    Parameters
    ----------
    run : Run
    part : (int, int)
        (i, n): from the i-th batch on, 1 ≤ i ≤ n. `Store.join` puts parts together, and `analyze` finishes them.
    n_jobs, progress, done, keep
        As for `analyze`.

    Returns
    -------
    int
        Batches of this part.

    Raises
    ------
    CheckpointError
        As `analyze` does.
    DynaghostError
        If the part is none.

    Examples
    --------
    >>> run = load_run([{"m": [1.5], "n": [1.0], "b": [b / 100]} for b in range(130)])
    >>> kept = {}
    >>> analyze_part(run, (2, 2), keep=kept.__setitem__), kept[1].steps[0]
    (1, 64)
    """
    i, n = part
    if not 1 <= i <= n:
        raise DynaghostError(f"part (--part): expected I/N with 1 ≤ I ≤ N, got {i}/{n}")
    flow = _flow(run, _recognized(run.checkpoints[0], run.settings), n_jobs)
    return len(_batches(flow, run, n_jobs, progress, done, keep, slice(i - 1, None, n)))


def analyze_periods(run: Run, *, drops: DropRule | None = None, n_jobs: int = 1) -> dict[tuple[str, int], Analysis]:
    """The analysis of a run under each constant input of each period of its trials.

    Parameters
    ----------
    run : Run
        With trials (`load_run(…, trials=…)`).
    drops, n_jobs
        As for `analyze`.

    Returns
    -------
    dict of (str, int) to Analysis
        By the name of the period and the number of its input, in the order of time.

    Raises
    ------
    CheckpointError
        If the run has no trials with inputs, or as `analyze` does.

    Examples
    --------
    >>> import numpy as np
    >>> from dynaghost.systems.trials import Trials
    >>> cue = np.zeros((1, 9, 1))
    >>> cue[:, :3] = 1.0
    >>> task = Trials.of(inputs=cue, initial=[[0.0]], periods={"cue": (0, 3), "memory": (3, 9)})
    >>> layer = {"rnn.weight_hh_l0": [[2.0]], "rnn.weight_ih_l0": [[1.0]]}
    >>> found = analyze_periods(load_run([layer], trials=task))
    >>> {name: len(result.points[0].fixed_points) for name, result in found.items()}
    {('cue', 0): 1, ('memory', 0): 3}
    """
    return {name: analyze(one, drops=drops, n_jobs=n_jobs) for name, one in in_every_period(run).items()}


def load_analysis(folder: str | PathLike[str]) -> Analysis:
    """The analysis that `Analysis.save` wrote, equal to the last bit.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Analysis

    Raises
    ------
    StoreError
        If the folder holds no finished analysis, or a damaged one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> with TemporaryDirectory() as out:
    ...     result.save(out)
    ...     load_analysis(out).events == result.events
    True
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
        coordinates=outcome.points[0].coordinates,
        leak=found.system.leak,
        trial=_trial(run.settings),
        content=run.content_hash(),
        search=run.search_hash(),
    )


class Line:
    """The flow of runs whose networks are of rank one."""

    def __init__(self, run: Run, drops: DropRule | None) -> None:
        self.run, self.losses, self.batch = run, _losses(run, drops), on_line.batch_of(len(run))

    @property
    def compute(self) -> Compute:
        return partial(on_line.compute, trial=self._trial, size=self.batch)

    @property
    def _trial(self) -> Trial | None:
        """The one that starts at x0; trials that are given are told instead of it."""
        return None if _has_trials(self.run.settings) else _trial(self.run.settings)

    def conclude(self, batches: Sequence[Batch]) -> Outcome:
        trials = self._trials if _has_trials(self.run.settings) else None
        with uncollected():
            return on_line.conclude(self.run.steps, batches, self._trial, self.losses, trials=trials)

    def lacks(self, batch: Batch) -> bool:
        """Whether all of a batch is known but where the trial ends, as after a change of the trial."""
        return self._trial is not None and not len(batch.ends)

    def _trials(self, course: "Course") -> "LineTrials":
        from dynaghost.trajectories.line_trials import LineTrials  # late: most runs need nothing of it

        return LineTrials(course, _visits(self.run), self._readout, self.run.settings.delay)

    def _readout(self, e: int, network: System) -> Any:
        from dynaghost.trajectories.line_trials import on_kappa

        threshold = self.run.settings.threshold
        return _readout(self.run, e, network) if threshold is None else on_kappa(network, threshold)


class Space:
    """The flow of all other runs."""

    def __init__(self, run: Run, n_jobs: int, drops: DropRule | None, links: "Stories | None" = None) -> None:
        from dynaghost.trajectories import in_space  # late: runs of rank one need nothing of it

        self.run, self.n_jobs, self.flow, self.batch = run, n_jobs, in_space, in_space.BATCH
        self.losses, self.links = _losses(run, drops), links
        given = run.settings
        self.search = in_space.Search(given.starts, given.seed, given.budget)

    @property
    def compute(self) -> Compute:
        return partial(self.flow.compute, search=self.search)

    def conclude(self, batches: Sequence[Batch]) -> Outcome:
        networks = tuple(networks_of(self.run.checkpoints, self.run.settings))
        return self.flow.conclude(
            self.run.steps,
            networks,
            batches,
            _visits(self.run),
            self.losses,
            readouts=partial(_readout, self.run),
            delay=self.run.settings.delay,
            apply=self._apply,
            kept=self.links,
        )

    def lacks(self, batch: Batch) -> bool:
        """Never: no batch has what depends on trials."""
        return False

    def _apply(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        if self.n_jobs == 1:
            return map(function, items)
        from joblib import Parallel, delayed

        # One after the other, so that each can be kept while others are computed.
        return Parallel(n_jobs=self.n_jobs, return_as="generator")(delayed(function)(item) for item in items)


Flow = Line | Space


def _flow(
    run: Run, first: Recognized, n_jobs: int, drops: DropRule | None = None, links: "Stories | None" = None
) -> Flow:
    return Line(run, drops) if on_line.serves(first.system) else Space(run, n_jobs, drops, links)


def _losses(run: Run, drops: DropRule | None) -> Losses:
    return Losses(run.metrics.steps, run.metrics.loss, run.metrics.grad_norm, drops or DropRule())


def _trial(settings: Settings) -> Trial | None:
    if settings.x0 is None:
        return None
    return Trial(settings.x0, settings.trial_steps, settings.delay, settings.threshold)


def _has_trials(settings: Settings) -> bool:
    """Whether trials are given that can be simulated: with inputs, or from several first states."""
    trials = settings.trials
    return trials is not None and (trials.inputs is not None or trials.initial is not None)


def _visits(run: Run) -> Any:
    """How trials are simulated at each checkpoint; None where none is known."""
    from dynaghost.trajectories.space_trials import from_trials, from_x0

    given, trial = run.settings, _trial(run.settings)
    if given.trials is not None and given.trials.inputs is not None:
        _check_recorded(run)
        return from_trials(given.trials, given.period_of_trials(), given.context, partial(_drive, run))
    if given.trials is not None and given.trials.initial is not None:
        return from_x0(Trial(given.trials.initial, given.trial_steps, given.delay, given.threshold))
    return None if trial is None else from_x0(trial)


def _readout(run: Run, e: int, network: System) -> Any:
    """The readout of a checkpoint; None where none is known."""
    from dynaghost.trajectories.outputs import Readout, reads_states

    found = readout_of(run.checkpoints[e].read(), network, run.settings.trials)
    if found is None or not reads_states(network):
        return None
    return Readout(found.weights, found.bias, run.settings.threshold or 0.0, found.name, found.largest)


def _check_recorded(run: Run) -> None:
    """Recorded states are those of the network that was trained, the last checkpoint."""
    trials = run.settings.trials
    if trials is not None and trials.states is not None:
        trials.check(_drive(run, len(run) - 1))


def _drive(run: Run, e: int) -> Callable[[Any], System]:
    """From a constant input to the network of a checkpoint under it."""
    checkpoint = run.checkpoints[e]
    arrays = checkpoint.read()
    return lambda value: recognize(arrays, replace(run.settings, inputs=value), checkpoint.file).system


def _recognized(checkpoint: Checkpoint, settings: Settings) -> Recognized:
    return recognize(checkpoint.read(), settings, checkpoint.file)


def _batches(
    flow: Flow,
    run: Run,
    n_jobs: int,
    progress: Callable[[int], None] | None,
    done: Callable[[int], Batch | None] | None,
    keep: Callable[[int, Batch], None] | None,
    chosen: slice = slice(None),
) -> list[Batch]:
    steps, size = run.steps, flow.batch
    numbers = range(-(-len(run) // size))[chosen]
    spans = {i: slice(i * size, (i + 1) * size) for i in numbers}
    batches: dict[int, Batch] = {}
    for i, span in spans.items():
        batch = None if done is None else done(i)
        if batch is not None and batch.steps == steps[span]:
            batches[i] = batch
            if progress is not None:
                progress(len(batch.steps))
    missing = {i: span for i, span in spans.items() if i not in batches}
    lacking = {i: spans[i] for i, batch in batches.items() if flow.lacks(batch)}
    for i, batch in chain(_ended(run, batches, lacking, n_jobs), _computed(flow, run, missing, n_jobs)):
        if keep is not None:
            keep(i, batch)
        # What is kept need not be held: the store gives it back when it is asked for.
        batches[i] = (done(i) if keep is not None and done is not None else None) or batch
        if progress is not None and i in missing:
            progress(len(batch.steps))
    return [batches[i] for i in numbers]


def _computed(flow: Flow, run: Run, spans: dict[int, slice], n_jobs: int) -> Iterator[tuple[int, Batch]]:
    # One checkpoint more than the batch's own, for the link into the next batch.
    tasks = ((i, run.checkpoints[span.start : span.stop + 1]) for i, span in spans.items())
    calls = ((*task, run.settings, flow.compute) for task in tasks)
    return in_workers(compute_batch, calls, n_jobs if len(spans) > 1 else 1, ahead=_AHEAD)


def _ended(run: Run, batches: dict[int, Batch], spans: dict[int, slice], n_jobs: int) -> Iterator[tuple[int, Batch]]:
    tasks = ((i, run.checkpoints[span], run.settings, batches[i].points) for i, span in spans.items())
    for i, ends in in_workers(end_batch, tasks, n_jobs if len(spans) > 1 else 1, ahead=_AHEAD):
        yield i, replace(batches[i], ends=ends)


def end_batch(
    i: int, checkpoints: Sequence[Checkpoint], settings: Settings, points: Many[SlowPoints]
) -> tuple[int, Many[End]]:
    """One task: where the trial ends at the checkpoints of a batch whose slow points are known, with its number."""
    trial = _trial(settings)
    assert trial is not None
    networks = networks_of(checkpoints, settings)
    return i, on_line.ends(networks, tuple(points), trial)


def compute_batch(i: int, checkpoints: Sequence[Checkpoint], settings: Settings, compute: Compute) -> tuple[int, Batch]:
    """One task: the batch of some checkpoints, which are read here, with its number."""
    networks = networks_of(checkpoints, settings)
    return i, compute(tuple(checkpoint.step for checkpoint in checkpoints), networks)
