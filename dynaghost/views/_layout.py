"""What goes where in a figure: roles, lines, places, lanes and labels, as numbers and text; it plots nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import FixedPoint, Ghost, Kind
from dynaghost.systems.base import Array
from dynaghost.trajectories.branches import Segment
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import Verdict

PANELS = 6
"""Most panels of the latent flow, two rows of three."""

STRUCTURAL = (
    EventKind.SADDLE_NODE,
    EventKind.PITCHFORK,
    EventKind.CUSP,
    EventKind.GHOST_EMERGENCE,
    EventKind.GHOST_DISSOLUTION,
)


class Role(StrEnum):
    """What a slow point is drawn as."""

    STABLE = "stable fixed point"
    UNSTABLE = "unstable fixed point"
    UNDECIDED = "fixed point of undecided stability"
    GHOST = "ghost"


def role(point: FixedPoint | Ghost) -> Role:
    """What a slow point is drawn as.

    Examples
    --------
    >>> from dynaghost.slowpoints import find_slow_points
    >>> from dynaghost.systems import SaddleNode
    >>> [role(point).value for point in find_slow_points(SaddleNode(-1.0)).points]
    ['stable fixed point', 'unstable fixed point']
    """
    if isinstance(point, Ghost):
        return Role.GHOST
    return {True: Role.STABLE, False: Role.UNSTABLE, None: Role.UNDECIDED}[point.stable]


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of a branch with one role.

    Attributes
    ----------
    branch : int
    role : Role
    steps, x : ndarray (points,)
        Checkpoints, and the events that begin and end the stretch.
    """

    branch: int
    role: Role
    steps: Array
    x: Array


def lines(findings: Findings) -> list[Line]:
    """Every branch as lines: a new one where its kind or its stability changes."""
    roles = _roles(findings)
    return [
        line
        for branch in findings.branches
        for segment in branch.segments
        for line in _segment_lines(findings, segment, roles)
    ]


def _roles(findings: Findings) -> dict[tuple[int, int], Role]:
    """(step, branch) → role."""
    return {
        (step, branch): role(point)
        for step, points, labels in zip(findings.steps, findings.points, findings.tracks.labels, strict=True)
        for branch, point in zip(labels.roots + labels.ghosts, points.points, strict=True)
    }


def _segment_lines(findings: Findings, segment: Segment, roles: dict[tuple[int, int], Role]) -> Iterator[Line]:
    born, died = (findings.events[findings.structural[end[0]]] if end else None for end in (segment.born, segment.died))
    marks = [roles[step, segment.branch] for step in segment.steps] or [_unseen(segment, (born, died))]
    trail = [(float(step), x, mark) for step, x, mark in zip(segment.steps, segment.x, marks, strict=False)]
    if born is not None:
        trail.insert(0, (place(born), born.evidence["x"], marks[0]))
    if died is not None:
        trail.append((place(died), died.evidence["x"], marks[-1]))
    trail = _through_crossings(findings, segment.branch, trail)
    cuts = [0, *(i for i in range(1, len(trail)) if trail[i][2] is not trail[i - 1][2]), len(trail)]
    for first, last in pairwise(cuts):
        # One point more, so that this stretch ends where the next one begins.
        part = trail[first : last + 1]
        yield Line(segment.branch, trail[first][2], np.array([p[0] for p in part]), np.array([p[1] for p in part]))


def _through_crossings(
    findings: Findings, branch: int, trail: list[tuple[float, float, Role]]
) -> list[tuple[float, float, Role]]:
    """The same with the places at which the branch is known to be at the readout's threshold."""
    for event in findings.events:
        if event.kind is EventKind.READOUT_CROSSING and event.branches == (branch,) and trail:
            i = sum(point[0] <= place(event) for point in trail)
            if 0 < i < len(trail):
                trail.insert(i, (place(event), event.evidence["threshold"], trail[i - 1][2]))
    return trail


def _unseen(segment: Segment, ends: Iterable[Event | None]) -> Role:
    """The role of a segment that lives between two checkpoints only."""
    if segment.kind is Kind.GHOST:
        return Role.GHOST
    for event in ends:
        if event is not None and event.kind is EventKind.SADDLE_NODE:
            return Role.UNSTABLE if event.branches[0] == segment.branch else Role.STABLE
    return Role.UNDECIDED


def name(kind: EventKind) -> str:
    """A kind of event in words.

    Examples
    --------
    >>> name(EventKind.NO_LEARNING_ZONE), name(EventKind.LOSS_DROP)
    ('no-learning zone', 'loss drop')
    """
    words = {EventKind.SADDLE_NODE: "saddle-node", EventKind.NO_LEARNING_ZONE: "no-learning zone"}
    return words.get(kind, kind.value.replace("_", " "))


def place(event: Event) -> float:
    """Where on the axis of training an event is drawn: where it happens, or the middle of a stretch of the loss."""
    return event.before + (event.after - event.before) * (0.5 if event.at is None else event.at)


def height(findings: Findings, event: Event) -> float | None:
    """κ at which an event happens; None for what is read from the loss."""
    if event.kind is EventKind.CAPTURE and findings.starts is not None:
        return float(np.interp(place(event), findings.steps, [start for start, _ in findings.starts]))
    found = event.evidence.get("threshold" if event.kind is EventKind.READOUT_CROSSING else "x")
    return None if found is None or event.at is None else float(found)


def unit(findings: Findings) -> str:
    """Of passage times."""
    return "τ" if findings.description.time == "flow" else "iterations"


def training_label(findings: Findings) -> str:
    """Label of the axis of training."""
    return f"training ({findings.description.axis}s)"


def grouped(step: float) -> str:
    """A step as text, its thousands apart.

    Examples
    --------
    >>> grouped(33991.53), grouped(500)
    ('33,992', '500')
    """
    return f"{step:,.0f}"


def informative(findings: Findings, most: int = PANELS) -> tuple[int, ...]:
    """A handful of checkpoints that tell the story: the first, those on both sides of events and drops, the last."""
    steps, chosen = findings.steps, {findings.steps[0], findings.steps[-1]}
    for before, after in _brackets(findings):
        low, high = int(np.searchsorted(steps, before, "right")) - 1, int(np.searchsorted(steps, after))
        enclosing = {steps[max(low, 0)], steps[min(high, len(steps) - 1)]}
        if len(chosen | enclosing) <= most:
            chosen |= enclosing
    if len(chosen) < 3:
        chosen.add(steps[len(steps) // 2])
    return tuple(sorted(chosen))


def _brackets(findings: Findings) -> list[tuple[float, float]]:
    """Of the events that decide, then of drops with the greatest fall first, then of the rest."""
    order = [*STRUCTURAL, EventKind.CAPTURE, EventKind.READOUT_CROSSING]
    events = sorted((e for e in findings.events if e.kind in order), key=lambda e: order.index(e.kind))
    drops = sorted(findings.verdicts, key=lambda v: v.loss_after / (v.loss_before or 1.0))
    structural = [e for e in events if e.kind in STRUCTURAL]
    rest = [e for e in events if e.kind not in STRUCTURAL]
    return [(found.before, found.after) for group in (structural, drops, rest) for found in group]


def focus(findings: Findings) -> tuple[float, float] | None:
    """The stretch of training in which most happens, with some room around it; None where nothing does.

    Most: the events of slow points, no two neighbours further apart than 2 % of the run; without any, the greatest drop
    of the loss.
    """
    decisive = (*STRUCTURAL, EventKind.CAPTURE, EventKind.READOUT_CROSSING)
    brackets = sorted((e.before, e.after) for e in findings.events if e.kind in decisive)
    if not brackets:
        brackets = [(v.before, v.after) for v in findings.verdicts]
        brackets = sorted(brackets, key=lambda b: _fall(findings.verdicts, b))[-1:]
    if not brackets:
        return None
    first, last = _densest(brackets, 0.02 * (findings.steps[-1] - findings.steps[0]))
    low = max(int(np.searchsorted(findings.steps, first, "right")) - 3, 0)
    high = min(int(np.searchsorted(findings.steps, last)) + 2, len(findings.steps) - 1)
    return float(min(findings.steps[low], first)), float(max(findings.steps[high], last))


def _fall(verdicts: Sequence[Verdict], bracket: tuple[float, float]) -> float:
    return max(v.loss_before - v.loss_after for v in verdicts if (v.before, v.after) == bracket)


def _densest(brackets: Sequence[tuple[float, float]], gap: float) -> tuple[float, float]:
    groups = [[brackets[0]]]
    for bracket in brackets[1:]:
        if bracket[0] - max(last for _, last in groups[-1]) > gap:
            groups.append([])
        groups[-1].append(bracket)
    most = max(groups, key=len)
    return most[0][0], max(last for _, last in most)


@dataclass(frozen=True, slots=True)
class Label:
    """Text at a place, both in fractions of a width."""

    at: float
    text: str


def verdict_labels(verdicts: Sequence[Verdict], first: float, last: float, room: float = 0.11) -> list[Label]:
    """Verdicts of the drops between two steps; one label for those closer together than `room` of the width."""
    groups: list[list[tuple[float, Verdict]]] = []
    for verdict in verdicts:
        at = (0.5 * (verdict.before + verdict.after) - first) / ((last - first) or 1.0)
        if not 0 <= at <= 1:
            continue
        if not groups or at - groups[-1][-1][0] > room:
            groups.append([])
        groups[-1].append((at, verdict))
    return [Label(float(np.mean([at for at, _ in g])), _summary([v for _, v in g])) for g in groups]


def _summary(verdicts: Sequence[Verdict]) -> str:
    names = [v.verdict.value for v in verdicts]
    counts = [f"{name} ×{names.count(name)}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return ", ".join(counts) + "\n" + ", ".join(dict.fromkeys(v.grade.value for v in verdicts))


def positive(values: Array) -> tuple[Array, int]:
    """What a logarithmic axis can show, nan where it cannot, and how many values those are.

    Examples
    --------
    >>> positive(np.array([1.0, 0.0, np.inf]))
    (array([ 1., nan, nan]), 2)
    """
    shown = np.isfinite(values) & (values > 0)
    return np.where(shown, values, np.nan), int(np.sum(~shown))


def within(steps: Sequence[float] | Array, first: float, last: float) -> slice:
    """The part of increasing `steps` that shows in a window: one more on either side.

    Examples
    --------
    >>> within([0, 10, 20, 30, 40], 12, 28)
    slice(1, 4, None)
    """
    low, high = np.searchsorted(steps, first, "right") - 1, np.searchsorted(steps, last) + 1
    return slice(max(int(low), 0), int(high))


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

    def of_event(self, event: Event) -> tuple[int, int]:
        """Column and lane of an event: its first branch's, or that of the loss."""
        lane = self.lanes[event.branches[0]] if event.at is not None and event.branches else self.top
        return self.columns[event.id], lane


def lay_out(findings: Findings) -> Lanes:
    """Columns and lanes of a run."""
    order = sorted(findings.events, key=place)
    places = (findings.steps[0], *(place(event) for event in order), findings.steps[-1])
    means = {branch.id: _mean_height(findings, branch.id) for branch in findings.branches}
    lanes = {branch: i for i, branch in enumerate(sorted(means, key=lambda b: (means[b], b)))}
    return Lanes(places, {event.id: i + 1 for i, event in enumerate(order)}, lanes)


def _mean_height(findings: Findings, branch: int) -> float:
    found = [line.x for line in lines(findings) if line.branch == branch and len(line.x)]
    return float(np.mean(np.concatenate(found))) if found else 0.0


def window(findings: Findings, focus: tuple[float, float] | None) -> tuple[float, float]:
    """First and last step to show: `focus`, or the whole run with its loss curve.

    Raises
    ------
    DynaghostError
        If `focus` is no stretch of training.
    """
    if focus is None:
        ends = [*map(float, findings.steps), *map(float, findings.losses.steps)]
        return min(ends), max(ends)
    first, last = focus
    if not (np.isfinite(first) and np.isfinite(last) and first < last):
        raise DynaghostError(f"focus: expected a first and a later last step, got {focus}")
    return float(first), float(last)


def metrics(findings: Findings) -> dict[str, Array]:
    """The metrics that are known, by name."""
    known = {"loss": findings.losses.loss, "gradient norm": findings.losses.grad_norm}
    return {name: values for name, values in known.items() if values is not None and len(values)}


@dataclass(frozen=True, slots=True)
class Window:
    """What a panel of the flow shows: least and greatest κ, and f(κ)."""

    kappa: tuple[float, float]
    f: tuple[float, float]


def flow_window(findings: Findings, indices: Sequence[int]) -> Window:
    """κ from left to right of all that is marked at these checkpoints, and f(κ) as large as it gets in between."""
    spans = [(min(places), max(places)) for places in (marked(findings, e) for e in indices)]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    room = 0.12 * (high - low) or 1.0
    fields = [findings.circuits[e].f(np.linspace(*span, 400)) for e, span in zip(indices, spans, strict=True)]
    top = 1.4 * max(float(np.abs(f).max()) for f in fields)
    return Window((low - room, high + room), (-top, top) if top > 1e-9 else (-room, room))


def marked(findings: Findings, e: int) -> list[float]:
    """κ of everything that is marked at a checkpoint."""
    places = [float(point.x[0]) for point in findings.points[e].points]
    trial = findings.description.trial
    if trial is not None and trial.threshold is not None:
        places.append(trial.threshold)
    if findings.starts is not None:
        places.append(findings.starts[e][0])
    return places or [0.0]


def arrow_places(window: tuple[float, float], taken: Sequence[float], count: int = 14) -> Array:
    """Where arrows of the flow stand on the zero line, apart from what is already there."""
    grid = np.linspace(*window, count + 2)[1:-1]
    gap = 0.45 * (grid[1] - grid[0])
    return grid[[all(abs(x - other) > gap for other in taken) for x in grid]]


def arrows(findings: Findings, lanes: Lanes) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    """Relations of the event graph between two places of its picture, as (relation, from, to).

    A relation between an event and the branch it stands on is the line of that branch, and needs no arrow.
    """
    found = []
    for first, second, relation in findings.graph.edges(data="relation"):
        column = lanes.columns[int((first if first[0] == "e" else second)[1:])]
        start, end = (_spot(findings, lanes, name, column) for name in (first, second))
        if start != end:
            found.append((relation, start, end))
    return found


def _spot(findings: Findings, lanes: Lanes, name: str, column: int) -> tuple[float, float]:
    """Of an event; of a segment, the place on its branch in the column of the event it has to do with."""
    node = findings.graph.nodes[name]
    if node["kind"] == "event":
        return lanes.of_event(findings.events[int(name[1:])])
    return column, lanes.lanes[node["branch"]]


def drops(findings: Findings) -> list[Event]:
    """The events of the verdicts, in their order."""
    return [event for event in findings.events if event.kind is EventKind.LOSS_DROP]


def column_labels(findings: Findings, lanes: Lanes) -> list[str]:
    """What stands below each column: what happens there and when."""
    names = {lanes.columns[event.id]: _named(event) for event in findings.events}
    first, last = (grouped(step) for step in (findings.steps[0], findings.steps[-1]))
    return [f"first checkpoint, {first}", *(names[i + 1] for i in range(len(names))), f"last checkpoint, {last}"]


def _named(event: Event) -> str:
    when = grouped(place(event)) if event.at is not None else f"{grouped(event.before)}–{grouped(event.after)}"
    return f"{name(event.kind)}, {when}"


def lane_labels(findings: Findings, lanes: Lanes) -> tuple[list[int], list[str]]:
    """Places and names of the lanes: where each branch begins and ends, and the loss."""
    texts: dict[int, tuple[float, float]] = {}
    for line in lines(findings):
        start = texts.get(line.branch, (line.x[0], 0.0))[0]
        texts[line.branch] = (start, line.x[-1])
    names = [f"branch {b}\nκ {texts[b][0]:.3g} → {texts[b][1]:.3g}".replace("-", "−") for b in lanes.lanes]
    return [*lanes.lanes.values(), lanes.top], [*names, "loss"]
