"""What this machine offers the compiled kernels."""

from llvmlite import binding
from numba.core import config


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
