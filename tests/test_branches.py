"""Branches through checkpoints that are undecided themselves, and what each crossing does to them."""

from itertools import pairwise

import numpy as np
import pytest

from dynaghost.analysis import analyze, load_analysis
from dynaghost.checkpoints.run import load_run
from dynaghost.codec import dumps

# Where f and f' vanish together for m = 1.5, n = 1: to 17 digits, so the float itself is 1e-17 off.
FOLD = 0.20754645532203029


def analyzed(weights):
    return analyze(load_run([{"m": [m], "n": [1.0], "b": [b]} for m, b in weights], leak=0.5))


def kinds(result):
    return [event.kind.value for event in result.events]


@pytest.mark.parametrize("gains", [[0.8, 0.9, 1.0, 1.1, 1.5], [1.5, 1.1, 1.0, 0.9], [0.8, 1.2]])
def test_a_pitchfork_is_found_on_a_checkpoint_and_between(gains):
    result = analyzed([(m, 0.0) for m in gains])
    assert kinds(result) == ["pitchfork"]
    (middle,) = [branch for branch in result.branches if len(branch.segments[0].steps) == len(gains)]
    assert np.allclose(middle.segments[0].x, 0.0, atol=1e-12)


@pytest.mark.parametrize("biases", [[0.1, FOLD, 0.3], [0.3, np.nextafter(FOLD, 1), 0.1]])
def test_a_fold_next_to_a_checkpoint_keeps_every_branch(biases):
    result = analyzed([(1.5, b) for b in biases])
    assert kinds(result) == ["saddle_node"]
    assert not any(segment.lost for branch in result.branches for segment in branch.segments)
    assert len(result.branches) == 3


def test_a_ghost_and_its_fixed_points_are_one_branch():
    result = analyzed([(1.5, b) for b in (0.2, 0.21, 0.2, 0.21)])
    assert kinds(result) == ["saddle_node"] * 3
    (story,) = [branch for branch in result.branches if len(branch.segments) == 4]
    assert [segment.kind.value for segment in story.segments] == ["fixed_point", "ghost"] * 2


def test_two_saddle_nodes_between_two_checkpoints_are_both_found():
    result = analyzed([(1.5, -0.3), (1.5, 0.3)])
    assert kinds(result) == ["saddle_node", "saddle_node"]
    places = [event.at for event in result.events]
    assert places == pytest.approx([(0.3 - FOLD) / 0.6, (0.3 + FOLD) / 0.6], abs=1e-9)


def test_every_point_of_every_checkpoint_has_a_branch_that_is_there():
    result = analyzed([(m, 0.0) for m in (0.8, 1.0, 1.3)])
    assert_labels_are_branches(result)


def assert_labels_are_branches(result):
    for step, points, labels in zip(result.steps, result.points, result.tracks.labels, strict=True):
        for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True):
            assert result.branches[branch].at(step) == (point.kind, float(point.x[0]))


# Checkpoints at which two or three roots are one


def tripled(gain):
    """gain·tanh κ − κ: a triple root at gain = 1."""
    return {"m": [1.0], "n": [gain], "b": [0.0]}


def tangent(offset):
    """tanh κ − κ and an even function with a zero at κ = 0: a double root there, exactly, if the offset is 0."""
    return {"m": [1.0, 1.0, -1.0, 0.0, 0.0], "n": [1.0, 0.25, 0.25, -0.5, offset], "b": [0.0, 0.5, 0.5, 0.5, 1.0]}


def folded(bias):
    return {"m": [1.5], "n": [1.0], "b": [bias]}


# The number of fixed points at each checkpoint, and all changes of it: kind, interval, creates.
AT_A_CHANGE = {
    "split first": ([tripled(1), tripled(2)], [1, 3], [("pitchfork", 0, True)]),
    "split before": ([tripled(0.5), tripled(1)], [1, 1], []),
    "split between": ([tripled(0.5), tripled(1), tripled(2)], [1, 1, 3], [("pitchfork", 1, True)]),
    "split touched": (
        [tripled(2), tripled(1), tripled(2)],
        [3, 1, 3],
        [("pitchfork", 0, False), ("pitchfork", 1, True)],
    ),
    "split touched from below": ([tripled(0.5), tripled(1), tripled(0.5)], [1, 1, 1], []),
    "fold first, to a ghost": ([tangent(0), tangent(-0.01)], [2, 1], [("saddle_node", 0, False)]),
    "fold first, to roots": ([tangent(0), tangent(0.001)], [2, 3], [("saddle_node", 0, True)]),
    # One saddle-node, at the checkpoint itself.
    "fold between": ([tangent(-0.01), tangent(0), tangent(0.001)], [1, 2, 3], [("saddle_node", 0, True)]),
    "fold touched from a ghost": (
        [tangent(-0.01), tangent(0), tangent(-0.01)],
        [1, 2, 1],
        [("saddle_node", 0, True), ("saddle_node", 1, False)],
    ),
    "fold touched from roots": (
        [tangent(0.001), tangent(0), tangent(0.001)],
        [3, 2, 3],
        [("saddle_node", 0, False), ("saddle_node", 1, True)],
    ),
    # The float just before the fold has three roots, which float64 does not see; the next one has one.
    "just before a fold": ([folded(0.1), folded(FOLD), folded(0.3)], [3, 3, 1], [("saddle_node", 1, False)]),
    "just after a fold": (
        [folded(0.1), folded(np.nextafter(FOLD, 1)), folded(0.3)],
        [3, 1, 1],
        [("saddle_node", 0, False)],
    ),
    "just before a fold, first": ([folded(FOLD), folded(0.3)], [3, 1], [("saddle_node", 0, False)]),
    "just after a fold, first": ([folded(np.nextafter(FOLD, 1)), folded(0.1)], [1, 3], [("saddle_node", 0, True)]),
}


@pytest.mark.parametrize("way", [1, -1], ids=["forth", "back"])
@pytest.mark.parametrize("name", AT_A_CHANGE)
def test_every_change_of_the_number_of_fixed_points_is_an_event(name, way):
    states, counts, changes = AT_A_CHANGE[name]
    if way == -1:
        last = len(states) - 2
        counts, changes = counts[::-1], [(kind, last - link, not creates) for kind, link, creates in reversed(changes)]
    result = analyze(load_run(states[::way], leak=0.5))
    assert [len(points.fixed_points) for points in result.points] == counts
    found = [(event.kind.value, event.before, event.evidence["creates"]) for event in result.events]
    assert found == changes
    assert_branches_are_whole(result)


def assert_branches_are_whole(result):
    """Every point is on the branch that it is said to be on, and only events begin and end branches within the run."""
    assert_labels_are_branches(result)
    for segment in (segment for branch in result.branches for segment in branch.segments):
        assert not segment.lost
        assert segment.born or segment.steps[0] == result.steps[0]
        assert segment.died or segment.steps[-1] == result.steps[-1]
        for end in (segment.born, segment.died):
            assert end is None or segment.branch in result.tracks.crossings[end[0]].branches


@pytest.mark.parametrize("name", ["split first", "fold first, to roots"])
def test_a_multiple_root_goes_on_as_the_unstable_one_of_those_it_becomes(name):
    result = analyze(load_run(AT_A_CHANGE[name][0], leak=0.5))
    (multiple,) = [i for i, point in enumerate(result.points[0].fixed_points) if point.degenerate]
    (unstable,) = [i for i, point in enumerate(result.points[1].fixed_points) if point.eigenvalues[0] > 0]
    assert result.tracks.labels[0].roots[multiple] == result.tracks.labels[1].roots[unstable]


@pytest.mark.parametrize(
    ("name", "status"),
    [("split first", "located"), ("fold between", "located"), ("just before a fold", "proved")],
)
def test_an_event_at_a_checkpoint_is_proved_only_if_the_checkpoint_is(name, status):
    (event,) = analyze(load_run(AT_A_CHANGE[name][0], leak=0.5)).events
    assert event.status.value == status
    assert 0 in event.evidence["bracket"] or 1 in event.evidence["bracket"]


def test_a_ghost_that_emerges_at_the_first_checkpoint_does_so_in_its_interval():
    """tanh(m κ + b) − κ has an inflection of slope 0 where m = 1: two critical points are one there."""
    result = analyzed([(1.0, 0.4), (1.4, 0.4)])
    assert [len(points.ghosts) for points in result.points] == [0, 1]
    assert kinds(result) == ["ghost_emergence"]


# Ghosts that return


def returning(gains):
    return analyzed([(m, 0.4) for m in gains])


def relations(branch):
    return [(str(s.born and s.born[1]), str(s.died and s.died[1])) for s in branch.segments]


@pytest.mark.parametrize("gains", [[1.4, 0.9, 1.4, 0.9, 1.4], [0.9, 1.4, 0.9, 1.4, 0.9], [1.4, 0.05, 1.4]])
def test_a_ghost_that_returns_on_the_pair_that_was_followed_keeps_its_branch(gains):
    result = returning(gains)
    assert kinds(result) == [
        "ghost_dissolution" if before > after else "ghost_emergence" for before, after in pairwise(gains)
    ]
    _, story = result.branches
    assert story.ghost_steps == [step for step, m in enumerate(gains) if m == 1.4]
    assert {event.branches for event in result.events} == {(story.id,)}
    (pair,) = result.pairs
    assert (pair.branch, pair.steps) == (story.id, result.steps)
    # With one neuron the pair solves u = m tanh u + b, u = m κ + b.
    u = np.array(gains) * np.array(pair.z) + 0.4
    assert np.array(gains) * np.tanh(u) + 0.4 == pytest.approx(u, abs=1e-9)


def test_a_return_is_no_birth_and_what_is_followed_by_one_no_death():
    _, story = returning([0.9, 1.4, 0.9, 1.4, 0.9]).branches
    assert relations(story) == [("birth", "continuation"), ("continuation", "death")]


def test_a_ghost_that_returns_and_splits_is_one_story_in_both_directions():
    gains = [0.9, 1.2, 0.9, 1.2, 2.0, 1.2]
    forth, back = (analyzed([(m, 0.3) for m in order]) for order in (gains, gains[::-1]))
    mirrored = {"ghost_emergence": "ghost_dissolution", "ghost_dissolution": "ghost_emergence"}
    assert kinds(forth) == [mirrored.get(kind, kind) for kind in reversed(kinds(back))]
    kinds_forth, kinds_back = ([[s.kind for s in b.segments] for b in run.branches] for run in (forth, back))
    assert sorted(kinds_forth) == sorted(one[::-1] for one in kinds_back)
    assert max(map(len, kinds_forth)) == 4


def test_a_ghost_whose_pair_became_too_faint_to_follow_is_a_new_one():
    result = returning([1.4, 0.001, 1.4])
    assert kinds(result) == ["ghost_dissolution", "ghost_emergence"]
    assert [branch.ghost_steps for branch in result.branches] == [[], [0], [2]]


def steps(first, second):
    """Two steps of tanh far from each other, each with a ghost beside it while it is steep."""
    m = np.array([first, second])
    return {"m": m, "n": [0.3, 0.3], "b": m * np.array([0.9, -1.4])}


def test_a_ghost_on_another_pair_is_another_branch():
    """One step flattens and its ghost dissolves, the other's ghost emerges and dissolves, and the first comes back."""
    result = analyze(load_run([steps(*gains) for gains in ((6, 0.4), (0.4, 6), (6, 0.4))], leak=0.5))
    assert kinds(result).count("ghost_emergence") == kinds(result).count("ghost_dissolution") == 2
    assert [branch.ghost_steps for branch in result.branches] == [[], [0, 2], [1]]
    assert {pair.branch for pair in result.pairs} == {1, 2}
    # Both pairs are known at every checkpoint, and none of them is the other.
    first, second = ([pair for pair in result.pairs if pair.branch == branch] for branch in (1, 2))
    for step in result.steps:
        assert all(a.at(step) is None or b.at(step) is None or a.at(step) != b.at(step) for a in first for b in second)


def test_returned_ghosts_are_stored(tmp_path):
    result = returning([1.4, 0.9, 1.4, 0.9])
    result.save(tmp_path)
    loaded = load_analysis(tmp_path)
    assert dumps(loaded.tracks) == dumps(result.tracks)
    assert loaded.pairs == result.pairs
    assert loaded.events == result.events


@pytest.mark.parametrize("offsets", [(0.1, 0.0, -0.1), (-0.1, 0.0, 0.1)])
def test_a_checkpoint_right_at_a_cusp_between_folds_of_both_sides(offsets):
    # m = 1, n = 1, b = 0 is a triple root; before it two roots die on one side, after it two are born on the other.
    gains = (2.0, 1.0, 2.0)
    run = [{"m": [1.0], "n": [n], "b": [b]} for n, b in zip(gains, offsets, strict=True)]
    result = analyze(run)
    assert [len(points.fixed_points) for points in result.points] == [3, 1, 3]
    folds = [event for event in result.events if event.kind == "saddle_node"]
    assert [(e.before, e.after, e.evidence["creates"]) for e in folds] == [(0, 1, False), (1, 2, True)]
    assert result.graph.number_of_nodes() > 0
