"""The final tables of a store: which columns each has, its rows from findings, and findings from its rows."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from dynaghost.codec import dumps, loads
from dynaghost.slowpoints.records import FixedPoint, Ghost, Kind, SlowPoints
from dynaghost.summary import losses_at, plain, software
from dynaghost.systems.base import System
from dynaghost.systems.low_rank import LatentCircuit, RankOneCircuit
from dynaghost.trajectories.branches import Branch, Crossing, Labels, Stretch, Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Description, Findings
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.verdict import Verdict

TABLES = {
    "run": "source, axis, checkpoints, equation, time, units, leak, software, structural, losses, record",
    "checkpoint": "number, step, file, fixed_points, ghosts, complete, ghosts_complete, undecided, index_sum, loss, "
    "trial_start, trial_branch, m, n, b, leak, time, form, record",
    "metric": "step, loss, grad_norm",
    "point": "number, step, kind, branch, x, speed, passage_time, stability, certificate, radius, record",
    "link": "number, before, after, stretches, crossings",
    "branch": "id, first, last, kinds, record",
    "pair": "branch, first, last, longest_passage_time, record",
    "event": "id, kind, before, after, at, branches, status, evidence, record",
    "verdict": "before, after, loss_before, loss_after, verdict, grade, events, evidence, record",
}
"""Columns of each table. They have no types: SQLite then keeps 37000 an integer and 37000.0 a float. `record` is the
row's record as JSON (`codec`), `m`, `n` and `b` the latent circuit's weights as little-endian float64."""

# What a row of checkpoint holds beside the columns: branches of its points, κ(0) and end of the trial, and the points'
# list without the points, which have rows of their own.
_Place = tuple[Labels, tuple[float, int | None] | None, SlowPoints]

Row = tuple[Any, ...]
Reader = Callable[[str], Iterable[Row]]


def rows(findings: Findings) -> Iterator[tuple[str, Iterable[Row]]]:
    """Every table with its rows."""
    yield "run", [_run_row(findings)]
    yield "checkpoint", _checkpoint_rows(findings)
    yield "metric", _metric_rows(findings.losses)
    yield "point", _point_rows(findings)
    yield "link", _link_rows(findings)
    yield "branch", map(_branch_row, findings.branches)
    yield "pair", map(_pair_row, findings.pairs)
    yield "event", map(_event_row, findings.events)
    yield "verdict", map(_verdict_row, findings.verdicts)


def fields(read: Reader) -> dict[str, Any]:
    """The fields of `Findings`, from a function that gives the rows of a query.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a row is not what `rows` wrote.
    """
    ((description, structural, losses),) = read("SELECT record, structural, losses FROM run")
    checkpoints = [
        (step, file, *loads(_Place, record))
        for step, file, record in read("SELECT step, file, record FROM checkpoint ORDER BY number")
    ]
    steps, files, labels, starts, points = zip(*checkpoints, strict=True)
    return {
        "description": loads(Description, description),
        "steps": steps,
        "files": files,
        "circuits": tuple(_circuits(read)),
        "points": tuple(_filled(points, read)),
        "tracks": _tracks(read, steps, labels),
        "pairs": _records(read, PairTrack, "pair"),
        "starts": None if None in starts else starts,
        "losses": loads(Losses, losses),
        "events": _records(read, Event, "event"),
        "verdicts": _records(read, Verdict, "verdict"),
        "structural": loads(tuple[int, ...], structural),
    }


def _records(read: Reader, kind: type, table: str) -> tuple[Any, ...]:
    return tuple(loads(kind, text) for (text,) in read(f"SELECT record FROM {table} ORDER BY rowid"))


def _circuits(read: Reader) -> Iterator[RankOneCircuit | LatentCircuit]:
    for *blobs, leak, time, form in read("SELECT m, n, b, leak, time, form FROM checkpoint ORDER BY number"):
        if form is None:
            return
        m, n, b = (np.frombuffer(blob, dtype="<f8").astype(float) for blob in blobs)
        m, n = m.reshape(len(b), -1), n.reshape(-1, len(b))
        kind = RankOneCircuit if m.shape[1] == 1 else LatentCircuit
        yield kind(m, n, b, leak=leak, time=time, form=form)


def _filled(lists: Iterable[SlowPoints], read: Reader) -> Iterator[SlowPoints]:
    """The lists of slow points, with the points in them."""
    points = read("SELECT number, kind, record FROM point ORDER BY rowid")
    groups = {number: list(group) for number, group in groupby(points, key=lambda row: row[0])}
    for number, one in enumerate(lists):
        here = groups.get(number, [])
        yield replace(
            one,
            fixed_points=tuple(loads(FixedPoint, text) for _, kind, text in here if kind == Kind.FIXED_POINT),
            ghosts=tuple(loads(Ghost, text) for _, kind, text in here if kind == Kind.GHOST),
        )


def _tracks(read: Reader, steps: tuple[int, ...], labels: tuple[Labels, ...]) -> Tracks:
    links = list(read("SELECT stretches, crossings FROM link ORDER BY number"))
    stretches = tuple(one for text, _ in links for one in loads(tuple[Stretch, ...], text))
    crossings = tuple(one for _, text in links for one in loads(tuple[Crossing, ...], text))
    return Tracks(steps, _records(read, Branch, "branch"), crossings, labels, stretches)


def _run_row(findings: Findings) -> Row:
    about = findings.description
    return (
        about.source,
        about.axis,
        len(findings.steps),
        about.equation,
        about.time,
        about.units,
        about.leak,
        dumps(software()),
        dumps(findings.structural),
        dumps(findings.losses),
        dumps(about),
    )


def _checkpoint_rows(findings: Findings) -> Iterator[Row]:
    losses = list(losses_at(findings.losses, findings.steps))
    circuits = findings.circuits or itertools.repeat(None, len(findings.steps))
    for e, (step, points, circuit) in enumerate(zip(findings.steps, findings.points, circuits, strict=True)):
        start = None if findings.starts is None else findings.starts[e]
        place = (findings.tracks.labels[e], start, replace(points, fixed_points=(), ghosts=()))
        yield (
            e,
            step,
            findings.files[e],
            len(points.fixed_points),
            len(points.ghosts),
            points.complete,
            points.ghosts_complete,
            points.undecided,
            points.index_sum,
            losses[e],
            *(start or (None, None)),
            *_weights(circuit),
            dumps(place),
        )


def _weights(circuit: System | None) -> Row:
    """m, n, b, leak, time and form of a latent circuit; nothing of other networks, whose files have the weights."""
    if not isinstance(circuit, RankOneCircuit | LatentCircuit):
        return None, None, None, *((circuit.leak, circuit.time.value) if circuit else (None, None)), None
    blobs = (np.asarray(w, dtype="<f8").tobytes() for w in (circuit.m, circuit.n, circuit.b))
    return *blobs, circuit.leak, circuit.time.value, circuit.form.value


def _metric_rows(losses: Losses) -> Iterator[Row]:
    nothing = [None] * len(losses.steps)
    loss, grad_norm = (nothing if column is None else column.tolist() for column in (losses.loss, losses.grad_norm))
    return zip(losses.steps.tolist(), loss, grad_norm, strict=True)


def _point_rows(findings: Findings) -> Iterator[Row]:
    """The columns of `Findings.rows`, and the record."""
    told = findings.rows()
    for number, points in enumerate(findings.points):
        for point in points.points:
            row = plain(next(told))
            columns = ("speed", "passage_time", "stability", "certificate", "radius")
            values = (row[name] for name in columns)
            yield number, row["step"], row["kind"], row["branch"], dumps(row["x"]), *values, dumps(point)


def _link_rows(findings: Findings) -> Iterator[Row]:
    stretches, crossings = (_by_link(found) for found in (findings.tracks.stretches, findings.tracks.crossings))
    for link, (before, after) in enumerate(pairwise(findings.steps)):
        yield link, before, after, dumps(stretches.get(link, [])), dumps(crossings.get(link, []))


def _by_link(found: Iterable[Any]) -> dict[int, list[Any]]:
    return {link: list(group) for link, group in groupby(found, key=lambda one: one.link)}


def _branch_row(branch: Branch) -> Row:
    steps = [step for segment in branch.segments for step in segment.steps]
    ends = (steps[0], steps[-1]) if steps else (None, None)
    return branch.id, *ends, " → ".join(segment.kind.value for segment in branch.segments), dumps(branch)


def _pair_row(pair: PairTrack) -> Row:
    return pair.branch, pair.steps[0], pair.steps[-1], max(pair.passage_times), dumps(pair)


def _event_row(event: Event) -> Row:
    branches, evidence = dumps(event.branches), dumps(plain(event.evidence))
    return (
        event.id,
        event.kind.value,
        event.before,
        event.after,
        event.at,
        branches,
        event.status.value,
        evidence,
        dumps(event),
    )


def _verdict_row(verdict: Verdict) -> Row:
    return (
        verdict.before,
        verdict.after,
        verdict.loss_before,
        verdict.loss_after,
        verdict.verdict.value,
        verdict.grade.value,
        dumps(verdict.events),
        dumps(plain(verdict.evidence)),
        dumps(verdict),
    )
