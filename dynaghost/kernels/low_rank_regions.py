"""Which linear regions of a piecewise-linear network of low rank can hold a fixed point: branch and prune over κ.

With W = U V + E, κ = Vp, p = φ(u), a fixed point has u = Uκ + b + Ep. All of space is compact once made homogeneous:
z = (κ, t) with max(|κ₁|, …, |κ_K|, t) = 1, t ≥ 0, u = Gz + Ep, G = (U b), a fixed point being κ/t. On each of the
2K + 1 faces of this box, K coordinates are free. Over a box of them a unit whose sign is settled is linear; for the
others φ(u) = λu + m ± m between its chord and its kink. So κ = Vφ(u) is K linear equations with an error, and the box
is cut to their solutions; it is halved where that gains little, until the signs of all units are settled. Whatever a
box may hold has then the box's sign pattern, which is handed on. Every bound includes the rounding of its evaluation.
"""

import numba as nb
import numpy as np

_UNIT = 2.0**-53
NARROW = 1e-10
"""Boxes of this width are halved no more: their open signs are tried both ways."""

MOST_OPEN = 6
"""Open signs of a narrow box up to which that is done."""


@nb.njit(cache=True, error_model="numpy")
def low_rank_patterns(G, V, noise, less, budget, kept, left):
    """Sign patterns that are not ruled out, and boxes that could not be settled.

    Parameters
    ----------
    G : ndarray (n, K + 1)
        U and b.
    V : ndarray (K, n)
    noise : ndarray (n,)
        Bound on |Ep| for every z of the faces, rounding of Gz included.
    less : float
        Slope of φ below 0.
    budget : int
        Most boxes to look at.
    kept : ndarray (many, n) of bool
        Filled with patterns, True where u ≥ 0; some may come twice.
    left : ndarray (2, most, K + 1)
        Filled with lower and upper ends of boxes that are too narrow to halve, but have too many open signs.

    Returns
    -------
    tuple of int
        How many patterns and how many boxes (more than there was room for: −1), boxes looked at, whether none was left
        by the budget.
    """
    K, n = V.shape
    room = 64 + 64 * (K + 1) * (2 * K + 1)
    low, high, face = np.zeros((room, K + 1)), np.zeros((room, K + 1)), np.zeros(room, np.int64)
    work = np.zeros((3, n)), np.zeros((6, K + 1)), np.zeros((3, K, K + 1)), np.zeros((K, K)), np.zeros((K, K))
    stacked = _faces(low, high, face)
    count, unsettled, looked = 0, 0, 0
    while stacked:
        if looked >= budget or stacked + 2 > room:
            return count, unsettled, looked, False
        stacked -= 1
        looked += 1
        a, z, fixed = low[stacked].copy(), high[stacked].copy(), face[stacked]
        opened = _cut(G, V, noise, less, fixed, a, z, work)
        if opened < 0:
            continue
        widest = _widest(a, z)
        if opened == 0 or z[widest] - a[widest] < NARROW:
            if opened > MOST_OPEN:
                if unsettled == left.shape[1]:
                    return count, -1, looked, False
                left[0, unsettled], left[1, unsettled] = a, z
                unsettled += 1
                continue
            if count + 2**opened > len(kept):
                return -1, unsettled, looked, False
            count = _keep(work[0], opened, kept, count)
            continue
        middle = 0.5 * (a[widest] + z[widest])
        for half in range(2):
            low[stacked], high[stacked], face[stacked] = a, z, fixed
            if half:
                low[stacked, widest] = middle
            else:
                high[stacked, widest] = middle
            stacked += 1
    return count, unsettled, looked, True


@nb.njit(cache=True, error_model="numpy")
def _faces(low, high, face):
    K = low.shape[1] - 1
    count = 0
    for fixed in range(K + 1):
        for end in (1.0, -1.0):
            if fixed == K and end < 0:
                continue
            low[count], high[count], face[count] = -1.0, 1.0, fixed
            low[count, K] = 0.0
            low[count, fixed], high[count, fixed] = end, end
            count += 1
    return count


@nb.njit(cache=True, error_model="numpy")
def _widest(a, z):
    best = 0
    for j in range(len(a)):
        if z[j] - a[j] > z[best] - a[best]:
            best = j
    return best


@nb.njit(cache=True, error_model="numpy")
def _keep(units, opened, kept, count):
    """The pattern of settled signs (`units[0]`: 1, 0, or −1 where open) with the open ones both ways."""
    for choice in range(2**opened):
        place = 0
        for i in range(units.shape[1]):
            if units[0, i] < 0:
                kept[count, i] = (choice >> place) % 2 == 1
                place += 1
            else:
                kept[count, i] = units[0, i] > 0
        count += 1
    return count


@nb.njit(cache=True, error_model="numpy")
def _cut(G, V, noise, less, fixed, a, z, work):
    """Cut the box [a, z] for as long as that gains much; the number of open signs, or −1 if it holds nothing."""
    while True:
        opened = _bands(G, noise, less, a, z, work[0], work[1])
        before = _size(a, z)
        if not _contract(G, V, noise, fixed, a, z, work):
            return -1
        after = _size(a, z)
        # A settled box too is cut until that gains nothing: most of them turn out to be empty.
        if after == 0 or after > 0.7 * before:
            return opened


@nb.njit(cache=True, error_model="numpy")
def _size(a, z):
    total = 0.0
    for j in range(len(a)):
        total += z[j] - a[j]
    return total


@nb.njit(cache=True, error_model="numpy")
def _bands(G, noise, less, a, z, units, vectors):
    """Sign, λ and m of every unit over the box; how many signs are open."""
    n, columns = G.shape
    centre, half = vectors[0], vectors[1]
    for j in range(columns):
        centre[j] = 0.5 * (a[j] + z[j])
        half[j] = max(z[j] - centre[j], centre[j] - a[j])
    opened = 0
    for i in range(n):
        middle, reach = 0.0, noise[i]
        for j in range(columns):
            middle += G[i, j] * centre[j]
            reach += abs(G[i, j]) * half[j]
        reach *= 1 + 1e-14
        low, high = middle - reach, middle + reach
        if low > 0:
            units[0, i], units[1, i], units[2, i] = 1.0, 1.0, 0.0
        elif high < 0:
            units[0, i], units[1, i], units[2, i] = 0.0, less, 0.0
        else:
            opened += 1
            slope = min(max((high - less * low) / (high - low), less), 1.0) if high > low else 1.0
            units[0, i], units[1, i] = -1.0, slope
            units[2, i] = 0.5 * max((1 - slope) * high, (less - slope) * low) * (1 + 1e-14)
    return opened


@nb.njit(cache=True, error_model="numpy")
def _contract(G, V, noise, fixed, a, z, work):
    """Cut the box to where K equations M z = q ± error can hold, preconditioned; False where nothing is left.

    M = (I 0) − V Λ G, q = V m, error = |V|(m + noise) and the rounding of the sums, of n + K terms.
    """
    units, vectors, matrices, free, inverse = work
    K, n = V.shape
    centre, error, rest = vectors[0], vectors[2], vectors[3]
    M, size = matrices[0], matrices[1]
    for k in range(K):
        M[k] = 0.0
        size[k] = 0.0
        q, error[k], bulk = 0.0, 0.0, 0.0
        for i in range(n):
            v = V[k, i]
            for j in range(K + 1):
                product = v * units[1, i] * G[i, j]
                M[k, j] -= product
                size[k, j] += abs(product)
            q += v * units[2, i]
            error[k] += abs(v) * (units[2, i] + noise[i])
        M[k, k] += 1.0
        rest[k] = q
        for j in range(K + 1):
            rest[k] -= M[k, j] * centre[j]
            bulk += size[k, j]
        error[k] = error[k] * (1 + 1e-12) + (n + 2 * K + 16) * 3 * _UNIT * (bulk + error[k] + 2 + abs(q))
    for k in range(K):
        at = 0
        for j in range(K + 1):
            if j != fixed:
                free[k, at] = M[k, j]
                at += 1
    if not _inverted(free, inverse):
        return True
    return _intersect(fixed, a, z, (vectors, free, inverse))


@nb.njit(cache=True, error_model="numpy")
def _intersect(fixed, a, z, parts):
    """z_F within c_F + Y rest ± (|Y| error + |I − Y M_F| half_F), for any Y."""
    vectors, free, inverse = parts
    K = len(free)
    centre, half, error, rest = vectors[0], vectors[1], vectors[2], vectors[3]
    at = 0
    for j in range(K + 1):
        if j == fixed:
            continue
        move, spread, bulk = 0.0, 0.0, 0.0
        for k in range(K):
            y = inverse[at, k]
            move += y * rest[k]
            spread += abs(y) * error[k]
            bulk += abs(y * rest[k])
        other = 0
        for column in range(K + 1):
            if column == fixed:
                continue
            entry, terms = (1.0 if other == at else 0.0), 1.0
            for k in range(K):
                entry -= inverse[at, k] * free[k, other]
                terms += abs(inverse[at, k] * free[k, other])
            spread += (abs(entry) + (K + 4) * _UNIT * terms) * half[column]
            other += 1
        spread = spread * (1 + 1e-12) + (K + 8) * 2 * _UNIT * (bulk + abs(centre[j]) + abs(move))
        if not (np.isfinite(spread) and np.isfinite(move)):
            return True
        a[j], z[j] = max(a[j], centre[j] + move - spread), min(z[j], centre[j] + move + spread)
        if a[j] > z[j]:
            return False
        at += 1
    return True


@nb.njit(cache=True, error_model="numpy")
def _inverted(A, inverse):
    """Gauss and Jordan with row pivots; A stays. False where it is singular. An approximate inverse is enough."""
    K = len(A)
    left = A.copy()
    inverse[:] = 0.0
    for k in range(K):
        inverse[k, k] = 1.0
    for k in range(K):
        best = k
        for i in range(k + 1, K):
            if abs(left[i, k]) > abs(left[best, k]):
                best = i
        pivot = left[best, k]
        if not (abs(pivot) > 0 and np.isfinite(pivot)):
            return False
        for j in range(K):
            left[k, j], left[best, j] = left[best, j], left[k, j]
            inverse[k, j], inverse[best, j] = inverse[best, j], inverse[k, j]
        for j in range(K):
            left[k, j] /= pivot
            inverse[k, j] /= pivot
        for i in range(K):
            if i != k:
                factor = left[i, k]
                for j in range(K):
                    left[i, j] -= factor * left[k, j]
                    inverse[i, j] -= factor * inverse[k, j]
    return True
