"""The event graph: what its description says is there, it runs forward in time, and files give it back."""

import io
import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from dynaghost.analysis import analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import DynaghostError
from dynaghost.summary import plain
from dynaghost.trajectories.events import EventKind
from dynaghost.trajectories.graph import (
    RELATIONS,
    flattened,
    from_node_link,
    node_link,
    read_graph,
    write_graphml,
)

DATA = Path(__file__).parents[1] / "data"

FOLD = 0.20754645532203029  # the float below the b at which tanh(1.5 κ + b) − κ loses two of its three roots

SEGMENT = {"kind": str, "branch": int, "point": str, "steps": list, "x": list, "lost": str, "lane": int}
EVENT = {"kind": str, "event": str, "status": str, "branches": list, "lane": int}
CAUSE = {"verdict", "grade"}
DROP = CAUSE | {"drop", "loss_before", "loss_after"}


def turning():
    """Two fixed points die in a saddle-node, leave a ghost, and come back; the trial is captured."""
    biases = [0.0, 0.1, 0.3, 0.35, 0.3, 0.1, -0.1, -0.3]
    return load_run([{"m": [1.5], "n": [1.0], "b": [b]} for b in biases], leak=0.5, x0=-0.3, threshold=-0.5)


def returning():
    """A ghost dissolves and comes back on its pair; the first checkpoint is a fold, the last but one a pitchfork."""
    states = [(1.5, FOLD), (1.5, 0.4), (0.9, 0.4), (1.4, 0.4), (1.4, 0.0), (1.0, 0.0), (0.8, 0.0)]
    return load_run([{"m": [m], "n": [1.0], "b": [b]} for m, b in states], leak=0.5)


def spinning():
    """Three units: a pair of eigenvalues crosses the axis (Hopf) while the third unit goes through a saddle-node."""
    blocks = [np.array([[g, -1.0, 0], [1.0, g, 0], [0, 0, 1.5]]) for g in np.linspace(0.8, 1.25, 6)]
    biases = [np.array([0, 0, 0.3 - 0.05 * k]) for k in range(6)]
    return load_run([{"W": W, "b": b} for W, b in zip(blocks, biases, strict=True)], leak=0.1, x0=0.1, metrics=FALL)


def plane():
    """A circuit of rank two whose gain grows through a pitchfork and a saddle-node."""
    numbers = np.random.default_rng(3)
    m = numbers.normal(size=(40, 2))
    n, b = (m.T * [[2.2], [1.6]]) / 40, 0.3 * numbers.normal(size=40)
    return load_run([{"m": m, "n": g * n, "b": b} for g in (0.4, 0.6, 0.8, 1.0)], leak=0.2, x0=0.4)


def piecewise():
    """A ReLU network of two units whose fixed points change."""
    return load_run(
        [{"W": np.array([[1.5, 0.0], [0.2, 0.3]]), "b": np.array([b, 0.1])} for b in (-0.5, -0.1, 0.1)],
        activation="relu",
        leak=0.5,
    )


FALL = Metrics(np.arange(6.0), np.array([1, 1, 1, 0.01, 0.01, 0.01]), None, "made up")
RUNS = {
    "spinning": spinning,
    "plane": plane,
    "piecewise": piecewise,
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
        assert set(data) == {*SEGMENT, "first", "last", "place"}
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
        "changes": ("event", "segment"),
        "explains": ("event", "event"),
    }
    for first, second, data in graph.edges(data=True):
        kinds = (graph.nodes[first]["kind"], graph.nodes[second]["kind"])
        assert set(data) == {"relation"} | (CAUSE if data["relation"] == "explains" else set())
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
        elif data["relation"] in ("crosses", "captures", "changes"):
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
    if result.description.dim == 1:
        assert drawn == {(row["branch"], row["step"]): (row["kind"], row["x"][0]) for row in result.rows()}
    kinds = {(row["branch"], row["step"]): row["kind"] for row in result.rows()}
    assert {key: kind for key, (kind, _) in drawn.items()} == kinds
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
    types = dict.fromkeys(("before", "after", "at", "place", "first", "last"), float)
    types |= dict.fromkeys(("branch", "lane", "drop"), int) | dict.fromkeys(("loss_before", "loss_after"), float)
    assert kinds == {key: {types.get(key, str)} for key in kinds}
    for node, data in read.nodes.items():
        assert all(data[key] == result.graph.nodes[node][key] for key in types.keys() & data.keys())


def test_either_file_and_the_folder_give_the_graph_back(result, tmp_path):
    result.save(tmp_path)
    for path in (tmp_path, tmp_path / "graph.json", tmp_path / "graph.graphml"):
        assert nx.utils.graphs_equal(read_graph(path), plainly(result.graph))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no.json", None),
        ("a.json", "[]"),
        ("a.json", '{"nodes": [{"id": "e0", "kind": "event"}], "edges": []}'),
        ("a.json", '{"directed": true, "graph": {}, "nodes": [], "edges": []}'),
        ("a.graphml", "<graphml"),
        ("a.graphml", '<graphml><graph edgedefault="directed"><node id="a"/></graph></graphml>'),
    ],
)
def test_a_file_without_an_event_graph_is_refused(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DynaghostError, match=f"{name}: expected"):
        read_graph(tmp_path / name)


def test_every_event_of_the_network_is_tied_to_a_branch(result):
    for event in result.events:
        if event.at is not None:
            assert result.graph.degree(f"e{event.id}") > 0, event


def test_the_layout_is_in_time_and_one_lane_a_branch(result):
    lanes = {data["branch"]: data["lane"] for data in nodes(result.graph, "segment").values()}
    assert sorted(lanes.values()) == list(range(len(result.branches)))
    heights = {b.id: [x for s in b.segments for x in s.x] for b in result.branches}
    means = [np.mean(heights[b]) for b in sorted(lanes, key=lanes.get) if heights[b]]
    assert means == sorted(means)
    for data in result.graph.nodes.values():
        assert (
            result.graph.graph["first"] <= data["place"] <= result.graph.graph["last"] or data["event"] == "loss_drop"
        )
        if data["kind"] == "event":
            on_branch = data["at"] is not None
            assert data["lane"] == (lanes[data["branches"][0]] if on_branch else len(result.branches))


def test_a_change_of_stability_is_tied_to_the_branch_that_goes_on():
    graph = analyze(spinning()).graph
    found = [name for name, data in nodes(graph, "event").items() if data["event"] == "hopf"]
    assert found
    for hopf in found:
        (segment,) = graph.successors(hopf)
        assert graph.edges[hopf, segment] == {"relation": "changes"}
        assert graph.nodes[segment]["first"] < graph.nodes[hopf]["place"] < graph.nodes[segment]["last"]


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
