"""A penalty from strong to weak: the optimum of each, started at the one before, evaluated on validation rows."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logitlab.data.examples import Examples
from logitlab.penalties import ElasticNet
from logitlab.solvers.basis import WIDE, coordinates
from logitlab.solvers.newton import Solution, minimum
from logitlab.solvers.objective import WORTH_SHARING, Objective, one_core
from logitlab.solvers.steps import Steps

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
        train: the rows for training.
        val: the rows for evaluation.
        penalty: its part that is not `kind` stays as it is.
        kind: "l1" or "l2".
        values: of that part, the strongest first.
        make_steps: the solver for a penalty, at its start.
        dtype: of the sums.
        pos_weight: how many rows of class 0 a row of class 1 counts as in training.
        max_iterations: evaluations at most, for each point.
    """
    points: list[Point] = []
    start: Tensor | None = None
    is_wide = train.exact.shape[1] > max(len(train), WIDE)
    screened = _Screened(train, dtype, pos_weight) if is_wide and (kind == "l1" or penalty.l1) else None
    objective = Objective(train.exact, train.target, penalty=replace(penalty, **{kind: values[0]}))
    span = coordinates(objective) if is_wide and screened is None else None
    features, held_out = (each.exact if span is None else span.features(each.exact).double() for each in (train, val))
    evaluate = Objective(held_out, val.target, val.weight)
    with one_core(features.shape[1]) if features.numel() < WORTH_SHARING else nullcontext():
        for value in values:
            own = replace(penalty, **{kind: value})
            if screened is not None:
                found = screened.minimum(own, make_steps(own), start, max_iterations)
            else:
                objective = Objective(features, train.target, train.weight, own, dtype, pos_weight)
                found = minimum(objective, make_steps(own), start, max_iterations)
            start = torch.cat([found.weight, found.bias[None]])
            loss = evaluate(start, hessian=False).loss
            weight = found.weight if span is None else span.outward(start)[:-1]
            points.append(Point(loss, int((weight != 0).sum()), found.converged))
    return points


class _Screened:
    """A table with more columns than rows, of which an l1 penalty uses a few: the others are left out, and then checked.

    A column is let in where its gradient at the optimum before exceeds 2 l1 - l1 before (the strong rule of Tibshirani et al.,
    J. R. Statist. Soc. B 74, 2012). Once the optimum of those is found, one outside whose gradient exceeds l1 is let in too,
    until there is none: then it is the optimum of all.
    """

    def __init__(self, train: Examples, dtype: torch.dtype, pos_weight: float) -> None:
        self._features = train.exact.double()
        self._whole = Objective(self._features, train.target, train.weight, dtype=dtype, pos_weight=pos_weight)
        self._before: float | None = None

    def minimum(self, penalty: ElasticNet, steps: Steps, start: Tensor | None, max_iterations: int) -> Solution:
        """Return the optimum under a penalty; the arguments are those of `newton.minimum`."""
        point = torch.zeros(self._features.shape[1] + 1, dtype=torch.float64) if start is None else start
        fresh = steps.plain()
        bound = 2 * penalty.l1 - (penalty.l1 if self._before is None else self._before)
        self._before = penalty.l1
        inside = (point[:-1] != 0) | (self._gradient(point) > bound)
        while True:
            places = inside.nonzero()[:, 0]
            objective = replace(self._whole, features=self._features[:, places], penalty=penalty)
            steps.restore(fresh)
            found = minimum(objective, steps, torch.cat([point[places], point[-1:]]), max_iterations)
            point = torch.zeros_like(point)
            point[places], point[-1] = found.weight, found.bias
            missing = ~inside & (self._gradient(point) > penalty.l1 * (1 + 1e-6))
            if not bool(missing.any()):
                return replace(found, weight=point[:-1], bias=point[-1])
            inside = inside | missing

    def _gradient(self, point: Tensor) -> Tensor:
        return self._whole(point, hessian=False).gradient[:-1].abs()
