"""A penalty from strong to weak: the optimum of each, begun at that of the one before, judged on rows that did not teach."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logreg.data.examples import Examples
from logreg.penalties import ElasticNet
from logreg.solvers.newton import minimum
from logreg.solvers.objective import WORTH_SHARING, Objective, one_core
from logreg.solvers.steps import Steps

WIDTH = {"l1": 1e-4, "l2": 1e-6}
"""The last penalty of a path against its first; glmnet's is 1e-4 too where there are more rows than features."""

ABOVE = {"l1": 1.0, "l2": 10.0}
"""The first penalty against the l1 penalty that makes every coefficient zero; l2 makes none zero, however strong."""


@dataclass(frozen=True)
class Point:
    """The optimum under one penalty.

    Attributes:
        loss: the mean log loss of the val rows, with their weights.
        coefficients: how many of them are not zero.
        converged: it is the optimum, within the tolerance.
    """

    loss: float
    coefficients: int
    converged: bool


def strengths(train: Examples, kind: str, count: int, pos_weight: float = 1.0) -> list[float]:
    """Return penalties in equal steps of their logarithm, the strongest first, as glmnet lays them.

    The gradient of the mean loss, where the bias alone has its optimum, has no entry larger than the l1 penalty that keeps all
    coefficients at zero (Friedman, Hastie and Tibshirani, Regularization Paths for Generalized Linear Models via Coordinate
    Descent, J. Stat. Softw. 33, 2010, section 2.5).

    Args:
        train: the rows.
        kind: "l1" or "l2".
        count: how many, 2 at least.
        pos_weight: how many rows of class 0 a row of class 1 counts as.
    """
    negative, positive = train.class_weights
    nothing = torch.zeros(train.exact.shape[1] + 1, dtype=torch.float64)
    nothing[-1] = math.log(pos_weight * positive / negative)
    objective = Objective(train.exact, train.target, train.weight, pos_weight=pos_weight)
    first = ABOVE[kind] * float(objective(nothing, hessian=False).gradient[:-1].abs().max())
    return [first * WIDTH[kind] ** (step / (count - 1)) for step in range(count)]


def follow(
    train: Examples,
    val: Examples,
    penalty: ElasticNet,
    kind: str,
    values: Sequence[float],
    make_steps: Callable[[ElasticNet], Steps],
    dtype: torch.dtype = torch.float64,
    pos_weight: float = 1.0,
    max_iterations: int = 1_000,
) -> list[Point]:
    """Return the points of a path.

    Args:
        train: the rows that teach.
        val: the rows that judge.
        penalty: its part that is not `kind` stays as it is.
        kind: "l1" or "l2".
        values: of that part, the strongest first.
        make_steps: the solver for a penalty, at its start.
        dtype: of the sums.
        pos_weight: how many rows of class 0 a row of class 1 counts as, when they teach.
        max_iterations: evaluations at most, for each point.
    """
    points: list[Point] = []
    start: Tensor | None = None
    judge = Objective(val.exact, val.target, val.weight)
    with one_core(train.exact.shape[1]) if train.exact.numel() < WORTH_SHARING else nullcontext():
        for value in values:
            own = replace(penalty, **{kind: value})
            objective = Objective(train.exact, train.target, train.weight, own, dtype, pos_weight)
            found = minimum(objective, make_steps(own), start, max_iterations)
            start = torch.cat([found.weight, found.bias[None]])
            loss = judge(start, hessian=False).loss
            points.append(Point(loss, int((found.weight != 0).sum()), found.converged))
    return points
