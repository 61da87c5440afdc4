"""The kind of a column: a number, a category or a date, by its values; ambiguous ones are refused with advice."""

import re
from typing import Any

import polars as pl

from logitlab.data.category import NUMBER, Category, as_levels, hashed
from logitlab.data.columns import as_text, in_utc
from logitlab.data.faults import MOST_NAMED, rows_at, short_list, shown
from logitlab.errors import UserError
from logitlab.overrides import suggestion

MAX_CATEGORIES = 50
"""Text with more different values is a name, an identifier or a sentence rather than a category."""

MAX_FEATURES = 20_000
"""Wider tables are refused: as a dense matrix they rarely are what was meant. A caller may set another limit."""

ROWS_OF_A_CATEGORY = 20
"""Categories are advised where a column's values have so many rows each, on average."""

MOST_COMPARED = 1_000
"""Categories up to which their spellings are compared."""

LEAST_ROWS_OF_A_CATEGORY = 5
"""Text with many values is taken for categories where they have so many rows each, on average; names have one or two."""

CODE = r"^[+-]?0\d"
"""A number that begins with a zero is a code (a postcode, a telephone number): as a number it would lose it."""

DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
"""ISO 8601 alone: 03/04/2021 is in March in one country and in April in another."""

ZONE = r"\d\d:\d\d\S*? ?([Zz]|UTC|[+-]\d\d(:?\d\d)?)$"
"""A time with an offset from UTC is the instant that it means: 07:00+02:00 is 05:00Z. All values have one, or none has."""

DAY = re.compile(r"\d{4}-\d\d-\d\d")

DECIMAL_COMMA = r"^[+-]?\d{1,3}(\.?\d{3})*,\d+$"
CURRENCY = "([$€£¥₩₹]|USD|EUR|GBP|JPY|CHF|KRW|CNY|INR)"

LOOKS = {
    r"^[+-]?\d{1,3}([ ',\u00a0\u202f]\d{3})+(\.\d+)?$": "If these are thousands separators, write the numbers without them; if"
    " the comma is a decimal comma, type data.decimal_comma=true.",
    DECIMAL_COMMA: "If the comma is a decimal comma, type data.decimal_comma=true (points are then not allowed in numbers, and"
    " data.separator must be another one).",
    rf"^[+-]?{CURRENCY} ?[+-]?[\d.,' ]*\d$|^[+-]?[\d.,' ]*\d ?{CURRENCY}$": "If these are amounts of money, write the numbers"
    " alone: 1234.50, without the sign of the currency and without thousands separators.",
    r"^[+-]?\d+(\.\d+)?\s?%$": "Write the numbers without the percent sign.",
    r"^(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./]\d{1,2}[./]\d{1,2})( .*)?$": "If these are dates, write them as 2021-03-04:"
    " day and month could be mistaken for each other.",
}
"""Ways to write numbers and dates that could be read in two ways, and what to do about each."""


def is_number_text(series: pl.Series, decimal_comma: bool = False) -> bool:
    """Whether every value of a text column is a number (or missing); one that begins with 0 is a code and is not."""
    values = series.filter(series != "")
    if decimal_comma:
        values = values.str.replace(",", ".", literal=True)
    if values.str.contains(CODE + r"\d*$").any():
        return False
    return values.cast(pl.Float64, strict=False).null_count() == 0


def as_numbers(series: pl.Series, where: str, first_row: int) -> pl.Series:
    """Return the column as Float64.

    Raises:
        UserError: a value is no number.
    """
    if series.dtype == pl.Boolean or series.dtype.is_numeric() or series.dtype == pl.Null:
        return series.cast(pl.Float64)
    numbers = as_text(series).str.strip_chars().cast(pl.Float64, strict=False)
    wrong = (numbers.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        raise UserError(
            f"{where}: the column '{series.name}' holds {shown(series[wrong[0]])} in {rows_at(wrong, first_row)}, and the model"
            " takes numbers there."
        )
    return numbers


def as_dates(series: pl.Series, where: str, first_row: int) -> pl.Series:
    """Return the column as Datetime.

    Raises:
        UserError: a value is no ISO date.
    """
    dates = _parsed_dates(as_text(series))
    wrong = (dates.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        raise UserError(
            f"{where}: the column '{series.name}' holds {shown(series[wrong[0]])} in {rows_at(wrong, first_row)}, and the model"
            " takes dates there, written as 2021-03-04 or 2021-03-04 15:30:00; with an offset from UTC, as in"
            " 2021-03-04T15:30:00+01:00, all of them or none."
        )
    return dates


def lower_truth(text: pl.Series) -> pl.Series:
    """Return TRUE and True as true where there is nothing else than true and false: spellings differ between programs."""
    lower = text.str.to_lowercase()
    return lower if len(text.drop_nulls()) and lower.drop_nulls().is_in(["true", "false"]).all() else text


def settle(series: pl.Series, categorical: bool, where: str, max_categories: int = MAX_CATEGORIES) -> tuple[str, pl.Series]:
    """Return the kind of a feature column ("number", "category", "date") and the column in the type that goes with it.

    Args:
        series: as read.
        categorical: declared so in data.categorical.
        where: the file, for faults.
        max_categories: how many different texts are taken for categories whatever rows they have, unless declared.

    Raises:
        UserError: the values can be read in more than one way, or in none.
    """
    dtype = series.dtype
    if categorical or dtype == pl.Boolean:
        return "category", as_levels(series)
    if dtype.is_numeric() or dtype == pl.Null:
        return "number", series.cast(pl.Float64) if dtype == pl.Null or dtype.is_decimal() else series
    if dtype in (pl.Date, pl.Datetime):
        return "date", in_utc(series)
    return _settle_text(series.cast(pl.String), where, max_categories)


def check_type(series: pl.Series, where: str) -> None:
    """Refuse a column of lists, structs, times of day and the like.

    Raises:
        UserError: the column is no number, text, boolean, date or time stamp.
    """
    dtype = series.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null, pl.Date, pl.Datetime, pl.String, pl.Categorical, pl.Enum):
        return
    raise UserError(
        f"{where}: the column '{series.name}' is of the type {dtype}, which no logistic regression takes. Leave it out with"
        f" {suggestion('data.drop', [series.name])}, or write it as numbers, categories or dates."
    )


def _settle_text(series: pl.Series, where: str, max_categories: int) -> tuple[str, pl.Series]:
    levels = series.drop_nulls().unique(maintain_order=True)
    stripped = levels.str.strip_chars()
    is_number = stripped.cast(pl.Float64, strict=False).is_not_null()
    codes = stripped.str.contains(CODE + r"\d*$").any()
    if is_number.all() and not codes:
        return "number", series.str.strip_chars().cast(pl.Float64)
    is_date = _parsed_dates(stripped).is_not_null()
    if is_date.all():
        return "date", _parsed_dates(series.str.strip_chars())
    _refuse_ambiguous(series, stripped, where)
    if is_number.mean() >= 0.5 and not codes:  # type: ignore[operator]
        _refuse_mixed(series, "numbers", levels.filter(~is_number), where)
    if is_date.mean() >= 0.5:  # type: ignore[operator]
        _refuse_mixed(series, "dates", levels.filter(~is_date), where)
    number = stripped.n_unique()
    if number > max_categories and number * LEAST_ROWS_OF_A_CATEGORY > len(series):
        raise _too_many(series, stripped.unique(), codes, where, max_categories)
    return "category", lower_truth(as_levels(series))


def spelling_notices(series: pl.Series) -> list[str]:
    """Return a sentence where categories differ in case alone or are one number in two ways, and where they are codes."""
    alike: dict[Any, list[str]] = {}
    levels = as_levels(series).unique().drop_nulls().sort()
    codes = levels.filter(levels.str.contains(CODE + r"\d*$"))
    if len(codes) and levels.cast(pl.Float64, strict=False).null_count() == 0:
        return [f"'{series.name}' is taken for codes: {shown(codes[0])} begins with 0, which a number would lose."]
    for level in levels:
        alike.setdefault(float(level) if NUMBER.fullmatch(level) else level.casefold(), []).append(level)
    pairs = [" and ".join(map(shown, levels)) for levels in alike.values() if len(levels) > 1]
    if not pairs:
        return []
    return [
        f"'{series.name}' has categories that may be one: {short_list(pairs)}. Each is one of its own; write them alike if not."
    ]


def category_notices(train: pl.Series, column: Category, max_categories: int, is_declared: bool) -> list[str]:
    """Return the sentences on a column of categories, as it was fitted to its training rows."""
    name, values = column.name, train.n_unique() - (train.null_count() > 0)
    notices = spelling_notices(train) if values <= MOST_COMPARED else []
    if column.buckets is not None:
        filled = len(set(hashed(as_levels(train), column.buckets).drop_nulls()))
        notices.append(
            f"'{name}' is hashed: {values:,} values fill {filled:,} of {column.buckets:,} buckets, so {values - filled:,} share"
            " the coefficient of another value (data.hash)."
        )
    elif values > max_categories and not is_declared:
        notices.append(
            f"'{name}' is text with {values:,} values, about {max(round(len(train) / values), 1):,} rows each, and is taken for"
            f" categories. If it is a name or an identifier, leave it out: {suggestion('data.drop', [name])}."
        )
    if column.rare:
        rows = int((column.codes(train) == column.new_row).sum())
        what = f"{values - len(column.levels):,} values" if column.buckets is None else "the buckets"
        notices.append(
            f"'{name} is rare' stands for {what} of fewer than data.min_count training rows, {rows:,} in all, and for new ones."
        )
    return notices


def _too_many(series: pl.Series, levels: pl.Series, codes: Any, where: str, max_categories: int) -> UserError:
    """Return the error of a text column with too many values; features are advised where there are rows enough."""
    name, why = series.name, ""
    if codes and levels.cast(pl.Float64, strict=False).null_count() == 0:
        row = series.str.strip_chars().str.contains(CODE + r"\d*$").fill_null(False).arg_true()
        why = f" They are codes, for {shown(series[row[0]])} in {rows_at(row[:1])} begins with 0, which a number would lose."
    advice = f" If it is a name, an identifier or a sentence, type {suggestion('data.drop', [name])}"
    if len(levels) * 2 <= len(series):
        advice += f"; to make a feature of every value, {suggestion('data.categorical', [name])}"
    return UserError(
        f"{where}: the text column '{name}' has {len(levels):,} different values in {len(series):,} rows, such as"
        f" {short_list([shown(level) for level in levels.sort()[:3]])}: more than the {max_categories} that are taken for"
        f" categories where they have fewer than {LEAST_ROWS_OF_A_CATEGORY} rows each.{why}{advice}.",
        ("drop", name),
    )


def _refuse_ambiguous(series: pl.Series, levels: pl.Series, where: str) -> None:
    for pattern, advice in LOOKS.items():
        if not len(levels) or levels.str.contains(pattern).mean() < 0.5:  # type: ignore[operator]
            continue
        example = shown(levels.filter(levels.str.contains(pattern))[0])
        raise UserError(
            f"{where}: the column '{series.name}' holds values such as {example}, which could be read in more than one way."
            f" {advice}{_as_categories(series.name, len(levels), len(series))} To leave the column out, type"
            f" {suggestion('data.drop', [series.name])}.",
            ("decimal_comma", "true") if pattern == DECIMAL_COMMA else None,
        )


def _as_categories(name: str, levels: int, rows: int) -> str:
    """Return the advice to take values as categories, where there are rows enough for each of them."""
    if levels > MAX_CATEGORIES and levels * ROWS_OF_A_CATEGORY > rows:
        return ""
    return f" To take them as categories, type {suggestion('data.categorical', [name])}."


def _refuse_mixed(series: pl.Series, most: str, texts: pl.Series, where: str) -> None:
    rows = series.is_in(texts.implode()).fill_null(False).arg_true()
    listed = short_list([shown(text) for text in texts.sort()])
    held = f"{where}: the column '{series.name}' holds {most}, and text in {rows_at(rows)}: {listed}."
    if rows.to_list() == [0] and len(series) > 2 and texts[0].isprintable():
        raise UserError(
            f"{held} If the first row holds units or a second line of names, remove it from the file; if the text means a"
            f" missing value, type {suggestion('data.null_values', [texts[0]])}.",
            ("null_values", texts[0]),
        )
    typed = [text for text in texts.sort()[:MOST_NAMED] if text.isprintable()]  # a line break cannot be typed in one line
    advice = f" If that means a missing value, type {suggestion('data.null_values', typed)}." if typed else ""
    raise UserError(
        f"{held}{advice}{_as_categories(series.name, series.n_unique(), len(series))}",
        ("null_values", *typed) if typed else (),
    )


def _parsed_dates(text: pl.Series) -> pl.Series:
    """Return the values as Datetime, in UTC, by the first format that fits the first value; what does not fit is null."""
    first, zone = text.drop_nulls()[:1], ""
    if len(first) and re.search(ZONE, first[0]):
        text = text.str.replace(r" ?([Zz]|UTC)$", "+00:00").str.replace(r" ?([+-]\d\d)(?::?(\d\d))?$", "$1:${2}")
        text, zone = text.str.replace(":$", ":00"), "%:z"
        first = text.drop_nulls()[:1]
    for form in DATE_FORMATS if len(first) and DAY.match(first[0]) else ():
        if first.str.to_datetime(form + zone, strict=False).null_count() == 0:
            return in_utc(text.str.to_datetime(form + zone, strict=False))
    return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
