"""Searches that begin where points were known: what they keep, when they go on, and how many random starts they try."""

from dataclasses import replace

import numpy as np
import pytest

from dynaghost.slowpoints.find import find_near, find_slow_points
from dynaghost.systems import LeakyRNN

UNITS = 40
RNG = np.random.default_rng(5)
NOISE = RNG.normal(size=(UNITS, UNITS)) / UNITS**0.5
B = 0.05 * RNG.normal(size=UNITS)


def network(gain):
    """Two stored patterns in noise: from one fixed point to nine."""
    stored = np.sign(np.random.default_rng(6).normal(size=(2, UNITS)))
    return LeakyRNN(gain * stored.T @ stored / UNITS + 0.1 * NOISE, B, time="flow")


def places(points):
    return np.array([point.x for point in points.fixed_points])


def test_known_points_are_found_again_for_a_share_of_the_work():
    first = find_slow_points(network(1.5))
    whole, near = find_slow_points(network(1.52)), find_near(network(1.52), first, turn=3)
    assert len(near.fixed_points) == len(whole.fixed_points) == 9
    assert near.index_sum == 1
    assert near.cost.carried
    assert near.cost.evaluations < 0.4 * whole.cost.evaluations
    assert all(point.certificate == "exists_unique" for point in near.fixed_points)
    np.testing.assert_allclose(places(near), places(whole), atol=1e-9)
    # Only random starts and lines count as hits: the small search has few.
    assert sum(near.coverage.hits) <= near.coverage.starts + 9 * near.coverage.lines < 200


@pytest.mark.parametrize(("before", "after", "count"), [(1.05, 1.5, 9), (1.5, 1.05, 1)])
def test_where_points_are_lost_or_new_the_search_goes_on_as_if_nothing_had_been_known(before, after, count):
    near = find_near(network(after), find_slow_points(network(before)))
    assert len(near.fixed_points) == count == len(find_slow_points(network(after)).fixed_points)
    assert not near.cost.carried


def test_a_pair_that_died_is_looked_for_as_a_ghost():
    # x ← tanh(1.5x + b) has its fold at b = 0.2075; 39 units that contract make it no small network.
    systems = [LeakyRNN(np.diag([1.5] + [0.3] * 39), np.append(b, np.zeros(39)), time="flow") for b in (0.2, 0.215)]
    near = find_near(systems[1], find_slow_points(systems[0]))
    assert [len(near.fixed_points), len(near.ghosts)] == [1, 1]


@pytest.mark.parametrize("turn", range(4))
def test_a_ghost_that_was_not_known_is_met_by_the_few_descents(turn):
    # The other fixed points stay, and the index sum is right: only a descent can tell.
    system = LeakyRNN(np.diag([1.5] + [0.3] * 39), np.append(0.215, np.zeros(39)), time="flow")
    whole = find_slow_points(system)
    assert len(whole.ghosts) == 1
    near = find_near(system, replace(whole, ghosts=()), turn=turn)
    np.testing.assert_allclose([ghost.x for ghost in near.ghosts], [whole.ghosts[0].x], atol=1e-9)
    assert not near.cost.carried


def test_the_seed_and_the_turn_make_the_random_starts():
    known = find_slow_points(network(1.5))
    first, again, other = (find_near(network(1.51), known, seed=1, turn=turn) for turn in (2, 2, 3))
    assert repr(first) == repr(again)
    assert first.coverage.hits != other.coverage.hits
    assert first.seed == 1


def test_proved_searches_and_given_starts_run_as_ever():
    small = LeakyRNN(1.5 * np.eye(2), np.zeros(2))
    known = find_slow_points(small)
    assert find_near(small, known).complete
    given = find_near(network(1.5), known, starts=np.zeros((1, UNITS)))
    assert given.coverage.starts == 1


def test_a_known_ring_is_sampled_again_without_a_search_for_it():
    angles = 2 * np.pi * np.arange(UNITS) / UNITS
    first, second = (LeakyRNN(2 * gain / UNITS * np.cos(angles[:, None] - angles), 0 * angles) for gain in (1.6, 1.61))
    (region,) = find_near(second, find_slow_points(first)).slow_regions
    assert region.dimension == 1
    assert len(region.states) > 40
