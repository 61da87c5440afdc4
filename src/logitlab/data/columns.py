"""How one column of a table becomes one or more features, in the column's own units: fitted on training rows, then applied.

Conventions: a column is a polars Series of n rows; `encode` returns float64, (n, features of this column). Nothing here
imports polars: a Series comes from whoever read the table.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from logitlab.data.scaling import Scaling, is_indicator
from logitlab.errors import UserError
from logitlab.overrides import suggestion

if TYPE_CHECKING:
    import polars as pl

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
