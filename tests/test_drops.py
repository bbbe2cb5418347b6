"""Loss curves with known answers: what is a drop and what is not, and what must not change the answer."""

from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dynaghost.errors import DynaghostError
from dynaghost.trajectories.drops import (
    DropRule,
    LossDrop,
    Plateau,
    loss_drops,
    plateaus,
    stagnation,
)
from dynaghost.trajectories.oscillations import oscillations

DATA = Path(__file__).parents[1] / "data"

seeds = st.integers(0, 2**32 - 1)
factors = st.floats(1e-6, 1e6)
time = np.linspace(0, 1, 400)


def uneven_steps(seed, count, spread=100):
    """Increasing whole steps, intervals from 1 to `spread`."""
    return np.cumsum(np.random.default_rng(seed).integers(1, spread, count, endpoint=True))


def noise(seed, count=400, width=0.1):
    return np.exp(width * np.random.default_rng(seed).standard_normal(count))


def staircase(heights, tread):
    return np.exp(-np.repeat(np.cumsum([0.0, *heights]), tread))


def spiky(seed, loss, *, into=0.01):
    """`loss` with one metric in ten replaced, no two within five of each other (a median of five heals two)."""
    places = np.arange(3, loss.size - 3, 10) + np.random.default_rng(seed).integers(0, 4)
    healed = loss.copy()
    healed[places] *= into
    return healed


SMOOTH = {
    "slow exponential": np.exp(-time),
    "fast exponential": np.exp(-200 * time),
    "exponential of one interval": np.exp(-1200 * time)[:200],
    "1/t": 1 / (1e-3 + time),
    "1/√t": 1 / np.sqrt(1e-6 + time),
    "sum of exponentials": np.exp(-300 * time) + 0.1 * np.exp(-30 * time) + 0.01 * np.exp(-time),
    "exponential onto a floor": np.exp(-100 * time) + 1e-3,
    "straight line": 1.05 - time,
    "rise": np.exp(5 * time),
    "abrupt rise": np.where(time < 0.5, 1.0, 10.0),
    "never learns": np.full(400, 0.693),
    "solved from the start": np.zeros(400),
    "fall within the first metric": np.r_[1.0, np.full(399, 0.1)],
    "one low metric at the start": np.r_[0.0, np.full(399, 0.7)],
    "one low metric at the end": np.r_[np.full(399, 0.7), 0.0],
}


@pytest.mark.parametrize("name", SMOOTH)
def test_no_drop(name):
    assert loss_drops(np.arange(SMOOTH[name].size), SMOOTH[name]) == ()


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.floats(1e-5, 10)), min_size=1, max_size=5), seeds, st.integers(3, 300))
def test_no_sum_of_exponentials_drops_whatever_the_spacing(terms, seed, count):
    # Its logarithm is convex, so nothing falls faster than just before.
    steps = uneven_steps(seed, count)
    loss = sum(amplitude * np.exp(-rate * steps) for amplitude, rate in terms)
    assume(loss[-1] > 1e-290)  # below, float64 has fewer digits
    assert loss_drops(steps, loss) == ()


@given(seeds, st.floats(0, 0.2), st.integers(1, 1000))
def test_noise_is_no_drop(seed, width, count):
    assert loss_drops(uneven_steps(seed, count), noise(seed, count, width)) == ()


@given(seeds, st.sampled_from([0.0, 1e-3, 0.5, 30.0, np.inf, np.nan]))
def test_spikes_that_heal_are_no_drops(seed, into):
    assert loss_drops(np.arange(400), spiky(seed, noise(seed, width=0.02), into=into)) == ()


@given(
    st.lists(st.floats(log(2), 8), min_size=1, max_size=8),
    st.integers(5, 60),
    st.floats(1e-9, 1e9),
    st.floats(1e-3, 1e3),
)
def test_one_drop_a_step_of_a_staircase(heights, tread, amplitude, interval):
    loss = amplitude * staircase(heights, tread)
    edges = tread * np.arange(1, len(heights) + 1)
    drops = loss_drops(interval * np.arange(loss.size), loss)
    assert [(drop.before, drop.after) for drop in drops] == [(interval * (k - 1), interval * k) for k in edges]
    np.testing.assert_allclose([log(drop.loss_before / drop.loss_after) for drop in drops], heights, atol=1e-12)


@given(seeds, st.lists(st.floats(1.2, 5), min_size=1, max_size=5))
def test_one_drop_a_noisy_step(seed, heights):
    loss = staircase(heights, 60) * noise(seed, 60 * (len(heights) + 1), 0.03)
    drops = loss_drops(np.arange(loss.size), loss)
    assert len(drops) == len(heights)
    for drop, edge in zip(drops, 60 * np.arange(1, len(heights) + 1), strict=True):
        # The running minimum may have been reached some metrics before, and goes on falling a little after.
        assert edge - 61 < drop.before < edge <= drop.after + 1 < edge + 60


@given(st.floats(0, 0.05), st.floats(30, 400), factors)
def test_a_sigmoid_is_one_drop(floor, steepness, amplitude):
    middle = 0.5
    (drop,) = loss_drops(time, amplitude * (floor + 1 / (1 + np.exp(steepness * (time - middle)))))
    assert drop.before < middle < drop.after < middle + 2 / steepness + time[1]


def test_where_the_drop_of_a_sigmoid_ends():
    # The last window that stands out by 2^(1/3) against 2 goes from 0.74 to 0.37, by hand. What follows falls at the
    # pace already reached, and has nothing slower just before it: the definition's own limit.
    x = np.linspace(-500, 500, 100_001)
    (drop,) = loss_drops(x, 1 / (1 + np.exp(x)), trim=0)
    assert drop.loss_after == pytest.approx(0.37, abs=0.002)


def recorded(run):
    metrics = np.genfromtxt(DATA / run / "metrics.csv", delimiter=",", names=True)
    return metrics["epoch"], metrics["loss"], metrics["grad_norm"]


def test_figure_3a_learns_in_two_drops():
    epochs, loss, gradient = recorded("fig3a_ghost")
    drops = loss_drops(epochs, loss)
    # The edges at single-epoch resolution; around them the file has every tenth epoch. Later falls, of a factor three
    # over thousands of epochs, are drops by the definition too.
    assert [drop.before for drop in drops[:2]] == pytest.approx([33_589, 33_750], abs=10)
    assert [drop.after for drop in drops[:2]] == pytest.approx([33_639, 33_861], abs=10)
    assert all(drop.before > 300_000 for drop in drops[2:])
    assert stagnation(epochs, loss, gradient) is None


def test_figure_3b_learns_in_one_drop_and_dies():
    epochs, loss, gradient = recorded("fig3b_stuck")
    (drop,) = loss_drops(epochs, loss)
    assert (drop.before, drop.after) == pytest.approx((5040, 5061), abs=10)
    by_gradient, by_loss = stagnation(epochs, loss, gradient), stagnation(epochs, loss)
    assert by_gradient.before == by_loss.before > drop.after
    assert by_gradient.loss == pytest.approx(1, abs=1e-9)


def a_run(seed):
    """A curve with drops and noise, as likely as not."""
    random = np.random.default_rng(seed)
    heights = random.exponential(1.0, random.integers(1, 8))
    return staircase(heights, 40) * noise(seed, 40 * (heights.size + 1), random.uniform(0, 0.3))


@given(seeds, factors, st.integers(-1000, 1000), factors)
def test_units_and_origin_of_steps_do_not_matter(seed, amplitude, origin, interval):
    loss = a_run(seed)
    steps = uneven_steps(seed, loss.size, 3)
    drops = loss_drops(steps, loss)
    scaled = loss_drops(interval * (steps + origin), amplitude * loss)
    assert [(drop.before, drop.after) for drop in scaled] == [
        (interval * (drop.before + origin), interval * (drop.after + origin)) for drop in drops
    ]
    np.testing.assert_allclose([d.loss_after for d in scaled], [amplitude * d.loss_after for d in drops], rtol=1e-12)


def drops_by_the_letter(x, loss):
    """The definition read aloud, pair by pair: slow, and for positive losses of five metrics or more."""
    last = len(x) - 1
    middle = [np.median(loss[k - min(k, last - k, 2) : k + min(k, last - k, 2) + 1]) for k in range(last + 1)]
    middle[0], middle[-1] = max(middle[:2]), max(middle[-2:])
    y = [log(min(middle[: k + 1])) for k in range(last + 1)]
    covered = set()
    for i in range(last + 1):
        j = next((j for j in range(i, last + 1) if y[i] - y[j] >= log(2)), None)
        if j is None or (x[j] - x[i] > (x[-1] - x[0]) / 10 and j > i + 1) or x[i] - x[0] < x[j] - x[i]:
            continue
        if y[i] - y[j] >= 3 * (np.interp(2 * x[i] - x[j], x, y) - y[i]):
            covered |= set(range(2 * i + 1, 2 * j))  # half intervals, so that windows that only touch stay two
    for first in sorted(k for k in covered if k - 1 not in covered):
        i, j = first // 2, next(k for k in range(first, 2 * last + 1) if k not in covered) // 2
        done = [(y[i] - y[k]) / (y[i] - y[j]) for k in range(i, j + 1)]
        yield (
            x[i + max(k for k, d in enumerate(done) if d <= 0.02)],
            x[i + min(k for k, d in enumerate(done) if d >= 0.98)],
        )


@given(seeds)
@example(10119)  # two windows that share an endpoint
def test_drops_are_the_definitions(seed):
    loss = a_run(seed)
    steps = uneven_steps(seed, loss.size, 3)
    found = [(drop.before, drop.after) for drop in loss_drops(steps, loss)]
    assert found == list(drops_by_the_letter(steps, loss))


@pytest.mark.parametrize(("tail", "after"), [(np.nan, 0.1), (np.inf, 0.1), (1e300, 0.1)])
def test_a_divergence_hides_nothing_and_adds_nothing(tail, after):
    loss = np.r_[np.full(5, np.nan), np.full(50, 1.0), np.full(50, after), np.full(50, tail)]
    assert loss_drops(range(155), loss) == (LossDrop(54, 55, 1.0, after),)


def test_a_loss_of_zero_has_a_floor_that_scales_with_the_loss():
    loss = np.r_[np.ones(50), np.zeros(50)]
    for amplitude in (1.0, 2.0**-60, 2.0**60):
        (drop,) = loss_drops(range(100), amplitude * loss)
        assert (drop.before, drop.after, drop.loss_after) == (49, 50, amplitude * np.finfo(float).eps)
    assert loss_drops(range(100), np.r_[np.ones(50), np.full(25, 1e-20), np.zeros(25)])[0].loss_after == 1e-20


@pytest.mark.parametrize("loss", [[], [1.0], [1.0, 0.1], [1.0, 0.1, 0.1], [np.nan] * 30, [np.inf] * 3])
def test_too_few_metrics_give_none(loss):
    steps = np.arange(len(loss))
    assert (loss_drops(steps, loss), oscillations(steps, loss), stagnation(steps, loss)) == ((), (), None)
    assert plateaus(steps, ()) == ()


def test_each_option_matters():
    steps, step = np.arange(100), np.r_[np.ones(50), np.full(50, 0.45)]
    ramp = np.exp(-np.interp(steps, [40, 60], [0, 3]))
    assert len(loss_drops(steps, step)) == 1
    assert loss_drops(steps, step, factor=1.0) == ()
    assert len(loss_drops(steps, step**0.1, factor=0.05)) == 1
    assert loss_drops(steps, ramp, longest=0.01) == ()
    assert loss_drops(steps, np.r_[np.ones(50), [0.1, 0.1], np.ones(48)]) == ()
    assert len(loss_drops(steps, np.r_[np.ones(50), [0.1, 0.1], np.ones(48)], median=3)) == 1
    bent = np.exp(-np.interp(steps, [0, 40, 60, 99], [0, 1, 3.5, 4]))
    assert len(loss_drops(steps, bent)) == 1
    assert loss_drops(steps, bent, contrast=6) == ()
    (whole,), (trimmed,) = loss_drops(steps, ramp, trim=0), loss_drops(steps, ramp, trim=0.2)
    assert whole.before == 40 < trimmed.before < trimmed.after < whole.after


def test_one_interval_between_losses_is_always_short_enough():
    assert len(loss_drops([0, 10, 20, 30, 40, 50], [1, 1, 1, 0.1, 0.1, 0.1])) == 1
    assert len(loss_drops([0, 40, 80, 120, 121, 122], [1, 1, 1, 0.1, 0.1, 0.1])) == 1


@given(factors, factors)
def test_ties_count_whatever_the_rounding(amplitude, interval):
    def edges(loss):
        return [round(drop.before / interval) for drop in loss_drops(interval * np.arange(loss.size), amplitude * loss)]

    assert edges(0.5 ** np.repeat(np.arange(30), 7)) == list(range(6, 203, 7))
    # Two intervals of twenty are a tenth of the run.
    assert edges(0.5 ** np.r_[np.zeros(5), 0.6, np.full(15, 1.2)]) == [4]
    # From the second metric on: as far from the first as the window is long, and three times the fall before.
    assert edges(0.5 ** np.r_[0, 0.35, np.full(19, 1.4)]) == [1]


def test_steps_of_any_type_serve():
    loss = staircase([1.0, 2.0], 80)
    expected = loss_drops(range(-120, 120), loss)
    assert len(expected) == 2
    assert loss_drops(np.arange(-120, 120, dtype=np.int8), loss) == loss_drops(np.arange(-120.0, 120), loss) == expected
    assert type(expected[0].before) is int


def test_plateaus_lie_before_drops():
    loss = staircase([1.0, 2.0], 30)
    assert plateaus(range(90), loss_drops(range(90), loss)) == (Plateau(0, 29), Plateau(30, 59))


@given(seeds, st.integers(20, 300), st.floats(2.5e-3, 0.5), factors, factors)
def test_an_oscillation_is_found_whole(seed, alternations, height, amplitude, interval):
    calm, signs = 30, (-1.0) ** np.arange(alternations + 1)
    loss = amplitude * np.r_[np.linspace(3, 2, calm), 1 + height * signs, np.linspace(0.4, 0.3, calm)]
    (found,) = oscillations(interval * np.arange(loss.size), loss)
    # The last calm metric lies above the first high one and below none: one alternation more, or not, at each end.
    assert interval * (calm - 1) <= found.before <= interval * calm
    assert alternations <= found.alternations <= alternations + 2
    assert found.amplitude == pytest.approx(amplitude * height, rel=1e-6)
    assert found.period == 2


@given(seeds, st.floats(0, 9e-4))
def test_small_or_irregular_ups_and_downs_are_no_oscillation(seed, height):
    steps = np.arange(200)
    assert oscillations(steps, 1 + height / 2 * (-1.0) ** steps) == ()
    assert oscillations(steps, 2 + np.sin(steps / 3)) == ()
    assert oscillations(steps[:20], 1 + 0.5 * (-1.0) ** steps[:20]) == ()
    assert len(oscillations(steps[:21], 1 + 0.5 * (-1.0) ** steps[:21])) == 1


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_the_period_is_the_largest_peak_of_the_autocorrelation(doublings):
    period = 2**doublings
    pattern = np.tile([0.0, 1.0, 0.1, 0.7, 0.0, 0.8, 0.2, 1.1][:period], 512 // period)
    (found,) = oscillations(range(512), 2 + pattern)
    assert (found.period, found.alternations) == (period, 511)


@pytest.mark.parametrize("diverged", [np.nan, np.inf])
def test_a_diverged_metric_ends_an_oscillation(diverged):
    loss = 1 + 0.5 * (-1.0) ** np.arange(101)
    loss[50] = diverged
    assert [(found.before, found.after) for found in oscillations(range(101), loss)] == [(0, 49), (51, 100)]


@given(st.integers(0, 100), st.integers(20, 200), factors, factors)
def test_stagnation_is_the_stretch_to_the_end(alive, silent, interval, amplitude):
    steps = interval * np.arange(alive + silent)
    norms = np.r_[np.ones(alive), np.full(silent, 1e-18)]
    found = stagnation(steps, np.ones(alive + silent), norms)
    assert (found.before, found.after, found.metrics) == (steps[alive], steps[-1], silent)
    flat = stagnation(steps, amplitude * np.r_[np.linspace(2, 1.1, alive), np.ones(silent)])
    assert (flat.before, flat.metrics, flat.grad_norm) == (steps[alive], silent, None)


def test_a_gradient_that_returns_or_a_divergence_is_no_stagnation():
    steps, ones, gone = np.arange(100), np.ones(100), np.full(100, 1e-18)
    returning = np.r_[gone[:90], np.ones(10)]
    assert stagnation(steps, ones, returning) is None
    assert stagnation(steps, ones, np.r_[returning[:95], gone[:5]], shortest=5).metrics == 5
    assert stagnation(steps, np.r_[ones[:90], np.full(10, np.nan)], gone) is None
    assert stagnation(steps, np.r_[ones[:90], np.full(10, np.nan)]) is None
    assert stagnation(steps, np.r_[ones[:90], np.full(10, np.nan)], np.r_[gone[:90], np.full(10, np.nan)]) is None
    assert stagnation(steps, 0 * ones).metrics == 100


def test_gradients_recorded_now_and_then_are_enough():
    steps, loss = np.arange(300), np.linspace(1, 0.9, 300)
    norms = np.where(steps % 10 == 0, np.where(steps < 50, 1.0, 1e-12), np.nan)
    found = stagnation(steps, loss, norms)
    assert (found.before, found.after, found.metrics, found.grad_norm) == (50, 299, 25, 1e-12)
    assert stagnation(steps, loss, np.full(300, np.nan)) is None
    assert stagnation(steps, loss, constancy=0.2).metrics == 300
    assert stagnation(steps, loss, norms, gradient=1e-13) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: loss_drops([0, 1], [1.0]),
        lambda: loss_drops([[0, 1]], [[1.0, 2.0]]),
        lambda: loss_drops([0, 0, 1], [1.0, 1.0, 1.0]),
        lambda: loss_drops([0, np.nan], [1.0, 1.0]),
        lambda: loss_drops([0, 1], [1.0, -1.0]),
        lambda: loss_drops([0], [1.0], median=4),
        lambda: loss_drops([0], [1.0], factor=0.0),
        lambda: loss_drops([0], [1.0], longest=-0.1),
        lambda: loss_drops([0], [1.0], contrast=float("nan")),
        lambda: loss_drops([0], [1.0], trim=0.5),
        lambda: oscillations([0], [1.0], shortest=2),
        lambda: oscillations([0], [1.0], smallest=-1.0),
        lambda: stagnation([0], [1.0], [1.0, 2.0]),
        lambda: stagnation([0], [1.0], [-1.0]),
        lambda: stagnation([0], [1.0], shortest=0),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(DynaghostError, match="expected"):
        call()


def test_a_rule_gives_what_its_numbers_give():
    loss = staircase([1.0, 0.5, 2.0], 60)
    steps = np.arange(loss.size)
    assert DropRule().drops(steps, loss) == loss_drops(steps, loss)
    assert len(DropRule().drops(steps, loss)) == 2
    options = {"median": 3, "factor": 0.4, "longest": 0.2, "contrast": 2.0, "trim": 0.1}
    assert DropRule(**options).drops(steps, loss) == loss_drops(steps, loss, **options)
    assert len(DropRule(**options).drops(steps, loss)) == 3


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("median", 4),
        ("median", 2.5),
        ("factor", 0),
        ("factor", "2"),
        ("longest", -1),
        ("contrast", np.nan),
        ("trim", 1),
    ],
)
def test_a_rule_out_of_range_is_refused_where_it_is_made(option, value):
    with pytest.raises(DynaghostError, match=option):
        DropRule(**{option: value})


@given(seeds, st.integers(60, 300), st.floats(0.05, 0.32))
def test_an_oscillating_loss_has_no_drop_until_it_falls(seed, count, height):
    steps = uneven_steps(seed, count, 3)
    swinging = 1 + height * (-1.0) ** np.arange(count)
    assert loss_drops(steps, swinging) == ()
    falls = np.r_[swinging, 0.1 * swinging]
    longer = np.r_[steps, steps[-1] + steps]
    (drop,) = loss_drops(longer, falls)
    assert drop.before <= steps[-1] < longer[count] <= drop.after + 3 * 3
