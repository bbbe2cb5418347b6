"""Fixed points that are born and die between two checkpoints, where a ghost that was followed leads to their birth."""

from collections.abc import Sequence

import numpy as np

from dynaghost.systems.base import Array
from dynaghost.trajectories.curves import Curve, CurveEnd, loop
from dynaghost.trajectories.equations import FixedPoints

_SAME = 1e-6


def closed_curves(
    equation: FixedPoints, zeros: Sequence[tuple[Array, float]]
) -> tuple[list[Curve], list[tuple[int, Array]]]:
    """The curves of fixed points that turn where f vanishes on a minimum of the speed.

    Parameters
    ----------
    equation : FixedPoints
    zeros : sequence of (ndarray (n,), float)
        Such places, x and s.

    Returns
    -------
    loops : list of Curve
        Those that close, each once.
    reached : list of (int, ndarray)
        Of the others, the checkpoint (0 before, 1 after) that they arrive at, and the fixed point there.
    """
    loops: list[Curve] = []
    reached: list[tuple[int, Array]] = []
    for x, s in zeros:
        if any(_on(curve, x, s) for curve in loops):
            continue
        v = np.linalg.svd(equation.line.at(s).jacobian(x))[2][-1]
        for side in (1, -1):
            curve = loop(equation, x, s, side * v)
            if curve is not None and curve.end is CurveEnd.CLOSED:
                loops.append(curve)
                break
            if curve is not None and curve.end is CurveEnd.ARRIVED:
                reached.append((round(curve.nodes[-1].s), curve.nodes[-1].x))
    return loops, reached


def _on(curve: Curve, x: Array, s: float) -> bool:
    """Whether a place is a turning of a curve."""
    turnings = [curve.nodes[0], *(curve.nodes[k] for k in curve.turnings)]
    return any(np.linalg.norm(node.y - np.append(x, s)) <= _SAME * (1 + np.linalg.norm(x)) for node in turnings)
