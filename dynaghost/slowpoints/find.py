"""Which of the searches serves a system."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import BUDGET, find_scalar
from dynaghost.slowpoints.starts import checked_states
from dynaghost.systems.base import Array, ScalarSystem, System
from dynaghost.systems.low_rank import LowRankRNN


def find_slow_points(
    system: System,
    *,
    starts: ArrayLike | int | None = None,
    seed: int = 0,
    budget: int | None = None,
    visited: ArrayLike | None = None,
) -> SlowPoints:
    """Fixed points and ghosts of a system, each with what is proved about it.

    One dimension and rank one: all of them, proved. Small networks and latent circuits: all fixed points, proved.
    Larger ones: what two methods find until they agree, with an estimate of what they did not see.

    Parameters
    ----------
    system : System
        A network of low rank is searched in its latent circuit: `x` is then κ.
    starts : array (starts, dim) or int, optional
        Search from these states, or from so many random ones, and from nothing else; nothing is then proved to be
        complete. Not used in one dimension.
    seed : int
        Of whatever is random.
    budget : int, optional
        Most of what the search that serves the system spends: pieces of the line (one dimension), boxes (small networks
        and circuits), evaluations of Jacobians (larger ones).
    visited : array (states, units), optional
        States of trials: starts are drawn from them, with and without noise, beside those that a search takes of
        itself. Not used where a search proves its list, nor with `starts`.

    Returns
    -------
    SlowPoints

    Raises
    ------
    DynaghostError
        If an argument is not what it should be.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN, SaddleNode
    >>> points = find_slow_points(SaddleNode(0.01))
    >>> len(points.fixed_points), points.ghosts[0].speed, round(points.ghosts[0].passage_time, 4)
    (0, 0.01, 31.4159)
    >>> points = find_slow_points(LeakyRNN([[0.0, 2.0], [2.0, 0.0]], [0.0, 0.0]))
    >>> [point.stable for point in points.fixed_points], points.complete
    ([True, False, True], True)
    """
    if not isinstance(system, System):
        raise DynaghostError(
            f"system: expected a System, got {type(system).__name__}: as_system makes one of a module, weights, a file "
            "or a function"
        )
    _check_budget(budget)
    reduced = system.latent() if isinstance(system, LowRankRNN) else system
    if isinstance(reduced, ScalarSystem):
        return find_scalar(reduced, budget=BUDGET if budget is None else budget)
    states = checked_states(system, visited)
    if states is not None and reduced is not system:
        states = reduced.project(states)  # type: ignore[attr-defined]
    found = _in_many_dimensions(reduced, starts, seed, budget, states)
    return replace(found, coordinates="state" if reduced is system else "latent")


def find_near(
    system: System,
    known: SlowPoints,
    *,
    starts: ArrayLike | int | None = None,
    seed: int = 0,
    turn: int = 0,
    budget: int | None = None,
    visited: ArrayLike | None = None,
) -> SlowPoints:
    """As `find_slow_points`, for a system close to one whose slow points are known.

    Where a search proves its list complete, or the caller gives the starts, it runs as ever. Elsewhere the known points
    are found again, and an eighth of the work looks for others; all of it where something has changed.

    Parameters
    ----------
    system : System
    known : SlowPoints
        Of a system of the same kind and size.
    starts, seed, budget, visited
        As for `find_slow_points`.
    turn : int
        Another number, not below 0, makes other random starts of the same seed.

    Raises
    ------
    DynaghostError
        If an argument is not what it should be.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> first, second = (LeakyRNN(gain * np.eye(40), np.zeros(40)) for gain in (0.8, 0.9))
    >>> points = find_near(second, find_slow_points(first))
    >>> len(points.fixed_points), points.cost.carried
    (1, True)
    """
    if starts is not None or not _hunted(system):
        return find_slow_points(system, starts=starts, seed=seed, budget=budget, visited=visited)
    from dynaghost.slowpoints.near import hunt_near  # late, as below

    _check_budget(budget)
    return hunt_near(system, known, seed=seed, turn=turn, budget=budget, visited=checked_states(system, visited))


def _hunted(system: System) -> bool:
    """Whether `hunt` is the search for this system."""
    if not isinstance(system, System) or isinstance(system, LowRankRNN | ScalarSystem):
        return False
    from dynaghost.slowpoints import complete, piecewise

    return not (piecewise.serves(system) or complete.serves(system))


def _in_many_dimensions(
    system: System, starts: ArrayLike | int | None, seed: int, budget: int | None, visited: Array | None
) -> SlowPoints:
    # Late: compiled loops that one dimension needs not.
    from dynaghost.slowpoints import complete, complete_gated, piecewise
    from dynaghost.slowpoints.proved import find_gated, find_proved
    from dynaghost.slowpoints.search import hunt, search
    from dynaghost.slowpoints.starts import checked_starts

    if piecewise.serves(system):
        return piecewise.find_piecewise(system, starts=starts, seed=seed, budget=budget)  # type: ignore[arg-type]
    if starts is not None:
        return search(system, checked_starts(system, starts, seed), seed=seed, budget=budget)
    if complete.serves(system):
        return find_proved(system, seed=seed, budget=complete.BUDGET if budget is None else budget)
    if complete_gated.serves(system):
        return find_gated(system, seed=seed, budget=budget)  # type: ignore[arg-type]
    return hunt(system, seed=seed, budget=budget, visited=visited)


def _check_budget(budget: int | None) -> None:
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 0):
        raise DynaghostError(f"budget: expected a whole number not below 0, or None, got {budget!r}")
