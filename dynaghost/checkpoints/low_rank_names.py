"""Which arrays of a file are m, n and b of a low-rank network: by their names and shapes, or by the user's mapping."""

from collections.abc import Mapping

import numpy as np

from dynaghost.checkpoints.cells import listing
from dynaghost.checkpoints.layers import Arrays
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError

_WRAPPERS = ("state_dict.", "model_state_dict.", "model_state.", "model.", "net.", "model_weights.")
_PREFIXES = ("module.", "_orig_mod.", "model.")

# Names of m and n, and whether the file's W = (first)(second) acts on rows, r ← r W.
PAIRS = (("m", "n", False), ("M", "N", False), ("U", "V", False), ("S_l", "S_r", True))
_BIASES = ("b", "bias", "b_rec", "W_in.bias")

WAYS_OUT = "name them with mapping {'m': NAME, 'n': NAME, 'b': NAME} (--map m=NAME,n=NAME,b=NAME)"


def rank_one_names(arrays: Arrays, settings: Settings, file: str) -> tuple[str, str, str] | None:
    """Which arrays are m, n and b ("" for none) of a network of rank one; None where more than these make it.

    Parameters are those of `recognize`, which has recognized a network of rank one.

    Examples
    --------
    >>> arrays = {"net.S_l": np.ones((3, 1)), "net.S_r": np.ones((1, 3))}
    >>> rank_one_names(arrays, Settings(), "a.pt")
    ('net.S_r', 'net.S_l', '')
    """
    if settings.model is not None or settings.inputs is not None:
        return None
    named = unwrap(arrays, file)
    everything = {**arrays, **named}
    names, rows = names_of(named, everything, settings, file)
    # As the file has them, before its wrappers were taken off.
    own = {id(array): name for name, array in arrays.items()}
    m, n, b = (own[id(everything[names[key]])] if names[key] else "" for key in "mnb")
    return (n, m, b) if rows != settings.transpose else (m, n, b)


def unwrap(arrays: Arrays, file: str) -> dict[str, np.ndarray]:
    """The same arrays without what trainers wrap around a state dict, and without prefixes of wrapped modules.

    Raises
    ------
    CheckpointError
        If two arrays have one name then.

    Examples
    --------
    >>> list(unwrap({"state_dict.module.m": np.ones(2), "extra": np.ones(1)}, "a.ckpt"))
    ['m']
    """
    found = dict(arrays)
    for wrapper in _WRAPPERS:
        inside = {name.removeprefix(wrapper): array for name, array in found.items() if name.startswith(wrapper)}
        found = inside or found
    stripped: dict[str, np.ndarray] = {}
    for name, array in found.items():
        short = _without_prefixes(name)
        if short in stripped:
            raise CheckpointError(f"{file}: expected one array named {short!r} inside its wrappers, got two")
        stripped[short] = array
    return stripped


def _without_prefixes(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return _without_prefixes(name.removeprefix(prefix))
    return name


def names_of(named: Arrays, everything: Arrays, settings: Settings, file: str) -> tuple[dict[str, str], bool]:
    """Which names are m, n and b ('' where there is none), and whether W acts on rows.

    Parameters
    ----------
    named, everything : mapping of str to ndarray
        Without the wrappers of a state dict (`unwrap`), and all that the user may mean.
    settings, file
        As for `recognize`.

    Raises
    ------
    CheckpointError
        If a mapped array is not there, or names tell of no pair or of several.
    """
    mapping = settings.mapping or {}
    for role, name in mapping.items():
        if _find(everything, name) is None:
            raise CheckpointError(f"{file}: {role}: expected an array named {name!r}, got {listing(named)}")
    if "m" in mapping and "n" in mapping:
        names, parent, rows = {key: _find(everything, mapping[key]) or "" for key in "mn"}, "", False
    else:
        first, second, parent, rows = _pair(named, file)
        names = {
            key: _find(everything, mapping.get(key, parent + one)) or "" for key, one in (("m", first), ("n", second))
        }
    if "b" in mapping:
        return {**names, "b": _find(everything, mapping["b"]) or ""}, rows
    return {**names, "b": next((parent + name for name in _BIASES if parent + name in named), "")}, rows


def _find(named: Arrays, name: str) -> str | None:
    """The array that a user means, wrapped or not."""
    if name in named:
        return name
    return next((one for one in _unwrapped(name) if one in named), None)


def _unwrapped(name: str) -> list[str]:
    return [_without_prefixes(name.removeprefix(wrapper)) for wrapper in _WRAPPERS]


def pairs_of(named: Arrays) -> list[tuple[str, str, str, bool]]:
    """Every pair of names that is there, the module it stands in, and whether W acts on rows."""
    parents = dict.fromkeys(name[: name.rfind(".") + 1] for name in named)
    return [(a, b, p, rows) for p in parents for a, b, rows in PAIRS if p + a in named and p + b in named]


def _pair(named: Arrays, file: str) -> tuple[str, str, str, bool]:
    """The one pair of names that is there."""
    found = pairs_of(named)
    if len(found) > 1:
        pairs = ", ".join(f"{p}{a} with {p}{b}" for a, b, p, _ in found)
        raise CheckpointError(f"{file}: expected one pair of low-rank weights, got {pairs}: {WAYS_OUT}")
    if found:
        return found[0]
    known = ", ".join(f"{a} with {b}" for a, b, _ in PAIRS)
    raise CheckpointError(f"{file}: expected low-rank weights ({known}), got {listing(named)}: {WAYS_OUT}")


def oriented(
    m: np.ndarray,
    n: np.ndarray,
    b: np.ndarray | None,
    names: Mapping[str, str],
    rows: bool,
    settings: Settings,
    file: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """m (units, K), n (K, units), b (units,), and what was turned for it.

    Raises
    ------
    CheckpointError
        If the shapes make no network, or do not tell which way a square m or n stands.
    """
    fixed = rows or settings.transpose or {"m", "n"} <= set(settings.mapping or {})
    shapes = f"{names['m']} {m.shape}, {names['n']} {n.shape}" + ("" if b is None else f", {names['b']} {b.shape}")
    m, n = m[:, None] if m.ndim == 1 else m, n[None, :] if n.ndim == 1 else n
    _check_pair(m, n, bool(fixed), shapes, file)
    turned = ""
    if m.shape[0] < m.shape[1]:
        m, turned = m.T, f"; {names['m']} transposed to {m.T.shape}"
    if n.shape[1] < n.shape[0]:
        n, turned = n.T, f"{turned}; {names['n']} transposed to {n.T.shape}"
    if rows != settings.transpose:
        m, n = n.T, m.T
    b = np.zeros(len(m)) if b is None else b.ravel()
    if b.shape != (len(m),):
        raise CheckpointError(f"{file}: expected a bias of {len(m)} units, got {shapes}: {WAYS_OUT}")
    return m, n, b, turned


def _check_pair(m: np.ndarray, n: np.ndarray, fixed: bool, shapes: str, file: str) -> None:
    """Refuse shapes that make no W, and square ones unless names or options say which way they stand."""
    if m.ndim != 2 or n.ndim != 2 or 0 in m.shape or sorted(m.shape) != sorted(n.shape):
        raise CheckpointError(
            f"{file}: expected shapes (units, K) and (K, units) or (units, K), got {shapes}: {WAYS_OUT}"
        )
    if m.shape[0] == m.shape[1] > 1 and not fixed:
        raise CheckpointError(
            f"{file}: expected fewer columns than units, got square {shapes}, which have no orientation: {WAYS_OUT} "
            "for m (units, K) and n (K, units), or say transpose (--transpose)"
        )
