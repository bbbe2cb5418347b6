"""torch's zip files (.pt .pth .ckpt), TorchScript included, read without torch and without running anything."""

import math
import pickle
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dynaghost.checkpoints.archive import Archive
from dynaghost.checkpoints.pickles import MALFORMED, Inert, load
from dynaghost.errors import CheckpointError

_KINDS = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
_DTYPES = (*_KINDS.values(), "uint16", "uint32", "uint64")


class Kind:
    """A torch dtype, or a storage class that has one, by name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("the pickle tries to change a dtype")


class Storage:
    """Where a tensor's numbers are: the member `data/key` of the archive."""

    __slots__ = ("key", "kind")

    def __init__(self, pid: Any) -> None:
        tag, kind, key, _location, _count = pid
        if tag != "storage" or not isinstance(key, str):
            raise pickle.UnpicklingError(f"expected a storage, got a persistent id {tag!r}")
        self.kind = kind.name if isinstance(kind, Kind) else "unknown"
        self.key = key

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("the pickle tries to change a storage")


class Tensor:
    """A tensor not yet read: where it lies in which storage.

    Attributes
    ----------
    shape, stride : tuple of int
        In elements, as torch counts.
    offset : int
        First element.
    """

    __slots__ = ("kind", "offset", "shape", "storage", "stride")

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, kind: str | None = None) -> None:
        if not isinstance(storage, Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        self.storage, self.offset = storage, _count(offset)
        self.shape, self.stride = tuple(map(_count, shape)), tuple(map(_count, stride))
        self.kind = storage.kind if kind is None else kind
        if len(self.shape) != len(self.stride) or len(self.shape) > 32:
            raise pickle.UnpicklingError(f"a tensor of shape {self.shape} with strides {self.stride}")

    def __setstate__(self, _: Any) -> None:
        # Attributes that somebody gave a tensor: not needed, and none of its own may change.
        pass

    def read(self, archive: "TorchArchive", what: str) -> np.ndarray:
        """The numbers, in the machine's byte order; bfloat16 as float32, which holds it exactly."""
        data = archive.storage(self.storage.key)
        dtype = archive.dtype(self.kind, what)
        count = len(data) // dtype.itemsize
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if 0 not in self.shape and last >= count:
            raise CheckpointError(f"{archive.path}: {what}: element {last} lies outside a storage of {count} elements")
        archive.spend(math.prod(self.shape) * dtype.itemsize, what)
        if 0 in self.shape:
            return _native(np.empty(self.shape, dtype), self.kind)
        flat = np.frombuffer(data, dtype, count=count)[self.offset :]
        steps = tuple(step * dtype.itemsize for step in self.stride)
        return _native(np.lib.stride_tricks.as_strided(flat, self.shape, steps), self.kind)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise pickle.UnpicklingError(f"expected a non-negative integer, got {type(value).__name__}")
    return value


def _native(array: np.ndarray, kind: str) -> np.ndarray:
    """A contiguous copy in the machine's byte order."""
    array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return bfloat16(array) if kind == "bfloat16" else array


def bfloat16(bits: np.ndarray) -> np.ndarray:
    """float32 from the 16 bits of bfloat16, its upper half.

    Examples
    --------
    >>> bfloat16(np.array([0x3F80, 0xC000], dtype=np.uint16))
    array([ 1., -2.], dtype=float32)
    """
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _rebuild_v3(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any
) -> Tensor:
    return Tensor(storage, offset, shape, stride, kind.name if isinstance(kind, Kind) else "unknown")


_NAMES: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): Inert(Tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Inert(lambda *a: Tensor(*a[:4])),
    ("torch._utils", "_rebuild_tensor_v3"): Inert(_rebuild_v3),
    ("torch._utils", "_rebuild_parameter"): Inert(lambda *a: a[0]),
    ("torch._utils", "_rebuild_parameter_with_state"): Inert(lambda *a: a[0]),
    ("torch._tensor", "_rebuild_from_type_v2"): Inert(lambda *a: a[0](*a[2])),
    ("torch", "Size"): Inert(lambda sizes=(): tuple(sizes)),
    ("torch.serialization", "_get_layout"): Inert(lambda *_: None),
    ("torch.storage", "UntypedStorage"): Kind("uint8"),
    **{("torch", f"{name}Storage"): Kind(kind) for name, kind in _KINDS.items()},
    **{("torch", kind): Kind(kind) for kind in _DTYPES},
}


class _Dtype:
    """numpy.dtype as a pickle describes it: a code such as 'f8', then its byte order."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, *_: Any) -> None:
        self._code, self._order = code, "="

    def __setstate__(self, state: Any) -> None:
        self._order = state[1]

    @property
    def dtype(self) -> np.dtype | None:
        """The real number's dtype, or None for text, objects, records and complex numbers."""
        if not isinstance(self._code, str) or not re.fullmatch(r"[biuf]\d{1,2}", self._code):
            return None
        return np.dtype(self._code).newbyteorder(">" if self._order == ">" else "<")


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return None if dtype.dtype is None else np.frombuffer(data, dtype.dtype, count=1)[0].item()


class NumpyArray:
    """numpy.ndarray as a pickle describes it: made empty, then given shape, dtype, order and bytes.

    Attributes
    ----------
    array : ndarray or None
        None where its entries are not real numbers.
    """

    __slots__ = ("array",)

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        if dtype.dtype is not None:
            array = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")
            self.array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


for _module in ("numpy._core.multiarray", "numpy.core.multiarray"):
    _NAMES[_module, "scalar"] = Inert(_scalar)
    _NAMES[_module, "_reconstruct"] = Inert(NumpyArray)
for _name in ("_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_nested_tensor", "_rebuild_wrapper_subclass"):
    # No plain numbers: what reads them refuses by name.
    _NAMES["torch._utils", _name] = Inert(NumpyArray)
_NAMES["numpy", "ndarray"] = Kind("ndarray")
_NAMES["numpy", "dtype"] = Inert(_Dtype)


class TorchArchive:
    """A torch zip file: one pickle, and a member for each storage."""

    def __init__(self, path: Path, archive: Archive, root: str) -> None:
        self.path = path
        self._archive = archive
        self._root = root
        self._storages: dict[str, bytes] = {}
        self._order = self._byte_order()

    def _byte_order(self) -> Literal["<", ">"]:
        name = f"{self._root}byteorder"
        if name not in self._archive.names:
            return "<"
        order = self._archive.read(name)
        if order not in (b"little", b"big"):
            raise CheckpointError(f"{self.path}: byteorder: expected 'little' or 'big', got {order[:20]!r}")
        return "<" if order == b"little" else ">"

    def tree(self) -> Any:
        """What the pickle describes, its tensors not yet read."""
        data = self._archive.read(f"{self._root}data.pkl")
        try:
            return load(data, _NAMES, Storage)
        except MALFORMED as error:
            raise CheckpointError(
                f"{self.path}: expected torch's pickle of a checkpoint, got a damaged one ({error})"
            ) from error

    def storage(self, key: str) -> bytes:
        """The bytes of a storage, read once however many tensors share it."""
        if key not in self._storages:
            self._storages[key] = self._archive.read(f"{self._root}data/{key}")
        return self._storages[key]

    def dtype(self, kind: str, what: str) -> np.dtype:
        """The numpy dtype of a torch dtype, in the file's byte order; bfloat16 as its bits."""
        if kind not in _DTYPES or kind.startswith("complex"):
            raise CheckpointError(f"{self.path}: {what}: expected real numbers, got a tensor of {kind}")
        return np.dtype("uint16" if kind == "bfloat16" else kind).newbyteorder(self._order)

    def spend(self, count: int, what: str) -> None:
        """Take memory for a copy of a tensor from the file's budget."""
        self._archive.budget.spend(count, what)


def root(names: list[str]) -> str | None:
    """The folder inside a torch archive that holds data.pkl, or None where it is not torch's.

    Examples
    --------
    >>> root(["epoch_7/data.pkl", "epoch_7/data/0"])
    'epoch_7/'
    """
    found = [name[: -len("data.pkl")] for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    return min(found, key=len) if found else None
