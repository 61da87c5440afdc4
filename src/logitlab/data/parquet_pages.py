"""Whether the pages of a Parquet file hold the rows that its footer names: polars reads as many as the footer says.

The footer and the header of every page are structs of Thrift's compact protocol, field number -> value (parquet.thrift in
parquet-format; "Thrift compact protocol encoding" in the Thrift repository). No page is decoded.
"""

import mmap
from pathlib import Path
from typing import Any

from logitlab.errors import UserError

# Field numbers in parquet.thrift
FOOTER_ROWS, ROW_GROUPS = 3, 4
COLUMNS, GROUP_ROWS = 1, 3
META_DATA = 3
PATH, TOTAL_COMPRESSED, DATA_PAGE, DICTIONARY_PAGE = 3, 7, 9, 11
COMPRESSED_SIZE, DATA_HEADERS, VALUES = 3, (5, 8), 1

Struct = dict[int, Any]


def check_rows(file: Path) -> None:
    """Count the rows of every page of the flat columns.

    Raises:
        UserError: pages hold another number of rows than the footer names, or the file is not put together as a Parquet file.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _check(data)
        except (IndexError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            what = error if type(error) is ValueError else type(error).__name__
            raise UserError(f"{file} is a damaged Parquet file ({what}): copy or write it again.") from None


def _check(data: mmap.mmap) -> None:
    length = int.from_bytes(data[-8:-4], "little")
    if length + 12 > len(data):
        raise ValueError("the footer is longer than the file")
    footer = _Thrift(data, len(data) - 8 - length).struct()
    rows = sum(group[GROUP_ROWS] for group in footer[ROW_GROUPS])
    if rows != footer[FOOTER_ROWS]:
        raise ValueError(f"its footer names {footer[FOOTER_ROWS]:,} rows and its row groups {rows:,}")
    for number, group in enumerate(footer[ROW_GROUPS], start=1):
        for column in group[COLUMNS]:
            meta = column[META_DATA]
            if len(meta[PATH]) == 1 and (found := _rows(data, meta)) != group[GROUP_ROWS]:  # a list has any number of values
                raise ValueError(
                    f"its footer names {group[GROUP_ROWS]:,} rows in row group {number}, and pages of the column"
                    f" '{meta[PATH][0].decode()}' hold {found:,}"
                )


def _rows(data: mmap.mmap, meta: Struct) -> int:
    """Return the rows that the pages of a column hold in a row group."""
    start, rows = min(meta[DATA_PAGE], meta.get(DICTIONARY_PAGE) or meta[DATA_PAGE]), 0
    end = start + meta[TOTAL_COMPRESSED]
    if not 0 < start <= end <= len(data):
        raise ValueError("a column is longer than the file")
    while start < end:
        reader = _Thrift(data, start)
        header = reader.struct()
        start = reader.at + max(header[COMPRESSED_SIZE], 0)
        rows += sum(header[kind][VALUES] for kind in DATA_HEADERS if kind in header)
    return rows


class _Thrift:
    """Reads structs."""

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data = data
        self.at = at

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._integer()
            fields[number] = self._value(byte & 15)
        return fields

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._unsigned())
            case 9 | 10:
                return self._list()
            case 12:
                return self.struct()
        raise ValueError(f"a field of the unknown type {kind}")

    def _list(self) -> list[Any]:
        byte = self._byte()
        size, kind = byte >> 4, byte & 15
        size = self._unsigned() if size == 15 else size
        if size > len(self.data):
            raise ValueError("a list is longer than the file")
        return [self._byte() == 1 if kind in (1, 2) else self._value(kind) for _ in range(size)]

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while shift <= 63:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number is too long")

    def _bytes(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.data):
            raise ValueError("a text is longer than the file")
        return self.data[self.at - length : self.at]

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]
