"""Which columns are linearly independent, and a basis of them in which nothing is nearly collinear.

Newton's method and the information matrix square the columns, and with them the condition number: where two columns agree to
seven digits, float64 keeps two of its sixteen. So near-collinear columns are replaced, row by row as they are needed, by
combinations of them that are orthogonal over the rows; in these the square is harmless, and the coefficients follow by one
triangular matrix, with the error that the columns' own condition number allows (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., chapter 20). The triangular factor R of the centred and scaled columns is gathered block by block (the
tall-skinny QR of Demmel et al., SIAM J. Sci. Comput. 34, 2012).

A column depends on those before it where nothing is left of it once they are projected out. As in R's glm it is the later
column that gets no coefficient: it is aliased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logitlab.features import Features
from logitlab.solvers.newton import Solution, minimum
from logitlab.solvers.objective import Objective, one_core, rows_in_a_block
from logitlab.solvers.steps import Steps

CLEARLY_INDEPENDENT = 1e-3
"""What must be left of every column, as a part of its norm, for the plain columns to serve as they are."""

ROUNDING = 1e-11
"""What may be left of a dependent column, as a part of its centred norm; R's glm has the same number."""

SINGLE_ROUNDING = 2e-5
"""The same for columns that come scaled and rounded to float32."""

WIDE, MOST_IN_ROW_SPACE = 100, 2_000
"""Columns from which on, and rows up to which, a table with more columns than rows is worked on in its row space."""

SAMPLE_ROWS_PER_COLUMN = 2
SMALLEST_SAMPLE = 2_000
WORTH_SAMPLING = 4
"""A table with this many times the sample's rows is looked at through the sample first: what is left of a column there, once
the others are projected out, is left of it in all rows at least (a mean square of a quarter or less of it)."""

REPRESENTATION = 2.0**-46
"""The same for numbers that float64 has rounded, as a part of their own size, mean and all."""


@dataclass(frozen=True)
class Basis:
    """Coordinates phi of the coefficients theta: theta = matrix @ phi, one phi for each independent column and the bias.

    Over the rows (of a large table, over a sample of them) the columns (x, 1) @ matrix are orthogonal, of mean square 1.

    Attributes:
        kept: the independent features, in order.
        matrix: (features + 1, kept + 1), float64; its rows of dependent features are 0.
        inverse: (kept + 1, features + 1): phi of a theta, with the same logit in every row; None where it is not needed.
        triangle: R of the centred and scaled columns, (rows or fewer, features); None where all are clearly independent.
        mean: of each feature over the rows, (features,).
        size: the root of the mean square of each centred feature, (features,); 0 for a constant.
    """

    kept: tuple[int, ...]
    matrix: Tensor
    inverse: Tensor | None
    triangle: Tensor | None
    mean: Tensor
    size: Tensor

    @property
    def is_rotated(self) -> bool:
        """Whether sums over rows are taken in the coordinates phi; otherwise the plain columns serve as they are."""
        return self.inverse is not None

    @property
    def aliased(self) -> list[int]:
        """The features that depend on those before them."""
        return sorted(set(range(len(self.mean))) - set(self.kept))

    def objective(self, table: Objective) -> Objective:
        """Return the objective as a function of phi, or as it is where the plain columns serve."""
        return replace(table, features=self.features(table.features))

    def features(self, features: Tensor | Features) -> Tensor | Features:
        """Return the independent combinations of the columns, (rows, kept), or the columns as they are."""
        if not self.is_rotated:
            return features
        exact = features if isinstance(features, Features) else Features.plain(features)
        return exact.combined(self.matrix[:-1, :-1], self.matrix[-1, :-1])

    def outward(self, point: Tensor) -> Tensor:
        """Return theta, (features + 1,), of a point of `objective`."""
        return self.matrix @ point if self.is_rotated else point

    @property
    def to_theta(self) -> Tensor:
        """The matrix by which `outward` multiplies, (features + 1, parameters)."""
        return self.matrix if self.is_rotated else torch.eye(len(self.mean) + 1, dtype=torch.float64)

    def inward(self, theta: Tensor) -> Tensor:
        """Return the point of `objective` at which every row has the logit that `theta` gives it."""
        return theta if self.inverse is None else self.inverse @ theta

    def outward_covariance(self, covariance: Tensor) -> Tensor:
        """Return the covariance of theta, 0 for aliased features, given that of a point of `objective`."""
        return self.matrix @ covariance @ self.matrix.T if self.is_rotated else covariance

    def relation(self, column: int) -> dict[int, float]:
        """Return what an aliased column is in every row: place -> factor of the kept columns, and of 1 behind them."""
        assert self.inverse is not None
        factors = self.matrix @ self.inverse[:, column]
        size_in_rows = factors.abs() * torch.cat([self.size, torch.ones(1, dtype=torch.float64)])
        least = 1e-8 * float(self.size[column]) if float(self.size[column]) else 0.0
        return {place: float(factors[place]) for place in (size_in_rows > least).nonzero()[:, 0].tolist()}

    def orthonormal(self, hessian: Tensor) -> Tensor:
        """Return a Hessian of `objective` in the coordinates phi, in which the mean square of the rows is the identity."""
        return hessian if self.is_rotated else self.matrix.T @ hessian @ self.matrix


def basis(table: Objective) -> Basis:
    """Return the basis of a table's columns; rows of weight 0 are not there."""
    rows, columns = table.features.shape
    sample = max(SMALLEST_SAMPLE, SAMPLE_ROWS_PER_COLUMN * columns)
    if rows > WORTH_SAMPLING * sample and (found := _of_sample(table, rows // sample)) is not None:
        return found
    if rows > columns:
        mask = None if table.weight is None else (table.weight > 0).double()
        flat = Objective(table.features, table.target, mask).sums(torch.zeros(columns + 1, dtype=torch.float64))
        assert flat.hessian is not None
        with one_core(columns):
            if (plain := _plain(4 * flat.hessian / flat.weight)) is not None:
                return plain
    with one_core(columns):
        return _rotated(table)


def coordinates(table: Objective) -> Basis | None:
    """Return the coordinates in which a table's objective is best minimised; None where the plain columns serve.

    Without a penalty those of `basis`. With an l2 penalty alone and more columns than rows those of the row space, in which the
    optimum lies: what a weight vector has across it changes no logit and costs something (the representer theorem; Hastie,
    Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., section 18.3.5). They are as many as there are rows.
    """
    rows, columns = table.features.shape
    if not table.penalty:
        return basis(table)
    if getattr(table.penalty, "l1", 1.0) or columns <= rows or columns < WIDE or rows > MOST_IN_ROW_SPACE:
        return None
    matrix = torch.zeros(columns + 1, rows + 1, dtype=torch.float64)
    matrix[:-1, :-1] = torch.linalg.qr(table.features.double().cpu().T).Q
    matrix[-1, -1] = 1.0
    mean, size = torch.zeros(columns, dtype=torch.float64), torch.ones(columns, dtype=torch.float64)
    return Basis(tuple(range(columns)), matrix, matrix.T, None, mean, size)


def minimum_within(
    table: Objective, steps: Steps, start: Tensor | None = None, max_iterations: int = 100, span: Basis | None = None
) -> Solution:
    """Return where `steps` lead in the coordinates of the table's basis; the arguments and the answer are `newton.minimum`'s.

    An aliased column has the weight 0. `Solution.hessian` is that of theta, singular where columns depend on others.
    """
    span = span or coordinates(table)
    if span is None:
        return minimum(table, steps, start, max_iterations)
    return outward(span, minimum(span.objective(table), steps, None if start is None else span.inward(start), max_iterations))


def outward(span: Basis, found: Solution) -> Solution:
    """Return in the coefficients theta what was found in a basis's coordinates."""
    if span.inverse is None:
        return found
    theta = span.outward(torch.cat([found.weight, found.bias[None]]))
    hessian, aliased = span.inverse.T @ found.hessian @ span.inverse, tuple(span.aliased)
    return replace(found, weight=theta[:-1], bias=theta[-1], hessian=hessian, aliased=aliased)


def _of_sample(table: Objective, every: int) -> Basis | None:
    """Return the basis of every so many rows where the columns are clearly independent there: then they are so in all rows."""
    weight = None if table.weight is None else table.weight[::every]
    found = basis(replace(table, features=table.features[::every], target=table.target[::every], weight=weight))
    return None if found.is_rotated else found


def _plain(gram: Tensor) -> Basis | None:
    """Return the basis of columns that are clearly independent, given the mean of (x, 1)' (x, 1); None for others."""
    mean, square = gram[-1, :-1], gram.diagonal()[:-1]
    variance = square - mean.square()
    if not bool((variance > 1e-6 * square).all()):
        return None
    size = variance.sqrt()
    correlation = (gram[:-1, :-1] - torch.outer(mean, mean)) / size / size[:, None]
    factor, failed = torch.linalg.cholesky_ex(correlation)
    if failed or (len(size) and float(factor.diagonal().min()) < CLEARLY_INDEPENDENT):
        return None
    kept = tuple(range(len(size)))
    return Basis(kept, _matrix(kept, mean, size, factor.T), None, None, mean, size)


def _rotated(table: Objective) -> Basis:
    mean, size = _moments(table)
    triangle = _triangle(table, mean, size)
    kept = _independent(triangle, _tolerance(table, mean, size))
    orthogonal, upper = torch.linalg.qr(triangle[:, kept])
    inverse = torch.zeros(len(kept) + 1, len(mean) + 1, dtype=torch.float64)
    inverse[:-1, :-1] = (orthogonal.T @ triangle) * size
    inverse[-1, :-1], inverse[-1, -1] = mean, 1.0
    return Basis(tuple(kept), _matrix(kept, mean, size, upper), inverse, triangle, mean, size)


def _matrix(kept: tuple[int, ...] | list[int], mean: Tensor, size: Tensor, upper: Tensor) -> Tensor:
    """Return `Basis.matrix` where the kept columns, centred and divided by `size`, are orthogonal columns times `upper`."""
    places = list(kept)
    matrix = torch.zeros(len(mean) + 1, len(places) + 1, dtype=torch.float64)
    unit = torch.eye(len(places), dtype=torch.float64)
    matrix[places, :-1] = torch.linalg.solve_triangular(upper, unit, upper=True) / size[places, None]
    matrix[-1, :-1] = -mean @ matrix[:-1, :-1]
    matrix[-1, -1] = 1.0
    return matrix


def _independent(triangle: Tensor, tolerance: Tensor) -> list[int]:
    """Return the columns of which something is left when those before them are projected out."""
    kept: list[int] = []
    orthogonal = torch.zeros(len(triangle), min(triangle.shape), dtype=torch.float64)
    for column in range(triangle.shape[1]):
        left, before = triangle[:, column], orthogonal[:, : len(kept)]
        for _ in range(2):  # once more, for what the rounding of the first projection left (Kahan's "twice is enough")
            left = left - before @ (before.T @ left)
        if len(kept) < min(triangle.shape) and float(left.norm()) > float(tolerance[column]):
            orthogonal[:, len(kept)] = left / left.norm()
            kept.append(column)
    return kept


def _tolerance(table: Objective, mean: Tensor, size: Tensor) -> Tensor:
    """Return what may be left of each column, (features,), before it counts as independent."""
    magnitude = mean.abs() + size
    if isinstance(table.features, Features):
        magnitude = torch.maximum(magnitude, table.features.rounded_size.cpu())
    least = SINGLE_ROUNDING if table.features.dtype == torch.float32 else ROUNDING
    return (REPRESENTATION * magnitude / size.clamp(min=1e-300)).clamp(min=least, max=1.0)


def _blocks(table: Objective) -> Iterator[Tensor]:
    size = rows_in_a_block(table.features.shape[1])
    for start in range(0, len(table.features), size):
        block = table.features[start : start + size].double().cpu()
        yield block if table.weight is None else block[table.weight[start : start + size].reshape(-1).cpu() > 0]


def _moments(table: Objective) -> tuple[Tensor, Tensor]:
    """Return each column's mean and the root mean square of its centred values, (features,) each; 0 for a constant."""
    rows, total = 0, torch.zeros(table.features.shape[1], dtype=torch.float64)
    for block in _blocks(table):
        rows, total = rows + len(block), total + block.sum(0)
    mean, square = total / rows, torch.zeros_like(total)
    for block in _blocks(table):
        square += (block - mean).square().sum(0)
    size = (square / rows).sqrt()
    return mean, torch.where(size > 1e-12 * mean.abs(), size, 0.0)


def _triangle(table: Objective, mean: Tensor, size: Tensor) -> Tensor:
    scale, rows = torch.where(size > 0, size, torch.inf), 0
    triangle = torch.zeros(0, len(mean), dtype=torch.float64)
    for block in _blocks(table):
        rows += len(block)
        triangle = torch.linalg.qr(torch.cat([triangle, (block - mean) / scale]), mode="r").R
    return triangle / rows**0.5
