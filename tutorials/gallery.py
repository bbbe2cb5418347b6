# %% [markdown]
# # Gallery
#
# One function a picture. Each takes what was found and, as `ax=`, the axes to draw on if you give some; each returns
# the axes. Nothing touches pyplot or its settings, so these pictures fit into a figure of your own.
#
# ```python
# ax = dg.plot.complex_plane(result)            # a new figure, ax.figure
# dg.plot.complex_plane(result, ax=my_axes)     # your own
# ax.figure.savefig("pairs.pdf")
# dg.plot.overview(result)                      # a figure of several pictures
# dg.plot.figures(result, "pictures")           # a run's pictures as files
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
# ## The latent flow of a checkpoint: `dg.plot.latent_flow`
#
# The same for a checkpoint of a run, by default the last. The red bar is where the trial starts, the dashed line is
# the readout's threshold.

# %%
latent_flow = dg.plot.latent_flow(ghost, 34_000)
latent_flow.figure

# %% [markdown]
# ## The latent flow along training: `dg.plot.flow_panels`
#
# A figure of several checkpoints on the same scales, by default a handful around what happens.

# %%
flow_panels = dg.plot.flow_panels(ghost)
flow_panels

# %% [markdown]
# ## Branches over training: `dg.plot.branches`
#
# Every fixed point and ghost, followed through training. Marks are events. `focus` shows a part of the run. The run
# here is the one in which two fixed points are born and the network gets stuck.

# %%
branches = dg.plot.branches(stuck, focus=(4_800, 5_400))
branches.figure

# %% [markdown]
# ## Branches above the loss: `dg.plot.overview`
#
# A figure of the branches, the loss with the verdicts of its drops, and the norm of the gradient, step under step.

# %%
overview = dg.plot.overview(ghost, focus=(30_000, 40_000))
overview

# %% [markdown]
# ## Distance to the axis: `dg.plot.distance_to_axis`
#
# A ghost is a pair of complex fixed points near the real axis. Its distance to the axis says how close the network
# is to a saddle-node: at distance zero the pair becomes two real fixed points. The lower line here is the pair of this
# run's ghost. It is drawn open where it is not yet a ghost. It comes closer, and never arrives. The upper line is a
# second pair; the ghost is that one's at epoch 470,000 only.

# %%
distance = dg.plot.distance_to_axis(ghost, focus=(30_000, 40_000))
distance.figure

# %% [markdown]
# ## The loss alone: `dg.plot.loss`

# %%
loss = dg.plot.loss(ghost, focus=(32_000, 36_000))
loss.figure

# %% [markdown]
# ## The norm of the gradient alone: `dg.plot.gradient_norm`

# %%
gradient_norm = dg.plot.gradient_norm(ghost, focus=(32_000, 36_000))
gradient_norm.figure

# %% [markdown]
# ## Passage times: `dg.plot.passage_times`
#
# How long the flow needs through each ghost, and the delay that the task asks for.

# %%
passage_times = dg.plot.passage_times(ghost)
passage_times.figure

# %% [markdown]
# ## Ghosts as complex pairs: `dg.plot.complex_plane`
#
# The same pairs in the plane of complex states, coloured by step. The closer a pair is to the real axis, the slower
# the ghost.

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
    "flow_panels",
    "branches",
    "overview",
    "distance_to_axis",
    "loss",
    "gradient_norm",
    "passage_times",
    "complex_plane",
    "event_graph",
}
DRAWN |= {"slow_points", "eigenvalues", "phase_portrait"}
assert all(callable(getattr(dg.plot, name)) for name in DRAWN)
assert [ax.get_ylabel() for ax in overview.axes] == [
    "κ",
    "loss",
    "gradient norm",
]
assert points.complete
assert [verdict.verdict for verdict in ghost.verdicts][:2] == [
    "ghost",
    "ghost",
]
