"""By how much one more of a feature moves the probability, averaged over the table's rows.

    of a number      mean_i p_i (1 - p_i) * weight                          (the derivative, averaged)
    of an indicator  mean_i [p_i with the feature on - p_i with it off]     (the difference, averaged)
    of a category    the same, every row put first into the reference level and then into the level

The errors are by the delta method: J V J', J the effects' derivatives by theta, V the covariance of theta. As statsmodels'
get_margeff(at="overall", method="dydx", dummy=True) has them. Source: Greene, Econometric Analysis (2012), 17.3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from logitlab.statistics.likelihood import Likelihood, variance


@dataclass(frozen=True)
class Indicator:
    """A column that is on or off.

    Attributes:
        column: which.
        off: its value when off, in the units of the features.
        on: its value when on.
        others: the columns that must be off when it is set, the other levels of a category, with their values when off.
    """

    column: int
    off: float
    on: float
    others: Mapping[int, float] = field(default_factory=dict)


def average_marginal_effects(
    likelihood: Likelihood, theta: Tensor, indicators: Sequence[Indicator] = ()
) -> tuple[Tensor, Tensor]:
    """Return the effect of each feature, (features,), and its derivatives by theta, (features, features + 1).

    Args:
        likelihood: of the rows to average over.
        theta: the fitted point, (features + 1,).
        indicators: the columns that are switched from off to on.
    """
    weights = theta[:-1]
    total_variance, total_slope = theta.new_zeros(()), torch.zeros_like(theta)
    effects, slopes = theta.new_zeros(len(indicators)), theta.new_zeros(len(theta), len(indicators))
    for design, _, weight in likelihood.chunks():
        logit = design @ theta
        density = variance(logit) * weight
        total_variance += density.sum()
        total_slope += design.T @ (density * torch.tanh(-logit / 2))  # 1 - 2 p = tanh(-logit / 2)
        if indicators:
            effect, slope = _indicator_effects(design, logit, theta, weight, indicators)
            effects += effect
            slopes += slope
    jacobian = torch.outer(weights, total_slope)
    jacobian[:, :-1] += total_variance * torch.eye(len(weights), dtype=theta.dtype)
    average = total_variance * weights
    columns = [indicator.column for indicator in indicators]
    average[columns], jacobian[columns] = effects, slopes.T
    return average / likelihood.rows, jacobian / likelihood.rows


def _indicator_effects(
    design: Tensor, logit: Tensor, theta: Tensor, weight: Tensor, indicators: Sequence[Indicator]
) -> tuple[Tensor, Tensor]:
    """Return the sums over some rows of p(on) - p(off), (indicators,), and their derivatives, (features + 1, indicators).

    `moved` holds theta of the columns that an indicator sets, `value` what it sets them to: so all take two products.
    """
    moved, value = theta.new_zeros(2, len(theta), len(indicators))
    is_set = torch.zeros(moved.shape, dtype=torch.bool)
    for index, indicator in enumerate(indicators):
        for column, off in {indicator.column: indicator.off, **indicator.others}.items():
            moved[column, index], value[column, index], is_set[column, index] = theta[column], off, True
    columns = torch.tensor([indicator.column for indicator in indicators])
    step = theta.new_tensor([indicator.on - indicator.off for indicator in indicators])
    off = logit[:, None] - design @ moved + (moved * value).sum(dim=0)
    p_off, p_on = torch.sigmoid(off), torch.sigmoid(off + step * theta[columns])
    density_off, density_on = p_off * (1 - p_off) * weight[:, None], p_on * (1 - p_on) * weight[:, None]
    slope = design.T @ (density_on - density_off)
    net = (density_on - density_off).sum(dim=0)
    slope = torch.where(is_set, value * net, slope)
    slope[columns, torch.arange(len(indicators))] += step * density_on.sum(dim=0)
    return weight @ (p_on - p_off), slope
