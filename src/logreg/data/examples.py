"""What a data source hands over: features, target, row weights and their names."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """Rows with known answers.

    Attributes:
        features: float32, (rows, features).
        target: float32, (rows, 1), 0 or 1.
        feature_names: one name for each feature, in the order of the columns.
        target_name: what 1 means.
        weight: float32, (rows, 1), how much each row counts, above 0; None: all the same.
        cluster: int64, (rows,), the number of the group of rows that hang together; None: every row stands alone.
    """

    features: Tensor
    target: Tensor
    feature_names: tuple[str, ...]
    target_name: str
    weight: Tensor | None = None
    cluster: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def at(self, rows: Tensor, features: Tensor) -> "Examples":
        """Return the rows of those numbers, with their `features`, (rows, features), made anew."""
        weight = None if self.weight is None else self.weight[rows]
        cluster = None if self.cluster is None else self.cluster[rows]
        return Examples(features, self.target[rows], self.feature_names, self.target_name, weight, cluster)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parts of a batch: (features, target), or (features, target, weight) with weights of mean 1."""
        parts = (self.features, self.target)
        return parts if self.weight is None else (*parts, self.weight / self.weight.double().mean())

    @property
    def class_weights(self) -> tuple[float, float]:
        """The sum of the row weights of class 0 and of class 1; without weights the number of rows of each."""
        weight = torch.ones_like(self.target) if self.weight is None else self.weight
        positive = float((weight * self.target).sum(dtype=torch.float64))
        return float(weight.sum(dtype=torch.float64)) - positive, positive
