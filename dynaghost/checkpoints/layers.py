"""The recurrent layers among a checkpoint's arrays: which belong together, and how `--layer` calls them.

Known are the names of torch's RNN, GRU and LSTM and of their cells (`weight_hh_l0`, `weight_hh`, with a prefix or
without), the same with other words (`enc_w_hh`, `W_hh.weight`), Keras' kernels (`recurrent_kernel`), and the matrices
of networks written by hand (`W_rec`, `h2h.weight`, `W`). Shapes tell the kind: a recurrent matrix has as many rows as
units for a plain network, three times as many for a GRU, four times for an LSTM.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Arrays = Mapping[str, np.ndarray]

_HIDDEN = re.compile(
    r"^(?P<head>.*?)(?P<word>weight|w)(?P<joint>_?)hh(?P<layer>_l\d+)?(?P<way>_reverse)?(?P<end>\.weight)?$",
    re.IGNORECASE,
)
# Matrices of networks written by hand, and whether they act on rows, r ← r W.
_BY_HAND = {
    "W_rec": True,
    "W_rec.weight": False,
    "h2h.weight": False,
    "recurrent.weight": False,
    "hidden_layer.weight": False,
    "wrec": False,
    "W": False,
    "J": False,
}
_OWN_BIAS = {"W_rec.weight": "W_rec.bias", "h2h.weight": "h2h.bias", "recurrent.weight": "recurrent.bias"}
_BIASES = ("b", "bias", "b_rec", "W_in.bias", "input2h.bias", "i2h.bias", "input_layer.bias")
_INPUTS = ("W_in.weight", "input2h.weight", "i2h.weight", "input_layer.weight", "W_in", "wi")


class Kind(StrEnum):
    """What a recurrent layer computes, as far as its shapes tell."""

    RNN = "rnn"
    GRU = "gru"
    LSTM = "lstm"


class Order(StrEnum):
    """Whose convention the arrays follow: orientation, order of the gates, number of biases."""

    TORCH = "torch"
    KERAS = "keras"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Layer:
    """One recurrent layer, by the names of its arrays.

    Attributes
    ----------
    name : str
        What `--layer` calls it, such as "lstm.l1".
    stack : str
        What `--layer` calls the whole stack that it stands in, such as "lstm".
    kind : Kind
    order : Order
    hidden : str
        The recurrent matrix.
    inputs : str or None
        The input matrix.
    biases : tuple of str
        Recurrent first, then input, as far as they are there.
    units : int
    rows : bool
        Whether the recurrent matrix acts on rows, r ← r W.
    """

    name: str
    stack: str
    kind: Kind
    order: Order
    hidden: str
    inputs: str | None
    biases: tuple[str, ...]
    units: int
    rows: bool = False


def find_layers(named: Arrays) -> list[Layer]:
    """Every recurrent layer, in the order of the names in the file; those of a stack in the order of their number.

    Parameters
    ----------
    named : mapping of str to ndarray
        By dotted name, without what trainers wrap around them.

    Examples
    --------
    >>> arrays = {"rnn.weight_hh_l0": np.ones((9, 3)), "rnn.weight_ih_l0": np.ones((9, 2)), "out.bias": np.ones(1)}
    >>> [(layer.name, layer.kind.value, layer.units) for layer in find_layers(arrays)]
    [('rnn', 'gru', 3)]
    """
    found = [layer for name in named for layer in (_torch(named, name), _keras(named, name)) if layer is not None]
    by_stack: dict[str, list[Layer]] = {}
    for layer in found or [one for name in named if (one := _by_hand(named, name)) is not None]:
        by_stack.setdefault(layer.stack, []).append(layer)
    return [layer for stack in by_stack.values() for layer in sorted(stack, key=lambda one: _number(one.hidden))]


def _torch(named: Arrays, name: str) -> Layer | None:
    match = _HIDDEN.match(name)
    if match is None or (kind := _kind(named[name].shape)) is None:
        return None
    layer, way, end = (match[group] or "" for group in ("layer", "way", "end"))
    stem = match["head"] + match["word"] + match["joint"]
    bias = match["head"] + {"weight": "bias", "w": "b", "W": "b"}.get(match["word"], "bias") + match["joint"]
    tail = layer + way
    beside = [bias + "hh" + tail, bias + "ih" + tail]
    if end:
        beside = [f"{stem}hh{tail}.bias", f"{stem}ih{tail}.bias"]
    inputs = f"{stem}ih{tail}{end}"
    stack = (match["head"].rstrip("._/") or kind.value) + (" reverse" if way else "")
    return Layer(
        name=f"{stack}.l{layer[2:]}" if layer and _stacked(named, match) else stack,
        stack=stack,
        kind=kind,
        order=Order.TORCH,
        hidden=name,
        inputs=inputs if inputs in named else None,
        biases=tuple(one for one in beside if one in named),
        units=named[name].shape[1],
    )


def _stacked(named: Arrays, match: re.Match[str]) -> bool:
    """Whether the layer has others above or below it."""
    others = [other for name in named if (other := _HIDDEN.match(name)) is not None and other["layer"]]
    alike = [other for other in others if (other["head"], other["way"]) == (match["head"], match["way"])]
    return len(alike) > 1


def _keras(named: Arrays, name: str) -> Layer | None:
    head, _, last = name.rpartition(".")
    if last != "recurrent_kernel":
        return None
    kind = _kind(named[name].shape[::-1])
    if kind is None:
        return None
    inputs, bias = (f"{head}.{one}" if head else one for one in ("kernel", "bias"))
    return Layer(
        name=head or kind.value,
        stack=head or kind.value,
        kind=kind,
        order=Order.KERAS,
        hidden=name,
        inputs=inputs if inputs in named else None,
        biases=(bias,) if bias in named else (),
        units=named[name].shape[0],
        rows=True,
    )


def _by_hand(named: Arrays, name: str) -> Layer | None:
    word = next((word for word in _BY_HAND if name == word or name.endswith("." + word)), None)
    if word is None or named[name].ndim != 2 or named[name].shape[0] != named[name].shape[1]:
        return None
    head = name.removesuffix(word)
    return by_hand(named, name, head, rows=_BY_HAND[word], own_bias=_OWN_BIAS.get(word))


def by_hand(named: Arrays, name: str, head: str, *, rows: bool, own_bias: str | None = None) -> Layer:
    """The layer of a square matrix, with every bias and the input matrix that stand beside it under known names."""
    units = named[name].shape[0]
    words = ((own_bias,) if own_bias else ()) + _BIASES
    biases = [head + word for word in words if head + word in named and named[head + word].size == units]
    inputs = next((head + word for word in _INPUTS if head + word in named), None)
    stack = head.rstrip("._/") or name
    return Layer(stack, stack, Kind.RNN, Order.BY_HAND, name, inputs, tuple(biases), units, rows)


def _kind(shape: tuple[int, ...]) -> Kind | None:
    """By the ratio of rows to units of a recurrent matrix that acts on columns."""
    if len(shape) != 2 or 0 in shape:
        return None
    return {1: Kind.RNN, 3: Kind.GRU, 4: Kind.LSTM}.get(shape[0] // shape[1]) if shape[0] % shape[1] == 0 else None


def _number(name: str) -> int:
    match = re.search(r"_l(\d+)", name)
    return int(match[1]) if match else 0
