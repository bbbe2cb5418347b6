"""Row operations of small dense matrices, eight columns at a time; for compiled code only.

Matrices are float64 in C order with a multiple of eight columns. Left to itself the compiler cannot know that rows do
not overlap, and spends more time on finding that out than on the arithmetic.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dynaghost.kernels.lanes import LANES
from dynaghost.kernels.vectors import arrays_of, constant, fused, load, spread, store, variable


def _eliminate(typing_context, X, k):
    """X[i] −= X[i, k]·X[k] for every row i but k, where column k counts as that of a unit vector before."""

    def codegen(context, builder, signature, arguments):
        (X,) = arrays_of(context, builder, signature.args[:1], arguments[:1])
        k, size = arguments[1], arguments[1].type
        rows, columns = (builder.extract_value(X.shape, axis) for axis in (0, 1))
        pivot = builder.mul(k, columns)
        with (
            cgutils.for_range(builder, rows, intp=size) as loop,
            builder.if_then(builder.icmp_signed("!=", loop.index, k)),
        ):
            start = builder.mul(loop.index, columns)
            place = builder.gep(X.data, [builder.add(start, k)])
            factor = builder.fneg(builder.load(place))
            corner = builder.fmul(factor, builder.load(builder.gep(X.data, [builder.add(pivot, k)])))
            with cgutils.for_range_slice(builder, size(0), columns, size(LANES), size) as (j, _):
                row, here = load(builder, X, builder.add(pivot, j), LANES), builder.add(start, j)
                less = fused(builder, LANES)(spread(builder, factor, LANES), row, load(builder, X, here, LANES))
                store(builder, less, X, here)
            # Afterwards: a vector read right after a store of one number would wait for it.
            builder.store(corner, place)
        return context.get_dummy_value()

    return types.void(X, k), codegen


eliminate: Any = intrinsic(_eliminate)


def _combine(typing_context, left, right, out, magnitude):
    """out = left·right and magnitude = |out|, for as many columns of `left` as `right` has rows."""

    def codegen(context, builder, signature, arguments):
        left, right, out, magnitude = arrays_of(context, builder, signature.args, arguments)
        size = builder.extract_value(out.shape, 0).type
        rows, columns = (builder.extract_value(out.shape, axis) for axis in (0, 1))
        inner, stride = builder.extract_value(right.shape, 0), builder.extract_value(left.shape, 1)
        bits = ir.VectorType(ir.IntType(64), LANES)
        unsigned = ir.Constant(bits, [(1 << 63) - 1] * LANES)
        with cgutils.for_range(builder, rows, intp=size) as row:
            start, first = builder.mul(row.index, columns), builder.mul(row.index, stride)
            with cgutils.for_range_slice(builder, size(0), columns, size(LANES), size) as (j, _):
                total = variable(builder, constant(0.0, LANES))
                with cgutils.for_range(builder, inner, intp=size) as term:
                    number = builder.load(builder.gep(left.data, [builder.add(first, term.index)]))
                    other = load(builder, right, builder.add(builder.mul(term.index, columns), j), LANES)
                    added = fused(builder, LANES)(spread(builder, number, LANES), other, builder.load(total))
                    builder.store(added, total)
                value = builder.load(total)
                store(builder, value, out, builder.add(start, j))
                positive = builder.bitcast(builder.and_(builder.bitcast(value, bits), unsigned), value.type)
                store(builder, positive, magnitude, builder.add(start, j))
        return context.get_dummy_value()

    return types.void(left, right, out, magnitude), codegen


combine: Any = intrinsic(_combine)
