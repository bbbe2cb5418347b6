"""Every compiled loop: arrays in, arrays out, no classes. The only place that imports numba."""
