"""The l1 penalty for optimisers that know only gradients: a proximal step behind each of theirs, so that zeros are exact."""

from typing import Any

import torch
from torch import Tensor

from logitlab.errors import UserError
from logitlab.networks import LinearNetwork
from logitlab.penalties import ElasticNet


def shrink_after_steps(optimizer: torch.optim.Optimizer, network: LinearNetwork, penalty: ElasticNet) -> None:
    """Let every step of the optimiser end with the weights' proximal step.

    The step is as long as the optimiser's own, weight by weight, once its memory has settled on one gradient: with that, the
    points at which nothing moves any more are those of loss + penalty. (Parikh and Boyd, Proximal Algorithms, 2014.)

    Raises:
        UserError: the length of this optimiser's steps is not known here.
    """
    step_size = getattr(optimizer, "step_size", None)  # an optimiser may know it, as that of many members does
    if step_size is None and not isinstance(optimizer, torch.optim.SGD | torch.optim.Adam):
        raise UserError(
            f"penalty.l1 does not go with {type(optimizer).__name__}: it takes optimizer=newton, sgd, adam or adamw. An l2"
            " penalty (penalty.l2) goes with every optimiser."
        )

    @torch.no_grad()
    def shrink(*args: Any) -> None:
        weight = network.weight
        weight.copy_(penalty.prox(weight, _step(optimizer, weight) if step_size is None else step_size(weight)))

    optimizer.register_step_post_hook(shrink)


def _step(optimizer: torch.optim.Optimizer, weight: Tensor) -> float | Tensor:
    """Return how far the optimiser goes for a gradient of 1 that lasts, () or (features,)."""
    group = optimizer.param_groups[0]
    if isinstance(optimizer, torch.optim.SGD):
        return group["lr"] * (1 - group["dampening"] * (group["momentum"] > 0)) / (1 - group["momentum"])
    state = optimizer.state[group["params"][0]]
    second = state["exp_avg_sq"].reshape(-1) / (1 - group["betas"][1] ** float(state["step"]))
    return group["lr"] / (second.sqrt() + group["eps"])
