"""What following costs, and how well events of known families are found: `python tests/benchmarks/bench_space.py`.

Families: every family in 2, 16 and 128 dimensions at 5, 50 and 500 checkpoints (`--quick`: no 500 in 128 dimensions),
each in coordinates turned at random; `--seeds N` takes N turns, with other contracting directions, of each.
Links: a tanh network of 128 units with stored patterns, some fifteen fixed points, through 40 checkpoints.
"""

import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from families import listed, run
from test_space import FAMILIES

from dynaghost.slowpoints.newton import newton
from dynaghost.systems import LeakyRNN
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_run import follow_run
from dynaghost.trajectories.space_tracks import track_space
from dynaghost.trajectories.story import tell


def family(name, base, ends, time_, ghosts, expected, branches, dim, checkpoints, seed):
    values = np.linspace(*ends, checkpoints)
    systems, points = run(base, values, dim=dim, time=time_, ghosts=ghosts, seed=seed)
    start = time.perf_counter()
    tracks = track_space(range(checkpoints), follow_run(systems, points))
    events = space_events(tracks)
    seconds = time.perf_counter() - start
    places = [values[e.before] + e.at * (values[e.after] - values[e.before]) for e in events]
    right = [e.kind.value for e in events] == [kind for kind, _ in expected]
    worst = max(abs(at - p) for at, (_, p) in zip(places, expected, strict=True)) if right else np.inf
    lost = sum(bool(s.lost) for branch in tracks.branches for s in branch.segments)
    good = right and worst < 1e-6 and len(tracks.branches) == branches and not lost
    print(
        f"{name:20} dim {dim:3} checkpoints {checkpoints:3} seed {seed}  {'ok ' if good else 'BAD'}  "
        f"error {worst:.1e}  {seconds:6.2f} s ({1e3 * seconds / checkpoints:.1f} ms a checkpoint)"
    )
    return good


def patterned(units=128, patterns=6, checkpoints=40, seed=0):
    """Networks that store more and more strongly patterns, and drift."""
    rng = np.random.default_rng(seed)
    stored = np.sign(rng.normal(size=(patterns, units)))
    drift = rng.normal(size=(checkpoints, units, units)) * 0.02 / units**0.5
    gains = np.linspace(0.8, 1.6, checkpoints)
    noise = 0.1 * rng.normal(size=(units, units)) / units**0.5
    b = 0.02 * rng.normal(size=units)
    total = np.cumsum(drift, axis=0)
    systems = [
        LeakyRNN(g * stored.T @ stored / units + noise + t, b, time="flow") for g, t in zip(gains, total, strict=True)
    ]
    starts = np.concatenate([stored, -stored, np.zeros((1, units)), 0.5 * stored + 0.5 * np.roll(stored, 1, axis=0)])
    points = []
    for system in systems:
        ends = newton(system, starts)
        found = []
        for x, end in zip(ends.x, ends.ends, strict=True):
            if end == 0 and not any(np.linalg.norm(x - y) < 1e-6 for y in found):
                found.append(x)
        points.append(listed(system, found))
    return systems, points


def links():
    systems, points = patterned()
    costs = []
    for pair, ends in zip(pairwise(systems), pairwise(points), strict=True):
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            story = tell(pair, ends)
            best = min(best, time.perf_counter() - start)
        costs.append((best, len(ends[0].fixed_points), len(story.happenings)))
    calm = [cost for cost, _, events in costs if not events]
    eventful = [cost for cost, _, events in costs if events]
    numbers = [number for _, number, _ in costs]
    print(
        f"128 units, {min(numbers)} to {max(numbers)} fixed points: a link without events "
        f"{1e3 * np.median(calm or [np.nan]):.0f} ms (median of {len(calm)}), with events "
        f"{1e3 * np.median(eventful or [np.nan]):.0f} ms (of {len(eventful)})"
    )


if __name__ == "__main__":
    links()
    grid = [(dim, checkpoints) for dim in (2, 16, 128) for checkpoints in (5, 50, 500)]
    if "--quick" in sys.argv:
        grid.remove((128, 500))
    seeds = range(int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else 1)
    good = [family(*one, *size, seed) for size in grid for seed in seeds for one in FAMILIES]
    print(f"{sum(good)} of {len(good)} runs right")
