"""The complex pair of every branch, followed also where it is no ghost: before it emerges and after it dissolves.

The pair is the ghost's identity, the minimum of the speed its location. Its passage time can grow long before |f| has a
minimum of its own, and that growth is what a loss drop may come from.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from dynaghost.kernels.complex_points import complex_value, continue_pair
from dynaghost.packed import Packed
from dynaghost.series import Series
from dynaghost.slowpoints.complexified import pair_near, passage_time
from dynaghost.slowpoints.records import Kind, SlowPoints
from dynaghost.systems.base import Array, Time
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.trajectories.branches import Branch, Crossing, CrossingKind
from dynaghost.trajectories.stacks import Rows, Stacked

# Passage times (τ) below which a pair is too far from the axis to be followed further.
_FAINT = 0.01
_FIRST_STEP, _LEAST_STEP = 0.125, 1e-6
# Relative distance below which two numbers are one pair.
_SAME = 1e-6
_PLACE = itemgetter(0, 1)
# Distance from a saddle-node, as a share of the way to the checkpoint, at which the pair it leaves is looked up.
_ASIDE = 1e-4


class Story:
    """A pair at the checkpoints at which it is known, by their indices, which increase, with its passage times."""

    __slots__ = ("indices", "times", "z")

    def __init__(self) -> None:
        self.indices, self.z, self.times = Series(int), Series(complex), Series(float)

    def append(self, e: int, z: complex, time: float) -> None:
        """One checkpoint more, after all others."""
        self.indices.append(e)
        self.z.append(z)
        self.times.append(time)

    def extend(self, later: "Story") -> None:
        """Checkpoints after all others."""
        self.indices.extend(later.indices)
        self.z.extend(later.z)
        self.times.extend(later.times)

    def reversed(self) -> "Story":
        """One that was followed backwards, forwards."""
        made = Story()
        made.indices, made.z, made.times = self.indices.reversed(), self.z.reversed(), self.times.reversed()
        return made

    def at(self, e: int) -> complex | None:
        """The pair at a checkpoint, None where it is not known."""
        i = self.indices.find(e)
        return None if i is None else self.z[i]


@dataclass(frozen=True, slots=True)
class PairTrack:
    """A complex pair along training.

    Attributes
    ----------
    branch : int
        Whose ghost it is, at some checkpoint, or whose two fixed points it becomes.
    steps : sequence of int
        Checkpoints at which it is known, increasing.
    z : sequence of complex
        The one with Im z > 0 at each.
    passage_times : sequence of float
        In τ (flow) or iterations (map).
    lost : tuple of int
        Checkpoints to which it could not be followed, though it was neither real nor faint at the one before.
    """

    branch: int
    steps: Series[int]
    z: Series[complex]
    passage_times: Series[float]
    lost: tuple[int, ...] = ()

    def at(self, step: int) -> tuple[complex, float] | None:
        """Pair and passage time at a checkpoint, None where it is not known."""
        i = self.steps.find(step)
        return None if i is None else (self.z[i], self.passage_times[i])


def follow_pairs(
    steps: Sequence[int],
    circuits: Sequence[RankOneCircuit],
    points: Sequence[SlowPoints],
    branches: Sequence[Branch],
    labels: Sequence[Sequence[int]],
    crossings: Sequence[Crossing],
) -> tuple[PairTrack, ...]:
    """The pairs of all branches that are a ghost, or two fixed points that meet in a saddle-node, at some checkpoint.

    A ghost can change its pair, where another one comes to slow the flow more: then its branch has a track for each.

    Parameters
    ----------
    steps, circuits, points
        One a checkpoint.
    branches : sequence of Branch
    labels : sequence of sequence of int
        Branches of the ghosts of each checkpoint, in their order.
    crossings : sequence of Crossing
    """
    tracks, weights = [], _Weights.of(circuits)
    folds = [crossing for crossing in crossings if crossing.kind is CrossingKind.SADDLE_NODE]
    for branch in branches:
        own = [fold for fold in folds if fold.branches[0] == branch.id]
        known = _known(_at_folds(own, branch, steps, circuits), _at_ghosts(branch, points, labels))
        tracks += [_track(branch.id, *story, steps) for story in _stories(known, branch, steps, weights)]
    return tuple(tracks)


def _known(folds: dict[int, complex], ghosts: Iterator[tuple[int, complex]]) -> Iterator[tuple[int, complex]]:
    """Checkpoint index and pair, in order, of both; where both know one it is the ghosts'."""
    before = -1
    ranked = ((e, 0, z) for e, z in ghosts), ((e, 1, z) for e, z in sorted(folds.items()))
    for e, _, z in heapq.merge(*ranked, key=_PLACE):
        if e != before:
            yield e, z
        before = e


def _at_ghosts(
    branch: Branch,
    points: Sequence[SlowPoints],
    labels: Sequence[Sequence[int]],
) -> Iterator[tuple[int, complex]]:
    """Checkpoint index and pair, where the branch is a ghost whose pair Newton reached."""
    for e, ghosts in enumerate(labels):
        if branch.id in ghosts:
            z = points[e].ghosts[list(ghosts).index(branch.id)].complex_point
            if z is not None:
                yield e, complex(z[0])


def _at_folds(
    folds: Sequence[Crossing], branch: Branch, steps: Sequence[int], circuits: Sequence[RankOneCircuit]
) -> dict[int, complex]:
    """Checkpoint index → pair, at the end of a link on the side of a saddle-node on which the pair is complex."""
    known = {}
    for fold in folds:
        e = fold.link if fold.creates else fold.link + 1
        z = _beside(fold, circuits[fold.link], circuits[fold.link + 1])
        if branch.at(steps[e]) is None and z is not None and _time(circuits[e], z) >= _FAINT:
            known[e] = z
    return known


def _beside(fold: Crossing, first: RankOneCircuit, second: RankOneCircuit) -> complex | None:
    """The pair that a saddle-node leaves, followed from close to it to the checkpoint."""
    end, edge = (0.0, fold.before) if fold.creates else (1.0, fold.after)
    s = edge + _ASIDE * (end - edge)
    near = _between(first, second, s)
    # There the pair is x ± i√(μ/a) but for a small correction, however crooked f is farther away.
    f, _, bend = (float(c) for c in near.taylor(np.float64(fold.x), 2))
    found = pair_near(near, fold.x, float(np.sqrt(abs(f / bend)))) if bend else None
    if found is None:
        return None
    target = first if fold.creates else second
    z, arrived = continue_pair(*near.weights, *target.weights, found[0], _FIRST_STEP, _LEAST_STEP)
    return z if arrived == 1 and z.imag > 1e-9 else None


def _between(first: RankOneCircuit, second: RankOneCircuit, s: float) -> RankOneCircuit:
    m, n, b = (u + s * (v - u) for u, v in ((first.m, second.m), (first.n, second.n), (first.b, second.b)))
    return RankOneCircuit(m, n, b, leak=first.leak, time=first.time, form=first.form)


def _stories(
    known: Iterable[tuple[int, complex]], branch: Branch, steps: Sequence[int], weights: "_Weights"
) -> list[tuple[Story, list[int]]]:
    """The pairs known at some checkpoints, each followed as far as it goes; one story for those that are the same.

    With each the checkpoints (by index) to which it was lost.
    """
    stories: list[tuple[Story, list[int]]] = []
    for e, z in known:
        places = (story.at(e) for story, _ in stories)
        if not any(at is not None and abs(at - z) <= _SAME * (1 + abs(z)) for at in places):
            earlier, lost_before = _continued(e, z, -1, branch, steps, weights)
            later, lost_after = _continued(e, z, 1, branch, steps, weights)
            story = earlier.reversed()
            story.append(e, z, weights.time(e, z))
            story.extend(later)
            # Where a saddle-node or a break lies between two stretches, they are one story all the same.
            before = next((other for other in stories if other[0].indices[-1] < story.indices[0]), None)
            if before is None:
                stories.append((story, lost_before + lost_after))
            else:
                before[0].extend(story)
                before[1].extend(lost_before + lost_after)
    return stories


def _continued(
    e: int, z: complex, move: int, branch: Branch, steps: Sequence[int], weights: "_Weights"
) -> tuple[Story, list[int]]:
    """The pair `z` of checkpoint `e` at those after it (`move` = 1) or before it (−1), until it is real or faint.

    With it the checkpoint to which it was lost, if it was neither.
    """
    found = Story()
    here = weights.rows[e]
    while 0 <= e + move < len(steps):
        at_next = branch.at(steps[e + move])
        if at_next is not None and at_next[0] is Kind.FIXED_POINT:
            break
        there = weights.rows[e + move]
        z, s = continue_pair(*here, *there, z, _FIRST_STEP, _LEAST_STEP)
        if s < 1:
            return found, [e + move]
        if not z.imag > 1e-9 or (time := weights.time_at(there, z)) < _FAINT:
            break
        e, here = e + move, there
        found.append(e, z, time)
    return found, []


def _time(circuit: RankOneCircuit, z: complex) -> float:
    return passage_time(complex(complex_value(*circuit.weights, z)[1]), circuit.time, circuit.leak)


@dataclass(frozen=True, slots=True)
class _Weights:
    """The weights of a run's circuits, m, n and b (units,) of each checkpoint, without the circuits themselves."""

    rows: Sequence[tuple[Array, Array, Array]]
    flow: Time
    leak: float | None

    @classmethod
    def of(cls, circuits: Sequence[RankOneCircuit]) -> "_Weights":
        first = circuits[0]
        blocks = circuits.blocks if isinstance(circuits, Packed) else ()
        stacks = [block for block in blocks if isinstance(block, Stacked)]
        if blocks and len(stacks) == len(blocks):
            return cls(Packed(map(Rows, stacks)), first.time, first.leak)
        return cls([one.weights for one in circuits], first.time, first.leak)

    def time(self, e: int, z: complex) -> float:
        """Passage time of a pair at checkpoint `e`."""
        return self.time_at(self.rows[e], z)

    def time_at(self, weights: tuple[Array, Array, Array], z: complex) -> float:
        return passage_time(complex(complex_value(*weights, z)[1]), self.flow, self.leak)


def _track(branch: int, story: Story, lost: list[int], steps: Sequence[int]) -> PairTrack:
    seen = Series(int, (steps[e] for e in story.indices))
    return PairTrack(branch, seen, story.z, story.times, tuple(sorted(steps[e] for e in lost)))
