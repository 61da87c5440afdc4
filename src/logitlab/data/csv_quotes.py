"""Quotes in a CSV file: each opens a value, closes it, or is doubled within one; any other could swallow rows unnoticed."""

import re

import numpy as np

from logitlab.data.faults import shown

QUOTED = re.compile(rb'"[^"]*"')


class QuoteError(Exception):
    """A quote where none is allowed: row and column of its value, from 0; the message follows the name of the column."""

    def __init__(self, row: int, column: int, message: str) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


def check(block: bytes, separator: str) -> None:
    """Refuse a quote inside a value that is not doubled, and one that is never closed, in a block of whole rows.

    Quotes open and close in turn, where a doubled one closes and opens again. So each that opens stands at the beginning of a
    value or right behind one that closed, and each that closes stands at the end of a value or right before one that opens.

    Raises:
        QuoteError: for the first quote that does not.
    """
    if block.find(b'"') < 0:
        return
    data = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    opening, closing = quotes[0::2], quotes[1::2]
    around = np.zeros(256, dtype=bool)
    around[[ord(separator), ord("\n"), ord('"')]] = True
    before = around[data[opening - 1]]  # of a quote that is the first byte this is the last one: a line end
    around[ord("\r")] = True
    wrong_opening = opening[~before]
    wrong_closing = np.flatnonzero(~around[data[closing + 1]])
    first_opening = int(wrong_opening[0]) if len(wrong_opening) else len(data)
    first_closing = int(closing[wrong_closing[0]]) if len(wrong_closing) else len(data)
    if first_opening < first_closing:
        start = max(block.rfind(separator.encode(), 0, first_opening), block.rfind(b"\n", 0, first_opening)) + 1
        message = _inside(block, start, first_opening, separator)
    elif first_closing < len(data):
        start = _value_start(opening, closing, int(wrong_closing[0]))
        message = _behind(block, start, first_closing, separator)
    elif len(quotes) % 2:
        start = _value_start(opening, closing, len(opening) - 1)
        message = (
            f'has a quote (") that is opened and never closed: {shown(_value(block, start, start, separator))}. Close it, or'
            " double a quote that means itself and put the whole value in quotes."
        )
    else:
        return
    outside = QUOTED.sub(b"", block[:start])
    raise QuoteError(outside.count(b"\n"), outside[outside.rfind(b"\n") + 1 :].count(separator.encode()), message)


def _value_start(opening: np.ndarray, closing: np.ndarray, pair: int) -> int:
    """Return where the value begins that a pair of quotes is a part of."""
    while pair and closing[pair - 1] + 1 == opening[pair]:
        pair -= 1
    return int(opening[pair])


def _inside(block: bytes, start: int, at: int, separator: str) -> str:
    value = _value(block, start, at, separator)
    if not value[: at - start].strip():
        return f'has a space before the quote (") of {shown(value)}. Remove the space, or take the quotes away.'
    return (
        f'holds {shown(value)}, and a quote (") may not stand inside a value. Put the whole value in quotes and double'
        f" the quote within: {_doubled(value)}."
    )


def _behind(block: bytes, start: int, at: int, separator: str) -> str:
    value = _value(block, start, at + 1, separator)
    if "\n" in value or separator in value:  # the quote that closes it was probably meant for another value
        begin, rest = _value(block, start, start + 1, separator), _value(block, at + 1, at + 1, separator)
        return (
            f'begins with a quote ("), {shown(begin)}, and the quote that closes it stands before {shown(rest)}. Close it where'
            " the value ends; or, where a quote means itself, double it and put the whole value in quotes."
        )
    return (
        f'holds {shown(value)}, where text stands behind a quote (") that closes. Double a quote that means itself:'
        f" {_doubled(value.removeprefix(chr(34)).removesuffix(chr(34)))}."
    )


def _value(block: bytes, start: int, at: int, separator: str) -> str:
    """Return the text from `start` to the first separator or line end behind `at`."""
    text = block[start : at + 200]
    ends = [end for end in (text.find(separator.encode(), at - start), text.find(b"\n", at - start)) if end >= 0]
    return text[: min(ends, default=len(text))].decode(errors="replace").rstrip("\r")


def _doubled(value: str) -> str:
    value = value.replace('""', '"').replace('"', '""')
    return f'"{value}"' if len(value) <= 40 else '"5"" pipe"'
