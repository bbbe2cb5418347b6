"""Weights → System, by names and shapes, or by the user's mapping; what was taken for what is always stated.

Weights alone do not say which equation they belong to: the form, a division by the number of units and the leak come
from settings, and where they do not, the assumption is a note.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from dynaghost.checkpoints.cells import build, constant, listing, real
from dynaghost.checkpoints.formats import from_mapping, read_arrays
from dynaghost.checkpoints.layers import Arrays
from dynaghost.checkpoints.low_rank_names import PAIRS, WAYS_OUT, names_of, oriented, pairs_of, unwrap
from dynaghost.checkpoints.own_models import built_by, name_of
from dynaghost.checkpoints.run_json import read_run_json
from dynaghost.checkpoints.settings import Settings, hyper_parameters, initial_state, resolve
from dynaghost.errors import CheckpointError, DynaghostError, counted
from dynaghost.systems.base import System
from dynaghost.systems.functions import FunctionSystem
from dynaghost.systems.low_rank import Form, LowRankRNN, RankOneRNN
from dynaghost.systems.module import from_object, is_module

_LOWRANK_INFERENCE = {"wi", "wo", "si", "so"}


@dataclass(frozen=True, slots=True)
class Recognized:
    """A system, and how it was made of the weights.

    Attributes
    ----------
    system : System
    equation : str
        What it iterates, with form, scale and leak.
    guess : str
        Which array was taken for what.
    notes : tuple of str
        What the weights do not tell and was assumed.
    """

    system: System
    equation: str
    guess: str
    notes: tuple[str, ...]


def recognize(arrays: Arrays, settings: Settings, file: str) -> Recognized:
    """The network that a checkpoint's arrays are: low-rank, plain recurrent, GRU or LSTM.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By dotted name, as in the file.
    settings : Settings
        Form, scale, leak, time, activation, inputs; a mapping, transposition or layer where names do not tell.
    file : str
        Named in errors.

    Raises
    ------
    CheckpointError
        If names and shapes do not tell, a weight is not finite, or the network is of another kind.

    Examples
    --------
    >>> found = recognize({"m": np.ones(3), "n": np.ones(3), "b": np.zeros(3)}, Settings(leak=0.5), "epoch_7.pt")
    >>> found.equation
    'rate form, rank 1, 3 units: x ← (1 − 0.5)·x + 0.5·tanh(m n x + b)'
    >>> found.guess
    'm (3,) as m, n (3,) as n, b (3,) as b'
    >>> recognize({"rnn.weight_hh_l0": np.eye(2), "rnn.bias_hh_l0": np.ones(2)}, Settings(), "a.pt").equation
    'rate form, full rank, 2 units: x ← tanh(W x + b)'
    """
    if settings.kind not in (None, "low_rank", "recurrent"):
        raise CheckpointError(f"{file}: kind: expected 'low_rank' or 'recurrent' (run.json), got {settings.kind!r}")
    named = unwrap(arrays, file)
    if settings.model is not None:
        return _of_model(named, settings, file)
    # What a user maps may stand outside the state dict.
    everything = {**arrays, **named}
    if _is_low_rank(named, settings):
        return _low_rank(named, everything, settings, file)
    built = build(everything if settings.mapping else named, settings, file)
    if built is None:
        known = ", ".join(f"{a} with {b}" for a, b, _ in PAIRS)
        raise CheckpointError(
            f"{file}: expected low-rank weights ({known}), torch's or Keras' recurrent layers (weight_hh…, "
            f"recurrent_kernel) or a known recurrent matrix (W_rec, h2h.weight, W), got {listing(named)}: {WAYS_OUT}, "
            "or a square matrix with {'W': NAME, 'b': NAME} (--map W=NAME,b=NAME)"
        )
    return Recognized(built.system, built.equation, built.guess, built.notes)


def _of_model(named: Arrays, settings: Settings, file: str) -> Recognized:
    assert settings.model is not None
    system, name = built_by(settings.model, named, settings, file), name_of(settings.model)
    what = f"{system!r}, " if isinstance(system, FunctionSystem) else ""
    return Recognized(system, f"{what}as built by {name}", f"{name}(arrays)", ())


def _is_low_rank(named: Arrays, settings: Settings) -> bool:
    if settings.kind is not None:
        return settings.kind == "low_rank"
    mapping = settings.mapping or {}
    if settings.layer is not None or "W" in mapping:
        return False
    return bool({"m", "n"} & set(mapping)) or bool(pairs_of(named))


def _low_rank(named: Arrays, everything: Arrays, settings: Settings, file: str) -> Recognized:
    if settings.activation not in (None, "tanh"):
        raise CheckpointError(f"{file}: activation: expected tanh in a low-rank network, got {settings.activation}")
    names, rows = names_of(named, everything, settings, file)
    m, n = (real(everything, names[key], file) for key in "mn")
    b = real(everything, names["b"], file) if names["b"] else None
    m, n, b, turned = oriented(m, n, b, names, rows, settings, file)
    drive, driven = _driven(everything, names, settings, len(b), file)
    system, notes = _build(m, n, b + drive, settings, file)
    notes += driven + _about_names(named, names, settings)
    roles = {"m": "m", "n": "n", "b": "b"} if rows == settings.transpose else {"m": "nᵀ", "n": "mᵀ", "b": "b"}
    told = [f"{names[key]} {everything[names[key]].shape} as {roles[key]}" for key in "mnb" if names[key]]
    guess = ", ".join(told) + (", b = 0" if not names["b"] else "") + turned
    return Recognized(system, _equation(system, settings), guess, tuple(notes))


def _driven(
    everything: Arrays, names: Mapping[str, str], settings: Settings, units: int, file: str
) -> tuple[np.ndarray, list[str]]:
    """What a constant input adds to the bias, by the input matrix that stands beside the low-rank weights."""
    parent = names["m"][: names["m"].rfind(".") + 1]
    name = next((parent + one for one in ("W_in.weight", "W_in", "w_in", "wi") if parent + one in everything), None)
    if settings.inputs is None:
        return np.zeros(units), [] if name is None else ["input 0 is assumed (inputs, --input)"]
    if name is None:
        raise CheckpointError(f"{file}: inputs: expected an input matrix (W_in.weight), got {listing(everything)}")
    matrix = real(everything, name, file).reshape(units, -1) if units in everything[name].shape[:1] else None
    matrix = real(everything, name, file).T if matrix is None else matrix
    return matrix @ constant(settings, matrix.shape[1], file), []


def as_system(
    source: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    transpose: bool | None = None,
    form: str | None = None,
    scale: float | None = None,
    leak: float | None = None,
    time: str | None = None,
    activation: str | None = None,
    layer: int | str | None = None,
    inputs: float | np.ndarray | None = None,
    dim: int | None = None,
    call: Callable[..., Any] | None = None,
) -> System:
    """The system in a checkpoint file or a state dict, or of a torch module, a cell or a Python callable.

    Parameters
    ----------
    source : path, mapping, torch.nn.Module or callable
        A file (a run.json beside it is believed), or a dict of arrays or torch tensors; or a live object.
    mapping, transpose, form, scale, leak, time, activation, layer, inputs
        As in `Settings`; of a live object, leak, time, layer and inputs, as in `systems.module.from_object`.
    dim, call
        Of a live object alone: number of state variables, and how an unusual module is called (`from_object`).

    Returns
    -------
    System

    Raises
    ------
    CheckpointError
        If it cannot be read or recognized.
    DynaghostError
        If a live object cannot be evaluated, or an option does not belong to the source.

    Examples
    --------
    >>> as_system({"m": [1.0, 2.0], "n": [0.5, 0.5], "b": [0.0, 0.1]}, leak=0.5).dim
    2
    >>> as_system(np.tanh, dim=3).dim
    3
    """
    if is_module(source) or callable(source):
        weights = {"mapping": mapping, "transpose": transpose, "form": form, "scale": scale, "activation": activation}
        _refuse(weights, "weights by name, and this is a live object")
        return from_object(source, inputs=inputs, layer=layer, dim=dim, call=call, time=time, leak=leak)
    _refuse({"dim": dim, "call": call}, "a live object, and these are weights")
    return recognize_source(
        source,
        mapping=mapping,
        transpose=transpose,
        form=form,
        scale=scale,
        leak=leak,
        time=time,
        activation=activation,
        layer=None if layer is None else str(layer),
        inputs=inputs,
    ).system


def _refuse(options: Mapping[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise DynaghostError(f"{name}: expected with {why}; got {value!r}")


def recognize_source(
    source: str | PathLike[str] | Mapping[str, Any],
    *,
    mapping: Mapping[str, str] | None = None,
    transpose: bool | None = None,
    form: str | None = None,
    scale: float | None = None,
    leak: float | None = None,
    time: str | None = None,
    activation: str | None = None,
    layer: str | None = None,
    inputs: float | str | np.ndarray | None = None,
    model: Callable[..., Any] | None = None,
) -> Recognized:
    """`as_system` with how the system was made of the weights; the parameters and errors are the same.

    Examples
    --------
    >>> recognize_source({"m": [1.0, 2.0], "n": [0.5, 0.5], "b": [0.0, 0.1]}, leak=0.5).guess
    'm (2,) as m, n (2,) as n, b (2,) as b'
    """
    if isinstance(source, Mapping):
        file, contents, described = "the dict", from_mapping(source, "the dict"), {}
    elif isinstance(source, str | PathLike):
        file, contents = str(Path(source)), read_arrays(source)
        described = read_run_json(Path(source).parent)
    else:
        raise CheckpointError(f"expected a checkpoint file or a dict of arrays, got {type(source).__name__}")
    given: dict[str, Any] = {
        "mapping": dict(mapping) if mapping else None,
        "transpose": transpose,
        "form": form,
        "scale": scale,
    }
    given |= {"leak": leak, "time": time, "activation": activation, "layer": layer, "inputs": initial_state(inputs)}
    given["model"] = model
    settings, _ = resolve(given, described, hyper_parameters(contents.scalars, file))
    return recognize(contents.arrays, settings, file)


def _build(m: np.ndarray, n: np.ndarray, b: np.ndarray, settings: Settings, file: str) -> tuple[LowRankRNN, list[str]]:
    kind = RankOneRNN if m.shape[1] == 1 else LowRankRNN
    scale = 1.0 if settings.scale is None else settings.scale
    try:
        system = kind(m, n, b, leak=settings.leak, time=settings.time or "flow", form=settings.form, scale=scale)
    except DynaghostError as error:
        raise CheckpointError(f"{file}: {error}") from error
    notes = []
    if settings.leak is None:
        notes.append(
            "the leak is not known (leak, --leak): the flow is analyzed; fixed points and ghosts do not depend on the "
            "leak, the stability of a map does"
        )
    return system, notes


def _about_names(named: Arrays, names: Mapping[str, str], settings: Settings) -> list[str]:
    """What the weights do not tell and was assumed."""
    notes = [] if names["b"] else ["no bias among the arrays: b = 0 is assumed (mapping {'b': NAME}, --map b=NAME)"]
    assumed = [name for name in ("form", "scale") if settings.origin.get(name, "default") == "default"]
    if assumed:
        options = " and ".join(f"--{name}" for name in assumed)
        what = {"form": f"{settings.form} form", "scale": f"scale {settings.scale or 1.0:g}"}
        taken = " and ".join(what[name] for name in assumed)
        say = "say" if len(assumed) > 1 else "says"
        notes.append(f"weights alone do not tell {' and '.join(assumed)}: {taken} assumed; {options} {say} otherwise")
    last = {name.rpartition(".")[2] for name in named}
    if assumed and len(_LOWRANK_INFERENCE & last) >= 2:
        notes.append(
            "the names are those of adrian-valente's lowrank_inference, which divides by the number of units and is in "
            "current form: if this is such a network, --form current --scale 1/units"
        )
    return notes


def _equation(system: LowRankRNN, settings: Settings) -> str:
    scale = 1.0 if settings.scale is None else settings.scale
    product = "m n" if scale == 1 else f"{scale:g}·m n"
    leak = "leak" if settings.leak is None else f"{settings.leak:g}"
    head = f"{system.form} form, rank {system.rank}, {counted(system.dim, 'unit')}: "
    if system.form is Form.CURRENT:
        return f"{head}h ← (1 − {leak})·h + {leak}·({product} tanh(h) + b)"
    return f"{head}x ← (1 − {leak})·x + {leak}·tanh({product} x + b)"
