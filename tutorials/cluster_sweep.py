# %% [markdown]
# # A sweep on a cluster
#
# One run tells a story. To know whether it is the rule you train many: seeds, learning rates, delays. This tutorial
# trains a small grid, first here, then the way a cluster does it.
#
# ## A grid, a row a run
#
# `sweep` trains every network of a grid on delayed activation (first tutorial) and keeps one row a run in a database.
# With `analyze=True` it also proves, at **every** epoch of every run, how many fixed points and ghosts there are.

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import dynaghost as dg
from dynaghost.sweep import Grid, load_sweep, sweep

folder = Path(tempfile.mkdtemp())
grid = Grid(seeds=range(3), learning_rates=[0.015, 0.03])
found = sweep(grid, out=folder / "here", epochs=12_000, analyze=True)
table = found.to_dataframe()
table[
    [
        "seed",
        "learning_rate",
        "final_loss",
        "fall_end",
        "ghost_from",
        "more_from",
        "stuck",
    ]
]

# %% [markdown]
# `ghost_from` is the first epoch with a ghost, `more_from` the first one with more than one fixed point, `fall_end` the
# epoch at which the loss is first below a tenth of its first value. `NaN`: it did not happen.
#
# A ghost may come a little later than the fall: the complex pair slows the flow before the speed has a minimum of its
# own (see the page on mathematics).
#
# So the question "ghost or bifurcation?" is now one about a table. In how many runs had the loss fallen while there had
# never been a second fixed point?

# %%
assert (table["proved_epochs"] == 12_001).all(), (
    "each epoch of each run is proved"
)
for rate, runs in table.groupby("learning_rate"):
    fell = runs[runs["fall_end"].notna()]
    alone = (
        fell["more_from"].isna() | (fell["more_from"] > fell["fall_end"])
    ).sum()
    print(
        f"rate {rate}: the loss of {len(fell)} of {len(runs)} fell, of {alone} with one fixed point all the way down"
    )
    print(f"           stuck at the end: {int(runs['stuck'].sum())}")

# %%
figure, ax = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
rows = np.arange(len(table))
looks = {
    "fall_end": ("v", "black", "the loss has fallen"),
    "ghost_from": ("D", "#009E73", "first ghost"),
    "more_from": ("o", "#0072B2", "second fixed point"),
}
for shift, (name, (marker, colour, label)) in enumerate(looks.items()):
    places = rows + 0.2 * (shift - 1)
    ax.plot(table[name], places, marker, color=colour, label=label)
names = [f"rate {row.learning_rate:g}, seed {row.seed}" for row in found.rows]
ax.set_yticks(rows, names)
ax.set(xlabel="epoch", xlim=(0, 12_000))
ax.grid(axis="x", alpha=0.3)
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# ## Interrupted? Call it again
#
# Runs that are in the database are not computed again. So the same call after an interruption goes on where it stopped,
# and a larger grid only computes what is new.

# %%
seen = []
again = sweep(
    grid,
    out=folder / "here",
    epochs=12_000,
    analyze=True,
    progress=lambda done, total: seen.append(done),
)
assert again == found
assert seen == [6]

# %% [markdown]
# ## Several cores, or a Dask cluster
#
# `n_jobs=2` uses two processes. The workers are joblib's, so the caller chooses the backend; the rows are the same with
# any. With a Dask cluster (`pip install 'dynaghost[dask]'`):
#
# ```python
# import joblib
# from dask.distributed import Client
#
# client = Client("tcp://scheduler:8786")
# with joblib.parallel_config("dask"):
#     found = sweep(grid, out="sweep", epochs=12_000, analyze=True, n_jobs=64)
# ```

# %% [markdown]
# ## A job array
#
# Slurm starts the same script many times, with another number each time. Let each task write a folder of its own: no
# two processes then touch one database.
#
# ```bash
# #!/bin/bash
# #SBATCH --array=0-99
# #SBATCH --cpus-per-task=1
# #SBATCH --time=01:00:00
# dynaghost sweep --seeds "$SLURM_ARRAY_TASK_ID" --lr 0.03 --epochs 12000 --analyze \
#     --out "parts/task_$SLURM_ARRAY_TASK_ID"
# ```
#
# If a task is killed, submit it again: it goes on. When all are done, `load_sweep` reads the parts as one table, and
# refuses parts that were made with other settings. Here two tasks of a shorter sweep stand for the array.

# %%
SCRIPT = """
dynaghost sweep --seeds "$SLURM_ARRAY_TASK_ID" --lr 0.03 --epochs 300 --out "parts/task_$SLURM_ARRAY_TASK_ID"
"""
PROGRAMS = Path(sys.executable).parent
for task in ("0", "1"):
    environment = {
        **os.environ,
        "SLURM_ARRAY_TASK_ID": task,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(
        ["bash", "-c", SCRIPT],
        check=True,
        capture_output=True,
        env=environment,
        cwd=folder,
    )
together = load_sweep(*sorted((folder / "parts").iterdir()))
alone = sweep(
    Grid(seeds=range(2), learning_rates=[0.03]),
    out=folder / "alone",
    epochs=300,
)
assert together == alone
print(f"{len(together)} runs from two parts, the same as from one call")

# %% [markdown]
# ## Runs of your own
#
# The sweep above knows one task. Your own trainings are folders of checkpoints, as in the tutorial on a checkpoint
# folder. `analyze_collection` analyzes a folder of such folders into one database, and makes a table over all. Here
# `save_every` makes the folders: it keeps the checkpoints of each run of a sweep.

# %%
one = Grid(seeds=[1], learning_rates=[0.015, 0.03])
sweep(one, out=folder / "kept", epochs=12_000, save_every=1_000)
runs = folder / "kept" / "runs"
collection = dg.analyze_collection(runs, folder / "results")
print("drops by verdict:", collection.verdicts)
print("by rate:", collection.by("learning_rate"))
collection.to_dataframe()[["run", "learning_rate", "drops"]]

# %% [markdown]
# On a cluster each task takes a part of the runs, `dynaghost analyze 'runs/*' --part 3/100 --out parts/3`, and
# `dynaghost merge parts/* --out results` puts the parts together. It refuses parts that were analyzed with other
# settings. One long run is divided in the same way: with a folder of checkpoints in the place of the pattern each task
# searches every 100th batch of them, and `merge` follows the slow points from checkpoint to checkpoint and tells the
# rest. As a job array of Slurm, with `merge` when all tasks are done:
#
# ```sh
# # job.sh, for sbatch --array=1-100 job.sh
# dynaghost analyze runs/long --part "$SLURM_ARRAY_TASK_ID/100" --out "parts/$SLURM_ARRAY_TASK_ID"
# ```

# %%
for i in (1, 2):
    dg.analyze_collection(runs, folder / f"part_{i}", part=(i, 2))
merged = dg.merge([folder / "part_1", folder / "part_2"], folder / "merged")
assert merged.runs == collection.runs
assert not merged.failed

# %% [markdown]
# A row that looks odd can be looked at: its results are read when they are asked for, by the name of the run.

# %%
name = next(
    row.name for row in merged.runs if row.parameters["learning_rate"] == 0.015
)
result = merged[name]
overview = dg.plot.overview(result)
overview

# %%
assert len(result.points) == 13
assert all(points.complete for points in result.points)

# %% [markdown]
# ## What to take with you
#
# - A sweep is a table. Ask it how many, not whether.
# - One folder a task, then read them together.
