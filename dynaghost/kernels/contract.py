"""The affine contractor for y = P φ(Qy + a) + c on a box, with every rounding bounded.

With bands φ(t) ∈ d·t + e (`kernels.bands`), D = diag d and A = I − P D Q, every root y of the box satisfies, for *any*
matrix Y,

    y = Y (P e + P D a + c) + (I − Y A) y.

Y is an inverse of A by Gauss–Jordan elimination, in which nothing need be exact. The right-hand side is enclosed in
g ± ρ with g = Y z, z = P(ē + D a) + c and

    ρ = |Y P| ê + |I − Y A| |y| + |Y| w + θ(|g| + |y|),   w = θ(|P| s + |y| + |c|) + ĉ,   s = |ē| + ê + D(|a| + |Q||y|),

where e ∈ ē ± ê, c is only known to ĉ, and θ = 4(n + d + 16)u, u = 2⁻⁵³, for n units and d variables.
**Why θ is enough.** A sum of k products is off by at most (k + 2)u·Σ|terms|, in any order, fused or not. So, in units
of u and to first order: z by (n + 3)(|P|(|ē| + D|a|) + |c|); Y z by (d + 2)|Y||z|; Y P by (d + 2)|Y||P|; the computed
I − Y A by (d + 3)(|Y||A| + I), with |A||y| ≤ |y| + |P|D|Q||y|; A itself by (n + 3)(I + |P|D|Q|). The coefficients of
|Y||P|s add up to 2n + 3d + 13, those of |Y||y| to n + d + 6, of |y| to d + 3: all below 4(n + d + 16)/2. The rest of θ
covers the second order and the roundings of ρ itself, whose terms are all positive; 1e-290 covers underflow.

**At least one root**: the right-hand side is the continuous map y ↦ y + Y(Pφ(Qy + a) + c − y); if it takes the box into
itself it has a fixed point there (Brouwer), which is a root since Y is nonsingular.
"""

from typing import NamedTuple

import numpy as np

from dynaghost.kernels.bands import TANH, U, softplus_bands, tanh_bands
from dynaghost.kernels.inner import JIT
from dynaghost.kernels.lanes import dot
from dynaghost.kernels.small import combine, eliminate

TINY = 1e-290


# Rows of `Work.y` (variables), of `Work.u` (units), and the matrices of `Work.square` and `Work.flat`.
LOW, HIGH, Y_ABS, Z, W, V, T, G, RHO = 0, 1, 2, 3, 4, 5, 6, 7, 8
U_LOW, U_HIGH, Q, D, E, E_REACH, SECANT, X, X_REACH, S, TERM = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
A, INVERSE, INVERSE_ABS, REST_ABS, B = 0, 1, 2, 3, 4
H, H_ABS = 0, 1


class Problem(NamedTuple):
    """y = P φ(Qy + a) + c for n units and d variables; rows padded with zeros to a multiple of eight.

    All arrays in C order. P is (2, d, wide): P and |P|. QT is (2, d, wide): Q transposed and its magnitudes, or
    (2, 0, wide) where Q is the identity (then a = 0, and variables are units). a is (wide,). c is (2, d): its value and
    how well it is known.
    """

    kind: int
    units: int
    P: np.ndarray
    QT: np.ndarray
    a: np.ndarray
    c: np.ndarray


class Work(NamedTuple):
    """Scratch of one search: the present box, its units' intervals and bands, and the matrices of the contractor."""

    y: np.ndarray
    u: np.ndarray
    square: np.ndarray
    flat: np.ndarray
    scratch: np.ndarray
    order: np.ndarray


def make_work(problem):
    """Zeroed scratch for `problem`."""
    _, dim, wide = problem.P.shape
    long = (dim + 7) // 8 * 8
    return Work(
        np.zeros((9, long)),
        np.zeros((11, wide)),
        np.zeros((5, dim, long)),
        np.zeros((2, dim, wide)),
        np.zeros((8, wide)),
        np.zeros(dim, np.int64),
    )


@JIT
def theta(problem):
    """θ of the module's docstring."""
    return 4.0 * (problem.units + problem.P.shape[1] + 16) * U


@JIT
def set_units(problem, work):
    """|y| and the units' intervals u ∈ Qy + a over the box: `u_low`, `u_high`, and q = |Q||y|."""
    dim, rest = problem.P.shape[1], theta(problem)
    for k in range(dim):
        work.y[Y_ABS, k] = max(abs(work.y[LOW, k]), abs(work.y[HIGH, k]))
    if problem.QT.shape[1] == 0:
        for i in range(problem.units):
            work.u[U_LOW, i], work.u[U_HIGH, i], work.u[Q, i] = work.y[LOW, i], work.y[HIGH, i], work.y[Y_ABS, i]
        return
    middle, reach, q = work.u[TERM], work.u[S], work.u[Q]
    for i in range(problem.units):
        middle[i], reach[i], q[i] = problem.a[i], rest * abs(problem.a[i]) + TINY, 0.0
    for k in range(dim):
        y, r, largest = (
            0.5 * (work.y[LOW, k] + work.y[HIGH, k]),
            0.5 * (work.y[HIGH, k] - work.y[LOW, k]),
            work.y[Y_ABS, k],
        )
        r += rest * largest
        row, row_abs = problem.QT[0, k], problem.QT[1, k]
        for i in range(problem.units):
            middle[i] += row[i] * y
            reach[i] += row_abs[i] * r
            q[i] += row_abs[i] * largest
    for i in range(problem.units):
        r = reach[i] * (1.0 + rest) + rest * q[i]
        work.u[U_LOW, i], work.u[U_HIGH, i] = middle[i] - r, middle[i] + r


@JIT
def set_bands(problem, work):
    """Bands of the units over their intervals, and the ranges of φ."""
    u = work.u
    if problem.kind == TANH:
        tanh_bands(
            u[U_LOW], u[U_HIGH], u[D], u[E], u[E_REACH], u[SECANT], u[X], u[X_REACH], work.scratch
        )  # fmt: skip
    else:
        softplus_bands(u[U_LOW], u[U_HIGH], u[D], u[E], u[E_REACH], u[SECANT], u[X], u[X_REACH])
    for i in range(u.shape[1]):
        low, high = u[X, i], u[X_REACH, i]
        u[X, i] = 0.5 * (low + high)
        u[X_REACH, i] = 0.5 * (high - low) + 4.0 * U * (abs(low) + abs(high))


@JIT
def invert(A, X, dim, order):
    """X ← about A⁻¹ by Gauss–Jordan elimination with pivoting, false if a pivot is 0 or not finite; A is kept."""
    for k in range(dim):
        for j in range(X.shape[1]):
            X[k, j] = A[k, j]
    for k in range(dim):
        best, at = 0.0, k
        for i in range(k, dim):
            if abs(X[i, k]) > best:
                best, at = abs(X[i, k]), i
        if not 0.0 < best < 1e300:
            return False
        order[k] = at
        row, other = X[k], X[at]
        if at != k:
            for j in range(dim):
                row[j], other[j] = other[j], row[j]
        scale = 1.0 / row[k]
        row[k] = 1.0
        for j in range(row.size):
            row[j] *= scale
        eliminate(X, k)
    for k in range(dim - 1, -1, -1):
        at = order[k]
        if at != k:
            for i in range(dim):
                X[i, k], X[i, at] = X[i, at], X[i, k]
    return True


@JIT
def set_matrix(problem, work):
    """A = I − P D Q."""
    dim = problem.P.shape[1]
    for k in range(dim):
        row, out = problem.P[0, k], work.square[A, k]
        if problem.QT.shape[1] == 0:
            for j in range(dim):
                out[j] = -row[j] * work.u[D, j]
            out[k] += 1.0
        else:
            for i in range(row.size):
                work.u[TERM, i] = row[i] * work.u[D, i]
            for j in range(dim):
                out[j] = (1.0 if j == k else 0.0) - dot(work.u[TERM], problem.QT[0, j])


@JIT
def set_inverse(problem, work):
    """Y, |Y|, |I − YA|, YP and |YP| for the present D; false if A is numerically singular."""
    set_matrix(problem, work)
    dim = problem.P.shape[1]
    if not invert(work.square[A], work.square[INVERSE], dim, work.order):
        return False
    combine(work.square[INVERSE], work.square[A], work.square[B], work.square[REST_ABS])
    for k in range(dim):
        work.square[REST_ABS, k, k] = abs(1.0 - work.square[B, k, k])
        for j in range(dim):
            work.square[INVERSE_ABS, k, j] = abs(work.square[INVERSE, k, j])
    combine(work.square[INVERSE], problem.P[0], work.flat[H], work.flat[H_ABS])
    return True


@JIT
def set_image(problem, work):
    """g ± ρ of the module's docstring for the box, its bands and Y."""
    dim, rest = problem.P.shape[1], theta(problem)
    largest = 0.0
    for i in range(problem.units):
        d = work.u[D, i]
        work.u[TERM, i] = work.u[E, i] + d * problem.a[i]
        work.u[S, i] = abs(work.u[E, i]) + work.u[E_REACH, i] + d * (abs(problem.a[i]) + work.u[Q, i])
    for k in range(dim):
        work.y[Z, k] = dot(problem.P[0, k], work.u[TERM]) + problem.c[0, k]
        magnitude = dot(problem.P[1, k], work.u[S]) + work.y[Y_ABS, k] + abs(problem.c[0, k])
        work.y[W, k] = rest * magnitude + problem.c[1, k] + TINY
        largest = max(largest, work.y[Y_ABS, k])
    for k in range(dim):
        g = dot(work.square[INVERSE, k], work.y[Z])
        rho = (
            dot(work.flat[H_ABS, k], work.u[E_REACH])
            + dot(work.square[REST_ABS, k], work.y[Y_ABS])
            + dot(work.square[INVERSE_ABS, k], work.y[W])
        )
        work.y[G, k] = g
        work.y[RHO, k] = (rho + rest * (abs(g) + work.y[Y_ABS, k])) * (1.0 + rest) + TINY * (1.0 + largest)


@JIT
def intersect(low, high, middle, reach, dim):
    """[low, high] ∩ middle ± reach in place. Returns the mean share of the widths that is gone, or −1 if it is empty.

    Comparisons are written so that a NaN or an infinity leaves the box as it is.
    """
    gone = 0.0
    for k in range(dim):
        a, b = middle[k] - reach[k], middle[k] + reach[k]
        width = high[k] - low[k]
        if a > high[k] or b < low[k]:
            return -1.0
        if a > low[k]:
            low[k] = a
        if b < high[k]:
            high[k] = b
        if width > 0.0:
            gone += 1.0 - (high[k] - low[k]) / width
    return gone / dim


@JIT
def propagate(problem, work):
    """The box ∩ P x + c over the ranges of x = φ(u); as `intersect`."""
    dim, rest = problem.P.shape[1], theta(problem)
    for i in range(problem.units):
        work.u[TERM, i] = work.u[X_REACH, i] + rest * (abs(work.u[X, i]) + work.u[X_REACH, i])
    for k in range(dim):
        g = dot(problem.P[0, k], work.u[X]) + problem.c[0, k]
        work.y[G, k] = g
        rounded = rest * (abs(problem.c[0, k]) + abs(g))
        work.y[RHO, k] = (dot(problem.P[1, k], work.u[TERM]) + rounded + problem.c[1, k]) * (1.0 + rest) + TINY
    return intersect(work.y[LOW], work.y[HIGH], work.y[G], work.y[RHO], dim)
