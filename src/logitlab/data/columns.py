"""How one column of a table becomes one or more features, in the column's own units.

Conventions: a column is a polars Series of n rows; `encode` returns float64, (n, features of this column). Nothing here
imports polars: a Series comes from whoever read the table.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, get_type_hints

import torch
from torch import Tensor

from logitlab.signatures import is_of

if TYPE_CHECKING:
    import polars as pl

NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")
"""A level that is a number; 01 is a code."""


class Column(ABC):
    """One input column, with everything that was learnt of it from the training rows."""

    name: str
    kind: str

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature that this column becomes."""

    @abstractmethod
    def encode(self, series: "pl.Series") -> Tensor:
        """Return the features of `series`, float64, (rows, features of this column); NaN where a value is missing."""

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
    """

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    missing: str = "refuse"
    kind = "category"

    @property
    def feature_names(self) -> tuple[str, ...]:  # noqa: D102
        known = tuple(f"{self.name}={level}" for level in self.levels[1:])
        return (*known, f"{self.name} is missing") if self.missing == "level" else known

    def encode(self, series: "pl.Series") -> Tensor:  # noqa: D102
        codes = self.codes(series)
        features = torch.zeros(len(codes), len(self.feature_names), dtype=torch.float64)
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
        return {"level": len(self.levels), "unseen": len(self.shares), "refuse": len(self.shares) + 1}[self.missing]

    def unseen(self, series: "pl.Series") -> "pl.Series":
        """Return the rows' values that the training rows do not have, missing ones left out."""
        values = self._text(series).drop_nulls()
        return values.filter(~values.is_in(list(self.levels)))

    def _text(self, series: "pl.Series") -> "pl.Series":
        """Return the values as the levels are written: TRUE is true where these are true and false, and 1.0 is the level 1."""
        text = as_levels(series)
        if set(self.levels) <= {"true", "false"}:
            return text.str.to_lowercase()
        values = text.unique().drop_nulls()
        new = {value for value in values.filter(~values.is_in(list(self.levels))) if NUMBER.fullmatch(value)}
        if not new:
            return text
        numbers = {float(level): level for level in self.levels if NUMBER.fullmatch(level)}
        same = {value: numbers[float(value)] for value in new if float(value) in numbers}
        return text.replace(same) if same else text

    def codes(self, series: "pl.Series") -> Tensor:
        """Return where in `table` each row's features stand, int64, (rows,)."""
        numbers = {level: number for number, level in enumerate(self.levels)}
        text = self._text(series)
        codes = text.replace_strict(list(numbers), list(numbers.values()), default=len(self.shares))
        return torch.from_numpy(codes.set(text.is_null(), self.missing_row).cast(int).to_numpy(writable=True))


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
        if len(column.shares) != len(column.levels) + (column.missing == "level"):
            raise ValueError(f"{len(column.shares)} shares for {len(column.levels)} levels")
    return column


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
