"""Pictures of what was found about a run: one function a picture, `ax=None` in, `Axes` out.

Without axes of your own you get a new figure, `ax.figure`, which a notebook shows and `ax.figure.savefig` writes.
`overview` and `flow_panels` put several pictures into a figure of their own; `figures` writes a run's pictures as
files. No function touches pyplot or its settings. Colours are those of Okabe and Ito, and each is doubled by a marker
or a line style, so that a print in black and white says the same.
"""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib import rc_context

from dynaghost.errors import DynaghostError
from dynaghost.trajectories.findings import Findings
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style
from dynaghost.views.flow import flow as flow
from dynaghost.views.flow import latent_flow as latent_flow
from dynaghost.views.lanes import event_graph as event_graph
from dynaghost.views.pairs import complex_plane as complex_plane
from dynaghost.views.pairs import distance_to_axis as distance_to_axis
from dynaghost.views.panels import flow_panels as flow_panels
from dynaghost.views.panels import overview as overview
from dynaghost.views.states import eigenvalues as eigenvalues
from dynaghost.views.states import phase_portrait as phase_portrait
from dynaghost.views.states import slow_points as slow_points
from dynaghost.views.training import branches as branches
from dynaghost.views.training import gradient_norm as gradient_norm
from dynaghost.views.training import loss as loss
from dynaghost.views.training import passage_times as passage_times


def figures(findings: Findings, out: str | PathLike[str], *, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """The pictures of a run as files.

    `flow` (drawn by `flow_panels`), `branches` and `branches_focus` (by `overview`), `complex_plane`, `event_graph`.
    In many dimensions `states`, `eigenvalues` and, in two, `phase_portrait` of the last checkpoint take the place of
    `flow`; there is a `complex_plane` where a ghost has a pair.

    The same findings give the same bytes. `branches_focus` shows the stretch in which most happens, and is left out
    where nothing does.

    Parameters
    ----------
    findings : Findings
    out : path
        A folder, made where there is none.
    formats : sequence of {"png", "pdf", "svg"}

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    DynaghostError
        If a format is none of the three.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [0.0]}])
    >>> with TemporaryDirectory() as out:
    ...     [path.name for path in figures(findings, out, formats=["png"])]
    ['flow.png', 'branches.png', 'complex_plane.png', 'event_graph.png']
    """
    layout.analysis(findings)
    unknown = [suffix for suffix in formats if suffix not in style.METADATA]
    if unknown:
        raise DynaghostError(f"formats: expected some of {', '.join(style.METADATA)}, got {', '.join(unknown)}")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _pictures(findings):
        with rc_context(style.STYLE):
            # Laid out once, so that every format shows the same; the width of a text depends on the resolution.
            figure.set_dpi(style.DPI)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for suffix in formats:
                written.append(folder / f"{name}.{suffix}")
                figure.savefig(written[-1], dpi=style.DPI, metadata=style.METADATA[suffix])
    return written


def _pictures(findings: Findings) -> Iterator[tuple[str, Any]]:
    if findings.description.dim == 1:
        yield "flow", flow_panels(findings)
    else:
        yield from _of_the_last(findings)
    yield "branches", overview(findings)
    if (focus := layout.focus(findings)) is not None:
        yield "branches_focus", overview(findings, focus=focus)
    if findings.description.dim == 1 or findings.pairs:
        yield "complex_plane", complex_plane(findings).figure
    yield "event_graph", event_graph(findings).figure


def _of_the_last(findings: Findings) -> Iterator[tuple[str, Any]]:
    """Pictures of the last checkpoint of a run in many dimensions, with its trials, as far as there is what to draw."""
    points, visited = findings.points[-1], findings.visited(findings.steps[-1])
    if points.points:
        yield "states", slow_points(points, visited=visited).figure
    if points.fixed_points:
        yield "eigenvalues", eigenvalues(points).figure
    if findings.description.dim == 2 and findings.circuits:
        paths = () if visited is None else tuple(visited)
        yield "phase_portrait", phase_portrait(findings.circuits[-1], points, paths=paths).figure
