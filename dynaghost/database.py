"""SQLite files with one writer: opened with a lock that is kept, written in transactions, errors that name the file."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from dynaghost.errors import DynaghostError, StoreError

# One writer that keeps its lock. No WAL: it fails on cluster file systems.
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=DELETE", "synchronous=FULL")
ELSEWHERE = "choose another folder (--out), or delete this one's results"


class Database:
    """An open database, a context manager. While it is open no other process reads or writes it."""

    pragmas: tuple[str, ...] = PRAGMAS

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection

    @classmethod
    def opened(
        cls, path: Path, create: Iterable[str], begin: Callable[[Self, bool], None], *, patience: float = 0.0
    ) -> Self:
        """Open a database, made if need be.

        Parameters
        ----------
        path : Path
            Its folder is made if need be.
        create : iterable of str
            Statements for a new one.
        begin : callable
            Called in the same transaction with the database and whether it is new: writes or checks what it is of.
        patience : float
            How long to wait for another process that uses it, in seconds.

        Raises
        ------
        StoreError
            If it is in use by another process, or the file is no database.
        """
        made(path.parent)
        with explained(path):
            connection = sqlite3.connect(path.resolve().as_uri(), patience, isolation_level=None, uri=True)
            database = cls(path, connection)
            try:
                for pragma in cls.pragmas:
                    connection.execute(f"PRAGMA {pragma}")
                with database._transaction():
                    new = holds_nothing(connection)
                    for statement in create if new else ():
                        connection.execute(statement)
                    begin(database, new)
            except BaseException:
                connection.close()
                raise
        return database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, which others can then open."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # With locking_mode=EXCLUSIVE the lock that this takes is held until the database is closed.
        self._connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()


def made(folder: Path) -> Path:
    """The folder, made if need be.

    Raises
    ------
    StoreError
        If it cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: expected a folder, or a place for one, got {error.strerror or error}") from error
    return folder


def holds_nothing(connection: sqlite3.Connection) -> bool:
    """Whether a database was just made."""
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What goes wrong inside SQLite as a StoreError that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _operational(path, error) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path}: expected a database of results, got a damaged or another file ({error}): {ELSEWHERE}"
        ) from error


def _operational(path: Path, error: sqlite3.OperationalError) -> StoreError:
    if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{path}: expected results that no other process uses, got a locked database: wait until the other one "
            "ends, or choose another folder (--out)"
        )
    return StoreError(f"{path}: expected a database that can be read and written, got an error ({error})")


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """A record that cannot be read as a StoreError that names the file."""
    try:
        yield
    except DynaghostError:
        raise
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise StoreError(f"{path}: expected records of this version, got others ({error!r}): {ELSEWHERE}") from error
