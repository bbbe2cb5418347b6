"""Folders, lists and dicts as runs: the order found, what is left out, what is refused."""

import json
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.run import load_run
from dynaghost.errors import CheckpointError

UNITS = 6


def weights(seed, units=UNITS):
    rng = np.random.default_rng(seed)
    return {"m": rng.normal(size=units), "n": rng.normal(size=units), "b": rng.normal(size=units)}


def write(folder, names, **scalars):
    """A file for each name, with its own weights; scalars are functions of the position."""
    for k, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as stream:
            np.savez(stream, **weights(k), **{key: value(k) for key, value in scalars.items()})
    return folder


def steps(run):
    return [checkpoint.step for checkpoint in run]


RUN_JSON = {
    "schema": 1,
    "software": {"dynaghost": "0.1.0"},
    "axis": "epoch",
    "system": {
        "kind": "low_rank",
        "rank": 1,
        "units": UNITS,
        "leak": 0.5,
        "form": "rate",
        "scale": 1.0,
        "activation": "tanh",
        "names": {"m": "m", "n": "n", "b": "b"},
    },
    "trial": {"x0": -0.3, "steps": 40, "delay": 10.0, "delay_steps": 20, "threshold": 1.0, "confidence": 10.0},
    "training": {"rate": 0.005},
}


def describe(folder, description=RUN_JSON):
    (folder / "run.json").write_text(json.dumps(description))
    return folder


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "axis", "expected"),
    [
        (["epoch_9.pt", "epoch_10.pt", "epoch_100.pt"], "epoch", [9, 10, 100]),
        (["model_epoch_2.pth", "model_epoch_12.pth"], "epoch", [2, 12]),
        (["ckpt-000250.pt", "ckpt-000500.pt"], "step", [250, 500]),
        (["rank1_512_1.npz", "rank1_512_2.npz"], "step", [1, 2]),
        (["epoch=0-step=4.ckpt", "epoch=1-step=8.ckpt"], "step", [4, 8]),
        (["epoch=0-step=4-val/loss=0.50.ckpt", "epoch=1-step=8-val/loss=0.25.ckpt"], "step", [4, 8]),
        (["epoch=0-step=4.ckpt", "epoch=0-step=8-v1.ckpt"], "step", [4, 8]),
        (["checkpoint-500/model.npz", "checkpoint-1000/model.npz"], "step", [500, 1000]),
        (["7/weights.npz", "30/weights.npz"], "step", [7, 30]),
        (["seed3_lr1e-3_epoch5.pt", "seed3_lr1e-3_epoch7.pt"], "epoch", [5, 7]),
    ],
)
def test_names_in_the_wild(tmp_path, names, axis, expected):
    run = load_run(write(tmp_path, names))
    assert (run.axis, steps(run)) == (axis, expected)
    assert [checkpoint.file for checkpoint in run] == names
    assert run.order.startswith(f"{len(names)} checkpoints by {axis}")
    for k, checkpoint in enumerate(run):
        np.testing.assert_array_equal(checkpoint.read()["m"], weights(k)["m"])


def test_what_files_say_beats_their_names(tmp_path):
    run = load_run(write(tmp_path, ["epoch_1.npz", "epoch_2.npz", "epoch_3.npz"], epoch=lambda k: 30 - 10 * k))
    assert steps(run) == [10, 20, 30]
    assert [checkpoint.file for checkpoint in run] == ["epoch_3.npz", "epoch_2.npz", "epoch_1.npz"]
    assert "that the files say" in run.order
    assert any("believed" in note for note in run.notes)


def test_steps_are_preferred_and_a_constant_is_no_index(tmp_path):
    run = load_run(write(tmp_path / "a", ["x1.npz", "x2.npz"], epoch=lambda k: k, global_step=lambda k: 40 * k))
    assert (run.axis, steps(run)) == ("step", [0, 40])
    run = load_run(write(tmp_path / "b", ["x1.npz", "x2.npz"], epoch=lambda k: k, step=lambda k: 100))
    assert (run.axis, steps(run)) == ("epoch", [0, 1])
    assert "counted from 0" in run.order
    assert load_run(tmp_path / "a", axis="epoch").axis == "epoch"


def test_who_says_what_is_counted_is_believed(tmp_path):
    """A table that counts steps beside names that say epochs: no guess, and every way out is named."""
    write(tmp_path, ["epoch_0.npz", "epoch_10.npz", "epoch_20.npz"], epoch=lambda k: 10 * k)
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1.0\n10,0.5\n20,0.1\n")
    with pytest.raises(CheckpointError, match=r"count epochs.*got step.*--axis.*--metrics.*--no-metrics"):
        load_run(tmp_path)
    counted = load_run(tmp_path, axis="step")
    assert (counted.axis, steps(counted), counted.metrics.loss.tolist()) == ("step", [0, 10, 20], [1.0, 0.5, 0.1])
    assert any("'epoch' is taken to count steps" in note for note in counted.notes)
    without = load_run(tmp_path, metrics=False)
    assert (without.axis, steps(without), without.notes) == ("epoch", [0, 10, 20], ())
    one = load_run(tmp_path, pattern="epoch_10.npz", axis="step", metrics=False)
    assert (one.axis, steps(one)) == ("step", [10])


def test_several_numbers_that_vary_are_not_chosen_from(tmp_path):
    write(tmp_path, ["epoch_1_a4_b7.npz", "epoch_2_a5_b9.npz"])
    with pytest.raises(CheckpointError, match=r"ambiguous.*--axis.*--pattern"):
        load_run(tmp_path, axis="step")


def test_several_checkpoints_an_epoch_are_told_apart_by_steps(tmp_path):
    names = ["epoch=0-step=4.ckpt", "epoch=0-step=8.ckpt", "epoch=1-step=12.ckpt"]
    assert steps(load_run(write(tmp_path, names, epoch=lambda k: k // 2))) == [4, 8, 12]


def test_copies_and_optimizers_are_left_out_and_noted(tmp_path):
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz", "last.npz", "best_epoch_2.npz", "optimizer.npz"])
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    run = load_run(tmp_path)
    assert steps(run) == [1, 2]
    assert len(run.notes) == 3
    assert all("left out" in note for note in run.notes)


def test_a_folder_of_keras_files_is_a_run_and_other_hdf5_is_left_out(tmp_path):
    h5py = pytest.importorskip("h5py")
    for epoch in (0, 10, 20):
        with h5py.File(tmp_path / f"epoch_{epoch}.weights.h5", "w") as file:
            for k, shape in enumerate([(2, 9), (3, 9), (2, 9)]):
                file[f"layers/gru/cell/vars/{k}"] = np.full(shape, 0.1 * epoch)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros((100, 20))
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(9))
    run = load_run(tmp_path)
    assert (steps(run), run.axis) == ([0, 10, 20], "epoch")
    assert recognize(run.checkpoints[1].read(), run.settings, "epoch_10.weights.h5").system.dim == 3
    assert [note.split(": ")[0] for note in run.notes] == ["broken.h5 left out", "data.h5 left out"]


def test_duplicate_content_is_dropped_only_where_the_index_repeats(tmp_path):
    for name in ("epoch_1.npz", "epoch_2.npz", "copy_of_epoch_2.npz"):
        np.savez(tmp_path / name, **weights(0))
    run = load_run(tmp_path)
    # Epochs 1 and 2 have equal weights, as in a no-learning zone: both stay.
    assert steps(run) == [1, 2]
    assert any("same content" in note for note in run.notes)


def test_one_index_and_different_content_is_refused(tmp_path):
    write(tmp_path, ["a/epoch_1.npz", "b/epoch_1.npz", "b/epoch_2.npz"])
    with pytest.raises(CheckpointError, match=r"a/epoch_1\.npz and b/epoch_1\.npz have the same"):
        load_run(tmp_path)
    assert steps(load_run(tmp_path, pattern="b/*.npz")) == [1, 2]


def test_two_varying_numbers_are_refused_with_both_shown(tmp_path):
    write(tmp_path, ["a1_10.npz", "a2_20.npz", "a3_15.npz"])
    with pytest.raises(CheckpointError, match=r"ambiguous.*'a': 1, 2, 3.*'a#_': 10, 15, 20"):
        load_run(tmp_path)


def test_no_number_at_all_is_refused(tmp_path):
    write(tmp_path, ["first.npz", "second.npz"])
    with pytest.raises(CheckpointError, match=r"ambiguous.*first\.npz, second\.npz"):
        load_run(tmp_path)


def test_a_file_without_the_index_of_the_others(tmp_path):
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz", "model.npz"])
    with pytest.raises(CheckpointError, match=r"model\.npz has no"):
        load_run(tmp_path)
    np.savez(tmp_path / "model.npz", **weights(1))
    assert steps(load_run(tmp_path)) == [1, 2]


def test_other_shapes(tmp_path):
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz"])
    np.savez(tmp_path / "trials.npz", inputs=np.ones((3, 4)))
    run = load_run(tmp_path)
    assert steps(run) == [1, 2]
    assert any("trials.npz left out" in note for note in run.notes)
    for k in (1, 2):
        np.savez(tmp_path / f"big_epoch_{k}.npz", **weights(k, 9))
    with pytest.raises(CheckpointError, match="groups of different shapes"):
        load_run(tmp_path)


def test_histories_that_grow_do_not_split_the_run(tmp_path):
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz"], losses=lambda k: np.ones(k + 1))
    assert steps(load_run(tmp_path)) == [1, 2]


def test_one_checkpoint(tmp_path):
    run = load_run(write(tmp_path, ["rank1_512.npz"]))
    assert steps(run) == [0]
    assert steps(load_run(write(tmp_path / "b", ["rank1_512_epoch_3.npz"]))) == [3]


def test_damaged_and_empty_folders(tmp_path):
    with pytest.raises(CheckpointError, match="expected checkpoints"):
        load_run(tmp_path)
    with pytest.raises(CheckpointError, match="nothing there"):
        load_run(tmp_path / "absent")
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz"])
    (tmp_path / "epoch_2.npz").write_bytes((tmp_path / "epoch_2.npz").read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"epoch_2\.npz"):
        load_run(tmp_path)


def test_files_that_are_no_checkpoints_are_left_alone(tmp_path):
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz"])
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("train.py", "pass")
    (tmp_path / "main.js").write_text("function{}" * 9)
    (tmp_path / "state.pkl").write_bytes(b"\x80\x02}.")
    np.save(tmp_path / "x0.npy", np.ones(3))
    run = load_run(tmp_path)
    assert steps(run) == [1, 2]
    assert [note.split()[0] for note in run.notes] == ["code.zip"]


# --- lists, dicts, mappings -------------------------------------------------------------------------------------------


def test_lists_of_files(tmp_path):
    write(tmp_path, ["epoch_2.npz", "epoch_10.npz", "b.npz", "a.npz"])
    assert steps(load_run([tmp_path / "epoch_10.npz", tmp_path / "epoch_2.npz"])) == [2, 10]
    run = load_run([tmp_path / "b.npz", tmp_path / "a.npz"])
    assert steps(run) == [0, 1]
    assert run.checkpoints[0].file.endswith("b.npz")
    assert "order of the list" in run.order
    run = load_run({500: tmp_path / "a.npz", 100: tmp_path / "b.npz"})
    assert steps(run) == [100, 500]
    assert run.checkpoints[0].file.endswith("b.npz")


def test_dicts_and_mappings():
    run = load_run([weights(k) for k in range(3)])
    assert (steps(run), run.axis) == ([0, 1, 2], "step")
    assert "order of the list" in run.order
    run = load_run([{"epoch": 5 - k, "loss": 0.1 * k, "model": weights(k)} for k in range(3)])
    assert (steps(run), run.axis) == ([3, 4, 5], "epoch")
    np.testing.assert_allclose(run.metrics.loss, [0.2, 0.1, 0.0])
    run = load_run({200: weights(1), 100: weights(0)})
    assert steps(run) == [100, 200]
    np.testing.assert_array_equal(run.checkpoints[0].read()["m"], weights(0)["m"])


def test_lists_of_numpy_numbers_are_arrays():
    (checkpoint,) = load_run([{"m": [np.float64(1.0), 2], "n": [np.float32(0.5), np.int64(3)]}])
    np.testing.assert_array_equal(checkpoint.read()["m"], [1.0, 2.0])
    np.testing.assert_array_equal(checkpoint.read()["n"], [0.5, 3.0])


def test_torch_state_dicts():
    torch = pytest.importorskip("torch")
    live = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in weights(0).items()}
    np.testing.assert_array_equal(load_run([live]).checkpoints[0].read()["m"], weights(0)["m"])


@pytest.mark.parametrize("source", [[], {}, [3], [weights(0), "a.npz"], {"one": weights(0)}, {True: weights(0)}])
def test_nonsense_is_refused(source):
    with pytest.raises(CheckpointError, match="expected"):
        load_run(source)
    with pytest.raises(CheckpointError, match="different shapes"):
        load_run({1: weights(0), 2: weights(0, 9)})


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_csv_of_more_rows_than_checkpoints(tmp_path):
    write(tmp_path, ["epoch_10.npz", "epoch_20.npz"], loss=lambda k: 99.0)
    rows = "\n".join(f"{k},{1 / k},{k * 2}" for k in range(30, 0, -1))
    (tmp_path / "metrics.csv").write_text(f"epoch, Loss ,grad_norm\n{rows}\n")
    metrics = load_run(tmp_path).metrics
    np.testing.assert_array_equal(metrics.steps, np.arange(1, 31))
    np.testing.assert_array_equal(metrics.loss, 1 / np.arange(1, 31))
    np.testing.assert_array_equal(metrics.grad_norm, 2.0 * np.arange(1, 31))
    assert len(load_run(tmp_path, metrics=False).metrics) == 0


def test_the_only_column_chooses_the_axis(tmp_path):
    write(tmp_path, ["w_10.npz", "w_20.npz"])
    (tmp_path / "metrics.csv").write_text("epoch,loss\n10,1\n20,0.5\n")
    assert load_run(tmp_path).axis == "epoch"
    write(tmp_path / "b", ["x1.npz", "x2.npz"], epoch=lambda k: k, global_step=lambda k: 40 * k)
    (tmp_path / "b" / "metrics.csv").write_text("epoch,loss\n0,1\n1,0.5\n")
    assert steps(load_run(tmp_path / "b")) == [0, 1]


def test_a_column_that_contradicts_the_axis_is_refused(tmp_path):
    write(tmp_path, ["step_10.npz", "step_20.npz"])
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,1\n2,0.5\n")
    with pytest.raises(CheckpointError, match=r"metrics\.csv: the checkpoints count steps.*got epoch"):
        load_run(tmp_path)
    assert load_run(tmp_path, metrics=False).metrics.loss is None


def test_rows_of_a_logger_are_merged_and_contradictions_refused(tmp_path):
    write(tmp_path, ["step_10.npz", "step_20.npz"])
    table = tmp_path / "metrics.csv"
    table.write_text(
        "epoch,step,train_loss_step,train_loss_epoch,val_loss\n0,9,0.5,,\n0,9,,0.6,\n0,9,,,0.7\n1,19,nan,,\n1,19,,0.3,\n"
    )
    metrics = load_run(tmp_path).metrics
    np.testing.assert_array_equal(metrics.steps, [9, 19])
    np.testing.assert_array_equal(metrics.loss, [0.5, np.nan])
    assert metrics.grad_norm is None
    table.write_text("step,loss\n10,1\n10,1\n20,0.5\n")
    assert len(load_run(tmp_path).metrics) == 2
    table.write_text("step,loss\n10,1\n10,2\n")
    with pytest.raises(CheckpointError, match=r"metrics\.csv: expected one value for step 10, got 1\.0 and 2\.0"):
        load_run(tmp_path)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "step,loss\n1,x\n", "step,loss\n1,2,3\n", "step,loss\ninf,2\n"])
def test_damaged_tables(tmp_path, content):
    write(tmp_path, ["step_10.npz", "step_20.npz"])
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(CheckpointError, match=r"metrics\.csv"):
        load_run(tmp_path)


def test_the_half_line_of_a_stopped_run_is_left_out(tmp_path):
    write(tmp_path, ["step_10.npz", "step_20.npz"])
    (tmp_path / "metrics.csv").write_text("step,loss,grad_norm\n10,1,2\n20,0.")
    np.testing.assert_array_equal(load_run(tmp_path).metrics.steps, [10])
    (tmp_path / "metrics.csv").write_text("step,loss\n10,1\n20,0.5")
    np.testing.assert_array_equal(load_run(tmp_path).metrics.steps, [10, 20])
    (tmp_path / "metrics.csv").unlink()
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "loss": 1}\n{"step": 20, "lo')
    np.testing.assert_array_equal(load_run(tmp_path).metrics.steps, [10])


def test_json_lines_and_npz(tmp_path):
    write(tmp_path, ["step_10.npz", "step_20.npz"])
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "loss": 1}\n\n{"step": 20, "loss": NaN, "grad_norm": 2}\n')
    np.testing.assert_array_equal(load_run(tmp_path).metrics.loss, [1, np.nan])
    (tmp_path / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl"):
        load_run(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    np.savez(tmp_path / "metrics.npz", step=np.arange(3), loss=np.arange(3) / 2)
    assert len(load_run(tmp_path)) == 2
    np.testing.assert_array_equal(load_run(tmp_path).metrics.loss, [0, 0.5, 1])


def test_hugging_face_folders(tmp_path):
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    for k, step in enumerate((500, 1000)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file(weights(k), folder / "model.safetensors")
        history = [{"step": s, "epoch": s / 400, "loss": 1 / s, "grad_norm": 0.5} for s in range(100, step + 1, 100)]
        history += [
            {"step": step, "epoch": step / 400, "eval_loss": 3.0},
            {"step": step, "train_loss": 9.0, "train_runtime": 1.0},
        ]
        state = {"global_step": step, "epoch": step / 400, "log_history": history}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    run = load_run(tmp_path)
    assert (run.axis, steps(run)) == ("step", [500, 1000])
    assert run.checkpoints[0].file == "checkpoint-500/model.safetensors"
    np.testing.assert_allclose(run.metrics.loss, 1 / np.arange(100, 1001, 100))


def test_lightning_folders(tmp_path):
    torch = pytest.importorskip("torch")
    for k in range(3):
        state = {name: torch.tensor(array) for name, array in weights(k).items()}
        tree = {"epoch": k, "global_step": 4 * (k + 1), "state_dict": state, "hyper_parameters": {"leak": 0.2}}
        tree["optimizer_states"] = [{"state": {0: {"exp_avg": torch.ones(k + 1)}}, "param_groups": [{"lr": 0.1}]}]
        torch.save(tree, tmp_path / f"epoch={k}-step={4 * (k + 1)}.ckpt")
    torch.save(tree, tmp_path / "last.ckpt")
    torch.save(tree["optimizer_states"][0], tmp_path / "adam.pt")
    run = load_run(tmp_path)
    assert (run.axis, steps(run)) == ("step", [4, 8, 12])
    assert run.settings.leak == 0.2
    assert run.settings.origin["leak"] == "hyper-parameters in epoch=0-step=4.ckpt"
    assert len(run.notes) == 2


# --- settings ---------------------------------------------------------------------------------------------------------


def test_run_json_says_all_of_it(tmp_path):
    run = load_run(describe(write(tmp_path, ["w_10.npz", "w_20.npz"])))
    settings = run.settings
    assert run.axis == "epoch"
    assert (settings.leak, settings.x0, settings.delay, settings.threshold) == (0.5, -0.3, 10.0, 1.0)
    assert (settings.form, settings.scale, settings.kind) == ("rate", 1.0, "low_rank")
    assert settings.mapping == {"m": "m", "n": "n", "b": "b"}
    # A trial of the task lasts 40 iterations; the simulation lasts until at rest.
    assert (settings.task_steps, settings.trial_steps) == (40, None)
    assert settings.origin["leak"] == "run.json"
    assert settings.origin["time"] == "default"


def test_the_recorded_run_of_the_paper():
    run = load_run(Path(__file__).parents[1] / "data" / "fig3a_ghost")
    assert (run.axis, steps(run)[0], steps(run)[-1], run.notes) == ("epoch", 0, 500_000, ())
    assert len(run.metrics) > len(run)
    found = recognize(run.checkpoints[-1].read(), run.settings, run.checkpoints[-1].file)
    assert found.equation == "rate form, rank 1, 100 units: x ← (1 − 0.5)·x + 0.5·tanh(m n x + b)"
    assert found.notes == ()


def test_arguments_beat_run_json_and_say_so(tmp_path):
    describe(write(tmp_path, ["w_10.npz", "w_20.npz"]))
    np.save(tmp_path / "x0.npy", np.arange(UNITS))
    run = load_run(tmp_path, leak=0.25, form="rate", x0=tmp_path / "x0.npy", trial_steps=7, axis="step")
    assert (run.settings.leak, run.settings.trial_steps, run.axis) == (0.25, 7, "step")
    np.testing.assert_array_equal(run.settings.x0, np.arange(UNITS))
    assert run.settings.origin["form"] == "argument"
    assert [note.split(":")[0] for note in run.notes] == ["leak", "x0"]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"schema": 2}),
        json.dumps({"schema": True}),
        json.dumps({"schema": 1, "axis": "day"}),
        json.dumps({"schema": 1, "system": []}),
        json.dumps({"schema": 1, "system": {"leak": "half"}}),
        json.dumps({"schema": 1, "system": {"leak": 10**400}}),
        json.dumps({"schema": 1, "system": {"names": {"m": 1}}}),
        json.dumps({"schema": 1, "trial": {"x0": ["a"]}}),
        json.dumps({"schema": 1, "trial": {"x0": [10**400]}}),
        json.dumps({"schema": 1, "trial": {"x0": True}}),
    ],
)
def test_damaged_run_json(tmp_path, content):
    write(tmp_path, ["w_10.npz", "w_20.npz"])
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"run\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        {"leak": 0.0},
        {"leak": 1.5},
        {"form": "other"},
        {"scale": -1.0},
        {"time": "day"},
        {"delay": 0.0},
        {"trial_steps": 0},
        {"threshold": np.nan},
        {"x0": np.inf},
        {"mapping": {"q": "m"}},
        {"axis": "day"},
        {"x0": "absent.npy"},
    ],
)
def test_options_out_of_range(option):
    with pytest.raises(
        CheckpointError, match=r"absent\.npy" if option.get("x0") == "absent.npy" else next(iter(option))
    ):
        load_run([weights(0)], **option)


# --- the run ----------------------------------------------------------------------------------------------------------


def test_selection_keeps_the_metrics(tmp_path):
    run = load_run(write(tmp_path, [f"epoch_{k}.npz" for k in range(10)], loss=lambda k: 1.0 / (k + 1)))
    chosen = run.select(every=3, start=2, stop=8)
    assert steps(chosen) == [2, 5, 8]
    assert len(chosen.metrics) == 10
    with pytest.raises(CheckpointError, match=r"a checkpoint from 50 \(start.*got epochs 0 to 9"):
        run.select(start=50)
    with pytest.raises(CheckpointError, match="every"):
        run.select(every=0)


def test_content_hash_follows_content_not_place(tmp_path):
    a, b = (load_run(write(tmp_path / name, ["epoch_1.npz", "epoch_2.npz"])) for name in "ab")
    assert a.content_hash() == b.content_hash()
    assert a.content_hash() != load_run(tmp_path / "a", leak=0.5).content_hash()
    assert a.content_hash() != a.select(stop=1).content_hash()


def test_a_hundred_and_twenty_files_load_in_half_a_second(tmp_path):
    write(tmp_path, [f"epoch_{k * 1000}.npz" for k in range(120)], loss=lambda k: 1.0)
    load_run(tmp_path)
    started = time.perf_counter()
    for checkpoint in load_run(tmp_path):
        checkpoint.read()
    assert time.perf_counter() - started < 0.5


def test_arrays_are_not_held(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(20):
        np.savez(tmp_path / f"epoch_{k}.npz", m=rng.normal(size=(20_000, 2)), n=rng.normal(size=(2, 20_000)))
    tracemalloc.start()
    run = load_run(tmp_path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run) == 20
    # One file has 640 kB of weights.
    assert held < 200_000
    assert peak < 2_000_000


def test_a_file_that_changes_after_loading_is_refused(tmp_path):
    run = load_run(write(tmp_path, ["epoch_1.npz", "epoch_2.npz"]))
    hashed = run.content_hash()
    assert [checkpoint.read()["m"].shape for checkpoint in run] == [(UNITS,)] * 2
    np.savez(tmp_path / "epoch_2.npz", **weights(7))
    with pytest.raises(CheckpointError, match=r"epoch_2\.npz: expected the arrays that the run was loaded with"):
        [checkpoint.read() for checkpoint in run]
    assert load_run(tmp_path).content_hash() != hashed


def test_a_digest_taken_while_loading_is_that_of_the_arrays(tmp_path, monkeypatch):
    """Small files are hashed at once, large ones when asked."""
    write(tmp_path, ["epoch_1.npz", "epoch_2.npz"])
    at_once = load_run(tmp_path)
    monkeypatch.setattr("dynaghost.checkpoints.gather.SMALL", 0)
    later = load_run(tmp_path)
    assert [one.digest is None for one in (*at_once, *later)] == [False, False, True, True]
    assert at_once.content_hash() == later.content_hash()


def test_imports_are_light():
    names = "('torch', 'matplotlib', 'networkx', 'scipy.optimize', 'safetensors')"
    program = f"import sys, dynaghost.checkpoints.run; print([n for n in sys.modules if n in {names}])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_weight_may_be_a_list_of_rows():
    lists = [{"W": [[gain, 0.1], [0.0, 0.5]], "b": [0.0, 0.2], "callbacks": [[1, 2], [3, 4]]} for gain in (0.5, 1.5)]
    arrays = [{"W": np.array(one["W"]), "b": np.array(one["b"])} for one in lists]
    read = [[checkpoint.read() for checkpoint in load_run(source)] for source in (lists, arrays)]
    for one, other in zip(*read, strict=True):
        assert list(one) == list(other) == ["W", "b"]
        assert np.array_equal(one["W"], other["W"])


def test_a_row_repeated_without_end_is_refused_at_once():
    row = [1.0] * 1000
    began = time.perf_counter()
    with pytest.raises(CheckpointError, match="10000000 numbers in lists, got more"):
        load_run([{"W": [row] * 100_000, "b": row}])
    assert time.perf_counter() - began < 1
