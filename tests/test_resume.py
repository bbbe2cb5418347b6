"""A killed analysis goes on where it was: nothing is lost, nothing is there twice, and the end is the same."""

import os
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest

from dynaghost import analysis
from dynaghost.analysis import analyze, compute_batch, load_analysis
from dynaghost.checkpoints.run import load_run
from dynaghost.collection import analyze_one
from dynaghost.store import open_store
from dynaghost.summary import FILES
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.on_line import BATCH

KILLS = 52


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """One neuron with three fixed points, of which two meet and leave a ghost, in several batches."""
    folder, number = tmp_path_factory.mktemp("archive"), 6 * BATCH
    bias, loss = np.linspace(0, 0.4, number)[:, None], np.where(np.arange(number) < 200, 1.0, 0.1)
    ones = np.ones((number, 1))
    np.savez(folder / "weights.npz", m=1.5 * ones, n=ones, b=bias, epoch=np.arange(number), loss=loss, leak=0.5)
    return folder


def rows(out):
    """What the final tables hold."""
    database = sqlite3.connect(out / "analysis.db")
    names = (
        "run",
        "checkpoint",
        "point",
        "block",
        "crossing",
        "branch",
        "pair",
        "event",
        "verdict",
        "batch",
        "circuits",
    )
    found = {name: database.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for name in names}
    database.close()
    return found


def test_killed_at_random_moments_nothing_is_lost_nor_twice(source, tmp_path):
    program = [sys.executable, str(Path(__file__).with_name("killing.py"))]
    ended = subprocess.run([*program, source, tmp_path, str(KILLS), "7"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{KILLS} kills, ")
    finished = sorted(tmp_path.glob("finished-*"))
    assert finished
    expected = rows(tmp_path / "whole")
    for out in finished:
        assert rows(out) == expected
        assert all((out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in FILES)


KILLED_BETWEEN = """
import os, signal, sys
from dynaghost import saved
from dynaghost.checkpoints.run import load_run
from dynaghost.analysis import analyze
from dynaghost.trajectories.drops import DropRule
saved.write_summary = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
analyze(load_run(sys.argv[1]), drops=DropRule(factor=100.0)).save(sys.argv[2])
"""


def test_a_kill_between_the_database_and_the_other_files_is_seen(source, tmp_path):
    analyze_one("run", str(source), tmp_path, load_run, None)
    old = (tmp_path / "analysis.json").read_bytes()
    ended = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, source, tmp_path], capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "analysis.json").read_bytes() == old
    rule = DropRule(factor=100.0)
    assert load_analysis(tmp_path).losses.rule == rule
    with open_store(tmp_path, load_run(source)) as store:
        assert store.finished(load_run(source), drops=rule) is not None
        assert not store.files_are_written()
    analyze_one("run", str(source), tmp_path, load_run, rule)
    assert (tmp_path / "analysis.json").read_bytes() != old
    with open_store(tmp_path, load_run(source)) as store:
        assert store.files_are_written()


def test_a_changed_weight_is_another_run(source, tmp_path):
    analyze_one("run", str(source), tmp_path / "out", load_run, None)
    with np.load(source / "weights.npz") as found:
        arrays = dict(found)
    arrays["b"][77] = np.nextafter(arrays["b"][77], 1.0)
    (tmp_path / "changed").mkdir()
    np.savez(tmp_path / "changed" / "weights.npz", **arrays)
    row = analyze_one("run", str(tmp_path / "changed"), tmp_path / "out", load_run, None)
    assert "weights and settings" in row.error
    assert not analyze_one("run", str(source), tmp_path / "out", load_run, None).error


def die_once(path, *arguments):
    """Kill the process that is at work, the first time."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return compute_batch(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(source, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    expected = analyze(load_run(source))
    monkeypatch.setattr(analysis, "compute_batch", partial(die_once, str(tmp_path / "died")))
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        result = analyze(load_run(source), n_jobs=2)
    assert (tmp_path / "died").is_file()
    for name in ("1", "2"):
        (expected if name == "1" else result).save(tmp_path / name)
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in FILES)
    assert rows(tmp_path / "1") == rows(tmp_path / "2")
