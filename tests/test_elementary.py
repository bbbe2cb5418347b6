"""The error bounds of tanh and sech²: proved by subdivision in ball arithmetic, then measured against balls."""

import itertools
import math
import platform

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaghost.kernels import elementary
from dynaghost.kernels.elementary import (
    COTH,
    SECH2_RANGE,
    SECH2_TAIL,
    SECH2_ULP,
    SIGMOID_ULP,
    TANH_ULP,
    TRUNCATION,
    sigmoid,
    tanh_into,
    tanh_sech2_into,
)

U = 2.0**-53
V_MAX = 0.17329
SWITCHES = (np.arange(1, 1012) - 0.5) * math.log(2) / 2


@pytest.fixture(autouse=True)
def _precision():
    before, ctx.prec = ctx.prec, 160
    yield
    ctx.prec = before


def evaluate(x):
    x = np.ascontiguousarray(x, dtype=float)
    t, s = np.empty_like(x), np.empty_like(x)
    tanh_sech2_into(x, t, s)
    return t, s


def interval(low, high):
    return arb((arb(low) + arb(high)) / 2, (arb(high) - arb(low)) / 2)


def errors(x):
    """Largest relative errors of t, of s within SECH2_RANGE (units of u), and the absolute one of s beyond."""
    worst_t = worst_s = worst_tail = 0.0
    for point, t, s in zip(x.tolist(), *(values.tolist() for values in evaluate(x)), strict=True):
        true_t, true_s = arb(point).tanh(), 1 / arb(point).cosh() ** 2
        if point != 0:
            worst_t = max(worst_t, float(abs((arb(t) - true_t) / true_t).upper()) / U)
        if abs(point) <= SECH2_RANGE:
            worst_s = max(worst_s, float(abs((arb(s) - true_s) / true_s).upper()) / U)
        else:
            worst_tail = max(worst_tail, float(abs(arb(s) - true_s).upper()))
    return worst_t, worst_s, worst_tail


# --- proofs -----------------------------------------------------------------------------------------------------------


def coth_series(w):
    """v·coth v for a ball w = v² ≤ 0.0303: 60 terms of Σ 2²ʲ B₂ⱼ wʲ/(2j)!, whose tail falls like (w/π²)ʲ."""
    total, power = arb(0), arb(1)
    for j in range(60):
        total += 4**j * arb.bernoulli(2 * j) * power / arb.fac_ui(2 * j)
        power *= w
    # |4ʲ B₂ⱼ/(2j)!| = 2ζ(2j)/π²ʲ ≤ 4/9ʲ
    return total + arb(0, 8 * (arb("0.0303") / 9) ** 60)


def test_series_is_the_hyperbolic_cotangent():
    for v in (0.01, 0.1, 0.17):
        v = arb(v)
        assert abs(coth_series(v * v) - v * v.cosh() / v.sinh()) < arb(2) ** -140


def truncation(w):
    """Enclosure of 1 + w·Q(w) − v·coth v on the ball w, in Taylor form around its middle (order 8)."""
    # The difference is w·Σ dⱼ wʲ: subtract coefficients first, since subtracting values would leave only their width.
    coefficients = [4 ** (j + 1) * arb.bernoulli(2 * j + 2) / arb.fac_ui(2 * j + 2) for j in range(40)]
    coefficients = [arb(c) - true for c, true in zip((*COTH, *[0.0] * 35), coefficients, strict=True)]
    middle, h = arb(w.mid()), w - arb(w.mid())
    value = arb(0)
    for order in reversed(range(40)):
        derivative = arb(0)
        for j in reversed(range(order, 40)):
            derivative = derivative * middle + math.comb(j, order) * coefficients[j]
        value = value * h + derivative
    return w * (value + arb(0, 8 * (arb("0.0303") / 9) ** 40))


def test_truncation_of_the_polynomial_is_below_its_bound_on_the_whole_interval():
    edges = np.linspace(0, 0.174**2 * (1 + 1e-9), 257).tolist()
    for low, high in itertools.pairwise(edges):
        assert abs(truncation(interval(low, high))) < TRUNCATION


def test_the_two_parts_of_half_ln2():
    high, low = elementary._HALF_LN2_HIGH, elementary._HALF_LN2_LOW
    assert (high * 2.0**44).is_integer()
    assert abs(arb.const_log2() / 2 - high - low) < arb(2) ** -98


def half(y):
    """Half the spacing at the largest value in the ball, in units of u (a power of two)."""
    return 2.0 ** math.floor(math.log2(float(abs(y).upper()) * (1 + 1e-12)))


def first_order(k, low, high):
    """The sums of steps 3 and 4 of the module's docstring on v in [low, high], k ≤ 53, in units of u."""
    v = interval(low, high)
    R, E = coth_series(v * v), arb(2) ** k
    num, den = (E - 1) * R + (E + 1) * v, (E + 1) * R + (E - 1) * v
    delta_R, delta_v = arb("1.03"), arb(0 if k == 0 else min(half(v), 0.125) + 1e-6)
    a, t = v + k * arb.const_log2() / 2, num / den
    # Sums are exact at k = 0, (E−1)·R up to k = 1, and E·R where E + 1 rounds to E.
    in_den = ((half((E + 1) * R) if k < 53 else 0) + half(den)) / den if k else arb(0)
    in_num = ((half((E - 1) * R) if k > 1 else 0) + half(num)) / num if k else arb(0)
    R_in_t = abs((E - 1) / num - (E + 1) / den) if k else 1 / R
    v_in_t = 2 * delta_v / (2 * a).sinh() if k else arb(0)
    E_in_t, E_in_s = (abs(v) / num * E + R / den * E, (R + abs(v)) / (R + v)) if k == 53 else (arb(0), arb(0))
    error_t = v_in_t + delta_R * R_in_t + in_num + in_den + E_in_t + 1
    error_s = 2 * delta_v * abs(t) + delta_R * abs(1 / (R - v) - (E + 1) / den) + half(R - v) / (R - v) + in_den
    error_s += 2 + (error_t * abs(t) + half(1 + t)) / (1 + t) + E_in_s
    return float(error_t.upper()), float(error_s.upper())


@pytest.mark.parametrize("k", range(54))
def test_a_priori_bounds_hold_for_each_exponent(k):
    edges = np.linspace(0.0 if k == 0 else -V_MAX, V_MAX, 129).tolist()
    sums = [first_order(k, low, high) for low, high in itertools.pairwise(edges)]
    # 1e-6 is room for the products of errors, below 200u each.
    assert max(error_t for error_t, _ in sums) < TANH_ULP - 1e-6
    assert max(error_s for _, error_s in sums) < SECH2_ULP - 1e-6


def test_a_priori_bounds_hold_in_saturation():
    """k ≥ 54: t = 1, E·R exact, den = E·fl(R + v)."""
    for low in np.linspace(-V_MAX, V_MAX, 129)[:-1].tolist():
        v = interval(low, low + V_MAX / 64)
        R, a = coth_series(v * v), v + 54 * arb.const_log2() / 2
        error_t = (1 - a.tanh()) / U
        error_s = 2 * arb("0.126") + arb("1.03") * abs(1 / (R - v) - 1 / (R + v)) + half(R - v) / (R - v)
        error_s += half(R + v) / (R + v) + (R + abs(v)) / (R + v) / 2 + 2 + (error_t + 1) / 2
        assert error_t < arb("1.43") + 1e-6
        assert error_s < SECH2_ULP - 1e-6


def test_a_priori_bound_of_the_sigmoid():
    """The factor 1 − σ is at most 1."""
    for low in np.linspace(-V_MAX, V_MAX, 129)[:-1].tolist():
        v = interval(low, low + V_MAX / 64)
        R = coth_series(v * v)
        error = 2 * arb("0.126") + arb("1.03") * 2 * abs(v) / (R * R - v * v) + 2
        error += half(R - v) / (R - v) + half(R + v) / (R + v)
        assert error < SIGMOID_ULP - 1e-6


# --- measurements -----------------------------------------------------------------------------------------------------


def neighbours(points, count=3):
    steps = [points]
    for direction in (-np.inf, np.inf):
        moved = points
        for _ in range(count):
            moved = np.nextafter(moved, direction)
            steps.append(moved)
    return np.concatenate(steps)


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(-1, 1, 4001),
        np.linspace(-25, 25, 8001),
        np.linspace(17.5, 19.5, 4001),
        np.linspace(-360, 360, 2001),
        np.geomspace(1e-320, 1.0, 1000),
        neighbours(SWITCHES[:80]),
        neighbours(SWITCHES[80::10]),
        neighbours(np.array([SECH2_RANGE, 22.0, 1.0, 2.0**-1022, 700.0, 1e308])),
    ],
    ids=["unit", "wide", "saturation", "whole", "tiny", "switches", "far_switches", "edges"],
)
def test_errors_against_balls(x):
    error_t, error_s, tail = errors(x)
    assert error_t <= TANH_ULP
    assert error_s <= SECH2_ULP
    assert tail <= SECH2_TAIL


# The first call compiles.
@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_errors_against_balls_anywhere(x):
    error_t, error_s, tail = errors(np.array(x))
    assert error_t <= TANH_ULP
    assert error_s <= SECH2_ULP
    assert tail <= SECH2_TAIL


@settings(deadline=None)
@given(st.floats(-700, 700) | st.floats(-30, 30))
def test_sigmoid_against_balls(x):
    true = 1 / (1 + (-arb(x)).exp())
    assert abs(arb(sigmoid(x)) - true) <= SIGMOID_ULP * U * true
    assert sigmoid(x) <= 1


def test_sigmoid_at_its_ends():
    assert [sigmoid(x) for x in (-np.inf, -701.0, 701.0, np.inf, 0.0, -0.0)] == [0, 0, 1, 1, 0.5, 0.5]
    assert np.isnan(sigmoid(np.nan))


@settings(deadline=None)
@given(st.lists(st.floats(-40, 40), min_size=1, max_size=20))
def test_odd_bounded_and_even(x):
    x = np.array(x)
    t, s = evaluate(x)
    minus_t, minus_s = evaluate(-x)
    assert np.array_equal(t, -minus_t)
    assert np.array_equal(s, minus_s)
    assert np.all(np.abs(t) <= 1)
    assert np.all((s > 0) & (s <= 1 + SECH2_ULP * U))


def test_never_above_one_where_it_saturates():
    x = np.random.default_rng(0).uniform(17, 20, 1_000_000)
    t, _ = evaluate(x)
    assert t.max() == 1


def test_special_values():
    x = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-310, np.inf, -np.inf, np.nan])
    t, s = evaluate(x)
    assert t[:5].tolist() == x[:5].tolist()
    assert np.signbit(t[:4]).tolist() == [False, True, False, True]
    assert t[5:7].tolist() == [1, -1]
    assert s[:7].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert np.isnan(t[7])
    assert np.isnan(s[7])


def test_tanh_alone_returns_the_same_bits():
    x = np.random.default_rng(1).normal(scale=10, size=100_000)
    alone = np.empty_like(x)
    tanh_into(x, alone)
    assert np.array_equal(alone, evaluate(x)[0])


def test_a_sabotaged_coefficient_is_noticed(monkeypatch):
    monkeypatch.setattr("test_elementary.COTH", (COTH[0], COTH[1], COTH[2], COTH[3] * (1 + 1e-6), COTH[4]))
    assert abs(truncation(interval(0.0299, 0.03))) > TRUNCATION


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86 instructions")
@pytest.mark.parametrize("kernel", [tanh_sech2_into, tanh_into])
def test_loops_are_vectorized(kernel):
    from numba.core.codegen import get_host_cpu_features

    features = get_host_cpu_features().split(",")
    if "+avx2" not in features or "+fma" not in features:
        pytest.skip("this processor has no AVX2 with fused multiply-add")
    arrays = [np.zeros(8) for _ in range(3 if kernel is elementary.tanh_sech2_into else 2)]
    kernel(*arrays)
    (assembly,) = kernel.inspect_asm().values()
    divisions = [line for line in assembly.splitlines() if "vdivpd" in line]
    assert any("ymm" in line or "zmm" in line for line in divisions)
    assert not any("call" in line and "fma" in line for line in assembly.splitlines())
