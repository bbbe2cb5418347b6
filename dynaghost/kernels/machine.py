"""What this machine offers the compiled kernels."""

from collections.abc import Callable
from typing import Any

from llvmlite import binding
from numba.core import config, event


def describe() -> dict[str, str]:
    """Processor, its vector units, and where compiled kernels are kept.

    Examples
    --------
    >>> sorted(describe())
    ['cache', 'processor', 'vectors']
    """
    features = binding.get_host_cpu_features()
    known = [name for name in ("avx512f", "avx2", "fma", "neon") if features.get(name)]
    cache = getattr(config, "CACHE_DIR", "") or "__pycache__ beside the kernels"
    return {"processor": binding.get_host_cpu_name(), "vectors": ", ".join(known) or "none known", "cache": cache}


class Compilations(event.Listener):
    """Tells of what is compiled, where nothing compiled is kept: each file of kernels once, called ones not.

    Parameters
    ----------
    tell : callable
        Called with the name of the file, such as "line", when its compilation begins.
    """

    def __init__(self, tell: Callable[[str], Any]) -> None:
        self._tell, self._depth = tell, 0
        self._told: set[str] = set()

    def on_start(self, happened: Any) -> None:
        self._depth += 1
        name = happened.data["dispatcher"].py_func.__module__.rpartition(".")[2]
        if self._depth == 1 and name not in self._told:
            self._told.add(name)
            self._tell(name)

    def on_end(self, happened: Any) -> None:
        self._depth -= 1


def tell_of_compilations(tell: Callable[[str], Any]) -> Callable[[], None]:
    """From now on, `tell` is called as `Compilations` says; what is returned ends it.

    Examples
    --------
    >>> end = tell_of_compilations(print)
    >>> end()
    """
    listener = Compilations(tell)
    event.register("numba:compile", listener)
    return lambda: event.unregister("numba:compile", listener)
