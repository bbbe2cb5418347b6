"""Eigenvalues or multipliers → the name of a fixed point's stability, by a flow's rules or a map's."""

from typing import NamedTuple

import numpy as np

from dynaghost.systems.base import Array, Time


class Stability(NamedTuple):
    """`stable` is None and `name` "degenerate" where the linear part decides nothing."""

    stable: bool | None
    name: str


DEGENERATE = Stability(None, "degenerate")


def stability(eigenvalues: Array, time: Time, leak: float | None) -> Stability:
    """The stability of a fixed point whose Jacobian of f has these eigenvalues.

    A flow attracts where every eigenvalue λ has Re λ < 0, a map where every multiplier 1 + leak·λ lies inside the unit
    circle; a negative multiplier flips sides and is named.

    Parameters
    ----------
    eigenvalues : ndarray (dim,)
        Of the Jacobian of f; per τ.
    time : Time
    leak : float or None
        Needed for maps only; 1 for a map x ← F(x) that is not leaky.

    Returns
    -------
    Stability

    Examples
    --------
    >>> stability(np.array([-3.0]), Time.FLOW, None).name
    'stable node'
    >>> stability(np.array([-3.0]), Time.MAP, 1.0).name
    'unstable node with flip'
    """
    values = np.atleast_1d(eigenvalues).tolist()
    growth, flip = _growth(values, time, leak)
    if 0 in growth:
        return DEGENERATE
    unstable = sum(rate > 0 for rate in growth)
    shape = "focus" if any(complex(value).imag for value in values) else "node"
    name = f"saddle-{unstable}"
    if unstable in (0, len(values)):
        name = f"{'unstable' if unstable else 'stable'} {shape}"
    return Stability(unstable == 0, name + (" with flip" if flip else ""))


def _growth(eigenvalues: list[complex], time: Time, leak: float | None) -> tuple[list[float], bool]:
    """A rate for each eigenvalue, negative where it attracts, and whether a multiplier is negative."""
    if time is Time.FLOW:
        return [complex(value).real for value in eigenvalues], False
    moves = [(1.0 if leak is None else leak) * complex(value) for value in eigenvalues]
    flip = any(move.real < -1 and move.imag == 0 for move in moves)
    # |1 + z|² − 1 as a product: 1 + z itself rounds to 1 where z is small.
    return [move.real * (2 + move.real) + move.imag**2 for move in moves], flip
