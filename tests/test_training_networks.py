"""Every network's compiled gradient against its torch twin, weights both ways, noise, and cutting without a trace."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaghost.checkpoints.recognize import as_system
from dynaghost.errors import DynaghostError
from dynaghost.training.cue_networks import initial_cue_full_rank, initial_cue_low_rank
from dynaghost.training.cues import CueDiscrimination, MatchToSample
from dynaghost.training.descent import descend, descend_many, descend_schedule, measure, trials_of
from dynaghost.training.modules import from_state_dict, torch_twin
from dynaghost.training.networks import RankOneNetwork, initial_rank_one, round_anew
from dynaghost.training.noise import Noise
from dynaghost.training.outputs import outputs
from dynaghost.training.readout_networks import FullRankNetwork, LowRankNetwork, initial_full_rank, initial_low_rank
from dynaghost.training.schedule import RELEARNING, Schedule, parse_schedule
from dynaghost.training.task import DelayedActivation
from dynaghost.training.trials import trial_outputs

leaks = st.floats(0.05, 1)
activations = st.builds(
    lambda delay, more, leak, confidence, x0: DelayedActivation(
        delay_steps=delay, steps=delay + more, leak=leak, confidence=confidence, x0=x0
    ),
    st.integers(1, 12),
    st.integers(1, 12),
    leaks,
    st.floats(0.1, 5),
    st.floats(-1, 1),
)
cues = st.builds(
    lambda kind, cue, delay, response, leak, repeats, seed: kind(
        cue_steps=cue, delay_steps=delay, response_steps=response, leak=leak, repeats=repeats, seed=seed
    ),
    st.sampled_from([CueDiscrimination, MatchToSample]),
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(1, 6),
    leaks,
    st.integers(1, 2),
    st.integers(0, 99),
)
noises = st.none() | st.builds(Noise, st.integers(0, 99), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.1]))
sizes, seeds = st.integers(1, 19), st.integers(0, 2**31)

CASES = {
    "rank one": (
        activations,
        lambda units, rank, seed: initial_rank_one(units=units, seed=seed),
    ),
    "rank one with its own c": (
        activations,
        lambda units, rank, seed: RankOneNetwork(*_vectors(initial_rank_one(units=units, seed=seed)), confidence=2.5),
    ),
    "rank K": (activations, lambda units, rank, seed: initial_low_rank(rank=rank, units=units, seed=seed)),
    "full rank": (activations, lambda units, rank, seed: initial_full_rank(units=units, seed=seed)),
    "cues, rank K": (cues, lambda units, rank, seed: initial_cue_low_rank(rank=rank, units=units, seed=seed)),
    "cues, full rank": (cues, lambda units, rank, seed: initial_cue_full_rank(units=units, seed=seed)),
}
FIXED = {
    "rank one": (DelayedActivation(), initial_rank_one(units=13, seed=1)),
    "rank K": (DelayedActivation(), initial_low_rank(rank=3, units=13, seed=1)),
    "full rank": (DelayedActivation(), initial_full_rank(units=13, seed=1)),
    "cues, rank K": (MatchToSample(), initial_cue_low_rank(units=13, seed=1)),
    "cues, full rank": (CueDiscrimination(repeats=3), initial_cue_full_rank(units=13, seed=1)),
}


def _vectors(network):
    return network.m, network.n, network.b


@functools.cache
def networks(case):
    """Task and network of any size, with biases that training would have made."""
    tasks, initial = CASES[case]

    def shaken(units, rank, seed):
        network, rng = initial(units, rank, seed), np.random.default_rng(seed)
        return from_state_dict({name: w + 0.3 * rng.normal(size=w.shape) for name, w in network.weights.items()})

    return st.tuples(tasks, st.builds(shaken, sizes, st.integers(1, 6), seeds))


def torch_run(network, task, noise, epoch=0):
    """The twin after a backward pass, its outputs and its loss, on the trials of one update."""
    module = torch_twin(network, task)
    states, shaken = trials_of(task, network.units, epoch, 1, noise)
    steps = shaken[0, :, :, : network.units] if shaken.shape[2] else None
    found = module(states[0, :, : network.units], steps)
    loss = module.loss(found)
    loss.backward()
    return module, found.detach().numpy(), loss.item()


def assert_same(one, other):
    for name, values in one.weights.items():
        assert np.array_equal(values, other.weights[name]), name


# --- gradients and outputs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@settings(deadline=None, max_examples=30)
@given(data=st.data(), noise=noises, epoch=st.integers(0, 40))
def test_gradient_equals_autograd(case, data, noise, epoch):
    task, network = data.draw(networks(case))
    module, _, loss = torch_run(network, task, noise, epoch)
    # An update of length 1 shows the gradient, rounded to the spacing of the weights.
    descent = descend(network, task, learning_rate=1.0, updates=1, first=epoch, noise=noise)
    expected = {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}
    largest = max(np.abs(slope).max() for slope in expected.values())
    for name, before in network.weights.items():
        error = np.abs(before - descent.network.weights[name] - expected[name]).max()
        assert error <= 1e-10 * largest + 4e-16 * (1 + np.abs(before).max() + largest), name
    assert descent.loss[0] == pytest.approx(loss, rel=1e-10)
    norm = np.sqrt(sum((slope**2).sum() for slope in expected.values()))
    assert descent.gradient_norm[0] == pytest.approx(norm, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("case", CASES)
@settings(deadline=None, max_examples=15)
@given(data=st.data(), noise=noises)
def test_outputs_equal_the_twins(case, data, noise):
    task, network = data.draw(networks(case))
    _, expected, _ = torch_run(network, task, noise)
    assert np.abs(trial_outputs(network, task, noise=noise) - expected).max() <= 1e-12
    if noise is None and isinstance(task, DelayedActivation):
        assert np.abs(outputs(network, task) - expected[0]).max() <= 1e-12


@pytest.mark.parametrize("case", FIXED)
def test_a_few_updates_follow_torch(case):
    import torch

    task, network = FIXED[case]
    module = torch_twin(network, task)
    optimizer, losses = torch.optim.SGD(module.parameters(), lr=0.05), []
    for epoch in range(20):
        optimizer.zero_grad()
        loss = module.loss(module(trials_of(task, network.units, epoch, 1, None)[0][0, :, : network.units]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    descent = descend(network, task, learning_rate=0.05, updates=20)
    assert descent.loss == pytest.approx(losses, rel=1e-9)
    for name, values in from_state_dict(module.state_dict()).weights.items():
        assert descent.network.weights[name] == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_a_saturated_readout_keeps_its_gradient():
    """Where 1 − ô rounds to 0 the error of a wrong output is 1, and its gradient σ(−y) must not round to 0 with it."""
    for b_out, wrong_step in ((40.0, 0), (-40.0, 30)):
        network = LowRankNetwork(*(np.zeros(s) for s in ((4, 1), (1, 4), (4,), (4,))), b_out=np.array([b_out]))
        _, norm = measure(network, DelayedActivation())
        # Twenty wrong outputs of error 1, slope exp(−40): dL/db_out = 20·2·exp(−40)/20.
        assert norm == pytest.approx(2 * np.exp(-40), rel=1e-10), wrong_step


# --- cutting, side by side, schedules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [None, Noise(seed=3, initial=0.2, process=0.05), Noise(3, initial=0.2, fresh=False)])
@pytest.mark.parametrize("case", FIXED)
def test_chunks_change_no_bit(case, noise):
    task, network = FIXED[case]
    whole = descend(network, task, learning_rate=0.05, updates=150, noise=noise)
    losses, current, done = [], network, 0
    for updates in (1, 0, 62, 40, 47):
        assert measure(current, task, epoch=done, noise=noise) == (whole.loss[done], whole.gradient_norm[done])
        part = descend(current, task, learning_rate=0.05, updates=updates, first=done, noise=noise)
        losses, current, done = [*losses, part.loss], part.network, done + updates
    assert np.array_equal(np.concatenate(losses), whole.loss)
    assert_same(current, whole.network)


def test_trained_confidence_changes_with_the_weights():
    network = RankOneNetwork(*_vectors(initial_rank_one(seed=40)), confidence=10.0)
    descent = descend(network, DelayedActivation(), learning_rate=0.02, updates=5500)
    assert descent.network.confidence != 10.0
    # The paper's claim: a confidence that is trained hardly moves, so it rescues no network.
    assert 9.5 < descent.network.confidence < 10.5


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_side_by_side_each_has_the_bits_it_has_alone(own, noisy):
    rates, confidences = [0.01, 0.02, 0.5], [10.0, 1.0, 0.1]
    nets = [initial_rank_one(units=21, seed=seed) for seed in range(3)]
    nets = (
        [RankOneNetwork(*_vectors(one), confidence=c) for one, c in zip(nets, confidences, strict=True)]
        if own
        else nets
    )
    noise = [Noise(seed, initial=0.1, process=0.01) for seed in range(3)] if noisy else None
    options = {"learning_rates": rates, "confidences": confidences, "updates": 70, "noises": noise}
    together = descend_many(nets, DelayedActivation(), **options)
    for i, found in enumerate(together):
        task = DelayedActivation(confidence=confidences[i])
        alone = descend(nets[i], task, learning_rate=rates[i], updates=70, noise=noise and noise[i])
        assert np.array_equal(found.loss, alone.loss)
        assert np.array_equal(found.gradient_norm, alone.gradient_norm)
        assert_same(found.network, alone.network)


def test_networks_that_do_not_go_together_are_refused():
    one, other = initial_rank_one(units=8, seed=1), initial_rank_one(units=9, seed=1)
    with pytest.raises(DynaghostError, match="one size"):
        descend_many([one, other], DelayedActivation(), learning_rates=0.1, updates=1)
    with pytest.raises(DynaghostError, match="one a network"):
        descend_many([one], DelayedActivation(), learning_rates=0.1, updates=1, noises=[Noise(1), Noise(2)])
    mixed = [Noise(1), Noise(2, process=0.1)]
    with pytest.raises(DynaghostError, match="one shape"):
        descend_many([one, one], DelayedActivation(), learning_rates=0.1, updates=1, noises=mixed)


def test_a_schedule_is_its_stages_one_after_the_other():
    network, schedule = initial_rank_one(units=12, seed=2), parse_schedule("30x10@0.02,20x1@0.1,5x10@0.002")
    whole = descend_schedule(network, DelayedActivation(), schedule)
    losses = []
    for stage in schedule.stages:
        task = DelayedActivation(confidence=stage.confidence)
        part = descend(network, task, learning_rate=stage.learning_rate, updates=stage.epochs)
        network, losses = part.network, [*losses, part.loss]
    assert np.array_equal(whole.loss, np.concatenate(losses))
    assert_same(whole.network, network)


def test_part_of_a_schedule():
    network, schedule = initial_rank_one(units=12, seed=2), parse_schedule("30x10@0.02,20x1@0.1")
    whole = descend_schedule(network, DelayedActivation(), schedule)
    begun = descend_schedule(network, DelayedActivation(), schedule, updates=40)
    ended = descend_schedule(begun.network, DelayedActivation(), schedule, first=40)
    assert_same(ended.network, whole.network)
    assert np.array_equal(np.concatenate([begun.loss, ended.loss]), whole.loss)


def test_lower_confidence_frees_a_stuck_network():
    """Figure 4: gradients return with c = 1, the task is learned, and c is restored."""
    first = round_anew(initial_rank_one(seed=40), 0)
    stuck = descend(first, DelayedActivation(), learning_rate=0.02, updates=6000)
    assert stuck.gradient_norm[-1] < 1e-10
    assert measure(stuck.network, DelayedActivation(confidence=1.0))[1] > 1e-3
    freed = descend_schedule(stuck.network, DelayedActivation(), RELEARNING)
    assert freed.loss[-1] < 1e-3


def test_schedules_are_for_networks_with_fixed_confidence():
    with pytest.raises(DynaghostError, match="fixed confidence"):
        descend_schedule(FIXED["rank K"][1], DelayedActivation(), RELEARNING)


@pytest.mark.parametrize("text", ["", "10x1", "ax1@2", "0x1@0.1", "10x-1@0.1", "10x1@0"])
def test_unreadable_schedules_are_refused(text):
    with pytest.raises(DynaghostError, match=r"schedule|stage"):
        parse_schedule(text)
    with pytest.raises(DynaghostError, match="at least one"):
        Schedule(())


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FIXED)
def test_state_dicts_go_both_ways(case):
    task, network = FIXED[case]
    state = torch_twin(network, task).state_dict()
    assert list(state) == list(network.weights)
    assert_same(from_state_dict(state), network)


@pytest.mark.parametrize("case", ["rank one", "rank K", "cues, rank K"])
def test_saved_twins_are_recognized(case, tmp_path):
    import torch

    task, network = FIXED[case]
    torch.save(torch_twin(network, task).state_dict(), tmp_path / "epoch_1.pt")
    system = as_system(tmp_path / "epoch_1.pt", leak=task.leak)
    assert (system.dim, system.rank) == (13, network.rank if case != "rank one" else 1)
    # One step without input, in the twin's arithmetic and the system's.
    x = np.random.default_rng(1).normal(size=13)
    w = {name: values.T for name, values in network.weights.items()}
    m, n, b = (w["S_r"], w["S_l"], w["W_in.bias"]) if "S_l" in w else (w["m"].T, w["n"].T, w["b"])
    drive = m * (n @ x) if case == "rank one" else m @ (n @ x)
    assert system.f(x) == pytest.approx(np.tanh(drive + b) - x, abs=1e-13)


def test_initial_weights_are_drawn_as_stated():
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(7)
        drawn = [(torch.randn(*s) / np.sqrt(6)).double().numpy() for s in ((6, 2), (2, 6), (6,), (1,))]
        torch.manual_seed(7)
        full = [(torch.randn(*s) / np.sqrt(6)).double().numpy() for s in ((6, 6), (6,), (1,))]
        torch.manual_seed(7)
        left, right = (torch.randn(6, 2) / np.sqrt(6)).double().numpy(), torch.randn(2, 6).double().numpy()
        layers = [torch.nn.Linear(1, 6), torch.nn.Linear(2, 1)]
    low = initial_low_rank(rank=2, units=6, seed=7)
    assert all(np.array_equal(*pair) for pair in zip((low.m, low.n, low.w_out, low.b_out), drawn, strict=True))
    dense = initial_full_rank(units=6, seed=7)
    assert all(np.array_equal(*pair) for pair in zip((dense.W, dense.w_out, dense.b_out), full, strict=True))
    cue = initial_cue_low_rank(units=6, seed=7)
    assert np.array_equal(cue.S_l, left)
    assert np.array_equal(cue.S_r, right)
    linear = [p.detach().double().numpy() for layer in layers for p in (layer.weight, layer.bias)]
    for found, expected in zip((cue.W_in, cue.b, cue.w_out, cue.b_out), linear, strict=True):
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", FIXED)
def test_round_anew_moves_the_first_array_alone(case):
    network = FIXED[case][1]
    moved = round_anew(network, 1)
    first, *others = network.weights
    assert not np.array_equal(moved.weights[first], network.weights[first])
    assert moved.weights[first] == pytest.approx(network.weights[first], rel=3e-16)
    assert all(np.array_equal(moved.weights[name], network.weights[name]) for name in others)


# --- tasks and noise --------------------------------------------------------------------------------------------------


def test_cue_tasks_show_and_ask_what_they_say():
    task = MatchToSample(repeats=2)
    assert task.inputs.shape == (8, 24, 1)
    shown = task.inputs[:, :, 0]
    assert np.array_equal(np.flatnonzero(shown[1]), [0, 1, 12, 13])
    assert np.array_equal(shown[:4, 0] == shown[:4, 13], task.targets[:4, -1] == 1)
    assert task.mask.sum(axis=1).tolist() == [10] * 8
    assert task.loss_weights.sum() == pytest.approx(1)
    sign = CueDiscrimination(delay_steps=4)
    assert (sign.steps, sign.delay) == (16, 2.0)
    assert np.array_equal(sign.inputs[:, 0, 0], sign.targets[:, -1])


@given(st.integers(0, 60), st.integers(0, 60), st.booleans(), st.integers(1, 9))
def test_random_numbers_of_an_update_do_not_depend_on_the_cut(first, updates, fresh, seed):
    noise, shape = Noise(seed, initial=0.1, process=0.2, fresh=fresh), {"trials": 2, "steps": 3, "units": 4}
    task = CueDiscrimination(seed=seed)
    whole = noise.drawn(first=0, updates=first + updates, **shape)
    part = noise.drawn(first=first, updates=updates, **shape)
    assert np.array_equal(part, whole[first:] if fresh else whole)
    states = task.states(5, first=0, updates=first + updates)
    assert np.array_equal(task.states(5, first=first, updates=updates), states[first:])


def test_noise_has_its_standard_deviations():
    drawn = Noise(1, initial=0.5, process=0.1).drawn(first=0, updates=50, trials=1, steps=40, units=100)
    assert drawn[:, :, 0].std() == pytest.approx(0.5, rel=0.03)
    assert drawn[:, :, 1:].std() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 1, "initial": -0.1}, {"seed": 1, "process": np.nan}], ids=str)
def test_bad_noise_is_refused(bad):
    with pytest.raises(DynaghostError, match="noise"):
        Noise(**bad)


@pytest.mark.parametrize(
    "bad",
    [{"cue_steps": 0}, {"delay_steps": 0}, {"response_steps": 0}, {"leak": 0.0}, {"repeats": 0}, {"spread": -1.0}],
    ids=str,
)
def test_bad_cue_tasks_are_refused(bad):
    with pytest.raises(DynaghostError, match=next(iter(bad))):
        CueDiscrimination(**bad)


def test_networks_of_other_tasks_and_shapes_are_refused():
    with pytest.raises(DynaghostError, match="another network"):
        descend(FIXED["rank K"][1], MatchToSample(), learning_rate=0.1, updates=1)
    with pytest.raises(DynaghostError, match="another network"):
        torch_twin(FIXED["cues, rank K"][1], DelayedActivation())
    with pytest.raises(DynaghostError, match="must take 1 inputs"):
        descend(initial_cue_low_rank(units=5, inputs=2, seed=1), MatchToSample(), learning_rate=0.1, updates=1)
    with pytest.raises(DynaghostError, match="n must have shape"):
        LowRankNetwork(np.ones((3, 2)), np.ones((3, 2)), np.ones(3), np.ones(3), np.ones(1))
    with pytest.raises(DynaghostError, match="W must be finite"):
        FullRankNetwork(np.full((2, 2), np.inf), np.ones(2), np.ones(2), np.ones(1))
    with pytest.raises(DynaghostError, match="rank must be at least 1"):
        initial_low_rank(rank=0, seed=1)
    with pytest.raises(DynaghostError, match="names of a network"):
        from_state_dict({"weight": np.ones(2)})


def test_two_cue_networks_learn():
    descent = descend(initial_cue_low_rank(seed=1), CueDiscrimination(), learning_rate=0.01, updates=3000)
    assert descent.loss[-1] < 0.1 * descent.loss[0]
