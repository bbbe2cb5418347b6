"""The complete search against its bars: `python tests/benchmarks/bench_complete.py [--long]`.

Each figure is the best of three runs of one search, compiled beforehand. `--long` adds rank 5 and 6.
"""

import math
import sys
import time

import numpy as np

from dynaghost.slowpoints import complete_gated
from dynaghost.slowpoints.complete import Found, find_all
from dynaghost.systems.base import System
from dynaghost.systems.gated import GRU, LSTM, Gated
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.systems.recurrent import LeakyRNN


def network(units: int, gain: float, seed: int, *, biased: bool = True) -> LeakyRNN:
    """W = gain·N(0, 1)/√n, b = 0.3·N(0, 1) or 0."""
    rng = np.random.default_rng(seed)
    W = gain * rng.normal(size=(units, units)) / math.sqrt(units)
    return LeakyRNN(W, 0.3 * rng.normal(size=units) * biased)


def circuit(rank: int, gain: float, seed: int, units: int = 100) -> System:
    """M = N(0, 1), N = (gain·Mᵀ + N(0, 1))/n: several fixed points, since N M is about gain·I."""
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(units, rank))
    n = (gain * m.T + rng.normal(size=(rank, units))) / units
    return LowRankRNN(m, n, 0.2 * rng.normal(size=units)).latent()


def gated(kind: type[Gated], units: int, gain: float, seed: int) -> Gated:
    """Recurrent weights gain·N(0, 1)/√units for every gate, biases 0.3·N(0, 1)."""
    rng, rows = np.random.default_rng(seed), kind.kind.gates * units
    return kind(gain * rng.normal(size=(rows, units)) / math.sqrt(units), bias_hh=0.3 * rng.normal(size=rows))


def timed(system: System, repeats: int = 3) -> tuple[Found, float]:
    """The search and its best time in seconds."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        found = (complete_gated.find_all if isinstance(system, Gated) else find_all)(system, budget=5_000_000)
        best = min(best, time.perf_counter() - start)
        if best > 1:
            break
    return found, best


def row(name: str, systems: list[System], bar: float) -> None:
    """One line: the slowest and the median search of a family, and whether each is complete with index sum +1."""
    runs = [timed(system) for system in systems]
    times = [seconds for _, seconds in runs]
    complete = sum(found.complete and found.index_sum == 1 for found, _ in runs)
    roots, boxes = [len(found.roots) for found, _ in runs], [found.boxes for found, _ in runs]
    print(
        f"{name:34} complete {complete:2}/{len(runs):2}  roots {min(roots)}-{max(roots):<3} boxes up to {max(boxes):<8}"
        f" median {1e3 * np.median(times):9.2f} ms  most {1e3 * max(times):9.2f} ms  bar {1e3 * bar:.0f} ms"
        f" {'met' if max(times) < bar and complete == len(runs) else 'MISSED'}",
        flush=True,
    )


def main() -> None:
    """Print every figure beside its bar."""
    start = time.perf_counter()
    find_all(network(3, 1.0, 0))
    print(f"first call, compiling where nothing is cached: {time.perf_counter() - start:.1f} s")
    gains = np.linspace(2, 5, 12)
    row("8 units, gain 2-5, b = 0.3 N(0,1)", [network(8, gain, k) for k, gain in enumerate(gains)], 0.05)
    row("8 units, gain 2-5, b = 0", [network(8, gain, k, biased=False) for k, gain in enumerate(gains)], 0.05)
    row("12 units, gain 2.5", [network(12, 2.5, k, biased=k % 2 == 0) for k in range(12)], 0.4)
    row("14 units, gain 2.5", [network(14, 2.5, k, biased=k % 2 == 0) for k in range(6)], 1.6)
    row("16 units, gain 2.5", [network(16, 2.5, k, biased=k % 2 == 0) for k in range(6)], 7.0)
    for rank, bar, count in ((2, 0.002, 12), (3, 0.04, 8), (4, 0.4, 4)):
        row(f"rank {rank}, 100 units, gain 1.3-3", [circuit(rank, g, 1) for g in np.linspace(1.3, 3, count)], bar)
    for kind, units, bar in ((GRU, 4, 0.5), (GRU, 6, 5.0), (LSTM, 3, 0.5), (LSTM, 5, 5.0)):
        family = [gated(kind, units, gain, k) for k, gain in enumerate((1.0, 2.0, 3.0, 4.0, 5.0, 5.0))]
        row(f"{kind.__name__} of {units} units, gain 1-5", family, bar)
    if "--long" in sys.argv:
        row("rank 5, 100 units, gain 1.5", [circuit(5, 1.5, k) for k in range(2)], 6.0)
        row("rank 6, 100 units, gain 1.5", [circuit(6, 1.5, k) for k in range(1)], 38.0)


if __name__ == "__main__":
    main()
