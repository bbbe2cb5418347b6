"""The event graph: what its description says is there, it runs forward in time, and files give it back."""

import io
import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.summary import plain
from dynaghost.trajectories.events import EventKind
from dynaghost.trajectories.graph import RELATIONS, flattened, from_node_link, node_link, write_graphml

DATA = Path(__file__).parents[1] / "data"

FOLD = 0.20754645532203029  # the float below the b at which tanh(1.5 κ + b) − κ loses two of its three roots

SEGMENT = {"kind": str, "branch": int, "point": str, "steps": list, "x": list, "lost": str}
EVENT = {"kind": str, "event": str, "status": str, "branches": list}
DROP = {"verdict", "grade"}


def turning():
    """Two fixed points die in a saddle-node, leave a ghost, and come back; the trial is captured."""
    biases = [0.0, 0.1, 0.3, 0.35, 0.3, 0.1, -0.1, -0.3]
    return load_run([{"m": [1.5], "n": [1.0], "b": [b]} for b in biases], leak=0.5, x0=-0.3, threshold=-0.5)


def returning():
    """A ghost dissolves and comes back on its pair; the first checkpoint is a fold, the last but one a pitchfork."""
    states = [(1.5, FOLD), (1.5, 0.4), (0.9, 0.4), (1.4, 0.4), (1.4, 0.0), (1.0, 0.0), (0.8, 0.0)]
    return load_run([{"m": [m], "n": [1.0], "b": [b]} for m, b in states], leak=0.5)


RUNS = {
    "fig3a_ghost": lambda: load_run(DATA / "fig3a_ghost"),
    "fig3b_stuck": lambda: load_run(DATA / "fig3b_stuck"),
    "turning": turning,
    "returning": returning,
    "nothing": lambda: load_run([{"m": [0.5], "n": [1.0], "b": [0.0]}], metrics=False),
}


@pytest.fixture(scope="module", params=RUNS)
def result(request):
    return analyze(RUNS[request.param]())


def nodes(graph, kind):
    return {name: data for name, data in graph.nodes(data=True) if data["kind"] == kind}


def test_every_segment_and_event_is_a_node(result):
    segments = {f"b{branch.id}.{i}" for branch in result.branches for i in range(len(branch.segments))}
    assert set(nodes(result.graph, "segment")) == segments
    assert set(nodes(result.graph, "event")) == {f"e{event.id}" for event in result.events}


def test_the_runs_show_what_graphs_can_hold():
    graph = analyze(turning()).graph
    assert {data["relation"] for *_, data in graph.edges(data=True)} >= set(RELATIONS) | {"crosses", "captures"}


def test_a_ghost_that_returns_continues_through_both_events():
    graph = analyze(returning()).graph
    events = {data["event"]: name for name, data in nodes(graph, "event").items()}
    (last,), (first,) = graph.predecessors(events["ghost_dissolution"]), graph.successors(events["ghost_emergence"])
    assert graph.nodes[last]["branch"] == graph.nodes[first]["branch"]
    assert graph.edges[last, events["ghost_dissolution"]] == {"relation": "continuation"}
    assert graph.edges[events["ghost_emergence"], first] == {"relation": "continuation"}


def test_nodes_have_what_is_described(result):
    for data in nodes(result.graph, "segment").values():
        assert set(data) == {*SEGMENT, "first", "last"}
        assert all(type(data[name]) is kind for name, kind in SEGMENT.items())
        assert data["point"] in ("fixed_point", "ghost")
        assert len(data["steps"]) == len(data["x"])
    for data in nodes(result.graph, "event").values():
        drop = DROP if data["event"] == EventKind.LOSS_DROP else set()
        assert set(data) == {*EVENT, "before", "after", "at", "place", "x"} | drop
        assert all(type(data[name]) is kind for name, kind in EVENT.items())
        assert data["before"] <= data["place"] <= data["after"]


def test_edges_have_what_is_described(result):
    graph = result.graph
    ends = {
        "birth": ("event", "segment"),
        "death": ("segment", "event"),
        "crosses": ("event", "segment"),
        "captures": ("event", "segment"),
        "explains": ("event", "event"),
    }
    for first, second, data in graph.edges(data=True):
        kinds = (graph.nodes[first]["kind"], graph.nodes[second]["kind"])
        assert set(data) == {"relation"} | (DROP if data["relation"] == "explains" else set())
        assert kinds == ends.get(data["relation"], kinds)
        if data["relation"] in ("continuation", "becomes-ghost"):
            (event, segment) = (first, second) if kinds == ("event", "segment") else (second, first)
            assert graph.nodes[segment]["branch"] in graph.nodes[event]["branches"]


def test_explanations_are_those_of_the_verdicts(result):
    told = {
        (f"e{cause}", f"e{drop.id}", verdict.verdict.value, verdict.grade.value)
        for drop, verdict in zip(
            (event for event in result.events if event.kind is EventKind.LOSS_DROP), result.verdicts, strict=True
        )
        for cause in verdict.events
    }
    edges = result.graph.edges(data=True)
    assert told == {(a, b, d["verdict"], d["grade"]) for a, b, d in edges if d["relation"] == "explains"}


def test_time_runs_forward(result):
    graph = result.graph
    assert nx.is_directed_acyclic_graph(graph)
    for first, second, data in graph.edges(data=True):
        a, b = graph.nodes[first], graph.nodes[second]
        if data["relation"] in RELATIONS:
            end = a["last"] if a["kind"] == "segment" else a["place"]
            start = b["first"] if b["kind"] == "segment" else b["place"]
            assert end == start
        elif data["relation"] in ("crosses", "captures"):
            assert b["first"] <= a["place"] <= b["last"]
    for data in nodes(graph, "segment").values():
        assert data["first"] <= data["last"]
        assert all(data["first"] <= step <= data["last"] for step in data["steps"])
        assert data["steps"] == sorted(data["steps"])


def test_branches_can_be_drawn_again_from_attributes_alone(result):
    graph = from_node_link(json.loads(json.dumps(node_link(result.graph))))
    drawn = {}
    for data in nodes(graph, "segment").values():
        for step, x in zip(data["steps"], data["x"], strict=True):
            drawn[data["branch"], step] = (data["point"], x)
    expected = {(row["branch"], row["step"]): (row["kind"], row["x"][0]) for row in result.rows()}
    assert drawn == expected
    places = {(data["event"], data["before"], data["after"], data["at"]) for data in nodes(graph, "event").values()}
    assert places == {(e.kind.value, e.before, e.after, e.at) for e in result.events}


def test_node_link_json_gives_the_graph_back(result, tmp_path):
    result.save(tmp_path)
    read = from_node_link(json.loads((tmp_path / "graph.json").read_text(encoding="utf-8")))
    assert isinstance(read, nx.DiGraph)
    assert not read.is_multigraph()
    assert nx.utils.graphs_equal(read, plainly(result.graph))


def test_graphml_gives_the_flattened_graph_back(result, tmp_path):
    result.save(tmp_path)
    read, expected = nx.read_graphml(tmp_path / "graph.graphml"), flattened(result.graph)
    assert {n: dict(data) for n, data in read.nodes.items()} == {n: dict(data) for n, data in expected.nodes.items()}
    edges = ({(a, b): data for a, b, data in graph.edges(data=True)} for graph in (read, expected))
    assert next(edges) == next(edges)
    assert all(type(expected.nodes[n][k]) is type(value) for n, data in read.nodes.items() for k, value in data.items())


def test_an_attribute_has_one_type_on_every_node_and_edge(result, tmp_path):
    result.save(tmp_path)
    read = nx.read_graphml(tmp_path / "graph.graphml")
    kinds = {}
    for data in [*read.nodes.values(), *read.edges.values()]:
        for key, value in data.items():
            kinds.setdefault(key, set()).add(type(value))
    types = dict.fromkeys(("before", "after", "at", "place", "first", "last"), float) | {"branch": int}
    assert kinds == {key: {types.get(key, str)} for key in kinds}
    for node, data in read.nodes.items():
        assert all(data[key] == result.graph.nodes[node][key] for key in types.keys() & data.keys())


def test_lists_are_text_in_graphml(result):
    stream = io.BytesIO()
    write_graphml(result.graph, stream)
    read = nx.read_graphml(io.BytesIO(stream.getvalue()))
    for name, data in nodes(result.graph, "segment").items():
        texts = (read.nodes[name].get(key, "") for key in ("steps", "x"))
        steps, x = (np.array(text.split(), dtype=float).tolist() for text in texts)
        assert (steps, x) == (data["steps"], data["x"])


def plainly(graph):
    """The graph with its attributes as JSON has them."""
    copy = nx.DiGraph(graph)
    for data in copy.nodes.values():
        data.update(plain(data))
    return copy
