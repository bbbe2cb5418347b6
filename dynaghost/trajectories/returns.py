"""Ghosts that come back: one that emerges on a complex pair that was followed all along keeps its branch.

A ghost dissolves where |f| loses its minimum, and its pair stays in the complex plane. Where the pair that a later
ghost emerges on is the same, that ghost is the same slow point: identity is by continuation, not by being seen.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dynaghost.packed import Mapped, Packed
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.trajectories.branches import Branch, CrossingKind, Labels, Relation, Segment, Stretch, Tracks
from dynaghost.trajectories.pairs import PairTrack, follow_pairs

# Distance, as a share of the distance to the axis, within which two followed pairs are one. Newton has refined both,
# so that one pair agrees to many more digits; its mirror image is two of these distances away.
_SAME = 1e-6


def reunite(
    tracks: Tracks,
    pairs: Sequence[PairTrack],
    steps: Sequence[int],
    circuits: Sequence[RankOneCircuit],
    points: Sequence[SlowPoints],
) -> tuple[Tracks, tuple[PairTrack, ...]]:
    """Tracks and pairs in which a ghost that returns is on the branch on which it dissolved.

    A ghost returns if it emerges after another one dissolved, and the pair that it is on at its first checkpoint, and
    the one that the other was on at its last, are one pair at some checkpoint to which both were followed. Each
    dissolved ghost returns at most once; of several, the last one does.

    Parameters
    ----------
    tracks : Tracks
    pairs : sequence of PairTrack
        Of the branches of `tracks`.
    steps, circuits, points
        One a checkpoint.

    Returns
    -------
    tracks : Tracks
        Branches numbered in the order in which they are first there.
    pairs : tuple of PairTrack
    """
    before = _returns(tracks, pairs, points)
    if not before:
        return tracks, tuple(pairs)
    names = _renumbered(len(tracks.branches), before)
    united = _renamed(tracks, names, before)
    changed = {names[b] for b in before}
    ghosts = Mapped(_ghosts, united.labels)
    again = [united.branches[b] for b in sorted(changed)]
    followed = follow_pairs(steps, circuits, points, again, ghosts, united.crossings)
    kept = [replace(track, branch=names[track.branch]) for track in pairs if names[track.branch] not in changed]
    # Sorting is stable: the tracks of one branch stay in their order.
    return united, tuple(sorted([*kept, *followed], key=lambda track: track.branch))


def _returns(tracks: Tracks, pairs: Sequence[PairTrack], points: Sequence[SlowPoints]) -> dict[int, int]:
    """Branch that begins with a ghost's return → the branch on which that ghost dissolved."""
    gone: list[tuple[int, list[PairTrack]]] = []
    found: dict[int, int] = {}
    for crossing in tracks.crossings:
        if crossing.kind is CrossingKind.GHOST_DISSOLUTION:
            branch = tracks.branches[crossing.branches[0]]
            gone.append((branch.id, _pairs_at(branch.id, branch.segments[-1].steps[-1:], tracks, pairs, points)))
        elif crossing.kind is CrossingKind.GHOST_EMERGENCE:
            branch = tracks.branches[crossing.branches[0]]
            own = _pairs_at(branch.id, branch.segments[0].steps[:1], tracks, pairs, points)
            same = [i for i, (_, others) in enumerate(gone) if any(_one(a, b) for a in others for b in own)]
            if same:
                found[branch.id] = gone.pop(same[-1])[0]
    return found


def _pairs_at(
    branch: int,
    seen: Sequence[int],
    tracks: Tracks,
    pairs: Sequence[PairTrack],
    points: Sequence[SlowPoints],
) -> list[PairTrack]:
    """The tracks of the pair that a ghost is on at the step in `seen`, if there is one.

    A branch can have several, where another pair came to slow the flow more.
    """
    found = []
    for step in seen:
        e = bisect_left(tracks.steps, step)
        z = points[e].ghosts[tracks.labels[e].ghosts.index(branch)].complex_point
        for track in pairs:
            at = track.at(step) if track.branch == branch else None
            if at is not None and (z is None or _near(at[0], complex(z[0]))):
                found.append(track)
    return found


def _one(first: PairTrack, second: PairTrack) -> bool:
    """Whether two tracks are of one pair: it is the same at some checkpoint to which both were followed."""
    common = ((z, second.at(step)) for step, z in zip(first.steps, first.z, strict=True))
    return any(at is not None and _near(z, at[0]) for z, at in common)


def _near(first: complex, second: complex) -> bool:
    return abs(first - second) <= _SAME * min(first.imag, second.imag)


def _renumbered(number: int, before: Mapping[int, int]) -> list[int]:
    """New number of every branch: that of the branch it continues, counted in the order in which they begin."""
    names: list[int] = []
    for branch in range(number):
        names.append(names[before[branch]] if branch in before else len(set(names)))
    return names


def _renamed(tracks: Tracks, names: Sequence[int], before: Mapping[int, int]) -> Tracks:
    branches: dict[int, list[Segment]] = {}
    for branch in tracks.branches:
        segments = [_renamed_segment(segment, names[branch.id]) for segment in branch.segments]
        if branch.id in before:
            _continue(branches[names[branch.id]][-1], segments[0])
        branches.setdefault(names[branch.id], []).extend(segments)
    return replace(
        tracks,
        branches=tuple(Branch(b, tuple(segments)) for b, segments in branches.items()),
        crossings=tuple(replace(one, branches=_all(one.branches, names)) for one in tracks.crossings),
        labels=_renamed_labels(tracks.labels, names),
        stretches=Packed.of(Stretch, (replace(one, roots=_all(one.roots, names)) for one in tracks.stretches)),
    )


def _renamed_labels(labels: Sequence[Labels], names: Sequence[int]) -> tuple[Labels, ...]:
    """One record serves all checkpoints with the same branches, of which most runs have few."""
    known = {one: Labels(_all(one.roots, names), _all(one.ghosts, names)) for one in set(labels)}
    return tuple(known[one] for one in labels)


def _ghosts(labels: Labels) -> tuple[int, ...]:
    return labels.ghosts


def _renamed_segment(segment: Segment, branch: int) -> Segment:
    return replace(segment, branch=branch, steps=segment.steps[:], x=segment.x[:])


def _continue(last: Segment, first: Segment) -> None:
    """What ends the one and begins the other is no death and no birth: the pair goes on in between."""
    assert last.died is not None
    assert first.born is not None
    last.died = last.died[0], Relation.CONTINUATION
    first.born = first.born[0], Relation.CONTINUATION


def _all(branches: Sequence[int], names: Sequence[int]) -> tuple[int, ...]:
    return tuple(names[branch] for branch in branches)
