"""Logits made honest on rows that the fit has not seen: logit' = slope * logit + intercept.

    temperature   intercept 0, slope = 1 / temperature           (Guo et al. 2017)
    platt         slope and intercept                            (Platt 1999, without his smoothed targets)

Both maximise the likelihood of the rows. Neither changes the order of the probabilities while the slope is above 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.statistics.covariance import inverse
from logitlab.statistics.likelihood import Likelihood

METHODS = ("none", "temperature", "platt")
MOST_STEPS = 100


@dataclass(frozen=True)
class Recalibration:
    """Two plain numbers, kept in the checkpoint and applied wherever a probability is made."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, logit: Tensor) -> Tensor:
        """Return the recalibrated logit; shape unchanged."""
        return self.slope * logit + self.intercept


def recalibration(method: str, logit: Tensor, target: Tensor, weight: Tensor | None = None) -> Recalibration:
    """Return the slope and intercept under which the rows are most likely.

    Args:
        method: "none", "temperature" or "platt".
        logit: of the fitted model, (rows,).
        target: 0 or 1, (rows,).
        weight: how often each row counts, (rows,); None: once.

    Raises:
        ValueError: there is no finite best, or one that turns the order of the rows around; the message says why.
    """
    if method == "none":
        return Recalibration()
    if problem := _no_best(method, logit.reshape(-1), target.reshape(-1) > 0.5):
        raise ValueError(problem)
    free = [0] if method == "temperature" else [0, 1]
    likelihood = Likelihood(logit.reshape(-1, 1), target, weight)
    theta = torch.tensor([1.0, 0.0], dtype=torch.float64)
    here = likelihood.at(theta)
    for _ in range(MOST_STEPS):
        step = torch.zeros_like(theta)
        step[free] = inverse(here.information[free][:, free]) @ here.gradient[free]
        size = 1.0
        while (there := likelihood.at(theta + size * step)).value < here.value and size > 1e-8:
            size /= 2
        if there.value <= here.value:
            break
        theta, here = theta + size * step, there
    if theta[0] <= 0:
        raise ValueError("on these rows a higher logit goes with class 0: the model is worse than none there")
    return Recalibration(*theta.tolist())


def _no_best(method: str, logit: Tensor, positive: Tensor) -> str | None:
    """Return why no finite slope is best, if so."""
    if bool(positive.all() or (~positive).all()):
        return "the rows are all of one class"
    zero = logit.new_zeros(())
    cut = zero if method == "temperature" else logit[positive].min()
    if bool((logit[positive] >= cut).all() and (logit[~positive] <= cut).all() and (logit != cut).any()):
        return "the logits part the classes without a fault, so the steeper the better and no slope is best"
    return None
