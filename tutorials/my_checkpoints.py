# %% [markdown]
# # My own checkpoint folder: ghost or bifurcation?
#
# You have a folder of checkpoints and a loss curve that drops. This tutorial goes from there to an answer. It uses
# two recorded runs of a network of 100 units and rank one on the delayed-activation task (first tutorial): one that
# learned, and one that got stuck. They are in the repository's folder `data/`.

# %%
import shutil
import tempfile
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
folder = Path(tempfile.mkdtemp()) / "my_run"
shutil.copytree(DATA / "fig3a_ghost", folder)
names = sorted(path.name for path in folder.iterdir())
print(f"{len(names)} files:", ", ".join(names[:3]), "…", ", ".join(names[-2:]))

# %% [markdown]
# A run is a folder of checkpoint files (`.pt`, `.npz`, `.safetensors` and more, see the page on [formats](formats.md)),
# and a table of losses: `metrics.csv` with the columns `epoch` or `step`, `loss`, and `grad_norm` if you have it. The
# losses may also be in the checkpoints. Nothing in a file is ever executed.
#
# ## Read it, and check what was understood

# %%
run = dg.load_run(folder)
print(run.order)
print(
    f"leak {run.settings.leak}, trial from x0 = {run.settings.x0}, delay {run.settings.delay} τ"
)
assert len(run) == 117

# %% [markdown]
# The order of the files comes from what they say, then from their names, never from their dates.
#
# Weights alone do not say which equation they belong to. Here a file `run.json` does. In your folder there is probably
# none, and then you say it: `dg.load_run(folder, leak=0.5, x0=-0.3, threshold=1, delay=10)`. What these are:
#
# | argument | what it is | without it |
# | --- | --- | --- |
# | `leak` | $\Delta t/\tau$ of the map | same points; stability is that of the flow |
# | `x0` | the state in which a trial starts, one number for all units or one a unit | slow points that no trial comes near count too |
# | `threshold` | of the readout, on κ | no event says when a fixed point crosses it |
# | `delay` | of the task, in τ | it is not shown beside the times |
#
# ## Analyze it

# %%
result = dg.analyze(run)
for verdict in result.verdicts:
    print(
        f"loss {verdict.loss_before:.3f} → {verdict.loss_after:.4f}: {verdict.verdict} ({verdict.grade})"
    )

# %% [markdown]
# Each abrupt drop of the loss gets a **verdict**:
#
# - `bifurcation`: a fixed point was born, died or changed its stability in the window of the drop;
# - `ghost`: the fixed points stayed as they were, and a ghost emerged or changed how long it holds the state;
# - `both`, `none`: as they say; `undecided`: a proof is missing, or the checkpoints are too far apart.
#
# The window of a drop goes from the last checkpoint before it to the first one after it. And a grade comes with the
# verdict: `proved` means that the fixed points in the window are proved to be all there are.
#
# This run has four drops. The first two are the ones that you see when you plot the loss, and the picture is about them.

# %%
first = result.verdicts[0]
assert (first.verdict, first.grade) == ("ghost", "proved")
assert {len(points.fixed_points) for points in result.points} == {1}
assert all(points.complete for points in result.points)
overview = dg.plot.overview(result, focus=(30_000, 40_000))
overview

# %% [markdown]
# The upper panel has the **branches**: each fixed point (blue) and ghost (green), followed through training. The height
# is κ, the network's one number. Below it are the loss, with its drops (blue) and their verdicts, and the norm of the
# gradient.
#
# There is one fixed point all the time. When the loss falls, it moves across the readout's threshold (dashed), so that
# the output can switch on at all. And a ghost emerges next to the place where the trial starts (dash-dotted), so that it
# does not switch on too early. So this network learned through a ghost. The pale line is the ghost's complex pair (see
# [slow points](slow_points.py)), which slows the trial even before the ghost is there.
#
# The verdict carries its evidence. The trial's escape time is the time until its output switches on, and the task's
# delay is 10 τ:

# %%
evidence = first.evidence
print(f"between epochs {evidence['window'][0]} and {evidence['window'][1]}:")
print(
    f"  fixed points {evidence['fixed_points']}, ghosts {evidence['ghosts']}"
)
print(
    f"  escape time {evidence['escape_time'][1]:.2f} τ, delay {evidence['delay']:g} τ"
)
assert evidence["fixed_points"] == [1, 1]
assert evidence["ghosts"] == [0, 1]
assert abs(evidence["escape_time"][1] - evidence["delay"]) < 0.3
flow = dg.plot.flow_panels(result, [33_000, 34_000, 500_000])
flow

# %% [markdown]
# ## The run that got stuck
#
# The same network with a higher learning rate.

# %%
stuck = dg.analyze(dg.load_run(DATA / "fig3b_stuck"))
for event in stuck.events:
    print(f"{event.kind} between epochs {event.before:g} and {event.after:g}")
overview = dg.plot.overview(stuck, focus=(4_900, 5_300))
overview

# %% [markdown]
# Read the events from top to bottom. The fixed point crosses the readout's threshold, and the loss begins to fall. A ghost
# emerges, and then two fixed points are born in a
# **saddle-node** bifurcation: the curve went through zero. One of them is stable and *captures* the trial, which now
# rests there forever. Its output is wrong for good, and the gradient vanishes: the **no-learning zone**.

# %%
kinds = [event.kind for event in stuck.events]
assert (
    kinds.index("saddle_node")
    < kinds.index("capture")
    < kinds.index("no_learning_zone")
)
assert [len(stuck.points[i].fixed_points) for i in (0, -1)] == [1, 3]
graph = dg.plot.event_graph(stuck)
graph.figure

# %% [markdown]
# ## Keep the results
#
# `save` writes a database, `analysis.json` for other programs, and the event graph. `report` writes one HTML page that
# shows all of it, with a slider over the epochs, and needs no network. `dynaghost analyze FOLDER --plots --report` does
# all of this from a terminal.

# %%
result.save(folder.parent / "results")
result.report(folder.parent / "results" / "report.html")
again = dg.load_analysis(folder.parent / "results")
assert again.verdicts == result.verdicts
print(sorted(path.name for path in (folder.parent / "results").iterdir()))
table = result.to_dataframe()
table[table["kind"] == "ghost"].head()

# %% [markdown]
# ## When your files are not understood
#
# A square matrix under a name that nobody knows could act on columns or on rows. dynaghost does not guess. It says what
# it needs:

# %%
generator = np.random.default_rng(0)
mine = [
    {"epoch": epoch, "connectivity": generator.normal(size=(5, 5))}
    for epoch in (0, 10)
]
try:
    dg.analyze(mine)
except dg.CheckpointError as error:
    print(error)
    refused = str(error)
assert "connectivity" in refused

# %% [markdown]
# `dg.load_run(…, mapping={"W": "connectivity"})` says what it is, `transpose=True` that it acts on rows. On the command
# line these are `--map W=connectivity` and `--transpose`, and `dynaghost inspect FILE` shows what one file holds.

# %%
understood = dg.analyze(
    dg.load_run(mine, mapping={"W": "connectivity"}, leak=0.1)
)
assert understood.description.units == 5
print(understood.description.equation)
shutil.rmtree(folder.parent)

# %% [markdown]
# ## What to take with you
#
# - Save checkpoints often where the loss falls. A verdict speaks of the checkpoints it has.
# - Look at the grade, and at the evidence: which events, in which window, with which times.
# - `none` and `undecided` are answers too.
