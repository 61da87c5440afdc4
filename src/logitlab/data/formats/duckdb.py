"""DuckDB databases, by the package duckdb."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from logitlab.data.formats.database import TABLE, Database
from logitlab.data.formats.parquet import Columnar

CLOSED = {"enable_external_access": "false", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""A query reads this file, not others, and nothing from the network."""


class DuckDB(Database):
    """One file of DuckDB."""

    called = "DuckDB"
    list_tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name"

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:  # noqa: D102
        return (duckdb.Error,)

    def connect(self) -> Any:  # noqa: D102
        return duckdb.connect(str(self.file), read_only=True, config=dict(CLOSED))

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:
        """Write a table `predictions`, of a Parquet file."""
        with Columnar.joined(parts, file) as (query, rows):
            query.sink_parquet(whole := file.with_name(f"{file.name}.parts") / "whole.parquet", row_group_size=rows)
            file.unlink()
            try:
                with duckdb.connect(str(file)) as connection:
                    connection.execute("SET preserve_insertion_order = true")
                    connection.execute(f"CREATE TABLE {TABLE} AS SELECT * FROM read_parquet(?)", [str(whole)])
            except duckdb.Error as error:
                raise OSError(str(error)) from error
