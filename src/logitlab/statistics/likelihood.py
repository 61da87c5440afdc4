"""The log-likelihood of a logistic regression with its gradient and information: the base of every error and test.

    l(theta) = sum_i w_i [y_i log p_i + (1 - y_i) log(1 - p_i)],   p_i = 1 / (1 + exp(-x_i theta))
    gradient = sum_i w_i (y_i - p_i) x_i
    information = sum_i w_i p_i (1 - p_i) x_i x_i'      (observed = expected, the logit link being canonical)

It is minus the number of rows times the mean loss of `solvers/objective.py`, where the formula is worked out.

Conventions of this package: float64 throughout; x_i is a row of features with a 1 behind it, so theta is (features + 1,) and
the bias stands last; w_i are frequencies (a row of weight 3 counts as three equal rows), as freq_weights in statsmodels' GLM.
Source: McCullagh and Nelder, Generalized Linear Models (1989), chapter 4.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from logitlab.features import Features
from logitlab.solvers.basis import Basis, basis
from logitlab.solvers.objective import Objective
from logitlab.sparse import stored_in_a_row

CELLS_AT_ONCE = 2**20
"""Cells of a design matrix that are held in float64 at one time: 8 MB, whatever the size of the table."""


@dataclass(frozen=True)
class Point:
    """The likelihood at one theta: value (), gradient (features + 1,), information (features + 1, features + 1)."""

    value: float
    gradient: Tensor
    information: Tensor


class Likelihood:
    """The likelihood of a table's rows as a function of theta."""

    def __init__(self, features: Tensor | Features, target: Tensor, weight: Tensor | None = None) -> None:
        """Take features (rows, features), target (rows,) or (rows, 1), and as weight how often each row counts; None: once."""
        self.features = features
        self.target = target.reshape(-1).double()
        self.weight = torch.ones_like(self.target) if weight is None else weight.reshape(-1).double()
        self.objective = Objective(features, self.target, None if weight is None else self.weight)

    @property
    def parameters(self) -> int:
        """The length of theta."""
        return self.features.shape[1] + 1

    @property
    def rows(self) -> float:
        """How many rows there are, each counted by its weight."""
        return float(self.weight.sum())

    @cached_property
    def basis(self) -> Basis:
        """Which columns are independent, and coordinates in which nothing is nearly collinear."""
        return basis(self.objective)

    @cached_property
    def inner(self) -> "Likelihood":
        """The same likelihood as a function of `basis`'s coordinates, or itself where the plain columns serve."""
        span = self.basis
        return Likelihood(span.features(self.features), self.target, self.weight) if span.is_rotated else self

    @cached_property
    def means(self) -> Tensor:
        """The mean of each feature over the rows, (features,)."""
        step = max(1, CELLS_AT_ONCE // (stored_in_a_row(self.features) + 1))
        parts = zip(self.features.split(step), self.weight.split(step), strict=True)
        return sum((weight @ rows.to(torch.float64) for rows, weight in parts), torch.zeros(())) / self.rows

    @cached_property
    def deviations(self) -> Tensor:
        """The standard deviation of each feature over the rows, (features,)."""
        squares = (weight @ (design[:, :-1] - self.means).square() for design, _, weight in self.chunks())
        return (sum(squares, torch.zeros(())) / self.rows).sqrt()

    def chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (design, target, weight) of successive rows: (rows, features + 1), (rows,) and (rows,), float64."""
        step = max(1, CELLS_AT_ONCE // self.parameters)
        for start in range(0, len(self.features), step):
            part = slice(start, start + step)
            rows = self.features[part].double()
            yield torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1), self.target[part], self.weight[part]

    def value(self, theta: Tensor) -> float:
        """Return l(theta)."""
        return -float(self.objective.sums(theta, hessian=False).loss)

    def at(self, theta: Tensor) -> Point:
        """Return l with its gradient and information at `theta`, (features + 1,)."""
        sums = self.objective.sums(theta)
        assert sums.hessian is not None
        return Point(-float(sums.loss), -sums.gradient, sums.hessian)

    def null(self) -> float:
        """Return the greatest l with a bias alone: p is then the share of class 1."""
        ones, rows = float(self.target @ self.weight), self.rows
        return sum(count * math.log(count / rows) for count in (ones, rows - ones) if count > 0)


def variance(logit: Tensor) -> Tensor:
    """Return p (1 - p) of each logit, without the cancellation of 1 - p where p is near 1."""
    return torch.sigmoid(logit) * torch.sigmoid(-logit)
