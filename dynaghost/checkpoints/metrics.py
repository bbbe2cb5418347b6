"""Loss and gradient norm along training: from a table beside the checkpoints, or from the checkpoints themselves."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.formats import read_arrays
from dynaghost.checkpoints.run_json import read_json
from dynaghost.errors import CheckpointError

# Files that are looked for beside the checkpoints, the first one found is taken.
NAMES = ("metrics.csv", "metrics.jsonl", "metrics.npz", "trainer_state.json")

STEP_NAMES = ("step", "global_step", "iteration", "iter")
EPOCH_NAMES = ("epoch",)
LOSS_NAMES = ("loss", "train_loss", "training_loss", "train/loss", "train_loss_step", "train_loss_epoch")
_WAYS = (
    "axis= or --axis says what the checkpoints count, metrics= or --metrics names another table, metrics=False or "
    "--no-metrics does without"
)
GRADIENT_NAMES = ("grad_norm", "gradient_norm", "train/grad_norm")


@dataclass(frozen=True, slots=True)
class Metrics:
    """The loss along training, usually at more steps than there are checkpoints.

    Attributes
    ----------
    steps : ndarray (rows,)
        Strictly increasing, on the axis of the run.
    loss : ndarray (rows,) or None
        NaN where a row has none.
    grad_norm : ndarray (rows,) or None
    source : str
        The file, or "the checkpoints"; "" where there are none.

    Examples
    --------
    >>> Metrics.from_rows([(2, 0.5, None), (1, 1.0, None)], "two rows").steps
    array([1., 2.])
    """

    steps: np.ndarray
    loss: np.ndarray | None
    grad_norm: np.ndarray | None
    source: str

    def __len__(self) -> int:
        return len(self.steps)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[float, float | None, float | None]], source: str) -> "Metrics":
        """Rows of step, loss, gradient norm, in any order; rows of the same step are merged.

        Raises
        ------
        CheckpointError
            If two rows of one step give different values.
        """
        merged: dict[float, tuple[float | None, float | None]] = {}
        for step, *values in rows:
            before = merged.get(step, (None, None))
            merged[step] = _merge(before, (values[0], values[1]), step, source)
        steps = sorted(step for step, values in merged.items() if values != (None, None))
        loss, gradient = (_column([merged[step][i] for step in steps]) for i in (0, 1))
        return cls(np.array(steps, dtype=float), loss, gradient, source)


def find(folder: Path) -> tuple[Path, ...]:
    """Tables of metrics beside the checkpoints, or beside a folder named checkpoints, the preferred one first."""
    folders = [folder, folder.parent] if folder.name == "checkpoints" else [folder]
    found = [place / name for place in folders for name in NAMES if (place / name).is_file()]
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: _trailing_number(path.parent.name))
    return (*found, *states[-1:])


def read_metrics(path: Path, axis: str) -> Metrics:
    """The metrics in a .csv, .jsonl, .npz or trainer_state.json file.

    Parameters
    ----------
    path : path
    axis : {"step", "epoch"}
        Which column is the index.

    Raises
    ------
    CheckpointError
        If the file cannot be read, has no such column, or contradicts itself.
    """
    columns = axes(path)
    if axis not in columns:
        raise CheckpointError(
            f"{path}: the checkpoints count {axis}s: expected a column {' or '.join(_axis_names(axis))}, "
            f"got {', '.join(columns) or 'none that counts steps or epochs'} ({_WAYS})"
        )
    return Metrics.from_rows(_rows(path, axis), str(path))


def axes(path: Path) -> tuple[str, ...]:
    """The axes that a table of metrics has a column for.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    first = set().union(*(record.keys() for _, record in zip(range(50), _records(path), strict=False)))
    return tuple(axis for axis in ("step", "epoch") if any(name in first for name in _axis_names(axis)))


def _axis_names(axis: str) -> tuple[str, ...]:
    return STEP_NAMES if axis == "step" else EPOCH_NAMES


def _rows(path: Path, axis: str) -> Iterable[tuple[float, float | None, float | None]]:
    records = list(_records(path))
    # One column each: loggers write the loss of a step and its mean over an epoch side by side.
    index, loss, gradient = (_column_name(records, names) for names in (_axis_names(axis), LOSS_NAMES, GRADIENT_NAMES))
    for number, record in enumerate(records, start=1):
        step = _value(record, index, path, number)
        if step is None:
            continue
        if not math.isfinite(step):
            raise CheckpointError(f"{path}: row {number}: expected a finite {axis}, got {step}")
        yield step, _value(record, loss, path, number), _value(record, gradient, path, number)


def _column_name(records: list[Mapping[str, Any]], names: tuple[str, ...]) -> str | None:
    """The first of these names that any record fills."""
    filled = {name for record in records for name in names if record.get(name) not in (None, "")}
    return next((name for name in names if name in filled), None)


def _records(path: Path) -> Iterable[Mapping[str, Any]]:
    """One mapping a row, its names in lower case."""
    if path.suffix == ".npz":
        return _npz_records(path)
    if path.suffix == ".json":
        return _state_records(path)
    return _jsonl_records(path) if path.suffix in (".jsonl", ".ndjson") else _csv_records(path)


def _csv_records(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            table = csv.reader(stream)
            names = [name.strip().lower() for name in next(table, [])]
            for row, is_last in _with_last(table):
                if is_last and len(row) < len(names):
                    # A run that was stopped leaves half a line.
                    return
                if len(row) > len(names):
                    raise CheckpointError(
                        f"{path}: line {table.line_num}: expected {len(names)} values, got {len(row)}"
                    )
                yield dict(zip(names, row, strict=False))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CheckpointError(f"{path}: expected a table of comma-separated values, got {error}") from error


def _with_last(rows: Iterable[list[str]]) -> Iterable[tuple[list[str], bool]]:
    """Rows that are not empty, and whether each is the last."""
    before = None
    for row in filter(None, rows):
        if before is not None:
            yield before, False
        before = row
    if before is not None:
        yield before, True


def _jsonl_records(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip() and (line.endswith("\n") or line.rstrip().endswith("}")):
                    yield _lower(json.loads(line), path, number)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: expected one JSON object a line, got {error}") from error


def _state_records(path: Path) -> Iterable[Mapping[str, Any]]:
    state = read_json(path)
    history = state.get("log_history", state) if isinstance(state, dict) else state
    if not isinstance(history, list):
        raise CheckpointError(f"{path}: expected a log_history, a list of objects, got {type(history).__name__}")
    records = [_lower(record, path, number) for number, record in enumerate(history, start=1)]
    # The last entry of a finished run is its summary, with the mean loss at the last step.
    return [record for record in records if "train_runtime" not in record]


def _npz_records(path: Path) -> Iterable[Mapping[str, Any]]:
    arrays = {name.lower(): array.ravel().tolist() for name, array in read_arrays(path).arrays.items()}
    known = {*STEP_NAMES, *EPOCH_NAMES, *LOSS_NAMES, *GRADIENT_NAMES}
    columns = {name: values for name, values in arrays.items() if name in known}
    if len({len(values) for values in columns.values()}) > 1:
        lengths = {name: len(values) for name, values in columns.items()}
        raise CheckpointError(f"{path}: expected arrays of one length, got {lengths}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _lower(record: Any, path: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise CheckpointError(f"{path}: entry {number}: expected a JSON object, got {type(record).__name__}")
    return {name.lower(): value for name, value in record.items()}


def _value(record: Mapping[str, Any], name: str | None, path: Path, number: int) -> float | None:
    """A row's number in a column, None where the row leaves it empty."""
    value = None if name is None else record.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: row {number}, {name}: expected a number, got {value!r}") from error


def _merge(before: tuple[Any, Any], after: tuple[Any, Any], step: float, source: str) -> tuple[Any, Any]:
    for a, b in zip(before, after, strict=True):
        if a is not None and b is not None and a != b and not (math.isnan(a) and math.isnan(b)):
            raise CheckpointError(f"{source}: expected one value for step {step:g}, got {a} and {b} ({_WAYS})")
    a, b = (b if a is None else a for a, b in zip(before, after, strict=True))
    return a, b


def _column(values: list[float | None]) -> np.ndarray | None:
    if all(value is None for value in values):
        return None
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _trailing_number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1
