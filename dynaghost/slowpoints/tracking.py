"""Fixed points along lines: f(x) + t·c = 0 followed from one end of t to the other; where t = 0 is a fixed point.

For f(x) = −x + g(x) with a bounded g the equation has one solution where |t| is large, and its branch runs from t = +∞
to −∞ through an odd number of fixed points, saddles as well as attractors. Branches that close on themselves are met
only from the fixed points on them: so lines also start there, both ways. Many lines run side by side: pseudo-arclength,
and Newton's correction at the predicted point gives the next tangent too.
"""

from dataclasses import dataclass

import numpy as np

from dynaghost.kernels.linear import solve_each
from dynaghost.systems.base import Array, System

_LEAST_STEP, _FIRST_STEP, _MOST_STEP = 1e-4, 0.1, 3.0
_STRAIGHT = 0.9  # least cosine between successive tangents
_ON_THE_LINE = 1e-4  # most |f + t·c|, in step lengths


@dataclass(slots=True)
class Lines:
    """Heads of lines: x (E, n), t (E,), directions c (E, n), tangents (E, n + 1), step lengths (E,)."""

    x: Array
    t: Array
    c: Array
    tangents: Array
    lengths: Array

    def part(self, index: Array) -> "Lines":
        """Those lines alone."""
        return Lines(self.x[index], self.t[index], self.c[index], self.tangents[index], self.lengths[index])


def far_end(system: System) -> float | None:
    """A |t| beyond which lines are all but straight; None where the states have no known box."""
    box = system.fixed_point_box()
    if box is None:
        return None
    return 2 * float(np.linalg.norm(np.maximum(np.abs(box[0]), np.abs(box[1])))) + 2


def lines_from_infinity(system: System, directions: Array, end: float) -> Lines:
    """Lines that come from t = `end` on."""
    t = np.full(len(directions), end)
    x = t[:, None] * directions
    for _ in range(20):
        J, right = np.ascontiguousarray(system.jacobian(x)), -(system.f(x) + t[:, None] * directions)[..., None]
        solve_each(J, right, np.empty(len(x), bool))
        x = x + right[..., 0]
    tangents = _tangents(system, x, directions)
    return Lines(x, t, directions, tangents * np.sign(-tangents[:, -1:]), np.full(len(x), _MOST_STEP))


def lines_from_points(system: System, x: Array, directions: Array) -> Lines:
    """Lines that start at fixed points (E, n), both ways: 2E of them."""
    tangents = _tangents(system, x, directions)
    twice = np.concatenate([tangents, -tangents])
    x, c = np.concatenate([x, x]), np.concatenate([directions, directions])
    return Lines(x, np.zeros(len(x)), c, twice, np.full(len(x), _FIRST_STEP))


def _tangents(system: System, x: Array, c: Array) -> Array:
    """Unit null vectors of [J c], t falling or rising as it comes."""
    J, right = np.ascontiguousarray(system.jacobian(x)), -c[..., None].copy()
    solve_each(J, right, np.empty(len(x), bool))
    tangents = np.concatenate([right[..., 0], np.ones((len(x), 1))], axis=1)
    return tangents / np.linalg.norm(tangents, axis=1)[:, None]


def follow(system: System, lines: Lines, end: float, *, rounds: int = 600, most: float = np.inf) -> tuple[Array, int]:
    """States near which lines cross t = 0, until each has left |t| ≤ `end` or has stopped, and Jacobians evaluated.

    Parameters
    ----------
    system : System
    lines : Lines
        Overwritten by where they got to.
    end : float
    rounds : int
        Most steps of a line.
    most : float
        Jacobians after which no further step is begun.

    Returns
    -------
    (ndarray (crossings, n), int)

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[2.0]], [0.0], form="current")
    >>> lines = lines_from_infinity(network, np.ones((1, 1)), 8.0)
    >>> len(follow(network, lines, 8.0)[0])
    3
    """
    active, crossings, evaluations = np.arange(len(lines.x)), [], 0
    begun = lines.part(active)
    for _ in range(rounds):
        if not active.size or evaluations >= most:
            break
        heads = lines.part(active)
        x, t, tangents, good, count = _step(system, heads)
        evaluations += count
        crossed = good & (heads.t * t <= 0) & (heads.t != 0)
        share = heads.t[crossed] / (heads.t[crossed] - t[crossed])
        crossings.append(heads.x[crossed] + share[:, None] * (x[crossed] - heads.x[crossed]))
        done, closed = active[good], _closed(begun.part(active), heads, x) & crossed
        lines.x[done], lines.t[done], lines.tangents[done] = x[good], t[good], tangents[good]
        lines.lengths[active] = np.where(good, np.minimum(1.6 * heads.lengths, _MOST_STEP), 0.4 * heads.lengths)
        active = active[(np.abs(lines.t[active]) <= end) & (lines.lengths[active] >= _LEAST_STEP) & ~closed]
    return np.concatenate([np.empty((0, system.dim)), *crossings]), evaluations


def _closed(begun: Lines, heads: Lines, x: Array) -> Array:
    """Whether a line that began at a fixed point passes it again in its first direction, on its way to `x`."""
    way, offset = x - heads.x, begun.x - heads.x
    along = (way * offset).sum(axis=1) / np.maximum((way * way).sum(axis=1), 1e-300)
    aside = np.linalg.norm(offset - along[:, None] * way, axis=1)
    passed = (along >= -0.1) & (along <= 1.1) & (aside <= 0.1 * np.linalg.norm(way, axis=1))
    return passed & (begun.t == 0) & ((heads.tangents * begun.tangents).sum(axis=1) >= _STRAIGHT)


def _step(system: System, heads: Lines) -> tuple[Array, Array, Array, Array, int]:
    """The next head of each line, its tangent, whether the step was short enough to trust, and Jacobians evaluated."""
    ahead = heads.lengths[:, None] * heads.tangents
    x, t, tangents = heads.x + ahead[:, :-1], heads.t + ahead[:, -1], heads.tangents.copy()
    good, open_, evaluations = np.zeros(len(x), bool), np.arange(len(x)), 0
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(3):
            part = heads.part(open_)
            correction, tangents[open_], solved = _correction(system, x[open_], t[open_], part)
            evaluations += len(open_)
            x[open_], t[open_] = x[open_] + correction[:, :-1], t[open_] + correction[:, -1]
            straight = (tangents[open_] * part.tangents).sum(axis=1) >= _STRAIGHT
            near = np.linalg.norm(correction, axis=1) <= 0.3 * part.lengths
            left = np.linalg.norm(system.f(x[open_]) + t[open_, None] * part.c, axis=1)
            trusted = solved & straight & near
            good[open_] = trusted & (left <= _ON_THE_LINE * part.lengths)
            open_ = open_[trusted & ~good[open_]]
            if not open_.size:
                break
    return x, t, tangents, good, evaluations


def _correction(system: System, x: Array, t: Array, heads: Lines) -> tuple[Array, Array, Array]:
    """Newton's correction at right angles to the old tangent, the unit tangent there, and where there are any."""
    number, n = x.shape
    A = np.empty((number, n + 1, n + 1))
    A[:, :n, :n], A[:, :n, n], A[:, n] = system.jacobian(x), heads.c, heads.tangents
    right = np.zeros((number, n + 1, 2))
    right[:, :n, 0], right[:, n, 1] = -(system.f(x) + t[:, None] * heads.c), 1.0
    solved = np.empty(number, bool)
    solve_each(A, right, solved)
    return right[..., 0], right[..., 1] / np.linalg.norm(right[..., 1], axis=1)[:, None], solved
