"""Cusps: places where a followed fixed point is a triple root, its derivative and its quadratic coefficient both 0.

A curve of fixed points that passes a cusp does not turn, and stability does not change: the derivative along it touches
0. So the quadratic coefficient is what changes its sign.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from dynaghost.trajectories.curves import Node, point
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.happenings import Happening, HappeningKind
from dynaghost.trajectories.normal_forms import SimpleZero, simple_zero
from dynaghost.trajectories.space_link import Life
from dynaghost.trajectories.zeros import zero

# Tangents at both ends of a step are within 16° of each other: where one is steeper than this in s, no other is at 0.
_STEEP = 0.3
_TOUCHES = 1e-8  # most ds along the curve, where it is a cusp
_BESIDE = 1e-3  # share of a step on either side at which the test function is given


def cusps(equation: FixedPoints, lives: Sequence[Life]) -> Iterator[Happening]:
    """Every cusp that a fixed point passes.

    Parameters
    ----------
    equation : FixedPoints
    lives : sequence of Life

    Yields
    ------
    Happening
        Of one life; nothing is born or dies.
    """
    if not equation.smooth:
        return
    for number, life in enumerate(lives):
        for a, b in pairwise(life.nodes):
            if min(a.t[-1], b.t[-1]) < _STEEP and (found := _between(equation, a, b)) is not None:
                yield _cusp(equation, number, (a, b), found)


def _form(equation: FixedPoints, node: Node) -> SimpleZero:
    system, by_s = equation.line.at(node.s), equation.line.velocity(node.x, node.s)
    return simple_zero(system, node.x, by_s, node.t[:-1])


def _between(equation: FixedPoints, a: Node, b: Node) -> float | None:
    """The share of the way from one node to the next at which there is a cusp."""
    v = a.t[:-1] / np.linalg.norm(a.t[:-1])

    def quadratic(u: float) -> float:
        form = _form(equation, a if u == 0 else b if u == 1 else point(equation, a, b, u))
        # v and w turn together: the coefficient has the sign of v.
        return form.quadratic if float(form.v @ v) > 0 else -form.quadratic

    low, high = quadratic(0.0), quadratic(1.0)
    if not low * high < 0:
        return None
    u = zero(quadratic, 0.0, 1.0, low, high)
    there = point(equation, a, b, u)
    return u if abs(there.t[-1]) <= _TOUCHES and abs(_form(equation, there).drive) > _TOUCHES else None


def _cusp(equation: FixedPoints, number: int, ends: tuple[Node, Node], u: float) -> Happening:
    node = point(equation, *ends, u)
    form = _form(equation, node)
    beside = [point(equation, *ends, min(max(u + side * _BESIDE, 0.0), 1.0)) for side in (-1, 1)]
    evidence = {
        "drive": form.drive,
        "quadratic": form.quadratic,
        "cubic": form.cubic,
        "test": [_form(equation, one).quadratic for one in beside],
        "test_function": "quadratic coefficient along the curve",
        "ds": float(node.t[-1]),
    }
    bracket = max(min(beside[0].s, node.s), 0.0), min(max(beside[1].s, node.s), 1.0)
    return Happening(HappeningKind.CUSP, node.s, bracket, node.x, (number,), None, True, evidence)
