"""The toy model's compiled landscape and descent against its closed form, for any start, rate and delay."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dynaghost.errors import DynaghostError
from dynaghost.kernels.toy import loss_and_slope
from dynaghost.systems import toy as system
from dynaghost.training.toy import (
    analytic_landscape,
    critical_exponent,
    critical_rate_found,
    descend_toy,
    landscape,
    optimal_r,
)

delays = st.floats(min_value=1.0, max_value=1e3)
shares = st.floats(min_value=0.0, max_value=1.0)


@settings(deadline=None)  # the first example compiles
@given(st.floats(min_value=-10, max_value=10), delays)
@example(0.25, 50.0)
@example(1.0, 100.0)
@example(0.0, 100.0)
def test_loss_and_slope_are_those_of_the_system(share, delay):
    r = share * optimal_r(delay)
    loss, slope = loss_and_slope(r, delay)
    toy = system.SaddleNode(r)
    assert loss * delay == pytest.approx(toy.loss(delay), rel=1e-12, abs=1e-12 * delay)
    assert slope == pytest.approx(toy.loss_gradient(delay), rel=1e-12)


@settings(deadline=None)
@given(delays)
def test_optimal_r_is_the_systems(delay):
    assert optimal_r(delay) == pytest.approx(system.optimal_r(delay), rel=1e-15)


@settings(max_examples=50, deadline=None)
@given(delays, st.floats(min_value=0.26, max_value=20), st.floats(min_value=1e-3, max_value=1 - 1e-9))
def test_below_the_critical_rate_no_start_ever_dies(delay, start, share):
    found = descend_toy(start * optimal_r(delay), share * system.critical_rate(delay), delay, 3000, record=[0])
    assert not found.dead
    assert found.least >= 0.25 * optimal_r(delay) * (1 - 1e-12)


@settings(max_examples=50, deadline=None)
@given(delays, st.floats(min_value=1 + 1e-6, max_value=100))
def test_above_it_a_start_just_above_the_optimum_dies_in_one_step(delay, factor):
    found = descend_toy(optimal_r(delay) * (1 + 1e-12), factor * system.critical_rate(delay), delay, 1)
    assert found.dead


@pytest.mark.parametrize("delay", [1.0, 10.0, 100.0, 1000.0])
def test_the_critical_rate_is_found_from_just_above_the_optimum(delay):
    assert critical_rate_found(delay) == pytest.approx(system.critical_rate(delay), rel=1e-8)


def test_the_critical_rate_falls_with_the_fifth_power_of_the_delay():
    assert critical_exponent([5, 20, 80, 320, 1280]) == pytest.approx(-5, abs=1e-6)


def test_from_further_away_starts_live_at_higher_rates():
    assert critical_rate_found(100, start=10, epochs=10_000) == pytest.approx(1.0136 * 9.1321e-10, rel=1e-3)


def test_anchors_of_the_papers_runs():
    found = descend_toy(10 * optimal_r(100), [1e-10, 1e-9], 100, 3000)
    assert found.first_below[0] == 1538
    assert found.dead.tolist() == [False, True]
    assert found.last[1] / optimal_r(100) == pytest.approx(0.2446, abs=5e-5)
    assert found.least.min() > 0


def test_a_batch_is_its_starts_one_by_one():
    starts, rates = np.linspace(2, 12, 5)[:, None] * optimal_r(50), np.array([1e-9, 2e-8, 5e-8])
    found = descend_toy(starts, rates, 50, 400, record=[0, 7, 400])
    assert found.loss.shape == (5, 3, 3)
    for i in range(5):
        for j in range(3):
            one = descend_toy(starts[i, 0], rates[j], 50, 400, record=[0, 7, 400])
            assert np.array_equal(found.r[i, j], one.r)
            assert (found.last[i, j], found.first_below[i, j]) == (one.last, one.first_below)


def test_recorded_epochs_are_those_of_a_shorter_descent():
    whole = descend_toy(0.01, 1e-8, 50, 300)
    assert whole.r[123] == descend_toy(0.01, 1e-8, 50, 123).last
    assert np.array_equal(whole.loss, analytic_landscape(whole.r, 50))


def test_a_confident_readout_meets_the_analytic_loss():
    r = np.linspace(-1, 2, 100) * optimal_r(100)
    assert np.abs(landscape(r, 100, 1.0) - analytic_landscape(r, 100)).max() < 0.0075


@settings(deadline=None)
@given(st.floats(min_value=0.05, max_value=5), shares)
def test_where_nothing_moves_the_landscape_has_its_closed_form(confidence, share):
    # From x = 0 with r = 0 the state stays, so the output is σ(−c x*) throughout.
    off = 1 / (1 + math.exp(confidence * 10))
    assert landscape(0.0, 20, confidence) == pytest.approx(off**2 + (1 - off) ** 2, rel=1e-10)
    assert landscape(-share, 20, confidence).shape == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: landscape([0.0, float("nan")], 100, 1.0), "r must be finite"),
        (lambda: landscape(0.0, -1, 1.0), "delay must be positive"),
        (lambda: landscape(0.0, 100, 0.0), "confidence must be positive"),
        (lambda: descend_toy(1.0, [1e-9, 0.0], 100, 10), "rate must be positive"),
        (lambda: descend_toy(1.0, 1e-9, 100, 10, record=[3, 3]), "record must be increasing"),
        (lambda: descend_toy(1.0, 1e-9, 100, 10, record=[11]), "from 0 to 10"),
        (lambda: critical_exponent([100]), "at least 2"),
        (lambda: critical_rate_found(0), "delay must be positive"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(DynaghostError, match=message):
        call()
