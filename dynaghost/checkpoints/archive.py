"""Zip archives read within a budget: what a member may become is checked before it is read."""

import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from dynaghost.errors import CheckpointError

# Weights deflate to a half, zeros to a thousandth: a file may grow 20-fold, and small ones to 64 MiB.
GROWTH, ALLOWANCE = 20, 64 << 20

# What the zip module raises for malformed bytes.
MALFORMED_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class Budget:
    """Bytes that may still be made of one file.

    Examples
    --------
    >>> Budget("small.npz", 1000).spend(10**10, "array m")
    Traceback (most recent call last):
    dynaghost.errors.CheckpointError: small.npz: array m would take 10000000000 bytes in memory, ...
    """

    __slots__ = ("file", "left", "size")

    def __init__(self, file: str, size: int) -> None:
        self.file, self.size = file, size
        self.left = ALLOWANCE + GROWTH * size

    def spend(self, count: int, what: str) -> None:
        """Take `count` bytes for `what`, or refuse."""
        if count > self.left:
            raise CheckpointError(
                f"{self.file}: {what} would take {count} bytes in memory, more than a file of {self.size} bytes "
                f"may become ({ALLOWANCE + GROWTH * self.size} in all)"
            )
        self.left -= count


class _ZipFile(zipfile.ZipFile):
    """Closed by who opened it, and so without a finalizer.

    That of the class above is Python code, in which an interruption by the user would be raised, printed and lost.
    """

    __del__: Any = bool  # called without arguments: nothing happens, in no line of Python


class Archive:
    """A zip file whose members are read whole, each within the budget, its checksum verified."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.budget = budget
        self._path = path
        try:
            self._zip = _ZipFile(path)
        except MALFORMED_ZIP as error:
            raise CheckpointError(
                f"{path}: expected a complete zip archive, got one that is damaged ({error})"
            ) from error
        self.names = self._zip.namelist()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: Any) -> None:
        self._zip.close()

    def size(self, name: str) -> int:
        """Bytes in a member, as the archive declares it."""
        return self._zip.getinfo(name).file_size

    def checksum(self, name: str) -> int:
        """CRC-32 of a member's bytes, as the archive declares it."""
        return self._zip.getinfo(name).CRC

    def place(self, name: str) -> int | None:
        """Where the bytes of a member begin in the file; None if they are compressed.

        Raises
        ------
        CheckpointError
            If the file ends before they do.
        """
        info = self._zip.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return None
        with open(self._path, "rb") as stream:
            stream.seek(info.header_offset)
            head = stream.read(30)
            size = stream.seek(0, 2)
        if len(head) < 30 or not head.startswith(b"PK\x03\x04"):
            raise CheckpointError(f"{self._path}: member {name!r} is damaged (no header)")
        start = info.header_offset + 30 + sum(struct.unpack("<HH", head[26:]))
        if start + info.file_size > size:
            raise CheckpointError(f"{self._path}: member {name!r} is damaged (it goes beyond the end of the file)")
        return start

    def read(self, name: str, count: int | None = None) -> bytes:
        """The bytes of a member, or its first `count`; never more than it declares.

        Raises
        ------
        CheckpointError
            If there is none, or it is damaged, or too large for the size of the file.
        """
        if name not in self._zip.NameToInfo:
            raise CheckpointError(f"{self._path}: expected a member {name!r}, got {len(self.names)} others")
        info = self._zip.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(
                f"{self._path}: member {name!r}: expected stored or deflated bytes, got another method"
            )
        wanted = info.file_size if count is None else min(count, info.file_size)
        self.budget.spend(wanted, f"member {name!r}")
        try:
            with self._zip.open(info) as member:
                # A bounded read: an unbounded one inflates everything before it looks at the declared size.
                data = member.read(wanted)
        except MALFORMED_ZIP as error:
            raise CheckpointError(f"{self._path}: member {name!r} is damaged ({error})") from error
        if len(data) != wanted:
            raise CheckpointError(f"{self._path}: member {name!r}: expected {wanted} bytes, got {len(data)}")
        return data
