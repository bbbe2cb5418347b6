"""NumPy's files (.npy, .npz) read without pickles, their declared sizes checked first."""

import math
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynaghost.checkpoints.archive import Archive
from dynaghost.errors import CheckpointError

# Headers of arrays of real numbers have about 120 bytes.
_HEADER = 1024

_MAGIC = b"\x93NUMPY"
_FIELDS = re.compile(
    rb"\{ ?'descr': ?'([<>|=]?[a-zA-Z?]\d{0,9})', ?'fortran_order': ?(True|False), "
    rb"?'shape': ?\(((?:\d{1,18}, ?)*\d{0,18})\),? ?\} *\n?"
)


def npz_shapes(archive: Archive, file: str) -> tuple[dict[str, tuple[int, ...]], dict[str, np.ndarray]]:
    """Shapes of the arrays of numbers in an npz archive, and whatever has no dimensions, read."""
    shapes, small = {}, {}
    for name, key in _members(archive, file):
        shape, _fortran, dtype, start = plain_header(archive.read(name, _HEADER), key, file)
        _check_size(shape, dtype, archive.size(name) - start, key, file)
        if dtype.kind != "U":
            shapes[key] = shape
        if shape == ():
            small[key] = parse_npy(archive.read(name), key, file)
    return shapes, small


class Header(NamedTuple):
    """What a .npy file says of its array, and where the numbers begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int


def npy_header(archive: Archive, name: str, file: str) -> Header:
    """The header of a member of an npz archive, which must be as large as it says.

    Raises
    ------
    CheckpointError
        If it is damaged, or holds objects or complex numbers.
    """
    found = Header(*plain_header(archive.read(name, _HEADER), name, file))
    _check_size(found.shape, found.dtype, archive.size(name) - found.start, name, file)
    return found


def npz_arrays(archive: Archive, file: str) -> dict[str, np.ndarray]:
    """Every array of an npz archive, texts included."""
    return {key: parse_npy(archive.read(name), key, file) for name, key in _members(archive, file)}


def read_npy(path: Path) -> np.ndarray:
    """The array in a .npy file.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds objects or complex numbers.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "x0.npy"
    ...     np.save(path, np.arange(3.0))
    ...     print(read_npy(path))
    [0. 1. 2.]
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: expected a readable file, got {error.strerror or error}") from error
    return parse_npy(data, path.stem, str(path))


def parse_npy(data: bytes, name: str, file: str) -> np.ndarray:
    """The array that the bytes of a .npy file describe, writable, in the machine's byte order."""
    shape, fortran, dtype, start = plain_header(data, name, file)
    _check_size(shape, dtype, len(data) - start, name, file)
    array = np.frombuffer(data, dtype, count=math.prod(shape), offset=start)
    if (
        dtype.kind == "U"
        and array.size
        and array.astype(dtype.newbyteorder("=")).view(np.uint32).max() > sys.maxunicode
    ):
        raise CheckpointError(f"{file}: {name}: expected text, got codes that are no characters")
    return np.array(array.reshape(shape, order="F" if fortran else "C"), dtype=dtype.newbyteorder("="), order="C")


def _members(archive: Archive, file: str) -> list[tuple[str, str]]:
    """Member and array names, each array once."""
    members = [(name, name.removesuffix(".npy")) for name in archive.names]
    keys = [key for _, key in members]
    if len(set(keys)) != len(keys):
        raise CheckpointError(
            f"{file}: expected arrays of different names, got two named {max(keys, key=keys.count)!r}"
        )
    return members


def plain_header(data: bytes, name: str, file: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """What the first bytes of a .npy file say: shape, Fortran order, dtype, and where the numbers begin.

    Raises
    ------
    CheckpointError
        If they are damaged, or tell of objects or complex numbers.
    """
    # The version's first byte says how wide the header's length is; anything after version 2 only adds field names.
    width = 2 if data[6:7] == b"\x01" else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    fields = _FIELDS.fullmatch(data[8 + width : start]) if data.startswith(_MAGIC) and start <= len(data) else None
    if fields is None:
        raise CheckpointError(f"{file}: {name}: expected a plain array in NumPy's format, got something else")
    dtype = _dtype(fields[1].decode(), name, file)
    shape = tuple(int(size) for size in fields[3].split(b",") if size.strip())
    return shape, fields[2] == b"True", dtype, start


def _dtype(code: str, name: str, file: str) -> np.dtype:
    # The kind is looked at first: numpy warns about some of the codes that are no numbers.
    if code.lstrip("<>|=")[0] not in "biuf?U":
        described = {"O": "objects", "c": "complex numbers"}.get(code.lstrip("<>|=")[0], "something else")
        raise CheckpointError(f"{file}: {name}: expected real numbers, got {described} (dtype {code})")
    try:
        return np.dtype(code)
    except TypeError as error:
        raise CheckpointError(f"{file}: {name}: expected real numbers, got an unknown dtype {code!r}") from error


def _check_size(shape: tuple[int, ...], dtype: np.dtype, got: int, name: str, file: str) -> None:
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected != got:
        raise CheckpointError(f"{file}: {name}: expected {expected} bytes for shape {shape} of {dtype}, got {got}")
