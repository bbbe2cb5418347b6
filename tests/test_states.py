"""Pictures of one network: what is drawn is where it should be."""

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.views import plot, states

DIAGONAL = dg.LeakyRNN(np.diag([2.0, 0.5, 0.1]), np.zeros(3), leak=0.5)


@pytest.fixture(scope="module")
def points():
    return dg.find_slow_points(DIAGONAL, starts=60)


def drawn(ax, label):
    return np.array([line.get_xydata()[0] for line in ax.get_lines() if line.get_label() == label])


def test_points_are_drawn_in_the_leading_components(points):
    ax = states.slow_points(points)
    # All three points lie on the first axis, at 0 and ±0.9575.
    assert sorted(drawn(ax, "stable fixed point")[:, 0].round(4).tolist()) == [-0.9575, 0.9575]
    np.testing.assert_allclose(drawn(ax, "unstable fixed point"), [[0, 0]], atol=1e-12)
    assert ax.get_xlabel() == "PC 1 (100 % of the variance)"


def test_the_components_are_those_of_the_visited_states(points):
    visited = np.zeros((2, 4, 3))
    visited[:, :, 2] = [[0.0, 1.0, 2.0, 3.0], [0.0, -1.0, -2.0, -3.0]]
    ax = states.slow_points(points, visited=visited)
    np.testing.assert_allclose(drawn(ax, "stable fixed point")[:, 0], 0, atol=1e-12)
    paths = [line.get_xydata()[:, 0] for line in ax.get_lines() if line.get_label() == "trial"]
    np.testing.assert_allclose(np.abs(paths[0]), visited[0, :, 2])
    assert ax.get_xlabel() == "PC 1 (100 % of the trials' variance)"


def test_multipliers_of_a_map_and_eigenvalues_of_a_flow(points):
    ax = states.eigenvalues(points)
    (unstable,) = [line.get_xydata() for line in ax.get_lines() if "an unstable" in line.get_label()]
    np.testing.assert_allclose(sorted(unstable[:, 0]), [0.55, 0.75, 1.5], atol=1e-12)
    flow = dg.LeakyRNN(np.diag([2.0, 0.5]), np.zeros(2), time="flow")
    ax = states.eigenvalues(dg.find_slow_points(flow, starts=40))
    assert ax.get_xlabel() == "Re eigenvalue (1/τ)"
    values = [line.get_xydata() for line in ax.get_lines() if "an unstable" in line.get_label()]
    np.testing.assert_allclose(sorted(values[0][:, 0]), [-0.5, 1.0], atol=1e-12)


def test_a_phase_portrait_holds_every_point_and_path():
    plane = dg.LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0])
    found = dg.find_slow_points(plane, starts=40)
    ax = states.phase_portrait(plane, found, paths=[np.array([[3.0, 0.0], [2.0, 0.5]])])
    assert ax.get_xlim()[1] > 3.0
    assert len(drawn(ax, "stable fixed point")) == 2


def test_what_cannot_be_drawn_is_refused(points):
    with pytest.raises(dg.DynaghostError, match="expected two dimensions, got 3"):
        states.phase_portrait(DIAGONAL, points)
    with pytest.raises(dg.DynaghostError, match="expected states of 3 numbers, got 2"):
        states.slow_points(points, visited=np.zeros((1, 2, 2)))
    with pytest.raises(dg.DynaghostError, match=r"plot\.flow"):
        states.slow_points(dg.find_slow_points(dg.SaddleNode(-1.0)))
    with pytest.raises(dg.DynaghostError, match="expected a fixed point"):
        states.eigenvalues(dg.find_slow_points(dg.SaddleNode(1.0)))


def test_the_pictures_of_a_run_show_its_trials(tmp_path, monkeypatch):
    run = dg.load_run(
        [{"W": np.diag([b, 0.5]), "b": np.zeros(2)} for b in (0.5, 2.0)], leak=0.5, x0=0.3, transpose=False
    )
    result, seen = dg.analyze(run), {}
    monkeypatch.setattr(plot, "slow_points", lambda points, **given: seen.update(given) or states.slow_points(points))
    monkeypatch.setattr(
        plot, "phase_portrait", lambda *what, **given: seen.update(given) or states.phase_portrait(*what)
    )
    plot.figures(result, tmp_path, formats=["svg"])
    visited = result.visited(1)
    assert visited.shape[0] == 1
    np.testing.assert_array_equal(seen["visited"], visited)
    np.testing.assert_array_equal(seen["paths"], visited)


def test_in_many_dimensions_every_mark_lies_on_its_branch():
    # The fixed points at ±x leave 0 along the second unit, whose place on the diagram's axis is not its first number.
    states_of_run = [{"W": np.diag([0.2, w]), "b": np.array([0.3, 0.0])} for w in (0.5, 0.9, 1.5, 2.0)]
    result = dg.analyze(dg.load_run(states_of_run, leak=0.5, x0=0.3, transpose=False))
    ax = plot.branches(result)
    lines = [line.get_xydata() for line in ax.get_lines() if len(line.get_xdata()) > 1]
    dots = [line.get_xydata()[0] for line in ax.get_lines() if line.get_markersize() == 3]
    assert len(dots) == sum(len(points.points) for points in result.points)
    assert np.ptp([y for x, y in dots if x == 3]) > 1.5
    assert all(any((line == dot).all(axis=1).any() for line in lines) for dot in dots)
    assert "first trial's start" in ax.get_legend_handles_labels()[1]
