"""Tests and intervals from a coefficient and its standard error: z, p, interval, odds ratio.

z = estimate / error,   p = P(|Z| > |z|) for a standard normal Z,   interval = estimate -+ z_level * error
odds ratio = exp(estimate), its interval the exponential of the estimate's (Wald 1943)

An error that is known from G groups has Student's t of G - 1 degrees of freedom in the normal's place, as Stata and R's survey
have it: with 30 groups normal quantiles are 4 % too short.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.statistics.student import t_quantile, t_two_sided


@dataclass(frozen=True)
class Wald:
    """Columns of a table, (coefficients,) each; NaN where there is no error."""

    z: Tensor
    p: Tensor
    low: Tensor
    high: Tensor


def wald(estimate: Tensor, error: Tensor, level: float = 0.95, degrees: int | None = None) -> Wald:
    """Return z, p and the interval of `level` for estimates with their standard errors, (coefficients,) each.

    `degrees` are the degrees of freedom of Student's t; None: the normal distribution.
    """
    z = estimate / error
    half_width = quantile(level, degrees) * error
    p = two_sided(z) if degrees is None else z.new_tensor([t_two_sided(each, degrees) for each in z.tolist()])
    return Wald(z, p, estimate - half_width, estimate + half_width)


def quantile(level: float, degrees: int | None = None) -> float:
    """Return what a standard normal, or Student's t, stays within, either side, with probability `level`."""
    return normal_quantile(level) if degrees is None else t_quantile((1 + level) / 2, degrees)


def two_sided(z: Tensor) -> Tensor:
    """Return P(|Z| > |z|). By erfc: torch.special.ndtr is 0 from z = -8.3 on, where p is 1e-16, and this until p is 1e-308."""
    return torch.special.erfc(z.abs() / math.sqrt(2))


def normal_quantile(level: float) -> float:
    """Return the z that a standard normal stays within, either side, with probability `level`: 1.96 for 0.95."""
    return torch.special.ndtri(torch.tensor((1 + level) / 2, dtype=torch.float64)).item()


def chi2_survival(x: float, degrees: int) -> float:
    """Return P(X > x) of a chi-squared X with `degrees` of freedom, the upper incomplete gamma function Q(degrees/2, x/2)."""
    if degrees < 1:
        return math.nan
    half = torch.tensor([degrees / 2, max(x, 0.0) / 2], dtype=torch.float64)
    return torch.special.gammaincc(half[0], half[1]).item()
