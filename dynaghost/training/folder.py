"""The folder that a training run writes: checkpoints, metrics.csv and run.json; each file whole or absent."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.any_network import Network, network_of

_CHECKPOINT = re.compile(r"epoch_(\d+)\.(npz|pt)")
_HEADER = "epoch,loss,grad_norm\n"


def write_checkpoint(folder: Path, network: Network, epoch: int, *, format: str, dtype: str) -> Path:
    """Write `epoch_N.npz` (the weights by name, and epoch) or `epoch_N.pt` ({"state_dict": {…}, "epoch": N}).

    Parameters
    ----------
    folder : Path
    network : Network
        A rank-one network has m, n and b, others as `weights` says.
    epoch : int
        Updates done.
    format : {"npz", "pt"}
    dtype : {"float64", "float32"}

    Returns
    -------
    Path

    Examples
    --------
    >>> import tempfile
    >>> from dynaghost.training.networks import RankOneNetwork
    >>> network = RankOneNetwork(m=np.ones(2), n=np.ones(2), b=np.zeros(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(Path(folder), network, 7, format="npz", dtype="float64").name
    'epoch_7.npz'
    """
    weights = {name: np.array(values, dtype=dtype) for name, values in network.weights.items()}
    path = folder / f"epoch_{epoch}.{format}"
    if format == "pt":
        import torch

        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        _replace(path, lambda file: torch.save({"state_dict": state, "epoch": epoch}, file))
    else:
        arrays: dict[str, Any] = {**weights, "epoch": np.int64(epoch)}
        _replace(path, lambda file: np.savez(file, **arrays))
    return path


def read_checkpoint(path: Path) -> Network:
    """The network in a file of `write_checkpoint`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Network
    """
    if path.suffix == ".pt":
        import torch

        state = torch.load(path, weights_only=True)["state_dict"]
        return network_of({name: values.double().numpy() for name, values in state.items()})
    with np.load(path, allow_pickle=False) as file:
        return network_of(file)


def last_checkpoint(folder: Path) -> tuple[int, Path] | None:
    """The checkpoint with the most updates and how many those are; None if there is none."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _CHECKPOINT.fullmatch(path.name))]
    return max(found, default=None)


def claim(folder: Path, run: dict[str, Any]) -> bool:
    """Make the folder this run's own, or find that it is already.

    Parameters
    ----------
    folder : Path
        Created if absent.
    run : dict
        What `run.json` says. Two runs are the same if all of it but the software agrees.

    Returns
    -------
    bool
        Whether the run was begun before.

    Raises
    ------
    DynaghostError
        If the folder holds checkpoints, metrics or the description of another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = folder / "run.json"
    if description.exists():
        before = _read_json(description)
        differing = [key for key in run if key != "software" and before.get(key) != run[key]]
        if differing:
            raise DynaghostError(f"{folder} holds another run, which differs in {_difference(before, run, differing)}")
        return True
    taken = sorted(path.name for path in folder.iterdir() if _CHECKPOINT.fullmatch(path.name))
    taken += ["metrics.csv"] * (folder / "metrics.csv").exists()
    if taken:
        raise DynaghostError(f"out must be empty or hold this run, but {folder} has {taken[0]} and no run.json")
    _replace(description, lambda file: file.write((json.dumps(run, indent=1) + "\n").encode()))
    return False


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name to an .npz file, unless it is there."""
    if not path.exists():
        _replace(path, lambda file: np.savez(file, **dict[str, Any](arrays)))


def begin_metrics(folder: Path, *, before: int) -> None:
    """Start `metrics.csv`, keeping the rows before an epoch: what an interrupted run wrote later is computed again."""
    path, rows = folder / "metrics.csv", []
    if before > 0 and path.exists():
        lines = path.read_text().splitlines(keepends=True)[1:]
        # An interruption can leave half a line, but only after the last checkpoint, and so after `before`.
        rows = [line for line in lines if line.endswith("\n") and int(line.split(",")[0]) < before]
    _replace(path, lambda file: file.write((_HEADER + "".join(rows)).encode()))


def last_metrics_epoch(folder: Path) -> int | None:
    """The epoch of the last whole row of `metrics.csv`; None if there is none."""
    path = folder / "metrics.csv"
    lines = path.read_text().splitlines(keepends=True)[1:] if path.exists() else []
    return int(lines[-1].split(",")[0]) if lines and lines[-1].endswith("\n") else None


def append_metrics(folder: Path, rows: Iterable[tuple[int, float, float]]) -> None:
    """Append rows of epoch, loss and gradient norm; floats come back exactly."""
    text = "".join(f"{epoch},{float(loss)!r},{float(norm)!r}\n" for epoch, loss, norm in rows)
    with (folder / "metrics.csv").open("a", newline="") as file:
        file.write(text)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DynaghostError(f"{path} must be JSON written by a training run, got {error}") from error
    if not isinstance(content, dict):
        raise DynaghostError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def _difference(before: dict[str, Any], run: dict[str, Any], keys: list[str]) -> str:
    parts = []
    for key in keys:
        old, new = before.get(key), run[key]
        if isinstance(old, dict) and isinstance(new, dict):
            inner = [name for name in new if old.get(name) != new[name]] or sorted(set(old) - set(new))
            parts += [f"{name} ({old.get(name)!r} there, {new.get(name)!r} asked)" for name in inner]
        else:
            parts.append(f"{key} ({old!r} there, {new!r} asked)")
    return ", ".join(parts)


def _replace(path: Path, write: Callable[[BufferedWriter], Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        write(file)
    os.replace(partial, path)
