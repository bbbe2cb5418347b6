"""What the terminal shows: the run, what is proved, the events in order, and the verdicts in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynaghost.errors import counted
from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost, SlowPoints
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import Answer, Grade, Verdict

_ANSWERS = {
    Answer.GHOST: "through a ghost",
    Answer.BIFURCATION: "through a bifurcation",
    Answer.BOTH: "through a bifurcation and a ghost",
    Answer.NONE: "neither a bifurcation nor a ghost",
    Answer.UNDECIDED: "undecided",
}


def summary(findings: Findings) -> str:
    """The whole answer as text, a paragraph each for the run, the points, the events and the verdicts.

    Parameters
    ----------
    findings : Findings

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> text = summary(analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)]))
    >>> "saddle_node" in text
    True
    """
    parts = [_run(findings), _points(findings), _events(findings), _verdicts(findings)]
    return "\n\n".join("\n".join(part) for part in parts)


def _run(findings: Findings) -> list[str]:
    about = findings.description
    lines = [f"{about.source}: {about.order}", f"equation: {about.equation}", f"weights: {about.guess}"]
    return [*lines, *(f"note: {note}" for note in about.notes)]


def _points(findings: Findings) -> list[str]:
    points = [point for at in findings.points for point in at.points]
    proved = sum(point.certificate is not Certificate.UNDECIDED for point in points)
    complete = sum(at.complete for at in findings.points)
    ghosts = sum(at.ghosts_complete for at in findings.points)
    total = len(findings.points)
    carried = sum(at.cost.carried for at in findings.points)
    balls = sum(at.cost.ball_evaluations > 0 for at in findings.points)
    lines = [
        f"{counted(total, 'checkpoint')}, {counted(len(points), 'slow point')}, {proved} of them proved",
        "fixed points proved complete on the whole line at "
        f"{complete} of {counted(total, 'checkpoint')}, ghosts at {ghosts}",
        f"certificates carried over at {carried}, searched at {total - carried - balls}, by ball arithmetic at {balls}",
    ]
    return [*lines, *_counts(findings)]


def _counts(findings: Findings) -> Iterator[str]:
    """How many slow points there are, in stretches of training over which that stays the same."""
    axis, begun = findings.description.axis, 0
    shapes = [(len(at.fixed_points), len(at.ghosts)) for at in findings.points]
    for i, shape in enumerate(shapes):
        if i + 1 == len(shapes) or shapes[i + 1] != shape:
            first, last = findings.steps[begun], findings.steps[i]
            when = f"at {axis} {first}" if first == last else f"from {axis} {first} to {last}"
            yield f"  {when}: {counted(shape[0], 'fixed point')}, {counted(shape[1], 'ghost')}"
            begun = i + 1


def _events(findings: Findings) -> list[str]:
    if not findings.events:
        return ["no events"]
    return [f"{counted(len(findings.events), 'event')}:", *(f"  {event_line(event)}" for event in findings.events)]


def event_line(event: Event) -> str:
    """One event in one line: its id, kind, steps and what matters of its evidence."""
    when = f"{event.before:g}–{event.after:g}"
    if event.at is not None:
        when += f" at {event.at:.6f} of the way"
    told = _told(event.kind, event.evidence)
    branches = f", branch {' and '.join(map(str, event.branches))}" if event.branches else ""
    return f"e{event.id} {event.kind} {when}{branches} ({event.status}){': ' + told if told else ''}"


def _told(kind: EventKind, evidence: dict[str, Any]) -> str:
    match kind:
        case EventKind.SADDLE_NODE:
            return f"two fixed points {'created' if evidence['creates'] else 'annihilated'} at κ = {evidence['x']:.4g}"
        case EventKind.GHOST_EMERGENCE | EventKind.GHOST_DISSOLUTION | EventKind.PITCHFORK | EventKind.CUSP:
            return f"at κ = {evidence['x']:.4g}"
        case EventKind.CAPTURE:
            return f"the trial leaves branch {evidence['from_branch']} for branch {evidence['ends_on_branch']}"
        case EventKind.READOUT_CROSSING:
            return (
                f"a fixed point crosses κ* = {evidence['threshold']:g} {'up' if evidence['upwards'] else 'down'}wards"
            )
        case EventKind.LOSS_DROP:
            return f"loss {evidence['loss_before']:.4g} → {evidence['loss_after']:.4g}"
        case EventKind.OSCILLATION:
            return f"{evidence['alternations']} alternations, period {evidence['period']} metrics"
        case EventKind.NO_LEARNING_ZONE:
            return f"gradient gone, the trial ends at κ = {evidence['attractor_after']:.4g}"
    return ""


def _verdicts(findings: Findings) -> list[str]:
    if not findings.verdicts:
        return ["no abrupt drop of the loss, so no verdict"]
    return [verdict_text(verdict, findings.verdicts, findings) for verdict in findings.verdicts]


def verdict_text(verdict: Verdict, verdicts: Sequence[Verdict], findings: Findings) -> str:
    """A verdict in plain words, with its evidence.

    Parameters
    ----------
    verdict : Verdict
    verdicts : sequence of Verdict
        All of the run's: drops that share a window are told to.
    findings : Findings
    """
    head = (
        f"loss drop {verdict.before:g}–{verdict.after:g} ({verdict.loss_before:.4g} → {verdict.loss_after:.4g}): "
        f"{_ANSWERS[verdict.verdict]} [{verdict.verdict}, {verdict.grade}]"
    )
    return "\n  ".join([head, *_reasons(verdict, verdicts, findings)])


def _reasons(verdict: Verdict, verdicts: Sequence[Verdict], findings: Findings) -> Iterator[str]:
    evidence, axis = verdict.evidence, findings.description.axis
    if "because" in evidence:
        yield evidence["because"]
    if "window" not in evidence:
        return
    first, last = evidence["window"]
    before, after = evidence["fixed_points"]
    yield f"between {axis} {first} and {last}: {_fixed_points(verdict, before, after)}"
    for event in (findings.events[i] for i in verdict.events):
        yield event_line(event)
    for pair in evidence["pairs"]:
        if pair["counts"]:
            yield f"passage time of the ghost's pair on branch {pair['branch']}: {_change(pair['passage_time'])} τ"
    if "escape_time" in evidence:
        delay = "" if evidence["delay"] is None else f", for a delay of {evidence['delay']:g} τ"
        yield f"escape time of the trial: {_change(evidence['escape_time'])} τ{delay}"
    same = [other for other in verdicts if other.evidence.get("window") == evidence["window"]]
    if len(same) > 1 or (evidence["readout_crossings"] and len(verdict.events) > len(evidence["readout_crossings"])):
        yield f"one checkpoint interval holds more than it can separate: save more between {first} and {last}"
    if evidence["left_out"]:
        ids = ", ".join(f"e{left['event']} (distance {left['distance']:.3g})" for left in evidence["left_out"])
        yield f"too far from the trial to count: {ids}"


def _fixed_points(verdict: Verdict, before: int, after: int) -> str:
    sure = "proved complete" if verdict.grade is Grade.PROVED else "found, not proved complete"
    if verdict.verdict in (Answer.GHOST, Answer.NONE) and before != after:
        return f"{before} → {counted(after, 'fixed point')}, {sure}; none within reach of the trial changes"
    if verdict.verdict in (Answer.GHOST, Answer.NONE):
        return f"{counted(before, 'fixed point')} throughout, {sure}; none is born, dies or changes stability"
    return f"{before} → {counted(after, 'fixed point')}, {sure}"


def _change(times: Sequence[float | None]) -> str:
    """Two times; None is a trial that never gets there, or a pair too far away to be followed."""
    return " → ".join("–" if t is None else f"{t:.4g}" for t in times)


def contents_text(file: str, form: str, arrays: Mapping[str, Array], scalars: Mapping[str, Any]) -> str:
    """What a checkpoint file holds: every array with shape and type, every number.

    Examples
    --------
    >>> import numpy as np
    >>> print(contents_text("a.npz", "npz", {"m": np.ones(3)}, {"epoch": 7}))
    a.npz: npz
      m (3,) float64
      epoch = 7
    """
    lines = [f"  {name} {array.shape} {array.dtype}" for name, array in arrays.items() if name not in scalars]
    lines += [f"  {name} = {value}" for name, value in scalars.items()]
    return "\n".join([f"{file}: {form}", *lines])


def slow_points_text(points: SlowPoints, time: Time) -> str:
    """Every slow point of one system in a line, and what is proved about the list.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems.toy import SaddleNode
    >>> print(slow_points_text(find_slow_points(SaddleNode(0.25)), Time.FLOW))
    ghost at x = 0: speed 0.25, passage time 6.283 τ (pair), no fixed point within 0.5 [root_free]
    fixed points proved complete, ghosts proved complete; index sum 0
    """
    letter = "κ" if points.coordinates == "latent" else "x"
    lines = [
        _fixed_point_line(p, letter) if isinstance(p, FixedPoint) else _ghost_line(p, letter, time)
        for p in points.points
    ]
    claims = [("fixed points", points.complete), ("ghosts", points.ghosts_complete)]
    told = ", ".join(f"{what} {'proved complete' if proved else 'not proved complete'}" for what, proved in claims)
    lines.append(f"{told}; index sum {'undefined' if points.index_sum is None else points.index_sum}")
    if points.unresolved:
        parts = ", ".join(f"[{part.lower[0]:.6g}, {part.upper[0]:.6g}]" for part in points.unresolved)
        lines.append(f"undecided ({points.status}): {parts}")
    return "\n".join(lines)


def _fixed_point_line(point: FixedPoint, letter: str) -> str:
    rates = f"λ = {point.eigenvalues[0]:.4g} per τ"
    if point.multipliers is not None:
        rates += f", multiplier {point.multipliers[0]:.4g}"
    why = f": {point.undecided_because}" if point.undecided_because else ""
    place = f"{letter} = {point.x[0]:.6g} ± {point.radius:.1g}"
    return f"fixed point at {place}: {point.stability}, {rates} [{point.certificate}{why}]"


def _ghost_line(ghost: Ghost, letter: str, time: Time) -> str:
    unit = "τ" if time is Time.FLOW else "iterations"
    why = f": {ghost.undecided_because}" if ghost.undecided_because else ""
    return (
        f"ghost at {letter} = {ghost.x[0]:.6g}: speed {ghost.speed:.4g}, passage time {ghost.passage_time:.4g} {unit} "
        f"({ghost.passage_from}), no fixed point within {ghost.radius:.4g} [{ghost.certificate}{why}]"
    )
