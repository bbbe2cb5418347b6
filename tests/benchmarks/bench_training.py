"""Time of one epoch of training, compiled against plain torch, one thread each, for every network.

Run as `python tests/benchmarks/bench_training.py`. Both train the same network from the same weights; the last column
says how far the loss curves are apart, so that equal work is compared. Then how the cost grows with the number of units
and with the rank. Compiled and torch are interleaved and the least time of each counts: other work on the machine only
adds time.
"""

import time

import numpy as np

from dynaghost.training.cue_networks import initial_cue_full_rank, initial_cue_low_rank
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.descent import descend, descend_many, trials_of
from dynaghost.training.networks import initial_rank_one
from dynaghost.training.readout_networks import initial_full_rank, initial_low_rank
from dynaghost.training.task import DelayedActivation

RATE, SECONDS, ROUNDS = 0.003, 0.25, 6
SIDE_BY_SIDE = 8

# What goes into tanh and into the output function, as a plain torch program writes it: one trial x, or a batch of rows.
DRIVES = {
    "rank one": lambda w, x, u: w["m"] * (w["n"] @ x) + w["b"],
    "rank K": lambda w, x, u: w["m"] @ (w["n"] @ x) + w["b"],
    "full rank": lambda w, x, u: w["W"] @ x + w["b"],
    "cues, rank K": lambda w, x, u: (x @ w["S_l"]) @ w["S_r"] + u @ w["W_in.weight"].T + w["W_in.bias"],
    "cues, full rank": lambda w, x, u: x @ w["W_rec"] + u @ w["W_in.weight"].T + w["W_in.bias"],
}
READOUTS = {
    "rank one": lambda w, x, task: task.confidence * (w["n"] @ x - task.threshold),
    "rank K": lambda w, x, task: w["w_out"] @ x + w["b_out"],
    "full rank": lambda w, x, task: w["w_out"] @ x + w["b_out"],
    "cues, rank K": lambda w, x, task: (x @ w["S_l"]) @ w["W_out.weight"].T + w["W_out.bias"],
    "cues, full rank": lambda w, x, task: x @ w["W_out.weight"].T + w["W_out.bias"],
}
CASES = {
    "rank one": ("rank one", initial_rank_one(seed=40), DelayedActivation()),
    "rank 1, trained readout": ("rank K", initial_low_rank(rank=1, seed=1), DelayedActivation()),
    "rank 5": ("rank K", initial_low_rank(rank=5, seed=1), DelayedActivation()),
    "rank 30": ("rank K", initial_low_rank(rank=30, seed=1), DelayedActivation()),
    "rank 100": ("rank K", initial_low_rank(rank=100, seed=1), DelayedActivation()),
    "full rank": ("full rank", initial_full_rank(seed=1), DelayedActivation()),
    "cue discrimination, rank 2": ("cues, rank K", initial_cue_low_rank(seed=1), CueDiscrimination()),
    "match to sample, rank 2": ("cues, rank K", initial_cue_low_rank(seed=1), MatchToSample()),
    "match to sample, full rank": ("cues, full rank", initial_cue_full_rank(seed=1), MatchToSample()),
}


def torch_run(kind, network, task, epochs):
    """Losses and seconds of a plain torch loop: parameters, autograd, SGD."""
    import torch

    torch.set_num_threads(1)
    w = {name: torch.nn.Parameter(torch.tensor(values)) for name, values in network.weights.items()}
    optimizer = torch.optim.SGD(list(w.values()), lr=RATE)
    states, _ = trials_of(task, network.units, 0, epochs, None)
    states = torch.tensor(np.broadcast_to(states, (epochs, *states.shape[1:])).copy())[:, :, : network.units]
    inputs, targets, counts = (torch.tensor(v) for v in (task.inputs, task.targets, task.loss_weights))
    squash = torch.tanh if task.output == "tanh" else torch.sigmoid
    drive, read, batch = DRIVES[kind], READOUTS[kind], task.inputs.shape[2] > 0
    losses, start = [], time.perf_counter()
    for epoch in range(epochs):
        optimizer.zero_grad()
        x, y = states[epoch] if batch else states[epoch, 0], []
        for step in range(task.steps):
            x = (1 - task.leak) * x + task.leak * torch.tanh(drive(w, x, inputs[:, step]))
            y.append(read(w, x, task))
        found = squash(torch.stack(y)).reshape(task.steps, task.trials).T
        loss = (counts * (found - targets) ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses), time.perf_counter() - start


def compiled_run(network, task, epochs):
    """Losses and seconds of the compiled trainer."""
    start = time.perf_counter()
    losses = descend(network, task, learning_rate=RATE, updates=epochs).loss
    return losses, time.perf_counter() - start


def many_run(networks, task, epochs):
    """Seconds of several networks side by side."""
    start = time.perf_counter()
    descend_many(networks, task, learning_rates=RATE, updates=epochs)
    return time.perf_counter() - start


def epochs_for(run):
    """As many as take about `SECONDS`."""
    run(1)
    return max(5, int(SECONDS / (run(5) / 5)))


def least(runs):
    """The least seconds an epoch of each run, interleaved."""
    epochs = [epochs_for(run) for run in runs]
    times = np.full(len(runs), np.inf)
    for _ in range(ROUNDS):
        times = np.minimum(times, [run(count) / count for run, count in zip(runs, epochs, strict=True)])
    return times


def against_torch():
    print(f"{'network':28} torch µs  compiled µs  ratio  losses apart over 30 epochs")
    for name, (kind, network, task) in CASES.items():
        runs = [
            lambda count, k=kind, n=network, t=task: torch_run(k, n, t, count)[1],
            lambda count, n=network, t=task: compiled_run(n, t, count)[1],
        ]
        if kind == "rank one":
            networks = [initial_rank_one(seed=seed) for seed in range(SIDE_BY_SIDE)]
            runs.append(lambda count, n=networks, t=task: many_run(n, t, count) / SIDE_BY_SIDE)
        plain, *compiled = least(runs)
        apart = np.abs(compiled_run(network, task, 30)[0] / torch_run(kind, network, task, 30)[0] - 1).max()
        for label, seconds in zip((name, f"{name}, {SIDE_BY_SIDE} side by side"), compiled, strict=False):
            print(f"{label:28} {plain * 1e6:8.0f}  {seconds * 1e6:11.2f}  {plain / seconds:5.0f}  {apart:.0e}")


def growth():
    task, sizes, ranks = DelayedActivation(), (100, 200, 400, 800, 1600), (1, 2, 5, 10, 20, 50, 100)
    print("\nrank one: units, µs, ns a unit")
    nets = [initial_rank_one(units=units, seed=1) for units in sizes]
    for units, seconds in zip(sizes, least([lambda c, n=n: compiled_run(n, task, c)[1] for n in nets]), strict=True):
        print(f"{units:5d} {seconds * 1e6:8.1f} {seconds / units * 1e9:6.1f}")
    print("\nrank K, 100 units: K, µs, ns a unit and rank above rank 1")
    nets = [initial_low_rank(rank=rank, seed=1) for rank in ranks]
    times = least([lambda c, n=n: compiled_run(n, task, c)[1] for n in nets])
    for rank, seconds in zip(ranks, times, strict=True):
        slope = (seconds - times[0]) / (100 * max(rank - 1, 1)) * 1e9
        print(f"{rank:5d} {seconds * 1e6:8.1f} {slope:6.1f}")
    print("\nrank 5: units, µs, ns a unit")
    nets = [initial_low_rank(rank=5, units=units, seed=1) for units in sizes]
    for units, seconds in zip(sizes, least([lambda c, n=n: compiled_run(n, task, c)[1] for n in nets]), strict=True):
        print(f"{units:5d} {seconds * 1e6:8.1f} {seconds / units * 1e9:6.1f}")


if __name__ == "__main__":
    against_torch()
    growth()
