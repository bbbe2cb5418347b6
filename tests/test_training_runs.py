"""Runs of every network on disk: what they write, how they resume, and that the analysis reads them."""

import dataclasses
import json

import numpy as np
import pytest

from dynaghost.analysis import analyze, load_analysis
from dynaghost.checkpoints.recognize import as_system, recognize
from dynaghost.checkpoints.run import load_run
from dynaghost.cli import main
from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.training.any_network import network_of
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.descent import descend, descend_schedule, measure
from dynaghost.training.description import task_name
from dynaghost.training.initial import initial_network
from dynaghost.training.noise import Noise
from dynaghost.training.schedule import parse_schedule
from dynaghost.training.task import DelayedActivation
from dynaghost.training.tasks import TASKS
from dynaghost.training.trainer import train
from dynaghost.training.trials import trial_outputs

PLAIN = {"learning_rate": 0.02, "epochs": 45}
CASES = {
    "rank 3": (DelayedActivation(), {"rank": 3, **PLAIN}),
    "rank 1, trained readout": (DelayedActivation(), {"readout": "trained", **PLAIN}),
    "full rank": (DelayedActivation(), {"rank": "full", **PLAIN}),
    "trained confidence": (DelayedActivation(), {"trains_confidence": True, **PLAIN}),
    "noise": (DelayedActivation(), {"noise": Noise(5, initial=0.1, process=0.02), **PLAIN}),
    "schedule": (DelayedActivation(), {"schedule": parse_schedule("25x10@0.02,20x1@0.1")}),
    "match-to-sample": (MatchToSample(), PLAIN),
    "cue-discrimination": (CueDiscrimination(repeats=2), {"rank": "full", "noise": Noise(1, process=0.1), **PLAIN}),
}
COMMON = {"units": 13, "seed": 3, "save_every": 20, "metrics_every": 7}


class StopError(Exception):
    pass


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(folder):
    table = np.loadtxt(folder / "metrics.csv", delimiter=",", skiprows=1)
    return {int(epoch): (loss, norm) for epoch, loss, norm in table}


@pytest.mark.parametrize("format", ["npz", "pt"])
@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_run_resumes_with_the_same_bytes(case, format, tmp_path):
    task, options = CASES[case]
    calls = []

    def interrupt(epoch):
        calls.append(epoch)
        if len(calls) == 2:
            raise StopError

    train(task, out=tmp_path / "whole", format=format, **options, **COMMON)
    with pytest.raises(StopError):
        train(task, out=tmp_path / "cut", format=format, progress=interrupt, **options, **COMMON)
    train(task, out=tmp_path / "cut", format=format, **options, **COMMON)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.parametrize("case", CASES)
def test_checkpoints_and_metrics_are_those_of_descend(case, tmp_path):
    task, options = CASES[case]
    folder = train(task, out=tmp_path, **options, **COMMON)
    kind = {name: options[name] for name in ("rank", "readout", "trains_confidence") if name in options}
    network, noise = initial_network(task, units=13, seed=3, **kind), options.get("noise")
    if "schedule" in options:
        descent = descend_schedule(network, task, options["schedule"])
        task = DelayedActivation(confidence=1.0)
    else:
        descent = descend(network, task, learning_rate=0.02, updates=45, noise=noise)
    with np.load(folder / "epoch_45.npz") as file:
        saved = network_of(file)
    assert type(saved) is type(network)
    for name, values in descent.network.weights.items():
        assert np.array_equal(saved.weights[name], values)
    rows = rows_of(folder)
    assert sorted(rows) == [0, 7, 14, 20, 21, 28, 35, 40, 42, 45]
    assert all(rows[e] == (descent.loss[e], descent.gradient_norm[e]) for e in rows if e < 45)
    assert rows[45] == measure(descent.network, task, epoch=45, noise=noise)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("full rank", "cue-discrimination")])
def test_low_rank_runs_are_read_by_the_analysis(case, tmp_path):
    task, options = CASES[case]
    folder = train(task, out=tmp_path, **options, **COMMON)
    assert len(load_run(folder)) == 4
    system, network = (
        as_system(folder / "epoch_45.npz"),
        initial_network(task, units=13, seed=3, rank=options.get("rank")),
    )
    assert (system.dim, system.leak) == (13, 0.5)
    assert system.rank == (network.rank if hasattr(network, "rank") else 1)


def replayed(folder):
    """The network's output in each kind of trial, from run.json and the last weights alone, by NumPy."""
    run = json.loads((folder / "run.json").read_text())
    with np.load(folder / "epoch_45.npz") as file:
        w = {name: file[name] for name in file.files}
    system, trial = run["system"], run["trial"]
    names, leak = system["names"], system["leak"]
    if "W" in names:
        W = w[names["W"]].T if system.get("transpose") else w[names["W"]]
    elif "m" in names:
        W = np.outer(w[names["m"]], w[names["n"]]) if system["rank"] == 1 and w["m"].ndim == 1 else w["m"] @ w["n"]
    else:
        W = (w["S_l"] @ w["S_r"]).T
    periods = trial.get("periods", [{"start": 0, "steps": trial["steps"], "inputs": [[]]}])
    x = np.full((len(periods[0]["inputs"]), len(W)), trial.get("x0", 0.0))
    shown = w[system["input_weights"]] if "input_weights" in system else np.zeros((len(W), 0))
    states = []
    for period in periods:
        drive = w[names["b"]] + np.array(period["inputs"]) @ shown.T
        for _ in range(period["steps"]):
            x = (1 - leak) * x + leak * np.tanh(x @ W.T + drive)
            states.append(x)
    assert len(states) == trial["steps"]
    read = np.array(states).transpose(1, 0, 2)
    if "confidence" in trial:
        c = w["confidence"][0] if "confidence" in w else trial["confidence"]
        return 1 / (1 + np.exp(-c * (read @ w[names["n"]] - trial["threshold"])))
    read = read @ w["S_l"] if "(r S_l)" in trial["readout"] else read
    y = read @ w[trial["readout_weights"]].ravel() + w[trial["readout_bias"]]
    return np.tanh(y) if "tanh" in trial["readout"] else 1 / (1 + np.exp(-y))


@pytest.mark.parametrize("case", [case for case in CASES if case != "noise"])
def test_run_json_and_the_weights_are_enough_to_run_the_trials_again(case, tmp_path):
    task, options = CASES[case]
    if not isinstance(task, DelayedActivation):
        task = dataclasses.replace(task, spread=0.0)  # at rest before the cue, since those draws are in no file
    folder = train(task, out=tmp_path, **{**options, "noise": None}, **COMMON)
    with np.load(folder / "epoch_45.npz") as file:
        network = network_of(file)
    if "schedule" in options:
        task = dataclasses.replace(task, confidence=1.0)
    found = replayed(folder)
    np.testing.assert_allclose(np.tile(found, (task.trials // len(found), 1)), trial_outputs(network, task), atol=1e-12)
    trial = json.loads((folder / "run.json").read_text())["trial"]
    if "targets" in trial:
        assert np.tile(trial["targets"], task.trials // len(found)).tolist() == task.targets[:, -1].tolist()


def test_every_task_has_a_name(tmp_path):
    from dynaghost.cli import training

    assert tuple(TASKS) == training._TASKS
    assert [task_name(kind()) for kind in TASKS.values()] == list(TASKS)


def test_run_json_says_what_was_asked(tmp_path):
    noise = Noise(5, initial=0.1)
    schedule = parse_schedule("10x10@0.02,5x1@0.1")
    train(DelayedActivation(), out=tmp_path / "a", schedule=schedule, noise=noise, **COMMON)
    training = json.loads((tmp_path / "a" / "run.json").read_text())["training"]
    assert training["schedule"] == [[10, 10.0, 0.02], [5, 1.0, 0.1]]
    assert training["noise"] == {"seed": 5, "initial": 0.1, "process": 0.0, "fresh": True}
    assert (training["learning_rate"], training["epochs"]) == (None, 15)
    train(MatchToSample(), out=tmp_path / "b", **PLAIN, **COMMON)
    run = json.loads((tmp_path / "b" / "run.json").read_text())
    assert run["training"]["task"] == "match-to-sample"
    assert run["system"]["rank"] == 2
    assert run["trial"]["response_steps"] == 10
    with np.load(tmp_path / "b" / "epoch_20.npz") as file:
        names = ["S_l", "S_r", "W_in.weight", "W_in.bias", "W_out.weight", "W_out.bias", "epoch"]
        assert file.files == names


def test_another_readout_noise_or_schedule_is_another_run(tmp_path):
    train(DelayedActivation(), out=tmp_path, rank=2, **PLAIN, **COMMON)
    for other in ({"rank": 3}, {"rank": 2, "noise": Noise(1, initial=0.1)}, {"rank": 1}, {"rank": "full"}):
        with pytest.raises(DynaghostError, match="another run"):
            train(DelayedActivation(), out=tmp_path, **other, **PLAIN, **COMMON)
    with pytest.raises(DynaghostError, match="another run"):
        train(MatchToSample(), out=tmp_path, **PLAIN, **COMMON)


def test_confidence_is_for_networks_that_have_one(tmp_path):
    with pytest.raises(DynaghostError, match="two-cue"):
        train(MatchToSample(), out=tmp_path / "a", trains_confidence=True, **PLAIN, **COMMON)
    with pytest.raises(DynaghostError, match="no schedule"):
        train(MatchToSample(), out=tmp_path / "a", learning_rate=0.1, **COMMON)
    assert not (tmp_path / "a").exists()


def states_by_numpy(weights, leak, initial, inputs):
    """(trials, steps + 1, units), rows as the files have them."""
    W = weights["W_rec"] if "W_rec" in weights else weights["S_l"] @ weights["S_r"]
    states = [initial]
    for t in range(inputs.shape[1]):
        driven = states[-1] @ W + inputs[:, t] @ weights["W_in.weight"].T + weights["W_in.bias"]
        states.append((1 - leak) * states[-1] + leak * np.tanh(driven))
    return np.stack(states, axis=1)


@pytest.mark.parametrize("task", [CueDiscrimination(leak=0.4), MatchToSample(cue_steps=3)], ids=task_name)
@pytest.mark.parametrize("rank", [2, "full"])
def test_the_trials_beside_run_json_are_those_of_the_training(task, rank, tmp_path):
    train(task, out=tmp_path, rank=rank, units=12, seed=3, save_every=5, learning_rate=0.02, epochs=10)
    run = load_run(tmp_path)
    assert [one.step for one in run] == [0, 5, 10]
    assert not any("trials.npz" in note for note in run.notes)
    trials, last = run.settings.trials, run.checkpoints[-1].read()
    drawn = task.states(12, first=0, updates=4).reshape(-1, 12)
    assert np.array_equal(trials.initial, drawn)
    assert np.array_equal(trials.inputs[-task.trials :], task.inputs)
    assert [period.name for period in trials.periods()][-2:] == (
        ["delay", "response"] if isinstance(task, CueDiscrimination) else ["cue 2", "response"]
    )

    def drive(value):
        settings = dataclasses.replace(run.settings, inputs=value)
        return recognize(last, settings, "last").system

    expected = states_by_numpy(last, task.leak, drawn, trials.inputs)
    assert np.abs(trials.simulate(drive) - expected).max() < 1e-13
    assert any("period response of the trials" in note for note in run.notes)


def test_an_input_or_state_that_is_given_stands_instead_of_the_trials(tmp_path):
    train(CueDiscrimination(), out=tmp_path, units=8, seed=0, save_every=1, learning_rate=0.02, epochs=2)
    for given in ({"inputs": 0.5}, {"x0": 0.1}):
        run = load_run(tmp_path, **given)
        assert run.settings.trials is None
        assert any(f"since {next(iter(given))} (argument) is given" in note for note in run.notes)
    assert load_run(tmp_path, period="delay").settings.inputs.tolist() == [0.0]
    assert load_run(tmp_path, period="cue", context=1).settings.inputs.tolist() == [-1.0]


@pytest.mark.parametrize("name", ["../trials.npz", 3, "gone.npz"])
def test_a_file_of_trials_that_is_not_beside_run_json(name, tmp_path):
    train(CueDiscrimination(), out=tmp_path, units=8, seed=0, save_every=1, learning_rate=0.02, epochs=2)
    told = json.loads((tmp_path / "run.json").read_text())
    told["trial"]["file"] = name
    (tmp_path / "run.json").write_text(json.dumps(told))
    with pytest.raises(DynaghostError, match=r"trial\.file|gone\.npz"):
        load_run(tmp_path)


def test_two_cue_runs_have_captures_without_more_being_said(tmp_path):
    task = CueDiscrimination()
    train(task, out=tmp_path, rank=2, units=20, seed=1, save_every=200, learning_rate=0.2, epochs=600)
    result = analyze(tmp_path)
    assert all(points.complete and points.ghosts_complete for points in result.points)
    assert "period response" in " ".join(result.description.notes)
    assert {"capture", "readout_crossing"} & {event.kind.value for event in result.events}


@pytest.mark.parametrize(("task", "seed"), [(CueDiscrimination(), 0), (MatchToSample(), 1)])
def test_ghosts_of_trained_circuits_are_those_of_their_networks(task, seed, tmp_path):
    train(task, out=tmp_path, rank=2, units=100, seed=seed, save_every=100, learning_rate=0.1, epochs=800)
    run, seen = load_run(tmp_path), 0
    for checkpoint in run:
        network = recognize(checkpoint.read(), run.settings, checkpoint.file).system
        circuit = network.latent()
        points = find_slow_points(circuit)
        assert points.complete
        assert points.ghosts_complete
        for ghost in points.ghosts:
            x = circuit.lift(ghost.x)
            f, J = network.f(x), network.jacobian(x)
            one = np.eye(100)
            bend = J.T @ J + network.second_derivative(x, one[:, None], one[None]) @ f
            assert np.linalg.norm(f) == pytest.approx(ghost.speed, rel=1e-9)
            assert np.linalg.norm(J.T @ f) < 1e-9
            assert np.linalg.eigvalsh(bend)[0] > 0
            seen += 1
    assert seen >= 3


def test_a_folder_of_the_authors_files_is_analyzed_without_a_word(tmp_path, monkeypatch, capsys):
    train(
        CueDiscrimination(), out=tmp_path / "low", rank=2, units=9, seed=2, save_every=50, learning_rate=0.1, epochs=100
    )
    train(
        MatchToSample(),
        out=tmp_path / "full",
        rank="full",
        units=6,
        seed=2,
        save_every=50,
        learning_rate=0.1,
        epochs=100,
    )
    monkeypatch.chdir(tmp_path)
    for name, weights in (("low", "S_l (9, 2) as nᵀ, S_r (2, 9) as mᵀ, W_in.bias"), ("full", "W_rec (6, 6) as Wᵀ")):
        for beside in ("run.json", "trials.npz"):
            (tmp_path / name / beside).unlink()
        monkeypatch.setattr("sys.argv", ["dynaghost", "analyze", name, "--leak", "0.5"])
        with pytest.raises(SystemExit) as stop:
            main()
        out = capsys.readouterr().out
        assert stop.value.code == 0
        assert weights in out
        assert "fixed points proved complete at 3 of 3 checkpoints" in out


def test_a_relu_run_is_analyzed_with_pictures(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(1)
    W, b = 0.4 * rng.normal(size=(5, 5)), 0.5 * rng.normal(size=5)
    (tmp_path / "run").mkdir()
    for k in range(4):
        scale = 1.0 + 0.4 * k
        np.savez(tmp_path / "run" / f"epoch_{k}.npz", weight_hh_l0=scale * W, bias_hh_l0=b, bias_ih_l0=np.zeros(5))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["dynaghost", "analyze", "run", "--activation", "relu", "--out", "out", "--plots"])
    with pytest.raises(SystemExit) as stop:
        main()
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "relu(W x + b)" in out
    assert "fixed points proved complete at 4 of 4 checkpoints" in out
    assert list((tmp_path / "out").glob("*.png"))
    for points, k in zip(load_analysis(tmp_path / "out").points, range(4), strict=True):
        for point in points.fixed_points:
            step = np.maximum((1.0 + 0.4 * k) * W @ point.x + b, 0)
            assert np.abs(step - point.x).max() < 1e-9
