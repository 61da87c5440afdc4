"""Arrow files, which are Feather files of version 2, read by polars."""

from glob import escape
from pathlib import Path

import polars as pl

from logitlab.data.formats.parquet import Columnar


class Arrow(Columnar):
    """Apache Arrow's IPC file format; its stream format has no footer, and is not read."""

    called = "an Arrow (Feather) file"
    mark = b"ARROW1"
    shortest = 22
    read_schema = staticmethod(pl.read_ipc_schema)

    @staticmethod
    def scan(file: Path, glob: bool) -> pl.LazyFrame:
        """Return a query on the file alone, whose name may look like a pattern; polars 1.32 takes no `glob` here."""
        return pl.scan_ipc(escape(str(file)))

    @classmethod
    def sink(cls, query: pl.LazyFrame, file: Path, group_rows: int) -> None:  # noqa: D102
        query.sink_ipc(file, compression="zstd", compat_level=pl.CompatLevel.oldest())  # which every reader knows
