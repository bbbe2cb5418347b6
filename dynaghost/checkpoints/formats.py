"""Checkpoint files as named arrays and scalars: what each format holds, read without running anything from it.

The content decides which reader serves, never the name. What a file may become in memory is checked before it is read.
"""

import json
import math
import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints import flatten
from dynaghost.checkpoints.alike import Alike
from dynaghost.checkpoints.archive import MALFORMED_ZIP, Archive, Budget
from dynaghost.checkpoints.foreign import foreign
from dynaghost.checkpoints.keras_files import hdf5_arrays
from dynaghost.checkpoints.numpy_files import npz_arrays, npz_shapes, read_npy
from dynaghost.checkpoints.pickles import MALFORMED
from dynaghost.checkpoints.torch_zip import Tensor, TorchArchive, bfloat16, root
from dynaghost.errors import CheckpointError

Scalar = int | float | str

SMALL = 1 << 16
"""Bytes of a file that is read whole for its outline."""
_LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a checkpoint file holds.

    Attributes
    ----------
    arrays : dict of str to ndarray
        By dotted name, real numbers, in the machine's byte order; bfloat16 as float32. Arrays without dimensions are
        here and among the scalars.
    scalars : dict of str to int, float or str
        By dotted name, such as epoch, global_step, loss, hyper_parameters.leak.
    format : str
        "torch", "torch legacy", "npz", "npy", "safetensors", "hdf5", or "dict" for what is in memory.
    """

    arrays: dict[str, np.ndarray]
    scalars: dict[str, Scalar]
    format: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What a checkpoint file holds, its arrays not read: enough to put files in order.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        By dotted name; lists of numbers, such as a loss history, are not among them.
    scalars : dict of str to int, float or str
    format : str
    """

    shapes: dict[str, tuple[int, ...]]
    scalars: dict[str, Scalar]
    format: str


def sniff(path: Path) -> str | None:
    """The format that a file's first bytes say, or None for a file that is no checkpoint.

    Returns
    -------
    str or None
        "zip" (torch or npz), "torch legacy", "npy", "safetensors", "hdf5" or None.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise CheckpointError(f"{path}: expected a readable file, got {error.strerror or error}") from error
    for magic, label in ((b"PK", "zip"), (b"\x93NUMPY", "npy"), (b"\x89HDF\r\n", "hdf5")):
        if head.startswith(magic):
            return label
    if head[:1] == b"\x80" and _LEGACY in head:
        return "torch legacy"
    # A header's length in 8 bytes, then the header; the library allows 100 MB.
    return "safetensors" if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000 else None


def read_arrays(path: str | PathLike[str]) -> Contents:
    """Every array and scalar in a checkpoint file.

    Parameters
    ----------
    path : path
        A torch file (state dict, nested, Lightning's, a pickled module, TorchScript), .npz, .npy, .safetensors or HDF5.

    Returns
    -------
    Contents

    Raises
    ------
    CheckpointError
        If the file is empty, damaged, of another format, holds complex numbers or objects, or would take more memory
        than a file of its size should.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "epoch_3.npz", m=np.ones(2), epoch=3)
    ...     contents = read_arrays(Path(folder) / "epoch_3.npz")
    >>> contents.format, contents.arrays["m"], contents.scalars
    ('npz', array([1., 1.]), {'epoch': 3})
    """
    path = Path(path)
    match sniff(path):
        case "zip":
            return _read_zip(path)
        case "npy":
            array = flatten.real(read_npy(path), path.stem, str(path))
            return Contents({path.stem: array}, flatten.scalars({path.stem: array}), "npy")
        case "safetensors":
            return _read_safetensors(path)
        case "torch legacy":
            return _read_legacy(path)
        case "hdf5":
            arrays = hdf5_arrays(path)
            return Contents(arrays, flatten.scalars(arrays), "hdf5")
    raise _unknown(path)


class Reader:
    """`read_arrays` for the small files of one run: what the first looks like need not be found out of the next."""

    def __init__(self) -> None:
        self._known: Alike | None = None
        self._tried = False

    def read(self, path: Path) -> Contents:
        """Every array and scalar in a checkpoint file; errors are those of `read_arrays`."""
        if self._known is not None and (found := self._known.read(_bytes(path))) is not None:
            return Contents(found, flatten.scalars(found), "npz")
        contents = read_arrays(path)
        if not self._tried and contents.format == "npz":
            self._tried = True
            self._known = _structure(path, contents.arrays)
        return contents


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read(SMALL + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: expected a readable file, got {error.strerror or error}") from error


def _structure(path: Path, arrays: Mapping[str, np.ndarray]) -> Alike | None:
    """That of a file with these arrays; None where it is larger, compressed or has texts."""
    data = _bytes(path)
    try:
        known = Alike(data) if len(data) <= SMALL else None
        found = None if known is None else known.read(data)
    except (CheckpointError, ValueError, *MALFORMED_ZIP):
        return None
    # What is known of one file serves others only if it gives the very arrays.
    same = found is not None and list(found) == list(arrays) and all(_same(found[n], arrays[n]) for n in arrays)
    return known if same else None


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())


def outline(path: str | PathLike[str]) -> Outline:
    """Shapes and scalars of a checkpoint file, its arrays left where they are where the format allows it.

    Raises
    ------
    CheckpointError
        As `read_arrays`.
    """
    path = Path(path)
    if sniff(path) == "zip":
        return _outline_zip(path)
    contents = read_arrays(path)
    shapes = {name: array.shape for name, array in contents.arrays.items()}
    return Outline(shapes, contents.scalars, contents.format)


def from_mapping(source: Mapping[str, Any], file: str) -> Contents:
    """The same of a dict in memory: arrays, torch tensors (torch is not imported for it), scalars, nested or not.

    Raises
    ------
    CheckpointError
        For complex numbers, objects, and tensors that cannot be read.

    Examples
    --------
    >>> from_mapping({"epoch": 3, "model": {"m": np.ones(2)}}, "checkpoint 0").arrays
    {'model.m': array([1., 1.])}
    """
    values = flatten.leaves(source, file)
    arrays = flatten.arrays(values, file, lambda tensor, name: _from_live(tensor, name, file))
    return Contents(arrays, flatten.scalars({**values, **arrays}), "dict")


def _unknown(path: Path) -> CheckpointError:
    expected = f"{path}: expected a torch file, .npz, .npy, .safetensors or Keras' HDF5"
    if path.stat().st_size == 0:
        return CheckpointError(f"{expected}, got an empty file")
    with open(path, "rb") as stream:
        start = stream.read(128)
        if re.match(rb"\x80[\x02-\x05]", start):
            return CheckpointError(
                f"{expected}, got a plain pickle: it is not opened, since that could run code from it (save a state "
                "dict with torch.save, or arrays with numpy.savez)"
            )
    known = foreign(path, start)
    if known is not None:
        return CheckpointError(f"{expected}, got {known}")
    return CheckpointError(
        f"{expected}, got a file that begins with none of their signatures (cut short, or another format)"
    )


def _open(path: Path) -> Archive:
    return Archive(path, Budget(str(path), path.stat().st_size))


def _read_zip(path: Path) -> Contents:
    with _open(path) as archive:
        folder = root(archive.names)
        if folder is None:
            values = npz_arrays(_npz(archive, path), str(path))
            numbers = {name: array for name, array in values.items() if array.dtype.kind != "U"}
            return Contents(numbers, flatten.scalars(values), "npz")
        source = TorchArchive(path, archive, folder)
        values = flatten.leaves(source.tree(), str(path))
        arrays = flatten.arrays(values, str(path), lambda tensor, name: tensor.read(source, name))
        return Contents(arrays, flatten.scalars({**values, **arrays}), "torch")


def _outline_zip(path: Path) -> Outline:
    with _open(path) as archive:
        folder = root(archive.names)
        if folder is None:
            shapes, small = npz_shapes(_npz(archive, path), str(path))
            return Outline(shapes, flatten.scalars(small), "npz")
        source = TorchArchive(path, archive, folder)
        values = flatten.leaves(source.tree(), str(path))
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        small = {name: tensor.read(source, name) for name, tensor in tensors.items() if tensor.shape == ()}
        shapes = {name: value.shape for name, value in values.items() if isinstance(value, Tensor | np.ndarray)}
        return Outline(shapes, flatten.scalars({**values, **small}), "torch")


def _npz(archive: Archive, path: Path) -> Archive:
    inside = next((name for name in archive.names if name.endswith(".weights.h5")), None)
    if inside is not None:
        raise CheckpointError(
            f"{path}: expected weights alone, got a whole model of Keras: its weights are the member {inside!r} "
            f"(python -m zipfile -e {path.name} FOLDER), or save them by model.save_weights('epoch_N.weights.h5')"
        )
    if not archive.names or not all(name.endswith(".npy") for name in archive.names):
        raise CheckpointError(
            f"{path}: expected torch's data.pkl or NumPy's arrays in the zip archive, got {archive.names[:3]}"
        )
    return archive


def _read_safetensors(path: Path) -> Contents:
    from safetensors import SafetensorError, deserialize

    data = path.read_bytes()
    try:
        entries = deserialize(data)
    except (SafetensorError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: expected a complete safetensors file, got a damaged one ({error})") from error
    arrays = {name: _from_safetensors(entry, name, path) for name, entry in entries}
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    labels = {name: _number(text) for name, text in (header.get("__metadata__") or {}).items()}
    return Contents(arrays, flatten.scalars({**labels, **arrays}), "safetensors")


def _from_safetensors(entry: Mapping[str, Any], name: str, path: Path) -> np.ndarray:
    if entry["dtype"] not in _SAFETENSORS:
        raise CheckpointError(f"{path}: {name}: expected real numbers, got safetensors dtype {entry['dtype']}")
    array = np.frombuffer(entry["data"], _SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
    array = np.array(array, dtype=array.dtype.newbyteorder("="))
    return bfloat16(array) if entry["dtype"] == "BF16" else array


def _number(text: str) -> Scalar:
    """Metadata of safetensors are texts; a number among them is meant as one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _read_legacy(path: Path) -> Contents:
    # Before torch 1.6: storages after the pickle, in a layout that torch's own safe loader knows.
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except (*MALFORMED, RuntimeError, OSError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: expected an old torch file that its safe loader reads, got {reason}") from error
    contents = from_mapping(tree if isinstance(tree, Mapping) else {path.stem: tree}, str(path))
    return Contents(contents.arrays, contents.scalars, "torch legacy")


def _from_live(tensor: Any, name: str, file: str) -> np.ndarray:
    """A copy of a torch tensor as an array, through its own methods."""
    try:
        still = tensor.detach().cpu()
        Budget(file, still.untyped_storage().nbytes()).spend(math.prod(still.shape) * still.element_size(), name)
        array = _as_numpy(still)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{file}: {name}: expected a tensor of plain numbers, got one that is not ({error})"
        ) from error
    return np.array(flatten.real(array, name, file), order="C")


def _as_numpy(tensor: Any) -> np.ndarray:
    # NumPy has no bfloat16, and float32 holds it exactly.
    return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()
