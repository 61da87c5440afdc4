"""One block of a CSV file becomes a frame, or a fault that names its row."""

import codecs
from collections.abc import Mapping, Sequence

import polars as pl

from logitlab.data import csv_quotes
from logitlab.data.csv_header import NOT_UTF8, Header, row_length
from logitlab.data.csv_quotes import QuoteError
from logitlab.data.faults import shown
from logitlab.data.options import TableOptions

EMPTY = "the line is empty. Remove it."


class BlockError(Exception):
    """What is wrong in one row of a block, counted from 0; of a value that is no number also the column."""

    def __init__(self, row: int, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


def parse_block(
    block: bytes,
    schema: Mapping[str, type[pl.DataType]],
    header: Header,
    form: TableOptions,
    wanted: Sequence[str],
    diagnosed: bool = True,
) -> pl.DataFrame:
    """Return the wanted columns of a block of whole rows.

    Args:
        block: UTF-8.
        schema: Float64, Int64 or String for every column of the file, in the file's order.
        header: of the file.
        form: of the file.
        wanted: the columns to return.
        diagnosed: where polars refuses the block, find the row; False: for callers that try something else then.

    Raises:
        BlockError: a row has too few or too many values, text is not UTF-8, or a value of a Float64 column is no number.
    """
    last, read = header.names[-1], {*wanted, header.names[-1]}
    try:
        csv_quotes.check(block, form.separator)
    except QuoteError as fault:
        column = f"column '{header.names[fault.column]}'" if fault.column < len(header.names) else f"value {fault.column + 1}"
        raise BlockError(fault.row, f"the {column} {fault}") from None
    _check_carriage_returns(block)
    _check_empty_lines(block, len(header.names))
    _check_first_row(block, header, form)
    try:
        frame = pl.read_csv(
            codecs.BOM_UTF8 + block if block.startswith(codecs.BOM_UTF8) else block,  # polars leaves one out of every block
            has_header=False,
            schema=dict(schema),
            columns=[number for number, name in enumerate(header.names) if name in read],
            separator=form.separator,
            null_values=list(form.null_values) or None,
            decimal_comma=form.decimal_comma,
            glob=False,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        found = diagnose(block, schema, header, form) if diagnosed else None
        raise found or BlockError(0, f"polars cannot read this block: {error}.") from None
    frame.columns = [name for name in header.names if name in read]  # of an index without a name polars makes column_0
    # Polars fills a short row with nulls: the last value is then missing, and only then the rows are counted out.
    if header.trailing:
        if frame[last].null_count() < len(frame):
            row = frame[last].is_not_null().arg_true()[0]
            raise BlockError(row, f"there is a value {shown(frame[last][row])} behind the last column that has a name.")
        if len(header.names) == 1:
            return frame
    if frame[last].null_count():
        _check_lengths(block, header, form, frame[last].is_null().arg_true().to_list())
    # In pieces, with room to grow, a frame takes a tenth more memory than its values.
    return frame.select(wanted).rechunk().shrink_to_fit(in_place=True)


def diagnose(block: bytes, schema: Mapping[str, type[pl.DataType]], header: Header, form: TableOptions) -> BlockError | None:
    """Return the first fault of a block that polars refused, found row by row; None if there is none to be seen."""
    for number, line in enumerate(block.split(b"\n")):
        try:
            line.decode()
        except UnicodeDecodeError:
            return BlockError(number, NOT_UTF8)
    for number, row in enumerate(form.rows(block.decode(errors="replace"))):
        if len(row) != len(header.names):
            return _length_fault(number, row, header)
        for name, value in zip(header.names, row, strict=True):
            if schema[name] == pl.Float64 and value and value not in form.null_values and not _is_number(value, form):
                comma = not form.decimal_comma and form.separator != "," and _is_number(value.replace(",", ".", 1), form)
                advice = " If the comma is a decimal comma, type data.decimal_comma=true." if comma else ""
                return BlockError(number, f"the column '{name}' holds {shown(value)}, which is no number.{advice}", name)
    return None


def _check_carriage_returns(block: bytes) -> None:
    """Refuse a CR that ends no line: some readers take it for a line end, and polars drops it."""
    if block.find(b"\r") < 0 or block.count(b"\r") == block.count(b"\r\n"):
        return
    for number, line in enumerate(csv_quotes.QUOTED.sub(b"", block).split(b"\n")):
        if b"\r" in line.removesuffix(b"\r"):
            raise BlockError(number, "there is a carriage return (CR) inside the row. Put the value in quotes, or remove it.")


def _check_empty_lines(block: bytes, width: int) -> None:
    """Refuse an empty line where there are so many that each, as a row of nulls, would take more memory than the file."""
    if block.count(b"\n") * max(width, 2) <= len(block):
        return
    for number, line in enumerate(csv_quotes.QUOTED.sub(b'""', block).split(b"\n")[:-1]):
        if not line.rstrip(b"\r"):
            raise BlockError(number, EMPTY)


def _check_first_row(block: bytes, header: Header, form: TableOptions) -> None:
    """Refuse a first row that is too long: polars would make a column of each of its values first."""
    if block.count(form.separator.encode(), 0, block.find(b"\n")) >= len(header.names):
        row = next(form.rows(block[: row_length(block)].decode(errors="replace")))
        if len(row) > len(header.names):
            raise _length_fault(0, row, header)


def _check_lengths(block: bytes, header: Header, form: TableOptions, suspects: Sequence[int]) -> None:
    """Raise for the first of the suspected rows that has too few values."""
    width = len(header.names)
    if b'"' in block:
        rows = list(form.rows(block.decode()))
        for number in suspects:
            if len(rows[number]) != width:
                raise _length_fault(number, rows[number], header)
        return
    lines = block.split(b"\n")
    separator = form.separator.encode()
    for number in suspects:
        if lines[number].count(separator) != width - 1 or not lines[number].rstrip(b"\r"):
            raise _length_fault(number, lines[number].decode().rstrip("\r").split(form.separator), header)


def _length_fault(number: int, row: Sequence[str], header: Header) -> BlockError:
    names = header.names
    if not row or list(row) == [""]:
        message = EMPTY
    elif row[0].lstrip().startswith("#"):
        message = f"the line {shown(row[0])} begins with # as a comment does. Remove it from the file."
    elif len(row) < len(names):
        message = (
            f"there are {len(row):,} values for {len(names):,} columns; nothing stands for '{names[len(row)]}'"
            f"{' and the columns after it' if len(row) + 1 < len(names) else ''}. Leave a value that is missing empty, but"
            " write its separator."
        )
    elif len(row) == len(names) + 1 and not row[-1]:
        message = (
            f"there is a separator behind the last of the {len(names)} values and none in the header. Remove it, or end the"
            " header with a separator too: otherwise it is not known which column the values belong to."
        )
    else:
        message = (
            f"there are {len(row):,} values for {len(names):,} columns, the first one too many is {shown(row[len(names)])}."
            " Put a value that holds the separator in quotes."
        )
    return BlockError(number, message)


def _is_number(value: str, form: TableOptions) -> bool:
    if value != value.strip() or "_" in value:
        return False
    try:
        float(value.replace(",", ".") if form.decimal_comma else value)
    except ValueError:
        return False
    return True
