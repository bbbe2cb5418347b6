"""A trained run's events against a continuation that shares nothing with ours: SciPy at many places of a link."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import root

from dynaghost.analysis import analyze
from dynaghost.checkpoints.run import load_run
from dynaghost.training.cues import CueDiscrimination
from dynaghost.training.trainer import train

PLACES = np.linspace(0.0, 1.0, 241)
NEAR = 1e-6  # of states
GAP = 2 / 240  # about an event no sweep of this width counts right
SIZE = {"units": 40, "seed": 5, "learning_rate": 0.2, "epochs": 200, "save_every": 10}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(CueDiscrimination(), out=folder, rank="full", **SIZE)
    return analyze(load_run(folder))


@dataclass
class Sweep:
    """Fixed points at each place of a link, from those of both ends: sets of states, (roots, n) a place."""

    weights: tuple
    found: list = field(default_factory=lambda: [[] for _ in PLACES])

    def field_at(self, k):
        (W0, b0), (W1, b1) = self.weights
        s = PLACES[k]
        W, b = (1 - s) * W0 + s * W1, (1 - s) * b0 + s * b1
        return lambda x: np.tanh(W @ x + b) - x, lambda x: (1 - np.tanh(W @ x + b) ** 2)[:, None] * W - np.eye(len(b))

    def walk(self, states, order):
        """From one end, dropping what SciPy no longer reaches nearby."""
        for k in order:
            f, J = self.field_at(k)
            kept = []
            for x in states:
                answer = root(f, x, jac=J, tol=1e-12)
                near = np.linalg.norm(answer.x - x) < 0.2 * (1 + np.linalg.norm(x))
                if np.linalg.norm(f(answer.x)) < 1e-10 and near and not known(answer.x, kept):
                    kept.append(answer.x)
            states = kept
            self.found[k].extend(x for x in kept if not known(x, self.found[k]))

    def unstable(self, k):
        """Directions in which perturbations grow, as a flow, of every fixed point."""
        J = self.field_at(k)[1]
        return sorted(int(np.sum(np.linalg.eigvals(J(x)).real > 0)) for x in self.found[k])


def known(x, states):
    return any(np.linalg.norm(x - y) < NEAR * (1 + np.linalg.norm(x)) for y in states)


def swept(run, e):
    weights = tuple((run.circuits[i].W, run.circuits[i].b) for i in (e, e + 1))
    sweep = Sweep(weights)
    sweep.walk([p.x for p in run.points[e].fixed_points], range(len(PLACES)))
    sweep.walk([p.x for p in run.points[e + 1].fixed_points], range(len(PLACES) - 1, -1, -1))
    return sweep


def between_checkpoints(run, e):
    kinds = ("saddle_node", "hopf", "pitchfork", "transcritical")
    return [one for one in run.events if one.before == run.steps[e] and one.kind.value in kinds]


def test_events_are_where_an_independent_continuation_sees_them(run):
    eventful = [e for e in range(len(run.steps) - 1) if between_checkpoints(run, e)]
    calm = [e for e in range(len(run.steps) - 1) if e not in eventful]
    assert {one.kind.value for e in eventful for one in between_checkpoints(run, e)} >= {"saddle_node", "hopf"}
    for e in [*eventful, *calm[::6]]:
        sweep, events = swept(run, e), between_checkpoints(run, e)
        places = [one.at for one in events]
        for k, s in enumerate(PLACES):
            if any(abs(s - at) <= GAP for at in places):
                continue
            count = len(run.points[e].fixed_points)
            count += sum(
                2 if one.evidence["creates"] else -2 for one in events if "creates" in one.evidence and one.at < s
            )
            assert len(sweep.found[k]) == count
        # Between events no number of unstable directions changes; across each one it does.
        stops = [0.0, *sorted(places), 1.0]
        seen = []
        for low, high in pairwise(stops):
            inside = [k for k, s in enumerate(PLACES) if low + GAP < s < high - GAP]
            counts = {tuple(sweep.unstable(k)) for k in inside[:: max(len(inside) // 5, 1)]}
            assert len(counts) <= 1
            seen.append(counts.pop() if counts else None)
        assert all(a != b for a, b in pairwise(seen) if a is not None and b is not None)
