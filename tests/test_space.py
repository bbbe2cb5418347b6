"""Runs of any dimension with known events: all found, typed right, located, none invented."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from families import (
    CUSP,
    FLIP,
    FLIP_AND_BACK,
    FOLD,
    HOPF,
    HYSTERESIS,
    NEIMARK_SACKER,
    PITCHFORK,
    TRANSCRITICAL,
    Base,
    listed,
    polynomial,
    run,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.slowpoints.records import Kind
from dynaghost.systems import LeakyRNN, RankOneRNN, SaddleNode
from dynaghost.trajectories.branches import Relation
from dynaghost.trajectories.ghost_link import Identity
from dynaghost.trajectories.space_events import space_events
from dynaghost.trajectories.space_run import follow_run
from dynaghost.trajectories.space_tracks import track_space
from dynaghost.trajectories.straight import Line

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
    ("cusp", CUSP, (-1.0, 1.3), "flow", None, [("cusp", 0.0)], 1),
    ("flip and back", FLIP_AND_BACK, (-1.0, 1.0), "map", None, [("flip", -(0.3**0.5)), ("flip", 0.3**0.5)], 1),
    ("Neimark-Sacker", NEIMARK_SACKER, (-0.5, 0.3), "map", None, [("neimark_sacker", 0.0)], 1),
]


def followed(systems, points):
    tracks = track_space(range(len(systems)), follow_run(systems, points))
    return tracks, space_events(tracks)


SIZES = [(2, 2), (2, 5), (2, 50), (16, 5), (16, 50), (128, 5), (128, 50)]
# Ghosts of 50 systems of 128 dimensions take seconds: `benchmarks/bench_space.py` has them, and 500 checkpoints.
GRID = [(family, *size) for family in FAMILIES for size in SIZES if size != (128, 50) or family[4] is None]


@pytest.mark.parametrize(
    ("family", "dim", "checkpoints"), GRID, ids=lambda one: str(one[0] if isinstance(one, tuple) else one)
)
def test_every_event_of_a_family_is_found_named_and_located_and_none_is_invented(family, dim, checkpoints):
    _, base, (first, last), time, ghosts, expected, branches = family
    values = np.linspace(first, last, checkpoints)
    tracks, events = followed(*run(base, values, dim=dim, time=time, ghosts=ghosts, seed=checkpoints))
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


@pytest.mark.parametrize("family", FAMILIES, ids=[family[0] for family in FAMILIES])
def test_a_checkpoint_right_at_an_event_hides_nothing_and_doubles_nothing(family):
    _, base, (first, last), time, ghosts, expected, branches = family
    values = sorted([first, *(p for _, p in expected), last], reverse=first > last)
    tracks, events = followed(*run(base, values, dim=2, time=time, ghosts=ghosts))
    assert [event.kind.value for event in events] == [kind for kind, _ in expected]
    for event, (_, p) in zip(events, expected, strict=True):
        at = values[event.before] + event.at * (values[event.after] - values[event.before])
        assert at == pytest.approx(p, abs=1e-9)
    assert len(tracks.branches) == branches
    assert not any(segment.lost for branch in tracks.branches for segment in branch.segments)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("dim", [2, 16])
def test_pitchforks_and_transcriticals_that_are_not_exact_are_saddle_nodes_or_nothing(size, dim):
    # py − y³ + c: a fold at p = 3(c/2)^⅔ beside one point that goes on. y² = py + c: no fold, or two at ±2√−c.
    tracks, events = followed(*run(polynomial(lambda p: [size, p, 0.0, -1.0]), [-1.0, 1.2], dim=dim))
    (event,) = [one for one in events if one.kind.value != "ghost_emergence"]  # the ghost before the fold
    assert event.kind.value == "saddle_node"
    assert -1 + 2.2 * event.at == pytest.approx(3 * (size / 2) ** (2 / 3), abs=1e-9)
    assert len(tracks.branches) == 3
    _, events = followed(*run(polynomial(lambda p: [size, p, -1.0]), [-1.0, 1.2], dim=dim))
    assert events == ()
    _, events = followed(*run(polynomial(lambda p: [-size, p, -1.0]), [-1.0, 1.2], dim=dim))
    assert [one.kind.value for one in events] == ["saddle_node", "saddle_node"]
    assert [-1 + 2.2 * one.at for one in events] == pytest.approx([-2 * size**0.5, 2 * size**0.5], abs=1e-9)


@pytest.mark.parametrize(("dim", "size"), [(2, 1e-1), (2, 1e-3), (2, 1e-5), (16, 1e-3), (16, 1e-7)])
def test_what_is_not_exactly_a_cusp_is_two_saddle_nodes_or_nothing(dim, size):
    # p + cy − y³: no derivative is 0 for c < 0; for c > 0 the curve turns back at y = ±√(c/3), p = ∓2(c/3)^1.5.
    _, events = followed(*run(scalar_like_a_cusp(-size), [-1.0, 1.2], dim=dim))
    assert events == ()
    tracks, events = followed(*run(scalar_like_a_cusp(size), [-1.0, 1.2], dim=dim))
    events = [one for one in events if not one.kind.value.startswith("ghost")]
    assert [(one.kind.value, one.evidence["creates"]) for one in events] == [
        ("saddle_node", True),
        ("saddle_node", False),
    ]
    way = 2 * (size / 3) ** 1.5
    assert [-1 + 2.2 * one.at for one in events] == pytest.approx([-way, way], abs=1e-9)
    assert len(tracks.branches) >= 3


def scalar_like_a_cusp(c):
    return polynomial(lambda p: [p, c, 0.0, -1.0])


@pytest.mark.parametrize("dim", [2, 16, 128])
def test_a_tanh_network_passes_a_cusp(dim):
    """x ← tanh(x + b), where b passes 0, as one of the units of a network."""
    rng = np.random.default_rng(dim)
    W = np.zeros((dim, dim))
    W[0, 0], W[1:] = 1.0, 0.3 * rng.normal(size=(dim - 1, dim)) / dim**0.5
    b = 0.3 * rng.normal(size=dim)
    states = [{"W": W, "b": np.r_[first, b[1:]]} for first in (-0.2, -0.1, 0.25)]
    result = analyze(load_run(states, leak=0.5, time="flow", starts=8))
    (event,) = [one for one in result.events if not one.kind.value.startswith("ghost")]
    assert (event.kind.value, event.before, event.at) == ("cusp", 1, pytest.approx(0.1 / 0.35, abs=1e-9))
    assert abs(event.evidence["quadratic"]) < 1e-9
    assert event.evidence["cubic"] < -0.1
    lost = [(s.kind, s.lost) for branch in result.branches for s in branch.segments if s.lost]
    # The minimum of the speed beside it, at b, has speed 0 there too.
    assert all(kind is Kind.GHOST and "comes to a cusp" in why for kind, why in lost)


def test_points_that_a_search_missed_are_added_where_they_are_reached_and_change_no_event():
    values = [-1.0, -0.7, -0.4, 0.3, 0.6, 0.9]
    systems, points = run(FOLD, values, dim=5, ghosts=fold_ghosts)
    poorer = list(points)
    poorer[1] = replace(points[1], fixed_points=points[1].fixed_points[:1])
    poorer[4] = replace(points[4], ghosts=())
    found = follow_run(systems, poorer)
    assert found.added == 2
    assert [len(now.points) for now in found.points] == [len(now.points) for now in points]
    tracks = track_space(range(6), found)
    assert [event.kind.value for event in space_events(tracks)] == ["saddle_node"]
    assert len(tracks.branches) == 2
    kept = follow_run(systems, poorer, rounds=0)
    assert kept.added == 0
    lost = [s.lost for branch in track_space(range(6), kept).branches for s in branch.segments if s.lost]
    assert lost == ["not listed at 1", "not listed at 4"]


def test_a_point_that_one_checkpoint_alone_lists_is_added_all_along_the_run():
    values = np.linspace(-1.0, -0.1, 12)
    systems, points = run(FOLD, values, dim=3)
    poorer = [one if e == 5 else replace(one, fixed_points=one.fixed_points[:1]) for e, one in enumerate(points)]
    found = follow_run(systems, poorer)
    assert found.added == 11
    assert [len(one.fixed_points) for one in found.points] == 12 * [2]
    tracks = track_space(range(12), found)
    assert [len(segment.steps) for branch in tracks.branches for segment in branch.segments] == [12, 12]
    # The index sum of a list grows by the proved sign of what is added.
    line = [LeakyRNN([[w]], [0.0], time="flow") for w in (1.5, 1.6, 1.7)]
    whole = [find_slow_points(system) for system in line]
    cut = [replace(one, fixed_points=one.fixed_points[:2], index_sum=0, complete=False) for one in whole]
    again = follow_run(line, [cut[0], cut[1], replace(whole[2], complete=False)]).points
    assert [(len(one.fixed_points), one.index_sum) for one in again] == 3 * [(3, 1)]


def test_links_told_before_or_by_several_workers_give_the_same_tracks():
    systems, points = run(HYSTERESIS, np.linspace(-1, 1.1, 9), dim=6, ghosts=hysteresis_ghosts)
    first = follow_run(systems, points)
    with ThreadPoolExecutor(2) as workers:
        second = follow_run(systems, points, apply=workers.map)

    def never(_, pairs):
        assert not list(pairs)
        return ()

    third = follow_run(systems, points, stories=first.stories, apply=never)
    tracks = [track_space(range(9), one) for one in (first, second, third)]
    assert [one.branches for one in tracks] == 3 * [tracks[0].branches]
    assert [[(c.at, c.branches) for c in one.crossings] for one in tracks] == 3 * [
        [(c.at, c.branches) for c in tracks[0].crossings]
    ]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_rank_one_circuits_have_the_events_that_the_complete_tracker_of_the_line_proves(seed):
    rng = np.random.default_rng(seed)
    m, n, b = ([rng.normal(size=12) for _ in range(2)] for _ in range(3))
    weights = [[4 * (1 - s) * u + 4 * s * v for u, v in (m, n, b)] for s in (0.0, 0.3, 0.6, 1.0)]
    weights = [{"m": m, "n": n / 20, "b": b / 4} for m, n, b in weights]
    proved = analyze(load_run(weights, leak=0.5))
    # What is born and dies between two checkpoints cannot be reached from either.
    seen = {branch.id for branch in proved.branches if any(segment.steps for segment in branch.segments)}
    expected = [event for event in proved.events if seen.intersection(event.branches)]
    circuits = [RankOneRNN(one["m"], one["n"], one["b"]).latent() for one in weights]
    tracks, events = followed(circuits, [find_slow_points(circuit) for circuit in circuits])
    assert [event.kind.value for event in events] == [event.kind.value for event in expected]
    assert [event.before for event in events] == [event.before for event in expected]
    assert [event.at for event in events] == pytest.approx([event.at for event in expected], abs=1e-8)
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


def test_a_ghost_that_dissolves_and_returns_on_its_pair_is_one_branch():
    # y³ + py + 0.3: |f| has a minimum beside the root for −0.84 < p < 0, and a complex pair for every p above −0.84.
    base = polynomial(lambda p: [0.3, p, 0.0, 1.0])
    values = [-0.3, -0.1, 0.2, 0.3, 0.1, -0.2]
    found = run(base, values, dim=1, ghosts=lambda p: [[(-p / 3) ** 0.5]] if p < 0 else [])
    tracks, events = followed(*found)
    assert [event.kind.value for event in events] == ["ghost_dissolution", "ghost_emergence"]
    places = [values[e.before] + e.at * (values[e.after] - values[e.before]) for e in events]
    assert places == pytest.approx([0.0, 0.0], abs=1e-9)
    assert len(tracks.branches) == 2
    assert [segment.steps for segment in tracks.branches[1].segments] == [[0, 1], [5]]
    assert all(event.evidence["speed"] == pytest.approx(0.3) for event in events)
    assert {stay.by for story in follow_run(*found).stories for stay in story.ghost_stays} == {Identity.PAIR}


@pytest.mark.parametrize("dim", [2, 16])
def test_the_first_lyapunov_coefficient_of_a_hopf_is_that_of_its_normal_form(dim):
    # y = √2·(Re z, Im z) on the critical eigenvector of length 1, so that ż = (p + i)z − 2|z|²z.
    _, (event,) = followed(*run(HOPF, [-0.7, 0.5], dim=dim))
    assert event.evidence["first_lyapunov_coefficient"] == pytest.approx(-2.0, abs=1e-6)
    assert event.evidence["criticality"] == "supercritical"


@pytest.mark.parametrize("dim", [2, 16])
def test_the_coefficients_of_maps_are_those_of_their_normal_forms(dim):
    # z ← (1 + p)exp(0.7i)·z − 2|z|²z, so that d of z ← exp(0.7i)·z(1 + d|z|²) is −2 exp(−0.7i).
    _, (circle,) = followed(*run(NEIMARK_SACKER, [-0.4, 0.3], dim=dim, time="map"))
    assert circle.evidence["first_lyapunov_coefficient"] == pytest.approx(-2 * np.cos(0.7), abs=1e-6)
    assert circle.evidence["criticality"] == "supercritical"
    # y ← −(1 + p)y + y³.
    _, (flip,) = followed(*run(FLIP, [-0.9, 0.8], dim=dim, time="map"))
    assert flip.evidence["cubic"] == pytest.approx(1.0, abs=1e-6)
    assert flip.evidence["criticality"] == "supercritical"


def turned_by_a_quadratic_term(quadratic, time):
    """ẏ₀ = py₀ − y₁ + quadratic·y₀², ẏ₁ = y₀ + py₁ as a flow; as a map y₀ ← −(1 + p)y₀ + quadratic·y₀², y₁ ← y₁/2."""
    flow = time == "flow"

    def A(p):
        return np.array([[p, -1.0], [1.0, p]]) if flow else np.diag([-2.0 - p, -0.5])

    def second(y, p, u, v):
        return np.stack([2 * quadratic * u[..., 0] * v[..., 0], 0 * y[..., 0]], axis=-1)

    return Base(
        2,
        lambda y, p: y @ A(p).T + np.stack([quadratic * y[..., 0] ** 2, 0 * y[..., 0]], axis=-1),
        lambda y, p: A(p) + 2 * quadratic * y[..., 0, None, None] * np.diag([1.0, 0.0]),
        second,
        lambda p: [[0.0, 0.0]],
    )


def test_quadratic_terms_count_in_the_coefficients():
    # y ← −y + ay²: c = a², ½·2a·(1 − A)⁻¹·2a with 1 − A = 2.
    _, (flip,) = followed(*run(turned_by_a_quadratic_term(0.7, "map"), [-0.5, 0.4], dim=3, time="map"))
    assert flip.evidence["cubic"] == pytest.approx(0.49, abs=1e-6)
    # ẋ = −y + ax², ẏ = x: reversible, so a centre.
    _, (hopf,) = followed(*run(turned_by_a_quadratic_term(0.7, "flow"), [-0.5, 0.4], dim=3))
    assert hopf.evidence["first_lyapunov_coefficient"] == pytest.approx(0.0, abs=1e-6)
    assert hopf.evidence["criticality"] == "degenerate"


@pytest.mark.parametrize("time", ["flow", "map"])
def test_criticality_is_what_simulation_shows(time):
    # Two units that turn and a third: just past the bifurcation a small cycle holds trials, or they run off.
    rng = np.random.default_rng(3)
    turn = np.array([[1.0, -1.2, 0.0], [1.2, 1.0, 0.0], [0.3, -0.2, 0.2]]) + 0.1 * rng.normal(size=(3, 3))
    b = 0.2 * rng.normal(size=3)
    systems = [LeakyRNN(g * turn, b, time=time, leak=0.4 if time == "map" else 0.05) for g in (0.6, 1.5)]
    _, events = followed(systems, [find_slow_points(system) for system in systems])
    (event,) = [one for one in events if one.kind.value in ("hopf", "neimark_sacker")]
    past = Line(*systems).at(event.at + 0.01)
    state = np.array(event.evidence["state"])
    path = [state + 1e-3]
    for _ in range(20_000):
        path.append(past.step(path[-1]))
    radius = np.linalg.norm(np.array(path[-2000:]) - state, axis=1).max()
    assert (radius < 0.5) == (event.evidence["criticality"] == "supercritical")
    assert radius > 1e-2


def test_coefficients_of_a_saddle_node_are_those_of_its_normal_form():
    # ẋ = x² + r with r = −1 + 3s.
    systems = [SaddleNode(-1.0), SaddleNode(2.0)]
    _, (event,) = followed(systems, [find_slow_points(system) for system in systems])
    assert [event.evidence[name] for name in ("drive", "quadratic", "cubic")] == pytest.approx([3.0, 1.0, 0.0])


def test_a_flip_of_a_tanh_unit_at_minus_one_is_found():
    systems = [LeakyRNN([[w]], [0.0]) for w in (-0.6, -1.7)]
    tracks, (event,) = followed(systems, [listed(system, [[0.0]]) for system in systems])
    assert (event.kind.value, len(tracks.branches)) == ("flip", 1)
    assert -0.6 - 1.1 * event.at == pytest.approx(-1.0, abs=1e-10)
    assert event.evidence["multiplier"] == pytest.approx([-1.0, 0.0], abs=1e-9)
