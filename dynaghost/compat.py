"""The common fixed-point finder's interface on top of ours, for code that was written for it.

What differs: every point that is returned has a verdict, and an optimizer's end point that is no fixed point is not
among `xstar`; ghosts are in `ghosts` of the same object.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynaghost.checkpoints.recognize import as_system
from dynaghost.errors import DynaghostError
from dynaghost.slowpoints.find import find_slow_points
from dynaghost.slowpoints.records import FixedPoint, SlowPoints
from dynaghost.systems.base import Array, System, finite

# Options of the other finder that say how its optimizer runs, prints or merges points: here they have no meaning.
_WITHOUT_EFFECT = frozenset(
    {
        *("method", "lr_init", "lr_patience", "lr_factor", "lr_cooldown", "adam_hps", "alr_hps", "agnc_hps"),
        *("tol_q", "tol_dq", "max_iters", "do_rerun_q_outliers", "outlier_q_scale", "tol_unique", "max_n_unique"),
        *("do_exclude_distance_outliers", "outlier_distance_scale", "do_compute_input_jacobians"),
        *("verbose", "super_verbose", "n_iters_per_print_update", "feed_dict_keys", "dtype", "device"),
    }
)


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """Fixed points in the arrays that users of the common finder know, and what is proved about each.

    Attributes
    ----------
    xstar : ndarray (n, dim)
    F_xstar : ndarray (n, dim)
        One step from each.
    qstar : ndarray (n,)
        ½|F(x) − x|² of the points returned.
    is_stable : ndarray (n,) of bool
        Of the map, as every field: a flow may rest at a point from which the map that iterates it leaves.
    J_xstar : ndarray (n, dim, dim) or None
        Jacobians of the map.
    eigval_J_xstar : ndarray (n, dim) or None
        Multipliers, the largest first.
    eigvec_J_xstar : ndarray (n, dim, dim) or None
        Right eigenvectors in columns, in the same order.
    inputs : ndarray (n, channels) or None
    verdict : tuple of str
        `exists_unique` or `undecided` of each.
    slow_points : SlowPoints
        The whole answer: certificates, ghosts, coverage.
    """

    xstar: Array
    F_xstar: Array
    qstar: Array
    is_stable: Array
    J_xstar: Array | None
    eigval_J_xstar: Array | None  # noqa: N815 - the other finder's name
    eigvec_J_xstar: Array | None  # noqa: N815 - the other finder's name
    inputs: Array | None
    verdict: tuple[str, ...]
    slow_points: SlowPoints

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.xstar)

    def __len__(self) -> int:
        return self.n

    @property
    def ghosts(self) -> tuple[Any, ...]:
        """Ghosts that the same search found."""
        return self.slow_points.ghosts


class FixedPointFinder:
    """Finds fixed points of a torch module, or of anything that `as_system` takes, from given initial states.

    Parameters
    ----------
    rnn : torch.nn.Module, System, or whatever `as_system` takes
        Never changed.
    random_seed : int
        Of random numbers, should any be needed.
    do_compute_jacobians, do_decompose_jacobians : bool
        Whether `J_xstar`, and `eigval_J_xstar` with `eigvec_J_xstar`, are filled.
    options
        Every other option of the common finder is accepted with a warning that it has no effect here: there is no
        learning rate, no tolerance on q below which a point is called fixed, and no distance below which two are one.

    Raises
    ------
    DynaghostError
        For an option that the common finder has not either.

    Examples
    --------
    >>> from dynaghost.systems import LeakyRNN
    >>> finder = FixedPointFinder(LeakyRNN([[2.0, 0.0], [0.0, 0.5]], [0.0, 0.0]))
    >>> unique, _ = finder.find_fixed_points(np.random.default_rng(0).normal(size=(50, 2)))
    >>> unique.n, unique.verdict[0], unique.is_stable.tolist()
    (3, 'exists_unique', [True, False, True])
    """

    def __init__(
        self,
        rnn: Any,
        *,
        random_seed: int = 0,
        do_compute_jacobians: bool = True,
        do_decompose_jacobians: bool = True,
        **options: Any,
    ) -> None:
        unknown = sorted(set(options) - _WITHOUT_EFFECT)
        if unknown:
            raise DynaghostError(f"{unknown[0]}: expected an option of the fixed-point finder, got {unknown[0]!r}")
        if options:
            warnings.warn(f"no effect here: {', '.join(sorted(options))}", UserWarning, stacklevel=2)
        self.rnn, self.random_seed = rnn, random_seed
        self.with_jacobians = do_compute_jacobians
        self.with_eigenvalues = do_compute_jacobians and do_decompose_jacobians

    def find_fixed_points(
        self, initial_states: ArrayLike, inputs: ArrayLike | None = None
    ) -> tuple[FixedPoints, FixedPoints]:
        """Search from these states under one constant input.

        Parameters
        ----------
        initial_states : array (starts, dim)
        inputs : array (channels,), (1, channels), or (starts, channels) with equal rows

        Returns
        -------
        unique, all : FixedPoints
            The same object twice: a point is listed once, however many starts lead to it.

        Raises
        ------
        DynaghostError
            If the inputs differ: then each is a system of its own, to be analyzed by itself.
        """
        constant = None if inputs is None else _one_input(inputs)
        system = self._system(constant)
        points = find_slow_points(
            system, starts=finite("initial_states", initial_states, ndim=2), seed=self.random_seed
        )
        found = self._as_arrays(system, points, constant)
        return found, found

    def _system(self, inputs: Array | None) -> System:
        if isinstance(self.rnn, System):
            if inputs is not None and np.any(inputs):
                raise DynaghostError("inputs: expected none with a System, whose constant input is its own, got one")
            return self.rnn
        return as_system(self.rnn, inputs=inputs)

    def _as_arrays(self, system: System, points: SlowPoints, inputs: Array | None) -> FixedPoints:
        fixed: tuple[FixedPoint, ...] = points.fixed_points
        x = np.array([point.x for point in fixed]).reshape(-1, system.dim)
        f = system.f(x)
        leak = 1.0 if system.leak is None else system.leak
        jacobians = np.eye(system.dim) + leak * system.jacobian(x)
        values, vectors = _spectra(jacobians) if self.with_eigenvalues else (None, None)
        return FixedPoints(
            xstar=x,
            F_xstar=x + leak * f,
            qstar=0.5 * np.sum((leak * f) ** 2, axis=-1),
            is_stable=_stable(system, points, jacobians),
            J_xstar=jacobians if self.with_jacobians else None,
            eigval_J_xstar=values,
            eigvec_J_xstar=vectors,
            inputs=None if inputs is None else np.tile(inputs, (len(x), 1)),
            verdict=tuple(point.certificate.value for point in fixed),
            slow_points=points,
        )


def _one_input(inputs: ArrayLike) -> Array:
    array = np.atleast_2d(finite("inputs", inputs))
    if array.ndim != 2 or np.any(array != array[:1]):
        raise DynaghostError("inputs: expected one constant input for all states, got several: search each by itself")
    return array[0]


def _stable(system: System, points: SlowPoints, jacobians: Array) -> Array:
    """Whether each point is stable under the map whose Jacobians these are."""
    if system.time == "flow":
        return np.array(np.all(np.abs(np.linalg.eigvals(jacobians)) < 1, axis=-1))
    return np.array([bool(point.stable) for point in points.fixed_points], dtype=bool)


def _spectra(jacobians: Array) -> tuple[Array, Array]:
    """Eigenvalues and right eigenvectors, the largest magnitude first."""
    values, vectors = np.linalg.eig(jacobians.astype(complex))
    order = np.argsort(-np.abs(values), axis=-1)
    return np.take_along_axis(values, order, -1), np.take_along_axis(vectors, order[:, None, :], -1)
