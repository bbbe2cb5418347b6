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
from dynaghost.slowpoints.tracking import (
    far_end,
    follow,
    from_tracked,
    lines_from_infinity,
    lines_from_points,
    to_tracked,
    tracked_form,
)
from dynaghost.systems.base import Array, System, finite

_FIRST_BATCH, _FIRST_DESCENTS = 32, 8
_STARTS_A_TURN, _LINES_A_TURN = 128, 16
NEWTON, LINES = 0, 1  # places in a fixed point's hits
_REASONS = {
    End.CONVERGED: "undecided",
    End.STALLED: "stalled",
    End.DIVERGED: "diverged",
    End.LIMIT: "limit of steps",
}
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
    hits: list[list[int]] = field(default_factory=list)
    method: int = NEWTON
    ghosts: list[Ghost] = field(default_factory=list)
    ghost_hits: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    evaluations: int = 0

    def balls(self, *, ghosts: bool = False) -> Balls:
        """Where a start may stop: where Newton's convergence to a fixed point is proved, then about ghosts.

        A ghost's ball, a tenth of its bottleneck's half-width, is no proof: only its hits depend on it.
        """
        centres = self.roots + [ghost.x for ghost in self.ghosts] * ghosts
        radii = [proof.capture for proof in self.proofs] + [_basin(ghost) for ghost in self.ghosts] * ghosts
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
        for k, (root, proof) in enumerate(zip(self.roots, self.proofs, strict=True)):
            if np.linalg.norm(x - root) < max(proof.capture, proof.radius):
                self.hits[k][self.method] += 1
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
            self.hits[same][self.method] += 1
            return True
        self.roots.append(x)
        self.proofs.append(proof)
        self.hits.append([0, 0])
        self.hits[-1][self.method] = 1
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


def newton_phase(catalogue: Catalogue, starts: Array) -> Array:
    """Newton from every start; the states at which starts ended without a fixed point."""
    open_ends, done, size = [], 0, _FIRST_BATCH
    while done < len(starts):
        batch = newton(catalogue.system, starts[done : done + size], balls=catalogue.balls())
        catalogue.evaluations += batch.evaluations
        catalogue.count(batch.ball)
        open_ends += [x for x, end in _ends(batch) if end != End.CONVERGED or not catalogue.add_root(x, balls=False)]
        done, size = done + size, 2 * size
    return np.array(open_ends).reshape(-1, catalogue.system.dim)


def descent_phase(catalogue: Catalogue, starts: Array, *, again: bool = False) -> None:
    """Newton on q from every start; what ends at neither kind of point is counted by reason.

    `again`: these starts count already, by where Newton on f took them.
    """
    before = [list(hits) for hits in catalogue.hits], catalogue.failures.copy()
    done, size = 0, _FIRST_DESCENTS
    while done < len(starts):
        batch = descend(catalogue.system, starts[done : done + size], balls=catalogue.balls(ghosts=True))
        catalogue.evaluations += batch.evaluations
        catalogue.count(batch.ball)
        for x, end in _ends(batch):
            if not (end == End.CONVERGED and (catalogue.add_root(x) or catalogue.add_ghost(x))):
                catalogue.failures[_REASONS[End(end)]] += 1
        done, size = done + size, 2 * size
    if again:
        catalogue.hits[: len(before[0])], catalogue.failures = before


def _ends(batch: Batch) -> Iterator[tuple[Array, int]]:
    """Where starts that no ball captured ended, and how."""
    free = batch.ends != End.CAPTURED
    return zip(batch.x[free], batch.ends[free].tolist(), strict=True)


def line_phase(catalogue: Catalogue, number: int, rng: np.random.Generator) -> int:
    """Follow lines, half of them from infinity and half both ways from the fixed points that lines met least.

    Returns
    -------
    int
        How many were followed.
    """
    system = catalogue.system
    tracked = tracked_form(system)
    end = far_end(tracked)
    if end is None:
        return 0
    directions = rng.normal(size=(number, system.dim))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    bundles = [lines_from_infinity(tracked, directions[: number // 2], end)]
    least = sorted(range(len(catalogue.roots)), key=lambda k: catalogue.hits[k][LINES])[: number // 4]
    if least:
        roots = to_tracked(system, np.array([catalogue.roots[k] for k in least]))
        bundles.append(lines_from_points(tracked, roots, directions[-len(least) :]))
    catalogue.method = LINES
    for lines in bundles:
        crossings, evaluations = follow(tracked, lines, end)
        batch = newton(system, from_tracked(system, crossings), balls=catalogue.balls())
        catalogue.evaluations += evaluations + batch.evaluations
        catalogue.count(batch.ball)
        for x, reason in _ends(batch):
            if not (reason == End.CONVERGED and catalogue.add_root(x, balls=False)):
                catalogue.failures["crossing without a fixed point"] += 1
    catalogue.method = NEWTON
    return sum(len(lines.x) for lines in bundles)


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
    ghost_phase(catalogue, newton_phase(catalogue, starts), starts)
    return conclude(catalogue, starts=len(starts), seed=seed)


def ghost_phase(catalogue: Catalogue, open_ends: Array, starts: Array) -> None:
    """Down the kinetic energy from where Newton on f ended without a fixed point, and from a few of the starts."""
    most = 512 if catalogue.system.dim <= 32 else 64  # a step costs some times a step of Newton's on f
    descent_phase(catalogue, open_ends[:most])
    if len(open_ends) > most:
        catalogue.failures["stalled, and not followed down"] += len(open_ends) - most
    descent_phase(catalogue, starts[: most // 8], again=True)


def hunt(system: System, *, seed: int = 0, budget: int | None = None) -> SlowPoints:
    """Newton and lines in turns until they agree: each hit every fixed point, none was hit once, the index sum is 1.

    Parameters
    ----------
    system : System
        With a known box of fixed points; without one there are no lines, and it ends with the budget.
    seed : int
    budget : int, optional
        Most evaluations of Jacobians before the ghosts are searched; 40 000 up to 32 units, fewer beyond (the same time
        for factoring them).

    Returns
    -------
    SlowPoints
        `coverage.agree` tells whether they agreed. Found, not proved to be all.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> points = hunt(LeakyRNN([[2.0, 0.0], [0.0, 2.0]], [0.1, 0.0]))
    >>> len(points.fixed_points), points.coverage.agree, points.coverage.unseen
    (9, True, 0.0)
    """
    most = int(40_000 * min(1.0, (32 / system.dim) ** 3)) if budget is None else budget
    rng, catalogue, lines, starts = np.random.default_rng(seed), Catalogue(system), 0, np.empty((0, system.dim))
    open_ends, spent = [starts], [0, 0]
    agree = False
    while sum(spent) < most and not agree:
        fresh = random_starts(system, _STARTS_A_TURN, int(rng.integers(2**62)))
        starts = np.concatenate([starts, fresh])
        before = catalogue.evaluations
        open_ends.append(newton_phase(catalogue, fresh))
        spent[NEWTON] += catalogue.evaluations - before
        while spent[LINES] <= spent[NEWTON]:
            before = catalogue.evaluations
            followed = line_phase(catalogue, _LINES_A_TURN, rng)
            if not followed:
                break
            lines += followed
            spent[LINES] += catalogue.evaluations - before
        agree = _agree(catalogue)
    ghost_phase(catalogue, np.concatenate(open_ends), starts)
    return conclude(catalogue, starts=len(starts), lines=lines, seed=seed)


def _agree(catalogue: Catalogue) -> bool:
    """Whether both methods hit every listed fixed point, more than once together, and the index sum is 1."""
    if any(min(hits) == 0 or sum(hits) == 1 for hits in catalogue.hits):
        return False
    signs = [np.linalg.slogdet(-catalogue.system.jacobian(x))[0] for x in catalogue.roots]
    return bool(sum(signs) == 1)


def conclude(catalogue: Catalogue, *, starts: int, lines: int = 0, seed: int | None) -> SlowPoints:
    """The records, in an order that does not depend on the order of discovery."""
    system = catalogue.system
    order = sorted(range(len(catalogue.roots)), key=lambda k: tuple(np.round(catalogue.roots[k], 9)))
    points = tuple(fixed_point(system, catalogue.roots[k], catalogue.proofs[k]) for k in order)
    ghost_order = sorted(range(len(catalogue.ghosts)), key=lambda k: tuple(np.round(catalogue.ghosts[k].x, 9)))
    hits = tuple(sum(catalogue.hits[k]) for k in order)
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
            lines=lines,
            hits=hits,
            ghost_hits=tuple(catalogue.ghost_hits[k] for k in ghost_order),
            unseen=unseen_share(hits),
            agree=_agree(catalogue) if lines else None,
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
