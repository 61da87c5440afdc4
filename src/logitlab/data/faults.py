"""Faults in tables: collected, and put into messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from logitlab.errors import ITEM, UserError
from logitlab.overrides import suggestion

MOST_NAMED = 5
"""Rows, values or columns that a message names."""

LISTS = ("drop", "categorical", "null_values")
"""Keys of data that take a list."""


class Faults:
    """Collects what is wrong with a table, so that all of it is reported at once."""

    def __init__(self, where: str) -> None:
        """Take the file, which the messages begin with."""
        self.where = where
        self._errors: list[UserError] = []

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep a UserError that is raised inside, and continue after it."""
        try:
            yield
        except UserError as error:
            self._errors.append(error)

    def refuse(self) -> None:
        """Raise UserError where there was a fault: that one, or a list of all and, last, what to type against all of them."""
        if len(self._errors) < 2:
            for error in self._errors:
                raise error
            return
        texts = [str(error).removeprefix(f"{self.where}: ") for error in self._errors]
        advice = [error.advice for error in self._errors if error.advice]
        if len(advice) > 1:
            every = "all" if len(advice) == len(texts) else "those that it solves"
            texts.append(f"To solve {every} at once, if that is what you want, type: {_command(advice)}")
        raise UserError(ITEM.join([f"{self.where} has {len(self._errors)} faults:", *texts]))


def _command(advice: Sequence[tuple[str, ...]]) -> str:
    """Return the settings as they are typed, values of one list together."""
    values: dict[str, list[str]] = {}
    for key, *those in advice:
        values.setdefault(key, []).extend(those)
    return " ".join(
        suggestion(f"data.{key}", list(dict.fromkeys(those)) if key in LISTS else those[0]) for key, those in values.items()
    )


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
