"""Rows of Python values (of JSON, a database, a workbook) become strict columns: each holds values of one kind."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any

import polars as pl

from logitlab.data.faults import shown
from logitlab.errors import UserError
from logitlab.overrides import suggestion

KINDS: dict[type, str] = {
    bool: "true or false",
    **dict.fromkeys((int, float, Decimal), "a number"),
    str: "text",
    date: "a date",
    datetime: "a time",
}

TYPES: dict[str, Any] = {"true or false": pl.Boolean, "text": pl.String, "a date": pl.Date, "a time": pl.Datetime("us")}


class StrictColumns:
    """Turns parts of the rows into frames, and remembers the kind of each column from one part to the next."""

    def __init__(self, file: Path, names: Sequence[str], null_values: Sequence[str]) -> None:
        """Take the file, for messages, the columns that rows have, and the texts that mean "missing"."""
        self.file = file
        self.names = names
        self.nulls = set(null_values)
        self.kinds: dict[str, tuple[str, int]] = {}
        self.rows = 0

    def frames(self, parts: Iterator[Sequence[Sequence[Any]]]) -> Iterator[pl.DataFrame]:
        """Yield each part of the rows as columns.

        Raises:
            UserError: a column holds values of several kinds, or of one that no column of a table has; with its row.
        """
        for part in parts:
            columns = zip(*part, strict=True) if part else ([] for _ in self.names)
            yield pl.DataFrame([self._column(name, list(values)) for name, values in zip(self.names, columns, strict=True)])
            self.rows += len(part)

    def _column(self, name: str, values: list[Any]) -> pl.Series:
        if self.nulls:
            values = [None if isinstance(value, str) and value in self.nulls else value for value in values]
        types = set(map(type, values)) - {NoneType}
        kinds = {KINDS.get(each, "") for each in types}
        if name in self.kinds:
            kinds.add(self.kinds[name][0])
        if len(kinds) > 1 or "" in kinds:
            self._refuse(name, values)
        if not kinds:
            return pl.Series(name, values, dtype=pl.Null)
        (kind,) = kinds
        if name not in self.kinds:
            self.kinds[name] = kind, self.rows + next(at for at, value in enumerate(values, 1) if value is not None)
        if kind != "a number":
            return pl.Series(name, values, dtype=TYPES[kind])
        try:
            if types != {int}:
                return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
            return pl.Series(name, values, dtype=pl.Int64)
        except (OverflowError, TypeError):
            large = next(at for at, value in enumerate(values) if isinstance(value, int) and not -(2**63) <= value < 2**63)
            raise UserError(
                f"{self.file}, row {self.rows + large + 1:,}: the column '{name}' holds {values[large]}, which no number can"
                " hold as it is. Write such a column as text."
            ) from None

    def _refuse(self, name: str, values: Sequence[Any]) -> None:
        """Raise for the first value that is not of the column's kind."""
        first, row = self.kinds.get(name, ("", 0))
        for at, value in enumerate(values, self.rows + 1):
            kind = KINDS.get(type(value))
            if value is None or (kind and kind == first):
                continue
            where = f"{self.file}, row {at:,}: the column '{name}' holds"
            if kind is None:
                raise UserError(
                    f"{where} {shown(repr(value))}, which no column of a table can hold. Leave the column out with"
                    f" {suggestion('data.drop', [name])}, or write it as numbers, categories or dates."
                )
            if first:
                missing = (
                    f" If it means a missing value, type {suggestion('data.null_values', [value])}." if kind == "text" else ""
                )
                alike = f"and {first} in row {row:,}. Write all of its values alike."
                raise UserError(f"{where} {shown(str(value))}, which is {kind}, {alike}{missing}")
            first, row = kind, at
