"""Whether a fit stands at an optimum, so that its coefficients have standard errors; if not, why, as the end of a sentence."""

import torch
from torch import Tensor

from logitlab.statistics.covariance import inverse
from logitlab.statistics.likelihood import Likelihood, Point

NEAR_ENOUGH = 0.01
"""Standard errors from the optimum, in the worst direction, up to which a fit counts as at it."""

SEPARATED = "the classes are separable, so the best coefficients are infinite"


def no_optimum(likelihood: Likelihood, theta: Tensor, point: Point, firth: bool = False) -> str | None:
    """Return why `theta`, (features + 1,), is not an optimum of the likelihood, whose value there is `point`; None if it is.

    With `firth` the gradient is that of Firth's penalised likelihood, which has an optimum for every table.
    """
    classes = torch.unique(likelihood.target[likelihood.weight > 0]).tolist()
    if len(classes) == 1 and not firth:
        return f"every row is of class {classes[0]:.0f}, so the likelihood has no maximum: the best bias is infinite"
    if not bool(torch.isfinite(point.gradient).all() and torch.isfinite(point.information).all()):
        return "a coefficient is infinite or not a number"
    if not firth and _separates(likelihood, theta):
        return SEPARATED
    if not firth and float(point.information[-1, -1]) == 0:
        return "every probability is exactly 0 or 1, where the likelihood is flat and determines no errors"
    step, far = _newton_step(point)
    if far > NEAR_ENOUGH:
        return f"the fit stopped {far:.2g} standard errors short of the optimum (optimizer=newton goes there)"
    return None if firth or _converges(likelihood, theta, point, step, far) else SEPARATED


def _separates(likelihood: Likelihood, theta: Tensor) -> bool:
    """Whether every row's logit has the sign of its class."""
    return all(
        bool(((design @ theta) * (2 * target - 1) > 0)[weight > 0].all()) for design, target, weight in likelihood.chunks()
    )


def _newton_step(point: Point) -> tuple[Tensor, float]:
    """Return Newton's step, (features + 1,), and its length in standard errors.

    The length is the Newton decrement sqrt(g' A^-1 g), g the gradient and A the information: no combination of the
    coefficients moves by more of its own standard errors (Boyd and Vandenberghe, Convex Optimization, 9.5.1).
    """
    step = inverse(point.information) @ point.gradient
    return step, float((point.gradient @ step).clamp(min=0).sqrt())


def _converges(likelihood: Likelihood, theta: Tensor, point: Point, step: Tensor, far: float) -> bool:
    """Whether the next Newton step would be far shorter, as it is near every optimum.

    Under separation, also quasi-complete, the steps keep their length while standard errors grow without bound, so that
    in standard errors the optimum seems near.
    """
    size = point.information.diagonal().sqrt()
    relative = (step * size).norm() / ((theta * size).norm() + 1e-300)
    if relative < 1e-6:
        return True
    return _newton_step(likelihood.at(theta + step))[1] < 0.3 * far
