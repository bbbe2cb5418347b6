# %% [markdown]
# # Analysis inside my training loop
#
# So far the training was over. But a network that falls into the no-learning zone will sit there for the rest of your
# computing time. `dynaghost.Monitor` looks at the weights while you train, in another process, and can tell your own
# code when something happens.
#
# ## A training that is about to fail
#
# This is plain torch: a network of rank one on delayed activation (first tutorial), with plain gradient descent at a
# high learning rate. To save time it goes on from epoch 5100 of the recorded run that got stuck at epoch 5119.

# %%
import tempfile
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import dynaghost as dg

# The recorded runs are in the repository's folder data/.
PLACES = [Path.cwd(), *Path.cwd().parents, Path(dg.__file__).parents[1]]
DATA = next(
    place / "data"
    for place in PLACES
    if (place / "data" / "fig3b_stuck").exists()
)
LEAK, STEPS, DELAY_STEPS, START, THRESHOLD, RATE = 0.5, 40, 20, -0.3, 1.0, 0.02


class RankOne(torch.nn.Module):
    """x ← (1 − leak)·x + leak·tanh(m (n·x) + b), read as σ(c (n·x − threshold))."""

    def __init__(self, weights):
        super().__init__()
        for name in ("m", "n", "b"):
            setattr(
                self,
                name,
                torch.nn.Parameter(
                    torch.tensor(weights[name], dtype=torch.float64)
                ),
            )

    def forward(self, confidence):
        x, outputs = torch.full_like(self.m, START), []
        for _ in range(STEPS):
            x = (1 - LEAK) * x + LEAK * torch.tanh(
                self.m * (self.n @ x) + self.b
            )
            outputs.append(
                torch.sigmoid(confidence * (self.n @ x - THRESHOLD))
            )
        return torch.stack(outputs)


targets = (torch.arange(1, STEPS + 1) > DELAY_STEPS).double()
model = RankOne(np.load(DATA / "fig3b_stuck" / "epoch_5100.npz"))
optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
settings = {"confidence": 10.0}

# %% [markdown]
# ## One line before the loop, one line in it
#
# The monitor gets the model and a folder. What the weights do not say is said as for `load_run`: the leak, and where
# a trial starts, so that it can tell where the trial ends. `on_no_learning_zone` is a function of yours. Here it
# makes the output less confident, as in the tutorial on getting unstuck. `every=10` asks for an analysis every ten
# updates, since things happen fast here. Without it analyses take 1 % of the training's time, and come as often as that
# allows.

# %%
lowered = []


def lower_the_confidence(event):
    settings["confidence"] = 1.0
    lowered.append((monitor.updates, event))


folder = Path(tempfile.mkdtemp()) / "run"
known = {
    "leak": LEAK,
    "x0": START,
    "delay": DELAY_STEPS * LEAK,
    "threshold": THRESHOLD,
}
monitor = dg.Monitor(
    model, folder, every=10, on_no_learning_zone=lower_the_confidence, **known
)
losses = []
begun = time.monotonic()
with warnings.catch_warnings(record=True) as told, monitor:
    warnings.simplefilter("always")
    # Until it has learned again; at most two and a half minutes.
    while (
        len(losses) < 200 or losses[-1] > 0.15
    ) and time.monotonic() < begun + 150:
        optimizer.zero_grad()
        loss = (
            LEAK
            * ((model(settings["confidence"]) - targets) ** 2).sum()
            / (DELAY_STEPS * LEAK)
        )
        loss.backward()
        optimizer.step()
        monitor.step(loss)
        losses.append(loss.item())
print(f"{len(losses)} updates")

# %% [markdown]
# ## What it saw
#
# The monitor warned, and called the function. It works in another process, so that training does not wait for it; its
# answer comes at a later update.

# %%
print("\n".join(str(warning.message)[:77] + " …" for warning in told))
(called_at, event), *_ = lowered
print(
    f"the gradient is gone since update {event.before:g}; the function was called at update {called_at}"
)
figure, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
ax.semilogy(losses, color="black", linewidth=0.9)
ax.axvspan(
    called_at,
    len(losses),
    color="#E69F00",
    alpha=0.2,
    label="lower confidence",
)
ax.set(xlabel="update", ylabel="loss")
_ = ax.legend()
assert len(lowered) == 1
assert any("no-learning zone" in str(warning.message) for warning in told)
assert max(losses[60:called_at]) > 0.9
assert losses[-1] < 0.15

# %% [markdown]
# It learned again, without you. And it left a folder with checkpoints and losses. `dynaghost analyze` and `load_run`
# read it as any other.

# %%
result = dg.analyze(dg.load_run(folder))
print(
    f"{len(result.steps)} checkpoints, the first ones at {result.steps[:12]}"
)
print([event.kind.value for event in result.events])
overview = dg.plot.overview(result)
overview

# %%
kinds = [event.kind for event in result.events]
assert "saddle_node" in kinds
assert "capture" in kinds
assert not monitor.failures

# %% [markdown]
# Two fixed points were born within the first updates, and one of them took the trial. Later, with the lower confidence,
# the network found its way out.
#
# ## With a trainer that owns the loop
#
# `dynaghost.monitor` has `lightning_callback` and `hugging_face_callback`, and `monitor.attach(optimizer)` hooks a
# torch optimizer. `loggers=` takes a TensorBoard writer, a W&B run or mlflow, and gets `dynaghost/n_fixed_points`,
# `dynaghost/min_speed` and others.
#
# ## What to take with you
#
# - The monitor reads your model. It never runs or changes it. Training goes on as it would without, to the last bit.
# - Let it call you when learning has become impossible. Waiting does not help then.
