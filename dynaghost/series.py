"""Numbers in order that grow by one at a time, in eight bytes each, where a list takes forty."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import numpy as np

N = TypeVar("N", int, float, complex)

_CODES: dict[type, str] = {int: "q", float: "d", complex: "d"}


class Series(Sequence[N]):
    """Numbers of one kind: whole ones of 64 bits, floats, or complex ones in sixteen bytes.

    Parameters
    ----------
    kind : {int, float, complex}
    numbers : iterable
        The first ones.

    Examples
    --------
    >>> series = Series(float, [1.0, 2.0])
    >>> series.append(3.0)
    >>> series[-1], len(series), series[:2] == [1.0, 2.0], series
    (3.0, 3, True, Series(float, [1.0, 2.0, 3.0]))
    """

    __slots__ = ("_flat", "kind")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: type[N], numbers: Iterable[N] = ()) -> None:
        self.kind: type[N] = kind
        self._flat: array[Any] = array(_CODES[kind])
        self.extend(numbers)

    def append(self, number: N) -> None:
        """One more number."""
        if self.kind is complex:
            self._flat.extend((number.real, number.imag))
        else:
            self._flat.append(number)

    def extend(self, numbers: Iterable[N]) -> None:
        """More numbers, in their order."""
        if isinstance(numbers, Series) and numbers.kind is self.kind:
            self._flat.extend(numbers._flat)
            return
        for number in numbers:
            self.append(number)

    def reversed(self) -> "Series[N]":
        """The same from its end to its beginning."""
        made: Series[N] = Series(self.kind)
        made._flat.frombytes(self.array()[::-1].tobytes())
        return made

    def find(self, number: N) -> int | None:
        """Where a number stands in increasing ones, None if it is not there.

        Examples
        --------
        >>> steps = Series(int, [10, 20])
        >>> steps.find(20), steps.find(15)
        (1, None)
        """
        flat = self._flat
        place = bisect_left(flat, number)
        return place if place < len(flat) and flat[place] == number else None

    def array(self) -> np.ndarray:
        """The numbers as an array, which shares them: while it is there, the series does not grow."""
        return np.frombuffer(self._flat, {int: np.int64, float: np.float64, complex: np.complex128}[self.kind])

    def __len__(self) -> int:
        return len(self._flat) // 2 if self.kind is complex else len(self._flat)

    @overload
    def __getitem__(self, index: int) -> N: ...

    @overload
    def __getitem__(self, index: slice) -> "Series[N]": ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._part(index)
        if self.kind is not complex:
            return self._flat[index]
        place = range(len(self))[index]
        return complex(self._flat[2 * place], self._flat[2 * place + 1])

    def __iter__(self) -> Iterator[Any]:
        if self.kind is not complex:
            return iter(self._flat)
        return map(complex, self._flat[::2], self._flat[1::2])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Series) and other.kind is self.kind:
            return bool(self._flat == other._flat)
        if not isinstance(other, Sequence) or isinstance(other, str):
            return False
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __repr__(self) -> str:
        shown = list(self) if len(self) <= 6 else f"{len(self)} numbers"
        return f"Series({self.kind.__name__}, {shown})"

    def _part(self, index: slice) -> "Series[N]":
        made: Series[N] = Series(self.kind)
        made._flat.frombytes(self.array()[index].tobytes())
        return made
