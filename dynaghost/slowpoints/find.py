"""Which of the searches serves a system."""

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.scalar import BUDGET, find_scalar
from dynaghost.systems.base import ScalarSystem, System
from dynaghost.systems.low_rank import LowRankRNN


def find_slow_points(system: System, *, budget: int = BUDGET) -> SlowPoints:
    """Every fixed point and ghost of a system, each with what is proved about it.

    Parameters
    ----------
    system : System
        One-dimensional, or a network of rank one, which is searched in its latent circuit: `x` is then κ.
    budget : int
        Most pieces of the line that a search in ball arithmetic looks at.

    Returns
    -------
    SlowPoints

    Raises
    ------
    DynaghostError
        If the system has more than one dimension: those searches are not in this version.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> points = find_slow_points(SaddleNode(0.01))
    >>> len(points.fixed_points), points.ghosts[0].speed, round(points.ghosts[0].passage_time, 4)
    (0, 0.01, 31.4159)
    """
    if not isinstance(system, System):
        raise DynaghostError(f"system: expected a System, got {type(system).__name__}")
    reduced = system.latent() if isinstance(system, LowRankRNN) else system
    if isinstance(reduced, ScalarSystem):
        return find_scalar(reduced, budget=budget)
    raise DynaghostError(
        f"system: expected one dimension or a network of rank one in this version, got {system!r} of dimension "
        f"{reduced.dim}"
    )
