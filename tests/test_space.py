"""Runs of any dimension with known events: all found, typed right, located, none invented."""

from itertools import pairwise

import numpy as np
import pytest
from families import (
    FLIP,
    FOLD,
    HOPF,
    HYSTERESIS,
    NEIMARK_SACKER,
    PITCHFORK,
    TRANSCRITICAL,
    listed,
    run,
)

from dynaghost.slowpoints.records import Kind
from dynaghost.systems import LeakyRNN
from dynaghost.trajectories.branches import Relation
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_tracks import track_space
from dynaghost.trajectories.story import tell

WAY = 2 / (3 * 3**0.5)


def hysteresis_ghosts(p):
    return [] if abs(p) < WAY else [[-np.sign(p) / 3**0.5]]


def fold_ghosts(p):
    return [[0.0]] if p > 0 else []


# Name, family, first and last p, time, ghosts, events as (kind, p), branches.
FAMILIES = [
    ("fold", FOLD, (-1.0, 1.3), "flow", fold_ghosts, [("saddle_node", 0.0)], 2),
    ("fold backwards", FOLD, (1.3, -1.0), "flow", fold_ghosts, [("saddle_node", 0.0)], 2),
    ("hysteresis", HYSTERESIS, (-1, 1.1), "flow", hysteresis_ghosts, [("saddle_node", -WAY), ("saddle_node", WAY)], 3),
    ("pitchfork", PITCHFORK, (-1.0, 1.3), "flow", None, [("pitchfork", 0.0)], 3),
    ("pitchfork backwards", PITCHFORK, (1.3, -1.0), "flow", None, [("pitchfork", 0.0)], 3),
    ("transcritical", TRANSCRITICAL, (-1.0, 1.3), "flow", None, [("transcritical", 0.0)], 2),
    ("Hopf", HOPF, (-1.0, 1.3), "flow", None, [("hopf", 0.0)], 1),
    ("flip", FLIP, (-1.0, 1.3), "map", None, [("flip", 0.0)], 3),
    ("Neimark-Sacker", NEIMARK_SACKER, (-0.5, 0.3), "map", None, [("neimark_sacker", 0.0)], 1),
]


def followed(systems, points):
    stories = [tell(s, p) for s, p in zip(pairwise(systems), pairwise(points), strict=True)]
    tracks = track_space(range(len(systems)), systems, points, stories)
    return tracks, space_events(tracks)


@pytest.mark.parametrize(("dim", "checkpoints"), [(2, 2), (2, 51), (16, 5), (128, 4)])
@pytest.mark.parametrize("family", FAMILIES, ids=[family[0] for family in FAMILIES])
def test_every_event_of_a_family_is_found_named_and_located_and_none_is_invented(family, dim, checkpoints):
    _, base, (first, last), time, ghosts, expected, branches = family
    values = np.linspace(first, last, checkpoints)
    tracks, events = followed(*run(base, values, dim=dim, time=time, ghosts=ghosts))
    assert [event.kind.value for event in events] == [kind for kind, _ in expected]
    for event, (_, p) in zip(events, expected, strict=True):
        at = values[event.before] + event.at * (values[event.after] - values[event.before])
        assert at == pytest.approx(p, abs=1e-9)
        assert event.status == "located"
        low, high = event.evidence["bracket"]
        assert low <= event.at <= high
        assert np.prod(event.evidence["test"]) < 0
    assert len(tracks.branches) == branches
    assert not any(segment.lost for branch in tracks.branches for segment in branch.segments)


def test_a_pair_its_saddle_node_and_the_ghost_that_it_leaves_are_one_branch_and_come_back():
    values = [-1.0, -0.4, 0.3, 0.9, 0.2, -0.5]
    tracks, events = followed(*run(FOLD, values, dim=7, ghosts=fold_ghosts))
    assert [event.kind.value for event in events] == ["saddle_node", "saddle_node"]
    story = [(s.kind, s.steps, s.born and s.born[1], s.died and s.died[1]) for s in tracks.branches[1].segments]
    assert story == [
        (Kind.FIXED_POINT, [0, 1], None, Relation.BECOMES_GHOST),
        (Kind.GHOST, [2, 3, 4], Relation.BECOMES_GHOST, Relation.CONTINUATION),
        (Kind.FIXED_POINT, [5], Relation.CONTINUATION, None),
    ]
    assert events[0].branches == (1, 0)
    assert events[1].branches == (1, 2)
    assert events[0].evidence["unstable_directions"] == [1, 0]


def test_a_flip_of_a_tanh_unit_at_minus_one_is_found():
    systems = [LeakyRNN([[w]], [0.0]) for w in (-0.6, -1.7)]
    tracks, (event,) = followed(systems, [listed(system, [[0.0]]) for system in systems])
    assert (event.kind.value, len(tracks.branches)) == ("flip", 1)
    assert -0.6 - 1.1 * event.at == pytest.approx(-1.0, abs=1e-10)
    assert event.evidence["multiplier"] == pytest.approx([-1.0, 0.0], abs=1e-9)
