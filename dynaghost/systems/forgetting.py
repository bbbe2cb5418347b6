"""An LSTM layer that forgets more: c ← f·c + i·g − ε·c, and its fixed points as ε falls from large to 0.

With open gates 1 − f may be 1e-7 and less. In h alone, c = i·g/(1 − f) then switches over so short a way that no
step of Newton's hits it, and no line is followed through it. With large ε there is one fixed point, next to h = 0; its
curve cannot come back to where it began, and so ends at a fixed point with ε = 0. On the curve h and c are both
variables, c as sinh z, because it may become as large as 1/ε; and each row is measured by what it is made of.
"""

import numpy as np

from dynaghost.systems.activation import SIGMOID, TANH
from dynaghost.systems.base import Array
from dynaghost.systems.cells import Cell

_LARGEST = 300.0  # |z|: cosh is finite


class Forgetting:
    """The equations of one layer's fixed points with ε = eˢ, in y = (h, z), c = sinh z.

    Parameters
    ----------
    cell : Cell
        An LSTM's.
    drive : ndarray (4·hidden,)
        What the layer's input adds to the gates.

    Examples
    --------
    >>> from dynaghost.systems import LSTM
    >>> unit = LSTM([[0.0], [0.0], [2.0], [0.0]])
    >>> value, J, by_s = Forgetting(unit.cells[0], unit.drive).at(np.array([0.0, 1.0]), 0.0)
    >>> value.round(6).tolist(), J.shape
    ([0.412966, -0.779035], (2, 2))
    """

    def __init__(self, cell: Cell, drive: Array) -> None:
        self.units = cell.hidden
        self.W = [coupling.W for coupling in cell.W]
        self.b = [b + part for b, part in zip(cell.b, np.split(drive, cell.gates), strict=True)]

    def at(self, y: Array, s: float) -> tuple[Array, Array, Array]:
        """The equations' left sides (2·hidden,), their Jacobian by y, and their derivatives by s."""
        value, J, _, by_extra = self._at(y, self.b, np.exp(s))
        return value, J, by_extra

    def _at(self, y: Array, bias: list[Array], extra: float) -> tuple[Array, Array, list[Array], Array]:
        """The same; how far the arguments of i, f, g and o move the left sides, row by row; and ε its own."""
        n, (h, z) = self.units, np.split(y, 2)
        c, stretch = np.sinh(np.clip(z, -_LARGEST, _LARGEST)), np.cosh(np.clip(z, -_LARGEST, _LARGEST))
        u_i, u_f, u_g, u_o = (W @ h + b for W, b in zip(self.W, bias, strict=True))
        i, off, g, o = SIGMOID(u_i), SIGMOID(-u_f), TANH(u_g), SIGMOID(u_o)
        size = 1 / (i + (off + extra) * np.abs(c))
        value = np.concatenate([o * TANH(c) - h, (i * g - (off + extra) * c) * size])
        J = np.zeros((2 * n, 2 * n))
        by = [size * SIGMOID.slope(u_i) * g, size * SIGMOID.slope(u_f) * c, size * i * TANH.slope(u_g)]
        by.append(SIGMOID.slope(u_o) * TANH(c))
        J[:n, :n] = by[3][:, None] * self.W[3] - np.eye(n)
        J[n:, :n] = sum(part[:, None] * W for part, W in zip(by[:3], self.W, strict=False))
        units = np.arange(n)
        J[units, n + units] = o * TANH.slope(c) * stretch
        J[n + units, n + units] = -size * (off + extra) * stretch
        return value, J, by, np.concatenate([np.zeros(n), -size * extra * c])

    def state(self, y: Array) -> Array:
        """(h, c)."""
        h, z = np.split(y, 2)
        return np.concatenate([h, np.sinh(np.clip(z, -_LARGEST, _LARGEST))])

    def coordinates(self, state: Array) -> Array:
        """y of (h, c)."""
        h, c = np.split(state, 2)
        return np.concatenate([h, np.arcsinh(c)])


class Changing(Forgetting):
    """The same layer without extra forgetting, while its drive goes straight from one to another: t from 0 to 1.

    Parameters
    ----------
    cell : Cell
    before, after : ndarray (4·hidden,)
        Drives.

    Examples
    --------
    >>> from dynaghost.systems import LSTM
    >>> unit = LSTM([[0.0], [0.0], [2.0], [0.0]])
    >>> Changing(unit.cells[0], unit.drive, unit.drive + 1).at(np.zeros(2), 0.0)[2].round(3).tolist()
    [0.0, 1.0]
    """

    def __init__(self, cell: Cell, before: Array, after: Array) -> None:
        super().__init__(cell, before)
        self.change = np.split(after - before, cell.gates)

    def at(self, y: Array, s: float) -> tuple[Array, Array, Array]:
        bias = [b + s * part for b, part in zip(self.b, self.change, strict=True)]
        value, J, by, _ = self._at(y, bias, 0.0)
        moved = sum(part * change for part, change in zip(by[:3], self.change, strict=False))
        return value, J, np.concatenate([by[3] * self.change[3], moved])
