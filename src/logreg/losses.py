"""The loss that goes with a network."""

from torch import nn

from logreg.networks import Network


def binary_cross_entropy(network: Network) -> nn.Module:
    """Return the mean over rows of -(y log p + (1 - y) log(1 - p)), in the form that suits what the network returns.

    nn.BCELoss takes the probability p, nn.BCEWithLogitsLoss the logit: the same number, but where a float32 sigmoid is
    exactly 0 or 1 (beyond a logit of 16.6) the first has lost its gradient and the second has not.
    """
    return nn.BCEWithLogitsLoss() if network.returns_logits else nn.BCELoss()
