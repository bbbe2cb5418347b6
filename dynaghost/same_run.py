"""Whether results are those of a run: the key of what they depend on, and in what two runs differ."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dynaghost.checkpoints.run import Run
from dynaghost.display import shortened
from dynaghost.run_tables import FORMAT
from dynaghost.summary import software
from dynaghost.trajectories.findings import Findings


def key_of(content: str) -> str:
    """The key of a run's results, from its `search_hash`: another one for another version of the package too.

    Examples
    --------
    >>> key_of("abc") == key_of("abc"), key_of("abc") == key_of("abd")
    (True, False)
    """
    return hashlib.sha256(f"dynaghost {software()['dynaghost']} format {FORMAT} {content}".encode()).hexdigest()


def is_of(found: Findings, run: Run) -> bool:
    """Whether files, order, notes and losses are the run's; notes on what was found may follow those of the run."""
    about = found.description
    told = (about.content, about.source, about.axis, about.order, about.notes[: len(run.notes)])
    if told != (run.content_hash(), run.source, run.axis, run.order, run.notes) or found.files != run.files:
        return False
    pairs = [(getattr(found.losses, name), getattr(run.metrics, name)) for name in ("steps", "loss", "grad_norm")]
    return all(a is b or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True)) for a, b in pairs)


def described(source: str, axis: str, steps: Sequence[int], content: str) -> dict[str, Any]:
    """What is analyzed, by the names that an error calls it by."""
    return {
        "dynaghost": software()["dynaghost"],
        "source": source,
        "axis": axis,
        "checkpoints": len(steps),
        "first": steps[0],
        "last": steps[-1],
        "weights and settings": content[:12],
    }


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """In what two descriptions differ (`described`), for an error.

    Examples
    --------
    >>> differences({"axis": "step", "first": 0}, {"axis": "epoch", "first": 0})
    'axis step there, epoch here'
    """
    names = [name for name in ours if name in theirs and theirs[name] != ours[name]]
    told = [f"{name} {shortened(str(theirs[name]))} there, {shortened(str(ours[name]))} here" for name in names]
    return "; ".join(told) or "what differs is not known"
