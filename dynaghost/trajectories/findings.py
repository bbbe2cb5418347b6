"""Everything that was found about a run, as data: what is stored, drawn and told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dynaghost.display import table
from dynaghost.errors import DynaghostError, counted
from dynaghost.packed import Many
from dynaghost.slowpoints.records import FixedPoint, Ghost, SlowPoints
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import RankOneCircuit
from dynaghost.trajectories.branches import Branch, Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.events import COLUMNS as EVENT_COLUMNS
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.homotopy import Link
from dynaghost.trajectories.pairs import PairTrack
from dynaghost.trajectories.trial import Trial, kappas
from dynaghost.trajectories.verdict import COLUMNS as VERDICT_COLUMNS
from dynaghost.trajectories.verdict import Verdict

if TYPE_CHECKING:
    import pandas

    from dynaghost.trajectories.graph import Graph, Numbers


@dataclass(frozen=True, slots=True)
class Description:
    """What was analyzed.

    Attributes
    ----------
    source, axis, order : str
        Where the checkpoints come from, what they count, and the order found.
    equation, guess : str
        Which equation was analyzed, and which array of a file was taken for what.
    notes : tuple of str
        What was left out or assumed.
    time : str
        "flow" or "map".
    dim, units : int
        Dimensions in which slow points are given, and state variables of the network.
    coordinates : str
        "latent" where `x` is κ of a latent circuit, else "state".
    leak : float or None
    trial : Trial or None
    content : str
        `Run.content_hash`, over steps, weights and settings: whose results these are.
    search : str
        `Run.search_hash`, over steps, weights and what a search depends on: whose results a folder may hold.
    """

    source: str
    axis: str
    order: str
    equation: str
    guess: str
    notes: tuple[str, ...]
    time: str
    dim: int
    units: int
    coordinates: str
    leak: float | None
    trial: Trial | None
    content: str
    search: str = ""

    @property
    def letter(self) -> str:
        """κ of a latent circuit, or x for the state itself."""
        return "κ" if self.coordinates == "latent" else "x"


End = tuple[float, int | None]
"""κ(0) of a trial, and the index of the fixed point that it ends in; None where it did not come to rest at one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive checkpoints analyzed in one task: what a store keeps, and a resumed run does not compute again.

    Its sequences may be blocks, which make their records when they are iterated over (`packed`). What is said of
    rank-one networks is empty for others.

    Attributes
    ----------
    steps : tuple of int
    points : sequence of SlowPoints
        One a checkpoint.
    links : sequence of Link
        Of rank-one networks: from each checkpoint to the next, the last one into the next batch (none from the last
        checkpoint of a run).
    odd : sequence of bool
        Of rank-one networks: whether f is exactly odd all along each link.
    ends : sequence of (float, int or None)
        Of rank-one networks: where the trial starts and ends at each checkpoint; empty without a trial.
    circuits : sequence of RankOneCircuit
        Of rank-one networks: one a checkpoint.
    """

    steps: tuple[int, ...]
    points: Many[SlowPoints]
    links: Many[Link] = ()
    odd: Many[bool] = ()
    ends: Many[End] = ()
    circuits: Many[System] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What following found, on the line or in space: the fields of `Findings` of the same names, and notes on it."""

    circuits: Sequence[System]
    points: Sequence[SlowPoints]
    tracks: Tracks
    pairs: tuple[PairTrack, ...]
    starts: Sequence[End] | None
    events: tuple[Event, ...]
    verdicts: tuple[Verdict, ...]
    structural: tuple[int, ...]
    notes: tuple[str, ...]
    paths: Sequence[Array] | None = None


@dataclass(frozen=True, repr=False)
class Findings:
    """Everything that was found about a run.

    Attributes
    ----------
    description : Description
    steps : tuple of int
        Of the checkpoints.
    files : sequence of str
    circuits : sequence of System
        One a checkpoint: latent circuits, or the networks themselves. An analysis that was loaded has latent circuits
        only; for other networks it is empty.
    points : sequence of SlowPoints
        One a checkpoint; of long runs they are made anew when they are asked for.
    tracks : Tracks
        Branches, and the branch of every point.
    pairs : tuple of PairTrack
        The complex pair of every branch that is a ghost somewhere.
    starts : sequence of (float, int or None), or None
        κ(0) of the trial (in many dimensions, its projection on the diagram's axis), and the branch it ends on, at
        every checkpoint; None without a trial.
    losses : Losses
    events : tuple of Event
    verdicts : tuple of Verdict
        One a loss drop.
    structural : tuple of int
        Id of the event of every crossing of `tracks`.
    paths : sequence of ndarray (trials, times, dim), or None
        Of trials in many dimensions, what `visited` gives, one a checkpoint.
    """

    description: Description
    steps: tuple[int, ...]
    files: Sequence[str]
    circuits: Sequence[System] = field(repr=False)
    points: Sequence[SlowPoints] = field(repr=False)
    tracks: Tracks = field(repr=False)
    pairs: tuple[PairTrack, ...] = field(repr=False)
    starts: Sequence[End] | None = field(repr=False)
    losses: Losses = field(repr=False)
    events: tuple[Event, ...]
    verdicts: tuple[Verdict, ...]
    structural: tuple[int, ...] = field(repr=False)
    paths: Sequence[Array] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._told()})"

    def _repr_html_(self) -> str:
        found = table(self._told(), EVENT_COLUMNS, [event.row for event in self.events])
        return found + table("verdicts", VERDICT_COLUMNS, [one.row for one in self.verdicts])

    def _told(self) -> str:
        kinds = ((self.steps, "checkpoint"), (self.branches, "branch"), (self.events, "event"))
        counts = ", ".join(counted(len(some), noun).replace("branchs", "branches") for some, noun in kinds)
        answers = ", ".join(f"{one.verdict.value} ({one.grade.value})" for one in self.verdicts)
        return f"{self.description.source}: {counts}; {answers or 'no drop of the loss'}"

    @property
    def branches(self) -> tuple[Branch, ...]:
        return self.tracks.branches

    @property
    def seed(self) -> int:
        """Of whatever was random in the search; 0 where nothing was."""
        if self.description.dim == 1:
            return 0
        return next((points.seed for points in self.points if points.seed is not None), 0)

    @cached_property
    def graph(self) -> "Graph":
        """Branch segments and events as nodes (`trajectories.graph`)."""
        return self.event_graph(list)

    def event_graph(self, numbers: "Numbers") -> "Graph":
        """The same graph, made anew; `numbers` makes the steps and places of a segment from its series."""
        from dynaghost.trajectories.graph import event_graph

        span = (self.steps[0], self.steps[-1])
        return event_graph(self.branches, self.events, self.verdicts, self.structural, span, numbers=numbers)

    def visited(self, step: int) -> Array | None:
        """The states that trials visit at a checkpoint: (trials, times, dim), in the coordinates of the slow points.

        Parameters
        ----------
        step : int

        Returns
        -------
        ndarray or None
            Of at most 8 trials at 60 times, more of them at the beginning; in one dimension of the trial at every
            iteration. None where no trial is known, or in one dimension no leak.

        Raises
        ------
        DynaghostError
            If there is no such checkpoint.

        Examples
        --------
        >>> from dynaghost.analysis import analyze
        >>> from dynaghost.checkpoints.run import load_run
        >>> result = analyze(load_run([{"m": [0.0], "n": [1.0], "b": [0.0]}], leak=0.5, x0=1.0, trial_steps=3))
        >>> result.visited(0).shape
        (1, 4, 1)
        """
        if step not in self.steps:
            known = f"{self.steps[0]} to {self.steps[-1]}"
            raise DynaghostError(f"step: expected one of the {len(self.steps)} checkpoints, {known}, got {step!r}")
        e = self.steps.index(step)
        if self.paths is not None:
            return self.paths[e]
        circuit = self.circuits[e] if self.circuits else None
        if self.starts is None or self.description.trial is None or not isinstance(circuit, RankOneCircuit):
            return None
        visited = kappas(circuit, self.starts[e][0], self.description.trial.steps)
        return None if visited is None else visited[None, :, None]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dict a slow point and checkpoint, as in `analysis.json`."""
        for step, points, labels in zip(self.steps, self.points, self.tracks.labels, strict=True):
            yield from point_rows(step, points, labels.roots + labels.ghosts)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row a slow point and checkpoint; NaN where a number is missing.

        Raises
        ------
        DynaghostError
            If pandas, the extra `dynaghost[pandas]`, is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise DynaghostError("to_dataframe: expected pandas, got none: pip install 'dynaghost[pandas]'") from error
        rows = list(self.rows())
        frame = pandas.DataFrame({name: [row[name] for row in rows] for name in _COLUMNS})
        return frame.astype({name: kind for name, kind in _COLUMNS.items() if kind})


# Columns of the table, and the types of the numbers: a column of Nones alone would be one of objects.
_COLUMNS = {
    "step": "int64",
    "kind": "",
    "x": "",
    "branch": "int64",
    "speed": "float64",
    "stability": "",
    "degenerate": "bool",
    "passage_time": "float64",
    "certificate": "",
    "radius": "float64",
}


def point_rows(step: int, points: SlowPoints, branches: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """One dict a slow point of a checkpoint, with the branch that each is on."""
    for point, branch in zip(points.points, branches, strict=True):
        yield {
            "step": step,
            "kind": point.kind.value,
            "x": point.x.tolist(),
            "branch": branch,
            **(_of_fixed_point(point) if isinstance(point, FixedPoint) else _of_ghost(point)),
            "certificate": point.certificate.value,
            "radius": point.radius,
        }


def _of_fixed_point(point: FixedPoint) -> dict[str, Any]:
    return {"speed": 0.0, "stability": point.stability, "degenerate": point.degenerate, "passage_time": None}


def _of_ghost(point: Ghost) -> dict[str, Any]:
    return {"speed": point.speed, "stability": None, "degenerate": False, "passage_time": point.passage_time}
