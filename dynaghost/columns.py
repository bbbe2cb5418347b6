"""Many records of one kind ↔ bytes, column by column: a tenth of the space of the records, equal to their last bit.

A run has hundreds of thousands of records that differ in a few numbers. `pack` turns them into one array a field, by
the type hints of their class as `codec` does, and nothing in the bytes is ever run. `Packed` is a sequence of such
records that makes them when they are asked for, a block at a time, so that memory holds a few blocks of them.
"""

import bisect
import dataclasses
import gc
import itertools
import json
import types
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from enum import Enum
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints, overload

import numpy as np

from dynaghost.codec import dumps, loads

T = TypeVar("T")
S = TypeVar("S")
T_co = TypeVar("T_co", covariant=True)

BLOCK = 256
"""Records in a block, of which `Packed` makes all at once."""

# Decoded blocks that a sequence keeps: 4096 records.
_KEPT = 16
_NUMBERS: dict[Any, tuple[tuple[type, ...], str]] = {
    float: ((float, np.float64), "<f8"),
    int: ((int,), "<i8"),
    bool: ((bool, np.bool_), "|b1"),
    complex: ((complex, np.complex128), "<c16"),
}


def pack(kind: Any, records: Sequence[Any]) -> bytes:
    """Records of one kind as bytes.

    Parameters
    ----------
    kind : type or type hint
        Of each record: a dataclass, number, text, enum, array, or tuple or list of these, or None instead of one.
    records : sequence

    Examples
    --------
    >>> unpack(tuple[int, float | None], pack(tuple[int, float | None], [(1, 0.5), (2, None)]))
    [(1, 0.5), (2, None)]
    """
    parts: list[np.ndarray] = []
    _write(kind, records, parts)
    header = json.dumps([_signature(kind), len(records), [[part.dtype.str, len(part)] for part in parts]])
    return zlib.compress(b"\n".join([header.encode(), b"".join(part.tobytes() for part in parts)]), 1)


def unpack(kind: Any, data: bytes) -> list[Any]:
    """The records that `pack` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError, zlib.error
        If the bytes are not of records of this kind, with the fields that it has today.

    Examples
    --------
    >>> unpack(float, pack(int, [1]))
    Traceback (most recent call last):
    ValueError: expected records of another kind or version than those that were packed
    """
    number, layout, body = _header(kind, data)
    return _read(kind, number, _parts(layout, body))


def packed(kind: Any, records: "Many[Any]") -> bytes:
    """`pack`, or the bytes of a `Block` as they are."""
    return records.data if isinstance(records, Block) else pack(kind, tuple(records))


def _header(kind: Any, data: bytes) -> tuple[int, list[list[Any]], bytes]:
    """Number of records, layout of what follows, and what follows."""
    header, _, body = zlib.decompress(data).partition(b"\n")
    signature, number, layout = json.loads(header)
    if signature != _signature(kind):
        raise ValueError("expected records of another kind or version than those that were packed")
    return number, layout, body


class Many(Sized, Iterable[T_co], Protocol[T_co]):
    """What has a length and can be iterated over, again and again: a tuple, or a `Block`."""


class Block(Generic[T]):
    """Some records in bytes.

    Attributes
    ----------
    kind : type or type hint
    size : int
    data : bytes
    """

    __slots__ = ("data", "kind", "size")

    def __init__(self, kind: Any, size: int, data: bytes) -> None:
        self.kind, self.size, self.data = kind, size, data

    @classmethod
    def of(cls, kind: Any, records: Sequence[T]) -> "Block[T]":
        """The block of these records."""
        return cls(kind, len(records), pack(kind, records))

    @classmethod
    def read(cls, kind: Any, data: bytes) -> "Block[T]":
        """The block whose bytes these are, which say how many records there are; errors are those of `unpack`."""
        return cls(kind, _header(kind, data)[0], data)

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
        return cls(Block.of(kind, some) for some in chunks(records, BLOCK))

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
    """All records of a block, made without looking for garbage in between: there is none, and it takes a quarter."""
    was = gc.isenabled()
    gc.disable()
    try:
        return list(block)
    finally:
        if was:
            gc.enable()


class Packer(Generic[T]):
    """A list that only grows, packed as it does.

    Examples
    --------
    >>> squares = Packer(int)
    >>> for k in range(600):
    ...     squares.append(k * k)
    >>> squares.packed()[-1]
    358801
    """

    def __init__(self, kind: Any) -> None:
        self.kind, self._blocks, self._open = kind, list[Block[T]](), list[T]()

    def append(self, record: T) -> None:
        """One more record, at the end."""
        self._open.append(record)
        if len(self._open) == BLOCK:
            self._close()

    def packed(self) -> Packed[T]:
        """All of them as a sequence."""
        self._close()
        return Packed(self._blocks)

    def _close(self) -> None:
        if self._open:
            self._blocks.append(Block.of(self.kind, self._open))
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


@cache
def _signature(kind: Any) -> int:
    """A number that is another one for other fields."""
    return zlib.crc32(_described(kind).encode())


def _described(kind: Any) -> str:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        told = (f"{name}:{_described(hint)}" for name, hint in _fields(kind))
        return f"{kind.__name__}({','.join(told)})"
    arguments = get_args(kind)
    return f"{get_origin(kind)}[{','.join(map(_described, arguments))}]" if arguments else str(kind)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((one.name, hints[one.name]) for one in dataclasses.fields(kind))


def _parts(layout: list[list[Any]], body: bytes) -> Iterator[np.ndarray]:
    start = 0
    for dtype, count in layout:
        part = np.frombuffer(body, np.dtype(dtype), count=count, offset=start)
        start += part.nbytes
        yield part


@cache
def _column(kind: Any) -> tuple[Callable[..., None], Callable[..., list[Any]]]:
    """How a column of values of this kind is written and read."""
    origin = get_origin(kind)
    if kind in _NUMBERS:
        return _write_numbers, _read_numbers
    if kind is str:
        return _write_texts, _read_texts
    if origin is np.ndarray:
        return _write_arrays, _read_arrays
    if origin in (Union, types.UnionType) and len(get_args(kind)) == 2 and types.NoneType in get_args(kind):
        return _write_optional, _read_optional
    if origin in (tuple, list):
        return (_write_lists, _read_lists) if _is_list(kind) else (_write_tuples, _read_tuples)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _write_enums, _read_enums
    return (_write_dataclass, _read_dataclass) if dataclasses.is_dataclass(kind) else (_write_json, _read_json)


def _write(kind: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    _column(kind)[0](kind, values, parts)


def _read(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    return _column(kind)[1](kind, number, parts)


def _write_numbers(kind: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    accepted, dtype = _NUMBERS[kind]
    # A whole number in a field of floats stays one, and one beyond 64 bits too: as text.
    plain = set(map(type, values)) <= set(accepted) and (kind is not int or all(-(2**63) <= v < 2**63 for v in values))
    parts.append(np.array([plain], "|b1"))
    if plain:
        parts.append(np.array(values, dtype))
    else:
        _write_json(kind, values, parts)


def _read_numbers(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    return next(parts).tolist() if next(parts)[0] else _read_json(kind, number, parts)


def _write_texts(_: Any, values: Sequence[str], parts: list[np.ndarray]) -> None:
    different = {text: i for i, text in enumerate(dict.fromkeys(values))}
    _write_json(list[str], [list(different)], parts)
    if len(different) > 1:
        parts.append(np.array([different[text] for text in values], "<i4"))


def _read_texts(_: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    (texts,) = _read_json(list[str], 1, parts)
    return texts * number if len(texts) < 2 else [texts[i] for i in next(parts).tolist()]


def _write_enums(_: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    _write_texts(str, [str(value.value) for value in values], parts)


def _read_enums(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    made = {str(one.value): one for one in kind}
    return [made[text] for text in _read_texts(str, number, parts)]


def _write_optional(kind: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    there = [value is not None for value in values]
    parts.append(np.array(there, "|b1"))
    _write(_inner(kind), [value for value in values if value is not None], parts)


def _read_optional(kind: Any, _: int, parts: Iterator[np.ndarray]) -> list[Any]:
    there = next(parts).tolist()
    values = iter(_read(_inner(kind), sum(there), parts))
    return [next(values) if one else None for one in there]


def _inner(kind: Any) -> Any:
    return next(one for one in get_args(kind) if one is not types.NoneType)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or get_args(kind)[1:] == (Ellipsis,)


def _write_lists(kind: Any, values: Sequence[Sequence[Any]], parts: list[np.ndarray]) -> None:
    parts.append(np.array([len(value) for value in values], "<i4"))
    _write(get_args(kind)[0], [item for value in values for item in value], parts)


def _read_lists(kind: Any, _: int, parts: Iterator[np.ndarray]) -> list[Any]:
    lengths = next(parts).tolist()
    items = iter(_read(get_args(kind)[0], sum(lengths), parts))
    make = get_origin(kind)
    return [make(itertools.islice(items, length)) for length in lengths]


def _write_tuples(kind: Any, values: Sequence[Sequence[Any]], parts: list[np.ndarray]) -> None:
    for i, inner in enumerate(get_args(kind)):
        _write(inner, [value[i] for value in values], parts)


def _read_tuples(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    return list(zip(*(_read(inner, number, parts) for inner in get_args(kind)), strict=True))


def _write_dataclass(kind: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    for name, hint in _fields(kind):
        _write(hint, [getattr(value, name) for value in values], parts)


def _read_dataclass(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    return list(map(kind, *(_read(hint, number, parts) for _, hint in _fields(kind))))


def _write_arrays(_: Any, values: Sequence[np.ndarray], parts: list[np.ndarray]) -> None:
    little = [np.asarray(value, value.dtype.newbyteorder("<")) for value in values]
    if any(value.dtype.hasobject for value in little):
        raise TypeError("expected arrays of numbers, got objects")
    _write_texts(str, [f"{value.dtype.str} {','.join(map(str, value.shape))}" for value in little], parts)
    parts.append(np.frombuffer(b"".join(value.tobytes() for value in little), np.uint8))


def _read_arrays(_: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    found = _read_texts(str, number, parts)
    if len(set(found)) == 1:
        return _read_alike(found[0], number, next(parts))
    forms = {text: _form(text) for text in set(found)}
    data, start, arrays = next(parts).tobytes(), 0, []
    for text in found:
        dtype, shape, count = forms[text]
        array = np.frombuffer(data, dtype, count, start)
        start += array.nbytes
        # Writable, and in the machine's order.
        arrays.append(array.astype(dtype.newbyteorder("=")).reshape(shape))
    return arrays


def _read_alike(text: str, number: int, part: np.ndarray) -> list[Any]:
    """Arrays of one form: views of one array."""
    dtype, shape, _ = _form(text)
    arrays = np.frombuffer(part.tobytes(), dtype).astype(dtype.newbyteorder("=")).reshape(number, *shape)
    return list(arrays) if shape else [array.reshape(()) for array in arrays.reshape(number, 1)]


def _form(text: str) -> tuple[np.dtype, tuple[int, ...], int]:
    dtype, sizes = text.split(" ")
    shape = tuple(int(size) for size in sizes.split(",") if size)
    return np.dtype(dtype), shape, int(np.prod(shape, dtype=int))


def _write_json(_: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    parts.append(np.frombuffer(dumps(list(values)).encode(), np.uint8))


def _read_json(kind: Any, number: int, parts: Iterator[np.ndarray]) -> list[Any]:
    return loads(list[kind], next(parts).tobytes().decode())
