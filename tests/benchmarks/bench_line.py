"""The certified structure of rank-one circuits against a NumPy scan for sign changes, which proves nothing.

Run it with nothing else on the machine: `python tests/benchmarks/bench_line.py`. Trains the two runs of figure 3 first.
"""

from time import perf_counter

import numpy as np

from dynaghost.kernels import line
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.systems.low_rank import RankOneRNN
from dynaghost.training.descent import descend
from dynaghost.training.networks import initial_rank_one, round_anew
from dynaghost.training.task import DelayedActivation

GRID = np.linspace(-15, 15, 1000)


def trained(learning_rate, epochs, every, rounding_seed=None):
    """Weights (m, n, b), each (checkpoints, 100), of a run of the delayed-activation task, seed 40."""
    network = initial_rank_one(units=100, seed=40)
    if rounding_seed is not None:
        network = round_anew(network, rounding_seed)
    saved = [network]
    for _ in range(0, epochs, every):
        network = descend(network, DelayedActivation(), learning_rate=learning_rate, updates=every).network
        saved.append(network)
    return tuple(np.stack([getattr(network, name) for network in saved]) for name in "mnb")


def best(function, repeats=7):
    """Shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def structures(weights, carry):
    """Seconds a checkpoint, and how many certificates were carried over and how many searched."""
    m, n, b = weights
    number = len(m)
    statuses, counts = np.empty(number, np.int64), np.empty((number, 4), np.int64)
    room = np.empty((1, line.MOST, 7)), np.empty((1, line.MOST + 1, 6)), np.empty((1, 7))
    seconds = best(lambda: line.structures(m, n, b, carry, statuses, counts, *room))
    assert np.all(statuses == line.DECIDED)
    return seconds / number, int(counts[:, 3].sum()), int((counts[:, 2] > 0).sum())


def scan(m, n, b):
    f = -GRID + np.tanh(np.multiply.outer(GRID, m) + b) @ n
    return int(np.count_nonzero(np.sign(f[1:]) != np.sign(f[:-1])))


def ghost_circuits(exponents):
    """A trained circuit with its bias moved until |f| at the ghost is 10^−exponent: same shape, fainter ghost."""
    m, n, b = trained(0.003, 60_000, 60_000)
    network = RankOneRNN(m[-1], n[-1], b[-1])
    (ghost,) = find_slow_points(network).ghosts
    value = ghost.speed * np.linalg.norm(n[-1])
    for exponent in exponents:
        # A unit with m = 0 adds n·tanh(b), a constant.
        shift = np.arctanh(10.0**-exponent - value)
        yield exponent, tuple(np.append(w, extra)[None] for w, extra in ((m[-1], 0.0), (n[-1], 1.0), (b[-1], shift)))


def main():
    runs = {
        "figure 3B, every epoch": trained(0.02, 6000, 1, rounding_seed=0),
        "figure 3A, every 1000th": trained(0.003, 500_000, 1000),
    }
    m, n, b = (w[-1] for w in runs["figure 3A, every 1000th"])
    scanned = best(lambda: scan(m, n, b), 30)
    print(f"NumPy scan of 1000 points, 100 units: {scanned * 1e6:.0f} µs")
    for name, weights in runs.items():
        for carry in (True, False):
            seconds, carried, searched = structures(weights, carry)
            print(
                f"{name}, {'carried over' if carry else 'searched anew'}: {seconds * 1e6:.2f} µs a checkpoint, "
                f"{scanned / seconds:.0f} times the scan ({carried} carried, {searched} searched of {len(weights[0])})"
            )
    circuit = RankOneRNN(m, n, b).latent()
    seconds = best(lambda: find_slow_points(circuit), 100)
    print(f"find_slow_points, records included: {seconds * 1e6:.0f} µs, {scanned / seconds:.0f} times the scan")
    for exponent, weights in ghost_circuits((1, 2, 4, 6, 8, 10, 12)):
        stack = tuple(np.repeat(w, 200, axis=0) for w in weights)
        seconds, _, _ = structures(stack, False)
        print(f"ghost with |f| = 1e-{exponent}: {seconds * 1e6:.2f} µs")


if __name__ == "__main__":
    main()
