"""What a folder, a list or a mapping holds: checkpoints not yet in order, and what was left out."""

import bisect
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from os import PathLike, fspath
from pathlib import Path
from typing import Any, overload

import numpy as np

from dynaghost.checkpoints import metrics as tables
from dynaghost.checkpoints.formats import SMALL, Contents, Outline, Reader, from_mapping, outline, read_arrays, sniff
from dynaghost.checkpoints.order import Entry, entry
from dynaghost.checkpoints.run_json import read_json
from dynaghost.checkpoints.settings import hyper_parameters
from dynaghost.checkpoints.stacked import Stacked, StackedRun, open_stacked
from dynaghost.errors import CheckpointError, counted

Source = str | PathLike[str] | Sequence[Any] | Mapping[Any, Any]

_SUFFIXES = {".pt", ".pth", ".ckpt", ".npz", ".safetensors"}
# Bytes of a digest.
_DIGEST = 32
_TRAINING_WORDS = ("loss", "acc", "history", "grad_norm", "metric", "epoch", "step", "time", "lr", "seed")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The network at one step of its training.

    Attributes
    ----------
    step : int
        On the axis of the run.
    file : str
        Its name inside the source.
    path : Path or None
        None for one in memory.
    digest : bytes or None
        `array_digest` of its arrays, where they were read when the run was loaded: the file must not change until then.
    stack, row : Stacked or None, int
        The archive of many checkpoints, and where in it.
    """

    step: int
    file: str
    path: Path | None = None
    digest: bytes | None = dataclasses.field(default=None, repr=False)
    _arrays: dict[str, np.ndarray] | None = dataclasses.field(default=None, repr=False, compare=False)
    stack: Stacked | None = dataclasses.field(default=None, repr=False, compare=False)
    row: int = -1

    def read(self, reader: Reader | None = None) -> dict[str, np.ndarray]:
        """Its arrays by dotted name, read from the file each time, by the reader of others of its run.

        Raises
        ------
        CheckpointError
            If the file cannot be read, or is another one than when the run was loaded.
        """
        if self.path is None:
            return dict(self._arrays or {})
        if self.stack is not None:
            arrays = self.stack.read(self.row)
        else:
            arrays = (read_arrays if reader is None else reader.read)(self.path).arrays
        if self.digest is not None:
            self.check(array_digest(arrays))
        return arrays

    def check(self, digest: bytes) -> None:
        """Refuse arrays of this digest if the run was loaded with others.

        Raises
        ------
        CheckpointError
        """
        if self.digest not in (None, digest):
            raise CheckpointError(
                f"{self.path}: expected the arrays that the run was loaded with, got others since then"
            )

    def content(self) -> bytes:
        """`array_digest` of its arrays, which are read for it if need be."""
        return self.digest or array_digest(self.read())


def read_all(checkpoints: Iterable[Checkpoint]) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each checkpoint, those of neighbouring rows of an archive at once; errors are those of `read`."""
    reader = Reader()
    # Counted down from the row: rows that follow each other have one number.
    places = itertools.groupby(
        zip(itertools.count(), checkpoints), key=lambda pair: (id(pair[1].stack), pair[1].row - pair[0])
    )
    for _, group in places:
        some = [one for _, one in group]
        if some[0].stack is None:
            yield from (one.read(reader) for one in some)
            continue
        for one, (arrays, digest) in zip(some, some[0].stack.rows(some[0].row, len(some)), strict=True):
            one.check(digest)
            yield arrays


@dataclass(frozen=True, slots=True)
class Files:
    """What a source holds, not yet in order."""

    source: str
    entries: list[Entry]
    paths: dict[str, Path]
    contents: dict[str, Contents]
    steps: dict[str, int]
    hyper_parameters: dict[str, tuple[Any, str]]
    notes: tuple[str, ...]
    digests: dict[str, bytes] = dataclasses.field(default_factory=dict)
    stacks: tuple[StackedRun, ...] = ()

    def checkpoint(self, step: int, file: str) -> Checkpoint:
        if file in self.paths:
            return Checkpoint(step, file, self.paths[file], self.digests.get(file))
        return Checkpoint(step, file, _arrays=self.contents[file].arrays)

    def digest(self, one: Entry) -> bytes:
        return self.checkpoint(0, one.file).content()


def folder_of(source: Source) -> Path | None:
    """Where run.json and metrics may lie: the folder, or the one that all listed files share."""
    if isinstance(source, str | PathLike):
        path = Path(source)
        return _with_run_json(path.parent if path.is_file() else path)
    items = list(source.values()) if isinstance(source, Mapping) else list(source)
    parents = {Path(item).parent for item in items if isinstance(item, str | PathLike)}
    return _with_run_json(parents.pop()) if len(parents) == 1 else None


def _with_run_json(folder: Path) -> Path:
    above = folder.parent
    return above if folder.name == "checkpoints" and (above / "run.json").is_file() else folder


def gather(source: Source, pattern: str | None, aside: str | None = None) -> Files:
    """Checkpoints of a source, their shapes and scalars read, their arrays not; `aside` is a file that is none.

    Raises
    ------
    CheckpointError
        If there are none, or one cannot be read.
    """
    if isinstance(source, str | PathLike):
        folder = Path(source)
        if folder.is_file() and sniff(folder) == "zip" and (stacked := _stacked({folder.name: folder}, str(folder))):
            return stacked
        if not folder.is_dir():
            got = (
                "a file (a list of files makes a run; one network: as_system, or dynaghost inspect FILE)"
                if folder.exists()
                else "nothing there"
            )
            raise CheckpointError(f"{folder}: expected a folder of checkpoints, got {got}")
        return _from_paths(_in_folder(folder, pattern, aside), str(folder))
    if pattern is not None:
        raise CheckpointError("pattern: expected a folder to choose files from, got a list or mapping")
    items = list(source.items()) if isinstance(source, Mapping) else list(enumerate(source))
    if not items:
        raise CheckpointError("expected at least one checkpoint, got an empty list")
    if all(isinstance(item, str | PathLike) for _, item in items):
        named = {fspath(path): Path(path) for _, path in items}
        files = _from_paths(named, f"a list of {counted(len(named), 'file')}", listed=True)
        steps = {fspath(path): _step(step) for step, path in items} if isinstance(source, Mapping) else {}
        return dataclasses.replace(files, steps=steps)
    return _from_dicts(items, isinstance(source, Mapping))


def _in_folder(folder: Path, pattern: str | None, aside: str | None) -> dict[str, Path]:
    """Checkpoint files below a folder, by their names inside it."""
    found = {}
    for path in _below(folder, pattern):
        name = path.relative_to(folder).as_posix()
        hidden = name.startswith(".") or "/." in name
        if not path.is_file() or hidden or path.name in tables.NAMES or name == aside:
            continue
        kind = sniff(path)
        if kind != "npy" and (kind is not None or path.suffix in _SUFFIXES):
            found[name] = path
    if not found:
        what = f"files like {pattern!r}" if pattern else "checkpoints (.pt, .pth, .ckpt, .npz, .safetensors, .h5)"
        raise CheckpointError(f"{folder}: expected {what}, got {_contents(folder)}")
    return found


def _contents(folder: Path) -> str:
    """What a folder holds instead of checkpoints."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    shown = ", ".join(names[:5]) + ", …" * (len(names) > 5)
    return f"none: it holds {shown}" if names else "none: it is empty"


def _below(folder: Path, pattern: str | None) -> list[Path]:
    try:
        return sorted(folder.glob(pattern or "**/*"))
    except (ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"pattern (--pattern): expected one inside {folder}, such as 'seed3/*.pt', got {pattern!r} ({error})"
        ) from error


def _from_paths(paths: dict[str, Path], source: str, *, listed: bool = False) -> Files:
    if (stacked := _stacked(paths, source)) is not None:
        return stacked
    entries: list[Entry] = []
    left_out: list[str] = []
    parameters: dict[str, tuple[Any, str]] = {}
    digests: dict[str, bytes] = {}
    # Entries are many and shapes are few.
    signatures: dict[Any, int] = {}
    reader = Reader()
    for name, path in paths.items():
        held, reason, digest = _held(path, listed, reader)
        if held is None:
            left_out.append(f"{name} left out: {reason}")
            continue
        if digest is not None:
            digests[name] = digest
        signature = signatures.setdefault(frozenset(_weights(held.shapes).items()), len(signatures))
        parameters = parameters if entries else hyper_parameters(held.scalars, name)
        entries.append(entry(name, signature, {**held.scalars, **_trainer_state(path)}))
    if not entries:
        raise CheckpointError(
            f"{source}: expected at least one file with weights, got none ({'; '.join(left_out[:4])})"
        )
    return Files(source, entries, paths, {}, {}, parameters, tuple(left_out), digests)


def _stacked(paths: dict[str, Path], source: str) -> Files | None:
    """Archives of many checkpoints in one file, if the first file is one; then the others must be, too."""
    stacks: list[StackedRun] = []
    for path in paths.values():
        found = open_stacked(path) if path.suffix == ".npz" else None
        if found is None and not stacks:
            return None
        if found is None:
            raise CheckpointError(f"{path}: expected stacked arrays as in {stacks[0].source.path}, got another file")
        stacks.append(found)
    stacks.sort(key=lambda one: one.steps[0])
    _check_stacks(stacks)
    name = stacks[0].source.path.name
    return Files(source, [], {}, {}, {}, hyper_parameters(stacks[0].scalars, name), (), {}, tuple(stacks))


def _check_stacks(stacks: Sequence[StackedRun]) -> None:
    for one, other in pairwise(stacks):
        if one.axis != other.axis or one.steps[-1] >= other.steps[0]:
            raise CheckpointError(
                f"{other.source.path}: expected {one.axis}s after {one.steps[-1]}, where {one.source.path.name} ends, "
                f"got {other.axis}s from {other.steps[0]} on"
            )


class StackedCheckpoints(Sequence[Checkpoint]):
    """Every checkpoint of stacked archives in order, with its digest; each made when it is asked for.

    Parameters
    ----------
    stacks : sequence of StackedRun
        Read once, for the digests.

    Raises
    ------
    CheckpointError
        If a file is damaged.
    """

    def __init__(self, stacks: Sequence[StackedRun]) -> None:
        self._sources = tuple(one.source for one in stacks)
        self._first = (0, *itertools.accumulate(len(one.steps) for one in stacks))
        self.steps = stacks[0].steps if len(stacks) == 1 else tuple(step for one in stacks for step in one.steps)
        self._digests = bytearray(_DIGEST * len(self.steps))
        every = itertools.chain.from_iterable(one.source.digests(len(one.steps)) for one in stacks)
        for place, digest in enumerate(every):
            self._digests[_DIGEST * place : _DIGEST * (place + 1)] = digest

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Checkpoint, ...]: ...

    def __getitem__(self, index: int | slice) -> Checkpoint | tuple[Checkpoint, ...]:
        places = range(len(self.steps))[index]
        return self._at(places) if isinstance(places, int) else tuple(map(self._at, places))

    def _at(self, place: int) -> Checkpoint:
        number = bisect.bisect_right(self._first, place) - 1
        source, row = self._sources[number], place - self._first[number]
        digest = bytes(self._digests[_DIGEST * place : _DIGEST * (place + 1)])
        return Checkpoint(self.steps[place], f"{source.path.name}[{row}]", source.path, digest, None, source, row)


def _held(path: Path, listed: bool, reader: Reader) -> tuple[Outline | None, str, bytes | None]:
    """What a file holds, or None and why it is no checkpoint of a network; a digest where it was read."""
    if path.stem in ("training_args", "rng_state"):
        return None, "the name says it holds state of the training", None
    try:
        held, digest = _looked_into(path, reader)
    except CheckpointError as error:
        # A zip file may be anything; one that is called a checkpoint, or was asked for, must be one.
        if listed or path.suffix in _SUFFIXES:
            raise
        return None, str(error), None
    if any(key.startswith("param_groups.") for key in held.scalars):
        return None, "it holds an optimizer's state", None
    return (held, "", digest) if _weights(held.shapes) else (None, "it holds no weights", None)


def _looked_into(path: Path, reader: Reader) -> tuple[Outline, bytes | None]:
    """The outline of a file; a small one is read whole for it, and its digest then spares another reading."""
    if path.stat().st_size > SMALL:
        return outline(path), None
    try:
        found = reader.read(path)
    except CheckpointError:
        # It may have an outline all the same, and it may be one of those that are left out.
        return outline(path), None
    digest = array_digest(found.arrays)
    if found.format == "torch":
        # Among its arrays are histories, which its outline knows from weights.
        return outline(path), digest
    return Outline({name: array.shape for name, array in found.arrays.items()}, found.scalars, found.format), digest


def _from_dicts(items: list[tuple[Any, Any]], keyed: bool) -> Files:
    contents, steps = {}, {}
    for key, item in items:
        name = f"step {key}" if keyed else f"checkpoint {key}"
        if not isinstance(item, Mapping):
            raise CheckpointError(
                f"{name}: expected a dict of arrays or, everywhere, a path, got {type(item).__name__}"
            )
        contents[name] = from_mapping(item, name)
        if keyed:
            steps[name] = _step(key)
    entries = []
    for name, held in contents.items():
        shapes = _weights({key: array.shape for key, array in held.arrays.items()})
        # Names given here hold no index: the list's order does.
        entries.append(entry(name, frozenset(shapes.items()), held.scalars, named=False))
    first = next(iter(contents))
    source = counted(len(items), "dict")
    return Files(source, entries, {}, contents, steps, hyper_parameters(contents[first].scalars, first), ())


def _step(key: Any) -> int:
    if isinstance(key, bool) or not isinstance(key, int | np.integer):
        raise CheckpointError(f"a mapping from step to checkpoint: expected whole numbers as keys, got {key!r}")
    return int(key)


def _weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of what may be weights: a history grows from file to file, and says nothing about the network."""
    return {name: shape for name, shape in shapes.items() if shape != () and not _is_of_training(name)}


# Files are many and names are few.
@cache
def _is_of_training(name: str) -> bool:
    return any(word in name.rpartition(".")[2].lower() for word in _TRAINING_WORDS)


def _trainer_state(path: Path) -> dict[str, Any]:
    """What Hugging Face's trainer says of the checkpoint in a folder checkpoint-500."""
    state = path.parent / "trainer_state.json"
    if not path.parent.name.startswith("checkpoint-") or not state.is_file():
        return {}
    said = read_json(state)
    return {key: said[key] for key in ("global_step", "epoch") if key in said} if isinstance(said, dict) else {}


def array_digest(arrays: Mapping[str, np.ndarray]) -> bytes:
    """32 bytes that are equal for equal names, shapes, dtypes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.digest()
