"""Verdicts in many dimensions: the same answers as for a small twin that is proved, with the evidence they name."""

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.readouts import readout_of
from dynaghost.systems.trials import Trials
from dynaghost.trajectories.events import EventKind
from dynaghost.trajectories.outputs import Readout, escape_times
from dynaghost.trajectories.trial import escape_time
from dynaghost.trajectories.verdict import Margin, nearest
from dynaghost.views.text import summary

FOLD = 0.20754645532  # b at which tanh(1.5 κ + b) − κ loses two of its three roots
ROWS = np.arange(0.0, 401.0)
FALL = Metrics(ROWS, 1 / (1 + np.exp((ROWS - 250) / 3)) + 1e-3, None, "made up")


def hidden(b, units):
    """One unit, x ← tanh(1.5 x + b), that drives contracting ones which do not act on it; it alone is read."""
    numbers = np.random.default_rng(0)
    W = 0.02 * numbers.normal(size=(units, units))
    W[0], W[0, 0] = 0, 1.5
    W[1:, 1:] += 0.3 * np.eye(units - 1)
    return {"W": W, "b": np.r_[b, 0.1 * numbers.normal(size=units - 1)], "w_out": np.eye(1, units)}


def judged(states, **settings):
    given = {"leak": 0.2, "time": "flow", "x0": -0.9, "delay": 5.0, "threshold": 0.5} | settings
    result = dg.analyze(dg.load_run(states, metrics=FALL, axis="epoch", **given))
    (verdict,) = result.verdicts
    return result, verdict


def named(result, verdict):
    return [result.events[i].kind.value for i in verdict.events]


CASES = {
    "bifurcation": ((0.1, 0.1, 0.3), ["saddle_node"]),
    "ghost": ((FOLD + 0.1, FOLD + 0.1, FOLD + 0.01), []),
    "none": ((0.5, 0.5, 0.6), []),
}


@pytest.mark.parametrize("answer", CASES)
def test_a_large_network_gets_the_verdict_of_its_small_twin_with_its_own_grade(answer):
    biases, kinds = CASES[answer]
    small, large = (
        judged({k: hidden(b, units) for k, b in zip((100, 200, 300), biases, strict=True)}, starts=starts)
        for units, starts in ((2, None), (64, 16))
    )
    for (result, verdict), grade in ((small, "proved"), (large, "found")):
        assert (verdict.verdict, verdict.grade, named(result, verdict)) == (answer, grade, kinds)
    one, other = small[1].evidence, large[1].evidence
    assert other["fixed_points"] == one["fixed_points"]
    # The readout is of the unit that nothing else acts on, so that its trials are the same.
    assert other["escape_times"] == one["escape_times"]
    assert one["coverage"] is None
    assert other["coverage"]["branches"] == max(one["fixed_points"])
    if answer == "ghost":
        (here,), (there,) = ([p["passage_time"] for p in found["pairs"] if p["counts"]] for found in (one, other))
        assert here == pytest.approx(there, rel=1e-9)
    told = [" ".join(summary(result).split()) for result, _ in (small, large)]
    assert "proved complete" in told[0][told[0].index("drop 0") :]
    assert "found, not proved complete" not in told[0]
    for words in ("found, not proved complete", "not of all there may be", f"[{answer}, found]"):
        assert words in told[1][told[1].index("drop 0") :]


def test_a_circuit_of_rank_two_and_its_full_matrix_agree():
    numbers = np.random.default_rng(3)
    m = numbers.normal(size=(64, 2))
    n = (m.T * [[2.2], [1.6]] + numbers.normal(size=(2, 64))) / 64
    b, w = 0.3 * numbers.normal(size=64), numbers.normal(size=(1, 64)) / 64
    gains = (0.4, 0.4, 0.6)
    states = [
        {k: weights(g) | {"b": b, "w_out": w} for k, g in zip((100, 200, 300), gains, strict=True)}
        for weights in (lambda g: {"m": m, "n": g * n}, lambda g: {"W": m @ (g * n)})
    ]
    x0 = np.tanh(m @ [0.4, -0.3] + b)
    (proved, one), (found, other) = (judged(runs, x0=x0, starts=s) for runs, s in zip(states, (None, 16), strict=True))
    assert (one.verdict, one.grade) == (other.verdict, "proved")
    assert other.grade == "found"
    assert one.evidence["fixed_points"] == other.evidence["fixed_points"]
    assert one.evidence["fixed_points"][0] < one.evidence["fixed_points"][1]
    folds = [[e for e in result.events if e.kind is EventKind.SADDLE_NODE] for result in (proved, found)]
    assert [e.at for e in folds[0]] == pytest.approx([e.at for e in folds[1]], abs=1e-9)
    assert one.evidence["escape_times"] == [pytest.approx(times) for times in other.evidence["escape_times"]]


# Relevance and timing


def test_margins_say_what_counts_and_what_does_not():
    states = {k: {"W": np.diag([1.5, 0.0]), "b": np.array([0.25 - 0.1 * (k > 200), 0.0])} for k in (100, 200, 300)}
    for start, near in ((-0.7, True), (0.93, False)):
        _, verdict = judged(states, x0=np.array([start, 0.0]))
        rows = verdict.evidence["within_reach" if near else "left_out"]
        (row,) = [row for row in rows if row["event"] in range(9)]
        assert (row["distance"] <= row["limit"]) is near
        # The ghost that the two came from reaches farther than a tenth of what is visited.
        assert row["limit"] >= 0.1 * verdict.evidence["visited"]["diameter"] * (1 - 1e-9)
        assert verdict.verdict == ("bifurcation" if near else "none")
    _, verdict = judged(states, x0=None)
    assert [row["limit"] for row in verdict.evidence["within_reach"]] == [None]


def test_the_nearest_place_counts_with_its_own_reach():
    assert nearest([(3.0, 0.0), (2.0, 0.0)], 1.0) == Margin(2.0, 1.0)
    assert nearest([(0.9, 0.0), (3.0, 4.0), (2.0, 0.0)], 1.0) == Margin(3.0, 4.0)
    assert [Margin(1.0, limit).near for limit in (0.9, 1.0)] == [False, True]


@pytest.mark.parametrize(("last", "where"), [(0.3, "after"), (0.35, "within"), (0.4, "before")])
@pytest.mark.parametrize("weights", [lambda b: hidden(b, 2), lambda b: {"m": [1.5], "n": [1.0], "b": [b]}])
def test_events_are_timed_relative_to_the_drop(weights, last, where):
    biases = {100: 0.1, 200: 0.1, 300: last}
    result, verdict = judged({k: weights(b) for k, b in biases.items()})
    (row,) = verdict.evidence["timing"]
    step = 200 + 100 * (FOLD - 0.1) / (last - 0.1)
    assert row["step"] == pytest.approx(step, abs=1e-4)
    assert row["share_of_drop"] == pytest.approx((step - verdict.before) / (verdict.after - verdict.before), abs=1e-5)
    assert f"; epoch {row['step']:.7g} if training went straight, {where} the drop" in summary(result)


# What the readout shows


@pytest.mark.parametrize("form", ["full", "latent"])
def test_a_crossing_of_the_readout_is_located(form):
    """x = tanh(1.5 x + b) is at 0.9 where b = atanh 0.9 − 1.35."""
    W = np.diag([1.5, 0.3, 0.0])
    weights = {"full": {"W": W}, "latent": {"m": W[:, :2], "n": np.eye(2, 3)}}[form]
    weights |= {"w_out": np.eye(1, 3), "b_out": np.array([-0.9])}
    states = {k: weights | {"b": np.array([b, 0.0, 0.0])} for k, b in ((100, 0.1), (200, 0.2), (300, 0.05))}
    result, verdict = judged(states, x0=np.array([0.8, 0.0, 0.0]), threshold=0.0)
    at = np.arctanh(0.9) - 1.35
    found = [e for e in result.events if e.kind is EventKind.READOUT_CROSSING]
    assert [(e.before, e.after, e.evidence["upwards"]) for e in found] == [(100, 200, True), (200, 300, False)]
    assert [e.at for e in found] == pytest.approx([(at - 0.1) / 0.1, (0.2 - at) / 0.15], abs=1e-7)
    assert all(e.evidence["bracket"][1] - e.evidence["bracket"][0] <= 1e-9 for e in found)
    assert verdict.verdict == "none"
    assert verdict.evidence["readout_crossings"] == [found[1].id]
    assert "the output of a fixed point crosses the threshold 0 downwards" in summary(result)


def test_a_readout_that_moves_crosses_a_fixed_point_that_does_not():
    states = {
        k: {"W": np.diag([1.5, 0.3]), "b": np.array([0.5, 0.1]), "w_out": np.array([[w, 0.0]])}
        for k, w in ((100, 1.0), (200, 1.0), (300, -3.0))
    }
    result, _ = judged(states, threshold=0.0)
    (crossing,) = [e for e in result.events if e.kind is EventKind.READOUT_CROSSING]
    assert (crossing.before, crossing.at) == (200, pytest.approx(0.25, abs=1e-8))


def test_escape_times_are_those_of_the_flow_as_the_leak_goes_to_zero():
    circuit = dg.RankOneRNN([1.5], [1.0], [0.3]).latent()
    exact = escape_time(circuit, -0.9, 0.5)
    errors = []
    for leak in (0.02, 0.01):
        network = dg.LeakyRNN([[1.5]], [0.3], leak=leak)
        (time,) = escape_times(network, np.array([[-0.9]]), Readout(np.ones(1), 0.0, 0.5, ""))
        errors.append(time - exact)
    assert abs(errors[1]) < 0.01 * exact
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)  # Euler's method is of first order


def test_a_trial_that_never_gets_there_has_no_escape_time():
    network = dg.LeakyRNN([[0.5]], [0.0], leak=0.5)
    starts = np.array([[1.0], [0.2], [-1.0]])
    readout = Readout(np.ones(1), 0.0, 0.5, "")
    first, second, third = escape_times(network, starts, readout)
    x, t = 1.0, 0
    while x >= 0.5:
        before, x, t = x, 0.5 * x + 0.5 * np.tanh(0.5 * x), t + 1
    assert first == pytest.approx(0.5 * (t - 1 + (before - 0.5) / (before - x)))
    assert (second, third) == (None, None)
    assert escape_times(network, starts, readout, steps=1) == (None, None, None)


def zone(**settings):
    """A trial that another basin captures as the gradient vanishes."""
    biases = [-0.1, -0.1, -0.1, 0.1, 0.1, 0.1]
    states = {
        100 * k: {"W": np.diag([1.5, 0.5]), "b": np.array([b, 0.0]), "w_out": np.eye(1, 2)}
        for k, b in enumerate(biases)
    }
    steps = np.arange(0.0, 501.0, 10.0)
    metrics = Metrics(steps, np.where(steps < 300, np.exp(-steps / 500), 1.0), np.where(steps < 300, 1.0, 1e-12), "")
    return dg.analyze(dg.load_run(states, metrics=metrics, x0=0.05, leak=0.5, **settings))


def test_a_no_learning_zone_needs_a_wrong_output():
    found = zone()
    (event,) = [event for event in found.events if event.kind is EventKind.NO_LEARNING_ZONE]
    assert (event.before, event.evidence["wrong_outputs"]) == (300, 1)
    assert "1 output on the other side of the threshold" in summary(found)
    # Both attractors are above −2: the output stays on its side.
    same_side = zone(threshold=-2.0)
    assert not [event for event in same_side.events if event.kind is EventKind.NO_LEARNING_ZONE]
    assert "half of a no_learning_zone: the gradient is gone from 300 on" in summary(same_side)


# Which arrays are the readout


NETWORK = dg.LeakyRNN(np.eye(4), np.zeros(4))


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"fc.weight": np.full((1, 4), 2.0), "fc.bias": np.array([3.0])}, ("fc.weight", 2.0, 3.0)),
        ({"model.decoder.weight": np.full((1, 4), 2.0)}, ("model.decoder.weight", 2.0, 0.0)),
        ({"w_out": np.full(4, 2.0), "b_out": np.array(3.0)}, ("w_out", 2.0, 3.0)),
        ({"net.W_out": np.full((1, 4), 2.0), "net.b_out": np.array([3.0])}, ("net.W_out", 2.0, 3.0)),
        (
            {"fc.weight": np.stack([np.ones(4), np.full(4, 3.0)]), "fc.bias": np.array([1.0, 4.0])},
            ("fc.weight", 2.0, 3.0),
        ),
        ({"fc.weight": np.ones((1, 5))}, None),
        ({"fc.weight": np.ones((3, 4, 1))}, None),
        ({"fc.weight": np.ones((1, 4)), "out.weight": np.ones((1, 4))}, None),
        ({"encoder.weight": np.ones((1, 4))}, None),
    ],
)
def test_readouts_are_known_by_name_and_shape(arrays, expected):
    found = readout_of(arrays | {"W": np.eye(4), "b": np.zeros(4)}, NETWORK, None)
    told = None if found is None else (found.name, *set(found.weights.tolist()), found.bias)
    assert told == expected


def test_a_readout_acts_on_the_circuit_on_h_or_is_given_with_the_trials():
    network = dg.LowRankRNN(np.ones((4, 2)), np.arange(8.0).reshape(2, 4), np.zeros(4))
    found = readout_of({"W_out.weight": np.array([[1.0, 10.0]])}, network, None)
    x = np.array([0.1, 0.2, -0.3, 0.4])
    assert found.weights @ x == pytest.approx((network.n @ x) @ [1.0, 10.0])
    lstm = dg.LSTM(np.zeros((8, 2)))
    assert readout_of({"fc.weight": np.ones((1, 2))}, lstm, None).weights.tolist() == [1, 1, 0, 0]
    trials = Trials.of(inputs=np.zeros((1, 3, 1)), readout=np.full((1, 4), 5.0), readout_bias=np.array([1.0]))
    given = readout_of({"fc.weight": np.ones((1, 4))}, NETWORK, trials)
    assert (given.name, given.weights[0], given.bias) == ("trials", 5.0, 1.0)


def test_trials_of_a_network_of_rank_one_are_felt_too():
    """The cue decides the sign of κ; after one of +1 the saddle-node below 0 is out of the trials' reach."""
    m = {"S_l": np.ones((2, 1)), "S_r": np.full((1, 2), 0.75), "W_in.weight": np.ones((2, 1))}
    states = {k: m | {"W_in.bias": np.full(2, b)} for k, b in ((100, 0.1), (200, 0.1), (300, 0.12))}
    states = {k: v | {"S_l": np.ones((2, 1)) * (1.0 if k < 300 else 0.8)} for k, v in states.items()}
    inputs = np.zeros((2, 12, 1))
    for cue in (1.0, -1.0):
        inputs[:, :4] = cue
        trials = Trials.of(inputs=inputs, initial=np.zeros((2, 2)), periods={"cue": (0, 4), "delay": (4, 12)})
        _, verdict = judged(states, x0=None, threshold=None, trials=trials, period="delay", leak=0.5)
        kappas = []
        for k in (200, 300):
            x, S_l = np.zeros(2), states[k]["S_l"]
            for t in range(12):
                x = 0.5 * x + 0.5 * np.tanh((x @ S_l) @ m["S_r"] + states[k]["W_in.bias"] + (cue if t < 4 else 0))
                kappas += [] if t < 3 else [(x @ S_l)[0]]
        assert verdict.evidence["visited"] == pytest.approx([min(kappas), max(kappas)], rel=1e-12)
        assert (verdict.grade, verdict.evidence["fixed_points"]) == ("proved", [3, 1])
        assert verdict.verdict == ("none" if cue > 0 else "bifurcation")


@pytest.mark.parametrize(("units", "b"), [(2, 0.21), (2, 0.6), (8, 0.3), (8, 0.6), (160, 0.3)])
def test_passage_times_do_not_depend_on_units_that_merely_contract(units, b):
    """Also where the pair is farther from the axis than the contracting eigenvalues are from 0."""
    (alone,) = dg.find_slow_points(dg.RankOneRNN([1.5], [1.0], [b])).ghosts
    weights = hidden(b, units)
    (ghost,) = dg.find_slow_points(dg.LeakyRNN(weights["W"], weights["b"], leak=0.2, time="flow"), starts=4).ghosts
    assert ghost.passage_from == "pair"
    assert ghost.passage_time == pytest.approx(alone.passage_time, rel=1e-8)
