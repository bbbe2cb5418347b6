"""Results on disk: what a run's analysis keeps as it goes, so that it can be resumed, and what it found in the end.

One SQLite file, one writer, one transaction a batch: a process that is killed loses no more than the batch it was at.
The columns of the final tables are for people (`sqlite3 analysis.db "SELECT step, kind, x FROM point"`); their column
`record` holds what restores each record to its last bit.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dynaghost import tables
from dynaghost.checkpoints.run import Run
from dynaghost.codec import loads
from dynaghost.columns import pack, unpack
from dynaghost.database import ELSEWHERE, Database, explained, understood
from dynaghost.errors import StoreError
from dynaghost.packed import Block, packed
from dynaghost.run_tables import (
    CREATE,
    DATABASE,
    WHOLE,
    attach,
    check_format,
    connected,
    holds_results,
    is_finished,
    lend,
    place_of,
)
from dynaghost.same_run import described, differences, is_of, key_of
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.stored_circuits import Reader
from dynaghost.summary import FILES, software
from dynaghost.systems.base import System
from dynaghost.told import Told
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.findings import Batch, End, Findings
from dynaghost.trajectories.homotopy import Link
from dynaghost.trajectories.on_line import batch_of
from dynaghost.trajectories.stacks import Circuit, Stack

if TYPE_CHECKING:
    from dynaghost.trajectories.story import Story

# The kinds of records of a batch's parts, and the ends of trials that are not known.
_KINDS: dict[str, Any] = {"points": SlowPoints, "links": Link, "odd": bool, "ends": End}
_NO_ENDS = pack(End, ())

F = TypeVar("F", bound=Findings)
Folder = str | PathLike[str]


class Store(Database):
    """The open database of a folder of results; made by `Store.open` or `open_store`.

    A context manager. While it is open no other process reads or writes the database.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Store.open(folder, "abc") as store:
    ...     store.keep(0, Batch((0,), ()))
    ...     store.batch(0).steps, store.batch(1)
    ((0,), None)
    """

    @classmethod
    def open(
        cls,
        folder: Folder,
        key: str,
        *,
        description: Mapping[str, Any] | None = None,
        trial: str | None = None,
        patience: float = 0.0,
    ) -> Self:
        """Open the database of a folder, both made if need be.

        Parameters
        ----------
        folder : path
        key : str
            Equal for analyses whose results are equal (`key_of`).
        description : mapping, optional
            What is analyzed, ready for JSON: with it the error can say what differs from what the folder holds.
        trial : str, optional
            Equal for trials that end alike: of another trial only the ends in the batches are forgotten.
        patience : float
            How long to wait for another process that uses the database, in seconds.

        Raises
        ------
        StoreError
            If the folder holds results of another key, is in use by another process, or holds a file of that name that
            is no database of results.
        """
        if (Path(folder) / WHOLE).is_file():
            raise StoreError(f"{folder}: expected a folder for the results of one run, got those of many: {ELSEWHERE}")
        about = dict(description or {})
        path = Path(folder) / DATABASE
        return cls.opened(path, CREATE, lambda store, new: store._begin(new, key, about, trial), patience=patience)

    def __init__(self, path: Path, connection: sqlite3.Connection, run: int | None = None) -> None:
        super().__init__(path, connection)
        self.reader = Reader(path, connection, run)

    def batch(self, i: int) -> Batch | None:
        """Batch `i` if it was kept, else None: the `done=` of `analyze`.

        Raises
        ------
        StoreError
            If the database is damaged.
        """
        with explained(self.path), understood(self.path):
            row = self._connection.execute(f"SELECT steps, {', '.join(_KINDS)} FROM batch WHERE number = ?", (i,))
            found = row.fetchone()
            return None if found is None else self._batch(i, *found)

    def finished(
        self,
        run: Run,
        kind: type[F] = Findings,  # type: ignore[assignment]
        *,
        drops: DropRule | None = None,
    ) -> F | None:
        """What was found about this very run before, if nothing would come out otherwise today, else None.

        Steps, weights and the search are those of the store's key. Here the rest is compared that results depend on:
        trials, losses and what counts as a drop of them, which files there are, and the versions of the libraries.

        Parameters
        ----------
        run : Run
        kind : type
            `Findings`, or a subclass with the same fields.
        drops : DropRule, optional
            What counts as a drop, as `analyze` was told. Another rule needs other verdicts, but no slow point anew.

        Raises
        ------
        StoreError
            If the database is damaged.
        """
        with explained(self.path), understood(self.path):
            if not is_finished(self._connection):
                return None
            (versions,) = self._connection.execute("SELECT software FROM run").fetchone()
            if loads(dict, versions) != software():
                return None
            found = kind(**tables.fields(self._connection.execute), circuits=self.reader.all_circuits())
            same_rule = found.losses.rule == (drops or DropRule())
            return found if same_rule and is_of(found, run) else None

    def keep(self, i: int, batch: Batch) -> None:
        """Keep batch `i` in one transaction, durable when this returns: the `keep=` of `analyze`.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        first, last = (batch.steps[0], batch.steps[-1]) if batch.steps else (None, None)
        parts = [packed(kind, getattr(batch, name)) for name, kind in _KINDS.items()]
        row = (i, pack(int, batch.steps), first, last, len(batch.steps), *parts)
        with explained(self.path), self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            if isinstance(batch.circuits, Stack):
                self._keep_circuits(i, batch.circuits)

    def join(self, folder: Folder) -> int:
        """Keep the batches of another store of the same run that are not here, in one transaction; how many are here.

        Raises
        ------
        StoreError
            If the folder has no such store, or that of another run, other settings or another trial.
        """
        path = Path(folder) / DATABASE
        if not path.is_file():
            raise StoreError(f"{path}: expected the results of a part of a run, got no such file")
        with explained(path), _attached(self._connection, path), self._transaction():
            query = "SELECT key, trial, description FROM {}.store"
            here, there = (self._connection.execute(query.format(name)).fetchone() for name in ("main", "other"))
            if here[:2] != there[:2]:
                told = differences(*({"trial": one[1], **json.loads(one[2])} for one in (there, here)))
                raise StoreError(f"{path}: expected a part of this run with these settings, got another ({told})")
            for name in ("batch", "circuits"):
                self._connection.execute(f"INSERT OR IGNORE INTO main.{name} SELECT * FROM other.{name}")
            return int(self._connection.execute("SELECT count(*) FROM main.batch").fetchone()[0])

    def story(self, key: str) -> "Story | None":
        """What was followed on a link of this key (`key_of_link`) if it was kept, else None.

        Raises
        ------
        StoreError
            If the database is damaged.
        """
        from dynaghost.trajectories.story import Story  # late: runs of rank one need nothing of it

        with explained(self.path), understood(self.path):
            found = self._connection.execute("SELECT record FROM story WHERE key = ?", (key,)).fetchone()
            if found is None:
                return None
            (story,) = unpack(Story, *found)
            return story

    def keep_stories(self, stories: "Mapping[str, Story]") -> None:
        """Keep what was followed on some links, by their keys, in one transaction: the `links=` of `analyze`.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        from dynaghost.trajectories.story import Story

        rows = [(key, pack(Story, (one,))) for key, one in stories.items()]
        with explained(self.path), self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO story VALUES (?, ?)", rows)

    def finish(self, findings: Findings, told: Iterable[Told]) -> None:
        """Write the final tables in one transaction, in the place of earlier ones.

        Parameters
        ----------
        findings : Findings
        told : iterable of Told
            What is told of its checkpoints, in order.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        with explained(self.path), self._transaction():
            for name, columns in tables.TABLES.items():
                self._connection.execute(f"DROP TABLE IF EXISTS {name}")
                self._connection.execute(f"CREATE TABLE {name} ({columns})")
            for name, rows in tables.rows(findings, told):
                self._insert(name, rows)
            self._finish_circuits(findings.circuits)
            # Other files than these results' may still be there.
            self._connection.execute("DELETE FROM file")

    def wrote(self, folder: Path) -> None:
        """Note that the files of the results in the database are written."""
        with explained(self.path), self._transaction():
            sizes = [(name, (folder / name).stat().st_size) for name in FILES]
            self._connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?)", sizes)

    def files_are_written(self, folder: Path | None = None) -> bool:
        """Whether the other files of the folder of results are of those in the database, and all there."""
        with explained(self.path):
            sizes = dict(self._connection.execute("SELECT name, size FROM file"))
        paths = [(folder or self.path.parent) / name for name in FILES]
        return all(path.is_file() and path.stat().st_size == sizes.get(path.name) for path in paths)

    def close(self) -> None:
        """Close the database, which others can then open."""
        self.reader.connection = None
        super().close()

    def _batch(self, i: int, steps: bytes, *parts: bytes) -> Batch:
        found = tuple(unpack(int, steps))
        blocks: list[Any] = [Block.read(kind, part) for kind, part in zip(_KINDS.values(), parts, strict=True)]
        return Batch(found, *blocks, *self.reader.circuits(i))

    def _keep_circuits(self, number: int, stack: Stack) -> None:
        places = ", ".join("?" * (len(astuple(stack)) + 1))
        self._connection.execute(f"INSERT OR REPLACE INTO circuits VALUES ({places})", (number, *astuple(stack)))

    def _finish_circuits(self, circuits: Sequence[System]) -> None:
        """The circuits of those checkpoints that no batch kept."""
        # In the same blocks as batches of a run of this length, one of which may be kept later.
        size = batch_of(len(circuits))
        kept = {number for (number,) in self._connection.execute("SELECT number FROM circuits")}
        missing = set(range(-(-len(circuits) // size))) - kept
        # None is looked at without need: those of an analysis that was loaded are in this very database.
        if missing and isinstance(circuits[0], Circuit):
            for number in sorted(missing):
                some = circuits[number * size : (number + 1) * size]
                self._keep_circuits(number, Stack.of(some))  # type: ignore[arg-type]

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * (tables.TABLES[table].count(",") + 1))
        self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)

    def _begin(self, new: bool, key: str, description: dict[str, Any], trial: str | None) -> None:
        if new:
            self._connection.execute("INSERT INTO store VALUES (?, ?, ?)", (key, json.dumps(description), trial))
            return
        check_format(self._connection, self.path)
        self._check_key(key, description)
        if trial is not None and self._connection.execute("SELECT trial FROM store").fetchone() != (trial,):
            self._connection.execute("UPDATE batch SET ends = ?", (_NO_ENDS,))
            self._connection.execute("UPDATE store SET trial = ?", (trial,))

    def _check_key(self, key: str, description: dict[str, Any]) -> None:
        held, text = self._connection.execute("SELECT key, description FROM store").fetchone()
        if held == key:
            return
        if not is_finished(self._connection) and not self._connection.execute("SELECT 1 FROM batch").fetchone():
            # An analysis that stopped before its first batch binds nobody.
            self._connection.execute("UPDATE store SET key = ?, description = ?", (key, json.dumps(description)))
            return
        raise StoreError(
            f"{self.path}: expected results of this run with these settings, got those of another "
            f"({differences(json.loads(text), description)}): {ELSEWHERE}"
        )


def open_store(folder: Folder, run: Run, *, patience: float = 0.0) -> Store:
    """The store of a run's analysis: `analyze(run, done=store.batch, keep=store.keep)` goes on where it stopped.

    Parameters
    ----------
    folder : path
        Of the results. Those that the database of a collection around it holds are taken up from there.
    run : Run
        Its files are read once, for `Run.content_hash`.
    patience : float
        How long to wait for another process that uses it, in seconds.

    Raises
    ------
    StoreError
        As `Store.open` does; also if the folder is that of a collection.
    """
    content, steps = run.search_hash(), run.steps
    told = described(run.source, run.axis, steps, content) | run.settings.values_of_search()
    lend(Path(folder))
    return Store.open(folder, key_of(content), description=told, trial=run.settings.digest_of_ends(), patience=patience)


def finished_in_collection(
    folder: Path,
    run: Run,
    kind: type[F] = Findings,  # type: ignore[assignment]
    *,
    drops: DropRule | None = None,
) -> F | None:
    """`Store.finished` of a run's folder of results whose database is that of the collection around it, else None.

    None also where a file of the folder is missing: whoever finds it so has to open the store.

    Raises
    ------
    StoreError
        If the database is damaged, or holds results of other weights or of another search.
    """
    if (folder / DATABASE).is_file() or not holds_results(folder):
        return None
    path, number = place_of(folder)
    with explained(path), closing(Store(path, connected(path, number), number)) as store:
        content = run.search_hash()
        told = described(run.source, run.axis, run.steps, content) | run.settings.values_of_search()
        store._check_key(key_of(content), told)
        found = store.finished(run, kind, drops=drops)
        return found if store.files_are_written(folder) else None


@contextmanager
def _attached(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    attach(connection, path)
    try:
        yield
    finally:
        connection.execute("DETACH other")
