"""Nested containers, as checkpoints hold them, flattened to dotted names."""

import numbers
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dynaghost.checkpoints.pickles import Stub
from dynaghost.checkpoints.torch_zip import NumpyArray, Tensor
from dynaghost.errors import CheckpointError

# State of the training, not of the network: beside the weights it is not read.
TRAINING_STATE = ("optimizer", "optim", "lr_scheduler", "scheduler", "scaler", "callbacks", "loops", "rng_state")

# A pickle can name one list a million times, and lists of lists of it: visits and numbers are both counted.
_MOST_VISITS, _MOST_NUMBERS, _DEEPEST = 200_000, 10_000_000, 64
_TRANSPARENT = ("_parameters", "_buffers", "_modules")

Leaf = Any


def leaves(tree: Any, file: str) -> dict[str, Leaf]:
    """Arrays, tensors and scalars of nested dicts, lists, and objects that became stubs, by dotted name.

    A list of numbers is one leaf, and so is a list of such lists of one length, a matrix. None, and objects of no use
    here, are left out; so are containers at the top whose name begins with one of `TRAINING_STATE`.

    Parameters
    ----------
    tree : object
        A state dict, a checkpoint, a module.
    file : str
        Named in errors.

    Returns
    -------
    dict of str to leaf
        Leaves are `Tensor`, ndarray, int, float, bool, str, lists of numbers, or anything else that is no container.

    Raises
    ------
    CheckpointError
        If two entries have one name, an array does not hold real numbers, or there are more than 200 000 entries.

    Examples
    --------
    >>> leaves({"epoch": 3, "model": {"m": np.ones(2)}, "optimizer": {"lr": 0.1}}, "a.pt")
    {'epoch': 3, 'model.m': array([1., 1.])}
    """
    found: dict[str, Leaf] = {}
    count = 0
    for visit, (name, leaf) in enumerate(_walk(tree, "", ())):
        count += _size(leaf)
        if visit > _MOST_VISITS or count > _MOST_NUMBERS:
            raise CheckpointError(
                f"{file}: expected at most {_MOST_VISITS} entries and {_MOST_NUMBERS} numbers in lists, got more"
            )
        if leaf is None:
            continue
        if name in found:
            raise CheckpointError(f"{file}: expected one entry named {name!r}, got two")
        found[name] = _checked(leaf, name, file)
    return found


def _walk(tree: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Leaf]]:
    """Name and leaf, depth first; None for every container, so that a tree without leaves ends as well."""
    children = _children(tree)
    if children is None:
        yield name, tree
        return
    yield name, None
    if id(tree) in above or len(above) > _DEEPEST:
        return
    for key, child in children:
        if not above and key.startswith(TRAINING_STATE) and (_children(child) is not None or _is_matrix(child)):
            continue
        yield from _walk(child, ".".join(filter(None, (name, key))), (*above, id(tree)))


def _children(tree: Any) -> list[tuple[str, Any]] | None:
    """Names and values inside a container, or None for a leaf."""
    if isinstance(tree, Mapping):
        return [(str(key), value) for key, value in tree.items() if isinstance(key, str | int)]
    if isinstance(tree, list | tuple):
        return None if _is_numbers(tree) or _is_matrix(tree) else [(str(key), value) for key, value in enumerate(tree)]
    if isinstance(tree, Stub):
        return _inside(tree)
    return None


def _inside(stub: Stub) -> list[tuple[str, Any]]:
    """Parameters, buffers, modules and public attributes of an object; a module's own containers leave no name."""
    state = stub.state[0] if isinstance(stub.state, tuple) and stub.state else stub.state
    attributes = {**state, **stub.items} if isinstance(state, dict) else stub.items
    found = []
    for key, value in attributes.items():
        if key in _TRANSPARENT and isinstance(value, Mapping | Stub):
            found += _children(value) or []
        elif isinstance(key, str | int) and (not str(key).startswith("_") or _is_module(value)):
            found.append((str(key), value))
    return found


def _is_module(value: Any) -> bool:
    """TorchScript keeps a module's modules beside its attributes, also those whose names are private."""
    return isinstance(value, Stub) and isinstance(value.state, dict) and "training" in value.state


def _is_numbers(values: list[Any] | tuple[Any, ...]) -> bool:
    # NumPy's scalars are numbers too: [np.float64(1.0)] must not fall apart into entries of its own.
    kinds = int | float | np.integer | np.floating
    return len(values) > 0 and all(isinstance(v, kinds) and not isinstance(v, bool) for v in values)


def _is_matrix(values: Any) -> bool:
    """Whether it is a list of rows, lists of numbers of one length. A pickle can repeat a row: it is looked at once."""
    if not isinstance(values, list | tuple) or not all(isinstance(row, list | tuple) for row in values):
        return False
    rows = {id(row): row for row in values}.values()
    return len(rows) > 0 and len({len(row) for row in rows}) == 1 and all(_is_numbers(row) for row in rows)


def _size(leaf: Leaf) -> int:
    """How many numbers a list holds."""
    if not isinstance(leaf, list | tuple):
        return 0
    return len(leaf) * (len(leaf[0]) if leaf and isinstance(leaf[0], list | tuple) else 1)


def _checked(leaf: Any, name: str, file: str) -> Leaf:
    """The leaf, its numbers real, or None for an object of no use."""
    if isinstance(leaf, NumpyArray):
        if leaf.array is None:
            raise CheckpointError(f"{file}: {name}: expected real numbers, got an array of something else")
        return leaf.array
    if isinstance(leaf, np.ndarray):
        return real(leaf, name, file)
    return leaf


def real(array: np.ndarray, name: str, file: str) -> np.ndarray:
    """`array` if it holds real numbers, else an error.

    Raises
    ------
    CheckpointError
        For complex numbers and objects.
    """
    if array.dtype.kind not in "biuf":
        raise CheckpointError(f"{file}: {name}: expected real numbers, got an array of dtype {array.dtype}")
    return array


def scalars(values: Mapping[str, Any]) -> dict[str, int | float | str]:
    """The numbers and texts among leaves, arrays without dimensions included.

    Examples
    --------
    >>> scalars({"epoch": np.int64(3), "loss": np.array(0.5), "m": np.ones(2), "name": "tanh"})
    {'epoch': 3, 'loss': 0.5, 'name': 'tanh'}
    """
    found: dict[str, int | float | str] = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
            found[name] = value.item()
        elif isinstance(value, str):
            found[name] = value
        elif isinstance(value, numbers.Real):
            found[name] = value if isinstance(value, int) else float(value)
    return found


def arrays(values: Mapping[str, Leaf], file: str, read: Callable[[Leaf, str], np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays among leaves, lists of numbers included; `read` makes one of a tensor.

    Raises
    ------
    CheckpointError
        If a list holds an integer too large for float64.
    """
    found = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            found[name] = value
        elif isinstance(value, list | tuple):
            found[name] = _from_list(value, name, file)
        elif isinstance(value, Tensor) or hasattr(value, "detach"):
            found[name] = read(value, name)
    return found


def _from_list(values: Any, name: str, file: str) -> np.ndarray:
    try:
        return np.array(values, dtype=float)
    except OverflowError as error:
        raise CheckpointError(f"{file}: {name}: expected numbers within float64, got a larger one") from error
