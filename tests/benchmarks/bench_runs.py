"""What a run of large networks costs, and whether its changes are explained: `python tests/benchmarks/bench_runs.py`.

A cue-discrimination run of full rank, 128 units and 201 checkpoints, and a drift of 200 checkpoints in which 128 units
store two patterns more and more strongly: `dynaghost analyze --jobs 2`, and the same call again with nothing to do.
Bars: 60 s and 3 s on two cores. CPU time is of all processes together. `--units N` and `--checkpoints N` change the
sizes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import dynaghost as dg

COMMAND = [str(Path(sys.executable).with_name("dynaghost"))]


def trained(folder, units, checkpoints):
    epochs = 2 * checkpoints
    options = ["--rank", "full", "--units", str(units), "--seed", "1", "--lr", "0.1", "--epochs", str(epochs)]
    command = [*COMMAND, "train", "cue-discrimination", *options, "--save-every", "2", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def drifting(folder, units, checkpoints, patterns=2):
    rng = np.random.default_rng(0)
    stored = np.sign(rng.normal(size=(patterns, units)))
    noise, b = 0.1 * rng.normal(size=(units, units)) / units**0.5, 0.02 * rng.normal(size=units)
    folder.mkdir()
    for k, gain in enumerate(np.linspace(0.8, 1.6, checkpoints)):
        noise = noise + 0.01 * rng.normal(size=(units, units)) / units**0.5
        np.savez(folder / f"epoch_{k}.npz", W=gain * stored.T @ stored / units + noise, b=b)


def cpu():
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def analyzed(folder, out):
    """Wall and CPU seconds of the command."""
    start, before = time.perf_counter(), cpu()
    command = [*COMMAND, "analyze", str(folder), "--out", str(out), "--jobs", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start, cpu() - before


def unexplained(result):
    """Pairs of checkpoints whose numbers of fixed points differ by other than their events say."""
    wrong = []
    counts = [len(points.fixed_points) for points in result.points]
    for a, b, few, many in zip(result.steps, result.steps[1:], counts, counts[1:], strict=False):
        born = [e.evidence["creates"] for e in result.events if e.before == a and "creates" in e.evidence and fixed(e)]
        if many - few != sum(2 if creates else -2 for creates in born):
            wrong.append((a, b))
    return wrong


def fixed(event):
    return not event.kind.value.startswith("ghost")


def told(name, folder, out):
    first, again = analyzed(folder, out), analyzed(folder, out)
    result = dg.load_analysis(out)
    lost = [s.lost for branch in result.branches for s in branch.segments if s.lost]
    counts = [len(points.fixed_points) for points in result.points]
    kinds = Counter(event.kind.value for event in result.events)
    print(
        f"{name}: {len(result.steps)} checkpoints, {min(counts)} to {max(counts)} fixed points; "
        f"{first[0]:.1f} s ({first[1]:.1f} s CPU), again {again[0]:.1f} s ({again[1]:.1f} s CPU)\n"
        f"  {dict(kinds)}; unexplained changes {len(unexplained(result))}; branches lost {len(lost)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--checkpoints", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name, make in (("trained", trained), ("drift", drifting)):
            folder = Path(place) / name
            make(folder, given.units, given.checkpoints)
            told(name, folder, Path(place) / f"{name}-out")
