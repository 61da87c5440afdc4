"""What is learnt of each feature column from the training rows: fill values, categories, dates' origins."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import torch

from logreg.data.columns import Category, Column, Date, Number, as_text, days_since
from logreg.data.scaling import Scaling
from logreg.errors import UserError


def fit_column(series: pl.Series, kind: str, fill_missing: bool) -> Column:
    """Return the encoder of a column.

    Args:
        series: the training rows alone, settled (see `kinds.settle`), missing values as null.
        kind: "number", "category" or "date".
        fill_missing: a missing value takes the training rows' mean and, where they have missing values themselves, a feature
            of its own says so; otherwise there are none.
    """
    indicator = fill_missing and series.null_count() > 0
    if kind == "category":
        return _category(as_text(series), "level" if indicator else "unseen" if fill_missing else "refuse")
    if kind == "date":
        origin = series.cast(pl.Date).min()
        name = str(origin or "1970-01-01")
        days = days_since(series, origin) if origin is not None else torch.zeros(1)  # type: ignore[arg-type]
        return Date(series.name, name, float(days.nanmean()) if fill_missing else None, indicator)
    mean = series.cast(pl.Float64).mean() if fill_missing else None
    return Number(series.name, (0.0 if mean is None else float(mean)) if fill_missing else None, indicator)  # type: ignore[arg-type]


def fit_scaling(column: Column, series: pl.Series, scale: str) -> Scaling:
    """Return the scaling of one column's features over the training rows.

    Raises:
        UserError: the values are so large that their deviation is beyond float64.
    """
    values = column.encode(series)
    scaling = Scaling.standard(values) if scale == "standard" else Scaling.identity(values.shape[1])
    if not all(torch.tensor([*scaling.center, *scaling.scale], dtype=torch.float64).isfinite()):
        raise UserError(
            f"The values of the column '{column.name}' are too large to compute with (up to {values.abs().max():.3g}). Divide"
            f" them by a power of ten, or type data.drop=[{column.name}]."
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


def _category(text: pl.Series, missing: str) -> Category:
    counts = dict(text.value_counts().iter_rows())
    levels = sorted(level for level in counts if level is not None)
    shares = [counts[level] / len(text) for level in levels]
    if missing == "level":
        shares.append(counts[None] / len(text))
    return Category(text.name, tuple(levels), tuple(shares), missing)
