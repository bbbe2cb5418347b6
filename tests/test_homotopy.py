"""Changes along the straight line between checkpoints, against closed forms and an independent search along it."""

import numpy as np
import pytest
from balls import UnsureError, judge
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from problems import fold
from scipy.optimize import brentq, fsolve

from dynaghost.slowpoints import find_slow_points
from dynaghost.systems import RankOneRNN
from dynaghost.trajectories.branches import CrossingKind
from dynaghost.trajectories.homotopy import TOLERANCE, LinkStatus, follow
from dynaghost.trajectories.symmetry import odd_along
from dynaghost.trajectories.tracker import track


def line(first, second):
    """Stacked weights m, n, b of two networks given as three vectors each."""
    return tuple(
        np.array([np.atleast_1d(one), np.atleast_1d(two)], float) for one, two in zip(first, second, strict=True)
    )


def between(first, second):
    (link,) = follow(*line(first, second))
    return link


def at(first, second, s):
    return [np.atleast_1d(a) + s * (np.atleast_1d(b) - np.atleast_1d(a)) for a, b in zip(first, second, strict=True)]


def roots_through(link):
    """Numbers of roots at the start and after every change."""
    return [len(link.start.roots), *(len(change.right.roots) for change in link.changes)]


def crossings(first, second):
    m, n, b = line(first, second)
    points = [find_slow_points(RankOneRNN(*(w[e] for w in (m, n, b)))) for e in (0, 1)]
    odd = odd_along((m[0], n[0], b[0]), (m[1], n[1], b[1]))
    return track([0, 1], points, follow(m, n, b), [odd])


# Closed forms.

B_C = float(fold().mid())


@pytest.mark.parametrize(("start", "end"), [(-0.5, 0.5), (0.7, -0.3), (-1.0, 3.0)])
def test_both_folds_are_placed_to_1e_9_and_bracketed(start, end):
    link = between((1.5, 1.0, start), (1.5, 1.0, end))
    expected = sorted((b - start) / (end - start) for b in (-B_C, B_C))
    assert link.status is LinkStatus.FOLLOWED
    assert roots_through(link) == [1, 3, 1]
    for change, s in zip(link.changes, expected, strict=True):
        assert change.before == pytest.approx(s, abs=1e-9)
        assert change.before <= s <= change.after
        assert change.after - change.before <= TOLERANCE


def test_crossings_of_two_folds_are_saddle_nodes_on_a_branch_that_becomes_a_ghost():
    tracks = crossings((1.5, 1.0, -0.5), (1.5, 1.0, 0.5))
    assert [c.kind for c in tracks.crossings] == [CrossingKind.SADDLE_NODE] * 2
    assert [c.creates for c in tracks.crossings] == [True, False]
    # The ghost of the start gives its branch to the unstable point, which the other fold turns into a ghost again.
    assert set(tracks.labels[0].ghosts) == set(tracks.labels[1].ghosts)
    assert set(tracks.labels[0].roots) != set(tracks.labels[1].roots)


def test_a_line_that_touches_nothing_has_no_changes_and_costs_little():
    link = between((1.5, 1.0, 0.5), (1.5, 1.0, 0.9))
    assert (link.changes, link.unproved, link.status) == ((), (), LinkStatus.FOLLOWED)
    assert link.places <= 60


def births(first, second, guess):
    """(s, κ) at which f' = f'' = 0 along the line, by SciPy."""

    def bends(unknown):
        s, x = unknown
        m, n, b = at(first, second, s)
        t = np.tanh(m * x + b)
        return [-1 + np.sum(n * m * (1 - t**2)), np.sum(-2 * n * m**2 * t * (1 - t**2))]

    solution, _, converged, _ = fsolve(bends, guess, xtol=1e-14, full_output=True)
    assert converged == 1
    return solution


def test_a_ghost_emerges_where_the_slope_first_touches_zero():
    first, second = (3.0, 0.2, -6.0), (3.0, 0.7, -6.0)
    link = between(first, second)
    (change,) = link.changes
    s, x = births(first, second, (0.3, 2.0))
    # m·n = 1 in closed form, at κ = −b/m.
    assert (s, x) == pytest.approx(((1 / 3 - 0.2) / 0.5, 2.0), abs=1e-7)
    assert change.before == pytest.approx((1 / 3 - 0.2) / 0.5, abs=1e-9)
    assert [len(side.ghosts) for side in (change.left, change.right)] == [0, 1]
    assert roots_through(link) == [1, 1]
    assert [c.kind for c in crossings(first, second).crossings] == [CrossingKind.GHOST_EMERGENCE]
    assert [c.kind for c in crossings(second, first).crossings] == [CrossingKind.GHOST_DISSOLUTION]


def test_emergence_among_several_units_is_where_scipy_finds_it():
    first = ([2.0, 0.7, -1.3], [0.3, -0.4, 0.2], [-5.0, 0.3, 1.0])
    second = ([2.2, 0.8, -1.0], [0.9, -0.5, 0.1], [-5.5, 0.1, 1.3])
    link = between(first, second)
    (change,) = link.changes
    s, x = births(first, second, (change.before, float(change.right.criticals[:, 0].mean())))
    assert change.before == pytest.approx(s, abs=1e-9)
    assert change.right.criticals[:, 0].mean() == pytest.approx(x, abs=1e-3)


def test_one_to_three_to_one_inside_a_link_whose_ends_look_alike():
    # At both ends n·m = 0.99 and 0 with one root; between them n·m reaches 1.11.
    first, second = (0.99, 1.0, 0.0), (2.97, 0.0, 0.0)
    link = between(first, second)
    assert roots_through(link) == [1, 3, 1]
    expected = [brentq(lambda s: 0.99 * (1 - s) * (1 + 2 * s) - 1, *bracket) for bracket in ((0, 0.25), (0.25, 1))]
    assert [change.before for change in link.changes] == pytest.approx(expected, abs=1e-5)
    assert [c.kind for c in crossings(first, second).crossings] == [CrossingKind.PITCHFORK] * 2


def test_a_split_is_a_pitchfork_only_where_f_is_exactly_odd():
    odd = crossings((1.0, 0.5, 0.0), (1.0, 1.5, 0.0))
    assert [c.kind for c in odd.crossings] == [CrossingKind.PITCHFORK]
    twins = crossings(([1.0, 1.0], [0.3, 0.3], [0.2, -0.2]), ([1.0, 1.0], [0.9, 0.9], [0.2, -0.2]))
    assert [c.kind for c in twins.crossings] == [CrossingKind.PITCHFORK]
    for bias in (1e-3, 1e-9, 1e-14):
        biased = crossings((1.0, 0.5, bias), (1.0, 1.5, bias))
        assert CrossingKind.PITCHFORK not in [c.kind for c in biased.crossings]


@pytest.mark.parametrize(
    ("first", "second", "odd"),
    [
        (([1.0], [1.0], [0.0]), ([2.0], [0.5], [0.0]), True),
        (([1.0], [1.0], [0.0]), ([2.0], [0.5], [1e-300]), False),
        (([1.0, -1.0], [0.5, -0.5], [1.0, 1.0]), ([1.5, -1.5], [0.5, -0.5], [2.0, 2.0]), True),
        (([1.0, 1.0], [0.5, 0.5], [1.0, -1.0]), ([1.0, 1.0], [0.5, 0.6], [1.0, -1.0]), False),
        (([1.0, 1.0], [0.5, 0.5], [1.0, -1.0]), ([1.0, 2.0], [0.5, 0.5], [-1.0, 1.0]), False),
        (([1.0, 3.0], [0.5, 0.0], [0.0, 7.0]), ([1.0, 2.0], [0.5, 0.0], [0.0, 4.0]), True),
    ],
)
def test_oddness_is_exact(first, second, odd):
    first, second = (tuple(np.array(w) for w in weights) for weights in (first, second))
    assert odd_along(first, second) is odd
    sides = []
    for s in (0.0, 0.3, 0.5, 1.0):
        m, n, b = at(first, second, s)
        x = np.array([0.3, 1.0, 2.2])
        f = [-side * x + np.tanh(side * x[:, None] * m + b) @ n for side in (1, -1)]
        sides.append(np.allclose(f[0], -f[1], rtol=0, atol=1e-12))
    assert all(sides) or not odd


# Random lines.


@st.composite
def lines(draw):
    units = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    first = rng.normal(size=(3, units)) * [[2.0], [1.5], [1.5]]
    step = draw(st.sampled_from([0.03, 0.3, 1.0, 3.0]))
    return tuple(first), tuple(first + step * rng.normal(size=(3, units)))


@settings(max_examples=15, deadline=None)
@given(lines())
def test_changes_explain_every_count_at_every_place(pair):
    link = between(*pair)
    assume(link.status is LinkStatus.FOLLOWED)
    here = [link.start, *(change.right for change in link.changes)]
    assert link.changes == () or link.changes[-1].right.signature == link.end.signature
    for before, change in zip(here, link.changes, strict=False):
        assert change.left.signature == before.signature
        assert abs(len(change.right.criticals) - len(change.left.criticals)) in (0, 2)
        assert abs(len(change.right.roots) - len(change.left.roots)) in (0, 2)
        # Wider than TOLERANCE where float64 decides no structure nearer to the change.
        assert change.after - change.before <= 1e-8
    # Stretches that are all but degenerate stay unproved and are listed; one of 2⁻⁹ was seen.
    assert sum(b - a for a, b in link.unproved) <= 1e-2
    starts = np.array([change.before for change in link.changes])
    for s in np.random.default_rng(0).uniform(size=8):
        if any(a <= s <= b for a, b in [*link.unproved, *((c.before, c.after) for c in link.changes)]):
            continue
        side = here[int(np.sum(starts < s))]
        try:
            truth = judge(RankOneRNN(*at(*pair, s)))
        except UnsureError:
            continue
        assert len(truth.roots) == len(side.roots)
        assert [(c.sign, c.turn) for c in truth.criticals] == [tuple(row) for row in side.criticals[:, 1:]]


@settings(max_examples=15, deadline=None)
@given(lines())
def test_reversed_weights_mirror_the_changes(pair):
    there, back = between(*pair), between(*pair[::-1])
    assume(there.status is back.status is LinkStatus.FOLLOWED)
    assert len(there.changes) == len(back.changes)
    for one, two in zip(there.changes, back.changes[::-1], strict=True):
        assert one.before == pytest.approx(1 - two.after, abs=1e-9)
        assert (one.left.signature, one.right.signature) == (two.right.signature, two.left.signature)


@settings(max_examples=25, deadline=None)
@given(lines())
def test_roots_are_born_and_die_two_at_a_saddle_node(pair):
    tracks = crossings(*pair)
    assume(not any(segment.lost for branch in tracks.branches for segment in branch.segments))
    number = len(tracks.labels[0].roots)
    for crossing in tracks.crossings:
        if crossing.kind in (CrossingKind.SADDLE_NODE, CrossingKind.CUSP, CrossingKind.PITCHFORK):
            number += 2 if crossing.creates else -2
        assert number >= 1
        assert 0 <= crossing.before < crossing.after <= 1
    assert number == len(tracks.labels[1].roots)
    ids = [*tracks.labels[1].roots, *tracks.labels[1].ghosts]
    assert len(set(ids)) == len(ids)


def test_the_cost_of_a_random_line_is_sane():
    rng = np.random.default_rng(1)
    start = rng.normal(size=(3, 60, 20)) * [[[1.0]], [[0.5]], [[0.5]]]
    stacks = start + np.cumsum(rng.normal(size=(3, 60, 20)) * 0.003, axis=1) - start + start[:, :1]
    links = follow(*stacks)
    assert all(link.status is LinkStatus.FOLLOWED for link in links)
    assert np.median([link.places for link in links]) <= 100
    assert max(link.places for link in links) <= 20_000


def test_a_budget_that_is_too_small_is_said():
    (link,) = follow(*line((1.5, 1.0, -0.5), (1.5, 1.0, 0.5)), budget=20)
    assert link.status is LinkStatus.TOO_FAR
    assert link.places <= 16


def test_the_budget_counts_what_places_cost():
    # The same line, once with 39 units beside it that do nothing: forty times the units at every place.
    few = line((1.5, 1.0, -0.5), (1.5, 1.0, 0.5))
    many = tuple(np.concatenate([stack, np.zeros((2, 39))], axis=1) for stack in few)
    whole = [follow(*weights)[0] for weights in (few, many)]
    assert [link.status for link in whole] == ["followed", "followed"]
    limit = 2000
    cut = [follow(*weights, budget=limit)[0] for weights in (few, many)]
    assert [link.status for link in cut] == ["followed", "too far"]
    assert cut[1].places < whole[1].places
