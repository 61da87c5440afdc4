"""Columns that are exact linear combinations of others, named with their coefficients; `solvers/basis.py` finds them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.statistics.likelihood import Likelihood


@dataclass(frozen=True)
class Dependency:
    """In every row, column `column` equals constant + the sum of coefficient * column over `terms`.

    A constant of less than `rounding`, as a part of what adds up to it, is 0.
    """

    column: int
    terms: dict[int, float]
    constant: float
    rounding: float = 1e-9

    def in_units(self, slope: Tensor, offset: Tensor) -> "Dependency":
        """Return the same dependency among x for columns z = slope * x + offset, (features,) each."""
        own = slope[self.column].item()
        terms = {other: value * slope[other].item() / own for other, value in self.terms.items()}
        parts = [self.constant, -offset[self.column].item(), *(k * offset[other].item() for other, k in self.terms.items())]
        constant = sum(parts) if abs(sum(parts)) > self.rounding * max(map(abs, parts)) else 0.0
        return Dependency(self.column, terms, constant / own, self.rounding)

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
    """Return the dependent columns of the likelihood's features, each expressed by independent columns before it."""
    span, found = likelihood.basis, []
    rounding = 1e-5 if likelihood.features.dtype == torch.float32 else Dependency.rounding
    for column in span.aliased:
        terms = span.relation(column)
        constant = terms.pop(len(span.mean), 0.0)
        parts = [constant, float(span.mean[column]), *(value * float(span.mean[other]) for other, value in terms.items())]
        found.append(Dependency(column, terms, constant if abs(constant) > rounding * max(map(abs, parts)) else 0.0, rounding))
    return found


def _times(value: float, name: str) -> str:
    number = f"{value:.4g}"
    return name if name and number == "1" else f"{number} {name}".rstrip()
