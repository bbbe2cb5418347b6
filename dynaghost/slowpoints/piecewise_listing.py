"""What a search over linear regions has found so far: fixed points by their exact signs, ghosts by their kinks."""

from dataclasses import dataclass, field

import numpy as np

from dynaghost.slowpoints.linear_regions import (
    MOST_EXACT,
    Solution,
    prove_in_region,
    region_jacobian,
    slopes_of,
    solve_exactly,
    solve_region,
    state_of,
)
from dynaghost.slowpoints.newton_kantorovich import RootProof, unproved
from dynaghost.slowpoints.piecewise_ghosts import Descent, descend_regions, ghost_record, slowest_state
from dynaghost.slowpoints.piecewise_minima import Verdict, verdict
from dynaghost.slowpoints.pointwise import index, record
from dynaghost.slowpoints.records import FixedPoint, Ghost, SlowPoints
from dynaghost.slowpoints.search_outcome import Cost, Coverage, Status, Unresolved
from dynaghost.systems.base import Array
from dynaghost.systems.recurrent import LeakyRNN

_MOST_HOPS = 50
_UNIT = 2.0**-53


@dataclass(slots=True)
class Listing:
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
    ghosts_complete: bool = False

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

    def settle_ghosts(self, regions: Array) -> None:
        """Whether the slowest state of each of these regions, which are all there are, is proved to be what it is."""
        for on in regions:
            slowest, end = slowest_state(self.network, on), self.ends.get(on.tobytes())
            found = Verdict.OPEN if slowest is None else verdict(self.network, on, slowest)
            listed = end is not None and self.ghosts.get(end.key) is not None and np.array_equal(on, end.on)
            if found is Verdict.OPEN or (found is Verdict.GHOST and not listed):
                return
        self.ghosts_complete = True

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
            ghosts_complete=self.ghosts_complete,
            region=(-everywhere, everywhere),
            index_sum=None if any(point.degenerate for point in points) else sum(map(index, points)),
            unresolved=tuple(Unresolved(-everywhere, everywhere, because) for because in self.open_regions.values()),
            status=Status.BUDGET if self.cut_short else Status.FINISHED,
            cost=Cost(evaluations=len(self.seen), boxes=self.patterns),
            coverage=None if complete and not self.open_regions else coverage,
            seed=seed,
        )


def fixed_point_record(
    network: LeakyRNN, x: Array, d: Array, proof: RootProof, *, degenerate: bool = False
) -> FixedPoint:
    """The record of a region's fixed point, with the eigenvalues of that region's J."""
    return record(network, x, region_jacobian(network, d), proof, degenerate=degenerate)
