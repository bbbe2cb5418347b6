"""Curves through folds, and the straight line between two systems of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.complete import find_all
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems import GRU, LSTM, LeakyRNN, LowRankRNN, SaddleNode
from dynaghost.systems.functions import CallableSystem
from dynaghost.trajectories.curves import CurveEnd, trace
from dynaghost.trajectories.equations import FixedPoints, Minima
from dynaghost.trajectories.leaps import leap
from dynaghost.trajectories.story import tell
from dynaghost.trajectories.straight import Line, between, parameters
from dynaghost.trajectories.zeros import zero

RNG = np.random.default_rng(0)


def weights(*shape):
    return RNG.normal(size=shape)


def pairs():
    """Two systems of each kind."""
    return [
        [SaddleNode(r) for r in (-1.0, 2.0)],
        [LeakyRNN(weights(3, 3), weights(3), leak=0.3, activation="softplus", form="current") for _ in range(2)],
        [LeakyRNN(weights(3, 3), weights(3)) for _ in range(2)],
        [LowRankRNN(weights(5, 2), weights(2, 5), weights(5), scale=0.5).latent() for _ in range(2)],
        [LowRankRNN(weights(5, 2), weights(2, 5), weights(5), form="current") for _ in range(2)],
        [LowRankRNN(weights(5), weights(5), weights(5)).latent() for _ in range(2)],
        [GRU(weights(9, 3), weights(9, 2), bias_hh=weights(9), inputs=weights(2)) for _ in range(2)],
        [LSTM([weights(8, 2), weights(8, 2)], [weights(8, 1), weights(8, 2)], inputs=[0.5]) for _ in range(2)],
    ]


@pytest.mark.parametrize(("first", "second"), pairs(), ids=lambda system: type(system).__name__)
def test_the_line_has_the_systems_of_its_ends_interpolates_every_array_and_knows_its_velocity(first, second):
    line = Line(first, second)
    x = RNG.normal(size=(4, first.dim))
    for s, system in ((0.0, first), (1.0, second)):
        assert np.array_equal(between(first, second, s).f(x), system.f(x))
    middle = parameters(line.at(0.25))
    for name, array in parameters(first).items():
        assert np.allclose(middle[name], 0.75 * array + 0.25 * parameters(second)[name], rtol=1e-14)
    h = 1e-5
    difference = (line.at(0.25 + h).f(x) - line.at(0.25 - h).f(x)) / (2 * h)
    assert np.allclose(line.velocity(x, 0.25), difference, rtol=1e-6, atol=1e-8)
    assert line.at(0.5).time == first.time
    assert line.at(0.5).leak == first.leak


@pytest.mark.parametrize("equation", [FixedPoints, Minima])
@pytest.mark.parametrize(("first", "second"), pairs()[:4], ids=lambda system: type(system).__name__)
def test_derivatives_of_both_equations_agree_with_differences(equation, first, second):
    found = equation(Line(first, second))
    x, h = RNG.normal(size=(1, first.dim)), 1e-6
    value, by_x, by_s = found.parts(x, 0.4)
    assert value.shape == x.shape
    for j, e in enumerate(np.eye(first.dim)):
        difference = (found.parts(x + h * e, 0.4)[0] - found.parts(x - h * e, 0.4)[0]) / (2 * h)
        assert np.allclose(by_x[..., j], difference, rtol=1e-5, atol=1e-6)
    difference = (found.parts(x, 0.4 + h)[0] - found.parts(x, 0.4 - h)[0]) / (2 * h)
    assert np.allclose(by_s, difference, rtol=1e-5, atol=1e-6)


def test_systems_that_no_line_joins_are_refused_by_name():
    with pytest.raises(DynaghostError, match=r"second: expected a system like the first.*LeakyRNN.*SaddleNode"):
        Line(LeakyRNN([[1.0]], [0.0]), SaddleNode(1.0))
    with pytest.raises(DynaghostError, match="same shapes"):
        Line(LeakyRNN([[1.0]], [0.0]), LeakyRNN(np.eye(2), np.zeros(2)))
    with pytest.raises(DynaghostError, match=r"tells its parameters.*CallableSystem"):
        Line(*(CallableSystem(np.tanh, 1, leak=1.0, time="map") for _ in range(2)))


def test_a_curve_that_turns_comes_back_to_its_own_end_or_goes_on():
    back = trace(FixedPoints(Line(SaddleNode(-1.0), SaddleNode(0.25))), np.array([-1.0]), 0.0, rising=True)
    (turning,) = back.turnings
    assert back.nodes[turning].s == pytest.approx(0.8, abs=1e-12)
    assert back.nodes[-1].x == pytest.approx([1.0])
    assert back.nodes[-1].s == 0.0
    tight = trace(FixedPoints(Line(SaddleNode(-1.0), SaddleNode(0.25))), np.array([-1.0]), 0.0, rising=True, steps=2)
    assert tight.end is CurveEnd.BUDGET


def test_a_leap_over_a_saddle_node_is_not_believed_and_one_to_its_own_root_is():
    equation = FixedPoints(Line(SaddleNode(-1.0), SaddleNode(-1.44)))
    found = leap(equation, np.array([[1.0], [-1.0]]), 0.0, 1.0)
    assert found.believed.tolist() == [True, True]
    assert found.x[:, 0] == pytest.approx([1.2, -1.2], abs=1e-12)
    over = leap(FixedPoints(Line(SaddleNode(-1.0), SaddleNode(0.2))), np.array([[1.0], [-1.0]]), 0.0, 1.0)
    assert over.believed.tolist() == [False, False]


def test_a_leap_does_not_change_to_a_root_nearby():
    # x = tanh(3x + b): the middle root moves to where it is born, the outer one is close by.
    line = Line(LeakyRNN([[3.0]], [1.0]), LeakyRNN([[3.0]], [1.5]))
    roots = [
        sorted(float(p.x[0]) for p in find_slow_points(system).fixed_points) for system in (line.first, line.second)
    ]
    found = leap(FixedPoints(line), np.array(roots[0])[:, None], 0.0, 1.0)
    assert (len(roots[0]), len(roots[1])) == (3, 1)
    assert found.believed.tolist() == [False, False, True]
    assert found.x[2, 0] == pytest.approx(roots[1][0])


@given(st.floats(-2, 2), st.floats(0.01, 3))
def test_zero_finds_the_zero_of_a_monotone_function(place, power):
    def function(x):
        return np.sign(x - place) * abs(x - place) ** power

    found = zero(function, -3.0, 3.0, function(-3.0), function(3.0))
    assert found == pytest.approx(place, abs=2e-11)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), s=st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4))
def test_anywhere_on_the_line_as_many_fixed_points_are_followed_as_are_proved_to_be_there(seed, s):
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(2, 4, 4)) * 1.6, 0.4 * rng.normal(size=(2, 4))
    systems = LeakyRNN(W[0], b[0], time="flow"), LeakyRNN(0.6 * W[0] + 0.4 * W[1], b[1], time="flow")
    points = tuple(find_slow_points(system) for system in systems)
    story = tell(systems, points)
    assert story.lost == ()
    for place in s:
        proved = find_all(between(*systems, place), budget=100_000)
        followed = sum(stay.from_s <= place <= stay.to_s for stay in story.stays)
        assert len(proved.roots) == followed or not proved.complete


@pytest.mark.parametrize("seed", [9, 3])
def test_fixed_points_that_live_between_two_checkpoints_only_are_found_where_a_ghost_leads_to_them(seed):
    rng = np.random.default_rng(seed)
    W, b = 2 * rng.normal(size=(2, 4, 4)), 0.4 * rng.normal(size=(2, 4))
    systems = tuple(LeakyRNN(W[i], b[i], time="flow") for i in (0, 1))
    story = tell(systems, tuple(find_slow_points(system) for system in systems))
    assert (story.lost, story.lost_ghosts) == ((), ())
    between_only = [stay for stay in story.stays if isinstance(stay.low, int) and isinstance(stay.high, int)]
    assert between_only
    for place in np.linspace(0.03, 0.97, 9):
        proved = find_all(between(*systems, place), budget=100_000)
        assert proved.complete
        assert len(proved.roots) == sum(stay.from_s <= place <= stay.to_s for stay in story.stays)
