"""Figure S2: networks with more trainable ranks than the task needs, and a trained readout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context

from dynaghost.paper.claims import Claim, claim
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.sweep import Grid, Row, Sweep, load_sweep, sweep
from dynaghost.views import _style as style

RANKS, RATES, SEEDS, EPOCHS = (1, 2, 3, 4, 5, 10, 30, 50, 100), (0.0022, 0.022, 0.22), 10, 500_000
QUICK_RANKS, QUICK_RATES, QUICK_SEEDS, QUICK_EPOCHS = (1, 5, 30, 100), (0.022, 0.22), 2, 4000
POINTS = 60
"""Epochs at which the losses are kept, evenly on a logarithmic axis."""
LEARNED, DEAD = 0.1, 0.99
"""A run has learned if its loss ends below this share of the first; it is dead if it ends above this, output wrong.

With a trained readout a dead network's gradient may keep above 1e-10 for long, which "stuck" asks to be gone.
"""


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Nine ranks, three rates, seeds 0–9, 500 000 epochs: hours, and a killed run goes on from its store.

    The quick version has ranks 1, 5, 30, 100, two rates, seeds 0 and 1 and 4000 epochs.
    """
    first, number = seed or 0, QUICK_SEEDS if quick else SEEDS
    epochs = QUICK_EPOCHS if quick else EPOCHS
    grid = Grid(
        seeds=range(first, first + number),
        learning_rates=QUICK_RATES if quick else RATES,
        ranks=QUICK_RANKS if quick else RANKS,
        confidences=(1.0,),
    )
    record = sorted({0, epochs, *np.geomspace(1, epochs, POINTS).astype(int).tolist()})
    found = sweep(grid, out=out / f"s2_{epochs}", epochs=epochs, record=record, readout="trained", n_jobs=jobs)
    return numbers_of(found, asked=len(grid.points))


def partial(out: Path) -> Numbers:
    """The numbers of as much of the whole version as its store in `out` holds."""
    return numbers_of(load_sweep(out / f"s2_{EPOCHS}"), asked=len(RANKS) * len(RATES) * SEEDS)


def numbers_of(found: Sweep, *, asked: int) -> Numbers:
    """A table of the runs, one by rank and rate, and their curves."""
    parameters = {
        "epochs": found.record[-1],
        "record": found.record,
        "runs_asked": asked,
        "runs_done": len(found),
        "quick": found.record[-1] != EPOCHS,
    }
    curves = {"epoch": np.array(found.record)}
    curves |= {f"{r.rank}_{r.learning_rate:g}_{r.seed}": np.array(r.losses) for r in found.rows}
    values = {"effective_rank_of_change": _effective_ranks(found)}
    return Numbers("s2", parameters, values, {"by_rank": _by_rank(found), "runs": found.columns(), "curves": curves})


def _by_rank(found: Sweep) -> dict[str, np.ndarray]:
    cells: dict[tuple[float, int], list[Row]] = {}
    for row in found.rows:
        cells.setdefault((row.learning_rate, row.rank), []).append(row)
    table = {"rate": np.array([rate for rate, _ in cells]), "rank": np.array([rank for _, rank in cells])}
    measures: dict[str, Callable[[Row], float | None]] = {
        "learned_epoch": lambda row: row.fall_end,
        "fall_epochs": lambda row: None if row.fall_end is None else row.fall_end - (row.fall_begin or 0),
        "fall_share": lambda row: None if not row.fall_end else 1 - (row.fall_begin or 0) / row.fall_end,
        "drop_epochs": lambda row: row.drop_epochs if row.drops else None,
        "oscillation": lambda row: row.oscillation,
        "final_loss": lambda row: row.final_loss,
    }
    for name, measure in measures.items():
        table[f"median_{name}"] = np.array([_median([measure(row) for row in rows]) for rows in cells.values()])
    counts: dict[str, Callable[[Row], bool]] = {
        "runs": lambda row: True,
        "learned": lambda row: row.final_loss < LEARNED * row.losses[0],
        "stuck": lambda row: row.stuck,
        "dead": lambda row: row.wrong and row.final_loss > DEAD,
        "oscillating": lambda row: row.oscillation > 0,
    }
    for name, holds in counts.items():
        table[name] = np.array([sum(map(holds, rows)) for rows in cells.values()])
    return table


def _median(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else float("nan")


def _effective_ranks(found: Sweep) -> list[float]:
    """(Σs²)²/Σs⁴ over the ten largest singular values of W − W₀, for the runs of the highest rank that learned."""
    highest = max(row.rank for row in found.rows)
    rows = [row for row in found.rows if row.rank == highest and row.final_loss < LEARNED * row.losses[0]]
    squares = [np.array(row.singular_values) ** 2 for row in rows]
    return [float(s.sum() ** 2 / (s**2).sum()) for s in squares]


def claims(numbers: Numbers) -> list[Claim]:
    table, asked = numbers.tables["by_rank"], numbers.parameters
    whole = asked["runs_done"] == asked["runs_asked"]
    effective = numbers.values["effective_rank_of_change"]
    note = "" if whole else f" ({asked['runs_done']} of {asked['runs_asked']} runs)"
    return [
        *(
            claim_by_rank(numbers, text + note, name, rises)
            for text, name, rises in (
                ("more ranks learn in fewer epochs", "median_learned_epoch", False),
                (
                    "more ranks learn more gradually: share of the epochs to 10 % spent below 90 %",
                    "median_fall_share",
                    True,
                ),
            )
        ),
        claim(
            "s2",
            "networks of every rank oscillate" + note,
            "some run of each rank",
            _by_rank_text(table, "oscillating"),
            bool(all(table["oscillating"][table["rank"] == k].sum() > 0 for k in np.unique(table["rank"])))
            if not asked["quick"]
            else None,
        ),
        claim(
            "s2",
            "networks die in the no-learning zone at rate 0.022, now and then" + note,
            f"some, not most, end with a loss above {DEAD:g}",
            _by_rank_text(table, "dead", rate=0.022),
            _some(table, 0.022) if not asked["quick"] else None,
        ),
        claim(
            "s2",
            "at rate 0.22 mostly ranks 50 and 100 survive" + note,
            "a larger share of them learns than of the others",
            _by_rank_text(table, "learned", rate=0.22),
            _survivors(table) if whole and not asked["quick"] else None,
        ),
        claim(
            "s2",
            "updates at full rank are effectively of low rank: effective rank of W − W₀" + note,
            "median at most 3",
            float(np.median(effective)) if effective else None,
            bool(np.median(effective) <= 3) if effective else None,
        ),
    ]


def claim_by_rank(numbers: Numbers, text: str, name: str, rises: bool) -> Claim:
    """A claim that a median rises or falls with the rank, at the lowest rate: the highest rank against the lowest."""
    table = numbers.tables["by_rank"]
    here = (table["rate"] == table["rate"].min()) & np.isfinite(table[name])
    ranks, values = table["rank"][here], table[name][here]
    told = ", ".join(f"K = {k}: {value:.3g}" for k, value in zip(ranks, values, strict=True))
    holds = bool((values[-1] > values[0]) == rises) if ranks.size > 1 else None
    return claim(
        "s2", text, f"{'more' if rises else 'fewer'} at the highest rank than at the lowest", told or "–", holds
    )


def _by_rank_text(table: dict[str, np.ndarray], name: str, *, rate: float | None = None) -> str:
    told = []
    for k in np.unique(table["rank"]):
        here = (table["rank"] == k) & (True if rate is None else table["rate"] == rate)
        if here.any():
            told.append(f"K = {k}: {table[name][here].sum()}/{table['runs'][here].sum()}")
    return ", ".join(told) or "–"


def _some(table: dict[str, np.ndarray], rate: float) -> bool | None:
    here = table["rate"] == rate
    return bool(0 < table["dead"][here].sum() < table["runs"][here].sum() / 2) if here.any() else None


def _survivors(table: dict[str, np.ndarray]) -> bool:
    here = table["rate"] == 0.22
    share = table["learned"][here] / table["runs"][here]
    high = table["rank"][here] >= 50
    return bool(share[high].mean() > share[~high].mean())


def draw(numbers: Numbers, out: Path) -> list[Path]:
    table, curves = numbers.tables["by_rank"], numbers.tables["curves"]
    rates, ranks = np.unique(table["rate"]), np.unique(table["rank"])
    colours = colormaps["viridis"](np.linspace(0, 0.92, len(ranks)))
    with rc_context(style.STYLE):
        figure = new_figure(3.2)
        axes = np.atleast_1d(figure.subplots(1, len(rates), sharey=True))
        for ax, rate in zip(axes, rates, strict=True):
            for k, colour in zip(ranks, colours, strict=True):
                label: str | None = str(k)
                for name, losses in curves.items():
                    if name.startswith(f"{k}_{rate:g}_"):
                        ax.plot(curves["epoch"][1:], losses[1:], color=colour, lw=0.7, alpha=0.8, label=label)
                        label = None
            ax.set(xscale="log", yscale="log", xlabel="epoch", title=f"rate {rate:g}")
        axes[0].set_ylabel("loss")
        finish(list(axes))
        entries = {t: h for ax in axes for h, t in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(entries.values(), entries.keys(), title="ranks", loc="outside right center", title_fontsize=7.5)
        return save_figure(figure, out, "figures2")
