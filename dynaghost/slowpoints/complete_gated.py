"""Every fixed point of a small GRU, LSTM or stack with proof, rounding included, by branch and prune on affine forms.

All fixed points have hidden states |h| < 1 that solve f(h) = v(h) − h = 0 (`GatedRoots`). Over a box of them an affine
form says f(y) ∈ A y + m ± e. With any matrix Y, here about A⁻¹, a root satisfies

    y = −Y m ∓ |Y| e + (I − Y A) y.

A box is dropped where this misses it, or f has a sign. For two roots, |y − y'| ≤ (|I − Y A| + |Y| D)|y − y'|, D the
spread of the form: if a positive vector shrinks under that matrix there is one at most, and Newton–Kantorovich proves
one that is there.
"""

from dataclasses import dataclass, field

import numpy as np

from dynaghost.slowpoints.complete import Found, Stop
from dynaghost.slowpoints.newton_kantorovich import RootProof
from dynaghost.slowpoints.pointwise import proof_of_root
from dynaghost.systems.affine import Affine
from dynaghost.systems.base import Array, System
from dynaghost.systems.gated import LSTM, Gated

MOST_UNITS, WITHIN_REACH = 16, 6
"""Hidden units: beyond 6 only networks of low gain finish."""

BUDGET = 100_000
"""Most boxes up to 6 units, of 20 to 60 µs each; a twentieth of it beyond."""

_AT_ONCE = 256
_SLACK, _UP = 1e-13, 1 + 1e-12
_NARROW = 1e-6
_GAIN = 0.1  # contract again where the widths shrink by this share in the mean
_ODDS_END = 290.0  # eᵗ is taken to stay at e³⁰⁰ beyond


@dataclass(slots=True)
class Boxes:
    """What a search of boxes has found: proved states, and hulls (lower, upper) in h that it could not decide."""

    roots: list[Array] = field(default_factory=list)
    proofs: list[RootProof] = field(default_factory=list)
    narrow: list[tuple[Array, Array]] = field(default_factory=list)
    left: list[tuple[Array, Array]] = field(default_factory=list)
    boxes: int = 0


def serves(system: System) -> bool:
    """Whether `find_all` is a search for this network: gated, analytic, small, forget gates within the range of eᵗ.

    Examples
    --------
    >>> from dynaghost.systems import GRU
    >>> serves(GRU([[0.0], [0.0], [3.0]]))
    True
    """
    if not isinstance(system, Gated) or not system.analytic or system.root_form().dim > MOST_UNITS:
        return False
    if not isinstance(system, LSTM):
        return True
    return all(np.all(_largest_argument(system, k) < _ODDS_END) for k in range(len(system.cells)))


def budget_of(system: Gated) -> int:
    """Boxes that are worth a try: some seconds where they nearly always suffice, some tenths of one elsewhere."""
    return BUDGET if system.root_form().dim <= WITHIN_REACH else BUDGET // 20


def find_all(system: Gated, *, budget: int) -> Found:
    """Every fixed point of a small gated network.

    Parameters
    ----------
    system : Gated
        Which `serves`.
    budget : int
        Most boxes to look at.

    Returns
    -------
    Found
        In the network's states; boxes that were left are one hull.

    Examples
    --------
    >>> from dynaghost.systems import LSTM
    >>> found = find_all(LSTM([[2.0], [0.0], [9.0], [2.0]]), budget=10_000)
    >>> len(found.roots), found.complete, found.index_sum
    (3, True, 1)
    """
    found = search_boxes(system, budget)
    columns = ("radius", "unique_radius", "index")
    radius, unique, index = (np.array([getattr(proof, name) for proof in found.proofs]) for name in columns)
    return Found(
        roots=np.reshape(found.roots, (-1, system.dim)),
        radius=radius,
        unique_radius=unique,
        index=index.astype(np.int8),
        clusters=_hull(system, found.narrow),
        unresolved=_hull(system, found.left),
        boxes=found.boxes,
        complete=not found.narrow and not found.left,
        status=Stop.BUDGET if found.left else Stop.FINISHED,
    )


def _largest_argument(system: Gated, k: int) -> Array:
    """Of layer k's forget gates, over |h| ≤ 1."""
    cell = system.cells[k]
    drive = np.abs(system.drive) if k == 0 else np.abs(cell.into.W).sum(axis=1) + np.abs(cell.bias_ih)
    gate = slice(cell.hidden, 2 * cell.hidden)
    return drive[gate] + np.abs(cell.W[1].W).sum(axis=1) + np.abs(cell.b[1])


def _hull(system: Gated, boxes: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """All boxes in one, in the network's states: cell states are where `fixed_point_box` says."""
    none = np.zeros((0, system.dim))
    everywhere = system.fixed_point_box()
    if not boxes or everywhere is None:
        return none, none
    ends = np.min([low for low, _ in boxes], axis=0), np.max([high for _, high in boxes], axis=0)
    hulls = []
    for side, end in zip(everywhere, ends, strict=True):
        state, at = side.copy(), 0
        for cell, span in zip(system.cells, system.spans, strict=True):
            state[span][: cell.hidden] = end[at : at + cell.hidden]
            at += cell.hidden
        hulls.append(state[None])
    return hulls[0], hulls[1]


def search_boxes(system: Gated, budget: int) -> Boxes:
    """Cover |h| ≤ 1.

    Parameters
    ----------
    system : Gated
        Which `serves`.
    budget : int
        Most boxes to look at.

    Returns
    -------
    Boxes
        Outside `narrow` and `left` there is no fixed point but `roots`.

    Examples
    --------
    >>> from dynaghost.systems import GRU
    >>> found = search_boxes(GRU([[0.0], [0.0], [5.0]]), 1000)
    >>> sorted(round(float(x[0]), 4) for x in found.roots), found.narrow, found.left
    ([-0.9856, 0.0, 0.9856], [], [])
    """
    found, dim = Boxes(), system.root_form().dim
    lower, upper = -np.ones((1, dim)), np.ones((1, dim))
    while len(lower) and found.boxes < budget:
        take = min(_AT_ONCE, budget - found.boxes)
        found.boxes += min(take, len(lower))
        new = _looked_at(system, found, lower[-take:], upper[-take:])
        lower, upper = (np.concatenate([old[:-take], more]) for old, more in zip((lower, upper), new, strict=True))
    found.left += list(zip(lower, upper, strict=True))
    return found


def _looked_at(system: Gated, found: Boxes, lower: Array, upper: Array) -> tuple[Array, Array]:
    """What remains to be looked at of some boxes."""
    # Wider than the box: neighbours overlap, so that no root is on an edge of both.
    centre, reach = 0.5 * (lower + upper), 0.5 * (upper - lower) * (1 + 1e-8) + 1e-10
    f = system.root_form()._f(Affine.of(centre, reach))
    Y, rest, image, half = _contracted(f, reach)
    low, high = np.maximum(-reach, image - half), np.minimum(reach, image + half)
    alive = np.all((f.low <= 0) & (f.high >= 0), axis=1) & np.all(low <= high, axis=1)
    alone = alive & _alone(rest + np.abs(Y) @ f.spread * _UP + _SLACK * (np.abs(Y) @ np.abs(f.slope)))
    for k in np.flatnonzero(alone):
        alive[k] = not _settled(system, found, centre[k], reach[k], 0.5 * (low[k] + high[k]))
    spreads = reach * (np.abs(Y) @ f.spread).sum(axis=1)
    cut = np.maximum(lower, centre + low - 1e-15), np.minimum(upper, centre + high + 1e-15)
    return _divided(found, alive, (lower, upper), cut, spreads)


def _contracted(f: Affine, reach: Array) -> tuple[Array, Array, Array, Array]:
    """Y, |I − Y A| with its rounding, and the image −Y m ± … of the boxes."""
    A, sizes = f.slope, np.abs(f.slope)
    try:
        Y = np.linalg.inv(A)
    except np.linalg.LinAlgError:
        Y = np.linalg.pinv(A)
    Y = np.where(np.isfinite(Y), Y, 0.0)
    size = np.abs(Y)
    rest = np.abs(np.eye(A.shape[-1]) - Y @ A) + _SLACK * (size @ sizes + np.eye(A.shape[-1]))
    image = -(Y @ f.mid[..., None])[..., 0]
    half = (size @ (f.rad + _SLACK * np.abs(f.mid))[..., None] + rest @ reach[..., None])[..., 0] * _UP + 1e-290
    return Y, rest, image, half


def _alone(B: Array) -> Array:
    """Whether B v < v for a positive v, which bounds |y − y'| ≤ B|y − y'| away from everything but 0."""
    v = np.ones(B.shape[:-1])
    proved = np.zeros(len(B), bool)
    for _ in range(8):
        moved = (B @ v[..., None])[..., 0]
        with np.errstate(invalid="ignore"):
            proved |= np.all(moved * (1 + 1e-9) < v, axis=1)
            v = moved / moved.max(axis=1, keepdims=True) + 1e-3
    return proved


def _settled(system: Gated, found: Boxes, centre: Array, reach: Array, start: Array) -> bool:
    """Whether a proved fixed point is in this box, which holds one at most; it is then listed."""
    form = system.root_form()
    h = centre + start
    for _ in range(8):
        h = np.clip(h - np.linalg.lstsq(form.jacobian(h), form.f(h), rcond=None)[0], -1.0, 1.0)
    if not np.all(np.abs(h - centre) < reach * (1 - 1e-9)):
        return False
    x = form.state(h)
    proof = proof_of_root(system, x)
    if not proof.proved or not np.all(np.abs(h - centre) + proof.radius < reach * (1 - 1e-9)):
        return False
    return _list(found, x, proof)


def _list(found: Boxes, x: Array, proof: RootProof) -> bool:
    """List a fixed point unless it is there; false where it cannot be told from one that is."""
    for other, old in zip(found.roots, found.proofs, strict=True):
        apart = float(np.linalg.norm(x - other))
        if apart + proof.radius < old.unique_radius * (1 - 1e-9):
            return True
        if not apart * (1 - 1e-9) > proof.radius + old.radius:
            return False
    found.roots.append(x)
    found.proofs.append(proof)
    return True


def _divided(
    found: Boxes, alive: Array, old: tuple[Array, Array], cut: tuple[Array, Array], spreads: Array
) -> tuple[Array, Array]:
    """The boxes still to be looked at: smaller ones as they are, others in halves; narrow ones are set aside."""
    lower, upper = cut[0][alive], np.maximum(cut[0], cut[1])[alive]
    before = (old[1] - old[0])[alive]
    with np.errstate(divide="ignore", invalid="ignore"):
        gone = np.nan_to_num(1 - (upper - lower) / before).mean(axis=1)
    narrow = np.all(before < _NARROW, axis=1)  # looked at when it was as narrow as that
    found.narrow += list(zip(lower[narrow], upper[narrow], strict=True))
    again, halve = ~narrow & (gone > _GAIN), ~narrow & ~(gone > _GAIN)
    at = np.argmax(np.where(upper - lower < 0.1 * _NARROW, -1.0, spreads[alive]), axis=1)[halve]
    first, last = lower[halve], upper[halve]
    middle, rows = 0.5 * (first + last), np.arange(len(first))
    left, right = last.copy(), first.copy()
    left[rows, at] = right[rows, at] = middle[rows, at]
    return np.concatenate([lower[again], first, right]), np.concatenate([upper[again], left, last])
