"""Tables and queries of a database in one file, opened for reading alone."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from logitlab.data.faults import short_list, shown
from logitlab.data.formats.format import Format
from logitlab.data.formats.records import StrictColumns
from logitlab.data.options import TableOptions
from logitlab.errors import UserError
from logitlab.overrides import suggestion

PART_ROWS = 10_000
TABLE = "predictions"


class Database(Format):
    """What `data.query` selects: a table by its name, or the rows of a SELECT; without it the only table.

    Attributes:
        called: what people call it.
        errors: that its driver raises, those of a query last.
        list_tables: a query for the names of tables and views.
    """

    called: ClassVar[str]
    list_tables: ClassVar[str]

    @classmethod
    @abstractmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Return what the driver raises."""

    @abstractmethod
    def connect(self) -> Any:
        """Return a connection (PEP 249) that can read this file and nothing else."""

    @cached_property
    def query(self) -> str:
        """The SELECT that is the table.

        Raises:
            UserError: there is no such table, or there are several and none is named.
        """
        with self._connected() as connection:
            tables = [name for (name,) in connection.execute(self.list_tables).fetchall()]
        given = (self.options.query or "").strip().rstrip(";")
        if given and (given in tables or " " in given or "\n" in given):
            return f"SELECT * FROM {quoted(given)}" if given in tables else given
        listed = short_list([shown(name) for name in tables]) or "none"
        if given:
            raise UserError(
                f"{self.file} has no table {shown(given)}; it has {listed}. data.query takes one of them, or a SELECT."
            )
        if len(tables) != 1:
            example = suggestion("data.query", tables[0] if tables else "SELECT ...")
            raise UserError(f"{self.file} has {len(tables)} tables: {listed}. Name one, as in {example}, or give a SELECT.")
        return f"SELECT * FROM {quoted(tables[0])}"

    def schema(self) -> Mapping[str, pl.DataType | None]:  # noqa: D102
        return self._names

    @cached_property
    def _names(self) -> dict[str, None]:
        with self._connected() as connection:
            names = [each[0] for each in connection.execute(self.query).description or ()]
        if not names:
            raise UserError(f"data.query={self.options.query} returns no table: give a SELECT.")
        if len(set(names)) < len(names):
            doubled = next(name for name in names if names.count(name) > 1)
            raise UserError(
                f"{self.file}: the query has the column {shown(doubled)} twice. Give each a name of its own, by AS."
            )
        return dict.fromkeys(names)

    def row_count(self) -> int:  # noqa: D102
        with self._connected() as connection:
            return connection.execute(f"SELECT count(*) FROM (\n{self.query}\n) AS q").fetchone()[0]

    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:  # noqa: D102
        columns = StrictColumns(self.file, names, self.options.null_values)
        places = [list(self._names).index(name) for name in names]
        with self._connected() as connection:
            cursor = connection.execute(self.query)
            fetched = iter(lambda: cursor.fetchmany(min(rows or PART_ROWS, PART_ROWS)), [])
            yield from columns.frames([[row[place] for place in places] for row in part] for part in fetched)

    @classmethod
    def check_replaceable(cls, file: Path) -> None:  # noqa: D102
        with cls(file, TableOptions())._connected() as connection:
            tables = [name for (name,) in connection.execute(cls.list_tables).fetchall()]
        if others := [shown(each) for each in tables if each != TABLE]:
            raise UserError(
                f"output={file} is a database with the tables {short_list(others)}, which the predictions would replace: give"
                f" them a file of their own. Their table is called {TABLE}."
            )

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            with closing(self.connect()) as connection:
                yield connection
        except self.errors() as error:
            first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            query = f" data.query={self.options.query}:" if self.options.query else ""
            raise UserError(f"{self.file}:{query} {self.called} answers: {first}.") from None


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
