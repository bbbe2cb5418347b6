"""What the terminal says: facts in it, not its layout."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynaghost.analysis import analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.base import Time
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.systems.toy import SaddleNode
from dynaghost.views.text import contents_text, slow_points_text, summary
from dynaghost.views.verdict_text import unseen_share, verdict_text

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module", params=["fig3a_ghost", "fig3b_stuck"])
def told(request):
    result = analyze(load_run(DATA / request.param))
    return request.param, result, summary(result)


@pytest.fixture(scope="module")
def ghost():
    return summary(analyze(load_run(DATA / "fig3a_ghost")))


@pytest.fixture(scope="module")
def stuck():
    return summary(analyze(load_run(DATA / "fig3b_stuck")))


def one(b, m=1.5):
    return {"m": [m], "n": [1.0], "b": [b]}


def escapes(before, after):
    """Evidence of 8 trials of which some get across."""
    ends = [{"trials": 8, "escaped": n, "median": 4.0 if n else None} for n in (before, after)]
    return {"escape_times": ends, "readout": {"name": "w", "threshold": 0.5}}


def made_up(states, **settings):
    """A loss that falls between the checkpoints at 200 and 300."""
    epochs = np.arange(0.0, 401.0)
    metrics = Metrics(epochs, 0.01 ** np.clip((epochs - 220) / 8, 0, 1), None, "made up")
    run = load_run({100 * e: s for e, s in enumerate(states)}, axis="epoch", metrics=metrics, leak=0.5, **settings)
    return summary(analyze(run))


def test_the_run_is_named_with_its_order_and_equation(told):
    folder, result, text = told
    assert str(DATA / folder) in text
    assert f"{len(result.steps)} checkpoints" in text
    assert "by epoch" in text
    assert "0.5·tanh(m n x + b)" in text


def test_what_is_proved_is_counted(told):
    _, result, text = told
    number = sum(len(points.points) for points in result.points)
    assert re.search(rf"\b{number} slow points, {number} of them proved", text)
    assert f"complete on the whole line at {len(result.steps)} of {len(result.steps)} checkpoints" in text


def test_every_event_is_told_in_order(told):
    _, result, text = told
    places = [text.index(f"e{e.id} {e.kind.value} {e.before:g}–{e.after:g}") for e in result.events]
    assert places == sorted(places)
    assert len(places) > 4


def test_every_drop_has_its_verdict_in_words_and_as_a_label(told):
    _, result, text = told
    words = {"ghost": "through a ghost", "none": "neither a bifurcation nor a ghost"}
    for verdict in result.verdicts:
        (line,) = [line for line in text.splitlines() if line.startswith("drop ") and f" {verdict.before:g}–" in line]
        assert words[verdict.verdict] in line
        assert f"[{verdict.verdict}, {verdict.grade}]" in line


def test_counts_are_told_in_stretches(ghost, stuck):
    assert "from epoch 0 to 33000: 1 fixed point, 0 ghosts" in ghost
    assert "from epoch 34000 to 500000: 1 fixed point, 1 ghost" in ghost
    assert "from epoch 0 to 5100: 1 fixed point, 0 ghosts" in stuck
    assert "from epoch 5150 to 6000: 3 fixed points, 0 ghosts" in stuck


def test_a_ghost_is_told_with_its_times(ghost):
    verdict = ghost[ghost.index("drop 0 of the loss, epoch 33580") : ghost.index("drop 1 of the loss, epoch 33750")]
    assert "1 fixed point throughout, proved complete" in verdict
    assert "26.7 τ" in verdict
    assert "10.23 τ, for a delay of 10 τ" in verdict
    assert "κ* = 1 upwards" in verdict


def test_two_drops_in_one_interval_ask_for_more_checkpoints(ghost):
    assert ghost.count("save more between 33000 and 34000") == 2
    assert "save more between 450000" not in ghost


def test_a_drop_shorter_than_the_interval_asks_for_more_checkpoints():
    words = "the drop is shorter than the interval between checkpoints: save more between 200 and 300"
    assert words in made_up([one(0.1)] * 3 + [one(0.3)] * 2, x0=-0.9)
    assert words not in made_up([one(0.3, 0.5)] * 5, x0=-0.9)


def test_being_stuck_is_told(stuck):
    assert "two fixed points created" in stuck
    assert "the trial leaves branch 0 for branch 2" in stuck
    assert "gradient gone" in stuck


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([one(0.1)] * 3 + [one(0.3)] * 2, ["through a bifurcation [bifurcation, proved]", "3 → 1 fixed point"]),
        ([one(0.3)] * 3 + [one(0.1)] * 2, ["through a bifurcation [bifurcation, proved]", "1 → 3 fixed points"]),
        ([one(0.3, 0.5)] * 5, ["neither a bifurcation nor a ghost", "1 fixed point throughout"]),
        ([one(0.0, m) for m in (0.5, 0.5, 0.5, 1.0, 0.5)], ["undecided", "no decided certificate"]),
    ],
)
def test_verdicts_in_words(states, words):
    text = made_up(states, x0=-0.9)
    for expected in words:
        assert expected in text


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"escape_time": [None, 3.0]}, "escape time of the trial: never → 3 τ"),
        (escapes(0, 0), "none of 8 trials gets across 0.5 of the readout w, neither before nor after"),
        (escapes(0, 6), "0 → 6 of 8, median escape time of these never → 4 τ"),
        ({"coverage": {"branches": 3, "agree": True, "unseen": 0.0}}, "estimated unseen share 0, since no point"),
        ({"coverage": {"branches": 3, "agree": True, "unseen": 0.25}}, "two methods found the same, estimated unseen"),
    ],
)
def test_what_is_not_there_is_told_in_words(evidence, words):
    result = analyze(load_run(DATA / "fig3a_ghost"))
    verdict = result.verdicts[0]
    kept = {key: value for key, value in verdict.evidence.items() if key != "escape_time"}
    changed = replace(verdict, evidence=kept | evidence)
    text = verdict_text(changed, [changed], result)
    assert words in text
    assert "–" not in text.split("\n", 1)[1]
    assert "unseen share at most" not in text


def test_an_estimate_of_nothing_is_no_certainty():
    words = "estimated unseen share 0, since no point was hit just once; this is an estimate, no bound"
    assert unseen_share(0.0) == words
    assert unseen_share(0.125) == "estimated unseen share 0.125"


def test_what_was_too_far_is_told():
    states = [{"m": [3.0, 3.0], "n": [2.0, 2.0], "b": [b, -6.0]} for b in (6.0, 6.0, 6.0, 14.0, 14.0)]
    text = made_up(states, x0=1.0)
    assert "too far from the trial to count: e0 (distance" in text
    assert "5 → 3 fixed points" in text
    assert "none within reach of the trial changes" in text


def test_drops_beyond_the_checkpoints_say_why():
    epochs = np.arange(0.0, 401.0)
    metrics = Metrics(epochs, 0.01 ** np.clip((epochs - 220) / 8, 0, 1), None, "made up")
    text = summary(analyze(load_run({300: one(0.1), 400: one(0.1)}, axis="epoch", metrics=metrics)))
    assert "the checkpoints do not enclose the drop" in text


def test_nothing_happens():
    text = summary(analyze(load_run([one(0.1), one(0.1)], metrics=False)))
    assert "no events" in text
    assert "no losses are known, so no verdict" in text
    flat = Metrics.from_rows([(0, 1.0, None), (1, 1.0, None)], "a flat loss")
    text = summary(analyze(load_run([one(0.1), one(0.1)], metrics=flat)))
    assert "no abrupt drop of the loss, so no verdict" in text
    assert "note: " in text


# One system


def test_fixed_points_are_told_with_what_is_proved():
    text = slow_points_text(find_slow_points(RankOneRNN([2.0], [1.0], [0.0], leak=0.5)), Time.FLOW)
    assert text.count("exists_unique") == 3
    assert text.count("stable node") - text.count("unstable node") == 2
    # f' = 1 at 0 and the multiplier 1 + 0.5·1.
    assert "λ = 1 per τ, multiplier 1.5" in text
    assert "fixed points proved complete, ghosts proved complete; index sum 1" in text


@pytest.mark.parametrize(("time", "unit"), [("flow", "τ"), ("map", "iterations")])
def test_a_ghost_is_told_in_the_units_of_its_time(time, unit):
    text = slow_points_text(find_slow_points(SaddleNode(1e-6, leak=0.5, time=time)), Time(time))
    count = np.pi / 1e-3 / (1 if time == "flow" else 0.5)
    number = float(re.search(rf"passage time (\S+) {unit}", text)[1])
    assert number == pytest.approx(count, rel=1e-3)
    assert "root_free" in text


def test_a_triple_root_is_told_as_undecided_and_degenerate():
    text = slow_points_text(find_slow_points(RankOneRNN([1.0], [1.0], [0.0])), Time.FLOW)
    assert "degenerate" in text
    assert "undecided" in text
    assert "index sum undefined" in text


def test_contents_of_a_file():
    text = contents_text("a.npz", "npz", {"m": np.ones((3, 1)), "epoch": np.int64(3)}, {"epoch": 3, "lr": 0.1})
    assert "m (3, 1) float64" in text
    assert "lr = 0.1" in text
    assert text.count("epoch") == text.count("epoch = 3") == 1


def test_a_place_in_a_latent_circuit_is_kappa():
    plane = {"m": np.array([[2.0, 0.0], [0.0, 1.2], [0.0, 0.0]]), "n": np.eye(2, 3)}
    told = summary(analyze([{**plane, "b": np.array([b, 0.1, 0.0])} for b in (0.0, 0.8)]))
    assert "annihilated at κ = (" in told
    assert "x = (" not in told


def test_two_pairs_of_one_branch_are_told_apart():
    told = summary(analyze(load_run(DATA / "fig3a_ghost")))
    lines = [line for line in told.splitlines() if "passage time of a pair at κ" in line]
    assert len(lines) == len(set(lines)) == 2
    assert all("one of those of branch 1" in line for line in lines)
    assert told.count("passage time of the ghost's pair on branch 1") == 2
