"""Elementwise products of contiguous rows whose length is a multiple of 8, written for whole vectors.

The compiler would check each plain loop for overlapping arrays and unroll it, wherever it is pasted in: twenty of them
take it seconds. Rounding is that of the plain loop: one per product, one per fused step.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dynaghost.kernels.lanes import LANES
from dynaghost.kernels.vectors import fused, length, load, spread, store


def _rows(builder, size, body):
    step = size.type(LANES)
    with cgutils.for_range_slice(builder, size.type(0), size, step, size.type) as (i, _):
        body(i)


def _array(context, builder, kind, argument):
    return context.make_array(kind)(context, builder, argument)


def _times(typing_context, a, b, out):
    """out ← a·b, elementwise."""

    def codegen(context, builder, signature, arguments):
        x, y, z = (_array(context, builder, *pair) for pair in zip(signature.args, arguments, strict=True))

        def body(i):
            store(builder, builder.fmul(load(builder, x, i, LANES), load(builder, y, i, LANES)), z, i)

        _rows(builder, length(builder, z), body)
        return context.get_dummy_value()

    return types.void(a, b, out), codegen


def _add_times(typing_context, a, x, out):
    """out ← out + a·x for a number a."""

    def codegen(context, builder, signature, arguments):
        row, total = (_array(context, builder, signature.args[k], arguments[k]) for k in (1, 2))
        factor, fma = spread(builder, arguments[0], LANES), fused(builder, LANES)

        def body(i):
            store(builder, fma(factor, load(builder, row, i, LANES), load(builder, total, i, LANES)), total, i)

        _rows(builder, length(builder, total), body)
        return context.get_dummy_value()

    return types.void(types.float64, x, out), codegen


times: Any = intrinsic(_times)
add_times: Any = intrinsic(_add_times)
