"""What the terminal shows: the run, what is proved, the events in order, and the verdicts in plain words."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynaghost.errors import counted
from dynaghost.series import Series
from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost, SlowPoints
from dynaghost.slowpoints.search_outcome import Coverage
from dynaghost.systems.base import Array, Time
from dynaghost.trajectories.chance import Chance, chance
from dynaghost.trajectories.findings import Findings
from dynaghost.views.verdict_text import event_line, unseen_share, vector, verdict_text


def summary(findings: Findings) -> str:
    """The whole answer as text, a paragraph each for the run, the points, the events and the verdicts.

    Parameters
    ----------
    findings : Findings

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> text = summary(analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)]))
    >>> "saddle_node" in text
    True
    """
    parts = [_run(findings), _points(findings), _events(findings), _verdicts(findings)]
    return "\n\n".join("\n".join(part) for part in parts)


def _run(findings: Findings) -> list[str]:
    about = findings.description
    lines = [f"{about.source}: {about.order}", f"equation: {about.equation}", f"weights: {about.guess}"]
    return [*lines, *(f"note: {note}" for note in about.notes)]


def _points(findings: Findings) -> list[str]:
    total, told = len(findings.points), Counter[str]()
    numbers, coverages = (Series(int), Series(int)), list[Coverage]()
    # One pass: of a long run, points are made anew each time.
    for at in findings.points:
        told.update(_facts(at))
        numbers[0].append(len(at.fixed_points))
        numbers[1].append(len(at.ghosts))
        if at.coverage is not None and not at.complete:
            coverages.append(at.coverage)
    where = " on the whole line" if findings.description.dim == 1 else ""
    lines = [
        f"{counted(total, 'checkpoint')}, {counted(told['point'], 'slow point')}, {told['proved']} of them proved",
        f"fixed points proved complete{where} at {told['complete']} of {counted(total, 'checkpoint')}, "
        f"ghosts at {told['ghosts complete']}",
    ]
    if findings.description.dim == 1:
        carried, balls = told["carried"], told["by balls"]
        lines.append(
            f"certificates carried over at {carried}, searched at {total - carried - balls}, "
            f"by ball arithmetic at {balls}",
        )
    return [*lines, *_coverage(coverages), *_counts(findings, *numbers)]


def _facts(at: SlowPoints) -> dict[str, int]:
    """What counts at a checkpoint, and how often."""
    return {
        "point": len(at.points),
        "proved": sum(point.certificate is not Certificate.UNDECIDED for point in at.points),
        "complete": int(at.complete),
        "ghosts complete": int(at.ghosts_complete),
        "carried": int(at.cost.carried),
        "by balls": int(at.cost.ball_evaluations > 0),
    }


def _coverage(known: Sequence[Coverage]) -> Iterator[str]:
    """What is known of what was not seen, where completeness is not proved."""
    if known:
        agree = sum(bool(coverage.agree) for coverage in known)
        yield (
            f"found, not proved complete, at {len(known)}: two methods agree at {agree} of them, largest estimate "
            f"of the share of starts that would find something new {max(coverage.unseen for coverage in known):.3g}"
        )


def _counts(findings: Findings, fixed_points: Series[int], ghosts: Series[int]) -> Iterator[str]:
    """How many slow points there are, in stretches of training over which that stays the same."""
    axis, begun = findings.description.axis, 0
    for shape, same in itertools.groupby(zip(fixed_points, ghosts, strict=True)):
        end = begun + sum(1 for _ in same)
        first, last = findings.steps[begun], findings.steps[end - 1]
        when = f"at {axis} {first}" if first == last else f"from {axis} {first} to {last}"
        yield f"  {when}: {counted(shape[0], 'fixed point')}, {counted(shape[1], 'ghost')}"
        begun = end


def _events(findings: Findings) -> list[str]:
    if not findings.events:
        return ["no events"]
    letter = findings.description.letter
    return [f"{counted(len(findings.events), 'event')}:", *(f"  {event_line(e, letter)}" for e in findings.events)]


def _verdicts(findings: Findings) -> list[str]:
    if findings.losses.loss is None or not len(findings.losses.loss):
        return [
            "no losses are known, so no verdict: put a metrics.csv with columns step or epoch, and loss, beside the "
            "checkpoints, or name a table with --metrics"
        ]
    if not findings.verdicts:
        return ["no abrupt drop of the loss, so no verdict"]
    told = [verdict_text(verdict, findings.verdicts, findings) for verdict in findings.verdicts]
    return [*told, chance_text(chance(findings))]


def chance_text(found: Chance) -> str:
    """Whether events lie nearer the drops than chance would have it, in a sentence.

    Examples
    --------
    >>> print(chance_text(Chance(None, "1 separate drop, and a p-value takes at least 5", 1, 1, 1, 1, 0, 0)))
    no p-value for events near drops: 1 separate drop, and a p-value takes at least 5
    """
    if found.p is None:
        return f"no p-value for events near drops: {found.because}"
    how = f"{found.permutations} random shifts, seed {found.seed}" if found.permutations else "every shift"
    return (
        f"events lie in the windows of {found.hits} of {counted(found.drops, 'drop')}; p = {found.p:.3g} for events so "
        f"near drops by chance ({how} of the events along the run)"
    )


def contents_text(file: str, form: str, arrays: Mapping[str, Array], scalars: Mapping[str, Any]) -> str:
    """What a checkpoint file holds: every array with shape and type, every number.

    Examples
    --------
    >>> import numpy as np
    >>> print(contents_text("a.npz", "npz", {"m": np.ones(3)}, {"epoch": 7}))
    a.npz: npz
      m (3,) float64
      epoch = 7
    """
    lines = [f"  {name} {array.shape} {array.dtype}" for name, array in arrays.items() if name not in scalars]
    lines += [f"  {name} = {value}" for name, value in scalars.items()]
    return "\n".join([f"{file}: {form}", *lines])


def slow_points_text(points: SlowPoints, time: Time) -> str:
    """Every slow point of one system in a line, and what is proved about the list.

    Examples
    --------
    >>> from dynaghost.slowpoints.find import find_slow_points
    >>> from dynaghost.systems.toy import SaddleNode
    >>> print(slow_points_text(find_slow_points(SaddleNode(0.25)), Time.FLOW))
    ghost at x = 0: speed 0.25, passage time 6.283 τ (pair), no fixed point within 0.5 [root_free]
    fixed points proved complete, ghosts proved complete; index sum 0
    """
    letter = "κ" if points.coordinates == "latent" else "x"
    lines = [
        _fixed_point_line(p, letter) if isinstance(p, FixedPoint) else _ghost_line(p, letter, time)
        for p in points.points
    ]
    claims = [("fixed points", points.complete), ("ghosts", points.ghosts_complete)]
    told = ", ".join(f"{what} {'proved complete' if proved else 'not proved complete'}" for what, proved in claims)
    lines.append(f"{told}; index sum {'undefined' if points.index_sum is None else points.index_sum}")
    if points.coverage is not None:
        lines.append(_coverage_line(points.coverage))
    if points.unresolved:
        parts = ", ".join(_part(part.lower, part.upper) for part in points.unresolved[:20])
        lines.append(f"undecided ({points.status}): {parts}{', …' if len(points.unresolved) > 20 else ''}")
    for region in points.slow_regions:
        lines.append(
            f"slow region of dimension about {region.dimension:.3g}, of {counted(len(region.states), 'state')}: "
            "these are no fixed points"
        )
    return "\n".join(lines)


def _coverage_line(coverage: Coverage) -> str:
    agree = {True: "both methods hit every point", False: "the methods disagree", None: "one method alone"}
    told = f"{counted(coverage.starts, 'start')}, {counted(coverage.lines, 'line')}: {agree[coverage.agree]}"
    failures = ", ".join(f"{count} {reason}" for reason, count in coverage.failures)
    return f"{told}; {unseen_share(coverage.unseen)}" + f"; starts without a point: {failures}" * bool(failures)


def _part(lower: Array, upper: Array) -> str:
    if len(lower) == 1:
        return f"[{lower[0]:.6g}, {upper[0]:.6g}]"
    return f"around {vector(0.5 * (lower + upper))} ± {vector(0.5 * (upper - lower))}"


def _fixed_point_line(point: FixedPoint, letter: str) -> str:
    why = f": {point.undecided_because}" if point.undecided_because else ""
    radius = f" ± {point.radius:.1g}" if point.radius > 0 or not why else ""
    place = f"{letter} = {vector(point.x) if len(point.x) > 1 else format(point.x[0], '.6g')}"
    return f"fixed point at {place}{radius}: {point.stability}, {_rates(point)} [{point.certificate}{why}]"


def _rates(point: FixedPoint) -> str:
    if len(point.x) == 1:
        told = f"λ = {point.eigenvalues[0]:.4g} per τ"
        return told if point.multipliers is None else f"{told}, multiplier {point.multipliers[0]:.4g}"
    nearest = point.nearest_to_critical
    value = f"{nearest.real:.4g}" if nearest.imag == 0 else f"{nearest.real:.4g} ± {abs(nearest.imag):.4g}i"
    what = "eigenvalue" if point.time is Time.FLOW else "multiplier"
    directions = counted(point.unstable_directions, "unstable direction")
    return f"{directions}, {what} nearest to critical {value}"


def _ghost_line(ghost: Ghost, letter: str, time: Time) -> str:
    unit = "τ" if time is Time.FLOW else "iterations"
    why = f": {ghost.undecided_because}" if ghost.undecided_because else ""
    place = vector(ghost.x) if len(ghost.x) > 1 else format(ghost.x[0], ".6g")
    return (
        f"ghost at {letter} = {place}: speed {ghost.speed:.4g}, passage time {ghost.passage_time:.4g} {unit} "
        f"({ghost.passage_from}), no fixed point within {ghost.radius:.4g} [{ghost.certificate}{why}]"
    )
