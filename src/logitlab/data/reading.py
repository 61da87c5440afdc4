"""Tables from CSV and Parquet, read strictly: no value is shifted, guessed or lost silently.

A CSV file goes through memory in blocks that are parsed side by side (`csv_reading`): the whole file is never held as text, and
a fault knows its row. A Parquet file is read by polars.
"""

import contextlib
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from logitlab.data import csv_reading, parquet_reading
from logitlab.data.csv_blocks import estimated_rows
from logitlab.data.csv_format import CsvFormat
from logitlab.data.faults import short_list
from logitlab.data.kinds import MAX_FEATURES, as_dates, as_numbers
from logitlab.errors import UserError, did_you_mean

PART_ROWS = 100_000

MAX_COLUMNS = MAX_FEATURES

JSON = (".json", ".jsonl", ".ndjson")

FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: save the sheet as CSV",
    b"\x1f\x8b": "compressed with gzip: unpack it first (gunzip)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first (unzstd)",
    b"ARROW1": "an Arrow (Feather) file: save it as Parquet",
    b"SQLite": "a SQLite database: export the table as CSV",
    b"BZh": "compressed with bzip2: unpack it first (bunzip2)",
    b"\xfd7zXZ": "compressed with xz: unpack it first (unxz)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"\x89HDF": "an HDF5 file: export the table as CSV or Parquet",
    b"%PDF": "a PDF document: a table is read from CSV or Parquet",
}
"""The first bytes of files that are neither CSV nor Parquet, and what to do with them."""


def read(
    path: str | Path,
    form: CsvFormat | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    max_columns: int = MAX_COLUMNS,
    notices: list[str] | None = None,
    text: Collection[str] = (),
) -> pl.DataFrame:
    """Return the table in a CSV file, a Parquet file or a folder of Parquet files, in one or more chunks.

    Args:
        path: of the file or folder.
        form: how a CSV file is written; None: as CsvFormat() says.
        kinds: column -> "number", "category" or "date", as `Preprocessing.kinds` has them: those are read so, and all other
            columns of a CSV file as text. None: the columns of a CSV file are numbers where every value is one, or else text.
        columns: leave out all others; None: all.
        max_columns: the widest table that is read.
        notices: gets a sentence for every change in the header.
        text: columns of a CSV file that are read as text whatever they look like: codes such as 01234.

    Raises:
        UserError: there is no such table, or it holds a fault that would shift, change or lose a value.
    """
    path = check_path(path)
    if is_parquet(path):
        frame = parquet_reading.read(path, columns, max_columns)
    else:
        frame = csv_reading.read(path, form or CsvFormat(), kinds, columns, max_columns, notices, text)
    if frame.is_empty():
        raise UserError(f"{path} holds a header and no rows.")
    return frame if kinds is None else _of_kinds(frame, kinds, path, first_row=1)


def read_in_parts(
    path: str | Path,
    rows: int = PART_ROWS,
    form: CsvFormat | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    max_columns: int = MAX_COLUMNS,
) -> Iterator[pl.DataFrame]:
    """Yield the same table in parts of at most `rows` rows, in the file's order, in memory that does not grow with the file.

    Parts have fewer rows where these are wide or hold long texts: some megabytes are read at a time.

    Args and errors are those of `read`; a fault in a later part is raised when that part is reached, with its row in the file.
    Where `kinds` is None, the kinds that the first rows have must hold for all.
    """
    for part, _ in read_with_kept(path, (), rows, form, kinds, columns, max_columns):
        yield part


def read_with_kept(
    path: str | Path,
    keep: Sequence[str],
    rows: int = PART_ROWS,
    form: CsvFormat | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    max_columns: int = MAX_COLUMNS,
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the parts of `read_in_parts`, each with the columns `keep` of the same rows as they stand in the file.

    Those are text where the file is CSV, to the character, and of their own type where it is Parquet.
    """
    path = check_path(path)
    if is_parquet(path):
        wanted = columns if columns is None else list({*columns, *keep})
        read = parquet_reading.parts(path, rows, wanted, max_columns)
        parts: Iterator[tuple[pl.DataFrame, pl.DataFrame]] = ((part, part.select(keep)) for part in read)
    else:
        parts = csv_reading.parts(path, form or CsvFormat(), kinds, columns, keep, max_columns)
    first_row = 1
    for part, kept in parts:
        part = part if columns is None else part.select([name for name in part.columns if name in set(columns)])
        for start in range(0, len(part), rows):
            piece = part[start : start + rows]
            yield piece if kinds is None else _of_kinds(piece, kinds, path, first_row), kept[start : start + rows]
            first_row += len(piece)
    if first_row == 1:
        raise UserError(f"{path} holds a header and no rows.")


def column_names(path: str | Path, form: CsvFormat | None = None, max_columns: int = MAX_COLUMNS) -> list[str]:
    """Return the names of the columns, from the header alone.

    Raises:
        UserError: as `read` would, for what can be seen so early.
    """
    path = check_path(path)
    if is_parquet(path):
        return parquet_reading.column_names(path, max_columns)
    return csv_reading.column_names(path, form or CsvFormat(), max_columns)


def row_count(path: str | Path) -> int:
    """Return the number of rows of a table that is there; of a CSV file an estimate."""
    path = Path(path)
    return parquet_reading.row_count(path) if is_parquet(path) else estimated_rows(path)


def check_path(path: str | Path, key: str = "data.path") -> Path:
    """Return the path of a table that is there; `key` is what it was given as.

    Raises:
        UserError: it is a URL, is not there, is empty, or is of a kind that is neither CSV nor Parquet.
    """
    text = str(path)
    if "://" in text or text.startswith(("http:/", "https:/", "s3:/", "gs:/", "ftp:/")):
        raise UserError(f"{key}={text} is a URL: nothing is fetched from the network. Download the file and give its path.")
    path = Path(path)
    if not path.exists():
        if found := _matching(path):
            raise UserError(
                f"{key}={text} is a pattern, and takes one file; {len(found):,} match it, such as {short_list(found, 2)}."
                f" {_put_together(text, found[0])}"
            )
        if path.is_symlink():
            raise UserError(f"{key}={text} is a link to a file that does not exist: correct it, or give the file itself.")
        near = f" Nor is there a folder {path.parent}."
        if path.parent.is_dir():
            near = did_you_mean(path.name, [each.name for each in path.parent.iterdir()])
        raise UserError(f"{key}={text}: there is no such file.{near}")
    if path.is_dir():
        if not parquet_reading.files(path):
            inside = short_list([each.name for each in sorted(path.iterdir())]) or "nothing"
            csv = sorted(map(str, path.glob("*.csv")))
            together = f" {_put_together(str(path / '*.csv'), csv[0])}" if len(csv) > 1 else ""
            raise UserError(
                f"{key}={text} is a folder without Parquet files; it holds {inside}. Give a CSV or Parquet file, or a"
                f" folder of Parquet files.{together}"
            )
        return path
    if not path.is_file():
        raise UserError(f"{key}={text} is a pipe or a device, and a table is read more than once: save it to a file first.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise UserError(f"{key}={text} cannot be read: {error.strerror}.") from error
    if not start:
        raise UserError(f"{key}={text} is empty: there is not even a header.")
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise UserError(f"{key}={text} is {what}. CSV and Parquet are read.")
    if path.suffix in JSON or start.startswith((b'{"', b'[{"')):
        read = "read_json" if start.startswith(b"[") else "read_ndjson"
        made = json.dumps(str(path.with_suffix(".parquet")), ensure_ascii=False)
        program = f"import polars; polars.{read}({json.dumps(text, ensure_ascii=False)}).write_parquet({made})"
        raise UserError(
            f"{key}={text} is JSON. CSV and Parquet are read; write it as Parquet: python -c {shlex.quote(program)}"
        )
    return path


def is_parquet(path: Path) -> bool:
    """Whether a path is a Parquet file or a folder of them, by its ending or its first bytes."""
    if path.is_dir() or path.suffix in parquet_reading.ENDINGS:
        return True
    with path.open("rb") as file:
        return file.read(4) == parquet_reading.MAGIC


def _matching(pattern: Path) -> list[str]:
    root = Path(pattern.anchor)
    with contextlib.suppress(ValueError, OSError):  # no pattern
        return sorted(map(str, root.glob(str(pattern.relative_to(root))))) if set("*?[") & set(str(pattern)) else []
    return []


def _put_together(pattern: str, first: str) -> str:
    """Return how to make one table of the files that a pattern matches."""
    if Path(first).suffix in parquet_reading.ENDINGS:
        return "Give the folder that holds them, as in data.path=folder."
    program = f"import polars; polars.read_csv({json.dumps(pattern, ensure_ascii=False)}, infer_schema=False)"
    return f"Put CSV files together: python -c {shlex.quote(program + '.write_csv(' + json.dumps('together.csv') + ')')}"


def _of_kinds(frame: pl.DataFrame, kinds: Mapping[str, str], path: Path, first_row: int) -> pl.DataFrame:
    """Return the frame with number columns as Float64 and date columns as Datetime; strict."""
    changed = []
    for series in frame.get_columns():
        kind = kinds.get(series.name)
        if kind == "number" and not series.dtype.is_numeric():
            changed.append(as_numbers(series, str(path), first_row))
        elif kind == "date" and not series.dtype.is_temporal():
            changed.append(as_dates(series, str(path), first_row))
    return frame.with_columns(changed) if changed else frame
