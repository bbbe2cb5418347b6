"""First and second directional derivatives, carried exactly through any formula written in NumPy's arithmetic."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.systems.activation import Array, Curve


@dataclass(frozen=True, slots=True)
class Jet:
    """y(x), Dy(u), Dy(v) and D²y(u, v); arrays mixed with it are constants.

    Parameters
    ----------
    value, du, dv, duv : ndarray (..., n)

    Examples
    --------
    >>> x = Jet.of(np.array([3.0]), np.array([1.0]), np.array([1.0]))
    >>> (x * x * x).duv.tolist()
    [18.0]
    """

    value: Array
    du: Array
    dv: Array
    duv: Array

    __array_ufunc__ = None

    @classmethod
    def of(cls, x: Array, u: Array, v: Array) -> "Jet":
        """The states themselves, in directions u and v."""
        x, u, v = np.broadcast_arrays(x, u, v)
        return cls(x, u, v, np.zeros_like(u))

    def __getitem__(self, index: Any) -> "Jet":
        return Jet(*(part[index] for part in self.parts))

    def __neg__(self) -> "Jet":
        return Jet(*(-part for part in self.parts))

    def __add__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.du, self.dv, self.duv)
        return Jet(*(a + b for a, b in zip(self.parts, other.parts, strict=True)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Jet":
        return self + (-other)

    def __mul__(self, other: "Jet") -> "Jet":
        a, b = self, other
        duv = a.duv * b.value + a.du * b.dv + a.dv * b.du + a.value * b.duv
        return Jet(a.value * b.value, a.du * b.value + a.value * b.du, a.dv * b.value + a.value * b.dv, duv)

    def __matmul__(self, coupling: Any) -> "Jet":
        return Jet(*(part @ coupling for part in self.parts))

    @property
    def parts(self) -> tuple[Array, Array, Array, Array]:
        return self.value, self.du, self.dv, self.duv

    def value_through(self, curve: Curve) -> "Jet":
        """φ of it."""
        slope, bend = curve.slope(self.value), curve.bend(self.value)
        duv = bend * self.du * self.dv + slope * self.duv
        return Jet(curve(self.value), slope * self.du, slope * self.dv, duv)

    @staticmethod
    def joined(jets: "list[Jet]") -> "Jet":
        """Pieces of one vector, put together."""
        return Jet(*(np.concatenate(parts, axis=-1) for parts in zip(*(jet.parts for jet in jets), strict=True)))
