"""Pickles read without running anything: every class outside a short list becomes an inert stub.

A pickle is a program for a small machine. Three of its instructions can do harm: those that look a name up, those that
allocate what a number asks for, and nesting so deep that hashing it overflows the C stack. The first is answered by
`Restricted.find_class`, the other two by `scan`, which reads the whole program before any of it runs.
"""

import codecs
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

# What a malformed pickle makes the machine raise, whatever its bytes are.
MALFORMED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)

# A tuple nested 10⁵ deep hashes, one nested 10⁶ deep overflows an 8 MB stack; a tensor takes about 6 tuples.
_MOST_TUPLES = 100_000

_ARGUMENT = {ord(code.code): (code.arg.n if code.arg else 0) for code in pickletools.opcodes}
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_TWO_LINES = frozenset(b"ci")
_TUPLES = frozenset(b"t\x85\x86\x87\x91")
_EXTENSIONS = frozenset(b"\x82\x83\x84")
_LONG_MEMO, _TEXT_MEMO, _STOP = b"rp."


class Stub:
    """What stands where a pickle names a class that is not on the list: it keeps what it is given and does nothing.

    Attributes
    ----------
    state : object
        What the pickle would have restored: for most objects, their attributes.
    items : dict
        What the pickle would have put in, for a mapping.
    """

    __slots__ = ("items", "state")

    items: dict[Any, Any]
    state: Any

    def __new__(cls, *_: Any) -> "Stub":
        self = object.__new__(cls)
        self.state, self.items = None, {}
        return self

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        self.items[len(self.items)] = value


class Inert:
    """A function that a pickle may call and cannot change: BUILD would set attributes of a plain one."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("the pickle tries to change a function")


def _encode(text: str, encoding: str) -> bytes:
    # Protocol 2 writes bytes as latin-1 text; any other codec could decompress.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected latin1 bytes, got encoding {encoding!r}")
    return codecs.encode(text, "latin1")


_HARMLESS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): Inert(lambda *_: {}),
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): Inert(_encode),
}


class Restricted(pickle.Unpickler):
    """Python's unpickler with a closed list of names and, where the format has them, persistent ids."""

    def __init__(self, data: bytes, names: Mapping[tuple[str, str], Any], storage: Callable[[Any], Any]) -> None:
        super().__init__(BytesIO(data))
        self._names = names
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        found = self._names.get((module, name))
        return _HARMLESS.get((module, name), Stub) if found is None else found

    def persistent_load(self, pid: Any) -> Any:
        return self._storage(pid)


def load(data: bytes, names: Mapping[tuple[str, str], Any], storage: Callable[[Any], Any]) -> Any:
    """The object that a pickle describes, with stubs for all that is not in `names` or among Python's plain types.

    Parameters
    ----------
    data : bytes
        The pickle.
    names : mapping of (module, name) to object
        What may stand for itself. Values should be immutable to a pickle: `Inert` functions, slotted records.
    storage : callable
        What to make of a persistent id.

    Raises
    ------
    UnpicklingError or another of `MALFORMED`
        If the bytes are not a pickle.

    Examples
    --------
    >>> import os
    >>> class Payload:
    ...     def __reduce__(self):
    ...         return os.system, ("echo never run",)
    >>> type(load(pickle.dumps(Payload()), {}, None)).__name__
    'Stub'
    """
    scan(data)
    return Restricted(data, names, storage).load()


def scan(data: bytes) -> None:
    """Check that no instruction asks for more than the pickle itself holds.

    Lengths stay inside the data, memo indices below its length, tuples below 10⁵, and nothing comes from the extension
    registry. Python's unpickler allocates 2·8·index bytes for a memo index, up to 69 GB for five bytes of input.

    Raises
    ------
    UnpicklingError
        If one does, or if the program has no end.

    Examples
    --------
    >>> scan(pickle.dumps([1, 2]))
    >>> scan(b"]r" + (2**31).to_bytes(4, "little") + b".")
    Traceback (most recent call last):
    _pickle.UnpicklingError: memo index 2147483648 in a pickle of 7 bytes
    """
    position, tuples, size = 0, 0, len(data)
    while position < size:
        code = data[position]
        start = position + 1
        if code == _STOP:
            return
        tuples += code in _TUPLES
        if tuples > _MOST_TUPLES:
            raise pickle.UnpicklingError(f"more than {_MOST_TUPLES} tuples")
        position = _after(data, code, start)
        if code in (_LONG_MEMO, _TEXT_MEMO):
            _check_memo(data[start:position], code, size)
    raise pickle.UnpicklingError(f"the pickle has no end within its {size} bytes")


def _after(data: bytes, code: int, start: int) -> int:
    """Where the instruction after this one begins."""
    length = _ARGUMENT.get(code)
    if length is None or code in _EXTENSIONS:
        raise pickle.UnpicklingError(f"instruction {code:#x} at byte {start - 1} is not one of a data pickle")
    if length == pickletools.UP_TO_NEWLINE:
        end = _line(data, start)
        return _line(data, end) if code in _TWO_LINES else end
    if length < 0:
        width = _LENGTH_BYTES[length]
        length = width + int.from_bytes(data[start : start + width], "little")
    if start + length > len(data):
        raise pickle.UnpicklingError(f"{length} bytes are asked for at byte {start}, past the end")
    return start + length


def _line(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    if end < 0:
        raise pickle.UnpicklingError(f"a line at byte {start} has no end")
    return end + 1


def _check_memo(argument: bytes, code: int, size: int) -> None:
    text = argument.strip()
    if code == _TEXT_MEMO and not (text.isdigit() and len(text) < 10):
        raise pickle.UnpicklingError(f"memo index {text[:20]!r} is not a number")
    index = int(text) if code == _TEXT_MEMO else int.from_bytes(argument, "little")
    if index > size:
        raise pickle.UnpicklingError(f"memo index {index} in a pickle of {size} bytes")
