"""Weights under the names of the wild against the product W = m n that each convention means."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynaghost.checkpoints.low_rank_names import unwrap
from dynaghost.checkpoints.recognize import as_system, recognize
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError
from dynaghost.systems.low_rank import LowRankRNN, RankOneRNN

FILE = "epoch_7.pt"
rng = np.random.default_rng(0)
UNITS, RANK = 6, 2
LEFT, RIGHT, BIAS = rng.normal(size=(UNITS, RANK)), rng.normal(size=(RANK, UNITS)), rng.normal(size=UNITS)


def recognized(arrays, **options):
    return recognize(arrays, Settings(**options), FILE)


def product(found):
    return found.system.m @ found.system.n


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"m": LEFT, "n": RIGHT, "b": BIAS}, LEFT @ RIGHT),
        ({"m": LEFT, "n": RIGHT.T, "b": BIAS}, LEFT @ RIGHT),
        ({"M": LEFT, "N": RIGHT, "bias": BIAS}, LEFT @ RIGHT),
        ({"U": LEFT, "V": RIGHT.T, "b": BIAS}, LEFT @ RIGHT),
        ({"U": LEFT.T, "V": RIGHT, "b": BIAS}, LEFT @ RIGHT),
        ({"S_l": LEFT, "S_r": RIGHT, "W_in.bias": BIAS}, (LEFT @ RIGHT).T),
        ({"S_l.weight": LEFT, "m": LEFT, "n": RIGHT, "b": BIAS[:, None]}, LEFT @ RIGHT),
        (
            {
                "model_state_dict.module.rnn.m": LEFT,
                "model_state_dict.module.rnn.n": RIGHT,
                "model_state_dict.module.rnn.b": BIAS,
            },
            LEFT @ RIGHT,
        ),
    ],
)
def test_conventions_of_rank_k(arrays, expected):
    found = recognized(arrays)
    np.testing.assert_allclose(product(found), expected)
    np.testing.assert_array_equal(found.system.b, BIAS)
    assert isinstance(found.system, LowRankRNN)
    assert found.system.rank == RANK


@pytest.mark.parametrize(("m", "n"), [((6,), (6,)), ((6, 1), (1, 6)), ((6, 1), (6, 1)), ((1, 6), (6,)), ((6,), (1, 6))])
def test_shapes_of_rank_one(m, n):
    found = recognized({"m": LEFT[:, 0].reshape(m), "n": RIGHT[0].reshape(n), "b": BIAS})
    assert isinstance(found.system, RankOneRNN)
    np.testing.assert_allclose(product(found), np.outer(LEFT[:, 0], RIGHT[0]))


@given(st.integers(1, 8), st.integers(1, 3), st.booleans(), st.booleans())
def test_transposing_the_file_transposes_w(units, rank, turned, given_transpose):
    left, right = rng.normal(size=(units + rank, rank)), rng.normal(size=(rank, units + rank))
    arrays = {"m": left, "n": right.T if turned else right, "b": np.zeros(units + rank)}
    found = recognized(arrays, transpose=given_transpose)
    np.testing.assert_allclose(product(found), (left @ right).T if given_transpose else left @ right)


def test_row_convention_iterates_as_the_authors_do():
    r = rng.normal(size=UNITS)
    found = recognized({"S_l": LEFT, "S_r": RIGHT, "W_in.bias": BIAS, "W_in.weight": np.ones((UNITS, 1))}, leak=0.5)
    expected = 0.5 * r + 0.5 * np.tanh(r @ (LEFT @ RIGHT) + BIAS)
    np.testing.assert_allclose(found.system.step(r), expected)
    assert "S_l (6, 2) as nᵀ, S_r (2, 6) as mᵀ" in found.guess


@pytest.mark.parametrize("form", ["rate", "current"])
def test_equation_is_what_is_iterated(form):
    x = rng.normal(size=UNITS)
    found = recognized({"m": LEFT, "n": RIGHT, "b": BIAS}, form=form, scale=0.25, leak=0.5)
    w = 0.25 * LEFT @ RIGHT
    expected = np.tanh(w @ x + BIAS) if form == "rate" else w @ np.tanh(x) + BIAS
    np.testing.assert_allclose(found.system.step(x), 0.5 * x + 0.5 * expected)
    wanted = "0.5·tanh(0.25·m n x + b)" if form == "rate" else "0.5·(0.25·m n tanh(h) + b)"
    assert found.equation.startswith(f"{form} form, rank 2, 6 units: ")
    assert found.equation.endswith(wanted)


def test_what_weights_do_not_tell_is_noted():
    arrays = {"m": LEFT, "n": RIGHT, "b": BIAS}
    notes = " | ".join(recognized(arrays).notes)
    assert "rate form and scale 1 assumed; --form and --scale" in notes
    assert "leak" in notes
    told = Settings(leak=0.5, scale=0.5, origin={"form": "argument", "scale": "argument"})
    assert recognize(arrays, told, FILE).notes == ()
    wild = {
        "m": LEFT,
        "n": RIGHT.T,
        "b": BIAS,
        "wi": np.ones((1, UNITS)),
        "wo": np.ones((UNITS, 1)),
        "si": np.ones(1),
        "so": np.ones(1),
    }
    assert "lowrank_inference" in " ".join(recognized(wild).notes)


def test_a_missing_bias_is_zero_and_noted():
    found = recognized({"m": LEFT, "n": RIGHT})
    np.testing.assert_array_equal(found.system.b, np.zeros(UNITS))
    assert "b = 0" in found.guess
    assert any("no bias" in note for note in found.notes)


def test_mapping():
    arrays = {"net.left": LEFT, "net.right": RIGHT, "net.offset": BIAS}
    mapping = {"m": "net.left", "n": "right", "b": "offset"}
    np.testing.assert_allclose(product(recognized(arrays, mapping=mapping)), LEFT @ RIGHT)
    np.testing.assert_allclose(product(recognized(arrays, mapping=mapping, transpose=True)), (LEFT @ RIGHT).T)
    outside = {"model.m": LEFT, "model.n": RIGHT, "readout.b": BIAS}
    np.testing.assert_array_equal(recognized(outside, mapping={"b": "readout.b"}).system.b, BIAS)
    with pytest.raises(CheckpointError, match=r"epoch_7\.pt: m: expected an array named 'gone', got left \(6, 2\)"):
        recognized(arrays, mapping={"m": "gone", "n": "right"})


def test_square_weights_have_no_orientation():
    left, right = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    with pytest.raises(CheckpointError, match=r"square.*--map.*--transpose"):
        recognized({"m": left, "n": right, "b": np.zeros(4)})
    told = {"mapping": {"m": "m", "n": "n", "b": "b"}}
    np.testing.assert_allclose(product(recognized({"m": left, "n": right, "b": np.zeros(4)}, **told)), left @ right)
    # S_l and S_r name their own orientation.
    np.testing.assert_allclose(product(recognized({"S_l": left, "S_r": right})), (left @ right).T)
    assert recognized({"m": np.ones((1, 1)), "n": np.ones((1, 1)), "b": np.zeros(1)}).system.dim == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_weights_name_file_and_array(bad):
    n = RIGHT.copy()
    n[1, 2] = bad
    with pytest.raises(CheckpointError, match=rf"epoch_7\.pt: n: expected finite weights, got {bad} at index \(1, 2\)"):
        recognized({"m": LEFT, "n": n, "b": BIAS})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "got no arrays"),
        ({"w": LEFT}, r"got w \(6, 2\)"),
        ({"m": LEFT, "n": RIGHT[:, :4], "b": BIAS}, "shapes"),
        ({"m": LEFT, "n": RIGHT, "b": np.zeros(2)}, "a bias of 6 units"),
        ({"m": LEFT, "n": RIGHT, "U": LEFT, "V": RIGHT}, "one pair"),
        ({"m": np.ones((2, 2, 2)), "n": np.ones((2, 2, 2))}, "shapes"),
        ({"m": np.ones(0), "n": np.ones(0)}, "shapes"),
        ({"m": np.array(1.0), "n": np.array(1.0)}, "shapes"),
        ({"m": LEFT, "module.m": LEFT}, "two"),
    ],
)
def test_refusals_name_the_file(arrays, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        recognized(arrays)
    assert FILE in str(caught.value)


def test_other_systems_of_run_json_are_refused():
    with pytest.raises(CheckpointError, match="expected 'low_rank' or 'recurrent'"):
        recognized({"m": LEFT, "n": RIGHT}, kind="gated")
    with pytest.raises(CheckpointError, match="relu"):
        recognized({"m": LEFT, "n": RIGHT}, activation="relu")


def test_unwrapping():
    assert list(unwrap({"epoch": BIAS, "state_dict._orig_mod.module.model.m": LEFT}, FILE)) == ["m"]
    assert list(unwrap({"net.rnn.m": LEFT}, FILE)) == ["rnn.m"]


def test_as_system_reads_files_and_their_run_json(tmp_path):
    np.savez(tmp_path / "epoch_3.npz", m=LEFT[:, 0], n=RIGHT[0], b=BIAS)
    assert as_system(tmp_path / "epoch_3.npz").leak is None
    (tmp_path / "run.json").write_text(
        json.dumps({"schema": 1, "system": {"leak": 0.5, "form": "current", "scale": 0.1}})
    )
    system = as_system(tmp_path / "epoch_3.npz")
    assert (system.leak, system.form, system.scale) == (0.5, "current", 0.1)
    assert as_system(tmp_path / "epoch_3.npz", leak=1.0, form="rate").form == "rate"
    with pytest.raises(CheckpointError, match="got int"):
        as_system(3)
    with pytest.raises(CheckpointError, match=r"absent\.pt"):
        as_system(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="leak"):
        as_system({"m": LEFT, "n": RIGHT}, time="map")


def test_as_system_reads_torch_state_dicts():
    torch = pytest.importorskip("torch")
    system = as_system({"m": torch.tensor(LEFT), "n": torch.tensor(RIGHT), "b": torch.tensor(BIAS)})
    np.testing.assert_array_equal(system.m, LEFT)
