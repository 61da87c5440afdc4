"""A CSV file's bytes in blocks of whole rows."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from logreg.data.csv_format import CsvFormat
from logreg.errors import UserError

BLOCK_BYTES = 8 * 2**20
LONGEST_ROW = 64 * 2**20
"""A row that is longer is no row: a quote was opened and never closed."""


def blocks(path: Path, form: CsvFormat) -> Iterator[bytes]:
    """Yield the file as UTF-8 in blocks that end where a row ends; a byte order mark is left out.

    Raises:
        UserError: the text is of another encoding, holds a NUL byte, or a quote is opened and never closed.
    """
    rest = b""
    line = 1
    for data in _utf8(path, form):
        if (at := data.find(b"\0")) >= 0:
            line += rest.count(b"\n") + data.count(b"\n", 0, at)
            raise UserError(
                f"{path} holds a NUL byte in line {line:,}: it is no text file, or a broken one. Write it anew, or remove the"
                " byte."
            )
        data = rest + data
        cut = _before_empty_lines(data, _last_row_end(data))
        if not cut and len(data) > LONGEST_ROW:
            raise _unbalanced(path, form)
        block, rest = data[:cut], data[cut:]
        line += block.count(b"\n")
        if block:
            yield block
    if rest.count(b'"') % 2:
        raise _unbalanced(path, form)
    if rest := rest.rstrip(b"\r\n"):
        yield rest + b"\n"


def _before_empty_lines(data: bytes, cut: int) -> int:
    """Return the cut before the empty lines that stand there: at the end of the file they mean nothing."""
    text = data[max(0, cut - 1024) : cut]
    empty = len(text) - len(text.rstrip(b"\r\n"))
    return data.find(b"\n", cut - empty) + 1 if empty < len(text) else 0


def _last_row_end(data: bytes) -> int:
    """Return where the last row of `data` ends that is whole: after a newline that no quote holds; 0 if there is none."""
    cut = data.rfind(b"\n") + 1
    if data.find(b'"') < 0:
        return cut
    inside = data.count(b'"', 0, cut) % 2 == 1
    while cut and inside:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        inside ^= data.count(b'"', before, cut) % 2 == 1
        cut = before
    return cut


def _utf8(path: Path, form: CsvFormat) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        start = file.read(BLOCK_BYTES)
        _check_mark(path, form, start)
        decoder = None if form.is_utf8 else codecs.getincrementaldecoder(form.encoding)()
        data = start.removeprefix(codecs.BOM_UTF8) if form.is_utf8 else start
        while data:
            try:
                yield data if decoder is None else decoder.decode(data).encode().removeprefix(codecs.BOM_UTF8)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path} is not data.encoding={form.encoding}: {error.reason} at byte {error.start:,}."
                ) from None
            except UnicodeError as error:
                raise UserError(f"{path} is not data.encoding={form.encoding}: {error}.") from None
            data = file.read(BLOCK_BYTES)


def _check_mark(path: Path, form: CsvFormat, start: bytes) -> None:
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


def _unbalanced(path: Path, form: CsvFormat) -> UserError:
    """Return the fault of a quote without its partner, with the first line that has an odd number of them."""
    line = 1
    for data in _utf8(path, form):
        for text in data.split(b"\n"):
            if text.count(b'"') % 2:
                return UserError(
                    f'{path} has a quote (") that is opened and never closed; the first line with an odd number of quotes is'
                    f" line {line:,}: {text[:60].decode(errors='replace')}. Close it, or double a quote that means itself."
                )
            line += 1
        line -= 1
    return UserError(f'{path} has a quote (") that is opened and never closed.')
