"""A whole analysis written to a folder of results, and read from it."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from dynaghost import tables
from dynaghost.database import explained, understood
from dynaghost.errors import StoreError
from dynaghost.packed import Aside, Kept
from dynaghost.run_tables import check_format, connected, is_finished, place_of
from dynaghost.same_run import described, key_of
from dynaghost.store import F, Folder, Store
from dynaghost.stored_circuits import Reader
from dynaghost.summary import write_summary
from dynaghost.told import Told, parts, tell
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.on_line import LONG
from dynaghost.workers import in_workers

# Told parts for each worker that may wait to be stored.
_AHEAD = 8


def save(findings: Findings, folder: Folder, *, n_jobs: int = 1) -> None:
    """Write a folder of results: `analysis.db`, `analysis.json`, `graph.graphml` and `graph.json`.

    Parameters
    ----------
    findings : Findings
    folder : path
        Made if need be. Results of the same run in it are replaced.
    n_jobs : int
        Workers; what is written is the same for any number.

    Raises
    ------
    StoreError
        If the folder holds the results of another run or of other settings, is in use, or cannot be written.
    """
    about = findings.description
    told = described(about.source, about.axis, findings.steps, about.search)
    with Store.open(folder, key_of(about.search), description=told) as store:
        lines = list[tuple[Kept, Kept]]()
        store.finish(findings, _noted(_told(findings, n_jobs), lines))
        try:
            write_summary(findings, Path(folder), lines)
            store.wrote(Path(folder))
        except OSError as error:
            raise StoreError(f"{folder}: expected a folder that can be written, got {error}") from error


def _told(findings: Findings, n_jobs: int) -> Iterator[Told]:
    # Workers are worth their start for long runs only.
    tasks = ((part,) for part in parts(findings))
    return in_workers(tell, tasks, n_jobs if len(findings.steps) >= LONG else 1, ahead=_AHEAD)


def _noted(told: Iterable[Told], lines: list[tuple[Kept, Kept]]) -> Iterator[Told]:
    """The same parts; their lines are set aside as they pass."""
    aside = Aside()
    for part in told:
        checkpoints, points = map(aside.put, part.lines)
        lines.append((checkpoints, points))
        yield part


def load(folder: Folder, kind: type[F] = Findings) -> F:  # type: ignore[assignment]
    """The findings that `save` wrote, equal to their last bit.

    Parameters
    ----------
    folder : path
    kind : type
        `Findings`, or a subclass with the same fields.

    Raises
    ------
    StoreError
        If the folder holds no finished analysis, one of another format, or a damaged one, or is in use.
    """
    path, number = place_of(Path(folder))
    with explained(path), closing(connected(path, number)) as connection, understood(path):
        # All of a collection is not looked through for each of its runs.
        check_format(connection, path, deep=number is None)
        _check_finished(connection, path)
        reader = Reader(path, connection, number)
        found = kind(**tables.fields(connection.execute), circuits=reader.all_circuits())
        reader.connection = None
        return found


def _check_finished(connection: sqlite3.Connection, path: Path) -> None:
    if not is_finished(connection):
        (kept,) = connection.execute("SELECT count(*) FROM batch").fetchone()
        raise StoreError(
            f"{path}: expected a finished analysis, got {kept} batch(es) of one that was interrupted: "
            "the same command goes on where it was"
        )
