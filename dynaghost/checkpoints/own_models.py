"""Systems that the user's own function makes of a checkpoint's arrays."""

import traceback
from collections.abc import Callable
from typing import Any

from dynaghost.checkpoints.layers import Arrays
from dynaghost.checkpoints.settings import Settings
from dynaghost.errors import CheckpointError, DynaghostError
from dynaghost.systems.base import System
from dynaghost.systems.module import from_object


def name_of(model: Callable[..., Any]) -> str:
    """MODULE:FUNCTION, as `--model` takes it.

    Examples
    --------
    >>> name_of(name_of)
    'dynaghost.checkpoints.own_models:name_of'
    """
    named = model if hasattr(model, "__qualname__") else type(model)
    return f"{named.__module__}:{named.__qualname__}"


def built_by(model: Callable[..., Any], named: Arrays, settings: Settings, file: str) -> System:
    """The system of the module, callable or System that the function makes of these arrays.

    Raises
    ------
    CheckpointError
        If the function fails, or what it makes is no system.
    """
    name = name_of(model)
    try:
        made = model(dict(named))
        if isinstance(made, System):
            return made
        return from_object(made, inputs=settings.inputs, layer=settings.layer, time=settings.time, leak=settings.leak)
    except DynaghostError as error:
        hint = f": {name} may return as_system(module, dim=N)" if str(error).startswith("dim:") else ""
        raise CheckpointError(f"{file}: {name}: {error}{hint}") from error
    except Exception as error:  # whatever goes wrong in the user's code
        held = ", ".join(named)
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(
            f"{file}: {name}: expected a module of the arrays {held}, got {told}{_place(model, error)}"
        ) from error


def _place(model: Callable[..., Any], error: Exception) -> str:
    """The line of the user's file at which it failed."""
    own = getattr(getattr(model, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    return f" ({own}, line {lines[-1]})" if lines else ""
