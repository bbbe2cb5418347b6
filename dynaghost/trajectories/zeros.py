"""The zero of a function between two places at which its signs differ."""

from collections.abc import Callable


def zero(
    function: Callable[[float], float], a: float, b: float, at_a: float, at_b: float, *, within: float = 1e-11
) -> float:
    """A zero between `a` and `b`, where the function has different signs: inverse quadratic steps, else halves.

    Parameters
    ----------
    function : callable
    a, b : float
    at_a, at_b : float
        The function there.
    within : float
        Width of the bracket at which to stop.

    Examples
    --------
    >>> round(zero(lambda x: x**3 - 2, 0.0, 2.0, -2.0, 6.0), 12) == round(2 ** (1 / 3), 12)
    True
    """
    if at_a == 0 or at_b == 0:
        return a if at_a == 0 else b
    t = 0.5
    for _ in range(100):
        new = a + t * (b - a)
        value = function(new)
        if value == 0:
            return new
        c, at_c = (a, at_a) if (value > 0) == (at_a > 0) else (b, at_b)
        b, at_b = (b, at_b) if (value > 0) == (at_a > 0) else (a, at_a)
        a, at_a = new, value
        best = a if abs(at_a) < abs(at_b) else b
        tolerance = within / abs(b - a)
        if tolerance > 0.5:
            return best
        t = min(max(_inverse_quadratic((a, b, c), (at_a, at_b, at_c)), tolerance), 1 - tolerance)
    return best


def _inverse_quadratic(places: tuple[float, float, float], values: tuple[float, float, float]) -> float:
    """Share of the way from a to b at which inverse interpolation puts the zero; ½ where it is not to be trusted."""
    (a, b, c), (fa, fb, fc) = places, values
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb) if fc != fb else 0.0
    if not (phi * phi < xi and (1 - phi) ** 2 < 1 - xi):
        return 0.5
    return fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
