"""The command line: what each option does, what is written, what goes to stderr, and how it ends."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dynaghost import cli
from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.summary import document
from dynaghost.sweep import load_sweep
from dynaghost.training import trainer as library
from dynaghost.training.noise import Noise
from dynaghost.training.schedule import parse_schedule
from dynaghost.training.tasks import TASKS
from dynaghost.version import VERSION

DATA = Path(__file__).parents[1] / "data"
PLAIN = {"analysis.db", "analysis.json", "graph.graphml", "graph.json"}
PICTURES = {"flow", "branches", "branches_focus", "complex_plane", "event_graph"}
TRIAL = ("--leak", "0.5", "--x0", "-0.3", "--threshold", "1", "--delay", "10")
HEAVY = ("numpy", "scipy", "numba", "torch", "flint", "matplotlib", "networkx", "tqdm")


@pytest.fixture
def dynaghost(monkeypatch, capfd):
    """The command in this process: exit status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["dynaghost", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capfd.readouterr()

    return call


def process(*arguments, cwd):
    """The command as a process of its own, piped."""
    command = [sys.executable, "-c", "from dynaghost.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def weights(epoch):
    with np.load(DATA / "fig3b_stuck" / f"epoch_{epoch}.npz") as file:
        return {name: file[name] for name in "mnb"}


def folder(path, change=lambda arrays: arrays, epochs=range(5000, 5301, 50)):
    """Checkpoints of figure 3B around its events, without run.json."""
    path.mkdir()
    for epoch in epochs:
        np.savez(path / f"epoch_{epoch}.npz", **change(weights(epoch)), epoch=epoch)
    shutil.copy(DATA / "fig3b_stuck" / "metrics.csv", path)
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("runs") / "bare")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the same checkpoints give with their run.json."""
    described = folder(tmp_path_factory.mktemp("runs") / "described")
    shutil.copy(DATA / "fig3b_stuck" / "run.json", described)
    return parts(document(analyze(described)))


def parts(summary):
    summary = json.loads(json.dumps(summary))
    return {name: summary[name] for name in ("checkpoints", "points", "events", "verdicts")}


def written(out):
    return json.loads((out / "analysis.json").read_text())


# What is written


def test_analyze_writes_what_is_documented_and_tells_the_rest(dynaghost, tmp_path):
    status, out, err = dynaghost("analyze", DATA / "fig3b_stuck", "--out", tmp_path / "results")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "results").iterdir()} == PLAIN
    assert str(tmp_path / "results") in out
    assert "no_learning_zone" in out
    assert written(tmp_path / "results") == json.loads(json.dumps(document(analyze(DATA / "fig3b_stuck"))))


def test_plots_are_written_when_asked_for_and_later(dynaghost, tmp_path):
    for epoch, bias in enumerate((0.1, 0.3)):
        np.savez(tmp_path / f"epoch_{epoch}.npz", m=[1.5], n=[1.0], b=[bias])
    pictures = {f"{name}.{suffix}" for name in PICTURES for suffix in ("png", "pdf")}
    status, out, err = dynaghost("analyze", tmp_path, "--plots", "--out", tmp_path / "at once")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "at once").iterdir()} == PLAIN | pictures
    assert all(name in out for name in pictures)
    assert dynaghost("analyze", tmp_path, "--out", tmp_path / "later")[0] == 0
    assert {path.name for path in (tmp_path / "later").iterdir()} == PLAIN
    status, out, err = dynaghost("plot", tmp_path / "later")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "later").iterdir()} == PLAIN | pictures


def test_results_lie_beside_the_caller_by_default(dynaghost, bare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dynaghost("analyze", bare)[0] == 0
    assert {path.name for path in (tmp_path / "bare-dynaghost").iterdir()} == PLAIN
    monkeypatch.chdir(bare)
    assert dynaghost("analyze", ".", "--out", tmp_path / "dot")[0] == 0
    assert not list(bare.glob("*dynaghost*"))


def test_the_same_command_again_changes_nothing(dynaghost, bare, tmp_path):
    first = dynaghost("analyze", bare, "--out", tmp_path)[1]
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    (tmp_path / "graph.graphml").unlink()
    again = [dynaghost("analyze", bare, "--out", tmp_path)[1] for _ in range(2)]
    assert again == [first.rstrip("\n") + ", as they were: nothing was to be done\n"] * 2
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == {name: content for name, (_, content) in before.items()} | {"analysis.db": after["analysis.db"]}


def test_other_losses_are_another_answer(dynaghost, bare, tmp_path):
    """Weights and settings are the same, so that what is proved is kept, but there is something to do."""
    run = shutil.copytree(bare, tmp_path / "run")
    assert dynaghost("analyze", run, "--out", tmp_path / "out")[0] == 0
    assert len(written(tmp_path / "out")["verdicts"]) == 1
    (run / "metrics.csv").write_text("epoch,loss\n5000,1.0\n5300,1.0\n")
    status, out, _ = dynaghost("analyze", run, "--out", tmp_path / "out")
    assert (status, "nothing was to be done" in out) == (0, False)
    assert written(tmp_path / "out")["verdicts"] == []


def test_results_of_another_run_are_kept(dynaghost, bare, tmp_path):
    assert dynaghost("analyze", bare, "--out", tmp_path)[0] == 0
    before = (tmp_path / "analysis.json").read_bytes()
    status, out, err = dynaghost("analyze", bare, *TRIAL, "--out", tmp_path)
    assert (status, out) == (1, "")
    assert "leak None there, 0.5 here" in err
    assert (tmp_path / "analysis.json").read_bytes() == before


# Options


def test_options_say_what_run_json_would(dynaghost, bare, expected, tmp_path):
    assert dynaghost("analyze", bare, *TRIAL, "--out", tmp_path)[0] == 0
    assert parts(written(tmp_path)) == expected
    assert expected["verdicts"][0]["evidence"]["delay"] == 10
    assert {event["kind"] for event in expected["events"]} >= {"saddle_node", "capture", "readout_crossing"}


def test_an_initial_state_can_be_a_file(dynaghost, bare, expected, tmp_path):
    np.save(tmp_path / "x0.npy", np.full(100, -0.3))
    options = ("--leak", "0.5", "--x0", tmp_path / "x0.npy", "--threshold", "1", "--delay", "10")
    assert dynaghost("analyze", bare, *options, "--out", tmp_path / "out")[0] == 0
    found = parts(written(tmp_path / "out"))
    assert found["points"] == expected["points"]
    for one, other in zip(found["events"], expected["events"], strict=True):
        assert one == other | {"at": one["at"]}
        assert one["at"] == pytest.approx(other["at"], abs=1e-8)


def test_arrays_of_other_names_are_mapped(dynaghost, expected, tmp_path):
    renamed = folder(tmp_path / "renamed", lambda a: {"left": a["m"], "right": a["n"], "offset": a["b"]})
    options = (*TRIAL, "--map", "m=left,n=right,b=offset", "--out", tmp_path / "out")
    assert dynaghost("analyze", renamed, *options)[0] == 0
    assert parts(written(tmp_path / "out")) == expected


def test_connectivity_that_acts_on_rows_is_transposed(dynaghost, expected, tmp_path):
    """r ← r W with W = m n acts by n on the right, so the two vectors change places."""
    rows = folder(tmp_path / "rows", lambda a: {"m": a["n"], "n": a["m"], "b": a["b"]})
    assert dynaghost("analyze", rows, *TRIAL, "--transpose", "--out", tmp_path / "out")[0] == 0
    assert parts(written(tmp_path / "out")) == expected


def test_a_scale_multiplies_the_connectivity(dynaghost, expected, tmp_path):
    scaled = folder(tmp_path / "scaled", lambda a: a | {"m": a["m"] * 4})
    assert dynaghost("analyze", scaled, *TRIAL, "--scale", "0.25", "--out", tmp_path / "out")[0] == 0
    assert parts(written(tmp_path / "out")) == expected


def test_the_current_form_has_the_same_points_with_another_metric(dynaghost, bare, expected, tmp_path):
    assert dynaghost("analyze", bare, *TRIAL, "--form", "current", "--out", tmp_path)[0] == 0
    found = written(tmp_path)
    assert [p["x"] for p in found["points"]] == [p["x"] for p in expected["points"]]
    assert "current form" in found["run"]["system"]


@pytest.mark.parametrize(("leak", "rate"), [("0.5", 0.5), ("0.25", 0.25)])
def test_maps_count_in_iterations(dynaghost, tmp_path, leak, rate):
    for epoch in (0, 1):
        np.savez(tmp_path / f"epoch_{epoch}.npz", m=[1.5], n=[1.0], b=[0.2075465])
    for time in ("flow", "map"):
        options = ("--time", time, "--leak", leak, "--out", tmp_path / time)
        assert dynaghost("analyze", tmp_path, *options)[0] == 0
    flow, map_ = (next(p for p in written(tmp_path / t)["points"] if p["kind"] == "ghost") for t in ("flow", "map"))
    assert map_["passage_time"] == pytest.approx(flow["passage_time"] / rate, rel=1e-3)


def test_a_trial_has_as_many_steps_as_asked_for(dynaghost, bare, tmp_path):
    states = []
    for steps in ("2", "40"):
        out = tmp_path / steps
        assert dynaghost("analyze", bare, *TRIAL, "--trial-steps", steps, "--out", out)[0] == 0
        assert written(out)["run"]["trial"]["steps"] == int(steps)
        states.append(written(out)["verdicts"][0]["evidence"]["visited"])
    (low, high), (lower, higher) = states
    assert higher - lower > high - low


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (("--every", "2"), [5000, 5100, 5200, 5300]),
        (("--from", "5100"), [5100, 5150, 5200, 5250, 5300]),
        (("--to", "5100"), [5000, 5050, 5100]),
        (("--from", "5050", "--to", "5200", "--every", "3"), [5050, 5200]),
    ],
)
def test_checkpoints_are_chosen(dynaghost, bare, tmp_path, options, steps):
    assert dynaghost("analyze", bare, *options, "--out", tmp_path)[0] == 0
    assert [checkpoint["step"] for checkpoint in written(tmp_path)["checkpoints"]] == steps


def test_a_table_that_counts_something_else_has_a_way_through(dynaghost, tmp_path):
    run = folder(tmp_path / "run")
    (run / "metrics.csv").write_text("step,loss\n5000,1.0\n5300,0.5\n")
    status, _, err = dynaghost("analyze", run, "--out", tmp_path / "a")
    assert (status, "--axis" in err, "--no-metrics" in err) == (1, True, True)
    assert dynaghost("analyze", run, "--no-metrics", "--out", tmp_path / "a")[0] == 0
    assert dynaghost("analyze", run, "--axis", "step", "--out", tmp_path / "b")[0] == 0
    found = [{c["step"]: c["loss"] for c in written(tmp_path / out)["checkpoints"]} for out in "ab"]
    assert [one[5000] for one in found] == [None, 1.0]
    assert [written(tmp_path / out)["run"]["axis"] for out in "ab"] == ["epoch", "step"]


def test_jobs_change_nothing(dynaghost, tmp_path):
    for jobs in ("1", "2"):
        assert dynaghost("analyze", DATA / "fig3b_stuck", "--jobs", jobs, "--out", tmp_path / jobs)[0] == 0
    for name in PLAIN - {"analysis.db"}:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


# How it ends


def test_a_damaged_checkpoint_is_named(dynaghost, tmp_path):
    damaged = folder(tmp_path / "damaged")
    path = damaged / "epoch_5100.npz"
    path.write_bytes(path.read_bytes()[:300])
    status, out, err = dynaghost("analyze", damaged, "--out", tmp_path / "out")
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert "epoch_5100.npz" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "analysis.json").exists()


def test_a_weight_that_is_no_number_is_named(dynaghost, tmp_path):
    poisoned = folder(tmp_path / "poisoned")
    arrays = weights(5150)
    arrays["m"][3] = np.nan
    np.savez(poisoned / "epoch_5150.npz", **arrays, epoch=5150)
    status, _, err = dynaghost("analyze", poisoned, "--out", tmp_path / "out")
    assert status == 1
    assert "epoch_5150.npz" in err


@pytest.mark.parametrize(
    "arguments",
    [("analyze", "{empty}"), ("plot", "{empty}"), ("inspect", "{text}"), ("analyze", "{text}")],
    ids=lambda a: " ".join(a),
)
def test_input_of_no_use_ends_with_1_and_its_name(dynaghost, tmp_path, arguments):
    places = {"empty": tmp_path / "nothing", "text": tmp_path / "notes.npz"}
    places["empty"].mkdir()
    places["text"].write_text("no checkpoint")
    status, out, err = dynaghost(*(argument.format(**places) for argument in arguments))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert any(path.name in err for path in places.values())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "/nowhere"),
        ("analyze", DATA, "--form", "square"),
        ("analyze", DATA, "--jobs", "0"),
        ("analyze", DATA, "--every", "0"),
        ("analyze", DATA, "--metrics", DATA / "fig3b_stuck" / "metrics.csv", "--no-metrics"),
        ("analyze", DATA, "--x0", "minus"),
        ("analyze", DATA, "--map", "m=a,q=b"),
        ("analyze", DATA, "--unknown"),
        ("train", "juggling", "--out", "x", "--lr", "1", "--epochs", "1", "--seed", "1"),
        ("train", "delayed-activation", "--out", "x"),
        ("nothing",),
    ],
    ids=lambda a: " ".join(map(str, a[-2:])),
)
def test_wrong_usage_ends_with_2(dynaghost, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    status, out, err = dynaghost(*arguments)
    assert (status, out) == (2, "")
    assert "Usage:" in err
    assert not list(tmp_path.iterdir())


INTERRUPTED = """
import os, signal, sys
import dynaghost.analysis as analysis
# A job that was started in the background inherits a SIGINT that is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
compute = analysis.compute_batch
def interrupted(i, *task):
    if i == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return compute(i, *task)
analysis.compute_batch = interrupted
from dynaghost.cli import main
main()
"""


def test_an_interrupted_analysis_goes_on_where_it_was(dynaghost, tmp_path, monkeypatch):
    call = [sys.executable, "-c", INTERRUPTED, "analyze", str(DATA / "fig3b_stuck"), "--out", str(tmp_path / "a")]
    ended = subprocess.run(call, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "interrupted" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["analysis.db"]
    status, _, err = dynaghost("plot", tmp_path / "a")
    assert status == 1
    assert "interrupted" in err

    import dynaghost.analysis as analysis

    computed, compute = [], analysis.compute_batch
    monkeypatch.setattr(analysis, "compute_batch", lambda i, *task: computed.append(i) or compute(i, *task))
    assert dynaghost("analyze", DATA / "fig3b_stuck", "--out", tmp_path / "a")[0] == 0
    assert computed == [1]
    assert dynaghost("analyze", DATA / "fig3b_stuck", "--out", tmp_path / "b")[0] == 0
    assert computed == [1, 0, 1]
    for name in PLAIN - {"analysis.db"}:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


LOST = """
import os, signal
from dynaghost.checkpoints.formats import Reader
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupting:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
read = Reader.read
def reading(self, path):
    if "5150" in str(path):
        Interrupting()
    return read(self, path)
Reader.read = reading
from dynaghost.cli import main
main()
"""


def test_an_interruption_inside_a_finalizer_is_not_lost(bare, tmp_path):
    call = [sys.executable, "-c", LOST, "analyze", str(bare), "--out", str(tmp_path / "a")]
    ended = subprocess.run(call, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.strip() == "interrupted; the same command goes on from here"


def test_nothing_but_results_when_piped(bare, tmp_path):
    ended = process("analyze", bare, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.rstrip().endswith("results in bare-dynaghost")
    assert "\r" not in ended.stdout


def test_progress_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [sys.executable, "-c", "from dynaghost.cli import main; main()"]
    child = subprocess.Popen(
        [*command, "analyze", str(DATA / "fig3b_stuck"), "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that the other end was closed
        pass
    os.close(ours)
    assert child.wait() == 0
    text = shown.decode()
    assert "64/121" in text
    assert "checkpoint/s" in text


def test_a_pipe_that_closes_early_is_no_accident(bare, tmp_path):
    command = f"{sys.executable} -c 'from dynaghost.cli import main; main()' analyze {bare} --out {tmp_path}/out | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("analyze",), ("inspect",), ("plot",), ("train",), ("info",)])
def test_help_is_light(arguments):
    code = (
        "import sys\nfrom dynaghost.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print('loaded', [name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code, *arguments, "--help"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage:" in ended.stdout
    assert ended.stdout.endswith("loaded []\n")


def test_no_description_of_a_command_is_cut():
    text = CliRunner().invoke(cli.commands, ["--help"], terminal_width=80).output
    told = text[text.index("Commands:") : text.index("Exit status")].strip().splitlines()[1:]
    assert len(told) == len(cli.commands.commands)
    assert all(line.endswith(".") and not line.endswith("...") and len(line) <= 80 for line in told)


def test_help_documents_every_exit_status():
    text = CliRunner().invoke(cli.commands, ["--help"]).output
    status = text[text.index("Exit status") :]
    assert all(number in status for number in ("0 if", "1 if", "2 for", "130 when"))


def test_version():
    result = CliRunner().invoke(cli.commands, ["--version"])
    assert (result.exit_code, result.output) == (0, f"dynaghost {VERSION}\n")


# The other commands


def test_inspect_tells_what_a_file_holds_and_its_slow_points():
    result = CliRunner().invoke(cli.commands, ["inspect", str(DATA / "fig3b_stuck" / "epoch_6000.npz")])
    assert result.exit_code == 0
    assert "m (100,) float32" in result.output
    assert "epoch = 6000" in result.output
    assert result.output.count("exists_unique") == 3
    assert "index sum 1" in result.output


def test_inspect_takes_the_same_options(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, u=[4.0], v=[1.0])
    options = ["--map", "m=u,n=v", "--scale", "0.5", "--leak", "0.25"]
    result = CliRunner().invoke(cli.commands, ["inspect", str(path), *options])
    assert result.exit_code == 0
    # f = −κ + tanh 2κ: slope 1 at 0, and so the multiplier 1 + 0.25.
    assert "λ = 1 per τ, multiplier 1.25" in result.output


def test_inspect_tells_the_period_and_takes_all_of_them(tmp_path):
    np.savez(tmp_path / "layer.npz", weight_hh_l0=np.eye(2) * 0.5, weight_ih_l0=np.ones((2, 1)), bias_hh_l0=np.zeros(2))
    inputs = np.array([[[1.0]] * 3 + [[0.0]] * 3, [[-1.0]] * 3 + [[0.0]] * 3])
    np.savez(tmp_path / "trials.npz", inputs=inputs, initial=np.zeros((2, 2)))
    files = ["inspect", str(tmp_path / "layer.npz"), "--trials", str(tmp_path / "trials.npz")]
    told = CliRunner().invoke(cli.commands, files).output
    assert "note: period period 1 of the trials (steps 3 to 6 of 6), input 0, in 2 of 2 trials" in told
    told = CliRunner().invoke(cli.commands, [*files, "--period", "all"]).output
    for period, value in ((0, "1"), (0, "-1"), (1, "0")):
        assert re.search(rf"note: period period {period} of the trials .*, input {value}[ ,(]", told)
    assert told.count("fixed point at") == 3


TRAIN = ("train", "delayed-activation", "--lr", "0.02", "--epochs", "200", "--seed", "3", "--save-every", "50")


def test_a_trained_run_can_be_analyzed_at_once(dynaghost, tmp_path):
    status, _, err = dynaghost(*TRAIN, "--units", "20", "--format", "pt", "--out", tmp_path / "run")
    assert (status, err) == (0, "")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"run.json", "metrics.csv", *(f"epoch_{e}.pt" for e in range(0, 201, 50))}
    assert dynaghost("analyze", tmp_path / "run", "--out", tmp_path / "out")[0] == 0
    found = written(tmp_path / "out")
    assert found["run"]["units"] == 20
    assert found["run"]["trial"] == {"x0": -0.3, "steps": None, "delay": 10.0, "threshold": 1.0}
    run = load_run(tmp_path / "run")
    assert [c["loss"] for c in found["checkpoints"]] == [
        float(run.metrics.loss[run.metrics.steps == c["step"]][0]) for c in found["checkpoints"]
    ]


def test_training_options_reach_the_task(dynaghost, tmp_path):
    options = ("--delay-steps", "8", "--steps", "20", "--leak", "0.25", "--confidence", "3", "--x0", "0.1")
    assert dynaghost(*TRAIN, *options, "--threshold", "0.5", "--dtype", "float32", "--out", tmp_path)[0] == 0
    told = json.loads((tmp_path / "run.json").read_text())
    trial = {"x0": 0.1, "steps": 20, "delay": 2.0, "delay_steps": 8, "threshold": 0.5, "confidence": 3.0}
    assert told["trial"].items() >= trial.items()
    assert (told["system"]["leak"], told["training"]["dtype"]) == (0.25, "float32")
    with np.load(tmp_path / "epoch_200.npz") as file:
        assert file["m"].dtype == np.float32


SMALL = ("--units", "6", "--seed", "3", "--save-every", "2")
DESCENT = {"learning_rate": 0.02, "epochs": 4}
# Options beside the task and those of SMALL, the task's values, and what the library takes.
TRAININGS = {
    "--rank 3": ("delayed-activation", {}, {"rank": 3}),
    "--rank full": ("delayed-activation", {}, {"rank": "full"}),
    "--readout trained": ("delayed-activation", {}, {"readout": "trained"}),
    "--train-confidence --confidence 3": ("delayed-activation", {"confidence": 3.0}, {"trains_confidence": True}),
    "--initial-noise 0.1": ("delayed-activation", {}, {"noise": Noise(3, initial=0.1)}),
    "--process-noise 0.1 --noise-seed 5": ("delayed-activation", {}, {"noise": Noise(5, process=0.1)}),
    "--process-noise 0.1 --same-noise": ("delayed-activation", {}, {"noise": Noise(3, process=0.1, fresh=False)}),
    "--schedule 2x10@0.02,2x1@0.1": (
        "delayed-activation",
        {},
        {"schedule": parse_schedule("2x10@0.02,2x1@0.1"), "learning_rate": None, "epochs": None},
    ),
    "--rounding-seed 2": ("delayed-activation", {}, {"rounding_seed": 2}),
    "--cue-steps 3": ("cue-discrimination", {"cue_steps": 3}, {}),
    "--delay-steps 4 --response-steps 5": ("cue-discrimination", {"delay_steps": 4, "response_steps": 5}, {}),
    "--repeats 2": ("match-to-sample", {"repeats": 2}, {}),
    "--spread 0": ("match-to-sample", {"spread": 0.0}, {}),
    "--trial-seed 7 --leak 0.25": ("match-to-sample", {"seed": 7, "leak": 0.25}, {}),
    "--rank full --metrics-every 3": ("match-to-sample", {}, {"rank": "full", "metrics_every": 3}),
}


@pytest.mark.parametrize("options", TRAININGS)
def test_an_option_of_training_reaches_the_trainer(dynaghost, tmp_path, options):
    """The same bytes as the library's, and other ones than without the option."""
    name, values, asked = TRAININGS[options]
    length = () if "--schedule" in options else ("--lr", "0.02", "--epochs", "4")
    assert dynaghost("train", name, *SMALL, *length, *options.split(), "--out", tmp_path / "a")[0] == 0
    common = {"units": 6, "seed": 3, "save_every": 2, **DESCENT}
    library.train(TASKS[name](**values), out=tmp_path / "b", **{**common, **asked})
    library.train(TASKS[name](), out=tmp_path / "c", **common)
    a, b, c = ({path.name: path.read_bytes() for path in (tmp_path / x).iterdir()} for x in "abc")
    assert a == b
    assert all(a[file] != c[file] for file in ("epoch_4.npz", "run.json"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("delayed-activation", "--schedule", "5x10"), "EPOCHSxCONFIDENCE@RATE|epochs x confidence @ learning rate"),
        (("delayed-activation", "--schedule", "5x10@0.1", "--lr", "0.1"), "--lr"),
        (("delayed-activation", "--lr", "0.1"), "--epochs"),
        (("delayed-activation", "--lr", "nan", "--epochs", "2"), "--lr.*above 0, got nan"),
        (("delayed-activation", "--lr", "0.1", "--epochs", "2", "--rank", "half"), "--rank.*full"),
        (("delayed-activation", "--lr", "0.1", "--epochs", "2", "--spread", "1"), "--spread.*delayed-activation"),
        (("delayed-activation", "--lr", "0.1", "--epochs", "2", "--steps", "3"), "steps must be more than"),
        (("delayed-activation", "--lr", "0.1", "--epochs", "2", "--noise-seed", "3"), "--noise-seed"),
        (("match-to-sample", "--lr", "0.1", "--epochs", "2", "--x0", "1"), "--x0.*match-to-sample"),
        (("match-to-sample", "--lr", "0.1", "--epochs", "2", "--save-at", f"0:{10**15}:1"), "--save-at.*at most"),
        (("match-to-sample", "--lr", "0.1", "--epochs", "2", "--units", str(2**70)), "--units.*got 1180591"),
        (("match-to-sample", "--lr", "0.1", "--epochs", "2", "--leak", "2"), "--leak.*at most 1, got 2"),
    ],
)
def test_training_that_makes_no_sense_is_wrong_usage(dynaghost, tmp_path, arguments, named):
    status, out, err = dynaghost("train", *arguments, "--seed", "1", "--out", tmp_path / "run")
    assert (status, out) == (2, "")
    assert re.search(named, " ".join(err.split()))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("train", "delayed-activation", "--seed", "1", "--lr", "1e308", "--epochs", "9"), "learning_rate .--lr"),
        (("train", "delayed-activation", "--seed", "1", "--lr", "1", "--epochs", "9", "--units", 10**13), "units"),
        (("train", "match-to-sample", "--seed", "1", "--lr", "1", "--epochs", "9", "--repeats", 10**13), "memory"),
        (("train", "match-to-sample", "--seed", "1", "--schedule", "9x1@1"), "schedule.*CueLowRankNetwork"),
        (("sweep", "--lr", "1", "--epochs", 10**16, "--seeds", "1"), "memory"),
        (("analyze", DATA / "fig3b_stuck", "--pattern", "**x"), "pattern .--pattern.*'[*][*]x'"),
        (("analyze", DATA / "fig3b_stuck", "--pattern", "/etc/*"), "pattern .--pattern.*'/etc/[*]'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_ends_with_1_and_one_line(dynaghost, tmp_path, arguments, named):
    status, out, err = dynaghost(*arguments, "--out", tmp_path / "run")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert re.match(f"error: .*{named}", err)


def test_a_sweep_of_trained_readouts_with_checkpoints(dynaghost, tmp_path):
    options = ("--lr", "0.1", "--epochs", "4", "--units", "6", "--seeds", "1", "--ranks", "1,2")
    status, _, err = dynaghost("sweep", *options, "--out", tmp_path / "fixed")
    assert (status, "ranks" in err) == (1, True)
    command = ("sweep", *options, "--readout", "trained", "--save-every", "2", "--out", tmp_path / "a")
    status, out, _ = dynaghost(*command)
    assert (status, out) == (0, f"2 runs in {tmp_path / 'a'}\n")
    assert [row.rank for row in load_sweep(tmp_path / "a").rows] == [1, 2]
    runs = sorted((tmp_path / "a" / "runs").iterdir())
    assert len(runs) == 2
    for run in runs:
        assert [checkpoint.step for checkpoint in load_run(run)] == [0, 2, 4]
        assert json.loads((run / "run.json").read_text())["trial"]["readout_weights"] == "w_out"


def test_another_run_does_not_overwrite_the_first(dynaghost, tmp_path):
    assert dynaghost(*TRAIN, "--out", tmp_path)[0] == 0
    status, _, err = dynaghost(*TRAIN[:-1], "100", "--out", tmp_path)
    assert status == 1
    assert "save_every (50 there, 100 asked)" in err
    assert dynaghost(*TRAIN, "--out", tmp_path)[0] == 0


def test_info_names_versions_and_the_machine():
    result = CliRunner().invoke(cli.commands, ["info"])
    assert result.exit_code == 0
    assert f"dynaghost {VERSION}" in result.output
    assert f"numpy {np.__version__}" in result.output
    assert "kernels:" in result.output


@pytest.mark.parametrize(
    "command", [["train", "delayed-activation", "--seed", "1", "--lr", "0.1", "--epochs", "1"], ["demo"]]
)
def test_a_place_that_cannot_be_written_is_named(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["dynaghost", *command, "--out", str(tmp_path / "file" / "x")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith(f"error: {tmp_path / 'file' / 'x'}")
    assert told.endswith("got Not a directory")
