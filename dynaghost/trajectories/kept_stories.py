"""Links that were followed before: kept by what they depend on, so that the same link is never followed twice."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dynaghost.columns import pack
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.trajectories.stops import Station, Stop
from dynaghost.trajectories.story import Story

_TOGETHER = 8  # stories that wait to be kept in one transaction


class Stories(Protocol):
    """Where stories are kept, such as a store; those of one run alone."""

    def story(self, key: str) -> Story | None:
        """The story of this key, or None."""

    def keep_stories(self, stories: Mapping[str, Story]) -> None:
        """Keep some, by their keys."""


def key_of_link(first: Stop | Station, second: Stop | Station, attempts: int) -> str:
    """Equal for links of one run whose stories are equal: at the same places, between the same lists of points.

    The networks need not be told: a station's is that of its checkpoint, or lies beside it on a given line.
    """
    places = first.checkpoint, first.side, second.checkpoint, second.side, attempts
    return hashlib.sha256(repr(places).encode() + pack(SlowPoints, (first.points, second.points))).hexdigest()


@dataclass(slots=True)
class Keeper:
    """Stories that are looked up where they are kept, and kept a few at a time as they are told.

    Attributes
    ----------
    stories : Stories or None
        None where nothing is kept.
    attempts : int
        How often a point was followed at most.
    waiting : dict of str to Story
        Told, and not kept yet.
    """

    stories: Stories | None
    attempts: int
    waiting: dict[str, Story] = field(default_factory=dict)

    def of(self, pair: tuple[Station, Station]) -> Story | None:
        """The story between two stations, if it was told before."""
        return None if self.stories is None else self.stories.story(key_of_link(*pair, self.attempts))

    def add(self, pair: tuple[Station, Station], story: Story) -> None:
        """A story that was told just now."""
        if self.stories is None:
            return
        self.waiting[key_of_link(*pair, self.attempts)] = story
        if len(self.waiting) >= _TOGETHER:
            self.keep()

    def keep(self) -> None:
        """Keep those that wait."""
        if self.stories is not None and self.waiting:
            self.stories.keep_stories(self.waiting)
            self.waiting = {}
