"""An archive of many rank-one checkpoints: read, analyzed and stored, in checkpoints a second, with the peak of memory.

    python tests/benchmarks/bench_archive.py [--jobs 2] [--checkpoints 10000 100000] [--files]

The archive is a training run of the paper's task at rate 0.003, with 100 units, in which a ghost emerges and stays. It
is one .npz of stacked arrays, or with --files a folder of .npz files. Rates count the whole command: reading,
searching, following, the database, analysis.json and the event graph, and the text. CPU time is that of all processes
together; two idle cores need at least half of it.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dynaghost.training.networks import initial_rank_one
from dynaghost.training.recording import record
from dynaghost.training.task import DelayedActivation

UNITS, LENGTH = 100, 500_000
"""Epochs of the whole run, of which checkpoints are taken evenly."""


def write(folder: Path, checkpoints: int, files: bool) -> None:
    """The archive, its losses and its run.json."""
    every = LENGTH // checkpoints
    arrays = {name: np.empty((checkpoints, UNITS)) for name in "mnb"}
    loss, norm = np.empty(checkpoints), np.empty(checkpoints)
    network = initial_rank_one(seed=40)
    for chunk in record(network, DelayedActivation(), learning_rate=0.003, updates=checkpoints * every):
        chosen = [i for i, epoch in enumerate(chunk.epochs) if epoch % every == 0]
        rows = [chunk.epochs[i] // every for i in chosen]
        for name, stack in arrays.items():
            stack[rows] = getattr(chunk, name)[chosen]
        loss[rows], norm[rows] = chunk.loss[chosen], chunk.gradient_norm[chosen]
    epochs = np.arange(checkpoints) * every
    if files:
        for e, epoch in enumerate(epochs):
            np.savez(folder / f"epoch_{epoch}.npz", **{name: stack[e] for name, stack in arrays.items()}, epoch=epoch)
    else:
        np.savez(folder / "weights.npz", **arrays, epoch=epochs, loss=loss, grad_norm=norm)
    trial = {"x0": -0.3, "steps": 40, "delay": 10.0, "threshold": 1.0}
    described = {"schema": 1, "axis": "epoch", "system": {"kind": "low_rank", "leak": 0.5}, "trial": trial}
    (folder / "run.json").write_text(json.dumps(described))


# What exec leaves in ru_maxrss is the parent's; the kernel's own mark of the process is right.
PROGRAM = """
import os
from dynaghost.cli import main
try:
    main()
finally:
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    open(os.environ["PEAK"], "w").write(line.split()[1])
"""


def measure(folder: Path, out: Path, jobs: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds of all processes, and MB at the peak of the process that reads, concludes and stores."""
    command = [sys.executable, "-c", PROGRAM, "analyze", str(folder), "--out", str(out), "--jobs", str(jobs)]
    peak, begun = folder.with_name("peak"), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PEAK": str(peak)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"expected an analysis, got exit status {child.returncode}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, int(peak.read_text()) / 1024


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--checkpoints", type=int, nargs="+", default=[10_000, 100_000])
    options.add_argument("--files", action="store_true")
    given = options.parse_args()
    lines = []
    for number in given.checkpoints:
        with TemporaryDirectory() as folder:
            archive, out = Path(folder) / "archive", Path(folder) / "out"
            archive.mkdir()
            write(archive, number, given.files)
            for again in ("first", "again"):
                seconds, cpu, peak = measure(archive, out, given.jobs)
                rate = f"{number / seconds:8.0f} a second"
                lines.append(f"{number:7d} {again}: {seconds:7.1f} s, {rate}, {cpu:7.1f} s CPU, peak {peak:5.0f} MB")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
