"""Weighted sums of the rows of a matrix, and sums over one row, in a fixed order: the same bits on every processor.

A block of elements stays in registers while the rows are gone through, so that a fused multiply-add costs one load.
Each element's sum takes the rows in order, one fused multiply-add a row; sums along a row have the order of `lanes`.
All functions are for compiled code only, on contiguous float64 arrays whose rows are a multiple of eight long.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dynaghost.kernels.lanes import LANES, _load, _slope_term, _tree_sum

# Elements in registers at once, the widest first: sixteen registers of four, and three sums at once in `slope_sums`.
_WIDE, _TRIPLE = 4 * LANES, 2 * LANES


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
        c, r, s, o = _arrays(context, builder, signature, arguments)
        count, size = _length(builder, c), _length(builder, o)

        def block(i, width):
            fused, total = _fused(builder, width), _total(builder, _load(builder, s, i, _vector(width)))
            with cgutils.for_range(builder, count, intp=count.type) as loop:
                row = _load(builder, r, builder.add(builder.mul(loop.index, size), i), _vector(width))
                builder.store(fused(_spread(builder, c, loop.index, width), row, builder.load(total)), total)
            _store(builder, builder.load(total), o, i)

        _blocks(builder, size, (_WIDE, LANES), block)
        return context.get_dummy_value()

    return types.void(coefficients, rows, start, out), codegen


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
        r, v, o = _arrays(context, builder, signature, arguments)
        size, fused = _length(builder, v), _fused(builder, LANES)

        def block(first, count):
            starts = [builder.mul(builder.add(first, first.type(j)), size) for j in range(count)]
            totals = [_total(builder, ir.Constant(_vector(LANES), [0.0] * LANES)) for _ in starts]
            with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (i, _):
                factor = _load(builder, v, i, _vector(LANES))
                for start, total in zip(starts, totals, strict=True):
                    row = _load(builder, r, builder.add(start, i), _vector(LANES))
                    builder.store(fused(row, factor, builder.load(total)), total)
            for j, total in enumerate(totals):
                place = builder.gep(o.data, [builder.add(first, first.type(j))])
                builder.store(_tree_sum(builder, builder.load(total)), place)

        _blocks(builder, _length(builder, o), (4, 1), block)
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
        a, c, rows, *out = _arrays(context, builder, signature, arguments)
        count, size = _length(builder, a), _length(builder, out[0])

        def block(i, width):
            fused, vector = _fused(builder, width), _vector(width)
            totals = [_total(builder, ir.Constant(vector, [0.0] * width)) for _ in out]
            with cgutils.for_range(builder, count, intp=count.type) as loop:
                k = builder.sub(builder.sub(count, count.type(1)), loop.index)
                t = _load(builder, rows, builder.add(builder.mul(k, size), i), vector)
                s = fused(builder.fneg(t), t, ir.Constant(vector, [1.0] * width))
                weights = [_spread(builder, one, k, width) for one in (a, a, c)]
                for weight, term, total in zip(weights, (t, s, s), totals, strict=True):
                    builder.store(fused(weight, term, builder.load(total)), total)
            for total, array in zip(totals, out, strict=True):
                _store(builder, builder.load(total), array, i)

        _blocks(builder, size, (_TRIPLE, LANES), block)
        return context.get_dummy_value()

    return types.void(a, c, rows, sum_t, sum_s, sum_cs), codegen


def _dot_and_slope(typing_context, n, p, t):
    """(Σ nᵢtᵢ, Σ pᵢ(1 − tᵢ²)): `lanes.dot` and `lanes.dot_slope`, their bits, in one pass."""

    def codegen(context, builder, signature, arguments):
        n, p, t = _arrays(context, builder, signature, arguments)
        fused, vector, size = _fused(builder, LANES), _vector(LANES), _length(builder, t)
        sums = [_total(builder, ir.Constant(vector, [0.0] * LANES)) for _ in range(2)]
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (i, _):
            row = _load(builder, t, i, vector)
            dot = fused(_load(builder, n, i, vector), row, builder.load(sums[0]))
            slope = _slope_term(fused, _load(builder, p, i, vector), row, builder.load(sums[1]))
            builder.store(dot, sums[0])
            builder.store(slope, sums[1])
        pair = [_tree_sum(builder, builder.load(total)) for total in sums]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.float64, 2)(n, p, t), codegen


def _arrays(context, builder, signature, arguments):
    return [context.make_array(k)(context, builder, a) for k, a in zip(signature.args, arguments, strict=True)]


def _length(builder, array):
    return builder.extract_value(array.shape, 0)


def _vector(width):
    return ir.VectorType(ir.DoubleType(), width)


def _total(builder, value):
    """A variable that the compiler keeps in registers."""
    place = cgutils.alloca_once(builder, value.type)
    builder.store(value, place)
    return place


def _fused(builder, width):
    kind = ir.FunctionType(_vector(width), [_vector(width)] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f64")
    return lambda x, y, z: builder.call(function, [x, y, z])


def _spread(builder, array, index, width):
    """A vector with one element of an array in every place."""
    nothing, first = ir.Constant(_vector(width), ir.Undefined), ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(nothing, builder.load(builder.gep(array.data, [index])), first)
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width))


def _store(builder, value, array, i):
    builder.store(value, builder.bitcast(builder.gep(array.data, [i]), value.type.as_pointer()), align=8)


def _blocks(builder, size, widths, block):
    """Go through an array in the widest blocks that fit, then in narrower ones."""
    start = size.type(0)
    for width in widths:
        whole = builder.mul(builder.udiv(builder.sub(size, start), size.type(width)), size.type(width))
        stop = builder.add(start, whole)
        with cgutils.for_range_slice(builder, start, stop, size.type(width), size.type) as (i, _):
            block(i, width)
        start = stop


combine: Any = intrinsic(_combine)
project: Any = intrinsic(_project)
slope_sums: Any = intrinsic(_slope_sums)
dot_and_slope: Any = intrinsic(_dot_and_slope)
