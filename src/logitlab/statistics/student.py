"""Student's t distribution, of any number of degrees of freedom, for errors that are estimated from few groups.

P(|T| > t) = I_x(degrees / 2, 1 / 2), x = degrees / (degrees + t^2), I the regularised incomplete beta function, worked out by
its continued fraction (Numerical Recipes, 3rd ed., 6.4). Plain floats, because a sweep's table is written without torch.
"""

import math


def t_two_sided(t: float, degrees: float) -> float:
    """Return P(|T| > |t|), with its digits where it is tiny; NaN for a NaN."""
    if t != t:
        return t
    square = t * t
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))


def t_cdf(t: float, degrees: float) -> float:
    """Return P(T <= t)."""
    tail = t_two_sided(t, degrees) / 2
    return 1 - tail if t > 0 else tail


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile, for a probability of 0.5 and more."""
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return I_x(a, b); `rest` is 1 - x, without the cancellation."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - _incomplete_beta(b, a, rest, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d), 1 + step / c
            value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * value
