"""The whole flow, from the checkpoints of a run to what explains each drop of its loss. Read this file first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any

from dynaghost.checkpoints.gather import Checkpoint
from dynaghost.checkpoints.periods import in_every_period
from dynaghost.checkpoints.recognize import Recognized, recognize
from dynaghost.checkpoints.recognizer import networks_of
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.flows import Compute, Flow, flow_of, losses_of, trial_of
from dynaghost.packed import Many
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.trajectories import on_line
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.findings import Batch, Description, End, Findings, Outcome
from dynaghost.workers import in_workers

if TYPE_CHECKING:
    from dynaghost.trajectories.kept_stories import Stories


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
        from dynaghost.saved import save

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
    flow = flow_of(run, first, n_jobs, drops, links)
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
        losses=losses_of(run, drops),
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
    flow = flow_of(run, _recognized(run.checkpoints[0], run.settings), n_jobs)
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
    from dynaghost.saved import load

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
        trial=trial_of(run.settings),
        content=run.content_hash(),
        search=run.search_hash(),
    )


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
            batches[i] = flow.hold(batch)
            if progress is not None:
                progress(len(batch.steps))
    missing = {i: span for i, span in spans.items() if i not in batches}
    lacking = {i: spans[i] for i, batch in batches.items() if flow.lacks(batch)}
    for i, batch in chain(_ended(run, batches, lacking, n_jobs), _computed(flow, run, missing, n_jobs)):
        if keep is not None:
            keep(i, batch)
        # What is kept need not be held: the store gives it back when it is asked for.
        batches[i] = flow.hold((done(i) if keep is not None and done is not None else None) or batch)
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
    trial = trial_of(settings)
    assert trial is not None
    networks = networks_of(checkpoints, settings)
    return i, on_line.ends(networks, tuple(points), trial)


def compute_batch(i: int, checkpoints: Sequence[Checkpoint], settings: Settings, compute: Compute) -> tuple[int, Batch]:
    """One task: the batch of some checkpoints, which are read here, with its number."""
    networks = networks_of(checkpoints, settings)
    return i, compute(tuple(checkpoint.step for checkpoint in checkpoints), networks)
