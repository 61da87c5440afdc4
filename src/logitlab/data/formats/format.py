"""What every format of tables can do: one file of a table becomes strict columns in parts, and predictions become a file."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from logitlab import table_formats
from logitlab.data.options import TableOptions
from logitlab.errors import UserError, did_you_mean, how_to_install


@dataclass(frozen=True)
class Request:
    """What is wanted of a table.

    Attributes:
        columns: names; None: all.
        keep: columns to hand on as they stand in the file; they need not be among `columns`.
        kinds: column -> "number", "category" or "date"; None: by the values.
        text: columns of a text file that are no numbers, whatever they look like.
        rows: of a part, at most; None: as many as is quickest, of a table that is held as a whole.
        notices: gets a sentence for every change in the header.
    """

    columns: Sequence[str] | None = None
    keep: Sequence[str] = ()
    kinds: Mapping[str, str] | None = None
    text: set[str] = field(default_factory=set)
    rows: int | None = None
    notices: list[str] | None = None


class MixedColumnError(Exception):
    """A column that began with numbers goes on with text: of a text file, all of it is text then."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


class Format(ABC):
    """One file of a table.

    Attributes:
        file: where it lies.
        options: how it is written.
        value_bytes: that a value takes in memory at least, for estimates.
    """

    value_bytes = 8

    def __init__(self, file: Path, options: TableOptions) -> None:
        self.file = file
        self.options = options

    @abstractmethod
    def schema(self) -> Mapping[str, pl.DataType | None]:
        """Return the columns in the file's order, with their types where the file declares them.

        Raises:
            UserError: there is no such table in the file, or it cannot be read.
        """

    @abstractmethod
    def row_count(self) -> int:
        """Return the number of rows; an estimate where that would mean to read the file."""

    @abstractmethod
    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:
        """Yield the columns `names` of all rows, in parts of at most `rows`, which may be empty.

        Raises:
            UserError: the file is damaged, or a column holds values of several kinds, with the row.
        """

    def parts(self, request: Request) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield the columns that are wanted, texts that mean "missing" as such, and with each part those to keep."""
        nulls = list(self.options.null_values)
        names = [name for name in self.schema() if request.columns is None or name in {*request.columns, *request.keep}]
        for frame in self.frames(names, request.rows):
            kept = frame.select(request.keep)
            if nulls:
                text = pl.col(pl.String)
                frame = frame.with_columns(pl.when(text.is_in(nulls)).then(None).otherwise(text).name.keep())
            yield frame, kept

    @classmethod  # noqa: B027 (most formats have nothing to lose)
    def check_replaceable(cls, file: Path) -> None:
        """Raise UserError where a file that is there holds what predictions, taking its place, would destroy."""

    @classmethod
    @abstractmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:
        """Write predictions, one part after the other.

        Args:
            parts: frames of the same columns, none of them empty.
            file: an empty one, to be written.
            name: what the file will be called, of whose ending some formats take more than their own.

        Raises:
            OSError: it cannot be written.
        """


def load_format(name: str, what: str) -> type[Format]:
    """Return the class of a format.

    Args:
        name: of the format.
        what: needs it, for a message.

    Raises:
        UserError: there is no such format, or its package is not installed.
    """
    formats = table_formats.FORMATS
    if name not in formats:
        raise UserError(f"data.format={name} is not allowed: it takes {', '.join(formats)}.{did_you_mean(name, formats)}")
    entry = formats[name]
    if entry.package and importlib.util.find_spec(entry.package) is None:
        raise UserError(f"{what} needs the package {entry.package}: type {how_to_install(name)}.")
    place, kind = entry.place
    return getattr(importlib.import_module(f"logitlab.data.formats.{place}"), kind)
