"""Figure 3A's run at single-epoch resolution: how many fixed points and ghosts there are at each epoch, proved.

The network is trained once more; the weights of a chunk of epochs are proved while they are in the processor's cache,
and none are written. What is kept every 50 000 epochs are the counts, the losses and one network, from which a stretch
of consecutive epochs around the drops is trained again and analyzed in full.
"""

from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from dynaghost.analysis import Analysis, analyze
from dynaghost.checkpoints.metrics import Metrics
from dynaghost.checkpoints.run import load_run
from dynaghost.paper import rank_one
from dynaghost.paper.claims import Claim, claim, near, of_another_seed
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers, write_arrays
from dynaghost.paper.figure3a import EPOCHS, QUICK_EPOCHS, RATE
from dynaghost.training.networks import RankOneNetwork, initial_rank_one
from dynaghost.training.recording import record
from dynaghost.training.task import DelayedActivation
from dynaghost.trajectories.census import Census, Step, census, joined, steps
from dynaghost.trajectories.drops import loss_drops
from dynaghost.trajectories.oscillations import oscillations
from dynaghost.views import _style as style

PART = 50_000
"""Epochs after which what is known is kept."""
AROUND, LONGEST = 20, 2000
"""Epochs before and after drops and events that are analyzed with them, and most such epochs."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Consecutive epochs of gradient descent with the counts that were proved at each.

    Attributes
    ----------
    census : Census
    loss, gradient_norm : (epochs,) arrays
    network : RankOneNetwork
        After the last update.
    seconds : float
        Of the processor, for training and proving.
    """

    census: Census
    loss: np.ndarray
    gradient_norm: np.ndarray
    network: RankOneNetwork
    seconds: float


def prove(network: RankOneNetwork, task: DelayedActivation, *, learning_rate: float, updates: int) -> Proved:
    """Train and prove at every epoch, on the whole line, how many fixed points and ghosts there are.

    Parameters
    ----------
    network : RankOneNetwork
    task : DelayedActivation
    learning_rate : float
    updates : int
        At least 1.

    Returns
    -------
    Proved

    Examples
    --------
    >>> found = prove(initial_rank_one(seed=40), DelayedActivation(), learning_rate=0.003, updates=300)
    >>> len(found.census), set(found.census.fixed_points.tolist()), bool(found.census.complete.all())
    (300, {1}, True)
    """
    begun, losses, last = process_time(), [], network

    def stacks() -> Any:
        nonlocal last
        for one in record(network, task, learning_rate=learning_rate, updates=updates):
            losses.append((one.loss, one.gradient_norm))
            last = one.network
            yield one.m, one.n, one.b

    found = joined(list(census(stacks(), threshold=task.threshold)))
    loss, norm = (np.concatenate(column) for column in zip(*losses, strict=True))
    return Proved(found, loss, norm, last, process_time() - begun)


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Every epoch of figure 3A's run (quick: of its first 60 000)."""
    seed, epochs = rank_one.SEED if seed is None else seed, QUICK_EPOCHS if quick else EPOCHS
    network = initial_rank_one(seed=seed)
    prove(network, rank_one.TASK, learning_rate=RATE, updates=2)  # compiled before the clock runs
    parts, starts = [], [network]
    for begin in range(0, epochs, PART):
        path = out / f"figure3a_every_epoch_seed{seed}" / f"epochs_{begin}.npz"
        parts.append(_part(path, starts[-1], min(PART, epochs - begin)))
        starts.append(parts[-1].network)
    counts = joined([part.census for part in parts])
    loss, norm = (np.concatenate([getattr(part, name) for part in parts]) for name in ("loss", "gradient_norm"))
    drops = [drop for drop in loss_drops(np.arange(epochs), loss)]
    events = {name: steps(getattr(counts, name)) for name in ("fixed_points", "ghosts", "above")}
    window = _window([*drops], [step for found in events.values() for step in found], epochs)
    found = _analysis(window, starts, loss, norm, jobs) if window else None
    values = {
        "epochs": epochs,
        "complete": int(np.sum(counts.complete & counts.ghosts_complete)),
        "fixed_points": {str(n): int(np.sum(counts.fixed_points == n)) for n in np.unique(counts.fixed_points)},
        "carried": int(counts.carried.sum()),
        "by_balls": int(counts.by_balls.sum()),
        "seconds": sum(part.seconds for part in parts),
        "events": {name: [[s.epoch, s.before, s.after] for s in changes] for name, changes in events.items()},
        "drops": [[drop.before, drop.after, drop.loss_before, drop.loss_after] for drop in drops],
        "oscillations": [
            [wave.before, wave.after, wave.alternations] for wave in oscillations(np.arange(epochs), loss)
        ],
        "window": window,
        **(_verdicts(found) if found else {"verdicts": [], "located": []}),
    }
    parameters = {"learning_rate": RATE, "epochs": epochs, "seed": seed, "units": 100, "quick": quick}
    return Numbers("3a_every_epoch", parameters, values, _tables(counts, loss, norm, window, found))


def _part(path: Path, network: RankOneNetwork, updates: int) -> Proved:
    """The part that is kept there, or a new one."""
    names = Census.__slots__
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            if kept["loss"].size == updates and np.array_equal(kept["begin_m"], network.m):
                counts = Census(**{name: kept[name] for name in names})
                last = RankOneNetwork(m=kept["m"], n=kept["n"], b=kept["b"])
                return Proved(counts, kept["loss"], kept["gradient_norm"], last, float(kept["seconds"]))
    part = prove(network, rank_one.TASK, learning_rate=RATE, updates=updates)
    last = part.network
    small: dict[str, np.ndarray] = {name: _small(getattr(part.census, name)) for name in names}
    weights: dict[str, np.ndarray] = {"m": last.m, "n": last.n, "b": last.b, "begin_m": network.m}
    path.parent.mkdir(exist_ok=True)
    about = {"loss": part.loss, "gradient_norm": part.gradient_norm, "seconds": np.array(part.seconds)}
    write_arrays(path, small | weights | about)
    return part


def _small(column: np.ndarray) -> np.ndarray:
    return column.astype(np.int16) if column.dtype == np.int64 else column


def _window(drops: list[Any], changes: list[Step], epochs: int) -> tuple[int, int] | None:
    """From before the first drop to after the last one close to it, and the changes of counts close by."""
    if not drops:
        return None
    # Later drops, out of the oscillation, take tens of thousands of epochs: those of the first ones are looked at.
    first = [drop for drop in drops if drop.after - drops[0].before < LONGEST // 2]
    if not first:
        return None
    low, high = first[0].before - AROUND, first[-1].after + AROUND
    near_by = [step.epoch for step in changes if low - LONGEST // 2 < step.epoch < high + LONGEST // 2]
    low, high = min([low, *(e - AROUND for e in near_by)]), max([high, *(e + AROUND for e in near_by)])
    low, high = max(low, 0), min(high, epochs - 1)
    return (low, high) if high - low <= LONGEST else None


def _analysis(
    window: tuple[int, int], starts: list[RankOneNetwork], loss: np.ndarray, norm: np.ndarray, jobs: int
) -> Analysis:
    """The whole analysis, a checkpoint an epoch."""
    low, high = window
    begin, task = low // PART * PART, rank_one.TASK
    chunks = record(starts[low // PART], task, learning_rate=RATE, updates=high + 1 - begin, start=begin)
    weights: dict[int, dict[str, np.ndarray]] = {}
    for one in chunks:
        for i, epoch in enumerate(one.epochs):
            if epoch >= low:
                weights[epoch] = {"m": one.m[i].copy(), "n": one.n[i].copy(), "b": one.b[i].copy()}
    run = load_run(
        weights,
        axis="epoch",
        metrics=Metrics(np.arange(float(len(loss))), loss, norm, "every epoch"),
        leak=task.leak,
        x0=task.x0,
        trial_steps=task.steps,
        delay=task.delay,
        threshold=task.threshold,
    )
    return analyze(run, n_jobs=jobs)


def _verdicts(found: Analysis) -> dict[str, Any]:
    return {
        "verdicts": [
            {
                "before": verdict.before,
                "after": verdict.after,
                "verdict": verdict.verdict.value,
                "grade": verdict.grade.value,
                "kinds": [found.events[i].kind.value for i in verdict.events],
            }
            for verdict in found.verdicts
            if found.steps[0] <= verdict.before and verdict.after <= found.steps[-1]
        ],
        "located": [
            {"kind": event.kind.value, "before": event.before, "after": event.after, "status": event.status.value}
            for event in found.events
            if event.at is not None
        ],
    }


def _tables(
    counts: Census, loss: np.ndarray, norm: np.ndarray, window: tuple[int, int] | None, found: Analysis | None
) -> dict[str, dict[str, np.ndarray]]:
    """Of the window: a table of 500 000 rows would help nobody, and the parts hold it."""
    if window is None or found is None:
        return {}
    part = slice(window[0], window[1] + 1)
    columns = {name: getattr(counts, name)[part] for name in ("fixed_points", "ghosts", "above", "ghost", "speed")}
    epochs = np.arange(window[0], window[1] + 1)
    pairs = [[track.at(int(epoch)) for track in found.pairs] for epoch in epochs]
    slowest = [max((one for one in at if one is not None), key=lambda one: one[1], default=None) for at in pairs]
    passage = np.array([np.nan if one is None else one[1] for one in slowest])
    height = np.array([np.nan if one is None else one[0].imag for one in slowest])
    metrics = {"loss": loss[part], "grad_norm": norm[part], "passage_time": passage, "im_z": height}
    return {"window": {"epoch": epochs, **columns, **metrics}}


def claims(numbers: Numbers) -> list[Claim]:
    values, paper = numbers.values, numbers.parameters["seed"] == rank_one.SEED
    epochs, found = values["epochs"], values["fixed_points"]
    cost = f"{values['seconds']:.1f} s of one core, {values['carried']} carried over, {values['by_balls']} by balls"
    every = [
        claim(
            "3a",
            f"exactly one fixed point at every one of {epochs:,} epochs (proved, whole line)",
            f"1 at {epochs}, complete at {epochs}",
            ", ".join(f"{n} at {c}" for n, c in found.items()) + f", complete at {values['complete']}; {cost}",
            found == {"1": epochs} and values["complete"] == epochs,
        ),
    ]
    return every + _events(numbers) if paper else of_another_seed(every)


def _events(numbers: Numbers) -> list[Claim]:
    values = numbers.values
    events, waves = values["events"], values["oscillations"]
    told = [f"{v['before']:g}–{v['after']:g} {v['verdict']} ({v['grade']})" for v in values["verdicts"]]
    expected = [(33_589, 33_639, "none"), (33_750, 33_861, "ghost")]
    right = [
        abs(v["before"] - b) <= 1 and abs(v["after"] - a) <= 1 and v["verdict"] == answer and v["grade"] == "proved"
        for v, (b, a, answer) in zip(values["verdicts"], expected, strict=False)
    ]
    born, crossed = ([step[0] for step in events[name]] for name in ("ghosts", "above"))
    last = max((wave[1] for wave in waves), default=None)
    return [
        near("3a", "the ghost is born at epoch", 33_992, born[0] if born else None, absolute=1),
        claim("3a", "and is there ever after", "no other change", f"{len(born)} changes", len(born) == 1),
        claim(
            "3a",
            "the fixed point crosses the readout's threshold once, between 33 600 and 33 640",
            "one epoch",
            ", ".join(map(str, crossed)) or "none",
            len(crossed) == 1 and 33_600 < crossed[0] <= 33_640,
        ),
        claim(
            "3a",
            "two drops at single-epoch resolution: none (a readout crossing), then ghost",
            "33589–33639 none, 33750–33861 ghost, each ± 1",
            "; ".join(told) or "none",
            len(values["verdicts"]) == 2 and all(right),
        ),
        near("3a", "oscillation of the loss from epoch", 34_135, waves[0][0] if waves else None, absolute=30),
        near(
            "3a",
            "last oscillating epoch",
            454_000,
            last if values["epochs"] == EPOCHS else None,
            absolute=20_000,
        ),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    values = numbers.values
    if not numbers.tables:
        return []
    table = numbers.tables["window"]
    with rc_context(style.STYLE):
        figure = new_figure(4.6)
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(1.2, 0.8, 1.2))
        axes[0].plot(table["epoch"], table["loss"], color="black", linewidth=1)
        axes[0].set(yscale="log", ylabel="loss")
        for verdict in values["verdicts"]:
            axes[0].axvspan(verdict["before"], verdict["after"], **_span())
            middle = 0.5 * (verdict["before"] + verdict["after"])
            at: dict[str, Any] = {"transform": axes[0].get_xaxis_transform(), "ha": "center", "va": "bottom"}
            axes[0].text(middle, 1.02, f"{verdict['verdict']} ({verdict['grade']})", fontsize=7.5, **at)
        rank_one.draw_counts(axes[1:2], table, [values["window"]], start=values["window"][0])
        axes[1].set_xlabel("")
        axes[2].plot(table["epoch"], table["passage_time"], color=style.GREEN, linewidth=1.2)
        axes[2].set(yscale="log", ylabel="passage time of\nthe pair (τ)", xlabel="epoch")
        _mark(list(axes), values)
        finish(list(axes))
        return save_figure(figure, out, "figure3a_every_epoch")


def _span() -> dict[str, Any]:
    return {"facecolor": style.SKY, "alpha": 0.4, "edgecolor": style.BLUE, "linewidth": 0.6}


def _mark(axes: list[Axes], values: dict[str, Any]) -> None:
    names = {"above": ("readout crossing", style.RED, "-"), "ghosts": ("ghost born", style.GREEN, "--")}
    for name, (label, colour, dashes) in names.items():
        for epoch, *_ in values["events"][name]:
            if values["window"][0] <= epoch <= values["window"][1]:
                for ax in axes:
                    ax.axvline(epoch, color=colour, linestyle=dashes, linewidth=0.9, zorder=0)
                left = epoch < np.mean(values["window"])
                look: dict[str, Any] = {"textcoords": "offset points", "ha": "left" if left else "right", "fontsize": 7}
                at = (epoch, 0.05), (4 if left else -4, 0)
                axes[2].annotate(f"{label}\n{epoch:,}", *at, xycoords=("data", "axes fraction"), **look)
