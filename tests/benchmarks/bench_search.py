"""The search in n dimensions against scipy.optimize.root and Adam on q, from the same starts, in one run.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_search.py [--hunt SECONDS]

Every table says which network; times are the best of three in processor seconds (of one for the baselines), compilation
excluded. A root counts if |f| < 1e-9, and two are one if they are nearer than 1e-6 (for the baselines, which prove
nothing). Ours includes the ghosts and every certificate.
"""

import sys
import time

import numpy as np
from scipy.optimize import root

import dynaghost as dg
from dynaghost.slowpoints.catalogue import Catalogue, agreeing
from dynaghost.slowpoints.newton import newton
from dynaghost.slowpoints.search import fresh_starts, hunt, line_phase, newton_phase, search
from dynaghost.slowpoints.starts import random_starts


def network(n, gain, seed=0):
    rng = np.random.default_rng(seed)
    return dg.LeakyRNN(rng.normal(size=(n, n)) * gain / np.sqrt(n), 0.1 * rng.normal(size=n))


def best(function, times=3):
    least = np.inf
    for _ in range(times):
        start = time.process_time()
        result = function()
        least = min(least, time.process_time() - start)
    return result, least


def distinct(system, states):
    kept = []
    for x in states:
        if np.linalg.norm(system.f(x)) < 1e-9 and not any(np.linalg.norm(x - y) < 1e-6 for y in kept):
            kept.append(x)
    return kept


def by_scipy(system, starts):
    return distinct(system, [root(system.f, x, jac=system.jacobian, tol=1e-12).x for x in starts])


def by_adam(system, starts, steps=3000):
    """The common recipe: Adam on q in torch, all starts at once; ends with |f| < 1e-9 after it are rare."""
    import torch

    torch.set_num_threads(1)
    W, b = torch.tensor(system.W), torch.tensor(system.b)
    x = torch.tensor(starts, requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        q = 0.5 * ((torch.tanh(x @ W.T + b) - x) ** 2).sum()
        q.backward()
        optimizer.step()
    return x.detach().numpy()


def ours(n, number, gain):
    system = network(n, gain)
    starts = random_starts(system, number, 0)
    points, seconds = best(lambda: search(system, starts))
    return system, starts, points, seconds


def table_of_speed():
    print(
        "starts of one network: fixed points and ghosts with certificates, against both baselines from the same starts"
    )
    cases = [
        (16, 1024, 1.5, 0.05),
        (16, 1024, 2.5, 0.05),
        (128, 256, 0.9, 0.5),
        (128, 256, 1.2, 0.5),
        (128, 256, 1.5, 0.5),
    ]
    for n, number, gain, bar in cases:
        system, starts, points, seconds = ours(n, number, gain)
        others, scipy_seconds = best(lambda s=system, x=starts: by_scipy(s, x), 1)
        told = f"bar {bar} s, {'met' if seconds < bar else 'MISSED'}"
        print(
            f"  n={n:4d} starts={number:5d} gain={gain}: {seconds:7.3f} s ({told}), {len(points.fixed_points)} fixed "
            f"points, {len(points.ghosts)} ghosts, {points.undecided} undecided; scipy.optimize.root "
            f"{scipy_seconds:7.3f} s, {len(others)} roots"
        )
    for n, number, gain in ((16, 256, 1.5), (128, 256, 0.9)):
        system = network(n, gain)
        starts = random_starts(system, number, 0)
        ends, seconds = best(lambda s=system, x=starts: by_adam(s, x), 1)
        print(
            f"  n={n:4d} starts={number:5d} gain={gain}: Adam on q, 3000 steps, {seconds:.2f} s, "
            f"{np.sum(np.linalg.norm(system.f(ends), axis=1) < 1e-9)} of {number} ends with |f| < 1e-9"
        )


def table_of_scaling():
    print("scaling at gain 1.2: seconds (fixed points + ghosts)")
    sizes, numbers = (8, 16, 32, 64, 128), (64, 256, 1024)
    print("  starts " + "".join(f"{f'n={n}':>16}" for n in sizes))
    for number in numbers:
        row = [ours(n, number, 1.2)[2:] for n in sizes]
        cells = [f"{seconds:.4f} ({len(p.fixed_points)}+{len(p.ghosts)})" for p, seconds in row]
        print(f"  {number:6d} " + "".join(f"{cell:>16}" for cell in cells))


def until(seconds, step):
    start = time.process_time()
    while time.process_time() - start < seconds:
        step()


def by_turns(system, seconds, rng):
    """Ours: Newton and lines in turns, as much time for each; starts are made from what Newton itself has found."""
    catalogue, spent = Catalogue(system), [0.0, 0.0]

    def turn():
        start, method = time.process_time(), int(spent[1] < spent[0])
        if method:
            line_phase(catalogue, 64, rng)
        else:
            newton_phase(catalogue, fresh_starts(catalogue, 128, rng))
        spent[method] += time.process_time() - start

    until(seconds, turn)
    return catalogue


def listed(system, states):
    """States of a baseline as a catalogue: two are one root if the ball of uniqueness about one holds the other."""
    catalogue = Catalogue(system)
    for x in distinct(system, states):
        catalogue.add_root(x)
    return catalogue


def scipy_for(system, seconds, rng):
    ends = []

    def turn():
        for x in random_starts(system, 8, int(rng.integers(2**62))):
            ends.append(root(system.f, x, jac=system.jacobian, tol=1e-12).x)

    until(seconds, turn)
    return listed(system, ends)


def plain_newton_for(system, seconds, rng):
    ends = []

    def turn():
        x = random_starts(system, 64, int(rng.integers(2**62)))
        for _ in range(40):
            x = x - np.linalg.solve(system.jacobian(x), system.f(x)[..., None])[..., 0]
        ends.extend(x[np.linalg.norm(system.f(x), axis=1) < 1e-9])

    until(seconds, turn)
    return listed(system, ends)


def table_of_finding(seconds):
    print(f"roots proved to be distinct, found in {seconds} s of processor time each (union: of all three)")
    for n, gain in ((32, 6.5), (64, 2.5)):
        for seed in range(4):
            system, rng = network(n, gain, seed), np.random.default_rng(0)
            mine = by_turns(system, seconds, rng)
            others = scipy_for(system, seconds, rng), plain_newton_for(system, seconds, rng)
            union = listed(system, [x for catalogue in (mine, *others) for x in catalogue.roots])
            hits = np.array(mine.hits)
            missed = (hits == 0).sum(axis=0)
            told = "met" if all(len(mine.roots) >= len(other.roots) for other in others) else "MISSED"
            print(
                f"  n={n} gain={gain} seed={seed}: ours {len(mine.roots)} (index sum "
                f"{sum(proof.index for proof in mine.proofs)}, methods agree: {agreeing(mine)}, Newton "
                f"missed {missed[0]}, lines {missed[1]}), scipy.optimize.root "
                f"{len(others[0].roots)}, plain Newton {len(others[1].roots)}, union {len(union.roots)}; bar {told}",
                flush=True,
            )


if __name__ == "__main__":
    newton(network(3, 1.0), np.zeros((1, 3)))
    search(network(5, 3.0), random_starts(network(5, 3.0), 64, 0))
    hunt(network(5, 3.0), budget=2000)
    table_of_speed()
    table_of_scaling()
    if "--hunt" in sys.argv:
        table_of_finding(float(sys.argv[sys.argv.index("--hunt") + 1]))
