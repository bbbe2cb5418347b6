"""Keras' HDF5 weights as named arrays, by h5py (the extra `dynaghost[keras]`); nothing outside the file is opened.

HDF5 can point elsewhere: a link into another file, a dataset stored in another file, a virtual dataset. A crafted file
could so read any file of the system, hence all three are refused.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.archive import Budget
from dynaghost.errors import CheckpointError

_MOST = 100_000
# Keras 3 numbers a cell's variables: kernel, recurrent kernel, bias.
_VARIABLES = {"0": "kernel", "1": "recurrent_kernel", "2": "bias"}


def hdf5_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of numbers in an HDF5 file, by dotted name.

    Keras' own repetitions are left out: `rnn_1/rnn_1/kernel:0` becomes `rnn_1.kernel`; the variables `0`, `1`, `2` of a
    recurrent cell (Keras 3) become its `kernel`, `recurrent_kernel` and `bias`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CheckpointError
        If h5py is not installed, the file is damaged, or it points outside itself.
    """
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError(f"{path}: HDF5 needs h5py, got none: pip install 'dynaghost[keras]'") from error
    budget = Budget(str(path), path.stat().st_size)
    try:
        with h5py.File(path, "r") as file:
            found = {}
            for name, dataset in _datasets(h5py, file, "", path, [0]):
                short = _short(name)
                if short in found:
                    raise CheckpointError(f"{path}: expected one array named {short!r}, got two")
                budget.spend(dataset.size * dataset.dtype.itemsize, f"array {name}")
                found[short] = np.asarray(dataset[()])
            return found
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: expected a complete HDF5 file, got a damaged one ({error})") from error


def _datasets(h5py: Any, group: Any, name: str, path: Path, visited: list[int]) -> Iterator[tuple[str, Any]]:
    """Name and dataset of every array of numbers under a group, depth first."""
    for key in group:
        visited[0] += 1
        if visited[0] > _MOST or name.count("/") > 64:
            raise CheckpointError(f"{path}: expected at most {_MOST} entries, 64 deep, got more")
        inner = f"{name}/{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise CheckpointError(f"{path}: {inner}: expected an array of this file, got a link")
        member = group[key]
        if isinstance(member, h5py.Group):
            yield from _datasets(h5py, member, inner, path, visited)
        elif member.dtype.kind in "biuf":
            if member.external or member.is_virtual:
                raise CheckpointError(f"{path}: {inner}: expected an array of this file, got one stored elsewhere")
            yield inner, member


def _short(name: str) -> str:
    parts = [part for part in re.sub(r":\d+$", "", name).split("/") if part]
    if len(parts) > 2 and parts[-2] == "vars" and parts[-1] in _VARIABLES and "cell" in parts[-3]:
        parts = [*parts[:-3], _VARIABLES[parts[-1]]]
    return ".".join(part for i, part in enumerate(parts) if i == 0 or part != parts[i - 1])
