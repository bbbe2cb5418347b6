"""Many runs: one database, a table over all; parts of a cluster's tasks put together."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest

from dynaghost.analysis import analyze, analyze_part, load_analysis
from dynaghost.checkpoints.run import load_run
from dynaghost.collected import Collected, Row
from dynaghost.collection import analyze_collection, find_runs, is_collection, load_collection, merge
from dynaghost.collection_store import CollectionStore
from dynaghost.errors import DynaghostError, StoreError
from dynaghost.export import export_collection
from dynaghost.run_tables import COLUMNS
from dynaghost.store import open_store
from dynaghost.summary import document
from dynaghost.trajectories.chance import chance
from dynaghost.trajectories.compare import compare
from dynaghost.trajectories.graph import read_graph
from dynaghost.views.collection_text import collection_summary

RATES = {"a": 0.1, "b": 0.1, "c": 0.2}


def write_run(folder, *, rate, seed=0, ends=0.4):
    """One neuron that loses two of its three fixed points while the loss falls."""
    folder.mkdir(parents=True)
    for e, b in enumerate(np.linspace(0, ends, 12)):
        np.savez(folder / f"epoch_{e * 10}.npz", m=[1.5], n=[1.0], b=[b], epoch=e * 10)
    losses = np.where(np.arange(111) < 52, 1.0, 0.1)
    rows = "".join(f"{e},{loss}\n" for e, loss in enumerate(losses))
    (folder / "metrics.csv").write_text("epoch,loss\n" + rows)
    described = {
        "schema": 1,
        "axis": "epoch",
        "system": {"leak": 0.5},
        "training": {"learning_rate": rate, "seed": seed},
    }
    (folder / "run.json").write_text(json.dumps(described))


@pytest.fixture
def runs(tmp_path):
    for seed, (name, rate) in enumerate(RATES.items()):
        write_run(tmp_path / "runs" / name, rate=rate, seed=seed)
    return tmp_path / "runs"


def files(out):
    """Every file of a collection but the databases, which are of SQLite's making."""
    paths = (path for path in sorted(Path(out).rglob("*")) if path.is_file() and path.suffix != ".db")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def test_every_run_gets_what_it_would_get_alone(runs, tmp_path):
    found = analyze_collection(runs, tmp_path / "out")
    assert [row.name for row in found.runs] == list(RATES)
    for name in RATES:
        alone = document(analyze(load_run(runs / name)))
        assert document(load_analysis(tmp_path / "out" / name)) == alone
        row = next(row for row in found.runs if row.name == name)
        assert [d.verdict for d in row.drops] == [v["verdict"] for v in alone["verdicts"]] != []
        assert row.events["saddle_node"] == sum(e["kind"] == "saddle_node" for e in alone["events"]) == 1
    assert load_collection(tmp_path / "out") == found
    assert (found.verdicts, found.varied) == ({"bifurcation": 3}, ("learning_rate", "seed"))
    assert found.by("learning_rate") == {0.1: {"runs": 2, "bifurcation": 2}, 0.2: {"runs": 1, "bifurcation": 1}}
    text = collection_summary(found)
    assert "3 abrupt drops of the loss: bifurcation 3" in text
    assert "by learning_rate:" in text


def test_the_same_for_any_number_of_jobs_and_any_parts(runs, tmp_path):
    analyze_collection(runs, tmp_path / "one")
    analyze_collection(f"{runs}/*", tmp_path / "two", n_jobs=2)
    for i in (1, 2):
        analyze_collection(runs, tmp_path / f"part{i}", part=(i, 2))
    names = [[row.name for row in load_collection(tmp_path / f"part{i}").runs] for i in (1, 2)]
    assert names == [["a", "c"], ["b"]]
    merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "merged")
    whole = files(tmp_path / "one")
    assert files(tmp_path / "merged") == whole
    two = files(tmp_path / "two")
    assert {name: two[name] for name in two if "/" in name} == {name: whole[name] for name in whole if "/" in name}


def test_what_is_there_is_not_computed_again(runs, tmp_path, monkeypatch):
    import dynaghost.collection as collection

    analyze_collection(runs, tmp_path / "out")
    before, rows, computed = files(tmp_path / "out"), contents(tmp_path / "out"), []
    monkeypatch.setattr(collection, "analyze", lambda run, **rest: computed.append(run.source) or analyze(run, **rest))
    analyze_collection(runs, tmp_path / "out")
    assert (computed, files(tmp_path / "out")) == ([], before)
    (tmp_path / "out" / "b" / "graph.json").write_text("{}")
    shutil.rmtree(tmp_path / "out" / "c")
    analyze_collection(runs, tmp_path / "out")
    assert (computed, files(tmp_path / "out")) == ([], before)
    # What was missing was written from the database, and taken into it again.
    assert contents(tmp_path / "out") == rows


def query(out, text):
    with closing(sqlite3.connect(out / "collection.db")) as database:
        return database.execute(text).fetchall()


def test_one_database_holds_every_run(runs, tmp_path):
    out = tmp_path / "out"
    found = analyze_collection(runs, out)
    assert [path.name for path in out.rglob("*.db")] == ["collection.db"]
    counts = "SELECT name, count(*) FROM point JOIN member ON run = id GROUP BY name ORDER BY name"
    assert query(out, counts) == [(name, sum(1 for _ in found[name].rows())) for name in RATES]
    verdicts = "SELECT name, verdict FROM verdict JOIN member ON run = id ORDER BY name"
    assert query(out, verdicts) == [(name, "bifurcation") for name in RATES]
    steps = [row["step"] for row in found["b"].rows()]
    assert query(out, 'SELECT step FROM "points of b"') == [(step,) for step in steps]
    assert load_collection(out) == found
    assert found.names == tuple(RATES)
    assert dict(found.results()).keys() == RATES.keys()
    assert document(found["c"]) == document(analyze(load_run(runs / "c")))
    with pytest.raises(StoreError, match=r"one of its runs \(a, b, c\), got 'd'"):
        found["d"]
    with pytest.raises(StoreError, match="load_collection reads it"):
        load_analysis(out)


def test_folders_of_one_run_and_of_many_are_not_mixed(runs, tmp_path):
    analyze_collection(runs, tmp_path / "many")
    run = load_run(runs / "a")
    for use in (lambda: open_store(tmp_path / "many", run), lambda: analyze(run).save(tmp_path / "many")):
        with pytest.raises(StoreError, match="many: expected a folder for the results of one run"):
            use()
    analyze(run).save(tmp_path / "one")
    with pytest.raises(StoreError, match="one: expected a folder for the results of many runs"):
        analyze_collection(runs, tmp_path / "one")
    shutil.rmtree(tmp_path / "many" / "a")
    (tmp_path / "many" / "collection.db").unlink()
    for use in (load_collection, lambda out: analyze_collection(runs, out)):
        with pytest.raises(StoreError, match=r"got results of an earlier version .*--out"):
            use(tmp_path / "many")


def test_the_folder_of_one_run_is_read_and_taken_up_from_the_database(runs, tmp_path):
    found = analyze_collection(runs, tmp_path)
    run = load_run(runs / "b")
    with open_store(tmp_path / "b", run) as kept:
        assert kept.finished(run, drops=None) is not None
        assert kept.batch(0).steps == run.steps
    assert (tmp_path / "b" / "analysis.db").is_file()
    assert document(load_analysis(tmp_path / "b")) == document(found["b"])
    assert analyze_collection(runs, tmp_path) == found
    assert [path.name for path in tmp_path.rglob("*.db")] == ["collection.db"]


def test_a_collection_that_was_just_begun_or_merged_over_what_was(runs, tmp_path):
    with CollectionStore.open(tmp_path / "begun", lambda store: None):
        pass
    with pytest.raises(StoreError, match="just begun"):
        load_collection(tmp_path / "begun")
    (runs / "b" / "epoch_50.npz").rename(tmp_path / "aside")
    (runs / "b" / "epoch_50.npz").write_bytes(b"PK broken")
    analyze_collection(runs, tmp_path / "broken")
    with open_store(tmp_path / "broken" / "b", load_run(runs / "a")):
        pass
    (tmp_path / "aside").replace(runs / "b" / "epoch_50.npz")
    found = analyze_collection(runs, tmp_path / "whole")
    merged = merge([tmp_path / "whole"], tmp_path / "broken")
    assert (merged.runs, contents(tmp_path / "broken")) == (found.runs, contents(tmp_path / "whole"))
    assert document(merged["b"]) == document(found["b"])


def test_while_one_process_writes_another_reads_and_does_not_write(runs, tmp_path):
    found = analyze_collection(runs, tmp_path)
    with CollectionStore.open(tmp_path, lambda store: None):
        with pytest.raises(StoreError, match=r"collection\.lock: .*no other process"):
            analyze_collection(runs, tmp_path)
        assert load_collection(tmp_path) == found
        assert len(load_analysis(tmp_path / "a").steps) == 12


def test_killed_at_random_moments_nothing_is_lost_nor_twice(runs, tmp_path):
    program = [sys.executable, str(Path(__file__).with_name("killing_collection.py"))]
    ended = subprocess.run([*program, f"{runs}/*", tmp_path / "out", "25", "3"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("25 kills, ")
    whole = contents(tmp_path / "out" / "whole")
    for out in (tmp_path / "out").glob("finished-*"):
        assert files(out) == files(tmp_path / "out" / "whole")
        assert contents(out) == whole
        assert list(out.glob("*/*.db")) == []


def contents(out):
    """Every row of every table, by the name of its run and in its order."""
    found = {"member": query(out, "SELECT name, key, trial, record FROM member ORDER BY name")}
    for name, columns in COLUMNS.items():
        named = ", ".join(f"t.{column}" for column in columns.split(", "))
        rows = f"SELECT m.name, {named} FROM {name} t JOIN member m ON t.run = m.id ORDER BY m.name, t.rowid"
        found[name] = query(out, rows)
    return found


def test_a_run_that_cannot_be_read_does_not_stop_the_others(runs, tmp_path):
    (runs / "b" / "epoch_50.npz").write_bytes(b"PK\x03\x04 cut short")
    found = analyze_collection(runs, tmp_path / "out", n_jobs=2)
    assert [(row.name, bool(row.error)) for row in found.runs] == [("a", False), ("b", True), ("c", False)]
    assert "epoch_50.npz" in found.failed[0].error
    assert "not analyzed: 1 run\n  b: " in collection_summary(found)
    assert load_collection(tmp_path / "out") == found


def test_settings_and_weights_are_not_mixed(runs, tmp_path):
    out = tmp_path / "out"
    analyze_collection(runs, out, settings={"leak": "0.5"})
    with pytest.raises(StoreError, match=r"collection\.db: .*leak 0.5 there, None here"):
        analyze_collection(runs, out)
    analyze_collection(runs, tmp_path / "other", settings={"leak": "0.25"})
    with pytest.raises(StoreError, match="leak"):
        merge([out, tmp_path / "other"], tmp_path / "merged")
    shutil.rmtree(runs / "b")
    write_run(runs / "b", rate=0.1, seed=1, ends=0.5)
    analyze_collection(runs, tmp_path / "changed", settings={"leak": "0.5"})
    with pytest.raises(StoreError, match=r"changed/collection\.db: .* of b as .*other weights"):
        merge([out, tmp_path / "changed"], tmp_path / "merged")


def test_sources(runs, tmp_path):
    assert is_collection(runs)
    assert is_collection(str(runs / "*"))
    assert not is_collection(runs / "a")
    assert list(find_runs([runs / "c", runs / "a"])) == ["a", "c"]
    write_run(tmp_path / "more" / "a", rate=0.3)
    assert list(find_runs([runs / "a", tmp_path / "more" / "a"])) == ["more__a", "runs__a"]
    with pytest.raises(DynaghostError, match="got none"):
        find_runs(str(tmp_path / "nothing*"))
    with pytest.raises(DynaghostError, match="part"):
        analyze_collection(runs, tmp_path / "out", part=(3, 2))
    with pytest.raises(StoreError, match="collection"):
        merge([tmp_path], tmp_path / "merged")


def test_export(runs, tmp_path):
    found = analyze_collection(runs, tmp_path / "out")
    runs_csv, drops_csv, *each = export_collection(found, found.results(), tmp_path / "export", "csv")
    rows, drops = (
        list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) for path in (runs_csv, drops_csv)
    )
    assert [(row["run"], row["learning_rate"], row["drops_bifurcation"]) for row in rows] == [
        (name, str(rate), "1") for name, rate in RATES.items()
    ]
    assert [row["run"] for row in drops] == list(RATES)
    assert [path.relative_to(tmp_path / "export").as_posix() for path in each[:4]] == [
        f"a/{name}.csv" for name in ("checkpoints", "points", "events", "verdicts")
    ]
    assert len(each[1].read_text(encoding="utf-8").splitlines()) == 1 + len(list(found["a"].rows()))
    path, alone, *_ = export_collection(found, found.results(), tmp_path / "export", "json")
    assert json.loads(alone.read_text(encoding="utf-8")) == document(found["a"])
    assert [row["name"] for row in json.loads(path.read_text(encoding="utf-8"))["runs"]] == list(RATES)
    graphs = export_collection(found, found.results(), tmp_path / "export", "graphml")
    assert [read_graph(path).nodes for path in graphs] == [one.graph.nodes for _, one in found.results()]
    with pytest.raises(DynaghostError, match="expected one of csv, parquet, graphml, json, got 'xml'"):
        export_collection(found, found.results(), tmp_path / "export", "xml")
    frame = pytest.importorskip("pandas") and found.to_dataframe()
    assert frame["learning_rate"].tolist() == list(RATES.values())
    assert found["b"].to_dataframe()["step"].tolist() == [row["step"] for row in found["b"].rows()]


def test_a_collection_is_not_compared_but_its_runs_are(runs, tmp_path):
    analyze_collection(runs, tmp_path)
    with pytest.raises(DynaghostError, match=r"got a folder of the results of many: name one of them, such as .*a$"):
        compare(tmp_path, tmp_path)
    assert compare(tmp_path / "a", tmp_path / "b").difference == 0


def test_parameters_of_many_values_are_told_with_their_number():
    rows = tuple(Row(f"{seed}", "", parameters={"seed": seed}) for seed in range(13))
    assert "by seed: 13 values, in collection.json" in collection_summary(Collected("runs/*", {}, rows))
    assert "by seed:\n" in collection_summary(Collected("runs/*", {}, rows[1:]))


def dying_once(mark, path):
    """Load a run; the process that loads the second one is killed, the first time."""
    if Path(path).name == "b" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return load_run(path)


def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(runs, tmp_path):
    distributed = pytest.importorskip("distributed")
    found = analyze_collection(runs, tmp_path / "here")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        mark = tmp_path / "died"
        there = analyze_collection(runs, tmp_path / "there", load=partial(dying_once, mark), n_jobs=2)
    assert mark.is_file()
    assert there.runs == found.runs
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


HOLD = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(1.5)
"""


def test_a_run_that_an_old_worker_is_still_at_is_waited_for(runs, tmp_path):
    with open_store(tmp_path / "a", load_run(runs / "a")):
        pass
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "a" / "analysis.db"], stdout=subprocess.PIPE) as held:
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="no other process"):
            open_store(tmp_path / "a", load_run(runs / "a"))
        assert analyze_collection(runs, tmp_path).names == tuple(RATES)


# A recipe for Slurm: sbatch --array=1-4 job.sh, and when all tasks are done, the last line by itself.
JOB = """
set -e
dynaghost analyze "$RUNS/*" --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out "$OUT/part-$SLURM_ARRAY_TASK_ID"
"""
LAST = 'dynaghost merge "$OUT"/part-* --out "$OUT/whole"'


def shell(text, **variables):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True)


def test_the_recipe_for_a_job_array(runs, tmp_path):
    for task in (2, 1):
        array = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": 2}
        done = shell(JOB, RUNS=runs, OUT=tmp_path / "out", **array)
        assert (done.returncode, done.stderr) == (0, "")
    told = shell(LAST, OUT=tmp_path / "out")
    assert (told.returncode, told.stderr) == (0, "")
    assert "3 runs, 3 of them analyzed" in told.stdout
    whole = analyze_collection(f"{runs}/*", tmp_path / "at once")
    merged = load_collection(tmp_path / "out" / "whole")
    assert (merged.runs, merged.source) == (whole.runs, whole.source)
    parts, at_once = files(tmp_path / "out" / "whole"), files(tmp_path / "at once")
    assert {name: parts[name] for name in parts if "/" in name} == {n: at_once[n] for n in at_once if "/" in n}


# The same for one long run, whose batches of checkpoints are divided among the tasks; the last line finds the rest.
JOB_OF_ONE = """
set -e
dynaghost analyze "$RUN" --leak 0.5 --x0 -0.3 --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \\
    --out "$OUT/part-$SLURM_ARRAY_TASK_ID"
"""


def write_long_run(folder):
    """As `write_run`, in four batches."""
    folder.mkdir()
    number = 200
    ones, loss = np.ones((number, 1)), np.where(np.arange(number) < 130, 1.0, 0.1)
    bias = np.linspace(0, 0.4, number)[:, None]
    np.savez(folder / "weights.npz", m=1.5 * ones, n=ones, b=bias, epoch=np.arange(number), loss=loss)


def test_the_recipe_for_one_run_as_a_job_array(tmp_path, monkeypatch):
    write_long_run(tmp_path / "run")
    for task in (2, 1, 1):
        array = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": 2}
        done = shell(JOB_OF_ONE, RUN=tmp_path / "run", OUT=tmp_path / "out", **array)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"part {task} of 2: 2 batches" in done.stdout
    told = shell(LAST, OUT=tmp_path / "out")
    assert (told.returncode, told.stderr) == (0, "")
    assert "2 parts of a run: 4 batches of checkpoints" in told.stdout
    run = load_run(tmp_path / "run", leak=0.5, x0=-0.3)
    assert document(load_analysis(tmp_path / "out" / "whole")) == document(analyze(run))
    with open_store(tmp_path / "out" / "part-1", run) as first, open_store(tmp_path / "one", run) as whole:
        assert [first.batch(i) is not None for i in range(4)] == [True, False, True, False]
        first.close()
        assert (whole.join(tmp_path / "out" / "part-1"), whole.join(tmp_path / "out" / "part-1")) == (2, 2)
        assert whole.join(tmp_path / "out" / "part-2") == 4
        computed = []
        monkeypatch.setattr("dynaghost.analysis.compute_batch", computed.append)
        assert document(analyze(run, done=whole.batch, keep=whole.keep)) == document(
            load_analysis(tmp_path / "out" / "whole")
        )
        assert computed == []


def test_parts_of_other_runs_or_settings_are_refused(tmp_path):
    write_long_run(tmp_path / "run")
    run = load_run(tmp_path / "run", leak=0.5)
    for name, given in {"here": {"leak": 0.5}, "leak": {"leak": 0.25}, "x0": {"leak": 0.5, "x0": 0.1}}.items():
        with open_store(tmp_path / name, load_run(tmp_path / "run", **given)) as store:
            assert analyze_part(run, (1, 4), keep=store.keep) == 1
    with open_store(tmp_path / "here", run) as store:
        for name in ("leak", "x0"):
            with pytest.raises(StoreError, match=rf"{name}/analysis\.db: expected a part of this run"):
                store.join(tmp_path / name)
        with pytest.raises(StoreError, match="no such file"):
            store.join(tmp_path)
    with pytest.raises(DynaghostError, match="part"):
        analyze_part(run, (5, 4))
    for name, leak in (("p1", "0.5"), ("p2", "0.25")):
        dynaghost("analyze", tmp_path / "run", "--leak", leak, "--part", "1/2", "--out", tmp_path / name)
    told = dynaghost("merge", tmp_path / "p1", tmp_path / "p2", "--out", tmp_path / "merged")
    assert (told.returncode, told.stdout) == (1, "")
    assert f"p2{os.sep}part.json: expected a part as" in told.stderr


def test_a_pattern_of_files_inside_a_folder_of_folders_is_one_run(runs, tmp_path):
    told = shell(
        'dynaghost analyze "$RUNS" --pattern "b/*.npz" --leak 0.5 --out "$OUT"', RUNS=runs, OUT=tmp_path / "out"
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert load_analysis(tmp_path / "out").files[1] == "b/epoch_10.npz"


def test_a_failed_run_is_told_by_the_exit_status(runs, tmp_path):
    (runs / "a" / "epoch_0.npz").write_bytes(b"PK")
    told = shell('dynaghost analyze "$RUNS" --jobs 2 --out "$OUT"', RUNS=runs, OUT=tmp_path / "out")
    assert (told.returncode, told.stderr) == (1, "")
    assert "a: " in told.stdout.partition("not analyzed: 1 run")[2]
    assert shell('dynaghost export "$OUT"', OUT=tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "export" / "runs.csv").is_file()


def dynaghost(*words):
    program = "from dynaghost.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True)


def test_the_command_writes_page_and_pictures_of_all_runs(runs, tmp_path):
    (runs / "b" / "epoch_50.npz").write_bytes(b"PK broken")
    told = dynaghost("analyze", f"{runs}/*", "--out", tmp_path / "out", "--report", "--plots")
    assert told.returncode == 1
    assert "no p-value for events near drops: 2 separate drops, and a p-value takes at least 5" in told.stdout
    assert f"pictures in {tmp_path / 'out' / 'c'}\n" in told.stdout
    assert (tmp_path / "out" / "c" / "branches.png").is_file()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "2 runs, and 1 that could not be analyzed" in page
    assert "<h2>Not analyzed: 1 run</h2>\n<ul><li><strong>b</strong>: " in page
    again = dynaghost("report", tmp_path / "out", "--to", tmp_path / "again.html")
    assert (again.returncode, again.stderr) == (0, "")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_without_an_analyzed_run_there_is_no_page(tmp_path):
    write_run(tmp_path / "runs" / "a", rate=0.1)
    (tmp_path / "runs" / "a" / "epoch_50.npz").write_bytes(b"PK broken")
    analyze_collection(tmp_path / "runs", tmp_path / "out")
    told = dynaghost("report", tmp_path / "out")
    assert (told.returncode, told.stdout) == (1, "")
    assert "expected at least one run that was analyzed, got 1 run that could not be" in told.stderr


def test_drops_of_several_runs_make_one_p_value(tmp_path):
    for seed in range(5):
        write_run(tmp_path / "runs" / f"seed{seed}", rate=0.1, seed=seed)
    found = analyze_collection(tmp_path / "runs", tmp_path / "out")
    near = found.chance()
    assert near == chance([analyze(load_run(tmp_path / "runs" / f"seed{seed}")) for seed in range(5)])
    assert (near.drops, near.runs) == (5, 5)
    # In each run the window of the drop takes up a known share of the circle, and so likely is an event in all five.
    assert near.p < 0.05
    assert f"p = {near.p:.3g} for events so near drops by chance" in collection_summary(found, near)


def test_without_an_analyzed_run_there_is_no_chance(tmp_path):
    write_run(tmp_path / "runs" / "a", rate=0.1)
    (tmp_path / "runs" / "a" / "epoch_50.npz").write_bytes(b"PK broken")
    assert analyze_collection(tmp_path / "runs", tmp_path / "out").chance() is None
