"""How much memory a table takes, estimated before it is read and before it is encoded."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from logitlab.data.faults import short_list
from logitlab.errors import UserError
from logitlab.memory import GIB, Limit, available
from logitlab.overrides import suggestion

SINGLE = 4
"""Bytes of a feature of a row in float32, in which batches train; all splits are held."""
KEPT = {"category": 1}
"""Bytes of a feature of a row as it is kept: a level is 0 or 1. A number or a day takes 8, "is missing" 1."""
ASIDE = 2**27
"""Bytes for the rows that are worked on at a time, and the largest column, once more, as float64."""


def too_wide(path: Path, columns: int, rows: int, max_columns: int) -> UserError:
    """Return the error of a table with too many columns; `rows` may be an estimate."""
    limit, need = available(), rows * columns * 3 * SINGLE
    taken = f"{need / GIB:.3g} GiB" if need >= GIB else f"{math.ceil(need / 2**20)} MiB"
    return UserError(
        f"{path} has {columns:,} columns, and data.max_columns={max_columns} is the limit. With about {rows:,} rows, reading it"
        f" as a dense table takes about {taken}, and {limit.who} leaves {limit.free / GIB:.3g} GiB. Choose columns with"
        f" data.features=[...], or type data.max_columns={columns} if the memory is enough."
    )


def check_file(
    path: str | Path, rows: int, columns: Sequence[str], all_columns: int, value_bytes: int, limit: Limit | None = None
) -> None:
    """Refuse a file whose columns would not fit once they are read, by an estimate that is rather too low.

    Raises:
        UserError: numbers alone would take more than `limit`, or, for None, than `available`.
    """
    limit = limit or available()
    need = rows * len(columns) * value_bytes
    if need > limit.free:
        some = " or name those you need with data.features=[...]" if len(columns) == all_columns > 2 else ""
        raise UserError(
            f"{path} has some {rows:,} rows: {len(columns):,} columns of them take {need / GIB:.3g} GiB or more once they are"
            f" read, and {limit.who} leaves {limit.free / GIB:.3g} GiB. Train on a part of the rows{some}."
        )


def features_of(frame: pl.DataFrame, kinds: Mapping[str, str], fill_missing: bool) -> dict[str, int]:
    """Return the number of features that each column becomes, at most: training rows may lack some levels."""
    found = {}
    for name, kind in kinds.items():
        gaps = int(frame[name].null_count() > 0)
        values = max(frame[name].n_unique() - gaps - 1, 0) if kind == "category" else 1
        found[name] = values + (gaps if fill_missing else 0)
    return found


def check_features(
    rows: int,
    features: Mapping[str, int],
    kinds: Mapping[str, str],
    held: int,
    where: str,
    max_columns: int,
    kept: int | None = None,
    limit: Limit | None = None,
) -> None:
    """Refuse a table that becomes too many features, or more than there is memory for.

    Args:
        rows: of all splits.
        features: that each column becomes.
        kinds: of the columns.
        held: bytes of the columns as they were read, which are let go on the way.
        where: the file, for faults.
        max_columns: the most features.
        kept: bytes of a row as it is kept, if that is known: levels that the training rows lack make 8 of 1 for a level.
        limit: None: what `available` says.

    Raises:
        UserError: names the columns that need it, and what to type.
    """
    total = sum(features.values())
    if kept is None:
        kept = sum(number * KEPT.get(kinds[name], 8) for name, number in features.items())
    kept *= rows
    need = kept + rows * total * SINGLE + rows * 8 + ASIDE
    widest = sorted((name for name in features if features[name] > 1), key=lambda name: -features[name])
    large = [name for name in widest if features[name] > total / 10]
    parts = f": {short_list([f'{chr(39)}{name}{chr(39)} becomes {features[name]:,}' for name in large])}" if large else ""
    advice = "Choose columns with data.features=[...]"
    if large:
        advice = f"Type {suggestion('data.drop', large)} to leave {'it' if len(large) == 1 else 'them'} out"
    if total > max_columns:
        raise UserError(
            f"{where}: {len(features):,} columns become {total:,} features{parts}. They are more"
            f" than data.max_columns={max_columns} and would take {need / GIB:.3g} GiB. {advice}; data.max_columns={total}"
            " allows them."
        )
    limit = limit or available()
    if need - held > limit.free:
        raise UserError(
            f"{where}: {rows:,} rows of {total:,} features{parts}. They take {need / GIB:.3g} GiB ({kept / GIB:.3g} as they are"
            f" kept, {rows * total * SINGLE / GIB:.3g} as float32, in which batches train), and {limit.who} leaves"
            f" {(limit.free + held) / GIB:.3g} GiB. {advice}, or train on fewer rows."
        )
