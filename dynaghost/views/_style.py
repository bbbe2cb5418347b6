"""Colours, markers and line styles: Okabe and Ito's palette, each colour doubled by a shape for black and white."""

from typing import Any

from dynaghost.trajectories.events import EventKind
from dynaghost.views._layout import Role, name

WIDTH = 6.7
"""Width of a figure: 17 cm, in inches."""
DPI = 180

BLUE, SKY, GREEN, ORANGE, RED, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"
GREY = "0.45"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "text.usetex": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "dynaghost",
}
# No dates in files, so that the same findings give the same bytes.
METADATA: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}

LINES: dict[Role, dict[str, Any]] = {
    Role.STABLE: {"color": BLUE, "linestyle": "-", "linewidth": 1.6},
    Role.UNSTABLE: {"color": BLUE, "linestyle": (0, (4, 2)), "linewidth": 1.4},
    Role.UNDECIDED: {"color": BLUE, "linestyle": (0, (6, 2, 1, 2)), "linewidth": 1.4},
    Role.GHOST: {"color": GREEN, "linestyle": (0, (1, 1)), "linewidth": 2.0},
}
POINTS: dict[Role, dict[str, Any]] = {
    Role.STABLE: {"marker": "o", "color": BLUE},
    Role.UNSTABLE: {"marker": "o", "color": BLUE, "markerfacecolor": "white"},
    Role.UNDECIDED: {"marker": "o", "color": BLUE, "markerfacecoloralt": "white", "fillstyle": "left"},
    Role.GHOST: {"marker": "D", "color": GREEN, "markersize": 5.5},
}
EVENTS: dict[EventKind, tuple[str, str]] = {
    EventKind.SADDLE_NODE: ("s", ORANGE),
    EventKind.GHOST_EMERGENCE: ("D", GREEN),
    EventKind.GHOST_DISSOLUTION: ("d", "white"),
    EventKind.PITCHFORK: ("P", PURPLE),
    EventKind.TRANSCRITICAL: ("X", PURPLE),
    EventKind.CUSP: ("*", PURPLE),
    EventKind.HOPF: ("o", ORANGE),
    EventKind.NEIMARK_SACKER: ("o", ORANGE),
    EventKind.FLIP: ("8", ORANGE),
    EventKind.BORDER_COLLISION: ("|", ORANGE),
    EventKind.CAPTURE: ("X", RED),
    EventKind.READOUT_CROSSING: ("^", SKY),
    EventKind.LOSS_DROP: ("v", "black"),
    EventKind.OSCILLATION: ("h", "0.85"),
    EventKind.NO_LEARNING_ZONE: ("p", GREY),
}
RELATIONS: dict[str, dict[str, Any]] = {
    "birth": {"color": "black", "linestyle": "-"},
    "death": {"color": "black", "linestyle": ":"},
    "continuation": {"color": "black", "linestyle": "-."},
    "becomes-ghost": {"color": GREEN, "linestyle": "-."},
    "crosses": {"color": SKY, "linestyle": "-"},
    "changes": {"color": RED, "linestyle": ":"},
    "captures": {"color": RED, "linestyle": (0, (5, 1, 1, 1))},
    "explains": {"color": PURPLE, "linestyle": "--"},
}
SERIES: tuple[dict[str, Any], ...] = (
    {"color": GREEN, "marker": "D", "markersize": 3},
    {"color": PURPLE, "marker": "s", "markersize": 3, "linestyle": "--"},
    {"color": ORANGE, "marker": "^", "markersize": 3, "linestyle": ":"},
    {"color": SKY, "marker": "v", "markersize": 3, "linestyle": "-."},
)
"""Of several ghosts in one picture."""
START: dict[str, Any] = {"color": RED, "linestyle": "-.", "linewidth": 1, "label": "trial's start κ(0)", "zorder": 2}
START_BAR: dict[str, Any] = {
    "marker": "|",
    "color": RED,
    "markersize": 13,
    "markeredgewidth": 2.2,
    "linestyle": "none",
    "label": START["label"],
    "zorder": 4,
}
STRETCH: dict[str, Any] = {
    "color": "0.85",
    "linewidth": 6,
    "solid_capstyle": "butt",
    "label": "from its first to its last step",
    "zorder": 1,
}
PAIR: dict[str, Any] = {"color": GREEN, "alpha": 0.45, "linewidth": 1, "label": "Re z of the complex pair", "zorder": 2}
THRESHOLD: dict[str, Any] = {
    "color": GREY,
    "linestyle": "--",
    "linewidth": 1,
    "label": "readout threshold",
    "zorder": 1,
}
COLOURS = ("viridis", 0.88)
"""Colours of steps, from dark to light also in black and white, and the share of them that is dark enough for paper."""
SPANS: dict[EventKind, dict[str, Any]] = {
    EventKind.LOSS_DROP: {"facecolor": SKY, "alpha": 0.5, "edgecolor": BLUE, "linewidth": 0.6, "label": "loss drop"},
    EventKind.OSCILLATION: {"facecolor": "0.93", "edgecolor": "0.75", "hatch": "////", "label": "oscillation"},
    EventKind.NO_LEARNING_ZONE: {"facecolor": "0.93", "edgecolor": "0.6", "hatch": "..", "label": "no-learning zone"},
}

ON_PAPER: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
"""Behind text that lies on lines."""
GHOST_PAIR, OTHER_PAIR = "complex pair of a ghost", "complex pair without a ghost"
ORDER = [
    *(role.value for role in Role),
    GHOST_PAIR,
    OTHER_PAIR,
    PAIR["label"],
    START["label"],
    THRESHOLD["label"],
    *map(name, EventKind),
]
"""Of the entries of a legend; the rest comes after."""
LOST: dict[str, Any] = {
    "marker": "4",
    "color": "black",
    "markersize": 7,
    "linestyle": "none",
    "label": "could not be followed further",
    "zorder": 5,
}
