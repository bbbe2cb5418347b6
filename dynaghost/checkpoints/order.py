"""Which checkpoint comes after which: what files say, else the one number in their names that varies.

Optimizer steps completed are preferred as the axis; what a file says beats its name; only a number that varies among
files of equal shapes can be the index (the 512 of rank1_512.pt is a size); an ambiguous order is refused. Who says what
is counted is believed, even where the only number of the names has another word before it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dynaghost.checkpoints.metrics import EPOCH_NAMES, GRADIENT_NAMES, LOSS_NAMES, STEP_NAMES
from dynaghost.errors import CheckpointError, counted

_OTHER_STATE = {"optimizer", "optim", "scheduler", "scaler", "rng"}
_COPIES = {"last", "best", "latest", "final"}
_WAYS = (
    "axis= or --axis says what is counted, pattern= or --pattern which files; the library takes a list of files in "
    "order, too, or a mapping from step to file"
)

_VERSION = re.compile(r"-v\d+$")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_STEP_WORDS = ("step", "steps", "iter", "iters", "iteration", "iterations", "it", "update", "updates")
_EPOCH_WORDS = ("epoch", "epochs", "ep", "e")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the order needs to know of a checkpoint.

    Attributes
    ----------
    file : str
        Its name inside the folder.
    signature : object
        Equal for checkpoints of equal shapes.
    inside : dict of str to int
        "step" and "epoch", where the file says them.
    numbers : dict of str to int
        Whole numbers in its name, by the text before each.
    loss, grad_norm : float or None
        Where the file says them.
    """

    file: str
    signature: Any
    inside: dict[str, int]
    numbers: dict[str, int]
    loss: float | None = None
    grad_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """Entries in order.

    Attributes
    ----------
    steps : tuple of int
        Strictly increasing.
    entries : tuple of Entry
    axis : str
        "step" or "epoch".
    order : str
        The order found and why, in a sentence.
    notes : tuple of str
        What was left out and why.
    """

    steps: tuple[int, ...]
    entries: tuple[Entry, ...]
    axis: str
    order: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Index:
    """A number that might be the index: what it counts, where it stands, its value for each entry (or None)."""

    kind: str
    where: str
    values: list[int | None]


def entry(file: str, signature: Any, scalars: Mapping[str, Any], *, named: bool = True) -> Entry:
    """An entry from the scalars of a file, and from its name if somebody gave it one.

    Examples
    --------
    >>> entry("last.ckpt", 0, {"epoch": 4, "global_step": 50, "loss": 0.5}).inside
    {'step': 50, 'epoch': 4}
    """
    inside = {"step": _whole(_said(scalars, STEP_NAMES)), "epoch": _whole(_said(scalars, EPOCH_NAMES))}
    loss, gradient = _said(scalars, LOSS_NAMES), _said(scalars, GRADIENT_NAMES)
    said = {kind: value for kind, value in inside.items() if value is not None}
    return Entry(file, signature, said, name_numbers(file) if named else {}, loss, gradient)


def arrange(
    entries: Sequence[Entry],
    digest: Callable[[Entry], bytes],
    *,
    axis: str | None = None,
    prefer: str | None = None,
    listed: bool = False,
) -> Ordered:
    """Entries in the order of training.

    Parameters
    ----------
    entries : sequence of Entry
    digest : callable
        A digest of an entry's arrays, asked for only where two entries have one index.
    axis : {"step", "epoch"}, optional
        What is to be counted; a number without a word counts it, and where there is none, the only number of the names
        that varies, whatever its word.
    prefer : {"step", "epoch"}, optional
        The same as a preference.
    listed : bool
        Whether the given order may serve where nothing else does.

    Raises
    ------
    CheckpointError
        If there is nothing to put in order, or the order is ambiguous, or two checkpoints of one index differ.

    Examples
    --------
    >>> files = [entry(f"rank1_512_epoch_{k}.pt", 0, {}) for k in (10, 9)]
    >>> found = arrange(files, lambda entry: b"")
    >>> found.steps, found.axis, found.order
    ((9, 10), 'epoch', "2 checkpoints by epoch, from the number after 'epoch' in their names: 9, 10")
    """
    kept, notes = _networks(entries)
    kept, more = _one_group(kept)
    kept, copies = _without_copies(kept)
    notes = [*notes, *more, *copies]
    if len(kept) == 1:
        return _single(kept[0], axis or prefer, notes)
    refusals: list[str] = []
    for index in _candidates(kept, axis, prefer, listed):
        ordered = _try(index, kept, digest, axis or prefer, notes, refusals)
        if ordered is not None:
            return ordered
    if listed and not refusals:
        numbers = tuple(range(len(kept)))
        why = f"{counted(len(kept), 'checkpoint')} in the order of the list, which nothing in them contradicts"
        return Ordered(numbers, tuple(kept), axis or prefer or "step", f"{why}: {_series(numbers)}", tuple(notes))
    raise _ambiguous(kept, axis, refusals)


def _networks(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Without the state of optimizers and schedulers, by name."""
    other = [one for one in entries if _words(one.file) & _OTHER_STATE]
    kept = [one for one in entries if not _words(one.file) & _OTHER_STATE]
    if not kept:
        raise CheckpointError(
            f"expected at least one checkpoint of a network, got {counted(len(entries), 'other file')}"
        )
    return kept, [f"{one.file} left out: the name says it holds an optimizer's or scheduler's state" for one in other]


def _one_group(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries of equal shapes; single files of other shapes are left out, two networks are refused."""
    groups: dict[Any, list[Entry]] = {}
    for one in entries:
        groups.setdefault(one.signature, []).append(one)
    largest = max(groups.values(), key=len)
    others = [group for group in groups.values() if group is not largest]
    if others and (len(largest) == 1 or any(len(group) > 1 for group in others)):
        examples = "; ".join(f"{_group(group)}" for group in groups.values())
        raise CheckpointError(
            f"expected checkpoints of one network, got {len(groups)} groups of different shapes: {examples} "
            "(pattern= or --pattern chooses, and in the library a list of files)"
        )
    return largest, [f"{group[0].file} left out: its arrays have other shapes than the rest" for group in others]


def _group(group: list[Entry]) -> str:
    return group[0].file + (f" and {len(group) - 1} more" if len(group) > 1 else "")


def _without_copies(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Without last, best and the like, as long as others remain."""
    copies = [one for one in entries if _words(one.file) & _COPIES]
    if not copies or len(copies) == len(entries):
        return entries, []
    names = {one.file for one in copies}
    kept = [one for one in entries if one.file not in names]
    return kept, [f"{one.file} left out: the name says it is a copy of another checkpoint" for one in copies]


def _candidates(entries: list[Entry], axis: str | None, prefer: str | None, listed: bool) -> list[_Index]:
    """Numbers that vary, the most trusted first; unlabelled ones of names last, and only if there is one."""
    found = [_Index(kind, "inside", [one.inside.get(kind) for one in entries]) for kind in ("step", "epoch")]
    labels = dict.fromkeys(label for one in entries for label in one.numbers)
    named = [_Index(_kind(label), label, [one.numbers.get(label) for one in entries]) for label in labels]
    found += sorted((one for one in named if one.kind != "number"), key=lambda one: one.kind != "step")
    unlabelled = [one for one in named if one.kind == "number" and len(set(one.values)) > 1]
    found = [one for one in found if len(set(one.values)) > 1 and axis in (None, one.kind)]
    found.sort(key=lambda one: (None in one.values, prefer not in (None, one.kind)))
    if len(unlabelled) > 1 and (not found or None in found[0].values):
        if listed:
            return found
        shown = "; ".join(
            f"after {_shown(one.where)!r}: {_series(sorted(value for value in set(one.values) if value is not None))}"
            for one in unlabelled
        )
        raise CheckpointError(
            f"the order is ambiguous: more than one number in the names varies ({shown}), such as {entries[0].file}: "
            f"{_WAYS}"
        )
    varying = [one for one in named if len(set(one.values)) > 1]
    if axis is not None and not found and not unlabelled and len(varying) == 1:
        return [_Index(axis, varying[0].where, varying[0].values)]
    return [*found, *unlabelled]


def _try(
    index: _Index,
    entries: list[Entry],
    digest: Callable[[Entry], bytes],
    axis: str | None,
    notes: list[str],
    refusals: list[str],
) -> Ordered | None:
    """The order that an index gives, or None and the reason why it gives none."""
    if refusals and index.kind != "step":
        # Several checkpoints an epoch are told apart by steps, by nothing else.
        return None
    missing = [one for one, value in zip(entries, index.values, strict=True) if value is None]
    present = [(value, one) for one, value in zip(entries, index.values, strict=True) if value is not None]
    same = {digest(one) for _, one in present} if missing else set()
    lost = [one for one in missing if digest(one) not in same]
    if lost:
        refusals.append(f"{lost[0].file} has no {_what(index)}, which {_have(len(present))}")
        return None
    notes = [*notes, *(f"{one.file} left out: the same content as another checkpoint" for one in missing)]
    present.sort(key=lambda pair: (pair[0], len(pair[1].file), pair[1].file))
    kept = present[:1]
    for before, after in pairwise(present):
        if before[0] != after[0]:
            kept.append(after)
        elif digest(kept[-1][1]) == digest(after[1]):
            notes.append(f"{after[1].file} left out: the same content as {kept[-1][1].file}")
        else:
            refusals.append(
                f"{kept[-1][1].file} and {after[1].file} have the same {_what(index)}, {after[0]}, "
                "and different content"
            )
            return None
    return _ordered(index, kept, axis, notes)


def _ordered(index: _Index, kept: list[tuple[int, Entry]], axis: str | None, notes: list[str]) -> Ordered:
    steps, entries = tuple(step for step, _ in kept), tuple(one for _, one in kept)
    counts = index.kind if index.kind != "number" else axis or "step"
    zero = ", counted from 0" if counts == "epoch" and steps[0] == 0 else ""
    why = f"{counted(len(steps), 'checkpoint')} by {counts}{zero}, from {_source(index)}: {_series(steps)}"
    return Ordered(steps, entries, counts, why, (*notes, *_disagreement(index, kept), *_renamed(index)))


def _disagreement(index: _Index, kept: list[tuple[int, Entry]]) -> list[str]:
    """A note where names count otherwise than the files themselves."""
    if index.where != "inside":
        return []
    for step, one in kept:
        for label, number in one.numbers.items():
            if _kind(label) == index.kind and number != step:
                return [f"{one.file} says {index.kind} {step} inside: the files are believed, not their names"]
    return []


def _renamed(index: _Index) -> list[str]:
    """A note where a number counts what its word does not say."""
    if index.where == "inside" or _kind(index.where) in ("number", index.kind):
        return []
    return [f"the number after {_shown(index.where)!r} is taken to count {index.kind}s, as axis (--axis) says"]


def _single(one: Entry, axis: str | None, notes: list[str]) -> Ordered:
    """One checkpoint: nothing varies, so only a number with a word counts."""
    named = {_kind(label): number for label, number in one.numbers.items() if _kind(label) != "number"}
    known = {**named, **one.inside}
    if axis is not None and axis not in known and named:
        known = {axis: next(iter(named.values()))}
    kinds = [kind for kind in ("step", "epoch") if kind in known and axis in (None, kind)]
    if not kinds:
        return Ordered(
            (0,), (one,), axis or "step", f"1 checkpoint, {one.file}, which tells no step or epoch: 0", tuple(notes)
        )
    step = known[kinds[0]]
    where = "inside" if kinds[0] in one.inside else "in its name"
    return Ordered((step,), (one,), kinds[0], f"1 checkpoint, {one.file}: {kinds[0]} {step}, {where}", tuple(notes))


def _ambiguous(entries: list[Entry], axis: str | None, refusals: list[str]) -> CheckpointError:
    if refusals:
        return CheckpointError(f"the order is ambiguous: {'; '.join(refusals)} ({_WAYS})")
    what = {None: "a step, epoch or number", "step": "a step or number", "epoch": "an epoch or number"}[axis]
    names = ", ".join(one.file for one in entries[:4])
    return CheckpointError(
        f"the order is ambiguous: expected {what} that varies, inside or in the names of {len(entries)} files, "
        f"got none ({names}{', …' if len(entries) > 4 else ''}): {_WAYS}"
    )


def name_numbers(file: str) -> dict[str, int]:
    """Whole numbers in a file's name: the first epoch and step by these words, others by all that stands before them.

    Examples
    --------
    >>> name_numbers("epoch=3-step=40-val_loss=0.25-v1.ckpt")
    {'epoch': 3, 'step': 40}
    >>> name_numbers("rank1_512_7/model.safetensors")
    {'rank': 1, 'rank#_': 512, 'rank#_#_': 7}
    """
    stem = _VERSION.sub("", _SUFFIX.sub("", file)).lower()
    found: dict[str, int] = {}
    before, end = "", 0
    for match in _NUMBER.finditer(stem):
        text = stem[end : match.start()]
        before, end = before + text, match.end()
        if match[0].isdecimal() and len(match[0]) <= 18:
            kind = _kind(text)
            found[kind if kind != "number" and kind not in found else before] = int(match[0])
        before += "#"
    return found


def _kind(label: str) -> str:
    """What a number counts, by the last word before it.

    Examples
    --------
    >>> [_kind(label) for label in ("model_epoch_", "-step=", "globalstep", "ckpt-")]
    ['epoch', 'step', 'step', 'number']
    """
    words = re.findall("[a-z]+", label)
    word = words[-1] if words else ""
    if word in _EPOCH_WORDS or word.endswith("epoch"):
        return "epoch"
    return "step" if word in _STEP_WORDS or word.endswith("step") else "number"


def _words(file: str) -> set[str]:
    return set(re.findall("[a-z]+", _SUFFIX.sub("", file.rpartition("/")[2]).lower()))


def _said(scalars: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """The number under one of these names: at the top, else under the only dotted name that ends so."""
    for name in names:
        ends = [name] if name in scalars else [key for key in scalars if key.endswith(f".{name}")]
        if len(ends) == 1 and isinstance(scalars[ends[0]], int | float):
            return scalars[ends[0]]
    return None


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and abs(value) < 2**62 and value == int(value) else None


def _what(index: _Index) -> str:
    return index.kind if index.where == "inside" else f"number after {_shown(index.where)!r} in the name"


def _have(count: int) -> str:
    return "another has" if count == 1 else f"{count} others have"


def _source(index: _Index) -> str:
    if index.where == "inside":
        return f"the {index.kind} that the files say"
    word = _shown(index.where)
    return f"the number after {word!r} in their names" if word else "the number in their names"


def _shown(where: str) -> str:
    """The text between the number and the one before it."""
    return where.rpartition("#")[2].strip("_-=./ ") or where


def _series(steps: Sequence[int | None]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "…", *shown[-2:]])
