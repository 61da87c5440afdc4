"""Tables of every format, read strictly: no value is shifted, guessed or lost silently.

A table is one file, the files of a folder or of a pattern, or what comes through standard input. Each file is opened by the
class of its format (`logitlab.table_formats`), which yields it in parts; here they become one table.
"""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from logitlab import table_formats
from logitlab.data.faults import short_list
from logitlab.data.formats.format import Format, MixedColumnError, Request, load_format
from logitlab.data.kinds import MAX_FEATURES, as_dates, as_numbers
from logitlab.data.memory import too_wide
from logitlab.data.options import TableOptions
from logitlab.data.table_files import STDIN, files_of, standard_input
from logitlab.errors import UserError, did_you_mean

PART_ROWS = 100_000

MAX_COLUMNS = MAX_FEATURES

FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first (unzip)",
    b"BZh": "compressed with bzip2: unpack it first (bunzip2)",
    b"\xfd7zXZ": "compressed with xz: unpack it first (unxz)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as .xlsx, or the sheet as CSV",
    b"\x89HDF": "an HDF5 file: export the table as CSV or Parquet",
    b"FEA1": "a Feather file of version 1: write it as Parquet, or as Feather of version 2",
    b"\xff\xff\xff\xff": "an Arrow stream without a footer: write it as an Arrow file (Feather), or as Parquet",
    b"%PDF": "a PDF document: a table is read from CSV, Parquet and the like",
}
"""The first bytes of files that are of no format of a table, and what to do with them."""


def read(
    path: str | Path,
    form: TableOptions | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    max_columns: int = MAX_COLUMNS,
    notices: list[str] | None = None,
    text: Collection[str] = (),
) -> pl.DataFrame:
    """Return the table in a file, in the files of a folder or a pattern, or in standard input, in one or more chunks.

    Args:
        path: of the file or folder; a pattern such as "2024-*.csv"; "-": standard input.
        form: how it is written; None: as TableOptions() says.
        kinds: column -> "number", "category" or "date", as `Preprocessing.kinds` has them: those are read so, and all other
            columns of a text file as text. None: the columns of a text file are numbers where every value is one, or else text.
        columns: leave out all others; None: all.
        max_columns: the widest table that is read.
        notices: gets a sentence for every change in the header.
        text: columns of a text file that are read as text whatever they look like: codes such as 01234.

    Raises:
        UserError: there is no such table, or it holds a fault that would shift, change or lose a value.
    """
    files = _opened(path, form, max_columns)
    names = [name for name in files[0].schema() if columns is None or name in set(columns)]
    request = Request(columns, (), kinds, set(text), notices=notices)
    while True:
        try:
            frames = [part.select(names) for file in files for part, _ in file.parts(request) if len(part)]
            _check_mixed(frames, path)
            break
        except MixedColumnError as found:  # what the column is, is decided by all of its values
            if found.column in request.text or kinds is not None:
                raise UserError(str(found)) from None
            request.text.add(found.column)
    if not frames:
        raise UserError(f"{named(path)} holds a header and no rows.")
    # whole numbers in one part and fractions in the next
    frame = pl.concat(frames, how="vertical_relaxed", rechunk=False)
    return frame if kinds is None else of_kinds(frame, kinds, named(path), first_row=1)


def read_in_parts(
    path: str | Path,
    rows: int = PART_ROWS,
    form: TableOptions | None = None,
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
    form: TableOptions | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    max_columns: int = MAX_COLUMNS,
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the parts of `read_in_parts`, each with the columns `keep` of the same rows as they stand in the file.

    Those are text where the file is CSV, to the character, and of their own type in the other formats.
    """
    first_row = 1
    files = _opened(path, form, max_columns)
    names = [name for name in files[0].schema() if columns is None or name in set(columns)]
    for file in files:
        try:
            for part, kept in file.parts(Request(columns, keep, kinds, rows=rows)):
                for start in range(0, len(part), rows):
                    piece = part[start : start + rows].select(names)
                    piece = piece if kinds is None else of_kinds(piece, kinds, named(path), first_row)
                    yield piece, kept[start : start + rows].select(keep)
                    first_row += len(piece)
        except MixedColumnError as found:
            raise UserError(str(found)) from None
    if first_row == 1:
        raise UserError(f"{named(path)} holds a header and no rows.")


def column_names(path: str | Path, form: TableOptions | None = None, max_columns: int = MAX_COLUMNS) -> list[str]:
    """Return the names of the columns, from the header alone.

    Raises:
        UserError: as `read` would, for what can be seen so early.
    """
    return list(_opened(path, form, max_columns)[0].schema())


def size(path: str | Path, form: TableOptions | None = None) -> tuple[int, int]:
    """Return the number of rows of a table, of a text file an estimate, and the bytes that a value takes at least."""
    files = _opened(path, form, MAX_COLUMNS, are_alike=False)
    return sum(file.row_count() for file in files), files[0].value_bytes


def named(path: str | Path) -> str:
    """Return a path as messages have it."""
    return "standard input" if str(path) == STDIN else str(path)


def check_path(path: str | Path, key: str = "data.path") -> list[Path]:
    """Return the files of a table that is there; `key` is what it was given as.

    Raises:
        UserError: it is a URL, is not there, is empty, or is of a kind that holds no table.
    """
    text = str(path)
    if text == STDIN:
        return [_checked_file(standard_input(), "standard input")]
    if "://" in text or text.startswith(("http:/", "https:/", "s3:/", "gs:/", "ftp:/")):
        raise UserError(f"{key}={text} is a URL: nothing is fetched from the network. Download the file and give its path.")
    path = Path(path)
    if path.is_dir() or not path.exists():
        files = _of_one_format(path, files_of(path), f"{key}={text}")
        return [_checked_file(file, str(file)) for file in files]
    return [_checked_file(path, f"{key}={text}")]


def _of_one_format(path: Path, files: list[Path], what: str) -> list[Path]:
    """Return the files of a folder or a pattern, which make one table."""
    if path.is_dir():
        tables = [file for file in files if table_formats.by_ending(file.name)]
        if not tables:
            inside = short_list([each.name for each in sorted(path.iterdir())]) or "nothing"
            raise UserError(
                f"{what} is a folder without a table; it holds {inside}. Give a file, or a folder of files that end in"
                f" {', '.join(table_formats.endings())}."
            )
        files = [file for file in tables if table_formats.by_ending(file.name) == "parquet"] or tables
    if not files:
        if path.is_symlink():
            raise UserError(f"{what} is a link to a file that does not exist: correct it, or give the file itself.")
        near = f" Nor is there a folder {path.parent}."
        if path.parent.is_dir():
            near = did_you_mean(path.name, [each.name for each in path.parent.iterdir()])
        raise UserError(f"{what}: there is no such file.{near}")
    formats = {table_formats.by_ending(file.name) or "csv": file.name for file in reversed(files)}
    if len(formats) > 1:
        listed = " and ".join(f"{name} ({file})" for name, file in formats.items())
        raise UserError(f"{what} names files of several formats: {listed}. Give a pattern of one, as in 'folder/*.csv'.")
    return files


def _checked_file(path: Path, what: str) -> Path:
    """Return the path of a file that may hold a table.

    Raises:
        UserError: it is a device, cannot be read, is empty or of another kind.
    """
    if not path.is_file():
        raise UserError(
            f"{what} is a pipe or a device, and a table is read more than once: save it to a file first, or pipe it into"
            " data.path=-."
        )
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror}.") from error
    if not start:
        raise UserError(f"{what} is empty: there is not even a header.")
    for magic, kind in FOREIGN.items():
        if start.startswith(magic) and table_formats.name_of(path) not in table_formats.BINARY:
            raise UserError(f"{what} is {kind}. Read are: {', '.join(table_formats.FORMATS)}.")
    return path


def _opened(path: str | Path, form: TableOptions | None, max_columns: int, are_alike: bool = True) -> list[Format]:
    """Return the table's files, opened; all have the same columns.

    Raises:
        UserError: there is no such table, or it is too wide.
    """
    form, opened = form or TableOptions(), []
    for file in check_path(path):
        name = form.format or table_formats.name_of(file)
        if name == "csv":
            _refuse_json(file)
        opened.append(load_format(name, str(file))(file, form))
        _check_options(name, form, file)
        if are_alike or len(opened) == 1:
            _check_schema(opened[0], opened[-1], max_columns)
    return opened


def _refuse_json(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(3)
    if start.startswith(b"[{"):
        made = json.dumps(str(file.with_suffix(".parquet")), ensure_ascii=False)
        program = f"import polars; polars.read_json({json.dumps(str(file), ensure_ascii=False)}).write_parquet({made})"
        raise UserError(f"{file} is JSON. Write it as Parquet: python -c {shlex.quote(program)}")
    if start.startswith(b'{"'):
        raise UserError(f"{file} is JSON. If each of its lines is an object, a row of the table, type data.format=jsonl.")


def _check_options(name: str, form: TableOptions, file: Path) -> None:
    for key in ("sheet", "query"):
        value = getattr(form, key)
        if value is not None and key != table_formats.FORMATS[name].takes:
            takers = [each for each, entry in table_formats.FORMATS.items() if entry.takes == key]
            raise UserError(f"data.{key}={value} goes with {' and '.join(takers)}, and {file} is {name}: leave it out.")


def _check_schema(first: Format, file: Format, max_columns: int) -> None:
    types, own = first.schema(), file.schema()
    if file is first and len(types) > max_columns:
        raise too_wide(first.file, len(types), first.row_count(), max_columns)
    for name in () if types == own else [*types, *own]:
        here, there = (str(each[name] or "there") if name in each else "missing" for each in (own, types))
        if here != there:
            raise UserError(
                f"{file.file} does not go with {first.file.name}: the column '{name}' is {here} here and {there} there. All"
                " files of a table must have the same columns."
            )


def _check_mixed(frames: Sequence[pl.DataFrame], path: str | Path) -> None:
    """Raise MixedColumnError for a column of numbers in some files and of text in others, say."""
    for name in frames[0].columns if frames else ():
        kinds = {"number" if dtype.is_numeric() else str(dtype) for dtype in (frame[name].dtype for frame in frames)} - {"Null"}
        if len(kinds) > 1:
            listed, where = " and ".join(sorted(kinds)), f"{named(path)}: the column '{name}'"
            raise MixedColumnError(name, f"{where} is {listed}, each in another file. Write it alike.")


def of_kinds(frame: pl.DataFrame, kinds: Mapping[str, str], where: str, first_row: int) -> pl.DataFrame:
    """Return the frame with number columns as Float64 and date columns as Datetime; strict."""
    changed = []
    for series in frame.get_columns():
        kind = kinds.get(series.name)
        if kind == "number" and not series.dtype.is_numeric():
            changed.append(as_numbers(series, where, first_row))
        elif kind == "date" and not series.dtype.is_temporal():
            changed.append(as_dates(series, where, first_row))
    return frame.with_columns(changed) if changed else frame
