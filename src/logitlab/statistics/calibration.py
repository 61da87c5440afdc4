"""Whether probabilities are calibrated: of the rows that are given 0.7, seven in ten should be of class 1.

Conventions: probability, target and weight are (rows,); weights are frequencies. For bins k with n_k of n rows, mean
probability f_k and share of class 1 o_k, over all rows o:

    calibration error = sum_k n_k/n |f_k - o_k|, in 15 bins of equal width                       (Naeini et al. 2015)
    Brier score = mean (p - y)^2
                = reliability - resolution + uncertainty + within_variance - within_covariance   (Stephenson et al. 2008)
        reliability       = sum_k n_k/n (f_k - o_k)^2      how far the bins are off: 0 is best
        resolution        = sum_k n_k/n (o_k - o)^2        how much the bins differ: large is good
        uncertainty       = o (1 - o)                      what the share of class 1 alone would score
        within_variance   = mean (p - f_k)^2,  within_covariance = 2 mean (y - o_k)(p - f_k)

The identity is exact: the last two terms, which the usual three-term form leaves out, are what binning loses.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.metrics import CALIBRATION_BINS, calibration_bins
from logitlab.statistics.wald import normal_quantile

MOST_ROWS, MOST_CELLS = 2_000, 200
"""The classes of more rows, or of weighted ones, are drawn in cells of neighbours: nearly the same sums, at a bounded cost."""


@dataclass(frozen=True)
class Reliability:
    """The reliability table: (bins,) each, bins without rows left out.

    Attributes:
        low: lower edge of the bin; `high`: the upper one.
        count: rows in it.
        probability: their mean probability.
        observed: their share of class 1.
        observed_low: lower end of Wilson's interval for that share; `observed_high`: the upper one.
    """

    low: Tensor
    high: Tensor
    count: Tensor
    probability: Tensor
    observed: Tensor
    observed_low: Tensor
    observed_high: Tensor


@dataclass(frozen=True)
class Brier:
    """The Brier score and its parts (formulas: this file's head)."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


def bin_edges(probability: Tensor, bins: int = 10, equal: str = "mass") -> Tensor:
    """Return the edges of bins of equal mass (as many rows in each) or equal width, ascending, (bins + 1,).

    As scikit-learn's calibration_curve has them for strategy "quantile" and "uniform". Edges that coincide are one: a model
    of three distinct probabilities has at most three bins.
    """
    steps = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    if equal == "width":
        return steps
    ranked = probability.double().sort().values
    place = steps * (len(ranked) - 1)
    below = place.floor().long()
    above = (below + 1).clamp(max=len(ranked) - 1)
    return torch.lerp(ranked[below], ranked[above], place - below)


def reliability(
    probability: Tensor, target: Tensor, edges: Tensor, weight: Tensor | None = None, level: float = 0.95
) -> Reliability:
    """Return the reliability table over bins with these `edges`; a probability on an edge belongs to the bin below."""
    index = _bins(probability, edges)
    sums = _sums(probability, target, weight, index, len(edges) - 1)
    count, total, ones = sums[:, sums[0] > 0]
    share = ones / count
    low, high = wilson(share, count, level)
    there = sums[0] > 0
    return Reliability(edges[:-1][there], edges[1:][there], count, total / count, share, low, high)


def wilson(share: Tensor, count: Tensor, level: float = 0.95) -> tuple[Tensor, Tensor]:
    """Return Wilson's score interval for a share of `count` rows: holds its level on few rows too, and stays in [0, 1].

    (share + z^2/2n -+ z sqrt(share (1 - share)/n + z^2/4n^2)) / (1 + z^2/n)       (Wilson 1927)
    """
    z2 = normal_quantile(level) ** 2
    middle = share + z2 / (2 * count)
    half_width = math.sqrt(z2) * (share * (1 - share) / count + z2 / (4 * count.square())).sqrt()
    whole = 1 + z2 / count
    return ((middle - half_width) / whole).clamp(min=0), ((middle + half_width) / whole).clamp(max=1)


def brier(probability: Tensor, target: Tensor, edges: Tensor, weight: Tensor | None = None) -> Brier:
    """Return the Brier score and its decomposition over bins with these `edges`."""
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    w = w / w.sum()
    index = _bins(p, edges)
    count, total, ones = _sums(p, y, w, index, len(edges) - 1)
    safe = torch.where(count > 0, count, 1.0)
    f, o = total / safe, ones / safe
    overall = float(w @ y)
    off = p - f[index]
    return Brier(
        score=float(w @ (p - y).square()),
        reliability=float(count @ (f - o).square()),
        resolution=float(count @ (o - overall).square()),
        uncertainty=overall * (1 - overall),
        within_variance=float(w @ off.square()),
        within_covariance=float(2 * (w * (y - o[index])) @ off),
    )


def by_chance(
    probability: Tensor,
    weight: Tensor | None = None,
    sampling: bool = False,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the band in which the calibration error of probabilities that are exactly right lies (Broecker and Smith 2007).

    The rows' classes are drawn anew from the probabilities themselves, many times, and the error of each draw is taken as
    `metrics.calibration_error` takes it. An interval around the error itself would not do: noise pushes an error up, never
    down, so that where probabilities are right, and the true error is 0, no such interval holds it.

    Args:
        probability: (rows,).
        weight: of the rows: counts of equal rows, or sampling weights; None: 1 each.
        sampling: they are sampling weights: a row of weight 2 is one row.
        level: share of the draws within the band.
        draws: how many.
        seed: of the draws.
    """
    p = probability.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    generator = torch.Generator().manual_seed(seed)
    if sampling or bool((w != w.round()).any()):  # no binomial: a bin's sum is nearly normal
        variance = torch.zeros(CALIBRATION_BINS, dtype=torch.float64)
        variance.index_add_(0, calibration_bins(p), w ** (2 if sampling else 1) * p * (1 - p))
        gap = torch.randn(draws, CALIBRATION_BINS, generator=generator, dtype=torch.float64) * variance.sqrt()
    else:
        count, mean, bins = _cells(p, w)
        if bool((count == 1).all()):
            ones = (torch.rand(draws, len(mean), generator=generator) < mean).double()
        else:
            ones = torch.binomial(count.expand(draws, -1), mean.expand(draws, -1), generator=generator)
        gap = (ones - count * mean) @ torch.nn.functional.one_hot(bins, CALIBRATION_BINS).double()
    errors = gap.abs().sum(dim=1) / w.sum()
    low, high = torch.quantile(errors, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)).tolist()
    return low, high


def _bins(probability: Tensor, edges: Tensor) -> Tensor:
    return torch.searchsorted(edges[1:-1].contiguous(), probability.double().contiguous())


def _sums(probability: Tensor, target: Tensor, weight: Tensor | None, index: Tensor, bins: int) -> Tensor:
    """Return the sums of weight, weight * probability and weight * target in each bin, (3, bins)."""
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    sums = torch.zeros(3, bins, dtype=torch.float64)
    return sums.index_add_(1, index, torch.stack([w, w * p, w * y]))


def _cells(p: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return weight, mean probability and bin of each row, or of many rows of neighbours by probability within a bin."""
    order = torch.argsort(p)
    p, w = p[order], w[order]
    bins, place = calibration_bins(p), torch.arange(len(p))
    starts = torch.cat([torch.ones(1, dtype=torch.bool), bins[1:] != bins[:-1]])
    first = torch.where(starts, place, 0).cummax(0).values
    is_few = len(p) <= MOST_ROWS and bool((w == 1).all())
    size = 1 if is_few else -(-len(p) // MOST_CELLS)
    cell = ((place - first) % size == 0).long().cumsum(0) - 1
    number = int(cell[-1]) + 1
    count = torch.zeros(number, dtype=torch.float64).index_add_(0, cell, w)
    total = torch.zeros(number, dtype=torch.float64).index_add_(0, cell, w * p)
    return count, total / count.clamp(min=1e-300), torch.zeros(number, dtype=torch.long).index_put_((cell,), bins)
