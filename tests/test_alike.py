"""Files like the first one of a run are read by its structure: to the same arrays, and none that is damaged."""

import io

import numpy as np
import pytest

from dynaghost.checkpoints.alike import Alike
from dynaghost.checkpoints.formats import Reader, read_arrays
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import CheckpointError


def archive(seed, *, units=3, save=np.savez, **more):
    rng = np.random.default_rng(seed)
    stream = io.BytesIO()
    save(stream, m=rng.normal(size=units), W=rng.normal(size=(2, units)).astype("f4"), epoch=seed, ok=seed > 1, **more)
    return stream.getvalue()


def same(first, second):
    assert list(first) == list(second)
    for name, array in first.items():
        assert (array.dtype, array.shape, array.tobytes()) == (
            second[name].dtype,
            second[name].shape,
            second[name].tobytes(),
        )
        assert array.flags.writeable
    return True


def test_another_file_is_read_as_numpy_reads_it():
    known = Alike(archive(1))
    with np.load(io.BytesIO(archive(2))) as loaded:
        assert same(known.read(archive(2)), dict(loaded))


def test_no_damage_is_read_over():
    """One flipped bit anywhere: only the times, and checksums that readers do not look at, make no difference."""
    known, data = Alike(archive(1)), archive(2)
    right, free = known.read(data), 0
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        found = known.read(damaged)
        if found is not None:
            free += 1
            assert same(found, right)
            with np.load(io.BytesIO(damaged)) as loaded:
                assert same(found, dict(loaded))
    # Of each of four members two times of 4 bytes, and the checksum of 4 before it.
    assert free == 4 * (4 + 4 + 4)


@pytest.mark.parametrize(
    "other",
    [
        archive(2, units=4),
        archive(2, extra=1.0),
        archive(2, save=np.savez_compressed),
        archive(2)[:-1],
        archive(2) + b"\0",
        b"",
    ],
    ids=["shapes", "names", "compressed", "cut", "longer", "empty"],
)
def test_another_structure_is_left_to_the_full_reader(other):
    assert Alike(archive(1)).read(other) is None


@pytest.mark.parametrize(
    "first",
    [archive(1, save=np.savez_compressed), archive(1, name="text"), archive(1, V=np.asfortranarray(np.ones((2, 2))))],
    ids=["compressed", "texts", "columns"],
)
def test_what_is_not_plain_has_no_known_structure(first, tmp_path):
    with pytest.raises(ValueError, match=r"expected|plain"):
        Alike(first)
    reader = Reader()
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(first)
        assert same(reader.read(tmp_path / name).arrays, read_arrays(tmp_path / name).arrays)


def test_a_reader_reads_what_differs_in_full(tmp_path):
    reader = Reader()
    files = {"a": archive(1), "b": archive(2), "c": archive(3, units=5), "d": archive(4), "e": b"PK", "f": archive(5)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        if name == "e":
            with pytest.raises(CheckpointError, match="expected a complete zip archive"):
                reader.read(tmp_path / name)
            continue
        found, expected = reader.read(tmp_path / name), read_arrays(tmp_path / name)
        assert same(found.arrays, expected.arrays)
        assert (found.scalars, found.format) == (expected.scalars, expected.format)


def test_a_damaged_file_among_like_ones_is_told(tmp_path):
    for k in range(4):
        np.savez(tmp_path / f"epoch_{k}.npz", m=np.full(3, k), n=np.ones(3), b=np.zeros(3))
    data = bytearray((tmp_path / "epoch_2.npz").read_bytes())
    data[data.index(b"\x93NUMPY") + 130] ^= 1
    (tmp_path / "epoch_2.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"epoch_2\.npz: member 'm\.npy' is damaged"):
        load_run(tmp_path)
