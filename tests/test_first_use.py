"""The first minutes: demo, completion, what is being compiled, short displays, and errors that say what to do."""

import os
import shutil
import subprocess
import sys

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
