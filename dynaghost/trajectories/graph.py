"""Branches and events as one directed graph: segments of branches and events are nodes, in the order of training."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import networkx as nx

from dynaghost.slowpoints.records import Kind
from dynaghost.trajectories.branches import Branch, Relation
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.verdict import Verdict

Graph: TypeAlias = "nx.DiGraph"

# A step is an int of a checkpoint or a float of the loss curve; an event is at one κ, a segment at many.
_FLOATS = ("before", "after", "at", "place", "first", "last")
_TEXTS = ("x", "steps", "branches")


def event_graph(
    branches: Sequence[Branch],
    events: Sequence[Event],
    verdicts: Sequence[Verdict],
    structural: Sequence[int],
    span: tuple[int, int],
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

    Returns
    -------
    networkx.DiGraph
        Nodes `b3.1` (second segment of branch 3: `kind` "segment", `branch`, `point` "fixed_point" or "ghost",
        `first`, `last`, `steps`, `x`, `lost`) and `e5` (`kind` "event", `event`, `before`, `after`, `at`, `status`,
        `branches`, `place`). Edges with `relation`: `birth` (event → segment), `death` (segment → event),
        `continuation` and `becomes-ghost` (segment → event → segment), `crosses` and `captures` (event → segment),
        `explains` (event → loss drop, with `verdict` and `grade`). `flattened` says what GraphML holds of it.
    """
    graph = nx.DiGraph()
    for event in events:
        graph.add_node(f"e{event.id}", **_event_attributes(event))
    for branch in branches:
        for i in range(len(branch.segments)):
            _add_segment(graph, branch, i, events, structural, span)
    for event in events:
        _link_other(graph, branches, event)
    _link_drops(graph, events, verdicts)
    return graph


def flattened(graph: Graph) -> Graph:
    """The same graph as GraphML can hold it: one type for each attribute, whatever the node.

    `before`, `after`, `at`, `place`, `first` and `last` are floats; `x`, `steps` and `branches` are text, their numbers
    separated by spaces; `branch` is an int, all others are text. Where a node has None, the attribute is
    missing.
    """
    plain = nx.DiGraph()
    for node, attributes in graph.nodes(data=True):
        plain.add_node(node, **_plain(attributes))
    for first, second, attributes in graph.edges(data=True):
        plain.add_edge(first, second, **_plain(attributes))
    return plain


def write_graphml(graph: Graph, path: Any) -> None:
    """The graph as GraphML."""
    nx.write_graphml(flattened(graph), path)


def node_link(graph: Graph) -> dict[str, Any]:
    """The graph as a dict for JSON, in networkx's node-link form."""
    return nx.node_link_data(graph, edges="edges")


def from_node_link(data: dict[str, Any]) -> Graph:
    """The graph that `node_link` wrote."""
    return nx.node_link_graph(data, directed=True, multigraph=False, edges="edges")


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: _one_type(key, value) for key, value in attributes.items() if value is not None}


def _one_type(key: str, value: Any) -> Any:
    if key in _TEXTS:
        return " ".join(map(str, value if isinstance(value, list) else [value]))
    return float(value) if key in _FLOATS else value


def _event_attributes(event: Event) -> dict[str, Any]:
    return {
        "kind": "event",
        "event": event.kind.value,
        "before": event.before,
        "after": event.after,
        "at": event.at,
        "status": event.status.value,
        "branches": list(event.branches),
        "place": event.before + (event.after - event.before) * (0.5 if event.at is None else event.at),
        "x": event.evidence.get("x"),
    }


def _add_segment(
    graph: Graph,
    branch: Branch,
    i: int,
    events: Sequence[Event],
    structural: Sequence[int],
    span: tuple[int, int],
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
        steps=list(segment.steps),
        x=list(segment.x),
        lost=segment.lost,
    )
    if born and segment.born:
        graph.add_edge(f"e{born.id}", name, relation=segment.born[1].value)
    if died and segment.died:
        graph.add_edge(name, f"e{died.id}", relation=segment.died[1].value)


def _link_other(graph: Graph, branches: Sequence[Branch], event: Event) -> None:
    relation = {EventKind.CAPTURE: "captures", EventKind.READOUT_CROSSING: "crosses"}.get(event.kind)
    if relation is None:
        return
    branch = event.branches[-1]
    name = _segment_at(graph, branches[branch], graph.nodes[f"e{event.id}"]["place"])
    graph.add_edge(f"e{event.id}", name, relation=relation)


def _segment_at(graph: Graph, branch: Branch, place: float) -> str:
    names = [f"b{branch.id}.{i}" for i, s in enumerate(branch.segments) if s.kind is Kind.FIXED_POINT]
    inside = [name for name in names if graph.nodes[name]["first"] <= place <= graph.nodes[name]["last"]]
    return (inside or names)[0]


def _link_drops(graph: Graph, events: Sequence[Event], verdicts: Sequence[Verdict]) -> None:
    drops = [event for event in events if event.kind is EventKind.LOSS_DROP]
    for drop, verdict in zip(drops, verdicts, strict=True):
        graph.nodes[f"e{drop.id}"].update(verdict=verdict.verdict.value, grade=verdict.grade.value)
        for cause in verdict.events:
            labels = {"verdict": verdict.verdict.value, "grade": verdict.grade.value}
            graph.add_edge(f"e{cause}", f"e{drop.id}", relation="explains", **labels)


RELATIONS = tuple(relation.value for relation in Relation)
"""Relations between events and the segments of branches they begin and end."""
