"""Columns that are exact linear combinations of others: found, and named with their coefficients.

Every column is centred and divided by its deviation, so that units do not matter. The triangular factor R of a QR
decomposition, gathered chunk by chunk (the tall-skinny QR of Demmel et al. 2012), then holds all that is needed: a column
depends on the columns before it exactly where nothing is left of its part of R after projecting those out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logreg.statistics.likelihood import Likelihood

CLEARLY_INDEPENDENT = 1e-4
"""Smallest eigenvalue of the correlations from which on no exact dependency can hide, not even one rounded to float32."""

ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-7}
"""What may be left of a dependent column, by the features' dtype. In float64 it is where the information matrix, which squares
it, cannot tell the column from a dependent one."""


@dataclass(frozen=True)
class Dependency:
    """In every row, column `column` equals constant + the sum of coefficient * column over `terms`."""

    column: int
    terms: dict[int, float]
    constant: float

    def in_units(self, slope: Tensor, offset: Tensor) -> "Dependency":
        """Return the same dependency among x for columns z = slope * x + offset, (features,) each."""
        own = slope[self.column].item()
        terms = {other: value * slope[other].item() / own for other, value in self.terms.items()}
        parts = [self.constant, -offset[self.column].item(), *(k * offset[other].item() for other, k in self.terms.items())]
        constant = sum(parts) if abs(sum(parts)) > 1e-5 * max(map(abs, parts)) else 0.0  # what is less is rounding
        return Dependency(self.column, terms, constant / own)

    def words(self, names: Sequence[str]) -> str:
        """Return "x3 = 2 x1 - x2 + 1", or "x3 is 7 in every row"."""
        if not self.terms:
            return f"{names[self.column]} is {self.constant:.6g} in every row"
        signed = [(value, names[other]) for other, value in self.terms.items()] + [(self.constant, "")]
        parts = [f"{'-' if value < 0 else '+'} {_times(abs(value), name)}" for value, name in signed if value]
        first = parts[0].replace("- ", "-").removeprefix("+ ")
        return f"{names[self.column]} = {' '.join([first, *parts[1:]])}"

    @property
    def columns(self) -> set[int]:
        """Every column that takes part."""
        return {self.column, *self.terms}


def dependencies(likelihood: Likelihood) -> list[Dependency]:
    """Return what depends on what among the columns of the likelihood's features; none if there are no such.

    Each is told by columns that stand before it and are independent of one another.
    """
    mean, size, smallest = _moments(likelihood)
    if bool((size > 0).all()) and smallest > CLEARLY_INDEPENDENT:
        return []
    triangle = _triangle(likelihood, mean, size)
    tolerance = ROUNDING.get(likelihood.features.dtype, 1e-2)
    found: list[Dependency] = []
    kept: list[int] = []
    basis = triangle.new_zeros(len(triangle), 0)
    for column in range(len(size)):
        left = triangle[:, column]
        for _ in range(2):  # once more, for what the rounding of the first projection left (Kahan's "twice is enough")
            left = left - basis @ (basis.T @ left)
        if left.norm() > tolerance:
            basis = torch.cat([basis, (left / left.norm())[:, None]], dim=1)
            kept.append(column)
        else:
            found.append(_dependency(triangle, kept, column, mean, size, tolerance))
    return found


def _dependency(triangle: Tensor, kept: list[int], column: int, mean: Tensor, size: Tensor, tolerance: float) -> Dependency:
    terms = {}
    if size[column] > 0 and kept:
        solution = torch.linalg.lstsq(triangle[:, kept], triangle[:, column, None]).solution[:, 0]
        for other, value in zip(kept, solution, strict=True):
            if abs(value) > 10 * tolerance:
                terms[other] = (value * size[column] / size[other]).item()
    constant = (mean[column] - sum(value * mean[other] for other, value in terms.items())).item()
    return Dependency(column, terms, constant if abs(constant) > 1e-5 * abs(mean[column]) else 0.0)


def _moments(likelihood: Likelihood) -> tuple[Tensor, Tensor, float]:
    """Return each column's mean, the norm of its centred values (0 for a constant), and the correlations' least eigenvalue.

    Row weights play no part but one: a row of weight 0 is not there.
    """
    rows, total = 0, torch.zeros(likelihood.parameters - 1, dtype=torch.float64)
    for design, _, weight in likelihood.chunks():
        total += design[weight > 0, :-1].sum(dim=0)
        rows += int((weight > 0).sum())
    mean = total / rows
    products = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for design, _, weight in likelihood.chunks():
        centred = design[weight > 0, :-1] - mean
        products += centred.T @ centred
    size = products.diagonal().sqrt()
    size = torch.where(size > 1e-12 * rows**0.5 * mean.abs(), size, 0.0)
    scale = torch.where(size > 0, size, 1.0)
    return mean, size, torch.linalg.eigvalsh(products / scale[:, None] / scale)[0].item() if len(mean) else 1.0


def _triangle(likelihood: Likelihood, mean: Tensor, size: Tensor) -> Tensor:
    """Return R, (features or fewer, features), of the QR decomposition of the centred and scaled columns."""
    scale = torch.where(size > 0, size, torch.inf)
    triangle = torch.zeros(0, len(mean), dtype=torch.float64)
    for design, _, weight in likelihood.chunks():
        stacked = torch.cat([triangle, (design[weight > 0, :-1] - mean) / scale])
        triangle = torch.linalg.qr(stacked, mode="r").R
    return triangle


def _times(value: float, name: str) -> str:
    number = f"{value:.4g}"
    return name if name and number == "1" else f"{number} {name}".rstrip()
