"""The record of one point in n dimensions: what it is, what is proved about it, and its measures.

Three verdicts: a fixed point, a ghost, or neither, and then it is in no list. Near a saddle-node the first two are told
apart by what is proved (Newton–Kantorovich, or the exclusion ball), not by a tolerance on the speed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.kernels.linear import descend_each
from dynaghost.slowpoints.complexified import pair_beside, passage_time
from dynaghost.slowpoints.curvature import energy_derivatives
from dynaghost.slowpoints.newton_kantorovich import FreeProof, RootProof, prove_free, prove_root, unproved
from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost, PassageFrom
from dynaghost.slowpoints.stability import DEGENERATE, stability
from dynaghost.systems.base import Array, System, Time
from dynaghost.systems.gated import Gated

_UNIT = 2.0**-53
_DEGENERATE = "J is singular as far as float64 tells: a double or triple root, or roots too close to tell apart"
_WHOLE = 1024  # dimensions of a stack above which its fixed points are proved layer by layer at once
_SETTLED = 1e-3  # a minimum of q is known well enough to within this share of its bottleneck's half-width


def polished(system: System, x: Array) -> Array:
    """`x` after Newton steps for as long as they lower |f|."""
    best, value = x, system.f(x)
    for _ in range(8):
        try:
            trial = best - np.linalg.solve(system.jacobian(best), value)
        except np.linalg.LinAlgError:
            break
        moved = system.f(trial)
        if not np.linalg.norm(moved) < np.linalg.norm(value):
            break
        best, value = trial, moved
    return best


def proof_of_root(system: System, x: Array, *, balls: bool = True) -> RootProof:
    """By float64, and where that fails in ball arithmetic."""
    if _far_from_root(system, x):
        return unproved("Newton's step is not short: no fixed point is near")
    if isinstance(system, Gated) and len(system.cells) > 1:
        return _proof_of_stack(system, x, balls)
    proof = prove_root(system, x)
    if proof.proved or not balls or not system.enclosing:
        return proof
    from dynaghost.slowpoints.balls import prove_root_in_balls, prove_root_in_sizes  # late: few points need it

    in_balls = prove_root_in_balls(system, x)
    # Its ball of uniqueness is about the exact point; none may be left about x, where |x| is large.
    if not in_balls.unique_radius > in_balls.radius:
        in_sizes = prove_root_in_sizes(system, x)
        in_balls = in_sizes if in_sizes.proved else in_balls
    return in_balls if in_balls.proved else proof


def _proof_of_stack(system: Gated, x: Array, balls: bool) -> RootProof:
    """As a whole, from where Newton converges; or layer by layer, which is less work and holds further."""
    proof = unproved("it was not tried: many dimensions") if system.dim > _WHOLE else prove_root(system, x)
    if proof.proved or not (balls or system.dim > _WHOLE):
        return proof
    from dynaghost.slowpoints.stacked import prove_stack  # late: few points need it

    return prove_stack(system, x)


def rescued(system: System, x: Array) -> tuple[Array, RootProof] | None:
    """The float64 state nearest to the root that Newton reaches in ball arithmetic, and the proof there, if any."""
    if not system.enclosing:
        return None
    from dynaghost.slowpoints.balls import polished_in_balls

    better = polished_in_balls(system, x)
    return None if better is None else (better, proof_of_root(system, better))


def _far_from_root(system: System, x: Array) -> bool:
    """Whether Newton's step from a polished state is long. Where the proof succeeds, Newton converged long ago."""
    try:
        step = np.linalg.solve(system.jacobian(x), system.f(x))
    except np.linalg.LinAlgError:
        return False
    return bool(np.linalg.norm(step) > 1e-4 * (1 + np.linalg.norm(x)))


def looks_like_root(system: System, x: Array) -> bool:
    """Whether x is a simple root as far as unproved float64 tells: h ≤ ½ with L along J's weakest direction."""
    J, f = system.jacobian(x), system.f(x)
    v = _weakest(J)
    try:
        step, bend = np.linalg.solve(J, np.stack([f, system.second_derivative(x, v, v)], axis=1)).T
    except np.linalg.LinAlgError:
        return False
    noise = 64 * _UNIT * (1 + np.linalg.norm(x)) * np.linalg.norm(np.linalg.inv(J), 2)
    size = float(np.linalg.norm(step))
    return bool((size + noise) * np.linalg.norm(bend) <= 0.5 and size <= 1e-6 * (1 + np.linalg.norm(x)))


def fixed_point(system: System, x: Array, proof: RootProof) -> FixedPoint:
    """The record of a fixed point, or of a degenerate or unproved one where the proof has a reason.

    Parameters
    ----------
    system : System
    x : ndarray (dim,)
    proof : RootProof

    Returns
    -------
    FixedPoint
    """
    degenerate = not proof.proved and proof.because.startswith("J is singular")
    return record(system, x, system.jacobian(x), proof, degenerate=degenerate)


def record(system: System, x: Array, J: Array, proof: RootProof, *, degenerate: bool) -> FixedPoint:
    """The record of a fixed point at which the Jacobian, or that of its linear region, is `J`."""
    eigenvalues = np.concatenate([np.linalg.eigvals(J[span, span]) for span in _blocks(system)])
    eigenvalues = eigenvalues[np.lexsort((-eigenvalues.imag, -eigenvalues.real))]
    leak = 1.0 if system.leak is None and system.time is Time.MAP else system.leak
    stable, name = DEGENERATE if degenerate else stability(eigenvalues, system.time, leak)
    return FixedPoint(
        x=x,
        residual=float(np.linalg.norm(system.f(x))),
        eigenvalues=eigenvalues,
        multipliers=None if leak is None else 1 + leak * eigenvalues,
        stable=stable,
        stability=name,
        degenerate=degenerate,
        certificate=Certificate.EXISTS_UNIQUE if proof.proved else Certificate.UNDECIDED,
        radius=proof.radius,
        unique_radius=proof.unique_radius,
        undecided_because=proof.because,
        time=system.time,
    )


def _blocks(system: System) -> list[slice]:
    """Where J is block triangular, its diagonal blocks: the layers of a stack, which read only those below."""
    return system.spans if isinstance(system, Gated) else [slice(None)]


def degenerate_point(system: System, x: Array) -> FixedPoint | None:
    """The record of a double or triple root at `x`; None where f is not 0 as far as float64 tells."""
    mid, rad = system.f_enclosure(x)
    size = _UNIT * (1 + np.linalg.norm(x))
    # Its rounding may be far smaller than that of J, which is singular there: x − tanh x at 0 has no error at all.
    error = np.maximum(rad, size) if np.all(np.isfinite(rad)) else np.full_like(mid, 64 * size)
    return fixed_point(system, x, unproved(_DEGENERATE)) if np.all(np.abs(mid) <= 4 * error) else None


def index_sum(proofs: Sequence[RootProof], multiple: Sequence[FixedPoint] = ()) -> int | None:
    """Σ sign det(−J) over proved fixed points; None where a sign is not proved, or where there are `multiple` ones.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> system = LeakyRNN([[0.0, 2.0], [0.5, 0.0]], [0.1, 0.0])
    >>> x = polished(system, np.array([0.5, 0.3]))
    >>> index_sum([prove_root(system, x)]), index_sum([unproved("no bound")])
    (1, None)
    """
    if multiple or any(proof.index == 0 for proof in proofs):
        return None
    return sum(proof.index for proof in proofs)


def index(point: FixedPoint) -> int:
    """sign det(−J): complex eigenvalues come in pairs, so the positive ones alone count."""
    return -1 if int(np.sum((point.eigenvalues.imag == 0) & (point.eigenvalues.real > 0))) % 2 else 1


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The saddle-node normal form (w·v)·ṡ = μ + a·s² about a state: μ = w·f, `v` of length 1, `width` √(μ/a).

    w is J's left null vector, which Gf/|f|_G is at a minimum of the speed, as far as the rounding of f lets it.
    `settled`: the state is such a minimum, to within a thousandth of the width.
    """

    w: Array
    v: Array
    mu: float
    a: float
    alignment: float
    width: float
    settled: bool


def bottleneck(system: System, x: Array) -> Bottleneck | None:
    """The normal form about `x`; None where f is 0. Without a > 0 or w·v > 0 it is not settled."""
    f, J = system.f(x), system.jacobian(x)
    if not (np.any(f) and np.all(np.isfinite(J))):
        return None
    left, values, right = np.linalg.svd(J)
    w, v = left[:, -1], right[-1]
    w = w / math.sqrt(float(w @ np.linalg.solve(system.metric, w)))
    w = -w if w @ f < 0 else w
    v = -v if w @ v < 0 else v
    mu, a = float(w @ f), 0.5 * float(w @ system.second_derivative(x, v, v))
    alignment = float(w @ v)
    if not (mu > 0 and a > 0 and alignment > 1e-8 * np.linalg.norm(w)):
        return Bottleneck(w, v, mu, a, alignment, math.inf, settled=False)
    width = math.sqrt(mu / a)
    tilt = float(values[-1] / (1 + values[0])), float(values[-1]) * float(np.linalg.norm(w)) / (2 * a)
    settled = _minimum(system, x, f, J, width) or _faint_minimum(x, (f, w), tilt, width)
    return Bottleneck(w, v, mu, a, alignment, width, settled)


def _minimum(system: System, x: Array, f: Array, J: Array, width: float) -> bool:
    """Whether the Hessian of q is positive definite and Newton's step on q is short."""
    gradient, hessian = energy_derivatives(system, x[None], f[None], J[None], system.metric)
    shift, step = np.zeros(1), gradient.copy()
    descend_each(np.ascontiguousarray(hessian), step, shift, np.array([np.abs(hessian).max() + 1e-300]))
    size = float(np.linalg.norm(step))
    return bool(shift[0] == 0 and size <= min(_SETTLED * width, 1e-6 * (1 + float(np.linalg.norm(x)))))


def _faint_minimum(x: Array, about: tuple[Array, Array], tilt: tuple[float, float], width: float) -> bool:
    """The same where that Hessian is too flat for float64: by the normal form along v, f having nothing across it."""
    f, w = about
    unit = w / np.linalg.norm(w)
    across = float(np.linalg.norm(f - unit * (unit @ f)))
    noise = 64 * _UNIT * (1 + float(np.linalg.norm(x)))
    return tilt[0] <= 1e-6 and tilt[1] <= _SETTLED * width and across <= max(1e-3 * float(np.linalg.norm(f)), noise)


def proof_of_freedom(system: System, x: Array, w: Array) -> FreeProof:
    """By float64, and where that fails in ball arithmetic."""
    proof = prove_free(system, x, w)
    if proof.radius > 0 or not system.enclosing:
        return proof
    from dynaghost.slowpoints.balls import lower_dot_in_balls

    unit = w / np.linalg.norm(w)
    return prove_free(system, x, unit, value=lower_dot_in_balls(system, x, unit) * (1 - 1e-12))


def ghost(system: System, x: Array, *, known: bool = False) -> Ghost | None:
    """The record of a ghost at `x`; None if `x` is no minimum of the speed above zero.

    Parameters
    ----------
    system : System
    x : ndarray (dim,)
    known : bool
        It is proved elsewhere that a minimum of the speed above zero is there.

    Returns
    -------
    Ghost or None

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[1.5]], [0.25], time="flow")
    >>> found = ghost(network, np.array([-0.6056526323082723]))  # sech²u = 1/1.5, so that J = 0
    >>> round(found.speed, 4), found.certificate.value, found.passage_from.value
    (0.0283, 'root_free', 'pair')
    >>> ghost(network, np.array([0.3])) is None
    True
    """
    shape = bottleneck(system, x)
    if shape is None or not (shape.settled or known):
        return None
    proof = proof_of_freedom(system, x, shape.w)
    if proof.radius == 0 and not known and not (_unbounded(proof) and shape.mu > 64 * _UNIT * (1 + np.linalg.norm(x))):
        return None
    quadratic = math.isfinite(shape.width) and not _faint(system, x, shape.mu)
    found = pair_beside(system, x, shape.v, shape.width) if quadratic else None
    duration = _estimate(shape, system) if found is None else _exact(found[1], system)
    return Ghost(
        x=x,
        speed=shape.mu,
        curvature=max(shape.a, 0.0),
        direction=shape.v,
        complex_point=None if found is None else found[0],
        passage_time=duration,
        passage_from=PassageFrom.ESTIMATE if found is None else PassageFrom.PAIR,
        certificate=Certificate.ROOT_FREE if proof.radius > 0 else Certificate.UNDECIDED,
        radius=proof.radius,
        undecided_because=proof.because,
        alignment=shape.alignment,
    )


def _unbounded(proof: FreeProof) -> bool:
    return proof.because.startswith("the system states no bound")


def _faint(system: System, x: Array, mu: float) -> bool:
    """Whether the rounding of f is more than a percent of the speed: a root of the evaluated f is then noise."""
    rad = system.f_enclosure(x)[1]
    error = float(np.linalg.norm(rad)) if np.all(np.isfinite(rad)) else 4 * _UNIT * (1 + float(np.linalg.norm(x)))
    return mu < 100 * error * math.sqrt(float(np.abs(np.diag(system.metric)).max()))


def _exact(eigenvalue: complex, system: System) -> float:
    return passage_time(eigenvalue, system.time, system.leak)


def _estimate(shape: Bottleneck, system: System) -> float:
    if not math.isfinite(shape.width):
        return math.inf
    leak = 1.0 if system.leak is None else system.leak
    estimate = math.pi * shape.alignment / math.sqrt(shape.mu) / math.sqrt(shape.a)
    return estimate if system.time is Time.FLOW else estimate / leak


def _weakest(J: Array) -> Array:
    """The right singular vector of the smallest singular value."""
    return np.linalg.svd(J)[2][-1]
