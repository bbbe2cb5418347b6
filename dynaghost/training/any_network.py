"""All networks together: which one some weights by name are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.training.cue_networks import CueFullRankNetwork, CueLowRankNetwork
from dynaghost.training.networks import RankOneNetwork, rank_one_of
from dynaghost.training.readout_networks import FullRankNetwork, LowRankNetwork

Network = RankOneNetwork | LowRankNetwork | FullRankNetwork | CueLowRankNetwork | CueFullRankNetwork
"""Any network that can be trained here."""

# Names that tell a network from those below it in this table.
_KINDS: tuple[tuple[set[str], Any], ...] = (
    (set(LowRankNetwork.names().values()), LowRankNetwork.of),
    ({"m", "n", "b"}, rank_one_of),
    *((set(kind.names().values()), kind.of) for kind in (FullRankNetwork, CueLowRankNetwork, CueFullRankNetwork)),
)


def network_of(weights: Mapping[str, np.ndarray]) -> Any:
    """The network whose weights these are, told by their names.

    Parameters
    ----------
    weights : mapping of str to array
        Other entries are passed over.

    Returns
    -------
    Network
        In float64.

    Raises
    ------
    DynaghostError
        If they are no network's, or of wrong shapes.

    Examples
    --------
    >>> type(network_of({"m": np.ones(3), "n": np.ones(3), "b": np.zeros(3)})).__name__
    'RankOneNetwork'
    """
    for names, make in _KINDS:
        if names <= set(weights):
            return make({name: np.array(values, dtype=float) for name, values in weights.items()})
    known = "; ".join(", ".join(sorted(names)) for names, _ in _KINDS)
    raise DynaghostError(f"weights must have the names of a network ({known}), got {', '.join(sorted(weights))}")
