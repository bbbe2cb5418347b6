"""The recorded runs in `data/` are the ones that its README describes."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"
RUNS = dict(re.findall(r"^\| `(\w+)` .* `([0-9a-f]{64})` \|$", (DATA / "README.md").read_text(), flags=re.MULTILINE))


def checkpoints(folder):
    return sorted((DATA / folder).glob("epoch_*.npz"), key=lambda path: int(path.stem.split("_")[1]))


def test_every_run_is_listed():
    assert set(RUNS) == {path.name for path in DATA.iterdir() if (path / "metrics.csv").exists()}


@pytest.mark.parametrize("folder", RUNS)
def test_checksum(folder):
    content = b"".join(path.read_bytes() for path in checkpoints(folder))
    assert hashlib.sha256(content).hexdigest() == RUNS[folder]


@pytest.mark.parametrize("folder", RUNS)
def test_files_are_small_and_name_their_epoch(folder):
    assert sum(path.stat().st_size for path in (DATA / folder).iterdir()) < 400_000
    for path in checkpoints(folder):
        with np.load(path, allow_pickle=False) as file:
            assert path.name == f"epoch_{file['epoch']}.npz"


def test_the_drop_of_figure_3a_is_bracketed():
    names = [path.name for path in checkpoints("fig3a_ghost")]
    assert names.index("epoch_34000.npz") == names.index("epoch_33000.npz") + 1


def test_training_again_gives_the_same_checkpoints(tmp_path):
    """The first 1000 epochs of the second run, bit for bit."""
    from dynaghost.training.task import DelayedActivation
    from dynaghost.training.trainer import train

    train(
        DelayedActivation(),
        out=tmp_path,
        learning_rate=0.02,
        epochs=1000,
        seed=40,
        rounding_seed=0,
        save_every=50,
        dtype="float32",
    )
    for path in tmp_path.glob("epoch_*.npz"):
        # The weights, not the files: the container is NumPy's and may change with it.
        with np.load(path) as again, np.load(DATA / "fig3b_stuck" / path.name) as recorded:
            assert {name: again[name].tobytes() for name in again} == {
                name: recorded[name].tobytes() for name in recorded
            }
