"""CSV files, block by block: read once, parsed side by side, checked as they come."""

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from logitlab.data import csv_faults
from logitlab.data.csv_blocks import blocks, estimated_rows
from logitlab.data.csv_faults import BlockError
from logitlab.data.csv_header import Header
from logitlab.data.faults import shown
from logitlab.data.formats import compression
from logitlab.data.formats.format import Format, MixedColumnError, Request
from logitlab.data.kinds import CODE, is_number_text
from logitlab.data.options import TableOptions
from logitlab.data.prefetching import prefetched
from logitlab.errors import UserError

WORKERS = 4
"""Blocks in flight. Polars parses one block with several threads, but their start and end are idle: blocks overlap."""

FEW_WHOLE = 8
"""Columns of whole numbers are read as text and looked at where no more than one column in so many is one; this is simplest."""

SAMPLE_ROWS = 10_000
"""Rows by which numbers are distinguished from text; where a later row differs, the file is read again."""


class Csv(Format):
    """Text: a header and a line for each row; a column is of numbers where all of its values are."""

    separator = ","

    @cached_property
    def header(self) -> Header:
        """The first row."""
        return Header.read(self.file, self.options, next(blocks(self.file, self.options)))

    def schema(self) -> Mapping[str, pl.DataType | None]:  # noqa: D102
        return dict.fromkeys(self.header.kept)

    def row_count(self) -> int:  # noqa: D102
        return estimated_rows(self.file)

    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:  # noqa: D102
        return (frame for frame, _ in self.parts(Request(names, rows=rows)))

    def parts(self, request: Request) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield the parsed blocks in order, and the columns to keep as text, to the character.

        Raises:
            MixedColumnError: a value in a column that was taken for numbers, by the first rows or by `request.kinds`, is none.
            UserError: any other fault, with its row.
        """
        form, header, kinds, keep = self.options, self.header, request.kinds, request.keep
        pieces = blocks(self.file, form)
        first = next(pieces)[header.length :]
        if request.notices is not None:
            request.notices.extend(notice for notice in header.notices if notice not in request.notices)
        # what is kept is read as something else, too
        apart = bool(kinds is None or form.null_values or set(keep) & set(kinds))
        chosen = set(header.kept if request.columns is None else [*request.columns, *(() if apart else keep)])
        wanted = [name for name in header.kept if name in chosen]
        if kinds is None:
            numbers, whole = _number_columns(first, header, form, wanted)
        else:
            numbers, whole = {name for name, kind in kinds.items() if kind == "number"}, set()
        whole -= request.text
        schema = {name: pl.Float64 if name in numbers - whole - request.text else pl.String for name in header.names}
        plain = {**schema, **dict.fromkeys(whole, pl.Int64)} if len(whole) * FEW_WHOLE > len(schema) else {}
        as_it_is, verbatim = replace(form, null_values=()), dict.fromkeys(header.names, pl.String)

        def parse(block: bytes) -> tuple[pl.DataFrame, pl.DataFrame]:
            kept = csv_faults.parse_block(block, verbatim, header, as_it_is, keep) if keep and apart else pl.DataFrame()
            if plain and not whole & _with_codes(block, header, form):
                try:
                    frame = csv_faults.parse_block(block, plain, header, form, wanted, diagnosed=False)
                    return frame.with_columns(
                        [_settled(frame[name], False) for name, kind in plain.items() if kind == pl.String and name in chosen]
                    ), kept
                except BlockError:
                    pass  # some numbers are not whole, or too large: as text, they are seen one by one
            frame = csv_faults.parse_block(block, schema, header, form, wanted)
            if keep and not apart:
                kept = frame.select(keep)
            return frame.with_columns([_settled(text, text.name in whole) for text in frame if text.dtype == pl.String]), kept

        first_row = 1
        try:
            for frame, kept in prefetched(parse, filter(None, itertools.chain([first], pieces)), WORKERS):
                first_row += len(frame)
                if len(frame):
                    yield frame, kept
        except BlockError as fault:
            message = f"{self.file}, row {first_row + fault.row:,}: {fault}"
            raise (MixedColumnError(fault.column, message) if fault.column else UserError(message)) from None

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:  # noqa: D102
        with compression.created(file, name) as stream:
            cls.write_to(parts, stream)

    @classmethod
    def write_to(cls, parts: Iterator[pl.DataFrame], stream: IO[bytes]) -> None:
        """Write a header, and a line for each row, into a stream."""
        for number, part in enumerate(parts):
            text = io.BytesIO()  # polars itself, writing to a file, forgets what went wrong: a broken pipe, a full disk
            part.write_csv(text, include_header=number == 0, separator=cls.separator)
            stream.write(text.getbuffer())
        stream.flush()


class Tsv(Csv):
    """CSV whose values are divided by tabs, unless data.separator says otherwise."""

    separator = "\t"

    def __init__(self, file: Path, options: TableOptions) -> None:
        super().__init__(file, replace(options, separator="\t") if options.separator == "," else options)


def _with_codes(block: bytes, header: Header, form: TableOptions) -> set[str]:
    """Return the columns with a value that begins with 0 and goes on with a digit; all where quotes may hold separators."""
    data = np.frombuffer(block, dtype=np.uint8)
    begins = np.zeros(256, dtype=bool)
    begins[[ord(form.separator), ord("\n"), ord('"')]] = True
    zeros = np.flatnonzero(data == ord("0"))
    zeros = zeros[data[(zeros + 1) % len(data)] - ord("0") < 10]
    before = data[zeros - 1]  # of the first byte this is the last one: a line end
    signed = (before == ord("-")) | (before == ord("+"))
    codes = zeros[begins[np.where(signed, data[zeros - 2], before)]]
    if not len(codes):
        return set()
    if block.find(b'"') >= 0:
        return set(header.names)
    ends = np.flatnonzero((data == ord(form.separator)) | (data == ord("\n")))
    return {header.names[at] for at in np.unique(np.searchsorted(ends, codes) % len(header.names))}


def _settled(text: pl.Series, whole: bool) -> pl.Series:
    """Return a column of text without its empty values; one of whole numbers as Int64, or Float64 where others are among them.

    Raises:
        BlockError: a value is no number; or it is a code, or has more digits than Int64, and would come out as another.
    """
    if (text == "").any():
        text = text.set(text == "", None)
    if not whole:
        return text
    numbers = text.cast(pl.Int64, strict=False)
    odd = (numbers.cast(pl.String) != text).fill_null(True) & text.is_not_null()  # +1, 1.5, 01, a
    if not odd.any():
        return numbers
    rest = text.filter(odd)
    wrong = rest.cast(pl.Float64, strict=False).is_null() | rest.str.contains(CODE + r"\d*$|^[+-]?\d{19,}$")
    if wrong.any():
        at = wrong.arg_true()[0]
        raise BlockError(
            odd.arg_true()[at],
            f"the column '{text.name}' holds {shown(rest[at])}, which no number can hold as it is.",
            text.name,
        )
    return text.cast(pl.Float64)


def _number_columns(block: bytes, header: Header, form: TableOptions, wanted: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the columns in which every value of the first rows is a number, and those in which it is a whole one."""
    schema = dict.fromkeys(header.names, pl.String)
    end = rows = inside = 0
    while rows < SAMPLE_ROWS and (line_end := block.find(b"\n", end) + 1):
        inside ^= block.count(b'"', end, line_end) & 1
        end, rows = line_end, rows + (not inside)
    sample = block[: end if rows == SAMPLE_ROWS else len(block)]
    if not sample:
        return set(), set()
    try:
        frame = csv_faults.parse_block(sample, schema, header, form, wanted)
    except BlockError:
        return set(), set()  # it is met again, with its row, when the block itself is read
    numbers = {name for name in wanted if is_number_text(frame[name], form.decimal_comma)}
    if not numbers:
        return numbers, numbers
    whole = frame.select(pl.col(list(numbers)).str.contains(r"^[+-]?\d*$").all()).row(0, named=True)
    return numbers, {name for name, is_whole in whole.items() if is_whole}
