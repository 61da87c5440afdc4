"""What polars does not look at in a Parquet file: the CRC-32 of every page, and whether pages hold the rows of the footer.

A page header may carry the checksum of the page as it stands in the file (parquet-format, `PageHeader.crc`). A flipped bit in
a page without one, or that nobody checks, is read as another value unnoticed. Writers leave them out unless asked: in pyarrow
`write_page_checksum=True`.
"""

import mmap
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logitlab.errors import UserError

# Thrift compact protocol: the types of fields
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

# Field numbers in parquet.thrift
_ROW_GROUPS, _NUM_ROWS = 4, 3
_COLUMNS = 1
_META_DATA = 3
_PATH, _TOTAL_UNCOMPRESSED, _TOTAL_COMPRESSED, _DATA_PAGE, _DICTIONARY_PAGE = 3, 6, 7, 9, 11
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE, _CRC = 2, 3, 4
_DATA_HEADERS, _NUM_VALUES = (5, 8), 1


@dataclass(frozen=True)
class _Chunk:
    """One column of one row group; `rows` is None where a value may be a list, for a row then has any number of them."""

    group: int
    column: str
    start: int
    length: int
    uncompressed: int
    rows: int | None


def verify(file: Path) -> int:
    """Check every page that has a checksum, and the rows that all pages hold; return how many checksums there were.

    Raises:
        UserError: a page does not match its checksum, pages hold another number of rows than the footer tells, or the file is
            not put together as a Parquet file.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return sum(_verify_chunk(file, data, chunk) for chunk in _chunks(data))
        except (IndexError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            what = error if type(error) is ValueError else type(error).__name__
            raise UserError(f"{file} is a damaged Parquet file ({what}): copy or write it again.") from None


def _chunks(data: mmap.mmap) -> list[_Chunk]:
    """Return every column chunk; their rows are those of the file."""
    length = int.from_bytes(data[-8:-4], "little")
    if length + 12 > len(data):
        raise ValueError("the footer is longer than the file")
    footer = _Thrift(data, len(data) - 8 - length).struct()
    rows = sum(group[_NUM_ROWS] for group in footer[_ROW_GROUPS])
    if rows != footer[_NUM_ROWS]:
        raise ValueError(f"its footer tells {footer[_NUM_ROWS]:,} rows and its row groups {rows:,}")
    chunks = []
    for number, group in enumerate(footer[_ROW_GROUPS], start=1):
        for column in group[_COLUMNS]:
            meta = column[_META_DATA]
            start = min(meta[_DATA_PAGE], meta.get(_DICTIONARY_PAGE) or meta[_DATA_PAGE])
            name, rows = b".".join(meta[_PATH]).decode(), group[_NUM_ROWS] if len(meta[_PATH]) == 1 else None
            chunks.append(_Chunk(number, name, start, meta[_TOTAL_COMPRESSED], meta[_TOTAL_UNCOMPRESSED], rows))
    return chunks


def _verify_chunk(file: Path, data: mmap.mmap, chunk: _Chunk) -> int:
    checked, rows, start, end = 0, 0, chunk.start, chunk.start + chunk.length
    if not 0 < start <= end <= len(data):
        raise ValueError("a column is longer than the file")
    while start < end:
        reader = _Thrift(data, start)
        header = reader.struct()
        page_end = reader.at + header[_COMPRESSED_SIZE]
        if _CRC in header:
            with memoryview(data) as view:
                found = zlib.crc32(view[reader.at : page_end])
            if found != header[_CRC] & 0xFFFFFFFF:
                raise UserError(
                    f"{file} is damaged: a page of the column '{chunk.column}' in row group {chunk.group} does not match its"
                    " checksum. Copy or write the file again."
                )
            checked += 1
        if page_end <= start or not 0 <= header[_UNCOMPRESSED_SIZE] <= chunk.uncompressed:
            raise ValueError(f"a page of the column '{chunk.column}' has a length that cannot be")
        rows += sum(header[kind][_NUM_VALUES] for kind in _DATA_HEADERS if kind in header)
        start = page_end
    if chunk.rows is not None and rows != chunk.rows:
        raise ValueError(
            f"its footer tells {chunk.rows:,} rows in row group {chunk.group}, and pages of the column '{chunk.column}' hold"
            f" {rows:,}"
        )
    return checked


class _Thrift:
    """Reads structs of Thrift's compact protocol: field number -> value."""

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data = data
        self.at = at

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while True:
            byte = self._byte()
            if not byte:
                return fields
            delta, kind = byte >> 4, byte & 15
            number = number + delta if delta else self._integer()
            fields[number] = self._value(kind)

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind in (_LIST, _SET):
            return self._list()
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"a field of the unknown type {kind}")

    def _list(self) -> list[Any]:
        byte = self._byte()
        size, kind = byte >> 4, byte & 15
        size = self._unsigned() if size == 15 else size
        if size > len(self.data):
            raise ValueError("a list is longer than the file")
        if kind in (_TRUE, _FALSE):
            return [self._byte() == _TRUE for _ in range(size)]
        return [self._value(kind) for _ in range(size)]

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _bytes(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.data):
            raise ValueError("a text is longer than the file")
        return self.data[self.at - length : self.at]

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]
