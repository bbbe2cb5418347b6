"""A callback for Lightning's Trainer."""

import sys
from collections.abc import Callable
from typing import Any

from dynaghost.errors import DynaghostError
from dynaghost.monitor.recorder import Monitor


def lightning_callback(make: Callable[[Any], Monitor]) -> Any:
    """A callback that monitors what `Trainer.fit` trains; the trainer's loggers get the numbers too.

    Parameters
    ----------
    make : callable
        From the LightningModule to a Monitor of it, or of a part of it; called when training begins. A training that
        goes on from a checkpoint wants `first_step` = the module's `global_step`.

    Returns
    -------
    pytorch_lightning.Callback
        Its `monitor` is the Monitor, None before training; only the first of several processes has one.

    Raises
    ------
    DynaghostError
        If Lightning is not installed.

    Examples
    --------
    A callback for `Trainer(callbacks=[callback])`::

        callback = lightning_callback(lambda module: Monitor(module.rnn, "runs/seed7", every=50))
    """
    if not callable(make):
        raise DynaghostError(f"make: expected a function from a module to a Monitor, got {type(make).__name__}")
    return _callback_class()(make)


def _callback_class() -> Any:
    """The class, made when it is first needed; of the package that the user trains with, which has two names."""
    try:
        if "lightning.pytorch" in sys.modules:
            from lightning.pytorch import Callback
        else:
            from pytorch_lightning import Callback
    except ImportError as error:
        raise DynaghostError(
            "lightning_callback: expected Lightning, got none: pip install pytorch-lightning"
        ) from error

    class DynaghostCallback(Callback):
        """Calls a Monitor after every step of the optimizers."""

        def __init__(self, make: Callable[[Any], Monitor]) -> None:
            super().__init__()
            self.make, self._done = make, 0
            self.monitor: Monitor | None = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                self.monitor = self.make(pl_module)
                self.monitor.add_loggers(trainer.loggers)
                self._done = trainer.global_step

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            # Gradients may be gathered over several batches.
            if self.monitor is not None and trainer.global_step > self._done:
                loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
                self.monitor.step(loss, updates=trainer.global_step - self._done)
                self._done = trainer.global_step

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            if self.monitor is not None:
                self.monitor.close()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            if self.monitor is not None:
                self.monitor.close(timeout=0.0)

    return DynaghostCallback
