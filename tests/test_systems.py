"""One conformance test for every System, and the toy model's closed forms."""

import math

import numpy as np
import pytest
from flint import arb, arb_series, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import solve_ivp

import dynaghost as dg
from dynaghost.systems import (
    LowRankRNN,
    RankOneCircuit,
    RankOneRNN,
    ResetFirstGRU,
    SaddleNode,
    ScalarSystem,
    critical_rate,
    optimal_r,
)

NUMBERS = np.random.default_rng(3)


def low_rank(rank, form, scale=1.0, units=7):
    m, n, b = NUMBERS.normal(size=(units, rank)), NUMBERS.normal(size=(rank, units)) / scale, NUMBERS.normal(size=units)
    return LowRankRNN(m, n, b, leak=0.25, time="map", form=form, scale=scale)


def rank_one(form, units=7):
    return RankOneRNN(*NUMBERS.normal(size=(3, units)), leak=0.5, form=form)


NETWORKS = {
    f"{form} form, rank {rank}, scale {scale}": low_rank(rank, form, scale)
    for form in ("rate", "current")
    for rank in (1, 2, 3)
    for scale in (1.0, 1 / 7)
}
MORE_NUMBERS = np.random.default_rng(4)
LEAKY = {
    f"{activation}, {form} form": dg.LeakyRNN(
        MORE_NUMBERS.normal(size=(5, 5)),
        MORE_NUMBERS.normal(size=5),
        activation=activation,
        form=form,
        leak=0.5,
        scale=0.8,
    )
    for activation in ("tanh", "sigmoid", "softplus", "relu", "leaky_relu")
    for form in ("rate", "current")
}


def gated(kind, layers, units=3, inputs=2):
    gates = {dg.GRU: 3, ResetFirstGRU: 3, dg.LSTM: 4}[kind] * units
    numbers = MORE_NUMBERS
    return kind(
        [numbers.normal(size=(gates, units)) for _ in range(layers)],
        [numbers.normal(size=(gates, units if k else inputs)) for k in range(layers)],
        bias_hh=[numbers.normal(size=gates) for _ in range(layers)],
        bias_ih=[numbers.normal(size=gates) for _ in range(layers)],
        inputs=numbers.normal(size=inputs),
    )


GATED = {
    f"{kind.__name__}, {layers} layers": gated(kind, layers)
    for kind in (dg.GRU, dg.LSTM, ResetFirstGRU)
    for layers in (1, 3)
}
NETWORKS |= {f"rank one, {form} form": rank_one(form) for form in ("rate", "current")}
SYSTEMS = {
    "saddle-node, r > 0": SaddleNode(0.3),
    "saddle-node, r < 0": SaddleNode(-0.7, leak=0.1, time="map"),
    **NETWORKS,
    **LEAKY,
    **GATED,
    **{f"circuit of {name}": network.latent() for name, network in NETWORKS.items()},
}
SCALAR = {name: system for name, system in SYSTEMS.items() if isinstance(system, ScalarSystem)}

every_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
every_scalar = pytest.mark.parametrize("system", SCALAR.values(), ids=SCALAR.keys())
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


def states(system, number=5, seed=0):
    return np.random.default_rng(seed).normal(size=(number, system.dim))


# Conformance.


def test_scalar_systems_are_the_toy_and_the_rank_one_circuits():
    assert len(SCALAR) == 2 + 2 * 2 + 2
    assert all(isinstance(system, (SaddleNode, RankOneCircuit)) for system in SCALAR.values())


@every_system
@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3), (0,)])
def test_batch_axes_come_first(system, batch):
    x = np.random.default_rng(0).normal(size=(*batch, system.dim))
    assert system.f(x).shape == x.shape
    assert system.step(x).shape == x.shape
    assert system.jacobian(x).shape == (*x.shape, system.dim)
    assert system.second_derivative(x, x, x).shape == x.shape
    assert system.speed(x).shape == batch
    assert system.kinetic_energy(x).shape == batch


@every_system
def test_a_batch_gives_what_its_states_give_alone(system):
    x = states(system)
    for method in (system.f, system.jacobian, system.speed):
        np.testing.assert_allclose(method(x), [method(state) for state in x], rtol=1e-13, atol=1e-14)


@every_system
def test_jacobian_is_the_complex_step_of_f(system):
    for x in states(system):
        steps = x + 1e-30j * np.eye(system.dim)
        np.testing.assert_allclose(system.jacobian(x), system.f(steps).imag.T / 1e-30, rtol=1e-12, atol=1e-13)


@every_system
def test_jacobian_is_the_difference_of_f(system):
    for x in states(system):
        h = 1e-6 * np.eye(system.dim)
        difference = (system.f(x + h) - system.f(x - h)).T / 2e-6
        np.testing.assert_allclose(system.jacobian(x), difference, rtol=1e-6, atol=1e-7)


@every_system
def test_second_derivative_is_the_difference_of_the_jacobian(system):
    for x, u, v in zip(states(system), states(system, seed=1), states(system, seed=2), strict=True):
        difference = (system.jacobian(x + 1e-6 * u) - system.jacobian(x - 1e-6 * u)) @ v / 2e-6
        np.testing.assert_allclose(system.second_derivative(x, u, v), difference, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(system.second_derivative(x, v, u), system.second_derivative(x, u, v), rtol=1e-12)


@every_system
def test_f_is_real_on_the_real_axis_and_conjugate_off_it(system):
    x = states(system)
    z = x + 0.1j * states(system, seed=1)
    np.testing.assert_allclose(system.f(x + 0j), system.f(x), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(system.f(z.conj()), system.f(z).conj(), rtol=1e-13)
    np.testing.assert_allclose(system.jacobian(z.conj()), system.jacobian(z).conj(), rtol=1e-13)
    for state in z:
        h = 1e-6j * np.eye(system.dim)
        difference = (system.f(state + h) - system.f(state - h)).T / 2e-6j
        np.testing.assert_allclose(system.jacobian(state), difference, rtol=1e-6, atol=1e-7)


@every_system
def test_metric_is_symmetric_and_positive_definite_and_defines_the_speed(system):
    np.testing.assert_array_equal(system.metric, system.metric.T)
    root = np.linalg.cholesky(system.metric)
    x = states(system)
    np.testing.assert_allclose(system.speed(x), np.linalg.norm(system.f(x) @ root, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(system.kinetic_energy(x), system.speed(x) ** 2 / 2, rtol=1e-12)


@every_system
def test_a_step_is_leak_times_f(system):
    x = states(system)
    np.testing.assert_allclose(system.step(x), x + system.leak * system.f(x), rtol=1e-14)


@every_system
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), decades=st.floats(-3, 2))
def test_no_second_derivative_exceeds_its_bound(system, seed, decades):
    rng = np.random.default_rng(seed)
    x, radius = rng.normal(size=system.dim) * 3, 10**decades
    bound = system.second_derivative_bound(x, radius)
    d = rng.normal(size=(200, system.dim))
    d /= np.linalg.norm(d, axis=1)[:, None]
    away = rng.normal(size=(200, system.dim))
    away *= radius * rng.uniform(size=(200, 1)) / np.linalg.norm(away, axis=1)[:, None]
    assert np.linalg.norm(system.second_derivative(x + away, d, d), axis=1).max() <= bound


# One dimension.


def ball_taylor(circuit, x, order):
    """Taylor coefficients of f by power series of balls, from tanh u = 1 − 2/(1 + exp 2u)."""
    before, ctx.cap = ctx.cap, order + 1
    try:
        total = arb_series([-arb(x), -1])
        for m, n, b in zip(*(map(float, w) for w in circuit.weights), strict=True):
            u = arb_series([arb(m) * arb(x) + arb(b), m])
            total += arb(n) * (1 - 2 / (1 + (2 * u).exp()))
        return [total[j] for j in range(order + 1)]
    finally:
        ctx.cap = before


@pytest.fixture
def _precise():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


CIRCUITS = {name: system for name, system in SCALAR.items() if isinstance(system, RankOneCircuit)}


@pytest.mark.usefixtures("_precise")
@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS.keys())
@pytest.mark.parametrize("x", [0.0, 0.7, -3.0, 40.0])
def test_taylor_coefficients_are_those_of_the_power_series(circuit, x):
    exact = ball_taylor(circuit, x, 5)
    floats = circuit.taylor(np.float64(x), 5)
    balls = circuit.taylor(arb(x), 5)
    scale = [abs(x) + np.sum(np.abs(circuit.weights[1]) * np.abs(circuit.weights[0]) ** j) for j in range(6)]
    for j in range(6):
        ball = arb(balls[j])
        assert ball.overlaps(arb(exact[j]))
        assert ball.rad() < 1e-60
        assert abs(float(floats[j]) - float(arb(exact[j]).mid())) <= 1e-13 * scale[j]


@every_scalar
def test_vector_methods_are_the_taylor_coefficients(system):
    x = states(system)
    value, slope, half = system.taylor(x, 2)
    np.testing.assert_array_equal(system.f(x), value)
    np.testing.assert_array_equal(system.jacobian(x)[..., 0], slope)
    np.testing.assert_allclose(system.second_derivative(x, 2.0, 3.0), 12 * half)


weights = arrays(float, st.tuples(st.just(3), st.integers(1, 6)), elements=st.floats(-30, 30, allow_subnormal=False))


@settings(max_examples=60, deadline=None)
@given(weights, st.floats(-40, 40), st.floats(0, 20))
def test_no_derivative_exceeds_its_bound_in_balls(mnb, lower, width):
    circuit = RankOneRNN(*mnb).latent()
    bounds = circuit.derivative_bounds(lower, lower + width)
    with np.errstate(over="ignore"):
        steps = [-b / m for m, _, b in mnb.T if m]
    for x in [*np.linspace(lower, lower + width, 7), *(x for x in steps if lower <= x <= lower + width)]:
        exact = ball_taylor(circuit, float(x), 3)
        assert not abs(arb(exact[2]) * 2) > arb(bounds[0])
        assert not abs(arb(exact[3]) * 6) > arb(bounds[1])


@settings(max_examples=60, deadline=None)
@given(weights)
def test_outside_the_slow_interval_f_and_its_slope_keep_their_signs(mnb):
    circuit = RankOneRNN(*mnb).latent()
    lower, upper = circuit.slow_interval()
    signs = circuit.end_signs()
    for end, side, expected in ((lower, -1, signs[0]), (upper, 1, signs[1])):
        for further in (0, 1e-9, 1e-3, 0.1, 1, 10, 1e3, 1e6):
            value, slope = ball_taylor(circuit, end + side * further * max(1, abs(end)), 1)
            assert arb(value) * expected[0] > 0
            assert arb(slope) * expected[1] > 0


@pytest.mark.parametrize("r", [-1e300, -4.0, -1e-300, 0.0, 1e-300, 1.0, 1e300])
def test_outside_the_slow_interval_the_toy_keeps_its_signs(r):
    toy = SaddleNode(r)
    for end, expected in zip(toy.slow_interval(), toy.end_signs(), strict=True):
        for further in (1, 1.5, 1e3):
            value, slope = toy.taylor(arb(end) * further, 1)
            assert arb(value) * expected[0] > 0
            assert arb(slope) * expected[1] > 0


# A network and its circuit.


@every_network
def test_the_circuit_moves_as_the_network_does_over_it(network):
    circuit = network.latent()
    kappa = states(circuit)
    x = circuit.lift(kappa)
    np.testing.assert_allclose(circuit.project(x), kappa, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(circuit.project(network.step(x)), circuit.step(kappa), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(network.speed(x), circuit.speed(kappa), rtol=1e-10)


@every_network
def test_fixed_points_of_the_circuit_lift_to_fixed_points_of_the_network(network):
    circuit = network.latent()
    kappa = np.zeros(circuit.dim)
    for _ in range(400):
        kappa = kappa + 0.05 * circuit.f(kappa)
    for _ in range(60):
        kappa = kappa - np.linalg.solve(circuit.jacobian(kappa), circuit.f(kappa))
    assert np.abs(circuit.f(kappa)).max() < 1e-9
    assert np.abs(network.f(circuit.lift(kappa))).max() < 1e-8


def with_form(form):
    chosen = {name: network for name, network in NETWORKS.items() if network.form == form}
    return pytest.mark.parametrize("network", chosen.values(), ids=chosen.keys())


@with_form("rate")
def test_the_lift_is_the_slowest_state_over_kappa(network):
    circuit = network.latent()
    pseudo_inverse = network.n.T @ np.linalg.inv(network.n @ network.n.T)
    rng = np.random.default_rng(0)
    for kappa in states(circuit):
        x = circuit.lift(kappa)
        np.testing.assert_allclose(network.f(x), pseudo_inverse @ circuit.f(kappa), rtol=1e-9, atol=1e-10)
        for size in (1e-3, 0.1, 3.0):
            aside = rng.normal(size=network.dim) * size
            aside -= pseudo_inverse @ (network.n @ aside)
            assert network.speed(x + aside) >= network.speed(x)


@with_form("current")
def test_the_plane_of_a_current_form_network_is_invariant_and_carries_its_metric(network):
    circuit = network.latent()
    kappa = states(circuit)
    np.testing.assert_allclose(network.f(circuit.lift(kappa)), circuit.f(kappa) @ network.m.T, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(circuit.metric, network.m.T @ network.m, rtol=1e-12)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_dependent_rows_are_merged_to_rank_one(form):
    m, n, b = NUMBERS.normal(size=(6, 2)), NUMBERS.normal(size=(2, 6)), NUMBERS.normal(size=6)
    if form == "rate":
        n[1] = -2 * n[0]
    else:
        m[:, 1] = -2 * m[:, 0]
    network = LowRankRNN(m, n, b, form=form)
    circuit = network.latent()
    assert isinstance(circuit, RankOneCircuit)
    kappa = states(circuit)
    x = circuit.lift(kappa)
    np.testing.assert_allclose(circuit.project(network.f(x) + x), circuit.f(kappa) + kappa, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(network.speed(x), circuit.speed(kappa), rtol=1e-10)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_a_network_without_coupling_decays(form):
    zero = np.zeros((4, 2)) if form == "current" else np.ones((4, 2))
    network = LowRankRNN(zero, np.zeros((2, 4)), np.ones(4), form=form)
    circuit = network.latent()
    assert isinstance(circuit, RankOneCircuit)
    kappa = np.array([[0.0], [2.0]])
    np.testing.assert_array_equal(circuit.f(kappa), -kappa)
    np.testing.assert_array_equal(circuit.metric, np.eye(1))


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9, 1e-12])
def test_nearly_dependent_rows_keep_a_positive_definite_metric(apart):
    n = NUMBERS.normal(size=(2, 9))
    n[1] = n[0] + apart * n[1]
    network = LowRankRNN(NUMBERS.normal(size=(9, 2)), n, NUMBERS.normal(size=9))
    circuit = network.latent()
    assert np.all(np.linalg.eigvalsh(circuit.metric) > 0)
    kappa = states(circuit)
    np.testing.assert_allclose(circuit.speed(kappa), network.speed(circuit.lift(kappa)), rtol=1e-2)


# What is refused.

UNIT = ([1.0], [1.0], [0.0])


@pytest.mark.parametrize(
    ("weights", "options", "says"),
    [
        (([1.0, 2.0], [1.0], [0.0]), {}, "shapes"),
        (([1.0], [1.0], [0.0, 0.0]), {}, "shapes"),
        (([], [], []), {}, "shapes"),
        (([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], np.ones(6), np.zeros(6)), {}, "vector"),
        (([1.0], [1.0], [[0.0]]), {}, "b: expected 1 dimension"),
        ((["one"], [1.0], [0.0]), {}, "m: expected an array of real numbers"),
        ((np.array([1j]), [1.0], [0.0]), {}, "m: expected an array of real numbers"),
        (([1e300], [1.0], [0.0]), {"scale": 1e10}, "scale·m"),
        (UNIT, {"leak": 0.0}, "leak"),
        (UNIT, {"leak": 1.5}, "leak"),
        (UNIT, {"leak": float("nan")}, "leak"),
        (UNIT, {"leak": None, "time": "map"}, "leak"),
        (UNIT, {"time": "epochs"}, "time: expected 'flow' or 'map'"),
        (UNIT, {"form": "voltage"}, "form: expected 'rate' or 'current'"),
        (UNIT, {"scale": 0.0}, "scale"),
        (UNIT, {"scale": float("inf")}, "scale"),
        (UNIT, {"scale": -1.0}, "scale"),
    ],
)
def test_nonsense_is_refused_by_name(weights, options, says):
    with pytest.raises(dg.DynaghostError, match=says):
        RankOneRNN(*weights, **options)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 2), (3,)), ((3, 2), (2, 3), (2,)), ((3, 0), (0, 3), (3,))])
def test_low_rank_shapes_are_refused_with_what_came(shapes):
    with pytest.raises(dg.DynaghostError, match=r"expected shapes .*got \(3, [02]\)"):
        LowRankRNN(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["m", "n", "b"])
def test_the_index_of_a_weight_that_is_not_finite_is_named(name, bad):
    weights = {"m": np.ones(3), "n": np.ones(3), "b": np.ones(3)}
    weights[name][1] = bad
    with pytest.raises(dg.DynaghostError, match=rf"{name}: expected finite numbers, got {bad} at index \(1,"):
        RankOneRNN(**weights)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"r": float("nan")}, "r: "),
        ({"r": float("inf")}, "r: "),
        ({"r": 1.0, "leak": 2}, "leak"),
        ({"r": 1.0, "time": "x"}, "time"),
    ],
)
def test_a_nonsensical_saddle_node_is_refused(arguments, says):
    with pytest.raises(dg.DynaghostError, match=says):
        SaddleNode(**arguments)


def test_step_without_a_leak_is_refused():
    with pytest.raises(dg.DynaghostError, match="leak"):
        SaddleNode(1.0, leak=None).step(np.zeros(1))


# The toy model's answers.

decades = st.floats(-280, 280).map(lambda e: 10.0**e)
moderate = st.floats(-12, 12).map(lambda e: 10.0**e)
delays = st.floats(-3, 5).map(lambda e: 10.0**e)


@given(decades)
def test_fixed_points_are_the_roots_of_minus_r(size):
    toy = SaddleNode(-size)
    for x, eigenvalue in zip(toy.fixed_points, toy.eigenvalues, strict=True):
        assert x * x == pytest.approx(size, rel=1e-15)
        assert eigenvalue == 2 * x
    assert toy.fixed_points[0] < 0 < toy.fixed_points[1]
    assert (toy.complex_point, toy.passage_time, toy.escape_time) == (None, None, math.inf)


@given(decades)
def test_the_complex_point_is_a_zero_of_f_and_half_the_passage_is_the_escape(r):
    toy = SaddleNode(r)
    assert toy.fixed_points == toy.eigenvalues == ()
    assert toy.complex_point.real == 0
    assert (toy.complex_point**2).real == pytest.approx(-r, rel=1e-15)
    assert toy.passage_time == pytest.approx(2 * toy.escape_time, rel=1e-15)
    assert float(arb.pi() / arb(r).sqrt()) == pytest.approx(toy.passage_time, rel=1e-14)


@settings(deadline=None)
@given(st.floats(-8, 8).map(lambda e: 10.0**e), st.floats(0.01, 0.95), st.booleans())
def test_the_solution_is_scipys(size, fraction, positive):
    toy = SaddleNode(size if positive else -size)
    t = fraction * (toy.escape_time if positive else 3 / math.sqrt(size))
    # In units of √|r| the equation is the same for every r.
    unit = math.sqrt(size)
    answer = solve_ivp(lambda _, x: x**2 + (1 if positive else -1), (0, t * unit), [0.0], rtol=1e-10, atol=1e-12)
    assert toy.solution(t) == pytest.approx(unit * answer.y[0, -1], rel=1e-6)


def test_the_solution_leaves_at_the_escape_time_and_stays_at_a_double_root():
    assert SaddleNode(4.0).solution(math.pi / 4) == math.inf
    assert SaddleNode(0.0).solution(7.0) == 0


@given(delays, st.floats(0.2501, 1e4).filter(lambda ratio: abs(ratio - 1) > 1e-3))
def test_loss_and_gradient_agree_with_differences(delay, ratio):
    r = ratio * optimal_r(delay)
    toy = SaddleNode(r)
    assert toy.loss(delay) == pytest.approx(abs(delay - math.pi / 2 / math.sqrt(r)), rel=1e-12)
    h = 1e-5 * r
    difference = (SaddleNode(r + h).loss(delay) - SaddleNode(r - h).loss(delay)) / (2 * h)
    assert toy.loss_gradient(delay) == pytest.approx(difference, rel=1e-6)


@given(delays, st.floats(-1e6, 0.2499))
def test_below_a_quarter_of_the_optimum_nothing_is_learned(delay, ratio):
    toy = SaddleNode(ratio * optimal_r(delay))
    assert (toy.loss(delay), toy.loss_gradient(delay)) == (delay, 0.0)


@given(delays)
def test_at_the_optimum_the_loss_is_zero_and_its_slopes_are_opposite(delay):
    best = optimal_r(delay)
    assert SaddleNode(best).loss(delay) <= 1e-15 * delay
    slope = 2 * delay**3 / math.pi**2
    assert SaddleNode(best * (1 + 1e-12)).loss_gradient(delay) == pytest.approx(slope, rel=1e-9)
    assert SaddleNode(best * (1 - 1e-12)).loss_gradient(delay) == pytest.approx(-slope, rel=1e-9)


def descend(r, rate, delay, epochs):
    """r at every epoch of gradient descent."""
    path = [r]
    for _ in range(epochs):
        r = r - rate * SaddleNode(r).loss_gradient(delay)
        path.append(r)
    return np.array(path)


@settings(max_examples=40, deadline=None)
@given(delays, st.floats(0.01, 0.999), st.floats(0.25, 20).map(lambda x: x * 1.0000001))
def test_below_the_critical_rate_no_start_reaches_the_no_learning_zone(delay, share, ratio):
    path = descend(ratio * optimal_r(delay), share * critical_rate(delay), delay, 400)
    assert path.min() >= optimal_r(delay) / 4


@given(delays, st.floats(1.001, 100))
def test_above_the_critical_rate_one_step_from_just_above_the_optimum_is_fatal(delay, share):
    start = optimal_r(delay) * (1 + 1e-9)
    _, after = descend(start, share * critical_rate(delay), delay, 1)
    assert after < optimal_r(delay) / 4
    assert SaddleNode(after).loss_gradient(delay) == 0


@given(delays)
def test_the_critical_step_from_the_optimum_ends_at_its_quarter(delay):
    best = optimal_r(delay)
    assert best - critical_rate(delay) * 2 * delay**3 / math.pi**2 == pytest.approx(best / 4, rel=1e-12)


def test_anchors_of_the_paper():
    best = optimal_r(100)
    assert best == pytest.approx(2.4674011e-4, rel=1e-7)
    assert critical_rate(100) == pytest.approx(9.1321023e-10, rel=1e-7)
    slow = descend(10 * best, 1e-10, 100, 3000)
    assert np.argmax(slow < best) == 1538
    assert slow.min() > 0
    fast = descend(10 * best, 1e-9, 100, 3000)
    assert fast[-1] / best == pytest.approx(0.2446, abs=5e-5)
    assert SaddleNode(fast[-1]).loss_gradient(100) == 0
    barely = descend(10 * best, 1.001 * critical_rate(100), 100, 10_000)
    assert barely.min() / best == pytest.approx(0.252, abs=5e-4)
