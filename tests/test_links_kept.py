"""What was followed between checkpoints of many dimensions is kept as it is found, and never followed again."""

import sqlite3
from contextlib import closing
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.columns import pack, unpack
from dynaghost.errors import StoreError
from dynaghost.store import Store, open_store
from dynaghost.trajectories import space_run
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.kept_stories import key_of_link
from dynaghost.trajectories.stops import Stop
from dynaghost.trajectories.story import Story

# A circuit of rank two whose gain grows: pairs of fixed points are born, each announced by a ghost.
STEPS = range(0, 120, 10)


class Interrupted(BaseException):
    """Like a KeyboardInterrupt, which would end the tests."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    numbers = np.random.default_rng(3)
    m = numbers.normal(size=(100, 2))
    n = (m.T * [[2.2], [1.6]] + numbers.normal(size=(2, 100))) / 100
    b = 0.3 * numbers.normal(size=100)
    for step in STEPS:
        np.savez(folder / f"epoch_{step}.npz", m=m, n=(0.4 + 0.6 * step / 110) * n, b=b)
    losses = [f"{e},{1 / (1 + np.exp((e - 50) / 3)) + 1e-3}" for e in range(111)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,loss", *losses]))
    return dg.load_run(folder, leak=0.2, x0=0.4)


@pytest.fixture
def told(monkeypatch):
    """The pairs of stations that were followed; appending beyond `told.most` raises."""

    class Calls(list):
        most = None

    calls, tell = Calls(), space_run.tell

    def counted(systems, points, *, attempts=4):
        if calls.most is not None and len(calls) >= calls.most:
            raise Interrupted
        calls.append(systems)
        return tell(systems, points, attempts=attempts)

    monkeypatch.setattr(space_run, "tell", counted)
    return calls


def analyzed(folder, run, *, drops=None, n_jobs=1):
    with open_store(folder, run) as store:
        result = dg.analyze(run, drops=drops, n_jobs=n_jobs, done=store.batch, keep=store.keep, links=store)
    result.save(folder)
    return (folder / "analysis.json").read_bytes()


def rows(folder):
    with closing(sqlite3.connect(folder / "analysis.db")) as database:
        return database.execute("SELECT * FROM story ORDER BY key").fetchall()


def change(folder, statement):
    with closing(sqlite3.connect(folder / "analysis.db")) as database, database:
        database.execute(statement)


def same(one, other):
    """Equal in value and type, to the last bit."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, float):
        return isinstance(other, float) and np.float64(one).tobytes() == np.float64(other).tobytes()
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("stop", [1, 6, 9])
def test_an_interrupted_analysis_follows_only_the_links_that_are_missing(run, told, tmp_path, stop):
    result = dg.analyze(run)
    result.save(tmp_path / "whole")
    whole = len(told)
    assert whole >= len(STEPS) - 1
    told.clear()
    told.most = stop
    with pytest.raises(Interrupted):
        analyzed(tmp_path / "parts", run)
    assert len(told) == stop
    told.clear()
    told.most = whole - stop
    assert analyzed(tmp_path / "parts", run) == (tmp_path / "whole" / "analysis.json").read_bytes()
    assert len(told) == whole - stop
    assert dg.load_analysis(tmp_path / "parts").events == result.events


def test_another_drop_rule_follows_no_link(run, told, tmp_path):
    first = analyzed(tmp_path / "one", run)
    told.most = len(told)
    second = analyzed(tmp_path / "one", run, drops=DropRule(factor=3))
    assert second != first
    told.most = None
    assert second == analyzed(tmp_path / "other", run, drops=DropRule(factor=3))


def test_several_workers_keep_and_find_the_same(run, told, tmp_path):
    first = analyzed(tmp_path / "one", run)
    told.most = len(told)
    assert analyzed(tmp_path / "two", run, n_jobs=2) == first
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    # Nothing is left to follow: the workers get nothing to do.
    assert analyzed(tmp_path / "one", run, n_jobs=2) == first


def test_stories_come_back_to_the_last_bit(run, monkeypatch, tmp_path):
    stories = {}
    keep = Store.keep_stories
    monkeypatch.setattr(Store, "keep_stories", lambda store, some: stories.update(some) or keep(store, some))
    analyzed(tmp_path, run)
    kinds = {one.kind.value for story in stories.values() for one in story.happenings}
    assert {"saddle_node", "ghost_emergence"} <= kinds
    with open_store(tmp_path, run) as store:
        assert all(same(store.story(key), story) for key, story in stories.items())
        assert store.story("another") is None


DAMAGE = {
    "cut": "UPDATE story SET record = substr(record, 1, length(record) - 9)",
    "nothing": "UPDATE story SET record = NULL",
    "text": "UPDATE story SET record = 'story'",
    "of another kind": "UPDATE story SET record = (SELECT points FROM batch LIMIT 1)",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_stories_are_refused(run, tmp_path, damage):
    analyzed(tmp_path, run)
    change(tmp_path, damage)
    with pytest.raises(StoreError, match=r"analysis\.db: expected records of this version"):
        analyzed(tmp_path, run, drops=DropRule(factor=3))


class Memory(dict):
    """Stories as bytes, as a store keeps them."""

    def story(self, key):
        return unpack(Story, self[key])[0] if key in self else None

    def keep_stories(self, stories):
        self.update({key: pack(Story, (one,)) for key, one in stories.items()})


# tanh units with a pitchfork at w = 1: between two checkpoints, right at one, at the last, and at two in a row.
@pytest.mark.parametrize("weights", [(0.8, 0.9, 1.2, 1.4), (0.8, 1.0, 1.2), (0.8, 0.9, 1.0), (0.9, 1.0, 1.0, 1.3)])
def test_lists_that_grow_and_checkpoints_at_a_bifurcation_have_stories_of_their_own(weights, told):
    systems = [dg.LeakyRNN([[w, 0.0], [0.0, 0.5]], [0.0, 0.0], time="flow") for w in weights]
    points = [dg.find_slow_points(system) for system in systems]
    poorer = [replace(one, fixed_points=one.fixed_points[:1], complete=False, index_sum=None) for one in points]
    poorer[-1] = replace(points[-1], complete=False)
    memory = Memory()
    for lists in (points, poorer):
        whole = space_run.follow_run(systems, lists)
        first = space_run.follow_run(systems, lists, kept=memory)
        told.most = len(told)
        again = space_run.follow_run(systems, lists, kept=memory)
        told.most = None
        for one in (first, again):
            found, expected = ([list(a.stories), list(a.points), a.added] for a in (one, whole))
            assert same(found, expected)
    assert (again.added > 0) == (1.0 not in weights)


def test_links_between_equal_lists_at_other_places_are_others():
    system = dg.LeakyRNN([[0.8]], [0.0], time="flow")
    points = dg.find_slow_points(system)
    places = [((0, 0), (1, 0)), ((1, 0), (2, 0)), ((0, 0), (1, -1)), ((1, 1), (2, 0)), ((1, -1), (1, 1))]
    stops = [[Stop(system, points, *place) for place in pair] for pair in places]
    assert len({key_of_link(*pair, attempts) for pair in stops for attempts in (4, 5)}) == 10
    assert key_of_link(*stops[0], 4) == key_of_link(*[Stop(system, points, e) for e in (0, 1)], 4)
