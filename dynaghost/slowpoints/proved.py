"""Small networks and latent circuits: fixed points from the complete search; ghosts from theirs, or from descents."""

from dataclasses import replace

import numpy as np

from dynaghost.slowpoints import all_ghosts, complete, complete_gated
from dynaghost.slowpoints.catalogue import Catalogue, conclude
from dynaghost.slowpoints.newton import descend
from dynaghost.slowpoints.newton_kantorovich import RootProof, prove_root
from dynaghost.slowpoints.pointwise import degenerate_point, ghost
from dynaghost.slowpoints.records import FixedPoint, SlowPoints
from dynaghost.slowpoints.search import ghost_phase, hunt, hunt_into, newton_phase
from dynaghost.slowpoints.search_outcome import Status, Unresolved
from dynaghost.slowpoints.starts import random_starts
from dynaghost.systems.base import Array, System
from dynaghost.systems.gated import Gated

_STARTS, _MOST_RANK = 128, 3


def find_proved(system: System, *, seed: int = 0, budget: int = complete.BUDGET) -> SlowPoints:
    """All fixed points, proved as far as the budget goes; all ghosts of rank or size 2 and 3, else those found.

    Parameters
    ----------
    system : System
        Which `complete.serves`.
    seed : int
        Of the starts of the search for ghosts.
    budget : int
        Most boxes; where they do not suffice, what `search.hunt` finds is listed too.

    Returns
    -------
    SlowPoints

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> points = find_proved(LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.1]))
    >>> len(points.fixed_points), points.complete, points.ghosts_complete, points.index_sum
    (3, True, True, 1)
    """
    if _ghosts_proved(system):
        all_ghosts.compile_ahead()
    return with_ghosts(system, complete.find_all(system, budget=budget), seed=seed, budget=budget)


def find_gated(system: Gated, *, seed: int = 0, budget: int | None = None) -> SlowPoints:
    """All fixed points of a small gated network, proved if the boxes suffice; else what `search.hunt` finds.

    Parameters
    ----------
    system : Gated
        Which `complete_gated.serves`.
    seed : int
    budget : int, optional
        Most boxes, where they are fewer than by default; and of `hunt`.

    Returns
    -------
    SlowPoints

    Examples
    --------
    >>> from dynaghost.systems import GRU
    >>> points = find_gated(GRU([[0.0], [0.0], [5.0]]))
    >>> len(points.fixed_points), points.complete, points.index_sum
    (3, True, 1)
    """
    boxes = complete_gated.budget_of(system)
    boxes = boxes if budget is None else min(budget, boxes)
    found = complete_gated.find_all(system, budget=boxes)
    if not found.complete:
        return hunt(system, seed=seed, budget=budget)
    return with_ghosts(system, found, seed=seed, budget=boxes)


def with_ghosts(system: System, found: complete.Found, *, seed: int, budget: int) -> SlowPoints:
    """The records of the fixed points that a complete search found, and the ghosts.

    Parameters
    ----------
    system : System
    found : complete.Found
    seed : int
    budget : int
        Most boxes of the search for all ghosts.

    Returns
    -------
    SlowPoints
    """
    catalogue = Catalogue(system)
    for k, x in enumerate(found.roots):
        known = RootProof(float(found.radius[k]), float(found.unique_radius[k]), 0.0, index=int(found.index[k]))
        catalogue.note(x, _proof(system, x, known))
    ghosts = all_ghosts.find_all_ghosts(system, budget=budget) if _ghosts_proved(system) else None
    if ghosts is not None:
        _list_ghosts(catalogue, ghosts)
    starts, lines = 0, 0
    if found.status is complete.Stop.BUDGET:
        starts, lines = hunt_into(catalogue, seed=seed, budget=None)
    elif ghosts is None or not ghosts.complete:
        starts = _STARTS
        states = random_starts(system, _STARTS, seed)
        ghost_phase(catalogue, newton_phase(catalogue, states), states)
    listed = conclude(catalogue, starts=starts, lines=lines, seed=seed)
    # What the search saw of a degenerate point is in a cluster's hull, whose point is listed instead.
    listed = replace(listed, fixed_points=tuple(point for point in listed.fixed_points if not point.degenerate))
    degenerate = tuple(_degenerate(system, *hull) for hull in zip(*found.clusters, strict=True))
    whole = found.complete and len(catalogue.roots) == len(found.roots)
    return replace(
        listed,
        fixed_points=listed.fixed_points + tuple(point for point in degenerate if point is not None),
        complete=whole,
        ghosts_complete=ghosts is not None and ghosts.complete,
        index_sum=None if len(degenerate) else listed.index_sum,
        unresolved=tuple(_unresolved(found, ghosts)),
        status=Status.BOXES if found.status is complete.Stop.BUDGET else Status.FINISHED,
        cost=replace(listed.cost, boxes=found.boxes + (0 if ghosts is None else ghosts.boxes)),
        coverage=None if whole else listed.coverage,
    )


def _proof(system: System, x: Array, from_boxes: RootProof) -> RootProof:
    """Newton–Kantorovich where it succeeds: it also knows from where Newton converges."""
    proof = prove_root(system, x)
    if not proof.proved or proof.radius > from_boxes.unique_radius:
        return from_boxes
    return proof if proof.index else replace(proof, index=from_boxes.index)


def _ghosts_proved(system: System) -> bool:
    """Circuits of rank 2 or 3, tanh networks of 2 or 3 units; beyond, proving all ghosts may take minutes."""
    return all_ghosts.serves(system) and system.dim <= _MOST_RANK


def _list_ghosts(catalogue: Catalogue, found: all_ghosts.FoundGhosts) -> None:
    for x in found.x:
        record = ghost(catalogue.system, x, known=True)
        if record is not None:  # f is not exactly 0 there
            catalogue.ghosts.append(record)
            catalogue.ghost_hits.append(0)


def _unresolved(found: complete.Found, ghosts: all_ghosts.FoundGhosts | None) -> list[Unresolved]:
    kinds = [
        (found.clusters, "near-degenerate: J is singular there as far as float64 tells"),
        (found.unresolved, "budget of boxes"),
    ]
    if ghosts is not None:
        kinds.append(((ghosts.lower, ghosts.upper), "ghosts there, or double fixed points, could not be decided"))
    return [Unresolved(lower, upper, because) for hulls, because in kinds for lower, upper in zip(*hulls, strict=True)]


def _degenerate(system: System, lower: Array, upper: Array) -> FixedPoint | None:
    """The slowest state in a near-degenerate hull, where its speed cannot be told from 0."""
    x = descend(system, 0.5 * (lower + upper)[None]).x[0]
    return degenerate_point(system, np.clip(x, lower, upper))
