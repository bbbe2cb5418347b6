"""At most one root in a box, and the sign of its determinant, from the contractor's matrices (`kernels.contract`).

**At most one root**: if y, y' are roots of the box, φ(u) − φ(u') = S(u − u') with |S − D| ≤ r, hence
y − y' = [Y P (S − D) Q + (I − Y A)](y − y'), and |y − y'| ≤ B|y − y'| with B = |YP| diag(r) |Q| + |I − YA| and its
roundings. A positive vector v with B v < v proves ρ(B) < 1, so y = y'. Then I − P S Q is nonsingular for every such S,
and the sign of its determinant is that of Y.
"""

import numpy as np

from dynaghost.kernels.contract import (
    H_ABS,
    INVERSE_ABS,
    REST_ABS,
    SECANT,
    TERM,
    TINY,
    A,
    B,
    D,
    T,
    V,
    W,
    theta,
)
from dynaghost.kernels.inner import JIT
from dynaghost.kernels.lanes import dot


@JIT
def unique(problem, work):
    """Whether B v < v for some positive v (left in row `V`), roundings included, with the present D, Y and secants."""
    dim, rest = problem.P.shape[1], theta(problem)
    v, t = work.y[V], work.y[T]
    for k in range(dim):
        out = work.square[B, k]
        if problem.QT.shape[1] == 0:
            for j in range(dim):
                out[j] = work.flat[H_ABS, k, j] * work.u[SECANT, j] + work.square[REST_ABS, k, j]
        else:
            for i in range(problem.P.shape[2]):
                work.u[TERM, i] = work.flat[H_ABS, k, i] * work.u[SECANT, i]
            for j in range(dim):
                out[j] = dot(work.u[TERM], problem.QT[1, j]) + work.square[REST_ABS, k, j]
        v[k] = 1.0
    for _ in range(12):
        most, least, largest = 0.0, np.inf, 0.0
        for k in range(dim):
            t[k] = dot(work.square[B, k], v)
            ratio = t[k] / v[k]
            # Not max(): a NaN has to arrive.
            most = ratio if not ratio <= most else most
            least = min(least, ratio)
            largest = max(largest, t[k])
        if most < 0.999:
            return _proved(problem, work, rest)
        if not least < 1.0 or not most < 1e300:
            return False
        for k in range(dim):
            v[k] = t[k] / largest + 1e-3
    return False


@JIT
def _proved(problem, work, rest):
    """B v < v with all roundings: |Y|·θ(|P|(r + D)|Q|v + v) + θ·v on top of the computed B v."""
    dim = problem.P.shape[1]
    for i in range(problem.units):
        if problem.QT.shape[1] == 0:
            q = work.y[V, i]
        else:
            q = 0.0
            for k in range(dim):
                q += problem.QT[1, k, i] * work.y[V, k]
        work.u[TERM, i] = (work.u[SECANT, i] + work.u[D, i]) * q
    for k in range(dim):
        work.y[W, k] = rest * (dot(problem.P[1, k], work.u[TERM]) + work.y[V, k]) + TINY
    for k in range(dim):
        total = work.y[T, k] + dot(work.square[INVERSE_ABS, k], work.y[W]) + rest * work.y[V, k]
        if not total * (1.0 + rest) + TINY < work.y[V, k]:
            return False
    return True


@JIT
def determinant_sign(problem, work):
    """The proved sign of det(I − P S Q) for all S that `unique` has just admitted, with its v; 0 if not proved.

    Elimination with pivoting gives L U = Π A + Δ with |Δ| ≤ 2(d + 2)u·|L||U| (its classical analysis), so that
    Y Πᵀ L U = I − (I − Y A) + Y ΠᵀΔ. If |I − YA|v + |Y||ΠᵀΔ|v < v this has a positive determinant, as I − t(I − Y A) +
    tY ΠᵀΔ is nonsingular for 0 ≤ t ≤ 1: the sign of det Y is that of Π's and U's. Overwrites A.
    """
    dim, rest = problem.P.shape[1], theta(problem)
    L, v, t, order = work.square[A], work.y[V], work.y[T], work.order
    for k in range(dim):
        order[k] = k
    sign = 1
    for k in range(dim):
        at = k
        for i in range(k, dim):
            if abs(L[i, k]) > abs(L[at, k]):
                at = i
        if at != k:
            sign = -sign
            order[k], order[at] = order[at], order[k]
            for j in range(dim):
                L[k, j], L[at, j] = L[at, j], L[k, j]
        if not abs(L[k, k]) > 0.0:
            return 0
        sign = sign if L[k, k] > 0.0 else -sign
        for i in range(k + 1, dim):
            L[i, k] /= L[k, k]
            for j in range(k + 1, dim):
                L[i, j] -= L[i, k] * L[k, j]
    for k in range(dim):
        t[k] = 0.0
        for j in range(k, dim):
            t[k] += abs(L[k, j]) * v[j]
    for k in range(dim - 1, -1, -1):
        total = t[k]
        for j in range(k):
            total += abs(L[k, j]) * t[j]
        work.y[W, order[k]] = rest * (total + v[k]) + TINY
    for k in range(dim):
        total = dot(work.square[REST_ABS, k], v) + dot(work.square[INVERSE_ABS, k], work.y[W]) + rest * v[k]
        if not total * (1.0 + rest) + TINY < v[k]:
            return 0
    return sign
