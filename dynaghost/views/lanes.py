"""The picture of the event graph: a lane a branch, a column an event."""

from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _axes as shared
from dynaghost.views import _lanes as graph_layout
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style


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
    layout.analysis(findings)
    lanes = graph_layout.lay_out(findings)
    with rc_context(style.STYLE):
        own = ax is None
        ax = shared.own_axes(style.WIDTH, min(2.6 + 0.5 * lanes.top, 9.0)) if ax is None else ax
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
        shared.legend([ax], own=own)
    return ax


def _draw_node(ax: Axes, findings: Findings, event: Event, lanes: graph_layout.Lanes) -> None:
    column, lane = lanes.of_event(event)
    if event.at is None:
        ends = [lanes.column(event.before), lanes.column(event.after)]
        ax.plot(ends, [lane, lane], **style.STRETCH)
    ax.vlines(column, -0.5, lane, color="0.85", linewidth=0.6, zorder=0)
    shared.draw_event(ax, event, column, lane)


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
        text = f"{verdict.verdict}\n{verdict.shown_grade or ''}"
        ax.annotate(text, lanes.of_event(drop), (0, 7), textcoords="offset points", ha="center", fontsize=7)
    ax.set_xlabel(f"events in the order of {layout.training_label(findings)}")
    shared.finish(ax)
    ax.tick_params(labelsize=size, length=0)
