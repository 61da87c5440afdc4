"""What every solver minimises, with its gradient and its Hessian: the one place where the formula stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

ROWS_IN_A_BLOCK = 8192
"""Rows that are worked on at a time: with a few dozen columns, what is made of them stays in the processor's cache."""


@dataclass(frozen=True)
class Penalty:
    """The price of large weights: l1 * sum |w| + l2 / 2 * sum w^2; the bias costs nothing.

    It is added to the *mean* loss, so that its strength does not depend on the number of rows. Others put it otherwise:
    scikit-learn minimises C * (sum of losses) + penalty, glum takes the mean as here and splits alpha by l1_ratio.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, weight: Tensor) -> Tensor:
        """Return the penalty, (), of `weight`, (features,)."""
        return self.l1 * weight.abs().sum() + self.l2 / 2 * weight.square().sum()

    def __bool__(self) -> bool:
        return self.l1 > 0 or self.l2 > 0

    def as_sklearn(self, total_weight: float) -> dict[str, float]:
        """Return LogisticRegression's `C` and `l1_ratio`; `total_weight` is the number of rows, or the sum of their weights."""
        strength = self.l1 + self.l2
        return {"C": 1 / (strength * total_weight) if strength else float("inf"), "l1_ratio": self._l1_ratio()}

    def as_glum(self) -> dict[str, float]:
        """Return GeneralizedLinearRegressor's `alpha` and `l1_ratio`."""
        return {"alpha": self.l1 + self.l2, "l1_ratio": self._l1_ratio()}

    def _l1_ratio(self) -> float:
        return self.l1 / (self.l1 + self.l2) if self else 0.0


NO_PENALTY = Penalty()


@dataclass
class Sums:
    """Loss, gradient and Hessian summed over some rows; those of other rows can be added.

    Attributes:
        weight: the sum of the rows' weights.
        loss: (), float64.
        gradient: (features + 1,), float64.
        hessian: (features + 1, features + 1), float64; None where it was not asked for.
    """

    weight: float
    loss: Tensor
    gradient: Tensor
    hessian: Tensor | None

    def __add__(self, other: Sums) -> Sums:
        hessian = None if self.hessian is None or other.hessian is None else self.hessian + other.hessian
        return Sums(self.weight + other.weight, self.loss + other.loss, self.gradient + other.gradient, hessian)


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point.

    Attributes:
        parameters: the point, (features + 1,).
        loss: the mean cross-entropy alone.
        value: loss + penalty.
        gradient: of the loss and the l2 penalty; the l1 penalty, which has none at 0, is not in it.
        hessian: of the same; None where it was not asked for.
    """

    parameters: Tensor
    loss: float
    value: float
    gradient: Tensor
    hessian: Tensor | None


@dataclass(frozen=True)
class Objective:
    """The mean binary cross-entropy of a logistic regression, plus a penalty, at any point.

    Conventions, for n rows x_i with target y_i (0 or 1), row weight a_i and sign s_i = 2 y_i - 1:

        logit z_i    = x_i w + b
        loss         = sum_i a_i log(1 + exp(-s_i z_i)) / sum_i a_i
        value        = loss + l1 * sum_j |w_j| + l2 / 2 * sum_j w_j^2
        gradient     = sum_i a_i (h_i - y_i) (x_i, 1) / sum_i a_i + l2 * (w, 0),    h_i = 1 / (1 + exp(-z_i))
        hessian      = sum_i a_i h_i (1 - h_i) (x_i, 1)' (x_i, 1) / sum_i a_i + l2 * diag(1, ..., 1, 0)

    `parameters` are the weights with the bias behind them, (features + 1,). The column of ones is never built. h (1 - h) is
    worked out from exp(-|z|), so that it keeps its digits where h rounds to 0 or 1. Sums over blocks of rows are float64.
    (McCullagh and Nelder, Generalized Linear Models, 2nd ed., chapter 4.)

    Attributes:
        features: (rows, features), any float type; never copied as a whole.
        target: (rows,) or (rows, 1), 0 or 1.
        weight: (rows,) or (rows, 1), not negative; None: 1 for every row.
        penalty: of the weights.
        dtype: of the arithmetic within a block: float32 is faster, float64 exact.
    """

    features: Tensor
    target: Tensor
    weight: Tensor | None = None
    penalty: Penalty = field(default=NO_PENALTY)
    dtype: torch.dtype = torch.float64

    def __call__(self, parameters: Tensor, hessian: bool = True) -> Evaluation:
        """Return value, gradient and (if asked for) Hessian at `parameters`, (features + 1,), float64."""
        return evaluation(self.sums(parameters, hessian), parameters, self.penalty)

    def sums(self, parameters: Tensor, hessian: bool = True) -> Sums:
        """Return the sums over all rows at `parameters`, without the penalty."""
        return over_blocks(
            lambda rows: sums(
                self.features[rows],
                self.target[rows],
                None if self.weight is None else self.weight[rows],
                parameters,
                hessian,
                self.dtype,
            ),
            len(self.features),
        )

    def logits(self, parameters: Tensor) -> Tensor:
        """Return every row's logit, (rows,), float64."""
        point = parameters.double()
        blocks = [block.double() @ point[:-1] + point[-1] for block in self.features.split(ROWS_IN_A_BLOCK)]
        return torch.cat(blocks)


def over_blocks(work: Callable[[slice], Sums], rows: int) -> Sums:
    """Return the sum of `work` over slices that cover `rows` rows."""
    total = None
    for start in range(0, rows, ROWS_IN_A_BLOCK):
        part = work(slice(start, start + ROWS_IN_A_BLOCK))
        total = part if total is None else total + part
    assert total is not None, "a table without rows"
    return total


def sums(
    features: Tensor,
    target: Tensor,
    weight: Tensor | None,
    parameters: Tensor,
    hessian: bool = True,
    dtype: torch.dtype = torch.float64,
) -> Sums:
    """Return the sums over one block of rows (shapes and formula: `Objective`)."""
    x, sign = features.to(dtype), target.reshape(-1).to(dtype) * 2 - 1
    point = parameters.to(x)
    margin = (x @ point[:-1]).add_(point[-1]).mul_(sign)
    tail = margin.abs().neg_().exp_()  # exp(-|margin|), in (0, 1]: neither overflows nor loses digits
    losses = torch.log1p(tail).sub_(margin.clamp(max=0))
    small = tail / (1 + tail)  # the smaller of h and 1 - h
    wrong = torch.where(margin > 0, small, 1 - small)  # the probability of the class that is not the row's
    slope = wrong.mul(sign).neg_()  # h - y
    rows = None if weight is None else weight.reshape(-1).to(x)
    if rows is not None:
        losses, slope = losses * rows, slope * rows
    gradient = torch.cat([slope @ x, slope.sum()[None]])
    curvature = None
    if hessian:
        variance = small * (1 - small)
        curvature = gram(x, variance if rows is None else variance * rows)
    total = float(len(x)) if rows is None else float(rows.double().sum())
    return Sums(total, losses.double().sum(), gradient.double(), curvature)


def gram(x: Tensor, weight: Tensor) -> Tensor:
    """Return sum_i weight_i (x_i, 1)' (x_i, 1), (features + 1, features + 1), float64, for x (rows, features)."""
    weighted = x * weight[:, None]
    result = torch.empty(x.shape[1] + 1, x.shape[1] + 1, dtype=torch.float64, device=x.device)
    result[:-1, :-1] = weighted.T @ x
    result[-1, :-1] = result[:-1, -1] = weighted.sum(0)
    result[-1, -1] = weight.sum()
    return result


def evaluation(total: Sums, parameters: Tensor, penalty: Penalty = NO_PENALTY) -> Evaluation:
    """Return the objective whose sums over all rows are `total`."""
    point = parameters.double()
    loss = float(total.loss) / total.weight
    gradient = total.gradient / total.weight
    hessian = None if total.hessian is None else total.hessian / total.weight
    if penalty.l2:
        gradient[:-1] += penalty.l2 * point[:-1].to(gradient)
        if hessian is not None:
            hessian.diagonal()[:-1] += penalty.l2
    return Evaluation(point, loss, loss + float(penalty(point[:-1])), gradient, hessian)
