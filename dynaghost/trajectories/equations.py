"""The two equations whose solutions are followed between checkpoints: f = 0, and ∇q = 0."""

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.straight import Line

_H = 2.0**-10
_BESIDE = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


class FixedPoints:
    """F = f: its solutions are fixed points."""

    def __init__(self, line: Line) -> None:
        self.line, self.dim, self.smooth = line, line.dim, line.first.analytic

    def parts(self, x: Array, s: float) -> tuple[Array, Array, Array]:
        """f, J and ∂f/∂s at states (E, n).

        Examples
        --------
        >>> from dynaghost.systems import SaddleNode
        >>> equation = FixedPoints(Line(SaddleNode(-1.0), SaddleNode(0.0)))
        >>> [part.round(9).tolist() for part in equation.parts(np.array([[2.0]]), 0.5)]
        [[[3.5]], [[[4.0]]], [[1.0]]]
        """
        system = self.line.at(s)
        return system.f(x), system.jacobian(x), self.line.velocity(x, s)


class Minima:
    """F = ∇q = JᵀGf: its solutions are the minima of the speed, its saddles and maxima."""

    def __init__(self, line: Line) -> None:
        self.line, self.dim, self.smooth = line, line.dim, line.first.analytic

    def parts(self, x: Array, s: float) -> tuple[Array, Array, Array]:
        """∇q, the exact Hessian of q and ∂∇q/∂s at states (E, n)."""
        system = self.line.at(s)
        J, metric = system.jacobian(x), system.metric
        weighted, transposed = system.f(x) @ metric, J.transpose(0, 2, 1)
        gradient = (transposed @ weighted[..., None])[..., 0]
        hessian = transposed @ (metric @ J) + system.curvature(x, weighted)
        by_s = sum(weight * self._gradient(x, s + k * _H) for k, weight in _BESIDE) / _H
        return gradient, hessian, np.asarray(by_s)

    def _gradient(self, x: Array, s: float) -> Array:
        system = self.line.at(s)
        return ((system.f(x) @ system.metric)[:, None, :] @ system.jacobian(x))[:, 0, :]
