"""n dimensions: fixed points and ghosts from many starts, each proved where the system states its bounds.

Newton on f goes first, in growing batches; a start ends early where it enters a ball in which a known fixed point is
alone and Newton's convergence to it is proved. Starts that stall, and a share of the starts themselves, then go down
the kinetic energy with its exact Hessian, which converges quadratically at ghosts too.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dynaghost.slowpoints.catalogue import LINES, NEWTON, Catalogue, agreeing, conclude
from dynaghost.slowpoints.forgotten import by_forgetting, by_input
from dynaghost.slowpoints.forms import descent_budget, lifted, line_form, newton_budget, newton_form
from dynaghost.slowpoints.newton import Batch, End, descend, newton
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.slowpoints.search_outcome import Status
from dynaghost.slowpoints.starts import random_starts, starts_among, starts_around
from dynaghost.slowpoints.tracking import far_end, follow, lines_from_infinity, lines_from_points
from dynaghost.systems.base import Array, System
from dynaghost.systems.gated import LSTM, Gated

_FIRST_BATCH, _FIRST_DESCENTS, _GROWTH = 32, 8, 4
_STARTS_A_TURN, _LINES_A_TURN = 128, 16
_WIDER = 4  # times as many lines side by side, each of which then costs less, in a search that takes long
_LARGE = 128  # dimensions above which a turn takes fewer of them
_NEWTON_STEPS, _DESCENT_STEPS = 12, 25  # of a start, as a rule
_FEWEST_DESCENTS = 72
_LEAST = 400  # Jacobians that a turn of either method may spend whatever is left
_LINES_OF_GATED = 3  # times what Newton spends: of trained ones Newton reaches few
_PRICE = 4  # of a step along a curve of extra forgetting
_CROSSINGS_KEPT = 32  # of those that lead to no fixed point: lines cross rings where J is singular
_VISITED = 64, 16  # starts among visited states, and those of them that go down the kinetic energy
_MOST_FOLLOWED = 4  # fixed points of a layer, to another input
_MOST_STATES = 64  # of the first layers of a stack, with which the next one is searched
_UNTRIED, _NOT_DOWN = "not tried: budget", "stalled, and not followed down"
_NOT_FOLLOWED_UP = "fixed point of the first layers, not followed up: budget"
_REASONS = {
    End.CONVERGED: "undecided",
    End.STALLED: "stalled",
    End.DIVERGED: "diverged",
    End.LIMIT: "limit of steps",
}


def newton_phase(catalogue: Catalogue, starts: Array, *, most: float = np.inf) -> Array:
    """Newton from every start, until `most` Jacobians are spent; where starts ended without a fixed point."""
    form, end = newton_form(catalogue.system), catalogue.evaluations + most
    open_ends, done, size = [], 0, _FIRST_BATCH
    while done < len(starts) and catalogue.evaluations < end:
        size = _affordable(size, end - catalogue.evaluations, _NEWTON_STEPS)
        batch = newton(form.system, form.to(starts[done : done + size]), balls=lifted(form, catalogue.balls()))
        batch.x = form.back(batch.x)
        catalogue.evaluations += batch.evaluations
        catalogue.count(batch.ball)
        open_ends += [x for x, end in _ends(batch) if end != End.CONVERGED or not catalogue.add_root(x, balls=False)]
        done, size = done + size, _GROWTH * size
    catalogue.failures[_UNTRIED] += max(len(starts) - done, 0)
    return np.array(open_ends).reshape(-1, catalogue.system.dim)


def descent_phase(catalogue: Catalogue, starts: Array, *, again: bool = False, most: float = np.inf) -> None:
    """Newton on q from every start, until `most` Hessians are spent; what ends at no point is counted by reason.

    `again`: these starts count already, by where Newton on f took them.
    """
    before = [list(hits) for hits in catalogue.hits], catalogue.failures.copy()
    end = catalogue.evaluations + most
    done, size = 0, _FIRST_DESCENTS
    # Of a very large system what is left may not pay for one descent, and no part of one tells anything.
    while done < len(starts) and end - catalogue.evaluations >= _DESCENT_STEPS:
        size = _affordable(size, end - catalogue.evaluations, _DESCENT_STEPS)
        batch = descend(catalogue.system, starts[done : done + size], balls=catalogue.balls(ghosts=True))
        catalogue.evaluations += batch.evaluations
        catalogue.count(batch.ball)
        for x, reason in _ends(batch):
            if not (reason == End.CONVERGED and (catalogue.add_root(x) or catalogue.add_ghost(x))):
                catalogue.failures[_REASONS[End(reason)]] += 1
                if not again:
                    catalogue.unplaced.append(x)
        done, size = done + size, _GROWTH * size
    catalogue.failures[_NOT_DOWN] += max(len(starts) - done, 0)
    if again:
        catalogue.hits[: len(before[0])], catalogue.failures = before


def _affordable(size: int, left: float, steps: int) -> int:
    """No larger a batch than what is left pays for, at so many steps a start as a rule; at least two."""
    return int(max(min(size, left // steps), 2))


def _ends(batch: Batch) -> Iterator[tuple[Array, int]]:
    """Where starts that no ball captured ended, and how."""
    free = batch.ends != End.CAPTURED
    return zip(batch.x[free], batch.ends[free].tolist(), strict=True)


def line_phase(catalogue: Catalogue, number: int, rng: np.random.Generator, *, most: float = np.inf) -> int:
    """Follow lines, half of them from infinity and half both ways from the fixed points that lines met least.

    Parameters
    ----------
    catalogue : Catalogue
    number : int
    rng : Generator
    most : float
        Jacobians after which lines end where they are.

    Returns
    -------
    int
        How many were followed.
    """
    form = line_form(catalogue.system)
    end = far_end(form.system)
    if end is None:
        return 0
    directions = rng.normal(size=(number, form.system.dim))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    bundles = [lines_from_infinity(form.system, directions[: number // 2], end)]
    least = sorted(range(len(catalogue.roots)), key=lambda k: catalogue.hits[k][LINES])[: number // 4]
    if least:
        roots = form.to(np.array([catalogue.roots[k] for k in least]))
        bundles.append(lines_from_points(form.system, roots, directions[-len(least) :]))
    catalogue.method = LINES
    for lines in bundles:
        crossings, evaluations = follow(form.system, lines, end, most=most / len(bundles))
        catalogue.evaluations += evaluations
        _add_crossings(catalogue, form.back(crossings))
    catalogue.method = NEWTON
    return sum(len(lines.x) for lines in bundles)


def _add_crossings(catalogue: Catalogue, crossings: Array) -> None:
    """The fixed points next to which lines crossed t = 0."""
    form = newton_form(catalogue.system)
    batch = newton(form.system, form.to(crossings), balls=lifted(form, catalogue.balls()))
    batch.x = form.back(batch.x)
    catalogue.evaluations += batch.evaluations
    catalogue.count(batch.ball)
    for x, reason in _ends(batch):
        if not (reason == End.CONVERGED and catalogue.add_root(x, balls=False)):
            catalogue.failures["crossing without a fixed point"] += 1
            catalogue.crossings += [x] * (len(catalogue.crossings) < _CROSSINGS_KEPT)


def search(system: System, starts: Array, *, seed: int | None = None, budget: int | None = None) -> SlowPoints:
    """Fixed points and ghosts that these starts lead to.

    Parameters
    ----------
    system : System
    starts : ndarray (starts, dim)
    seed : int or None
        That made the starts, for the record.
    budget : int, optional
        Most Jacobians for the fixed points, and most Hessians for the ghosts. By default Newton goes from every start,
        and `forms.descent_budget` bounds the rest.

    Returns
    -------
    SlowPoints
        Found, not proved to be all.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> network = LeakyRNN([[2.0, 0.0], [0.0, 2.0]], [0.0, 0.0])
    >>> points = search(network, random_starts(network, 200, 0))
    >>> len(points.fixed_points), points.index_sum, points.complete
    (9, 1, False)
    """
    catalogue = Catalogue(system)
    open_ends = newton_phase(catalogue, starts, most=np.inf if budget is None else budget)
    ghost_phase(catalogue, open_ends, starts, budget=budget)
    points = conclude(catalogue, starts=len(starts), seed=seed)
    return replace(points, status=Status.BUDGET) if catalogue.failures[_UNTRIED] else points


def ghost_phase(catalogue: Catalogue, open_ends: Array, starts: Array, *, budget: int | None = None) -> None:
    """Down the kinetic energy from where Newton on f ended without a fixed point, and from a few of the starts."""
    dim = catalogue.system.dim
    most = 512 if dim <= 32 else max(_FEWEST_DESCENTS, 64 * 128 // dim)  # a step costs more than one of Newton's on f
    limit = descent_budget(catalogue.system) if budget is None else min(budget, descent_budget(catalogue.system))
    descent_phase(catalogue, open_ends[:most], most=0.75 * limit)
    catalogue.failures[_NOT_DOWN] += max(len(open_ends) - most, 0)
    descent_phase(catalogue, starts[: most // 8], again=True, most=0.25 * limit)


def hunt(system: System, *, seed: int = 0, budget: int | None = None, visited: Array | None = None) -> SlowPoints:
    """Newton and lines in turns until they agree: each hit every fixed point, none was hit once, the index sum is 1.

    Parameters
    ----------
    system : System
        With a known box of fixed points; without one there are no lines, and it ends with the budget. In gated networks
        both methods work on the root form v(h) − h.
    seed : int
    budget : int, optional
        Most evaluations of Jacobians before the ghosts are searched, but for the end of a turn; `forms.newton_budget`
        by default. It also bounds the Hessians evaluated for the ghosts.
    visited : ndarray (states, dim), optional
        States of trials: starts are drawn from them first, with and without noise.

    Returns
    -------
    SlowPoints
        `coverage.agree` tells whether they agreed. Found, not proved to be all.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> points = hunt(LeakyRNN([[2.0, 0.0], [0.0, 2.0]], [0.1, 0.0]))
    >>> len(points.fixed_points), points.coverage.agree, points.coverage.unseen
    (9, True, 0.0)
    """
    catalogue = Catalogue(system)
    known = 0 if visited is None else visited_phase(catalogue, visited, seed)
    starts, lines = hunt_into(catalogue, seed=seed, budget=budget)
    points = conclude(catalogue, starts=known + starts, lines=lines, seed=seed)
    return replace(points, status=Status.FINISHED if agreeing(catalogue) else Status.BUDGET)


def visited_phase(catalogue: Catalogue, visited: Array, seed: int, *, share: float = 1.0) -> int:
    """Newton from states that trials visit and from around them, and descents from a few; how many starts."""
    number, down = (max(int(share * many), 1) for many in _VISITED)
    starts = starts_around(visited, number, seed)
    open_ends = newton_phase(catalogue, starts)
    descent_phase(catalogue, open_ends[:down])
    descent_phase(catalogue, starts[:down], again=True)
    return number


def hunt_into(catalogue: Catalogue, *, seed: int, budget: int | None) -> tuple[int, int]:
    """`hunt` that goes on from what is known; how many starts and lines it took."""
    system, rng = catalogue.system, np.random.default_rng(seed)
    most = newton_budget(system) if budget is None else budget
    if isinstance(system, Gated) and len(system.cells) > 1:
        taken = _layer_by_layer(catalogue, rng, budget)
        starts = random_starts(system, _a_turn(system)[0], int(rng.integers(2**62)))
        open_ends, number = newton_phase(catalogue, starts, most=most), (taken[0] + len(starts), taken[1])
    else:
        open_ends, starts, lines = _turns(catalogue, rng, most)
        number = len(starts), lines
    ghost_phase(catalogue, open_ends, starts, budget=budget)
    return number


def _a_turn(system: System) -> tuple[int, int]:
    """Starts and lines of a turn."""
    share = min(1.0, _LARGE / system.dim)
    return max(int(_STARTS_A_TURN * share**2), 8), max(int(_LINES_A_TURN * share), 4)


def _turns(catalogue: Catalogue, rng: np.random.Generator, most: float) -> tuple[Array, Array, int]:
    """Newton and lines in turns until they agree or `most` is spent: open ends, starts and the number of lines."""
    system = catalogue.system
    many, few = _a_turn(system)
    lines, starts, spent = 0, np.empty((0, system.dim)), [0, 0]
    open_ends = [starts]
    forgotten = not isinstance(system, LSTM) or bool(catalogue.roots)
    while sum(spent) < most and not (lines and agreeing(catalogue)):
        fresh = fresh_starts(catalogue, many, rng)
        starts = np.concatenate([starts, fresh])
        before = catalogue.evaluations
        open_ends.append(newton_phase(catalogue, fresh, most=max(most - sum(spent), _LEAST)))
        spent[NEWTON] += max(catalogue.evaluations - before, many)  # starts in known balls cost nothing else
        while spent[LINES] <= (_LINES_OF_GATED if isinstance(system, Gated) else 1) * spent[NEWTON]:
            before = catalogue.evaluations
            bundle = few * (_WIDER if lines >= _WIDER * few else 1)
            followed = line_phase(catalogue, bundle, rng, most=max(most - sum(spent), _LEAST))
            if not followed:
                break
            lines += followed
            spent[LINES] += max(catalogue.evaluations - before, followed)
        if not (forgotten or agreeing(catalogue)):
            # Twice as many variables: a step costs some times as much as one of the others.
            spent[LINES] += _PRICE * _forgetting_phase(catalogue, max(int(most) // _PRICE, _LEAST))
            forgotten = True
    return np.concatenate(open_ends), starts, lines


def fresh_starts(catalogue: Catalogue, number: int, rng: np.random.Generator) -> Array:
    """Starts of a turn of Newton's: half of them random, half about the fixed points that Newton has reached by itself.

    What only lines have met makes no starts, so that the methods' agreement says what it seems to say.
    """
    system = catalogue.system
    own = [x for x, hits in zip(catalogue.roots, catalogue.hits, strict=True) if hits[NEWTON]]
    if len(own) < 2 or isinstance(system, Gated):
        return random_starts(system, number, int(rng.integers(2**62)))
    drawn = random_starts(system, number - number // 2, int(rng.integers(2**62)))
    return np.concatenate([drawn, starts_among(np.array(own), number // 2, int(rng.integers(2**62)))])


def _forgetting_phase(catalogue: Catalogue, most: int) -> int:
    """The fixed point at the end of an LSTM layer's curve of extra forgetting; the Jacobians spent."""
    state, spent = by_forgetting(catalogue.system, most)  # type: ignore[arg-type]
    catalogue.evaluations += spent
    catalogue.method = LINES
    if state is None or not catalogue.add_root(state, sure=True):
        catalogue.failures["curve without a fixed point"] += 1
    catalogue.method = NEWTON
    return spent


def _layer_by_layer(catalogue: Catalogue, rng: np.random.Generator, budget: int | None) -> tuple[int, int]:
    """Fixed points of a stack: at rest a layer reads a constant, so each layer is searched by itself.

    A fixed point counts as hit as often as its layer's fixed point that was hit least.
    """
    system: Gated = catalogue.system  # type: ignore[assignment]
    found, taken = [(np.empty(0), np.full(2, np.inf))], np.zeros(2, int)
    for k in range(len(system.cells)):
        longer: list[tuple[Array, Array]] = []
        known: list[Catalogue] = []
        for state, hits in found[:_MOST_STATES]:
            layer = system.layer(k, state[system.spans[k - 1]][: system.cells[k].inputs] if k else None)
            part = Catalogue(layer)
            most = newton_budget(layer) if budget is None else budget
            # All else hangs on the first layer's.
            share = max(most / (2 * (len(system.cells) - 1) * len(found)) if k else most, 1)
            if known and isinstance(layer, LSTM):
                _from_other_inputs(part, known, max(int(share) // _PRICE, _LEAST // _PRICE))
            _, starts, lines = _turns(part, rng, share)
            known.append(part)
            catalogue.evaluations += part.evaluations
            taken += len(starts), lines
            pairs = zip(part.roots, part.hits, strict=True)
            longer += [(np.concatenate([state, x]), np.minimum(hits, own)) for x, own in pairs]
        catalogue.failures[_NOT_FOLLOWED_UP] += max(len(found) - _MOST_STATES, 0)
        found = longer
    _add_stacked(catalogue, found)
    return int(taken[0]), int(taken[1])


def _from_other_inputs(part: Catalogue, known: list[Catalogue], most: int) -> None:
    """Fixed points of a layer that lead here from those under the nearest input searched before, most hit first."""
    layer: LSTM = part.system  # type: ignore[assignment]
    beside = [one for one in known if one.roots]
    if not beside:
        return
    nearest = min(beside, key=lambda one: float(np.linalg.norm(one.system.drive - layer.drive)))  # type: ignore
    part.method = LINES
    for k in sorted(range(len(nearest.roots)), key=lambda k: -sum(nearest.hits[k]))[:_MOST_FOLLOWED]:
        state, spent = by_input(nearest.system, nearest.roots[k], layer, most)  # type: ignore[arg-type]
        part.evaluations += spent
        if state is not None:
            part.add_root(state, sure=True)
    part.method = NEWTON


def _add_stacked(catalogue: Catalogue, found: list[tuple[Array, Array]]) -> None:
    """Fixed points of a stack, put together from those of its layers."""
    for state, hits in found:
        known = len(catalogue.roots)
        if not catalogue.add_root(state, sure=True):
            catalogue.failures["fixed point of each layer, undecided together"] += 1
        elif len(catalogue.roots) > known:
            catalogue.hits[-1] = [int(count) for count in hits]
