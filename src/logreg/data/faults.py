"""Words for faults in tables."""

from collections.abc import Sequence
from typing import Any

MOST_NAMED = 5
"""Rows, values or columns that a message names."""


def short_list(items: Sequence[Any], most: int = MOST_NAMED) -> str:
    """Return "a, b, c, ... (17 in all)"."""
    shown = ", ".join(map(str, items[:most]))
    return f"{shown}, ... ({len(items):,} in all)" if len(items) > most else shown


def rows_at(indices: Any, first_row: int = 1) -> str:
    """Return "row 3" or "rows 3, 4, 9, ... (17 in all)" for a sequence of positions counted from 0."""
    rows = [f"{first_row + index:,}" for index in indices[: MOST_NAMED + 1]]
    text = ", ".join(rows[:MOST_NAMED])
    more = f", ... ({len(indices):,} in all)" if len(indices) > MOST_NAMED else ""
    return f"row{'s' if len(indices) > 1 else ''} {text}{more}"


def shown(value: Any, most: int = 40) -> str:
    """Return a value in quotes, cut where it is long."""
    text = str(value).replace("\r", "\\r").replace("\n", "\\n")
    return f"'{text[:most]}...'" if len(text) > most else f"'{text}'"
