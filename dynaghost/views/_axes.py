"""What all pictures share: figures that a notebook shows, axes, legends, marks of events, colours of steps."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style


class Picture(Figure):
    """A figure that shows itself in a notebook without pyplot, and lays itself out."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=style.DPI, layout="constrained")

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        with rc_context(style.STYLE):
            self.savefig(stream, format="png", dpi=0.75 * style.DPI)
        return stream.getvalue()


def own_axes(width: float = 0.62 * style.WIDTH, height: float = 0.58 * style.WIDTH) -> Axes:
    """Axes of a new picture; sizes in inches."""
    return Picture(width, height).subplots()


def finish(ax: Axes) -> None:
    """No frame above and to the right, small ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7, width=0.6)


def draw_event(ax: Axes, event: Event, x: float, y: float) -> None:
    """The mark of an event."""
    marker, face = style.EVENTS[event.kind]
    label = layout.name(event.kind)
    ax.plot(x, y, marker, color="black", markerfacecolor=face, markeredgewidth=0.8, label=label, zorder=6)


def mark_places(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Thin lines through a picture of training where events happen."""
    for event in findings.events:
        if event.at is not None and window[0] <= layout.place(event) <= window[1]:
            ax.axvline(layout.place(event), color="0.8", linewidth=0.6, zorder=-1)


def training_axis(ax: Axes, findings: Findings, window: tuple[float, float]) -> None:
    """Whole steps along the axis of training."""
    ax.set_xlim(*window) if window[0] < window[1] else ax.set_xlim(window[0] - 1, window[0] + 1)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel(layout.training_label(findings))


def step_colours(findings: Findings) -> ScalarMappable:
    """Colours of the run's steps."""
    colours, share = style.COLOURS
    part = ListedColormap(colormaps[colours](np.linspace(0, share, 256)))
    return ScalarMappable(Normalize(findings.steps[0], findings.steps[-1]), part)


def step_bar(ax: Axes, findings: Findings, colours: ScalarMappable) -> None:
    """What the colours of steps mean."""
    if len(findings.steps) > 1:
        ticks, text = MaxNLocator(6, integer=True), StrMethodFormatter("{x:,.0f}")
        label = layout.training_label(findings)
        bar = ax.figure.colorbar(colours, ax=ax, label=label, pad=0.02, ticks=ticks, format=text)
        bar.ax.tick_params(labelsize=7, width=0.6)


def legend(axes: Iterable[Axes], *, own: bool) -> None:
    """One entry a label: below a figure of ours, inside the first of somebody's axes."""
    axes = list(axes)
    found = entries(axes)
    if not found:
        return
    if own:
        columns = 4 if max(map(len, found)) <= 24 else 3
        axes[0].figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns)
    else:
        axes[0].legend(found.values(), found.keys())


def legend_above(ax: Axes) -> None:
    """One entry a label, above the axes, where it hides nothing."""
    found = entries([ax])
    if found:
        ax.legend(found.values(), found.keys(), loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def entries(axes: Iterable[Axes]) -> dict[str, Any]:
    """Label → handle of everything that is labelled, in the house's order."""
    found: dict[str, Any] = {}
    for ax in axes:
        found.update({label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)})
    rank = {label: i for i, label in enumerate(style.ORDER)}
    return dict(sorted(found.items(), key=lambda entry: rank.get(entry[0], len(rank))))
