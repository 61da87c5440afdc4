"""SQLite databases, by Python's own module."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from logitlab.data.formats.database import TABLE, Database, quoted

ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
"""What a query may do; ATTACH would open another file."""

TYPES = {"Boolean": "INTEGER", "String": "TEXT"}


class Sqlite(Database):
    """One file of SQLite."""

    called = "SQLite"
    list_tables = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:  # noqa: D102
        return (sqlite3.Error, sqlite3.Warning)

    def connect(self) -> Any:  # noqa: D102
        connection = sqlite3.connect(f"file:{quote(str(self.file.absolute()))}?mode=ro", uri=True)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY)
        return connection

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:
        """Write a table `predictions`."""
        try:
            with closing(sqlite3.connect(file)) as connection, connection:
                for number, part in enumerate(parts):
                    part = part.with_columns(pl.col(pl.Date, pl.Datetime, pl.Time, pl.Decimal).cast(pl.String))
                    if number == 0:
                        columns = (
                            f"{quoted(column)} {TYPES.get(str(dtype), 'INTEGER' if dtype.is_integer() else 'REAL')}"
                            for column, dtype in part.schema.items()
                        )
                        connection.execute(f"CREATE TABLE {TABLE} ({', '.join(columns)})")
                    marks = ", ".join("?" * part.width)
                    connection.executemany(f"INSERT INTO {TABLE} VALUES ({marks})", part.iter_rows())
        except sqlite3.OperationalError as error:
            raise OSError(str(error)) from error
