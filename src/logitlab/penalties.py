"""What large weights cost, and the penalty that keeps them finite where the classes are separable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from logitlab import rules


def soft_threshold(weight: Tensor, by: float | Tensor) -> Tensor:
    """Return every weight nearer to 0 by `by`, and exactly 0 where it was nearer."""
    return weight.sign() * (weight.abs() - by).clamp(min=0)


@dataclass(frozen=True)
class ElasticNet:
    """l1 * sum |w| + l2 / 2 * sum w^2, added to the *mean* loss; a bias costs nothing.

    Because it goes with the mean, its strength does not depend on the number of rows. Others put it otherwise: scikit-learn
    minimises C * (sum of losses) + penalty, glum the mean as here, with alpha split by l1_ratio.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        """Raise UserError for a strength that is negative or no number; of many fits at once there is a tensor of them."""
        for name in ("l1", "l2"):
            if not isinstance(value := getattr(self, name), Tensor):
                rules.check_value(f"penalty.{name}", value, rules.NOT_NEGATIVE)

    def __call__(self, *weights: Tensor) -> Tensor:
        """Return the penalty, (), of weights of any shape."""
        return self.smooth(*weights) + self.l1 * reduce(add, (each.abs().sum() for each in weights))

    def __bool__(self) -> bool:
        return bool(self.l1 > 0 or self.l2 > 0)

    def smooth(self, *weights: Tensor) -> Tensor:
        """Return the l2 part, (): the one that has a gradient everywhere."""
        return self.l2 / 2 * reduce(add, (each.square().sum() for each in weights))

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the proximal step of the l1 part: every weight nearer to 0 by step * l1, and exactly 0 where it was nearer."""
        return soft_threshold(weight, step * self.l1)

    def minimum_norm_subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Return the smallest subgradient, (features,): the gradient of loss and l2 part, plus what l1 adds to it.

        It is 0 exactly at an optimum: where a weight is 0, l1 holds a gradient of up to its own size.
        """
        at_zero = gradient.sign() * (gradient.abs() - self.l1).clamp(min=0)
        return torch.where(weight == 0, at_zero, gradient + self.l1 * weight.sign())

    def as_sklearn(self, total_weight: float) -> dict[str, float]:
        """Return LogisticRegression's `C` and `l1_ratio`; `total_weight` is the number of rows, or the sum of their weights."""
        return {"C": 1 / ((self.l1 + self.l2) * total_weight) if self else float("inf"), "l1_ratio": self._l1_ratio()}

    def as_glum(self) -> dict[str, float]:
        """Return GeneralizedLinearRegressor's `alpha` and `l1_ratio`."""
        return {"alpha": self.l1 + self.l2, "l1_ratio": self._l1_ratio()}

    def _l1_ratio(self) -> float:
        return self.l1 / (self.l1 + self.l2) if self else 0.0


@dataclass(frozen=True)
class Path:
    """An elastic net yet to be chosen: that whose optimum on the training rows has the smallest log loss on the val rows.

    Attributes:
        l1_ratio: l1 is this share of the strength, l2 the rest.
        count: strengths that are tried, in equal steps of the logarithm.
    """

    l1_ratio: float = 1.0
    count: int = 100

    def __post_init__(self) -> None:
        """Raise UserError for a value that is not allowed."""
        rules.check("penalty", l1_ratio=self.l1_ratio, count=self.count)


@dataclass(frozen=True)
class Firth:
    """-1/2 log det(X' V X) / n, added to the mean loss of all n rows: Jeffreys' prior, which separable classes cannot outrun.

    X has the column of ones, V is diagonal with h (1 - h). The estimates are finite for every table whose columns are
    linearly independent, and their bias is of order 1 / n^2 where that of maximum likelihood is of order 1 / n. It looks at
    all rows at once, so it goes with full batches only. (D. Firth, Biometrika 80, 1993; G. Heinze and M. Schemper, A solution
    to the problem of separation in logistic regression, Statistics in Medicine 21, 2002.)

    Attributes:
        mean_weight: of the rows. Batches carry weights of mean 1, and n is the sum of the weights as they are: a row of weight
            2 counts as two rows, in the penalty too.
    """

    mean_weight: float = 1.0

    def __call__(self, features: Tensor, probability: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the penalty, (), for all rows: features (rows, features), probability and row weights (rows, 1)."""
        variance = probability * (1 - probability)
        if weight is not None:
            variance = variance * weight
        x = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
        return -torch.logdet((x * variance).T @ x * self.mean_weight) / (2 * len(features) * self.mean_weight)


NONE = ElasticNet()
