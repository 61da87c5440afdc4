"""The formats of tables: a line for each, by which a file is recognised before anything is imported for it.

A format is a class of `logitlab.data.formats.format.Format` in a file of that folder, named here.
"""

from dataclasses import dataclass
from pathlib import Path

PACKED = (".gz", ".zst")
"""Endings behind those of a text file: it is compressed."""


@dataclass(frozen=True)
class Entry:
    """A format, as it is known before it is imported.

    Attributes:
        place: its file in data/formats/, and its class.
        endings: of such files.
        mark: bytes that no other file has, and where they stand; None: a text file, which may be compressed.
        package: that has to be installed for it, where the project does without, in the extra of the same name as the format.
        takes: the key of `data` that means something for this format alone.
        is_read_only: no predictions are written in it.
    """

    place: tuple[str, str]
    endings: tuple[str, ...]
    mark: tuple[int, bytes] | None = None
    package: str | None = None
    takes: str | None = None
    is_read_only: bool = False


FORMATS = {
    "csv": Entry(("csv", "Csv"), (".csv",)),
    "tsv": Entry(("csv", "Tsv"), (".tsv", ".tab")),
    "parquet": Entry(("parquet", "Parquet"), (".parquet", ".pq"), (0, b"PAR1")),
    "arrow": Entry(("arrow", "Arrow"), (".arrow", ".feather", ".ipc"), (0, b"ARROW1")),
    "jsonl": Entry(("jsonl", "JsonLines"), (".jsonl", ".ndjson")),
    "excel": Entry(("excel", "Excel"), (".xlsx",), (0, b"PK\x03\x04"), "openpyxl", "sheet"),
    "sqlite": Entry(("sqlite", "Sqlite"), (".sqlite", ".sqlite3", ".db"), (0, b"SQLite format 3\0"), takes="query"),
    "duckdb": Entry(("duckdb", "DuckDB"), (".duckdb", ".ddb"), (8, b"DUCK"), "duckdb", "query"),
}
"""The name, which data.format takes -> the format."""

BINARY = [name for name, entry in FORMATS.items() if entry.mark]


def name_of(file: Path) -> str:
    """Return the format of a file: by its bytes where they tell, or else by its ending; text of another name is CSV."""
    with file.open("rb") as stream:
        start = stream.read(64)
    for name, entry in FORMATS.items():
        if entry.mark and start[entry.mark[0] :].startswith(entry.mark[1]) and (name != "excel" or _is_workbook(file)):
            return name
    return by_ending(file.name) or "csv"


def by_ending(name: str) -> str | None:
    """Return the format that the name of a file ends in; None where it is none of them."""
    plain = name.lower()
    for packed in PACKED:
        plain = plain.removesuffix(packed)
    for each, entry in FORMATS.items():
        if plain.endswith(entry.endings) and (plain == name.lower() or entry.mark is None):
            return each
    return None


def endings() -> list[str]:
    """Return the endings of all formats."""
    return [ending for entry in FORMATS.values() for ending in entry.endings]


def writable() -> list[str]:
    """Return what a file may end in that predictions are written to."""
    return [
        ending + packed
        for entry in FORMATS.values()
        if not entry.is_read_only
        for ending in entry.endings
        for packed in ("", *(() if entry.mark else PACKED))
    ]


def in_words() -> str:
    """Return what a file with predictions may end in, for a message."""
    text = [each for entry in FORMATS.values() if entry.mark is None and not entry.is_read_only for each in entry.endings]
    others = [each for each in writable() if not each.endswith((*text, *PACKED))]
    return f"{', '.join([*text, *others])} ({', '.join(text)} also with {' or '.join(PACKED)} behind)"


def _is_workbook(file: Path) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return file.suffix == ".xlsx"
