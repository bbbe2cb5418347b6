"""ReLU and leaky ReLU networks: fixed points exact by linear regions, all of them where the regions can be enumerated.

The space is cut by the kinks into regions in which f is affine. Up to some twenty units every sign pattern, and at low
rank every cell of κ-space, is either ruled out with proof or solved, so that the list is complete over all of space,
which has no box here. Beyond, fixed points and ghosts are what ways through regions lead to.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.slowpoints.linear_regions import argument, slopes_of, solve_region
from dynaghost.slowpoints.newton import descend
from dynaghost.slowpoints.piecewise_listing import Listing
from dynaghost.slowpoints.piecewise_low_rank import Factors, low_rank_factors
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.slow_regions import is_slow, may_be_flat, regions_from, stands_in
from dynaghost.slowpoints.starts import checked_starts, random_starts
from dynaghost.systems.base import Array, System
from dynaghost.systems.recurrent import LeakyRNN

BUDGET = 1_000_000
"""Sign patterns, or boxes of κ-space, that are looked at."""

MOST_UNITS = 24
"""Units up to which sign patterns are enumerated, as far as the budget goes, whatever the rank."""

EVERY_REGION = 8
"""Units up to which the slowest state of every region is computed, so that no ghost is missed but by rounding."""

_KEPT = 1024
_LARGEST = 1e100
_FEW_UNITS = 10  # up to which the rank does not matter
_CROWDED = "many kinks meet at one state: too many regions that cannot be told apart there"
_STARTS = 128
_SEEDS = 32  # descents that look for slow states that are no points
_DESCENTS, _LEAST_DESCENTS = 2000, 8  # a step takes longer the more units there are


def serves(system: System) -> bool:
    """Whether `find_piecewise` is the search for this system: its kind, with weights up to 1e100.

    Examples
    --------
    >>> serves(LeakyRNN([[2.0]], [0.0], activation="relu")), serves(LeakyRNN([[2.0]], [0.0]))
    (True, False)
    """
    if not (isinstance(system, LeakyRNN) and system.activation.piecewise):
        return False
    return bool(max(np.abs(system.W).max(), np.abs(system.b).max()) <= _LARGEST)


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
        `complete` over all of space where every region was settled, `ghosts_complete` likewise (up to 8 units). A
        ghost's `virtual_point` is the fixed point of a linear region beside it, outside of that region. Where a fixed
        point lies on a kink exactly (a border collision), it is listed and left undecided.

    Examples
    --------
    >>> points = find_piecewise(LeakyRNN([[2.0]], [-1.0], activation="relu"))
    >>> [point.x.tolist() for point in points.fixed_points], points.complete
    ([[0.0], [1.0]], True)
    >>> points = find_piecewise(LeakyRNN([[2.0]], [0.1], activation="relu"))
    >>> points.fixed_points, points.ghosts[0].x.round(9).tolist(), round(points.ghosts[0].speed, 9)
    ((), [-0.05], 0.05)
    """
    with np.errstate(all="ignore"):  # next to a singular region numbers overflow, and every proof asks whether they did
        return _found(system, starts, seed, BUDGET if budget is None else budget)


def _found(system: LeakyRNN, starts: ArrayLike | int | None, seed: int, budget: int) -> SlowPoints:
    listing = Listing(system)
    complete = starts is None and _enumerate(listing, budget)
    everywhere = starts is None and system.dim <= EVERY_REGION
    regions, given = (_all_patterns(system.dim), True) if everywhere else _first_regions(system, starts, seed)
    for on in regions:
        listing.hop(on)
    for on in regions if given else regions[: max(_LEAST_DESCENTS, _DESCENTS // system.dim)]:
        listing.descend(on)
    if everywhere:
        listing.settle_ghosts(regions)
    points = listing.conclude(complete, len(regions), None if given else seed)
    return _with_regions(system, points, _states(system, starts, seed)) if _may_be_flat(listing, points) else points


def _may_be_flat(listing: Listing, points: SlowPoints) -> bool:
    """Whether there may be slow states that are no points: a J is singular, or all but."""
    flat = (may_be_flat(listing.network, point.x) for point in points.fixed_points)
    return bool(listing.failed or listing.open_regions) or any(flat)


def _with_regions(system: LeakyRNN, points: SlowPoints, states: Array) -> SlowPoints:
    """The points, and the regions on which they and ends of descents lie; what stands on a kink in one is no point."""
    ends = descend(system, states[:_SEEDS]).x
    seeds = [*ends[is_slow(system, ends)], *(point.x for point in points.fixed_points)]
    regions = tuple(regions_from(system, seeds))
    kept = tuple(p for p in points.fixed_points if not (p.degenerate and any(stands_in(part, p.x) for part in regions)))
    if len(kept) == len(points.fixed_points):
        return replace(points, slow_regions=regions)
    hits = points.coverage and tuple(
        count for p, count in zip(points.fixed_points, points.coverage.hits, strict=True) if p in kept
    )
    coverage = points.coverage and replace(points.coverage, hits=hits or ())
    return replace(points, fixed_points=kept, slow_regions=regions, complete=False, coverage=coverage)


def _first_regions(system: LeakyRNN, starts: ArrayLike | int | None, seed: int) -> tuple[Array, bool]:
    """Where ways through regions start (many, n), and whether the caller gave these states."""
    states = _states(system, starts, seed)
    return np.array([argument(system, x) > 0 for x in states]), not _is_number(starts)


def _states(system: LeakyRNN, starts: ArrayLike | int | None, seed: int) -> Array:
    states = checked_starts(system, _STARTS if starts is None else starts, seed)
    return _starts(system, len(states), seed) if _is_number(starts) else states


def _is_number(starts: object) -> bool:
    return starts is None or isinstance(starts, int | np.integer)


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


def _enumerate(listing: Listing, budget: int) -> bool:
    """Look at every region that can hold a fixed point; whether all were settled within the budget."""
    network = listing.network
    factors = low_rank_factors(network) if network.dim > _FEW_UNITS else None
    if factors is not None:
        return _by_rank(listing, factors, budget)
    return network.dim <= MOST_UNITS and _by_signs(listing, budget)


def _by_signs(listing: Listing, budget: int) -> bool:
    from dynaghost.kernels.regions import surviving_patterns  # late: numba costs 0.4 s

    network = listing.network
    kept = np.zeros((_KEPT, network.dim), np.bool_)
    count, looked, finished = surviving_patterns(
        np.ascontiguousarray(network.W), network.b, network.negative_slope, np.int64(budget), kept
    )
    return _look_at(listing, kept, count, looked, finished)


def _by_rank(listing: Listing, factors: Factors, budget: int) -> bool:
    from dynaghost.kernels.low_rank_regions import low_rank_patterns

    kept, left = np.zeros((_KEPT, listing.network.dim), np.bool_), np.zeros((2, _KEPT, factors.G.shape[1]))
    count, boxes, looked, finished = low_rank_patterns(
        factors.G, factors.V, factors.noise, listing.network.negative_slope, np.int64(budget), kept, left
    )
    if boxes:
        listing.open_regions[b"boxes"] = _CROWDED
    return _look_at(listing, kept, count, looked, finished)


def _look_at(listing: Listing, kept: Array, count: int, looked: int, finished: bool) -> bool:
    """List what the patterns that were not ruled out hold."""
    listing.patterns = looked
    if count < 0:
        listing.open_regions[b"patterns"] = _CROWDED
        return False
    listing.cut_short = not finished
    for on in kept[:count]:
        listing.add_region(on)
    return finished
