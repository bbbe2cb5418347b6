"""Figure 1: the toy flow ẋ = x² + r on either side of its saddle-node."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.paper.claims import Claim, claim, near
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.toy import SaddleNode
from dynaghost.views import _style as style

SIDES = {"right": 0.25, "left": -0.25}
"""r > 0 and r < 0."""
THRESHOLD = 1.2
"""x*, for the eye."""


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Slow points and a simulated trial on both sides; nothing here is random or takes long."""
    x = np.linspace(-1.5, 1.5, 301)
    values = {name: _side(r) for name, r in SIDES.items()}
    table = {"x": x, **{f"flow_{name}": x * x + r for name, r in SIDES.items()}}
    return Numbers("1", {"r": SIDES, "x0": 0.0, "threshold": THRESHOLD}, values, {"flow": table})


def _side(r: float) -> dict[str, object]:
    points = find_slow_points(SaddleNode(r))
    return {
        "fixed_points": [float(point.x[0]) for point in points.fixed_points],
        "stable": [point.stable for point in points.fixed_points],
        "ghosts": [[float(ghost.x[0]), ghost.speed] for ghost in points.ghosts],
        "complete": points.complete and points.ghosts_complete,
        "trial": _trial(r),
    }


def _trial(r: float) -> list[float]:
    """Time and x at which a simulated trial from 0 is past 10⁶, or at rest."""
    from scipy.integrate import solve_ivp

    def escaped(t: float, x: np.ndarray) -> float:
        return float(x[0]) - 1e6

    escaped.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(lambda t, x: x * x + r, (0, 60), [0.0], events=escaped, rtol=1e-10, atol=1e-12)
    return [float(found.t[-1]), float(found.y[0, -1])]


def claims(numbers: Numbers) -> list[Claim]:
    right, left = numbers.values["right"], numbers.values["left"]
    r, deep = numbers.parameters["r"]["right"], numbers.parameters["r"]["left"]
    root, t = math.sqrt(-deep), math.pi / (2 * math.sqrt(r))
    return [
        claim(
            "1",
            f"r = {r}: no fixed point on the whole line, one ghost at 0 with speed r (proved)",
            f"0; [[0, {r}]]",
            f"{len(right['fixed_points'])}; {right['ghosts']}",
            right["complete"] and not right["fixed_points"] and right["ghosts"] == [[0.0, r]],
        ),
        claim(
            "1",
            f"r = {deep}: two fixed points at ±√−r, the lower one stable, no ghost (proved)",
            f"[{-root:g}, {root:g}]",
            left["fixed_points"],
            left["complete"]
            and np.allclose(left["fixed_points"], [-root, root], rtol=1e-12)
            and left["stable"] == [True, False]
            and not left["ghosts"],
        ),
        near("1", f"r = {r}: from x(0) = 0 to ∞ at t* = π/(2√r)", t, right["trial"][0], relative=1e-5),
        near("1", f"r = {deep}: from x(0) = 0 to −√−r", -root, left["trial"][1], absolute=1e-6),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    with rc_context(style.STYLE):
        figure = new_figure(2.5)
        axes = figure.subplots(1, 2, sharey=True)
        for ax, name in zip(axes, SIDES, strict=True):
            _draw_side(ax, numbers, name)
        axes[0].set_ylabel("ẋ = x² + r")
        finish(axes)
        handles = {label: h for ax in axes for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5)
        return save_figure(figure, out, "figure1")


def _draw_side(ax: Axes, numbers: Numbers, name: str) -> None:
    flow, found, r = numbers.tables["flow"], numbers.values[name], numbers.parameters["r"][name]
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.plot(flow["x"], flow[f"flow_{name}"], color="black", linewidth=1.4)
    for x, stable in zip(found["fixed_points"], found["stable"], strict=True):
        face = style.BLUE if stable else "white"
        label = "stable fixed point" if stable else "unstable fixed point"
        ax.plot(
            x, 0, "o", color=style.BLUE, markerfacecolor=face, markersize=7, label=label, zorder=4, linestyle="none"
        )
    for x, speed in found["ghosts"]:
        ax.plot(x, speed, label="ghost", **_point("D", style.GREEN))
    end = THRESHOLD + 0.2 if r > 0 else found["fixed_points"][0] + 0.08
    arrow = {"arrowstyle": "-|>", "color": style.RED, "linewidth": 1.6, "mutation_scale": 13}
    ax.annotate("", (end, -0.12), (0, -0.12), arrowprops=arrow, zorder=5)
    ax.plot(0, -0.12, "o", color=style.RED, markersize=6, label="start x(0) = 0", linestyle="none", zorder=6)
    ax.axvline(
        numbers.parameters["threshold"], label="x*", **{k: v for k, v in style.THRESHOLD.items() if k != "label"}
    )
    ax.text(THRESHOLD + 0.04, -0.52, "output 1", fontsize=7, color=style.GREY)
    ax.text(THRESHOLD - 0.04, -0.52, "output 0", fontsize=7, color=style.GREY, ha="right")
    ax.set(xlabel="x", ylim=(-0.6, 2.1), xlim=(-1.5, 1.75))
    ax.set_title(f"r {'>' if r > 0 else '<'} 0")


def _point(marker: str, colour: str) -> dict[str, Any]:
    return {"marker": marker, "color": colour, "markersize": 7, "zorder": 4, "linestyle": "none"}
