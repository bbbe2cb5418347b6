"""Beyond the figures: the curvature of the loss along two rank-one runs, against its words for it.

The paper calls parameters "sloppy", and names the "catapult mechanism" and "pathological curvature". The sharpness is
the Hessian's largest eigenvalue; plain gradient descent at a rate α is unstable where α times it exceeds 2.
"""

from pathlib import Path

import numpy as np
from matplotlib import rc_context

from dynaghost.paper.claims import Claim, claim
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.paper.parallel import each
from dynaghost.training.curvature import hessian
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.task import DelayedActivation
from dynaghost.trajectories.oscillations import oscillations
from dynaghost.views import _style as style

SEED = 40
RUNS = {"low": (0.003, 50_000), "high": (0.02, 6000)}
"""Name → rate and epochs: figure 3A's run as far as its curvature settles, and figure 3B's."""
MEASURED, QUICK_MEASURED = 120, 20
"""Hessians along a run."""
STIFF, BULK = 1e-2, 1e-3
"""An eigenvalue above the first share of the sharpness is stiff; a sloppy spectrum has few above the second too."""
EDGE = 2.0


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """120 Hessians along each run; the quick version has 20."""
    number, seed = (QUICK_MEASURED if quick else MEASURED), (SEED if seed is None else seed)
    found = each(_along, [(name, *RUNS[name], seed, number) for name in RUNS], jobs=jobs)
    tables = {name: columns for name, (columns, _) in zip(RUNS, found, strict=True)}
    values = {name: numbers for name, (_, numbers) in zip(RUNS, found, strict=True)}
    return Numbers("curvature", {"runs": RUNS, "seed": seed, "hessians": number, "quick": quick}, values, tables)


_Task = tuple[str, float, int, int, int]


def _along(task: _Task) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    _, rate, epochs, seed, number = task
    trial, network = DelayedActivation(), initial_rank_one(seed=seed)
    whole = descend(network, trial, learning_rate=rate, updates=epochs)
    swings = oscillations(np.arange(epochs), whole.loss)
    inside = np.concatenate([np.arange(one.before, one.after + 1) for one in swings] or [np.arange(0)])
    places = np.union1d(_epochs(whole.loss, epochs, number), _evenly(inside, number // 4))
    spectra, losses, here = [], [], 0
    for epoch in places:
        network = descend(network, trial, learning_rate=rate, updates=int(epoch) - here).network
        here = int(epoch)
        spectra.append(np.linalg.eigvalsh(hessian(network, trial)))
        losses.append(measure(network, trial)[0])
    spectrum = np.array(spectra)
    sharpness = spectrum[:, -1]
    columns = {
        "epoch": places,
        "loss": np.array(losses),
        "sharpness": sharpness,
        "rate_times_sharpness": rate * sharpness,
        "stiff": (spectrum > STIFF * sharpness[:, None]).sum(1),
        "bulk": (spectrum > BULK * sharpness[:, None]).sum(1),
        "negative": (spectrum < -BULK * sharpness[:, None]).sum(1),
        "oscillates": np.array([any(o.before <= epoch <= o.after for o in swings) for epoch in places]),
    }
    columns |= {f"eigenvalue_{k}": spectrum[:, -1 - k] for k in range(20)}
    return columns, {"weights": spectrum.shape[1], "least_loss": float(whole.loss.min())}


def _evenly(epochs: np.ndarray, number: int) -> np.ndarray:
    """So many of them, and the next of each: an oscillation of period 2 has two sides."""
    if epochs.size < 2:
        return epochs
    chosen = np.linspace(0, epochs.size - 2, number).astype(int)
    return epochs[np.concatenate([chosen, chosen + 1])]


def _epochs(loss: np.ndarray, epochs: int, number: int) -> np.ndarray:
    """Half of them evenly, half where the loss changes most."""
    even = np.linspace(0, epochs, number // 2).astype(int)
    change = np.cumsum(np.abs(np.diff(np.log(np.maximum(np.minimum.accumulate(loss), 1e-12)))))
    dense = np.searchsorted(change, np.linspace(0, change[-1], number - number // 2))
    return np.unique(np.minimum(np.concatenate([even, dense]), epochs))


def claims(numbers: Numbers) -> list[Claim]:
    low, high = numbers.tables["low"], numbers.tables["high"]
    weights = numbers.values["low"]["weights"]
    learned = low["loss"] < 0.1
    swinging = (low["oscillates"] == 1) & learned
    first = np.flatnonzero((np.diff(low["epoch"]) == 1) & swinging[1:] & swinging[:-1])
    sides = np.sort(np.stack([low["rate_times_sharpness"][first], low["rate_times_sharpness"][first + 1]]), axis=0)
    steep = float(low["sharpness"].max() / low["sharpness"][0])
    catapult = float(high["rate_times_sharpness"].max())
    return [
        *(
            claim(
                "curvature",
                f"weights are sloppy: of {weights} curvatures once learned, those above {share:g} of the sharpness",
                "at most 10 %",
                f"median {np.median(low[name][learned]):g}, at most {low[name][learned].max()}",
                bool(np.median(low[name][learned]) <= 0.1 * weights) if learned.any() else None,
                # m and n enter as a product: each unit adds a pair of curvatures ±λ, a bulk far above "sloppy".
                known=share == BULK,
            )
            for share, name in ((STIFF, "stiff"), (BULK, "bulk"))
        ),
        claim(
            "curvature",
            "curvature is pathological: sharpness rises by orders of magnitude through the drop",
            "a factor above 1000",
            f"{steep:.3g}",
            steep > 1000,
        ),
        claim(
            "curvature",
            "the oscillation is descent at its edge of stability: rate × sharpness on both sides of the valley",
            f"below {EDGE:g} on one, above on the other; medians over pairs of epochs",
            " and ".join(f"{side:.3g}" for side in np.median(sides, axis=1)) if first.size else "–",
            bool(np.median(sides[0]) < EDGE < np.median(sides[1])) if first.size else None,
        ),
        claim(
            "curvature",
            "at rate 0.02 steps go beyond stability, as in the catapult mechanism: largest rate × sharpness",
            f"above {EDGE:g}",
            f"{catapult:.3g}",
            catapult > EDGE,
        ),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    with rc_context(style.STYLE):
        figure = new_figure(4.4)
        axes = figure.subplots(2, 2, sharex="col")
        for column, (name, (rate, _)) in enumerate(RUNS.items()):
            table, (above, below) = numbers.tables[name], axes[:, column]
            above.plot(table["epoch"], table["rate_times_sharpness"], color=style.RED, lw=0.9, marker="o", ms=2)
            above.axhline(EDGE, color="black", ls="--", lw=0.7)
            above.set(yscale="log", ylabel="rate × sharpness", title=f"rate {rate:g}")
            for k in range(20):
                values = table[f"eigenvalue_{k}"]
                below.plot(table["epoch"], np.where(values > 0, values, np.nan), color=style.BLUE, alpha=0.6, lw=0.6)
            below.set(yscale="log", xlabel="epoch", ylabel="20 largest eigenvalues")
        finish(axes.ravel())
        return save_figure(figure, out, "figurecurvature")
