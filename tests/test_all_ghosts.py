"""All ghosts of latent circuits against descents, against products of one-dimensional circuits, and around folds."""

from itertools import product

import numpy as np
import pytest
from balls import Judge
from flint import arb, arb_mat, ctx
from scipy.optimize import minimize

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.all_ghosts import _found, find_all_ghosts, serves
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.low_rank import LatentCircuit, LowRankRNN
from dynaghost.systems.recurrent import LeakyRNN


def random_circuit(seed, rank, gain, units=100, form="rate", correlated=True):
    """M ~ N(0, 1), N = gain·(Mᵀ + noise)/units, so that the gain is about that of NM, or N independent of M."""
    rng = np.random.default_rng(seed)
    m, noise = rng.normal(size=(units, rank)), rng.normal(size=(rank, units))
    n = gain * (m.T + noise if correlated else 3 * noise) / units
    return LowRankRNN(m, n, rng.normal(size=units) / 2, form=form).latent()


def expansion(circuit, kappa):
    """f, J and D²f at points (S, K)."""
    u = kappa @ circuit.m.T + circuit.b
    t = np.tanh(u)
    s = 1 - t * t
    J = np.einsum("ki,si,il->skl", circuit.n, s, circuit.m) - np.eye(circuit.dim)
    return t @ circuit.n.T - kappa, J, np.einsum("ki,si,il,im->sklm", circuit.n, -2 * t * s, circuit.m, circuit.m)


def speed_hessian(circuit, kappa):
    f, J, D2 = expansion(circuit, kappa)
    weighted = f @ circuit.metric
    gradient = np.einsum("sk,skl->sl", weighted, J)
    return f, gradient, np.einsum("skl,km,smn->sln", J, circuit.metric, J) + np.einsum("sk,sklm->slm", weighted, D2)


def descents(circuit, starts, seed=0, steps=200):
    """Ghosts that a damped Newton descent of q finds from random starts: (G, K), repeats left in."""
    rng = np.random.default_rng(seed)
    reach = np.abs(circuit.n).sum(axis=1)
    kappa = rng.uniform(-2, 2, size=(starts, circuit.dim)) * reach
    damping = np.full(starts, 1e-3)
    for _ in range(steps):
        f, gradient, hessian = speed_hessian(circuit, kappa)
        values, vectors = np.linalg.eigh(hessian)
        along = np.einsum("slk,sl->sk", vectors, gradient)
        move = -np.einsum("slk,sk->sl", vectors, along / (np.abs(values) + damping[:, None] + 1e-14))
        q = np.einsum("sk,kl,sl->s", f, circuit.metric, f)
        new = expansion(circuit, kappa + move)[0]
        better = np.einsum("sk,kl,sl->s", new, circuit.metric, new) <= q
        kappa[better] += move[better]
        damping = np.where(better, damping * 0.3, np.maximum(damping, 1e-9) * 5)
    f, gradient, hessian = speed_hessian(circuit, kappa)
    lowest = np.linalg.eigvalsh(hessian)[:, 0]
    step = np.linalg.norm(np.linalg.solve(hessian, gradient[..., None])[..., 0], axis=1)
    return kappa[(lowest > 1e-6) & (step < 1e-9) & (np.linalg.norm(f, axis=1) > 1e-6)]


def missed(found, ghosts):
    """How many of `ghosts` are not in the list."""
    if not len(ghosts) or not len(found.x):
        return len(ghosts)
    distance = np.linalg.norm(ghosts[:, None] - found.x[None], axis=2)
    return int(np.sum(distance.min(axis=1) > 1e-6 + found.radius.max()))


def check_each(circuit, found):
    """Every listed ghost is a minimum of q above zero, as float64 sees it."""
    if not len(found.x):
        return
    f, gradient, hessian = speed_hessian(circuit, found.x)
    speed = np.sqrt(np.einsum("sk,kl,sl->s", f, circuit.metric, f))
    assert np.all(np.linalg.eigvalsh(hessian)[:, 0] > 0)
    assert np.all(np.linalg.norm(np.linalg.solve(hessian, gradient[..., None]), axis=(1, 2)) < 1e-6)
    assert np.all(found.speed_lower > 0)
    np.testing.assert_allclose(found.speed, speed, rtol=1e-9, atol=1e-12)
    assert np.all((found.speed_lower <= found.speed) & (found.speed <= found.speed_upper))


FAMILIES = [
    *product(range(6), [2], [0.7, 1.3, 2.0, 3.0], [True]),
    *product(range(3), [2], [1.0], [False]),
    *product(range(2), [3], [0.7, 1.3], [True]),
]


@pytest.mark.parametrize(("seed", "rank", "gain", "correlated"), FAMILIES)
def test_descents_find_no_other_ghost(seed, rank, gain, correlated):
    circuit = random_circuit(seed, rank, gain, correlated=correlated)
    found = find_all_ghosts(circuit)
    assert found.complete
    assert len(found.lower) == len(found.upper) == 0
    check_each(circuit, found)
    assert missed(found, descents(circuit, 100)) == 0


@pytest.mark.parametrize("seed", range(2))
def test_the_current_form_has_its_own_metric(seed):
    circuit = random_circuit(seed, 2, 2.0, form="current")
    found = find_all_ghosts(circuit)
    assert found.complete
    check_each(circuit, found)
    assert missed(found, descents(circuit, 300)) == 0


def test_remainders_too_small_miss_ghosts():
    """A test of the tests above: with 0.3 of the remainders the search loses ghosts, and comparing lists shows it."""
    lost = 0
    for seed, gain in product(range(30), (1.5, 2.0, 3.0)):
        circuit = random_circuit(seed, 2, gain)
        truth = find_all_ghosts(circuit)
        lost += missed(_found(circuit, 10**6, remainder=0.3), truth.x)
    assert lost > 0


@pytest.mark.parametrize("seed", range(4))
def test_products_of_one_dimensional_circuits(seed):
    """In a decoupled circuit the minima of q are pairs of minima; all but the pairs of two roots are ghosts."""
    rng = np.random.default_rng(seed)
    units = 4
    m, n, b = np.zeros((2 * units, 2)), np.zeros((2, 2 * units)), rng.normal(size=2 * units) * 2
    parts = []
    for k in range(2):
        rows = slice(k * units, (k + 1) * units)
        m[rows, k] = rng.normal(size=units) * 3
        n[k, rows] = (m[rows, k] + rng.normal(size=units)) / 3
        judged = Judge(m[rows, k], n[k, rows], b[rows]).solve()
        roots, ghosts = [float(r) for r in judged.roots], [float(c.z) for c in judged.ghosts]
        parts.append([(x, False) for x in roots] + [(x, True) for x in ghosts])
    expected = sorted((x, y) for (x, one), (y, two) in product(*parts) if one or two)
    found = find_all_ghosts(LatentCircuit(m, n, b, leak=1.0))
    assert found.complete
    assert found.x.shape == (len(expected), 2)
    assert not expected or np.abs(found.x - np.array(expected)).max() < 1e-8


def ghost_circuits(rank, number, gain):
    """Random circuits with a ghost, and the place of the faintest."""
    for seed in range(100, 400):
        circuit = random_circuit(seed, rank, gain)
        found = find_all_ghosts(circuit)
        if len(found.x) and found.complete:
            at = int(np.argmin(found.speed))
            yield circuit, found.x[at], float(found.speed[at])
            number -= 1
            if not number:
                return


def moved(circuit, x, share):
    """The circuit in which f(x) is multiplied by `share` and J stays: f'(κ + c) = f(κ) − c if b' = b − Mc."""
    shift = (1 - share) * circuit.f(x)
    return LatentCircuit(circuit.m, circuit.n, circuit.b - circuit.m @ shift, leak=1.0), x + shift


@pytest.mark.parametrize(("rank", "number"), [(2, 5), (3, 1)])
def test_saddle_nodes_on_both_sides(rank, number):
    for circuit, x, speed in ghost_circuits(rank, number, 1.5):
        for target in (1e-3, 1e-5, 1e-7, 1e-8):
            before, place = moved(circuit, x, target / speed)
            found = find_all_ghosts(before)
            assert found.complete
            near = np.linalg.norm(found.x - place, axis=1) < 1e-4
            assert near.sum() == 1
            assert found.speed[near][0] == pytest.approx(target, rel=1e-4)
            after, place = moved(circuit, x, -target / speed)
            found = find_all_ghosts(after)
            assert found.complete
            assert not np.any(np.linalg.norm(found.x - place, axis=1) < 1e-3)


def test_a_double_fixed_point_is_one_unresolved_place():
    circuit, x, _ = next(ghost_circuits(2, 1, 1.5))
    at_fold, place = moved(circuit, x, 0.0)
    found = find_all_ghosts(at_fold)
    assert not found.complete
    assert found.status == "precision limit"
    inside = np.all((found.lower <= place + 1e-6) & (place - 1e-6 <= found.upper), axis=1)
    assert len(found.lower) == 1
    assert inside.all()
    assert np.all(found.upper - found.lower < 1e-3)
    assert not np.any(np.linalg.norm(found.x - place, axis=1) < 1e-3)


def exact_minimum(circuit, x):
    """The minimum of q near x, and its speed, in balls of 300 bits, for the exact metric (N Nᵀ)⁻¹."""
    before, ctx.prec = ctx.prec, 300
    try:
        M, N, b = (arb_mat(w.tolist()) for w in (circuit.m, circuit.n, circuit.b[:, None]))
        metric = (N * N.transpose()).inv()
        inverse = arb_mat(np.linalg.inv(speed_hessian(circuit, x[None])[2][0]).tolist())
        kappa = arb_mat([[float(v)] for v in x])
        for _ in range(40):
            u = M * kappa + b
            f = N * arb_mat([[u[i, 0].tanh()] for i in range(u.nrows())]) - kappa
            scaled = arb_mat([[M[i, k] / u[i, 0].cosh() ** 2 for k in range(M.ncols())] for i in range(M.nrows())])
            J = N * scaled - arb_mat(np.eye(circuit.dim).tolist())
            step = inverse * (J.transpose() * (metric * f))
            kappa = (kappa - step).mid()
        assert all(abs(step[k, 0]) < 1e-40 for k in range(circuit.dim))
        return kappa, (f.transpose() * metric * f)[0, 0].sqrt()
    finally:
        ctx.prec = before


def test_radius_and_speed_bounds_hold_in_balls():
    checked = 0
    for circuit, x, speed in ghost_circuits(2, 4, 1.5):
        for share in (1.0, 1e-5 / speed):
            shifted, _ = moved(circuit, x, share)
            found = find_all_ghosts(shifted)
            for k in range(len(found.x)):
                place, exact = exact_minimum(shifted, found.x[k])
                distance = sum((place[j, 0] - float(found.x[k, j])) ** 2 for j in range(2)).sqrt()
                assert distance < float(found.radius[k])
                assert float(found.speed_lower[k]) < exact < float(found.speed_upper[k])
                checked += 1
    assert checked >= 8


def test_bounds_on_the_derivatives_of_tanh():
    """|tanh⁽ʲ⁾| ≤ 1, 1, 2, 4.1 for j = 1 … 4, and |tanh⁽⁵⁾| ≤ 16 sech², as polynomials in t over [0, 1], in balls."""
    width = arb(1) / 2000
    for i in range(1000):
        t = arb(2 * i + 1) * width / 2 * 2 + arb(0, 1.0001 / 2000)
        s = 1 - t * t
        assert abs(s) < 1.01
        assert abs(2 * t * s) < 1
        assert abs(s * (6 * t * t - 2)) < 2.03
        assert abs(s * t * (16 - 24 * t * t)) < 4.1 + 0.05
        # Where the ball touches an end, 16 is attained exactly there: 16 − |…| = 120·t²(1 − t²) ≥ 0.
        assert abs(120 * t * t * (t * t - 1)) < 30.5


@pytest.mark.parametrize("budget", [1, 50])
def test_a_budget_leaves_hulls_that_hold_the_ghosts(budget):
    circuit, x, _ = next(ghost_circuits(2, 1, 1.5))
    found = find_all_ghosts(circuit, budget=budget)
    assert not found.complete
    assert found.status == "budget of evaluations"
    listed = np.linalg.norm(found.x - x, axis=1) < 1e-6
    held = np.all((found.lower <= x) & (x <= found.upper), axis=1)
    assert listed.any() or held.any()


def test_other_coordinates_have_the_same_ghosts():
    circuit, *_ = next(ghost_circuits(2, 1, 2.0))
    change = np.array([[2.0, 0.5], [-0.3, 1.0]])
    other = LatentCircuit(circuit.m @ change, np.linalg.inv(change) @ circuit.n, circuit.b, leak=1.0)
    one, two = find_all_ghosts(circuit), find_all_ghosts(other)
    assert one.complete
    assert two.complete
    back = two.x @ change.T
    assert len(one.x) == len(back) > 0
    assert np.abs(np.sort(one.speed) - np.sort(two.speed)).max() < 1e-9
    assert missed(one, back) == 0


def test_a_metric_near_singular_is_left_open():
    rng = np.random.default_rng(0)
    m, row = rng.normal(size=(20, 2)), rng.normal(size=20)
    circuit = LatentCircuit(m, np.stack([row, row * (1 + 1e-15)]), rng.normal(size=20), leak=1.0)
    found = find_all_ghosts(circuit)
    assert not found.complete
    assert np.all(found.lower == -np.inf)
    assert np.all(found.upper == np.inf)


def test_what_is_not_served():
    assert serves(random_circuit(0, 3, 1.0))
    assert not serves(random_circuit(0, 5, 1.0))
    with pytest.raises(DynaghostError, match="system: expected a latent circuit"):
        find_all_ghosts(LowRankRNN([1.0], [1.0], [0.0]).latent())


def small_network(units, seed, form):
    rng = np.random.default_rng(seed)
    return LeakyRNN(2.5 * rng.normal(size=(units, units)) / np.sqrt(units), rng.normal(size=units), leak=0.5, form=form)


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("units", [2, 3])
def test_all_ghosts_of_small_networks(units, form):
    listed = 0
    for seed in range(6):
        network = small_network(units, seed, form)
        found = find_all_ghosts(network)
        assert found.complete
        for x, speed in zip(found.x, found.speed, strict=True):
            f, J = network.f(x), network.jacobian(x)
            assert np.linalg.norm(J.T @ f) < 1e-9
            assert np.linalg.norm(f) == pytest.approx(speed, rel=1e-9)
        listed += len(found.x)
        for start in 4 * np.random.default_rng(seed).normal(size=(25, units)):
            q = minimize(
                lambda x, s=network: 0.5 * np.sum(s.f(x) ** 2),
                start,
                jac=lambda x, s=network: s.jacobian(x).T @ s.f(x),
                method="BFGS",
                options={"gtol": 1e-12},
            )
            gradient = network.jacobian(q.x).T @ network.f(q.x)
            if q.fun > 1e-10 and np.linalg.norm(gradient) < 1e-9 and np.abs(q.x).max() < 50:
                assert np.linalg.norm(found.x - q.x, axis=1).min() < 1e-4
    assert listed > 0


def test_small_networks_are_listed_whole():
    points = find_slow_points(small_network(3, 1, "current"))
    assert points.complete
    assert points.ghosts_complete
    assert not serves(LeakyRNN(np.eye(2), np.zeros(2), activation="sigmoid"))
    assert not serves(LeakyRNN(np.eye(5), np.zeros(5)))
    with pytest.raises(DynaghostError, match="tanh network of as many units"):
        find_all_ghosts(LeakyRNN(np.eye(5), np.zeros(5)))
