"""Records in columns: what comes back is equal to the last bit, whatever the kind; blocks are made when asked for."""

import pickle
import zlib
from dataclasses import dataclass, make_dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_store import differences

from dynaghost.columns import pack, unpack
from dynaghost.packed import BLOCK, Block, Mapped, Packed, Packer, chunks
from dynaghost.slowpoints.records import Certificate, SlowPoints
from dynaghost.slowpoints.scalar import find_circuits
from dynaghost.systems.base import Array
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.trajectories.trial import Trial

FLOATS = st.floats(width=64)
KINDS = {
    float: FLOATS | st.integers(),
    int: st.integers(),
    bool: st.booleans(),
    str: st.text(),
    complex: st.complex_numbers(),
    Certificate: st.sampled_from(list(Certificate)),
    float | None: st.none() | FLOATS,
    tuple[float, int | None]: st.tuples(FLOATS, st.none() | st.integers()),
    tuple[tuple[bool, ...], str]: st.tuples(st.lists(st.booleans()).map(tuple), st.text()),
    list[float]: st.lists(FLOATS),
    Trial: st.builds(Trial, FLOATS, st.none() | st.integers(), FLOATS, st.none()),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.data())
def test_what_is_packed_is_unpacked(kind, data):
    records = data.draw(st.lists(KINDS[kind], max_size=6))
    found = unpack(kind, pack(kind, records))
    # A NaN's payload is not kept by texts, and Python's floats show none.
    assert [repr(one) for one in found] == [repr(one) for one in records]


@pytest.mark.parametrize(
    "arrays",
    [
        [np.array([1.5, -0.0]), np.array([np.nan, np.inf])],
        [np.zeros((0, 3)), np.zeros((2, 3)), np.array([1 + 2j])],
        [np.array(1.5), np.array(2.5)],
        [np.arange(6).reshape(2, 3).T, np.arange(6, dtype=np.int8)],
        [],
    ],
)
def test_arrays_come_back_with_shape_and_type_and_can_be_written_to(arrays):
    found = unpack(Array, pack(Array, arrays))
    assert differences(list(arrays), found) == []
    assert all(array.flags.writeable and array.flags.aligned for array in found)


def test_slow_points_come_back():
    rng = np.random.default_rng(0)
    circuits = [RankOneRNN(*rng.normal(size=(3, 20)) * [[2.0], [1.0], [1.0]]).latent() for _ in range(40)]
    points = find_circuits(circuits)
    assert any(one.ghosts for one in points)
    assert differences(points, unpack(SlowPoints, pack(SlowPoints, points))) == []


def test_arrays_of_objects_are_refused():
    with pytest.raises(TypeError, match="object"):
        pack(Array, [np.array([None])])


@dataclass
class Before:
    x: float


@pytest.mark.parametrize("data", [b"", b"no zlib", zlib.compress(b"{"), pack(int, [1]), pack(Before, [Before(1.0)])])
def test_other_bytes_are_refused(data):
    after = make_dataclass("Before", [("x", float), ("y", float)])
    with pytest.raises((ValueError, zlib.error)):
        unpack(after, data)
    with pytest.raises((ValueError, zlib.error)):
        Block.read(after, data)


def test_a_packed_sequence_is_one_of_its_records():
    records = [(k, k / 7) for k in range(3 * BLOCK + 5)]
    packed = Packed.of(tuple[int, float], iter(records))
    assert (len(packed), list(packed)) == (len(records), records)
    assert [packed[i] for i in (-1, 0, 700, 3, -BLOCK)] == [records[i] for i in (-1, 0, 700, 3, -BLOCK)]
    assert packed[700:10:-97] == tuple(records[700:10:-97])
    assert packed == records
    assert packed != records[:-1]
    assert packed != [*records[:-1], (0, 0.0)]
    assert pickle.loads(pickle.dumps(packed)) == packed
    for index in (len(records), -len(records) - 1):
        with pytest.raises(IndexError):
            packed[index]


def test_only_some_blocks_are_held():
    made = []

    class Counting(list):
        def __iter__(self):
            made.append(self[0])
            return super().__iter__()

    packed = Packed([Counting([k] * 10) for k in range(100)])
    assert [packed[i] for i in range(1000)] == [k for k in range(100) for _ in range(10)]
    assert made == list(range(100))
    assert (packed[999], len(made)) == (99, 100)
    assert (packed[0], len(made)) == (0, 101)


def test_a_packer_grows():
    packer = Packer(int)
    for k in range(2 * BLOCK + 1):
        packer.append(k)
    assert packer.packed() == range(2 * BLOCK + 1)


def test_a_function_of_every_item():
    mapped = Mapped(str, range(4))
    assert (len(mapped), mapped[-1], mapped[1:3], list(mapped)) == (4, "3", ("1", "2"), ["0", "1", "2", "3"])
    assert list(chunks(mapped, 3)) == [["0", "1", "2"], ["3"]]
