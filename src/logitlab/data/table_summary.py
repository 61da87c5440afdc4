"""The summary of a table before training: on the console and in the run directory."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from logitlab.data.datamodule import DataSummary
from logitlab.data.splits import NAMES, Rows

WIDEST = 110


class TableSummary(DataSummary):
    """Columns and splits of a table: some lines for a person, columns.json and splits.csv for the run directory."""

    def __init__(
        self,
        title: str,
        columns: Sequence[Mapping[str, Any]],
        split_lines: Sequence[str],
        notices: Sequence[str],
        rows: Rows,
        numbers: pl.Series,
    ) -> None:
        """Set up.

        Args:
            title: the file and its size.
            columns: facts about each column; "name" and "role" at least.
            split_lines: a line for each split.
            notices: sentences about what deserves a look.
            rows: of each split, as positions in `numbers`.
            numbers: the number of each row in its file, from 1.
        """
        self.lines = (title, *_kinds(columns), *split_lines, *(f"  Note: {notice}" for notice in notices))
        self.columns = list(columns)
        self.notices = list(notices)
        self.rows = rows
        self.numbers = numbers

    def files(self) -> Mapping[str, str]:
        """Return columns.json, and splits.csv with the columns row (in the file, from 1) and split."""
        columns = json.dumps({"columns": self.columns, "notices": self.notices}, indent=2, ensure_ascii=False)
        parts = [
            pl.DataFrame({"row": self.numbers.gather(self.rows[name].numpy())}).with_columns(split=pl.lit(name))
            for name in NAMES
        ]
        splits = pl.concat(parts).sort("row", maintain_order=True).write_csv()
        return {"columns.json": columns + "\n", "splits.csv": splits}

    def row_numbers(self, split: str) -> Sequence[int]:
        """Return the numbers of the split's rows, in their order."""
        return self.numbers.gather(self.rows[split].numpy()).to_list()


def _kinds(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each kind of column, with their names."""
    by_kind: dict[str, list[str]] = {}
    for column in columns:
        kind = column.get("kind") or column["role"]
        levels = column.get("levels")
        by_kind.setdefault(kind, []).append(f"{column['name']} ({_levels(levels)})" if levels else column["name"])
    width = max(map(len, by_kind), default=0)
    return [f"  {kind:<{width}}  {_fitted(names, WIDEST - width)}" for kind, names in by_kind.items()]


def _levels(levels: Sequence[str]) -> str:
    return ", ".join(levels[:4]) + (f", ... {len(levels)} in all" if len(levels) > 4 else "")


def _fitted(names: Sequence[str], width: int) -> str:
    text = ""
    for number, name in enumerate(names):
        longer = f"{text}, {name}" if text else name
        if len(longer) > width and text:
            return f"{text}, ... {len(names) - number} more"
        text = longer
    return text
