"""The event graph as a picture in time: a column an event, a lane a branch; it plots nothing."""

from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.views._layout import Line, coordinate, grouped, lines, name, place


@dataclass(frozen=True, slots=True)
class Lanes:
    """The event graph in time: a column an event, a lane a branch, from low κ to high, and one above for the loss.

    Attributes
    ----------
    places : tuple of float
        Steps at columns 0, 1, …: the first checkpoint, every event in order, the last checkpoint.
    columns : dict of int to int
        Column of every event, by id.
    lanes : dict of int to int
        Lane of every branch.
    """

    places: tuple[float, ...]
    columns: dict[int, int]
    lanes: dict[int, int]

    @property
    def top(self) -> int:
        """Lane of the loss."""
        return len(self.lanes)

    def column(self, step: float) -> float:
        """Where a step lies among the columns."""
        return float(np.interp(step, self.places, np.arange(len(self.places))))

    def ends(self, line: Line) -> tuple[float, float]:
        """Columns between which a line is drawn: of the events that begin and end it, or where its steps lie."""
        first, last = line.steps[0], line.steps[-1]
        begins = 0.0 if first <= self.places[0] else self.column(first)
        ends = len(self.places) - 1.0 if last >= self.places[-1] else self.column(last)
        begins = begins if line.born is None else self.columns[line.born]
        return begins, ends if line.died is None else self.columns[line.died]

    def of_event(self, event: Event) -> tuple[int, int]:
        """Column and lane of an event: its first branch's, or that of the loss."""
        lane = self.lanes[event.branches[0]] if event.at is not None and event.branches else self.top
        return self.columns[event.id], lane


def lay_out(findings: Findings) -> Lanes:
    """Columns and lanes of a run."""
    order = sorted(findings.events, key=place)
    places = (findings.steps[0], *(place(event) for event in order), findings.steps[-1])
    heights = _heights(findings)
    means = {branch.id: _mean(heights.get(branch.id, [])) for branch in findings.branches}
    lanes = {branch: i for i, branch in enumerate(sorted(means, key=lambda b: (means[b], b)))}
    return Lanes(places, {event.id: i + 1 for i, event in enumerate(order)}, lanes)


def _heights(findings: Findings) -> dict[int, list[Array]]:
    """Places of the lines of every branch."""
    found: dict[int, list[Array]] = {}
    for line in lines(findings):
        found.setdefault(line.branch, []).append(line.x)
    return found


def _mean(places: list[Array]) -> float:
    found = np.concatenate([*places, np.zeros(0)])
    return float(np.mean(found)) if len(found) else 0.0


def arrows(findings: Findings, lanes: Lanes) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    """Relations of the event graph between two places of its picture, as (relation, from, to).

    A relation between an event and the branch it stands on is the line of that branch, and needs no arrow.
    """
    found = []
    for first, second, relation in findings.graph.edges(data="relation"):
        column = lanes.columns[int((first if first[0] == "e" else second)[1:])]
        start, end = (_spot(findings, lanes, node, column) for node in (first, second))
        if start != end:
            found.append((relation, start, end))
    return found


def _spot(findings: Findings, lanes: Lanes, node_name: str, column: int) -> tuple[float, float]:
    """Of an event; of a segment, the place on its branch in the column of the event it has to do with."""
    node = findings.graph.nodes[node_name]
    if node["kind"] == "event":
        return lanes.of_event(findings.events[int(node_name[1:])])
    return column, lanes.lanes[node["branch"]]


def drops(findings: Findings) -> list[Event]:
    """The events of the verdicts, in their order."""
    return [event for event in findings.events if event.kind is EventKind.LOSS_DROP]


def column_labels(findings: Findings, lanes: Lanes, most: int = 48) -> list[str]:
    """What stands below each column: what happens there and when; every second, third … where they are too many."""
    span = findings.steps[-1] - findings.steps[0]
    names = {lanes.columns[event.id]: _named(event, span) for event in findings.events}
    first, last = (grouped(step) for step in (findings.steps[0], findings.steps[-1]))
    labels = [f"first checkpoint, {first}", *(names[i + 1] for i in range(len(names))), f"last checkpoint, {last}"]
    every = -(-len(labels) // most)
    return [label if i % every == 0 else "" for i, label in enumerate(labels)]


def _named(event: Event, span: float) -> str:
    before, at, after = (grouped(step, span) for step in (event.before, place(event), event.after))
    return f"{name(event.kind)}, " + (at if event.at is not None else f"{before}–{after}")


def lane_labels(findings: Findings, lanes: Lanes) -> tuple[list[int], list[str]]:
    """Places and names of the lanes: where each branch begins and ends, and the loss."""
    texts: dict[int, tuple[float, float]] = {}
    for line in lines(findings):
        start = texts.get(line.branch, (line.x[0], 0.0))[0]
        texts[line.branch] = (start, line.x[-1])
    letter = coordinate(findings)
    names = [f"branch {b}\n{letter} {texts[b][0]:.3g} → {texts[b][1]:.3g}".replace("-", "−") for b in lanes.lanes]
    places = list(lanes.lanes.values())
    if any(event.at is None for event in findings.events):
        return [*places, lanes.top], [*names, "loss"]
    return places, names
