# %% [markdown]
# # Gallery
#
# One function a picture. Each takes what was found, and the axes to draw on if you give some; each returns the axes.
# Nothing touches pyplot or its settings, so these pictures fit into a figure of your own.
#
# ```python
# ax = dg.plot.complex_plane(result)            # a new figure, ax.figure
# dg.plot.complex_plane(result, ax=my_axes)     # your own
# ax.figure.savefig("pairs.pdf")
# dg.plot.figures(result, "pictures")           # all of them as files
# ```
#
# Colours are those of Okabe and Ito. Every colour is doubled by a marker or a line style, so that a print in black and
# white says the same.

# %%
from pathlib import Path

import numpy as np

import dynaghost as dg

# The recorded runs are in the repository's folder data/.
PLACES = [Path.cwd(), *Path.cwd().parents, Path(dg.__file__).parents[1]]
DATA = next(
    place / "data"
    for place in PLACES
    if (place / "data" / "fig3b_stuck").exists()
)
ghost = dg.analyze(dg.load_run(DATA / "fig3a_ghost"))
stuck = dg.analyze(dg.load_run(DATA / "fig3b_stuck"))

# %% [markdown]
# ## One system of one dimension: `dg.plot.flow`
#
# The curve of f over the state. Where it is above zero the state moves right, below zero left. Dots on the zero line
# are fixed points (full: stable; open: unstable). A diamond on the curve is a ghost: the curve comes close to zero
# and turns back.

# %%
system = dg.RankOneRNN([1.5], [1.0], [0.21], leak=0.5).latent()
flow = dg.plot.flow(system, dg.find_slow_points(system), window=(-2, 2))
flow.figure

# %% [markdown]
# ## The latent flow along training: `dg.plot.latent_flow`
#
# The same for chosen checkpoints of a run, by default a handful around what happens. The red bar is where the trial
# starts, the dashed line is the readout's threshold.

# %%
latent_flow = dg.plot.latent_flow(ghost)
latent_flow[0].figure

# %% [markdown]
# ## Branches over training: `dg.plot.branches`
#
# Every fixed point and ghost, followed through training, above the loss and the norm of its gradient. `focus` shows a
# part of the run.

# %%
branches = dg.plot.branches(ghost, focus=(30_000, 40_000))
branches[0].figure

# %% [markdown]
# The same for a run in which two fixed points are born and the network gets stuck.

# %%
branches_stuck = dg.plot.branches(stuck, focus=(4_800, 5_400))
branches_stuck[0].figure

# %% [markdown]
# ## The loss alone: `dg.plot.loss`

# %%
loss = dg.plot.loss(ghost, focus=(32_000, 36_000))
loss.figure

# %% [markdown]
# ## Passage times: `dg.plot.passage_times`

# %%
passage_times = dg.plot.passage_times(ghost)
passage_times.figure

# %% [markdown]
# ## Ghosts as complex pairs: `dg.plot.complex_plane`
#
# A ghost is a pair of complex fixed points near the real axis. The closer the pair is to the axis, the slower the
# ghost.

# %%
complex_plane = dg.plot.complex_plane(ghost)
complex_plane.figure

# %% [markdown]
# ## The event graph: `dg.plot.event_graph`
#
# One lane a branch, one column an event, arrows for what has to do with what.

# %%
event_graph = dg.plot.event_graph(stuck)
event_graph.figure

# %% [markdown]
# ## Many dimensions: `dg.plot.slow_points` and `dg.plot.eigenvalues`
#
# Slow points among the states of trials, in the two leading principal components, and the eigenvalues of every fixed
# point. The network here is random.

# %%
generator = np.random.default_rng(3)
network = dg.LeakyRNN(
    2.2 * generator.normal(size=(8, 8)) / np.sqrt(8), np.zeros(8), leak=0.3
)
points = dg.find_slow_points(network)
path = [0.5 * generator.normal(size=(6, 8))]
for _ in range(60):
    path.append(network.step(path[-1]))
states = dg.plot.slow_points(points, visited=np.stack(path, axis=1))
states.figure

# %%
eigenvalues = dg.plot.eigenvalues(points)
eigenvalues.figure

# %% [markdown]
# ## Two dimensions: `dg.plot.phase_portrait`
#
# Speed (dark is slow), stream lines, nullclines, slow points, and paths of trials.

# %%
plane = dg.LeakyRNN(
    [[1.4, -1.0], [1.0, 1.4]], [0.4, -0.1], time="flow", leak=0.2
)
trial = [np.array([0.1, 0.1])]
for _ in range(80):
    trial.append(plane.step(trial[-1]))
phase_portrait = dg.plot.phase_portrait(
    plane, dg.find_slow_points(plane), paths=[np.array(trial)]
)
phase_portrait.figure

# %% [markdown]
# Every public function of `dg.plot` is above.

# %%
DRAWN = {
    "flow",
    "latent_flow",
    "branches",
    "loss",
    "passage_times",
    "complex_plane",
    "event_graph",
}
DRAWN |= {"slow_points", "eigenvalues", "phase_portrait"}
assert all(callable(getattr(dg.plot, name)) for name in DRAWN)
assert points.complete
assert [verdict.verdict for verdict in ghost.verdicts][:2] == [
    "ghost",
    "ghost",
]
