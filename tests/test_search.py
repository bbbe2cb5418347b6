"""The search in n dimensions: what it finds, what it counts, and both sides of folds."""

import numpy as np
import pytest
from problems import fold
from scipy.optimize import root

import dynaghost as dg
from dynaghost.slowpoints.search import search
from dynaghost.slowpoints.starts import random_starts

FOLD = float(fold().mid())


def network(n, gain, seed, **options):
    rng = np.random.default_rng(seed)
    return dg.LeakyRNN(rng.normal(size=(n, n)) * gain / np.sqrt(n), 0.1 * rng.normal(size=n), **options)


def hidden_fold(b, units, coupling=0.0):
    """x ← tanh(1.5x + b) among contracting units."""
    rng = np.random.default_rng(units)
    W, bias = 0.3 * rng.normal(size=(units, units)) / np.sqrt(units), 0.2 * rng.normal(size=units)
    W[0], W[:, 0] = coupling * W[0], coupling * W[:, 0]
    W[0, 0], bias[0] = 1.5, b
    return dg.LeakyRNN(W, bias)


def by_scipy(system, starts):
    """Distinct roots that scipy.optimize.root reaches from the same starts."""
    found = []
    for x in starts:
        solution = root(system.f, x, jac=system.jacobian, tol=1e-13)
        if np.linalg.norm(solution.fun) < 1e-11 and not any(np.linalg.norm(solution.x - y) < 1e-6 for y in found):
            found.append(solution.x)
    return np.array(found)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_finds_what_scipy_finds_from_the_same_starts(seed, activation):
    system = network(6, 2.5 if activation == "tanh" else 6.0, seed, activation=activation)
    if activation == "softplus":
        system = dg.LeakyRNN(-np.abs(system.W), system.b + 1, activation=activation)
    starts = random_starts(system, 150, 0)
    points = search(system, starts)
    listed = np.array([p.x for p in points.fixed_points])
    assert all(p.certificate == "exists_unique" for p in points.fixed_points)
    for x in by_scipy(system, starts):
        assert sum(np.linalg.norm(listed - x, axis=1) < 1e-8) == 1
    assert points.complete is False
    assert sum(points.coverage.hits) + sum(points.coverage.ghost_hits) >= 150 - dict(points.coverage.failures).get(
        "stalled", 0
    )


@pytest.mark.parametrize("units", [1, 16, 64])
@pytest.mark.parametrize("exponent", [2, 4, 6, 8, 10, 12])
def test_both_sides_of_a_hidden_fold(units, exponent):
    for side, fixed_points, ghosts in ((-1, 3, 0), (1, 1, 1)):
        points = dg.find_slow_points(hidden_fold(FOLD + side * 10.0**-exponent, units), starts=40)
        assert (len(points.fixed_points), len(points.ghosts), points.undecided) == (fixed_points, ghosts, 0)
        assert points.index_sum == 1
        assert all(ghost.certificate == "root_free" and not hasattr(ghost, "stability") for ghost in points.ghosts)
