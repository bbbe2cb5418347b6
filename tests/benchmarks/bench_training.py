"""Time of one epoch of figure 3A's training, compiled against plain torch, one thread each.

Run as `python tests/benchmarks/bench_training.py`. Both train the same network (100 units, 40 steps, float64) from the
same weights; the table also says how far the two loss curves are apart, so that equal work is compared.
"""

import time

import numpy as np

from dynaghost.training.descent import descend
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.task import DelayedActivation

RATE = 0.003
COMPILED_EPOCHS, TORCH_EPOCHS, ROUNDS = 5000, 150, 5


def torch_run(network, task, epochs):
    """Losses and seconds of a plain torch loop: three parameters, autograd, SGD."""
    import torch

    torch.set_num_threads(1)
    m, n, b = (torch.nn.Parameter(torch.tensor(values)) for values in (network.m, network.n, network.b))
    optimizer = torch.optim.SGD([m, n, b], lr=RATE)
    target = (torch.arange(task.steps) >= task.delay_steps).double()
    losses, start = [], time.perf_counter()
    for _ in range(epochs):
        optimizer.zero_grad()
        x, outputs = torch.full_like(m, task.x0), []
        for _ in range(task.steps):
            x = (1 - task.leak) * x + task.leak * torch.tanh(m * (n @ x) + b)
            outputs.append(torch.sigmoid(task.confidence * (n @ x - task.threshold)))
        loss = ((torch.stack(outputs) - target) ** 2).sum() / task.delay_steps
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses), time.perf_counter() - start


def compiled_run(network, task, epochs):
    """Losses and seconds of the compiled trainer."""
    start = time.perf_counter()
    losses = descend(network, task, learning_rate=RATE, updates=epochs).loss
    return losses, time.perf_counter() - start


def main():
    network, task = initial_rank_one(seed=40), DelayedActivation()
    compiled_run(network, task, 1)
    compiled = torch_time = np.inf
    # Interleaved, and the least of each: other work on the machine only adds time.
    for _ in range(ROUNDS):
        losses, seconds = compiled_run(network, task, COMPILED_EPOCHS)
        compiled = min(compiled, seconds / COMPILED_EPOCHS)
        torch_losses, seconds = torch_run(network, task, TORCH_EPOCHS)
        torch_time = min(torch_time, seconds / TORCH_EPOCHS)
    apart = np.abs(losses[:TORCH_EPOCHS] / torch_losses - 1).max()
    print("trainer    µs an epoch   ratio")
    print(f"torch      {torch_time * 1e6:11.1f}   {1:5d}")
    print(f"compiled   {compiled * 1e6:11.2f}   {torch_time / compiled:5.0f}")
    print(f"largest relative difference of the losses over {TORCH_EPOCHS} epochs: {apart:.1e}")


if __name__ == "__main__":
    main()
