"""Text in CSV files that a spreadsheet opens: no cell is taken for a formula.

Excel, LibreOffice and Google Sheets run a cell that begins with =, +, - or @, whoever wrote it: a category called
=HYPERLINK("http://...") sends away what stands beside it. OWASP's cure is an apostrophe in front, which they show as text
(https://owasp.org/www-community/attacks/CSV_Injection). Numbers stay numbers.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

STARTS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""The last four are = + - @ of full width, which Excel takes for these."""

HARMFUL = re.compile(f"'*[{STARTS}]")
NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?")


def safe(text: str) -> str:
    """Return a text with an apostrophe in front where a spreadsheet would run it; `plain` takes it off again."""
    return f"'{text}" if HARMFUL.match(text) and not NUMBER.fullmatch(text) else text


def plain(text: str) -> str:
    """Return the text that `safe` was given."""
    return text[1:] if text.startswith("'") and HARMFUL.match(text) else text


def as_csv(rows: Iterable[Iterable[Any]], spreadsheet_safe: bool = True) -> str:
    """Return rows as CSV; of their cells those that are texts are made safe."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for row in rows:
        writer.writerow([safe(cell) if spreadsheet_safe and isinstance(cell, str) else cell for cell in row])
    return file.getvalue()


def safe_frame(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return a table whose names and texts are safe."""
    import polars as pl

    columns: list[pl.Series] = []
    for column in frame.get_columns():
        name = column.name
        if column.dtype in (pl.String, pl.Categorical, pl.Enum):
            text = pl.col(name)
            runs = text.str.contains(f"^{HARMFUL.pattern}") & ~text.str.contains(f"^(?:{NUMBER.pattern})$")
            column = (
                column.cast(pl.String).to_frame().select(pl.when(runs).then(pl.lit("'") + text).otherwise(text)).to_series()
            )
        columns.append(column.alias(str(len(columns))))
    made = pl.DataFrame(columns)
    made.columns = [safe(name) for name in frame.columns]  # set here: polars would call an index without a name column_0
    return made
