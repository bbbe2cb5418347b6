"""What every figure's module offers, and the numbers it passes from one function to the next."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.paper.claims import Claim
from dynaghost.summary import plain, software

SCHEMA = 1
"""Version of the numbers' JSON."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Everything that a figure shows and its claims need.

    Attributes
    ----------
    figure : str
        "1", "2a", …; file names begin with "figure" and this.
    parameters : dict
        Of the experiment, seeds included.
    values : dict
        Single numbers, texts and lists of them, ready for JSON.
    tables : dict
        Name → columns of one length, each an array; a CSV file each.
    """

    figure: str
    parameters: dict[str, Any]
    values: dict[str, Any]
    tables: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


class Figure(Protocol):
    """A module of `dynaghost.paper`: `figure1`, `figure2a`, …"""

    def run(self, out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
        """The experiment. What takes long is kept in `out` as it goes, and found there by the next call.

        Parameters
        ----------
        out : Path
            Folder, which exists.
        quick : bool
            A smaller version.
        jobs : int
            Workers; the numbers are the same for any number.
        seed : int or None
            None for the paper's own.
        """
        ...

    def draw(self, numbers: Numbers, out: Path) -> list[Path]:
        """The figure as PNG and PDF."""
        ...

    def claims(self, numbers: Numbers) -> list[Claim]:
        """What is claimed about the figure, against the numbers."""
        ...


def save(numbers: Numbers, claims: Sequence[Claim], out: Path) -> list[Path]:
    """Write `figure2a.json` (numbers and claims) and `figure2a_TABLE.csv`, each there as a whole or not at all.

    Parameters
    ----------
    numbers : Numbers
    claims : sequence of Claim
    out : Path

    Returns
    -------
    list of Path

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> numbers = Numbers("1", {"r": 0.5}, {"ghosts": 1}, {"flow": {"x": np.arange(2.0)}})
    >>> with TemporaryDirectory() as out:
    ...     [path.name for path in save(numbers, [], Path(out))], load(Path(out), "1").values
    (['figure1_flow.csv', 'figure1.json'], {'ghosts': 1})
    """
    files = []
    for name, columns in numbers.tables.items():
        files.append(out / f"figure{numbers.figure}_{name}.csv")
        write(files[-1], _csv(columns).encode())
    document = {
        "schema": SCHEMA,
        "figure": numbers.figure,
        "software": software(),
        "parameters": numbers.parameters,
        "values": numbers.values,
        "tables": {name: f"figure{numbers.figure}_{name}.csv" for name in numbers.tables},
        "claims": [asdict(claim) for claim in claims],
    }
    files.append(out / f"figure{numbers.figure}.json")
    write(files[-1], (json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n").encode())
    return files


def load(out: Path, figure: str) -> Numbers:
    """The numbers that `save` wrote; what was not finite comes back as None.

    Raises
    ------
    DynaghostError
        If they are not there, or of another version.
    """
    path = out / f"figure{figure}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DynaghostError(f"{path}: expected the numbers of figure {figure}, got {error}") from error
    if document.get("schema") != SCHEMA:
        raise DynaghostError(f"{path}: expected numbers of version {SCHEMA}, got {document.get('schema')}")
    tables = {name: _columns(out / file) for name, file in document["tables"].items()}
    return Numbers(figure, document["parameters"], document["values"], tables)


def write(path: Path, content: bytes) -> None:
    """A file, there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An .npz file, there as a whole or not at all."""
    stream, content = io.BytesIO(), cast(dict[str, Any], dict(arrays))
    np.savez(stream, **content)
    write(path, stream.getvalue())


def _csv(columns: Mapping[str, np.ndarray]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # repr of a float comes back to the last bit.
    writer.writerows(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))
    return text.getvalue()


def _columns(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return {name: np.array([_value(row[i]) for row in rows]) for i, name in enumerate(head)}


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
