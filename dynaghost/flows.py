"""The two flows of a run, for networks of rank one and for all others: what is computed of a batch, and of all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dynaghost.checkpoints.readouts import readout_of
from dynaghost.checkpoints.recognize import Recognized, recognize
from dynaghost.checkpoints.recognizer import Rereader
from dynaghost.checkpoints.run import Run
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import DynaghostError
from dynaghost.packed import Aside, Block, made, uncollected
from dynaghost.slowpoints.records import SlowPoints
from dynaghost.systems.base import System
from dynaghost.trajectories import on_line
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.drops import DropRule
from dynaghost.trajectories.findings import Batch, Outcome
from dynaghost.trajectories.trial import Trial

if TYPE_CHECKING:
    from dynaghost.trajectories.course import Course
    from dynaghost.trajectories.kept_stories import Stories
    from dynaghost.trajectories.line_trials import LineTrials

Compute = Callable[[tuple[int, ...], Sequence[System]], Batch]
"""From the steps and networks of a batch, and one more of each, to what is found about it."""


class Line:
    """The flow of runs whose networks are of rank one."""

    def __init__(self, run: Run, drops: DropRule | None) -> None:
        self.run, self.losses, self.batch = run, losses_of(run, drops), on_line.batch_of(len(run))

    @property
    def compute(self) -> Compute:
        return partial(on_line.compute, trial=self._trial, size=self.batch)

    @property
    def _trial(self) -> Trial | None:
        """The one that starts at x0; trials that are given are told instead of it."""
        return None if _has_trials(self.run.settings) else trial_of(self.run.settings)

    def conclude(self, batches: Sequence[Batch]) -> Outcome:
        trials = self._trials if _has_trials(self.run.settings) else None
        with uncollected():
            return on_line.conclude(self.run.steps, batches, self._trial, self.losses, trials=trials)

    def hold(self, batch: Batch) -> Batch:
        """A batch as it is."""
        return batch

    def lacks(self, batch: Batch) -> bool:
        """Whether all of a batch is known but where the trial ends, as after a change of the trial."""
        return self._trial is not None and not len(batch.ends)

    def _trials(self, course: "Course") -> "LineTrials":
        from dynaghost.trajectories.line_trials import LineTrials  # late: most runs need nothing of it

        return LineTrials(course, _visits(self.run), self._readout, self.run.settings.delay)

    def _readout(self, e: int, network: System) -> Any:
        from dynaghost.trajectories.line_trials import on_kappa

        threshold = self.run.settings.threshold
        return _readout(self.run, e, network) if threshold is None else on_kappa(network, threshold)


class Space:
    """The flow of all other runs."""

    def __init__(self, run: Run, n_jobs: int, drops: DropRule | None, links: "Stories | None" = None) -> None:
        from dynaghost.trajectories import in_space  # late: runs of rank one need nothing of it

        self.run, self.n_jobs, self.flow, self.batch = run, n_jobs, in_space, in_space.BATCH
        self.losses, self.links = losses_of(run, drops), links
        given = run.settings
        visited = partial(_states_of_trials, run) if given.starts_at_trials else None
        self.search = in_space.Search(given.own_starts, given.seed, given.budget, visited)
        self.aside = Aside()

    @property
    def compute(self) -> Compute:
        return partial(self.flow.compute, search=self.search)

    def conclude(self, batches: Sequence[Batch]) -> Outcome:
        read = Rereader(self.run.checkpoints, self.run.settings)
        return self.flow.conclude(
            self.run.steps,
            made(read, len(self.run), self.batch),
            batches,
            _visits(self.run),
            self.losses,
            readouts=partial(_readout, self.run),
            delay=self.run.settings.delay,
            apply=self._apply,
            kept=self.links,
        )

    def hold(self, batch: Batch) -> Batch:
        """A batch whose points are set aside."""
        points = batch.points if isinstance(batch.points, Block) else Block.of(SlowPoints, tuple(batch.points))
        return replace(batch, points=points.set_aside(self.aside))

    def lacks(self, batch: Batch) -> bool:
        """Never: no batch has what depends on trials."""
        return False

    def _apply(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        if self.n_jobs == 1:
            return map(function, items)
        from joblib import Parallel, delayed

        # One after the other, so that each can be kept while others are computed.
        return Parallel(n_jobs=self.n_jobs, return_as="generator")(delayed(function)(item) for item in items)


Flow = Line | Space


def flow_of(
    run: Run, first: Recognized, n_jobs: int, drops: DropRule | None = None, links: "Stories | None" = None
) -> Flow:
    """The flow that serves a run, by its first network."""
    return Line(run, drops) if on_line.serves(first.system) else Space(run, n_jobs, drops, links)


def losses_of(run: Run, drops: DropRule | None) -> Losses:
    """What a run's metrics tell, and what counts as a drop."""
    return Losses(run.metrics.steps, run.metrics.loss, run.metrics.grad_norm, drops or DropRule())


def trial_of(settings: Settings) -> Trial | None:
    """The one trial that starts at x0; None where no x0 is given."""
    if settings.x0 is None:
        return None
    return Trial(settings.x0, settings.trial_steps, settings.delay, settings.threshold)


def _has_trials(settings: Settings) -> bool:
    """Whether trials are given that can be simulated: with inputs, or from several first states."""
    trials = settings.trials
    return trials is not None and (trials.inputs is not None or trials.initial is not None)


def _visits(run: Run) -> Any:
    """How trials are simulated at each checkpoint; None where none is known."""
    from dynaghost.trajectories.space_trials import from_trials, from_x0

    given, trial = run.settings, trial_of(run.settings)
    if given.trials is not None and given.trials.inputs is not None:
        _check_recorded(run)
        return from_trials(given.trials, given.period_of_trials(), given.context, partial(_drive, run))
    if given.trials is not None and given.trials.initial is not None:
        return from_x0(Trial(given.trials.initial, given.trial_steps, given.delay, given.threshold))
    return None if trial is None else from_x0(trial)


def _states_of_trials(run: Run, step: int) -> Any:
    """States (many, units) that the trials visit in the period analyzed: recorded ones, else those of a simulation."""
    given = run.settings
    if given.trials is None or (given.trials.states is None and given.trials.inputs is None):
        raise DynaghostError("starts: expected trials with inputs or recorded states beside 'trials', got none")
    return given.trials.states_in(given.period_of_trials(), given.context, _drive(run, run.steps.index(step)))


def _readout(run: Run, e: int, network: System) -> Any:
    """The readout of a checkpoint; None where none is known."""
    from dynaghost.trajectories.outputs import Readout, reads_states

    found = readout_of(run.checkpoints[e].read(), network, run.settings.trials)
    if found is None or not reads_states(network):
        return None
    return Readout(found.weights, found.bias, run.settings.threshold or 0.0, found.name, found.largest)


def _check_recorded(run: Run) -> None:
    """Recorded states are those of the network that was trained, the last checkpoint."""
    trials = run.settings.trials
    if trials is not None and trials.states is not None:
        trials.check(_drive(run, len(run) - 1))


def _drive(run: Run, e: int) -> Callable[[Any], System]:
    """From a constant input to the network of a checkpoint under it."""
    checkpoint = run.checkpoints[e]
    arrays = checkpoint.read()
    return lambda value: recognize(arrays, replace(run.settings, inputs=value), checkpoint.file).system
