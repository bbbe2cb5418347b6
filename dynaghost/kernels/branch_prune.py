"""All roots of y = P φ(Qy + a) + c in a box, with proof: depth-first branch and prune over `kernels.contract`.

In each box: ranges of φ (rows of the equation, propagated forwards) and the affine contractor, again and again while
they take more than `_GAIN` of its width; a box that becomes empty holds no root. Where the contractor shows at most one
root, Newton's method looks for it: a root proved on a tiny box around the point that it reaches, inside the region of
uniqueness, settles the box; a root outside does only if uniqueness holds on the hull of both. Otherwise the box is
divided across the variable whose bands widen the image most, argmax Σ_k|G_ki|·(e₊ − e₋)_i, G = (I − P D Q)⁻¹P.

A box narrower than `STOP` that is still open is listed as it is: I − P D Q is then nearly singular on it, as at an
exact fold or pitchfork, which leaves such boxes at any width. So is whatever is left when the budget ends.
"""

import math

import numpy as np

from dynaghost.kernels import bands, contract
from dynaghost.kernels.contract import E_REACH, H_ABS, HIGH, LOW, RHO, TERM, Y_ABS, G
from dynaghost.kernels.inner import ENTRY, INLINE, JIT
from dynaghost.kernels.lanes import dot
from dynaghost.kernels.settle import (
    A_HIGH,
    A_LOW,
    BOX_HIGH,
    BOX_LOW,
    POINT_Y,
    R_HIGH,
    R_LOW,
    apart,
    place,
    settle,
    take,
    within,
)
from dynaghost.kernels.uniqueness import unique

DONE, BUDGET, STACK, ROOM = 0, 1, 2, 3
STOP = 1e-6
"""Boxes whose every side is below this, relative to max(1, |y|), are not divided further."""
_GAIN = 0.03
_DEPTH = 4096

# Of a listed root: the point, the box that is proved to hold it, the region in which it is alone, and its index.
POINT, ROOT_LOW, ROOT_HIGH, ALONE_LOW, ALONE_HIGH, INDEX = 0, 1, 2, 3, 4, 5
_NEW, _LISTED, _OPEN = 0, 1, 2


@INLINE
def _contracted(problem, work, dim):
    """Narrow the box of `work` while it pays. False if it holds no root; second, whether Y and B are at hand."""
    ready = False
    for _ in range(30):
        contract.set_units(problem, work)
        contract.set_bands(problem, work)
        gone = contract.propagate(problem, work)
        if gone < 0.0:
            return False, False
        for k in range(dim):
            work.y[Y_ABS, k] = max(abs(work.y[LOW, k]), abs(work.y[HIGH, k]))
        ready = contract.set_inverse(problem, work)
        if ready:
            contract.set_image(problem, work)
            more = contract.intersect(work.y[LOW], work.y[HIGH], work.y[G], work.y[RHO], dim)
            if more < 0.0:
                return False, False
            gone += more
        if gone < _GAIN:
            break
    return True, ready


@INLINE
def _known(box, found, count):
    """`_LISTED` if the root enclosed in `box` is in the list, `_NEW` if it is proved not to be, `_OPEN` if neither."""
    for j in range(count):
        low, high = found[ROOT_LOW, j], found[ROOT_HIGH, j]
        if apart(box[R_LOW], box[R_HIGH], low, high):
            continue
        inside = within(box[R_LOW], box[R_HIGH], found[ALONE_LOW, j], found[ALONE_HIGH, j])
        return _LISTED if inside or within(low, high, box[A_LOW], box[A_HIGH]) else _OPEN
    return _NEW


@JIT
def _branch(problem, work, dim):
    """The variable whose share in the image's width is largest, by the present G and bands."""
    best, at = -1.0, 0
    if problem.QT.shape[1] == 0:
        for i in range(dim):
            score = 0.0
            for k in range(dim):
                score += work.flat[H_ABS, k, i]
            score *= work.u[E_REACH, i]
            if score > best and work.y[HIGH, i] > work.y[LOW, i]:
                best, at = score, i
        return at
    for i in range(problem.units):
        score, spread = 0.0, 0.0
        for k in range(dim):
            score += work.flat[H_ABS, k, i]
            spread += problem.QT[1, k, i] * (work.y[HIGH, k] - work.y[LOW, k])
        work.u[TERM, i] = score * work.u[E_REACH, i] / spread if spread > 0.0 else 0.0
    for k in range(dim):
        score = dot(work.u[TERM], problem.QT[1, k]) * (work.y[HIGH, k] - work.y[LOW, k])
        if score > best:
            best, at = score, k
    return at


@JIT
def _cut(problem, low, high):
    """Where to divide [low, high]: for tanh of the variable itself the mean of the middles in u and in x."""
    middle = 0.5 * (low + high)
    if problem.kind == bands.TANH and problem.QT.shape[1] == 0:
        x = 0.5 * (bands.value_and_slope(problem.kind, low)[0] + bands.value_and_slope(problem.kind, high)[0])
        if abs(x) < 1.0:
            middle = 0.5 * (middle + 0.5 * math.log((1.0 + x) / (1.0 - x)))
    width = high - low
    return min(max(middle, low + 0.1 * width), high - 0.1 * width)


@INLINE
def _record(found, count, box, sign):
    """Append the root of `box`."""
    for k in range(box.shape[1]):
        found[POINT, count, k] = box[POINT_Y, k]
        found[ROOT_LOW, count, k], found[ROOT_HIGH, count, k] = box[R_LOW, k], box[R_HIGH, k]
        found[ALONE_LOW, count, k], found[ALONE_HIGH, count, k] = box[A_LOW, k], box[A_HIGH, k]
        found[INDEX, count, k] = sign


@JIT
def _keep(boxes, count, low, high):
    """Append a box to a list of boxes."""
    for k in range(low.size):
        boxes[0, count, k], boxes[1, count, k] = low[k], high[k]


@JIT
def _narrow(low, high):
    """Whether every side is below `STOP`."""
    narrow = True
    for k in range(low.size):
        narrow = narrow and high[k] - low[k] < STOP * max(1.0, max(abs(low[k]), abs(high[k])))
    return narrow


@INLINE
def _widest(low, high):
    at = 0
    for k in range(low.size):
        at = k if high[k] - low[k] > high[at] - low[at] else at
    return at


@ENTRY
def _run(problem, work, box, stack, found, left, budget):
    """Search what is on the stack.

    Returns
    -------
    count, narrow, left_count, boxes, status : int
        Rows filled of `found` and `left`, as in `search`; `ROOM` says that one of them was too short.
    """
    dim, room = problem.P.shape[1], stack.shape[1]
    count, left_count, boxes, status, depth = 0, 0, 0, DONE, 1
    while depth > 0:
        if boxes >= budget or depth + 2 > room:
            status = BUDGET if boxes >= budget else STACK
            break
        if count == found.shape[1] or left_count + depth == left.shape[1]:
            return count, 0, left_count, boxes, ROOM
        depth -= 1
        boxes += 1
        place(work, stack[0, depth], stack[1, depth])
        alive, ready = _contracted(problem, work, dim)
        if not alive:
            continue
        x_low, x_high = box[BOX_LOW], box[BOX_HIGH]
        take(work, x_low, x_high)
        at = _branch(problem, work, dim) if ready else _widest(x_low, x_high)
        state = _OPEN
        settled = False
        if ready and unique(problem, work):
            settled, sign = settle(problem, work, box)
            if settled:
                state = _known(box, found, count)
                if state == _NEW:
                    _record(found, count, box, sign)
                    count += 1
        if settled and state != _OPEN:
            continue
        if settled or _narrow(x_low, x_high) or not x_high[at] > x_low[at]:
            _keep(left, left_count, x_low, x_high)
            left_count += 1
            continue
        middle = _cut(problem, x_low[at], x_high[at])
        for side in range(2):
            _keep(stack, depth, x_low, x_high)
            stack[1 - side, depth, at] = middle
            depth += 1
    narrow = left_count
    for k in range(depth):
        _keep(left, left_count, stack[0, k], stack[1, k])
        left_count += 1
    return count, narrow, left_count, boxes, status


def search(problem, low, high, budget):
    """Every root in [low, high]: see the module's docstring.

    Parameters
    ----------
    problem : Problem
    low, high : (d,) float64 arrays
    budget : int
        Most boxes to look at.

    Returns
    -------
    found : (6, count, d) float64 array
        Rows `POINT` to `INDEX` of each root; the index, sign det(I − P S Q), is 0 where it is not proved.
    left : (2, left_count, d) float64 array
        Boxes about which nothing is claimed: first `narrow` that were not worth dividing, then what the budget left.
    narrow, boxes, status : int
    """
    dim, room = low.size, 256
    work, box, stack = contract.make_work(problem), np.empty((9, dim)), np.empty((2, _DEPTH, dim))
    while True:
        stack[0, 0], stack[1, 0] = low, high
        found, left = np.empty((6, room, dim)), np.empty((2, 8 * room + _DEPTH, dim))
        count, narrow, left_count, boxes, status = _run(problem, work, box, stack, found, left, np.int64(budget))
        if status != ROOM:
            return found[:, :count], left[:, :left_count], narrow, boxes, status
        room *= 4
