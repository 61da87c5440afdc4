"""Standard scaling: the last step of the preprocessing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logitlab.features import Features


@dataclass(frozen=True)
class Scaling:
    """The affine map z = (x - center) / scale, one pair for each feature.

    A weight w and a bias b of z belong to the weight w / scale and the bias b - sum(w * center / scale) of x.
    """

    center: Sequence[float]
    scale: Sequence[float]

    @classmethod
    def identity(cls, features: int) -> "Scaling":
        """Return the map that changes nothing."""
        return cls([0.0] * features, [1.0] * features)

    @classmethod
    def standard(cls, x: Tensor, weight: Tensor | None = None) -> "Scaling":
        """Return the map to mean 0 and deviation 1 (population) over the training rows `x`, (rows, features).

        A column of nothing but 0 and 1 stays as it is, see `is_indicator`. A constant column is only centred, on its value:
        the deviation of a constant 0.1 is not 0 but 1e-17. A row of `weight`, (rows, 1), 2 counts as two; None: all alike.
        """
        x = x.double()
        low, high = x.aminmax(dim=0)
        mean, deviation = _moments(x, weight)
        if ((deviation == 0) & (low < high)).any():  # 1e-200 squared is no float64
            deviation = _moments((x - low) / (high - low), weight)[1] * (high - low)
        constant, kept = low == high, is_indicator(x)
        center = torch.where(kept, 0.0, torch.where(constant, low, mean))
        return cls(center.tolist(), torch.where(constant | kept, 1.0, deviation).tolist())

    def transform(self, x: Tensor) -> Tensor:
        """Return z for `x`, both (rows, features) and of x's dtype; the map is worked out in float64."""
        if self == Scaling.identity(x.shape[1]):
            return x
        center, scale = torch.tensor([self.center, self.scale], dtype=torch.float64, device=x.device)
        return (x.double() - center).div_(scale).to(x.dtype)

    def features(self, x: Tensor | Features) -> Tensor | Features:
        """Return the scaled features of `x`, (rows, features), exact: `x` itself where nothing changes."""
        if self == Scaling.identity(x.shape[1]):
            return x
        return Features.of(x.own_units() if isinstance(x, Features) else x, self.center, self.scale)

    def in_own_units(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight (features,) and bias () that give the same logit from x as the given ones from z, in float64."""
        center, scale = torch.tensor([self.center, self.scale], dtype=torch.float64, device=weight.device)
        own = weight.double() / scale
        return own, bias.double() - (own * center).sum()

    def plain(self) -> dict[str, Any]:
        """Return the map as plain values, for a checkpoint."""
        return {"center": list(self.center), "scale": list(self.scale)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Scaling":
        """Return the map that `plain` wrote down."""
        return cls(list(values["center"]), list(values["scale"]))


def is_indicator(x: Tensor) -> Tensor:
    """Return whether each column of `x`, (rows, features), holds nothing but 0 and 1, (features,).

    Such a column is not scaled. Divided by its deviation, a rare level would need a small weight for a large effect, and a
    penalty would hardly shrink it. As 0 and 1, all levels are shrunk alike, and C means what scikit-learn's does on a table of
    scaled numbers and dummies. Nor is it centred: the bias is not penalised, so a shift changes no optimum, and 0 and 1 are
    exact in float32 where 0 - mean is rounded.
    """
    return ((x == 0) | (x == 1)).all(dim=0)


def _moments(x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation of each column, (features,) each; of weighted rows where there are weights."""
    if weight is None:
        return x.mean(dim=0), x.std(dim=0, correction=0)
    share = weight.double() / weight.double().sum()
    mean = (share * x).sum(dim=0)
    return mean, (share * (x - mean).square()).sum(dim=0).sqrt()
