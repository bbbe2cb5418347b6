"""Normal forms at a fixed point with a critical eigenvalue: what an event's kind is decided by, and its evidence."""

from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array, System, Time
from dynaghost.trajectories.curves import solved

_H = 1e-4  # of the central difference that gives third derivatives


@dataclass(frozen=True, slots=True)
class SimpleZero:
    """ẏ = drive·(s − s*) + quadratic·y² + cubic·y³ along `v`, at a fixed point with one eigenvalue 0.

    Attributes
    ----------
    v, w : ndarray (n,)
        Right and left null vectors, |v| = 1, w·v = 1.
    drive, quadratic, cubic : float
        w·∂f/∂s, ½w·D²f(v, v), and w·(D³f(v, v, v)/6 + D²f(v, h)/2) with J h = −D²f(v, v) + 2·quadratic·v.
    """

    v: Array
    w: Array
    drive: float
    quadratic: float
    cubic: float


def simple_zero(system: System, x: Array, by_s: Array, guess: Array) -> SimpleZero:
    """The normal form about `x`, (n,), with ∂f/∂s `by_s` there and a guess of the null vector.

    Examples
    --------
    >>> from dynaghost.systems import SaddleNode
    >>> form = simple_zero(SaddleNode(0.0), np.zeros(1), np.array([3.0]), np.ones(1))
    >>> form.drive, form.quadratic, form.cubic
    (3.0, 1.0, 0.0)
    """
    J = system.jacobian(x)
    v, w = null_vectors(J, guess)
    bend = system.second_derivative(x, v, v)
    quadratic = 0.5 * float(w @ bend)
    ahead, behind = (system.second_derivative(x + side * _H * v, v, v) for side in (1, -1))
    third = (ahead - behind) / (2 * _H)
    h = bordered(J, w, v, -bend + 2 * quadratic * v)
    cubic = float(w @ (third / 6 + system.second_derivative(x, v, h) / 2))
    return SimpleZero(v, w, float(w @ by_s), quadratic, cubic)


def null_vectors(J: Array, guess: Array) -> tuple[Array, Array]:
    """Right and left null vectors of a nearly singular J, |v| = 1 and w·v = 1."""
    n = len(J)
    v = w = guess / np.linalg.norm(guess)
    for _ in range(3):
        v, w = _null(J, w, v, n), _null(J.T, v, w, n)
    scale = float(w @ v)
    return v, w / scale if scale else w


def _null(J: Array, column: Array, row: Array, n: int) -> Array:
    found = _bordered_solution(J, column, row, np.append(np.zeros(n), 1.0))[:n]
    size = np.linalg.norm(found)
    return found / size if size > 0 else row


def bordered(J: Array, column: Array, row: Array, right: Array) -> Array:
    """y with J y + g·column = right and row·y = 0."""
    return _bordered_solution(J, column, row, np.append(right, 0.0))[: len(J)]


def _bordered_solution(J: Array, column: Array, row: Array, right: Array) -> Array:
    n = len(J)
    B = np.zeros((1, n + 1, n + 1))
    B[0, :n, :n], B[0, :n, n], B[0, n, :n] = J, column, row
    return solved(B, right[None])[0][0][0]


def first_lyapunov_coefficient(system: System, x: Array, eigenvalue: complex) -> float:
    """Of a flow's Hopf bifurcation at `x`, (n,), with the critical `eigenvalue` iω: below 0 the cycles are stable.

    Re[p·C(q, q, q̄) − 2 p·B(q, J⁻¹B(q, q̄)) + p·B(q̄, (2iω − J)⁻¹B(q, q))]/2ω, J q = iω q, pᴴJ = iω pᴴ, |q| = 1, pᴴq = 1,
    with B and C the second and third derivatives of f.
    """
    J, omega = system.jacobian(x), abs(eigenvalue.imag)
    values, right = np.linalg.eig(J)
    q = right[:, int(np.argmin(np.abs(values - 1j * omega)))]
    values, left = np.linalg.eig(J.T)
    p = left[:, int(np.argmin(np.abs(values - 1j * omega)))]
    q = q / np.linalg.norm(q)
    p = p / (p @ q)

    def second(u: Array, v: Array, at: Array = x) -> Array:
        return np.asarray(system.second_derivative(np.asarray(at), u, v))

    def third(w: Array) -> Array:
        return (second(q, q, x + _H * w) - second(q, q, x - _H * w)) / (2 * _H)

    cubic = third(q.real) - 1j * third(q.imag)
    steady = np.linalg.solve(J, second(q, q.conj()))
    double = np.linalg.solve(2j * omega * np.eye(len(J)) - J, second(q, q))
    total = p @ cubic - 2 * p @ second(q, steady) + p @ second(q.conj(), double)
    return float(total.real) / (2 * omega)


def leak_of(system: System) -> float:
    """The leak of a map; 1 where none is told."""
    return 1.0 if system.leak is None else system.leak


def growth(system: System, eigenvalues: Array) -> Array:
    """Re λ of a flow, log|1 + leak·λ| of a map: positive where perturbations grow."""
    if system.time is Time.FLOW:
        return np.real(eigenvalues)
    with np.errstate(divide="ignore"):
        return np.log(np.abs(1 + leak_of(system) * eigenvalues))


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Eigenvalues of J at a fixed point, the fastest growing first, with their growth."""

    eigenvalues: Array
    growth: Array

    @property
    def unstable(self) -> int:
        """Number of directions in which perturbations grow."""
        return int(np.sum(self.growth > 0))


def spectrum(system: System, eigenvalues: Array) -> Spectrum:
    """The eigenvalues in the order of their growth."""
    rates = growth(system, eigenvalues)
    order = np.argsort(-rates, kind="stable")
    return Spectrum(eigenvalues[order], rates[order])


def spectrum_at(system: System, x: Array) -> Spectrum:
    """Of J at `x`, (n,)."""
    return spectrum(system, np.linalg.eigvals(system.jacobian(x)).astype(complex))
