"""Which of the searches serves a system."""

from dataclasses import replace

from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import BUDGET, find_scalar
from dynaghost.systems.base import ScalarSystem, System
from dynaghost.systems.low_rank import LowRankRNN


def find_slow_points(
    system: System, *, starts: ArrayLike | int | None = None, seed: int = 0, budget: int | None = None
) -> SlowPoints:
    """Fixed points and ghosts of a system, each with what is proved about it.

    One dimension and rank one: all of them, proved. More dimensions: what a search from many starts finds.

    Parameters
    ----------
    system : System
        A network of low rank is searched in its latent circuit: `x` is then κ.
    starts : array (starts, dim) or int, optional
        States from which to search, or how many random ones; not used in one dimension.
    seed : int
        Of the random starts.
    budget : int, optional
        Most pieces of the line that a search in ball arithmetic looks at, in one dimension.

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
    >>> len(find_slow_points(LeakyRNN([[0.0, 2.0], [2.0, 0.0]], [0.0, 0.0])).fixed_points)
    3
    """
    if not isinstance(system, System):
        raise DynaghostError(f"system: expected a System, got {type(system).__name__}")
    reduced = system.latent() if isinstance(system, LowRankRNN) else system
    if isinstance(reduced, ScalarSystem):
        return find_scalar(reduced, budget=BUDGET if budget is None else budget)
    from dynaghost.slowpoints.search import checked_starts, search  # late: compiled loops that one dimension needs not

    found = search(reduced, checked_starts(reduced, starts, seed), seed=seed)
    return replace(found, coordinates="state" if reduced is system else "latent")
