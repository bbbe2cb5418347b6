"""What a network answers: the outputs of its fixed points, and when its trials get across the readout's threshold.

An output is affine in the state, before whatever squashes it, so that it crosses the threshold where the answer turns.
Of several outputs each has its own answer; where they stand for classes, the largest one is the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.systems.iteration import FLOW_STEP
from dynaghost.systems.low_rank import Form
from dynaghost.trajectories.straight import Line
from dynaghost.trajectories.walks import LONGEST, Walk

_BRACKET, _NEWTONS, _CLOSE = 1e-9, 20, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """An affine readout of a network's state and its threshold.

    Attributes
    ----------
    weights : ndarray (units,) or (outputs, units)
    bias : float or ndarray (outputs,)
    threshold : float
    name : str
        Where it comes from.
    largest : bool
        The largest output is the answer; by how much it must lead is the threshold.

    Examples
    --------
    >>> Readout(np.eye(3), 0.0, 0.0, "", largest=True).margins(np.array([0.5, 2.0, 1.5])).tolist()
    [-1.5, 0.5, -0.5]
    """

    weights: Array
    bias: float | Array
    threshold: float
    name: str
    largest: bool = False

    @property
    def outputs(self) -> int:
        return 1 if self.weights.ndim == 1 else len(self.weights)

    def margins(self, states: Array) -> Array:
        """Output less threshold, (..., outputs), of states (..., units); less the largest other one too where that is
        the answer. Two answers differ where a sign does."""
        found = np.asarray(states @ np.atleast_2d(self.weights).T + self.bias)
        return (_lead(found) if self.largest else found) - self.threshold

    def between(self, other: "Readout", s: float) -> "Readout":
        """The readout at `s` on the straight line to another."""
        weights = self.weights + s * (other.weights - self.weights)
        bias = self.bias + s * (other.bias - self.bias)
        threshold = self.threshold + s * (other.threshold - self.threshold)
        return Readout(weights, bias, threshold, self.name, self.largest)


def _lead(outputs: Array) -> Array:
    """Each output less the largest of the others."""
    order = np.sort(outputs, axis=-1)
    best, second = order[..., -1:], order[..., -2:-1]
    return np.asarray(outputs - np.where(outputs == best, second, best))


def lifted(circuit: System, x: Array) -> Array:
    """The network's state of a fixed point that is given in a latent circuit's coordinates, else the state itself."""
    return np.asarray(circuit.lift(x)) if hasattr(circuit, "lift") else np.asarray(x)


def reads_states(network: System) -> bool:
    """Whether outputs are read from the state: in current form they are read from rates, and none is known here."""
    return getattr(network, "form", Form.RATE) is Form.RATE


def escape_times(
    network: System, starts: Array, readout: Readout, *, steps: int | None = None
) -> tuple[float | None, ...]:
    """When each trial gets across the readout's threshold, in τ (1/leak iterations); of several outputs the first does.

    Parameters
    ----------
    network : System
        Under the input of the period that is analyzed.
    starts : ndarray (trials, units)
        States at its beginning.
    readout : Readout
    steps : int, optional
        Iterations to follow; by default until the trials are at rest.

    Returns
    -------
    tuple of float or None
        Interpolated between iterations; None for a trial that does not get there.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> decay = LeakyRNN([[0.0]], [0.0], leak=0.01)
    >>> (time,) = escape_times(decay, np.array([[1.0]]), Readout(np.ones(1), 0.0, 0.5, ""))
    >>> bool(abs(time - np.log(2)) < 0.01)
    True
    """
    before = readout.margins(np.asarray(starts, dtype=float))
    side, found, t = np.sign(before), np.full(len(before), np.nan), 0
    for stretch in Walk(network, starts, LONGEST if steps is None else steps):
        margins = np.concatenate([before[:, None], readout.margins(stretch)], axis=1)
        for trial in np.flatnonzero(np.isnan(found)):
            found[trial] = t + _first_crossing(margins[trial], side[trial])
        before, t = margins[:, -1], t + stretch.shape[1]
        if not np.isnan(found).any():
            break
    unit = FLOW_STEP if network.leak is None else network.leak
    return tuple(None if np.isnan(time) else float(time * unit) for time in found)


def _first_crossing(margins: Array, side: Array) -> float:
    """When margins (times, outputs) first leave their sides, interpolated; NaN where they do not."""
    times, outputs = np.nonzero(np.sign(margins[1:]) != side)
    if not len(times):
        return float("nan")
    t = times.min()
    first, second = margins[t : t + 2, outputs[times == t]]
    return float(t + np.min(first / (first - second)))


@dataclass(frozen=True, slots=True)
class OutputCrossing:
    """Where the output of a fixed point crosses the threshold on the line between two checkpoints.

    Attributes
    ----------
    before, after : float
        Bracket on the line, 0 to 1.
    x : ndarray (dim,)
        The fixed point there.
    upwards : bool
    output : int
        Which one; where the largest is the answer, the one that was.
    into : int
        Where the largest is the answer, the one that is; else the same output.
    """

    before: float
    after: float
    x: Array
    upwards: bool
    output: int = 0
    into: int = 0


def locate(line: Line, ends: tuple[Array, Array], readouts: tuple[Readout, Readout]) -> tuple[OutputCrossing, ...]:
    """Where outputs of a fixed point cross the threshold, by bisection with Newton's method.

    Parameters
    ----------
    line : Line
        Between the circuits of two checkpoints.
    ends : tuple of ndarray (dim,)
        The fixed point at both.
    readouts : tuple of Readout
        Likewise; the readout moves on the straight line too.

    Returns
    -------
    tuple of OutputCrossing
        One for each output that is on different sides at both ends; where the largest is the answer, one if another
        is.
    """
    before, after = (_margins(line, k, ends[k], readouts) for k in (0, 1))
    crossed = (before * after <= 0) & (before != 0)
    if readouts[0].largest:
        crossed &= before > 0
    return tuple(_bisected(line, ends, readouts, int(k)) for k in np.flatnonzero(crossed))


def _bisected(line: Line, ends: tuple[Array, Array], readouts: tuple[Readout, Readout], k: int) -> OutputCrossing:
    x, s = [*ends], [0.0, 1.0]
    first, last = (_margins(line, e, ends[e], readouts) for e in (0, 1))
    while s[1] - s[0] > _BRACKET:
        middle = 0.5 * (s[0] + s[1])
        there = _newton(line.at(middle), 0.5 * (x[0] + x[1]))
        # A fixed point that turns back between the two is not at every place of the line: then the bracket stays wide.
        if there is None:
            break
        side = 0 if _margins(line, middle, there, readouts)[k] * first[k] > 0 else 1
        s[side], x[side] = middle, there
    into = int(np.argmax(last)) if readouts[0].largest else k
    return OutputCrossing(s[0], s[1], 0.5 * (x[0] + x[1]), bool(first[k] < last[k]), k, into)


def _margins(line: Line, s: float, x: Array, readouts: tuple[Readout, Readout]) -> Array:
    return readouts[0].between(readouts[1], s).margins(lifted(line.at(s), x))


def _newton(system: System, x: Array) -> Array | None:
    start = x
    for _ in range(_NEWTONS):
        try:
            change = np.linalg.solve(system.jacobian(x), -system.f(x))
        except np.linalg.LinAlgError:
            return None
        x = x + change
        if np.linalg.norm(change) <= _CLOSE * (1 + np.linalg.norm(x)):
            return x if np.linalg.norm(x - start) <= 0.5 * (1 + np.linalg.norm(start)) else None
    return None


def summarized(times: Sequence[float | None]) -> dict[str, Any]:
    """How many trials there are, how many get across, and their shortest, median and longest time.

    Examples
    --------
    >>> summarized([2.0, None, 4.0])
    {'trials': 3, 'escaped': 2, 'shortest': 2.0, 'median': 3.0, 'longest': 4.0}
    """
    known = [time for time in times if time is not None]
    told: dict[str, Any] = {"trials": len(times), "escaped": len(known)}
    return told | dict(zip(("shortest", "median", "longest"), _three(known), strict=True))


def _three(times: Sequence[float]) -> Iterator[float | None]:
    for function in (min, np.median, max):
        yield float(function(times)) if times else None
