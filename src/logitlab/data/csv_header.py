"""The first row of a CSV file: the names of the columns."""

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from logitlab.data import csv_quotes
from logitlab.data.csv_blocks import cr_alone
from logitlab.data.faults import short_list, shown
from logitlab.data.options import TableOptions
from logitlab.errors import UserError

LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
UNNAMED = "(unnamed)"
NOT_UTF8 = (
    "the text is not UTF-8. If it comes from an older program, type data.encoding=latin-1 (western) or the encoding that it was"
    " written in, such as cp949 (Korean), cp1252 or utf-16."
)


@dataclass(frozen=True)
class Header:
    """The names of the columns.

    Attributes:
        names: one for each column of the file.
        length: bytes of the header row.
        notices: sentences about what was changed in the names.
        trailing: the header row ends with a separator, and so do the rows: the last column has no name and no values.
    """

    names: tuple[str, ...]
    length: int
    notices: tuple[str, ...] = ()
    trailing: bool = False

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns without an empty one behind a trailing separator."""
        return self.names[:-1] if self.trailing else self.names

    @classmethod
    def read(cls, path: Path, form: TableOptions, block: bytes) -> "Header":
        """Return the header that a file's first block begins with.

        Raises:
            UserError: the separator is another one, or names are doubled or missing.
        """
        length = row_length(block)
        try:
            csv_quotes.check(block[:length], form.separator)
            line = block[:length].decode()
        except csv_quotes.QuoteError as fault:
            raise UserError(f"{path}, header: name {fault.column + 1} {fault}") from None
        except UnicodeDecodeError:
            raise UserError(f"{path}, header: {NOT_UTF8}") from None
        if "\r" in re.sub('"[^"]*"', "", line).removesuffix("\n").removesuffix("\r"):
            raise cr_alone(path)
        _check_comment(path, line, block[length:], form)
        raw = next(form.rows(line), [])
        _check_separator(path, form, line, raw)
        names = [LINE_BREAK.sub(" ", name.strip()) for name in raw]
        notices = []
        if stripped := [name for name, before in zip(names, raw, strict=True) if name != before]:
            changed = short_list([shown(name) for name in stripped])
            notices.append(f"In the header, spaces around a name and line breaks in it were left out: {changed}.")
        trailing = len(names) > 1 and not names[-1]
        if trailing:
            names[-1] = UNNAMED
            notices.append("The header ends with a separator; the column without a name behind it is empty and was left out.")
        _check_names(path, names)
        return cls(tuple(names), length, tuple(notices), trailing)


def row_length(block: bytes) -> int:
    """Return the bytes of the first row with its line end; a quoted name may hold a newline."""
    end = block.find(b"\n") + 1
    while end and block.count(b'"', 0, end) % 2:
        end = block.find(b"\n", end) + 1
    return end or len(block)


def _check_comment(path: Path, line: str, rest: bytes, form: TableOptions) -> None:
    """Refuse a first line that is no header: `# exported on Monday`. A column may be called #id."""
    below = rest[: row_length(rest)].decode(errors="replace")
    if line.startswith("#") and (line[1:2].isspace() or line.count(form.separator) != below.count(form.separator)):
        command = f"grep -v '^#' {shlex.quote(str(path))} > {shlex.quote(str(path.with_stem(path.stem + '-clean')))}"
        raise UserError(
            f"{path}: the first line, {shown(line.strip())}, begins with # as a comment does, and the first line must be the"
            f" header. Remove such lines: {command}"
        )


def _check_separator(path: Path, form: TableOptions, line: str, raw: list[str]) -> None:
    if len(raw) > 1:
        return
    found = {other: line.count(other) for other in ";\t|," if other != form.separator and other in line}
    if found:
        other = max(found, key=lambda each: found[each])
        name = {"\t": "tab", ";": "semicolon", "|": "pipe", ",": "comma"}[other]
        raise UserError(
            f"{path} has a single column {shown(line.strip())} when it is split at {shown(form.separator)}. Did you mean"
            f" {shown(other) if other != chr(9) else 'the tab'}? Type data.separator={name}."
        )


def _check_names(path: Path, names: list[str]) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        places = [str(place + 1) for place, name in enumerate(names) if name == doubled[0]]
        raise UserError(
            f"{path} has the column {shown(doubled[0])} {len(places)} times, as columns {short_list(places)}. Give each a"
            " name of its own."
        )
    if "" in names[1:] or names == [""]:  # the first of several is an index, as pandas writes one; see Roles
        place = names.index("", len(names) > 1) + 1
        raise UserError(
            f"{path}: column {place} of {len(names)} has no name in the header. Is there a separator too many in the header?"
        )
