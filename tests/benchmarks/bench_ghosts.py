"""All ghosts of latent circuits, proved: seconds and boxes a circuit, by rank and gain.

Run it with nothing else on the machine: `python tests/benchmarks/bench_ghosts.py`. 100 units, M ~ N(0, 1),
b ~ N(0, ½²), N = gain·(Mᵀ + noise)/units ("correlated": gain about that of NM) or 3·gain·noise/units. "Untrained
two-cue" networks are those of `initial_cue_low_rank`. "Trained" ones are every checkpoint of short trainings on both
two-cue tasks, fixed points and ghosts together.
"""

import argparse
import tempfile
from time import perf_counter

import numpy as np

from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.run import load_run
from dynaghost.slowpoints.all_ghosts import find_all_ghosts
from dynaghost.slowpoints.complete import find_all
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.training.cue_networks import initial_cue_low_rank
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.trainer import train

UNITS = 100


def random_circuit(seed, rank, gain, correlated):
    rng = np.random.default_rng(seed)
    m, noise = rng.normal(size=(UNITS, rank)), rng.normal(size=(rank, UNITS))
    n = gain * (m.T + noise if correlated else 3 * noise) / UNITS
    return LowRankRNN(m, n, rng.normal(size=UNITS) / 2).latent()


def untrained(seed):
    network = initial_cue_low_rank(seed=seed)
    return LowRankRNN(network.S_l, network.S_r, network.b).latent()


def timed(circuit):
    """Shortest of three runs in seconds, boxes, ghosts, and whether all is proved."""
    seconds = []
    for _ in range(3):
        start = perf_counter()
        found = find_all_ghosts(circuit)
        seconds.append(perf_counter() - start)
    return min(seconds), found.boxes, len(found.x), found.complete


def report(name, circuits):
    rows = [timed(circuit) for circuit in circuits]
    seconds, boxes, ghosts, complete = (np.array(column) for column in zip(*rows, strict=True))
    print(
        f"{name:32s} {1e3 * np.median(seconds):8.2f} ms median {1e3 * seconds.max():9.2f} ms worst "
        f"{np.median(boxes):8.0f} boxes {ghosts.sum():4d} ghosts {complete.sum():3d}/{len(rows)} complete"
    )


def trained(task, seed):
    """Circuits of every checkpoint of a training of rank 2."""
    with tempfile.TemporaryDirectory() as folder:
        train(task, out=folder, rank=2, units=UNITS, seed=seed, learning_rate=0.03, epochs=4000, save_every=200)
        run = load_run(folder)
        return [recognize(one.read(), run.settings, one.file).system.latent() for one in run]


def report_both(name, circuits):
    rows = []
    for circuit in circuits:
        start = perf_counter()
        points, ghosts = find_all(circuit), find_all_ghosts(circuit)
        rows.append((perf_counter() - start, len(points.roots), len(ghosts.x), points.complete and ghosts.complete))
    seconds, roots, ghosts, complete = (np.array(column) for column in zip(*rows, strict=True))
    print(
        f"{name:32s} {1e3 * np.median(seconds):8.2f} ms median {1e3 * seconds.max():9.2f} ms worst "
        f"{roots.sum():4d} fixed points {ghosts.sum():4d} ghosts {complete.sum():3d}/{len(rows)} complete"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20)
    number = parser.parse_args().number
    find_all_ghosts(random_circuit(0, 2, 1.0, True))
    find_all(random_circuit(0, 2, 1.0, True))
    for task in (CueDiscrimination(), MatchToSample()):
        name = f"rank 2, trained, {type(task).__name__}"
        report_both(name, [circuit for seed in range(5) for circuit in trained(task, seed)])
    report("rank 2, untrained two-cue", [untrained(seed) for seed in range(number)])
    for rank in (2, 3):
        for correlated in (True, False):
            for gain in (0.7, 1.0, 1.5, 2.0):
                name = f"rank {rank}, gain {gain}, {'' if correlated else 'un'}correlated"
                report(name, [random_circuit(seed, rank, gain, correlated) for seed in range(number)])


if __name__ == "__main__":
    main()
