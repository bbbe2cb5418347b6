"""Files of one run are alike: what the first says of its arrays serves the next, where every other byte is the same.

Reading an archive of `numpy.savez` is mostly looking at its structure. Of a file that was read in full it is known
which of its bytes are numbers, checksums and times; another file with the same bytes everywhere else has the same
structure, and its numbers are where those of the first are. Any other file is read in full.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dynaghost.checkpoints.numpy_files import plain_header

_UTF8 = 0x800
# A member's time and checksum, eight bytes of its header and of its record in the archive's directory.
_IN_HEADER, _IN_RECORD = 10, 12


class _Array(NamedTuple):
    """A member: its array, where its bytes and its numbers begin and end, and the two places of time and checksum."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    start: int
    end: int
    told: tuple[int, int]


class Alike:
    """The structure of a small .npz file of stored arrays.

    Parameters
    ----------
    data : bytes
        Of the whole file, which `formats.read_arrays` has read without an error.

    Raises
    ------
    ValueError
        If it is compressed, or otherwise not as `numpy.savez` writes it.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.arrays = tuple(_members(data))
        holes = [(one.start, one.end) for one in self.arrays]
        holes += [(at, at + 8) for one in self.arrays for at in one.told]
        edges = [0, *(edge for hole in sorted(holes) for edge in hole), self.size]
        if any(low > high for low, high in pairwise(edges)):
            raise ValueError("expected members one after the other, got some that overlap")
        self._same = tuple((slice(a, b), data[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True))

    def read(self, data: bytes) -> dict[str, np.ndarray] | None:
        """The arrays of another file of the same structure; None if it has another one, or is damaged."""
        if len(data) != self.size or any(data[place] != known for place, known in self._same):
            return None
        found = {}
        for one in self.arrays:
            (checksum,) = struct.unpack_from("<I", data, one.told[1] + 4)
            if zlib.crc32(data[one.begin : one.end]) != checksum:
                return None
            values = np.frombuffer(data, one.dtype, (one.end - one.start) // one.dtype.itemsize, one.start)
            found[one.name] = values.reshape(one.shape).astype(one.dtype.newbyteorder("="))
        return found


def _members(data: bytes) -> Iterator[_Array]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        infos, record = archive.infolist(), archive.start_dir
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len(set(names)) != len(names):
        raise ValueError("expected arrays of different names, got two of one")
    for name, info in zip(names, infos, strict=True):
        yield _member(data, name, info, record)
        record += 46 + sum(struct.unpack_from("<HHH", data, record + 28))


def _member(data: bytes, name: str, info: zipfile.ZipInfo, record: int) -> _Array:
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & ~_UTF8:
        raise ValueError(f"{name}: expected a stored member, got another")
    begin = info.header_offset + 30 + sum(struct.unpack_from("<HH", data, info.header_offset + 26))
    end = begin + info.file_size
    shape, fortran, dtype, start = plain_header(data[begin:end], name, "")
    if fortran or dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers in rows, got others")
    return _Array(name, dtype, shape, begin, begin + start, end, (info.header_offset + _IN_HEADER, record + _IN_RECORD))
