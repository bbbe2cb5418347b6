"""Runs of every network on disk: what they write, how they resume, and that the analysis reads them."""

import json

import numpy as np
import pytest

from dynaghost.checkpoints.recognize import as_system
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import DynaghostError
from dynaghost.training.any_network import network_of
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.descent import descend, descend_schedule, measure
from dynaghost.training.initial import initial_network
from dynaghost.training.noise import Noise
from dynaghost.training.schedule import parse_schedule
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trainer import train

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
