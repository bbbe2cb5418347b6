"""Normal forms at a fixed point with a critical eigenvalue: what an event's kind is decided by, and its evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array, System, Time
from dynaghost.trajectories.leaps import solved

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
    """Of a Hopf or Neimark–Sacker bifurcation at `x`, (n,): below 0 the cycle, or the invariant circle, is stable.

    With J q = iω q, pᴴJ = iω pᴴ, |q| = 1, pᴴq = 1, B and C the second and third derivatives: of a flow
    Re[p·C(q, q, q̄) − 2 p·B(q, J⁻¹B(q, q̄)) + p·B(q̄, (2iω − J)⁻¹B(q, q))]/2ω. Of a map with A q = ρq, ρ = exp iθ,
    ½Re ρ̄[p·C(q, q, q̄) + 2 p·B(q, (1 − A)⁻¹B(q, q̄)) + p·B(q̄, (ρ² − A)⁻¹B(q, q))], but for θ = 2π/3 and π/2.

    Parameters
    ----------
    system : System
    x : ndarray (n,)
    eigenvalue : complex
        The critical one of J, for a map too.
    """
    J, leak = system.jacobian(x), 1.0 if system.time is Time.FLOW else leak_of(system)
    one, turned = np.eye(len(x)), complex(eigenvalue.real, abs(eigenvalue.imag))
    q, p = _eigenvectors(J, turned)
    second, third = _derivatives(system, x, leak)
    cubic = p @ (third(q, q, q.real) - 1j * third(q, q, q.imag))
    steady = np.linalg.solve(-leak * J, second(q, q.conj()))
    if system.time is Time.FLOW:
        double = np.linalg.solve(2j * turned.imag * one - J, second(q, q))
        total = cubic + 2 * p @ second(q, steady) + p @ second(q.conj(), double)
        return float(total.real) / (2 * turned.imag)
    rho = (1 + leak * turned) / abs(1 + leak * turned)
    double = np.linalg.solve((rho**2 - 1) * one - leak * J, second(q, q))
    total = cubic + 2 * p @ second(q, steady) + p @ second(q.conj(), double)
    return 0.5 * float((rho.conjugate() * total).real)


def flip_coefficient(system: System, x: Array) -> float:
    """c of a map's flip at `x`, (n,), in ξ ← −ξ + cξ³: above 0 the cycle of period two is stable.

    p·C(q, q, q)/6 + p·B(q, (1 − A)⁻¹B(q, q))/2 with A q = −q, pA = −p, |q| = 1, p·q = 1.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> round(flip_coefficient(LeakyRNN([[-1.0]], [0.0]), np.zeros(1)), 6)
    0.333333
    """
    J, leak = system.jacobian(x), leak_of(system)
    q, p = (one.real for one in _eigenvectors(J, -2 / leak))
    second, third = _derivatives(system, x, leak)
    bent = np.linalg.solve(-leak * J, second(q, q))
    return float(p @ third(q, q, q)) / 6 + float(p @ second(q, bent)) / 2


def _eigenvectors(J: Array, eigenvalue: complex) -> tuple[Array, Array]:
    """Right and left, q and p, of the eigenvalue nearest to the given one, |q| = 1 and p·q = 1."""
    values, right = np.linalg.eig(J)
    q = right[:, int(np.argmin(np.abs(values - eigenvalue)))]
    values, left = np.linalg.eig(J.T)
    p = left[:, int(np.argmin(np.abs(values - eigenvalue)))]
    q = q / np.linalg.norm(q)
    return q, p / (p @ q)


def _derivatives(system: System, x: Array, leak: float) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Second derivative (u, v), and third (u, v, w) by a central difference along a real w, of `leak`·f at `x`."""

    def second(u: Array, v: Array, at: Array = x) -> Array:
        return leak * np.asarray(system.second_derivative(at, u, v))

    def third(u: Array, v: Array, w: Array) -> Array:
        return (second(u, v, x + _H * w) - second(u, v, x - _H * w)) / (2 * _H)

    return second, third


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
