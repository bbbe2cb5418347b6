"""Points that float64 cannot decide, decided in ball arithmetic (n dimensions; `certify` serves the line).

Only f is needed in balls: J at the nearest float64 state, and a bound on the second derivative, enclose J nearby.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from flint import arb, ctx

from dynaghost.slowpoints.newton_kantorovich import (
    Linear,
    RootProof,
    Scaled,
    about_point,
    conclude,
    linearized,
    linearized_in_sizes,
    unproved,
)
from dynaghost.systems.base import Array, System

FIRST_PRECISION = 128
PRECISION_LIMIT = 1024
_UP = 1 + 1e-9
_SINGULAR_NEARBY = "J is singular to working precision next to the polished point"


def prove_root_in_balls(system: System, x: Array, *, limit: int = PRECISION_LIMIT) -> RootProof:
    """Newton–Kantorovich beside the float64 state `x`, at a point that Newton in balls has polished.

    Parameters
    ----------
    system : System
        `enclosing`; otherwise nothing is proved.
    x : ndarray (dim,)
    limit : int
        Bits at which it is given up.

    Returns
    -------
    RootProof
        Its radii are about `x`.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> prove_root_in_balls(LeakyRNN([[0.5]], [0.1]), np.array([0.194945148])).radius < 1e-8
    True
    """
    if not system.enclosing:
        return unproved("the system cannot be evaluated in ball arithmetic")
    linear = linearized(system, x)
    if isinstance(linear, str):
        return unproved(linear)
    precision, proof = FIRST_PRECISION, unproved("precision limit")
    while precision <= limit and not proof.proved:
        with ctx.workprec(precision):
            proof = _polished(system, x, linear)
        if proof.because == _SINGULAR_NEARBY:
            break
        precision *= 2
    return proof


def prove_root_in_sizes(system: System, x: Array) -> RootProof:
    """As `prove_root_in_balls`, in lengths |S⁻¹·|, S = diag(max(1, |xᵢ|)): where some states are very large.

    Where nothing is larger than 1 it has nothing to add, and proves nothing.

    Returns
    -------
    RootProof
        Its radii are Euclidean: a ball about `x` that holds the fixed point, and balls inside those of |S⁻¹·|.

    Examples
    --------
    >>> from dynaghost.systems import LSTM
    >>> unit = LSTM([[0.0], [4.0], [2.0], [0.0]], bias_hh=[0.0, 12.0, 1.0, 0.0])
    >>> x = unit.root_form().state(np.array([0.5]))
    >>> x.round(1).tolist(), prove_root_in_sizes(unit, x).radius < 1e-9
    ([0.5, 579672.3], True)
    """
    S = np.maximum(np.abs(x), 1.0)
    if not system.enclosing or S.max(initial=1.0) == 1:
        return unproved("no state is larger than 1")
    return proved_with_point(system, x)[0]


def proved_with_point(system: System, x: Array) -> tuple[RootProof, Array]:
    """That proof, also where no state is large; and balls that hold the fixed point, where it is proved.

    Parameters
    ----------
    system : System
        `enclosing`.
    x : ndarray (dim,)
    """
    S = np.maximum(np.abs(x), 1.0)
    linear = linearized_in_sizes(system, x, S)
    if isinstance(linear, str):
        return unproved(linear), x
    with ctx.workprec(FIRST_PRECISION):
        return _in_sizes(Scaled(system, linear.Y, S), x, linear)


def _in_sizes(scaled: Scaled, x: Array, linear: Linear) -> tuple[RootProof, Array]:
    S, f = scaled.S, scaled.system.f
    # Steps need no more digits than float64 has: only the point does.
    point = _settled(lambda point: _balls(linear.Y @ _floats(f(point))), _balls(x), _balls(S))
    away = point - _balls(x)
    offset, distance = _upper_norm(away / S), _upper_norm(away)
    delta = (linear.delta + scaled.second_derivative_bound(x, offset * _UP) * offset) * _UP
    if not delta < 1:
        return unproved(_SINGULAR_NEARBY), x
    eta = np.abs(linear.Y) @ np.array([_upper_norm(np.array([ball])) for ball in f(point)])
    eta = float(np.linalg.norm(eta) / (1 - delta) * _UP)
    proof = about_point(scaled, x, replace(linear, delta=delta), eta, offset)
    if not proof.proved:
        return proof, x
    unique, capture = (max((radius - offset) * (1 - 1e-9), 0.0) for radius in (proof.unique_radius, proof.capture))
    held = np.array([arb(ball.mid(), radius) for ball, radius in zip(point, proof.radius * _UP * S, strict=True)])
    radius = float(proof.radius * S.max() + distance) * _UP
    return replace(proof, radius=radius, unique_radius=unique, capture=capture), held


def bounded(balls: Array) -> tuple[Array, Array]:
    """mid and rad in float64 of balls.

    Examples
    --------
    >>> bounded(exactly(np.array([0.5])))[0].tolist()
    [0.5]
    """
    mid = _floats(balls)
    with ctx.workprec(FIRST_PRECISION):
        return mid, np.array([_upper_norm(np.array([ball - float(m)])) for ball, m in zip(balls, mid, strict=True)])


def exactly(array: Array) -> Any:
    """Balls of radius 0.

    Examples
    --------
    >>> exactly(np.array([0.5])).dtype
    dtype('O')
    """
    return _balls(array)


def evaluated(function: Any, balls: Array) -> Any:
    """What a formula makes of balls, in the precision of `proved_with_point`.

    Examples
    --------
    >>> bool(bounded(evaluated(lambda x: x / 3, exactly(np.ones(1))))[1][0] < 1e-16)
    True
    """
    with ctx.workprec(FIRST_PRECISION):
        return function(balls)


def _floats(balls: Array) -> Array:
    return np.array([float(arb(ball).mid()) for ball in balls])


def polished_in_balls(system: System, x: Array) -> Array | None:
    """The float64 state nearest to where Newton with the inverse of J at `x` takes it in 256 bits.

    None where it does not get there: steps do not fall to 2⁻⁸⁰ of 1 + |x|. Where J⁻¹ is so large that the rounding of f
    moves a root visibly, this is a better state than float64 finds; and that the iteration converges is no proof, but
    says that a root is there.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> polished_in_balls(LeakyRNN([[0.5]], [0.1]), np.array([0.1949])).round(9).tolist()
    [0.194945148]
    """
    try:
        Y = _balls(np.linalg.inv(system.jacobian(x)))
    except np.linalg.LinAlgError:
        return None
    with ctx.workprec(256):
        point, least = _balls(x), 2.0**-80 * (1 + float(np.linalg.norm(x)))
        for _ in range(12):
            step = Y @ system.f(point)
            size = _upper_norm(step)
            if not size < 1e-3:
                return None
            if size < least:
                return np.array([float(ball) for ball in point])
            point = _middles(point - step)
    return None


def _polished(system: System, x: Array, linear: Linear) -> RootProof:
    """The proof at the point to which the simplified Newton iteration takes `x` at this precision."""
    Y = _balls(linear.Y)
    point = _settled(lambda point: Y @ system.f(point), _balls(x))
    offset = _upper_norm(point - _balls(x))
    bend = system.second_derivative_bound(x, offset * _UP)
    delta = (linear.delta + linear.norm * bend * offset) * _UP
    if not delta < 1:
        return unproved(_SINGULAR_NEARBY)
    moved = Linear(linear.Y, delta, linear.norm, linear.sign)  # both J times Y have a positive determinant
    eta = _upper_norm(Y @ system.f(point)) / (1 - delta) * _UP
    return conclude(system, x, moved, eta, offset)


def _settled(steps: Any, point: Any, S: Any = 1) -> Any:
    """Where the iteration point − S·steps(point) comes to rest at this precision."""
    # ‖I − YJ‖ is far below ½ as a rule: each round then gains many digits.
    size = np.inf
    for _ in range(40):
        step = steps(point)
        new = _upper_norm(step)
        if not new < 0.5 * size:
            break
        size, point = new, _middles(point - S * step)
    return point


def lower_dot_in_balls(system: System, x: Array, w: Array, *, limit: int = PRECISION_LIMIT) -> float:
    """A lower bound on w·f(x) for float64 `x` and `w`: positive if it is, once the precision tells.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> lower_dot_in_balls(LeakyRNN([[1.0]], [1e-30]), np.zeros(1), np.ones(1)) > 0
    True
    """
    precision, low = FIRST_PRECISION, -np.inf
    while precision <= limit and not low > 0:
        with ctx.workprec(precision):
            value: Any = _balls(w) @ system.f(_balls(x))
            low = float(np.nextafter(float(value.lower()), -np.inf))
            if value < 0:
                break
        precision *= 2
    return low


def _balls(array: Array) -> Any:
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        result[index] = arb(float(array[index]))
    return result


def _middles(balls: Any) -> Any:
    result: Any = np.empty(balls.shape, dtype=object)
    for index in np.ndindex(balls.shape):
        result[index] = arb(balls[index].mid())
    return result


def _upper_norm(balls: Any) -> float:
    # Upper ends first: the square of a ball around 0 reaches below 0, and has no root there.
    total: Any = sum((arb(ball).abs_upper() ** 2 for ball in balls), arb(0))
    return float(np.nextafter(float(arb(total.sqrt()).upper()), np.inf))
