"""tanh, sech² and sigmoid that inline and vectorize inside compiled loops, with proved error bounds.

**Algorithm.** For a = |x| let k = round(2a/ln 2), v = a − k·ln2/2 (so |v| ≤ ln2/4 + 4e-14 < 0.17329), E = 2ᵏ and
R = v·coth v = 1 + w·Q(w) with w = v². The addition theorem gives, with one division and no table,

    tanh a = num/den,  num = (E−1)R + (E+1)v,  den = (E+1)R + (E−1)v,  1 − tanh a = 2(R−v)/den,

and sech² = (1−t)(1+t) keeps its relative accuracy in saturation, where 1 − t² has none left.
Q has degree 4; its coefficients interpolate v·coth v at the zeros of a shifted Chebyshev polynomial.

**Error analysis** in units of u = 2⁻⁵³; half(y) is half the spacing at y, in those units. Every rounding is counted:

1. k·ln2/2 is subtracted in two parts. The high part is a multiple of 2⁻⁴⁴ and a ≥ 1/8 if k ≥ 1, so a − k·high is a
   multiple of 2⁻⁵⁵ below 1/4: the first fused step is exact. The second rounds once, and ln2/2 − high − low is below
   2⁻⁹⁸: |Δv| ≤ half(v) + k·2⁻⁹⁸/u ≤ 0.126. For k = 0 v = a exactly. tanh a moves by a relative 2Δv/sinh 2a, sech² a by
   a relative 2Δv·tanh a.
2. R: the last step rounds by 1 (R < 2). w rounds by a relative 1 and dR/dw ≤ 1/3: 0.0101. The value of Q rounds
   by 0.25 in its last step and by less than 0.01 before, times w: 0.0079. Truncation, the rounding of the coefficients
   included, is at most `TRUNCATION` = 1.1e-18: 0.0100. In sum |ΔR| ≤ 1.03.
3. E ± 1 are exact for k ≤ 52. (E−1)R is exact for k ≤ 1. Each product rounds by half of itself, each fused sum by half
   of itself, the quotient by a relative 1. For k = 0 both sums are exact and t = v/R.
   relative error of t ≤ 2Δv/sinh 2a + ΔR·|(E−1)/num − (E+1)/den| + (half((E−1)R) + half(num))/num
   + (half((E+1)R) + half(den))/den + 1.
   At k = 53, E+1 rounds to E: E·R is then exact, and E·(|v|/num + R/den) is added. From k = 54 on, E ± 1 = E,
   num = den, t = 1, and 1 − tanh a ≤ 1.43.
4. relative error of s ≤ 2Δv·tanh a + ΔR·|1/(R−v) − (E+1)/den| + half(R−v)/(R−v) + (half((E+1)R) + half(den))/den + 1
   + (|Δt| + half(1+t))/(1+t) + 1; from k = 53 on the rounding of E ± 1 moves den by a relative
   ((R + |v|)/(R + v))·2⁵³⁻ᵏ at most.
5. Products of these errors are below 200u² together.

`tests/test_elementary.py` evaluates the bounds of 2 to 4 in ball arithmetic over all k and v by subdivision, and finds
less than `TANH_ULP` and `SECH2_ULP` with room for 5.

**t never exceeds 1.** For k ≤ 52, den − num = 2(R−v) ≥ 1.67 before rounding, each product moves it by at most 1/2, and
rounding keeps order. For k = 53, (E−1)R = E·R − R rounds down since spacing is 2 and 1 ≤ R < 2, E·R is exact, and
den − num ≥ R − v > 0 again. From k = 54 on num and den are the same expression.

**Sigmoid.** σ(x) = 1/(1 + q), q = exp(2a) = E·(R+v)/(R−v) with a = −x/2, k, v and R as above (of either sign), is
computed as (R−v)/(E·(R+v) + (R−v)): one division and no exp, whose bits would depend on the C library that happens to
be loaded. The relative error of q enters σ times 1 − σ, then the fused sum and the quotient round by 1 each:
(1 − σ)·(2Δv + ΔR·2|v|/(R² − v²) + half(R−v)/(R−v) + half(R+v)/(R+v)) + 2 < `SIGMOID_ULP`.

Subnormal numbers and ±0 come back as they are (R = 1), ±∞ gives (±1, 0), NaN stays NaN. No function here is
strictly monotone. No `fastmath`; each contraction is written as an explicit `fma`: the same bits on every processor.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

TANH_ULP = 6.0
"""|tanh(x) − true| ≤ TANH_ULP·u·|true| for every x, u = 2⁻⁵³; exact where |x| is subnormal, 0 or infinite."""

SECH2_ULP = 9.0
"""|s − true| ≤ SECH2_ULP·u·true for |x| ≤ SECH2_RANGE, with s from `tanh_sech2`."""

SECH2_RANGE = 350.0
"""Beyond this |x| the returned sech² is 0."""

SECH2_TAIL = 4e-304
"""|s − true| ≤ SECH2_TAIL for |x| > SECH2_RANGE: sech²x < 4·exp(−2|x|)."""

SIGMOID_ULP = 5.0
"""|sigmoid(x) − true| ≤ SIGMOID_ULP·u·true for |x| ≤ 700; beyond, below −700, it returns 0, off by at most 1e-304."""

TRUNCATION = 1.1e-18
"""|1 + w·Q(w) − v·coth v| ≤ TRUNCATION for w = v², |v| ≤ 0.174, with the rounded coefficients of `COTH`."""

COTH = (0.333333333333332, -0.0222222222215919, 0.0021164020205314267, -0.0002116338453731755, 2.118570987005082e-05)
"""Coefficients of Q, the lowest degree first."""

_C0, _C1, _C2, _C3, _C4 = COTH
_HALF_LN2_HIGH = float.fromhex("0x1.62e42fefa3800p-2")
_HALF_LN2_LOW = float.fromhex("0x1.ef35793c76730p-46")
_TWO_OVER_LN2 = 2.8853900817779268
# Adding it rounds to an integer k and leaves k + 1023, the exponent field of 2ᵏ, in the lowest bits.
_MAGIC = 1.5 * 2.0**52 + 1023.0


def _fma(typing_context, a, b, c):
    """a·b + c with one rounding; for compiled code only.

    Parameters
    ----------
    a, b, c : float64

    Examples
    --------
    >>> from numba import njit
    >>> @njit
    ... def square_error(x):
    ...     return fma(x, x, -(x * x))
    >>> float(square_error(1 + 2.0**-30)) == 2.0**-60
    True
    """
    signature = types.float64(types.float64, types.float64, types.float64)

    def codegen(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return signature, codegen


fma: Any = intrinsic(_fma)


@njit(error_model="numpy", forceinline=True)
def _exponent(a):
    """E, R and v of the module's docstring for |a| ≤ SECH2_RANGE: exp(2a) = E·(R + v)/(R − v)."""
    z = fma(a, _TWO_OVER_LN2, _MAGIC)
    k = z - _MAGIC
    E = np.int64(np.float64(z).view(np.int64) << 52).view(np.float64)
    v = fma(-k, _HALF_LN2_LOW, fma(-k, _HALF_LN2_HIGH, a))
    w = v * v
    R = fma(w, fma(w, fma(w, fma(w, fma(w, _C4, _C3), _C2), _C1), _C0), 1.0)
    return E, R, v


@njit(error_model="numpy", forceinline=True)
def _reduced(a):
    """num, den, R and v of the module's docstring for 0 ≤ a ≤ SECH2_RANGE."""
    E, R, v = _exponent(a)
    num = fma(E + 1.0, v, (E - 1.0) * R)
    den = fma(E - 1.0, v, (E + 1.0) * R)
    return num, den, R, v


@njit(error_model="numpy", forceinline=True)
def tanh(x):
    """tanh x, to `TANH_ULP`·u relative.

    Parameters
    ----------
    x : float64

    Returns
    -------
    float64
        Never above 1 in magnitude; the same bits as the first result of `tanh_sech2`.

    Examples
    --------
    >>> tanh(float("inf")), tanh(5e-324), round(tanh(-0.5), 12)
    (1.0, 5e-324, -0.46211715726)
    """
    a = abs(x)
    # Written so that NaN passes: a comparison with NaN is false.
    a = SECH2_RANGE if a > SECH2_RANGE else a
    num, den, _, _ = _reduced(a)
    return math.copysign(num / den, x)


@njit(error_model="numpy", forceinline=True)
def tanh_sech2(x):
    """tanh x and its derivative sech² x, the latter accurate in saturation too.

    Parameters
    ----------
    x : float64

    Returns
    -------
    t, s : float64
        t to `TANH_ULP`·u relative; s to `SECH2_ULP`·u relative up to |x| = `SECH2_RANGE`, and 0 beyond it, which is
        off by at most `SECH2_TAIL`.

    Examples
    --------
    >>> t, s = tanh_sech2(30.0)
    >>> t, f"{s:.6e}", 1 - t * t
    (1.0, '3.502604e-26', 0.0)
    """
    y = abs(x)
    a = SECH2_RANGE if y > SECH2_RANGE else y
    num, den, R, v = _reduced(a)
    t = num / den
    s = 2.0 * (R - v) / den * (1.0 + t)
    return math.copysign(t, x), (0.0 if y > SECH2_RANGE else s)


@njit(error_model="numpy", forceinline=True)
def sigmoid(x):
    """1/(1 + exp(−x)), to `SIGMOID_ULP`·u relative, in the lower tail too.

    Parameters
    ----------
    x : float64

    Returns
    -------
    float64
        Never above 1; 0 below x = −700.

    Examples
    --------
    >>> sigmoid(0.0), sigmoid(float("inf")), f"{sigmoid(-100.0):.6e}"
    (0.5, 1.0, '3.720076e-44')
    """
    a = -0.5 * x
    a = SECH2_RANGE if a > SECH2_RANGE else a
    a = -SECH2_RANGE if a < -SECH2_RANGE else a
    E, R, v = _exponent(a)
    y = (R - v) / fma(E, R + v, R - v)
    return 0.0 if x < -2.0 * SECH2_RANGE else y


@njit(error_model="numpy")
def tanh_sech2_into(x, t, s):
    """`tanh_sech2` of every element.

    Parameters
    ----------
    x : (size,) float64 array, contiguous
    t, s : (size,) float64 arrays, contiguous
        Overwritten.

    Examples
    --------
    >>> x = np.array([0.0, 1.0])
    >>> t, s = np.empty(2), np.empty(2)
    >>> tanh_sech2_into(x, t, s)
    >>> t.round(6).tolist(), s.round(6).tolist()
    ([0.0, 0.761594], [1.0, 0.419974])
    """
    for i in range(x.size):
        t[i], s[i] = tanh_sech2(x[i])


@njit(error_model="numpy")
def tanh_into(x, t):
    """`tanh` of every element.

    Parameters
    ----------
    x : (size,) float64 array, contiguous
    t : (size,) float64 array, contiguous
        Overwritten.

    Examples
    --------
    >>> t = np.empty(2)
    >>> tanh_into(np.array([0.0, 1.0]), t)
    >>> t.round(6).tolist()
    [0.0, 0.761594]
    """
    for i in range(x.size):
        t[i] = tanh(x[i])
