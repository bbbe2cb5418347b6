"""The linear regions of a ReLU or leaky ReLU network, and what is proved about the fixed point of each.

Where the signs σ of u give the slopes d (1 above 0, `negative_slope` below), f is affine, and its fixed point solves
(I − W D)u = b. It is real if its u has the signs σ, otherwise virtual: it lies outside of its region, and is none.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dynaghost.slowpoints.newton_kantorovich import RootProof, unproved
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import Form
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import UNIT, Bounded

MOST_EXACT = 40
"""Units up to which signs that float64 leaves open are decided in exact arithmetic."""

_UP = 1 + 1e-9


def slopes_of(network: LeakyRNN, on: Array) -> Array:
    """D's diagonal where `on` (n,) says which u are above 0."""
    return np.where(on, 1.0, network.negative_slope)


def region_jacobian(network: LeakyRNN, d: Array) -> Array:
    """J = −I + D W, or −I + W D in current form."""
    product = d[:, None] * network.W if network.form is Form.RATE else network.W * d
    return product - np.eye(network.dim)


def argument_rows(network: LeakyRNN) -> Array:
    """C in u(x) = C x + c: W in rate form, I in current form."""
    return network.W if network.form is Form.RATE else np.eye(network.dim)


def argument(network: LeakyRNN, x: Array) -> Array:
    """u, whose signs say in which region `x` lies."""
    return network.W @ x + network.b if network.form is Form.RATE else x


def state_of(network: LeakyRNN, u: Array, d: Array) -> Array:
    """The state of a region's fixed point: D u, or u in current form."""
    return d * u if network.form is Form.RATE else u


@dataclass(frozen=True, slots=True)
class Solution:
    """u of (I − W D)u = b to within `error` (n,), and |(I − W D)⁻¹| elementwise at most `inverse` (n, n), proved."""

    u: Array
    error: Array
    inverse: Array


def solve_region(network: LeakyRNN, d: Array) -> Solution | None:
    """The fixed point of a region, real or virtual; None where I − W D is singular as far as float64 tells.

    With Y an approximate inverse of A = I − W D and δ ≥ ‖I − YA‖ < 1 (greatest row sum), |u − û| ≤ s + δ/(1 − δ)·max s
    for s ≥ |Y(b − Aû)|, and |A⁻¹| is at most |Y| plus δ/(1 − δ) times the greatest of each of its columns.
    """
    n = network.dim
    mid = np.eye(n) - network.W * d
    rad = 2 * UNIT * (np.abs(mid) + np.abs(network.W)) + 1e-300
    try:
        Y = np.linalg.inv(mid)
    except np.linalg.LinAlgError:
        return None
    size = np.abs(Y)
    rest = np.abs(np.eye(n) - Y @ mid) + (n + 4) * UNIT * (size @ np.abs(mid)) + size @ rad
    delta = float(rest.sum(axis=1).max() * _UP)
    if not delta < 1:
        return None
    u = Y @ network.b
    for _ in range(2):
        u = u + Y @ _residual(network, d, u).mid
    left = _residual(network, d, u)
    step = np.abs(Y @ left.mid) + size @ (left.rad + (n + 4) * UNIT * np.abs(left.mid))
    share = delta / (1 - delta)
    error = (step + share * step.max()) * _UP + 1e-300
    return Solution(u, error, (size + share * size.max(axis=0)) * _UP) if np.all(np.isfinite(error)) else None


def _residual(network: LeakyRNN, d: Array, u: Array) -> Bounded:
    """b − u + W D u with bounds."""
    exact = Bounded(u, np.zeros_like(u))
    return (exact * d) @ network.W.T + (network.b - exact)


@dataclass(frozen=True, slots=True)
class Exact:
    """Signs (n,) of the exact solution u of (I − W D)u = b, and its float64 rounding."""

    signs: Array
    u: Array


def solve_exactly(network: LeakyRNN, d: Array) -> Exact | None:
    """The same in integers, by elimination without fractions; None where I − W D is singular, exactly.

    Weights are binary numbers: each row becomes one of integers.
    """
    rows = _integer_rows(network, d)
    n, before = network.dim, 1
    for k in range(n):
        best = next((i for i in range(k, n) if rows[i][k]), None)
        if best is None:
            return None
        if best != k:
            rows[k], rows[best] = rows[best], [-entry for entry in rows[k]]
        pivot, row = rows[k][k], rows[k]
        for i in range(n):
            if i != k:
                factor = rows[i][k]
                rows[i] = [(pivot * a - factor * c) // before for a, c in zip(rows[i], row, strict=True)]
        before = pivot
    values = [Fraction(rows[i][n], rows[i][i]) for i in range(n)]
    return Exact(np.array([(v > 0) - (v < 0) for v in values]), np.array([float(v) for v in values]))


def _integer_rows(network: LeakyRNN, d: Array) -> list[list[int]]:
    slopes = [Fraction(float(slope)) for slope in d]
    rows = []
    for i, weights in enumerate(network.W.tolist()):
        row = [(i == j) - Fraction(w) * slopes[j] for j, w in enumerate(weights)] + [Fraction(float(network.b[i]))]
        scale = math.lcm(*(entry.denominator for entry in row))
        rows.append([int(entry * scale) for entry in row])
    return rows


def prove_in_region(network: LeakyRNN, x: Array, on: Array, solution: Solution) -> RootProof:
    """The radii about `x` of a region's fixed point, whose signs are those of the region.

    Another fixed point y at distance ρ would satisfy J(y − x) = −e, where e collects what units that have changed sign
    add: |eⱼ| ≤ (1 − negative_slope)·max(|Cⱼ|ρ − |uⱼ|, 0), times W in current form. With |J⁻¹| bounded, there is none as
    long as ‖|J⁻¹|·e(ρ)‖ < ρ; e(ρ)/ρ increases.
    """
    d = slopes_of(network, on)
    if network.form is Form.RATE:
        offset = np.abs(x - d * solution.u) + d * solution.error + 2 * UNIT * np.abs(x)
    else:
        offset = np.abs(x - solution.u) + solution.error
    radius = float(np.linalg.norm(offset)) * _UP + 1e-300
    unique = max(_alone(network, on, d, solution) * (1 - 1e-9) - radius, 0.0)
    if not unique > radius:
        return unproved("the nearest kink is within the rounding of the fixed point")
    return RootProof(radius, unique, unique)


def _alone(network: LeakyRNN, on: Array, d: Array, solution: Solution) -> float:
    """A radius about the exact fixed point within which it is alone."""
    spread = _inverse_spread(network, d, solution)
    rows = np.linalg.norm(argument_rows(network), axis=1) * _UP
    room = np.maximum(np.abs(solution.u) - solution.error, 0.0) * (1 - 1e-9)
    jump = 1 - network.negative_slope

    def holds(rho: float) -> bool:
        change = spread @ (jump * np.maximum(rows * rho - room, 0.0))
        return bool(np.linalg.norm(change) * _UP < rho)

    if np.linalg.norm(spread @ (jump * rows)) * _UP < 1:
        return math.inf  # e(ρ)/ρ never comes to 1
    low = float(np.min(room / np.maximum(rows, 1e-300)))
    if low == 0 or not holds(low):
        return low
    high = low
    while high < 1e100 and holds(high):
        low, high = high, 2 * high
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _inverse_spread(network: LeakyRNN, d: Array, solution: Solution) -> Array:
    """|J⁻¹| in rate form, |J⁻¹W| in current form, elementwise at most; with A⁻¹ = (I − W D)⁻¹ (its rows are u's).

    Current: −J = A. Rate: −J⁻¹ = (I − D W)⁻¹ = I + D A⁻¹W.
    """
    product = solution.inverse @ np.abs(network.W)
    return (product if network.form is Form.CURRENT else np.eye(network.dim) + d[:, None] * product) * _UP
