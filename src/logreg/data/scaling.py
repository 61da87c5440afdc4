"""Standard scaling: the last step of the preprocessing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


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
    def standard(cls, x: Tensor) -> "Scaling":
        """Return the map to mean 0 and deviation 1 (population) over the rows of `x`, (rows, features).

        A column without spread is only centred, on its value: the deviation of a constant 0.1 is not 0 but 1e-17.
        """
        x = x.double()
        low, high = x.aminmax(dim=0)
        spread = x.std(dim=0, correction=0)
        constant = (low == high) | (spread == 0)
        return cls(torch.where(constant, low, x.mean(dim=0)).tolist(), torch.where(constant, 1.0, spread).tolist())

    def transform(self, x: Tensor) -> Tensor:
        """Return z for `x`, both (rows, features) and of x's dtype; the map is worked out in float64."""
        if self == Scaling.identity(x.shape[1]):
            return x
        center, scale = torch.tensor([self.center, self.scale], dtype=torch.float64, device=x.device)
        return ((x.double() - center) / scale).to(x.dtype)

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
