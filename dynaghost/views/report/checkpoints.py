"""The slow points and the flow of every shown checkpoint, as lists of few numbers for the page's script."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost
from dynaghost.summary import losses_at
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views.report import fields
from dynaghost.views.report.thinning import digits, numbers

EIGENVALUES, ALL_EIGENVALUES = 24, 12_000
"""Eigenvalues that are drawn at most, of a fixed point and in all: those with the greatest growth."""
ROLES = tuple(layout.Role)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the checkpoints of a page have in common.

    Attributes
    ----------
    frame : Frame
        What the picture of the flow shows.
    count : int
        Checkpoints that share the page, about: those of all its runs.
    eigenvalues : int
        Of a fixed point, that are drawn at most.
    names : list of str
        Of stabilities, each once.
    """

    frame: fields.Frame
    count: int
    eigenvalues: int
    names: list[str] = field(default_factory=list)

    def name(self, stability: str) -> int:
        """The place of a name, which is added where it is new."""
        if stability not in self.names:
            self.names.append(stability)
        return self.names.index(stability)


def share(findings: Findings, indices: Sequence[int], runs: int) -> Shared:
    """What these checkpoints have in common, on a page of so many runs."""
    count = runs * len(indices)
    return Shared(fields.frame(findings, indices, count), count, drawn_eigenvalues(findings, indices, runs))


def drawn_eigenvalues(findings: Findings, indices: Sequence[int], runs: int) -> int:
    """How many eigenvalues of each fixed point there is room for."""
    fixed = runs * sum(len(findings.points[e].fixed_points) for e in indices)
    return max(min(EIGENVALUES, ALL_EIGENVALUES // max(fixed, 1)), 2)


def checkpoints_of(findings: Findings, indices: Sequence[int], shared: Shared) -> Iterator[dict[str, Any]]:
    """Step, name of the file, loss, claims, points, the trial, the field and paths of every checkpoint."""
    losses = list(losses_at(findings.losses, findings.steps))
    for e in indices:
        found, labels = findings.points[e], findings.tracks.labels[e]
        start = None if findings.starts is None else findings.starts[e]
        yield {
            "s": findings.steps[e],
            "n": findings.files[e].replace("\\", "/").rsplit("/", 1)[-1],
            "l": digits(losses[e], 6),
            "c": int(found.complete) + 2 * int(found.ghosts_complete),
            "u": found.undecided,
            "o": len(found.slow_regions),
            "p": [_fixed(p, b, shared) for p, b in zip(found.fixed_points, labels.roots, strict=True)],
            "g": [_ghost(p, b, shared) for p, b in zip(found.ghosts, labels.ghosts, strict=True)],
            "k": None if start is None else [digits(start[0], 6), start[1]],
            "f": fields.field_of(findings, e, shared.frame),
            "t": fields.drawn_paths(findings, e, shared.frame, shared.count),
        }


def _fixed(point: FixedPoint, branch: int, shared: Shared) -> list[Any]:
    """Branch, role, stability, proved, radius, unstable directions, place, coordinates, eigenvalues, why undecided."""
    leading = _spectrum(point)[np.argsort(-point.rates.real, kind="stable")][: shared.eigenvalues]
    return [
        branch,
        ROLES.index(layout.role(point)),
        shared.name(point.stability),
        int(point.certificate is not Certificate.UNDECIDED),
        digits(point.radius, 2),
        point.unstable_directions,
        _place(point.x),
        numbers(shared.frame.of(point.x), _digits(point.x)),
        [digits(part, 4) for value in leading for part in (value.real, value.imag)],
        point.undecided_because,
    ]


def _spectrum(point: FixedPoint) -> Array:
    """Eigenvalues of a flow, multipliers of a map."""
    if point.time is Time.FLOW:
        return point.eigenvalues
    return 1 + point.eigenvalues if point.multipliers is None else point.multipliers


def _ghost(ghost: Ghost, branch: int, shared: Shared) -> list[Any]:
    """Branch, speed, passage time and its origin, proved, radius, place, coordinates, |Im z|, why undecided."""
    pair = ghost.complex_point
    return [
        branch,
        digits(ghost.speed, 6),
        digits(ghost.passage_time, 6),
        ghost.passage_from.value,
        int(ghost.certificate is not Certificate.UNDECIDED),
        digits(ghost.radius, 4),
        _place(ghost.x),
        numbers(shared.frame.of(ghost.x), _digits(ghost.x)),
        None if pair is None else digits(float(np.linalg.norm(pair.imag)), 4),
        ghost.undecided_because,
    ]


def _digits(x: Array) -> int:
    """Of coordinates: as many as are printed where these are the state itself, else for a picture."""
    return 6 if len(x) == 1 else 4


def _place(x: Array) -> list[Any] | None:
    """The first four numbers of a state; None where the coordinates of the picture are the state."""
    return numbers(x[:4], 4) if len(x) > 2 else None
