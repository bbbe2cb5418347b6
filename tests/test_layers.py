"""Who may import whom, and where each third-party library and each line of output has its place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("dynaghost/**/*.py"))

# In the order of imports: a room, and a file in it, imports from what stands above. A file that is not named stands
# where its room stands, and has no order inside it. The package's own __init__ is the top and may import anything.
ROOMS = {
    "version": "",
    "errors": "",
    "display": "",
    "series": "",
    "codec": "",
    "columns": "",
    "packed": "",
    "workers": "",
    "kernels": "",
    "systems": "base activation toy low_rank recurrent gated module trials",
    "slowpoints": "search_outcome records certify complexified stability line_search scalar complete search find",
    "checkpoints": "formats settings run_json run low_rank_names recognize",
    "trajectories": "homotopy turns branches trial pairs symmetry drops oscillations course events line_captures "
    "line_events verdict graph findings queries compare chance",
    "summary": "",
    "told": "",
    "tables": "",
    "database": "",
    "run_tables": "",
    "stored_circuits": "",
    "same_run": "",
    "store": "",
    "saved": "",
    "collected": "",
    "collection_store": "",
    "export": "",
    "views": "_style _axes flow training pairs lanes states panels plot report text",
    "flows": "",
    "analysis": "",
    "collection": "",
    "compat": "",
    "monitor": "schedule folder weights watch background loggers recorder lightning hugging_face",
    "training": "",
    "sweep": "",
    "paper": "",
    "cli": "",
}
STRANGERS = {("checkpoints", "slowpoints")} | {
    ("training", room) for room in ROOMS if room not in ("errors", "kernels")
}

PICTURES = " ".join(
    f"views/{name}.py" for name in ["_axes", "flow", "training", "pairs", "lanes", "states", "panels", "plot"]
)

# A library, the only places that import it (a folder ends in a slash), and whether only inside functions.
FENCES = {
    "numba": ("kernels/", False),
    "llvmlite": ("kernels/", False),
    "flint": ("slowpoints/certify.py slowpoints/balls.py", False),
    "networkx": ("trajectories/graph.py", False),
    "matplotlib": (f"{PICTURES} paper/", False),
    "click": ("cli/", False),
    "torch": ("training/ systems/module.py systems/autograd.py checkpoints/ monitor/", True),
    "pytorch_lightning": ("monitor/lightning.py", True),
    "lightning": ("monitor/lightning.py", True),
    "transformers": ("monitor/hugging_face.py", True),
}
NO_TORCH = {"checkpoints/run.py", "checkpoints/recognize.py"}  # of checkpoints/, only what reads old files
OUTPUT = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}


def imported(tree: ast.AST, package: str, late: bool = False) -> Iterator[tuple[str, bool]]:
    """Every module that a file names in an import, and whether it is loaded only when a function runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            yield from ((name if is_module(name := f"{origin}.{a.name}") else origin, late) for a in node.names)
        yield from imported(node, package, late or not_at_import(node))


def not_at_import(node: ast.AST) -> bool:
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    return typing_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def is_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "dynaghost" and (f"{'/'.join(parts)}.py" in FILES or f"{'/'.join(parts)}/__init__.py" in FILES)


def goes_up(importer: str, target: str) -> bool:
    """Whether `target` stands above `importer`, both dotted and without the package's name."""
    (room, _, file), (other, _, other_file) = importer.partition("."), target.partition(".")
    if room != other:
        order = list(ROOMS)
        return other in order and order.index(other) < order.index(room) and (room, other) not in STRANGERS
    order = ROOMS[room].split()
    if not other_file:  # its own room's __init__, which knows every file of the room
        return False
    return not (file in order and other_file in order) or order.index(other_file) < order.index(file)


def fenced_out(place: str, library: str, late: bool) -> bool:
    places, only_late = FENCES.get(library, ("", False))
    inside = any(place == p or (p.endswith("/") and place.startswith(p)) for p in places.split())
    return library in FENCES and (not inside or (only_late and not late) or (library == "torch" and place in NO_TORCH))


def broken_rules(path: str, source: str) -> list[str]:
    place, tree = path.removeprefix("dynaghost/"), ast.parse(source)
    importer = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if importer.partition(".")[0] not in ROOMS:
        return [f"{path} has no place in the order"]
    package = path.rpartition("/")[0].replace("/", ".")
    broken = []
    for name, late in imported(tree, package):
        library, _, target = name.partition(".")
        if (library == "dynaghost" and not goes_up(importer, target)) or fenced_out(place, library, late):
            broken.append(f"{path} imports {name}" + " late" * late)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return broken + [f"{path} calls {name}" for name in sorted(calls & OUTPUT) if not place.startswith("cli/")]


@pytest.mark.parametrize("path", [path for path in FILES if path != "dynaghost/__init__.py"])
def test_rules_hold(path):
    assert broken_rules(path, (ROOT / path).read_text(encoding="utf-8")) == []


ALLOWED = [
    ("systems/low_rank.py", "from dynaghost.systems.base import System\nfrom dynaghost.systems.new import helper"),
    ("systems/new.py", "from . import base"),
    ("slowpoints/find.py", "from dynaghost.slowpoints import certify, records"),
    ("training/tasks.py", "from dynaghost.kernels import sums\ndef f():\n    import torch"),
    ("checkpoints/legacy.py", "def f():\n    from torch.serialization import x"),
    ("monitor/weights.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
    ("analysis.py", "class Analysis:\n    def save(self):\n        from dynaghost.store import save"),
    ("sweep.py", "from dynaghost.training import tasks\nfrom dynaghost.analysis import analyze"),
    ("paper/figure1.py", "from matplotlib import rc_context\nfrom dynaghost.views import _style"),
    ("cli/new.py", "import click\nprint(1)\nclick.echo(2)"),
]
FORBIDDEN = [
    ("systems/base.py", "from dynaghost.systems.low_rank import LowRankRNN"),
    ("systems/base.py", "from . import toy"),
    ("systems/base.py", "def f():\n    from dynaghost.slowpoints import find"),
    ("slowpoints/scalar.py", "import dynaghost.slowpoints.find"),
    ("slowpoints/find.py", "from dynaghost.checkpoints import run"),
    ("checkpoints/run.py", "from ..slowpoints.records import FixedPoint"),
    ("slowpoints/records.py", "from dynaghost.slowpoints import find_slow_points"),
    ("analysis.py", "from dynaghost import training"),
    ("views/text.py", "import dynaghost"),
    ("training/tasks.py", "from dynaghost.systems import LowRankRNN"),
    ("training/tasks.py", "import torch"),
    ("sweep.py", "from dynaghost.paper import figure"),
    ("errors.py", "import numba"),
    ("slowpoints/scalar.py", "def f():\n    from flint import arb"),
    ("trajectories/events.py", "import networkx as nx"),
    ("views/report.py", "def f():\n    import matplotlib.pyplot as plt"),
    ("checkpoints/recognize.py", "def f():\n    import torch"),
    ("systems/module.py", "from torch import nn"),
    ("analysis.py", "print(1)"),
    ("helpers.py", ""),
]


@pytest.mark.parametrize(("place", "source"), ALLOWED)
def test_what_the_rules_allow(place, source):
    assert broken_rules(f"dynaghost/{place}", source) == []


@pytest.mark.parametrize(("place", "source"), FORBIDDEN)
def test_what_the_rules_forbid(place, source):
    assert len(broken_rules(f"dynaghost/{place}", source)) == 1


def test_the_package_imports_silently_and_without_the_heavy_libraries():
    code = "import sys, dynaghost; print([name for name in ('torch', 'matplotlib', 'networkx') if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("[]\n", "")
