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
    growth, flip = _growth(np.atleast_1d(eigenvalues), time, leak)
    if np.any(growth == 0):
        return DEGENERATE
    unstable = int(np.sum(growth > 0))
    dim = len(growth)
    shape = "focus" if np.any(np.iscomplex(eigenvalues)) else "node"
    name = f"stable {shape}" if unstable == 0 else f"unstable {shape}" if unstable == dim else f"saddle-{unstable}"
    return Stability(unstable == 0, name + (" with flip" if flip else ""))


def _growth(eigenvalues: Array, time: Time, leak: float | None) -> tuple[Array, bool]:
    if time is Time.FLOW:
        return np.real(eigenvalues), False
    multipliers = 1 + (1.0 if leak is None else leak) * eigenvalues
    flip = bool(np.any((np.real(multipliers) < 0) & (np.imag(multipliers) == 0)))
    return np.abs(multipliers) - 1, flip
