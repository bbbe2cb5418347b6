"""How loops that only compiled code calls are compiled: so that a first run waits as little as possible for them.

They make no arrays, so they need no counted references, and Python never calls them, so they need no wrappers: without
both a fifth less is compiled. They are not cached by themselves, since what calls them is.
"""

from typing import Any

from numba import njit

INNER: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
JIT = njit(error_model="numpy", **INNER)
_ENTRY: Any = {"cache": True, "_nrt": False}
ENTRY: Any = njit(error_model="numpy", **_ENTRY)
"""For what Python calls with all the arrays that it needs."""
INLINE = njit(error_model="numpy", inline="always")
"""Pasted in where it is called: what is large and calls others would be optimized anew, with them, in every caller."""
