"""Analyze a collection again and again, killed at random moments, until it was killed so often: a program for tests.

python tests/killing_collection.py SOURCE OUT KILLS SEED
"""

import random
import sqlite3
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from killing import forked, killed

from dynaghost.collection import analyze_collection, load_collection


def analyzed(source: str, out: Path) -> bool:
    """Whether every run was analyzed."""
    return not analyze_collection(source, out).failed


def batches(out: Path) -> set[tuple[str, int]]:
    """Run and number of every batch that is kept, in the collection's database or in a run's own."""
    found = set()
    for path in out.glob("*/analysis.db"):
        with closing(sqlite3.connect(path)) as database:
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                found |= {(path.parent.name, i) for (i,) in database.execute("SELECT number FROM batch")}
    if not (out / "collection.db").is_file():
        return found
    with closing(sqlite3.connect(out / "collection.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            return found
        kept = list(database.execute("SELECT name, number FROM batch JOIN member ON run = id"))
    assert len(kept) == len(set(kept)), f"twice: {kept}"
    return found | set(kept)


def main(source: str, out: str, kills: int, seed: int) -> None:
    rng, target, done, finished = random.Random(seed), Path(out), 0, 0
    analyzed(source, target / "warm")
    begun = time.monotonic()
    assert not killed(forked(partial(analyzed, source, target / "whole")), 600.0)
    length, before = time.monotonic() - begun, set()
    while done < kills:
        if not killed(forked(partial(analyzed, source, target / "now")), rng.uniform(0, length)):
            finished += 1
            (target / "now").rename(target / f"finished-{finished}")
            before = set()
            continue
        done += 1
        now = batches(target / "now")
        assert before <= now, f"lost: {sorted(before - now)}"
        before = now
    while killed(forked(partial(analyzed, source, target / "now")), 600.0):
        pass
    assert len(load_collection(target / "now").names) == len(load_collection(target / "whole").names)
    (target / "now").rename(target / f"finished-{finished + 1}")
    sys.stdout.write(f"{done} kills, {finished + 1} finished\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
