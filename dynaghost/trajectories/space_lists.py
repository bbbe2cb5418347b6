"""What following a run of many dimensions looks at again and again, packed: lists of slow points, and stories of links.

A few of them are held as they are; so memory hardly grows with the number of checkpoints.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np

from dynaghost.packed import Aside, Block, Packed, chunks
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import System
from dynaghost.trajectories.stops import Station, stations_at
from dynaghost.trajectories.story import Story

Link = tuple[int, int]
"""(e, e + 1), from a checkpoint to the next, or (e, e), from before to after one right at a bifurcation."""

TOGETHER = 16
"""Lists, and stories, in a block."""

_KEPT = 4  # blocks of stories that are held unpacked


class Lists:
    """The slow points of every checkpoint of a run, in lists that grow, and the stations at which they are followed.

    Parameters
    ----------
    systems : sequence of System
    points : sequence of SlowPoints
        Of the same length.

    Attributes
    ----------
    sizes : list of int
        Points of each checkpoint: two versions of a list differ in it.
    """

    def __init__(self, systems: Sequence[System], points: Sequence[SlowPoints]) -> None:
        self._aside, self.systems = Aside(), systems
        self._given = points if isinstance(points, Packed) else Packed(self._blocks(points))
        self._grown: dict[int, Block[SlowPoints]] = {}
        self._beside: dict[int, tuple[tuple[int, ...], Block[SlowPoints]]] = {}
        self.sizes = np.array([len(found.points) for found in self._given], int)
        self._looked_at = np.full(len(self.sizes), -1)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, e: int) -> SlowPoints:
        return next(iter(self._grown[e])) if e in self._grown else self._given[e]

    def __setitem__(self, e: int, points: SlowPoints) -> None:
        self._grown[e] = self._block([points])
        self.sizes[e] = len(points.points)

    def stations(self, e: int) -> list[Station]:
        """The one or two stations of a checkpoint."""
        if self._looked_at[e] != self.sizes[e]:
            self._look(e)
        if e not in self._beside:
            return [Station(self[e], e)]
        sides, points = self._beside[e]
        return [Station(found, e, side) for side, found in zip(sides, points, strict=True)]

    def links(self) -> list[Link]:
        """In the order of training."""
        for e in np.flatnonzero(self._looked_at != self.sizes).tolist():
            self._look(e)
        within = [(e, e) for e, (sides, _) in self._beside.items() if len(sides) == 2]
        return sorted(within + [(e, e + 1) for e in range(len(self) - 1)])

    def pair(self, link: Link) -> tuple[Station, Station]:
        """The stations that a link joins."""
        first, second = link
        if first == second:
            before, after = self.stations(first)
            return before, after
        return self.stations(first)[-1], self.stations(second)[0]

    def packed(self) -> Packed[SlowPoints]:
        """All lists as they are now."""
        return Packed(self._blocks(self[e] for e in range(len(self)))) if self._grown else self._given

    def _look(self, e: int) -> None:
        found = stations_at(self.systems, self[e], e)
        self._looked_at[e] = self.sizes[e]
        if found[0].side:
            sides = tuple(one.side for one in found)
            self._beside[e] = sides, self._block([one.points for one in found])

    def _block(self, some: Sequence[SlowPoints]) -> Block[SlowPoints]:
        return Block.of(SlowPoints, some).set_aside(self._aside)

    def _blocks(self, points: "Sequence[SlowPoints] | Iterator[SlowPoints]") -> Iterator[Block[SlowPoints]]:
        return map(self._block, chunks(points, TOGETHER))


class Telling:
    """The stories of a run's links, the last one that was told of each.

    Parameters
    ----------
    checkpoints : int
    """

    def __init__(self, checkpoints: int) -> None:
        # Two rows a checkpoint, for the links (e, e) and (e, e + 1): number of the story, and whether it reaches more.
        self._numbers, self._more = np.full(2 * checkpoints, -1), np.zeros(2 * checkpoints, bool)
        self._versions = np.full((2 * checkpoints, 2), -1)
        self._blocks, self._open, self._aside = list[Block[Story]](), list[Story](), Aside()
        self._made: OrderedDict[int, list[Story]] = OrderedDict()

    def hear(self, link: Link, version: tuple[int, int], story: Story) -> None:
        """A story that was told of a link between lists of this version."""
        row = _row(link)
        self._numbers[row] = len(self._blocks) * TOGETHER + len(self._open)
        self._versions[row] = version
        self._more[row] = bool(story.unlisted or story.unlisted_ghosts)
        self._open.append(story)
        if len(self._open) == TOGETHER:
            self._blocks.append(Block.of(Story, self._open).set_aside(self._aside))
            self._open = []

    def knows(self, link: Link, version: tuple[int, int]) -> bool:
        """Whether a story of this link was told between lists of this version."""
        return bool((self._versions[_row(link)] == version).all())

    def reaches_more(self, link: Link) -> bool:
        """Whether the story of a link reaches points that are not listed."""
        return bool(self._more[_row(link)])

    def of(self, link: Link) -> Story:
        """The story of a link."""
        block, place = divmod(int(self._numbers[_row(link)]), TOGETHER)
        if block == len(self._blocks):
            return self._open[place]
        if block not in self._made:
            self._made[block] = list(self._blocks[block])
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return self._made[block][place]


def _row(link: Link) -> int:
    first, second = link
    return 2 * first + (second > first)
