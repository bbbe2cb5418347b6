"""What the terminal shows of a collection: what explains the drops of its runs, by what differs between them."""

from dynaghost.collected import Collected, Parameter
from dynaghost.errors import counted
from dynaghost.trajectories.chance import Chance
from dynaghost.views.text import chance_text

MOST = 12
"""Most values of a parameter that a table lists."""
_ANSWERS = ("ghost", "bifurcation", "both", "none", "undecided")


def collection_summary(collection: Collected, chance: Chance | None = None) -> str:
    """The whole answer as text: drops by verdict, the same by each parameter that varies, and the runs that failed.

    Parameters
    ----------
    collection : Collection
    chance : Chance, optional
        Over all its runs, as `chance_over` gives it.

    Examples
    --------
    >>> from dynaghost.collected import Explained, Row
    >>> runs = (Row("a", "runs/a", drops=(Explained(10.0, 20.0, "ghost", "proved"),)), Row("b", "runs/b", "no weights"))
    >>> print(collection_summary(Collected("runs/*", {}, runs)))
    runs/*: 2 runs, 1 of them analyzed
    1 abrupt drop of the loss: ghost 1
    <BLANKLINE>
    not analyzed: 1 run
      b: no weights
    """
    analyzed = len(collection.runs) - len(collection.failed)
    drops = sum(collection.verdicts.values())
    told = ", ".join(f"{name} {collection.verdicts[name]}" for name in _ANSWERS if name in collection.verdicts)
    lines = [f"{collection.source}: {counted(len(collection.runs), 'run')}, {analyzed} of them analyzed"]
    lines.append(f"{counted(drops, 'abrupt drop')} of the loss" + (f": {told}" if told else ""))
    lines += [chance_text(chance)] if chance else []
    for name in collection.varied:
        table = collection.by(name)
        lines.append("")
        few = len(table) <= MOST
        lines += [f"by {name}:", *_table(table)] if few else [f"by {name}: {len(table)} values, in collection.json"]
    if collection.failed:
        lines += ["", f"not analyzed: {counted(len(collection.failed), 'run')}"]
        lines += [f"  {row.name}: {row.error}" for row in collection.failed]
    return "\n".join(lines)


def _table(table: dict[Parameter, dict[str, int]]) -> list[str]:
    used = [name for name in _ANSWERS if any(name in counts for counts in table.values())]
    rows = [["", "runs", *used]]
    for value, counts in table.items():
        rows.append(["not said" if value is None else str(value), *(str(counts.get(n, 0)) for n in ("runs", *used))])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
