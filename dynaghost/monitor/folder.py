"""What a monitored run leaves behind: step_N.npz, metrics.csv and run.json, which `dynaghost analyze` reads."""

import json
import os
import re
from collections.abc import Callable, Iterable
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.monitor.schedule import Weights
from dynaghost.version import VERSION

_CHECKPOINT = re.compile(r"step_(\d+)\.npz")
_HEADER = "step,loss,grad_norm\n"
_OF_SYSTEM = ("form", "scale", "leak", "time", "transpose", "kind", "activation", "layer", "inputs")
_OF_TRIAL = ("x0", "delay", "threshold")

Row = tuple[int, float | None, float | None]


class Folder:
    """The folder of a run; every file whole or absent.

    Parameters
    ----------
    path : Path
        Created if absent.
    settings : Settings
        Written to run.json: what the weights do not say.
    first : int
        The step that training begins at. At 0 the folder must hold no run; later, what a training that was cut off
        wrote after this step is removed.

    Raises
    ------
    DynaghostError
        If the folder holds a run already.
    """

    def __init__(self, path: Path, settings: Settings, first: int) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        before = sorted(p for p in path.iterdir() if _CHECKPOINT.fullmatch(p.name) or p.name == "metrics.csv")
        if before and first == 0:
            raise DynaghostError(
                f"folder: expected one without a run, but {path} has {before[0].name}: name another folder, or say "
                "where the training goes on (first_step=)"
            )
        for old in before:
            if (match := _CHECKPOINT.fullmatch(old.name)) and int(match[1]) >= first:
                old.unlink()
        if (path / "metrics.csv").exists():
            self._begin_metrics(self._rows_before(first))
        _replace(path / "run.json", lambda file: file.write(_described(settings).encode()))

    def write(self, step: int, weights: Weights) -> None:
        """One checkpoint."""
        arrays: dict[str, Any] = {**weights, "step": np.int64(step)}
        _replace(self.path / f"step_{step}.npz", lambda file: np.savez(file, **arrays))

    def append(self, rows: Iterable[Row]) -> None:
        """Rows of step, loss and gradient norm; floats come back exactly."""
        if not (self.path / "metrics.csv").exists():
            # Not before there is a loss: a table without rows says nothing of its columns.
            self._begin_metrics("")
        text = "".join(f"{step},{_told(loss)},{_told(norm)}\n" for step, loss, norm in rows)
        with (self.path / "metrics.csv").open("a", newline="") as file:
            file.write(text)

    def _begin_metrics(self, rows: str) -> None:
        _replace(self.path / "metrics.csv", lambda file: file.write((_HEADER + rows).encode()))

    def _rows_before(self, first: int) -> str:
        lines = (self.path / "metrics.csv").read_text().splitlines(keepends=True)[1:]
        # A training that was cut off may leave half a line.
        return "".join(line for line in lines if line.endswith("\n") and int(line.split(",")[0]) < first)


def _told(value: float | None) -> str:
    return "" if value is None else repr(value)


def _described(settings: Settings) -> str:
    """The settings that somebody gave, as run.json has them."""
    given = {name: getattr(settings, name) for name, origin in settings.origin.items() if origin != "default"}
    values = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in given.items()}
    system = {name: values[name] for name in _OF_SYSTEM if name in values}
    if settings.mapping:
        system["names"] = dict(settings.mapping)
    trial = {name: values[name] for name in _OF_TRIAL if name in values}
    description = {"schema": 1, "software": {"dynaghost": VERSION}, "axis": "step", "system": system, "trial": trial}
    return json.dumps(description, indent=1) + "\n"


def _replace(path: Path, write: Callable[[BufferedWriter], Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        write(file)
    os.replace(partial, path)
