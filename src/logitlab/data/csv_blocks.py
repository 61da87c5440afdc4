"""A CSV file's bytes in blocks of whole rows."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from logitlab.data.faults import shown
from logitlab.data.formats.compression import opened
from logitlab.data.options import TableOptions
from logitlab.errors import UserError

BLOCK_BYTES = 8 * 2**20
LONGEST_ROW = 64 * 2**20
"""What is longer is no row: a quote was opened and never closed, or it is no table."""

SAMPLE_BYTES = 2**22


def blocks(path: Path, form: TableOptions) -> Iterator[bytes]:
    """Yield the file as UTF-8 in blocks that end where a row ends; a byte order mark is left out.

    Of empty lines one is left, which is a fault of its row, and none at the end of the file, where they mean nothing. The last
    block may hold a quote that is never closed: the parser reports its row.

    Raises:
        UserError: the text is of another encoding or cut off, holds a NUL byte or a very long line, or begins with empty lines.
    """
    rest, empty, begun = b"", 0, False
    for data in _utf8(path, form):
        if data.find(b"\0") >= 0:
            raise UserError(
                f"{path} holds a NUL byte in line {_line_of_nul(path, form):,}: it is no text file, or a broken one. Write it"
                " anew, or remove the byte."
            )
        data = rest + data
        cut = _last_row_end(data)
        if not cut and len(data) > LONGEST_ROW:
            if data.count(b'"') % 2 == 0:
                raise _long_line(path, data)
            yield data
            return
        block, rest = data[:cut], data[cut:]
        text = block.rstrip(b"\r\n")
        if text:
            end = block.find(b"\n", len(text)) + 1
            yield _behind_empty_lines(path, block[:end], empty, begun)
            begun, empty = True, block.count(b"\n", end)
        else:
            empty += block.count(b"\n")
    if form.is_utf8:
        _check_end(path, rest)
    if rest := rest.rstrip(b"\r\n"):
        yield _behind_empty_lines(path, rest + b"\n", empty, begun)
    elif not begun:
        what = "empty lines alone" if empty else "nothing but a byte order mark"
        raise UserError(f"{path} is empty: it holds {what}, and not even a header.")


def estimated_rows(path: Path) -> int:
    """Return about how many rows a file has below its header, from its size and its first lines."""
    with opened(path) as (file, raw):
        sample = file.read(SAMPLE_BYTES)
        return max(path.stat().st_size * sample.count(b"\n") // max(raw.tell(), 1) - 1, 1)


def _behind_empty_lines(path: Path, block: bytes, empty: int, begun: bool) -> bytes:
    """Return the block, behind an empty line where some stood before it.

    Raises:
        UserError: it is the first of the file.
    """
    if not begun:
        empty += re.match(rb"(\r?\n)*", block)[0].count(b"\n")  # type: ignore[index]
        if empty:
            raise UserError(
                f"{path} begins with {empty:,} empty line{'' if empty == 1 else 's'}, and the header must be the first line."
                " Remove what stands before it."
            )
    return b"\n" + block if empty else block


def _last_row_end(data: bytes) -> int:
    """Return where the last row of `data` ends that is whole: after a newline that no quote holds; 0 if there is none."""
    cut = data.rfind(b"\n") + 1
    if data.find(b'"') < 0:
        return cut
    inside = data.count(b'"', 0, cut) % 2 == 1
    while cut and inside:  # then the last quote opens a value
        before = data.rfind(b"\n", 0, data.rfind(b'"', 0, cut)) + 1
        inside ^= data.count(b'"', before, cut) % 2 == 1
        cut = before
    return cut


def _line_of_nul(path: Path, form: TableOptions) -> int:
    line = 1
    for data in _utf8(path, form):
        at = data.find(b"\0")
        line += data.count(b"\n", 0, at if at >= 0 else len(data))
        if at >= 0:
            break
    return line


def _check_end(path: Path, rest: bytes) -> None:
    """Refuse a last line that ends within a letter."""
    try:
        rest.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise _cut_off(path, "UTF-8") from None


def _cut_off(path: Path, encoding: str) -> UserError:
    return UserError(
        f"{path} ends in the middle of a letter, in its last line: the file was cut off, or it is not {encoding}. Copy or write"
        " it again, or type the encoding that it was written in, as in data.encoding=latin-1."
    )


def _long_line(path: Path, data: bytes) -> UserError:
    if b"\r" in data:
        return cr_alone(path)
    return UserError(
        f"{path} has a line of more than {LONGEST_ROW // 2**20} MiB that begins with"
        f" {shown(data[:40].decode(errors='replace'))}: no row of a table is so long. Is it a CSV file, with a line"
        " for each row?"
    )


def cr_alone(path: Path) -> UserError:
    """Return the fault of a file whose lines end as old Macs ended them."""
    return UserError(f"{path} ends its lines with CR alone, as old Macs did. Save it with LF or CRLF line ends.")


def _utf8(path: Path, form: TableOptions) -> Iterator[bytes]:
    with opened(path) as (file, _):
        start = file.read(BLOCK_BYTES)
        _check_mark(path, form, start)
        if form.is_utf8:
            data = start.removeprefix(codecs.BOM_UTF8)
            while data:
                yield data
                data = file.read(BLOCK_BYTES)
            return
        decoder, data, at = codecs.getincrementaldecoder(form.encoding)(), start, 0
        while data:
            waiting = len(decoder.getstate()[0])
            try:
                text = decoder.decode(data).encode()
                yield text if at else text.removeprefix(codecs.BOM_UTF8)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path} is not data.encoding={form.encoding}: {error.reason} at byte {at - waiting + error.start:,}."
                ) from None
            except UnicodeError as error:
                raise UserError(f"{path} is not data.encoding={form.encoding}: {error}.") from None
            at += len(data)
            data = file.read(BLOCK_BYTES)
        try:
            decoder.decode(b"", final=True)
        except UnicodeError:
            raise _cut_off(path, form.encoding) from None


def _check_mark(path: Path, form: TableOptions, start: bytes) -> None:
    """Refuse UTF-16 and UTF-32 that were taken for UTF-8: by their byte order mark, or by a NUL in every other byte."""
    if not form.is_utf8:
        return
    name = "utf-32" if start.startswith((codecs.BOM_UTF32_LE, b"\x00\x00\xfe\xff")) else None
    if name is None and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    if name is None and len(start) > 3 and start[:400].count(0) * 3 > len(start[:400]):
        name = "utf-16-le" if start[1] == 0 else "utf-16-be"
    if name:
        raise UserError(f"{path} is text in {name.upper()}, not UTF-8: type data.encoding={name}.")
