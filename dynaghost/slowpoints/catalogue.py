"""What a search in n dimensions has found so far: points with their proofs and hits, and starts that found none."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from dynaghost.slowpoints.forms import rests
from dynaghost.slowpoints.newton import Balls
from dynaghost.slowpoints.newton_kantorovich import RootProof
from dynaghost.slowpoints.pointwise import (
    degenerate_point,
    fixed_point,
    ghost,
    index_sum,
    looks_like_root,
    polished,
    proof_of_root,
    rescued,
)
from dynaghost.slowpoints.records import FixedPoint, Ghost, SlowPoints
from dynaghost.slowpoints.search_outcome import Cost, Coverage, SlowRegion, Status
from dynaghost.slowpoints.slow_regions import is_pointlike, is_slow, may_be_flat, regions_from, slow_groups, stands_in
from dynaghost.systems.base import Array, System

_NEAR_A_ROOT = 1e-6  # after polishing; what is faster is decided by float64 or is no root
_SAMPLED, _HALVINGS = 16, 20  # directions along which J is sampled, and radii at most
NEWTON, LINES = 0, 1  # places in a fixed point's hits


@dataclass(slots=True)
class Catalogue:
    """Every point found so far, with hits; a fixed point is a new one unless its certificate overlaps a listed one.

    `basins` are radii within which a start has reached a fixed point: where Newton is proved to converge, and for
    systems without bounds where J was sampled. `errors` say how far those may be that are not proved.

    `unplaced` are ends of descents and `crossings` places on lines at which no point could be listed.
    """

    system: System
    roots: list[Array] = field(default_factory=list)
    proofs: list[RootProof] = field(default_factory=list)
    basins: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    hits: list[list[int]] = field(default_factory=list)
    method: int = NEWTON
    ghosts: list[Ghost] = field(default_factory=list)
    ghost_hits: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    unplaced: list[Array] = field(default_factory=list)
    crossings: list[Array] = field(default_factory=list)
    evaluations: int = 0

    def balls(self, *, ghosts: bool = False) -> Balls:
        """Where a start may stop: where Newton converges to a fixed point, then about ghosts.

        A ghost's ball, a tenth of its bottleneck's half-width, is no proof: only its hits depend on it.
        """
        centres = self.roots + [ghost.x for ghost in self.ghosts] * ghosts
        radii = self.basins + [_basin(ghost) for ghost in self.ghosts] * ghosts
        return Balls(np.array(centres).reshape(-1, self.system.dim), np.array(radii))

    def count(self, balls: Array) -> None:
        """Hits of the balls, by index, that captured starts."""
        for k, count in enumerate(np.bincount(balls[balls >= 0], minlength=len(self.roots)).tolist()):
            if k < len(self.roots):
                self.hits[k][self.method] += count
            else:
                self.ghost_hits[k - len(self.roots)] += count

    def hit(self, x: Array) -> bool:
        """Count the end `x` of a start if it lies with a listed fixed point."""
        for k, (root, proof, basin) in enumerate(zip(self.roots, self.proofs, self.basins, strict=True)):
            # Within half its unique radius J is regular: no ghost is there, nor another fixed point.
            own = basin or 0.5 * proof.unique_radius
            if np.linalg.norm(x - root) < max(own, proof.radius):
                self.hits[k][self.method] += 1
                return True
        return False

    def add_root(self, x: Array, *, balls: bool = True, sure: bool = False) -> bool:
        """Prove the fixed point to which `x` has come, and list it; False if it is none, as far as can be told.

        `sure`: one must be there, so that it is listed, undecided, also where it cannot be proved but Newton's method
        converges in ball arithmetic.
        """
        if self.hit(x):
            return True
        x = polished(self.system, x)
        near = np.linalg.norm(self.system.f(x)) <= _NEAR_A_ROOT * (1 + np.linalg.norm(x))
        proof = proof_of_root(self.system, x, balls=balls and bool(near))
        if not proof.proved and not (_unbounded(proof) and looks_like_root(self.system, x)):
            better = rescued(self.system, x) if sure and near else None
            if better is None:
                return False
            x, proof = better
        same = self._same_root(x, proof)
        if same is not None:
            self.hits[same][self.method] += 1
            return True
        self.note(x, proof)
        self.hits[-1][self.method] = 1
        return True

    def note(self, x: Array, proof: RootProof) -> None:
        """List a fixed point, without a hit."""
        self.roots.append(x)
        self.proofs.append(proof)
        self.basins.append(_sampled_basin(self.system, x) if _unbounded(proof) else proof.capture)
        self.errors.append(0.0 if proof.proved else _error(self.system, x))
        self.hits.append([0, 0])

    def _same_root(self, x: Array, proof: RootProof) -> int | None:
        """Which listed fixed point it is: the one inside whose ball of uniqueness the new one exists."""
        own = 0.0 if proof.proved else _error(self.system, x)
        for k, (root, other) in enumerate(zip(self.roots, self.proofs, strict=True)):
            distance = float(np.linalg.norm(x - root))
            if proof.proved and other.proved:
                if distance + proof.radius < other.unique_radius or distance + other.radius < proof.unique_radius:
                    return k
            elif distance <= 4 * (own + self.errors[k]):
                return k
        return None

    def add_ghost(self, x: Array) -> bool:
        """List the ghost to which `x` has come; False if it is none."""
        for k, known in enumerate(self.ghosts):
            if np.linalg.norm(x - known.x) <= _basin(known):
                self.ghost_hits[k] += 1
                return True
        found = ghost(self.system, x)
        if found is None:
            return False
        self.ghosts.append(found)
        self.ghost_hits.append(1)
        return True


def _basin(ghost: Ghost) -> float:
    """A tenth of its bottleneck's half-width: about it the speed is all but quadratic, and has one minimum."""
    return 0.1 * min(float(np.sqrt(ghost.speed / ghost.curvature)) if ghost.curvature > 0 else 1.0, 1.0)


def _unbounded(proof: RootProof) -> bool:
    return proof.because.startswith("the system states no bound")


def _error(system: System, x: Array) -> float:
    """How far the fixed point may be, unproved: a Newton step and the rounding of f."""
    inverse = np.linalg.inv(system.jacobian(x))
    noise = 8 * 2.0**-53 * (1 + np.linalg.norm(x)) * np.linalg.norm(inverse, 2)
    return float(np.linalg.norm(inverse @ system.f(x)) + noise)


def _sampled_basin(system: System, x: Array) -> float:
    """Half the radius at which J changes by a quarter of itself, sampled along its singular directions.

    Where J changes by less than itself f is one-to-one. As a ghost's ball this is no proof: only hits depend on it.
    """
    J = system.jacobian(x)
    Y, directions = np.linalg.inv(J), np.linalg.svd(J)[2][-_SAMPLED:]
    directions = np.concatenate([directions, -directions])
    radius = 0.1 * (1 + float(np.linalg.norm(x)))
    for _ in range(_HALVINGS):
        change = Y @ (system.jacobian(x + radius * directions) - J)
        if np.linalg.norm(change, ord=2, axis=(1, 2)).max() <= 0.25:
            return 0.5 * radius
        radius *= 0.5
    return 0.0


def agreeing(catalogue: Catalogue) -> bool:
    """Whether both methods hit every listed fixed point, more than once together, and the index sum is 1."""
    if any(min(hits) == 0 or sum(hits) == 1 for hits in catalogue.hits):
        return False
    signs = [np.linalg.slogdet(-catalogue.system.jacobian(x))[0] for x in catalogue.roots]
    return bool(sum(signs) == 1)


def conclude(catalogue: Catalogue, *, starts: int, lines: int = 0, seed: int | None) -> SlowPoints:
    """The records, in an order that does not depend on the order of discovery."""
    system = catalogue.system
    order = sorted(range(len(catalogue.roots)), key=lambda k: tuple(np.round(catalogue.roots[k], 9)))
    simple = [fixed_point(system, catalogue.roots[k], catalogue.proofs[k]) for k in order]
    regions, multiple = _unplaced(catalogue)
    points = (*simple, *multiple)
    ghost_order = sorted(range(len(catalogue.ghosts)), key=lambda k: tuple(np.round(catalogue.ghosts[k].x, 9)))
    hits = tuple(sum(catalogue.hits[k]) for k in order)
    everywhere = (np.full(system.dim, -np.inf), np.full(system.dim, np.inf))
    return SlowPoints(
        fixed_points=points,
        ghosts=tuple(catalogue.ghosts[k] for k in ghost_order),
        complete=False,
        ghosts_complete=False,
        region=everywhere,
        index_sum=index_sum(catalogue.proofs, multiple),
        status=Status.FINISHED,
        cost=Cost(catalogue.evaluations),
        coverage=Coverage(
            starts=starts,
            lines=lines,
            hits=hits + (0,) * len(multiple),
            ghost_hits=tuple(catalogue.ghost_hits[k] for k in ghost_order),
            unseen=unseen_share(hits),
            agree=agreeing(catalogue) if lines else None,
            failures=tuple(sorted((reason, count) for reason, count in catalogue.failures.items() if count)),
        ),
        slow_regions=tuple(regions),
        seed=seed,
    )


def _unplaced(catalogue: Catalogue) -> tuple[list[SlowRegion], list[FixedPoint]]:
    """Slow states that are neither kind of point: regions, and degenerate points where a group is no wider than one."""
    system, points = catalogue.system, []
    states = np.array(catalogue.unplaced).reshape(-1, system.dim)
    groups = slow_groups(system, states)
    seeds = [x for group in groups for x in group]
    regions = regions_from(system, [*seeds, *catalogue.crossings, *_on_flat_ground(catalogue)])
    listed = [*catalogue.roots, *(ghost.x for ghost in catalogue.ghosts)]
    for group in filter(is_pointlike, groups):
        x = group[np.argmin(system.speed(group))]
        known = any(is_pointlike(np.stack([x, other])) for other in listed)
        inside = any(stands_in(region, x) for region in regions)
        point = None if known or inside or not rests(system, x) else degenerate_point(system, x)
        points += [] if point is None else [point]
    return regions, points


def _on_flat_ground(catalogue: Catalogue) -> list[Array]:
    """Listed points at which J is singular, or all but: ghosts of little speed, and fixed points."""
    system = catalogue.system
    flat = [x for x in catalogue.roots if may_be_flat(system, x)]
    return flat + [ghost.x for ghost in catalogue.ghosts if is_slow(system, ghost.x)]


def unseen_share(hits: tuple[int, ...]) -> float:
    """Good and Turing's estimate: points hit exactly once over all hits; 1 where nothing was hit.

    Examples
    --------
    >>> unseen_share((1, 3, 6))
    0.1
    """
    return sum(count == 1 for count in hits) / sum(hits) if sum(hits) else 1.0
