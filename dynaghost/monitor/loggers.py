"""Numbers to whatever logger the user has, known by what it can do: none of them is imported."""

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


def _wandb(run: Any) -> Log:
    if callable(getattr(run, "define_metric", None)):
        run.define_metric("dynaghost/*", step_metric="dynaghost/step")

    # Results come later than their step, and W&B takes no step that is past: they go with the user's next row, which
    # is not counted up.
    return lambda values, step: run.log({**values, "dynaghost/step": step}, commit=False)


_KINDS: tuple[tuple[str, Callable[[Any], Log]], ...] = (
    ("add_scalar", _tensorboard),
    ("log_metrics", _metrics),
    ("log_metric", _metric),
    ("log", _wandb),
)
