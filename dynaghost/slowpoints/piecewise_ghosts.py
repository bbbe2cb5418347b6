"""Ghosts of a ReLU or leaky ReLU network: minima of the speed above zero, which lie on kinks.

In a linear region q = ½|f|² is convex. So a minimum with f ≠ 0 is the slowest state of the closure of every region
that meets there, and units A have u_A = 0. With ψ what multiplies φ(u) in f·f (f in rate form, Wᵀf in current form)
and μᵢ ≥ 0 the multipliers of the slowest state of one region, Jᵀf = Σ_A σᵢμᵢ∇uᵢ, the multipliers of the region with
other signs in F are (1 − negative_slope)ψᵢ − μᵢ there. The state is a minimum of the speed if
μᵢ ≤ (1 − negative_slope)ψᵢ for all of A; where that fails, changing the sign of i leads to slower states. Then
J_Dᵀf = 0 for a D with slopes between negative_slope and 1 at A, as J is singular at a smooth ghost.
"""

import math
from dataclasses import dataclass

import numpy as np

from dynaghost.slowpoints.linear_regions import argument, argument_rows, region_jacobian, slopes_of
from dynaghost.slowpoints.newton_kantorovich import FreeProof
from dynaghost.slowpoints.records import Certificate, Ghost, PassageFrom
from dynaghost.systems.base import Array, Time
from dynaghost.systems.low_rank import Form
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.rounding import UNIT, Bounded

_MOST_REGIONS = 200  # on one way down
_NEAR = 1e-9  # multipliers, relative to ψ
_MOST_CORNERS = 6  # kinks through a ghost, up to which all regions beside it are looked at
_UP = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Slowest:
    """The slowest state of a region's closure, f there, and the multipliers μ (n,) of the kinks that it lies on."""

    x: Array
    f: Array
    multipliers: Array


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a way down ended: a ghost's state with the slopes D (n,) of J_Dᵀf = 0, or a region's fixed point.

    `kinks` (n,) are the units with u = 0; `on` are the signs of the region that was looked at last.
    """

    on: Array
    x: Array
    f: Array
    kinks: Array
    slopes: Array

    @property
    def key(self) -> bytes:
        """Which units are above, below and at 0: no two ghosts have the same."""
        return np.where(self.kinks, 0, np.where(self.on, 1, -1)).astype(np.int8).tobytes()


def slowest_state(network: LeakyRNN, on: Array) -> Slowest | None:
    """The slowest state of a closed region: least |f| with G f ≥ h, by Lawson and Hanson's least distance programming.

    None where the region is empty or J is singular.
    """
    from scipy.optimize import nnls  # late: it costs 0.2 s

    d, n = slopes_of(network, on), network.dim
    J = region_jacobian(network, d)
    constant = d * network.b if network.form is Form.RATE else network.b
    signed = np.where(on, 1.0, -1.0)
    try:
        inverse = np.linalg.inv(J)
    except np.linalg.LinAlgError:
        return None
    centre = -inverse @ constant
    G, h = signed[:, None] * (argument_rows(network) @ inverse), -signed * argument(network, centre)
    if not (np.all(np.isfinite(G)) and np.all(np.isfinite(h))):
        return None
    scale = float(np.maximum(h, 0.0).max())
    if scale == 0:
        return Slowest(centre, np.zeros(n), np.zeros(n))
    try:
        z = nnls(np.vstack([G.T, h / scale]), np.eye(n + 1)[-1])[0]
    except RuntimeError:
        return None
    rest = 1 - (h / scale) @ z
    if not rest > 1e-13:
        return None
    multipliers = scale * z / rest
    f = G.T @ multipliers
    return Slowest(centre + inverse @ f, f, multipliers)


def descend_regions(network: LeakyRNN, on: Array, ends: dict[bytes, Descent | None]) -> Descent | None:
    """From a region to slower ones, to a minimum of the speed; None where none was reached.

    Parameters
    ----------
    network : LeakyRNN
    on : ndarray (n,) of bool
        The first region: which u are above 0.
    ends : dict
        Where ways from a region end; those of the regions on this way are added.
    """
    way, least, end = [on.tobytes()], math.inf, None
    while way[-1] not in ends and len(way) <= _MOST_REGIONS:
        slowest = slowest_state(network, on)
        if slowest is None or not np.linalg.norm(slowest.f) < least:
            break
        least = float(np.linalg.norm(slowest.f))
        leave = _downhill(network, slowest)
        if not np.any(leave):
            kinks = slowest.multipliers > 0
            end = Descent(on, slowest.x, slowest.f, kinks, _singular_slopes(network, on, slowest))
            break
        on = on ^ leave
        way.append(on.tobytes())
    end = ends.get(way[-1], end)
    ends.update((place, end) for place in way)
    return end


def _downhill(network: LeakyRNN, slowest: Slowest) -> Array:
    """Kinks (n,) of bool beyond which states are slower yet."""
    psi, multipliers = _factors(network, slowest.f), slowest.multipliers
    slack = _NEAR * float(np.abs(psi).max(initial=0.0))
    return (multipliers > 0) & (multipliers > (1 - network.negative_slope) * psi + slack)


def _factors(network: LeakyRNN, f: Array) -> Array:
    """ψ."""
    return f if network.form is Form.RATE else network.W.T @ f


def _singular_slopes(network: LeakyRNN, on: Array, slowest: Slowest) -> Array:
    """dᵢ − σᵢμᵢ/ψᵢ at the kinks."""
    psi = _factors(network, slowest.f)
    d, signed = slopes_of(network, on), np.where(on, 1.0, -1.0)
    kinks = (slowest.multipliers > 0) & (psi > 0)
    d[kinks] -= signed[kinks] * slowest.multipliers[kinks] / psi[kinks]
    return np.clip(d, network.negative_slope, 1.0)


def prove_free(network: LeakyRNN, x: Array, w: Array, d: Array) -> FreeProof:
    """A ball about `x` without a fixed point, by w·f > 0 in it; any float64 `w` and slopes `d` give a true one.

    In w·f(y) = −w·y + ψ·φ(u(y)) (+ w·b in current form), φ(uⱼ) ≥ dⱼuⱼ for every slope between negative_slope and 1,
    which serves where ψⱼ ≥ 0; elsewhere φ(uⱼ) ≤ dⱼuⱼ + (1 − negative_slope)·max(|Cⱼ||y − x| − σⱼuⱼ(x), 0). What is
    left is linear in y: w·f(y) ≥ value − slope·ρ − Σⱼ of these. At a ghost the slope, |J_Dᵀw|, is 0 but for rounding.
    """
    exact = Bounded(x, np.zeros_like(x))
    if network.form is Form.RATE:
        u, psi = exact @ network.W.T + network.b, Bounded(w, np.zeros_like(w))
        gradient = (psi * d) @ network.W - w
        value = (u * d) @ w[:, None] - exact @ w[:, None]
    else:
        u, psi = exact, Bounded(w, np.zeros_like(w)) @ network.W
        gradient = psi * d - w
        value = (psi * d) @ x[:, None] - exact @ w[:, None] + Bounded(network.b, 0 * x) @ w[:, None]
    least = float(value.mid[0] - value.rad[0]) * (1 - 4 * UNIT)
    if not least > 0:
        return FreeProof(0.0, f"w·f is not above its rounding error, {float(value.rad[0]):.3g}")
    slope = float(np.linalg.norm(np.abs(gradient.mid) + gradient.rad)) * _UP
    loss = np.maximum(psi.rad - psi.mid, 0.0) * (1 - network.negative_slope) * _UP
    room = np.where(d == 1, u.mid, np.where(d == network.negative_slope, -u.mid, -np.abs(u.mid))) - u.rad * _UP
    reach = np.linalg.norm(argument_rows(network), axis=1) * _UP
    return FreeProof(_last_positive(least, slope, loss, reach, room))


def _last_positive(value: float, slope: float, loss: Array, reach: Array, room: Array) -> float:
    """A radius ρ with value > slope·ρ + Σ loss·max(reach·ρ − room, 0), near to the largest."""

    def holds(rho: float) -> bool:
        return (slope * rho + float(loss @ np.maximum(reach * rho - room * (1 - UNIT), 0.0))) * _UP < value

    high = 1e-300
    while holds(high) and high < 1e150:
        high *= 4
    if high >= 1e150:
        return math.inf if slope == 0 and not np.any(loss) else high / 4
    low = high / 4 if high > 1e-300 else 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def ghost_record(network: LeakyRNN, end: Descent) -> Ghost | None:
    """The record of the ghost at which a way down ended; None where its speed cannot be told from 0."""
    x, mu = end.x, float(network.speed(end.x))
    if not mu > 0:
        return None
    f = network.f(x)
    w = f / mu
    proof = prove_free(network, x, w, end.slopes)
    if proof.radius == 0:
        return None
    return Ghost(
        x=x,
        speed=mu,
        curvature=0.0,
        direction=w,
        complex_point=None,
        passage_time=_doubling_time(network, end, w),
        passage_from=PassageFrom.PIECEWISE,
        certificate=Certificate.ROOT_FREE,
        radius=proof.radius,
        virtual_point=_nearest_virtual_point(network, end),
    )


def _doubling_time(network: LeakyRNN, end: Descent, w: Array) -> float:
    """log 2·(1/k₊ + 1/k₋): how long the trajectory through the ghost is slower than 2μ, if k stays what it is there.

    k₊ = w·J₊w and k₋ = −w·J₋w, both ≥ 0, are d log|f|/dt on the way out and in, where f leads to and comes from. Exact
    in one dimension, unless another kink comes before. A map multiplies the speed by 1 + leak·k₊ and 1 − leak·k₋.
    """
    step = 1.0 if network.leak is None else network.leak
    total = 0.0
    for side in (1.0, -1.0):
        beyond = side * (argument_rows(network) @ w) > 0
        d = slopes_of(network, np.where(end.kinks, beyond, end.on))
        rate = float(w @ region_jacobian(network, d) @ w)
        if side * rate <= 0:
            return math.inf
        if network.time is Time.MAP:
            rate = math.log1p(step * rate) if step * rate > -1 else -math.inf
        total += math.log(2) / abs(rate)
    return total


def _nearest_virtual_point(network: LeakyRNN, end: Descent) -> Array | None:
    """The fixed point, nearest to the ghost, of the regions that meet there; all of them are virtual."""
    kinks = np.flatnonzero(end.kinks)[:_MOST_CORNERS]
    best, distance = None, math.inf
    for corner in range(2 ** len(kinks)):
        on = end.on.copy()
        on[kinks] = [bool(corner >> k & 1) for k in range(len(kinks))]
        d = slopes_of(network, on)
        constant = d * network.b if network.form is Form.RATE else network.b
        try:
            x = np.linalg.solve(-region_jacobian(network, d), constant)
        except np.linalg.LinAlgError:
            continue
        if np.linalg.norm(x - end.x) < distance:
            best, distance = x, float(np.linalg.norm(x - end.x))
    return best
