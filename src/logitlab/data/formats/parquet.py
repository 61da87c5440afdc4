"""Parquet files, read by polars; their pages must hold the rows that the footer names."""

import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import polars as pl

from logitlab.data import parquet_pages
from logitlab.data.formats.format import Format
from logitlab.data.formats.panics import printed_later
from logitlab.errors import UserError

FIRST_ROWS = 1_000
READ_BYTES, PART_BYTES = 2**26, 2**24
"""The bytes that are decoded at a time, by which the number of rows of the next time is chosen, at most twice as many: rows may
be wide; and those of a part. Polars opens a row group anew for each slice of it, as long as decoding 30,000 rows."""

GROUP_BYTES, MOST_GROUP_ROWS = 2**24, 2**18
"""Of a row group of a Parquet file that is written: polars holds several of them in memory."""


class Columnar(Format):
    """A file of typed columns that polars reads from any row on.

    Attributes:
        called: what people call such a file.
        mark: the bytes with which it begins and ends.
        shortest: bytes that one has at least.
        read_schema: polars' function for the names and types.
        scan: polars' function for a query on it.
    """

    value_bytes = 1
    called: ClassVar[str]
    mark: ClassVar[bytes]
    shortest: ClassVar[int]
    read_schema: ClassVar[Callable[..., Mapping[str, pl.DataType]]]
    scan: ClassVar[Callable[..., pl.LazyFrame]]

    def schema(self) -> Mapping[str, pl.DataType | None]:  # noqa: D102
        return self._schema

    @cached_property
    def _schema(self) -> Mapping[str, pl.DataType]:
        self._check_marks()
        with self._in_words():
            return dict(type(self).read_schema(self.file))

    def row_count(self) -> int:  # noqa: D102
        with self._in_words():
            return self._query().select(pl.len()).collect().item()

    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:  # noqa: D102
        self.check_content()
        query = self._query().select(names)
        if rows is None:
            with self._in_words():
                frame = query.collect()
            yield frame
            return
        start, total, step = 0, self.row_count(), min(rows, FIRST_ROWS)
        while start < total:
            with self._in_words():
                frame = query.slice(start, step).collect(engine="streaming")
            size = max(int(frame.estimated_size()), 1)
            yield from frame.iter_slices(min(max(PART_BYTES * step // size, 1), rows))
            start += step
            step = min(max(READ_BYTES * step // size, 1), 2 * step)

    def check_content(self) -> None:
        """Raise UserError where the file can be seen to be damaged without reading its values."""

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:  # noqa: D102
        with cls.joined(parts, file) as (query, rows), _as_os_error():
            cls.sink(query, file, rows)

    @staticmethod
    @contextmanager
    def joined(parts: Iterator[pl.DataFrame], file: Path) -> Iterator[tuple[pl.LazyFrame, int]]:
        """Give a query for all parts, each written to a file of its own, and the rows that a group should have.

        Polars writes a columnar file from a query, not bit by bit.
        """
        folder = file.with_name(f"{file.name}.parts")
        folder.mkdir()
        try:
            files, rows, size = [], 0, 0
            for number, part in enumerate(parts):
                files.append(folder / f"{number:09}.parquet")
                with _as_os_error():
                    part.write_parquet(files[-1], compression="uncompressed")
                rows, size = rows + len(part), size + int(part.estimated_size())
            yield pl.scan_parquet(files), min(max(rows * GROUP_BYTES // size, 1), MOST_GROUP_ROWS)
        finally:
            shutil.rmtree(folder)

    @classmethod
    @abstractmethod
    def sink(cls, query: pl.LazyFrame, file: Path, group_rows: int) -> None:
        """Write what a query returns, in groups of rows."""

    def _query(self) -> pl.LazyFrame:
        return type(self).scan(self.file, glob=False)

    def _check_marks(self) -> None:
        with self.file.open("rb") as stream:
            start = stream.read(len(self.mark))
            size = stream.seek(0, 2)
            stream.seek(max(0, size - len(self.mark)))
            end = stream.read(len(self.mark))
        if start != self.mark:
            raise UserError(
                f"{self.file} is named like {self.called} and is none: it does not begin with {self.mark.decode()}."
                " Is it a CSV file?"
            )
        if end != self.mark or size < self.shortest:
            raise UserError(f"{self.file} is {self.called} that was cut off ({size:,} bytes): copy or write it again.")

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Raise UserError where polars cannot read the file, and where it panics; what a panic prints is left out.

        Raises:
            UserError: the file is damaged.
        """
        with printed_later():
            try:
                yield
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError, OverflowError) as error:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                what = "polars gave up on it" if isinstance(error, pl.exceptions.PanicException) else first
                called = self.called.replace(" ", " damaged ", 1).replace("an damaged", "a damaged")
                raise UserError(f"{self.file} is {called} ({what}): copy or write it again.") from None


class Parquet(Columnar):
    """Apache Parquet."""

    called = "a Parquet file"
    mark = b"PAR1"
    shortest = 12
    read_schema = staticmethod(pl.read_parquet_schema)
    scan = staticmethod(pl.scan_parquet)

    def check_content(self) -> None:
        """Count the rows in the pages."""
        parquet_pages.check_rows(self.file)

    @classmethod
    def sink(cls, query: pl.LazyFrame, file: Path, group_rows: int) -> None:  # noqa: D102
        query.sink_parquet(file, row_group_size=group_rows)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise OSError where polars could not write: it takes a full disk for a fault of the format."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        raise OSError(str(error)) from error
