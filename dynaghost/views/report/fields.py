"""The flow of a shown checkpoint as few numbers: f on a line or on a grid of a plane, and trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.systems.base import Array, ScalarSystem, System
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views.report.thinning import digits, packed

LINE_POINTS = 121
"""Values of f(κ) that a checkpoint keeps."""
GRIDS = ((41, 2), (33, 2), (25, 2), (21, 2), (17, 2), (17, 1), (15, 1), (13, 1), (11, 1))
"""Side of the grid of f in a plane, and bytes a number: the first that fits, or the last."""
FIELD_BYTES = 380_000
"""Bytes that the fields of all checkpoints in a plane may take."""
PATH_BYTES = 160_000
"""Bytes that the paths of all checkpoints may take: where there are many, paths have fewer states, or are fewer."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the picture of the flow shows, the same at every checkpoint so that it can be seen to move.

    Attributes
    ----------
    kind : {"line", "plane", "space"}
    labels : tuple of str
        Of its two axes.
    x, y : tuple of float
        Least and greatest coordinate.
    centre, components : ndarray (dim,), (2, dim)
        Coordinates of a state are components·(state − centre); unused on a line.
    grid : int
        Side of the grid in a plane, values on a line; 0 in space.
    bytes_each : {1, 2}
        Of a value of f.
    """

    kind: str
    labels: tuple[str, str]
    x: tuple[float, float]
    y: tuple[float, float]
    centre: Array
    components: Array
    grid: int
    bytes_each: int = 2

    def of(self, x: Array) -> Array:
        """Coordinates (..., 2) of states; on a line κ alone, (..., 1)."""
        return x if self.kind == "line" else (x - self.centre) @ self.components.T


def frame(findings: Findings, indices: Sequence[int], count: int) -> Frame:
    """The picture that fits all of these checkpoints; `count` of them share the page, with those of other runs."""
    if findings.description.dim == 1:
        return _line(findings, indices)
    if findings.description.dim == 2 and findings.circuits:
        return _plane(findings, indices, count)
    return _space(findings, indices)


def _line(findings: Findings, indices: Sequence[int]) -> Frame:
    spans = [layout.marked(findings, e) for e in indices]
    low, high = min(map(min, spans)), max(map(max, spans))
    room = 0.12 * (high - low) or 1.0
    unit, letter = layout.per(findings.description.time, findings.description.leak), layout.letter(findings)
    top = 1.4 * max((_top(findings, e, span) for e, span in zip(indices, spans, strict=True)), default=0.0)
    return Frame(
        "line",
        (letter, f"f({letter}) ({unit})"),
        (low - room, high + room),
        (-top, top) if top > 1e-9 else (-room, room),
        np.zeros(1),
        np.eye(1),
        LINE_POINTS,
    )


def _top(findings: Findings, e: int, span: Sequence[float]) -> float:
    """The greatest |f| between the places that are marked at a checkpoint: near zero is where slow points are."""
    if not findings.circuits:
        return 0.0
    return float(np.abs(_on_line(findings.circuits[e], np.linspace(min(span), max(span), LINE_POINTS))).max())


def _on_line(circuit: System, x: Array) -> Array:
    """f (points,) of a system of one dimension, whether it takes numbers or states of one number."""
    return circuit.f(x) if isinstance(circuit, ScalarSystem) else circuit.f(x[:, None])[:, 0]


def _plane(findings: Findings, indices: Sequence[int], count: int) -> Frame:
    places = [point.x for e in indices for point in findings.points[e].points]
    places += [state for e in (indices[0], indices[-1]) for path in paths(findings, e) for state in path]
    x, y = _ranges(np.array([*places, np.zeros(2)]), 0.25)
    letter = layout.letter(findings)
    fits = (grid for grid in GRIDS if count * grid[0] ** 2 * 2 * grid[1] * 4 / 3 <= FIELD_BYTES)
    grid, size = next(fits, GRIDS[-1])
    return Frame("plane", (f"{letter}₁", f"{letter}₂"), x, y, np.zeros(2), np.eye(2), grid, size)


def _space(findings: Findings, indices: Sequence[int]) -> Frame:
    places = np.array([point.x for e in indices for point in findings.points[e].points])
    dim = findings.description.dim
    if not len(places):
        return Frame("space", ("PC 1", "PC 2"), (-1.0, 1.0), (-1.0, 1.0), np.zeros(dim), np.eye(dim)[:2], 0)
    centre = places.mean(axis=0)
    _, spread, rows = np.linalg.svd(np.vstack([places - centre, np.zeros((2, dim))]), full_matrices=False)
    components = rows[:2] * np.sign(rows[[0, 1], np.argmax(np.abs(rows[:2]), axis=1)])[:, None]
    total = float(np.sum(spread**2)) or 1.0
    shares = [f"PC {k + 1} ({100 * spread[k] ** 2 / total:.0f} % of the variance)" for k in (0, 1)]
    states = [places, *(path for e in (indices[0], indices[-1]) for path in paths(findings, e))]
    x, y = _ranges((np.concatenate(states) - centre) @ components.T, 0.1)
    return Frame("space", (shares[0], shares[1]), x, y, centre, components, 0)


def _ranges(places: Array, share: float) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = places.min(axis=0), places.max(axis=0)
    room = np.maximum(share * (high - low), 0.05 * float(np.max(high - low)) or 0.5)
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return (left, right), (bottom, top)


def field_of(findings: Findings, e: int, chosen: Frame) -> list[Any]:
    """f of a checkpoint on the frame's grid: packed values and their factor, for each coordinate of a plane."""
    if not chosen.grid or not findings.circuits:
        return []
    circuit = findings.circuits[e]
    if chosen.kind == "line":
        # What leaves the picture need not be told apart there; four times its height keeps the slope at its edge.
        f = np.clip(_on_line(circuit, np.linspace(*chosen.x, chosen.grid)), 4 * chosen.y[0], 4 * chosen.y[1])
        return list(packed(f, 2))
    first, second = np.meshgrid(np.linspace(*chosen.x, chosen.grid), np.linspace(*chosen.y, chosen.grid))
    f = circuit.f(np.stack([first, second], axis=-1))
    return [part for k in (0, 1) for part in packed(f[..., k], chosen.bytes_each)]


def paths(findings: Findings, e: int) -> list[Array]:
    """States (times, dim) that the trials visit at a checkpoint; none where no trial is known, or on a line."""
    visited = None if findings.description.dim == 1 else findings.visited(findings.steps[e])
    return [] if visited is None else list(visited)


def drawn_paths(findings: Findings, e: int, chosen: Frame, count: int) -> list[list[Any]]:
    """Coordinates of the trials' states, packed as x, y, x, y, …; `count` checkpoints have to share the room."""
    if chosen.kind == "line":
        return []
    found, room = paths(findings, e), PATH_BYTES // (2 * 2 * 4 * count // 3)
    found = found[: max(room // 10, 1)]
    return [list(packed(chosen.of(_fewer(path, room // len(found))).ravel(), 2)) for path in found]


def _fewer(path: Array, most: int) -> Array:
    return path[np.unique(np.linspace(0, len(path) - 1, min(max(most, 2), len(path))).astype(int))]


def described(chosen: Frame) -> dict[str, Any]:
    """A frame as JSON has it."""
    return {
        "kind": chosen.kind,
        "labels": chosen.labels,
        "x": [digits(v, 7) for v in chosen.x],
        "y": [digits(v, 7) for v in chosen.y],
        "grid": chosen.grid,
        "bytes": chosen.bytes_each,
    }
