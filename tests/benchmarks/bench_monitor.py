"""What a monitor costs a training step: the same torch training in alternating blocks with and without it.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_monitor.py [--blocks N]

The training is delayed activation with rank one and 100 units in plain torch (40 steps of the network, forwards and
backwards); the monitor has its default schedule. Blocks are of 250 updates. The overhead is the ratio of the sums, in
processor seconds of the training's thread and in seconds on the clock, where the analyzing process may get in the way.
The last line has less noise: the processor seconds spent inside `monitor.step`, as a share of the rest.
"""

import argparse
import tempfile
import time

import torch

import dynaghost as dg
from dynaghost.training.modules import torch_twin
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.task import DelayedActivation

BLOCK = 250


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=12, help="of each kind")
    blocks = parser.parse_args().blocks
    torch.set_num_threads(1)
    module = torch_twin(initial_rank_one(seed=40), DelayedActivation())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.003)
    block(module, optimizer, None)
    totals = {True: [0.0] * 3, False: [0.0] * 3}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        monitor = dg.Monitor(module, folder, leak=0.5, x0=-0.3, delay=10, threshold=1.0)
        started = time.perf_counter() - begun
        for i in range(2 * blocks):
            watched = i % 2 == 0
            for total, seconds in enumerate(block(module, optimizer, monitor if watched else None)):
                totals[watched][total] += seconds
        monitor.close()
        kept = len(list(monitor.folder.glob("step_*.npz")))
    updates = blocks * BLOCK
    for total, name in enumerate(("processor", "clock")):
        plain, watched = (1e3 * totals[kind][total] / updates for kind in (False, True))
        overhead = 100 * (watched / plain - 1)
        print(f"{name}: {plain:.3f} ms an update without, {watched:.3f} with: {overhead:+.2f} %")
    print(f"begun in {started:.2f} s; {kept} checkpoints kept of {updates} updates, {monitor.dropped} analyses dropped")
    print(f"last look: step {monitor.latest.step}, analyzed in {1e3 * monitor.latest.seconds:.1f} ms")
    processor, _, inside = totals[True]
    print(f"inside step(): {1e6 * inside / updates:.1f} µs an update, {100 * inside / (processor - inside):.2f} %")
    assert not monitor.failures


if __name__ == "__main__":
    main()
