"""What goes where in a figure: roles, lines, places, lanes and labels, as numbers and text; it plots nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import Array
from dynaghost.trajectories.events import Event, EventKind
from dynaghost.trajectories.findings import Findings
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.verdict import Verdict
from dynaghost.views._lines import Line as Line
from dynaghost.views._lines import Role as Role
from dynaghost.views._lines import crossing_height as crossing_height
from dynaghost.views._lines import lines as lines
from dynaghost.views._lines import place as place
from dynaghost.views._lines import role as role
from dynaghost.views._lines import seen as seen

PANELS = 6
"""Most panels of the latent flow, two rows of three."""

STRUCTURAL = (
    EventKind.SADDLE_NODE,
    EventKind.PITCHFORK,
    EventKind.CUSP,
    EventKind.GHOST_EMERGENCE,
    EventKind.GHOST_DISSOLUTION,
)


def analysis(findings: Findings) -> None:
    """Refuse what is no analysis of a run.

    Raises
    ------
    DynaghostError
        If `findings` is something else.
    """
    if not isinstance(findings, Findings):
        raise DynaghostError(
            f"findings: expected an analysis of a run, as dg.analyze gives it, got {type(findings).__name__}"
        )


def name(kind: EventKind) -> str:
    """A kind of event in words.

    Examples
    --------
    >>> name(EventKind.NO_LEARNING_ZONE), name(EventKind.LOSS_DROP)
    ('no-learning zone', 'loss drop')
    """
    words = {
        EventKind.SADDLE_NODE: "saddle-node",
        EventKind.NO_LEARNING_ZONE: "no-learning zone",
        EventKind.HOPF: "Hopf",
        EventKind.NEIMARK_SACKER: "Neimark–Sacker",
    }
    return words.get(kind, kind.value.replace("_", " "))


def height(findings: Findings, event: Event) -> float | None:
    """κ at which an event happens; None for what is read from the loss."""
    if event.kind is EventKind.CAPTURE and findings.starts is not None:
        return float(np.interp(place(event), findings.steps, [start for start, _ in findings.starts]))
    if event.kind is EventKind.READOUT_CROSSING:
        return crossing_height(event)
    found = event.evidence.get("x")
    return None if found is None or event.at is None else float(found)


def coordinate(findings: Findings) -> str:
    """What the branch diagram's axis is: κ, the state x of a single unit, or in many dimensions the first principal
    component of all slow points."""
    return letter(findings) if findings.description.dim == 1 else "PC 1"


def letter(findings: Findings) -> str:
    """κ of a latent circuit, or x for the state itself."""
    return findings.description.letter


def threshold(findings: Findings) -> float | None:
    """The readout's threshold where it is one on the drawn line: on κ of rank one, else it is on an output."""
    told_of = findings.description
    on_line = told_of.dim == 1 and told_of.coordinates == "latent" and told_of.trial is not None
    return told_of.trial.threshold if on_line and told_of.trial else None


def per(time: str, leak: float | None) -> str:
    """Unit of f: 1/τ, which is 1/iteration for a map of leak 1."""
    return "1/iteration" if time == "map" and leak == 1 else "1/τ"


def unit(findings: Findings) -> str:
    """Of passage times."""
    return "τ" if findings.description.time == "flow" else "iterations"


def training_label(findings: Findings) -> str:
    """Label of the axis of training."""
    return f"training ({findings.description.axis}s)"


def grouped(step: float, span: float = np.inf) -> str:
    """A step as text, its thousands apart; of a run of few steps, `span`, with two decimals if it needs them.

    Examples
    --------
    >>> grouped(33991.53), grouped(1.5, span=4), grouped(2, span=4)
    ('33,992', '1.5', '2')
    """
    return f"{step:,.0f}" if span >= 200 else f"{step:,.2f}".rstrip("0").rstrip(".")


def informative(findings: Findings, most: int = PANELS) -> tuple[int, ...]:
    """A handful of checkpoints that tell the story: the first, those on both sides of events and drops, the last."""
    steps, chosen = findings.steps, {findings.steps[0], findings.steps[-1]}
    for before, after in _brackets(findings):
        low, high = int(np.searchsorted(steps, before, "right")) - 1, int(np.searchsorted(steps, after))
        enclosing = {steps[max(low, 0)], steps[min(high, len(steps) - 1)]}
        if len(chosen | enclosing) <= most:
            chosen |= enclosing
    if len(chosen) < 3:
        chosen.add(steps[len(steps) // 2])
    return tuple(sorted(chosen))


def _brackets(findings: Findings) -> list[tuple[float, float]]:
    """Of the events that decide, then of drops with the greatest fall first, then of the rest."""
    order = [*STRUCTURAL, EventKind.CAPTURE, EventKind.READOUT_CROSSING]
    events = sorted((e for e in findings.events if e.kind in order), key=lambda e: order.index(e.kind))
    drops = sorted(findings.verdicts, key=lambda v: v.loss_after / (v.loss_before or 1.0))
    structural = [e for e in events if e.kind in STRUCTURAL]
    rest = [e for e in events if e.kind not in STRUCTURAL]
    return [(found.before, found.after) for group in (structural, drops, rest) for found in group]


def focus(findings: Findings) -> tuple[float, float] | None:
    """The stretch of training in which most happens, with some room around it; None where nothing does.

    Most: the events of slow points, no two neighbours further apart than 2 % of the run; without any, the greatest drop
    of the loss.
    """
    decisive = (*STRUCTURAL, EventKind.CAPTURE, EventKind.READOUT_CROSSING)
    brackets = sorted((e.before, e.after) for e in findings.events if e.kind in decisive)
    if not brackets:
        brackets = [(v.before, v.after) for v in findings.verdicts]
        brackets = sorted(brackets, key=lambda b: _fall(findings.verdicts, b))[-1:]
    if not brackets:
        return None
    first, last = _densest(brackets, 0.02 * (findings.steps[-1] - findings.steps[0]))
    low = max(int(np.searchsorted(findings.steps, first, "right")) - 3, 0)
    high = min(int(np.searchsorted(findings.steps, last)) + 2, len(findings.steps) - 1)
    return float(min(findings.steps[low], first)), float(max(findings.steps[high], last))


def _fall(verdicts: Sequence[Verdict], bracket: tuple[float, float]) -> float:
    return max(v.loss_before - v.loss_after for v in verdicts if (v.before, v.after) == bracket)


def _densest(brackets: Sequence[tuple[float, float]], gap: float) -> tuple[float, float]:
    groups = [[brackets[0]]]
    for bracket in brackets[1:]:
        if bracket[0] - max(last for _, last in groups[-1]) > gap:
            groups.append([])
        groups[-1].append(bracket)
    most = max(groups, key=len)
    return most[0][0], max(last for _, last in most)


@dataclass(frozen=True, slots=True)
class Label:
    """Text, and where it stands, as a share of the width."""

    at: float
    text: str


def verdict_labels(verdicts: Sequence[Verdict], first: float, last: float, room: float = 0.11) -> list[Label]:
    """Verdicts of the drops between two steps; one label for those closer together than `room` of the width."""
    groups: list[list[tuple[float, Verdict]]] = []
    for verdict in verdicts:
        at = (0.5 * (verdict.before + verdict.after) - first) / ((last - first) or 1.0)
        if not 0 <= at <= 1:
            continue
        if not groups or at - groups[-1][-1][0] > room:
            groups.append([])
        groups[-1].append((at, verdict))
    return [Label(float(np.mean([at for at, _ in g])), _summary([v for _, v in g])) for g in groups]


def _summary(verdicts: Sequence[Verdict]) -> str:
    names = [v.verdict.value for v in verdicts]
    counts = [f"{name} ×{names.count(name)}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return ", ".join(counts) + "\n" + ", ".join(dict.fromkeys(v.grade.value for v in verdicts if v.shown_grade))


def positive(values: Array) -> tuple[Array, int]:
    """What a logarithmic axis can hold, nan where it cannot, and how many values those are.

    Examples
    --------
    >>> positive(np.array([1.0, 0.0, np.inf]))
    (array([ 1., nan, nan]), 2)
    """
    shown = (values > 1e-150) & (values < 1e150)
    return np.where(shown, values, np.nan), int(np.sum(~shown))


def within(steps: Sequence[float] | Array, first: float, last: float) -> slice:
    """The part of increasing `steps` that shows in a window: one more on either side.

    Examples
    --------
    >>> within([0, 10, 20, 30, 40], 12, 28)
    slice(1, 4, None)
    """
    low, high = np.searchsorted(steps, first, "right") - 1, np.searchsorted(steps, last) + 1
    return slice(max(int(low), 0), int(high))


def slow_points(points: SlowPoints) -> None:
    """Refuse what is no list of slow points.

    Raises
    ------
    DynaghostError
        If `points` is something else.
    """
    if not isinstance(points, SlowPoints):
        raise DynaghostError(f"points: expected what dg.find_slow_points gives, got {type(points).__name__}")


def window(findings: Findings, focus: tuple[float, float] | None) -> tuple[float, float]:
    """First and last step to show: `focus`, or the whole run with its loss curve.

    Raises
    ------
    DynaghostError
        If `focus` is no stretch of training.
    """
    if focus is None:
        ends = [*map(float, findings.steps), *map(float, findings.losses.steps)]
        return min(ends), max(ends)
    return stretch("focus", focus)


def stretch(name: str, ends: tuple[float, float]) -> tuple[float, float]:
    """The ends of an interval that somebody gave.

    Raises
    ------
    DynaghostError
        If they are not finite, or not the lesser one first.
    """
    first, last = ends
    if not (np.isfinite(first) and np.isfinite(last) and first < last):
        raise DynaghostError(f"{name}: expected two finite numbers, the lesser one first, got {ends}")
    return float(first), float(last)


def metrics(findings: Findings) -> dict[str, Array]:
    """The metrics that are known, by name."""
    known = {"loss": findings.losses.loss, "gradient norm": findings.losses.grad_norm}
    return {name: values for name, values in known.items() if values is not None and len(values)}


@dataclass(frozen=True, slots=True)
class Window:
    """What a panel of the flow shows: least and greatest κ, and f(κ)."""

    kappa: tuple[float, float]
    f: tuple[float, float]


def flow_window(findings: Findings, indices: Sequence[int]) -> Window:
    """κ from left to right of all that is marked at these checkpoints, and f(κ) as large as it gets in between."""
    spans = [(min(places), max(places)) for places in (marked(findings, e) for e in indices)]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    room = 0.15 * (high - low) or 1.0
    fields = [findings.circuits[e].f(np.linspace(*span, 400)[:, None]) for e, span in zip(indices, spans, strict=True)]
    top = 1.4 * max(float(np.abs(f).max()) for f in fields)
    return Window((low - room, high + room), (-top, top) if top > 1e-9 else (-room, room))


def marked(findings: Findings, e: int) -> list[float]:
    """κ of everything that is marked at a checkpoint."""
    places = [float(point.x[0]) for point in findings.points[e].points]
    if (asked := threshold(findings)) is not None:
        places.append(asked)
    if findings.starts is not None:
        places.append(findings.starts[e][0])
    return places or [0.0]


def arrow_places(window: tuple[float, float], taken: Sequence[float], count: int = 14) -> Array:
    """Where arrows of the flow stand on the zero line, apart from what is already there."""
    grid = np.linspace(*window, count + 2)[1:-1]
    gap = 0.6 * (grid[1] - grid[0])
    return grid[[all(abs(x - other) > gap for other in taken) for x in grid]]


@dataclass(frozen=True, slots=True)
class Path:
    """A complex pair along training, with nan where it was not followed from one checkpoint to the next.

    Attributes
    ----------
    steps, z : ndarray (points,)
    ghost : ndarray of bool (points,)
        Where its branch is a ghost.
    own : ndarray of bool (points,)
        Where it is that ghost's own pair: a branch that changes its pair has a path for each.
    """

    steps: Array
    z: NDArray[np.complex128]
    ghost: NDArray[np.bool_]
    own: NDArray[np.bool_]

    def without_ghost(self) -> NDArray[np.float64]:
        """Re z where the branch is no ghost, and where that begins and ends; nan elsewhere."""
        kept = ~self.ghost
        kept[1:] |= ~self.ghost[:-1]
        kept[:-1] |= ~self.ghost[1:]
        return np.where(kept, self.z.real, np.nan)


def path(findings: Findings, track: PairTrack) -> Path:
    """The path of a branch's pair."""
    order = {step: e for e, step in enumerate(findings.steps)}
    known = dict(zip(track.steps, track.z, strict=True))
    first, last = order[track.steps[0]], order[track.steps[-1]]
    steps = np.array(findings.steps[first : last + 1])
    z = np.array([known.get(step, complex(np.nan, np.nan)) for step in findings.steps[first : last + 1]])
    ghost = np.isin(steps, findings.branches[track.branch].ghost_steps)
    own = [bool(g) and _owns(findings, first + i, track.branch, z[i]) for i, g in enumerate(ghost)]
    return Path(steps, z, ghost, np.array(own))


def _owns(findings: Findings, e: int, branch: int, z: complex) -> bool:
    """Whether a pair is that of the branch's ghost, which in many dimensions has no other, nor where none was found."""
    if findings.description.dim > 1:
        return True
    ghost = findings.points[e].ghosts[findings.tracks.labels[e].ghosts.index(branch)]
    return ghost.complex_point is None or abs(complex(ghost.complex_point[0]) - z) <= 1e-6 * (1 + abs(z))


def passages(findings: Findings) -> dict[int, tuple[Array, Array]]:
    """Branch → steps and passage times, nan where the branch is no ghost between two checkpoints at which it is one."""
    known = {
        (branch, e): point.passage_time
        for e, (points, labels) in enumerate(zip(findings.points, findings.tracks.labels, strict=True))
        for branch, point in zip(labels.ghosts, points.ghosts, strict=True)
    }
    found = {}
    for branch in sorted({branch for branch, _ in known}):
        seen = [e for b, e in known if b == branch]
        between = range(min(seen), max(seen) + 1)
        times = np.array([known.get((branch, e), np.nan) for e in between], dtype=float)
        found[branch] = (np.array([findings.steps[e] for e in between]), times)
    return found
