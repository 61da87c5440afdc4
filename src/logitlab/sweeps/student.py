"""Mean, deviation and range of a few values; for folds, which share their training rows, an interval and a test.

Runs that differ in a seed have the same rows: their differences measure the seed's effect, and nothing about other rows.
Folds were evaluated on different rows, but trained on rows that they share, so the mean of k folds varies more than their
deviation over the root of k. Nadeau and Bengio (Inference for the generalization error, Machine Learning 52, 2003) correct the
variance of the mean to s^2 (1/k + n_test / n_train), with Student's t of k - 1 degrees of freedom.
"""

import math
import statistics
from collections.abc import Sequence

from logitlab.statistics.student import t_quantile, t_two_sided

LEVEL = 0.95


def summary(values: Sequence[float]) -> tuple[int, float, float, float, float]:
    """Return count, mean, deviation (n - 1; of one value NaN), the least and the greatest."""
    count, mean = len(values), statistics.fmean(values)
    return count, mean, statistics.stdev(values, mean) if count > 1 else math.nan, min(values), max(values)


def interval(values: Sequence[float], share: float) -> tuple[float, float]:
    """Return the corrected 95 % interval of the mean of one value per fold, `share` = n_test / n_train; of one value NaN."""
    count, mean, deviation, *_ = summary(values)
    if count < 2:
        return math.nan, math.nan
    half = t_quantile((1 + LEVEL) / 2, count - 1) * deviation * math.sqrt(1 / count + share)
    return mean - half, mean + half


def compare(first: Sequence[float], second: Sequence[float], share: float) -> tuple[float, float, float, float]:
    """Return mean difference, its 95 % interval, and the two-sided p of the corrected resampled t-test.

    `first` and `second` are the values of two configurations on the same folds in the same order; `share` = n_test / n_train.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    count, mean, deviation, *_ = summary(differences)
    low, high = interval(differences, share)
    if not deviation:
        return mean, low, high, 1.0 if mean == 0 else 0.0
    return mean, low, high, t_two_sided(abs(mean) / (deviation * math.sqrt(1 / count + share)), count - 1)


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979): the chance of one false among all is at most what each says."""
    corrected, so_far = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda each: p[each])):
        so_far = max(so_far, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = so_far
    return corrected
