"""What many runs have in common: a row a run, and how many drops were explained by what, by any hyper-parameter."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynaghost.codec import dumps
from dynaghost.errors import DynaghostError, counted
from dynaghost.summary import software

if TYPE_CHECKING:
    import pandas

SCHEMA = 1
"""Version of `collection.json`."""
COLLECTION = "collection.json"

Parameter = int | float | str | bool | None
Folder = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Explained:
    """A drop of the loss of one run and what explains it; as in `Verdict`."""

    before: float
    after: float
    verdict: str
    grade: str


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a collection.

    Attributes
    ----------
    name : str
        Its folder of results inside the collection's.
    source : str
    error : str
        Why it could not be read or analyzed; empty where it was.
    content : str
        `Run.content_hash`.
    checkpoints : int
    parameters : dict
        Single values of its run.json, by name, such as seed and learning_rate.
    events : dict of str to int
        How many of each kind.
    drops : tuple of Explained
    """

    name: str
    source: str
    error: str = ""
    content: str = ""
    checkpoints: int = 0
    parameters: dict[str, Any] | None = None
    events: dict[str, int] | None = None
    drops: tuple[Explained, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Collected:
    """What is told of many runs that were analyzed.

    Attributes
    ----------
    source : str
    settings : dict of str to str
        What was asked for besides what files say: results of other settings are not mixed.
    runs : tuple of Row
        In the order of their names.

    Examples
    --------
    >>> drop = Explained(10.0, 20.0, "ghost", "proved")
    >>> rows = (Row("a", "runs/a", parameters={"seed": 1}, drops=(drop,)), Row("b", "runs/b", parameters={"seed": 2}))
    >>> Collected("runs/*", {}, rows)
    Collected(runs/*: 2 runs, 2 of them analyzed; ghost 1)
    >>> Collected("runs/*", {}, rows).by("seed")
    {1: {'runs': 1, 'ghost': 1}, 2: {'runs': 1}}
    """

    source: str
    settings: dict[str, str]
    runs: tuple[Row, ...]

    def __repr__(self) -> str:
        answers = ", ".join(f"{name} {count}" for name, count in sorted(self.verdicts.items()))
        analyzed = len(self.runs) - len(self.failed)
        told = f"{counted(len(self.runs), 'run')}, {analyzed} of them analyzed; {answers or 'no drop of the loss'}"
        return f"{type(self).__name__}({self.source}: {told})"

    @property
    def failed(self) -> tuple[Row, ...]:
        """The runs that could not be read or analyzed."""
        return tuple(row for row in self.runs if row.error)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many drops have each verdict."""
        return dict(Counter(drop.verdict for row in self.runs for drop in row.drops))

    def by(self, parameter: str) -> dict[Parameter, dict[str, int]]:
        """Runs and drops by verdict for each value of a parameter; None where a run does not say it."""
        found: dict[Parameter, Counter[str]] = {}
        for row in self.runs:
            if not row.error:
                counts = found.setdefault((row.parameters or {}).get(parameter), Counter())
                counts.update(["runs", *(drop.verdict for drop in row.drops)])
        known = sorted((value for value in found if value is not None), key=_order)
        return {value: dict(found[value]) for value in [*known, *([None] if None in found else [])]}

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the parameters that differ from run to run."""
        known = [row.parameters or {} for row in self.runs if not row.error]
        names = dict.fromkeys(name for one in known for name in one)
        return tuple(name for name in names if len({repr(one.get(name)) for one in known}) > 1)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dict a run, each value single."""
        for row in self.runs:
            counts = Counter(drop.verdict for drop in row.drops)
            yield {
                "run": row.name,
                "source": row.source,
                "error": row.error,
                "checkpoints": row.checkpoints,
                **(row.parameters or {}),
                "drops": len(row.drops),
                **{f"drops_{name}": counts[name] for name in self.verdicts},
                **{f"events_{name}": (row.events or {}).get(name, 0) for name in self.kinds},
            }

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of events that occur."""
        return tuple(sorted({kind for row in self.runs for kind in row.events or {}}))

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row a run.

        Raises
        ------
        DynaghostError
            If pandas, the extra `dynaghost[pandas]`, is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise DynaghostError("to_dataframe: expected pandas, got none: pip install 'dynaghost[pandas]'") from error
        return pandas.DataFrame(list(self.rows()))


def _order(value: Parameter) -> tuple[bool, Any]:
    return isinstance(value, str), value


def save_collection(collection: Collected, folder: Folder) -> None:
    """Write `collection.json`, for other programs, whole or not at all."""
    path = Path(folder) / COLLECTION
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"schema": SCHEMA, "software": software(), "source": collection.source, "settings": collection.settings}
    lines = [f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in head.items()]
    runs = ",\n  ".join(dumps(row) for row in collection.runs)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("{" + ",\n ".join([*lines, f'"runs": [\n  {runs}]']) + "}\n", encoding="utf-8")
    temporary.replace(path)


def as_json(collection: Collected) -> dict[str, Any]:
    """The collection as dicts and lists."""
    return {
        "source": collection.source,
        "settings": collection.settings,
        "runs": [asdict(row) for row in collection.runs],
    }
