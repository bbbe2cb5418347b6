"""Analysis inside a training loop: the training stays as it is, bit by bit, and nothing that happens is hidden."""

import json
import os
import time
import warnings

import numpy as np
import pytest
import torch

import dynaghost as dg
from dynaghost.monitor import background
from dynaghost.monitor.schedule import Allowance, Schedule
from dynaghost.monitor.watch import Failure, Task, Watch
from dynaghost.monitor.weights import copy_weights, gradient_norm


class Line(torch.nn.Module):
    """A network of rank one whose bias a test moves."""

    def __init__(self, bias=0.0):
        super().__init__()
        for name, value in (("m", 1.5), ("n", 1.0), ("b", bias)):
            self.register_parameter(name, torch.nn.Parameter(torch.tensor([value], dtype=torch.float64)))


class Tagger(torch.nn.Module):
    """A GRU with dropout and a readout, for a training that uses torch's random state."""

    def __init__(self):
        super().__init__()
        self.gru, self.drop, self.out = torch.nn.GRU(2, 3), torch.nn.Dropout(0.5), torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.drop(self.gru(x)[0]))


def train(model, updates, each):
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(updates):
        optimizer.zero_grad()
        loss = (model(torch.randn(5, 4, 2)) ** 2).mean()
        loss.backward()
        optimizer.step()
        each(loss, optimizer)


@pytest.fixture
def watched():
    """Monitors whose analyses nobody waits for."""
    made = []

    def make(*arguments, **options):
        made.append(dg.Monitor(*arguments, **options))
        return made[-1]

    yield make
    for monitor in made:
        monitor.close(timeout=0.0)


def moved(monitor, biases, grad_norm=1.0):
    """A "training" of a Line that sets its bias, an update each."""
    for bias in biases:
        with torch.no_grad():
            monitor.model.b.fill_(bias)
        monitor.step(1.0, grad_norm=grad_norm)


def test_training_is_the_same_bit_by_bit(tmp_path):
    ends = []
    for watched in (False, True):
        torch.manual_seed(0)
        model = Tagger()
        model.gru.eval()  # a mode that somebody chose
        monitor = dg.Monitor(model, tmp_path / "run", every=3) if watched else None
        train(model, 12, lambda loss, _, monitor=monitor: monitor and monitor.step(loss))
        modes = [module.training for module in model.modules()]
        gradients = [parameter.grad for parameter in model.parameters()]
        ends.append((torch.random.get_rng_state(), [*model.parameters(), *gradients], modes))
        if monitor:
            monitor.close()
    (state, tensors, modes), (other_state, other_tensors, other_modes) = ends
    assert torch.equal(state, other_state)
    assert modes == other_modes
    assert all(torch.equal(a, b) for a, b in zip(tensors, other_tensors, strict=True))
    assert monitor.latest.step == 12
    assert monitor.failures == []


def test_the_run_that_is_kept_is_the_run_that_was_trained(tmp_path, watched):
    torch.manual_seed(0)
    model, weights, losses = Tagger(), {}, []

    def each(loss, _):
        losses.append(loss.item())
        weights[len(losses)] = model.gru.weight_hh_l0.detach().clone().numpy()
        monitor.step(loss)

    monitor = watched(model, tmp_path, every=5, inputs=[0.3, 0.1])
    train(model, 43, each)
    monitor.close(timeout=0.0)
    run = dg.load_run(tmp_path)
    assert [checkpoint.step for checkpoint in run] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 43]
    assert all(np.array_equal(c.read()["gru.weight_hh_l0"], weights[c.step]) for c in run if c.step)
    assert run.metrics.loss.tolist() == losses
    assert run.metrics.steps.tolist() == list(range(43))  # the loss of the weights before each update
    assert run.settings.inputs.tolist() == [0.3, 0.1]


def test_what_comes_back_is_what_an_analysis_of_the_weights_finds(tmp_path):
    torch.manual_seed(1)
    model = Tagger()
    with dg.Monitor(model, tmp_path, every=2, layer="gru") as monitor:
        train(model, 4, lambda loss, _: monitor.step(loss))
    points = dg.find_slow_points(dg.as_system(model.gru))
    assert monitor.latest.fixed_points == len(points.fixed_points)
    assert np.allclose(monitor.latest.points.fixed_points[0].x, points.fixed_points[0].x, atol=1e-9)


def test_events_reach_the_user_with_their_steps(tmp_path):
    seen, logged = [], []
    loggers = [lambda values, step: logged.append((step, values))]
    with dg.Monitor(Line(), tmp_path, every=1, leak=0.5, on_event=seen.append, loggers=loggers) as monitor:
        moved(monitor, [0.0, 0.1, 0.3])
    assert [(event.kind.value, event.before, event.after) for event in seen] == [("saddle_node", 2, 3)]
    assert monitor.events == seen
    assert [values["dynaghost/n_fixed_points"] for _, values in logged] == [3, 3, 3, 1]
    step, values = logged[-1]
    assert (step, values["dynaghost/events/saddle_node"], values["dynaghost/n_ghosts"]) == (3, 1, 1)
    (ghost,) = dg.find_slow_points(dg.RankOneRNN([1.5], [1.0], [0.3], leak=0.5)).ghosts
    assert values["dynaghost/min_speed"] == ghost.speed
    assert values["dynaghost/passage_time"] == ghost.passage_time
    assert "dynaghost/min_speed" not in logged[0][1]


def test_a_no_learning_zone_is_warned_of_once_and_can_be_acted_on(tmp_path):
    acted = []
    monitor = dg.Monitor(
        Line(0.1), tmp_path, every=1, leak=0.5, x0=0.05, threshold=0.0, on_no_learning_zone=acted.append, pending=100
    )
    moved(monitor, [0.1, 0.1, 0.05, -0.1])
    moved(monitor, [-0.1] * 40, grad_norm=0.0)
    with pytest.warns(RuntimeWarning, match="no-learning zone: the gradient is gone since update 4"):
        monitor.close()
    assert [event.kind.value for event in acted] == ["no_learning_zone"]
    assert acted[0].evidence["captured_between"] == [3, 4]
    assert [event.kind.value for event in monitor.events].count("capture") == 1


def test_a_failed_analysis_is_told_once_and_kept(tmp_path):
    monitor = dg.Monitor(Line(), tmp_path, every=1, leak=0.5)
    moved(monitor, [np.nan, np.inf, 0.1])
    with pytest.warns(RuntimeWarning, match=r"analysis failed at update 1: .*finite") as told:
        monitor.close()
    assert len(told) == 1
    assert [failure.step for failure in monitor.failures] == [1, 2]
    assert monitor.latest.step == 3


def test_weights_of_another_shape_are_another_network():
    watch = Watch({"leak": 0.5})
    one, two = ({name: np.full(units, 0.5) for name in "mnb"} for units in (2, 3))
    watch.look(Task(0, one, ()))
    with pytest.raises(
        dg.DynaghostError, match=r"m of shape \(3,\) after \(2,\): another network wants another Monitor"
    ):
        watch.look(Task(1, two, ()))
    with pytest.raises(dg.DynaghostError, match=r"c of shape \(1,\) after None"):
        watch.look(Task(1, {**one, "c": np.ones(1)}, ()))
    assert watch.look(Task(2, one, ())).step == 2


def test_an_unexpected_error_is_a_failure_too():
    def look(task):
        raise ZeroDivisionError("one")

    assert background.answer(look, Task(7, {}, ())) == Failure(7, "ZeroDivisionError: one")


def test_when_the_other_process_is_gone_training_goes_on_and_hears_of_it(tmp_path):
    monitor = dg.Monitor(Line(), tmp_path, every=1, leak=0.5)
    while monitor._background._process is None:
        time.sleep(0.01)
    monitor._background._process.kill()

    def go_on():
        moved(monitor, [0.1] * 5)
        monitor.close()

    with pytest.warns(RuntimeWarning, match="the process that analyzes has ended"):
        go_on()
    assert monitor.dropped == 6
    assert len(dg.load_run(tmp_path)) == 6


def test_too_many_analyses_are_dropped_but_no_checkpoint_is(tmp_path):
    monitor = dg.Monitor(Line(), tmp_path, every=1, leak=0.5, pending=1)
    moved(monitor, [0.1] * 20)
    monitor.close(timeout=0.0)
    assert monitor.dropped == 21
    assert len(dg.load_run(tmp_path)) == 21


def test_an_error_in_the_training_ends_the_monitor_at_once(tmp_path):
    monitor = dg.Monitor(Line(), tmp_path, every=1)

    def interrupted():
        with monitor:
            moved(monitor, [0.1])
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert len(dg.load_run(tmp_path)) == 2
    with pytest.raises(dg.DynaghostError, match="after close"):
        monitor.step()


def test_an_optimizer_hook_counts_updates(tmp_path, watched):
    model = Tagger()
    monitor, optimizer = watched(model, tmp_path, every=50), torch.optim.SGD(model.parameters(), 0.1)
    handle = monitor.attach(optimizer)
    for _ in range(3):
        loss = model(torch.ones(2, 1, 2)).sum()
        loss.backward()
        monitor.record(0.0)
        monitor.record(loss)
        optimizer.step()
    handle.remove()
    optimizer.step()
    monitor.close(timeout=0.0)
    assert monitor.updates == 3
    assert dg.load_run(tmp_path).metrics.steps.tolist() == [0, 1, 2]
    assert 0.0 not in dg.load_run(tmp_path).metrics.loss


def test_gradient_norms_are_those_of_the_update(tmp_path, watched):
    model, norms = Tagger(), []
    monitor = watched(model, tmp_path, every=2)
    train(model, 4, lambda loss, _: (norms.append(gradient_norm(model)), monitor.step(loss)))
    squares = sum((p.grad.double() ** 2).sum() for p in model.parameters())
    assert norms[-1] == pytest.approx(float(squares) ** 0.5, rel=1e-12)
    kept = dg.load_run(tmp_path).metrics.grad_norm
    assert kept[~np.isnan(kept)].tolist() == [norms[i] for i in np.flatnonzero(~np.isnan(kept))]
    assert {1, 3} <= set(np.flatnonzero(~np.isnan(kept)))


def test_a_training_goes_on_where_it_was_cut_off(tmp_path, watched):
    moved(watched(Line(), tmp_path, every=1), [0.1] * 8)
    with pytest.raises(dg.DynaghostError, match=r"first_step="):
        dg.Monitor(Line(), tmp_path)
    moved(watched(Line(0.5), tmp_path, every=1, first_step=5), [0.5, 0.5])
    run = dg.load_run(tmp_path)
    assert [c.step for c in run] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [c.read()["b"][0] for c in run] == [0.0] + [0.1] * 4 + [0.5] * 3
    assert run.metrics.steps.tolist() == list(range(7))


def test_settings_reach_the_folder(tmp_path, watched):
    watched(Line(), tmp_path, leak=0.5, form="current", scale=2.0, x0=[0.1], delay=3.0, threshold=1.0)
    settings = dg.load_run(tmp_path).settings
    assert (settings.leak, settings.form.value, settings.scale) == (0.5, "current", 2.0)
    assert (settings.x0.tolist(), settings.delay, settings.threshold) == ([0.1], 3.0, 1.0)
    assert json.loads((tmp_path / "run.json").read_text())["axis"] == "step"


def test_a_relu_layer_is_analyzed_as_one(tmp_path, watched):
    watched(torch.nn.RNN(1, 2, nonlinearity="relu"), tmp_path)
    assert dg.load_run(tmp_path).settings.activation == "relu"
    with pytest.raises(dg.DynaghostError, match="one step of"):
        dg.Monitor(torch.nn.RNN(1, 2, nonlinearity="relu"), tmp_path / "other", activation="sigmoid")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": 3}, "model: expected a torch.nn.Module, got int"),
        ({"model": torch.nn.Tanh()}, "expected a module with weights"),
        ({"model": torch.nn.Linear(2, 2)}, "model"),
        ({"every": 0}, "every: expected a whole number of at least 1, got 0"),
        ({"pending": 0}, "pending"),
        ({"first_step": -1}, "first_step"),
        ({"loggers": [3]}, "loggers: expected"),
        ({"leak": 2.0}, "leak"),
    ],
)
def test_nonsense_is_refused_before_training(tmp_path, arguments, said):
    with pytest.raises(dg.DynaghostError, match=said):
        dg.Monitor(**{"model": Line(), "folder": tmp_path, **arguments})


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
def test_weights_are_copies_that_keep_their_values(kind):
    model = torch.nn.Linear(2, 2).to(kind)
    copies = copy_weights(model)
    assert copies["weight"].dtype == np.float32
    before = copies["weight"].copy()
    with torch.no_grad():
        model.weight.zero_()
    assert np.array_equal(copies["weight"], before)
    assert before.all()


def losses_of_a_drop(updates, at, width):
    steps = np.arange(updates)
    return 1 / (1 + 20 / (1 + np.exp(-(steps - at) / width)))


def kept_steps(schedule, losses):
    kept, fresh = [], []
    for step, loss in enumerate(losses):
        if schedule.due(step):
            kept += [copy[0] for copy in schedule.keep(step, {}, fresh)]
            fresh = []
        fresh.append(loss)
    return kept


def test_checkpoints_are_dense_around_a_drop_of_the_loss_and_before_it():
    kept = kept_steps(Schedule(50, 1000), losses_of_a_drop(40_000, 30_000, 100))
    assert len(kept) == len(set(kept))
    inside = [step for step in kept if 29_000 <= step <= 31_000]
    assert set(range(29_000, 30_800, 50)) <= set(inside)
    assert len(kept) < 350


def test_dense_checkpoints_are_bounded_and_counted():
    schedule = Schedule(50, 10)
    plain, noisy = kept_steps(Schedule(50, 0), [1.0] * 20_000), losses_of_a_drop(20_000, 10_000, 100)
    kept = kept_steps(schedule, noisy)
    assert len(set(kept) - set(plain)) <= 10
    assert schedule.not_kept > 0
    assert set(plain) <= set(kept)


def test_analyses_take_their_share_of_the_time_and_no_more():
    clock = [0.0]
    allowance = Allowance(0.01, lambda: clock[0])
    began = []
    for update in range(100_000):
        clock[0] = 0.004 * update
        if update % 50 == 0 and allowance.begun():
            # The first is long, since it loads and compiles; then they last 10 to 30 ms.
            began.append(update)
            allowance.took(2.0 if not update else 0.01 + 0.02 * (update % 3 == 0))
    spent = sum(0.01 + 0.02 * (update % 3 == 0) for update in began[1:])
    assert 0.005 * clock[0] < spent <= 0.01 * clock[0] + 0.02  # one that lasts longer than the last one did
    assert began[:2] == [0, 50]
    waiting = Allowance(0.01, lambda: 100.0)
    assert waiting.begun()
    assert not waiting.begun()  # one at a time
    waiting.took(None)
    assert waiting.begun()
    every = Allowance(float("inf"), lambda: 0.0)
    assert all(every.begun() for _ in range(5))


def test_by_default_few_are_analyzed_all_looks_kept_and_the_last_weights_are_analyzed(tmp_path):
    with dg.Monitor(Line(), tmp_path, leak=0.5) as monitor:
        moved(monitor, np.linspace(0.0, 0.3, 301))
    assert monitor.latest.step == 301
    assert monitor.latest.fixed_points == 1
    assert sum(event.kind.value == "saddle_node" for event in monitor.events) == 1
    assert monitor.dropped == 0
    assert [c.step for c in dg.load_run(tmp_path)] == [0, 50, 100, 150, 200, 250, 300, 301]


@pytest.mark.parametrize(("every", "niceness"), [(None, 19), (50, 10)])
def test_the_process_that_analyzes_gives_way(tmp_path, watched, every, niceness):
    monitor = watched(Line(), tmp_path, leak=0.5, every=every)
    limit = time.monotonic() + 60
    while (monitor._tell() or monitor.latest is None) and time.monotonic() < limit:
        time.sleep(0.02)
    assert os.getpriority(os.PRIO_PROCESS, monitor._background._process.pid) == min(os.nice(0) + niceness, 19)


def test_noise_is_no_drop():
    losses = np.exp(np.random.default_rng(0).normal(0, 0.1, 20_000))
    assert kept_steps(Schedule(50, 1000), losses) == kept_steps(Schedule(50, 1000), np.ones(20_000))


def test_a_watch_searches_no_network_twice(monkeypatch):
    from dynaghost.trajectories import in_space

    searched, compute = [], in_space.compute
    monkeypatch.setattr(in_space, "compute", lambda steps, *rest: searched.append(steps) or compute(steps, *rest))
    torch.manual_seed(0)
    watch, model = Watch({}), torch.nn.RNN(1, 3)
    for step in range(3):
        assert watch.look(Task(step, copy_weights(model), ())).fixed_points == 1
    assert searched == [(0,), (1,), (2,)]


def test_nothing_is_printed_or_warned_of_in_peace(tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with dg.Monitor(Line(), tmp_path, every=1) as monitor:
            moved(monitor, [0.1, 0.1])
    assert capfd.readouterr() == ("", "")
    assert repr(monitor).endswith("closed: 2 updates, 0 events, 0 dropped, 0 failed)")
