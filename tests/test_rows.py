"""Vector code against the scalar code whose bits it promises, and weighted sums against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dynaghost.kernels import elementary
from dynaghost.kernels.lanes import dot, dot_slope
from dynaghost.kernels.rows import combine, project, slope_sums, tanh_row, tanh_step

AWKWARD = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 350.0, np.nextafter(350.0, 400), -400.0, 0.1732867951]
blocks, counts, seeds = st.integers(1, 9), st.integers(0, 7), st.integers(0, 2**31)


@njit
def tanh_of_row(t):
    tanh_row(t)
    return t


@njit
def step_of_row(kappa, m, b, n, p, t):
    return tanh_step(kappa, m, b, n, p, t)


@njit
def both_sums(n, p, t):
    return dot(n, t), dot_slope(p, t)


@njit
def combined(coefficients, rows, start, out):
    combine(coefficients, rows, start, out)
    return out


@njit
def projected(rows, vector, out):
    project(rows, vector, out)
    return out


@njit
def sums_of_slopes(a, c, rows, sum_t, sum_s, sum_cs):
    slope_sums(a, c, rows, sum_t, sum_s, sum_cs)


@njit
def fused(x, y, z):
    return elementary.fma(x, y, z)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def same_bits(a, b):
    return np.array_equal(np.asarray(a).view(np.int64), np.asarray(b).view(np.int64))


@settings(deadline=None)
@given(st.lists(st.floats() | st.floats(-30, 30) | st.sampled_from(AWKWARD), min_size=1, max_size=40))
def test_rows_of_tanh_have_the_bits_of_one_tanh(values):
    x = np.zeros(-(-len(values) // 8) * 8)
    x[: len(values)] = values
    expected = np.empty_like(x)
    elementary.tanh_into(x, expected)
    found = tanh_of_row(x.copy())
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert same_bits(found[~np.isnan(found)], expected[~np.isnan(expected)])


@settings(deadline=None)
@given(blocks, seeds, st.floats(-50, 50))
def test_a_step_has_the_bits_of_its_parts(size, seed, kappa):
    m, b, n, p = normal(seed, 4, 8 * size)
    t, expected = np.empty(8 * size), np.empty(8 * size)
    rate, slope = step_of_row(kappa, m.copy(), b.copy(), n.copy(), p.copy(), t)
    elementary.tanh_into(np.array([fused(x, kappa, y) for x, y in zip(m, b, strict=True)]), expected)
    assert same_bits(t, expected)
    assert (rate, slope) == both_sums(n.copy(), p.copy(), expected)


@settings(deadline=None)
@given(blocks, counts, seeds)
def test_projections_have_the_bits_of_dot(size, count, seed):
    rows, vector = normal(seed, count, 8 * size), normal(seed + 1, 8 * size)
    expected = [both_sums(row.copy(), row.copy(), vector)[0] for row in rows]
    assert projected(rows, vector, np.empty(count)).tolist() == expected


@settings(deadline=None, max_examples=30)
@given(blocks, counts | st.integers(38, 45), seeds, st.booleans())
def test_weighted_sums_take_the_rows_in_order_with_one_rounding_each(size, count, seed, in_place):
    coefficients, rows, start = normal(seed, count), normal(seed + 1, count, 8 * size), normal(seed + 2, 8 * size)
    out = start.copy() if in_place else np.empty(8 * size)
    found = combined(coefficients, rows, out if in_place else start, out)
    for i in (0, 8 * size - 1):
        total = start[i]
        for c, row in zip(coefficients, rows, strict=True):
            total = float(Fraction(float(c)) * Fraction(float(row[i])) + Fraction(float(total)))
        assert found[i] == total


@settings(deadline=None)
@given(blocks, counts, seeds)
def test_sums_of_slopes(size, count, seed):
    a, c, t = normal(seed, count), normal(seed + 1, count), np.tanh(normal(seed + 2, count, 8 * size))
    out = [np.empty(8 * size) for _ in range(3)]
    sums_of_slopes(a, c, t, *out)
    for found, expected in zip(out, (a @ t, a @ (1 - t**2), c @ (1 - t**2)), strict=True):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-13)
