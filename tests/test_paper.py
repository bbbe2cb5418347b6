"""The paper's figures by their claims, at --quick sizes; what they rest on; and that they go on where they stopped."""

import json

import numpy as np
import pytest

from dynaghost.errors import DynaghostError
from dynaghost.paper import every_epoch, figure3a
from dynaghost.paper.claims import UNEXPECTED, Outcome, claim, exit_status, near, table
from dynaghost.paper.figure import load
from dynaghost.paper.reproduce import MODULES, reproduce
from dynaghost.slowpoints.scalar import find_scalar
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.training.descent import descend
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.recording import record
from dynaghost.training.task import DelayedActivation
from dynaghost.trajectories.census import census, joined

TASK = DelayedActivation()
KNOWN = {
    "2d": {"for every α ≥ α* training eventually stops in the no-learning zone"},
    "3a": {"the ghost emerges before the loss drops (as a minimum of |f|)"},
}
"""The paper's claims that fail, as is on record."""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("reproduced")


@pytest.mark.parametrize("figure", ["1", "2a", "2bc", "2d", "3b"])
def test_a_figure_holds_what_is_claimed_about_it(out, figure):
    claims, status = reproduce(figure, out=out, quick=True)
    failed = {one.text for one in claims if one.outcome is Outcome.FAILS}
    assert status == 0, table(claims)
    assert failed == KNOWN.get(figure, set()), table(claims)
    for kind in ("png", "pdf", "json"):
        assert (out / f"figure{figure}.{kind}").stat().st_size > 500
    written = json.loads((out / f"figure{figure}.json").read_text())
    assert written["schema"] == 1
    assert [one["text"] for one in written["claims"]] == [one.text for one in claims]


def test_figure_3a_with_every_epoch_proved(out):
    claims, status = reproduce("3a", out=out, quick=True, every_epoch=True)
    told = {one.text: one for one in claims}
    assert status == 0, table(claims)
    assert {one.text for one in claims if one.outcome is Outcome.FAILS} == KNOWN["3a"], table(claims)
    for text in (
        "exactly one fixed point at every one of 60,000 epochs (proved, whole line)",
        "two drops at single-epoch resolution: none (a readout crossing), then ghost",
        "the ghost is born at epoch",
    ):
        assert told[text].outcome is Outcome.HOLDS
    numbers = load(out, "3a_every_epoch").values
    assert numbers["events"] == {"fixed_points": [], "ghosts": [[33_992, 0, 1]], "above": [[33_639, 0, 1]]}
    assert (out / "figure3a_every_epoch.png").exists()


def test_another_seed_decides_less_and_fails_nothing(tmp_path):
    claims, status = reproduce("3b", out=tmp_path, quick=True, seed=3)
    assert status == 0, table(claims)
    assert not any("epoch 5000" in one.text for one in claims)


def test_every_epoch_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(every_epoch, "PART", 1000)
    monkeypatch.setattr(every_epoch, "QUICK_EPOCHS", 3000)
    whole = every_epoch.run(_made(tmp_path / "whole"), quick=True, jobs=1, seed=40)
    calls, prove = [], every_epoch.prove

    def killed(network, task, *, learning_rate, updates):
        if updates == 1000:
            calls.append(updates)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return prove(network, task, learning_rate=learning_rate, updates=updates)

    monkeypatch.setattr(every_epoch, "prove", killed)
    folder = _made(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        every_epoch.run(folder, quick=True, jobs=1, seed=40)
    calls.append(0)  # past the third, so that nothing is killed again
    resumed = every_epoch.run(folder, quick=True, jobs=1, seed=40)
    assert calls.count(1000) == 4
    assert {**resumed.values, "seconds": 0} == {**whole.values, "seconds": 0}


def test_figure_3a_goes_on_where_training_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(figure3a, "QUICK_EPOCHS", 12_000)
    whole = figure3a.run(_made(tmp_path / "whole"), quick=True, jobs=1, seed=40)
    folder = _made(tmp_path / "killed")
    figure3a.run(folder, quick=True, jobs=1, seed=40)
    run = folder / "figure3a_12000_seed40"
    (run / "epoch_10000.npz").unlink()  # as if the process had died after epoch 5000
    (run / "epoch_12000.npz").unlink()
    rows = (run / "metrics.csv").read_text().splitlines(keepends=True)
    (run / "metrics.csv").write_text("".join(rows[:12]) + "5500,0.9")
    resumed = figure3a.run(folder, quick=True, jobs=1, seed=40)
    assert resumed.values["losses"] == whole.values["losses"]
    assert resumed.values["checkpoints"] == whole.values["checkpoints"]
    assert all(np.array_equal(resumed.tables["metrics"][k], v) for k, v in whole.tables["metrics"].items())


def _made(folder):
    folder.mkdir()
    return folder


def test_unknown_figures_and_options_of_others_are_refused(tmp_path):
    with pytest.raises(DynaghostError, match="expected one of 1, 2a"):
        reproduce("5", out=tmp_path)
    with pytest.raises(DynaghostError, match="expected figure 3a"):
        reproduce("2a", out=tmp_path, every_epoch=True)
    with pytest.raises(DynaghostError, match="jobs"):
        reproduce("1", out=tmp_path, jobs=0)
    assert list(MODULES) == ["1", "2a", "2bc", "2d", "3a", "3b", "4", "s1", "s2", "curvature", "delays"]


def test_the_status_tells_unexpected_failures():
    holds, known = claim("1", "a", "1", 1, True), claim("1", "b", "1", 2, False, known=True)
    fails, undecided = near("1", "c", 1.0, 2.0, absolute=0.5), near("1", "d", 1.0, None, relative=0.1)
    assert exit_status([holds, known, undecided]) == 0
    assert exit_status([holds, fails]) == UNEXPECTED
    lines = table([holds, known, fails, undecided]).splitlines()
    outcomes = ["holds", "fails, as recorded", "FAILS", "not decided here"]
    assert [line.split("  ")[3].strip() for line in lines[1:5]] == outcomes
    assert lines[5].startswith("1 of 4 claims hold, 1 fails as recorded, 1 fails unexpectedly, 1 not decided")


def test_recorded_weights_are_those_of_descend():
    network = initial_rank_one(units=13, seed=2)
    chunks = []
    for one in record(network, TASK, learning_rate=0.05, updates=50, chunk=16):
        chunks.append((one.m.copy(), one.loss, one.gradient_norm))
        last = one.network
    whole = descend(network, TASK, learning_rate=0.05, updates=50)
    assert np.array_equal(np.concatenate([loss for _, loss, _ in chunks]), whole.loss)
    assert np.array_equal(np.concatenate([norm for _, _, norm in chunks]), whole.gradient_norm)
    assert np.array_equal(last.m, whole.network.m)
    assert np.array_equal(np.concatenate([m for m, _, _ in chunks])[17], _after(network, 17).m)


def _after(network, updates):
    return descend(network, TASK, learning_rate=0.05, updates=updates).network


@pytest.mark.parametrize("chunk", [1, 2, 7, 200])
def test_a_census_counts_what_the_search_finds(chunk):
    learned = descend(initial_rank_one(seed=40), TASK, learning_rate=0.02, updates=5080).network
    stacks = [
        tuple(stack.copy() for stack in (one.m, one.n, one.b))
        for one in record(learned, TASK, learning_rate=0.02, updates=60, chunk=chunk)
    ]
    found = joined(list(census(stacks, threshold=1.0)))
    m, n, b = (np.concatenate(column) for column in zip(*stacks, strict=True))
    for e in range(0, 60, 3):
        points = find_scalar(RankOneRNN(m[e], n[e], b[e]).latent())
        assert found.fixed_points[e] == len(points.fixed_points)
        assert found.ghosts[e] == len(points.ghosts)
        assert found.above[e] == sum(point.x[0] > 1 for point in points.fixed_points)
        if points.ghosts:
            slowest = min(points.ghosts, key=lambda ghost: ghost.speed)
            assert found.ghost[e] == pytest.approx(slowest.x[0], abs=1e-6)
            assert found.speed[e] == pytest.approx(slowest.speed * np.linalg.norm(n[e]), rel=1e-9)
    assert found.complete.all()


def test_a_census_turns_to_balls_where_float64_cannot_decide():
    # A pitchfork: f = −κ + tanh κ has a triple root.
    (found,) = census([(np.ones((2, 1)), np.array([[1.0], [0.5]]), np.zeros((2, 1)))])
    assert found.by_balls.tolist() == [True, False]
    assert found.fixed_points.tolist() == [1, 1]
    assert found.complete.all()
