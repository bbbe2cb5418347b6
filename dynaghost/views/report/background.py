"""The page's text behind the answers: what is proved, what was analyzed, and what the words mean."""

import math
from collections.abc import Collection, Iterator
from html import escape
from itertools import groupby
from typing import Any

from dynaghost.errors import counted
from dynaghost.slowpoints.records import Certificate
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.events import EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views.report.words import heads

MOST_ROWS = 300
"""Rows of the table of counts; a run whose counts change more often has its events beside it."""

_BETWEEN = {
    True: "anything about how training went between two checkpoints other than along the straight line between them",
    False: "that nothing else happened between two checkpoints, between which branches are followed by continuation",
}


def proofs(findings: Findings) -> str:
    """What is proved, what is found, and what neither is."""
    items = "".join(f"<li>{escape(line)}</li>" for line in _proof_lines(findings))
    between = _BETWEEN[findings.description.dim == 1]
    return (
        f'<ul class="plain">{items}</ul><p>Not proved: passage times and complex pairs (float64 estimates), the '
        f"simulated trials and what is read from them, the drops of the loss, what explains them, and {between}.</p>"
        f"{_stretches(findings)}"
    )


def _proof_lines(findings: Findings) -> Iterator[str]:
    total, where = len(findings.steps), " on the whole line" if findings.description.dim == 1 else ""
    complete = ghosts = points = decided = agree = unsure = 0
    unseen = 0.0
    for at in findings.points:
        complete, ghosts = complete + at.complete, ghosts + at.ghosts_complete
        points += len(at.points)
        decided += sum(point.certificate is not Certificate.UNDECIDED for point in at.points)
        if at.coverage is not None and not at.complete:
            unsure, agree = unsure + 1, agree + bool(at.coverage.agree)
            unseen = max(unseen, at.coverage.unseen)
    for what, proved in (("fixed points", complete), ("ghosts", ghosts)):
        at_most = f"{proved} of {counted(total, 'checkpoint')}"
        yield f"The listed {what} are proved to be all there are{where} at {at_most}."
    yield (
        f"A certificate is proved for {decided} of {counted(points, 'slow point')}: a fixed point exists within its "
        "radius and is alone there, or no fixed point is within the radius of a ghost."
    )
    if unsure:
        yield (
            f"At {counted(unsure, 'checkpoint')} the list is found, not proved complete: two search methods agree "
            f"at {agree} of them. The share of starts that would find something new is estimated at {unseen:.3g} "
            "where it is largest."
        )


def _stretches(findings: Findings) -> str:
    """How many slow points there are, in stretches of training over which that stays the same."""
    span = findings.steps[-1] - findings.steps[0]
    shapes = [
        (step, len(at.fixed_points), len(at.ghosts)) for step, at in zip(findings.steps, findings.points, strict=True)
    ]
    rows: list[str] = []
    for (fixed, ghosts), group in groupby(shapes, key=lambda shape: shape[1:]):
        steps = [step for step, *_ in group]
        first, last = layout.grouped(steps[0], span), layout.grouped(steps[-1], span)
        when = first if first == last else f"{first} to {last}"
        rows.append(f'<tr><th scope="row">{when}</th><td>{fixed}</td><td>{ghosts}</td></tr>')
    left_out = len(rows) - MOST_ROWS
    if left_out > 0:
        rows[MOST_ROWS:] = [f'<tr><td colspan="3">and {left_out} later stretches</td></tr>']
    head = heads((f"{findings.description.axis.capitalize()}s", "Fixed points", "Ghosts"))
    return (
        f"<table><caption>How many slow points were found at the checkpoints</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def about(findings: Findings) -> str:
    """The run: where it is from, what was analyzed, what was assumed."""
    entries = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in _about(findings))
    return f"<dl>{entries}</dl>"


def _about(findings: Findings) -> Iterator[tuple[str, Any]]:
    told_of, rule = findings.description, findings.losses.rule
    yield "checkpoints", f"{told_of.source}: {told_of.order}"
    yield "equation", told_of.equation
    yield "weights", told_of.guess
    yield from (("note", note) for note in told_of.notes)
    kind = "a flow: eigenvalues per τ" if told_of.time == "flow" else "a map: multipliers per iteration"
    yield "read as", kind + ("" if told_of.leak is None else f"; leak {told_of.leak:g}")
    if told_of.trial is not None:
        on_kappa = told_of.coordinates == "latent" and told_of.dim == 1
        yield "trial", _trial(told_of.trial, "κ" if on_kappa else "the output")
    yield "a drop of the loss", _rule(rule)
    yield "seed", findings.seed


def _trial(trial: Any, of: str) -> str:
    parts = [("steps", trial.steps), ("delay (τ)", trial.delay), (f"readout threshold on {of}", trial.threshold)]
    x0 = _number(trial.x0) if isinstance(trial.x0, int | float) else "given for each unit"
    return "; ".join(
        [f"initial state {x0}", *(f"{name} {_number(value)}" for name, value in parts if value is not None)]
    )


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _rule(rule: DropRule) -> str:
    """What counts as a drop, in words."""
    return (
        f"a fall by a factor of {math.exp(rule.factor):g} within {100 * rule.longest:g} % of the run, at least "
        f"{rule.contrast:g} times the fall just before it (median of {rule.median} losses; its ends are where "
        f"{100 * rule.trim:g} % and {100 - 100 * rule.trim:g} % of the fall are done)"
    )


_RATES = {
    "flow": (
        "eigenvalue",
        "the rate, in 1/τ, at which a small disturbance of a fixed point grows; negative, and it fades",
    ),
    "map": (
        "multiplier",
        "the factor by which a small disturbance of a fixed point grows in an iteration; below 1, it fades",
    ),
}


_KINDS = {
    EventKind.PITCHFORK: "a fixed point changes its stability, and two others part from it or join it",
    EventKind.TRANSCRITICAL: "two fixed points meet and exchange their stability",
    EventKind.CUSP: "three fixed points become one, or one three, in a single place",
    EventKind.HOPF: "a fixed point of a flow changes stability by complex eigenvalues: states turn near it",
    EventKind.NEIMARK_SACKER: "a fixed point of a map changes stability by complex multipliers: states turn near it",
    EventKind.FLIP: "a fixed point of a map changes stability by a multiplier of −1: states alternate near it",
    EventKind.BORDER_COLLISION: "a fixed point of a piecewise-linear network comes to where a unit has its kink",
    EventKind.GHOST_EMERGENCE: "a ghost appears and no fixed point changes",
    EventKind.GHOST_DISSOLUTION: "a ghost vanishes and no fixed point changes",
    EventKind.READOUT_CROSSING: "a fixed point, or its output, crosses the readout's threshold",
    EventKind.OSCILLATION: "the loss rises and falls in turns",
    EventKind.NO_LEARNING_ZONE: "the gradient is gone and the trial ends wrong",
}


def glossary(time: str, kinds: Collection[EventKind]) -> str:
    """The words of a page, for somebody who meets them here: those of all pages, and of the kinds of events it has."""
    entries = (
        ("fixed point", "a state at which the network stays: its speed is zero; stable if it draws near states to it"),
        ("ghost", "a place where the speed has a minimum above zero: what a saddle-node leaves, and slow to pass"),
        ("slow point", "a fixed point or a ghost"),
        ("passage time", f"how long it takes to pass a ghost, in {'τ' if time == 'flow' else 'iterations'}"),
        ("bifurcation", "fixed points are born, die or change their stability"),
        ("saddle-node", "the bifurcation in which two fixed points are born or die together"),
        ("branch", "a slow point followed through training"),
        _RATES[time],
        ("complex pair", "two fixed points in the complex plane, which a ghost is the real trace of"),
        ("basin, capture", "the states that end at one fixed point; a trial is captured when it changes to another"),
        ("proved", "certain, rounding errors of the computer included"),
        *((layout.name(kind), meaning) for kind, meaning in _KINDS.items() if kind in kinds),
    )
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{meaning}</dd>' for name, meaning in entries)}</dl>"
