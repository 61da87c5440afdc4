"""What would bring a fit to the optimum: so many more epochs, a smaller learning rate, or Newton's method."""

from collections.abc import Mapping
from typing import Any

import torch

from logitlab.results.result import Fit
from logitlab.solvers.descent import epochs_to_go, largest_lr
from logitlab.solvers.newton import Solution
from logitlab.solvers.objective import Evaluation

NEWTON = "optimizer=newton closes the gap"


def advice(fit: Fit, here: Evaluation, best: Solution, gap: float) -> str:
    """Return it in words; an estimate of epochs only where there is an honest one.

    There is one for full-batch SGD at a constant learning rate that has come so near that the objective is a parabola from
    there on. How many epochs mini-batches, a schedule or Adam would take is not known.

    Args:
        fit: trained.
        here: the objective where it stands.
        best: the optimum.
        gap: above the optimum, from which on a fit is called at it.
    """
    descent = _plain_descent(fit)
    if descent is None:
        return NEWTON
    lr, momentum, nesterov = descent["lr"], descent["momentum"], bool(descent["nesterov"])
    longest = largest_lr(best.hessian, momentum, nesterov)
    if lr >= longest:
        return f"With optimizer.lr={lr:g} it never settles there: it takes one below {longest:.2g}. {NEWTON}"
    error = here.parameters - torch.cat([best.weight, best.bias.reshape(1)])
    parabola = float(error @ best.hessian @ error) / 2
    if not 0.5 < parabola / (here.value - best.value) < 2:
        return NEWTON
    more = epochs_to_go(best.hessian, error, lr, momentum, nesterov, gap)
    if more is None:
        return f"{NEWTON}; descent would take millions of epochs"
    last = fit.training.epochs + more
    return f"About {_rounded(more):,} more epochs (trainer.max_epochs={_rounded(last)}) or optimizer=newton would close the gap"


def _plain_descent(fit: Fit) -> Mapping[str, Any] | None:
    """Return the settings of full-batch SGD with nothing about it that changes over time; None for any other optimiser."""
    training, settings = fit.training, fit.training.settings
    if training.batches != 1 or training.has_schedule or training.optimizer is not torch.optim.SGD:
        return None
    if any(settings[key] for key in ("dampening", "weight_decay", "maximize")):
        return None
    return None if getattr(fit.module.penalty, "l1", 0) else settings


def _rounded(epochs: int) -> int:
    """Return the number to two digits, upwards."""
    unit = 10 ** max(len(str(epochs)) - 2, 0)
    return -(-epochs // unit) * unit
