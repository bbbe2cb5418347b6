"""All that is found between two consecutive checkpoints of an n-dimensional run: a function of these two alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.trajectories.border_curves import serves
from dynaghost.trajectories.border_ghosts import follow_virtual
from dynaghost.trajectories.border_link import read_borders
from dynaghost.trajectories.closed_curves import closed_curves
from dynaghost.trajectories.curves import Curve
from dynaghost.trajectories.cusps import cusps
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.ghost_link import GhostFollowing, GhostStay, follow_ghosts
from dynaghost.trajectories.happenings import Happening, HappeningKind, happenings
from dynaghost.trajectories.space_link import TOO_FAR, Following, Life, Place, follow, lives
from dynaghost.trajectories.stability_changes import changes, fold
from dynaghost.trajectories.straight import Line


@dataclass(frozen=True, slots=True)
class Stay:
    """A fixed point on a stretch of the line.

    Attributes
    ----------
    low, high : Place or int or None
        Where it begins and ends: at a listed point, at the happening of that number, or None at a checkpoint where it
        is not listed.
    from_s, to_s : float
    unstable : tuple of int
        Unstable directions where it begins and ends.
    """

    low: Place | int | None
    high: Place | int | None
    from_s: float
    to_s: float
    unstable: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Story:
    """What was followed between two checkpoints.

    Attributes
    ----------
    stays : tuple of Stay
    ghost_stays : tuple of GhostStay
    happenings : tuple of Happening
        By increasing s; `lives` index `stays`, or `ghost_stays` where ghosts emerge and dissolve.
    lost, lost_ghosts : tuple of (Place, str)
        Listed points that could not be followed, and why.
    unlisted, unlisted_ghosts : tuple of (int, ndarray)
        Slow points that were reached at a checkpoint (0 before, 1 after) and are not listed there.
    """

    stays: tuple[Stay, ...]
    ghost_stays: tuple[GhostStay, ...]
    happenings: tuple[Happening, ...]
    lost: tuple[tuple[Place, str], ...]
    lost_ghosts: tuple[tuple[Place, str], ...]
    unlisted: tuple[tuple[int, Array], ...]
    unlisted_ghosts: tuple[tuple[int, Array], ...]


def tell(systems: tuple[System, System], points: tuple[SlowPoints, SlowPoints], *, attempts: int = 4) -> Story:
    """Follow every slow point from one checkpoint to the next, and name what happens on the way.

    Parameters
    ----------
    systems : tuple of System
        Before and after.
    points : tuple of SlowPoints
        Likewise.
    attempts : int
        How often a point is followed at most, each time with shorter steps.

    Returns
    -------
    Story

    Raises
    ------
    DynaghostError
        If the systems have no straight line between them.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems import SaddleNode
    >>> systems = SaddleNode(-1.0), SaddleNode(1.0)
    >>> story = tell(systems, tuple(find_slow_points(system) for system in systems))
    >>> [(one.kind.value, round(one.s, 9)) for one in story.happenings]
    [('saddle_node', 0.5)]
    """
    equation = FixedPoints(Line(*systems))
    found, more = _smooth(equation, points, attempts) if not serves(equation.line) else _piecewise(equation, points)
    order = sorted(range(len(found.events)), key=lambda i: _rank(found.events, i, found.pieces))
    numbers = {old: new for new, old in enumerate(order)}
    return Story(
        tuple(_stay(piece, count, numbers) for piece, count in zip(found.pieces, found.unstable, strict=True)),
        tuple(_renumbered(stay, numbers) for stay in found.ghosts.stays),
        tuple(found.events[i] for i in order),
        _sorted(found.lost),
        _sorted(found.ghosts.lost),
        (*_unlisted(found.pieces), *more),
        tuple(found.ghosts.unlisted),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Curves cut into pieces, what happens on them, and listed fixed points that are on none."""

    pieces: list[Life]
    unstable: list[tuple[int, int]]
    events: list[Happening]
    ghosts: GhostFollowing
    lost: dict[Place, str]


def _smooth(
    equation: FixedPoints, points: tuple[SlowPoints, SlowPoints], attempts: int
) -> tuple[_Reading, list[tuple[int, Array]]]:
    following = follow(equation, points[0].fixed_points, points[1].fixed_points, attempts=attempts)
    found = _read(equation, points, following, [])
    loops, more = closed_curves(equation, found.ghosts.zeros)
    return _read(equation, points, following, loops) if loops else found, more


def _piecewise(
    equation: FixedPoints, points: tuple[SlowPoints, SlowPoints]
) -> tuple[_Reading, list[tuple[int, Array]]]:
    found = read_borders(equation, points[0].fixed_points, points[1].fixed_points)
    ghosts = follow_virtual(equation.line, points[0].ghosts, points[1].ghosts, found)
    return _Reading(found.lives, found.unstable, found.events + ghosts.events, ghosts, found.lost), []


def _read(
    equation: FixedPoints, points: tuple[SlowPoints, SlowPoints], following: Following, loops: Sequence[Curve]
) -> _Reading:
    listed = points[0].fixed_points, points[1].fixed_points
    pieces, turnings = lives(following.followed, loops)
    folds = [fold(equation, turning) for turning in turnings]
    changed, unstable = changes(equation, listed, pieces, folds)
    events = happenings(equation, pieces, unstable, folds, changed)
    events.extend(cusps(equation, pieces))
    saddle_nodes = [(k, one) for k, one in enumerate(folds) if events[k].kind is HappeningKind.SADDLE_NODE]
    ghosts = follow_ghosts(equation.line, points[0].ghosts, points[1].ghosts, saddle_nodes, len(events))
    if any(event.kind is HappeningKind.CUSP for event in events):
        # There the speed of a ghost and of the fixed point is 0 at one place: neither's minimum can be followed across.
        ends = "it comes to a cusp, as far as can be told"
        ghosts.lost.update({place: ends for place, why in ghosts.lost.items() if why.startswith(TOO_FAR)})
    return _Reading(pieces, unstable, events + ghosts.events, ghosts, following.lost)


def _rank(events: list[Happening], i: int, pieces: list[Life]) -> tuple[float, int]:
    """By s; what happens to a fixed point comes after its birth and before its death, however s was rounded."""
    event = events[i]
    if event.creates is not None:
        return event.s, 0 if event.creates else 2
    lives = [pieces[k] for k in event.lives]
    low = max([events[life.low].s for life in lives if isinstance(life.low, int)], default=0.0)
    high = min([events[life.high].s for life in lives if isinstance(life.high, int)], default=1.0)
    return min(max(event.s, low), high), 1


def _end(end: Place | int | None, numbers: dict[int, int]) -> Place | int | None:
    return numbers[end] if isinstance(end, int) else end


def _stay(piece: Life, unstable: tuple[int, int], numbers: dict[int, int]) -> Stay:
    low, high = _end(piece.low, numbers), _end(piece.high, numbers)
    return Stay(low, high, piece.nodes[0].s, piece.nodes[-1].s, unstable)


def _renumbered(stay: GhostStay, numbers: dict[int, int]) -> GhostStay:
    return replace(stay, low=_end(stay.low, numbers), high=_end(stay.high, numbers))


def _sorted(lost: dict[Place, str]) -> tuple[tuple[Place, str], ...]:
    return tuple(sorted(lost.items(), key=lambda item: (item[0].side, item[0].index)))


def _unlisted(pieces: list[Life]) -> list[tuple[int, Array]]:
    before = [(0, piece.nodes[0].x) for piece in pieces if piece.low is None]
    return before + [(1, piece.nodes[-1].x) for piece in pieces if piece.high is None]
