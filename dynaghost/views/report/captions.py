"""What stands above and below the pictures."""

from collections.abc import Sequence
from html import escape

from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views.report import fields
from dynaghost.views.report.checkpoints import drawn_eigenvalues
from dynaghost.views.report.thinning import drawn_graph
from dynaghost.views.report.words import relations

_FLOWS = {
    1: ("Latent flow", "f(κ) of the latent circuit: it moves to the right where the curve is above zero."),
    2: (
        "Phase portrait",
        "Short lines follow the flow and are longer where it is fast; the greener, the slower. The curves are the "
        "nullclines, on which one coordinate stands still.",
    ),
}
_UNIT = ("Flow", "f(x) of the single unit: its state moves to the right where the curve is above zero.")
_SPACE = (
    "Slow points",
    "Fixed points and ghosts in the two leading principal components of all slow points of the run.",
)


def explorer(findings: Findings, number: int, indices: Sequence[int], runs: int, whose: str = "") -> dict[str, str]:
    """What the template of the part with the slider asks for; `indices` are those of the shown checkpoints, and `whose`
    tells the run from others on the page, to a screen reader."""
    total, drawn = len(findings.steps), findings.description.dim == 1 or bool(findings.circuits)
    title, caption = _flow(findings) if drawn else _SPACE
    count = len(indices)
    left_out = f" Of {total} checkpoints {count} are shown, those around events among them." if count < total else ""
    is_map = findings.description.time == "map"
    return {
        "number": str(number),
        "whose": escape(whose),
        "along_title": f"{findings.description.axis.capitalize()} by {findings.description.axis}",
        "left_out": left_out,
        "flow_title": title,
        "flow_label": f"{title} at the chosen checkpoint; the text and the table say what it shows",
        "flow_caption": caption + _trials_drawn(findings),
        "spectrum_title": "Multipliers" if is_map else "Eigenvalues",
        "spectrum_caption": _spectrum_caption(findings, indices, runs),
        "timeline_caption": _timeline_caption(findings),
        "graph_caption": _graph_caption(findings),
        "relations": relations(findings),
    }


def _flow(findings: Findings) -> tuple[str, str]:
    dim = findings.description.dim
    return _UNIT if dim == 1 and layout.letter(findings) == "x" else _FLOWS.get(dim, _SPACE)


def _trials_drawn(findings: Findings) -> str:
    if findings.description.dim == 1:
        latent = findings.description.coordinates == "latent"
        return " A ghost's speed is that of the whole network, not of κ." if latent else ""
    if fields.paths(findings, 0):
        return " Red: states that trials visit, from where each starts (a square)."
    return " No trial is known, and none is drawn."


def _spectrum_caption(findings: Findings, indices: Sequence[int], runs: int) -> str:
    where = "inside the circle" if findings.description.time == "map" else "to the left of the line"
    stable = f"A fixed point is stable where all lie {where}. Ghosts have no stability."
    drawn = drawn_eigenvalues(findings, indices, runs)
    if drawn >= findings.description.dim:
        return stable
    return f"{stable} Drawn are the {drawn} of each fixed point that have the greatest growth."


def _graph_caption(findings: Findings) -> str:
    if drawn_graph(findings):
        return "A lane is a branch, a column an event, in the order of training."
    size = f"events: {len(findings.events)}, branches: {len(findings.branches)}"
    return f"The graph is too large for a picture ({size}); graph.graphml has it."


def _timeline_caption(findings: Findings) -> str:
    line = layout.coordinate(findings)
    what = "the first principal component of all slow points" if line == "PC 1" else line
    pairs = " Below, how far each complex pair is from the real axis: the nearer, the longer its ghost takes to pass."
    return (
        f"Branches as {what}.{pairs if findings.pairs else ''} Curves are thinned to what a screen shows, with their "
        "extremes kept; the numbers in tables and text are not."
    )
