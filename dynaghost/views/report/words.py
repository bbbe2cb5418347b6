"""The page's text about a run that needs no script: answers, verdicts, events. What comes from a file is escaped."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from string import Template
from typing import Any

from dynaghost.errors import counted
from dynaghost.trajectories.chance import chance
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import Answer, Grade, Verdict
from dynaghost.views import _layout as layout
from dynaghost.views.report.thinning import MOST_EVENTS, target, told
from dynaghost.views.text import chance_text
from dynaghost.views.verdict_text import ANSWERS, verdict_text, what_matters

_AROUND = "Between the checkpoints around the drop"
_PLAIN = {
    Answer.GHOST: f"{_AROUND}, no fixed point$found$near was born, died or changed its stability. What changed is a "
    "ghost: a place where the state moves slowly although no fixed point is there.",
    Answer.BIFURCATION: f"{_AROUND}, fixed points$near were born, died or changed their stability$far: a bifurcation.",
    Answer.BOTH: f"{_AROUND}, fixed points$near were born, died or changed their stability$far; and a ghost that "
    "has no part in this changed too.",
    Answer.NONE: f"{_AROUND}, no fixed point$found$near was born, died or changed its stability, and no ghost changed "
    "in a way that would explain the drop.",
    Answer.UNDECIDED: "What was found does not decide between a bifurcation and a ghost.",
}
"""What an answer means: `$found` and `$far` where it speaks only of what was followed, `$near` where trials say what
counts."""
_GRADES = {
    Grade.PROVED: "the fixed points at the checkpoints around the drop are proved to be all there are.",
    Grade.FOUND: "the fixed points at the checkpoints around the drop were searched for; that there are no others is "
    "not proved.",
}
_INFERRED = "That a change explains a drop is not proved: it is read from when, where and beside what it happens."


def address(findings: Findings, step: float, number: int | None) -> str:
    """Where a link to a checkpoint leads; `number` is the run's on a page of many."""
    axis = findings.description.axis
    return f"#{axis}={step:g}" if number is None else f"#run={number}&amp;{axis}={step:g}"


def question() -> str:
    """What every page answers."""
    return '<p class="question">Did the network learn through a bifurcation or through a ghost?</p>'


def subject(findings: Findings) -> str:
    """What the answers of a page are about."""
    about, steps = findings.description, findings.steps
    first, last = (layout.grouped(step, steps[-1] - steps[0]) for step in (steps[0], steps[-1]))
    when = f"{about.axis} {first}" + (f" to {last}" if last != first else "")
    return f'<p class="subject">{escape(counted(len(steps), "checkpoint"))}, {when}; {escape(about.equation)}</p>'


def answers(findings: Findings) -> str:
    """The answer in a sentence a drop, for the head of a page."""
    if not findings.verdicts:
        return f'<ul class="answers"><li>{_no_verdict(findings)}</li></ul>'
    items, said = "", set[str]()
    for verdict in findings.verdicts:
        # What an answer means is said once.
        plain = _meaning(verdict)
        told = "" if plain in said else f"<p>{plain}</p>"
        said.add(plain)
        items += f'<li class="{verdict.verdict.value}">{_answer(findings, verdict)}{told}</li>'
    return f'<ul class="answers">{items}</ul>{grades({verdict.shown_grade for verdict in findings.verdicts})}'


def _meaning(verdict: Verdict) -> str:
    """What an answer means, no more than was looked at; of an undecided one also why."""
    found = "" if verdict.grade is Grade.PROVED else " that was followed"
    near = "" if verdict.evidence.get("visited") is None else f" {verdict.evidence['relevance']}"
    far = ", as far as they were followed" if found else ""
    plain = Template(_PLAIN[verdict.verdict]).substitute(found=found, near=near, far=far)
    because = verdict.evidence.get("because")
    return plain if because is None else f"{plain} {_words(sentence(because))}"


def grades(given: set[Grade | None]) -> str:
    """What the marks beside the answers mean."""
    if not given - {None}:
        return ""
    told = " ".join(f"{badge(grade.value)} {_GRADES[grade]}" for grade in Grade if grade in given)
    return f'<p class="grades">{told} {_INFERRED}</p>'


def has_losses(findings: Findings) -> bool:
    """Whether a run's losses are known."""
    return "loss" in layout.metrics(findings)


def _no_verdict(findings: Findings) -> str:
    if not has_losses(findings):
        return "No losses are known, so there is no drop to explain and no verdict."
    return "The loss has no abrupt drop, so there is no verdict."


def _answer(findings: Findings, verdict: Verdict) -> str:
    axis, span = findings.description.axis, findings.steps[-1] - findings.steps[0]
    before, after = (layout.grouped(step, span) for step in (verdict.before, verdict.after))
    drop = f"Loss {_number(verdict.loss_before)} → {_number(verdict.loss_after)}, {axis} {before} to {after}"
    mark = f" {badge(verdict.grade.value)}" if verdict.shown_grade else ""
    return f"{drop}: <strong>{escape(ANSWERS[verdict.verdict])}</strong>{mark}"


def badge(grade: str) -> str:
    """A grade or a status as a small mark with its word."""
    return f'<span class="badge {"proved" if grade == "proved" else "found"}">{escape(grade)}</span>'


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def verdicts(findings: Findings, number: int | None, indices: Sequence[int]) -> str:
    """Every verdict with its evidence."""
    if not findings.verdicts:
        return f"<p>{_no_verdict(findings)}</p>"
    told = "".join(_verdict(findings, verdict, number, indices) for verdict in findings.verdicts)
    return f'{told}<p class="note">{escape(sentence(chance_text(chance(findings))))}</p>'


def sentence(told: str) -> str:
    """A line of the terminal as a sentence."""
    return f"{told[0].upper()}{told[1:]}."


def _verdict(findings: Findings, verdict: Verdict, number: int | None, indices: Sequence[int]) -> str:
    reasons = verdict_text(verdict, findings.verdicts, findings).split("\n  ")[1:]
    # Why a verdict is undecided is in the sentence above them.
    reasons = [reason for reason in reasons if reason != verdict.evidence.get("because")]
    items = "".join(f"<li>{_linked(findings, reason, number, indices)}</li>" for reason in reasons)
    proved = _GRADES[verdict.grade]
    return (
        f'<div class="verdict"><h3>{_answer(findings, verdict)}</h3><p>{_meaning(verdict)} '
        f"{proved[0].upper()}{proved[1:]}</p>{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def _linked(findings: Findings, reason: str, number: int | None, indices: Sequence[int]) -> str:
    """A line of evidence; where it begins with an event, that is a link."""
    found = re.match(r"e(\d+) ", reason)
    if found is None:
        return _words(reason)
    event = findings.events[int(found[1])]
    told = reason[found.end() :].replace(event.kind.value, layout.name(event.kind), 1)
    return f"{_link(findings, event, number, indices)} {_words(told)}"


def _words(text: str) -> str:
    """Text for a page: escaped, with minus signs before negative numbers, and the thousands of steps apart."""
    text = re.sub(r"(?<![\w.])-(?=[\d.])", "−", text)
    return escape(re.sub(r"(?<![\w.,])\d{4,}(?=\.\d|\W|$)", lambda whole: f"{int(whole[0]):,}", text))


def _link(findings: Findings, event: Event, number: int | None, indices: Sequence[int]) -> str:
    step = findings.steps[target(findings, event, indices)]
    return f'<a href="{address(findings, step, number)}">e{event.id}</a>'


_EVENT_HEADS = ("Event", "What", "Between", "Status", "Branches", "Evidence")


NOTHING = ("", "–")
"""Cells that say nothing, which narrow screens leave out."""
_NONE = ' class="none"'


def heads(names: Sequence[str]) -> str:
    """The heads of a table's columns."""
    return "".join(f'<th scope="col">{name}</th>' for name in names)


def cells_of(names: Sequence[str], cells: Sequence[Any]) -> str:
    """The cells of a row after its first; each knows its column's name, which narrow screens show beside it."""
    pairs = zip(names[1:], cells, strict=True)
    return "".join(f'<td data-label="{name}"{_NONE if cell in NOTHING else ""}>{cell}</td>' for name, cell in pairs)


def events(findings: Findings, number: int | None, indices: Sequence[int], whose: str = "") -> str:
    """The table of events; `whose` tells a run from others on the page, to a screen reader."""
    if not findings.events:
        return "<p>No events: what was found stays the same along training, as far as it was followed.</p>"
    head = heads(_EVENT_HEADS)
    chosen = told(findings)
    rows = "".join(_event_row(findings, event, number, indices) for event in chosen)
    caption = f"Events in the order of training, in {findings.description.axis}s; a link shows the checkpoint after it"
    if len(chosen) < len(findings.events):
        caption += f" ({len(chosen)} of {len(findings.events)}, first those that explain drops: analysis.json has all)"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of events{escape(whose)}">'
        f'<table class="cards"><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _event_row(findings: Findings, event: Event, number: int | None, indices: Sequence[int]) -> str:
    span = findings.steps[-1] - findings.steps[0]
    before, at, after = (layout.grouped(s, span) for s in (event.before, layout.place(event), event.after))
    when = f"{before} and {after}" + ("" if event.at is None else f", at about {at}")
    cells = (
        layout.name(event.kind),
        when,
        badge(event.status.value),
        " and ".join(map(str, event.branches)) or "–",
        _words(what_matters(event.kind, event.evidence, layout.letter(findings))),
    )
    return f'<tr><th scope="row">{_link(findings, event, number, indices)}</th>{cells_of(_EVENT_HEADS, cells)}</tr>'


def relations(findings: Findings) -> str:
    """The event graph as a list."""
    total = findings.graph.number_of_edges()
    if not total:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in islice(_relation_lines(findings), MOST_EVENTS))
    if total > MOST_EVENTS:
        items += f"<li>and {total - MOST_EVENTS} more, which graph.json has</li>"
    return f'<details><summary>The event graph as a list</summary><ul class="plain">{items}</ul></details>'


def _relation_lines(findings: Findings) -> Iterator[str]:
    for first, second, relation in findings.graph.edges(data="relation"):
        start, end = (_node(findings, node) for node in (first, second))
        yield f"{start} → {relation} → {end}"


def _node(findings: Findings, node_name: str) -> str:
    node = findings.graph.nodes[node_name]
    if node["kind"] == "event":
        return f"{node_name} {layout.name(findings.events[int(node_name[1:])].kind)}"
    return f"branch {node['branch']} as {str(node['point']).replace('_', ' ')}"
