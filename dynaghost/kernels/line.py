"""The certified structure of f(κ) = −κ + Σ nᵢ tanh(mᵢκ + bᵢ) on the whole line, in float64 with proved error bounds.

Only the zeros of f' need covering, since between them f is monotone and the signs of f there decide the roots.

1. If Σ max(nm, 0) < 1 then f' < 0 everywhere: one root, nothing to cover.
2. March from 0 to the right, then (b → −b mirrors the line) to the left. At each centre one tanh a neuron gives the
   Taylor polynomial of f to order 5; its remainder over |h| ≤ r is below
   h⁶·min(A Σ|n|m⁶, B e^{2 max(m) r} Σ|n|m⁶ sech²), A = sup|tanh⁽⁶⁾|/6!, B = sup|tanh⁽⁶⁾/sech²|/6!.
   The piece is divided, without another tanh, until f' or f'' has a proved sign on each part; if that fails, r is
   halved. Stop where Σ max(nm, 0)·(sech² beyond) < 1, past which f' < 0.
3. Between parts with opposite signs of f' lies a run on which f' is monotone, and in it exactly one critical point.
   Halley's iteration finds it, and |f(x*) − f(x)| ≤ |f'(x)|²/min|f''| decides the sign of f there.
4. Between neighbouring critical points with f of opposite signs lies exactly one root, enclosed by Newton–Kantorovich.

Whatever float64 cannot decide gives UNDECIDED, and the caller turns to ball arithmetic; what only lacked room in the
caller's arrays gives NO_ROOM, and the caller may bring larger ones. Each certificate comes with the margins by which it
holds; while the weights have moved by less than that, the structure is the same (`drift`).
"""

import math

import numpy as np
from numba import njit

from dynaghost.kernels.sums import add, derivatives, taylor_piece, value_and_slope

DECIDED, UNDECIDED, NO_ROOM = 0, 1, 2
MOST = 64
"""Room for critical points (and roots less one) of one network with which a search begins."""

TANH_SIXTH = 0.0727
"""A ≥ sup|tanh⁽⁶⁾|/6!."""
TANH_SIXTH_LOCAL = 0.0808
"""B ≥ sup|tanh⁽⁶⁾/sech²|/6!."""
TANH_SECOND = 0.7699
"""≥ sup|tanh''|."""
U = 2.0**-53

# Columns of a critical point, of a root, and of the margins.
X, F, SLOPE, CURVE, LOW, HIGH, BEND = 0, 1, 2, 3, 4, 5, 6
RADIUS, LEFT, RIGHT = 3, 4, 5
MARGIN_VALUE, MARGIN_SLOPE, MARGIN_CURVE, MARGIN_TAIL, REACH, ERROR_VALUE, ERROR_SLOPE = 0, 1, 2, 3, 4, 5, 6
# Columns of the scratch list of parts: where, what is proved there, by how much, and a guess of the zero of f'.
_START, _END, _MONOTONE, _SIGN, _MARGIN, _GUESS = 0, 1, 2, 3, 4, 5
# Parts of the line, and centres of a march, for each critical point that there is room for.
_PARTS, _CENTRES = 8, 32
# Part of |f'| or |f''| that a certificate keeps as margin, so that it can be carried to the next checkpoint.
_SPARE = 0.04
# Typed: a literal 0 or −1 as an argument makes Numba compile the callee twice.
_ZERO, _NONE = np.int64(0), np.int64(-1)
# In the place of a count: the caller's arrays are too small.
_FULL = np.int64(-2)
# The ends c + h of a piece are rounded, by less than 2e-8 of a part's width (≥ r/128, and |c| < _FARTHEST·r); what is
# spared of |f'| or |f''| covers that, if the margin gives up this much.
_KEPT = 1.0 - 1e-5
_FARTHEST = 1e6
# A root's radius must be below this, relative to max(1, |κ|): where large weights cancel, balls do better.
_SHARP = 1e-6


@njit(error_model="numpy", cache=True)
def prepare(m, n, b, out_m, out_b, powers, magnitudes):
    """Flip neurons so that m ≥ 0 and fill n·mʲ (rows 0–5), |n|m⁶ (row 6) and Σ|n|mʲ.

    Returns max m and whether every magnitude is small enough for float64's bounds.
    """
    p0, p1, p2, p3, p4, p5, p6 = powers[0], powers[1], powers[2], powers[3], powers[4], powers[5], powers[6]
    largest, w0, w1, w2, w3, w4, w5, w6 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(m.size):
        a = abs(m[i])
        flip = math.copysign(1.0, m[i])
        c = n[i] * flip
        out_m[i] = a
        out_b[i] = b[i] * flip
        p0[i] = c
        w0 = add(w0, abs(c))
        c *= a
        p1[i] = c
        w1 = add(w1, abs(c))
        c *= a
        p2[i] = c
        w2 = add(w2, abs(c))
        c *= a
        p3[i] = c
        w3 = add(w3, abs(c))
        c *= a
        p4[i] = c
        w4 = add(w4, abs(c))
        c *= a
        p5[i] = c
        w5 = add(w5, abs(c))
        c = abs(c * a)
        p6[i] = c
        w6 = add(w6, c)
    for i in range(m.size):
        largest = max(largest, out_m[i])
    magnitudes[0], magnitudes[1], magnitudes[2], magnitudes[3] = w0, w1, w2, w3
    magnitudes[4], magnitudes[5], magnitudes[6] = w4, w5, w6
    for i in range(m.size, out_m.size):
        out_m[i] = 0.0
        out_b[i] = 0.0
        powers[:, i] = 0.0
    for j in range(7):
        # Rounded upwards: N additions and six products.
        magnitudes[j] *= 1.0 + (m.size + 20) * 2.0 * U
    return largest, magnitudes[0] < 1e100 and magnitudes[6] < 1e100


@njit(error_model="numpy", cache=True)
def rounding(units, magnitude, linear):
    """Bound on the error of a sum over neurons with Σ|terms| ≤ `magnitude` and the term −κ or −1, `linear`."""
    return (units + 60) * U * (magnitude + abs(linear)) + 1e-290 * (1.0 + magnitude)


@njit(error_model="numpy", cache=True)
def _emit(parts, count, start, end, monotone, sign, margin, guess):
    """Append a part, or lengthen the last one if it says the same; the new number of parts, or _FULL."""
    if count > 0:
        last = parts[count - 1]
        if last[_MONOTONE] == monotone and last[_SIGN] == sign:
            last[_END] = end
            last[_MARGIN] = min(last[_MARGIN], margin)
            if not math.isnan(guess):
                last[_GUESS] = guess
            return count
    if count == parts.shape[0]:
        return _FULL
    row = parts[count]
    row[_START], row[_END], row[_MONOTONE], row[_SIGN], row[_MARGIN], row[_GUESS] = (
        start,
        end,
        monotone,
        sign,
        margin,
        guess,
    )
    return count + 1


@njit(error_model="numpy", cache=True)
def _divide(g, c, lower, upper, r, remainder, error1, error2, parts, count, stack):
    """Label [c + lower, c + upper] by the polynomial f'(c + h) = Σ g_k hᵏ, ± remainders (|h| ≤ r) and rounding errors.

    Returns the new number of parts, −1 if some part stays undecided at r/64, or _FULL.
    """
    g0, g1, g2, g3, g4 = g[0], g[1], g[2], g[3], g[4]
    rest1 = 6.0 * r**5 * remainder + error1
    rest2 = 30.0 * r**4 * remainder + error2
    depth = 1
    stack[0, 0], stack[0, 1] = lower, upper
    while depth > 0:
        depth -= 1
        low, high = stack[depth, 0], stack[depth, 1]
        h, d = 0.5 * (low + high), 0.5 * (high - low)
        v0 = g0 + h * (g1 + h * (g2 + h * (g3 + h * g4)))
        v1 = g1 + h * (2.0 * g2 + h * (3.0 * g3 + h * 4.0 * g4))
        v2 = abs(g2 + h * (3.0 * g3 + h * 6.0 * g4))
        v3 = abs(g3 + 4.0 * h * g4)
        v4 = abs(g4)
        slack0 = abs(v0) - (d * (abs(v1) + d * (v2 + d * (v3 + d * v4))) + rest1)
        if slack0 > _SPARE * abs(v0):
            count = _emit(parts, count, c + low, c + high, 0.0, math.copysign(1.0, v0), slack0 * _KEPT, np.nan)
        else:
            slack1 = abs(v1) - (d * (2.0 * v2 + d * (3.0 * v3 + d * 4.0 * v4)) + rest2)
            if slack1 > _SPARE * abs(v1):
                slack1 *= _KEPT
                at = h - v0 / v1
                if low <= at <= high:
                    # One more step on the polynomial costs nothing beside one over the neurons.
                    value = g0 + at * (g1 + at * (g2 + at * (g3 + at * g4)))
                    at -= value / (g1 + at * (2.0 * g2 + at * (3.0 * g3 + at * 4.0 * g4)))
                guess = c + at if low <= at <= high else np.nan
                count = _emit(parts, count, c + low, c + high, 1.0, math.copysign(1.0, v1), slack1, guess)
            elif d * 64.0 < r:
                return _NONE
            else:
                stack[depth, 0], stack[depth, 1] = h, high
                stack[depth + 1, 0], stack[depth + 1, 1] = low, h
                depth += 2
        if count < 0:
            return count
    return count


@njit(error_model="numpy", cache=True)
def _piece_errors(g, r, units, magnitudes):
    """Bounds on the rounding errors of f' and f'' over |h| ≤ r, from those of the coefficients and of Horner's rule."""
    error1, error2, power = 0.0, 0.0, 1.0
    for k in range(1, 6):
        e = (units + 60) * U * magnitudes[k] + 20.0 * U * abs(g[k - 1]) + 1e-290 * (1.0 + magnitudes[k])
        error1 += k * e * power
        if k > 1:
            error2 += k * (k - 1) * e * power / r
        power *= r
    return error1 + 4.0 * U, error2


@njit(error_model="numpy", cache=True)
def _march(m, b, units, powers, magnitudes, largest, parts, centres, stack, g, level):
    """Label [0, end], beyond which f' < 0.

    Returns the number of parts (−1 or _FULL if it failed), of centres kept and spent, `end`, the margin of the tail
    there, and the level of the radius r = 2^(level/2)/max m to start with next time.
    """
    count, kept, spent = _ZERO, _ZERO, _ZERO
    x = 0.0
    first = level
    failure = _FULL
    while spent < _CENTRES // _PARTS * parts.shape[0]:
        r = 2.0 ** (0.5 * level) / largest
        c = x + r
        if level < -100 or not c < _FARTHEST * r:
            failure = _NONE
            break
        g[0], g[1], g[2], g[3], g[4], g[5], s6, tail = taylor_piece(m, b, powers, c)
        spent += 1
        a0, a1, a2 = g[0], g[1], g[2]
        for k in range(5):
            g[k] = (k + 1) * g[k + 1]
        remainder = 1.0000001 * min(
            TANH_SIXTH * magnitudes[6],
            TANH_SIXTH_LOCAL * math.exp(2.0 * largest * r) * (s6 + 4e-304 * magnitudes[6]),
        )
        error1, error2 = _piece_errors(g, r, units, magnitudes)
        margin = 1.0 - tail - rounding(units, magnitudes[1], 1.0)
        upper = 0.0 if margin > 0.05 else r
        new = _divide(g, c, x - c, upper, r, remainder, error1, error2, parts, count, stack)
        if new == _FULL:
            break
        if new < 0:
            if x == 0.0 and level == first:
                first -= 2
            level -= 2
            continue
        count = new
        if kept < centres.shape[0]:
            centres[kept, 0], centres[kept, 1], centres[kept, 2], centres[kept, 3] = c, a0, a1, a2
            kept += 1
        x = c + upper
        if upper == 0.0:
            return count, kept, spent, x, margin, first
        level += 1
    return failure, kept, spent, x, 0.0, first


@njit(error_model="numpy", cache=True)
def _join(left, left_count, right, right_count, parts):
    """One list over the whole line from the march to the right and the mirrored one to the left."""
    count = _ZERO
    for k in range(left_count - 1, -1, -1):
        row = left[k]
        # f̃(κ) = −f(−κ): f̃' is f' mirrored, f̃'' changes sign.
        sign = -row[_SIGN] if row[_MONOTONE] == 1.0 else row[_SIGN]
        count = _emit(parts, count, -row[_END], -row[_START], row[_MONOTONE], sign, row[_MARGIN], -row[_GUESS])
        if count < 0:
            return count
    for k in range(right_count):
        row = right[k]
        count = _emit(parts, count, row[_START], row[_END], row[_MONOTONE], row[_SIGN], row[_MARGIN], row[_GUESS])
        if count < 0:
            return count
    return count


@njit(error_model="numpy", cache=True)
def _runs(parts, count, criticals, margins):
    """The runs that hold a critical point, into `criticals`, and the least margins; −1 if the list is inconsistent."""
    found = _ZERO
    sign = -1.0
    held = -1
    for k in range(count + 1):
        if k < count and parts[k, _MONOTONE] == 1.0:
            if held >= 0:
                return _NONE
            held = k
            continue
        new = parts[k, _SIGN] if k < count else -1.0
        if k < count:
            margins[MARGIN_SLOPE] = min(margins[MARGIN_SLOPE], parts[k, _MARGIN])
        if held >= 0:
            margins[MARGIN_CURVE] = min(margins[MARGIN_CURVE], parts[held, _MARGIN])
        if new != sign:
            if held < 0 or parts[held, _SIGN] != new:
                return _NONE
            if found == criticals.shape[0]:
                return _FULL
            row = criticals[found]
            row[LOW], row[HIGH], row[BEND] = parts[held, _START], parts[held, _END], new * parts[held, _MARGIN]
            guess = parts[held, _GUESS]
            row[X] = guess if row[LOW] < guess < row[HIGH] else 0.5 * (row[LOW] + row[HIGH])
            found += 1
        sign = new
        held = -1
    return found


@njit(error_model="numpy", cache=True)
def _critical(m, b, powers, row, error0, error1):
    """Halley's iteration on f' in the run of `row`; fills X, F, SLOPE, CURVE. Returns the certified sign of f, or 0."""
    low, high = row[LOW], row[HIGH]
    up = row[BEND] > 0.0
    x = row[X]
    for step in range(60):
        f, f1, f2, f3 = derivatives(m, b, powers[0], powers[1], powers[2], powers[3], x)
        row[X], row[F], row[SLOPE], row[CURVE] = x, f, f1, f2
        if abs(f1) <= 2.0 * error1:
            break
        if (f1 > 0.0) == up:
            high = x
        else:
            low = x
        move = -f1 / f2
        halley = 1.0 + 0.5 * move * f3 / f2
        if halley > 0.5:
            move /= halley
        new = x + move
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 2.0 * U * abs(x) or (step > 2 and abs(f1) <= 8.0 * error1):
            break
        x = new
    # f' is monotone in the run, so f changes by at most |f'|·|x* − x| between x and the critical point x*.
    slope = abs(row[SLOPE]) + error1
    uncertain = error0 + slope * slope / abs(row[BEND])
    if row[F] > uncertain:
        return 1.0
    if row[F] < -uncertain:
        return -1.0
    return 0.0


@njit(error_model="numpy", cache=True)
def _enclosed(f, slope, error0, error1, curve):
    """Newton–Kantorovich: a radius around the point within which f has a zero, or NaN if that is not proved."""
    slope_least = abs(slope) - error1
    if slope_least <= 0.0:
        return np.nan
    eta = (abs(f) + error0) / slope_least
    h = curve * eta / slope_least
    if h > 0.5:
        return np.nan
    return 2.0 * eta / (1.0 + math.sqrt(max(1.0 - 2.0 * h, 0.0))) * (1.0 + 1e-9)


@njit(error_model="numpy", cache=True)
def _root(m, b, powers, row, error0, error1, curve):
    """The one root in [LEFT, RIGHT] of `row`, where f is monotone with slope of sign SLOPE; false if not enclosed."""
    low, high = row[LEFT], row[RIGHT]
    up = row[SLOPE] > 0.0
    x = row[X]
    for _ in range(100):
        f, f1 = value_and_slope(m, b, powers[0], powers[1], x)
        row[X], row[F], row[SLOPE] = x, f, f1
        if abs(f) <= error0:
            break
        if (f > 0.0) == up:
            high = x
        else:
            low = x
        new = x - f / f1
        if not low < new < high:
            new = 0.5 * (low + high)
        if new == x:
            break
        x = new
    row[RADIUS] = _enclosed(row[F], row[SLOPE], error0, error1, curve)
    x, radius = row[X], row[RADIUS]
    if not radius <= _SHARP * max(1.0, abs(x)):
        return False
    return x - radius >= row[LEFT] and x + radius <= row[RIGHT] and (row[SLOPE] > 0.0) == up


@njit(error_model="numpy", cache=True)
def _guess_root(row, centres, count):
    """Start in [LEFT, RIGHT] from the nearest centre at which f is small, by its Taylor polynomial."""
    best = np.inf
    for k in range(count):
        c = centres[k, 0]
        if row[LEFT] <= c <= row[RIGHT] and abs(centres[k, 1]) < best:
            move = -centres[k, 1] / centres[k, 2]
            # Halley's step, by the second Taylor coefficient.
            bent = 1.0 + move * centres[k, 3] / centres[k, 2]
            guess = c + (move / bent if bent > 0.5 else move)
            if row[LEFT] < guess < row[RIGHT]:
                best = abs(centres[k, 1])
                row[X] = guess


@njit(error_model="numpy", cache=True)
def _roots(m, b, powers, criticals, signs, count, roots, reach, centres, kept, error0, error1, curve):
    """Every root, between neighbouring critical points with f of opposite signs; −1 if one could not be enclosed."""
    found = 0
    for k in range(count + 1):
        before = signs[k - 1] if k > 0 else 1.0
        after = signs[k] if k < count else -1.0
        if before == after:
            continue
        row = roots[found]
        row[LEFT] = criticals[k - 1, X] if k > 0 else -reach
        row[RIGHT] = criticals[k, X] if k < count else reach
        row[SLOPE] = after
        row[X] = 0.5 * (row[LEFT] + row[RIGHT])
        _guess_root(row, centres, kept)
        if not _root(m, b, powers, row, error0, error1, curve):
            return -1
        found += 1
    return found


@njit(error_model="numpy", cache=True)
def drift(m0, n0, b0, m1, n1, b1, reach):
    """How far f, f', f'' (|κ| ≤ reach) and the tail's sum differ, at most, anywhere on the line between two networks.

    With w = |Δm|·reach + |Δb|, |Δf| ≤ Σ|Δn| + |n₀|w, |Δf'| ≤ ΣP + 0.77|n₀m₀|w, |Δf''| ≤ Σ0.77Q + 2|n₀m₀²|w, where P and
    Q bound |Δ(nm)| and |Δ(nm²)| on the whole line: nm is quadratic along it, and leaves its chord by |Δn·Δm|/4 at most;
    nm² is cubic, and leaves its chord by an eighth of its greatest second derivative. The tail's sum moves by no more
    than the bound on f', also where m changes sign: a unit that turns over, and n with it, has P ≥ |n₁m₁|. The
    extreme value of f in a run moves by |Δf| at most.
    """
    d0, d1, d2 = 0.0, 0.0, 0.0
    for i in range(m0.size):
        dm, dn = abs(m1[i] - m0[i]), abs(n1[i] - n0[i])
        w = dm * reach + abs(b1[i] - b0[i])
        p0, p1 = n0[i] * m0[i], n1[i] * m1[i]
        q0, q1 = p0 * m0[i], p1 * m1[i]
        largest_m, largest_n = max(abs(m0[i]), abs(m1[i])), max(abs(n0[i]), abs(n1[i]))
        bow = 0.25 * dm * (2.0 * dn * largest_m + dm * largest_n)
        d0 = add(d0, dn + abs(n0[i]) * w)
        d1 = add(d1, abs(p1 - p0) + 0.25 * dn * dm + TANH_SECOND * abs(p0) * w)
        d2 = add(d2, TANH_SECOND * (abs(q1 - q0) + bow) + 2.0 * abs(q0) * w)
    grow = 1.0 + (m0.size + 20) * 4.0 * U
    return d0 * grow, d1 * grow, d2 * grow


@njit(error_model="numpy", cache=True)
def _positive_slope(n1):
    """Σ max(nm, 0)."""
    total = 0.0
    for i in range(n1.size):
        total = add(total, n1[i] if n1[i] > 0.0 else 0.0)
    return total


@njit(error_model="numpy", cache=True)
def _cover(m, b, units, powers, magnitudes, largest, work, criticals, margins):
    """March both ways and find the runs; returns (critical points, −1 or _FULL, centres spent, centres kept)."""
    parts, right, left, centres, stack, g, mirrored = work
    margins[:] = np.inf
    right_count, kept, spent, right_end, right_margin, level = _march(
        m, b, units, powers, magnitudes, largest, right, centres, stack, g, _ZERO
    )
    if right_count < 0:
        return right_count, spent, kept
    for i in range(b.size):
        mirrored[i] = -b[i]
    left_count, kept_left, spent_left, left_end, left_margin, _ = _march(
        m, mirrored, units, powers, magnitudes, largest, left, centres[kept:], stack, g, level
    )
    if left_count < 0:
        return left_count, spent + spent_left, kept
    for k in range(kept, kept + kept_left):
        centres[k, 0] = -centres[k, 0]
        centres[k, 1] = -centres[k, 1]
    margins[MARGIN_TAIL] = min(left_margin, right_margin)
    margins[REACH] = max(left_end, right_end)
    count = _join(left, left_count, right, right_count, parts)
    if count < 0:
        return count, spent + spent_left, kept
    return _runs(parts, count, criticals, margins), spent + spent_left, kept + kept_left


@njit(error_model="numpy", cache=True)
def _resolve(m, b, units, powers, magnitudes, count, kept, centres, criticals, signs, roots, margins):
    """Signs at the critical points, then the roots between them; the number of roots, or −1."""
    error0 = rounding(units, magnitudes[0], margins[REACH])
    error1 = rounding(units, magnitudes[1], 1.0)
    margins[ERROR_VALUE], margins[ERROR_SLOPE], margins[MARGIN_VALUE] = error0, error1, np.inf
    for k in range(count):
        signs[k] = _critical(m, b, powers, criticals[k], error0, error1)
        if signs[k] == 0.0:
            return -1
        slope = abs(criticals[k, SLOPE]) + error1
        slack = abs(criticals[k, F]) - error0 - slope * slope / abs(criticals[k, BEND])
        margins[MARGIN_VALUE] = min(margins[MARGIN_VALUE], slack)
    span = magnitudes[0] * (1.0 + 1e-9) + 1e-3
    curve = TANH_SECOND * magnitudes[2]
    return _roots(m, b, powers, criticals, signs, count, roots, span, centres, kept, error0, error1, curve)


@njit(error_model="numpy", cache=True)
def scratch(units, most):
    """Working memory for networks of so many units, padded to a multiple of 8, and at most `most` critical points."""
    size = (units + 7) // 8 * 8
    cover = (
        np.empty((_PARTS * most, 6)),
        np.empty((_PARTS * most, 6)),
        np.empty((_PARTS * most, 6)),
        np.empty((4 * most, 4)),
        np.empty((64, 2)),
        np.empty(6),
        np.empty(size),
    )
    return np.empty(size), np.empty(size), np.empty((7, size)), np.empty(7), np.empty(most), cover


@njit(error_model="numpy", cache=True)
def structures(m, n, b, carry, statuses, counts, criticals, roots, margins):
    """The certified structure of every network of a stack.

    Parameters
    ----------
    m, n, b : (E, N) float64 arrays, contiguous
    carry : bool
        Carry certificates from one network to the next where the margins allow.
    statuses : (E,) int64 array, overwritten
        DECIDED, UNDECIDED, or NO_ROOM: `most` is too small.
    counts : (E, 4) int64 array, overwritten
        Critical points, roots, evaluations of Taylor pieces, 1 if carried over.
    criticals : (E or 1, most, 7) float64 array, overwritten
        X, F, SLOPE, CURVE: κ, f, f', f''; LOW, HIGH: the run; BEND: ± the least |f''| in it. With a first axis of
        length 1, every network overwrites the one before it.
    roots : (E or 1, most + 1, 6) float64 array, overwritten
        X, F, SLOPE; RADIUS: a root lies within it; LEFT, RIGHT: it is alone between them.
    margins : (E or 1, 7) float64 array, overwritten
        By how much f at the critical points, f', f'' and the tail meet their bounds, over |κ| ≤ REACH.
    """
    number, units = m.shape
    work = scratch(units, criticals.shape[1])
    carried_from = _NONE
    for e in range(number):
        into = e if criticals.shape[0] > 1 else 0
        previous = carried_from if carry else _NONE
        carried_from = _NONE
        statuses[e] = _structure(
            m, n, b, e, previous, work, counts, criticals, roots, margins, criticals[into], roots[into], margins[into]
        )
        # A network with f' < 0 everywhere is cheaper to decide than to carry over.
        if statuses[e] == DECIDED and margins[into, REACH] > 0.0:
            carried_from = np.int64(e)


@njit(error_model="numpy", cache=True)
def _structure(m, n, b, e, previous, work, counts, criticals, roots, margins, critical, root, margin):
    """The structure of network `e`, carried over from network `previous` if that is ≥ 0 and possible."""
    flipped, bias, powers, magnitudes, signs, cover = work
    units = m.shape[1]
    counts[e, :] = 0
    largest, fits = prepare(m[e], n[e], b[e], flipped, bias, powers, magnitudes)
    if not fits:
        return UNDECIDED
    kept, found = _ZERO, _NONE
    slack = 1.0 - _positive_slope(powers[1]) - rounding(units, magnitudes[1], 1.0)
    if slack > 0.0:
        found = _ZERO
        margin[:] = np.inf
        margin[MARGIN_TAIL] = slack
        margin[REACH] = 0.0
    elif previous >= 0:
        found = _carry(m, n, b, previous, e, criticals, roots, margins, counts, cover[3])
        kept = counts[previous, 1]
    if found >= 0:
        counts[e, 3] = 1 if slack <= 0.0 else 0
    else:
        found, counts[e, 2], kept = _cover(flipped, bias, units, powers, magnitudes, largest, cover, critical, margin)
    if found < 0:
        return NO_ROOM if found == _FULL else UNDECIDED
    count = _resolve(flipped, bias, units, powers, magnitudes, found, kept, cover[3], critical, signs, root, margin)
    if count < 0:
        return UNDECIDED
    counts[e, 0], counts[e, 1] = found, count
    return DECIDED


@njit(error_model="numpy", cache=True)
def _carry(m, n, b, previous, e, criticals, roots, margins, counts, centres):
    """Copy the certificate of network `previous` to network `e` if it still holds; critical points, or −1."""
    source = previous if criticals.shape[0] > 1 else 0
    into = e if criticals.shape[0] > 1 else 0
    old = margins[source]
    _, d1, d2 = drift(m[previous], n[previous], b[previous], m[e], n[e], b[e], old[REACH])
    if not (d1 < old[MARGIN_SLOPE] and d1 < old[MARGIN_TAIL] and d2 < old[MARGIN_CURVE]):
        return -1
    new = margins[into]
    new[REACH] = old[REACH]
    new[MARGIN_SLOPE] = old[MARGIN_SLOPE] - d1
    new[MARGIN_TAIL] = old[MARGIN_TAIL] - d1
    new[MARGIN_CURVE] = old[MARGIN_CURVE] - d2
    for k in range(counts[previous, 0]):
        for c in range(7):
            criticals[into, k, c] = criticals[source, k, c]
        # Each run's own least |f''| shrinks too, and stays above what the margin leaves.
        bend = criticals[into, k, BEND]
        criticals[into, k, BEND] = math.copysign(abs(bend) - d2, bend)
    for k in range(counts[previous, 1]):
        centres[k, 0], centres[k, 1], centres[k, 2] = roots[source, k, X], 0.0, roots[source, k, SLOPE]
        centres[k, 3] = 0.0
    return counts[previous, 0]


@njit(error_model="numpy", cache=True)
def holds(m0, n0, b0, margins, m1, n1, b1, m_size, n_size, b_size, result):
    """Whether the certificate of network e of stack 0 still holds at network e of stack 1, and so on the line between.

    Parameters
    ----------
    m0, n0, b0, m1, n1, b1 : (E, N) float64 arrays, contiguous
    margins : (E, 7) float64 array
        As `structures` fills it for stack 0.
    m_size, n_size, b_size : (E, N) float64 arrays, contiguous
        Interpolated weights are rounded: each may be off by 4 units of rounding of these.
    result : (E,) bool array, overwritten
    """
    for e in range(result.size):
        margin = margins[e]
        d0, d1, d2 = drift(m0[e], n0[e], b0[e], m1[e], n1[e], b1[e], margin[REACH])
        r0, r1, r2 = _line_rounding(m_size[e], n_size[e], b_size[e], margin[REACH])
        slope = min(margin[MARGIN_SLOPE], margin[MARGIN_TAIL])
        result[e] = d0 + r0 < margin[MARGIN_VALUE] and d1 + r1 < slope and d2 + r2 < margin[MARGIN_CURVE]


@njit(error_model="numpy", cache=True)
def _line_rounding(m, n, b, reach):
    """How far f, f' and f'' move at most if every weight moves by 8 units of rounding of these sizes."""
    r0, r1, r2 = 0.0, 0.0, 0.0
    for i in range(m.size):
        w = m[i] * reach + b[i]
        r0 = add(r0, n[i] * (w + 1.0))
        r1 = add(r1, n[i] * m[i] * (w + 2.0))
        r2 = add(r2, n[i] * m[i] * m[i] * (2.0 * w + 3.0))
    return 10.0 * U * r0 + 1e-290, 10.0 * U * r1 + 1e-290, 10.0 * U * r2 + 1e-290
