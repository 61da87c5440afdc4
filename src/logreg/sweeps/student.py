"""A few values as one: mean, deviation, Student's interval, and whether two settings differ."""

import math
import statistics
from collections.abc import Sequence

from logreg.statistics.student import t_quantile, t_two_sided

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
    return mean, low, high, t_two_sided(t, count - 1)
