"""Archives of many checkpoints in one file: .npz with stacked arrays, a row a checkpoint, read a few rows at a time.

A file of `numpy.savez(file, m=…, n=…, b=…, epoch=…)` with m, n and b of shape (checkpoints, …) and the epochs (or
steps) of shape (checkpoints,). Opening a file costs more than reading a small network from it: so hundreds of thousands
of them belong into such an archive. The arrays are read where they are in the file; compressed ones, and those in
Fortran's order, are held in memory.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.archive import Archive, Budget
from dynaghost.checkpoints.metrics import EPOCH_NAMES, GRADIENT_NAMES, LOSS_NAMES, STEP_NAMES
from dynaghost.checkpoints.numpy_files import npy_header, parse_npy
from dynaghost.errors import CheckpointError

# What may be one number a row.
_PER_ROW = {*STEP_NAMES, *EPOCH_NAMES, *LOSS_NAMES, *GRADIENT_NAMES}
# Rows that are read at once for their digests.
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Column:
    """One stacked array of an archive.

    Attributes
    ----------
    dtype : str
        As in the file.
    shape : tuple of int
        Of a row.
    offset : int
        Where the first row begins in the file; −1 if the array is held.
    checksum : int
        CRC-32 of the member, and of how its header begins it.
    begun : int
    held : ndarray or None
        The whole array, where rows cannot be read by themselves.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    checksum: int = 0
    begun: int = 0
    held: np.ndarray | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def read(self, stream: Any, first: int, number: int) -> np.ndarray:
        """Some rows, (number, …), in the machine's byte order, read from the open file."""
        if self.held is not None:
            return self.held[first : first + number]
        stream.seek(self.offset + first * self.size)
        rows = np.frombuffer(stream.read(number * self.size), self.dtype).reshape(-1, *self.shape)
        return rows.astype(rows.dtype.newbyteorder("="))


@dataclass(frozen=True, slots=True)
class Stacked:
    """The stacked arrays of an archive.

    Attributes
    ----------
    path : Path
    columns : dict of str to Column
    """

    path: Path
    columns: dict[str, Column]

    def read(self, row: int) -> dict[str, np.ndarray]:
        """The arrays of one checkpoint.

        Raises
        ------
        CheckpointError
            If the file cannot be read, or is shorter than it was.
        """
        try:
            with open(self.path, "rb") as stream:
                return {name: column.read(stream, row, 1)[0].copy() for name, column in self.columns.items()}
        except (OSError, IndexError, ValueError) as error:
            raise CheckpointError(f"{self.path}: expected {row + 1} rows or more, got an error ({error})") from error

    def rows(self, first: int, number: int) -> Iterator[tuple[dict[str, np.ndarray], bytes]]:
        """The arrays of some checkpoints, each with what `array_digest` gives for them; errors are those of `read`."""
        try:
            with open(self.path, "rb") as stream:
                stacks = {name: column.read(stream, first, number) for name, column in self.columns.items()}
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}: expected {number} rows from {first}, got an error ({error})"
            ) from error
        if any(len(stack) != number for stack in stacks.values()):
            raise CheckpointError(f"{self.path}: expected {first + number} rows or more, got a shorter file")
        digests = _digests([(name, stacks[name]) for name in sorted(stacks)])
        for row, digest in enumerate(digests):
            yield {name: stack[row].copy() for name, stack in stacks.items()}, digest

    def digests(self, number: int) -> Iterator[bytes]:
        """For each row what `array_digest` gives for its arrays.

        Raises
        ------
        CheckpointError
            If the file is damaged.
        """
        sums = {name: column.begun for name, column in self.columns.items()}
        names = sorted(self.columns)
        with open(self.path, "rb") as stream:
            for first in range(0, number, _ROWS):
                stacks = {name: self.columns[name].read(stream, first, min(_ROWS, number - first)) for name in names}
                for name, stack in stacks.items():
                    sums[name] = zlib.crc32(stack.astype(self.columns[name].dtype).tobytes(), sums[name])
                yield from _digests([(name, stacks[name]) for name in names])
        for name, column in self.columns.items():
            if column.held is None and sums[name] != column.checksum:
                raise CheckpointError(f"{self.path}: {name}: expected the bytes that were written, got damaged ones")


def _digests(stacks: Sequence[tuple[str, np.ndarray]]) -> Iterator[bytes]:
    heads = [f"{name}:{stack.dtype.str}:{stack.shape[1:]};".encode() for name, stack in stacks]
    rows = [np.ascontiguousarray(stack).reshape(len(stack), -1) for _, stack in stacks]
    for row in zip(*rows, strict=True):
        digest = hashlib.sha256()
        for head, values in zip(heads, row, strict=True):
            digest.update(head)
            digest.update(values)
        yield digest.digest()


@dataclass(frozen=True, slots=True)
class StackedRun:
    """What a stacked archive says of a run.

    Attributes
    ----------
    source : Stacked
    axis : str
        "epoch" or "step".
    steps : tuple of int
        Strictly increasing.
    loss, grad_norm : ndarray (checkpoints,) or None
    scalars : dict
        What it says once, such as a leak.
    """

    source: Stacked
    axis: str
    steps: tuple[int, ...]
    loss: np.ndarray | None
    grad_norm: np.ndarray | None
    scalars: dict[str, Any]


def stacked_axis(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Which array of an archive counts its rows, from the shapes of all; None if it is no stacked one.

    That is the case if an array that counts is of one dimension, others of one dimension are losses and gradient norms,
    and every array has as many rows.

    Examples
    --------
    >>> stacked_axis({"m": (7, 100), "n": (7, 100), "b": (7, 100), "epoch": (7,)})
    'epoch'
    >>> stacked_axis({"m": (100,), "n": (100,), "b": (100,), "epoch": (100,)}) is None
    True
    """
    weights = [shape for shape in shapes.values() if len(shape) > 1]
    for name in (*STEP_NAMES, *EPOCH_NAMES):
        rows = shapes.get(name)
        if rows is not None and len(rows) == 1 and weights and all(shape[:1] == rows for shape in weights):
            others = {other: shape for other, shape in shapes.items() if len(shape) == 1}
            return name if all(shape == rows and other in _PER_ROW for other, shape in others.items()) else None
    return None


def open_stacked(path: Path) -> StackedRun | None:
    """The run in a stacked archive; None if the file is another .npz.

    Raises
    ------
    CheckpointError
        If it is damaged, or its steps do not increase.
    """
    with Archive(path, Budget(str(path), path.stat().st_size)) as archive:
        if not all(name.endswith(".npy") for name in archive.names):
            return None
        heads = {name.removesuffix(".npy"): npy_header(archive, name, str(path)) for name in archive.names}
        axis = stacked_axis({name: head.shape for name, head in heads.items()})
        if axis is None:
            return None

        def whole(name: str) -> np.ndarray:
            return parse_npy(archive.read(f"{name}.npy"), name, str(path))

        columns = {}
        for name, head in heads.items():
            if len(head.shape) > 1:
                start = None if head.fortran else archive.place(f"{name}.npy")
                held = whole(name) if start is None else None
                offset, crc, begun = -1, 0, 0
                if start is not None:
                    offset, crc = start + head.start, archive.checksum(f"{name}.npy")
                    begun = zlib.crc32(archive.read(f"{name}.npy", head.start))
                columns[name] = Column(head.dtype.str, head.shape[1:], offset, crc, begun, held)
        single = {name: whole(name) for name, head in heads.items() if len(head.shape) < 2}
    steps = _increasing(single.pop(axis), axis, path)
    loss, norm = (next((np.asarray(single[n], float) for n in names if n in single), None) for names in _CURVES)
    scalars = {name: value.item() for name, value in single.items() if value.shape == ()}
    return StackedRun(Stacked(path, columns), "epoch" if axis in EPOCH_NAMES else "step", steps, loss, norm, scalars)


_CURVES = (LOSS_NAMES, GRADIENT_NAMES)


def _increasing(steps: np.ndarray, axis: str, path: Path) -> tuple[int, ...]:
    if steps.dtype.kind not in "iu" or np.any(np.diff(steps.astype(np.int64)) <= 0):
        raise CheckpointError(f"{path}: {axis}: expected whole numbers that increase from row to row, got others")
    return tuple(steps.tolist())
