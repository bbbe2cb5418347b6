"""Pictures of what was found about a run: one function a picture, from findings to Axes.

No function touches pyplot or its settings. Without axes of your own you get a new figure, `ax.figure`, which a notebook
shows and `ax.figure.savefig` writes; `figures` writes all of them. Colours are those of Okabe and Ito, and each is
doubled by a marker or a line style, so that a print in black and white says the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import Ghost
from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.views import _lanes as graph_layout
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style
from dynaghost.views import states
from dynaghost.views.states import eigenvalues as eigenvalues
from dynaghost.views.states import phase_portrait as phase_portrait
from dynaghost.views.states import slow_points as slow_points


def latent_flow(
    findings: Findings, steps: Sequence[int] | None = None, *, axes: Iterable[Axes] | None = None
) -> NDArray[np.object_]:
    """f(κ) at chosen checkpoints, with fixed points, ghosts, where the trial starts and what its readout asks for.

    Parameters
    ----------
    findings : Findings
    steps : sequence of int, optional
        Checkpoints, one a panel; by default a handful around events and drops of the loss.
    axes : Axes, one a step, optional

    Returns
    -------
    ndarray of Axes (steps,)

    Raises
    ------
    DynaghostError
        If a step is no checkpoint of the run, or there are not as many axes as steps.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> [ax.get_title() for ax in latent_flow(findings)]
    ['step 0', 'step 1']
    """
    if findings.description.dim != 1:
        raise DynaghostError(
            f"findings: expected one dimension, got {findings.description.dim}: plot.slow_points and "
            "plot.phase_portrait draw those"
        )
    indices = _indices(findings, layout.informative(findings) if steps is None else steps)
    window = layout.flow_window(findings, indices)
    with rc_context(style.STYLE):
        grid = _flow_panels(len(indices)) if axes is None else _given(axes, len(indices))
        for ax, e in zip(grid, indices, strict=True):
            _draw_flow(ax, findings, e, window)
        _legend(grid, own=axes is None)
    return grid


def branches(
    findings: Findings, *, focus: tuple[float, float] | None = None, axes: Iterable[Axes] | None = None
) -> NDArray[np.object_]:
    """The branches over training, above the loss and the norm of its gradient where they are known.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    axes : Axes, optional
        One for the branches and one for each metric that is known.

    Returns
    -------
    ndarray of Axes (panels,)

    Raises
    ------
    DynaghostError
        If `focus` is no stretch of training, or there are not as many axes as panels.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> [ax.get_ylabel() for ax in branches(findings)]
    ['κ']
    """
    window = layout.window(findings, focus)
    metrics = layout.metrics(findings)
    with rc_context(style.STYLE):
        panels = _branch_panels(len(metrics)) if axes is None else _given(axes, 1 + len(metrics))
        _draw_branches(panels[0], findings, window)
        for ax, (name, values) in zip(panels[1:], metrics.items(), strict=True):
            _draw_metric(ax, findings.losses.steps, values, name, window)
        if len(panels) > 1:
            _draw_drops(panels[1], findings, window)
        for ax in panels:
            _mark_places(ax, findings, window)
        _training_axis(panels[-1], findings, window)
        _legend(panels, own=axes is None)
    return panels


def complex_plane(findings: Findings, *, ax: Axes | None = None) -> Axes:
    """The path of every complex pair, coloured by step, above the fixed points on the real axis.

    Parameters
    ----------
    findings : Findings
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> complex_plane(findings).get_xlabel()
    'Re z (κ)'
    """
    with rc_context(style.STYLE):
        own = ax is None
        ax = Figure((style.WIDTH, 3.9), layout="constrained").subplots() if ax is None else ax
        ax.axhline(0, color="black", linewidth=0.6, zorder=1)
        colours = _step_colours(findings)
        _draw_real_axis(ax, findings, colours)
        for track in findings.pairs:
            _draw_pair(ax, findings, track, colours)
        if not findings.pairs:
            ax.text(0.5, 0.6, "no complex pair at any checkpoint", transform=ax.transAxes, ha="center")
            ax.set_ylim(-0.2, 1)
        letter = layout.coordinate(findings)
        ax.set(xlabel=f"Re z ({letter})", ylabel="Im z (κ)" if letter == "κ" else "|Im z|")
        _step_bar(ax, findings, colours)
        _finish(ax)
        _legend([ax], own=own)
    return ax


def event_graph(findings: Findings, *, ax: Axes | None = None) -> Axes:
    """The event graph: a lane a branch, a column an event in the order of training, arrows for relations.

    Parameters
    ----------
    findings : Findings
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> [label.get_text() for label in event_graph(findings).get_xticklabels()]
    ['first checkpoint, 0', 'saddle-node, 0.69', 'last checkpoint, 1']
    """
    lanes = graph_layout.lay_out(findings)
    with rc_context(style.STYLE):
        own = ax is None
        ax = (
            Figure((style.WIDTH, min(2.6 + 0.5 * lanes.top, 9.0)), layout="constrained").subplots()
            if ax is None
            else ax
        )
        for line in layout.lines(findings):
            ax.plot(
                lanes.ends(line),
                [lanes.lanes[line.branch]] * 2,
                label=line.role.value,
                zorder=2,
                **style.LINES[line.role],
            )
        for event in findings.events:
            _draw_node(ax, findings, event, lanes)
        _draw_relations(ax, findings, lanes)
        _graph_axes(ax, findings, lanes)
        _legend([ax], own=own)
    return ax


def figures(findings: Findings, out: str | PathLike[str], *, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Every picture as files: `flow`, `branches`, `branches_focus`, `complex_plane` and `event_graph`.

    In many dimensions `states`, `eigenvalues` and, in two, `phase_portrait` of the last checkpoint take the place of
    `flow`; there is a `complex_plane` where a ghost has a pair.

    The same findings give the same bytes. `branches_focus` shows the stretch in which most happens, and is left out
    where nothing does.

    Parameters
    ----------
    findings : Findings
    out : path
        A folder, made where there is none.
    formats : sequence of {"png", "pdf", "svg"}

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    DynaghostError
        If a format is none of the three.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [0.0]}])
    >>> with TemporaryDirectory() as out:
    ...     [path.name for path in figures(findings, out, formats=["png"])]
    ['flow.png', 'branches.png', 'complex_plane.png', 'event_graph.png']
    """
    unknown = [suffix for suffix in formats if suffix not in style.METADATA]
    if unknown:
        raise DynaghostError(f"formats: expected some of {', '.join(style.METADATA)}, got {', '.join(unknown)}")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _pictures(findings):
        with rc_context(style.STYLE):
            # Laid out once, so that every format shows the same; the width of a text depends on the resolution.
            figure.set_dpi(style.DPI)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for suffix in formats:
                written.append(folder / f"{name}.{suffix}")
                figure.savefig(written[-1], dpi=style.DPI, metadata=style.METADATA[suffix])
    return written


def _pictures(findings: Findings) -> Iterator[tuple[str, Any]]:
    if findings.description.dim == 1:
        yield "flow", latent_flow(findings)[0].figure
    else:
        yield from _of_the_last(findings)
    yield "branches", branches(findings)[0].figure
    if (focus := layout.focus(findings)) is not None:
        yield "branches_focus", branches(findings, focus=focus)[0].figure
    if findings.description.dim == 1 or findings.pairs:
        yield "complex_plane", complex_plane(findings).figure
    yield "event_graph", event_graph(findings).figure


def _of_the_last(findings: Findings) -> Iterator[tuple[str, Any]]:
    """Pictures of the last checkpoint of a run in many dimensions, as far as there is something to draw."""
    points = findings.points[-1]
    if points.points:
        yield "states", states.slow_points(points).figure
    if points.fixed_points:
        yield "eigenvalues", states.eigenvalues(points).figure
    if findings.description.dim == 2 and findings.circuits:
        yield "phase_portrait", states.phase_portrait(findings.circuits[-1], points).figure


def _indices(findings: Findings, steps: Sequence[int]) -> list[int]:
    unknown = [step for step in steps if step not in findings.steps]
    if unknown or not len(steps):
        first, last = findings.steps[0], findings.steps[-1]
        raise DynaghostError(f"steps: expected checkpoints of the run, {first} to {last}, got {unknown or 'none'}")
    return [findings.steps.index(step) for step in steps]


def _given(axes: Iterable[Axes], count: int) -> NDArray[np.object_]:
    given = np.array(list(np.ravel(np.asarray(axes, dtype=object))), dtype=object)
    if len(given) != count:
        raise DynaghostError(f"axes: expected {count}, one a panel, got {len(given)}")
    return given


def _flow_panels(count: int) -> NDArray[np.object_]:
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure((style.WIDTH, 0.6 + 2.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax in grid[count:]:
        ax.remove()
    return grid[:count]


def _branch_panels(metrics: int) -> NDArray[np.object_]:
    heights = [2.6, *[1.25] * metrics]
    figure = Figure((style.WIDTH, sum(heights) + 0.9), layout="constrained")
    return figure.subplots(1 + metrics, 1, sharex=True, squeeze=False, height_ratios=heights).ravel()


def _draw_flow(ax: Axes, findings: Findings, e: int, window: layout.Window) -> None:
    circuit, kappa = findings.circuits[e], np.linspace(*window.kappa, 1500)
    ax.axhline(0, color="black", linewidth=0.6, zorder=1)
    ax.plot(kappa, circuit.f(kappa), color="black", linewidth=1.3, zorder=3)
    _draw_arrows(ax, findings, e, window)
    for point in findings.points[e].points:
        role, y = layout.role(point), 0.0
        if isinstance(point, Ghost):
            y = float(circuit.f(point.x)[0])
            _annotate_passage(ax, point, y, layout.unit(findings))
        ax.plot(float(point.x[0]), y, linestyle="none", label=role.value, zorder=5, **style.POINTS[role])
    trial = findings.description.trial
    if trial is not None and trial.threshold is not None:
        ax.axvline(trial.threshold, **style.THRESHOLD)
    if findings.starts is not None:
        ax.plot(findings.starts[e][0], 0, **style.START_BAR)
    ax.set(title=f"{findings.description.axis} {layout.grouped(findings.steps[e])}", xlabel="κ", ylabel="f(κ) (1/τ)")
    ax.set(xlim=window.kappa, ylim=window.f)
    ax.label_outer()
    _finish(ax)


def _annotate_passage(ax: Axes, ghost: Ghost, f: float, unit: str) -> None:
    """On the other side of the zero line, where the curve is not."""
    below = f > 0
    ax.annotate(
        f"passage\n{ghost.passage_time:.3g} {unit}",
        (float(ghost.x[0]), 0.0),
        xytext=(0, -8 if below else 8),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        color=style.GREEN,
        fontsize=7,
    )


def _draw_arrows(ax: Axes, findings: Findings, e: int, window: layout.Window) -> None:
    places = layout.arrow_places(window.kappa, layout.marked(findings, e))
    signs = np.sign(findings.circuits[e].f(places))
    for sign, marker in ((1, ">"), (-1, "<")):
        ax.plot(places[signs == sign], 0 * places[signs == sign], marker, color=style.GREY, markersize=3.5, zorder=2)


def _draw_branches(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    for track in findings.pairs:
        path = layout.path(findings, track)
        part = layout.within(path.steps, *window)
        if not np.all(path.ghost[part]):
            ax.plot(path.steps[part], path.without_ghost()[part], **style.PAIR)
    for line in layout.lines(findings):
        part = layout.within(line.steps, *window)
        ax.plot(line.steps[part], line.x[part], label=line.role.value, zorder=3, **style.LINES[line.role])
    _draw_checkpoints(ax, findings, window)
    for segment in (segment for branch in findings.branches for segment in branch.segments):
        if segment.lost and segment.steps and window[0] <= segment.steps[-1] <= window[1]:
            ax.plot(segment.steps[-1], segment.x[-1], **style.LOST)
    trial = findings.description.trial
    if trial is not None and trial.threshold is not None:
        ax.axhline(trial.threshold, **style.THRESHOLD)
    if findings.starts is not None:
        part = layout.within(findings.steps, *window)
        starts = [start for start, _ in findings.starts[part]]
        ax.plot(findings.steps[part], starts, **style.START)
    for event in findings.events:
        kappa = layout.height(findings, event)
        if kappa is not None and window[0] <= layout.place(event) <= window[1]:
            _draw_event(ax, event, layout.place(event), kappa)
    ax.set_ylabel(layout.coordinate(findings))
    _finish(ax)


def _draw_checkpoints(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Dots where the branches were seen, if these are few: in between, the lines are straight."""
    shown = [e for e, step in enumerate(findings.steps) if window[0] <= step <= window[1]]
    if len(shown) > 40:
        return
    for e in shown:
        for point in findings.points[e].points:
            look = {**style.POINTS[layout.role(point)], "markersize": 3, "zorder": 4, "clip_on": False}
            ax.plot(findings.steps[e], float(point.x[0]), linestyle="none", **look)


def _draw_event(ax: Axes, event: Event, x: float, y: float) -> None:
    marker, face = style.EVENTS[event.kind]
    label = layout.name(event.kind)
    ax.plot(x, y, marker, color="black", markerfacecolor=face, markeredgewidth=0.8, label=label, zorder=6)


def _draw_metric(ax: Axes, steps: Array, values: Array, name: str, window: tuple[float, float]) -> None:
    part = layout.within(steps, *window)
    shown, left_out = layout.positive(values[part])
    marker = "." if np.sum(np.isfinite(shown)) < 2 else None
    ax.plot(steps[part], shown, color="black", linewidth=0.9, marker=marker)
    if np.any(np.isfinite(shown)):
        ax.set_yscale("log")
    else:
        ax.set_yticks([])
    if left_out:
        text = f"not shown: {left_out} values that a logarithmic axis cannot hold"
        ax.text(0.99, 0.96, text, transform=ax.transAxes, ha="right", va="top", fontsize=7, color=style.GREY)
    ax.set_ylabel(name)
    _finish(ax)


def _draw_drops(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """On the panel of the loss: drops with their verdicts, and stretches of oscillation and without learning."""
    for event in findings.events:
        if event.at is None and event.before <= window[1] and event.after >= window[0]:
            ax.axvspan(event.before, event.after, zorder=0, **style.SPANS[event.kind])
    above: dict[str, Any] = {"y": 1.04, "transform": ax.transAxes, "va": "bottom", "fontsize": 7}
    for label in layout.verdict_labels(findings.verdicts, *window):
        ax.text(min(max(label.at, 0.04), 0.96), s=label.text, ha="center", **above)
    if findings.verdicts:
        ax.text(-0.01, s="verdict\ngrade", ha="right", color=style.GREY, **above)


def _mark_places(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Thin lines through every panel where events happen."""
    for event in findings.events:
        if event.at is not None and window[0] <= layout.place(event) <= window[1]:
            ax.axvline(layout.place(event), color="0.8", linewidth=0.6, zorder=-1)


def _training_axis(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    ax.set_xlim(*window) if window[0] < window[1] else ax.set_xlim(window[0] - 1, window[0] + 1)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel(layout.training_label(findings))


def _step_colours(findings: Findings) -> ScalarMappable:
    colours, share = style.COLOURS
    part = ListedColormap(colormaps[colours](np.linspace(0, share, 256)))
    return ScalarMappable(Normalize(findings.steps[0], findings.steps[-1]), part)


def _step_bar(ax: Axes, findings: Findings, colours: ScalarMappable) -> None:
    if len(findings.steps) > 1:
        ticks, text = MaxNLocator(6, integer=True), StrMethodFormatter("{x:,.0f}")
        label = layout.training_label(findings)
        bar = ax.figure.colorbar(colours, ax=ax, label=label, pad=0.02, ticks=ticks, format=text)
        bar.ax.tick_params(labelsize=7, width=0.6)


def _draw_real_axis(ax: Axes, findings: Findings, colours: ScalarMappable) -> None:
    """Every fixed point of every checkpoint, and the saddle-nodes between them."""
    rows = [
        (float(point.x[0]), step, layout.role(point))
        for step, points in zip(findings.steps, findings.points, strict=True)
        for point in points.fixed_points
    ]
    for role in dict.fromkeys(row[2] for row in rows):
        kappa, steps = (np.array([row[i] for row in rows if row[2] is role], dtype=float) for i in (0, 1))
        _scatter(ax, kappa + 0j, colours.to_rgba(steps), role is layout.Role.STABLE, "o", role.value)
    for event in findings.events:
        if event.kind is EventKind.SADDLE_NODE:
            _draw_event(ax, event, event.evidence["x"], 0.0)


def _draw_pair(ax: Axes, findings: Findings, track: PairTrack, colours: ScalarMappable) -> None:
    path = layout.path(findings, track)
    z, ghost, rgba = path.z, path.ghost, colours.to_rgba(path.steps)
    ax.plot(z.real, z.imag, color=style.GREY, linewidth=0.6, zorder=2)
    _scatter(ax, z[ghost], rgba[ghost], True, "D", style.GHOST_PAIR)
    other = ~ghost & np.isfinite(z)
    _scatter(ax, z[other], rgba[other], False, "D", style.OTHER_PAIR)
    emergences = [e for e in findings.events if e.kind is EventKind.GHOST_EMERGENCE and e.branches == (track.branch,)]
    for event in emergences:
        # Texts of a ghost that returns many times would cover each other.
        _draw_emergence(ax, findings, event, track, named=event is emergences[0])


def _draw_emergence(ax: Axes, findings: Findings, event: Event, track: PairTrack, *, named: bool) -> None:
    """At the first checkpoint after it: between two checkpoints the pair is not followed."""
    at = track.at(int(event.after))
    if at is None:
        return
    x, y = at[0].real, at[0].imag
    _draw_event(ax, event, x, y)
    if not named:
        return
    text = f"{findings.description.axis} {layout.grouped(event.after)}"
    side = "left" if x < np.mean(ax.get_xlim()) else "right"
    space = 8 if side == "left" else -8
    look: dict[str, Any] = {"va": "center", "fontsize": 7, "bbox": style.ON_PAPER, "zorder": 5}
    ax.annotate(text, (x, y), (space, 0), textcoords="offset points", ha=side, **look)


def _scatter(ax: Axes, z: NDArray[np.complex128], rgba: Any, filled: bool, marker: str, label: str) -> None:
    if len(z):
        faces = rgba if filled else "white"
        ax.scatter(z.real, z.imag, 16, faces, marker=marker, edgecolors=rgba, linewidths=0.9, label=label, zorder=3)


def _draw_node(ax: Axes, findings: Findings, event: Event, lanes: graph_layout.Lanes) -> None:
    column, lane = lanes.of_event(event)
    if event.at is None:
        ends = [lanes.column(event.before), lanes.column(event.after)]
        ax.plot(ends, [lane, lane], **style.STRETCH)
    ax.vlines(column, -0.5, lane, color="0.85", linewidth=0.6, zorder=0)
    _draw_event(ax, event, column, lane)


def _draw_relations(ax: Axes, findings: Findings, lanes: graph_layout.Lanes) -> None:
    for relation, start, end in graph_layout.arrows(findings, lanes):
        look = {"linewidth": 1, **style.RELATIONS[relation]}
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "shrinkA": 4, "shrinkB": 4, **look}, zorder=4)
        ax.plot([], [], label=relation, **look)


def _graph_axes(ax: Axes, findings: Findings, lanes: graph_layout.Lanes) -> None:
    places, names = graph_layout.lane_labels(findings, lanes)
    ax.set(xlim=(-0.3, len(lanes.places) - 0.7), ylim=(-0.5, places[-1] + 0.8))
    rotation, size = (40, 7) if len(lanes.places) < 14 else (90, 6)
    ax.set_xticks(range(len(lanes.places)), graph_layout.column_labels(findings, lanes))
    for label in ax.get_xticklabels():
        label.set(rotation=rotation, ha="right", va="top" if rotation < 90 else "center", rotation_mode="anchor")
    ax.set_yticks(places, names)
    for verdict, drop in zip(findings.verdicts, graph_layout.drops(findings), strict=True):
        text = f"{verdict.verdict.value}\n{verdict.grade.value}"
        ax.annotate(text, lanes.of_event(drop), (0, 7), textcoords="offset points", ha="center", fontsize=7)
    ax.set_xlabel(f"events in the order of {layout.training_label(findings)}")
    _finish(ax)
    ax.tick_params(labelsize=size, length=0)


def _legend(axes: Iterable[Axes], *, own: bool) -> None:
    """One entry a label: below a figure of ours, inside the first of somebody's axes."""
    axes = list(axes)
    found = {}
    for ax in axes:
        found.update({label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)})
    rank = {label: i for i, label in enumerate(style.ORDER)}
    found = dict(sorted(found.items(), key=lambda entry: rank.get(entry[0], len(rank))))
    if not found:
        return
    if own:
        columns = 4 if max(map(len, found)) <= 24 else 3
        axes[0].figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns)
    else:
        axes[0].legend(found.values(), found.keys())


def _finish(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7, width=0.6)
