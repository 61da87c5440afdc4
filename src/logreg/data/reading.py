"""Tables from CSV and Parquet, read strictly: a value is never shifted, guessed or lost in silence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from logreg.errors import UserError

PART_ROWS = 100_000


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written down.

    Attributes:
        separator: between two values.
        encoding: of the text.
        decimal_comma: 1,5 means one and a half.
        null_values: texts that mean "missing", beside the empty one.
    """

    separator: str = ","
    encoding: str = "utf-8"
    decimal_comma: bool = False
    null_values: tuple[str, ...] = ()


def read(path: str | Path, form: CsvFormat | None = None, kinds: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Return the table in a CSV file, a Parquet file or a folder of Parquet files.

    Args:
        path: of the file or folder.
        form: how a CSV file is written; None: as CsvFormat() says.
        kinds: column -> "number", "category" or "date" as `Preprocessing.kinds` has them: these are read so, and all others
            of a CSV file as text. None: kinds are found out.

    Raises:
        UserError: there is no such table, or it holds a fault that would shift, change or lose a value.
    """
    form = form or CsvFormat()
    path = Path(path)
    if not path.exists():
        raise UserError(f"data.path={path}: there is no such file.")
    if path.is_dir() or path.suffix == ".parquet":
        return pl.read_parquet(path)
    overrides = {name: pl.Float64 if kind == "number" else pl.String for name, kind in (kinds or {}).items()}
    return pl.read_csv(path, separator=form.separator, schema_overrides=overrides, try_parse_dates=True)


def read_in_parts(
    path: str | Path, rows: int = PART_ROWS, form: CsvFormat | None = None, kinds: Mapping[str, str] | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the same table in parts of at most `rows` rows, in the file's order, in memory that does not grow with the file.

    Args and errors are those of `read`; a fault in a later part is raised when that part is reached.
    """
    frame = read(path, form, kinds)
    for start in range(0, len(frame), rows):
        yield frame[start : start + rows]
