"""JSON Lines: an object in each line, all with the same keys; compressed or not."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from logitlab.data.csv_blocks import estimated_rows
from logitlab.data.faults import short_list, shown
from logitlab.data.formats import compression
from logitlab.data.formats.format import Format
from logitlab.data.formats.records import StrictColumns
from logitlab.errors import UserError

PART_ROWS = 10_000


class JsonLines(Format):
    """Text in UTF-8; the keys of the first line are the columns."""

    def schema(self) -> Mapping[str, pl.DataType | None]:  # noqa: D102
        return self._names

    @cached_property
    def _names(self) -> dict[str, None]:
        return dict.fromkeys(next(self._objects()))

    def row_count(self) -> int:  # noqa: D102
        return estimated_rows(self.file) + 1  # there is no header

    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:  # noqa: D102
        columns = StrictColumns(self.file, names, self.options.null_values)
        values = ([each[name] for name in names] for each in self._objects())
        parts = iter(lambda: list(itertools.islice(values, min(rows or PART_ROWS, PART_ROWS))), [])
        return columns.frames(parts)

    def _objects(self) -> Iterator[dict[str, Any]]:
        """Yield the lines, all with the same keys."""
        first: dict[str, Any] | None = None
        empty = 0
        with compression.opened(self.file) as (stream, _):
            for number, line in enumerate(_lines(stream), start=1):
                if not line.strip():
                    empty = empty or number
                    continue
                if empty:
                    raise UserError(f"{self.file}, row {empty:,}: the line is empty. Remove it.")
                found = self._object(line, number)
                if first is None:
                    first = found
                if found.keys() != first.keys():
                    self._refuse_keys(number, list(first), list(found))
                yield found
        if first is None:
            raise UserError(f"{self.file} is empty: it holds empty lines alone.")

    def _object(self, line: bytes, number: int) -> dict[str, Any]:
        where = f"{self.file}, row {number:,}"
        try:
            found = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{where} is no JSON ({error.msg}, at character {error.pos + 1}): {shown(line.decode()[:60])}."
            ) from None
        except UnicodeDecodeError:
            raise UserError(f"{where}: the text is not UTF-8, which JSON Lines are written in.") from None
        except RecursionError:
            raise UserError(f"{where} is nested too deeply for a table.") from None
        except _RefusedError as error:
            raise UserError(f"{where}: {error}") from None
        if not isinstance(found, dict) or not found:
            raise UserError(f'{where} is no object with a value for each column, as in {{"age": 40, "passed": 1}}.')
        return found

    def _refuse_keys(self, number: int, names: list[str], own: list[str]) -> None:
        lacking = [shown(name) for name in names if name not in own]
        added = [shown(name) for name in own if name not in names]
        what = f"lacks {short_list(lacking)}" if lacking else f"has {short_list(added)}"
        raise UserError(
            f"{self.file}, row {number:,} {what}, unlike the first row. All rows have the same keys; null is a missing value."
        )

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:  # noqa: D102
        with compression.created(file, name) as stream:
            for part in parts:
                stream.write(part.write_ndjson().encode())


class _RefusedError(ValueError):
    """A value of JSON that no table has."""


def _lines(stream: Any) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(2**20):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RefusedError(f"the key {shown(next(name for name in names if names.count(name) > 1))} stands there twice.")
    return found


def _refuse_constant(text: str) -> None:
    raise _RefusedError(f"{text} is no JSON; write null for a missing value.")
