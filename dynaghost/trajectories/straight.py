"""The straight line between two consecutive checkpoints: every weight interpolated, θ(s) = (1 − s)·θ₀ + s·θ₁."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.systems.activation import TANH
from dynaghost.systems.base import Array, System
from dynaghost.systems.gated import Gated
from dynaghost.systems.low_rank import Form, LatentCircuit, LowRankRNN, RankOneCircuit, RankOneRNN
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.toy import SaddleNode

Parameters = dict[str, Array]

# Places beside s, and their weights, of a derivative by s whose error is h⁴/30 of the fifth derivative.
_H = 2.0**-10
_BESIDE = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
_KEPT = 24  # systems that a line remembers


@singledispatch
def parameters(system: System) -> Parameters:
    """The arrays that training changes, by name.

    A system of another kind takes part by two methods, `parameters()` and `with_parameters(parameters)`.

    Raises
    ------
    DynaghostError
        If the system does not tell its parameters.

    Examples
    --------
    >>> parameters(SaddleNode(0.5))
    {'r': array(0.5)}
    """
    if not callable(getattr(system, "parameters", None)):
        raise DynaghostError(
            "system: expected one that tells its parameters (a built-in network or a torch module), to go from one "
            f"checkpoint to the next, got {type(system).__name__}"
        )
    return {name: np.asarray(value, dtype=float) for name, value in system.parameters().items()}  # type: ignore[attr-defined]


@singledispatch
def with_parameters(system: System, changed: Mapping[str, Array]) -> System:
    """A system of the same kind and options with other arrays.

    Examples
    --------
    >>> with_parameters(SaddleNode(0.5), {"r": np.array(-1.0)}).fixed_points
    (-1.0, 1.0)
    """
    return system.with_parameters(dict(changed))  # type: ignore[attr-defined]


@parameters.register
def _(system: SaddleNode) -> Parameters:
    return {"r": np.array(system.r)}


@with_parameters.register
def _(system: SaddleNode, changed: Mapping[str, Array]) -> System:
    return SaddleNode(float(changed["r"]), leak=system.leak, time=system.time)


@parameters.register
def _(system: LeakyRNN) -> Parameters:
    return {"W": system.W, "b": system.b}


@with_parameters.register
def _(system: LeakyRNN, changed: Mapping[str, Array]) -> System:
    return LeakyRNN(
        changed["W"],
        changed["b"],
        leak=system.leak,
        activation=system.activation,
        time=system.time,
        form=system.form,
        negative_slope=system.negative_slope,
    )


def _low_rank(system: Any) -> Parameters:
    return {"m": system.m, "n": system.n, "b": system.b}


for _kind in (LowRankRNN, LatentCircuit, RankOneCircuit):
    parameters.register(_kind, _low_rank)


def _rebuilt(system: Any, changed: Mapping[str, Array]) -> System:
    kind: Callable[..., System] = LowRankRNN if isinstance(system, RankOneRNN) else type(system)
    return kind(
        changed["m"], changed["n"], changed["b"], leak=system.leak, time=system.time, form=system.form
    )  # scale is in m already


for _kind in (LowRankRNN, LatentCircuit, RankOneCircuit):
    with_parameters.register(_kind, _rebuilt)


@parameters.register
def _(system: Gated) -> Parameters:
    arrays: Parameters = {"inputs": system.inputs}
    for k, cell in enumerate(system.cells):
        arrays[f"weight_hh_l{k}"] = np.concatenate([part.W for part in cell.W])
        arrays[f"weight_ih_l{k}"] = cell.into.W
        arrays[f"bias_hh_l{k}"], arrays[f"bias_ih_l{k}"] = np.concatenate(cell.b), cell.bias_ih
    return arrays


@with_parameters.register
def _(system: Gated, changed: Mapping[str, Array]) -> System:
    layers = range(len(system.cells))
    hh, ih, b_hh, b_ih = (
        [changed[f"{name}_l{k}"] for k in layers] for name in ("weight_hh", "weight_ih", "bias_hh", "bias_ih")
    )
    return type(system)(
        hh, ih, bias_hh=b_hh, bias_ih=b_ih, inputs=changed["inputs"], leak=system.leak, time=system.time
    )


@singledispatch
def velocity(system: System, change: Mapping[str, Array], x: Array) -> Array | None:
    """∂f/∂s at states (..., dim) where the parameters change at the rates `change`; None where no formula is known.

    Examples
    --------
    >>> velocity(LeakyRNN([[2.0]], [0.0]), {"W": np.array([[1.0]]), "b": np.array([3.0])}, np.zeros(1)).tolist()
    [3.0]
    """
    return None


@velocity.register
def _(system: LeakyRNN, change: Mapping[str, Array], x: Array) -> Array:
    W, b = change["W"], change["b"]
    if system.form is Form.RATE:
        return np.asarray(system.curve.slope(x @ system.W.T + system.b) * (x @ W.T + b))
    return np.asarray(system.curve(x) @ W.T + b)


@velocity.register
def _(system: LatentCircuit, change: Mapping[str, Array], x: Array) -> Array:
    u = x @ system.m.T + system.b
    moved = TANH.slope(u) * (x @ change["m"].T + change["b"])
    return np.asarray(moved @ system.n.T + TANH(u) @ change["n"].T)


class Line:
    """Every system on the straight line from one checkpoint to the next, and f along it.

    Parameters
    ----------
    first, second : System
        Of one kind, with arrays of the same shapes.

    Raises
    ------
    DynaghostError
        If kinds, options or shapes differ, or a system does not tell its parameters.

    Examples
    --------
    >>> line = Line(SaddleNode(-1.0), SaddleNode(3.0))
    >>> line.at(0.5).r, line.velocity(np.array([[2.0]]), 0.5).round(12).tolist()
    (1.0, [[4.0]])
    """

    def __init__(self, first: System, second: System) -> None:
        self.first, self.second = first, second
        self._start, end = parameters(first), parameters(second)
        _check_alike(first, second, self._start, end)
        self._change = {name: end[name] - array for name, array in self._start.items()}
        self._known: dict[float, System] = {0.0: first, 1.0: second}

    @property
    def dim(self) -> int:
        return self.first.dim

    def at(self, s: float) -> System:
        """The system at `s`; a little outside of 0 to 1 also, for derivatives."""
        found = self._known.get(s)
        if found is None:
            found = with_parameters(self.first, {n: a + s * self._change[n] for n, a in self._start.items()})
            if len(self._known) > _KEPT:
                self._known = {0.0: self.first, 1.0: self.second}
            self._known[s] = found
        return found

    def velocity(self, x: Array, s: float) -> Array:
        """∂f/∂s at states (..., dim): by its formula, or from f at four places beside `s`."""
        known = velocity(self.at(s), self._change, x)
        if known is not None:
            return known
        return np.asarray(sum(weight * self.at(s + k * _H).f(x) for k, weight in _BESIDE) / _H)


def between(first: System, second: System, s: float) -> System:
    """The system at `s` on the straight line from `first` (0) to `second` (1).

    Raises
    ------
    DynaghostError
        As for `Line`.

    Examples
    --------
    >>> between(SaddleNode(-1.0), SaddleNode(3.0), 0.25).r
    0.0
    """
    return Line(first, second).at(s)


def _check_alike(first: System, second: System, start: Parameters, end: Parameters) -> None:
    options = [
        (type(one).__name__, *(getattr(one, name, None) for name in ("time", "leak", "form", "activation")))
        for one in (first, second)
    ]
    if options[0] != options[1]:
        raise DynaghostError(f"second: expected a system like the first, {options[0]}, got {options[1]}")
    shapes = [{name: array.shape for name, array in arrays.items()} for arrays in (start, end)]
    if shapes[0] != shapes[1]:
        raise DynaghostError(f"second: expected arrays of the same shapes, {shapes[0]}, got {shapes[1]}")
    if callable(getattr(first, "parameters", None)):
        # Arrays that a module holds beside its parameters would stay as they are on the way.
        x = np.linspace(-0.4, 0.5, first.dim)
        rebuilt, known = with_parameters(first, end).f(x), second.f(x)
        if not np.allclose(rebuilt, known, rtol=1e-9, atol=1e-12):
            raise DynaghostError(
                "second: expected all that differs from the first among its parameters and buffers (torch.nn.Parameter,"
                f" register_buffer), got other velocities with the same ones, {known[:3]} and {rebuilt[:3]}"
            )
