"""The map of a leaky network or of a latent circuit, iterated: x ← x + leak·(c − x + L N φ(A B x + d)).

Each of the four matrices may be empty, which stands for the identity: a plain network has A = W (rate form) or L = W
(current form), a latent circuit A = M and N, a network of low rank B and A, or N and L. B and N have few rows and are
applied by sums in lanes; A and L column by column. So the bits are the same on every processor.
"""

from typing import NamedTuple

import numpy as np

from dynaghost.kernels.bands import softplus
from dynaghost.kernels.elementary import fma, sigmoid, tanh
from dynaghost.kernels.inner import ENTRY, JIT
from dynaghost.kernels.lanes import LANES, dot

TANH, SIGMOID, SOFTPLUS, PIECEWISE = 0, 1, 2, 3
KINDS = {"tanh": TANH, "sigmoid": SIGMOID, "softplus": SOFTPLUS, "relu": PIECEWISE, "leaky_relu": PIECEWISE}

Matrix = np.ndarray


class Weights(NamedTuple):
    """A leaky map.

    Attributes
    ----------
    B, N : (rows, columns up to a multiple of 8) float64 arrays
        Zero beyond their true columns.
    AT, LT : float64 arrays
        Transposes of A and L.
    c, d : (dim,), (units,) float64 arrays
    kind : int
        Of φ: `TANH`, `SIGMOID`, `SOFTPLUS` or `PIECEWISE`.
    slope : float
        Of a piecewise linear φ below 0.
    leak : float
    """

    B: Matrix
    AT: Matrix
    N: Matrix
    LT: Matrix
    c: Matrix
    d: Matrix
    kind: int
    slope: float
    leak: float


@JIT
def _rows_times(A, x, y):
    """y = A x, by sums in lanes."""
    for i in range(A.shape[0]):
        y[i] = dot(A[i], x)


@JIT
def _add_columns(AT, x, y):
    """y += A x, from the transpose of A."""
    for j in range(AT.shape[0]):
        row, factor = AT[j], x[j]
        for i in range(row.size):
            y[i] = fma(factor, row[i], y[i])


@JIT
def _activate(kind, slope, u, units):
    if kind == TANH:
        for i in range(units):
            u[i] = tanh(u[i])
    elif kind == PIECEWISE:
        for i in range(units):
            u[i] = u[i] if u[i] > 0.0 else slope * u[i]
    elif kind == SIGMOID:
        for i in range(units):
            u[i] = sigmoid(u[i])
    else:
        for i in range(units):
            u[i] = softplus(u[i])


@JIT
def _add_change(weights, x, inner, u, low):
    """x ← x + leak·f(x); the rest is room."""
    units, c = weights.d.size, weights.c
    for i in range(units):
        u[i] = weights.d[i]
    if weights.AT.size == 0:
        for i in range(units):
            u[i] += x[i]
    elif weights.B.size == 0:
        _add_columns(weights.AT, x, u)
    else:
        _rows_times(weights.B, x, low)
        _add_columns(weights.AT, low, u)
    _activate(weights.kind, weights.slope, u, units)
    for i in range(c.size):
        inner[i] = c[i]
    if weights.N.size:
        _rows_times(weights.N, u, low)
    if weights.LT.size:
        if weights.N.size:
            _add_columns(weights.LT, low, inner)
        else:
            _add_columns(weights.LT, u, inner)
    elif weights.N.size:
        for i in range(c.size):
            inner[i] += low[i]
    else:
        for i in range(c.size):
            inner[i] += u[i]
    for i in range(c.size):
        x[i] += weights.leak * (inner[i] - x[i])


@ENTRY
def _walk(weights, states, path, room):
    x, inner, u, low = room[0], room[1], room[2], room[3]
    for k in range(states.shape[0]):
        for i in range(x.size):
            x[i] = 0.0
        for i in range(states.shape[1]):
            x[i] = states[k, i]
        for t in range(path.shape[1]):
            _add_change(weights, x, inner, u, low)
            for i in range(states.shape[1]):
                path[k, t, i] = x[i]


def weights(*, B=None, A=None, N=None, L=None, c=None, d=None, kind="tanh", slope=0.0, leak=1.0):
    """A leaky map from its matrices; None is the identity, and no constant.

    Parameters
    ----------
    B, A, N, L : 2-D float64 arrays or None
    c, d : 1-D float64 arrays or None
    kind : {"tanh", "sigmoid", "softplus", "relu", "leaky_relu"}
    slope, leak : float

    Returns
    -------
    Weights

    Examples
    --------
    >>> one = weights(A=np.array([[2.0]]), d=np.array([0.5]), leak=0.5)
    >>> walk(one, np.zeros((1, 1)), 1).round(6).tolist() == [[[round(0.5 * np.tanh(0.5), 6)]]]
    True
    """
    units = len(A if A is not None else d if d is not None else c)
    dim = len(next(matrix for matrix in (L, N, A) if matrix is not None)) if c is None else len(c)
    if B is not None:
        dim = B.shape[1]
    width = -(-max(dim, units) // LANES) * LANES
    return Weights(
        _rows(B, width),
        _columns(A),
        _rows(N, width),
        _columns(L),
        np.zeros(dim) if c is None else c,
        np.zeros(units) if d is None else d,
        KINDS[kind],
        float(slope),
        float(leak),
    )


def walk(weights, states, steps):
    """The states after each of so many iterations.

    Parameters
    ----------
    weights : Weights
    states : (trials, dim) float64 array, contiguous
    steps : int

    Returns
    -------
    path : (trials, steps, dim) float64 array
    """
    width = -(-max(weights.c.size, weights.d.size) // LANES) * LANES
    path = np.empty((len(states), steps, states.shape[1]))
    _walk(weights, states, path, np.zeros((4, width)))
    return path


def _rows(A, width):
    rows = np.zeros((0 if A is None else len(A), width))
    if A is not None:
        rows[:, : A.shape[1]] = A
    return rows


def _columns(A):
    return np.zeros((0, 0)) if A is None else np.ascontiguousarray(A.T)
