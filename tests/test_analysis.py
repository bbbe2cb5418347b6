"""The whole flow on recorded and freshly trained runs, against dense scans, retraining and the paper's figures."""

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dense import between, continued, field, fixed_points, ghosts, passage_time, trial

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import DynaghostError
from dynaghost.summary import document
from dynaghost.training.descent import descend
from dynaghost.training.networks import initial_rank_one, round_anew
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trainer import train

DATA = Path(__file__).parents[1] / "data"
BIFURCATIONS = {"saddle_node", "pitchfork", "cusp"}
STRUCTURAL = BIFURCATIONS | {"ghost_emergence", "ghost_dissolution"}


@pytest.fixture(scope="module")
def stuck():
    return analyze(load_run(DATA / "fig3b_stuck"))


@pytest.fixture(scope="module")
def ghost():
    return analyze(load_run(DATA / "fig3a_ghost"))


def weights(folder, epoch):
    with np.load(DATA / folder / f"epoch_{epoch}.npz") as file:
        return tuple(file[name].astype(float) for name in "mnb")


def metrics(folder):
    with open(DATA / folder / "metrics.csv") as stream:
        rows = [(int(row["epoch"]), float(row["loss"]), float(row["grad_norm"])) for row in csv.DictReader(stream)]
    return np.array(rows).T


def kinds(result):
    return Counter(event.kind.value for event in result.events)


def of_kind(result, kind):
    return [event for event in result.events if event.kind == kind]


def assert_counts_are_those_of_a_dense_scan(result):
    for step, circuit, points in zip(result.steps, result.circuits, result.points, strict=True):
        assert points.complete, step
        assert points.ghosts_complete, step
        roots, slow = fixed_points(circuit.weights), ghosts(circuit.weights)
        assert [p.x[0] for p in points.fixed_points] == pytest.approx(roots, abs=1e-9), step
        assert [p.x[0] for p in points.ghosts] == pytest.approx(slow, abs=1e-5), step


def assert_every_change_of_the_count_is_explained(result):
    """Two fixed points a saddle-node, born or dead; at each of its brackets a dense scan sees just that."""
    change = Counter()
    for event in result.events:
        if event.kind in BIFURCATIONS:
            change[event.before] += 2 if event.evidence["creates"] else -2
    counts = [len(fixed_points(circuit.weights)) for circuit in result.circuits]
    for step, (before, after) in zip(result.steps, pairwise(counts), strict=False):
        assert after - before == change[step], step


# Figure 3B: stuck after a saddle-node and a capture


def test_stuck_run_has_one_saddle_node_and_one_capture(stuck):
    found = kinds(stuck)
    assert (found["saddle_node"], found["capture"], found["no_learning_zone"]) == (1, 1, 1)
    for kind in ("saddle_node", "capture"):
        (event,) = of_kind(stuck, kind)
        assert (event.before, event.after) == (5100, 5150)
        assert 0 < event.at < 1


def test_stuck_run_has_one_or_three_fixed_points_everywhere(stuck):
    assert_counts_are_those_of_a_dense_scan(stuck)
    assert {len(points.fixed_points) for points in stuck.points} == {1, 3}
    assert_every_change_of_the_count_is_explained(stuck)


def test_saddle_node_is_where_a_dense_scan_sees_two_fixed_points_appear(stuck):
    (event,) = of_kind(stuck, "saddle_node")
    first, second = weights("fig3b_stuck", 5100), weights("fig3b_stuck", 5150)
    assert len(fixed_points(between(first, second, event.at - 1e-6))) == 1
    three = fixed_points(between(first, second, event.at + 1e-6))
    assert len(three) == 3
    assert np.mean(three[:2]) == pytest.approx(event.evidence["x"], abs=1e-3)


def test_training_again_changes_the_count_once_inside_the_bracket():
    network = round_anew(initial_rank_one(seed=40), 0)
    task, rate = DelayedActivation(), 0.02
    network = descend(network, task, learning_rate=rate, updates=5100).network
    np.testing.assert_array_equal(network.m.astype(np.float32), weights("fig3b_stuck", 5100)[0])
    counts = [len(fixed_points((network.m, network.n, network.b)))]
    for _ in range(50):
        network = descend(network, task, learning_rate=rate, updates=1).network
        counts.append(len(fixed_points((network.m, network.n, network.b))))
    np.testing.assert_array_equal(network.m.astype(np.float32), weights("fig3b_stuck", 5150)[0])
    assert counts == sorted(counts)
    assert set(counts) == {1, 3}


def test_trial_is_captured_where_the_event_says(stuck):
    (event,) = of_kind(stuck, "capture")
    first, second = weights("fig3b_stuck", 5100), weights("fig3b_stuck", 5150)
    low, high = event.evidence["bracket"]
    assert trial(between(first, second, low), 0.5, -0.3, 500)[-1] > 1
    assert trial(between(first, second, high), 0.5, -0.3, 500)[-1] < -3


def test_no_learning_zone_begins_where_the_gradient_is_gone_for_good(stuck):
    (event,) = of_kind(stuck, "no_learning_zone")
    epochs, loss, norm = metrics("fig3b_stuck")
    assert event.before == epochs[np.flatnonzero(norm >= 1e-10)[-1] + 1]
    assert event.after == 6000
    assert event.evidence["loss"] == loss[-1]
    assert event.evidence["attractor_before"] > 1 > event.evidence["attractor_after"]


def test_stuck_run_began_to_learn_through_the_pair_that_then_became_two_fixed_points(stuck):
    (verdict,) = stuck.verdicts
    assert (verdict.verdict, verdict.grade) == ("ghost", "proved")
    assert verdict.evidence["window"] == [5000, 5100]
    (event,) = of_kind(stuck, "saddle_node")
    first, second = weights("fig3b_stuck", 5100), weights("fig3b_stuck", 5150)
    # Above the saddle-node: from well before it, by continuation over recorded weights.
    start = between(first, second, event.at - 1e-3)
    z = continued(start, start, complex(event.evidence["x"], 0.2), steps=10)
    times = []
    for from_, to in ((start, first), (first, weights("fig3b_stuck", 5050)), (weights("fig3b_stuck", 5050),) * 2):
        z = continued(from_, to, z, steps=4000)
        times.append(passage_time(to, z))
    z = continued(weights("fig3b_stuck", 5050), weights("fig3b_stuck", 5000), z)
    expected = [passage_time(weights("fig3b_stuck", 5000), z), times[0]]
    (pair,) = [pair for pair in verdict.evidence["pairs"] if pair["counts"]]
    assert pair["passage_time"] == pytest.approx(expected, rel=1e-6)


# Figure 3A: a ghost


def test_ghost_run_has_one_fixed_point_everywhere_and_no_bifurcation(ghost):
    assert not BIFURCATIONS & set(kinds(ghost))
    assert [len(points.fixed_points) for points in ghost.points] == [1] * len(ghost.steps)
    assert_counts_are_those_of_a_dense_scan(ghost)


def test_ghost_emerges_between_33000_and_34000_and_stays(ghost):
    (event,) = of_kind(ghost, "ghost_emergence")
    assert (event.before, event.after) == (33000, 34000)
    assert not of_kind(ghost, "ghost_dissolution")
    first, second = weights("fig3a_ghost", 33000), weights("fig3a_ghost", 34000)
    assert [len(ghosts(between(first, second, s))) for s in (event.at - 1e-5, event.at + 1e-5)] == [0, 1]
    assert [len(points.ghosts) for points in ghost.points] == [int(step >= 34000) for step in ghost.steps]


def test_both_parts_of_the_drop_go_through_a_ghost_and_a_readout_crossing(ghost):
    first, second = ghost.verdicts[:2]
    (crossing,) = of_kind(ghost, "readout_crossing")
    (emergence,) = of_kind(ghost, "ghost_emergence")
    assert first.before == pytest.approx(33589, abs=15)
    assert first.after == pytest.approx(33639, abs=15)
    assert second.before == pytest.approx(33750, abs=15)
    assert second.after == pytest.approx(33861, abs=15)
    for verdict in (first, second):
        assert (verdict.verdict, verdict.grade) == ("ghost", "proved")
        assert verdict.evidence["window"] == [33000, 34000]
        assert verdict.evidence["readout_crossings"] == [crossing.id]
        assert set(verdict.events) == {crossing.id, emergence.id}
        assert verdict.evidence["fixed_points"] == [1, 1]
        assert verdict.evidence["delay"] == 10
        never, escape = verdict.evidence["escape_time"]
        assert never is None
        assert escape == pytest.approx(10.23, abs=0.005)


def test_passage_time_is_the_papers(ghost):
    (point,) = ghost.points[ghost.steps.index(34000)].ghosts
    assert point.passage_time == pytest.approx(26.7, abs=0.05)
    (pair,) = [pair for pair in ghost.verdicts[0].evidence["pairs"] if pair["counts"]]
    assert pair["passage_time"][1] == pytest.approx(point.passage_time, rel=1e-12)
    z, circuit = complex(point.complex_point[0]), weights("fig3a_ghost", 34000)
    assert abs(field(circuit, z)) < 1e-12
    back = continued(circuit, weights("fig3a_ghost", 33000), z)
    assert pair["passage_time"][0] == pytest.approx(passage_time(weights("fig3a_ghost", 33000), back), rel=1e-6)


def test_loss_oscillates_after_the_drop(ghost):
    (event, *_) = of_kind(ghost, "oscillation")
    epochs, loss, _ = metrics("fig3a_ghost")
    inside = (epochs >= event.before) & (epochs <= event.after)
    change = np.diff(loss[inside])
    assert len(change) >= 20
    assert np.all(change[1:] * change[:-1] < 0)
    assert 34135 <= event.before < 34200


# Symmetries of the whole


def played(states, step=10, **settings):
    run = load_run({step * e: state for e, state in enumerate(states)}, axis="epoch", metrics=False, **settings)
    return analyze(run)


def states_of(folder, epochs):
    return [dict(zip("mnb", weights(folder, epoch), strict=True)) for epoch in epochs]


def one_neuron(m, b):
    return {"m": [m], "n": [1.0], "b": [b]}


STORIES = {
    "recorded": (states_of("fig3b_stuck", range(5000, 5301, 50)), {"leak": 0.5, "x0": -0.3, "threshold": 1.0}),
    "emergence": (states_of("fig3a_ghost", range(32000, 36001, 1000)), {"leak": 0.5, "x0": -0.3, "threshold": 1.0}),
    "hysteresis": ([one_neuron(1.5, b) for b in (-0.4, -0.1, 0.15, 0.4)], {"leak": 0.5, "x0": -1.0}),
    "twice in one": ([one_neuron(1.5, b) for b in (-0.4, 0.35)], {"leak": 0.5, "x0": -1.0}),
    "pitchfork": ([one_neuron(m, 0.0) for m in (0.8, 1.3)], {"leak": 0.5, "x0": -1.0}),
}
MIRRORED = {"ghost_emergence": "ghost_dissolution", "ghost_dissolution": "ghost_emergence"}


@pytest.mark.parametrize("story", STORIES)
def test_a_run_backwards_mirrors_its_events(story):
    states, settings = STORIES[story]
    there, back = played(states, **settings), played(states[::-1], **settings)
    end = there.steps[-1]
    expected = [
        (MIRRORED.get(e.kind.value, e.kind.value), end - e.after, end - e.before, not e.evidence["creates"], 1 - e.at)
        for e in there.events
        if e.kind in STRUCTURAL
    ]
    found = [
        (e.kind.value, e.before, e.after, e.evidence["creates"], e.at) for e in back.events if e.kind in STRUCTURAL
    ]
    assert len(found) > 0
    for one, other in zip(sorted(expected), sorted(found), strict=True):
        assert one[:4] == other[:4]
        assert one[4] == pytest.approx(other[4], abs=1e-9)


@pytest.mark.parametrize("story", STORIES)
def test_a_run_backwards_has_the_same_branches(story):
    states, settings = STORIES[story]
    there, back = played(states, **settings), played(states[::-1], **settings)
    end = there.steps[-1]

    def seen(result, mirrored):
        branches = set()
        for branch in result.branches:
            places = [
                (s.kind.value, t, round(x, 9)) for s in branch.segments for t, x in zip(s.steps, s.x, strict=True)
            ]
            branches.add(frozenset((kind, end - t if mirrored else t, x) for kind, t, x in places))
        return branches - {frozenset()}

    assert seen(there, False) == seen(back, True)


def test_a_run_backwards_is_captured_at_the_same_place():
    states, settings = STORIES["recorded"]
    (there,), (back,) = (of_kind(played(way, **settings), "capture") for way in (states, states[::-1]))
    assert there.at == pytest.approx(1 - back.at, abs=1e-8)


def test_any_number_of_jobs_gives_the_same_answer(stuck):
    two = analyze(load_run(DATA / "fig3b_stuck"), n_jobs=2)
    assert document(two) == document(stuck)
    assert two.pairs == stuck.pairs
    assert two.branches == stuck.branches


def test_progress_counts_every_checkpoint_once_whether_computed_now_or_before(stuck):
    run, kept, counts = load_run(DATA / "fig3b_stuck"), {}, []
    analyze(run, progress=counts.append, keep=lambda i, batch: kept.update({i: batch}))
    assert (len(kept), counts) == (2, [64, 57])
    del kept[1]
    counts.clear()
    result = analyze(run, progress=counts.append, done=kept.get)
    assert counts == [64, 57]
    assert document(result) == document(stuck)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_a_number_of_jobs_that_is_none_is_refused(n_jobs):
    with pytest.raises(DynaghostError, match="n_jobs"):
        analyze([one_neuron(1.0, 0.1)], n_jobs=n_jobs)


# Fresh runs


@pytest.mark.parametrize(("seed", "rate"), [(1, 0.02), (5, 0.02), (3, 0.03), (7, 0.05)])
def test_fresh_runs_have_the_counts_of_a_dense_scan_and_explain_every_change(tmp_path, seed, rate):
    folder = train(
        DelayedActivation(), out=tmp_path, learning_rate=rate, epochs=8000, seed=seed, save_every=200, metrics_every=20
    )
    result = analyze(folder)
    assert len(result.steps) == 41
    assert_counts_are_those_of_a_dense_scan(result)
    assert_every_change_of_the_count_is_explained(result)


FORMATS = ("npz float32", "npz float64", "pt", "safetensors")


def write(folder, epoch, arrays, how):
    if how == "pt":
        import torch

        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        torch.save({"state_dict": tensors, "epoch": epoch}, folder / f"epoch_{epoch}.pt")
    elif how == "safetensors":
        from safetensors.numpy import save_file

        save_file(arrays, folder / f"epoch_{epoch}.safetensors")
    else:
        kind = np.dtype(how.split()[1])
        cast = {name: values.astype(kind) for name, values in arrays.items()}
        np.savez(folder / f"epoch_{epoch}.npz", **cast, epoch=epoch)


@pytest.mark.parametrize("how", FORMATS)
def test_every_format_gives_the_same_answer(tmp_path, how):
    states, settings = STORIES["recorded"]
    for e, state in enumerate(states):
        write(tmp_path, 10 * e, {name: values.astype(np.float32) for name, values in state.items()}, how)
    result = analyze(load_run(tmp_path, axis="epoch", metrics=False, **settings))
    expected = document(played(states, **settings))
    found = document(result)
    for part in ("points", "events", "verdicts"):
        assert found[part] == expected[part]


def test_numbers_of_a_dataframe_are_numbers_where_they_are_missing(monkeypatch):
    pandas = pytest.importorskip("pandas")
    one = analyze([{"m": [0.5], "n": [1.0], "b": [0.1]}]).to_dataframe()  # no ghost, so no passage time
    two = analyze([{"m": [1.5], "n": [1.0], "b": [0.3]}]).to_dataframe()
    assert (one.dtypes == two.dtypes).all()
    assert {str(one[name].dtype) for name in ("speed", "passage_time", "radius")} == {"float64"}
    assert {str(one[name].dtype) for name in ("step", "branch")} == {"int64"}
    assert one["passage_time"].isna().all()
    ghost = two[two["kind"] == "ghost"]
    assert (len(ghost), ghost["passage_time"].notna().all(), isinstance(two, pandas.DataFrame)) == (1, True, True)
