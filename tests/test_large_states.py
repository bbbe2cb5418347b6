"""Fixed points of LSTMs that hardly forget: cell states of 1e5, proved by sizes of their own."""

import numpy as np
import pytest
from flint import arb, ctx

import dynaghost as dg
from dynaghost.slowpoints.balls import polished_in_balls, prove_root_in_balls, prove_root_in_sizes
from dynaghost.slowpoints.forgotten import by_forgetting
from dynaghost.slowpoints.newton_kantorovich import Scaled, prove_root
from dynaghost.slowpoints.pointwise import proof_of_root


def keeping(seed, units=6, kept=11.0):
    """Forget gates about 1 − e^−kept: c of about e^kept."""
    rng = np.random.default_rng(seed)
    bias = np.concatenate([np.zeros(units), np.full(units, kept), np.zeros(units), np.zeros(units)])
    bias += rng.normal(size=4 * units)
    return dg.LSTM(1.5 * rng.normal(size=(4 * units, units)) / np.sqrt(units), bias_hh=bias)


def resting(system):
    """The state at rest at the end of the curve of extra forgetting."""
    return polished_in_balls(system, by_forgetting(system, 4000)[0])


def exact(system, x):
    """The root next to x to 60 digits, from Newton in balls with J fixed."""
    inverse = np.linalg.inv(system.jacobian(x))
    with ctx.workprec(400):
        point = np.array([arb(float(v)) for v in x], dtype=object)
        for _ in range(100):
            point = np.array([arb(v.mid()) for v in point - inverse @ system.f(point)], dtype=object)
        assert all(abs(float(v)) < 1e-60 for v in system.f(point))
        return point


@pytest.mark.parametrize("seed", range(6))
def test_a_proved_ball_holds_the_exact_fixed_point_and_newton_converges_to_it(seed):
    system = keeping(seed)
    x = resting(system)
    proof = prove_root_in_sizes(system, x)
    assert proof.proved, proof.because
    assert np.abs(x).max() > 1e4
    root = exact(system, x)
    with ctx.workprec(400):
        away = float(sum((a - arb(float(b))) ** 2 for a, b in zip(root, x, strict=True)).sqrt())
    assert away <= proof.radius < max(1e-8, 2 * away)
    assert proof.index == np.sign(np.linalg.det(-system.jacobian(x)))
    rng = np.random.default_rng(seed)
    for _ in range(20):
        start = rng.normal(size=len(x))
        point = x + start * proof.capture * rng.uniform() / np.linalg.norm(start)
        for _ in range(8):
            point = point - np.linalg.solve(system.jacobian(point), system.f(point))
        np.testing.assert_allclose(point, x, rtol=1e-7, atol=1e-7)


def test_what_no_other_proof_tells_from_its_neighbours_is_proved_alone():
    system = keeping(0, kept=17.0)
    x = resting(system)
    assert not prove_root(system, x).proved
    assert prove_root_in_balls(system, x).unique_radius == 0
    proof = proof_of_root(system, x)
    assert proof.unique_radius > 100 * proof.radius


def test_no_second_derivative_in_sizes_exceeds_its_bound():
    system, rng = keeping(1, units=3), np.random.default_rng(0)
    x = resting(system)
    for radius in (1e-6, 1e-2, 0.5):
        for scale in (np.ones(6), np.maximum(1, np.abs(x)), rng.uniform(0.1, 10, size=6)):
            bounds = system.second_derivative_bounds(x, radius, scale)
            inside = rng.normal(size=(2000, 6))
            inside *= (radius * rng.uniform(size=2000) / np.linalg.norm(inside, axis=1))[:, None]
            d = rng.normal(size=(2000, 6))
            d *= scale / np.linalg.norm(d, axis=1)[:, None]
            seen = np.abs(system.second_derivative(x + inside * scale, d, d)).max(axis=0)
            assert np.all(seen <= bounds * (1 + 1e-9) + 1e-12)
            Y = np.diag(1 / scale) @ np.linalg.inv(system.jacobian(x))
            whole = np.linalg.norm(system.second_derivative(x + inside * scale, d, d) @ Y.T, axis=1).max()
            assert whole <= Scaled(system, Y, scale).second_derivative_bound(x, radius)
            if radius < 1e-3:
                assert np.all(bounds <= 100 * seen + 1e-6 * seen.max())


def test_where_nothing_is_large_it_adds_nothing():
    system = dg.GRU([[0.0], [0.0], [3.0]])
    assert prove_root_in_sizes(system, np.zeros(1)).because == "no state is larger than 1"
