"""Which arrays of a checkpoint are the readout of its network: by names and shapes, or as the trials say."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dynaghost.systems.base import Array, System
from dynaghost.systems.gated import LSTM
from dynaghost.systems.low_rank import LowRankRNN
from dynaghost.systems.trials import Trials

# Last parts of a name, without "weight" and "bias", by which people call a readout.
_WORDS = ("w_out", "readout", "fc", "out", "output", "decoder", "head", "linear", "h2o", "fc_out", "output_layer")
_BIASES = {"w_out": ("b_out",)}


@dataclass(frozen=True, slots=True, eq=False)
class ReadoutWeights:
    """An affine readout of a network's state.

    Attributes
    ----------
    weights : ndarray (dim,) or (outputs, dim)
        Of one number: of the only output, or of the second less the first of two that stand for classes. Of every
        output else.
    bias : float or ndarray (outputs,)
    name : str
        Of the array, or "trials".
    largest : bool
        The outputs stand for classes: the largest one is the answer. Else each is an answer of its own.
    """

    weights: Array
    bias: float | Array
    name: str
    largest: bool = False


def readout_of(arrays: Mapping[str, Array], network: System, trials: Trials | None) -> ReadoutWeights | None:
    """The readout of a checkpoint.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of the checkpoint.
    network : System
        As recognized from them.
    trials : Trials or None
        A readout given there is taken, whatever the arrays say. Targets tell whether outputs stand for classes: where
        they are numbers of classes, or 1 for one output and 0 for the others. Without targets two outputs do, more do
        not.

    Returns
    -------
    ReadoutWeights or None
        None where nothing, or more than one thing, looks like a readout. Weights with as many columns as a low-rank
        network's connectivity has rows act on κ = N x. Of an LSTM h is read.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN(np.eye(3), np.zeros(3))
    >>> arrays = {"W_out.weight": np.ones((1, 3)), "W_out.bias": np.array([0.5])}
    >>> found = readout_of(arrays, network, None)
    >>> found.weights.tolist(), found.bias, found.name
    ([1.0, 1.0, 1.0], 0.5, 'W_out.weight')
    """
    if trials is not None and trials.readout is not None:
        return _outputs(network, "trials", trials.readout, trials.readout_bias, trials)
    found = []
    for name, array in arrays.items():
        word = name.removesuffix(".weight").rpartition(".")[2].lower()
        if word in _WORDS and array.ndim in (1, 2) and not name.endswith("bias"):
            bias = _bias(arrays, name, word)
            one = _outputs(network, name, np.atleast_2d(array), bias, trials)
            found += [] if one is None else [one]
    return found[0] if len(found) == 1 else None


def _bias(arrays: Mapping[str, Array], name: str, word: str) -> Array | None:
    room = name.removesuffix(".weight").rpartition(".")[0]
    room = f"{room}." if room else ""
    names = [name.removesuffix("weight") + "bias"] if name.endswith(".weight") else []
    names += [other for other in arrays if other.startswith(room) and other[len(room) :] in _BIASES.get(word, ())]
    return next((np.atleast_1d(arrays[other]) for other in names if other in arrays), None)


def _outputs(
    network: System, name: str, weights: Array, bias: Array | None, trials: Trials | None
) -> ReadoutWeights | None:
    weights = _on_state(network, np.asarray(weights, dtype=float))
    offsets = np.zeros(len(weights)) if bias is None else np.asarray(bias, dtype=float).ravel()
    if weights.shape[1] != network.dim or not len(weights) or offsets.shape != (len(weights),):
        return None
    if len(weights) == 1:
        return ReadoutWeights(weights[0], float(offsets[0]), name)
    classes = _classes(trials, len(weights))
    if len(weights) == 2 and classes is not False:
        return ReadoutWeights(weights[1] - weights[0], float(offsets[1] - offsets[0]), name)
    return ReadoutWeights(weights, offsets, name, bool(classes))


def _classes(trials: Trials | None, outputs: int) -> bool | None:
    """Whether the targets say that so many outputs stand for classes; None where they say nothing of them."""
    if trials is None or trials.targets is None:
        return None
    asked = trials.targets if trials.mask is None else trials.targets[trials.mask > 0]
    rows = asked.reshape(-1, trials.targets.shape[2])
    if rows.shape[1] == 1:
        return bool(np.isin(rows, np.arange(outputs)).all())
    if rows.shape[1] != outputs:
        return None
    return bool(np.isin(rows, (0.0, 1.0)).all() and (rows.sum(axis=1) == 1).all())


def _on_state(network: System, weights: Array) -> Array:
    """The same readout as it acts on the state."""
    columns = weights.shape[1]
    if isinstance(network, LowRankRNN) and columns == network.rank != network.dim:
        return weights @ network.n
    if isinstance(network, LSTM) and 2 * columns == network.dim:
        return np.hstack([weights, np.zeros_like(weights)])
    return weights
