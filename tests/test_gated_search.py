"""Second derivatives of gated networks as matrices, their root form, and the search in them."""

import numpy as np
import pytest
import torch
from scipy.optimize import root

import dynaghost as dg
from dynaghost.slowpoints.catalogue import Catalogue, conclude
from dynaghost.slowpoints.forgotten import by_forgetting
from dynaghost.slowpoints.forms import rests
from dynaghost.slowpoints.pointwise import degenerate_point
from dynaghost.slowpoints.search import hunt
from dynaghost.systems.base import System
from dynaghost.systems.forgetting import Forgetting


def network(kind, units, seed, gain=1.0, layers=1, **options):
    """A random GRU or LSTM whose weights have spectral radii about `gain`."""
    rng = np.random.default_rng(seed)
    gates = 3 if kind is dg.GRU else 4
    W = [rng.normal(size=(gates * units, units)) * gain / np.sqrt(units) for _ in range(layers)]
    V = [rng.normal(size=(gates * units, 2 if k == 0 else units)) for k in range(layers)]
    b = [0.5 * rng.normal(size=gates * units) for _ in range(layers)]
    return kind(W, V, bias_hh=b, bias_ih=[0.3 * part for part in b], inputs=rng.normal(size=2), **options)


def by_torch(system, x, w):
    """The Hessian of w·f by autograd, from our own formulas written once more in torch."""

    def weighted(state):
        drive, total, new = torch.tensor(system.drive), 0.0, None
        for k, (cell, span) in enumerate(zip(system.cells, system.spans, strict=True)):
            if k:
                drive = torch.tensor(np.concatenate(cell.W_in)) @ new + torch.tensor(cell.bias_ih)
            W, b = torch.tensor(np.concatenate([c.W for c in cell.W])), torch.tensor(np.concatenate(cell.b))
            own, n = state[span], cell.hidden
            h, q = own[:n], W @ own[:n] + b
            if isinstance(system, dg.GRU):
                r, z = torch.sigmoid(drive[:n] + q[:n]), torch.sigmoid(drive[n : 2 * n] + q[n : 2 * n])
                new = (1 - z) * torch.tanh(drive[2 * n :] + r * q[2 * n :]) + z * h
                next_state = new
            else:
                i, f, g, o = (drive + q).split(n)
                c = torch.sigmoid(f) * own[n:] + torch.sigmoid(i) * torch.tanh(g)
                new = torch.sigmoid(o) * torch.tanh(c)
                next_state = torch.cat([new, c])
            total = total + torch.tensor(w[span]) @ (next_state - own)
        return total

    return torch.autograd.functional.hessian(weighted, torch.tensor(x)).numpy()


kinds = pytest.mark.parametrize("kind", [dg.GRU, dg.LSTM])


@kinds
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_curvature_is_torchs_and_that_of_second_derivatives(kind, layers):
    system = network(kind, 4, layers, gain=2.0, layers=layers)
    x, w = np.random.default_rng(1).normal(size=(2, 3, system.dim))
    found = system.curvature(x, w)
    np.testing.assert_allclose(found, System.curvature(system, x, w), rtol=0, atol=1e-11)
    np.testing.assert_allclose(system.curvature(x[0], w[0]), found[0], rtol=0, atol=1e-12)
    for k in range(3):
        np.testing.assert_allclose(found[k], by_torch(system, x[k], w[k]), rtol=0, atol=1e-10)


def test_every_system_with_a_formula_of_its_own_agrees_with_second_derivatives():
    rng = np.random.default_rng(0)
    W, x, w = rng.normal(size=(4, 4)), *rng.normal(size=(2, 3, 4))
    stack = torch.nn.RNN(2, 2, num_layers=2).double()
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4)).double()
    systems = [
        dg.LeakyRNN(W, W[0], activation="softplus"),
        dg.LeakyRNN(W, W[0], form="current"),
        dg.LowRankRNN(rng.normal(size=(9, 4)), rng.normal(size=(4, 9)), rng.normal(size=9)).latent(),
        dg.as_system(stack),
        dg.as_system(module, dim=4),
        dg.as_system(module, dim=4, time="flow"),
    ]
    for system in systems:
        ours = system.curvature(x, w)
        np.testing.assert_allclose(ours, System.curvature(system, x, w), rtol=0, atol=1e-10)
        assert np.abs(ours).max() > 1e-3


@kinds
@pytest.mark.parametrize("layers", [1, 2])
def test_the_root_form_has_the_same_fixed_points_and_signs(kind, layers):
    system = network(kind, 3, 5, gain=4.0, layers=layers)
    roots, rng = system.root_form(), np.random.default_rng(2)
    h = rng.uniform(-1, 1, size=(5, roots.dim))
    np.testing.assert_allclose(roots.hidden(roots.state(h)), h, rtol=0, atol=0)
    steps = 1e-6 * np.eye(roots.dim)
    difference = (roots.f(h[:, None] + steps) - roots.f(h[:, None] - steps)).transpose(0, 2, 1) / 2e-6
    np.testing.assert_allclose(roots.jacobian(h), difference, rtol=0, atol=1e-8)
    np.testing.assert_allclose(roots.jacobian(h[0]), roots.jacobian(h)[0], rtol=0, atol=1e-13)
    u, v = rng.normal(size=(2, *h.shape))
    bend = (roots.jacobian(h + 1e-6 * v) - roots.jacobian(h - 1e-6 * v)) @ u[..., None] / 2e-6
    np.testing.assert_allclose(roots.second_derivative(h, u, v), bend[..., 0], rtol=0, atol=1e-7)
    found = 0
    for start in h:
        answer = root(roots.f, start, jac=roots.jacobian, tol=1e-14)
        if np.abs(answer.fun).max() < 1e-13:
            x, found = roots.state(answer.x), found + 1
            assert np.abs(system.f(x)).max() < 1e-12
            ours, theirs = (np.linalg.slogdet(-J)[0] for J in (roots.jacobian(answer.x), system.jacobian(x)))
            assert ours == theirs
    assert found


def by_scipy(system, starts):
    """Distinct roots inside the box that scipy.optimize.root reaches."""
    found, (lower, upper) = [], system.fixed_point_box()
    for x in starts:
        answer = root(system.f, x, jac=system.jacobian, tol=1e-13, options={"maxfev": 60})
        inside = np.all((lower <= answer.x) & (answer.x <= upper))
        # Where gates close |f| is tiny without a root near, and J as good as singular.
        there = np.abs(answer.fun).max() < 1e-12 and inside and np.linalg.cond(system.jacobian(answer.x)) < 1e8
        if there and not any(np.linalg.norm(answer.x - y) < 1e-6 for y in found):
            found.append(answer.x)
    return found


@kinds
@pytest.mark.parametrize(("units", "layers", "gain", "seed"), [(4, 1, 5.0, 0), (8, 1, 4.0, 2), (2, 2, 6.0, 4)])
def test_lists_every_root_that_scipy_finds_and_proves_each(kind, units, layers, gain, seed):
    system = network(kind, units, seed, gain=gain, layers=layers)
    points = hunt(system, seed=seed)
    listed = np.array([point.x for point in points.fixed_points])
    rng = np.random.default_rng(seed)
    lower, upper = system.fixed_point_box()
    starts = np.maximum(np.minimum(rng.uniform(-1, 1, size=(200, system.dim)) * 2, upper), lower)
    for x in by_scipy(system, starts):
        assert np.sum(np.linalg.norm(listed - x, axis=1) < 1e-7 * (1 + np.linalg.norm(x))) == 1
    assert {point.certificate.value for point in points.fixed_points} == {"exists_unique"}
    assert all(ghost.certificate == "root_free" for ghost in points.ghosts)
    assert (points.index_sum, points.coverage.agree, points.status) == (1, True, "finished")
    assert np.all((lower <= listed) & (listed <= upper))


def test_closed_gates_are_no_fixed_points():
    # Far out 1 − z underflows: f is 0 as far as any bound on its rounding tells, and no fixed point is near.
    system = network(dg.GRU, 4, 0, gain=3.0)
    gate = slice(4, 8)
    W = np.concatenate([coupling.W for coupling in system.cells[0].W])
    far = 900 * np.linalg.solve(W[gate], np.ones(4))
    assert rests(system, dg.find_slow_points(system).fixed_points[0].x)
    assert np.abs(system.f(far)).max() < 1e-300
    assert not rests(system, far)
    assert degenerate_point(system, far) is not None
    catalogue = Catalogue(system, unplaced=[far, far, far])
    assert conclude(catalogue, starts=3, seed=None).fixed_points == ()
    points = dg.find_slow_points(system, starts=far + 0.1 * np.random.default_rng(0).normal(size=(20, 4)))
    assert all(np.abs(point.x).max() < 1 for point in points.fixed_points)


def test_what_is_spent_is_bounded_whatever_the_dimension():
    system = network(dg.GRU, 48, 0, gain=20.0)
    points = dg.find_slow_points(system, budget=300)
    assert points.status == "budget of evaluations"
    # A turn's last batch, and the lines' crossings, are paid in full.
    assert points.cost.evaluations < 300 + 3 * 400 + 128 * 40
    assert points.coverage.agree is False
    again = dg.find_slow_points(system, budget=300)
    assert [p.x.tobytes() for p in again.points] == [p.x.tobytes() for p in points.points]
    assert again.coverage == points.coverage
    some = dg.find_slow_points(system, starts=50, budget=30)
    failures = dict(some.coverage.failures)
    assert failures["not tried: budget"] > 0
    assert some.status == "budget of evaluations"


def keeping(units, seed, forget, gain=4.0):
    """An LSTM layer whose forget gates keep all but e^−forget of its cell states."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(4 * units, units)) * gain / np.sqrt(units)
    bias = 0.5 * rng.normal(size=4 * units)
    bias[units : 2 * units] += forget
    return dg.LSTM(W, bias_hh=bias)


def test_the_equations_with_extra_forgetting_have_their_derivatives():
    system, rng = keeping(3, 0, 4.0), np.random.default_rng(1)
    layer, y, s = Forgetting(system.cells[0], system.drive), rng.normal(size=6), -1.0
    value, J, by_s = layer.at(y, s)

    def unscaled(y, s):
        """Rows as they are: a row's factor is no part of the derivative."""
        h, c = np.split(layer.state(y), 2)
        u = [W @ h + b for W, b in zip(layer.W, layer.b, strict=True)]
        i, off, g, o = 1 / (1 + np.exp(-u[0])), 1 / (1 + np.exp(u[1])), np.tanh(u[2]), 1 / (1 + np.exp(-u[3]))
        return np.concatenate([o * np.tanh(c) - h, i * g - (off + np.exp(s)) * c]), i + (off + np.exp(s)) * np.abs(c)

    rows, sizes = unscaled(y, s)
    factor = np.concatenate([np.ones(3), 1 / sizes])
    np.testing.assert_allclose(value, factor * rows, rtol=0, atol=1e-14)
    step = 1e-6
    for k, unit in enumerate(np.eye(6)):
        difference = (unscaled(y + step * unit, s)[0] - unscaled(y - step * unit, s)[0]) / (2 * step)
        np.testing.assert_allclose(J[:, k], factor * difference, rtol=0, atol=1e-8)
    difference = (unscaled(y, s + step)[0] - unscaled(y, s - step)[0]) / (2 * step)
    np.testing.assert_allclose(by_s, factor * difference, rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_gates_that_hardly_forget_hide_no_fixed_point(seed):
    system = keeping(12, seed, 18.0)
    state, spent = by_forgetting(system, 4000)
    assert np.linalg.norm(system.f(state)) < 1e-8
    assert 100 < spent <= 4000
    assert by_forgetting(system, 20)[0] is None
    points = dg.find_slow_points(system, budget=4 * spent + 400)
    assert min(np.linalg.norm(p.x[:12] - state[:12]) for p in points.fixed_points) < 1e-6


def test_a_stack_is_searched_layer_by_layer():
    system = network(dg.LSTM, 3, 7, gain=6.0, layers=2)
    first = system.layer(0, None)
    alone = [point.x for point in dg.find_slow_points(first).fixed_points]
    points = hunt(system)
    assert (points.index_sum, points.coverage.agree) == (1, True)
    expected = 0
    for x in alone:
        second = dg.find_slow_points(system.layer(1, x[:3]))
        assert second.index_sum == 1
        expected += len(second.fixed_points)
        assert any(np.linalg.norm(point.x[:6] - x) < 1e-8 for point in points.fixed_points)
    assert len(points.fixed_points) == expected
