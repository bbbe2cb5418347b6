"""An independent judge of f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ): all its roots and critical points, in interval arithmetic.

It shares no code and no idea with `dynaghost.slowpoints` but the mathematics: each unit's term is enclosed over an
interval by where it is monotone, intervals are halved until f' or f'' has a sign (float64, with a slack far above its
rounding), and what lies in them is pinned down in balls of 400 bits, to 2⁻²⁵⁰.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from flint import arb, ctx

PRECISION = 400
TINY = 2.0**-250
STEEPEST = 0.6584789484624084  # tanh'' is extreme at ±atanh(1/√3)
SECOND = 0.7698003589195011


class UnsureError(Exception):
    """The judge cannot tell either."""


@dataclass(frozen=True)
class Critical:
    """z ± TINY·max(1, |z|), the sign of f there, and that of f''."""

    z: arb
    sign: int
    turn: int

    @property
    def is_ghost(self):
        return self.sign == self.turn


def sign(ball):
    if ball > 0:
        return 1
    if ball < 0:
        return -1
    raise UnsureError("a sign at the limit of precision")


def interval(low, high):
    return arb(low).union(arb(high))


def around(z):
    return arb(z.mid(), TINY * max(1.0, abs(float(z))))


def sech2(u):
    return 1 / u.cosh() ** 2


class Judge:
    """One circuit; `criticals` and `roots` (balls) in increasing order."""

    def __init__(self, m, n, b):
        self.m, self.n, self.b = (np.asarray(w, dtype=float) for w in (m, n, b))
        self.units = [(arb(x), arb(y), arb(z)) for x, y, z in zip(self.m, self.n, self.b, strict=True) if y != 0]
        self.p, self.q = self.n * self.m, self.n * self.m**2

    def at(self, x, j=0):
        """f⁽ʲ⁾ at a number or a narrow ball, j ≤ 2."""
        x = arb(x)
        total = (-x, arb(-1), arb(0))[j]
        for m, n, b in self.units:
            u = m * x + b
            term = u.tanh() if j == 0 else sech2(u) if j == 1 else -2 * u.tanh() * sech2(u)
            total += n * m**j * term
        return total

    def solve(self):
        before, ctx.prec = ctx.prec, PRECISION
        try:
            self.criticals = [self._critical(*box) for box in self._boxes()]
            self.roots = list(self._roots())
        finally:
            ctx.prec = before
        return self

    @property
    def ghosts(self):
        return [c for c in self.criticals if c.is_ghost]

    def _arguments(self, low, high):
        ends = np.stack([low[:, None] * self.m + self.b, high[:, None] * self.m + self.b])
        slack = 4e-16 * (np.abs(self.m) * np.maximum(np.abs(low), np.abs(high))[:, None] + np.abs(self.b))
        return ends.min(axis=0) - slack, ends.max(axis=0) + slack

    def _slopes(self, low, high):
        """Enclosures of f' over boxes [low, high]: sech² is greatest nearest 0 and least farthest from it."""
        u, v = self._arguments(low, high)
        near = np.where(u * v <= 0, 0.0, np.minimum(np.abs(u), np.abs(v)))
        most, least = (1 / np.cosh(np.minimum(x, 300)) ** 2 for x in (near, np.maximum(np.abs(u), np.abs(v))))
        least = np.where(np.maximum(np.abs(u), np.abs(v)) > 300, 0.0, least)
        bottom = np.where(self.p > 0, self.p * least, self.p * most).sum(axis=1) - 1
        top = np.where(self.p > 0, self.p * most, self.p * least).sum(axis=1) - 1
        slack = 1e-12 * (1 + np.abs(self.p).sum())
        return bottom - slack, top + slack

    def _bends(self, low, high):
        """Enclosures of f'': tanh'' rises to 0.77 at −0.66, falls to −0.77 at 0.66 and rises again."""
        u, v = self._arguments(low, high)
        ends = np.stack([-2 * np.tanh(x) / np.cosh(np.clip(x, -300, 300)) ** 2 for x in (u, v)])
        most = np.where((u <= -STEEPEST) & (v >= -STEEPEST), SECOND, ends.max(axis=0))
        least = np.where((u <= STEEPEST) & (v >= STEEPEST), -SECOND, ends.min(axis=0))
        bottom = np.where(self.q > 0, self.q * least, self.q * most).sum(axis=1)
        top = np.where(self.q > 0, self.q * most, self.q * least).sum(axis=1)
        slack = 1e-12 * np.abs(self.q).sum()
        return bottom - slack, top + slack

    def _reach(self):
        """Beyond it f' < 0 on both sides, and |κ| > Σ|n|."""
        reach = float(np.abs(self.n).sum()) * 1.001 + 1
        steepness, bias, rising = np.abs(self.m), self.b * np.sign(self.m), np.maximum(self.p, 0)
        while reach < 1e300:
            nearest = [np.maximum(steepness * reach + side * bias, 0) * (1 - 1e-12) for side in (1, -1)]
            if all((rising / np.cosh(np.minimum(u, 300)) ** 2).sum() < 1 - 1e-9 for u in nearest):
                return reach
            reach *= 1.7
        raise UnsureError("no end of the line")

    def _boxes(self):
        """Boxes with one sign of f'' and opposite signs of f' at their ends: each holds exactly one critical point."""
        reach = self._reach()
        low, high = np.array([-reach]), np.array([reach])
        held = []
        for _ in range(200):
            bottom, top = self._slopes(low, high)
            flat = (bottom <= 0) & (top >= 0)
            low, high = low[flat], high[flat]
            bottom, top = self._bends(low, high)
            bent = (bottom > 0) | (top < 0)
            held += list(zip(low[bent], high[bent], strict=True))
            low, high = low[~bent], high[~bent]
            if not len(low):
                return sorted(box for box in held if self._slope_sign(box[0]) != self._slope_sign(box[1]))
            middle = low + (high - low) * 0.487
            if np.any((middle <= low) | (middle >= high)) or len(low) > 50_000:
                raise UnsureError("f' and f'' both vanish, as far as float64 can see")
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        raise UnsureError("too many halvings")

    def _slope_sign(self, x):
        bottom, top = self._slopes(np.array([x]), np.array([x]))
        return 1 if bottom[0] > 0 else -1 if top[0] < 0 else sign(self.at(x, 1))

    def _critical(self, low, high):
        turn = self._slope_sign(high)
        z = self._zero(1, arb(float(low)), arb(float(high)), turn)
        return Critical(z, sign(self.at(z)), turn)

    def _roots(self):
        reach = arb(float(np.abs(self.n).sum())) + 1
        stops = [(-reach, 1), *((c.z, c.sign) for c in self.criticals), (reach, -1)]
        for (low, before), (high, after) in pairwise(stops):
            if before != after:
                yield self._zero(0, arb(low.mid()), arb(high.mid()), after)

    def _zero(self, j, low, high, rises):
        """The one zero of f⁽ʲ⁾ in [low, high], with the sign `rises` at `high`: halving, Newton, and a proof."""
        for _ in range(1200):
            middle = arb(((low + high) / 2).mid())
            guess = middle - self.at(middle, j) / self.at(middle, j + 1)
            z = around(guess) if guess.is_finite() else None
            if z is not None and low < z < high:
                for _ in range(4):
                    z = around(z.mid() - self.at(z.mid(), j) / self.at(z.mid(), j + 1))
                if low < z < high and self._changes(j, z, rises):
                    return z
            low, high = (low, middle) if sign(self.at(middle, j)) == rises else (middle, high)
        raise UnsureError("no zero pinned down")

    def _changes(self, j, z, rises):
        ends = self.at(z.lower(), j) * rises, self.at(z.upper(), j) * rises
        return bool(ends[0] < 0 and ends[1] > 0)


def judge(circuit_or_network):
    """The judge's structure of a rank-one network or its circuit, from the weights alone."""
    m, n, b = (np.asarray(getattr(circuit_or_network, name), dtype=float).ravel() for name in ("m", "n", "b"))
    return Judge(m, n, b).solve()


def check(points, truth):
    """Every claim of a search against the judge's structure."""
    assert points.complete
    assert points.ghosts_complete
    assert len(points.fixed_points) == len(truth.roots), ([p.x for p in points.fixed_points], truth.roots)
    assert len(points.ghosts) == len(truth.ghosts), ([g.x for g in points.ghosts], truth.criticals)
    assert points.index_sum == 1
    before, ctx.prec = ctx.prec, PRECISION
    try:
        for point, root in zip(points.fixed_points, truth.roots, strict=True):
            _check_fixed_point(point, root, truth)
        for ghost, critical in zip(points.ghosts, truth.ghosts, strict=True):
            _check_ghost(ghost, critical, truth)
    finally:
        ctx.prec = before


def _check_fixed_point(point, root, truth):
    assert point.certificate == "exists_unique"
    x = arb(float(point.x[0]))
    assert abs(root - x) <= arb(point.radius) + 2 * TINY * max(1.0, abs(float(x)))
    assert point.unique_radius >= point.radius
    others = [r for r in truth.roots if r is not root]
    assert not any(abs(r - x) < arb(point.unique_radius) for r in others if np.isfinite(point.unique_radius))
    assert others == [] or np.isfinite(point.unique_radius)
    assert (point.eigenvalues[0] < 0) == (truth.at(root, 1) < 0)


def _check_ghost(ghost, critical, truth):
    x = arb(float(ghost.x[0]))
    assert not any(abs(r - x) < arb(ghost.radius) for r in truth.roots)
    near = min(truth.criticals, key=lambda c: float(abs(c.z - x)))
    assert near is critical
    assert abs(float(truth.at(x, 1))) <= 1e-10 * (1 + np.abs(truth.p).sum())
