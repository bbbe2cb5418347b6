"""Many small linear systems at once, with the same bits whatever the number of threads of a BLAS.

LU with partial pivoting, eight columns at a time: a panel is factored, and the rows beneath take its eight updates in
one pass over memory. Cholesky likewise, one column at a time. Both run in one thread and in one order.
"""

import numpy as np
from numba import njit

from dynaghost.kernels.elementary import fma


@njit(error_model="numpy")
def _factor_panel(A, b, k, width):
    """Columns k … k + width − 1 of the LU of A, rows exchanged in all of A and in b; False if a pivot is 0 or NaN."""
    n = A.shape[0]
    for c in range(k, k + width):
        best = c
        for i in range(c + 1, n):
            if abs(A[i, c]) > abs(A[best, c]):
                best = i
        if not abs(A[best, c]) > 0.0:
            return False
        if best != c:
            for j in range(n):
                A[c, j], A[best, j] = A[best, j], A[c, j]
            for j in range(b.shape[1]):
                b[c, j], b[best, j] = b[best, j], b[c, j]
        over = 1.0 / A[c, c]
        for i in range(c + 1, n):
            A[i, c] *= over
            factor = A[i, c]
            for j in range(c + 1, k + width):
                A[i, j] = fma(-factor, A[c, j], A[i, j])
    return True


@njit(error_model="numpy")
def _update(A, k, width):
    """The columns right of a panel."""
    n = A.shape[0]
    start = k + width
    for c in range(k, start):
        for i in range(c + 1, start):
            factor = A[i, c]
            for j in range(start, n):
                A[i, j] = fma(-factor, A[c, j], A[i, j])
    if width == 8:
        u0, u1, u2, u3 = A[k, start:], A[k + 1, start:], A[k + 2, start:], A[k + 3, start:]
        u4, u5, u6, u7 = A[k + 4, start:], A[k + 5, start:], A[k + 6, start:], A[k + 7, start:]
        for i in range(start, n):
            row = A[i, start:]
            l0, l1, l2, l3 = -A[i, k], -A[i, k + 1], -A[i, k + 2], -A[i, k + 3]
            l4, l5, l6, l7 = -A[i, k + 4], -A[i, k + 5], -A[i, k + 6], -A[i, k + 7]
            for j in range(n - start):
                left = fma(l3, u3[j], fma(l2, u2[j], fma(l1, u1[j], fma(l0, u0[j], row[j]))))
                row[j] = fma(l7, u7[j], fma(l6, u6[j], fma(l5, u5[j], fma(l4, u4[j], left))))
        return
    for i in range(start, n):
        for c in range(k, start):
            factor = A[i, c]
            for j in range(start, n):
                A[i, j] = fma(-factor, A[c, j], A[i, j])


@njit(error_model="numpy")
def lu_solve(A, b):
    """Solve A x = b for the columns of b, in place; A is overwritten by its factors.

    Returns
    -------
    bool
        False, and b is of no use, if A is singular to working precision or not finite.
    """
    n, columns = b.shape
    for k in range(0, n, 8):
        width = min(8, n - k)
        if not _factor_panel(A, b, k, width):
            return False
        _update(A, k, width)
    for i in range(n):
        for c in range(i):
            for j in range(columns):
                b[i, j] = fma(-A[i, c], b[c, j], b[i, j])
    for i in range(n - 1, -1, -1):
        for c in range(i + 1, n):
            for j in range(columns):
                b[i, j] = fma(-A[i, c], b[c, j], b[i, j])
        for j in range(columns):
            b[i, j] /= A[i, i]
    return True


@njit(cache=True, error_model="numpy")
def solve_each(A, b, solved):
    """Solve A[e] x = b[e] for every e, in place.

    Parameters
    ----------
    A : (E, n, n) float64 array, contiguous
        Overwritten.
    b : (E, n, columns) float64 array, contiguous
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
    for e in range(A.shape[0]):
        solved[e] = lu_solve(A[e], b[e])


@njit(error_model="numpy")
def _cholesky(A, shift, U):
    """U with UᵀU = A + shift·I, from the upper triangle of A; False if that is not positive definite."""
    n = A.shape[0]
    for i in range(n):
        for j in range(i, n):
            U[i, j] = A[i, j]
        U[i, i] += shift
    for k in range(n):
        if not U[k, k] > 0.0 or not U[k, k] < np.inf:
            return False
        root = np.sqrt(U[k, k])
        U[k, k] = root
        over = 1.0 / root
        for j in range(k + 1, n):
            U[k, j] *= over
        for i in range(k + 1, n):
            factor = -U[k, i]
            for j in range(i, n):
                U[i, j] = fma(factor, U[k, j], U[i, j])
    return True


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
            if _cholesky(H[e], shifts[e], U):
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
