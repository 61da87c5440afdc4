"""Which penalties to look at, and the cross-validated path over them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logitlab import memory
from logitlab.data.category import Category
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.data.scaling import Scaling
from logitlab.features import Features
from logitlab.paths.folds import Folds
from logitlab.paths.follow import follow
from logitlab.solvers.basis import WIDE
from logitlab.solvers.objective import LARGE_MATRIX, WORTH_SHARING, Objective
from logitlab.threads import enough_for

WIDTH = {"l1": 1e-4, "l2": 1e-6}
"""The last penalty of a path against its first; glmnet's is 1e-4 too where there are more rows than features."""

ABOVE = {"l1": 1.0, "l2": 10.0}
"""The first penalty against the l1 penalty that makes every coefficient zero; l2 makes none zero, however strong."""


@dataclass(frozen=True)
class Point:
    """The optimum under one penalty.

    Attributes:
        loss: the mean log loss of the val rows, with their weights; NaN where there are none.
        coefficients: how many of them are not zero.
        converged: it is the optimum, within the tolerance.
    """

    loss: float
    coefficients: int
    converged: bool


@dataclass(frozen=True)
class Paths:
    """The points of each fold, and weights and bias of each optimum, (folds, penalties, features + 1)."""

    points: list[list[Point]]
    coefficients: Tensor


def strengths(train: Examples, kind: str, count: int, pos_weight: float = 1.0, ratio: float = 1.0) -> list[float]:
    """Return penalties in equal steps of their logarithm, the strongest first, as glmnet lays them.

    The gradient of the mean loss, where the bias alone has its optimum, has no entry larger than the l1 penalty that keeps all
    coefficients at zero (Friedman, Hastie and Tibshirani, Regularization Paths for Generalized Linear Models via Coordinate
    Descent, J. Stat. Softw. 33, 2010, section 2.5).

    Args:
        train: the rows.
        kind: "l1" or "l2".
        count: how many, 2 at least.
        pos_weight: how many rows of class 0 a row of class 1 counts as.
        ratio: the share of l1 in the penalty.
    """
    negative, positive = train.class_weights
    nothing = torch.zeros(train.exact.shape[1] + 1, dtype=torch.float64)
    nothing[-1] = math.log(pos_weight * positive / negative)
    objective = Objective(train.exact, train.target, train.weight, pos_weight=pos_weight)
    first = ABOVE[kind] * float(objective(nothing, hessian=False).gradient[:-1].abs().max()) / ratio
    return [first * WIDTH[kind] ** (step / (count - 1)) for step in range(count)]


def units_of_folds(datamodule: InMemoryDataModule, scale: str, min_count: int = 1) -> Tensor | None:
    """Return the unit of each feature in each fold's own preparation, in those of all rows, (folds, features).

    A fold is prepared by its training rows: their deviations are its units. Where that is all that sets its preparation apart,
    the folds can share one table, for a weight of another unit is a penalty of another strength. None where it is not: where
    values are missing, or a category or all values but one are only in the rows that a fold holds out, or it depends on a
    fold's rows which values of a category are rare.

    Args:
        datamodule: of all folds (`data.fold=all`).
        scale: "standard" or "none".
        min_count: rows that a value of a category has at least, or it is rare.
    """
    train, fold_of = datamodule.examples, datamodule.fold_of
    if fold_of is None:
        return None
    encoders = datamodule.preprocessing.encoders
    if any(getattr(each, "fill", None) is not None or getattr(each, "missing", "") == "level" for each in encoders):
        return None
    if min_count > 1 and any(isinstance(each, Category) for each in encoders):
        return None
    widths = [len(each.feature_names) for each in encoders]
    if any(isinstance(each, Category) and not width for each, width in zip(encoders, widths, strict=True)):
        return None
    memory.check_matrix(*train.exact.shape)
    own = Features.plain(train.exact).own_units()
    is_category = torch.tensor([isinstance(each, Category) for each in encoders]).repeat_interleave(torch.tensor(widths))
    whole = torch.tensor(datamodule.preprocessing.scaling.scale, dtype=torch.float64)
    units = torch.empty(int(fold_of.max()) + 1, own.shape[1], dtype=torch.float64)
    for fold in range(len(units)):
        rows = fold_of != fold
        part = own[rows]
        if bool((part.amax(0) == part.amin(0)).any()) or _lacks_a_level(part, encoders, widths):
            return None
        weight = None if train.weight is None else train.weight[rows]
        scaling = Scaling.standard(part, weight) if scale == "standard" else Scaling.identity(own.shape[1])
        units[fold] = torch.where(is_category, 1.0, torch.tensor(scaling.scale, dtype=torch.float64) / whole)
    return units if bool(units.isfinite().all()) else None


def _lacks_a_level(rows: Tensor, encoders: Sequence[Any], widths: Sequence[int]) -> bool:
    """Whether a category's first level, which has no feature of its own, is in none of the rows, (rows, features)."""
    parts = rows.split(list(widths), dim=1)
    return any(isinstance(each, Category) and bool((part.sum(1) > 0).all()) for each, part in zip(encoders, parts, strict=True))


def class_weights(datamodule: InMemoryDataModule) -> list[tuple[float, float]]:
    """Return the weight of each class in the rows that each fold trains on, and behind them in all rows."""
    train, fold_of = datamodule.examples, datamodule.fold_of
    assert fold_of is not None
    every = [train.at(fold_of != fold, train.exact[:0]).class_weights for fold in range(int(fold_of.max()) + 1)]
    return [*every, train.class_weights]


def of_folds(
    datamodule: InMemoryDataModule,
    units: Tensor,
    l1: Tensor,
    l2: Tensor,
    tolerance: float,
    pos_weight: Sequence[float],
    most: int = 1_000,
) -> Paths:
    """Return the paths of all folds, and behind them that of all rows, on one table.

    Args:
        datamodule: of all folds.
        units: of each feature in each fold, as `units_of_folds` returns them.
        l1: the strengths, from strong to weak, (penalties, folds + 1).
        l2: the same.
        tolerance: on the KKT residual.
        pos_weight: how many rows of class 0 a row of class 1 counts as in training, in each fold and in all rows.
        most: evaluations at each penalty.
    """
    train, fold_of = datamodule.examples, datamodule.fold_of
    assert fold_of is not None
    every = torch.cat([units, torch.ones(1, units.shape[1], dtype=torch.float64)])
    memory.check_matrix(*train.exact.shape)
    return _paths(train.exact.double(), train, fold_of, l1, l2, every, tolerance, pos_weight, most, whole=True)


def of_split(
    train: Examples, val: Examples | None, l1: Tensor, l2: Tensor, tolerance: float, pos_weight: float = 1.0, most: int = 1_000
) -> Paths:
    """Return the path of the training rows alone, each point evaluated on the val rows; l1 and l2 are (penalties, 1)."""
    ones = torch.ones(1, train.exact.shape[1], dtype=torch.float64)
    memory.check_matrix(len(train) + len(val or ()), train.exact.shape[1])
    if val is None:
        fold_of = torch.full((len(train),), -1)
        return _paths(train.exact.double(), train, fold_of, l1, l2, ones, tolerance, [pos_weight], most, whole=True)
    features = torch.cat([train.exact.double(), val.exact.double()])
    weight = None if train.weight is None or val.weight is None else torch.cat([train.weight, val.weight])
    rows = train.but(features=features, target=torch.cat([train.target, val.target]), weight=weight, cluster=None)
    fold_of = torch.cat([torch.full((len(train),), -1), torch.zeros(len(val), dtype=torch.long)])
    return _paths(features, rows, fold_of, l1, l2, ones, tolerance, [pos_weight], most, whole=False)


@dataclass(frozen=True)
class Choice:
    """The strength with the smallest loss on the val rows, that loss, and the ends of what was tried."""

    strength: float
    loss: float
    strongest: float
    weakest: float


def on_validation(
    train: Examples, val: Examples, ratio: float, count: int, tolerance: float, pos_weight: float = 1.0, most: int = 1_000
) -> Choice:
    """Return the choice along a path of the training rows; l1 is `ratio` of the strength. Others are as for `of_split`."""
    values = strengths(train, "l1", count, pos_weight, ratio)
    column = torch.tensor(values, dtype=torch.float64)[:, None]
    points = of_split(train, val, column * ratio, column * (1 - ratio), tolerance, pos_weight, most).points[0]
    best = min(range(count), key=lambda place: points[place].loss)
    return Choice(values[best], points[best].loss, values[0], values[-1])


def _paths(
    features: Tensor,
    rows: Examples,
    fold_of: Tensor,
    l1: Tensor,
    l2: Tensor,
    units: Tensor,
    tolerance: float,
    pos_weight: Sequence[float],
    most: int,
    whole: bool,
) -> Paths:
    with enough_for(features.numel() if features.numel() < WORTH_SHARING and features.shape[1] <= LARGE_MATRIX else 2**62):
        if features.shape[1] > max(len(features), WIDE) and not bool(l1.any()):
            found = [
                _in_row_space(features, rows, fold_of, l2, units, tolerance, pos_weight, most, problem, whole)
                for problem in range(len(units))
            ]
            points, held_out, residual = (torch.cat(each, 1) for each in zip(*found, strict=True))
        else:
            folds = Folds(features, rows.target, fold_of, rows.weight, pos_weight, whole)
            path = follow(folds, l1, l2, units, tolerance, most)
            points, held_out, residual = path.points, path.held_out, path.residual
    nonzero = (points[:, :, :-1] != 0).sum(2)
    listed = [
        [Point(*each) for each in zip(*(column.tolist() for column in part), strict=True)]
        for part in zip(held_out.T, nonzero.T, (residual <= tolerance).T, strict=True)
    ]
    return Paths(listed, points.transpose(0, 1))


def _in_row_space(
    features: Tensor,
    rows: Examples,
    fold_of: Tensor,
    l2: Tensor,
    units: Tensor,
    tolerance: float,
    pos_weight: Sequence[float],
    most: int,
    problem: int,
    whole: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return points, held-out losses and residuals of one problem with more columns than rows and an l2 penalty alone.

    What a weight vector has across the rows changes no logit and costs something (`solvers.basis.coordinates`): as many
    coordinates as there are rows hold the optimum.
    """
    is_all = whole and problem == len(units) - 1
    own = torch.full_like(fold_of, -1) if is_all else (fold_of == problem).long() - 1
    scaled = features / units[problem]
    span = torch.linalg.qr(scaled.T).Q
    folds = Folds(scaled @ span, rows.target, own, rows.weight, [pos_weight[problem]], is_all)
    strength, ones = l2[:, problem : problem + 1], torch.ones(1, span.shape[1], dtype=torch.float64)
    path = follow(folds, torch.zeros_like(strength), strength, ones, tolerance, most)
    weight = path.points[:, :, :-1] @ span.T / units[problem]
    return torch.cat([weight, path.points[:, :, -1:]], 2), path.held_out, path.residual
