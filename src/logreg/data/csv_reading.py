"""CSV files, block by block: read once, parsed side by side, checked as they come."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from logreg.data import csv_faults
from logreg.data.csv_blocks import blocks
from logreg.data.csv_faults import BlockError
from logreg.data.csv_format import CsvFormat
from logreg.data.csv_header import Header
from logreg.data.kinds import is_number_text
from logreg.data.prefetching import prefetched
from logreg.errors import UserError

WORKERS = 4
"""Blocks in flight. Polars parses one block with several threads, but their start and end are idle: blocks overlap."""

SAMPLE_ROWS = 10_000
"""Rows that are looked at to tell numbers from text; where a later row differs, the file is read again."""


def column_names(path: Path, form: CsvFormat, max_columns: int) -> list[str]:
    """Return the names in the header."""
    first = next(blocks(path, form))
    header = Header.read(path, form, first)
    header.check_width(path, first, max_columns)
    return list(header.kept)


def read(
    path: Path,
    form: CsvFormat,
    kinds: Mapping[str, str] | None,
    columns: Sequence[str] | None,
    max_columns: int,
    notices: list[str] | None,
    text: Collection[str],
) -> pl.DataFrame:
    """Return the whole table; see `logreg.data.reading.read`."""
    text = set(text)
    while True:
        try:
            frames = list(_parts(path, form, kinds, columns, max_columns, text, notices))
            return pl.concat(frames, rechunk=False) if frames else pl.DataFrame()
        except _NotANumberError as found:  # beyond the sample; what the column is, is decided by all of its values
            text.add(found.column)


def parts(
    path: Path, form: CsvFormat, kinds: Mapping[str, str] | None, columns: Sequence[str] | None, max_columns: int
) -> Iterator[pl.DataFrame]:
    """Yield the table block by block; see `logreg.data.reading.read_in_parts`."""
    try:
        yield from _parts(path, form, kinds, columns, max_columns, set(), None)
    except _NotANumberError as found:
        raise UserError(str(found)) from None


class _NotANumberError(Exception):
    """A value in a column that was taken for numbers is none."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def _parts(
    path: Path,
    form: CsvFormat,
    kinds: Mapping[str, str] | None,
    columns: Sequence[str] | None,
    max_columns: int,
    text: set[str],
    notices: list[str] | None,
) -> Iterator[pl.DataFrame]:
    """Yield the parsed blocks in order; `text` are columns that are known to be text."""
    pieces = blocks(path, form)
    first = next(pieces)
    header = Header.read(path, form, first)
    header.check_width(path, first, max_columns)
    if notices is not None:
        notices += [notice for notice in header.notices if notice not in notices]
    first = first[header.length :]
    chosen = set(header.kept if columns is None else columns)
    wanted = [name for name in header.kept if name in chosen]
    numbers = _number_columns(first, header, form, wanted) if kinds is None else {n for n, k in kinds.items() if k == "number"}
    numbers -= text
    schema = {name: pl.Float64 if name in numbers else pl.String for name in header.names}

    def parse(block: bytes) -> pl.DataFrame:
        return csv_faults.parse_block(block, schema, header, form, wanted)

    first_row = 1
    try:
        for frame in prefetched(parse, filter(None, itertools.chain([first], pieces)), WORKERS):
            first_row += len(frame)
            if len(frame):
                yield frame
    except BlockError as fault:
        message = f"{path}, row {first_row + fault.row:,}: {fault}"
        raise (_NotANumberError(fault.column, message) if fault.column else UserError(message)) from None


def _number_columns(block: bytes, header: Header, form: CsvFormat, wanted: Sequence[str]) -> set[str]:
    """Return the columns in which every value of the first rows is a number."""
    schema = dict.fromkeys(header.names, pl.String)
    end = rows = inside = 0
    while rows < SAMPLE_ROWS and (line_end := block.find(b"\n", end) + 1):
        inside ^= block.count(b'"', end, line_end) & 1
        end, rows = line_end, rows + (not inside)
    sample = block[: end if rows == SAMPLE_ROWS else len(block)]
    if not sample:
        return set()
    try:
        frame = csv_faults.parse_block(sample, schema, header, form, wanted)
    except BlockError:
        return set()  # it is met again, with its row, when the block itself is read
    return {name for name in wanted if is_number_text(frame[name], form.decimal_comma)}
