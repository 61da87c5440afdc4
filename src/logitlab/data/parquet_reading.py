"""Parquet files and folders of them, read by polars; their pages must hold the rows that the footer names."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from logitlab.data import parquet_pages
from logitlab.data.memory import too_wide
from logitlab.errors import UserError

MAGIC = b"PAR1"
ENDINGS = (".parquet", ".pq")

FIRST_ROWS = 1_000
READ_BYTES, PART_BYTES = 2**26, 2**24
"""The bytes that are decoded at a time, by which the number of rows of the next time is chosen, at most twice as many: rows may
be wide; and those of a part. Polars opens a row group anew for each slice of it, as long as decoding 30,000 rows."""


def files(path: Path) -> list[Path]:
    """Return the file, or the Parquet files of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.suffix in ENDINGS and each.is_file())


def column_names(path: Path, max_columns: int) -> list[str]:
    """Return the names of the columns."""
    names = list(_schema(path))
    if len(names) > max_columns:
        raise too_wide(path, len(names), row_count(path), max_columns)
    return names


def row_count(path: Path) -> int:
    """Return the number of rows in the file or in all files of the folder, from their footers."""
    return sum(_rows(file) for file in files(path))


def read(path: Path, columns: Sequence[str] | None, max_columns: int) -> pl.DataFrame:
    """Return the whole table; see `logitlab.data.reading.read`."""
    parts = [part for file in _checked(path, max_columns) for part in [_read(file, columns)]]
    return pl.concat(parts, rechunk=False)


def parts(path: Path, rows: int, columns: Sequence[str] | None, max_columns: int) -> Iterator[pl.DataFrame]:
    """Yield the table in parts; see `logitlab.data.reading.read_in_parts`."""
    for file in _checked(path, max_columns):
        scan = pl.scan_parquet(file, glob=False)
        names = _wanted(file, columns)
        start, total, step = 0, _rows(file), min(rows, FIRST_ROWS)
        while start < total:
            with _in_words(file):
                frame = scan.select(names).slice(start, step).collect(engine="streaming")
            size = max(int(frame.estimated_size()), 1)
            yield from frame.iter_slices(min(max(PART_BYTES * step // size, 1), rows))
            start += step
            step = min(max(READ_BYTES * step // size, 1), 2 * step)


def _checked(path: Path, max_columns: int) -> list[Path]:
    """Return the files, once their schemas agree."""
    found = files(path)
    column_names(path, max_columns)
    first = _schema(found[0])
    for file in found:
        if (schema := _schema(file)) != first:
            different = next(name for name in [*first, *schema] if first.get(name) != schema.get(name))
            raise UserError(
                f"{file} does not go with {found[0].name}: the column '{different}' is {schema.get(different, 'missing')} here"
                f" and {first.get(different, 'missing')} there. All files of the folder must have the same columns."
            )
        parquet_pages.check_rows(file)
    return [file for file in found if _rows(file)] or found[:1]


def _read(file: Path, columns: Sequence[str] | None) -> pl.DataFrame:
    names = _wanted(file, columns)
    with _in_words(file):
        return pl.read_parquet(file, columns=names, glob=False)


def _wanted(file: Path, columns: Sequence[str] | None) -> list[str]:
    names = list(_schema(file))
    wanted = set(names if columns is None else columns)
    return [name for name in names if name in wanted]


def _rows(file: Path) -> int:
    with _in_words(file):
        return pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()


def _schema(path: Path) -> dict[str, pl.DataType]:
    file = files(path)[0]
    _check_magic(file)
    with _in_words(file):
        return dict(pl.read_parquet_schema(file))


def _check_magic(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(4)
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 4))
        end = stream.read(4)
    if start != MAGIC:
        raise UserError(f"{file} is named like a Parquet file and is none: it does not begin with PAR1. Is it a CSV file?")
    if end != MAGIC or size < 12:
        raise UserError(f"{file} is a Parquet file that was cut off ({size:,} bytes): copy or write it again.")


@contextmanager
def _in_words(file: Path) -> Iterator[None]:
    """Raise UserError where polars cannot read a file, and where it panics; what a panic prints is left out.

    Raises:
        UserError: the file is damaged.
    """
    with _printed_later():
        try:
            yield
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError, OverflowError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            what = "polars gave up on it" if isinstance(error, pl.exceptions.PanicException) else first
            raise UserError(f"{file} is a damaged Parquet file ({what}): copy or write it again.") from None


@contextmanager
def _printed_later() -> Iterator[None]:
    """Hold back what is written to standard error, below Python too, and leave it out where UserError comes of it."""
    try:
        before, kept = os.dup(2), tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    except OSError:  # standard error is closed, or there is no room: then a panic is seen
        yield
        return
    with kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except UserError:
            kept.truncate(0)
            raise
        finally:
            os.dup2(before, 2)
            kept.seek(0)
            if text := kept.read():
                os.write(before, text)
            os.close(before)
