"""Features that are 0 in most rows, kept by what is not 0: categories as codes, beside columns of numbers.

Conventions: a part has the features start ... start + width - 1 of a row. Products go column by column: a category's weights
stay in the cache while its codes are looked up. Nothing here is ever (rows, features), but for blocks that a caller asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from logitlab.errors import UserError
from logitlab.features import Features

MOST_DENSE = 2**28
"""Values of a block of rows that is asked for as a dense matrix: 2 GiB of float64."""


@dataclass(frozen=True)
class Codes:
    """One category in each row: at most one of its features is 1.

    Attributes:
        start: the place of its first feature.
        codes: (rows,), int32: 0: the reference, none is 1; j from 1 to width: feature j - 1 is; width + 1: each is its share.
        shares: what the features are for a category that the training rows did not have, (width,), float64.
    """

    start: int
    codes: Tensor
    shares: Tensor

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.shares)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What it is made of."""
        return self.codes, self.shares

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | Tensor) -> Codes:
        return replace(self, codes=rows_of(self.codes, rows))

    def to(self, device: torch.device) -> Codes:
        """Return the codes on a device."""
        return replace(self, codes=self.codes.to(device), shares=self.shares.to(device))

    def times(self, weight: Tensor) -> Tensor:
        """Return the features times `weight`, (width,) or (width, n): (rows,) or (rows, n)."""
        unseen = self.shares.to(weight.dtype) @ weight
        return torch.cat([torch.zeros_like(unseen)[None], weight, unseen[None]]).index_select(0, self.codes)

    def transposed_times(self, values: Tensor) -> Tensor:
        """Return the sum over rows of the features times `values`, (rows,) or (rows, n): (width,) or (width, n)."""
        sums = values.new_zeros(self.width + 2, *values.shape[1:]).index_add_(0, self.codes, values)
        return self.spread(sums)

    def spread(self, sums: Tensor) -> Tensor:
        """Return sums by feature, (width, ...), of sums by code, (width + 2, ...)."""
        if not bool(sums[-1].any()):  # training rows have no category that they do not have
            return sums[1:-1]
        return sums[1:-1] + torch.tensordot(self.shares.to(sums.dtype)[:, None], sums[-1:], 1)

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the features as a matrix, (rows, width)."""
        matrix = torch.zeros(len(self), self.width + 2, dtype=dtype, device=self.codes.device)
        matrix = matrix.scatter_(1, self.codes.long()[:, None], 1.0)[:, 1:-1]
        matrix[self.codes > self.width] = self.shares.to(dtype)
        return matrix


class SparseMatrix:
    """Rows of features in one float type, of which products are made: `m @ w`, `r @ m`, and what `torch.nn.Linear` does.

    A network whose first layer is an `nn.Linear` takes it in place of a tensor, by torch's protocol for tensor-like objects.

    Attributes:
        columns: the features that are kept as numbers, (rows, k).
        places: which features these are, (k,).
        parts: the others.
        shape: (rows, features).
    """

    ndim = 2

    def __init__(self, columns: Tensor, places: Tensor, parts: Sequence[Codes]) -> None:
        """Take the columns and the other features; see the attributes."""
        self.columns, self.places, self.parts = columns, places, tuple(parts)
        self.shape = torch.Size((len(columns), len(places) + sum(part.width for part in self.parts)))

    @property
    def dtype(self) -> torch.dtype:
        """Of the values."""
        return self.columns.dtype

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.columns.device

    def __len__(self) -> int:
        return self.shape[0]

    def numel(self) -> int:
        """Return how many numbers are kept."""
        return self.columns.numel() + len(self) * len(self.parts)

    def __getitem__(self, rows: slice | Tensor) -> SparseMatrix:
        return SparseMatrix(rows_of(self.columns, rows), self.places, [part[rows] for part in self.parts])

    def split(self, rows: int) -> Iterator[SparseMatrix]:
        """Yield successive blocks of so many rows; the last may be shorter."""
        return (self[start : start + rows] for start in range(0, max(len(self), 1), rows))

    def to(self, *target: Any) -> SparseMatrix:
        """Return the rows elsewhere or in another float type: arguments as `Tensor.to` takes them."""
        columns = self.columns.to(*target)
        if columns is self.columns:
            return self
        parts = [part.to(columns.device) for part in self.parts]
        return SparseMatrix(columns, self.places.to(columns.device), parts)

    def times(self, weight: Tensor, row_by_row: bool = False) -> Tensor:
        """Return the rows times `weight`, (features,) or (features, n): (rows,) or (rows, n).

        With `row_by_row` each row is summed by itself, so that equal rows have equal products to the last bit.
        """
        own = weight.index_select(0, self.places)
        total = (self.columns * own).sum(1) if row_by_row else self.columns @ own
        for part in self.parts:
            total += part.times(weight[part.start : part.start + part.width])
        return total

    def transposed_times(self, values: Tensor) -> Tensor:
        """Return the sum over rows of each one times its `values`, (rows,) or (rows, n): (features,) or (features, n)."""
        total = values.new_empty(self.shape[1], *values.shape[1:])
        total[self.places] = self.columns.T @ values
        for part in self.parts:
            total[part.start : part.start + part.width] = part.transposed_times(values)
        return total

    def __matmul__(self, weight: Tensor) -> Tensor:
        return cast(Tensor, _Product.apply(self, weight))

    def __rmatmul__(self, values: Tensor) -> Tensor:
        return self.transposed_times(values)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what is defined for it: `torch.nn.functional.linear`, and `r @ m`."""
        if func is functional.linear:
            matrix, weight, *bias = args
            product = matrix @ weight.T
            return product + bias[0] if bias and bias[0] is not None else product
        if func in (torch.Tensor.__matmul__, torch.Tensor.matmul, torch.matmul):
            return args[0] @ args[1] if isinstance(args[0], cls) else args[1].transposed_times(args[0])
        return NotImplemented

    def gram(self, weight: Tensor) -> Tensor:
        """Return sum_i weight_i (x_i, 1)' (x_i, 1), (features + 1, features + 1), float64; categories by their counts."""
        size = self.shape[1]
        result = torch.zeros(size + 1, size + 1, dtype=torch.float64, device=self.device)
        numbers = torch.cat([self.columns, self.columns.new_ones(len(self), 1)], dim=1)
        places = torch.cat([self.places, self.places.new_full((1,), size)])
        weighted = numbers * weight[:, None]
        result[places[:, None], places] = (weighted.T @ numbers).double()
        for number, part in enumerate(self.parts):
            span = slice(part.start, part.start + part.width)
            beside = part.transposed_times(weighted).double()
            result[span, places], result[places, span] = beside, beside.T
            for other in self.parts[: number + 1]:
                across = slice(other.start, other.start + other.width)
                block = _cross(part, other, weight.double())
                result[span, across] = block
                result[across, span] = block.T
        return result

    def dense(self) -> Tensor:
        """Return the rows as a matrix, (rows, features).

        Raises:
            UserError: it is larger than MOST_DENSE.
        """
        if self.shape.numel() > MOST_DENSE:
            raise UserError(
                f"{self.shape[0]:,} rows of {self.shape[1]:,} features, most of them categories, would be one dense matrix of"
                f" {self.shape.numel() * 8 / 2**30:.3g} GiB here, and {MOST_DENSE * 8 / 2**30:.3g} GiB is the most. Rare"
                " categories are one feature with data.min_count=20; for the path of penalties give the penalty yourself, as in"
                " penalty.l2=auto."
            )
        matrix = torch.empty(self.shape, dtype=self.dtype, device=self.device)
        matrix[:, self.places] = self.columns
        for part in self.parts:
            matrix[:, part.start : part.start + part.width] = part.dense(self.dtype)
        return matrix


class _Product(torch.autograd.Function):
    """m @ w, with its gradient by w."""

    @staticmethod
    def forward(ctx: Any, matrix: SparseMatrix, weight: Tensor) -> Tensor:
        ctx.matrix = matrix
        return matrix.times(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.matrix.transposed_times(gradient)


class SparseFeatures(Features):
    """`Features` of which some are kept as codes: never scaled, and never made dense as a whole.

    `to(dtype)` and `float()` give a `SparseMatrix`; `double()` and `own_units()` a dense matrix, for who works block by block.

    Attributes:
        numbers: the columns that are kept as numbers.
        places: which features these are.
        others: the parts that are not, in order.
    """

    def __init__(
        self,
        numbers: Features,
        places: Tensor,
        others: Sequence[Codes],
        combination: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Take the parts; see the attributes and `Features`."""
        self.numbers, self.places, self.others = numbers, places, tuple(others)
        self.combination = combination
        self.parts = tuple((places[of_numbers], values) for of_numbers, values in numbers.parts)
        width = len(places) + sum(part.width for part in self.others)
        self.center = torch.zeros(width, dtype=torch.float64, device=places.device).index_copy_(0, places, numbers.center)
        self.scale = torch.ones(width, dtype=torch.float64, device=places.device).index_copy_(0, places, numbers.scale)
        self.shape = torch.Size((len(numbers), width if combination is None else len(combination[1])))

    def numel(self) -> int:
        """Return how many numbers are kept."""
        if self.combination is not None:
            return self.shape.numel()
        return len(self) * (len(self.places) + len(self.others))

    def __getitem__(self, rows: slice | Tensor) -> SparseFeatures:
        return SparseFeatures(self.numbers[rows], self.places, [part[rows] for part in self.others], self.combination)

    def own_units(self) -> Tensor:
        """Return x, (rows, features), float64."""
        return SparseMatrix(self.numbers.own_units(), self.places, self.others).dense()

    def double(self) -> Tensor:
        """Return z, (rows, features), float64."""
        z = SparseMatrix(self.numbers.double(), self.places, self.others).dense()
        return z if self.combination is None else torch.addmm(self.combination[1], z, self.combination[0])

    def float(self) -> Tensor:
        """Return z in float32 as a `SparseMatrix`; its columns are kept from then on."""
        return self._stand_in(SparseMatrix(self.numbers.float(), self.places, self.others))

    def columns(self, places: Sequence[int]) -> Tensor:
        """Return some columns of z, (rows, places), float64."""
        chosen = torch.zeros(self.shape[1], len(places), dtype=torch.float64, device=self.device)
        chosen[list(places), torch.arange(len(places))] = 1.0
        return self.to(torch.float64) @ chosen

    def contents(self, rows: int) -> Iterator[Tensor]:
        """Yield the numbers, so many rows at a time, and the codes."""
        yield from self.numbers.contents(rows)
        for part in self.others:
            yield from part.tensors

    def combined(self, matrix: Tensor, shift: Tensor) -> SparseFeatures:
        """Return the features z @ matrix + shift for these z, worked out block by block when they are asked for."""
        return SparseFeatures(self.numbers, self.places, self.others, (matrix.to(self.device), shift.to(self.device)))

    @property
    def rounded_size(self) -> Tensor:
        """How large the numbers are that float64 has rounded, in units of z, (features,); 0 for codes."""
        return torch.zeros_like(self.center).index_copy_(0, self.places, self.numbers.rounded_size)

    def _matrix(self, dtype: torch.dtype) -> Tensor:
        if self.combination is not None:
            return self.double().to(dtype)
        return self._stand_in(SparseMatrix(self.numbers._matrix(dtype), self.places, self.others))

    def _elsewhere(self, device: torch.device) -> SparseFeatures:
        moved = None if self.combination is None else (self.combination[0].to(device), self.combination[1].to(device))
        return SparseFeatures(self.numbers.to(device), self.places.to(device), [one.to(device) for one in self.others], moved)

    @staticmethod
    def _stand_in(matrix: SparseMatrix) -> Tensor:
        """Return a matrix that stands in for a tensor wherever products are made of one."""
        return cast(Tensor, matrix)


def stored_in_a_row(features: Any) -> int:
    """Return how many numbers are kept of a row of a tensor, `Features` or a `SparseMatrix`, (rows, ...); 1 at least."""
    if isinstance(features, SparseMatrix | SparseFeatures):
        return max(features.numel() // max(len(features), 1), 1)
    return max(features.shape[1:].numel(), 1)


def rows_of(tensor: Tensor, rows: slice | Tensor) -> Tensor:
    """Return rows of a tensor: by their numbers, by a mask, or a slice.

    On the CPU numpy takes numbered rows in a third of the time of `tensor[rows]`, in one thread and without Python's lock:
    torch's threads, woken for so little work, wait for each other on a busy machine.
    """
    if isinstance(rows, slice) or rows.dtype == torch.bool:
        return tensor[rows]
    if tensor.device.type == "cpu":
        return torch.from_numpy(tensor.numpy().take(rows.numpy(), axis=0))
    return tensor.index_select(0, rows)


def _cross(one: Codes, other: Codes, weight: Tensor) -> Tensor:
    """Return the weighted sum over rows of one category's features times another's, (width, width), float64."""
    columns = other.width + 2
    if one is other:
        return one.spread(other.spread(torch.diag(_counts(one.codes, weight, columns))).T)
    cells = one.codes.long() * columns + other.codes
    table = _counts(cells, weight, (one.width + 2) * columns).view(-1, columns)
    return other.spread(one.spread(table).T).T


def _counts(cells: Tensor, weight: Tensor, size: int) -> Tensor:
    return weight.new_zeros(size).index_add_(0, cells, weight)
