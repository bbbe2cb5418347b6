"""Small networks and latent circuits: fixed points from the complete search, ghosts from descents beside it."""

from dataclasses import replace

import numpy as np

from dynaghost.slowpoints import complete
from dynaghost.slowpoints.catalogue import Catalogue, conclude
from dynaghost.slowpoints.newton import descend
from dynaghost.slowpoints.newton_kantorovich import RootProof, prove_root
from dynaghost.slowpoints.pointwise import degenerate_point
from dynaghost.slowpoints.records import FixedPoint, SlowPoints, Status, Unresolved
from dynaghost.slowpoints.search import ghost_phase, newton_phase
from dynaghost.slowpoints.starts import random_starts
from dynaghost.systems.base import Array, System

_STARTS = 128


def find_proved(system: System, *, seed: int = 0, budget: int = complete.BUDGET) -> SlowPoints:
    """All fixed points, proved as far as the budget goes, and the ghosts that a search finds.

    Parameters
    ----------
    system : System
        Which `complete.serves`.
    seed : int
        Of the starts of the search for ghosts.
    budget : int
        Most boxes.

    Returns
    -------
    SlowPoints

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> points = find_proved(LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.1]))
    >>> len(points.fixed_points), points.complete, points.ghosts_complete, points.index_sum
    (3, True, False, 1)
    """
    found = complete.find_all(system, budget=budget)
    catalogue = Catalogue(system)
    for k, x in enumerate(found.roots):
        catalogue.roots.append(x)
        catalogue.proofs.append(
            _proof(system, x, RootProof(float(found.radius[k]), float(found.unique_radius[k]), 0.0))
        )
        catalogue.hits.append([0, 0])
    starts = random_starts(system, _STARTS, seed)
    ghost_phase(catalogue, newton_phase(catalogue, starts), starts)
    listed = conclude(catalogue, starts=_STARTS, seed=seed)
    # What the search saw of a degenerate point is in a cluster's hull, whose point is listed instead.
    listed = replace(listed, fixed_points=tuple(point for point in listed.fixed_points if not point.degenerate))
    degenerate = tuple(_degenerate(system, *hull) for hull in zip(*found.clusters, strict=True))
    whole = found.complete and len(catalogue.roots) == len(found.roots)
    return replace(
        listed,
        fixed_points=listed.fixed_points + tuple(point for point in degenerate if point is not None),
        complete=whole,
        index_sum=None if len(degenerate) else listed.index_sum,
        unresolved=tuple(_unresolved(found)),
        status=Status.BUDGET if found.status is complete.Stop.BUDGET else Status.FINISHED,
        cost=replace(listed.cost, boxes=found.boxes),
        coverage=None if whole else listed.coverage,
    )


def _proof(system: System, x: Array, from_boxes: RootProof) -> RootProof:
    """Newton–Kantorovich where it succeeds: it also knows from where Newton converges."""
    proof = prove_root(system, x)
    return proof if proof.proved and proof.radius <= from_boxes.unique_radius else from_boxes


def _unresolved(found: complete.Found) -> list[Unresolved]:
    kinds = (
        (found.clusters, "near-degenerate: J is singular there as far as float64 tells"),
        (found.unresolved, "budget of boxes"),
    )
    return [Unresolved(lower, upper, because) for hulls, because in kinds for lower, upper in zip(*hulls, strict=True)]


def _degenerate(system: System, lower: Array, upper: Array) -> FixedPoint | None:
    """The slowest state in a near-degenerate hull, where its speed cannot be told from 0."""
    x = descend(system, 0.5 * (lower + upper)[None]).x[0]
    return degenerate_point(system, np.clip(x, lower, upper))
