"""Train a network on a task and write the run's folder; interrupted runs resume with the same bits."""

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynaghost.errors import DynaghostError
from dynaghost.training import folder as files
from dynaghost.training.any_network import Network
from dynaghost.training.descent import Descent, check_schedulable, descend, descend_schedule, measure
from dynaghost.training.description import TRIALS, description, task_name, trial_arrays
from dynaghost.training.epochs import chosen_epochs, epochs_text, parse_epochs
from dynaghost.training.initial import initial_network
from dynaghost.training.networks import RankOneNetwork, round_anew
from dynaghost.training.noise import Noise
from dynaghost.training.schedule import Schedule
from dynaghost.training.task import DelayedActivation

__all__ = ["parse_epochs", "train"]

# In evaluations of tanh, about 50 ms of training: how long an interruption waits.
_CHUNK = 20_000_000


def train(
    task: Any,
    *,
    out: str | Path,
    rank: int | str | None = None,
    units: int = 100,
    readout: str | None = None,
    trains_confidence: bool = False,
    learning_rate: float | None = None,
    epochs: int | None = None,
    schedule: Schedule | None = None,
    noise: Noise | None = None,
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
    task : Task
        `DelayedActivation`, `CueDiscrimination` or `MatchToSample`.
    out : str or Path
        Folder to write. If it holds this very run, unfinished, training goes on from its last checkpoint.
    rank : int or "full", optional
        Default: 1 for the delayed-activation task, 2 for the two-cue tasks.
    units : int
        Number of neurons.
    readout : {"confidence", "trained"}, optional
        As in `initial_network`.
    trains_confidence : bool
        Train c too (rank one).
    learning_rate : float, optional
    epochs : int, optional
        Updates to make; "epoch e" is the weights after e updates.
    schedule : Schedule, optional
        Stages of confidence and learning rate (rank one), instead of `learning_rate` and `epochs`.
    noise : Noise, optional
        In initial states and steps.
    seed : int
        Of the initial weights, see `initial_network`.
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
    >>> from dynaghost.training.task import DelayedActivation
    >>> with tempfile.TemporaryDirectory() as out:
    ...     folder = train(DelayedActivation(), out=out, learning_rate=0.003, epochs=20, seed=40, save_every=10)
    ...     sorted(path.name for path in folder.iterdir())
    ['epoch_0.npz', 'epoch_10.npz', 'epoch_20.npz', 'metrics.csv', 'run.json']
    """
    rate, epochs = _length(learning_rate, epochs, schedule)
    _check(dtype, format)
    if save_every is None and save_steps is None:
        save_every = max(epochs // 100, 1)
    saves = chosen_epochs("save", save_every, save_steps, epochs)
    records = chosen_epochs("metrics", metrics_every, metrics_steps, epochs)
    training = {
        "task": task_name(task),
        "learning_rate": rate,
        "epochs": epochs,
        "seed": seed,
        "rounding_seed": rounding_seed,
        "save_every": save_every if save_steps is None else None,
        "save_steps": epochs_text(saves) if save_steps is not None else None,
        "metrics_every": metrics_every if metrics_steps is None else None,
        "metrics_steps": epochs_text(records) if metrics_steps is not None else None,
        "dtype": dtype,
        "format": format,
        **_extras(readout, trains_confidence, schedule, noise),
    }
    records = sorted({0, epochs, *saves, *records})
    plan = _Plan(Path(out), task, rate, schedule, noise, epochs, saves, records, dtype, format)
    network: Any = initial_network(
        task, rank=rank, units=units, seed=seed, readout=readout, trains_confidence=trains_confidence
    )
    network = network if rounding_seed is None else round_anew(network, rounding_seed)
    _run(plan, network, description(network, _last(task, schedule), training), progress)
    return plan.folder


def _last(task: Any, schedule: Schedule | None) -> Any:
    """The task as it is at the end of training."""
    if schedule is None or not isinstance(task, DelayedActivation):
        return task
    return dataclasses.replace(task, confidence=schedule.stages[-1].confidence)


@dataclass(frozen=True, slots=True)
class _Plan:
    folder: Path
    task: Any
    learning_rate: float | None
    schedule: Schedule | None
    noise: Noise | None
    epochs: int
    saves: list[int]
    records: list[int]
    dtype: str
    format: str

    def descend(self, network: Any, first: int, updates: int) -> Descent[Any]:
        if self.schedule is not None:
            return descend_schedule(network, self.task, self.schedule, updates=updates, first=first, noise=self.noise)
        rate = self.learning_rate or 0.0
        return descend(network, self.task, learning_rate=rate, updates=updates, first=first, noise=self.noise)

    def measure(self, network: Any) -> tuple[float, float]:
        """Of the last epoch, on the trials and with the confidence of the update that would follow."""
        return measure(network, _last(self.task, self.schedule), epoch=self.epochs, noise=self.noise)


def _run(plan: _Plan, network: Any, run: dict[str, Any], progress: Callable[[int], object] | None) -> None:
    # What does not go together is refused before the folder is touched.
    plan.descend(network, 0, 0)
    if plan.schedule is not None:
        check_schedulable(network)
    begun = files.claim(plan.folder, run)
    if (arrays := trial_arrays(network, plan.task)) is not None:
        files.write_arrays(plan.folder / TRIALS, arrays)
    if begun and _finished(plan):
        return
    epoch, network = _start(plan, network)
    files.begin_metrics(plan.folder, before=epoch)
    _save(plan, network, epoch)
    while epoch < plan.epochs:
        stop = _next_stop(plan, epoch, network)
        descent = plan.descend(network, epoch, stop - epoch)
        # Loss and gradient are of the weights before each update, so epoch `stop` belongs to the next chunk.
        wanted = plan.records[bisect_left(plan.records, epoch) : bisect_left(plan.records, stop)]
        rows = [(e, float(descent.loss[e - epoch]), float(descent.gradient_norm[e - epoch])) for e in wanted]
        files.append_metrics(plan.folder, rows)
        epoch, network = stop, descent.network
        _save(plan, network, epoch)
        if progress is not None:
            progress(epoch)
    files.append_metrics(plan.folder, [(epoch, *plan.measure(network))])


def _start(plan: _Plan, network: Network) -> tuple[int, Network]:
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


def _next_stop(plan: _Plan, epoch: int, network: Any) -> int:
    later = plan.saves[bisect_right(plan.saves, epoch) :]
    # A projection costs about as much as a quarter of a tanh.
    dear = 1 if isinstance(network, RankOneNetwork) else 1 + network.rank // 4
    chunk = max(1, _CHUNK // (network.units * plan.task.steps * plan.task.trials * dear))
    return min(epoch + chunk, plan.epochs, *later[:1])


def _save(plan: _Plan, network: Network, epoch: int) -> None:
    if plan.saves[bisect_left(plan.saves, epoch) :][:1] == [epoch]:
        files.write_checkpoint(plan.folder, network, epoch, format=plan.format, dtype=plan.dtype)


def _length(learning_rate: float | None, epochs: int | None, schedule: Schedule | None) -> tuple[float | None, int]:
    """The learning rate, unless a schedule has it, and the epochs."""
    if schedule is not None:
        if learning_rate is not None or epochs is not None:
            raise DynaghostError("schedule: expected no learning_rate and epochs beside it, got both")
        return None, schedule.epochs
    if learning_rate is None or epochs is None:
        raise DynaghostError("learning_rate and epochs must be given where there is no schedule")
    if epochs < 1:
        raise DynaghostError(f"epochs must be at least 1, got {epochs}")
    return learning_rate, epochs


def _extras(
    readout: str | None, trains_confidence: bool, schedule: Schedule | None, noise: Noise | None
) -> dict[str, Any]:
    """What is in run.json only if it was asked for."""
    asked = {
        "readout": readout,
        "trains_confidence": trains_confidence or None,
        "schedule": schedule and [[s.epochs, s.confidence, s.learning_rate] for s in schedule.stages],
        "noise": noise and dataclasses.asdict(noise),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _check(dtype: str, format: str) -> None:
    if dtype not in ("float64", "float32"):
        raise DynaghostError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if format not in ("npz", "pt"):
        raise DynaghostError(f"format must be 'npz' or 'pt', got {format!r}")
