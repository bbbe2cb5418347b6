"""One HTML file from findings: the template filled in, its policy, and the file written."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any

from dynaghost.errors import DynaghostError, counted
from dynaghost.summary import plain, software
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _style as style
from dynaghost.views.report import background, captions, collection, words
from dynaghost.views.report.payload import payload
from dynaghost.views.report.thinning import shown

MOST = 1001
"""Checkpoints that a page shows at most: a thousand epochs and their beginning; a page of many shows so many in all."""
LEAST = 12
"""Checkpoints that each run of a page of many shows at least."""
MOST_RUNS = 100
"""Runs of a page of many that have a section; all are in its table."""
_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Code points that change the direction in which text is written."""
SCRIPTS = ("draw.js", "flow.js", "spectrum.js", "timeline.js", "graph.js", "telling.js", "app.js")


def report(findings: Findings, path: str | PathLike[str], *, title: str | None = None) -> Path:
    """Write one HTML file that shows a run: verdicts, every checkpoint's flow, branches, events, and what is proved.

    The file needs nothing else: it forbids its browser every request. The same findings give the same bytes. Of more
    than 1001 checkpoints it shows 1001, those around events among them, and says so. `report.html#epoch=6600` opens at
    the checkpoint nearest to that epoch.

    Parameters
    ----------
    findings : Findings
    path : path
        The file to write; its folder is made where there is none.
    title : str, optional
        By default the name of the run's folder.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    DynaghostError
        If the path is that of a folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> with TemporaryDirectory() as out:
    ...     "two fixed points annihilated" in report(findings, f"{out}/report.html").read_text(encoding="utf-8")
    True
    """
    heading = _name(findings) if title is None else title
    indices = shown(findings, MOST)
    content = _before(findings, 0, indices, 1) + _after(findings, None, indices) + _part(*_words([findings]))
    summary = words.question() + words.subject(findings) + words.answers(findings)
    return _write(path, heading, summary, content, [payload(findings, indices)])


def report_collection(
    runs: Sequence[tuple[str, Findings]],
    path: str | PathLike[str],
    *,
    title: str = "Collection of runs",
    failed: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write one HTML file that shows many runs: a table of all, and each of the first 100 as a section that opens.

    Parameters
    ----------
    runs : sequence of (str, Findings)
        A name for each run, and what was found about it.
    path : path
        The file to write; its folder is made where there is none.
    title : str
    failed : sequence of (str, str), optional
        Name of each run that could not be analyzed, and why: they are listed below the table.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    DynaghostError
        If there is no run, or the path is that of a folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> runs = [(name, analyze([{"m": [1.5], "n": [1.0], "b": [b]}])) for name, b in (("first", 0.0), ("second", 0.3))]
    >>> with TemporaryDirectory() as out:
    ...     page = report_collection(runs, f"{out}/report.html").read_text(encoding="utf-8")
    >>> 'href="#run-1"' in page
    True
    """
    if not runs:
        raise DynaghostError("runs: expected at least one run, got none")
    runs = [(name if name.strip() else f"run {k + 1}", findings) for k, (name, findings) in enumerate(runs)]
    open_to = runs[:MOST_RUNS]
    most = max(MOST // len(open_to), LEAST)
    chosen = [shown(findings, most) for _, findings in open_to]
    parts = [_folded(name, f, k, chosen[k], len(open_to)) for k, (name, f) in enumerate(open_to)]
    overview = f"<section>{collection.table(runs, MOST_RUNS)}</section>"
    if failed:
        overview += _part(f"Not analyzed: {counted(len(failed), 'run')}", collection.not_analyzed(failed))
    content = f"{overview}{''.join(parts)}{_part(*_words([findings for _, findings in open_to]))}"
    told = f", and {len(failed)} that could not be analyzed" if failed else ""
    summary = f"{words.question()}<p>{escape(counted(len(runs), 'run'))}{told}</p>"
    data = [payload(findings, indices, len(open_to)) for (_, findings), indices in zip(open_to, chosen, strict=True)]
    return _write(path, title, summary, content, data)


def _folded(name: str, findings: Findings, number: int, indices: Sequence[int], runs: int) -> str:
    """A run of a page of many, which opens when it is asked for."""
    whose = f", run {number + 1}, {name}"
    parts = _before(findings, number, indices, runs, whose) + _after(findings, number, indices, whose)
    return (
        f'<details class="run many" id="run-{number}"><summary>{escape(name)}</summary>'
        f"{words.answers(findings)}{parts}</details>"
    )


def _name(findings: Findings) -> str:
    return findings.description.source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _before(findings: Findings, number: int, indices: Sequence[int], runs: int, whose: str = "") -> str:
    return Template(_text("run.html")).substitute(captions.explorer(findings, number, indices, runs, whose))


def _after(findings: Findings, link: int | None, indices: Sequence[int], whose: str = "") -> str:
    """The text of a run below its pictures."""
    parts = [
        ("Verdicts and their evidence", words.verdicts(findings, link, indices)),
        ("Events", words.events(findings, link, indices, whose)),
        ("What is proved, and what is not", background.proofs(findings)),
        ("The run", background.about(findings)),
    ]
    return "".join(_part(*part) for part in parts)


def _words(runs: Sequence[Findings]) -> tuple[str, str]:
    kinds = {event.kind for findings in runs for event in findings.events}
    return "Words", background.glossary(runs[0].description.time, kinds)


def _part(heading: str, content: str) -> str:
    return f"<section><h2>{heading}</h2>\n{content}</section>\n"


def _write(path: str | PathLike[str], heading: str, summary: str, content: str, runs: list[dict[str, Any]]) -> Path:
    target = Path(path)
    if target.is_dir():
        raise DynaghostError(f"path: expected a file to write, got the folder {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    page = Template(_text("page.html")).substitute(
        policy=_policy(),
        version=escape(software()["dynaghost"]),
        title=escape(f"{heading} – dynaghost"),
        style=_style(),
        heading=escape(heading),
        summary=summary,
        content=content,
        software=escape(", ".join(f"{name} {version}" for name, version in software().items())),
        data=_data(runs),
        script=_script(),
    )
    # Marks that turn the direction of text would let a file's name turn sentences of the page.
    page = page.translate(dict.fromkeys(_TURNING, "\ufffd"))
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(page, encoding="utf-8", newline="\n")
    os.replace(temporary, target)
    return target


def _data(runs: list[dict[str, Any]]) -> str:
    """As JSON that no text of a file can end: a `<` in it is written as an escape."""
    text = json.dumps(plain({"runs": runs}), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


@cache
def _text(name: str) -> str:
    return files("dynaghost.views.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return '(() => {\n"use strict";\n' + "\n".join(map(_text, SCRIPTS)) + "})();\n"


@cache
def _style() -> str:
    names = ("blue", "sky", "green", "orange", "red", "purple")
    return Template(_text("page.css")).substitute({name: getattr(style, name.upper()) for name in names})


@cache
def _policy() -> str:
    """What the page may load: its own style and script, known by their hashes, and pictures that it makes itself."""
    own = f"script-src {_hash(_script())}; style-src {_hash(_style())}; img-src data:"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
