"""Every picture of both recorded runs and of awkward ones: the artists it must show, counted against the findings."""

import dataclasses
import inspect
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dynaghost as dg
from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import DynaghostError
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import EventKind
from dynaghost.views import _layout, _style, plot

DATA = Path(__file__).parents[1] / "data"
NAMES = ["flow", "branches", "branches_focus", "complex_plane", "event_graph"]
# Where tanh(1.5κ + b) − κ folds.
FOLD = 0.20754645532203029
STABLE, UNSTABLE, GHOST = "stable fixed point", "unstable fixed point", "ghost"


def weights(b, m=1.5, n=1.0):
    return {"m": [m], "n": [n], "b": [b]}


def with_losses(findings, loss, gradient=None):
    return dataclasses.replace(findings, losses=Losses(np.arange(len(loss)) / 10, np.array(loss), gradient))


def wave():
    """Five hundred checkpoints and fifty events."""
    states = [weights(0.35 * np.sin(t)) for t in np.linspace(0, 40, 500)]
    return analyze(load_run(states, leak=0.5, x0=-0.3, threshold=0.4, delay=10.0))


def three():
    return analyze([weights(b) for b in (0.0, 0.1, 0.3)])


AWKWARD = {
    "one checkpoint": lambda: analyze([weights(0.0)]),
    "no trial and no metrics": three,
    "no events and no ghosts": lambda: analyze([weights(b) for b in (2.0, 2.1, 2.2)]),
    "many events": wave,
    "a map": lambda: analyze(load_run([weights(b) for b in (0.1, 0.25, 0.4)], leak=0.5, time="map", x0=-1.0)),
    # Two neighbouring floats on either side of a fold: nothing between them can be decided.
    "branches lost": lambda: analyze([weights(b, 1.5) for b in (FOLD - 3e-17, FOLD + 3e-17)]),
    "one degenerate": lambda: analyze([weights(0.0, 1.0)]),
    "steep": lambda: analyze([weights(b, 1e8) for b in (0.0, 0.1)]),
    "no coupling": lambda: analyze([weights(0.0, 0.0, 0.0)] * 2),
    "losses of zero": lambda: with_losses(three(), [0.0] * 30, np.zeros(30)),
    "losses not finite": lambda: with_losses(three(), [np.nan, np.inf, -np.inf] * 10),
    "losses of all sizes": lambda: with_losses(three(), [*10.0 ** -np.arange(1, 300, 10.0), 0.0, np.nan, 1e300]),
    "one loss": lambda: with_losses(three(), [1.0], np.array([np.nan])),
    "no row of losses": lambda: with_losses(three(), [], np.array([])),
}


@pytest.fixture(scope="module", params=["fig3a_ghost", "fig3b_stuck"])
def findings(request):
    return analyze(load_run(DATA / request.param))


@pytest.fixture(scope="module", params=AWKWARD)
def awkward(request):
    return AWKWARD[request.param]()


@pytest.fixture(autouse=True)
def _settings_stay():
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before


def labels(ax):
    """How many places are marked under each label."""
    counts = Counter()
    for line in ax.lines:
        counts[line.get_label()] += len(line.get_xdata())
    for collection in ax.collections:
        counts[collection.get_label()] += len(collection.get_offsets())
    return counts


def roles(points):
    return Counter(_layout.role(point).value for point in points.points)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def pictures(findings):
    yield plot.flow_panels(findings).axes
    yield plot.overview(findings).axes
    yield [plot.latent_flow(findings)]
    yield [plot.branches(findings)]
    yield [plot.complex_plane(findings)]
    yield [plot.event_graph(findings)]
    if findings.pairs:
        yield [plot.distance_to_axis(findings)]


def inside(box, frame):
    return frame.x0 <= box.x0 < box.x1 <= frame.x1 and frame.y0 <= box.y0 < box.y1 <= frame.y1


def test_flow_marks_what_was_found(findings):
    steps = _layout.informative(findings)
    axes = plot.flow_panels(findings).axes
    assert {findings.steps[0], findings.steps[-1]} <= set(steps)
    assert len(axes) == len(steps) <= _layout.PANELS
    for ax, step in zip(axes, steps, strict=True):
        e = findings.steps.index(step)
        marked = labels(ax)
        assert {name: marked[name] for name in (STABLE, UNSTABLE, GHOST)} == {
            name: roles(findings.points[e])[name] for name in (STABLE, UNSTABLE, GHOST)
        }
        assert [line.get_xdata()[0] for line in ax.lines if line.get_label() == "readout threshold"] == [1.0]
        assert [line.get_xdata()[0] for line in ax.lines if "κ(0)" in line.get_label()] == [findings.starts[e][0]]
        assert sum("passage" in text for text in texts(ax)) == len(findings.points[e].ghosts)


def test_flow_shows_both_sides_of_every_structural_event(findings):
    steps = _layout.informative(findings)
    structural = [event for event in findings.events if event.kind in _layout.STRUCTURAL]
    assert structural
    assert all({event.before, event.after} <= set(steps) for event in structural)


def test_arrows_point_along_the_flow(findings):
    ax = plot.latent_flow(findings)
    for marker, sign in ((">", 1), ("<", -1)):
        (arrows,) = (line for line in ax.lines if line.get_marker() == marker)
        assert len(arrows.get_xdata()) > 0
        assert np.all(np.sign(findings.circuits[-1].f(arrows.get_xdata())) == sign)


def test_ghosts_are_drawn_on_the_curve_and_fixed_points_at_zero(findings):
    for ax in plot.flow_panels(findings).axes:
        for line in ax.lines:
            if line.get_label() in (STABLE, UNSTABLE):
                assert line.get_ydata()[0] == 0
            if line.get_label() == GHOST:
                assert line.get_ydata()[0] != 0


def test_branches_show_every_checkpoint_every_event_and_every_verdict(findings):
    kappa, loss, gradient = plot.overview(findings).axes
    assert (kappa.get_ylabel(), loss.get_ylabel(), gradient.get_ylabel()) == ("κ", "loss", "gradient norm")
    assert (loss.get_yscale(), gradient.get_yscale()) == ("log", "log")
    assert gradient.get_xlabel() == "training (epochs)"
    seen = {(x, y) for line in kappa.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}
    points = {(s, float(p.x[0])) for s, here in zip(findings.steps, findings.points, strict=True) for p in here.points}
    assert points <= seen
    marked = labels(kappa)
    for kind, count in Counter(event.kind for event in findings.events if event.at is not None).items():
        assert marked[_layout.name(kind)] == count
    drops = [event for event in findings.events if event.kind is EventKind.LOSS_DROP]
    assert len([patch for patch in loss.patches if patch.get_label() == "loss drop"]) == len(drops)
    shown = " ".join(texts(loss))
    assert all(verdict.verdict.value in shown and verdict.grade.value in shown for verdict in findings.verdicts)


def test_a_branch_that_lives_between_two_checkpoints_is_drawn():
    findings = analyze(load_run(DATA / "fig3b_stuck"))
    assert not any(points.ghosts for points in findings.points)
    (ghost,) = (line for line in _layout.lines(findings) if line.role.value == GHOST)
    emergence, node = (findings.events[i] for i in (ghost.born, ghost.died))
    assert (emergence.kind, node.kind) == (EventKind.GHOST_EMERGENCE, EventKind.SADDLE_NODE)
    assert list(ghost.steps) == [_layout.place(emergence), _layout.place(node)]


def test_branches_pass_the_threshold_where_their_crossing_is(findings):
    crossings = [event for event in findings.events if event.kind is EventKind.READOUT_CROSSING]
    lines = _layout.lines(findings)
    for event in crossings:
        assert any((_layout.place(event), 1.0) in zip(line.steps, line.x, strict=True) for line in lines)


def test_focus_shows_only_its_part(findings):
    first, last = _layout.focus(findings)
    assert last - first < 0.1 * (findings.steps[-1] - findings.steps[0])
    axes = [*plot.overview(findings, focus=(first, last)).axes, plot.branches(findings, focus=(first, last))]
    assert all(ax.get_xlim() == (first, last) for ax in axes)
    for event in findings.events:
        if event.kind in _layout.STRUCTURAL:
            assert first <= event.before < event.after <= last


@pytest.mark.parametrize("focus", [(2, 1), (1, 1), (0, float("nan"))])
def test_nonsense_focus_is_refused(focus):
    with pytest.raises(DynaghostError, match="focus"):
        plot.branches(three(), focus=focus)


def test_complex_plane_shows_every_pair_and_fixed_point(findings):
    marked = labels(plot.complex_plane(findings))
    total = sum((roles(points) for points in findings.points), Counter())
    assert [marked[name] for name in (STABLE, UNSTABLE)] == [total[name] for name in (STABLE, UNSTABLE)]
    assert marked[_style.GHOST_PAIR] + marked[_style.OTHER_PAIR] == sum(len(track.steps) for track in findings.pairs)
    nodes = [event for event in findings.events if event.kind is EventKind.SADDLE_NODE]
    assert marked["saddle-node"] == len(nodes)


def test_a_pair_has_gaps_where_it_was_real():
    findings = wave()
    for track in findings.pairs:
        path = _layout.path(findings, track)
        assert np.sum(np.isfinite(path.z)) == len(track.steps)
        assert list(path.steps) == list(findings.steps[findings.steps.index(path.steps[0]) :][: len(path.steps)])


def test_event_graph_shows_every_node_and_names_every_event(findings):
    ax = plot.event_graph(findings)
    marked = labels(ax)
    for kind, count in Counter(event.kind for event in findings.events).items():
        assert marked[_layout.name(kind)] == count
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert len(names) == len(findings.events) + 2
    assert sum(name.startswith("loss drop") for name in names) == len(findings.verdicts)
    segments = sum(1 for _, kind in findings.graph.nodes(data="kind") if kind == "segment")
    assert len(_layout.lines(findings)) == segments
    explained = sum(1 for *_, relation in findings.graph.edges(data="relation") if relation == "explains")
    assert sum(line.get_label() == "explains" for line in ax.lines) == explained


def test_no_two_labels_of_the_event_graph_overlap(findings):
    ax = plot.event_graph(findings)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in (*ax.get_yticklabels(), *ax.texts) if text.get_text()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_no_two_verdicts_overlap(findings):
    for focus in (None, _layout.focus(findings)):
        loss = plot.overview(findings, focus=focus).axes[1]
        loss.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in loss.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_legends_stay_inside_the_figure(findings):
    for axes in pictures(findings):
        figure = axes[0].figure
        figure.draw_without_rendering()
        assert all(inside(legend.get_window_extent(), figure.bbox) for legend in figure.legends)


def test_awkward_runs_are_drawn_with_legends_inside(awkward):
    for axes in pictures(awkward):
        figure = axes[0].figure
        figure.draw_without_rendering()
        assert all(isinstance(ax, Axes) for ax in axes)
        assert all(inside(legend.get_window_extent(), figure.bbox) for legend in figure.legends)


def test_a_run_without_events_has_no_focus(tmp_path):
    written = plot.figures(AWKWARD["no events and no ghosts"](), tmp_path, formats=["svg"])
    assert [path.name for path in written] == [f"{name}.svg" for name in NAMES if name != "branches_focus"]


def test_without_metrics_there_is_one_panel_and_without_a_trial_no_start():
    (kappa,) = plot.overview(three()).axes
    assert not {"readout threshold", "trial's start κ(0)"} & set(labels(kappa))


def test_what_a_logarithm_cannot_show_is_said():
    _, loss = plot.overview(with_losses(three(), [1.0, 0.0, np.nan, 0.1])).axes
    assert "2 values" in texts(loss)[0]


def test_single_values_between_missing_ones_are_seen():
    sparse = with_losses(three(), [1.0, 0.9, 0.8, 0.7], np.array([np.nan, 0.1, np.nan, 0.2]))
    _, loss, gradient = plot.overview(sparse).axes
    assert [ax.lines[0].get_marker() for ax in (loss, gradient)] == ["None", "."]


def test_where_branches_are_lost_is_marked():
    kappa = plot.branches(AWKWARD["branches lost"]())
    assert labels(kappa)["could not be followed further"] == 3


def every_picture(findings):
    """Every public function that draws one picture, by name, with what it draws here."""
    plane = dg.LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0])
    points = dg.find_slow_points(plane, starts=40)
    given = {"flow": (findings.circuits[-1], findings.points[-1]), "phase_portrait": (plane, points)}
    given |= {"slow_points": (points,), "eigenvalues": (points,)}
    names = re.findall(
        r"^from dynaghost\.views\.\w+ import \w+ as (\w+)$", Path(plot.__file__).read_text(), re.MULTILINE
    )
    figures = {name for name in names if inspect.signature(getattr(plot, name)).return_annotation is Figure}
    assert figures == {"flow_panels", "overview"}
    return {name: (getattr(plot, name), given.get(name, (findings,))) for name in names if name not in figures}


def test_every_picture_is_drawn_on_the_axes_of_the_caller_or_on_its_own():
    findings = analyze(load_run(DATA / "fig3a_ghost"))
    pictures = every_picture(findings)
    assert len(pictures) == 12
    for name, (draw, given) in pictures.items():
        (parameter,) = [p for p in inspect.signature(draw).parameters.values() if "Axes" in str(p.annotation)]
        assert (parameter.name, parameter.default, parameter.kind.name) == ("ax", None, "KEYWORD_ONLY"), name
        figure = Figure(layout="constrained")
        mine, other = figure.subplots(1, 2)
        assert draw(*given, ax=mine) is mine, name
        assert mine.has_data(), name
        assert not other.has_data(), name
        assert not figure.legends, name
        own = draw(*given)
        assert isinstance(own, Axes), name
        assert [labels(own)[key] for key in sorted(labels(own))] == [labels(mine)[key] for key in sorted(labels(own))]
        for drawn in (figure, own.figure):
            drawn.draw_without_rendering()


@pytest.mark.parametrize("name", ["branches", "loss", "gradient_norm", "passage_times", "complex_plane", "overview"])
def test_what_is_no_analysis_is_refused(name):
    with pytest.raises(DynaghostError, match=r"findings: expected an analysis .* got SlowPoints"):
        getattr(plot, name)(dg.find_slow_points(dg.SaddleNode(0.1)))
    with pytest.raises(DynaghostError, match=r"points: expected what dg\.find_slow_points gives, got tuple"):
        plot.eigenvalues((1, 2))


def test_a_picture_is_drawn_in_a_part_of_a_figure():
    plane = dg.LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0])
    part = Figure().subfigures(1, 2)[0]
    ax = plot.phase_portrait(plane, dg.find_slow_points(plane, starts=40), ax=part.subplots())
    assert [other.get_ylabel() for other in part.axes if other is not ax] == ["speed"]


def test_the_distance_to_the_axis_is_that_of_every_pair(findings):
    ax = plot.distance_to_axis(findings)
    marked = labels(ax)
    assert marked[_style.GHOST_PAIR] + marked[_style.OTHER_PAIR] == sum(len(track.steps) for track in findings.pairs)
    drawn = {(x, y) for line in ax.lines for x, y in line.get_xydata()}
    assert {(s, abs(z.imag)) for track in findings.pairs for s, z in zip(track.steps, track.z, strict=True)} <= drawn
    nodes = [event for event in findings.events if event.kind is EventKind.SADDLE_NODE]
    assert marked["saddle-node"] == len(nodes)
    assert all((_layout.place(event), 0.0) in drawn for event in nodes)
    first, last = _layout.focus(findings)
    assert plot.distance_to_axis(findings, focus=(first, last)).get_xlim() == (first, last)
    with pytest.raises(DynaghostError, match="expected a complex pair"):
        plot.distance_to_axis(AWKWARD["no coupling"]())


def test_of_two_pairs_on_one_branch_the_ghosts_own_is_told(findings):
    ghosts = {
        (step, complex(point.complex_point[0]))
        for step, here in zip(findings.steps, findings.points, strict=True)
        for point in here.ghosts
    }
    told = set()
    for track in findings.pairs:
        path = _layout.path(findings, track)
        told |= {(step, z) for step, z in zip(path.steps[path.own], path.z[path.own], strict=True)}
    assert {step for step, _ in told} == {step for step, _ in ghosts}
    assert len(told) == len(ghosts)
    assert all(min(abs(z - other) for at, other in ghosts if at == step) < 1e-9 for step, z in told)
    emerged = [event for event in findings.events if event.kind is EventKind.GHOST_EMERGENCE]
    marks = labels(plot.complex_plane(findings))["ghost emergence"]
    assert marks == sum(any(step == event.after for step, _ in told) for event in emerged)


def test_the_norm_of_the_gradient_alone_shows_what_its_panel_shows(findings):
    alone, panel = plot.gradient_norm(findings), plot.overview(findings).axes[2]
    assert alone.get_yscale() == "log"
    assert len(alone.lines) == len(panel.lines)
    assert all(
        np.array_equal(a.get_xydata(), b.get_xydata(), equal_nan=True)
        for a, b in zip(alone.lines, panel.lines, strict=True)
    )
    with pytest.raises(DynaghostError, match="expected gradient norms"):
        plot.gradient_norm(three())


def test_axes_of_the_caller_get_the_legend(findings):
    given = Figure().subplots(2, 2)
    assert plot.complex_plane(findings, ax=given[0, 1]) is given[0, 1]
    assert plot.event_graph(findings, ax=given[1, 1]) is given[1, 1]
    assert plot.latent_flow(findings, 0, ax=given[1, 0]) is given[1, 0]
    assert plot.branches(findings, ax=given[0, 0]) is given[0, 0]
    given[0, 0].figure.draw_without_rendering()
    assert all(ax.get_legend() is not None for ax in given.ravel())


def test_a_step_that_is_no_checkpoint_is_refused(findings):
    with pytest.raises(DynaghostError, match=r"got \[7\]"):
        plot.latent_flow(findings, 7)


def test_no_steps_are_refused(findings):
    with pytest.raises(DynaghostError, match="steps"):
        plot.flow_panels(findings, [])


def test_figures_are_written_in_both_formats(findings, tmp_path):
    written = plot.figures(findings, tmp_path / "new" / "folder")
    assert [path.name for path in written] == [f"{name}.{suffix}" for name in NAMES for suffix in ("png", "pdf")]
    assert all(path.stat().st_size > 1000 for path in written)
    assert all(b"CreationDate" not in path.read_bytes() for path in written)
    assert all(b"/CIDFontType2" in path.read_bytes() for path in written if path.suffix == ".pdf")
    images = [matplotlib.image.imread(path) for path in written if path.suffix == ".png"]
    assert images[0].shape[1] == round(_style.WIDTH * _style.DPI)
    # No text touches the left edge.
    assert all(np.all(image[:, :4] == 1) for image in images)


def test_the_same_findings_give_the_same_bytes(tmp_path):
    findings = AWKWARD["one checkpoint"]()
    one, two = (plot.figures(findings, tmp_path / name, formats=["png", "pdf", "svg"]) for name in ("one", "two"))
    assert len(one) == 12
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(DynaghostError, match="formats: expected some of png, pdf, svg, got bmp"):
        plot.figures(three(), tmp_path / "out", formats=("png", "bmp"))
    assert not (tmp_path / "out").exists()


def test_plotting_needs_neither_a_display_nor_pyplot():
    code = (
        "import sys\nfrom dynaghost.analysis import analyze\nfrom dynaghost.views import plot\n"
        "plot.branches(analyze([{'m': [1.5], 'n': [1.0], 'b': [0.0]}]))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"


def test_one_system_is_drawn_with_its_points_on_the_curve():
    system = dg.RankOneRNN([1.5], [1.0], [0.1], leak=0.5).latent()
    points = dg.find_slow_points(system)
    ax = plot.flow(system, points, window=(-2, 2))
    assert {name: count for name, count in labels(ax).items() if not name.startswith("_")} == roles(points)
    assert (ax.get_xlim(), ax.get_xlabel(), ax.get_ylabel()) == ((-2, 2), "κ", "f(κ) (1/τ)")
    curve = max(ax.lines, key=lambda line: len(line.get_xdata()))
    x = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), -x + np.tanh(1.5 * x + 0.1), atol=1e-14)
    (ghost,) = (
        line
        for line in plot.flow(dg.SaddleNode(0.04), dg.find_slow_points(dg.SaddleNode(0.04))).lines
        if line.get_label() == GHOST
    )
    assert (ghost.get_xdata()[0], ghost.get_ydata()[0]) == (0, 0.04)
    with pytest.raises(DynaghostError, match="expected one dimension, got 2"):
        plot.flow(dg.LeakyRNN(np.eye(2), np.zeros(2)), points)
    with pytest.raises(DynaghostError, match=r"window: .* got \(1, 0\)"):
        plot.flow(system, points, window=(1, 0))


def test_the_loss_alone_shows_what_its_panel_shows(findings):
    alone, panel = plot.loss(findings), plot.overview(findings).axes[1]
    assert (texts(alone), len(alone.patches)) == (texts(panel), len(panel.patches))
    assert all(
        np.array_equal(a.get_xydata(), b.get_xydata(), equal_nan=True)
        for a, b in zip(alone.lines, panel.lines, strict=False)
    )
    with pytest.raises(DynaghostError, match="expected losses"):
        plot.loss(three())


def test_every_passage_time_is_drawn_beside_the_delay():
    findings = analyze(load_run(DATA / "fig3a_ghost"))
    ax = plot.passage_times(findings)
    drawn = {(x, y) for line in ax.lines if line.get_label().startswith("ghost") for x, y in line.get_xydata()}
    rows = {(row["step"], row["passage_time"]) for row in findings.rows() if row["kind"] == "ghost"}
    assert rows
    assert rows <= drawn
    assert [line.get_ydata()[0] for line in ax.lines if line.get_label() == "the task's delay"] == [10.0]
    with pytest.raises(DynaghostError, match="expected a ghost"):
        plot.passage_times(AWKWARD["no coupling"]())


def test_pictures_show_themselves_in_a_notebook(findings):
    assert plot.loss(findings).figure._repr_png_().startswith(b"\x89PNG")


def test_a_single_unit_is_drawn_by_its_state():
    run = load_run([{"W": [[2.0]], "b": [b]} for b in (0.0, 0.2, 0.8)], leak=0.2, time="map", x0=-0.9, threshold=0.5)
    findings = dg.analyze(run)
    points = {float(point.x[0]) for found in findings.points for point in found.points}
    drawn = {float(x) for branch in findings.branches for segment in branch.segments for x in segment.x}
    assert drawn == points
    ax = plot.latent_flow(findings, 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "f(x) (1/τ)")
    curve = max(ax.lines, key=lambda line: len(line.get_xdata()))
    x = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), -x + np.tanh(2 * x), atol=1e-15)
    labels = {line.get_label() for line in ax.lines}
    # The threshold is on an output, which this line does not show.
    assert "trial's start x(0)" in labels
    assert "readout threshold" not in labels
    assert plot.branches(findings).get_ylabel() == "x"
    assert plot.complex_plane(findings).get_xlabel() == "Re z (x)"
