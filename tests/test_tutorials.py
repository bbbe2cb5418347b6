"""Every tutorial runs as it is, warnings being errors, ends in asserts, and shows pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "tutorials"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.read_text(encoding="utf-8").startswith("# %%"))
FIRST, LAST = "# %% [markdown]\n# # ", "## What to take with you"


def cells(text):
    """(is code, text) of every cell."""
    parts = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
    return [(not part.startswith(" [markdown]"), part.partition("\n")[2]) for part in parts]


def test_all_are_here():
    assert {"gallery.py", "toy_model.py", "slow_points.py", "my_checkpoints.py", "memory_gru.py"} <= set(SCRIPTS)
    assert {"getting_unstuck.py", "cluster_sweep.py"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs(name, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parent)}
    command = [sys.executable, "-W", "error", str(FOLDER / name)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_reads_as_a_tutorial(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    code = [cell for is_code, cell in cells(text) if is_code]
    assert text.startswith(FIRST)
    assert "assert " in code[-1]
    assert name == "gallery.py" or LAST in text
    assert sum(bool(re.search(r"\.figure$|plt\.subplots", cell, re.MULTILINE)) for cell in code) >= 1


def test_every_public_picture_is_in_the_gallery():
    import dynaghost as dg

    public = {name for name, value in vars(dg.plot).items() if callable(value) and hasattr(value, "__code__")}
    pictures = {name for name in public if not name.startswith("_")} - {"figures", "rc_context"}
    text = (FOLDER / "gallery.py").read_text(encoding="utf-8")
    assert len(pictures) >= 10
    assert {name for name in pictures if f"= dg.plot.{name}(" not in text} == set()
