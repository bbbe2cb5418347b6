"""What the README says is executed: its Python, its commands' names, and the command that CI runs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_after(marker):
    return re.search(rf"<!-- {marker} -->\n```\n(.*?)\n```", README, re.DOTALL).group(1)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_runs_as_written(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "out" / "analysis.json").exists()


def test_each_command_is_one_line():
    assert all("\n" not in code_after(f"{which} command") for which in ("main", "test"))


def test_ci_runs_the_test_command_of_the_readme():
    shown = subprocess.run(["bash", ".ci/run", "--show"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == code_after("test command")


def test_every_command_mentioned_exists():
    from dynaghost.cli import commands

    assert set(re.findall(r"(?:^|`|/)dynaghost ([a-z]+)", README, re.MULTILINE)) <= set(commands.commands)


def test_pictures_exist():
    assert all((ROOT / path).exists() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))
