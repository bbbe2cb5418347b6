"""Many records of one kind ↔ bytes, column by column: a tenth of the space of the records, equal to their last bit.

A run has hundreds of thousands of records that differ in a few numbers. `pack` turns them into one array a field, by
the type hints of their class as `codec` does, and nothing in the bytes is ever run.
"""

import dataclasses
import itertools
import json
import types
import zlib
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from dynaghost.codec import dumps, loads

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
        Of each record: a dataclass, number, text, enum, array, or tuple or list of these, or None instead of one,
        or a union of a dataclass and others, told apart by the very types of the values.
    records : sequence

    Examples
    --------
    >>> unpack(tuple[int, float | None], pack(tuple[int, float | None], [(1, 0.5), (2, None)]))
    [(1, 0.5), (2, None)]
    """
    parts: list[np.ndarray] = []
    _write(kind, records, parts)
    head = json.dumps([_signature(kind), len(records), [[part.dtype.str, len(part)] for part in parts]])
    return zlib.compress(b"\n".join([head.encode(), b"".join(part.tobytes() for part in parts)]), 1)


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
    number, layout, body = header(kind, data)
    return _read(kind, number, _parts(layout, body))


def header(kind: Any, data: bytes) -> tuple[int, list[list[Any]], bytes]:
    """Number of records, layout of what follows, and what follows."""
    head, _, body = zlib.decompress(data).partition(b"\n")
    signature, number, layout = json.loads(head)
    if signature != _signature(kind):
        raise ValueError("expected records of another kind or version than those that were packed")
    return number, layout, body


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
    if origin in (Union, types.UnionType) and any(map(dataclasses.is_dataclass, get_args(kind))):
        return _write_union, _read_union
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


def _write_union(kind: Any, values: Sequence[Any], parts: list[np.ndarray]) -> None:
    kinds = get_args(kind)
    which = [kinds.index(type(value)) for value in values]
    parts.append(np.array(which, "|u1"))
    for i, one in enumerate(kinds):
        if one is not types.NoneType:
            _write(one, [value for k, value in zip(which, values, strict=True) if k == i], parts)


def _read_union(kind: Any, _: int, parts: Iterator[np.ndarray]) -> list[Any]:
    kinds, which = get_args(kind), next(parts).tolist()
    columns = [
        itertools.repeat(None) if one is types.NoneType else iter(_read(one, which.count(i), parts))
        for i, one in enumerate(kinds)
    ]
    return [next(columns[i]) for i in which]


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
