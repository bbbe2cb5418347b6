"""The final tables of a store: which columns each has, its rows from findings, and findings from its rows."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dynaghost.codec import dumps, loads
from dynaghost.columns import pack, unpack
from dynaghost.packed import Aside, Block, Packed, few, packed
from dynaghost.series import Series
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.summary import plain, software
from dynaghost.systems.base import Array
from dynaghost.told import Row, Told
from dynaghost.trajectories.branches import Branch, Crossing, Labels, Stretch, Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.drops import DropRule
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
    "branch": "id, first, last, kinds, sizes, record",
    "segment": "branch, number, steps, x",
    "pair": "branch, first, last, longest_passage_time, size, record",
    "pair_part": "pair, steps, z, passage_times",
    "event": "id, kind, before, after, at, branches, status, evidence, record",
    "verdict": "before, after, loss_before, loss_after, verdict, grade, events, evidence, record",
}
"""Columns of each table. They have no types: SQLite then keeps 37000 an integer and 37000.0 a float. `record` is the
row's record as JSON (`codec`); what there is at every checkpoint is in `block`, `segment` and `pair_part`, packed
(`columns`), the last two a part of a segment's or pair's checkpoints a row."""

# The kinds of records that are packed, by the name of their blocks.
_BLOCKS: dict[str, Any] = {
    "points": SlowPoints,
    "labels": Labels,
    "starts": End,
    "stretches": Stretch,
    "paths": Array,
    "metric_steps": float,
    "loss": float,
    "grad_norm": float,
}
# Checkpoints in a row of `segment` and of `pair_part`.
_PART = 4096

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
    yield "segment", (row for branch in findings.branches for row in _segment_rows(branch))
    yield "pair", map(_pair_row, findings.pairs)
    yield "pair_part", (row for number, pair in enumerate(findings.pairs) for row in _pair_parts(number, pair))
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
    steps = tuple(step for (step,) in read("SELECT step FROM checkpoint ORDER BY number"))
    kept = {name: _packed(read, name) for name in _BLOCKS}
    if not len(steps) == len(kept["points"]) == len(kept["labels"]) > 0:
        raise ValueError(f"expected checkpoints with their points and branches, got {len(steps)}")
    crossings = _records(read, Crossing, "crossing")
    return {
        "description": loads(Description, description),
        "steps": steps,
        "files": few(str, (file for (file,) in read("SELECT file FROM checkpoint ORDER BY number"))),
        "points": kept["points"],
        "tracks": Tracks(steps, _branches(read), crossings, kept["labels"], kept["stretches"]),
        "pairs": _pairs(read),
        "starts": kept["starts"] if len(kept["starts"]) else None,
        "losses": _losses(losses, kept),
        "events": _records(read, Event, "event"),
        "verdicts": _records(read, Verdict, "verdict"),
        "structural": loads(tuple[int, ...], structural),
        "paths": kept["paths"] if len(kept["paths"]) else None,
    }


def _records(read: Reader, kind: type, table: str) -> tuple[Any, ...]:
    return tuple(loads(kind, text) for (text,) in read(f"SELECT record FROM {table} ORDER BY rowid"))


def _packed(read: Reader, name: str) -> Packed[Any]:
    blobs, aside = read(f"SELECT record FROM block WHERE name = '{name}' ORDER BY number"), Aside()
    return Packed(Block.read(_BLOCKS[name], blob).set_aside(aside) for (blob,) in blobs)


def _losses(text: str, kept: dict[str, Packed[Any]]) -> Losses:
    rule, has_loss, has_norm = loads(tuple[DropRule, bool, bool], text)
    steps, loss, norm = (np.fromiter(kept[name], float) for name in ("metric_steps", "loss", "grad_norm"))
    return Losses(steps, loss if has_loss else None, norm if has_norm else None, rule)


def _branches(read: Reader) -> tuple[Branch, ...]:
    branches = _records(read, Branch, "branch")
    for number, part, steps, x in read("SELECT branch, number, steps, x FROM segment ORDER BY rowid"):
        segment = branches[number].segments[part]
        segment.steps.extend(unpack(int, steps))
        segment.x.extend(unpack(float, x))
    for branch, (sizes,) in zip(branches, read("SELECT sizes FROM branch ORDER BY rowid"), strict=True):
        for segment, size in zip(branch.segments, loads(tuple[int, ...], sizes), strict=True):
            _check_size(f"a segment of branch {branch.id}", size, segment.steps, segment.x)
    return branches


def _pairs(read: Reader) -> tuple[PairTrack, ...]:
    pairs = _records(read, PairTrack, "pair")
    for number, *columns in read("SELECT pair, steps, z, passage_times FROM pair_part ORDER BY rowid"):
        pair = pairs[number]
        for series, data in zip((pair.steps, pair.z, pair.passage_times), columns, strict=True):
            series.extend(unpack(series.kind, data))
    for pair, (size,) in zip(pairs, read("SELECT size FROM pair ORDER BY rowid"), strict=True):
        _check_size(f"a pair of branch {pair.branch}", size, pair.steps, pair.z, pair.passage_times)
    return pairs


def _check_size(what: str, size: int, *columns: Series[Any]) -> None:
    if any(len(column) != size for column in columns):
        raise ValueError(f"expected {size} checkpoints in {what}, got {[len(column) for column in columns]}")


def _run_row(findings: Findings) -> Row:
    about, losses = findings.description, findings.losses
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
        dumps((losses.rule, losses.loss is not None, losses.grad_norm is not None)),
        dumps(about),
    )


def _metric_rows(losses: Losses) -> Iterator[Row]:
    columns = (losses.steps, losses.loss, losses.grad_norm)
    for first in range(0, len(losses.steps), _PART):
        span = slice(first, first + _PART)
        nothing = itertools.repeat(None, min(_PART, len(losses.steps) - first))
        yield from zip(*(nothing if one is None else one[span].tolist() for one in columns), strict=True)


def _block_rows(findings: Findings) -> Iterator[Row]:
    losses = findings.losses
    sequences: dict[str, Iterable[Any]] = {
        "points": findings.points,
        "labels": findings.tracks.labels,
        "starts": findings.starts or (),
        "stretches": findings.tracks.stretches,
        "paths": findings.paths or (),
        "metric_steps": map(float, losses.steps),
        "loss": map(float, () if losses.loss is None else losses.loss),
        "grad_norm": map(float, () if losses.grad_norm is None else losses.grad_norm),
    }
    for name, sequence in sequences.items():
        kept = sequence if isinstance(sequence, Packed) else Packed.of(_BLOCKS[name], sequence)
        for number, block in enumerate(kept.blocks):
            yield name, number, packed(_BLOCKS[name], block)


def _crossing_row(crossing: Crossing) -> Row:
    place = (crossing.link, crossing.before, crossing.after, crossing.kind.value, crossing.x)
    return *place, dumps(crossing.branches), crossing.creates, dumps(crossing)


def _branch_row(branch: Branch) -> Row:
    seen = [segment.steps for segment in branch.segments if segment.steps]
    ends = (seen[0][0], seen[-1][-1]) if seen else (None, None)
    kinds = " → ".join(segment.kind.value for segment in branch.segments)
    bare = (replace(segment, steps=Series(int), x=Series(float)) for segment in branch.segments)
    sizes = dumps([len(segment.steps) for segment in branch.segments])
    return branch.id, *ends, kinds, sizes, dumps(Branch(branch.id, tuple(bare)))


def _segment_rows(branch: Branch) -> Iterator[Row]:
    for number, segment in enumerate(branch.segments):
        for columns in _parts((segment.steps, segment.x)):
            yield branch.id, number, *columns


def _pair_row(pair: PairTrack) -> Row:
    bare = replace(pair, steps=Series(int), z=Series(complex), passage_times=Series(float))
    return pair.branch, pair.steps[0], pair.steps[-1], max(pair.passage_times), len(pair.steps), dumps(bare)


def _pair_parts(number: int, pair: PairTrack) -> Iterator[Row]:
    for columns in _parts((pair.steps, pair.z, pair.passage_times)):
        yield number, *columns


def _parts(columns: tuple[Series[Any], ...]) -> Iterator[list[bytes]]:
    """Series of one length, packed, a part of their numbers at a time."""
    for first in range(0, len(columns[0]), _PART):
        yield [pack(one.kind, tuple(one[first : first + _PART])) for one in columns]


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
