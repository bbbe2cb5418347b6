"""Parts of one run, as tasks of a cluster analyze them, and how they are put together."""

import json
from pathlib import Path
from typing import Any

import click

from dynaghost.cli.options import progress_bar
from dynaghost.errors import StoreError, counted

PART = "part.json"
"""What a part is of: the folder of the run and the options it was read with."""


def part_of(text: str | None) -> tuple[int, int] | None:
    """The numbers of --part I/N."""
    if text is None:
        return None
    i, slash, n = text.partition("/")
    if not (slash and i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise click.BadParameter(f"expected I/N with 1 ≤ I ≤ N, got {text!r}", param_hint="--part")
    return int(i), int(n)


def analyze_one_part(
    run: Any, source: str, options: dict[str, Any], target: Path, part: tuple[int, int], jobs: int
) -> None:
    """Find the slow points of a part of a run's checkpoints, and print how many."""
    from dynaghost.analysis import analyze_part
    from dynaghost.store import open_store

    with open_store(target, run) as kept, progress_bar(len(run)) as progress:
        count = analyze_part(run, part, n_jobs=jobs, progress=progress, done=kept.batch, keep=kept.keep)
    told = {"source": source, "options": {name: value for name, value in options.items() if value is not None}}
    (target / PART).write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(f"part {part[0]} of {part[1]}: {counted(count, 'batch').replace('batchs', 'batches')} in {target}")
    click.echo("dynaghost merge puts all parts together, follows slow points between them, and tells what is found")


def are_of_one_run(parts: tuple[str, ...]) -> bool:
    """Whether folders are parts of one run, not of a collection."""
    return any((Path(part) / PART).is_file() for part in parts)


def read_parts(parts: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The run that these are parts of, and the options it is read with.

    Raises
    ------
    StoreError
        If one of them is no part, or was read with other options than the first.
    """
    told = [_read(Path(part) / PART) for part in parts]
    for part, one in zip(parts, told, strict=True):
        if one != told[0]:
            raise StoreError(
                f"{Path(part) / PART}: expected a part as {parts[0]} is, got {one}, where it has {told[0]}"
            )
    return told[0]["source"], told[0]["options"]


def join_parts(run: Any, parts: tuple[str, ...], target: Path) -> None:
    """Put the batches of all parts into one store, and print how many there are."""
    from dynaghost.store import open_store

    with open_store(target, run) as kept:
        counts = [kept.join(part) for part in parts if Path(part).resolve() != target.resolve()]
    click.echo(f"{counted(len(parts), 'part')} of a run: {max(counts, default=0)} batches of checkpoints\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("source", "options")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: expected what --part wrote there when it was done, got {error!r}") from error
