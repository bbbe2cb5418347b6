"""Plain gradient descent in memory, on any network and task."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np

from dynaghost.errors import DynaghostError
from dynaghost.kernels import full_rank_training, low_rank_training
from dynaghost.kernels import training as kernels
from dynaghost.training.arrays import FullRankArrays, padded_rows
from dynaghost.training.networks import AnyNetwork, RankOneNetwork
from dynaghost.training.noise import Noise
from dynaghost.training.schedule import Schedule
from dynaghost.training.task import DelayedActivation
from dynaghost.training.tasks import Task, check_fit

# Random numbers of so many updates at once are held in memory.
_PIECE = 64


@dataclass(frozen=True, slots=True)
class Descent(Generic[AnyNetwork]):
    """Some updates of plain gradient descent.

    Attributes
    ----------
    network : Network
        After the updates.
    loss, gradient_norm : (updates,) arrays
        Entry e is of the weights after e updates, so the last network's own are not among them: see `measure`.
    """

    network: AnyNetwork
    loss: np.ndarray
    gradient_norm: np.ndarray


def descend(
    network: AnyNetwork, task: Task, *, learning_rate: float, updates: int, first: int = 0, noise: Noise | None = None
) -> Descent[AnyNetwork]:
    """Train for some updates; every weight is trained, and c where the network has its own.

    Parameters
    ----------
    network : Network
    task : Task
        `DelayedActivation`, or one of the two-cue tasks for their networks.
    learning_rate : float
        Positive and finite.
    updates : int
        Not negative.
    first : int
        Updates done before: which random numbers come next.
    noise : Noise, optional

    Returns
    -------
    Descent
        Splitting the updates over several calls changes no bit.

    Raises
    ------
    DynaghostError
        If an argument is out of range, the network is not of the task, or its weights grow to infinity.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> network, task = initial_rank_one(seed=40), DelayedActivation()
    >>> descend(network, task, learning_rate=0.003, updates=10).loss.round(5)[0]
    np.float64(0.99991)
    """
    _check(learning_rate, updates, first)
    return _descend(network, task, learning_rate, updates, first, noise)


def descend_schedule(
    network: AnyNetwork,
    task: DelayedActivation,
    schedule: Schedule,
    *,
    updates: int | None = None,
    first: int = 0,
    noise: Noise | None = None,
) -> Descent[AnyNetwork]:
    """Train in stages of their own confidence and learning rate; the task's confidence is not used.

    Parameters
    ----------
    network : RankOneNetwork
        With fixed c.
    task : DelayedActivation
    schedule : Schedule
    updates : int, optional
        Default: to the end of the schedule.
    first : int
        Updates done before, where to begin in the schedule.
    noise : Noise, optional

    Returns
    -------
    Descent
        Losses are those of the stage that each update belongs to.

    Raises
    ------
    DynaghostError
        As `descend`, or if c is trained.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> from dynaghost.training.schedule import parse_schedule
    >>> network, schedule = initial_rank_one(seed=40), parse_schedule("10x10@0.02,10x1@0.02")
    >>> descend_schedule(network, DelayedActivation(), schedule).loss[[9, 10]].round(2)
    array([1.  , 0.61])
    """
    check_schedulable(network)
    stop, losses, norms, epoch = schedule.epochs if updates is None else first + updates, [], [], first
    while epoch < stop:
        stage, end = schedule.at(epoch), schedule.end(epoch)
        now = replace(task, confidence=stage.confidence)
        count = min(stop, end if end > epoch else stop) - epoch
        part = descend(network, now, learning_rate=stage.learning_rate, updates=count, first=epoch, noise=noise)
        network, epoch = part.network, epoch + count
        losses.append(part.loss)
        norms.append(part.gradient_norm)
    return Descent(network, np.concatenate([np.empty(0), *losses]), np.concatenate([np.empty(0), *norms]))


def check_schedulable(network: Any) -> None:
    """Refuse a schedule of confidences for a network that has none, or trains its own.

    Raises
    ------
    DynaghostError
    """
    if not isinstance(network, RankOneNetwork) or network.confidence is not None:
        got = "one that trains its own" if isinstance(network, RankOneNetwork) else type(network).__name__
        raise DynaghostError(f"schedule: expected a rank-one network with fixed confidence, got {got}")


def descend_many(
    networks: Sequence[RankOneNetwork],
    task: DelayedActivation,
    *,
    learning_rates: float | Sequence[float],
    confidences: float | Sequence[float] | None = None,
    updates: int,
    first: int = 0,
    noises: Sequence[Noise] | None = None,
) -> list[Descent[RankOneNetwork]]:
    """`descend` on several rank-one networks side by side, with the bits that each has alone.

    Parameters
    ----------
    networks : sequence of RankOneNetwork
        Of one size; either all train their c, or none.
    task : DelayedActivation
    learning_rates : float or sequence of float
        Of all, or of each.
    confidences : float or sequence of float, optional
        c of all, or of each. Default: the task's. Not used where c is trained.
    updates, first : int
        As in `descend`.
    noises : sequence of Noise, optional
        One a network, of one shape: all with process noise or none, all fresh or none.

    Returns
    -------
    list of Descent

    Raises
    ------
    DynaghostError
        As `descend`, or if the networks do not go together.

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> networks, task = [initial_rank_one(seed=seed) for seed in (1, 2)], DelayedActivation()
    >>> both = descend_many(networks, task, learning_rates=[0.01, 0.02], updates=5)
    >>> bool((both[1].loss == descend(networks[1], task, learning_rate=0.02, updates=5).loss).all())
    True
    """
    rates = np.broadcast_to(np.asarray(learning_rates, dtype=float), len(networks))
    for rate in rates:
        _check(float(rate), updates, first)
    given = task.confidence if confidences is None else confidences
    return _descend_many(networks, task, rates, np.broadcast_to(given, len(networks)), updates, first, noises)


def measure(network: Any, task: Task, *, epoch: int = 0, noise: Noise | None = None) -> tuple[float, float]:
    """The loss of a network and the Euclidean norm of its gradient.

    Parameters
    ----------
    network : Network
    task : Task
    epoch : int
        Which random numbers the trials have: those of the update that follows it.
    noise : Noise, optional

    Returns
    -------
    loss, gradient_norm : float

    Examples
    --------
    >>> from dynaghost.training.networks import initial_rank_one
    >>> loss, gradient_norm = measure(initial_rank_one(seed=40), DelayedActivation())
    >>> round(loss, 5), round(gradient_norm, 5)
    (0.99991, 0.00091)
    """
    # A step of length zero measures what `descend` would record, with the same bits.
    descent = _descend(network, task, 0.0, 1, epoch, noise)
    return float(descent.loss[0]), float(descent.gradient_norm[0])


def _check(learning_rate: float, updates: int, first: int) -> None:
    if not 0 < learning_rate < np.inf:
        raise DynaghostError(f"learning_rate must be positive and finite, got {learning_rate}")
    if updates < 0:
        raise DynaghostError(f"updates must not be negative, got {updates}")
    if first < 0:
        raise DynaghostError(f"first must not be negative, got {first}")


def _descend(network: Any, task: Any, rate: float, updates: int, first: int, noise: Noise | None) -> Descent[Any]:
    check_fit(network, task)
    if isinstance(network, RankOneNetwork):
        noises, confidences = None if noise is None else [noise], np.array([task.confidence])
        return _descend_many([network], task, np.array([rate]), confidences, updates, first, noises)[0]
    arrays, loss, gradient_norm = network.arrays(), np.empty(updates), np.empty(updates)
    for start, stop in _pieces(updates, first, noise is not None or task.trials > 1):
        states, shaken = trials_of(task, network.units, first + start, stop - start, noise)
        _advance(arrays, network.units, task, states, shaken, rate, loss[start:stop], gradient_norm[start:stop])
    with _diverging(first, updates):
        return Descent(network.trained(arrays), loss, gradient_norm)


def _descend_many(
    networks: Sequence[RankOneNetwork],
    task: DelayedActivation,
    rates: np.ndarray,
    confidences: np.ndarray,
    updates: int,
    first: int,
    noises: Sequence[Noise] | None,
) -> list[Descent[RankOneNetwork]]:
    units, trains = _alike(networks, noises)
    m, n, b = (padded_rows(np.array([getattr(one, name) for one in networks])) for name in ("m", "n", "b"))
    c = np.array([one.confidence for one in networks] if trains else confidences, dtype=float)
    loss, norm = np.empty((len(networks), updates)), np.empty((len(networks), updates))
    for start, stop in _pieces(updates, first, noises is not None):
        shaken = _shaken(noises, len(networks), task, units, first + start, stop - start)
        here, steps = (np.empty((len(networks), stop - start)), np.empty((len(networks), stop - start))), task.steps
        kernels.advance(m, n, b, c, trains, units, _trial(task), steps, np.array(rates), shaken, *here)
        loss[:, start:stop], norm[:, start:stop] = here
    own = c.tolist() if trains else [None] * len(networks)
    with _diverging(first, updates):
        made = [RankOneNetwork(m[i, :units], n[i, :units], b[i, :units], own[i]) for i in range(len(networks))]
    return [Descent(*one) for one in zip(made, loss, norm, strict=True)]


@contextmanager
def _diverging(first: int, updates: int) -> Iterator[None]:
    """Weights that no network can have are told to be what they are: too large a step."""
    try:
        yield
    except DynaghostError as error:
        raise DynaghostError(
            f"learning_rate (--lr): expected one at which training stays bounded, got weights that grow to infinity "
            f"between epochs {first} and {first + updates} ({error})"
        ) from error


def _alike(networks: Sequence[RankOneNetwork], noises: Sequence[Noise] | None) -> tuple[int, bool]:
    """The one size of the networks, and whether they train c."""
    shapes = {(one.units, one.confidence is not None) for one in networks}
    if len(shapes) != 1:
        raise DynaghostError(f"networks must be of one size and all or none train c, got (units, trained) {shapes}")
    if noises is not None and len({(one.fresh, one.process > 0) for one in noises}) != 1:
        raise DynaghostError("noises must be of one shape: all or none fresh, and all or none with process noise")
    if noises is not None and len(noises) != len(networks):
        raise DynaghostError(f"noises must be one a network, got {len(noises)} for {len(networks)}")
    return shapes.pop()


def _pieces(updates: int, first: int, random: bool) -> list[tuple[int, int]]:
    """Where to cut the updates, so that the random numbers of each piece fit into memory."""
    cuts = list(range(_PIECE - first % _PIECE, updates, _PIECE)) if random else []
    return list(zip([0, *cuts], [*cuts, updates], strict=True))


def _shaken(
    noises: Sequence[Noise] | None, networks: int, task: DelayedActivation, units: int, first: int, updates: int
) -> np.ndarray:
    if noises is None:
        return padded_rows(np.empty((1, networks, 0, units)))
    drawn = [one.drawn(first=first, updates=updates, trials=1, steps=task.steps, units=units) for one in noises]
    return padded_rows(np.concatenate(drawn, axis=1))


def trials_of(task: Task, units: int, first: int, updates: int, noise: Noise | None) -> tuple[np.ndarray, np.ndarray]:
    """Initial states and noise after each step, as the kernels take them."""
    states = task.states(units, first=first, updates=updates)
    quiet = padded_rows(np.empty((1, task.trials, 0, units)))
    if noise is None:
        return padded_rows(states), quiet
    drawn = noise.drawn(first=first, updates=updates, trials=task.trials, steps=task.steps, units=units)
    return padded_rows(states + drawn[:, :, 0]), padded_rows(drawn[:, :, 1:]) if noise.process else quiet


def _advance(
    arrays: Any,
    units: int,
    task: Task,
    states: np.ndarray,
    noise: np.ndarray,
    rate: float,
    loss: np.ndarray,
    gradient_norm: np.ndarray,
) -> None:
    asked = (task.leak, task.inputs, task.targets.ravel(), task.loss_weights.ravel(), task.output == "tanh")
    rest = (*asked, states, noise, float(rate), loss, gradient_norm)
    if isinstance(arrays, FullRankArrays):
        full_rank_training.advance(arrays.C, arrays.b, arrays.w, arrays.w0, units, *rest)
        return
    low = (arrays.P, arrays.A, arrays.b, arrays.w, arrays.w0, arrays.latent, arrays.trains_w)
    low_rank_training.advance(*low, *rest)


def _trial(task: DelayedActivation) -> tuple[float, float, float, float, float]:
    values = (task.x0, task.leak, task.threshold, task.confidence, task.delay_steps)
    x0, leak, threshold, confidence, delay_steps = (float(value) for value in values)
    return x0, leak, threshold, confidence, delay_steps
