"""In which form of a system Newton and lines look for its fixed points, and what a step costs there.

A network in rate form has its lines in the currents u = Wφ(u) + b, where steps can be long. A gated network has both
methods in its root form v(h) − h (`systems.gated_roots`): half the size for an LSTM, bounded, and never all but 0 where
gates close and no fixed point is near.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dynaghost.slowpoints.newton import Balls
from dynaghost.systems.base import Array, System
from dynaghost.systems.functions import FunctionSystem
from dynaghost.systems.gated import Gated
from dynaghost.systems.low_rank import Form as Coordinates
from dynaghost.systems.recurrent import LeakyRNN

_EVALUATIONS = 40_000
_AT_REST = 1e-6  # of 1 + |x|


@dataclass(frozen=True, slots=True)
class Form:
    """A system with the same fixed points, and the way to its states and back.

    Examples
    --------
    >>> form = line_form(LeakyRNN([[0.0]], [1.0]))
    >>> form.to(np.array([0.5])).tolist(), form.back(np.array([0.0])).tolist()
    ([1.0], [0.0])
    """

    system: System
    to: Callable[[Array], Array]
    back: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class LiftedBalls(Balls):
    """Balls about states of a system, for a search in another form of it."""

    back: Callable[[Array], Array]

    def holding(self, x: Array) -> Array:
        """As for `Balls`, once `x` is taken back: from there Newton on the system itself is proved to converge."""
        return Balls.holding(self, self.back(x))


def newton_form(system: System) -> Form:
    """Where Newton goes: the root form of gated networks, else the system as it is."""
    if isinstance(system, Gated):
        roots = system.root_form()
        return Form(roots, roots.hidden, roots.state)
    return Form(system, _same, _same)


def line_form(system: System) -> Form:
    """Where lines go: the currents of a network, the root form of gated ones."""
    if not (isinstance(system, LeakyRNN) and system.form is Coordinates.RATE):
        return newton_form(system)
    options = {"activation": system.activation, "negative_slope": system.negative_slope}
    currents = LeakyRNN(system.W, system.b, form=Coordinates.CURRENT, **options)  # type: ignore[arg-type]
    return Form(currents, lambda x: x @ system.W.T + system.b, system.curve)


def lifted(form: Form, balls: Balls) -> Balls:
    """Balls of the system for a search in `form`."""
    return balls if form.back is _same else LiftedBalls(balls.centres, balls.radii, form.back)


def rests(system: System, x: Array) -> bool:
    """Whether a state with |f| = 0, as far as float64 tells, may be a fixed point: not where gates are just closed."""
    form, size = newton_form(system), _AT_REST * (1 + float(np.linalg.norm(x)))
    h = form.to(x)
    return bool(np.linalg.norm(form.system.f(h)) <= size and np.linalg.norm(form.back(h) - x) <= size)


def newton_budget(system: System) -> int:
    """Most Jacobians by default for the fixed points: a bound on time that no clock enters.

    A step of Newton costs as dim³ does; that of a gated network of 256 units takes 1 to 2 ms on one core.

    Examples
    --------
    >>> newton_budget(LeakyRNN(np.eye(64), np.zeros(64)))
    5000
    """
    dim = newton_form(system).system.dim
    if isinstance(system, Gated):
        return max(int(min(_EVALUATIONS, 16_000 * (256 / dim) ** 3)), 1)
    return max(int(_EVALUATIONS * min(1.0, (32 / dim) ** 3) / _price_of_call(system)), 1)


def _price_of_call(system: System) -> int:
    """Modules and functions of the caller's own: a call of them costs ten times what our own loops do."""
    return 10 if isinstance(system, FunctionSystem) else 1


def descent_budget(system: System) -> int:
    """Most Hessians of q by default for the ghosts.

    As dim² (below some hundred dimensions the rest of a step costs more than its dim³), and less for systems whose
    second derivatives come one by one.

    Examples
    --------
    >>> descent_budget(LeakyRNN(np.eye(64), np.zeros(64)))
    10000
    """
    price = 3.0 if isinstance(system, Gated) else 1.0
    if type(system).curvature is System.curvature:
        price = 2.0 * system.dim
    price *= _price_of_call(system)
    return max(int(_EVALUATIONS * min(1.0, (32 / system.dim) ** 2) / price), 1)


def _same(x: Array) -> Array:
    return x
