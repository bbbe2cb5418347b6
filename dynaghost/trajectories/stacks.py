"""The latent circuits of consecutive checkpoints as three stacked arrays: what a store keeps of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from dynaghost.packed import Aside
from dynaghost.systems.base import Array, Time
from dynaghost.systems.low_rank import Form, LatentCircuit, RankOneCircuit

Circuit = RankOneCircuit | LatentCircuit


@dataclass(frozen=True, slots=True)
class Stack:
    """Latent circuits of one network, in order.

    Attributes
    ----------
    number, units, rank : int
    leak : float or None
    time, form : str
    m, n, b : bytes
        Little-endian float64: (number, units, rank), (number, rank, units) and (number, units).

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> stack = Stack.of([RankOneRNN([1.0, 2.0], [3.0, 4.0], [0.0, b]).latent() for b in (0.5, 0.7)])
    >>> len(stack), [circuit.b.tolist() for circuit in stack]
    (2, [[0.0, 0.5], [0.0, 0.7]])
    """

    number: int
    units: int
    rank: int
    leak: float | None
    time: str
    form: str
    m: bytes
    n: bytes
    b: bytes

    @classmethod
    def of(cls, circuits: Sequence[Circuit]) -> "Stack":
        """The stack of circuits of one network at different steps of its training."""
        first = circuits[0]
        m, n, b = (
            np.stack([getattr(one, name) for one in circuits]).astype("<f8", copy=False).tobytes() for name in "mnb"
        )
        units, rank = first.m.shape
        return cls(len(circuits), units, rank, first.leak, first.time.value, first.form.value, m, n, b)

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Circuit]:
        kind = RankOneCircuit if self.rank == 1 else LatentCircuit
        time, form = Time(self.time), Form(self.form)
        for m, n, b in zip(*self.arrays(), strict=True):
            yield kind(m, n, b, leak=self.leak, time=time, form=form)

    def arrays(self) -> tuple[Array, Array, Array]:
        """The three, which nobody else has."""
        shapes = ((self.units, self.rank), (self.rank, self.units), (self.units,))
        stacks = zip((self.m, self.n, self.b), shapes, strict=True)
        m, n, b = (np.frombuffer(blob, "<f8").astype(float).reshape(-1, *shape) for blob, shape in stacks)
        return m, n, b


class StackAside:
    """A stack whose weights are set aside.

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> aside = StackAside(Stack.of([RankOneRNN([1.0], [3.0], [0.5]).latent()]), Aside())
    >>> [circuit.b.tolist() for circuit in aside]
    [[0.5]]
    """

    def __init__(self, stack: Stack, aside: Aside) -> None:
        self._bare = replace(stack, m=b"", n=b"", b=b"")
        self._kept = tuple(aside.put(blob) for blob in (stack.m, stack.n, stack.b))

    def __len__(self) -> int:
        return len(self._bare)

    def __iter__(self) -> Iterator[Circuit]:
        return iter(self._whole())

    def arrays(self) -> tuple[Array, Array, Array]:
        """The three, which nobody else has."""
        return self._whole().arrays()

    def _whole(self) -> Stack:
        m, n, b = map(bytes, self._kept)
        return replace(self._bare, m=m, n=n, b=b)


@runtime_checkable
class Stacked(Protocol):
    """What has weights of consecutive checkpoints as three arrays: a `Stack`, or a store's."""

    def __len__(self) -> int: ...

    def arrays(self) -> tuple[Array, Array, Array]:
        """m, n and b, a checkpoint a row."""
        ...


class Rows:
    """The weights m, n and b (units,) of every circuit of rank one in a stack.

    Examples
    --------
    >>> from dynaghost.systems import RankOneRNN
    >>> [b.tolist() for _, _, b in Rows(Stack.of([RankOneRNN([1.0], [3.0], [0.5]).latent()]))]
    [[0.5]]
    """

    def __init__(self, stack: Stacked) -> None:
        self.stack = stack

    def __len__(self) -> int:
        return len(self.stack)

    def __iter__(self) -> Iterator[tuple[Array, Array, Array]]:
        m, n, b = self.stack.arrays()
        return zip(m[:, :, 0], n[:, 0], b, strict=True)
