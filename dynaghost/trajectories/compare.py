"""Two runs side by side: which events, branches and verdicts they share, and which only one of them has.

Times are shares of each run's own span, from its first checkpoint to its last, so that runs of different lengths can be
compared. Events of one kind are matched in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.queries import Source, events_of, graph_of

if TYPE_CHECKING:
    from dynaghost.trajectories.graph import Graph


@dataclass(frozen=True, slots=True)
class EventPair:
    """An event of the first run and the one of the second that it is matched with.

    Attributes
    ----------
    first, second : Event
    apart : float
        How much later the second is, in shares of each run's span.
    """

    first: Event
    second: Event
    apart: float


@dataclass(frozen=True, slots=True)
class BranchPair:
    """A branch of the first run and the one of the second that it is matched with.

    Attributes
    ----------
    first, second : int
    overlap : float
        Share of training over which both are there and of the same kind, of that over which either is there: 1 for
        branches that live alike.
    """

    first: int
    second: int
    overlap: float


@dataclass(frozen=True, slots=True)
class DropPair:
    """Drops of the loss that are matched, or one alone, with their verdicts.

    Attributes
    ----------
    first, second : int or None
        Numbers of the drops; None where a run has none that corresponds.
    verdicts : tuple of (str, str) or None
        Verdict and grade, in each run.
    """

    first: int | None
    second: int | None
    verdicts: tuple[tuple[str, str] | None, tuple[str, str] | None]

    @property
    def agree(self) -> bool:
        """Whether both runs have the drop and give it the same verdict, whatever the grades."""
        one, other = self.verdicts
        return one is not None and other is not None and one[0] == other[0]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    events : tuple of EventPair
        In the order of the first run.
    only_first, only_second : tuple of Event
        Without a partner.
    branches : tuple of BranchPair
    branches_only_first, branches_only_second : tuple of int
    drops : tuple of DropPair
        In order; those of the second run alone come last.
    difference : float
        Share of all events that have no partner: 0 where both runs have the same kinds equally often, 1 where they
        share none.
    shift : float
        Mean distance in time of matched events, in shares of each run's span; 0 where none is matched.
    """

    events: tuple[EventPair, ...]
    only_first: tuple[Event, ...]
    only_second: tuple[Event, ...]
    branches: tuple[BranchPair, ...]
    branches_only_first: tuple[int, ...]
    branches_only_second: tuple[int, ...]
    drops: tuple[DropPair, ...]
    difference: float
    shift: float


def compare(first: Source, second: Source, *, within: float = 1.0) -> Comparison:
    """Compare the event graphs of two runs.

    Events of one kind are matched in their order: as many as possible, and of all ways to do so the one with the least
    sum of distances in time. Branches are matched one to one so that the sum of their overlaps is greatest; among equal
    ones, those of like rank.

    Parameters
    ----------
    first, second : result, event graph, folder or file
    within : float, optional
        Events farther apart than this share of the run are not matched; positive.

    Returns
    -------
    Comparison

    Raises
    ------
    DynaghostError
        If a graph cannot be read, or `within` is not positive.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> folds = [analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, end, 0.3)]) for end in (0.1, 0.25)]
    >>> found = compare(*folds)
    >>> [(pair.first.kind.value, round(pair.apart, 2)) for pair in found.events], found.difference
    ([('saddle_node', -0.35)], 0.0)
    """
    if not within > 0:
        raise DynaghostError(f"within: expected a positive share of a run, got {within!r}")
    graphs, runs = (graph_of(first), graph_of(second)), (events_of(first), events_of(second))
    pairs = [pair for kind in EventKind for pair in _matched_events(graphs, runs, kind, within)]
    events = tuple(sorted(pairs, key=lambda pair: pair.first.id))
    rest = [
        tuple(event for event in run if event.id not in taken)
        for run, taken in zip(runs, ({p.first.id for p in events}, {p.second.id for p in events}), strict=True)
    ]
    branches = _matched_branches(*graphs)
    alone = [
        tuple(sorted(set(_branches(graph)) - taken))
        for graph, taken in zip(graphs, ({p.first for p in branches}, {p.second for p in branches}), strict=True)
    ]
    total = sum(map(len, runs))
    return Comparison(
        events=events,
        only_first=rest[0],
        only_second=rest[1],
        branches=branches,
        branches_only_first=alone[0],
        branches_only_second=alone[1],
        drops=_drops(graphs, events, *rest),
        difference=1 - 2 * len(events) / total if total else 0.0,
        shift=float(np.mean([abs(pair.apart) for pair in events])) if events else 0.0,
    )


def _share(graph: "Graph", place: float) -> float:
    """A step as a share of the run's span; 0 where that is a single checkpoint."""
    first, last = graph.graph["first"], graph.graph["last"]
    return float((place - first) / (last - first)) if last > first else 0.0


def _matched_events(
    graphs: tuple["Graph", "Graph"], runs: tuple[Sequence[Event], Sequence[Event]], kind: EventKind, within: float
) -> list[EventPair]:
    chosen = [[event for event in run if event.kind is kind] for run in runs]
    times = [
        np.array([_share(graph, graph.nodes[f"e{event.id}"]["place"]) for event in events])
        for graph, events in zip(graphs, chosen, strict=True)
    ]
    matched = in_order(times[0], times[1], within)
    return [EventPair(chosen[0][i], chosen[1][j], float(times[1][j] - times[0][i])) for i, j in matched]


def in_order(first: Array, second: Array, within: float = np.inf) -> list[tuple[int, int]]:
    """Match two rows of times in their order: as many as can be, and of these with the least sum of distances.

    Parameters
    ----------
    first, second : ndarray (n,), (m,)
        Increasing.
    within : float
        Largest distance of a pair.

    Returns
    -------
    list of (int, int)
        Indices, increasing in both.

    Examples
    --------
    >>> in_order(np.array([0.1, 0.5]), np.array([0.0, 0.15, 0.5]))
    [(0, 1), (1, 2)]
    """
    # best[i][j] of the first i and j times: fewest unmatched, then least distance (alignment by dynamic programming).
    best = [[(0, 0.0)] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            ways = [best[i][j + 1], best[i + 1][j]]
            if abs(other - one) <= within:
                count, distance = best[i][j]
                ways.append((count - 1, distance + abs(other - one)))
            best[i + 1][j + 1] = min(ways)
    found, i, j = [], len(first), len(second)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]


def _branches(graph: "Graph") -> dict[int, list[tuple[str, float, float]]]:
    """Of each branch the kinds it has in turn, with their beginnings and ends."""
    found: dict[int, list[tuple[str, float, float]]] = {}
    for data in graph.nodes.values():
        if data["kind"] == "segment":
            ends = (_share(graph, data[name]) for name in ("first", "last"))
            found.setdefault(data["branch"], []).append((data["point"], *ends))
    return found


def _matched_branches(first: "Graph", second: "Graph") -> tuple[BranchPair, ...]:
    from scipy.optimize import linear_sum_assignment  # late: importing it takes longer than a comparison

    one, other = _branches(first), _branches(second)
    ids = sorted(one), sorted(other)
    overlaps = np.array([[_overlap(one[a], other[b]) for b in ids[1]] for a in ids[0]]).reshape(len(one), len(other))
    lanes = [_lanes(graph, names) for graph, names in zip((first, second), ids, strict=True)]
    # Less than any difference of overlaps that could be told apart on a picture, and so between equals only.
    nearness = -1e-6 * np.abs(lanes[0][:, None] - lanes[1])
    rows, columns = linear_sum_assignment(overlaps + nearness, maximize=True)
    return tuple(
        BranchPair(ids[0][i], ids[1][j], float(overlaps[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if overlaps[i, j] > 0
    )


def _lanes(graph: "Graph", branches: Sequence[int]) -> Array:
    """Rank of each branch by its place, from 0 to 1."""
    known = {data["branch"]: data["lane"] for data in graph.nodes.values() if data["kind"] == "segment"}
    return np.array([known[branch] for branch in branches], dtype=float) / max(len(branches) - 1, 1)


def _overlap(one: list[tuple[str, float, float]], other: list[tuple[str, float, float]]) -> float:
    if not any(last > first for _, first, last in (*one, *other)):
        # Runs of a single checkpoint: what is there is of the same kind or not.
        return float([kind for kind, *_ in one] == [kind for kind, *_ in other])
    common = sum(
        max(0.0, min(last, end) - max(first, begin))
        for kind, first, last in one
        for same, begin, end in other
        if kind == same
    )
    either = sum(last - first for _, first, last in (*one, *other)) - common
    return common / either if either else 0.0


def _drops(
    graphs: tuple["Graph", "Graph"], events: Sequence[EventPair], first: Sequence[Event], second: Sequence[Event]
) -> tuple[DropPair, ...]:
    pairs: list[tuple[Event | None, Event | None]] = [(p.first, p.second) for p in events if _is_drop(p.first)]
    pairs += [(event, None) for event in first if _is_drop(event)]
    pairs.sort(key=lambda pair: pair[0].id if pair[0] else 0)
    pairs += [(None, event) for event in second if _is_drop(event)]
    return tuple(_drop_pair(graphs, *pair) for pair in pairs)


def _is_drop(event: Event) -> bool:
    return event.kind is EventKind.LOSS_DROP


def _drop_pair(graphs: tuple["Graph", "Graph"], first: Event | None, second: Event | None) -> DropPair:
    one, other = (
        None if event is None else graph.nodes[f"e{event.id}"]
        for graph, event in zip(graphs, (first, second), strict=True)
    )
    return DropPair(
        None if one is None else one["drop"],
        None if other is None else other["drop"],
        (
            None if one is None else (one["verdict"], one["grade"]),
            None if other is None else (other["verdict"], other["grade"]),
        ),
    )
