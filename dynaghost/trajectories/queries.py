"""What a user asks of an event graph: causes of a drop, the life of a branch, ghosts of saddle-nodes, a window of time.

Each question takes a result, an event graph, or the folder or file that holds one.
"""

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import Kind
from dynaghost.trajectories.events import Event, EventKind, EventStatus
from dynaghost.trajectories.findings import Findings

if TYPE_CHECKING:
    from dynaghost.trajectories.graph import Graph

Source: TypeAlias = "Findings | Graph | str | PathLike[str]"
"""A result, its event graph, or the folder of results or the file that holds the graph."""

_BEGINS_OR_ENDS = ("birth", "death", "continuation", "becomes-ghost")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a branch's life, over which it is of one kind.

    Attributes
    ----------
    branch : int
    kind : Kind
        A fixed point, or a ghost.
    first, last : float
        Where along training it begins and ends.
    began, ended : tuple of (int, str) or None
        The event that begins or ends it, by id, and the relation: "birth", "death", "continuation" or "becomes-ghost".
        None at the ends of the run, and where it was lost.
    events : tuple of int
        Ids of what else happens to it: changes of stability, captures, crossings of the readout.
    lost : str
        Why it could not be followed further; empty where it could.
    """

    branch: int
    kind: Kind
    first: float
    last: float
    began: tuple[int, str] | None
    ended: tuple[int, str] | None
    events: tuple[int, ...]
    lost: str


def explaining(source: Source, drop: int) -> tuple[Event, ...]:
    """The events that explain a drop of the loss.

    Parameters
    ----------
    source : result, event graph, folder or file
    drop : int
        Its number, from 0: that of its verdict.

    Returns
    -------
    tuple of Event
        In the order of training; empty where the verdict names none. From a graph alone their evidence is `x` at most.

    Raises
    ------
    DynaghostError
        If there is no such drop.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> from dynaghost.checkpoints.metrics import Metrics
    >>> from dynaghost.checkpoints.run import load_run
    >>> import numpy as np
    >>> weights = [{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.1, 0.1, 0.1, 0.3, 0.3)]
    >>> losses = Metrics(np.arange(5.0), np.array([1, 1, 1, 0.1, 0.1]), None, "made up")
    >>> result = analyze(load_run(weights, metrics=losses))
    >>> [event.kind.value for event in explaining(result, 0)]
    ['saddle_node']
    """
    graph = graph_of(source)
    drops = {data["drop"]: node for node, data in graph.nodes(data=True) if "drop" in data}
    if drop not in drops:
        raise DynaghostError(f"drop: expected {_numbers(len(drops), 'drop')}, got {drop!r}")
    causes = graph.predecessors(drops[drop])
    return _events(source, graph, causes)


def life_of(source: Source, branch: int) -> tuple[Chapter, ...]:
    """The life of a branch: what it is in turn, and which events begin and end each part of it.

    Parameters
    ----------
    source : result, event graph, folder or file
    branch : int

    Returns
    -------
    tuple of Chapter
        In the order of training.

    Raises
    ------
    DynaghostError
        If there is no such branch.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> [(chapter.kind.value, chapter.began, chapter.ended) for chapter in life_of(result, 1)]
    [('fixed_point', None, (0, 'becomes-ghost')), ('ghost', (0, 'becomes-ghost'), None)]
    """
    graph = graph_of(source)
    segments = {node: data["branch"] for node, data in graph.nodes(data=True) if data["kind"] == "segment"}
    names = [node for node, its_branch in segments.items() if its_branch == branch]
    if not names:
        raise DynaghostError(f"branch: expected {_numbers(len(set(segments.values())), 'branch')}, got {branch!r}")
    return tuple(_chapter(graph, name) for name in sorted(names, key=lambda name: int(name.partition(".")[2])))


def ghosts_from(source: Source) -> dict[int, tuple[Chapter, ...]]:
    """The ghosts that each saddle-node left behind; of piecewise-linear networks, each border collision.

    Parameters
    ----------
    source : result, event graph, folder or file

    Returns
    -------
    dict of int to tuple of Chapter
        By the event's id, every one of the run; empty where it creates two fixed points, or leaves no minimum of
        the speed. Where a ghost comes from is the other way round its chapter's `began`.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> {event: [ghost.branch for ghost in ghosts] for event, ghosts in ghosts_from(result).items()}
    {0: [1]}
    """
    graph = graph_of(source)
    return {
        _id(node): tuple(
            _chapter(graph, name)
            for name in graph.successors(node)
            if graph.edges[node, name]["relation"] == "becomes-ghost"
        )
        for node, data in graph.nodes(data=True)
        if data.get("event") in (EventKind.SADDLE_NODE, EventKind.BORDER_COLLISION)
    }


def events_between(source: Source, first: float, last: float) -> tuple[Event, ...]:
    """What happened in a window of training.

    Parameters
    ----------
    source : result, event graph, folder or file
    first, last : float
        Steps.

    Returns
    -------
    tuple of Event
        Events that lie between two checkpoints (or steps of the loss curve) of which the stretch shares more than an
        endpoint with the window, in the order of training.

    Raises
    ------
    DynaghostError
        If `first` is not before `last`.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> result = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> [event.kind.value for event in events_between(result, 1, 2)], events_between(result, 0, 1)
    (['saddle_node'], ())
    """
    if not first < last:
        raise DynaghostError(f"first, last: expected a window, first < last, got {first!r} and {last!r}")
    graph = graph_of(source)
    nodes = [
        node
        for node, data in graph.nodes(data=True)
        if data["kind"] == "event" and data["before"] < last and data["after"] > first
    ]
    return _events(source, graph, nodes)


def graph_of(source: Source) -> "Graph":
    """The event graph of a result, or of the folder or file that holds it.

    Raises
    ------
    DynaghostError
        If it cannot be read.
    """
    if isinstance(source, Findings):
        return source.graph
    if isinstance(source, str | PathLike):
        from dynaghost.trajectories.graph import read_graph

        return read_graph(source)
    if not hasattr(source, "nodes"):
        raise DynaghostError(f"source: expected a result, an event graph or a path, got {type(source).__name__}")
    return source


def events_of(source: Source) -> tuple[Event, ...]:
    """Every event of a result or event graph, in the order of training."""
    graph = graph_of(source)
    return _events(source, graph, [node for node, data in graph.nodes(data=True) if data["kind"] == "event"])


def _events(source: Source, graph: "Graph", nodes: Any) -> tuple[Event, ...]:
    ids = sorted(_id(node) for node in nodes)
    if isinstance(source, Findings):
        return tuple(source.events[i] for i in ids)
    return tuple(_event(i, graph.nodes[f"e{i}"]) for i in ids)


def _event(number: int, data: dict[str, Any]) -> Event:
    evidence = {} if data["x"] is None else {"x": data["x"]}
    if "loss_before" in data:
        evidence = {"loss_before": data["loss_before"], "loss_after": data["loss_after"]}
    return Event(
        number,
        EventKind(data["event"]),
        data["before"],
        data["after"],
        data["at"],
        tuple(data["branches"]),
        EventStatus(data["status"]),
        evidence,
    )


def _chapter(graph: "Graph", name: str) -> Chapter:
    data = graph.nodes[name]
    into = [(_id(node), graph.edges[node, name]["relation"]) for node in graph.predecessors(name)]
    out = [(_id(node), graph.edges[name, node]["relation"]) for node in graph.successors(name)]
    return Chapter(
        branch=data["branch"],
        kind=Kind(data["point"]),
        first=data["first"],
        last=data["last"],
        began=next((pair for pair in into if pair[1] in _BEGINS_OR_ENDS), None),
        ended=next(iter(out), None),
        events=tuple(sorted(event for event, relation in into if relation not in _BEGINS_OR_ENDS)),
        lost=data["lost"],
    )


def _id(node: str) -> int:
    return int(node[1:])


def _numbers(count: int, what: str) -> str:
    return f"one of the numbers 0 to {count - 1}" if count else f"a run that has a {what}"
