"""What an analysis found, as tables and graphs for other programs: CSV, Parquet, GraphML and JSON."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from dynaghost.collected import COLLECTION, Collected, as_json
from dynaghost.errors import DynaghostError
from dynaghost.summary import document, plain
from dynaghost.trajectories.findings import Findings

FORMATS = ("csv", "parquet", "graphml", "json")
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
    whole = document(findings)
    for name in _TABLES:
        yield name, [_flat(row) for row in whole[name]]


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
        from dynaghost.trajectories.graph import write_graphml

        write_graphml(findings.graph, target / "graph.graphml")
        return [target / "graph.graphml"]
    if file_format == "json":
        (target / "analysis.json").write_text(json.dumps(document(findings)) + "\n", encoding="utf-8")
        return [target / "analysis.json"]
    write = _write_csv if file_format == "csv" else _write_parquet
    return [write(target / f"{name}.{file_format}", rows) for name, rows in tables(findings)]


def export_collection(collection: Collected, folder: str | PathLike[str], file_format: str) -> list[Path]:
    """Write a collection in a format, one row a run and one a drop; a graph has each run's own results alone.

    Raises
    ------
    DynaghostError
        As `export`, and for `graphml`.
    """
    if file_format not in FORMATS or file_format == "graphml":
        expected = ", ".join(name for name in FORMATS if name != "graphml")
        raise DynaghostError(f"format: expected one of {expected} for a collection, got {file_format!r}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if file_format == "json":
        (target / COLLECTION).write_text(json.dumps(as_json(collection)) + "\n", encoding="utf-8")
        return [target / COLLECTION]
    write = _write_csv if file_format == "csv" else _write_parquet
    drops = [{"run": row.name, **asdict(drop)} for row in collection.runs for drop in row.drops]
    tables = {"runs": list(collection.rows()), "drops": drops}
    return [write(target / f"{name}.{file_format}", rows) for name, rows in tables.items()]


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _columns(rows), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DynaghostError(
            "format: expected pyarrow for parquet, got none: pip install 'dynaghost[parquet]'"
        ) from error
    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path
