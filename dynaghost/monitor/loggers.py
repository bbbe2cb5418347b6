"""Numbers to whatever logger the user has, known by what it can do: none of them is imported."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from dynaghost.errors import DynaghostError

Log = Callable[[Mapping[str, float], int], None]


def adapter(logger: Any) -> Log:
    """A function of values by name and a step that writes them to a logger.

    Parameters
    ----------
    logger
        A TensorBoard SummaryWriter (`add_scalar`); mlflow or a logger of Lightning's (`log_metrics`); an object with
        `log_metric`; a run of W&B's (`log`); or a function of a dict and a step.

    Raises
    ------
    DynaghostError
        If it is none of these.

    Examples
    --------
    >>> seen = []
    >>> adapter(lambda values, step: seen.append((step, values)))({"dynaghost/n_ghosts": 1.0}, 50)
    >>> seen
    [(50, {'dynaghost/n_ghosts': 1.0})]
    """
    for method, make in _KINDS:
        if callable(getattr(logger, method, None)):
            return make(logger)
    if callable(logger):
        return lambda values, step: logger(dict(values), step)
    raise DynaghostError(
        "loggers: expected a SummaryWriter, mlflow, a W&B run, a logger of Lightning's, or a function of a dict and a "
        f"step, got {type(logger).__name__}"
    )


def _tensorboard(writer: Any) -> Log:
    def log(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    return log


def _metrics(logger: Any) -> Log:
    return lambda values, step: logger.log_metrics(dict(values), step=step)


def _metric(logger: Any) -> Log:
    def log(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            logger.log_metric(name, value, step=step)

    return log


class _Rows:
    """Results as rows of a W&B run.

    Results come later than their step, and W&B takes no step that is past: each goes with the user's next row, which
    is not counted up. A row holds one value a name, so of several results before that row the later ones wait.
    """

    def __init__(self, run: Any) -> None:
        if callable(getattr(run, "define_metric", None)):
            run.define_metric("dynaghost/*", step_metric="dynaghost/step")
        self._run = run
        self._waiting: deque[dict[str, float]] = deque()
        self._joined: int | None = None

    def __call__(self, values: Mapping[str, float], step: int) -> None:
        self._waiting.append({**values, "dynaghost/step": step})
        if self._run.step != self._joined:
            self._joined = self._run.step
            self._run.log(self._waiting.popleft(), commit=False)

    def close(self) -> None:
        """Rows of their own for the results that no row of the user's came for."""
        if self._waiting and self._run.step == self._joined:
            self._run.log({}, commit=True)
        while self._waiting:
            self._run.log(self._waiting.popleft(), commit=True)


def finish(log: Log) -> None:
    """Write what a logger still waits with."""
    if isinstance(log, _Rows):
        log.close()


_KINDS: tuple[tuple[str, Callable[[Any], Log]], ...] = (
    ("add_scalar", _tensorboard),
    ("log_metrics", _metrics),
    ("log_metric", _metric),
    ("log", _Rows),
)
