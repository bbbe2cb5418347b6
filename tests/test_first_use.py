"""The first minutes: demo, completion, what is being compiled, short displays, and errors that say what to do."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from numba import njit

from dynaghost import cli
from dynaghost.cli import options
from dynaghost.kernels.machine import tell_of_compilations


def test_the_demo_shows_the_commands_it_runs_and_where_to_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli.commands, ["demo", "--out", "a demo"])
    assert ended.exit_code == 0, ended.output
    assert "$ dynaghost analyze 'a demo/run' --out 'a demo/results' --plots --report" in ended.output
    assert "through a ghost [ghost, proved]" in ended.output
    named = ["a demo/results/report.html", "a demo/results/branches.png", "a demo/run/epoch_38000.npz"]
    assert all(name in ended.output and (tmp_path / name).is_file() for name in named)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_of_the_shell(shell):
    ended = CliRunner().invoke(cli.commands, ["completion", shell])
    assert ended.exit_code == 0
    assert f"{shell}_complete" in ended.output
    assert "_DYNAGHOST_COMPLETE" in ended.output


@pytest.mark.parametrize("shell", [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)])
def test_the_script_is_one_that_the_shell_reads(shell):
    script = CliRunner().invoke(cli.commands, ["completion", shell]).output
    checked = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_command_completes_what_the_script_asks():
    code = "import sys; sys.argv[0] = 'dynaghost'; from dynaghost.cli import main; main()"
    asked = {"_DYNAGHOST_COMPLETE": "bash_complete", "COMP_WORDS": "dynaghost ana", "COMP_CWORD": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True)
    assert ended.stdout.split() == ["plain,analyze"]


def test_what_is_compiled_is_told_once_a_file_and_not_what_it_calls():
    called = njit(lambda x: x + 1)

    @njit
    def first(x):
        return called(x)

    second, third = njit(lambda x: 2 * x), njit(lambda x: 3 * x)
    told = []
    end = tell_of_compilations(told.append)
    first(1.0), first(2.0), second(1.0)
    assert told == ["test_first_use"]
    end()
    third(1.0)
    assert told == ["test_first_use"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_what_is_compiled(terminal, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with options.compiling_told():
        njit(lambda x: 5 * x)(1.0)
    said = "compiling for this machine, once: the kernels in test_first_use\n"
    assert capsys.readouterr().err == (said if terminal else "")


def weights(units=3, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=units) for name in "mnb"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a new user's mistakes are made: a folder of checkpoints and what goes wrong with it."""
    monkeypatch.chdir(tmp_path)

    def fill(files):
        for name, arrays in files.items():
            path = tmp_path / "run" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(arrays) if isinstance(arrays, str) else np.savez(path, **arrays)

    return fill


DIVERGED = {**weights(), "b": np.array([0.0, np.nan, 0.0])}
MISTAKES = {
    "wrong path": ({}, ["analyze", "nowhere"], "expected a folder that exists, or a pattern, got 'nowhere'"),
    "no checkpoints": ({"notes.txt": "x"}, ["analyze", "run"], "got none: it holds notes.txt"),
    "a file for a folder": ({"epoch_0.npz": weights()}, ["analyze", "run/epoch_0.npz"], "dynaghost inspect FILE"),
    "a folder for a file": ({"epoch_0.npz": weights()}, ["inspect", "run"], "got the folder run: analyze it"),
    "results before analysis": ({"epoch_0.npz": weights()}, ["plot", "run"], "dynaghost analyze writes them"),
    "unknown architecture": ({"epoch_0.npz": {"foo": np.eye(3)}}, ["analyze", "run"], "--map W=NAME,b=NAME"),
    "wrong layer": (
        {"epoch_0.npz": {"enc.weight_hh": np.eye(3), "dec.weight_hh": np.eye(3)}},
        ["analyze", "run", "--layer", "rnn"],
        "layer: expected one of",
    ),
    "names without order": ({"a.npz": weights(), "b.npz": weights(seed=1)}, ["analyze", "run"], "order is ambiguous"),
    "weights that diverged": ({"epoch_0.npz": weights(), "epoch_1.npz": DIVERGED}, ["analyze", "run"], "--to STEP"),
    "not a checkpoint": ({"epoch_0.pt": "hello"}, ["analyze", "run"], "cut short, or another format"),
}


@pytest.mark.parametrize(("files", "arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_first_mistake_is_told_with_what_to_do(files, arguments, said, folder, monkeypatch, capsys):
    folder(files)
    monkeypatch.setattr(sys, "argv", ["dynaghost", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (1, 2)
    assert said in capsys.readouterr().err


def test_what_is_missing_but_no_mistake_is_said_with_the_answer(folder):
    folder({"epoch_0.npz": weights(), "epoch_1.npz": weights(seed=1), "epoch_2.npz": weights(4)})
    told = CliRunner().invoke(cli.commands, ["analyze", "run"]).output
    assert "note: the leak is not known (leak, --leak)" in told
    assert "note: epoch_2.npz left out: its arrays have other shapes than the rest" in told
    assert "no losses are known, so no verdict: put a metrics.csv" in told


def test_one_checkpoint_is_counted_as_one(folder):
    folder({"epoch_0.npz": weights()})
    told = CliRunner().invoke(cli.commands, ["analyze", "run"]).output
    assert "fixed points proved complete on the whole line at 1 of 1 checkpoint, ghosts at 1" in told
