"""Trials against plain iteration of the full network, and escape times against an ODE solver."""

import numpy as np
import pytest
from dense import field, fixed_points, trial
from scipy.integrate import solve_ivp

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.trajectories.trial import Trial, Walk, escape_time, walk

FOLD = 0.20754645532  # b at which tanh(1.5 κ + b) − κ loses two of its three roots


def weights(seed, units=7, strength=1.0):
    rng = np.random.default_rng(seed)
    return tuple(strength * rng.normal(size=units) for _ in range(3))


def walked(weights, x0, **options):
    steps = options.pop("steps", None)
    network = RankOneRNN(*weights, **options)
    return walk(network, find_slow_points(network).fixed_points, Trial(x0, steps))


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("seed", range(5))
def test_a_trial_is_that_of_the_full_network(form, seed):
    w, x0 = weights(seed), np.random.default_rng(100 + seed).normal(size=7)
    found = walked(w, x0, leak=0.3, form=form)
    expected = trial(w, 0.3, x0, len(found.visited) - 1, form)
    assert len(found.visited) > 10
    assert found.visited == pytest.approx(expected, abs=1e-12)
    assert found.start == found.visited[0]
    roots = np.array(fixed_points(w))
    assert found.attractor == int(np.argmin(np.abs(roots - trial(w, 0.3, x0, 3000, form)[-1])))


def test_one_number_is_the_state_of_every_unit():
    w = weights(3)
    assert walked(w, -0.3, leak=0.5).visited == pytest.approx(walked(w, np.full(7, -0.3), leak=0.5).visited)


def test_a_trial_of_so_many_steps_still_shows_where_it_would_end():
    w = weights(0)
    short, long = walked(w, 1.0, leak=0.1, steps=5), walked(w, 1.0, leak=0.1)
    assert len(short.visited) == 6
    np.testing.assert_array_equal(short.visited, long.visited[:6])
    assert short.attractor == long.attractor is not None


@pytest.mark.parametrize("x0", [np.zeros(6), np.zeros((7, 1)), np.zeros((1, 7))])
def test_an_initial_state_of_another_shape_is_refused(x0):
    with pytest.raises(DynaghostError, match="x0: expected one number or 7"):
        walked(weights(0), x0, leak=0.5)


@pytest.mark.parametrize("seed", range(6))
def test_without_a_leak_the_flow_decides(seed):
    w = weights(seed, strength=2.0)
    x0 = np.random.default_rng(seed).normal(size=7)
    found = walked(w, x0, leak=None)
    flow = solve_ivp(lambda t, k: field(w, k[0]), (0, 200), [w[1] @ x0], rtol=1e-9, atol=1e-9)
    roots = fixed_points(w)
    assert roots[found.attractor] == pytest.approx(flow.y[0, -1], abs=1e-5)
    assert [found.visited.min(), found.visited.max()] == pytest.approx([flow.y.min(), flow.y.max()], abs=1e-5)


def test_a_flow_that_starts_at_a_fixed_point_stays_there():
    network = RankOneRNN([1.5], [1.0], [0.0], leak=None)
    assert walk(network, find_slow_points(network).fixed_points, Trial(0.0)) == Walk(np.array([0.0]), 1)


def test_a_map_can_jump_where_the_flow_would_rest():
    """κ ← −3 tanh κ has a cycle of two around its fixed point, which the flow κ̇ = −κ − 3 tanh κ runs into."""
    w = ([1.0], [-3.0], [0.0])
    assert walked(w, 0.5, leak=1.0).attractor is None
    assert walked(w, 0.5, leak=None).attractor == 0


@pytest.mark.parametrize("distance", [1e-8, 1e-11])
def test_a_trial_that_creeps_beside_a_fold_ends_ahead_of_it(distance):
    w = ([1.5], [1.0], [FOLD - distance])
    assert len(find_slow_points(RankOneRNN(*w)).fixed_points) == 3
    assert walked(w, -0.9, leak=0.5).attractor == 0
    assert walked(w, -0.5, leak=0.5).attractor == 2


# Escape times


@pytest.mark.parametrize("seed", range(8))
def test_escape_time_is_that_of_an_ode_solver(seed):
    w = weights(seed, units=20, strength=0.7)
    circuit = RankOneRNN(*w).latent()
    rest = min(fixed_points(w), key=abs)
    for start in (rest - 2.0, rest + 2.0):
        threshold = start + 0.8 * (rest - start)
        arrives = lambda t, k, goal=threshold: k[0] - goal  # noqa: E731
        arrives.terminal = True
        flow = solve_ivp(lambda t, k: field(w, k[0]), (0, 1000), [start], events=arrives, rtol=1e-10, atol=1e-12)
        assert escape_time(circuit, start, threshold) == pytest.approx(flow.t_events[0][0], rel=1e-7)


def test_no_time_passes_to_where_the_trial_is():
    assert escape_time(RankOneRNN([0.5], [1.0], [0.0]).latent(), 0.7, 0.7) == 0


def test_escape_takes_for_ever_past_a_fixed_point_or_against_the_flow():
    circuit = RankOneRNN([1.5], [1.0], [0.1]).latent()
    low, middle, high = fixed_points(circuit.weights)
    assert escape_time(circuit, low - 0.1, high - 0.1) == np.inf
    assert escape_time(circuit, middle + 0.1, middle - 0.1) == np.inf
    assert escape_time(circuit, middle + 0.1, high) == np.inf
    assert np.isfinite(escape_time(circuit, middle + 0.1, high - 0.1))


def test_two_fixed_points_close_to_each_other_are_not_overlooked():
    circuit = RankOneRNN([1.5], [1.0], [FOLD - 1e-10]).latent()
    assert len(find_slow_points(circuit).fixed_points) == 3
    assert escape_time(circuit, -0.9, 0.5) == np.inf


def test_escape_past_a_narrow_ghost_takes_its_passage_time():
    """Far from the ghost the trial spends a time that does not depend on how close the fold is."""
    rest = []
    for distance in (1e-6, 1e-7, 1e-8):
        circuit = RankOneRNN([1.5], [1.0], [FOLD + distance]).latent()
        (ghost,) = find_slow_points(circuit).ghosts
        rest.append(escape_time(circuit, -0.9, 0.5) - ghost.passage_time)
    assert rest == pytest.approx([rest[0]] * 3, abs=0.05)
