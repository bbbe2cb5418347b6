"""What the paper's figures have in common: their size, their panels, how they are written."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynaghost.paper.figure import write
from dynaghost.views import _style as style

COLOURS = (style.BLUE, style.RED, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
"""Of series, in order; each is doubled by a line style or a marker."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))


def new_figure(height: float, *, width: float = style.WIDTH) -> Figure:
    """An empty figure of the house's width, in inches, that lays itself out."""
    with rc_context(style.STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, out: Path, name: str) -> list[Path]:
    """Write `name`.png and `name`.pdf, each whole or not at all; the same figure gives the same bytes."""
    files = []
    for kind in ("png", "pdf"):
        stream = io.BytesIO()
        with rc_context(style.STYLE):
            figure.savefig(stream, format=kind, dpi=style.DPI, metadata=style.METADATA[kind])
        files.append(out / f"{name}.{kind}")
        write(files[-1], stream.getvalue())
    return files


def finish(axes: Sequence[Axes], *, letters: str = "") -> None:
    """No frame above and to the right; a letter above each panel."""
    for i, ax in enumerate(axes):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7, width=0.6)
        if i < len(letters):
            ax.set_title(letters[i], loc="left", fontweight="bold", fontsize=9)
