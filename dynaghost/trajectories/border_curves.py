"""Fixed points of ReLU and leaky ReLU networks along the straight line between two checkpoints, region by region.

In a region, where units have the slopes D, the fixed point's u solves (I − W(s)D)u = b(s): u is a rational function of
s. With A = I − W D, E = A⁻¹∂A/∂s and u' = du/ds, for ‖hE‖ ≤ ½ in the row-sum norm
|u(s + h) − u − h u'| ≤ 2h²‖E u'‖ and |u'(s + h) − u'| ≤ 10|h|‖E u'‖ in each component, so that a step in which every
unit keeps its sign or moves one way only leaves no crossing out (but for rounding).

Where unit i comes to its kink, the region beside has the same numerator of u_i by Cramer's rule, and another
determinant. If both have one sign, the fixed point goes on in that region (persistence). If not, both regions have a
fixed point on one side of s and none on the other: the curve turns (a non-smooth fold), and beyond it both points are
virtual.
"""

from dataclasses import dataclass, field

import numpy as np

from dynaghost.slowpoints.linear_regions import region_jacobian, slopes_of, state_of
from dynaghost.systems.base import Array
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.trajectories.curves import CurveEnd, Node
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.zeros import zero

_SHORTEST = 1e-13
_WITHIN = 1e-14  # width in s to which a crossing is located
_FARTHEST = 1e9  # of u, relative to 1 + |u| at the start of the curve
BORDERS = 1000
"""Most borders that one curve crosses."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fixed point's way through one region, from s = `start` to `stop`; `on` (n,) says which units are above 0."""

    on: Array
    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class Border:
    """Where a curve goes from one region to the next.

    Attributes
    ----------
    s : float
    unit : int
        The one at its kink.
    signs : tuple of int
        Sign of det(−J) in the region that is left and in the next one.
    beside : tuple of float
        Places on both sides of s, between which u of the unit changes its sign.
    """

    s: float
    unit: int
    signs: tuple[int, int]
    beside: tuple[float, float]

    @property
    def turns(self) -> bool:
        """Whether it is a non-smooth fold."""
        return self.signs[0] != self.signs[1]


@dataclass(slots=True)
class RegionCurve:
    """A curve of fixed points through regions; `borders[k]` lies between fragments k and k + 1."""

    fragments: list[Fragment] = field(default_factory=list)
    borders: list[Border] = field(default_factory=list)
    end: CurveEnd = CurveEnd.ARRIVED


def serves(line: Line) -> bool:
    """Whether the systems on a line are piecewise linear networks."""
    return isinstance(line.first, LeakyRNN) and line.first.activation.piecewise


class Region:
    """The fixed point of one region, real or virtual, along a line."""

    def __init__(self, line: Line, on: Array) -> None:
        network = _network(line, 0.0)
        self.line, self.on, self.d = line, on, slopes_of(network, on)
        self.signed = np.where(on, 1.0, -1.0)
        self._change = network.W - _network(line, 1.0).W, _network(line, 1.0).b - network.b

    def u(self, s: float) -> Array:
        """u (n,) at `s`; infinite where there is none."""
        network = _network(self.line, s)
        try:
            return np.linalg.solve(np.eye(network.dim) - network.W * self.d, network.b)
        except np.linalg.LinAlgError:
            return np.full(network.dim, np.inf)

    def local(self, s: float) -> tuple[Array, Array, Array]:
        """u, du/ds and E at `s`."""
        network, (dA, db) = _network(self.line, s), self._change
        A = np.eye(network.dim) - network.W * self.d
        right = np.column_stack([network.b, db, dA * self.d])
        try:
            found = np.linalg.solve(A, right)
        except np.linalg.LinAlgError:
            found = np.full_like(right, np.inf)
        u, E = found[:, 0], found[:, 2:]
        return u, found[:, 1] - E @ u, E

    def jacobian(self, s: float) -> Array:
        """J of the region at `s`, also right at its border."""
        return region_jacobian(_network(self.line, s), self.d)

    def sign(self, s: float) -> int:
        """Sign of det(−J)."""
        return int(np.linalg.slogdet(-self.jacobian(s))[0])

    def node(self, s: float) -> Node:
        """The state at `s` and the tangent there, for increasing s."""
        network = _network(self.line, s)
        u, rate, _ = self.local(s)
        t = np.append(state_of(network, rate, self.d), 1.0)
        return Node(np.append(state_of(network, u, self.d), s), t / np.linalg.norm(t))

    def beside(self, unit: int) -> "Region":
        """The region in which one unit has the other sign."""
        on = self.on.copy()
        on[unit] = not on[unit]
        return Region(self.line, on)


def _network(line: Line, s: float) -> LeakyRNN:
    network = line.at(s)
    assert isinstance(network, LeakyRNN)
    return network


def trace_regions(line: Line, on: Array, s: float, *, rising: bool) -> RegionCurve:
    """The curve from the real fixed point of a region at `s`, until it leaves the line from s = 0 to s = 1.

    Examples
    --------
    >>> line = Line(*(LeakyRNN([[2.0]], [b], activation="relu") for b in (-1.0, 1.0)))
    >>> curve = trace_regions(line, np.array([True]), 0.0, rising=True)
    >>> [border.turns for border in curve.borders], round(curve.borders[0].s, 12), curve.fragments[-1].stop
    ([True], 0.5, 0.0)
    """
    curve, region, entered = RegionCurve(), Region(line, on), None
    farthest = _FARTHEST * (1 + float(np.abs(region.u(s)).max()))
    for _ in range(BORDERS):
        found = _exit(region, s, 1.0 if rising else 0.0, entered, farthest)
        if isinstance(found, CurveEnd):
            curve.end = found
            return curve
        stop, unit = found
        curve.fragments.append(Fragment(region.on, s, stop))
        if unit is None:
            return curve
        next_ = region.beside(unit)
        border = _border(region, next_, stop, unit, s)
        curve.borders.append(border)
        rising = rising != border.turns
        region, s, entered = next_, stop, unit
    curve.end = CurveEnd.BUDGET
    return curve


def _border(region: Region, next_: Region, s: float, unit: int, start: float) -> Border:
    aside = min(1e-7, 0.5 * abs(s - start))
    return Border(s, unit, (region.sign(s), next_.sign(s)), (s - aside, s + aside))


def _exit(
    region: Region, s: float, end: float, entered: int | None, farthest: float
) -> tuple[float, int | None] | CurveEnd:
    """Where the fixed point leaves its region on the way to `end`, and which unit does; that is None at the end.

    `entered` is the unit at whose kink it came in at `s`.
    """
    while s != end:
        u, rate, E = region.local(s)
        if not (np.all(np.isfinite(rate)) and np.abs(u).max() < farthest):
            return CurveEnd.INFINITE
        inside = region.signed * u
        if entered is not None:
            inside[entered] = 0.0
        step = _safe_step(region.signed, (inside, rate, E), end - s, entered)
        if step is None:
            return CurveEnd.SHORT
        target = end if step == end - s else s + step
        after = region.signed * region.u(target)
        out = [i for i in np.flatnonzero(after <= 0).tolist() if i != entered]
        if out:
            return min(
                (_crossing(region, i, (s, target), (inside[i], after[i])) for i in out), key=lambda one: abs(one[0] - s)
            )
        s, entered = target, None
    return end, None


def _safe_step(signed: Array, local: tuple[Array, Array, Array], most: float, entered: int | None) -> float | None:
    """A step in which every unit stays inside, or moves one way only; None if it became too short."""
    inside, rate, E = local
    norm, bend = float(np.abs(E).sum(axis=1).max()), float(np.abs(E @ rate).max())
    h = float(np.sign(most)) * min(abs(most), 0.5 / max(norm, 1e-300))
    h = most if abs(h) == abs(most) else h
    while abs(h) >= _SHORTEST:
        stays = np.minimum(inside, inside + h * signed * rate) > 2 * h * h * bend
        one_way = np.abs(rate) > 10 * abs(h) * bend
        # The unit that has just come in must move inwards; others that are at their kinks at once are not followed.
        fine = (stays | one_way) & (inside > 0)
        if entered is not None:
            fine[entered] = one_way[entered] and h * signed[entered] * rate[entered] > 0
        if np.all(fine):
            return h
        h *= 0.5
    return None


def _crossing(region: Region, unit: int, span: tuple[float, float], inside: tuple[float, float]) -> tuple[float, int]:
    """Where a unit that moves one way comes to its kink."""

    def how_far(s: float) -> float:
        return float(region.signed[unit] * region.u(s)[unit])

    return zero(how_far, *span, *inside, within=_WITHIN), unit
