"""Figures 4, S1 and S2, curvature and delays: small versions, judged by their claims and by what is exact."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dynaghost.paper import curvature, delays, figure4, figure_s1, figure_s2
from dynaghost.paper.claims import Outcome
from dynaghost.paper.figure import load, save
from dynaghost.paper.parallel import each
from dynaghost.sweep import Grid, sweep
from dynaghost.training.curvature import hessian
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one
from dynaghost.training.slope import gradient
from dynaghost.training.task import DelayedActivation

TASK = DelayedActivation()


def outcomes(found):
    return {one.outcome for one in found}


def check(module, numbers, out):
    """Claims, files and drawing of one module; the claims."""
    found = module.claims(numbers)
    assert not [one for one in found if one.unexpected]
    save(numbers, found, out)
    files = module.draw(numbers, out)
    assert [path.suffix for path in files] == [".png", ".pdf"]
    assert all(path.stat().st_size > 5000 for path in files)
    document = json.loads((out / f"figure{numbers.figure}.json").read_text())
    assert len(document["claims"]) == len(found)
    # What was saved says the same.
    again = module.claims(load(out, numbers.figure))
    assert [one.outcome for one in again] == [one.outcome for one in found]
    return found


@pytest.fixture
def short(monkeypatch):
    """Figure 4 with a tenth of its epochs after the network is stuck."""
    monkeypatch.setattr(figure4, "LONG", 7000)
    monkeypatch.setattr(figure4, "CONFIDENCES", np.array([0.1, 1.0, 10.0]))
    monkeypatch.setattr(figure4, "AT_ONE", 1)


def test_figure_4_frees_a_stuck_network(short, tmp_path, monkeypatch):
    monkeypatch.setattr(figure4, "QUICK_SEEDS", 2)
    numbers = figure4.run(tmp_path, quick=True, jobs=1, seed=None)
    assert numbers.values["stuck"] == [1]
    found = check(figure4, numbers, tmp_path)
    assert outcomes(found) == {Outcome.HOLDS, Outcome.NOT_DECIDED}
    table = numbers.tables["seeds"]
    assert table["restored"][1] < 1e-3 < 0.999 < numbers.tables["curves"]["loss_1"][6000 // figure4.EVERY - 1]
    assert numbers.values["not_restored"] == []
    assert np.isnan(table["restored"][0])


def test_stuck_and_captured_need_each_other():
    network = initial_rank_one(seed=1)
    early = descend(network, TASK, learning_rate=0.02, updates=6000)
    assert figure4.is_stuck(early, TASK)
    assert figure4.is_captured(early.network, TASK)
    # Of no gradient, but with the right output; and captured, but with a gradient.
    assert not figure4.is_stuck(replace(early, network=_right()), TASK)
    assert not figure4.is_stuck(descend(network, TASK, learning_rate=0.02, updates=20), TASK)


def _right():
    return descend(initial_rank_one(seed=1), TASK, learning_rate=0.01, updates=12_000).network


def test_figure_s1_learns_in_a_band_of_rates(tmp_path, monkeypatch):
    monkeypatch.setattr(figure_s1, "QUICK_RATES", 4)
    monkeypatch.setattr(figure_s1, "QUICK_SEEDS", 2)
    numbers = figure_s1.run(tmp_path, quick=True, jobs=1, seed=None)
    check(figure_s1, numbers, tmp_path)
    table = numbers.tables["losses"]
    assert table["mean_20000"][2] < 0.05  # 0.01
    assert table["mean_20000"][3] > 0.99  # 0.1
    assert figure_s1.run(tmp_path, quick=True, jobs=1, seed=None).tables["losses"].keys() == table.keys()


def test_figure_s2_and_a_part_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(figure_s2, "QUICK_RANKS", (1, 30))
    monkeypatch.setattr(figure_s2, "QUICK_RATES", (0.022,))
    monkeypatch.setattr(figure_s2, "QUICK_EPOCHS", 2000)
    numbers = figure_s2.run(tmp_path, quick=True, jobs=1, seed=None)
    found = check(figure_s2, numbers, tmp_path)
    assert found[0].outcome is found[1].outcome is Outcome.HOLDS
    monkeypatch.setattr(figure_s2, "EPOCHS", 2000)
    part = figure_s2.partial(tmp_path)
    assert part.parameters["runs_done"] == 4
    assert part.parameters["runs_asked"] == 270
    assert all("4 of 270 runs" in one.text for one in figure_s2.claims(part))
    assert np.array_equal(part.tables["by_rank"]["learned"], numbers.tables["by_rank"]["learned"])


def test_curvature_of_the_two_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(curvature, "RUNS", {"low": (0.01, 15_000), "high": (0.02, 5200)})
    monkeypatch.setattr(curvature, "QUICK_MEASURED", 8)
    numbers = curvature.run(tmp_path, quick=True, jobs=1, seed=None)
    curvature.draw(numbers, tmp_path)
    assert len(curvature.claims(numbers)) == 5
    low = numbers.tables["low"]
    assert (np.diff(low["epoch"]) > 0).all()
    assert low["sharpness"][-1] > 1000 * low["sharpness"][0]
    assert (low["eigenvalue_0"] == low["sharpness"]).all()


def test_the_hessian_is_the_slope_of_the_gradient():
    network = descend(initial_rank_one(units=8, seed=3), TASK, learning_rate=0.1, updates=500).network
    H, direction = hessian(network, TASK), np.random.default_rng(0).normal(size=24)
    ends = []
    for step in (1e-4, -1e-4):
        m, n, b = np.split(np.concatenate([network.m, network.n, network.b]) + step * direction, 3)
        ends.append(measure(RankOneNetwork(m, n, b), TASK)[0])
    second = (ends[0] + ends[1] - 2 * measure(network, TASK)[0]) / 1e-8
    assert direction @ H @ direction == pytest.approx(second, rel=1e-3, abs=1e-6)
    assert np.linalg.norm(np.concatenate(gradient(network, TASK))) == pytest.approx(measure(network, TASK)[1])


def test_delays_from_which_a_finder_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(delays, "QUICK_DELAY_STEPS", (8, 12))
    monkeypatch.setattr(delays, "QUICK_SEEDS", 2)
    monkeypatch.setattr(delays, "QUICK_EPOCHS", 3000)
    numbers = delays.run(tmp_path, quick=True, jobs=1, seed=None)
    check(delays, numbers, tmp_path)
    # q = r*²/2 = (π²/4T²)²/2 meets the tolerance here, in closed form.
    exact = np.pi / 2 / np.sqrt(np.sqrt(2 * delays.TOLERANCE))
    assert numbers.values["longest"] == pytest.approx(exact, abs=0.2)


@pytest.mark.parametrize(
    ("share", "place"),
    [
        ([0, 0, 1, 1], 1.5),
        ([0, 0.25, 0.75, 1], 1.5),
        ([0, np.nan, 1, 1], 1.0),
        ([0, 0, 0, 0], None),
        ([1, 1, 1, 1], None),
    ],
)
def test_where_a_share_crosses_a_half(share, place):
    found = delays._crossing(np.arange(4.0), np.array(share, dtype=float))
    assert np.isnan(found) if place is None else found == pytest.approx(place)


def test_each_keeps_the_order():
    assert each(abs, range(-3, 1), jobs=1) == each(abs, range(-3, 1), jobs=2) == [3, 2, 1, 0]


def test_the_numbers_of_s1_are_those_of_its_sweep(tmp_path):
    found = sweep(Grid(seeds=[0, 1], learning_rates=[0.01, 0.1]), out=tmp_path, epochs=50, record=[50])
    table = figure_s1._by_rate(found, 2)
    losses = found.column("losses")[:, 0]
    assert table["mean_50"].tolist() == [losses[:2].mean(), losses[2:].mean()]
