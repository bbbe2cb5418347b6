"""Many runs at once: one database with the results of all, and a table over them.

A run that cannot be read does not stop the others. An interrupted collection goes on where it was, and parts that were
analyzed on different machines are merged into one.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from os import PathLike
from pathlib import Path
from typing import Any

from dynaghost.analysis import Analysis, analyze, load_analysis
from dynaghost.checkpoints.run import Run, load_run
from dynaghost.checkpoints.run_json import read_json
from dynaghost.collected import COLLECTION, Collected, Explained, Row, save_collection
from dynaghost.collection_store import EARLIER, CollectionStore, join_files, load_rows
from dynaghost.errors import DynaghostError, StoreError
from dynaghost.run_tables import WHOLE
from dynaghost.store import finished_in_collection, open_store
from dynaghost.trajectories.chance import Chance, chance
from dynaghost.trajectories.drops import DropRule

Source = str | PathLike[str] | Sequence[str | PathLike[str]]
Folder = str | PathLike[str]

# Settings that need no search again: with others of them a collection is analyzed anew from what was found.
_OF_MATCHING = ("drop", "x0", "trial", "delay", "threshold", "period", "context", "metrics", "no_metrics")

_PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True, repr=False)
class Collection(Collected):
    """Many runs, analyzed: what is told of each (`Collected`), and their results, which are read when asked for.

    Attributes
    ----------
    folder : Path
        Of the results.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as out:
    ...     for name in ("a", "b"):
    ...         Path(out, "runs", name).mkdir(parents=True)
    ...         np.savez(Path(out, "runs", name, "epoch_0.npz"), m=[1.5], n=[1.0], b=[0.3])
    ...     collection = analyze_collection(f"{out}/runs/*", f"{out}/results")
    ...     collection.names, len(collection["b"].points[0].ghosts)
    (('a', 'b'), 1)
    """

    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Of the runs that were analyzed."""
        return tuple(row.name for row in self.runs if not row.error)

    def __getitem__(self, name: str) -> Analysis:
        """The results of a run.

        Raises
        ------
        StoreError
            If there are none.
        """
        row = next((row for row in self.runs if row.name == name), None)
        if row is None or row.error:
            why = "" if row is None else f", which was not analyzed ({row.error})"
            some = ", ".join(self.names[:5]) + (", …" if len(self.names) > 5 else "")
            raise StoreError(f"{self.folder}: expected the name of one of its runs ({some}), got {name!r}{why}")
        return load_analysis(self.folder / name)

    def results(self) -> Iterator[tuple[str, Analysis]]:
        """Name and results of each run that was analyzed, read one after the other."""
        return ((name, self[name]) for name in self.names)

    def chance(self) -> Chance | None:
        """How likely events lie so near the drops by chance, over all runs; None if no run was analyzed."""
        return chance(found for _, found in self.results()) if self.names else None


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
    """Analyze every run of a collection into one database.

    Parameters
    ----------
    source : pattern, folder of folders, or list of folders
    out : path
        Gets `collection.db` with the results of all runs, `collection.json`, and a folder a run with the files for
        other programs. Runs whose results are there are not analyzed again; others that are there stay.
    load : callable
        From a folder to its run.
    settings : mapping of str to str, optional
        What `load` is told besides what files say: results of other settings in `out` are refused, unless they are of
        trials and drops, which need no new search.
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
        Of all runs in `out`. Those that could not be read have an error.

    Raises
    ------
    DynaghostError
        If there are no runs, or the part is none.
    StoreError
        If `out` holds a collection of other settings, or the results of one run, or is written to by another process.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> def write(folder, b):
    ...     folder.mkdir(parents=True)
    ...     np.savez(folder / "epoch_1.npz", m=[1.5], n=[1.0], b=[b])
    ...     np.savez(folder / "epoch_2.npz", m=[1.5], n=[1.0], b=[b + 0.1])
    >>> with TemporaryDirectory() as place:
    ...     for name, b in (("first", 0.0), ("second", 0.15)):
    ...         write(Path(place, "runs", name), b)
    ...     found = analyze_collection(f"{place}/runs/*", Path(place, "results"))
    >>> [(row.name, row.events) for row in found.runs]
    [('first', {}), ('second', {'saddle_node': 1})]
    """
    found, told = find_runs(source), dict(settings or {})
    if part is not None:
        found = _part(found, *part)
    with CollectionStore.open(out, lambda store: _begin(store, str(source), told, set(found))) as store:
        for row in _applied(found, Path(out), load, drops, n_jobs):
            (store.note if row.error else store.take)(row)
            if progress is not None:
                progress(1)
    return _written(Path(out))


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

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> def write(folder, b):
    ...     folder.mkdir(parents=True)
    ...     np.savez(folder / "epoch_1.npz", m=[1.5], n=[1.0], b=[b])
    ...     np.savez(folder / "epoch_2.npz", m=[1.5], n=[1.0], b=[b + 0.1])
    >>> with TemporaryDirectory() as place:
    ...     for name, b in (("first", 0.0), ("second", 0.15)):
    ...         write(Path(place, "runs", name), b)
    ...     parts = [Path(place, f"part_{i}") for i in (1, 2)]
    ...     for i, part in enumerate(parts, start=1):
    ...         _ = analyze_collection(f"{place}/runs/*", part, part=(i, 2))
    ...     [row.name for row in merge(parts, Path(place, "all")).runs]
    ['first', 'second']
    """
    target = Path(out)
    loaded = {Path(one): load_collection(one) for one in parts if Path(one).resolve() != target.resolve()}
    if not loaded:
        return load_collection(target)
    first = next(iter(loaded.values()))
    for folder, collection in loaded.items():
        _check_same(first.settings, collection.settings, folder)
    with CollectionStore.open(target, lambda store: _begin(store, first.source, first.settings, set())) as store:
        for folder, collection in loaded.items():
            for row in collection.runs:
                join_files(folder / row.name, target / row.name)
                store.join(row, folder / WHOLE)
    return _written(target)


def load_collection(folder: Folder) -> Collection:
    """The collection that `analyze_collection` wrote.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Collection

    Raises
    ------
    StoreError
        If the folder holds none, or one of another version.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     Path(place, "first").mkdir()
    ...     np.savez(Path(place, "first", "epoch_1.npz"), m=[1.5], n=[1.0], b=[0.0])
    ...     _ = analyze_collection([Path(place, "first")], Path(place, "results"))
    ...     [row.name for row in load_collection(Path(place, "results")).runs]
    ['first']
    """
    path = Path(folder) / WHOLE
    if path.is_file():
        told = load_rows(Path(folder))
        return Collection(told.source, told.settings, told.runs, Path(folder))
    if (Path(folder) / COLLECTION).is_file():
        raise StoreError(f"{path}: expected the database of a collection, got {EARLIER}")
    how = "dynaghost analyze 'runs/*' --out OUT writes it"
    raise StoreError(f"{path}: expected a collection of results, got no such file: {how}")


def holds_collection(folder: Folder) -> bool:
    """Whether a folder is that of a collection's results, of whatever version.

    Examples
    --------
    >>> holds_collection("nowhere")
    False
    """
    return any((Path(folder) / name).is_file() for name in (WHOLE, COLLECTION))


def _written(folder: Path) -> Collection:
    """The collection of a folder, with what is for other programs written."""
    collection = load_collection(folder)
    save_collection(collection, folder)
    return collection


def _part(found: dict[str, Path], i: int, n: int) -> dict[str, Path]:
    if not 1 <= i <= n:
        raise DynaghostError(f"part (--part): expected I/N with 1 ≤ I ≤ N, got {i}/{n}")
    return {name: found[name] for name in list(found)[i - 1 :: n]}


def _begin(store: CollectionStore, source: str, settings: dict[str, str], names: set[str]) -> None:
    """Check that results of these settings can be written, of the runs of these names."""
    held = store.settings()
    if held is not None:
        differing = _differing(settings, held[1])
        others = [row.name for row in store.rows() if row.name not in names]
        if others or not all(name.startswith(_OF_MATCHING) for name in differing):
            _check_same(settings, held[1], store.path.parent)
        if differing:
            store.forget("not analyzed yet with the settings of the last call")
    store.tell(source, settings)


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]


def _check_same(ours: Mapping[str, str], theirs: Mapping[str, str], folder: Path) -> None:
    if names := _differing(ours, theirs):
        told = "; ".join(f"{name} {theirs.get(name)} there, {ours.get(name)} here" for name in names)
        raise StoreError(f"{folder / WHOLE}: expected results of these settings, got those of others ({told})")


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
        result = finished_in_collection(out, run, Analysis, drops=drops) or _analyzed(run, out, drops)
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


def _analyzed(run: Run, out: Path, drops: DropRule | None) -> Analysis:
    # A worker whose collection was killed may still be at this run.
    with open_store(out, run, patience=_PATIENCE) as kept:
        before, written = kept.finished(run, Analysis, drops=drops), kept.files_are_written()
        result = before or analyze(run, drops=drops, done=kept.batch, keep=kept.keep, links=kept)
    if before is None or not written:
        result.save(out)
    return result


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
