"""LeakyRNN and latent circuits against torch and balls; what the proofs of enclosures and bounds rest on."""

import numpy as np
import pytest
import torch
from flint import arb, arb_mat, ctx
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import root

import dynaghost as dg
from dynaghost.systems import Activation
from dynaghost.systems.activation import Curve
from dynaghost.systems.bounds import Reach, bend_bound, slope_bound, upper_norm
from dynaghost.systems.jets import Jet
from dynaghost.systems.rounding import Bounded

ACTIVATIONS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "relu": torch.relu,
    "leaky_relu": lambda u: torch.nn.functional.leaky_relu(u, 0.2),
}
SMOOTH = ("tanh", "sigmoid", "softplus")
every_kind = pytest.mark.parametrize("activation", ACTIVATIONS)
every_form = pytest.mark.parametrize("form", ["rate", "current"])


def network(activation, form="rate", units=6, gain=1.5, seed=0):
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(units, units)) * gain / np.sqrt(units), rng.normal(size=units)
    return dg.LeakyRNN(W, b, activation=activation, form=form, negative_slope=0.2, leak=0.5)


@pytest.fixture
def precise():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


def balls(x):
    return np.array([arb(float(v)) for v in np.ravel(x)], dtype=object)


def assert_holds(exact, mid, rad):
    assert mid.shape == rad.shape == exact.shape
    assert all(abs(e - arb(float(m))) <= arb(float(r)) for e, m, r in zip(exact.flat, mid.flat, rad.flat, strict=True))


@every_kind
@every_form
@pytest.mark.parametrize("count", [1, 3])
def test_the_order_of_weights_and_states_in_memory_changes_nothing(activation, form, count):
    system = network(activation, form)
    turned = type(system)(np.asfortranarray(system.W), system.b, activation=activation, form=form, negative_slope=0.2)
    x = np.random.default_rng(2).normal(size=(count, system.dim))
    for states in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(turned.jacobian(states), system.jacobian(x))
        np.testing.assert_array_equal(system.jacobian(states), system.jacobian(x))
    # Nor does it where no constructor put the weights in order.
    system.W = np.asfortranarray(system.W)
    np.testing.assert_array_equal(system.jacobian(x), turned.jacobian(x))


@every_kind
@every_form
def test_values_jacobians_and_second_derivatives_are_torchs(activation, form):
    system, phi = network(activation, form), ACTIVATIONS[activation]
    W, b = torch.tensor(system.W), torch.tensor(system.b)

    def f(x):
        return -x + (phi(W @ x + b) if form == "rate" else W @ phi(x) + b)

    rng = np.random.default_rng(1)
    for x, u, v in rng.normal(size=(4, 3, system.dim)) * 2:
        state = torch.tensor(x)
        np.testing.assert_allclose(system.f(x), f(state), rtol=0, atol=1e-14)
        np.testing.assert_allclose(system.jacobian(x), torch.func.jacrev(f)(state), rtol=0, atol=1e-14)
        hessian = torch.func.jacrev(torch.func.jacrev(f))(state).numpy()
        np.testing.assert_allclose(system.second_derivative(x, u, v), hessian @ v @ u, rtol=0, atol=1e-12)


@every_kind
def test_both_forms_have_the_same_fixed_points(activation):
    rate, current = (network(activation, form) for form in ("rate", "current"))
    u = root(current.f, np.zeros(current.dim), jac=current.jacobian, tol=1e-13).x
    assert np.abs(current.f(u)).max() < 1e-12
    assert np.abs(rate.f(rate.curve(u))).max() < 1e-12


@pytest.mark.usefixtures("precise")
@every_kind
@every_form
@pytest.mark.parametrize(("units", "gain"), [(3, 0.3), (16, 2.0), (8, 1e4), (2, 1e200)])
def test_the_exact_value_lies_in_every_enclosure(activation, form, units, gain):
    system = network(activation, form, units, gain)
    for x in np.random.default_rng(2).normal(size=(2, units)):
        for exact, (mid, rad) in (
            (system.f(balls(x)), system.f_enclosure(x)),
            (system.jacobian(balls(x)), system.jacobian_enclosure(x)),
        ):
            assert_holds(exact, mid, rad)
            if gain < 10:
                assert rad.max() < 1e-13


def test_enclosures_take_batches():
    system, x = network("tanh"), np.random.default_rng(3).normal(size=(2, 3, 6))
    for method in (system.f_enclosure, system.jacobian_enclosure):
        together, alone = method(x), [method(state) for state in x.reshape(-1, 6)]
        for part in (0, 1):
            np.testing.assert_allclose(together[part].reshape(6, -1), [one[part].ravel() for one in alone], rtol=1e-2)


def test_what_overflows_is_enclosed_by_everything():
    system = dg.LeakyRNN([[1e308, 1e308], [0.0, 0.5]], [1e308, 0.0], activation="softplus")
    mid, rad = system.f_enclosure(np.array([10.0, 10.0]))
    assert (rad[0], rad[1] < 1e-14, np.isfinite(mid).all()) == (np.inf, True, True)


@pytest.mark.usefixtures("precise")
@pytest.mark.parametrize("units", [5, 40])
def test_latent_circuits_are_enclosed(units):
    rng = np.random.default_rng(4)
    circuit = dg.LowRankRNN(rng.normal(size=(units, 3)), rng.normal(size=(3, units)), rng.normal(size=units)).latent()
    for x in rng.normal(size=(3, 3)) * 3:
        for exact, (mid, rad) in (
            (circuit.f(balls(x)), circuit.f_enclosure(x)),
            (circuit.jacobian(balls(x)), circuit.jacobian_enclosure(x)),
        ):
            assert_holds(exact, mid, rad)
            assert rad.max() < 1e-15 * units**2
    lower, upper = circuit.fixed_point_box()
    assert np.all(upper >= np.abs(circuit.n).sum(axis=1))
    assert np.all(lower == -upper)


numbers = st.floats(-1e3, 1e3) | st.floats(-1, 1) | st.floats(allow_nan=False, allow_infinity=False)
widths = st.sampled_from([0.0, 1e-300, 1e-12, 1e-3, 0.4, 0.7, 1.3, 30.0])


@pytest.mark.usefixtures("precise")
@pytest.mark.parametrize("kind", Activation)
@settings(max_examples=60, deadline=None)
@given(numbers, widths)
@example(0.0, 0.0)
@example(-745.0, 0.1)
@example(-720.0, 0.0)
@example(349.999, 0.002)
@example(5e-324, 0.0)
def test_values_and_slopes_over_an_interval_lie_within_their_bounds(kind, middle, rad):
    curve = Curve(kind, 0.2)
    u = Bounded(np.array([middle]), np.array([rad]))
    value, slope = curve(u), curve.slope(u)
    bend, steep = bend_bound(curve, u.mid, u.rad)[0], slope_bound(curve, u.mid, u.rad)[0]
    for t in (-1.0, -0.5, 0.0, 0.3, 1.0):
        x = np.array([arb(middle) + arb(t) * arb(rad)], dtype=object)
        assert_holds(curve(x), value.mid, value.rad)
        s = curve.slope(x)
        if s[0].rad() < 1e-50:
            assert_holds(s, slope.mid, slope.rad)
            assert not s[0] > arb(float(steep))
        assert not exact_bend(kind, x[0]) > arb(float(bend))
    if rad == 0:
        assert value.rad[0] <= 4e-15 * abs(value.mid[0]) + 1e-300
        assert bend <= 0.78 or kind.piecewise


def exact_bend(kind, x):
    """|φ''| in balls, by formulas of its own."""
    if kind.piecewise:
        return arb(0)
    if abs(x) > 1e4:
        return arb(0)
    if kind is Activation.TANH:
        return abs(2 * x.tanh() / x.cosh() ** 2)
    half = x / 2
    return abs(half.tanh()) / (4 * half.cosh() ** 2) if kind is Activation.SIGMOID else 1 / (4 * half.cosh() ** 2)


@pytest.mark.usefixtures("precise")
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32), st.floats(-100, 100), st.booleans())
def test_the_norm_is_a_bound_and_a_near_one(rows, columns, seed, decade, low_rank):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(rows, columns)) * 10.0**decade
    if low_rank:
        W = np.outer(W[:, 0], rng.normal(size=columns))
    bound = upper_norm(W)
    assert np.linalg.norm(W, 2) * (1 - 1e-14) <= bound <= np.linalg.norm(W, 2) * 1.03
    # ‖W‖² ≤ b² if b²·1 − WᵀW is positive definite: Gaussian elimination in balls.
    M = arb_mat([[arb(bound) ** 2 * (i == j) * (1 + arb(2) ** -80) for j in range(columns)] for i in range(columns)])
    E = arb_mat([[arb(float(w)) for w in row] for row in W])
    S = M - E.transpose() * E
    assert all(arb_mat([[S[i, j] for j in range(k)] for i in range(k)]).det() > 0 for k in range(1, columns + 1))


def test_the_norm_of_nothing_and_of_the_largest_numbers():
    assert upper_norm(np.zeros((3, 3))) == 0
    assert upper_norm(np.full((2, 2), 1e305)) == np.inf
    assert 1e-300 <= upper_norm(np.full((1, 1), 1e-300)) < 1.001e-300


@every_form
@pytest.mark.parametrize("activation", SMOOTH)
def test_the_second_derivative_bound_is_nearly_reached(activation, form):
    # Along single coordinates in current form, and for one unit, it is the least bound.
    unit = dg.LeakyRNN([[2.0]], [0.3], activation=activation, form=form)
    at = np.linspace(-3, 3, 2001)[:, None]
    largest = np.abs(unit.second_derivative(at, np.ones((1, 1)), np.ones((1, 1)))).max()
    assert largest <= unit.second_derivative_bound(np.zeros(1), 3.0) <= largest * 1.001
    local = unit.second_derivative_bound(np.array([1.7]), 1e-9)
    assert local == pytest.approx(
        abs(float(unit.second_derivative(np.array([1.7]), np.ones(1), np.ones(1))[0])), rel=1e-6
    )


def test_a_relu_has_no_second_derivative_bound_across_a_kink():
    system = dg.LeakyRNN([[1.0, 0.0], [0.0, -2.0]], [0.0, 0.5], activation="relu")
    assert system.second_derivative_bound(np.array([1.0, 1.0]), 0.5) == 0
    assert system.second_derivative_bound(np.array([1.0, 1.0]), 0.80) == np.inf
    assert (system.W.tolist(), system.b.tolist(), system.negative_slope) == ([[1.0, 0.0], [0.0, -2.0]], [0.0, 0.5], 0.0)
    assert dg.LeakyRNN([[1.0]], [0.0], activation="leaky_relu").negative_slope == 0.01


@every_kind
@every_form
@pytest.mark.parametrize("gain", [0.4, 3.0])
def test_the_box_holds_every_fixed_point_that_scipy_finds(activation, form, gain):
    found = 0
    for seed in range(3):
        system = network(activation, form, 4, gain, seed)
        box = system.fixed_point_box()
        assert box is not None or (gain > 1 and activation not in ("tanh", "sigmoid"))
        for start in np.random.default_rng(seed).normal(size=(10, 4)) * 3:
            answer = root(system.f, start, jac=system.jacobian, tol=1e-13)
            if box is not None and np.abs(answer.fun).max() < 1e-11:
                found += 1
                assert np.all((box[0] - 1e-10 <= answer.x) & (answer.x <= box[1] + 1e-10))
    assert found > 0 or gain > 1


def test_masks_and_signs_are_folded_into_the_weights():
    rng = np.random.default_rng(5)
    mask, signs, W, x = rng.integers(0, 2, (5, 5)), np.array([1, 1, 1, -1, -1]), rng.normal(size=(5, 5)), np.ones(5)
    system = dg.LeakyRNN(mask * np.abs(W) * signs, np.zeros(5), scale=0.2)
    np.testing.assert_allclose(system.f(x), -x + np.tanh(0.2 * (mask * np.abs(W)) @ (signs * x)), rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (([[1.0]], [0.0, 0.0]), {}, r"W, b: expected shapes \(units, units\) and \(units,\), got \(1, 1\) and \(2,\)"),
        (([[1.0, 2.0]], [0.0]), {}, "W, b"),
        ((np.ones((0, 0)), []), {}, "W, b"),
        (([1.0], [0.0]), {}, "W: expected 2 dimension"),
        (([[np.nan]], [0.0]), {}, r"W: expected finite numbers, got nan at index \(0, 0\)"),
        (([[1.0]], [np.inf]), {}, "b: expected finite numbers"),
        (([[1e300]], [0.0]), {"scale": 1e10}, "scale·W"),
        (([[1.0]], [0.0]), {"scale": -1.0}, "scale: expected a finite number above 0"),
        (([[1.0]], [0.0]), {"activation": "gelu"}, "activation: expected one of 'tanh', 'sigmoid', .*, got 'gelu'"),
        (([[1.0]], [0.0]), {"form": "x"}, "form"),
        (([[1.0]], [0.0]), {"time": "x"}, "time"),
        (([[1.0]], [0.0]), {"leak": None}, "leak"),
        (([[1.0]], [0.0]), {"negative_slope": 1.0}, "negative_slope"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, options, says):
    with pytest.raises(dg.DynaghostError, match=says):
        dg.LeakyRNN(*arguments, **options)


@pytest.mark.usefixtures("precise")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=5))
def test_bounded_sums_and_products_of_exact_numbers_hold_the_exact_result(values):
    x = np.array(values)
    exact, bounded = balls(x), Bounded(x, np.zeros_like(x))
    W = np.outer(x, np.ones(2)) + 0.1
    for formula in (lambda y: y * y, lambda y: y + y * y, lambda y: y - 0.3, lambda y: 0.7 * y, lambda y: y @ W):
        result = formula(bounded)
        assert_holds(formula(exact), result.mid, result.rad)


def test_bounds_over_a_ball_are_nearly_reached_in_one_dimension():
    sigmoid, tanh = Curve(Activation.SIGMOID), Curve(Activation.TANH)
    formulas = (
        lambda x: sigmoid(x) * x,
        lambda x: x * x * x,
        lambda x: tanh(x * x),
        lambda x: tanh(sigmoid(x) * x) - x * x,
    )
    for formula in formulas:
        for centre in (0.2, 1.5):
            # The products' cross terms and both parts of the chain rule: each is needed to reach the value.
            bound = formula(Reach.of(np.array([centre]), 1e-6)).bend
            one = np.ones(1)
            value = abs(float(formula(Jet.of(np.array([centre]), one, one)).duv[0]))
            assert value <= bound
    cube = formulas[1](Reach.of(np.array([1.5]), 1e-9)).bend
    assert cube == pytest.approx(9.0, rel=1e-6)
