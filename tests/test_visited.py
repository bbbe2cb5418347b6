"""States that trials visit as starts of searches."""

import numpy as np
import pytest
from click.testing import CliRunner

import dynaghost as dg
from dynaghost.cli import commands
from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.starts import starts_around
from dynaghost.systems.functions import CallableSystem

UNITS = 20


def far(x):
    """At rest at 0, and in a narrow well at 40 in every direction: no start of a search's own is near that."""
    return -x * (1 - np.exp(-((x - 40.0) ** 2).sum(-1, keepdims=True) / 50)) - (x - 40.0) * np.exp(
        -((x - 40.0) ** 2).sum(-1, keepdims=True) / 50
    )


def test_half_of_the_starts_are_states_and_half_are_beside_them():
    states = np.random.default_rng(0).normal(size=(30, 4))
    starts = starts_around(states, 20, 1)
    known = {tuple(state) for state in states}
    assert [tuple(start) in known for start in starts] == [True] * 10 + [False] * 10
    assert np.abs(starts[10:, None] - states).max(axis=2).min(axis=1).max() < 1.0


def test_a_search_finds_what_only_trials_reach():
    system = CallableSystem(far, UNITS, time="flow")
    visited = 40.0 + np.random.default_rng(1).normal(size=(50, UNITS)) * 0.2
    own, besides = dg.find_slow_points(system, budget=600), dg.find_slow_points(system, budget=600, visited=visited)
    assert [round(float(point.x.mean()), 6) for point in own.fixed_points] == [0.0]
    assert {round(float(point.x.mean()), 6) for point in besides.fixed_points} == {0.0, 40.0}


@pytest.mark.parametrize("visited", [np.zeros((3, 2)), np.zeros((0, UNITS)), np.full((2, UNITS), np.nan), "trials"])
def test_states_of_another_kind_are_refused(visited):
    with pytest.raises(DynaghostError, match="visited: expected"):
        dg.find_slow_points(CallableSystem(far, UNITS, time="flow"), visited=visited)


@pytest.fixture
def run(tmp_path):
    """Three checkpoints of 18 units, which no search proves, and trials with a cue and a delay."""
    rng = np.random.default_rng(0)
    for e in range(3):
        weights = {"weight_hh": (1 + 0.02 * e) * 0.9 * np.eye(18), "bias_hh": np.zeros(18)}
        np.savez(tmp_path / f"epoch_{e}.npz", weight_ih=np.ones((18, 1)), bias_ih=np.zeros(18), **weights)
    inputs = np.concatenate([np.ones((4, 10, 1)), np.zeros((4, 20, 1))], axis=1)
    np.savez(tmp_path / "trials.npz", inputs=inputs, initial=rng.normal(size=(4, 18)))
    return tmp_path


def test_trials_are_part_of_a_search_only_where_they_are_its_starts(run):
    first = dg.Trials.load(run / "trials.npz")
    other = dg.Trials.of(inputs=first.inputs, initial=-np.asarray(first.initial))
    given = {"leak": 0.5, "period": "period 1"}

    def key(trials, starts):
        return dg.load_run(run, trials=trials, starts=starts, pattern="epoch_*.npz", **given).search_hash()

    assert key(first, None) == key(other, None)
    assert key(first, "trials") != key(other, "trials")
    assert key(first, "trials") != key(first, None)


def test_analyze_and_inspect_start_where_trials_go(run, tmp_path_factory):
    options = ["--leak", "0.5", "--trials", str(run / "trials.npz"), "--starts", "trials", "--budget", "300"]
    found = CliRunner().invoke(commands, ["inspect", str(run / "epoch_0.npz"), *options], catch_exceptions=False)
    assert found.exit_code == 0
    assert "fixed points" in found.output
    out = tmp_path_factory.mktemp("results") / "a"
    done = CliRunner().invoke(commands, ["analyze", str(run), *options, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lone = CliRunner().invoke(commands, ["inspect", str(run / "epoch_0.npz"), "--leak", "0.5", "--starts", "trials"])
    assert lone.exit_code == 2
    assert "--trials" in lone.output
