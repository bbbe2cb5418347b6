"""The fixed points of a gated network as those of a bounded one: v(h) − h = 0.

A GRU rests where h = n, whatever z; an LSTM where c = i·g/(1 − f) and h = o·tanh c, a problem in h alone, half the
size. In a stack, a layer at rest hands on its h. f(h) = v(h) − h has the same fixed points with the same signs of
det(−J), as gates only multiply rows of J by positive numbers; but it has no factor that vanishes where gates close, and
|v| < 1: lines f(h) + t·c = 0 run from t = +∞ to −∞, and the signs of all fixed points add up to 1.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.systems.bounds import join
from dynaghost.systems.jets import Jet

if TYPE_CHECKING:
    from dynaghost.systems.gated import Gated


class GatedRoots(System):
    """v(h) − h for the hidden states h of all layers; no enclosures, no bounds: for searching alone.

    Parameters
    ----------
    gated : Gated

    Examples
    --------
    >>> from dynaghost.systems import LSTM
    >>> unit = LSTM([[0.0], [0.0], [2.0], [0.0]])
    >>> roots = GatedRoots(unit)
    >>> unit.dim, roots.dim, roots.state(np.array([0.0])).tolist()
    (2, 1, [0.0, 0.0])
    """

    def __init__(self, gated: "Gated") -> None:
        self.gated, self.time, self.leak = gated, gated.time, gated.leak
        ends = np.cumsum([cell.hidden for cell in gated.cells])
        self.spans = [slice(int(end) - cell.hidden, int(end)) for cell, end in zip(gated.cells, ends, strict=True)]
        self.dim = int(ends[-1])

    @property
    def metric(self) -> Array:  # type: ignore[override]
        return np.eye(self.dim)

    def f(self, x: Array) -> Array:
        return self._f(np.asarray(x))

    def jacobian(self, x: Array) -> Array:
        x = np.asarray(x)
        J = np.zeros((*x.shape, self.dim), np.result_type(x.dtype, float))
        for k, (h, drive, span) in enumerate(self._layers(x)):
            own, by_input = self.gated.cells[k].settled_slopes(h, drive, k > 0)
            J[..., span, span] = own
            if k:
                J[..., span, self.spans[k - 1]] = by_input
        J[..., range(self.dim), range(self.dim)] -= 1
        return J

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        return self._f(Jet.of(np.asarray(x), np.asarray(u), np.asarray(v))).duv

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        return float("inf")

    def fixed_point_box(self) -> tuple[Array, Array] | None:
        """|h| < 1, where the network itself has a box."""
        return None if self.gated.fixed_point_box() is None else (-np.ones(self.dim), np.ones(self.dim))

    def state(self, h: Array) -> Array:
        """The network's state with these hidden states and every cell state at rest, (..., dim) of the network."""
        layers = enumerate(self._layers(np.asarray(h)))
        return np.concatenate([self.gated.cells[k].resting(part, drive) for k, (part, drive, _) in layers], axis=-1)

    def hidden(self, x: Array) -> Array:
        """The hidden states of the network's states."""
        parts = zip(self.gated.cells, self.gated.spans, strict=True)
        return np.concatenate([np.asarray(x)[..., span][..., : cell.hidden] for cell, span in parts], axis=-1)

    def _f(self, x: Any) -> Any:
        cells = self.gated.cells
        return join([cells[k].settled(h, drive) - h for k, (h, drive, _) in enumerate(self._layers(x))])

    def _layers(self, x: Any) -> list[tuple[Any, Any, slice]]:
        """Hidden states and drive of every layer, and where it stands."""
        parts = [x[..., span] for span in self.spans]
        drives = [self.gated.drive] + [cell.drive(h) for cell, h in zip(self.gated.cells[1:], parts, strict=False)]
        return list(zip(parts, drives, self.spans, strict=True))
