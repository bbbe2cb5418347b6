"""Recurrent layers of a checkpoint → a System: plain networks, GRUs and LSTMs, with the equation they are taken for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynaghost.checkpoints.layers import Arrays, Kind, Layer, Order, by_hand, find_layers
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError, DynaghostError, counted
from dynaghost.systems.base import System
from dynaghost.systems.recurrent import LeakyRNN

_EQUATIONS = {
    Kind.GRU: "h ← (1 − z)·n + z·h with sigmoid gates r, z and n = tanh(W_in x + b_in + r·(W_hn h + b_hn))",
    Kind.LSTM: "c ← f·c + i·g, h ← o·tanh(c) with sigmoid gates i, f, o and g = tanh(W_ig x + W_hg h + b_g)",
}

_RESET_FIRST = "h ← (1 − z)·n + z·h with sigmoid gates r, z and n = tanh(W_in x + b_n + W_hn (r·h))"


@dataclass(frozen=True, slots=True)
class Built:
    """A system made of layers: what it iterates, which array was taken for what, and what was assumed."""

    system: System
    equation: str
    guess: str
    notes: tuple[str, ...]


def build(named: Arrays, settings: Settings, file: str) -> Built | None:
    """The recurrent network among a checkpoint's arrays, or None where there is none.

    Parameters
    ----------
    named : mapping of str to ndarray
        By dotted name, without what trainers wrap around them.
    settings : Settings
        A mapping {"W": NAME, "b": NAME}, or `layer` where there are several; form, scale, leak, activation, inputs.
    file : str
        Named in errors.

    Raises
    ------
    CheckpointError
        If there are several and none is chosen, the chosen one is not there, or a weight is not finite.

    Examples
    --------
    >>> found = build({"cell.weight_hh": np.ones((6, 2)), "cell.weight_ih": np.ones((6, 1))}, Settings(), "a.pt")
    >>> found.system, found.guess
    (GRU(units=2, dim=2, time=map), 'cell.weight_hh (6, 2) as weight_hh, cell.weight_ih (6, 1) as weight_ih, no biases')
    """
    layers = _mapped(named, settings, file) or find_layers(named)
    if not layers:
        return None
    chosen = _chosen(layers, settings.layer, file)
    try:
        if chosen[0].kind is Kind.RNN and len(chosen) == 1:
            return _plain(named, chosen[0], settings, file)
        return _gated(named, chosen, settings, file)
    except CheckpointError:
        raise
    except DynaghostError as error:
        raise CheckpointError(f"{file}: {error}") from error


def _mapped(named: Arrays, settings: Settings, file: str) -> list[Layer]:
    """The layer that the user named with W=NAME (and b=NAME)."""
    mapping = settings.mapping or {}
    if "W" not in mapping:
        return []
    for role, name in mapping.items():
        if name not in named:
            raise CheckpointError(f"{file}: {role}: expected an array named {name!r}, got {listing(named)}")
    matrix = named[mapping["W"]]
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise CheckpointError(f"{file}: W: expected a square matrix, got {mapping['W']} {matrix.shape}")
    found = by_hand(named, mapping["W"], mapping["W"][: mapping["W"].rfind(".") + 1], rows=False)
    biases = (mapping["b"],) if "b" in mapping else found.biases
    return [Layer(found.name, found.stack, Kind.RNN, Order.BY_HAND, found.hidden, found.inputs, biases, found.units)]


def _chosen(layers: Sequence[Layer], name: str | None, file: str) -> list[Layer]:
    """The layers of the one stack that is there, or of the stack or the layer that the user names."""
    stacks = list(dict.fromkeys(layer.stack for layer in layers))
    if name is None and len(stacks) == 1:
        return list(layers)
    chosen = [one for one in layers if name == one.stack] or [one for one in layers if name in (one.name, one.hidden)]
    if chosen:
        return chosen
    names = ", ".join(dict.fromkeys([*stacks, *(layer.name for layer in layers)]))
    got = "none was chosen" if name is None else f"layer {name!r}"
    raise CheckpointError(f"{file}: layer: expected one of {names} (layer=, --layer), got {got}")


def _plain(named: Arrays, layer: Layer, settings: Settings, file: str) -> Built:
    hand = layer.order is Order.BY_HAND
    W = real(named, layer.hidden, file)
    # In torch's convention the matrix acts on columns whatever the user's transposition says of a matrix by hand.
    turned = layer.rows != (settings.transpose and hand)
    b = sum((real(named, name, file).ravel() for name in layer.biases), np.zeros(layer.units))
    drive, told = _drive(named, layer, settings, file)
    leak = settings.leak if settings.leak is not None or hand else 1.0
    time = settings.time or ("flow" if hand else "map")
    system = LeakyRNN(
        W.T if turned else W,
        b + drive,
        leak=leak,
        activation=settings.activation or "tanh",
        time="flow" if leak is None else time,
        form=settings.form,
        scale=1.0 if settings.scale is None else settings.scale,
    )
    guess = _guess(named, layer, "Wᵀ" if turned else "W")
    return Built(system, _equation(system, settings), guess, (*told, *_about_plain(layer, settings, turned, leak)))


def _drive(named: Arrays, layer: Layer, settings: Settings, file: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """What a constant input adds to the argument, (units,)."""
    if settings.inputs is None:
        return np.zeros(layer.units), (_NO_INPUT,) if layer.inputs else ()
    if layer.inputs is None:
        raise CheckpointError(f"{file}: inputs: expected an input matrix among the arrays, got {listing(named)}")
    matrix = real(named, layer.inputs, file)
    matrix = matrix if matrix.shape[0] == layer.units and not layer.rows else matrix.T
    return matrix @ constant(settings, matrix.shape[1], file), ()


_NO_INPUT = "input 0 is assumed (inputs, --input)"


def constant(settings: Settings, size: int, file: str) -> np.ndarray:
    """The constant input, (size,).

    Raises
    ------
    CheckpointError
        If it has another size.
    """
    value = np.asarray(settings.inputs, dtype=float)
    if value.ndim and value.shape != (size,):
        raise CheckpointError(f"{file}: inputs: expected one number or {size}, got an array of shape {value.shape}")
    return np.broadcast_to(value, (size,))


def _gated(named: Arrays, layers: Sequence[Layer], settings: Settings, file: str) -> Built:
    from dynaghost.systems.gated import GRU, LSTM, ResetFirstGRU  # late: most runs have none

    kind, notes = layers[0].kind, []
    if kind is Kind.RNN:
        raise CheckpointError(
            f"{file}: layer: expected one layer of a plain network, got a stack of {len(layers)}: choose one of "
            f"{', '.join(layer.name for layer in layers)} (layer=, --layer)"
        )
    parts = [_parts(named, layer, file) for layer in layers]
    first = kind is Kind.GRU and _resets_first(named, layers)
    system = {Kind.GRU: ResetFirstGRU if first else GRU, Kind.LSTM: LSTM}[kind](
        [part["weight_hh"] for part in parts],
        None if parts[0]["weight_ih"] is None else [part["weight_ih"] for part in parts],
        bias_hh=[part["bias_hh"] for part in parts],
        bias_ih=[part["bias_ih"] for part in parts],
        inputs=None if settings.inputs is None else _first_input(settings, parts[0], file),
        time=settings.time or "map",
    )
    if settings.inputs is None and layers[0].inputs:
        notes.append(_NO_INPUT)
    if layers[0].order is Order.KERAS:
        notes.append(
            "weights alone do not tell the gates' nonlinearity: sigmoid is assumed (older Keras: hard_sigmoid)"
        )
    if first:
        notes.append("one bias, so a GRU that resets before it multiplies (Keras' reset_after=False)")
    if kind is Kind.GRU and layers[0].order is Order.KERAS and not layers[0].biases:
        notes.append("no biases, so weights do not tell whether the reset comes first: reset_after=True is assumed")
    guess = "; ".join(_guess(named, layer, "weight_hh") for layer in layers)
    stacked = f", a stack of {len(layers)} layers" if len(layers) > 1 else ""
    head = f"{kind.upper()}{stacked}, {' + '.join(str(layer.units) for layer in layers)} units"
    return Built(system, f"{head}: {_RESET_FIRST if first else _EQUATIONS[kind]}", guess, tuple(notes))


def _resets_first(named: Arrays, layers: Sequence[Layer]) -> bool:
    """Whether Keras' GRU multiplies after the reset: it then has one bias where it else has two."""
    return any(
        layer.order is Order.KERAS and bool(layer.biases) and named[layer.biases[0]].size == 3 * layer.units
        for layer in layers
    )


def _first_input(settings: Settings, part: dict[str, Any], file: str) -> np.ndarray:
    if part["weight_ih"] is None:
        raise CheckpointError(f"{file}: inputs: expected an input matrix among the arrays, got none")
    return constant(settings, part["weight_ih"].shape[1], file)


def _parts(named: Arrays, layer: Layer, file: str) -> dict[str, Any]:
    """The layer's weights in torch's convention."""
    hidden = real(named, layer.hidden, file)
    inputs = None if layer.inputs is None else real(named, layer.inputs, file)
    biases = [real(named, name, file) for name in layer.biases]
    if layer.order is Order.KERAS:
        return _from_keras(layer, hidden, inputs, biases)
    own = next((b for name, b in zip(layer.biases, biases, strict=True) if "ih" not in name), None)
    given = next((b for name, b in zip(layer.biases, biases, strict=True) if "ih" in name), None)
    nothing = np.zeros(len(hidden))
    return {
        "weight_hh": hidden,
        "weight_ih": inputs,
        "bias_hh": nothing if own is None else own,
        "bias_ih": nothing if given is None else given,
    }


def _from_keras(
    layer: Layer, hidden: np.ndarray, inputs: np.ndarray | None, biases: list[np.ndarray]
) -> dict[str, Any]:
    """Keras' kernels act on rows; a GRU's gates come in the order z, r, h; with `reset_after` there are two biases.

    One flat row of two biases is a layer that cuDNN trained: its recurrent blocks act on columns, and its input blocks
    hold (units, inputs) in the place of (inputs, units).
    """
    units, width = layer.units, hidden.shape[1]
    both = np.zeros((2, width))
    if biases:
        # With one bias only it belongs to the input (for an LSTM and a plain network the two add up anyway).
        flat = biases[0].reshape(-1, width)
        both[: len(flat)] = flat
    if biases and biases[0].ndim == 1 and len(biases[0]) == 2 * width:
        gates = range(0, width, units)
        hidden = np.hstack([hidden[:, g : g + units].T for g in gates])
        if inputs is not None:
            inputs = np.hstack([inputs[:, g : g + units].reshape(units, -1).T for g in gates])
    order = np.arange(hidden.shape[1])
    if layer.kind is Kind.GRU:
        order = np.concatenate([order[units : 2 * units], order[:units], order[2 * units :]])
    return {
        "weight_hh": hidden.T[order],
        "weight_ih": None if inputs is None else inputs.T[order],
        "bias_ih": both[0][order],
        "bias_hh": both[1][order],
    }


def _guess(named: Arrays, layer: Layer, role: str) -> str:
    told = [f"{layer.hidden} {named[layer.hidden].shape} as {role}"]
    if layer.inputs:
        told.append(
            f"{layer.inputs} {named[layer.inputs].shape} as {'weight_ih' if role == 'weight_hh' else 'input weights'}"
        )
    biases = " + ".join(f"{name} {named[name].shape}" for name in layer.biases)
    if not biases:
        return ", ".join([*told, "no biases" if role == "weight_hh" else "b = 0"])
    return ", ".join([*told, f"{biases} as {'biases' if role == 'weight_hh' else 'b'}"])


def _about_plain(layer: Layer, settings: Settings, turned: bool, leak: float | None) -> tuple[str, ...]:
    """What the weights do not tell and was assumed."""
    notes = []
    assumed = [name for name in ("form", "scale") if settings.origin.get(name, "default") == "default"]
    if layer.order is not Order.BY_HAND:
        assumed = []
    if settings.activation is None:
        assumed.append("activation")
    if assumed:
        what = {
            "form": f"{settings.form} form",
            "scale": f"scale {settings.scale or 1.0:g}",
            "activation": "tanh",
        }
        taken, options = (" and ".join(words) for words in ([what[a] for a in assumed], [f"--{a}" for a in assumed]))
        say = "say" if len(assumed) > 1 else "says"
        notes.append(f"weights alone do not tell {', '.join(assumed)}: {taken} assumed; {options} {say} otherwise")
    if layer.order is Order.BY_HAND and "W" not in (settings.mapping or {}):
        acts = "rows, r ← r W" if turned else "columns, W x"
        notes.append(f"{layer.hidden} is taken to act on {acts}; --transpose says otherwise")
    if leak is None:
        notes.append(
            "the leak is not known (leak, --leak): the flow is analyzed; fixed points and ghosts do not depend on the "
            "leak, the stability of a map does"
        )
    return tuple(notes)


def _equation(system: LeakyRNN, settings: Settings) -> str:
    scale = 1.0 if settings.scale is None else settings.scale
    product = "W" if scale == 1 else f"{scale:g}·W"
    head = f"{system.form} form, full rank, {counted(system.dim, 'unit')}: "
    name = system.activation.value
    inside = f"{product} {name}(h) + b" if system.form == "current" else f"{name}({product} x + b)"
    letter = "h" if system.form == "current" else "x"
    if system.leak == 1:
        return f"{head}{letter} ← {inside}"
    leak = "leak" if system.leak is None else f"{system.leak:g}"
    return f"{head}{letter} ← (1 − {leak})·{letter} + {leak}·({inside})"


def real(named: Arrays, name: str, file: str) -> np.ndarray:
    """The array in float64, or an error that names its first entry that is not finite."""
    array = np.asarray(named[name], dtype=float)
    if not np.all(np.isfinite(array)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise CheckpointError(
            f"{file}: {name}: expected finite weights, got {array[place]} at index {place}: a training that diverged "
            "is analyzed up to the step before (run.select(stop=STEP), --to STEP)"
        )
    return array


def listing(named: Arrays) -> str:
    """The first names with their shapes, for errors."""
    shown = ", ".join(f"{name} {array.shape}" for name, array in list(named.items())[:8])
    return f"{shown}, …" if len(named) > 8 else shown or "no arrays"
