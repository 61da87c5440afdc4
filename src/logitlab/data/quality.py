"""Faults and oddities among the values of a table."""

from collections import Counter
from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from logitlab.data.faults import rows_at, short_list, shown
from logitlab.data.kinds import MAX_CATEGORIES, ROWS_OF_A_CATEGORY
from logitlab.errors import UserError
from logitlab.overrides import suggestion

IDENTIFIERS = {"id", "key", "uuid", "index", "nr", "no", "number"}
"""Words in the names of columns that are identifiers."""


def checked(series: pl.Series, where: str) -> pl.Series:
    """Return the column with NaN as missing.

    Raises:
        UserError: a value is infinite (1e400 is, in float64).
    """
    if not series.dtype.is_float():
        return series
    if series.is_nan().any():
        series = series.fill_nan(None)
    low, high = series.min(), series.max()
    if high == float("inf") or low == -float("inf"):
        rows = series.is_infinite().fill_null(False).arg_true()
        raise UserError(
            f"{where}: the column '{series.name}' holds an infinite number in {rows_at(rows)} (inf, or a number too large to"
            " compute with, such as 1e400). Correct the value, or leave it empty and type data.missing=mean."
        )
    return series


def incomplete(frame: pl.DataFrame, features: Sequence[str], missing: str, where: str) -> pl.Series | None:
    """Return which rows are to be left out for a missing value; None where none are.

    Raises:
        UserError: values are missing and `missing` is "refuse", or every row lacks one and it is "drop".
    """
    gaps_in = frame.null_count().row(0, named=True)
    lacking = [name for name in features if gaps_in[name]]
    if not lacking or missing == "mean":
        return None
    if missing == "refuse":
        name = lacking[0]
        others = f" (so have others: {short_list(lacking[1:])})" if len(lacking) > 1 else ""
        raise UserError(
            f"{where}: the column '{name}' has no value in {rows_at(frame[name].is_null().arg_true())}{others}. Type"
            " data.missing=mean (the mean takes its place and a feature of its own says that it was missing) or"
            " data.missing=drop (rows with gaps are left out).",
            ("missing", "mean"),
        )
    gaps = frame.select(pl.any_horizontal([pl.col(name).is_null() for name in lacking])).to_series()
    if gaps.all():
        raise UserError(
            f"{where}: every row lacks a value somewhere ({', '.join(lacking[:5])}): data.missing=drop leaves none. Type"
            f" data.missing=mean, or leave the emptiest columns out, as in {suggestion('data.drop', lacking[:1])}."
        )
    return gaps


def groups(series: pl.Series, where: str) -> Tensor:
    """Return the number of each row's group of dependent rows, int64, (rows,).

    Raises:
        UserError: a row has none.
    """
    if series.null_count():
        raise UserError(
            f"{where}: the column '{series.name}' (data.cluster) has no value in {rows_at(series.is_null().arg_true())}: every"
            " row needs its group. An independent row is a group of its own."
        )
    return torch.from_numpy(series.rank("dense").cast(pl.Int64).to_numpy(writable=True))


def weights(series: pl.Series, where: str, first_row: int = 1) -> Tensor:
    """Return the rows' weights, float32, (rows, 1).

    Raises:
        UserError: one is missing, not a finite number, or not above 0.
    """
    if not series.dtype.is_numeric():
        text = series.cast(pl.String, strict=False)
        wrong = (text.cast(pl.Float64, strict=False).is_null() & text.is_not_null()).arg_true()
        example = f"{shown(text[wrong[0]])} in {rows_at(wrong, first_row)}" if len(wrong) else f"the type {series.dtype}"
        raise UserError(f"{where}: the weight column '{series.name}' must hold numbers and holds {example}.")
    single = series.cast(pl.Float32).fill_null(float("nan"))
    wrong = (~(single.is_finite() & (single > 0))).arg_true()
    if len(wrong):
        came = series[wrong[0]]
        raise UserError(
            f"{where}: the weight column '{series.name}' must hold numbers above 0 that float32 can hold, and holds"
            f" {'nothing' if came is None else came} in {rows_at(wrong, first_row)}. Leave out rows that are not to count."
        )
    return torch.from_numpy(single.to_numpy(writable=True))[:, None]


def kind_of_weights(weight: Tensor, name: str | None, kind: str | None) -> tuple[bool, str]:
    """Return whether weights, (rows, 1), are sampling weights, and a sentence about how they are taken.

    Args:
        weight: of every row, above 0.
        name: of the column.
        kind: "counts", "sampling" or None: counts where all are whole numbers.
    """
    rows, total, whole = len(weight), float(weight.sum(dtype=torch.float64)), bool((weight == weight.round()).all())
    if kind == "sampling" or (kind is None and not whole):
        why = "are sampling weights" if kind else "are not all whole numbers, so they are taken as sampling weights"
        other = "" if kind else " data.weight_kind=counts takes them as counts."
        return True, f"The weights '{name}' {why}: {rows:,} rows are {rows:,} rows, whatever the weights sum to.{other}"
    broken = "" if whole else ", although they are not all whole numbers"
    return False, (
        f"The weights '{name}' are taken as counts{broken}: {rows:,} rows count as {total:,.6g}. For weights of a sample survey"
        " type data.weight_kind=sampling."
    )


def identifier_notice(series: pl.Series, numbers: pl.Series) -> str | None:
    """Return a sentence about a column of whole numbers that looks like an identifier or is beyond float32's whole numbers.

    Args:
        series: the values of all rows, of every split.
        numbers: of these rows in the file, from 1.
    """
    values, name = series.drop_nulls() if series.null_count() else series, series.name
    if values.dtype.is_float():
        floats = values.to_numpy()  # a polars expression takes 0.1 ms, which counts on thousands of columns
        if any((some != some.round()).any() for some in (floats[:1000], floats)):
            return None
    if not len(values):
        return None
    typed, low, high = suggestion("data.drop", [name]), float(values.min()), float(values.max())  # type: ignore[arg-type]
    in_order = len(values) == len(series) > 20 and (values.cast(pl.Float64) - numbers).n_unique() == 1
    distinct = len(values) if in_order else values.n_unique()
    is_key = distinct == len(values) > 20
    words = {*name.lower().replace("-", "_").replace(" ", "_").split("_")}
    if not in_order and is_key and (IDENTIFIERS & words or name.endswith(("Id", "ID"))):
        return f"'{name}' has another whole number in every row and looks like an identifier: {typed} leaves it out."
    if not in_order and max(-low, high) > 2**24:
        few = distinct <= MAX_CATEGORIES or distinct * ROWS_OF_A_CATEGORY <= len(values)
        code = f"; if it is a code, {suggestion('data.categorical', [name])}" if few else ""
        return (
            f"'{name}' holds whole numbers beyond 16,777,216 (2^24), which float32 cannot all represent. If it is an"
            f" identifier, type {typed}{code}."
        )
    if in_order or (is_key and high - low == len(values) - 1):
        return f"'{name}' counts the rows and looks like a row number: {typed} leaves it out."
    return None


def check_names(features: Sequence[str], where: str) -> None:
    """Refuse features that share a name.

    Raises:
        UserError: a column is called as a feature that another column becomes.
    """
    if doubled := [name for name, number in Counter(features).items() if number > 1]:
        raise UserError(
            f"{where}: there is a column '{doubled[0]}', and another column becomes a feature of that name. Rename the column,"
            " or leave one of the two out with data.drop."
        )
