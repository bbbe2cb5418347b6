"""The one call: which runs are missing, in which tasks they are computed, and where their rows go."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from dynaghost.errors import DynaghostError
from dynaghost.sweep.grid import Grid, Point
from dynaghost.sweep.outcome import Settings, rows_of
from dynaghost.sweep.table import Row, Sweep, SweepStore
from dynaghost.training.task import DelayedActivation

# Of training, in an evaluation of tanh and what belongs to it.
_SECONDS = 2e-9
# What a task is worth at least, so that handing it out costs nothing beside it.
_WORTH = 0.1
# Networks that hide each other's latencies; with more, what is lost to a killed process grows.
_SIDE_BY_SIDE = 4


def sweep(
    grid: Grid,
    *,
    out: str | PathLike[str],
    epochs: int,
    record: Iterable[int] | None = None,
    task: DelayedActivation | None = None,
    units: int = 100,
    readout: str = "fixed",
    analyze: bool = False,
    save_every: int | None = None,
    n_jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> Sweep:
    """Train every network of a grid and keep a row of each.

    Parameters
    ----------
    grid : Grid
    out : path
        Folder of the sweep, made if need be. Runs that its `sweep.db` holds already are not computed again, so that an
        interrupted sweep goes on, and a larger grid adds to a smaller one.
    epochs : int
        Updates of each run.
    record : iterable of int, optional
        Epochs whose losses are kept; by default 0 and the last.
    task : DelayedActivation, optional
        Its confidence and delay are those of the grid, and its trial is longer or shorter with the delay.
    units : int
        Neurons.
    readout : {"fixed", "trained"}
        "fixed": networks of rank one that are read as σ(c(κ − κ*)). "trained": networks of the grid's ranks, read as
        σ(w_out·x + b_out) with trained w_out and b_out (paper, figure S2); they have no confidence, and the grid's must
        be one.
    analyze : bool
        Prove how many fixed points and ghosts there are at every epoch while training; no weights are stored. For
        `readout="fixed"`.
    save_every : int, optional
        Write each run's checkpoints, one in so many epochs, into a folder of `out`/runs that `load_run` reads. Each
        network is trained twice then.
    n_jobs : int
        Workers, as joblib takes them; 1 works in this process. The backend is the caller's choice
        (`joblib.parallel_config("dask")`); the rows are the same with any.
    progress : callable, optional
        Called with the runs that are done and how many there are, first with those that were kept before.

    Returns
    -------
    Sweep
        Of the grid's runs.

    Raises
    ------
    DynaghostError
        If an argument is out of range.
    StoreError
        If `out` holds a sweep with other settings, or is in use by another process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     found = sweep(Grid(seeds=[40], learning_rates=[0.003, 0.02]), out=out, epochs=10)
    >>> found.column("losses").round(4).tolist()
    [[0.9999, 0.9999], [0.9999, 0.9999]]
    """
    settings = _settings(grid, epochs, record, task or DelayedActivation(), units, readout, analyze)
    if save_every is not None and save_every < 1:
        raise DynaghostError(f"save_every: expected at least 1, got {save_every}")
    settings = replace(settings, save_every=save_every, folder=Path(out).absolute())
    with SweepStore.open(out, settings.described()) as store:
        points, kept = grid.points, store.rows()
        missing = [point for point in points if point not in kept]
        done = len(points) - len(missing)
        _tell(progress, done, len(points))
        for rows in _computed(_tasks(missing, settings), settings, n_jobs):
            store.keep(rows)
            kept |= {row.point: row for row in rows}
            done += len(rows)
            _tell(progress, done, len(points))
    return Sweep(settings.record, tuple(kept[point] for point in points))


def _settings(
    grid: Grid,
    epochs: int,
    record: Iterable[int] | None,
    task: DelayedActivation,
    units: int,
    readout: str,
    analyze: bool,
) -> Settings:
    if epochs < 1:
        raise DynaghostError(f"epochs: expected at least 1, got {epochs}")
    wanted = tuple(sorted({0, epochs} if record is None else {int(epoch) for epoch in record}))
    if not wanted or wanted[0] < 0 or wanted[-1] > epochs:
        raise DynaghostError(f"record: expected epochs from 0 to {epochs}, got {wanted[:1]} … {wanted[-1:]}")
    if units < 1:
        raise DynaghostError(f"units: expected at least 1, got {units}")
    _check_readout(grid, readout, analyze)
    return Settings(epochs, wanted, task, units, readout, analyze)


def _check_readout(grid: Grid, readout: str, analyze: bool) -> None:
    if readout not in ("fixed", "trained"):
        raise DynaghostError(f"readout: expected 'fixed' or 'trained', got {readout!r}")
    if readout == "fixed" and tuple(grid.ranks) != (1,):
        raise DynaghostError(f"ranks: expected 1 alone with a fixed readout (others need 'trained'), got {grid.ranks}")
    if readout == "trained" and len(grid.confidences) > 1:
        raise DynaghostError(f"confidences: expected one, since a trained readout has none, got {grid.confidences}")
    if readout == "trained" and analyze:
        raise DynaghostError("analyze: expected networks of rank one with a fixed readout, got readout 'trained'")


def _tasks(points: Sequence[Point], settings: Settings) -> list[list[Point]]:
    """Runs of equal shape, as many together as are worth a task."""
    tasks: list[list[Point]] = []
    for point in points:
        last = tasks[-1] if tasks else []
        if last and _shape(last[0]) == _shape(point) and len(last) < _size(point, settings):
            last.append(point)
        else:
            tasks.append([point])
    return tasks


def _shape(point: Point) -> tuple[int, int]:
    return point.rank, point.delay_steps


def _size(point: Point, settings: Settings) -> int:
    work = settings.epochs * settings.units * point.rank * settings.task_of(point).steps
    # Networks of rank one with a fixed readout are advanced side by side.
    least = _SIDE_BY_SIDE if settings.readout == "fixed" and not settings.analyze else 1
    return max(least, math.ceil(_WORTH / (_SECONDS * work)))


def _computed(tasks: Sequence[list[Point]], settings: Settings, n_jobs: int) -> Iterator[list[Row]]:
    if n_jobs == 1 or len(tasks) < 2:
        yield from (rows_of(task, settings) for task in tasks)
        return
    from joblib import Parallel, delayed

    workers = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    yield from workers(delayed(rows_of)(task, settings) for task in tasks)


def _tell(progress: Callable[[int, int], object] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
