"""Fixed points of a stack of gated layers, proved layer by layer.

At rest layer k reads h of layer k − 1, and nothing of the layers above it. Let z₀ be the fixed point of layer 0, z₁
that of layer 1 whose input is z₀'s exact h, and so on, each within rₖ of xₖ and alone within Rₖ: then (z₀, z₁, …) is a
fixed point of the stack, within √Σ rₖ² of x, and the only one within min Rₖ, since another one would first differ from
it in some layer, and read there what it reads. J is block triangular: sign det(−J) is the product of the layers' signs.
"""

import math
from typing import Any

import numpy as np

from dynaghost.slowpoints.newton_kantorovich import RootProof, unproved
from dynaghost.systems.base import Array, System
from dynaghost.systems.bounds import Reach
from dynaghost.systems.cells import Cell
from dynaghost.systems.gated import Gated
from dynaghost.systems.rounding import Bounded

_UP = 1 + 1e-9


class Reading(System):
    """One layer whose drive is known within bounds: every statement holds for each drive in `balls`.

    Parameters
    ----------
    cell : Cell
    balls : object ndarray (gates·hidden,)
        In ball arithmetic.
    drive : Bounded
        The same in float64.
    """

    enclosing = True

    def __init__(self, gated: Gated, cell: Cell, balls: Array, drive: Bounded) -> None:
        self.cell, self.balls, self.drive = cell, balls, drive
        self.time, self.leak, self.dim = gated.time, gated.leak, cell.size

    @property
    def metric(self) -> Array:  # type: ignore[override]
        return np.eye(self.dim)

    def f(self, x: Array) -> Array:
        x = np.asarray(x)
        return self.cell.change(x, self.balls if x.dtype == object else self.drive.mid)

    def jacobian(self, x: Array) -> Array:
        return self.cell.slopes(np.asarray(x), self.drive.mid, False)[0]

    def second_derivative(self, x: Array, u: Array, v: Array) -> Array:
        raise NotImplementedError

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        with np.errstate(all="ignore"):
            bend = self._reaching(Reach.of(x, radius)).bend * _UP
        return float(bend) if np.isfinite(bend) else math.inf

    def second_derivative_bounds(self, x: Array, radius: float, scale: Array) -> Array:
        with np.errstate(all="ignore"):
            bends = self._reaching(Reach.of(x, radius, scale)).bends * _UP
        return np.where(np.isfinite(bends), bends, np.inf)

    def f_enclosure(self, x: Array) -> tuple[Array, Array]:
        return _parts(self.cell.change(Bounded(x, np.zeros_like(x)), self.drive))

    def jacobian_enclosure(self, x: Array) -> tuple[Array, Array]:
        return _parts(self.cell.slopes(Bounded(x, np.zeros_like(x)), self.drive, False)[0])

    def _reaching(self, x: Reach) -> Any:
        return self.cell.change(x, Reach.constant(self.drive, x.radius))


def _parts(value: Any) -> tuple[Array, Array]:
    return value.mid, value.rad


def prove_stack(system: Gated, x: Array) -> RootProof:
    """A fixed point of the stack next to `x`, by those of its layers.

    Parameters
    ----------
    system : Gated
        Of several layers.
    x : ndarray (dim,)

    Returns
    -------
    RootProof
        Its `capture` is 0: nothing is said about Newton's method on the whole.

    Examples
    --------
    >>> from dynaghost.systems import GRU
    >>> unit = [[0.0], [0.0], [3.0]]
    >>> proof = prove_stack(GRU([unit, unit], [np.zeros((3, 0)), np.ones((3, 1))]), np.zeros(2))
    >>> proof.radius < 1e-12, proof.unique_radius > 1e-2, proof.index
    (True, True, 1)
    """
    from dynaghost.slowpoints.balls import bounded, evaluated, exactly, proved_with_point  # late: few points need it

    drive, proofs = exactly(system.drive), []
    for k, (cell, span) in enumerate(zip(system.cells, system.spans, strict=True)):
        layer = Reading(system, cell, drive, Bounded(*bounded(drive)))
        proof, point = proved_with_point(layer, x[span])
        if not proof.proved:
            return unproved(f"in layer {k}: {proof.because}")
        proofs.append(proof)
        if k + 1 < len(system.cells):
            drive = evaluated(system.cells[k + 1].drive, point[: cell.hidden])
    return RootProof(
        math.hypot(*(proof.radius for proof in proofs)) * _UP,
        min(proof.unique_radius for proof in proofs),
        0.0,
        index=math.prod(proof.index for proof in proofs),
    )
