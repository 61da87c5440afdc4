"""What a data source hands over: features, target, row weights and their names."""

from dataclasses import dataclass

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
    """

    features: Tensor
    target: Tensor
    feature_names: tuple[str, ...]
    target_name: str
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parts of a batch: (features, target), or (features, target, weight)."""
        parts = (self.features, self.target)
        return parts if self.weight is None else (*parts, self.weight)
