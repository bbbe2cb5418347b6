"""Readers against torch and NumPy themselves, and against files made to do harm."""

import io
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynaghost.checkpoints.archive import Archive, Budget
from dynaghost.checkpoints.formats import from_mapping, outline, read_arrays
from dynaghost.errors import CheckpointError

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
DTYPES_LATER = ["uint16", "uint32", "uint64"]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.m = torch.nn.Parameter(torch.linspace(-1, 1, 5))
        self.inner = torch.nn.Linear(3, 2)
        self.register_buffer("mask", torch.ones(2, dtype=torch.bool))
        self.leak = 0.5

    def forward(self, x):
        return self.inner(x) * self.m[0]


class Payload:
    """Runs a command where a pickle is simply loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def sample(dtype):
    torch.manual_seed(0)
    values = torch.randn(6, 4, dtype=torch.float64) * 40
    return (values > 0) if dtype == "bool" else values.abs().to(getattr(torch, dtype))


def expected(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def assert_same(array, tensor):
    wanted = expected(tensor)
    assert array.dtype == wanted.dtype
    assert array.shape == wanted.shape
    assert array.tobytes() == np.ascontiguousarray(wanted).tobytes()


def saved(path, tree, **options):
    torch.save(tree, path, **options)
    return path


@pytest.mark.parametrize("dtype", DTYPES + DTYPES_LATER)
def test_torch_zip_is_bit_equal_to_torch(tmp_path, dtype):
    tensor = sample(dtype)
    assert_same(read_arrays(saved(tmp_path / "a.pt", {"w": tensor})).arrays["w"], tensor)


@pytest.mark.parametrize("dtype", DTYPES)
def test_legacy_torch_is_bit_equal_to_torch(tmp_path, dtype):
    tensor = sample(dtype)
    contents = read_arrays(saved(tmp_path / "a.pt", {"w": tensor}, _use_new_zipfile_serialization=False))
    assert contents.format == "torch legacy"
    assert_same(contents.arrays["w"], tensor)


@pytest.mark.parametrize("dtype", DTYPES)
def test_safetensors_are_bit_equal_to_torch(tmp_path, dtype):
    tensor = sample(dtype)
    safetensors_torch.save_file({"w": tensor}, tmp_path / "a.safetensors", metadata={"epoch": "3", "note": "x"})
    contents = read_arrays(tmp_path / "a.safetensors")
    assert_same(contents.arrays["w"], tensor)
    assert contents.scalars == {"epoch": 3, "note": "x"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_live_tensors_are_bit_equal_to_torch(dtype):
    tensor = sample(dtype)
    assert_same(from_mapping({"w": tensor}, "a dict").arrays["w"], tensor)


@pytest.mark.parametrize("layout", ["t", "[::2]", "[1:, 2]", "expand", "empty", "scalar"])
def test_views_that_share_a_storage(tmp_path, layout):
    base = torch.arange(24, dtype=torch.float32).reshape(6, 4)
    view = {
        "t": base.t(),
        "[::2]": base[::2, ::3],
        "[1:, 2]": base[1:, 2],
        "expand": base[:1].expand(5, 4),
        "empty": base[:0],
        "scalar": base[2, 1],
    }[layout]
    arrays = read_arrays(saved(tmp_path / "a.pt", {"base": base, "view": view})).arrays
    assert_same(arrays["base"], base)
    assert_same(arrays["view"], view)


def test_big_endian_files(tmp_path):
    source = saved(tmp_path / "a.pt", {"w": torch.arange(3, dtype=torch.float32), "h": sample("bfloat16")})
    target = tmp_path / "big.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif name.endswith("data/0"):
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            elif name.endswith("data/1"):
                data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
            new.writestr(name, data)
    arrays = read_arrays(target).arrays
    assert_same(arrays["w"], torch.arange(3, dtype=torch.float32))
    assert_same(arrays["h"], sample("bfloat16"))


def test_whole_modules_and_torchscript(tmp_path):
    network = Network()
    save_script(network, tmp_path / "script.pt")
    for path in (saved(tmp_path / "whole.pt", network), tmp_path / "script.pt"):
        contents = read_arrays(path)
        for name, tensor in network.state_dict().items():
            assert_same(contents.arrays[name], tensor)
        assert contents.scalars["leak"] == 0.5


def save_script(network, path):
    # torch.jit is deprecated, its files are still about.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network), str(path))


def lightning(network, epoch=4, step=50):
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimizer.step()
    return {
        "epoch": epoch,
        "global_step": step,
        "pytorch-lightning_version": "2.6.4",
        "state_dict": network.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.1)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
        "hyper_parameters": {"leak": 0.5, "units": np.int64(100), "rate": np.float32(0.25), "path": Path("x")},
    }


def test_lightning_shaped(tmp_path):
    network = Network()
    contents = read_arrays(saved(tmp_path / "epoch=4-step=50.ckpt", lightning(network)))
    assert set(contents.arrays) == {f"state_dict.{name}" for name in network.state_dict()}
    wanted = {"epoch": 4, "global_step": 50, "hyper_parameters.leak": 0.5, "hyper_parameters.units": 100}
    assert wanted.items() <= contents.scalars.items()
    assert contents.scalars["hyper_parameters.rate"] == 0.25


def test_numpy_arrays_and_lists_inside_torch_files(tmp_path):
    tree = {"m": np.arange(6.0).reshape(2, 3).T, "losses": [0.5, 0.25], "loss": np.float64(0.25), "tag": np.str_("a")}
    contents = read_arrays(saved(tmp_path / "a.pt", tree))
    np.testing.assert_array_equal(contents.arrays["m"], tree["m"])
    np.testing.assert_array_equal(contents.arrays["losses"], [0.5, 0.25])
    assert contents.scalars["loss"] == 0.25


def test_outline_agrees_with_contents(tmp_path):
    np.savez(tmp_path / "a.npz", m=np.ones((4, 2)), epoch=7, loss=0.5)
    saved(tmp_path / "b.pt", lightning(Network()))
    safetensors_torch.save_file({"m": torch.ones(3)}, tmp_path / "c.safetensors", metadata={"step": "9"})
    for name in ("a.npz", "b.pt", "c.safetensors"):
        contents, found = read_arrays(tmp_path / name), outline(tmp_path / name)
        assert found.shapes == {key: array.shape for key, array in contents.arrays.items()}
        assert found.scalars == contents.scalars
        assert found.format == contents.format


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_npz_and_npy(tmp_path, writer):
    arrays = {
        "m": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "e": np.empty((0, 2)),
    }
    writer(tmp_path / "a.npz", **arrays)
    contents = read_arrays(tmp_path / "a.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(contents.arrays[name], array)
        assert contents.arrays[name].dtype.isnative
    np.save(tmp_path / "x0.npy", np.arange(3.0))
    np.testing.assert_array_equal(read_arrays(tmp_path / "x0.npy").arrays["x0"], np.arange(3.0))


def test_texts_in_npz_are_scalars(tmp_path):
    np.savez(tmp_path / "a.npz", m=np.ones(2), task="delay", units=["a", "b"], big=np.array("é", dtype=">U3"))
    contents = read_arrays(tmp_path / "a.npz")
    assert list(contents.arrays) == ["m"]
    assert contents.scalars == outline(tmp_path / "a.npz").scalars == {"task": "delay", "big": "é"}
    path = replace_member(tmp_path / "a.npz", tmp_path / "b.npz", "task.npy", lambda data: data[:-1] + b"\xff")
    refused(path, "task", "characters")


def test_tensors_with_attributes_and_of_subclasses(tmp_path):
    parameter = torch.nn.Parameter(torch.arange(3.0))
    parameter.role = "m"
    buffer = torch.nn.Buffer(torch.arange(2.0))
    arrays = read_arrays(saved(tmp_path / "a.pt", {"m": parameter, "buffer": buffer})).arrays
    assert_same(arrays["m"], parameter)
    assert_same(arrays["buffer"], buffer)


# --- refusals ---------------------------------------------------------------------------------------------------------


def refused(path, *words):
    for read in (read_arrays, outline):
        with pytest.raises(CheckpointError) as caught:
            read(path)
        assert all(str(word) in str(caught.value) for word in (path.name, *words)), str(caught.value)


@pytest.mark.parametrize("protocol", [2, 4])
def test_payload_is_not_run(tmp_path, protocol):
    target = tmp_path / "ran"
    path = saved(tmp_path / "a.pt", {"x": Payload(target), "w": torch.ones(2)}, pickle_protocol=protocol)
    assert_same(read_arrays(path).arrays["w"], torch.ones(2))
    assert not target.exists()


@pytest.mark.parametrize("name", ["a.pt", "a.npz", "a.safetensors"])
def test_bare_pickle_is_refused(tmp_path, name):
    target = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Payload(target)))
    refused(tmp_path / name)
    assert not target.exists()


def test_legacy_payload_is_refused(tmp_path):
    target = tmp_path / "ran"
    refused(saved(tmp_path / "a.pt", {"x": Payload(target)}, _use_new_zipfile_serialization=False))
    assert not target.exists()


def test_object_and_complex_arrays_are_refused_by_name(tmp_path):
    target = tmp_path / "ran"
    np.savez(tmp_path / "object.npz", bad=np.array([Payload(target)], dtype=object))
    refused(tmp_path / "object.npz", "bad", "objects")
    assert not target.exists()
    np.savez(tmp_path / "complex.npz", bad=np.ones(2) * 1j)
    refused(tmp_path / "complex.npz", "bad", "complex numbers")
    path = saved(tmp_path / "sparse.pt", {"bad": torch.eye(3).to_sparse()})
    refused(path, "bad", "real numbers")
    path = saved(tmp_path / "numpy.pt", {"bad": np.ones(2) * 1j})
    refused(path, "bad", "real numbers")
    path = saved(tmp_path / "complex.pt", {"bad": torch.ones(2) * 1j})
    with pytest.raises(CheckpointError, match=r"complex\.pt: bad: .*complex64"):
        read_arrays(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"hello", b"\x89HDF\r\n\x1a\n", b"\x80\x02.", b"\x93NUMPY", b"\0" * 8 + b"{"]
)
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    refused(path)


def test_missing_file_and_folder(tmp_path):
    refused(tmp_path / "absent.pt")
    refused(tmp_path)


def test_stride_zero_bomb(tmp_path):
    path = saved(tmp_path / "a.pt", {"w": torch.zeros(1).expand(40_000, 40_000)})
    assert path.stat().st_size < 3000
    with pytest.raises(CheckpointError, match=r"a\.pt: w would take 6400000000 bytes"):
        read_arrays(path)
    with pytest.raises(CheckpointError, match="6400000000"):
        from_mapping({"w": torch.zeros(1).expand(40_000, 40_000)}, "a dict")


def test_many_small_expansions_are_charged_together(tmp_path):
    refused_tree = {f"w{i}": torch.zeros(1).expand(2_000_000) for i in range(12)}
    with pytest.raises(CheckpointError, match="may become"):
        read_arrays(saved(tmp_path / "a.pt", refused_tree))


def test_deflate_bomb(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", m=np.zeros(25_000_000))
    assert (tmp_path / "a.npz").stat().st_size < 200_000
    with pytest.raises(CheckpointError, match=r"a\.npz: member 'm\.npy' would take 200000"):
        read_arrays(tmp_path / "a.npz")


def replace_member(source, target, ending, edit):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, edit(data) if name.endswith(ending) else data)
    return target


def test_storage_out_of_range_and_missing(tmp_path):
    source = saved(tmp_path / "a.pt", {"w": torch.ones(4)})
    short = replace_member(source, tmp_path / "short.pt", "data/0", lambda data: data[:-4])
    with pytest.raises(CheckpointError, match=r"short\.pt: w: element 3 lies outside a storage of 3"):
        read_arrays(short)
    gone = replace_member(
        source, tmp_path / "gone.pt", "data.pkl", lambda data: data.replace(b"X\x01\0\0\0000", b"X\x01\0\0\0009")
    )
    with pytest.raises(CheckpointError, match=r"gone\.pt: expected a member"):
        read_arrays(gone)


def test_declared_shape_beyond_the_data(tmp_path):
    np.savez(tmp_path / "a.npz", m=np.zeros(1234))
    path = replace_member(
        tmp_path / "a.npz", tmp_path / "b.npz", "m.npy", lambda data: data.replace(b"(1234,)", b"(9**9,)")
    )
    refused(path, "m")
    path = replace_member(
        tmp_path / "a.npz", tmp_path / "c.npz", "m.npy", lambda data: data.replace(b"(1234,)", b"(9999,)")
    )
    refused(path, "m", 9999)


def pickled(tmp_path, program):
    path = tmp_path / "crafted.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", program)
    return path


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02]r\xff\xff\xff\xff.",  # a memo index of 2³²
        b"\x80\x02]p99999999999\n.",
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b".",  # bytes of 2⁶²
        b"\x80\x02)" + b"\x85" * 1_000_000 + b"}q\x00" + b".",  # hashing it would overflow the C stack
        b"\x80\x02\x82\x01.",  # the extension registry
        b"\x80\x02" + b"(" * 10,
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x08__code__K\x01s\x86b.",  # BUILD on a function
        b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R.",
    ],
)
def test_programs_that_ask_for_too_much(tmp_path, program):
    refused(pickled(tmp_path, program))


def test_shared_lists_do_not_explode(tmp_path):
    program = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(40)) + b"."
    with pytest.raises(CheckpointError, match="entries"):
        read_arrays(pickled(tmp_path, program))


def test_one_list_named_many_times(tmp_path):
    numbers = b"](" + b"K\x01" * 10_000 + b"eq\x00"
    program = b"\x80\x02](" + numbers + b"h\x00" * 10_000 + b"e."
    with pytest.raises(CheckpointError, match="entries"):
        read_arrays(pickled(tmp_path, program))


def test_a_program_that_makes_itself_its_own_item(tmp_path):
    assert read_arrays(pickled(tmp_path, b"\x80\x02}q\x00U\x01ah\x00s.")).arrays == {}


# --- damage -----------------------------------------------------------------------------------------------------------


def _specimens():
    network = torch.nn.Linear(3, 2)
    files = {}
    for name, options in (("zip.pt", {}), ("legacy.pt", {"_use_new_zipfile_serialization": False})):
        stream = io.BytesIO()
        torch.save({"epoch": 3, "model": network.state_dict()}, stream, **options)
        files[name] = stream.getvalue()
    stream = io.BytesIO()
    np.savez_compressed(stream, m=np.arange(4.0), epoch=3)
    files["a.npz"] = stream.getvalue()
    stream = io.BytesIO()
    np.save(stream, np.arange(4.0))
    files["a.npy"] = stream.getvalue()
    files["a.safetensors"] = safetensors_torch.save(network.state_dict(), metadata={"epoch": "3"})
    return files


SPECIMENS = _specimens()


def read_or_refuse(path):
    for read in (read_arrays, outline):
        try:
            read(path)
        except CheckpointError as error:
            assert path.name in str(error)  # noqa: PT017 (reading is allowed to succeed)


@pytest.mark.parametrize("name", SPECIMENS)
def test_truncated_anywhere(tmp_path, name):
    data, path = SPECIMENS[name], tmp_path / name
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            read_arrays(path)


@pytest.mark.parametrize("name", SPECIMENS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_never_escape(tmp_path, name, data):
    original = bytearray(SPECIMENS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(bytes(original))
    read_or_refuse(tmp_path / name)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_pickles_behind_a_valid_checksum(tmp_path, data):
    with zipfile.ZipFile(io.BytesIO(SPECIMENS["zip.pt"])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path = tmp_path / "flipped.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            changed = bytearray(content)
            if name.endswith("data.pkl"):
                for _ in range(data.draw(st.integers(1, 3))):
                    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
            archive.writestr(name, bytes(changed))
    read_or_refuse(path)


def test_imports_are_light():
    program = (
        "import sys, dynaghost.checkpoints.formats; print([n for n in sys.modules if n in ('torch', 'safetensors')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


# Keras' HDF5.


def _keras_file(path, groups):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in groups.items():
            file[name] = array
    return path


def test_hdf5_weights_lose_kerass_repetitions(tmp_path):
    arrays = {
        "rnn/rnn/kernel:0": np.ones((2, 12)),
        "rnn/rnn/recurrent_kernel:0": np.ones((3, 12)),
        "epoch": np.int64(4),
    }
    contents = read_arrays(_keras_file(tmp_path / "weights.h5", arrays))
    assert {name: array.shape for name, array in contents.arrays.items()} == {
        "epoch": (),
        "rnn.kernel": (2, 12),
        "rnn.recurrent_kernel": (3, 12),
    }
    assert (contents.format, contents.scalars) == ("hdf5", {"epoch": 4})


def test_keras_3_numbers_the_variables_of_a_cell(tmp_path):
    arrays = {f"layers/gru/cell/vars/{i}": np.ones((3, 9)) for i in range(3)}
    found = read_arrays(_keras_file(tmp_path / "m.weights.h5", arrays)).arrays
    assert list(found) == ["layers.gru.kernel", "layers.gru.recurrent_kernel", "layers.gru.bias"]


@pytest.mark.parametrize("way", ["external link", "soft link", "external storage", "virtual"])
def test_hdf5_that_points_elsewhere_is_refused(tmp_path, way):
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    _keras_file(tmp_path / "other.h5", {"x": np.ones(8)})
    with h5py.File(tmp_path / "crafted.h5", "w") as file:
        match way:
            case "external link":
                file["kernel"] = h5py.ExternalLink("other.h5", "x")
            case "soft link":
                file["kernel"] = h5py.SoftLink("/gone")
            case "external storage":
                file.create_dataset("kernel", (8,), "f8", external=[(str(secret), 0, 64)])
            case "virtual":
                layout = h5py.VirtualLayout((8,), "f8")
                layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (8,))
                file.create_virtual_dataset("kernel", layout)
    with pytest.raises(CheckpointError, match="expected an array of this file"):
        read_arrays(tmp_path / "crafted.h5")


def test_damaged_hdf5_is_refused(tmp_path):
    path = _keras_file(tmp_path / "weights.h5", {"kernel": np.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match=r"weights\.h5: expected a complete HDF5 file"):
        read_arrays(path)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_modules_of_private_names_are_read(tmp_path):
    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self._inner = torch.nn.Linear(2, 3)

        def forward(self, x):
            return self._inner(x)

    holder = Holder()
    torch.jit.save(torch.jit.script(holder), tmp_path / "model.pt")
    found = read_arrays(tmp_path / "model.pt").arrays
    np.testing.assert_array_equal(found["_inner.weight"], holder._inner.weight.detach().numpy())


def test_no_interruption_is_lost_in_the_finalizer_of_an_archive(tmp_path, monkeypatch):
    """A zip file's own would be Python code, in which Ctrl-C is printed and forgotten."""
    lost = []
    monkeypatch.setattr("sys.unraisablehook", lost.append)

    def interrupt(*_):
        raise KeyboardInterrupt

    np.savez(tmp_path / "a.npz", m=np.ones(2))
    archive = Archive(tmp_path / "a.npz", Budget("a.npz", 1000))
    archive._zip.close()
    sys.setprofile(lambda frame, event, _: interrupt() if frame.f_code.co_name == "__del__" else None)
    try:
        del archive
    finally:
        sys.setprofile(None)
    assert lost == []


def test_a_plain_pickle_is_refused_and_not_opened(tmp_path):
    path = tmp_path / "state.pkl"
    path.write_bytes(pickle.dumps({"W": [[1.0]]}))
    with pytest.raises(CheckpointError, match="got a plain pickle: it is not opened"):
        read_arrays(path)
