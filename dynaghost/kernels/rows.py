"""Weighted sums of the rows of a matrix, sums over one row, and rows of tanh: the same bits on every processor.

A block of elements stays in registers while the rows are gone through, so that a fused multiply-add costs one load.
Each element's sum takes the rows in order, one fused multiply-add a row; sums along a row have the order of `lanes`.
All functions are for compiled code only, on contiguous float64 arrays whose rows are a multiple of eight long.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dynaghost.kernels.lanes import LANES
from dynaghost.kernels.vectors import (
    arrays_of,
    blocks,
    constant,
    fused,
    length,
    load,
    spread,
    store,
    sum_of,
    tanh,
    variable,
    zero_sum,
)

# Elements in registers at once, the widest first: sixteen registers of four, and three sums at once in `slope_sums`.
_WIDE, _TRIPLE = 4 * LANES, 2 * LANES
# From so many rows on they are gone through in groups (measured: equal at 40 rows of 104, a quarter faster at 100).
_MANY, _GROUP = 40, 4


def _combine(typing_context, coefficients, rows, start, out):
    """out = start + Σ_k coefficients[k]·rows[k]; `start` may be `out`.

    Parameters
    ----------
    coefficients : (count,) array
    rows : (count, size) array
    start, out : (size,) arrays

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> @njit
    ... def example(rows, out):
    ...     combine(np.array([1.0, -2.0]), rows, out, out)
    ...     return out
    >>> example(np.ones((2, 8)), np.zeros(8))[:2].tolist()
    [-1.0, -1.0]
    """

    def codegen(context, builder, signature, arguments):
        c, r, s, o = arrays_of(context, builder, signature.args, arguments)
        many = builder.icmp_signed(">=", length(builder, c), length(builder, c).type(_MANY))
        with builder.if_else(many) as (then, otherwise):
            with then:
                _add_groups(builder, c, r, s, o)
            with otherwise:
                _add_blocks(builder, c, r, s, o)
        return context.get_dummy_value()

    return types.void(coefficients, rows, start, out), codegen


def _add_blocks(builder, c, r, s, o):
    """Few rows: a block of every row at once, the sums in registers."""
    count, size = length(builder, c), length(builder, o)

    def block(i, width):
        f, total = fused(builder, width), variable(builder, load(builder, s, i, width))
        with cgutils.for_range(builder, count, intp=count.type) as loop:
            row = load(builder, r, builder.add(builder.mul(loop.index, size), i), width)
            builder.store(f(_element(builder, c, loop.index, width), row, builder.load(total)), total)
        store(builder, builder.load(total), o, i)

    blocks(builder, size, (_WIDE, LANES), block)


def _add_groups(builder, c, r, s, o):
    """Many rows, from a farther cache: some whole rows after the other, the sums in memory. The same bits."""
    count, size = length(builder, c), length(builder, o)
    blocks(builder, size, (LANES,), lambda i, width: store(builder, load(builder, s, i, width), o, i))

    def group(k, rows):
        places = [builder.add(k, k.type(j)) for j in range(rows)]
        factors = [_element(builder, c, place, LANES) for place in places]
        starts = [builder.mul(place, size) for place in places]

        def block(i, width):
            total = load(builder, o, i, width)
            for factor, start in zip(factors, starts, strict=True):
                total = fused(builder, width)(factor, load(builder, r, builder.add(start, i), width), total)
            store(builder, total, o, i)

        blocks(builder, size, (LANES,), block)

    blocks(builder, count, (_GROUP, 1), group)


def _project(typing_context, rows, vector, out):
    """out[k] = `lanes.dot`(rows[k], vector), its bits, four rows at a time.

    Parameters
    ----------
    rows : (count, size) array
    vector : (size,) array
    out : (count,) array
        Overwritten.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> @njit
    ... def example(rows, out):
    ...     project(rows, np.arange(8.0), out)
    ...     return out
    >>> example(np.ones((3, 8)), np.empty(3)).tolist()
    [28.0, 28.0, 28.0]
    """

    def codegen(context, builder, signature, arguments):
        r, v, o = arrays_of(context, builder, signature.args, arguments)
        size, f = length(builder, v), fused(builder, LANES)

        def block(first, count):
            starts = [builder.mul(builder.add(first, first.type(j)), size) for j in range(count)]
            totals = [zero_sum(builder) for _ in starts]
            with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (i, _):
                factor = load(builder, v, i, LANES)
                for start, total in zip(starts, totals, strict=True):
                    row = load(builder, r, builder.add(start, i), LANES)
                    builder.store(f(row, factor, builder.load(total)), total)
            for j, total in enumerate(totals):
                builder.store(sum_of(builder, total), builder.gep(o.data, [builder.add(first, first.type(j))]))

        blocks(builder, length(builder, o), (4, 1), block)
        return context.get_dummy_value()

    return types.void(rows, vector, out), codegen


def _slope_sums(typing_context, a, c, rows, sum_t, sum_s, sum_cs):
    """Σ_k a_k·t_k, Σ_k a_k·s_k and Σ_k c_k·s_k over the rows t_k, s_k = 1 − t_k², from the last row to the first.

    Parameters
    ----------
    a, c : (count,) arrays
    rows : (count, size) array
    sum_t, sum_s, sum_cs : (size,) arrays
        Overwritten.
    """

    def codegen(context, builder, signature, arguments):
        a, c, rows, *out = arrays_of(context, builder, signature.args, arguments)
        count, size = length(builder, a), length(builder, out[0])

        def block(i, width):
            f, totals = fused(builder, width), [variable(builder, constant(0.0, width)) for _ in out]
            with cgutils.for_range(builder, count, intp=count.type) as loop:
                k = builder.sub(builder.sub(count, count.type(1)), loop.index)
                t = load(builder, rows, builder.add(builder.mul(k, size), i), width)
                s = f(builder.fneg(t), t, constant(1.0, width))
                weights = [_element(builder, one, k, width) for one in (a, a, c)]
                for weight, term, total in zip(weights, (t, s, s), totals, strict=True):
                    builder.store(f(weight, term, builder.load(total)), total)
            for total, array in zip(totals, out, strict=True):
                store(builder, builder.load(total), array, i)

        blocks(builder, size, (_TRIPLE, LANES), block)
        return context.get_dummy_value()

    return types.void(a, c, rows, sum_t, sum_s, sum_cs), codegen


def _tanh_step(typing_context, kappa, m, b, n, p, t):
    """t = tanh(m·κ + b), Σ nᵢtᵢ and Σ pᵢ(1 − tᵢ²), the sums with the bits of `lanes.dot` and `lanes.dot_slope`.

    Parameters
    ----------
    kappa : float
    m, b, n, p : (size,) arrays
    t : (size,) array
        Overwritten.
    """

    def codegen(context, builder, signature, arguments):
        m, b, n, p, t = arrays_of(context, builder, signature.args[1:], arguments[1:])
        f, kappa = fused(builder, LANES), spread(builder, arguments[0], LANES)
        rate, slope = zero_sum(builder), zero_sum(builder)

        def block(i, width):
            y = tanh(builder, f(load(builder, m, i, width), kappa, load(builder, b, i, width)), width)
            store(builder, y, t, i)
            builder.store(f(load(builder, n, i, width), y, builder.load(rate)), rate)
            s = f(builder.fneg(y), y, constant(1.0, width))
            builder.store(f(load(builder, p, i, width), s, builder.load(slope)), slope)

        blocks(builder, length(builder, t), (LANES,), block)
        sums = [sum_of(builder, total) for total in (rate, slope)]
        return context.make_tuple(builder, signature.return_type, sums)

    return types.UniTuple(types.float64, 2)(types.float64, m, b, n, p, t), codegen


def _tanh_row(typing_context, t):
    """t ← tanh t."""

    def codegen(context, builder, signature, arguments):
        (t,) = arrays_of(context, builder, signature.args, arguments)
        blocks(builder, length(builder, t), (LANES,), lambda i, width: _replace(builder, t, i, width))
        return context.get_dummy_value()

    return types.void(t), codegen


def _replace(builder, t, i, width):
    store(builder, tanh(builder, load(builder, t, i, width), width), t, i)


def _element(builder, array, index, width):
    """A vector with one element of an array in every place."""
    return spread(builder, builder.load(builder.gep(array.data, [index])), width)


combine: Any = intrinsic(_combine)
project: Any = intrinsic(_project)
slope_sums: Any = intrinsic(_slope_sums)
tanh_step: Any = intrinsic(_tanh_step)
tanh_row: Any = intrinsic(_tanh_row)
