"""Signs that float64 cannot decide, decided in ball arithmetic.

The weights are exact binary numbers, so whether f is positive at a given x, or at a given critical point, has an exact
answer. `Line` finds it with Arb's balls at 128 bits and doubles the precision until the ball excludes 0, is exactly 0,
or a limit is reached; then the answer is None, and nothing is guessed.
"""

import math
from typing import Any

from flint import arb, ctx

from dynaghost.systems.base import ScalarSystem

FIRST_PRECISION = 128
PRECISION_LIMIT = 2048


class Line:
    """One scalar system in ball arithmetic: its f and derivatives f⁽ʲ⁾ at points, over intervals and at their zeros.

    Parameters
    ----------
    system : ScalarSystem
    limit : int
        Bits at which a question is given up.

    Attributes
    ----------
    evaluations : int
        Ball evaluations of the Taylor coefficients so far.
    """

    def __init__(self, system: ScalarSystem, *, limit: int = PRECISION_LIMIT) -> None:
        self.system = system
        self.limit = limit
        self.evaluations = 0

    def sign(self, j: int, x: float) -> int | None:
        """Sign of f⁽ʲ⁾ at the float `x`: −1, 1, 0 only if it is exactly 0, None if the limit does not tell."""
        return self._escalate(lambda: self._derivative(j, arb(x)))

    def sign_over(self, j: int, a: float, b: float, precision: int = FIRST_PRECISION) -> int:
        """−1 or 1 if f⁽ʲ⁾ has that sign on all of [a, b], proved; 0 if that could not be shown at this precision."""
        with ctx.workprec(precision):
            return _ball_sign(self._over(j, _hull(a, b))) or 0

    def sign_at_zero(self, i: int, j: int, a: float, b: float) -> int | None:
        """Sign of f⁽ⁱ⁾ at the zero of f⁽ʲ⁾ in [a, b], where f⁽ʲ⁺¹⁾ has no zero and f⁽ʲ⁾ changes sign."""
        middle = self.exact_zero(j, a, b)
        if middle is not None:
            return self.sign(i, middle)
        return self._escalate(lambda: self._over(i, self._newton(j, a, b)))

    def exact_zero(self, j: int, a: float, b: float) -> float | None:
        """A float in [a, b] at which f⁽ʲ⁾ is exactly 0, if the zero's nearest float is one."""
        low, high = self.zero(j, a, b)
        nearest = min(max(0.5 * (low + high), a), b)
        with ctx.workprec(FIRST_PRECISION):
            return nearest if self._derivative(j, arb(nearest)) == 0 else None

    def zero(self, j: int, a: float, b: float) -> tuple[float, float]:
        """Floats a ≤ low ≤ high ≤ b that enclose the zero of f⁽ʲ⁾ in [a, b], under the conditions of `sign_at_zero`."""
        with ctx.workprec(FIRST_PRECISION):
            ball = self._newton(j, a, b)
            return max(_down(ball), a), min(_up(ball), b)

    def bounds(self, j: int, x: float) -> tuple[float, float]:
        """Floats that enclose f⁽ʲ⁾ at the float `x`."""
        with ctx.workprec(FIRST_PRECISION):
            ball = self._derivative(j, arb(x))
            return _down(ball), _up(ball)

    def _derivative(self, j: int, x: Any) -> Any:
        self.evaluations += 1
        return self.system.taylor(x, j)[j] * math.factorial(j)

    def _over(self, j: int, ball: Any) -> Any:
        # Mean-value form, intersected with the direct enclosure: each is the better one somewhere.
        self.evaluations += 1
        coefficients = self.system.taylor(ball, j + 1)
        direct = arb(coefficients[j]) * math.factorial(j)
        centre = arb(ball.mid())
        slope = arb(coefficients[j + 1]) * math.factorial(j + 1)
        mean_value = self._derivative(j, centre) + slope * (ball - centre)
        return _intersection(arb(mean_value), direct)

    def _newton(self, j: int, a: float, b: float) -> Any:
        """The zero of f⁽ʲ⁾ in [a, b], where f⁽ʲ⁺¹⁾ has none, as narrow as the precision allows.

        Interval Newton, with a bisection where that gains little. The ends are exact numbers, since a ball's radius has
        30 bits: a ball around [a, b] may hold a zero beyond b too.
        """
        low, high = arb(a), arb(b)
        rises = self.sign(j, b) or -(self.sign(j, a) or 0)
        for _ in range(64 + 4 * ctx.prec):
            middle = arb(((low + high) / 2).mid())
            if not low < middle < high:
                break
            value = arb(self._derivative(j, middle))
            width, (low, high) = high - low, self._step(j, low, high, middle, value)
            sign = _ball_sign(value)
            if high - low > 0.75 * width and sign and low < middle < high:
                low, high = (low, middle) if sign == rises else (middle, high)
            if high - low > 0.75 * width:
                break
        return low.union(high)

    def _step(self, j: int, low: Any, high: Any, middle: Any, value: Any) -> tuple[Any, Any]:
        """One step of interval Newton on [low, high]; unchanged where the slope's enclosure holds 0."""
        slope = self._over(j + 1, low.union(high))
        if slope == 0 or slope.contains(0):
            return low, high
        image = middle - value / slope
        left, right = arb(image.lower()), arb(image.upper())
        return (left if left > low else low), (right if right < high else high)

    def _escalate(self, enclosure: Any) -> int | None:
        precision = FIRST_PRECISION
        while precision <= self.limit:
            with ctx.workprec(precision):
                sign = _ball_sign(arb(enclosure()))
            if sign is not None:
                return sign
            precision *= 2
        return None


def _ball_sign(ball: Any) -> int | None:
    if ball > 0:
        return 1
    if ball < 0:
        return -1
    return 0 if ball == 0 else None


def _hull(a: float, b: float) -> Any:
    return arb(a).union(arb(b))


def _intersection(first: Any, second: Any) -> Any:
    if not first.is_finite():
        return second
    if not second.is_finite():
        return first
    return first.intersection(second)


def _down(ball: Any) -> float:
    return math.nextafter(float(ball.lower()), -math.inf)


def _up(ball: Any) -> float:
    return math.nextafter(float(ball.upper()), math.inf)
