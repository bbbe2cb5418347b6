"""ReLU and leaky ReLU networks along a line: border collisions against formulas and against all regions."""

import itertools
from collections import Counter

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.slowpoints.linear_regions import slopes_of
from dynaghost.systems import LeakyRNN
from dynaghost.trajectories.ghost_link import Identity
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_run import follow_run
from dynaghost.trajectories.space_tracks import track_space
from dynaghost.trajectories.story import tell
from dynaghost.trajectories.straight import between

BELOW = 0.2  # slope of leaky ReLUs


def network(W, b, activation="relu", **options):
    options = {"leak": 1.0, "time": "flow", "negative_slope": BELOW} | options
    return LeakyRNN(W, b, activation=activation, **options)


def told(systems):
    return tell(tuple(systems), tuple(find_slow_points(system) for system in systems))


def tracked(systems):
    tracks = track_space(range(len(systems)), follow_run(systems, [find_slow_points(system) for system in systems]))
    return tracks, space_events(tracks)


@pytest.mark.parametrize("turn", [False, True])
def test_a_non_smooth_fold_of_one_unit_and_the_ghost_it_leaves(turn):
    # x = max(2x + b, 0): 0 and −b for b < 0, none above.
    systems = [network([[2.0]], [b]) for b in ((-1.0, 2.0) if not turn else (2.0, -1.0))]
    tracks, (event,) = tracked(systems)
    assert (event.kind.value, event.evidence["collision"]) == ("border_collision", "non-smooth fold")
    assert event.at == pytest.approx(2 / 3 if turn else 1 / 3, abs=1e-12)
    assert event.evidence["creates"] == turn
    assert event.evidence["determinants"] == [-1, 1]
    assert event.evidence["unstable_directions"] == [1, 0]
    assert np.prod(event.evidence["test"]) < 0
    # The ghost is on the branch of the unstable fixed point.
    kinds = [segment.kind.value for segment in tracks.branches[event.branches[0]].segments]
    assert kinds == (["ghost", "fixed_point"] if turn else ["fixed_point", "ghost"])
    assert not any(segment.lost for branch in tracks.branches for segment in branch.segments)
    story = told(systems)
    assert [stay.by for stay in story.ghost_stays] == [Identity.KINKS]


def test_persistence_keeps_the_branch_and_tells_of_a_change_of_stability():
    # x₁ = φ(−3x₁ + b) as a map: the multiplier is −3 above the kink, −3·0.2 below it.
    systems = [network([[-3.0]], [b], "leaky_relu", time="map") for b in (-1.0, 1.0)]
    tracks, (event,) = tracked(systems)
    assert (event.kind.value, event.evidence["collision"]) == ("border_collision", "persistence")
    assert event.at == pytest.approx(0.5, abs=1e-12)
    assert event.evidence["unstable_directions"] == [0, 1]
    assert event.evidence["determinants"] == [1, 1]
    assert len(tracks.branches) == 1
    assert tracks.branches[0].segments[0].steps == [0, 1]


def test_a_plane_with_a_border_in_its_focus():
    # u = W φ(u) + b with W a turn by growth g: above both kinks u = (1 − W)⁻¹b.
    def turned(b):
        return network([[0.3, -0.8], [0.8, 0.3]], [b, 1.0], "leaky_relu", form="current")

    _, events = tracked([turned(-2.0), turned(3.0)])
    # Unit 0 has u₀ = 0 where b = 0.8·φ(u₁), u₁ = 1 + 0.3·φ(u₁), so φ(u₁) = 1/0.7.
    assert [event.evidence["unit"] for event in events] == [0]
    assert events[0].at == pytest.approx((0.8 / 0.7 + 2) / 5, abs=1e-12)
    assert events[0].evidence["collision"] == "persistence"


def test_a_fixed_point_that_goes_to_infinity_says_so():
    systems = [network([[w]], [1.0]) for w in (0.5, 1.5)]
    tracks, events = tracked(systems)
    assert events == ()
    (lost,) = [s.lost for branch in tracks.branches for s in branch.segments if s.kind.value == "fixed_point"]
    assert lost == "between 0 and 1: it goes to infinity"


def all_fixed_points(system):
    """By solving every region."""
    n, found = system.dim, 0
    for on in itertools.product([False, True], repeat=n):
        u = np.linalg.solve(np.eye(n) - system.W * slopes_of(system, np.array(on)), system.b)
        found += np.array_equal(u > 0, on)
    return found


def one_line(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    options = {"activation": ["relu", "leaky_relu"][seed % 2], "form": ["rate", "current"][seed // 2 % 2]}
    W, b = 0.7 * rng.normal(size=(2, n, n)), rng.normal(size=(2, n))
    return network(W[0], b[0], **options), network(0.5 * W[0] + 0.5 * W[1], b[1], **options)


def test_anywhere_on_a_line_as_many_fixed_points_are_followed_as_regions_have():
    outcomes = Counter()
    for seed in range(40):
        systems = one_line(seed)
        story = told(systems)
        outcomes["borders"] += sum(one.kind.value == "border_collision" for one in story.happenings)
        outcomes["folds"] += sum(one.creates is not None for one in story.happenings)
        if story.lost:
            assert all(because == "it goes to infinity" for _, because in story.lost)
            outcomes["infinite"] += 1
            continue
        for s in np.linspace(0.017, 0.983, 12):
            followed = sum(stay.from_s <= s <= stay.to_s for stay in story.stays)
            hidden = all_fixed_points(between(*systems, float(s))) - followed
            # Not reached from a checkpoint: what is born and dies, or comes from infinity and goes there, between them.
            assert hidden in (0, 1, 2)
            outcomes["hidden" if hidden else "right"] += 1
    assert outcomes["right"] > 250
    assert outcomes["hidden"] < 0.05 * outcomes["right"]
    assert outcomes["borders"] > 40
    assert outcomes["folds"] >= 3
    assert outcomes["infinite"] < 12


@pytest.mark.parametrize("seed", range(2))
def test_borders_are_where_signs_change_between_dense_places(seed):
    rng = np.random.default_rng(seed)
    W = 0.25 * rng.normal(size=(2, 12, 12))
    systems = [network(W[k], 2 * rng.normal(size=12), "leaky_relu") for k in (0, 1)]
    story = told(systems)
    crossings = [(one.s, one.evidence["unit"]) for one in story.happenings if one.kind.value == "border_collision"]
    places, signs, x = np.linspace(0, 1, 601), [], np.zeros(12)
    for s in places:
        system = between(*systems, float(s))
        for _ in range(60):
            x = system.curve(system.W @ x + system.b)  # a contraction
        signs.append(system.W @ x + system.b > 0)
    changes = [(k, int(i)) for k in range(600) for i in np.flatnonzero(signs[k] != signs[k + 1])]
    assert len(changes) == len(crossings) > 4
    assert sorted(i for _, i in changes) == sorted(i for _, i in crossings)
    for s, i in crossings:
        assert any(places[k] <= s <= places[k + 1] and i == j for k, j in changes)


def test_a_run_of_files_tells_its_border_collisions():
    weights = [{"W": np.diag([2.0, 0.5]), "b": np.array([b, 0.3])} for b in (-1.0, -0.2, 0.4, 1.0)]
    result = dg.analyze(dg.load_run(weights, activation="relu", leak=0.5))
    (event,) = [one for one in result.events if one.kind.value == "border_collision"]
    assert (event.before, event.after) == (1, 2)
    assert event.at == pytest.approx(1 / 3, abs=1e-12)
    assert [len(points.fixed_points) for points in result.points] == [2, 2, 0, 0]


@pytest.mark.parametrize(
    ("unit", "x0", "verdict"),
    [
        ([[2.0]], 0.0, "bifurcation"),
        ([[2.0]], 0.1, "none"),  # beyond the unstable point on both sides of the drop: it runs to infinity on both
        ([[0.5]], 0.1, "none"),
    ],
)
def test_a_fold_at_a_border_is_a_bifurcation_and_mere_persistence_is_none(unit, x0, verdict):
    steps = np.arange(0.0, 91.0)
    losses = Metrics(steps, 1 / (1 + np.exp(steps - 45)) + 1e-3, None, "")
    weights = {k: {"W": np.array(unit), "b": np.array([(k - 45) / 90])} for k in range(0, 100, 10)}
    result = dg.analyze(dg.load_run(weights, metrics=losses, x0=x0, activation="relu", leak=0.5))
    (found,) = result.verdicts
    assert [event.kind.value for event in result.events if "collision" in event.evidence] == ["border_collision"]
    assert found.verdict == verdict


def test_it_is_said_that_points_which_live_between_two_checkpoints_are_not_looked_for():
    states = [{"W": np.diag([2.0, 0.5]), "b": np.array([b, 0.1])} for b in (0.3, 0.4)]
    said = "piecewise linear: fixed points that are born and die between two checkpoints are not looked for"
    assert said in dg.analyze(dg.load_run(states, activation="relu")).description.notes
    assert said not in dg.analyze(dg.load_run(states, activation="tanh")).description.notes
