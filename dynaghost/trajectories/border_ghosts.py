"""Ghosts of ReLU and leaky ReLU networks between two checkpoints: which one is which, by the kinks that it lies on.

A ghost of a piecewise linear network lies on kinks, and the regions that meet there have virtual fixed points. No two
ghosts of one network have the same units above, below and at their kinks: that is a ghost's identity, as long as it is
the same all along the line. A non-smooth fold leaves the ghost at whose kink it is.
"""

from collections.abc import Sequence

import numpy as np

from dynaghost.slowpoints.linear_regions import argument
from dynaghost.slowpoints.piecewise_ghosts import descend_regions
from dynaghost.slowpoints.records import Ghost
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.trajectories.border_link import BorderReading
from dynaghost.trajectories.ghost_link import GhostFollowing, GhostStay, Identity
from dynaghost.trajectories.space_link import Place
from dynaghost.trajectories.straight import Line

_LOOKS = 8  # places between two ends at which the ghost is looked for
_AT_A_KINK = 1e-9
_CHANGES = "it comes to other kinks between the checkpoints, and is not followed there"


def follow_virtual(line: Line, first: Sequence[Ghost], second: Sequence[Ghost], fixed: BorderReading) -> GhostFollowing:
    """Every listed ghost of both checkpoints, and those that non-smooth folds leave."""
    following = GhostFollowing(line, (first, second), len(fixed.events))
    names = [
        {_kinks(line, side, one): i for i, one in enumerate(ghosts)} for side, ghosts in enumerate((first, second))
    ]
    for number, (fold, kinks) in enumerate(zip(fixed.folds, fixed.kinks, strict=True)):
        side = 0 if fold.creates else 1
        index = names[side].get(kinks)
        if index is not None and _lasts(line, kinks, fold.s, float(side)):
            _enter(following, (number, fold.s), Place(side, index))
    for kinks, index in names[0].items():
        other = names[1].get(kinks)
        places = [Place(0, index)] + ([] if other is None else [Place(1, other)])
        if other is not None and not following.taken.intersection(places) and _lasts(line, kinks, 0.0, 1.0):
            _enter(following, (places[0], 0.0), places[1])
    for side in (0, 1):
        for index in names[side].values():
            if Place(side, index) not in following.taken:
                following.lost[Place(side, index)] = _CHANGES
    return following


def _enter(following: GhostFollowing, begin: tuple[Place | int, float], end: Place) -> None:
    low, high = (begin, (end, float(end.side))) if end.side else ((end, 0.0), begin)
    following.taken.update(place for place in (begin[0], end) if isinstance(place, Place))
    following.stays.append(GhostStay(low[0], high[0], low[1], high[1], (None, None), Identity.KINKS))


def _kinks(line: Line, side: int, ghost: Ghost) -> bytes:
    """1, −1 or 0 for each unit: above, below, or at its kink."""
    network = line.at(float(side))
    assert isinstance(network, LeakyRNN)
    u = argument(network, ghost.x)
    return np.where(np.abs(u) <= _AT_A_KINK * (1 + np.abs(u).max()), 0, np.sign(u)).astype(np.int8).tobytes()


def _lasts(line: Line, kinks: bytes, start: float, end: float) -> bool:
    """Whether a ghost with these kinks is found wherever it is looked for between two places."""
    signs = np.frombuffer(kinks, np.int8)
    for s in np.linspace(start, end, _LOOKS + 2)[1:-1]:
        network = line.at(float(s))
        assert isinstance(network, LeakyRNN)
        found = descend_regions(network, signs > 0, {})
        if found is None or found.key != kinks or not np.any(found.f):
            return False
    return True
