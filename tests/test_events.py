"""Events on small circuits: each is where independent simulation or algebra says, and none where it is not."""

from itertools import pairwise

import numpy as np
import pytest
from dense import between, field, fixed_points, ghosts, trial

from dynaghost.analysis import analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run

FOLD_AT = -np.sqrt(1 / 3)  # sech² u = 2/3, so tanh u = κ = −1/√3
FOLD = np.arctanh(FOLD_AT) - 1.5 * FOLD_AT  # b of tanh(1.5 κ + b) − κ there


def one(b, m=1.5):
    return {"m": [m], "n": [1.0], "b": [b]}


def shifted(c):
    """Roots c − 0.995, c, c + 0.995: the second unit is a constant."""
    return {"m": [3.0, 0.0], "n": [1.0, 4.0], "b": [-3 * c, np.arctanh(c / 4)]}


def events(states, **settings):
    return analyze(load_run(states, metrics=False, **settings)).events


def only(found, kind):
    (event,) = [event for event in found if event.kind == kind]
    return event


def kinds(found):
    return [event.kind.value for event in found]


def weights(state):
    return tuple(np.array(state[name], dtype=float) for name in "mnb")


# Births and deaths


def test_a_saddle_node_is_at_its_closed_form():
    event = only(events([one(0.0), one(0.5)]), "saddle_node")
    assert event.at == pytest.approx(FOLD / 0.5, abs=1e-11)
    assert event.evidence["x"] == pytest.approx(FOLD_AT, abs=1e-9)
    assert (event.status, event.evidence["creates"]) == ("proved", False)
    low, high = event.evidence["bracket"]
    assert low <= FOLD / 0.5 <= high


def test_one_three_one_between_two_checkpoints_is_two_saddle_nodes():
    found = events([one(-0.5), one(0.5)])
    assert kinds(found) == ["saddle_node", "saddle_node"]
    assert [event.evidence["creates"] for event in found] == [True, False]
    assert [event.at for event in found] == pytest.approx([0.5 - FOLD, 0.5 + FOLD], abs=1e-11)


def test_three_one_three_between_two_checkpoints_is_two_saddle_nodes():
    """The second unit's step passes over the first one's three roots."""
    first = {"m": [1.5, 0.5], "n": [1.0, 0.5], "b": [0.0, -3.0]}
    second = {"m": [1.5, 0.5], "n": [1.0, 0.5], "b": [0.0, 3.0]}
    counts = [len(fixed_points(between(weights(first), weights(second), s))) for s in np.linspace(0, 1, 101)]
    expected = sum(abs(a - b) // 2 for a, b in pairwise(counts))
    assert expected >= 2
    assert kinds(events([first, second])).count("saddle_node") == expected


def test_a_ghost_emerges_where_the_slope_reaches_one():
    event = only(events([one(0.4, 0.6), one(0.4, 1.4)]), "ghost_emergence")
    assert event.at == pytest.approx(0.5, abs=1e-9)
    assert event.evidence["x"] == pytest.approx(-0.4, abs=1e-3)
    assert event.status == "proved"


def test_a_ghost_dissolves_where_the_slope_falls_to_one():
    assert only(events([one(0.4, 1.4), one(0.4, 0.6)]), "ghost_dissolution").at == pytest.approx(0.5, abs=1e-9)


def test_a_saddle_node_that_leaves_a_ghost_is_no_ghost_emergence():
    result = analyze([one(0.1), one(0.3)])
    assert kinds(result.events) == ["saddle_node"]
    assert len(ghosts(weights(one(0.3)))) == len(result.points[1].ghosts) == 1


@pytest.mark.parametrize("twins", [False, True])
def test_an_exactly_odd_circuit_has_a_pitchfork(twins):
    states = [one(0.0, 0.8), one(0.0, 1.2)]
    if twins:
        states = [{"m": [m, m], "n": [0.6, 0.6], "b": [0.3, -0.3]} for m in (0.7, 1.5)]
    assert [len(fixed_points(weights(state))) for state in states] == [1, 3]
    (event,) = events(states)
    assert (event.kind, event.evidence["creates"]) == ("pitchfork", True)
    assert len(event.branches) == 3


@pytest.mark.parametrize("bias", [1e-3, 1e-6])
def test_a_circuit_that_is_almost_odd_has_none(bias):
    found = events([one(bias, 0.8), one(bias, 1.2)])
    assert kinds(found) == ["ghost_emergence", "saddle_node"]


def test_no_change_no_event():
    assert events([one(0.05), one(0.1)]) == ()


# Captures


def ends(states, s, x0, leak=0.5, steps=4000):
    return trial(between(weights(states[0]), weights(states[1]), s), leak, x0, steps)[-1]


@pytest.mark.parametrize("biases", [(-0.1, 0.1), (0.1, -0.1)])
def test_a_capture_is_where_the_basins_border_passes_the_start(biases):
    states = [one(b) for b in biases]
    event = only(events(states, leak=0.5, x0=0.05), "capture")
    # The border is the unstable point, and it is at 0.05 where tanh(0.075 + b) = 0.05.
    border = np.arctanh(0.05) - 1.5 * 0.05
    assert event.at == pytest.approx((border - biases[0]) / (biases[1] - biases[0]), abs=1e-8)
    low, high = event.evidence["bracket"]
    assert ends(states, low, 0.05) * ends(states, high, 0.05) < 0


def test_a_capture_by_an_attractor_that_dies_is_at_its_saddle_node():
    found = events([one(0.0), one(0.5)], leak=0.5, x0=-0.9)
    capture, fold = only(found, "capture"), only(found, "saddle_node")
    assert capture.at == pytest.approx(FOLD / 0.5, abs=1e-9)
    assert capture.branches[0] == fold.branches[1]
    assert capture.branches[1] not in fold.branches
    assert ends([one(0.0), one(0.5)], capture.at - 1e-3, -0.9) < 0 < ends([one(0.0), one(0.5)], capture.at + 1e-3, -0.9)


@pytest.mark.parametrize("settings", [{}, {"x0": -0.9}, {"leak": 0.5, "x0": 0.9}])
def test_captures_need_a_trial_that_leaves(settings):
    captures = kinds(events([one(0.0), one(0.5)], **settings)).count("capture")
    assert captures == (1 if settings == {"x0": -0.9} else 0)


# Readout crossings


def test_a_readout_crossing_is_where_f_is_zero_at_the_threshold():
    states = [one(0.1, 0.5), one(0.7, 0.5)]
    event = only(events(states, leak=0.5, x0=0.0, threshold=0.6), "readout_crossing")
    crossing = between(weights(states[0]), weights(states[1]), event.at)
    assert abs(field(crossing, 0.6)) < 1e-8
    assert event.evidence["upwards"]


@pytest.mark.parametrize("way", [1, -1])
def test_each_of_three_fixed_points_crosses_on_its_own(way):
    states = [shifted(-1.5), shifted(1.5)][::way]
    found = events(states, leak=0.5, x0=0.0, threshold=0.0)
    crossings = [event for event in found if event.kind == "readout_crossing"]
    assert len(crossings) == 3
    assert len({event.branches for event in crossings}) == 3
    assert all(event.evidence["upwards"] == (way == 1) for event in crossings)
    places = [event.at for event in crossings]
    assert np.all(np.diff(places) > 0.1)
    for s in places:
        assert abs(field(between(weights(states[0]), weights(states[1]), s), 0.0)) < 1e-8


def test_without_a_threshold_nothing_is_crossed():
    assert "readout_crossing" not in kinds(events([one(0.1, 0.5), one(0.7, 0.5)], leak=0.5, x0=0.0))


# The no-learning zone


def stuck(norms, biases=(-0.1, -0.1, 0.1, 0.1), **settings):
    return stuck_run(norms, biases, **settings).events


def stuck_run(norms, biases=(-0.1, -0.1, 0.1, 0.1), **settings):
    """A run over epochs 0 … 300 whose trial is captured by the upper attractor between 100 and 200."""
    epochs = np.arange(0.0, 301.0, 5.0)
    metrics = Metrics(epochs, np.where(epochs < 150, 0.1, 1.0), norms(epochs), "made up")
    states = {100 * e: one(b) for e, b in enumerate(biases)}
    settings = {"leak": 0.5, "x0": 0.05, "threshold": 0.0} | settings
    return analyze(load_run(states, axis="epoch", metrics=metrics, **settings))


def gone(epochs):
    return np.where(epochs < 150, 1.0, 1e-18)


def test_a_no_learning_zone_is_a_capture_and_a_gradient_gone():
    event = only(stuck(gone), "no_learning_zone")
    assert (event.before, event.after, event.at) == (150, 300, None)
    low, high = fixed_points(weights(one(-0.1)))[0], fixed_points(weights(one(0.1)))[-1]
    assert event.evidence["captured_between"] == [100, 200]
    assert event.evidence["attractor_after"] == pytest.approx(high)
    assert event.evidence["attractor_before"] == pytest.approx(low, abs=0.15)


@pytest.mark.parametrize(
    ("norms", "options"),
    [
        (lambda epochs: np.where(epochs < 150, 1.0, 1e-9), {}),
        (lambda epochs: np.where(epochs < 210, 1.0, 1e-18), {}),
        (gone, {"biases": (0.1, 0.1, 0.1, 0.1)}),
        (gone, {"threshold": -2.0}),
        (gone, {"x0": None}),
    ],
    ids=["gradient left", "too few metrics", "no capture", "output as before", "no trial"],
)
def test_neither_half_is_enough(norms, options):
    assert "no_learning_zone" not in kinds(stuck(norms, **options))


@pytest.mark.parametrize(
    ("norms", "options", "told"),
    [
        (lambda epochs: np.where(epochs < 150, 1.0, 1e-9), {}, "captured after 100, but the gradient norm, 1e-09"),
        (gone, {"biases": (0.1, 0.1, 0.1, 0.1)}, "gradient is gone from 150 on, but the trial was not captured"),
        (gone, {"x0": None}, "gradient is gone from 150 on, but no trial is known"),
    ],
)
def test_the_half_that_holds_is_told(norms, options, told):
    assert any(told in note for note in stuck_run(norms, **options).description.notes)


@pytest.mark.parametrize(("last", "is_gone"), [(1e-9, False), (1e-18, True)])
def test_a_capture_says_which_halves_hold_after_it(last, is_gone):
    evidence = only(stuck(lambda epochs: np.where(epochs < 150, 1.0, last)), "capture").evidence
    assert (evidence["wrong_since"], evidence["gradient_gone"]) == (True, is_gone)
    assert evidence["last_grad_norm"] == last


def test_a_gradient_that_vanishes_some_time_after_the_capture_counts_too():
    event = only(stuck(lambda epochs: np.where(epochs < 205, 1.0, 1e-18)), "no_learning_zone")
    assert event.before == 205
    assert event.evidence["captured_between"] == [100, 200]


def test_without_a_threshold_capture_alone_counts():
    assert only(stuck(gone, threshold=None), "no_learning_zone").after == 300


def test_the_output_is_wrong_by_where_the_trial_was_right_before_its_capture():
    """At the checkpoint before the capture the attractor is still below the threshold; on the way it rises above."""
    states = {epoch: shifted(c) for epoch, c in ((0, -0.3), (100, -0.3), (200, 0.6), (300, 0.6))}
    epochs = np.arange(0.0, 301.0, 5.0)
    metrics = Metrics(epochs, np.where(epochs < 150, 0.1, 1.0), gone(epochs), "made up")
    # The trial's κ(0) = 0.25 lies above the unstable point at −0.3 and below it at 0.6.
    settings = {"leak": 0.5, "x0": np.array([0.25, 0.0]), "threshold": 1.0}
    found = analyze(load_run(states, axis="epoch", metrics=metrics, **settings)).events
    event = only(found, "no_learning_zone")
    assert fixed_points(weights(states[100]))[-1] < 1 < event.evidence["attractor_before"]
    assert event.evidence["attractor_after"] < 1
