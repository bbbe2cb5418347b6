"""Long sequences of records that are kept in bytes, and made when they are asked for.

`Packed` holds a few blocks of them at a time, so that memory hardly grows with the length of a run.
"""

import bisect
import gc
import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar, overload

from dynaghost.columns import header, pack, unpack

T = TypeVar("T")
S = TypeVar("S")
T_co = TypeVar("T_co", covariant=True)

BLOCK = 256
"""Records in a block, of which `Packed` makes all at once."""

# Decoded blocks that a sequence keeps: 1024 records.
_KEPT = 4
# Bytes that are set aside in memory before there is a file.
_FEW = 1 << 20


def packed(kind: Any, records: "Many[Any]") -> bytes:
    """`pack`, or the bytes of a `Block` as they are."""
    return records.data if isinstance(records, Block) else pack(kind, tuple(records))


class Many(Sized, Iterable[T_co], Protocol[T_co]):
    """What has a length and can be iterated over, again and again: a tuple, or a `Block`."""


class Aside:
    """Where bytes are set aside: few of them in memory, many in a temporary file without a name.

    Examples
    --------
    >>> aside = Aside()
    >>> kept = aside.put(b"much")
    >>> bytes(kept)
    b'much'
    """

    def __init__(self) -> None:
        self._file, self._lock, self._end = SpooledTemporaryFile(_FEW), Lock(), 0  # noqa: SIM115 (closed with its last user)
        weakref.finalize(self, self._file.close)

    def put(self, data: bytes) -> "Kept":
        """Set bytes aside."""
        with self._lock:
            self._file.seek(self._end)
            self._file.write(data)
            kept = Kept(self, self._end, len(data))
            self._end += len(data)
        return kept

    def read(self, start: int, size: int) -> bytes:
        """Some of the bytes."""
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)


class Kept:
    """Bytes that were set aside; a copy in another process has them in its memory."""

    __slots__ = ("_aside", "_size", "_start")

    def __init__(self, aside: Aside, start: int, size: int) -> None:
        self._aside, self._start, self._size = aside, start, size

    def __bytes__(self) -> bytes:
        return self._aside.read(self._start, self._size)

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class Block(Generic[T]):
    """Some records in bytes.

    Attributes
    ----------
    kind : type or type hint
    size : int
    """

    __slots__ = ("_held", "kind", "size")

    def __init__(self, kind: Any, size: int, data: "bytes | Kept") -> None:
        self.kind, self.size, self._held = kind, size, data

    @property
    def data(self) -> bytes:
        """The bytes."""
        return bytes(self._held)

    def set_aside(self, aside: Aside) -> "Block[T]":
        """The same block, its bytes set aside."""
        return Block(self.kind, self.size, aside.put(self.data))

    @classmethod
    def of(cls, kind: Any, records: Sequence[T]) -> "Block[T]":
        """The block of these records."""
        return cls(kind, len(records), pack(kind, records))

    @classmethod
    def read(cls, kind: Any, data: bytes) -> "Block[T]":
        """The block whose bytes these are, which say how many records there are; errors are those of `unpack`."""
        return cls(kind, header(kind, data)[0], data)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[T]:
        return iter(unpack(self.kind, self.data))


class Packed(Sequence[T]):
    """A sequence of records kept in blocks; those that are asked for are made anew.

    Parameters
    ----------
    blocks : iterable of Many
        `Block`s, or whatever else makes its records when it is iterated over.

    Examples
    --------
    >>> numbers = Packed.of(int, range(1000))
    >>> len(numbers), numbers[-1], numbers[2:4], sum(numbers)
    (1000, 999, (2, 3), 499500)
    """

    def __init__(self, blocks: Iterable[Many[T]]) -> None:
        self.blocks = tuple(block for block in blocks if len(block))
        self._ends = list(itertools.accumulate(len(block) for block in self.blocks))
        self._made: OrderedDict[int, list[T]] = OrderedDict()
        # The block last asked for: where it begins and ends.
        self._first, self._last, self._block = 0, 0, list[T]()

    @classmethod
    def of(cls, kind: Any, records: Iterable[T]) -> "Packed[T]":
        """A sequence of these records, which may come from an iterator: no more than a block of them is held."""
        aside = Aside()
        return cls(Block.of(kind, some).set_aside(aside) for some in chunks(records, BLOCK))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if self._first <= index < self._last:
            return self._block[index - self._first]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"expected an index below {len(self)}, got {index}")
        number = bisect.bisect_right(self._ends, place)
        self._first, self._last = self._ends[number - 1] if number else 0, self._ends[number]
        self._block = self._records(number)
        return self._block[place - self._first]

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self.blocks)):
            yield from self._records(number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str) or len(self) != len(other):
            return False
        return all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Packed({len(self)} records)"

    def __getstate__(self) -> tuple[Many[T], ...]:
        return self.blocks

    def __setstate__(self, blocks: tuple[Many[T], ...]) -> None:
        self.__init__(blocks)  # type: ignore[misc]

    def _records(self, number: int) -> list[T]:
        if number in self._made:
            self._made.move_to_end(number)
        else:
            self._made[number] = _listed(self.blocks[number])
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return self._made[number]


def _listed(block: Many[T]) -> list[T]:
    """All records of a block."""
    with uncollected():
        return list(block)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage in between: where many records are made and none is in a cycle, it takes a fifth.

    Examples
    --------
    >>> with uncollected():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


FEW = 4096
"""Records that are held as they are."""


def few(kind: Any, records: Iterable[T]) -> Sequence[T]:
    """A few records as a tuple, more of them packed.

    Examples
    --------
    >>> few(str, ["a", "b"]), few(str, map(str, range(5000)))
    (('a', 'b'), Packed(5000 records))
    """
    rest = iter(records)
    first = tuple(itertools.islice(rest, FEW))
    return first if len(first) < FEW else Packed.of(kind, itertools.chain(first, rest))


class Made(Generic[T]):
    """Some records that a function makes, each time they are iterated over, from their places in the whole.

    Examples
    --------
    >>> list(Made(lambda places: [place**2 for place in places], range(2, 4)))
    [4, 9]
    """

    __slots__ = ("function", "places")

    def __init__(self, function: Callable[[range], Iterable[T]], places: range) -> None:
        self.function, self.places = function, places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[T]:
        return iter(self.function(self.places))


def made(function: Callable[[range], Iterable[T]], number: int, size: int) -> Packed[T]:
    """A sequence of so many records, of which a function makes a block of `size` from their places in the whole.

    Examples
    --------
    >>> squares = made(lambda places: [place**2 for place in places], 10, 4)
    >>> squares[9], len(squares), len(squares.blocks)
    (81, 10, 3)
    """
    return Packed(Made(function, range(first, min(first + size, number))) for first in range(0, number, size))


class Packer(Generic[T]):
    """A list that only grows, packed as it does: so many records, of large ones fewer, at a time.

    Examples
    --------
    >>> squares = Packer(int)
    >>> for k in range(600):
    ...     squares.append(k * k)
    >>> squares.packed()[-1]
    358801
    """

    def __init__(self, kind: Any, size: int = BLOCK) -> None:
        self.kind, self.size = kind, size
        self._blocks, self._open, self._aside = list[Block[T]](), list[T](), Aside()

    def append(self, record: T) -> None:
        """One more record, at the end."""
        self._open.append(record)
        if len(self._open) == self.size:
            self._close()

    def packed(self) -> Packed[T]:
        """All of them as a sequence."""
        self._close()
        return Packed(self._blocks)

    def _close(self) -> None:
        if self._open:
            self._blocks.append(Block.of(self.kind, self._open).set_aside(self._aside))
            self._open.clear()


class Mapped(Sequence[T]):
    """A function of every item of a sequence, computed when an item is asked for.

    Examples
    --------
    >>> list(Mapped(abs, [-1, 2]))
    [1, 2]
    """

    def __init__(self, function: Callable[[S], T], items: Sequence[S]) -> None:
        self._function, self._items = function, items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(map(self._function, self._items[index]))
        return self._function(self._items[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._function, self._items)


def chunks(records: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most so many consecutive records.

    Examples
    --------
    >>> list(chunks(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """
    rest = iter(records)
    while some := list(itertools.islice(rest, size)):
        yield some
