"""The networks of a run, recognized by what is known of the first, are those that each file alone tells."""

import json
import zipfile

import numpy as np
import pytest

from dynaghost.checkpoints.gather import read_all
from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.recognizer import Recognizer, Rereader, networks_of
from dynaghost.checkpoints.run import load_run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError

RNG = np.random.default_rng(7)


def vectors(*names, shape=(5,), dtype=float):
    return lambda: {name: RNG.normal(size=shape).astype(dtype) for name in names}


def low_rank(first, second, bias, *, rank=1, units=5):
    return lambda: {
        first: RNG.normal(size=(units, rank)),
        second: RNG.normal(size=(rank, units)),
        bias: RNG.normal(size=units),
    }


RUNS = {
    "vectors": (vectors("m", "n", "b"), Settings(leak=0.5)),
    "single precision": (vectors("m", "n", "b", dtype="f4"), Settings(leak=0.5, time="map")),
    "no bias": (vectors("U", "V"), Settings()),
    "wrapped": (vectors("state_dict.module.m", "state_dict.module.n", "state_dict.module.b"), Settings(scale=0.2)),
    "rows": (low_rank("S_l", "S_r", "W_in.bias"), Settings()),
    "rows transposed": (low_rank("S_l", "S_r", "W_in.bias"), Settings(transpose=True)),
    "mapped": (vectors("p", "q", "r"), Settings(mapping={"m": "q", "n": "r", "b": "p"}, form="current")),
    "rank two": (low_rank("m", "n", "b", rank=2), Settings()),
    "one unit": (vectors("m", "n", "b", shape=(1,)), Settings()),
    "full rank": (lambda: {"W_rec": RNG.normal(size=(3, 3)), "W_in.bias": RNG.normal(size=3)}, Settings()),
    "an input": (lambda: {**vectors("m", "n", "b")(), "W_in": RNG.normal(size=(5, 1))}, Settings(inputs=np.array(0.5))),
}


def same(first, second):
    assert type(first) is type(second)
    assert repr(first) == repr(second)
    for name in ("m", "n", "b", "W"):
        one, other = getattr(first, name, None), getattr(second, name, None)
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.shape, one.tobytes(), one.dtype) == (other.shape, other.tobytes(), other.dtype)
    assert (first.leak, first.time) == (second.leak, second.time)


@pytest.mark.parametrize("kind", RUNS)
def test_what_is_known_of_the_first_gives_what_each_alone_tells(kind):
    make, settings = RUNS[kind]
    recognizer = Recognizer(settings)
    for _ in range(4):
        arrays = make()
        same(recognizer.system(arrays, "file"), recognize(arrays, settings, "file").system)


def test_minus_zero_is_zero_as_in_a_file_alone():
    arrays = {"m": np.ones(2), "n": np.ones(2), "b": np.array([-0.0, 0.5])}
    recognizer = Recognizer(Settings())
    for _ in range(2):
        same(recognizer.system(arrays, "file"), recognize(arrays, Settings(), "file").system)


def test_other_shapes_and_names_are_looked_at_again():
    recognizer, settings = Recognizer(Settings()), Settings()
    for make in (vectors("m", "n", "b"), vectors("m", "n", "b", shape=(7,)), vectors("U", "V"), RUNS["rank two"][0]):
        arrays = make()
        same(recognizer.system(arrays, "file"), recognize(arrays, settings, "file").system)


def test_what_is_wrong_later_is_told_as_of_the_first():
    recognizer = Recognizer(Settings())
    recognizer.system(vectors("m", "n", "b")(), "a")
    with pytest.raises(CheckpointError, match=r"b: n: expected finite weights, got nan at index \(2,\)"):
        recognizer.system({**vectors("m", "n", "b")(), "n": np.array([1, 1, np.nan, 1, 1])}, "b")


def archive(folder, rows, *, save=np.savez, name="weights.npz", first=0):
    stacks = {key: RNG.normal(size=(rows, 4)) for key in "mnb"}
    save(folder / name, **stacks, epoch=np.arange(first, first + rows))


def test_rows_of_archives_are_read_at_once_as_one_by_one(tmp_path):
    archive(tmp_path, 5)
    archive(tmp_path, 4, name="later.npz", first=5, save=np.savez_compressed)
    run = load_run(tmp_path)
    for chosen in (run.checkpoints[:], run.checkpoints[2:7], run.checkpoints[::2], run.checkpoints[3:4]):
        found = list(read_all(chosen))
        assert len(found) == len(chosen)
        for one, arrays in zip(chosen, found, strict=True):
            assert list(arrays) == list(one.read())
            assert all(np.array_equal(arrays[name], array) for name, array in one.read().items())


@pytest.mark.parametrize("damage", ["changed", "short"])
def test_an_archive_that_changed_is_refused(damage, tmp_path):
    archive(tmp_path, 6)
    run = load_run(tmp_path)
    path = tmp_path / "weights.npz"
    with zipfile.ZipFile(path) as held:
        place = held.getinfo("b.npy").header_offset + 200
    data = bytearray(path.read_bytes())
    data[place + 60] ^= 1
    path.write_bytes(data if damage == "changed" else data[:300])
    with pytest.raises(CheckpointError, match=r"others since then|shorter file|got an error"):
        networks_of(run.checkpoints, run.settings)


def test_many_files_are_analyzed_as_one_by_one(tmp_path):
    for k in range(3):
        np.savez(tmp_path / f"epoch_{k}.npz", **vectors("m", "n", "b")())
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "system": {"kind": "low_rank", "leak": 0.5}}))
    run = load_run(tmp_path)
    for network, one in zip(networks_of(run.checkpoints, run.settings), run, strict=True):
        same(network, recognize(one.read(), run.settings, one.file).system)


def test_networks_that_are_read_again_must_be_those_that_were_read_first(tmp_path):
    # Of files this large the run knows no digest.
    for step in range(3):
        np.savez(tmp_path / f"epoch_{step}.npz", W=np.full((100, 100), 0.001 * step), b=np.zeros(100))
    run = load_run(tmp_path)
    assert run.checkpoints[1].digest is None
    read = Rereader(run.checkpoints, run.settings)
    first, again = ([network.W for network in read(range(1, 3))] for _ in range(2))
    assert np.array_equal(first, again)
    np.savez(tmp_path / "epoch_2.npz", W=np.full((100, 100), 0.002), b=np.zeros(100))
    assert len(list(read(range(3)))) == 3
    np.savez(tmp_path / "epoch_2.npz", W=np.full((100, 100), 0.0021), b=np.zeros(100))
    with pytest.raises(CheckpointError, match=r"epoch_2\.npz: expected the arrays that the run was loaded with"):
        list(read(range(2, 3)))
