"""Crossings of a run of any dimension → event records, each with its bracket, place and evidence."""

from typing import Any

from dynaghost.trajectories.events import Event, EventKind, EventStatus
from dynaghost.trajectories.space_records import SpaceCrossing, SpaceTracks


def space_events(tracks: SpaceTracks) -> tuple[Event, ...]:
    """Every structural event of a run, in the order of training.

    `located`: a test function changes its sign in the bracket, on a curve that was followed. `unresolved`: that there
    is an event is certain to the same degree, its kind is not.

    Parameters
    ----------
    tracks : SpaceTracks

    Returns
    -------
    tuple of Event
    """
    return tuple(_event(i, one, tracks) for i, one in enumerate(tracks.crossings))


def _event(number: int, one: SpaceCrossing, tracks: SpaceTracks) -> Event:
    evidence: dict[str, Any] = {
        "bracket": [one.before, one.after],
        "x": one.x,
        "state": one.state.tolist(),
        **({} if one.creates is None else {"creates": one.creates}),
        **one.evidence,
    }
    status = EventStatus.LOCATED if one.resolved else EventStatus.UNRESOLVED
    before, after = tracks.steps[one.link], tracks.steps[one.link + 1]
    return Event(number, EventKind(one.kind.value), before, after, one.at, one.branches, status, evidence)
