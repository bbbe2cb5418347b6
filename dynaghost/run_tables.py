"""Which tables hold the results of a run: in a database of its own, or beside other runs' in that of a collection.

The tables of a collection have one column more, `run`. They are read through views that show those of one run alone, so
that the same queries serve both.
"""

import sqlite3
from contextlib import closing
from os import PathLike
from pathlib import Path

from dynaghost import tables
from dynaghost.database import ELSEWHERE, explained, made
from dynaghost.errors import StoreError

DATABASE, WHOLE = "analysis.db", "collection.db"
"""Names of the two databases, in a run's folder of results and in a collection's."""
FORMAT = 4
"""Version of both."""

# "dght", by which SQLite and `file` tell them from those of other programs.
_APPLICATION = 0x64676874
_HEADS = (f"PRAGMA application_id={_APPLICATION}", f"PRAGMA user_version={FORMAT}")

# What is kept while an analysis goes on.
_KEPT = {
    "batch": "number INTEGER PRIMARY KEY, steps, first, last, size, points, links, odd, ends",
    "circuits": "number INTEGER PRIMARY KEY, size, units, rank, leak, time, form, m, n, b",
    "file": "name TEXT PRIMARY KEY, size",
    "story": "key TEXT PRIMARY KEY, record",
}
# Whose results a database holds: `key` of the search, `trial` whose ends are in `batch`.
_ABOUT = "key, description, trial"
PATIENCE = 60.0
"""How long one process waits for another that reads or writes a collection, in seconds."""

CREATE = (
    *_HEADS,
    f"CREATE TABLE store ({_ABOUT})",
    *(f"CREATE TABLE {name} ({columns})" for name, columns in _KEPT.items()),
)
"""Statements for a new database of one run, which gets the final tables (`tables.TABLES`) when it is finished."""

COLUMNS = {
    name: columns.replace(" INTEGER PRIMARY KEY", "").replace(" TEXT PRIMARY KEY", "")
    for name, columns in {**_KEPT, **tables.TABLES}.items()
}
"""Columns of every table of a run but `store`."""

CREATE_WHOLE = (
    *_HEADS,
    "CREATE TABLE collection (source, settings)",
    f"CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT UNIQUE, {_ABOUT}, record)",
    *(f"CREATE TABLE {name} (run, {columns})" for name, columns in COLUMNS.items()),
    *(f"CREATE INDEX {name}_of_run ON {name} (run)" for name in COLUMNS),
)
"""Statements for a new database of a collection. `member.id` is the column `run` of the other tables."""

_COPY = (
    "INSERT INTO main.{name} (run, {columns}) SELECT {to}, {columns} FROM other.{name} {where} ORDER BY rowid",
    "INSERT INTO main.{name} ({columns}) SELECT {columns} FROM other.{name} {where} ORDER BY rowid",
)


def connected(path: Path, run: int | None = None) -> sqlite3.Connection:
    """A connection for reading; of a collection, to the tables of one run alone, by its number."""
    # Not read-only: a journal that a killed process left has to be rolled back first.
    patience = 0.0 if run is None else PATIENCE
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", timeout=patience, uri=True)
    try:
        if run is not None:
            _show(connection, run)
    except BaseException:
        connection.close()
        raise
    return connection


def attach(connection: sqlite3.Connection, path: Path) -> None:
    """Attach a database to another's connection as `other`, for reading alone."""
    # A transaction that could write to both would leave a file of its own behind when the process is killed.
    connection.execute("ATTACH ? AS other", (f"{path.resolve().as_uri()}?mode=ro",))


def member_of(path: Path, name: str) -> int | None:
    """The number of a run in the database of a collection, by its name; None where it has no results there."""
    if not path.is_file():
        return None
    connection = connected(path)
    try:
        connection.execute(f"PRAGMA busy_timeout={PATIENCE * 1000:.0f}")
        found = connection.execute("SELECT id FROM member WHERE name = ? AND key IS NOT NULL", (name,)).fetchone()
        return None if found is None else int(found[0])
    finally:
        connection.close()


def is_finished(connection: sqlite3.Connection) -> bool:
    """Whether the tables of a run hold the end of its analysis."""
    there = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'run'").fetchone()
    return there == (1,) and connection.execute("SELECT 1 FROM run").fetchone() is not None


def check_format(connection: sqlite3.Connection, path: Path, *, deep: bool = True) -> None:
    """Raise what is wrong with a database: of something else, of another version, damaged (looked for if `deep`).

    Raises
    ------
    StoreError
    """
    (application,), (version,) = (
        connection.execute(f"PRAGMA {p}").fetchone() for p in ("application_id", "user_version")
    )
    if application != _APPLICATION:
        raise StoreError(f"{path}: expected results of dynaghost, got a database of something else: {ELSEWHERE}")
    if version != FORMAT:
        raise StoreError(
            f"{path}: expected results of format {FORMAT}, got format {version}, of another version of dynaghost: "
            "analyze the run again into another folder (--out)"
        )
    if deep and (state := connection.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
        raise sqlite3.DatabaseError(state[0])


def copy_in(connection: sqlite3.Connection, to: int, run: int | None) -> None:
    """Copy the tables of a run from the attached database `other` into those of a collection.

    Parameters
    ----------
    connection : Connection
        Of a collection, in a transaction.
    to : int
        The run's number there.
    run : int or None
        Its number in `other`, if that is of a collection too.
    """
    for name, columns in COLUMNS.items():
        connection.execute(f"DELETE FROM main.{name} WHERE run = ?", (to,))
        if _is_there(connection, name):
            connection.execute(_COPY[0].format(name=name, columns=columns, to=to, where=_where(run)))


def copy_out(connection: sqlite3.Connection, run: int) -> None:
    """Copy the tables of a run from the collection `other` into a new database of its own.

    Parameters
    ----------
    connection : Connection
        Of the new database, in a transaction.
    run : int
        The run's number in `other`.
    """
    finals = [f"CREATE TABLE {name} ({columns})" for name, columns in tables.TABLES.items()]
    for statement in (*CREATE, *finals):
        connection.execute(statement)
    connection.execute(f"INSERT INTO main.store SELECT {_ABOUT} FROM other.member WHERE id = ?", (run,))
    for name, columns in COLUMNS.items():
        connection.execute(_COPY[1].format(name=name, columns=columns, where=_where(run)))
    if connection.execute("SELECT 1 FROM main.run").fetchone() is None:
        for name in tables.TABLES:
            connection.execute(f"DROP TABLE main.{name}")


def lend(folder: Path) -> None:
    """A database of its own for a run that the collection around the folder holds."""
    own, (whole, number) = folder / DATABASE, _around(folder)
    if own.is_file() or number is None:
        return
    with explained(whole):
        # Under another name first: what is there in the end is whole.
        partial = made(folder) / f".{own.name}.new"
        partial.unlink(missing_ok=True)
        with closing(
            sqlite3.connect(partial.resolve().as_uri(), PATIENCE, isolation_level=None, uri=True)
        ) as connection:
            # A journal on disk, left by a process that was killed, would be of another file than the next one.
            connection.execute("PRAGMA journal_mode=MEMORY")
            attach(connection, whole)
            connection.execute("BEGIN")
            copy_out(connection, number)
            connection.execute("COMMIT")
        partial.replace(own)


def holds_results(folder: str | PathLike[str]) -> bool:
    """Whether `load` would find the results of a run there, finished or not.

    Examples
    --------
    >>> holds_results("nowhere")
    False
    """
    return (Path(folder) / DATABASE).is_file() or _around(Path(folder))[1] is not None


def place_of(folder: Path) -> tuple[Path, int | None]:
    """The database with the results of a folder, and the number of the run in it if it is a collection's."""
    own = folder / DATABASE
    if own.is_file():
        return own, None
    if (folder / WHOLE).is_file():
        raise StoreError(f"{folder}: expected the results of one run, got a collection: load_collection reads it")
    whole, number = _around(folder)
    if number is None:
        raise StoreError(f"{own}: expected the results of an analysis, got no such file: dynaghost analyze writes them")
    return whole, number


def _around(folder: Path) -> tuple[Path, int | None]:
    """The database of the collection that a run's folder may be in, and the run's number there."""
    whole = folder.resolve().parent / WHOLE
    with explained(whole):
        return whole, member_of(whole, folder.resolve().name)


def _show(connection: sqlite3.Connection, run: int) -> None:
    # Views of the connection alone, which hide the tables of the same names.
    connection.execute("PRAGMA temp_store=MEMORY")
    for name, columns in COLUMNS.items():
        view = f"SELECT rowid AS rowid, {columns} FROM main.{name} WHERE run = {run:d}"
        connection.execute(f"CREATE TEMP VIEW {name} AS {view}")
    connection.execute(f"CREATE TEMP VIEW store AS SELECT {_ABOUT} FROM main.member WHERE id = {run:d}")


def _is_there(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT count(*) FROM other.sqlite_master WHERE name = ?", (name,))
    return bool(found.fetchone()[0])


def _where(run: int | None) -> str:
    return "" if run is None else f"WHERE run = {run:d}"
