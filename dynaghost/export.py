"""What an analysis found, as tables and graphs for other programs: CSV, Parquet, GraphML and JSON."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from dynaghost.collected import COLLECTION, Collected, as_json
from dynaghost.errors import DynaghostError
from dynaghost.packed import chunks
from dynaghost.summary import document_parts, event_graph_text, plain
from dynaghost.trajectories.findings import Findings

FORMATS = ("csv", "parquet", "graphml", "json")
_PART = 4096  # rows that are held at once
_TABLES = ("checkpoints", "points", "events", "verdicts")


def tables(findings: Findings) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The lists of `analysis.json` as tables: name, and rows with one value a cell.

    Lists in a cell are JSON texts, but for the place `x` of a slow point, which has a column a coordinate.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> found = dict(tables(analyze([{"m": [1.5], "n": [1.0], "b": [0.3]}])))
    >>> list(found), found["points"][0]["kind"]
    (['checkpoints', 'points', 'events', 'verdicts'], 'fixed_point')
    """
    for name, rows in _tables(findings):
        yield name, list(rows)


def _tables(findings: Findings) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The same, whose rows are made as they are asked for."""
    for name, rows in document_parts(findings):
        if name in _TABLES:
            yield name, map(_flat, rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "x":
            found.update({f"x{i}": coordinate for i, coordinate in enumerate(value)})
        else:
            found[key] = json.dumps(plain(value)) if isinstance(value, list | dict) else value
    return found


def export(findings: Findings, folder: str | PathLike[str], file_format: str) -> list[Path]:
    """Write the findings in a format, into a folder that is made if need be.

    Parameters
    ----------
    findings : Findings
    folder : path
    file_format : {"csv", "parquet", "graphml", "json"}
        `csv` and `parquet` give a file a table, the others one file.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    DynaghostError
        If the format is none of these, or Parquet is asked for without the extra `dynaghost[parquet]`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> with TemporaryDirectory() as out:
    ...     [path.name for path in export(analyze([{"m": [1.5], "n": [1.0], "b": [0.3]}]), out, "csv")]
    ['checkpoints.csv', 'points.csv', 'events.csv', 'verdicts.csv']
    """
    if file_format not in FORMATS:
        raise DynaghostError(f"format: expected one of {', '.join(FORMATS)}, got {file_format!r}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if file_format == "graphml":
        return [_write(target / "graph.graphml", event_graph_text(findings, "graphml"))]
    if file_format == "json":
        return [_write(target / "analysis.json", _json(findings))]
    write = _write_csv if file_format == "csv" else _write_parquet
    return [write(target / f"{name}.{file_format}", rows) for name, rows in _tables(findings)]


def _write(path: Path, pieces: Iterable[bytes]) -> Path:
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


def _json(findings: Findings) -> Iterator[bytes]:
    """The document in one line, a row at a time."""
    before = "{"
    for name, part in document_parts(findings):
        yield f"{before}{json.dumps(name)}: ".encode()
        yield from _json_list(part) if isinstance(part, Iterator) else (json.dumps(part).encode(),)
        before = ", "
    yield b"}\n"


def _json_list(items: Iterator[Any]) -> Iterator[bytes]:
    yield b"["
    for number, item in enumerate(items):
        yield (", " * (number > 0) + json.dumps(item)).encode()
    yield b"]"


def export_collection(
    collection: Collected,
    results: Iterable[tuple[str, Findings]],
    folder: str | PathLike[str],
    file_format: str,
) -> list[Path]:
    """Write a collection in a format: tables with a row a run and a row a drop, and a folder a run as `export` does.

    Parameters
    ----------
    collection : Collected
    results : iterable of (str, Findings)
        Name and results of each run, as `Collection.results` gives them.
    folder : path
    file_format : {"csv", "parquet", "graphml", "json"}
        A graph has each run for itself alone.

    Raises
    ------
    DynaghostError
        As `export`.
    """
    if file_format not in FORMATS:
        raise DynaghostError(f"format: expected one of {', '.join(FORMATS)}, got {file_format!r}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = [] if file_format == "graphml" else _write_collection(collection, target, file_format)
    return written + [path for name, found in results for path in export(found, target / name, file_format)]


def _write_collection(collection: Collected, target: Path, file_format: str) -> list[Path]:
    if file_format == "json":
        (target / COLLECTION).write_text(json.dumps(as_json(collection)) + "\n", encoding="utf-8")
        return [target / COLLECTION]
    write = _write_csv if file_format == "csv" else _write_parquet
    drops = [{"run": row.name, **asdict(drop)} for row in collection.runs for drop in row.drops]
    tables = {"runs": _alike(list(collection.rows())), "drops": iter(drops)}
    return [write(target / f"{name}.{file_format}", rows) for name, rows in tables.items()]


def _alike(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with the same columns: runs do not tell the same things."""
    names = dict.fromkeys(name for row in rows for name in row)
    return ({name: row.get(name) for name in names} for row in rows)


def _write_csv(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    first = next(rows, {})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(first), lineterminator="\n")
        writer.writeheader()
        writer.writerows(itertools.chain([first] if first else [], rows))
    return path


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DynaghostError(
            "format: expected pyarrow for parquet, got none: pip install 'dynaghost[parquet]'"
        ) from error
    # Column by column and a part at a time, since a row is large; a column of a part may have no number at all.
    parts = [pyarrow.Table.from_pylist(part) for part in chunks(rows, _PART)]
    whole = pyarrow.concat_tables(parts, promote_options="permissive") if parts else pyarrow.table({})
    pyarrow.parquet.write_table(whole, path)
    return path
