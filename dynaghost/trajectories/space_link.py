"""Fixed points of two consecutive checkpoints, joined by the curves of fixed points between them.

Who is who is decided by following: a curve that arrives at a checkpoint is at a listed point if it lies in the ball in
which that point is proved to be alone. Two curves that arrive at one point are followed again with shorter steps, and a
point that no curve reaches is followed backwards; what stays open is lost, and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynaghost.slowpoints.records import FixedPoint
from dynaghost.systems.base import Array
from dynaghost.trajectories.curves import STEPS, Curve, CurveEnd, Node, node, trace
from dynaghost.trajectories.equations import FixedPoints
from dynaghost.trajectories.leaps import leap

# Longest arclength step of each further attempt; attempt 0 is one natural step.
_LONGEST = (np.inf, 2.0, 0.1, 0.02)
_AWAY = 100.0  # where a curve is on its way to infinity
_PATIENCE = 4  # times the usual budget of steps, where that has not been enough
TOO_FAR = "too far apart to follow"


@dataclass(frozen=True, slots=True)
class Place:
    """A listed point: checkpoint `side` (0 before the link, 1 after it) and its index there."""

    side: int
    index: int


@dataclass(slots=True)
class Path:
    """A curve of fixed points from a listed point.

    Attributes
    ----------
    start : Place
    curve : Curve
    end : Place or None
        None where it arrives at no listed point.
    because : str
        Why not.
    attempt : int
    """

    start: Place
    curve: Curve
    end: Place | None
    because: str = ""
    attempt: int = 0


@dataclass(slots=True)
class Following:
    """The paths of a link, and of each listed point the path that it is on."""

    equation: FixedPoints
    points: tuple[Sequence[FixedPoint], Sequence[FixedPoint]]
    paths: dict[Place, Path] = field(default_factory=dict)
    lost: dict[Place, str] = field(default_factory=dict)
    evaluations: int = 0

    @property
    def followed(self) -> list[Path]:
        """Each path once, in the order of its start."""
        places = sorted({(path.start.side, path.start.index) for path in self.paths.values()})
        return [self.paths[Place(*place)] for place in places]


def follow(
    equation: FixedPoints, first: Sequence[FixedPoint], second: Sequence[FixedPoint], *, attempts: int = 4
) -> Following:
    """Every listed fixed point of both checkpoints, followed along the line.

    Parameters
    ----------
    equation : FixedPoints
    first, second : sequences of FixedPoint
        Of the two checkpoints.
    attempts : int
        How often a point is followed at most, each time with shorter steps.

    Returns
    -------
    Following
    """
    following = Following(equation, (first, second))
    waiting = [(Place(0, i), 1) for i in _leap(following)]
    _work(following, waiting, attempts)
    missing = [Place(1, j) for j in range(len(second)) if Place(1, j) not in following.paths]
    _work(following, [(place, 1) for place in missing if place not in following.lost], attempts)
    return following


def _leap(following: Following) -> list[int]:
    """The points of the first checkpoint that one natural step does not bring to a listed one, alone."""
    first, second = following.points
    if not first:
        return []
    x = np.array([point.x for point in first])
    found = leap(following.equation, x, 0.0, 1.0)
    following.evaluations += 4 * len(x)
    ends = [match(second, at) if fine else None for at, fine in zip(found.x, found.believed, strict=True)]
    again = []
    for i, j in enumerate(ends):
        if j is None or ends.count(j) > 1 or _parity(first[i]) != _parity(second[j]):
            again.append(i)
            continue
        nodes = [node(x[i], 0.0, found.slopes[0][i]), node(second[j].x, 1.0, found.slopes[1][i])]
        path = Path(Place(0, i), Curve(nodes), Place(1, j))
        following.paths[path.start] = following.paths[Place(1, j)] = path
    return again


def match(points: Sequence[FixedPoint], x: Array) -> int | None:
    """The listed point that the fixed point `x` is; None where it is none of them."""
    inside = []
    for j, point in enumerate(points):
        # A double root is known to half the digits only.
        least = (1e-5 if point.degenerate else 1e-8) * (1 + float(np.linalg.norm(x)))
        distance = float(np.linalg.norm(x - point.x))
        if distance <= max(point.unique_radius, least):
            inside.append((distance, j))
    return min(inside)[1] if inside else None


def _parity(point: FixedPoint) -> int:
    """Of the number of real positive eigenvalues: sign det(−J)."""
    return int(np.sum((point.eigenvalues.imag == 0) & (point.eigenvalues.real > 0))) % 2


def _work(following: Following, waiting: list[tuple[Place, int]], attempts: int) -> None:
    """Trace from every place that waits; one that contradicts another path sends both back, with shorter steps."""
    while waiting:
        place, attempt = waiting.pop(0)
        if place in following.paths and following.paths[place].attempt >= attempt:
            continue
        if attempt >= attempts:
            following.lost.setdefault(place, "two curves arrive at one point, with the shortest steps too")
            continue
        path = _traced(following, place, attempt)
        if path.curve.end is not CurveEnd.ARRIVED:
            following.lost[place] = _why_lost(path.curve)
            continue
        if path.end is None and attempt + 1 < attempts:
            waiting.append((place, attempt + 1))
            continue
        waiting.extend((other, max(attempt + 1, 1)) for other in _claim(following, path))


def _why_lost(curve: Curve) -> str:
    """Why a curve is followed no further; where it runs away, checkpoints closer together would not help."""
    norms = np.linalg.norm([node.x for node in curve.nodes], axis=1)
    if curve.end is CurveEnd.INFINITE:
        return str(curve.end)
    if curve.end in (CurveEnd.BUDGET, CurveEnd.SHORT) and norms[-1] >= max(_AWAY * (1 + norms[0]), norms.max()):
        return f"{CurveEnd.INFINITE}, as far as it was followed: |x| grew from {norms[0]:.3g} to {norms[-1]:.3g}"
    return f"{TOO_FAR}: {curve.end}"


def _claim(following: Following, path: Path) -> list[Place]:
    """Enter a path; if its end is on another path already, drop both and name where they start."""
    ends = [path.start] + ([path.end] if path.end is not None else [])
    rivals = [following.paths[place] for place in ends if place in following.paths]
    rivals = [rival for rival in rivals if not _same(rival, path)]
    for rival in rivals:
        for place in [place for place, other in following.paths.items() if other is rival]:
            del following.paths[place]
    if rivals:
        return sorted({path.start, *(r.start for r in rivals)}, key=lambda place: (place.side, place.index))
    for place in ends:
        following.paths[place] = path
        following.lost.pop(place, None)
    return []


def _same(one: Path, other: Path) -> bool:
    return {one.start, one.end} == {other.start, other.end}


def _traced(following: Following, place: Place, attempt: int) -> Path:
    point = following.points[place.side][place.index]
    begin = following.equation, point.x, float(place.side)
    curve = trace(*begin, rising=place.side == 0, longest=_LONGEST[attempt])
    following.evaluations += len(curve.nodes)
    if curve.end is CurveEnd.BUDGET and np.linalg.norm(curve.nodes[-1].x) < _AWAY * (1 + np.linalg.norm(point.x)):
        # On half of the line a curve would have as many steps: no end of them is because checkpoints are far apart.
        curve = trace(*begin, rising=place.side == 0, longest=_LONGEST[attempt], steps=_PATIENCE * STEPS)
        following.evaluations += len(curve.nodes)
    last = curve.nodes[-1]
    if curve.end is not CurveEnd.ARRIVED:
        return Path(place, curve, None, str(curve.end), attempt)
    side = round(last.s)
    index = match(following.points[side], last.x)
    end = None if index is None else Place(side, index)
    return Path(place, curve, end, "" if end else "arrives at a fixed point that is not listed", attempt)


@dataclass(frozen=True, slots=True)
class Life:
    """A fixed point on a stretch of the line.

    Attributes
    ----------
    nodes : list of Node
        By increasing s.
    low, high : Place or int or None
        Where it begins and ends: at a listed point, at the turning of that number, or None at a checkpoint where it
        is not listed.
    """

    nodes: list[Node]
    low: Place | int | None
    high: Place | int | None


@dataclass(frozen=True, slots=True)
class Turning:
    """A place where a curve of fixed points turns: two of them are born (`creates`) or die there.

    Attributes
    ----------
    node : Node
    creates : bool
    neighbours : tuple of Node
        Nodes of the curve before and after it.
    """

    node: Node
    creates: bool
    neighbours: tuple[Node, Node]


def lives(paths: Sequence[Path], loops: Sequence[Curve] = ()) -> tuple[list[Life], list[Turning]]:
    """The paths, and curves that close between the checkpoints, cut at their turnings."""
    turnings: list[Turning] = []
    found: list[Life] = []
    for path in paths:
        found.extend(_cut(path.curve, path.start, path.end, turnings))
    for curve in loops:
        first, nodes = len(turnings), curve.nodes
        turnings.append(Turning(nodes[0], nodes[1].s > nodes[0].s, (nodes[-2], nodes[1])))
        found.extend(_cut(curve, first, first, turnings))
    return found, turnings


def _cut(curve: Curve, begins: Place | int | None, last: Place | int | None, turnings: list[Turning]) -> Iterator[Life]:
    pieces = list(curve.pieces)
    for k, piece in enumerate(pieces):
        ends = last
        if k + 1 < len(pieces):
            at = curve.turnings[k]
            creates = piece[0].s > piece[-1].s
            turnings.append(Turning(curve.nodes[at], creates, (curve.nodes[at - 1], curve.nodes[at + 1])))
            ends = len(turnings) - 1
        rising = piece[0].s < piece[-1].s
        yield Life(piece, begins, ends) if rising else Life(_reversed(piece), ends, begins)
        begins = ends


def _reversed(piece: list[Node]) -> list[Node]:
    return [Node(one.y, -one.t) for one in reversed(piece)]
