"""Questions to an event graph, asked of results, graphs and files alike, and two runs side by side."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dynaghost as dg
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.trajectories.compare import in_order
from dynaghost.trajectories.events import EventKind
from dynaghost.views.comparison import comparison_text
from dynaghost.views.text import summary

DATA = Path(__file__).parents[1] / "data"
STEPS = np.arange(0.0, 501.0, 10.0)


def biased(biases, drops=(), **settings):
    """tanh(1.5 κ + b) at 0, 100, …: three fixed points within |b| < 0.2075, else one and its ghost."""
    loss = np.exp(-5.0 * sum((drop <= STEPS) for drop in drops)) if drops else np.ones(STEPS.size)
    states = {100 * k: {"m": [1.5], "n": [1.0], "b": [b]} for k, b in enumerate(biases)}
    return dg.analyze(dg.load_run(states, metrics=Metrics(STEPS, loss, None, ""), leak=0.5, **settings))


@pytest.fixture(scope="module")
def line():
    """One fixed point, three, one at the other side with the ghost, three again."""
    return biased((0.4, 0.1, -0.1, -0.4, 0.0, 0.0), drops=(60, 260), x0=0.6, threshold=0.9)


@pytest.fixture(scope="module")
def space():
    states = [{"W": np.diag([1.5, 0.3]), "b": np.array([b, 0.1])} for b in (0.4, 0.1, -0.1, -0.4)]
    steps = np.linspace(0, 3, 31)
    return dg.analyze(dg.load_run(states, metrics=Metrics(steps, 0.01 ** (steps > 2), None, ""), leak=0.5, x0=0.9))


@pytest.fixture(params=["line", "space"])
def result(request):
    return request.getfixturevalue(request.param)


def ways(result, folder):
    """The same run as result, graph, folder, and each of its files."""
    result.save(folder)
    return result, result.graph, folder, folder / "graph.json", str(folder / "graph.graphml")


def told(events):
    return [(e.id, e.kind, e.before, e.after, e.at, e.branches, e.status) for e in events]


def test_what_explains_a_drop_is_what_its_verdict_names(result, tmp_path):
    for source in ways(result, tmp_path):
        for number, verdict in enumerate(result.verdicts):
            found = dg.explaining(source, number)
            assert told(found) == told(result.events[i] for i in verdict.events)
        assert any(dg.explaining(source, number) for number in range(len(result.verdicts)))
        with pytest.raises(dg.DynaghostError, match="drop: expected one of the numbers 0 to"):
            dg.explaining(source, len(result.verdicts))
    assert dg.explaining(result, 0)[0].evidence == result.events[result.verdicts[0].events[0]].evidence


def test_the_life_of_a_branch_is_its_segments(result, tmp_path):
    for source in ways(result, tmp_path):
        for branch in result.branches:
            life = dg.life_of(source, branch.id)
            assert [chapter.kind for chapter in life] == [segment.kind for segment in branch.segments]
            for chapter, segment in zip(life, branch.segments, strict=True):
                for end, crossing in ((chapter.began, segment.born), (chapter.ended, segment.died)):
                    expected = None if crossing is None else (result.structural[crossing[0]], crossing[1].value)
                    assert end == expected
                assert all(chapter.first <= step <= chapter.last for step in segment.steps)
                assert chapter.lost == segment.lost
        with pytest.raises(dg.DynaghostError, match="branch: expected one of the numbers 0 to"):
            dg.life_of(source, 99)


def test_captures_and_crossings_are_in_the_life_of_their_branch(line):
    for event in line.events:
        if event.kind in (EventKind.CAPTURE, EventKind.READOUT_CROSSING):
            assert event.id in [i for chapter in dg.life_of(line, event.branches[-1]) for i in chapter.events]
    assert {event.kind for event in line.events} >= {EventKind.CAPTURE, EventKind.READOUT_CROSSING}


def test_ghosts_come_from_the_saddle_nodes_that_annihilate(result, tmp_path):
    folds = [event for event in result.events if event.kind is EventKind.SADDLE_NODE]
    assert {event.evidence["creates"] for event in folds} == {True, False}
    for source in ways(result, tmp_path):
        found = dg.ghosts_from(source)
        assert list(found) == [event.id for event in folds]
        for event in folds:
            ghosts = found[event.id]
            assert len(ghosts) == (not event.evidence["creates"])
            for ghost in ghosts:
                assert (ghost.kind, ghost.branch) == ("ghost", event.branches[0])
                assert ghost.began == (event.id, "becomes-ghost")


def test_a_border_collision_leaves_a_ghost_or_lets_the_point_go_on():
    """ReLU: two fixed points meet where a unit is at its kink; or one point goes on beyond it as it was."""
    for gain, words in ((1.5, "non-smooth fold"), (0.3, "persistence")):
        W = np.array([[gain, 0.0], [0.2, 0.3]])
        steps = np.linspace(0, 2, 41)
        metrics = Metrics(steps, 0.01 ** (steps > 1.5), None, "")
        states = [{"W": W, "b": np.array([b, 0.1])} for b in (-0.5, -0.1, 0.1)]
        result = dg.analyze(dg.load_run(states, activation="relu", leak=0.5, metrics=metrics))
        (event,) = [event for event in result.events if event.kind is EventKind.BORDER_COLLISION]
        fold = words == "non-smooth fold"
        assert [ghost.branch for ghost in dg.ghosts_from(result)[event.id]] == [event.branches[0]] * fold
        assert result.verdicts[0].verdict == ("bifurcation" if fold else "none")
        assert f"{words} where unit 0 is at its kink" in summary(result)
        assert result.graph.degree(f"e{event.id}") > 0


def test_a_window_holds_what_shares_more_than_an_endpoint_with_it(result, tmp_path):
    for source in ways(result, tmp_path):
        edges = sorted({edge for event in result.events for edge in (event.before, event.after)})
        for first, last in combinations([*edges, edges[-1] + 1], 2):
            inside = [e for e in result.events if min(e.after, last) - max(e.before, first) > 0]
            assert told(dg.events_between(source, first, last)) == told(inside)
    with pytest.raises(dg.DynaghostError, match="expected a window"):
        dg.events_between(result, 3, 3)


def test_what_is_no_graph_is_refused(tmp_path):
    with pytest.raises(dg.DynaghostError, match=r"graph\.json: expected"):
        dg.explaining(tmp_path, 0)
    with pytest.raises(dg.DynaghostError, match="expected a result, an event graph or a path, got int"):
        dg.life_of(3, 0)


# Two runs


def by_brute_force(first, second, within):
    """Every way to match in order, tried."""
    best = (0, 0.0)
    for count in range(1, min(len(first), len(second)) + 1):
        for rows in combinations(range(len(first)), count):
            for columns in combinations(range(len(second)), count):
                apart = [abs(first[i] - second[j]) for i, j in zip(rows, columns, strict=True)]
                if max(apart) <= within:
                    best = min(best, (-count, sum(apart)))
    return best


@given(st.integers(0, 2**32 - 1))
def test_matches_are_the_most_and_the_nearest(seed):
    random = np.random.default_rng(seed)
    first, second = (np.sort(random.uniform(size=random.integers(0, 6))) for _ in range(2))
    within = random.uniform(0.01, 1)
    found = in_order(first, second, within)
    rows, columns = [i for i, _ in found], [j for _, j in found]
    assert rows == sorted(set(rows))
    assert columns == sorted(set(columns))
    apart = [abs(first[i] - second[j]) for i, j in found]
    count, least = by_brute_force(first, second, within)
    assert -len(found) == count
    assert sum(apart) == pytest.approx(least, abs=1e-12)
    assert all(one <= within for one in apart)


def test_a_run_beside_itself_differs_in_nothing(result, tmp_path):
    sources = ways(result, tmp_path)
    for source in sources:
        found = dg.compare(sources[0], source)
        assert (found.difference, found.shift) == (0.0, 0.0)
        assert [(pair.first.id, pair.second.id) for pair in found.events] == [(e.id, e.id) for e in result.events]
        assert [(pair.first, pair.second) for pair in found.branches] == [(b.id, b.id) for b in result.branches]
        assert all(pair.overlap == pytest.approx(1) for pair in found.branches)
        assert all(drop.agree and drop.first == drop.second for drop in found.drops)
        assert len(found.drops) == len(result.verdicts)
        assert (found.only_first, found.only_second, found.branches_only_first) == ((), (), ())


def test_what_only_one_run_has(line):
    calm = biased((0.4, 0.1, 0.1, 0.1, 0.1, 0.1), drops=(260,), x0=0.6, threshold=0.9)
    found, back = dg.compare(line, calm), dg.compare(calm, line)
    kinds = [pair.first.kind.value for pair in found.events]
    # One saddle-node, one drop and one crossing of the readout at most are in both.
    assert kinds.count("saddle_node") == kinds.count("loss_drop") == 1
    assert {event.kind.value for event in found.only_first} >= {"saddle_node", "capture", "loss_drop"}
    total = len(line.events) + len(calm.events)
    assert found.difference == pytest.approx((len(found.only_first) + len(found.only_second)) / total)
    assert 0 < found.difference < 1
    # The other way round the same pairs, with the other sign.
    assert [(p.second.id, p.first.id, -p.apart) for p in back.events] == [
        (p.first.id, p.second.id, p.apart) for p in sorted(found.events, key=lambda p: p.second.id)
    ]
    assert (back.only_first, back.only_second, back.difference) == (
        found.only_second,
        found.only_first,
        found.difference,
    )
    drops = [(drop.first, drop.second, drop.agree) for drop in found.drops]
    assert drops == [(0, None, False), (1, 0, False)]
    assert found.drops[1].verdicts == (("bifurcation", "proved"), ("none", "proved"))


def test_events_too_far_apart_are_no_pair():
    early, late = biased((0.4, 0.1, 0.1, 0.1, 0.1, 0.1)), biased((0.4, 0.4, 0.4, 0.4, 0.4, 0.1))
    (pair,) = dg.compare(early, late).events
    assert pair.apart == pytest.approx(0.8, abs=1e-6)
    found = dg.compare(early, late, within=0.5)
    assert (found.events, found.difference) == ((), 1.0)
    # The branch that is always there lives alike; the two that are born do so 0.8 of the run later.
    assert max(pair.overlap for pair in found.branches) == 1.0
    with pytest.raises(dg.DynaghostError, match="within: expected a positive share"):
        dg.compare(early, late, within=0.0)


def test_the_command_sets_two_folders_side_by_side(line, tmp_path, capsys, monkeypatch):
    from dynaghost.cli import main

    calm = biased((0.4, 0.1, 0.1, 0.1, 0.1, 0.1), drops=(260,), x0=0.6, threshold=0.9)
    line.save(tmp_path / "a")
    calm.save(tmp_path / "b")
    monkeypatch.chdir(tmp_path)
    outputs = []
    for arguments in (("a", "b"), ("a", "b/graph.graphml"), ("a", ".")):
        monkeypatch.setattr("sys.argv", ["dynaghost", "compare", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        outputs.append((stop.value.code, capsys.readouterr()))
    assert [code for code, _ in outputs] == [0, 0, 1]
    first, second, third = (streams for _, streams in outputs)
    assert first.out == comparison_text(dg.compare(line, calm), ("a", "b")) + "\n"
    assert second.out == comparison_text(dg.compare(line, calm), ("a", "b/graph.graphml")) + "\n"
    assert "drop of the loss: 1, bifurcation (proved) | 0, none (proved): verdicts differ" in first.out
    assert "graph.json: expected a readable graph" in third.err
