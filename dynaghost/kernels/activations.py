"""tanh and sigmoid of whole arrays with their slopes, to the proved bounds of `elementary`."""

from numba import njit

from dynaghost.kernels.elementary import sigmoid, tanh_sech2


@njit(cache=True, error_model="numpy")
def tanh_and_slope(x, t, s):
    """`elementary.tanh_sech2` of every element.

    Parameters
    ----------
    x : (size,) float64 array, contiguous
    t, s : (size,) float64 arrays, contiguous
        Overwritten by tanh x and sech² x.

    Examples
    --------
    >>> import numpy as np
    >>> t, s = np.empty(2), np.empty(2)
    >>> tanh_and_slope(np.array([0.0, 1.0]), t, s)
    >>> t.round(6).tolist(), s.round(6).tolist()
    ([0.0, 0.761594], [1.0, 0.419974])
    """
    for i in range(x.size):
        t[i], s[i] = tanh_sech2(x[i])


@njit(cache=True, error_model="numpy")
def sigmoid_both_sides(x, y, z):
    """σ(x) and σ(−x) = 1 − σ(x) of every element, each to `elementary.SIGMOID_ULP`.

    Parameters
    ----------
    x : (size,) float64 array, contiguous
    y, z : (size,) float64 arrays, contiguous
        Overwritten by σ(x) and σ(−x), whose product is the slope.

    Examples
    --------
    >>> import numpy as np
    >>> y, z = np.empty(1), np.empty(1)
    >>> sigmoid_both_sides(np.array([100.0]), y, z)
    >>> y.tolist(), f"{z[0]:.6e}"
    ([1.0], '3.720076e-44')
    """
    for i in range(x.size):
        y[i] = sigmoid(x[i])
        z[i] = sigmoid(-x[i])
