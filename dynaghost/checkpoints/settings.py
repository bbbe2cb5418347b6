"""What the weights do not say: the equation, its leak, the trial, and where each of these came from."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dynaghost.checkpoints.numpy_files import read_npy
from dynaghost.display import shortened
from dynaghost.errors import CheckpointError
from dynaghost.systems.activation import Activation
from dynaghost.systems.base import finite
from dynaghost.systems.low_rank import Form
from dynaghost.systems.trials import Period, Trials

_HYPER_PARAMETERS = ("hyper_parameters", "hparams", "config", "args", "")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is analyzed besides the weights; None where nobody said.

    Attributes
    ----------
    mapping : dict of str to str, or None
        Which array is m, n, b (or W), by name in the file.
    transpose : bool
        Whether the file's W acts on rows, r ← r W.
    form : Form
        "rate": x ← (1 − leak)·x + leak·tanh(W x + b); "current": h ← (1 − leak)·h + leak·(W tanh(h) + b).
    scale : float or None
        W = scale·m n, such as 1/units.
    leak : float or None
        Δt/τ, in (0, 1].
    time : str or None
        "flow" or "map".
    x0 : float, ndarray or None
        The trial's initial state: of all units, or of each.
    trial_steps : int or None
        Iterations to simulate; None means until at rest.
    delay : float or None
        The task's delay T, in τ.
    threshold : float or None
        The readout's: on κ for networks of rank one, else on its output, and 0 there where nobody says.
    kind, activation : str or None
        The system as run.json names it; `activation` is "tanh", "sigmoid", "softplus", "relu" or "leaky_relu".
    layer : str or None
        Which recurrent layer, where a file holds several.
    inputs : float, ndarray or None
        The constant input: to all channels, or to each.
    starts : int, ndarray (starts, dim), "trials" or None
        Of a search in many dimensions: how many random ones, or which; None for what the search chooses, "trials" for
        that and states that the trials visit besides.
    seed : int
        Of whatever is random in that search.
    budget : int or None
        Most of what it spends (`find_slow_points`).
    trials : Trials or None
        With inputs over time; then `period` and `context` say under which constant input the network is analyzed.
    period : str or None
        Name of a period of the trials; None for the last one.
    context : int
        Which of the different inputs of the period's trials.
    model : callable or None
        Builds the user's module from a checkpoint's arrays.
    task_steps : int or None
        Iterations of a trial in the training, which limit no simulation.
    origin : dict of str to str
        Where each value came from: "argument", "run.json", "default", or "hyper-parameters in FILE".

    Examples
    --------
    >>> Settings(leak=0.5).form
    <Form.RATE: 'rate'>
    """

    mapping: dict[str, str] | None = None
    transpose: bool = False
    form: Form = Form.RATE
    scale: float | None = None
    leak: float | None = None
    time: str | None = None
    x0: float | np.ndarray | None = None
    trial_steps: int | None = None
    delay: float | None = None
    threshold: float | None = None
    kind: str | None = None
    activation: str | None = None
    layer: str | None = None
    inputs: float | np.ndarray | None = None
    starts: int | np.ndarray | Literal["trials"] | None = None
    seed: int = 0
    budget: int | None = None
    trials: Trials | None = None
    period: str | None = None
    context: int = 0
    model: Callable[..., Any] | None = None
    task_steps: int | None = None
    origin: dict[str, str] = field(default_factory=dict)

    def period_of_trials(self) -> Period:
        """The period of the trials whose constant input is analyzed.

        Raises
        ------
        CheckpointError
            If there are no trials, or none has this name or context.
        """
        if self.trials is None:
            raise CheckpointError("period: expected trials (trials=, --trials), got none")
        periods = {period.name: period for period in self.trials.periods()}
        if not periods:
            raise CheckpointError("trials: expected a stretch of constant input, got none: name one (periods)")
        name = list(periods)[-1] if self.period is None else self.period
        if name not in periods:
            raise CheckpointError(f"period: expected one of {', '.join(periods)} (period=, --period), got {name!r}")
        if not 0 <= self.context < len(periods[name].inputs):
            raise CheckpointError(
                f"context: expected a number from 0 to {len(periods[name].inputs) - 1} (context=, --context), "
                f"got {self.context}"
            )
        return periods[name]

    def driven(self) -> "Settings":
        """The same with the constant input of the chosen period of the trials, if there are trials with inputs.

        Raises
        ------
        CheckpointError
            As `period_of_trials`; also if an input is given besides.
        """
        if self.trials is None or self.trials.inputs is None:
            return self
        if self.inputs is not None:
            raise CheckpointError("inputs: expected none beside trials, whose period has its own, got an input too")
        return dataclasses.replace(self, inputs=self.period_of_trials().inputs[self.context])

    def digest(self) -> bytes:
        """Equal for settings under which a run's analysis is equal."""
        return self._digest(_VALUES)

    def digest_of_search(self) -> bytes:
        """Equal for settings under which a run's slow points, and what lies between them, are equal."""
        return self._digest(self._of_search)

    def values_of_search(self) -> dict[str, str]:
        """What `digest_of_search` is over, as texts for messages, by name."""
        return {name: str(_told(getattr(self, name)))[:200] for name in self._of_search}

    @property
    def _of_search(self) -> tuple[str, ...]:
        return _OF_SEARCH + (("trials", "period", "context") if self.starts_at_trials else ())

    @property
    def own_starts(self) -> int | np.ndarray | None:
        """Starts that a search has of its own: `starts` but where it is "trials"."""
        return None if isinstance(self.starts, str) else self.starts

    @property
    def starts_at_trials(self) -> bool:
        """Whether states that trials visit are starts of searches."""
        return isinstance(self.starts, str)

    def digest_of_ends(self) -> str:
        """Equal for settings whose trial, from `x0`, ends alike on networks of rank one."""
        return self._digest(("x0", "trial_steps")).decode()

    def _digest(self, names: tuple[str, ...]) -> bytes:
        return "".join(f"{name}={_told(getattr(self, name))};" for name in names).encode()


def _told(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Trials):
        return value.digest()
    return f"{value.__module__}:{value.__qualname__}" if callable(value) and hasattr(value, "__qualname__") else value


_VALUES = tuple(one.name for one in dataclasses.fields(Settings) if one.name != "origin")
# What is done with slow points that are found without it; a period's constant input is in `inputs`.
_OF_TRIALS = ("x0", "trial_steps", "delay", "threshold", "trials", "period", "context", "task_steps")
_OF_SEARCH = tuple(name for name in _VALUES if name not in _OF_TRIALS)


def resolve(
    given: Mapping[str, Any], described: Mapping[str, Any], found: Mapping[str, tuple[Any, str]]
) -> tuple[Settings, tuple[str, ...]]:
    """Settings from arguments, else run.json, else hyper-parameters, and notes on contradictions.

    Parameters
    ----------
    given, described : mapping
        Arguments, and values of run.json, by the field's name; None counts as not given.
    found : mapping of str to (value, file)
        Hyper-parameters.

    Raises
    ------
    CheckpointError
        If a value is out of its range.

    Examples
    --------
    >>> settings, notes = resolve({"leak": 0.5}, {"leak": 0.2, "x0": -0.3}, {})
    >>> settings.leak, settings.x0, settings.origin["x0"], notes
    (0.5, -0.3, 'run.json', ('leak: 0.5 (argument) is used, run.json says 0.2',))
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    notes = []
    instead = [name for name in ("inputs", "x0") if given.get(name) is not None]
    if "trials" in described and given.get("trials") is None and instead:
        described = {name: value for name, value in described.items() if name != "trials"}
        notes.append(f"trials: those of run.json are not used, since {instead[0]} (argument) is given")
    for name in _VALUES:
        argument, description = given.get(name), described.get(name)
        value, file = found.get(name, (None, ""))
        choices = ((argument, "argument"), (description, "run.json"), (value, f"hyper-parameters in {file}"))
        values[name], origin[name] = next((pair for pair in choices if pair[0] is not None), (None, "default"))
        if argument is not None and description is not None and not _same(argument, description):
            notes.append(
                f"{name}: {shortened(repr(argument))} (argument) is used, run.json says {shortened(repr(description))}"
            )
    told = {name: value for name, value in values.items() if value is not None}
    return _checked(Settings(**told, origin=origin)), tuple(notes)


def hyper_parameters(scalars: Mapping[str, Any], file: str) -> dict[str, tuple[Any, str]]:
    """The leak, where a checkpoint carries its hyper-parameters.

    Examples
    --------
    >>> hyper_parameters({"hyper_parameters.leak": 0.5}, "a.ckpt")
    {'leak': (0.5, 'a.ckpt')}
    """
    for section in _HYPER_PARAMETERS:
        value = scalars.get(f"{section}.leak" if section else "leak")
        if isinstance(value, int | float) and 0 < value <= 1:
            return {"leak": (float(value), file)}
    return {}


def initial_state(x0: float | str | PathLike[str] | np.ndarray | None) -> float | np.ndarray | None:
    """A trial's initial state: a number for all units, an array, or the array in a .npy file.

    Raises
    ------
    CheckpointError
        If it is none of these.

    Examples
    --------
    >>> initial_state("-0.3")
    -0.3
    """
    if isinstance(x0, str | PathLike):
        try:
            return float(x0) if isinstance(x0, str) else read_npy(Path(x0))
        except ValueError:
            return read_npy(Path(x0))
    return None if x0 is None else np.asarray(x0, dtype=float) if np.ndim(x0) else float(x0)


def search_starts(
    starts: int | str | PathLike[str] | np.ndarray | None,
) -> int | np.ndarray | Literal["trials"] | None:
    """Starts of a search: how many, an array (starts, dim), the array in a .npy file, or "trials".

    Raises
    ------
    CheckpointError
        If it is none of these.

    Examples
    --------
    >>> search_starts("200")
    200
    """
    if isinstance(starts, str) and starts.isdigit():
        return int(starts)
    if isinstance(starts, str) and starts == "trials":
        return "trials"
    if isinstance(starts, str | PathLike):
        return read_npy(Path(starts))
    if starts is None or (isinstance(starts, int) and not isinstance(starts, bool)):
        return starts
    return finite("starts", starts, ndim=2)


def trials_of(trials: str | PathLike[str] | Trials | None) -> Trials | None:
    """Trials, or those in an .npz file.

    Raises
    ------
    DynaghostError
        If they cannot be read.
    """
    if trials is None or isinstance(trials, Trials):
        return trials
    return Trials.load(trials)


def _checked(settings: Settings) -> Settings:
    """The settings, or an error that names the first value out of range and where it came from."""
    ranges = {
        "form": settings.form in list(Form),
        "time": settings.time in (None, "flow", "map"),
        "leak": settings.leak is None or 0 < settings.leak <= 1,
        "scale": settings.scale is None or 0 < settings.scale < np.inf,
        "delay": settings.delay is None or 0 < settings.delay < np.inf,
        "threshold": settings.threshold is None or np.isfinite(settings.threshold),
        "trial_steps": settings.trial_steps is None or settings.trial_steps > 0,
        "x0": settings.x0 is None or bool(np.all(np.isfinite(settings.x0))),
        "inputs": settings.inputs is None or bool(np.all(np.isfinite(settings.inputs))),
        "starts": not isinstance(settings.starts, int) or settings.starts > 0,
        "budget": settings.budget is None or settings.budget > 0,
        "activation": settings.activation is None or settings.activation in list(Activation),
        "mapping": all(r in tuple("mnbW") and isinstance(name, str) for r, name in (settings.mapping or {}).items()),
    }
    expected = {
        "form": "'rate' or 'current'",
        "time": "'flow' or 'map'",
        "leak": "0 < leak ≤ 1",
        "scale": "a finite number above 0",
        "delay": "a positive time in τ",
        "threshold": "a finite number",
        "trial_steps": "a positive number of iterations",
        "x0": "finite numbers",
        "inputs": "finite numbers",
        "starts": "at least one start",
        "budget": "a number above 0",
        "activation": ", ".join(Activation),
        "mapping": "names for m, n, b, or for W and b",
    }
    for name, good in ranges.items():
        if not good:
            value, origin = getattr(settings, name), settings.origin[name]
            raise CheckpointError(f"{name} ({origin}): expected {expected[name]}, got {shortened(repr(value))}")
    return dataclasses.replace(settings, form=Form(settings.form))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is not None and b is not None and np.array_equal(a, b)
    return bool(a == b)
