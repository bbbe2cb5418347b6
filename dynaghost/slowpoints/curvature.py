"""The second derivatives of f as matrices: Σ wᵢ D²fᵢ(x), which the exact Hessian of the kinetic energy needs."""

from functools import singledispatch

import numpy as np

from dynaghost.systems.activation import TANH
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LatentCircuit
from dynaghost.systems.recurrent import LeakyRNN


@singledispatch
def weighted_curvature(system: System, x: Array, w: Array) -> Array:
    """Σ wᵢ D²fᵢ(x) for states and weights (E, dim) → (E, dim, dim).

    In general from dim² second derivatives a state; networks with one matrix have it as a product.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> weighted_curvature(SaddleNode(0.0), np.array([[1.0]]), np.array([[3.0]])).tolist()
    [[[6.0]]]
    """
    basis = np.eye(system.dim)
    result = np.empty((len(x), system.dim, system.dim))
    for e in range(len(x)):
        for j in range(system.dim):
            u = np.broadcast_to(basis[j], basis.shape)
            states = np.broadcast_to(x[e], basis.shape)
            result[e, j] = system.second_derivative(states, u, basis) @ w[e]
    return 0.5 * (result + result.transpose(0, 2, 1))


@weighted_curvature.register
def _(system: LeakyRNN, x: Array, w: Array) -> Array:
    if system.form is Form.RATE:
        bend = system.curve.bend(x @ system.W.T + system.b) * w
        return system.W.T @ (bend[..., None] * system.W)
    result = np.zeros((*x.shape, system.dim))
    result[..., range(system.dim), range(system.dim)] = system.curve.bend(x) * (w @ system.W)
    return result


@weighted_curvature.register
def _(system: LatentCircuit, x: Array, w: Array) -> Array:
    bend = TANH.bend(x @ system.m.T + system.b) * (w @ system.n)
    return system.m.T @ (bend[..., None] * system.m)


def energy_derivatives(system: System, x: Array, f: Array, J: Array, metric: Array | None) -> tuple[Array, Array]:
    """Gradient JᵀGf and exact Hessian JᵀGJ + Σ(Gf)ᵢD²fᵢ of q = ½fᵀGf, for states (E, dim); G = I where it is None."""
    weighted = f if metric is None else f @ metric
    transposed = J.transpose(0, 2, 1)
    gradient = (transposed @ weighted[..., None])[..., 0]
    hessian = transposed @ (J if metric is None else metric @ J)
    return gradient, hessian + weighted_curvature(system, x, weighted)
