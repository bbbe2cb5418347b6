"""Archives of many checkpoints in one file: the same run as from single files, read by the row."""

import numpy as np
import pytest

from dynaghost.analysis import analyze
from dynaghost.checkpoints.gather import array_digest
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import CheckpointError
from dynaghost.summary import document

E, UNITS = 12, 60


def drift(rng, scale):
    return 0.02 * scale * np.cumsum(rng.normal(size=(E, UNITS)), axis=0)


def arrays(seed=0, **more):
    rng = np.random.default_rng(seed)
    m, n, b = (rng.normal(size=UNITS) * scale + drift(rng, scale) for scale in (2.0, 0.6, 0.1))
    return {"m": m, "n": n, "b": b, "epoch": np.arange(E) * 10, "loss": np.linspace(1, 0, E), "leak": 0.5, **more}


def single_files(folder, stacked):
    folder.mkdir()
    for e, epoch in enumerate(stacked["epoch"]):
        one = {name: stacked[name][e] for name in ("m", "n", "b", "loss")}
        np.savez(folder / f"epoch_{epoch}.npz", **one, epoch=epoch, leak=0.5)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_stacked_archive_is_the_run_of_its_rows(tmp_path, save):
    stacked = arrays()
    (tmp_path / "stacked").mkdir()
    save(tmp_path / "stacked" / "weights.npz", **stacked)
    single_files(tmp_path / "single", stacked)
    one, other = load_run(tmp_path / "stacked"), load_run(tmp_path / "single")
    assert one.steps == other.steps == tuple(range(0, 120, 10))
    assert (one.axis, one.settings.leak, one.metrics.loss.tolist()) == ("epoch", 0.5, other.metrics.loss.tolist())
    assert one.checkpoints[3].file == "weights.npz[3]"
    for row, checkpoint in enumerate(one):
        found = checkpoint.read()
        assert array_digest(found) == checkpoint.content()
        assert all(np.array_equal(found[name], stacked[name][row]) for name in "mnb")
    ours, theirs = document(analyze(one, n_jobs=2)), document(analyze(other))
    assert all(ours[name] == theirs[name] for name in ours if name not in ("run", "checkpoints"))
    assert load_run(tmp_path / "stacked" / "weights.npz").steps == one.steps


def test_float32_and_fortran_order(tmp_path):
    stacked = arrays()
    changed = {name: np.asfortranarray(stacked[name].astype(np.float32)) for name in "mnb"}
    np.savez(tmp_path / "weights.npz", **{**stacked, **changed})
    run = load_run(tmp_path)
    assert np.array_equal(run.checkpoints[7].read()["n"], changed["n"][7])
    assert run.checkpoints[7].content() == array_digest({name: changed[name][7] for name in "mnb"})


def test_several_archives_follow_each_other(tmp_path):
    whole = arrays()
    for first in (6, 0):
        part = {name: value[first : first + 6] for name, value in whole.items() if name != "leak"}
        np.savez(tmp_path / f"part_{first}.npz", **part)
    run = load_run(tmp_path, leak=0.5)
    assert run.steps == tuple(range(0, 120, 10))
    assert [c.file for c in run][5:7] == ["part_0.npz[5]", "part_6.npz[0]"]
    assert run.select(every=5).steps == (0, 50, 100)
    assert np.array_equal(run.checkpoints[11].read()["m"], whole["m"][11])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": np.arange(E)[::-1]}, "whole numbers that increase"),
        ({"epoch": np.linspace(0, 1, E)}, "whole numbers that increase"),
        ({"m": np.full((E, UNITS), None)}, "objects"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    np.savez(tmp_path / "weights.npz", **arrays(**change))
    with pytest.raises(CheckpointError, match=rf"weights\.npz: .*{message}"):
        load_run(tmp_path)


def test_stacked_archives_and_other_files_are_not_mixed(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    np.savez(tmp_path / "b.npz", m=np.ones(3), n=np.ones(3), b=np.ones(3), epoch=7)
    with pytest.raises(CheckpointError, match=r"b\.npz: expected stacked arrays as in .*a\.npz"):
        load_run(tmp_path)
    (tmp_path / "b.npz").unlink()
    np.savez(tmp_path / "c.npz", **arrays(epoch=np.arange(E) * 10 + 5))
    with pytest.raises(CheckpointError, match=r"c\.npz: expected epochs after 110"):
        load_run(tmp_path)


def test_histories_of_one_network_are_no_stack(tmp_path):
    """As many epochs in a history as units."""
    weights = {"m": np.ones((UNITS, 2)), "n": np.ones((UNITS, 2)), "b": np.zeros(UNITS)}
    np.savez(tmp_path / "net_3.npz", **weights, epoch=np.arange(UNITS))
    np.savez(tmp_path / "net_4.npz", **weights, epoch=np.arange(UNITS))
    assert load_run(tmp_path).steps == (3, 4)


def test_damage_is_seen_when_it_is_loaded_and_a_change_when_it_is_read(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays())
    run, content = load_run(tmp_path), bytearray(path.read_bytes())
    place = content.index(arrays()["n"].tobytes())
    content[place + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.npz: n: expected the bytes"):
        load_run(tmp_path)
    with pytest.raises(CheckpointError, match=r"weights\.npz: .*others since then"):
        run.checkpoints[0].read()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(CheckpointError, match=r"weights\.npz"):
        load_run(tmp_path)
    with pytest.raises(CheckpointError, match=r"weights\.npz: expected 12 rows"):
        run.checkpoints[-1].read()
