"""Whether a fit stands at an optimum, so that its coefficients have standard errors; if not, why, as the end of a sentence."""

from collections.abc import Collection

import torch
from torch import Tensor

from logitlab.statistics.covariance import inverse
from logitlab.statistics.likelihood import Likelihood, Point

NEAR_ENOUGH = 0.01
"""Standard errors from the optimum, in the worst direction, up to which a fit counts as at it."""

SEPARATED = "the classes are separable, so the best coefficients are infinite"


def no_optimum(
    likelihood: Likelihood, theta: Tensor, point: Point, without: Collection[int] = (), firth: bool = False
) -> str | None:
    """Return why `theta`, (features + 1,), is no optimum of the likelihood; None where it is one.

    Args:
        likelihood: of the rows.
        theta: the fitted coefficients.
        point: the likelihood there.
        without: columns that depend on others.
        firth: `point.gradient` is that of Firth's penalised likelihood, which has an optimum for every table.
    """
    classes = torch.unique(likelihood.target[likelihood.weight > 0]).tolist()
    if len(classes) == 1 and not firth:
        return f"every row is of class {classes[0]:.0f}, so the likelihood has no maximum: the best bias is infinite"
    if not bool(torch.isfinite(point.gradient).all() and torch.isfinite(point.information).all()):
        return "the fit has left the numbers: a coefficient is infinite or not a number"
    if not firth and float(point.information[-1, -1]) == 0 and not tells_classes_apart(likelihood, theta):
        return "every probability is exactly 0 or 1, where the likelihood is flat and tells nothing of errors"
    if not firth and tells_classes_apart(likelihood, theta):
        return SEPARATED
    step, far = newton_step(point, without)
    if far > NEAR_ENOUGH:
        return f"the fit stopped {far:.2g} standard errors short of the optimum (optimizer=newton goes there)"
    return None if firth or _settles(likelihood, theta, point, step, far, without) else SEPARATED


def tells_classes_apart(likelihood: Likelihood, theta: Tensor) -> bool:
    """Tell whether every row's logit has the sign of its class: `theta` is then itself the proof of separation."""
    return all(
        bool(((design @ theta) * (2 * target - 1) > 0)[weight > 0].all()) for design, target, weight in likelihood.chunks()
    )


def newton_step(point: Point, without: Collection[int] = ()) -> tuple[Tensor, float]:
    """Return Newton's step, (features + 1,), and how far it goes, counted in standard errors.

    The distance is sqrt(g' A^-1 g), the Newton decrement, g the gradient and A the information of the log-likelihood: no
    combination of the coefficients is moved by more of its own standard errors. (Boyd and Vandenberghe, Convex Optimization,
    9.5.1.)
    """
    step = inverse(point.information, without) @ point.gradient
    return step, float((point.gradient @ step).clamp(min=0).sqrt())


def _settles(likelihood: Likelihood, theta: Tensor, point: Point, step: Tensor, far: float, without: Collection[int]) -> bool:
    """Tell whether one more step of Newton's would be far shorter, as it is near every optimum.

    Under separation, also quasi-complete, the steps stay about as long for ever while standard errors grow without bound, so
    that counted in standard errors the optimum seems near.
    """
    size = point.information.diagonal().sqrt()
    relative = (step * size).norm() / ((theta * size).norm() + 1e-300)
    if relative < 1e-6:
        return True
    _, next_far = newton_step(likelihood.at(theta + step), without)
    return next_far < 0.3 * far
