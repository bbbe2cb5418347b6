"""How long an analysis takes that is the first on a machine, and then again, as a user feels it.

    python tests/benchmarks/bench_first_use.py [NAME …]

Each run is trained in a temporary folder and analyzed by the command, pictures included, first with no compiled kernel
kept, then with those of the first time. Wall seconds; beside them the processor seconds of the command and, where
another process compiles meanwhile, of that. Names: see `RUNS`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TWO_CUES = "cue-discrimination --seed 3 --lr 0.05 --epochs 400 --save-every 10"
RUNS = {
    "rank one": "delayed-activation --seed 3 --lr 0.003 --epochs 4000 --save-every 100",
    "rank two": f"{TWO_CUES} --rank 2",
    "rank three": f"{TWO_CUES} --rank 3",
    "8 units": f"{TWO_CUES} --rank full --units 8",
    "16 units": f"{TWO_CUES} --rank full --units 16",
}


def spent():
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(arguments, cache):
    """Wall and processor seconds of a command."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    code = "from dynaghost.cli import main; main()"
    begun, before = time.perf_counter(), spent()
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, spent() - before


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(RUNS)}; by default all")
    for name in parser.parse_args().names or RUNS:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            command(["train", *RUNS[name].split(), "--out", str(place / "run")], place / "of the training")
            for turn in ("first", "later"):
                wall, processor = command(
                    ["analyze", str(place / "run"), "--out", str(place / turn), "--plots"], place / "kept"
                )
                print(f"{name}, {turn}: {wall:.1f} s, {processor:.1f} s on processors", flush=True)


if __name__ == "__main__":
    main()
