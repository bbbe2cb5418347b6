"""ReLU and leaky ReLU networks: every region by exact fractions, kinks met from both sides, ghosts by dense scans."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from dynaghost.kernels import regions
from dynaghost.kernels.low_rank_regions import low_rank_patterns
from dynaghost.kernels.regions import surviving_patterns
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.slowpoints.piecewise import find_piecewise
from dynaghost.slowpoints.piecewise_ghosts import prove_free
from dynaghost.slowpoints.piecewise_low_rank import low_rank_factors
from dynaghost.slowpoints.records import Certificate, PassageFrom
from dynaghost.slowpoints.search_outcome import Status
from dynaghost.systems.recurrent import LeakyRNN

KINDS = [("relu", "rate"), ("relu", "current"), ("leaky_relu", "rate"), ("leaky_relu", "current")]


def network(units, gain, seed, **options):
    rng = np.random.default_rng(seed)
    W = gain * rng.normal(size=(units, units)) / np.sqrt(units)
    return LeakyRNN(W, 0.5 * rng.normal(size=units), **{"negative_slope": 0.1, "time": "flow"} | options)


def solved(rows):
    """The solution of an augmented system of fractions; None where it is singular."""
    n = len(rows)
    for k in range(n):
        best = next((i for i in range(k, n) if rows[i][k]), None)
        if best is None:
            return None
        rows[k], rows[best] = rows[best], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                rows[i] = [a - rows[i][k] * c for a, c in zip(rows[i], rows[k], strict=True)]
    return [row[n] for row in rows]


def exact_fixed_points(system):
    """Every u = Wφ(u) + b, as fractions, by all 2ⁿ regions."""
    n, less = system.dim, Fraction(system.negative_slope)
    W = [[Fraction(w) for w in row] for row in system.W.tolist()]
    b = [Fraction(v) for v in system.b.tolist()]
    found = set()
    for on in itertools.product((True, False), repeat=n):
        d = [Fraction(1) if up else less for up in on]
        u = solved([[(i == j) - W[i][j] * d[j] for j in range(n)] + [b[i]] for i in range(n)])
        if u is not None and all(v >= 0 if up else v <= 0 for v, up in zip(u, on, strict=True)):
            found.add(tuple(u))
    return found


def states(system, solutions):
    less = system.negative_slope if system.form == "rate" else 1
    exact = [[v if v > 0 else Fraction(less) * v for v in u] for u in solutions]
    return sorted([float(v) for v in x] for x in exact)


def assert_as_exact(system, points):
    expected = states(system, exact_fixed_points(system))
    assert points.complete
    assert len(points.fixed_points) == len(expected)
    for point, x in zip(points.fixed_points, expected, strict=True):
        assert np.linalg.norm(point.x - x) <= point.radius + 4e-16 * np.linalg.norm(x)
        near = sum(np.linalg.norm(np.subtract(other, x)) < point.unique_radius for other in expected)
        assert point.certificate is Certificate.EXISTS_UNIQUE
        assert near == 1
        assert point.unique_radius > point.radius


@pytest.mark.parametrize(("activation", "form"), KINDS)
@pytest.mark.parametrize("units", [1, 2, 4, 6])
def test_every_region_against_fractions(units, activation, form):
    several = 0
    for seed in range(4):
        system = network(units, 2.5, seed, activation=activation, form=form)
        points = find_piecewise(system)
        assert_as_exact(system, points)
        several += len(points.fixed_points) != 1
    assert several > 0


def test_eight_units_against_fractions():
    system = network(8, 2.5, 13, activation="leaky_relu")
    points = find_piecewise(system)
    assert_as_exact(system, points)
    assert len(points.fixed_points) >= 2


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_small_whole_weights_with_all_their_coincidences(data):
    """Kinks met exactly, singular regions, zeros: never a wrong count where completeness is claimed."""
    n = data.draw(st.integers(1, 3))
    numbers = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    W = data.draw(st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=n, max_size=n))
    b = data.draw(st.lists(numbers, min_size=n, max_size=n))
    activation, form = data.draw(st.sampled_from(KINDS))
    system = LeakyRNN(W, b, activation=activation, form=form, negative_slope=0.25)
    points = find_piecewise(system)
    exact = exact_fixed_points(system)
    for u in exact:
        at_kink = any(v == 0 for v in u)
        x = states(system, [u])[0]
        listed = [point for point in points.fixed_points if np.linalg.norm(point.x - x) < 1e-12]
        assert listed or not points.complete
        if points.complete:
            assert any((point.certificate is Certificate.UNDECIDED) == at_kink for point in listed)
    if points.complete:
        assert len(points.fixed_points) == len(exact)
    for ghost in points.ghosts:
        assert all(np.linalg.norm(ghost.x - x) > ghost.radius for x in states(system, exact))


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("distance", [1e-2, 1e-8, 1e-15, 1e-100])
def test_one_unit_on_both_sides_of_its_border_collision(form, distance):
    """x ← relu(2x + b): 0 and −b for b < 0, one point on the kink for b = 0, a ghost at the kink for b > 0."""
    before = find_slow_points(LeakyRNN([[2.0]], [-distance], activation="relu", form=form, time="flow"))
    assert [point.stability for point in before.fixed_points] == ["stable node", "unstable node"]
    assert before.index_sum == 0
    assert before.complete
    assert not before.ghosts
    after = find_slow_points(LeakyRNN([[2.0]], [distance], activation="relu", form=form, time="flow"))
    assert not after.fixed_points
    assert after.complete
    (ghost,) = after.ghosts
    assert ghost.certificate is Certificate.ROOT_FREE
    assert ghost.speed == pytest.approx(distance if form == "current" else distance / 2, rel=1e-12)
    assert ghost.virtual_point is not None


def test_at_its_border_collision_the_point_is_there_and_left_undecided():
    points = find_slow_points(LeakyRNN([[2.0]], [0.0], activation="relu"))
    (point,) = points.fixed_points
    assert point.certificate is Certificate.UNDECIDED
    assert point.undecided_because.startswith("border collision: unit 0")
    assert point.stable is None
    assert point.degenerate
    assert points.index_sum is None
    assert points.complete


def test_a_contraction_passes_a_kink_without_a_ghost():
    for b in (-0.1, 0.1):
        points = find_slow_points(LeakyRNN([[0.5]], [b], activation="relu"))
        assert len(points.fixed_points) == 1
        assert not points.ghosts


def test_a_border_collision_hidden_among_other_units():
    """Moved to the kink of unit 0 by its bias: two fixed points on one side, none there on the other."""
    rng = np.random.default_rng(1)
    W = 0.3 * rng.normal(size=(6, 6)) / np.sqrt(6)
    W[0, 0] = 2.0
    others = np.array([0.5, -0.4, 0.3, 0.6, -0.2])
    u = np.zeros(6)
    u[1:] = np.linalg.solve(np.eye(5) - W[1:, 1:] * (others > 0), others)
    for _ in range(20):
        u[1:] = W[1:, 1:] @ np.maximum(u[1:], 0) + others
    at = -W[0, 1:] @ np.maximum(u[1:], 0)
    for distance in (1e-2, 1e-6, 1e-12):
        counts = []
        for sign in (-1, 1):
            b = np.concatenate([[at + sign * distance], others])
            points = find_slow_points(LeakyRNN(W, b, activation="relu"))
            assert points.complete
            counts.append((len(points.fixed_points), len(points.ghosts)))
        assert counts == [(2, 0), (0, 1)]


def test_stability_follows_the_time():
    W, b = [[0.0, -1.5], [1.5, 0.0]], [1.0, 0.2]
    flow = find_slow_points(LeakyRNN(W, b, activation="relu", time="flow")).fixed_points[0]
    step = find_slow_points(LeakyRNN(W, b, activation="relu", time="map")).fixed_points[0]
    assert flow.stable
    assert not step.stable
    assert np.abs(step.multipliers) == pytest.approx([1.5, 1.5])
    assert find_slow_points(LeakyRNN(W, b, activation="relu", leak=0.5)).fixed_points[0].stable


def scanned_minima(system, reach, steps):
    """Minima of the speed on a grid of two dimensions."""
    axis = np.linspace(-reach, reach, steps)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    speed = system.speed(grid)
    middle = speed[1:-1, 1:-1]
    around = [
        np.roll(speed, shift, (0, 1))[1:-1, 1:-1] for shift in itertools.product((-1, 0, 1), repeat=2) if any(shift)
    ]
    return grid[1:-1, 1:-1][np.all([middle < other for other in around], axis=0)]


@pytest.mark.parametrize(("activation", "form"), KINDS)
def test_ghosts_against_a_dense_scan(activation, form):
    seen = 0
    for seed in range(12):
        system = network(2, 3.0, seed, activation=activation, form=form)
        points = find_piecewise(system)
        assert points.ghosts_complete
        listed = np.array([point.x for point in points.points]).reshape(-1, 2)
        reach, steps = 4.0, 401
        for x in scanned_minima(system, reach, steps):
            # A narrow valley across the grid has several of the grid's minima.
            settled = minimize(system.speed, x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
            assert any(np.linalg.norm(settled - other) < 1e-4 for other in listed), (seed, x, settled, listed)
        rng = np.random.default_rng(seed)
        for ghost in points.ghosts:
            for size in (1e-1, 1e-3, 1e-5):
                around = ghost.x + size * min(1.0, np.linalg.norm(ghost.x)) * rng.uniform(-1, 1, size=(200, 2))
                if size < 0.1:
                    assert np.all(system.speed(around) > ghost.speed * (1 - 1e-12))
            inside = ghost.x + min(ghost.radius, 10.0) * ball(rng, 2000)
            assert np.all(system.speed(inside) > 0)
            assert ghost.passage_from is PassageFrom.PIECEWISE
            seen += 1
    assert seen >= 1


def ball(rng, number):
    directions = rng.normal(size=(number, 2))
    return directions / np.linalg.norm(directions, axis=1)[:, None] * np.sqrt(rng.uniform(0, 1, size=(number, 1)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS))
def test_a_ball_that_is_proved_free_holds_no_fixed_point(seed, kind):
    """From anywhere, with any w and any slopes: the proof does not rest on being at a ghost."""
    rng = np.random.default_rng(seed)
    system = network(3, 2.5, seed, activation=kind[0], form=kind[1])
    x = rng.normal(size=3)
    w = system.f(x) + 0.1 * rng.normal(size=3)
    d = rng.uniform(system.negative_slope, 1, size=3)
    radius = prove_free(system, x, w, d).radius
    for other in states(system, exact_fixed_points(system)):
        assert np.linalg.norm(x - other) > radius


def test_passage_through_a_kink_is_the_time_below_twice_its_speed():
    """ẋ = −x + relu(3x + μ): 1 comes in at rate 1 and leaves at rate 2; the map by factors."""
    W, b = [[3.0]], [1e-3]
    flow = find_slow_points(LeakyRNN(W, b, activation="relu", time="flow", form="current")).ghosts[0]
    assert flow.passage_time == pytest.approx(np.log(2) * (1 + 1 / 2))
    step = find_slow_points(LeakyRNN(W, b, activation="relu", leak=0.25, form="current")).ghosts[0]
    assert step.passage_time == pytest.approx(np.log(2) / np.log(1.5) + np.log(2) / -np.log(0.75))


def test_a_continuum_of_fixed_points_is_unresolved():
    points = find_slow_points(LeakyRNN([[1.0]], [0.0], activation="relu"))
    assert not points.complete
    assert "singular" in points.unresolved[0].because


def test_a_budget_ends_the_enumeration_and_nothing_is_claimed():
    points = find_piecewise(network(12, 2.0, 0, activation="relu"), budget=50)
    assert not points.complete
    assert points.status is Status.BUDGET
    assert points.cost.boxes == 50


@pytest.mark.parametrize("less", [0.0, 0.1])
def test_patterns_that_are_ruled_out_have_no_fixed_point(less):
    """Jumps included: every pattern whose virtual point is clearly real survives, at sizes beyond the fractions."""
    n = 12
    patterns = np.array(list(itertools.product((True, False), repeat=n)))
    real = 0
    for seed in range(3):
        system = network(n, 2.5, seed, activation="leaky_relu", negative_slope=less)
        expected = real_patterns(system, patterns)
        kept = np.zeros((64, n), bool)
        count, looked, settled = surviving_patterns(system.W, system.b, less, np.int64(2**n), kept)
        assert settled
        assert looked < 2**n
        assert {on.tobytes() for on in kept[:count]} == expected
        real += len(expected)
    assert real > 0


def test_only_given_starts_are_used_and_nothing_is_then_complete():
    system = network(4, 2.5, 2, activation="relu")
    points = find_slow_points(system, starts=np.zeros((1, 4)))
    assert not points.complete
    assert points.coverage.starts == 1
    assert points.seed is None
    every = find_slow_points(system, starts=200, seed=3)
    assert len(every.fixed_points) == len(find_slow_points(system).fixed_points)
    assert every.seed == 3


def low_rank(units, rank, seed, **options):
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(units, rank))
    n = (3 * m.T + 2 * rng.normal(size=(rank, units))) / units
    return LeakyRNN(m @ n, 0.3 * rng.normal(size=units), activation="leaky_relu", **options)


def real_patterns(system, patterns):
    """Which of these regions hold their own fixed point, in float64."""
    n = system.dim
    slopes = np.where(patterns, 1.0, system.negative_slope)
    u = np.linalg.solve(
        np.eye(n) - system.W * slopes[:, None, :], np.broadcast_to(system.b[:, None], (*slopes.shape, 1))
    )
    return {on.tobytes() for on in patterns[np.all((u[..., 0] > 0) == patterns, axis=1)]}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_low_rank_against_all_patterns(rank):
    """As many units as can still be enumerated, so that the search in κ misses nothing and invents nothing."""
    patterns, counts = np.array(list(itertools.product((True, False), repeat=11))), []
    for seed in range(8):
        system = low_rank(11, rank, seed, negative_slope=0.2 * (seed % 2))
        factors = low_rank_factors(system)
        kept, left = np.zeros((64, 11), bool), np.zeros((2, 8, rank + 1))
        count, boxes, looked, settled = low_rank_patterns(
            factors.G, factors.V, factors.noise, system.negative_slope, np.int64(100_000), kept, left
        )
        assert settled
        assert boxes == 0
        expected = real_patterns(system, patterns)
        assert expected <= {on.tobytes() for on in kept[:count]}
        points = find_piecewise(system)
        assert points.complete
        assert points.cost.boxes == looked
        assert len(points.fixed_points) == len(expected)
        counts.append(len(expected))
    assert max(counts) >= 2


def test_low_rank_at_sixty_units_against_cells_met_by_a_grid():
    for seed in range(3):
        system = low_rank(60, 2, seed, negative_slope=0.0)
        points = find_piecewise(system)
        assert points.complete
        V = np.linalg.svd(system.W)[2][:2]
        U = system.W @ V.T
        axis = np.linspace(-1, 1, 60)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        kappas = np.concatenate([scale * grid for scale in (1e-2, 0.3, 3.0, 30.0, 1e4)])
        cells = np.unique(kappas @ U.T + system.b > 0, axis=0)
        found = {(system.b + system.W @ p > 0).tobytes() for p in (point.x for point in points.fixed_points)}
        assert real_patterns(system, cells) <= found
        assert all(point.certificate is Certificate.EXISTS_UNIQUE for point in points.fixed_points)


def test_without_bias_all_kinks_meet_and_it_is_said():
    points = find_piecewise(LeakyRNN(np.outer(np.arange(1.0, 13.0), np.ones(12)), np.zeros(12), activation="relu"))
    assert not points.complete
    assert "many kinks meet" in points.unresolved[0].because


def stationary_state(system, signs):
    """Where J_Dᵀf = 0 if the units of these signs (0: at the kink) are so, D open at the kinks; and if it is a minimum.

    Linear in (x, τ), τᵢ = dᵢψᵢ at the kinks: −f + Cᵀ(dψ + τ) = 0, u = 0 at the kinks, in both forms.
    """
    n, W, less, rate = system.dim, system.W, system.negative_slope, system.form == "rate"
    kinks, d = np.flatnonzero(signs == 0), np.where(signs > 0, 1.0, np.where(signs < 0, less, 0.0))
    C, c = (W, system.b) if rate else (np.eye(n), np.zeros(n))
    J, f0 = (d[:, None] * W - np.eye(n), d * system.b) if rate else (W * d - np.eye(n), system.b)
    top = np.hstack([J.T @ J, C[kinks].T])
    bottom = np.hstack([C[kinks], np.zeros((len(kinks),) * 2)])
    solution = np.linalg.solve(np.vstack([top, bottom]), np.concatenate([-J.T @ f0, -c[kinks]]))
    x, tau = solution[:n], solution[n:]
    f, u = J @ x + f0, C @ x + c
    psi = (f if rate else W.T @ f)[kinks]
    return x, f, np.all(u * signs >= 0) and np.all(less * psi <= tau) and np.all(tau <= psi)


@pytest.mark.parametrize(("activation", "form"), KINDS)
def test_ghosts_against_all_places_that_kinks_leave(activation, form):
    seen = 0
    for seed in range(8):
        system = network(4, 2.5, seed, activation=activation, form=form)
        points = find_piecewise(system)
        assert points.ghosts_complete
        expected = []
        for signs in itertools.product((-1, 0, 1), repeat=4):
            x, f, minimum = stationary_state(system, np.array(signs))
            if minimum and np.linalg.norm(f) > 1e-9:
                expected.append(x)
        assert len(points.ghosts) == len(expected)
        for x in expected:
            assert min(np.linalg.norm(ghost.x - x) for ghost in points.ghosts) < 1e-8
        seen += len(expected)
    assert seen >= 3


def test_a_sum_that_overflows_rules_nothing_out():
    """y·b < 0, but c = y − Wᵀy is ∞ with an error of ∞: n, no proof. With smaller numbers the same y is one."""
    on, y = np.array([True]), np.array([1e200])
    assert regions._checked(np.array([[-1e200]]), np.array([-1.0]), 0.0, on, y) == 1
    assert regions._checked(np.array([[-1e10]]), np.array([-1.0]), 0.0, on, y) < 1


@pytest.mark.parametrize("form", ["rate", "current"])
def test_weights_of_all_sizes_are_counted_exactly(form):
    for W, b in (([[1e90, 1.0], [-1.0, 1e-90]], [1.0, -1.0]), ([[-1e60]], [1e-60]), ([[1e-320]], [1e-320])):
        system = LeakyRNN(W, b, activation="relu", form=form)
        points = find_slow_points(system)
        assert points.complete
        assert len(points.fixed_points) == len(exact_fixed_points(system))
