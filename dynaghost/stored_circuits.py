"""The latent circuits of a run in a database of results."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

from dynaghost.database import explained
from dynaghost.packed import Packed
from dynaghost.run_tables import connected
from dynaghost.systems.base import Array
from dynaghost.trajectories.stacks import Circuit, Stack


class Reader:
    """The circuits of a database of results, read when they are asked for, whether it is open or closed meanwhile.

    Parameters
    ----------
    path : Path
    connection : Connection, optional
        While it is open.
    run : int, optional
        The number of the run in the database of a collection.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection | None = None, run: int | None = None) -> None:
        self.path, self.connection, self.run = path, connection, run

    def circuits(self, number: int | None = None) -> list["StoredCircuits"]:
        """Those of every block, in order, or of one."""
        which = "ORDER BY number" if number is None else f"WHERE number = {number}"
        return [StoredCircuits(self, *row) for row in self._rows(f"SELECT number, size FROM circuits {which}")]

    def all_circuits(self) -> Sequence[Any]:
        """One a checkpoint; empty for networks whose circuits are not kept.

        Raises
        ------
        ValueError
            If weights are lost.
        """
        sizes = "length(m) != 8 * size * units * rank OR length(n) != length(m) OR length(b) != 8 * size * units"
        if self._rows(f"SELECT number FROM circuits WHERE {sizes}"):
            raise ValueError("expected circuits of the sizes that are given, got others")
        return Packed(self.circuits())

    def stack(self, number: int) -> Stack:
        """The circuits of a block."""
        names = ", ".join(one.name for one in fields(Stack)).replace("number", "size")
        (row,) = self._rows(f"SELECT {names} FROM circuits WHERE number = {number}")
        return Stack(*row)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with explained(self.path):
            if self.connection is not None:
                return self.connection.execute(query).fetchall()
            with closing(connected(self.path, self.run)) as connection:
                return connection.execute(query).fetchall()


class StoredCircuits:
    """The latent circuits of a block, read when they are iterated over."""

    def __init__(self, reader: Reader, number: int, size: int) -> None:
        self.reader, self.number, self.size = reader, number, size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Circuit]:
        return iter(self.reader.stack(self.number))

    def arrays(self) -> tuple[Array, Array, Array]:
        """Their m, n and b, a circuit a row."""
        return self.reader.stack(self.number).arrays()
