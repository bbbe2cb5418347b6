"""The complex pair of every branch, followed also where it is no ghost: before it emerges and after it dissolves.

The pair is the ghost's identity, the minimum of the speed its location. Its passage time can grow long before |f| has a
minimum of its own, and that growth is what a loss drop may come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynaghost.kernels.complex_points import complex_value, continue_pair
from dynaghost.slowpoints.complexified import passage_time
from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.trajectories.branches import Branch

# Passage times (τ) below which a pair is too far from the axis to be followed further.
_FAINT = 0.01
_FIRST_STEP, _LEAST_STEP = 0.125, 1e-6


@dataclass(frozen=True, slots=True)
class PairTrack:
    """The complex pair of one branch along training.

    Attributes
    ----------
    branch : int
    steps : tuple of int
        Checkpoints at which it is known, increasing.
    z : tuple of complex
        The one with Im z > 0 at each.
    passage_times : tuple of float
        In τ (flow) or iterations (map).
    """

    branch: int
    steps: tuple[int, ...]
    z: tuple[complex, ...]
    passage_times: tuple[float, ...]

    def at(self, step: int) -> tuple[complex, float] | None:
        """Pair and passage time at a checkpoint, None where it is not known."""
        if step not in self.steps:
            return None
        i = self.steps.index(step)
        return self.z[i], self.passage_times[i]


def follow_pairs(
    steps: Sequence[int],
    circuits: Sequence[RankOneCircuit],
    points: Sequence[SlowPoints],
    branches: Sequence[Branch],
    labels: Sequence[Sequence[int]],
) -> tuple[PairTrack, ...]:
    """The pairs of all branches that are a ghost at some checkpoint.

    Parameters
    ----------
    steps, circuits, points
        One a checkpoint.
    branches : sequence of Branch
    labels : sequence of sequence of int
        Branches of the ghosts of each checkpoint, in their order.
    """
    tracks = []
    for branch in branches:
        known = _at_ghosts(branch, circuits, points, labels)
        if known:
            _extend(known, branch, steps, circuits, forward=False)
            _extend(known, branch, steps, circuits, forward=True)
            tracks.append(_track(branch.id, known, steps, circuits))
    return tuple(tracks)


def _at_ghosts(
    branch: Branch,
    circuits: Sequence[RankOneCircuit],
    points: Sequence[SlowPoints],
    labels: Sequence[Sequence[int]],
) -> dict[int, complex]:
    """Checkpoint index → pair, where the branch is a ghost whose pair Newton reached."""
    known = {}
    for e, ghosts in enumerate(labels):
        if branch.id in ghosts:
            z = points[e].ghosts[list(ghosts).index(branch.id)].complex_point
            if z is not None:
                known[e] = complex(z[0])
    return known


def _extend(
    known: dict[int, complex],
    branch: Branch,
    steps: Sequence[int],
    circuits: Sequence[RankOneCircuit],
    *,
    forward: bool,
) -> None:
    """Continue every known pair to checkpoints next to it at which the branch has no slow point, or no known pair."""
    move = 1 if forward else -1
    for start in sorted(known, reverse=not forward):
        e, z = start, known[start]
        while 0 <= e + move < len(steps) and e + move not in known:
            at_next = branch.at(steps[e + move])
            if at_next is not None and at_next[0] is Kind.FIXED_POINT:
                break
            z, s = continue_pair(*circuits[e].weights, *circuits[e + move].weights, z, _FIRST_STEP, _LEAST_STEP)
            if s < 1 or not z.imag > 1e-9 or _time(circuits[e + move], z) < _FAINT:
                break
            e += move
            known[e] = z


def _time(circuit: RankOneCircuit, z: complex) -> float:
    return passage_time(complex(complex_value(*circuit.weights, z)[1]), circuit.time, circuit.leak)


def _track(
    branch: int, known: dict[int, complex], steps: Sequence[int], circuits: Sequence[RankOneCircuit]
) -> PairTrack:
    order = sorted(known)
    return PairTrack(
        branch,
        tuple(steps[e] for e in order),
        tuple(known[e] for e in order),
        tuple(_time(circuits[e], known[e]) for e in order),
    )


def nearest_real_distance(z: complex, visited: np.ndarray) -> float:
    """Distance from Re z to the nearest visited state."""
    return float(np.min(np.abs(visited - z.real)))
