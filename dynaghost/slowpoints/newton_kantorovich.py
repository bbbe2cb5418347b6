"""What float64 can prove about one point in n dimensions, every rounding included.

**Fixed point.** Let Y be an approximate inverse of J = Df(x), δ ≥ ‖I − YJ‖ with δ < 1, β = ‖Y‖/(1 − δ) ≥ ‖J⁻¹‖,
η = |Y f(x)|/(1 − δ) ≥ |J⁻¹f(x)|, and L ≥ ‖D²f‖ within R of x (the norm of a symmetric form is its greatest |D²f(d, d)|,
|d| = 1). If h = βLη ≤ ½ and r = (1 − √(1 − 2h))/(βL) ≤ R, a fixed point exists within r of x and is alone within
min((1 + √(1 − 2h))/(βL), R) (Newton–Kantorovich). Newton converges to it from everywhere within 2/(3β'L) of it, where
β' = β/(1 − βLr) bounds ‖J⁻¹‖ at the fixed point itself.

**Its index**, sign det(−J). Where βLr < 1, J is regular on the way from x to the fixed point: the sign is that at x.
And if LU is what float64 elimination makes of PJ, rows exchanged, and β‖LU − PJ‖ < 1, det LU has the sign of det PJ.

**Ghost.** With w of length 1, |f(y)| ≥ w·f(y) ≥ w·f(x) − |Jᵀw|ρ − ½Lρ² for |y − x| ≤ ρ: no fixed point lies within the
positive zero of the right side.

**Large states.** An LSTM's c may be 1e5 beside an h of 1e-1, and float64 knows it to 1e-11 only. The same theorem for
g(z) = Y f(Sz), S = diag(max(1, |xᵢ|)), measures every state by its own size: ‖Dg⁻¹‖ ≤ 1/(1 − δ) with δ ≥ ‖I − YJS‖,
and L = |(|Y|·bounds on |D²fᵢ(Sd, Sd)|)|.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from dynaghost.kernels.linear import factor
from dynaghost.systems.base import Array, System
from dynaghost.systems.bounds import upper_norm

_UNIT = 2.0**-53
_UP = 1 + 1e-9  # pays for the rounding of short sums of numbers ≥ 0, whose own bounds are not that tight


@dataclass(frozen=True, slots=True)
class RootProof:
    """A fixed point within `radius`, alone within `unique_radius`, to which Newton converges from within `capture`.

    `because` is empty where that is proved, else the bound that was not met; radii are then 0. `index` is sign det(−J)
    at the fixed point, proved; 0 where it is not.
    """

    radius: float
    unique_radius: float
    capture: float
    because: str = ""
    index: int = 0

    @property
    def proved(self) -> bool:
        return not self.because


@dataclass(frozen=True, slots=True)
class Linear:
    """What is known of J at a point: Y, bounds δ on ‖I − YJ‖ and on ‖Y‖, and sign det(−J), 0 where it is not proved."""

    Y: Array
    delta: float
    norm: float
    sign: int = 0

    @property
    def beta(self) -> float:
        """β ≥ ‖J⁻¹‖."""
        return self.norm / (1 - self.delta) * _UP if self.delta < 1 else math.inf


class Bent(Protocol):
    """What bounds its second derivative."""

    def second_derivative_bound(self, x: Array, radius: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Scaled:
    """g(z) = Y f(Sz) about the state x = Sz, with Y ≈ (JS)⁻¹; `S` is a diagonal."""

    system: System
    Y: Array
    S: Array

    def second_derivative_bound(self, x: Array, radius: float) -> float:
        """An upper bound on |D²g(d, d)|, |d| = 1, over |S⁻¹(y − x)| ≤ radius."""
        bends = self.system.second_derivative_bounds(x, radius, self.S)
        return float(np.linalg.norm(np.abs(self.Y) @ bends) * _UP) if np.all(np.isfinite(bends)) else math.inf


def unproved(because: str) -> RootProof:
    """A proof that was not found."""
    return RootProof(0.0, 0.0, 0.0, because)


def prove_root(system: System, x: Array) -> RootProof:
    """Newton–Kantorovich at the float64 state `x`.

    Parameters
    ----------
    system : System
    x : ndarray (dim,)

    Returns
    -------
    RootProof

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> prove_root(LeakyRNN([[0.5]], [0.0]), np.array([1e-9])).radius < 3e-9
    True
    """
    linear = linearized(system, x)
    if isinstance(linear, str):
        return unproved(linear)
    mid, rad = system.f_enclosure(x)
    return conclude(system, x, linear, newton_step_bound(linear, mid, rad))


def linearized(system: System, x: Array) -> Linear | str:
    """J at `x` with its approximate inverse; or why there is none."""
    return _inverted(*system.jacobian_enclosure(x))


def linearized_in_sizes(system: System, x: Array, S: Array) -> Linear | str:
    """YJS at `x`, S a diagonal, Y an approximate inverse of JS: `norm` bounds that of 1."""
    mid, rad = system.jacobian_enclosure(x)
    scaled = mid * S
    linear = _inverted(scaled, rad * S * _UP + _UNIT * np.abs(scaled))
    return linear if isinstance(linear, str) else replace(linear, norm=1.0)


def _inverted(mid: Array, rad: Array) -> Linear | str:
    if not np.all(np.isfinite(rad)):
        return "the system states no bound on the rounding of its Jacobian"
    try:
        Y = np.linalg.inv(mid)
    except np.linalg.LinAlgError:
        return "J is singular to working precision"
    if not np.all(np.isfinite(Y)):
        return "J is singular to working precision"
    terms = len(mid)
    size = np.abs(Y)
    slack = (terms + 3) * _UNIT * (size @ np.abs(mid)) + size @ rad
    delta = _frobenius(np.abs(np.eye(terms) - Y @ mid) * _UP + slack * _UP)
    if delta >= 1:
        return f"J is singular to working precision: ‖I − YJ‖ is bounded by {delta:.3g} only"
    linear = Linear(Y, delta, upper_norm(Y))
    return replace(linear, sign=_sign(mid, rad, linear.beta))


def _sign(mid: Array, rad: Array, beta: float) -> int:
    """sign det(−J) for J within `rad` of `mid`, β ≥ ‖J⁻¹‖; 0 where elimination in float64 does not prove it."""
    n = len(mid)
    A, order = np.array(mid, dtype=float, order="C"), np.arange(float(n))[:, None]
    if not factor(A, order):
        return 0
    size = (np.abs(np.tril(A, -1)) + np.eye(n)) @ np.abs(np.triu(A))
    # γₙ with room for the rounding of this very bound, and for underflow.
    error = _frobenius((n + 2) * _UNIT * (1 + 1e-9) * size + rad) * _UP + n * 1e-300
    if not beta * error < 0.99:
        return 0
    parity = int(np.linalg.det(np.eye(n)[order[:, 0].astype(int)]))  # exact: only 0, 1 and −1 occur
    return parity * (-1) ** (n + int(np.sum(np.diag(A) < 0)))


def newton_step_bound(linear: Linear, mid: Array, rad: Array) -> float:
    """η ≥ |J⁻¹f| for f within `rad` of `mid`."""
    size, terms = np.abs(linear.Y), len(mid)
    step = np.abs(linear.Y @ mid) + size @ (rad + (terms + 3) * _UNIT * np.abs(mid)) * _UP
    return float(np.linalg.norm(step) / (1 - linear.delta) * _UP) if np.all(np.isfinite(step)) else math.inf


def conclude(system: Bent, x: Array, linear: Linear, eta: float, offset: float = 0.0) -> RootProof:
    """The three radii about `x` from η at a point within `offset` of it (0: at `x` itself)."""
    best = about_point(system, x, linear, eta, offset)
    if not best.proved:
        return best
    unique, capture = (max((radius - offset) * (1 - 1e-9), 0.0) for radius in (best.unique_radius, best.capture))
    return replace(best, radius=(best.radius + offset) * _UP, unique_radius=unique, capture=capture)


def about_point(system: Bent, x: Array, linear: Linear, eta: float, offset: float) -> RootProof:
    """The three radii about a point within `offset` of `x`.

    L falls with the ball that it bounds, and the ball must hold the answer: a few rounds settle both.
    """
    if not math.isfinite(eta):
        return unproved("the system states no bound on the rounding of f")
    beta, best, because = linear.beta, None, ""
    reach = max(8 * eta + 2 * offset, 1e-9 / beta)
    for _ in range(8):
        bend = system.second_derivative_bound(x, reach * _UP + offset)
        if not math.isfinite(bend):
            because = because or "the system states no bound on its second derivative"
            break
        h = beta * bend * eta * _UP
        if h > 0.5:
            because = because or f"h = βLη = {h:.3g} is above ½ (β = {beta:.3g}, L = {bend:.3g}, η = {eta:.3g})"
            break
        proof, reach = _radii(linear, bend, eta, h, reach)
        if best is not None and (proof is None or proof.unique_radius < best.unique_radius * 1.05):
            break
        best = proof
    return best or unproved(because or "no ball was found in which the bounds hold")


def _radii(linear: Linear, bend: float, eta: float, h: float, reach: float) -> tuple[RootProof | None, float]:
    """The proof that L = `bend` within `reach` gives, and the next reach to try."""
    root = math.sqrt(max(1 - 2 * h, 0.0))
    beta = linear.beta
    steep = beta * bend
    # 1 − √(1 − 2h) without cancellation.
    radius = 2 * eta / (1 + root) * _UP
    outer = (1 + root) / steep * (1 - 1e-9) if steep > 0 else 1e9 * reach
    if radius > reach:
        return None, 2 * radius
    at_root = beta / max(1 - steep * radius, 1e-300)
    newton = min(2 / (3 * at_root * bend) if bend > 0 else math.inf, reach - radius) - radius
    sign = linear.sign if steep * radius * _UP < 1 else 0
    proof = RootProof(radius, min(outer, reach), max(newton, 0.0), index=sign)
    return proof, outer if outer > reach else 0.5 * (outer + reach)


@dataclass(frozen=True, slots=True)
class FreeProof:
    """No fixed point lies within `radius`; `because` says what is missing where that is 0."""

    radius: float
    because: str = ""


def prove_free(system: System, x: Array, w: Array, value: float | None = None) -> FreeProof:
    """The exclusion ball about `x`.

    Parameters
    ----------
    system : System
    x : ndarray (dim,)
    w : ndarray (dim,)
        Any vector; best the direction of Gf.
    value : float, optional
        A proved lower bound on w·f(x); by default what float64 proves.
    """
    unit = w / np.linalg.norm(w)
    # Its length is 1 but for rounding: bounds are divided by the most that it can be.
    long = 1 + 1e-12
    least = float(lower_dot(system, x, unit)) if value is None else value
    if value is None and not math.isfinite(least):
        return FreeProof(0.0, "the system states no bound on the rounding of f")
    if not least > 0:
        return FreeProof(0.0, f"w·f = {float(unit @ system.f(x)):.3g} is not above its rounding error")
    slope = _slope_bound(system, x, unit)
    if not math.isfinite(slope):
        return FreeProof(0.0, "the system states no bound on the rounding of its Jacobian")
    best, reach = 0.0, math.inf
    for _ in range(8):
        bend = system.second_derivative_bound(x, reach) * long
        if not math.isfinite(bend):
            # The bound may exist for smaller balls only.
            reach = min(reach, 2.0) / 2
            continue
        radius = min(positive_zero(least, slope, bend), reach)
        if radius <= best:
            break
        best, reach = radius, 2 * radius
    return FreeProof(best, "" if best > 0 else "the system states no bound on its second derivative")


def lower_dot(system: System, x: Array, w: Array) -> float:
    """A lower bound on w·f(x), proved."""
    mid, rad = system.f_enclosure(x)
    size = np.abs(w)
    return float(w @ mid - size @ (rad + (len(w) + 3) * _UNIT * np.abs(mid)) * _UP)


def _slope_bound(system: System, x: Array, w: Array) -> float:
    """An upper bound on |J(x)ᵀw|, proved."""
    mid, rad = system.jacobian_enclosure(x)
    size = np.abs(w)
    slope = np.abs(w @ mid) + size @ (rad + (len(w) + 3) * _UNIT * np.abs(mid)) * _UP
    return float(np.linalg.norm(slope) * _UP)


def positive_zero(value: float, slope: float, bend: float) -> float:
    """The positive zero of value − slope·ρ − ½·bend·ρ² for value > 0, rounded down.

    Examples
    --------
    >>> round(positive_zero(2.0, 0.0, 1.0), 6), positive_zero(1.0, 0.0, 0.0)
    (2.0, inf)
    """
    scaled = math.hypot(slope, math.sqrt(2 * bend) * math.sqrt(value))
    return 2 * value / (slope + scaled) * (1 - 1e-9) if slope + scaled > 0 else math.inf


def _frobenius(A: Array) -> float:
    return float(np.linalg.norm(A) * (1 + (A.size + 8) * _UNIT))
