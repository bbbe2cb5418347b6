"""Figure 3A: a rank-one network learns the task at a low learning rate, without a bifurcation."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context

from dynaghost.analysis import Analysis
from dynaghost.paper import rank_one
from dynaghost.paper.claims import Claim, claim, near, of_another_seed
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.trajectories.oscillations import oscillations
from dynaghost.views import _style as style

RATE, EPOCHS, QUICK_EPOCHS = 0.003, 500_000, 60_000
DROP = (33_400, 34_300)
"""Around the abrupt drop."""
WINDOW = 40
"""Consecutive epochs, every thousandth, in which an oscillation is looked for."""
EXAMINED = (33_600, 33_900, 34_000, 34_100, 50_000, 350_000, 450_000, 499_000, 499_900)
LOSSES = (0, 10_000, 20_000, 32_000, 34_000, 50_000, 100_000, 499_999)
MARKS = {"i": 33_500, "ii": 34_000}
"""And (iii), the last epoch."""
BIFURCATIONS = {"saddle_node", "pitchfork", "cusp"}


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """500 000 epochs (10 s to train); the quick version has 60 000, which hold the drop."""
    seed, epochs = rank_one.SEED if seed is None else seed, QUICK_EPOCHS if quick else EPOCHS
    found = rank_one.trained(
        out,
        f"figure3a_{epochs}_seed{seed}",
        learning_rate=RATE,
        epochs=epochs,
        seed=seed,
        saves=_saves(epochs),
        metrics=_metrics(epochs),
        jobs=jobs,
    )
    marks = {**MARKS, "iii": epochs}
    values = {
        **_course(found),
        "losses": {str(epoch): rank_one.loss_at(found, epoch) for epoch in LOSSES},
        "gradient_norms": {str(epoch): rank_one.gradient_norm_at(found, epoch) for epoch in (30_000, 33_636)},
        "examined": {str(epoch): rank_one.circuit_at(found, epoch) for epoch in EXAMINED},
        "marks": {name: rank_one.circuit_at(found, epoch) for name, epoch in marks.items()},
        **_oscillation(found, epochs),
    }
    table = {"epoch": found.losses.steps.astype(int), "loss": found.losses.loss, "grad_norm": found.losses.grad_norm}
    parameters = {"learning_rate": RATE, "epochs": epochs, "seed": seed, "units": 100, "quick": quick}
    return Numbers("3a", parameters, values, {"metrics": {k: np.asarray(v) for k, v in table.items()}})


def _saves(epochs: int) -> set[int]:
    spans = ((0, epochs, 5000), (30_000, 50_000, 1000), (*DROP, 10), (33_980, 34_000, 1))
    return {epoch for low, high, step in spans for epoch in range(low, high + 1, step)} | {*EXAMINED, 33_861, epochs}


def _metrics(epochs: int) -> set[int]:
    windows = {epoch + k for epoch in range(34_000, epochs, 1000) for k in range(WINDOW)}
    return windows | set(range(0, epochs + 1, 500)) | set(range(32_000, 36_001)) | set(LOSSES)


def _course(found: Analysis) -> dict[str, Any]:
    """What happened along training, from the analysis."""
    emergences = [event for event in found.events if event.kind == "ghost_emergence"]
    crossings = [event for event in found.events if event.kind == "readout_crossing"]
    return {
        "checkpoints": len(found.steps),
        "fixed_points": sorted({len(points.fixed_points) for points in found.points}),
        "complete": all(points.complete and points.ghosts_complete for points in found.points),
        "followed": not any(segment.lost for branch in found.branches for segment in branch.segments),
        "bifurcations": [event.kind.value for event in found.events if event.kind.value in BIFURCATIONS],
        "ghost_emergences": [[event.before, event.after, event.evidence["x"]] for event in emergences],
        "readout_crossings": [[event.before, event.after] for event in crossings],
        "verdicts": [
            {
                "before": verdict.before,
                "after": verdict.after,
                "loss_before": verdict.loss_before,
                "loss_after": verdict.loss_after,
                "verdict": verdict.verdict.value,
                "grade": verdict.grade.value,
                "crossings": len(verdict.evidence.get("readout_crossings", ())),
            }
            for verdict in found.verdicts
        ],
    }


def _oscillation(found: Analysis, epochs: int) -> dict[str, Any]:
    """Where the loss alternates: exactly around the drop, and every thousandth epoch later."""
    steps, loss = found.losses.steps, np.asarray(found.losses.loss)
    dense = (steps >= DROP[0]) & (steps <= 36_000)
    first = oscillations(steps[dense], loss[dense])[:1]
    windows = []
    for epoch in range(36_000, epochs, 1000):
        part = (steps >= epoch) & (steps < epoch + WINDOW)
        if part.sum() == WINDOW and oscillations(steps[part], loss[part]):
            windows.append(epoch)
    return {
        "oscillates_from": first[0].before if first else None,
        "alternations": first[0].alternations if first else 0,
        "oscillating_windows": windows,
        "windows": len(range(36_000, epochs, 1000)),
    }


def claims(numbers: Numbers) -> list[Claim]:
    if numbers.parameters["seed"] != rank_one.SEED:
        return of_another_seed(_structure(numbers))
    return [*_structure(numbers), *_curve(numbers), *_ghost(numbers), *_late(numbers)]


def _structure(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    emergences, drops = values["ghost_emergences"], values["verdicts"]
    first = min((drop["before"] for drop in drops), default=None)
    born = emergences[0][1] if emergences else None
    return [
        claim(
            "3a",
            f"exactly one fixed point at each of {values['checkpoints']} examined epochs (proved, whole line)",
            "1 everywhere, complete",
            f"{values['fixed_points']}, {'complete' if values['complete'] else 'not complete'}",
            values["complete"] and values["fixed_points"] == [1],
        ),
        claim(
            "3a",
            "no bifurcation between them either, on the straight lines from each to the next",
            "none",
            (", ".join(values["bifurcations"]) or "none") + ("" if values["followed"] else ", not all followed"),
            not values["bifurcations"] if values["followed"] or values["bifurcations"] else None,
        ),
        claim("3a", "a ghost emerges", "1 emergence or more", len(emergences), bool(emergences)),
        claim(
            "3a",
            "the ghost emerges before the loss drops (as a minimum of |f|)",
            "emergence before the first drop",
            f"epoch {born}, the drop begins at {first:g}" if born and first is not None else "–",
            bool(born <= first) if born and first is not None else None,
            known=True,
        ),
    ]


def _curve(numbers: Numbers) -> list[Claim]:
    losses, norms, drops = numbers.values["losses"], numbers.values["gradient_norms"], numbers.values["verdicts"]
    early = {0: (0.99991, 1e-5), 10_000: (0.99988, 1e-5), 20_000: (0.9998, 5e-5), 32_000: (0.9988, 1e-4)}
    later = {34_000: (0.0209, 0.0003), 50_000: (0.0137, 0.0014), 100_000: (0.0112, 0.0022), 499_999: (1.2e-4, 8e-5)}
    abrupt, later_drops = [[d for d in drops if (d["after"] < DROP[1]) == first] for first in (True, False)]
    told, told_later = ("; ".join(map(_told, some)) or "none" for some in (abrupt, later_drops))
    right = [
        (abs(d["before"] - b) <= 30 and abs(d["after"] - a) <= 30 and d["verdict"] == v and d["grade"] == "proved")
        for d, (b, a, v) in zip(abrupt, ((33_589, 33_639, "none"), (33_750, 33_861, "ghost")), strict=False)
    ]
    return [
        *(
            near("3a", f"loss at epoch {epoch}", value, losses[str(epoch)], absolute=tolerance)
            for epoch, (value, tolerance) in {**early, **later}.items()
        ),
        near("3a", "gradient norm at epoch 30 000", 0.007, norms["30000"], absolute=0.0005),
        near("3a", "gradient norm at epoch 33 636, an abrupt increase", 6.4, norms["33636"], relative=0.05),
        claim(
            "3a",
            "two drops: a readout crossing without a ghost, then a ghost",
            "33589–33639 none, 33750–33861 ghost, each ± 30",
            told,
            len(abrupt) == 2 and all(right) and abrupt[0]["crossings"] == 1,
        ),
        claim(
            "3a",
            "later falls of the loss, within and out of the oscillation, are no bifurcations either",
            "ghost or none, proved",
            told_later,
            all(d["verdict"] in ("ghost", "none") and d["grade"] == "proved" for d in later_drops)
            if later_drops
            else None,
        ),
    ]


def _told(drop: dict[str, Any]) -> str:
    return f"{drop['before']:g}–{drop['after']:g} {drop['verdict']} ({drop['grade']})"


def _ghost(numbers: Numbers) -> list[Claim]:
    values, examined = numbers.values, numbers.values["examined"]
    emergences = values["ghost_emergences"]
    at = {int(epoch): found for epoch, found in examined.items()}
    born, pair = at[34_000], {epoch: _pair(at[epoch]) for epoch in (33_900, 34_000, 34_100)}
    im = {33_900: 3.56, 34_000: 2.14, 34_100: 1.39}
    times = {33_900: 8.48, 34_000: 26.7, 34_100: 39.2}
    return [
        near("3a", "first epoch with a ghost", 33_992, emergences[0][1] if emergences else None, absolute=1),
        near("3a", "ghost at 34 000: κ", -0.574, _first(born, 0), absolute=0.01),
        near("3a", "ghost at 34 000: |f|", 0.178, _first(born, 1), absolute=0.002),
        *(near("3a", f"pair at {e}: Im z", im[e], pair[e][0], relative=0.02) for e in im),
        *(near("3a", f"pair at {e}: passage time (τ)", times[e], pair[e][1], relative=0.03) for e in times),
    ]


def _late(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    at = {int(epoch): found for epoch, found in values["examined"].items()}
    curves = {34_000: 0.03, 50_000: 0.08, 350_000: 0.37, 450_000: 0.45, 499_900: 0.095}
    tolerance = {34_000: 0.005, 50_000: 0.01, 350_000: 0.08, 450_000: 0.08, 499_900: 0.03}
    steps = {33_600: (33, 0), 34_000: (10, 0), 50_000: (5, 1), 499_900: (2, 1)}
    windows, some = values["oscillating_windows"], values["windows"] > 100
    bend = {epoch: _first(at[epoch], 2) for epoch in curves}
    late, last = bend[450_000], bend[499_900]
    return [
        near("3a", "ghost at 499 000: κ", -2.50, _first(at[499_000], 0), absolute=0.3),
        near("3a", "ghost at 499 000: |f|", 0.258, _first(at[499_000], 1), absolute=0.05),
        *(
            near("3a", f"curvature f″ of the ghost at {e}", v, bend[e], absolute=tolerance[e])
            for e, v in curves.items()
        ),
        claim(
            "3a",
            "the escape from the oscillation sharpens the ghost's curvature",
            "f″ at 499 900 above that at 450 000",
            "–" if late is None or last is None else f"{last:.3f}, after {late:.3f}",
            None if late is None or last is None else last > late,
            known=True,
        ),
        *(
            near("3a", f"steps with an uncertain output at {e}", v, _uncertain(at[e]), absolute=t)
            for e, (v, t) in steps.items()
        ),
        near("3a", "oscillation of the loss from epoch", 34_135, values["oscillates_from"], absolute=30),
        claim(
            "3a",
            "near period 2: rises and falls of the loss alternate",
            "≥ 20 in a row",
            values["alternations"],
            values["alternations"] >= 20,
        ),
        near("3a", "last oscillating epoch, to a thousand", 454_000, windows[-1] if some else None, absolute=20_000),
        claim(
            "3a",
            "the network escapes the oscillation and the loss falls further",
            "none in the last 10 000 epochs, loss < 1e-3",
            f"last at {windows[-1]}, loss {values['losses']['499999']:.2g}" if some else "–",
            windows[-1] < 490_000 and values["losses"]["499999"] < 1e-3 if some else None,
        ),
    ]


def _first(circuit: dict[str, Any] | None, column: int) -> float | None:
    """κ (0), |f| (1) or f″ (2) of the slowest ghost of an examined epoch."""
    return None if not circuit or not circuit["ghosts"] else min(circuit["ghosts"], key=lambda g: g[1])[column]


def _uncertain(circuit: dict[str, Any] | None) -> int | None:
    return None if circuit is None else circuit["uncertain_steps"]


def _pair(circuit: dict[str, Any] | None) -> tuple[float | None, float | None]:
    """Im z and passage time of the pair with the longest passage."""
    if not circuit or not circuit["pairs"]:
        return None, None
    _, im, time = max(circuit["pairs"], key=lambda pair: pair[2])
    return im, time


def draw(numbers: Numbers, out: Path) -> list[Path]:
    marks, last = numbers.values["marks"], numbers.parameters["epochs"]
    at = {name: circuit["epoch"] for name, circuit in marks.items()}
    with rc_context(style.STYLE):
        figure = new_figure(6.4)
        halves: Any = figure.subfigures(2, 1, height_ratios=(1, 1.15))
        top, bottom = halves
        panels = top.subplots(2, 2, sharex="col", width_ratios=(1, 1.2))
        rank_one.draw_training(panels[:, 0], numbers.tables["metrics"], DROP, at, thin=1)
        rank_one.draw_training(panels[:, 1], numbers.tables["metrics"], (0, last), {"iii": last}, thin=500)
        for ax in panels[:, 1]:
            ax.axvspan(*DROP, color=style.SKY, alpha=0.6, linewidth=0, zorder=0)
            ax.set_ylabel("")
        beside: dict[str, Any] = {"transform": panels[0, 1].get_xaxis_transform(), "fontsize": 7, "va": "center"}
        panels[0, 1].text(DROP[1] + 0.02 * last, 0.9, "left panel", **beside)
        circuits = bottom.subplots(2, 3, sharey="row")
        for column, (name, circuit) in enumerate(marks.items()):
            title = f"({name}) epoch {circuit['epoch']:,}"
            rank_one.draw_circuit(circuits[0, column], circuit, (-5.5, 7.2), title)
            rank_one.draw_trial(circuits[1, column], circuit)
        circuits[0, 0].set(ylabel="f(κ)", ylim=(-1.3, 2.2))
        circuits[1, 0].set_ylabel("κ, output")
        finish([*panels.flat, *circuits.flat])
        rank_one.legend(bottom, list(circuits.flat), columns=4)
        return save_figure(figure, out, "figure3a")
