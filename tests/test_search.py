"""The search in n dimensions: what it finds, what it counts, and both sides of folds."""

import os
import subprocess
import sys

import numpy as np
import pytest
from problems import fold
from scipy.optimize import root

import dynaghost as dg
from dynaghost.slowpoints.catalogue import Catalogue
from dynaghost.slowpoints.newton import Balls, End, descend
from dynaghost.slowpoints.search import fresh_starts, newton_phase, search
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


@pytest.mark.parametrize(("rank", "seed"), [(2, 0), (2, 1), (2, 2), (2, 3), (3, 1)])
def test_the_search_finds_of_a_circuit_what_is_proved_to_be_there(rank, seed):
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(40, rank))
    n = 2.2 * m.T / 40 + 0.3 * rng.normal(size=(rank, 40)) / np.sqrt(40)
    system = dg.LowRankRNN(m, n, 0.4 * rng.normal(size=40))
    proved, found = dg.find_slow_points(system), dg.find_slow_points(system, starts=400)
    assert (proved.complete, proved.ghosts_complete, proved.undecided, proved.index_sum) == (True, True, 0, 1)
    assert (found.complete, found.ghosts_complete, found.coordinates) == (False, False, "latent")
    np.testing.assert_allclose([p.x for p in found.fixed_points], [p.x for p in proved.fixed_points], atol=1e-9)
    for g in found.ghosts:
        assert min(np.linalg.norm(g.x - h.x) for h in proved.ghosts) < 1e-7
    assert len(found.ghosts) >= 0.5 * len(proved.ghosts)


def test_lines_and_newton_agree_on_a_larger_network():
    points = dg.find_slow_points(network(24, 2.0, 3), seed=1)
    coverage = points.coverage
    assert (points.complete, coverage.agree, coverage.unseen, points.index_sum) == (False, True, 0.0, 1)
    assert len(coverage.hits) == len(points.fixed_points)
    assert min(coverage.hits) >= 2
    assert coverage.lines > 0


def test_starts_among_known_points_make_newton_find_what_lines_find():
    """A network of 64 units, of whose saddles random starts alone reach few; none is made from what lines found."""
    system, rng = network(64, 2.5, 0), np.random.default_rng(0)
    alone, among = Catalogue(system), Catalogue(system)
    for _ in range(8):
        newton_phase(alone, random_starts(system, 128, int(rng.integers(2**62))))
        newton_phase(among, fresh_starts(among, 128, rng))
    assert len(among.roots) > 1.5 * len(alone.roots)
    only_by_lines = Catalogue(system)
    only_by_lines.roots, only_by_lines.hits = among.roots, [[0, 1] for _ in among.roots]
    starts = [fresh_starts(only_by_lines, 64, np.random.default_rng(1)) for _ in range(2)]
    expected = random_starts(system, 64, int(np.random.default_rng(1).integers(2**62)))
    np.testing.assert_array_equal(starts, [expected, expected])


def test_a_budget_that_is_too_small_leaves_the_methods_apart():
    points = dg.find_slow_points(network(32, 6.5, 1), budget=1000)
    assert (points.coverage.agree, points.status) == (False, "budget of evaluations")
    assert points.cost.evaluations >= 1000


def test_what_the_boxes_leave_is_hunted():
    points = dg.find_slow_points(network(14, 3.0, 5), budget=20)
    assert (points.complete, points.status) == (False, "budget of boxes")
    assert any(part.because == "budget of boxes" for part in points.unresolved)
    assert points.coverage.lines > 0
    assert len(points.fixed_points) == len(dg.find_slow_points(network(14, 3.0, 5)).fixed_points)


def test_the_same_seed_gives_the_same_answer_with_any_number_of_threads():
    code = (
        "import numpy as np, dynaghost as dg; r = np.random.default_rng(0);"
        "p = dg.find_slow_points(dg.LeakyRNN(r.normal(size=(40, 40)) * 2 / 40**.5, .1 * r.normal(size=40)), starts=64);"
        "print([q.x.tobytes().hex() for q in p.points], p.coverage)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_where_a_descent_ends_early_the_whole_one_ends_at_the_same_point():
    system = network(64, 1.6, 2)
    starts = random_starts(system, 96, 1)
    points = search(system, random_starts(system, 256, 0))
    known = np.array([point.x for point in points.points])
    early = descend(system, starts, balls=Balls(known, np.full(len(known), 1e-6)))
    whole = descend(system, starts)
    captured = early.ends == End.CAPTURED
    same = np.linalg.norm(whole.x[captured] - known[early.ball[captured]], axis=1) < 1e-5
    assert captured.mean() > 0.5
    assert same.mean() > 0.9
    assert early.evaluations < 0.8 * whole.evaluations
    speeds = system.speed(known[early.ball[captured]])
    assert np.all(speeds <= system.speed(early.x[captured]))


def test_a_line_attractor_is_a_slow_region_and_no_fixed_point():
    # Along x₀ > 0 every state of this network stands still.
    W = np.diag([1.0, 0.5, 0.2])
    points = search(
        dg.LeakyRNN(W, [0.0, 0.1, 0.1], activation="relu"),
        np.abs(np.random.default_rng(0).normal(size=(80, 3))) + np.array([0.1, 0, 0]),
    )
    (region,) = points.slow_regions
    assert (points.fixed_points, points.ghosts, region.dimension) == ((), (), 1)
    assert len(region.states) > 30
    assert region.speeds.max() < 1e-10
    assert region.states[:, 0].min() > 0


def cosine_ring(units, gain, noise=0.0):
    """Neurons on a circle coupled by the cosine of their distance; `noise` breaks the ring up, slowly."""
    angles = 2 * np.pi * np.arange(units) / units
    W = 2 * gain / units * np.cos(angles[:, None] - angles)
    return dg.LeakyRNN(W + noise * np.random.default_rng(0).normal(size=W.shape), np.zeros(units))


def relu(diagonal, bias):
    return dg.LeakyRNN(np.diag(diagonal), bias, activation="relu")


POSITIVE = np.abs(np.random.default_rng(0).normal(size=(80, 3))) + 0.1
SPREAD = np.random.default_rng(0).normal(size=(128, 32))


@pytest.mark.parametrize(
    ("system", "starts", "dimension", "fixed_points"),
    [
        (relu([1.0, 0.5, 0.2], [0.0, 0.1, 0.1]), POSITIVE, 1, 0),
        (relu([1.0, 1.0, 0.2], [0.0, 0.0, 0.1]), POSITIVE, 2, None),
        (cosine_ring(32, 2.0), SPREAD, 1, 1),
        (cosine_ring(32, 2.0, noise=1e-4), SPREAD, 1, None),
        (dg.LeakyRNN(2 * np.eye(3), np.zeros(3)), 300, None, None),
        (dg.LeakyRNN(1.3 * np.eye(8), 0.01 * np.ones(8)), 300, None, None),
        (network(20, 2.0, 0), 300, None, None),
    ],
)
def test_slow_regions_and_their_dimension(system, starts, dimension, fixed_points):
    points = search(system, random_starts(system, starts, 0) if isinstance(starts, int) else starts)
    assert [region.dimension for region in points.slow_regions] == ([] if dimension is None else [dimension])
    assert fixed_points in (None, len(points.fixed_points))
    for region in points.slow_regions:
        assert len(region.states) >= 30
        np.testing.assert_allclose(region.speeds, system.speed(region.states), rtol=0, atol=1e-15)


def bump_ring(units):
    """Neurons on a circle that excite their neighbours and inhibit the rest: a bump of activity anywhere on it."""
    angles = 2 * np.pi * np.arange(units) / units
    excitation = 3 * np.exp((np.cos(angles[:, None] - angles) - 1) / 0.25)
    return dg.LeakyRNN(4 / units * (excitation - 1), np.full(units, -0.5))


def tori():
    """Two rings side by side: a torus, and the two rings on which one of them is silent."""
    W = np.zeros((64, 64))
    W[:32, :32] = W[32:, 32:] = cosine_ring(32, 2.0).W
    return dg.LeakyRNN(W, np.zeros(64))


@pytest.mark.parametrize(
    ("system", "dimensions"),
    [
        (cosine_ring(16, 2.0), [1]),
        (cosine_ring(32, 2.0), [1]),
        (cosine_ring(64, 2.0), [1]),
        (cosine_ring(64, 2.0, noise=1e-4), [1]),
        (bump_ring(64), [1, 1]),  # the bump, and between it and rest
        (tori(), [1, 1, 2]),
        (relu([1.0, 0.5, 0.2], [0.0, 0.1, 0.1]), [1]),
        (relu([1.0, 1.0, 0.2], [0.0, 0.0, 0.1]), [2]),
        (relu([1.0] + 29 * [0.5], [0.0] + 29 * [0.1]), [1]),
        (relu([0.9] + 29 * [0.5], [0.0] + 29 * [0.1]), []),
        (network(32, 2.0, 0), []),
        (network(24, 3.0, 1), []),
        (network(64, 1.6, 2), []),
        (hidden_fold(FOLD + 1e-6, 24), []),
    ],
)
def test_the_default_search_reports_lines_rings_and_planes_as_slow_regions(system, dimensions):
    points = dg.find_slow_points(system)
    assert sorted(region.dimension for region in points.slow_regions) == dimensions
    for region in points.slow_regions:
        speeds = np.linalg.norm(system.f(region.states), axis=1)
        np.testing.assert_allclose(region.speeds, speeds, rtol=0, atol=1e-15)
        assert np.all(speeds <= 1e-3 * (1 + np.linalg.norm(region.states, axis=1)))
    if dimensions and system.activation == "relu":
        assert (points.fixed_points, points.complete) == ((), False)


@pytest.mark.parametrize("units", [32, 64])
def test_a_ring_is_sampled_all_around(units):
    angles = 2 * np.pi * np.arange(units) / units
    (region,) = dg.find_slow_points(cosine_ring(units, 2.0), seed=3).slow_regions
    around = np.sort(np.angle(region.states @ np.exp(1j * angles)))
    assert np.diff(around, append=around[0] + 2 * np.pi).max() < 0.3
    amplitude = np.abs(region.states @ np.exp(1j * angles))
    assert np.ptp(amplitude) < 1e-3 * amplitude.mean()


def test_a_triple_root_is_one_degenerate_point():
    for starts in (None, 64):
        points = dg.find_slow_points(dg.LeakyRNN(np.diag([1.0, 0.5]), [0.0, 0.1]), starts=starts)
        (point,) = points.fixed_points
        assert (point.degenerate, point.stable, point.certificate, points.index_sum) == (True, None, "undecided", None)
        assert abs(point.x[0]) < 1e-4
        assert points.undecided == 1


def test_stability_in_stated_units():
    turn = 0.9 * np.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]])
    (point,) = dg.find_slow_points(dg.LeakyRNN(turn, [0.0, 0.0])).fixed_points
    assert (point.stability, point.unstable_directions) == ("stable focus", 0)
    np.testing.assert_allclose(point.time_constants, -1 / np.log(0.9), rtol=1e-12)
    np.testing.assert_allclose(point.frequencies, 1 / (2 * np.pi), rtol=1e-12)
    assert abs(point.nearest_to_critical) == pytest.approx(0.9)
    (flow,) = dg.find_slow_points(dg.LeakyRNN(2 * turn, [0.0, 0.0], time="flow", leak=None)).fixed_points
    assert (flow.stability, flow.unstable_directions, flow.multipliers) == ("stable focus", 0, None)
    np.testing.assert_allclose(flow.time_constants, 1 / (1 - 1.8 * np.cos(1.0)), rtol=1e-12)
    np.testing.assert_allclose(flow.frequencies, 1.8 * np.sin(1.0) / (2 * np.pi), rtol=1e-12)


def forms(seed=3):
    """A network in both forms and a latent circuit: the three shapes of the compiled descent's Hessian."""
    rng = np.random.default_rng(seed)
    m, n = 2 * rng.normal(size=(30, 3)), rng.normal(size=(3, 30)) / 5
    return [
        network(12, 1.6, seed),
        network(12, 1.6, seed, form="current"),
        dg.LowRankRNN(m, n, rng.normal(size=30)).latent(),
    ]


@pytest.mark.parametrize("system", forms())
def test_descents_converge_quadratically_to_minima_of_the_kinetic_energy(system):
    starts = np.random.default_rng(0).normal(size=(40, system.dim))
    rough = descend(system, starts, limit=200)
    minima = rough.x[(rough.ends == End.CONVERGED) & (system.speed(rough.x) > 1e-3)][:3]
    assert len(minima)
    for x in minima:
        near = x + 1e-3 * np.random.default_rng(1).normal(size=system.dim)
        again = descend(system, near[None], limit=5)
        np.testing.assert_allclose(again.x[0], x, rtol=0, atol=1e-9)
        assert system.kinetic_energy(again.x[0]) < system.kinetic_energy(near)


@pytest.mark.parametrize("starts", [0, -1, [[1.0]], [[np.nan, 0.0]], np.zeros((0, 2)), "many", True])
def test_nonsense_starts_are_refused(starts):
    with pytest.raises(dg.DynaghostError, match="starts"):
        dg.find_slow_points(dg.LeakyRNN(np.zeros((2, 2)), np.zeros(2)), starts=starts)
