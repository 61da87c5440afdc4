"""Which penalty to take, from the losses of the folds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The folds' estimate for one penalty.

    Attributes:
        value: of the penalty.
        loss: the mean over the folds of their log losses.
        error: its standard error, the deviation (n - 1) of the folds' losses over the square root of their number.
        coefficients: that are not zero, the mean over the folds.
        ratio: the share of l1 in the penalty, where shares are compared.
    """

    value: float
    loss: float
    error: float
    coefficients: float
    ratio: float | None = None


def line(value: float, losses: Sequence[float], coefficients: Sequence[int], ratio: float | None = None) -> Line:
    """Return the estimate for a penalty from the loss and the number of coefficients of each fold."""
    error = statistics.stdev(losses) / math.sqrt(len(losses))
    return Line(value, statistics.fmean(losses), error, statistics.fmean(coefficients), ratio)


def choices(lines: Sequence[Line]) -> dict[str, int]:
    """Return the places of the choices "min" and "1se".

    "min" has the smallest mean loss. "1se" is the strongest penalty whose mean loss is at most one standard error (that of the
    smallest) above it, of those with its share of l1: the simplest model that the folds do not distinguish from the best
    (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, section 3.4.3; Hastie, Tibshirani and
    Friedman, The Elements of Statistical Learning, 2nd ed., section 7.10).
    """
    best = min(range(len(lines)), key=lambda place: (lines[place].loss, -lines[place].value))
    bound = lines[best].loss + lines[best].error
    within = [place for place, each in enumerate(lines) if each.loss <= bound and each.ratio == lines[best].ratio]
    return {"min": best, "1se": max(within, key=lambda place: lines[place].value)}
