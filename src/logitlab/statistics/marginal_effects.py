"""By how much one more of a feature moves the probability, averaged over the table's rows.

    of a number      mean_i p_i (1 - p_i) * weight                          (the derivative, averaged)
    of an indicator  mean_i [p_i with the feature on - p_i with it off]     (the difference, averaged)
    of a category    the same, every row put first into the reference level and then into the level

The errors are by the delta method: J V J', J the effects' derivatives by theta, V the covariance of theta. As statsmodels'
get_margeff(at="overall", method="dydx", dummy=True) has them. Source: Greene, Econometric Analysis (2012), 17.3.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from logitlab.statistics.likelihood import Likelihood, spread


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
    effects, slopes = theta.new_zeros(len(switches)), theta.new_zeros(len(theta), len(switches))
    for design, _, weight in likelihood.chunks():
        logit = design @ theta
        density = spread(logit) * weight
        total_spread += density.sum()
        total_slope += design.T @ (density * torch.tanh(-logit / 2))  # 1 - 2 p = tanh(-logit / 2)
        if switches:
            effect, slope = _switched(design, logit, theta, weight, switches)
            effects += effect
            slopes += slope
    jacobian = torch.outer(weights, total_slope)
    jacobian[:, :-1] += total_spread * torch.eye(len(weights), dtype=theta.dtype)
    average = total_spread * weights
    columns = [switch.column for switch in switches]
    average[columns], jacobian[columns] = effects, slopes.T
    return average / likelihood.rows, jacobian / likelihood.rows


def _switched(
    design: Tensor, logit: Tensor, theta: Tensor, weight: Tensor, switches: Sequence[Switch]
) -> tuple[Tensor, Tensor]:
    """Return the sums over some rows of p(on) - p(off), (switches,), and their derivatives, (features + 1, switches).

    `moved` picks theta of the columns that a switch sets, `value` what it sets them to: so all switches are two products.
    """
    moved, value = theta.new_zeros(2, len(theta), len(switches))
    for index, switch in enumerate(switches):
        for column, off in {switch.column: switch.off, **switch.others}.items():
            moved[column, index], value[column, index] = theta[column], off
    columns = torch.tensor([switch.column for switch in switches])
    step = theta.new_tensor([switch.on - switch.off for switch in switches])
    off = logit[:, None] - design @ moved + (moved * value).sum(dim=0)
    p_off, p_on = torch.sigmoid(off), torch.sigmoid(off + step * theta[columns])
    density_off, density_on = p_off * (1 - p_off) * weight[:, None], p_on * (1 - p_on) * weight[:, None]
    slope = design.T @ (density_on - density_off)
    net = (density_on - density_off).sum(dim=0)
    slope = torch.where(_set_by(switches, len(theta)), value * net, slope)
    slope[columns, torch.arange(len(switches))] += step * density_on.sum(dim=0)
    return weight @ (p_on - p_off), slope


def _set_by(switches: Sequence[Switch], size: int) -> Tensor:
    """Return which columns each switch sets, (size, switches), bool."""
    mask = torch.zeros(size, len(switches), dtype=torch.bool)
    for index, switch in enumerate(switches):
        mask[[switch.column, *switch.others], index] = True
    return mask
