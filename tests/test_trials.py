"""Trials: periods of constant input, simulation against torch, and the check of a recorded step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dynaghost as dg
from dynaghost.systems.trials import Trials

NUMBERS = np.random.default_rng(8)


@pytest.fixture(scope="module")
def recorded():
    """A torch GRU, its inputs in three periods, and its states."""
    torch.manual_seed(1)
    module = torch.nn.GRU(2, 4, batch_first=True, dtype=torch.float64)
    inputs = np.zeros((3, 12, 2))
    inputs[:, 2:5, 0] = np.array([1.0, -1.0, 1.0])[:, None]
    inputs[:, 9:, 1] = 1.0
    with torch.no_grad():
        states, _ = module(torch.from_numpy(inputs))
    return module, inputs, states.numpy()


def drive_of(module):
    weights = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    return lambda value: dg.as_system(weights, inputs=value)


def test_periods_are_stretches_without_a_change(recorded):
    _, inputs, _ = recorded
    periods = Trials.of(inputs=inputs).periods()
    assert [(p.start, p.stop) for p in periods] == [(0, 2), (2, 5), (5, 9), (9, 12)]
    assert [len(p.inputs) for p in periods] == [1, 2, 1, 1]
    cue = periods[1]
    np.testing.assert_array_equal(cue.inputs[cue.context], inputs[:, 3])
    np.testing.assert_array_equal(cue.inputs[0], inputs[0, 3])


def test_named_periods_and_a_file(tmp_path, recorded):
    _, inputs, states = recorded
    path = tmp_path / "trials.npz"
    np.savez(path, u=inputs, hidden=states, periods=[[2, 5], [5, 9]], period_names=["cue", "delay"])
    trials = Trials.load(path)
    assert [(p.name, p.start, p.stop) for p in trials.periods()] == [("cue", 2, 5), ("delay", 5, 9)]
    assert (trials.number, trials.steps) == (3, 12)
    np.testing.assert_array_equal(trials.visited(trials.periods()[1]), states[:, 4:9])


def test_simulation_is_torchs(recorded):
    module, inputs, states = recorded
    found = Trials.of(inputs=inputs).simulate(drive_of(module))
    np.testing.assert_array_equal(found[:, 0], 0.0)
    np.testing.assert_allclose(found[:, 1:], states, atol=1e-14)


def test_a_recorded_step_is_checked(recorded):
    module, inputs, states = recorded
    assert Trials.of(inputs=inputs, states=states.astype(np.float32)).check(drive_of(module)) < 1e-6
    whole = np.concatenate([np.zeros((3, 1, 4)), states], axis=1)
    assert Trials.of(inputs=inputs, states=whole).check(drive_of(module)) < 1e-13
    other = torch.nn.GRU(2, 4, batch_first=True, dtype=torch.float64)
    with pytest.raises(dg.DynaghostError, match="another equation was trained"):
        Trials.of(inputs=inputs, states=states).check(drive_of(other))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_found_periods_never_overlap_and_hold_one_input(values):
    inputs = np.array(values, dtype=float)[None, :, None]
    periods = Trials.of(inputs=inputs).periods()
    for period in periods:
        assert period.stop - period.start >= 2
        assert len(set(values[period.start : period.stop])) == 1
        assert period.start == 0 or values[period.start - 1] != values[period.start]
    longest = max(len(list(group)) for group in _groups(values))
    assert bool(periods) == (longest >= 2)


def _groups(values):
    from itertools import groupby

    return [list(group) for _, group in groupby(values)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": np.ones((2, 3, 1)), "initial": np.ones((3, 4))}, "expected 3 trials, as initial has, got 2"),
        ({"inputs": np.ones((2, 3, 1)), "mask": np.ones((2, 4))}, "expected 3 steps, as inputs has, got 4"),
        ({"inputs": np.ones((2, 3, 1)), "states": np.ones((2, 5, 4))}, "expected 3 or 4 steps, got 5"),
        ({"initial": np.ones((2, 3)), "readout": np.ones((1, 4))}, "expected 3 state variables"),
        ({"inputs": np.ones(3)}, "expected 3 dimensions"),
        ({"inputs": np.full((1, 2, 1), np.nan)}, "inputs: expected finite"),
        ({"inputs": np.ones((1, 2, 1)), "periods": {"cue": (1, 4)}}, "expected 0 ≤ start < stop ≤ 2"),
    ],
)
def test_arrays_that_disagree_are_refused(arrays, message):
    with pytest.raises(dg.DynaghostError, match=message):
        Trials.of(**arrays)


def test_files_that_hold_no_trials_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    with pytest.raises(dg.DynaghostError, match=r"other\.npz: expected arrays named initial"):
        Trials.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(dg.DynaghostError, match=r"text\.npz: expected an \.npz file"):
        Trials.load(tmp_path / "text.npz")
