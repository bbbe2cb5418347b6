"""Where between two checkpoints a trial changes the fixed point in which it ends: by bisection on the straight line.

At each place the trial is simulated in the network there, and the fixed point in which it rests is followed back to a
checkpoint, where it has a branch.
"""

from collections.abc import Callable

import numpy as np

from dynaghost.slowpoints.linear_regions import argument
from dynaghost.slowpoints.pointwise import polished
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.trajectories.border_curves import serves, trace_regions
from dynaghost.trajectories.curves import CurveEnd, trace
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.space_link import Place, match
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.visits import rest

_BRACKET = 1e-9
_NEAR = 1e-6  # of 1 + |x|: where a trial at rest and the fixed point in which it rests are


def bracket(
    networks: Line,
    circuits: Line,
    points: tuple[SlowPoints, SlowPoints],
    starts: Callable[[float, System], Array],
    stays: Callable[[Place], bool],
) -> tuple[float, float]:
    """The narrowest bracket that was found of the place from which a trial ends elsewhere.

    Parameters
    ----------
    networks, circuits : Line
        Of the networks, and of those in whose coordinates the slow points are.
    points : tuple of SlowPoints
        Of the two checkpoints.
    starts : callable
        From a place and the network there to the trial's first state, (units,).
    stays : callable
        Whether a listed fixed point is on the branch on which the trial ends at the first checkpoint.

    Returns
    -------
    low, high : float
        At most 1e-9 apart, or wider where the trial comes to no rest, or its fixed point could not be followed.
    """
    low, high = 0.0, 1.0
    while high - low > _BRACKET:
        middle = 0.5 * (low + high)
        network = networks.at(middle)
        x = rest(network, circuits.at(middle), starts(middle, network))
        place = None if x is None else _listed(circuits, points, x, middle)
        if place is None:
            break
        low, high = (middle, high) if stays(place) else (low, middle)
    return low, high


def _listed(line: Line, points: tuple[SlowPoints, SlowPoints], x: Array, s: float) -> Place | None:
    """The listed fixed point of a checkpoint from which the one at `x` comes, or to which it goes."""
    if serves(line):
        return _by_regions(line, points, x, s)
    root = polished(line.at(s), x)
    if np.linalg.norm(root - x) > _NEAR * (1 + np.linalg.norm(x)):
        return None
    curve = trace(FixedPoints(line), root, s, rising=False)
    if curve.end is not CurveEnd.ARRIVED:
        return None
    side = round(curve.nodes[-1].s)
    index = match(points[side].fixed_points, curve.nodes[-1].x)
    return None if index is None else Place(side, index)


def _by_regions(line: Line, points: tuple[SlowPoints, SlowPoints], x: Array, s: float) -> Place | None:
    network = line.at(s)
    assert isinstance(network, LeakyRNN)
    curve = trace_regions(line, argument(network, x) > 0, s, rising=False)
    if curve.end is not CurveEnd.ARRIVED:
        return None
    last = curve.fragments[-1]
    side = round(last.stop)
    there = line.at(float(side))
    assert isinstance(there, LeakyRNN)
    found = [i for i, p in enumerate(points[side].fixed_points) if np.array_equal(argument(there, p.x) > 0, last.on)]
    return Place(side, found[0]) if found else None
