"""What a person sees of results: one short line at a prompt, a small escaped table in a notebook."""

import dataclasses
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.display import table

DATA = Path(__file__).parents[1] / "data"


class Cells(HTMLParser):
    """The texts of a table's cells, and a check that every element is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in ("table", "caption", "thead", "tbody", "tr", "th", "td")
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


@pytest.fixture(scope="module")
def result():
    weights = [{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)]
    return dg.analyze(dg.load_run(weights, leak=0.5))


@pytest.fixture(scope="module")
def run():
    return dg.load_run(DATA / "fig3b_stuck")


def test_records_are_one_short_line(result, run):
    points = result.points[2]
    lines = [repr(one) for one in (points, *points.points, *result.events, result, run)]
    assert all("\n" not in line and len(line) < 250 for line in lines)


def test_what_the_line_says(result):
    points, (event,) = result.points[2], result.events
    (ghost,), (fixed,) = points.ghosts, points.fixed_points
    assert repr(points) == "SlowPoints(1 fixed point, proved complete; 1 ghost, proved complete)"
    assert repr(ghost).startswith(f"Ghost(at {ghost.x[0]:.6g}, speed {ghost.speed:.4g}, passage time ")
    assert repr(fixed).startswith(f"FixedPoint(stable node at {fixed.x[0]:.6g}, exists_unique within ")
    assert repr(event) == f"Event(0: saddle_node, 1 to 2 at {event.at:.4g} of the way, proved)"
    assert repr(result).endswith("3 checkpoints, 3 branches, 1 event; no drop of the loss)")


def test_branches_say_what_they_are_and_when(result):
    _, left, lived = result.branches
    assert repr(left) == "Branch(1: fixed point 0 to 1, ghost 2)"
    assert repr(lived) == "Branch(2: fixed point 0 to 2)"
    assert repr(dataclasses.replace(left, segments=left.segments * 2)).endswith(", fixed point 0 to 1, …)")


@pytest.mark.parametrize("rank", [1, 2])
def test_a_latent_circuit_says_what_it_is(rank):
    circuit = dg.LowRankRNN(np.eye(3, rank), np.eye(rank, 3), np.zeros(3)).latent()
    name = {1: "RankOneCircuit", 2: "LatentCircuit"}[rank]
    assert repr(circuit) == f"{name}(units=3, rank={rank}, form=rate, time=flow)"


def test_verdicts_and_runs(run):
    result = dg.analyze(run)
    assert repr(result.verdicts[0]).startswith(f"Verdict({result.verdicts[0].verdict}, proved: ")
    assert f"{result.verdicts[0].verdict} (proved)" in repr(result)
    cells = Cells(result._repr_html_()).texts
    assert {event.kind.value for event in result.events} <= set(cells)
    assert {"verdicts", "loss before", result.verdicts[0].verdict.value} <= set(cells)
    assert repr(run).startswith(f"Run({DATA / 'fig3b_stuck'}: {len(run)} checkpoints by epoch")
    assert {"leak", "0.5", "run.json"} <= set(Cells(run._repr_html_()).texts)


def test_a_table_has_a_row_a_point(result):
    points = result.points[0]
    cells = Cells(points._repr_html_()).texts
    assert cells.count("fixed point") == len(points.fixed_points) == 3
    assert [Cells(one._repr_html_()).texts.count("exists_unique") for one in points.fixed_points] == [1, 1, 1]
    assert "ghost" in Cells(result.points[2].ghosts[0]._repr_html_()).texts
    assert "saddle_node" in Cells(result.events[0]._repr_html_()).texts


def test_an_undecided_point_says_why():
    points = dg.find_slow_points(dg.RankOneRNN([1.0], [1.0], [0.0]))
    assert repr(points.fixed_points[0]).startswith("FixedPoint(degenerate at ")
    assert "undecided: " in repr(points.fixed_points[0])
    assert "1 undecided" in repr(points)


def test_states_of_many_units_stay_short():
    (point,) = dg.find_slow_points(dg.LeakyRNN(np.zeros((10, 10)), np.ones(10))).fixed_points
    assert "(0.761594, 0.761594, 0.761594, 0.761594, … 10 in all)" in repr(point)


def test_texts_are_escaped_and_long_tables_cut():
    page = table("<script>", ["a & b"], [["<b>"]] * 25)
    assert "<script>" not in page
    assert "<b>" not in page
    texts = Cells(page).texts
    assert texts.count("<b>") == 20
    assert texts[-1] == "… and 5 more"
