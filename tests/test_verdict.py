"""Verdicts on small circuits with made-up losses: each answer, what counts and what is too far away to count."""

import numpy as np
import pytest
from dense import fixed_points, ghosts

from dynaghost.analysis import analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.trajectories.drops import DropRule

FOLD = 0.20754645532  # b at which tanh(1.5 κ + b) − κ loses two of its three roots
ROWS = np.arange(0.0, 401.0)


def falling(start, length=8.0):
    """A loss of 1 that falls to 0.01 within `length` steps from `start`, of which the first half is abrupt."""
    shape = np.clip((ROWS - start) / length, 0.0, 1.0)
    return Metrics(ROWS, 0.01**shape, None, "made up")


def judged(states, drop=220.0, every=100, **settings):
    """The analysis of checkpoints at 0, every, … and its one verdict."""
    numbers = {every * e: {k: np.array(v, dtype=float) for k, v in state.items()} for e, state in enumerate(states)}
    run = load_run(numbers, axis="epoch", metrics=falling(drop), **({"leak": 0.5} | settings))
    result = analyze(run)
    (verdict,) = result.verdicts
    assert drop - 1 <= verdict.before < verdict.after <= drop + 6
    return result, verdict


def one(b, m=1.5):
    return {"m": [m], "n": [1.0], "b": [b]}


def stairs(steepness=3.0, step=2.0):
    """f = −κ + tanh(s(κ + 6)) + 2 tanh(3(κ − c)): a plateau that a ghost interrupts, and a step that ends it."""
    return {"m": [steepness, 3.0], "n": [1.0, 2.0], "b": [6 * steepness, -3 * step]}


def named(result, verdict):
    return [result.events[i].kind.value for i in verdict.events]


# One answer each


def test_an_emerging_ghost():
    """At m = 1 the one neuron gets steep enough for a minimum of |f|; f = 0.4 there."""
    result, verdict = judged([one(0.4, m) for m in (0.7, 0.8, 0.9, 1.4, 1.4)], x0=-0.9)
    assert (verdict.verdict, verdict.grade) == ("ghost", "proved")
    assert named(result, verdict) == ["ghost_emergence"]
    assert verdict.evidence["fixed_points"] == [1, 1]
    assert verdict.evidence["ghosts"] == [0, 1]


def test_a_ghost_that_was_there_and_whose_passage_time_changes():
    biases = [FOLD + d for d in (0.1, 0.1, 0.1, 0.01, 0.01)]
    result, verdict = judged([one(b) for b in biases], x0=-0.9)
    assert (verdict.verdict, verdict.grade, verdict.events) == ("ghost", "proved", ())
    (pair,) = verdict.evidence["pairs"]
    assert pair["counts"]
    expected = [result.points[e].ghosts[0].passage_time for e in (2, 3)]
    assert pair["passage_time"] == pytest.approx(expected)
    assert expected[1] / expected[0] > 2


@pytest.mark.parametrize(("biases", "counts"), [((0.1, 0.3), [3, 1]), ((0.3, 0.1), [1, 3])])
def test_two_fixed_points_that_die_or_are_born(biases, counts):
    before, after = biases
    result, verdict = judged([one(before)] * 3 + [one(after)] * 2, x0=-0.9)
    assert (verdict.verdict, verdict.grade) == ("bifurcation", "proved")
    assert named(result, verdict) == ["saddle_node"]
    assert verdict.evidence["fixed_points"] == counts


def test_a_saddle_node_and_a_ghost_that_it_did_not_make():
    states = [stairs(0.7, 2.0)] * 3 + [stairs(2.0, -1.0)] * 2
    weights = [tuple(np.array(state[k]) for k in "mnb") for state in states]
    assert [len(fixed_points(w)) for w in weights] == [3, 3, 3, 1, 1]
    assert min(ghosts(weights[3])) == pytest.approx(-6, abs=0.6)
    # With κ = x₁ + 2x₂ the trial starts at −3 of each, below the ghost, and passes it.
    result, verdict = judged(states, x0=-3.0)
    assert (verdict.verdict, verdict.grade) == ("both", "proved")
    assert sorted(named(result, verdict)) == ["ghost_emergence", "saddle_node"]


def test_nothing_but_a_fixed_point_that_crosses_the_threshold():
    result, verdict = judged([one(b, m=0.5) for b in (0.2, 0.2, 0.2, 0.6, 0.6)], x0=-0.9, threshold=0.6)
    assert (verdict.verdict, verdict.grade) == ("none", "proved")
    assert named(result, verdict) == ["readout_crossing"]
    assert verdict.evidence["readout_crossings"] == list(verdict.events)


def test_a_passage_time_that_changes_by_less_than_a_quarter_is_nothing():
    biases = [FOLD + d for d in (0.1, 0.1, 0.1, 0.09, 0.09)]
    _, verdict = judged([one(b) for b in biases], x0=-0.9)
    (pair,) = verdict.evidence["pairs"]
    assert 1 < pair["passage_time"][1] / pair["passage_time"][0] < 1.25
    assert (verdict.verdict, pair["counts"]) == ("none", False)


def test_a_triple_root_leaves_it_undecided():
    _, verdict = judged([one(0.0, m) for m in (0.5, 0.5, 0.5, 1.0, 0.5)], x0=0.5)
    assert verdict.verdict == "undecided"
    assert "certificate" in verdict.evidence["because"]


@pytest.mark.parametrize("steps", [(250, 300, 400), (0, 100, 200)])
def test_checkpoints_that_do_not_enclose_the_drop_leave_it_undecided(steps):
    states = {step: one(0.1 + 0.2 * (e > 0)) for e, step in enumerate(steps)}
    (verdict,) = analyze(load_run(states, axis="epoch", metrics=falling(220), leak=0.5, x0=-0.9)).verdicts
    assert (verdict.verdict, verdict.grade) == ("undecided", "found")
    assert "enclose" in verdict.evidence["because"]


# What counts


def test_a_saddle_node_far_from_the_trial_is_left_out_and_listed():
    """The trial starts at the upper fixed point; the step below moves, and two fixed points die far away."""
    low = [{"m": [3.0, 3.0], "n": [2.0, 2.0], "b": [b, -6.0]} for b in (6.0, 6.0, 6.0, 14.0, 14.0)]
    result, verdict = judged(low, x0=1.0)
    (fold,) = [event for event in result.events if event.kind == "saddle_node"]
    low_, high_ = verdict.evidence["visited"]
    (left,) = verdict.evidence["left_out"]
    assert left["event"] == fold.id
    # The nearest of its points at the window's checkpoints is still farther than a tenth of what the trial visits.
    assert left["distance"] > 0.1 * (high_ - low_)
    assert fold.id not in verdict.events
    assert verdict.evidence["fixed_points"] == [5, 3]
    assert (verdict.verdict, verdict.grade) == ("none", "proved")


def test_without_a_trial_all_of_state_space_is_relevant():
    low = [{"m": [3.0, 3.0], "n": [2.0, 2.0], "b": [b, -6.0]} for b in (6.0, 6.0, 6.0, 14.0, 14.0)]
    _, verdict = judged(low)
    assert verdict.verdict == "bifurcation"
    assert "no trial known" in verdict.evidence["relevance"]
    assert verdict.evidence["visited"] is None


def test_brackets_that_share_only_an_endpoint_with_the_window_do_not_count():
    """Saddle-nodes right before and right after the drop's window, none within it."""
    result, verdict = judged([one(b) for b in (0.3, 0.3, 0.1, 0.1, 0.3)], x0=-0.9)
    folds = [(event.before, event.after) for event in result.events if event.kind == "saddle_node"]
    assert folds == [(100, 200), (300, 400)]
    assert verdict.evidence["window"] == [200, 300]
    assert (verdict.verdict, verdict.events, verdict.evidence["left_out"]) == ("none", (), [])


def test_a_drop_across_a_checkpoint_has_a_window_of_two_intervals():
    result, verdict = judged([one(b) for b in (0.3, 0.3, 0.1, 0.1, 0.3)], drop=199, x0=-0.9)
    assert verdict.evidence["window"] == [100, 300]
    assert named(result, verdict) == ["saddle_node"]
    assert verdict.verdict == "bifurcation"


def test_losses_of_a_verdict_are_those_of_the_drop():
    result, verdict = judged([one(0.1)] * 5)
    (drop,) = [event for event in result.events if event.kind == "loss_drop"]
    assert (verdict.before, verdict.after) == (drop.before, drop.after)
    loss = dict(zip(result.losses.steps, result.losses.loss, strict=True))
    assert (verdict.loss_before, verdict.loss_after) == pytest.approx((loss[drop.before], loss[drop.after]))


def test_no_drop_no_verdict():
    flat = Metrics(ROWS, np.full(ROWS.size, 0.5), None, "made up")
    assert analyze(load_run({0: one(0.1), 400: one(0.3)}, axis="epoch", metrics=flat)).verdicts == ()


def test_passage_times_of_a_map_count_in_iterations():
    biases = [FOLD + d for d in (0.1, 0.1, 0.1, 0.01, 0.01)]
    (flow, (map_,)) = (
        [p for p in judged([one(b) for b in biases], leak=0.1, time=time)[1].evidence["pairs"]]
        for time in ("flow", "map")
    )
    assert map_["passage_time"][1] == pytest.approx(flow[0]["passage_time"][1] / 0.1, rel=0.05)
    assert map_["counts"]


def test_escape_times_are_of_both_ends_of_the_window():
    biases = [0.1, 0.1, 0.1, FOLD + 0.01, FOLD + 0.01]
    result, verdict = judged([one(b) for b in biases], x0=-0.9, threshold=0.5, delay=7.0)
    never, escape = verdict.evidence["escape_time"]
    assert never is None
    assert verdict.evidence["delay"] == 7.0
    kappa, time, b = -0.9, 0.0, biases[3]
    while kappa < 0.5:
        kappa, time = kappa + 1e-4 * (np.tanh(1.5 * kappa + b) - kappa), time + 1e-4
    assert escape == pytest.approx(time, rel=1e-3)
    assert result.description.trial.threshold == 0.5


# What counts as a drop


def test_another_rule_gives_other_verdicts_and_searches_nothing_again(tmp_path, monkeypatch):
    from dynaghost import analysis
    from dynaghost.store import open_store

    states = {100 * e: one(b) for e, b in enumerate((0.3, 0.3, 0.1, 0.1, 0.3))}
    run = load_run(states, axis="epoch", metrics=falling(220), leak=0.5, x0=-0.9)
    demanding = DropRule(factor=6.0)  # a loss divided by 400
    with open_store(tmp_path, run) as kept:
        first = analyze(run, done=kept.batch, keep=kept.keep)
    first.save(tmp_path)
    monkeypatch.setattr(analysis.on_line, "compute", lambda *_: pytest.fail("slow points were searched again"))
    with open_store(tmp_path, run) as kept:
        assert kept.finished(run) is not None
        assert kept.finished(run, drops=demanding) is None
        second = analyze(run, drops=demanding, done=kept.batch, keep=kept.keep)
    second.save(tmp_path)
    assert (len(first.verdicts), len(second.verdicts)) == (1, 0)
    assert repr(second.points) == repr(first.points)
    with open_store(tmp_path, run) as kept:
        assert kept.finished(run, drops=demanding).losses.rule == demanding
        assert kept.finished(run) is None


def test_the_command_line_takes_the_rule(tmp_path, monkeypatch, capsys):
    import json

    from dynaghost.cli import main

    for e, b in enumerate((0.3, 0.3, 0.1, 0.1, 0.3)):
        np.savez(tmp_path / f"epoch_{100 * e}.npz", **one(b))
    (tmp_path / "metrics.csv").write_text(
        "epoch,loss\n" + "".join(f"{e:g},{loss}\n" for e, loss in zip(ROWS, falling(220).loss, strict=True))
    )
    monkeypatch.chdir(tmp_path)
    found = []
    for options in ((), ("--drop-factor", "400"), ("--drop-median", "4")):
        monkeypatch.setattr("sys.argv", ["dynaghost", "analyze", ".", "--leak", "0.5", "--out", "out", *options])
        with pytest.raises(SystemExit) as stop:
            main()
        found.append((stop.value.code, json.loads((tmp_path / "out" / "analysis.json").read_text())))
    told = capsys.readouterr()
    assert [code for code, _ in found] == [0, 0, 2]
    assert [len(document["verdicts"]) for _, document in found] == [1, 0, 0]
    assert found[1][1]["run"]["drops"]["factor"] == pytest.approx(np.log(400))
    assert "--drop-median: expected an odd number of metrics, got 4" in told.err
