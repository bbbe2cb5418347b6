"""Beyond the figures: longer delays. A ghost that common finders take for a fixed point, and the critical rate.

For the toy model r* = π²/(4T²), and the kinetic energy at its ghost is q = r*²/2: below a finder's usual tolerance of
1e-12 from T = π/2·2^{−1/4}·10³ ≈ 1321 on. For the toy model the critical rate falls as T⁻⁵ (paper, eq. 15); that of
rank-one networks is not expected to.
"""

import math
from pathlib import Path

import numpy as np
from matplotlib import rc_context

from dynaghost.paper.claims import Claim, claim, near
from dynaghost.paper.drawing import finish, new_figure, save_figure
from dynaghost.paper.figure import Numbers
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.sweep import Grid, Sweep, sweep
from dynaghost.systems.toy import SaddleNode
from dynaghost.training.toy import optimal_r
from dynaghost.views import _style as style

TOLERANCE = 1e-12
"""On q, below which a common finder says "fixed point"."""
TOY_DELAYS = (100, 300, 1000, 1300, 1340, 3000, 10_000, 100_000)

DELAY_STEPS, QUICK_DELAY_STEPS = (10, 14, 20, 28, 40), (10, 20, 40)
RATES, QUICK_RATES = 15, 7
SEEDS, QUICK_SEEDS = 6, 3
EPOCHS, QUICK_EPOCHS = 60_000, 10_000
DEAD = 0.99
"""A network is dead that began to learn, and ends above this loss with a wrong output."""
RATE_RANGE = (-3.0, -0.5)


def run(out: Path, *, quick: bool, jobs: int, seed: int | None) -> Numbers:
    """Five delays, 15 rates, six seeds, 60 000 epochs; the quick version has 3, 7, 3 and 10 000."""
    first, number = seed or 0, QUICK_SEEDS if quick else SEEDS
    epochs = QUICK_EPOCHS if quick else EPOCHS
    grid = Grid(
        seeds=range(first, first + number),
        learning_rates=np.logspace(*RATE_RANGE, QUICK_RATES if quick else RATES).tolist(),
        delay_steps=QUICK_DELAY_STEPS if quick else DELAY_STEPS,
    )
    found = sweep(grid, out=out / f"delays_{epochs}", epochs=epochs, n_jobs=jobs)
    critical = _critical(found, grid)
    parameters = {"seeds": grid.seeds, "rates": grid.learning_rates, "epochs": epochs, "quick": quick}
    return Numbers(
        "delays", parameters, _values(critical), {"toy": _toy(), "critical": critical, "runs": found.columns()}
    )


def _toy() -> dict[str, np.ndarray]:
    """Both answers about the ghost of the toy model at its best r, by delay."""
    best = np.array([optimal_r(delay) for delay in TOY_DELAYS])
    points = [find_slow_points(SaddleNode(r)) for r in best]
    return {
        "delay": np.array(TOY_DELAYS, dtype=float),
        "r": best,
        "q": best**2 / 2,
        "taken_for_fixed_point": np.array([_common_finder(r) for r in best]),
        "fixed_points": np.array([len(found.fixed_points) for found in points]),
        "ghosts": np.array([len(found.ghosts) for found in points]),
        "proved": np.array([found.complete and found.ghosts_complete for found in points]),
    }


def _common_finder(r: float) -> bool:
    """Whether a minimizer of q from the trial's start ends with q below the tolerance."""
    from scipy.optimize import minimize

    found = minimize(
        lambda x: 0.5 * (x[0] ** 2 + r) ** 2,
        np.array([0.1]),
        jac=lambda x: (x**2 + r) * 2 * x,
        method="BFGS",
        options={"gtol": 1e-14, "maxiter": 1000},
    )
    return bool(found.fun < TOLERANCE)


def _longest() -> float:
    """The delay from which on the finder is wrong, by bisection."""
    low, high = 100.0, 10_000.0
    while high - low > 0.1:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if _common_finder(optimal_r(middle)) else (middle, high)
    return 0.5 * (low + high)


def _critical(found: Sweep, grid: Grid) -> dict[str, np.ndarray]:
    """By delay: the rate at which half of the networks that begin to learn die, on a logarithmic scale."""
    rates, shape = np.log(grid.learning_rates), (len(grid.delay_steps), len(grid.learning_rates), len(grid.seeds))
    begun = np.isfinite(found.columns()["fall_begin"])
    dead = begun & found.column("wrong") & (found.column("final_loss") > DEAD)
    begun, dead = begun.reshape(shape).sum(2), dead.reshape(shape).sum(2)
    share = np.where(begun > 0, dead / np.maximum(begun, 1), np.nan)
    return {
        "delay": np.array(grid.delay_steps, dtype=float),
        "critical_rate": np.array([math.exp(_crossing(rates, row)) for row in share]),
        **{f"dead_{rate:.3e}": share[:, k] for k, rate in enumerate(grid.learning_rates)},
    }


def _crossing(x: np.ndarray, share: np.ndarray) -> float:
    """Where a share first rises above ½, interpolated; NaN if nowhere, or from the first on."""
    x, share = x[np.isfinite(share)], share[np.isfinite(share)]
    above = np.flatnonzero(share >= 0.5)
    if not above.size or above[0] == 0:
        return math.nan
    k = int(above[0]) - 1
    return float(x[k] + (0.5 - share[k]) / (share[k + 1] - share[k]) * (x[k + 1] - x[k]))


def _values(critical: dict[str, np.ndarray]) -> dict[str, object]:
    known = np.isfinite(critical["critical_rate"])
    exponent = None
    if known.sum() > 1:
        places, rates = critical["delay"][known], critical["critical_rate"][known]
        exponent = float(np.polyfit(np.log(places), np.log(rates), 1)[0])
    return {"longest": _longest(), "exponent": exponent}


def claims(numbers: Numbers) -> list[Claim]:
    toy, exponent = numbers.tables["toy"], numbers.values["exponent"]
    ours = bool((toy["fixed_points"] == 0).all() and (toy["ghosts"] == 1).all() and toy["proved"].all())
    return [
        near(
            "delays",
            f"delay from which on r* is too small for a finder with q < {TOLERANCE:g}",
            1320,
            numbers.values["longest"],
            absolute=5,
        ),
        claim(
            "delays",
            "a certified search tells the ghost from a fixed point at every delay up to 100 000",
            "1 ghost, 0 fixed points, proved",
            "all" if ours else "not all",
            ours,
        ),
        claim(
            "delays",
            "the critical rate of rank-one networks does not follow eq. 15",
            "exponent against T further than 0.5 from −5",
            exponent,
            None if exponent is None else abs(exponent + 5) > 0.5,
        ),
    ]


def draw(numbers: Numbers, out: Path) -> list[Path]:
    toy, critical = numbers.tables["toy"], numbers.tables["critical"]
    with rc_context(style.STYLE):
        figure = new_figure(2.6)
        left, right = figure.subplots(1, 2)
        wrong = toy["taken_for_fixed_point"] == 1
        left.plot(toy["delay"], toy["q"], color=style.BLUE, lw=0.9, label="q at the ghost, r = r*")
        left.plot(toy["delay"][wrong], toy["q"][wrong], "X", color=style.RED, ms=5, label='a finder says "fixed point"')
        left.axhline(TOLERANCE, color="black", ls="--", lw=0.7)
        left.text(110, TOLERANCE / 2, "usual tolerance", va="top", fontsize=6.5)
        left.set(xscale="log", yscale="log", xlabel="delay T (τ)", ylabel="kinetic energy q")
        left.legend(loc="upper right", fontsize=6.5)
        places, rates = critical["delay"], critical["critical_rate"]
        right.plot(places, rates, "o-", color=style.GREEN, lw=0.9, ms=4, label="rank-one networks")
        start = float(rates[np.isfinite(rates)][0]) if np.isfinite(rates).any() else 1.0
        right.plot(places, start * (places / places[0]) ** -5, "--", color=style.GREY, lw=0.9, label="T⁻⁵ (eq. 15)")
        right.set(xscale="log", yscale="log", xlabel="delay T (steps)", ylabel="rate at which half die")
        right.set_xticks(places, [f"{place:g}" for place in places])
        right.minorticks_off()
        right.legend(loc="lower left", fontsize=6.5)
        finish([left, right], letters="AB")
        return save_figure(figure, out, "figuredelays")
