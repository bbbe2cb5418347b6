"""What a monitor costs a training step: the same torch training in alternating blocks with and without it.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_monitor.py [--blocks N]

The training is delayed activation with rank one and 100 units in plain torch (40 steps of the network, forwards and
backwards); the monitor has its default schedule. Blocks are of 250 updates, in pairs, with and without in an order that
turns round. The overhead is the ratio of the sums, in processor seconds of the training's thread and in seconds on the
clock, where the analyzing process may get in the way; beside it the middle half of the pairs' own ratios. What the
monitor takes for its time is that of the watched blocks alone. The last line has less noise: the processor seconds
spent inside `monitor.step`, as a share of the rest.
"""

import argparse
import tempfile
import time

import numpy as np
import torch

import dynaghost as dg
from dynaghost.monitor.schedule import SHARE, Allowance
from dynaghost.training.modules import torch_twin
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.task import DelayedActivation

BLOCK, PAUSE = 250, 0.2


def block(module, optimizer, monitor):
    """Processor seconds and seconds of a block of updates, with a monitor or without, and those inside its step."""
    processor, clock, inside = time.thread_time(), time.perf_counter(), 0.0
    for _ in range(BLOCK):
        optimizer.zero_grad()
        loss = module.loss(module())
        loss.backward()
        optimizer.step()
        if monitor is not None:
            begun = time.thread_time()
            monitor.step(loss)
            inside += time.thread_time() - begun
    return time.thread_time() - processor, time.perf_counter() - clock, inside


class WatchedTime:
    """A clock that runs in watched blocks only."""

    def __init__(self):
        self.passed, self.since = 0.0, None

    def __call__(self):
        return self.passed + (0.0 if self.since is None else time.perf_counter() - self.since)

    def run(self, runs):
        self.passed, self.since = self(), time.perf_counter() if runs else None


def measure(blocks, module, optimizer, monitor, clock):
    """(blocks, 2, 3): of each pair of blocks, without and with the monitor, what `block` returns."""
    seconds = np.zeros((blocks, 2, 3))
    for pair in range(blocks):
        for watched in (0, 1) if pair % 2 else (1, 0):
            clock.run(watched)
            seconds[pair, watched] = block(module, optimizer, monitor if watched else None)
            clock.run(False)
            time.sleep(PAUSE)  # an analysis that is going on belongs to no other block
    return seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=30, help="of each kind")
    blocks = parser.parse_args().blocks
    torch.set_num_threads(1)
    module = torch_twin(initial_rank_one(seed=40), DelayedActivation())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.003)
    block(module, optimizer, None)
    with tempfile.TemporaryDirectory() as folder:
        begun, clock = time.perf_counter(), WatchedTime()
        monitor = dg.Monitor(module, folder, leak=0.5, x0=-0.3, delay=10, threshold=1.0)
        started = time.perf_counter() - begun
        monitor._allowance = Allowance(SHARE, clock)
        monitor._allowance.begun()  # the first, which is on its way
        seconds = measure(blocks, module, optimizer, monitor, clock)
        monitor.close()
        kept = len(list(monitor.folder.glob("step_*.npz")))
    updates = blocks * BLOCK
    for kind, name in enumerate(("processor", "clock")):
        plain, watched = 1e3 * seconds[:, :, kind].sum(axis=0) / updates
        low, high = 100 * (np.quantile(seconds[:, 1, kind] / seconds[:, 0, kind], [0.25, 0.75]) - 1)
        told = f"{100 * (watched / plain - 1):+.2f} % ({low:+.2f} to {high:+.2f})"
        print(f"{name}: {plain:.3f} ms an update without, {watched:.3f} with: {told}")
    print(
        f"analyses: {100 * monitor._allowance._spent / seconds[:, 1, 1].sum():.2f} % of the watched time on a processor"
    )
    print(f"begun in {started:.2f} s; {kept} checkpoints kept of {updates} updates, {monitor.dropped} analyses dropped")
    print(f"last look: step {monitor.latest.step}, analyzed in {1e3 * monitor.latest.seconds:.1f} ms")
    processor, _, inside = seconds[:, 1].sum(axis=0)
    print(f"inside step(): {1e6 * inside / updates:.1f} µs an update, {100 * inside / (processor - inside):.2f} %")
    assert not monitor.failures


if __name__ == "__main__":
    main()
