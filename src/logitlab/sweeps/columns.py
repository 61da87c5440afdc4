"""Text in columns, for the console."""

from collections.abc import Sequence

from logitlab.console import one_line
from logitlab.log.summary import cells, padded


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
