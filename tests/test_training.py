"""The compiled trainer against torch's autograd, the paper's figures, and itself cut into pieces."""

import csv
import json
import platform

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dynaghost.errors import DynaghostError
from dynaghost.kernels import training as kernels
from dynaghost.kernels.lanes import dot, dot_slope
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one, round_anew
from dynaghost.training.schedule import RELEARNING
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trainer import parse_epochs, train

TASK = DelayedActivation()

tasks = st.builds(
    lambda delay_steps, more, leak, confidence, threshold, x0: DelayedActivation(
        delay_steps=delay_steps,
        steps=delay_steps + more,
        leak=leak,
        confidence=confidence,
        threshold=threshold,
        x0=x0,
    ),
    delay_steps=st.integers(1, 25),
    more=st.integers(1, 25),
    leak=st.floats(0.05, 1),
    confidence=st.floats(0.1, 20),
    threshold=st.floats(-1, 2),
    x0=st.floats(-1, 1),
)


def network_of(units, seed, gain=1.0):
    rng = np.random.default_rng(seed)
    m, n, b = rng.normal(size=(3, units))
    return RankOneNetwork(m=gain * m, n=gain * n / np.sqrt(units), b=b)


def torch_loss(m, n, b, task):
    """The network as the paper writes it, x and all.

    The error of an output near 1 is taken from 1 − ô = σ(−z), as autograd differentiates it: ô(1 − ô) from a rounded
    ô ≈ 1 has lost its digits, and the comparison would measure that.
    """
    import torch

    x = torch.full_like(m, task.x0)
    loss = torch.zeros((), dtype=torch.float64)
    for step in range(task.steps):
        x = (1 - task.leak) * x + task.leak * torch.tanh(m * (n @ x) + b)
        z = task.confidence * (n @ x - task.threshold)
        rest = torch.sigmoid(-abs(z))
        rest_is_the_error = (z > 0) == (step >= task.delay_steps)
        loss = loss + (rest if rest_is_the_error else 1 - rest) ** 2 / task.delay_steps
    return loss


def torch_parameters(network):
    import torch

    return [torch.nn.Parameter(torch.tensor(values)) for values in (network.m, network.n, network.b)]


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return {int(row["epoch"]): (float(row["loss"]), float(row["grad_norm"])) for row in csv.DictReader(file)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- gradient and loss ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(tasks, st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0.3, 1.5))
def test_gradient_equals_autograd(task, units, seed, gain):
    network = network_of(units, seed, gain)
    parameters = torch_parameters(network)
    expected_loss = torch_loss(*parameters, task)
    expected_loss.backward()
    trial = (task.x0, task.leak, task.threshold, task.confidence, float(task.delay_steps))
    padded = [kernels.padded(values) for values in (network.m, network.n, network.b)]
    loss, *slopes = kernels.gradient(*padded, units, trial, task.steps)
    expected = np.concatenate([parameter.grad.numpy() for parameter in parameters])
    found = np.concatenate([slope[:units] for slope in slopes])
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max() + 1e-300
    assert loss == pytest.approx(expected_loss.item(), rel=1e-11)
    assert not np.concatenate([slope[units:] for slope in slopes]).any()


def test_a_few_updates_follow_torch():
    import torch

    network, task = network_of(13, 5), DelayedActivation(confidence=3.0)
    parameters = torch_parameters(network)
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch_loss(*parameters, task)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    descent = descend(network, task, learning_rate=0.05, updates=30)
    assert descent.loss == pytest.approx(losses, rel=1e-10)
    for found, parameter in zip((descent.network.m, descent.network.n, descent.network.b), parameters, strict=True):
        assert found == pytest.approx(parameter.detach().numpy(), rel=1e-9, abs=1e-12)


def test_paper_figure_3a_up_to_its_drop():
    """Losses and gradient norms measured by an independent float64 implementation, as many digits as it stated."""
    descent = descend(initial_rank_one(seed=40), TASK, learning_rate=0.003, updates=34_001)
    stated = {0: 0.99991, 10_000: 0.99988, 20_000: 0.9998, 32_000: 0.9988, 33_600: 0.975, 34_000: 0.0209}
    for epoch, loss in stated.items():
        digits = len(str(loss).split(".")[1])
        assert round(float(descent.loss[epoch]), digits) == loss
    assert descent.gradient_norm[30_000] == pytest.approx(0.007, abs=5e-4)
    assert descent.gradient_norm[33_636] == pytest.approx(6.4, abs=0.05)


def test_paper_figure_3b_before_it_is_chaotic():
    descent = descend(initial_rank_one(seed=40), TASK, learning_rate=0.02, updates=5001)
    assert descent.loss[5000] == pytest.approx(0.9957, abs=5e-5)


def test_at_the_high_rate_the_last_bit_decides_whether_the_network_gets_stuck():
    """23 of 40 when first counted; an outcome that changes with the last bit is the arithmetic's, not the network's."""
    network = initial_rank_one(seed=40)
    runs = [descend(round_anew(network, seed), TASK, learning_rate=0.02, updates=6000) for seed in range(12)]
    assert np.ptp([run.loss[5000] for run in runs]) < 1e-9
    stuck = sum(run.gradient_norm[-1] < 1e-10 for run in runs)
    assert 0 < stuck < 12


def test_initial_weights_are_those_of_the_global_generator():
    import torch

    before = torch.random.get_rng_state()
    network = initial_rank_one(units=7, seed=40)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(40)
        expected = [(torch.randn(7) / np.sqrt(7)).double().numpy() for _ in range(2)]
    assert np.array_equal([network.m, network.n], expected)


@njit
def both_sums(a, b, t):
    return dot(a, b), dot_slope(a, t)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_lane_sums_have_their_stated_error(blocks, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 8 * blocks))
    total, slopes = both_sums(a, np.ascontiguousarray(b), np.tanh(b))
    exact = float(np.sum(a.astype(np.longdouble) * b))
    assert abs(total - exact) <= (blocks + 4) * 2.0**-53 * np.abs(a * b).sum() * 1.01
    assert slopes == pytest.approx(a @ (1 - np.tanh(b) ** 2), abs=1e-13 * np.abs(a).sum())


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86 instructions")
def test_inner_loops_are_vectorized():
    from numba.core.codegen import get_host_cpu_features

    if not {"+avx2", "+fma"} <= set(get_host_cpu_features().split(",")):
        pytest.skip("this processor has no AVX2 with fused multiply-add")
    # Compiled anew, since code from the cache cannot be inspected.
    fresh = njit(error_model="numpy")(kernels.advance.py_func)
    weights, rest = np.zeros((3, 1, 8)), (40, np.zeros(1), np.zeros((1, 1, 0, 8)), np.empty((1, 1)), np.empty((1, 1)))
    fresh(*weights, np.ones(1), False, 8, (-0.3, 0.5, 1.0, 10.0, 20.0), *rest)
    # An array whose layout the compiler cannot know ("A", as from unpacking a matrix) would stop vectorization.
    for kernel in (kernels._step, kernels._backward, kernels._descend):
        arrays = [
            kind for signature in kernel.nopython_signatures for kind in signature.args if hasattr(kind, "layout")
        ]
        assert {kind.layout for kind in arrays} == {"C"}
    (assembly,) = fresh.inspect_asm().values()
    wide = [line for line in assembly.splitlines() if "ymm" in line or "zmm" in line]
    assert any("vdivpd" in line for line in wide)
    # Eleven in the tanh, three in the sums over units, four in the sums over time.
    assert sum("vfm" in line or "vfnm" in line for line in wide) >= 18


# --- cutting and resuming ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(tasks, st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 20))
def test_chunks_change_no_bit(task, chunks, units):
    network = network_of(units, 1)
    whole = descend(network, task, learning_rate=0.1, updates=sum(chunks))
    losses, current = [], network
    for updates in chunks:
        part = descend(current, task, learning_rate=0.1, updates=updates)
        losses.append(part.loss)
        current = part.network
    assert np.array_equal(np.concatenate(losses), whole.loss)
    for name in ("m", "n", "b"):
        assert np.array_equal(getattr(current, name), getattr(whole.network, name))


class StopError(Exception):
    pass


@pytest.mark.parametrize("format", ["npz", "pt"])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_an_interrupted_run_resumes_with_the_same_bytes(tmp_path, at, format):
    options = {"learning_rate": 0.02, "epochs": 95, "seed": 3, "save_every": 20, "metrics_every": 7, "format": format}
    calls = []

    def interrupt(epoch):
        calls.append(epoch)
        if len(calls) > at:
            raise StopError

    train(TASK, out=tmp_path / "whole", **options)
    with pytest.raises(StopError):
        train(TASK, out=tmp_path / "cut", progress=interrupt, **options)
    with (tmp_path / "cut" / "metrics.csv").open("a") as file:
        file.write("99,0.1")  # half a line, as a crash could leave it
    train(TASK, out=tmp_path / "cut", **options)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    train(TASK, out=tmp_path / "cut", **options)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_chunks_between_saves_are_bounded(tmp_path):
    seen = []
    train(TASK, out=tmp_path, learning_rate=0.01, epochs=1100, seed=0, save_steps=[0], units=1000, progress=seen.append)
    assert seen == [500, 1000, 1100]


# --- the folder -------------------------------------------------------------------------------------------------------


def test_metrics_are_of_the_weights_after_that_many_updates(tmp_path):
    train(TASK, out=tmp_path, learning_rate=0.02, epochs=50, seed=4, save_every=20, metrics_every=15)
    rows = rows_of(tmp_path)
    assert sorted(rows) == [0, 15, 20, 30, 40, 45, 50]
    for epoch in (0, 20, 40, 50):
        with np.load(tmp_path / f"epoch_{epoch}.npz") as file:
            network = RankOneNetwork(m=file["m"], n=file["n"], b=file["b"])
            assert file["epoch"] == epoch
        assert measure(network, TASK) == rows[epoch]


def test_chosen_epochs_and_small_files(tmp_path):
    train(
        TASK,
        out=tmp_path,
        learning_rate=0.02,
        epochs=50,
        seed=4,
        save_steps=parse_epochs("0:40:20,33"),
        metrics_steps=[7],
        dtype="float32",
    )
    assert sorted(path.name for path in tmp_path.glob("epoch_*")) == [f"epoch_{e}.npz" for e in (0, 20, 33, 40)]
    assert sorted(rows_of(tmp_path)) == [0, 7, 20, 33, 40, 50]
    with np.load(tmp_path / "epoch_33.npz") as file:
        assert file["m"].dtype == np.float32
    train(
        TASK,
        out=tmp_path,
        learning_rate=0.02,
        epochs=50,
        seed=4,
        save_steps=parse_epochs("0:40:20,33"),
        metrics_steps=[7],
        dtype="float32",
    )


def test_torch_files_open_safely(tmp_path):
    import torch

    options = {"learning_rate": 0.02, "epochs": 10, "seed": 4, "save_every": 10}
    train(TASK, out=tmp_path / "pt", format="pt", **options)
    train(TASK, out=tmp_path / "npz", **options)
    loaded = torch.load(tmp_path / "pt" / "epoch_10.pt", weights_only=True)
    with np.load(tmp_path / "npz" / "epoch_10.npz") as file:
        assert np.array_equal(loaded["state_dict"]["m"].numpy(), file["m"])
    assert loaded["epoch"] == 10


def test_run_json_describes_system_and_trial(tmp_path):
    train(TASK, out=tmp_path, learning_rate=0.02, epochs=10, seed=4, save_every=5)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["schema"] == 1
    assert run["axis"] == "epoch"
    assert run["system"] == {
        "kind": "low_rank",
        "rank": 1,
        "units": 100,
        "leak": 0.5,
        "form": "rate",
        "scale": 1.0,
        "activation": "tanh",
        "names": {"m": "m", "n": "n", "b": "b"},
    }
    assert run["trial"] == {
        "x0": -0.3,
        "steps": 40,
        "delay": 10.0,
        "delay_steps": 20,
        "threshold": 1.0,
        "readout": "1/(1+exp(-c*(kappa-threshold)))",
        "confidence": 10.0,
    }
    assert run["training"]["task"] == "delayed-activation"
    assert run["training"]["save_every"] == 5


# --- refusals ---------------------------------------------------------------------------------------------------------

GOOD = {"learning_rate": 0.02, "epochs": 10, "seed": 4, "save_every": 5}


@pytest.mark.parametrize(
    "bad",
    [
        {"rank": 0},
        {"rank": "half"},
        {"readout": "none"},
        {"rank": 2, "readout": "confidence"},
        {"rank": 2, "trains_confidence": True},
        {"rank": 2, "schedule": RELEARNING, "learning_rate": None, "epochs": None},
        {"schedule": RELEARNING},
        {"units": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"epochs": 0},
        {"seed": -1},
        {"rounding_seed": -1},
        {"save_every": 0},
        {"save_steps": [11]},
        {"save_steps": []},
        {"metrics_every": 0},
        {"metrics_steps": [-1]},
        {"dtype": "float16"},
        {"format": "h5"},
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, bad):
    with pytest.raises(DynaghostError, match="|".join(bad)):
        train(TASK, out=tmp_path / "out", **{**GOOD, **bad})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "bad",
    [{"delay_steps": 0}, {"steps": 20}, {"leak": 0.0}, {"leak": 1.5}, {"confidence": 0.0}, {"x0": np.inf}],
    ids=str,
)
def test_bad_tasks_are_refused(bad):
    with pytest.raises(DynaghostError, match=next(iter(bad))):
        DelayedActivation(**bad)


def test_bad_networks_are_refused():
    with pytest.raises(DynaghostError, match="one length"):
        RankOneNetwork(m=np.ones(2), n=np.ones(3), b=np.ones(2))
    with pytest.raises(DynaghostError, match="finite"):
        RankOneNetwork(m=np.ones(2), n=np.full(2, np.nan), b=np.ones(2))


def test_another_runs_folder_is_refused(tmp_path):
    train(TASK, out=tmp_path, **GOOD)
    before = contents(tmp_path)
    with pytest.raises(DynaghostError, match=r"seed \(4 there, 5 asked\)"):
        train(TASK, out=tmp_path, **{**GOOD, "seed": 5})
    with pytest.raises(DynaghostError, match="confidence"):
        train(DelayedActivation(confidence=1.0), out=tmp_path, **GOOD)
    (tmp_path / "run.json").unlink()
    with pytest.raises(DynaghostError, match=r"no run\.json"):
        train(TASK, out=tmp_path, **GOOD)
    del before["run.json"]
    assert contents(tmp_path) == before


def test_float32_runs_do_not_resume(tmp_path):
    def interrupt(epoch):
        raise StopError

    with pytest.raises(StopError):
        train(TASK, out=tmp_path, dtype="float32", progress=interrupt, **GOOD)
    with pytest.raises(DynaghostError, match="float32"):
        train(TASK, out=tmp_path, dtype="float32", **GOOD)


@pytest.mark.parametrize("text", ["", "a", "1:2", "5:1:1", "0:5:0", "-3", "1:2:3:4"])
def test_unreadable_epochs_are_refused(text):
    with pytest.raises(DynaghostError, match="start:stop:step"):
        parse_epochs(text)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_epochs_include_their_stop(start, length, step):
    epochs = parse_epochs(f"{start}:{start + length * step}:{step}")
    assert len(epochs) == length + 1
    assert epochs[-1] == start + length * step
