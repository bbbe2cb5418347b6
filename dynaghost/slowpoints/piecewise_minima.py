"""The slowest state of a linear region with bounds: whether it is a ghost, proved.

A ghost is the slowest state of every closed region that meets there, and a region has one slowest state. So where that
of each of the 2ⁿ regions is settled (a fixed point, a ghost, or a state from which a kink leads to slower ones), no
ghost is missed.
"""

from enum import Enum

import numpy as np

from dynaghost.slowpoints.linear_regions import argument_rows, slopes_of
from dynaghost.slowpoints.piecewise_ghosts import Slowest
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import Form
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import UNIT, Bounded

_UP = 1 + 1e-9


class Verdict(Enum):
    """What the slowest state of a region is proved to be."""

    FIXED_POINT = "fixed point"
    GHOST = "ghost"
    PASSED = "there are slower states beyond a kink"
    OPEN = "within rounding"


def verdict(network: LeakyRNN, on: Array, slowest: Slowest) -> Verdict:
    """What the slowest state of the region `on` is, from its kinks A as float64 found them.

    x, f and μ solve Jx − f = −c, Jᵀf = Σ_A σᵢμᵢCᵢ and u_A(x) = 0. Where μ > 0 and the other u have the region's signs,
    x is a slowest state, since q is convex; all others have the same f and μ, so that u_A = 0 there too, and the one
    solution of the equations is x. It is a minimum beyond its kinks too if μᵢ < (1 − negative_slope)ψᵢ for all of A,
    and none if μᵢ is greater for one.
    """
    kinks = np.flatnonzero(slowest.multipliers > 0)
    signed, n = np.where(on, 1.0, -1.0), network.dim
    system = _stationary(network, slopes_of(network, on), signed, kinks)
    solution = None if system is None else enclosed(*system)
    if solution is None:
        return Verdict.OPEN
    u = _argument(network, solution[:n])
    others = np.setdiff1d(np.arange(n), kinks)
    inside = signed[others] * u.mid[others] > u.rad[others]
    mu = solution[2 * n :]
    if not (np.all(inside) and np.all(mu.mid > mu.rad)):
        return Verdict.OPEN
    if not len(kinks):
        return Verdict.FIXED_POINT
    f = solution[n : 2 * n]
    psi = (f if network.form is Form.RATE else f @ network.W)[kinks]
    margin = psi - psi * network.negative_slope - mu
    if np.any(margin.mid < -margin.rad):
        return Verdict.PASSED
    return Verdict.GHOST if np.all(margin.mid > margin.rad) else Verdict.OPEN


def _argument(network: LeakyRNN, x: Bounded) -> Bounded:
    return x @ network.W.T + network.b if network.form is Form.RATE else x


def _stationary(network: LeakyRNN, d: Array, signed: Array, kinks: Array) -> tuple[Bounded, Bounded] | None:
    """The matrix and right side of the equations for (x, f, μ)."""
    n, many, rate = network.dim, len(kinks), network.form is Form.RATE
    exact_W = Bounded(network.W, np.zeros_like(network.W))
    J = exact_W * (d[:, None] if rate else d) - np.eye(n)
    size = 2 * n + many
    mid, rad, right, right_rad = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size), np.zeros(size)
    mid[:n, :n], rad[:n, :n] = J.mid, J.rad
    mid[:n, n : 2 * n] = -np.eye(n)
    mid[n : 2 * n, n : 2 * n], rad[n : 2 * n, n : 2 * n] = J.mid.T, J.rad.T
    C = argument_rows(network)[kinks]
    mid[n : 2 * n, 2 * n :] = -(signed[kinks, None] * C).T
    mid[2 * n :, :n] = C
    constant = Bounded(network.b, np.zeros(n)) * (d if rate else np.ones(n))
    right[:n], right_rad[:n] = -constant.mid, constant.rad
    right[2 * n :] = -network.b[kinks] if rate else 0.0
    return (Bounded(mid, rad), Bounded(right, right_rad)) if np.all(np.isfinite(mid)) else None


def enclosed(A: Bounded, c: Bounded) -> Bounded | None:
    """The solution of A x = c for every A and c within their bounds; None where A is not proved to be regular.

    With Y near A⁻¹, δ ≥ ‖I − YA‖ < 1 and s ≥ |Y(c − Ax̂)|: |x − x̂| ≤ s + δ/(1 − δ)·max s.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> x = enclosed(Bounded(np.array([[3.0]]), zero[None]), Bounded(np.array([1.0]), zero))
    >>> bool(abs(x.mid[0] * 3 - 1) <= 3 * x.rad[0] + 1e-16), bool(x.rad[0] < 1e-15)
    (True, True)
    """
    n = len(c.mid)
    try:
        Y = np.linalg.inv(A.mid)
    except np.linalg.LinAlgError:
        return None
    size = np.abs(Y)
    rest = np.abs(np.eye(n) - Y @ A.mid) + size @ ((n + 4) * UNIT * np.abs(A.mid) + A.rad)
    delta = float(rest.sum(axis=1).max() * _UP)
    if not delta < 1:
        return None
    x, columns = Y @ c.mid, Bounded(A.mid.T, A.rad.T)
    for _ in range(2):
        left = c - Bounded(x, np.zeros(n)) @ columns
        x = x + Y @ left.mid
    left = c - Bounded(x, np.zeros(n)) @ columns
    step = np.abs(Y @ left.mid) + size @ (left.rad + (n + 4) * UNIT * np.abs(left.mid))
    error = (step + delta / (1 - delta) * step.max()) * _UP + 1e-300
    return Bounded(x, error) if np.all(np.isfinite(error)) else None
