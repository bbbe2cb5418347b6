"""Gradient and exact Hessian of the kinetic energy q = ½fᵀGf."""

from dynaghost.systems.base import Array, System


def energy_derivatives(system: System, x: Array, f: Array, J: Array, metric: Array | None) -> tuple[Array, Array]:
    """Gradient JᵀGf and exact Hessian JᵀGJ + Σ(Gf)ᵢD²fᵢ of q = ½fᵀGf, for states (E, dim); G = I where it is None.

    Examples
    --------
    >>> import numpy as np
    >>> from dynaghost.systems import SaddleNode
    >>> system, x = SaddleNode(0.0), np.array([[2.0]])
    >>> gradient, hessian = energy_derivatives(system, x, system.f(x), system.jacobian(x), None)
    >>> gradient.tolist(), hessian.tolist()  # q = x⁴/2
    ([[16.0]], [[[24.0]]])
    """
    weighted = f if metric is None else f @ metric
    transposed = J.transpose(0, 2, 1)
    gradient = (transposed @ weighted[..., None])[..., 0]
    hessian = transposed @ (J if metric is None else metric @ J)
    return gradient, hessian + system.curvature(x, weighted)
