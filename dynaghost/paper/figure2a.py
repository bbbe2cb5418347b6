"""Figure 2A: the loss landscape of the toy model, analytic and with readouts of finite confidence."""

import math
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.paper.claims import Claim, claim, near
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.training.toy import analytic_landscape, landscape, optimal_r
from dynaghost.views import _style as style

DELAY, STEP, THRESHOLD, CLIP = 100.0, 0.1, 10.0, 1e6
CONFIDENCES = (1.0, 0.1)
POINTS = 100


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Losses over T at 100 values of r in [−r*, 2r*]; nothing here is random or takes long."""
    best = optimal_r(DELAY)
    r = np.linspace(-best, 2 * best, POINTS)
    losses = {f"loss_c_{c:g}": _loss(r, c) for c in CONFIDENCES}
    table = {"r": r, "r_over_optimal": r / best, "loss_analytic": analytic_landscape(r, DELAY), **losses}
    values = {
        "optimal_r": best,
        "at_optimum": {f"{c:g}": float(_loss(best, c)) for c in CONFIDENCES},
        "slope_at_tenth": {f"{c:g}": _slope(0.1 * best, c) for c in CONFIDENCES},
        "analytic_slope_at_tenth": _analytic_slope(0.1 * best, 1e-3),
        "analytic_slopes_at_optimum": [_analytic_slope(best * (1 + s * 1e-6), 1e-7) for s in (-1, 1)],
    }
    parameters = {"delay": DELAY, "step": STEP, "threshold": THRESHOLD, "clip": CLIP, "confidences": CONFIDENCES}
    return Numbers("2a", parameters, values, {"landscape": table})


def _loss(r: float | np.ndarray, confidence: float) -> np.ndarray:
    return landscape(r, DELAY, confidence, threshold=THRESHOLD, step=STEP, clip=CLIP)


def _slope(r: float, confidence: float) -> float:
    """dL/dr, of the loss that is not divided by T, by a central difference."""
    h = 1e-3 * optimal_r(DELAY)
    low, high = _loss(np.array([r - h, r + h]), confidence)
    return float((high - low) * DELAY / (2 * h))


def _analytic_slope(r: float, width: float) -> float:
    """dL/dr of eq. 2 by a central difference over a relative width."""
    low, high = analytic_landscape([r * (1 - width), r * (1 + width)], DELAY) * DELAY
    return float((high - low) / (2 * width * r))


def claims(numbers: Numbers) -> list[Claim]:
    table, values = numbers.tables["landscape"], numbers.values
    x, analytic = table["r_over_optimal"], table["loss_analytic"]
    flat = x < 0.25
    steep = [-2 * DELAY**3 / math.pi**2, 2 * DELAY**3 / math.pi**2]
    off = float(np.abs(table["loss_c_1"] - analytic).max())
    level = float(np.ptp(table["loss_c_1"][flat]))
    best = [x[np.argmin(table[name])] for name in ("loss_analytic", "loss_c_1")]
    slopes, tenth = values["analytic_slopes_at_optimum"], values["slope_at_tenth"]
    return [
        claim("2a", "c = 1 meets the analytic loss (eq. 2)", "within 0.0075 of T", off, off <= 0.0075),
        claim("2a", "c = 1 is flat below the point of no return r*/4", "varies by < 0.01 of T", level, level < 0.01),
        claim(
            "2a",
            "beyond the point of no return the analytic gradient is 0",
            "0",
            values["analytic_slope_at_tenth"],
            values["analytic_slope_at_tenth"] == 0,
        ),
        claim(
            "2a",
            "kink at r*: slopes ∓2T³/π² on its sides (eq. 14)",
            f"{steep[0]:.5g}, {steep[1]:.5g} ± 0.01 %",
            ", ".join(f"{slope:.5g}" for slope in slopes),
            bool(np.allclose(slopes, steep, rtol=1e-4)),
        ),
        claim(
            "2a",
            "r* is the global minimum (nearest of the 100 points)",
            "1 ± 0.03, in r*",
            f"{best[0]:.3f} (eq. 2), {best[1]:.3f} (c = 1)",
            all(abs(place - 1) <= 0.03 for place in best),
        ),
        near("2a", "c = 0.1: flat level, r < 0", 0.607, float(table["loss_c_0.1"][x < 0].mean()), absolute=0.002),
        near("2a", "c = 0.1: loss at r*", 0.075, values["at_optimum"]["0.1"], absolute=0.001),
        near("2a", "c = 0.1: dL/dr at 0.1 r*, beyond the point of no return", -673, tenth["0.1"], relative=0.01),
        near("2a", "c = 1: dL/dr at 0.1 r*", -2.3, tenth["1"], absolute=0.05),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    with rc_context(style.STYLE):
        figure = new_figure(2.8, width=4.2)
        ax = figure.subplots()
        _draw(ax, numbers)
        finish([ax], letters="A")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 0.03))
        return save_figure(figure, out, "figure2a")


def _draw(ax: Axes, numbers: Numbers) -> None:
    table = numbers.tables["landscape"]
    x = table["r_over_optimal"]
    fine = np.linspace(-1, 2, 3001)
    ax.axvspan(-1, 0.25, color="0.93", zorder=0)
    analytic = analytic_landscape(fine * optimal_r(DELAY), DELAY)
    ax.plot(fine, analytic, color="black", linewidth=0.9, label="analytic", zorder=3)
    for c, colour, marker in ((1.0, style.BLUE, "o"), (0.1, style.ORANGE, "s")):
        ax.plot(x, table[f"loss_c_{c:g}"], marker, color=colour, markersize=3.2, label=f"c = {c:g}", linestyle="none")
    ax.text(-0.95, 1.07, "no-learning zone", fontsize=7, color=style.GREY)
    ax.annotate(
        "point of no return, r*/4",
        (0.25, 1.0),
        (0.45, 1.07),
        fontsize=7,
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "shrinkB": 2},
        va="center",
    )
    ax.annotate(
        "minimum at r*, gradient not 0",
        (1.0, 0.0),
        (1.13, -0.09),
        fontsize=7,
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "shrinkB": 2},
        va="center",
    )
    ax.set(xlabel="r / r*", ylabel="loss / T", xlim=(-1, 2), ylim=(-0.14, 1.13))
