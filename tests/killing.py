"""Analyze a run again and again, killed at random moments, until it was killed so often: a program for tests.

    python tests/killing.py SOURCE OUT KILLS SEED

Every process is forked from this one, which has imported and compiled everything. Each goes on where the one before was
killed; when one comes to its end its results are moved aside, and the next begins anew.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dynaghost.checkpoints.run import load_run
from dynaghost.collection import analyze_one
from dynaghost.store import open_store


def forked(work: Callable[[], bool]) -> int:
    """The number of a new process that does some work, which says whether it went well."""
    child = os.fork()
    if child == 0:
        well = False
        try:
            well = work()
        finally:
            os._exit(0 if well else 1)
    return child


def analyzed(source: str, out: Path) -> bool:
    """Whether the run was analyzed."""
    return not analyze_one("run", source, out, load_run, None).error


def killed(child: int, after: float) -> bool:
    """Whether the process was still there when it was killed, after so many seconds."""
    until = time.monotonic() + after
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (-signal.SIGKILL, 0)
    return os.waitstatus_to_exitcode(status) != 0


def batches(source: str, out: Path) -> list[int]:
    """Which batches are kept, each whole: their steps, points and links are read."""
    run = load_run(source)
    with open_store(out, run) as store:
        kept = [i for i in range(len(run)) if (batch := store.batch(i)) is not None and read(batch)]
    return kept


def read(batch) -> bool:
    return len(list(batch.points)) == len(batch.steps) == len(list(batch.circuits)) and list(batch.links) is not None


def main(source: str, out: str, kills: int, seed: int) -> None:
    rng, target, done, finished = random.Random(seed), Path(out), 0, 0
    analyze_one("warm", source, target / "warm", load_run, None)
    begun = time.monotonic()
    assert not killed(forked(partial(analyzed, source, target / "whole")), 600.0)
    length, before = time.monotonic() - begun, []
    while done < kills:
        if not killed(forked(partial(analyzed, source, target / "now")), rng.uniform(0, 1.1 * length)):
            finished += 1
            (target / "now").rename(target / f"finished-{finished}")
            before = []
            continue
        done += 1
        now = batches(source, target / "now")
        assert set(before) <= set(now), f"lost: {before} were kept, now {now}"
        before = now
    while killed(forked(partial(analyzed, source, target / "now")), 600.0):
        pass
    (target / "now").rename(target / f"finished-{finished + 1}")
    sys.stdout.write(f"{done} kills, {finished + 1} finished\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
