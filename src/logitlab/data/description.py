"""The description of a run's data, and its comparison with the data of today: a table may change before a run is resumed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from logitlab.errors import DataChangedError

if TYPE_CHECKING:
    from logitlab.data.datamodule import InMemoryDataModule

Column = Callable[[], Any]

MOST_COLUMNS = 1_000
"""Tables with more columns have no checksum of each."""

MOST_NAMED = 5


def describe(datamodule: "InMemoryDataModule") -> dict[str, Any]:
    """Return a few plain values: `fingerprint` decides whether two runs saw the same rows, the rest shows what differs.

    The checksums are of the columns of the source, before it is divided and scaled.
    """
    return {
        "fingerprint": datamodule.fingerprint,
        "rows": sum(map(len, datamodule.splits.values())),
        "target": datamodule.target_name,
        "columns": [list(each) for each in datamodule.checksums.items()],
    }


def checksums(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return a checksum of each column of a source, given as a function that returns its bytes; of many columns none."""
    if len(columns) > MOST_COLUMNS:
        return {}
    return {name: hashlib.blake2b(values(), digest_size=8).hexdigest() for name, values in columns.items()}


def check_same_data(saved: Mapping[str, Any] | None, now: Mapping[str, Any], what: str, advice: str) -> None:
    """Refuse to resume with other rows than a run, a sweep or a selection began with.

    Args:
        saved: what `describe` returned then; None or without a fingerprint: nothing is known, by an earlier version.
        now: what it returns now.
        what: began with those data: "this run".
        advice: what to type instead.

    Raises:
        DataChangedError: the rows differ, with what is known of it.
    """
    if isinstance(saved, Mapping) and saved.get("fingerprint") not in (None, now["fingerprint"]):
        try:
            changes = "; ".join(_changes(saved, now)) or "their values differ"
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):  # a file that was damaged since
            changes = "their values differ"
        raise DataChangedError(f"The data are not those that {what} began with: {changes}. {advice}")


def _changes(saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, in words."""
    if saved["rows"] != now["rows"]:
        yield f"there were {saved['rows']:,} rows and are {now['rows']:,}"
    if saved["target"] != now["target"]:
        yield f"the target was {saved['target']} and is {now['target']}"
    was, sums = dict(saved["columns"]), dict(now["columns"])
    lost, new = [name for name in was if name not in sums], [name for name in sums if name not in was]
    if lost:
        yield _named("gone is the column", "gone are the columns", lost)
    if new:
        yield _named("new is the column", "new are the columns", new)
    if not lost and not new and list(was) != list(sums):
        before, after = (", ".join(list(each)[:MOST_NAMED]) for each in (was, sums))
        yield f"the columns were in the order {before} and are in the order {after}"
    changed = [name for name in sums if was.get(name, sums[name]) != sums[name]]
    if changed and saved["rows"] == now["rows"]:
        yield _named("other values stand in the column", "other values stand in the columns", changed)
    if was == sums and saved["rows"] == now["rows"] and was:
        yield "the table is the same, and this version of the project prepares it in another way"


def _named(one: str, many: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{one if len(names) == 1 else many} {', '.join(names[:MOST_NAMED])}{more}"
