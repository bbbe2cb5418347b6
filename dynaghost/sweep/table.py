"""A sweep's results: one row a run, in memory and in a SQLite file."""

import csv
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, Self, get_type_hints

import numpy as np

from dynaghost.database import Database, explained
from dynaghost.errors import StoreError
from dynaghost.summary import software
from dynaghost.sweep.grid import Point

DATABASE = "sweep.db"
FORMAT = 1
"""Version of the database's tables."""

# "dgsw", by which SQLite and `file` tell the database from those of other programs.
_APPLICATION = 0x64677377

Folder = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one run.

    Attributes
    ----------
    seed, learning_rate, rank, confidence, delay_steps
        Of the run, as in `Point`.
    losses : tuple of float
        At the epochs that the sweep records.
    final_loss, gradient_norm : float
        Of the last weights.
    least_loss : float
    least_epoch : int
    drops : int
        Abrupt drops of the loss.
    drop_begin, drop_end : int or None
        Epochs at which the first of them begins and the last one ends.
    drop_epochs : int
        What they last, together.
    fall_begin, fall_end : int or None
        Abrupt or not: the last epoch at which no loss so far is below 90 % of the first, and the first with one below
        10 %; None where that does not happen.
    oscillation : float
        Share of the run's epochs that belongs to an oscillation.
    wrong : bool
        The last network's output, at the trial's end, is on the wrong side of ½, or it is on the right side all along.
    stuck : bool
        In a no-learning zone at the end: gradient norm below 1e-10 at each of the last 20 epochs at least, and `wrong`.
    stuck_from : int or None
        First epoch of that stretch.
    still_from : int or None
        First epoch from which on no update changes a bit, or only through a cycle; the rest was not computed again.
    diverged : bool
        Weights became infinite; the losses from there on are NaN.
    singular_values : tuple of float
        The largest ten of W − W₀ at the end.
    proved_epochs : int or None
        Epochs, 0 included, whose number of fixed points was proved on the whole line; None if not asked for.
    one_epochs, more_epochs, ghost_epochs : int or None
        Epochs with exactly one fixed point, with more, with a ghost.
    changes : tuple of tuple of int, or None
        (epoch, before, after) wherever the number of fixed points changes; the first thousand.
    ghost_from, more_from : int or None
        First epoch with a ghost, with several fixed points.
    """

    seed: int
    learning_rate: float
    rank: int
    confidence: float
    delay_steps: int
    losses: tuple[float, ...]
    final_loss: float
    gradient_norm: float
    least_loss: float
    least_epoch: int
    drops: int
    drop_begin: int | None
    drop_end: int | None
    drop_epochs: int
    fall_begin: int | None
    fall_end: int | None
    oscillation: float
    wrong: bool
    stuck: bool
    stuck_from: int | None
    still_from: int | None
    diverged: bool
    singular_values: tuple[float, ...]
    proved_epochs: int | None = None
    one_epochs: int | None = None
    more_epochs: int | None = None
    ghost_epochs: int | None = None
    changes: tuple[tuple[int, int, int], ...] | None = None
    ghost_from: int | None = None
    more_from: int | None = None

    @property
    def point(self) -> Point:
        """What the row is found by."""
        return Point(self.seed, self.learning_rate, self.rank, self.confidence, self.delay_steps)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A table of runs.

    Attributes
    ----------
    record : tuple of int
        Epochs to which `Row.losses` belong.
    rows : tuple of Row
        In the order of the grid's points.
    """

    record: tuple[int, ...]
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> np.ndarray:
        """One field of all rows: (runs,), or (runs, recorded) for the losses.

        Entries that are None make it an array of objects.
        """
        return np.array([getattr(row, name) for row in self.rows])

    def columns(self) -> dict[str, np.ndarray]:
        """Every column that is a number or a truth value a run; the losses as `loss_0`, `loss_1000` …; NaN for None."""
        single = [f.name for f in fields(Row) if not str(_HINTS[f.name]).startswith("tuple")]
        found = {name: _numbers([getattr(row, name) for row in self.rows]) for name in single}
        losses = self.column("losses").reshape(len(self.rows), len(self.record))
        return found | {f"loss_{epoch}": losses[:, i] for i, epoch in enumerate(self.record)}

    def to_dataframe(self) -> Any:
        """The columns as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns())

    def to_csv(self, path: str | PathLike[str]) -> None:
        """The columns as a CSV file; empty where there is no value."""
        columns = self.columns()
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            for cells in zip(*(column.tolist() for column in columns.values()), strict=True):
                writer.writerow(["" if cell != cell else cell for cell in cells])


class SweepStore(Database):
    """The open database of a sweep: one writer, one transaction a task.

    A context manager. While it is open no other process reads or writes the database.
    """

    @classmethod
    def open(cls, folder: Folder, settings: Mapping[str, Any]) -> Self:
        """Open the database of a folder, both made if need be.

        Parameters
        ----------
        folder : path
        settings : mapping
            What all runs have in common, ready for JSON. The package's version is added to it.

        Raises
        ------
        StoreError
            If the folder holds runs with other settings, is in use by another process, or holds a file of that name
            that is no sweep's.
        """
        told = json.loads(json.dumps({"dynaghost": software()["dynaghost"], **settings}))
        return cls.opened(Path(folder) / DATABASE, _CREATE, lambda store, new: store._begin(new, told))

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep rows in one transaction, durable when this returns."""
        places = ", ".join("?" * len(fields(Row)))
        cells = [tuple(_cell(getattr(row, f.name)) for f in fields(Row)) for row in rows]
        with explained(self.path), self._transaction():
            self._connection.executemany(f"INSERT OR REPLACE INTO run VALUES ({places})", cells)

    def rows(self) -> dict[Point, Row]:
        """Every row that is kept."""
        with explained(self.path):
            return {row.point: row for row in _rows(self._connection)}

    def _begin(self, new: bool, settings: dict[str, Any]) -> None:
        if new:
            self._connection.execute("INSERT INTO store VALUES (?)", (json.dumps(settings),))
        else:
            _check(self.path, self._connection, settings)


def load_sweep(*folders: Folder) -> Sweep:
    """The runs that are kept in one folder or several, finished or not, in the order of a grid's points.

    Parameters
    ----------
    *folders : path
        Parts of one sweep, computed in different places, may be read together.

    Returns
    -------
    Sweep

    Raises
    ------
    StoreError
        If a folder holds no sweep, or they hold sweeps with different settings.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.sweep import Grid, sweep
    >>> with TemporaryDirectory() as out:
    ...     found = sweep(Grid(seeds=range(2), learning_rates=[0.02]), out=out, epochs=20)
    ...     load_sweep(out) == found
    True
    """
    found: dict[Point, Row] = {}
    settings: dict[str, Any] | None = None
    for folder in folders:
        path = Path(folder) / DATABASE
        if not path.is_file():
            raise StoreError(f"{path}: expected the runs of a sweep, got no such file")
        # Not read-only: a journal that a killed process left has to be rolled back first.
        address = f"{path.resolve().as_uri()}?mode=rw"
        with explained(path):
            connection = sqlite3.connect(address, uri=True, timeout=0)
            try:
                settings = _check(path, connection, settings)
                found |= {row.point: row for row in _rows(connection)}
            finally:
                connection.close()
    if settings is None:
        raise StoreError("folders: expected at least one, got none")
    return Sweep(tuple(settings["record"]), ordered(found.values()))


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """By delay, rank, confidence, rate and seed."""
    return tuple(sorted(rows, key=lambda r: (r.delay_steps, r.rank, r.confidence, r.learning_rate, r.seed)))


def _check(path: Path, connection: sqlite3.Connection, settings: dict[str, Any] | None) -> dict[str, Any]:
    """The settings that the database holds; an error if it is no sweep's, or they are not `settings`."""
    application, version = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
    if application != _APPLICATION or version != FORMAT:
        raise StoreError(f"{path}: expected a sweep of format {FORMAT}, got another database or format")
    held = json.loads(connection.execute("SELECT settings FROM store").fetchone()[0])
    asked = held if settings is None else settings
    # A setting that a store does not know yet is one that was not used in it: None.
    names = [name for name in {**held, **asked} if held.get(name) != asked.get(name)]
    if names:
        told = "; ".join(f"{name} {held.get(name)} there, {asked.get(name)} here" for name in names)
        raise StoreError(
            f"{path}: expected a sweep with these settings, got one with others ({told}): choose another folder"
        )
    return held


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    names = [f.name for f in fields(Row)]
    for cells in connection.execute(f"SELECT {', '.join(names)} FROM run"):
        yield Row(**{name: _value(_HINTS[name], cell) for name, cell in zip(names, cells, strict=True)})


def _cell(value: Any) -> Any:
    # SQLite stores NaN as NULL, and knows no lists.
    return json.dumps(value) if isinstance(value, tuple) else value


def _value(hint: Any, cell: Any) -> Any:
    if cell is None:
        return math.nan if hint is float else None
    if isinstance(cell, str):
        return tuple(tuple(part) if isinstance(part, list) else part for part in json.loads(cell))
    return bool(cell) if hint is bool else cell


def _numbers(values: Sequence[Any]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values])


_HINTS = get_type_hints(Row)
_KEY = ", ".join(f.name for f in fields(Point))
_CREATE = (
    f"PRAGMA application_id={_APPLICATION}",
    f"PRAGMA user_version={FORMAT}",
    "CREATE TABLE store (settings TEXT)",
    f"CREATE TABLE run ({', '.join(f.name for f in fields(Row))}, PRIMARY KEY ({_KEY}))",
)
