# %% [markdown]
# # A network in many dimensions: a GRU that learns to remember
#
# The networks so far had one latent number. Most networks have many. Here a small GRU learns a memory task in torch,
# its checkpoints are analyzed, and the answer says how much of it is proved.
#
# ## The task and the training
#
# A cue of +1 or −1 is shown for two steps. After it the network must output the cue's sign for 38 steps without any
# input. This is plain torch, as you would write it. It saves `{"step": …, "model_state_dict": …}`, more often
# where the loss falls.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import dynaghost as dg

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
STEPS, CUE, UNITS = 40, 2, 6
SAVE_AT = (0, 20, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160)


class Memory(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(1, UNITS, batch_first=True)
        self.readout = torch.nn.Linear(UNITS, 1)

    def forward(self, inputs):
        return self.readout(self.gru(inputs)[0])


def trials(number):
    sign = torch.randint(0, 2, (number, 1, 1)) * 2.0 - 1.0
    inputs = torch.zeros(number, STEPS, 1)
    inputs[:, :CUE] = sign
    return inputs, sign.expand(number, STEPS, 1)


folder = Path(tempfile.mkdtemp())
model = Memory()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
losses = []
for step in range(SAVE_AT[-1] + 1):
    if step in SAVE_AT:
        torch.save(
            {"step": step, "model_state_dict": model.state_dict()},
            folder / f"step_{step}.pt",
        )
    inputs, targets = trials(32)
    loss = ((model(inputs) - targets)[:, CUE:] ** 2).mean()
    losses.append((step, loss.item()))
    if step == SAVE_AT[-1]:
        break
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
rows = "".join(f"{step},{loss}\n" for step, loss in losses)
(folder / "metrics.csv").write_text("step,loss\n" + rows)
torch.set_default_dtype(torch.float32)
print(f"loss {losses[0][1]:.2f} → {losses[-1][1]:.4f}")
assert losses[-1][1] < 0.05 * losses[0][1]

# %% [markdown]
# ## What one network looks like
#
# A driven network has fixed points only while its input is constant. Here that is the memory period, with input 0.
# `as_system` takes the module and that input.

# %%
system = dg.as_system(model.gru, inputs=[0.0])
points = dg.find_slow_points(system)
for point in points.fixed_points:
    print(
        f"{point.stability}: {point.certificate}, |multiplier| up to {np.abs(point.multipliers).max():.3f}"
    )
print(f"complete: {points.complete}")
assert all(
    point.certificate == "exists_unique" for point in points.fixed_points
)

# %% [markdown]
# Each fixed point is proved: it exists and is alone within its radius. Whether the *list* is proved, `complete` says.
# For a GRU as small as this one it sometimes is, for larger ones it is not. Then `coverage` says how well it was
# searched: from how many starts, whether two different methods found the same points, and which share they are likely
# to have missed.
#
# ## The whole run
#
# The trials tell which part of state space the network uses. They are arrays: the inputs, and the names of the periods.

# %%
cues = np.zeros((2, STEPS, 1))
cues[0, :CUE], cues[1, :CUE] = 1.0, -1.0
task = dg.Trials.of(
    inputs=cues,
    initial=np.zeros((2, UNITS)),
    periods={"cue": (0, CUE), "memory": (CUE, STEPS)},
)
run = dg.load_run(folder, layer="gru", trials=task, period="memory")
result = dg.analyze(run)
counts = [
    (len(found.fixed_points), len(found.ghosts)) for found in result.points
]
for step, (fixed_points, ghosts) in zip(result.steps, counts, strict=True):
    print(f"step {step}: fixed points {fixed_points}, ghosts {ghosts}")
complete = {
    step: found.complete
    for step, found in zip(result.steps, result.points, strict=True)
}
print(
    f"proved complete at {sum(complete.values())} of {len(complete)} checkpoints"
)
for found in result.points:
    assert found.complete or (
        found.coverage.agree and found.coverage.unseen == 0
    )

# %%
overview = dg.plot.overview(result)
overview

# %% [markdown]
# In many dimensions the height of a branch is its place on the first principal component of all slow points. Read it
# from left to right. At first there is one fixed point. While the loss falls, two more are born in a saddle-node: now
# there is a stable one for either sign, and an unstable one between them. But soon two of them meet again and vanish.
# A **ghost** is left, and training keeps it.

# %%
for verdict in result.verdicts:
    print(
        f"loss {verdict.loss_before:.3f} → {verdict.loss_after:.4f}: {verdict.verdict} ({verdict.grade})"
    )
first = result.verdicts[0]
assert first.verdict == "bifurcation"
low, high = first.evidence["window"]
proved = all(complete[step] for step in result.steps if low <= step <= high)
assert first.grade == ("proved" if proved else "found")
assert "saddle_node" in [result.events[i].kind for i in first.events]
assert max(counts) == (3, 0)
assert counts[-1] == (1, 1)

# %% [markdown]
# The grade is `proved` if the fixed points at every checkpoint in the drop's window are proved to be all there are.
# Else it is `found`: the verdict then speaks of the branches that were followed, and of what was found within reach
# of the trials.
#
# ## A memory that fades
#
# So this network, whose loss is small, has one fixed point only. One sign rests there. The other one is held by a
# ghost, whose passage time is longer than the task. The picture shows both trials after their cue, at some of their
# steps, the last one among them. Each begins at a square, and only one of them ends at the fixed point.

# %%
states = result.visited(result.steps[-1])
print("trials, times, units:", states.shape)
picture = dg.plot.slow_points(result.points[-1], visited=states)
picture.figure

# %% [markdown]
# What if the network had to remember for longer than it was trained to? The ghost's passage time says what will happen.
# Passage times of a map are numbers of iterations.

# %%
(ghost,) = result.points[-1].ghosts
print(
    f"passage time of the ghost: {ghost.passage_time:.0f} steps; the memory period has {STEPS - CUE}"
)
assert STEPS < ghost.passage_time < 10 * STEPS
state, outputs = states[:, -1], []
weight, bias = (
    model.readout.weight.detach().numpy()[0],
    model.readout.bias.item(),
)
for _ in range(300):
    outputs.append(state @ weight + bias)
    state = state + system.f(state)
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(STEPS + np.arange(300), np.array(outputs), label=["cue +1", "cue −1"])
ax.axvline(
    STEPS,
    color="black",
    linestyle="--",
    linewidth=0.8,
    label="end of the trained trials",
)
ax.set(xlabel="step", ylabel="output")
_ = ax.legend()
assert np.sign(outputs[0]).tolist() == [1, -1], "remembered as trained"
assert np.sign(outputs[-1]).tolist() == [-1, -1], "one of the two is forgotten"

# %% [markdown]
# The loss did not show this, and neither does a finder that takes the ghost for a fixed point.
#
# ## Stability of a map
#
# A GRU is a *map*: time goes in steps. A fixed point of a map is stable if every multiplier lies inside the unit
# circle. A ghost has no stability: the state does not stay there.

# %%
step = counts.index((3, 0))
picture = dg.plot.eigenvalues(result.points[step])
picture.figure

# %%
assert sorted(
    bool(point.stable) for point in result.points[step].fixed_points
) == [
    False,
    True,
    True,
]

# %% [markdown]
# ## What to take with you
#
# - Say which input is on while you look for fixed points: `inputs=` for a constant one, `Trials` for a task.
# - In many dimensions each point is proved, the list often is not. Read `coverage`, and the grade of the verdict.
# - A small loss does not say that a memory is a fixed point. If it is a ghost, its passage time says how long it lasts.
