"""Pictures of complex pairs: above the real axis, coloured by step, and their distance to it over training."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from numpy.typing import NDArray

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import FixedPoint
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.views import _axes as shared
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style


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
    layout.analysis(findings)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 3.9) if ax is None else ax
        ax.axhline(0, color="black", linewidth=0.6, zorder=1)
        colours = shared.step_colours(findings)
        _draw_real_axis(ax, findings, colours)
        for track in findings.pairs:
            _draw_pair(ax, findings, track, colours)
        if not findings.pairs:
            ax.text(0.5, 0.6, "no complex pair at any checkpoint", transform=ax.transAxes, ha="center")
            ax.set_ylim(-0.2, 1)
        letter = layout.coordinate(findings)
        ax.set(xlabel=f"Re z ({letter})", ylabel="|Im z|" if letter == "PC 1" else f"Im z ({letter})")
        shared.step_bar(ax, findings, colours)
        shared.finish(ax)
        shared.legend([ax], own=own)
    return ax


def distance_to_axis(findings: Findings, *, focus: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """How far every complex pair is from the real axis over training: |Im z|, with the events.

    Where it reaches 0 the pair becomes two real fixed points: that is a saddle-node. A ghost's pair comes close and
    turns away, or stays. A ghost that changes its pair, where another one comes to slow the flow more, has a line for
    each.

    Parameters
    ----------
    findings : Findings
        With a complex pair at some checkpoint.
    focus : tuple of float, optional
        First and last step to show; by default the whole run.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If there is no pair, or `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.2, 0.21, 0.25)])
    >>> distance_to_axis(findings).get_ylabel()
    'distance to the axis |Im z| (κ)'
    """
    layout.analysis(findings)
    if not findings.pairs:
        raise DynaghostError("findings: expected a complex pair at some checkpoint, got none")
    window = layout.window(findings, focus)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, 2.6) if ax is None else ax
        for track in findings.pairs:
            _draw_distance(ax, findings, track, window)
        for event in findings.events:
            if event.kind is EventKind.SADDLE_NODE and window[0] <= layout.place(event) <= window[1]:
                shared.draw_event(ax, event, layout.place(event), 0.0)
        letter = layout.coordinate(findings)
        ax.set(ylabel="distance to the axis |Im z|" + ("" if letter == "PC 1" else f" ({letter})"), ylim=(0, None))
        shared.mark_places(ax, findings, window)
        shared.training_axis(ax, findings, window)
        shared.finish(ax)
        shared.legend([ax], own=own)
    return ax


def _draw_distance(ax: Axes, findings: Findings, track: PairTrack, window: tuple[float, float]) -> None:
    """A line through the checkpoints, which are full where the pair is a ghost's."""
    path = layout.path(findings, track)
    part = layout.within(path.steps, *window)
    steps, away, ghost = path.steps[part], np.abs(path.z.imag)[part], path.own[part]
    ax.plot(steps, away, color=style.GREEN, linewidth=0.9, zorder=2)
    for chosen, face, label in ((ghost, style.GREEN, style.GHOST_PAIR), (~ghost, "white", style.OTHER_PAIR)):
        seen = chosen & np.isfinite(away)
        if np.any(seen):
            look: dict[str, Any] = {"color": style.GREEN, "markerfacecolor": face, "markersize": 3.5}
            ax.plot(steps[seen], away[seen], "D", label=label, zorder=3, clip_on=False, **look)


def _draw_real_axis(ax: Axes, findings: Findings, colours: ScalarMappable) -> None:
    """Every fixed point of every checkpoint, and the saddle-nodes between them."""
    rows = [
        (x, step, layout.role(point))
        for step, x, point in layout.seen(findings, range(len(findings.steps)))
        if isinstance(point, FixedPoint)
    ]
    for role in dict.fromkeys(row[2] for row in rows):
        kappa, steps = (np.array([row[i] for row in rows if row[2] is role], dtype=float) for i in (0, 1))
        _scatter(ax, kappa + 0j, colours.to_rgba(steps), role is layout.Role.STABLE, "o", role.value)
    for event in findings.events:
        if event.kind is EventKind.SADDLE_NODE:
            shared.draw_event(ax, event, event.evidence["x"], 0.0)


def _draw_pair(ax: Axes, findings: Findings, track: PairTrack, colours: ScalarMappable) -> None:
    path = layout.path(findings, track)
    z, ghost, rgba = path.z, path.own, colours.to_rgba(path.steps)
    ax.plot(z.real, z.imag, color=style.GREY, linewidth=0.6, zorder=2)
    _scatter(ax, z[ghost], rgba[ghost], True, "D", style.GHOST_PAIR)
    other = ~ghost & np.isfinite(z)
    _scatter(ax, z[other], rgba[other], False, "D", style.OTHER_PAIR)
    own = set(path.steps[ghost])
    emergences = [e for e in findings.events if e.kind is EventKind.GHOST_EMERGENCE and e.branches == (track.branch,)]
    emergences = [event for event in emergences if event.after in own]
    for event in emergences:
        # Texts of a ghost that returns many times would cover each other.
        _draw_emergence(ax, findings, event, track, named=event is emergences[0])


def _draw_emergence(ax: Axes, findings: Findings, event: Event, track: PairTrack, *, named: bool) -> None:
    """At the first checkpoint after it: between two checkpoints the pair is not followed."""
    at = track.at(int(event.after))
    if at is None:
        return
    x, y = at[0].real, at[0].imag
    shared.draw_event(ax, event, x, y)
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
