"""A callback for the Trainer of Hugging Face's transformers."""

from collections.abc import Callable
from typing import Any

from dynaghost.errors import DynaghostError
from dynaghost.monitor.recorder import Monitor


def hugging_face_callback(make: Callable[[Any], Monitor]) -> Any:
    """A callback that monitors what a `Trainer` trains.

    Parameters
    ----------
    make : callable
        From the model to a Monitor of it, or of a part of it; called when training begins. The losses kept are those
        that the trainer logs, so `logging_steps` says how many there are.

    Returns
    -------
    transformers.TrainerCallback
        Its `monitor` is the Monitor, None before training; only the first of several processes has one.

    Raises
    ------
    DynaghostError
        If transformers is not installed.

    Examples
    --------
    A callback for `Trainer(callbacks=[callback])`::

        callback = hugging_face_callback(lambda model: Monitor(model.rnn, "runs/seed7", every=50))
    """
    if not callable(make):
        raise DynaghostError(f"make: expected a function from a model to a Monitor, got {type(make).__name__}")
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise DynaghostError(
            "hugging_face_callback: expected transformers, got none: pip install transformers"
        ) from error
    return _callback_class(TrainerCallback)(make)


def _callback_class(base: Any) -> Any:
    class DynaghostCallback(base):
        """Calls a Monitor after every step of the optimizer."""

        def __init__(self, make: Callable[[Any], Monitor]) -> None:
            super().__init__()
            self.make, self._done = make, 0
            self.monitor: Monitor | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            if state.is_world_process_zero:
                self.monitor = self.make(model)
                self._done = state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.monitor is not None:
                self.monitor.step(updates=state.global_step - self._done)
                self._done = state.global_step

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if self.monitor is not None and "loss" in (logs or {}):
                self.monitor.record(float(logs["loss"]), logs.get("grad_norm"))

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.monitor is not None:
                self.monitor.close()

    return DynaghostCallback
