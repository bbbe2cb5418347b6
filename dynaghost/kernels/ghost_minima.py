"""One minimum of q = ½|F|² by Newton's method, with proof; the frames and the sphere that `ghost_boxes` works with."""

import numpy as np

from dynaghost.kernels.elementary import tanh_sech2_into
from dynaghost.kernels.ghost_taylor import (
    ARG,
    FRAME,
    G_REST,
    H_Y,
    HIGH4,
    J_Y,
    LOW4,
    OTHER,
    RHO,
    SECH_HIGH,
    SECH_LOW,
    STEP,
    TEMP,
    TERM,
    TOP,
    UP,
    X_REACH,
    F,
    G,
    H,
    Q,
    R,
    X,
    Y,
    copy,
    set_hessian,
    set_remainders,
    set_tensors,
    set_value,
)
from dynaghost.kernels.ghost_tests import least_speed, regular, set_bounds
from dynaghost.kernels.inner import INLINE, JIT
from dynaghost.kernels.lanes import dot

# Columns of a ghost after its K coordinates.
RADIUS, SPEED, SPEED_LOW, SPEED_HIGH = 0, 1, 2, 3


@JIT
def _eigenvectors(A, V):
    """Jacobi's method: V ← eigenvectors of the symmetric A in columns, lowest eigenvalue first; A is overwritten."""
    dim = A.shape[0]
    for i in range(dim):
        for j in range(dim):
            V[i, j] = 1.0 if i == j else 0.0
    for _ in range(12):
        off, size = 0.0, 0.0
        for i in range(dim):
            size += abs(A[i, i])
            for j in range(i + 1, dim):
                off += abs(A[i, j])
        if not off > 1e-17 * size:
            break
        for i in range(dim):
            for j in range(i + 1, dim):
                if A[i, j] == 0.0:
                    continue
                theta = 0.5 * (A[j, j] - A[i, i]) / A[i, j]
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                t = -t if theta < 0.0 else t
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for k in range(dim):
                    x, y = A[k, i], A[k, j]
                    A[k, i], A[k, j] = c * x - s * y, s * x + c * y
                for k in range(dim):
                    x, y = A[i, k], A[j, k]
                    A[i, k], A[j, k] = c * x - s * y, s * x + c * y
                for k in range(dim):
                    x, y = V[k, i], V[k, j]
                    V[k, i], V[k, j] = c * x - s * y, s * x + c * y
    for i in range(dim):
        at = i
        for j in range(i + 1, dim):
            at = j if A[j, j] < A[at, at] else at
        A[i, i], A[at, at] = A[at, at], A[i, i]
        for k in range(dim):
            V[k, i], V[k, at] = V[k, at], V[k, i]


@JIT
def _orthonormal(V):
    """Whether VᵀV is the identity to 1e-13."""
    dim = V.shape[0]
    for i in range(dim):
        for j in range(dim):
            total = -1.0 if i == j else 0.0
            for k in range(dim):
                total += V[k, i] * V[k, j]
            if not abs(total) < 1e-13:
                return False
    return True


@JIT
def bounded(problem, y):
    """Whether y is where the rounding errors of `Problem` hold."""
    most = 0.0
    for k in range(y.size):
        most = max(most, abs(y[k]))
    return most <= problem.knobs[4]


@INLINE
def expand(problem, work):
    """F, the frame Q and all derivatives at y; false if they are not finite."""
    square = work.square
    set_value(problem, work)
    set_hessian(problem, work)
    copy(square[H_Y], square[TEMP])
    _eigenvectors(square[TEMP], square[Q])
    if not _orthonormal(square[Q]):
        return False
    set_tensors(problem, work)
    return True


@JIT
def overlap(left, right, r, out, share):
    """out ← share of the half-widths along the columns of `left` of the box of half-widths r along those of `right`."""
    dim, total = r.size, 0.0
    for j in range(dim):
        total += r[j]
    for v in range(dim):
        reach = 1e-12 * total
        for j in range(dim):
            product = 0.0
            for k in range(dim):
                product += left[k, v] * right[k, j]
            reach += abs(product) * r[j]
        out[v] = reach * UP * share


@JIT
def off_the_sphere(problem, work, r):
    """Whether no critical point of q lies in |y − y₀| ≤ r, elementwise.

    With ψ = sech²u·(u − b), yᵀ∇q = (Aψ − y)·(A tanh u − y): they are on the sphere whose diameter runs from Aψ to
    A tanh u.
    """
    unit, dim = work.unit, problem.D.shape[0]
    u, rho, p, half, e, e_half = unit[ARG], unit[RHO], unit[TERM], unit[OTHER], unit[LOW4], unit[HIGH4]
    for i in range(rho.size):
        rho[i] = problem.delta[i]
    for j in range(dim):
        row, width = problem.B[j], r[j] * UP
        for i in range(rho.size):
            rho[i] += width * (abs(row[i]) + 1e-13 * problem.beta[i])
    for i in range(u.size):
        e[i], e_half[i] = u[i] - rho[i], u[i] + rho[i]
    tanh_sech2_into(e, p, unit[SECH_LOW])
    tanh_sech2_into(e_half, half, unit[SECH_HIGH])
    for i in range(u.size):
        one, two = unit[SECH_LOW, i], unit[SECH_HIGH, i]
        least, most = min(one, two), (1.0 if e[i] <= 0.0 <= e_half[i] else max(one, two))
        x, w = u[i] - problem.b[i], rho[i] + 1e-12 * (abs(u[i]) + abs(problem.b[i]))
        high = max((x + w) * most, (x + w) * least)
        low = min((x - w) * most, (x - w) * least)
        e[i], e_half[i] = 0.5 * (low + high), 0.5 * (high - low) + 1e-12 * (1.0 + abs(low) + abs(high))
        low, high = p[i], half[i]
        p[i], half[i] = 0.5 * (low + high), 0.5 * (high - low) + 1e-12
    away, size = 0.0, 0.0
    for k in range(dim):
        one, two = dot(problem.A[0, k], p), dot(problem.A[0, k], e)
        spread = (dot(problem.A[1, k], half) + dot(problem.A[1, k], e_half)) * UP
        gap = abs(work.vector[Y, k] - 0.5 * (one + two)) - r[k] - 0.5 * spread - 1e-9 * (1.0 + abs(one) + abs(two))
        away += max(gap, 0.0) ** 2
        size += (abs(one - two) + spread) ** 2
    return away > 0.25 * size * (1.0 + 1e-6)


@INLINE
def _newton(problem, work, reach):
    """Newton's method on ∇q from y, in place; false if it does not settle within 4·reach of its start."""
    vector, square = work.vector, work.square
    dim, y, before = problem.D.shape[0], vector[Y], np.inf
    travelled = 0.0
    for step in range(40):
        set_value(problem, work)
        set_hessian(problem, work)
        copy(square[H_Y], square[TEMP])
        _eigenvectors(square[TEMP], square[Q])
        for v in range(dim):
            slope = 0.0
            for k in range(dim):
                along = 0.0
                for m in range(dim):
                    along += square[J_Y, k, m] * square[Q, m, v]
                slope += along * vector[F, k]
            vector[STEP, v] = -slope / square[TEMP, v, v]
        size, scale = 0.0, 1.0
        for m in range(dim):
            move = 0.0
            for v in range(dim):
                move += square[Q, m, v] * vector[STEP, v]
            y[m] += move
            size += abs(move)
            scale = max(scale, abs(y[m]))
        travelled += size
        if not travelled < 4.0 * reach + 1e-9:
            return False
        if size < 1e-15 * scale or (step > 4 and size < 1e-6 and size >= 0.5 * before):
            return True
        before = size
    return before < 1e-6


@INLINE
def _proved_minimum(problem, work, within):
    """Whether ∇q points outwards on every face of a small box around y, whose half-widths are left in `R`."""
    vector, square = work.vector, work.square
    dim, reach = problem.D.shape[0], vector[R]
    for v in range(dim):
        reach[v] = 1e-12 * within
    for _ in range(5):
        set_remainders(problem, work)
        set_bounds(problem, work)
        proved = True
        for v in range(dim):
            rest = abs(vector[G, v]) + vector[G_REST, v]
            for m in range(dim):
                if m != v:
                    rest += abs(square[H, v, m]) * reach[m]
                for n in range(dim):
                    rest += 0.5 * abs(work.q3[v, m, n]) * reach[m] * reach[n]
                    for p in range(dim):
                        rest += abs(work.q4[v, m, n, p]) * reach[m] * reach[n] * reach[p] / 6.0
            bend = square[H, v, v]
            if not bend > 0.0:
                return False
            proved = proved and bend * reach[v] > rest * (1.0 + 1e-9)
            vector[STEP, v] = max(reach[v], 2.0 * rest / bend)
        if proved:
            return True
        for v in range(dim):
            reach[v] = vector[STEP, v]
            if not reach[v] < within:
                return False
    return False


@JIT
def _in_box(work, centre, frame, reach, y, radius):
    """Whether the ball of `radius` around y lies in the box of half-widths `reach` around `centre`."""
    dim = y.size
    total = radius
    for k in range(dim):
        total += abs(y[k] - centre[k])
    for v in range(dim):
        along = 0.0
        for k in range(dim):
            along += frame[k, v] * (y[k] - centre[k])
        # The frame is orthonormal to 1e-13 only.
        if not abs(along) + radius + 1e-12 * total < reach[v]:
            return False
    return True


@INLINE
def settle(problem, work, found, count):
    """In a box with at most one critical point: whether it is decided, and the new number of ghosts."""
    vector, square = work.vector, work.square
    dim, y = problem.D.shape[0], vector[Y]
    centre, reach, frame = vector[X], vector[X_REACH], square[FRAME]
    within = 0.0
    for v in range(dim):
        centre[v], reach[v] = y[v], vector[R, v]
        within = max(within, reach[v])
        for k in range(dim):
            frame[k, v] = square[Q, k, v]
    if not _newton(problem, work, within) or not bounded(problem, y) or not expand(problem, work):
        return False, count
    if not _proved_minimum(problem, work, within):
        return False, count
    radius = 0.0
    for v in range(dim):
        radius += vector[R, v] ** 2
    radius = np.sqrt(radius) * (1.0 + 1e-12)
    if not _in_box(work, vector[TOP], frame, vector[X_REACH], y, radius):
        return False, count
    low, high = least_speed(problem, work)
    if not low > 0.0:
        return regular(problem, work), count
    for j in range(count):
        distance = 0.0
        for k in range(dim):
            distance += (found[j, k] - y[k]) ** 2
        if np.sqrt(distance) > (found[j, dim + RADIUS] + radius) * (1.0 + 1e-9):
            continue
        # Enclosures that meet: one minimum, if both lie where there is at most one.
        same = _in_box(work, vector[TOP], frame, vector[X_REACH], found[j, :dim], found[j, dim + RADIUS])
        return same, count
    speed = 0.0
    for k in range(dim):
        found[count, k] = y[k]
        speed += vector[F, k] ** 2
    found[count, dim + RADIUS], found[count, dim + SPEED] = radius, np.sqrt(speed)
    found[count, dim + SPEED_LOW], found[count, dim + SPEED_HIGH] = low, high
    return True, count + 1
