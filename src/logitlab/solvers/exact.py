"""Rows in whole numbers, and what follows of them without rounding: which side of a plane each lies on, the null space of some.

Columns of integers, dummies and decimals are multiplied by a power of ten that makes every value a whole number. A column that
has none (measured values with all their digits) is taken as what float64 holds, which is a fraction too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from logitlab.features import Features
from logitlab.solvers.objective import Objective, rows_in_a_block

Direction = tuple[Fraction, ...]
"""A weight for each column in its own units, and the bias behind them: exact."""

MOST_DECIMALS = 9
LARGEST_WHOLE = 2**50
EXACT_SUM = 2**53
MOST_IN_FRACTIONS = 200_000
"""Values of rows next to a plane that are worked out one by one, in Python."""
MOST_OBJECT_WORK = 3_000_000
AT_ONCE = 40


class UndecidedError(Exception):
    """The numbers are too large or too many for exact arithmetic."""


class ExactRows:
    """The rows (x_i, 1) of a table and the sign s_i of each one's class, 1 or -1.

    Attributes:
        factor: the power of ten by which each column is multiplied, (columns,).
        is_whole: whether that makes it whole, (columns,).
    """

    def __init__(self, table: Objective) -> None:
        """Take the rows; their weights play no part."""
        features = table.features
        self.features = features if isinstance(features, Features) else Features.plain(features)
        assert self.features.combination is None
        self.sign = table.target.reshape(-1).double() * 2 - 1
        self.factor, self.is_whole = _factors(self.features)

    @property
    def columns(self) -> int:
        """How many there are, without the ones."""
        return len(self.factor)

    def blocks(self, rows: Tensor | None = None) -> Iterator[Tensor]:
        """Yield successive rows (x_i, 1), whole columns times their factors; of all rows or those of these numbers."""
        size = rows_in_a_block(self.columns)
        for start in range(0, len(self.features) if rows is None else len(rows), size):
            part = slice(start, start + size)
            block = self.features[part if rows is None else rows[part]].own_units().cpu()
            scaled = torch.where(self.is_whole, (block * self.factor).round(), block)
            yield torch.cat([scaled, torch.ones(len(block), 1, dtype=torch.float64)], dim=1)

    def from_scaled(self, direction: Tensor) -> Direction:
        """Return a direction among the scaled features, (features + 1,), in own units; float64 values are exact fractions."""
        center, scale = self.features.center.cpu(), self.features.scale.cpu()
        own = direction[:-1] / scale
        bias = float(direction[-1] - (own * center).sum())
        return tuple(Fraction(value) for value in (*own.tolist(), bias))

    def to_scaled(self, direction: Direction) -> Tensor:
        """Return a direction in own units among the scaled features, (features + 1,), float64."""
        center, scale = self.features.center.tolist(), self.features.scale.tolist()
        bias = direction[-1] + sum(
            (value * Fraction(middle) for value, middle in zip(direction[:-1], center, strict=True) if value), Fraction(0)
        )
        weight = [float(value) * size for value, size in zip(direction[:-1], scale, strict=True)]
        return torch.tensor([*weight, float(bias)], dtype=torch.float64)

    def sides(self, direction: Direction, rows: Tensor | None = None) -> Tensor:
        """Return the sign of s_i (x_i d + e) for every row, or those of these numbers, (rows,), int8; never wrong.

        Raises:
            UndecidedError: too many rows lie so near the plane that they would have to be worked out in fractions.
        """
        whole = self._whole(direction)
        largest = max(map(abs, whole)) or 1
        pairs = zip(self.is_whole.tolist(), whole[:-1], strict=True)
        is_exact = largest < EXACT_SUM and all(ok or not value for ok, value in pairs)
        shrink = 1 if is_exact else largest
        d = torch.tensor([float(Fraction(value, shrink)) for value in whole], dtype=torch.float64)
        used = [place for place, value in enumerate(whole) if value]
        found, start = [], 0
        for block in self.blocks(rows):
            margin, magnitude = block @ d, block.abs() @ d.abs()
            side = margin.sign().to(torch.int8)
            if not (is_exact and float(magnitude.max()) < EXACT_SUM):
                near = (margin.abs() <= (len(used) + 4) * 2.0**-52 * magnitude).nonzero()[:, 0]
                side[near] = _fraction_sides(block[near][:, used], [whole[place] for place in used])
            span = slice(start, start + len(block))
            sign = self.sign[span] if rows is None else self.sign[rows[span]]
            found.append(side * sign.to(torch.int8))
            start += len(block)
        return torch.cat(found)

    def null_space(self, rows: Tensor, columns: Sequence[int]) -> list[Direction]:
        """Return a basis of the directions along some whole columns and the bias at which every one of the rows has 0.

        Raises:
            UndecidedError: the numbers on the way grow too large.
        """
        places = [*columns, self.columns]
        basis = np.eye(len(places), dtype=np.int64)
        blocks = [block[:, places].numpy() for block in self.blocks(rows)]
        b = np.unique(np.concatenate(blocks), axis=0) if len(rows) * len(places) < 2**18 else np.concatenate(blocks)
        for _ in range(len(places) + 1):
            if not len(basis):
                return []
            against = _against(b, basis)
            if not len(against):
                scale = [*(int(self.factor[column]) for column in columns), 1]
                return [self._spread(vector, places, scale) for vector in basis]
            for row in b[against]:
                basis = _without(basis, np.array([int(value) for value in row], dtype=basis.dtype))
                if not len(basis):
                    return []
        raise UndecidedError

    def _spread(self, vector: np.ndarray, places: Sequence[int], scale: Sequence[int]) -> Direction:
        """Return a vector over some places as a direction in own units."""
        direction = [Fraction(0)] * (self.columns + 1)
        for place, value, factor in zip(places, vector, scale, strict=True):
            direction[place] = Fraction(int(value)) * factor
        return tuple(direction)

    def _whole(self, direction: Direction) -> list[int]:
        """Return whole numbers in the proportion of a direction, for the columns as `blocks` has them."""
        own = [value / Fraction(int(factor)) for value, factor in zip(direction[:-1], self.factor.tolist(), strict=True)]
        own.append(direction[-1])
        common = math.lcm(*(value.denominator for value in own))
        whole = [int(value * common) for value in own]
        divisor = math.gcd(*whole) or 1
        return [value // divisor for value in whole]


def _factors(features: Features) -> tuple[Tensor, Tensor]:
    """Return the power of ten for each column, and whether it makes all values whole."""
    columns = len(features.center)
    factor, is_whole = torch.ones(columns, dtype=torch.float64), torch.ones(columns, dtype=torch.bool)
    for places, values in features.parts:
        if not values.is_floating_point():
            continue
        for index, place in enumerate(places.tolist()):
            column = values[:, index].double().cpu()
            found = next((10.0**k for k in range(MOST_DECIMALS + 1) if _is_whole(column, 10.0**k)), None)
            factor[place], is_whole[place] = found or 1.0, found is not None
    return factor, is_whole


def _is_whole(column: Tensor, factor: float) -> bool:
    for part in (column[:100], column):
        whole = (part * factor).round()
        if not bool(((whole / factor == part) & (whole.abs() < LARGEST_WHOLE)).all()):
            return False
    return True


def _fraction_sides(rows: Tensor, direction: Sequence[int]) -> Tensor:
    """Return the sign of each row's product with the direction, worked out in fractions."""
    if not len(rows):
        return torch.zeros(0, dtype=torch.int8)
    distinct, places = torch.unique(rows, dim=0, return_inverse=True)
    if distinct.numel() > MOST_IN_FRACTIONS:
        raise UndecidedError
    signs = []
    for row in distinct.tolist():
        total = sum((Fraction(value) * weight for value, weight in zip(row, direction, strict=True)), Fraction(0))
        signs.append((total > 0) - (total < 0))
    return torch.tensor(signs, dtype=torch.int8)[places]


def _against(b: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the places of a few rows of b (of each kind that counts, one) at which some vector of the basis is not 0."""
    floats = basis.astype(np.float64)
    largest = np.abs(b).max(initial=0) * np.abs(floats).max(initial=0) * b.shape[1]
    if largest < EXACT_SUM:
        return (np.abs(b @ floats.T).max(axis=1) > 0).nonzero()[0][:AT_ONCE]
    if b.size * len(basis) > MOST_OBJECT_WORK:
        raise UndecidedError
    exact = b.astype(np.int64).astype(object) @ basis.astype(object).T
    return (exact != 0).any(axis=1).nonzero()[0][:AT_ONCE]


def _without(basis: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return a basis of those combinations of the basis at which the row has 0: at most one vector fewer."""
    exact = basis.dtype == object
    if not exact and float(np.abs(basis).max()) * float(np.abs(row).max()) * len(row) > 2**30:
        basis, row, exact = basis.astype(object), row.astype(object), True
    if exact and basis.size > 4_000:
        raise UndecidedError
    products = basis @ row
    (hit,) = products.nonzero()
    if not len(hit):
        return basis
    pivot = hit[np.argmin(np.abs(products[hit]))]
    others = [place for place in hit if place != pivot]
    result = basis.copy()
    if others:
        mixed = products[pivot] * basis[others] - products[others][:, None] * basis[pivot]
        result[others] = mixed // np.gcd.reduce(mixed, axis=1)[:, None]
    return np.delete(result, pivot, axis=0)
