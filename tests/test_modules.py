"""torch modules, cells and Python callables as systems; the caller's module is never changed."""

import numpy as np
import pytest
import torch
from torch import nn

import dynaghost as dg
from dynaghost.systems import CallableSystem, LeakyRNN, ModuleSystem
from dynaghost.systems.autograd import TorchSystem
from dynaghost.systems.module import from_object

W = np.random.default_rng(0).normal(size=(4, 4))


class Custom(nn.Module):
    """A user's own cell, float32, with everything that an analysis could disturb."""

    def __init__(self, units=4, inputs=2):
        super().__init__()
        self.recurrent, self.into = nn.Linear(units, units), nn.Linear(inputs, units, bias=False)
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(units)
        self.register_buffer("mask", torch.ones(units))

    def forward(self, x, h):
        return torch.tanh(self.dropout(self.recurrent(h * self.mask)) + self.into(x))


class Autonomous(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, h):
        return torch.sigmoid(self.linear(h))


class Piecewise(Autonomous):
    def forward(self, h):
        return torch.relu(self.linear(h))


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(3, 4, num_layers=2)
        self.readout = nn.Linear(4, 1)


def everything(module):
    """Bits of every tensor, and what else an analysis could leave changed."""
    tensors = {name: (t.dtype, t.detach().numpy().tobytes()) for name, t in module.state_dict().items()}
    flags = {name: (p.requires_grad, p.grad) for name, p in module.named_parameters()}
    modes = {name: part.training for name, part in module.named_modules()}
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()]
    return tensors, flags, modes, hooks, torch.get_rng_state().numpy().tobytes(), torch.get_default_dtype()


def exercise(system):
    x = np.random.default_rng(1).normal(size=(3, system.dim))
    system.f(x), system.jacobian(x), system.second_derivative(x, x, x), system.second_derivative_bound(x[0], 0.1)
    system.f_enclosure(x), system.jacobian_enclosure(x), system.fixed_point_box()


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bias": False}, {"num_layers": 2, "dropout": 0.5}])
def test_torchs_modules_are_built_in_and_equal_to_it(kind, options):
    torch.manual_seed(1)
    module = kind(3, 4, **options)
    before, x = everything(module), np.random.default_rng(2).normal(size=3)
    system = dg.as_system(module, inputs=x)
    exercise(system)
    assert everything(module) == before
    assert system.analytic
    assert not isinstance(system, TorchSystem)
    states = np.random.default_rng(3).normal(size=system.dim)
    np.testing.assert_allclose(system.step(states), forward(module, x, states), rtol=0, atol=1e-13)


def forward(module, x, states):
    """One step of a copy in float64 and evaluation mode, in our order of the state."""
    import copy

    twin, lstm = copy.deepcopy(module).double().eval(), isinstance(module, nn.LSTM)
    parts = torch.tensor(states).reshape(module.num_layers, 1 + lstm, 1, module.hidden_size)
    state = tuple(part.contiguous() for part in parts.unbind(1))
    _, new = twin(torch.tensor(x)[None, None], state if lstm else state[0])
    new = new if lstm else (new,)
    return torch.stack(new, dim=1).reshape(-1).detach().numpy()


@pytest.mark.parametrize("cell", [nn.RNNCell(3, 4), nn.RNNCell(3, 4, nonlinearity="relu"), nn.GRUCell(3, 4)])
def test_cells_are_built_in(cell):
    x, h = np.random.default_rng(4).normal(size=3), np.random.default_rng(5).normal(size=4)
    expected = cell.double()(torch.tensor(x)[None], torch.tensor(h)[None])[0].detach().numpy()
    np.testing.assert_allclose(dg.as_system(cell, inputs=x).step(h), expected, rtol=0, atol=1e-14)


def test_an_lstm_cell_has_the_state_h_c():
    cell, x = nn.LSTMCell(3, 4).double(), np.ones(3)
    h, c = np.random.default_rng(6).normal(size=(2, 4))
    new = cell(torch.tensor(x)[None], (torch.tensor(h)[None], torch.tensor(c)[None]))
    expected = torch.cat(new, dim=-1)[0].detach().numpy()
    np.testing.assert_allclose(dg.as_system(cell, inputs=x).step(np.concatenate([h, c])), expected, rtol=0, atol=1e-14)


def test_one_layer_of_a_stack_takes_that_layers_input():
    module = nn.GRU(3, 4, num_layers=2, bidirectional=True)
    forth, back = (dg.as_system(module, layer=layer, inputs=np.ones(8)) for layer in (1, "1_reverse"))
    assert (forth.dim, back.dim) == (4, 4)
    np.testing.assert_array_equal(back.cells[0].W[0].W, module.weight_hh_l1_reverse[:4].detach().double())
    with pytest.raises(dg.DynaghostError, match="layer: expected one of 0, 0_reverse, 1, 1_reverse of a bidirectional"):
        dg.as_system(module)
    with pytest.raises(dg.DynaghostError, match="layer: expected one of 0, 0_reverse, 1, 1_reverse, got 2"):
        dg.as_system(module, layer=2)


def test_a_layer_inside_a_larger_module_is_named():
    holder = Holder()
    assert dg.as_system(holder, layer="encoder").dim == 16
    assert dg.as_system(holder, layer="encoder:1").dim == 8
    with pytest.raises(dg.DynaghostError, match=r"dim: .* or layer=NAME .*\(encoder\)"):
        dg.as_system(holder)
    with pytest.raises(dg.DynaghostError, match=r"layer: expected the name of a submodule \(encoder\), got 'decoder'"):
        dg.as_system(holder, layer="decoder")


def test_a_relu_network_is_piecewise():
    system = dg.as_system(nn.RNN(3, 4, nonlinearity="relu"))
    assert isinstance(system, LeakyRNN)
    assert (system.activation, system.analytic) == ("relu", False)


def test_a_users_module_is_copied_and_never_changed():
    module = Custom().train()
    module.recurrent.weight.grad = torch.ones(4, 4)
    before, x = everything(module), np.array([0.3, -1.0])
    system = dg.as_system(module, dim=4, inputs=x)
    exercise(system)
    after = everything(module)
    assert [part for part in before if part is not before[1]] == [part for part in after if part is not after[1]]
    assert torch.equal(module.recurrent.weight.grad, torch.ones(4, 4))
    V, U = (layer.weight.detach().double().numpy() for layer in (module.recurrent, module.into))
    ours = LeakyRNN(V, module.recurrent.bias.detach().double().numpy() + U @ x)
    same(system, ours)


def same(system, ours):
    """Value, Jacobian and second derivative, real and complex, of a function known to us in closed form."""
    rng = np.random.default_rng(7)
    for batch in ((), (3,), (2, 2), (0,)):
        x, u, v = rng.normal(size=(3, *batch, 4))
        for z in (x, x + 0.1j * u) if system.analytic else (x,):
            np.testing.assert_allclose(system.f(z), ours.f(z), rtol=0, atol=1e-13)
            np.testing.assert_allclose(system.jacobian(z), ours.jacobian(z), rtol=0, atol=1e-11)
        tolerance = 1e-12 if isinstance(system, TorchSystem) else 1e-7
        difference = system.second_derivative(x, u, v) - ours.second_derivative(x, u, v)
        assert np.abs(difference).max(initial=0) < tolerance * 100
        # A Lyapunov coefficient bends f along complex eigenvectors at a real state.
        along = u + 1j * v, v - 0.5j * u
        difference = system.second_derivative(x, *along) - ours.second_derivative(x, *along)
        assert np.abs(difference).max(initial=0) < tolerance * 100
    assert system.second_derivative_bound(np.zeros(4), 1.0) == np.inf
    assert np.all(system.f_enclosure(np.zeros(4))[1] == np.inf)
    assert system.fixed_point_box() is None


def test_modules_are_continued_analytically_where_they_can_be():
    smooth, kinked = Autonomous(), Piecewise()
    system = dg.as_system(smooth, dim=4)
    assert (system.analytic, dg.as_system(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), dim=4).analytic) == (True, False)
    weights = [p.detach().double().numpy() for p in smooth.parameters()]
    same(system, LeakyRNN(*weights, activation="sigmoid"))
    piecewise = dg.as_system(kinked, dim=4)
    assert not piecewise.analytic
    with pytest.raises(dg.DynaghostError, match="expected real states, got complex"):
        piecewise.f(np.zeros(4) + 1j)
    weights = [p.detach().double().numpy() for p in kinked.parameters()]
    np.testing.assert_allclose(
        piecewise.jacobian(np.ones(4)), LeakyRNN(*weights, activation="relu").jacobian(np.ones(4))
    )


def test_call_says_how_to_use_an_unusual_module():
    cell = nn.LSTMCell(2, 3)

    def call(module, states, inputs):
        return torch.cat(module(inputs, (states[:, :3], states[:, 3:])), dim=1)

    subclass = type("Mine", (nn.LSTMCell,), {})(2, 3)
    subclass.load_state_dict(cell.state_dict())
    system = dg.as_system(subclass, dim=6, inputs=np.ones(2), call=call)
    assert isinstance(system, ModuleSystem)
    x = np.random.default_rng(8).normal(size=(2, 6))
    built_in = dg.as_system(cell, inputs=np.ones(2))
    np.testing.assert_allclose(system.jacobian(x), built_in.jacobian(x), rtol=0, atol=1e-13)
    np.testing.assert_allclose(system.second_derivative(x, x, x), built_in.second_derivative(x, x, x), atol=1e-12)


FUNCTIONS = {
    "a batch": (lambda x: np.tanh(x @ W.T), "complex step"),
    "one state": (lambda x: np.tanh(W.dot(x)), "complex step"),
    "real numbers only": (lambda x: np.tanh(W @ np.array([float(a) for a in x])), "differences"),
}


@pytest.mark.parametrize(("function", "how"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_callables_of_arrays(function, how):
    system = dg.as_system(function, dim=4)
    assert isinstance(system, CallableSystem)
    assert (system.derivatives, system.analytic) == (how, how == "complex step")
    ours = LeakyRNN(W, np.zeros(4))
    if system.analytic:
        same(system, ours)
    x, u, v = np.random.default_rng(9).normal(size=(3, 5, 4))
    scale = np.abs(ours.jacobian(x)).max()
    assert np.abs(system.jacobian(x) - ours.jacobian(x)).max() < 3 * system.derivative_error * scale
    np.testing.assert_allclose(system.second_derivative(x, u, v), ours.second_derivative(x, u, v), rtol=0, atol=3e-5)


def test_a_callable_that_drops_the_imaginary_part_is_not_analytic():
    assert not dg.as_system(lambda x: np.abs(np.tanh(x)), dim=2).analytic
    assert not dg.as_system(lambda x: np.tanh(np.real(x)) + 0 * x, dim=2).analytic


def test_callables_of_tensors_and_with_inputs():
    V = torch.tensor(W)
    system = dg.as_system(lambda h, x: torch.tanh(torch.mv(V.to(h.dtype), h) + x), dim=4, inputs=np.full(4, 0.2))
    assert isinstance(system, TorchSystem)
    assert system.analytic
    same(system, LeakyRNN(W, np.full(4, 0.2)))
    flow = dg.as_system(lambda x, c: c[0] - x**3, dim=1, inputs=[2.0], time="flow", leak=0.1)
    assert flow.f(np.array([1.0])).tolist() == [1.0]
    assert flow.step(np.array([1.0])).tolist() == [1.1]
    np.testing.assert_allclose(flow.jacobian(np.array([2.0])), [[-12.0]], rtol=1e-14)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        (np.tanh, {}, "dim: expected the number of state variables of a callable, got None"),
        (np.tanh, {"dim": 0}, "dim: expected a whole number above 0, got 0"),
        (np.sum, {"dim": 2}, r"function: expected a result of shape \(2,\), got \(\)"),
        (lambda x: 1 / 0, {"dim": 2}, "ZeroDivisionError"),
        (lambda x: x * np.nan, {"dim": 2}, r"function\(x\): expected finite numbers, got nan"),
        (lambda x: x + np.random.default_rng().normal(), {"dim": 2}, "expected the same result for the same state"),
        (np.tanh, {"dim": 2, "form": "rate"}, "form: expected with weights by name"),
        ({"m": [1.0], "n": [1.0]}, {"dim": 2}, "dim: expected with a live object"),
        (nn.Linear(4, 3), {"dim": 4}, r"module: expected new states of shape \(2, 4\), got \(2, 3\)"),
        (nn.Linear(3, 3), {"dim": 4}, "module: expected one of states"),
        (nn.LSTM(3, 4, proj_size=2), {}, "proj_size"),
        (nn.GRU(3, 4), {"inputs": [1.0]}, r"inputs: expected one number or 3"),
        (nn.GRU(3, 4), {"time": "flow", "leak": 2.0}, "leak"),
        (3, {}, "expected a checkpoint file"),
    ],
)
def test_nonsense_is_refused_by_name(source, options, says):
    with pytest.raises(dg.DynaghostError, match=says):
        dg.as_system(source, **options)
    if isinstance(source, int):
        with pytest.raises(dg.DynaghostError, match=r"expected a torch\.nn\.Module or a callable, got int"):
            from_object(source)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN", "GRUCell"])
def test_one_number_is_every_input(kind):
    module = getattr(torch.nn, kind)(3, 2)
    one, each = (dg.as_system(module, inputs=given) for given in (0.7, [0.7, 0.7, 0.7]))
    x = np.linspace(-0.5, 0.5, one.dim)
    assert np.array_equal(one.f(x), each.f(x))
    assert not np.array_equal(one.f(x), dg.as_system(module).f(x))
    with pytest.raises(dg.DynaghostError, match=r"inputs: expected one number or 3, got an array of shape \(2,\)"):
        dg.as_system(module, inputs=[0.7, 0.7])


class Own(torch.nn.Module):
    """A network of a user's own, with a parameter and a buffer; `c`, if kept as it is, is neither."""

    def __init__(self, A, c, *, kept=False):
        super().__init__()
        self.A = torch.nn.Parameter(torch.as_tensor(A))
        if kept:
            self.c = torch.as_tensor(c)
        else:
            self.register_buffer("c", torch.as_tensor(c))

    def forward(self, h):
        return torch.tanh(h @ self.A.T + self.c)


def test_a_module_goes_straight_from_one_checkpoint_to_the_next():
    from dynaghost.trajectories.straight import Line

    rng = np.random.default_rng(3)
    weights = [(rng.normal(size=(2, 2)), rng.normal(size=2)) for _ in range(2)]
    line = Line(*(dg.as_system(Own(*one), dim=2) for one in weights))
    known = Line(*(dg.LeakyRNN(*one, leak=1.0, time="map") for one in weights))
    x = rng.normal(size=(5, 2))
    for s in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(line.at(s).f(x), known.at(s).f(x), atol=1e-14)
        np.testing.assert_allclose(line.at(s).f(x + 0.1j), known.at(s).f(x + 0.1j), atol=1e-14)
        np.testing.assert_allclose(line.at(s).jacobian(x), known.at(s).jacobian(x), atol=1e-13)
        np.testing.assert_allclose(line.velocity(x, s), known.velocity(x, s), atol=1e-9)


def test_a_module_that_hides_weights_is_not_followed():
    from dynaghost.trajectories.straight import Line

    one, two = (dg.as_system(Own(np.eye(2), np.full(2, c), kept=True), dim=2) for c in (0.0, 0.5))
    with pytest.raises(dg.DynaghostError, match="among its parameters and buffers"):
        Line(one, two)


def test_the_users_function_is_told_to_say_how_many_state_variables_there_are():
    weights = {"A": np.eye(2), "c": np.zeros(2)}
    with pytest.raises(dg.CheckpointError, match=r"may return as_system\(module, dim=N\)"):
        dg.analyze(dg.load_run([weights, weights], model=lambda arrays: Own(arrays["A"], arrays["c"])))


OWN_MODULE = """
import torch
import dynaghost as dg

class Network(torch.nn.Module):
    def __init__(self, units):
        super().__init__()
        self.mixing = torch.nn.Parameter(torch.zeros(units, units))
        self.offset = torch.nn.Parameter(torch.zeros(units))

    def forward(self, h):
        return 0.5 * h + 0.5 * torch.tanh(h @ self.mixing.T + self.offset)

def build(arrays):
    module = Network(len(arrays["offset"]))
    module.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    return dg.as_system(module, dim=len(arrays["offset"]))
"""


def test_a_fold_of_an_own_module_is_told_as_of_the_same_built_in_network(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from dynaghost import cli

    rng = np.random.default_rng(5)
    W = (0.3 * rng.normal(size=(3, 3)) + 0.5).astype(np.float32)
    offsets = [np.full(3, b, dtype=np.float32) for b in (0.0, 0.15, 0.3)]
    runs = [{"mixing": torch.tensor(W), "offset": torch.tensor(b)} for b in offsets]
    (tmp_path / "own").mkdir()
    for e, weights in enumerate(runs):
        torch.save(weights, tmp_path / "own" / f"epoch_{e}.pt")
    (tmp_path / "network_of_mine.py").write_text(OWN_MODULE)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(cli.commands, ["analyze", "own", "--model", "network_of_mine:build", "--out", "out"])
    assert run.exit_code == 0, run.output
    assert "saddle_node" in run.output
    ours = dg.load_analysis("out")
    known = dg.analyze(dg.load_run([{"W": W, "b": b} for b in offsets], leak=0.5, time="map", mapping={"W": "W"}))
    for points, proved in zip(ours.points, known.points, strict=True):
        assert proved.complete
        x, y = (np.array([p.x for p in one.fixed_points]) for one in (points, proved))
        assert np.abs(x[np.lexsort(x.T.round(6))] - y[np.lexsort(y.T.round(6))]).max() < 1e-9
        assert sorted(p.stable for p in points.fixed_points) == sorted(p.stable for p in proved.fixed_points)
    (fold,), (same,) = ([e for e in one.events if e.kind == "saddle_node"] for one in (ours, known))
    assert (fold.before, fold.after) == (same.before, same.after)
    assert fold.at == pytest.approx(same.at, abs=1e-6)


class Coupled(Autonomous):
    """What it makes of a state depends on the others of its batch."""

    def forward(self, h):
        return torch.tanh(self.linear(h - h.mean(0, keepdim=True) + h[:1]))


class Flat(Autonomous):
    """Takes a state, and no batch; `stubborn`, in a way that cannot be mapped over one either."""

    def __init__(self, *, stubborn=False):
        super().__init__()
        self.stubborn = stubborn

    def forward(self, h):
        u = self.linear.weight @ h + self.linear.bias
        return torch.sigmoid(u * float(u.detach().norm() >= 0) if self.stubborn else u)


@pytest.mark.parametrize(("stubborn", "how"), [(False, "mapped"), (True, "loop")])
def test_a_module_of_single_states_is_mapped_or_called_one_by_one(stubborn, how):
    module = Flat(stubborn=stubborn)
    system = dg.as_system(module, dim=4)
    assert (system.batching.flat, system.batching.how) == (True, how)
    weights = [p.detach().double().numpy() for p in module.parameters()]
    same(system, LeakyRNN(*weights, activation="sigmoid"))


def test_what_a_module_makes_of_a_state_does_not_hang_on_the_others():
    module = Coupled()
    system = dg.as_system(module, dim=4)
    assert system.batching.how != "rows"
    x = np.random.default_rng(8).normal(size=(5, 4))
    alone = np.stack([module.double()(torch.tensor(state[None]))[0].detach().numpy() for state in x])
    np.testing.assert_allclose(system.step(x), alone, atol=1e-14)
    np.testing.assert_allclose(system.jacobian(x), np.stack([system.jacobian(state) for state in x]), atol=1e-14)


class Pair(Autonomous):
    def forward(self, x, h):
        new = torch.tanh(self.linear(h) + x)
        return new[:, :1], new


def test_of_a_module_that_makes_a_pair_the_item_is_named():
    with pytest.raises(dg.DynaghostError, match=r"got a tuple of \(2, 1\), \(2, 4\); .*module\(inputs, states\)\[1\]"):
        dg.as_system(Pair(), dim=4, inputs=[0.5])
    module = Pair()
    system = dg.as_system(module, dim=4, inputs=[0.5], call=lambda module, states, inputs: module(inputs, states)[1])
    V, b = (p.detach().double().numpy() for p in module.parameters())
    same(system, LeakyRNN(V, b + 0.5))


def test_derivatives_of_many_states_are_taken_in_parts():
    import dynaghost.systems.autograd as autograd

    system = dg.as_system(Autonomous(), dim=4)
    x = np.random.default_rng(9).normal(size=(7, 4))
    whole = system.jacobian(x), system.curvature(x, x[::-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autograd, "_ENTRIES", 3 * 16)
        parts = system.jacobian(x), system.curvature(x, x[::-1])
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-15)
    bends = np.einsum("nij,nj->ni", whole[1], x)
    known = [system.second_derivative(x, np.broadcast_to(d, x.shape), x) * x[::-1] for d in np.eye(4)]
    np.testing.assert_allclose(bends, np.stack([row.sum(axis=1) for row in known], axis=1), atol=1e-13)


def _nothing(arrays):
    return None


def _other_names(arrays):
    return Own(arrays["B"], arrays["c"])


def _other_size(arrays):
    return dg.as_system(Own(arrays["A"], arrays["c"]), dim=3)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_nothing, "_nothing: expected a torch.nn.Module or a callable, got NoneType"),
        (
            _other_names,
            r"_other_names: expected a module of the arrays A, c, got KeyError: 'B' \(.*test_modules.py, line",
        ),
        (_other_size, r"_other_size: module: expected one of states \(2, 3\)"),
        (lambda: None, "got TypeError: .*takes 0 positional arguments but 1 was given$"),
    ],
)
def test_what_is_wrong_with_the_users_function_is_said_with_the_file(function, says):
    run = dg.load_run([{"A": np.eye(2), "c": np.zeros(2)}], model=function)
    with pytest.raises(dg.CheckpointError, match=says):
        dg.analyze(run)
