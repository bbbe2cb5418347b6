"""The networks of one run, recognized: what names and shapes mean is found out once, not of every checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dynaghost.checkpoints.gather import Checkpoint, array_digest, read_all
from dynaghost.checkpoints.layers import Arrays
from dynaghost.checkpoints.low_rank_names import rank_one_names
from dynaghost.checkpoints.recognize import recognize
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.systems.base import System
from dynaghost.systems.low_rank import RankOneRNN


def networks_of(checkpoints: Sequence[Checkpoint], settings: Settings) -> list[System]:
    """The network of each checkpoint, which are read here.

    Raises
    ------
    CheckpointError
        If one cannot be read or recognized.

    Examples
    --------
    >>> from dynaghost.checkpoints.run import load_run
    >>> run = load_run([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> [float(network.b[0]) for network in networks_of(run.checkpoints, run.settings)]
    [0.0, 0.1, 0.3]
    """
    recognizer = Recognizer(settings)
    arrays = read_all(checkpoints)
    return [recognizer.system(found, one.file) for found, one in zip(arrays, checkpoints, strict=True)]


class Rereader:
    """The networks of a run by their places in it, whose checkpoints are read each time.

    What is read again must be what was read first: of a checkpoint without a digest it is noted here.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
    settings : Settings

    Examples
    --------
    >>> from dynaghost.checkpoints.run import load_run
    >>> run = load_run([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.1, 0.3)])
    >>> read = Rereader(run.checkpoints, run.settings)
    >>> [float(network.b[0]) for network in read(range(1, 3))]
    [0.1, 0.3]
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], settings: Settings) -> None:
        self._checkpoints, self._recognizer = checkpoints, Recognizer(settings)
        self._digests: dict[int, bytes] = {}

    def __call__(self, places: range) -> Iterator[System]:
        """The networks at these places; errors are those of `networks_of`, and of `Checkpoint.check`."""
        some = [self._checkpoint(e) for e in places]
        for e, one, arrays in zip(places, some, read_all(some), strict=True):
            if one.digest is None and one.path is not None:
                self._digests[e] = array_digest(arrays)
            yield self._recognizer.system(arrays, one.file)

    def _checkpoint(self, e: int) -> Checkpoint:
        found, known = self._checkpoints[e], self._digests.get(e)
        return found if known is None else replace(found, digest=known)


class Recognizer:
    """`recognize` for the checkpoints of one run.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._names: tuple[str, str, str] | None = None

    def system(self, arrays: Arrays, file: str) -> System:
        """The network that a checkpoint's arrays are; errors are those of `recognize`."""
        shapes = {name: array.shape for name, array in arrays.items()}
        if self._names is not None and shapes == self._shapes and (known := self._rank_one(arrays)) is not None:
            return known
        found = recognize(arrays, self._settings, file).system
        self._shapes, self._names = shapes, None
        if isinstance(found, RankOneRNN):
            self._names = rank_one_names(arrays, self._settings, file)
        return found

    def _rank_one(self, arrays: Arrays) -> RankOneRNN | None:
        """The network by the names that are known; None where something is wrong with it, which `recognize` tells."""
        assert self._names is not None
        given = self._settings
        scale = 1.0 if given.scale is None else given.scale
        m, n, b = (np.asarray(arrays[name], dtype=float).ravel() if name else np.zeros(1) for name in self._names)
        # With the nothing that no input adds: −0 becomes 0.
        b = b + 0.0 if self._names[2] else np.zeros(len(m))
        try:
            return RankOneRNN(m, n, b, leak=given.leak, time=given.time or "flow", form=given.form, scale=scale)
        except DynaghostError:
            return None
