"""Whether probabilities mean what they say: of the rows that are given 0.7, seven in ten should be of class 1.

Conventions: probability, target and weight are (rows,); weights are frequencies. For bins k with n_k of n rows, mean
probability f_k and share of class 1 o_k, over all rows o:

    expected calibration error = sum_k n_k/n |f_k - o_k|                                         (Naeini et al. 2015)
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

from logreg.statistics.wald import normal_quantile

MOST_CELLS = 5_000
"""Rows beyond this number are resampled as cells of neighbouring rows: the same sums at a bounded cost."""


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

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance between probability and share, over rows."""
        return float((self.count * (self.probability - self.observed).abs()).sum() / self.count.sum())


@dataclass(frozen=True)
class Brier:
    """The Brier score and its parts (formulas: this file's head)."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error with its uncertainty.

    Attributes:
        value: over the rows at hand.
        low: lower end of the bootstrap interval; `high`: the upper one.
        by_chance: what probabilities that are exactly right would score on so many rows: about this much is noise.
    """

    value: float
    low: float
    high: float
    by_chance: float


def bin_edges(probability: Tensor, bins: int = 10, equal: str = "mass") -> Tensor:
    """Return the edges of bins of equal mass (as many rows in each) or equal width, ascending, (bins + 1,).

    As scikit-learn's calibration_curve has them for strategy "quantile" and "uniform". Edges that coincide are one: a model
    that knows only three probabilities has at most three bins.
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
    reach = math.sqrt(z2) * (share * (1 - share) / count + z2 / (4 * count.square())).sqrt()
    whole = 1 + z2 / count
    return ((middle - reach) / whole).clamp(min=0), ((middle + reach) / whole).clamp(max=1)


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


def calibration_error(
    probability: Tensor,
    target: Tensor,
    edges: Tensor,
    weight: Tensor | None = None,
    level: float = 0.95,
    draws: int = 500,
    seed: int = 0,
) -> CalibrationError:
    """Return the expected calibration error with a bootstrap interval, and what chance alone would make it.

    The bootstrap is Poisson's: each row counts Poisson(weight) times in a draw, which for many rows is Efron's with
    replacement, and all draws are one matrix product. Its draws are noisier than the rows and so lie too high; the interval is
    theirs, moved so that their mean falls on the value. Chance is by the normal approximation of a bin's number of ones:
    E|N(0, s^2)| = s sqrt(2 / pi) with s^2 = sum p (1 - p). A calibration error is never below 0, so it is pushed up by noise;
    by how much is what `by_chance` says.
    """
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    index = _bins(p, edges)
    bins = len(edges) - 1
    cells = _cells(p, y, index)
    number = int(cells.max()) + 1
    mass = torch.zeros(number, dtype=torch.float64).index_add_(0, cells, w)
    gap = torch.zeros(number, dtype=torch.float64).index_add_(0, cells, w * (p - y)) / mass.clamp(min=1e-300)
    owner = torch.zeros(number, dtype=torch.long).index_put_((cells,), index)
    member = torch.zeros(number, bins, dtype=torch.float64)
    member[torch.arange(number), owner] = gap
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.poisson(mass.expand(draws, -1), generator)
    errors = (drawn @ member).abs().sum(dim=1) / drawn.sum(dim=1).clamp(min=1)
    value = float((mass @ member).abs().sum() / w.sum())
    spread = torch.quantile(errors, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)) - errors.mean()
    ends = (value + spread).clamp(min=0)
    variance = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, w * p * (1 - p))
    return CalibrationError(
        value=value,
        low=ends[0].item(),
        high=ends[1].item(),
        by_chance=float((variance * 2 / math.pi).sqrt().sum() / w.sum()),
    )


def _bins(probability: Tensor, edges: Tensor) -> Tensor:
    return torch.searchsorted(edges[1:-1].contiguous(), probability.double().contiguous())


def _sums(probability: Tensor, target: Tensor, weight: Tensor | None, index: Tensor, bins: int) -> Tensor:
    """Return the sums of weight, weight * probability and weight * target in each bin, (3, bins)."""
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    sums = torch.zeros(3, bins, dtype=torch.float64)
    return sums.index_add_(1, index, torch.stack([w, w * p, w * y]))


def _cells(probability: Tensor, target: Tensor, index: Tensor) -> Tensor:
    """Return each row's cell: itself, or, of many rows, its neighbours by probability within its bin and class."""
    rows = len(probability)
    if rows <= MOST_CELLS:
        return torch.arange(rows)
    order = torch.argsort(probability)
    order = order[torch.argsort(index[order] * 2 + (target[order] > 0.5).long(), stable=True)]
    stratum = (index * 2 + (target > 0.5).long())[order]
    starts = torch.cat([torch.ones(1, dtype=torch.bool), stratum[1:] != stratum[:-1]])
    first = torch.where(starts, torch.arange(rows), 0).cummax(0).values
    size = -(-rows // (MOST_CELLS // 2))
    fresh = starts | ((torch.arange(rows) - first) % size == 0)
    cells = torch.empty(rows, dtype=torch.long)
    cells[order] = fresh.long().cumsum(0) - 1
    return cells
