"""The loss that goes with a network."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from logitlab import rules
from logitlab.errors import UserError
from logitlab.networks import Network


def binary_cross_entropy(
    network: Network,
    pos_weight: float | Literal["balanced"] | None = None,
    class_weights: tuple[float, float] = (1.0, 1.0),
    row_weights: bool = False,
    takes_logits: bool | None = None,
) -> nn.Module:
    """Return the mean over rows of -(y log p + (1 - y) log(1 - p)), in the form that suits what the network returns.

    nn.BCELoss takes the probability p, nn.BCEWithLogitsLoss the logit: the same number, but where a float32 sigmoid is
    exactly 0 or 1 (beyond a logit of 16.6) the first has lost its gradient and the second has not.

    Args:
        network: says whether it returns a probability or a logit.
        pos_weight: how many rows of class 0 a row of class 1 counts as; "balanced": as many as make the classes count alike.
            The probabilities then speak of a table in which class 1 is that much more frequent; the order of the rows by
            them hardly changes.
        class_weights: the sum of the row weights of class 0 and of class 1 among the training rows, for "balanced".
        row_weights: the batches carry a weight for each row.
        takes_logits: whether the loss takes a logit; None: as the network returns one. A module that is no `Network` and does
            not say what it returns is taken at this word.

    Raises:
        UserError: pos_weight=balanced and a class has no rows, or the network returns something else than the loss takes.
    """
    rules.check("loss", pos_weight=pos_weight)
    if takes_logits not in (None, network.returns_logits):
        raise UserError(
            f"loss.takes_logits={str(takes_logits).lower()} does not go with {type(network).__name__}, which returns a"
            f" {'logit' if network.returns_logits else 'probability'}: leave it out (loss.takes_logits=null)."
        )
    if pos_weight is None and not row_weights:
        return nn.BCEWithLogitsLoss() if network.returns_logits else nn.BCELoss()
    return WeightedCrossEntropy(positive_weight(pos_weight, class_weights), network.returns_logits)


def positive_weight(pos_weight: float | Literal["balanced"] | None, class_weights: tuple[float, float]) -> float:
    """Return how many rows of class 0 a row of class 1 counts as; arguments and errors as for `binary_cross_entropy`."""
    if pos_weight == "balanced":
        if not all(class_weights):
            raise UserError("loss.pos_weight=balanced needs training rows of both classes. Type loss.pos_weight=null.")
        return class_weights[0] / class_weights[1]
    return 1.0 if pos_weight is None else pos_weight


class WeightedCrossEntropy(nn.Module):
    """The mean over rows of -w (c y log p + (1 - y) log(1 - p)): c is `pos_weight`, w the row's weight.

    Row weights have the mean 1 over all rows of a split, so that the mean over a batch stays an unbiased estimate. With w = 1
    it is nn.BCEWithLogitsLoss(pos_weight=c); scikit-learn's class_weight={0: 1, 1: c} differs by a constant factor.
    """

    def __init__(self, pos_weight: float, takes_logits: bool) -> None:
        """Take the weight of class 1 and whether `forward` is given the logit or the probability."""
        super().__init__()
        self.pos_weight = pos_weight
        self.takes_logits = takes_logits

    def forward(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss, (), for the network's output, the target and the row weights, each (batch, 1)."""
        factor = 1 + (self.pos_weight - 1) * target
        if weight is not None:
            factor = factor * weight
        cross_entropy = functional.binary_cross_entropy_with_logits if self.takes_logits else functional.binary_cross_entropy
        return cross_entropy(output, target, factor)


def takes_logits(loss: nn.Module) -> bool:
    """Return whether a loss is given logits; otherwise it is given probabilities."""
    return isinstance(loss, nn.BCEWithLogitsLoss) or getattr(loss, "takes_logits", False)


def check_pair(network: Network, loss: nn.Module) -> None:
    """Raise UserError for a loss that does not go with what a network returns."""
    if takes_logits(loss) != network.returns_logits:
        returned = "a logit" if network.returns_logits else "a probability"
        raise UserError(
            f"{type(loss).__name__} does not go with {type(network).__name__}, which returns {returned}. BCELoss takes a"
            " probability, BCEWithLogitsLoss a logit (model=logits)."
        )
