"""How a column of texts becomes features, or one code a row: fitted on training rows, then applied.

Conventions are those of `columns`.
"""

import re
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from logitlab.data.columns import Column, as_text
from logitlab.data.scaling import Scaling

if TYPE_CHECKING:
    import polars as pl

NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")
"""A level that is a number; 01 is a code."""


@dataclass(frozen=True)
class Category(Column):
    """One feature for each level but the first: 1 where the row has that level, 0 elsewhere.

    The first level, in alphabetical order, is the one that the others are compared with: with a feature of its own the
    features would add up to the bias. A level that the training rows do not have goes to a bucket of its own, which counts as
    the average training row: each feature takes its mean, so that the unknown neither raises nor lowers the logit.

    Attributes:
        name: of the column.
        levels: of the training rows, in alphabetical order.
        shares: the share of the training rows that has each level.
        missing: "level": a missing value is a level of its own, which comes last and has a share too; "unseen": it counts
            as unseen, for there was none in the training rows; "refuse": it stays NaN.
        rare: whatever is no level, rare in the training rows or new, is of one level more, which comes behind the others.
        buckets: the values are hashed into so many numbers from 0 up, and these are the levels; None: they are not hashed.
    """

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    missing: str = "refuse"
    rare: bool = False
    buckets: int | None = None
    kind = "category"

    @classmethod
    def fit(
        cls,
        series: "pl.Series",
        fill_missing: bool,
        weight: Tensor | None = None,
        min_count: int = 1,
        buckets: int | None = None,
    ) -> "Category":
        """Return the encoder of a column; values of fewer than `min_count` training rows are rare; see `Column.fit`."""
        missing = ("level" if series.null_count() else "unseen") if fill_missing else "refuse"
        text = as_text(series) if buckets is None else hashed(as_text(series), buckets)
        found = text.drop_nulls().rename("").value_counts(name="rows")
        kept = found.filter(found["rows"] >= min(min_count, found["rows"].max()))  # type: ignore[type-var]  # of whole numbers
        levels, rare = tuple(sorted(kept[""])), len(kept) < len(found)
        category = cls(series.name, levels, (0.0,) * (len(levels) + rare + (missing == "level")), missing, rare, buckets)
        share = torch.ones(len(series)).double() if weight is None else weight[:, 0].double()
        counts = torch.bincount(category.codes(series), share, minlength=len(category.shares))
        return replace(category, shares=tuple((counts / share.sum()).tolist()))

    def fit_scaling(self, series: "pl.Series", scale: str, weight: Tensor | None = None) -> Scaling:  # noqa: D102
        return Scaling.identity(self.width)

    @property
    def width(self) -> int:  # noqa: D102
        return len(self.shares) - 1

    @property
    def feature_names(self) -> tuple[str, ...]:  # noqa: D102
        mark = "" if self.buckets is None else "#"
        known = [f"{self.name}={mark}{level}" for level in self.levels[1:]]
        known += [f"{self.name} is rare"] if self.rare else []
        return (*known, f"{self.name} is missing") if self.missing == "level" else tuple(known)

    def encode(self, series: "pl.Series") -> Tensor:  # noqa: D102
        codes = self.codes(series)
        features = torch.zeros(len(codes), self.width, dtype=torch.float64)
        known = (codes < len(self.shares)) & (codes > 0)
        features[known, codes[known] - 1] = 1.0  # `table` has the square of the levels
        features[codes == len(self.shares)] = torch.tensor(self.shares[1:], dtype=torch.float64)
        features[codes > len(self.shares)] = torch.nan
        return features

    def table(self) -> Tensor:
        """Return the features of each level, of a level that is new, and of a value that is refused, float64: NaN."""
        table = torch.eye(len(self.shares) + 2, dtype=torch.float64)[:, : len(self.shares)]
        table[-2] = torch.tensor(self.shares, dtype=torch.float64)
        table[-1] = torch.nan
        return table[:, 1:]

    @property
    def missing_row(self) -> int:
        """Where in `table` the features of a missing value stand."""
        return {"level": len(self.levels) + self.rare, "unseen": len(self.shares), "refuse": len(self.shares) + 1}[self.missing]

    @property
    def new_row(self) -> int:
        """Where in `table` the features of a value that is no level stand."""
        return len(self.levels) if self.rare else len(self.shares)

    def unseen(self, series: "pl.Series") -> "pl.Series":
        """Return the rows' values that the training rows do not have, missing ones left out; none where they count as rare."""
        values = self.text(series).drop_nulls()
        return values.clear() if self.rare else values.filter(self._places(values).is_null())

    def text(self, series: "pl.Series") -> "pl.Series":
        """Return the values as the levels are written: TRUE as true where these are true and false, 1.0 as the level 1."""
        text = as_levels(series)
        if self.buckets is not None:
            return hashed(text, self.buckets)
        if set(self.levels) <= {"true", "false"}:
            return text.str.to_lowercase()
        new = {value for value in text.filter(self._places(text).is_null()).unique().drop_nulls() if NUMBER.fullmatch(value)}
        same = {value: self._numbers[float(value)] for value in new if float(value) in self._numbers}
        return text.replace(same) if same else text

    def codes(self, series: "pl.Series") -> Tensor:
        """Return where in `table` each row's features stand, int64, (rows,)."""
        text = self.text(series)
        codes = self._places(text).cast(int).fill_null(self.new_row).set(text.is_null(), self.missing_row)
        return torch.from_numpy(codes.to_numpy(writable=True))

    def _places(self, text: "pl.Series") -> "pl.Series":
        """Return where among the levels each text stands, null where it does not."""
        return text.cast(self._enum, strict=False).to_physical()

    @cached_property
    def _enum(self) -> "pl.Enum":
        import polars as pl

        return pl.Enum(self.levels)

    @cached_property
    def _numbers(self) -> dict[float, str]:
        """The levels that are numbers."""
        return {float(level): level for level in self.levels if NUMBER.fullmatch(level)}


def hashed(text: "pl.Series", buckets: int) -> "pl.Series":
    """Return the number of each text's bucket, as text: CRC-32 of its UTF-8 bytes (as zlib has it) modulo `buckets`."""
    values = text.unique().drop_nulls()
    numbers = [str(zlib.crc32(value.encode()) % buckets) for value in values]
    return text.replace_strict(values, numbers, default=None, return_dtype=text.dtype) if len(values) else text


def as_levels(series: "pl.Series") -> "pl.Series":
    """Return the values of a category as text, without the spaces around them; what is empty then is missing."""
    text = as_text(series).str.strip_chars()
    return text.set(text == "", None)
