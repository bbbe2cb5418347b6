"""The complete search: nothing missed, nothing listed that is not a root, nothing claimed that is not so."""

import itertools
import math

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, root

from dynaghost.errors import DynaghostError
from dynaghost.kernels import bands
from dynaghost.slowpoints.complete import Stop, find_all, serves
from dynaghost.systems.low_rank import LowRankRNN, RankOneRNN
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.toy import SaddleNode


def random_network(units, gain, seed, *, biased=True, **options):
    rng = np.random.default_rng(seed)
    W = gain * rng.normal(size=(units, units)) / math.sqrt(units)
    return LeakyRNN(W, 0.3 * rng.normal(size=units) * biased, **options)


def random_circuit(rank, gain, seed, units=100):
    """N has a part along M, which makes several fixed points."""
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(units, rank))
    n = (gain * m.T + rng.normal(size=(rank, units))) / units
    return LowRankRNN(m, n, 0.2 * rng.normal(size=units)).latent()


def searched(system, starts, seed=0):
    """Roots that SciPy reaches from random starts, some of them far out, some near 0."""
    rng = np.random.default_rng(seed)
    lower, upper = system.fixed_point_box()
    points = rng.uniform(lower, upper, (starts, system.dim)) * 10 ** rng.uniform(-2, 0, (starts, 1))
    tries = [root(system.f, point, jac=system.jacobian, tol=1e-13) for point in points]
    return np.array([t.x for t in tries if t.success and np.abs(t.fun).max() < 1e-10]).reshape(-1, system.dim)


class Krawczyk:
    """An independent proof, in balls, that a system has exactly one fixed point within `radius` of x, and its index."""

    def __init__(self, system, x, radius):
        with ctx.workprec(160):
            n = len(x)
            middle = arb_mat(n, 1, [arb(float(v)) for v in x])
            wide = arb_mat(n, 1, [arb(float(v), radius) for v in x])
            Y = arb_mat(np.linalg.inv(system.jacobian(x)).tolist())
            rest = arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)]) - Y * self.jacobian(system, wide)
            image = middle - Y * self.values(system, middle) + rest * (wide - middle)
            self.holds = all(wide[i, 0].contains_interior(image[i, 0]) for i in range(n))
            self.index = int(np.sign(float((self.jacobian(system, middle) * -1).det().mid())))

    @staticmethod
    def values(system, x):
        column = np.array([x[i, 0] for i in range(x.nrows())], dtype=object)
        return arb_mat(len(column), 1, list(system.f(column)))

    @staticmethod
    def jacobian(system, x):
        column = np.array([x[i, 0] for i in range(x.nrows())], dtype=object)
        return arb_mat(len(column), len(column), list(system.jacobian(column).ravel()))


def check(system, *, starts=100):
    """Everything that is claimed about a system, against SciPy and balls."""
    found = find_all(system)
    assert found.complete
    assert found.status is Stop.FINISHED
    assert not len(found.clusters[0])
    assert found.index_sum == 1
    for x, radius, index in zip(found.roots, found.radius, found.index, strict=True):
        proof = Krawczyk(system, x, max(2 * radius, 1e-13))
        assert proof.holds
        assert proof.index == index
        assert radius < 1e-8 * max(1.0, np.abs(x).max())
    gaps = np.linalg.norm(found.roots[:, None] - found.roots, axis=-1) + np.diag(np.full(len(found.roots), np.inf))
    assert np.all(found.unique_radius > found.radius)
    assert np.all(gaps.min(axis=1, initial=np.inf) > found.unique_radius)
    reached = searched(system, starts)
    assert len(reached) > 0
    assert np.all(np.linalg.norm(reached[:, None] - found.roots, axis=-1).min(axis=1) < 1e-7)
    return found


@pytest.mark.parametrize("units", [2, 3, 5, 8])
@pytest.mark.parametrize("biased", [True, False])
def test_random_networks(units, biased):
    counts = []
    for seed in range(4):
        found = check(random_network(units, 2.0 + seed, 10 * units + seed, biased=biased))
        counts.append(len(found.roots))
        if not biased:
            assert mirrored(found)
    assert max(counts) > 1
    assert all(count % 2 for count in counts)


def mirrored(found):
    return np.linalg.norm(found.roots[:, None] + found.roots, axis=-1).min(axis=1).max() < 1e-9


def test_twelve_units():
    assert len(check(random_network(12, 2.5, 119, biased=False), starts=60).roots) > 1


@pytest.mark.parametrize(("rank", "gain", "seeds"), [(2, 1.5, 3), (2, 3.0, 3), (3, 2.0, 2), (4, 1.3, 1)])
def test_random_circuits(rank, gain, seeds):
    assert max(len(check(random_circuit(rank, gain, seed)).roots) for seed in range(seeds)) > 1


@pytest.mark.parametrize("form", ["rate", "current"])
@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_other_activations(activation, form):
    rng = np.random.default_rng(5)
    counts = []
    for units in (2, 4, 7):
        W = rng.normal(size=(units, units)) / math.sqrt(units)
        # Sigmoid: centred, so that several fixed points exist. Softplus: excitation below 1, inhibition at will.
        up, down = np.maximum(W, 0), np.maximum(-W, 0)
        W = 16 * W if activation == "sigmoid" else 0.9 * up / up.sum(axis=1).max() - 4 * down
        b = 0.2 * rng.normal(size=units) - (0.5 * W.sum(axis=1) if activation == "sigmoid" else -1)
        counts.append(len(check(LeakyRNN(W, b, activation=activation, form=form), starts=40).roots))
    assert max(counts) > 1 or activation == "softplus"


def test_softplus_with_several_fixed_points():
    """Two units that inhibit each other: winner takes all."""
    found = check(LeakyRNN([[0.0, -6.0], [-6.0, 0.0]], [4.0, 4.0], activation="softplus"))
    assert len(found.roots) == 3


def test_no_box_nothing_claimed():
    """Self-excitation above 1: no box is known, so none is searched."""
    network = LeakyRNN([[1.5, 0.0], [0.0, 0.5]], [-1.0, 0.0], activation="softplus")
    found = find_all(network)
    assert not serves(network)
    assert not found.complete
    assert found.status is Stop.NO_BOX
    assert np.all(np.isinf(found.unresolved[0]))


@pytest.mark.parametrize("cells", [2, 4, 5])
def test_product_of_scalar_maps(cells):
    """Decoupled cells u = g tanh u with g > 1 have 3 roots each, so the network has all 3^cells combinations."""
    gains = np.linspace(1.3, 2.5, cells)
    ends = [brentq(lambda u, g=g: g * math.tanh(u) - u, 0.1, 3.0, xtol=1e-15) for g in gains]
    found = find_all(LeakyRNN(np.diag(gains), np.zeros(cells), form="current"))
    expected = np.array(list(itertools.product(*[(-e, 0.0, e) for e in ends])))
    assert found.complete
    assert len(found.roots) == 3**cells
    assert found.index_sum == 1
    assert np.linalg.norm(expected[:, None] - found.roots, axis=-1).min(axis=1).max() < 1e-12


def test_blocks_multiply():
    one, two = random_network(3, 4.0, 3), random_network(3, 3.0, 8)
    both = LeakyRNN(np.block([[one.W, np.zeros((3, 3))], [np.zeros((3, 3)), two.W]]), np.r_[one.b, two.b])
    counts = [len(find_all(network).roots) for network in (one, two, both)]
    assert counts[0] * counts[1] == counts[2] > 3


def test_repeated_units_and_zeros():
    """Copies of a unit fed by its average, and units without any connection, change no count."""
    small = random_network(3, 4.0, 3)
    copies = np.kron(small.W, np.full((2, 2), 0.5))
    W = np.zeros((8, 8))
    W[:6, :6] = copies
    found = check(LeakyRNN(W, np.r_[np.repeat(small.b, 2), 0.0, 0.3]))
    assert len(found.roots) == len(find_all(small).roots)
    nothing = find_all(LeakyRNN(np.zeros((3, 3)), [0.0, 1.0, -2.0], form="current"))
    assert nothing.complete
    assert nothing.roots.round(12).tolist() == [[0.0, 1.0, -2.0]]


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1e3, 1e6])
def test_tiny_and_huge_weights(scale):
    network = random_network(4, 1.0, 2, form="current", scale=scale)
    found = find_all(network)
    assert found.complete
    assert found.index_sum == 1
    for x, radius in zip(found.roots, found.radius, strict=True):
        assert Krawczyk(network, x, max(2 * radius, 1e-13)).holds


@pytest.mark.parametrize("units", [1, 2, 4, 8])
@pytest.mark.parametrize("distance", [1e-2, 1e-5, 1e-8])
def test_both_sides_of_a_fold_and_a_pitchfork(units, distance):
    """u = g·mean(tanh u) + b: a fold at b = u_c − g tanh u_c with sech²u_c = 1/g, a pitchfork at g = 1 and b = 0."""
    g = 1.5
    u = math.acosh(math.sqrt(g))
    fold = u - g * math.tanh(u)
    ones = np.ones((units, units)) / units
    for side, count in ((distance, 3), (-distance, 1)):
        found = find_all(LeakyRNN(g * ones, np.full(units, fold + side)))
        assert found.complete
        assert len(found.roots) == count
        assert found.index_sum == 1
        found = find_all(LeakyRNN((1 + side) * ones, np.zeros(units)))
        assert found.complete
        assert len(found.roots) == count
        assert found.index_sum == 1


@pytest.mark.parametrize("units", [1, 2, 4, 8])
def test_exact_pitchfork_is_a_cluster(units):
    """Gain exactly 1: a triple root, which no arithmetic of this kind can decide. Nothing may be claimed."""
    found = find_all(LeakyRNN(np.ones((units, units)) / units, np.zeros(units)))
    assert not found.complete
    assert found.index_sum is None
    assert found.status is Stop.FINISHED
    assert len(found.roots) == 0
    assert len(found.clusters[0]) == 1
    assert np.all(found.clusters[0][0] <= 0)
    assert np.all(found.clusters[1][0] >= 0)
    assert np.all(found.clusters[1] - found.clusters[0] < 1e-4)
    assert found.boxes < 1000


def test_exact_fold_is_a_cluster():
    """b at the fold to the last bit: two roots 1e-8 apart, one or none; the third, far away, is proved."""
    u = math.acosh(math.sqrt(1.5))
    found = find_all(LeakyRNN(np.full((4, 4), 0.375), np.full(4, u - 1.5 * math.tanh(u)), form="current"))
    assert not found.complete
    assert len(found.roots) == 1
    assert len(found.clusters[0]) == 1
    assert np.all(np.abs(0.5 * (found.clusters[0] + found.clusters[1]) - u) < 1e-4)


def test_budget_lists_what_is_left():
    network = random_network(8, 4.8, 12)
    whole, part = find_all(network), find_all(network, budget=5)
    assert part.boxes == 5 < whole.boxes
    assert part.status is Stop.BUDGET
    assert not part.complete
    lower, upper = part.unresolved
    for x in whole.roots:
        listed = np.any(np.linalg.norm(part.roots - x, axis=1) < 1e-9)
        assert listed or np.any(np.all((lower <= x) & (x <= upper), axis=1))


def test_a_contracting_network_of_any_size_needs_one_box():
    found = find_all(random_network(64, 0.5, 1))
    assert found.complete
    assert found.boxes == 1
    assert len(found.roots) == 1


def test_what_it_serves():
    assert serves(random_network(16, 2.5, 0))
    assert serves(random_circuit(2, 1.0, 0))
    for other in (SaddleNode(0.1), RankOneRNN([1.0], [1.0], [0.0]).latent(), random_network(100, 1.5, 0)):
        assert not serves(other)
    with pytest.raises(DynaghostError, match="system: expected a LeakyRNN"):
        find_all(SaddleNode(0.1))
    with pytest.raises(DynaghostError, match="weights up to 1e"):
        find_all(LeakyRNN([[1e200]], [0.0]))


ends = st.floats(-40, 40) | st.floats(-1, 1) | st.floats(-1e-6, 1e-6) | st.floats(-1e3, 1e3)


@settings(max_examples=40, deadline=None)
@given(ends, ends, st.sampled_from(["tanh", "softplus"]))
def test_bands_hold_in_balls_and_are_tight(one, other, kind):
    low, high = min(one, other), max(one, other)
    d, below, above, x_low, x_high, s_low, s_high = band_of(kind, low, high)
    touching = [low, high, *(t for t in crests(kind, d) if low < t < high)]
    with ctx.workprec(200):
        rests = []
        for t in [*touching, *np.linspace(low, high, 9)[1:-1].tolist()]:
            value, slope = exact(kind, arb(t))
            rests.append(value - arb(d) * arb(t))
            assert below <= rests[-1] <= above
            # Where tanh is 1 to the last bit of any ball, the ball holds x_high = 1.
            assert max(x_low - value, value - x_high) <= 2.0**-190
            assert s_low <= slope <= s_high
        width = max(rests) - min(rests)
    # Nothing is given away but roundings: so a narrower band would not hold.
    assert float(above - below) <= float(width) * (1 + 1e-6) + 1e-13 * (1 + d * max(-low, high) + abs(x_high))


def band_of(kind, low, high):
    """d, then the ends of φ − d·t, of φ and of its slope."""
    ends, rows = np.full((2, 3), [[low], [high]]), np.empty((6, 3))
    d, *rest = rows
    if kind == "tanh":
        bands.tanh_bands(ends[0], ends[1], d, *rest, np.empty((8, 3)))
    else:
        bands.softplus_bands(ends[0], ends[1], d, *rest)
    d, middle, reach, secant, x_low, x_high = rows[:, 1].tolist()
    return d, *(arb(middle) + side * arb(reach) for side in (-1, 1)), x_low, x_high, d - secant, d + secant


def crests(kind, d):
    if kind == "tanh":
        t = math.atanh(math.sqrt(max(1 - d, 0.0))) if d > 1e-15 else 0.0
        return [-t, t]
    return [math.log(d) - math.log1p(-d)] if 0 < d < 1 else []


def exact(kind, t):
    if kind == "tanh":
        return t.tanh(), 1 / t.cosh() ** 2
    return t.exp().log1p(), 1 / (1 + (-t).exp())


@settings(max_examples=40, deadline=None)
@given(st.floats(-700, 700) | st.floats(-3, 3))
def test_softplus_error(t):
    with ctx.workprec(1200):
        value = exact("softplus", arb(t))[0]
        assert abs(arb(bands.softplus(t)) - value) <= bands.SOFTPLUS_ULP * 2.0**-53 * value + arb(1e-300)
