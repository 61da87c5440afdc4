"""The rows of a data source: features, target, row weights and their names."""

from typing import Any

import torch
from torch import Tensor

from logitlab.features import Features


class Examples:
    """Rows with known answers.

    Attributes:
        exact: the features at full precision: `Features`, or a tensor that is exact as it is, (rows, features).
        target: float32, (rows, 1), 0 or 1.
        feature_names: one name for each feature, in the order of the columns.
        target_name: what 1 means.
        weight: float32, (rows, 1), how much each row counts, above 0; None: all the same. They are counts (a row of weight 2
            stands for two equal rows), or sampling weights of mean 1.
        cluster: int64, (rows,), the number of the row's group of dependent rows; None: all rows are independent.
        sampling: the weights are sampling weights: how much of a population a row represents.
    """

    def __init__(
        self,
        features: Tensor | Features,
        target: Tensor,
        feature_names: tuple[str, ...],
        target_name: str,
        weight: Tensor | None = None,
        cluster: Tensor | None = None,
        sampling: bool = False,
    ) -> None:
        """Take the rows; see the attributes."""
        self.exact = features
        self.target = target
        self.feature_names = feature_names
        self.target_name = target_name
        self.weight = weight
        self.cluster = cluster
        self.sampling = sampling

    @property
    def features(self) -> Tensor:
        """The features in float32, (rows, features), for mini-batches; solvers and statistics take `exact`."""
        return self.exact.float() if isinstance(self.exact, Features) else self.exact

    def __len__(self) -> int:
        return len(self.exact)

    def at(self, rows: Tensor, features: Tensor | Features) -> "Examples":
        """Return the rows of those numbers, with their `features`, (rows, features), made anew."""
        weight = None if self.weight is None else self.weight[rows]
        cluster = None if self.cluster is None else self.cluster[rows]
        return Examples(features, self.target[rows], self.feature_names, self.target_name, weight, cluster, self.sampling)

    def but(self, **changed: Any) -> "Examples":
        """Return the same rows with other attributes, by the names that the constructor has."""
        same = {"features": self.exact, **{name: value for name, value in vars(self).items() if name != "exact"}}
        return Examples(**{**same, **changed})

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parts of a batch: (features, target), or (features, target, weight) with weights of mean 1; float32."""
        return self.features, *self.answers

    @property
    def answers(self) -> tuple[Tensor, ...]:
        """What comes behind the features in a batch: (target,), or (target, weight) with weights of mean 1."""
        return (self.target,) if self.weight is None else (self.target, self.weight / self.weight.double().mean())

    @property
    def class_weights(self) -> tuple[float, float]:
        """The sum of the row weights of class 0 and of class 1; without weights the number of rows of each."""
        weight = torch.ones_like(self.target) if self.weight is None else self.weight
        positive = float((weight * self.target).sum(dtype=torch.float64))
        return float(weight.sum(dtype=torch.float64)) - positive, positive
