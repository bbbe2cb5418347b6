"""Pieces of compiled loops written for whole vectors: loads, sums in lanes, and tanh of many numbers at once.

The compiler vectorizes a loop over `elementary.tanh` one register wide, and then waits: a tanh is a chain of twenty
operations, and the processor looks ahead for less than two of them. With eight or more numbers side by side the chains
of two registers overlap. The operations, and so the bits, are those of `elementary.tanh`.
"""

from llvmlite import ir
from numba.core import cgutils

from dynaghost.kernels import elementary
from dynaghost.kernels.lanes import LANES, _tree_sum

_SIGN = -(1 << 63)


def vector(width):
    """The type of `width` doubles."""
    return ir.VectorType(ir.DoubleType(), width)


def constant(value, width):
    """A vector with one number in every place."""
    return ir.Constant(vector(width), [value] * width)


def arrays_of(context, builder, signature, arguments):
    """The array structs of an intrinsic's arguments."""
    return [context.make_array(k)(context, builder, a) for k, a in zip(signature, arguments, strict=True)]


def length(builder, array):
    """Of the first axis."""
    return builder.extract_value(array.shape, 0)


def load(builder, array, i, width):
    """`width` doubles from element i on."""
    pointer = builder.bitcast(builder.gep(array.data, [i]), vector(width).as_pointer())
    # NumPy promises the alignment of one element only.
    return builder.load(pointer, align=8)


def store(builder, value, array, i):
    """A vector into an array from element i on."""
    builder.store(value, builder.bitcast(builder.gep(array.data, [i]), value.type.as_pointer()), align=8)


def variable(builder, value):
    """A variable that the compiler keeps in registers."""
    place = cgutils.alloca_once(builder, value.type)
    builder.store(value, place)
    return place


def fused(builder, width):
    """f(x, y, z) = x·y + z with one rounding."""
    kind = ir.FunctionType(vector(width), [vector(width)] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f64")
    return lambda x, y, z: builder.call(function, [x, y, z])


def spread(builder, number, width):
    """A vector with one number, known at run time, in every place."""
    nothing, first = ir.Constant(vector(width), ir.Undefined), ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(nothing, number, first)
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width))


def blocks(builder, size, widths, block):
    """Go through an array in the widest blocks that fit, then in narrower ones."""
    start = size.type(0)
    for width in widths:
        whole = builder.mul(builder.udiv(builder.sub(size, start), size.type(width)), size.type(width))
        stop = builder.add(start, whole)
        with cgutils.for_range_slice(builder, start, stop, size.type(width), size.type) as (i, _):
            block(i, width)
        start = stop


def zero_sum(builder):
    """A sum in eight lanes, to be added to in the order of `lanes`."""
    return variable(builder, constant(0.0, LANES))


def sum_of(builder, total):
    """The sum of its lanes."""
    return _tree_sum(builder, builder.load(total))


def tanh(builder, x, width):
    """tanh of each number: the bits of `elementary.tanh`, whose docstring names E, v and R."""
    f, bits = fused(builder, width), ir.VectorType(ir.IntType(64), width)
    sign, shift = (ir.Constant(bits, [value] * width) for value in (_SIGN, 52))
    rest = ir.Constant(bits, [~_SIGN] * width)
    signed = builder.and_(builder.bitcast(x, bits), sign)
    a, most = builder.bitcast(builder.and_(builder.bitcast(x, bits), rest), x.type), _number("SECH2_RANGE", width)
    # An ordered comparison is false for NaN, which passes.
    a = builder.select(builder.fcmp_ordered(">", a, most), most, a)
    z = f(a, _number("_TWO_OVER_LN2", width), _number("_MAGIC", width))
    k = builder.fneg(builder.fsub(z, _number("_MAGIC", width)))
    E = builder.bitcast(builder.shl(builder.bitcast(z, bits), shift), x.type)
    v = f(k, _number("_HALF_LN2_LOW", width), f(k, _number("_HALF_LN2_HIGH", width), a))
    w, R = builder.fmul(v, v), constant(elementary.COTH[-1], width)
    for coefficient in (*elementary.COTH[-2::-1], 1.0):
        R = f(w, R, constant(coefficient, width))
    more, less = builder.fadd(E, constant(1.0, width)), builder.fsub(E, constant(1.0, width))
    num, den = f(more, v, builder.fmul(less, R)), f(less, v, builder.fmul(more, R))
    size = builder.and_(builder.bitcast(builder.fdiv(num, den), bits), rest)
    return builder.bitcast(builder.or_(size, signed), x.type)


def _number(name, width):
    return constant(getattr(elementary, name), width)
