"""Families of systems with one parameter whose events are known, in any number of dimensions."""

from collections.abc import Callable
from functools import cache

import numpy as np

from dynaghost.slowpoints.newton import descend
from dynaghost.slowpoints.pointwise import fixed_point, ghost, polished, proof_of_root
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import System, Time


class Family(System):
    """ẋ = Q g(Qᵀx, p): a polynomial field in the first coordinates, and contracting ones that they drive."""

    def __init__(self, base, p, *, dim, seed=0, coupling=0.3, time=Time.FLOW):
        self.base, self.p, self.dim, self.seed, self.coupling = base, float(p), dim, seed, coupling
        self.time, self.leak, self.metric = Time(time), 1.0 if time == Time.MAP else None, np.eye(dim)
        self.Q, self.rates, self.drive = geometry(dim, dim - base.dim, seed, coupling)

    def parameters(self):
        return {"p": np.array(self.p)}

    def with_parameters(self, changed):
        options = {"dim": self.dim, "seed": self.seed, "coupling": self.coupling, "time": self.time}
        return Family(self.base, changed["p"], **options)

    def f(self, x):
        y = np.asarray(x) @ self.Q
        k = self.base.dim
        rest = -self.rates * y[..., k:] + self.drive * y[..., :1] ** 2
        return np.concatenate([self.base.f(y[..., :k], self.p), rest], axis=-1) @ self.Q.T

    def jacobian(self, x):
        y = np.asarray(x) @ self.Q
        k = self.base.dim
        J = np.zeros((*y.shape, self.dim), y.dtype)
        J[..., :k, :k] = self.base.jacobian(y[..., :k], self.p)
        J[..., range(k, self.dim), range(k, self.dim)] = -self.rates
        J[..., k:, 0] = 2 * self.drive * y[..., :1]
        return self.Q @ J @ self.Q.T

    def second_derivative(self, x, u, v):
        y, u, v = (np.asarray(one) @ self.Q for one in (x, u, v))
        y, u, v = np.broadcast_arrays(y, u, v)
        k = self.base.dim
        rest = 2 * self.drive * u[..., :1] * v[..., :1]
        first = self.base.second_derivative(y[..., :k], self.p, u[..., :k], v[..., :k])
        return np.concatenate([first, rest], axis=-1) @ self.Q.T

    def second_derivative_bound(self, x, radius):
        return float("inf")


@cache
def geometry(dim, rest, seed, coupling):
    """Coordinates, and rates and drives of the contracting ones."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return Q, rng.uniform(0.2, 0.9, rest), coupling * rng.normal(size=rest) / max(rest, 1) ** 0.5


class Base:
    """A field g(y, p) in a few coordinates, its derivatives, and its fixed points at p."""

    def __init__(self, dim: int, f: Callable, jacobian: Callable, second: Callable, roots: Callable):
        self.dim, self.f, self.jacobian, self.second_derivative, self.roots = dim, f, jacobian, second, roots


def scalar(coefficients, roots):
    """g = Σ cₖ(p)yᵏ."""

    def derivative(y, p, order):
        return np.polynomial.polynomial.polyval(y, np.polynomial.polynomial.polyder(coefficients(p), order))

    return Base(
        1,
        lambda y, p: derivative(y, p, 0),
        lambda y, p: derivative(y, p, 1)[..., None],
        lambda y, p, u, v: derivative(y, p, 2) * u * v,
        roots,
    )


def real_roots(coefficients):
    def roots(p):
        found = np.polynomial.polynomial.polyroots(coefficients(p))
        return [[float(z.real)] for z in found if abs(z.imag) < 1e-9]

    return roots


def polynomial(coefficients):
    return scalar(coefficients, real_roots(coefficients))


FOLD = polynomial(lambda p: [p, 0.0, 1.0])
HYSTERESIS = polynomial(lambda p: [p, 1.0, 0.0, -1.0])
PITCHFORK = polynomial(lambda p: [0.0, p, 0.0, -1.0])
TRANSCRITICAL = polynomial(lambda p: [0.0, p, -1.0])
CUSP = scalar(lambda p: [p, 0.0, 0.0, -1.0], lambda p: [[float(np.cbrt(p))]])
FLIP_AND_BACK = scalar(lambda p: [0.0, -2.3 + p * p, 0.0, 1.0], lambda p: [[0.0]])
FLIP = polynomial(lambda p: [0.0, -2.0 - p, 0.0, 1.0])


def _turned(growth, turn):
    """g = A y − |y|²y with A = [[growth, −turn], [turn, growth]] − shift."""

    def f(y, p):
        a, c = growth(p), turn(p)
        r = (y**2).sum(axis=-1, keepdims=True)
        return np.stack([a * y[..., 0] - c * y[..., 1], c * y[..., 0] + a * y[..., 1]], axis=-1) - r * y

    def jacobian(y, p):
        a, c = growth(p), turn(p)
        r = (y**2).sum(axis=-1)[..., None, None]
        return np.array([[a, -c], [c, a]]) - r * np.eye(2) - 2 * y[..., :, None] * y[..., None, :]

    def second(y, p, u, v):
        def dot(a, b):
            return (a * b).sum(axis=-1, keepdims=True)

        return -2 * (dot(y, u) * v + dot(y, v) * u + dot(u, v) * y)

    return Base(2, f, jacobian, second, lambda p: [[0.0, 0.0]])


HOPF = _turned(lambda p: p, lambda p: 1.0)
NEIMARK_SACKER = _turned(lambda p: (1 + p) * np.cos(0.7) - 1, lambda p: (1 + p) * np.sin(0.7))


def listed(system, starts, ghosts=()):
    """The record of a system with the fixed points that Newton reaches from states, and ghosts likewise."""
    roots = [polished(system, np.asarray(x, dtype=float)) for x in starts]
    points = tuple(fixed_point(system, x, proof_of_root(system, x)) for x in roots)
    found = [ghost(system, x) for x in descend(system, np.array(ghosts)).x] if len(ghosts) else []
    edge = np.full(system.dim, np.inf)
    return SlowPoints(points, tuple(g for g in found if g is not None), False, False, (-edge, edge), None)


def lifted(family, y):
    """The state whose first coordinates are y and whose others are in balance."""
    y = np.atleast_1d(np.asarray(y, dtype=float))
    return family.Q @ np.concatenate([y, family.drive * y[0] ** 2 / family.rates])


def run(base, values, *, dim, time=Time.FLOW, ghosts=None, seed=0):
    """Systems at each value of p, and their records."""
    systems = [Family(base, p, dim=dim, seed=seed, time=time) for p in values]
    points = []
    for system, p in zip(systems, values, strict=True):
        near = [] if ghosts is None else ghosts(p)
        points.append(listed(system, [lifted(system, y) for y in base.roots(p)], [lifted(system, y) for y in near]))
    return systems, points
