"""By how much one more of a feature moves the probability, averaged over the table's rows.

    of a number      mean_i p_i (1 - p_i) * weight                          (the derivative, averaged)
    of an indicator  mean_i [p_i with the feature on - p_i with it off]     (the difference, averaged)
    of a category    the same, every row put first into the reference level and then into the level

The errors are by the delta method: J V J', J the effects' derivatives by theta, V the covariance of theta. As statsmodels'
get_margeff(at="overall", method="dydx", dummy=True) has them. Source: Greene, Econometric Analysis (2012), 17.3.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from logreg.statistics.likelihood import Likelihood, spread


@dataclass(frozen=True)
class Switch:
    """A column that is on or off.

    Attributes:
        column: which.
        off: its value when off, in the units of the features.
        on: its value when on.
        others: the columns that must be off when it is switched, the other levels of a category, with their values when off.
    """

    column: int
    off: float
    on: float
    others: Mapping[int, float] = field(default_factory=dict)


def average_marginal_effects(likelihood: Likelihood, theta: Tensor, switches: Iterable[Switch] = ()) -> tuple[Tensor, Tensor]:
    """Return the effect of each feature, (features,), and its derivatives by theta, (features, features + 1).

    Args:
        likelihood: of the rows to average over.
        theta: the fitted point, (features + 1,).
        switches: the columns to be treated as indicators.
    """
    switches = list(switches)
    weights = theta[:-1]
    total_spread, total_slope = theta.new_zeros(()), torch.zeros_like(theta)
    effects, slopes = theta.new_zeros(len(switches)), theta.new_zeros(len(switches), len(theta))
    for design, _, weight in likelihood.chunks():
        logit = design @ theta
        density = spread(logit) * weight
        total_spread += density.sum()
        total_slope += design.T @ (density * torch.tanh(-logit / 2))  # 1 - 2 p = tanh(-logit / 2)
        for index, switch in enumerate(switches):
            effect, slope = _switched(design, logit, theta, weight, switch)
            effects[index] += effect
            slopes[index] += slope
    jacobian = torch.outer(weights, total_slope)
    jacobian[:, :-1] += total_spread * torch.eye(len(weights), dtype=theta.dtype)
    average = total_spread * weights
    columns = [switch.column for switch in switches]
    average[columns], jacobian[columns] = effects, slopes
    return average / likelihood.rows, jacobian / likelihood.rows


def _switched(design: Tensor, logit: Tensor, theta: Tensor, weight: Tensor, switch: Switch) -> tuple[Tensor, Tensor]:
    """Return the sum over some rows of p(on) - p(off), and its derivatives by theta."""
    set_to = {switch.column: switch.off, **switch.others}
    columns = list(set_to)
    values = theta.new_tensor(list(set_to.values()))
    off = logit + (values - design[:, columns]) @ theta[columns]
    on = off + (switch.on - switch.off) * theta[switch.column]
    density_on, density_off = spread(on) * weight, spread(off) * weight
    slope = design.T @ (density_on - density_off)
    slope[columns] = values * (density_on.sum() - density_off.sum())
    slope[switch.column] = switch.on * density_on.sum() - switch.off * density_off.sum()
    return (torch.sigmoid(on) - torch.sigmoid(off)) @ weight, slope
