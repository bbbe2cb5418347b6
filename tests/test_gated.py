"""GRU and LSTM against torch in float64, balls, and dense samples."""

import numpy as np
import pytest
import torch
from flint import arb, ctx
from scipy.optimize import root

import dynaghost as dg

KINDS = {"gru": (dg.GRU, torch.nn.GRU), "lstm": (dg.LSTM, torch.nn.LSTM)}


def twin(kind, layers, units=5, inputs=3, seed=0, gain=1.0):
    """A torch module in float64, its input, and our system."""
    ours, theirs = KINDS[kind]
    torch.manual_seed(seed)
    module = theirs(inputs, units, num_layers=layers).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(gain * 2.0)
    x = torch.randn(inputs, dtype=torch.float64)

    def arrays(name):
        return [getattr(module, f"{name}_l{k}").detach().numpy() for k in range(layers)]

    system = ours(
        arrays("weight_hh"), arrays("weight_ih"), bias_hh=arrays("bias_hh"), bias_ih=arrays("bias_ih"), inputs=x.numpy()
    )
    return module, x, system


def torch_step(kind, module, x):
    """The module's map of the whole state, in our order."""
    layers, units = module.num_layers, module.hidden_size

    def gru(state):
        _, h = module(x[None, None], state.reshape(layers, 1, units))
        return h.reshape(-1)

    def lstm(state):
        h, c = state.reshape(layers, 2, units).transpose(0, 1)
        _, (h, c) = module(x[None, None], (h[:, None].contiguous(), c[:, None].contiguous()))
        return torch.stack([h[:, 0], c[:, 0]], dim=1).reshape(-1)

    return gru if kind == "gru" else lstm


both = pytest.mark.parametrize("kind", KINDS)
stacks = pytest.mark.parametrize("layers", [1, 2, 3])


@both
@stacks
def test_steps_and_jacobians_are_torchs(kind, layers):
    module, x, system = twin(kind, layers)
    step = torch_step(kind, module, x)
    for state in np.random.default_rng(1).normal(size=(4, system.dim)):
        theirs = torch.autograd.functional.jacobian(step, torch.tensor(state)).numpy()
        np.testing.assert_allclose(system.step(state), step(torch.tensor(state)).detach().numpy(), rtol=0, atol=1e-13)
        np.testing.assert_allclose(system.jacobian(state) + np.eye(system.dim), theirs, rtol=0, atol=1e-12)


@both
def test_second_derivatives_are_torchs(kind):
    # Torch's own cells have no second derivative in every build, so its functions are put together here.
    module, x, system = twin(kind, 1, units=3)
    W, V = (getattr(module, f"weight_{side}_l0").detach() for side in ("hh", "ih"))
    b, a = (getattr(module, f"bias_{side}_l0").detach() for side in ("hh", "ih"))

    def step(state):
        h, q = state[:3], V @ x + a
        p = W @ h + b if kind == "gru" else W @ state[:3] + b
        if kind == "gru":
            r, z = torch.sigmoid(q[:3] + p[:3]), torch.sigmoid(q[3:6] + p[3:6])
            return (1 - z) * torch.tanh(q[6:] + r * p[6:]) + z * h
        i, f, g, o = (q + p).split(3)
        c = torch.sigmoid(f) * state[3:] + torch.sigmoid(i) * torch.tanh(g)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c])

    rng = np.random.default_rng(2)
    for state, u, v in rng.normal(size=(3, 3, system.dim)):
        hessians = [
            torch.autograd.functional.hessian(lambda s, i=i: step(s)[i], torch.tensor(state)).numpy()
            for i in range(system.dim)
        ]
        expected = [u @ H @ v for H in hessians]
        np.testing.assert_allclose(system.second_derivative(state, u, v), expected, rtol=1e-12, atol=1e-12)


@both
@stacks
@pytest.mark.parametrize("gain", [0.5, 3.0, 300.0])
def test_the_exact_value_lies_in_every_enclosure(kind, layers, gain, precise):
    _, _, system = twin(kind, layers, units=4, gain=gain)
    for state in np.random.default_rng(3).normal(size=(2, system.dim)):
        balls = np.array([arb(float(v)) for v in state], dtype=object)
        for exact, (mid, rad) in (
            (system.f(balls), system.f_enclosure(state)),
            (system.jacobian(balls), system.jacobian_enclosure(state)),
        ):
            assert mid.shape == exact.shape
            assert all(abs(e - arb(m)) <= arb(r) for e, m, r in zip(exact.flat, mid.flat, rad.flat, strict=True))
            assert rad.max() < 1e-14 * max(gain, 1) ** 3 * layers**3


@pytest.fixture
def precise():
    before, ctx.prec = ctx.prec, 200
    yield
    ctx.prec = before


@both
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("radius", [1e-6, 0.3, 30.0])
def test_no_second_derivative_exceeds_the_bound_even_where_it_is_largest(kind, layers, radius):
    # Uphill from random starts, so that the bound is tried and not only sampled.
    _, _, system = twin(kind, layers, units=2, gain=2.0)
    rng, n = np.random.default_rng(4), system.dim
    centre = rng.normal(size=n)
    bound, best = system.second_derivative_bound(centre, radius), 0.0
    place, direction = np.zeros((2, n))
    for size in (1.0, 0.3, 0.1, 0.03):
        away, d = rng.normal(size=(2, 20_000, n))
        if best:
            away, d = place + size * away * min(radius, 1.0), direction + size * d
        away *= np.minimum(1.0, radius / np.linalg.norm(away, axis=1))[:, None]
        d /= np.linalg.norm(d, axis=1)[:, None]
        found = np.linalg.norm(system.second_derivative(centre + away, d, d), axis=1)
        if found.max() > best:
            best, place, direction = found.max(), away[found.argmax()], d[found.argmax()]
    assert best <= bound
    if radius < 1e-3:
        assert bound < 30 * best


@both
@stacks
def test_the_box_holds_every_fixed_point_that_scipy_finds(kind, layers):
    for seed in range(3):
        _, _, system = twin(kind, layers, units=3, seed=seed, gain=1.5)
        lower, upper = system.fixed_point_box()
        starts = np.random.default_rng(seed).uniform(-1, 1, size=(12, system.dim))
        answers = [root(system.f, start, jac=system.jacobian, tol=1e-13) for start in starts]
        # Far outside gates close, and |f| is tiny without a root near: there J is as good as singular.
        found = [a.x for a in answers if np.abs(a.fun).max() < 1e-12 and np.linalg.cond(system.jacobian(a.x)) < 1e8]
        points = np.array(found)
        assert len(points) > 0
        assert np.all((lower <= points) & (points <= upper))


def test_hidden_and_cell_states_are_torchs():
    module, x, system = twin("lstm", 2)
    state = np.random.default_rng(5).normal(size=system.dim)
    h, c = (np.stack(part) for part in (system.hidden_states(state), system.cell_states(state)))
    _, (new_h, new_c) = module(x[None, None], tuple(torch.tensor(part)[:, None] for part in (h, c)))
    after = system.step(state)
    np.testing.assert_allclose(system.hidden_states(after), new_h[:, 0].detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(system.cell_states(after), new_c[:, 0].detach(), rtol=0, atol=1e-14)
    assert dg.GRU(np.ones((3, 1))).hidden_states(np.array([2.0]))[0].tolist() == [2.0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"weight_hh": np.ones((4, 2))}, r"weight_hh: expected shape \(3·hidden, hidden\) in layer 0, got \(4, 2\)"),
        ({"weight_hh": np.ones((6, 2)), "weight_ih": np.ones((5, 2))}, r"weight_ih: expected shape \(6, inputs\)"),
        ({"weight_hh": [np.ones((6, 2))] * 2}, "weight_ih: expected one matrix a layer for 2 layers, got None"),
        (
            {"weight_hh": [np.ones((6, 2))] * 2, "weight_ih": [np.ones((6, 3))] * 2},
            r"expected shape \(6, 2\) in layer 1",
        ),
        ({"weight_hh": [np.ones((6, 2))] * 2, "weight_ih": np.ones((6, 3))}, "one array for each of 2 layers, got 1"),
        ({"weight_hh": np.ones((6, 2)), "bias_hh": np.ones(2)}, r"bias_hh: expected shape \(6,\) in layer 0"),
        ({"weight_hh": np.ones((6, 2)), "inputs": [1.0]}, r"inputs: expected one number or 0, got an array of shape"),
        ({"weight_hh": np.full((6, 2), np.nan)}, "weight_hh: expected finite numbers, got nan"),
        ({"weight_hh": np.ones((6, 2)), "leak": None}, "leak"),
        ({"weight_hh": np.ones((6, 2)), "time": "x"}, "time"),
        ({"weight_hh": np.ones((3, 1)), "weight_ih": np.full((3, 1), 1e308), "inputs": [1e9]}, "inputs . bias_ih"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, says):
    with pytest.raises(dg.DynaghostError, match=says):
        dg.GRU(**arguments)
