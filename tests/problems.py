"""Named one-dimensional problems with known answers, shared by tests and benchmarks: the awkward ones."""

from dataclasses import dataclass, field

import numpy as np
from flint import arb, ctx

from dynaghost.systems import RankOneRNN, SaddleNode, System

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


@dataclass(frozen=True)
class Problem:
    """A system and what a search must find: numbers of fixed points and ghosts, and where some are.

    `degenerate`: indices of the fixed points that are double or triple roots.
    """

    name: str
    system: System
    fixed_points: int
    ghosts: int
    at: tuple[float, ...] = ()
    ghosts_at: tuple[float, ...] = ()
    degenerate: tuple[int, ...] = ()
    options: dict = field(default_factory=dict)

    def __str__(self):
        return self.name


def network(m, n, b):
    return RankOneRNN(np.atleast_1d(m), np.atleast_1d(n), np.atleast_1d(b))


def fold(gain=1.5):
    """b_c of tanh(gain·κ + b) − κ in balls: for |b| < b_c it has three roots, for |b| > b_c one and a ghost."""
    before, ctx.prec = ctx.prec, 400
    try:
        # f' = 0 where sech²u = 1/gain; f = 0 there gives κ = tanh u and b = u − gain·κ, with u < 0 for b_c > 0.
        u = -arb(gain).sqrt().acosh()
        return u - arb(gain) * u.tanh()
    finally:
        ctx.prec = before


def fold_table(gain=1.5):
    """(b, number of roots) on both sides of the fold, from 1e-2 to the last digit; decided in balls."""
    exact = fold(gain)
    nearest = float(exact.mid())
    distances = [10.0**-k for k in range(2, 17)]
    biases = {side * abs_b for d in distances for abs_b in (nearest - d, nearest + d) for side in (1, -1)}
    biases |= {nearest, np.nextafter(nearest, 0), np.nextafter(nearest, 1), -nearest}
    return [(float(b), 3 if abs(arb(float(b))) < exact else 1) for b in sorted(biases)]


def beside_fold(depth, side):
    """tanh(1.5κ + b) − κ raised by constant units until f at its upper critical point is side·10^−depth.

    With side 1 there are three roots, two of them √(2·10^−depth/|f''|) from the critical point; with −1 one and a
    ghost.
    """
    before, ctx.prec = ctx.prec, 1300
    try:
        u = arb(1.5).sqrt().acosh()
        b = float((u - arb(1.5) * u.tanh()).mid())
        weights = [(1.5, 1.0, b)]
        missing = arb(side) * arb(10) ** -depth - (u.tanh() - (u - b) / arb(1.5))
        for _ in range(40):
            # tanh 700 is 1 but for 1e-608.
            weights.append((0.0, float(missing.mid()), 700.0))
            missing -= weights[-1][1] * arb(700).tanh()
            if abs(missing) < arb(10) ** (-depth - 4):
                return network(*zip(*weights, strict=True))
        raise AssertionError("the constant was not reached")
    finally:
        ctx.prec = before


def beside_birth(depth, side, b=-0.45):
    """tanh(1.5κ + b)/1.5 − κ turned by a nearly linear unit until the greatest f' is side·10^−depth.

    With side 1 there are two critical points 2·10^(−depth/2)/1.5 apart, one of them a ghost; with −1 none.
    """
    before, ctx.prec = ctx.prec, 1300
    try:
        weights = [(1.5, 1 / 1.5, b)]
        missing = arb(side) * arb(10) ** -depth - (arb(1.5) * (1 / 1.5) - 1)
        for _ in range(40):
            # n·tanh(κ·2⁻¹⁰⁰) is linear but for κ²·2⁻²⁰⁰.
            m = 2.0**-100
            weights.append((m, float(missing.mid()) / m, 0.0))
            missing -= arb(weights[-1][1]) * m
            if abs(missing) < arb(10) ** (-depth - 4):
                return network(*zip(*weights, strict=True))
        raise AssertionError("the slope was not reached")
    finally:
        ctx.prec = before


def pitchfork(distance, units=1, seed=0):
    """An odd network with Σ nm = 1 + distance, as exactly as floats allow, and all nm of one sign."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(0.5, 1.5, units)
    n = rng.uniform(0.5, 1.5, units)
    n *= (1 + distance) / (n @ m)
    return network(m, n, np.zeros(units))


def sum_of_products(system):
    """Σ nm of a network, exactly."""
    before, ctx.prec = ctx.prec, 400
    try:
        m, n = system.m[:, 0], system.n[0]
        return sum((arb(float(x)) * arb(float(y)) for x, y in zip(m, n, strict=True)), arb(0))
    finally:
        ctx.prec = before


TWO_TANH = (-1.9150080481545374, 0.0, 1.9150080481545374)
"""The roots of 2·tanh κ − κ."""
_many = np.random.default_rng(1)

EXACT = [
    Problem("double root", SaddleNode(0.0), 1, 0, at=(0.0,), degenerate=(0,)),
    Problem("triple root tanh κ − κ", network(1.0, 1.0, 0.0), 1, 0, at=(0.0,), degenerate=(0,)),
    Problem("root on a midpoint", network(1.0, 2.0, 0.0), 3, 0, at=TWO_TANH),
    Problem("no coupling", network(0.0, 0.0, 0.0), 1, 0, at=(0.0,)),
    Problem("constant", network(0.0, 2.0, 700.0), 1, 0, at=(2.0,)),
    Problem("flat: f' within 1e-12 of −1", network(1e-6, 1e-6, 0.0), 1, 0, at=(0.0,)),
    Problem("flat: f' = −1e-9 at 0", network(1.0, 1 - 1e-9, 0.0), 1, 0, at=(0.0,)),
    Problem("saturated, ghost outside Σ|n|", network(5.0, 1.0, -50.0), 1, 1, at=(-1.0,), ghosts_at=(10.28872709,)),
    Problem("two units that cancel", network([2.0, 2.0], [3.0, -3.0], [0.5, 0.5]), 1, 0, at=(0.0,)),
    Problem(
        "two equal units",
        network([1.0, 1.0], [1.0, 1.0], [0.0, 0.0]),
        3,
        0,
        at=TWO_TANH,
    ),
    Problem(
        "a unit turned over",
        network([1.0, -1.0], [1.0, -1.0], [0.0, 0.0]),
        3,
        0,
        at=TWO_TANH,
    ),
    Problem("subnormal weights", network([5e-324, 2.0], [5e-324, 1.0], [5e-324, 0.0]), 3, 0),
    Problem("weights of 1e6", network(1e6, 1e6, 0.0), 3, 0, at=(-1e6, 0.0, 1e6)),
    Problem("weights of 1e10", network(1e10, 1e10, 0.0), 3, 0, at=(-1e10, 0.0, 1e10)),
    Problem("weights of 1e150", network(1e150, 1e150, 0.0), 3, 0, at=(-1e150, 0.0, 1e150)),
    Problem("a step of 1e-300 width", network(1e300, 2.0, 0.0), 3, 0, at=(-2.0, 0.0, 2.0)),
    Problem("ten thousand units", network(*_many.normal(size=(2, 10_000)) / 100, np.zeros(10_000)), 1, 0, at=(0.0,)),
    Problem("ghost of 1e-300", SaddleNode(1e-300), 0, 1, ghosts_at=(0.0,)),
    Problem("fixed points 2e-150 apart", SaddleNode(-1e-300), 2, 0, at=(-1e-150, 1e-150)),
    Problem("far fixed points", SaddleNode(-1e300), 2, 0, at=(-1e150, 1e150)),
]
"""Problems whose every claim must be decided."""

BEYOND = [
    Problem("weights of 1e300", network(1e300, 1e300, 0.0), 3, 0, at=(-1e300, 0.0, 1e300)),
    Problem("a step between two floats", network(1e20, 2.0, -1e20), 3, 0, at=(-2.0, 1.0, 2.0)),
    Problem("least ghost", SaddleNode(5e-324), 0, 1, ghosts_at=(0.0,)),
]
"""Problems that float64 coordinates cannot state fully: some claim must be left open, and none be false."""

REFUSED = [(m, n, b) for bad in (NOT_A_NUMBER, INFINITE, -INFINITE) for m, n, b in np.where(np.eye(3), bad, 1.0)]
"""Weights m, n, b of one unit that are not finite."""
