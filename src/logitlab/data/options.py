"""How a table is written down, where its files do not say so themselves."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from logitlab.errors import UserError

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "\\t": "\t"}
"""Names for separators that shells and Hydra would want quoted."""

CARRIED = ("separator", "encoding", "decimal_comma", "null_values")
"""What is true of new files too, unless somebody says otherwise; their format, sheet or query is their own."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is written down.

    Attributes:
        separator: of a CSV file, between two values: one character, or its name in SEPARATORS.
        encoding: of its text, as Python names it.
        decimal_comma: 1,5 means one and a half in it.
        null_values: texts that mean "missing", beside the empty one, in files of every format.
        format: a name of `logitlab.table_formats`; None: by the file's first bytes and its ending.
        sheet: of a workbook; None: its only one.
        query: of a database: the name of a table, or a SELECT; None: its only table.
    """

    separator: str = ","
    encoding: str = "utf-8"
    decimal_comma: bool = False
    null_values: Sequence[str] = ()
    format: str | None = None
    sheet: str | None = None
    query: str | None = None

    def __post_init__(self) -> None:
        separator = SEPARATORS.get(self.separator, self.separator)
        if len(separator.encode()) != 1 or separator in '"\n\r':
            raise UserError(
                f"data.separator={self.separator} is not allowed: it takes one character, or its name: "
                f"{', '.join(name for name in SEPARATORS if name.isalpha())}."
            )
        if self.decimal_comma and separator == ",":
            raise UserError("data.decimal_comma=true needs another data.separator than the comma; usual is semicolon.")
        try:
            "a".encode(self.encoding)
        except (LookupError, UnicodeError, ValueError):  # base64 is a codec, but none of texts
            raise UserError(f"data.encoding={self.encoding} is unknown; usual are utf-8, utf-16 and latin-1.") from None
        object.__setattr__(self, "separator", separator)
        nulls = [self.null_values] if isinstance(self.null_values, str) else self.null_values
        object.__setattr__(self, "null_values", tuple(map(str, nulls)))

    def but(self, values: Mapping[str, Any]) -> "TableOptions":
        """Return this format with those of `values` that are attributes and are not None."""
        names = {each.name for each in fields(self)}
        return replace(self, **{name: value for name, value in values.items() if name in names and value is not None})

    def rows(self, text: str) -> Iterator[list[str]]:
        """Yield the values of each row of a text, all of them as text."""
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        return csv.reader(io.StringIO(text, newline=""), delimiter=self.separator)

    @property
    def is_utf8(self) -> bool:
        """Whether the file's bytes are UTF-8 already."""
        return codecs.lookup(self.encoding).name in ("utf-8", "ascii", "utf-8-sig")
