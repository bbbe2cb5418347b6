"""Records ↔ JSON, by their type hints: what comes back is equal to what was written, every float to its last bit.

Infinities and NaN are the tokens `Infinity` and `NaN` of Python's json module; arrays are text with dtype, shape and
bytes in base64. This is how a store keeps records, not the JSON that other programs read.
"""

import base64
import dataclasses
import json
import types
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from dynaghost.series import Series

T = TypeVar("T")

_SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def dumps(record: Any) -> str:
    """A record as one line of JSON.

    Parameters
    ----------
    record : dataclass, enum, array, number, text, None, or sequence or dict of these

    Raises
    ------
    TypeError
        If it is or holds anything else.

    Examples
    --------
    >>> dumps((1, float("inf"), 2 + 1j, np.array([0.5])))
    '[1, Infinity, [2.0, 1.0], {"array": "<f8 1 AAAAAAAA4D8="}]'
    """
    return json.dumps(_encode(record), ensure_ascii=False)


def loads(kind: Any, text: str) -> Any:
    """The record that `dumps` wrote.

    Parameters
    ----------
    kind : type or type hint
        What was written, such as `tuple[int, ...]`.
    text : str

    Raises
    ------
    KeyError, TypeError, ValueError
        If the text is not JSON, or not of a record of this kind.

    Examples
    --------
    >>> loads(tuple[float, ...], dumps((1.5, float("-inf"))))
    (1.5, -inf)
    """
    return _decode(kind, json.loads(text))


def _encode(value: Any) -> Any:
    kind: Any = type(value)
    return _encoder(kind)(value)


# What to do with a type is found out once: a long run has hundreds of thousands of values.
@cache
def _encoder(kind: type) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind):
        names = tuple(one.name for one in dataclasses.fields(kind))
        return lambda value: {name: _encode(getattr(value, name)) for name in names}
    if issubclass(kind, np.ndarray):
        return lambda value: {"array": _array_text(value)}
    if issubclass(kind, np.generic):
        return lambda value: _encode(value.item())
    if issubclass(kind, complex):
        return lambda value: [value.real, value.imag]
    if issubclass(kind, dict):
        return lambda value: {key: _encode(item) for key, item in value.items()}
    if issubclass(kind, Sequence) and not issubclass(kind, str):
        return lambda value: [_encode(item) for item in value]
    return lambda value: value


def _decode(kind: Any, data: Any) -> Any:
    return _decoder(kind)(data)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is list:
        return lambda data: [_decode(arguments[0], item) for item in data]
    if origin is np.ndarray:
        return lambda data: _array(data["array"])
    if origin is Series:
        return lambda data: Series(arguments[0], [_decode(arguments[0], item) for item in data])
    if kind is complex:
        return lambda data: complex(*data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record_decoder(kind)
    return partial(_checked, kind)


def _record_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)

    # A field that is younger than the text has its default.
    optional = {one.name for one in dataclasses.fields(kind) if not _is_required(one)}

    def decode(data: Any) -> Any:
        there = hints if len(data) == len(hints) else [n for n in hints if n in data or n not in optional]
        return kind(**{name: _decode(hints[name], data[name]) for name in there})

    return decode


def _is_required(one: dataclasses.Field[Any]) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def _checked(kind: Any, data: Any) -> Any:
    if kind in _SCALARS and (not isinstance(data, _SCALARS[kind]) or (isinstance(data, bool) and kind is not bool)):
        raise TypeError(f"expected {kind.__name__}, got {data!r}")
    return data


def _union_decoder(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A union here is of one kind, an array and None at most; the data tell which of the three."""
    others = [kind for kind in kinds if kind is not types.NoneType]
    by_array = {flag: [kind for kind in others if (get_origin(kind) is np.ndarray) == flag] for flag in (False, True)}

    def decode(data: Any) -> Any:
        if data is None and types.NoneType in kinds:
            return None
        fitting = by_array[isinstance(data, dict) and "array" in data]
        if not fitting:
            raise TypeError(f"expected {' or '.join(map(str, kinds))}, got {data!r}")
        return _decode(fitting[0], data)

    return decode


def _tuple_decoder(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return lambda data: tuple([_decode(kinds[0], item) for item in data])
    return lambda data: tuple([_decode(kind, item) for kind, item in zip(kinds, data, strict=True)])


def _array_text(array: np.ndarray) -> str:
    if array.dtype.hasobject:
        raise TypeError(f"expected an array of numbers, got dtype {array.dtype}")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    shape = ",".join(map(str, array.shape))
    return f"{array.dtype.str} {shape} {base64.b64encode(array.tobytes()).decode()}"


def _array(text: str) -> np.ndarray:
    dtype, shape, data = text.split(" ")
    flat = np.frombuffer(base64.b64decode(data, validate=True), dtype=np.dtype(dtype))
    return flat.astype(flat.dtype.newbyteorder("=")).reshape([int(n) for n in shape.split(",") if n])
