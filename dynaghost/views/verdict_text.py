"""Events and verdicts in plain words."""

from collections.abc import Iterator, Sequence
from typing import Any

from dynaghost.errors import counted
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import Answer, Grade, Verdict

ANSWERS = {
    Answer.GHOST: "through a ghost",
    Answer.BIFURCATION: "through a bifurcation",
    Answer.BOTH: "through a bifurcation and a ghost",
    Answer.NONE: "neither a bifurcation nor a ghost",
    Answer.UNDECIDED: "undecided",
}
"""What explains a drop, in words."""


def event_line(event: Event, letter: str = "x") -> str:
    """One event in one line: its id, kind, steps and what matters of its evidence; `letter` is that of a state."""
    when = f"{event.before:g}–{event.after:g}"
    if event.at is not None:
        when += f" at {event.at:.6f} of the way"
    matters = what_matters(event.kind, event.evidence, letter)
    branches = f", branch {' and '.join(map(str, event.branches))}" if event.branches else ""
    return f"e{event.id} {event.kind} {when}{branches} ({event.status}){': ' + matters if matters else ''}"


def what_matters(kind: EventKind, evidence: dict[str, Any], letter: str = "x") -> str:
    """What matters of an event's evidence, in words; empty where nothing does. `letter` is that of a state: x, or κ."""
    match kind:
        case EventKind.SADDLE_NODE:
            return f"two fixed points {'created' if evidence['creates'] else 'annihilated'} {_at(evidence, letter)}"
        case EventKind.BORDER_COLLISION:
            return f"{evidence['collision']} where unit {evidence['unit']} is at its kink, {_at(evidence, letter)}"
        case EventKind.CAPTURE:
            into = evidence.get("ends_on_branch", evidence["into_branch"])
            return f"{_who_leaves(evidence)} branch {evidence['from_branch']} for branch {into}"
        case EventKind.READOUT_CROSSING if "into_output" in evidence:
            return f"the largest output of a fixed point is {evidence['into_output']}, no longer {evidence['output']}"
        case EventKind.READOUT_CROSSING:
            output = f"output {evidence['output']}" if "output" in evidence else "the output"
            what = "a fixed point" if "state" not in evidence else f"{output} of a fixed point"
            asked = "κ* =" if "state" not in evidence else "the threshold"
            return f"{what} crosses {asked} {evidence['threshold']:g} {'up' if evidence['upwards'] else 'down'}wards"
        case EventKind.LOSS_DROP:
            return f"loss {evidence['loss_before']:.4g} → {evidence['loss_after']:.4g}"
        case EventKind.OSCILLATION:
            return f"{evidence['alternations']} alternations, period {evidence['period']} metrics"
        case EventKind.NO_LEARNING_ZONE if "attractor_after" in evidence:
            return f"gradient gone, the trial ends at κ = {evidence['attractor_after']:.4g}"
        case EventKind.NO_LEARNING_ZONE:
            wrong = evidence.get("wrong_outputs")
            outputs = "" if wrong is None else f", {counted(wrong, 'output')} on the other side of the threshold"
            return f"gradient gone, every trial was captured before{outputs}"
    return _at(evidence, letter) if "x" in evidence else ""


def _who_leaves(evidence: dict[str, Any]) -> str:
    number = len(evidence.get("trials", ()))
    return "the trial leaves" if number < 2 else f"{number} trials leave"


def _at(evidence: dict[str, Any], letter: str) -> str:
    """The place of an event: κ on the line; in many dimensions the first few numbers of the state."""
    return f"at κ = {evidence['x']:.4g}" if "state" not in evidence else f"at {letter} = {vector(evidence['state'])}"


def vector(x: Sequence[float] | Array, most: int = 4) -> str:
    """A few numbers in brackets; one without."""
    # A zero has no sign in words.
    values = [f"{value + 0.0:.4g}" for value in list(x)[:most]]
    if len(x) == 1:
        return values[0]
    return f"({', '.join(values)}{', …' if len(x) > most else ''})"


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
        f"drop {verdicts.index(verdict)} of the loss, {findings.description.axis} {verdict.before:g}–{verdict.after:g} "
        f"({verdict.loss_before:.4g} → {verdict.loss_after:.4g}): "
        f"{ANSWERS[verdict.verdict]}" + (f" [{verdict.verdict}, {verdict.grade}]" if verdict.shown_grade else "")
    )
    return "\n  ".join([head, *_reasons(verdict, verdicts, findings)])


def _reasons(verdict: Verdict, verdicts: Sequence[Verdict], findings: Findings) -> Iterator[str]:
    evidence, axis = verdict.evidence, findings.description.axis
    if "because" in evidence:
        yield evidence["because"]
    if "window" not in evidence:
        return
    first, last = evidence["window"]
    yield f"between {axis} {first} and {last}: {_fixed_points(verdict)}"
    if evidence.get("coverage"):
        yield _followed(evidence["coverage"])
    moments = {one["event"]: one for one in evidence["timing"]}
    for event in (findings.events[i] for i in verdict.events):
        matters = what_matters(event.kind, event.evidence, findings.description.letter)
        what = f"e{event.id} {event.kind}" + (f", {matters}" if matters else "")
        yield f"{what}; {_moment(moments[event.id], axis)}"
    unit = "τ" if findings.description.time == Time.FLOW else "iterations"
    counting = [pair for pair in evidence["pairs"] if pair["counts"]]
    for pair in counting:
        several = sum(pair["branch"] == other["branch"] for other in counting) > 1
        which = _which(pair) if several else f"the ghost's pair on branch {pair['branch']}"
        yield f"passage time of {which}: {_change(pair['passage_time'], 'too far off to follow')} {unit}"
    yield from _escapes(evidence)
    yield from _too_coarse(verdict, verdicts, findings)
    if evidence["visited"] is None:
        yield "no trial is known, so all of state space counts: --x0 or --trials say what the network can feel"
    elif isinstance(evidence["visited"], dict) and "to_infinity" in evidence["visited"]:
        gone = counted(evidence["visited"]["to_infinity"], "trial")
        yield f"{gone} that runs to infinity: of what it visits, what is no farther out than all else counts"
    if evidence["left_out"]:
        ids = ", ".join(f"e{left['event']} (distance {left['distance']:.3g})" for left in evidence["left_out"])
        yield f"too far from the trial to count: {ids}"


def _which(pair: dict[str, Any]) -> str:
    """One of several pairs that slow the flow at the ghost of a branch, by where it was last seen."""
    (re, im) = [z for z in pair["z"] if z is not None][-1]
    return f"a pair at κ = {re:.3g} ± {im:.3g} i, one of those of branch {pair['branch']}"


def _too_coarse(verdict: Verdict, verdicts: Sequence[Verdict], findings: Findings) -> Iterator[str]:
    """Whether the checkpoints are too far apart to tell what came first."""
    first, last = verdict.evidence["window"]
    if any(first < step < last for step in findings.steps):
        return
    crossings = len(verdict.evidence["readout_crossings"])
    same = [other for other in verdicts if other.evidence.get("window") == [first, last]]
    if len(same) > 1 or 0 < crossings < len(verdict.events):
        yield f"one checkpoint interval holds more than it can separate: save more between {first} and {last}"
    elif verdict.events and last - first > 2 * (verdict.after - verdict.before):
        yield f"the drop is shorter than the interval between checkpoints: save more between {first} and {last}"


def _fixed_points(verdict: Verdict) -> str:
    """How many fixed points there are before and after, and what is known of the list."""
    before, after = verdict.evidence["fixed_points"]
    proved = verdict.grade is Grade.PROVED
    sure = "proved complete" if proved else "found, not proved complete"
    if verdict.verdict in (Answer.GHOST, Answer.NONE) and before != after:
        near = "none within reach of the trial changes" + ("" if proved else ", as far as they were followed")
        return f"{before} → {counted(after, 'fixed point')}, {sure}; {near}"
    if verdict.verdict in (Answer.GHOST, Answer.NONE):
        unchanged = "none is born, dies or changes stability" if proved else "none that was followed changes"
        return f"{counted(before, 'fixed point')} throughout, {sure}; {unchanged}"
    if before == after:
        return f"{counted(before, 'fixed point')} before and after, {sure}"
    return f"{before} → {counted(after, 'fixed point')}, {sure}"


def _followed(coverage: dict[str, Any]) -> str:
    """What a verdict that is not proved speaks of."""
    agree = {True: "two methods found the same", False: "two methods differ in what they found", None: "one method"}
    unseen = "" if coverage["unseen"] is None else f", {unseen_share(coverage['unseen'])}"
    number = coverage["branches"]
    followed = f"{number} branches of fixed points that were followed"
    if number == 1:
        followed = "one branch of fixed points that was followed"
    return f"this speaks of the {followed}, not of all there may be: {agree[coverage['agree']]}{unseen}"


def unseen_share(share: float) -> str:
    """The estimated share of what a search did not see, in words; an estimate of 0 is no certainty."""
    none = ", since no point was hit just once; this is an estimate, no bound" if share == 0 else ""
    return f"estimated unseen share {share:.3g}{none}"


def _moment(found: dict[str, Any], axis: str) -> str:
    share = found["share_of_drop"]
    where = "before" if share < 0 else "after" if share > 1 else "within"
    return f"{axis} {found['step']:.7g} if training went straight, {where} the drop"


def _escapes(evidence: dict[str, Any]) -> Iterator[str]:
    """The trials' escape times at both ends of the window, beside the task's delay, and how many were captured."""
    delay = "" if evidence.get("delay") is None else f", for a delay of {evidence['delay']:g} τ"
    if "escape_time" in evidence:
        yield f"escape time of the trial: {_change(evidence['escape_time'], 'never')} τ{delay}"
    elif "escape_times" in evidence:
        yield _across(evidence) + delay
    if evidence.get("captured"):
        yield f"{counted(evidence['captured'], 'trial')} captured: another fixed point at the end than at the beginning"


def _across(evidence: dict[str, Any]) -> str:
    """How many trials get across the threshold at both ends of the window, and when."""
    first, last = evidence["escape_times"]
    readout = evidence["readout"]
    several = f" with one of {readout['outputs']} outputs" if readout.get("outputs", 1) > 1 else ""
    asked = f"across {readout['threshold']:g} of the readout {readout['name']}{several}"
    if not first["escaped"] and not last["escaped"]:
        return f"none of {counted(last['trials'], 'trial')} gets {asked}, neither before nor after"
    medians = _change([first["median"], last["median"]], "never")
    return (
        f"trials that get {asked}: {first['escaped']} → {last['escaped']} of {last['trials']}, "
        f"median escape time of these {medians} τ"
    )


def _change(times: Sequence[float | None], missing: str) -> str:
    """Two times; `missing` stands for what is None."""
    return " → ".join(missing if t is None else f"{t:.4g}" for t in times)
