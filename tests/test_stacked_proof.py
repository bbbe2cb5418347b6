"""Fixed points of stacks, proved layer by layer, and led from one input of a layer to another."""

import numpy as np
import pytest
from flint import arb, ctx

import dynaghost as dg
from dynaghost.slowpoints.forgotten import by_forgetting, by_input
from dynaghost.slowpoints.newton_kantorovich import prove_root
from dynaghost.slowpoints.pointwise import polished
from dynaghost.slowpoints.stacked import prove_stack
from dynaghost.systems.forgetting import Changing


def stack(kind, seed, layers=3, units=3, gain=2.5):
    rng, gates = np.random.default_rng(seed), {dg.GRU: 3, dg.LSTM: 4}[kind]
    hidden, given = (
        [gain * rng.normal(size=(gates * units, n)) / np.sqrt(units) for n in sizes]
        for sizes in ([units] * layers, [2] + [units] * (layers - 1))
    )
    biases = [rng.normal(size=gates * units) for _ in range(layers)]
    return kind(hidden, given, bias_hh=biases, inputs=rng.normal(size=2))


def exact(system, x):
    """The root next to x to 60 digits."""
    inverse = np.linalg.inv(system.jacobian(x))
    with ctx.workprec(300):
        point = np.array([arb(float(v)) for v in x], dtype=object)
        for _ in range(40):
            point = np.array([arb(v.mid()) for v in point - inverse @ system.f(point)], dtype=object)
        assert all(abs(float(v)) < 1e-60 for v in system.f(point))
        return point


@pytest.mark.parametrize("kind", [dg.GRU, dg.LSTM])
@pytest.mark.parametrize("seed", range(2))
def test_the_exact_fixed_point_is_in_the_ball_and_the_index_is_that_of_the_whole(kind, seed):
    system = stack(kind, seed)
    found = dg.find_slow_points(system, budget=400).fixed_points
    assert found
    for point in found[:2]:
        x = polished(system, point.x) + 1e-12 * np.random.default_rng(seed).normal(size=system.dim)
        proof = prove_stack(system, x)
        assert proof.proved, proof.because
        root = exact(system, x)
        with ctx.workprec(300):
            away = float(sum((a - arb(float(b))) ** 2 for a, b in zip(root, x, strict=True)).sqrt())
        assert 1e-13 < away <= proof.radius < 3 * away
        assert proof.unique_radius > 1e-6
        whole = prove_root(system, x)
        assert not whole.proved or whole.index == proof.index
        assert proof.index == np.sign(np.linalg.det(-system.jacobian(x)))
        assert prove_stack(system, x + 0.1).unique_radius == 0


def test_no_other_fixed_point_is_in_the_ball_of_uniqueness():
    system = stack(dg.GRU, 7, layers=2, gain=5.0)
    points = dg.find_slow_points(system).fixed_points
    assert len(points) > 2
    for point in points:
        radius = prove_stack(system, point.x).unique_radius
        others = [np.linalg.norm(other.x - point.x) for other in points if other is not point]
        assert 0 < radius < min(others)


def test_eigenvalues_of_a_stack_are_those_of_its_whole_jacobian():
    system = stack(dg.LSTM, 2)
    point = dg.find_slow_points(system, starts=10).fixed_points[0]
    # Layer by layer they are the more exact ones: compare the polynomial's values.
    for z in (0.3, -1.1, 0.2 + 0.7j):
        expected = np.linalg.det(z * np.eye(system.dim) - system.jacobian(point.x))
        np.testing.assert_allclose(np.prod(z - point.eigenvalues), expected, rtol=1e-9)


def test_a_change_of_input_leads_to_a_fixed_point_and_back_again():
    arrived, returned = 0, 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weights, bias = rng.normal(size=(24, 6)), np.repeat([0.0, 12.0, 0.0, 0.0], 6)
        before, after = (dg.LSTM(weights, bias_ih=bias + 0.5 * rng.normal(size=24)) for _ in range(2))
        start, _ = by_forgetting(before, 4000)
        state, spent = by_input(before, start, after, 2000)
        if state is None:  # it turned back, or 2000 steps were not enough
            assert spent > 10
            continue
        arrived += 1
        assert np.linalg.norm(after.root_form().f(state[:6])) < 1e-7
        back, _ = by_input(after, state, before, 2000)
        returned += back is not None and np.allclose(back[:6], start[:6], atol=1e-8)
    assert arrived >= 3
    assert returned >= 2


def test_derivatives_along_a_change_of_input_are_right():
    rng = np.random.default_rng(3)
    cell = dg.LSTM(rng.normal(size=(12, 3))).cells[0]
    layer, y = Changing(cell, rng.normal(size=12), rng.normal(size=12)), rng.normal(size=6)
    _, _, by_t = layer.at(y, 0.4)
    step, sizes = 1e-6, np.ones(6)
    # The rows of c are divided by their size at y, which moves too: multiply it back.
    ends = []
    for t in (0.4 - step, 0.4, 0.4 + step):
        bias = [b + t * part for b, part in zip(layer.b, layer.change, strict=True)]
        u_i, u_f = (W @ y[:3] + b for W, b in zip(layer.W[:2], bias[:2], strict=True))
        sizes = 1 / (1 + np.exp(-u_i)) + np.abs(np.sinh(y[3:])) / (1 + np.exp(u_f))
        ends.append(layer.at(y, t)[0] * np.concatenate([np.ones(3), sizes]))
        if t == 0.4:
            middle = np.concatenate([np.ones(3), sizes])
    np.testing.assert_allclose(by_t * middle, (ends[2] - ends[0]) / (2 * step), atol=1e-8)
