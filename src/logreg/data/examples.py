"""What a data source hands over: features, target and their names."""

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
    """

    features: Tensor
    target: Tensor
    feature_names: tuple[str, ...]
    target_name: str

    def __len__(self) -> int:
        return len(self.features)
