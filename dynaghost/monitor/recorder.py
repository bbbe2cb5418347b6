"""`Monitor`: keeps checkpoints and losses of a training, and tells what happens to its slow points meanwhile."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dynaghost.checkpoints.run import load_run
from dynaghost.errors import DynaghostError, counted
from dynaghost.monitor.background import Background
from dynaghost.monitor.folder import Folder, Row
from dynaghost.monitor.loggers import adapter, finish
from dynaghost.monitor.schedule import EVERY, SHARE, Allowance, Schedule, Weights
from dynaghost.monitor.watch import Failure, Observation, Task
from dynaghost.monitor.weights import activation_of, check_recognized, copy_weights, gradient_norm
from dynaghost.systems.trials import Trials
from dynaghost.trajectories.events import Event


class Monitor:
    """Analysis during a training of yours, which goes on bit by bit as it would without.

    Call `step(loss)` after every update of the optimizer, or `attach(optimizer)` once. Every so many updates weights
    are copied; some of these copies are analyzed in another process of low priority, and what is found comes
    back at a later call, in your own thread. Checkpoints, `metrics.csv` and `run.json` are kept in a folder that
    `dynaghost analyze` reads afterwards.

    Parameters
    ----------
    model : torch.nn.Module
        The recurrent network or a module around it. It is read, never run, never changed.
    folder : path
        Where the run is kept.
    every : int, optional
        Updates between two analyses. By default weights are looked at every 50 updates, for the checkpoints and the
        losses, and analyzed as often as takes 1 % of the training's time, and once more at the end. Nothing is lost:
        what lies between two analyses is in the folder.
    mapping, transpose, form, scale, leak, time, activation, layer, inputs, x0, delay, threshold, starts, seed, budget
        What the weights do not say, as in `load_run`; so are `trials`, `period` and `context`.
    loggers : sequence, optional
        Where `dynaghost/n_fixed_points`, `n_stable`, `n_ghosts`, `min_speed`, `passage_time` and counts of events go:
        a TensorBoard SummaryWriter, a W&B run, mlflow, a logger of Lightning's, or a function of a dict and a step.
        W&B gets one result with each row of yours, under `dynaghost/step`, and at the end what is left in rows of
        its own: log what you give a step of yours before that.
    on_event : callable, optional
        Called with every Event.
    on_no_learning_zone : callable, optional
        Called with the Event at the first sign of a no-learning zone: lower the confidence or the learning rate there.
    first_step : int, optional
        Updates done before, where a training goes on in the same folder.
    most : int, optional
        Most checkpoints kept around falls of the loss; those spaced like the logarithm come on top.
    pending : int, optional
        Most analyses that wait; further ones are dropped, checkpoints never.

    Attributes
    ----------
    updates : int
        Updates counted.
    latest : Observation or None
        The last look that came back.
    events : list of Event
        Since the beginning. Without a trial (`x0` or `trials`) none says where a trial ends.
    failures : list of Failure
        Analyses that failed; the first one is a warning, too.

    Raises
    ------
    DynaghostError
        If the weights are not recognized, the folder holds a run, or an argument is out of its range.

    Examples
    --------
    >>> import tempfile, torch
    >>> rnn = torch.nn.RNN(1, 4)
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(rnn, folder, every=10) as monitor:
    ...     for _ in range(10):
    ...         monitor.step(loss=1.0)
    ...     monitor.close()
    ...     monitor.latest.step, len(load_run(folder))
    (10, 2)
    """

    def __init__(
        self,
        model: Any,
        folder: str | PathLike[str],
        *,
        every: int | None = None,
        mapping: Mapping[str, str] | None = None,
        transpose: bool | None = None,
        form: str | None = None,
        scale: float | None = None,
        leak: float | None = None,
        time: str | None = None,
        activation: str | None = None,
        layer: str | None = None,
        inputs: float | np.ndarray | None = None,
        x0: float | np.ndarray | None = None,
        delay: float | None = None,
        threshold: float | None = None,
        starts: int | np.ndarray | None = None,
        seed: int | None = None,
        budget: int | None = None,
        trials: Trials | None = None,
        period: str | None = None,
        context: int | None = None,
        loggers: Sequence[Any] = (),
        on_event: Callable[[Event], Any] | None = None,
        on_no_learning_zone: Callable[[Event], Any] | None = None,
        first_step: int = 0,
        most: int = 1000,
        pending: int = 16,
    ) -> None:
        if isinstance(pending, bool) or not isinstance(pending, int) or pending < 1:
            raise DynaghostError(f"pending: expected a whole number of at least 1, got {pending!r}")
        weights = copy_weights(model)
        self.model, self.updates = model, first_step
        self.latest: Observation | None = None
        self.events: list[Event] = []
        self.failures: list[Failure] = []
        self._schedule = Schedule(EVERY if every is None else every, most, first_step)
        self._sparing = every is None
        self._allowance = Allowance(SHARE if self._sparing else math.inf)
        self._loggers = [adapter(logger) for logger in loggers]
        self._actions = (on_event, on_no_learning_zone)
        options: dict[str, Any] = {"mapping": mapping, "transpose": transpose, "form": form, "scale": scale}
        options |= {"leak": leak, "time": time, "activation": activation or activation_of(model, layer)}
        options |= {"layer": layer, "inputs": inputs, "x0": x0, "delay": delay, "threshold": threshold}
        options |= {"starts": starts, "seed": seed, "budget": budget}
        options |= {"trials": trials, "period": period, "context": context}
        self._begin(Path(folder), weights, options, pending)

    def _begin(self, folder: Path, weights: Weights, options: dict[str, Any], pending: int) -> None:
        settings = load_run([weights], **options).settings
        check_recognized(self.model, weights, settings)
        self._folder = Folder(folder, settings, self.updates)
        self._background = Background(options, pending, 19 if self._sparing else 10)
        self._rows: list[tuple[int, Any, float | None]] = []
        self._unsent: list[Row] = []
        self._counts: Counter[str] = Counter()
        self._closed, self._written, self._asked = False, -1, -1
        self._look(weights)

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return self._folder.path

    @property
    def dropped(self) -> int:
        """Analyses that were left out, since too many were waiting or the process had ended."""
        return self._background.dropped

    @property
    def not_kept(self) -> int:
        """Checkpoints around falls of the loss beyond `most`."""
        return self._schedule.not_kept

    def record(self, loss: Any, grad_norm: float | None = None) -> None:
        """The loss of the weights as they are now, before their update; for `attach`, where no call gives it.

        The last one before an update counts.

        Parameters
        ----------
        loss : float or tensor of one element
        grad_norm : float, optional
            Of the gradient that the update follows; by default it is taken from the model every so many updates.
        """
        if self._rows and self._rows[-1][0] == self.updates:
            self._rows.pop()
        self._rows.append((self.updates, loss.detach() if hasattr(loss, "detach") else loss, grad_norm))

    def step(self, loss: Any = None, *, grad_norm: float | None = None, updates: int = 1) -> None:
        """To be called after each update of the optimizer.

        Parameters
        ----------
        loss : float or tensor of one element, optional
            That the update was computed from.
        grad_norm : float, optional
            As in `record`.
        updates : int, optional
            How many there were since the last call.

        Raises
        ------
        DynaghostError
            If the monitor is closed.
        """
        if self._closed:
            raise DynaghostError("monitor: expected an open one, got a step after close()")
        if loss is not None:
            self.record(loss, grad_norm)
        self.updates += updates
        if self._schedule.due(self.updates):
            self._look(copy_weights(self.model))
        self._tell()

    def attach(self, optimizer: Any) -> Any:
        """Call `step` after each step of a torch optimizer; `record(loss)` gives the losses.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer

        Returns
        -------
        handle
            Its `remove()` ends it.
        """
        return optimizer.register_step_post_hook(lambda *_: self.step())

    def add_loggers(self, loggers: Sequence[Any]) -> None:
        """Loggers beside those given at the beginning; they get what comes from now on."""
        self._loggers += [adapter(logger) for logger in loggers]

    def close(self, timeout: float | None = None) -> None:
        """Keep the last weights and losses, wait for the analyses that are waiting, and end the other process.

        Parameters
        ----------
        timeout : float, optional
            Most seconds to wait; what is not done then is dropped.
        """
        if self._closed:
            return
        self._closed = True
        self._unsent += self._flush()
        if self._written != self.updates or self._asked != self.updates:
            self._end(copy_weights(self.model), timeout)
        self._background.close(timeout)
        self._tell()
        for log in self._loggers:
            finish(log)

    def _end(self, weights: Weights, timeout: float | None) -> None:
        """Keep the last weights; where somebody waits for it, analyze them too."""
        if self._written != self.updates:
            self._write(self.updates, weights)
        if self._sparing and self._asked != self.updates and timeout is None:
            self._submit(weights)

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error nobody wants to wait.
        self.close(None if kind is None else 0.0)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return (
            f"Monitor({str(self.folder)!r}, {state}: {counted(self.updates, 'update')}, "
            f"{counted(len(self.events), 'event')}, {self.dropped} dropped, {len(self.failures)} failed)"
        )

    def _look(self, weights: Weights) -> None:
        """Keep what the schedule says, and have the weights analyzed."""
        rows = self._flush()
        self._unsent += rows
        losses = [loss for _, loss, _ in rows if loss is not None]
        for step, kept in self._schedule.keep(self.updates, weights, losses):
            self._write(step, kept)
        if self._allowance.begun():
            self._submit(weights)

    def _submit(self, weights: Weights) -> None:
        if self._background.submit(Task(self.updates, weights, self._unsent)):
            self._unsent, self._asked = [], self.updates
        else:
            self._allowance.took(None)

    def _write(self, step: int, weights: Weights) -> None:
        self._folder.write(step, weights)
        self._written = step

    def _flush(self) -> list[Row]:
        """Write the losses of the updates since the last look; the last one with the gradient's norm."""
        taken, self._rows = self._rows, []
        if not taken:
            return []
        rows = [(step, None if loss is None else float(loss), norm) for step, loss, norm in taken]
        step, loss, norm = rows[-1]
        if norm is None and step == self.updates - 1:
            rows[-1] = (step, loss, gradient_norm(self.model))
        self._folder.append(rows)
        return rows

    def _tell(self) -> None:
        """What came back from the other process, to loggers and the user's actions."""
        for found in self._background.results():
            self._allowance.took(getattr(found, "seconds", None))
            if isinstance(found, Failure):
                self._fail(found)
                continue
            self.latest = found
            happened = [*found.events, *filter(None, [found.no_learning_zone])]
            self._log(found, happened)
            for event in happened:
                self._act(event, zone=event is found.no_learning_zone)

    def _fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        if len(self.failures) == 1:
            where = "" if failure.step < 0 else f" at update {failure.step}"
            warnings.warn(f"monitor: analysis failed{where}: {failure.reason}", RuntimeWarning, stacklevel=4)

    def _log(self, found: Observation, happened: Sequence[Event]) -> None:
        self._counts.update(event.kind.value for event in happened)
        kinds = {event.kind.value for event in happened}
        values = found.values | {f"dynaghost/events/{kind}": float(self._counts[kind]) for kind in sorted(kinds)}
        for log in self._loggers:
            log(values, found.step)

    def _act(self, event: Event, *, zone: bool) -> None:
        self.events.append(event)
        on_event, on_zone = self._actions
        if zone:
            warnings.warn(
                f"monitor: no-learning zone: the gradient is gone since update {event.before:g}, and the trial ends in "
                "another basin than before: a lower confidence of the readout or a lower rate may bring it back",
                RuntimeWarning,
                stacklevel=4,
            )
        if on_event is not None:
            on_event(event)
        if zone and on_zone is not None:
            on_zone(event)
