"""The run.json beside checkpoints: what it says of the system and the trial, checked and typed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.settings import initial_state
from dynaghost.display import shortened
from dynaghost.errors import CheckpointError
from dynaghost.systems.trials import Trials

# Versions of run.json that are understood.
SCHEMAS = (1,)

_OF_SYSTEM = ("form", "scale", "leak", "time", "transpose", "kind", "activation", "layer", "inputs")


def read_run_json(folder: Path) -> dict[str, Any]:
    """Values of the run.json in a folder, by the names of `Settings`, "axis" and "trial_file"; empty without one.

    Raises
    ------
    CheckpointError
        If the file is not JSON, not an object, or of an unknown schema.
    """
    path = folder / "run.json"
    if not path.is_file():
        return {}
    description = read_json(path)
    if not isinstance(description, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(description).__name__}")
    if type(description.get("schema")) is not int or description["schema"] not in SCHEMAS:
        raise CheckpointError(
            f'{path}: expected "schema": {SCHEMAS[-1]} (leak, x0 and the like can also be given as options, without a '
            f"run.json), got {description.get('schema')!r}"
        )
    system, trial = _section(description, "system", path), _section(description, "trial", path)
    described = {
        "axis": description.get("axis"),
        "trials": _trials_beside(path, trial.get("file")),
        "trial_file": trial.get("file"),
        "mapping": system.get("names"),
        "x0": trial.get("x0"),
        "task_steps": trial.get("steps"),
        **{name: system.get(name) for name in _OF_SYSTEM},
        **{name: trial.get(name) for name in ("delay", "threshold")},
    }
    return _typed({name: value for name, value in described.items() if value is not None}, path)


def _trials_beside(path: Path, name: Any) -> Trials | None:
    """The trials in the file that run.json names, which lies beside it; None where it names none."""
    if name is None:
        return None
    if not isinstance(name, str) or Path(name).name != name:
        raise CheckpointError(f"{path}: trial.file: expected the name of a file beside it, got {shortened(repr(name))}")
    return Trials.load(path.parent / name)


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: expected a readable file, got {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: expected JSON, got something else ({error})") from error


def _section(description: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = {} if description.get(name) is None else description[name]
    if not isinstance(section, dict):
        raise CheckpointError(f"{path}: {name}: expected a JSON object, got {type(section).__name__}")
    return section


def _typed(described: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same values, each of the type its field has."""
    if described.get("axis", "step") not in ("step", "epoch"):
        raise CheckpointError(f"{path}: axis: expected 'step' or 'epoch', got {shortened(repr(described['axis']))}")
    kinds: dict[str, Any] = {"mapping": dict, "transpose": bool, "task_steps": int, "trials": Trials}
    kinds |= dict.fromkeys(("axis", "trial_file", "form", "time", "kind", "activation", "layer"), str)
    kinds |= dict.fromkeys(("scale", "leak", "delay", "threshold"), (int, float))
    kinds |= dict.fromkeys(("x0", "inputs"), (int, float, list))
    for name, value in described.items():
        if not isinstance(value, kinds[name]):
            raise CheckpointError(
                f"{path}: {name}: expected another type, got {type(value).__name__} ({shortened(repr(value))})"
            )
        if isinstance(value, bool) and kinds[name] is not bool:
            raise CheckpointError(f"{path}: {name}: expected a number, got {value}")
        if name in ("scale", "leak", "delay", "threshold"):
            described[name] = _state(name, value, path)
    for name in {"x0", "inputs"} & set(described):
        described[name] = _state(name, described[name], path)
    return described


def _state(name: str, value: Any, path: Path) -> float | np.ndarray | None:
    try:
        return initial_state(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{path}: {name}: expected a number or a list of numbers, got {shortened(repr(value))}"
        ) from error
