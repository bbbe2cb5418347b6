"""n dimensions: fixed points and ghosts from many starts, each proved where the system states its bounds.

Newton on f goes first, in growing batches; a start ends early where it enters a ball in which a known fixed point is
alone and Newton's convergence to it is proved. Starts that stall, and a share of the starts themselves, then go down
the kinetic energy with its exact Hessian, which converges quadratically at ghosts too.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dynaghost.slowpoints.catalogue import LINES, NEWTON, Catalogue, agreeing, conclude
from dynaghost.slowpoints.newton import Batch, End, descend, newton
from dynaghost.slowpoints.records import SlowPoints, Status
from dynaghost.slowpoints.starts import random_starts
from dynaghost.slowpoints.tracking import (
    far_end,
    follow,
    from_tracked,
    lines_from_infinity,
    lines_from_points,
    to_tracked,
    tracked_form,
)
from dynaghost.systems.base import Array, System

_FIRST_BATCH, _FIRST_DESCENTS, _GROWTH = 32, 8, 4
_STARTS_A_TURN, _LINES_A_TURN = 128, 16
_REASONS = {
    End.CONVERGED: "undecided",
    End.STALLED: "stalled",
    End.DIVERGED: "diverged",
    End.LIMIT: "limit of steps",
}


def newton_phase(catalogue: Catalogue, starts: Array) -> Array:
    """Newton from every start; the states at which starts ended without a fixed point."""
    open_ends, done, size = [], 0, _FIRST_BATCH
    while done < len(starts):
        batch = newton(catalogue.system, starts[done : done + size], balls=catalogue.balls())
        catalogue.evaluations += batch.evaluations
        catalogue.count(batch.ball)
        open_ends += [x for x, end in _ends(batch) if end != End.CONVERGED or not catalogue.add_root(x, balls=False)]
        done, size = done + size, _GROWTH * size
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
                if not again:
                    catalogue.unplaced.append(x)
        done, size = done + size, _GROWTH * size
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
    catalogue = Catalogue(system)
    starts, lines = hunt_into(catalogue, seed=seed, budget=budget)
    points = conclude(catalogue, starts=starts, lines=lines, seed=seed)
    return replace(points, status=Status.FINISHED if agreeing(catalogue) else Status.BUDGET)


def hunt_into(catalogue: Catalogue, *, seed: int, budget: int | None) -> tuple[int, int]:
    """`hunt` that goes on from what is known; how many starts and lines it took."""
    system = catalogue.system
    most = int(40_000 * min(1.0, (32 / system.dim) ** 3)) if budget is None else budget
    rng, lines, starts = np.random.default_rng(seed), 0, np.empty((0, system.dim))
    open_ends, spent = [starts], [0, 0]
    while sum(spent) < most and not (lines and agreeing(catalogue)):
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
    ghost_phase(catalogue, np.concatenate(open_ends), starts)
    return len(starts), lines
