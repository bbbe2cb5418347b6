"""Pictures of a run over training: its branches, its loss, and the norm of its gradient."""

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _axes as shared
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style


def branches(findings: Findings, *, focus: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """The branches over training: where every fixed point and ghost is, with the events between them.

    In one dimension the height is κ (or the state x of a single unit), in many the first principal component of all
    slow points.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> branches(findings).get_ylabel()
    'κ'
    """
    layout.analysis(findings)
    window = layout.window(findings, focus)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 3.6) if ax is None else ax
        draw_branches(ax, findings, window)
        shared.mark_places(ax, findings, window)
        shared.training_axis(ax, findings, window)
        shared.legend([ax], own=own)
    return ax


def loss(findings: Findings, *, focus: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """The loss over training, with its drops, their verdicts, and stretches of oscillation and without learning.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If no loss is known, or `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> from dynaghost.checkpoints.run import load_run
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [b], "loss": b} for b in (0.3, 0.2, 0.1)]
    >>> loss(analyze(load_run(weights))).get_ylabel()
    'loss'
    """
    layout.analysis(findings)
    values = layout.metrics(findings).get("loss")
    if values is None:
        raise DynaghostError("findings: expected losses, in the checkpoints or in a table beside them, got none")
    window = layout.window(findings, focus)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 2.6) if ax is None else ax
        draw_metric(ax, findings.losses.steps, values, "loss", window)
        draw_drops(ax, findings, window)
        shared.training_axis(ax, findings, window)
        shared.legend([ax], own=own)
    return ax


def gradient_norm(findings: Findings, *, focus: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """The norm of the loss's gradient over training.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If no gradient norm is known, or `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> from dynaghost.checkpoints.run import load_run
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [b], "loss": b, "grad_norm": 0.1} for b in (0.3, 0.2, 0.1)]
    >>> gradient_norm(analyze(load_run(weights))).get_ylabel()
    'gradient norm'
    """
    layout.analysis(findings)
    values = layout.metrics(findings).get("gradient norm")
    if values is None:
        raise DynaghostError(
            "findings: expected gradient norms (`grad_norm`), in the checkpoints or in a table beside them, got none"
        )
    window = layout.window(findings, focus)
    with rc_context(style.STYLE):
        ax = shared.own_axes(style.WIDTH, 2.6) if ax is None else ax
        draw_metric(ax, findings.losses.steps, values, "gradient norm", window)
        shared.mark_places(ax, findings, window)
        shared.training_axis(ax, findings, window)
    return ax


def passage_times(findings: Findings, *, focus: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """The passage time of every ghost over training, and the delay of the task where it is known.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If no checkpoint has a ghost, or `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.3, 0.25, 0.21)])
    >>> passage_times(findings).get_ylabel()
    'passage time (τ)'
    """
    layout.analysis(findings)
    courses = layout.passages(findings)
    if not courses:
        raise DynaghostError("findings: expected a ghost at some checkpoint, got none")
    window = layout.window(findings, focus)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 2.6) if ax is None else ax
        for (branch, (steps, times)), look in zip(courses.items(), cycle(style.SERIES)):
            ax.plot(steps, times, label=f"ghost on branch {branch}", **look)
        _draw_delay(ax, findings)
        ax.set(yscale="log", ylabel=f"passage time ({layout.unit(findings)})")
        # Numbers between the powers of ten only where there are few powers.
        ax.yaxis.set_major_formatter(LogFormatter())
        ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.2, 0.5)))
        shared.mark_places(ax, findings, window)
        shared.training_axis(ax, findings, window)
        shared.finish(ax)
        shared.legend([ax], own=own)
    return ax


def _draw_delay(ax: Axes, findings: Findings) -> None:
    trial = findings.description.trial
    if trial is not None and trial.delay is not None and layout.unit(findings) == "τ":
        ax.axhline(trial.delay, **{**style.THRESHOLD, "label": "the task's delay"})


def draw_branches(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """The lines, the checkpoints, where the trial starts, and the events, without a legend."""
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
    _draw_trial(ax, findings, window)
    for event in findings.events:
        kappa = layout.height(findings, event)
        if kappa is not None and window[0] <= layout.place(event) <= window[1]:
            shared.draw_event(ax, event, layout.place(event), kappa)
    ax.set_ylabel(layout.coordinate(findings))
    shared.finish(ax)


def _draw_trial(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Where the trial starts and, in one dimension, where its readout switches."""
    if (threshold := layout.threshold(findings)) is not None:
        ax.axhline(threshold, **style.THRESHOLD)
    if findings.starts is not None:
        part = layout.within(findings.steps, *window)
        starts = [start for start, _ in findings.starts[part]]
        one = findings.description.dim == 1
        label = f"trial's start {layout.letter(findings)}(0)" if one else "first trial's start"
        ax.plot(findings.steps[part], starts, **{**style.START, "label": label})


def _draw_checkpoints(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Dots where the branches were seen, if these are few: in between, the lines are straight."""
    shown = [e for e, step in enumerate(findings.steps) if window[0] <= step <= window[1]]
    if len(shown) > 40:
        return
    for step, x, point in layout.seen(findings, shown):
        look = {**style.POINTS[layout.role(point)], "markersize": 3, "zorder": 4, "clip_on": False}
        ax.plot(step, x, linestyle="none", **look)


def draw_metric(ax: Axes, steps: Array, values: Array, name: str, window: tuple[float, float]) -> None:
    """A curve on a logarithmic axis; what that cannot hold is counted in a corner."""
    part = layout.within(steps, *window)
    shown, left_out = layout.positive(values[part])
    known = np.pad(np.isfinite(shown), 1)
    # A line has no place for a value between two that are missing.
    marker = "." if np.any(known[1:-1] & ~known[:-2] & ~known[2:]) else None
    ax.plot(steps[part], shown, color="black", linewidth=0.9, marker=marker)
    if np.any(np.isfinite(shown)):
        ax.set_yscale("log")
    else:
        ax.set_yticks([])
    if left_out:
        text = f"not shown: {left_out} values, missing or such that a logarithmic axis cannot hold them"
        ax.text(0.99, 0.96, text, transform=ax.transAxes, ha="right", va="top", fontsize=7, color=style.GREY)
    ax.set_ylabel(name)
    shared.finish(ax)


def draw_drops(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """On the panel of the loss: drops with their verdicts, and stretches of oscillation and without learning."""
    for event in findings.events:
        if event.at is None and event.before <= window[1] and event.after >= window[0]:
            ax.axvspan(event.before, event.after, zorder=0, **style.SPANS[event.kind])
    above: dict[str, Any] = {"y": 1.04, "transform": ax.transAxes, "va": "bottom", "fontsize": 7}
    for label in layout.verdict_labels(findings.verdicts, *window):
        ax.text(min(max(label.at, 0.04), 0.96), s=label.text, ha="center", **above)
    if findings.verdicts:
        ax.text(-0.01, s="verdict\ngrade", ha="right", color=style.GREY, **above)
