"""Pictures of one network in many dimensions: its slow points among the states, its eigenvalues, its phase portrait."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Circle

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import FixedPoint, Ghost, SlowPoints
from dynaghost.systems.base import Array, System, Time, finite
from dynaghost.views import _axes as shared
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style

_GRID = 161
_START: dict[str, Any] = {
    "marker": "s",
    "linestyle": "none",
    "markersize": 3,
    "color": style.RED,
    "label": "trial's start",
    "zorder": 3,
}


def slow_points(points: SlowPoints, *, visited: Array | None = None, ax: Axes | None = None) -> Axes:
    """Fixed points and ghosts in the two leading principal components of the visited states, or of the points.

    Parameters
    ----------
    points : SlowPoints
        In two dimensions or more.
    visited : array (trials, steps, dim), optional
        States of trials, drawn as paths from a square on; the components are theirs.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If there is nothing to draw, or `visited` has another dimension than the points.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import LeakyRNN
    >>> ax = slow_points(find_slow_points(LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0]), starts=50))
    >>> ax.get_xlabel()
    'PC 1 (100 % of the variance)'
    """
    layout.slow_points(points)
    paths = None if visited is None else finite("visited", visited, ndim=3)
    centre, components, shares = principal(points, paths)
    with rc_context(style.STYLE):
        ax = shared.own_axes() if ax is None else ax
        for path in () if paths is None else paths:
            flat = (path - centre) @ components.T
            ax.plot(*flat.T, color=style.GREY, linewidth=0.7, alpha=0.6, label="trial", zorder=1)
            ax.plot(*flat[:1].T, **_START)
        _draw_points(ax, points.points, centre, components)
        of = "variance" if paths is None else "trials' variance"
        ax.set(xlabel=_component(1, shares[0], of), ylabel=_component(2, shares[1], of))
        shared.legend_above(ax)
        shared.finish(ax)
    return ax


def principal(points: SlowPoints, visited: Array | None) -> tuple[Array, Array, Array]:
    """Centre (dim,), two leading components (2, dim) and their shares of the variance (2,).

    Raises
    ------
    DynaghostError
        If there is nothing to take them of, or dimensions disagree.
    """
    places = np.array([point.x for point in points.points])
    states = places if visited is None else visited.reshape(-1, visited.shape[-1])
    if not len(states):
        raise DynaghostError("points: expected a slow point, or visited states, to draw, got none")
    dim = states.shape[1]
    if len(places) and places.shape[1] != dim:
        raise DynaghostError(f"visited: expected states of {places.shape[1]} numbers, got {dim}")
    if dim < 2:
        raise DynaghostError(
            "points: expected two dimensions or more, got one (plot.flow and plot.latent_flow draw those)"
        )
    centre = states.mean(axis=0)
    # The sign of a component is arbitrary: its largest entry is made positive, so that pictures agree.
    _, spread, components = np.linalg.svd(np.vstack([states - centre, np.zeros((2, dim))]), full_matrices=False)
    components = components[:2] * np.sign(components[[0, 1], np.argmax(np.abs(components[:2]), axis=1)])[:, None]
    total = float(np.sum(spread**2))
    return centre, components, spread[:2] ** 2 / total if total > 0 else np.zeros(2)


def eigenvalues(points: SlowPoints, *, ax: Axes | None = None) -> Axes:
    """Eigenvalues of every fixed point beside the imaginary axis, or multipliers and the unit circle for a map.

    Parameters
    ----------
    points : SlowPoints
        With a fixed point; ghosts have no stability and are not drawn.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If there is no fixed point.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import LeakyRNN
    >>> eigenvalues(find_slow_points(LeakyRNN([[0.0, 2.0], [-2.0, 0.0]], [0.0, 0.0]), starts=50)).get_xlabel()
    'Re multiplier (per iteration)'
    """
    layout.slow_points(points)
    if not points.fixed_points:
        raise DynaghostError("points: expected a fixed point, whose eigenvalues to draw, got none")
    is_map = points.fixed_points[0].time is Time.MAP
    with rc_context(style.STYLE):
        ax = shared.own_axes() if ax is None else ax
        if is_map:
            ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=style.GREY, linewidth=0.8, label="unit circle"))
            ax.set_aspect("equal", "datalim")
        else:
            ax.axvline(0, color=style.GREY, linewidth=0.8, label="imaginary axis")
        for point in points.fixed_points:
            values = _spectrum(point)
            role = layout.role(point)
            ax.plot(values.real, values.imag, linestyle="none", label=f"of {_article(role.value)}", **_small(role))
        what, unit = ("multiplier", "per iteration") if is_map else ("eigenvalue", "1/τ")
        ax.set(xlabel=f"Re {what} ({unit})", ylabel=f"Im {what} ({unit})")
        shared.legend_above(ax)
        shared.finish(ax)
    return ax


def phase_portrait(
    system: System,
    points: SlowPoints,
    *,
    window: tuple[tuple[float, float], tuple[float, float]] | None = None,
    paths: Sequence[Array] = (),
    ax: Axes | None = None,
) -> Axes:
    """The plane of a two-dimensional system: speed, flow, nullclines, slow points, and paths of trials.

    Parameters
    ----------
    system : System
        Of two dimensions, such as a latent circuit of rank two.
    points : SlowPoints
        Of the same system.
    window : ((float, float), (float, float)), optional
        Ranges of the two coordinates; by default around points and paths.
    paths : sequence of array (steps, 2)
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DynaghostError
        If the system has not two dimensions.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import LeakyRNN
    >>> system = LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0])
    >>> phase_portrait(system, find_slow_points(system, starts=50)).get_ylabel()
    'x₂'
    """
    layout.slow_points(points)
    if system.dim != 2:
        raise DynaghostError(f"system: expected two dimensions, got {system.dim}")
    paths = [finite("paths", path, ndim=2) for path in paths]
    (left, right), (bottom, top) = _around(points, paths) if window is None else window
    first, second = np.meshgrid(np.linspace(left, right, _GRID), np.linspace(bottom, top, _GRID))
    grid = np.stack([first, second], axis=-1)
    f, speed = system.f(grid), system.speed(grid)
    letter = "κ" if points.coordinates == "latent" else "x"
    with rc_context(style.STYLE):
        ax = shared.own_axes() if ax is None else ax
        _draw_speed(ax, first, second, speed)
        ax.streamplot(first, second, f[..., 0], f[..., 1], color="white", density=0.8, linewidth=0.5, arrowsize=0.6)
        for k, line in enumerate(("-", "--")):
            ax.contour(first, second, f[..., k], levels=[0.0], colors="black", linewidths=0.9, linestyles=line)
            ax.plot([], [], color="black", linestyle=line, linewidth=0.9, label=f"d{letter}{'₁₂'[k]}/dt = 0")
        for path in paths:
            ax.plot(*path.T, color=style.RED, linewidth=0.9, label="trial", zorder=4)
        _draw_points(ax, points.points, np.zeros(2), np.eye(2))
        ax.set(xlabel=f"{letter}₁", ylabel=f"{letter}₂", xlim=(left, right), ylim=(bottom, top))
        shared.legend_above(ax)
        shared.finish(ax)
    return ax


def _draw_speed(ax: Axes, first: Array, second: Array, speed: Array) -> None:
    floor = max(float(np.quantile(speed, 0.002)), float(speed.max()) * 1e-4, 1e-300)
    # Dark where it is slow; the lightest part of the map is left out, for white stream lines.
    colours = colormaps["cividis"].resampled(256)
    shown = ax.pcolormesh(
        first,
        second,
        np.maximum(speed, floor),
        norm=LogNorm(floor, max(float(speed.max()), 2 * floor)),
        cmap=colours,
        shading="gouraud",
        rasterized=True,
        zorder=0,
    )
    ax.figure.colorbar(shown, ax=ax, label="speed", pad=0.02)


def _draw_points(ax: Axes, points: Iterable[FixedPoint | Ghost], centre: Array, components: Array) -> None:
    for point in points:
        x, y = components @ (point.x - centre)
        role = layout.role(point)
        marks = {"markeredgecolor": "black", **style.POINTS[role]}
        ax.plot(x, y, linestyle="none", label=role.value, zorder=5, **marks)


def _spectrum(point: FixedPoint) -> Array:
    if point.time is Time.FLOW:
        return point.eigenvalues
    return 1 + point.eigenvalues if point.multipliers is None else point.multipliers


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _small(role: layout.Role) -> dict[str, Any]:
    return {"markersize": 3.5, "zorder": 3, **style.POINTS[role]}


def _around(points: SlowPoints, paths: Sequence[Array]) -> tuple[tuple[float, float], tuple[float, float]]:
    """A window around everything that is to be seen, with a third of its size to spare, and never empty."""
    places = [point.x[None] for point in points.points] + [np.asarray(path) for path in paths]
    seen = np.concatenate([*places, np.zeros((1, 2))])
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = np.maximum(0.33 * (high - low), 0.5)
    ranges = [(float(a), float(b)) for a, b in zip(low - room, high + room, strict=True)]
    return ranges[0], ranges[1]


def _component(number: int, share: float, of: str) -> str:
    return f"PC {number} ({share:.0%} of the {of})".replace("%", " %")
