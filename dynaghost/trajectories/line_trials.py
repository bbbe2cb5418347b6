"""Trials with inputs over time, or several first states, of a run of rank one: told as in many dimensions, on κ."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dynaghost.packed import Mapped
from dynaghost.systems.base import Array, System
from dynaghost.systems.low_rank import Form, LowRankRNN
from dynaghost.trajectories.course import Course
from dynaghost.trajectories.events import Event
from dynaghost.trajectories.outputs import Readout
from dynaghost.trajectories.space_course import SpaceCourse, half_zone_in_space, trial_events
from dynaghost.trajectories.space_records import SpaceTracks, principal_axis
from dynaghost.trajectories.space_trials import Visits
from dynaghost.trajectories.space_verdict import answers_between
from dynaghost.trajectories.visits import Visit

_KEPT = 64  # checkpoints whose trials are remembered


@dataclass(slots=True)
class LineTrials:
    """What trials do along a run of rank one, simulated when it is asked for.

    Attributes
    ----------
    course : Course
    visits : Visits
    readouts : callable
        The readout of a checkpoint, from its index and network; None where none is known.
    delay : float or None
        The task's, in τ.
    """

    course: Course
    visits: Visits
    readouts: Callable[[int, System], Readout | None]
    delay: float | None
    _known: OrderedDict[int, Visit] = field(default_factory=OrderedDict)

    def visit(self, e: int) -> Visit:
        """The trials at checkpoint `e`."""
        if e not in self._known:
            self._known[e] = self.visits(e, self.course.networks[e], self.course.points[e])
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[e]

    def felt(self, e: int) -> Array:
        """κ (states,) that they visit at checkpoint `e`."""
        return self.visit(e).visited.ravel()

    def told(self, low: int, high: int) -> dict[str, Any]:
        """What the readout shows of them at two checkpoints, as evidence of a verdict."""
        return answers_between(self.space, low, high)

    def events(self) -> Iterator[Event]:
        """Captures, crossings of the readout and no-learning zones."""
        return trial_events(self.space)

    def notes(self, events: Sequence[Event]) -> tuple[str, ...]:
        """Where one half of a no-learning zone holds only."""
        return half_zone_in_space(self.space, events)

    @property
    def starts(self) -> list[tuple[float, int | None]]:
        """κ of the first trial at the beginning of the period, and the branch on which it ends, a checkpoint each."""
        each = ((self.visit(e), self.space.ends(e)) for e in range(len(self.course.steps)))
        return [(float(visit.visited.ravel()[0]), ends[0] if ends else None) for visit, ends in each]

    @property
    def space(self) -> SpaceCourse:
        """The run as one in many dimensions."""
        course, every = self.course, range(len(self.course.steps))
        return SpaceCourse(
            course.steps,
            course.circuits,
            course.points,
            SpaceTracks(course.steps, (), (), course.tracks.labels, principal_axis((), 1)),
            Mapped(self.visit, every),
            course.losses,
            course.networks,
            Mapped(self._readout, every),
            self.delay,
            self.visits.starts,
        )

    def _readout(self, e: int) -> Readout | None:
        return self.readouts(e, self.course.networks[e])


def on_kappa(network: System, threshold: float) -> Readout | None:
    """A threshold on κ = n·x as a readout of the state; None in current form, where κ is of rates.

    Examples
    --------
    >>> network = LowRankRNN([[1.0], [1.0]], [[2.0, 1.0]], [0.0, 0.0])
    >>> on_kappa(network, 0.5).margins([1.0, 1.0]).tolist()
    [2.5]
    """
    if not isinstance(network, LowRankRNN) or network.form is not Form.RATE:
        return None
    return Readout(network.n[0], 0.0, threshold, "κ")
