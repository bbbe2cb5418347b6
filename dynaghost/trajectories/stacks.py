"""The latent circuits of consecutive checkpoints as three stacked arrays: what a store keeps of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Time
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
        shapes = ((self.units, self.rank), (self.rank, self.units), (self.units,))
        stacks = zip((self.m, self.n, self.b), shapes, strict=True)
        arrays = (np.frombuffer(blob, "<f8").astype(float).reshape(-1, *shape) for blob, shape in stacks)
        for m, n, b in zip(*arrays, strict=True):
            yield kind(m, n, b, leak=self.leak, time=time, form=form)
