"""Figure 2D: the final loss of the toy model against the learning rate, and the critical rate by search."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context

from dynaghost.paper.claims import Claim, claim, near
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.systems.toy import critical_rate
from dynaghost.training.toy import critical_exponent, critical_rate_found, descend_toy, optimal_r
from dynaghost.views import _style as style

DELAY, RATES, STARTS, MANY = 100.0, 100, 10, 1000
EPOCHS = (1000, 2000, 3000, 5000, 10000)
DELAYS = (10, 20, 50, 100, 200, 500, 1000)
LATE = 1000
"""Last epochs over which a late loss is averaged, since the loss oscillates."""
HALF = 0.34
"""Half of the loss over T at 10 r*: a rate whose mean loss is lower has learned."""
ABOVE = (9.33e-10, 1.17)
"""A rate just above α*, and the factor beyond which all die."""


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """100 rates, 10 starts each, to 10 000 epochs; the quick version has 30 rates."""
    seed = 0 if seed is None else seed
    best, rates = optimal_r(DELAY), np.logspace(-11, -8, 30 if quick else RATES)
    starts = np.random.default_rng(seed).normal(10 * best, best / 10, (len(rates), STARTS))
    found = descend_toy(starts, rates[:, None], DELAY, EPOCHS[-1], record=EPOCHS)
    table = {"rate": rates}
    for k, epoch in enumerate(EPOCHS):
        losses = found.loss[:, :, k]
        table |= {f"mean_{epoch}": losses.mean(1), f"sem_{epoch}": losses.std(1, ddof=1) / math.sqrt(STARTS)}
    table["dead_share"] = found.dead.mean(1)
    values = {"critical_rate": critical_rate(DELAY), **_late(best), **_beyond(best, seed), **_search()}
    parameters = {"delay": DELAY, "starts": STARTS, "epochs": EPOCHS, "seed": seed, "delays": DELAYS}
    return Numbers("2d", parameters, values, {"losses": table})


def _late(best: float) -> dict[str, object]:
    """Late losses and epochs to r* from 10 r*, at rates below α*."""
    rates = np.linspace(0.3e-10, 8.5e-10, 12)
    rates = np.sort(np.append(rates, 1e-10))
    epochs = 8000
    found = descend_toy(10 * best, rates, DELAY, epochs, record=np.arange(epochs - LATE, epochs + 1))
    longest = 8 * best**2.5 * (10**2.5 - 1) / (5 * math.pi * rates)
    return {
        "late_rates": rates,
        "late_loss": found.loss.mean(1),
        "epochs_to_optimum": found.first_below,
        "epochs_expected": longest,
    }


def _beyond(best: float, seed: int) -> dict[str, object]:
    """Shares of many starts that die just above α*, and from 1.17 α* on."""
    starts = np.random.default_rng([seed, 1]).normal(10 * best, best / 10, MANY)
    rates = np.array([ABOVE[0], *(factor * critical_rate(DELAY) for factor in (ABOVE[1], 1.3, 2.0))])
    found = descend_toy(starts, rates[:, None], DELAY, EPOCHS[-1], record=[0])
    return {"beyond_rates": rates, "beyond_dead": found.dead.mean(1)}


def _search() -> dict[str, object]:
    found = [critical_rate_found(delay) for delay in DELAYS]
    far = critical_rate_found(DELAY, start=10.0, epochs=EPOCHS[-1])
    return {
        "found_over_critical": [rate / critical_rate(delay) for rate, delay in zip(found, DELAYS, strict=True)],
        "from_far_over_critical": far / critical_rate(DELAY),
        "exponent": critical_exponent(DELAYS),
    }


def claims(numbers: Numbers) -> list[Claim]:
    values, table = numbers.values, numbers.tables["losses"]
    below = table["rate"] < values["critical_rate"]
    off = float(np.abs(np.array(values["found_over_critical"]) - 1).max())
    dead = np.asarray(values["beyond_dead"])
    return [
        claim(
            "2d",
            "below α* every start learns",
            "0 dead",
            f"{table['dead_share'][below].max():g}",
            bool((table["dead_share"][below] == 0).all()),
        ),
        claim(
            "2d",
            "for every α ≥ α* training eventually stops in the no-learning zone",
            "all dead just above α*, by epoch 10 000",
            f"{dead[0]:.0%} of starts near 10 r* at 9.33e-10",
            bool(dead[0] == 1),
            known=True,
        ),
        near("2d", "share that dies at α = 9.33e-10 = 1.02 α*", 0.68, float(dead[0]), absolute=0.05),
        claim("2d", "from 1.17 α* on all die", "1 at 1.17, 1.3, 2 α*", dead[1:].tolist(), bool((dead[1:] == 1).all())),
        *_rate_claims(numbers),
        claim(
            "2d",
            "α* by bisection from just above r* agrees with 3π⁴/(32 T⁵), T = 10 … 1000",
            "relative difference < 1e-6",
            off,
            off < 1e-6,
        ),
        near("2d", "exponent of α* against T", -5, values["exponent"], absolute=1e-3),
        near("2d", "bisection from 10 r* instead, over α*", 1.0136, values["from_far_over_critical"], absolute=5e-4),
    ]


def _rate_claims(numbers: Numbers) -> list[Claim]:
    values, table = numbers.values, numbers.tables["losses"]
    rates, late = np.asarray(values["late_rates"]), np.asarray(values["late_loss"])
    there = np.asarray(values["epochs_to_optimum"]) > 0
    reached = there & (np.asarray(values["epochs_to_optimum"]) < 7000)
    slope = float(np.polyfit(np.log(rates[reached]), np.log(late[reached]), 1)[0])
    ratio = np.asarray(values["epochs_to_optimum"])[there] / np.asarray(values["epochs_expected"])[there]
    lowest = [table["rate"][np.argmax(table[f"mean_{epoch}"] < HALF)] for epoch in EPOCHS]
    at = int(np.argmin(np.abs(rates - 1e-10)))
    return [
        near("2d", "mean late loss over T at α = 1e-10", 0.0206, float(late[at]), absolute=5e-4),
        near("2d", "mean late loss is linear in α: exponent of its power law", 1, slope, absolute=0.05),
        claim(
            "2d",
            "epochs to r* are 8 r*^{5/2}(10^{5/2} − 1)/(5πα)",
            "within 2 %",
            f"ratio {ratio.min():.4f}–{ratio.max():.4f}",
            bool((np.abs(ratio - 1) < 0.02).all()),
        ),
        claim(
            "2d",
            "lower rates end lower but take more epochs: the lowest rate that has learned by 1000 … 10 000 epochs",
            "decreasing",
            ", ".join(f"{rate:.2g}" for rate in lowest),
            bool(np.all(np.diff(lowest) < 0)),
        ),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    table, critical = numbers.tables["losses"], numbers.values["critical_rate"]
    colours = (style.SKY, style.ORANGE, style.GREEN, style.PURPLE, style.BLUE)
    with rc_context(style.STYLE):
        figure = new_figure(3.0, width=4.6)
        ax = figure.subplots()
        for epoch, colour, marker in zip(EPOCHS, colours, "v^sDo", strict=True):
            error = table[f"sem_{epoch}"]
            label = f"{epoch:,}".replace(",", " ")
            look: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "markersize": 2.6,
                "linewidth": 0.9,
                "elinewidth": 0.6,
            }
            ax.errorbar(table["rate"], table[f"mean_{epoch}"], error, label=label, **look)
        ax.axvline(critical, color="black", linestyle="--", linewidth=0.8)
        ax.text(critical * 1.1, 0.0025, "α* = 3π⁴/32 T⁻⁵", fontsize=7, va="center")
        ax.set(xscale="log", yscale="log", xlabel="learning rate α", ylabel="loss / T", xlim=(9e-12, 1.1e-8))
        ax.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
        finish([ax], letters="D")
        ax.legend(title="epochs", loc="center right", title_fontsize=7.5)
        return save_figure(figure, out, "figure2d")
