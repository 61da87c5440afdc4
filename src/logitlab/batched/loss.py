"""Binary cross-entropy of many members at once, number for number that of torch's own modules.

Conventions: output is (members, batch), target is (batch,) or (members, batch), a loss is (members,).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def mean_loss(output: Tensor, target: Tensor, logits: bool, factor: Tensor | None = None) -> Tensor:
    """Return every member's mean over its rows of -w (y log p + (1 - y) log(1 - p)).

    Args:
        output: probabilities, or logits where `logits` is true.
        target: 0 or 1.
        logits: which of nn.BCEWithLogitsLoss and nn.BCELoss is meant.
        factor: w, of a shape that goes with output; None: 1.
    """
    if logits:
        cross_entropy = functional.binary_cross_entropy_with_logits
        return cross_entropy(output, target.expand_as(output), factor, reduction="none").mean(1)
    return _MeanBinaryCrossEntropy.apply(output, target, factor)


class _MeanBinaryCrossEntropy(torch.autograd.Function):
    """nn.BCELoss, a mean for each member, with torch's clamps: log p from -100 up, p (1 - p) from 1e-12 up in the gradient.

    torch's own raises where any probability is NaN, which would end the sound members with the broken one.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor, factor: Tensor | None) -> Tensor:
        ctx.save_for_backward(output, target, factor)
        log_p = torch.log(output).clamp_(min=-100)
        log_q = torch.log1p(-output).clamp_(min=-100)
        loss = (target - 1) * log_q - target * log_p
        return (loss if factor is None else loss * factor).mean(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        output, target, factor = ctx.saved_tensors
        slope = (output - target) / ((1 - output) * output).clamp_(min=1e-12)
        slope = slope.mul_(gradient[:, None])
        return (slope if factor is None else slope.mul_(factor)).div_(output.shape[1]), None, None
