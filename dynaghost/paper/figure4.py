"""Figure 4: networks stuck in the no-learning zone get out of it with less confident outputs, and do not get in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.paper.claims import Claim, claim
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.paper.parallel import each
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.sweep.outcome import is_wrong
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.training.descent import Descent, descend, descend_schedule, measure
from dynaghost.training.networks import RankOneNetwork, initial_rank_one
from dynaghost.training.outputs import outputs
from dynaghost.training.schedule import RELEARNING
from dynaghost.training.task import DelayedActivation
from dynaghost.trajectories.trial import Trial, walk
from dynaghost.views import _style as style

SEEDS, QUICK_SEEDS = 30, 6
RATE, SURE, UNSURE = 0.02, 10.0, 1.0
CONFIDENCES = np.logspace(-3, 1, 30)
EPOCHS, SHORT, LONG = 6000, 100, 26_000
"""At c = 10; at each c of the sweep; of the comparison from the start."""
LOW, LATE = (stage.epochs for stage in RELEARNING.stages)
LATE_RATE = RELEARNING.stages[-1].learning_rate
EVERY = 20
"""Epochs between points of a drawn curve."""
GONE = 1e-10
"""A gradient norm below it moves no weight."""
COLUMNS = (
    *("seed", "stuck", "captured", "stuck_late", "stuck_unsure", "stuck_trained"),
    *("trained_confidence", "loss_unsure", "relearned", "restored"),
)
AT_ONE = int(np.argmin(np.abs(CONFIDENCES - 1)))


@dataclass(frozen=True, slots=True)
class _Seed:
    """What one seed gives."""

    seed: int
    stuck: bool
    captured: bool
    stuck_late: bool
    stuck_unsure: bool
    stuck_trained: bool
    trained_confidence: float
    loss_unsure: float
    loss: np.ndarray
    gradient: np.ndarray
    returning: np.ndarray | None
    relearned: float | None
    restored: float | None


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Seeds 0–29, all interventions; the quick version has seeds 0–5."""
    first, number = seed or 0, QUICK_SEEDS if quick else SEEDS
    found = each(_one_seed, range(first, first + number), jobs=jobs)
    stuck = [one for one in found if one.stuck]
    table = {
        name: np.array([np.nan if (value := getattr(one, name)) is None else value for one in found])
        for name in COLUMNS
    }
    returning = {"confidence": CONFIDENCES} | {f"seed_{one.seed}": np.asarray(one.returning) for one in stuck}
    curves = {"epoch": EVERY * np.arange(1 + (EPOCHS + LOW + LATE) // EVERY)}
    curves |= {f"loss_{one.seed}": one.loss for one in stuck} | {f"gradient_{one.seed}": one.gradient for one in stuck}
    values = {
        "seeds": len(found),
        "stuck": [one.seed for one in stuck],
        "stuck_late": [one.seed for one in found if one.stuck_late],
        "stuck_unsure": [one.seed for one in found if one.stuck_unsure],
        "stuck_trained": [one.seed for one in found if one.stuck_trained],
        "captured": [one.seed for one in found if one.captured],
        "not_restored": [one.seed for one in stuck if one.restored is None or not one.restored < 1e-3],
    }
    parameters = {"rate": RATE, "epochs": (EPOCHS, SHORT, LOW, LATE, LONG), "late_rate": LATE_RATE, "quick": quick}
    return Numbers("4", parameters, values, {"seeds": table, "returning": returning, "curves": curves})


def _one_seed(seed: int) -> _Seed:
    sure, unsure, network = DelayedActivation(), DelayedActivation(confidence=UNSURE), initial_rank_one(seed=seed)
    early = descend(network, sure, learning_rate=RATE, updates=EPOCHS)
    late = descend(early.network, sure, learning_rate=RATE, updates=LONG - EPOCHS)
    always = descend(network, unsure, learning_rate=RATE, updates=LONG)
    trained = descend(replace(network, confidence=SURE), sure, learning_rate=RATE, updates=EPOCHS)
    stuck = is_stuck(early, sure)
    found = _Seed(
        seed=seed,
        stuck=stuck,
        captured=is_captured(early.network, sure),
        stuck_late=is_stuck(late, sure),
        stuck_unsure=is_stuck(always, unsure),
        stuck_trained=is_stuck(trained, sure),
        trained_confidence=float(trained.network.confidence or np.nan),
        loss_unsure=measure(always.network, unsure)[0],
        loss=early.loss,
        gradient=early.gradient_norm,
        returning=None,
        relearned=None,
        restored=None,
    )
    return _rescued(found, early.network) if stuck else found


def _rescued(found: _Seed, network: RankOneNetwork) -> _Seed:
    """Less confident for a while, then as confident as before."""
    sure = DelayedActivation()
    returning = [
        descend(network, replace(sure, confidence=c), learning_rate=RATE, updates=SHORT).gradient_norm.max()
        for c in CONFIDENCES
    ]
    after = descend_schedule(network, sure, RELEARNING)
    loss, norm = measure(after.network, sure)
    return replace(
        found,
        returning=np.array(returning),
        relearned=float(after.loss[LOW - 1]),
        restored=loss,
        loss=np.concatenate([found.loss, after.loss, [loss]])[::EVERY],
        gradient=np.concatenate([found.gradient, after.gradient_norm, [norm]])[::EVERY],
    )


def is_stuck(descent: Descent, task: DelayedActivation) -> bool:
    """Whether a descent ended in the no-learning zone: no gradient for 20 updates, and a wrong output."""
    silent = bool((descent.gradient_norm[-20:] < GONE).all())
    return silent and is_wrong(outputs(descent.network, task), task)


def is_captured(network: RankOneNetwork, task: DelayedActivation) -> bool:
    """Whether the trial ends at a fixed point below the threshold: proved complete, then simulated."""
    system = LowRankRNN(network.m[:, None], network.n[None], network.b, leak=task.leak)
    points = find_slow_points(system)
    end = walk(system, points.fixed_points, Trial(task.x0, threshold=task.threshold)).attractor
    return end is not None and float(points.fixed_points[end].x[0]) < task.threshold


def claims(numbers: Numbers) -> list[Claim]:
    values, table, returning = numbers.values, numbers.tables["seeds"], numbers.tables["returning"]
    stuck, number, quick = values["stuck"], values["seeds"], numbers.parameters["quick"]
    restored = table["restored"][table["stuck"] == 1]
    at_one = np.array([column[AT_ONE] for name, column in returning.items() if name != "confidence"])
    return [
        claim(
            "4",
            f"about half of the networks are stuck after {EPOCHS} epochs at rate {RATE:g} (15 of 30 in another run)",
            "a third to two thirds",
            f"{len(stuck)} of {number}: {', '.join(map(str, stuck))}",
            1 / 3 <= len(stuck) / number <= 2 / 3 if not quick else None,
        ),
        claim(
            "4",
            "stuck networks are captured by a fixed point below the threshold",
            "each",
            f"{len(set(stuck) & set(values['captured']))} of {len(stuck)}",
            set(stuck) <= set(values["captured"]) if stuck else None,
        ),
        claim(
            "4",
            "at c ≈ 1 the stuck gradients return",
            f"above 1e-3 within {SHORT} epochs, each (another run: 0.45 to 3.6)",
            f"{at_one.min():.2g} to {at_one.max():.2g}" if stuck else "–",
            bool((at_one > 1e-3).all()) if stuck else None,
        ),
        claim(
            "4",
            f"c = 1 for {LOW} epochs, then c = 10 at rate {LATE_RATE:g} for {LATE}: the task is learned again",
            "loss below 1e-3, each (another run: 1.5e-4 to 1.8e-4)",
            _freed(restored, values["not_restored"]),
            not values["not_restored"] if stuck else None,
        ),
        claim(
            "4",
            f"c = 1 from the start prevents it: stuck after {LONG} epochs",
            "0 (another run: 0 of 30, against 16 with c = 10)",
            f"{len(values['stuck_unsure'])} of {number}, against {len(values['stuck_late'])} with c = 10",
            not values["stuck_unsure"],
        ),
        claim(
            "4",
            f"a trainable c does not help: stuck after {EPOCHS} epochs, c still near 10",
            "a third to all as many as with fixed c, or more; c above 9.5 (another run: 8 of 12, 9.93 to 9.97)",
            f"{len(values['stuck_trained'])} of {number}, c {table['trained_confidence'].min():.3g} to "
            f"{table['trained_confidence'].max():.3g}",
            bool(len(values["stuck_trained"]) >= len(stuck) / 3 > 0 and table["trained_confidence"].min() > 9.5)
            if not quick
            else None,
        ),
    ]


def _freed(restored: np.ndarray, exceptions: Sequence[int]) -> str:
    if not restored.size:
        return "–"
    told = f"{restored.min():.2g} to {restored.max():.2g}"
    return f"{told}; not: seeds {', '.join(map(str, exceptions))}" if exceptions else told


def draw(numbers: Numbers, out: Path) -> list[Path]:
    with rc_context(style.STYLE):
        figure = new_figure(5.0)
        axes = figure.subplots(2, 2)
        _curves(axes[0, 0], numbers, "loss", "loss")
        _curves(axes[0, 1], numbers, "gradient", "gradient norm")
        _returning(axes[1, 0], numbers)
        _counts(axes[1, 1], numbers)
        finish(axes.ravel(), letters="ABCD")
        return save_figure(figure, out, "figure4")


def _curves(ax: Axes, numbers: Numbers, name: str, label: str) -> None:
    curves = numbers.tables["curves"]
    for k, seed in enumerate(numbers.values["stuck"]):
        ax.plot(
            curves["epoch"] / 1000, curves[f"{name}_{seed}"], color=style.BLUE, alpha=0.8 if k == 0 else 0.25, lw=0.6
        )
    ax.set(yscale="log", xlabel="epoch / 1000", ylabel=f"{label} (stuck seeds)", xlim=(0, curves["epoch"][-1] / 1000))
    # Room below the curves for what each stage is.
    low, high = ax.get_ylim()
    ax.set_ylim(low * (low / high) ** 0.08, high)
    begin = 0.0
    phases = ((EPOCHS, "c = 10"), (LOW, "c = 1"), (LATE, "c = 10, low rate"))
    for k, (length, text) in enumerate(phases):
        if k == 1:
            ax.axvspan(begin, begin + length / 1000, color=style.ORANGE, alpha=0.15, lw=0)
        place: Any = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom", "fontsize": 6.5}
        ax.text(begin + length / 2000, 0.015, text, **place)
        begin += length / 1000


def _returning(ax: Axes, numbers: Numbers) -> None:
    table = numbers.tables["returning"]
    for name, column in table.items():
        if name != "confidence":
            ax.plot(table["confidence"], np.maximum(column, 1e-30), color=style.GREEN, alpha=0.5, lw=0.8)
    ax.axhline(GONE, color=style.GREY, ls="--", lw=0.8)
    ax.text(1.2e-3, GONE / 2, "no learning below", fontsize=6.5, va="top")
    ax.set(xscale="log", yscale="log", xlabel="confidence c", ylabel="largest gradient norm\nin 100 epochs")


def _counts(ax: Axes, numbers: Numbers) -> None:
    values = numbers.values
    names = {
        f"c = 10\nepoch\n{EPOCHS}": "stuck",
        f"c = 10\nepoch\n{LONG}": "stuck_late",
        f"trained c\nepoch\n{EPOCHS}": "stuck_trained",
        f"c = 1\nepoch\n{LONG}": "stuck_unsure",
        "c = 10, 1, 10\n(A, after\nrescue)": "not_restored",
    }
    colours = (style.RED, style.RED, style.RED, style.GREEN, style.GREEN)
    bars = ax.bar(list(names), [len(values[key]) for key in names.values()], color=colours, width=0.6)
    ax.bar_label(bars, fontsize=7)
    ax.set(ylim=(0, values["seeds"] * 1.05), ylabel=f"stuck, of {values['seeds']} seeds")
    ax.tick_params(axis="x", labelsize=6)
