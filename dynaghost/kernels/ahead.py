"""Compiling in another process what is needed later, so that a first run on a machine waits less.

Numba compiles one function at a time in a process. Where nothing compiled is kept and there is a second processor,
another process compiles the search for ghosts while this one compiles and runs what comes before it.
"""

import atexit
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from numba.core import event

_processes: dict[str, subprocess.Popen[bytes]] = {}


def begin(kernel: Any, code: str) -> bool:
    """Have a kernel compiled elsewhere, if it is not kept and there is a processor for it.

    Parameters
    ----------
    kernel : dispatcher
        Kept on disk (`cache=True`).
    code : str
        A program that calls it with arguments of the types that it will have here.

    Returns
    -------
    bool
        Whether it is being compiled elsewhere now.

    Examples
    --------
    >>> from dynaghost.kernels.trials import walk
    >>> begin(walk, "") and kept(walk)
    False
    """
    name = str(kernel.py_func.__module__)
    if name in _processes or kernel.signatures or kept(kernel) or _processors() < 2:
        return False
    nothing = subprocess.DEVNULL
    program = f"import sys; sys.path[:] = {sys.path!r}; {code}"
    _processes[name] = subprocess.Popen([sys.executable, "-c", program], stdin=nothing, stdout=nothing, stderr=nothing)
    atexit.register(_processes[name].kill)
    return True


def finish(kernel: Any) -> None:
    """Wait for the process that compiles a kernel, if there is one; if it fails, the kernel is compiled here."""
    process = _processes.get(str(kernel.py_func.__module__))
    if process is not None and process.poll() is None:
        # For those who tell what is being compiled.
        with event.trigger_event("numba:compile", data={"dispatcher": kernel}):
            process.wait()


def kept(kernel: Any) -> bool:
    """Whether compiled code of a kernel is on this disk, for whatever version of its source."""
    place, function = kernel.stats.cache_path, kernel.py_func
    names = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}-*.nbi"
    return place is not None and any(Path(place).glob(names))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
