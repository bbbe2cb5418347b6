"""Train a network on a task and write the run's folder; interrupted runs resume with the same bits."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dynaghost.errors import DynaghostError
from dynaghost.training import folder as files
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one, round_anew
from dynaghost.training.task import DelayedActivation

# In evaluations of tanh, about 50 ms of training: how long an interruption waits.
_CHUNK = 20_000_000


def train(
    task: DelayedActivation,
    *,
    out: str | Path,
    rank: int = 1,
    units: int = 100,
    learning_rate: float,
    epochs: int,
    seed: int,
    rounding_seed: int | None = None,
    save_every: int | None = None,
    save_steps: Iterable[int] | None = None,
    metrics_every: int = 10,
    metrics_steps: Iterable[int] | None = None,
    dtype: str = "float64",
    format: str = "npz",
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Train by plain gradient descent and write checkpoints, `metrics.csv` and `run.json`.

    Parameters
    ----------
    task : DelayedActivation
    out : str or Path
        Folder to write. If it holds this very run, unfinished, training goes on from its last checkpoint.
    rank : int
        Only 1 so far.
    units : int
        Number of neurons.
    learning_rate : float
    epochs : int
        Updates to make; "epoch e" is the weights after e updates.
    seed : int
        Of the initial weights, see `initial_rank_one`.
    rounding_seed : int, optional
        Start from weights that differ in the last bit, see `round_anew`: where training is chaotic, another outcome.
    save_every : int, optional
        Save epochs 0, save_every, 2·save_every … and the last. Default: a hundredth of `epochs`.
    save_steps : iterable of int, optional
        Save exactly these epochs instead (`parse_epochs` reads them from text).
    metrics_every : int
        Record loss and gradient norm at 0, metrics_every … in addition to all saved epochs, epoch 0 and the last.
    metrics_steps : iterable of int, optional
        Record exactly these instead, in the same addition.
    dtype : {"float64", "float32"}
        Of the saved weights; training is in float64. A run saved in float32 cannot be resumed.
    format : {"npz", "pt"}
    progress : callable, optional
        Called with the epochs done so far, a few times a second.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DynaghostError
        If an argument is out of range, the folder holds another run, or an unfinished run was saved in float32.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     folder = train(DelayedActivation(), out=out, learning_rate=0.003, epochs=20, seed=40, save_every=10)
    ...     sorted(path.name for path in folder.iterdir())
    ['epoch_0.npz', 'epoch_10.npz', 'epoch_20.npz', 'metrics.csv', 'run.json']
    """
    _check(rank, units, epochs, dtype, format)
    if save_every is None and save_steps is None:
        save_every = max(epochs // 100, 1)
    saves = _chosen("save", save_every, save_steps, epochs)
    records = _chosen("metrics", metrics_every, metrics_steps, epochs)
    training = {
        "task": "delayed-activation",
        "learning_rate": learning_rate,
        "epochs": epochs,
        "seed": seed,
        "rounding_seed": rounding_seed,
        "save_every": save_every if save_steps is None else None,
        "save_steps": epochs_text(saves) if save_steps is not None else None,
        "metrics_every": metrics_every if metrics_steps is None else None,
        "metrics_steps": epochs_text(records) if metrics_steps is not None else None,
        "dtype": dtype,
        "format": format,
    }
    records = sorted({0, epochs, *saves, *records})
    plan = _Plan(Path(out), task, learning_rate, epochs, saves, records, dtype, format)
    network = initial_rank_one(units=units, seed=seed)
    network = network if rounding_seed is None else round_anew(network, rounding_seed)
    _run(plan, network, _description(task, units, training), progress)
    return plan.folder


def parse_epochs(text: str) -> tuple[int, ...]:
    """Epochs written as `start:stop:step`, `stop` included, or single numbers, separated by commas.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int
        In increasing order, each once.

    Raises
    ------
    DynaghostError
        If a part cannot be read, is negative, or runs backwards.

    Examples
    --------
    >>> parse_epochs("0:20:10,5,12:14:1")
    (0, 5, 10, 12, 13, 14, 20)
    """
    return tuple(sorted({epoch for part in text.split(",") for epoch in _parse_part(part, text)}))


def epochs_text(epochs: Iterable[int]) -> str:
    """Epochs as the text that `parse_epochs` reads, in few words.

    Examples
    --------
    >>> epochs_text([0, 10, 20, 21, 22, 30])
    '0:20:10,21,22,30'
    >>> parse_epochs(epochs_text([0, 10, 20, 21, 22, 30]))
    (0, 10, 20, 21, 22, 30)
    """
    left, parts = sorted(set(epochs)), []
    while left:
        step = left[1] - left[0] if len(left) > 1 else 1
        length = next((i for i in range(1, len(left)) if left[i] - left[i - 1] != step), len(left))
        if length > 2:
            parts.append(f"{left[0]}:{left[length - 1]}:{step}")
        else:
            length = 1
            parts.append(str(left[0]))
        left = left[length:]
    return ",".join(parts)


def _parse_part(part: str, text: str) -> Iterable[int]:
    try:
        numbers = [int(number) for number in part.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] >= 0:
        return numbers
    if len(numbers) == 3 and 0 <= numbers[0] <= numbers[1] and numbers[2] >= 1:
        start, stop, step = numbers
        return range(start, stop + 1, step)
    raise DynaghostError(f"epochs must be like 0:500000:5000,33000 (start:stop:step, stop included), got {text!r}")


@dataclass(frozen=True, slots=True)
class _Plan:
    folder: Path
    task: DelayedActivation
    learning_rate: float
    epochs: int
    saves: list[int]
    records: list[int]
    dtype: str
    format: str


def _run(plan: _Plan, network: RankOneNetwork, run: dict[str, Any], progress: Callable[[int], object] | None) -> None:
    # A bad learning rate is refused before the folder is touched.
    descend(network, plan.task, learning_rate=plan.learning_rate, updates=0)
    if files.claim(plan.folder, run) and _finished(plan):
        return
    epoch, network = _start(plan, network)
    files.begin_metrics(plan.folder, before=epoch)
    _save(plan, network, epoch)
    while epoch < plan.epochs:
        stop = _next_stop(plan, epoch, network.units)
        descent = descend(network, plan.task, learning_rate=plan.learning_rate, updates=stop - epoch)
        # Loss and gradient are of the weights before each update, so epoch `stop` belongs to the next chunk.
        wanted = plan.records[bisect_left(plan.records, epoch) : bisect_left(plan.records, stop)]
        rows = [(e, float(descent.loss[e - epoch]), float(descent.gradient_norm[e - epoch])) for e in wanted]
        files.append_metrics(plan.folder, rows)
        epoch, network = stop, descent.network
        _save(plan, network, epoch)
        if progress is not None:
            progress(epoch)
    files.append_metrics(plan.folder, [(epoch, *measure(network, plan.task))])


def _start(plan: _Plan, network: RankOneNetwork) -> tuple[int, RankOneNetwork]:
    last = files.last_checkpoint(plan.folder)
    if last is None or last[0] == 0:
        return 0, network
    if plan.dtype != "float64":
        raise DynaghostError(
            f"{plan.folder} holds this run up to epoch {last[0]}, saved in {plan.dtype}; training is in float64, and "
            "going on from rounded weights would be another run: remove the folder, or save in float64"
        )
    return last[0], files.read_checkpoint(last[1])


def _finished(plan: _Plan) -> bool:
    last = files.last_checkpoint(plan.folder)
    saved = last[0] if last else None
    return saved == max(plan.saves, default=None) and files.last_metrics_epoch(plan.folder) == plan.epochs


def _next_stop(plan: _Plan, epoch: int, units: int) -> int:
    later = plan.saves[bisect_right(plan.saves, epoch) :]
    chunk = max(1, _CHUNK // (units * plan.task.steps))
    return min(epoch + chunk, plan.epochs, *later[:1])


def _save(plan: _Plan, network: RankOneNetwork, epoch: int) -> None:
    if plan.saves[bisect_left(plan.saves, epoch) :][:1] == [epoch]:
        files.write_checkpoint(plan.folder, network, epoch, format=plan.format, dtype=plan.dtype)


def _check(rank: int, units: int, epochs: int, dtype: str, format: str) -> None:
    if rank != 1:
        raise DynaghostError(f"rank must be 1 (higher ranks cannot be trained yet), got {rank}")
    if units < 1:
        raise DynaghostError(f"units must be at least 1, got {units}")
    if epochs < 1:
        raise DynaghostError(f"epochs must be at least 1, got {epochs}")
    if dtype not in ("float64", "float32"):
        raise DynaghostError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if format not in ("npz", "pt"):
        raise DynaghostError(f"format must be 'npz' or 'pt', got {format!r}")


def _chosen(what: str, every: int | None, steps: Iterable[int] | None, epochs: int) -> list[int]:
    """The epochs to save or record: `steps` if given, else every so many and the last."""
    if steps is None:
        if every is None or every < 1:
            raise DynaghostError(f"{what}_every must be at least 1, got {every}")
        return sorted({*range(0, epochs + 1, every), epochs})
    chosen = sorted({int(step) for step in steps})
    if not chosen or chosen[0] < 0 or chosen[-1] > epochs:
        raise DynaghostError(f"{what}_steps must be some epochs from 0 to {epochs}, got {chosen[:1]} … {chosen[-1:]}")
    return chosen


def _description(task: DelayedActivation, units: int, training: dict[str, Any]) -> dict[str, Any]:
    """What `run.json` says: enough to build the system and the trial again without this package."""
    return {
        "schema": 1,
        "software": {"dynaghost": version("dynaghost")},
        "axis": "epoch",
        "system": {
            "kind": "low_rank",
            "rank": 1,
            "units": units,
            "leak": task.leak,
            "form": "rate",
            "scale": 1.0,
            "activation": "tanh",
            "names": {"m": "m", "n": "n", "b": "b"},
        },
        "trial": {
            "x0": task.x0,
            "steps": task.steps,
            "delay": task.delay,
            "delay_steps": task.delay_steps,
            "threshold": task.threshold,
            "readout": "1/(1+exp(-c*(kappa-threshold)))",
            "confidence": task.confidence,
        },
        "training": training,
    }
