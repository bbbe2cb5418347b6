"""Other trials, losses and drops: what was found is matched anew, and nothing is searched or followed again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dynaghost.analysis as analysis
from dynaghost.analysis import Analysis, analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.collection import analyze_collection
from dynaghost.errors import StoreError
from dynaghost.store import open_store
from dynaghost.summary import document
from dynaghost.systems.trials import Trials
from dynaghost.trajectories import in_space, on_line, space_run
from dynaghost.trajectories.drops import DropRule

LOSSES = Metrics.from_rows([(e, 1.0 if e < 60 else 0.1, None) for e in range(0, 100)], "here")


def line(folder):
    """One neuron that loses two of its three fixed points, in two batches."""
    for e, b in enumerate(np.linspace(0, 0.4, 100)):
        np.savez(folder / f"epoch_{e}.npz", m=[1.5], n=[1.0], b=[b])


def space(folder):
    """Two units, one of which loses two of its three fixed points, in two batches."""
    for e, b in enumerate(np.linspace(0, 0.4, 12)):
        np.savez(folder / f"epoch_{e * 9}.npz", weight_hh=[[1.5, 0.1], [0.0, 0.3]], bias_hh=[b, 0.0])


RUNS = {"line": line, "space": space}
UNITS = {"line": 1, "space": 2}


@pytest.fixture(params=RUNS)
def folder(request, tmp_path):
    (tmp_path / request.param).mkdir()
    RUNS[request.param](tmp_path / request.param)
    return tmp_path / request.param


@pytest.fixture
def worked(monkeypatch):
    """What was searched or followed, in the order in which it was."""
    done = []
    for place, name in ((analysis, "compute_batch"), (on_line, "find_circuits"), (on_line, "follow")):
        watch(monkeypatch, place, name, done)
    for place, name in ((in_space, "find_slow_points"), (in_space, "find_near"), (space_run, "tell")):
        watch(monkeypatch, place, name, done)
    return done


def watch(monkeypatch, place, name, done):
    original = getattr(place, name)
    monkeypatch.setattr(place, name, lambda *a, **k: done.append(name) or original(*a, **k))


def analyzed(run, out, drops=None):
    with open_store(out, run) as kept:
        result = kept.finished(run, Analysis, drops=drops)
        result = result or analyze(run, drops=drops, done=kept.batch, keep=kept.keep, links=kept)
    result.save(out)
    return result


OTHERS = {
    "x0": {"x0": 0.6},
    "no trial": {"x0": None},
    "steps": {"trial_steps": 7},
    "delay": {"delay": 10.0},
    "threshold": {"threshold": 0.2},
    "losses": {"metrics": LOSSES},
    "trials": {"x0": None, "trials": "two first states"},
}
GIVEN = {"leak": 0.5, "x0": -0.3, "metrics": False}


@pytest.mark.parametrize("other", OTHERS)
def test_no_search_is_done_again(folder, worked, tmp_path, other):
    analyzed(load_run(folder, **GIVEN), tmp_path / "out")
    assert worked
    given = GIVEN | OTHERS[other]
    if other == "trials":
        given["trials"] = Trials.of(initial=np.linspace(-1, 1, 2 * UNITS[folder.name]).reshape(2, -1))
    run = load_run(folder, **given)
    alone = document(analyze(run))
    worked.clear()
    assert document(analyzed(run, tmp_path / "out")) == alone
    assert worked == []
    assert document(analyzed(load_run(folder, **GIVEN), tmp_path / "out")) == document(
        analyze(load_run(folder, **GIVEN))
    )


def test_another_rule_for_drops_too(folder, worked, tmp_path):
    run, rule = load_run(folder, **GIVEN | {"metrics": LOSSES}), DropRule(factor=100.0)
    first = analyzed(run, tmp_path / "out")
    alone = document(analyze(run, drops=rule))
    worked.clear()
    found = analyzed(run, tmp_path / "out", rule)
    assert (document(found), worked) == (alone, [])
    assert len(found.verdicts) < len(first.verdicts)


@pytest.mark.parametrize("other", [{"leak": 0.25}, {"seed": 3}, {"form": "current"}, {"inputs": 0.5}])
def test_what_a_search_depends_on_is_refused_by_its_name(folder, tmp_path, other):
    analyzed(load_run(folder, **GIVEN), tmp_path / "out")
    ((name, value),) = other.items()
    with pytest.raises(StoreError, match=rf"{name} .* there, {value} here"):
        open_store(tmp_path / "out", replace_settings(folder, name, value))


def replace_settings(folder, name, value):
    run = load_run(folder, **GIVEN)
    return replace(run, settings=replace(run.settings, **{name: value}))


def test_a_collection_too(worked, tmp_path):
    for name, write in RUNS.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        write(tmp_path / "runs" / name)
    source, out = f"{tmp_path}/runs/*", tmp_path / "out"

    def collected(place, drops=None, **settings):
        given = {**GIVEN, "metrics": LOSSES, **settings}
        told = {name: str(value) for name, value in settings.items()}
        return analyze_collection(source, place, load=lambda path: load_run(path, **given), drops=drops, settings=told)

    collected(out)
    alone = collected(tmp_path / "alone", x0=0.6)
    worked.clear()
    assert collected(out, x0=0.6).runs == alone.runs
    assert worked == []
    with pytest.raises(StoreError, match=r"collection\.db: .*seed None there, 3 here"):
        collected(out, x0=0.6, seed=3)
    with pytest.raises(StoreError, match=r"x0 0\.6 there, 0\.7 here"):
        analyze_collection(f"{tmp_path}/runs/l*", out, settings={"x0": "0.7"})
    assert not collected(out, x0=0.6).failed
    assert (
        Path(out / "space" / "analysis.json").read_bytes()
        == (tmp_path / "alone" / "space" / "analysis.json").read_bytes()
    )
