"""Many runs at once: each into a folder of results of its own, and a table over all of them.

A run that cannot be read does not stop the others. Each folder of results is what `analyze` writes for one run, so that
an interrupted collection goes on where it was, and parts that were analyzed on different machines are merged by putting
their folders together.
"""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from glob import glob, has_magic
from os import PathLike
from pathlib import Path
from typing import Any

from dynaghost.analysis import Analysis, analyze, load_analysis
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.settings import read_json
from dynaghost.collected import COLLECTION, Collection, Explained, Row, load_collection, save_collection
from dynaghost.database import explained
from dynaghost.errors import DynaghostError, StoreError
from dynaghost.store import DATABASE, open_store
from dynaghost.trajectories.chance import Chance, chance
from dynaghost.trajectories.drops import DropRule

Source = str | PathLike[str] | Sequence[str | PathLike[str]]
Folder = str | PathLike[str]


def is_collection(source: Source) -> bool:
    """Whether a source is many runs: a list, a pattern such as 'runs/*', or a folder whose folders have a run.json.

    Examples
    --------
    >>> is_collection("runs/*"), is_collection("."), is_collection(["runs/a", "runs/b"])
    (True, False, True)
    """
    if not isinstance(source, str | PathLike):
        return True
    path = Path(source)
    if path.exists():
        return not (path / "run.json").is_file() and any(path.glob("*/run.json"))
    return has_magic(os.fspath(source))


def find_runs(source: Source) -> dict[str, Path]:
    """The folders of the runs of a collection by name, in the order of their names.

    Parameters
    ----------
    source : pattern, folder of folders, or list of folders

    Raises
    ------
    DynaghostError
        If there are none.
    """
    if not isinstance(source, str | PathLike):
        paths = [Path(one) for one in source]
    elif Path(source).is_dir():
        paths = [path.parent for path in Path(source).glob("*/run.json")]
    else:
        paths = [Path(one) for one in glob(os.fspath(source))]
        paths = [path for path in paths if path.is_dir() or path.suffix == ".npz"]
    if not paths:
        raise DynaghostError(f"{source}: expected folders of checkpoints, got none: nothing there matches")
    paths.sort()
    above = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    return {path.absolute().relative_to(above).as_posix().replace("/", "__"): path for path in paths}


def analyze_collection(
    source: Source,
    out: Folder,
    *,
    load: Callable[[str], Run] = load_run,
    settings: Mapping[str, str] | None = None,
    drops: DropRule | None = None,
    n_jobs: int = 1,
    part: tuple[int, int] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Collection:
    """Analyze every run of a collection, each into its own folder of results inside `out`.

    Parameters
    ----------
    source : pattern, folder of folders, or list of folders
    out : path
        Gets a folder a run, and `collection.json`. Runs whose results are there are not analyzed again.
    load : callable
        From a folder to its run.
    settings : mapping of str to str, optional
        What `load` is told besides what files say: results of other settings in `out` are refused.
    drops : DropRule, optional
        As in `analyze`.
    n_jobs : int
        Workers, a run each.
    part : (int, int), optional
        (i, n): only every n-th run, from the i-th on (1 ≤ i ≤ n), as one of n tasks; `merge` puts them together.
    progress : callable, optional
        Called with 1 after each run.

    Returns
    -------
    Collection
        Of all runs that were asked for. Those that could not be read have an error.

    Raises
    ------
    DynaghostError
        If there are no runs, or the part is none.
    StoreError
        If `out` holds a collection of other settings.
    """
    found, target, told = find_runs(source), Path(out), dict(settings or {})
    if part is not None:
        found = _part(found, *part)
    _check_settings(target, told)
    rows = []
    for row in _applied(found, target, load, drops, n_jobs):
        rows.append(row)
        if progress is not None:
            progress(1)
    if part is not None and (target / COLLECTION).is_file():
        names = {row.name for row in rows}
        rows += [row for row in load_collection(target).runs if row.name not in names]
    collection = Collection(str(source), told, tuple(sorted(rows, key=lambda row: row.name)))
    save_collection(collection, target)
    return collection


def merge(parts: Sequence[Folder], out: Folder) -> Collection:
    """Put the results of parts of a collection together.

    Parameters
    ----------
    parts : sequence of path
        Folders that `analyze_collection` wrote.
    out : path
        May be one of the parts, or hold an earlier merge of them.

    Returns
    -------
    Collection

    Raises
    ------
    StoreError
        If parts have other settings, or a run of one name has other weights or settings in another part.
    """
    target = Path(out)
    collections = {Path(part): load_collection(part) for part in parts}
    if (target / COLLECTION).is_file():
        collections = {target: load_collection(target), **collections}
    first = next(iter(collections.values()))
    rows: dict[str, Row] = {}
    for folder, collection in collections.items():
        _check_same(first.settings, collection.settings, folder)
        for row in collection.runs:
            if row.name not in rows or rows[row.name].error:
                rows[row.name] = row
            _join(folder / row.name, target / row.name)
    merged = Collection(first.source, first.settings, tuple(rows[name] for name in sorted(rows)))
    save_collection(merged, target)
    return merged


def results(collection: Collection, out: Folder) -> Iterator[tuple[str, Analysis]]:
    """Name and results of each run that was analyzed, read one after the other.

    Raises
    ------
    StoreError
        If a folder of results is not there.
    """
    return ((row.name, load_analysis(Path(out) / row.name)) for row in collection.runs if not row.error)


def chance_over(collection: Collection, out: Folder) -> Chance | None:
    """How likely events lie so near the drops by chance, over all runs; None if no run was analyzed.

    Raises
    ------
    StoreError
        If a folder of results is not there.
    """
    if len(collection.failed) == len(collection.runs):
        return None
    return chance(found for _, found in results(collection, out))


def _part(found: dict[str, Path], i: int, n: int) -> dict[str, Path]:
    if not 1 <= i <= n:
        raise DynaghostError(f"part (--part): expected I/N with 1 ≤ I ≤ N, got {i}/{n}")
    return {name: found[name] for name in list(found)[i - 1 :: n]}


def _check_settings(target: Path, settings: Mapping[str, str]) -> None:
    if (target / COLLECTION).is_file():
        _check_same(settings, load_collection(target).settings, target)


def _check_same(ours: Mapping[str, str], theirs: Mapping[str, str], folder: Path) -> None:
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if names:
        told = "; ".join(f"{name} {theirs.get(name)} there, {ours.get(name)} here" for name in names)
        raise StoreError(f"{folder / COLLECTION}: expected results of these settings, got those of others ({told})")


def _applied(
    found: dict[str, Path], target: Path, load: Callable[[str], Run], drops: DropRule | None, n_jobs: int
) -> Iterator[Row]:
    tasks = [(name, os.fspath(path), target / name, load, drops) for name, path in found.items()]
    if n_jobs == 1 or len(tasks) < 2:
        yield from (analyze_one(*task) for task in tasks)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(analyze_one)(*task) for task in tasks)


def analyze_one(name: str, source: str, out: Path, load: Callable[[str], Run], drops: DropRule | None) -> Row:
    """One run of a collection, into its folder of results: what is there is not computed again."""
    try:
        run = load(source)
        with open_store(out, run) as kept:
            before, written = kept.finished(run, Analysis, drops=drops), kept.files_are_written()
            result = before or analyze(run, drops=drops, done=kept.batch, keep=kept.keep, links=kept)
        if before is None or not written:
            result.save(out)
    except DynaghostError as error:
        return Row(name, source, str(error))
    return Row(
        name,
        source,
        content=result.description.content,
        checkpoints=len(result.steps),
        parameters=_parameters(Path(source)),
        events=dict(Counter(event.kind.value for event in result.events)),
        drops=tuple(Explained(v.before, v.after, v.verdict.value, v.grade.value) for v in result.verdicts),
    )


def _parameters(source: Path) -> dict[str, Any]:
    """The single values in the sections of a run.json, by their names; of two of one name, by section and name."""
    found: dict[str, Any] = {}
    path = (source if source.is_dir() else source.parent) / "run.json"
    described = read_json(path) if path.is_file() else {}
    for section in ("training", "system", "trial"):
        for name, value in _section(described, section).items():
            if isinstance(value, int | float | str | bool):
                found[f"{section}.{name}" if name in found else name] = value
    return found


def _section(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = described.get(name)
    return section if isinstance(section, Mapping) else {}


def _join(source: Path, target: Path) -> None:
    """Copy a folder of results, if it is not there; one of other results of the same name is an error."""
    if not (source / DATABASE).is_file() or source == target:
        return
    if (target / DATABASE).is_file() and _key(source) != _key(target):
        raise StoreError(
            f"{source / DATABASE}: expected results as in {target}, got those of other weights or settings"
        )
    if not (target / DATABASE).is_file():
        # Under another name first: a merge that is killed leaves no half of a folder.
        partial = target.with_name(f".{target.name}.new")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)


def _key(folder: Path) -> str:
    path = folder / DATABASE
    with explained(path), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as database:
        (key,) = database.execute("SELECT key FROM store").fetchone()
        return str(key)
