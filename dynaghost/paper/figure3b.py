"""Figure 3B: the same network at a high learning rate is captured through a saddle-node and learns no more."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context

from dynaghost.analysis import Analysis
from dynaghost.paper import rank_one
from dynaghost.paper.claims import Claim, claim, near, of_another_seed
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.training.descent import Descent, descend
from dynaghost.training.networks import initial_rank_one, round_anew
from dynaghost.training.recording import record
from dynaghost.trajectories.census import census, joined
from dynaghost.views import _style as style

RATE, EPOCHS = 0.02, 6000
ROUNDINGS, QUICK_ROUNDINGS = 12, 3
GONE = 1e-10
"""A gradient norm below this, to the end, is none."""
AGREES = 5000
"""Up to this epoch correct implementations agree; from about 5050 on training is chaotic."""


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """6000 epochs from weights that differ in the last bit, and the first of these runs that gets stuck in full.

    Which runs get stuck is decided by rounding, so the weights as they are come first, then twelve (quick: three) with
    the last bit of m moved.
    """
    seed = rank_one.SEED if seed is None else seed
    roundings = [None, *range(QUICK_ROUNDINGS if quick else ROUNDINGS)]
    runs = [_descent(seed, rounding) for rounding in roundings]
    stuck = [_stuck_from(one) for one in runs]
    shown = next((i for i, epoch in enumerate(stuck) if epoch is not None), 0)
    found = _analysis(out, seed, roundings[shown], stuck[shown], jobs)
    counts = _census(seed, roundings[shown])
    metrics = {"epoch": np.arange(EPOCHS), "loss": runs[shown].loss, "grad_norm": runs[shown].gradient_norm}
    values = {
        "roundings": roundings,
        "stuck_from": stuck,
        "shown": shown,
        "apart_at_5000": float(np.ptp([one.loss[AGREES] for one in runs])),
        **_values(runs[shown], counts, found, stuck[shown] or EPOCHS),
    }
    parameters = {"learning_rate": RATE, "epochs": EPOCHS, "seed": seed, "units": 100, "quick": quick}
    columns = {name: counts[name] for name in ("fixed_points", "ghosts")}
    return Numbers("3b", parameters, values, {"metrics": metrics | columns})


def _values(one: Descent, counts: dict[str, np.ndarray], found: Analysis, last: int) -> dict[str, Any]:
    """Of the run that is shown; `last` is the epoch at which its gradient is gone."""
    born = next((int(e) for e in np.flatnonzero(counts["fixed_points"] == 3)), last - 20)
    marks = {"i": AGREES, "ii": max(born - 1, AGREES + 1), "iii": EPOCHS}
    return {
        "losses": {str(epoch): float(one.loss[epoch]) for epoch in (AGREES, 5050, 5300, EPOCHS - 1)},
        "last_gradient_norm": float(one.gradient_norm[-1]),
        "epochs_with": {str(n): int(np.sum(counts["fixed_points"] == n)) for n in np.unique(counts["fixed_points"])},
        "complete": bool(counts["complete"].all()),
        "marks": {name: rank_one.circuit_at(found, epoch) for name, epoch in marks.items()},
        "events": [
            {"kind": event.kind.value, "before": event.before, "after": event.after, "status": event.status.value}
            for event in found.events
        ],
    }


def _network(seed: int, rounding: int | None) -> Any:
    network = initial_rank_one(seed=seed)
    return network if rounding is None else round_anew(network, rounding)


def _descent(seed: int, rounding: int | None) -> Descent:
    return descend(_network(seed, rounding), rank_one.TASK, learning_rate=RATE, updates=EPOCHS)


def _stuck_from(one: Descent) -> int | None:
    """The epoch from which on the gradient is gone; None if it is not, or the loss is right."""
    alive = np.flatnonzero(one.gradient_norm >= GONE)
    first = int(alive[-1]) + 1 if len(alive) else 0
    return first if first < EPOCHS - 20 and one.loss[-1] > 0.5 else None


def _analysis(out: Path, seed: int, rounding: int | None, stuck: int | None, jobs: int) -> Analysis:
    last = min(stuck or EPOCHS, EPOCHS)
    saves = {*range(0, EPOCHS + 1, 100), *range(max(last - 60, 0), min(last + 20, EPOCHS) + 1), AGREES + 1}
    return rank_one.trained(
        out,
        f"figure3b_seed{seed}" + ("" if rounding is None else f"_rounding{rounding}"),
        learning_rate=RATE,
        epochs=EPOCHS,
        seed=seed,
        rounding_seed=rounding,
        saves=saves,
        metrics=range(EPOCHS + 1),
        jobs=jobs,
    )


def _census(seed: int, rounding: int | None) -> dict[str, np.ndarray]:
    """Counts at every epoch, proved."""
    chunks = record(_network(seed, rounding), rank_one.TASK, learning_rate=RATE, updates=EPOCHS)
    found = joined(list(census((one.m, one.n, one.b) for one in chunks)))
    complete = found.complete & found.ghosts_complete
    return {"fixed_points": found.fixed_points, "ghosts": found.ghosts, "complete": complete}


def claims(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    stuck = [epoch for epoch in values["stuck_from"] if epoch is not None]
    paper = numbers.parameters["seed"] == rank_one.SEED
    found = [
        claim(
            "3b",
            "the network gets stuck (gradient gone, wrong to the end) in most roundings of its weights",
            "at least half of them",
            f"{len(stuck)} of {len(values['roundings'])} (at epochs {', '.join(map(str, sorted(stuck))) or '–'})",
            2 * len(stuck) >= len(values["roundings"]) if paper else None,
        ),
        *(_curve(numbers) if paper else ()),
    ]
    found += _capture(numbers) if stuck else []
    return found if paper else of_another_seed(found)


def _curve(numbers: Numbers) -> list[Claim]:
    losses = numbers.values["losses"]
    return [
        near("3b", "loss at epoch 5000", 0.9957, losses["5000"], absolute=1e-4),
        near("3b", "loss at epoch 5050", 0.61, losses["5050"], absolute=0.01),
        claim("3b", "loss at epoch 5300", "≈ 0.31 in one run; chaotic", losses["5300"], None),
        claim(
            "3b",
            "roundings agree at epoch 5000",
            "losses within 1e-6",
            numbers.values["apart_at_5000"],
            numbers.values["apart_at_5000"] < 1e-6,
        ),
    ]


def _capture(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    folds = [event for event in values["events"] if event["kind"] == "saddle_node"]
    captures = [event for event in values["events"] if event["kind"] == "capture"]
    zones = [event for event in values["events"] if event["kind"] == "no_learning_zone"]
    end = values["marks"]["iii"]
    points, start = end["fixed_points"], end["kappa"][0]
    others = (-4.595, -1.393, 5.880)
    alike = len(points) == 3 and all(0.5 < x / other < 2 for x, other in zip(points, others, strict=True))
    paper = numbers.parameters["seed"] == rank_one.SEED
    return [
        claim(
            "3b",
            "practically zero gradient at the end, loss at 1",
            f"norm < {GONE:g}, loss > 0.99",
            f"{values['last_gradient_norm']:.1g}, loss {values['losses'][str(EPOCHS - 1)]:.4f}",
            values["last_gradient_norm"] < GONE and values["losses"][str(EPOCHS - 1)] > 0.99,
        ),
        claim(
            "3b",
            "one fixed point at first, three at the end (proved at every epoch, whole line)",
            "1, then 3, complete",
            ", ".join(f"{n} at {count} epochs" for n, count in values["epochs_with"].items()),
            values["complete"] and set(values["epochs_with"]) == {"1", "3"} and len(points) == 3,
        ),
        claim(
            "3b",
            "a saddle-node creates two of them (proved)",
            "1 or more, the first before the gradient is gone",
            "; ".join(f"{event['before']:g}–{event['after']:g} {event['status']}" for event in folds) or "none",
            any(event["before"] < values["stuck_from"][values["shown"]] for event in folds),
        ),
        claim(
            "3b",
            "and the trial is captured: κ(0) lies in the basin of the lowest one",
            "a capture, κ(0) below the unstable fixed point",
            f"{len(captures)} capture(s), κ(0) = {start:.3f}, unstable at {points[1]:.3f}" if len(points) == 3 else "–",
            bool(captures) and len(points) == 3 and start < points[1],
        ),
        claim(
            "3b",
            "the three fixed points at the end, in the regime of another implementation's (chaotic: no two agree)",
            "−4.595, −1.393, 5.880, each within a factor of 2",
            ", ".join(f"{x:.3f}" for x in points),
            alike if paper else None,
        ),
        claim("3b", "a no-learning zone to the end of the run", "1", len(zones), len(zones) == 1),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    values, table = numbers.values, numbers.tables["metrics"]
    at = {name: circuit["epoch"] for name, circuit in values["marks"].items()}
    last = values["stuck_from"][values["shown"]] or EPOCHS
    span = (4950, min(last + 100, EPOCHS))
    with rc_context(style.STYLE):
        figure = new_figure(6.8)
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.2, 1.15))
        top, bottom = halves
        panels = top.subplots(3, 2, sharex="col", sharey="row", width_ratios=(1, 1), height_ratios=(1, 1, 0.6))
        rank_one.draw_training(panels[:2, 0], table, (0, EPOCHS), {k: at[k] for k in ("i", "iii")}, thin=1)
        rank_one.draw_training(panels[:2, 1], table, span, {k: at[k] for k in ("i", "ii")}, thin=1)
        rank_one.draw_counts(panels[2], table, ((0, EPOCHS), span))
        for ax in panels.flat[:4]:
            ax.set_xlabel("")
        panels[0, 0].set(ylim=(0.1, 1.4), yticks=(0.1, 1), yticklabels=("0.1", "1"))
        panels[0, 0].minorticks_off()
        panels[0, 1].set_ylabel("")
        panels[1, 1].set_ylabel("")
        circuits = bottom.subplots(2, 3, sharey="row")
        for column, (name, circuit) in enumerate(values["marks"].items()):
            title = f"({name}) epoch {circuit['epoch']:,}"
            rank_one.draw_circuit(circuits[0, column], circuit, (-8, 8.5), title)
            rank_one.draw_trial(circuits[1, column], circuit)
        circuits[0, 0].set(ylabel="f(κ)", ylim=(-2.2, 3.0))
        circuits[1, 0].set_ylabel("κ, output")
        finish([*panels.flat, *circuits.flat])
        rank_one.legend(bottom, list(circuits.flat), columns=4)
        return save_figure(figure, out, "figure3b")
