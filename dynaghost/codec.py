"""Records ↔ JSON, by their type hints: what comes back is equal to what was written, every float to its last bit.

Infinities and NaN are the tokens `Infinity` and `NaN` of Python's json module; arrays are text with dtype, shape and
bytes in base64. This is how a store keeps records, not the JSON that other programs read.
"""

import base64
import dataclasses
import json
import types
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")

_SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def dumps(record: Any) -> str:
    """A record as one line of JSON.

    Parameters
    ----------
    record : dataclass, enum, array, number, text, None, or list, tuple or dict of these

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
    if dataclasses.is_dataclass(value):
        return {one.name: _encode(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return {"array": _array_text(value)}
    if isinstance(value, np.generic):
        return _encode(value.item())
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value


def _decode(kind: Any, data: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, data)
    if origin is tuple:
        return _decode_tuple(arguments, data)
    if origin is list:
        return [_decode(arguments[0], item) for item in data]
    if origin is np.ndarray:
        return _array(data["array"])
    if kind is complex:
        return complex(*data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _decode(hint, data[name]) for name, hint in _hints(kind).items()})
    return _checked(kind, data)


def _checked(kind: Any, data: Any) -> Any:
    if kind in _SCALARS and (not isinstance(data, _SCALARS[kind]) or (isinstance(data, bool) and kind is not bool)):
        raise TypeError(f"expected {kind.__name__}, got {data!r}")
    return data


def _decode_union(kinds: tuple[Any, ...], data: Any) -> Any:
    """A union here is of one kind, an array and None at most; the data tell which of the three."""
    if data is None and types.NoneType in kinds:
        return None
    is_array = isinstance(data, dict) and "array" in data
    fitting = [kind for kind in kinds if kind is not types.NoneType and (get_origin(kind) is np.ndarray) == is_array]
    if not fitting:
        raise TypeError(f"expected {' or '.join(map(str, kinds))}, got {data!r}")
    return _decode(fitting[0], data)


def _decode_tuple(kinds: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], item) for item in data)
    return tuple(_decode(kind, item) for kind, item in zip(kinds, data, strict=True))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


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
