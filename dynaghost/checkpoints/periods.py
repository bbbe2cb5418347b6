"""Which period of the trials a run is analyzed in, in words, and the same run in each of its periods."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError, counted

if TYPE_CHECKING:
    from dynaghost.checkpoints.run import Run

EVERY = "all"
"""What the command line calls every period, where none of them has this name."""


def period_told(settings: Settings) -> tuple[str, ...]:
    """Under which constant input a network is analyzed, where trials say it: a sentence, or nothing.

    Examples
    --------
    >>> from dynaghost.systems.trials import Trials
    >>> trials = Trials.of(inputs=np.zeros((2, 6, 1)), periods={"cue": (0, 2), "delay": (2, 6)})
    >>> period_told(Settings(trials=trials))
    ('period delay of the trials (steps 2 to 6 of 6), input 0, in 2 of 2 trials; others: cue',)
    """
    trials = settings.trials
    if trials is None or trials.inputs is None:
        return ()
    period = settings.period_of_trials()
    value = ", ".join(f"{number:.4g}" for number in period.inputs[settings.context])
    with_it = int(np.sum(period.context == settings.context))
    contexts = len(period.inputs)
    which = f" (context {settings.context} of {contexts})" if contexts > 1 else ""
    others = ", ".join(one.name for one in trials.periods() if one.name != period.name)
    return (
        f"period {period.name} of the trials (steps {period.start} to {period.stop} of {trials.steps}), input {value}"
        f"{which}, in {with_it} of {counted(len(period.context), 'trial')}" + (f"; others: {others}" if others else ""),
    )


def in_every_period(run: "Run") -> "dict[tuple[str, int], Run]":
    """The same run under each constant input of each period of its trials.

    Parameters
    ----------
    run : Run
        With trials.

    Returns
    -------
    dict of (str, int) to Run
        By the name of the period and the number of its input, in the order of time.

    Raises
    ------
    CheckpointError
        If the run has no trials with inputs.

    Examples
    --------
    >>> from dynaghost.checkpoints.run import load_run
    >>> from dynaghost.systems.trials import Trials
    >>> trials = Trials.of(inputs=np.array([[1.0, 1, 0, 0], [-1, -1, 0, 0]]))
    >>> weights = {"weight_hh_l0": np.eye(2), "weight_ih_l0": np.ones((2, 1))}
    >>> list(in_every_period(load_run([weights], trials=trials)))
    [('period 0', 0), ('period 0', 1), ('period 1', 0)]
    """
    trials = run.settings.trials
    if trials is None or trials.inputs is None:
        raise CheckpointError(f"{run.source}: expected trials with inputs (trials=, --trials), got none")
    told = period_told(run.settings)
    found = {}
    for period in trials.periods():
        for context in range(len(period.inputs)):
            undriven = dataclasses.replace(run.settings, period=period.name, context=context, inputs=None)
            notes = (*(note for note in run.notes if note not in told), *period_told(undriven))
            found[period.name, context] = dataclasses.replace(run, settings=undriven.driven(), notes=notes)
    return found


def wants_every(settings: Settings, period: str | None) -> bool:
    """Whether a period asked for by name is every period."""
    names = () if settings.trials is None else [one.name for one in settings.trials.periods()]
    return period == EVERY and EVERY not in names
