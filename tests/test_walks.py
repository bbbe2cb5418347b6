"""Trials followed until they are at rest: the compiled map against the system's own steps, and where a walk ends."""

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.systems import iteration
from dynaghost.systems.base import System
from dynaghost.trajectories.visits import KEPT, rest, visit
from dynaghost.trajectories.walks import LONGEST, Walk


def random_weights(seed, units, rank=None):
    rng = np.random.default_rng(seed)
    if rank is None:
        return 1.4 * rng.normal(size=(units, units)) / np.sqrt(units), 0.4 * rng.normal(size=units)
    m, n = rng.normal(size=(units, rank)), rng.normal(size=(rank, units)) / np.sqrt(units)
    return m, n, 0.4 * rng.normal(size=units)


SYSTEMS = {
    f"{form} {activation} leak {leak}": lambda form=form, activation=activation, leak=leak: dg.LeakyRNN(
        *random_weights(1, 11), activation=activation, form=form, leak=leak, time="flow", scale=0.9
    )
    for form in ("rate", "current")
    for activation in ("tanh", "sigmoid", "softplus", "relu", "leaky_relu")
    for leak in (0.3, None)
} | {
    f"rank {rank} {form}": lambda rank=rank, form=form: dg.LowRankRNN(*random_weights(2, 21, rank), leak=0.4, form=form)
    for rank in (1, 2, 5)
    for form in ("rate", "current")
}


@pytest.mark.parametrize(
    ("name", "circuit"), [(name, circuit) for name in SYSTEMS for circuit in {False, name.startswith("rank")}]
)
def test_a_walk_is_the_systems_own_steps(name, circuit):
    system = SYSTEMS[name]()
    system = system.latent() if circuit else system
    states = np.random.default_rng(3).normal(size=(5, system.dim))
    path = iteration.walker(system)(states, 12)
    x = states
    for t in range(12):
        x = x + (0.1 if system.leak is None else system.leak) * system.f(x)
        np.testing.assert_allclose(path[:, t], x, rtol=0, atol=1e-13)
    assert path.shape == (5, 12, system.dim)


def test_many_trials_of_a_wide_network_and_other_systems_are_stepped():
    wide = dg.LeakyRNN(*random_weights(4, 100), leak=0.5)
    states = np.random.default_rng(5).normal(size=(40, 100))
    each = np.concatenate([iteration.walker(wide)(state[None], 6) for state in states])
    np.testing.assert_allclose(iteration.walker(wide, 40)(states, 6), each, rtol=0, atol=1e-12)
    gru = dg.GRU(np.random.default_rng(6).normal(size=(9, 3)))
    path = iteration.walker(gru)(np.ones((2, 3)), 2)
    np.testing.assert_array_equal(path[:, 1], gru.step(gru.step(np.ones((2, 3)))))


def plain(system: System, x, longest):
    """The rest of one trial, written plainly: the number of iterations, and where it is, or None."""
    for t in range(longest):
        new = system.step(x)
        moved, x = np.abs(new - x).max(), new
        if not moved > 1e-13 * (1 + np.abs(x).max()):
            return t + 1, x
    return longest, None


@pytest.mark.parametrize("seed", range(6))
def test_rest_is_where_plain_iteration_comes_to_rest(seed):
    network = dg.LowRankRNN(*random_weights(seed, 30, 2), leak=0.5)
    circuit = network.latent()
    start = np.random.default_rng(seed).normal(size=30)
    steps, expected = plain(circuit, circuit.project(start), LONGEST)
    found = rest(network, circuit, start)
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        walked = sum(stretch.shape[1] for stretch in Walk(circuit, circuit.project(start)[None]))
        assert abs(walked - steps) <= 3  # rounding moves the last iteration


def turning(gain, leak):
    """Two units that turn: a limit cycle for gains above 1."""
    return dg.LeakyRNN([[gain, -0.8], [0.8, gain]], [0.0, 0.0], leak=leak, time="flow")


@pytest.mark.parametrize("gain", [1.2, 1.5])
@pytest.mark.parametrize("leak", [0.05, 0.5])
def test_a_limit_cycle_is_given_up_early_and_ends_nowhere(gain, leak):
    walk = Walk(turning(gain, leak), np.array([[0.1, 0.0], [0.5, 0.2]]))
    assert 2000 < sum(stretch.shape[1] for stretch in walk) < LONGEST / 2
    assert not walk.rested
    network = turning(gain, leak)
    assert visit(network, network, dg.find_slow_points(network).fixed_points, np.array([[0.1, 0.0]])).ends == (None,)


@pytest.mark.parametrize("below", [0.3, 0.1])
def test_a_slow_spiral_is_followed_to_its_rest(below):
    # Close to its Hopf bifurcation: amplitudes shrink by a factor e in 1/(leak·below) iterations.
    network = turning(1.0 - below, 0.02)
    steps, expected = plain(network, np.array([0.02, 0.0]), LONGEST)
    assert expected is not None
    assert steps > 3000
    assert rest(network, network, np.array([0.02, 0.0])) is not None


def test_a_ghosts_passage_is_no_turning():
    # A saddle-node passed by 1e-6: the trial needs thousands of iterations, in which it hardly moves.
    t = np.sqrt(1 / 3)  # where the slope of tanh(1.5·x + b) is 1
    network = dg.LeakyRNN([[1.5]], [1.5 * t - np.arctanh(t) + 1e-6], leak=0.5)
    # Beside a unit that turns for ever the trial is not taken for one that only turns.
    for other in (0.5, -3.0):
        both = dg.LeakyRNN([[1.5, 0.0], [0.0, other]], [*network.b, 0.0], leak=0.5 if other > 0 else 1.0)
        stretches = list(Walk(both, np.array([[-0.9, 0.3]])))
        assert stretches[-1][0, -1, 0] == pytest.approx(0.9197, abs=1e-3)
        assert sum(stretch.shape[1] for stretch in stretches) > 4000


def test_one_trial_that_goes_to_infinity_does_not_stop_the_others():
    network = dg.LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [-1.0, 0.2], activation="relu", leak=0.9)
    points = dg.find_slow_points(network).fixed_points
    found = visit(network, network, points, np.array([[3.0, 0.1], [0.0, 0.1]]))
    assert found.ends[0] is None
    assert points[found.ends[1]].stable
    assert rest(network, network, np.array([3.0, 0.1])) is None


def test_visited_states_are_spread_over_the_iterations_asked_for():
    network = dg.LowRankRNN(*random_weights(7, 30, 2), leak=0.5)
    circuit, states = network.latent(), np.random.default_rng(8).normal(size=(3, 30))
    found = visit(network, circuit, (), states, steps=40)
    x, path = circuit.project(states), [circuit.project(states)]
    for _ in range(40):
        path.append(x := circuit.step(x))
    np.testing.assert_allclose(found.visited, np.concatenate(path), rtol=0, atol=1e-12)
    assert len(visit(network, circuit, (), states, steps=5000).visited) <= KEPT
