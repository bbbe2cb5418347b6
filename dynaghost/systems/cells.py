"""One layer of a GRU, an LSTM or a plain network: a change of its state, and the derivatives of the change.

A formula is written once, in NumPy's arithmetic, for batches of states of floats, complex numbers, balls, bounded
numbers, bounds and jets. `drive` is what the input adds to the gates: weight_ih·input + bias_ih.
"""

from typing import Any

import numpy as np

from dynaghost.systems.activation import SIGMOID, TANH, Activation, Curve
from dynaghost.systems.base import Array
from dynaghost.systems.blocks import add_diagonal, beside, rows
from dynaghost.systems.bounds import Coupling, join
from dynaghost.systems.rounding import Bounded

_OPEN = 300.0  # e³⁰⁰ is finite, and so are its products with weights


class Cell:
    """One layer.

    Parameters
    ----------
    weight_hh : ndarray (gates·hidden, hidden)
    weight_ih : ndarray (gates·hidden, inputs)
    bias_hh, bias_ih : ndarray (gates·hidden,)

    Attributes
    ----------
    hidden, size : int
        Units, and state variables.
    own : int or None
        Which of the units' arguments is the layer's last state variable itself.
    """

    gates: int
    copies: int
    own: int | None = None

    def __init__(self, weight_hh: Array, weight_ih: Array, bias_hh: Array, bias_ih: Array) -> None:
        self.hidden = weight_hh.shape[1]
        self.size = self.copies * self.hidden
        self.inputs = weight_ih.shape[1]
        self.into = Coupling(weight_ih)
        self.bias_ih = bias_ih
        self.W = [Coupling(part) for part in np.split(weight_hh, self.gates)]
        self.W_in = np.split(weight_ih, self.gates)
        self.b = np.split(bias_hh, self.gates)

    def drive(self, inputs: Any) -> Any:
        """What an input adds to the gates."""
        return inputs @ self.into + self.bias_ih

    def change(self, state: Any, drive: Any) -> Any:
        """The new state minus the old, (..., size)."""
        return self.values(self.arguments(state, drive))[0]

    def arguments(self, state: Any, drive: Any) -> list[Any]:
        """What each unit's functions are of, linear in the state and the drive: a list of (..., hidden)."""
        raise NotImplementedError

    def values(self, arguments: list[Any]) -> list[Any]:
        """The change, unit by unit, but for terms linear in the state: h's, and an LSTM's c's; each (..., hidden)."""
        raise NotImplementedError

    def couplings(self) -> list[tuple[Array | None, Array | None]]:
        """Derivatives of the arguments by h, (hidden, hidden), and by the input, (hidden, inputs); None is 0."""
        raise NotImplementedError

    def settled(self, h: Any, drive: Any) -> Any:
        """v(h), bounded but for a ReLU: the layer rests where h = v(h), and nowhere else."""
        raise NotImplementedError

    def settled_slopes(self, h: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        """Jacobians of v by h, (..., hidden, hidden), and by the input or None."""
        raise NotImplementedError

    def resting(self, h: Any, drive: Any) -> Any:
        """The layer's state, (..., size), with what h does not fix at rest."""
        return h

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        """Jacobians of the change by the state, (..., size, size), and by the input, (..., size, inputs) or None."""
        raise NotImplementedError

    def box(self, drive: Bounded) -> tuple[Array, Array]:
        """A box that holds the layer's part of every fixed point, for drives within `drive`."""
        raise NotImplementedError


class TanhCell(Cell):
    """h' = tanh(drive + W h + b)."""

    gates, copies = 1, 1
    curve = TANH

    def change(self, state: Any, drive: Any) -> Any:
        return self.settled(state, drive) - state

    def arguments(self, state: Any, drive: Any) -> list[Any]:
        return [drive + (state @ self.W[0] + self.b[0])]

    def values(self, arguments: list[Any]) -> list[Any]:
        return [self.curve(arguments[0])]

    def couplings(self) -> list[tuple[Array | None, Array | None]]:
        return [(self.W[0].W, self.W_in[0])]

    def settled(self, h: Any, drive: Any) -> Any:
        return self.values(self.arguments(h, drive))[0]

    def settled_slopes(self, h: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        slope = self.curve.slope(self.arguments(h, drive)[0])
        return rows([(slope, self.W[0].W)]), rows([(slope, self.W_in[0])]) if with_input else None

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        by_state, by_input = self.settled_slopes(state, drive, with_input)
        return add_diagonal(by_state, -np.ones(self.hidden)), by_input

    def box(self, drive: Bounded) -> tuple[Array, Array]:
        most = np.full(self.hidden, np.inf if self.curve.kind.piecewise else 1.0)
        return -most, most


class ReluCell(TanhCell):
    """h' = max(drive + W h + b, 0)."""

    curve = Curve(Activation.RELU)


class GRUCell(Cell):
    """h' = (1 − z)·n + z·h with z = σ(z-gate), r = σ(r-gate), n = tanh(drive + r·(W_n h + b_n)); gates r, z, n."""

    gates, copies, own = 3, 1, 4

    def arguments(self, state: Any, drive: Any) -> list[Any]:
        return [*self._parts(state, drive), state]

    def values(self, arguments: list[Any]) -> list[Any]:
        # (1 − z)(n − h): no cancellation where n and h agree.
        u_r, u_z, p, drive_n, h = arguments
        return [SIGMOID(-u_z) * (TANH(drive_n + SIGMOID(u_r) * p) - h)]

    def couplings(self) -> list[tuple[Array | None, Array | None]]:
        (W_r, W_z, W_n), (V_r, V_z, V_n) = (coupling.W for coupling in self.W), self.W_in
        return [(W_r, V_r), (W_z, V_z), (W_n, None), (None, V_n), (None, None)]

    def settled(self, h: Any, drive: Any) -> Any:
        u_r, _, p, drive_n = self._parts(h, drive)
        return TANH(drive_n + SIGMOID(u_r) * p)

    def settled_slopes(self, h: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        u_r, _, p, drive_n = self._parts(h, drive)
        r = SIGMOID(u_r)
        by_n = TANH.slope(drive_n + r * p)
        by_r = by_n * p * SIGMOID.slope(u_r)
        by_input = rows([(by_r, self.W_in[0]), (by_n, self.W_in[2])]) if with_input else None
        return rows([(by_r, self.W[0].W), (by_n * r, self.W[2].W)]), by_input

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        u_r, u_z, p, drive_n = self._parts(state, drive)
        r, z_off = SIGMOID(u_r), SIGMOID(-u_z)
        u_n = drive_n + r * p
        by_n = z_off * TANH.slope(u_n)
        by_r = by_n * p * (r * SIGMOID(-u_r))
        by_z = (state - TANH(u_n)) * (z_off * SIGMOID(u_z))
        W_r, W_z, W_n = (coupling.W for coupling in self.W)
        by_state = rows([(by_r, W_r), (by_z, W_z), (by_n * r, W_n)])
        by_input = rows(list(zip((by_r, by_z, by_n), self.W_in, strict=True))) if with_input else None
        return add_diagonal(by_state, -z_off), by_input

    def box(self, drive: Bounded) -> tuple[Array, Array]:
        # z < 1, so a fixed point has h = n, a value of tanh.
        return -np.ones(self.hidden), np.ones(self.hidden)

    def _parts(self, h: Any, drive: Any) -> tuple[Any, Any, Any, Any]:
        """Arguments of r and z, W_n h + b_n, and the drive of n."""
        units = self.hidden
        u_r, u_z = (drive[..., k * units : (k + 1) * units] + (h @ self.W[k] + self.b[k]) for k in (0, 1))
        return u_r, u_z, h @ self.W[2] + self.b[2], drive[..., 2 * units :]


class ResetFirstGRUCell(GRUCell):
    """The same with n = tanh(drive + W_n (r·h) + b_n): reset before the product, not after it.

    Its candidates are no functions of arguments linear in the state, so `arguments`, `values` and `couplings` are not
    those of `GRUCell`: there are none.
    """

    def arguments(self, state: Any, drive: Any) -> list[Any]:
        raise NotImplementedError

    def change(self, state: Any, drive: Any) -> Any:
        u_z = self._reset_parts(state, drive)[1]
        return SIGMOID(-u_z) * (self.settled(state, drive) - state)

    def settled(self, h: Any, drive: Any) -> Any:
        return TANH(self._reset_parts(h, drive)[2])

    def settled_slopes(self, h: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        u_r, _, u_n = self._reset_parts(h, drive)
        by_n = TANH.slope(u_n)
        by_state, by_input = self._slopes_of_n(h, u_r, with_input)
        return by_n[..., None] * by_state, by_n[..., None] * by_input if with_input else None

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        u_r, u_z, u_n = self._reset_parts(state, drive)
        z_off = SIGMOID(-u_z)
        by_n, by_z = z_off * TANH.slope(u_n), (state - TANH(u_n)) * (z_off * SIGMOID(u_z))
        n_by_state, n_by_input = self._slopes_of_n(state, u_r, with_input)
        by_state = rows([(by_z, self.W[1].W)]) + by_n[..., None] * n_by_state
        by_input = rows([(by_z, self.W_in[1])]) + by_n[..., None] * n_by_input if with_input else None
        return add_diagonal(by_state, -z_off), by_input

    def _slopes_of_n(self, h: Any, u_r: Any, with_input: bool) -> tuple[Any, Any]:
        """Jacobians of n's argument: W_n (diag r + diag(h·r') W_r), and by the input."""
        through, W_n = h * SIGMOID.slope(u_r), self.W[2].W
        by_state = _product(W_n, add_diagonal(rows([(through, self.W[0].W)]), SIGMOID(u_r)))
        if not with_input:
            return by_state, None
        return by_state, _product(W_n, rows([(through, self.W_in[0])])) + self.W_in[2]

    def _reset_parts(self, h: Any, drive: Any) -> tuple[Any, Any, Any]:
        """Arguments of r, z and n."""
        u_r, u_z, _, drive_n = self._parts(h, drive)
        return u_r, u_z, drive_n + ((SIGMOID(u_r) * h) @ self.W[2] + self.b[2])


class LSTMCell(Cell):
    """c' = f·c + i·g, h' = o·tanh(c'), with i, f, o = σ(gates), g = tanh(gate); gates i, f, g, o; state (h, c)."""

    gates, copies, own = 4, 2, 4

    def change(self, state: Any, drive: Any) -> Any:
        new, step = self.values(self.arguments(state, drive))
        return join([new - state[..., : self.hidden], step])

    def arguments(self, state: Any, drive: Any) -> list[Any]:
        return [*self._arguments(state[..., : self.hidden], drive), state[..., self.hidden :]]

    def values(self, arguments: list[Any]) -> list[Any]:
        i, f, g, o, c = arguments
        step = SIGMOID(i) * TANH(g) - SIGMOID(-f) * c
        return [SIGMOID(o) * TANH(c + step), step]

    def couplings(self) -> list[tuple[Array | None, Array | None]]:
        by_h = [coupling.W for coupling in self.W]
        return [*zip(by_h, self.W_in, strict=True), (None, None)]

    def settled(self, h: Any, drive: Any) -> Any:
        i, f, g, o = self._arguments(h, drive)
        return SIGMOID(o) * TANH(_at_rest(i, f, g))

    def settled_slopes(self, h: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        i, f, g, o = self._arguments(h, drive)
        c, kept = _at_rest(i, f, g), ODDS(f)
        through = SIGMOID(o) * TANH.slope(c)
        by_i, by_g = SIGMOID.slope(i) * TANH(g) * (1 + kept), SIGMOID(i) * TANH.slope(g) * (1 + kept)
        by = [through * by_i, through * (SIGMOID(i) * TANH(g) * kept), through * by_g, SIGMOID.slope(o) * TANH(c)]
        by_input = rows(list(zip(by, self.W_in, strict=True))) if with_input else None
        return rows([(part, coupling.W) for part, coupling in zip(by, self.W, strict=True)]), by_input

    def resting(self, h: Any, drive: Any) -> Any:
        return np.concatenate([h, _at_rest(*self._arguments(h, drive)[:3])], axis=-1)

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        h, c = state[..., : self.hidden], state[..., self.hidden :]
        i, f, g, o = self._arguments(h, drive)
        f_off, g_value = SIGMOID(-f), TANH(g)
        u = c + (SIGMOID(i) * g_value - f_off * c)
        by = (SIGMOID.slope(i) * g_value, SIGMOID.slope(f) * c, SIGMOID(i) * TANH.slope(g))
        out, through = SIGMOID.slope(o) * TANH(u), SIGMOID(o) * TANH.slope(u)
        W = [coupling.W for coupling in self.W]
        c_by_h, h_by_h = self._two_rows(by, out, through, W)
        left = join([add_diagonal(h_by_h, -np.ones(self.hidden)), c_by_h], -2)
        by_input = join(self._two_rows(by, out, through, self.W_in)[::-1], -2) if with_input else None
        return beside(left, through * SIGMOID(f), -f_off), by_input

    def box(self, drive: Bounded) -> tuple[Array, Array]:
        # c·(1 − f) = i·g and h = o·tanh(c), with the gates where |h| ≤ 1 lets them be.
        i, f, g, _ = self._arguments(Bounded(np.zeros(self.hidden), np.ones(self.hidden)), drive)
        least = _ends(SIGMOID, -f)[0]
        with np.errstate(divide="ignore", over="ignore"):
            reach = _ends(SIGMOID, i)[1] / np.maximum(least, 0.0) * (1 + 1e-9)
        low, high = _ends(TANH, g)
        low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        one = np.ones(self.hidden)
        return np.concatenate([-one, low * reach]), np.concatenate([one, high * reach])

    def _arguments(self, h: Any, drive: Any) -> list[Any]:
        n = self.hidden
        return [drive[..., k * n : (k + 1) * n] + (h @ self.W[k] + self.b[k]) for k in range(4)]

    def _two_rows(self, by: Any, out: Any, through: Any, W: list[Array]) -> list[Any]:
        c_row = rows(list(zip(by, W[:3], strict=True)))
        return [c_row, rows([(out, W[3])]) + through[..., None] * c_row]


def _product(W: Array, matrices: Any) -> Any:
    """W times each of a batch of matrices of any kind of number."""
    return (Bounded(W, np.zeros_like(W)) if isinstance(matrices, Bounded) else W) @ matrices


class _Odds:
    """eᵘ = σ(u)/(1 − σ(u)), taken to stay at e³⁰⁰; a curve like those of `activation`."""

    def __call__(self, u: Any) -> Any:
        if hasattr(u, "value_through"):
            return u.value_through(self)
        return np.exp(np.where(np.real(u) > _OPEN, _OPEN, u))

    slope = bend = __call__


ODDS = _Odds()


def _at_rest(i: Any, f: Any, g: Any) -> Any:
    """c = i·g/(1 − f), with 1/(1 − σ(f)) = 1 + eᶠ."""
    return SIGMOID(i) * TANH(g) * (1 + ODDS(f))


def _ends(curve: Curve, u: Bounded) -> tuple[Array, Array]:
    """Bounds on an increasing φ over u: a wide argument goes through its ends."""
    low, high = (
        curve(Bounded(end, np.zeros_like(end)))
        for end in (np.nextafter(u.mid - u.rad, -np.inf), np.nextafter(u.mid + u.rad, np.inf))
    )
    return low.mid - low.rad, high.mid + high.rad
