"""A few values as one: mean, deviation, Student's interval, and whether two settings differ."""

import math
import statistics
from collections.abc import Sequence

LEVEL = 0.95


def summary(values: Sequence[float]) -> tuple[int, float, float, float, float]:
    """Return count, mean, deviation (n - 1) and Student's 95% interval of the mean; of one value the last three are NaN."""
    count, mean = len(values), statistics.fmean(values)
    if count < 2:
        return count, mean, math.nan, math.nan, math.nan
    deviation = statistics.stdev(values, mean)
    half = t_quantile((1 + LEVEL) / 2, count - 1) * deviation / math.sqrt(count)
    return count, mean, deviation, mean - half, mean + half


def compare(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float, float]:
    """Return mean difference, its 95% interval, and the two-sided p of a paired t-test, for values paired by their seed.

    Args:
        first: values of one configuration.
        second: values of another, with the same seeds in the same order.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    count, mean, deviation, low, high = summary(differences)
    if not deviation:
        return mean, low, high, 1.0 if mean == 0 else 0.0
    t = abs(mean) / (deviation / math.sqrt(count))
    return mean, low, high, 2 * (1 - t_cdf(t, count - 1))


def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution, for a probability of 0.5 and more."""
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def t_cdf(t: float, degrees: int) -> float:
    """Return P(T <= t) for t >= 0 and whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(angle)
    if degrees % 2:
        term, total = cosine, 0.0
        for k in range(1, (degrees - 1) // 2 + 1):
            total += term
            term *= cosine * cosine * 2 * k / (2 * k + 1)
        within = 2 / math.pi * (angle + math.sin(angle) * total)
    else:
        term, total = 1.0, 0.0
        for k in range(1, degrees // 2 + 1):
            total += term
            term *= cosine * cosine * (2 * k - 1) / (2 * k)
        within = math.sin(angle) * total
    return (1 + min(within, 1.0)) / 2  # far out the sum rounds to a bit more
