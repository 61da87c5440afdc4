"""What a run notes of its data, and what has become of them since: a table may change behind a run that is resumed."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from logreg.errors import UserError

if TYPE_CHECKING:
    from logreg.data.datamodule import InMemoryDataModule

PATHS = ("path", "val_path", "test_path")
"""The keys of `data` that say where a table lies: it may be moved."""

MOST_COLUMNS = 1_000
"""Of tables with more columns no column is told from another."""

MOST_NAMED = 5
BLOCK_ROWS = 65_536
MULTIPLIER = 0x9E3779B97F4A7C15


def describe(datamodule: "InMemoryDataModule") -> dict[str, Any]:
    """Return the rows as the network sees them in a few plain values.

    `fingerprint` decides whether two runs saw the same rows; the rest tells what differs where they did not: the rows of each
    split, a checksum of the target and of the weights, and one of each column by its name.
    """
    splits = list(datamodule.splits.values())
    names = datamodule.feature_names
    columns = _checksums([each.features.numpy() for each in splits]) if len(names) <= MOST_COLUMNS else ()
    weights = [each.weight.numpy() for each in splits if each.weight is not None]
    return {
        "fingerprint": datamodule.fingerprint,
        "rows": {name: len(rows) for name, rows in datamodule.splits.items()},
        "target": [datamodule.target_name, *_checksums([each.target.numpy() for each in splits])],
        "weights": _checksums(weights) if weights else [],
        "columns": [list(each) for each in zip(names, columns, strict=False)],
    }


def check_same_data(saved: Mapping[str, Any] | None, now: Mapping[str, Any], what: str, cure: str) -> None:
    """Refuse to go on with other rows than a run, a sweep or a selection began with.

    Args:
        saved: what `describe` said then; None or without a fingerprint: nothing is known, by an earlier version.
        now: what it says now.
        what: began with those data: "this run".
        cure: what to type instead.

    Raises:
        UserError: the rows differ, with what is known of it.
    """
    if isinstance(saved, Mapping) and saved.get("fingerprint") not in (None, now["fingerprint"]):
        try:
            told = "; ".join(_changes(saved, now)) or "their values differ"
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):  # a file that was damaged since
            told = "their values differ"
        raise UserError(f"The data are not those that {what} began with: {told}. {cure}")


def files(data: Mapping[str, Any]) -> list[list[Any]]:
    """Return path, bytes and time of change (ns) of each file that a config's part `data` names; none for other sources."""
    found = []
    for key in PATHS:
        if isinstance(path := data.get(key), str):
            found += [_file(each) for each in ([path] if not Path(path).is_dir() else sorted(_below(path)))]
    return found


def _file(path: str) -> list[Any]:
    try:
        status = Path(path).stat()
    except OSError:
        return [path, None, None]
    return [str(Path(path).absolute()), status.st_size, status.st_mtime_ns]


def _below(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (str(Path(place, name)) for name in names)


def _checksums(parts: Sequence[np.ndarray]) -> list[str]:
    """Return a checksum of each column of some matrices, one below the other: the sum of its bits, each row times its own odd
    number, modulo 2^64.
    """
    total, start = np.zeros(parts[0].shape[1], np.uint64), 0
    for part in parts:
        for first in range(0, len(part), BLOCK_ROWS):
            block = np.ascontiguousarray(part[first : first + BLOCK_ROWS])
            bits = block.view(f"u{block.itemsize}").astype(np.uint64)
            places = np.arange(start, start + len(block), dtype=np.uint64)
            total += (bits * (places * np.uint64(MULTIPLIER) | np.uint64(1))[:, None]).sum(0, dtype=np.uint64)
            start += len(block)
    return [f"{each:016x}" for each in total.tolist()]


def _changes(saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, in words."""
    if (rows := saved.get("rows", now["rows"])) != now["rows"]:
        yield f"there were {_rows(rows)} rows and are {_rows(now['rows'])}"
    was, names = ([name for name, _ in each] for each in (saved.get("columns", []), now["columns"]))
    if lost := [name for name in was if name not in names]:
        yield f"gone {_named('is the column', 'are the columns', lost)}"
    if new := [name for name in names if was and name not in was]:
        yield f"new {_named('is the column', 'are the columns', new)}"
    if was and not lost and not new and was != names:
        before, after = (", ".join(each[:MOST_NAMED]) for each in (was, names))
        yield f"the columns were in the order {before} and are in the order {after}"
    if rows != now["rows"]:
        return
    if (target := saved.get("target", now["target"])) != now["target"]:
        yield (
            f"the values of the target {now['target'][0]} differ"
            if target[0] == now["target"][0]
            else (f"the target was {target[0]} and is {now['target'][0]}")
        )
    sums = dict(saved.get("columns", []))
    if changed := [name for name, each in now["columns"] if sums.get(name, each) != each]:
        yield _named("other values stand in the column", "other values stand in the columns", changed)
    if saved.get("weights", now["weights"]) != now["weights"]:
        yield "the weights of the rows differ"


def _rows(rows: Mapping[str, int]) -> str:
    return " + ".join(f"{number:,} {name}" for name, number in rows.items())


def _named(one: str, many: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{one if len(names) == 1 else many} {', '.join(names[:MOST_NAMED])}{more}"
