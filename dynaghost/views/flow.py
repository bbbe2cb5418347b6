"""Pictures of one dimension: f(κ) with its fixed points and ghosts, of one system and along training."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import Ghost, SlowPoints
from dynaghost.systems.base import Array, System, Time
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _axes as shared
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style


def flow(
    system: System, points: SlowPoints, *, window: tuple[float, float] | None = None, ax: Axes | None = None
) -> Axes:
    """f(x) of one system of one dimension, with its fixed points and ghosts.

    Parameters
    ----------
    system : System
        Of one dimension, such as the latent circuit of a network of rank one.
    points : SlowPoints
        Of the same system.
    window : (float, float), optional
        Least and greatest x; by default around the points.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If the system has not one dimension, or `window` is none.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import SaddleNode
    >>> system = SaddleNode(0.01)
    >>> flow(system, find_slow_points(system), window=(-1, 1)).get_ylabel()
    'f(x) (1/τ)'
    """
    layout.slow_points(points)
    if system.dim != 1:
        raise DynaghostError(f"system: expected one dimension, got {system.dim}: plot.phase_portrait draws two")
    places = [float(point.x[0]) for point in points.points]
    span = _around(places) if window is None else layout.stretch("window", window)
    letter = "κ" if points.coordinates == "latent" else "x"
    with rc_context(style.STYLE):
        ax = shared.own_axes() if ax is None else ax
        _draw_curve(ax, system, points, span, places)
        ax.set(xlim=span, xlabel=letter, ylabel=f"f({letter}) ({layout.per(system.time, system.leak)})")
        shared.legend_above(ax)
        shared.finish(ax)
    return ax


def _around(places: Sequence[float]) -> tuple[float, float]:
    """With half of their extent to spare, and never empty."""
    low, high = (min(places), max(places)) if places else (0.0, 0.0)
    room = 0.5 * (high - low) or 1.0
    return low - room, high + room


def latent_flow(findings: Findings, step: int | None = None, *, ax: Axes | None = None) -> Axes:
    """f(κ) at a checkpoint, with fixed points, ghosts, where the trial starts and what its readout asks for.

    Parameters
    ----------
    findings : Findings
    step : int, optional
        A checkpoint; by default the last.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If the run has not one dimension, or `step` is no checkpoint of it.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> latent_flow(findings, 0).get_title(), latent_flow(findings).get_title()
    ('step 0', 'step 1')
    """
    layout.analysis(findings)
    (e,) = indices(findings, [findings.steps[-1] if step is None else step])
    window = layout.flow_window(findings, [e])
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 3.6) if ax is None else ax
        draw_flow(ax, findings, e, window)
        shared.legend([ax], own=own)
    return ax


def indices(findings: Findings, steps: Sequence[int]) -> list[int]:
    """Numbers of the checkpoints at these steps, in a run of one dimension.

    Raises
    ------
    DynaghostError
        If the run has not one dimension, a step is no checkpoint, or there is none.
    """
    if findings.description.dim != 1:
        raise DynaghostError(
            f"findings: expected one dimension, got {findings.description.dim}: plot.slow_points and "
            "plot.phase_portrait draw those"
        )
    unknown = [step for step in steps if step not in findings.steps]
    if unknown or not len(steps):
        first, last = findings.steps[0], findings.steps[-1]
        raise DynaghostError(f"steps: expected checkpoints of the run, {first} to {last}, got {unknown or 'none'}")
    return [findings.steps.index(step) for step in steps]


def draw_flow(ax: Axes, findings: Findings, e: int, window: layout.Window) -> None:
    """f of one checkpoint of the run with all that is marked on it, without a legend."""
    _draw_curve(ax, findings.circuits[e], findings.points[e], window.kappa, layout.marked(findings, e))
    told_of, letter = findings.description, layout.letter(findings)
    if (threshold := layout.threshold(findings)) is not None:
        ax.axvline(threshold, **style.THRESHOLD)
    if findings.starts is not None:
        ax.plot(findings.starts[e][0], 0, **{**style.START_BAR, "label": f"trial's start {letter}(0)"})
    unit = layout.per(told_of.time, told_of.leak)
    ax.set(title=f"{told_of.axis} {layout.grouped(findings.steps[e])}", xlabel=letter, ylabel=f"f({letter}) ({unit})")
    ax.set(xlim=window.kappa, ylim=window.f)
    shared.finish(ax)


def _draw_curve(
    ax: Axes, system: System, points: SlowPoints, window: tuple[float, float], marked: Sequence[float]
) -> None:
    """The curve f, where it is slow, and arrows that keep away from what is `marked`."""
    places = np.linspace(*window, 1500)
    ax.axhline(0, color="black", linewidth=0.6, zorder=1)
    ax.plot(places, system.f(places[:, None])[:, 0], color="black", linewidth=1.3, zorder=3)
    _draw_arrows(ax, system, layout.arrow_places(window, marked))
    for point in points.points:
        role, y = layout.role(point), 0.0
        if isinstance(point, Ghost):
            y = float(system.f(point.x)[0])
            _annotate_passage(ax, point, y, "τ" if system.time is Time.FLOW else "iterations")
        ax.plot(float(point.x[0]), y, linestyle="none", label=role.value, zorder=5, **style.POINTS[role])


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


def _draw_arrows(ax: Axes, system: System, places: Array) -> None:
    signs = np.sign(system.f(places[:, None])[:, 0])
    for sign, marker in ((1, ">"), (-1, "<")):
        ax.plot(places[signs == sign], 0 * places[signs == sign], marker, color=style.GREY, markersize=3.5, zorder=2)
