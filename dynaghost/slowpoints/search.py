"""n dimensions: fixed points and ghosts from many starts, each proved where the system states its bounds.

Newton on f goes first, in growing batches; a start ends early where it enters a ball in which a known fixed point is
alone and Newton's convergence to it is proved. Starts that stall, and a share of the starts themselves, then go down
the kinetic energy with its exact Hessian, which converges quadratically at ghosts too.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.newton import Balls, Batch, End, descend, newton
from dynaghost.slowpoints.newton_kantorovich import RootProof
from dynaghost.slowpoints.pointwise import fixed_point, ghost, index, looks_like_root, polished, proof_of_root
from dynaghost.slowpoints.records import Cost, Coverage, Ghost, SlowPoints, Status
from dynaghost.systems.base import Array, System, finite

_FIRST_BATCH = 32
STARTS = 256
"""Starts where the caller names none."""


def random_starts(system: System, number: int, seed: int) -> Array:
    """Gaussian starts scaled by 10^U(−2, 0), so that many are near the middle, inside the box of fixed points if known.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> bool(np.abs(random_starts(LeakyRNN(np.eye(2), np.zeros(2)), 100, 0)).max() <= 1)
    True
    """
    rng = np.random.default_rng(seed)
    starts = rng.normal(size=(number, system.dim)) * 10 ** rng.uniform(-2, 0, size=(number, 1))
    box = system.fixed_point_box()
    if box is None:
        return starts
    middle, half = 0.5 * (box[0] + box[1]), 0.5 * (box[1] - box[0])
    return middle + np.clip(starts, -1, 1) * half


def starts_around(states: Array, number: int, noise: float, seed: int) -> Array:
    """`number` starts drawn from states (many, dim), with Gaussian noise of standard deviation `noise`.

    Examples
    --------
    >>> starts_around(np.zeros((1, 3)), 2, 0.0, 0).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    rng = np.random.default_rng(seed)
    return states[rng.integers(len(states), size=number)] + noise * rng.normal(size=(number, states.shape[1]))


def checked_starts(system: System, starts: object, seed: int) -> Array:
    """The starts that the caller's argument means: an array (many, dim), a number of random ones, or None.

    Raises
    ------
    DynaghostError
        If it is none of these.
    """
    if starts is None:
        return random_starts(system, STARTS, seed)
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool):
        if starts < 1:
            raise DynaghostError(f"starts: expected at least 1, got {starts}")
        return random_starts(system, int(starts), seed)
    array = finite("starts", starts, ndim=2)  # type: ignore[arg-type]
    if array.shape[1] != system.dim or not len(array):
        raise DynaghostError(f"starts: expected shape (starts, {system.dim}), got {array.shape}")
    return array


@dataclass(slots=True)
class Catalogue:
    """Every point found so far, with hits; a fixed point is a new one unless its certificate overlaps a listed one."""

    system: System
    roots: list[Array] = field(default_factory=list)
    proofs: list[RootProof] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)
    ghosts: list[Ghost] = field(default_factory=list)
    ghost_hits: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    evaluations: int = 0

    def balls(self) -> Balls:
        """Where Newton may stop."""
        known = [k for k, proof in enumerate(self.proofs) if proof.capture > 0]
        centres = [self.roots[k] for k in known]
        return Balls(np.array(centres).reshape(-1, self.system.dim), np.array([self.proofs[k].capture for k in known]))

    def hit(self, x: Array) -> bool:
        """Count the end `x` of a start if it lies with a listed fixed point."""
        for k, (root, proof) in enumerate(zip(self.roots, self.proofs, strict=True)):
            if np.linalg.norm(x - root) < max(proof.capture, proof.radius):
                self.hits[k] += 1
                return True
        return False

    def add_root(self, x: Array, *, balls: bool = True) -> bool:
        """Prove the fixed point to which `x` has come, and list it; False if it is none, as far as can be told."""
        if self.hit(x):
            return True
        x = polished(self.system, x)
        proof = proof_of_root(self.system, x, balls=balls)
        if not proof.proved and not (_unbounded(proof) and looks_like_root(self.system, x)):
            return False
        same = self._same_root(x, proof)
        if same is not None:
            self.hits[same] += 1
            return True
        self.roots.append(x)
        self.proofs.append(proof)
        self.hits.append(1)
        return True

    def _same_root(self, x: Array, proof: RootProof) -> int | None:
        """Which listed fixed point it is: the one inside whose ball of uniqueness the new one exists."""
        for k, (root, other) in enumerate(zip(self.roots, self.proofs, strict=True)):
            distance = float(np.linalg.norm(x - root))
            if proof.proved and other.proved:
                if distance + proof.radius < other.unique_radius or distance + other.radius < proof.unique_radius:
                    return k
            elif distance <= 4 * (_error(self.system, x) + _error(self.system, root)):
                return k
        return None

    def add_ghost(self, x: Array) -> bool:
        """List the ghost to which `x` has come; False if it is none."""
        for k, known in enumerate(self.ghosts):
            # The speed is all but quadratic on the scale of the bottleneck's half-width: it holds one minimum.
            width = np.sqrt(known.speed / known.curvature) if known.curvature > 0 else 1.0
            if np.linalg.norm(x - known.x) <= 0.01 * min(width, 1.0):
                self.ghost_hits[k] += 1
                return True
        found = ghost(self.system, x)
        if found is None:
            return False
        self.ghosts.append(found)
        self.ghost_hits.append(1)
        return True


def _unbounded(proof: RootProof) -> bool:
    return proof.because.startswith("the system states no bound")


def _error(system: System, x: Array) -> float:
    """How far the fixed point may be, unproved: a Newton step and the rounding of f."""
    inverse = np.linalg.inv(system.jacobian(x))
    noise = 8 * 2.0**-53 * (1 + np.linalg.norm(x)) * np.linalg.norm(inverse, 2)
    return float(np.linalg.norm(inverse @ system.f(x)) + noise)


def newton_phase(catalogue: Catalogue, starts: Array) -> Array:
    """Newton from every start; the states at which starts ended without a fixed point."""
    open_ends, done, size = [], 0, _FIRST_BATCH
    while done < len(starts):
        batch = newton(catalogue.system, starts[done : done + size], balls=catalogue.balls())
        catalogue.evaluations += batch.evaluations
        open_ends += list(_settle(catalogue, batch))
        done, size = done + size, 2 * size
    return np.array(open_ends).reshape(-1, catalogue.system.dim)


def _settle(catalogue: Catalogue, batch: Batch) -> Iterator[Array]:
    known = [k for k, proof in enumerate(catalogue.proofs) if proof.capture > 0]
    for x, end, ball in zip(batch.x, batch.ends, batch.ball, strict=True):
        if end == End.CAPTURED:
            catalogue.hits[known[ball]] += 1
        elif end == End.DIVERGED:
            catalogue.failures["diverged"] += 1
        elif end != End.CONVERGED or not catalogue.add_root(x, balls=False):
            yield x


def descent_phase(catalogue: Catalogue, starts: Array, *, counted: bool) -> None:
    """Newton on q from every start; what ends at neither kind of point is counted by reason if `counted`."""
    batch = descend(catalogue.system, starts, balls=catalogue.balls())
    catalogue.evaluations += batch.evaluations
    known = [k for k, proof in enumerate(catalogue.proofs) if proof.capture > 0]
    for x, end, ball in zip(batch.x, batch.ends, batch.ball, strict=True):
        if end == End.CAPTURED:
            catalogue.hits[known[ball]] += counted
        elif end == End.DIVERGED:
            catalogue.failures["diverged"] += counted
        elif not (catalogue.add_root(x) or catalogue.add_ghost(x)):
            reason = {End.LIMIT: "limit of steps", End.STALLED: "stalled"}.get(End(end), "undecided")
            catalogue.failures[reason] += counted


def search(system: System, starts: Array, *, seed: int | None = None) -> SlowPoints:
    """Fixed points and ghosts that these starts lead to.

    Parameters
    ----------
    system : System
    starts : ndarray (starts, dim)
    seed : int or None
        That made the starts, for the record.

    Returns
    -------
    SlowPoints
        Found, not proved to be all.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[2.0, 0.0], [0.0, 2.0]], [0.0, 0.0])
    >>> points = search(network, random_starts(network, 200, 0))
    >>> len(points.fixed_points), points.index_sum, points.complete
    (9, 1, False)
    """
    catalogue = Catalogue(system)
    open_ends = newton_phase(catalogue, starts)
    if len(open_ends):
        descent_phase(catalogue, open_ends, counted=True)
    descent_phase(catalogue, starts[: _descents(system)], counted=False)
    return conclude(catalogue, starts=len(starts), seed=seed)


def _descents(system: System) -> int:
    """How many of the starts look for ghosts too: a step there costs some times a step of Newton's on f."""
    return 256 if system.dim <= 32 else 32


def conclude(catalogue: Catalogue, *, starts: int, seed: int | None) -> SlowPoints:
    """The records, in an order that does not depend on the order of discovery."""
    system = catalogue.system
    order = sorted(range(len(catalogue.roots)), key=lambda k: tuple(np.round(catalogue.roots[k], 9)))
    points = tuple(fixed_point(system, catalogue.roots[k], catalogue.proofs[k]) for k in order)
    ghost_order = sorted(range(len(catalogue.ghosts)), key=lambda k: tuple(np.round(catalogue.ghosts[k].x, 9)))
    hits = tuple(catalogue.hits[k] for k in order)
    degenerate = any(point.degenerate for point in points)
    everywhere = (np.full(system.dim, -np.inf), np.full(system.dim, np.inf))
    return SlowPoints(
        fixed_points=points,
        ghosts=tuple(catalogue.ghosts[k] for k in ghost_order),
        complete=False,
        ghosts_complete=False,
        region=everywhere,
        index_sum=None if degenerate else sum(index(point) for point in points),
        status=Status.FINISHED,
        cost=Cost(catalogue.evaluations),
        coverage=Coverage(
            starts=starts,
            lines=0,
            hits=hits,
            ghost_hits=tuple(catalogue.ghost_hits[k] for k in ghost_order),
            unseen=unseen_share(hits),
            agree=None,
            failures=tuple(sorted((reason, count) for reason, count in catalogue.failures.items() if count)),
        ),
        seed=seed,
    )


def unseen_share(hits: tuple[int, ...]) -> float:
    """Good and Turing's estimate: points hit exactly once over all hits; 1 where nothing was hit.

    Examples
    --------
    >>> unseen_share((1, 3, 6))
    0.1
    """
    return sum(count == 1 for count in hits) / sum(hits) if sum(hits) else 1.0
