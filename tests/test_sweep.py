"""Sweeps: the same rows whatever computes them, resumed after a kill, never mixed, and true to what was trained."""

import dataclasses
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dynaghost.errors import DynaghostError, StoreError
from dynaghost.slowpoints.scalar import find_scalar
from dynaghost.sweep import Grid, Point, load_sweep, sweep
from dynaghost.sweep import outcome as outcome_module
from dynaghost.sweep.outcome import fall, is_wrong
from dynaghost.sweep.table import SweepStore
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.outputs import outputs, recurrent
from dynaghost.training.task import DelayedActivation

ROOT = Path(__file__).parents[1]
GRID = Grid(seeds=range(3), learning_rates=[0.02, 0.1], confidences=[1.0, 10.0])
UNITS = 10


def small(out, *, grid=GRID, epochs=1500, **options):
    return sweep(grid, out=out, epochs=epochs, units=UNITS, **options)


def same(one, other):
    """Rows equal to the last bit, NaN included."""
    return repr(one.rows) == repr(other.rows)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return small(tmp_path_factory.mktemp("whole"))


def test_points_are_every_combination_once():
    grid = Grid(seeds=[3, 1], learning_rates=[0.1, 0.2], ranks=[1, 2], confidences=[1.0], delay_steps=[10, 20])
    assert len(set(grid.points)) == len(grid.points) == 16
    assert grid.points[0] == Point(3, 0.1, 1, 1.0, 10)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("seeds", [-1]),
        ("seeds", []),
        ("seeds", [1.5]),
        ("seeds", [1, 1]),
        ("learning_rates", [0.0]),
        ("learning_rates", [math.nan]),
        ("ranks", [0]),
        ("confidences", [math.inf]),
        ("delay_steps", [0]),
    ],
)
def test_a_nonsensical_axis_is_refused(axis, values):
    with pytest.raises(DynaghostError, match=axis):
        dataclasses.replace(GRID, **{axis: values})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"record": [1501]}, "record"),
        ({"readout": "none"}, "readout"),
        ({"save_every": 0}, "save_every"),
        ({"grid": dataclasses.replace(GRID, ranks=[2])}, "ranks"),
        ({"readout": "trained"}, "confidences"),
        ({"readout": "trained", "grid": Grid(seeds=[0], learning_rates=[0.1]), "analyze": True}, "analyze"),
    ],
)
def test_nonsensical_options_are_refused_before_a_folder_is_touched(tmp_path, options, named):
    with pytest.raises(DynaghostError, match=named):
        small(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_run_that_diverges_at_once_is_a_row(tmp_path):
    found = sweep(Grid(seeds=[1], learning_rates=[1e300]), out=tmp_path, epochs=4, units=UNITS)
    (row,) = found.rows
    assert (row.diverged, row.drops, row.fall_begin, math.isnan(row.final_loss)) == (True, 0, None, True)


def test_a_row_says_what_training_alone_gives(whole):
    for row in whole.rows:
        task = DelayedActivation(confidence=row.confidence)
        alone = descend(
            initial_rank_one(units=UNITS, seed=row.seed), task, learning_rate=row.learning_rate, updates=1500
        )
        loss, norm = measure(alone.network, task)
        assert row.losses == (alone.loss[0], loss)
        assert (row.final_loss, row.gradient_norm) == (loss, norm)
        assert row.least_loss == min(alone.loss.min(), loss)
        assert row.wrong == is_wrong(outputs(alone.network, task), task)


def test_the_loss_of_the_outputs_is_the_loss():
    task, network = DelayedActivation(confidence=3.0), initial_rank_one(units=UNITS, seed=1)
    error = outputs(network, task) - (np.arange(task.steps) >= task.delay_steps)
    assert (error**2).sum() / task.delay_steps == pytest.approx(measure(network, task)[0], rel=1e-12)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_rows_are_the_same_for_any_number_of_workers(tmp_path, whole, n_jobs, monkeypatch):
    monkeypatch.setattr("dynaghost.sweep.run._WORTH", 0.0)
    assert same(small(tmp_path, n_jobs=n_jobs), whole)


def test_rows_are_the_same_alone_and_side_by_side(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("dynaghost.sweep.run._WORTH", 0.0)
    monkeypatch.setattr("dynaghost.sweep.run._SIDE_BY_SIDE", 1)
    assert same(small(tmp_path), whole)


def test_the_chunk_changes_no_bit_that_was_computed(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(outcome_module, "CHUNK", 10_000)
    through = small(tmp_path)
    for one, other in zip(through.rows, whole.rows, strict=True):
        assert repr(dataclasses.replace(one, still_from=None)) == repr(dataclasses.replace(other, still_from=None))


def test_a_larger_grid_adds_to_a_smaller_one(tmp_path, whole):
    part = dataclasses.replace(GRID, seeds=[1])
    told = []
    small(tmp_path, grid=part)
    assert same(small(tmp_path, progress=lambda done, total: told.append((done, total))), whole)
    assert told[0] == (4, 12)
    assert told[-1] == (12, 12)


def test_what_is_loaded_is_what_was_swept(tmp_path, whole):
    small(tmp_path)
    assert sorted(map(repr, load_sweep(tmp_path).rows)) == sorted(map(repr, whole.rows))


def test_parts_from_several_folders_are_read_together(tmp_path, whole):
    for seed in GRID.seeds:
        small(tmp_path / str(seed), grid=dataclasses.replace(GRID, seeds=[seed]))
    together = load_sweep(*(tmp_path / str(seed) for seed in GRID.seeds))
    assert sorted(map(repr, together.rows)) == sorted(map(repr, whole.rows))


@pytest.mark.parametrize(
    "options",
    [{"epochs": 10}, {"record": [5]}, {"task": DelayedActivation(x0=0.1)}, {"task": DelayedActivation(steps=60)}],
)
def test_settings_are_never_mixed(tmp_path, options):
    small(tmp_path, epochs=20)
    with pytest.raises(StoreError, match=r"there, .* here"):
        small(tmp_path, **{"epochs": 20, **options})


def test_a_store_older_than_a_setting_goes_on(tmp_path):
    before = small(tmp_path, epochs=20)
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        settings = json.loads(connection.execute("SELECT settings FROM store").fetchone()[0])
        del settings["save_every"]
        connection.execute("UPDATE store SET settings = ?", [json.dumps(settings)])
    connection.close()
    assert same(small(tmp_path, epochs=20), before)


def test_another_file_and_a_missing_one_are_refused(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        load_sweep(tmp_path)
    (tmp_path / "sweep.db").write_text("not a database")
    with pytest.raises(StoreError, match=r"sweep\.db"):
        small(tmp_path)


KILLED = """
import os, signal, sys
from dynaghost.sweep import Grid, sweep
import dynaghost.sweep.run as run
run._WORTH, run._SIDE_BY_SIDE = 0.0, 1

def progress(done, total):
    if done == {reach}:
        os.kill(os.getpid(), signal.SIGKILL)

grid = Grid(seeds=range(3), learning_rates=[0.02, 0.1], confidences=[1.0, 10.0])
sweep(grid, out={folder!r}, epochs=1500, units=10, progress=progress)
"""
INSIDE = """
import os, signal
from dynaghost.sweep import Grid, sweep
from dynaghost.sweep.table import SweepStore
keep = SweepStore.keep

def killed(self, rows):
    if len(self.rows()) < 4:
        return keep(self, rows)
    self._connection.execute("PRAGMA cache_size=2")
    with self._transaction():
        self._connection.execute("CREATE TABLE large AS SELECT randomblob(1000000)")
        os.kill(os.getpid(), signal.SIGKILL)

SweepStore.keep = killed
grid = Grid(seeds=range(3), learning_rates=[0.02, 0.1], confidences=[1.0, 10.0])
import dynaghost.sweep.run as run
run._WORTH, run._SIDE_BY_SIDE = 0.0, 1
sweep(grid, out={folder!r}, epochs=1500, units=10)
"""


@pytest.mark.parametrize(("code", "reach"), [(KILLED, 3), (INSIDE, 4)])
def test_a_killed_sweep_goes_on_where_it_was(tmp_path, whole, code, reach):
    child = subprocess.run(
        [sys.executable, "-c", code.format(folder=str(tmp_path), reach=reach)], cwd=ROOT, env=os.environ, check=False
    )
    assert child.returncode == -signal.SIGKILL
    told = []
    assert same(small(tmp_path, progress=lambda done, total: told.append(done)), whole)
    assert told[0] == reach


def test_a_sweep_in_use_is_refused(tmp_path):
    with SweepStore.open(tmp_path, {}), pytest.raises(StoreError, match="locked"):
        small(tmp_path, epochs=10)


def test_a_standstill_is_filled_in_with_what_training_gives(tmp_path):
    grid = Grid(seeds=[1], learning_rates=[0.5])
    (row,) = sweep(grid, out=tmp_path, epochs=8000, record=[0, 5555, 8000]).rows
    network = initial_rank_one(seed=1)
    alone = descend(network, DelayedActivation(), learning_rate=0.5, updates=8000)
    assert row.still_from is not None
    assert row.still_from < 7000
    assert row.losses == (alone.loss[0], alone.loss[5555], measure(alone.network, DelayedActivation())[0])
    assert (row.stuck, row.wrong) == (True, True)
    assert row.gradient_norm < 1e-10
    below = np.flatnonzero(~(alone.gradient_norm < 1e-10))[-1] + 1
    assert row.stuck_from == below


def test_every_epoch_is_proved_while_training(tmp_path):
    grid, task = Grid(seeds=[1], learning_rates=[0.05]), DelayedActivation()
    (row,) = sweep(grid, out=tmp_path / "proved", epochs=1400, analyze=True).rows
    (plain,) = sweep(grid, out=tmp_path / "plain", epochs=1400).rows
    assert plain.proved_epochs is None
    assert (row.losses, row.stuck, row.drops) == (plain.losses, plain.stuck, plain.drops)
    assert row.proved_epochs == row.one_epochs + row.more_epochs == 1401
    assert row.more_from == next(epoch for epoch, _, after in row.changes if after > 1)
    # Counted again, one network at a time.
    for epoch in (0, row.more_from - 1, row.more_from, 1400):
        last = descend(initial_rank_one(seed=1), task, learning_rate=0.05, updates=epoch).network
        points = find_scalar(LowRankRNN(last.m[:, None], last.n[None], last.b).latent())
        assert len(points.fixed_points) == next((after for at, _, after in reversed(row.changes) if at <= epoch), 1)


def test_more_ranks_with_a_trained_readout(tmp_path):
    grid = Grid(seeds=[0, 1], learning_rates=[0.1], ranks=[1, 3])
    found = small(tmp_path, grid=grid, readout="trained", epochs=600)
    assert found.column("rank").tolist() == [1, 1, 3, 3]
    assert all(row.final_loss < row.losses[0] for row in found.rows)
    values = np.array(found.rows[-1].singular_values)
    # W and W₀ are of rank 3 each.
    assert (values[:6] > 0).all()
    assert (values[6:] < 1e-12).all()


@pytest.mark.parametrize(("readout", "rank"), [("fixed", 1), ("trained", 2)])
def test_checkpoints_are_those_of_the_run(tmp_path, readout, rank):
    grid = Grid(seeds=[0], learning_rates=[0.1], ranks=[rank])
    (row,) = small(tmp_path, grid=grid, readout=readout, epochs=100, save_every=50).rows
    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in folder.glob("*.npz")) == ["epoch_0.npz", "epoch_100.npz", "epoch_50.npz"]
    last = (folder / "metrics.csv").read_text().splitlines()[-1].split(",")
    assert (int(last[0]), float(last[1]), float(last[2])) == (100, row.final_loss, row.gradient_norm)


def test_longer_delays_have_longer_trials(tmp_path):
    grid = Grid(seeds=[0], learning_rates=[0.1], delay_steps=[10, 40])
    found = small(tmp_path, grid=grid, epochs=5)
    for row in found.rows:
        task = DelayedActivation(delay_steps=row.delay_steps, steps=2 * row.delay_steps)
        assert row.losses[0] == measure(initial_rank_one(units=UNITS, seed=0), task)[0]


@pytest.mark.parametrize(
    ("output", "wrong"), [([0.1] * 40, True), ([0.9] * 40, True), ([0.1] * 15 + [0.9] * 25, False), ([0.5] * 40, True)]
)
def test_a_wrong_output(output, wrong):
    assert is_wrong(np.array(output), DelayedActivation()) is wrong


def test_a_fall_that_does_not_happen():
    assert fall(np.ones(5)) == (None, None)
    assert fall(np.array([1.0, 0.8, 0.3])) == (0, None)


def test_recurrent_weights_are_the_outer_product():
    network = initial_rank_one(units=UNITS, seed=0)
    assert np.array_equal(recurrent(network), np.outer(network.m, network.n))


def test_the_table_leaves_as_columns_and_csv(tmp_path, whole):
    columns = whole.columns()
    assert columns["loss_0"].shape == columns["stuck"].shape == (12,)
    whole.to_csv(tmp_path / "runs.csv")
    lines = (tmp_path / "runs.csv").read_text().splitlines()
    assert len(lines) == 13
    assert lines[0].split(",") == list(columns)
    frame = whole.to_dataframe()
    assert frame["final_loss"].tolist() == whole.column("final_loss").tolist()


@pytest.mark.filterwarnings("ignore")  # of Dask's own start and end
def test_the_callers_dask_cluster_computes_the_same_rows(tmp_path, whole, monkeypatch):
    distributed = pytest.importorskip("distributed")
    import joblib

    monkeypatch.setattr("dynaghost.sweep.run._WORTH", 0.0)
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True)
    with local as cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        assert same(small(tmp_path, n_jobs=-1), whole)
