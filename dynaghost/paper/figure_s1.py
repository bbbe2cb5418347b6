"""Figure S1: the loss of rank-one networks against the learning rate, as figure 2D has it for the toy model."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context

from dynaghost.paper.claims import Claim, claim
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.sweep import Grid, Sweep, sweep
from dynaghost.views import _style as style

RATES, SEEDS, EPOCHS = 30, 10, 200_000
RECORD = (10_000, 20_000, 50_000, 100_000, 200_000)
QUICK_RATES, QUICK_SEEDS, QUICK_EPOCHS, QUICK_RECORD = 10, 3, 20_000, (1000, 2000, 5000, 10_000, 20_000)
RATE_RANGE = (-4.0, -1.0)
"""Decimal logarithms of the lowest and the highest rate."""

RECORDED = {1e-3: 0.0046, 2.2e-3: 0.0031, 1e-2: 0.015}
"""Mean loss after 200 001 epochs over seeds 0 to 2, by rate, of the record of the paper's experiments."""
SLOW, DEAD = 2.2e-4, 2.2e-2
"""Up to the one nothing is learned in 200 001 epochs, from the other on every network dies (same record)."""


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """30 rates and seeds 0–9 to epoch 200 000; the quick version has 10 rates and seeds 0–2 to epoch 20 000."""
    first, number = seed or 0, QUICK_SEEDS if quick else SEEDS
    epochs, record = (QUICK_EPOCHS, QUICK_RECORD) if quick else (EPOCHS, RECORD)
    rates = np.logspace(*RATE_RANGE, QUICK_RATES if quick else RATES).tolist()
    grid = Grid(seeds=range(first, first + number), learning_rates=rates)
    found = sweep(grid, out=out / f"s1_{epochs}", epochs=epochs, record=record, n_jobs=jobs)
    parameters = {"rates": rates, "seeds": grid.seeds, "epochs": epochs, "record": record, "quick": quick}
    values = {"stuck": int(found.column("stuck").sum()), "runs": len(found)}
    return Numbers("s1", parameters, values, {"losses": _by_rate(found, number), "runs": found.columns()})


def _by_rate(found: Sweep, seeds: int) -> dict[str, np.ndarray]:
    losses = found.column("losses").reshape(-1, seeds, len(found.record))
    table = {"rate": found.column("learning_rate")[::seeds]}
    for k, epoch in enumerate(found.record):
        here = losses[:, :, k]
        table |= {f"mean_{epoch}": here.mean(1), f"sem_{epoch}": here.std(1, ddof=1) / math.sqrt(seeds)}
    table["stuck"] = found.column("stuck").reshape(-1, seeds).sum(1)
    return table


def claims(numbers: Numbers) -> list[Claim]:
    table, record = numbers.tables["losses"], numbers.parameters["record"]
    whole = record[-1] == EPOCHS
    rate, last = table["rate"], table[f"mean_{record[-1]}"]
    slow = rate <= SLOW * 1.01
    runs = numbers.tables["runs"]
    high = runs["learning_rate"] >= DEAD * 0.99
    gone, theirs = runs[f"loss_{record[-1]}"] > 0.99, high & (runs["seed"] < QUICK_SEEDS)
    best = [rate[np.argmin(table[f"mean_{epoch}"])] for epoch in record]
    learned = [epoch for epoch in record if table[f"mean_{epoch}"].min() < 0.5]
    chosen = [float(b) for b, epoch in zip(best, record, strict=True) if epoch in learned]
    return [
        claim(
            "s1",
            f"rates up to {SLOW:g} are still at 1 after 200 001 epochs",
            "mean loss > 0.99",
            float(last[slow].min()),
            bool(last[slow].min() > 0.99) if whole else None,
        ),
        *(_near_record(numbers, target, loss) for target, loss in RECORDED.items()),
        claim(
            "s1",
            f"from {DEAD:g} on every network dies, at seeds 0 to {QUICK_SEEDS - 1}",
            "loss above 0.99, each",
            f"{gone[theirs].sum()} of {theirs.sum()}; of all seeds {gone[high].sum()} of {high.sum()}",
            bool(gone[theirs].all()) if whole and theirs.any() else None,
        ),
        claim(
            "s1",
            "as in the toy model, the best rate falls with the epochs trained",
            "never rising, and lower at the end than at the first epoch with a mean loss below 0.5",
            ", ".join(f"{b:.2g}" for b in chosen) or "nothing learned",
            bool(np.all(np.diff(chosen) <= 0) and chosen[-1] < chosen[0]) if len(chosen) > 1 else None,
        ),
    ]


def _near_record(numbers: Numbers, rate: float, loss: float) -> Claim:
    """The median over this run's seeds at the rate nearest to that of the record, within a factor of three."""
    runs, last = numbers.tables["runs"], numbers.parameters["record"][-1]
    nearest = min(np.unique(runs["learning_rate"]), key=lambda other: abs(math.log(other / rate)))
    here = float(np.median(runs[f"loss_{last}"][runs["learning_rate"] == nearest]))
    holds = loss / 3 < here < loss * 3 if last == EPOCHS else None
    text = f"loss after 200 001 epochs at rate {rate:g}"
    return claim("s1", text, f"{loss:g} within a factor of 3", f"{here:.3g} at {nearest:.2e}", holds)


def draw(numbers: Numbers, out: Path) -> list[Path]:
    table, record = numbers.tables["losses"], numbers.parameters["record"]
    colours = (style.SKY, style.ORANGE, style.GREEN, style.PURPLE, style.BLUE)
    with rc_context(style.STYLE):
        figure = new_figure(3.2, width=4.6)
        ax = figure.subplots()
        for epoch, colour, marker in zip(record, colours, "v^sDo", strict=True):
            look: Any = {"color": colour, "marker": marker, "markersize": 2.6, "linewidth": 0.9, "elinewidth": 0.6}
            label = f"{epoch:,}".replace(",", " ")
            ax.errorbar(table["rate"], table[f"mean_{epoch}"], table[f"sem_{epoch}"], label=label, **look)
        ax.set(xscale="log", yscale="log", xlabel="learning rate α", ylabel="loss (mean ± s.e.m.)")
        finish([ax])
        ax.legend(title="epochs", loc="lower left", title_fontsize=7.5)
        return save_figure(figure, out, "figures1")
