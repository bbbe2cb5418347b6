"""Files of other programs: refused, with what they are and what to do; and what is said to do works."""

import zipfile

import h5py
import numpy as np
import pytest
import scipy.io

from dynaghost.checkpoints.formats import read_arrays
from dynaghost.errors import CheckpointError

WEIGHTS = np.random.default_rng(0).normal(size=(4, 4))


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        read_arrays(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_matlab_files_are_told_and_their_weights_come_through_numpy(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"W_rec": WEIGHTS})
    assert "scipy.io.loadmat" in refused(path)
    loaded = {name: array for name, array in scipy.io.loadmat(path).items() if name[:2] != "__"}
    np.savez(tmp_path / "a.npz", **loaded)
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz").arrays["W_rec"], WEIGHTS)


def test_newer_matlab_files_are_told(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["W_rec"] = WEIGHTS
    raw = bytearray(path.read_bytes())
    raw[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(raw)
    assert "version 7.3" in refused(path)


def test_a_whole_keras_model_is_told_and_its_weights_are_read_once_taken_out(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/gru/cell/vars/0"] = WEIGHTS
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    assert "model.weights.h5" in refused(path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", tmp_path)
    arrays = read_arrays(tmp_path / "model.weights.h5").arrays
    assert any(np.array_equal(array, WEIGHTS) for array in arrays.values())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.onnx", "numpy_helper"),
        ("a.msgpack", "msgpack_restore"),
        ("model.ckpt-10.index", "load_checkpoint"),
        ("model.ckpt-10.data-00000-of-00001", "load_checkpoint"),
        ("a.bin", "none of their signatures"),
    ],
)
def test_others_are_told_by_their_names(tmp_path, name, says):
    path = tmp_path / name
    path.write_bytes(b"\x08\x08\x12\x07pytorch" + bytes(64))
    assert says in refused(path)
