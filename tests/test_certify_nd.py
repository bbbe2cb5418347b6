"""Certificates in n dimensions against ball arithmetic and brute force."""

import math

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import root

import dynaghost as dg
from dynaghost.slowpoints.balls import lower_dot_in_balls, prove_root_in_balls
from dynaghost.slowpoints.curvature import energy_derivatives
from dynaghost.slowpoints.newton import Balls, End, descend, newton, tanh_weights
from dynaghost.slowpoints.newton_kantorovich import _sign, positive_zero, prove_free, prove_root
from dynaghost.slowpoints.pointwise import ghost, polished
from dynaghost.slowpoints.search import search
from dynaghost.slowpoints.starts import random_starts

seeds = st.integers(0, 2**32 - 1)


def network(seed, n=3, gain=2.0, **options):
    rng = np.random.default_rng(seed)
    return dg.LeakyRNN(rng.normal(size=(n, n)) * gain / np.sqrt(n), 0.3 * rng.normal(size=n), **options)


def true_root(system, x):
    """The root next to x to 100 digits, by Newton in balls from x with J fixed; as balls."""
    inverse = np.linalg.inv(system.jacobian(x))
    with ctx.workprec(400):
        point = np.array([arb(float(v)) for v in x], dtype=object)
        for _ in range(60):
            step = inverse @ system.f(point)
            point = np.array([arb((a - b).mid()) for a, b in zip(point, step, strict=True)], dtype=object)
        assert all(abs(float(v)) < 1e-60 for v in system.f(point))
    return point


def distance(point, x):
    with ctx.workprec(400):
        return float(sum((a - arb(float(b))) ** 2 for a, b in zip(point, x, strict=True)).sqrt())


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(["tanh", "sigmoid", "softplus"]), st.sampled_from(["rate", "current"]))
def test_a_proved_root_is_within_its_radius_and_capture_holds(seed, activation, form):
    system = network(seed, activation=activation, form=form)
    start = np.random.default_rng(seed).normal(size=(1, 3))
    batch = newton(system, start)
    if batch.ends[0] != End.CONVERGED:
        return
    x = polished(system, batch.x[0])
    proof = prove_root(system, x)
    if not proof.proved:
        return
    root = true_root(system, x)
    assert distance(root, x) <= proof.radius
    assert proof.radius < proof.unique_radius
    # Plain Newton from the border of the capture ball comes back to this very root.
    ray = np.random.default_rng(seed + 1).normal(size=3)
    y = x + 0.999 * proof.capture * ray / np.linalg.norm(ray)
    for _ in range(40):
        y = y - np.linalg.solve(system.jacobian(y), system.f(y))
    assert np.linalg.norm(y - x) < 1e-9 * (1 + np.linalg.norm(x))
    in_balls = prove_root_in_balls(system, x)
    assert in_balls.proved
    assert distance(root, x) <= in_balls.radius


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_no_other_root_in_the_unique_ball_and_none_in_a_free_ball(seed):
    system = network(seed, gain=3.0)
    points = search(system, random_starts(system, 60, 0))
    for p in points.fixed_points:
        others = [q for q in points.fixed_points if q is not p]
        assert all(np.linalg.norm(p.x - q.x) + q.radius > p.unique_radius for q in others)
    for g in points.ghosts:
        assert all(np.linalg.norm(g.x - q.x) > g.radius for q in points.fixed_points)
    x = np.random.default_rng(seed).normal(size=3)
    free = prove_free(system, x, system.f(x))
    assert all(np.linalg.norm(x - q.x) > free.radius for q in points.fixed_points)


def exact_index(system, x):
    """sign det(−J) at the true root next to x, in balls."""
    with ctx.workprec(400):
        entries = (-system.jacobian(true_root(system, x))).ravel()
        determinant = arb_mat(system.dim, system.dim, list(entries)).det()
        assert determinant != 0
        return 1 if determinant > 0 else -1


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([1, 2, 5, 9, 20]), st.sampled_from(["rate", "current"]))
def test_the_index_is_the_sign_of_the_exact_determinant(seed, n, form):
    system = network(seed, n=n, gain=4.0, form=form)
    for point in search(system, random_starts(system, 20, 0)).fixed_points:
        proof = prove_root(system, point.x)
        if proof.proved:
            assert proof.index == exact_index(system, point.x)


def test_no_index_without_a_proof():
    assert prove_root(dg.LeakyRNN([[1.0]], [0.0]), np.zeros(1)).index == 0
    singular = np.array([[1.0, 1.0], [1.0, 1.0 + 2**-40]])
    # An error of 2⁻⁴⁰ in the entries may turn the determinant's sign; one of 2⁻⁴⁵ may not.
    assert [_sign(singular, np.full((2, 2), rad), 2.0**42) for rad in (2.0**-40, 2.0**-45)] == [0, 1]


def test_an_exclusion_ball_does_not_hold_the_root_beside_it():
    # f = x² − 1e-8 at 1.5e-4 has a root 5e-5 away: dividing the slope by |f| would claim 1.1e-4.
    system, x = dg.SaddleNode(-1e-8), np.array([1.5e-4])
    value, slope = float(system.f(x)[0]), float(system.jacobian(x)[0, 0])
    assert positive_zero(value, slope, 2.0) < 5e-5


def test_what_the_exclusion_ball_is_worth_at_a_ghost():
    system = dg.LeakyRNN([[1.5]], [0.25], time="flow")
    found = ghost(system, np.array([-0.6056526323082723]))
    assert found.radius == pytest.approx(math.sqrt(2 * found.speed / (0.7699 * 1.5**2)), rel=0.05)
    assert lower_dot_in_balls(system, found.x, np.array([1.0])) == pytest.approx(found.speed, rel=1e-12)


def test_a_system_without_bounds_has_undecided_points():
    class Unbounded(dg.LeakyRNN):
        enclosing = False
        f_enclosure, jacobian_enclosure = dg.System.f_enclosure, dg.System.jacobian_enclosure

    proved = network(1, gain=3.0)
    system = Unbounded(proved.W, proved.b)
    starts = random_starts(proved, 100, 0)
    listed, unproved = search(proved, starts), search(system, starts)
    assert [p.certificate for p in unproved.fixed_points] == ["undecided"] * len(listed.fixed_points)
    assert all("no bound" in p.undecided_because for p in unproved.fixed_points)
    np.testing.assert_allclose([p.x for p in unproved.fixed_points], [p.x for p in listed.fixed_points], atol=1e-9)


def test_newton_stops_where_its_convergence_is_proved():
    system = dg.LeakyRNN([[0.5]], [0.1])
    batch = newton(system, np.array([[0.19], [5.0]]), balls=Balls(np.array([[0.2]]), np.array([0.05])))
    assert batch.ends.tolist() == [End.CAPTURED, End.CAPTURED]
    assert batch.ball.tolist() == [0, 0]


def coupled(b, units):
    """x ← tanh(1.5x + b), weakly coupled both ways to contracting units."""
    rng = np.random.default_rng(units)
    W, bias = 0.3 * rng.normal(size=(units, units)) / np.sqrt(units), 0.2 * rng.normal(size=units)
    W[0, 0], bias[0] = 1.5, b
    return dg.LeakyRNN(W, bias)


def fold_anew(units):
    """Its b at the fold: Newton on f = 0, J v = 0, |v| = 1 for (x, v, b) together, whose Jacobian is regular there."""
    x, v, b = np.zeros(units), np.eye(units)[0], 0.2
    x[0] = -0.55
    for _ in range(60):  # the contracting units' rates, given the first
        x[1:] = np.tanh(coupled(b, units).W @ x + coupled(b, units).b)[1:]
    for _ in range(20):
        system = coupled(b, units)
        W, J, first = system.W, system.jacobian(x), np.eye(units)[0]
        t = np.tanh(W @ x + system.b)
        slope, bend = 1 - t**2, -2 * t * (1 - t**2)
        full = np.zeros((2 * units + 1, 2 * units + 1))
        full[:units, :units], full[:units, -1] = J, slope[0] * first
        full[units:-1, :units], full[units:-1, units:-1] = (bend * (W @ v))[:, None] * W, J
        full[units:-1, -1], full[-1, units:-1] = bend[0] * (W @ v)[0] * first, v
        step = np.linalg.solve(full, np.concatenate([system.f(x), J @ v, [0.5 * (v @ v - 1)]]))
        x, v, b = x - step[:units], v - step[units:-1], b - step[-1]
    assert np.abs(step).max() < 1e-14
    return b


@pytest.mark.parametrize("units", [16, 64])
def test_both_sides_of_a_fold_of_weakly_coupled_units(units):
    b = fold_anew(units)
    assert abs(b - 0.2075) > 1e-4  # the coupling moved it
    for exponent in range(2, 13):
        for side, fixed_points, ghosts in ((-1, 3, 0), (1, 1, 1)):
            points = dg.find_slow_points(coupled(b + side * 10.0**-exponent, units), starts=40)
            assert (len(points.fixed_points), len(points.ghosts), points.undecided) == (fixed_points, ghosts, 0)
            assert points.index_sum == 1


def scipy_roots(W, b, starts):
    """Where scipy.optimize.root ends from each start, if it ends at a root of tanh(Wx + b) − x."""

    def slope(x):
        return W * (1 - np.tanh(W @ x + b) ** 2)[:, None] - np.eye(len(b))

    ends = [root(lambda x: np.tanh(W @ x + b) - x, start, jac=slope, tol=1e-12) for start in starts]
    return np.array([end.x for end in ends if end.success and np.abs(end.fun).max() < 1e-11])


def test_twelve_networks_of_eight_units_against_2000_starts_each():
    several = 0
    for seed in range(12):
        system = network(seed, n=8, gain=3.0)
        points = dg.find_slow_points(system)
        listed = np.array([p.x for p in points.fixed_points])
        assert (points.complete, points.undecided, points.index_sum) == (True, 0, 1)
        assert all(distance(true_root(system, p.x), p.x) <= p.radius for p in points.fixed_points)
        gaps = np.linalg.norm(listed[:, None] - listed, axis=-1) + np.diag(np.full(len(listed), np.inf))
        assert gaps.min() > 1e-6
        reached = scipy_roots(system.W, system.b, random_starts(system, 2000, seed))
        assert len(reached) > 200
        assert np.linalg.norm(reached[:, None] - listed, axis=-1).min(axis=1).max() < 1e-8
        several += len(listed) > 1
    assert several >= 8


def pushed(e, n=10, seed=2, time="flow", **options):
    """A random flow and the direction along which a fold is crossed; the fold found anew, then left by e."""
    rng = np.random.default_rng(seed)
    W = 0.4 * rng.normal(size=(n, n)) / np.sqrt(n)
    W[0, 0] += 1.5
    b = 0.1 * rng.normal(size=n)
    x, u = np.full(n, -0.3), 0.0
    x[0] = -0.55

    def at(bias):
        return dg.LeakyRNN(W, b + bias * np.eye(n)[0], time=time, **options)

    for _ in range(50):  # Newton on f = 0, vᵀJ-singular: the fold in (x, bias)
        system = at(u)
        J = system.jacobian(x)
        left, _, right = np.linalg.svd(J)
        w, v = left[:, -1], right[-1]
        h = 1e-6
        slope = (np.linalg.svd(at(u + h).jacobian(x))[1][-1] - np.linalg.svd(J)[1][-1]) / h
        gradient = np.array([w @ system.second_derivative(x, v, row) for row in np.eye(n)])
        force = (at(u + h).f(x) - system.f(x)) / h
        full = np.block([[J, force[:, None]], [gradient[None], np.array([[slope]])]])
        step = np.linalg.solve(full, -np.append(system.f(x), np.linalg.svd(J)[1][-1] * 1.0))
        x, u = x + step[:-1], u + step[-1]
    side = np.sign(w @ force) * np.sign(w @ system.second_derivative(x, v, v))
    return at(u + side * e), x


@pytest.mark.parametrize("options", [{"time": "flow"}, {"time": "map"}, {"time": "map", "leak": 0.2}])
def test_passage_times_scale_as_one_over_the_root_of_the_speed(options):
    exponents = np.arange(3, 9)
    speeds, times = [], []
    for k in exponents:
        system, x = pushed(10.0**-k, **options)
        found = search(system, x[None] + 1e-3 * np.random.default_rng(0).normal(size=(20, len(x)))).ghosts
        near = min(found, key=lambda g: np.linalg.norm(g.x - x))
        speeds.append(near.speed)
        times.append(near.passage_time)
    slope = np.polyfit(np.log(speeds), np.log(times), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.005)


@pytest.mark.parametrize("exponent", [4, 5])
def test_passage_time_is_the_simulated_dwell(exponent):
    """Within a window ±p along v a trajectory dwells T less the two tails, 2/(a p)·(w·v), which lie outside it."""
    system, x = pushed(10.0**-exponent)
    (g,) = (p for p in search(system, x[None] + 1e-4).ghosts if np.linalg.norm(p.x - x) < 0.2)
    half = 0.1
    start = g.x - half * g.direction

    def position(_, y):
        return float((y - g.x) @ g.direction) - half

    position.terminal = True
    run = solve_ivp(lambda _, y: system.f(y), (0, 10 * g.passage_time), start, events=position, rtol=1e-10, atol=1e-12)
    dwell = run.t_events[0][0]
    tails = 2 * g.alignment / (g.curvature * half)
    assert dwell + tails == pytest.approx(g.passage_time, rel=0.01)


@pytest.mark.parametrize(("exponent", "leak"), [(4, 1.0), (5, 1.0), (6, 1.0), (7, 1.0), (8, 1.0), (4, 0.2), (6, 0.2)])
def test_passage_time_of_a_map_is_the_simulated_dwell(exponent, leak):
    """As for flows, in iterations: the tails outside ±p are 2/(a p)·(w·v)/leak.

    What iterating adds to x ← x + leak·f(x), an integral of (log f)', is 0 over a window that is symmetric about f's
    minimum; a fraction of the last iteration is interpolated.
    """
    system, x = pushed(10.0**-exponent, time="map", leak=leak)
    (g,) = (p for p in search(system, x[None] + 1e-4).ghosts if np.linalg.norm(p.x - x) < 0.2)
    assert g.speed <= 1e-4
    half, dwell = 0.1, 0
    state = g.x - half * g.direction
    before = -half
    while True:
        state = system.step(state)
        after = float((state - g.x) @ g.direction)
        if after >= half:
            break
        before, dwell = after, dwell + 1
    tails = 2 * g.alignment / (g.curvature * half) / leak
    assert dwell + (half - before) / (after - before) + tails == pytest.approx(g.passage_time, rel=0.01)


def generic(system):
    """The same system, unknown to the compiled loops."""

    class Other(type(system)):
        def f(self, x):
            return super().f(x)

    other = object.__new__(Other)
    other.__dict__.update(system.__dict__)
    return other


@pytest.mark.parametrize("form", ["rate", "current", "circuit"])
def test_compiled_loops_end_where_the_others_do(form):
    rng = np.random.default_rng(5)
    if form == "circuit":
        m = rng.normal(size=(30, 3))
        system = dg.LowRankRNN(m, 2 * m.T / 30 + 0.05 * rng.normal(size=(3, 30)), 0.3 * rng.normal(size=30)).latent()
    else:
        system = network(5, n=13, gain=2.0, form=form)
    starts, other = random_starts(system, 60, 0), generic(system)
    assert (tanh_weights(system) is None, tanh_weights(other) is None) == (False, True)
    down, same = descend(system, starts), descend(other, starts)
    assert np.mean(np.linalg.norm(down.x - same.x, axis=1) < 1e-6) > 0.8  # rounding may send a start elsewhere
    minima = down.ends == End.CONVERGED
    assert minima.sum() > 20
    assert down.evaluations < 1.2 * same.evaluations
    f, J = system.f(down.x[minima]), system.jacobian(down.x[minima])
    gradient, hessian = energy_derivatives(system, down.x[minima], f, J, system.metric)
    assert np.abs(gradient).max() < 1e-8 * (1 + np.abs(hessian).max())
    assert np.linalg.eigvalsh(hessian).min() > 0
    ends, others = newton(system, starts), newton(other, starts)
    roots, reached = ends.x[ends.ends == End.CONVERGED], others.x[others.ends == End.CONVERGED]
    assert np.linalg.norm(system.f(roots), axis=1).max() < 1e-9
    assert np.linalg.norm(reached[:, None] - roots, axis=-1).min(axis=1).max() < 1e-6
    assert ends.evaluations < others.evaluations
