"""Affine forms, and all fixed points of small GRUs and LSTMs, against samples, scans and SciPy from many starts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root

from dynaghost import find_slow_points
from dynaghost.slowpoints import complete_gated
from dynaghost.slowpoints.complete_gated import find_all, search_boxes, serves
from dynaghost.systems import GRU, LSTM, LeakyRNN
from dynaghost.systems.affine import Affine
from dynaghost.systems.gated import StackedRNN

GATES = {GRU: 3, LSTM: 4, StackedRNN: 1}


def network(kind, units, gain, seed, layers=1):
    numbers = np.random.default_rng(seed)
    gates = GATES[kind]
    hh = [numbers.normal(size=(gates * units, units)) * gain / np.sqrt(units) for _ in range(layers)]
    ih = [numbers.normal(size=(gates * units, units)) for _ in range(layers)]
    bias = [numbers.normal(size=gates * units) * 0.5 for _ in range(layers)]
    return kind(hh, ih, bias_hh=bias, inputs=numbers.normal(size=units))


def roots_by_scipy(system, starts, seed):
    """Of v(h) − h from many states, merged where they agree to 1e-6."""
    form, numbers = system.root_form(), np.random.default_rng(seed)
    found = []
    for h in numbers.uniform(-1, 1, size=(starts, form.dim)):
        answer = root(form.f, h, jac=form.jacobian, tol=1e-13)
        inside = np.all(np.abs(answer.x) <= 1) and np.abs(form.f(answer.x)).max() < 1e-10
        if inside and all(np.abs(answer.x - other).max() > 1e-6 for other in found):
            found.append(answer.x)
    return found


# The three claims of a form.

CASES = [(GRU, 1), (LSTM, 1), (StackedRNN, 2), (GRU, 2), (LSTM, 2)]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CASES),
    st.integers(1, 3),
    st.floats(0.1, 12.0),
    st.floats(-7.0, 0.0),
    st.integers(0, 10_000),
)
def test_a_form_holds_over_its_box(case, units, gain, size, seed):
    kind, layers = case
    form = network(kind, units, gain, seed, layers).root_form()
    numbers = np.random.default_rng(seed)
    centre = numbers.uniform(-1, 1, size=(3, form.dim))
    reach = 10.0**size * numbers.uniform(0, 1, size=(3, form.dim))
    made = form._f(Affine.of(centre, reach))
    ends = np.sign(numbers.normal(size=(40, 1, 1))) * np.ones((40, 3, form.dim))
    y = np.concatenate([numbers.uniform(-1, 1, size=(200, 3, form.dim)), ends]) * reach
    values = form.f(centre + y)
    noise = 1e-13 * (1 + np.abs(values))
    off = values - np.einsum("eki,sei->sek", made.slope, y) - made.mid
    assert np.all(np.abs(off) <= made.rad + noise)
    assert np.all((made.low - noise <= values) & (values <= made.high + noise))
    apart = y[1:] - y[:-1]
    moved = values[1:] - values[:-1] - np.einsum("eki,sei->sek", made.slope, apart)
    assert np.all(np.abs(moved) <= np.einsum("eki,sei->sek", made.spread, np.abs(apart)) + 2 * noise[1:])


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_the_rest_of_a_form_is_of_second_order(kind):
    form = network(kind, 3, 2.0, 4).root_form()
    centre = np.random.default_rng(0).uniform(-0.5, 0.5, size=(1, 3))
    rests = [form._f(Affine.of(centre, np.full((1, 3), r))).rad.max() for r in (1e-2, 1e-3)]
    assert 60 < rests[0] / rests[1] < 160


# All fixed points.


@pytest.mark.parametrize("kind", [GRU, LSTM])
@pytest.mark.parametrize("units", [1, 2, 3, 4])
@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_every_root_that_scipy_finds_is_listed_and_no_other(kind, units, gain):
    for seed in range(2 if units > 2 else 3):
        system = network(kind, units, gain, seed)
        found = find_all(system, budget=200_000)
        assert found.complete
        assert found.index_sum == 1
        others = roots_by_scipy(system, 60, seed)
        hidden = system.root_form().hidden(found.roots)
        assert all(np.abs(hidden - h).max(axis=1).min() < 1e-8 for h in others)
        assert np.all(np.abs(system.f(found.roots)) < 1e-11)
        apart = np.linalg.norm(found.roots[:, None] - found.roots[None], axis=-1) + np.eye(len(hidden)) * 9
        assert apart.min() > 2 * found.radius.max()


@pytest.mark.parametrize("gain", [1.0, 6.0])
def test_stacks(gain):
    for kind in (GRU, LSTM, StackedRNN):
        system = network(kind, 2, gain, 7, layers=2)
        found = find_all(system, budget=200_000)
        assert found.complete
        assert found.index_sum == 1
        hidden = system.root_form().hidden(found.roots)
        assert all(np.abs(hidden - h).max(axis=1).min() < 1e-8 for h in roots_by_scipy(system, 60, 0))


def test_a_stack_of_plain_layers_has_the_fixed_points_that_another_search_proves():
    W = np.array([[1.9, -0.4], [0.7, 1.6]])
    points = find_slow_points(LeakyRNN(W, [0.1, -0.2], time="map"))
    found = find_all(StackedRNN(W, bias_hh=[0.1, -0.2]), budget=10_000)
    assert points.complete
    assert found.complete
    ours, theirs = (sorted(x.round(9).tolist() for x in xs) for xs in (found.roots, [p.x for p in points.fixed_points]))
    assert ours == theirs


@pytest.mark.parametrize("off", [1e-1, 1e-4, 1e-7, 1e-10])
def test_beside_a_fold_the_count_is_right_or_open(off):
    """h = tanh(½·4h + b) with r = ½: a GRU that is tanh of one unit, folding where 2 sech² = 1."""
    t = np.sqrt(0.5)
    fold = np.arctanh(t) - 2 * t
    for side, count in ((1, 3), (-1, 1)):
        b = fold + side * off
        found = find_all(GRU([[0.0], [0.0], [4.0]], bias_ih=[0.0, 0.0, b]), budget=50_000)
        h = np.linspace(-1, 1, 2_000_001)
        f = np.tanh(2 * h + b) - h
        seen = int(np.sum(f[:-1] * f[1:] < 0))
        assert off < 1e-7 or seen == count
        assert not found.complete or len(found.roots) == count
        assert off < 1e-7 or found.complete


def test_what_the_budget_leaves_is_one_hull_and_nothing_is_claimed():
    system = network(LSTM, 4, 5.0, 0)
    found = find_all(system, budget=300)
    lower, upper = found.unresolved
    assert not found.complete
    assert found.status is complete_gated.Stop.BUDGET
    assert lower.shape == upper.shape == (1, 8)
    assert np.all(lower < upper)
    for x in find_all(system, budget=200_000).roots:
        listed = len(found.roots) and np.abs(found.roots - x).max(axis=1).min() < 1e-9
        assert listed or np.all((lower[0] <= x) & (x <= upper[0]))


def test_a_form_whose_rest_is_left_out_misses_roots(monkeypatch):
    """The rest of the forms is what the proof lives by."""
    plain = Affine.value_through
    monkeypatch.setattr(Affine, "value_through", lambda self, curve: _without_rest(plain(self, curve)))
    wrong = [len(search_boxes(network(GRU, 3, 6.0, seed), 20_000).roots) for seed in range(12)]
    monkeypatch.undo()
    right = [len(search_boxes(network(GRU, 3, 6.0, seed), 20_000).roots) for seed in range(12)]
    assert wrong != right


def _without_rest(form):
    return Affine(form.slope, 0 * form.spread, form.mid, 0.01 * form.rad, form.low, form.high, form.reach)


def test_find_slow_points_says_complete_for_small_ones_only():
    small = find_slow_points(network(GRU, 3, 5.0, 0))
    large = find_slow_points(network(GRU, 24, 1.5, 0))
    assert small.complete
    assert small.index_sum == 1
    assert small.cost.boxes > 0
    assert not large.complete


def test_what_is_served():
    assert serves(network(LSTM, 4, 1.0, 0))
    assert not serves(network(GRU, 17, 1.0, 0))
    assert not serves(LeakyRNN([[1.0]], [0.0]))
    assert not serves(LSTM([[0.0], [400.0], [2.0], [0.0]]))
