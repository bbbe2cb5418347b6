"""The complete search in one dimension against an independent judge: every claim proved again, or nothing claimed."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from balls import Judge, UnsureError, check, judge
from flint import arb, ctx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from problems import (
    BEYOND,
    EXACT,
    REFUSED,
    beside_birth,
    beside_fold,
    fold,
    fold_table,
    network,
    pitchfork,
    sum_of_products,
)

import dynaghost as dg
from dynaghost.kernels import line, sums
from dynaghost.slowpoints import Certificate, find_slow_points
from dynaghost.slowpoints.records import PassageFrom
from dynaghost.slowpoints.scalar import find_circuits
from dynaghost.slowpoints.search_outcome import Status
from dynaghost.systems import LowRankRNN, RankOneRNN, SaddleNode
from dynaghost.trajectories.census import census

U = 2.0**-53


@pytest.fixture(autouse=True)
def _precision():
    before, ctx.prec = ctx.prec, 200
    yield
    ctx.prec = before


@st.composite
def networks(draw, most=40, decades=3.0):
    """Weights over many scales, with neurons duplicated, opposite and cancelling."""
    units = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.3, 1.0, decades]))
    gain = draw(st.sampled_from([0.3, 1.0, 2.0, 5.0]))
    m, n, b = rng.normal(size=(3, units)) * 10 ** rng.uniform(-spread, spread, (3, units))
    n *= gain / math.sqrt(units)
    b *= draw(st.sampled_from([0, 1, 1, 3]))
    half = units // 2
    if half and draw(st.booleans()):
        m[:half], b[:half] = m[half : 2 * half], b[half : 2 * half]
        n[:half] = draw(st.sampled_from([1.0, -1.0, -0.5])) * n[half : 2 * half]
    return RankOneRNN(m, n, b)


def counts(points):
    return len(points.fixed_points), len(points.ghosts)


def places(points):
    return [float(p.x[0]) for p in points.fixed_points], [float(g.x[0]) for g in points.ghosts]


# Against the judge.


def judged(system):
    """The judge's structure; an example on which it is unsure itself (3 in 1000) says nothing."""
    try:
        return judge(system)
    except UnsureError:
        assume(False)


@settings(max_examples=100, deadline=None)
@given(networks())
def test_every_claim_about_a_random_network_is_true(system):
    check(find_slow_points(system), judged(system))


# Few random networks have a fold within reach.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(networks(most=8, decades=1.0), st.integers(0, 2**32))
def test_networks_whose_parameters_are_pushed_to_a_fold_or_a_birth(system, seed):
    """One critical value, or one extreme value of f', is moved to within 10⁻²⁰ … 10⁻¹ of 0 by a constant or a slope."""
    rng = np.random.default_rng(seed)
    truth = judged(system)
    assume(truth.criticals)
    chosen = truth.criticals[rng.integers(len(truth.criticals))]
    m, n, b = system.m[:, 0], system.n[0], system.b
    size = rng.choice([-1, 1]) * 10 ** rng.uniform(-20, -1)
    for _ in range(3):
        missing = float((arb(size) - Judge(m, n, b).at(arb(chosen.z.mid()))).mid())
        m, n, b = np.append(m, 0.0), np.append(n, missing), np.append(b, 700.0)
    pushed = network(m, n, b)
    check(find_slow_points(pushed), judged(pushed))


def test_the_judge_knows_a_few_answers():
    truth = judge(network(1.0, 2.0, 0.0))
    assert [round(float(z), 6) for z in truth.roots] == [-1.915008, 0.0, 1.915008]
    assert [(c.sign, c.turn) for c in truth.criticals] == [(-1, 1), (1, -1)]
    truth = judge(network(5.0, 1.0, -50.0))
    assert [round(float(c.z), 4) for c in truth.ghosts] == [10.2887]
    with pytest.raises(UnsureError):
        judge(network(1.0, 1.0, 0.0))


# Known answers.


@pytest.mark.parametrize("problem", EXACT, ids=str)
def test_known_problems_are_decided_as_they_are(problem):
    points = find_slow_points(problem.system)
    assert (points.complete, points.ghosts_complete, points.status) == (True, True, Status.FINISHED)
    assert points.unresolved == ()
    assert points.undecided == len(problem.degenerate)
    assert counts(points) == (problem.fixed_points, problem.ghosts)
    found, ghosts = places(points)
    if problem.at:
        assert found == pytest.approx(problem.at, rel=1e-9, abs=1e-12)
    if problem.ghosts_at:
        assert ghosts == pytest.approx(problem.ghosts_at, rel=1e-7, abs=1e-12)
    assert [i for i, p in enumerate(points.fixed_points) if p.degenerate] == list(problem.degenerate)
    assert (points.index_sum is None) == bool(problem.degenerate)


@pytest.mark.parametrize("problem", [p for p in EXACT if p.degenerate], ids=str)
def test_a_multiple_root_is_one_point_without_stability_that_claims_nothing(problem):
    points = find_slow_points(problem.system)
    (point,) = points.fixed_points
    assert point.certificate is Certificate.UNDECIDED
    assert (point.stable, point.stability, points.index_sum) == (None, "degenerate", None)
    assert "double or triple" in point.undecided_because


@pytest.mark.parametrize("problem", BEYOND, ids=str)
def test_what_floats_cannot_state_is_left_open_and_nothing_false_is_claimed(problem):
    points = find_slow_points(problem.system)
    assert points.undecided > 0 or not points.complete
    proved = [p for p in points.fixed_points if p.certificate is Certificate.EXISTS_UNIQUE]
    assert all(min(abs(float(p.x[0]) - x) for x in problem.at) <= 1e-9 * max(1, abs(float(p.x[0]))) for p in proved)
    assert counts(points) == (problem.fixed_points, problem.ghosts) or not points.complete


def test_weights_near_the_largest_float_do_not_overflow():
    points = find_slow_points(network(1e-307, 1e308, 0.0))
    assert (points.complete, points.ghosts_complete) == (True, True)
    assert places(points) == (pytest.approx([-1e308, 0, 1e308], rel=1e-6), [])


@pytest.mark.parametrize(
    "weights",
    [([1e-307] * 2, [1e308] * 2, [0.0] * 2), ([1e-307] * 2, [1.7e308] * 2, [0.0] * 2), (1e-300, 1e301, -1e10)],
    ids=["fixed points at 2e308", "fixed points at 3e308", "a ghost at 1e310"],
)
def test_what_lies_beyond_the_largest_float_is_left_open(weights):
    points = find_slow_points(network(*weights))
    assert (points.complete, points.ghosts_complete, points.status) == (False, False, Status.PRECISION)
    assert "beyond the largest float" in {part.because for part in points.unresolved}
    proved = [p for p in points.fixed_points if p.certificate is Certificate.EXISTS_UNIQUE]
    assert len(proved) == 1
    assert abs(float(proved[0].x[0])) < 1e302


@pytest.mark.parametrize("weights", REFUSED)
def test_weights_that_are_not_finite_are_refused(weights):
    with pytest.raises(dg.DynaghostError, match="finite"):
        network(*weights)


@pytest.mark.parametrize(("b", "roots"), fold_table())
def test_each_side_of_the_fold_to_the_last_digit(b, roots):
    system = network(1.5, 1.0, b)
    points = find_slow_points(system)
    assert counts(points) == (roots, 0 if roots == 3 else 1)
    check(points, judge(system))


@pytest.mark.parametrize("depth", [5, 9, 13, 17, 21, 25, 29])
@pytest.mark.parametrize("side", [1, -1])
def test_folds_far_nearer_than_rounding_are_decided(depth, side):
    system = beside_fold(depth, side)
    points = find_slow_points(system)
    check(points, judge(system))
    assert counts(points) == ((3, 0) if side > 0 else (1, 1))


@pytest.mark.parametrize("depth", [33, 60, 150, 290])
def test_roots_nearer_than_two_floats_are_not_claimed_to_be_separate(depth):
    assert counts(find_slow_points(beside_fold(depth, -1))) == (1, 1)
    points = find_slow_points(beside_fold(depth, 1))
    assert not points.complete
    assert points.index_sum is None
    assert points.undecided > 0
    assert all("closer" in p.undecided_because for p in points.fixed_points if p.certificate is Certificate.UNDECIDED)


@pytest.mark.parametrize("depth", [6, 12, 18, 20, 26, 31, 33, 40])
@pytest.mark.parametrize("b", [-0.45, -1.2345])
def test_births_of_a_ghost_far_nearer_than_rounding_are_decided(depth, b):
    for side, ghosts in ((1, 1), (-1, 0)):
        points = find_slow_points(beside_birth(depth, side, b))
        assert (points.complete, points.ghosts_complete) == (True, True)
        assert counts(points) == (1, ghosts)
        assert places(points)[1] == pytest.approx([-b / 1.5 + side * 10 ** (-depth / 2) / 1.5] * ghosts, rel=1e-5)


def test_a_ghosts_passage_time_is_right_to_the_last_digit_of_its_bias():
    """π/√(μa): at the fold 1.5·sech² = 1, so f = (b − b_c)/1.5 and ½f'' = 1.5·√⅓ whatever b is."""
    exact, previous = fold(), math.inf
    first = math.nextafter(float(exact.mid()), 1)
    sources = []
    for ulps in (1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 40, 90, 250, 500, 5000):
        b = first + (ulps - 1) * math.ulp(first)
        (ghost,) = find_slow_points(network(1.5, 1.0, b)).ghosts
        expected = arb.pi() / ((arb(b) - exact) * arb(3).rsqrt()).sqrt()
        assert ghost.passage_time == pytest.approx(float(expected), rel=0.01)
        assert ghost.passage_time < previous
        previous = ghost.passage_time
        sources.append(ghost.passage_from)
    assert (sources[0], sources[-1]) == (PassageFrom.ESTIMATE, PassageFrom.PAIR)


@pytest.mark.parametrize("exponent", [-2, -5, -8, -11, -13, -14, -15])
@pytest.mark.parametrize("units", [1, 7])
def test_near_pitchforks_of_odd_networks(exponent, units):
    for side in (1, -1):
        system = pitchfork(side * 10.0**exponent, units)
        points = find_slow_points(system)
        assert points.complete
        above = sum_of_products(system) > 1
        assert counts(points) == (3 if above else 1, 0)
        assert places(points)[0][len(points.fixed_points) // 2] == 0
        found = np.array(places(points)[0])
        np.testing.assert_allclose(found, -found[::-1], rtol=1e-9)


@pytest.mark.parametrize("exponent", [-1, -10, -100, -300, -305])
def test_the_toys_ghost_costs_the_same_however_faint(exponent):
    toy = SaddleNode(10.0**exponent)
    points = find_slow_points(toy)
    (ghost,) = points.ghosts
    assert (ghost.speed, ghost.certificate) == (toy.r, Certificate.ROOT_FREE)
    assert ghost.radius == pytest.approx(math.sqrt(toy.r), rel=1e-6)
    assert ghost.passage_time == pytest.approx(toy.passage_time, rel=1e-12)
    assert points.cost.ball_evaluations < 100


# What does not change the dynamics does not change the answer.


def moved(system, change):
    return RankOneRNN(*change(system.m[:, 0], system.n[0], system.b))


@settings(max_examples=15, deadline=None)
@given(networks(most=12, decades=1.5), st.integers(-6, 6), st.integers(0, 1000))
def test_reparametrizations_leave_the_structure_alone(system, power, seed):
    def permute(m, n, b):
        order = np.random.default_rng(seed).permutation(len(m))
        return m[order], n[order], b[order]

    def split(m, n, b):
        return np.append(m, m), np.append(n / 4, n * 3 / 4), np.append(b, b)

    scale = 2.0**power
    expected = find_slow_points(system)
    fixed, ghosts = (np.array(x) for x in places(expected))
    size = 1e-6 * (1 + np.abs(system.n).sum())
    for change, factor in (
        (permute, 1.0),
        (split, 1.0),
        (lambda m, n, b: (-m, -n, -b), 1.0),
        (lambda m, n, b: (m, n, -b), -1.0),
        (lambda m, n, b: (m / scale, n * scale, b), scale),
    ):
        found = find_slow_points(moved(system, change))
        assert counts(found) == counts(expected)
        assert (found.complete, found.index_sum) == (True, 1)
        np.testing.assert_allclose(
            np.sort(places(found)[0]), np.sort(factor * fixed), rtol=1e-6, atol=size * abs(factor)
        )
        assert np.sign(places(found)[1]).sum() * np.sign(factor) == pytest.approx(np.sign(ghosts).sum())


@settings(max_examples=25, deadline=None)
@given(networks(most=10, decades=1.0), st.sampled_from(["rate", "current"]), st.floats(0.05, 1))
def test_a_network_and_its_circuit_have_the_same_points_and_a_map_its_own_rules(system, form, leak):
    weights = system.m[:, 0], system.n[0], system.b
    flow = find_slow_points(RankOneRNN(*weights, form=form, leak=leak))
    for other in (RankOneRNN(*weights, form=form, leak=leak).latent(), LowRankRNN(*weights, form=form, leak=leak)):
        assert places(find_slow_points(other)) == places(flow)
    as_map = find_slow_points(RankOneRNN(*weights, form=form, leak=leak, time="map"))
    assert places(as_map) == places(flow)
    for one, two in zip(flow.fixed_points, as_map.fixed_points, strict=True):
        multiplier = 1 + leak * one.eigenvalues[0]
        assert two.multipliers[0] == pytest.approx(multiplier, rel=1e-12)
        assert one.stable == (one.eigenvalues[0] < 0)
        assert two.stable == (abs(multiplier) < 1)
        assert ("flip" in two.stability) == (multiplier < 0)
        assert two.stability.startswith("stable" if two.stable else "unstable")


def test_a_slow_but_hyperbolic_fixed_point_of_a_map_keeps_its_stability():
    # The multiplier 1 + leak·λ rounds to 1, and λ has a proved sign.
    points = find_slow_points(RankOneRNN([1.0], [1 - 2.0**-53], [0.0], leak=0.25, time="map"))
    (point,) = points.fixed_points
    assert point.eigenvalues[0] < 0
    assert (point.stable, point.stability) == (True, "stable node")


# Budgets.


@pytest.mark.parametrize("budget", [0, 1, 2, 5, 13, 40])
@pytest.mark.parametrize("b", [0.2, 0.20754645532203, 0.3])
def test_a_budget_stops_the_search_and_what_it_left_is_listed(budget, b):
    # Large weights that cancel keep float64 from deciding.
    system = network([1.5, 3.0, 3.0], [1.0, 1e12, -1e12], [b, 0.5, 0.5])
    points = find_slow_points(system, budget=budget)
    if points.complete:
        pytest.fail("the budget was enough")
    assert points.status is Status.BUDGET
    assert not points.ghosts_complete
    assert points.unresolved
    truth = judge(network(1.5, 1.0, b))
    listed = [(float(part.lower[0]), float(part.upper[0])) for part in points.unresolved]
    listed += [(float(p.x[0]) - p.radius, float(p.x[0]) + p.radius) for p in points.fixed_points]
    for z in [*truth.roots, *(c.z for c in truth.ghosts)]:
        near = [float(g.x[0]) for g in points.ghosts]
        assert any(low <= z <= high for low, high in listed) or any(abs(float(z) - g) < 1e-9 for g in near)
    for point in points.fixed_points:
        if point.certificate is Certificate.EXISTS_UNIQUE:
            assert any(abs(r - arb(float(point.x[0]))) <= point.radius for r in truth.roots)


# Runs.


@pytest.mark.parametrize("folder", ["data/fig3a_ghost", "data/fig3b_stuck"])
def test_carrying_certificates_through_a_run_changes_nothing(folder, request):
    run = dg.load_run(request.config.rootpath / folder)
    circuits = [dg.as_system(checkpoint.path).latent() for checkpoint in run]
    carried, searched = (find_circuits(circuits, carry=carry) for carry in (True, False))
    assert not any(points.cost.carried for points in searched)
    for one, two in zip(carried, searched, strict=True):
        assert counts(one) == counts(two)
        assert (one.complete, one.ghosts_complete) == (two.complete, two.ghosts_complete) == (True, True)
        for a, b in zip(one.points, two.points, strict=True):
            assert float(a.x[0]) == pytest.approx(float(b.x[0]), abs=1e-6)
    for index in np.linspace(0, len(circuits) - 1, 6).astype(int):
        check(carried[index], judge(circuits[index]))


def test_certificates_are_carried_along_small_steps():
    rng = np.random.default_rng(0)
    m, n, b = rng.normal(size=(3, 50)) * [[1.0], [0.6], [0.5]]
    steps = np.cumsum(rng.normal(size=(200, 3, 50)) * 2e-5, axis=0)
    circuits = [RankOneRNN(m + dm, n + dn, b + db).latent() for dm, dn, db in steps]
    carried, searched = (find_circuits(circuits, carry=carry) for carry in (True, False))
    assert sum(points.cost.carried for points in carried) > 150
    assert [counts(p) for p in carried] == [counts(p) for p in searched]


def test_a_unit_that_turns_over_is_not_carried():
    # m and n of the second unit change sign, nm stays: the bump of f' jumps from κ = −5000 to κ = 5000.
    before = RankOneRNN([1e-3, 1e-3, 10.0], [900.0, 900.0, 1e-9], [-5.0, 5.0, 0.0])
    after = RankOneRNN([1e-3, -1e-3, 10.0], [900.0, -900.0, 1e-9], [-5.0, 5.0, 0.0])
    carried = find_circuits([before.latent(), after.latent()], carry=True)
    assert [counts(points) for points in carried] == [(1, 0), (1, 1)]


# Room.


def staircase(units, seed=0):
    """A step a unit, one beside the other, each with a maximum and a minimum of f."""
    rng = np.random.default_rng(seed)
    at = np.arange(units) - units / 2 + rng.uniform(-0.3, 0.3, units)
    m = rng.uniform(6, 12, units) * rng.choice([-1, 1], units)
    return network(m, np.sign(m) * rng.uniform(0.4, 0.6, units), -m * at)


def test_more_critical_points_than_there_is_room_for_at_first_are_no_case_for_balls():
    system, truth = staircase(36), judge(staircase(36))
    assert len(truth.criticals) > line.MOST
    few = network(np.r_[1.5, np.zeros(35)], np.ones(36), np.r_[0.25, np.zeros(35)])
    mixed = find_circuits([s.latent() for s in (few, system, few)])
    assert [points.cost.ball_evaluations for points in mixed] == [0, 0, 0]
    assert [counts(points) for points in mixed] == [(1, 1), (len(truth.roots), len(truth.ghosts)), (1, 1)]
    check(mixed[1], truth)
    stacks = (np.stack([w, w]) for w in system.latent().weights)
    (found,) = census([tuple(stacks)])
    assert found.by_balls.tolist() == [False, False]
    assert found.ghosts.tolist() == [len(truth.ghosts)] * 2
    assert found.complete.all()


def test_what_lacks_room_says_so_and_what_float64_cannot_decide_says_otherwise():
    def status(system, most):
        rows = [w[None] for w in system.latent().weights]
        found = np.empty(1, np.int64), np.empty((1, 4), np.int64)
        room = np.empty((1, most, 7)), np.empty((1, most + 1, 6)), np.empty((1, 7))
        line.structures(*rows, False, *found, *room)
        return int(found[0][0]), int(found[1][0, 0])

    assert [status(staircase(4), most) for most in (1, 3, 7)] == [(line.NO_ROOM, 0)] * 3
    assert [status(staircase(4), most) for most in (8, 40)] == [(line.DECIDED, 8)] * 2
    assert status(network(1.0, 1.0, 0.0), line.MOST) == (line.UNDECIDED, 0)
    # Critical points so far away that the ends of parts are rounded by more than the margins allow for.
    assert status(network(1.0, 2.0, -1e5), 2048) == (line.DECIDED, 2)
    assert status(network(1.0, 2.0, -5e6), 2048) == (line.UNDECIDED, 0)


# The constants and bounds of the kernel.


def polynomials():
    """tanh⁽ʲ⁾ as polynomials in t = tanh u, j = 0 … 6, from d/du = (1 − t²)d/dt."""
    p = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(7):
        yield p
        p = p.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])


def proved_below(polynomial, bound, low, high, depth=0):
    """|polynomial| ≤ bound on [low, high], by halving in balls with exact integer coefficients."""
    if depth > 40:
        return False
    t, value = arb(low).union(arb(high)), arb(0)
    for c in polynomial.coef[::-1]:
        value = value * t + arb(float(c))
    if abs(value) <= bound:
        return True
    if abs(value) > bound:
        return False
    middle = (low + high) / 2
    halves = ((low, middle), (middle, high))
    return all(proved_below(polynomial, bound, *half, depth + 1) for half in halves)


DERIVATIVES = list(polynomials())


@pytest.mark.parametrize(
    ("polynomial", "bound"),
    [
        (DERIVATIVES[2], arb(line.TANH_SECOND)),
        (DERIVATIVES[6], 720 * arb(line.TANH_SIXTH)),
        (DERIVATIVES[6] // DERIVATIVES[1], 720 * arb(line.TANH_SIXTH_LOCAL)),
    ],
    ids=["second", "sixth", "sixth over sech²"],
)
def test_the_suprema_of_tanhs_derivatives_are_proved_and_sharp(polynomial, bound):
    assert proved_below(polynomial, bound, -1.0, 1.0)
    assert not proved_below(polynomial, bound * arb("0.99"), -1.0, 1.0)


def exact_sums(m, n, b, x):
    """f … f''' in balls."""
    total = [-arb(x), arb(-1), arb(0), arb(0)]
    for mi, ni, bi in zip(m.tolist(), n.tolist(), b.tolist(), strict=True):
        u = arb(mi) * arb(x) + arb(bi)
        t, s = u.tanh(), 1 / u.cosh() ** 2
        for j, term in enumerate((t, s, -2 * t * s, s * (6 * t * t - 2))):
            total[j] += arb(ni) * arb(mi) ** j * term
    return total


@pytest.mark.parametrize("units", [1, 13, 300, 10_000])
@pytest.mark.parametrize("kind", ["plain", "cancelling argument", "saturated", "cancelling sum"])
def test_sums_stay_within_their_bound_on_hostile_inputs(units, kind):
    rng = np.random.default_rng(units)
    m, n, b = rng.normal(size=(3, units)) * [[2.0], [1.0], [1.0]]
    x = 1.7
    if kind == "cancelling argument":
        m *= 10 ** rng.uniform(2, 8, units)
        b = -m * x * (1 + rng.normal(size=units) * 1e-8)
    elif kind == "saturated":
        b = rng.choice([-1, 1], units) * rng.uniform(15, 400, units)
    elif kind == "cancelling sum":
        m, b = np.repeat(m[: (units + 1) // 2], 2)[:units], np.repeat(b[: (units + 1) // 2], 2)[:units]
        n = 1e8 * np.where(np.arange(units) % 2, 1.0, -1.0) + n
    m, n = np.abs(m), n * np.where(m < 0, -1, 1)
    b = np.ascontiguousarray(b)
    powers = np.array([n * m**j for j in range(7)])
    found = sums.derivatives(m, b, *powers[:4], x)
    piece = sums.taylor_piece(m, b, powers, x)
    exact = exact_sums(m, n, b, x)
    for j in range(4):
        bound = line.rounding(units, float(np.abs(powers[j]).sum()), (x, 1.0, 0.0, 0.0)[j])
        assert abs(arb(found[j]) - exact[j]) <= arb(bound) * math.factorial(j)
        assert abs(arb(piece[j]) * math.factorial(j) - exact[j]) <= arb(bound) * math.factorial(j)


pairs = st.tuples(st.integers(0, 2**32), st.floats(-4, 1), st.floats(0.1, 10))


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_no_place_between_two_networks_differs_by_more_than_the_drift(pair):
    seed, decades, reach = pair
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(3, 3)) * 10 ** rng.uniform(-1, 1, (3, 3))
    second = first + rng.normal(size=(3, 3)) * 10**decades * rng.choice([0, 1], (3, 3))
    if rng.random() < 0.3:
        second[:2, 0] = -first[:2, 0]
    bounds = line.drift(*first, *second, reach)
    for s, x in itertools.product(np.linspace(0, 1, 6), np.linspace(-reach, reach, 7)):
        here = [first[k] + s * (second[k] - first[k]) for k in range(3)]
        change = [a - b for a, b in zip(exact_sums(*here, x), exact_sums(*first, x), strict=True)]
        for j in range(3):
            assert not abs(change[j]) > arb(bounds[j]) + 1e-12


# A test of the tests.


def sabotaged(factor, system):
    """The zeros of f' by bisection with Taylor polynomials whose remainder is `factor` times what it must be."""
    m, n, b = system.m[:, 0], system.n[0], system.b
    judge_of = Judge(m, n, b)
    sixth = factor * 0.0727 * float(np.abs(n) @ np.abs(m) ** 6)
    low, high, found = [-judge_of._reach()], [judge_of._reach()], 0
    while low:
        a, c = low.pop(), high.pop()
        h, middle = (c - a) / 2, (a + c) / 2
        terms = [
            float(np.polyval(DERIVATIVES[j].coef[::-1], np.tanh(m * middle + b)) @ (n * m**j)) for j in range(1, 6)
        ]
        terms[0] -= 1
        rest = sum(abs(t) * h**k / math.factorial(k) for k, t in enumerate(terms) if k) + 6 * sixth * h**5
        bend = (
            sum(abs(t) * h ** (k - 1) / math.factorial(k - 1) for k, t in enumerate(terms) if k > 1) + 30 * sixth * h**4
        )
        if abs(terms[0]) > rest:
            continue
        if abs(terms[1]) > bend:
            found += judge_of._slope_sign(a) != judge_of._slope_sign(c)
        else:
            low += [a, middle]
            high += [middle, c]
    return found


def test_a_remainder_that_is_too_small_would_be_noticed():
    rng = np.random.default_rng(5)
    missed = {1.0: 0, 1e-4: 0}
    for _ in range(40):
        m, n, b = rng.normal(size=(3, 4)) * [[4.0], [1.0], [3.0]]
        system = RankOneRNN(m, n, b)
        truth = judge(system)
        for factor in missed:
            missed[factor] += sabotaged(factor, system) != len(truth.criticals)
    assert missed[1.0] == 0
    assert missed[1e-4] > 0


def shifted(point):
    """The same fixed point, reported a little beside where its radius allows it."""
    return replace(point, x=point.x + 3 * point.radius)


FALSE = {
    "the answer for another b": lambda points: find_slow_points(network(1.5, 1.0, 0.21)),
    "a wrong index sum": lambda points: replace(points, index_sum=3),
    "a root dropped": lambda points: replace(points, fixed_points=points.fixed_points[:-1]),
    "roots beside their radius": lambda points: replace(points, fixed_points=tuple(map(shifted, points.fixed_points))),
    "a unique radius that holds two": lambda points: replace(
        points, fixed_points=tuple(replace(p, unique_radius=5.0) for p in points.fixed_points)
    ),
}


@pytest.mark.parametrize("falsify", FALSE.values(), ids=FALSE.keys())
def test_a_false_answer_does_not_pass_the_check(falsify):
    system = network(1.5, 1.0, 0.2)
    truth, points = judge(system), find_slow_points(system)
    check(points, truth)
    with pytest.raises(AssertionError):
        check(falsify(points), truth)
