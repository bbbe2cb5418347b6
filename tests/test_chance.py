"""Permutation p-values: exact against brute force, uniform under the null, small where events sit in drops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.trajectories.chance import Circle, chance, p_value
from dynaghost.views.text import summary


def a_circle(random, drops=None, events=None, length=0.01):
    starts = np.sort(random.uniform(0, 1 - length, drops or random.integers(1, 9)))
    return Circle(
        starts, starts + length * random.uniform(0, 1, len(starts)), np.sort(random.uniform(size=events or 4))
    )


def sum_of_gaps(circle, shift):
    """The definition, event by event and drop by drop."""
    total = 0.0
    for start, end in zip(circle.starts, circle.ends, strict=True):
        away = []
        for event in circle.events:
            place = (event + shift - start) % 1.0  # from the window's start, forwards
            away.append(0.0 if place <= end - start else min(place - (end - start), 1 - place))
        total += min(away)
    return total


@given(st.integers(0, 2**32 - 1))
def test_gaps_are_the_definitions(seed):
    random = np.random.default_rng(seed)
    circle, shifts = a_circle(random, length=0.3), random.uniform(size=20)
    expected = [sum_of_gaps(circle, shift) for shift in shifts]
    np.testing.assert_allclose(circle.gaps(shifts).sum(-1), expected, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_one_run_is_exact(seed):
    random = np.random.default_rng(seed)
    circle = a_circle(random, length=0.2)
    p, tried = p_value([circle], permutations=999, seed=0)
    observed = sum_of_gaps(circle, 0.0)
    fine = (np.arange(20_000) + 0.5) / 20_000
    assert tried == 0
    assert p == pytest.approx(np.mean(circle.gaps(fine).sum(-1) <= observed + 1e-12), abs=2e-3)


@pytest.mark.parametrize("runs", [1, 4])
def test_p_is_uniform_under_the_null(runs):
    random = np.random.default_rng(7)
    found = []
    for k in range(400):
        circles = [a_circle(random, drops=6, events=3, length=1e-6) for _ in range(runs)]
        found.append(p_value(circles, permutations=199, seed=k)[0])
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_p_never_claims_too_much_where_chance_hits_are_common():
    """Wide windows: many shifts hit every drop, so p is far from continuous; small ones must not be too frequent."""
    random = np.random.default_rng(8)
    found = np.array([p_value([a_circle(random, 2, 4, 0.3)], permutations=99, seed=0)[0] for _ in range(600)])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level * (1 - level) / 600)


@pytest.mark.parametrize("runs", [1, 3])
def test_p_is_small_where_events_sit_in_drops(runs):
    random = np.random.default_rng(9)
    circles = []
    for _ in range(runs):
        circle = a_circle(random, drops=6, length=0.01)
        circles.append(Circle(circle.starts, circle.ends, 0.5 * (circle.starts + circle.ends)))
    p, tried = p_value(circles, permutations=999, seed=0)
    # Six windows of up to a hundredth: only shifts of about that size keep all of them.
    assert p < 0.02
    assert tried == (999 if runs > 1 else 0)


def stairs(folds, drops, seed=0):
    """A run with a saddle-node at each of `folds` and a drop of the loss at each of `drops`."""
    steps = np.arange(0.0, 1001.0)
    loss = np.exp(-2.0 * sum((expit(steps - drop) for drop in drops), 0 * steps))
    sides = [sum(fold < step for fold in folds) % 2 for step in range(0, 1001, 10)]
    states = {10 * k: {"m": [1.5], "n": [1.0], "b": [0.1 if side else 0.3]} for k, side in enumerate(sides)}
    return dg.analyze(dg.load_run(states, metrics=Metrics(steps, loss, None, ""), leak=0.5))


PLACES = [105, 255, 345, 515, 665, 845]


def test_a_run_and_a_collection():
    together, apart = stairs(PLACES, PLACES), stairs(PLACES, [place + 60 for place in PLACES])
    close, far = chance(together), chance(apart)
    assert (close.drops, close.hits, close.events, close.runs, close.permutations) == (6, 6, 6, 1, 0)
    assert close.p < 0.05 < far.p
    assert far.hits < 6
    few = stairs(PLACES[:3], PLACES[:3])
    assert chance(few).p is None
    assert chance(few).because == "3 separate drops, and a p-value takes at least 5"
    both = chance([few, few], seed=4)
    assert (both.drops, both.hits, both.runs, both.permutations, both.seed) == (6, 6, 2, 9999, 4)
    assert both.p < 0.05
    assert both == chance([few, few], seed=4)
    assert both.p == pytest.approx(chance([few, few], seed=5).p, rel=0.5)
    still = stairs([], PLACES)
    assert chance(still).because == "no run with drops has an event that could explain one"
    told = summary(together)
    assert f"p = {close.p:.3g}" in told
    assert "6 of 6 drops" in told
    assert "no p-value" in summary(few)


def test_drops_of_one_window_are_one():
    steps = np.arange(0.0, 101.0)
    loss = np.exp(-2.0 * ((steps > 30).astype(float) + (steps > 37)))
    states = {50 * k: {"m": [1.5], "n": [1.0], "b": [b]} for k, b in enumerate((0.3, 0.1, 0.1))}
    result = dg.analyze(dg.load_run(states, metrics=Metrics(steps, loss, None, ""), leak=0.5))
    assert len(result.verdicts) == 2
    assert chance(result, least=1).drops == 1


def test_nonsense_is_refused():
    with pytest.raises(dg.DynaghostError, match="expected at least one analysis"):
        chance([])
    with pytest.raises(dg.DynaghostError, match="expected at least 1 and 99"):
        chance([stairs([], [])], permutations=3)


def test_many_runs_are_shifted_each_by_its_own_amount():
    random = np.random.default_rng(3)
    circles = [a_circle(random, drops=3, events=3, length=0.05) for _ in range(2)]
    grid = (np.arange(500) + 0.5) / 500
    sums = np.add.outer(*(circle.gaps(grid).sum(-1) for circle in circles))
    exact = np.mean(sums <= sum(sum_of_gaps(circle, 0.0) for circle in circles))
    p, tried = p_value(circles, permutations=20_000, seed=1)
    assert tried == 20_000
    assert 0.05 < exact < 0.95
    assert p == pytest.approx(exact, abs=0.015)
