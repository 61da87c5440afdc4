"""What is learnt of each feature column from the training rows: fill values, categories, dates' origins."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import torch
from torch import Tensor

from logitlab.data.columns import Category, Column, Date, Number, as_text
from logitlab.data.scaling import Scaling, is_indicator
from logitlab.errors import UserError
from logitlab.overrides import suggestion

LEAST_DEVIATION = 1e-150
"""Coefficients in own units are divided by the deviation, their variances by its square, which must be a float64."""


def fit_column(series: pl.Series, kind: str, fill_missing: bool, weight: Tensor | None = None) -> Column:
    """Return the encoder of a column.

    Args:
        series: the training rows alone, settled (see `kinds.settle`), missing values as null.
        kind: "number", "category" or "date".
        fill_missing: a missing value takes the training rows' mean and, where they have missing values themselves, a feature
            of its own says so, which is the only one where the values that are there are all the same; otherwise there are
            none.
        weight: how much each row counts, (rows, 1); None: all the same.
    """
    indicator = fill_missing and series.null_count() > 0
    if kind == "category":
        return _category(as_text(series), "level" if indicator else "unseen" if fill_missing else "refuse", weight)
    if kind == "date":
        origin: Any = series.cast(pl.Date).min()
        date = Date(series.name, str(origin or "1970-01-01"))
        return _filled(date, series, weight) if fill_missing else date
    number = Number(series.name)
    return _filled(number, series, weight) if fill_missing else number


def fit_scaling(column: Column, series: pl.Series, scale: str, weight: Tensor | None = None) -> Scaling:
    """Return the scaling of one column's features over the training rows.

    A number that is 0 or 1 wherever it is known is an indicator, also where the mean stands in for missing values.

    Args:
        column: fitted.
        series: the training rows.
        scale: "standard" or "none".
        weight: how much each row counts, (rows, 1); None: all the same.

    Raises:
        UserError: the values are so large, or so near to each other, that their variance is beyond float64.
    """
    if isinstance(column, Category):
        return Scaling.identity(len(column.feature_names))
    values = column.encode(series)
    if scale == "none" or (series.null_count() and bool(is_indicator(column.encode(series.drop_nulls())).all())):
        scaling = Scaling.identity(values.shape[1])
    else:
        scaling = Scaling.standard(values, weight)
    if not all(torch.tensor([*scaling.center, *scaling.scale], dtype=torch.float64).isfinite()):
        raise UserError(
            f"The values of the column '{column.name}' are too large to compute with (up to {values.abs().max():.3g}). Divide"
            f" them by a power of ten, or type {suggestion('data.drop', [column.name])}."
        )
    if min(scaling.scale) < LEAST_DEVIATION:
        raise UserError(
            f"The values of the column '{column.name}' are too near to each other to compute with: their deviation is"
            f" {min(scaling.scale):.3g}. Multiply them by a power of ten, or type {suggestion('data.drop', [column.name])}."
        )
    return scaling


def is_constant(series: pl.Series) -> bool:
    """Tell whether all rows have the same value, a missing one counted as a value."""
    gaps = series.null_count()
    return gaps == len(series) or (gaps == 0 and series.min() == series.max())


def described(column: Column, series: pl.Series, scaling: Scaling) -> Mapping[str, Any]:
    """Return what columns.json says of a feature column."""
    return {
        **column.plain(),
        "missing_in_train": series.null_count(),
        "features": [
            {"name": name, "center": center, "scale": scale}
            for name, center, scale in zip(column.feature_names, scaling.center, scaling.scale, strict=True)
        ],
    }


def _filled(column: Number | Date, series: pl.Series, weight: Tensor | None) -> Column:
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


def _category(text: pl.Series, missing: str, weight: Tensor | None) -> Category:
    levels = tuple(sorted(text.drop_nulls().unique()))
    category = Category(text.name, levels, (0.0,) * (len(levels) + (missing == "level")), missing)
    share = torch.ones(len(text)).double() if weight is None else weight[:, 0].double()
    counts = torch.bincount(category.codes(text), share, minlength=len(category.shares))
    return replace(category, shares=tuple((counts / share.sum()).tolist()))
