"""What a task's trials are: initial states, inputs over time, targets and masks, and states that were recorded.

A network that is driven has slow points only while its input is constant. So a trial is cut into periods of constant
input (cue, delay, response), each of which is one system to analyze.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.errors import DynaghostError
from dynaghost.systems.base import Array, System, finite

_NAMES = {
    "initial": ("initial", "initial_states", "x0", "h0"),
    "inputs": ("inputs", "u", "input"),
    "targets": ("targets", "target", "y"),
    "mask": ("mask", "masks"),
    "states": ("states", "hidden", "hiddens"),
    "readout": ("readout", "W_out", "W_out.weight"),
    "readout_bias": ("readout_bias", "b_out", "W_out.bias"),
    "periods": ("periods",),
    "period_names": ("period_names",),
}
# A period of constant input shorter than this many steps is a transient, not a period.
SHORTEST = 2

Drive = Callable[[Array], System]
"""From a constant input (channels,) to the system that it makes of the network."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of steps in which no trial's input changes.

    Attributes
    ----------
    name : str
    start, stop : int
        Steps start ≤ t < stop.
    inputs : ndarray (contexts, channels)
        The different constant inputs of the trials, in the order of the first trial that has each.
    context : ndarray (trials,) of int
        Which of them each trial has.
    """

    name: str
    start: int
    stop: int
    inputs: Array
    context: Array


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Trials of a task, all of one length; whatever is not known is None.

    Attributes
    ----------
    initial : ndarray (trials, dim) or None
    inputs : ndarray (trials, steps, channels) or None
    targets : ndarray (trials, steps, outputs) or None
    mask : ndarray (trials, steps) or None
        Where the loss counts.
    states : ndarray (trials, steps, dim) or (trials, steps + 1, dim), or None
        Recorded: after each step, as torch's layers return them, or with the initial state before them.
    readout : ndarray (outputs, dim) or None
    readout_bias : ndarray (outputs,) or None
    named : tuple of (str, int, int)
        Periods that the user named, with start and stop.

    Examples
    --------
    >>> inputs = np.zeros((2, 6, 1))
    >>> inputs[0, :3] = 1.0
    >>> [(period.name, period.start, period.stop, len(period.inputs)) for period in Trials.of(inputs=inputs).periods()]
    [('period 0', 0, 3, 2), ('period 1', 3, 6, 1)]
    """

    initial: Array | None = None
    inputs: Array | None = None
    targets: Array | None = None
    mask: Array | None = None
    states: Array | None = None
    readout: Array | None = None
    readout_bias: Array | None = None
    named: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        initial: ArrayLike | None = None,
        inputs: ArrayLike | None = None,
        targets: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        states: ArrayLike | None = None,
        readout: ArrayLike | None = None,
        readout_bias: ArrayLike | None = None,
        periods: Mapping[str, tuple[int, int]] | None = None,
    ) -> Self:
        """Trials from arrays, checked against each other.

        Parameters
        ----------
        initial : array (trials, dim)
        inputs : array (trials, steps, channels) or (trials, steps)
        targets : array (trials, steps, outputs) or (trials, steps)
        mask : array (trials, steps)
        states : array (trials, steps or steps + 1, dim)
        readout, readout_bias : arrays (outputs, dim), (outputs,)
        periods : mapping of name to (start, stop)

        Raises
        ------
        DynaghostError
            If an array has another number of dimensions, a NaN or an infinity, or disagrees with the others.
        """
        given = {
            "initial": _array("initial", initial, 2),
            "inputs": _array("inputs", inputs, 3),
            "targets": _array("targets", targets, 3),
            "mask": _array("mask", mask, 2),
            "states": _array("states", states, 3),
            "readout": _array("readout", readout, 2),
            "readout_bias": _array("readout_bias", readout_bias, 1),
        }
        _check_sizes(given)
        trials = cls(**given, named=_named(periods or {}, _steps(given)))
        return trials

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Trials from an .npz file: arrays of the names above, `periods` (P, 2) with `period_names` (P,).

        Raises
        ------
        DynaghostError
            If the file cannot be read, holds none of the names, or its arrays disagree.
        """
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DynaghostError(f"{path}: expected an .npz file of arrays, got {reason}") from error
        found: dict[str, Any] = {}
        for name, words in _NAMES.items():
            found[name] = next((held[word] for word in words if word in held), None)
        if all(value is None for value in found.values()):
            known = ", ".join(_NAMES)
            raise DynaghostError(f"{path}: expected arrays named {known}, got {', '.join(held) or 'none'}")
        found["periods"] = _periods_of(found.pop("periods"), found.pop("period_names"), path)
        try:
            return cls.of(**found)
        except DynaghostError as error:
            raise DynaghostError(f"{path}: {error}") from error

    @property
    def number(self) -> int:
        """How many trials there are."""
        return next((len(one) for one in (self.initial, self.inputs, self.states, self.targets) if one is not None), 0)

    @property
    def steps(self) -> int:
        """How many steps a trial has; 0 where nothing tells."""
        return _steps({"inputs": self.inputs, "targets": self.targets, "mask": self.mask, "states": self.states})

    def digest(self) -> str:
        """SHA-256 of everything it holds."""
        found = hashlib.sha256(repr(self.named).encode())
        for one in fields(self):
            array = getattr(self, one.name)
            if isinstance(array, np.ndarray):
                found.update(f"{one.name} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def periods(self) -> tuple[Period, ...]:
        """The named periods, or else every stretch of at least two steps in which no trial's input changes.

        A named period takes its input from its last step, so that it may begin with a transient.
        """
        if self.inputs is None:
            whole = ((name, start, stop) for name, start, stop in self.named or (("whole trial", 0, self.steps),))
            context = np.zeros(self.number, dtype=int)
            return tuple(Period(name, a, b, np.zeros((1, 0)), context) for name, a, b in whole)
        stretches = self.named or _constant_stretches(self.inputs)
        return tuple(_period(self.inputs, *stretch) for stretch in stretches)

    def simulate(self, drive: Drive) -> Array:
        """The states that a network visits, the initial ones first: (trials, steps + 1, dim).

        Parameters
        ----------
        drive : callable
            From an input (channels,) to the system under it; called once a different input.

        Raises
        ------
        DynaghostError
            If there are no inputs, or no initial states, or the leak of the map is not known.
        """
        if self.inputs is None:
            raise DynaghostError("trials: expected inputs to simulate, got none")
        systems: dict[bytes, System] = {}
        first = self._system(drive, self.inputs[0, 0], systems)
        state = self._first_states(first.dim)
        if state.shape[1] != first.dim:
            raise DynaghostError(f"trials: expected states of {first.dim} numbers, got {state.shape[1]}")
        visited = [state]
        for t in range(self.inputs.shape[1]):
            state = self._after(drive, state, self.inputs[:, t], systems)
            visited.append(state)
        return np.stack(visited, axis=1)

    def _first_states(self, dim: int) -> Array:
        """Those that are given, or recorded before the first step; zero as torch's layers begin where nobody says."""
        if self.initial is not None:
            return self.initial
        if self.states is not None and self.states.shape[1] == self.steps + 1:
            return np.asarray(self.states[:, 0])
        return np.zeros((self.number, dim))

    def visited(self, period: Period) -> Array:
        """Recorded states before and after each step of a period: (trials, stop − start + 1, dim).

        Raises
        ------
        DynaghostError
            If no states were recorded.
        """
        if self.states is None:
            raise DynaghostError("trials: expected recorded states, got none")
        shift = 0 if self.states.shape[1] == self.steps + 1 else -1
        return self.states[:, max(period.start + shift, 0) : period.stop + shift + 1]

    def states_in(self, period: Period, context: int, drive: Drive) -> Array:
        """States (many, dim) in a period under one of its inputs: recorded ones, else those of `simulate`."""
        chosen = period.context == context
        if self.states is not None:
            visited = self.visited(period)[chosen]
        else:
            visited = self.simulate(drive)[chosen, period.start : period.stop + 1]
        return np.asarray(visited.reshape(-1, visited.shape[-1]), dtype=float)

    def check(self, drive: Drive, *, tolerance: float = 1e-4) -> float:
        """The largest difference between recorded states and one step of the system from those before them.

        Parameters
        ----------
        drive : callable
            As for `simulate`.
        tolerance : float
            Largest difference allowed, relative to 1 + |state|: recorded states are often float32.

        Returns
        -------
        float

        Raises
        ------
        DynaghostError
            If it is larger: the system is not the network that was recorded.
        """
        if self.states is None or self.inputs is None:
            raise DynaghostError("trials: expected recorded states and inputs to check a step, got not both")
        shift = 1 if self.states.shape[1] == self.steps + 1 else 0
        systems: dict[bytes, System] = {}
        worst = 0.0
        for t in range(1 - shift, self.steps):
            before, after = self.states[:, t - 1 + shift], self.states[:, t + shift]
            predicted = self._after(drive, before, self.inputs[:, t], systems)
            error = float(np.max(np.abs(predicted - after) / (1 + np.abs(after))))
            worst = max(worst, error)
            if not error <= tolerance:
                raise DynaghostError(
                    f"states: expected what one step of the recognized network gives, got a difference of {error:.3g} "
                    f"at step {t}: another equation was trained (form, scale, leak, activation, transpose, layer)"
                )
        return worst

    def _after(self, drive: Drive, state: Array, inputs: Array, systems: dict[bytes, System]) -> Array:
        values, context = np.unique(inputs, axis=0, return_inverse=True)
        new = np.empty_like(state)
        for k, value in enumerate(values):
            here = context.ravel() == k
            new[here] = self._system(drive, value, systems).step(state[here])
        return new

    @staticmethod
    def _system(drive: Drive, value: Array, systems: dict[bytes, System]) -> System:
        key = np.ascontiguousarray(value).tobytes()
        if key not in systems:
            systems[key] = drive(value)
        return systems[key]


def _array(name: str, value: ArrayLike | None, ndim: int) -> Array | None:
    if value is None:
        return None
    array = finite(name, value)
    if array.ndim == ndim - 1 and name in ("inputs", "targets"):
        array = array[..., None]
    if array.ndim != ndim or 0 in array.shape:
        raise DynaghostError(f"{name}: expected {ndim} dimensions, none of them empty, got shape {array.shape}")
    return array


def _steps(given: Mapping[str, Array | None]) -> int:
    for name in ("inputs", "targets", "mask", "states"):
        array = given.get(name)
        if array is not None:
            return int(array.shape[1])
    return 0


def _check_sizes(given: Mapping[str, Array | None]) -> None:
    """Trials, steps, dimensions and outputs agree."""
    axes = {"initial": "Td", "inputs": "Ts.", "targets": "Tso", "mask": "Ts", "states": "T.d", "readout": "od"}
    seen: dict[str, tuple[int, str]] = {}
    for name, letters in (*axes.items(), ("readout_bias", "o")):
        array = given[name]
        for size, letter in zip(() if array is None else array.shape, letters, strict=False):
            known, by = seen.setdefault(letter, (size, name))
            if letter != "." and known != size:
                what = {"T": "trials", "s": "steps", "d": "state variables", "o": "outputs"}[letter]
                raise DynaghostError(f"{name}: expected {known} {what}, as {by} has, got {size}")
    states, steps = given["states"], seen.get("s")
    if states is not None and steps is not None and states.shape[1] - steps[0] not in (0, 1):
        raise DynaghostError(f"states: expected {steps[0]} or {steps[0] + 1} steps, got {states.shape[1]}")


def _named(periods: Mapping[str, tuple[int, int]], steps: int) -> tuple[tuple[str, int, int], ...]:
    for name, (start, stop) in periods.items():
        if not 0 <= start < stop <= steps:
            raise DynaghostError(f"periods: {name}: expected 0 ≤ start < stop ≤ {steps}, got {start} and {stop}")
    return tuple((name, int(start), int(stop)) for name, (start, stop) in periods.items())


def _periods_of(spans: Any, names: Any, path: Any) -> dict[str, tuple[int, int]] | None:
    if spans is None:
        return None
    if spans.ndim != 2 or spans.shape[1] != 2 or (names is not None and len(names) != len(spans)):
        raise DynaghostError(f"{path}: periods: expected (P, 2) starts and stops and P period_names, got {spans.shape}")
    labels = [f"period {k}" for k in range(len(spans))] if names is None else [str(name) for name in names]
    return {label: (int(a), int(b)) for label, (a, b) in zip(labels, spans.tolist(), strict=True)}


def _constant_stretches(inputs: Array) -> Sequence[tuple[str, int, int]]:
    changes = np.any(inputs[:, 1:] != inputs[:, :-1], axis=(0, 2))
    ends = [0, *(np.flatnonzero(changes) + 1).tolist(), inputs.shape[1]]
    long = [(a, b) for a, b in pairwise(ends) if b - a >= SHORTEST]
    return [(f"period {k}", a, b) for k, (a, b) in enumerate(long)]


def _period(inputs: Array, name: str, start: int, stop: int) -> Period:
    last = inputs[:, stop - 1]
    values, first, context = np.unique(last, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return Period(name, start, stop, values[order], np.argsort(order)[context.ravel()])
