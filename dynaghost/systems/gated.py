"""GRU and LSTM of one layer or a stack, and stacks of plain layers, under a constant input: one map x ← F(x).

f(x) = F(x) − x. The formulas, gate orders and both biases are torch's. In a stack, layer k reads the *new* state of
layer k − 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array, System, Time, checked_leak, checked_time, finite
from dynaghost.systems.bounds import UP, Reach, join
from dynaghost.systems.cells import Cell, GRUCell, LSTMCell, ReluCell, ResetFirstGRUCell, TanhCell
from dynaghost.systems.gated_curvature import Slopes, layer_curvature
from dynaghost.systems.gated_roots import GatedRoots
from dynaghost.systems.gated_weights import checked_cells, constant_input
from dynaghost.systems.jets import Jet
from dynaghost.systems.rounding import Bounded, enclosure

_CACHED = 50_000  # numbers

PerLayer = ArrayLike | Sequence[ArrayLike]


class Gated(System):
    """What `GRU` and `LSTM` have in common: layers in a row, each with its part of the state."""

    enclosing = True
    kind: type[Cell]

    def __init__(
        self,
        weight_hh: PerLayer,
        weight_ih: PerLayer | None = None,
        *,
        bias_hh: PerLayer | None = None,
        bias_ih: PerLayer | None = None,
        inputs: ArrayLike | None = None,
        leak: float | None = 1.0,
        time: str = Time.MAP,
    ) -> None:
        self.cells = checked_cells(self.kind, weight_hh, weight_ih, bias_hh, bias_ih)
        self.time, self.leak = checked_time(time), checked_leak(leak)
        if self.time is Time.MAP and self.leak is None:
            raise DynaghostError("leak: expected a number for time='map', whose multipliers are 1 + leak·λ, got None")
        self.inputs = constant_input(inputs, self.cells[0].inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            self.drive = finite("weight_ih·inputs + bias_ih", self.cells[0].drive(self.inputs))
        ends = np.cumsum([cell.size for cell in self.cells])
        self.spans = [slice(int(end) - cell.size, int(end)) for cell, end in zip(self.cells, ends, strict=True)]
        self.dim = int(ends[-1])

    def __repr__(self) -> str:
        units = ", ".join(str(cell.hidden) for cell in self.cells)
        return f"{type(self).__name__}(units={units}, dim={self.dim}, time={self.time})"

    @property
    def metric(self) -> Array:  # type: ignore[override]
        """The identity, (dim, dim): the speed is |f|."""
        return np.eye(self.dim)

    def f(self, x: Array) -> Array:
        return self._f(np.asarray(x))

    def jacobian(self, x: Array) -> Array:
        x = np.asarray(x)
        if x.ndim == 1 or x.dtype == object:
            return self._jacobian(x)
        states = x.reshape(-1, self.dim)
        J = np.empty((len(states), self.dim, self.dim), np.result_type(x.dtype, float))
        # A few states at once: their terms stay in the processor's cache.
        few = max(1, _CACHED // self.dim**2)
        for start in range(0, len(states), few):
            J[start : start + few] = self._jacobian(states[start : start + few])
        return J.reshape(*x.shape, self.dim)

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        return self._f(Jet.of(np.asarray(x), np.asarray(u), np.asarray(v))).duv

    def curvature(self, x: Array, w: Array) -> Array:
        x, w = np.broadcast_arrays(np.asarray(x, dtype=float), w)
        states, weights = x.reshape(-1, self.dim), w.reshape(-1, self.dim)
        total = np.zeros((len(states), self.dim, self.dim))
        few = max(1, _CACHED // self.dim**2)
        for start in range(0, len(states), few):
            part = slice(start, start + few)
            self._add_curvature(states[part], weights[part], total[part])
        return (0.5 * (total + np.swapaxes(total, -1, -2))).reshape(*x.shape, self.dim)

    def root_form(self) -> GatedRoots:
        """The same fixed points as those of a bounded system in h alone."""
        return GatedRoots(self)

    def layer(self, k: int, inputs: Array | None) -> "Gated":
        """Layer k alone under a constant input, that of the network where k = 0: at rest, h of the layer before."""
        cell = self.cells[k]
        weight_hh, bias_hh = np.concatenate([coupling.W for coupling in cell.W]), np.concatenate(cell.b)
        given = self.inputs if k == 0 else inputs
        options = {"bias_hh": bias_hh, "bias_ih": cell.bias_ih, "inputs": given}
        return type(self)(weight_hh, cell.into.W, **options, leak=self.leak, time=self.time)

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        """An upper bound on |D²f(y)(d, d)|, |d| = 1, |y − x| ≤ radius, by chain and product rules (`Reach`)."""
        with np.errstate(all="ignore"):
            bound = self._f(Reach.of(np.asarray(x, dtype=float).reshape(self.dim), float(radius))).bend * UP
        return float(bound) if np.isfinite(bound) else float("inf")

    def second_derivative_bounds(self, x: Array, radius: float, scale: Array) -> Array:
        with np.errstate(all="ignore"):
            bends = self._f(Reach.of(np.asarray(x, dtype=float), float(radius), scale)).bends * UP
        return np.where(np.isfinite(bends), bends, np.inf)

    def f_enclosure(self, x: Array) -> tuple[Array, Array]:
        return enclosure(self._f, x)

    def jacobian_enclosure(self, x: Array) -> tuple[Array, Array]:
        return enclosure(self._jacobian, x)

    def fixed_point_box(self) -> tuple[Array, Array] | None:
        """|h| < 1, and for an LSTM c = i·g/(1 − f) with the gates bounded over |h| ≤ 1."""
        drive, ends = Bounded(self.drive, np.zeros_like(self.drive)), []
        for k, cell in enumerate(self.cells):
            if k:
                drive = cell.drive(Bounded(np.zeros(cell.inputs), np.ones(cell.inputs)))
            ends.append(cell.box(drive))
        lower, upper = (np.concatenate([end[side] for end in ends]) for side in (0, 1))
        return (lower, upper) if np.all(np.isfinite(upper - lower)) else None

    def _f(self, x: Any) -> Any:
        changes: list[Any] = []
        drive: Any = self.drive
        new: Any = None
        for cell, span in zip(self.cells, self.spans, strict=True):
            if changes:
                drive = cell.drive(new)
            state = x[..., span]
            changes.append(cell.change(state, drive))
            new = state[..., : cell.hidden] + changes[-1][..., : cell.hidden]
        return changes[0] if len(changes) == 1 else join(changes)

    def _jacobian(self, x: Any) -> Any:
        if len(self.cells) == 1:
            return self.cells[0].slopes(x, self.drive, False)[0]
        blocks: list[Any] = []
        drive: Any = self.drive
        new: Any = None
        new_slope: Any = None
        for k, (cell, span) in enumerate(zip(self.cells, self.spans, strict=True)):
            if k:
                drive = cell.drive(new)
            state = x[..., span]
            own, by_input = cell.slopes(state, drive, k > 0)
            row = join([by_input @ new_slope, own]) if k else own
            blocks.append(join([row, _zeros(row, self.dim - span.stop)]))
            new = state[..., : cell.hidden] + cell.change(state, drive)[..., : cell.hidden]
            new_slope = _plus_state(row[..., : cell.hidden, :], span.start)
        return join(blocks, -2)

    def _add_curvature(self, x: Array, w: Array, total: Array) -> None:
        """Of states (E, dim): from the last layer to the first."""
        J = self._jacobian(x) if len(self.cells) > 1 else np.empty(0)
        states, drives, after = self._split(x), self._drives(x), np.zeros(1)
        for k in reversed(range(len(self.cells))):
            cell = self.cells[k]
            weights = np.split(w[:, self.spans[k]], cell.copies, axis=1)
            weights[0] = weights[0] + after
            arguments = cell.arguments(states[k], drives[k])
            after = layer_curvature(cell, arguments, weights, self._slopes_of_arguments(k, J), total)

    def _drives(self, x: Array) -> list[Array]:
        """What each layer reads."""
        drives = [self.drive]
        for k, cell in enumerate(self.cells[1:]):
            state = x[..., self.spans[k]]
            before = self.cells[k]
            new = state[..., : before.hidden] + before.change(state, drives[-1])[..., : before.hidden]
            drives.append(cell.drive(new))
        return drives

    def _slopes_of_arguments(self, k: int, J: Array) -> Slopes:
        """Of layer k; a single layer has constant ones, by h alone."""
        cell, start, stop = self.cells[k], self.spans[k].start, self.spans[k].stop
        by = {a: pair for a, pair in enumerate(cell.couplings()) if pair[0] is not None or (k and pair[1] is not None)}
        own = slice(stop - cell.hidden, stop)
        if len(self.cells) == 1:
            dense = np.stack([by_h for by_h, _ in by.values() if by_h is not None], axis=1)
            return Slopes(list(by), dense, slice(0, cell.hidden), own)
        dense = np.zeros((len(J), cell.hidden, len(by), self.dim))
        for place, (by_h, by_input) in enumerate(by.values()):
            if by_h is not None:
                dense[:, :, place, start : start + cell.hidden] = by_h
            if k and by_input is not None:
                before = self.spans[k - 1].start
                dense[:, :, place] += by_input @ _plus_state(J[:, before : before + cell.inputs], before)
        return Slopes(list(by), dense, slice(0, self.dim), own)

    def _split(self, x: Array) -> list[Array]:
        return [np.asarray(x)[..., span] for span in self.spans]


class GRU(Gated):
    """h ← (1 − z)·n + z·h, torch's GRU: r and z sigmoid gates, n = tanh(W_in x + b_in + r·(W_hn h + b_hn)).

    Keras' GRU with `reset_after` is the same with its gates z, r, h put in the order r, z, n.

    Parameters
    ----------
    weight_hh : array (3·hidden, hidden), or a list of them, one a layer
        Gates in the order r, z, n.
    weight_ih : array (3·hidden, inputs), or a list
        Optional for the first layer, if there are no inputs; a further layer reads the state of the one before.
    bias_hh, bias_ih : array (3·hidden,), or a list
        0 where not given. They add up but for n, where bias_hh stands inside the product with r.
    inputs : float or array (inputs,)
        The constant input; 0 by default. What it adds to the gates, weight_ih·inputs + bias_ih, is rounded once to
        float64 and exact from there on.
    leak, time
        A GRU is a map with leak 1; other leaks and the flow ẋ = F(x) − x have the same fixed points.

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> unit = GRU([[0.0], [0.0], [3.0]])
    >>> unit.f(np.array([0.0])).tolist(), unit.dim
    ([0.0], 1)
    >>> round(float(unit.jacobian(np.array([0.0]))[0, 0]), 6)
    0.25
    """

    kind = GRUCell

    def hidden_states(self, x: Array) -> list[Array]:
        """h of each layer, (..., dim) → a list of (..., hidden)."""
        return self._split(x)


class ResetFirstGRU(GRU):
    """h ← (1 − z)·n + z·h with n = tanh(W_in x + b_in + W_hn (r·h) + b_hn): Keras' GRU without `reset_after`.

    Parameters are those of `GRU`; all biases add up here.

    Examples
    --------
    >>> ResetFirstGRU([[0.0], [0.0], [3.0]]).jacobian(np.array([0.0])).round(6).tolist()
    [[0.25]]
    """

    kind = ResetFirstGRUCell
    # A unit is no function of a few arguments linear in the state: second derivatives come one by one.
    curvature = System.curvature


class LSTM(Gated):
    """c ← f·c + i·g, h ← o·tanh(c), torch's LSTM; the state is (h, c), in a stack (h₀, c₀, h₁, c₁, …).

    Parameters
    ----------
    weight_hh : array (4·hidden, hidden), or a list of them, one a layer
        Gates in the order i, f, g, o.
    weight_ih : array (4·hidden, inputs), or a list
    bias_hh, bias_ih : array (4·hidden,), or a list
    inputs, leak, time
        As for `GRU`.

    Raises
    ------
    DynaghostError
        If shapes disagree or a weight is not finite.

    Examples
    --------
    >>> unit = LSTM([[0.0], [0.0], [2.0], [0.0]])
    >>> unit.dim, unit.f(np.array([0.0, 1.0])).round(6).tolist()
    (2, [0.231059, -0.5])
    """

    kind = LSTMCell

    def hidden_states(self, x: Array) -> list[Array]:
        """h of each layer, (..., dim) → a list of (..., hidden)."""
        return [state[..., : cell.hidden] for state, cell in zip(self._split(x), self.cells, strict=True)]

    def cell_states(self, x: Array) -> list[Array]:
        """c of each layer, (..., dim) → a list of (..., hidden)."""
        return [state[..., cell.hidden :] for state, cell in zip(self._split(x), self.cells, strict=True)]


class StackedRNN(Gated):
    """h ← tanh(W_ih·input + b_ih + W_hh h + b_hh), torch's RNN of several layers; of one layer, `LeakyRNN` is more.

    Parameters are those of `GRU`, with one gate.

    Examples
    --------
    >>> StackedRNN([[[2.0]], [[0.5]]], [[[1.0]], [[1.0]]], inputs=[0.0]).jacobian(np.zeros(2)).tolist()
    [[1.0, 0.0], [2.0, -0.5]]
    """

    kind = TanhCell

    def hidden_states(self, x: Array) -> list[Array]:
        """h of each layer, (..., dim) → a list of (..., hidden)."""
        return self._split(x)


class StackedReluRNN(StackedRNN):
    """The same with max(u, 0) in place of tanh."""

    analytic = False
    kind = ReluCell


def _zeros(row: Any, width: int) -> Any:
    """Columns of zeros beside a block, of its kind of number."""
    shape = (*row.shape[:-1], width)
    if isinstance(row, Bounded):
        return Bounded(np.zeros(shape), np.zeros(shape))
    return np.zeros(shape, dtype=row.dtype if row.dtype != object else float)


def _plus_state(change: Any, start: int) -> Any:
    """The Jacobian of the new hidden state: the change's plus that of h itself, which begins at column `start`."""
    units, columns = change.shape[-2:]
    return change + np.eye(units, columns, k=start)
