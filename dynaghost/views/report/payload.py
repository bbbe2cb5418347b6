"""What the page's script gets of a run: every number that its pictures and texts show, as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _lanes as graph_layout
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style
from dynaghost.views.report.checkpoints import ROLES, checkpoints_of, share
from dynaghost.views.report.fields import described
from dynaghost.views.report.thinning import digits, drawn_graph, numbers, target, thin, told

CURVE_POINTS, LINE_POINTS, FEWEST = 900, 9000, 60
"""Points of a loss curve, and of all branches together; fewest of a curve on a page of many runs, which share these."""


def payload(findings: Findings, indices: Sequence[int], runs: int = 1) -> dict[str, Any]:
    """Everything that the script shows of a run.

    Parameters
    ----------
    findings : Findings
    indices : sequence of int
        Of the checkpoints to show, increasing.
    runs : int
        Runs that share the page.

    Returns
    -------
    dict
        Of dicts, lists, texts, numbers, booleans and None. Coordinates of curves have 4 digits, more than a screen
        shows; numbers of slow points have 6.
    """
    about, threshold = findings.description, layout.threshold(findings)
    shared = share(findings, indices, runs)
    checkpoints = list(checkpoints_of(findings, indices, shared))
    focus, points = layout.focus(findings), max(CURVE_POINTS // runs, FEWEST)
    return {
        "axis": about.axis,
        "time": about.time,
        "dim": about.dim,
        "letter": layout.letter(findings),
        "line": layout.coordinate(findings),
        "unit": layout.unit(findings),
        "threshold": None if threshold is None else digits(threshold, 6),
        "frame": described(shared.frame),
        "whole": numbers(layout.window(findings, None), 9),
        "focus": None if focus is None else numbers(focus, 9),
        "checkpoints": checkpoints,
        "names": shared.names,
        "metrics": _metrics(findings, focus, points),
        "lines": _lines(findings, focus, LINE_POINTS // runs),
        "pairs": _pairs(findings, focus, LINE_POINTS // 2 // runs),
        "starts": _starts(findings, focus, points),
        "opens": _opens(findings, indices),
        "events": [_event(findings, event, indices) for event in told(findings)],
        "spans": [_span(findings, event) for event in findings.events if event.at is None],
        "graph": _graph(findings) if drawn_graph(findings) else None,
    }


def _metrics(findings: Findings, focus: tuple[float, float] | None, points: int) -> list[dict[str, Any]]:
    found = []
    for name, values in layout.metrics(findings).items():
        kept, left_out = layout.positive(np.asarray(values, dtype=float))
        steps, kept = thin(np.asarray(findings.losses.steps, dtype=float), kept, points, focus)
        found.append({"name": name, "s": numbers(steps, 9), "v": numbers(kept, 4), "hidden": left_out})
    return found


def _lines(findings: Findings, focus: tuple[float, float] | None, points: int) -> list[dict[str, Any]]:
    lines = layout.lines(findings)
    most = max(points // max(len(lines), 1), 12)
    found = []
    for line in lines:
        steps, x = thin(np.asarray(line.steps, dtype=float), np.asarray(line.x, dtype=float), most, focus)
        found.append(
            {"b": line.branch, "r": ROLES.index(line.role), "s": numbers(steps, 9), "x": numbers(x, 4)},
        )
    return found


def _pairs(findings: Findings, focus: tuple[float, float] | None, points: int) -> list[dict[str, Any]]:
    """Of every complex pair its distance to the real axis; null where it was not followed."""
    most = max(points // max(len(findings.pairs), 1), 12)
    found = []
    for track in findings.pairs:
        path = layout.path(findings, track)
        steps, height = thin(path.steps.astype(float), np.abs(path.z.imag), most, focus)
        ghost = path.ghost[np.searchsorted(path.steps, steps)]
        found.append(
            {"b": track.branch, "s": numbers(steps, 9), "y": numbers(height, 4), "g": ghost.astype(int).tolist()}
        )
    return found


def _starts(findings: Findings, focus: tuple[float, float] | None, points: int) -> dict[str, Any] | None:
    if findings.starts is None:
        return None
    places = np.fromiter((start for start, _ in findings.starts), float)
    steps, places = thin(np.array(findings.steps, dtype=float), places, points, focus)
    return {"s": numbers(steps, 9), "x": numbers(places, 4)}


def _event(findings: Findings, event: Event, indices: Sequence[int]) -> dict[str, Any]:
    shape, colour = style.EVENTS[event.kind]
    return {
        "id": event.id,
        "name": layout.name(event.kind),
        "shape": shape,
        "colour": _COLOURS.get(colour, "faint"),
        "at": digits(layout.place(event), 9),
        "before": digits(event.before, 9),
        "after": digits(event.after, 9),
        "y": digits(layout.height(findings, event), 6),
        "status": event.status.value,
        "to": indices.index(target(findings, event, indices)),
    }


def _opens(findings: Findings, indices: Sequence[int]) -> int:
    """Place of the checkpoint that is shown first: after what explains the first drop, or after the first event."""
    explaining = [findings.events[i] for verdict in findings.verdicts for i in verdict.events]
    found = [event for event in explaining if event.kind is not EventKind.READOUT_CROSSING]
    found = found or explaining or list(findings.events)
    return indices.index(target(findings, found[0], indices)) if found else len(indices) - 1


_COLOURS = {
    style.BLUE: "blue",
    style.SKY: "sky",
    style.GREEN: "green",
    style.ORANGE: "orange",
    style.RED: "red",
    style.PURPLE: "purple",
    style.GREY: "grey",
    "white": "paper",
    "black": "ink",
}


def _span(findings: Findings, event: Event) -> dict[str, Any]:
    """A stretch that is read from the loss, with the verdict of a drop."""
    verdict = next(
        (v for v, d in zip(findings.verdicts, graph_layout.drops(findings), strict=True) if d is event), None
    )
    return {
        "kind": event.kind.value,
        "from": digits(event.before, 9),
        "to": digits(event.after, 9),
        "verdict": None if verdict is None else verdict.verdict.value,
        "grade": None if verdict is None or verdict.shown_grade is None else verdict.grade.value,
    }


def _graph(findings: Findings) -> dict[str, Any]:
    lanes = graph_layout.lay_out(findings)
    places, names = graph_layout.lane_labels(findings, lanes)
    return {
        "columns": len(lanes.places),
        "lanes": [[place, *name.split("\n")] for place, name in zip(places, names, strict=True)],
        "lines": list(_graph_lines(findings, lanes)),
        "nodes": [[event.id, *lanes.of_event(event)] for event in findings.events],
        "stretches": [
            [lanes.column(event.before), lanes.column(event.after)] for event in findings.events if event.at is None
        ],
        "arrows": [[relation, *start, *end] for relation, start, end in graph_layout.arrows(findings, lanes)],
    }


def _graph_lines(findings: Findings, lanes: graph_layout.Lanes) -> Iterator[Sequence[Any]]:
    for line in layout.lines(findings):
        begins, ends = lanes.ends(line)
        yield [lanes.lanes[line.branch], ROLES.index(line.role), digits(begins, 5), digits(ends, 5)]
