"""The final tables of a store: which columns each has, its rows from findings, and findings from its rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dynaghost.codec import dumps, loads
from dynaghost.packed import Block, Packed, packed
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.summary import plain, software
from dynaghost.systems.base import Array
from dynaghost.told import Row, Told
from dynaghost.trajectories.branches import Branch, Crossing, Labels, Stretch, Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Description, End, Findings
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.verdict import Verdict

TABLES = {
    "run": "source, axis, checkpoints, equation, time, units, leak, software, structural, losses, record",
    "checkpoint": "number, step, file, fixed_points, ghosts, complete, ghosts_complete, undecided, index_sum, loss, "
    "trial_start, trial_branch",
    "metric": "step, loss, grad_norm",
    "point": "number, step, kind, branch, x, speed, passage_time, stability, certificate, radius",
    "block": "name, number, record",
    "crossing": "link, before, after, kind, x, branches, creates, record",
    "branch": "id, first, last, kinds, record",
    "pair": "branch, first, last, longest_passage_time, record",
    "event": "id, kind, before, after, at, branches, status, evidence, record",
    "verdict": "before, after, loss_before, loss_after, verdict, grade, events, evidence, record",
}
"""Columns of each table. They have no types: SQLite then keeps 37000 an integer and 37000.0 a float. `record` is the
row's record as JSON (`codec`); what there is at every checkpoint is in `block`, packed (`columns`)."""

# The kinds of records that are packed, by the name of their blocks.
_BLOCKS: dict[str, Any] = {
    "points": SlowPoints,
    "labels": Labels,
    "starts": End,
    "stretches": Stretch,
    "paths": Array,
}

Reader = Callable[[str], Iterable[Row]]


def rows(findings: Findings, told: Iterable[Told]) -> Iterator[tuple[str, Iterable[Row]]]:
    """Tables with rows of theirs; some tables come several times, each time with more.

    Parameters
    ----------
    findings : Findings
    told : iterable of Told
        What is told of its checkpoints, in order.
    """
    yield "run", [_run_row(findings)]
    for part in told:
        yield "checkpoint", part.checkpoints
        yield "point", part.points
    yield "metric", _metric_rows(findings.losses)
    yield "block", _block_rows(findings)
    yield "crossing", map(_crossing_row, findings.tracks.crossings)
    yield "branch", map(_branch_row, findings.branches)
    yield "pair", map(_pair_row, findings.pairs)
    yield "event", map(_event_row, findings.events)
    yield "verdict", map(_verdict_row, findings.verdicts)


def fields(read: Reader) -> dict[str, Any]:
    """The fields of `Findings` but the circuits, from a function that gives the rows of a query.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a row is not what `rows` wrote.
    """
    ((description, structural, losses),) = read("SELECT record, structural, losses FROM run")
    steps, files = zip(*read("SELECT step, file FROM checkpoint ORDER BY number"), strict=True)
    kept = {name: _packed(read, name) for name in _BLOCKS}
    branches, crossings = _records(read, Branch, "branch"), _records(read, Crossing, "crossing")
    return {
        "description": loads(Description, description),
        "steps": steps,
        "files": files,
        "points": kept["points"],
        "tracks": Tracks(steps, branches, crossings, kept["labels"], kept["stretches"]),
        "pairs": _records(read, PairTrack, "pair"),
        "starts": kept["starts"] if len(kept["starts"]) else None,
        "losses": loads(Losses, losses),
        "events": _records(read, Event, "event"),
        "verdicts": _records(read, Verdict, "verdict"),
        "structural": loads(tuple[int, ...], structural),
        "paths": kept["paths"] if len(kept["paths"]) else None,
    }


def _records(read: Reader, kind: type, table: str) -> tuple[Any, ...]:
    return tuple(loads(kind, text) for (text,) in read(f"SELECT record FROM {table} ORDER BY rowid"))


def _packed(read: Reader, name: str) -> Packed[Any]:
    blobs = read(f"SELECT record FROM block WHERE name = '{name}' ORDER BY number")
    return Packed([Block.read(_BLOCKS[name], blob) for (blob,) in blobs])


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


def _metric_rows(losses: Losses) -> Iterator[Row]:
    nothing = [None] * len(losses.steps)
    loss, grad_norm = (nothing if column is None else column.tolist() for column in (losses.loss, losses.grad_norm))
    return zip(losses.steps.tolist(), loss, grad_norm, strict=True)


def _block_rows(findings: Findings) -> Iterator[Row]:
    sequences = {
        "points": findings.points,
        "labels": findings.tracks.labels,
        "starts": findings.starts or (),
        "stretches": findings.tracks.stretches,
        "paths": findings.paths or (),
    }
    for name, sequence in sequences.items():
        kept = sequence if isinstance(sequence, Packed) else Packed.of(_BLOCKS[name], sequence)
        for number, block in enumerate(kept.blocks):
            yield name, number, packed(_BLOCKS[name], block)


def _crossing_row(crossing: Crossing) -> Row:
    place = (crossing.link, crossing.before, crossing.after, crossing.kind.value, crossing.x)
    return *place, dumps(crossing.branches), crossing.creates, dumps(crossing)


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
