"""What happens to the fixed points between two checkpoints: turnings and changes of stability, named.

A turning is a saddle-node. Where a curve turns without being driven and another one changes its stability at the same
place, both are one pitchfork; where two curves exchange their stability at one place, a transcritical bifurcation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.trajectories.curves import Node
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.normal_forms import (
    SimpleZero,
    first_lyapunov_coefficient,
    flip_coefficient,
    leak_of,
    simple_zero,
)
from dynaghost.trajectories.space_link import Life
from dynaghost.trajectories.stability_changes import Change, Crossing, Fold

# Distances in s and in x (relative to 1 + |x|) below which two curves are at one place. A branch point is a double
# zero: x is known to about the square root of the precision in s.
_SAME_S, _SAME_X = 1e-6, 1e-3
_DRIVEN = 1e-4  # share of the drive below which a turning is one only together with another curve
_LINEAR = 1e-6  # coefficient below which the third-order terms decide nothing
_VANISHES = 1e-3  # share of the cubic coefficient below which a quadratic one is 0 as far as can be told


class HappeningKind(StrEnum):
    """The kinds; events of the same names come from them."""

    SADDLE_NODE = "saddle_node"
    PITCHFORK = "pitchfork"
    TRANSCRITICAL = "transcritical"
    CUSP = "cusp"
    HOPF = "hopf"
    NEIMARK_SACKER = "neimark_sacker"
    FLIP = "flip"
    BORDER_COLLISION = "border_collision"
    GHOST_EMERGENCE = "ghost_emergence"
    GHOST_DISSOLUTION = "ghost_dissolution"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event on the line between two checkpoints.

    Attributes
    ----------
    kind : HappeningKind
    s : float
        Where on the line.
    bracket : tuple of float
        s on both sides of the change of sign of its test function.
    x : ndarray (n,)
        The state.
    lives : tuple of int
        The stretches of fixed points (or of ghosts, for a ghost's emergence and dissolution) that meet there; of a
        saddle-node first the one with more unstable directions, of a pitchfork first the one that goes on.
    creates : bool or None
        Slow points are born (True) or die (False); None where they only change.
    resolved : bool
        The kind is certain as far as the coefficients and the partners tell.
    evidence : dict
    """

    kind: HappeningKind
    s: float
    bracket: tuple[float, float]
    x: Array
    lives: tuple[int, ...]
    creates: bool | None
    resolved: bool
    evidence: dict[str, Any] = field(default_factory=dict)


def happenings(
    equation: FixedPoints,
    lives: Sequence[Life],
    unstable: Sequence[tuple[int, int]],
    folds: Sequence[Fold],
    changes: Sequence[Change],
) -> list[Happening]:
    """Every event of fixed points on the line: one a turning, in their order, then the changes of stability.

    Parameters
    ----------
    equation : FixedPoints
    lives : sequence of Life
    unstable : sequence of (int, int)
        Of each life, where it begins and ends.
    folds : sequence of Fold
        Of each turning.
    changes : sequence of Change
    """
    open_changes = [change for change in changes if change.crossing is Crossing.ZERO]
    found: list[Happening] = []
    for k, fold in enumerate(folds):
        partner = next((c for c in open_changes if fold.branch_point and _meet(c.node, fold.turning.node)), None)
        if partner is not None:
            open_changes = [change for change in open_changes if change is not partner]
        found.append(_turning(k, fold, partner, lives, unstable))
    found.extend(_zeros(equation, open_changes))
    found.extend(crossing(equation, c) for c in changes if c.crossing is not Crossing.ZERO)
    return found


def _meet(one: Node, other: Node) -> bool:
    near = np.linalg.norm(one.x - other.x) <= _SAME_X * (1 + np.linalg.norm(one.x))
    return bool(near and abs(one.s - other.s) <= _SAME_S)


def _turning(
    k: int, fold: Fold, partner: Change | None, lives: Sequence[Life], unstable: Sequence[tuple[int, int]]
) -> Happening:
    """A saddle-node, or with a partner (or without any drive) a pitchfork."""
    turning, form = fold.turning, fold.form
    side = 0 if turning.creates else 1
    meeting = [i for i, life in enumerate(lives) if k in (life.low, life.high)]
    meeting.sort(key=lambda i: -unstable[i][side])
    node, evidence = turning.node, _coefficients(form)
    evidence["unstable_directions"] = [unstable[i][side] for i in meeting]
    # The curve is s* + O(σ²): what is left of s is the rounding of f over its drive.
    error = 1e-12 + 1e-14 * (1 + float(np.linalg.norm(node.x))) / max(abs(form.drive), 1e-8)
    bracket = max(node.s - error, 0.0), min(node.s + error, 1.0)
    evidence["test"] = [float(one.t[-1]) for one in turning.neighbours]
    evidence["test_function"] = "ds along the curve"
    kind = HappeningKind.SADDLE_NODE
    if partner is not None:
        kind, meeting = HappeningKind.PITCHFORK, [partner.life, *meeting]
        evidence["eigenvalue_test"] = list(partner.test)
    resolved = partner is not None or fold.driven > _DRIVEN
    if resolved and abs(form.quadratic) <= 1e-6 * abs(form.cubic) and partner is None:
        kind = HappeningKind.CUSP
    return Happening(kind, node.s, bracket, node.x, tuple(meeting), turning.creates, resolved, evidence)


def _coefficients(form: SimpleZero) -> dict[str, Any]:
    return {"drive": form.drive, "quadratic": form.quadratic, "cubic": form.cubic}


def _zeros(equation: FixedPoints, changes: Sequence[Change]) -> list[Happening]:
    """Real eigenvalues through 0 on curves that go on: two that meet are one transcritical bifurcation."""
    found, rest = [], list(changes)
    while rest:
        first = rest.pop(0)
        other = next((c for c in rest if _meet(c.node, first.node) and _opposite(c, first)), None)
        if other is not None:
            rest = [change for change in rest if change is not other]
        found.append(_zero(equation, first, other))
    return found


def _opposite(one: Change, other: Change) -> bool:
    return (one.unstable[0] < one.unstable[1]) != (other.unstable[0] < other.unstable[1])


def _zero(equation: FixedPoints, first: Change, other: Change | None) -> Happening:
    node = first.node
    system = equation.line.at(node.s)
    J = system.jacobian(node.x)
    guess = np.linalg.svd(J)[2][-1]
    form = simple_zero(system, node.x, equation.line.velocity(node.x, node.s), guess)
    bent = abs(form.quadratic) > _VANISHES * max(abs(form.cubic), 1e-12)
    kind = HappeningKind.TRANSCRITICAL if bent or other is not None else HappeningKind.PITCHFORK
    lives = (first.life,) if other is None else (first.life, other.life)
    evidence = {**_coefficients(form), **_eigenvalue(first, None)}
    if other is None:
        evidence["because"] = "the other fixed points of the branch point were not listed at a checkpoint"
    return Happening(kind, node.s, first.bracket, node.x, lives, None, other is not None, evidence)


def _eigenvalue(change: Change, leak: float | None) -> dict[str, Any]:
    critical = change.eigenvalue if leak is None else 1 + leak * change.eigenvalue
    return {
        "multiplier" if leak is not None else "eigenvalue": [critical.real, critical.imag],
        "test": list(change.test),
        "test_function": "growth of the critical eigenvalue",
        "unstable_directions": list(change.unstable),
    }


def crossing(equation: FixedPoints, change: Change) -> Happening:
    """A Hopf, Neimark–Sacker or flip bifurcation."""
    system = equation.line.at(change.node.s)
    flow = system.time == "flow"
    kind = HappeningKind.HOPF if flow else HappeningKind.NEIMARK_SACKER
    if change.crossing is Crossing.FLIP:
        kind = HappeningKind.FLIP
    evidence = _eigenvalue(change, None if flow else leak_of(system))
    if equation.smooth:
        evidence |= _criticality(kind, system, change)
    return Happening(kind, change.node.s, change.bracket, change.node.x, (change.life,), None, True, evidence)


def _criticality(kind: HappeningKind, system: System, change: Change) -> dict[str, Any]:
    """The coefficient of the normal form, and whether what is born beside the fixed point is stable."""
    if kind is HappeningKind.FLIP:
        name, coefficient = "cubic", flip_coefficient(system, change.node.x)
        stable = coefficient > 0
    else:
        name = "first_lyapunov_coefficient"
        coefficient = first_lyapunov_coefficient(system, change.node.x, change.eigenvalue)
        stable = coefficient < 0
    told = "supercritical" if stable else "subcritical"
    return {name: coefficient, "criticality": told if abs(coefficient) > _LINEAR else "degenerate"}
