"""Complex pairs against extended precision, dense continuation, and the integrals that they stand for."""

from pathlib import Path

import numpy as np
import pytest
from dense import between, continued, field, passage_time, slope
from scipy.integrate import quad

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.systems.toy import SaddleNode
from dynaghost.training.descent import descend
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.task import DelayedActivation

DATA = Path(__file__).parents[1] / "data"
FOLD = 0.20754645532  # b at which tanh(1.5 κ + b) − κ loses two of its three roots


@pytest.fixture(scope="module")
def ghost():
    return analyze(load_run(DATA / "fig3a_ghost"))


@pytest.fixture(scope="module")
def fresh():
    """Seed 0 at rate 0.01 from before the ghost emerges, densely saved: its minimum of |f| is flat at first."""
    task, rate = DelayedActivation(), 0.01
    network = descend(initial_rank_one(seed=0), task, learning_rate=rate, updates=18_800).network
    states = {}
    for epoch in range(18_800, 19_201, 50):
        states[epoch] = {"m": network.m, "n": network.n, "b": network.b}
        network = descend(network, task, learning_rate=rate, updates=50).network
    return analyze(load_run(states, axis="epoch", metrics=False, leak=0.5))


def ghosts_with_pairs(result):
    return [
        (circuit.weights, point)
        for circuit, points in zip(result.circuits, result.points, strict=True)
        for point in points.ghosts
        if point.complex_point is not None
    ]


def longdouble(weights):
    return tuple(w.astype(np.longdouble) for w in weights)


def assert_complex_point_is_a_root(weights, z):
    """Newton in extended precision hardly moves it, and it is off the axis."""
    w, refined = longdouble(weights), np.clongdouble(z)
    for _ in range(5):
        refined -= field(w, refined) / slope(w, refined)
    assert abs(refined - z) < 1e-10
    assert refined.imag > 1e-9


def test_complex_points_are_roots(ghost):
    found = ghosts_with_pairs(ghost)
    assert len(found) == sum(len(points.ghosts) for points in ghost.points) > 100
    for weights, point in found[::7]:
        z = complex(point.complex_point[0])
        assert_complex_point_is_a_root(weights, z)
        assert point.passage_time == pytest.approx(passage_time(weights, z), rel=1e-10)


# Passage times


@pytest.mark.parametrize("r", [10.0**-k for k in range(0, 290, 17)])
def test_passage_time_of_the_toy_model(r):
    (point,) = find_slow_points(SaddleNode(r)).ghosts
    assert complex(point.complex_point[0]) == pytest.approx(1j * np.sqrt(r), rel=1e-12)
    assert point.passage_time == pytest.approx(np.pi / np.sqrt(r), rel=1e-12)


def test_passage_time_of_the_toy_map_counts_iterations():
    r, leak = 1e-8, 0.25
    (point,) = find_slow_points(SaddleNode(r, leak=leak, time="map")).ghosts
    x, count = -1.0, 0
    while x < 1.0:
        x, count = x + leak * (x * x + r), count + 1
    # Outside the window the map takes about 2/leak, and what a discrete step makes of it.
    assert point.passage_time == pytest.approx(count, abs=20)
    assert point.passage_time == pytest.approx(np.pi / np.sqrt(r) / leak, rel=1e-3)


@pytest.mark.parametrize("form", ["rate", "current"])
def test_passage_time_is_the_diverging_part_of_the_integral(form):
    """∫dκ/f over a window less the passage time is the same however close the fold is."""
    rest = []
    for distance in (1e-4, 1e-5, 1e-6):
        circuit = RankOneRNN([1.5], [1.0], [FOLD + distance], form=form).latent()
        (point,) = find_slow_points(circuit).ghosts
        x = point.x[0]
        halves = [(x - 0.3, x), (x, x + 0.3)]
        total = sum(quad(lambda k, w=circuit.weights: 1 / field(w, k), *half, limit=500)[0] for half in halves)
        rest.append(point.passage_time - total)
    assert point.passage_time > 1000
    assert rest == pytest.approx([rest[0]] * 3, rel=0.01)


def test_two_ghosts_share_the_integral_by_residues():
    """Where a far constant flow carries on beyond both, the pairs' shares add up to the excess of the time."""
    m, n = np.array([6.0, 6.0]), np.array([1.0, 1.0])
    weights = (m, n, m * np.array([0.9, -1.4]) + 0.0)
    points = find_slow_points(RankOneRNN(*weights))
    for point in points.ghosts:
        z = complex(point.complex_point[0])
        assert_complex_point_is_a_root(weights, z)
        residue = 2j * np.pi / slope(weights, z)
        # The share of a pair in a contour integral of 1/f: 2πi·Res, its real part.
        assert point.passage_time == pytest.approx(abs(residue.real), rel=1e-9)


# Along training


def assert_pairs_continue_from_each_checkpoint_to_the_one_before(result):
    """Each recorded pair is where a dense continuation from the next checkpoint's arrives."""
    places = {step: circuit.weights for step, circuit in zip(result.steps, result.circuits, strict=True)}
    links = 0
    for track in result.pairs:
        for (before, z_before), (after, z_after) in zip(
            zip(track.steps, track.z, strict=True), list(zip(track.steps, track.z, strict=True))[1:], strict=False
        ):
            if result.steps.index(after) == result.steps.index(before) + 1:
                found = continued(places[after], places[before], z_after, steps=100)
                assert found == pytest.approx(z_before, abs=1e-8), (track.branch, before)
                links += 1
    return links


def test_pairs_of_the_recorded_run_are_one_story(ghost):
    assert assert_pairs_continue_from_each_checkpoint_to_the_one_before(ghost) > 100


def test_a_ghost_that_changes_its_pair_keeps_both(ghost):
    """Near epoch 467 000 another pair comes to slow the flow more; each goes on, before and after."""
    first, second = ghost.pairs
    assert first.branch == second.branch
    for step, own, other in ((450_000, first, second), (500_000, second, first)):
        point = ghost.points[ghost.steps.index(step)].ghosts[0]
        z, time = own.at(step)
        assert complex(point.complex_point[0]) == pytest.approx(z, abs=1e-9)
        assert time > other.at(step)[1]


def test_a_ghost_that_just_emerged_has_the_pair_that_later_checkpoints_lead_to(fresh):
    longest = 0
    for event in fresh.events:
        if event.kind == "ghost_emergence":
            born = last = fresh.steps.index(event.after)
            while last + 1 < len(fresh.steps) and fresh.points[last + 1].ghosts and last < born + 5:
                last += 1
            (point,), (end,) = fresh.points[born].ghosts, fresh.points[last].ghosts
            z = complex(end.complex_point[0])
            for e in range(last, born, -1):
                z = continued(fresh.circuits[e].weights, fresh.circuits[e - 1].weights, z, steps=400)
            assert complex(point.complex_point[0]) == pytest.approx(z, abs=1e-8), event.after
            longest = max(longest, last - born)
    assert longest >= 3


def test_a_pair_is_followed_to_before_its_ghost_emerges(ghost):
    track = ghost.pairs[0]
    assert track.steps[0] < 33_000
    assert min(step for step in ghost.branches[track.branch].ghost_steps) == 34_000
    z, time = track.at(33_000)
    weights = ghost.circuits[ghost.steps.index(33_000)].weights
    assert_complex_point_is_a_root(weights, z)
    assert time == pytest.approx(passage_time(weights, z), rel=1e-9)
    assert track.at(33_500) is None


@pytest.mark.parametrize("biases", [(0.5, 0.35, 0.22, 0.1, -0.1), (-0.1, 0.1, 0.22, 0.35, 0.5)])
def test_pair_and_fixed_points_are_one_story_across_a_saddle_node(biases):
    result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in biases])
    (fold,) = [event for event in result.events if event.kind == "saddle_node"]
    (track,) = [track for track in result.pairs if track.branch == fold.branches[0]]
    complex_steps = [step for step, b in zip(result.steps, biases, strict=True) if b > FOLD]
    assert list(track.steps) == complex_steps
    # With one neuron the pair solves u = 1.5 tanh u + b, u = 1.5 κ + b.
    for step, z in zip(track.steps, track.z, strict=True):
        u = 1.5 * z + biases[step]
        assert abs(1.5 * np.tanh(u) + biases[step] - u) < 1e-12
        assert z.imag > 0


def test_a_pair_is_known_even_if_it_never_is_a_ghost_at_a_checkpoint():
    """Between the checkpoints the ghost emerges and splits; the pair before it is found from the saddle-node."""
    states = [(0.6, 0.3), (0.8, 0.3), (1.5, 0.1), (1.5, 0.05)]
    result = analyze([{"m": [m], "n": [1.0], "b": [b]} for m, b in states])
    assert not any(points.ghosts for points in result.points)
    (fold,) = [event for event in result.events if event.kind == "saddle_node"]
    (track,) = result.pairs
    assert track.branch == fold.branches[0]
    assert track.steps == (0, 1)
    first, second = ((np.array([m]), np.array([1.0]), np.array([b])) for m, b in states[1:3])
    start = between(first, second, fold.at - 1e-3)
    z = continued(start, start, complex(fold.evidence["x"], 0.1), steps=10)
    assert track.at(1)[0] == pytest.approx(continued(start, first, z), abs=1e-9)
