"""Many small linear systems at once, with the same bits whatever the number of threads of a BLAS.

LU with partial pivoting, eight columns at a time: a panel is factored, and the rows beneath take its eight updates in
one pass over memory. Cholesky likewise. Both run in one thread and in one order.
"""

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma
from dynaghost.kernels.inner import INNER, JIT

_CONTRACTED = njit(error_model="numpy", fastmath={"contract"}, **INNER)


@_CONTRACTED
def _factor_panel(A, b, k, P, width):
    """Columns k … k + width − 1 of the LU of A, as rows of P; rows exchanged in A and b; False if a pivot is 0 or NaN.

    P holds the columns from row k on: what runs over rows of A runs along it.
    """
    n = A.shape[0]
    size = n - k
    for c in range(width):
        for i in range(size):
            P[c, i] = A[k + i, k + c]
    for c in range(width):
        best = c
        for i in range(c + 1, size):
            if abs(P[c, i]) > abs(P[c, best]):
                best = i
        if not abs(P[c, best]) > 0.0:
            return False
        if best != c:
            for j in range(width):
                P[j, c], P[j, best] = P[j, best], P[j, c]
            for j in range(n):
                A[k + c, j], A[k + best, j] = A[k + best, j], A[k + c, j]
            for j in range(b.shape[1]):
                b[k + c, j], b[k + best, j] = b[k + best, j], b[k + c, j]
        pivot = P[c, c]
        for i in range(c + 1, size):
            P[c, i] /= pivot
        for j in range(c + 1, width):
            factor = P[j, c]
            for i in range(c + 1, size):
                P[j, i] -= P[c, i] * factor
    for i in range(size):
        for c in range(width):
            A[k + i, k + c] = P[c, i]
    return True


@_CONTRACTED
def _update(A, k, P, width):
    """The columns right of a panel."""
    n = A.shape[0]
    start = k + width
    for c in range(width):
        for i in range(c + 1, width):
            factor = P[c, i]
            for j in range(start, n):
                A[k + i, j] -= factor * A[k + c, j]
    if width == 8:
        u0, u1, u2, u3 = A[k, start:], A[k + 1, start:], A[k + 2, start:], A[k + 3, start:]
        u4, u5, u6, u7 = A[k + 4, start:], A[k + 5, start:], A[k + 6, start:], A[k + 7, start:]
        for i in range(8, n - k):
            row = A[k + i, start:]
            l0, l1, l2, l3 = P[0, i], P[1, i], P[2, i], P[3, i]
            l4, l5, l6, l7 = P[4, i], P[5, i], P[6, i], P[7, i]
            for j in range(n - start):
                left = row[j] - l0 * u0[j] - l1 * u1[j] - l2 * u2[j] - l3 * u3[j]
                row[j] = left - l4 * u4[j] - l5 * u5[j] - l6 * u6[j] - l7 * u7[j]


@_CONTRACTED
def lu_factor(A, b, P):
    """A overwritten by its factors, the rows of b exchanged like its own; False if a pivot is 0 or NaN."""
    n = A.shape[0]
    for k in range(0, n, 8):
        width = min(8, n - k)
        if not _factor_panel(A, b, k, P, width):
            return False
        _update(A, k, P, width)
    return True


@_CONTRACTED
def lu_solve(A, b, P):
    """Solve A x = b for the columns of b, in place; A is overwritten by its factors, P (8, n) is for work.

    Returns
    -------
    bool
        False, and b is of no use, if A is singular to working precision or not finite.
    """
    n, columns = b.shape
    if not lu_factor(A, b, P):
        return False
    for i in range(n):
        for c in range(i):
            factor = A[i, c]
            for j in range(columns):
                b[i, j] -= factor * b[c, j]
    for i in range(n - 1, -1, -1):
        for c in range(i + 1, n):
            factor = A[i, c]
            for j in range(columns):
                b[i, j] -= factor * b[c, j]
        for j in range(columns):
            b[i, j] /= A[i, i]
    return True


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def solve_each(A, b, solved):
    """Solve A[e] x = b[e] for every e, in place.

    Parameters
    ----------
    A : (E, n, n) float64 or float32 array, contiguous
        Overwritten.
    b : (E, n, columns) array of the same type, contiguous
        Overwritten by the solutions.
    solved : (E,) bool array
        Overwritten; False where A[e] is singular.

    Examples
    --------
    >>> A, b, solved = np.array([[[0.0, 2.0], [1.0, 0.0]]]), np.array([[[2.0], [3.0]]]), np.empty(1, bool)
    >>> solve_each(A, b, solved)
    >>> b[0, :, 0].tolist(), solved.tolist()
    ([3.0, 1.0], [True])
    """
    P = np.empty((8, A.shape[1]), A.dtype)
    for e in range(A.shape[0]):
        solved[e] = lu_solve(A[e], b[e], P)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def factor(A, order):
    """LU of one matrix with partial pivoting, in place: |PA − LU| ≤ γₙ|L||U|, γₙ = nu/(1 − nu), in any order of sums.

    Parameters
    ----------
    A : (n, n) float64 array, contiguous
        Overwritten by U and, below its diagonal, by L, whose diagonal is 1.
    order : (n, 1) float64 array
        0, 1, …, n − 1; overwritten by which row of A each row of PA is.

    Returns
    -------
    bool
        False, and A is of no use, if a pivot is 0 or NaN.

    Examples
    --------
    >>> A, order = np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[0.0], [1.0]])
    >>> factor(A, order), A.tolist(), order.ravel().tolist()
    (True, [[1.0, 0.0], [0.0, 2.0]], [1.0, 0.0])
    """
    return lu_factor(A, order, np.empty((8, A.shape[0])))


@JIT
def cholesky(A, shift, U):
    """U with UᵀU = A + shift·I, from the upper triangle of A; False if that is not positive definite.

    Eight rows of U at a time are finished; the rows beneath then take their eight updates in one pass over memory.
    """
    n = A.shape[0]
    for i in range(n):
        for j in range(i, n):
            U[i, j] = A[i, j]
        U[i, i] += shift
    for k in range(0, n, 8):
        stop = min(k + 8, n)
        for r in range(k, stop):
            if not U[r, r] > 0.0 or not U[r, r] < np.inf:
                return False
            root = np.sqrt(U[r, r])
            U[r, r] = root
            over = 1.0 / root
            for j in range(r + 1, n):
                U[r, j] *= over
            for i in range(r + 1, stop):
                factor = -U[r, i]
                for j in range(i, n):
                    U[i, j] = fma(factor, U[r, j], U[i, j])
        if stop < n:
            subtract_squares(U, k, stop)
    return True


@JIT
def subtract_squares(U, k, start):
    """Row i of U, from its diagonal on, less U[r, i]·U[r] for the eight rows r from k, for i from `start` on."""
    n = U.shape[0]
    for i in range(start, n):
        row = U[i, i:]
        u0, u1, u2, u3 = U[k, i:], U[k + 1, i:], U[k + 2, i:], U[k + 3, i:]
        u4, u5, u6, u7 = U[k + 4, i:], U[k + 5, i:], U[k + 6, i:], U[k + 7, i:]
        a0, a1, a2, a3, a4, a5, a6, a7 = -u0[0], -u1[0], -u2[0], -u3[0], -u4[0], -u5[0], -u6[0], -u7[0]
        for j in range(n - i):
            left = fma(a3, u3[j], fma(a2, u2[j], fma(a1, u1[j], fma(a0, u0[j], row[j]))))
            row[j] = fma(a7, u7[j], fma(a6, u6[j], fma(a5, u5[j], fma(a4, u4[j], left))))


@njit(cache=True, error_model="numpy")
def descend_each(H, g, shifts, least):
    """Solve (H[e] + s·I) d = −g[e] with the first of the shifts s, 4·s, … that makes the matrix positive definite.

    Parameters
    ----------
    H : (E, n, n) float64 array, contiguous
        Symmetric; only the upper triangle is read.
    g : (E, n) float64 array, contiguous
        Overwritten by d; NaN where H is not finite.
    shifts : (E,) float64 array
        Where to begin; overwritten by the shift that was used.
    least : (E,) float64 array
        The first shift above 0.

    Examples
    --------
    >>> g, shifts = np.array([[8.0]]), np.array([0.0])
    >>> descend_each(np.array([[[4.0]]]), g, shifts, np.array([1e-3]))
    >>> g.tolist(), shifts.tolist()
    ([[-2.0]], [0.0])
    """
    n = H.shape[1]
    U = np.empty((n, n))
    for e in range(H.shape[0]):
        done = False
        for _ in range(60):
            if cholesky(H[e], shifts[e], U):
                done = True
                break
            shifts[e] = max(4.0 * shifts[e], least[e])
        if not done:
            g[e, :] = np.nan
            continue
        for i in range(n):
            g[e, i] = -g[e, i] / U[i, i]
            for j in range(i + 1, n):
                g[e, j] = fma(U[i, j], g[e, i], g[e, j])
        for i in range(n - 1, -1, -1):
            total = g[e, i]
            for j in range(i + 1, n):
                total = fma(-U[i, j], g[e, j], total)
            g[e, i] = total / U[i, i]
