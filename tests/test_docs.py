"""The pages are built, warnings being errors; they need no network, and every public name has its entry."""

import inspect
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.summary import schema

ROOT = Path(__file__).parents[1]
PAGES = ("index", "toy_model", "slow_points", "my_checkpoints", "memory_gru", "training_loop", "getting_unstuck")
PAGES += ("cluster_sweep", "gallery", "mathematics", "formats", "api", "peers", "citing")


class Page(HTMLParser):
    """What a page loads, and how many formulas it has."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.formulas, self.ids = [], 0, set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.ids.add(known.get("id"))
        self.formulas += tag == "math"
        if tag in ("script", "img", "iframe", "source"):
            self.loaded.append(known.get("src") or "")
        if tag == "link" and known.get("rel") not in ("canonical", "index", "search", "next", "prev", "author"):
            self.loaded.append(known.get("href") or "")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Without running the tutorials, which tests/test_tutorials.py does."""
    out = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", str(out / "doctrees")]
    command += ["-D", "nb_execution_mode=off", str(ROOT / "tutorials"), str(out / "html")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stderr
    return {path.stem: path.read_text(encoding="utf-8") for path in (out / "html").glob("*.html")}


def test_all_pages_are_there(pages):
    assert set(PAGES) <= set(pages)
    scripts = {path.stem for path in (ROOT / "tutorials").glob("*.py") if path.read_text().startswith("# %%")}
    assert scripts <= set(PAGES)


def test_pages_load_nothing_from_a_network(pages):
    for name, text in pages.items():
        found = Page(text)
        assert found.loaded, name
        assert [address for address in found.loaded if re.match(r"(https?:)?//", address)] == [], name


def test_formulas_are_mathml(pages):
    counts = {name: Page(text).formulas for name, text in pages.items()}
    assert counts["mathematics"] >= 40
    assert min(counts["toy_model"], counts["slow_points"], counts["formats"]) >= 2
    assert not any(re.search(r"<script[^>]*(mathjax|katex)", text, re.IGNORECASE) for text in pages.values())


def test_every_public_name_has_its_entry(pages):
    ids = Page(pages["api"]).ids
    names = {name for name in dg.__all__ if name not in ("__version__", "plot")}
    known = {entry.rpartition(".")[2] for entry in ids if entry and entry.startswith("dynaghost.")}
    assert names - known == set()
    pictures = re.findall(r"^from dynaghost\.views\.\w+ import \w+ as (\w+)$", _plot_source(), re.MULTILINE)
    assert len(pictures) >= 10
    assert {*pictures, "figures"} - known == set()


def test_every_public_function_says_what_it_takes_and_has_an_example():
    from dynaghost.views import plot

    functions = {name: getattr(dg, name) for name in dg.__all__ if inspect.isfunction(getattr(dg, name))}
    functions |= {name: found for name, found in vars(plot).items() if _is_ours(found)}
    assert len(functions) > 25
    for name, function in functions.items():
        text = inspect.getdoc(function)
        assert "Examples\n--------\n>>> " in text, name
        assert "Parameters\n----------\n" in text, name
        assert "Returns\n-------\n" in text, name


def test_the_run_json_of_the_page_on_formats_is_read(tmp_path):
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "tutorials" / "formats.md").read_text(), re.DOTALL)
    (tmp_path / "run.json").write_text(text)
    for epoch in (1, 2):
        np.savez(tmp_path / f"epoch_{epoch}.npz", **{"h2h.weight": epoch * np.eye(2), "h2h.bias": np.zeros(2)})
    run = dg.load_run(tmp_path)
    given = run.settings
    assert (run.axis, given.leak, given.x0, given.delay, given.threshold) == ("epoch", 0.5, -0.3, 10.0, 1.0)
    assert dict(given.mapping) == {"W": "h2h.weight", "b": "h2h.bias"}
    assert {given.origin[name] for name in ("leak", "form", "activation", "mapping", "x0")} == {"run.json"}


def _is_ours(found):
    return inspect.isfunction(found) and found.__module__.startswith("dynaghost") and found.__name__[0] != "_"


def _plot_source():
    return (ROOT / "dynaghost" / "views" / "plot.py").read_text(encoding="utf-8")


def test_every_field_of_the_schema_is_on_its_page(pages):
    document = schema()
    parts = [document, *document["$defs"].values()]
    fields = {name for part in parts for name in part.get("properties", {})}
    assert len(fields) > 40
    assert {name for name in fields if f'<span class="pre">{name}</span>' not in pages["formats"]} == set()


def test_the_page_on_formats_names_what_is_recognized(pages):
    from dynaghost.checkpoints import layers, low_rank_names, metrics

    text = re.sub(r"<[^>]*>", "", pages["formats"])
    names = {name for pair in low_rank_names.PAIRS for name in pair[:2]} | set(layers._OWN_BIAS) | set(metrics.NAMES)
    assert {name for name in names if name not in text} == set()


def test_the_example_of_the_front_page_runs(pages, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "seed7").symlink_to(ROOT / "data" / "fig3b_stuck")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "tutorials" / "index.md").read_text(), re.DOTALL)
    exec(compile(code, "index.md", "exec"), {"print": lambda *told: json.dumps([str(one) for one in told])})


def test_the_version_to_cite_is_this_one():
    assert f"version = {{{dg.__version__}}}" in (ROOT / "tutorials" / "citing.md").read_text(encoding="utf-8")
