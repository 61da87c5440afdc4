"""Workbooks of Excel (.xlsx), by the package openpyxl, row by row."""

import itertools
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter

from logitlab.data.faults import short_list, shown
from logitlab.data.formats.format import Format
from logitlab.data.formats.records import StrictColumns
from logitlab.errors import RunError, UserError
from logitlab.overrides import suggestion

PART_ROWS = 10_000
MOST_ROWS = 1_048_576
"""Rows of a sheet, with the header."""


class Excel(Format):
    """A sheet whose first row names the columns: `data.sheet`, or the only one."""

    def schema(self) -> Mapping[str, pl.DataType | None]:  # noqa: D102
        return dict.fromkeys(self._names)

    @cached_property
    def _names(self) -> list[str]:
        with self._sheet() as sheet:
            cells = next(sheet.iter_rows(values_only=True), ())
        names = [" ".join(str("" if name is None else name).split()) for name in cells]
        while names and not names[-1]:
            names.pop()
        if not names:
            raise UserError(f"{self.file}: the sheet is empty, or its first row is, and that must be the header.")
        if "" in names[1:]:
            letter = get_column_letter(names.index("", 1) + 1)
            raise UserError(f"{self.file}: column {letter} has no name in the first row of the sheet.")
        if doubled := [name for name, count in Counter(names).items() if count > 1]:
            raise UserError(f"{self.file} has the column {shown(doubled[0])} twice. Give each a name of its own.")
        return names

    def row_count(self) -> int:  # noqa: D102
        with self._sheet() as sheet:
            return max((sheet.max_row or MOST_ROWS) - 1, 1)

    def frames(self, names: Sequence[str], rows: int | None) -> Iterator[pl.DataFrame]:  # noqa: D102
        columns = StrictColumns(self.file, names, self.options.null_values)
        places = [self._names.index(name) for name in names]
        with self._sheet() as sheet, self._sheet(values=False) as formulas:
            values = self._rows(sheet, formulas, places)
            yield from columns.frames(iter(lambda: list(itertools.islice(values, min(rows or PART_ROWS, PART_ROWS))), []))

    def _rows(self, sheet: Any, formulas: Any, places: Sequence[int]) -> Iterator[list[Any]]:
        """Yield the values of each row; rows are counted below the header, as everywhere."""
        width, empty = len(self._names), 0
        pairs = zip(sheet.iter_rows(min_row=2), formulas.iter_rows(min_row=2), strict=True)
        for number, (cells, origins) in enumerate(pairs, start=1):
            if all(cell.value is None for cell in (*cells, *origins)):
                empty = empty or number
                continue
            where = f"{self.file}, row {number:,}"
            if empty:
                raise UserError(f"{self.file}, row {empty:,}: the row is empty, and others follow. Remove it.")
            if beyond := [cell for cell in cells[width:] if cell.value is not None]:
                raise UserError(f"{where} holds {shown(str(beyond[0].value))} right of the last column that has a name.")
            for cell, origin, name in zip(cells, origins, self._names, strict=False):
                if cell.data_type == "e":
                    raise UserError(
                        f"{where}: the column '{name}' holds the error {cell.value}. Correct it, or empty the cell."
                    )
                if cell.value is None and origin.data_type == "f":
                    raise UserError(
                        f"{where}: the column '{name}' holds the formula {shown(str(origin.value))} without its value. Open the"
                        " workbook in a spreadsheet program and save it."
                    )
            values = [cell.value for cell in cells] + [None] * width
            yield [values[place] for place in places]

    @contextmanager
    def _sheet(self, values: bool = True) -> Iterator[Any]:
        """Open the sheet, with the values of its formulas, or the formulas."""
        try:
            with (
                self.file.open("rb") as stream,  # of a path openpyxl asks for an ending
                closing(openpyxl.load_workbook(stream, read_only=True, data_only=values)) as book,
            ):
                names = [sheet.title for sheet in book.worksheets]
                wanted = self.options.sheet
                listed = short_list([shown(name) for name in names])
                if wanted is not None and wanted not in names:
                    raise UserError(f"{self.file} has no sheet {shown(wanted)}; it has {listed}. Type data.sheet=NAME.")
                if wanted is None and len(names) != 1:
                    raise UserError(
                        f"{self.file} has {len(names)} sheets: {listed}. Type {suggestion('data.sheet', names[0])}."
                    )
                sheet = book[wanted or names[0]]
                sheet.reset_dimensions()  # some programs write wrong ones
                yield sheet
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, SyntaxError) as error:
            raise UserError(f"{self.file} is a damaged Excel workbook ({error}): copy or write it again.") from None

    @classmethod
    def write(cls, parts: Iterator[pl.DataFrame], file: Path, name: str) -> None:
        """Write a sheet `predictions`; texts are texts there, also those that begin with =.

        Raises:
            RunError: there are more rows than a sheet has.
        """
        book = openpyxl.Workbook(write_only=True)
        sheet, rows = book.create_sheet("predictions"), 1
        for number, part in enumerate(parts):
            if number == 0:
                sheet.append([_cell(sheet, column) for column in part.columns])
            rows += len(part)
            if rows > MOST_ROWS:
                raise RunError(
                    f"output={name}: a sheet holds {MOST_ROWS - 1:,} rows, and there are more. Write CSV or Parquet."
                )
            stamps = [column for column, dtype in part.schema.items() if dtype == pl.Datetime and dtype.time_zone]  # type: ignore[attr-defined]
            for row in part.with_columns(pl.col(stamps).cast(pl.String)).iter_rows():
                sheet.append([_cell(sheet, value) if isinstance(value, str) else value for value in row])
        book.save(file)


def _cell(sheet: Any, text: str) -> Any:
    """Return a cell of text, whatever it begins with; characters that XML does not have are written as Excel writes them."""
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(lambda found: f"_x{ord(found[0]):04X}_", text))
    cell.data_type = "s"
    return cell
