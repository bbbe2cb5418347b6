"""Sums over neurons: f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ), its derivatives and its Taylor pieces at one κ.

**Rounding.** Every sum here is off by at most (N + 60)·u·Σ|nᵢ||mᵢ|ʲ for its j-th coefficient, u = 2⁻⁵³, whatever the
order of summation: the argument is fused, so its rounding moves a Taylor coefficient c_j of tanh by at most
(j + 1)|c_{j+1}||x|u ≤ 2.7u; tanh and sech² are off by 6u and 9u; through the recurrence c₂ … c₅ by less than 25u; the
powers nᵢmᵢʲ by 6u at most; the product by u and N additions by (N − 1)u to first order. In tests the sums are compared
with balls. Additions may be reordered by the compiler (and nothing else may), which is what lets them vectorize.
"""

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from dynaghost.kernels.elementary import fma, tanh_sech2


def _add(typing_context, a, b):
    """a + b in a sum whose order the compiler may choose; for compiled code only."""
    signature = types.float64(types.float64, types.float64)

    def codegen(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc",))

    return signature, codegen


add: Any = intrinsic(_add)


@njit(error_model="numpy", cache=True)
def value_and_slope(m, b, n0, n1, x):
    """f and f' at `x`; n_j = n·mʲ."""
    s0, s1 = 0.0, 0.0
    for i in range(m.size):
        t, s = tanh_sech2(fma(m[i], x, b[i]))
        s0 = add(s0, n0[i] * t)
        s1 = add(s1, n1[i] * s)
    return s0 - x, s1 - 1.0


@njit(error_model="numpy", cache=True)
def derivatives(m, b, n0, n1, n2, n3, x):
    """f, f', f'' and f''' at `x`."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for i in range(m.size):
        t, s = tanh_sech2(fma(m[i], x, b[i]))
        c2 = -t * s
        c3 = 2.0 * t * c2 + s * s
        s0 = add(s0, n0[i] * t)
        s1 = add(s1, n1[i] * s)
        s2 = add(s2, n2[i] * c2)
        s3 = add(s3, n3[i] * c3)
    return s0 - x, s1 - 1.0, 2.0 * s2, -2.0 * s3


@njit(error_model="numpy", cache=True)
def taylor_piece(m, b, powers, x):
    """Taylor coefficients a₀ … a₅ of f at `x`, Σ|n|m⁶ sech², and the two tails.

    The tails are Σ max(nm, 0)·sup sech² over all κ ≥ x and over all κ ≤ x (m ≥ 0): below 1, f' < 0 there.
    """
    n0, n1, n2, n3, n4, n5, n6 = powers[0], powers[1], powers[2], powers[3], powers[4], powers[5], powers[6]
    s0, s1, s2, s3, s4, s5, s6 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    right = 0.0
    for i in range(m.size):
        u = fma(m[i], x, b[i])
        t, s = tanh_sech2(u)
        c2 = -t * s
        c3 = -(2.0 * t * c2 + s * s) * (1.0 / 3.0)
        c4 = -0.5 * (t * c3 + s * c2)
        c5 = -0.2 * (2.0 * (t * c4 + s * c3) + c2 * c2)
        s0 = add(s0, n0[i] * t)
        s1 = add(s1, n1[i] * s)
        s2 = add(s2, n2[i] * c2)
        s3 = add(s3, n3[i] * c3)
        s4 = add(s4, n4[i] * c4)
        s5 = add(s5, n5[i] * c5)
        s6 = add(s6, n6[i] * s)
        p = n1[i] if n1[i] > 0.0 else 0.0
        right = add(right, p * (s if u >= 0.0 else 1.0))
    return s0 - x, s1 - 1.0, s2, s3, s4, s5, s6, right
