"""Profile-likelihood intervals: the values of a coefficient that the likelihood-ratio test does not reject.

With l_p(b) the greatest likelihood where the coefficient is held at b, the interval's ends solve
    2 (l(theta_hat) - l_p(b)) = z_level^2.
Unlike Wald's it needs not be symmetric, is the same in all units, and holds where the likelihood is far from a parabola
(small tables, rare classes, strong effects). Source: Venzon and Moolgavkar, Applied Statistics 37 (1988), 87-94.
"""

import math

import torch
from torch import Tensor

from logreg.statistics.covariance import inverse
from logreg.statistics.likelihood import Likelihood
from logreg.statistics.wald import normal_quantile

MOST_STEPS = 50
FAR = 1e3
"""An end further than this many standard errors from the estimate is at infinity: the likelihood levels off before it."""


def profile_interval(likelihood: Likelihood, theta: Tensor, column: int, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the interval for theta[column]; an end where the likelihood never falls far enough is infinite.

    Args:
        likelihood: of the rows.
        theta: where the likelihood is greatest, (features + 1,).
        column: of the coefficient; -1 or the last: the bias.
        level: of confidence.
    """
    reach = normal_quantile(level)
    return _end(likelihood, theta, column, -1, reach), _end(likelihood, theta, column, 1, reach)


def _end(likelihood: Likelihood, theta: Tensor, column: int, side: int, reach: float) -> float:
    """Find where the signed root r(b) = sqrt(2 (l_hat - l_p(b))) is `reach`: r is nearly a line, so Newton's steps are few."""
    best = likelihood.at(theta)
    covariance = inverse(best.information)
    error = covariance[column, column].sqrt().item()
    direction = covariance[:, column] / covariance[column, column]  # how the others follow, per unit of the coefficient
    point, moved = theta, side * reach * error
    inside, outside = 0.0, math.inf  # |b - estimate| that lie in the interval, and beyond it
    for _ in range(MOST_STEPS):
        point = _constrained(likelihood, point + (theta[column] + moved - point[column]) * direction, column)
        here = likelihood.at(point)
        root = math.sqrt(max(0.0, 2 * (best.value - here.value)))
        distance = abs(moved)
        inside, outside = (distance, outside) if root < reach else (inside, distance)
        if abs(root - reach) < 1e-9 * reach:
            break
        slope = -side * here.gradient[column].item() / root if root else 0.0
        step = distance + (reach - root) / slope if slope > 0 else math.inf
        if not inside < step < outside:
            step = (inside + outside) / 2 if outside < math.inf else 2 * distance
        step = min(step, 2 * distance)
        if step > FAR * error:
            return side * math.inf
        moved = side * step
    return theta[column].item() + moved


def _constrained(likelihood: Likelihood, theta: Tensor, column: int) -> Tensor:
    """Return where the likelihood is greatest with theta[column] held: Newton's steps in the others, halved where they fail."""
    free = torch.ones(len(theta), dtype=torch.bool)
    free[column] = False
    here = likelihood.at(theta)
    for _ in range(MOST_STEPS):
        step = torch.zeros_like(theta)
        step[free] = inverse(here.information[free][:, free]) @ here.gradient[free]
        gain = (step @ here.gradient).item()
        if gain < 1e-16 * (1 + abs(here.value)):
            break
        size = 1.0
        while (there := likelihood.at(theta + size * step)).value < here.value and size > 1e-6:
            size /= 2
        if there.value < here.value:
            break
        theta, here = theta + size * step, there
    return theta
