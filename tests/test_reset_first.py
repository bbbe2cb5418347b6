"""GRUs that reset before they multiply, against a formula of their own in torch's float64."""

import numpy as np
import pytest
import torch
from flint import arb, ctx
from scipy.optimize import root

import dynaghost as dg
from dynaghost.systems import ResetFirstGRU


def network(seed, layers=1, units=3, gain=2.0):
    rng = np.random.default_rng(seed)
    hidden = [gain * rng.normal(size=(3 * units, units)) / np.sqrt(units) for _ in range(layers)]
    given = [rng.normal(size=(3 * units, n)) for n in [2] + [units] * (layers - 1)]
    return hidden, given, [rng.normal(size=3 * units) for _ in range(layers)], rng.normal(size=2)


def ours(weights):
    hidden, given, bias, inputs = weights
    return ResetFirstGRU(hidden, given, bias_hh=bias, inputs=inputs)


def step(weights, state):
    """The map of the whole stack, in torch."""
    hidden, given, bias, inputs = weights
    new = []
    below = torch.tensor(inputs)
    for k, h in enumerate(torch.split(state, len(hidden[0]) // 3)):
        W_r, W_z, W_n = torch.tensor(hidden[k]).split(len(h))
        u_r, u_z, u_n = (torch.tensor(given[k]) @ below + torch.tensor(bias[k])).split(len(h))
        r, z = torch.sigmoid(u_r + W_r @ h), torch.sigmoid(u_z + W_z @ h)
        below = (1 - z) * torch.tanh(u_n + W_n @ (r * h)) + z * h
        new.append(below)
    return torch.cat(new)


@pytest.mark.parametrize("layers", [1, 3])
def test_steps_jacobians_and_curvature_are_torchs(layers):
    weights = network(0, layers)
    system, rng = ours(weights), np.random.default_rng(1)
    for _ in range(3):
        x, w = rng.normal(size=(2, system.dim))
        np.testing.assert_allclose(system.step(x), step(weights, torch.tensor(x)).numpy(), atol=1e-14)
        J = torch.autograd.functional.jacobian(lambda x: step(weights, x), torch.tensor(x)).numpy()
        np.testing.assert_allclose(system.jacobian(x) + np.eye(system.dim), J, atol=1e-13)
        bent = torch.autograd.functional.hessian(lambda x, w=w: torch.tensor(w) @ step(weights, x), torch.tensor(x))
        np.testing.assert_allclose(system.curvature(x, w), bent.numpy(), atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_exact_values_are_enclosed(layers):
    system = ours(network(2, layers))
    x = np.random.default_rng(3).normal(size=system.dim)
    with ctx.workprec(200):
        balls = np.array([arb(float(v)) for v in x], dtype=object)
        for exact, (mid, rad) in (
            (system.f(balls), system.f_enclosure(x)),
            (system.jacobian(balls), system.jacobian_enclosure(x)),
        ):
            assert all(abs(e - arb(m)) <= arb(r) for e, m, r in zip(exact.flat, mid.flat, rad.flat, strict=True))
            assert rad.max() < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_every_fixed_point_is_proved_and_found(seed):
    weights = network(seed, units=3, gain=4.0)
    system = ours(weights)
    points = dg.find_slow_points(system)
    assert points.complete
    assert points.index_sum == 1
    listed = np.array([point.x for point in points.fixed_points])
    rng, hits = np.random.default_rng(seed), set()
    for start in rng.uniform(-1, 1, size=(60, 3)):
        end = root(system.f, start, jac=system.jacobian, tol=1e-12)
        if end.success and np.linalg.norm(system.f(end.x)) < 1e-10:
            distance = np.linalg.norm(listed - end.x, axis=1)
            assert distance.min() < 1e-7
            hits.add(int(distance.argmin()))
    assert hits
