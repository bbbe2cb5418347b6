"""The slow points of a network that is close to one whose slow points are known: these first, then a small search.

Newton and descents start where the points were known; what they reach is proved anew, and counts no hits. Then a few
random starts and lines look for others, so that over a run of networks many are tried, each time other ones. Where
that shows a change, the search goes on as if nothing had been known.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dynaghost.slowpoints.catalogue import Catalogue, agreeing, conclude
from dynaghost.slowpoints.forms import newton_budget, newton_form
from dynaghost.slowpoints.newton import End, newton
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.search import descent_phase, hunt_into, line_phase, newton_phase, visited_phase
from dynaghost.slowpoints.search_outcome import Status
from dynaghost.slowpoints.starts import random_starts
from dynaghost.systems.base import Array, System

SHARE = 8
"""The budget of the search that knows nothing, over that of this one."""

_MOST = 600  # Jacobians of the small search, whatever the budget
_NEWTON_STEPS, _LINE_STEPS = 8, 24  # of a start and of a line, as a rule
_DESCENTS, _DESCENT_STEPS = 4, 25


def hunt_near(
    system: System,
    known: SlowPoints,
    *,
    seed: int = 0,
    turn: int = 0,
    budget: int | None = None,
    visited: Array | None = None,
) -> SlowPoints:
    """Fixed points and ghosts near known ones, and others that a small search meets.

    Parameters
    ----------
    system : System
    known : SlowPoints
        Of a system close to it.
    seed, turn : int
        Both together are the seed of the random starts and lines.
    budget : int, optional
        As for `search.hunt`. What the known points cost and an eighth of it are spent; all of it only where that shows
        that something has changed: a point is lost or new, or the index sum is not right.
    visited : ndarray (states, dim), optional
        States of trials, of which a few starts are drawn.

    Returns
    -------
    SlowPoints
        `coverage` counts what the random starts and lines hit. Found, not proved to be all.

    Examples
    --------
    >>> from dynaghost.slowpoints.search import hunt
    >>> from dynaghost.systems import LeakyRNN
    >>> first, second = (LeakyRNN([[2.0, 0.0], [0.0, 2.0]], [b, 0.0]) for b in (0.1, 0.11))
    >>> points = hunt_near(second, hunt(first))
    >>> len(points.fixed_points), points.index_sum, points.cost.carried
    (9, 1, True)
    """
    catalogue = Catalogue(system)
    lost = _revisit(catalogue, known)
    catalogue.crossings += [region.states[len(region.states) // 2] for region in known.slow_regions]
    again = len(catalogue.roots), len(catalogue.ghosts)
    rng = np.random.default_rng([seed, turn])
    drawn = 0 if visited is None else visited_phase(catalogue, visited, int(rng.integers(2**62)), share=1 / SHARE)
    starts, lines = _look_around(catalogue, rng, newton_budget(system) if budget is None else budget)
    calm = not lost and again == (len(catalogue.roots), len(catalogue.ghosts)) and _sum_is_right(catalogue, known)
    if not calm:
        more = hunt_into(catalogue, seed=int(rng.integers(2**62)), budget=budget)
        starts, lines = starts + more[0], lines + more[1]
    points = conclude(catalogue, starts=drawn + starts, lines=lines, seed=seed)
    status = Status.FINISHED if agreeing(catalogue) else Status.BUDGET
    return replace(points, status=status, cost=replace(points.cost, carried=calm))


def _look_around(catalogue: Catalogue, rng: np.random.Generator, budget: int) -> tuple[int, int]:
    """A few starts and lines, and descents from the starts; how many of each."""
    most = min(max(budget // SHARE, 1), _MOST)
    number = max(most // (2 * _NEWTON_STEPS), 4)
    starts = random_starts(catalogue.system, number, int(rng.integers(2**62)))
    open_ends = newton_phase(catalogue, starts, most=most)
    lines = line_phase(catalogue, max(most // (2 * _LINE_STEPS), 4), rng, most=most)
    descent_phase(catalogue, open_ends[:_DESCENTS], most=_DESCENTS * _DESCENT_STEPS)
    descent_phase(catalogue, starts[:_DESCENTS], again=True, most=_DESCENTS * _DESCENT_STEPS)
    return number, lines


def _sum_is_right(catalogue: Catalogue, known: SlowPoints) -> bool:
    """Whether Σ sign det(−J) is 1, as it must be in a box; without one, what it was."""
    expected = known.index_sum if catalogue.system.fixed_point_box() is None else 1
    signs = [np.linalg.slogdet(-catalogue.system.jacobian(x))[0] for x in catalogue.roots]
    return expected is None or bool(sum(signs) == expected)


def _revisit(catalogue: Catalogue, known: SlowPoints) -> bool:
    """List what Newton and descents reach from the known points; that counts neither as hits nor as failures.

    Returns whether there are fewer of them, or Newton did not converge from one.
    """
    minima = [ghost.x for ghost in known.ghosts]
    for start, end in _newton_from(catalogue, [point.x for point in known.fixed_points]):
        if end is None or not catalogue.add_root(end, balls=False):
            minima.append(start)  # a pair that died leaves a ghost
    if minima:
        descent_phase(catalogue, np.array(minima))
    catalogue.hits = [[0, 0] for _ in catalogue.hits]
    catalogue.ghost_hits = [0 for _ in catalogue.ghost_hits]
    catalogue.failures.clear()
    catalogue.unplaced.clear()
    return len(catalogue.roots) < len(known.fixed_points) or len(catalogue.ghosts) < len(known.ghosts)


def _newton_from(catalogue: Catalogue, states: list[Array]) -> Iterator[tuple[Array, Array | None]]:
    """Each state and where Newton converges from it; None where it does not."""
    if not states:
        return
    form = newton_form(catalogue.system)
    batch = newton(form.system, form.to(np.array(states)))
    catalogue.evaluations += batch.evaluations
    for start, x, end in zip(states, form.back(batch.x), batch.ends.tolist(), strict=True):
        yield start, x if end == End.CONVERGED else None
