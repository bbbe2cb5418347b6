"""Kernels compiled in another process: kept where this one finds them, waited for, and never needed."""

import importlib
import sys
from collections import Counter

import pytest

import dynaghost as dg
from dynaghost.kernels import ahead
from dynaghost.kernels.machine import tell_of_compilations

SOURCE = "from numba import njit\n\n\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"


@pytest.fixture
def kernel(tmp_path, monkeypatch, request):
    """A kernel of a module of its own, nothing of which is kept."""
    name = "kernel_of_" + "".join(letter for letter in request.node.name if letter.isalpha())
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    yield importlib.import_module(name).twice
    del sys.modules[name]


def begin(kernel, program="import {0}; {0}.twice(1.5)"):
    return ahead.begin(kernel, program.format(kernel.py_func.__module__))


def test_another_process_compiles_and_this_one_takes_it(kernel):
    told = []
    end = tell_of_compilations(told.append)
    assert not ahead.kept(kernel)
    assert begin(kernel)
    assert not begin(kernel)  # once is enough
    ahead.finish(kernel)
    assert ahead.kept(kernel)
    assert told == [kernel.py_func.__module__]  # who waits is told what for
    assert kernel(2.0) == 4.0
    end()
    assert (sum(kernel.stats.cache_hits.values()), kernel.stats.cache_misses) == (1, Counter())
    ahead.finish(kernel)  # nothing to wait for


def test_what_fails_elsewhere_is_compiled_here(kernel):
    assert begin(kernel, "raise SystemExit(3)")
    ahead.finish(kernel)
    assert not ahead.kept(kernel)
    assert kernel(2.0) == 4.0
    assert sum(kernel.stats.cache_misses.values()) == 1


def test_nothing_is_begun_without_need(kernel, monkeypatch):
    monkeypatch.setattr(ahead, "_processors", lambda: 1)
    assert not begin(kernel)
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    kernel(1.5)
    assert ahead.kept(kernel)
    assert not begin(kernel)


def test_the_search_for_ghosts_is_compiled_by_its_program(monkeypatch):
    from dynaghost.kernels import ghost_boxes
    from dynaghost.slowpoints import all_ghosts

    begun = []
    monkeypatch.setattr(ahead, "begin", lambda *given: begun.append(given))
    all_ghosts.compile_ahead()
    ((compiled, program),) = begun
    exec(program, {})
    assert compiled is ghost_boxes._run
    assert len(compiled.signatures) == 1  # the program's arguments have the types of all others
    circuit = dg.LowRankRNN([[1.0, 0.0], [0.5, 2.0]], [[1.0, 0.2], [0.1, 1.5]], [0, 0.1])
    all_ghosts.find_all_ghosts(circuit.latent())
    assert len(compiled.signatures) == 1
