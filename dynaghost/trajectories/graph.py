"""Branches and events as one directed graph: segments of branches and events are nodes, in the order of training."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import networkx as nx

from dynaghost.errors import DynaghostError
from dynaghost.series import Series
from dynaghost.slowpoints.records import Kind
from dynaghost.trajectories.branches import Branch, Relation
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.verdict import Verdict

Graph: TypeAlias = "nx.DiGraph"
Numbers = Callable[[Series[Any]], Sequence[Any]]

# Stands for a text that is too long to be held: a character of no alphabet, and the text's number.
_MARK = re.compile("\ue000(\\d+)\ue000")
_PART = 4096  # numbers that are text at once

# A step is an int of a checkpoint or a float of the loss curve; an event is at one κ, a segment at many.
_FLOATS = ("before", "after", "at", "place", "first", "last", "loss_before", "loss_after")
_TEXTS = ("x", "steps", "branches")
# What a node of each kind has, if only None.
_ATTRIBUTES = {
    "event": ("kind", "event", "before", "after", "at", "status", "branches", "place", "lane", "x"),
    "segment": ("kind", "branch", "point", "first", "last", "steps", "x", "lost", "place", "lane"),
}
_PASSING = (EventKind.CAPTURE, EventKind.READOUT_CROSSING, EventKind.NO_LEARNING_ZONE)


def event_graph(
    branches: Sequence[Branch],
    events: Sequence[Event],
    verdicts: Sequence[Verdict],
    structural: Sequence[int],
    span: tuple[int, int],
    *,
    numbers: Numbers = list,
) -> Graph:
    """The event graph of a run.

    Parameters
    ----------
    branches, events, verdicts
        Of the run.
    structural : sequence of int
        Id of the event of every crossing, by the crossing's index.
    span : tuple of int
        First and last checkpoint.
    numbers : callable
        What `steps` and `x` of a segment are, from its own series: lists by default.

    Returns
    -------
    networkx.DiGraph
        With `first` and `last`, the steps of the first and the last checkpoint.

        Nodes `b3.1` (second segment of branch 3): `kind` "segment", `branch`, `point` "fixed_point" or "ghost",
        `first`, `last`, `steps`, `x`, `lost`. Nodes `e5`: `kind` "event", `event` (its kind), `before`, `after`, `at`,
        `status`, `branches`, `x`; a loss drop also `drop` (the number of its verdict), `verdict`, `grade`,
        `loss_before`, `loss_after`.

        Layout in time: `place` is where a node lies along training, of a segment its middle, and `lane` how high: the
        rank of its branch by mean x, the loss above all branches.

        Edges with `relation`: `birth` (event → segment), `death` (segment → event), `continuation` and `becomes-ghost`
        (segment → event → segment), `changes` (event → segment: the stability of a fixed point that goes on), `crosses`
        and `captures` (event → segment), `explains` (event → loss drop, with `verdict` and `grade`). `flattened` says
        what GraphML holds of it.
    """
    graph = nx.DiGraph(first=span[0], last=span[1])
    lanes = _lanes(branches)
    for event in events:
        graph.add_node(f"e{event.id}", **_event_attributes(event, lanes))
    for branch in branches:
        for i in range(len(branch.segments)):
            _add_segment(graph, branch, i, events, structural, span, numbers)
            graph.nodes[f"b{branch.id}.{i}"]["lane"] = lanes[branch.id]
    for event in events:
        _link_other(graph, branches, event)
    _link_drops(graph, events, verdicts)
    return graph


def flattened(graph: Graph) -> Graph:
    """The same graph as GraphML can hold it: one type for each attribute, whatever the node.

    `before`, `after`, `at`, `place`, `first`, `last`, `loss_before` and `loss_after` are floats; `x`, `steps` and
    `branches` are text, their numbers separated by spaces; `branch`, `lane` and `drop` are ints, all others are text.
    Where a node has None, the attribute is missing.
    """
    return _flattened(graph, _words)


def _flattened(graph: Graph, text: Callable[[Sequence[Any]], str]) -> Graph:
    plain = nx.DiGraph(**graph.graph)
    for node, attributes in graph.nodes(data=True):
        plain.add_node(node, **_plain(attributes, text))
    for first, second, attributes in graph.edges(data=True):
        plain.add_edge(first, second, **_plain(attributes, text))
    return plain


def write_graphml(graph: Graph, path: Any) -> None:
    """The graph as GraphML, into a file of this name or an open one."""
    if hasattr(path, "write"):
        path.writelines(graphml(graph))
        return
    with open(path, "wb") as stream:
        stream.writelines(graphml(graph))


def graphml(graph: Graph) -> Iterator[bytes]:
    """The graph as GraphML, a piece at a time: the steps and places of a segment may be many."""
    long: list[Sequence[Any]] = []

    def mark(numbers: Sequence[Any]) -> str:
        # Where there is no text an element is written in another way.
        long.append(numbers)
        return f"\ue000{len(long) - 1}\ue000" if numbers else ""

    skeleton = BytesIO()
    nx.write_graphml(_flattened(graph, mark), skeleton)
    for i, piece in enumerate(_MARK.split(skeleton.getvalue().decode())):
        if i % 2 == 0:
            yield piece.encode()
            continue
        numbers = long[int(piece)]
        for first in range(0, len(numbers), _PART):
            yield (" " * (first > 0) + _words(numbers[first : first + _PART])).encode()


def node_link(graph: Graph) -> dict[str, Any]:
    """The graph as a dict for JSON, in networkx's node-link form."""
    return nx.node_link_data(graph, edges="edges")


def from_node_link(data: dict[str, Any]) -> Graph:
    """The graph that `node_link` wrote."""
    return nx.node_link_graph(data, directed=True, multigraph=False, edges="edges")


def read_graph(path: str | PathLike[str]) -> Graph:
    """The event graph of a folder of results, or of one of its files `graph.json` and `graph.graphml`.

    Parameters
    ----------
    path : path

    Returns
    -------
    networkx.DiGraph
        As `event_graph` made it, whatever the file; numbers that are not finite are None.

    Raises
    ------
    DynaghostError
        If there is no such file, or none with an event graph.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> with TemporaryDirectory() as out:
    ...     analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.1, 0.3)]).save(out)
    ...     graph = read_graph(out)
    >>> sorted({kind for _, kind in graph.nodes(data="kind")})
    ['event', 'segment']
    """
    file = Path(path) / "graph.json" if Path(path).is_dir() else Path(path)
    try:
        read = _read_json if file.suffix == ".json" else _read_graphml
        graph = read(file)
        _check(graph)
    except OSError as error:
        inside = sorted(one.parent for one in Path(path).glob("*/graph.json"))
        got = f"a folder of the results of many: name one of them, such as {inside[0]}" if inside else error.strerror
        raise DynaghostError(
            f"{file}: expected a readable graph, as dynaghost analyze writes it of one run, got {got or error}"
        ) from error
    except (AttributeError, ValueError, TypeError, KeyError, SyntaxError, nx.NetworkXError) as error:
        raise DynaghostError(f"{file}: expected an event graph of dynaghost, got something else ({error})") from error
    return graph


def _read_json(file: Path) -> Graph:
    return from_node_link(json.loads(file.read_text(encoding="utf-8")))


def _read_graphml(file: Path) -> Graph:
    graph = nx.read_graphml(file)
    graph.graph = {name: graph.graph[name] for name in ("first", "last") if name in graph.graph}
    for data in graph.nodes.values():
        data.update({name: _number(data["kind"], name, data.get(name)) for name in _ATTRIBUTES[data["kind"]]})
    return graph


def _number(kind: Any, name: str, value: Any) -> Any:
    """The value that `_one_type` flattened."""
    if name == "x" and kind == "event":
        return None if value is None else float(value)
    if name == "x":
        return [float(word) for word in (value or "").split()]
    return [int(word) for word in (value or "").split()] if name in _TEXTS else value


def _check(graph: Graph) -> None:
    for node, data in graph.nodes(data=True):
        if any(name not in data for name in _ATTRIBUTES[data["kind"]]):
            raise ValueError(f"node {node} lacks some of {', '.join(_ATTRIBUTES[data['kind']])}")
    if "first" not in graph.graph or "last" not in graph.graph:
        raise ValueError("no first and last step")


def _plain(attributes: dict[str, Any], text: Callable[[Sequence[Any]], str]) -> dict[str, Any]:
    return {key: _one_type(key, value, text) for key, value in attributes.items() if value is not None}


def _one_type(key: str, value: Any, text: Callable[[Sequence[Any]], str]) -> Any:
    if key in _TEXTS:
        return text(value if isinstance(value, list | Series) else [value])
    return float(value) if key in _FLOATS else value


def _words(numbers: Sequence[Any]) -> str:
    return " ".join(map(str, numbers))


def _lanes(branches: Sequence[Branch]) -> dict[int, int]:
    """Rank of each branch by its mean place; of those between two checkpoints only, which have none, the first ones."""
    means = {}
    for branch in branches:
        number = sum(len(segment.x) for segment in branch.segments)
        total = sum(x for segment in branch.segments for x in segment.x)
        means[branch.id] = total / number if number else float("-inf")
    return {branch: lane for lane, branch in enumerate(sorted(means, key=lambda b: (means[b], b)))}


def _event_attributes(event: Event, lanes: dict[int, int]) -> dict[str, Any]:
    return {
        "kind": "event",
        "event": event.kind.value,
        "before": event.before,
        "after": event.after,
        "at": event.at,
        "status": event.status.value,
        "branches": list(event.branches),
        "place": event.before + (event.after - event.before) * (0.5 if event.at is None else event.at),
        "lane": lanes[event.branches[0]] if event.branches and event.at is not None else len(lanes),
        "x": event.evidence.get("x"),
    }


def _add_segment(
    graph: Graph,
    branch: Branch,
    i: int,
    events: Sequence[Event],
    structural: Sequence[int],
    span: tuple[int, int],
    numbers: Numbers,
) -> None:
    segment = branch.segments[i]
    name = f"b{branch.id}.{i}"
    born = None if segment.born is None else events[structural[segment.born[0]]]
    died = None if segment.died is None else events[structural[segment.died[0]]]
    first = graph.nodes[f"e{born.id}"]["place"] if born else (segment.steps[0] if segment.steps else span[0])
    last = graph.nodes[f"e{died.id}"]["place"] if died else (segment.steps[-1] if segment.steps else span[1])
    graph.add_node(
        name,
        kind="segment",
        branch=branch.id,
        point=segment.kind.value,
        first=first,
        last=last,
        steps=numbers(segment.steps),
        x=numbers(segment.x),
        lost=segment.lost,
        place=0.5 * (first + last),
    )
    if born and segment.born:
        graph.add_edge(f"e{born.id}", name, relation=segment.born[1].value)
    if died and segment.died:
        graph.add_edge(name, f"e{died.id}", relation=segment.died[1].value)


def _link_other(graph: Graph, branches: Sequence[Branch], event: Event) -> None:
    """What an event does to segments that it neither begins nor ends."""
    name, place = f"e{event.id}", graph.nodes[f"e{event.id}"]["place"]
    if event.kind in _PASSING:
        relation = "crosses" if event.kind is EventKind.READOUT_CROSSING else "captures"
        graph.add_edge(name, _segment_at(graph, branches[event.branches[-1]], place), relation=relation)
        return
    linked = {graph.nodes[other]["branch"] for other in (*graph.predecessors(name), *graph.successors(name))}
    for branch in event.branches:
        if branch not in linked:
            graph.add_edge(name, _segment_at(graph, branches[branch], place), relation="changes")


def _segment_at(graph: Graph, branch: Branch, place: float) -> str:
    every = [f"b{branch.id}.{i}" for i in range(len(branch.segments))]
    names = [name for name in every if graph.nodes[name]["point"] == Kind.FIXED_POINT] or every
    inside = [name for name in names if graph.nodes[name]["first"] <= place <= graph.nodes[name]["last"]]
    return (inside or names)[0]


def _link_drops(graph: Graph, events: Sequence[Event], verdicts: Sequence[Verdict]) -> None:
    drops = [event for event in events if event.kind is EventKind.LOSS_DROP]
    for number, (drop, verdict) in enumerate(zip(drops, verdicts, strict=True)):
        losses = {"loss_before": verdict.loss_before, "loss_after": verdict.loss_after}
        graph.nodes[f"e{drop.id}"].update(
            drop=number, verdict=verdict.verdict.value, grade=verdict.grade.value, **losses
        )
        for cause in verdict.events:
            labels = {"verdict": verdict.verdict.value, "grade": verdict.grade.value}
            graph.add_edge(f"e{cause}", f"e{drop.id}", relation="explains", **labels)


RELATIONS = tuple(relation.value for relation in Relation)
"""Relations between events and the segments of branches they begin and end."""
