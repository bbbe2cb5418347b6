"""Figure 2B–C: gradient descent on the toy model at a rate below and one above the critical rate."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context

from dynaghost.paper.claims import Claim, claim, near
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.toy import SaddleNode, critical_rate
from dynaghost.training.toy import descend_toy, optimal_r
from dynaghost.trajectories.drops import loss_drops
from dynaghost.views import _style as style

DELAY, START, EPOCHS = 100.0, 10.0, 3000
RATES = (1e-10, 1e-9)


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """3000 epochs from 10 r*; nothing here is random or takes long."""
    best = optimal_r(DELAY)
    found = descend_toy(START * best, RATES, DELAY, EPOCHS)
    drops = loss_drops(found.epochs, found.loss[0])
    after = np.sign(found.r[0, max(found.first_below[0], 0) :] - best)
    table = {"epoch": found.epochs}
    for i, rate in enumerate(RATES):
        table |= {f"r_{rate:g}": found.r[i], f"loss_{rate:g}": found.loss[i]}
    values = {
        "critical_rate": critical_rate(DELAY),
        "optimal_r": best,
        "first_below": found.first_below,
        "least": found.least,
        "last_over_optimal": found.last / best,
        "dead": found.dead,
        "drops": [[drop.before, drop.after, drop.loss_before, drop.loss_after] for drop in drops],
        "changes_side": float(np.mean(after[1:] != after[:-1])),
        "range_at_end": [float(extreme(found.r[0, -100:]) / best) for extreme in (np.min, np.max)],
        "fixed_points_at_least_r": [len(find_slow_points(SaddleNode(float(r))).fixed_points) for r in found.least],
    }
    return Numbers(
        "2bc", {"delay": DELAY, "start": START, "rates": RATES, "epochs": EPOCHS}, values, {"descent": table}
    )


def claims(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    drops, below, end = values["drops"], values["first_below"][0], values["range_at_end"]
    return [
        near("2bc", "α = 1e-10: r first below r* at epoch", 1538, int(below), absolute=1),
        claim(
            "2bc",
            "α = 1e-10: the loss drops abruptly around epoch 1500",
            "a drop by factor > 2 in < 300 epochs that ends within 50 of r*",
            "; ".join(f"{d[0]:g}–{d[1]:g} ({d[2]:.2g} → {d[3]:.2g})" for d in drops) or "none",
            any(abs(drop[1] - below) <= 50 and drop[1] - drop[0] < 300 and drop[2] > 2 * drop[3] for drop in drops),
        ),
        claim(
            "2bc",
            "α = 1e-10: then r oscillates around r* and does not settle",
            "changes side at > 90 % of later epochs, the last included",
            f"{values['changes_side']:.1%}; last 100 epochs {end[0]:.3f}–{end[1]:.3f} r*",
            values["changes_side"] > 0.9 and end[0] < 0.99 and end[1] > 1.01,
        ),
        claim(
            "2bc",
            "r is never ≤ 0, so no bifurcation (proved: no fixed point at the least r)",
            "least r > 0, 0 fixed points",
            f"{min(values['least']):.3g}, {max(values['fixed_points_at_least_r'])} fixed points",
            bool(min(values["least"]) > 0 and max(values["fixed_points_at_least_r"]) == 0),
        ),
        claim(
            "2bc",
            "α = 1e-9 > α*: stops in the no-learning zone",
            "r < r*/4, loss = T",
            f"r = {values['last_over_optimal'][1]:.4f} r*",
            bool(values["dead"][1] and not values["dead"][0]),
        ),
        near("2bc", "α = 1e-9: where it stops, in r*", 0.2446, float(values["last_over_optimal"][1]), absolute=5e-5),
        near("2bc", "α* = 3π⁴/(32 T⁵)", 9.1321023e-10, values["critical_rate"], relative=1e-7),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    table, best = numbers.tables["descent"], numbers.values["optimal_r"]
    looks = {"1e-10": (style.BLUE, "-", "α = 10⁻¹⁰ < α*"), "1e-09": (style.RED, (0, (5, 1.5)), "α = 10⁻⁹ > α*")}
    with rc_context(style.STYLE):
        figure = new_figure(2.7)
        axes = figure.subplots(1, 2)
        for name, (colour, dashes, label) in looks.items():
            look = {"color": colour, "linestyle": dashes, "linewidth": 1.3, "label": label}
            axes[0].plot(table["epoch"], table[f"loss_{name}"], **look)
            axes[1].plot(table["epoch"], table[f"r_{name}"] / best, **look)
        axes[0].set(ylabel="loss / T", ylim=(-0.03, 1.05))
        axes[1].set(ylabel="r / r*", yscale="log", ylim=(0.15, 12))
        axes[1].axhline(1, color=style.GREY, linestyle="--", linewidth=0.8)
        axes[1].text(700, 1.04, "r*", ha="left", fontsize=7, color=style.GREY)
        axes[1].axhspan(0.15, 0.25, color="0.93", zorder=0)
        axes[1].text(3000, 0.19, "no-learning zone, r < r*/4", ha="right", va="center", fontsize=7, color=style.GREY)
        axes[1].set_yticks([0.25, 1, 10], ["¼", "1", "10"])
        axes[1].minorticks_off()
        for ax in axes:
            ax.set(xlabel="epoch", xlim=(0, numbers.parameters["epochs"]))
        finish(axes, letters="BC")
        axes[0].legend(loc="center right", bbox_to_anchor=(1.0, 0.8))
        return save_figure(figure, out, "figure2bc")
