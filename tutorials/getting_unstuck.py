# %% [markdown]
# # Getting unstuck: confidence and sloppy ranks
#
# A network can fall into the no-learning zone: its output is wrong, and the gradient is gone. The paper has two
# remedies. A stuck network gets out when its output is made **less confident** for a while. And a network with more
# trainable **ranks** than the task needs falls in less often. This tutorial tries both.
#
# ## A stuck network
#
# The recorded run `fig3b_stuck` ends in the no-learning zone. The task is delayed activation, as in the first tutorial,
# with the output $\sigma(c\,(\kappa - 1))$ and confidence c = 10.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import dynaghost as dg
from dynaghost.sweep import Grid, sweep
from dynaghost.training.descent import descend, measure
from dynaghost.training.networks import RankOneNetwork
from dynaghost.training.outputs import outputs
from dynaghost.training.task import DelayedActivation

# The recorded runs are in the repository's folder data/.
PLACES = [Path.cwd(), *Path.cwd().parents, Path(dg.__file__).parents[1]]
DATA = next(
    place / "data"
    for place in PLACES
    if (place / "data" / "fig3b_stuck").exists()
)
weights = np.load(DATA / "fig3b_stuck" / "epoch_6000.npz")
stuck = RankOneNetwork(*(weights[name].astype(float) for name in "mnb"))
sure = DelayedActivation(confidence=10.0)
loss, gradient = measure(stuck, sure)
print(f"loss {loss:.3f}, gradient norm {gradient:.1e}")
assert gradient < 1e-10

# %% [markdown]
# Why is it stuck? Look at its latent circuit. The trial starts at the red bar, left of an unstable fixed point (open
# circle). So it moves left and rests at a stable fixed point far from the threshold, where the output is 0 to more than
# thirty digits. A small change of any weight changes nothing.

# %%
circuit = dg.RankOneRNN(stuck.m, stuck.n, stuck.b, leak=sure.leak).latent()
points = dg.find_slow_points(circuit)
start = sure.x0 * stuck.n.sum()
ax = dg.plot.flow(circuit, points)
ax.plot(start, 0, "|", color="#D55E00", markersize=13, markeredgewidth=2)
ax.axvline(sure.threshold, color="0.5", linestyle="--")
assert points.complete
lowest, unstable, highest = (point.x[0] for point in points.fixed_points)
assert lowest < start < unstable < sure.threshold < highest
assert outputs(stuck, sure).ravel()[-1] < 1e-30
ax.figure

# %% [markdown]
# ## Less confident
#
# With a lower confidence c the output is not flat there. How large does the gradient get within 100 updates?

# %%
confidences = np.array([10.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
largest = []
for confidence in confidences:
    tried = descend(
        stuck,
        replace(sure, confidence=confidence),
        learning_rate=0.02,
        updates=100,
    )
    largest.append(tried.gradient_norm.max())
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.loglog(confidences, np.maximum(largest, 1e-30), "o-", color="#009E73")
ax.axhline(
    1e-10, color="0.5", linestyle="--", label="nothing is learned below"
)
ax.set(xlabel="confidence c", ylabel="largest gradient norm")
_ = ax.legend()
assert largest[0] < 1e-10
assert largest[confidences.tolist().index(1.0)] > 1e-3

# %% [markdown]
# So train it with c = 1 for a while, and then with c = 10 again, at a smaller rate.

# %%
unsure = replace(sure, confidence=1.0)
relearning = descend(stuck, unsure, learning_rate=0.02, updates=20_000)
restored = descend(
    relearning.network, sure, learning_rate=0.002, updates=20_000
)
before = descend(stuck, sure, learning_rate=0.02, updates=2_000)
loss_now = measure(restored.network, sure)[0]
print(f"loss at c = 10: {loss:.3f} when stuck, {loss_now:.5f} after")
assert before.loss[-1] > 0.9, "without the change it stays stuck"
assert loss_now < 1e-3

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
epochs = np.arange(40_000)[::20]
curve = np.concatenate([relearning.loss, restored.loss])[::20]
axes[0].semilogy(epochs / 1000, curve, color="black", linewidth=0.8)
axes[0].axvspan(0, 20, color="#E69F00", alpha=0.2, label="c = 1")
axes[0].set(xlabel="epoch / 1000", ylabel="loss")
axes[0].legend()
for name, network in (("stuck", stuck), ("after", restored.network)):
    output = outputs(network, sure).ravel()
    axes[1].plot(np.arange(len(output)) * sure.leak, output, label=name)
axes[1].axvline(sure.delay, color="black", linewidth=0.8, linestyle=":")
axes[1].set(xlabel="time (τ)", ylabel="output")
_ = axes[1].legend()

# %% [markdown]
# And what is the network that learned? One fixed point and a ghost, as in the run that never got stuck? `dynaghost`
# says:

# %%
after = dg.find_slow_points(
    dg.RankOneRNN(
        restored.network.m,
        restored.network.n,
        restored.network.b,
        leak=sure.leak,
    )
)
print(
    f"fixed points: {len(after.fixed_points)}, ghosts: {len(after.ghosts)}, complete: {after.complete}"
)
for ghost in after.ghosts:
    print(
        f"ghost with passage time {ghost.passage_time:.1f} τ, for a delay of {sure.delay:g} τ"
    )
assert len(after.fixed_points) < len(points.fixed_points)

# %% [markdown]
# ## Sloppy ranks
#
# The task needs one rank. What if more are trained? Here is a small **sweep**: three ranks, three seeds each, one row a
# run. These networks have a trained readout $\sigma(w \cdot x + w_0)$, as in the paper's figure S2.

# %%
RANKS = (1, 10, 30)
grid = Grid(
    seeds=range(3), learning_rates=[0.022], ranks=RANKS, confidences=[1.0]
)
with tempfile.TemporaryDirectory() as out:
    found = sweep(grid, out=out, epochs=4_000, readout="trained")
table = found.to_dataframe()[
    ["rank", "seed", "fall_end", "final_loss", "stuck"]
]
table

# %% [markdown]
# `fall_end` is the epoch at which the loss first falls below a tenth of its first value: with more ranks the network
# learns sooner.

# %%
sooner = [
    float(table[table["rank"] == rank]["fall_end"].median()) for rank in RANKS
]
print("median epoch:", dict(zip(RANKS, sooner, strict=True)))
assert sooner[0] > sooner[1] > sooner[2]

# %% [markdown]
# The whole experiment takes hours, so its table is kept in `data/figure_s2`: ten runs a rank up to rank 10, 500 000
# epochs each, at the middle one of three rates.

# %%
columns = np.genfromtxt(
    DATA / "figure_s2" / "by_rank.csv", delimiter=",", names=True
)
rows = columns[(columns["rate"] == 0.022) & (columns["runs"] == 10)]
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.bar(
    [f"{rank:g}" for rank in rows["rank"]],
    rows["learned"],
    color="#0072B2",
    label="learned",
)
ax.bar(
    [f"{rank:g}" for rank in rows["rank"]],
    rows["dead"],
    bottom=rows["learned"],
    color="#D55E00",
    label="died",
)
ax.set(xlabel="trained ranks", ylabel="runs of 10")
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
assert rows["rank"].tolist() == [1, 2, 3, 4, 5, 10]
assert rows["learned"].tolist() == [0, 5, 8, 10, 10, 10]
assert rows["dead"].tolist() == [10, 5, 2, 0, 0, 0]

# %% [markdown]
# At this rate no network of rank one ends with the task learned, and every one of rank four or more does. At rates that
# are high enough all ranks have trouble: the table has that too.
#
# ## What to take with you
#
# - If the loss is flat and the gradient is exactly gone, look at the fixed points before you change the learning rate.
# - Lower the confidence of the output for a while (a higher temperature of a softmax is the same), then raise it again.
# - Train more ranks than the task needs.
