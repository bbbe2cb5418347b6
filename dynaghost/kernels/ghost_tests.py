"""What can be proved about critical points of q = ½|F|² in a box |z_l| ≤ R_l, from the expansions of `ghost_taylor`.

Write F_k = f₀ + f₁ + f₂ + f₃ + f̂ and ∂_vF_k = h₀ + h₁ + h₂ + ĥ by order in z, with φ_j ≥ |f_j| and η_j ≥ |h_j|. Then
g_v = ∂_vq = Σ_k F_k ∂_vF_k is its Taylor polynomial of order 3 within the sum over k of

    |f₀ĥ₄| + φ₁|ĥ| + φ₂(η₂ + |ĥ|) + φ₃(η₁ + η₂ + |ĥ|) + |f̂|(|h₀| + η₁ + η₂ + |ĥ|),

where ĥ₄ is what of ĥ is of order 4, or rounding. The Hessian is its Taylor polynomial of order 2 within what the same
expansion of DFᵀDF + F·D²F leaves. The metric's ε adds ε Σ|F_k| to f̂ and ε Σ|∂_vF_k| to ĥ.
"""

import numpy as np

from dynaghost.kernels.ghost_taylor import (
    ALPHA_ABS,
    C4,
    DEV,
    DF_REST,
    ETA1,
    ETA2,
    F_REACH,
    F_REST,
    G_REST,
    INVERSE,
    OTHER,
    PHI1,
    PHI2,
    PHI3,
    RHO,
    STEP,
    SUP,
    TEMP,
    TERM,
    TINY,
    UP,
    Z_HIGH,
    Z_LOW,
    F,
    G,
    H,
    J,
    R,
    X,
    copy,
)
from dynaghost.kernels.inner import INLINE, JIT
from dynaghost.kernels.lanes import dot

STRIPS = 16
# Typed: a literal 0 as an argument makes Numba compile the callee twice.
_ZERO = np.int64(0)


@JIT
def set_bounds(problem, work):
    """φ, η and the rests, of F, DF and g: `set_remainders` has put the units' parts into the latter."""
    dim, reach, E = problem.D.shape[0], work.vector[R], problem.errors
    F2, F3, vector, square = work.F2, work.F3, work.vector, work.square
    total = 0.0
    for m in range(dim):
        total += reach[m]
    largest = 0.0
    for k in range(dim):
        phi1, phi2, phi3 = 0.0, 0.0, 0.0
        for a in range(dim):
            eta1, eta2 = 0.0, 0.0
            for b in range(dim):
                third = 0.0
                for c in range(dim):
                    third += abs(F3[k, a, b, c]) * reach[c]
                eta1 += abs(F2[k, a, b]) * reach[b]
                eta2 += 0.5 * third * reach[b]
            square[ETA1, k, a], square[ETA2, k, a] = eta1 * UP, eta2 * UP
            square[DF_REST, k, a] += E[1, k] + total * (E[2, k] + total * (0.5 * E[3, k] + total * E[4, k]))
            phi1 += abs(square[J, k, a]) * reach[a]
            phi2 += 0.5 * eta1 * reach[a]
            phi3 += eta2 * reach[a] / 3.0
        vector[PHI1, k], vector[PHI2, k], vector[PHI3, k] = phi1 * UP, phi2 * UP, phi3 * UP
        vector[F_REST, k] += E[0, k] + total * (E[1, k] + total * (0.5 * E[2, k] + total * E[3, k]))
        vector[F_REACH, k] = (abs(vector[F, k]) + phi1 + phi2 + phi3 + vector[F_REST, k]) * UP
        largest += vector[F_REACH, k]
    _metric_and_gradient(problem, work, total, largest)


@INLINE
def _metric_and_gradient(problem, work, total, largest):
    dim, vector, square, E = problem.D.shape[0], work.vector, work.square, problem.errors
    for k in range(dim):
        vector[F_REST, k] = (vector[F_REST, k] + problem.knobs[0] * largest) * UP
    for v in range(dim):
        slopes = 0.0
        for k in range(dim):
            slopes += abs(square[J, k, v]) + square[ETA1, k, v] + square[ETA2, k, v] + square[DF_REST, k, v]
        rest = vector[G_REST, v]
        for k in range(dim):
            noise = E[1, k] + total * (E[2, k] + total * (0.5 * E[3, k] + total * E[4, k])) + problem.knobs[0] * slopes
            square[DF_REST, k, v] = (square[DF_REST, k, v] + problem.knobs[0] * slopes) * UP
            h0, h1, h2, hr = abs(square[J, k, v]), square[ETA1, k, v], square[ETA2, k, v], square[DF_REST, k, v]
            rest += abs(vector[F, k]) * noise + vector[PHI1, k] * hr + vector[PHI2, k] * (h2 + hr)
            rest += vector[PHI3, k] * (h1 + h2 + hr) + vector[F_REST, k] * (h0 + h1 + h2 + hr)
        vector[G_REST, v] = rest * UP + TINY


@JIT
def strip(problem, work, v):
    """Narrow z_v to where g_v may vanish, keeping its cubic along v; false if nowhere. Uses the ranges `STEP` of z.

    With x = z_v, g_v(z) is c₀ + c₁x + c₂x² + c₃x³ within e₀ + e₁|x| + e₂x².
    """
    vector, square = work.vector, work.square
    dim, reach, q3, q4 = problem.D.shape[0], vector[STEP], work.q3, work.q4
    c0, c1, c2, c3 = vector[G, v], square[H, v, v], 0.5 * q3[v, v, v], q4[v, v, v, v] / 6.0
    e0, e1, e2 = vector[G_REST, v], 0.0, 0.0
    for m in range(dim):
        if m == v:
            continue
        r = reach[m]
        e0 += abs(square[H, v, m]) * r
        e1 += abs(q3[v, v, m]) * r
        e2 += 0.5 * abs(q4[v, v, v, m]) * r
        # z_m² lies in [0, r²].
        shift = 0.25 * q3[v, m, m] * r * r
        c0 += shift
        e0 += abs(shift)
        shift = 0.25 * q4[v, v, m, m] * r * r
        c1 += shift
        e1 += abs(shift)
        for n in range(dim):
            if n == v:
                continue
            if n != m:
                e0 += 0.5 * abs(q3[v, m, n]) * r * reach[n]
                e1 += 0.5 * abs(q4[v, v, m, n]) * r * reach[n]
            for p in range(dim):
                if p != v:
                    e0 += abs(q4[v, m, n, p]) * r * reach[n] * reach[p] / 6.0
    factor = problem.knobs[1]
    return _strips(work, v, c0, c1, c2, c3, factor * e0, factor * e1, factor * e2)


@INLINE
def _strips(work, v, c0, c1, c2, c3, e0, e1, e2):
    vector = work.vector
    low, high = vector[Z_LOW, v], vector[Z_HIGH, v]
    h = (0.5 / STRIPS) * (high - low)
    far = max(abs(low), abs(high))
    e0 = (e0 + 1e-14 * (abs(c0) + far * (abs(c1) + far * (abs(c2) + far * abs(c3))))) * UP
    wide = h * (1.0 + 1e-9) + 1e-14 * far
    first, last = STRIPS, -1
    for i in range(STRIPS):
        x = low + (2 * i + 1) * h
        value = c0 + x * (c1 + x * (c2 + x * c3))
        slope = abs(c1 + x * (2.0 * c2 + x * 3.0 * c3))
        bend = abs(c2 + 3.0 * x * c3)
        spread = wide * (slope + wide * (bend + wide * abs(c3)))
        reach = abs(x) + wide
        if not abs(value) * (1.0 - 1e-12) > (spread + e0 + reach * (e1 + reach * e2)) * UP:
            last = i
            if first == STRIPS:
                first = i
    if last < 0:
        return False
    if first > 0:
        vector[Z_LOW, v] = low + 2 * first * h - 1e-12 * h - 1e-14 * far
    if last < STRIPS - 1:
        vector[Z_HIGH, v] = low + 2 * (last + 1) * h + 1e-12 * h + 1e-14 * far
    vector[STEP, v] = min(vector[R, v], max(abs(vector[Z_LOW, v]), abs(vector[Z_HIGH, v])))
    return True


@INLINE
def _curvature_rest(problem, work, a, b):
    """Bound on ∂_a∂_bq less its Taylor polynomial of order 2."""
    dim, unit, vector, square, E = problem.D.shape[0], work.unit, work.vector, work.square, problem.errors
    rho, sup, c4, term, other = unit[RHO], unit[SUP], unit[C4], unit[TERM], unit[OTHER]
    left, right = work.frame[1, a], work.frame[1, b]
    for i in range(rho.size):
        term[i] = (8.0 / 3.0) * sup[i] * rho[i] * rho[i] * rho[i] * left[i] * right[i]
    rest, total = dot(term, unit[ALPHA_ABS]), 0.0
    for i in range(rho.size):
        other[i] = term[i] + 12.0 * (abs(c4[i]) + 1e-14) * rho[i] * rho[i] * left[i] * right[i]
    for m in range(dim):
        total += vector[R, m]
    for k in range(dim):
        noise = E[2, k] + total * (E[3, k] + total * E[4, k])
        d0, d1, d2 = abs(work.F2[k, a, b]), 0.0, dot(problem.A[1, k], other) * UP + noise
        for c in range(dim):
            d1 += abs(work.F3[k, a, b, c]) * vector[R, c]
        rest += abs(vector[F, k]) * noise + vector[PHI1, k] * d2 + vector[PHI2, k] * (d1 + d2)
        rest += (vector[PHI3, k] + vector[F_REST, k]) * (d0 + d1 + d2)
        x1, x2, xr = square[ETA1, k, a], square[ETA2, k, a], square[DF_REST, k, a]
        y0, y1, y2, yr = abs(square[J, k, b]), square[ETA1, k, b], square[ETA2, k, b], square[DF_REST, k, b]
        rest += abs(square[J, k, a]) * yr + x1 * (y2 + yr) + x2 * (y1 + y2 + yr) + xr * (y0 + y1 + y2 + yr)
    return problem.knobs[1] * rest * UP + TINY


@JIT
def _curvature_range(problem, work, a, b):
    """A centre and a reach of ∂_a∂_bq over the box."""
    dim, reach = problem.D.shape[0], work.vector[R]
    middle, rest = work.square[H, a, b], _curvature_rest(problem, work, a, b)
    for c in range(dim):
        r = reach[c]
        shift = 0.25 * work.q4[a, b, c, c] * r * r
        middle += shift
        rest += abs(shift) + abs(work.q3[a, b, c]) * r
        for d in range(c):
            rest += abs(work.q4[a, b, c, d]) * r * reach[d]
    return middle, rest * UP


@INLINE
def bends_down(problem, work):
    """Whether ∂₀²q < 0 on the box: then no minimum lies in it."""
    dim, slack = problem.D.shape[0], work.square[H, 0, 0]
    if slack >= 0.0:
        return False
    for c in range(dim):
        slack += 0.2 * abs(work.q3[0, 0, c]) * work.vector[R, c]
    if slack >= 0.0:
        return False
    middle, reach = _curvature_range(problem, work, _ZERO, _ZERO)
    return middle + reach < 0.0


@INLINE
def convex(problem, work):
    """Whether the Hessian of q is positive definite on the box: it holds at most one critical point of q."""
    vector, square = work.vector, work.square
    dim, dev = problem.D.shape[0], square[DEV]
    for a in range(dim):
        slack = square[H, a, a]
        for c in range(dim):
            slack -= 0.2 * abs(work.q3[a, a, c]) * vector[R, c]
        if slack <= 0.0:
            return False
    for a in range(dim):
        for b in range(a, dim):
            middle, reach = _curvature_range(problem, work, a, b)
            if a == b:
                vector[X, a] = middle - reach
                dev[a, a] = 0.0
                if not middle > reach:
                    return False
            else:
                dev[a, b] = dev[b, a] = abs(middle) + reach
    return dominant(vector[X], dev, square[TEMP, 0])


@JIT
def dominant(diagonal, dev, x):
    """Whether diag − dev is a nonsingular M-matrix (dev ≥ 0): a positive x with diag·x > dev x proves it."""
    dim = diagonal.size
    for a in range(dim):
        if not diagonal[a] > dev[a, a]:
            return False
        x[a] = 1.0 / diagonal[a]
    for _ in range(6):
        for a in range(dim):
            total = 1.0
            for b in range(dim):
                total += dev[a, b] * x[b]
            x[a] = total / diagonal[a]
    for a in range(dim):
        total = 0.0
        for b in range(dim):
            total += dev[a, b] * x[b]
        if not (0.0 < x[a] < 1e200 and diagonal[a] * x[a] > total * UP):
            return False
    return True


@INLINE
def inverse_into(A, out):
    """out ← about A⁻¹ by Gauss–Jordan elimination with pivoting; A is overwritten. False if it is singular."""
    dim = A.shape[0]
    for a in range(dim):
        for b in range(dim):
            out[a, b] = 1.0 if a == b else 0.0
    for a in range(dim):
        at = a
        for i in range(a + 1, dim):
            at = i if abs(A[i, a]) > abs(A[at, a]) else at
        pivot = A[at, a]
        if not 1e-200 < abs(pivot) < 1e200:
            return False
        for b in range(dim):
            A[a, b], A[at, b] = A[at, b], A[a, b]
            out[a, b], out[at, b] = out[at, b], out[a, b]
        for b in range(dim):
            A[a, b] /= pivot
            out[a, b] /= pivot
        for i in range(dim):
            if i != a:
                factor = A[i, a]
                for b in range(dim):
                    A[i, b] -= factor * A[a, b]
                    out[i, b] -= factor * out[a, b]
    return True


@JIT
def regular(problem, work):
    """Whether DF is nonsingular on the box: Y·DF = I + E, ρ(|E|) < 1, with Y about J⁻¹. Then it holds no ghost."""
    vector = work.vector
    dim, reach, square = problem.D.shape[0], vector[R], work.square
    Y, dev, diagonal = square[INVERSE], square[DEV], vector[X]
    copy(square[J], square[TEMP])
    if not inverse_into(square[TEMP], Y):
        return False
    for a in range(dim):
        diagonal[a] = 1.0
        for b in range(dim):
            value, size, rest = (-1.0 if a == b else 0.0), 1.0, 0.0
            for k in range(dim):
                value += Y[a, k] * square[J, k, b]
                size += abs(Y[a, k] * square[J, k, b])
                rest += problem.knobs[1] * abs(Y[a, k]) * square[DF_REST, k, b]
            rest += abs(value) + 1e-14 * size
            for c in range(dim):
                value = 0.0
                for k in range(dim):
                    value += Y[a, k] * work.F2[k, b, c]
                rest += abs(value) * reach[c]
                for d in range(dim):
                    value = 0.0
                    for k in range(dim):
                        value += Y[a, k] * work.F3[k, b, c, d]
                    rest += 0.5 * abs(value) * reach[c] * reach[d]
            dev[a, b] = rest * UP
    return dominant(diagonal, dev, square[TEMP, 0])


@JIT
def least_speed(problem, work):
    """Bounds on |F| over the box."""
    vector = work.vector
    low, high = 0.0, 0.0
    for k in range(problem.D.shape[0]):
        f = abs(vector[F, k])
        move = vector[F_REACH, k] * (1.0 + 1e-15) - f + 2e-16 * f + vector[F_REST, k]
        near = max(f - move, 0.0)
        low += near * near
        high += (f + move) * (f + move)
    return np.sqrt(low) * (1.0 - 1e-12), np.sqrt(high) * UP
