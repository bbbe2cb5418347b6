"""The common finder's interface: arrays as its users know them, verdicts, and no option that is silently ignored."""

import numpy as np
import pytest
import torch

import dynaghost as dg
from dynaghost.compat import FixedPointFinder


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(2)
    network = torch.nn.RNN(2, 6, dtype=torch.float64)
    with torch.no_grad():
        network.weight_hh_l0.mul_(5.0)
    return network


def test_a_torch_module_gives_points_that_are_fixed(module):
    starts = np.random.default_rng(0).normal(size=(100, 6))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    unique, every = FixedPointFinder(module, random_seed=1).find_fixed_points(starts, np.array([[0.3, -0.2]]))
    assert unique is every
    assert unique.n == len(unique) > 1
    x = torch.from_numpy(unique.xstar)
    with torch.no_grad():
        _, after = module(torch.tensor([[0.3, -0.2]], dtype=torch.float64).repeat(unique.n, 1)[None], x[None])
    np.testing.assert_allclose(after[0].numpy(), unique.xstar, atol=1e-13)
    np.testing.assert_allclose(unique.F_xstar, after[0].numpy(), atol=1e-13)
    assert np.all(unique.qstar < 1e-26)
    assert set(unique.verdict) == {"exists_unique"}
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_jacobians_and_multipliers_are_torchs(module):
    unique, _ = FixedPointFinder(module).find_fixed_points(np.random.default_rng(0).normal(size=(60, 6)))
    zero = torch.zeros(1, 1, 2, dtype=torch.float64)
    for x, J, values, vectors, stable in zip(
        unique.xstar, unique.J_xstar, unique.eigval_J_xstar, unique.eigvec_J_xstar, unique.is_stable, strict=True
    ):
        step = torch.autograd.functional.jacobian(lambda h: module(zero, h[None, None])[1].ravel(), torch.from_numpy(x))
        np.testing.assert_allclose(J, step.numpy(), atol=1e-12)
        np.testing.assert_allclose(J @ vectors, vectors * values, atol=1e-9)
        assert stable == (np.abs(values[0]) < 1)


def test_options_have_an_effect_or_are_said_to_have_none(module):
    starts = np.zeros((4, 6))
    with pytest.warns(UserWarning, match="no effect here: lr_init, tol_q"):
        FixedPointFinder(module, tol_q=1e-12, lr_init=0.1)
    with pytest.raises(dg.DynaghostError, match="tol_Q"):
        FixedPointFinder(module, tol_Q=1e-12)
    unique, _ = FixedPointFinder(module, do_decompose_jacobians=False).find_fixed_points(starts)
    assert unique.J_xstar is not None
    assert unique.eigval_J_xstar is None
    unique, _ = FixedPointFinder(module, do_compute_jacobians=False).find_fixed_points(starts)
    assert unique.J_xstar is None
    assert unique.eigval_J_xstar is None


def test_one_start_one_unit_and_different_inputs(module):
    unique, _ = FixedPointFinder(dg.LeakyRNN([[0.5]], [0.1])).find_fixed_points([[0.0]])
    assert (unique.n, unique.xstar.shape) == (1, (1, 1))
    with pytest.raises(dg.DynaghostError, match="one constant input"):
        FixedPointFinder(module).find_fixed_points(np.zeros((2, 6)), np.array([[0.0, 1.0], [1.0, 0.0]]))


@pytest.mark.parametrize("decay", [-0.5, -4.0])
def test_a_flow_is_judged_by_the_map_whose_jacobians_are_returned(decay):
    system = dg.LeakyRNN([[decay]], [0.0], leak=0.5, time="flow")
    unique, _ = FixedPointFinder(system).find_fixed_points([[0.1]])
    assert unique.eigval_J_xstar[0, 0] == pytest.approx(0.5 + 0.5 * decay)
    assert unique.is_stable.tolist() == [abs(0.5 + 0.5 * decay) < 1]
