"""The stations of a run: its checkpoints, but two beside one that is right at a bifurcation.

At a checkpoint where a fixed point is degenerate nothing can be followed from or to it. So the lines end shortly before
it and begin shortly after it, at networks in which the points near it are simple, and a very short line joins the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dynaghost.slowpoints.newton import End, descend, newton
from dynaghost.slowpoints.pointwise import fixed_point, ghost, polished, proof_of_root
from dynaghost.slowpoints.records import FixedPoint, Ghost, SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.straight import Line

# Distance from such a checkpoint, in s; the points near it are then about its root apart.
ASIDE = 2.0**-14
_CRITICAL = 1e-5  # least |λ|, of the largest, of a fixed point that can be followed
_NEAR = 0.05  # distance, relative to 1 + |x|, within which points belong to a degenerate one
_RADII = (0.0, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True, slots=True)
class Stop:
    """A station.

    Attributes
    ----------
    system : System
    points : SlowPoints
    checkpoint : int
        Which checkpoint it is, or is beside.
    side : int
        0 at the checkpoint, −1 shortly before it, 1 shortly after it.
    """

    system: System
    points: SlowPoints
    checkpoint: int
    side: int = 0


@dataclass(frozen=True, slots=True)
class Station:
    """A station without its system; the fields are those of `Stop`."""

    points: SlowPoints
    checkpoint: int
    side: int = 0


def station_system(systems: Sequence[System], e: int, side: int) -> System:
    """The system of a station of checkpoint `e`: the checkpoint's own, or one beside it."""
    return Line(systems[e], systems[e + side]).at(ASIDE) if side else systems[e]


def stations_at(systems: Sequence[System], points: SlowPoints, e: int) -> list[Station]:
    """The stations of a checkpoint of a run: one, or those before and after it where one of its points is critical.

    Parameters
    ----------
    systems : sequence of System
        One a checkpoint.
    points : SlowPoints
        Of this checkpoint.
    e : int
    """
    if len(systems) == 1 or not any(critical(point) for point in points.fixed_points):
        return [Station(points, e)]
    sides = [side for side in (-1, 1) if 0 <= e + side < len(systems)]
    return [Station(beside(station_system(systems, e, side), points), e, side) for side in sides]


def critical(point: FixedPoint) -> bool:
    """Whether a fixed point is too close to a degenerate one to be followed."""
    sizes = np.abs(point.eigenvalues)
    return point.degenerate or bool(sizes.min() <= _CRITICAL * max(float(sizes.max()), 1e-300))


def beside(system: System, points: SlowPoints) -> SlowPoints:
    """The slow points of a system very close to one whose slow points are listed.

    Simple ones are near the listed ones; around a degenerate one Newton starts on both sides of it, along its null
    vector, and so do descents of q.
    """
    starts = [point.x for point in points.fixed_points if not critical(point)]
    around = [x for point in points.fixed_points if critical(point) for x in _around(system, point.x)]
    roots = [polished(system, x) for x in starts] + _roots_near(system, around)
    minima = [one.x for one in points.ghosts] + around
    found = _ghosts_near(system, minima, roots)
    records = tuple(fixed_point(system, x, proof_of_root(system, x)) for x in roots)
    return replace(points, fixed_points=records, ghosts=found, complete=False, ghosts_complete=False, index_sum=None)


def _around(system: System, x: Array) -> list[Array]:
    v = np.linalg.svd(system.jacobian(x))[2][-1]
    return [x + side * radius * (1 + float(np.linalg.norm(x))) * v for radius in _RADII for side in (1, -1)]


def _roots_near(system: System, starts: Sequence[Array]) -> list[Array]:
    if not starts:
        return []
    batch = newton(system, np.array(starts))
    ends = [
        polished(system, x)
        for x, start, end in zip(batch.x, starts, batch.ends, strict=True)
        if end == End.CONVERGED and _close(x, start, _NEAR)
    ]
    return _different(ends, 1e-7)


def _ghosts_near(system: System, starts: Sequence[Array], roots: Sequence[Array]) -> tuple[Ghost, ...]:
    if not starts:
        return ()
    batch = descend(system, np.array(starts))
    ends = [
        x
        for x, start, end in zip(batch.x, starts, batch.ends, strict=True)
        if end == End.CONVERGED and _close(x, start, _NEAR) and not any(_close(x, root, 1e-7) for root in roots)
    ]
    found = [ghost(system, x) for x in _different(ends, 1e-7)]
    return tuple(one for one in found if one is not None)


def _close(x: Array, y: Array, tolerance: float) -> bool:
    return bool(np.linalg.norm(x - y) <= tolerance * (1 + np.linalg.norm(x)))


def _different(states: Sequence[Array], tolerance: float) -> list[Array]:
    kept: list[Array] = []
    for x in states:
        if not any(_close(x, other, tolerance) for other in kept):
            kept.append(x)
    return kept
