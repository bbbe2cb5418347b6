"""Answers of trials: readouts of several outputs, trials of networks of rank one, trials that run to infinity."""

import numpy as np
import pytest
from scipy.optimize import brentq

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.readouts import readout_of
from dynaghost.systems.trials import Trials
from dynaghost.trajectories.events import EventKind
from dynaghost.trajectories.outputs import Readout, escape_times
from dynaghost.trajectories.visits import visit
from dynaghost.views.text import summary

ROWS = np.arange(0.0, 401.0)
FALL = Metrics(ROWS, 1 / (1 + np.exp((ROWS - 250) / 3)) + 1e-3, None, "made up")
STEPS = (100, 200, 300)


def analyzed(states, **settings):
    return dg.analyze(dg.load_run(states, metrics=FALL, axis="epoch", leak=0.5, **settings))


def of_kind(result, kind):
    return [event for event in result.events if event.kind is kind]


# Readouts of several outputs


def test_targets_tell_whether_outputs_stand_for_classes():
    network, inputs = dg.LeakyRNN(np.eye(4), np.zeros(4)), np.zeros((2, 3, 1))
    arrays = {"fc.weight": np.arange(12.0).reshape(3, 4), "fc.bias": np.array([1.0, 2.0, 4.0])}
    answers = []
    for targets in (
        None,
        np.eye(3)[[[0, 1, 2], [2, 1, 0]]],
        np.ones((2, 3, 3)),
        [[0, 1, 2], [2, 2, 2]],
        [[0, 1, 3]] * 2,
    ):
        trials = None if targets is None else Trials.of(inputs=inputs, targets=np.array(targets, dtype=float))
        found = readout_of(arrays, network, trials)
        assert found.weights.tolist() == arrays["fc.weight"].tolist()
        answers.append(found.largest)
    assert answers == [False, True, False, True, False]
    # Two that are not classes are two answers; two classes are one, their difference.
    two = {"fc.weight": np.array([[1.0, 0, 0, 0], [0, 3.0, 0, 0]])}
    signs = Trials.of(inputs=inputs, targets=np.where(np.arange(12).reshape(2, 3, 2) % 3, 1.0, -1.0))
    assert readout_of(two, network, signs).weights.shape == (2, 4)
    classes = Trials.of(inputs=inputs, targets=np.eye(2)[[[0, 1, 1], [1, 1, 0]]])
    assert readout_of(two, network, classes).weights.tolist() == [-1, 3, 0, 0]
    # What is not asked for does not count.
    padded = np.eye(2)[[[0, 1, 1], [1, 1, 0]]]
    padded[:, 0] = 0.5
    masked = Trials.of(inputs=inputs, targets=padded, mask=np.array([[0, 1, 1], [0, 1, 1]]))
    assert readout_of(two, network, masked).weights.tolist() == [-1, 3, 0, 0]


def test_the_answer_of_several_outputs_changes_with_the_first_of_them():
    """Three units that decay alone, x = x₀·e^(−t), each read by itself or as the largest."""
    starts, leak = np.array([[1.0, 2.0, 4.0], [1.0, 0.1, 0.2]]), 1e-3
    network = dg.LeakyRNN(np.zeros((3, 3)), np.zeros(3), leak=leak)
    each = escape_times(network, starts, Readout(np.eye(3), 0.0, 0.5, ""))
    assert each == pytest.approx([np.log(2), np.log(2)], abs=2 * leak)
    # 4·e^(−t) − 3 falls below e^(−t) where e^(−t) = 1.
    largest = Readout(np.diag([1.0, 1.0, 2.0]), np.array([0.0, 0.0, -3.0]), 0.0, "", largest=True)
    first, second = escape_times(network, starts, largest)
    assert first == pytest.approx(np.log(8 / 3) - np.log(4 / 3), abs=2 * leak)
    assert second is None


def fold_of(W, b):
    """The positive fixed point of x = tanh(W x + b) for one unit."""
    return brentq(lambda x: np.tanh(W * x + b) - x, 0.3, 1.0, xtol=1e-14)


@pytest.mark.parametrize("largest", [False, True])
def test_crossings_of_several_outputs_are_where_a_root_finder_puts_them(largest):
    """One unit with three fixed points, and a readout that moves past the positive one."""
    weights = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    biases = {100: [0.0, 0.5, -0.5], 200: [0.0, 0.5, -0.5], 300: [0.0, 3.0, -0.5]}
    states = {
        k: {"W": np.diag([1.5, 0.3]), "b": np.array([0.1, 0.0]), "fc.weight": weights, "fc.bias": np.array(biases[k])}
        for k in STEPS
    }
    targets = np.eye(3)[[[0, 1, 2, 1]]] if largest else np.zeros((1, 4, 3))
    inputs = np.zeros((1, 4, 1))
    trials = Trials.of(inputs=inputs, targets=targets, initial=np.array([[0.5, 0.0]]))
    result = analyzed({k: v | {"W_in": np.zeros((2, 1))} for k, v in states.items()}, trials=trials)
    x = fold_of(1.5, 0.1)
    # Of each: −x + 0.5 + 2.5 s = 0. As the largest: −x + 0.5 + 2.5 s = x.
    s = ((2 * x if largest else x) - 0.5) / 2.5
    crossings = [event for event in of_kind(result, EventKind.READOUT_CROSSING) if event.evidence["state"][0] > 0]
    (event,) = crossings
    assert (event.before, event.at) == (200, pytest.approx(s, abs=1e-8))
    told = {"output": 0, "into_output": 1} if largest else {"output": 1}
    assert {name: event.evidence.get(name) for name in ("output", "into_output") if name in event.evidence} == told
    words = "the largest output of a fixed point is 1, no longer 0" if largest else "output 1 of a fixed point crosses"
    assert words in summary(result)


# Networks of rank one with trials


M = {"S_l": np.ones((2, 1)), "S_r": np.full((1, 2), 0.75), "W_in.weight": np.ones((2, 1))}
CUES = np.zeros((3, 40, 1))
CUES[0, :4], CUES[1, :4] = 1.0, -1.0
DELAY = {
    "period": "delay",
    "trials": Trials.of(
        inputs=CUES, initial=np.array([[0, 0], [0, 0], [-0.03, -0.03]]), periods={"cue": (0, 4), "delay": (4, 40)}
    ),
}


def rank_one(biases):
    return {k: M | {"W_in.bias": np.full(2, b)} for k, b in zip(STEPS, biases, strict=True)}


def run_trial(trial, b, steps=4000):
    """κ of a trial of the networks above, by the recurrence itself, long after its end too."""
    x, kappas = np.array(DELAY["trials"].initial[trial], dtype=float), []
    for t in range(steps):
        u = CUES[trial, t, 0] if t < 40 else 0.0
        kappas.append(x.sum())
        x = 0.5 * x + 0.5 * np.tanh(0.75 * x.sum() + b + u)
    return np.array(kappas)


def crossing_of(trial, b):
    """When κ of a trial gets across 0.5 in its delay, in τ."""
    kappas = run_trial(trial, b)[4:41] - 0.5
    crossed = np.flatnonzero(kappas * kappas[0] < 0)
    return (
        0.5 * (crossed[0] - kappas[crossed[0]] / (kappas[crossed[0]] - kappas[crossed[0] - 1]))
        if len(crossed)
        else None
    )


def test_trials_of_rank_one_are_captured_where_simulation_says():
    biases = (0.0, 0.02, 0.4)
    result = analyzed(rank_one(biases), threshold=0.5, delay=5.0, **DELAY)
    captures = of_kind(result, EventKind.CAPTURE)
    assert {trial for event in captures for trial in event.evidence["trials"]} == {1, 2}
    for event in captures:
        (trial,), e = event.evidence["trials"], STEPS.index(event.before)
        low, high = (biases[e] + s * (biases[e + 1] - biases[e]) for s in event.evidence["bracket"])
        assert run_trial(trial, low - 1e-4)[-1] < 0 < run_trial(trial, high + 1e-4)[-1]
    assert result.starts[0][0] == pytest.approx(run_trial(0, 0.0)[4], rel=1e-12)
    (verdict,) = result.verdicts
    assert (verdict.verdict, verdict.evidence["captured"], verdict.evidence["delay"]) == ("bifurcation", 1, 5.0)
    first, last = verdict.evidence["escape_times"]
    for told, b in ((first, 0.02), (last, 0.4)):
        times = [time for trial in range(3) if (time := crossing_of(trial, b)) is not None]
        assert (told["trials"], told["escaped"]) == (3, len(times))
        assert told["median"] == pytest.approx(np.median(times), rel=1e-9)
    assert last["escaped"] == 1
    assert "1 trial captured" in summary(result)


def test_a_threshold_on_kappa_is_crossed_with_trials_as_without():
    states = {k: {"m": [1.0, 1.0], "n": [n, n], "b": [0.3, 0.3]} for k, n in zip(STEPS, (0.3, 0.3, 0.6), strict=True)}
    alone = of_kind(analyzed(states, x0=0.0, threshold=0.5), EventKind.READOUT_CROSSING)
    trials = Trials.of(initial=np.array([[0.0, 0.0], [0.2, 0.4]]))
    given = analyzed(states, trials=trials, threshold=0.5)
    (event,), (other,) = of_kind(given, EventKind.READOUT_CROSSING), alone
    assert (event.before, event.at, event.branches) == (other.before, pytest.approx(other.at, abs=1e-8), other.branches)
    n = brentq(lambda n: 2 * n * np.tanh(0.5 + 0.3) - 0.5, 0.3, 0.6)
    assert event.at == pytest.approx((n - 0.3) / 0.3, abs=1e-8)
    assert given.verdicts[0].evidence["escape_times"][1]["trials"] == 2


# Trials that run to infinity


def growing(gain=1.5):
    """A unit that grows without end above its fixed point at 1, and one that contracts."""
    return dg.LeakyRNN(np.diag([gain, 0.3]), np.array([-0.5, 0.2]), leak=0.5, activation="relu")


def test_a_trial_that_runs_to_infinity_counts_as_far_as_everything_else_is():
    network = growing()
    points = dg.find_slow_points(network).fixed_points
    both = visit(network, network, points, np.array([[1.2, 0.0], [0.5, 0.0]]))
    assert (both.gone, both.ends[0]) == (1, None)
    assert points[both.ends[1]].x[0] == 0
    assert np.linalg.norm(both.visited, axis=1).max() == pytest.approx(1.2)
    assert both.paths.max() <= 1.3
    alone = visit(network, network, points, np.array([[0.5, 0.0]]))
    assert alone.gone == 0


def test_a_trial_that_runs_to_infinity_does_not_make_every_point_relevant():
    """Two such units side by side: a trial runs away along the first, and the other's fixed points are far from it."""
    states = {}
    for k, b in zip(STEPS, (-2.5, -2.5, 0.4), strict=True):
        W = np.diag([1.5, 0.5, 1.5])
        states[k] = {"W": W, "b": np.array([-0.5, 0.1, b])}
    result = analyzed(states, activation="relu", x0=np.array([1.1, 0.2, 0.0]))
    evidence = result.verdicts[0].evidence
    assert evidence["visited"]["to_infinity"] == 1
    assert evidence["visited"]["diameter"] < 10
    assert "runs to infinity" in summary(result)
