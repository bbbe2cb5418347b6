"""What an analysis found, as the files that other programs read: `analysis.json` and the event graph.

The same findings give the same bytes: nothing in these files tells when or by whom they were written.
"""

import itertools
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.packed import Kept
from dynaghost.series import Series
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.trajectories.chance import chance
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.findings import Description, Findings
from dynaghost.trajectories.trial import Trial
from dynaghost.trajectories.verdict import Verdict

SCHEMA = 1
"""Version of `analysis.json`; `analysis.schema.json` describes it."""
SUMMARY = "analysis.json"
FILES = (SUMMARY, "graph.graphml", "graph.json")
"""What `write_summary` writes."""

_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_PART = 4096  # numbers that are text at once
_SOFTWARE = ("dynaghost", "numpy", "scipy", "numba", "python-flint")


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `analysis.json`.

    Examples
    --------
    >>> sorted(schema()["properties"])
    ['chance', 'checkpoints', 'events', 'points', 'run', 'schema', 'seed', 'software', 'verdicts']
    """
    return json.loads(files("dynaghost").joinpath("analysis.schema.json").read_text(encoding="utf-8"))


@cache
def software() -> dict[str, str]:
    """Versions of dynaghost and of the libraries that its numbers come from."""
    return {name: version(name) for name in _SOFTWARE}


def document(findings: Findings) -> dict[str, Any]:
    """What `analysis.json` holds; numbers that are not finite are None.

    Parameters
    ----------
    findings : Findings

    Returns
    -------
    dict
        Of dicts, lists, texts, numbers, booleans and None.
    """
    return {name: list(part) if isinstance(part, Iterator) else part for name, part in document_parts(findings)}


def document_parts(findings: Findings) -> Iterator[tuple[str, Any]]:
    """The parts of `document` by name; what there is for every checkpoint as an iterator, made as it is asked for."""
    for name, part in _parts(findings, _checkpoints(findings), findings.rows()):
        yield name, map(plain, part) if isinstance(part, Iterator) else plain(part)


def _parts(findings: Findings, checkpoints: Iterator[Any], points: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    """What the document holds by name; what there is for every checkpoint as an iterator."""
    yield from {
        "schema": SCHEMA,
        "run": {**_run(findings.description, len(findings.steps)), "drops": asdict(findings.losses.rule)},
        "software": software(),
        "seed": findings.seed,
        "checkpoints": checkpoints,
        "points": points,
        "events": [_event(event) for event in findings.events],
        "verdicts": [_verdict(verdict) for verdict in findings.verdicts],
        "chance": asdict(chance(findings)),
    }.items()


def plain(value: Any) -> Any:
    """The same value as JSON has it: no NumPy types, and None for what is not finite.

    Examples
    --------
    >>> plain({"x": np.array([1.0, np.inf]), "n": np.int64(2)})
    {'x': [1.0, None], 'n': 2}
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | Series):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def whole(step: float) -> int | float:
    """A step as an int where it is one.

    Examples
    --------
    >>> whole(37000.0), whole(0.5)
    (37000, 0.5)
    """
    return int(step) if float(step).is_integer() else float(step)


def losses_at(losses: Losses, steps: tuple[int, ...]) -> Iterator[float | None]:
    """The loss recorded at each of these steps; None where there is none, or where it is not finite.

    Examples
    --------
    >>> list(losses_at(Losses(np.array([0.0, 10.0]), np.array([1.0, np.nan]), None), (0, 5, 10)))
    [1.0, None, None]
    """
    if losses.loss is None:
        return itertools.repeat(None, len(steps))
    places = np.searchsorted(losses.steps, steps)
    there = np.append(losses.steps, np.nan)[places] == np.asarray(steps, dtype=float)
    found = np.where(there, np.append(losses.loss, np.nan)[places], np.nan)
    return (loss if loss == loss and abs(loss) < math.inf else None for loss in found.tolist())


def write_summary(findings: Findings, folder: Path, lines: Iterable[tuple[Kept, Kept]]) -> None:
    """`analysis.json`, `graph.graphml` and `graph.json`, each there as a whole or not at all.

    Parameters
    ----------
    findings : Findings
    folder : Path
        Exists; one process writes to it.
    lines : iterable of (Kept, Kept)
        What is told of each part of the run (`told.Told.lines`), set aside.
    """
    _replace(folder / FILES[0], _text(_parts(findings, *(_unpacked(texts) for texts in zip(*lines, strict=True)))))
    for name, file_format in zip(FILES[1:], ("graphml", "json"), strict=True):
        _replace(folder / name, event_graph_text(findings, file_format))


def event_graph_text(findings: Findings, file_format: str) -> Iterator[bytes]:
    """The event graph as "graphml" or "json", a piece at a time."""
    from dynaghost.trajectories.graph import graphml, node_link

    graph = findings.event_graph(_as_it_is)
    return graphml(graph) if file_format == "graphml" else _text(node_link(graph).items())


def _as_it_is(numbers: Series[Any]) -> Series[Any]:
    return numbers


def _unpacked(texts: Iterable[Kept]) -> Iterator[bytes]:
    """Those that are not empty."""
    return filter(None, (zlib.decompress(bytes(text)) for text in texts))


def _run(description: Description, checkpoints: int) -> dict[str, Any]:
    return {
        "source": description.source,
        "system": description.equation,
        "time": description.time,
        "dim": description.dim,
        "coordinates": description.coordinates,
        "units": description.units,
        "leak": description.leak,
        "axis": description.axis,
        "checkpoints": checkpoints,
        "trial": None if description.trial is None else _trial(description.trial),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {"x0": trial.x0, "steps": trial.steps, "delay": trial.delay, "threshold": trial.threshold}


def _checkpoints(findings: Findings) -> Iterator[dict[str, Any]]:
    losses = losses_at(findings.losses, findings.steps)
    every = zip(findings.steps, findings.files, findings.points, losses, strict=True)
    return (at_checkpoint(*one) for one in every)


def at_checkpoint(step: int, file: str, points: SlowPoints, loss: float | None) -> dict[str, Any]:
    """What `checkpoints` tells of one."""
    return {
        "step": step,
        "file": file,
        "fixed_points": len(points.fixed_points),
        "ghosts": len(points.ghosts),
        "complete": points.complete,
        "ghosts_complete": points.ghosts_complete,
        "undecided": points.undecided,
        "index_sum": points.index_sum,
        "loss": loss,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind.value,
        "before": whole(event.before),
        "after": whole(event.after),
        "at": event.at,
        "status": event.status.value,
        "branches": event.branches,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "before": whole(verdict.before),
        "after": whole(verdict.after),
        "loss_before": verdict.loss_before,
        "loss_after": verdict.loss_after,
        "verdict": verdict.verdict.value,
        "grade": verdict.grade.value,
        "events": verdict.events,
        "evidence": verdict.evidence,
    }


def _text(parts: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """JSON with one entry of a list a line, for diffs and for people; a piece at a time."""
    before = "{"
    for name, value in parts:
        yield f"{before}{json.dumps(name)}: ".encode()
        yield from _lines(value)
        before = ",\n "
    yield b"}\n"


def _lines(value: Any) -> Iterator[bytes]:
    """A value in pieces; an iterator gives the entries of a list, as texts of one or more of them."""
    if not isinstance(value, list | Iterator):
        yield line(value).encode()
        return
    before = b"[\n  "
    for item in value:
        yield before
        yield from (item,) if isinstance(item, bytes) else _pieces(item)
        before = b",\n  "
    yield b"]" if before.startswith(b",") else b"[]"


def _pieces(value: Any) -> Iterator[bytes]:
    """`line` of a value; of a series in a dict, some numbers at a time."""
    if not isinstance(value, dict) or not any(isinstance(item, Series) for item in value.values()):
        yield line(value).encode()
        return
    before = "{"
    for key, item in value.items():
        yield f"{before}{_name(key)}".encode()
        yield from _series(item) if isinstance(item, Series) else (line(item).encode(),)
        before = ", "
    yield b"}"


def _series(numbers: Series[Any]) -> Iterator[bytes]:
    yield b"["
    for first in range(0, len(numbers), _PART):
        yield (", " * (first > 0) + line(list(numbers[first : first + _PART]))[1:-1]).encode()
    yield b"]"


def line(value: Any) -> str:
    """A value as JSON in one line, with None for numbers that are not finite.

    Examples
    --------
    >>> line({"x": [1.0, float("nan")], "n": np.int64(2), "name": "node"})
    '{"x": [1.0, null], "n": 2, "name": "node"}'
    """
    return _WRITERS.get(type(value), _other_line)(value)


def _other_line(value: Any) -> str:
    return _PLAIN.encode(plain(value))


@lru_cache(typed=True)
def _name(key: Any) -> str:
    """A key with what comes before its value."""
    return _PLAIN.encode({key: 0})[1:-2]


# By the exact type: a long run has millions of values.
_WRITERS: dict[type, Callable[[Any], str]] = {
    float: lambda number: float.__repr__(number) if math.isfinite(number) else "null",
    int: int.__repr__,
    str: _PLAIN.encode,
    bool: lambda flag: "true" if flag else "false",
    type(None): lambda _: "null",
    list: lambda items: f"[{', '.join([line(item) for item in items])}]",
    dict: lambda items: f"{{{', '.join([_name(key) + line(item) for key, item in items.items()])}}}",
}


def _replace(path: Path, content: Iterable[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "wb") as stream:
        stream.writelines(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
