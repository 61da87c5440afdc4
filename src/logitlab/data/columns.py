"""How one column of a table becomes one or more features, in the column's own units: fitted on training rows, then applied.

Conventions: a column is a polars Series of n rows; `encode` returns float64, (n, features of this column). Nothing here
imports polars: a Series comes from whoever read the table.
"""

import math
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

import torch
from torch import Tensor

from logitlab.data.scaling import Scaling, is_indicator
from logitlab.errors import UserError
from logitlab.overrides import suggestion
from logitlab.signatures import is_of

if TYPE_CHECKING:
    import polars as pl

NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")
"""A level that is a number; 01 is a code."""

LEAST_DEVIATION = 1e-150
"""Coefficients in own units are divided by the deviation, their variances by its square, which must be a float64."""


class Column(ABC):
    """One input column, with everything that was fitted on the training rows."""

    name: str
    kind: str

    @classmethod
    @abstractmethod
    def fit(cls, series: "pl.Series", fill_missing: bool, weight: Tensor | None = None) -> "Column":
        """Return the encoder of a column.

        Args:
            series: the training rows alone, settled (see `kinds.settle`), missing values as null.
            fill_missing: a missing value takes the training rows' mean and, where they have missing values themselves, a
                feature of its own marks it, which is the only one where the known values are all the same; otherwise there are
                no missing values.
            weight: how much each row counts, (rows, 1); None: all the same.
        """

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature that this column becomes."""

    @property
    def width(self) -> int:
        """How many features the column becomes."""
        return len(self.feature_names)

    @abstractmethod
    def encode(self, series: "pl.Series") -> Tensor:
        """Return the features of `series`, float64, (rows, features of this column); NaN where a value is missing."""

    def fit_scaling(self, series: "pl.Series", scale: str, weight: Tensor | None = None) -> Scaling:
        """Return the scaling ("standard" or "none") of the features over the training rows; weight as for `fit`.

        A number that is 0 or 1 wherever it is known is an indicator, also where the mean stands in for missing values.

        Raises:
            UserError: the values are so large, or so near to each other, that their variance is beyond float64.
        """
        values = self.encode(series)
        if scale == "none" or (series.null_count() and bool(is_indicator(self.encode(series.drop_nulls())).all())):
            scaling = Scaling.identity(values.shape[1])
        else:
            scaling = Scaling.standard(values, weight)
        or_drop = f"by a power of ten, or type {suggestion('data.drop', [self.name])}."
        if not all(map(math.isfinite, [*scaling.center, *scaling.scale])):
            raise UserError(
                f"The values of the column '{self.name}' are too large to compute with (up to {values.abs().max():.3g}). Divide"
                f" them {or_drop}"
            )
        if min(scaling.scale) < LEAST_DEVIATION:
            raise UserError(
                f"The values of the column '{self.name}' are too near to each other to compute with: their deviation is"
                f" {min(scaling.scale):.3g}. Multiply them {or_drop}"
            )
        return scaling

    def plain(self) -> dict[str, Any]:
        """Return the column as plain values, for a checkpoint."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Number(Column):
    """A number as it is, or a boolean as 0 and 1.

    Attributes:
        name: of the column.
        fill: stands in for a missing value: the mean of the training rows; None: missing values stay NaN.
        indicator: a second feature is 1 where the value is missing and 0 elsewhere.
        constant: the training rows have one value wherever it is known, of which nothing can be learnt: the indicator is the
            only feature.
    """

    name: str
    fill: float | None = None
    indicator: bool = False
    constant: bool = False
    kind = "number"

    @classmethod
    def fit(cls, series: "pl.Series", fill_missing: bool, weight: Tensor | None = None) -> Column:  # noqa: D102
        return _filled(cls(series.name), series, weight) if fill_missing else cls(series.name)

    @property
    def feature_names(self) -> tuple[str, ...]:  # noqa: D102
        return _names(self.name, self)

    def encode(self, series: "pl.Series") -> Tensor:  # noqa: D102
        return _with_fill(_floats(series), self)


@dataclass(frozen=True)
class Date(Column):
    """A date or a time stamp as days since an origin: the earliest day of the training rows.

    Attributes:
        name: of the column.
        origin: ISO date.
        fill: days, as for Number.
        indicator: as for Number.
        constant: as for Number.
    """

    name: str
    origin: str
    fill: float | None = None
    indicator: bool = False
    constant: bool = False
    kind = "date"

    @classmethod
    def fit(cls, series: "pl.Series", fill_missing: bool, weight: Tensor | None = None) -> Column:  # noqa: D102
        own = cls(series.name, str(series.dt.date().min() or "1970-01-01"))
        return _filled(own, series, weight) if fill_missing else own

    @property
    def feature_names(self) -> tuple[str, ...]:  # noqa: D102
        return _names(f"{self.name} (days since {self.origin})", self)

    def encode(self, series: "pl.Series") -> Tensor:  # noqa: D102
        return _with_fill(days_since(series, date.fromisoformat(self.origin)), self)


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
        text = series
        share = torch.ones(len(text)).double() if weight is None else weight[:, 0].double()
        counts = torch.bincount(category.codes(text), share, minlength=len(category.shares))
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


KINDS: dict[str, type[Column]] = {"number": Number, "date": Date, "category": Category}


def from_plain(values: Mapping[str, Any]) -> Column:
    """Return the column that `Column.plain` wrote down.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name != "kind"}
    kind = KINDS[values["kind"]]
    hints = get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in arguments and not is_of(arguments[field.name], hints[field.name]):
            raise TypeError(f"{field.name} of a column cannot be {arguments[field.name]!r}")
    column = kind(**arguments)
    if isinstance(column, Category):
        _ = column.missing_row
        if len(column.shares) != len(column.levels) + column.rare + (column.missing == "level"):
            raise ValueError(f"{len(column.shares)} shares for {len(column.levels)} levels")
    return column


def hashed(text: "pl.Series", buckets: int) -> "pl.Series":
    """Return the number of each text's bucket, as text: CRC-32 of its UTF-8 bytes (as zlib has it) modulo `buckets`."""
    values = text.unique().drop_nulls()
    numbers = [str(zlib.crc32(value.encode()) % buckets) for value in values]
    return text.replace_strict(values, numbers, default=None, return_dtype=text.dtype) if len(values) else text


def as_levels(series: "pl.Series") -> "pl.Series":
    """Return the values of a category as text, without the spaces around them; what is empty then is missing."""
    text = as_text(series).str.strip_chars()
    return text.set(text == "", None)


def as_text(series: "pl.Series") -> "pl.Series":
    """Return the values as text: "3" for 3, 3.0 and a decimal 3.00, "true" for True, so that all files name levels alike."""
    import polars as pl

    text = series.cast(pl.String)
    if series.dtype.is_decimal() and series.dtype.scale:  # type: ignore[attr-defined]
        return text.str.strip_chars_end("0").str.strip_chars_end(".")
    if series.dtype.is_float():
        text = text.str.replace(r"\.0$", "").set(series.is_nan().fill_null(False), None)
    return text


def days_since(series: "pl.Series", origin: date) -> Tensor:
    """Return days since midnight of `origin`, float64, (rows,); NaN where missing."""
    import polars as pl

    stamps = in_utc(series).cast(pl.Datetime("us"))
    microseconds = (stamps - datetime.combine(origin, datetime.min.time())).dt.total_microseconds()
    return _floats(microseconds) / 86_400e6


def in_utc(series: "pl.Series") -> "pl.Series":
    """Return dates and time stamps, those with a time zone as they are in UTC."""
    if getattr(series.dtype, "time_zone", None) is None:
        return series
    return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _floats(series: "pl.Series") -> Tensor:
    import polars as pl

    return torch.from_numpy(series.cast(pl.Float64).to_numpy(writable=True))  # which makes NaN of what is missing


def _filled(column: Number | Date, series: "pl.Series", weight: Tensor | None) -> Column:
    """Return the column with the mean of the known values for those that are missing."""
    known = series.drop_nulls()
    values = column.encode(known)[:, 0]
    indicator = len(known) < len(series)
    constant = indicator and bool(values.min() == values.max())
    if weight is None:
        mean = values.mean()
    else:
        share = weight[torch.from_numpy(series.is_not_null().to_numpy()), 0].double()
        mean = (share * values).sum() / share.sum()
    return replace(column, fill=float(values[0] if constant else mean), indicator=indicator, constant=constant)


def _names(value: str, column: Number | Date) -> tuple[str, ...]:
    missing = (f"{column.name} is missing",) if column.indicator else ()
    return missing if column.constant else (value, *missing)


def _with_fill(values: Tensor, column: Number | Date) -> Tensor:
    """Return the features of a column whose values are given, (rows,), NaN where missing."""
    if column.fill is None and not column.indicator:
        return values[:, None]
    missing = values.isnan()
    filled = values if column.fill is None else values.masked_fill(missing, column.fill)
    features = [] if column.constant else [filled]
    return torch.stack([*features, missing.double()] if column.indicator else features, dim=1)
