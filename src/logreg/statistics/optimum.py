"""Whether a fit stands at an optimum, so that its coefficients have standard errors; if not, why, in one sentence."""

import torch
from torch import Tensor

from logreg.statistics.covariance import inverse
from logreg.statistics.likelihood import Point

NEAR_ENOUGH = 0.01
"""Standard errors from the optimum, in the worst direction, up to which a fit counts as at it."""


def distance(point: Point) -> float:
    """Return how far a point is from the optimum, counted in standard errors.

    sqrt(g' A^-1 g), the Newton decrement, g the gradient and A the information of the log-likelihood: no coefficient, and no
    combination of them, is further than so many of its own standard errors from where Newton's step would take it.
    (Boyd and Vandenberghe, Convex Optimization, 9.5.1.)
    """
    return float((point.gradient @ inverse(point.information) @ point.gradient).clamp(min=0).sqrt())


def no_optimum(point: Point, target: Tensor, weight: Tensor) -> str | None:
    """Return why the point is no optimum; None where it is one.

    Args:
        point: the likelihood at the fitted coefficients.
        target: (rows,), 0 or 1.
        weight: (rows,).
    """
    classes = torch.unique(target[weight > 0]).tolist()
    if len(classes) == 1:
        return f"every row is of class {classes[0]:.0f}, so the likelihood has no maximum: the best bias is infinite"
    if not bool(torch.isfinite(point.gradient).all() and torch.isfinite(point.information).all()):
        return "the fit has left the numbers: a coefficient is infinite or no number"
    far = distance(point)
    if far > NEAR_ENOUGH:
        return (
            f"the fit stopped {far:.2g} standard errors short of the optimum; optimizer=newton goes there, more epochs go nearer"
        )
    return None
