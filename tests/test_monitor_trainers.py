"""The monitor under trainers that own the loop, and loggers of every kind."""

import numpy as np
import pytest
import torch

import dynaghost as dg
from dynaghost.monitor import hugging_face, hugging_face_callback, lightning_callback
from dynaghost.monitor.loggers import adapter, finish

BATCHES = [torch.randn(4, 3, 1, generator=torch.Generator().manual_seed(i)) for i in range(6)]

# What a trainer warns of is its own affair; a monitor's warnings are looked for by name.
foreign = pytest.mark.filterwarnings("default", "error:monitor")


class Network(torch.nn.Module):
    """A plain network with a readout and dropout; its output is the loss, as Hugging Face wants it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.rnn, self.drop, self.out = torch.nn.RNN(1, 2), torch.nn.Dropout(0.5), torch.nn.Linear(2, 1)

    def forward(self, x):
        return {"loss": (self.out(self.drop(self.rnn(x)[0])) ** 2).mean()}


def weights_of(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def lightning_run(tmp_path, callbacks, **options):
    lightning = pytest.importorskip("pytorch_lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = Network()

        def training_step(self, batch, _):
            return self.network(batch)["loss"]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    options |= {"accelerator": "cpu", "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_epochs=1, callbacks=callbacks, enable_model_summary=False, default_root_dir=tmp_path, **options
    )
    module = Module()
    trainer.fit(module, torch.utils.data.DataLoader(BATCHES, batch_size=None))
    return module


@foreign
def test_lightning_trains_the_same_and_its_loggers_hear_of_it(tmp_path):
    pytest.importorskip("tensorboard")
    from pytorch_lightning.loggers import TensorBoardLogger
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    plain = lightning_run(tmp_path, [], logger=False)
    callback = lightning_callback(lambda module: dg.Monitor(module.network, tmp_path / "run", every=2))
    logger = TensorBoardLogger(tmp_path / "board")
    watched = lightning_run(tmp_path, [callback], logger=logger)
    assert all(torch.equal(a, b) for a, b in zip(weights_of(plain), weights_of(watched), strict=True))
    assert (callback.monitor.updates, callback.monitor.latest.step, callback.monitor.failures) == (6, 6, [])
    run = dg.load_run(tmp_path / "run")
    assert [checkpoint.step for checkpoint in run] == [0, 2, 4, 6]
    assert len(run.metrics) == 6
    assert np.array_equal(run.checkpoints[-1].read()["rnn.weight_hh_l0"], watched.network.rnn.weight_hh_l0.detach())
    board = EventAccumulator(logger.log_dir).Reload()
    assert [event.step for event in board.Scalars("dynaghost/n_fixed_points")] == [0, 2, 4, 6]


@foreign
def test_lightning_updates_are_counted_not_batches(tmp_path):
    pytest.importorskip("pytorch_lightning")
    callback = lightning_callback(lambda module: dg.Monitor(module.network, tmp_path / "run", every=2))
    lightning_run(tmp_path, [callback], logger=False, accumulate_grad_batches=3)
    assert callback.monitor.updates == 2


def hugging_face_run(tmp_path, callbacks):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=6,
        logging_steps=2,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        per_device_train_batch_size=1,
        seed=1,
    )
    data = [{"x": batch} for batch in BATCHES]
    trainer = transformers.Trainer(
        model=Network(),
        args=arguments,
        train_dataset=data,
        callbacks=callbacks,
        data_collator=lambda rows: {"x": rows[0]["x"]},
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return trainer.model


@foreign
def test_hugging_face_trains_the_same_and_keeps_its_losses(tmp_path):
    pytest.importorskip("transformers")
    plain = hugging_face_run(tmp_path, [])
    callback = hugging_face_callback(lambda model: dg.Monitor(model, tmp_path / "run", every=2))
    watched = hugging_face_run(tmp_path, [callback])
    assert all(torch.equal(a, b) for a, b in zip(weights_of(plain), weights_of(watched), strict=True))
    assert (callback.monitor.updates, callback.monitor.latest.step, callback.monitor.failures) == (6, 6, [])
    run = dg.load_run(tmp_path / "run")
    assert [checkpoint.step for checkpoint in run] == [0, 2, 4, 6]
    assert run.metrics.steps.tolist() == [2, 4, 6]
    assert run.metrics.grad_norm is not None


class State:
    """Of a trainer, as callbacks see it."""

    def __init__(self, global_step=0, first=True):
        self.global_step, self.is_world_process_zero = global_step, first


def test_hugging_faces_protocol_without_it(tmp_path):
    callback = hugging_face._callback_class(object)(lambda model: dg.Monitor(model, tmp_path, every=50))
    callback.on_train_begin(None, State(), None, model=Network(), optimizer=None)
    for step in (1, 2):
        callback.on_step_end(None, State(step), None, model=None)
    callback.on_log(None, State(2), None, logs={"loss": 0.5, "grad_norm": 0.25, "epoch": 1.0})
    callback.on_log(None, State(2), None, logs={"train_runtime": 1.0})
    callback.on_train_end(None, State(2), None)
    run = dg.load_run(tmp_path)
    assert (callback.monitor.updates, run.metrics.loss.tolist(), run.metrics.grad_norm.tolist()) == (2, [0.5], [0.25])


def test_only_the_first_process_monitors(tmp_path):
    callback = hugging_face._callback_class(object)(lambda model: dg.Monitor(model, tmp_path))
    for hook in (callback.on_train_begin, callback.on_step_end, callback.on_log, callback.on_train_end):
        hook(None, State(1, first=False), None)
    assert callback.monitor is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [lightning_callback, hugging_face_callback])
def test_a_callback_wants_a_function(make):
    with pytest.raises(dg.DynaghostError, match=r"make: expected a function from a mod\w+ to a Monitor, got int"):
        make(3)


@pytest.mark.parametrize(
    ("make", "package"), [(lightning_callback, "pytorch_lightning"), (hugging_face_callback, "transformers")]
)
def test_a_missing_trainer_is_named_with_what_to_do(make, package, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(dg.DynaghostError, match="pip install"):
        make(print)


class Writer:
    """What every logger here writes."""

    def __init__(self):
        self.rows = []


class TensorBoard(Writer):
    def add_scalar(self, tag, scalar_value, global_step=None):
        self.rows.append((tag, scalar_value, global_step))


class OneByOne(Writer):
    def log_metric(self, key, value, step=None):
        self.rows.append((key, value, step))


class MLflow(OneByOne):
    def log_metrics(self, metrics, step=None):
        self.rows += [(name, value, step) for name, value in metrics.items()]


class WandB(Writer):
    """Rows are those of the user's own steps; what is not committed joins the next one, one value a name."""

    defined = ()

    def __init__(self):
        super().__init__()
        self.step, self.pending = 0, {}

    def define_metric(self, name, step_metric=None):
        self.defined = (name, step_metric)

    def log(self, data, step=None, commit=None):
        assert step is None
        self.pending |= data
        if commit is not False:
            self.committed()

    def committed(self):
        row, self.pending, self.step = self.pending, {}, self.step + 1
        self.rows += [(name, value, row["dynaghost/step"]) for name, value in row.items() if name != "dynaghost/step"]


@pytest.mark.parametrize("kind", [TensorBoard, OneByOne, MLflow, WandB])
def test_every_logger_gets_every_number(kind):
    logger = kind()
    log = adapter(logger)
    log({"dynaghost/n_ghosts": 1.0, "dynaghost/min_speed": 0.5}, 50)
    if kind is WandB:
        logger.log({})
    assert logger.rows == [("dynaghost/n_ghosts", 1.0, 50), ("dynaghost/min_speed", 0.5, 50)]
    assert kind is not WandB or logger.defined == ("dynaghost/*", "dynaghost/step")


@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_of_several_results_before_a_row_of_wandb_none_is_lost(rows):
    """The user's rows come while results arrive, or not; each result gets a row of its own."""
    logger = WandB()
    log = adapter(logger)
    for step in range(6):
        log({"dynaghost/n_ghosts": float(step)}, 50 * step)
        if step < rows:
            logger.log({})
    finish(log)
    logger.log({})  # W&B ends with the row that is pending.
    assert logger.rows == [("dynaghost/n_ghosts", float(step), 50 * step) for step in range(6)]


def test_wandb_gets_no_row_for_nothing():
    logger = WandB()
    finish(adapter(logger))
    assert logger.step == 0


def test_a_monitor_that_closes_writes_what_waits(tmp_path):
    logger, model = WandB(), torch.nn.RNN(1, 1)
    with dg.Monitor(model, tmp_path, every=1, loggers=[logger]) as monitor:
        for _ in range(4):
            monitor.step(0.1)
    logger.log({})
    assert [step for name, _, step in logger.rows if name == "dynaghost/n_ghosts"] == [0, 1, 2, 3, 4]


def test_tensorboard_for_real(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        adapter(writer)({"dynaghost/passage_time": 26.7}, 7)
    (event,) = EventAccumulator(str(tmp_path)).Reload().Scalars("dynaghost/passage_time")
    assert (event.step, event.value) == (7, pytest.approx(26.7))
