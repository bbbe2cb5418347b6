"""A folder, a list of files or dicts, as one ordered training run with its metrics and settings."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dynaghost.checkpoints import metrics as tables
from dynaghost.checkpoints.gather import Checkpoint, Files, Source, StackedCheckpoints, folder_of, gather
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.order import Ordered, arrange
from dynaghost.checkpoints.periods import period_told
from dynaghost.checkpoints.run_json import read_run_json
from dynaghost.checkpoints.settings import (
    Settings,
    initial_state,
    resolve,
    search_starts,
    trials_of,
)
from dynaghost.checkpoints.stacked import StackedRun
from dynaghost.display import table
from dynaghost.errors import CheckpointError, counted
from dynaghost.packed import few
from dynaghost.systems.trials import Trials


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """Checkpoints in the order of training.

    Attributes
    ----------
    source : str
        Where they come from.
    axis : str
        "epoch" or "step": what the checkpoints' `step` counts.
    checkpoints : sequence of Checkpoint
        Their steps strictly increase; of stacked archives each is made when it is asked for.
    metrics : Metrics
        Loss and gradient norm along the whole training; without rows where nothing is known.
    settings : Settings
    order : str
        The order found and why, in a sentence.
    notes : tuple of str
        Files left out and why; contradictions and how they were resolved.

    Examples
    --------
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [b], "epoch": e, "loss": 1.0} for e, b in ((0, 0.0), (10, 0.3))]
    >>> run = load_run(weights)
    >>> run.axis, run.steps, run.metrics.loss.tolist(), run.settings.leak
    ('epoch', (0, 10), [1.0, 1.0], None)
    """

    source: str
    axis: str
    checkpoints: Sequence[Checkpoint]
    metrics: Metrics
    settings: Settings
    order: str
    notes: tuple[str, ...]
    # Of which checkpoints, and their hash: a run with others, or other settings, made of this one, shares the list.
    _hashed: list[Any] = dataclasses.field(default_factory=list, repr=False, compare=False)

    @property
    def steps(self) -> tuple[int, ...]:
        """Of the checkpoints."""
        if isinstance(self.checkpoints, StackedCheckpoints):
            return self.checkpoints.steps
        return tuple(checkpoint.step for checkpoint in self.checkpoints)

    @property
    def files(self) -> Sequence[str]:
        """Of the checkpoints."""
        return few(str, (checkpoint.file for checkpoint in self.checkpoints))

    def __repr__(self) -> str:
        return f"Run({self.source}: {self.order}; {counted(len(self.metrics), 'metric')})"

    def _repr_html_(self) -> str:
        settings = [(name, getattr(self.settings, name), origin) for name, origin in self.settings.origin.items()]
        given = [(name, repr(value), origin) for name, value, origin in settings if origin != "default"]
        notes = [("note", note, "") for note in self.notes]
        return table(repr(self)[4:-1], ("setting", "value", "from"), [*given, *notes])

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.checkpoints)

    def select(self, *, every: int | None = None, start: int | None = None, stop: int | None = None) -> "Run":
        """Every so many checkpoints between two steps, both included; the metrics stay whole.

        Raises
        ------
        CheckpointError
            If none is left, or `every` is not positive.

        Examples
        --------
        >>> run = load_run([{"m": [1.0], "n": [2.0]} for _ in range(5)])
        >>> [checkpoint.step for checkpoint in run.select(every=2, start=1)]
        [1, 3]
        """
        if every is not None and every < 1:
            raise CheckpointError(f"every: expected a positive number of checkpoints, got {every}")
        kept = [c for c in self if (start is None or c.step >= start) and (stop is None or c.step <= stop)]
        if not kept:
            first, last = self.checkpoints[0].step, self.checkpoints[-1].step
            span = " ".join(f"{word} {step}" for word, step in (("from", start), ("to", stop)) if step is not None)
            raise CheckpointError(
                f"{self.source}: expected a checkpoint {span} (start and stop, --from and --to), got {self.axis}s "
                f"{first} to {last}"
            )
        return dataclasses.replace(self, checkpoints=tuple(kept[:: every or 1]))

    def content_hash(self) -> str:
        """SHA-256 over steps, weights and settings: equal for runs whose analysis is equal.

        Large files are read for it, once: they were not when the run was loaded.
        """
        return self._hash(self.settings.digest())

    def search_hash(self) -> str:
        """SHA-256 over steps, weights and what a search depends on: equal for runs with the same slow points.

        Trials, a task's delay and a readout's threshold say what slow points mean, not where they are.

        Examples
        --------
        >>> first, second = (load_run([{"m": [1.0], "n": [2.0]}], leak=0.5, x0=x0) for x0 in (0.1, 0.2))
        >>> first.search_hash() == second.search_hash(), first.content_hash() == second.content_hash()
        (True, False)
        """
        return self._hash(self.settings.digest_of_search())

    def _hash(self, settings: bytes) -> str:
        return hashlib.sha256(self._weights().encode() + settings).hexdigest()

    def _weights(self) -> str:
        for checkpoints, axis, known in self._hashed:
            if checkpoints is self.checkpoints and axis == self.axis:
                return str(known)
        digest = hashlib.sha256(self.axis.encode())
        for checkpoint in self:
            digest.update(str(checkpoint.step).encode() + checkpoint.content())
        self._hashed.append((self.checkpoints, self.axis, digest.hexdigest()))
        return digest.hexdigest()


def load_run(
    source: Source,
    *,
    metrics: str | PathLike[str] | Metrics | Literal[False] | None = None,
    axis: str | None = None,
    pattern: str | None = None,
    mapping: Mapping[str, str] | None = None,
    transpose: bool | None = None,
    form: str | None = None,
    scale: float | None = None,
    leak: float | None = None,
    time: str | None = None,
    x0: float | str | PathLike[str] | np.ndarray | None = None,
    trial_steps: int | None = None,
    delay: float | None = None,
    threshold: float | None = None,
    activation: str | None = None,
    layer: str | None = None,
    inputs: float | str | PathLike[str] | np.ndarray | None = None,
    starts: int | str | PathLike[str] | np.ndarray | None = None,
    seed: int | None = None,
    budget: int | None = None,
    trials: str | PathLike[str] | Trials | None = None,
    period: str | None = None,
    context: int | None = None,
    model: Callable[..., Any] | None = None,
) -> Run:
    """A training run from its checkpoints.

    Parameters
    ----------
    source : path, sequence or mapping
        A folder; files; dicts (state dicts of arrays or torch tensors); or a mapping from step to dict or file.
    metrics : path, Metrics or False, optional
        A .csv, .jsonl, .npz or trainer_state.json file; False for none. Without it, a table beside the checkpoints is
        read, else what the checkpoints themselves say.
    axis : {"epoch", "step"}, optional
        What to count; where neither files nor names say it by its word, the only number of the names that varies.
    pattern : str, optional
        Which files of the folder, such as "seed3/*.pt".
    mapping, transpose, form, scale, leak, time, x0, trial_steps, delay, threshold, activation, layer
        As in `Settings`; an argument beats run.json, which beats hyper-parameters in the files; `x0` may be a .npy
        file.
    inputs, starts, seed, budget, trials, period, context, model
        As in `Settings`; `inputs` and `starts` may be .npy files, `trials` an .npz file.

    Returns
    -------
    Run

    Raises
    ------
    CheckpointError
        If nothing can be read, the order is ambiguous, or files contradict each other.

    Examples
    --------
    >>> run = load_run({0: {"m": [1.0], "n": [2.0]}, 100: {"m": [1.5], "n": [2.0]}}, axis="epoch", leak=0.5)
    >>> run.order, run.settings.leak
    ('2 checkpoints by epoch, as the mapping says: 0, 100', 0.5)
    """
    if not isinstance(source, str | PathLike | Mapping | Sequence):
        raise CheckpointError(f"source: expected a folder, a list or a mapping, got {type(source).__name__}")
    if axis not in (None, "epoch", "step"):
        raise CheckpointError(f"axis: expected 'epoch' or 'step', got {axis!r}")
    described = read_run_json(folder) if (folder := folder_of(source)) else {}
    table = _table(metrics, folder)
    files = gather(source, pattern, described.get("trial_file"))
    ordered = _order(files, source, axis or described.get("axis"), _preferred(table))
    given: dict[str, Any] = {
        "mapping": dict(mapping) if mapping else None,
        "transpose": transpose,
        "form": form,
        "scale": scale,
    }
    given |= {"leak": leak, "time": time, "x0": initial_state(x0), "trial_steps": trial_steps, "delay": delay}
    given |= {"threshold": threshold, "activation": activation, "layer": layer, "inputs": initial_state(inputs)}
    given |= {"starts": search_starts(starts), "seed": seed, "budget": budget, "trials": trials_of(trials)}
    given |= {"period": period, "context": context, "model": model}
    settings, notes = resolve(given, described, files.hyper_parameters)
    return Run(
        source=files.source,
        axis=ordered.axis,
        checkpoints=_checkpoints(files, ordered),
        metrics=table if isinstance(table, Metrics) else _metrics(table, files, ordered),
        settings=settings.driven(),
        order=ordered.order,
        notes=(*files.notes, *ordered.notes, *notes, *period_told(settings)),
    )


def _checkpoints(files: Files, ordered: Ordered) -> Sequence[Checkpoint]:
    if files.stacks:
        return StackedCheckpoints(files.stacks)
    return tuple(files.checkpoint(step, one.file) for step, one in zip(ordered.steps, ordered.entries, strict=True))


def _order(files: Files, source: Source, axis: str | None, prefer: str | None) -> Ordered:
    if files.stacks:
        counts = axis or files.stacks[0].axis
        steps = tuple(step for one in files.stacks for step in one.steps)
        told = f"{counted(len(steps), 'checkpoint')} by {counts}, row by row of {counted(len(files.stacks), 'file')}"
        return Ordered(steps, (), counts, f"{told}: {_shown(steps)}", ())
    if files.steps:
        if len({one.signature for one in files.entries}) > 1:
            raise CheckpointError(
                f"{files.source}: expected checkpoints of one network, got arrays of different shapes"
            )
        entries = sorted(files.entries, key=lambda one: files.steps[one.file])
        steps = tuple(files.steps[one.file] for one in entries)
        counts = axis or prefer or "step"
        return Ordered(
            steps,
            tuple(entries),
            counts,
            f"{counted(len(steps), 'checkpoint')} by {counts}, as the mapping says: {_shown(steps)}",
            (),
        )
    listed = not isinstance(source, str | PathLike)
    try:
        return arrange(files.entries, files.digest, axis=axis, prefer=prefer, listed=listed)
    except CheckpointError as error:
        if str(error).startswith(files.source):
            raise
        raise CheckpointError(f"{files.source}: {error}") from error


def _shown(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps if len(steps) < 7 else (*steps[:3], "…", *steps[-2:])))


def _table(metrics: Any, folder: Path | None) -> Path | Metrics | None:
    """The table to read, if there is one."""
    if metrics is False:
        return Metrics(np.empty(0), None, None, "")
    if metrics is None:
        return next(iter(tables.find(folder)), None) if folder else None
    return metrics if isinstance(metrics, Metrics) else Path(metrics)


def _preferred(table: Path | Metrics | None) -> str | None:
    """The axis that a table of metrics has, if it has only one."""
    columns = tables.axes(table) if isinstance(table, Path) else ()
    return columns[0] if len(columns) == 1 else None


def _metrics(table: Path | None, files: Files, ordered: Ordered) -> Metrics:
    if table is not None:
        return tables.read_metrics(table, ordered.axis)
    if files.stacks:
        return _metrics_of(files.stacks)
    pairs = zip(ordered.steps, ordered.entries, strict=True)
    rows = [(float(step), one.loss, one.grad_norm) for step, one in pairs]
    found = Metrics.from_rows(rows, "the checkpoints")
    return found if len(found) else dataclasses.replace(found, source="")


def _metrics_of(stacks: Sequence[StackedRun]) -> Metrics:
    """The losses beside the weights of stacked archives, if all of them have some."""
    if any(one.loss is None for one in stacks):
        return Metrics(np.empty(0), None, None, "")
    steps = _joined([np.array(one.steps, float) for one in stacks])
    loss = _joined([one.loss for one in stacks if one.loss is not None])
    norms = [one.grad_norm for one in stacks if one.grad_norm is not None]
    return Metrics(steps, loss, _joined(norms) if len(norms) == len(stacks) else None, "the checkpoints")


def _joined(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after the other; one alone is not copied, for its run may be long."""
    return curves[0] if len(curves) == 1 else np.concatenate(curves)
