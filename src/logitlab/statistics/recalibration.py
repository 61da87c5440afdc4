"""Logits recalibrated on rows that the fit has not seen: logit' = slope * logit + intercept.

    temperature   intercept 0, slope = 1 / temperature           (Guo et al. 2017)
    platt         slope and intercept                            (Platt 1999, without his smoothed targets)

Both maximise the likelihood of the rows. Neither changes the order of the probabilities while the slope is above 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.solvers.newton import newton

METHODS = ("none", "temperature", "platt")


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
    x, y = logit.reshape(-1, 1).double(), target.reshape(-1).double()
    w = torch.ones_like(y) if weight is None else weight.reshape(-1)
    if method == "temperature":  # with each row's mirror image the best intercept is 0
        x, y, w = torch.cat([x, -x]), torch.cat([y, 1 - y]), torch.cat([w, w])
    best = newton(x, y, w, tolerance=1e-12)
    slope, intercept = best.weight.item(), 0.0 if method == "temperature" else best.bias.item()
    if slope <= 0:
        raise ValueError("on these rows a higher logit goes with class 0: the model is worse than none there")
    return Recalibration(slope, intercept)


def _no_best(method: str, logit: Tensor, positive: Tensor) -> str | None:
    """Return why no finite slope maximises the likelihood; None if one does."""
    if bool(positive.all() or (~positive).all()):
        return "the rows are all of one class"
    zero = logit.new_zeros(())
    cut = zero if method == "temperature" else logit[positive].min()
    if bool((logit[positive] >= cut).all() and (logit[~positive] <= cut).all() and (logit != cut).any()):
        return "the logits separate the classes, so the likelihood grows with the slope and no slope is best"
    return None
