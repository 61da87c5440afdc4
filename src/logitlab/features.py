"""A table's features at full precision: kept in the narrowest type that holds them, made float64 block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import torch
from torch import Tensor

NARROW = (torch.int8, torch.int16, torch.int32, torch.float32)
"""Types that a column may be kept in without loss, the smallest first; float64 holds the others."""

BLOCK_VALUES = 2**19
"""Values that are made float64 at a time."""


class Features:
    """Rows of scaled features z = (x - center) / scale, worked out in float64 when they are asked for.

    The columns x are kept in their own units, exactly as they were read: whole numbers and dummies in one, two or four bytes,
    numbers that are float32 in four, others in eight. `f[start:stop]` is some of the rows, `f.double()` and `f.float()` make
    the matrix of all of its rows; whoever works through a large table takes blocks of rows, so that a second matrix is never
    there as a whole. float32, in which mini-batches train, is made once, when it is first asked for, and kept: then a value
    takes four bytes more. A run of `optimizer=newton` never asks for it.

    Attributes:
        shape: (rows, features).
        center: of each feature, (features,), float64.
        scale: of each feature, (features,), float64.
        combination: None, or (matrix, shift): the features are z @ matrix + shift, (columns, features) and (features,).
    """

    dtype = torch.float64

    def __init__(
        self,
        parts: Sequence[tuple[Tensor, Tensor]],
        center: Tensor,
        scale: Tensor,
        single: Tensor | None = None,
        combination: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Take the columns.

        Args:
            parts: (places, values): which features, (k,), and their values in own units, (rows, k), of any type.
            center: of each feature, (features,).
            scale: of each feature, (features,).
            single: the scaled rows in float32, (rows, features), if they are there already.
            combination: see above.
        """
        self.parts = tuple(parts)
        self.center, self.scale = center.double(), scale.double()
        self.combination = combination
        self._single = single
        self._is_scaled = bool((self.center != 0).any() or (self.scale != 1).any())
        width = len(self.center) if combination is None else len(combination[1])
        self.shape = torch.Size((len(self.parts[0][1]) if self.parts else 0, width))

    @classmethod
    def of(cls, x: Tensor, center: Sequence[float], scale: Sequence[float]) -> Features:
        """Return the features of one matrix x in own units, (rows, features)."""
        device = x.device
        center_, scale_ = (torch.tensor(each, dtype=torch.float64, device=device) for each in (center, scale))
        return cls([(torch.arange(x.shape[1], device=device), x)], center_, scale_)

    @classmethod
    def plain(cls, x: Tensor | Features) -> Features:
        """Return the features of one matrix that is not scaled, (rows, features); features as they are."""
        return x if isinstance(x, Features) else cls.of(x, [0.0] * x.shape[1], [1.0] * x.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Features:
        single = None if self._single is None else self._single[rows]
        return Features(
            [(places, values[rows]) for places, values in self.parts], self.center, self.scale, single, self.combination
        )

    @property
    def device(self) -> torch.device:
        """Where the values lie."""
        return self.center.device

    def numel(self) -> int:
        """Return the number of values."""
        return self.shape.numel()

    def split(self, rows: int) -> Iterator[Features]:
        """Yield successive blocks of so many rows; the last may be shorter."""
        return (self[start : start + rows] for start in range(0, max(len(self), 1), rows))

    def own_units(self) -> Tensor:
        """Return x, (rows, columns), float64."""
        if len(self.parts) == 1:  # the places are in order then
            return self.parts[0][1].to(torch.float64, copy=True)
        x = torch.empty(len(self), len(self.center), dtype=torch.float64, device=self.device)
        for places, values in self.parts:
            x[:, places] = values.double()
        return x

    def double(self) -> Tensor:
        """Return z, (rows, features), float64."""
        x = self.own_units()
        if self._is_scaled:
            x = x.sub_(self.center).div_(self.scale)
        return x if self.combination is None else torch.addmm(self.combination[1], x, self.combination[0])

    def columns(self, places: Sequence[int]) -> Tensor:
        """Return some features of all rows, z, (rows, places), float64."""
        rows = max(BLOCK_VALUES // max(self.shape[1], 1), 1)
        return torch.cat([block.double()[:, list(places)] for block in self.split(rows)])

    def contents(self, rows: int) -> Iterator[Tensor]:
        """Yield what all values follow from, so many rows at a time, for a checksum."""
        return (block.float() for block in self.split(rows))

    def combined(self, matrix: Tensor, shift: Tensor) -> Features:
        """Return the features z @ matrix + shift for these z, (rows, columns of the matrix), worked out when asked for."""
        assert self.combination is None
        return Features(self.parts, self.center, self.scale, None, (matrix.to(self.device), shift.to(self.device)))

    @property
    def rounded_size(self) -> Tensor:
        """How large the numbers are that float64 has rounded, in units of z, (columns,); 0 for whole numbers."""
        size = (self.center / self.scale).abs()
        for places, values in self.parts:
            if not values.is_floating_point():
                size[places] = 0.0
        return size

    def float(self) -> Tensor:
        """Return z in float32, (rows, features), which is kept from then on: do not write into it."""
        if self._single is None:
            single = torch.empty(self.shape, device=self.device)
            step = max(BLOCK_VALUES // max(self.shape[1], 1), 1)
            for start in range(0, len(self), step):
                single[start : start + step] = self[start : start + step].double()
            self._single = single
        return self._single

    @overload
    def to(self, target: torch.device) -> Features: ...
    @overload
    def to(self, target: torch.dtype | Tensor) -> Tensor: ...
    @overload
    def to(self, target: torch.device, dtype: torch.dtype) -> Tensor: ...
    def to(self, target: torch.device | torch.dtype | Tensor, dtype: torch.dtype | None = None) -> Features | Tensor:
        """Return the rows elsewhere for a device, as a matrix for a dtype, as a matrix of its kind and place for a tensor."""
        if isinstance(target, Tensor):
            return self._matrix(target.dtype).to(target.device)
        if isinstance(target, torch.dtype):
            return self._matrix(target)
        if dtype is not None:
            return self._matrix(dtype).to(target)
        return self if target == self.device else self._elsewhere(target)

    def _elsewhere(self, target: torch.device) -> Features:
        parts = [(places.to(target), values.to(target)) for places, values in self.parts]
        single = None if self._single is None else self._single.to(target)
        combination = None if self.combination is None else (self.combination[0].to(target), self.combination[1].to(target))
        return Features(parts, self.center.to(target), self.scale.to(target), single, combination)

    def _matrix(self, dtype: torch.dtype) -> Tensor:
        if dtype == torch.float64:
            return self.double()
        return self._single.to(dtype) if self._single is not None else self.double().to(dtype)


def narrowest(values: Tensor) -> torch.dtype:
    """Return the smallest type that holds every value exactly; NaN counts as a value that only a float holds."""
    head = values[:1000]
    if not bool((head.to(torch.float32).double() == head).all()) and not bool((head == head.round()).all()):
        return torch.float64  # as measured values mostly are: one look at a thousand rows tells
    low, high = (float(each) for each in values.aminmax())
    for dtype in NARROW[:3]:
        info = torch.iinfo(dtype)
        if info.min <= low and high <= info.max and bool((values == values.round()).all()):
            return dtype
    return torch.float32 if bool((values.float().double() == values).all()) else torch.float64
