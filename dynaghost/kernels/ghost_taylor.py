"""Taylor expansions of F and of q = ½|F|² about a point, with remainders over a box around it, rounding included.

F(y) = −Dy + A tanh(By + b) in K dimensions, and q = ½ Fᵀ(I + E)F with |E| ≤ ε elementwise (what whitening leaves of the
metric). Around a point y₀ let y = y₀ + Qz, Q an orthonormal frame, and |d_i| ≤ ρ_i for d = BQz in the box |z_l| ≤ R_l.

    tanh(u + d) = Σ_{j≤4} c_j dʲ + r,   |r| ≤ (16/5!)·S·ρ⁵,   S = sup sech² over [u − ρ, u + ρ],

since tanh⁽⁵⁾ = sech²·(16 − 120t² + 120t⁴), whose second factor is at most 16 in magnitude; likewise for derivatives.
Order 4 is kept with its sign in q (one row α = AᵀF serves all components of F), in magnitude elsewhere.

**Rounding.** Let u = 2⁻⁵³, Ā ≥ |A| and B̄ ≥ |B| be formed from the magnitudes of the matrices whose products A and B
are, and β_i the Euclidean norm of unit i's row of B̄. Then A is off by at most (2K + 6)uĀ and, in any frame, unit i's
row of B by (2K + 6)uβ_i, for the columns of Q are unit vectors. So the argument of unit i is off by at most
δ_i = (2K + 8)u(B̄_i·Y + |b_i|), |y_l| ≤ Y_l; tanh and sech² by 6u and 9u more; tanh⁽ʲ⁾, j ≤ 4, by at most
j!·(δ_i + 30u), since |tanh⁽ʲ⁺¹⁾| ≤ 1, 1, 2, 4.1, 16, |tanh⁽ʲ⁾| ≤ j!, and the recurrence c₂ … c₄ adds less than 25u;
a sum of n products by (n + 2)u·Σ|terms| in any order. So an entry of the j-th derivative of F_k is, in any frame, off
by less than

    E_jk = 2·j!·Σ_i Ā_ki β_iʲ (δ_i + (n + 80 + 8(2K + 6))u) + what D adds (j ≤ 1).

The factor 2 leaves room for n + 80 more roundings of each entry, in the sums of their products that make q's.
The E_jk (`all_ghosts` forms them) enter every test as parts of the remainders `F_REST` and `DF_REST`. Bounds are
sums of products of numbers ≥ 0, rounded upwards by the factor `UP`.
"""

from typing import NamedTuple

import numpy as np

from dynaghost.kernels.elementary import tanh_sech2_into
from dynaghost.kernels.ghost_rows import add_times, times
from dynaghost.kernels.inner import INLINE, JIT
from dynaghost.kernels.lanes import dot

U = 2.0**-53
UP = 1.0 + 1e-12
TINY = 1e-280

# Rows of `Work.unit`.
ARG, T, S, C2, C3, C4, RHO, SUP, LOW4, HIGH4, ALPHA, ALPHA_ABS, TERM, OTHER, SECH_LOW, SECH_HIGH = range(16)
# Rows of `Work.vector`.
Y, F, R, Z_LOW, Z_HIGH, G, VALUE, PHI1, PHI2, PHI3, F_REST, F_REACH, G_REST, STEP, X, X_REACH, TOP = range(17)
# Matrices of `Work.square`.
Q, J_Y, J, H, H_Y, ETA1, ETA2, DF_REST, FRAME, INVERSE, DEV, TEMP = range(12)


class Problem(NamedTuple):
    """F(y) = −Dy + A tanh(By + b); rows over units are padded with zeros to a multiple of eight.

    A is (2, K, wide): A and upper bounds of |A|. B is (K, wide), BB (K, K, wide) its products. b, beta, delta are
    (wide,): β and δ as in the module's docstring. total is (wide,): Σ_k|A_k|. D is (K, K). errors is (5, K): E_jk.
    knobs: ε, a factor on remainders (1 but in tests of the tests), the side below which a box is not divided,
    the half-width above which the sphere test pays, and the |y_k| up to which the errors hold.
    """

    A: np.ndarray
    B: np.ndarray
    b: np.ndarray
    beta: np.ndarray
    delta: np.ndarray
    total: np.ndarray
    D: np.ndarray
    BB: np.ndarray
    errors: np.ndarray
    knobs: np.ndarray


class Work(NamedTuple):
    """Scratch of one search."""

    unit: np.ndarray
    vector: np.ndarray
    square: np.ndarray
    frame: np.ndarray  # BQ and upper bounds of its magnitudes, (2, K, wide)
    products: np.ndarray  # (K, K, wide): (BQ)_l(BQ)_m
    weighted: np.ndarray  # (2, K, wide)
    F2: np.ndarray
    F3: np.ndarray
    q3: np.ndarray
    q4: np.ndarray


def make_work(problem):
    """Zeroed scratch for `problem`."""
    _, dim, wide = problem.A.shape
    return Work(
        np.zeros((16, wide)),
        np.zeros((17, dim)),
        np.zeros((12, dim, dim)),
        np.zeros((2, dim, wide)),
        np.zeros((dim, dim, wide)),
        np.zeros((2, dim, wide)),
        np.zeros((dim, dim, dim)),
        np.zeros((dim, dim, dim, dim)),
        np.zeros((dim, dim, dim)),
        np.zeros((dim, dim, dim, dim)),
    )


@JIT
def copy(source, out):
    """out ← source, two square matrices."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = source[i, j]


@JIT
def set_value(problem, work):
    """u, tanh u, sech² u and F at the point y."""
    vector = work.vector
    unit, y = work.unit, vector[Y]
    u = unit[ARG]
    for i in range(u.size):
        u[i] = problem.b[i]
    for k in range(y.size):
        add_times(y[k], problem.B[k], u)
    tanh_sech2_into(u, unit[T], unit[S])
    for k in range(y.size):
        value = dot(problem.A[0, k], unit[T])
        for m in range(y.size):
            value -= problem.D[k, m] * y[m]
        vector[F, k] = value


@INLINE
def _curve(t, s, c2, c3):
    for i in range(t.size):
        c2[i] = -t[i] * s[i]
        c3[i] = -(s[i] * s[i] - 2.0 * t[i] * t[i] * s[i]) * (1.0 / 3.0)


@INLINE
def _fourth(t, s, c3, c4):
    for i in range(t.size):
        c4[i] = -0.5 * (t[i] * c3[i] - t[i] * s[i] * s[i])


@JIT
def set_hessian(problem, work):
    """J and the Hessian of q in the coordinates y, unproved: they only choose a frame."""
    square = work.square
    unit, dim = work.unit, problem.D.shape[0]
    _curve(unit[T], unit[S], unit[C2], unit[C3])
    alpha, term = unit[ALPHA], unit[TERM]
    for i in range(alpha.size):
        alpha[i] = 0.0
    for k in range(dim):
        add_times(work.vector[F, k], problem.A[0, k], alpha)
        times(problem.A[0, k], unit[S], term)
        for m in range(dim):
            square[J_Y, k, m] = dot(term, problem.B[m]) - problem.D[k, m]
    times(alpha, unit[C2], term)
    for m in range(dim):
        for n in range(m, dim):
            h = 2.0 * dot(term, problem.BB[m, n])
            for k in range(dim):
                h += square[J_Y, k, m] * square[J_Y, k, n]
            square[H_Y, m, n] = square[H_Y, n, m] = h


@INLINE
def _rotated(problem, work):
    """BQ, bounds on its magnitudes, its products, and J Q."""
    square = work.square
    dim, Q_ = problem.D.shape[0], square[Q]
    for v in range(dim):
        row, size = work.frame[0, v], work.frame[1, v]
        for i in range(row.size):
            row[i] = 0.0
        for m in range(dim):
            add_times(Q_[m, v], problem.B[m], row)
        for i in range(row.size):
            size[i] = abs(row[i]) + 1e-13 * problem.beta[i]
        for k in range(dim):
            value = 0.0
            for m in range(dim):
                value += square[J_Y, k, m] * Q_[m, v]
            square[J, k, v] = value
    for v in range(dim):
        for m in range(v, dim):
            times(work.frame[0, v], work.frame[0, m], work.products[v, m])


@JIT
def set_tensors(problem, work):
    """Derivatives of F to order 3 and of q to order 4 at the point, in the frame Q."""
    unit, dim, term = work.unit, problem.D.shape[0], work.unit[TERM]
    _rotated(problem, work)
    _fourth(unit[T], unit[S], unit[C3], unit[C4])
    for k in range(dim):
        times(problem.A[0, k], unit[C2], work.weighted[0, k])
        times(problem.A[0, k], unit[C3], work.weighted[1, k])
    for a in range(dim):
        for b in range(a, dim):
            for k in range(dim):
                value = 2.0 * dot(work.weighted[0, k], work.products[a, b])
                work.F2[k, a, b] = work.F2[k, b, a] = value
            for c in range(b, dim):
                times(work.products[a, b], work.frame[0, c], term)
                for k in range(dim):
                    value = 6.0 * dot(work.weighted[1, k], term)
                    x = work.F3[k]
                    x[a, b, c] = x[a, c, b] = x[b, a, c] = x[b, c, a] = x[c, a, b] = x[c, b, a] = value
    _speed_tensors(problem, work)


@INLINE
def _speed_tensors(problem, work):
    """The derivatives of q from those of F."""
    vector, square = work.vector, work.square
    unit, dim = work.unit, problem.D.shape[0]
    F0, J_, F2, F3, q3, q4 = vector[F], square[J], work.F2, work.F3, work.q3, work.q4
    term, other = unit[TERM], unit[OTHER]
    times(unit[ALPHA], unit[C4], term)
    for a in range(dim):
        g = 0.0
        for k in range(dim):
            g += F0[k] * J_[k, a]
        vector[G, a] = g
        for b in range(a, dim):
            h = 0.0
            for k in range(dim):
                h += J_[k, a] * J_[k, b] + F0[k] * F2[k, a, b]
            square[H, a, b] = square[H, b, a] = h
            times(term, work.products[a, b], other)
            for c in range(b, dim):
                x = 0.0
                for k in range(dim):
                    x += (
                        F0[k] * F3[k, a, b, c]
                        + J_[k, a] * F2[k, b, c]
                        + J_[k, b] * F2[k, a, c]
                        + J_[k, c] * F2[k, a, b]
                    )
                q3[a, b, c] = q3[a, c, b] = q3[b, a, c] = q3[b, c, a] = q3[c, a, b] = q3[c, b, a] = x
                for d in range(c, dim):
                    x = 24.0 * dot(other, work.products[c, d])
                    for k in range(dim):
                        x += J_[k, a] * F3[k, b, c, d] + J_[k, b] * F3[k, a, c, d] + J_[k, c] * F3[k, a, b, d]
                        x += J_[k, d] * F3[k, a, b, c]
                        x += F2[k, a, b] * F2[k, c, d] + F2[k, a, c] * F2[k, b, d] + F2[k, a, d] * F2[k, b, c]
                    _fill(q4, a, b, c, d, x)


@INLINE
def _fill(q4, a, b, c, d, x):
    for e, f, g, h in ((a, b, c, d), (b, a, c, d), (c, a, b, d), (d, a, b, c)):
        q4[e, f, g, h] = q4[e, f, h, g] = q4[e, g, f, h] = q4[e, g, h, f] = q4[e, h, f, g] = q4[e, h, g, f] = x


@INLINE
def _supremum(problem, unit):
    """S of the module's docstring, the argument's own error included."""
    u, rho, near, sup = unit[ARG], unit[RHO], unit[TERM], unit[SUP]
    for i in range(u.size):
        x = abs(u[i]) - rho[i] - problem.delta[i]
        near[i] = x if x > 0.0 else 0.0
    tanh_sech2_into(near, unit[OTHER], sup)
    for i in range(u.size):
        sup[i] = sup[i] * UP + 1e-303


@INLINE
def _weights(c4, rho, sup, out, order):
    """Per unit, the remainder of tanh⁽ʲ⁾ after order 3 − j: j = 0 for `order` 4, j = 1 for 3."""
    if order == 4:
        for i in range(rho.size):
            r = rho[i] * rho[i]
            out[i] = r * r * (abs(c4[i]) + 1e-14 + (2.0 / 15.0) * sup[i] * rho[i])
    else:
        for i in range(rho.size):
            r = rho[i] * rho[i] * rho[i]
            out[i] = r * (4.0 * (abs(c4[i]) + 1e-14) + (2.0 / 3.0) * sup[i] * rho[i])


@JIT
def set_remainders(problem, work):
    """Over |z_l| ≤ R_l: the remainders of F, of DF and of g that depend on the units.

    Fills ρ, S, α's bound, `F_REST`, `DF_REST` (first the units' part) and `G_REST` (the part of order 4 in F·DF).
    """
    vector = work.vector
    unit, dim, reach = work.unit, problem.D.shape[0], vector[R]
    rho, term = unit[RHO], unit[TERM]
    for i in range(rho.size):
        rho[i] = 0.0
    total, largest = 0.0, 0.0
    for j in range(dim):
        total += reach[j]
        largest = max(largest, abs(vector[F, j]))
        add_times(reach[j] * UP, work.frame[1, j], rho)
    _supremum(problem, unit)
    alpha, bound = unit[ALPHA], unit[ALPHA_ABS]
    for i in range(alpha.size):
        bound[i] = abs(alpha[i]) + 1e-13 * largest * problem.total[i]
    _weights(unit[C4], rho, unit[SUP], unit[LOW4], 4)
    _weights(unit[C4], rho, unit[SUP], unit[HIGH4], 3)
    for k in range(dim):
        vector[F_REST, k] = dot(problem.A[1, k], unit[LOW4]) * UP
        times(problem.A[1, k], unit[HIGH4], term)
        for v in range(dim):
            work.square[DF_REST, k, v] = dot(term, work.frame[1, v]) * UP
    other, sup = unit[OTHER], unit[SUP]
    for i in range(rho.size):
        r = rho[i] * rho[i]
        other[i] = (2.0 / 3.0) * sup[i] * r * r
    times(other, bound, term)
    for v in range(dim):
        vector[G_REST, v] = dot(term, work.frame[1, v]) * UP
