"""What a user gets: the wheel's files, its metadata, and a light import."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("dynaghost-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive
    shutil.rmtree(ROOT / "build", ignore_errors=True)


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert all(top == "dynaghost" or top.endswith(".dist-info") for top in tops)
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dynaghost").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_the_wheel_is_typed_and_has_the_schema(wheel):
    assert {"dynaghost/py.typed", "dynaghost/analysis.schema.json"} <= set(wheel.namelist())


def test_the_wheel_has_the_parts_of_the_report(wheel):
    folder = ROOT / "dynaghost" / "views" / "report"
    parts = {path.relative_to(ROOT).as_posix() for path in folder.iterdir() if path.suffix in (".html", ".css", ".js")}
    assert len(parts) > 5
    assert parts <= set(wheel.namelist())


def test_metadata_asks_for_a_safe_torch_and_leaves_the_build_to_the_user(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    metadata = wheel.read(name).decode()
    assert "Requires-Dist: torch>=2.10" in metadata
    assert "License-Expression: MIT" in metadata


def test_import_is_light_and_silent():
    heavy = ("torch", "matplotlib", "networkx", "numba", "numpy")
    code = f"import sys, dynaghost; print([name for name in {heavy!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (shown.stdout.strip(), shown.stderr) == ("[]", "")


def test_every_public_name_is_there():
    import dynaghost

    assert all(getattr(dynaghost, name) is not None for name in dynaghost.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dynaghost.nonsense  # noqa: B018 - the access is what is tested
