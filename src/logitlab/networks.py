"""The same logistic regression written four ways: logit = x w + b, probability = 1 / (1 + exp(-logit)).

Conventions: x is (batch, features); what forward returns is (batch, 1); `weight` is (features,) and `bias` is ().
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from logitlab.errors import UserError
from logitlab.features import Features

BLOCK_VALUES = 2**18
"""Features that are looked at together: they stay in the cache."""

Start = float | Sequence[float] | None
"""Where weights start: None (torch's own start), one number for all of them, or a number for each."""


class Network(nn.Module, ABC):
    """A linear map with one output, with or without the sigmoid behind it.

    Attributes:
        returns_logits: forward returns the logit, for a loss that takes one; otherwise the probability.
        is_logistic: forward returns x w + b, or the sigmoid of that.
        recalibration: slope and intercept that `probability` puts the logit through, chosen on val rows after the fit
            (calibration=platt); None: the logit as it is. What the loss is given never changes.
    """

    returns_logits = False
    is_logistic = False
    recalibration: tuple[float, float] | None = None

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """The weight of each feature, (features,)."""

    @property
    @abstractmethod
    def bias(self) -> Tensor:
        """The bias, ()."""

    def probability(self, output: Tensor) -> Tensor:
        """Return the probability of class 1 for what forward returned; shape unchanged."""
        if self.recalibration is None:
            return torch.sigmoid(output) if self.returns_logits else output
        slope, intercept = self.recalibration
        logit = output if self.returns_logits else torch.logit(output, eps=torch.finfo(output.dtype).eps)
        return torch.sigmoid(slope * logit + intercept)

    @torch.no_grad()
    def exact_logit(self, features: Tensor | Features) -> Tensor:
        """Return the logit, before any recalibration, in float64: (rows,) for features (rows, features).

        Equal rows have equal logits to the last bit, wherever they stand: each row is summed by itself, where a matrix product
        adds in another order at the end of a block.
        """
        block = max(1, BLOCK_VALUES // max(1, features.shape[1]))
        return torch.cat([self._logit_of(part.double()) for part in features.split(block)])

    def _logit_of(self, x: Tensor) -> Tensor:
        if self.is_logistic:
            return (x * self.weight.detach().double()).sum(1) + self.bias.detach().double()
        output = copy.deepcopy(self).double()(x)[:, 0]
        return output if self.returns_logits else torch.logit(output)

    def scores(self, features: Tensor | Features) -> tuple[Tensor, Tensor]:
        """Return each row's probability, float32, and its logit, float64, both recalibrated: (rows,) each."""
        logit = self.exact_logit(features)
        if self.recalibration is not None:
            slope, intercept = self.recalibration
            logit = slope * logit + intercept
        return logit.sigmoid().float(), logit


class Sequential(nn.Sequential, Network):
    """nn.Sequential(nn.Linear(features, 1), nn.Sigmoid()), as the first tutorial writes it."""

    is_logistic = True

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__(linear(in_features, weight, bias), nn.Sigmoid())

    @property
    def weight(self) -> Tensor:  # noqa: D102
        return cast(nn.Linear, self[0]).weight[0]

    @property
    def bias(self) -> Tensor:  # noqa: D102
        return cast(nn.Linear, self[0]).bias[0]


class BinaryClassifier(Network):
    """The tutorial's class with the members linear and sigmoid."""

    is_logistic = True

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__()
        self.linear = linear(in_features, weight, bias)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of class 1."""
        return self.sigmoid(self.linear(x))

    @property
    def weight(self) -> Tensor:  # noqa: D102
        return self.linear.weight[0]

    @property
    def bias(self) -> Tensor:  # noqa: D102
        return self.linear.bias[0]


class Tensors(Network):
    """Bare parameters W (features, 1) and b (1,), and the formula written out: sigmoid(xW + b)."""

    is_logistic = True

    def __init__(self, in_features: int, weight: Start = 0.0, bias: float | None = 0.0) -> None:
        super().__init__()
        start = linear(in_features, weight, bias)
        self.W = nn.Parameter(start.weight.detach().T.clone())
        self.b = nn.Parameter(start.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of class 1."""
        return torch.sigmoid(x @ self.W + self.b)

    @property
    def weight(self) -> Tensor:  # noqa: D102
        return self.W[:, 0]

    @property
    def bias(self) -> Tensor:  # noqa: D102
        return self.b[0]


class Logits(Network):
    """The linear map alone, for BCEWithLogitsLoss, which keeps its gradient where a float32 sigmoid is exactly 0 or 1."""

    is_logistic = True
    returns_logits = True

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__()
        self.linear = linear(in_features, weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit."""
        return self.linear(x)

    @property
    def weight(self) -> Tensor:  # noqa: D102
        return self.linear.weight[0]

    @property
    def bias(self) -> Tensor:  # noqa: D102
        return self.linear.bias[0]


def linear(in_features: int, weight: Start, bias: float | None) -> nn.Linear:
    """Return nn.Linear(in_features, 1), which draws its start from torch's generator, with the given values put in.

    Raises:
        UserError: `weight` has another number of values than there are features.
    """
    layer = nn.Linear(in_features, 1)
    with torch.no_grad():
        if weight is not None:
            values = torch.as_tensor(list(weight) if isinstance(weight, Sequence) else weight, dtype=layer.weight.dtype)
            if values.ndim and len(values) != in_features:
                raise UserError(
                    f"model.weight has {len(values)} values and the data has {in_features} features: give one number for"
                    " each feature, or a single number for all of them."
                )
            layer.weight.copy_(values)
        if bias is not None:
            layer.bias.fill_(bias)
    return layer
