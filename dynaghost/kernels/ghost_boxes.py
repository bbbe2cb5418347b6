"""All minima of q = ½|F|² with F ≠ 0 in a box, with proof: branch and prune over `ghost_tests` and `ghost_minima`.

Each box has its own frame: y = origin + P x, low ≤ x ≤ high, P orthonormal; a box that is divided hands origin and
frame to both halves, which share a face exactly. At its centre q is expanded in the eigenvectors Q of its Hessian. Then

1. large boxes: no critical point, by the sphere on which they all lie (`ghost_minima.off_the_sphere`);
2. no minimum: ∂²q < 0 along the lowest eigenvector;
3. no critical point: in strips along each eigenvector ∂_vq ≠ 0. What is left of the strips narrows the box;
4. no ghost: DF is nonsingular;
5. at most one critical point, the Hessian being positive definite: Newton's method finds it, and a small box around it
   on whose faces ∇q points outwards proves it. If F ≠ 0 there it is a ghost; if DF is nonsingular there it is none.

What is left of a box is described in the frame, P or Q, in which its volume is smaller: near a saddle-node boxes become
long along the slow direction, and few of them are needed. They are divided across their longest side.
"""

import numpy as np

from dynaghost.kernels.ghost_minima import bounded, expand, off_the_sphere, overlap, settle
from dynaghost.kernels.ghost_taylor import (
    FRAME,
    STEP,
    TOP,
    UP,
    X_REACH,
    Z_HIGH,
    Z_LOW,
    Q,
    R,
    U,
    X,
    Y,
    copy,
    make_work,
    set_remainders,
    set_value,
)
from dynaghost.kernels.ghost_tests import bends_down, convex, regular, set_bounds, strip
from dynaghost.kernels.inner import ENTRY, INLINE, JIT

DONE, BUDGET, STACK, ROOM = 0, 1, 2, 3
_GONE, _LEFT = 0, 1
_DEPTH = 2000
_ORIGIN, _LOW, _HIGH = 0, 1, 2
_THIN = 0.01


@INLINE
def _look(problem, work, box, P, found, count):
    """All tests on one box. `_GONE` or `_LEFT`, the number of ghosts, and whether z was narrowed to [Z_LOW, Z_HIGH]."""
    vector, square = work.vector, work.square
    dim, y, reach = problem.D.shape[0], vector[Y], vector[R]
    centre, half, slack, large = vector[X], vector[X_REACH], 0.0, 0.0
    for j in range(dim):
        centre[j] = 0.5 * (box[_LOW, j] + box[_HIGH, j])
        half[j] = max(box[_HIGH, j] - centre[j], centre[j] - box[_LOW, j])
        slack += abs(box[_ORIGIN, j]) + abs(centre[j]) * dim
        large = max(large, half[j])
    for k in range(dim):
        y[k] = box[_ORIGIN, k]
        for j in range(dim):
            y[k] += P[k, j] * centre[j]
    for j in range(dim):
        half[j] = half[j] * UP + 16.0 * U * slack
    if large > problem.knobs[3]:
        set_value(problem, work)
        for k in range(dim):
            vector[STEP, k] = 1e-12 * large * dim
            for j in range(dim):
                vector[STEP, k] += abs(P[k, j]) * half[j] * UP
        if off_the_sphere(problem, work, vector[STEP]):
            return _GONE, count, False
    if not bounded(problem, y) or not expand(problem, work):
        return _LEFT, count, False
    # A thousandth more than the box: what is proved holds around its faces too.
    overlap(square[Q], P, half, reach, 1.001)
    for v in range(dim):
        vector[STEP, v] = vector[Z_HIGH, v] = reach[v]
        vector[Z_LOW, v] = -reach[v]
        vector[TOP, v] = y[v]
    set_remainders(problem, work)
    set_bounds(problem, work)
    if bends_down(problem, work):
        return _GONE, count, False
    for v in range(dim - 1, -1, -1):
        if not strip(problem, work, v):
            return _GONE, count, False
    if regular(problem, work):
        return _GONE, count, False
    if convex(problem, work):
        copy(square[Q], square[FRAME])
        settled, count = settle(problem, work, found, count)
        if settled:
            return _GONE, count, False
        copy(square[FRAME], square[Q])
    return _LEFT, count, True


@JIT
def _volume(low, high):
    product = 1.0
    for j in range(low.size):
        product *= high[j] - low[j]
    return product


@JIT
def _narrow(problem, work, box, P):
    """Intersect the box with the ranges of z, in the frame that leaves less; returns the share that is left."""
    vector, square = work.vector, work.square
    dim = P.shape[0]
    before = _volume(box[_LOW], box[_HIGH])
    total = 0.0
    for v in range(dim):
        total += max(abs(vector[Z_LOW, v]), abs(vector[Z_HIGH, v]))
    for j in range(dim):
        at = 0.5 * (box[_LOW, j] + box[_HIGH, j])
        low, high = -1e-12 * total - 1e-14 * abs(at), 1e-12 * total + 1e-14 * abs(at)
        for v in range(dim):
            product = 0.0
            for k in range(dim):
                product += P[k, j] * square[Q, k, v]
            ends = product * vector[Z_LOW, v], product * vector[Z_HIGH, v]
            low += min(ends[0], ends[1])
            high += max(ends[0], ends[1])
        slack = 16.0 * U * (abs(at) + abs(box[_ORIGIN, j])) * dim
        box[_LOW, j] = max(box[_LOW, j], at + low - slack)
        box[_HIGH, j] = min(box[_HIGH, j], at + high + slack)
        if not box[_LOW, j] < box[_HIGH, j]:
            return 0.0
    if _volume(vector[Z_LOW], vector[Z_HIGH]) < 0.9 * _volume(box[_LOW], box[_HIGH]):
        for k in range(dim):
            box[_ORIGIN, k] = vector[TOP, k]
            box[_LOW, k], box[_HIGH, k] = vector[Z_LOW, k], vector[Z_HIGH, k]
        copy(square[Q], P)
    for k in range(dim):
        # Thinner than the enclosure of a minimum it could never hold one.
        if box[_HIGH, k] - box[_LOW, k] < _THIN * problem.knobs[2]:
            middle = 0.5 * (box[_LOW, k] + box[_HIGH, k])
            box[_LOW, k], box[_HIGH, k] = middle - _THIN * problem.knobs[2], middle + _THIN * problem.knobs[2]
    return _volume(box[_LOW], box[_HIGH]) / before


@JIT
def _hull(box, P, low, high):
    """The box's hull in y."""
    for k in range(low.size):
        low[k] = high[k] = box[_ORIGIN, k]
        for j in range(low.size):
            ends = P[k, j] * box[_LOW, j], P[k, j] * box[_HIGH, j]
            low[k] += min(ends[0], ends[1])
            high[k] += max(ends[0], ends[1])
        slack = 1e-14 * (abs(low[k]) + abs(high[k]) + abs(box[_ORIGIN, k]))
        low[k], high[k] = low[k] - slack, high[k] + slack


@ENTRY
def _run(problem, work, stack, frames, found, left, budget):
    """Search what is on the stack; its last place is for the box that is looked at.

    Returns
    -------
    count, left_count, boxes, status : int
        Of the rows filled of `found` and `left`; `ROOM` says that one of them was too short.
    """
    dim, room = problem.D.shape[0], stack.shape[0] - 1
    box, P = stack[room], frames[room]
    count, left_count, boxes, status, depth = 0, 0, 0, DONE, 1
    while depth > 0:
        if boxes >= budget or depth + 2 > room:
            status = BUDGET if boxes >= budget else STACK
            break
        depth -= 1
        copy(stack[depth], box)
        copy(frames[depth], P)
        keep = True
        for _ in range(20):
            boxes += 1
            if count == found.shape[0] or left_count + depth + 2 > left.shape[0]:
                return count, left_count, boxes, ROOM
            outcome, count, narrowed = _look(problem, work, box, P, found, count)
            if outcome == _GONE:
                keep = False
                break
            if not narrowed:
                break
            share = _narrow(problem, work, box, P)
            if share == 0.0:
                keep = False
                break
            if share > 0.6:
                break
        if not keep:
            continue
        at = 0
        for j in range(1, dim):
            at = j if box[_HIGH, j] - box[_LOW, j] > box[_HIGH, at] - box[_LOW, at] else at
        middle = 0.5 * (box[_LOW, at] + box[_HIGH, at])
        if not box[_HIGH, at] - box[_LOW, at] > problem.knobs[2] or not box[_LOW, at] < middle < box[_HIGH, at]:
            _hull(box, P, left[left_count, :dim], left[left_count, dim:])
            left_count += 1
            continue
        for side in range(2):
            copy(box, stack[depth])
            copy(P, frames[depth])
            stack[depth, _HIGH if side else _LOW, at] = middle
            depth += 1
    for k in range(depth):
        _hull(stack[k], frames[k], left[left_count, :dim], left[left_count, dim:])
        left_count += 1
    return count, left_count, boxes, status


def search(problem, reach, budget):
    """Every ghost in |y| ≤ reach, elementwise: see the module's docstring.

    Parameters
    ----------
    problem : Problem
    reach : (K,) float64 array
    budget : int
        Most boxes to look at.

    Returns
    -------
    found : (count, K + 4) float64 array
        Of each ghost y and the columns `RADIUS` to `SPEED_HIGH`.
    left : (left_count, 2K) float64 array
        Hulls of boxes about which nothing is claimed.
    boxes, status : int
    """
    dim, room = reach.size, 4 * _DEPTH
    work = make_work(problem)
    stack, frames = np.zeros((_DEPTH + 1, 3, dim)), np.zeros((_DEPTH + 1, dim, dim))
    while True:
        stack[0, _ORIGIN], stack[0, _LOW], stack[0, _HIGH], frames[0] = 0.0, -reach, reach, np.eye(dim)
        found, left = np.zeros((room, dim + 4)), np.zeros((room, 2 * dim))
        count, left_count, boxes, status = _run(problem, work, stack, frames, found, left, np.int64(budget))
        if status != ROOM:
            return found[:count], left[:left_count], boxes, status
        room *= 4
