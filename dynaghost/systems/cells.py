"""One layer of a GRU, an LSTM or a plain network: a change of its state, and the derivatives of the change.

A formula is written once, in NumPy's arithmetic, for batches of states of floats, complex numbers, balls, bounded
numbers, bounds and jets. `drive` is what the input adds to the gates: weight_ih·input + bias_ih.
"""

from typing import Any

import numpy as np

from dynaghost.systems.activation import SIGMOID, TANH, Activation, Curve
from dynaghost.systems.base import Array
from dynaghost.systems.bounds import Coupling, join
from dynaghost.systems.rounding import Bounded


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
    """

    gates: int
    copies: int

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
        raise NotImplementedError

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
        return self.curve(drive + (state @ self.W[0] + self.b[0])) - state

    def slopes(self, state: Any, drive: Any, with_input: bool) -> tuple[Any, Any]:
        slope = self.curve.slope(drive + (state @ self.W[0] + self.b[0]))
        by_state = add_diagonal(rows([(slope, self.W[0].W)]), -np.ones(self.hidden))
        return by_state, rows([(slope, self.W_in[0])]) if with_input else None

    def box(self, drive: Bounded) -> tuple[Array, Array]:
        most = np.full(self.hidden, np.inf if self.curve.kind.piecewise else 1.0)
        return -most, most


class ReluCell(TanhCell):
    """h' = max(drive + W h + b, 0)."""

    curve = Curve(Activation.RELU)


class GRUCell(Cell):
    """h' = (1 − z)·n + z·h with z = σ(z-gate), r = σ(r-gate), n = tanh(drive + r·(W_n h + b_n)); gates r, z, n."""

    gates, copies = 3, 1

    def change(self, state: Any, drive: Any) -> Any:
        # (1 − z)(n − h): no cancellation where n and h agree.
        u_r, u_z, p, drive_n = self._parts(state, drive)
        return SIGMOID(-u_z) * (TANH(drive_n + SIGMOID(u_r) * p) - state)

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


class LSTMCell(Cell):
    """c' = f·c + i·g, h' = o·tanh(c'), with i, f, o = σ(gates), g = tanh(gate); gates i, f, g, o; state (h, c)."""

    gates, copies = 4, 2

    def change(self, state: Any, drive: Any) -> Any:
        h, c = state[..., : self.hidden], state[..., self.hidden :]
        i, f, g, o = self._arguments(h, drive)
        step = SIGMOID(i) * TANH(g) - SIGMOID(-f) * c
        return join([SIGMOID(o) * TANH(c + step) - h, step])

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
        return _beside(left, through * SIGMOID(f), -f_off), by_input

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


def rows(terms: list[tuple[Any, Array]]) -> Any:
    """Σ diag(coefficients)·W, (..., n) and (n, m) → (..., n, m).

    Examples
    --------
    >>> rows([(np.array([1.0, 2.0]), np.ones((2, 2))), (np.ones(2), np.eye(2))]).tolist()
    [[2.0, 1.0], [2.0, 3.0]]
    """
    first, W = terms[0]
    total = first[..., None] * W
    for coefficients, W in terms[1:]:
        total += coefficients[..., None] * W
    return total


def add_diagonal(J: Any, d: Any) -> Any:
    """J + diag(d) for batches; arrays in place.

    Examples
    --------
    >>> add_diagonal(np.zeros((2, 2)), np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    n = d.shape[-1]
    if not isinstance(J, np.ndarray):
        return J + diagonal(d)
    J.reshape(*J.shape[:-2], n * n)[..., :: n + 1] += d  # a view: J is always freshly made
    return J


def diagonal(d: Any) -> Any:
    """diag(d) for batches.

    Examples
    --------
    >>> diagonal(np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    return d[..., None] * np.eye(d.shape[-1])


def _beside(left: Any, upper: Any, lower: Any) -> Any:
    """[left | diag(upper) over diag(lower)] for batches."""
    n = upper.shape[-1]
    if not isinstance(left, np.ndarray) or left.dtype == object:
        return join([left, join([diagonal(upper), diagonal(lower)], -2)])
    J = np.zeros((*left.shape[:-1], 2 * n), left.dtype)
    J[..., :n] = left
    flat = J.reshape(*left.shape[:-2], 4 * n * n)
    # Element (i, n + i) stands at n + i(2n + 1), element (n + i, n + i) at (n + i)(2n + 1).
    flat[..., n : 2 * n * n : 2 * n + 1] = upper
    flat[..., n * (2 * n + 1) :: 2 * n + 1] = lower
    return J


def _ends(curve: Curve, u: Bounded) -> tuple[Array, Array]:
    """Bounds on an increasing φ over u: a wide argument goes through its ends."""
    low, high = (
        curve(Bounded(end, np.zeros_like(end)))
        for end in (np.nextafter(u.mid - u.rad, -np.inf), np.nextafter(u.mid + u.rad, np.inf))
    )
    return low.mid - low.rad, high.mid + high.rad
