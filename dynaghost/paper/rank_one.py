"""What figures 3A and 3B share: a trained and analyzed rank-one network, its circuits at chosen epochs, panels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from dynaghost.analysis import Analysis, analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.slowpoints.records import FixedPoint
from dynaghost.store import open_store
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trainer import train
from dynaghost.views import _style as style

TASK = DelayedActivation()
SEED = 40
"""Of the paper's networks."""


def trained(
    out: Path,
    name: str,
    *,
    learning_rate: float,
    epochs: int,
    seed: int,
    saves: Iterable[int],
    metrics: Iterable[int],
    rounding_seed: int | None = None,
    jobs: int = 1,
) -> Analysis:
    """Train a network into the folder `name` and analyze it, both from where an earlier call stopped."""
    folder = train(
        TASK,
        out=out / name,
        learning_rate=learning_rate,
        epochs=epochs,
        seed=seed,
        rounding_seed=rounding_seed,
        save_steps=sorted({epoch for epoch in saves if epoch <= epochs}),
        metrics_steps=sorted({epoch for epoch in metrics if epoch <= epochs}),
    )
    run = load_run(folder)
    with open_store(out / f"{name}_analysis", run) as kept:
        return analyze(run, n_jobs=jobs, done=kept.batch, keep=kept.keep)


def loss_at(found: Analysis, epoch: int) -> float | None:
    """The loss at a recorded epoch; None where it was not recorded."""
    return _metric(found, found.losses.loss, epoch)


def gradient_norm_at(found: Analysis, epoch: int) -> float | None:
    """The gradient's norm at a recorded epoch; None where it was not recorded."""
    return _metric(found, found.losses.grad_norm, epoch)


def _metric(found: Analysis, column: np.ndarray | None, epoch: int) -> float | None:
    rows = np.flatnonzero(found.losses.steps == epoch)
    return float(column[rows[0]]) if column is not None and len(rows) else None


def circuit_at(found: Analysis, epoch: int) -> dict[str, Any] | None:
    """Slow points, κ(0), outputs and flow at a checkpoint; None where there is none.

    Speeds and second derivatives are the circuit's, not divided by |n|.
    """
    if epoch not in found.steps:
        return None
    e = found.steps.index(epoch)
    circuit, points = found.circuits[e], found.points[e]
    assert isinstance(circuit, RankOneCircuit)
    kappa, output = trial(circuit)
    scale = float(np.linalg.norm(circuit.weights[1]))
    return {
        "epoch": epoch,
        "fixed_points": [float(p.x[0]) for p in points.fixed_points],
        "stable": [bool(p.stable) for p in points.fixed_points if isinstance(p, FixedPoint)],
        "ghosts": [[float(g.x[0]), g.speed * scale, 2 * g.curvature * scale, g.passage_time] for g in points.ghosts],
        "complete": points.complete and points.ghosts_complete,
        "kappa": kappa,
        "output": output,
        "uncertain_steps": int(np.sum((output > 0.01) & (output < 0.99))),
        "pairs": [[z.real, z.imag, time] for z, time in _pairs(found, epoch)],
        "weights": [weight.tolist() for weight in circuit.weights],
    }


def _pairs(found: Analysis, epoch: int) -> list[tuple[complex, float]]:
    known = (track.at(epoch) for track in found.pairs)
    return [pair for pair in known if pair is not None]


def trial(circuit: RankOneCircuit, task: DelayedActivation = TASK) -> tuple[np.ndarray, np.ndarray]:
    """κ before the first step and after each, (steps + 1,), and the output σ(c(κ − κ*)) after each, (steps,)."""
    m, n, b = circuit.weights
    kappa = np.empty(task.steps + 1)
    kappa[0] = task.x0 * n.sum()
    for t in range(task.steps):
        kappa[t + 1] = (1 - task.leak) * kappa[t] + task.leak * float(n @ np.tanh(m * kappa[t] + b))
    return kappa, 1 / (1 + np.exp(-task.confidence * (kappa[1:] - task.threshold)))


def flow(circuit: dict[str, Any], kappa: np.ndarray) -> np.ndarray:
    """f(κ) of a circuit from `circuit_at`."""
    m, n, b = (np.array(weight) for weight in circuit["weights"])
    return np.tanh(np.multiply.outer(kappa, m) + b) @ n - kappa


def draw_training(
    axes: Sequence[Axes], table: dict[str, np.ndarray], span: tuple[int, int], marks: dict[str, int], *, thin: int
) -> None:
    """Loss and gradient norm between two epochs, every `thin`-th one, with chosen epochs marked."""
    epochs = table["epoch"]
    part = (epochs >= span[0]) & (epochs <= span[1]) & (epochs % thin == 0)
    for ax, name, label in zip(axes, ("loss", "grad_norm"), ("loss", "gradient norm"), strict=True):
        values = table[name][part]
        ax.plot(epochs[part], np.where(values > 0, values, np.nan), color="black", linewidth=0.8)
        ax.set(yscale="log", ylabel=label, xlim=span)
    for name, epoch in marks.items():
        if not span[0] <= epoch <= span[1]:
            continue
        for ax in axes:
            ax.axvline(epoch, color=style.RED, linewidth=1, linestyle=(0, (2, 1)), zorder=0)
        at: dict[str, Any] = {"transform": axes[0].get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes[0].text(epoch, 1.01, f"({name})", fontsize=7.5, **at)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes[-1].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def draw_counts(
    axes: Sequence[Axes], table: dict[str, np.ndarray], spans: Sequence[tuple[float, float]], start: int = 0
) -> None:
    """How many fixed points and ghosts there are at every epoch, one axis a span."""
    for ax, span in zip(axes, spans, strict=True):
        part = slice(max(int(span[0]) - start, 0), int(span[1]) - start + 1)
        epochs = table["epoch"][part]
        ax.step(
            epochs, table["fixed_points"][part], where="post", color=style.BLUE, linewidth=1.4, label="fixed points"
        )
        look: dict[str, Any] = {"color": style.GREEN, "linewidth": 1.4, "linestyle": (0, (2, 1))}
        ax.step(epochs, table["ghosts"][part], where="post", label="ghosts", **look)
        ax.set(ylim=(-0.3, 3.4), xlim=span, yticks=(0, 1, 2, 3), xlabel="epoch")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes[0].set_ylabel("number")
    axes[0].legend(loc="upper left", ncols=2)


def draw_circuit(ax: Axes, circuit: dict[str, Any], window: tuple[float, float], title: str) -> None:
    """f(κ) with fixed points, ghosts, κ(0) and the readout's threshold."""
    kappa = np.linspace(*window, 600)
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.plot(kappa, flow(circuit, kappa), color="black", linewidth=1.3, zorder=2)
    for x, stable in zip(circuit["fixed_points"], circuit["stable"], strict=True):
        face = style.BLUE if stable else "white"
        label = "stable fixed point" if stable else "unstable fixed point"
        ax.plot(x, 0, label=label, **_point("o", style.BLUE), markerfacecolor=face)
    for x, *_ in circuit["ghosts"]:
        ax.plot(x, float(flow(circuit, np.array([x]))[0]), label="ghost", **_point("D", style.GREEN))
    ax.plot(circuit["kappa"][0], 0, label="start κ(0)", **{**_point("X", style.RED), "markersize": 7})
    ax.axvline(TASK.threshold, **style.THRESHOLD)
    ax.set(xlim=window, xlabel="κ", title=title)


def draw_trial(ax: Axes, circuit: dict[str, Any]) -> None:
    """κ and the output over one trial."""
    time = TASK.leak * np.arange(TASK.steps + 1)
    ax.axvline(TASK.delay, color="0.75", linewidth=0.8, zorder=0)
    ax.plot(time, circuit["kappa"], color="black", linewidth=1.2, label="κ(t)")
    ax.plot(time[1:], circuit["output"], color=style.PURPLE, linewidth=1.6, linestyle=(0, (4, 1)), label="output")
    ax.axhline(TASK.threshold, **{**style.THRESHOLD, "label": "_"})
    ax.set(xlabel="time (τ)", xlim=(0, time[-1]))


def legend(figure: Any, axes: Sequence[Axes], *, columns: int = 5) -> None:
    """One entry a label, below the figure."""
    found = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns)


def _point(marker: str, colour: str) -> dict[str, Any]:
    return {"marker": marker, "color": colour, "markersize": 6, "zorder": 4, "linestyle": "none"}
