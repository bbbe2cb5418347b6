"""What a search returns: fixed points and ghosts, each with its own error, and a statement of what is proved."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from dynaghost.display import place, table
from dynaghost.errors import counted
from dynaghost.slowpoints.search_outcome import Cost, Coverage, SlowRegion, Status, Unresolved
from dynaghost.systems.base import Array, Time


class Kind(StrEnum):
    """A slow point is a minimum of the speed: a fixed point if it is zero there, else a ghost."""

    FIXED_POINT = "fixed_point"
    GHOST = "ghost"


class Certificate(StrEnum):
    """What is proved about a point, rounding included.

    `exists_unique`: a fixed point exists within `radius`, and it is the only one within `unique_radius`.
    `root_free`: no fixed point lies within `radius` of the ghost.
    `undecided`: neither could be proved; the record's `undecided_because` gives the bound that was not met.

    Examples
    --------
    >>> Certificate.ROOT_FREE == "root_free"
    True
    """

    EXISTS_UNIQUE = "exists_unique"
    ROOT_FREE = "root_free"
    UNDECIDED = "undecided"


class PassageFrom(StrEnum):
    """Where a passage time comes from: the complex pair's eigenvalue, or the quadratic estimate π·(w·v)/√(μa).

    `piecewise`: at a kink of a piecewise-linear network, where |f| is not quadratic, the time at speeds below 2μ.
    """

    PAIR = "pair"
    ESTIMATE = "estimate"
    PIECEWISE = "piecewise"


@dataclass(frozen=True, slots=True, repr=False)
class FixedPoint:
    """A fixed point.

    Attributes
    ----------
    x : ndarray (dim,)
        Where it is.
    residual : float
        |f(x)| as evaluated in float64, not in the metric.
    eigenvalues : ndarray (dim,)
        Of J at `x`; per τ.
    multipliers : ndarray (dim,) or None
        1 + leak·eigenvalues, per iteration of the leaky map; None where the leak is not known.
    stable : bool or None
        By the rule of the system's time; None where the arithmetic cannot tell.
    stability : str
        The name: "stable node", "unstable node", …, "degenerate".
    degenerate : bool
        An eigenvalue cannot be told from 0: a double or triple root.
    certificate : Certificate
        `exists_unique` or `undecided`.
    radius : float
        A fixed point exists within `radius` of `x` (a closed interval in one dimension).
    unique_radius : float
        It is the only one within `unique_radius`.
    undecided_because : str
        The bound that was not met; empty where decided.
    time : Time
        Whose rules `stable` and `stability` follow, and in whose units `time_constants` and `frequencies` are.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems import RankOneRNN
    >>> low, middle, high = find_slow_points(RankOneRNN([2.0], [1.0], [0.0])).fixed_points
    >>> middle.stability, middle.eigenvalues.round(12).tolist(), middle.certificate.value, middle.radius < 1e-9
    ('unstable node', [1.0], 'exists_unique', True)
    """

    x: Array
    residual: float
    eigenvalues: Array
    multipliers: Array | None
    stable: bool | None
    stability: str
    degenerate: bool
    certificate: Certificate
    radius: float
    unique_radius: float
    undecided_because: str = ""
    time: Time = Time.FLOW

    def __repr__(self) -> str:
        return f"FixedPoint({self.stability} at {place(self.x)}, {_proved(self)})"

    def _repr_html_(self) -> str:
        return table("1 fixed point", _COLUMNS, [_row(self)])

    @property
    def kind(self) -> Kind:
        return Kind.FIXED_POINT

    @property
    def rates(self) -> Array:
        """What perturbations grow like, e^(rate·t): eigenvalues of a flow, per τ; log ρ of a map, per iteration."""
        if self.time is Time.FLOW:
            return self.eigenvalues
        multipliers = 1 + self.eigenvalues if self.multipliers is None else self.multipliers
        with np.errstate(divide="ignore"):
            return np.log(multipliers.astype(complex))

    @property
    def unstable_directions(self) -> int:
        """Number of directions in which perturbations grow."""
        return int(np.sum(self.rates.real > 0))

    @property
    def time_constants(self) -> Array:
        """−1/Re rate (dim,), in τ for a flow and in iterations for a map; negative where perturbations grow."""
        with np.errstate(divide="ignore"):
            return -1 / self.rates.real

    @property
    def frequencies(self) -> Array:
        """|Im rate|/2π (dim,), in cycles per τ for a flow and per iteration for a map; ½ for a flip."""
        return np.abs(self.rates.imag) / (2 * np.pi)

    @property
    def nearest_to_critical(self) -> complex:
        """The eigenvalue (of a flow) or multiplier (of a map) nearest to changing the stability."""
        nearest = int(np.argmin(np.abs(self.rates.real)))
        if self.time is Time.FLOW:
            return complex(self.eigenvalues[nearest])
        multipliers = 1 + self.eigenvalues if self.multipliers is None else self.multipliers
        return complex(multipliers[nearest])


@dataclass(frozen=True, slots=True, repr=False)
class Ghost:
    """A minimum of the speed above zero, left near a saddle-node. It has no stability.

    Attributes
    ----------
    x : ndarray (dim,)
        Where the speed is least.
    speed : float
        μ = |f(x)| in the system's metric; state units per τ.
    curvature : float
        a = ½·w·D²f(v, v) ≥ 0, with w the unit direction of f and v the unit null vector of J.
    direction : ndarray (dim,)
        v, the direction of the motion through the ghost.
    complex_point : ndarray (dim,) of complex, or None
        The complex fixed point z with Im z > 0 whose pair the ghost is, where Newton reaches it.
    passage_time : float
        2π·|Im λ|/|λ|², the pair's share of the time from −∞ to ∞ (λ the eigenvalue of J(z) in the direction of
        Im z, near the axis the one nearest 0), or the quadratic estimate; in τ for a flow, in iterations for a map.
    passage_from : PassageFrom
        Which of them.
    certificate : Certificate
        `root_free` or `undecided`.
    radius : float
        No fixed point lies within `radius` of `x`.
    undecided_because : str
        The bound that was not met; empty where decided.
    alignment : float
        w·v > 0; near the ghost (w·v)·ṡ = speed + curvature·s² along the direction.
    virtual_point : ndarray (dim,) or None
        In a piecewise-linear network: the fixed point of a linear region beside the ghost, which lies outside of it.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems import SaddleNode
    >>> (ghost,) = find_slow_points(SaddleNode(0.01)).ghosts
    >>> ghost.speed, ghost.complex_point.round(12).tolist(), round(ghost.passage_time, 4), ghost.certificate.value
    (0.01, [0.1j], 31.4159, 'root_free')
    """

    x: Array
    speed: float
    curvature: float
    direction: Array
    complex_point: Array | None
    passage_time: float
    passage_from: PassageFrom
    certificate: Certificate
    radius: float
    undecided_because: str = ""
    alignment: float = 1.0
    virtual_point: Array | None = None

    def __repr__(self) -> str:
        times = f"speed {self.speed:.4g}, passage time {self.passage_time:.4g}"
        return f"Ghost(at {place(self.x)}, {times}, {_proved(self)})"

    def _repr_html_(self) -> str:
        return table("1 ghost", _COLUMNS, [_row(self)])

    @property
    def kind(self) -> Kind:
        return Kind.GHOST


@dataclass(frozen=True, slots=True, repr=False)
class SlowPoints:
    """Every slow point that a search found in one system, and what is proved about the list.

    Attributes
    ----------
    fixed_points : tuple of FixedPoint
        In increasing order in one dimension.
    ghosts : tuple of Ghost
        Likewise.
    complete : bool
        Proved, rounding included: the region holds no other fixed point than the listed ones.
    ghosts_complete : bool
        Likewise for ghosts.
    region : tuple of ndarray (dim,)
        Lower and upper corner of where the two claims hold; infinite for the whole space.
    index_sum : int or None
        Σ sign det(−J) over the fixed points, each sign proved; None if one of them is degenerate or undecided, for the
        reason that its `undecided_because` gives.
    unresolved : tuple of Unresolved
        What the claims leave out; empty where both hold.
    status : Status
        Why the search stopped.
    cost : Cost
    coordinates : str
        "latent" where `x` is κ of a latent circuit, else "state".
    coverage : Coverage or None
        What is estimated about the fixed points that were not seen; None where their completeness is proved.
    slow_regions : tuple of SlowRegion
        Sets of slow states that are neither fixed points nor ghosts.
    seed : int or None
        Of the starts; None where there were no random ones.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems import RankOneRNN
    >>> points = find_slow_points(RankOneRNN([1.5], [1.0], [0.3]))
    >>> len(points.fixed_points), len(points.ghosts), points.complete, points.ghosts_complete, points.index_sum
    (1, 1, True, True, 1)
    """

    fixed_points: tuple[FixedPoint, ...]
    ghosts: tuple[Ghost, ...]
    complete: bool
    ghosts_complete: bool
    region: tuple[Array, Array]
    index_sum: int | None
    unresolved: tuple[Unresolved, ...] = ()
    status: Status = Status.FINISHED
    cost: Cost = field(default=Cost(0))
    coordinates: str = "state"
    coverage: Coverage | None = None
    slow_regions: tuple[SlowRegion, ...] = ()
    seed: int | None = None

    def __repr__(self) -> str:
        return f"SlowPoints({self._told()})"

    def _repr_html_(self) -> str:
        return table(self._told(), _COLUMNS, [_row(point) for point in self.points])

    def _told(self) -> str:
        kinds = (("fixed point", self.fixed_points, self.complete), ("ghost", self.ghosts, self.ghosts_complete))
        parts = [f"{counted(len(found), kind)}, {_COMPLETE[proved]}" for kind, found, proved in kinds]
        return "; ".join(parts) + f"; {self.undecided} undecided" * bool(self.undecided)

    @property
    def points(self) -> tuple[FixedPoint | Ghost, ...]:
        """Fixed points, then ghosts."""
        return self.fixed_points + self.ghosts

    @property
    def undecided(self) -> int:
        """Points without a decided certificate, and unresolved parts of the region that hold no listed point."""
        open_points = [p for p in self.points if p.certificate is Certificate.UNDECIDED]
        empty = [u for u in self.unresolved if not any(_inside(p, u) for p in open_points)]
        return len(open_points) + len(empty)


def _inside(point: FixedPoint | Ghost, part: Unresolved) -> bool:
    return bool(np.all(part.lower <= point.x) and np.all(point.x <= part.upper))


_COLUMNS = ("kind", "x", "speed", "stability", "passage time", "certificate", "radius")
_COMPLETE = {True: "proved complete", False: "not proved complete"}


def _row(point: FixedPoint | Ghost) -> tuple[str, ...]:
    """Of a table of slow points."""
    kind = point.kind.value.replace("_", " ")
    if isinstance(point, FixedPoint):
        middle = ("0", point.stability, "")
    else:
        middle = (f"{point.speed:.4g}", "", f"{point.passage_time:.4g}")
    return (kind, place(point.x), *middle, point.certificate.value, f"{point.radius:.2g}")


def _proved(point: FixedPoint | Ghost) -> str:
    """The certificate, with its radius or with the bound that was not met."""
    if point.certificate is Certificate.UNDECIDED:
        return f"undecided: {point.undecided_because}"
    return f"{point.certificate.value} within {point.radius:.2g}"
