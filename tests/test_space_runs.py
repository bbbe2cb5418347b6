"""A whole run in many dimensions: from files to events, verdicts, results and pictures."""

import gc
import json
import weakref

import jsonschema
import numpy as np
import pytest
import torch

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.summary import schema
from dynaghost.systems.trials import Trials
from dynaghost.views import plot

# A circuit of rank two whose gain grows: one fixed point, then three, then five, each pair announced by a ghost.
NUMBERS = np.random.default_rng(3)
M = NUMBERS.normal(size=(100, 2))
N = (M.T * [[2.2], [1.6]] + NUMBERS.normal(size=(2, 100))) / 100
B = 0.3 * NUMBERS.normal(size=100)
STEPS = range(0, 410, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    for step in STEPS:
        np.savez(path / f"epoch_{step}.npz", m=M, n=(0.4 + 0.6 * step / 400) * N, b=B)
    losses = [f"{e},{1 / (1 + np.exp((e - 150) / 3)) + 1e-3}" for e in range(401)]
    (path / "metrics.csv").write_text("\n".join(["epoch,loss", *losses]))
    return path


@pytest.fixture(scope="module")
def result(folder):
    return dg.analyze(dg.load_run(folder, leak=0.2, x0=0.4))


def test_points_are_proved_and_counts_change_only_at_events(result):
    assert all(points.complete and points.ghosts_complete for points in result.points)
    counts = [len(points.fixed_points) for points in result.points]
    assert counts[0] == 1
    assert counts[-1] == 5
    changes = {(a, b) for a, b, m, n in zip(STEPS, STEPS[1:], counts, counts[1:], strict=False) if m != n}
    assert changes == {(e.before, e.after) for e in result.events if e.kind == "saddle_node"}


def test_a_ghost_is_on_the_branch_of_the_points_that_it_announces(result):
    (first, *_) = [event for event in result.events if event.kind == "ghost_emergence"]
    saddle_node = next(event for event in result.events if event.kind == "saddle_node")
    assert first.branches[0] in saddle_node.branches
    # The ghost's own network has n − K directions more, all contracting: the same event in the state space.
    full = dg.find_slow_points(dg.LowRankRNN(M, 0.5 * N, B, leak=0.2).latent())
    assert len(full.ghosts) == 1


def test_the_verdict_names_what_was_too_far(result):
    (verdict,) = result.verdicts
    assert verdict.grade == "proved"
    assert verdict.verdict in ("none", "ghost", "bifurcation")
    assert verdict.evidence["window"][0] <= 138
    assert verdict.evidence["visited"]["diameter"] > 0


def test_results_are_saved_and_loaded_to_the_last_bit(result, tmp_path):
    result.save(tmp_path)
    loaded = dg.load_analysis(tmp_path)
    assert loaded.events == result.events
    assert repr(tuple(loaded.points)) == repr(tuple(result.points))
    np.testing.assert_array_equal(loaded.circuits[3].m, result.circuits[3].m)
    document = json.loads((tmp_path / "analysis.json").read_text())
    jsonschema.validate(document, schema())
    assert document["run"]["coordinates"] == "latent"
    assert document["run"]["dim"] == 2


def test_the_states_that_trials_visit_are_there(result, tmp_path):
    result.save(tmp_path)
    loaded = dg.load_analysis(tmp_path)
    for step in (0, 200, 400):
        network = dg.LowRankRNN(M, (0.4 + 0.6 * step / 400) * N, B, leak=0.2)
        paths, x = result.visited(step), np.full(100, 0.4)
        assert paths.shape[0] == 1
        assert paths.shape[1] <= 60
        every = [network.latent().project(x)]
        for _ in range(5000):
            x = network.step(x)
            every.append(network.latent().project(x))
        np.testing.assert_allclose(paths[0, :4], every[:4], atol=1e-12)
        assert all(np.min(np.abs(np.array(every) - seen).max(-1)) < 1e-9 for seen in paths[0])
        np.testing.assert_allclose(paths[0, -1], every[-1], atol=1e-9)
        np.testing.assert_array_equal(loaded.visited(step), paths)
    with pytest.raises(dg.DynaghostError, match="expected one of the 11 checkpoints, 0 to 400, got 7"):
        result.visited(7)


def test_visited_states_on_the_line_are_the_trials(tmp_path):
    states = {k: {"m": [1.5], "n": [1.0], "b": [0.1 * k]} for k in range(4)}
    for settings in ({"x0": -0.9}, {"x0": -0.9, "trial_steps": 7}):
        result = dg.analyze(dg.load_run(states, leak=0.5, **settings))
        result.save(tmp_path / str(len(settings)))
        for found in (result, dg.load_analysis(tmp_path / str(len(settings)))):
            path, kappa = found.visited(3)[0, :, 0], -0.9
            assert len(path) == 8 if "trial_steps" in settings else len(path) > 20
            for seen in path:
                assert seen == pytest.approx(kappa, abs=1e-12)
                kappa = 0.5 * kappa + 0.5 * np.tanh(1.5 * kappa + 0.3)
    assert dg.analyze(dg.load_run(states, leak=0.5)).visited(0) is None
    assert dg.analyze(dg.load_run(states, x0=0.1)).visited(0) is None


def test_pictures_of_a_plane(result, tmp_path):
    names = [path.stem for path in plot.figures(result, tmp_path, formats=["png"])]
    assert {"states", "eigenvalues", "phase_portrait", "branches", "event_graph"} <= set(names)
    with pytest.raises(dg.DynaghostError, match="expected one dimension, got 2"):
        plot.latent_flow(result)


def test_workers_change_nothing(folder, result):
    again = dg.analyze(dg.load_run(folder, leak=0.2, x0=0.4), n_jobs=2)
    assert repr(again.points) == repr(result.points)
    assert again.events == result.events


def test_networks_of_different_shapes_are_refused():
    with pytest.raises(dg.DynaghostError, match="expected checkpoints of one network"):
        dg.analyze([{"W": np.eye(3)}, {"W": np.eye(3), "m": M[:3], "n": N[:, :3], "b": B[:3]}])


@pytest.fixture(scope="module")
def rnn_run():
    torch.manual_seed(4)
    network = torch.nn.RNN(1, 3)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    return [
        {name: value * (1.0 if "hh" not in name else 1 + 1.5 * k) for name, value in start.items()} for k in range(3)
    ]


def test_a_period_of_the_trials_says_the_input(rnn_run):
    inputs = np.zeros((2, 8, 1))
    inputs[:, :3, 0] = [[1.0], [-1.0]]
    trials = Trials.of(inputs=inputs, periods={"cue": (0, 3), "memory": (3, 8)})
    memory = dg.analyze(dg.load_run(rnn_run, trials=trials))
    plain = dg.analyze(dg.load_run(rnn_run, inputs=0.0))
    assert repr(memory.points) == repr(plain.points)
    assert memory.starts is not None
    assert memory.visited(1).shape == (2, 6, 3)
    cue = dg.analyze(dg.load_run(rnn_run, trials=trials, period="cue", context=1))
    other = dg.analyze(dg.load_run(rnn_run, inputs=-1.0))
    assert repr(cue.points) == repr(other.points)
    with pytest.raises(dg.DynaghostError, match=r"expected one of cue, memory"):
        dg.load_run(rnn_run, trials=trials, period="response")
    with pytest.raises(dg.DynaghostError, match="expected a number from 0 to 0"):
        dg.load_run(rnn_run, trials=trials, period="memory", context=1)


def build(arrays):
    """What a user's own function does: a System, or a module, of a file's arrays."""
    return dg.LeakyRNN(arrays["deep.W"], np.zeros(len(arrays["deep.W"])), leak=0.5)


def test_the_users_function_builds_the_model():
    run = dg.load_run([{"deep.W": np.diag([2.0, 0.5])}, {"deep.W": np.diag([3.0, 0.5])}], model=build)
    result = dg.analyze(run)
    assert [len(points.fixed_points) for points in result.points] == [3, 3]
    assert "test_space_runs:build" in result.description.equation


def test_recorded_states_must_be_those_of_the_last_checkpoint(rnn_run, tmp_path):
    inputs = np.zeros((1, 6, 1))
    drive = {k: (lambda value, k=k: dg.as_system(rnn_run[k], inputs=value)) for k in (0, 2)}
    states = {k: Trials.of(inputs=inputs, initial=np.full((1, 3), 0.4)).simulate(drive[k]) for k in drive}
    assert dg.analyze(dg.load_run(rnn_run, trials=Trials.of(inputs=inputs, states=states[2]))).starts is not None
    with pytest.raises(dg.DynaghostError, match="another equation was trained"):
        dg.analyze(dg.load_run(rnn_run, trials=Trials.of(inputs=inputs, states=states[0])))


def test_inspect_takes_trials(rnn_run, tmp_path, capsys, monkeypatch):
    from dynaghost.cli import main

    torch.save(rnn_run[2], tmp_path / "net.pt")
    inputs = np.ones((1, 6, 1))
    np.savez(tmp_path / "trials.npz", inputs=inputs)
    monkeypatch.setattr("sys.argv", ["dynaghost", "inspect", str(tmp_path / "net.pt"), "--trials", "trials.npz"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr().out
    assert stop.value.code == 0
    assert "fixed points proved complete" in told
    assert "input 0 is assumed" not in told


def test_capture_and_no_learning_zone_in_space():
    # Two units, the first bistable; its bias moves the middle fixed point past the trial's start.
    biases = [-0.1, -0.1, -0.1, 0.1, 0.1, 0.1]
    weights = {100 * k: {"W": np.diag([1.5, 0.5]), "b": np.array([b, 0.0])} for k, b in enumerate(biases)}
    steps = np.arange(0.0, 501.0, 10.0)
    metrics = Metrics(steps, np.where(steps < 300, np.exp(-steps / 500), 1.0), np.where(steps < 300, 1.0, 1e-12), "")
    result = dg.analyze(dg.load_run(weights, metrics=metrics, x0=0.05, leak=0.5))
    captures = [event for event in result.events if event.kind == "capture"]
    assert [(event.before, event.after) for event in captures] == [(200, 300)]
    # The start is the middle fixed point, 0.05 = tanh(1.5·0.05 + b).
    assert captures[0].at == pytest.approx((np.arctanh(0.05) - 0.075 + 0.1) / 0.2, abs=1e-8)
    low, high = captures[0].evidence["bracket"]
    assert low <= captures[0].at <= high <= low + 1e-9
    low, high = captures[0].branches
    assert result.branches[low].at(200)[1] < result.branches[high].at(200)[1]
    (zone,) = [event for event in result.events if event.kind == "no_learning_zone"]
    assert zone.before == 300
    # Without the capture the gradient alone is no such zone.
    quiet = dg.analyze(dg.load_run(weights, metrics=metrics, x0=0.9, leak=0.5))
    assert not [event for event in quiet.events if event.kind in ("capture", "no_learning_zone")]


def test_a_capture_is_located_with_the_trials_inputs_in_the_network_between():
    # One step with input u from x = 0.1, then memory: x₁ is the middle fixed point where 1.5·0.1 + u = 1.5·x₁.
    inputs = np.zeros((1, 6, 1))
    inputs[0, 0, 0] = -0.3
    trials = Trials.of(inputs=inputs, initial=np.array([[0.1, 0.1]]), periods={"cue": (0, 1), "memory": (1, 6)})
    names = ("weight_hh_l0", "weight_ih_l0", "bias_hh_l0", "bias_ih_l0")
    arrays = np.diag([1.5, 0.5]), np.array([[1.0], [0.0]])
    weights = [
        {name: torch.tensor(one) for name, one in zip(names, (*arrays, np.array([b, 0.0]), np.zeros(2)), strict=True)}
        for b in (-0.1, 0.2)
    ]
    result = dg.analyze(dg.load_run(weights, trials=trials))
    (capture,) = [event for event in result.events if event.kind == "capture"]
    middle = 0.1 - 0.3 / 1.5
    assert capture.at == pytest.approx((np.arctanh(middle) - 1.5 * middle + 0.1) / 0.3, abs=1e-8)


@pytest.mark.parametrize(("start", "verdict"), [(-0.7, "bifurcation"), (0.93, "none")])
def test_only_what_trials_can_feel_counts(start, verdict):
    # Two fixed points of the first unit are born at about -0.6: near a trial from -0.7, far from one near 0.9.
    weights = {k: {"W": np.diag([1.5, 0.0]), "b": np.array([0.25 - 0.1 * (k >= 50), 0.0])} for k in range(0, 100, 10)}
    steps = np.arange(0.0, 91.0)
    metrics = Metrics(steps, 1 / (1 + np.exp(steps - 45)) + 1e-3, None, "")
    result = dg.analyze(dg.load_run(weights, metrics=metrics, x0=np.array([start, 0.0]), leak=0.5))
    (found,) = result.verdicts
    assert [event.kind.value for event in result.events if "creates" in event.evidence] == ["saddle_node"]
    assert (found.verdict, found.grade) == (verdict, "proved")
    assert bool(found.evidence["left_out"]) == (verdict == "none")


def cued():
    """Trials of two cues, then nothing; and a last stretch with one input for all."""
    inputs = np.zeros((3, 9, 1))
    inputs[:, :3, 0] = [[1.0], [-1.0], [1.0]]
    inputs[:, 6:] = 0.5
    return Trials.of(inputs=inputs, periods={"cue": (0, 3), "memory": (3, 6), "go": (6, 9)})


def test_every_period_is_analyzed_by_itself(rnn_run):
    run = dg.load_run(rnn_run, trials=cued(), period="memory")
    found = dg.analyze_periods(run)
    assert list(found) == [("cue", 0), ("cue", 1), ("memory", 0), ("go", 0)]
    for (period, context), result in found.items():
        alone = dg.analyze(dg.load_run(rnn_run, trials=cued(), period=period, context=context))
        assert repr(result.points) == repr(alone.points)
        assert result.description == alone.description
        (note,) = [note for note in result.description.notes if note.startswith("period ")]
        value = {"cue": [1, -1][context], "memory": 0, "go": 0.5}[period]
        assert note.startswith(f"period {period} of the trials (steps ")
        assert f"input {value}" in note
    assert "(context 0 of 2), in 2 of 3 trials" in " ".join(found["cue", 0].description.notes)
    with pytest.raises(dg.DynaghostError, match="expected trials with inputs"):
        dg.analyze_periods(dg.load_run(rnn_run))


def test_the_command_analyzes_every_period(rnn_run, tmp_path, capsys, monkeypatch):
    from dynaghost.cli import main

    (tmp_path / "run").mkdir()
    for k, weights in enumerate(rnn_run):
        torch.save(weights, tmp_path / "run" / f"epoch_{k}.pt")
    trials = cued()
    spans = np.array([(start, stop) for _, start, stop in trials.named])
    names = np.array([name for name, *_ in trials.named])
    np.savez(tmp_path / "trials.npz", inputs=trials.inputs, periods=spans, period_names=names)
    monkeypatch.chdir(tmp_path)
    arguments = ["analyze", "run", "--trials", "trials.npz", "--period", "all", "--out", "out"]
    for expected in (False, True):
        monkeypatch.setattr("sys.argv", ["dynaghost", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr().out
        assert stop.value.code == 0
        assert told.count("nothing was to be done") == 4 * expected
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cue-0", "cue-1", "go-0", "memory-0"]
    for name in ("cue-0", "go-0"):
        assert f"period {name[:-2]} of the trials" in told
        assert dg.load_analysis(tmp_path / "out" / name).steps == (0, 1, 2)


def test_a_long_run_holds_few_networks_and_reads_others_again(tmp_path, monkeypatch):
    for step in range(70):
        np.savez(tmp_path / f"epoch_{step}.npz", W=(0.5 + 0.01 * step) * np.eye(3), b=np.full(3, 0.1))
    made = []
    build = dg.LeakyRNN.__init__

    def counted(self, *args, **kwargs):
        build(self, *args, **kwargs)
        made.append(weakref.ref(self))

    monkeypatch.setattr(dg.LeakyRNN, "__init__", counted)
    result = dg.analyze(dg.load_run(tmp_path, leak=0.5, x0=0.2))
    gc.collect()
    assert len(made) > 140
    assert sum(one() is not None for one in made) <= 4 * 8
    assert result.circuits[0].W.tolist() == (0.5 * np.eye(3)).tolist()
    np.savez(tmp_path / "epoch_69.npz", W=np.eye(3), b=np.zeros(3))
    for e in (8, 16, 24, 32):  # so that the last ones are not held
        assert result.circuits[e].dim == 3
    with pytest.raises(dg.CheckpointError, match=r"epoch_69\.npz: expected the arrays that the run was loaded with"):
        _ = result.circuits[69]
