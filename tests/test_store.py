"""Results on disk: equal to the last bit, whoever is killed; one run a folder; JSON as its schema says."""

import dataclasses
import json
import math
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import zlib
from contextlib import closing
from enum import Enum
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import dynaghost as dg
from dynaghost.analysis import Analysis, analyze, load_analysis
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.codec import dumps, loads
from dynaghost.errors import StoreError
from dynaghost.packed import Packed
from dynaghost.saved import load, save
from dynaghost.slowpoints.records import Certificate, Ghost, SlowPoints
from dynaghost.store import Store, open_store
from dynaghost.summary import document, line, plain, schema, software
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.trajectories.findings import Batch, Findings
from dynaghost.trajectories.on_line import BATCH
from dynaghost.trajectories.trial import Trial

ROOT = Path(__file__).parents[1]
FILES = ("analysis.json", "graph.graphml", "graph.json")


def toy(checkpoints, **settings):
    """A run that begins with three fixed points and loses two of them."""
    return load_run([{"m": [1.5], "n": [1.0], "b": [0.4 * e / checkpoints]} for e in range(checkpoints)], **settings)


@pytest.fixture(scope="module", params=["fig3a_ghost", "fig3b_stuck", "toy", "one checkpoint"])
def findings(request):
    runs = {"toy": lambda: toy(7, leak=0.5), "one checkpoint": lambda: toy(1, metrics=False)}
    return analyze(runs.get(request.param, lambda: load_run(ROOT / "data" / request.param))())


@pytest.fixture
def ghost_run():
    return load_run(ROOT / "data" / "fig3a_ghost")


def differences(a, b, place="findings"):
    """Where two records differ: in type, in a bit of a float or array, anywhere inside."""
    if isinstance(a, np.generic):
        a = a.item()
    a, b = (tuple(one) if isinstance(one, Packed) else one for one in (a, b))
    if type(a) is not type(b):
        return [f"{place}: {type(a)} and {type(b)}"]
    if isinstance(a, RankOneCircuit):
        names = ("m", "n", "b", "leak", "time", "form", "metric", "weights")
        return [d for name in names for d in differences(getattr(a, name), getattr(b, name), f"{place}.{name}")]
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a)]
        return [d for name in names for d in differences(getattr(a, name), getattr(b, name), f"{place}.{name}")]
    if isinstance(a, np.ndarray):
        same = (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        return [] if same else [f"{place}: {a} and {b}"]
    if isinstance(a, dict):
        return differences(list(a), list(b), place) or [d for k in a for d in differences(a[k], b[k], f"{place}[{k}]")]
    if isinstance(a, tuple | list):
        pairs = enumerate(zip(a, b, strict=False))
        lengths = [] if len(a) == len(b) else [f"{place}: lengths {len(a)} and {len(b)}"]
        return lengths + [d for i, (x, y) in pairs for d in differences(x, y, f"{place}[{i}]")]
    if isinstance(a, float):
        return [] if struct.pack("<d", a) == struct.pack("<d", b) else [f"{place}: {a!r} and {b!r}"]
    return [] if a == b else [f"{place}: {a!r} and {b!r}"]


# Equal to the last bit


def test_what_is_saved_is_loaded(findings, tmp_path):
    findings.save(tmp_path)
    loaded = load_analysis(tmp_path)
    assert type(loaded) is Analysis
    assert differences(findings, loaded) == []
    assert type(load(tmp_path)) is Findings


def test_differences_are_seen(ghost_run):
    few = analyze(ghost_run.select(stop=10000))
    point = few.points[0].fixed_points[0]
    moved = dataclasses.replace(point, x=np.nextafter(point.x, np.inf))
    assert differences(point, moved) == [f"findings.x: {point.x} and {moved.x}"]
    assert differences(0.0, -0.0)
    assert differences((1,), (1, 2))
    assert differences({"a": 1.0}, {"a": 1})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (float, float("-inf")),
        (float, -0.0),
        (float, 5e-324),
        (int, 2**70),
        (complex, complex(float("inf"), -0.0)),
        (Array, np.empty((0, 3))),
        (Array, np.array(1.5)),
        (Array, np.array([np.nan, -np.inf, -0.0])),
        (Array, np.array([1 + 2j])),
        (Array, np.arange(6).reshape(2, 3).T),
        (Trial, Trial(np.array([0.1, 0.2]), None, 10.0, None)),
        (Trial, Trial(-0.3, 40)),
        (tuple[Certificate, bool | None], (Certificate.ROOT_FREE, None)),
        (list[str], ["κ", '"']),
    ],
)
def test_records_come_back(kind, value):
    assert differences(value, loads(kind, dumps(value))) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "1.5"),
        (int, "true"),
        (float, '"1"'),
        (float | None, '{"array": "<f8 1 AAAAAAAA4D8="}'),
        (Array, '{"array": "<f8 2 AAAAAAAA4D8="}'),
        (Array, "[1]"),
        (tuple[int, int], "[1]"),
        (Certificate, '"proved"'),
        (Trial, '{"steps": 1}'),
        (SlowPoints, "[]"),
        (int, "{"),
    ],
)
def test_what_is_no_such_record_is_refused(kind, text):
    with pytest.raises((KeyError, TypeError, ValueError)):
        loads(kind, text)


def test_arrays_of_objects_are_refused():
    with pytest.raises(TypeError, match="object"):
        dumps(np.array([None]))


def test_columns_are_for_people(ghost_run, tmp_path):
    result = analyze(ghost_run)
    result.save(tmp_path)
    told = [row for row in result.rows() if row["kind"] == "ghost"]
    with sqlite3.connect(tmp_path / "analysis.db") as database:
        read = database.execute(
            "SELECT step, x, speed, passage_time, radius FROM point WHERE kind = 'ghost'"
        ).fetchall()
        steps = database.execute("SELECT before, after, at, kind FROM event ORDER BY id").fetchall()
        counts = database.execute("SELECT number, first, last FROM batch").fetchall()
        metrics = database.execute("SELECT step, loss, grad_norm FROM metric").fetchall()
    database.close()
    names = ("speed", "passage_time", "radius")
    assert read == [(row["step"], json.dumps(row["x"]), *(row[name] for name in names)) for row in told]
    assert steps == [(e.before, e.after, e.at, e.kind.value) for e in result.events]
    assert counts == []
    losses = result.losses
    assert metrics == list(
        zip(*(column.tolist() for column in (losses.steps, losses.loss, losses.grad_norm)), strict=True)
    )


# analysis.json


def refuse(constant):
    raise AssertionError(f"{constant} in JSON")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_analysis_json_is_as_its_schema_says(findings, tmp_path):
    findings.save(tmp_path)
    found = read_json(tmp_path / "analysis.json")
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert found == document(findings)
    assert found["run"]["checkpoints"] == len(found["checkpoints"]) == len(findings.steps)
    assert [event["id"] for event in found["events"]] == list(range(len(findings.events)))
    assert len(found["points"]) == sum(c["fixed_points"] + c["ghosts"] for c in found["checkpoints"])
    assert len(found["verdicts"]) == sum(event["kind"] == "loss_drop" for event in found["events"])
    assert found["software"] == software()


def test_analysis_json_of_figure_3a(ghost_run):
    found = document(analyze(ghost_run))
    steps = [(v["before"], v["after"]) for v in found["verdicts"]]
    assert all(type(step) is int for pair in steps for step in pair)
    losses = dict(zip(ghost_run.metrics.steps, ghost_run.metrics.loss, strict=True))
    assert [c["loss"] for c in found["checkpoints"]] == [losses[c["step"]] for c in found["checkpoints"]]
    assert found["run"] | {"system": "", "source": ""} == {
        "source": "",
        "system": "",
        "time": "flow",
        "dim": 1,
        "coordinates": "latent",
        "units": 100,
        "leak": 0.5,
        "axis": "epoch",
        "checkpoints": 117,
        "trial": {"x0": -0.3, "steps": None, "delay": 10.0, "threshold": 1.0},
        "drops": {"median": 5, "factor": math.log(2), "longest": 0.1, "contrast": 3.0, "trim": 0.02},
    }


def test_what_is_unknown_is_null():
    found = document(analyze(toy(3, metrics=False)))
    assert (found["run"]["trial"], found["checkpoints"][0]["loss"]) == (None, None)
    assert (found["verdicts"], document(analyze(toy(1)))["events"]) == ([], [])


MUTATIONS = {
    "another schema": lambda found: found.update(schema=2),
    "an unknown entry": lambda found: found.update(more=1),
    "an unknown column": lambda found: found["points"][0].update(more=1),
    "a missing column": lambda found: found["points"][0].pop("radius"),
    "a kind of point that is none": lambda found: found["points"][0].update(kind="saddle"),
    "a fixed point that moves": lambda found: found["points"][0].update(speed=0.1),
    "a fixed point proved root-free": lambda found: found["points"][0].update(certificate="root_free"),
    "a ghost with a stability": lambda found: found["points"][-1].update(kind="ghost", stability="stable node"),
    "a text as step": lambda found: found["checkpoints"][0].update(step="0"),
    "an event beyond its line": lambda found: found["events"][0].update(at=1.5),
    "an event of no kind": lambda found: found["events"][0].update(kind="bifurcation"),
    "a leak of 0": lambda found: found["run"].update(leak=0),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_schema_is_strict(mutation):
    found = document(analyze(toy(3)))
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(found)
    MUTATIONS[mutation](found)
    assert not validator.is_valid(found)


def dumped(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_the_same_bytes_for_any_number_of_jobs(ghost_run, tmp_path, monkeypatch):
    monkeypatch.setattr("dynaghost.saved.LONG", 1)
    results = {n_jobs: analyze(ghost_run, n_jobs=n_jobs) for n_jobs in (1, 2)}
    for n_jobs, result in results.items():
        result.save(tmp_path / str(n_jobs), n_jobs=n_jobs)
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    tables = [dumped(tmp_path / number / "analysis.db") for number in "12"]
    assert len(tables[0]) > 100
    assert tables[0] == tables[1]


def test_the_summary_has_an_entry_a_line(findings, tmp_path):
    findings.save(tmp_path)
    lines = [text.strip().rstrip(",") for text in (tmp_path / "analysis.json").read_text(encoding="utf-8").splitlines()]
    for part in ("checkpoints", "points"):
        first = lines.index(f'"{part}": [') + 1
        entries = [json.dumps(entry, ensure_ascii=False) for entry in document(findings)[part]]
        assert lines[first : first + len(entries)] == [*entries[:-1], entries[-1] + "]"]


ODD_VALUES = {
    "floats": [0.1, 1e300, 5e-324, -0.0, 1e16, 123456789012345680.0],
    "not finite": [math.inf, -math.inf, math.nan],
    "NumPy": [np.float64(0.1), np.int64(3), np.bool_(True), np.array([1.0, np.nan])],
    "texts": ['ü → \n" \u2028', ""],
    "keys": [{1: 0, "1": 1}, {1.0: 1}, {True: 2, None: [(), {}, []]}],
    "scalars": (True, False, None, 2**70, Certificate.UNDECIDED),
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_a_line_is_what_the_json_module_writes(name):
    value = ODD_VALUES[name]
    assert line(value) == json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def test_saving_again_changes_nothing(tmp_path):
    result = analyze(toy(5))
    result.save(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    load_analysis(tmp_path).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"analysis.db", *FILES}
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


# Resuming


def test_kept_batches_are_not_computed_again(tmp_path):
    run, computed = toy(3 * BATCH + 1), []
    expected = analyze(run)
    with open_store(tmp_path, run) as store:
        analyze(run, keep=store.keep)
    with open_store(tmp_path, run) as store:
        result = analyze(run, done=store.batch, keep=lambda i, batch: computed.append(i))
    assert computed == []
    assert differences(expected, result) == []


def test_an_interruption_leaves_a_closed_store(tmp_path):
    run = toy(4 * BATCH)

    def interrupted(i, batch):
        store.keep(i, batch)
        if i == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_store(tmp_path, run) as store:
        analyze(run, keep=interrupted)
    with open_store(tmp_path, run) as store:
        assert [store.batch(i) is not None for i in range(4)] == [True, True, False, False]


def test_an_interrupted_transaction_is_undone(tmp_path):
    with Store.open(tmp_path, "key") as store:
        store.keep(0, Batch((0,), ()))
        with pytest.raises(KeyboardInterrupt):
            interrupted_deletion(store)
        assert store.batch(0) is not None


def interrupted_deletion(store):
    with store._transaction():
        store._connection.execute("DELETE FROM batch")
        raise KeyboardInterrupt


RESUMED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_store import BATCH, analyze, open_store, toy

def keep(i, batch):
    if i < {reach}:
        return store.keep(i, batch)
    with store._transaction():
        store._connection.execute("PRAGMA cache_size=2")
        store._connection.execute("INSERT INTO batch VALUES (?, 0, 0, 0, 0, randomblob(1000000), 0, 0, 0)", (i,))
        os.kill(os.getpid(), signal.SIGKILL)

run = toy(5 * BATCH)
with open_store({folder!r}, run) as store:
    analyze(run, done=store.batch, keep=keep)
"""

KEEPING = """
import sys
from dynaghost.store import Store
from dynaghost.trajectories.findings import Batch

with Store.open({folder!r}, "key") as store:
    store._connection.execute("PRAGMA cache_size=2")
    i = 0
    while True:
        if store.batch(i) is None:
            store.keep(i, Batch(tuple(range(i, i + 5_000)), (), ()))
            sys.stdout.write(f"{{i}}\\n")
            sys.stdout.flush()
        i += 1
"""

FINISHING = """
import os, signal
from dynaghost import saved, store, tables
findings = saved.load({folder!r})
whole = tables.rows

def killed(findings, told):
    for name, rows in whole(findings, told):
        if name == "event":
            os.kill(os.getpid(), signal.SIGKILL)
        yield name, rows

tables.rows = killed
commit = store.Store._begin
def small_cache(self, *arguments):
    commit(self, *arguments)
    self._connection.execute("PRAGMA cache_size=2")
store.Store._begin = small_cache
saved.save(findings, {folder!r})
"""


def start(code, folder, reach=0):
    code = code.format(folder=str(folder), tests=str(Path(__file__).parent), reach=reach)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_until_killed(child):
    """What it put out until then."""
    with child:
        lines = child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line for line in lines if line.endswith("\n")]


def test_a_killed_analysis_is_resumed(tmp_path):
    run, computed = toy(5 * BATCH), []
    for reach in (1, 2, 4):
        wait_until_killed(start(RESUMED, tmp_path, reach))
        assert os.path.getsize(tmp_path / "analysis.db-journal") > 0
        with open_store(tmp_path, run) as store:
            assert [store.batch(i) is not None for i in range(5)] == [i < reach for i in range(5)]
    with open_store(tmp_path, run) as store:
        result = analyze(run, done=store.batch, keep=lambda i, batch: computed.append(i))
    assert computed == [4]
    assert differences(analyze(run), result) == []
    result.save(tmp_path)
    assert differences(result, load_analysis(tmp_path)) == []


def test_a_process_killed_while_it_writes_leaves_whole_batches(tmp_path):
    for lines in (1, 20, 3):
        child = start(KEEPING, tmp_path)
        told = [child.stdout.readline() for _ in range(lines)]
        with pytest.raises(StoreError, match="no other process"):
            Store.open(tmp_path, "key")
        child.send_signal(signal.SIGKILL)
        reached = int((told + wait_until_killed(child))[-1])
        with Store.open(tmp_path, "key") as store:
            (kept,) = store._connection.execute("SELECT count(*) FROM batch").fetchone()
            assert kept >= reached + 1
            assert all(store.batch(i).steps == tuple(range(i, i + 5_000)) for i in range(kept))


def test_a_process_killed_while_it_saves_leaves_the_earlier_results(tmp_path, ghost_run):
    result = analyze(ghost_run)
    result.save(tmp_path)
    wait_until_killed(start(FINISHING, tmp_path))
    assert os.path.getsize(tmp_path / "analysis.db-journal") > 0
    assert differences(result, load_analysis(tmp_path)) == []


# What a folder must not hold


def test_runs_are_not_mixed(tmp_path):
    with open_store(tmp_path, toy(200)) as store:
        store.keep(0, Batch((0,), ()))
    with pytest.raises(StoreError, match=r"checkpoints 200 there, 100 here.*--out"):
        open_store(tmp_path, toy(100))
    with pytest.raises(StoreError, match="weights and settings"):
        save(analyze(toy(200, leak=0.25)), tmp_path)
    save(analyze(toy(200)), tmp_path)
    with pytest.raises(StoreError, match="checkpoints 200 there, 100 here"):
        save(analyze(toy(100)), tmp_path)


def test_a_finished_analysis_is_taken_as_it_is_unless_something_would_differ(tmp_path, monkeypatch):
    run = toy(5)
    result = analyze(run)
    with open_store(tmp_path, run) as store:
        assert store.finished(run) is None
        analyze(run, keep=store.keep)
        assert store.finished(run, Analysis) is None
    result.save(tmp_path)
    metrics = Metrics.from_rows([(0, 1.0, None), (4, 0.5, None)], "here")
    others = (
        {"metrics": metrics},
        {"order": "another"},
        {"notes": ("one more",)},
        {"source": "elsewhere"},
        {"checkpoints": tuple(dataclasses.replace(c, file=f"new {c.file}") for c in run)},
    )
    with open_store(tmp_path, run) as store:
        assert differences(store.finished(run, Analysis), result) == []
        for other in others:
            assert store.finished(dataclasses.replace(run, **other)) is None
        monkeypatch.setattr("dynaghost.store.software", lambda: software() | {"numpy": "9.9"})
        assert store.finished(run) is None


def test_versions_are_not_mixed(tmp_path, monkeypatch):
    run = toy(5)
    with open_store(tmp_path, run) as store:
        store.keep(0, Batch((0,), ()))
    monkeypatch.setattr("dynaghost.same_run.software", lambda: software() | {"dynaghost": "9.9"})
    with pytest.raises(StoreError, match=rf"dynaghost {software()['dynaghost']} there, 9\.9 here"):
        open_store(tmp_path, run)


def test_differences_that_are_not_known(tmp_path):
    with Store.open(tmp_path, "one") as store:
        store.keep(0, Batch((0,), ()))
    with pytest.raises(StoreError, match="not known"):
        Store.open(tmp_path, "two")


def test_a_folder_in_which_nothing_was_kept_takes_any_run(tmp_path):
    with open_store(tmp_path, toy(5)):
        pass
    analyze(toy(6)).save(tmp_path)
    with pytest.raises(StoreError, match="checkpoints 6 there, 5 here"):
        open_store(tmp_path, toy(5))


def test_a_folder_in_use(tmp_path):
    result = analyze(toy(5))
    result.save(tmp_path)
    with open_store(tmp_path, toy(5)):
        for use in (
            lambda: open_store(tmp_path, toy(5)),
            lambda: result.save(tmp_path),
            lambda: load_analysis(tmp_path),
        ):
            with pytest.raises(StoreError, match=r"analysis\.db: .*no other process"):
                use()
    load_analysis(tmp_path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match=r"out: expected a folder"):
        Store.open(tmp_path / "out", "key")


def test_a_folder_without_results(tmp_path):
    with pytest.raises(StoreError, match=r"analysis\.db: .*no such file"):
        load_analysis(tmp_path / "nothing")
    with open_store(tmp_path, toy(4 * BATCH)) as store:
        analyze(toy(4 * BATCH), keep=store.keep)
    with pytest.raises(StoreError, match=r"finished analysis, got 4 batch"):
        load_analysis(tmp_path)


def write_garbage(path):
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def cut_within_a_page(path):
    os.truncate(path, os.path.getsize(path) - 100)


def empty(path):
    os.truncate(path, 0)


def overwrite_a_page(path):
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(content)


def statement(sql):
    def run(path):
        database = sqlite3.connect(path)
        database.execute(sql)
        database.commit()
        database.close()

    return run


DAMAGE = {
    "garbage": write_garbage,
    "half a file": truncate,
    "a cut page": cut_within_a_page,
    "an empty file": empty,
    "a lost page": overwrite_a_page,
    "a database of something else": statement("PRAGMA application_id=1"),
    "another format": statement("PRAGMA user_version=2"),
    "a lost table": statement("DROP TABLE event"),
    "half a record": statement("UPDATE block SET record = substr(record, 1, 20)"),
    "another record": statement("UPDATE branch SET record = '{}'"),
    "lost weights": statement("UPDATE circuits SET m = zeroblob(3)"),
    "no checkpoints": statement("DELETE FROM checkpoint"),
    "one checkpoint less": statement("DELETE FROM checkpoint WHERE number = 3"),
    "lost places of branches": statement("DELETE FROM segment WHERE branch = 0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_results_are_refused(damage, tmp_path):
    analyze(toy(20)).save(tmp_path)
    DAMAGE[damage](tmp_path / "analysis.db")
    with pytest.raises(StoreError, match=r"analysis\.db: expected"):
        load_analysis(tmp_path)


@pytest.mark.parametrize(
    "damage", ["garbage", "half a file", "a lost page", "a database of something else", "another format"]
)
def test_damaged_results_are_not_written_to(damage, tmp_path):
    analyze(toy(20)).save(tmp_path)
    DAMAGE[damage](tmp_path / "analysis.db")
    before = (tmp_path / "analysis.db").read_bytes()
    with pytest.raises(StoreError, match=r"analysis\.db: expected"):
        open_store(tmp_path, toy(20))
    assert (tmp_path / "analysis.db").read_bytes() == before


@pytest.mark.parametrize("record", [b"", b"no zlib", zlib.compress(b"{"), zlib.compress(b'{"steps": [0]}'), "text"])
def test_damaged_batches_are_refused(record, tmp_path):
    with Store.open(tmp_path, "key") as store:
        store._connection.execute("INSERT INTO batch VALUES (0, ?, 0, 0, 0, 0, 0, 0, 0)", (record,))
        with pytest.raises(StoreError, match=r"analysis\.db: expected"):
            store.batch(0)


def test_every_label_is_in_the_schema():
    from dynaghost.slowpoints.records import Kind
    from dynaghost.trajectories.events import EventKind, EventStatus
    from dynaghost.trajectories.verdict import Answer, Grade

    definitions = schema()["$defs"]
    places: list[tuple[type[Enum], str, str]] = [
        (Kind, "point", "kind"),
        (Certificate, "point", "certificate"),
        (EventKind, "event", "kind"),
        (EventStatus, "event", "status"),
        (Answer, "verdict", "verdict"),
        (Grade, "verdict", "grade"),
    ]
    for labels, record, name in places:
        assert set(definitions[record]["properties"][name]["enum"]) == {label.value for label in labels}


def test_a_field_younger_than_the_record_has_its_default():
    (point,) = dg.find_slow_points(dg.SaddleNode(0.25)).ghosts
    data = json.loads(dumps(point))
    del data["alignment"]
    assert loads(Ghost, json.dumps(data)).alignment == 1.0
    del data["speed"]
    with pytest.raises(KeyError, match="speed"):
        loads(Ghost, json.dumps(data))
