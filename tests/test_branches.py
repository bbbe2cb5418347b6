"""Branches through checkpoints that are undecided themselves, and what each crossing does to them."""

import numpy as np
import pytest

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run

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
    for step, points, labels in zip(result.steps, result.points, result.tracks.labels, strict=True):
        for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True):
            assert result.branches[branch].at(step) == (point.kind, float(point.x[0]))
