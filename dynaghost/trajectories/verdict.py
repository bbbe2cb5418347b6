"""Which events explain each drop of the loss: through a bifurcation, through a ghost, both or neither, and how sure.

Only events whose bracket shares more than an endpoint with the drop's window count, and, where a trial is known, only
slow points that it can feel: within the larger of 10 % of the visited set's diameter and, for a ghost, its reach.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dynaghost.display import table
from dynaghost.series import Series
from dynaghost.slowpoints.records import Certificate, Kind
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.course import Course
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.homotopy import LinkStatus
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.trial import escape_time

SHARE = 0.1
"""Share of the visited set's diameter within which a slow point is relevant."""
GROWTH = 1.25
"""Factor by which a passage time must change across the window to count."""
LEAST_PASSAGE = 1.0
"""Passage time, in τ (1/leak iterations), that it must have at one end of the window."""

_BIFURCATIONS = (
    EventKind.SADDLE_NODE,
    EventKind.PITCHFORK,
    EventKind.TRANSCRITICAL,
    EventKind.CUSP,
    EventKind.HOPF,
    EventKind.NEIMARK_SACKER,
    EventKind.FLIP,
    EventKind.BORDER_COLLISION,
)


class Answer(StrEnum):
    """What explains a drop."""

    GHOST = "ghost"
    BIFURCATION = "bifurcation"
    BOTH = "both"
    NONE = "none"
    UNDECIDED = "undecided"


class Grade(StrEnum):
    """`proved`: the fixed points at the window's checkpoints are proved complete. `found`: they are not."""

    PROVED = "proved"
    FOUND = "found"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What explains one drop of the loss.

    Attributes
    ----------
    before, after : int or float
        The drop, in steps of the loss curve.
    loss_before, loss_after : float
    verdict : Answer
    grade : Grade
    events : tuple of int
        Ids of the events that explain it.
    evidence : dict
        Window, margins, times and what was left out, ready for JSON.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> from dynaghost.checkpoints.run import load_run
    >>> loss = [1.0] * 10 + [0.1] * 10
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [0.1 if i < 10 else 0.3], "loss": loss[i]} for i in range(20)]
    >>> (verdict,) = analyze(load_run(weights)).verdicts
    >>> verdict.verdict.value, verdict.grade.value, verdict.evidence["fixed_points"]
    ('bifurcation', 'proved', [3, 1])
    """

    before: float
    after: float
    loss_before: float
    loss_after: float
    verdict: Answer
    grade: Grade
    events: tuple[int, ...]
    evidence: dict[str, Any]

    def __repr__(self) -> str:
        fall = f"{self.before:g} to {self.after:g}, loss {self.loss_before:.4g} → {self.loss_after:.4g}"
        return f"Verdict({self.verdict.value}, {self.grade.value}: {fall})"

    @property
    def shown_grade(self) -> Grade | None:
        """The grade beside the answer; none beside `undecided`, which claims nothing that could be proved."""
        return None if self.verdict is Answer.UNDECIDED else self.grade

    def _repr_html_(self) -> str:
        return table("verdict", COLUMNS, [self.row])

    @property
    def row(self) -> tuple[str, ...]:
        """Of a table of verdicts with `COLUMNS`."""
        fall = (f"{self.before:g}", f"{self.after:g}", f"{self.loss_before:.4g}", f"{self.loss_after:.4g}")
        return (*fall, self.verdict.value, self.grade.value, ", ".join(map(str, self.events)))


COLUMNS = ("before", "after", "loss before", "loss after", "verdict", "grade", "events")
"""Of a table of verdicts."""


def judge(course: Course, events: Sequence[Event]) -> tuple[Verdict, ...]:
    """A verdict for every drop among the events of a run."""
    return tuple(_judge(course, events, drop) for drop in events if drop.kind is EventKind.LOSS_DROP)


def _judge(course: Course, events: Sequence[Event], drop: Event) -> Verdict:
    enclosing = course.enclosing(drop.before, drop.after)
    if enclosing is None:
        evidence: dict[str, Any] = {"because": "the checkpoints do not enclose the drop"}
        return verdict_of(drop, Answer.UNDECIDED, Grade.FOUND, (), evidence)
    window = _Window(course, *enclosing)
    inside = [e for e in events if e.at is not None and e.before < window.last and e.after > window.first]
    margins = window.margins([e for e in inside if changes_points(e) or e.kind is EventKind.GHOST_EMERGENCE])
    near = [event for event in inside if event.id in margins and margins[event.id].near]
    bifurcations = [event for event in near if changes_points(event)]
    emergences = [event for event in near if event.kind is EventKind.GHOST_EMERGENCE]
    consumed = {branch for event in bifurcations for branch in event.branches}
    pairs = [change for track in course.pairs if (change := _pair(window, track)) is not None]
    moved = [pair for pair in pairs if pair["counts"] and pair["branch"] not in consumed]
    ghosts = [event for event in emergences if not consumed.intersection(event.branches)]
    crossings = [event for event in inside if event.kind is EventKind.READOUT_CROSSING]
    doubts = _doubts(window)
    if not (bifurcations or ghosts or moved):
        doubts += [f"the pair on branch {pair['branch']} could not be followed" for pair in pairs if pair["lost"]]
    answer = answer_of(bool(doubts), bool(bifurcations), bool(ghosts or moved))
    evidence = {
        "window": [window.first, window.last],
        "fixed_points": [len(course.points[e].fixed_points) for e in (window.low, window.high)],
        "ghosts": [len(course.points[e].ghosts) for e in (window.low, window.high)],
        "pairs": pairs,
        "readout_crossings": [event.id for event in crossings],
        **told(margins),
        "visited": window.range,
        "relevance": "within reach of the trial"
        if window.visited is not None
        else "no trial known: all of state space",
        **_escape(window),
    }
    if doubts:
        evidence["because"] = "; ".join(doubts)
    causes = (*bifurcations, *ghosts, *crossings)
    evidence["timing"] = timing(drop, causes)
    return verdict_of(drop, answer, _grade(window), tuple(sorted(event.id for event in causes)), evidence)


def verdict_of(drop: Event, answer: Answer, grade: Grade, ids: tuple[int, ...], evidence: dict[str, Any]) -> Verdict:
    """The record of a drop\'s verdict; `ids` are the events that explain it."""
    loss_before, loss_after = drop.evidence["loss_before"], drop.evidence["loss_after"]
    return Verdict(drop.before, drop.after, loss_before, loss_after, answer, grade, ids, evidence)


def changes_points(event: Event) -> bool:
    """Whether fixed points are born, die or change stability: not where one goes on beyond a border or
    a cusp as it was.

    Examples
    --------
    >>> from dynaghost.trajectories.events import EventStatus
    >>> [changes_points(Event(0, kind, 0, 1, 0.5, (), EventStatus.PROVED)) for kind in ("saddle_node", "capture")]
    [True, False]
    """
    if event.kind == EventKind.CUSP:
        return "creates" in event.evidence
    if event.kind != EventKind.BORDER_COLLISION:
        return event.kind in _BIFURCATIONS
    unstable = event.evidence["unstable_directions"]
    return "creates" in event.evidence or unstable[0] != unstable[1]


def timing(drop: Event, causes: Sequence[Event]) -> list[dict[str, Any]]:
    """When events happen relative to a drop: their step on the straight line between checkpoints, and that step as a
    share of the drop, 0 at its beginning and 1 at its end.

    Examples
    --------
    >>> from dynaghost.trajectories.events import EventStatus
    >>> drop = Event(1, EventKind.LOSS_DROP, 40, 60, None, (), EventStatus.LOCATED)
    >>> fold = Event(0, EventKind.SADDLE_NODE, 0, 100, 0.45, (0, 1), EventStatus.PROVED)
    >>> timing(drop, [fold])
    [{'event': 0, 'step': 45.0, 'share_of_drop': 0.25}]
    """
    found = []
    for event in sorted(causes, key=lambda event: event.id):
        step = event.before + (event.after - event.before) * (0.5 if event.at is None else event.at)
        share = (step - drop.before) / (drop.after - drop.before)
        found.append({"event": event.id, "step": float(step), "share_of_drop": float(share)})
    return found


@dataclass(frozen=True, slots=True)
class Margin:
    """How far an event is from what the trials visit, where it is nearest.

    Attributes
    ----------
    distance : float
        From the visited set to the event, or to one of its slow points at a checkpoint of the window.
    limit : float
        The distance within which it counts: a share of the visited set's diameter, or the ghost's reach.
    """

    distance: float
    limit: float

    @property
    def near(self) -> bool:
        return self.distance <= self.limit


def nearest(places: Sequence[tuple[float, float]], share: float) -> Margin:
    """The margin of an event from the distance and reach of each of its places.

    One that is within its limit is taken before others; then the one that is farthest within, or least outside.

    Examples
    --------
    >>> nearest([(0.5, 0.0), (0.7, 0.8)], share=0.1)
    Margin(distance=0.7, limit=0.8)
    """
    margins = [Margin(distance, max(share, reach)) for distance, reach in places]
    within = [margin for margin in margins if margin.near]
    if within:
        return min(within, key=lambda margin: margin.distance - margin.limit)
    return min(margins, key=lambda margin: margin.distance)


def told(margins: Mapping[int, Margin]) -> dict[str, list[dict[str, Any]]]:
    """Evidence of what counts and of what was left out: event, distance and limit of each."""
    rows = {True: list[dict[str, Any]](), False: list[dict[str, Any]]()}
    for event, margin in sorted(margins.items()):
        limit = None if margin.limit == float("inf") else margin.limit
        rows[margin.near].append({"event": event, "distance": margin.distance, "limit": limit})
    return {"within_reach": rows[True], "left_out": rows[False]}


def answer_of(doubtful: bool, bifurcation: bool, ghost: bool) -> Answer:
    """The verdict of a window in which a bifurcation or a ghost was involved, or that leaves doubts."""
    if doubtful:
        return Answer.UNDECIDED
    if bifurcation:
        return Answer.BOTH if ghost else Answer.BIFURCATION
    return Answer.GHOST if ghost else Answer.NONE


class _Window:
    """A drop widened to the checkpoints `low` … `high` that enclose it, and the states that the trial visits there."""

    def __init__(self, course: Course, low: int, high: int) -> None:
        self.course, self.low, self.high = course, low, high
        self.first, self.last = course.steps[low], course.steps[high]
        self.visited: Array | None = None
        known = Series(float)
        for e in self.checkpoints:
            known.extend(() if (visited := course.visited(e)) is None else visited.tolist())
        if known:
            self.visited = known.array()
            self.visited.sort()

    @property
    def checkpoints(self) -> range:
        return range(self.low, self.high + 1)

    @property
    def range(self) -> list[float] | None:
        return None if self.visited is None else [float(self.visited[0]), float(self.visited[-1])]

    def distance(self, x: float) -> float:
        """From `x` to the nearest visited state; 0 where no trial is known."""
        if self.visited is None:
            return 0.0
        i = int(np.searchsorted(self.visited, x))
        return float(np.min(np.abs(self.visited[max(i - 1, 0) : i + 1] - x)))

    @property
    def share(self) -> float:
        """Distance within which every slow point counts."""
        return float("inf") if self.visited is None else SHARE * float(self.visited[-1] - self.visited[0])

    def near(self, distance: float, reach: float = 0.0) -> bool:
        return distance <= max(self.share, reach)

    def margins(self, events: Sequence[Event]) -> dict[int, Margin]:
        """How far each event is from what the trial visits, by its id."""
        places = {event.id: [(self.distance(event.evidence["x"]), 0.0), *_places(self, event)] for event in events}
        return {event: nearest(found, self.share) for event, found in places.items()}


def _places(window: _Window, event: Event) -> list[tuple[float, float]]:
    """Distance and reach of the event's points at every checkpoint of the window."""
    course, found = window.course, []
    for branch in event.branches:
        for e in window.checkpoints:
            at = course.tracks.branches[branch].at(course.steps[e])
            if at is None:
                continue
            kind, x = at
            found.append((window.distance(x), _reach(window, e, branch) if kind is Kind.GHOST else 0.0))
    return found


def _reach(window: _Window, e: int, branch: int) -> float:
    """Im z of a ghost's pair, or √(μ/a) where it is not known: the half-width of its bottleneck."""
    ghost = window.course.points[e].ghosts[window.course.tracks.labels[e].ghosts.index(branch)]
    if ghost.complex_point is not None:
        return float(ghost.complex_point[0].imag)
    return float(np.sqrt(ghost.speed / ghost.curvature)) if ghost.curvature > 0 else 0.0


def _pair(window: _Window, track: PairTrack) -> dict[str, Any] | None:
    """How the passage time of a pair changes across the window, and whether that counts; None where it is not known."""
    ends = [track.at(window.first), track.at(window.last)]
    known = [end for end in ends if end is not None]
    if not known:
        return None
    near = any(
        window.near(window.distance(pair[0].real), pair[0].imag)
        for step in (window.course.steps[e] for e in window.checkpoints)
        if (pair := track.at(step)) is not None
    )
    times = [None if end is None else end[1] for end in ends]
    lost = None in times and any(window.first <= step <= window.last for step in track.lost)
    # Where the pair was not lost but is not there, it is too faint to matter: its passage takes no time.
    low, high = sorted(0.0 if t is None else t for t in times)
    matters = near and high >= LEAST_PASSAGE * _unit(window)
    counts = matters and not lost and (low == 0 or high / low >= GROWTH)
    return {
        "branch": track.branch,
        "passage_time": times,
        "z": [None if end is None else [end[0].real, end[0].imag] for end in ends],
        "relevant": near,
        "counts": counts,
        "lost": matters and lost,
    }


def _unit(window: _Window) -> float:
    """One τ in the units of passage times."""
    circuit = window.course.circuits[window.low]
    return 1.0 if circuit.time is Time.FLOW or circuit.leak is None else 1.0 / circuit.leak


def _doubts(window: _Window) -> list[str]:
    """What keeps a verdict from being given."""
    course = window.course
    doubts = [
        f"a point at {course.steps[e]} has no decided certificate"
        for e in window.checkpoints
        if any(point.certificate is Certificate.UNDECIDED for point in course.points[e].fixed_points)
        or not course.points[e].complete
    ]
    for e in range(window.low, window.high):
        status = course.links[e].status
        if status is not LinkStatus.FOLLOWED:
            doubts.append(f"the line from {course.steps[e]} to {course.steps[e + 1]} could not be followed: {status}")
    return doubts


def _grade(window: _Window) -> Grade:
    complete = all(window.course.points[e].complete for e in window.checkpoints)
    return Grade.PROVED if complete else Grade.FOUND


def _escape(window: _Window) -> dict[str, Any]:
    """The trials' escape times at both ends of the window, beside the task's delay; in τ."""
    course, trial = window.course, window.course.trial
    if course.answers is not None:
        return course.answers(window.low, window.high)
    if course.ends is None or trial is None or trial.threshold is None:
        return {}
    times = [escape_time(course.circuits[e], course.ends[e][0], trial.threshold) for e in (window.low, window.high)]
    return {"escape_time": [t if np.isfinite(t) else None for t in times], "delay": trial.delay}
