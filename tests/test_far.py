"""Checkpoints that are far apart: a branch is lost only where halving the interval along the line does not help."""

import numpy as np
import pytest
from families import Family, listed, scalar

import dynaghost as dg
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.trajectories.story import tell
from dynaghost.trajectories.straight import between


def random_networks(seed, units, gain=2.0):
    rng = np.random.default_rng(seed)
    return tuple(
        dg.LeakyRNN(gain * rng.normal(size=(units, units)) / units**0.5, 0.3 * rng.normal(size=units)) for _ in "ab"
    )


def halves(systems):
    """The stories of both halves of a line, from the slow points that a search finds at its middle."""
    stations = [systems[0], between(*systems, 0.5), systems[1]]
    points = [find_slow_points(system) for system in stations]
    return [tell((stations[k], stations[k + 1]), (points[k], points[k + 1])) for k in (0, 1)]


@pytest.mark.parametrize(("seed", "units"), [(3, 8), (4, 8), (0, 16)])
def test_networks_that_have_nothing_to_do_with_each_other_are_followed(seed, units):
    """Complete lists at both ends: every branch and every change of their number is accounted for."""
    systems = random_networks(seed, units)
    points = tuple(find_slow_points(system) for system in systems)
    assert all(found.complete for found in points)
    story = tell(systems, points)
    assert story.lost == ()
    assert len(story.happenings) > 5
    born = sum(2 if one.creates else -2 for one in story.happenings if one.kind == "saddle_node")
    assert len(points[1].fixed_points) - len(points[0].fixed_points) == born
    whole = {one.kind.value for one in story.happenings}
    parts = {one.kind.value for half in halves(systems) for one in half.happenings}
    assert {kind for kind in whole if not kind.startswith("ghost")} <= parts


def family(coefficients, root, dim=2):
    base = scalar(coefficients, lambda p: [[root(p)]])
    systems = tuple(Family(base, p, dim=dim) for p in (0.0, 1.0))
    points = []
    for system, p in zip(systems, (0.0, 1.0), strict=True):
        y = root(p)
        x = system.Q @ np.concatenate([[y], system.drive * y**2 / system.rates])
        points.append(listed(system, [x]))
    return systems, tuple(points)


def test_a_curve_that_takes_many_steps_is_followed_to_its_end():
    """y = sin(40 p): there and back 6 times, more than the usual number of steps."""
    systems, points = family(lambda p: [np.sin(40 * p), -1.0], lambda p: float(np.sin(40 * p)))
    story = tell(systems, points)
    assert story.lost == ()
    assert [(stay.low.index, stay.high.index) for stay in story.stays] == [(0, 0)]


def test_a_fixed_point_that_goes_to_infinity_is_lost_on_a_half_of_the_interval_too():
    """1 + (p − ½)y = 0: at the middle there is none."""
    systems, points = family(lambda p: [1.0, p - 0.5], lambda p: -1 / (p - 0.5))
    middle = between(*systems, 0.5)
    whole = tell(systems, points)
    first = tell((systems[0], middle), (points[0], listed(middle, [])))
    last = tell((middle, systems[1]), (listed(middle, []), points[1]))
    for story, sides in ((whole, {0, 1}), (first, {0}), (last, {1})):
        assert {place.side for place, _ in story.lost} == sides
        assert all(why.startswith("it goes to infinity, as far as it was followed: |x| grew") for _, why in story.lost)
