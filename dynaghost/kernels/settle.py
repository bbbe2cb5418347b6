"""One box with at most one root: find it, prove it, and give it the largest region where it is proved to be alone."""

import numpy as np

from dynaghost.kernels import bands, contract, uniqueness
from dynaghost.kernels.bands import U
from dynaghost.kernels.contract import HIGH, INVERSE, LOW, RHO, A, D, G, X, Z
from dynaghost.kernels.inner import INLINE, JIT
from dynaghost.kernels.lanes import dot

INFLATE = 1e-9
"""Regions of uniqueness are widened by this relative to max(1, |y|), so that a root on a face belongs to both boxes."""
# Rows of a box under study: itself, the root in it, the region in which that is alone, its enclosure, a region to try.
BOX_LOW, BOX_HIGH, POINT_Y, A_LOW, A_HIGH, R_LOW, R_HIGH, _T_LOW, _T_HIGH = 0, 1, 2, 3, 4, 5, 6, 7, 8
_ATTEMPTS = 14


@JIT
def _widen(work, dim, share):
    """The box of `work` and `share` of max(1, |y|) around it, outwards."""
    for k in range(dim):
        r = share * max(1.0, max(abs(work.y[LOW, k]), abs(work.y[HIGH, k])))
        work.y[LOW, k] = (work.y[LOW, k] - r) - 2.0 * U * abs(work.y[LOW, k])
        work.y[HIGH, k] = (work.y[HIGH, k] + r) + 2.0 * U * abs(work.y[HIGH, k])


@JIT
def place(work, low, high):
    """[low, high] as the box of `work`."""
    for k in range(low.size):
        work.y[LOW, k], work.y[HIGH, k] = low[k], high[k]


@JIT
def take(work, low, high):
    """The box of `work` into low, high."""
    for k in range(low.size):
        low[k], high[k] = work.y[LOW, k], work.y[HIGH, k]


@INLINE
def _unique_on(problem, work, low, high, share):
    """Whether [low, high], widened by `share`, holds at most one root; the widened box is left in `work`."""
    place(work, low, high)
    _widen(work, low.size, share)
    contract.set_units(problem, work)
    contract.set_bands(problem, work)
    return contract.set_inverse(problem, work) and uniqueness.unique(problem, work)


@JIT
def _newton(problem, work, y):
    """Newton's method from y, in place; false if it does not settle."""
    dim = problem.P.shape[1]
    before = np.inf
    for _ in range(25):
        for i in range(problem.units):
            u = problem.a[i]
            if problem.QT.shape[1] == 0:
                u = y[i]
            else:
                for k in range(dim):
                    u += problem.QT[0, k, i] * y[k]
            work.u[X, i], work.u[D, i] = bands.value_and_slope(problem.kind, u)
        contract.set_matrix(problem, work)
        if not contract.invert(work.square[A], work.square[INVERSE], dim, work.order):
            return False
        for k in range(dim):
            work.y[Z, k] = dot(problem.P[0, k], work.u[X]) + problem.c[0, k] - y[k]
        size = 0.0
        for k in range(dim):
            move = dot(work.square[INVERSE, k], work.y[Z])
            y[k] += move
            size = max(size, abs(move) / max(1.0, abs(y[k])))
        if not size < 1e300:
            return False
        if size < 1e-14 or (size < 1e-9 and size >= 0.5 * before):
            return True
        before = size
    return before < 1e-9


@INLINE
def _enclosed(problem, work, y):
    """Whether a tiny box around y is proved to hold a root; its image is left in `LOW` and `HIGH` of `work`.

    Boxes of 4e-10 and, where large weights cancel, as wide as their images ask for. Returns the index of the root too.
    """
    dim = problem.P.shape[1]
    share = 4e-10
    for _ in range(4):
        place(work, y, y)
        _widen(work, dim, share)
        contract.set_units(problem, work)
        contract.set_bands(problem, work)
        if not contract.set_inverse(problem, work) or not uniqueness.unique(problem, work):
            return False, 0
        contract.set_image(problem, work)
        inside, most = True, 0.0
        for k in range(dim):
            g, rho = work.y[G, k], work.y[RHO, k]
            a, b = g - rho, g + rho
            inside = inside and a > work.y[LOW, k] and b < work.y[HIGH, k]
            most = max(most, max(b - y[k], y[k] - a) / max(1.0, abs(y[k])))
        if inside:
            for k in range(dim):
                work.y[LOW, k], work.y[HIGH, k] = (
                    work.y[G, k] - work.y[RHO, k],
                    work.y[G, k] + work.y[RHO, k],
                )
            return True, uniqueness.determinant_sign(problem, work)
        if not most < 1e-4:
            return False, 0
        share = 3.0 * most
    return False, 0


@JIT
def within(low, high, outer_low, outer_high):
    inside = True
    for k in range(low.size):
        inside = inside and low[k] >= outer_low[k] and high[k] <= outer_high[k]
    return inside


@JIT
def apart(low, high, other_low, other_high):
    apart = False
    for k in range(low.size):
        apart = apart or low[k] > other_high[k] or high[k] < other_low[k]
    return apart


@INLINE
def _try_region(box, attempt):
    """The region of the given attempt into `box`: the box itself, its hull with the root, then cubes about the root."""
    radius = 2.0 ** (2 - attempt)
    for k in range(box.shape[1]):
        if attempt == 0:
            box[_T_LOW, k], box[_T_HIGH, k] = box[BOX_LOW, k], box[BOX_HIGH, k]
        elif attempt == 1:
            box[_T_LOW, k] = min(box[BOX_LOW, k], box[R_LOW, k])
            box[_T_HIGH, k] = max(box[BOX_HIGH, k], box[R_HIGH, k])
        else:
            box[_T_LOW, k], box[_T_HIGH, k] = box[POINT_Y, k] - radius, box[POINT_Y, k] + radius


@INLINE
def _room(box, low, high):
    """The least distance from the root to a face of its region."""
    room = np.inf
    for k in range(box.shape[1]):
        room = min(room, min(box[POINT_Y, k] - box[low, k], box[high, k] - box[POINT_Y, k]))
    return room


@INLINE
def settle(problem, work, box):
    """Where at most one root lies in the box: whether it is found; then its enclosure and region are in `box`.

    A root outside the box settles it if uniqueness holds on the hull of both. At last the root gets the largest cube
    that is proved to hold no other, if it has more room there.
    """
    inside, sign = False, 0
    for attempt in range(_ATTEMPTS):
        if attempt == 1 and inside:
            continue
        if attempt > 1 and 2.0 ** (2 - attempt) <= _room(box, A_LOW, A_HIGH):
            break
        _try_region(box, attempt)
        if not _unique_on(problem, work, box[_T_LOW], box[_T_HIGH], INFLATE):
            if attempt < 2:
                return False, 0
            continue
        take(work, box[A_LOW], box[A_HIGH])
        if attempt > 0:
            if attempt > 1:
                break
            continue
        for k in range(box.shape[1]):
            box[POINT_Y, k] = 0.5 * (box[BOX_LOW, k] + box[BOX_HIGH, k])
        if not _newton(problem, work, box[POINT_Y]):
            return False, 0
        proved, sign = _enclosed(problem, work, box[POINT_Y])
        if not proved:
            return False, 0
        take(work, box[R_LOW], box[R_HIGH])
        inside = within(box[R_LOW], box[R_HIGH], box[A_LOW], box[A_HIGH])
    return True, sign
