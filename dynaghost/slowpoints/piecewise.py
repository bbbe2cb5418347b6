"""ReLU and leaky ReLU networks: fixed points exact by linear regions, all of them where the regions can be enumerated.

The space is cut by the kinks into regions in which f is affine. Up to some twenty units every sign pattern, and at low
rank every cell of κ-space, is either ruled out with proof or solved, so that the list is complete over all of space,
which has no box here. Beyond, fixed points and ghosts are what ways through regions lead to.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.slowpoints.linear_regions import (
    MOST_EXACT,
    Solution,
    argument,
    prove_in_region,
    region_jacobian,
    slopes_of,
    solve_exactly,
    solve_region,
    state_of,
)
from dynaghost.slowpoints.newton_kantorovich import RootProof, unproved
from dynaghost.slowpoints.piecewise_ghosts import Descent, descend_regions, ghost_record
from dynaghost.slowpoints.piecewise_low_rank import Factors, low_rank_factors
from dynaghost.slowpoints.pointwise import index
from dynaghost.slowpoints.records import (
    Certificate,
    Cost,
    Coverage,
    FixedPoint,
    Ghost,
    SlowPoints,
    Status,
    Unresolved,
)
from dynaghost.slowpoints.stability import DEGENERATE, stability
from dynaghost.slowpoints.starts import checked_starts, random_starts
from dynaghost.systems.base import Array, System, Time
from dynaghost.systems.recurrent import LeakyRNN

BUDGET = 1_000_000
"""Sign patterns, or boxes of κ-space, that are looked at."""

MOST_UNITS = 24
"""Units up to which sign patterns are enumerated, as far as the budget goes, whatever the rank."""

EVERY_REGION = 8
"""Units up to which the slowest state of every region is computed, so that no ghost is missed but by rounding."""

_KEPT = 1024
_FEW_UNITS = 10  # up to which the rank does not matter
_CROWDED = "many kinks meet at one state: too many regions that cannot be told apart there"
_STARTS = 128
_MOST_HOPS = 50
_DESCENTS, _LEAST_DESCENTS = 2000, 8  # a step takes longer the more units there are
_UNIT = 2.0**-53


def serves(system: System) -> bool:
    """Whether `find_piecewise` is the search for this system.

    Examples
    --------
    >>> serves(LeakyRNN([[2.0]], [0.0], activation="relu")), serves(LeakyRNN([[2.0]], [0.0]))
    (True, False)
    """
    return isinstance(system, LeakyRNN) and system.activation.piecewise


def find_piecewise(
    system: LeakyRNN, *, starts: ArrayLike | int | None = None, seed: int = 0, budget: int | None = None
) -> SlowPoints:
    """Fixed points and ghosts of a ReLU or leaky ReLU network.

    Parameters
    ----------
    system : LeakyRNN
        Which `serves`.
    starts : array (starts, dim) or int, optional
        Search from these states, or from so many random ones, and from nothing else.
    seed : int
    budget : int, optional
        Most sign patterns, or boxes of κ-space where W is of low rank.

    Returns
    -------
    SlowPoints
        `complete` over all of space where every pattern was settled. A ghost's `virtual_point` is the fixed point of a
        linear region beside it, outside of that region.

    Examples
    --------
    >>> points = find_piecewise(LeakyRNN([[2.0]], [-1.0], activation="relu"))
    >>> [point.x.tolist() for point in points.fixed_points], points.complete
    ([[0.0], [1.0]], True)
    >>> points = find_piecewise(LeakyRNN([[2.0]], [0.1], activation="relu"))
    >>> points.fixed_points, points.ghosts[0].x.round(9).tolist(), round(points.ghosts[0].speed, 9)
    ((), [-0.05], 0.05)
    """
    listing = _Listing(system)
    complete = starts is None and _enumerate(listing, BUDGET if budget is None else budget)
    checked = None if starts is None else checked_starts(system, starts, seed)
    given = checked is not None and not isinstance(starts, int | np.integer)
    number = _STARTS if checked is None else len(checked)
    states = checked if checked is not None and given else _starts(system, number, seed)
    everywhere = starts is None and system.dim <= EVERY_REGION
    firsts = list(_all_patterns(system.dim)) if everywhere else [argument(system, x) > 0 for x in states]
    for on in firsts:
        listing.hop(on)
    for on in firsts if given or everywhere else firsts[: max(_LEAST_DESCENTS, _DESCENTS // system.dim)]:
        listing.descend(on)
    return listing.conclude(complete, len(firsts), None if everywhere or given else seed)


@dataclass(slots=True)
class _Listing:
    """What was found so far; fixed points by their exact signs (0 for a kink), ghosts likewise."""

    network: LeakyRNN
    points: dict[bytes, FixedPoint] = field(default_factory=dict)
    ghosts: dict[bytes, Ghost | None] = field(default_factory=dict)
    seen: dict[bytes, bytes | None] = field(default_factory=dict)
    ends: dict[bytes, Descent | None] = field(default_factory=dict)
    hits: dict[bytes, int] = field(default_factory=dict)
    open_regions: dict[bytes, str] = field(default_factory=dict)
    patterns: int = 0
    failed: int = 0
    cut_short: bool = False

    def add_region(self, on: Array) -> bytes | None:
        """List the fixed point of a region if it is real; its key, or None where there is none."""
        place = on.tobytes()
        if place not in self.seen:
            self.seen[place] = self._look(on)
        return self.seen[place]

    def _look(self, on: Array) -> bytes | None:
        d = slopes_of(self.network, on)
        solution, signed = solve_region(self.network, d), np.where(on, 1.0, -1.0)
        if solution is not None:
            if np.any(signed * solution.u + solution.error < 0):
                return None
            if np.all(signed * solution.u - solution.error > 0):
                return self._list(on, np.where(on, 1, -1), solution)
        if self.network.dim > MOST_EXACT:
            self.open_regions[on.tobytes()] = "whether its fixed point is real is within rounding"
            return None
        return self._look_exactly(on, d, solution)

    def _look_exactly(self, on: Array, d: Array, solution: Solution | None) -> bytes | None:
        exact = solve_exactly(self.network, d)
        if exact is None:
            self.open_regions[on.tobytes()] = "I − WD is singular: a continuum of fixed points, or none"
            return None
        if np.any(exact.signs * np.where(on, 1, -1) < 0):
            return None
        if solution is not None:
            close = 2 * _UNIT * np.abs(exact.u) + 1e-300
            solution = Solution(exact.u, close, solution.inverse)
        return self._list(on, exact.signs, solution, exact.u)

    def _list(self, on: Array, signs: Array, solution: Solution | None, u: Array | None = None) -> bytes:
        key = signs.astype(np.int8).tobytes()
        if key not in self.points:
            d = slopes_of(self.network, on)
            u = solution.u if solution is not None else u
            assert u is not None
            x = state_of(self.network, u, d) + 0.0  # no −0
            kinks = np.flatnonzero(signs == 0)
            if len(kinks):
                proof = unproved(f"border collision: unit {kinks[0]} is at its kink, exactly; J has no value there")
            elif solution is None:
                proof = unproved("I − WD is singular to working precision")
            else:
                proof = prove_in_region(self.network, x, on, solution)
            self.points[key] = fixed_point_record(self.network, x, d, proof, degenerate=bool(len(kinks)))
            self.hits[key] = 0
        return key

    def hop(self, on: Array) -> None:
        """Newton: to the region in which a region's own fixed point lies, until that is real or one comes again."""
        way: set[bytes] = set()
        while on.tobytes() not in way and len(way) < _MOST_HOPS:
            way.add(on.tobytes())
            try:
                u = np.linalg.solve(np.eye(len(on)) - self.network.W * slopes_of(self.network, on), self.network.b)
            except np.linalg.LinAlgError:
                return
            if np.array_equal(u > 0, on):
                key = self.add_region(on)
                if key is not None:
                    self.hits[key] += 1
                return
            on = u > 0

    def descend(self, on: Array) -> None:
        """Follow one start, by its region, to a fixed point or a ghost."""
        end = descend_regions(self.network, on, self.ends)
        if end is None:
            self.failed += 1
            return
        key = self.add_region(end.on) if not np.any(end.f) else None
        if key is not None:
            self.hits[key] += 1
        elif np.any(end.f):
            self._add_ghost(end)

    def _add_ghost(self, end: Descent) -> None:
        if end.key not in self.ghosts:
            self.ghosts[end.key] = ghost_record(self.network, end)
        self.hits[end.key] = self.hits.get(end.key, 0) + 1

    def conclude(self, complete: bool, starts: int, seed: int | None) -> SlowPoints:
        """The records, in the order of their states."""
        keys = sorted(self.points, key=lambda key: tuple(self.points[key].x))
        points = tuple(self.points[key] for key in keys)
        ghosts = {key: ghost for key, ghost in self.ghosts.items() if ghost is not None}
        ghost_keys = sorted(ghosts, key=lambda key: tuple(ghosts[key].x))
        hits = tuple(self.hits[key] for key in keys)
        everywhere = np.full(self.network.dim, np.inf)
        coverage = Coverage(
            starts=starts,
            lines=0,
            hits=hits,
            ghost_hits=tuple(self.hits[key] for key in ghost_keys),
            unseen=sum(count == 1 for count in hits) / max(sum(hits), 1) if any(hits) else 1.0,
            agree=None,
            failures=(("no slower region", self.failed),) if self.failed else (),
        )
        return SlowPoints(
            fixed_points=points,
            ghosts=tuple(ghosts[key] for key in ghost_keys),
            complete=complete and not self.open_regions,
            ghosts_complete=False,
            region=(-everywhere, everywhere),
            index_sum=None if any(point.degenerate for point in points) else sum(map(index, points)),
            unresolved=tuple(Unresolved(-everywhere, everywhere, because) for because in self.open_regions.values()),
            status=Status.BUDGET if self.cut_short else Status.FINISHED,
            cost=Cost(evaluations=len(self.seen), boxes=self.patterns),
            coverage=None if complete and not self.open_regions else coverage,
            seed=seed,
        )


def _all_patterns(n: int) -> Array:
    """All sign patterns (2ⁿ, n)."""
    return (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1


def _starts(network: LeakyRNN, number: int, seed: int) -> Array:
    """Gaussian states; where no box is known, as far out as the virtual fixed points of regions are."""
    states = random_starts(network, number, seed)
    if network.fixed_point_box() is not None:
        return states
    patterns = np.random.default_rng(seed).random((16, network.dim)) < 0.5
    solutions = [solve_region(network, slopes_of(network, on)) for on in patterns]
    far = [float(np.abs(solution.u).max()) for solution in solutions if solution is not None]
    return states * max(1.0, float(np.median(far))) if far else states


def _enumerate(listing: _Listing, budget: int) -> bool:
    """Look at every region that can hold a fixed point; whether all were settled within the budget."""
    network = listing.network
    factors = low_rank_factors(network) if network.dim > _FEW_UNITS else None
    if factors is not None:
        return _by_rank(listing, factors, budget)
    return network.dim <= MOST_UNITS and _by_signs(listing, budget)


def _by_signs(listing: _Listing, budget: int) -> bool:
    from dynaghost.kernels.regions import surviving_patterns  # late: numba costs 0.4 s

    network = listing.network
    kept = np.zeros((_KEPT, network.dim), np.bool_)
    count, looked, finished = surviving_patterns(
        np.ascontiguousarray(network.W), network.b, network.negative_slope, np.int64(budget), kept
    )
    return _look_at(listing, kept, count, looked, finished)


def _by_rank(listing: _Listing, factors: Factors, budget: int) -> bool:
    from dynaghost.kernels.low_rank_regions import low_rank_patterns

    kept, left = np.zeros((_KEPT, listing.network.dim), np.bool_), np.zeros((2, _KEPT, factors.G.shape[1]))
    count, boxes, looked, finished = low_rank_patterns(
        factors.G, factors.V, factors.noise, listing.network.negative_slope, np.int64(budget), kept, left
    )
    if boxes:
        listing.open_regions[b"boxes"] = _CROWDED
    return _look_at(listing, kept, count, looked, finished)


def _look_at(listing: _Listing, kept: Array, count: int, looked: int, finished: bool) -> bool:
    """List what the patterns that were not ruled out hold."""
    listing.patterns = looked
    if count < 0:
        listing.open_regions[b"patterns"] = _CROWDED
        return False
    listing.cut_short = not finished
    for on in kept[:count]:
        listing.add_region(on)
    return finished


def fixed_point_record(
    network: LeakyRNN, x: Array, d: Array, proof: RootProof, *, degenerate: bool = False
) -> FixedPoint:
    """The record of a region's fixed point, with the eigenvalues of that region's J."""
    eigenvalues = np.linalg.eigvals(region_jacobian(network, d))
    eigenvalues = eigenvalues[np.lexsort((-eigenvalues.imag, -eigenvalues.real))]
    leak = 1.0 if network.leak is None and network.time is Time.MAP else network.leak
    stable, name = DEGENERATE if degenerate else stability(eigenvalues, network.time, leak)
    return FixedPoint(
        x=x,
        residual=float(np.linalg.norm(network.f(x))),
        eigenvalues=eigenvalues,
        multipliers=None if leak is None else 1 + leak * eigenvalues,
        stable=stable,
        stability=name,
        degenerate=degenerate,
        certificate=Certificate.EXISTS_UNIQUE if proof.proved else Certificate.UNDECIDED,
        radius=proof.radius,
        unique_radius=proof.unique_radius,
        undecided_because=proof.because,
        time=network.time,
    )
