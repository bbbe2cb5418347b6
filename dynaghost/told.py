"""What is told of every checkpoint: its rows in a store's tables, and its lines of `analysis.json`.

A part of a run is told at a time, in any process: of a long run this is most of what writing its results takes.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dynaghost.codec import dumps
from dynaghost.packed import BLOCK, Many, Packed
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.summary import at_checkpoint, line, losses_at
from dynaghost.trajectories.branches import Labels
from dynaghost.trajectories.findings import End, Findings, point_rows

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive checkpoints of a run, with what is told of them; one entry a checkpoint in each sequence.

    Attributes
    ----------
    first : int
        Index of the first one.
    steps : tuple of int
    files : tuple of str
    points : sequence of SlowPoints
    labels : sequence of Labels
    losses : list of float or None
    starts : sequence of (float, int or None), or None
    """

    first: int
    steps: tuple[int, ...]
    files: tuple[str, ...]
    points: Many[SlowPoints]
    labels: Sequence[Labels]
    losses: list[float | None]
    starts: Sequence[End] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a part of a run.

    Attributes
    ----------
    checkpoints, points : list of tuple
        Rows of the tables of these names.
    lines : tuple of bytes
        Of `checkpoints` and of `points` in `analysis.json`, each list's as one compressed text.
    """

    checkpoints: list[Row]
    points: list[Row]
    lines: tuple[bytes, bytes]


def parts(findings: Findings) -> Iterator[Part]:
    """The parts of a run, in order, with points as they are packed."""
    points, starts = findings.points, findings.starts
    losses = list(losses_at(findings.losses, findings.steps))
    first = 0
    for block in points.blocks if isinstance(points, Packed) else _blocks(points):
        span = slice(first, first + len(block))
        yield Part(
            first,
            findings.steps[span],
            tuple(findings.files[span]),
            block,
            findings.tracks.labels[span],
            losses[span],
            None if starts is None else starts[span],
        )
        first = span.stop


def _blocks(points: Sequence[SlowPoints]) -> Iterator[Sequence[SlowPoints]]:
    return (points[first : first + BLOCK] for first in range(0, len(points), BLOCK))


def tell(part: Part) -> Told:
    """Rows and lines of a part of a run."""
    checkpoints, points = list[Row](), list[Row]()
    lines: tuple[list[str], list[str]] = ([], [])
    starts = [(None, None)] * len(part.steps) if part.starts is None else part.starts
    every = zip(part.steps, part.files, part.points, part.labels, part.losses, starts, strict=True)
    for e, (step, file, found, labels, loss, start) in enumerate(every, part.first):
        at = at_checkpoint(step, file, found, loss)
        checkpoints.append((e, *at.values(), *start))
        lines[0].append(line(at))
        for point in point_rows(step, found, labels.roots + labels.ghosts):
            points.append((e, *_columns(point)))
            lines[1].append(line(point))
    return Told(checkpoints, points, (_text(lines[0]), _text(lines[1])))


def _text(lines: list[str]) -> bytes:
    return zlib.compress(",\n  ".join(lines).encode(), 1)


def _columns(told: dict[str, Any]) -> Row:
    numbers = (told["speed"], told["passage_time"])
    names = ("stability", "certificate")
    place = (told["step"], told["kind"], told["branch"], dumps(told["x"]))
    return *place, *map(_finite, numbers), *(told[name] for name in names), _finite(told["radius"])


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
