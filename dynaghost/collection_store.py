"""The one database of a collection: every run's tables in it, a run a key, and a view of slow points a run.

While a run is analyzed it has a database of its own, in its folder of results, where each batch is one transaction.
When it is finished its rows are taken into the collection's database, in one transaction, and the other one goes. A
process that is killed in between leaves the run in both, and the next one takes it again in the place of itself.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Self

from dynaghost.codec import dumps, loads
from dynaghost.collected import COLLECTION, Collected, Row
from dynaghost.database import Database, explained, made
from dynaghost.errors import StoreError
from dynaghost.run_tables import CREATE_WHOLE, DATABASE, PATIENCE, WHOLE, attach, check_format, connected, copy_in

EARLIER = "results of an earlier version of dynaghost: analyze the runs again into another folder (--out)"
"""What to do with a collection that has no database."""
LOCK = "collection.lock"
"""A database without results that is locked while a process writes to the collection."""

_SHOWN = "number, step, kind, branch, x, speed, passage_time, stability, certificate, radius"


class _Lock(Database):
    # A journal on disk would stay behind when the process is killed.
    pragmas = ("locking_mode=EXCLUSIVE", "journal_mode=MEMORY")


class CollectionStore(Database):
    """The open database of a collection; made by `CollectionStore.open`.

    Other processes may read it meanwhile, but not write to it.
    """

    # Workers read what is known of their runs while this process waits.
    pragmas = ("journal_mode=DELETE", "synchronous=FULL", f"busy_timeout={PATIENCE * 1000:.0f}")

    @classmethod
    @contextmanager
    def open(cls, folder: str | PathLike[str], begin: Callable[[Self], None]) -> Iterator[Self]:
        """Open the database of a folder, both made if need be; a context manager.

        Parameters
        ----------
        folder : path
        begin : callable
            Called with the open database, to check what it is of.

        Raises
        ------
        StoreError
            If the folder holds the results of one run, another process writes to it, the file is no such database, or
            an earlier version of dynaghost wrote there.
        """
        target = Path(folder)
        if (target / DATABASE).is_file():
            raise StoreError(
                f"{target}: expected a folder for the results of many runs, got those of one: choose another (--out)"
            )
        if (target / COLLECTION).is_file() and not (target / WHOLE).is_file():
            raise StoreError(f"{target}: expected {WHOLE} beside {COLLECTION}, got {EARLIER}")
        opened = partial(cls.opened, target / WHOLE, CREATE_WHOLE, lambda store, new: store._check(new))
        with _Lock.opened(target / LOCK, (), lambda *_: None), opened() as store:
            begin(store)
            yield store

    def settings(self) -> tuple[str, dict[str, str]] | None:
        """Source and settings of the collection, or None if they were not told yet."""
        found = self._connection.execute("SELECT source, settings FROM collection").fetchone()
        return None if found is None else (found[0], json.loads(found[1]))

    def tell(self, source: str, settings: Mapping[str, str]) -> None:
        """Say what the collection is of."""
        with explained(self.path), self._transaction():
            self._connection.execute("DELETE FROM collection")
            self._connection.execute("INSERT INTO collection VALUES (?, ?)", (source, json.dumps(dict(settings))))

    def rows(self) -> tuple[Row, ...]:
        """What is told of each run, in the order of their names."""
        return _rows(self._connection)

    def note(self, row: Row) -> None:
        """Tell something of a run without touching its results."""
        with explained(self.path), self._transaction():
            self._note(row)

    def forget(self, reason: str) -> None:
        """Tell of every run that it is not analyzed; its results stay, and are taken up when it is."""
        with explained(self.path), self._transaction():
            for row in _rows(self._connection):
                self._note(Row(row.name, row.source, row.error or reason))

    def take(self, row: Row) -> None:
        """Take the results of a finished run from the database in its folder, if there is one, and tell of it."""
        own = self.path.parent / row.name / DATABASE
        if not own.is_file():
            self.note(row)
            return
        with explained(own), self._attached(own), self._transaction():
            number = self._note(row)
            about = self._connection.execute("SELECT key, description, trial FROM other.store").fetchone()
            self._hold(number, row.name, about, None)
        # A journal that a killed process left is of no use to the next database of that name.
        own.with_name(f"{own.name}-journal").unlink(missing_ok=True)
        own.unlink()

    def join(self, row: Row, path: Path) -> None:
        """Take what the database of another collection holds of a run, and tell of it as is told there.

        Raises
        ------
        StoreError
            If results of this run are here that are of other weights or settings.
        """
        with explained(path), self._attached(path), self._transaction():
            there, held = self._member("other", row.name), self._member("main", row.name)
            if held is not None and there is not None and (held[1], self._content(row.name)) != (there[1], row.content):
                raise StoreError(
                    f"{path}: expected results of {row.name} as in {self.path}, got those of other weights or settings"
                )
            if there is not None and held is None:
                self._hold(self._note(row), row.name, there[1:], there[0])
            elif held is None:
                self._note(row)

    def _hold(self, number: int, name: str, about: tuple[Any, ...], run: int | None) -> None:
        update = "UPDATE member SET key = ?, description = ?, trial = ? WHERE id = ?"
        self._connection.execute(update, (*about, number))
        copy_in(self._connection, number, run)
        quoted = f"points of {name}".replace('"', '""')
        self._connection.execute(
            f'CREATE VIEW IF NOT EXISTS main."{quoted}" AS SELECT {_SHOWN} FROM point WHERE run = {number:d}'
        )

    def _note(self, row: Row) -> int:
        told = (
            "INSERT INTO member (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record"
        )
        self._connection.execute(told, (row.name, dumps(row)))
        (number,) = self._connection.execute("SELECT id FROM member WHERE name = ?", (row.name,)).fetchone()
        return int(number)

    def _member(self, database: str, name: str) -> Any:
        """Number and description of a run whose results are there, else None."""
        query = f"SELECT id, key, description, trial FROM {database}.member WHERE name = ? AND key IS NOT NULL"
        return self._connection.execute(query, (name,)).fetchone()

    def _content(self, name: str) -> str:
        (record,) = self._connection.execute("SELECT record FROM member WHERE name = ?", (name,)).fetchone()
        return loads(Row, record).content

    @contextmanager
    def _attached(self, path: Path) -> Iterator[None]:
        attach(self._connection, path)
        try:
            yield
        finally:
            self._connection.execute("DETACH other")

    def _check(self, new: bool) -> None:
        if not new:
            check_format(self._connection, self.path)


def load_rows(folder: Path) -> Collected:
    """What the database of a collection tells of its runs.

    Raises
    ------
    StoreError
        If there is none, or a damaged one, or one of another version.
    """
    path = folder / WHOLE
    with explained(path), closing(connected(path)) as connection:
        check_format(connection, path)
        told = connection.execute("SELECT source, settings FROM collection").fetchone()
        if told is None:
            raise StoreError(f"{path}: expected a collection, got one that was just begun: the same command goes on")
        return Collected(told[0], json.loads(told[1]), _rows(connection))


def _rows(connection: sqlite3.Connection) -> tuple[Row, ...]:
    return tuple(loads(Row, record) for (record,) in connection.execute("SELECT record FROM member ORDER BY name"))


def join_files(source: Path, target: Path) -> None:
    """Copy a run's folder of results, if it is not there or is of an analysis that did not come to its end.

    A copy that is cut short is not seen as one.
    """
    unfinished = (target / DATABASE).is_file() and not (source / DATABASE).is_file()
    if not source.is_dir() or (target.is_dir() and not unfinished):
        return
    # Under another name first: a copy that is killed leaves no half of a folder.
    partial = made(target.parent) / f".{target.name}.new"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
