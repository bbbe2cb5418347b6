"""An archive of many rank-one checkpoints: read, analyzed and stored, in checkpoints a second, with the peak of memory.

    python tests/benchmarks/bench_archive.py [--jobs 2] [--checkpoints 10000 100000] [--files]

The archive is a training run of the paper's task at rate 0.003, with 100 units, in which a ghost emerges and stays. It
is one .npz of stacked arrays, or with --files a folder of .npz files. Rates count the whole command: reading,
searching, following, the database, analysis.json and the event graph, and the text. CPU time is that of all processes
together; two idle cores need at least half of it. Then the same command again, exports and the report: what they take,
and what memory. With --files also how the CPU time of loading the run compares to a loop of `numpy.load`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dynaghost.checkpoints.run import load_run
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


def measure(peak: Path, *words: str) -> tuple[float, float, float]:
    """Seconds, CPU seconds of all processes, and MB at the peak of the command's own process."""
    command, begun = [sys.executable, "-c", PROGRAM, *words], time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PEAK": str(peak)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{words[0]}: expected exit status 0, got {child.returncode}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, int(peak.read_text()) / 1024


def loading(folder: Path) -> float:
    """CPU time of loading a run of files, as a share of that of a loop of `numpy.load`."""
    begun = time.process_time()
    load_run(folder)
    loaded = time.process_time()
    for path in folder.glob("*.npz"):
        with np.load(path) as file:
            {name: file[name] for name in file.files}
    return (loaded - begun) / (time.process_time() - loaded)


def measured(number: int, jobs: int, files: bool) -> Iterator[str]:
    """A line for each command."""
    with TemporaryDirectory() as folder:
        archive, out, peak = (Path(folder) / name for name in ("archive", "out", "peak"))
        archive.mkdir()
        write(archive, number, files)
        if files:
            yield f"{number:7d} files: loading takes {loading(archive):.2f} of a loop of numpy.load"
        analyze = ("analyze", str(archive), "--out", str(out), "--jobs", str(jobs))
        exports = {f"export {kind}": ("export", str(out), "--format", kind) for kind in ("csv", "json", "graphml")}
        for name, words in {"first": analyze, "again": analyze, **exports, "report": ("report", str(out))}.items():
            seconds, cpu, megabytes = measure(peak, *words)
            rate = f"{number / seconds:8.0f} a second"
            yield f"{number:7d} {name:14s} {seconds:7.1f} s, {rate}, {cpu:7.1f} s CPU, peak {megabytes:5.0f} MB"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--checkpoints", type=int, nargs="+", default=[10_000, 100_000])
    options.add_argument("--files", action="store_true")
    given = options.parse_args()
    for number in given.checkpoints:
        for line in measured(number, given.jobs, given.files):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
