"""The table of a page of many runs."""

from collections.abc import Sequence
from html import escape

from dynaghost.errors import counted
from dynaghost.trajectories.chance import chance
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.verdict import Answer, Grade
from dynaghost.views.report.words import cells_of, grades, has_losses, heads, sentence
from dynaghost.views.text import chance_text
from dynaghost.views.verdict_text import ANSWERS

_RUN_HEADS = ("Run", "Checkpoints", "Drops of the loss", "Verdicts", "Events")


def table(runs: Sequence[tuple[str, Findings]], linked: int) -> str:
    """The table of all runs, the first so many with a link to their section."""
    head = heads(_RUN_HEADS)
    rows = "".join(
        _run_row(name, findings, number if number < linked else None) for number, (name, findings) in enumerate(runs)
    )
    given = {verdict.shown_grade for _, findings in runs for verdict in findings.verdicts}
    return (
        f"<h2>All runs</h2><p>{_tally(runs)}</p>{grades(given)}"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of runs">'
        f'<table class="cards"><caption>Runs and their verdicts</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def not_analyzed(failed: Sequence[tuple[str, str]]) -> str:
    """The runs that could not be read or analyzed, each with the reason."""
    rows = "".join(f"<li><strong>{escape(name)}</strong>: {escape(reason)}</li>" for name, reason in failed)
    return f"<ul>{rows}</ul>"


def _tally(runs: Sequence[tuple[str, Findings]]) -> str:
    found = [(v.verdict, v.shown_grade) for _, findings in runs for v in findings.verdicts]
    if not found:
        return "No run has an abrupt drop of the loss."
    parts = [
        f"{sum(answer is one for answer, _ in found)} {escape(ANSWERS[one])}"
        + ("" if one is Answer.UNDECIDED else f" ({found.count((one, Grade.PROVED))} proved)")
        for one in Answer
        if any(answer is one for answer, _ in found)
    ]
    near = sentence(chance_text(chance([findings for _, findings in runs])))
    return f"{counted(len(found), 'drop')} of the loss: {'; '.join(parts)}. {escape(near)}"


def _run_row(name: str, findings: Findings, number: int | None) -> str:
    nothing = "no drop" if has_losses(findings) else "no losses known"
    told_of = ", ".join(v.verdict + (f" ({v.grade})" if v.shown_grade else "") for v in findings.verdicts) or nothing
    cells = (len(findings.steps), len(findings.verdicts), told_of, len(findings.events))
    head = escape(name) if number is None else f'<a href="#run-{number}">{escape(name)}</a>'
    return f'<tr><th scope="row">{head}</th>{cells_of(_RUN_HEADS, cells)}</tr>'
