"""Independent answers for circuits κ̇ = −κ + Σ nᵢ tanh(mᵢκ + bᵢ): dense scans, SciPy, plain loops; no code of ours."""

from functools import cache

import numpy as np
from scipy.optimize import brentq


def field(weights, kappa):
    """f at real or complex κ, scalar or array."""
    m, n, b = weights
    return -kappa + np.tanh(np.multiply.outer(kappa, m) + b) @ n


def slope(weights, kappa):
    """f' at real or complex κ."""
    m, n, b = weights
    return -1 + (1 - np.tanh(np.multiply.outer(kappa, m) + b) ** 2) @ (n * m)


def critical_points(weights):
    """Zeros of f', by a scan of all κ that can hold a fixed point and a margin."""
    return _critical_points(np.array(weights, dtype=float).tobytes())


@cache
def _critical_points(content, samples=4001):
    weights = np.frombuffer(content).reshape(3, -1)
    reach = np.abs(weights[1]).sum() + 5
    grid = np.linspace(-reach, reach, samples)
    values = slope(weights, grid)
    turns = np.flatnonzero(np.sign(values[:-1]) != np.sign(values[1:]))
    return [brentq(lambda k: slope(weights, k), grid[i], grid[i + 1], xtol=1e-14) for i in turns]


def fixed_points(weights):
    """Every root of f: one between two stops with f of opposite signs, between which it is monotone."""
    reach = np.abs(weights[1]).sum() + 5
    stops = [-reach, *critical_points(weights), reach]
    values = [field(weights, k) for k in stops]
    return [
        brentq(lambda k: field(weights, k), stops[i], stops[i + 1], xtol=1e-14)
        for i in range(len(stops) - 1)
        if values[i] * values[i + 1] < 0
    ]


def ghosts(weights):
    """Every minimum of |f| above zero."""
    bend = 1e-5
    return [
        k
        for k in critical_points(weights)
        if field(weights, k) * (slope(weights, k + bend) - slope(weights, k - bend)) > 0
    ]


def between(first, second, s):
    """Weights on the straight line."""
    return tuple(a + s * (b - a) for a, b in zip(first, second, strict=True))


def continued(first, second, z, steps=2000):
    """A complex fixed point followed from the first weights to the second, by Newton at many places."""
    for s in np.linspace(0, 1, steps + 1)[1:]:
        weights = between(first, second, s)
        for _ in range(4):
            z = z - field(weights, z) / slope(weights, z)
    return z


def passage_time(weights, z):
    """2π·|Im λ|/|λ|², in τ."""
    eigenvalue = slope(weights, z)
    return 2 * np.pi * abs(eigenvalue.imag) / abs(eigenvalue) ** 2


def trial(weights, leak, x0, steps, form="rate"):
    """κ at every iteration of the full network, unit by unit."""
    m, n, b = weights
    x = np.broadcast_to(np.asarray(x0, dtype=float), m.shape).copy()
    kappas = []
    for _ in range(steps + 1):
        if form == "rate":
            kappas.append(n @ x)
            x = (1 - leak) * x + leak * np.tanh(m * (n @ x) + b)
        else:
            kappas.append(m @ (x - b) / (m @ m))
            x = (1 - leak) * x + leak * (m * (n @ np.tanh(x)) + b)
    return np.array(kappas)
