"""Full-rank networks, GRUs and LSTMs from their files: torch's own modules are the oracle."""

import numpy as np
import pytest
import torch

import dynaghost as dg
from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError

FILE = "epoch_7.pt"
NUMBERS = np.random.default_rng(5)
SQUARE = NUMBERS.normal(size=(4, 4))


def arrays_of(module, prefix=""):
    return {prefix + name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def recognized(arrays, **options):
    return recognize(arrays, Settings(**options), FILE)


def stepped(module, x, state):
    """One step of a torch layer on one input, as the concatenated new state."""
    with torch.no_grad():
        _, new = module(x[None, None], state)
    return new


@pytest.mark.parametrize("prefix", ["", "rnn.", "module.encoder.rnn."])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
def test_torch_layers_step_as_torch_does(kind, bias, prefix):
    torch.manual_seed(0)
    module = kind(3, 5, bias=bias, dtype=torch.float64)
    x, h, c = torch.randn(3), torch.randn(1, 1, 5), torch.randn(1, 1, 5)
    x, h, c = x.double(), h.double(), c.double()
    system = recognized(arrays_of(module, prefix), inputs=x.numpy()).system
    state = (h, c) if kind is torch.nn.LSTM else h
    new = stepped(module, x, state)
    pair = (lambda one: torch.cat([part.ravel() for part in one])) if kind is torch.nn.LSTM else torch.ravel
    np.testing.assert_allclose(system.step(pair(state).numpy()), pair(new).numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", [torch.nn.GRUCell, torch.nn.LSTMCell, torch.nn.RNNCell])
def test_cells_are_recognized(kind):
    module = kind(2, 4, dtype=torch.float64)
    found = recognized(arrays_of(module, "cell."))
    x, h = torch.zeros(1, 2, dtype=torch.float64), torch.full((1, 4), 0.3, dtype=torch.float64)
    with torch.no_grad():
        new = module(x, (h, h))[0] if kind is torch.nn.LSTMCell else module(x, h)
    state = np.full(found.system.dim, 0.3)
    np.testing.assert_allclose(found.system.step(state)[:4], new[0].numpy(), rtol=1e-13, atol=1e-14)
    assert "input 0 is assumed" in " ".join(found.notes)


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
def test_a_stack_is_one_system_and_each_layer_can_be_chosen(kind):
    module = kind(3, 4, num_layers=2, dtype=torch.float64)
    arrays = arrays_of(module, "net.")
    x, h = torch.randn(3, dtype=torch.float64), torch.randn(2, 1, 4, dtype=torch.float64)
    whole = recognized(arrays, inputs=x.numpy()).system
    new = stepped(module, x, (h, 0.5 * h) if kind is torch.nn.LSTM else h)
    layers = [torch.cat(part).ravel() for part in zip(h, 0.5 * h, strict=True)] if kind is torch.nn.LSTM else list(h)
    after = whole.step(torch.cat([layer.ravel() for layer in layers]).numpy())
    first = new[0] if kind is torch.nn.LSTM else new
    np.testing.assert_allclose(after[:4], first[0].ravel().numpy(), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(after[whole.dim // 2 :][:4], first[1].ravel().numpy(), rtol=1e-13, atol=1e-14)
    name = "gru" if kind is torch.nn.GRU else "lstm"
    assert recognized(arrays, layer=f"{name}.l1").system.dim == whole.dim // 2
    with pytest.raises(CheckpointError, match=rf"expected one of {name}, {name}\.l0, {name}\.l1"):
        recognized(arrays, layer="encoder")


def test_two_networks_in_one_file_need_a_choice():
    arrays = {**arrays_of(torch.nn.GRU(2, 3), "enc."), **arrays_of(torch.nn.LSTM(2, 3), "dec.")}
    with pytest.raises(CheckpointError, match="expected one of enc, dec"):
        recognized(arrays)
    assert isinstance(recognized(arrays, layer="dec").system, dg.LSTM)
    assert isinstance(recognized(arrays, layer="enc.weight_hh_l0").system, dg.GRU)


def test_bidirectional_layers_are_two():
    arrays = arrays_of(torch.nn.GRU(2, 3, bidirectional=True), "rnn.")
    back = recognized(arrays, layer="rnn reverse").system
    alone = {name.removesuffix("_reverse"): array for name, array in arrays.items() if name.endswith("_reverse")}
    state = np.array([0.1, -0.4, 0.7])
    np.testing.assert_array_equal(back.f(state), recognized(alone).system.f(state))
    with pytest.raises(CheckpointError, match="rnn, rnn reverse"):
        recognized(arrays)


def test_other_words_for_the_same_weights():
    plain = arrays_of(torch.nn.GRU(2, 3), "")
    words = {"weight_hh_l0": "w_hh", "weight_ih_l0": "w_ih", "bias_hh_l0": "b_hh", "bias_ih_l0": "b_ih"}
    found = recognized({f"enc_{words[name]}": array for name, array in plain.items()})
    assert found.guess.startswith("enc_w_hh (9, 3) as weight_hh")
    state = np.array([0.1, -0.4, 0.7])
    np.testing.assert_array_equal(found.system.f(state), recognized(plain).system.f(state))


@pytest.mark.parametrize(
    ("name", "turned"),
    [("W_rec", True), ("W_rec.weight", False), ("h2h.weight", False), ("net.W", False), ("W", False)],
)
@pytest.mark.parametrize("transpose", [False, True])
def test_matrices_by_hand_and_their_orientation(name, turned, transpose):
    found = recognized({name: SQUARE}, transpose=transpose)
    np.testing.assert_array_equal(found.system.W, SQUARE.T if turned != transpose else SQUARE)
    assert "--transpose says otherwise" in " ".join(found.notes)
    assert found.system.time == "flow"


def test_biases_beside_a_matrix_add_up_and_the_input_drives():
    arrays = {
        "h2h.weight": SQUARE,
        "h2h.bias": np.ones(4),
        "input2h.weight": np.ones((4, 2)),
        "input2h.bias": np.ones(4),
    }
    found = recognized(arrays, leak=0.2, activation="relu", inputs=0.5)
    np.testing.assert_array_equal(found.system.b, np.full(4, 3.0))
    assert found.equation == "rate form, full rank, 4 units: x ← (1 − 0.2)·x + 0.2·(relu(W x + b))"


def test_a_mapped_matrix_acts_on_columns():
    arrays = {"deep.recurrence": SQUARE, "deep.offset": np.ones(4)}
    with pytest.raises(CheckpointError, match=r"--map W=NAME"):
        recognized(arrays)
    mapping = {"W": "deep.recurrence", "b": "deep.offset"}
    np.testing.assert_array_equal(recognized(arrays, mapping=mapping).system.W, SQUARE)
    np.testing.assert_array_equal(recognized(arrays, mapping=mapping, transpose=True).system.W, SQUARE.T)
    with pytest.raises(CheckpointError, match="expected an array named 'gone'"):
        recognized(arrays, mapping={"W": "gone"})


def test_keras_kernels_have_their_own_order_of_gates():
    module = torch.nn.GRU(2, 3, dtype=torch.float64)
    torch_arrays = arrays_of(module)
    order = np.r_[3:6, 0:3, 6:9]  # z, r, h
    keras = {
        "gru.kernel": torch_arrays["weight_ih_l0"][order].T,
        "gru.recurrent_kernel": torch_arrays["weight_hh_l0"][order].T,
        "gru.bias": np.stack([torch_arrays["bias_ih_l0"][order], torch_arrays["bias_hh_l0"][order]]),
    }
    state = np.array([0.1, -0.4, 0.7])
    ours = recognized(keras, inputs=0.3).system
    np.testing.assert_allclose(ours.f(state), recognized(torch_arrays, inputs=0.3).system.f(state), atol=1e-15)


def test_keras_gru_with_one_bias_resets_before_it_multiplies():
    kernel, recurrent, bias = NUMBERS.normal(size=(2, 9)), NUMBERS.normal(size=(3, 9)), NUMBERS.normal(size=9)
    found = recognized({"gru.kernel": kernel, "gru.recurrent_kernel": recurrent, "gru.bias": bias}, inputs=0.3)
    h, x = np.array([0.1, -0.4, 0.7]), np.full(2, 0.3)
    # Keras' documentation, gates in its order z, r, h.
    given = x @ kernel + bias
    z, r = 1 / (1 + np.exp(-(given[:6] + h @ recurrent[:, :6]).reshape(2, 3)))
    candidate = np.tanh(given[6:] + (r * h) @ recurrent[:, 6:])
    np.testing.assert_allclose(found.system.step(h), z * h + (1 - z) * candidate, atol=1e-15)
    assert "W_hn (r·h)" in found.equation
    assert "reset_after=False" in " ".join(found.notes)
    unbiased = recognized({"gru.kernel": kernel, "gru.recurrent_kernel": recurrent}, inputs=0.3)
    assert "reset_after=True is assumed" in " ".join(unbiased.notes)


def test_a_low_rank_network_is_driven_by_its_input():
    arrays = {"m": np.ones((4, 2)), "n": np.ones((2, 4)), "b": np.zeros(4), "W_in": np.arange(4.0)[:, None]}
    np.testing.assert_array_equal(recognized(arrays, inputs=2.0).system.b, 2 * np.arange(4.0))
    assert "input 0 is assumed" in " ".join(recognized(arrays).notes)
    del arrays["W_in"]
    with pytest.raises(CheckpointError, match="expected an input matrix"):
        recognized(arrays, inputs=1.0)


@pytest.mark.parametrize("inputs", [[1.0], [1.0, 2.0, 3.0, 4.0]])
def test_an_input_of_another_size_is_refused(inputs):
    with pytest.raises(CheckpointError, match=r"inputs: expected one number or 3, got an array of shape"):
        recognized(arrays_of(torch.nn.GRU(3, 4)), inputs=np.array(inputs))


def test_not_finite_weights_name_file_and_array():
    arrays = arrays_of(torch.nn.LSTM(2, 3))
    arrays["weight_hh_l0"] = arrays["weight_hh_l0"].copy()
    arrays["weight_hh_l0"][1, 2] = np.nan
    with pytest.raises(CheckpointError, match=r"epoch_7\.pt: weight_hh_l0: expected finite weights, got nan"):
        recognized(arrays)


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
def test_layers_that_cudnn_trained_in_keras(kind):
    # The published conversion of such weights: each recurrent block transposed, each input block read in Fortran order.
    gates, order = (3, np.r_[3:6, 0:3, 6:9]) if kind is torch.nn.GRU else (4, np.r_[0:12])
    module = kind(2, 3, dtype=torch.float64)
    plain = {name: array[order] for name, array in arrays_of(module).items()}
    kernels, recurrent = np.split(plain["weight_ih_l0"].T, gates, 1), np.split(plain["weight_hh_l0"].T, gates, 1)
    arrays = {
        "rnn.kernel": np.hstack([block.reshape(-1, order="F").reshape(2, 3) for block in kernels]),
        "rnn.recurrent_kernel": np.hstack([block.T for block in recurrent]),
        "rnn.bias": np.concatenate([plain["bias_ih_l0"], plain["bias_hh_l0"]]),
    }
    ours, state = recognized(arrays, inputs=np.array([0.3, -0.8])).system, NUMBERS.normal(size=3 * (gates - 2))
    if kind is torch.nn.GRU:
        state = state[:3]
    theirs = recognized(arrays_of(module), inputs=np.array([0.3, -0.8])).system
    np.testing.assert_allclose(ours.f(state[: ours.dim]), theirs.f(state[: ours.dim]), atol=1e-15)
